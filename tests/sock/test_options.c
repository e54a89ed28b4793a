/* test_options.c - setsockopt and getsockopt: names, ranges, lengths and effects.  Expected values:
 * socket(7), tcp(7), ip(7), and a Linux 6 kernel where they are silent. */
#include "cc_table.h"
#include "sock_help.h"
#include "sock_inside.h"

#include <sys/time.h>

/* set answers `expected`, and get then answers `then`. */
static const struct {
    int level, name, value, expected, then;
} int_cases[] = {
    {SOL_SOCKET, SO_REUSEADDR, 5, 0, 1},
    {SOL_SOCKET, SO_REUSEADDR, 0, 0, 0},
    {SOL_SOCKET, SO_REUSEADDR, -1, 0, 1},
    {SOL_SOCKET, SO_BROADCAST, 5, 0, 1},
    {SOL_SOCKET, SO_BROADCAST, 0, 0, 0},
    {SOL_SOCKET, SO_KEEPALIVE, 5, 0, 1},
    {SOL_SOCKET, SO_KEEPALIVE, 0, 0, 0},
    {SOL_SOCKET, SO_OOBINLINE, 1, 0, 1},
    {SOL_SOCKET, SO_TYPE, 1, -ENOPROTOOPT, SOCK_STREAM},
    {SOL_SOCKET, SO_DOMAIN, 1, -ENOPROTOOPT, AF_INET},
    {SOL_SOCKET, SO_PROTOCOL, 1, -ENOPROTOOPT, IPPROTO_TCP},
    {SOL_SOCKET, SO_ACCEPTCONN, 1, -ENOPROTOOPT, 0},
    {SOL_SOCKET, SO_ERROR, 1, -ENOPROTOOPT, 0},
    {SOL_SOCKET, SO_SNDBUF, 100000, 0, 200000},
    {SOL_SOCKET, SO_SNDBUF, 1, 0, 4608},
    {SOL_SOCKET, SO_SNDBUF, 0, 0, 4608},
    {SOL_SOCKET, SO_SNDBUF, INT32_MAX, 0, 8388608},
    {SOL_SOCKET, SO_SNDBUF, -1, 0, 8388608},
    {SOL_SOCKET, SO_RCVBUF, 100000, 0, 200000},
    {SOL_SOCKET, SO_RCVBUF, 1, 0, 2304},
    {SOL_SOCKET, SO_RCVBUF, INT32_MAX, 0, 8388608},
    {SOL_SOCKET, SO_RCVBUF, -1, 0, 8388608},
    {SOL_SOCKET, 9999, 1, -ENOPROTOOPT, -ENOPROTOOPT},
    {IPPROTO_TCP, TCP_NODELAY, 5, 0, 1},
    {IPPROTO_TCP, TCP_NODELAY, 0, 0, 0},
    {IPPROTO_TCP, TCP_NODELAY, -1, 0, 1},
    {IPPROTO_TCP, TCP_MAXSEG, -1, -EINVAL, 536},
    {IPPROTO_TCP, TCP_MAXSEG, 0, 0, 536},
    {IPPROTO_TCP, TCP_MAXSEG, 87, -EINVAL, 536},
    {IPPROTO_TCP, TCP_MAXSEG, 88, 0, 88},
    {IPPROTO_TCP, TCP_MAXSEG, 32767, 0, 32767},
    {IPPROTO_TCP, TCP_MAXSEG, 32768, -EINVAL, 32767},
    {IPPROTO_TCP, TCP_MAXSEG, 0, 0, 536},
    {IPPROTO_TCP, TCP_KEEPIDLE, 0, -EINVAL, 7200},
    {IPPROTO_TCP, TCP_KEEPIDLE, 1, 0, 1},
    {IPPROTO_TCP, TCP_KEEPIDLE, 32767, 0, 32767},
    {IPPROTO_TCP, TCP_KEEPIDLE, 32768, -EINVAL, 32767},
    {IPPROTO_TCP, TCP_KEEPIDLE, -1, -EINVAL, 32767},
    {IPPROTO_TCP, TCP_KEEPINTVL, 0, -EINVAL, 75},
    {IPPROTO_TCP, TCP_KEEPINTVL, 1, 0, 1},
    {IPPROTO_TCP, TCP_KEEPINTVL, 32767, 0, 32767},
    {IPPROTO_TCP, TCP_KEEPINTVL, 32768, -EINVAL, 32767},
    {IPPROTO_TCP, TCP_KEEPCNT, 0, -EINVAL, 9},
    {IPPROTO_TCP, TCP_KEEPCNT, 1, 0, 1},
    {IPPROTO_TCP, TCP_KEEPCNT, 127, 0, 127},
    {IPPROTO_TCP, TCP_KEEPCNT, 128, -EINVAL, 127},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, -1, -EINVAL, 0},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, 5, 0, 5},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, INT32_MAX, 0, INT32_MAX},
    {IPPROTO_TCP, TCP_INFO, 1, -ENOPROTOOPT, TCP_CLOSE},
    {IPPROTO_TCP, 9999, 1, -ENOPROTOOPT, -ENOPROTOOPT},
    {IPPROTO_IP, IP_TOS, 0x10, 0, 0x10},
    {IPPROTO_IP, IP_TOS, 0x13, 0, 0x10}, /* the ECN bits are not the application's */
    {IPPROTO_IP, IP_TOS, 0xff, 0, 0xfc},
    {IPPROTO_IP, IP_TOS, 256, 0, 0},
    {IPPROTO_IP, IP_TTL, 0, -EINVAL, 64},
    {IPPROTO_IP, IP_TTL, 1, 0, 1},
    {IPPROTO_IP, IP_TTL, 255, 0, 255},
    {IPPROTO_IP, IP_TTL, 256, -EINVAL, 255},
    {IPPROTO_IP, IP_TTL, -2, -EINVAL, 255},
    {IPPROTO_IP, IP_TTL, -1, 0, 64},
    {IPPROTO_IP, 9999, 1, -ENOPROTOOPT, -ENOPROTOOPT},
    {777, 1, 1, -ENOPROTOOPT, -EOPNOTSUPP},
};

