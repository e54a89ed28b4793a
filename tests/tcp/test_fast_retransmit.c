/* test_fast_retransmit.c - duplicate ACKs, limited transmit, fast retransmit and fast recovery with one loss:
 * RFC 5681 2 and 3.2, RFC 3042.  More than one loss is in test_newreno.c. */
#include "sending.h"

static void write_ten(struct rig *t)
{
    app_write(t, 10 * SMSS);
    out_segments(t, 0, 9);
    out(t, "P. %u:%u(%u) ack 1", start_of(9), start_of(10), SMSS);
}

/* ---- What a duplicate ACK is: RFC 5681 2 --------------------------------------------------------------- */

static void expect_no_duplicates(struct rig *t)
{
    expect_counted(t, RILL_DUP_ACK_IN, 0);
    expect_counted(t, RILL_FAST_RETRANSMIT, 0);
    expect_counted(t, RILL_SEG_RESENT, 0);
}

/* (a) */
static void duplicate__with_nothing_outstanding__is_none(void **state)
{
    (void)state;
    struct rig *t = rig_established(NULL);
    acks_in_vain(t, 0, 5);
    expect_no_duplicates(t);
    app_write(t, PLENTY);
    out_segments(t, 0, 10);
    for (unsigned int k = 0; k < 2; k++) { /* and it did not begin to count */
        ack(t, 0);
        out_segments(t, 10 + k, 1);
    }
    expect_counted(t, RILL_FAST_RETRANSMIT, 0);
    ack(t, 0);
    out_segments(t, 0, 1);
    rig_end(t);
}

/* (b) */
static void duplicate__with_data__is_none(void **state)
{
    (void)state;
    struct rig *t = ten_in_flight(NULL);
    for (unsigned int k = 0; k < 5; k++) {
        in(t, "P. %u:%u(10) ack 1", 1 + 10 * k, 11 + 10 * k);
        out_none(t);
    }
    expect_no_duplicates(t);
    rig_end(t);
}

/* (c) */
static void duplicate__with_syn_or_fin__is_none(void **state)
{
    (void)state;
    struct rig *t = ten_in_flight(NULL);
    for (int k = 0; k < 5; k++) {
        in(t, "F. 1:1(0) ack 1");
        out(t, ". %u:%u(0) ack 2", start_of(10), start_of(10));
    }
    expect_no_duplicates(t);
    rig_end(t);
    t = ten_in_flight(NULL);
    in(t, "S. 0:0(0) ack 1 <mss 1460>");
    out(t, ". %u:%u(0) ack 1", start_of(10), start_of(10));
    for (int k = 0; k < 4; k++)
        in(t, "S. 0:0(0) ack 1 <mss 1460>");
    expect_no_duplicates(t);
    rig_end(t);
}

/* (d) */
static void duplicate__of_an_older_ack__is_none(void **state)
{
    (void)state;
    struct rig *t = ten_in_flight(NULL);
    ack(t, 1);
    out_segments(t, 10, 2);
    ack(t, 2);
    out_segments(t, 12, 2);
    acks_in_vain(t, 1, 5);
    acks_in_vain(t, 0, 5);
    expect_no_duplicates(t);
    rig_end(t);
}

/* (e) */
static void duplicate__with_another_window__is_none(void **state)
{
    (void)state;
    struct rig *t = ten_in_flight(NULL);
    for (unsigned int k = 1; k <= 5; k++) {
        in(t, ". 1:1(0) ack 1 win %u", 65535 - k);
        out_none(t);
    }
    expect_no_duplicates(t);
    in(t, ". 1:1(0) ack 1 win 65530"); /* as in the last one */
    out_segments(t, 10, 1);
    expect_counted(t, RILL_DUP_ACK_IN, 1);
    rig_end(t);
}

/* RFC 5681 3.2: "without any intervening ACKs which move SND.UNA". */
static void duplicates__two_and_then_progress__count_anew(void **state)
{
    (void)state;
    struct rig *t = rig_established(NULL);
    write_ten(t);
    for (unsigned int k = 0; k < 5; k++) {
        acks_in_vain(t, k, 2);
        ack(t, k + 1);
        out_none(t);
    }
    expect_counted(t, RILL_DUP_ACK_IN, 10);
    expect_counted(t, RILL_FAST_RETRANSMIT, 0);
    acks_in_vain(t, 5, 2);
    in(t, ". 1:1(0) ack %u win 60000", start_of(5)); /* a window update does not move SND.UNA */
    out_none(t);
    in(t, ". 1:1(0) ack %u win 60000", start_of(5));
    out_segments(t, 5, 1);
    rig_end(t);
}

/* ---- Limited transmit: RFC 3042, RFC 5681 3.2 step 1 --------------------------------------------------- */

