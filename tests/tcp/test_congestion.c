/* test_congestion.c - how much may be in flight: RFC 5681 3.1 and 4.1, RFC 6928 2, RFC 9293 3.8.2, MUST-19.
 */
#include "sending.h"

/* ---- The initial window -------------------------------------------------------------------------------- */

/* RFC 6928 2: min(10 * MSS, max(2 * MSS, 14600)), and no segment that would exceed it. */
static void initial_window__of_each_mss__is_that_of_rfc_6928(void **state)
{
    const struct {
        unsigned int mss, segments;
    } all[] = {{88, 10},  {536, 10}, {1095, 10}, {1460, 10}, {1461, 9},
               {2190, 6}, {4096, 3}, {7300, 2},  {8960, 2}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        char opts[40];
        unsigned int mss = all[i].mss;
        struct rig *t;
        snprintf(opts, sizeof opts, "<mss %u,nop,wscale 7>", mss);
        t = rig_established(&(struct rig_setup){.mtu = 9000, .peer_opts = opts});
        app_write(t, 20 * mss);
        for (unsigned int k = 0; k < all[i].segments; k++)
            out(t, ". %u:%u(%u) ack 1", 1 + k * mss, 1 + (k + 1) * mss, mss);
        out_none(t);
        rig_end(t);
    }
}

/* RFC 5681 3.1: "the SYN/ACK and the acknowledgment of the SYN/ACK MUST NOT increase the size". */
static void initial_window__of_both_sides__is_not_grown_by_the_handshake(void **state)
{
    struct rig *(*const make[])(const struct rig_setup *) = {rig_established, rig_connected};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(make); i++) {
        struct rig *t = make[i](NULL);
        app_write(t, PLENTY);
        out_segments(t, 0, 10);
        out_none(t);
        rig_end(t);
    }
}

/* RFC 6928 2: one segment after "more than one SYN or SYN/ACK retransmissions", not after one. */
static void initial_window__after_lost_syns__is_one_segment_from_the_second_on(void **state)
{
    (void)state;
    for (unsigned int lost = 1; lost <= 3; lost++) {
        struct rig *t = rig_syn_sent(NULL);
        for (unsigned int k = 1; k <= lost; k++)
            out_at(t, SEC * ((1u << k) - 1), "S 0:0(0) <*>");
        in(t, "S. 0:0(0) ack 1 %s", t->setup.peer_opts);
        out(t, ". 1:1(0) ack 1");
        app_write(t, PLENTY);
        out_segments(t, 0, lost == 1 ? 10 : 1);
        out_none(t);
        rig_end(t);
        t = rig_syn_received(NULL);
        for (unsigned int k = 1; k <= lost; k++)
            out_at(t, SEC * ((1u << k) - 1), "S. 0:0(0) ack 1 <*>");
        in(t, ". 1:1(0) ack 1");
        app_accept(t, 0);
        app_write(t, PLENTY);
        out_segments(t, 0, lost == 1 ? 10 : 1);
        out_none(t);
        rig_end(t);
    }
}

/* RFC 5681 3.1: "the minimum of cwnd and rwnd governs data transmission". */
static void window__of_the_peer__limits_as_well(void **state)
{
    (void)state;
    struct rig *t = rig_established(&(struct rig_setup){.peer_opts = "<mss 1460>", .peer_win = 3 * SMSS});
    app_write(t, PLENTY);
    out_segments(t, 0, 3);
    ack(t, 1);
    out_segments(t, 3, 1);
    in(t, ". 1:1(0) ack %u win %u", start_of(2), 12 * SMSS);
    out_segments(t, 4, 10); /* cwnd is 12 as well now */
    rig_end(t);
}

/* ---- Slow start ---------------------------------------------------------------------------------------- */

/* RFC 5681 3.1 (2): cwnd += min(N, SMSS) for each ACK. */
static void slow_start__each_ack__adds_at_most_a_segment(void **state)
{
    (void)state;
    struct rig *t = ten_in_flight(NULL);
    ack(t, 1);
    out_segments(t, 10, 2);
    ack(t, 3); /* a delayed ACK */
    out_segments(t, 12, 3);
    ack(t, 10);
    out_segments(t, 15, 8);
    in(t, ". 1:1(0) ack %u", start_of(10) + 100); /* min(N, SMSS) is 100 */
    out_none(t);
    assert_int_equal(t->peer[0].c->cc.cwnd, 13 * SMSS + 100);
    rig_end(t);
}

static void slow_start__a_round_trip__doubles_the_window(void **state)
{
    unsigned int acked = 0, sent = 10;
    (void)state;
    struct rig *t = ten_in_flight(NULL);
    for (unsigned int window = 10; window <= 20; window *= 2) {
        for (unsigned int k = 0; k < window; k++, sent += 2) {
            ack(t, ++acked);
            out_segments(t, sent, 2);
        }
        assert_int_equal(sent - acked, 2 * window);
    }
    rig_end(t);
}

