/* test_rto.c - the retransmission timeout and its timer: RFC 6298, RFC 9293 3.8.1, MUST-18, MUST-19. */
#include "sending.h"

/* ---- The model: RFC 6298 2 in floating point ----------------------------------------------------------- */

struct model {
    double srtt, rttvar;
};

static void model_sample(struct model *m, double r)
{
    if (m->srtt == 0) { /* 2.2 */
        m->srtt = r;
        m->rttvar = r / 2;
    } else { /* 2.3: in this order */
        double distance = m->srtt > r ? m->srtt - r : r - m->srtt;
        m->rttvar = 0.75 * m->rttvar + 0.25 * distance;
        m->srtt = 0.875 * m->srtt + 0.125 * r;
    }
}

static uint64_t model_rto(const struct model *m) { return (uint64_t)(m->srtt + 4 * m->rttvar); }

/* A passive connection whose SYN,ACK took this long to be acknowledged. */
static struct rig *established_after(const struct rig_setup *setup, uint64_t rtt_us)
{
    struct rig *t = rig_syn_received(setup);
    advance(t, rtt_us);
    in(t, ". 1:1(0) ack 1");
    app_accept(t, 0);
    mark(t);
    return t;
}

/* ---- What it is ---------------------------------------------------------------------------------------- */

/* 2.1 and 5.5; MUST-23 is in test_timeouts.c. */
static void rto__before_the_first_sample__is_1_s_and_doubles(void **state)
{
    (void)state;
    struct rig *t = rig_syn_sent(NULL);
    for (unsigned int k = 1; k <= 7; k++)
        out_at(t, SEC * ((1u << k) - 1), "S 0:0(0) <*>");
    rig_end(t);
    t = rig_syn_received(NULL);
    for (unsigned int k = 1; k <= 5; k++)
        out_at(t, SEC * ((1u << k) - 1), "S. 0:0(0) ack 1 <*>");
    rig_end(t);
}

/* 2.2: SRTT = R, RTTVAR = R/2, RTO = SRTT + 4 RTTVAR. */
static void rto__after_the_first_sample__is_3_R(void **state)
{
    (void)state;
    struct rig *t = established_after(NULL, 100 * MS);
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    out_at(t, 300 * MS, "P. 1:101(100) ack 1");
    rig_end(t);
    t = rig_syn_sent(NULL);
    advance(t, 100 * MS);
    in(t, "S. 0:0(0) ack 1 <mss 1460,nop,wscale 7>");
    out(t, ". 1:1(0) ack 1");
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    out_after(t, 300 * MS, "P. 1:101(100) ack 1");
    rig_end(t);
}

/* 2.3, and 3: each round trip is a sample.  The unit makes all of the model's numbers whole. */
static void rto__after_more_samples__follows_the_model(void **state)
{
    const uint64_t unit = 1 << 16, rtt[] = {4 * unit, 8 * unit, 2 * unit, 12 * unit, 3 * unit, 9 * unit};
    (void)state;
    for (unsigned int n = 1; n <= COUNT_OF(rtt); n++) {
        struct model m = {0};
        struct rig *t = established_after(NULL, rtt[0]);
        unsigned int pos = 1;
        model_sample(&m, (double)rtt[0]);
        for (unsigned int i = 1; i < n; i++, pos += 100) {
            app_write(t, 100);
            out(t, "P. %u:%u(100) ack 1", pos, pos + 100);
            advance(t, rtt[i]);
            in(t, ". 1:1(0) ack %u", pos + 100);
            model_sample(&m, (double)rtt[i]);
        }
        app_write(t, 100);
        out(t, "P. %u:%u(100) ack 1", pos, pos + 100);
        out_after(t, model_rto(&m), "P. %u:%u(100) ack 1", pos, pos + 100);
        rig_end(t);
    }
}

/* 3: a sample is the time between a segment and its own acknowledgement, while others are on their way. */
static void rto__acks_of_earlier_segments__are_no_samples_of_later_ones(void **state)
{
    (void)state;
    struct rig *t = established_after(NULL, 100 * MS);
    app_write(t, PLENTY);
    out_segments(t, 0, 10);
    at(t, 100 * MS);
    ack(t, 1); /* SRTT 100, RTTVAR 3/4 * 50 */
    out_segments(t, 10, 2);
    at(t, 101 * MS);
    for (unsigned int k = 2; k <= 10; k++) {
        ack(t, k);
        out_segments(t, 8 + 2 * k, 2);
    }
    out_at(t, 351 * MS, ". %u:%u(%u) ack 1", start_of(10), start_of(11), SMSS);
    rig_end(t);
}

