/* test_ecn_sender.c - what an echoed mark does to the sender: one reduction in a window, and CWR.  RFC 3168
 * 6.1.2; with SACK and without. */
#include "sending.h"

static void edit(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->features |= 1u << RILL_FEATURE_ECN_ANSWER;
}

static void edit_sack(struct rill_config *config, struct tcp_opts *opts)
{
    edit(config, opts);
    config->features |= 1u << RILL_FEATURE_SACK | 1u << RILL_FEATURE_RACK | 1u << RILL_FEATURE_PRR;
}

#define SACK_OPTS "<mss 1460,nop,nop,sackOK,nop,wscale 7>"
static const struct rig_setup newreno = {.edit = edit, .syn_flags = "EC"};
static const struct rig_setup sack = {.edit = edit_sack, .syn_flags = "EC", .peer_opts = SACK_OPTS};
static const struct rig_setup *const both[] = {&newreno, &sack};

/* ---- Segments -------------------------------------------------------------------------------------------
 */

/* n new ones leave, and nothing else; the first with CWR. */
#define fresh(t, k, n) fresh_left(RIG_AT(t), ".", k, n)
#define fresh_cwr(t, k, n) fresh_left(RIG_AT(t), "C.", k, n)
static void fresh_left(struct rig *t, const char *flags, unsigned int k, unsigned int n)
{
    for (unsigned int i = k; i < k + n; i++)
        rig_out(t, "%s %u:%u(%u) ack 1 ect0", i == k ? flags : ".", start_of(i), start_of(i + 1), SMSS);
    rig_out_none(t);
}

/* One that is sent again: not ECT, no CWR. */
#define again(t, k) out(t, ". %u:%u(%u) ack 1", start_of(k), start_of((k) + 1), SMSS)

#define ack_ece(t, k) in(t, "E. 1:1(0) ack %u", start_of(k))

/* That the segments from k on and before `right` have arrived behind a hole: a duplicate ACK either way. */
static void duplicate(struct rig *t, const char *flags, unsigned int una, unsigned int right)
{
    if (t->peer[0].c->sack_ok)
        in(t, "%s 1:1(0) ack %u <nop,nop,sack %u:%u>", flags, start_of(una), start_of(una + 1),
           start_of(right));
    else
        in(t, "%s 1:1(0) ack %u", flags, start_of(una));
}

static struct rig *ten_out(const struct rig_setup *setup)
{
    struct rig *t = rig_syn_received(setup);
    advance(t, 50 * MS); /* a round trip that RACK can be patient about */
    in(t, ". 1:1(0) ack 1");
    app_accept(t, 0);
    app_write(t, PLENTY);
    fresh(t, 0, 10);
    advance(t, 50 * MS);
    mark(t);
    return t;
}

/* ---- The reduction ---------------------------------------------------------------------------------------
 */

/* "The TCP source halves the congestion window and reduces the slow start threshold"; with nothing to repair,
 * and no growth by that ACK. */
static void ece__halves_the_window_and_resends_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(both); i++) {
        struct rig *t = ten_out(both[i]);
        ack_ece(t, 1);
        expect_window(t, 5, 5);
        expect_counted(t, RILL_ECE_IN, 1);
        for (unsigned int k = 2; k <= 5; k++) {
            ack(t, k);
            out_none(t);
        }
        expect_window(t, 5, 5);
        ack(t, 6); /* a window was acknowledged without ECE: congestion avoidance */
        expect_window(t, 6, 5);
        fresh_cwr(t, 10, 2);
        ack(t, 7);
        fresh(t, 12, 1);
        expect_counted(t, RILL_SEG_RESENT, 0);
        expect_counted(t, RILL_RTO_FIRED, 0);
        rig_end(t);
    }
}

/* One ACK for all of it: what it acknowledges was in flight when the mark was made. */
static void ece__with_the_ack_of_all__halves_what_was_in_flight(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(both); i++) {
        struct rig *t = ten_out(both[i]);
        ack_ece(t, 10);
        expect_window(t, 5, 5);
        fresh_cwr(t, 10, 5);
        rig_end(t);
    }
}

/* "should not react to congestion indications more than once every window of data", however long the receiver
 * goes on telling; nor does any of these ACKs enlarge it. */
