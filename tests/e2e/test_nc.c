/* test_nc.c - the real `nc`, and sockets of the kernel, against the stack: data, ends of connections, closed
 * windows. */
#include "test.h"

#include "scene.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

/* What came back is what was sent, by their SHA-256. */
static void same(const char *sent, const char *received)
{
    scene_do("a=$(sha256sum <%s) b=$(sha256sum <%s); echo \"$a $b\"; test \"$a\" = \"$b\"", sent, received);
}

static void expect(const char *script, int status, const char *said)
{
    static char out[COMMAND_TEXT_BYTES];
    int ended = scene_try(out, "%s", script);
    if (ended != status || strcmp(out, said) != 0)
        (void)fprintf(stderr, "%s\nended with status %d and said:\n%s", script, ended, out);
    CHECK(ended == status && strcmp(out, said) == 0);
}

/* ---- Data ---------------------------------------------------------------------------------------------- */

static void body_echo__64_megabytes__come_back_unchanged(void)
{
    scene_needs("nc");
    struct command rill = scene_serve(ARGV("echo"));
    scene_do("head -c 67108864 /dev/urandom >sent; timeout 50 nc -N 10.77.0.2 7 <sent >received");
    same("sent", "received");
    scene_stop(&rill);
    CHECK(scene_counter("BYTES_IN") == 67108864 && scene_counter("BYTES_OUT") == 67108864);
    CHECK(scene_counter("OPEN_PASSIVE") == 1);
    CHECK(scene_counter("RST_OUT") == 0 && scene_counter("RST_IN") == 0);
}
SCENE(echo__64_megabytes__come_back_unchanged)

static void body_echo__8_clients_at_once__get_each_their_own(void)
{
    enum { CLIENTS = 8 };
    scene_needs("nc");
    struct command rill = scene_serve(ARGV("echo"));
    scene_do("for i in 1 2 3 4 5 6 7 8; do head -c $((2000000 + i * 300001)) /dev/urandom >sent$i; done\n"
             "pids=\n"
             "for i in 1 2 3 4 5 6 7 8; do\n"
             "    timeout 50 nc -N 10.77.0.2 7 <sent$i >received$i & pids=\"$pids $!\"\n"
             "done\n"
             "for pid in $pids; do wait $pid || exit 1; done");
    for (int i = 1; i <= CLIENTS; i++) {
        char sent[32], received[32];
        (void)snprintf(sent, sizeof sent, "sent%d", i);
        (void)snprintf(received, sizeof received, "received%d", i);
        same(sent, received);
    }
    scene_stop(&rill);
    CHECK(scene_counter("OPEN_PASSIVE") == CLIENTS);
}
SCENE(echo__8_clients_at_once__get_each_their_own)

/* Input for a client of nc -l: that one ends with the first FIN that it gets, whether or not it has sent all
 * (nc(1) and ours agree in this), so that the client's has to wait until all has come back. */
#define UP_AND_WAIT                                                                                          \
    "{ cat up; n=0; until [ $(wc -c <down.received) = 4194303 ] || [ $n = 400 ]; do"                         \
    " sleep 0.05; n=$((n + 1)); done; } | "

static void body_rill_nc__kernel_listens__4_megabytes_each_way(void)
{
    scene_needs("nc");
    scene_do("head -c 4194304 /dev/urandom >up; head -c 4194303 /dev/urandom >down");
    pid_t server = scene_start("exec timeout 50 nc -N -l 5000 <down >up.received");
    scene_await("ss -Hltn | grep -q ':5000 '");
    scene_do(": >down.received; " UP_AND_WAIT "timeout 50 \"$RILL\" nc -N 10.77.0.1 5000 >down.received");
    CHECK(scene_join(server) == 0);
    same("up", "up.received");
    same("down", "down.received");
}
SCENE(rill_nc__kernel_listens__4_megabytes_each_way)

static void body_rill_nc_l__kernel_connects__4_megabytes_each_way(void)
{
    scene_needs("nc");
    scene_do("head -c 4194304 /dev/urandom >up; head -c 4194303 /dev/urandom >down");
    pid_t server =
        scene_start("exec timeout 50 \"$RILL\" nc -v --log segments -N -l 5001 <down >up.received 2>said");
    scene_await("grep -q 'Listening on 10.77.0.2 5001' said");
    scene_do(": >down.received; " UP_AND_WAIT "timeout 50 nc -N 10.77.0.2 5001 >down.received");
    CHECK(scene_join(server) == 0);
    same("up", "up.received");
    same("down", "down.received");
}
SCENE(rill_nc_l__kernel_connects__4_megabytes_each_way)

/* ---- Ends ---------------------------------------------------------------------------------------------- */

