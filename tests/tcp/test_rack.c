/* test_rack.c - losses found by time: RFC 8985 6.2, each step, and 6.3.  The probe is in test_tlp.c, what
 * SACK blocks are worth in test_sack_sender.c. */
#include "sacking.h"

#define REO (RTT / 4)

/* ---- Step 2: RACK.segment ------------------------------------------------------------------------------ */

/* Segments that left at one time are in order of their numbers. */
static void sent_at_one_time__only_lower_numbers_are_lost(void **state)
{
    struct rig *t = racking();
    (void)state;
    write_segments(t, 0, 10);
    at(t, RTT);
    sack(t, 0, 4, 5);
    out_none(t);
    out_segment_at(t, RTT + REO, 0);
    expect_lost(t, 3);
    out_none(t);
    advance(t, RTT);
    expect_lost(t, 3); /* 5 to 9 were sent after what has arrived */
    rig_end(t);
}

static void sent_at_one_time__the_last_arrives__all_before_it_are_lost(void **state)
{
    struct rig *t = racking();
    (void)state;
    write_segments(t, 0, 10);
    at(t, RTT);
    sack(t, 0, 9, 10);
    out_none(t);
    at(t, RTT + REO - 1);
    expect_lost(t, 0);
    out_segment_at(t, RTT + REO, 0);
    out_segments(t, 1, 4); /* pipe is 0, the window five segments */
    expect_lost(t, 4);
    expect_counted(t, RILL_RECOVERY, 1);
    expect_counted(t, RILL_REORDER_FIRED, 1);
    expect_window(t, 5, 5);
    rig_end(t);
}

/* RACK.xmit_ts decides, and what was sent long enough before it is lost at once. */
static void sent_at_several_times__each_is_lost_a_window_after_its_own(void **state)
{
    struct rig *t = racking();
    (void)state;
    write_segments(t, 0, 2);
    at(t, 20 * MS);
    write_segments(t, 2, 2);
    at(t, 40 * MS);
    write_segments(t, 4, 1);
    at(t, 40 * MS + RTT);
    sack(t, 0, 4, 5);
    out_segments(t, 0, 1); /* 0 + RTT + REO is over */
    out_none(t);
    expect_lost(t, 1);
    at(t, 20 * MS + RTT + REO - 1);
    expect_lost(t, 1);
    out_segment_at(t, 20 * MS + RTT + REO, 1);
    expect_lost(t, 2);
    rig_end(t);
}

/* "record the most recent Segment.xmit_ts ... if it is ahead"; RACK.rtt is of this ACK all the same. */
static void an_older_segment_arrives_later__rack_segment_stays_and_its_rtt_counts(void **state)
{
    struct rig *t = racking();
    (void)state;
    write_segments(t, 0, 2);
    at(t, 20 * MS);
    write_segments(t, 2, 2);
    at(t, 20 * MS + RTT);
    sack(t, 0, 3, 4);
    out_none(t);
    at(t, 122 * MS);
    sack2(t, 0, 1, 2, 3, 4); /* RACK.rtt is 122 ms now */
    out_none(t);
    out_segment_at(t, (122 + 25) * MS, 0);
    out_none(t);
    at(t, (20 + 122 + 25) * MS - 1);
    expect_lost(t, 0);
    out_segment_at(t, (20 + 122 + 25) * MS, 2);
    rig_end(t);
}

/* ---- Step 2: retransmissions that prove nothing -------------------------------------------------------- */

/* Of ten, 0 is thought lost and was sent again at RTT. */
static struct rig *resent_first(void)
{
    struct rig *t = racking();
    write_segments(t, 0, 10);
    at(t, RTT);
    sack(t, 0, 1, 4);
    out_segments(t, 0, 1);
    return t;
}

/* "The segment was last retransmitted less than RACK.min_rtt ago." */
static void copy__acknowledged_within_min_rtt__is_skipped(void **state)
{
    struct rig *t = resent_first();
    (void)state;
    at(t, 2 * RTT - 1);
    ack(t, 4);
    out_none(t);
    expect_lost(t, 0);
    rig_end(t);
}

/* With it comes proof: it was sent 100 ms after the rest, of which nothing has arrived. */
static void copy__acknowledged_after_min_rtt__condemns_what_was_sent_before_it(void **state)
{
    struct rig *t = resent_first();
    (void)state;
    at(t, 2 * RTT);
    ack(t, 4);
    out_segments(t, 4, 5);
    expect_lost(t, 1);
    expect_counted(t, RILL_RECOVERY, 1);
    rig_end(t);
}

