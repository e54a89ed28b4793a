/* test_undo.c - losses that were none: RFC 3522 (Eifel detection), RFC 4015 (the response to spurious
 * timeouts), and D-SACK for fast recovery (RFC 2883).
 *
 * A segment carries 1448 octets beside its timestamps.  The stack's clock of timestamps is 0 at its SYN,ACK
 * and ticks each millisecond; the round trip is 50 ms, and so the RTO at its floor of 200 ms. */
#include "script.h"

#define SEG 1448u
#define SEGMENTS 150u
#define RTT_MS 50u
#define RTO_MS 200u
#define NO_THRESHOLD CC_SSTHRESH_NONE

static void edit(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->features |= 1u << RILL_FEATURE_TIMESTAMPS | 1u << RILL_FEATURE_SACK | 1u << RILL_FEATURE_RACK |
                        1u << RILL_FEATURE_UNDO | 1u << RILL_FEATURE_ECN_ANSWER;
}

static void edit_cubic(struct rill_config *config, struct tcp_opts *opts)
{
    edit(config, opts);
    opts->cc = RILL_CC_CUBIC;
}

static void edit_off(struct rill_config *config, struct tcp_opts *opts)
{
    edit(config, opts);
    config->features &= ~(1u << RILL_FEATURE_UNDO);
}

#define OPTS "<mss 1460,sackOK,TS val 1000 ecr 0,nop,wscale 7>"
#define TS_OPT "<nop,nop,TS val 1000 ecr 0>"
static const struct rig_setup reno = {.edit = edit, .peer_opts = OPTS, .seg_opts = TS_OPT};
static const struct rig_setup cubic = {.edit = edit_cubic, .peer_opts = OPTS, .seg_opts = TS_OPT};
static const struct rig_setup off = {.edit = edit_off, .peer_opts = OPTS, .seg_opts = TS_OPT};
static const struct rig_setup ecn = {.edit = edit, .peer_opts = OPTS, .seg_opts = TS_OPT, .syn_flags = "EC"};

/* ---- Segments -------------------------------------------------------------------------------------------
 */

static unsigned int start(unsigned int k) { return 1 + k * SEG; }

/* n segments leave, from k on; and nothing else. */
#define sent(t, k, n) segments_left(RIG_AT(t), k, n)
static void segments_left(struct rig *t, unsigned int k, unsigned int n)
{
    for (unsigned int i = k; i < k + n; i++) {
        const struct datagram *d = rig_take(t);
        unsigned int got = (d->seq - t->peer[0].iss - 1) / SEG;
        if (got != i || d->text_len != SEG)
            rig_fail(t, "expected segment %u, got %u", i, got);
    }
    rig_out_none(t);
}

/* All up to segment k has arrived, says an ACK that echoes what was sent at this millisecond. */
#define ack(t, k, ecr) in(t, ". 1:1(0) ack %u <nop,nop,TS val 2000 ecr %u>", start(k), ecr)
#define ack_ece(t, k, ecr) in(t, "E. 1:1(0) ack %u <nop,nop,TS val 2000 ecr %u>", start(k), ecr)
/* And in a block the segments from `left` to before `right`. */
#define sack(t, k, ecr, left, right)                                                                         \
    in(t, ". 1:1(0) ack %u <nop,nop,TS val 2000 ecr %u,nop,nop,sack %u:%u>", start(k), ecr, start(left),     \
       start(right))

#define expect_window(t, cwnd, ssthresh) window_is(RIG_AT(t), (cwnd)*SEG, ssthresh)
static void window_is(struct rig *t, uint32_t cwnd, uint32_t ssthresh)
{
    const struct cc *cc = &t->peer[0].c->cc;
    if (cc->cwnd != cwnd || cc->ssthresh != ssthresh)
        rig_fail(t, "expected cwnd %u, ssthresh %u; got %u, %u", cwnd, ssthresh, cc->cwnd, cc->ssthresh);
}

