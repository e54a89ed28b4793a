/* test_args.c - arguments: addresses and their lengths, types, vectors, flags.  Expected values: the manual
 * pages, and a Linux 6 kernel for the order in which faults are found. */
#include "sock_help.h"

static void socket__arguments__as_linux(void **state)
{
    static const struct {
        int domain, type, protocol, expected;
    } cases[] = {
        {AF_INET, SOCK_STREAM, IPPROTO_UDP, -EPROTONOSUPPORT},
        {AF_INET, SOCK_STREAM, 200, -EPROTONOSUPPORT},
        {AF_INET, SOCK_STREAM, -1, -EINVAL},
        {AF_INET, SOCK_STREAM, 9999, -EINVAL},
        {AF_INET, SOCK_SEQPACKET, 0, -ESOCKTNOSUPPORT},
        {AF_INET, SOCK_DGRAM, 0, -ESOCKTNOSUPPORT}, /* no UDP here: as any type without a protocol */
        {AF_INET, 0, 0, -ESOCKTNOSUPPORT},
        {AF_INET, 77, 0, -EINVAL},
        {AF_INET, 11, 0, -EINVAL},
        {AF_INET, SOCK_STREAM | 0x100, 0, -EINVAL},
        {AF_INET6, SOCK_STREAM, 0, -EAFNOSUPPORT},
        {AF_UNIX, SOCK_STREAM, 0, -EAFNOSUPPORT},
        {0, SOCK_STREAM, 0, -EAFNOSUPPORT},
        {-1, SOCK_STREAM, 0, -EAFNOSUPPORT},
        {105, SOCK_STREAM, 0, -EAFNOSUPPORT},
    };
    struct sock_test *t = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(sock_socket(t->us, cases[i].domain, cases[i].type, cases[i].protocol),
                         cases[i].expected);
    assert_int_equal(sock_socket(t->us, AF_INET, SOCK_STREAM, 0), 0);
    assert_int_equal(sock_socket(t->us, AF_INET, SOCK_STREAM, IPPROTO_TCP), 1);
    assert_int_equal(sock_socket(t->us, AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), 2);
    assert_int_equal(sock_nonblock(t->us, 0), 0);
    assert_int_equal(sock_nonblock(t->us, 2), 1);
    assert_int_equal(sock_set_nonblock(t->us, 2, false), 0);
    assert_int_equal(sock_nonblock(t->us, 2), 0);
}

static void bind__arguments__as_linux(void **state)
{
    static const struct {
        uint32_t ip;
        int family;
        socklen_t len;
        int expected;
    } cases[] = {
        {0, AF_INET, 15, -EINVAL},
        {0, AF_INET, 0, -EINVAL},
        {0, AF_INET, (socklen_t)-1, -EINVAL},
        {0, AF_INET, 129, -EINVAL},
        {0, AF_INET6, 16, -EAFNOSUPPORT},
        {PAIR_ADDR(0), AF_UNSPEC, 16, -EAFNOSUPPORT},
        {PAIR_ADDR(1), AF_INET, 16, -EADDRNOTAVAIL},
        {0x7f000001, AF_INET, 16, -EADDRNOTAVAIL},
        {0xe0000001, AF_INET, 16, -EADDRNOTAVAIL},
        {0x0a4d00ff, AF_INET, 16, -EADDRNOTAVAIL},
        {0, AF_INET, 16, 0},
        {0, AF_INET, 128, 0},
        {0, AF_UNSPEC, 16, 0},
        {PAIR_ADDR(0), AF_INET, 16, 0},
    };
    struct sock_test *t = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int s = tcp_socket(t);
        struct sockaddr_storage storage = {0};
        struct sockaddr_in in = address(cases[i].ip, 0);
        in.sin_family = (sa_family_t)cases[i].family;
        memcpy(&storage, &in, sizeof in);
        assert_int_equal(sock_bind(t->us, s, (struct sockaddr *)&storage, cases[i].len), cases[i].expected);
        assert_int_equal(local_port(t->us, s) != 0, cases[i].expected == 0);
        assert_int_equal(sock_bind(t->us, s, NULL, 16), -EFAULT);
        if (cases[i].expected == 0) {
            assert_int_equal(bind_to(t->us, s, INADDR_ANY, 0), -EINVAL); /* twice */
            /* The address is looked at first. */
            assert_int_equal(bind_to(t->us, s, PAIR_ADDR(1), 0), -EADDRNOTAVAIL);
        }
        sock_close(t->us, s);
    }
}

