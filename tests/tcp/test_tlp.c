/* test_tlp.c - tail loss probes: when, what, and what their acknowledgement proves.  RFC 8985 7. */
#include "sacking.h"

#define PTO (2 * RTT)    /* SRTT is 100 ms */
#define RTO_1 (300 * MS) /* RFC 6298 2.2: 100 + 4 * 50 */

/* "P. ..." of segment k, the last one that was written. */
#define out_last_at(t, us, k) out_at(t, us, "P. %u:%u(%u) ack 1", start_of(k), start_of((k) + 1), SMSS)

/* ---- 7.2: when ----------------------------------------------------------------------------------------- */

static void pto__is_twice_srtt_and_then_the_rto_counts_anew(void **state)
{
    struct rig *t = probing();
    (void)state;
    write_segments(t, 0, 3);
    out_last_at(t, PTO, 2);
    out_none(t);
    expect_counted(t, RILL_LOSS_PROBE, 1);
    expect_counted(t, RILL_RTO_FIRED, 0);
    assert_int_equal(t->peer[0].c->cc.cwnd, 10 * SMSS);
    rig_end(t);
}

/* 7.3: "MUST re-arm the RTO timer, not the PTO timer". */
static void probe__without_an_answer__the_rto_follows_and_no_second_probe(void **state)
{
    struct rig *t = probing();
    (void)state;
    write_segments(t, 0, 3);
    out_last_at(t, PTO, 2);
    out_segment_at(t, PTO + RTO_1, 0);
    expect_counted(t, RILL_LOSS_PROBE, 1);
    expect_counted(t, RILL_RTO_FIRED, 1);
    rig_end(t);
}

static void rto_of_a_second(struct rill_config *config, struct tcp_opts *opts)
{
    with_tlp(config, opts);
    config->rto_min_us = SEC;
}

/* TLP.max_ack_delay, 200 ms, "when the FlightSize is one segment"; DEVIATES: or less than two. */
static void pto__one_segment__waits_for_the_delayed_ack(void **state)
{
    struct rig_setup setup = {.edit = rto_of_a_second, .nodelay = true};
    struct rig *t = sacking_after(&setup, RTT);
    (void)state;
    write_segments(t, 0, 1);
    out_last_at(t, PTO + 200 * MS, 0);
    rig_end(t);
    t = sacking_after(&setup, RTT);
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    app_write(t, 100);
    out(t, "P. 101:201(100) ack 1");
    out_at(t, PTO + 200 * MS, "P. 1:201(200) ack 1"); /* both fit into one */
    rig_end(t);
    t = sacking_after(&setup, RTT);
    write_segments(t, 0, 2);
    out_last_at(t, PTO, 1);
    rig_end(t);
}

/* "If Now() + PTO > TCP_RTO_expiration()": at that time, and it is the probe that leaves. */
static void pto__later_than_the_rto__the_probe_leaves_in_its_place(void **state)
{
    struct rig *t = probing();
    (void)state;
    write_segments(t, 0, 1);
    out_last_at(t, RTO_1, 0);
    expect_counted(t, RILL_LOSS_PROBE, 1);
    expect_counted(t, RILL_RTO_FIRED, 0);
    out_last_at(t, 2 * RTO_1, 0);
    expect_counted(t, RILL_RTO_FIRED, 1);
    rig_end(t);
}

static void pto__without_srtt__is_one_second(void **state)
{
    struct rig *t = rig_syn_sent(&(struct rig_setup){.edit = with_tlp});
    (void)state;
    out_after(t, SEC, "S 0:0(0) <*>"); /* Karn: its acknowledgement is no sample */
    in(t, "S. 0:0(0) ack 1 " SYN_SACK);
    out(t, ". 1:1(0) ack 1");
    mark(t);
    write_segments(t, 0, 2);
    out_last_at(t, SEC, 1);
    expect_counted(t, RILL_LOSS_PROBE, 1);
    rig_end(t);
}

static void pto__restarts_with_new_data_and_with_its_acknowledgement(void **state)
{
    struct rig *t = probing();
    (void)state;
    write_segments(t, 0, 2);
    at(t, 50 * MS);
    write_segments(t, 2, 2);
    at(t, 50 * MS + PTO - 1);
    expect_counted(t, RILL_LOSS_PROBE, 0);
    out_last_at(t, 50 * MS + PTO, 3);
    rig_end(t);
    t = probing();
    write_segments(t, 0, 4);
    at(t, 150 * MS);
    ack(t, 2); /* SRTT = 7/8 * 100 + 1/8 * 150 */
    out_last_at(t, 150 * MS + 212500, 3);
    expect_counted(t, RILL_LOSS_PROBE, 1);
    rig_end(t);
}