static void expect_undone(struct rig *t, unsigned int timeouts, unsigned int recoveries)
{
    expect_counted(t, RILL_SPURIOUS_RTO, timeouts);
    expect_counted(t, RILL_SPURIOUS_RECOVERY, recoveries);
}

/* Ten segments, the initial window, are in flight since millisecond 50; nothing was lost ever. */
static struct rig *ten_in_flight(const struct rig_setup *setup)
{
    struct rig *t = rig_syn_received(setup);
    advance(t, RTT_MS * MS);
    in(t, ". 1:1(0) ack 1 %s", TS_OPT);
    app_accept(t, 0);
    app_write(t, SEGMENTS * SEG);
    sent(t, 0, 10);
    expect_window(t, 10, NO_THRESHOLD);
    mark(t);
    return t;
}

/* And the timeout at 250 has resent the first one. */
static struct rig *timed_out(const struct rig_setup *setup)
{
    struct rig *t = ten_in_flight(setup);
    advance(t, RTO_MS * MS - 1);
    let_pass(t, 1);
    expect_counted(t, RILL_RTO_FIRED, 1);
    expect_counted(t, RILL_SEG_RESENT, 1);
    assert_int_equal(t->peer[0].c->cc.cwnd, SEG);
    return t;
}

/* ---- Spurious timeouts: RFC 3522, RFC 4015 --------------------------------------------------------------
 */

/* 4015 (8): new data is next; (9): cwnd is FlightSize + min(bytes_acked, IW), ssthresh is pipe_prev. */
static void timeout__ack_of_the_original__goes_on_with_new_data(void **state)
{
    const struct rig_setup *setups[] = {&reno, &cubic};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(setups); i++) {
        struct rig *t = timed_out(setups[i]);
        ack(t, 1, RTT_MS);
        expect_undone(t, 1, 0);
        expect_window(t, 9 + 1, NO_THRESHOLD); /* not changed any further for that ACK */
        sent(t, 10, 1);
        for (unsigned int k = 2; k <= 10; k++) { /* slow start */
            ack(t, k, RTT_MS);
            sent(t, 7 + 2 * k, 2);
        }
        expect_counted(t, RILL_SEG_RESENT, 1);
        expect_counted(t, RILL_RTO_FIRED, 1);
        rig_end(t);
    }
}

/* Twenty in flight since 100, and a timeout at 300. */
static struct rig *twenty_timed_out(bool knows_dsack)
{
    struct rig *t = ten_in_flight(&reno);
    advance(t, RTT_MS * MS);
    for (unsigned int k = 1; k <= 10; k++) {
        ack(t, k, RTT_MS);
        sent(t, 8 + 2 * k, 2);
    }
    if (knows_dsack) {
        sack(t, 10, RTT_MS, 3, 4); /* something had come twice */
        expect_counted(t, RILL_DSACK_IN, 1);
    }
    expect_window(t, 20, NO_THRESHOLD);
    let_pass(t, 400 * MS);
    expect_counted(t, RILL_RTO_FIRED, 1);
    return t;
}

/* The limit to a burst is an initial window; slow start goes back to where it was. */
static void timeout__ack_of_many__sends_an_initial_window_and_slow_starts(void **state)
{
    struct rig *t = twenty_timed_out(false);
    (void)state;
    ack(t, 29, 100);
    expect_undone(t, 1, 0);
    expect_window(t, 1 + 10, NO_THRESHOLD);
    sent(t, 30, 10);
    rig_end(t);
}

/* 3522 (5): with nothing left in flight only if the peer is known to tell of duplicates. */
static void timeout__ack_of_all__counts_from_a_peer_that_says_dsack(void **state)
{
    (void)state;
    for (int dsack = 0; dsack < 2; dsack++) {
        struct rig *t = twenty_timed_out(dsack != 0);
        ack(t, 30, 100);
        expect_undone(t, dsack ? 1 : 0, 0);
        expect_window(t, dsack ? 10 : 2, dsack ? NO_THRESHOLD : 10 * SEG);
        sent(t, 30, dsack ? 10 : 2);
        rig_end(t);
    }
}