static void int_options__values__as_linux(void **state)
{
    struct sock_test *t = *state;
    int s = tcp_socket(t);
    for (size_t i = 0; i < COUNT_OF(int_cases); i++) {
        int set = set_int(t->us, s, int_cases[i].level, int_cases[i].name, int_cases[i].value);
        int got = get_int(t->us, s, int_cases[i].level, int_cases[i].name);
        if (set != int_cases[i].expected || got != int_cases[i].then)
            fail_msg("level %d option %d value %d: set %d, then get %d", int_cases[i].level,
                     int_cases[i].name, int_cases[i].value, set, got);
    }
}

static void set__lengths__as_linux(void **state)
{
    static const struct {
        int level, name;
        socklen_t len;
        int expected;
    } cases[] = {
        {SOL_SOCKET, SO_REUSEADDR, 3, -EINVAL},
        {SOL_SOCKET, SO_REUSEADDR, 4, 0},
        {SOL_SOCKET, SO_REUSEADDR, 8, 0},
        {SOL_SOCKET, SO_REUSEADDR, (socklen_t)-1, -EINVAL},
        {SOL_SOCKET, 9999, 1, -EINVAL},
        {SOL_SOCKET, SO_LINGER, 7, -EINVAL},
        {SOL_SOCKET, SO_LINGER, 8, 0},
        {SOL_SOCKET, SO_RCVTIMEO, 15, -EINVAL},
        {SOL_SOCKET, SO_RCVTIMEO, 16, 0},
        {SOL_SOCKET, SO_SNDTIMEO, 3, -EINVAL},
        {IPPROTO_TCP, TCP_NODELAY, 3, -EINVAL},
        {IPPROTO_TCP, TCP_NODELAY, 0, -EINVAL},
        {IPPROTO_TCP, 9999, 1, -EINVAL},
        {IPPROTO_IP, IP_TOS, 1, 0},
        {IPPROTO_IP, IP_TOS, 0, 0},
        {IPPROTO_IP, IP_TTL, 1, 0},
        {IPPROTO_IP, IP_TTL, 0, -EINVAL},
        {IPPROTO_IP, IP_TTL, (socklen_t)-1, -EINVAL},
        {777, 1, 1, -ENOPROTOOPT},
    };
    struct sock_test *t = *state;
    int s = tcp_socket(t);
    static const uint8_t value[16] = {1};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int got = sock_setsockopt(t->us, s, cases[i].level, cases[i].name, value, cases[i].len);
        if (got != cases[i].expected)
            fail_msg("level %d option %d length %d: %d", cases[i].level, cases[i].name, (int)cases[i].len,
                     got);
    }
    assert_int_equal(sock_setsockopt(t->us, s, SOL_SOCKET, SO_REUSEADDR, NULL, 4), -EFAULT);
    assert_int_equal(sock_setsockopt(t->us, s, IPPROTO_TCP, TCP_NODELAY, NULL, 4), -EFAULT);
    assert_int_equal(sock_setsockopt(t->us, s, IPPROTO_TCP, TCP_NODELAY, NULL, 0), -EINVAL);
    assert_int_equal(sock_setsockopt(t->us, s, IPPROTO_TCP, TCP_CONGESTION, NULL, 4), -EFAULT);
}

