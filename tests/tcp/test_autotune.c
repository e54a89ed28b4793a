/* test_autotune.c - receive buffers that grow with the path: two engines over a bottleneck in virtual time,
 * and what is offered with the SYN (RFC 7323 2.2: for good). */
#include "pair.h"
#include "script.h"

#include <netinet/in.h>

#define START (256 * 1024)
#define CHUNK 65536u

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

static void run_start(struct run *run, uint64_t bytes_s, uint32_t rtt_us, int rcvbuf)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(7)};
    memset(run, 0, sizeof *run);
    pair_defaults(&run->pair);
    run->bytes_s = bytes_s;
    run->pair.hook = bottleneck;
    run->pair.hook_ctx = run;
    run->pair.side[0].latency_us = run->pair.side[1].latency_us = rtt_us / 2;
    run->pair.side[0].config.sndbuf_bytes = 4u << 20;
    run->pair.side[1].config.features |= 1u << RILL_FEATURE_AUTOTUNE;
    pair_start(&run->pair);
    run->listener = sock_socket(&run->pair.side[1].socks, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    run->from = sock_socket(&run->pair.side[0].socks, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (rcvbuf != 0)
        assert_int_equal(sock_setsockopt(&run->pair.side[1].socks, run->listener, SOL_SOCKET, SO_RCVBUF,
                                         &rcvbuf, sizeof rcvbuf),
                         0);
    assert_int_equal(
        sock_bind(&run->pair.side[1].socks, run->listener, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(sock_listen(&run->pair.side[1].socks, run->listener, 4), 0);
    addr.sin_addr.s_addr = htonl(PAIR_ADDR(1));
    assert_int_equal(sock_connect(&run->pair.side[0].socks, run->from, (struct sockaddr *)&addr, sizeof addr),
                     -EINPROGRESS);
    pair_run(&run->pair, run->pair.now_us + 2ull * rtt_us + MS);
    run->to = sock_accept(&run->pair.side[1].socks, run->listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(run->to >= 0);
}

static void run_stop(struct run *run)
{
    (void)sock_close(&run->pair.side[0].socks, run->from);
    (void)sock_close(&run->pair.side[1].socks, run->to);
    (void)sock_close(&run->pair.side[1].socks, run->listener);
    pair_stop(&run->pair);
}

/* The sender writes what fits, and the receiver reads at most `most` bytes, every step_us. */
static void run_on(struct run *run, uint64_t us, uint32_t step_us, uint64_t most)
{
    static uint8_t data[CHUNK];
    uint64_t until_us = run->pair.now_us + us;
    while (run->pair.now_us < until_us) {
        struct iovec iov = {data, CHUNK};
        uint64_t left = most;
        int64_t got = 1;
        while (sock_send(&run->pair.side[0].socks, run->from, &iov, 1, 0) > 0)
            ;
        while (left > 0 && got > 0) {
            iov.iov_len = left < CHUNK ? left : CHUNK;
            got = sock_recv(&run->pair.side[1].socks, run->to, &iov, 1, 0);
            left -= got > 0 ? (uint64_t)got : 0;
        }
        run->received += most - left;
        pair_run(&run->pair, run->pair.now_us + step_us);
    }
}

/* The receiver's buffer, as SO_RCVBUF shows it: twice. */
static int buffer(struct run *run)
{
    int value = 0;
    socklen_t len = sizeof value;
    assert_int_equal(sock_getsockopt(&run->pair.side[1].socks, run->to, SOL_SOCKET, SO_RCVBUF, &value, &len),
                     0);
    return value / 2;
}

static uint64_t grown(const struct run *run)
{
    return rill_counter(run->pair.side[1].engine, RILL_BUFFER_GROWN);
}

/* 100 ms x 100 Mbit/s: 1.25 MB are in flight.  What the first buffer allows is a fifth of the rate. */
static void autotune__long_path__is_filled_without_options(void **state)
{
    struct run run;
    uint64_t before;
    (void)state;
    run_start(&run, 12500000, 100000, 0);
    assert_int_equal(buffer(&run), START);
    run_on(&run, 4 * SEC, 2000, UINT64_MAX);
    assert_true(buffer(&run) >= 2 << 20);
    assert_true(buffer(&run) <= 4 << 20);
    assert_int_equal(START << grown(&run), buffer(&run));
    before = run.received;
    run_on(&run, SEC, 2000, UINT64_MAX);
    assert_true(run.received - before >= 12500000ull * 1460 / 1500 * 95 / 100);
    run_stop(&run);
}

/* The host next door, 10 Gbit/s: a buffer that is not needed makes it slower. */
static void autotune__path_of_50_us__stays_small(void **state)
{
    struct run run;
    (void)state;
    run_start(&run, 1250000000, 50, 0);
    run_on(&run, 100 * MS, 50, UINT64_MAX);
    assert_true(run.received > 50000000);
    assert_true(buffer(&run) <= 1 << 20);
    run_stop(&run);
}

/* 200 kB/s, read 20 kB at a time, over a path that could do 60 times as much. */
static void autotune__slow_application__never_grows(void **state)
{
    struct run run;
    (void)state;
    run_start(&run, 12500000, 100000, 0);
    run_on(&run, 10 * SEC, 100000, 20000);
    assert_true(run.received > 1900000);
    assert_int_equal(buffer(&run), START);
    assert_int_equal(grown(&run), 0);
    run_stop(&run);
}

static void autotune__so_rcvbuf_set__never_grows(void **state)
{
    struct run run;
    (void)state;
    run_start(&run, 12500000, 100000, 100000);
    run_on(&run, 3 * SEC, 2000, UINT64_MAX);
    assert_int_equal(buffer(&run), 100000);
    assert_int_equal(grown(&run), 0);
    run_stop(&run);
}

/* Options that are set later do not take back what has grown, and a set size ends the growth. */
static void autotune__other_options__keep_what_has_grown(void **state)
{
    struct run run;
    int on = 1, size = 300000;
    (void)state;
    run_start(&run, 12500000, 100000, 0);
    run_on(&run, 2 * SEC, 2000, UINT64_MAX);
    assert_true(buffer(&run) > START);
    size = buffer(&run);
    assert_int_equal(
        sock_setsockopt(&run.pair.side[1].socks, run.to, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on),
        0);
    assert_int_equal(buffer(&run), size);
    size = 300000;
    assert_int_equal(
        sock_setsockopt(&run.pair.side[1].socks, run.to, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
    run_on(&run, 2 * SEC, 2000, UINT64_MAX);
    assert_int_equal(buffer(&run), 300000);
    run_stop(&run);
}

/* ---- The scale ------------------------------------------------------------------------------------------
 */

static void autotuned(struct rill_config *config, struct tcp_opts *opts)
{
    config->features |= 1u << RILL_FEATURE_AUTOTUNE;
    opts->rcvbuf_bytes = START;
}

static void autotuned_but_set(struct rill_config *config, struct tcp_opts *opts)
{
    autotuned(config, opts);
    opts->rcvbuf_set = true;
}

static void autotuned_to_a_megabyte(struct rill_config *config, struct tcp_opts *opts)
{
    autotuned(config, opts);
    config->buf_max_bytes = 1u << 20;
}

/* 4 MiB >> 7 is less than 65536, >> 6 is not; and so on. */
static void autotune__syn__offers_the_scale_of_the_largest_buffer(void **state)
{
    const struct {
        void (*edit)(struct rill_config *config, struct tcp_opts *opts);
        int wscale;
    } tries[] = {{autotuned, 7}, {autotuned_but_set, 3}, {autotuned_to_a_megabyte, 5}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(tries); i++) {
        struct rig_setup setup = {.edit = tries[i].edit};
        struct rig *t = rig_closed(&setup);
        assert_int_equal(app_connect(t, 0), 0);
        out(t, "S 0:0(0) win 65535 <mss 1460,nop,wscale %d>", tries[i].wscale);
        rig_end(t);
        t = rig_listen(&setup);
        in(t, "S 0:0(0) <mss 1460,nop,wscale 7>");
        out(t, "S. 0:0(0) ack 1 win 65535 <mss 1460,nop,wscale %d>", tries[i].wscale);
        in(t, ". 1:1(0) ack 1");
        in(t, "P. 1:1001(1000) ack 1");
        out_after(t, t->config.delack_us, ". 1:1(0) ack 1001 win %d",
                  (START - 1000 + (1 << tries[i].wscale) - 1) >> tries[i].wscale);
        rig_end(t);
    }
}

/* A listener's SO_RCVBUF, set while a handshake is under way, changes the buffer, not the scale. */
static void autotune__set_between_syn_ack_and_ack__scale_is_the_one_offered(void **state)
{
    struct rig_setup setup = {.edit = autotuned};
    struct rig *t = rig_listen(&setup);
    (void)state;
    in(t, "S 0:0(0) <mss 1460,nop,wscale 7>");
    out(t, "S. 0:0(0) ack 1 win 65535 <mss 1460,nop,wscale 7>");
    t->port->opts.rcvbuf_bytes = 100000; /* as sock_setsockopt does it */
    t->port->opts.rcvbuf_set = true;
    in(t, ". 1:1(0) ack 1");
    in(t, "P. 1:1001(1000) ack 1");
    out_after(t, t->config.delack_us, ". 1:1(0) ack 1001 win %d", (100000 - 1000 + 127) >> 7);
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(autotune__long_path__is_filled_without_options),
        cmocka_unit_test(autotune__path_of_50_us__stays_small),
        cmocka_unit_test(autotune__slow_application__never_grows),
        cmocka_unit_test(autotune__so_rcvbuf_set__never_grows),
        cmocka_unit_test(autotune__other_options__keep_what_has_grown),
        cmocka_unit_test(autotune__syn__offers_the_scale_of_the_largest_buffer),
        cmocka_unit_test(autotune__set_between_syn_ack_and_ack__scale_is_the_one_offered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