#define TS_MSS 1448u
#define TS_START(k) (1 + (k)*TS_MSS)

static void with_rack_and_ts(struct rill_config *config, struct tcp_opts *opts)
{
    with_rack(config, opts);
    config->features |= 1u << RILL_FEATURE_TIMESTAMPS;
}

/* Of ten, 0 was sent again 100 ms later, when our clock said 200. */
static struct rig *resent_first_with_ts(void)
{
    struct rig *t =
        sacking_after(&(struct rig_setup){.edit = with_rack_and_ts,
                                          .peer_opts = "<mss 1460,sackOK,TS val 1000 ecr 0,nop,wscale 7>",
                                          .seg_opts = "<nop,nop,TS val 1000 ecr 0>"},
                      RTT);
    app_write(t, 10 * TS_MSS);
    for (unsigned int k = 0; k < 10; k++)
        out(t, "%s %u:%u(%u) ack 1 <nop,nop,TS val 100 ecr 1000>", k == 9 ? "P." : ".", TS_START(k),
            TS_START(k + 1), TS_MSS);
    at(t, RTT);
    in(t, ". 1:1(0) ack 1 <nop,nop,TS val 1100 ecr 100,nop,nop,sack %u:%u>", TS_START(1), TS_START(4));
    out(t, ". 1:%u(%u) ack 1 <nop,nop,TS val 200 ecr 1100>", TS_START(1), TS_MSS);
    return t;
}

/* "TSecr ... indicates the ACK was not acknowledging the last retransmission" */
static void copy__echo_of_the_original__is_skipped_however_late(void **state)
{
    struct rig *t = resent_first_with_ts();
    (void)state;
    at(t, 2 * RTT + 50 * MS);
    in(t, ". 1:1(0) ack %u <nop,nop,TS val 1250 ecr 199>", TS_START(4));
    out_none(t);
    expect_lost(t, 0);
    rig_end(t);
}

static void copy__echo_of_itself__counts(void **state)
{
    struct rig *t = resent_first_with_ts();
    (void)state;
    at(t, 2 * RTT + 50 * MS);
    in(t, ". 1:1(0) ack %u <nop,nop,TS val 1250 ecr 200>", TS_START(4));
    for (unsigned int k = 4; k < 9; k++)
        out(t, ". %u:%u(%u) ack 1 <nop,nop,TS val 350 ecr 1250>", TS_START(k), TS_START(k + 1), TS_MSS);
    out_none(t);
    rig_end(t);
}

/* Both conditions are needed: the echo may be right where the clock is coarse. */
static void copy__echo_of_itself_within_min_rtt__is_skipped(void **state)
{
    struct rig *t = resent_first_with_ts();
    (void)state;
    at(t, 2 * RTT - 1);
    in(t, ". 1:1(0) ack %u <nop,nop,TS val 1250 ecr 200>", TS_START(4));
    out_none(t);
    expect_lost(t, 0);
    rig_end(t);
}

/* ---- Step 3: reordering -------------------------------------------------------------------------------- */

static void original_below_fack__sacked_or_acknowledged__is_reordering(void **state)
{
    (void)state;
    for (int how = 0; how < 2; how++) {
        struct rig *t = racking();
        write_segments(t, 0, 10);
        at(t, RTT);
        sack(t, 0, 3, 4);
        expect_counted(t, RILL_REORDERING_SEEN, 0);
        if (how == 0)
            sack2(t, 0, 1, 2, 3, 4);
        else
            ack(t, 2);
        expect_counted(t, RILL_REORDERING_SEEN, 1);
        expect_counted(t, RILL_SEG_RESENT, 0);
        rig_end(t);
    }
}

static void copy_below_fack__is_no_reordering(void **state)
{
    struct rig *t = resent_first();
    (void)state;
    at(t, 2 * RTT - 1);
    ack(t, 4);
    expect_counted(t, RILL_REORDERING_SEEN, 0);
    rig_end(t);
}

static void in_order__sacked_or_acknowledged__is_no_reordering(void **state)
{
    struct rig *t = racking();
    (void)state;
    write_segments(t, 0, 10);
    at(t, RTT);
    ack(t, 2);
    sack(t, 2, 3, 4);
    sack(t, 2, 3, 5);
    sack2(t, 2, 6, 7, 3, 5); /* and what is above */
    out_segments(t, 2, 1);
    expect_counted(t, RILL_REORDERING_SEEN, 0);
    rig_end(t);
}

