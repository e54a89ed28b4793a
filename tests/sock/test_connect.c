/* test_connect.c - connect, its failures, and what is left of a socket afterwards.  Expected values:
 * connect(2), and a Linux 6 kernel on its loopback device for each sequence. */
#include "sock_help.h"

static int disconnect(struct socks *socks, int s)
{
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    return sock_connect(socks, s, &none, sizeof none.sa_family);
}

static void connect__success__zero_once_then_eisconn(void **state)
{
    struct sock_test *t = *state;
    int s = tcp_socket(t);
    assert_int_equal(connect_listener(t, s), -EINPROGRESS);
    assert_int_equal(connect_listener(t, s), -EALREADY);
    assert_int_equal(sock_poll(t->us, s), 0);
    run_ms(t, 10);
    assert_int_equal(sock_poll(t->us, s), POLLOUT | POLLWRNORM);
    assert_int_equal(so_error(t->us, s), 0);
    assert_int_equal(connect_listener(t, s), 0);
    assert_int_equal(connect_listener(t, s), -EISCONN);
}

static void connect__refused__told_once_and_the_socket_is_as_new(void **state)
{
    struct sock_test *t = *state;
    int s = make(t, REFUSED);
    assert_int_equal(connect_listener(t, s), -ECONNREFUSED);
    assert_int_equal(sock_poll(t->us, s), POLLOUT | POLLWRNORM | POLLHUP);
    assert_int_equal(so_error(t->us, s), 0);
    assert_int_equal(connect_listener(t, s), -EINPROGRESS);
    run_ms(t, 10);
    assert_int_equal(connect_listener(t, s), 0);
}

static void connect__refused_and_read_by_so_error__econnaborted_then_as_new(void **state)
{
    struct sock_test *t = *state;
    int s = make(t, REFUSED);
    assert_int_equal(so_error(t->us, s), ECONNREFUSED);
    assert_int_equal(so_error(t->us, s), 0);
    assert_int_equal(connect_listener(t, s), -ECONNABORTED);
    assert_int_equal(connect_to(t->us, s, PAIR_ADDR(1), 1), -EINPROGRESS);
    run_ms(t, 10);
    assert_int_equal(so_error(t->us, s), ECONNREFUSED); /* the second failure is told too */
}

static void connect__refused_then_shutdown__never_again(void **state)
{
    struct sock_test *t = *state;
    int s = make(t, REFUSED);
    char byte;
    assert_int_equal(so_error(t->us, s), ECONNREFUSED);
    assert_int_equal(recv_from(t->us, s, &byte, 1, 0), 0);
    assert_int_equal(send_to(t->us, s, "x", 1, 0), -EPIPE);
    assert_int_equal(sock_shutdown(t->us, s, SHUT_WR), -ENOTCONN);
    assert_int_equal(connect_listener(t, s), -EINVAL);
    assert_int_equal(connect_listener(t, s), -EINVAL);
}

static void refused__recv_tells_it__then_end_of_file_and_epipe(void **state)
{
    struct sock_test *t = *state;
    int s = make(t, REFUSED);
    char byte;
    assert_int_equal(recv_from(t->us, s, &byte, 1, 0), -ECONNREFUSED);
    assert_int_equal(recv_from(t->us, s, &byte, 1, 0), 0);
    assert_int_equal(so_error(t->us, s), 0);
    assert_int_equal(send_to(t->us, s, "x", 1, 0), -EPIPE);
}

static void refused__send_tells_it__then_epipe_and_end_of_file(void **state)
{
    struct sock_test *t = *state;
    int s = make(t, REFUSED);
    char byte;
    assert_int_equal(send_to(t->us, s, "x", 1, 0), -ECONNREFUSED);
    assert_int_equal(send_to(t->us, s, "x", 1, 0), -EPIPE);
    assert_int_equal(recv_from(t->us, s, &byte, 1, 0), 0);
}

static void connect__nobody_answers__etimedout_after_180_s(void **state)
{
    struct sock_test *t = *state;
    int s = make(t, PENDING);
    run_ms(t, 179000); /* MUST-23 */
    assert_int_equal(connect_listener(t, s), -EALREADY);
    run_ms(t, 30000);
    assert_int_equal(sock_poll(t->us, s) & POLLERR, POLLERR);
    assert_int_equal(connect_listener(t, s), -ETIMEDOUT);
}

