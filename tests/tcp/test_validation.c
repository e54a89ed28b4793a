/* test_validation.c - a congestion window that is not used does not grow (RFC 7661, and RFC 2861 before it),
 * nor is it believed after a pause; and acknowledgments are counted in bytes (RFC 3465), with all that is on
 * by default turned on. */
#include "sending.h"

#define RTT_US (50 * MS)

static void edit_cwv(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->features |= 1u << RILL_FEATURE_CWV;
}

static void edit_cubic(struct rill_config *config, struct tcp_opts *opts)
{
    edit_cwv(config, opts);
    opts->cc = RILL_CC_CUBIC;
}

static void edit_hystart(struct rill_config *config, struct tcp_opts *opts)
{
    edit_cwv(config, opts);
    config->features |= 1u << RILL_FEATURE_HYSTART | 1u << RILL_FEATURE_SACK | 1u << RILL_FEATURE_RACK |
                        1u << RILL_FEATURE_PRR;
}

static const struct rig_setup reno = {.edit = edit_cwv};
static const struct rig_setup cubic = {.edit = edit_cubic};
static const struct rig_setup hystart = {.edit = edit_hystart,
                                         .peer_opts = "<mss 1460,nop,nop,sackOK,nop,wscale 7>"};
static const struct rig_setup *const both[] = {&reno, &cubic};

static uint32_t cwnd(const struct rig *t) { return t->peer[0].c->cc.cwnd; }

static struct rig *established(const struct rig_setup *setup)
{
    struct rig *t = rig_syn_received(setup);
    advance(t, RTT_US);
    in(t, ". 1:1(0) ack 1");
    app_accept(t, 0);
    return t;
}

/* The application writes n segments, and a round trip later each has its ACK; how many were sent before. */
static unsigned int round_trip(struct rig *t, unsigned int sent, unsigned int n)
{
    app_write(t, n * SMSS);
    for (unsigned int k = 0; k < n; k++) {
        const struct datagram *d = take(t);
        assert_int_equal(d->seq - t->peer[0].iss, start_of(sent + k));
    }
    advance(t, RTT_US);
    for (unsigned int k = 1; k <= n; k++)
        ack(t, sent + k);
    return sent + n;
}

/* ---- Slow start ------------------------------------------------------------------------------------------
 */

/* RFC 7661 4.1: validated if half the window, or more, was in use. */
static void slow_start__less_than_half_in_use__does_not_grow(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(both); i++)
        for (unsigned int n = 1; n <= 4; n++) {
            struct rig *t = established(both[i]);
            for (unsigned int sent = 0; sent < 20 * n;)
                sent = round_trip(t, sent, n);
            assert_int_equal(cwnd(t), 10 * SMSS);
            rig_end(t);
        }
}

static void slow_start__half_in_use__grows(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(both); i++)
        for (unsigned int n = 5; n <= 10; n++) {
            struct rig *t = established(both[i]);
            (void)round_trip(t, 0, n);
            assert_true(cwnd(t) > 10 * SMSS);
            assert_true(cwnd(t) <= (10 + n) * SMSS);
            rig_end(t);
        }
}

/* All of it: doubled. */
static void slow_start__all_in_use__doubles(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(both); i++) {
        struct rig *t = established(both[i]);
        app_write(t, PLENTY);
        out_segments(t, 0, 10);
        advance(t, RTT_US);
        for (unsigned int k = 1; k <= 10; k++) {
            ack(t, k);
            out_segments(t, 8 + 2 * k, 2);
        }
        assert_int_equal(cwnd(t), 20 * SMSS);
        rig_end(t);
    }
}

static void slow_start__without_the_feature__grows_unused(void **state)
{
    struct rig *t = established(NULL);
    unsigned int sent = 0;
    (void)state;
    while (sent < 20)
        sent = round_trip(t, sent, 1);
    assert_int_equal(cwnd(t), 30 * SMSS);
    rig_end(t);
}

/* ---- Congestion avoidance --------------------------------------------------------------------------------
 */

static void avoidance__not_in_use__does_not_grow(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(both); i++)
        for (unsigned int n = 1; n <= 5; n += 4) {
            struct rig *t = established(both[i]);
            t->peer[0].c->cc.ssthresh = 5 * SMSS;
            for (unsigned int sent = 0; sent < 30 * n;)
                sent = round_trip(t, sent, n);
            assert_int_equal(cwnd(t), 10 * SMSS);
            rig_end(t);
        }
}