static void get__room__truncates(void **state)
{
    static const struct {
        int level, name;
        socklen_t room;
        int expected;
        socklen_t len;
    } cases[] = {
        {SOL_SOCKET, SO_TYPE, 0, 0, 0},
        {SOL_SOCKET, SO_TYPE, 1, 0, 1},
        {SOL_SOCKET, SO_TYPE, 9, 0, 4},
        {SOL_SOCKET, SO_TYPE, (socklen_t)-1, -EINVAL, (socklen_t)-1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 2, 0, 2},
        {IPPROTO_TCP, TCP_KEEPIDLE, (socklen_t)-1, -EINVAL, (socklen_t)-1},
        {IPPROTO_IP, IP_TTL, 0, 0, 0},
        {IPPROTO_IP, IP_TTL, 1, 0, 1},
        {IPPROTO_IP, IP_TTL, 3, 0, 1}, /* one byte, not three */
        {IPPROTO_IP, IP_TTL, 4, 0, 4},
        {SOL_SOCKET, SO_LINGER, 8, 0, 8},
        {SOL_SOCKET, SO_LINGER, 5, 0, 5},
        {SOL_SOCKET, SO_RCVTIMEO, 16, 0, 16},
        {SOL_SOCKET, SO_RCVTIMEO, 5, 0, 5},
        {IPPROTO_TCP, TCP_CONGESTION, 40, 0, 16},
        {IPPROTO_TCP, TCP_CONGESTION, 3, 0, 3},
        {IPPROTO_TCP, TCP_INFO, 104, 0, 104},
        {IPPROTO_TCP, TCP_INFO, 200, 0, 200},
        {IPPROTO_TCP, TCP_INFO, 10, 0, 10},
        {IPPROTO_TCP, TCP_INFO, 0, 0, 0},
        {777, 1, (socklen_t)-1, -EOPNOTSUPP, (socklen_t)-1},
    };
    struct sock_test *t = *state;
    int s = tcp_socket(t), value;
    socklen_t len = sizeof value;
    assert_int_equal(sizeof(struct tcp_info), 104);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint8_t room[256];
        memset(room, 0x55, sizeof room);
        len = cases[i].room;
        assert_int_equal(sock_getsockopt(t->us, s, cases[i].level, cases[i].name, room, &len),
                         cases[i].expected);
        assert_int_equal(len, cases[i].len);
        assert_int_equal(room[len < sizeof room ? len : 0], 0x55);
    }
    assert_int_equal(sock_getsockopt(t->us, s, SOL_SOCKET, SO_TYPE, NULL, &len),
                     -EINVAL); /* len is -1 still */
    len = sizeof value;
    assert_int_equal(sock_getsockopt(t->us, s, SOL_SOCKET, SO_TYPE, NULL, &len), -EFAULT);
    assert_int_equal(sock_getsockopt(t->us, s, SOL_SOCKET, SO_TYPE, &value, NULL), -EFAULT);
}

