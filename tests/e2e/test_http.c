/* test_http.c - the service http as a stranger on a socket sees it: HTTP/1.1 to the byte, who may ask, what
 * is bounded. */
#include "test.h"

#include "command.h"
#include "netns.h"
#include "web.h"

#include <signal.h>

#define TEST(name)                                                                                           \
    static void name(void **state)                                                                           \
    {                                                                                                        \
        (void)state;                                                                                         \
        netns_run(body_##name, 60);                                                                          \
    }
#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define HOST "Host: 10.77.0.2\r\n"
#define PAGE "Origin: http://10.77.0.2\r\nContent-Type: application/json\r\n"

static struct reply reply;

static struct command serve(void)
{
    static char seen[COMMAND_TEXT_BYTES];
    struct command command = command_start(ARGV("serve", "http", "echo"));
    CHECK(command_read_until(command.out, "Ctrl-C ends it.\n", seen));
    return command;
}

static void stop(struct command *command)
{
    CHECK(kill(command->pid, SIGTERM) == 0);
    CHECK(command_wait(command) == 0);
}

/* ---- Answers ----------------------------------------------------------------------------------- */

static void body_get__page_and_its_parts__come_whole_over_one_connection(void)
{
    static const struct {
        const char *path, *type, *has;
    } cases[] = {{"/", "text/html; charset=utf-8", "</html>"},
                 {"/page.css", "text/css; charset=utf-8", "prefers-color-scheme"},
                 {"/page.js", "text/javascript; charset=utf-8", "EventSource"},
                 {"/api/state", "application/json", "\"conns\":["}};
    struct command command = serve();
    int fd = web_open(80);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char request[128];
        (void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" HOST "\r\n", cases[i].path);
        web_send(fd, request);
        web_read(fd, &reply);
        CHECK(reply.status == 200 && strcmp(web_field(&reply, "Content-Type"), cases[i].type) == 0);
        CHECK(strstr(reply.body, cases[i].has) != NULL && strlen(reply.body) == reply.len);
        CHECK(web_field(&reply, "Date")[0] != '\0' && web_field(&reply, "Connection")[0] == '\0');
        CHECK(strstr(web_field(&reply, "Content-Security-Policy"), "default-src 'self'") != NULL);
    }
    stop(&command);
}
TEST(get__page_and_its_parts__come_whole_over_one_connection)

/* RFC 9110 9.3.2: the same fields as of GET, and no content. */
static void body_head__has_the_fields_of_get_and_no_content(void)
{
    static const char *const paths[] = {"/", "/nothing"};
    static struct reply got;
    struct command command = serve();
    int fd = web_open(80);
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        char request[256];
        (void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" HOST "\r\n", paths[i]);
        web_send(fd, request);
        web_read(fd, &got);
        (void)snprintf(request, sizeof request,
                       "HEAD %s HTTP/1.1\r\n" HOST "\r\nGET /page.js HTTP/1.1\r\n" HOST "\r\n", paths[i]);
        web_send(fd, request);
        web_read_head(fd, &reply);
        CHECK(reply.status == got.status);
        CHECK(strtoul(web_field(&reply, "Content-Length"), NULL, 10) == got.len && got.len > 0);
        web_read(fd, &reply); /* and what follows the head is the next answer */
        CHECK(reply.status == 200 && strstr(reply.body, "EventSource") != NULL);
    }
    stop(&command);
}
TEST(head__has_the_fields_of_get_and_no_content)

static void body_pipelined_requests__are_answered_in_their_order(void)
{
    enum { COUNT = 30 };
    static char requests[COUNT * 64];
    static const char *const paths[] = {"/", "/nothing", "/page.css"};
    static const char *const marks[] = {"</html>", "{\"error\":\"Not Found\"}\n", "prefers-color-scheme"};
    struct command command = serve();
    int fd = web_open(80);
    size_t len = 0;
    for (size_t i = 0; i < COUNT; i++)
        len += (size_t)snprintf(requests + len, sizeof requests - len, "GET %s HTTP/1.1\r\n" HOST "\r\n",
                                paths[i % 3]);
    kernel_write(fd, requests, len);
    for (size_t i = 0; i < COUNT; i++) {
        web_read(fd, &reply);
        CHECK(reply.status == (i % 3 == 1 ? 404 : 200) && strstr(reply.body, marks[i % 3]) != NULL);
    }
    stop(&command);
}
TEST(pipelined_requests__are_answered_in_their_order)

static void body_request__byte_by_byte__is_understood(void)
{
    static const char request[] =
        "\r\nPOST /link HTTP/1.1\n" HOST PAGE "Content-Length: 29\r\n\r\n"
        "{\"dir\":\"in\",\"spec\":\"loss 1%\"}GET /api/state HTTP/1.1\r\n" HOST "\r\n";
    struct command command = serve();
    int fd = web_open(80);
    for (const char *p = request; *p != '\0'; p++)
        kernel_write(fd, p, 1);
    web_read(fd, &reply);
    CHECK(reply.status == 204 && web_field(&reply, "Content-Length")[0] == '\0');
    web_read(fd, &reply);
    CHECK(reply.status == 200 && strstr(reply.body, "\"in\":\"loss 1%\"") != NULL);
    stop(&command);
}
TEST(request__byte_by_byte__is_understood)

struct wrong {
    const char *request;
    int status;
    bool closes;
    const char *field, *value; /* that the answer has */
};

static const struct wrong wrongs[] = {
    {"GET /nothing HTTP/1.1\r\n" HOST "\r\n", 404, false, NULL, NULL},
    {"GET /page.css/ HTTP/1.1\r\n" HOST "\r\n", 404, false, NULL, NULL},
    {"GET /../page.css HTTP/1.1\r\n" HOST "\r\n", 404, false, NULL, NULL},
    {"PUT / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", 405, false, "Allow", "GET, HEAD"},
    {"DELETE /events HTTP/1.1\r\n" HOST "\r\n", 405, false, "Allow", "GET, HEAD"},
    {"GET /link HTTP/1.1\r\n" HOST "\r\n", 405, false, "Allow", "POST"},
    {"BREW / HTTP/1.1\r\n" HOST "\r\n", 501, true, NULL, NULL},
    {"get / HTTP/1.1\r\n" HOST "\r\n", 501, true, NULL, NULL},
    /* The request line. */
    {"GET / HTTP/2.0\r\n" HOST "\r\n", 505, true, NULL, NULL},
    {"GET / HTTP/1.x\r\n" HOST "\r\n", 400, true, NULL, NULL},
    {"GET / HTTP/1.1 \r\n" HOST "\r\n", 400, true, NULL, NULL},
    {"GET  / HTTP/1.1\r\n" HOST "\r\n", 400, true, NULL, NULL},
    {"GET /\r\n" HOST "\r\n", 400, true, NULL, NULL},
    {"GET page.css HTTP/1.1\r\n" HOST "\r\n", 400, true, NULL, NULL},
    {"G(T / HTTP/1.1\r\n" HOST "\r\n", 400, true, NULL, NULL},
    {"GET /%zz HTTP/1.1\r\n" HOST "\r\n", 400, true, NULL, NULL},
    {"GET /%4 HTTP/1.1\r\n" HOST "\r\n", 400, true, NULL, NULL},
    {"GET /%00 HTTP/1.1\r\n" HOST "\r\n", 400, true, NULL, NULL},
    {"GET /#here HTTP/1.1\r\n" HOST "\r\n", 400, true, NULL, NULL},
    /* Fields. */
    {"GET / HTTP/1.1\r\n" HOST "No colon\r\n\r\n", 400, true, NULL, NULL},
    {"GET / HTTP/1.1\r\n" HOST "Name : value\r\n\r\n", 400, true, NULL, NULL},
    {"GET / HTTP/1.1\r\n" HOST ": value\r\n\r\n", 400, true, NULL, NULL},
    {"GET / HTTP/1.1\r\n" HOST "Name: value\r\n folded\r\n\r\n", 400, true, NULL, NULL},
    {"GET / HTTP/1.1\r\n" HOST "Name: a\x01z\r\n\r\n", 400, true, NULL, NULL},
    {"GET / HTTP/1.1\r\n" HOST "Name: a\rz\r\n\r\n", 400, true, NULL, NULL},
    {"GET / HTTP/1.1\r\n" HOST "Expect: wonders\r\n\r\n", 417, true, NULL, NULL},
    /* How long the body is. */
    {"POST /stop HTTP/1.1\r\n" HOST PAGE "Content-Length: +2\r\n\r\n{}", 400, true, NULL, NULL},
    {"POST /stop HTTP/1.1\r\n" HOST PAGE "Content-Length:\r\n\r\n", 400, true, NULL, NULL},
    {"POST /stop HTTP/1.1\r\n" HOST PAGE "Content-Length: 2, 2\r\n\r\n{}", 400, true, NULL, NULL},
    {"POST /stop HTTP/1.1\r\n" HOST PAGE "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400, true, NULL,
     NULL},
    {"POST /stop HTTP/1.1\r\n" HOST PAGE "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501, true, NULL,
     NULL},
    {"POST /stop HTTP/1.1\r\n" HOST PAGE "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}", 400,
     true, NULL, NULL},
    {"POST /stop HTTP/1.1\r\n" HOST PAGE "Content-Length: 4097\r\n\r\n", 413, true, NULL, NULL},
    {"POST /stop HTTP/1.1\r\n" HOST PAGE "Content-Length: 18446744073709551618\r\n\r\n", 413, true, NULL,
     NULL},
    /* Who asks. */
    {"GET / HTTP/1.1\r\n\r\n", 400, true, NULL, NULL},
    {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400, true, NULL, NULL},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 403, false, NULL, NULL},
    {"GET / HTTP/1.1\r\nHost: rebound.example\r\n\r\n", 403, false, NULL, NULL},
    {"GET / HTTP/1.1\r\nHost: 10.77.0.2.example\r\n\r\n", 403, false, NULL, NULL},
    {"GET / HTTP/1.1\r\nHost: 10.77.0.2:81\r\n\r\n", 403, false, NULL, NULL},
    {"GET / HTTP/1.1\r\nHost: 10.77.0.2:\r\n\r\n", 403, false, NULL, NULL},
    {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 403, false, NULL, NULL}, /* there is no lab here */
    {"GET / HTTP/1.1\r\nHost: 127.0.0.1:8077\r\n\r\n", 403, false, NULL, NULL},
    {"GET http://rebound.example/ HTTP/1.1\r\n" HOST "\r\n", 403, false, NULL, NULL},
    {"GET / HTTP/1.0\r\n\r\n", 403, true, NULL, NULL},
    /* Who changes things. */
    {"POST /stop HTTP/1.1\r\n" HOST "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", 403,
     false, NULL, NULL},
    {"POST /stop HTTP/1.1\r\n" HOST "Origin: http://rebound.example\r\nContent-Type: application/json\r\n"
     "Content-Length: 2\r\n\r\n{}",
     403, false, NULL, NULL},
    {"POST /stop HTTP/1.1\r\n" HOST
     "Origin: null\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
     403, false, NULL, NULL},
    {"POST /stop HTTP/1.1\r\n" HOST "Origin: https://10.77.0.2\r\nContent-Type: application/json\r\n"
     "Content-Length: 2\r\n\r\n{}",
     403, false, NULL, NULL},
    {"POST /stop HTTP/1.1\r\nHost: rebound.example\r\nOrigin: http://rebound.example\r\n"
     "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
     403, false, NULL, NULL},
    {"POST /stop HTTP/1.1\r\n" HOST
     "Origin: http://10.77.0.2\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n"
     "\r\n{}",
     415, false, NULL, NULL},
    {"POST /stop HTTP/1.1\r\n" HOST "Origin: http://10.77.0.2\r\nContent-Length: 2\r\n\r\n{}", 415, false,
     NULL, NULL},
    /* What is asked. */
    {"POST /stop HTTP/1.1\r\n" HOST PAGE "\r\n", 400, false, NULL, NULL},
    {"POST /stop HTTP/1.1\r\n" HOST PAGE "Content-Length: 3\r\n\r\n{},", 400, false, NULL, NULL},
    {"POST /stop HTTP/1.1\r\n" HOST PAGE "Content-Length: 9\r\n\r\n{\"no\":12}", 400, false, NULL, NULL},
    {"POST /pause HTTP/1.1\r\n" HOST PAGE "Content-Length: 2\r\n\r\n{}", 422, false, NULL, NULL},
    {"POST /link HTTP/1.1\r\n" HOST PAGE "Content-Length: 12\r\n\r\n{\"dir\":\"in\"}", 422, false, NULL,
     NULL},
    {"POST /link HTTP/1.1\r\n" HOST PAGE "Content-Length: 26\r\n\r\n{\"dir\":\"up\",\"spec\":\"none\"}", 422,
     false, NULL, NULL},
    {"POST /transfer HTTP/1.1\r\n" HOST PAGE "Content-Length: 22\r\n\r\n{\"dir\":\"in\",\"bytes\":0}", 422,
     false, NULL, NULL},
};