/* 3522 (5): the original and the retransmission have arrived; ACKs were lost. */
static void timeout__ack_with_a_dsack__is_no_reason(void **state)
{
    struct rig *t = timed_out(&reno);
    (void)state;
    sack(t, 5, RTT_MS, 0, 1);
    expect_counted(t, RILL_DSACK_IN, 1);
    expect_undone(t, 0, 0);
    t->first = t->queued = 0;
    ack(t, 6, RTT_MS); /* nor is the next */
    expect_undone(t, 0, 0);
    rig_discard(t);
}

/* In congestion avoidance cwnd is all that was known to fit, and so ssthresh afterwards. */
static struct rig *avoiding(const struct rig_setup *setup)
{
    struct rig *t = ten_in_flight(setup);
    t->peer[0].c->cc.ssthresh = 4 * SEG;
    return t;
}

static void timeout__in_congestion_avoidance__ssthresh_is_what_was_in_flight(void **state)
{
    struct rig *t = avoiding(&reno);
    (void)state;
    let_pass(t, RTO_MS * MS);
    expect_window(t, 1, 5 * SEG);
    ack(t, 2, RTT_MS);
    expect_undone(t, 1, 0);
    expect_window(t, 8 + 2, 10 * SEG);
    sent(t, 10, 2);
    rig_end(t);
}

/* 4015 (0): pipe_prev is the larger of FlightSize and ssthresh; a window that was not in use is no measure.
 */
static void timeout__window_not_in_use__ssthresh_is_as_before(void **state)
{
    struct rig *t = rig_syn_received(&reno);
    (void)state;
    advance(t, RTT_MS * MS);
    in(t, ". 1:1(0) ack 1 %s", TS_OPT);
    app_accept(t, 0);
    t->peer[0].c->cc.ssthresh = 5 * SEG;
    app_write(t, 3 * SEG);
    sent(t, 0, 3);
    let_pass(t, RTO_MS * MS);
    ack(t, 1, RTT_MS);
    expect_undone(t, 1, 0);
    expect_window(t, 2 + 1, 5 * SEG);
    rig_end(t);
}

/* "Less than": the first retransmission left at 250. */
static void timeout__echo_of_the_retransmission__is_a_loss(void **state)
{
    (void)state;
    for (unsigned int ecr = 248; ecr <= 251; ecr++) {
        struct rig *t = timed_out(&reno);
        advance(t, 2 * MS);
        ack(t, 1, ecr);
        expect_undone(t, ecr < 250 ? 1 : 0, 0);
        if (ecr < 250)
            sent(t, 10, 1);
        else
            sent(t, 1, 2);
        rig_end(t);
    }
}

/* 3522 (3): the first acceptable ACK decides. */
static void timeout__the_second_ack_is_older__changes_nothing(void **state)
{
    struct rig *t = timed_out(&reno);
    (void)state;
    advance(t, RTT_MS * MS);
    ack(t, 1, 250);
    sent(t, 1, 2);
    ack(t, 2, RTT_MS);
    expect_undone(t, 0, 0);
    sent(t, 3, 2);
    rig_end(t);
}

/* And one that acknowledges nothing new is none. */
static void timeout__duplicate_acks_before__decide_nothing(void **state)
{
    struct rig *t = timed_out(&reno);
    (void)state;
    sack(t, 0, RTT_MS, 1, 2);
    expect_undone(t, 0, 0);
    t->first = t->queued = 0;
    ack(t, 2, RTT_MS);
    expect_undone(t, 1, 0);
    rig_discard(t);
}

/* 3522 (2): RetransmitTS is that of the first retransmission, however many follow; 4015: what was before the
 * first timeout comes back. */
