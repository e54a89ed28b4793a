/* test_listen.c - listen, the queue of accept, ports, numbers and memory.  Expected values: listen(2),
 * accept(2), bind(2), POSIX for the lowest number, and a Linux 6 kernel for SO_REUSEADDR. */
#include "sock_help.h"

#include "engine.h"

static int client(struct sock_test *t, uint16_t port)
{
    int s = sock_socket(t->them, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect_to(t->them, s, PAIR_ADDR(0), port), -EINPROGRESS);
    return s;
}

static void listen__unbound__on_an_ephemeral_port(void **state)
{
    struct sock_test *t = *state;
    int s = tcp_socket(t), c, fresh;
    char got[4];
    assert_int_equal(sock_listen(t->us, s, 128), 0);
    assert_in_range(local_port(t->us, s), 1024, 65535);
    c = client(t, local_port(t->us, s));
    assert_int_equal(sock_poll(t->us, s), 0);
    run_ms(t, 10);
    assert_int_equal(sock_poll(t->us, s), POLLIN | POLLRDNORM);
    fresh = sock_accept(t->us, s, NULL, NULL, 0);
    assert_true(fresh >= 0);
    assert_int_equal(sock_poll(t->us, s), 0);
    assert_int_equal(local_port(t->us, fresh), local_port(t->us, s));
    assert_int_equal(send_to(t->them, c, "hey", 3, 0), 3);
    run_ms(t, 10);
    assert_int_equal(recv_from(t->us, fresh, got, sizeof got, 0), 3);
}

static void accept__several__in_the_order_of_arrival(void **state)
{
    struct sock_test *t = *state;
    int s = make(t, LISTENING), c[3];
    for (int i = 0; i < 3; i++) {
        c[i] = client(t, local_port(t->us, s));
        run_ms(t, 10);
    }
    for (int i = 0; i < 3; i++) {
        struct sockaddr_in from;
        socklen_t len = sizeof from;
        assert_true(sock_accept(t->us, s, (struct sockaddr *)&from, &len, 0) >= 0);
        assert_int_equal(from.sin_port, address(0, local_port(t->them, c[i])).sin_port);
    }
    assert_int_equal(sock_accept(t->us, s, NULL, NULL, 0), -EAGAIN);
}

static int accept_all(struct sock_test *t, int s)
{
    int n = 0, fresh;
    while ((fresh = sock_accept(t->us, s, NULL, NULL, 0)) >= 0) {
        sock_close(t->us, fresh);
        n++;
    }
    assert_int_equal(fresh, -EAGAIN);
    return n;
}

static void backlog__full__the_rest_waits_at_the_peer(void **state)
{
    static const struct {
        int backlog, queue;
    } cases[] = {{2, 2}, {0, 1}, {5, 5}, {-1, 20}, {4097, 20}};
    struct sock_test *t = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int s = tcp_socket(t);
        assert_int_equal(sock_listen(t->us, s, cases[i].backlog), 0);
        for (int k = 0; k < 20; k++) {
            client(t, local_port(t->us, s));
            run_ms(t, 10);
        }
        assert_int_equal(accept_all(t, s), cases[i].queue);
        sock_close(t->us, s);
    }
}

static void listen__again__changes_the_backlog(void **state)
{
    struct sock_test *t = *state;
    int s = make(t, BOUND);
    assert_int_equal(sock_listen(t->us, s, 1), 0);
    assert_int_equal(sock_listen(t->us, s, 3), 0);
    for (int k = 0; k < 5; k++) {
        client(t, local_port(t->us, s));
        run_ms(t, 10);
    }
    assert_int_equal(accept_all(t, s), 3);
}

static void accept__reset_in_the_queue__still_accepted_and_told(void **state)
{
    struct sock_test *t = *state;
    int s = make(t, LISTENING), c = client(t, local_port(t->us, s)), fresh;
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    uint16_t port = local_port(t->them, c);
    char byte;
    run_ms(t, 10);
    reset(t->them, c);
    run_ms(t, 10);
    fresh = sock_accept(t->us, s, (struct sockaddr *)&from, &len, 0);
    assert_true(fresh >= 0);
    assert_int_equal(from.sin_port, address(0, port).sin_port);
    assert_int_equal(recv_from(t->us, fresh, &byte, 1, 0), -ECONNRESET);
}