/* Each on a connection of its own, with another request behind it: answered, or never looked at. */
static void body_wrong_requests__are_refused_and_said_so(void)
{
    struct command command = serve();
    for (size_t i = 0; i < COUNT_OF(wrongs); i++) {
        const struct wrong *wrong = &wrongs[i];
        int fd = web_open(80);
        web_send(fd, wrong->request);
        web_send(fd, "GET /page.js HTTP/1.1\r\n" HOST "\r\n");
        web_read(fd, &reply);
        bool closes = strcmp(web_field(&reply, "Connection"), "close") == 0;
        if (reply.status != wrong->status || closes != wrong->closes)
            (void)fprintf(stderr, "%s: %d\n", wrong->request, reply.status);
        CHECK(reply.status == wrong->status);
        CHECK(strncmp(reply.body, "{\"error\":\"", 10) == 0);
        if (wrong->field != NULL)
            CHECK(strcmp(web_field(&reply, wrong->field), wrong->value) == 0);
        CHECK(closes == wrong->closes);
        if (wrong->closes)
            CHECK(web_is_closed(fd));
        else {
            web_read(fd, &reply);
            CHECK(reply.status == 200 && strstr(reply.body, "EventSource") != NULL);
        }
        CHECK(close(fd) == 0);
    }
    web_get(80, "/api/state", &reply);
    CHECK(strstr(reply.body, "\"in\":\"none\",\"out\":\"none\",\"paused\":false,\"transfers\":0") != NULL);
    stop(&command);
}
TEST(wrong_requests__are_refused_and_said_so)