static void so_linger__off__keeps_the_seconds(void **state)
{
    struct sock_test *t = *state;
    int s = tcp_socket(t);
    struct linger linger = {7, 5};
    socklen_t len = sizeof linger;
    assert_int_equal(sock_setsockopt(t->us, s, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    assert_int_equal(sock_getsockopt(t->us, s, SOL_SOCKET, SO_LINGER, &linger, &len), 0);
    assert_int_equal(linger.l_onoff, 1);
    assert_int_equal(linger.l_linger, 5);
    linger = (struct linger){0, 9};
    assert_int_equal(sock_setsockopt(t->us, s, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    assert_int_equal(sock_getsockopt(t->us, s, SOL_SOCKET, SO_LINGER, &linger, &len), 0);
    assert_int_equal(linger.l_onoff, 0);
    assert_int_equal(linger.l_linger, 5);
}

static void timeouts__values__as_linux(void **state)
{
    static const struct {
        long sec, usec;
        int expected;
        uint64_t us; /* what sock_timeout says then */
    } cases[] = {
        {0, 0, 0, RILL_NEVER},
        {1, 500000, 0, 1500000},
        {1, 1000000, -EDOM, 1500000},
        {1, -1, -EDOM, 1500000},
        {0, 1, 0, 1},
        {-1, 0, 0, 0}, /* it is over before it begins */
        {INT64_MAX, 0, 0, RILL_NEVER},
    };
    struct sock_test *t = *state;
    int s = tcp_socket(t);
    for (int send = 0; send <= 1; send++) {
        int name = send ? SO_SNDTIMEO : SO_RCVTIMEO;
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
            struct timeval tv = {cases[i].sec, cases[i].usec};
            socklen_t len = sizeof tv;
            assert_int_equal(sock_setsockopt(t->us, s, SOL_SOCKET, name, &tv, sizeof tv), cases[i].expected);
            assert_true(sock_timeout(t->us, s, send) == cases[i].us);
            assert_int_equal(sock_getsockopt(t->us, s, SOL_SOCKET, name, &tv, &len), 0);
            assert_true((uint64_t)tv.tv_sec * 1000000 + (uint64_t)tv.tv_usec ==
                        (cases[i].us == RILL_NEVER ? 0 : cases[i].us));
        }
    }
}

static void check_cc(struct sock_test *t, int s, const char *expected)
{
    char name[16];
    socklen_t len = sizeof name;
    assert_int_equal(sock_getsockopt(t->us, s, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
    assert_int_equal(len, 16);
    assert_string_equal(name, expected);
}

/* tcp(7); the kernel copies at most 15 bytes of the name, up to the first zero byte. */
static void tcp_congestion__unknown_name__enoent(void **state)
{
    static const struct {
        const char *name;
        socklen_t len;
        int expected;
        const char *now;
    } cases[] = {
        {"", 1, -ENOENT, "cubic"},     {"reno", 4, 0, "reno"},
        {"cubic", 6, 0, "cubic"},      {"reno", 5, 0, "reno"},
        {"reno", 3, -ENOENT, "reno"},  {"cubic\0x", 7, 0, "cubic"},
        {"nope", 5, -ENOENT, "cubic"}, {"renox", 5, -ENOENT, "cubic"},
        {"", 0, -EINVAL, "cubic"},     {"a name that is much too long", 28, -ENOENT, "cubic"},
    };
    struct sock_test *t = *state;
    int s = tcp_socket(t);
    check_cc(t, s, "cubic"); /* the engine's default */
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(sock_setsockopt(t->us, s, IPPROTO_TCP, TCP_CONGESTION, cases[i].name, cases[i].len),
                         cases[i].expected);
        check_cc(t, s, cases[i].now);
    }
}

/* A connection changes over at once, and data still flows; a listener's goes on to what it accepts. */
static void tcp_congestion__of_a_connection__takes_effect_at_once(void **state)
{
    struct sock_test *t = *state;
    char byte;
    int theirs, accepted, s = connected(t, &theirs);
    assert_ptr_equal(sock_get(t->us, s)->c->cc.ops, cc_ops(RILL_CC_CUBIC));
    assert_int_equal(sock_setsockopt(t->us, s, IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
    assert_ptr_equal(sock_get(t->us, s)->c->cc.ops, cc_ops(RILL_CC_RENO));
    assert_int_equal(send_to(t->us, s, "x", 1, 0), 1);
    run_ms(t, 100);
    assert_int_equal(recv_from(t->them, theirs, &byte, 1, 0), 1);
    assert_int_equal(sock_setsockopt(t->them, t->listener, IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
    (void)connected(t, &accepted);
    char name[16];
    socklen_t len = sizeof name;
    assert_int_equal(sock_getsockopt(t->them, accepted, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
    assert_string_equal(name, "reno");
}

static void accepted__options__are_the_listeners(void **state)
{
    static const struct {
        int level, name, value, inherited;
    } cases[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1, 1},       {SOL_SOCKET, SO_REUSEADDR, 1, 1},
        {SOL_SOCKET, SO_BROADCAST, 1, 1},       {SOL_SOCKET, SO_RCVBUF, 50000, 100000},
        {SOL_SOCKET, SO_SNDBUF, 60000, 120000}, {IPPROTO_TCP, TCP_NODELAY, 1, 1},
        {IPPROTO_TCP, TCP_KEEPCNT, 3, 3},       {IPPROTO_TCP, TCP_KEEPIDLE, 4, 4},
        {IPPROTO_TCP, TCP_KEEPINTVL, 5, 5},     {IPPROTO_TCP, TCP_USER_TIMEOUT, 6000, 6000},
        {IPPROTO_IP, IP_TTL, 33, 33},           {IPPROTO_IP, IP_TOS, 16, 16},
    };
    struct sock_test *t = *state;
    struct linger linger = {1, 5}, got;
    struct timeval tv = {3, 0};
    socklen_t len = sizeof got;
    int s = tcp_socket(t), fresh;
    sock_setsockopt(t->them, t->listener, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    sock_setsockopt(t->them, t->listener, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    tv.tv_sec = 4;
    sock_setsockopt(t->them, t->listener, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
    for (size_t i = 0; i < COUNT_OF(cases); i++) /* after listen() */
        assert_int_equal(set_int(t->them, t->listener, cases[i].level, cases[i].name, cases[i].value), 0);
    sock_set_nonblock(t->them, t->listener, true);
    assert_int_equal(connect_listener(t, s), -EINPROGRESS);
    run_ms(t, 10);
    fresh = sock_accept(t->them, t->listener, NULL, NULL, 0);
    assert_true(fresh >= 0);
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(get_int(t->them, fresh, cases[i].level, cases[i].name), cases[i].inherited);
    assert_int_equal(sock_getsockopt(t->them, fresh, SOL_SOCKET, SO_LINGER, &got, &len), 0);
    assert_int_equal(got.l_onoff, 1);
    assert_int_equal(got.l_linger, 5);
    assert_true(sock_timeout(t->them, fresh, false) == 3000000);
    assert_true(sock_timeout(t->them, fresh, true) == 4000000);
    assert_int_equal(sock_nonblock(t->them, fresh), 0); /* accept(2): on Linux not inherited */
    assert_int_equal(get_int(t->them, fresh, SOL_SOCKET, SO_ACCEPTCONN), 0);
}

/* ---- Effects ------------------------------------------------------------------------------------------- */

static void so_sndbuf__half_of_what_it_says__is_room(void **state)
{
    static uint8_t data[1 << 20];
    struct sock_test *t = *state;
    int theirs, s = connected(t, &theirs);
    assert_int_equal(set_int(t->us, s, SOL_SOCKET, SO_SNDBUF, 30000), 0);
    assert_int_equal(send_to(t->us, s, data, sizeof data, 0), 30000);
    assert_int_equal(send_to(t->us, s, data, sizeof data, 0), -EAGAIN);
    assert_int_equal(set_int(t->us, s, SOL_SOCKET, SO_SNDBUF, 40000), 0);
    assert_int_equal(send_to(t->us, s, data, sizeof data, 0), 10000);
}

static void so_rcvbuf__half_of_what_it_says__is_offered(void **state)
{
    static uint8_t data[1 << 20];
    struct sock_test *t = *state;
    int s = tcp_socket(t), theirs;
    assert_int_equal(set_int(t->us, s, SOL_SOCKET, SO_RCVBUF, 20000), 0);
    assert_int_equal(connect_listener(t, s), -EINPROGRESS);
    run_ms(t, 10);
    theirs = sock_accept(t->them, t->listener, NULL, NULL, 0);
    assert_int_equal(set_int(t->them, theirs, SOL_SOCKET, SO_SNDBUF, 200000), 0);
    assert_int_equal(send_to(t->them, theirs, data, sizeof data, 0), 200000);
    run_ms(t, 2000); /* the last part is smaller than a segment and waits for the override timer (RFC
                        9293 3.8.6.2.1) */
    assert_int_equal(sock_inq(t->us, s), 20000);
    /* A larger buffer lets more in, though nothing was read. */
    assert_int_equal(set_int(t->us, s, SOL_SOCKET, SO_RCVBUF, 50000), 0);
    run_ms(t, 5); /* at once, long before the peer would probe */
    assert_true(sock_inq(t->us, s) > 20000);
    run_ms(t, 2000);
    assert_int_equal(sock_inq(t->us, s), 50000);
    /* A smaller one takes back nothing that was promised. */
    assert_int_equal(set_int(t->us, s, SOL_SOCKET, SO_RCVBUF, 5000), 0);
    run_ms(t, 1000);
    assert_int_equal(sock_inq(t->us, s), 50000);
}

static void tcp_nodelay__set__sends_what_nagle_held(void **state)
{
    struct sock_test *t = *state;
    int theirs, s = connected(t, &theirs);
    assert_int_equal(send_to(t->us, s, "a", 1, 0), 1);
    pair_run(&t->pair, t->pair.now_us + 200); /* it is there, its ACK is delayed */
    assert_int_equal(send_to(t->us, s, "b", 1, 0), 1);
    pair_run(&t->pair, t->pair.now_us + 200);
    assert_int_equal(sock_inq(t->them, theirs), 1);
    assert_int_equal(set_int(t->us, s, IPPROTO_TCP, TCP_NODELAY, 1), 0);
    pair_run(&t->pair, t->pair.now_us + 200);
    assert_int_equal(sock_inq(t->them, theirs), 2);
}

static void tcp_maxseg__before_connect__bounds_both_directions(void **state)
{
    struct sock_test *t = *state;
    int s = tcp_socket(t), theirs;
    assert_int_equal(set_int(t->us, s, IPPROTO_TCP, TCP_MAXSEG, 700), 0);
    assert_int_equal(connect_listener(t, s), -EINPROGRESS);
    run_ms(t, 10);
    theirs = sock_accept(t->them, t->listener, NULL, NULL, 0);
    /* As Linux: what is left for text beside the timestamps. */
    assert_int_equal(get_int(t->us, s, IPPROTO_TCP, TCP_MAXSEG), 700 - 12);
    assert_int_equal(get_int(t->them, theirs, IPPROTO_TCP, TCP_MAXSEG), 700 - 12);
}

/* `order`: whether SO_KEEPALIVE comes before or after its numbers. */
static void keepalive_gives_up(struct sock_test *t, int order)
{
    int theirs, s = connected(t, &theirs);
    char byte;
    if (order == 0)
        set_int(t->us, s, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_int(t->us, s, IPPROTO_TCP, TCP_KEEPINTVL, 2);
    set_int(t->us, s, IPPROTO_TCP, TCP_KEEPCNT, 3);
    set_int(t->us, s, IPPROTO_TCP, TCP_KEEPIDLE, 10);
    if (order == 1)
        set_int(t->us, s, SOL_SOCKET, SO_KEEPALIVE, 1);
    run_ms(t, 60000); /* alive as long as it answers */
    assert_int_equal(recv_from(t->us, s, &byte, 1, 0), -EAGAIN);
    t->pair.side[0].latency_us = t->pair.side[1].latency_us = 3600000000ull;
    run_ms(t, 4000);
    assert_int_equal(recv_from(t->us, s, &byte, 1, 0), -EAGAIN);
    run_ms(t, 16000); /* at most 10 s idle, then probes at 0, 2 and 4 s, given up at 6 s */
    assert_int_equal(recv_from(t->us, s, &byte, 1, 0), -ETIMEDOUT);
    assert_int_equal(recv_from(t->us, s, &byte, 1, 0), 0);
    assert_int_equal(send_to(t->us, s, "x", 1, 0), -EPIPE);
    t->pair.side[0].latency_us = t->pair.side[1].latency_us = 50;
}

static void keepalive__peer_gone__etimedout(void **state)
{
    struct sock_test *t = *state;
    keepalive_gives_up(t, 0);
    keepalive_gives_up(t, 1);
}

static void keepalive__switched_off__waits_for_ever(void **state)
{
    struct sock_test *t = *state;
    int theirs, s = connected(t, &theirs);
    char byte;
    set_int(t->us, s, IPPROTO_TCP, TCP_KEEPIDLE, 10);
    set_int(t->us, s, IPPROTO_TCP, TCP_KEEPINTVL, 2);
    set_int(t->us, s, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_int(t->us, s, SOL_SOCKET, SO_KEEPALIVE, 0);
    t->pair.side[0].latency_us = t->pair.side[1].latency_us = 3600000000ull;
    run_ms(t, 3000000);
    assert_int_equal(recv_from(t->us, s, &byte, 1, 0), -EAGAIN);
}

static void tcp_user_timeout__peer_gone__etimedout_when_it_says(void **state)
{
    struct sock_test *t = *state;
    int theirs, s = connected(t, &theirs);
    t->pair.side[0].latency_us = 3600000000ull;
    set_int(t->us, s, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
    assert_int_equal(send_to(t->us, s, "x", 1, 0), 1);
    run_ms(t, 4900);
    assert_int_equal(sock_poll(t->us, s) & POLLERR, 0);
    run_ms(t, 200);
    assert_int_equal(sock_poll(t->us, s) & POLLERR, POLLERR);
    assert_int_equal(so_error(t->us, s), ETIMEDOUT);
}

static void drop_all(void *ctx, struct pair *pair, int from, struct pair_packet *packet)
{
    (void)pair;
    packet->copies = 0;
    if (from == 0)
        memcpy(ctx, packet->data, packet->len < 64 ? packet->len : 64);
}

static void ip_options__set__are_in_the_packets(void **state)
{
    struct sock_test *t = *state;
    int theirs, s = connected(t, &theirs);
    uint8_t seen[64] = {0};
    t->pair.hook = drop_all;
    t->pair.hook_ctx = seen;
    set_int(t->us, s, IPPROTO_IP, IP_TTL, 33);
    set_int(t->us, s, IPPROTO_IP, IP_TOS, 0x10);
    send_to(t->us, s, "x", 1, 0);
    run_ms(t, 1);
    assert_int_equal(seen[1], 0x10);
    assert_int_equal(seen[8], 33);
}

static void tcp_info__established__true_values(void **state)
{
    struct sock_test *t = *state;
    struct tcp_info info, theirs_info;
    socklen_t len = sizeof info;
    int theirs, s;
    t->pair.side[0].latency_us = t->pair.side[1].latency_us = 2500; /* round trip 5 ms */
    s = connected(t, &theirs);
    for (int i = 0; i < 20; i++) {
        char byte;
        send_to(t->us, s, "x", 1, 0);
        run_ms(t, 100);
        assert_int_equal(recv_from(t->them, theirs, &byte, 1, 0), 1);
        send_to(t->them, theirs, "y", 1, 0);
        run_ms(t, 100);
        recv_from(t->us, s, &byte, 1, 0);
    }
    run_ms(t, 3000);
    assert_int_equal(sock_getsockopt(t->us, s, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    assert_int_equal(sock_getsockopt(t->them, theirs, IPPROTO_TCP, TCP_INFO, &theirs_info, &len), 0);
    assert_int_equal(info.tcpi_state, TCP_ESTABLISHED);
    assert_int_equal(info.tcpi_snd_mss, 1448); /* beside the timestamps */
    assert_int_equal(info.tcpi_advmss, 1460);
    assert_int_equal(info.tcpi_pmtu, 1500);
    assert_int_equal(info.tcpi_unacked, 0);
    assert_int_equal(info.tcpi_lost, 0);
    assert_int_equal(info.tcpi_options & TCPI_OPT_WSCALE, TCPI_OPT_WSCALE);
    assert_int_equal(info.tcpi_snd_wscale, theirs_info.tcpi_rcv_wscale);
    assert_in_range(info.tcpi_rtt, 4500, 60000); /* 5 ms, and delayed ACKs */
    assert_in_range(info.tcpi_rto, 200000, 400000);
    assert_true(info.tcpi_snd_cwnd >= 10); /* RFC 6928 */
    assert_in_range(info.tcpi_last_data_recv, 3000, 3200);
}

static void tcp_info__after_a_timeout__shows_the_loss(void **state)
{
    static uint8_t data[14600];
    struct sock_test *t = *state;
    struct tcp_info info;
    socklen_t len = sizeof info;
    int theirs, s = connected(t, &theirs);
    t->pair.side[0].latency_us = 3600000000ull;
    assert_int_equal(send_to(t->us, s, data, sizeof data, 0), sizeof data);
    run_ms(t, 50);
    assert_int_equal(sock_getsockopt(t->us, s, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    assert_int_equal(info.tcpi_ca_state, TCP_CA_Open);
    assert_int_equal(info.tcpi_unacked, 10); /* the initial window of RFC 6928 */
    assert_int_equal(info.tcpi_lost, 0);
    assert_int_equal(info.tcpi_retransmits, 0);
    assert_int_equal(info.tcpi_last_data_sent, 50);
    run_ms(t, 2000);
    assert_int_equal(sock_getsockopt(t->us, s, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    assert_int_equal(info.tcpi_ca_state, TCP_CA_Loss);
    assert_int_equal(info.tcpi_unacked, 10);
    assert_true(info.tcpi_lost >= 8);
    assert_in_range(info.tcpi_retransmits, 2, 5);
    assert_int_equal(info.tcpi_backoff, info.tcpi_retransmits);
    assert_int_equal(info.tcpi_snd_cwnd, 1); /* RFC 5681 3.1: the loss window */
}

static void tcp_info__listener__shows_its_queue(void **state)
{
    struct sock_test *t = *state;
    struct tcp_info info;
    socklen_t len = sizeof info;
    int s = tcp_socket(t);
    assert_int_equal(connect_listener(t, s), -EINPROGRESS);
    run_ms(t, 10);
    assert_int_equal(sock_getsockopt(t->them, t->listener, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    assert_int_equal(info.tcpi_unacked, 1);
    assert_int_equal(info.tcpi_sacked, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOCK_TEST(int_options__values__as_linux),
        SOCK_TEST(set__lengths__as_linux),
        SOCK_TEST(get__room__truncates),
        SOCK_TEST(so_linger__off__keeps_the_seconds),
        SOCK_TEST(timeouts__values__as_linux),
        SOCK_TEST(tcp_congestion__unknown_name__enoent),
        SOCK_TEST(tcp_congestion__of_a_connection__takes_effect_at_once),
        SOCK_TEST(accepted__options__are_the_listeners),
        SOCK_TEST(so_sndbuf__half_of_what_it_says__is_room),
        SOCK_TEST(so_rcvbuf__half_of_what_it_says__is_offered),
        SOCK_TEST(tcp_nodelay__set__sends_what_nagle_held),
        SOCK_TEST(tcp_maxseg__before_connect__bounds_both_directions),
        SOCK_TEST(keepalive__peer_gone__etimedout),
        SOCK_TEST(keepalive__switched_off__waits_for_ever),
        SOCK_TEST(tcp_user_timeout__peer_gone__etimedout_when_it_says),
        SOCK_TEST(ip_options__set__are_in_the_packets),
        SOCK_TEST(tcp_info__established__true_values),
        SOCK_TEST(tcp_info__after_a_timeout__shows_the_loss),
        SOCK_TEST(tcp_info__listener__shows_its_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