static void accept__out_of_memory__connection_stays_in_the_queue(void **state)
{
    struct sock_test *t = *state;
    int s = make(t, LISTENING);
    client(t, local_port(t->us, s));
    run_ms(t, 10);
    t->pair.side[0].heap.fail_all = true;
    assert_int_equal(sock_accept(t->us, s, NULL, NULL, 0), -ENOBUFS);
    t->pair.side[0].heap.fail_all = false;
    assert_int_equal(sock_accept(t->us, s, NULL, NULL, 0), s + 1);
}

static void close__listener__resets_who_waits_and_keeps_who_was_accepted(void **state)
{
    struct sock_test *t = *state;
    int s = make(t, LISTENING), first = client(t, local_port(t->us, s)), second, fresh;
    uint16_t port = local_port(t->us, s);
    char byte;
    run_ms(t, 10);
    fresh = sock_accept(t->us, s, NULL, NULL, 0);
    second = client(t, port);
    run_ms(t, 10);
    assert_int_equal(sock_close(t->us, s), 0);
    run_ms(t, 10);
    assert_int_equal(recv_from(t->them, second, &byte, 1, 0), -ECONNRESET);
    assert_int_equal(send_to(t->us, fresh, "x", 1, 0), 1);
    run_ms(t, 10);
    assert_int_equal(recv_from(t->them, first, &byte, 1, 0), 1);
    second = client(t, port);
    run_ms(t, 10);
    assert_int_equal(so_error(t->them, second), ECONNREFUSED);
}

static void shutdown__listener__shut_rd_ends_it_and_keeps_the_port(void **state)
{
    struct sock_test *t = *state;
    int s = make(t, LISTENING), other = tcp_socket(t), fresh;
    uint16_t port = local_port(t->us, s);
    client(t, port);
    run_ms(t, 10);
    fresh = sock_accept(t->us, s, NULL, NULL, 0); /* its connection has the same port */
    assert_true(fresh >= 0);
    assert_int_equal(sock_shutdown(t->us, s, SHUT_WR), 0);
    assert_int_equal(sock_accept(t->us, s, NULL, NULL, 0), -EAGAIN);
    assert_int_equal(sock_shutdown(t->us, s, SHUT_RD), 0);
    assert_int_equal(sock_accept(t->us, s, NULL, NULL, 0), -EINVAL);
    assert_int_equal(local_port(t->us, s), port);
    assert_int_equal(bind_to(t->us, other, INADDR_ANY, port), -EADDRINUSE);
    assert_int_equal(sock_shutdown(t->us, s, SHUT_RD), -ENOTCONN);
    assert_int_equal(sock_listen(t->us, s, 1), 0);
    client(t, port);
    run_ms(t, 10);
    assert_true(sock_accept(t->us, s, NULL, NULL, 0) >= 0);
}

static void shutdown__listener_without_memory__no_port_and_still_usable(void **state)
{
    struct sock_test *t = *state;
    int s = make(t, LISTENING);
    t->pair.side[0].heap.fail_nth = 1;
    assert_int_equal(sock_shutdown(t->us, s, SHUT_RD), -ENOBUFS);
    assert_int_equal(local_port(t->us, s), 0);
    assert_int_equal(sock_listen(t->us, s, 1), 0);
}

static void bind__same_port__as_linux_decides(void **state)
{
    /* What the first socket has set and does, and what the second one gets. */
    static const struct {
        int reuse, other_reuse;
        bool listens;
        int expected;
    } cases[] = {
        {0, 0, false, -EADDRINUSE}, {0, 0, true, -EADDRINUSE},  {0, 1, false, -EADDRINUSE},
        {0, 1, true, -EADDRINUSE},  {1, 0, false, -EADDRINUSE}, {1, 0, true, -EADDRINUSE},
        {1, 1, false, 0},           {1, 1, true, -EADDRINUSE},
    };
    struct sock_test *t = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int a = tcp_socket(t), b = tcp_socket(t);
        set_int(t->us, a, SOL_SOCKET, SO_REUSEADDR, cases[i].reuse);
        set_int(t->us, b, SOL_SOCKET, SO_REUSEADDR, cases[i].other_reuse);
        assert_int_equal(bind_to(t->us, a, PAIR_ADDR(0), 4000), 0);
        if (cases[i].listens)
            assert_int_equal(sock_listen(t->us, a, 1), 0);
        assert_int_equal(bind_to(t->us, b, INADDR_ANY, 4000), cases[i].expected);
        if (cases[i].expected == 0) {
            assert_int_equal(sock_listen(t->us, b, 1), 0);
            assert_int_equal(sock_listen(t->us, a, 1), -EADDRINUSE);
        }
        sock_close(t->us, a);
        sock_close(t->us, b);
    }
}

