/* test_autotune_send.c - send buffers that grow with the path: two engines over a bottleneck in virtual time.
 * The receiver's buffer is large from the first; tests of the other half are in test_autotune.c. */
#include "pair.h"
#include "test.h"

#include <errno.h>
#include <netinet/in.h>

#define CHUNK 65536u
#define START (256 * 1024)
#define CAP (4 << 20)

/* Side 0 sends to side 1 through a bottleneck whose queue never overflows. */
struct run {
    struct pair pair;
    uint64_t bytes_s, busy_us, part;
    int listener, from, to;
    uint64_t received;
};

/* A packet waits until those in front of it are through. */
static void bottleneck(void *ctx, struct pair *pair, int from, struct pair_packet *packet)
{
    struct run *run = ctx;
    if (from != 0)
        return;
    if (run->busy_us < pair->now_us) {
        run->busy_us = pair->now_us;
        run->part = 0;
    }
    run->part += packet->len * SEC;
    run->busy_us += run->part / run->bytes_s;
    run->part %= run->bytes_s;
    packet->at_us = run->busy_us + pair->side[0].latency_us;
}

static void run_start(struct run *run, uint64_t bytes_s, uint32_t rtt_us, int sndbuf, bool autotune)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(7)};
    struct pair *pair = &run->pair;
    memset(run, 0, sizeof *run);
    pair_defaults(pair);
    run->bytes_s = bytes_s;
    pair->hook = bottleneck;
    pair->hook_ctx = run;
    pair->side[0].latency_us = pair->side[1].latency_us = rtt_us / 2;
    pair->side[1].config.rcvbuf_bytes = CAP;
    pair->side[0].config.features &= ~(1u << RILL_FEATURE_AUTOTUNE);
    if (autotune)
        pair->side[0].config.features |= 1u << RILL_FEATURE_AUTOTUNE;
    pair_start(pair);
    run->listener = sock_socket(&pair->side[1].socks, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    run->from = sock_socket(&pair->side[0].socks, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (sndbuf != 0)
        assert_int_equal(
            sock_setsockopt(&pair->side[0].socks, run->from, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof sndbuf),
            0);
    assert_int_equal(sock_bind(&pair->side[1].socks, run->listener, (struct sockaddr *)&addr, sizeof addr),
                     0);
    assert_int_equal(sock_listen(&pair->side[1].socks, run->listener, 4), 0);
    addr.sin_addr.s_addr = htonl(PAIR_ADDR(1));
    assert_int_equal(sock_connect(&pair->side[0].socks, run->from, (struct sockaddr *)&addr, sizeof addr),
                     -EINPROGRESS);
    pair_run(pair, pair->now_us + 2ull * rtt_us + MS);
    run->to = sock_accept(&pair->side[1].socks, run->listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(run->to >= 0);
}

static void run_stop(struct run *run)
{
    (void)sock_close(&run->pair.side[0].socks, run->from);
    (void)sock_close(&run->pair.side[1].socks, run->to);
    (void)sock_close(&run->pair.side[1].socks, run->listener);
    pair_stop(&run->pair);
}

/* Every step_us the receiver reads all there is, and the sender writes what fits, but at most `most`. */
static void run_on(struct run *run, uint64_t us, uint32_t step_us, uint64_t most)
{
    static uint8_t data[CHUNK];
    uint64_t until_us = run->pair.now_us + us;
    while (run->pair.now_us < until_us) {
        struct iovec iov = {data, CHUNK};
        uint64_t left = most;
        int64_t got = 1;
        for (; got > 0 && left > 0; left -= got > 0 ? (uint64_t)got : 0) {
            iov.iov_len = left < CHUNK ? left : CHUNK;
            got = sock_send(&run->pair.side[0].socks, run->from, &iov, 1, 0);
        }
        iov.iov_len = CHUNK;
        while ((got = sock_recv(&run->pair.side[1].socks, run->to, &iov, 1, 0)) > 0)
            run->received += (uint64_t)got;
        pair_run(&run->pair, run->pair.now_us + step_us);
    }
}

/* The sender's buffer, as SO_SNDBUF shows it: twice. */
static int buffer(struct run *run)
{
    int value = 0;
    socklen_t len = sizeof value;
    assert_int_equal(
        sock_getsockopt(&run->pair.side[0].socks, run->from, SOL_SOCKET, SO_SNDBUF, &value, &len), 0);
    return value / 2;
}

static uint64_t grown(const struct run *run)
{
    return rill_counter(run->pair.side[0].engine, RILL_BUFFER_GROWN);
}

/* 100 ms x 100 Mbit/s: 1.25 MB are in flight, five times what the first buffer holds. */
static void send_buffer__long_path__is_filled_without_options(void **state)
{
    struct run run;
    uint64_t before;
    (void)state;
    run_start(&run, 12500000, 100000, 0, true);
    assert_int_equal(buffer(&run), START);
    run_on(&run, 4 * SEC, 2000, UINT64_MAX);
    assert_in_range(buffer(&run), 1250000, CAP);
    assert_int_equal(START << grown(&run), buffer(&run));
    before = run.received;
    run_on(&run, SEC, 2000, UINT64_MAX);
    assert_true(run.received - before >= 12500000ull * 1448 / 1500 * 95 / 100);
    run_stop(&run);
}

/* A path of 20 ms at the same rate needs 250 kB: twice of it is enough. */
static void send_buffer__shorter_path__is_not_larger_than_it_takes(void **state)
{
    struct run run;
    (void)state;
    run_start(&run, 12500000, 20000, 0, true);
    run_on(&run, 3 * SEC, 2000, UINT64_MAX);
    assert_in_range(buffer(&run), START, 4 * 250000);
    run_stop(&run);
}

static void send_buffer__set_by_so_sndbuf__never_grows(void **state)
{
    struct run run;
    (void)state;
    run_start(&run, 12500000, 100000, 100000, true);
    run_on(&run, 3 * SEC, 2000, UINT64_MAX);
    assert_int_equal(buffer(&run), 100000);
    assert_int_equal(grown(&run), 0);
    run_stop(&run);
}

static void send_buffer__without_the_feature__never_grows(void **state)
{
    struct run run;
    (void)state;
    run_start(&run, 12500000, 100000, 0, false);
    run_on(&run, 3 * SEC, 2000, UINT64_MAX);
    assert_int_equal(buffer(&run), START);
    assert_int_equal(grown(&run), 0);
    run_stop(&run);
}

/* 200 kB/s over a path that could do 60 times as much. */
static void send_buffer__slow_application__never_grows(void **state)
{
    struct run run;
    (void)state;
    run_start(&run, 12500000, 100000, 0, true);
    run_on(&run, 10 * SEC, 100000, 20000);
    assert_true(run.received > 1900000);
    assert_int_equal(buffer(&run), START);
    run_stop(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(send_buffer__long_path__is_filled_without_options),
        cmocka_unit_test(send_buffer__shorter_path__is_not_larger_than_it_takes),
        cmocka_unit_test(send_buffer__set_by_so_sndbuf__never_grows),
        cmocka_unit_test(send_buffer__without_the_feature__never_grows),
        cmocka_unit_test(send_buffer__slow_application__never_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
