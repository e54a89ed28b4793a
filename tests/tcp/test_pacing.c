/* test_pacing.c - segments spread over the round trip: not a standard of its own (RFC 9438 and 9406 name it),
 * so the claims are these.  The rate is gain * cwnd / SRTT, gain 2 in slow start and 1.2 beyond, and nowhere
 * more than a millisecond's worth and a segment leave in a burst. */
#include "rig.h"
#include "sending.h"

#define STEP_US 20u
#define MOST 120u

static void edit(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->features |= 1u << RILL_FEATURE_PACING;
}

static const struct rig_setup paced = {.edit = edit};

/* ESTABLISHED after a handshake of this round trip. */
static struct rig *established(const struct rig_setup *setup, rill_time rtt_us)
{
    struct rig *t = rig_syn_received(setup);
    advance(t, rtt_us);
    in(t, ". 1:1(0) ack 1");
    app_accept(t, 0);
    assert_in_range(rtt_srtt_us(&t->peer[0].c->rtt), rtt_us - 1, rtt_us);
    return t;
}

/* For so long: when each segment of data has left. */
static unsigned int departures(struct rig *t, rill_time us, rill_time *at_us)
{
    rill_time end_us = t->now_us + us;
    unsigned int n = 0;
    for (;;) {
        for (; t->queued != 0; n++) {
            assert_true(n < MOST);
            at_us[n] = t->now_us;
            assert_int_equal(take(t)->text_len, SMSS);
        }
        if (t->now_us >= end_us)
            return n;
        t->now_us += STEP_US;
        rill_advance(t->e, t->now_us);
        rig_drain(t);
    }
}

/* Of each two segments: what lies between them; a per cent for microseconds that are whole. */
static void expect_no_burst(const rill_time *at_us, unsigned int n, double bytes_us)
{
    for (unsigned int i = 0; i < n; i++)
        for (unsigned int k = i; k < n; k++) {
            double most = 1.01 * bytes_us * ((double)(at_us[k] - at_us[i]) + 1000 + STEP_US) + SMSS;
            assert_true((double)((k - i + 1) * SMSS) <= most);
        }
}

/* ---- The rate --------------------------------------------------------------------------------------------
 */

static const struct {
    rill_time rtt_us;
    unsigned int cwnd;
    bool slow_start;
} paths[] = {{100000, 10, true}, {100000, 10, false}, {10000, 40, true},  {10000, 40, false},
             {20000, 100, true}, {20000, 100, false}, {200000, 2, false}, {50000, 80, false}};

static void pace__rate__is_gain_times_cwnd_over_srtt(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct rig *t = established(&paced, paths[i].rtt_us);
        double gain = paths[i].slow_start ? 2 : 1.2;
        double bytes_us = gain * paths[i].cwnd * SMSS / (double)paths[i].rtt_us;
        rill_time at_us[MOST];
        unsigned int n, skip = 0;
        t->peer[0].c->cc.cwnd = paths[i].cwnd * SMSS;
        if (!paths[i].slow_start)
            t->peer[0].c->cc.ssthresh = paths[i].cwnd * SMSS;
        app_write(t, PLENTY);
        n = departures(t, paths[i].rtt_us, at_us);
        assert_int_equal(n, paths[i].cwnd); /* all of it within a round trip */
        expect_no_burst(at_us, n, bytes_us);
        while (at_us[skip] == at_us[0])
            skip++; /* the first millisecond's worth */
        if (n - skip >= 5) {
            double took_us = (double)(at_us[n - 1] - at_us[skip]);
            double due_us = (n - 1 - skip) * SMSS / bytes_us;
            assert_true(took_us >= 0.9 * due_us && took_us <= 1.1 * due_us);
        }
        rig_end(t);
    }
}

/* The clock of ACKs and the pace agree: one ACK for many lets them go one by one. */
static void pace__stretch_ack__is_no_burst(void **state)
{
    struct rig *t = established(&paced, 100 * MS);
    rill_time at_us[MOST];
    unsigned int n;
    (void)state;
    t->peer[0].c->cc.ssthresh = 10 * SMSS;
    app_write(t, PLENTY);
    assert_int_equal(departures(t, 100 * MS, at_us), 10);
    ack(t, 10);
    n = departures(t, 100 * MS, at_us);
    assert_in_range(n, 10, 11);
    expect_no_burst(at_us, n, 1.2 * 11 * SMSS / 100000);
    assert_true(at_us[n - 1] - at_us[0] >= 70 * MS);
    rig_end(t);
}