static void pto__an_ack_of_nothing_new__does_not_restart_it(void **state)
{
    struct rig *t = probing();
    (void)state;
    write_segments(t, 0, 2);
    at(t, 150 * MS);
    ack(t, 0);
    in(t, ". 1:1(0) ack 1 win 60000");
    out_last_at(t, PTO, 1);
    rig_end(t);
}

static void without_tlp__there_is_no_probe(void **state)
{
    struct rig *t = racking();
    (void)state;
    write_segments(t, 0, 3);
    out_segment_at(t, RTO_1, 0);
    expect_counted(t, RILL_LOSS_PROBE, 0);
    rig_end(t);
}

static void peer_without_sack__there_is_no_probe(void **state)
{
    struct rig *t =
        sacking_after(&(struct rig_setup){.edit = with_tlp, .peer_opts = "<mss 1460,nop,wscale 7>"}, RTT);
    (void)state;
    write_segments(t, 0, 3);
    out_segment_at(t, RTO_1, 0);
    expect_counted(t, RILL_LOSS_PROBE, 0);
    rig_end(t);
}

/* "unless it is already in fast recovery, RTO recovery, or segments have been SACKed" */
static void in_recovery__new_data_and_partial_acks__arm_no_probe(void **state)
{
    struct rig *t = probing();
    (void)state;
    write_segments(t, 0, 10);
    at(t, RTT);
    sack(t, 0, 1, 4);
    out_segments(t, 0, 1);
    at(t, RTT + 1 * MS);
    sack(t, 0, 1, 8);
    write_segments(t, 10, 1);
    at(t, RTT + 50 * MS);
    ack(t, 8); /* within min_RTT: nothing is known of 8 and 9 */
    out_none(t);
    let_pass(t, 2 * SEC);
    expect_counted(t, RILL_LOSS_PROBE, 0);
    assert_true(rill_counter(t->e, RILL_RTO_FIRED) > 0);
    rig_end(t);
}

static void after_a_timeout__no_probe(void **state)
{
    struct rig *t = probing();
    (void)state;
    write_segments(t, 0, 6);
    out_last_at(t, PTO, 5);
    out_segment_at(t, PTO + RTO_1, 0);
    at(t, PTO + RTO_1 + RTT);
    ack(t, 1);
    out_segments(t, 1, 2);
    let_pass(t, 3 * SEC);
    expect_counted(t, RILL_LOSS_PROBE, 1);
    rig_end(t);
}

static void sacked_data__no_probe_but_the_reordering_timer(void **state)
{
    struct rig *t = probing();
    (void)state;
    write_segments(t, 0, 3);
    at(t, 150 * MS);
    sack(t, 0, 1, 2);
    write_segments(t, 3, 1);               /* new data arms no probe now */
    out_segment_at(t, (150 + 25) * MS, 0); /* RACK.rtt is 150, the window 25 ms: 0 + 175 */
    expect_counted(t, RILL_LOSS_PROBE, 0);
    expect_counted(t, RILL_REORDER_FIRED, 1);
    rig_end(t);
}

/* ---- 7.3: what ----------------------------------------------------------------------------------------- */

/* "The FlightSize could be one packet greater than the congestion window". */
static void probe__unsent_data__goes_beyond_the_congestion_window(void **state)
{
    struct rig *t = probing();
    (void)state;
    app_write(t, PLENTY);
    out_segments(t, 0, 10);
    out_segment_at(t, PTO, 10);
    out_none(t);
    expect_counted(t, RILL_SEG_RESENT, 0);
    out_segment_at(t, PTO + RTO_1, 0);
    rig_end(t);
}

static void probe__unsent_data_beyond_the_peers_window__resends_the_last(void **state)
{
    static const unsigned int window[] = {10 * SMSS, 10 * SMSS + 700};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(window); i++) { /* "fits the peer receive window limit" */
        struct rig *t = sacking_after(&(struct rig_setup){.edit = with_tlp,
                                                          .peer_opts = "<mss 1460,nop,nop,sackOK>",
                                                          .peer_win = (uint16_t)window[i]},
                                      RTT);
        app_write(t, PLENTY);
        out_segments(t, 0, 10);
        out_segment_at(t, PTO, 9);
        out_none(t);
        rig_end(t);
    }
}