static void shutdown__while_connecting__gives_it_up(void **state)
{
    struct sock_test *t = *state;
    int s = make(t, PENDING);
    assert_int_equal(sock_shutdown(t->us, s, SHUT_WR), 0);
    assert_int_equal(sock_poll(t->us, s), POLLOUT | POLLWRNORM | POLLHUP | POLLERR);
    assert_int_equal(so_error(t->us, s), ECONNRESET);
    assert_int_equal(connect_listener(t, s), -EINPROGRESS);
    run_ms(t, 10);
    assert_int_equal(connect_listener(t, s), 0);
}

static void shutdown__before_connect__lasts(void **state)
{
    struct sock_test *t = *state;
    int s = tcp_socket(t);
    char byte;
    assert_int_equal(sock_shutdown(t->us, s, SHUT_RDWR), -ENOTCONN);
    assert_int_equal(recv_from(t->us, s, &byte, 1, 0), 0);
    assert_int_equal(connect_listener(t, s), -EINPROGRESS);
    run_ms(t, 10);
    assert_int_equal(connect_listener(t, s), 0);
    assert_int_equal(recv_from(t->us, s, &byte, 1, 0), 0);
    assert_int_equal(send_to(t->us, s, "x", 1, 0), -EPIPE);
}

static void disconnect__fresh_listening_connected__back_to_the_start(void **state)
{
    struct sock_test *t = *state;
    int s = tcp_socket(t), theirs;
    uint16_t port;
    char byte;
    assert_int_equal(sock_shutdown(t->us, s, SHUT_RDWR), -ENOTCONN);
    assert_int_equal(disconnect(t->us, s), 0);
    assert_int_equal(recv_from(t->us, s, &byte, 1, 0), -ENOTCONN);
    assert_int_equal(sock_listen(t->us, s, 1), 0);
    port = local_port(t->us, s);
    assert_int_equal(disconnect(t->us, s), 0);
    assert_int_equal(sock_accept(t->us, s, NULL, NULL, 0), -EINVAL);
    assert_int_equal(sock_poll(t->us, s), POLLOUT | POLLWRNORM | POLLHUP);
    assert_int_equal(local_port(t->us, s), port);
    s = connected(t, &theirs);
    assert_int_equal(disconnect(t->us, s), 0);
    assert_int_equal(sock_poll(t->us, s), POLLOUT | POLLWRNORM | POLLHUP | POLLERR);
    assert_int_equal(so_error(t->us, s), ECONNRESET);
    assert_int_equal(so_error(t->us, s), 0);
    run_ms(t, 10);
    assert_int_equal(recv_from(t->them, theirs, &byte, 1, 0), -ECONNRESET);
    assert_int_equal(connect_listener(t, s), -EINPROGRESS);
    run_ms(t, 10);
    assert_int_equal(connect_listener(t, s), 0);
}

static void connect__bound__from_that_port(void **state)
{
    struct sock_test *t = *state;
    int s = tcp_socket(t), other = tcp_socket(t), theirs;
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    assert_int_equal(bind_to(t->us, s, INADDR_ANY, 4444), 0);
    assert_int_equal(connect_listener(t, s), -EINPROGRESS);
    run_ms(t, 10);
    theirs = sock_accept(t->them, t->listener, (struct sockaddr *)&from, &len, 0);
    assert_true(theirs >= 0);
    assert_int_equal(from.sin_port, address(0, 4444).sin_port);
    assert_int_equal(bind_to(t->us, other, INADDR_ANY, 4444), -EADDRINUSE);
}