static void connect__arguments__as_linux(void **state)
{
    static const struct {
        uint32_t ip;
        int family;
        socklen_t len;
        int expected;
    } cases[] = {
        {PAIR_ADDR(1), AF_INET, 0, -EINVAL},
        {PAIR_ADDR(1), AF_INET, 1, -EINVAL},
        {PAIR_ADDR(1), AF_INET, 15, -EINVAL},
        {PAIR_ADDR(1), AF_INET, (socklen_t)-1, -EINVAL},
        {PAIR_ADDR(1), AF_INET, 129, -EINVAL},
        {PAIR_ADDR(1), AF_INET6, 15, -EINVAL}, /* the length first */
        {PAIR_ADDR(1), AF_INET6, 16, -EAFNOSUPPORT},
        {0xe0000001, AF_INET, 16, -ENETUNREACH}, /* MUST-46: multicast, broadcasts */
        {0xffffffff, AF_INET, 16, -ENETUNREACH},
        {0x0a4d00ff, AF_INET, 16, -ENETUNREACH},
        {PAIR_ADDR(0), AF_INET, 16, -ENETUNREACH}, /* no way to oneself */
        {PAIR_ADDR(1), AF_INET, 16, -EINPROGRESS},
    };
    struct sock_test *t = *state;
    int s = tcp_socket(t);
    assert_int_equal(sock_connect(t->us, s, NULL, 16), -EFAULT);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sockaddr_storage storage = {0};
        struct sockaddr_in in = address(cases[i].ip, PORT);
        in.sin_family = (sa_family_t)cases[i].family;
        memcpy(&storage, &in, sizeof in);
        assert_int_equal(sock_connect(t->us, s, (struct sockaddr *)&storage, cases[i].len),
                         cases[i].expected);
    }
    s = tcp_socket(t);
    assert_int_equal(connect_to(t->us, s, PAIR_ADDR(1), 0), -ECONNREFUSED);
}