/* What Nagle's rule holds back is unsent data. */
static void probe__small_data_that_waits__goes(void **state)
{
    struct rig *t = probing();
    (void)state;
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    app_write(t, 50);
    out_none(t);
    out_at(t, RTO_1, "P. 101:151(50) ack 1");
    expect_counted(t, RILL_LOSS_PROBE, 1);
    rig_end(t);
}

static void probe__the_fin_is_lost__goes_with_it(void **state)
{
    struct rig *t = probing();
    (void)state;
    write_segments(t, 0, 2);
    app_shut(t);
    out(t, "F. %u:%u(0) ack 1", start_of(2), start_of(2));
    out_at(t, PTO, "FP. %u:%u(%u) ack 1", start_of(1) + 1, start_of(2), SMSS - 1); /* SMSS positions */
    in(t, ". 1:1(0) ack %u", start_of(2) + 1);
    expect_state(t, RILL_FIN_WAIT_2);
    rig_end(t);
}

/* "no other previous loss probe still in flight" */
static void probe__until_it_is_acknowledged__there_is_no_other(void **state)
{
    struct rig *t = probing();
    (void)state;
    app_write(t, PLENTY);
    out_segments(t, 0, 10);
    out_segment_at(t, PTO, 10);
    at(t, PTO + 10 * MS);
    ack(t, 9); /* a sample, but the probe is out */
    expect_counted(t, RILL_LOSS_PROBE, 1);
    let_pass(t, 3 * SEC);
    expect_counted(t, RILL_LOSS_PROBE, 1);
    rig_end(t);
}

/* "the sender has obtained an RTT measurement since the last loss probe": else a path that has become longer
 * than PTO would never be measured, because each segment is sent twice (Karn). */
static void probe__without_a_sample_since__there_is_no_other(void **state)
{
    struct rig *t = probing();
    (void)state;
    write_segments(t, 0, 2);
    out_last_at(t, PTO, 1);
    at(t, PTO + 10 * MS);
    ack(t, 2); /* of which copy? */
    at(t, PTO + 20 * MS);
    sack(t, 2, 1, 2); /* both have arrived: 7.4.2, case 1 */
    mark(t);
    write_segments(t, 2, 2);
    out_segment_at(t, RTO_1, 2);
    expect_counted(t, RILL_LOSS_PROBE, 0);
    expect_counted(t, RILL_RTO_FIRED, 1);
    rig_end(t);
}

static void probe__after_a_sample__there_may_be_another(void **state)
{
    struct rig *t = probing();
    (void)state;
    write_segments(t, 0, 2);
    out_last_at(t, PTO, 1);
    at(t, PTO + 10 * MS);
    ack(t, 2);
    sack(t, 2, 1, 2);
    mark(t);
    write_segments(t, 2, 2);
    at(t, RTT);
    ack(t, 4); /* each was sent once */
    mark(t);
    write_segments(t, 4, 2);
    out_last_at(t, PTO, 5);
    expect_counted(t, RILL_LOSS_PROBE, 1);
    rig_end(t);
}

static void with_tlp_and_ts(struct rill_config *config, struct tcp_opts *opts)
{
    with_tlp(config, opts);
    config->features |= 1u << RILL_FEATURE_TIMESTAMPS;
}

static void write_two_with_ts(struct rig *t, uint32_t from)
{
    app_write(t, 2 * 1448);
    out(t, ". %u:%u(1448) ack 1 <*>", from, from + 1448);
    out(t, "P. %u:%u(1448) ack 1 <*>", from + 1448, from + 2896);
}

/* Timestamps tell the copies apart: RFC 7323 4. */
static void probe__after_a_sample_by_timestamp__there_may_be_another(void **state)
{
    struct rig *t =
        sacking_after(&(struct rig_setup){.edit = with_tlp_and_ts,
                                          .peer_opts = "<mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7>",
                                          .seg_opts = "<nop,nop,TS val 1 ecr 0>"},
                      RTT);
    (void)state;
    write_two_with_ts(t, 1);
    out_at(t, PTO, "P. 1449:2897(1448) ack 1 <*>");
    at(t, PTO + RTT);
    in(t, ". 1:1(0) ack 2897 <nop,nop,TS val 9 ecr 300>"); /* the copy: 100 ms as before */
    in(t, ". 1:1(0) ack 2897 <nop,nop,TS val 9 ecr 300,nop,nop,sack 1449:2897>");
    mark(t);
    write_two_with_ts(t, 2897);
    out_at(t, PTO, "P. 4345:5793(1448) ack 1 <*>");
    expect_counted(t, RILL_LOSS_PROBE, 1);
    rig_end(t);
}