/* A server that starts again while its last connections live, or are in TIME-WAIT. */
static void bind__port_of_connections__needs_reuse(void **state)
{
    struct sock_test *t = *state;
    for (int reuse = 0; reuse <= 1; reuse++) {
        int s = tcp_socket(t), c, fresh, expected = reuse ? 0 : -EADDRINUSE;
        uint16_t port = (uint16_t)(4000 + reuse);
        set_int(t->us, s, SOL_SOCKET, SO_REUSEADDR, reuse);
        assert_int_equal(bind_to(t->us, s, INADDR_ANY, port), 0);
        assert_int_equal(sock_listen(t->us, s, 1), 0);
        c = client(t, port);
        run_ms(t, 10);
        fresh = sock_accept(t->us, s, NULL, NULL, 0);
        sock_close(t->us, s);
        for (int waiting = 0; waiting <= 1; waiting++) {
            s = tcp_socket(t);
            set_int(t->us, s, SOL_SOCKET, SO_REUSEADDR, reuse);
            assert_int_equal(bind_to(t->us, s, INADDR_ANY, port), expected);
            sock_close(t->us, s);
            sock_close(t->us, fresh); /* ours first: the TIME-WAIT is ours */
            run_ms(t, 10);
            sock_close(t->them, c);
            run_ms(t, 100);
        }
        run_ms(t, 70000);
        s = tcp_socket(t);
        assert_int_equal(bind_to(t->us, s, INADDR_ANY, port), 0);
        sock_close(t->us, s);
    }
}

/* ---- Numbers and memory -------------------------------------------------------------------------------- */

static void socket__closed_number__is_the_next_one_given(void **state)
{
    struct sock_test *t = *state;
    static const int closed[] = {77, 3, 50, 0, 99};
    for (int i = 0; i < 100; i++)
        assert_int_equal(tcp_socket(t), i);
    for (size_t i = 0; i < COUNT_OF(closed); i++)
        assert_int_equal(sock_close(t->us, closed[i]), 0);
    assert_int_equal(tcp_socket(t), 0);
    assert_int_equal(tcp_socket(t), 3);
    assert_int_equal(tcp_socket(t), 50);
    assert_int_equal(tcp_socket(t), 77);
    assert_int_equal(tcp_socket(t), 99);
    assert_int_equal(tcp_socket(t), 100);
    assert_int_equal(t->us->count, 101);
}

static void socket__too_many__emfile(void **state)
{
    struct sock_test *t = *state;
    int last = -1, s;
    t->us->engine->mem.cap_bytes = SIZE_MAX;
    while ((s = sock_socket(t->us, AF_INET, SOCK_STREAM, 0)) >= 0)
        last = s;
    assert_int_equal(s, -EMFILE);
    assert_int_equal(last, SOCKS_MAX - 1);
    assert_int_equal(sock_close(t->us, 5), 0);
    assert_int_equal(sock_socket(t->us, AF_INET, SOCK_STREAM, 0), 5);
}

