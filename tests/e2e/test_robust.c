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
    sleep_ms(500); /* the last segments of the close come while the pipe is still full */
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

/* ---- Standard descriptors ------------------------------------------------------------------------------ */

/* The kernel's address is not there yet. */
static int listen_any(uint16_t port)
{
    struct sockaddr_in at = addr_of("0.0.0.0", port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 4) == 0);
    return fd;
}

static int accept_soon(int listener)
{
    struct pollfd ready = {listener, POLLIN, 0};
    CHECK(poll(&ready, 1, 5000) == 1);
    int fd = accept(listener, NULL, NULL);
    CHECK(fd >= 0);
    scene_limit_reads(fd, 5);
    return fd;
}

static void body_nc__closed_standard_descriptors__are_not_mistaken_for_others(void)
{
    static const struct {
        const char *closed;
        bool says, good;
    } cases[] = {
        {"<&- 2>&1", true, true}, {"2>&-", true, true}, {">&-", true, false}, {"<&- 2>&-", true, true}};
    static char text[COMMAND_TEXT_BYTES];
    int listener = listen_any(9005);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        pid_t nc =
            scene_start("echo up | timeout 5 \"$RILL\" nc -N 10.77.0.1 9005 > out %s", cases[i].closed);
        int fd = accept_soon(listener);
        bool closed_input = strstr(cases[i].closed, "<&-") != NULL;
        CHECK(kernel_read(fd, text, sizeof text) == (closed_input ? 0 : 3));
        kernel_write(fd, "down\n", 5);
        CHECK(close(fd) == 0);
        CHECK(scene_join(nc) == (cases[i].good ? 0 : 1));
        if (cases[i].good)
            scene_do("test \"$(cat out)\" = down");
    }
}
SCENE(nc__closed_standard_descriptors__are_not_mistaken_for_others)

/* What was printed and has not arrived is a failure, and the cause is named. */
static void body_standard_output__full_or_closed__is_a_failure_that_is_named(void)
{
    static const struct {
        const char *command, *words;
    } cases[] = {{"--help >/dev/full", "rill: standard output: No space left on device\n"},
                 {"--version >/dev/full", "rill: standard output: No space left on device\n"},
                 {"serve --help >/dev/full", "rill: standard output: No space left on device\n"},
                 {"nc --help >&-", "rill: standard output: Bad file descriptor\n"},
                 {"serve >/dev/full", "rill serve: standard output: No space left on device\n"},
                 {"serve >&-", "rill serve: standard output: Bad file descriptor\n"}};
    static char out[COMMAND_TEXT_BYTES];
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CHECK(scene_try(out, "timeout 5 \"$RILL\" %s", cases[i].command) == 1);
        CHECK(strcmp(out, cases[i].words) == 0);
    }
}
SCENE(standard_output__full_or_closed__is_a_failure_that_is_named)

/* ---- The command line ---------------------------------------------------------------------------------- */

static void body_options__that_cannot_start_anywhere__are_usage_errors(void)
{
    static const char *const cases[] = {"serve --tun 'a b'",
                                        "serve --tun .",
                                        "serve --addr 0.0.0.0",
                                        "serve --addr 10.77.0.255",
                                        "serve --peer 10.77.0.1/024",
                                        "nc --tun . 10.77.0.1 5",
                                        "serve -w a --trace a",
                                        "nc --trace a -w a 10.77.0.1 5",
                                        "serve -w -",
                                        "lab --trace - -- true",
                                        "lab --tun 'a b' -- true",
                                        "lab true"};
    static char out[COMMAND_TEXT_BYTES];
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int status = scene_try(out, "timeout 5 \"$RILL\" %s", cases[i]);
        if (status != 2)
            fprintf(stderr, "%s: %d\n", cases[i], status);
        CHECK(status == 2);
        CHECK(strstr(out, "--help'.\n") != NULL);
    }
    CHECK(strstr(out, "a command goes behind --") != NULL);
}
SCENE(options__that_cannot_start_anywhere__are_usage_errors)

static void body_log__without_v__is_written_all_the_same(void)
{
    static char out[COMMAND_TEXT_BYTES];
    struct command command = serve(ARGV("serve", "--log", "segments", "discard"));
    CHECK(close(kernel_connect(9)) == 0);
    CHECK(kill(command.pid, SIGTERM) == 0 && command_wait(&command) == 0);
    scene_do("grep -q SYN segments");
    CHECK(scene_try(out, "timeout 5 \"$RILL\" serve --log no/such/file") == 1);
    CHECK(strcmp(out, "rill serve: --log no/such/file: No such file or directory\n") == 0);
}
SCENE(log__without_v__is_written_all_the_same)

/* ---- The rest ------------------------------------------------------------------------------------------ */

/* RFC 1122 4.2.2.13: closed with something unread, the connection would be reset, and the answer lost. */
static void body_talk__more_than_it_reads__the_answer_arrives(void)
{
    static char seen[COMMAND_TEXT_BYTES];
    static const uint8_t long_message[5000];
    char answer[16];
    struct command command = serve(ARGV("serve", "talk"));
    int fd = kernel_connect(8080);
    scene_limit_reads(fd, 5);
    kernel_write(fd, long_message, sizeof long_message);
    CHECK(command_read_until(command.out, "message for the client: ", seen));
    sleep_ms(100);
    CHECK(write(command.in, "good day\n", 9) == 9);
    CHECK(kernel_read(fd, answer, sizeof answer) == 8 && memcmp(answer, "good day", 8) == 0);
    CHECK(command_read_until(command.out, "(3976 bytes more had come", seen));
    CHECK(close(fd) == 0);
    CHECK(command_wait(&command) == 0);
}
SCENE(talk__more_than_it_reads__the_answer_arrives)