static void timeouts__in_a_row__compare_with_the_first(void **state)
{
    (void)state;
    for (unsigned int ecr = RTT_MS; ecr <= 250; ecr += 200) {
        struct rig *t = timed_out(&reno);
        advance(t, 2 * RTO_MS * MS - 1);
        let_pass(t, 1);
        expect_counted(t, RILL_RTO_FIRED, 2);
        expect_counted(t, RILL_SEG_RESENT, 2);
        ack(t, 1, ecr);
        expect_undone(t, ecr == RTT_MS, 0);
        if (ecr == RTT_MS) {
            expect_window(t, 10, NO_THRESHOLD);
            sent(t, 10, 1);
        } else {
            expect_window(t, 2, 5 * SEG);
            sent(t, 1, 2);
        }
        rig_end(t);
    }
}

/* 4015 (9): congestion was real.  New data is next all the same, as far as the small window lets it. */
static void timeout__ack_with_ece__keeps_the_small_window(void **state)
{
    struct rig *t = timed_out(&ecn);
    uint32_t ssthresh = t->peer[0].c->cc.ssthresh;
    (void)state;
    ack_ece(t, 1, RTT_MS);
    expect_window(t, 1, ssthresh);
    out_none(t);
    ack(t, 10, RTT_MS);
    sent(t, 10, 2);
    expect_counted(t, RILL_SEG_RESENT, 1);
    rig_end(t);
}

/* The timeout is the one that the delay calls for: the sample contains it, and the doubling is over. */
static void timeout__undone__the_next_timeout_has_seen_the_delay(void **state)
{
    struct rig *t = timed_out(&reno);
    (void)state;
    advance(t, 100 * MS);
    ack(t, 1, RTT_MS); /* 300 ms after it was sent */
    sent(t, 10, 1);
    assert_int_equal(t->peer[0].c->rtt.backoff, 0);
    advance(t, 2 * RTO_MS * MS);
    expect_counted(t, RILL_RTO_FIRED, 1);
    rig_discard(t);
}

/* An undone timeout is over: a later one is a new one. */
static void timeout__after_one_that_was_undone__reduces_again(void **state)
{
    struct rig *t = timed_out(&reno);
    (void)state;
    ack(t, 1, RTT_MS);
    sent(t, 10, 1);
    let_pass(t, t->peer[0].c->timer[TIMER_XMIT] - t->now_us);
    expect_counted(t, RILL_RTO_FIRED, 2);
    expect_window(t, 1, 5 * SEG);
    rig_end(t);
}

static void timeout__without_the_feature__is_repaired(void **state)
{
    struct rig *t = timed_out(&off);
    (void)state;
    ack(t, 1, RTT_MS);
    expect_undone(t, 0, 0);
    expect_window(t, 2, 5 * SEG);
    sent(t, 1, 2);
    rig_end(t);
}

/* ---- Spurious fast recovery ------------------------------------------------------------------------------
 */

/* Segment 0 is late: three that have overtaken it begin a recovery that sends it again at 100. */
static struct rig *recovering(const struct rig_setup *setup)
{
    struct rig *t = ten_in_flight(setup);
    advance(t, RTT_MS * MS);
    sack(t, 0, RTT_MS, 1, 2);
    sent(t, 10, 1); /* limited transmit */
    sack(t, 0, RTT_MS, 1, 3);
    sent(t, 11, 1);
    sack(t, 0, RTT_MS, 1, 4);
    sent(t, 0, 1);
    expect_counted(t, RILL_RECOVERY, 1);
    return t;
}

/* "fast recovery (reordering)": the original arrives, and its echo is older than the retransmission. */
static void recovery__ack_of_the_original__restores_the_window(void **state)
{
    struct rig *t = recovering(&reno);
    (void)state;
    expect_window(t, 5, 5 * SEG);
    advance(t, 5 * MS);
    ack(t, 4, RTT_MS);
    expect_undone(t, 0, 1);
    expect_window(t, 10, NO_THRESHOLD);
    sent(t, 12, 2);           /* eight are in flight */
    sack(t, 5, RTT_MS, 0, 1); /* and the retransmission arrives, too */
    expect_counted(t, RILL_DSACK_IN, 1);
    expect_undone(t, 0, 1);
    sent(t, 14, 2); /* slow start goes on */
    rig_end(t);
}