/* The client's FIN is not the end of the answer: 3,000,000 bytes are more than all buffers hold. */
static void body_half_close__client_first__the_rest_comes(void)
{
    enum { BYTES = 3000000 };
    static uint8_t data[BYTES], back[BYTES + 1];
    struct command rill = scene_serve(ARGV("echo"));
    int fd = kernel_connect(7), status;
    scene_limit_reads(fd, 10);
    pattern_fill(data, BYTES, 0, 7);
    pid_t writer = fork();
    if (writer == 0) {
        kernel_write(fd, data, BYTES);
        CHECK(shutdown(fd, SHUT_WR) == 0);
        _exit(0);
    }
    sleep_ms(300); /* nobody reads, and both directions fill up */
    CHECK(kernel_read(fd, back, BYTES + 1) == BYTES);
    CHECK(memcmp(data, back, BYTES) == 0);
    CHECK(waitpid(writer, &status, 0) == writer && status == 0);
    CHECK(close(fd) == 0);
    scene_stop(&rill);
    CHECK(scene_counter("RST_OUT") == 0 && scene_counter("RST_IN") == 0);
    CHECK(scene_counter("TIME_WAIT_ENTERED") == 0); /* who closes first waits: RFC 9293 3.6 */
}
SCENE(half_close__client_first__the_rest_comes)

/* After the server's FIN the client may go on talking: no reset answers it (RFC 1122 4.2.2.13), and the
 * TIME-WAIT is ours. */
static void body_half_close__server_first__client_may_talk_on(void)
{
    char line[128];
    struct command rill = scene_serve(ARGV("daytime"));
    int fd = kernel_connect(13);
    scene_limit_reads(fd, 10);
    CHECK(kernel_read(fd, line, sizeof line) > 2); /* up to its FIN */
    for (int i = 0; i < 3; i++) {
        kernel_write(fd, "and what day?", 13);
        sleep_ms(50);
    }
    CHECK(shutdown(fd, SHUT_WR) == 0);
    sleep_ms(50);
    int error = -1;
    socklen_t len = sizeof error;
    CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0);
    CHECK(close(fd) == 0);
    scene_stop(&rill);
    CHECK(scene_counter("BYTES_IN") == 3 * 13);
    CHECK(scene_counter("RST_OUT") == 0 && scene_counter("RST_IN") == 0);
    CHECK(scene_counter("TIME_WAIT_ENTERED") == 1);
}
SCENE(half_close__server_first__client_may_talk_on)

static void body_nc__server_closes_first__ends_well(void)
{
    static char out[COMMAND_TEXT_BYTES];
    scene_needs("nc");
    struct command rill = scene_serve(ARGV("daytime", "discard"));
    CHECK(scene_try(out, "timeout 10 nc 10.77.0.2 13 </dev/null") == 0);
    CHECK(strlen(out) > 2 && strcmp(out + strlen(out) - 2, "\r\n") == 0);
    expect("echo one | timeout 10 nc -N 10.77.0.2 9", 0, "");
    scene_stop(&rill);
    CHECK(scene_counter("RST_OUT") == 0 && scene_counter("RST_IN") == 0);
}
SCENE(nc__server_closes_first__ends_well)

static void body_nc__nobody_listens__is_refused(void)
{
    scene_needs("nc");
    struct command rill = scene_serve(ARGV("echo"));
    expect("nc -v 10.77.0.2 99 </dev/null", 1,
           "nc: connect to 10.77.0.2 port 99 (tcp) failed: Connection refused\n");
    expect("\"$RILL\" nc --tun rill1 --addr 10.77.0.6 --peer 10.77.0.5/30 10.77.0.5 99", 1,
           "nc: connect to 10.77.0.5 port 99 (tcp) failed: Connection refused\n");
    scene_stop(&rill);
    CHECK(scene_counter("RST_OUT") == 1);
}
SCENE(nc__nobody_listens__is_refused)

/* SO_LINGER 0 resets; the server forgets that client and serves the next one. */
static void body_reset__in_the_middle__the_server_goes_on(void)
{
    struct linger at_once = {1, 0};
    static uint8_t data[1 << 20];
    scene_needs("nc");
    struct command rill = scene_serve(ARGV("echo"));
    for (int i = 0; i < 5; i++) {
        int fd = kernel_connect(7);
        CHECK(send(fd, data, sizeof data, MSG_DONTWAIT | MSG_NOSIGNAL) > 0);
        CHECK(kernel_read(fd, data, 1000) == 1000);
        CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
        CHECK(close(fd) == 0);
        expect("echo still there | timeout 10 nc -N 10.77.0.2 7", 0, "still there\n");
    }
    scene_stop(&rill);
    CHECK(scene_counter("RST_IN") == 5);
}
SCENE(reset__in_the_middle__the_server_goes_on)

/* ---- Closed windows ------------------------------------------------------------------------------------ */