/* Each call that needs memory says so, and works when there is some. */
static void memory__refused__enobufs_and_nothing_broken(void **state)
{
    struct sock_test *t = *state;
    struct test_heap *heap = &t->pair.side[0].heap;
    char byte;
    int s, theirs;
    heap->fail_all = true;
    assert_int_equal(sock_socket(t->us, AF_INET, SOCK_STREAM, 0), -ENOBUFS);
    heap->fail_all = false;
    heap->fail_nth = 2; /* the table grows, the socket does not fit */
    assert_int_equal(sock_socket(t->us, AF_INET, SOCK_STREAM, 0), -ENOBUFS);
    s = tcp_socket(t);
    assert_int_equal(s, 0);
    heap->fail_all = true;
    assert_int_equal(bind_to(t->us, s, INADDR_ANY, 4000), -ENOBUFS);
    assert_int_equal(sock_listen(t->us, s, 1), -ENOBUFS);
    assert_int_equal(connect_listener(t, s), -ENOBUFS);
    heap->fail_all = false;
    assert_int_equal(connect_listener(t, s), -EINPROGRESS);
    run_ms(t, 10);
    theirs = sock_accept(t->them, t->listener, NULL, NULL, 0);
    run_ms(t, 2000); /* rings that are idle go */
    heap->fail_all = true;
    assert_int_equal(send_to(t->us, s, "x", 1, 0), -ENOBUFS);
    assert_int_equal(sock_shutdown(t->us, s, SHUT_WR), -ENOBUFS);
    heap->fail_all = false;
    assert_int_equal(send_to(t->us, s, "x", 1, 0), 1);
    assert_int_equal(sock_shutdown(t->us, s, SHUT_WR), 0);
    run_ms(t, 10);
    assert_int_equal(recv_from(t->them, theirs, &byte, 1, 0), 1);
    assert_int_equal(recv_from(t->them, theirs, &byte, 1, 0), 0);
}

/* The same conversation with the n-th allocation refused, for each n: errors are allowed, a crash or a leak
 * is not. */
static void memory__each_allocation_refused__no_leak(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 40; n++) {
        void *inner = NULL;
        struct sock_test *t;
        int s, theirs;
        char got[8];
        sock_setup(&inner);
        t = inner;
        t->pair.side[0].heap.fail_nth = n;
        t->pair.side[1].heap.fail_nth = n;
        s = sock_socket(t->us, AF_INET, SOCK_STREAM, 0);
        (void)connect_listener(t, s);
        run_ms(t, 5000);
        (void)connect_listener(t, s);
        theirs = sock_accept(t->them, t->listener, NULL, NULL, 0);
        (void)send_to(t->us, s, "ping", 4, 0);
        (void)send_to(t->them, theirs, "pong", 4, MSG_OOB);
        run_ms(t, 5000);
        (void)recv_from(t->us, s, got, sizeof got, 0);
        (void)sock_shutdown(t->us, s, SHUT_WR);
        (void)sock_shutdown(t->us, t->listener, SHUT_RD);
        run_ms(t, 5000);
        (void)sock_close(t->them, theirs);
        (void)sock_close(t->us, s);
        run_ms(t, 5000);
        sock_teardown(&inner);
    }
}

static void idle_connection__costs__at_most_512_bytes(void **state)
{
    struct sock_test *t = *state;
    size_t before;
    int theirs;
    for (int i = 0; i < 100; i++)
        connected(t, &theirs);
    run_ms(t, 5000);
    before = rill_memory(t->us->engine);
    for (int i = 0; i < 20; i++) /* the tables have grown already */
        connected(t, &theirs);
    run_ms(t, 5000);
    assert_in_range((rill_memory(t->us->engine) - before) / 20, 1, 512);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOCK_TEST(listen__unbound__on_an_ephemeral_port),
        SOCK_TEST(accept__several__in_the_order_of_arrival),
        SOCK_TEST(backlog__full__the_rest_waits_at_the_peer),
        SOCK_TEST(listen__again__changes_the_backlog),
        SOCK_TEST(accept__reset_in_the_queue__still_accepted_and_told),
        SOCK_TEST(accept__out_of_memory__connection_stays_in_the_queue),
        SOCK_TEST(close__listener__resets_who_waits_and_keeps_who_was_accepted),
        SOCK_TEST(shutdown__listener__shut_rd_ends_it_and_keeps_the_port),
        SOCK_TEST(shutdown__listener_without_memory__no_port_and_still_usable),
        SOCK_TEST(bind__same_port__as_linux_decides),
        SOCK_TEST(bind__port_of_connections__needs_reuse),
        SOCK_TEST(socket__closed_number__is_the_next_one_given),
        SOCK_TEST(socket__too_many__emfile),
        SOCK_TEST(memory__refused__enobufs_and_nothing_broken),
        cmocka_unit_test(memory__each_allocation_refused__no_leak),
        SOCK_TEST(idle_connection__costs__at_most_512_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