/* RFC 5681 3.1, "ACK division": a segment acknowledged octet by octet is worth one segment. */
static void slow_start__ack_division__gains_nothing(void **state)
{
    unsigned int sent = 10;
    (void)state;
    struct rig *t = ten_in_flight(NULL);
    for (unsigned int octet = 1; octet <= SMSS; octet++) {
        in(t, ". 1:1(0) ack %u", 1 + octet);
        if (octet == SMSS / 2 || octet == SMSS)
            out_segments(t, sent++, 1);
        out_none(t);
    }
    assert_int_equal(t->peer[0].c->cc.cwnd, 11 * SMSS);
    rig_end(t);
}

/* RFC 5681 3.1: "arbitrarily high (e.g., to the size of the largest possible advertised window)". */
static void slow_start__at_the_beginning__has_no_threshold(void **state)
{
    (void)state;
    struct rig *t = rig_established(NULL);
    assert_true(t->peer[0].c->cc.ssthresh >= (uint32_t)UINT16_MAX << 14);
    rig_end(t);
}

/* ---- Timeout ------------------------------------------------------------------------------------------- */

/* RFC 5681 3.1: cwnd one segment, ssthresh half the flight; slow start up to it, congestion avoidance beyond.
 * What the flight held is sent again, for nothing tells that it has arrived. */
static void timeout__all_lost__is_repaired_in_slow_start_up_to_half_the_flight(void **state)
{
    (void)state;
    struct rig *t = ten_in_flight(NULL);
    out_segment_at(t, RTO, 0);
    expect_window(t, 1, 5);
    ack(t, 1);
    out_segments(t, 1, 2);
    ack(t, 2);
    out_segments(t, 3, 2);
    ack(t, 3);
    out_segments(t, 5, 2);
    ack(t, 4);
    out_segments(t, 7, 2);
    expect_window(t, 5, 5);
    ack(t, 5);
    out_segments(t, 9, 1);
    for (unsigned int k = 6; k <= 8; k++) {
        ack(t, k);
        out_segments(t, 4 + k, 1); /* new data */
    }
    ack(t, 9); /* five segments acknowledged with a window of five */
    out_segments(t, 13, 2);
    expect_window(t, 6, 5);
    expect_counted(t, RILL_SEG_RESENT, 10);
    rig_end(t);
}

/* The cumulative ACK says what has arrived: it is not sent twice. */
static void timeout__only_the_first_was_lost__resends_only_that(void **state)
{
    (void)state;
    struct rig *t = ten_in_flight(NULL);
    out_segment_at(t, RTO, 0);
    ack(t, 10);
    out_segments(t, 10, 2);
    expect_window(t, 2, 5);
    expect_counted(t, RILL_SEG_RESENT, 1);
    rig_end(t);
}

static void timeout__a_hole_further_on__is_found_by_the_cumulative_ack(void **state)
{
    (void)state;
    struct rig *t = ten_in_flight(NULL);
    out_segment_at(t, RTO, 0);
    ack(t, 4); /* 0 and 4 were lost; without SACK 5 goes along */
    out_segments(t, 4, 2);
    ack(t, 10);
    out_segments(t, 10, 3);
    expect_counted(t, RILL_SEG_RESENT, 3);
    rig_end(t);
}

/* RFC 5681 3.1 (4): max(FlightSize / 2, 2 * SMSS); "an easy mistake is to simply use cwnd". */
static void timeout__ssthresh__is_half_the_flight_but_two_segments(void **state)
{
    const struct {
        unsigned int flight, ssthresh;
    } all[] = {{1, 2}, {2, 2}, {4, 2}, {6, 3}, {20, 10}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        unsigned int n = all[i].flight;
        struct rig *t = rig_established(NULL);
        app_write(t, 10 * SMSS);
        out_segments(t, 0, 9);
        out(t, "P. %u:%u(%u) ack 1", start_of(9), start_of(10), SMSS);
        for (unsigned int k = 1; k <= 10; k++)
            ack(t, k);
        app_write(t, n * SMSS); /* cwnd is 20 */
        out_segments(t, 10, n - 1);
        out(t, "P. %u:%u(%u) ack 1", start_of(9 + n), start_of(10 + n), SMSS);
        out_after(t, RTO, "%s %u:%u(%u) ack 1", n == 1 ? "P." : ".", start_of(10), start_of(11), SMSS);
        expect_window(t, 1, all[i].ssthresh);
        rig_end(t);
    }
}