static void whole_second(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->rto_min_us = 1 * SEC;
}

/* 2.4, with the floor that the configuration has. */
static void rto__computed_below_the_floor__is_the_floor(void **state)
{
    (void)state;
    struct rig *t = established_after(NULL, 10 * MS);
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    out_at(t, 200 * MS, "P. 1:101(100) ack 1");
    rig_end(t);
    t = established_after(&(struct rig_setup){.edit = whole_second}, 10 * MS);
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    out_at(t, 1 * SEC, "P. 1:101(100) ack 1");
    rig_end(t);
}

static void a_minute_at_most(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->rto_max_us = 60 * SEC;
}

/* 5.5: the k-th retransmission at t0 + RTO * (2^k - 1); 2.5: as long as no interval is above the maximum. */
static void rto__unanswered_retransmissions__double_it_up_to_the_maximum(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        uint64_t max_us = i == 0 ? 120 * SEC : 60 * SEC, sum_us = 0;
        struct rig *t =
            established_after(i == 0 ? NULL : &(struct rig_setup){.edit = a_minute_at_most}, 100 * MS);
        app_write(t, 100);
        out(t, "P. 1:101(100) ack 1");
        for (unsigned int k = 0; k < 14; k++) {
            uint64_t interval_us = (300 * MS) << k;
            sum_us += interval_us < max_us ? interval_us : max_us;
            if (sum_us >= t->config.r2_us)
                break;
            if (interval_us <= max_us)
                assert_int_equal(sum_us, 300 * MS * ((2ull << k) - 1));
            out_at(t, sum_us, "P. 1:101(100) ack 1");
        }
        rig_end(t);
    }
}

/* ---- Karn: RFC 6298 3 ---------------------------------------------------------------------------------- */

/* 3 and the note below 5.7; RFC 9293 3.8.2: the backed-off value stays until new data was acknowledged
 * without being sent again. */
static void karn__ack_of_a_resent_segment__is_no_sample_and_keeps_the_backoff(void **state)
{
    (void)state;
    struct rig *t = established_after(NULL, 100 * MS);
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    out_after(t, 300 * MS, "P. 1:101(100) ack 1");
    advance(t, 10 * MS);
    in(t, ". 1:1(0) ack 101");
    app_write(t, 100);
    out(t, "P. 101:201(100) ack 1");
    out_after(t, 600 * MS, "P. 101:201(100) ack 1");
    in(t, ". 1:1(0) ack 201");
    app_write(t, 100);
    out(t, "P. 201:301(100) ack 1");
    advance(t, 100 * MS);
    in(t, ". 1:1(0) ack 301"); /* a sample: SRTT 100, RTTVAR 3/4 * 50 */
    app_write(t, 100);
    out(t, "P. 301:401(100) ack 1");
    out_after(t, 250 * MS, "P. 301:401(100) ack 1");
    rig_end(t);
}

static void karn__ack_after_a_fast_retransmit__is_no_sample(void **state)
{
    (void)state;
    struct rig *t = established_after(NULL, 100 * MS);
    app_write(t, 4 * SMSS);
    out_segments(t, 0, 3);
    out(t, "P. %u:%u(%u) ack 1", start_of(3), start_of(4), SMSS);
    advance(t, 200 * MS);
    acks_in_vain(t, 0, 2);
    ack(t, 0);
    out_segments(t, 0, 1);
    advance(t, 50 * MS);
    ack(t, 4);
    app_write(t, 100);
    out(t, "P. %u:%u(100) ack 1", start_of(4), start_of(4) + 100);
    out_after(t, 300 * MS, "P. %u:%u(100) ack 1", start_of(4), start_of(4) + 100);
    rig_end(t);
}

static void karn__syn_ack_sent_twice__is_no_sample(void **state)
{
    (void)state;
    struct rig *t = rig_syn_received(NULL);
    in(t, "S 0:0(0) %s", t->setup.peer_opts); /* the peer's timer is faster than ours */
    out(t, "S. 0:0(0) ack 1 <*>");
    advance(t, 100 * MS);
    in(t, ". 1:1(0) ack 1");
    app_accept(t, 0);
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    out_after(t, 1 * SEC, "P. 1:101(100) ack 1");
    rig_end(t);
}

/* ---- 5.7 ----------------------------------------------------------------------------------------------- */