/* A pause earns no more than the millisecond. */
static void pace__after_a_pause__is_no_burst(void **state)
{
    struct rig *t = established(&paced, 100 * MS);
    rill_time at_us[MOST];
    unsigned int n;
    (void)state;
    advance(t, 900 * MS);
    app_write(t, PLENTY);
    n = departures(t, 100 * MS, at_us);
    assert_int_equal(n, 10);
    expect_no_burst(at_us, n, 2.0 * 10 * SMSS / 100000);
    rig_end(t);
}

/* ---- What it waits for ------------------------------------------------------------------------------------
 */

/* The second segment has its time, and the timer for it: 5 ms a segment, less the millisecond's worth. */
static void pace__next_segment__leaves_by_the_timer(void **state)
{
    struct rig *t = established(&paced, 100 * MS);
    const struct tcb *c = t->peer[0].c;
    (void)state;
    app_write(t, PLENTY);
    out_segments(t, 0, 1);
    out_none(t);
    assert_int_equal(c->fl->limit, RILL_LIMIT_PACING);
    assert_int_equal(c->timer[TIMER_PACE], t->now_us + 4 * MS);
    out_after(t, 4 * MS, ". %u:%u(%u) ack 1", start_of(1), start_of(2), SMSS);
    out_after(t, 5 * MS, ". %u:%u(%u) ack 1", start_of(2), start_of(3), SMSS);
    rig_end(t);
}

/* ACKs that say nothing new to cwnd do not make it leave early. */
static void pace__acks__do_not_hurry_it(void **state)
{
    struct rig *t = established(&paced, 100 * MS);
    (void)state;
    app_write(t, PLENTY);
    out_segments(t, 0, 1);
    for (int k = 0; k < 3; k++) {
        in(t, ". 1:1(0) ack 1 win %d", 60000 + k);
        out_none(t);
    }
    rig_end(t);
}

/* What has no text takes no part: an ACK is not late because of data. */
static void pace__bare_ack__does_not_wait(void **state)
{
    struct rig *t = established(&paced, 100 * MS);
    (void)state;
    app_write(t, PLENTY);
    out_segments(t, 0, 1);
    in(t, "P. 5:15(10) ack 1");
    out(t, ". %u:%u(0) ack 1", start_of(1), start_of(1));
    rig_end(t);
}

/* Nor is a repair. */
static void pace__fast_retransmit__does_not_wait(void **state)
{
    struct rig *t = established(&paced, 100 * MS);
    rill_time at_us[MOST];
    (void)state;
    app_write(t, PLENTY);
    assert_int_equal(departures(t, 100 * MS, at_us), 10);
    ack(t, 0);
    out_segments(t, 10, 1); /* limited transmit */
    ack(t, 0);
    out_none(t); /* 4 ms too early for another */
    ack(t, 0);
    out_segments(t, 0, 1);
    out_none(t);
    rig_end(t);
}

/* The first retransmission leaves at once, the ones behind it at the pace. */
static void pace__retransmissions__are_paced_but_the_first(void **state)
{
    struct rig *t = established(&paced, 100 * MS);
    rill_time at_us[MOST];
    unsigned int n;
    (void)state;
    app_write(t, PLENTY);
    assert_int_equal(departures(t, 100 * MS, at_us), 10);
    let_pass(t, t->peer[0].c->timer[TIMER_XMIT] - t->now_us);
    expect_counted(t, RILL_RTO_FIRED, 1);
    t->peer[0].c->cc.cwnd = 10 * SMSS; /* so that more than one may */
    ack(t, 1);
    out_none(t); /* 50 ms for what left with a window of one */
    n = departures(t, 100 * MS, at_us);
    assert_in_range(n, 5, 10);
    expect_no_burst(at_us, n, 2.0 * 11 * SMSS / 100000);
    rig_end(t);
}

/* ---- Without ----------------------------------------------------------------------------------------------
 */

static void pacing__by_default__is_off(void **state)
{
    struct rill_config config;
    struct rig *t;
    (void)state;
    rill_config_default(&config);
    assert_int_equal(config.features & 1u << RILL_FEATURE_PACING, 0);
    t = established(NULL, 100 * MS);
    app_write(t, PLENTY);
    out_segments(t, 0, 10);
    out_none(t);
    assert_true(t->peer[0].c->timer[TIMER_PACE] == RILL_NEVER);
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pace__rate__is_gain_times_cwnd_over_srtt),
        cmocka_unit_test(pace__stretch_ack__is_no_burst),
        cmocka_unit_test(pace__after_a_pause__is_no_burst),
        cmocka_unit_test(pace__next_segment__leaves_by_the_timer),
        cmocka_unit_test(pace__acks__do_not_hurry_it),
        cmocka_unit_test(pace__bare_ack__does_not_wait),
        cmocka_unit_test(pace__fast_retransmit__does_not_wait),
        cmocka_unit_test(pace__retransmissions__are_paced_but_the_first),
        cmocka_unit_test(pacing__by_default__is_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