static void accept__flags__are_checked(void **state)
{
    struct sock_test *t = *state;
    int s = make(t, LISTENING), fresh, client;
    struct sockaddr_in to = address(PAIR_ADDR(0), local_port(t->us, s)), from;
    socklen_t len;
    assert_int_equal(sock_accept(t->us, s, NULL, NULL, 1), -EINVAL);
    client = sock_socket(t->them, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(sock_connect(t->them, client, (struct sockaddr *)&to, sizeof to), -EINPROGRESS);
    run_ms(t, 10);
    len = (socklen_t)-1;
    assert_int_equal(sock_accept(t->us, s, (struct sockaddr *)&from, &len, 0), -EINVAL);
    assert_int_equal(sock_accept(t->us, s, (struct sockaddr *)&from, NULL, 0), -EFAULT);
    /* Unlike Linux, which throws it away, the connection is still there. */
    len = sizeof from;
    fresh = sock_accept(t->us, s, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(fresh >= 0);
    assert_int_equal(sock_nonblock(t->us, fresh), 1);
    assert_int_equal(len, sizeof from);
    assert_int_equal(from.sin_addr.s_addr, address(PAIR_ADDR(1), 0).sin_addr.s_addr);
    assert_int_equal(from.sin_port, address(0, local_port(t->them, client)).sin_port);
    assert_int_equal(sock_accept(t->us, s, NULL, NULL, 0), -EAGAIN);
}

static void names__room__truncates_and_tells_the_full_length(void **state)
{
    struct sock_test *t = *state;
    int theirs, s = connected(t, &theirs);
    struct sockaddr_in full = address(PAIR_ADDR(1), PORT);
    uint8_t bytes[32];
    socklen_t len;
    for (socklen_t room = 0; room <= sizeof bytes; room++) {
        memset(bytes, 0x55, sizeof bytes);
        len = room;
        assert_int_equal(sock_getpeername(t->us, s, (struct sockaddr *)(void *)bytes, &len), 0);
        assert_int_equal(len, sizeof full);
        assert_memory_equal(bytes, &full, room < sizeof full ? room : sizeof full);
        for (size_t i = room < sizeof full ? room : sizeof full; i < sizeof bytes; i++)
            assert_int_equal(bytes[i], 0x55);
    }
    len = (socklen_t)-1;
    assert_int_equal(sock_getsockname(t->us, s, (struct sockaddr *)(void *)bytes, &len), -EINVAL);
    assert_int_equal(sock_getpeername(t->us, s, (struct sockaddr *)(void *)bytes, &len), -EINVAL);
    len = sizeof bytes;
    assert_int_equal(sock_getsockname(t->us, s, NULL, &len), -EFAULT);
    assert_int_equal(sock_getpeername(t->us, s, (struct sockaddr *)(void *)bytes, NULL), -EFAULT);
}

static void getsockname__before_and_after__as_linux(void **state)
{
    struct sock_test *t = *state;
    static const struct sockaddr_in none = {.sin_family = AF_INET};
    struct sockaddr_in in;
    socklen_t len = sizeof in;
    int s = tcp_socket(t);
    assert_int_equal(sock_getsockname(t->us, s, (struct sockaddr *)&in, &len), 0);
    assert_memory_equal(&in, &none, sizeof in);
    assert_int_equal(bind_to(t->us, s, INADDR_ANY, 5555), 0);
    assert_int_equal(sock_getsockname(t->us, s, (struct sockaddr *)&in, &len), 0);
    assert_int_equal(in.sin_addr.s_addr, 0);
    assert_int_equal(in.sin_port, address(0, 5555).sin_port);
    assert_int_equal(connect_listener(t, s), -EINPROGRESS);
    assert_int_equal(sock_getsockname(t->us, s, (struct sockaddr *)&in, &len), 0);
    assert_int_equal(in.sin_addr.s_addr, address(PAIR_ADDR(0), 0).sin_addr.s_addr);
    assert_int_equal(in.sin_port, address(0, 5555).sin_port);
    run_ms(t, 10);
    s = make(t, PEER_RESET);
    assert_int_not_equal(local_port(t->us, s), 0); /* of the connection that was */
    assert_int_equal(bind_to(t->us, s, INADDR_ANY, 6666), 0);
    assert_int_equal(local_port(t->us, s), 6666);
}

static void vectors__counts_and_lengths__as_the_manual(void **state)
{
    struct sock_test *t = *state;
    int theirs, s = connected(t, &theirs);
    static struct iovec many[1025];
    static char byte[1];
    for (size_t i = 0; i < COUNT_OF(many); i++)
        many[i] = (struct iovec){byte, 1};
    assert_int_equal(sock_send(t->us, s, many, -1, 0), -EINVAL);
    assert_int_equal(sock_recv(t->us, s, many, -1, 0), -EINVAL);
    assert_int_equal(sock_send(t->us, s, many, 1025, 0), -EMSGSIZE);
    assert_int_equal(sock_recv(t->us, s, many, 1025, 0), -EMSGSIZE);
    assert_int_equal(sock_send(t->us, s, many, 1024, 0), 1024);
    assert_int_equal(sock_send(t->us, s, many, 0, 0), 0);
    assert_int_equal(sock_send(t->us, s, NULL, 0, 0), 0);
    assert_int_equal(sock_send(t->us, s, NULL, 1, 0), -EFAULT);
    assert_int_equal(send_to(t->us, s, NULL, 1, 0), -EFAULT);
    assert_int_equal(send_to(t->us, s, NULL, 0, 0), 0);
    many[0].iov_len = SIZE_MAX;
    assert_int_equal(sock_send(t->us, s, many, 1, 0), -EINVAL);
    assert_int_equal(sock_recv(t->us, s, many, 1, 0), -EINVAL);
    many[0].iov_len = INT64_MAX;
    assert_int_equal(sock_send(t->us, s, many, 2, 0), -EINVAL);
    assert_int_equal(sock_recv(t->us, s, many, 2, 0), -EINVAL);
}

static void flags__unusual__as_linux(void **state)
{
    struct sock_test *t = *state;
    int theirs, s = connected(t, &theirs), fresh = tcp_socket(t);
    char byte;
    assert_int_equal(recv_from(t->us, s, &byte, 1, MSG_OOB), -EINVAL); /* urgent data is in line */
    assert_int_equal(recv_from(t->us, fresh, &byte, 1, MSG_OOB), -EINVAL);
    assert_int_equal(recv_from(t->us, s, &byte, 1, MSG_ERRQUEUE), -EAGAIN);
    assert_int_equal(send_to(t->us, s, "x", 1, MSG_FASTOPEN), -EOPNOTSUPP);
    assert_int_equal(send_to(t->us, s, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT | 0x40000), 1);
    assert_int_equal(recv_from(t->us, s, &byte, 1, MSG_DONTWAIT | MSG_WAITALL), -EAGAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOCK_TEST(socket__arguments__as_linux),
        SOCK_TEST(bind__arguments__as_linux),
        SOCK_TEST(connect__arguments__as_linux),
        SOCK_TEST(accept__flags__are_checked),
        SOCK_TEST(names__room__truncates_and_tells_the_full_length),
        SOCK_TEST(getsockname__before_and_after__as_linux),
        SOCK_TEST(vectors__counts_and_lengths__as_the_manual),
        SOCK_TEST(flags__unusual__as_linux),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
