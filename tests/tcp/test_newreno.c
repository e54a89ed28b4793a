/* test_newreno.c - more than one loss in a window: RFC 6582. */
#include "sending.h"

#define RTT (10 * MS)

/* ---- A receiver behind a network that loses what it is told to ----------------------------------------- */

#define COUNT 60u /* segments */

struct receiver {
    struct rig *t;
    bool got[COUNT], lost_once[COUNT];
    unsigned int next, times_sent[COUNT];
    unsigned int wire[512], on_wire; /* what is on its way, in order */
    unsigned int round, resent_in[COUNT], resent;
};

/* What has left goes onto the wire, but for the first copy of what is to be lost. */
static void collect(struct receiver *r)
{
    while (r->t->queued != 0) {
        const struct datagram *d = take(r->t);
        unsigned int k = (d->seq - r->t->peer[0].iss - 1) / SMSS;
        assert_true(k < COUNT && d->text_len == SMSS && d->seq - r->t->peer[0].iss == start_of(k));
        if (r->times_sent[k]++ == 1)
            r->resent_in[r->resent++] = r->round;
        if (r->times_sent[k] == 1 && r->lost_once[k])
            continue;
        assert_true(r->on_wire < COUNT_OF(r->wire));
        r->wire[r->on_wire++] = k;
    }
}

/* A round trip passes; then each segment that was on the wire arrives and is acknowledged at once. */
static void pass_round(struct receiver *r)
{
    unsigned int wire[COUNT_OF(r->wire)], n = r->on_wire;
    memcpy(wire, r->wire, sizeof wire);
    r->on_wire = 0;
    r->round++;
    advance(r->t, RTT);
    for (unsigned int i = 0; i < n; i++) {
        r->got[wire[i]] = true;
        while (r->next < COUNT && r->got[r->next])
            r->next++;
        ack(r->t, r->next);
        collect(r);
    }
}

/* ---- n losses ------------------------------------------------------------------------------------------ */

/* All ways to lose some of the first ten segments, as long as anything tells of it: each loss is resent once,
 * one in a round trip, nothing else is, and the timer has nothing to do. */
static void losses__any_in_one_window__are_resent_once_each_in_as_many_round_trips(void **state)
{
    (void)state;
    for (unsigned int mask = 1; mask < (1u << 10) - 1; mask++) {
        struct receiver r = {.t = rig_established(NULL)};
        unsigned int lost = 0;
        for (unsigned int k = 0; k < 10; k++)
            lost += r.lost_once[k] = (mask >> k & 1) != 0;
        app_write(r.t, COUNT * SMSS);
        collect(&r);
        while (r.next < COUNT && r.round < 60)
            pass_round(&r);
        if (r.next != COUNT || r.resent != lost)
            rig_fail(r.t, "losses %03x: %u arrived, %u of %u resent", mask, r.next, r.resent, lost);
        for (unsigned int k = 0; k < COUNT; k++)
            if (r.times_sent[k] != (r.lost_once[k] ? 2u : 1u))
                rig_fail(r.t, "losses %03x: segment %u left %u times", mask, k, r.times_sent[k]);
        for (unsigned int i = 1; i < r.resent; i++)
            if (r.resent_in[i] != r.resent_in[0] + i)
                rig_fail(r.t, "losses %03x: retransmission %u came in round %u", mask, i, r.resent_in[i]);
        expect_counted(r.t, RILL_RTO_FIRED, 0);
        expect_counted(r.t, RILL_FAST_RETRANSMIT, 1);
        expect_counted(r.t, RILL_PARTIAL_ACK, lost - 1);
        rig_end(r.t);
    }
}

/* ---- Partial acknowledgments: RFC 6582 3.2 step 3 ------------------------------------------------------ */

/* Segment 0 was lost of ten; after the third duplicate ACK, with twelve in flight. */
static struct rig *recovering(void)
{
    struct rig *t = ten_in_flight(NULL);
    for (unsigned int k = 0; k < 2; k++) {
        ack(t, 0);
        out_segments(t, 10 + k, 1);
    }
    ack(t, 0);
    out_segments(t, 0, 1);
    expect_window(t, 8, 5);
    return t;
}

/* "Retransmit the first unacknowledged segment.  Deflate the congestion window by the amount of new data
 * acknowledged [...], then add back SMSS bytes.  Send a new segment if permitted." */
