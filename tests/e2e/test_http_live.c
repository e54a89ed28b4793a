/* test_http_live.c - what the page's service tells while things happen, and what it does when it is told to.
 */
#include "test.h"

#include "command.h"
#include "json_check.h"
#include "netns.h"
#include "web.h"

#include <signal.h>
#include <sys/time.h>

#define TEST(name)                                                                                           \
    static void name(void **state)                                                                           \
    {                                                                                                        \
        (void)state;                                                                                         \
        netns_run(body_##name, 60);                                                                          \
    }
#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct reply reply;

static struct command serve(void)
{
    static char seen[COMMAND_TEXT_BYTES];
    struct command command = command_start(ARGV("serve", "http", "echo", "chargen"));
    CHECK(command_read_until(command.out, "Ctrl-C ends it.\n", seen));
    return command;
}

static void stop(struct command *command)
{
    CHECK(kill(command->pid, SIGTERM) == 0);
    CHECK(command_wait(command) == 0);
}

/* The number behind this name, the first time that it stands behind `from`; fails if it does not. */
static uint64_t number(const char *from, const char *name)
{
    char key[32];
    (void)snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(from, key);
    CHECK(at != NULL);
    return strtoull(at + strlen(key), NULL, 10);
}

/* ---- Events ------------------------------------------------------------------------------------ */

static int open_events(int *status)
{
    int fd = web_open(80);
    web_send(fd, "GET /events HTTP/1.1\r\nHost: 10.77.0.2\r\n\r\n");
    web_read_head(fd, &reply);
    *status = reply.status;
    return fd;
}

/* The data of the next event, a line. */
static const char *next_event(int fd)
{
    static char line[65536];
    do {
        size_t len = 0;
        do {
            CHECK(len + 2 < sizeof line);
            CHECK(kernel_read(fd, line + len, 1) == 1);
        } while (line[len++] != '\n');
        line[len] = '\0';
    } while (strncmp(line, "data: ", 6) != 0);
    return line + 6;
}

/* Every connection with its numbers, every segment once with its reason, ten times a second at most. */
static void body_events__an_echo__is_told_segment_by_segment(void)
{
    static const char *const marks[] = {"\"f\":\"S\"", "\"f\":\"S.\"", "\"why\":\"answers the SYN\"",
                                        "\"from\":\"SYN-RECEIVED\",\"to\":\"ESTABLISHED\"", "\"n\":5,"};
    int status, found[COUNT_OF(marks)] = {0}, events = 0;
    char key[64], byte[5];
    uint64_t last_id = 0;
    struct command command = serve();
    int fd = open_events(&status);
    CHECK(status == 200 && strcmp(web_field(&reply, "Content-Type"), "text/event-stream") == 0);
    CHECK(web_field(&reply, "Content-Length")[0] == '\0');
    int echo = kernel_connect(7);
    kernel_write(echo, "hello", 5);
    CHECK(kernel_read(echo, byte, 5) == 5);
    struct sockaddr_in own = {0};
    socklen_t len = sizeof own;
    CHECK(getsockname(echo, (struct sockaddr *)&own, &len) == 0);
    (void)snprintf(key, sizeof key, "\"key\":\"7/10.77.0.1:%u\",\"state\":\"ESTABLISHED\"",
                   ntohs(own.sin_port));
    int64_t start_us = mono_us();
    for (; events < 12; events++) {
        const char *event = next_event(fd);
        CHECK(is_json(event));
        for (const char *at = strstr(event, "{\"i\":"); at != NULL; at = strstr(at + 1, "{\"i\":")) {
            CHECK(number(at, "i") == last_id + 1);
            last_id++;
        }
        for (size_t i = 0; i < COUNT_OF(marks); i++)
            for (const char *at = event; (at = strstr(at, marks[i])) != NULL; at++)
                found[i]++;
        if (events > 3) {
            const char *mine = strstr(event, key);
            CHECK(mine != NULL && number(mine, "acked") == 5 && number(mine, "received") == 5);
            CHECK(number(mine, "cwnd") > 0 && number(mine, "rto") >= 200000);
        }
    }
    int64_t took_ms = (mono_us() - start_us) / 1000;
    CHECK(took_ms > 900 && took_ms < 5000);
    for (size_t i = 0; i < COUNT_OF(marks); i++)
        CHECK(found[i] == (i == 4 ? 2 : 1));
    CHECK(strstr(next_event(fd), "\"log\":[]") != NULL); /* the page's own segments are no news */
    stop(&command);
}
TEST(events__an_echo__is_told_segment_by_segment)

static void body_events__eight_readers__a_ninth_is_turned_away_until_one_goes(void)
{
    int status, fd[9];
    struct command command = serve();
    for (int i = 0; i < 9; i++) {
        fd[i] = open_events(&status);
        CHECK(status == (i < 8 ? 200 : 503));
    }
    for (int i = 0; i < 8; i++)
        CHECK(is_json(next_event(fd[i])));
    CHECK(close(fd[3]) == 0);
    int64_t end_us = mono_us() + 5000000;
    do {
        sleep_ms(20);
        (void)close(open_events(&status));
    } while (status == 503 && mono_us() < end_us);
    CHECK(status == 200);
    stop(&command);
}
TEST(events__eight_readers__a_ninth_is_turned_away_until_one_goes)

/* It costs one buffer; the others get theirs; and after five seconds without progress it goes. */
static void body_events__reader_that_does_not_read__is_dropped_and_holds_up_nobody(void)
{
    static char scratch[65536];
    int status, small = 2048;
    struct command command = serve();
    struct sockaddr_in to = addr_of(STACK_ADDR, 80);
    int slow = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &small, sizeof small) == 0);
    CHECK(connect(slow, (struct sockaddr *)&to, sizeof to) == 0);
    web_send(slow, "GET /events HTTP/1.1\r\nHost: 10.77.0.2\r\n\r\n");
    int fd = open_events(&status), talker = kernel_connect(19); /* which fills the log */
    int64_t end_us = mono_us() + 40000000;
    bool reset = false;
    while (!reset && mono_us() < end_us) {
        (void)recv(talker, scratch, sizeof scratch, MSG_DONTWAIT);
        CHECK(is_json(next_event(fd)));
        web_get(80, "/api/state", &reply);
        CHECK(reply.status == 200);
        /* A reader that is dropped with unsent data goes on closing; the other readers' places are free. */
        static int more[8];
        int good = 0;
        for (int i = 0; i < 7; i++) {
            more[i] = open_events(&status);
            good += status == 200;
        }
        for (int i = 0; i < 7; i++)
            CHECK(close(more[i]) == 0);
        CHECK(good >= 5);
        reset = good == 7;
        sleep_ms(100);
    }
    CHECK(reset);
    stop(&command);
}
TEST(events__reader_that_does_not_read__is_dropped_and_holds_up_nobody)