/* RFC 5681 3.1: "already been retransmitted by way of the retransmission timer at least once": held. */
static void timeout__a_second_time__holds_ssthresh_and_one_segment(void **state)
{
    (void)state;
    struct rig *t = ten_in_flight(NULL);
    out_segment_at(t, RTO, 0);
    expect_window(t, 1, 5);
    out_segment_at(t, 3 * RTO, 0);
    expect_window(t, 1, 5);
    out_segment_at(t, 7 * RTO, 0);
    expect_window(t, 1, 5);
    ack(t, 1);
    out_segments(t, 1, 2);
    ack(t, 2); /* other segments are resent for the first time: 3.1 asks for half the flight, or less */
    out_segments(t, 3, 2);
    out_after(t, 8 * RTO, ". %u:%u(%u) ack 1", start_of(2), start_of(3), SMSS);
    assert_int_equal(t->peer[0].c->cc.cwnd, SMSS);
    assert_true(t->peer[0].c->cc.ssthresh <= 8 * SMSS / 2);
    assert_true(t->peer[0].c->cc.ssthresh >= 2 * SMSS);
    rig_end(t);
}

/* ---- Congestion avoidance ------------------------------------------------------------------------------ */

/* After a timeout: cwnd and ssthresh five segments, the first five acknowledged, `sent` leave next. */
static struct rig *avoiding(unsigned int *sent)
{
    struct rig *t = ten_in_flight(NULL);
    out_segment_at(t, RTO, 0);
    for (unsigned int k = 1; k <= 4; k++) {
        ack(t, k);
        out_segments(t, 2 * k - 1, 2);
    }
    expect_window(t, 5, 5);
    *sent = 9;
    return t;
}

/* RFC 5681 3.1: one segment when a whole window was acknowledged, whatever the size of the ACKs. */
static void avoidance__each_window_acknowledged__adds_one_segment(void **state)
{
    unsigned int sent, acked = 4;
    (void)state;
    struct rig *t = avoiding(&sent);
    for (unsigned int window = 5; window <= 10; window++) {
        for (unsigned int k = 1; k <= window; k++, sent++) {
            expect_window(t, window, 5);
            ack(t, ++acked);
            out_segments(t, sent, k < window ? 1 : 2);
        }
        sent++;
        expect_window(t, window + 1, 5);
    }
    rig_end(t);
}

static void avoidance__ack_division__gains_nothing(void **state)
{
    unsigned int sent, pos = start_of(4);
    (void)state;
    struct rig *t = avoiding(&sent);
    for (unsigned int i = 1; i <= 5 * SMSS; i++) {
        in(t, ". 1:1(0) ack %u", pos + i);
        if (i % SMSS == 0)
            out_segments(t, sent++, 1);
        if (i == 5 * SMSS)
            out_segments(t, sent++, 1);
        out_none(t);
        if (i < 5 * SMSS)
            expect_window(t, 5, 5);
    }
    expect_window(t, 6, 5);
    rig_end(t);
}

/* "MUST NOT increment cwnd by more than SMSS bytes": one ACK for more than a window, as much as it is. */
static void avoidance__one_ack_for_the_window__adds_one_segment(void **state)
{
    unsigned int sent;
    (void)state;
    struct rig *t = avoiding(&sent);
    ack(t, 9); /* all that is in flight */
    expect_window(t, 6, 5);
    out_segments(t, sent, 6);
    ack(t, 15);
    expect_window(t, 7, 5);
    out_segments(t, sent + 6, 7);
    rig_end(t);
}

/* RFC 3465 2.1: "bytes_acked is reduced by the value of cwnd", so that large ACKs lose nothing. */
static void avoidance__acks_that_overshoot__keep_the_rest(void **state)
{
    unsigned int sent;
    (void)state;
    struct rig *t = avoiding(&sent);
    ack(t, 8);
    out_segments(t, sent, 4);
    expect_window(t, 5, 5);
    ack(t, 12); /* eight: three are left */
    out_segments(t, sent + 4, 5);
    expect_window(t, 6, 5);
    ack(t, 16); /* seven */
    out_segments(t, sent + 9, 5);
    expect_window(t, 7, 5);
    rig_end(t);
}

/* What was acknowledged before a loss is no argument for a larger window after it. */
static void avoidance__after_a_loss__counts_from_nothing(void **state)
{
    unsigned int sent;
    (void)state;
    struct rig *t = avoiding(&sent);
    ack(t, 8); /* four of the five that make a window */
    out_segments(t, sent, 4);
    out_after(t, 2 * RTO, ". %u:%u(%u) ack 1", start_of(8), start_of(9), SMSS);
    assert_int_equal(t->peer[0].c->cc.ssthresh, 5 * SMSS / 2);
    ack(t, 9);
    out_segments(t, 9, 2);
    ack(t, 10); /* three segments: beyond ssthresh */
    out_segments(t, 11, 2);
    for (unsigned int k = 11; k <= 12; k++) {
        ack(t, k);
        out_segments(t, 2 + k, 1);
    }
    ack(t, 13);
    out_segments(t, 15, 2);
    rig_end(t);
}

