/* sock_help.c - see sock_help.h. */
#include "sock_help.h"

#include <arpa/inet.h>
#include <stdlib.h>

const char *const kind_name[KINDS] = {
    "FRESH",       "BOUND",           "LISTENING",   "PENDING",         "REFUSED",
    "ESTABLISHED", "PEER_FIN",        "OUR_FIN",     "BOTH_FIN_ACTIVE", "BOTH_FIN_PASSIVE",
    "PEER_RESET",  "PEER_RESET_DATA", "SHUT_RD_ONLY"};

int sock_setup(void **state)
{
    struct sock_test *t = calloc(1, sizeof *t);
    assert_non_null(t);
    pair_defaults(&t->pair);
    pair_start(&t->pair);
    t->us = &t->pair.side[0].socks;
    t->them = &t->pair.side[1].socks;
    t->listener = sock_socket(t->them, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind_to(t->them, t->listener, INADDR_ANY, PORT), 0);
    assert_int_equal(sock_listen(t->them, t->listener, 100), 0);
    *state = t;
    return 0;
}

int sock_teardown(void **state)
{
    struct sock_test *t = *state;
    pair_stop(&t->pair);
    free(t);
    return 0;
}

void run_ms(struct sock_test *t, uint64_t ms) { pair_run(&t->pair, t->pair.now_us + ms * MSEC); }

int tcp_socket(struct sock_test *t)
{
    int s = sock_socket(t->us, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(s >= 0);
    return s;
}

struct sockaddr_in address(uint32_t ip, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(ip)}};
    return in;
}

int bind_to(struct socks *socks, int s, uint32_t ip, uint16_t port)
{
    struct sockaddr_in in = address(ip, port);
    return sock_bind(socks, s, (struct sockaddr *)&in, sizeof in);
}

int connect_to(struct socks *socks, int s, uint32_t ip, uint16_t port)
{
    struct sockaddr_in in = address(ip, port);
    return sock_connect(socks, s, (struct sockaddr *)&in, sizeof in);
}

int connect_listener(struct sock_test *t, int s) { return connect_to(t->us, s, PAIR_ADDR(1), PORT); }

uint16_t local_port(struct socks *socks, int s)
{
    struct sockaddr_in in;
    socklen_t len = sizeof in;
    assert_int_equal(sock_getsockname(socks, s, (struct sockaddr *)&in, &len), 0);
    return ntohs(in.sin_port);
}

int connected(struct sock_test *t, int *theirs)
{
    int s = tcp_socket(t), other;
    while ((other = sock_accept(t->them, t->listener, NULL, NULL, 0)) >= 0)
        sock_close(t->them, other); /* left over from an earlier one */
    assert_int_equal(connect_listener(t, s), -EINPROGRESS);
    run_ms(t, 10);
    assert_int_equal(connect_listener(t, s), 0);
    *theirs = sock_accept(t->them, t->listener, NULL, NULL, 0);
    assert_true(*theirs >= 0);
    return s;
}

int64_t send_to(struct socks *socks, int s, const void *data, size_t len, int flags)
{
    struct iovec iov = {(void *)(uintptr_t)data, len};
    return sock_send(socks, s, &iov, 1, flags);
}

int64_t recv_from(struct socks *socks, int s, void *data, size_t len, int flags)
{
    struct iovec iov = {data, len};
    return sock_recv(socks, s, &iov, 1, flags);
}

int so_error(struct socks *socks, int s) { return get_int(socks, s, SOL_SOCKET, SO_ERROR); }

int set_int(struct socks *socks, int s, int level, int name, int value)
{
    return sock_setsockopt(socks, s, level, name, &value, sizeof value);
}

int get_int(struct socks *socks, int s, int level, int name)
{
    int value = 0x55555555, error;
    socklen_t len = sizeof value;
    error = sock_getsockopt(socks, s, level, name, &value, &len);
    if (error != 0)
        return error;
    assert_int_equal(len, sizeof value);
    return value;
}

void reset(struct socks *socks, int s)
{
    struct linger linger = {1, 0};
    assert_int_equal(sock_setsockopt(socks, s, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    assert_int_equal(sock_close(socks, s), 0);
}

static int make_unconnected(struct sock_test *t, enum kind kind)
{
    int s = tcp_socket(t);
    if (kind == BOUND || kind == LISTENING)
        assert_int_equal(bind_to(t->us, s, INADDR_ANY, 0), 0);
    if (kind == LISTENING)
        assert_int_equal(sock_listen(t->us, s, 3), 0);
    if (kind == PENDING)
        assert_int_equal(connect_to(t->us, s, 0x0a4d0009, PORT), -EINPROGRESS);
    if (kind == REFUSED)
        assert_int_equal(connect_to(t->us, s, PAIR_ADDR(1), 1), -EINPROGRESS);
    run_ms(t, 100);
    return s;
}

int make(struct sock_test *t, enum kind kind)
{
    int theirs, s;
    if (kind <= REFUSED)
        return make_unconnected(t, kind);
    s = connected(t, &theirs);
    if (kind == PEER_FIN || kind == BOTH_FIN_PASSIVE)
        assert_int_equal(sock_shutdown(t->them, theirs, SHUT_WR), 0);
    if (kind == OUR_FIN || kind == BOTH_FIN_ACTIVE)
        assert_int_equal(sock_shutdown(t->us, s, SHUT_WR), 0);
    if (kind == PEER_RESET_DATA)
        assert_int_equal(send_to(t->them, theirs, "abc", 3, 0), 3);
    if (kind == SHUT_RD_ONLY)
        assert_int_equal(sock_shutdown(t->us, s, SHUT_RD), 0);
    run_ms(t, 100);
    if (kind == BOTH_FIN_PASSIVE)
        assert_int_equal(sock_shutdown(t->us, s, SHUT_WR), 0);
    if (kind == BOTH_FIN_ACTIVE)
        assert_int_equal(sock_shutdown(t->them, theirs, SHUT_WR), 0);
    if (kind == PEER_RESET || kind == PEER_RESET_DATA)
        reset(t->them, theirs);
    run_ms(t, 100);
    return s;
}