static void partial_ack__resends_the_next_hole_and_deflates(void **state)
{
    (void)state;
    struct rig *t = recovering();
    acks_in_vain(t, 0, 4); /* cwnd 12 */
    ack(t, 4);
    expect_window(t, 9, 5); /* 12 - 4 + 1, and eight are in flight */
    out_segments(t, 4, 1);
    out_segments(t, 12, 1);
    out_none(t);
    ack(t, 4); /* "if any duplicate ACKs subsequently arrive, execute step 4" */
    expect_window(t, 10, 5);
    out_segments(t, 13, 1);
    ack(t, 12); /* full: "all of the data up to and including recover" */
    expect_window(t, 3, 5);
    out_segments(t, 14, 1);
    expect_counted(t, RILL_PARTIAL_ACK, 1);
    rig_end(t);
}

/* "If the partial ACK acknowledges at least one SMSS": this one does not. */
static void partial_ack__of_less_than_a_segment__only_deflates(void **state)
{
    (void)state;
    struct rig *t = recovering();
    in(t, ". 1:1(0) ack 101");
    assert_int_equal(t->peer[0].c->cc.cwnd, 8 * SMSS - 100);
    out(t, ". 101:1561(1460) ack 1");
    out_none(t);
    rig_end(t);
}

/* "For the first partial ACK that arrives during fast recovery, also reset the retransmit timer." */
static void partial_ack__the_first_only__restarts_the_timer(void **state)
{
    (void)state;
    struct rig *t = recovering();
    at(t, 50 * MS);
    ack(t, 2);
    out_segments(t, 2, 1);
    at(t, 100 * MS);
    ack(t, 4);
    out_segments(t, 4, 1);
    at(t, 150 * MS);
    ack(t, 6);
    out_segments(t, 6, 1);
    out_at(t, 50 * MS + RTO, ". %u:%u(%u) ack 1", start_of(6), start_of(7), SMSS);
    rig_end(t);
    t = recovering();
    at(t, 50 * MS);
    ack(t, 2);
    out_segments(t, 2, 1);
    out_at(t, 50 * MS + RTO, ". %u:%u(%u) ack 1", start_of(2), start_of(3), SMSS);
    rig_end(t);
}

/* Full acknowledgments: cwnd = min(ssthresh, max(FlightSize, SMSS) + SMSS). */
static void full_ack__sets_the_window_by_what_is_in_flight(void **state)
{
    (void)state;
    for (unsigned int inflated = 0; inflated <= 7; inflated++) {
        struct rig *t = recovering();
        unsigned int flight = inflated > 4 ? inflated - 4 : 0, cwnd;
        for (unsigned int k = 1; k <= inflated; k++) {
            ack(t, 0);
            if (k > 4)
                out_segments(t, 7 + k, 1);
        }
        ack(t, 12);
        cwnd = flight == 0 ? 2 : flight + 1;
        expect_window(t, cwnd, 5);
        out_segments(t, 12 + flight, cwnd - flight);
        out_none(t);
        rig_end(t);
    }
}

/* An ACK of one octet less than recover is partial. */
static void full_ack__short_of_recover_by_an_octet__is_partial(void **state)
{
    (void)state;
    struct rig *t = recovering();
    in(t, ". 1:1(0) ack %u", start_of(12) - 1);
    expect_counted(t, RILL_PARTIAL_ACK, 1);
    out(t, ". %u:%u(%u) ack 1", start_of(12) - 1, start_of(13) - 1, SMSS);
    rig_discard(t);
}

/* ---- recover: RFC 6582 3.2 steps 1, 2 and 4, and 4 ----------------------------------------------------- */

static void three_duplicates_in_vain(struct rig *t, unsigned int k, unsigned int next)
{
    uint32_t ssthresh = t->peer[0].c->cc.ssthresh, cwnd = t->peer[0].c->cc.cwnd;
    uint64_t before = rill_counter(t->e, RILL_FAST_RETRANSMIT);
    for (unsigned int i = 0; i < 2; i++) {
        ack(t, k);
        if (next != 0)
            out_segments(t, next + i, 1); /* limited transmit */
    }
    acks_in_vain(t, k, 3);
    assert_int_equal(t->peer[0].c->cc.ssthresh, ssthresh);
    assert_int_equal(t->peer[0].c->cc.cwnd, cwnd);
    assert_int_equal(rill_counter(t->e, RILL_FAST_RETRANSMIT), before);
}

/* "ack_number - 1 > recover; i.e., at least one byte more of data is acknowledged". */
static void recover__not_passed__no_second_fast_retransmit(void **state)
{
    (void)state;
    struct rig *t = recovering();
    ack(t, 12); /* covers recover, and no more */
    out_segments(t, 12, 2);
    three_duplicates_in_vain(t, 12, 14);
    for (unsigned int k = 0; k <= 2;
         k++) { /* one byte more, and two duplicates; four are in flight already */
        in(t, ". 1:1(0) ack %u", start_of(12) + 1);
        out_none(t);
    }
    in(t, ". 1:1(0) ack %u", start_of(12) + 1);
    out(t, ". %u:%u(%u) ack 1", start_of(12) + 1, start_of(13) + 1, SMSS);
    out_segments(t, 16, 1); /* cwnd is 2 + 3 */
    expect_counted(t, RILL_FAST_RETRANSMIT, 2);
    rig_end(t);
}