/* ---- Orders ------------------------------------------------------------------------------------ */

static void body_link__set_and_told__and_a_mistake_has_its_place(void)
{
    struct command command = serve();
    CHECK(web_post(80, "/link", "{\"dir\":\"out\",\"spec\":\"loss 100%\"}", &reply) == 204);
    CHECK(web_post(80, "/link", "{ \"spec\" : \"delay 1ms\" , \"dir\" : \"in\" }", &reply) == 204);
    web_get(80, "/api/state", &reply); /* which is exempt */
    CHECK(is_json(reply.body));
    CHECK(strstr(reply.body, "\"in\":\"delay 1ms\",\"out\":\"loss 100%\"") != NULL);
    CHECK(web_post(80, "/link", "{\"dir\":\"out\",\"spec\":\"loss \\\"x\"}", &reply) == 422);
    CHECK(strstr(reply.body, "column 6") != NULL && is_json(reply.body));
    web_get(80, "/api/state", &reply);
    CHECK(strstr(reply.body, "\"out\":\"loss 100%\"") != NULL);
    stop(&command);
}
TEST(link__set_and_told__and_a_mistake_has_its_place)

static void body_transfer__out__carries_its_bytes_and_ends_in_time_wait(void)
{
    struct command command = serve();
    CHECK(web_post(80, "/transfer", "{\"dir\":\"out\",\"bytes\":100000}", &reply) == 204);
    CHECK(web_await("\"state\":\"TIME-WAIT\"", &reply) && is_json(reply.body));
    CHECK(strstr(reply.body, "\"transfers\":0") != NULL);
    /* The last octet of the stream is 100000, then comes the FIN (RFC 9293 3.4): 100002 is acknowledged. */
    CHECK(strstr(reply.body, "\"a\":100002,") != NULL);
    stop(&command);
}
TEST(transfer__out__carries_its_bytes_and_ends_in_time_wait)