static void recovery__ack_of_the_original__restores_cubic(void **state)
{
    struct rig *t = recovering(&cubic);
    uint64_t zero[CC_STATE_BYTES / 8] = {0};
    (void)state;
    expect_window(t, 7, 7 * SEG);
    assert_memory_not_equal(t->peer[0].c->fl->cc_state, zero, 24);
    advance(t, 5 * MS);
    ack(t, 4, RTT_MS);
    expect_window(t, 10, NO_THRESHOLD);
    assert_memory_equal(t->peer[0].c->fl->cc_state, zero, 24); /* W_max, K, cwnd_prior: nothing known */
    rig_discard(t);
}

static void recovery__ack_of_the_retransmission__is_a_loss(void **state)
{
    struct rig *t = recovering(&reno);
    (void)state;
    advance(t, RTT_MS * MS);
    ack(t, 4, 100);
    expect_undone(t, 0, 0);
    expect_window(t, 5, 5 * SEG);
    out_none(t);
    ack(t, 8, RTT_MS); /* the first one has decided */
    expect_undone(t, 0, 0);
    expect_window(t, 5, 5 * SEG);
    rig_discard(t);
}

static void recovery__without_the_feature__stays_reduced(void **state)
{
    struct rig *t = recovering(&off);
    (void)state;
    ack(t, 4, RTT_MS);
    expect_undone(t, 0, 0);
    expect_window(t, 5, 5 * SEG);
    rig_discard(t);
}

static void recovery__ack_with_ece__keeps_the_small_window(void **state)
{
    struct rig *t = recovering(&ecn);
    (void)state;
    ack_ece(t, 4, RTT_MS);
    expect_window(t, 5, 5 * SEG);
    rig_discard(t);
}

/* ---- D-SACK ----------------------------------------------------------------------------------------------
 */

/* Segments 0 and 1 are late, and are sent again. */
static struct rig *two_resent(const struct rig_setup *setup)
{
    struct rig *t = ten_in_flight(setup);
    advance(t, RTT_MS * MS);
    for (unsigned int k = 3; k <= 10; k++) {
        sack(t, 0, RTT_MS, 2, k);
        t->first = t->queued = 0;
    }
    expect_counted(t, RILL_RECOVERY, 1);
    ack(t, 10, 100); /* nothing told by time */
    t->first = t->queued = 0;
    ack(t, 12, 100);
    t->first = t->queued = 0;
    expect_undone(t, 0, 0);
    expect_counted(t, RILL_SEG_RESENT, 2);
    assert_in_range(t->peer[0].c->cc.cwnd, 5 * SEG, 6 * SEG);
    return t;
}

/* A D-SACK of segments [left, right), with what had been acknowledged. */
static void dsack(struct rig *t, const char *flags, unsigned int left, unsigned int right)
{
    in(t, "%s 1:1(0) ack %u <nop,nop,TS val 2000 ecr 100,nop,nop,sack %u:%u>", flags, start(12), start(left),
       start(right));
    t->first = t->queued = 0;
}

static void dsack__of_each_retransmission__restores_the_window(void **state)
{
    struct rig *t = two_resent(&reno);
    (void)state;
    dsack(t, ".", 0, 1);
    expect_undone(t, 0, 0);
    assert_in_range(t->peer[0].c->cc.cwnd, 5 * SEG, 6 * SEG);
    dsack(t, ".", 1, 2);
    expect_undone(t, 0, 1);
    expect_window(t, 10, NO_THRESHOLD);
    rig_end(t);
}