static void avoidance__in_use__grows_by_a_segment_in_a_round_trip(void **state)
{
    unsigned int sent = 10, acked = 0;
    struct rig *t = established(&reno);
    (void)state;
    t->peer[0].c->cc.ssthresh = 5 * SMSS;
    app_write(t, PLENTY);
    out_segments(t, 0, 10);
    for (unsigned int window = 10; window < 14; window++) {
        advance(t, RTT_US);
        for (unsigned int k = 1; k <= window; k++, sent++) {
            assert_int_equal(cwnd(t), window * SMSS);
            ack(t, ++acked);
            out_segments(t, sent, k < window ? 1 : 2);
        }
        sent++;
        assert_int_equal(cwnd(t), (window + 1) * SMSS);
    }
    rig_end(t);
}

/* RFC 9438 4.2, 5.8: time without data is no time in which CUBIC grows. */
static void cubic__minutes_of_little_data__are_no_growth_afterwards(void **state)
{
    struct rig *t = established(&cubic);
    unsigned int sent = 0;
    (void)state;
    t->peer[0].c->cc.ssthresh = 5 * SMSS;
    sent = round_trip(t, sent, 10);
    assert_in_range(cwnd(t), 10 * SMSS, 11 * SMSS);
    for (unsigned int k = 0; k < 2000; k++)
        sent = round_trip(t, sent, 1);
    assert_in_range(cwnd(t), 10 * SMSS, 11 * SMSS);
    (void)round_trip(t, sent, cwnd(t) / SMSS);
    assert_in_range(cwnd(t), 10 * SMSS, 12 * SMSS);
    rig_end(t);
}

/* ---- Bytes, not ACKs: RFC 3465 ----------------------------------------------------------------------------
 */

static void abc__ack_division__gains_nothing(void **state)
{
    const struct rig_setup *setups[] = {&reno, &hystart};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(setups); i++) {
        struct rig *t = established(setups[i]);
        app_write(t, PLENTY);
        out_segments(t, 0, 10);
        advance(t, RTT_US);
        for (unsigned int octet = 1; octet <= SMSS; octet++) {
            in(t, ". 1:1(0) ack %u", 1 + octet);
            t->first = t->queued = 0;
        }
        assert_int_equal(cwnd(t), 11 * SMSS);
        rig_end(t);
    }
}

/* Duplicates acknowledge nothing, whether they SACK or not. */
static void abc__duplicate_acks__gain_nothing(void **state)
{
    struct rig *t = established(&hystart);
    (void)state;
    app_write(t, PLENTY);
    out_segments(t, 0, 10);
    advance(t, RTT_US);
    for (unsigned int k = 2; k <= 3; k++) {
        in(t, ". 1:1(0) ack 1 <nop,nop,sack %u:%u>", start_of(1), start_of(k));
        out_segments(t, 8 + k, 1); /* limited transmit */
        assert_int_equal(cwnd(t), 10 * SMSS);
    }
    rig_end(t);
}

/* A stretch ACK: RFC 5681's one segment, RFC 9406's L of eight. */
static void abc__one_ack_for_ten__adds_its_limit(void **state)
{
    struct rig *t;
    (void)state;
    for (unsigned int watched = 0; watched < 2; watched++) {
        t = established(watched ? &hystart : &reno);
        app_write(t, PLENTY);
        out_segments(t, 0, 10);
        advance(t, RTT_US);
        ack(t, 10);
        out_segments(t, 10, watched ? 18 : 11);
        out_none(t);
        rig_end(t);
    }
}

/* ---- After a pause: RFC 5681 4.1
 * --------------------------------------------------------------------------- */

static void pause__longer_than_the_rto__restarts_with_the_initial_window(void **state)
{
    (void)state;
    for (unsigned int halves = 0; halves <= 5; halves++) { /* after a second the memory is given back, too */
        struct rig *t = established(&hystart);
        unsigned int sent = round_trip(t, 0, 10);
        unsigned int before = cwnd(t) / SMSS;
        assert_true(before > 10);
        if (halves != 0)
            advance(t, halves * SEC / 2);
        app_write(t, PLENTY);
        out_segments(t, sent, halves != 0 ? 10 : before);
        out_none(t);
        rig_end(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_start__less_than_half_in_use__does_not_grow),
        cmocka_unit_test(slow_start__half_in_use__grows),
        cmocka_unit_test(slow_start__all_in_use__doubles),
        cmocka_unit_test(slow_start__without_the_feature__grows_unused),
        cmocka_unit_test(avoidance__not_in_use__does_not_grow),
        cmocka_unit_test(avoidance__in_use__grows_by_a_segment_in_a_round_trip),
        cmocka_unit_test(cubic__minutes_of_little_data__are_no_growth_afterwards),
        cmocka_unit_test(abc__ack_division__gains_nothing),
        cmocka_unit_test(abc__duplicate_acks__gain_nothing),
        cmocka_unit_test(abc__one_ack_for_ten__adds_its_limit),
        cmocka_unit_test(pause__longer_than_the_rto__restarts_with_the_initial_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