static void limited_transmit__first_and_second_duplicate__send_a_new_segment_each(void **state)
{
    (void)state;
    struct rig *t = ten_in_flight(NULL);
    ack(t, 0);
    out_segments(t, 10, 1);
    out_none(t);
    ack(t, 0);
    out_segments(t, 11, 1);
    out_none(t);
    assert_int_equal(t->peer[0].c->cc.cwnd, 10 * SMSS); /* MUST NOT change */
    expect_counted(t, RILL_SEG_RESENT, 0);
    rig_end(t);
}

/* "provided that the receiver's advertised window allows" */
static void limited_transmit__beyond_the_peers_window__sends_nothing(void **state)
{
    (void)state;
    struct rig *t = ten_in_flight(&(struct rig_setup){.peer_opts = "<mss 1460>", .peer_win = 10 * SMSS});
    acks_in_vain(t, 0, 2);
    ack(t, 0);
    out_segments(t, 0, 1);
    rig_end(t);
    t = ten_in_flight(&(struct rig_setup){.peer_opts = "<mss 1460>", .peer_win = 11 * SMSS});
    ack(t, 0);
    out_segments(t, 10, 1);
    acks_in_vain(t, 0, 1);
    ack(t, 0);
    out_segments(t, 0, 1);
    rig_end(t);
}

/* "and that new data is available" */
static void limited_transmit__without_new_data__sends_nothing(void **state)
{
    (void)state;
    struct rig *t = rig_established(NULL);
    write_ten(t);
    acks_in_vain(t, 0, 2);
    expect_counted(t, RILL_SEG_RESENT, 0);
    app_write(t, PLENTY); /* FlightSize <= cwnd + 2 SMSS holds still */
    out_segments(t, 10, 2);
    out_none(t);
    rig_end(t);
}

/* ---- Fast retransmit and fast recovery: RFC 5681 3.2 steps 2 to 6 -------------------------------------- */

/* Up to the third duplicate ACK: segment 0 was lost of ten, 10 and 11 are limited transmit's. */
static struct rig *recovering(void)
{
    struct rig *t = ten_in_flight(NULL);
    for (unsigned int k = 0; k < 2; k++) {
        ack(t, 0);
        out_segments(t, 10 + k, 1);
    }
    ack(t, 0);
    out_segments(t, 0, 1);
    out_none(t);
    return t;
}

/* Steps 2 and 3: half the flight without limited transmit's data, and three segments on top. */
static void third_duplicate__resends_the_first_segment_and_halves_the_window(void **state)
{
    (void)state;
    struct rig *t = recovering();
    expect_window(t, 8, 5);
    expect_counted(t, RILL_FAST_RETRANSMIT, 1);
    expect_counted(t, RILL_SEG_RESENT, 1);
    expect_counted(t, RILL_RTO_FIRED, 0);
    rig_end(t);
}

/* Steps 4, 5 and 6: eleven segments arrive behind the hole. */
static void recovery__of_one_loss__inflates_sends_new_data_and_deflates(void **state)
{
    (void)state;
    struct rig *t = recovering();
    for (unsigned int k = 4; k <= 7; k++) {
        acks_in_vain(t, 0, 1);
        expect_window(t, 5 + k, 5);
    }
    for (unsigned int k = 8; k <= 11; k++) {
        ack(t, 0);
        expect_window(t, 5 + k, 5);
        out_segments(t, 4 + k, 1); /* the flight was twelve segments */
        out_none(t);
    }
    ack(t, 12);
    expect_window(t, 5, 5);
    out_segments(t, 16, 1);
    out_none(t);
    expect_counted(t, RILL_SEG_RESENT, 1);
    rig_end(t);
}

/* Congestion avoidance goes on from ssthresh. */
static void recovery__its_end__is_followed_by_congestion_avoidance(void **state)
{
    (void)state;
    struct rig *t = recovering();
    acks_in_vain(t, 0, 4);
    ack(t, 12);             /* all */
    expect_window(t, 2, 5); /* RFC 6582 3.2: min(ssthresh, max(FlightSize, SMSS) + SMSS) */
    out_segments(t, 12, 2);
    ack(t, 13);
    out_segments(t, 14, 2);
    ack(t, 14);
    out_segments(t, 16, 2);
    ack(t, 15);
    out_segments(t, 18, 2);
    expect_window(t, 5, 5);
    for (unsigned int k = 16; k <= 19; k++) {
        ack(t, k);
        out_segments(t, 4 + k, 1);
        expect_window(t, 5, 5);
    }
    ack(t, 20);
    expect_window(t, 6, 5);
    out_segments(t, 24, 2);
    rig_end(t);
}