static void dsack__of_one_of_two__is_a_loss(void **state)
{
    struct rig *t = two_resent(&reno);
    (void)state;
    dsack(t, ".", 1, 2);
    expect_undone(t, 0, 0);
    assert_int_equal(t->peer[0].c->cc.ssthresh, 5 * SEG);
    rig_end(t);
}

static void dsack__without_the_feature__is_no_reason(void **state)
{
    struct rig *t = two_resent(&off);
    (void)state;
    dsack(t, ".", 0, 2);
    expect_undone(t, 0, 0);
    assert_int_equal(t->peer[0].c->cc.ssthresh, 5 * SEG);
    rig_end(t);
}

static void dsack__with_ece__does_not_enlarge_the_window(void **state)
{
    struct rig *t = two_resent(&ecn);
    uint32_t before = t->peer[0].c->cc.cwnd;
    (void)state;
    dsack(t, "E.", 0, 2);
    assert_true(t->peer[0].c->cc.cwnd <= before);
    assert_true(t->peer[0].c->cc.ssthresh <= 5 * SEG);
    rig_end(t);
}

/* What was sent twice before the recovery began says nothing of it. */
static void dsack__of_something_older__is_no_reason(void **state)
{
    struct rig *t = ten_in_flight(&reno);
    (void)state;
    advance(t, RTT_MS * MS);
    ack(t, 1, RTT_MS);
    t->first = t->queued = 0;
    for (unsigned int k = 3; k <= 5; k++) {
        sack(t, 1, RTT_MS, 2, k);
        t->first = t->queued = 0;
    }
    expect_counted(t, RILL_RECOVERY, 1);
    in(t, ". 1:1(0) ack %u <nop,nop,TS val 2000 ecr 100,nop,nop,sack %u:%u>", start(1), start(0), start(1));
    expect_counted(t, RILL_DSACK_IN, 1);
    expect_undone(t, 0, 0);
    rig_discard(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timeout__ack_of_the_original__goes_on_with_new_data),
        cmocka_unit_test(timeout__ack_of_many__sends_an_initial_window_and_slow_starts),
        cmocka_unit_test(timeout__ack_of_all__counts_from_a_peer_that_says_dsack),
        cmocka_unit_test(timeout__ack_with_a_dsack__is_no_reason),
        cmocka_unit_test(timeout__in_congestion_avoidance__ssthresh_is_what_was_in_flight),
        cmocka_unit_test(timeout__window_not_in_use__ssthresh_is_as_before),
        cmocka_unit_test(timeout__echo_of_the_retransmission__is_a_loss),
        cmocka_unit_test(timeout__the_second_ack_is_older__changes_nothing),
        cmocka_unit_test(timeout__duplicate_acks_before__decide_nothing),
        cmocka_unit_test(timeouts__in_a_row__compare_with_the_first),
        cmocka_unit_test(timeout__ack_with_ece__keeps_the_small_window),
        cmocka_unit_test(timeout__undone__the_next_timeout_has_seen_the_delay),
        cmocka_unit_test(timeout__after_one_that_was_undone__reduces_again),
        cmocka_unit_test(timeout__without_the_feature__is_repaired),
        cmocka_unit_test(recovery__ack_of_the_original__restores_the_window),
        cmocka_unit_test(recovery__ack_of_the_original__restores_cubic),
        cmocka_unit_test(recovery__ack_of_the_retransmission__is_a_loss),
        cmocka_unit_test(recovery__without_the_feature__stays_reduced),
        cmocka_unit_test(recovery__ack_with_ece__keeps_the_small_window),
        cmocka_unit_test(dsack__of_each_retransmission__restores_the_window),
        cmocka_unit_test(dsack__of_one_of_two__is_a_loss),
        cmocka_unit_test(dsack__without_the_feature__is_no_reason),
        cmocka_unit_test(dsack__with_ece__does_not_enlarge_the_window),
        cmocka_unit_test(dsack__of_something_older__is_no_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