static void body_good_requests__that_look_odd__are_answered(void)
{
    static const struct {
        const char *request;
        bool closes;
    } cases[] = {
        {"GET / HTTP/1.1\r\nhOST:10.77.0.2:80 \t\r\n\r\n", false},
        {"GET http://10.77.0.2/ HTTP/1.1\r\nHost: rebound.example\r\n\r\n", false}, /* RFC 9112 3.2.2 */
        {"GET HTTP://10.77.0.2 HTTP/1.1\r\n" HOST "\r\n", false},
        {"GET /?a=b&c HTTP/1.1\r\n" HOST "\r\n", false},
        {"GET /%61pi/%73tate HTTP/1.1\r\n" HOST "\r\n", false},
        {"GET / HTTP/1.1\n"
         "Host: 10.77.0.2\n\n",
         false},
        {"GET / HTTP/1.9\r\n" HOST "\r\n", false},
        {"GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", false},
        {"GET / HTTP/1.1\r\n" HOST "Connection: Close\r\n\r\n", true},
        {"GET / HTTP/1.1\r\n" HOST "Connection: te, close\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n" HOST "\r\n", true},
    };
    struct command command = serve();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int fd = web_open(80);
        web_send(fd, cases[i].request);
        web_read(fd, &reply);
        CHECK(reply.status == 200 && reply.len > 0);
        CHECK((strcmp(web_field(&reply, "Connection"), "close") == 0) == cases[i].closes);
        if (cases[i].closes)
            CHECK(web_is_closed(fd));
        CHECK(close(fd) == 0);
    }
    stop(&command);
}
TEST(good_requests__that_look_odd__are_answered)

