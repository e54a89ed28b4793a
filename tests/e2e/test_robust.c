/* test_robust.c - the `rill` command where its surroundings fail: readers that stop, descriptors that are
 * closed, full disks, devices that vanish, mistakes on the command line. */
#include "test.h"

#include "scene.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

enum { MTU = 300, FLOOD_BYTES = 6000000 };

static struct command serve(const char *const *argv)
{
    static char seen[COMMAND_TEXT_BYTES];
    seen[0] = '\0';
    struct command command = command_start(argv);
    CHECK(command_read_until(command.out, "Ctrl-C ends it.\n", seen));
    return command;
}

/* ---- The reader of -v ---------------------------------------------------------------------------------- */

/* So many segments that their lines fill any pipe; returns when the service has taken all and closed. */
static void flood_discard(void)
{
    static uint8_t data[FLOOD_BYTES];
    char byte;
    int fd = kernel_connect(9);
    scene_limit_reads(fd, 20);
    kernel_write(fd, data, sizeof data);
    CHECK(shutdown(fd, SHUT_WR) == 0);
    CHECK(read(fd, &byte, 1) == 0);
    CHECK(close(fd) == 0);
}

/* How many lines came, and how many are said to be lost. */
static uint64_t drain(int fd, uint64_t *lost)
{
    static char text[4 << 20];
    size_t len = 1;
    uint64_t lines = 0;
    text[0] = '\n';
    struct pollfd more = {fd, POLLIN, 0};
    for (ssize_t n; len + 1 < sizeof text && poll(&more, 1, 300) == 1; len += (size_t)n)
        if ((n = read(fd, text + len, sizeof text - 1 - len)) <= 0)
            break;
    text[len] = '\0';
    for (const char *at = text + 1; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    *lost = 0;
    for (const char *at = text; (at = strstr(at, "\n... ")) != NULL; at++) {
        CHECK(strstr(at, " lines lost") != NULL);
        *lost += strtoull(at + 5, NULL, 10);
    }
    return lines;
}

static void body_verbose__reader_that_stops__loses_lines_and_stops_nothing(void)
{
    uint64_t before, after;
    struct command command = serve(ARGV("serve", "-v", "--mtu", "300", "discard"));
    flood_discard();
    uint64_t lines = drain(command.err, &before);
    CHECK(lines > 100);
    CHECK(close(kernel_connect(9)) == 0); /* now there is room to say how many */
    CHECK(drain(command.err, &after) > 1 && after > 0);
    /* Each segment that came has a line, or is lost. */
    CHECK(lines + before + after >= FLOOD_BYTES / (MTU - 40));
    flood_discard(); /* full once more */
    CHECK(kill(command.pid, SIGTERM) == 0);
    CHECK(command_wait(&command) == 0);
}
SCENE(verbose__reader_that_stops__loses_lines_and_stops_nothing)

/* What is printed at the end has to wait for the reader: the second signal does not. */
static void body_serve__second_signal_while_it_waits_for_a_reader__ends_at_once(void)
{
    struct command command = serve(ARGV("serve", "-v", "--stats", "--mtu", "300", "discard"));
    flood_discard();
    CHECK(kill(command.pid, SIGTERM) == 0);
    sleep_ms(500);
    CHECK(waitpid(command.pid, NULL, WNOHANG) == 0);
    CHECK(kill(command.pid, SIGTERM) == 0);
    CHECK(command_wait(&command) == 128 + SIGTERM);
}
SCENE(serve__second_signal_while_it_waits_for_a_reader__ends_at_once)

static void body_log__full_disk__is_said_once(void)
{
    static char out[COMMAND_TEXT_BYTES];
    struct command command = serve(ARGV("serve", "-v", "--log", "/dev/full", "discard"));
    CHECK(close(kernel_connect(9)) == 0);
    CHECK(close(kernel_connect(9)) == 0);
    CHECK(kill(command.pid, SIGTERM) == 0);
    CHECK(command_wait(&command) == 0);
    out[kernel_read(command.err, out, sizeof out - 1)] = '\0';
    CHECK(strcmp(out, "rill serve: --log /dev/full: No space left on device: lines are lost\n") == 0);
}
SCENE(log__full_disk__is_said_once)

/* ---- The device ---------------------------------------------------------------------------------------- */

static void body_device__deleted__ends_serve_with_a_word(void)
{
    static char seen[COMMAND_TEXT_BYTES];
    struct command command = serve(ARGV("serve"));
    scene_do("ip link set rill0 down; ip link set rill0 up");
    CHECK(close(kernel_connect(9)) == 0); /* that much is survived */
    int64_t began_us = mono_us();
    scene_do("ip link del rill0");
    CHECK(command_read_until(command.err, "rill serve: rill0 is gone", seen));
    CHECK(command_wait(&command) == 1);
    CHECK(mono_us() - began_us < 1500000);
}
SCENE(device__deleted__ends_serve_with_a_word)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verbose__reader_that_stops__loses_lines_and_stops_nothing),
        cmocka_unit_test(serve__second_signal_while_it_waits_for_a_reader__ends_at_once),
        cmocka_unit_test(log__full_disk__is_said_once),
        cmocka_unit_test(device__deleted__ends_serve_with_a_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