static void body_transfer__in__is_read_to_the_end_and_closed(void)
{
    struct command command = serve();
    CHECK(web_post(80, "/transfer", "{\"dir\":\"in\",\"bytes\":300000}", &reply) == 204);
    CHECK(web_await("\"from\":\"LAST-ACK\",\"to\":\"CLOSED\"", &reply));
    CHECK(strstr(reply.body, "\"a\":300002,") != NULL);
    CHECK(web_await("\"transfers\":0", &reply));
    stop(&command);
}
TEST(transfer__in__is_read_to_the_end_and_closed)

static void body_pause__closes_the_window_of_who_reads__and_stop_ends_all(void)
{
    struct command command = serve();
    CHECK(web_post(80, "/pause", "{\"on\":true}", &reply) == 204);
    CHECK(web_post(80, "/transfer", "{\"dir\":\"out\",\"bytes\":1000000000}", &reply) == 204);
    CHECK(web_await("\"snd_wnd\":0,", &reply)); /* the kernel's */
    CHECK(web_await("zero-window probe #1", &reply));
    CHECK(web_post(80, "/transfer", "{\"dir\":\"in\",\"bytes\":1000000000}", &reply) == 204);
    CHECK(web_await("\"rcv_wnd\":0,", &reply)); /* the stack's */
    CHECK(strstr(reply.body, "\"paused\":true,\"transfers\":2") != NULL);
    CHECK(web_post(80, "/pause", "{\"on\":false}", &reply) == 204);
    CHECK(web_await("\"paused\":false,\"transfers\":2", &reply));
    CHECK(web_post(80, "/stop", "{}", &reply) == 204);
    CHECK(web_await("\"transfers\":0", &reply));
    CHECK(strstr(reply.body, "\"state\":\"ESTABLISHED\",\"cwnd\"") == NULL);
    stop(&command);
}
TEST(pause__closes_the_window_of_who_reads__and_stop_ends_all)

static void body_transfer__nine__one_is_too_many(void)
{
    struct command command = serve();
    CHECK(web_post(80, "/pause", "{\"on\":true}", &reply) == 204);
    for (int i = 0; i < 8; i++)
        CHECK(web_post(80, "/transfer", "{\"dir\":\"in\",\"bytes\":1000000000}", &reply) == 204);
    CHECK(web_post(80, "/transfer", "{\"dir\":\"in\",\"bytes\":1}", &reply) == 422);
    CHECK(strstr(reply.body, "too many") != NULL);
    CHECK(web_post(80, "/stop", "{}", &reply) == 204);
    CHECK(web_await("\"transfers\":0", &reply));
    stop(&command);
}
TEST(transfer__nine__one_is_too_many)