/* ---- Bounds ------------------------------------------------------------------------------------ */

/* A request with a head of exactly this many bytes: in one field, or in the target. */
static int status_of_head(size_t bytes, bool in_target)
{
    static char request[32768];
    static const char before[] = "GET /page.css?",
                      between[] = " HTTP/1.1\r\n" HOST "X: ", after[] = "\r\n\r\n";
    size_t fixed = sizeof before + sizeof between + sizeof after - 3;
    char *p = request;
    p += sprintf(p, "%s", before);
    if (in_target)
        p = (char *)memset(p, 'a', bytes - fixed) + (bytes - fixed);
    p += sprintf(p, "%s", between);
    if (!in_target)
        p = (char *)memset(p, 'a', bytes - fixed) + (bytes - fixed);
    p += sprintf(p, "%s", after);
    CHECK((size_t)(p - request) == bytes);
    int fd = web_open(80);
    kernel_write(fd, request, bytes);
    web_read(fd, &reply);
    CHECK(reply.status == 200 || web_is_closed(fd));
    CHECK(close(fd) == 0);
    return reply.status;
}

static void body_head__8192_bytes_pass_and_one_more_does_not(void)
{
    struct command command = serve();
    CHECK(status_of_head(8192, false) == 200 && status_of_head(8192, true) == 200);
    CHECK(status_of_head(8193, false) == 431 && status_of_head(30000, false) == 431);
    CHECK(status_of_head(30000, true) == 414);
    stop(&command);
}
TEST(head__8192_bytes_pass_and_one_more_does_not)

