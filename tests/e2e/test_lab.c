/* test_lab.c - what `rill lab` and `rill serve` leave behind: nothing; and two of them on one device. */
#include "test.h"

#include "scene.h"

#include <net/if.h>
#include <poll.h>
#include <signal.h>

/* The scene itself fails if a process is left; a device would be in the namespace of the test if anywhere. */
static void body_lab__ping__works_alone_and_leaves_nothing(void)
{
    static char out[COMMAND_TEXT_BYTES], before[COMMAND_TEXT_BYTES], after[COMMAND_TEXT_BYTES];
    scene_needs("ping");
    CHECK(scene_try(before, "cat /proc/net/dev; readlink /proc/self/ns/net") == 0);
    CHECK(scene_try(out, "\"$RILL\" lab -- ping -c 1 -W 5 10.77.0.2") == 0);
    CHECK(strstr(out, "1 packets transmitted, 1 received, 0% packet loss") != NULL);
    CHECK(scene_try(after, "cat /proc/net/dev; readlink /proc/self/ns/net") == 0);
    CHECK(strcmp(before, after) == 0);
    CHECK(if_nametoindex("rill0") == 0);
    /* ping's own status for "no answer" is 1, and nobody is at that address. */
    CHECK(scene_try(out, "\"$RILL\" lab -- ping -c 1 -W 0.2 10.77.0.9") == 1);
    CHECK(scene_try(out, "\"$RILL\" lab -- sh -c 'exit 42'") == 42);
}
SCENE(lab__ping__works_alone_and_leaves_nothing)

/* A command that leaves a child behind, one that is killed, and a terminal that goes away. */
static void body_lab__signals__end_everything(void)
{
    static char out[COMMAND_TEXT_BYTES];
    CHECK(scene_try(out, "\"$RILL\" lab -- sh -c 'kill -TERM $$'") == 128 + SIGTERM);
    pid_t lab = scene_start("exec \"$RILL\" lab -- sh -c 'echo $$ >pid; exec sleep 50'");
    scene_await("test -s pid");
    CHECK(kill(lab, SIGTERM) == 0); /* is passed on to the command, and its end is that of the lab */
    CHECK(scene_join(lab) == 128 + SIGTERM);
}
SCENE(lab__signals__end_everything)

/* A lab in a lab, and two side by side: each has its own 10.77.0.2. */
static void body_lab__two_at_once__do_not_see_each_other(void)
{
    scene_needs("nc");
    pid_t first = scene_start("exec \"$RILL\" lab -- sh -c ': >up; until [ -e done ]; do sleep 0.05; done;"
                              " grep -c . /proc/net/tcp >sockets; echo first | nc -N 10.77.0.2 7 >first'");
    scene_await("test -e up");
    scene_do("\"$RILL\" lab -- sh -c 'echo second | nc -N 10.77.0.2 7' >second");
    scene_do(": >done");
    CHECK(scene_join(first) == 0);
    scene_do("test $(cat first) = first && test $(cat second) = second && test $(cat sockets) = 1");
}
SCENE(lab__two_at_once__do_not_see_each_other)

/* ---- serve --------------------------------------------------------------------------------------------- */

/* The second one says what is wrong and what helps; the first one is not disturbed, and the advice is good.
 */
static void body_serve__second_on_the_same_device__says_that_it_is_busy(void)
{
    static char out[COMMAND_TEXT_BYTES];
    struct command rill = scene_serve(ARGV("echo"));
    CHECK(scene_try(out, "timeout 10 \"$RILL\" serve echo") == 1);
    CHECK(memcmp(out, "rill serve: ", 12) == 0 && strchr(out, '\n') == out + strlen(out) - 1);
    CHECK(strstr(out, "rill0 ") != NULL && strstr(out, "used by another program") != NULL);
    CHECK(ping_us(STACK_ADDR) >= 0);
    scene_do("\"$RILL\" serve --tun rill1 --addr 10.77.0.130 --peer 10.77.0.129/25 echo >other & pid=$!\n"
             "n=0; until grep -q Ctrl-C other || [ $n = 200 ]; do sleep 0.05; n=$((n + 1)); done\n"
             "ping -q -c 1 -W 5 10.77.0.130 && kill $pid && wait $pid");
    scene_stop(&rill);
}
SCENE(serve__second_on_the_same_device__says_that_it_is_busy)

/* Connections in every condition, none of which the client ends: one idle, one that does not take what it is
 * sent, one behind a closed window. */
static void open_connections(int fd[3])
{
    static char data[1 << 20];
    fd[0] = kernel_connect(7);
    kernel_write(fd[0], "x", 1);
    CHECK(kernel_read(fd[0], data, 1) == 1);
    fd[1] = kernel_connect(19);
    CHECK(kernel_read(fd[1], data, 1) == 1);
    fd[2] = kernel_connect(9000);
    (void)send(fd[2], data, sizeof data, MSG_DONTWAIT | MSG_NOSIGNAL);
    sleep_ms(300);
}

static void expect_end(int signal_number)
{
    int fd[3];
    struct command rill = scene_serve(ARGV("echo", "chargen", "slow"));
    open_connections(fd);
    int64_t began_us = mono_us();
    CHECK(kill(rill.pid, signal_number) == 0);
    CHECK(command_wait(&rill) == 0);
    CHECK(mono_us() - began_us < 2500000);
    CHECK(if_nametoindex("rill0") == 0);
    for (int i = 0; i < 3; i++)
        CHECK(close(fd[i]) == 0);
}

static void body_serve__sigterm_with_open_connections__exits_0_within_2_5_s(void) { expect_end(SIGTERM); }
SCENE(serve__sigterm_with_open_connections__exits_0_within_2_5_s)

static void body_serve__sigint_with_open_connections__exits_0_within_2_5_s(void) { expect_end(SIGINT); }
SCENE(serve__sigint_with_open_connections__exits_0_within_2_5_s)

static void body_serve__second_signal__ends_at_once(void)
{
    static const int signals[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < COUNT_OF(signals); i++) {
        int fd[3];
        char byte;
        struct command rill = scene_serve(ARGV("echo", "chargen", "slow"));
        open_connections(fd);
        int64_t began_us = mono_us();
        CHECK(kill(rill.pid, SIGTERM) == 0);
        CHECK(kernel_read(fd[0], &byte, 1) == 0); /* its FIN: it is closing */
        CHECK(kill(rill.pid, signals[i]) == 0);
        CHECK(command_wait(&rill) == 128 + signals[i]);
        CHECK(mono_us() - began_us < 1500000); /* the first alone would have waited for two seconds */
        CHECK(if_nametoindex("rill0") == 0);
        for (int k = 0; k < 3; k++)
            CHECK(close(fd[k]) == 0);
    }
}
SCENE(serve__second_signal__ends_at_once)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lab__ping__works_alone_and_leaves_nothing),
        cmocka_unit_test(lab__signals__end_everything),
        cmocka_unit_test(lab__two_at_once__do_not_see_each_other),
        cmocka_unit_test(serve__second_on_the_same_device__says_that_it_is_busy),
        cmocka_unit_test(serve__sigterm_with_open_connections__exits_0_within_2_5_s),
        cmocka_unit_test(serve__sigint_with_open_connections__exits_0_within_2_5_s),
        cmocka_unit_test(serve__second_signal__ends_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
