/* test_talk.c - the classic first server: its calls on rill.h, and `rill serve talk` on a terminal. */
#include "test.h"

#include "command.h"
#include "world.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#define TEST(name)                                                                                           \
    static void name(void **state)                                                                           \
    {                                                                                                        \
        (void)state;                                                                                         \
        netns_run(body_##name, 30);                                                                          \
    }

static uint16_t kernel_port(int fd)
{
    struct sockaddr_in addr = {0};
    socklen_t len = sizeof addr;
    CHECK(getsockname(fd, (struct sockaddr *)&addr, &len) == 0);
    return ntohs(addr.sin_port);
}

/* Nobody listens on the port. */
static void expect_refused(uint16_t port)
{
    struct sockaddr_in to = addr_of(STACK_ADDR, port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_ERRNO(connect(fd, (struct sockaddr *)&to, sizeof to), ECONNREFUSED);
    CHECK(close(fd) == 0);
}

/* What the lecture's server does once it listens; the client of the kernel says hello and hears good day. */
static void converse(int server, uint16_t port)
{
    static const char hello[] = "hello, this is the client", answer[] = "good day";
    char text[1024];
    int kernel = kernel_connect(port);

    struct sockaddr_in peer;
    socklen_t peer_len = sizeof peer;
    int client = rill_accept(server, (struct sockaddr *)&peer, &peer_len);
    CHECK(client >= RILL_FD_BASE);
    CHECK(peer.sin_addr.s_addr == addr_of(KERNEL_ADDR, 0).sin_addr.s_addr);
    CHECK(ntohs(peer.sin_port) == kernel_port(kernel));
    kernel_write(kernel, hello, sizeof hello - 1);
    CHECK(rill_recv(client, text, sizeof text, 0) == sizeof hello - 1);
    CHECK(memcmp(text, hello, sizeof hello - 1) == 0);
    CHECK(rill_send(client, answer, sizeof answer - 1, 0) == sizeof answer - 1);
    CHECK(rill_close(client) == 0);
    CHECK(rill_close(server) == 0);

    CHECK(kernel_read(kernel, text, sizeof text) == sizeof answer - 1);
    CHECK(memcmp(text, answer, sizeof answer - 1) == 0);
    CHECK(close(kernel) == 0);
    expect_refused(port);
}

/* The example as it is shown makes a second socket after bind(), so that the one that listens is not bound:
 * listen() gives it an ephemeral port, as Linux does. */
static void body_lecture__literally__listens_on_an_ephemeral_port(void)
{
    stack_up();
    struct sockaddr_in any = addr_of("0.0.0.0", 8080);
    int server = rill_socket(AF_INET, SOCK_STREAM, 0), first = server;
    CHECK(rill_bind(server, (struct sockaddr *)&any, sizeof any) == 0);
    server = rill_socket(AF_INET, SOCK_STREAM, 0);
    CHECK(rill_listen(server, 128) == 0);

    struct sockaddr_in name;
    socklen_t name_len = sizeof name;
    CHECK(rill_getsockname(server, (struct sockaddr *)&name, &name_len) == 0);
    CHECK(name.sin_addr.s_addr == htonl(INADDR_ANY));
    CHECK(ntohs(name.sin_port) >= 1024 && ntohs(name.sin_port) != 8080);
    expect_refused(8080);
    converse(server, ntohs(name.sin_port));
    CHECK(rill_close(first) == 0);
    stack_down();
}
TEST(lecture__literally__listens_on_an_ephemeral_port)

static void body_lecture__without_the_second_socket__listens_on_8080(void)
{
    stack_up();
    struct sockaddr_in any = addr_of("0.0.0.0", 8080);
    int server = rill_socket(AF_INET, SOCK_STREAM, 0);
    CHECK(rill_bind(server, (struct sockaddr *)&any, sizeof any) == 0);
    CHECK(rill_listen(server, 128) == 0);
    converse(server, 8080);
    stack_down();
}
TEST(lecture__without_the_second_socket__listens_on_8080)

/* What the client sends, and how it has to be shown: whole characters as they are; alone 0xFF, an overlong
 * form, a surrogate, a control character and a character cut off at the end are escaped byte by byte (RFC
 * 3629). */
static const char sent[] =
    "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x98\x80 \xff \xc0\x80 \xed\xa0\x80 \x1b[0m \xe2\x82";
static const char shown[] =
    "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x98\x80 \\xff \\xc0\\x80 \\xed\\xa0\\x80 \\x1b[0m \\xe2\\x82\n"
    "message for the client: ";

static void body_talk__on_a_terminal__one_message_each_way(void)
{
    const char *const argv[] = {"serve", "talk", NULL};
    static char seen[COMMAND_TEXT_BYTES], expected[256];
    char text[64];
    struct command talk = command_start_on_terminal(argv);
    CHECK(command_read_until(talk.out, "nc 10.77.0.2 8080", seen));
    CHECK(command_read_until(talk.out, "Ctrl-C ends it.\n", seen));

    int kernel = kernel_connect(8080);
    (void)snprintf(expected, sizeof expected, "client ('10.77.0.1', %u) connected\n", kernel_port(kernel));
    CHECK(command_read_until(talk.out, expected, seen));
    kernel_write(kernel, sent, sizeof sent - 1);
    CHECK(command_read_until(talk.out, shown, seen));

    /* At the prompt: the stack answers, and acknowledges what another connection sends. */
    CHECK(ping_us(STACK_ADDR) >= 0);
    int other = kernel_connect(8080), unacknowledged = 1;
    kernel_write(other, "0123456789", 10);
    for (int i = 0; i < 1000 && unacknowledged != 0; i++) {
        sleep_ms(2);
        CHECK(ioctl(other, SIOCOUTQ, &unacknowledged) == 0);
    }
    CHECK(unacknowledged == 0);

    CHECK(write(talk.in, "good day\n", 9) == 9);
    CHECK(kernel_read(kernel, text, sizeof text) == 8 && memcmp(text, "good day", 8) == 0);
    CHECK(close(kernel) == 0 && close(other) == 0);
    CHECK(command_wait(&talk) == 0);
}
TEST(talk__on_a_terminal__one_message_each_way)

static void body_talk__signal_while_it_waits__ends_with_0(void)
{
    const char *const argv[] = {"serve", "talk:8081", NULL};
    static char seen[COMMAND_TEXT_BYTES];
    char byte;
    struct command talk = command_start_on_terminal(argv);
    CHECK(command_read_until(talk.out, "Ctrl-C ends it.\n", seen));
    int kernel = kernel_connect(8081);
    CHECK(command_read_until(talk.out, "connected\n", seen));
    kernel_write(kernel, "x", 1);
    CHECK(command_read_until(talk.out, "message for the client: ", seen));
    CHECK(write(talk.in, "\x03", 1) == 1); /* Ctrl-C */
    CHECK(kernel_read(kernel, &byte, 1) == 0);
    CHECK(close(kernel) == 0);
    CHECK(command_wait(&talk) == 0);
}
TEST(talk__signal_while_it_waits__ends_with_0)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lecture__literally__listens_on_an_ephemeral_port),
        cmocka_unit_test(lecture__without_the_second_socket__listens_on_8080),
        cmocka_unit_test(talk__on_a_terminal__one_message_each_way),
        cmocka_unit_test(talk__signal_while_it_waits__ends_with_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