/* `slow` takes a byte each second: three of them and then the end take three seconds. */
static void body_slow__3_bytes__take_3_seconds(void)
{
    char byte;
    struct command rill = scene_serve(ARGV("slow"));
    int fd = kernel_connect(9000);
    scene_limit_reads(fd, 10);
    int64_t began_us = mono_us();
    kernel_write(fd, "123", 3);
    CHECK(shutdown(fd, SHUT_WR) == 0);
    CHECK(kernel_read(fd, &byte, 1) == 0);
    int64_t took_us = mono_us() - began_us;
    CHECK(took_us > 2900000 && took_us < 4000000);
    CHECK(close(fd) == 0);
    scene_stop(&rill);
    CHECK(scene_counter("BYTES_IN") == 3);
}
SCENE(slow__3_bytes__take_3_seconds)

/* Writes until the kernel takes no more. */
static void fill(int fd)
{
    static uint8_t data[1 << 20];
    while (send(fd, data, sizeof data, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        ;
    CHECK(errno == EAGAIN);
}

/* Bytes that the kernel has taken from the client and that have not been acknowledged. */
static int unacknowledged(int fd)
{
    int bytes;
    CHECK(ioctl(fd, TIOCOUTQ, &bytes) == 0);
    return bytes;
}

#define PERSIST "ss -Htnoi state established dport = :9000 | tr -d '\\n'"

/* The window closes; the kernel probes it, the probes are answered, and nothing is lost: neither the
 * connection nor the service of others.  The client's reset ends it. */
static void body_slow__more_than_it_takes__closes_the_window(void)
{
    static uint8_t data[1 << 20];
    struct linger at_once = {1, 0};
    int small = 65536;
    scene_needs("ss");
    struct command rill = scene_serve(ARGV("slow", "echo"));
    int fd = kernel_connect(9000);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
    fill(fd);
    /* A probe has been answered: before it, the kernel only avoids a small segment (RFC 1122 4.2.3.4). */
    scene_await(PERSIST " >said && grep -q 'timer:(persist.* backoff:[1-9]' said");
    fill(fd); /* what was acknowledged until then left some room */
    int waiting = unacknowledged(fd);
    CHECK(waiting > small / 2);
    sleep_ms(1500);
    scene_do(PERSIST " >said && grep 'timer:(persist.* backoff:[2-9]' said");
    CHECK(unacknowledged(fd) == waiting);
    CHECK(send(fd, data, sizeof data, MSG_DONTWAIT | MSG_NOSIGNAL) == -1 && errno == EAGAIN);
    int other = kernel_connect(7);
    scene_limit_reads(other, 10);
    kernel_write(other, "x", 1);
    CHECK(kernel_read(other, data, 1) == 1);
    CHECK(close(other) == 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0 && close(fd) == 0);
    sleep_ms(300); /* the reset is in before the signal, however slow the machine is */
    int64_t began_us = mono_us();
    scene_stop(&rill);
    CHECK(mono_us() - began_us < 1000000); /* nobody was left to be waited for */
    CHECK(scene_counter("RST_IN") == 1 && scene_counter("TIMED_OUT") == 0);
    CHECK(scene_counter("BYTES_IN") > 1000 && scene_counter("BYTES_IN") < 65536);
}
SCENE(slow__more_than_it_takes__closes_the_window)

/* The other way round: chargen's client does not read for a while.  rill probes, and when the window opens
 * the text goes on where it had stopped. */
static void body_chargen__client_that_pauses__is_probed_and_loses_nothing(void)
{
    enum { LINE = 74, LINES = 40000 };
    static char text[LINE * LINES];
    int small = 65536;
    struct sockaddr_in to = addr_of(STACK_ADDR, 19);
    struct command rill = scene_serve(ARGV("chargen"));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small) == 0);
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    scene_limit_reads(fd, 10);
    sleep_ms(2000);
    CHECK(kernel_read(fd, text, sizeof text) == sizeof text);
    for (int i = 0; i < LINES; i++) /* RFC 864 2 */
        for (int k = 0; k < 72; k++)
            CHECK(text[i * LINE + k] == ' ' + (i + k) % 95);
    CHECK(close(fd) == 0);
    scene_stop(&rill);
    CHECK(scene_counter("PROBE_SENT") >= 2);
    CHECK(scene_counter("RTO_FIRED") == 0 && scene_counter("TIMED_OUT") == 0);
}
SCENE(chargen__client_that_pauses__is_probed_and_loses_nothing)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echo__64_megabytes__come_back_unchanged),
        cmocka_unit_test(echo__8_clients_at_once__get_each_their_own),
        cmocka_unit_test(rill_nc__kernel_listens__4_megabytes_each_way),
        cmocka_unit_test(rill_nc_l__kernel_connects__4_megabytes_each_way),
        cmocka_unit_test(half_close__client_first__the_rest_comes),
        cmocka_unit_test(half_close__server_first__client_may_talk_on),
        cmocka_unit_test(nc__server_closes_first__ends_well),
        cmocka_unit_test(nc__nobody_listens__is_refused),
        cmocka_unit_test(reset__in_the_middle__the_server_goes_on),
        cmocka_unit_test(slow__3_bytes__take_3_seconds),
        cmocka_unit_test(slow__more_than_it_takes__closes_the_window),
        cmocka_unit_test(chargen__client_that_pauses__is_probed_and_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