/* ---- Step 4: the reordering window --------------------------------------------------------------------- */

static void three_sacked_segments__no_reordering__no_window(void **state)
{
    struct rig *t = racking();
    (void)state;
    write_segments(t, 0, 10);
    at(t, RTT);
    sack(t, 0, 1, 2);
    sack(t, 0, 1, 3);
    out_none(t);
    sack(t, 0, 1, 4);
    out_segments(t, 0, 1);
    expect_window(t, 5, 5);
    at(t, RTT + 2 * REO); /* the first SACK had armed the timer, which has nothing to wait for any more */
    expect_counted(t, RILL_REORDER_FIRED, 0);
    rig_end(t);
}

static void three_sacked_segments__by_one_ack__no_window(void **state)
{
    struct rig *t = racking();
    (void)state;
    write_segments(t, 0, 10);
    at(t, RTT);
    sack(t, 0, 7, 10);
    out_segments(t, 0, 5); /* of seven */
    expect_lost(t, 2);
    rig_end(t);
}

/* RFC 6675 5 (3), limited transmit by SACK, goes on meanwhile and does not move the timer. */
static void two_sacked_segments__a_quarter_of_min_rtt(void **state)
{
    struct rig *t = racking();
    (void)state;
    app_write(t, PLENTY);
    out_segments(t, 0, 10);
    at(t, RTT);
    sack(t, 0, 1, 3);
    out_segments(t, 10, 2);
    out_none(t);
    out_segment_at(t, RTT + REO, 0);
    out_none(t);
    expect_window(t, 5, 5);
    expect_counted(t, RILL_REORDER_FIRED, 1);
    rig_end(t);
}

/* It may come between: what is late is no loss. */
static void within_the_window__arrives__nothing_is_resent(void **state)
{
    struct rig *t = racking();
    (void)state;
    write_segments(t, 0, 10);
    at(t, RTT);
    sack(t, 0, 1, 3);
    at(t, RTT + REO - 1);
    ack(t, 3);
    out_none(t);
    ack(t, 10);
    advance(t, 10 * SEC);
    expect_counted(t, RILL_SEG_RESENT, 0);
    expect_counted(t, RILL_RECOVERY, 0);
    rig_end(t);
}

static void in_recovery__no_reordering__no_window(void **state)
{
    struct rig *t = resent_first();
    (void)state;
    expect_lost(t, 0);
    at(t, RTT + 5 * MS);
    sack2(t, 0, 5, 6, 1, 4);
    expect_lost(t, 1);
    rig_end(t);
}

/* Not for the number of SACKed segments, which is two. */
static void in_recovery__two_sacked_segments__no_window(void **state)
{
    struct rig *t = racking();
    (void)state;
    write_segments(t, 0, 10);
    at(t, RTT);
    sack(t, 0, 1, 2);
    out_segment_at(t, RTT + REO, 0);
    at(t, RTT + 30 * MS);
    sack2(t, 0, 4, 5, 1, 2);
    expect_lost(t, 2);
    rig_end(t);
}

/* Of segments of 100 bytes, each reported by an ACK of its own. */
static void three_sacked_segments__small_ones__no_window(void **state)
{
    struct rig *t = sacking_after(&(struct rig_setup){.edit = with_rack, .nodelay = true}, RTT);
    (void)state;
    for (unsigned int k = 0; k < 5; k++) {
        app_write(t, 100);
        out(t, "P. %u:%u(100) ack 1", 1 + 100 * k, 101 + 100 * k);
    }
    at(t, RTT);
    in(t, ". 1:1(0) ack 1 <nop,nop,sack 101:201>");
    in(t, ". 1:1(0) ack 1 <nop,nop,sack 101:301>");
    in(t, ". 1:1(0) ack 1 <nop,nop,sack 101:301>"); /* nothing new in it */
    out_none(t);
    in(t, ". 1:1(0) ack 1 <nop,nop,sack 101:401>");
    out(t, ". 1:101(100) ack 1");
    rig_end(t);
}