static void ece__on_each_ack_of_a_window__reduces_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(both); i++) {
        struct rig *t = ten_out(both[i]);
        for (unsigned int k = 1; k <= 10; k++) {
            ack_ece(t, k);
            expect_window(t, 5, 5);
            if (k == 6)
                fresh_cwr(t, 10, 1);
            else if (k > 6)
                fresh(t, k + 4, 1);
        }
        expect_counted(t, RILL_ECE_IN, 1);
        ack_ece(t, 11); /* of what left after the reduction */
        expect_counted(t, RILL_ECE_IN, 2);
        assert_int_equal(t->peer[0].c->cc.cwnd, 5 * SMSS / 2);
        assert_int_equal(t->peer[0].c->cc.ssthresh, 5 * SMSS / 2);
        rig_end(t);
    }
}

/* On an ACK that moves nothing, too: it is the mark that counts. */
static void ece__on_a_duplicate_ack__reduces(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(both); i++) {
        struct rig *t = ten_out(both[i]);
        duplicate(t, "E.", 0, 2);
        expect_window(t, 5, 5);
        out_none(t);
        rig_end(t);
    }
}

/* RFC 5681 3.1 (4)'s least is two segments; who has less keeps it. */
static void ece__with_a_window_of_one__does_not_enlarge_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(both); i++) {
        struct rig *t = ten_out(both[i]);
        t->peer[0].c->cc.cwnd = SMSS;
        ack_ece(t, 9);
        expect_window(t, 1, 2);
        ack_ece(t, 10);
        fresh_cwr(t, 10, 1);
        ack_ece(t, 11);
        expect_window(t, 1, 2);
        rig_discard(t);
    }
}

static void ece__without_ecn__is_nothing(void **state)
{
    struct rig *t = ten_in_flight(NULL);
    (void)state;
    ack_ece(t, 1);
    out_segments(t, 10, 2);
    assert_int_equal(t->peer[0].c->cc.cwnd, 11 * SMSS);
    rig_end(t);
}

/* ---- With losses: one series of dropped and marked packets of a window -----------------------------------
 */

/* Segment 0 is lost.  With SACK PRR lets the window come down; without, RFC 5681 3.2 blows it up. */
static struct rig *recovering(const struct rig_setup *setup, const char *flags)
{
    struct rig *t = ten_out(setup);
    for (unsigned int k = 2; k <= 3; k++) {
        duplicate(t, flags, 0, k);
        t->first = t->queued = 0; /* limited transmit */
    }
    duplicate(t, flags, 0, 4);
    again(t, 0);
    out_none(t);
    expect_counted(t, RILL_SEG_RESENT, 1);
    assert_true(t->peer[0].c->fl->recovery);
    return t;
}

static void ece__in_fast_recovery__reduces_no_further(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(both); i++) {
        struct rig *t = recovering(both[i], ".");
        assert_int_equal(t->peer[0].c->cc.ssthresh, 5 * SMSS);
        duplicate(t, "E.", 0, 5);
        duplicate(t, "E.", 0, 6);
        ack_ece(t, 12); /* and the end of it */
        assert_int_equal(t->peer[0].c->cc.ssthresh, 5 * SMSS);
        assert_in_range(t->peer[0].c->cc.cwnd, 2 * SMSS, 5 * SMSS);
        expect_counted(t, RILL_ECE_IN, 0);
        rig_discard(t);
    }
}

static void loss__in_a_window_that_was_marked__is_repaired_and_reduces_no_further(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(both); i++) {
        struct rig *t = recovering(both[i], "E.");
        expect_counted(t, RILL_ECE_IN, 1);
        assert_int_equal(t->peer[0].c->cc.ssthresh, 5 * SMSS);
        ack(t, 10);
        assert_int_equal(t->peer[0].c->cc.ssthresh, 5 * SMSS);
        assert_in_range(t->peer[0].c->cc.cwnd, 2 * SMSS, 5 * SMSS);
        rig_discard(t);
    }
}

/* "if the new data packet carrying the CWR flag is dropped, then the TCP sender will have to again reduce its
 * congestion window, and send another new data packet with the CWR flag set" */