/* Step 4: "record the highest sequence number transmitted", so that what slow start resends in vain does not
 * start another recovery. */
static void recover__after_a_timeout__duplicates_do_not_start_a_recovery(void **state)
{
    (void)state;
    struct rig *t = ten_in_flight(NULL);
    out_segment_at(t, RTO, 0);
    three_duplicates_in_vain(t, 0, 0);
    ack(t, 4);
    out_segments(t, 4, 2);
    three_duplicates_in_vain(t, 4, 0);
    ack(t, 10); /* recover itself */
    out_segments(t, 10, 3);
    three_duplicates_in_vain(t, 10, 13);
    ack(t, 11); /* beyond; 11 to 14 are in flight */
    expect_window(t, 4, 5);
    ack(t, 11);
    out_segments(t, 15, 1);
    ack(t, 11);
    out_segments(t, 16, 1);
    ack(t, 11);
    out_segments(t, 11, 1);
    expect_counted(t, RILL_FAST_RETRANSMIT, 1);
    rig_end(t);
}

/* Step 4: "and exit the fast recovery procedure": slow start, and no inflation. */
static void timeout__in_recovery__ends_it(void **state)
{
    (void)state;
    struct rig *t = recovering();
    out_after(t, RTO, ". 1:1461(1460) ack 1");
    acks_in_vain(t, 0, 5);
    assert_int_equal(t->peer[0].c->cc.cwnd, SMSS);
    ack(t, 2);
    out_segments(t, 2, 2);
    ack(t, 4);
    out_segments(t, 4, 3);
    expect_counted(t, RILL_PARTIAL_ACK, 0);
    rig_end(t);
}

/* Step 1: recover begins with the initial sequence number, so that the very first segment may be the lost
 * one; and a pause does not change that. */
static void recover__of_a_new_or_idle_connection__lets_a_recovery_begin(void **state)
{
    (void)state;
    struct rig *t = recovering();
    rig_end(t);
    t = rig_connected(NULL);
    app_write(t, 4 * SMSS);
    out_segments(t, 0, 3);
    out(t, "P. %u:%u(%u) ack 1", start_of(3), start_of(4), SMSS);
    ack(t, 4);
    advance(t, 60 * SEC);
    app_write(t, 4 * SMSS);
    out_segments(t, 4, 3);
    out(t, "P. %u:%u(%u) ack 1", start_of(7), start_of(8), SMSS);
    acks_in_vain(t, 4, 2);
    ack(t, 4);
    out_segments(t, 4, 1);
    rig_end(t);
}

/* Two windows, each with a loss: two recoveries, and the window is halved twice. */
static void recovery__in_the_next_window_again__halves_again(void **state)
{
    (void)state;
    struct rig *t = recovering();
    for (unsigned int k = 4; k <= 11; k++) {
        ack(t, 0);
        if (k >= 8)
            out_segments(t, 4 + k, 1);
    }
    ack(t, 13); /* 12 to 15 were in flight beyond recover; 13 was lost */
    expect_window(t, 4, 5);
    out_segments(t, 16, 1);
    for (unsigned int k = 0; k < 2; k++) {
        ack(t, 13);
        out_segments(t, 17 + k, 1);
    }
    ack(t, 13);
    out_segments(t, 13, 1);
    expect_window(t, 5, 2);
    expect_counted(t, RILL_FAST_RETRANSMIT, 2);
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses__any_in_one_window__are_resent_once_each_in_as_many_round_trips),
        cmocka_unit_test(partial_ack__resends_the_next_hole_and_deflates),
        cmocka_unit_test(partial_ack__of_less_than_a_segment__only_deflates),
        cmocka_unit_test(partial_ack__the_first_only__restarts_the_timer),
        cmocka_unit_test(full_ack__sets_the_window_by_what_is_in_flight),
        cmocka_unit_test(full_ack__short_of_recover_by_an_octet__is_partial),
        cmocka_unit_test(recover__not_passed__no_second_fast_retransmit),
        cmocka_unit_test(recover__after_a_timeout__duplicates_do_not_start_a_recovery),
        cmocka_unit_test(timeout__in_recovery__ends_it),
        cmocka_unit_test(recover__of_a_new_or_idle_connection__lets_a_recovery_begin),
        cmocka_unit_test(recovery__in_the_next_window_again__halves_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