static void reordering_seen__three_sacked_segments__still_wait(void **state)
{
    struct rig *t = racking();
    (void)state;
    write_segments(t, 0, 10);
    at(t, RTT);
    sack(t, 0, 1, 3);
    ack(t, 3);
    sack(t, 3, 4, 8);
    out_none(t);
    out_segment_at(t, RTT + REO, 3);
    at(t, RTT + 30 * MS); /* in recovery, too: RACK.rtt is 130 ms now */
    sack2(t, 3, 9, 10, 4, 8);
    expect_lost(t, 0);
    at(t, RTT + 30 * MS + REO - 1);
    expect_lost(t, 0);
    out_segment_at(t, RTT + 30 * MS + REO, 8);
    rig_end(t);
}

/* Copies have the same patience. */
static void reordering_seen__a_lost_copy__waits_as_well(void **state)
{
    struct rig *t = racking();
    (void)state;
    write_segments(t, 0, 10);
    at(t, RTT);
    sack(t, 0, 1, 3);
    ack(t, 3);
    sack(t, 3, 4, 8);
    out_segment_at(t, 125 * MS, 3);
    at(t, 130 * MS);
    sack(t, 3, 4, 10);
    at(t, 135 * MS);
    write_segments(t, 10, 1);
    at(t, 235 * MS);
    sack(t, 3, 4, 11);
    out_none(t);
    out_segment_at(t, (125 + 100 + 25) * MS, 3);
    rig_end(t);
}

/* DEVIATES: never less than 2 ms, for timers that are as coarse. */
static void timer__of_a_short_path__waits_two_milliseconds(void **state)
{
    struct rig *t = sacking_after(&(struct rig_setup){.edit = with_rack}, 400);
    (void)state;
    write_segments(t, 0, 10);
    at(t, 400);
    sack(t, 0, 1, 2);
    out_segment_at(t, 400 + 2 * MS, 0);
    rig_end(t);
    t = sacking_after(&(struct rig_setup){.edit = with_rack}, 400);
    write_segments(t, 0, 10);
    at(t, 400);
    sack(t, 0, 1, 2);
    at(t, 499);
    sack(t, 0, 1, 3); /* RACK.rtt 499 us and the window: not yet */
    out_none(t);
    at(t, 700);
    in(t, ". 1:1(0) ack 1 <nop,nop,sack %u:%u>", start_of(1), start_of(3)); /* an ACK is a time as well */
    out_segments(t, 0, 1);
    rig_end(t);
}

/* ---- Step 5: retransmissions that are lost ------------------------------------------------------------- */

/* Found by what was sent after the copy: at 102 ms, where the copy left at 100 ms. */
static void copy_lost__new_data_behind_it_arrives__is_resent_at_once(void **state)
{
    struct rig *t = racking();
    (void)state;
    app_write(t, PLENTY);
    out_segments(t, 0, 10);
    at(t, RTT);
    sack(t, 0, 1, 4);
    out_segments(t, 0, 1);
    at(t, RTT + 2 * MS);
    sack(t, 0, 1, 10);
    out_segments(t, 10, 4);
    at(t, 2 * RTT + 2 * MS);
    expect_lost(t, 0);
    expect_counted(t, RILL_SEG_RESENT, 1);
    sack(t, 0, 1, 11);
    out_segments(t, 0, 1);
    out_segments(t, 14, 1);
    at(t, 2 * RTT + 3 * MS);
    sack(t, 0, 1, 14); /* what was sent before the second copy says nothing of it */
    out_segments(t, 15, 3);
    expect_counted(t, RILL_SEG_RESENT, 2);
    expect_counted(t, RILL_RECOVERY, 1);
    expect_counted(t, RILL_RTO_FIRED, 0);
    rig_end(t);
}

/* Another copy may be the witness: both left at RTT, the lower one first. */
static void copy_lost__a_later_copy_arrives__is_resent(void **state)
{
    struct rig *t = racking();
    (void)state;
    write_segments(t, 0, 10);
    at(t, RTT);
    sack2(t, 0, 5, 10, 1, 4);
    out_segments(t, 0, 1);
    out_segments(t, 4, 1);
    at(t, 2 * RTT + 1);
    sack(t, 0, 1, 10);
    out_segments(t, 0, 1);
    out_none(t);
    expect_counted(t, RILL_SEG_RESENT, 3);
    rig_end(t);
}

/* ---- 6.3 ----------------------------------------------------------------------------------------------- */

/* RTO is 250 ms after a second sample of 100 ms.  4 and 5 leave 50 ms before it fires. */
static struct rig *timed_out(void)
{
    struct rig *t = racking();
    write_segments(t, 0, 1);
    at(t, RTT);
    ack(t, 1);
    mark(t);
    write_segments(t, 1, 3);
    at(t, 200 * MS);
    write_segments(t, 4, 2);
    out_segment_at(t, 250 * MS, 1);
    out_none(t);
    return t;
}