static void body_dev_net_tun__is_a_file__is_named(void)
{
    static char out[COMMAND_TEXT_BYTES];
    int status = scene_try(out, "touch file; unshare -m sh -c 'mount --bind file /dev/net/tun || exit 77; "
                                "exec timeout 5 \"$RILL\" serve'");
    if (status == 77)
        netns_skip("no mounts can be made");
    CHECK(status == 1);
    CHECK(strstr(out, "not a TUN device: /dev/net/tun: ") != NULL);
}
SCENE(dev_net_tun__is_a_file__is_named)

/* The kernel sends no router solicitations to a stack that knows IPv4 only. */
static void body_device__is_made__without_ipv6(void)
{
    scene_do("echo 0 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
    struct command command = scene_serve(ARGV("echo"));
    sleep_ms(1500); /* the kernel takes its time before it sends the first one */
    scene_do("test \"$(cat /proc/sys/net/ipv6/conf/rill0/disable_ipv6)\" = 1");
    scene_stop(&command);
    CHECK(scene_counter("DROP_IP_VERSION") == 0);
}
SCENE(device__is_made__without_ipv6)

#define KILL_THE_STACK                                                                                       \
    "for p in /proc/[0-9]*; do p=${p#/proc/}; read -r line </proc/$p/stat; set -- $line; "                   \
    "[ \"$4\" = $PPID ] && [ $p != $$ ] && kill -9 $p; done; "

static void body_lab__stack_is_killed__is_said(void)
{
    static char out[COMMAND_TEXT_BYTES];
    CHECK(scene_try(out, "timeout 10 \"$RILL\" lab echo -- sh -c '" KILL_THE_STACK "sleep 0.5; exit 3'") ==
          3);
    CHECK(strstr(out, "rill lab: the stack was killed by signal 9 (Killed); ") != NULL);
    CHECK(scene_try(out, "timeout 10 \"$RILL\" lab echo -- sh -c '" KILL_THE_STACK "sleep 0.5'") == 1);
}
SCENE(lab__stack_is_killed__is_said)

/* One that waits for the service's data, which no retransmission would end. */
static void body_lab__stack_is_killed__connections_with_it_end(void)
{
    static char out[COMMAND_TEXT_BYTES];
    scene_needs("nc");
    CHECK(scene_try(out, "timeout 10 \"$RILL\" lab echo -- sh -c '"
                         "sleep 20 | nc 10.77.0.2 7 & sleep 0.5; " KILL_THE_STACK "exec 2>&1; "
                         "n=0; while pidof nc >/dev/null && [ $n -lt 40 ]; do n=$((n + 1)); sleep 0.1; done; "
                         "[ $n -lt 40 ] && echo over in time'") == 1);
    CHECK(strstr(out, "over in time") != NULL);
}
SCENE(lab__stack_is_killed__connections_with_it_end)

/* As on a full disk: what was served goes on. */
static void body_capture__file_size_limit__stops_the_capture_only(void)
{
    static char out[COMMAND_TEXT_BYTES];
    scene_needs("nc");
    signal(SIGXFSZ, SIG_DFL); /* who runs this may ignore it */
    CHECK(scene_try(out, "ulimit -f 1; timeout 10 \"$RILL\" lab -w c.pcapng echo -- sh -c "
                         "'sleep 0.1; for i in 1 2 3 4 5; do head -c 3000 /dev/zero | nc -N 10.77.0.2 7 "
                         "| wc -c; done; sleep 1.2; echo good | nc -N 10.77.0.2 7'") == 0);
    CHECK(strstr(out, "rill: c.pcapng: File too large; nothing more is written to it\n") != NULL);
    CHECK(strstr(out, "good\n") != NULL && strstr(out, "killed") == NULL);
}
SCENE(capture__file_size_limit__stops_the_capture_only)

static void body_serve__signal_and_a_client_that_stays__says_what_it_waits_for(void)
{
    static char seen[COMMAND_TEXT_BYTES];
    char byte = 'x';
    struct command command = serve(ARGV("serve", "echo"));
    int fd = kernel_connect(7);
    kernel_write(fd, &byte, 1);
    CHECK(kernel_read(fd, &byte, 1) == 1);
    CHECK(kill(command.pid, SIGTERM) == 0);
    CHECK(command_read_until(command.out, "Closing 1 connection", seen));
    CHECK(close(fd) == 0);
    CHECK(command_wait(&command) == 0);
}
SCENE(serve__signal_and_a_client_that_stays__says_what_it_waits_for)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verbose__reader_that_stops__loses_lines_and_stops_nothing),
        cmocka_unit_test(serve__second_signal_while_it_waits_for_a_reader__ends_at_once),
        cmocka_unit_test(log__full_disk__is_said_once),
        cmocka_unit_test(device__deleted__ends_serve_with_a_word),
        cmocka_unit_test(nc__closed_standard_descriptors__are_not_mistaken_for_others),
        cmocka_unit_test(standard_output__full_or_closed__is_a_failure_that_is_named),
        cmocka_unit_test(options__that_cannot_start_anywhere__are_usage_errors),
        cmocka_unit_test(log__without_v__is_written_all_the_same),
        cmocka_unit_test(talk__more_than_it_reads__the_answer_arrives),
        cmocka_unit_test(dev_net_tun__is_a_file__is_named),
        cmocka_unit_test(device__is_made__without_ipv6),
        cmocka_unit_test(lab__stack_is_killed__is_said),
        cmocka_unit_test(lab__stack_is_killed__connections_with_it_end),
        cmocka_unit_test(capture__file_size_limit__stops_the_capture_only),
        cmocka_unit_test(serve__signal_and_a_client_that_stays__says_what_it_waits_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