/* ---- 7.4: what its acknowledgement proves -------------------------------------------------------------- */

/* Six segments, of which the last was sent again. */
static struct rig *probed(void)
{
    struct rig *t = probing();
    write_segments(t, 0, 6);
    out_last_at(t, PTO, 5);
    return t;
}

static void expect_no_response(struct rig *t)
{
    expect_counted(t, RILL_LOSS_PROBE_REPAIRED, 0);
    assert_int_equal(t->peer[0].c->cc.ssthresh, CC_SSTHRESH_NONE);
    assert_true(t->peer[0].c->cc.cwnd >= 10 * SMSS);
}

/* New data afterwards, acknowledged. */
static void one_more(struct rig *t, unsigned int k)
{
    write_segments(t, k, 1);
    advance(t, RTT);
    ack(t, k + 1);
    out_none(t);
}

/* "If not TLP.is_retrans" */
static void acked__new_data__is_no_congestion(void **state)
{
    struct rig *t = probing();
    (void)state;
    app_write(t, 11 * SMSS);
    out_segments(t, 0, 10);
    out_last_at(t, PTO, 10);
    at(t, PTO + RTT);
    ack(t, 11);
    expect_no_response(t);
    one_more(t, 11);
    expect_no_response(t);
    rig_end(t);
}

/* Case 1 */
static void acked__dsack_of_the_probe__is_no_congestion(void **state)
{
    struct rig *t = probed();
    (void)state;
    at(t, PTO + 10 * MS);
    ack(t, 6);
    expect_no_response(t);
    at(t, PTO + RTT);
    sack(t, 6, 5, 6);
    one_more(t, 6);
    expect_no_response(t);
    rig_end(t);
}

/* "matching TLP.end_seq": another duplicate proves nothing. */
static void acked__dsack_of_something_else__is_congestion(void **state)
{
    struct rig *t = probed();
    (void)state;
    at(t, PTO + 10 * MS);
    ack(t, 6);
    sack(t, 6, 3, 4);
    one_more(t, 6);
    expect_counted(t, RILL_LOSS_PROBE_REPAIRED, 1);
    rig_end(t);
}

/* Case 2: a peer that does not know D-SACK. */
static void acked__duplicate_ack_without_sack__is_no_congestion(void **state)
{
    struct rig *t = probed();
    (void)state;
    at(t, PTO + 10 * MS);
    ack(t, 6);
    at(t, PTO + RTT);
    ack(t, 6);
    one_more(t, 6);
    expect_no_response(t);
    rig_end(t);
}

/* The ACK of exactly the probe may be the original's. */
static void acked__exactly__is_not_decided_yet(void **state)
{
    struct rig *t = probed();
    (void)state;
    at(t, PTO + RTT);
    ack(t, 6);
    expect_no_response(t);
    in(t, "P. 1:11(10) ack %u", start_of(6)); /* data is no duplicate ACK */
    out_after(t, t->config.delack_us, ". %u:%u(0) ack 11", start_of(6), start_of(6));
    in(t, "P. 11:21(10) ack %u", start_of(6));
    out_after(t, t->config.delack_us, ". %u:%u(0) ack 21", start_of(6), start_of(6));
    expect_no_response(t);
    app_write(t, SMSS);
    out(t, "P. %u:%u(%u) ack 21", start_of(6), start_of(7), SMSS);
    in(t, ". 21:21(0) ack %u", start_of(7));
    expect_counted(t, RILL_LOSS_PROBE_REPAIRED, 1);
    rig_end(t);
}

/* "Repaired the single loss": as for a fast recovery, once. */
static void acked__beyond_the_probe__halves_the_window_once(void **state)
{
    struct rig *t = probed();
    (void)state;
    at(t, PTO + RTT);
    ack(t, 6);
    write_segments(t, 6, 4);
    advance(t, RTT);
    ack(t, 7);
    expect_counted(t, RILL_LOSS_PROBE_REPAIRED, 1);
    assert_int_equal(t->peer[0].c->cc.ssthresh, 2 * SMSS); /* the flight was four */
    ack(t, 10);
    one_more(t, 10);
    expect_counted(t, RILL_LOSS_PROBE_REPAIRED, 1);
    expect_counted(t, RILL_SEG_RESENT, 1);
    assert_int_equal(t->peer[0].c->cc.ssthresh, 2 * SMSS);
    rig_end(t);
}

/* 7.1: "Reset TLP.is_retrans and TLP.end_seq when initiating ... fast recovery".  One loss event, one
 * reduction. */
