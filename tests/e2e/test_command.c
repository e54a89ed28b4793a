/* test_command.c - the `rill` command at work: serve, nc and lab against the kernel's TCP. */
#include "test.h"

#include "command.h"
#include "netns.h"

#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#define TEST(name)                                                                                           \
    static void name(void **state)                                                                           \
    {                                                                                                        \
        (void)state;                                                                                         \
        netns_run(body_##name, 60);                                                                          \
    }
#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

static void limit_reads(int fd, int seconds)
{
    struct timeval limit = {seconds, 0};
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
}

static struct command serve(const char *const *argv)
{
    static char seen[COMMAND_TEXT_BYTES];
    seen[0] = '\0';
    struct command command = command_start(argv);
    CHECK(command_read_until(command.out, "Ctrl-C ends it.\n", seen));
    return command;
}

static void stop(struct command *command)
{
    CHECK(kill(command->pid, SIGTERM) == 0);
    CHECK(command_wait(command) == 0);
}

/* A client that has been accepted, which an answer proves: one that has not is reset with its listener. */
static int echo_client(void)
{
    char byte = 'x';
    int fd = kernel_connect(7);
    limit_reads(fd, 10);
    kernel_write(fd, &byte, 1);
    CHECK(kernel_read(fd, &byte, 1) == 1);
    return fd;
}

static bool is_refused(uint16_t port)
{
    struct sockaddr_in to = addr_of(STACK_ADDR, port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool refused = connect(fd, (struct sockaddr *)&to, sizeof to) != 0 && errno == ECONNREFUSED;
    CHECK(close(fd) == 0);
    return refused;
}

/* ---- serve --------------------------------------------------------------------------------------------- */

static void body_serve__no_service_named__prints_what_to_try_and_runs_all_but_talk(void)
{
    static const uint16_t open_ports[] = {7, 9, 13, 19, 9000, 80};
    static const char *const lines[] = {"ping 10.77.0.2\n",  "nc 10.77.0.2 7 ",  "nc 10.77.0.2 9 ",
                                        "nc 10.77.0.2 13 ",  "nc 10.77.0.2 19 ", "nc 10.77.0.2 9000 ",
                                        "http://10.77.0.2/ "};
    static char seen[COMMAND_TEXT_BYTES];
    struct command command = command_start(ARGV("serve"));
    CHECK(command_read_until(command.out, "Ctrl-C ends it.\n", seen));
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        CHECK(strstr(seen, lines[i]) != NULL);
    CHECK(strstr(seen, "8080") == NULL);
    for (size_t i = 0; i < COUNT_OF(open_ports); i++)
        CHECK(close(kernel_connect(open_ports[i])) == 0);
    CHECK(is_refused(8080));
    stop(&command);
}
TEST(serve__no_service_named__prints_what_to_try_and_runs_all_but_talk)

static void body_serve__services_with_ports__runs_only_those(void)
{
    struct command command = serve(ARGV("serve", "echo:1007", "echo:2007"));
    char byte = 'x';
    for (uint16_t port = 1007; port <= 2007; port = (uint16_t)(port + 1000)) {
        int fd = kernel_connect(port);
        kernel_write(fd, &byte, 1);
        CHECK(kernel_read(fd, &byte, 1) == 1 && byte == 'x');
        CHECK(close(fd) == 0);
    }
    CHECK(is_refused(7) && is_refused(9));
    stop(&command);
}
TEST(serve__services_with_ports__runs_only_those)

/* Everything comes back before the FIN, with many clients that all wait for each other's turn. */
static void body_echo__half_closed_clients__get_everything_and_then_the_end(void)
{
    enum { CLIENTS = 40, BYTES = 20000 };
    static uint8_t data[BYTES], back[BYTES + 1];
    int fd[CLIENTS];
    struct command command = serve(ARGV("serve", "echo"));
    for (int i = 0; i < CLIENTS; i++) {
        fd[i] = kernel_connect(7);
        limit_reads(fd[i], 10);
    }
    for (uint32_t i = 0; i < CLIENTS; i++) {
        pattern_fill(data, BYTES, 0, i);
        kernel_write(fd[i], data, BYTES);
        CHECK(shutdown(fd[i], SHUT_WR) == 0);
    }
    for (uint32_t i = CLIENTS; i-- > 0;) {
        CHECK(kernel_read(fd[i], back, BYTES + 1) == BYTES);
        CHECK(pattern_holds(back, BYTES, 0, i));
        CHECK(close(fd[i]) == 0);
    }
    stop(&command);
}
TEST(echo__half_closed_clients__get_everything_and_then_the_end)

static void body_discard__half_closed_client__gets_only_the_end(void)
{
    static uint8_t data[100000];
    struct command command = serve(ARGV("serve", "discard"));
    int fd = kernel_connect(9);
    limit_reads(fd, 10);
    kernel_write(fd, data, sizeof data);
    CHECK(shutdown(fd, SHUT_WR) == 0);
    CHECK(kernel_read(fd, data, 1) == 0);
    stop(&command);
}
TEST(discard__half_closed_client__gets_only_the_end)

/* RFC 867: "the daytime as an ASCII character string", and the connection is closed.  What the client says is
 * thrown away: it is no reason for a reset. */
static void body_daytime__client_that_talks__gets_a_line_and_the_end(void)
{
    char line[128];
    struct command command = serve(ARGV("serve", "daytime"));
    int fd = kernel_connect(13);
    limit_reads(fd, 10);
    struct pollfd answer = {fd, POLLIN, 0};
    for (int i = 0; i < 3; i++) { /* after a reset, the second one fails */
        CHECK(poll(&answer, 1, 5000) == 1);
        kernel_write(fd, "what time is it?", 16);
        sleep_ms(50);
    }
    size_t len = kernel_read(fd, line, sizeof line);
    CHECK(len > 2 && len < sizeof line && memcmp(line + len - 2, "\r\n", 2) == 0);
    for (size_t i = 0; i < len - 2; i++)
        CHECK(line[i] >= ' ' && line[i] <= '~');
    stop(&command);
}
TEST(daytime__client_that_talks__gets_a_line_and_the_end)

/* RFC 864 2: lines of 72 printing characters, each beginning with the next one of the 95. */
static void body_chargen__two_rounds__is_the_pattern_of_the_rfc(void)
{
    enum { LINE = 74, LINES = 200 };
    static char text[LINE * LINES];
    struct command command = serve(ARGV("serve", "chargen"));
    int fd = kernel_connect(19);
    limit_reads(fd, 10);
    CHECK(kernel_read(fd, text, sizeof text) == sizeof text);
    for (int i = 0; i < LINES; i++) {
        for (int k = 0; k < 72; k++)
            CHECK(text[i * LINE + k] == ' ' + (i + k) % 95);
        CHECK(memcmp(text + i * LINE + 72, "\r\n", 2) == 0);
    }
    CHECK(close(fd) == 0);
    stop(&command);
}
TEST(chargen__two_rounds__is_the_pattern_of_the_rfc)

/* A signal with idle clients: they get a FIN, not a reset, and nothing is left of the device. */
static void body_serve__sigterm__closes_in_order_and_exits_0(void)
{
    char byte;
    struct command command = serve(ARGV("serve", "echo"));
    CHECK(if_nametoindex("rill0") != 0);
    int fd = echo_client();
    int64_t began_us = mono_us();
    CHECK(kill(command.pid, SIGTERM) == 0);
    CHECK(kernel_read(fd, &byte, 1) == 0);
    CHECK(close(fd) == 0);
    CHECK(command_wait(&command) == 0);
    CHECK(mono_us() - began_us < 1500000);
    CHECK(if_nametoindex("rill0") == 0);
}
TEST(serve__sigterm__closes_in_order_and_exits_0)

static void body_serve__sigint_and_a_client_that_stays__resets_it_after_2_s(void)
{
    char byte;
    struct command command = serve(ARGV("serve", "echo"));
    int fd = echo_client();
    int64_t began_us = mono_us();
    CHECK(kill(command.pid, SIGINT) == 0);
    CHECK(kernel_read(fd, &byte, 1) == 0);
    CHECK(command_wait(&command) == 0);
    int64_t took_us = mono_us() - began_us;
    CHECK(took_us > 1500000 && took_us < 4000000);
    CHECK(send(fd, "x", 1, MSG_NOSIGNAL) == -1 && (errno == ECONNRESET || errno == EPIPE));
}
TEST(serve__sigint_and_a_client_that_stays__resets_it_after_2_s)

static void body_serve__second_signal__ends_at_once(void)
{
    char byte;
    struct command command = serve(ARGV("serve", "echo"));
    int fd = echo_client();
    int64_t began_us = mono_us();
    CHECK(kill(command.pid, SIGTERM) == 0);
    CHECK(kernel_read(fd, &byte, 1) == 0); /* it is in its two seconds now */
    CHECK(kill(command.pid, SIGTERM) == 0);
    CHECK(command_wait(&command) == 128 + SIGTERM);
    CHECK(mono_us() - began_us < 1000000);
}
TEST(serve__second_signal__ends_at_once)

/* With every kind of client there, none of which can be served now, the server sleeps. */
static void body_serve__clients_that_do_nothing__cost_no_time(void)
{
    static const uint16_t ports[] = {7, 9, 19, 9000};
    static uint8_t data[1 << 20];
    char path[64], stat[1024];
    struct command command = serve(ARGV("serve"));
    for (size_t i = 0; i < COUNT_OF(ports); i++) {
        int fd = kernel_connect(ports[i]);
        (void)send(fd, data, sizeof data, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    int half = kernel_connect(19);
    CHECK(shutdown(half, SHUT_WR) == 0);
    sleep_ms(1500);
    (void)snprintf(path, sizeof path, "/proc/%d/stat", command.pid);
    FILE *file = fopen(path, "re");
    CHECK(file != NULL && fgets(stat, sizeof stat, file) != NULL);
    unsigned long user, kernel;
    CHECK(sscanf(strrchr(stat, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                 &kernel) == 2);
    CHECK(fclose(file) == 0);
    CHECK((user + kernel) * 1000 / (unsigned long)sysconf(_SC_CLK_TCK) < 500);
    (void)kill(command.pid, SIGKILL);
    CHECK(command_wait(&command) == 128 + SIGKILL);
}
TEST(serve__clients_that_do_nothing__cost_no_time)

/* A segment's line: time, direction, connection, flags, seq:end(len), ack, win; the first data byte is 1. */
static void body_verbose__one_byte__its_segment_is_printed(void)
{
    static char seen[COMMAND_TEXT_BYTES];
    char byte = 'x', line[256];
    struct command command = serve(ARGV("serve", "-v", "echo"));
    int fd = kernel_connect(7);
    struct sockaddr_in name = {0};
    socklen_t len = sizeof name;
    CHECK(getsockname(fd, (struct sockaddr *)&name, &len) == 0);
    kernel_write(fd, &byte, 1);
    CHECK(kernel_read(fd, &byte, 1) == 1);
    (void)snprintf(line, sizeof line, " in  10.77.0.1:%u > 10.77.0.2:7  [PSH ACK] 1:2(1) ack 1 win ",
                   ntohs(name.sin_port));
    CHECK(command_read_until(command.err, line, seen));
    (void)snprintf(line, sizeof line, " out 10.77.0.2:7 > 10.77.0.1:%u  [PSH ACK] 1:2(1) ack 2 win ",
                   ntohs(name.sin_port));
    CHECK(command_read_until(command.err, line, seen));
    CHECK(close(fd) == 0);
    stop(&command);
}
TEST(verbose__one_byte__its_segment_is_printed)

/* ---- nc ------------------------------------------------------------------------------------------------ */

/* The kernel's end of a listener on 10.77.0.1, which is there as soon as the TUN is: any address until then.
 */
static int listen_any(uint16_t port)
{
    struct sockaddr_in at = addr_of("0.0.0.0", port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 4) == 0);
    limit_reads(fd, 10);
    return fd;
}

static int accept_one(int listener)
{
    int fd = accept(listener, NULL, NULL);
    CHECK(fd >= 0);
    limit_reads(fd, 10);
    return fd;
}

static void body_nc__nobody_listens__is_refused_in_words(void)
{
    static struct command_result result;
    command_run(ARGV("nc", "10.77.0.1", "9"), "", &result);
    CHECK(strcmp(result.err, "nc: connect to 10.77.0.1 port 9 (tcp) failed: Connection refused\n") == 0);
    CHECK(strcmp(result.out, "") == 0);
    CHECK(result.status == 1);
}
TEST(nc__nobody_listens__is_refused_in_words)

static void body_nc__end_of_input_with_N__half_closes_and_reads_on(void)
{
    char text[16];
    int listener = listen_any(5000);
    struct command command = command_start(ARGV("nc", "-N", "10.77.0.1", "5000"));
    int fd = accept_one(listener);
    CHECK(write(command.in, "ask", 3) == 3 && close(command.in) == 0);
    CHECK(kernel_read(fd, text, sizeof text) == 3 && memcmp(text, "ask", 3) == 0);
    kernel_write(fd, "answer", 6);
    CHECK(close(fd) == 0);
    CHECK(kernel_read(command.out, text, sizeof text) == 6 && memcmp(text, "answer", 6) == 0);
    CHECK(command_wait(&command) == 0);
}
TEST(nc__end_of_input_with_N__half_closes_and_reads_on)

static void body_nc__end_of_input_without_N__stays_until_the_peer_closes(void)
{
    char byte;
    int listener = listen_any(5000);
    struct command command = command_start(ARGV("nc", "10.77.0.1", "5000"));
    int fd = accept_one(listener);
    CHECK(write(command.in, "x", 1) == 1 && close(command.in) == 0);
    CHECK(kernel_read(fd, &byte, 1) == 1);
    struct pollfd end = {fd, POLLIN, 0};
    CHECK(poll(&end, 1, 300) == 0);
    CHECK(close(fd) == 0);
    CHECK(command_wait(&command) == 0);
}
TEST(nc__end_of_input_without_N__stays_until_the_peer_closes)

static void body_nc__peer_resets__says_so(void)
{
    static char seen[COMMAND_TEXT_BYTES];
    struct linger at_once = {1, 0};
    int listener = listen_any(5000);
    struct command command = command_start(ARGV("nc", "10.77.0.1", "5000"));
    int fd = accept_one(listener);
    char byte;
    CHECK(write(command.in, "x", 1) == 1 && kernel_read(fd, &byte, 1) == 1);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0 && close(fd) == 0);
    CHECK(command_read_until(command.err, "nc: read: Connection reset by peer\n", seen));
    CHECK(command_wait(&command) == 1);
}
TEST(nc__peer_resets__says_so)

/* The end of both directions is not the end of nc while a slow peer has not acknowledged everything. */
static void body_nc__peer_reads_late__everything_is_delivered(void)
{
    enum { BYTES = 100000, WINDOW = 4096 };
    static uint8_t data[BYTES], back[BYTES + 1];
    int listener = listen_any(5000), window = WINDOW;
    CHECK(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &window, sizeof window) == 0);
    struct command command = command_start(ARGV("nc", "-N", "10.77.0.1", "5000"));
    int fd = accept_one(listener);
    CHECK(shutdown(fd, SHUT_WR) == 0);
    pattern_fill(data, BYTES, 0, 3);
    for (size_t done = 0; done < BYTES;) {
        ssize_t n = write(command.in, data + done, BYTES - done);
        CHECK(n > 0);
        done += (size_t)n;
    }
    CHECK(close(command.in) == 0);
    sleep_ms(500);
    CHECK(kernel_read(fd, back, BYTES + 1) == BYTES && pattern_holds(back, BYTES, 0, 3));
    CHECK(command_wait(&command) == 0);
}
TEST(nc__peer_reads_late__everything_is_delivered)

/* More than all buffers hold, in both directions at once; at its end nc waits until everything has arrived.
 */
static void body_nc__listener__relays_both_ways_and_delivers_all(void)
{
    enum { BYTES = 3000000 };
    static uint8_t up[BYTES], down[BYTES], back[BYTES + 1];
    static char seen[COMMAND_TEXT_BYTES];
    struct command command = command_start(ARGV("nc", "-l", "-N", "-v", "--log", "/dev/null", "5001"));
    CHECK(command_read_until(command.err, "Listening on 10.77.0.2 5001\n", seen));
    int fd = kernel_connect(5001);
    CHECK(command_read_until(command.err, "Connection received on 10.77.0.1 ", seen));
    pattern_fill(up, BYTES, 0, 1);
    pattern_fill(down, BYTES, 0, 2);
    pid_t writer = fork(), feeder = writer == 0 ? -1 : fork();
    if (writer == 0) {
        kernel_write(fd, up, BYTES);
        _exit(0);
    }
    if (feeder == 0) {
        size_t done = 0;
        for (ssize_t n; done < BYTES; done += (size_t)n)
            CHECK((n = write(command.in, down + done, BYTES - done)) > 0);
        _exit(0);
    }
    CHECK(close(command.in) == 0);
    pid_t reader = fork();
    if (reader == 0) {
        CHECK(kernel_read(command.out, back, BYTES) == BYTES && pattern_holds(back, BYTES, 0, 1));
        _exit(0);
    }
    CHECK(kernel_read(fd, back, BYTES + 1) == BYTES && pattern_holds(back, BYTES, 0, 2));
    int status;
    CHECK(waitpid(writer, &status, 0) == writer && status == 0);
    CHECK(waitpid(feeder, &status, 0) == feeder && status == 0);
    CHECK(waitpid(reader, &status, 0) == reader && status == 0);
    CHECK(shutdown(fd, SHUT_WR) == 0);
    CHECK(command_wait(&command) == 0);
}
TEST(nc__listener__relays_both_ways_and_delivers_all)

/* ---- lab ----------------------------------------------------------------------------------------------- */

static void body_lab__command__runs_beside_the_stack_and_its_status_is_ours(void)
{
    static struct command_result result;
    command_run(ARGV("lab", "echo", "--", "sh", "-c", "ping -c 1 -W 5 10.77.0.2; exit 7"), "", &result);
    CHECK(strstr(result.out, "1 received") != NULL);
    CHECK(result.status == 7);
    command_run(ARGV("lab", "--bare", "--", "sh", "-c", "kill -9 $$"), "", &result);
    CHECK(result.status == 128 + SIGKILL);
    command_run(ARGV("lab", "--bare", "--", "/nonexistent"), "", &result);
    CHECK(result.status == 127);
    CHECK(strcmp(result.err, "rill lab: /nonexistent: No such file or directory\n") == 0);
}
TEST(lab__command__runs_beside_the_stack_and_its_status_is_ours)

static void body_lab__input_and_interfaces__are_its_own(void)
{
    static struct command_result result;
    command_run(
        ARGV("lab", "--", "sh", "-c", "cat; cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' ' | sort"),
        "input\n", &result);
    CHECK(strcmp(result.out, "input\nlo\nrill0\n") == 0);
    command_run(ARGV("lab", "--bare", "--", "sh", "-c", "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '"),
                "", &result);
    CHECK(strcmp(result.out, "lo\n") == 0);
}
TEST(lab__input_and_interfaces__are_its_own)

/* Killed outright, it leaves neither the stack nor the command: their ends of the pipe close. */
static void body_lab__killed__takes_everything_with_it(void)
{
    static char seen[COMMAND_TEXT_BYTES];
    struct command command =
        command_start(ARGV("lab", "echo", "--", "sh", "-c", "echo ready; exec sleep 50"));
    CHECK(command_read_until(command.out, "ready\n", seen));
    CHECK(kill(command.pid, SIGKILL) == 0);
    struct pollfd ends[] = {{command.out, 0, 0}, {command.err, 0, 0}};
    CHECK(poll(&ends[0], 1, 5000) == 1 && ends[0].revents == POLLHUP);
    CHECK(poll(&ends[1], 1, 5000) == 1 && ends[1].revents == POLLHUP);
    CHECK(command_wait(&command) == 128 + SIGKILL);
}
TEST(lab__killed__takes_everything_with_it)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serve__no_service_named__prints_what_to_try_and_runs_all_but_talk),
        cmocka_unit_test(serve__services_with_ports__runs_only_those),
        cmocka_unit_test(echo__half_closed_clients__get_everything_and_then_the_end),
        cmocka_unit_test(discard__half_closed_client__gets_only_the_end),
        cmocka_unit_test(daytime__client_that_talks__gets_a_line_and_the_end),
        cmocka_unit_test(chargen__two_rounds__is_the_pattern_of_the_rfc),
        cmocka_unit_test(serve__sigterm__closes_in_order_and_exits_0),
        cmocka_unit_test(serve__sigint_and_a_client_that_stays__resets_it_after_2_s),
        cmocka_unit_test(serve__second_signal__ends_at_once),
        cmocka_unit_test(serve__clients_that_do_nothing__cost_no_time),
        cmocka_unit_test(verbose__one_byte__its_segment_is_printed),
        cmocka_unit_test(nc__nobody_listens__is_refused_in_words),
        cmocka_unit_test(nc__end_of_input_with_N__half_closes_and_reads_on),
        cmocka_unit_test(nc__end_of_input_without_N__stays_until_the_peer_closes),
        cmocka_unit_test(nc__peer_resets__says_so),
        cmocka_unit_test(nc__peer_reads_late__everything_is_delivered),
        cmocka_unit_test(nc__listener__relays_both_ways_and_delivers_all),
        cmocka_unit_test(lab__command__runs_beside_the_stack_and_its_status_is_ours),
        cmocka_unit_test(lab__input_and_interfaces__are_its_own),
        cmocka_unit_test(lab__killed__takes_everything_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