static void body_body__4096_bytes_pass__after_100_continue_where_that_is_asked_for(void)
{
    static char body[4097];
    struct command command = serve();
    int fd = web_open(80);
    (void)memset(body, ' ', 4096);
    body[0] = '{';
    body[4095] = '}';
    web_send(fd, "POST /stop HTTP/1.1\r\n" HOST PAGE "Content-Length: 4096\r\nExpect: 100-continue\r\n\r\n");
    web_read_head(fd, &reply);
    CHECK(reply.status == 100);
    kernel_write(fd, body, 4096);
    web_read(fd, &reply);
    CHECK(reply.status == 204);
    stop(&command);
}
TEST(body__4096_bytes_pass__after_100_continue_where_that_is_asked_for)

static void body_request__that_does_not_get_on__is_given_up_after_ten_seconds(void)
{
    struct command command = serve();
    int fd = web_open(80), half = web_open(80);
    int64_t start_us = mono_us();
    web_send(fd, "GET / HTTP/1.1\r\nHo");
    web_send(half, "GET / HT");
    CHECK(shutdown(half, SHUT_WR) == 0);
    CHECK(web_is_closed(half));
    struct timeval limit = {20, 0};
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    sleep_ms(5000);
    web_send(fd, "s"); /* a byte now and then is no progress */
    web_read(fd, &reply);
    int64_t took_ms = (mono_us() - start_us) / 1000;
    CHECK(reply.status == 408 && took_ms >= 9900 && took_ms < 13000 && web_is_closed(fd));
    stop(&command);
}
TEST(request__that_does_not_get_on__is_given_up_after_ten_seconds)

static void body_other_port__is_part_of_host_and_origin(void)
{
    static char seen[COMMAND_TEXT_BYTES];
    struct command command = command_start(ARGV("serve", "http:8000"));
    CHECK(command_read_until(command.out, "Ctrl-C ends it.\n", seen));
    CHECK(strstr(seen, "http://10.77.0.2:8000/ ") != NULL);
    web_get(8000, "/", &reply);
    CHECK(reply.status == 200);
    CHECK(web_post(8000, "/stop", "{}", &reply) == 204);
    int fd = web_open(8000);
    web_send(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
    web_read(fd, &reply);
    CHECK(reply.status == 403);
    stop(&command);
}
TEST(other_port__is_part_of_host_and_origin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get__page_and_its_parts__come_whole_over_one_connection),
        cmocka_unit_test(head__has_the_fields_of_get_and_no_content),
        cmocka_unit_test(pipelined_requests__are_answered_in_their_order),
        cmocka_unit_test(request__byte_by_byte__is_understood),
        cmocka_unit_test(wrong_requests__are_refused_and_said_so),
        cmocka_unit_test(good_requests__that_look_odd__are_answered),
        cmocka_unit_test(head__8192_bytes_pass_and_one_more_does_not),
        cmocka_unit_test(body__4096_bytes_pass__after_100_continue_where_that_is_asked_for),
        cmocka_unit_test(request__that_does_not_get_on__is_given_up_after_ten_seconds),
        cmocka_unit_test(other_port__is_part_of_host_and_origin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