static void fast_recovery__after_a_probe__is_the_only_response(void **state)
{
    struct rig *t = probed();
    uint32_t ssthresh;
    (void)state;
    at(t, PTO + RTT);
    sack(t, 0, 5, 6); /* 7.4.1: RACK finds 0 to 4 */
    expect_counted(t, RILL_RECOVERY, 1);
    ssthresh = t->peer[0].c->cc.ssthresh;
    assert_int_equal(ssthresh, 3 * SMSS);
    out_segments(t, 0, 3);
    at(t, PTO + 2 * RTT);
    ack(t, 3);
    out_segments(t, 3, 2);
    at(t, PTO + 3 * RTT);
    ack(t, 6);
    for (unsigned int k = 6; k < 9; k++)
        one_more(t, k);
    expect_counted(t, RILL_LOSS_PROBE_REPAIRED, 0);
    assert_int_equal(t->peer[0].c->cc.ssthresh, ssthresh);
    rig_end(t);
}

/* ---- Tails --------------------------------------------------------------------------------------------- */

static void tail__the_last_n_of_ten_are_lost__no_timeout(void **state)
{
    (void)state;
    for (unsigned int n = 1; n <= 5; n++) {
        struct rig *t = probing();
        struct path peer = {.n = 0};
        write_segments(t, 0, 10);
        at(t, RTT);
        for (unsigned int k = 0; k < 10 - n; k++) {
            peer.holds[k] = true;
            ack(t, k + 1);
        }
        /* One segment: SRTT 100, RTO 250 ms, before 2 * SRTT + 200. */
        advance(t, (n == 1 ? 2 * RTT + 50 * MS : PTO) - 1);
        out_none(t);
        out_after(t, 1, "P. %u:%u(%u) ack 1", start_of(9), start_of(10), SMSS);
        expect_counted(t, RILL_LOSS_PROBE, 1);
        path_sends(t, &peer, 9);
        path_runs(t, &peer, 5 * RTT);
        assert_int_equal(tcp_flight(t->peer[0].c), 0);
        expect_counted(t, RILL_RTO_FIRED, 0);
        expect_counted(t, RILL_SEG_RESENT, n);
        rig_end(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pto__is_twice_srtt_and_then_the_rto_counts_anew),
        cmocka_unit_test(probe__without_an_answer__the_rto_follows_and_no_second_probe),
        cmocka_unit_test(pto__one_segment__waits_for_the_delayed_ack),
        cmocka_unit_test(pto__later_than_the_rto__the_probe_leaves_in_its_place),
        cmocka_unit_test(pto__without_srtt__is_one_second),
        cmocka_unit_test(pto__restarts_with_new_data_and_with_its_acknowledgement),
        cmocka_unit_test(pto__an_ack_of_nothing_new__does_not_restart_it),
        cmocka_unit_test(without_tlp__there_is_no_probe),
        cmocka_unit_test(peer_without_sack__there_is_no_probe),
        cmocka_unit_test(in_recovery__new_data_and_partial_acks__arm_no_probe),
        cmocka_unit_test(after_a_timeout__no_probe),
        cmocka_unit_test(sacked_data__no_probe_but_the_reordering_timer),
        cmocka_unit_test(probe__unsent_data__goes_beyond_the_congestion_window),
        cmocka_unit_test(probe__unsent_data_beyond_the_peers_window__resends_the_last),
        cmocka_unit_test(probe__small_data_that_waits__goes),
        cmocka_unit_test(probe__the_fin_is_lost__goes_with_it),
        cmocka_unit_test(probe__until_it_is_acknowledged__there_is_no_other),
        cmocka_unit_test(probe__without_a_sample_since__there_is_no_other),
        cmocka_unit_test(probe__after_a_sample__there_may_be_another),
        cmocka_unit_test(probe__after_a_sample_by_timestamp__there_may_be_another),
        cmocka_unit_test(acked__new_data__is_no_congestion),
        cmocka_unit_test(acked__dsack_of_the_probe__is_no_congestion),
        cmocka_unit_test(acked__dsack_of_something_else__is_congestion),
        cmocka_unit_test(acked__duplicate_ack_without_sack__is_no_congestion),
        cmocka_unit_test(acked__exactly__is_not_decided_yet),
        cmocka_unit_test(acked__beyond_the_probe__halves_the_window_once),
        cmocka_unit_test(fast_recovery__after_a_probe__is_the_only_response),
        cmocka_unit_test(tail__the_last_n_of_ten_are_lost__no_timeout),
    };
    return cmocka_run_group_tests_name("tlp", tests, NULL, NULL);
}
