/* test_states.c - what each call says in each state a socket can be in.
 *
 * The expected values are those of a Linux 6 kernel for its own TCP sockets on the loopback device, where the
 * same calls were made on the same thirteen kinds of socket. */
#include "sock_help.h"

#define POLL_IN (POLLIN | POLLRDNORM)
#define POLL_OUT (POLLOUT | POLLWRNORM)
#define POLL_END (POLL_IN | POLLRDHUP) /* nothing more will come */
#define POLL_DEAD (POLL_END | POLL_OUT | POLLHUP)

/* Runs `call` on a new socket `s` of each kind. */
#define EACH_KIND(t, expected, call)                                                                         \
    for (int kind = 0; kind < KINDS; kind++) {                                                               \
        int s = make((t), (enum kind)kind);                                                                  \
        int64_t got = (call);                                                                                \
        if (got != (expected)[kind])                                                                         \
            fail_msg("%s: %s is %d, not %d", kind_name[kind], #call, (int)got, (int)(expected)[kind]);       \
        sock_close((t)->us, s);                                                                              \
    }

static void poll__each_state__as_linux(void **state)
{
    static const int expected[KINDS] = {
        [FRESH] = POLL_OUT | POLLHUP,
        [BOUND] = POLL_OUT | POLLHUP,
        [LISTENING] = 0,
        [PENDING] = 0,
        [REFUSED] = POLL_DEAD | POLLERR,
        [ESTABLISHED] = POLL_OUT,
        [PEER_FIN] = POLL_OUT | POLL_END,
        [OUR_FIN] = POLL_OUT,
        [BOTH_FIN_ACTIVE] = POLL_DEAD,
        [BOTH_FIN_PASSIVE] = POLL_DEAD,
        [PEER_RESET] = POLL_DEAD | POLLERR,
        [PEER_RESET_DATA] = POLL_DEAD | POLLERR,
        [SHUT_RD_ONLY] = POLL_OUT | POLL_END,
    };
    struct sock_test *t = *state;
    EACH_KIND(t, expected, sock_poll(t->us, s));
}

static void poll__after_shut_rd__as_linux(void **state)
{
    static const int expected[KINDS] = {
        [FRESH] = POLL_DEAD,
        [BOUND] = POLL_DEAD,
        [LISTENING] = POLL_OUT | POLLHUP,
        [PENDING] = POLL_OUT | POLLHUP | POLLERR,
        [REFUSED] = POLL_DEAD | POLLERR,
        [ESTABLISHED] = POLL_OUT | POLL_END,
        [PEER_FIN] = POLL_OUT | POLL_END,
        [OUR_FIN] = POLL_DEAD,
        [BOTH_FIN_ACTIVE] = POLL_DEAD,
        [BOTH_FIN_PASSIVE] = POLL_DEAD,
        [PEER_RESET] = POLL_DEAD | POLLERR,
        [PEER_RESET_DATA] = POLL_DEAD | POLLERR,
        [SHUT_RD_ONLY] = POLL_OUT | POLL_END,
    };
    struct sock_test *t = *state;
    EACH_KIND(t, expected, (sock_shutdown(t->us, s, SHUT_RD), sock_poll(t->us, s)));
}

static void poll__after_shut_rdwr__as_linux(void **state)
{
    static const int expected[KINDS] = {
        [FRESH] = POLL_DEAD,
        [BOUND] = POLL_DEAD,
        [LISTENING] = POLL_OUT | POLLHUP,
        [PENDING] = POLL_OUT | POLLHUP | POLLERR,
        [REFUSED] = POLL_DEAD | POLLERR,
        [ESTABLISHED] = POLL_DEAD,
        [PEER_FIN] = POLL_DEAD,
        [OUR_FIN] = POLL_DEAD,
        [BOTH_FIN_ACTIVE] = POLL_DEAD,
        [BOTH_FIN_PASSIVE] = POLL_DEAD,
        [PEER_RESET] = POLL_DEAD | POLLERR,
        [PEER_RESET_DATA] = POLL_DEAD | POLLERR,
        [SHUT_RD_ONLY] = POLL_DEAD,
    };
    struct sock_test *t = *state;
    EACH_KIND(t, expected, (sock_shutdown(t->us, s, SHUT_RDWR), sock_poll(t->us, s)));
}

static void recv__each_state__as_linux(void **state)
{
    static const int one[KINDS] = {-ENOTCONN,   -ENOTCONN, -ENOTCONN, -EAGAIN, -ECONNREFUSED,
                                   -EAGAIN,     0,         -EAGAIN,   0,       0,
                                   -ECONNRESET, 1,         0};
    static const int nothing[KINDS] = {-ENOTCONN,   -ENOTCONN, -ENOTCONN, -EAGAIN, -ECONNREFUSED,
                                       -EAGAIN,     0,         -EAGAIN,   0,       0,
                                       -ECONNRESET, 0,         0};
    struct sock_test *t = *state;
    char byte;
    EACH_KIND(t, one, recv_from(t->us, s, &byte, 1, 0));
    EACH_KIND(t, one, recv_from(t->us, s, &byte, 1, MSG_PEEK));
    EACH_KIND(t, one, recv_from(t->us, s, &byte, 1, MSG_TRUNC));
    EACH_KIND(t, nothing, recv_from(t->us, s, &byte, 0, 0));
}

static void send__each_state__as_linux(void **state)
{
    static const int one[KINDS] = {-EPIPE, -EPIPE, -EPIPE, -EAGAIN,     -ECONNREFUSED, 1, 1,
                                   -EPIPE, -EPIPE, -EPIPE, -ECONNRESET, -ECONNRESET,   1};
    static const int nothing[KINDS] = {-EPIPE, -EPIPE, -EPIPE, -EAGAIN,     -ECONNREFUSED, 0, 0,
                                       -EPIPE, -EPIPE, -EPIPE, -ECONNRESET, -ECONNRESET,   0};
    struct sock_test *t = *state;
    EACH_KIND(t, one, send_to(t->us, s, "x", 1, 0));
    EACH_KIND(t, nothing, send_to(t->us, s, "", 0, 0));
}

static void connect__each_state__as_linux(void **state)
{
    static const int expected[KINDS] = {-EINPROGRESS, -EINPROGRESS, -EISCONN, -EALREADY, -ECONNREFUSED,
                                        -EISCONN,     -EISCONN,     -EISCONN, -EISCONN,  -EISCONN,
                                        -EISCONN,     -EISCONN,     -EISCONN};
    struct sock_test *t = *state;
    EACH_KIND(t, expected, connect_listener(t, s));
}

static void bind_listen_accept__each_state__as_linux(void **state)
{
    static const int bind_[KINDS] = {0,       -EINVAL, -EINVAL, -EINVAL, 0, -EINVAL, -EINVAL,
                                     -EINVAL, 0,       0,       0,       0, -EINVAL};
    static const int listen_[KINDS] = {0,       0,       0,       -EINVAL, -EINVAL, -EINVAL, -EINVAL,
                                       -EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL};
    static const int accept_[KINDS] = {-EINVAL, -EINVAL, -EAGAIN, -EINVAL, -EINVAL, -EINVAL, -EINVAL,
                                       -EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL};
    static const int accepting[KINDS] = {[LISTENING] = 1};
    struct sock_test *t = *state;
    EACH_KIND(t, bind_, bind_to(t->us, s, INADDR_ANY, 0));
    EACH_KIND(t, listen_, sock_listen(t->us, s, 2));
    EACH_KIND(t, accept_, sock_accept(t->us, s, NULL, NULL, 0));
    EACH_KIND(t, accepting, get_int(t->us, s, SOL_SOCKET, SO_ACCEPTCONN));
}

static int peer_port(struct sock_test *t, int s)
{
    struct sockaddr_in in;
    socklen_t len = sizeof in;
    int error = sock_getpeername(t->us, s, (struct sockaddr *)&in, &len);
    return error != 0 ? error
                      : in.sin_port == address(0, PORT).sin_port &&
                            in.sin_addr.s_addr == address(PAIR_ADDR(1), 0).sin_addr.s_addr;
}

static void getpeername__each_state__as_linux(void **state)
{
    static const int expected[KINDS] = {-ENOTCONN, -ENOTCONN, -ENOTCONN, -ENOTCONN, -ENOTCONN, 1, 1,
                                        1,         -ENOTCONN, -ENOTCONN, -ENOTCONN, -ENOTCONN, 1};
    struct sock_test *t = *state;
    EACH_KIND(t, expected, peer_port(t, s));
}

static void shutdown__each_state__as_linux(void **state)
{
    static const int expected[KINDS] = {-ENOTCONN, -ENOTCONN, 0,         0,         -ENOTCONN, 0, 0,
                                        0,         -ENOTCONN, -ENOTCONN, -ENOTCONN, -ENOTCONN, 0};
    static const int bad[KINDS] = {-EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL,
                                   -EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL};
    struct sock_test *t = *state;
    EACH_KIND(t, expected, sock_shutdown(t->us, s, SHUT_RD));
    EACH_KIND(t, expected, sock_shutdown(t->us, s, SHUT_WR));
    EACH_KIND(t, expected, sock_shutdown(t->us, s, SHUT_RDWR));
    EACH_KIND(t, bad, sock_shutdown(t->us, s, 3));
    EACH_KIND(t, bad, sock_shutdown(t->us, s, -1));
}

static void ioctls__each_state__as_linux(void **state)
{
    static const int inq[KINDS] = {[LISTENING] = -EINVAL, [PEER_RESET_DATA] = 3};
    static const int outq[KINDS] = {[LISTENING] = -EINVAL};
    static const int atmark[KINDS] = {0};
    struct sock_test *t = *state;
    EACH_KIND(t, inq, sock_inq(t->us, s));
    EACH_KIND(t, outq, sock_outq(t->us, s));
    EACH_KIND(t, atmark, sock_atmark(t->us, s));
}

static void so_error__each_state__reports_once(void **state)
{
    static const int first[KINDS] = {
        [REFUSED] = ECONNREFUSED, [PEER_RESET] = ECONNRESET, [PEER_RESET_DATA] = ECONNRESET};
    static const int second[KINDS] = {0};
    struct sock_test *t = *state;
    EACH_KIND(t, first, so_error(t->us, s));
    EACH_KIND(t, second, (so_error(t->us, s), so_error(t->us, s)));
}

/* TCP_INFO names the state as Linux numbers them; rill shows TIME-WAIT where Linux has left the socket
 * already. */
static void tcp_info__each_state__names_it(void **state)
{
    static const int expected[KINDS] = {
        TCP_CLOSE,     TCP_CLOSE,     TCP_LISTEN, TCP_SYN_SENT, TCP_CLOSE, TCP_ESTABLISHED, TCP_CLOSE_WAIT,
        TCP_FIN_WAIT2, TCP_TIME_WAIT, TCP_CLOSE,  TCP_CLOSE,    TCP_CLOSE, TCP_ESTABLISHED};
    struct sock_test *t = *state;
    struct tcp_info info;
    socklen_t len = sizeof info;
    EACH_KIND(t, expected, (sock_getsockopt(t->us, s, IPPROTO_TCP, TCP_INFO, &info, &len), info.tcpi_state));
}

static void bad_number__every_call__ebadf(void **state)
{
    static const int bad[] = {-1, 0, 5, 1000, INT32_MAX, INT32_MIN};
    struct sock_test *t = *state;
    struct socks *us = t->us;
    char byte = 0;
    int value = 0;
    struct sockaddr_in in;
    socklen_t len = sizeof in;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int s = bad[i];
        assert_int_equal(bind_to(us, s, INADDR_ANY, 0), -EBADF);
        assert_int_equal(sock_listen(us, s, 1), -EBADF);
        assert_int_equal(sock_accept(us, s, NULL, NULL, 0), -EBADF);
        assert_int_equal(sock_accept(us, s, NULL, NULL, 1), -EBADF);
        assert_int_equal(connect_listener(t, s), -EBADF);
        assert_int_equal(send_to(us, s, "x", 1, 0), -EBADF);
        assert_int_equal(recv_from(us, s, &byte, 1, 0), -EBADF);
        assert_int_equal(sock_shutdown(us, s, SHUT_RD), -EBADF);
        assert_int_equal(sock_shutdown(us, s, 9), -EBADF);
        assert_int_equal(sock_close(us, s), -EBADF);
        assert_int_equal(sock_getsockname(us, s, (struct sockaddr *)&in, &len), -EBADF);
        assert_int_equal(sock_getpeername(us, s, (struct sockaddr *)&in, &len), -EBADF);
        assert_int_equal(set_int(us, s, SOL_SOCKET, SO_REUSEADDR, 1), -EBADF);
        len = sizeof value;
        assert_int_equal(sock_getsockopt(us, s, SOL_SOCKET, SO_ERROR, &value, &len), -EBADF);
        assert_int_equal(sock_poll(us, s), POLLNVAL);
        assert_int_equal(sock_nonblock(us, s), -EBADF);
        assert_int_equal(sock_set_nonblock(us, s, true), -EBADF);
        assert_int_equal(sock_inq(us, s), -EBADF);
        assert_int_equal(sock_outq(us, s), -EBADF);
        assert_int_equal(sock_atmark(us, s), -EBADF);
        assert_true(sock_timeout(us, s, true) == RILL_NEVER);
        assert_true(sock_linger_us(us, s) == 0);
        assert_true(sock_all_acked(us, s));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOCK_TEST(poll__each_state__as_linux),
        SOCK_TEST(poll__after_shut_rd__as_linux),
        SOCK_TEST(poll__after_shut_rdwr__as_linux),
        SOCK_TEST(recv__each_state__as_linux),
        SOCK_TEST(send__each_state__as_linux),
        SOCK_TEST(connect__each_state__as_linux),
        SOCK_TEST(bind_listen_accept__each_state__as_linux),
        SOCK_TEST(getpeername__each_state__as_linux),
        SOCK_TEST(shutdown__each_state__as_linux),
        SOCK_TEST(ioctls__each_state__as_linux),
        SOCK_TEST(so_error__each_state__reports_once),
        SOCK_TEST(tcp_info__each_state__names_it),
        SOCK_TEST(bad_number__every_call__ebadf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