static void loss__of_the_segment_with_cwr__reduces_and_says_so_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(both); i++) {
        struct rig *t = ten_out(both[i]);
        ack_ece(t, 10);
        fresh_cwr(t, 10, 5);
        expect_window(t, 5, 5);
        advance(t, 50 * MS);
        for (unsigned int k = 12; k <= 14; k++) {
            duplicate(t, "E.", 10, k);
            t->first = t->queued = 0;
        }
        expect_counted(t, RILL_ECE_IN, 1);
        assert_true(t->peer[0].c->fl->recovery);
        assert_in_range(t->peer[0].c->cc.ssthresh, 2 * SMSS, 7 * SMSS / 2); /* limited transmit may count */
        assert_true(t->peer[0].c->cwr_due);
        rig_discard(t);
    }
}

/* ---- CWR: "for any reason" -------------------------------------------------------------------------------
 */

static void cwr__after_fast_retransmit__is_on_the_first_new_segment(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(both); i++) {
        struct rig *t = ten_out(both[i]);
        for (unsigned int k = 2; k <= 4; k++) {
            duplicate(t, ".", 0, k);
            if (k == 4)
                again(t, 0);
            else
                fresh(t, 8 + k, 1);
        }
        for (unsigned int k = 5; t->queued == 0 && k <= 10; k++)
            duplicate(t, ".", 0, k);
        if (t->queued == 0)
            ack(t, 12);
        out(t, "C. %u:%u(%u) ack 1 ect0", start_of(12), start_of(13), SMSS);
        while (t->queued != 0)
            assert_int_equal(take(t)->flags & RILL_CWR, 0);
        rig_discard(t);
    }
}

static void cwr__after_a_timeout__is_on_the_first_new_segment(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(both); i++) {
        struct rig *t = ten_out(both[i]);
        let_pass(t, t->peer[0].c->timer[TIMER_XMIT] - t->now_us);
        expect_counted(t, RILL_RTO_FIRED, 1);
        ack(t, 3);
        again(t, 3); /* neither ECT nor CWR */
        again(t, 4);
        ack(t, 10);
        out(t, "C. %u:%u(%u) ack 1 ect0", start_of(10), start_of(11), SMSS);
        while (t->queued != 0)
            assert_int_equal(take(t)->flags & RILL_CWR, 0);
        rig_end(t);
    }
}

/* ECE in the window of a timeout changes nothing more; it does not grow in slow start either. */
static void ece__after_a_timeout__reduces_no_further(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(both); i++) {
        struct rig *t = ten_out(both[i]);
        let_pass(t, t->peer[0].c->timer[TIMER_XMIT] - t->now_us);
        expect_window(t, 1, 5);
        ack_ece(t, 1);
        expect_window(t, 1, 5);
        again(t, 1);
        ack(t, 2);
        expect_window(t, 2, 5);
        expect_counted(t, RILL_ECE_IN, 0);
        rig_discard(t);
    }
}

/* 6.1.1: in a SYN the flag means something else. */
static void syn__with_ece__is_no_mark(void **state)
{
    struct rig *t = ten_out(&newreno);
    (void)state;
    in(t, "SE. 0:0(0) ack %u", start_of(1));
    expect_counted(t, RILL_ECE_IN, 0);
    assert_int_equal(t->peer[0].c->cc.cwnd, 10 * SMSS);
    rig_discard(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ece__halves_the_window_and_resends_nothing),
        cmocka_unit_test(ece__with_the_ack_of_all__halves_what_was_in_flight),
        cmocka_unit_test(ece__on_each_ack_of_a_window__reduces_once),
        cmocka_unit_test(ece__on_a_duplicate_ack__reduces),
        cmocka_unit_test(ece__with_a_window_of_one__does_not_enlarge_it),
        cmocka_unit_test(ece__without_ecn__is_nothing),
        cmocka_unit_test(ece__in_fast_recovery__reduces_no_further),
        cmocka_unit_test(loss__in_a_window_that_was_marked__is_repaired_and_reduces_no_further),
        cmocka_unit_test(loss__of_the_segment_with_cwr__reduces_and_says_so_again),
        cmocka_unit_test(cwr__after_fast_retransmit__is_on_the_first_new_segment),
        cmocka_unit_test(cwr__after_a_timeout__is_on_the_first_new_segment),
        cmocka_unit_test(ece__after_a_timeout__reduces_no_further),
        cmocka_unit_test(syn__with_ece__is_no_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