/* Step 2, (4): max(FlightSize / 2, 2 * SMSS), whatever cwnd is. */
static void third_duplicate__ssthresh__is_half_the_flight_but_two_segments(void **state)
{
    (void)state;
    for (unsigned int n = 2; n <= 10; n++) {
        struct rig *t = rig_established(NULL);
        app_write(t, n * SMSS);
        out_segments(t, 0, n - 1);
        out(t, "P. %u:%u(%u) ack 1", start_of(n - 1), start_of(n), SMSS);
        acks_in_vain(t, 0, 2);
        ack(t, 0);
        out_segments(t, 0, 1);
        out_none(t);
        assert_int_equal(t->peer[0].c->cc.ssthresh, n < 4 ? 2 * SMSS : n * SMSS / 2);
        assert_int_equal(t->peer[0].c->cc.cwnd, t->peer[0].c->cc.ssthresh + 3 * SMSS);
        rig_end(t);
    }
}

/* Step 3: "MUST be retransmitted", even if cwnd were full; RFC 9293 3.8.6 lets small ones leave together. */
static void third_duplicate__of_small_segments__resends_what_fits_into_one(void **state)
{
    (void)state;
    struct rig *t = rig_established(&(struct rig_setup){.nodelay = true});
    for (unsigned int k = 0; k < 5; k++) {
        app_write(t, 500);
        out(t, "P. %u:%u(500) ack 1", 1 + 500 * k, 501 + 500 * k);
    }
    acks_in_vain(t, 0, 2);
    ack(t, 0);
    out(t, ". 1:1461(1460) ack 1");
    out_none(t);
    rig_end(t);
}

/* The sender cannot know of less than three: reordering in the network costs nothing. */
static void reordering__by_two__resends_nothing(void **state)
{
    (void)state;
    struct rig *t = rig_established(NULL);
    write_ten(t);
    acks_in_vain(t, 0, 2); /* 1 and 2 before 0 */
    ack(t, 3);
    acks_in_vain(t, 3, 2); /* 4 and 5 before 3 */
    ack(t, 10);
    advance(t, 3600 * SEC);
    expect_counted(t, RILL_SEG_RESENT, 0);
    rig_end(t);
}

/* ---- With the timer: RFC 6298 5 ------------------------------------------------------------------------ */

/* "MUST ... never retransmitted too early, i.e., less than one RTO after the previous transmission of that
 * segment": the fast retransmit is one. */
static void fast_retransmit__is_itself_lost__is_resent_one_rto_later(void **state)
{
    (void)state;
    struct rig *t = ten_in_flight(NULL);
    at(t, RTO - 1);
    for (unsigned int k = 0; k < 2; k++) {
        ack(t, 0);
        out_segments(t, 10 + k, 1);
    }
    ack(t, 0);
    out_segments(t, 0, 1);
    out_segment_at(t, RTO - 1 + RTO, 0);
    out_none(t);
    rig_end(t);
}

/* RFC 5681 4.3: "the loss of a retransmission should be taken as two indications of congestion". */
static void fast_retransmit__is_itself_lost__lowers_the_window_twice(void **state)
{
    (void)state;
    struct rig *t = recovering();
    out_after(t, RTO, ". 1:1461(1460) ack 1");
    assert_int_equal(t->peer[0].c->cc.cwnd, SMSS);
    assert_true(t->peer[0].c->cc.ssthresh < 5 * SMSS);
    assert_true(t->peer[0].c->cc.ssthresh >= 2 * SMSS);
    ack(t, 12);
    out_segments(t, 12, 2);
    expect_counted(t, RILL_SEG_RESENT, 2);
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(duplicate__with_nothing_outstanding__is_none),
        cmocka_unit_test(duplicate__with_data__is_none),
        cmocka_unit_test(duplicate__with_syn_or_fin__is_none),
        cmocka_unit_test(duplicate__of_an_older_ack__is_none),
        cmocka_unit_test(duplicate__with_another_window__is_none),
        cmocka_unit_test(duplicates__two_and_then_progress__count_anew),
        cmocka_unit_test(limited_transmit__first_and_second_duplicate__send_a_new_segment_each),
        cmocka_unit_test(limited_transmit__beyond_the_peers_window__sends_nothing),
        cmocka_unit_test(limited_transmit__without_new_data__sends_nothing),
        cmocka_unit_test(third_duplicate__resends_the_first_segment_and_halves_the_window),
        cmocka_unit_test(recovery__of_one_loss__inflates_sends_new_data_and_deflates),
        cmocka_unit_test(recovery__its_end__is_followed_by_congestion_avoidance),
        cmocka_unit_test(third_duplicate__ssthresh__is_half_the_flight_but_two_segments),
        cmocka_unit_test(third_duplicate__of_small_segments__resends_what_fits_into_one),
        cmocka_unit_test(reordering__by_two__resends_nothing),
        cmocka_unit_test(fast_retransmit__is_itself_lost__is_resent_one_rto_later),
        cmocka_unit_test(fast_retransmit__is_itself_lost__lowers_the_window_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