static void connect__same_tuple_twice__eaddrnotavail(void **state)
{
    struct sock_test *t = *state;
    int s = tcp_socket(t), other = tcp_socket(t);
    set_int(t->us, s, SOL_SOCKET, SO_REUSEADDR, 1);
    set_int(t->us, other, SOL_SOCKET, SO_REUSEADDR, 1);
    assert_int_equal(bind_to(t->us, s, INADDR_ANY, 4444), 0);
    assert_int_equal(bind_to(t->us, other, INADDR_ANY, 4444), 0);
    assert_int_equal(connect_listener(t, s), -EINPROGRESS);
    assert_int_equal(connect_listener(t, other), -EADDRNOTAVAIL);
    assert_int_equal(connect_to(t->us, other, PAIR_ADDR(1), PORT + 1), -EINPROGRESS);
}

static void connect__unbound__from_a_port_of_its_own(void **state)
{
    struct sock_test *t = *state;
    int s = tcp_socket(t), other = tcp_socket(t);
    assert_int_equal(connect_listener(t, s), -EINPROGRESS);
    assert_int_equal(connect_listener(t, other), -EINPROGRESS);
    assert_in_range(local_port(t->us, s), 1024, 65535);
    assert_in_range(local_port(t->us, other), 1024, 65535);
    assert_int_not_equal(local_port(t->us, s), local_port(t->us, other));
}

static void connect__from_both_sides_at_once__one_connection(void **state)
{
    struct sock_test *t = *state;
    int s = tcp_socket(t), theirs = sock_socket(t->them, AF_INET, SOCK_STREAM, 0);
    char got[8];
    assert_int_equal(bind_to(t->us, s, INADDR_ANY, 4444), 0);
    assert_int_equal(bind_to(t->them, theirs, INADDR_ANY, 5555), 0);
    assert_int_equal(connect_to(t->us, s, PAIR_ADDR(1), 5555), -EINPROGRESS);
    assert_int_equal(connect_to(t->them, theirs, PAIR_ADDR(0), 4444), -EINPROGRESS);
    run_ms(t, 10);
    assert_int_equal(connect_to(t->us, s, PAIR_ADDR(1), 5555), 0);
    assert_int_equal(connect_to(t->them, theirs, PAIR_ADDR(0), 4444), 0);
    assert_int_equal(send_to(t->us, s, "ping", 4, 0), 4);
    assert_int_equal(send_to(t->them, theirs, "pong", 4, 0), 4);
    run_ms(t, 10);
    assert_int_equal(recv_from(t->us, s, got, sizeof got, 0), 4);
    assert_memory_equal(got, "pong", 4);
    assert_int_equal(recv_from(t->them, theirs, got, sizeof got, 0), 4);
    assert_memory_equal(got, "ping", 4);
}

static void connect__first_syn_lost__succeeds_after_a_second(void **state)
{
    struct sock_test *t = *state;
    int s = tcp_socket(t);
    assert_int_equal(connect_listener(t, s), -EINPROGRESS);
    t->pair.side[0].latency_us = 3600000000ull;
    run_ms(t, 500);
    t->pair.side[0].latency_us = 50;
    assert_int_equal(connect_listener(t, s), -EALREADY);
    run_ms(t, 600); /* RFC 6298 2.1: 1 s */
    assert_int_equal(connect_listener(t, s), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOCK_TEST(connect__success__zero_once_then_eisconn),
        SOCK_TEST(connect__refused__told_once_and_the_socket_is_as_new),
        SOCK_TEST(connect__refused_and_read_by_so_error__econnaborted_then_as_new),
        SOCK_TEST(connect__refused_then_shutdown__never_again),
        SOCK_TEST(refused__recv_tells_it__then_end_of_file_and_epipe),
        SOCK_TEST(refused__send_tells_it__then_epipe_and_end_of_file),
        SOCK_TEST(connect__nobody_answers__etimedout_after_180_s),
        SOCK_TEST(shutdown__while_connecting__gives_it_up),
        SOCK_TEST(shutdown__before_connect__lasts),
        SOCK_TEST(disconnect__fresh_listening_connected__back_to_the_start),
        SOCK_TEST(connect__bound__from_that_port),
        SOCK_TEST(connect__same_tuple_twice__eaddrnotavail),
        SOCK_TEST(connect__unbound__from_a_port_of_its_own),
        SOCK_TEST(connect__from_both_sides_at_once__one_connection),
        SOCK_TEST(connect__first_syn_lost__succeeds_after_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