/* ---- After a pause: RFC 5681 4.1 ----------------------------------------------------------------------- */

/* cwnd is 20 segments and nothing in flight. */
static struct rig *twenty_and_idle(void)
{
    struct rig *t = rig_established(NULL);
    app_write(t, 10 * SMSS);
    out_segments(t, 0, 9);
    out(t, "P. %u:%u(%u) ack 1", start_of(9), start_of(10), SMSS);
    for (unsigned int k = 1; k <= 10; k++)
        ack(t, k);
    mark(t);
    return t;
}

static void idle__longer_than_the_rto__restarts_with_the_initial_window(void **state)
{
    const uint64_t pauses_us[] = {RTO + 1, 900 * MS, 1100 * MS, 10 * SEC, 3600 * SEC};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(pauses_us); i++) {
        struct rig *t = twenty_and_idle();
        advance(t, pauses_us[i]);
        app_write(t, PLENTY);
        out_segments(t, 10, 10);
        out_none(t);
        rig_end(t);
    }
}

static void idle__not_longer_than_the_rto__keeps_the_window(void **state)
{
    (void)state;
    struct rig *t = twenty_and_idle();
    advance(t, RTO);
    app_write(t, PLENTY);
    out_segments(t, 10, 20);
    out_none(t);
    rig_end(t);
}

/* "If the TCP has not sent data": what it received does not count. */
static void idle__while_data_arrives__restarts_as_well(void **state)
{
    (void)state;
    struct rig *t = twenty_and_idle();
    for (unsigned int k = 0; k < 3; k++) {
        advance(t, 100 * MS);
        in(t, "P. %u:%u(10) ack %u", 1 + 10 * k, 11 + 10 * k, start_of(10));
        out_after(t, 40 * MS, ". %u:%u(0) ack %u", start_of(10), start_of(10), 11 + 10 * k);
    }
    app_write(t, PLENTY);
    for (unsigned int k = 10; k < 20; k++)
        out(t, ". %u:%u(%u) ack 31", start_of(k), start_of(k + 1), SMSS);
    out_none(t);
    rig_end(t);
}

/* RW = min(IW, cwnd). */
static void idle__with_a_small_window__does_not_enlarge_it(void **state)
{
    (void)state;
    struct rig *t = rig_established(NULL);
    app_write(t, SMSS);
    out(t, "P. 1:1461(1460) ack 1");
    out_at(t, RTO, "P. 1:1461(1460) ack 1");
    in(t, ". 1:1(0) ack 1461");
    expect_window(t, 2, 2);
    advance(t, 500 * MS);
    app_write(t, PLENTY);
    out_segments(t, 1, 2);
    out_none(t);
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initial_window__of_each_mss__is_that_of_rfc_6928),
        cmocka_unit_test(initial_window__of_both_sides__is_not_grown_by_the_handshake),
        cmocka_unit_test(initial_window__after_lost_syns__is_one_segment_from_the_second_on),
        cmocka_unit_test(window__of_the_peer__limits_as_well),
        cmocka_unit_test(slow_start__each_ack__adds_at_most_a_segment),
        cmocka_unit_test(slow_start__a_round_trip__doubles_the_window),
        cmocka_unit_test(slow_start__ack_division__gains_nothing),
        cmocka_unit_test(slow_start__at_the_beginning__has_no_threshold),
        cmocka_unit_test(timeout__all_lost__is_repaired_in_slow_start_up_to_half_the_flight),
        cmocka_unit_test(timeout__only_the_first_was_lost__resends_only_that),
        cmocka_unit_test(timeout__a_hole_further_on__is_found_by_the_cumulative_ack),
        cmocka_unit_test(timeout__ssthresh__is_half_the_flight_but_two_segments),
        cmocka_unit_test(timeout__a_second_time__holds_ssthresh_and_one_segment),
        cmocka_unit_test(avoidance__each_window_acknowledged__adds_one_segment),
        cmocka_unit_test(avoidance__ack_division__gains_nothing),
        cmocka_unit_test(avoidance__one_ack_for_the_window__adds_one_segment),
        cmocka_unit_test(avoidance__acks_that_overshoot__keep_the_rest),
        cmocka_unit_test(avoidance__after_a_loss__counts_from_nothing),
        cmocka_unit_test(idle__longer_than_the_rto__restarts_with_the_initial_window),
        cmocka_unit_test(idle__not_longer_than_the_rto__keeps_the_window),
        cmocka_unit_test(idle__while_data_arrives__restarts_as_well),
        cmocka_unit_test(idle__with_a_small_window__does_not_enlarge_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