static void lost_syn__data_begins_with_3_s(void **state)
{
    (void)state;
    for (unsigned int lost = 1; lost <= 3; lost++) {
        struct rig *t = rig_syn_sent(NULL);
        for (unsigned int k = 1; k <= lost; k++)
            out_at(t, SEC * ((1u << k) - 1), "S 0:0(0) <*>");
        advance(t, 10 * MS);
        in(t, "S. 0:0(0) ack 1 <mss 1460,nop,wscale 7>");
        out(t, ". 1:1(0) ack 1");
        app_write(t, 100);
        out(t, "P. 1:101(100) ack 1");
        out_after(t, 3 * SEC, "P. 1:101(100) ack 1");
        out_after(t, 6 * SEC, "P. 1:101(100) ack 1");
        rig_end(t);
    }
}

static void lost_syn_ack__data_begins_with_3_s_until_the_first_sample(void **state)
{
    (void)state;
    struct rig *t = rig_syn_received(NULL);
    out_at(t, 1 * SEC, "S. 0:0(0) ack 1 <*>");
    advance(t, 10 * MS);
    in(t, ". 1:1(0) ack 1");
    app_accept(t, 0);
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    out_after(t, 3 * SEC, "P. 1:101(100) ack 1");
    in(t, ". 1:1(0) ack 101");
    app_write(t, 100);
    out(t, "P. 101:201(100) ack 1");
    advance(t, 200 * MS);
    in(t, ". 1:1(0) ack 201");
    app_write(t, 100);
    out(t, "P. 201:301(100) ack 1");
    out_after(t, 600 * MS, "P. 201:301(100) ack 1"); /* 2.2: it is the first */
    rig_end(t);
}

/* ---- The timer: RFC 6298 5 ----------------------------------------------------------------------------- */

/* 5.2 */
static void timer__all_acknowledged__is_off(void **state)
{
    (void)state;
    struct rig *t = rig_established(NULL);
    app_write(t, 3 * SMSS);
    out_segments(t, 0, 2);
    out(t, "P. %u:%u(%u) ack 1", start_of(2), start_of(3), SMSS);
    ack(t, 3);
    advance(t, 3600 * SEC);
    rig_end(t);
}

/* 5.2 and 5.1: it starts with the next segment, and not with what was left of the last one. */
static void timer__next_segment__starts_it_anew(void **state)
{
    (void)state;
    struct rig *t = established_after(NULL, 100 * MS);
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    at(t, 100 * MS);
    in(t, ". 1:1(0) ack 101"); /* SRTT 100, RTTVAR 3/4 * 50 */
    at(t, 150 * MS);
    app_write(t, 100);
    out(t, "P. 101:201(100) ack 1");
    out_at(t, 400 * MS, "P. 101:201(100) ack 1");
    rig_end(t);
}

/* 5.3: neither duplicates, nor window updates, nor data, nor old ACKs restart it. */
static void timer__acks_of_nothing_new__do_not_restart_it(void **state)
{
    (void)state;
    struct rig *t = established_after(NULL, 100 * MS);
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    at(t, 100 * MS);
    in(t, ". 1:1(0) ack 1");
    in(t, ". 1:1(0) ack 1 win 1000");
    in(t, "P. 1:11(10) ack 1 win 1000");
    out_at(t, 140 * MS, ". 101:101(0) ack 11"); /* the delayed ACK */
    at(t, 299 * MS);
    in(t, ". 11:11(0) ack 1 win 1000");
    out_at(t, 300 * MS, "P. 1:101(100) ack 11");
    rig_end(t);
}

/* 5.3: "so that it will expire after RTO seconds (for the current value of RTO)". */
static void timer__ack_of_new_data__restarts_it(void **state)
{
    (void)state;
    struct rig *t = established_after(&(struct rig_setup){.nodelay = true}, 100 * MS);
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    at(t, 50 * MS);
    app_write(t, 100);
    out(t, "P. 101:201(100) ack 1");
    at(t, 100 * MS);
    in(t, ". 1:1(0) ack 101"); /* SRTT 100, RTTVAR 3/4 * 50 */
    out_at(t, 350 * MS, "P. 101:201(100) ack 1");
    rig_end(t);
}

/* 5.1: only "if the timer is not running". */
static void timer__more_data__does_not_restart_it(void **state)
{
    (void)state;
    struct rig *t = established_after(NULL, 100 * MS);
    app_write(t, 2 * SMSS);
    out_segments(t, 0, 1);
    out(t, "P. %u:%u(%u) ack 1", start_of(1), start_of(2), SMSS);
    at(t, 250 * MS);
    app_write(t, 2 * SMSS);
    out_segments(t, 2, 1);
    out(t, "P. %u:%u(%u) ack 1", start_of(3), start_of(4), SMSS);
    out_segment_at(t, 300 * MS, 0);
    rig_end(t);
}