static void timeout__marks_the_first_and_what_is_old(void **state)
{
    struct rig *t = timed_out();
    (void)state;
    expect_counted(t, RILL_RTO_FIRED, 1);
    expect_lost(t, 2);
    assert_int_equal(t->peer[0].c->cc.cwnd, SMSS);
    rig_end(t);
}

static void timeout__young_ones__are_lost_when_the_copy_arrives(void **state)
{
    struct rig *t = timed_out();
    (void)state;
    at(t, 250 * MS + RTT);
    ack(t, 2);
    out_segments(t, 2, 2);
    expect_lost(t, 2);
    rig_end(t);
    t = timed_out();
    at(t, 250 * MS + RTT); /* or are acknowledged and were none */
    ack(t, 6);
    out_none(t);
    expect_counted(t, RILL_SEG_RESENT, 1);
    rig_end(t);
}

/* "If SEG.SEQ == SND.UNA OR": RACK.rtt is 299 ms by then, the copy 300 ms old less the 1 ms that is missing.
 */
static void timeout__first_segment__is_marked_whatever_its_age(void **state)
{
    struct rig *t = resent_first();
    (void)state;
    at(t, 399 * MS);
    sack2(t, 0, 5, 6, 1, 4);
    expect_lost(t, 1);
    out_segment_at(t, RTT + 300 * MS, 0);
    out_none(t);
    expect_counted(t, RILL_RTO_FIRED, 1);
    expect_lost(t, 5); /* and what left at 0 */
    rig_end(t);
}

/* RFC 8985 6.2 step 4: "in Fast or RTO recovery" there is no window. */
static void timeout__sacks_after_it__no_window(void **state)
{
    struct rig *t = timed_out();
    (void)state;
    at(t, 300 * MS);
    sack(t, 1, 5, 6);
    expect_lost(t, 3);
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sent_at_one_time__only_lower_numbers_are_lost),
        cmocka_unit_test(sent_at_one_time__the_last_arrives__all_before_it_are_lost),
        cmocka_unit_test(sent_at_several_times__each_is_lost_a_window_after_its_own),
        cmocka_unit_test(an_older_segment_arrives_later__rack_segment_stays_and_its_rtt_counts),
        cmocka_unit_test(copy__acknowledged_within_min_rtt__is_skipped),
        cmocka_unit_test(copy__acknowledged_after_min_rtt__condemns_what_was_sent_before_it),
        cmocka_unit_test(copy__echo_of_the_original__is_skipped_however_late),
        cmocka_unit_test(copy__echo_of_itself__counts),
        cmocka_unit_test(copy__echo_of_itself_within_min_rtt__is_skipped),
        cmocka_unit_test(original_below_fack__sacked_or_acknowledged__is_reordering),
        cmocka_unit_test(copy_below_fack__is_no_reordering),
        cmocka_unit_test(in_order__sacked_or_acknowledged__is_no_reordering),
        cmocka_unit_test(three_sacked_segments__no_reordering__no_window),
        cmocka_unit_test(three_sacked_segments__by_one_ack__no_window),
        cmocka_unit_test(three_sacked_segments__small_ones__no_window),
        cmocka_unit_test(two_sacked_segments__a_quarter_of_min_rtt),
        cmocka_unit_test(within_the_window__arrives__nothing_is_resent),
        cmocka_unit_test(in_recovery__no_reordering__no_window),
        cmocka_unit_test(in_recovery__two_sacked_segments__no_window),
        cmocka_unit_test(reordering_seen__three_sacked_segments__still_wait),
        cmocka_unit_test(reordering_seen__a_lost_copy__waits_as_well),
        cmocka_unit_test(timer__of_a_short_path__waits_two_milliseconds),
        cmocka_unit_test(copy_lost__new_data_behind_it_arrives__is_resent_at_once),
        cmocka_unit_test(copy_lost__a_later_copy_arrives__is_resent),
        cmocka_unit_test(timeout__marks_the_first_and_what_is_old),
        cmocka_unit_test(timeout__young_ones__are_lost_when_the_copy_arrives),
        cmocka_unit_test(timeout__first_segment__is_marked_whatever_its_age),
        cmocka_unit_test(timeout__sacks_after_it__no_window),
    };
    return cmocka_run_group_tests_name("rack", tests, NULL, NULL);
}