/* One segment is dropped and sent again after the RTO; the next transfer's is not. */
static void body_drop_next_data__drops_one_and_only_one(void)
{
    struct command command = serve();
    for (int round = 0; round < 2; round++) {
        CHECK(web_post(80, "/drop-next-data", "{\"dir\":\"out\"}", &reply) == 204);
        CHECK(web_post(80, "/transfer", "{\"dir\":\"out\",\"bytes\":20}", &reply) == 204);
        CHECK(web_await("\"fate\":\"list\"", &reply));
        CHECK(web_await("\"again\":true", &reply));
        CHECK(web_await("\"transfers\":0", &reply));
        const char *lost = strstr(reply.body, "\"fate\":\"list\"");
        CHECK(lost != NULL);
        int count = 0;
        for (const char *at = reply.body; (at = strstr(at, "\"fate\":")) != NULL; at++)
            count++;
        CHECK(count == round + 1);
    }
    CHECK(web_post(80, "/transfer", "{\"dir\":\"out\",\"bytes\":20}", &reply) == 204);
    CHECK(web_await("\"connections opened by connect\":3", &reply) && web_await("\"transfers\":0", &reply));
    CHECK(number(reply.body, "segments sent again") == 2);
    stop(&command);
}
TEST(drop_next_data__drops_one_and_only_one)

/* The same segment is lost, and lost again; the link's other settings stay. */
static void body_drop_next_data__twice__drops_two(void)
{
    struct command command = serve();
    CHECK(web_post(80, "/link", "{\"dir\":\"out\",\"spec\":\"delay 1ms drop data 9-12\"}", &reply) == 204);
    CHECK(web_post(80, "/drop-next-data", "{\"dir\":\"out\"}", &reply) == 204);
    CHECK(web_post(80, "/drop-next-data", "{\"dir\":\"out\"}", &reply) == 204);
    web_get(80, "/api/state", &reply);
    CHECK(strstr(reply.body, "\"out\":\"delay 1ms drop data 1-2,9-12\"") != NULL);
    CHECK(web_post(80, "/transfer", "{\"dir\":\"out\",\"bytes\":20}", &reply) == 204);
    CHECK(web_await("\"connections opened by connect\":1", &reply) && web_await("\"transfers\":0", &reply));
    CHECK(number(reply.body, "segments sent again") == 2);
    CHECK(web_post(80, "/drop-next-data", "{\"dir\":\"out\"}", &reply) == 204);
    web_get(80, "/api/state", &reply); /* what has passed is forgotten */
    CHECK(strstr(reply.body, "\"out\":\"delay 1ms drop data 4,9-12\"") != NULL);
    stop(&command);
}
TEST(drop_next_data__twice__drops_two)

/* The client's SYN is all that is known of its numbers when its first data is lost: 1:6, and ACK 1 of our
 * SYN. */
static void body_lost_on_the_way_in__is_told_with_relative_numbers(void)
{
    char byte;
    struct command command = serve();
    CHECK(web_post(80, "/drop-next-data", "{\"dir\":\"in\"}", &reply) == 204);
    int fd = kernel_connect(7);
    kernel_write(fd, "hello", 5);
    CHECK(kernel_read(fd, &byte, 1) == 1 && byte == 'h'); /* it has come again */
    CHECK(web_await("\"d\":\"in\",\"f\":\"P.\",\"s\":1,\"n\":5,\"a\":1,\"fate\":\"list\"}", &reply));
    stop(&command);
}
TEST(lost_on_the_way_in__is_told_with_relative_numbers)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events__an_echo__is_told_segment_by_segment),
        cmocka_unit_test(events__eight_readers__a_ninth_is_turned_away_until_one_goes),
        cmocka_unit_test(events__reader_that_does_not_read__is_dropped_and_holds_up_nobody),
        cmocka_unit_test(link__set_and_told__and_a_mistake_has_its_place),
        cmocka_unit_test(transfer__out__carries_its_bytes_and_ends_in_time_wait),
        cmocka_unit_test(transfer__in__is_read_to_the_end_and_closed),
        cmocka_unit_test(pause__closes_the_window_of_who_reads__and_stop_ends_all),
        cmocka_unit_test(transfer__nine__one_is_too_many),
        cmocka_unit_test(drop_next_data__drops_one_and_only_one),
        cmocka_unit_test(drop_next_data__twice__drops_two),
        cmocka_unit_test(lost_on_the_way_in__is_told_with_relative_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