/* 5.4: "the earliest segment that has not been acknowledged", and no other (RFC 5681 3.1: the loss window is
 * one segment). */
static void timer__expires__resends_the_first_segment_only(void **state)
{
    (void)state;
    struct rig *t = ten_in_flight(NULL);
    ack(t, 3);
    out_segments(t, 10, 4);
    out_segment_at(t, RTO, 3);
    out_none(t);
    out_segment_at(t, 3 * RTO, 3);
    out_none(t);
    rig_end(t);
}

/* 5: "never retransmitted too early": an ACK that comes at the last moment is in time. */
static void timer__a_delay_below_the_rto__resends_nothing(void **state)
{
    (void)state;
    struct rig *t = established_after(NULL, 100 * MS);
    app_write(t, 2 * SMSS);
    out_segments(t, 0, 1);
    out(t, "P. %u:%u(%u) ack 1", start_of(1), start_of(2), SMSS);
    advance(t, 300 * MS - 1);
    ack(t, 1);
    expect_counted(t, RILL_SEG_RESENT, 0);
    expect_counted(t, RILL_RTO_FIRED, 0);
    rig_end(t);
}

/* SYN and FIN are positions like others. */
static void timer__fin__is_resent_like_data(void **state)
{
    (void)state;
    struct rig *t = rig_fin_wait_1(NULL);
    out_at(t, 200 * MS, "F. 1:1(0) ack 1");
    out_at(t, 600 * MS, "F. 1:1(0) ack 1");
    in(t, ". 1:1(0) ack 2");
    advance(t, 3600 * SEC);
    rig_end(t);
    t = rig_established(NULL);
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    app_shut(t);
    out(t, "F. 101:101(0) ack 1");
    out_at(t, 200 * MS, "FP. 1:101(100) ack 1"); /* one segment takes both */
    rig_end(t);
}

/* RFC 9293 3.8.6: "may repackage segments on the retransmission queue". */
static void timer__what_waited_behind_the_last_segment__fills_the_retransmission(void **state)
{
    (void)state;
    struct rig *t = rig_established(NULL);
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    app_write(t, 50);
    out_none(t); /* Nagle */
    out_at(t, RTO, "P. 1:151(150) ack 1");
    in(t, ". 1:1(0) ack 151");
    advance(t, 3600 * SEC);
    rig_end(t);
    t = rig_established(NULL);
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    app_write(t, SMSS - 1);
    out_at(t, RTO, ". 1:1461(1460) ack 1"); /* not more than a segment */
    rig_end(t);
    t = rig_established(&(struct rig_setup){.peer_opts = "<mss 1460>", .peer_win = 120});
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    app_write(t, 50);
    out_at(t, RTO, ". 1:121(120) ack 1"); /* nor than the window */
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rto__before_the_first_sample__is_1_s_and_doubles),
        cmocka_unit_test(rto__after_the_first_sample__is_3_R),
        cmocka_unit_test(rto__after_more_samples__follows_the_model),
        cmocka_unit_test(rto__acks_of_earlier_segments__are_no_samples_of_later_ones),
        cmocka_unit_test(rto__computed_below_the_floor__is_the_floor),
        cmocka_unit_test(rto__unanswered_retransmissions__double_it_up_to_the_maximum),
        cmocka_unit_test(karn__ack_of_a_resent_segment__is_no_sample_and_keeps_the_backoff),
        cmocka_unit_test(karn__ack_after_a_fast_retransmit__is_no_sample),
        cmocka_unit_test(karn__syn_ack_sent_twice__is_no_sample),
        cmocka_unit_test(lost_syn__data_begins_with_3_s),
        cmocka_unit_test(lost_syn_ack__data_begins_with_3_s_until_the_first_sample),
        cmocka_unit_test(timer__all_acknowledged__is_off),
        cmocka_unit_test(timer__next_segment__starts_it_anew),
        cmocka_unit_test(timer__acks_of_nothing_new__do_not_restart_it),
        cmocka_unit_test(timer__ack_of_new_data__restarts_it),
        cmocka_unit_test(timer__more_data__does_not_restart_it),
        cmocka_unit_test(timer__expires__resends_the_first_segment_only),
        cmocka_unit_test(timer__a_delay_below_the_rto__resends_nothing),
        cmocka_unit_test(timer__fin__is_resent_like_data),
        cmocka_unit_test(timer__what_waited_behind_the_last_segment__fills_the_retransmission),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
