/* test_timeouts.c - when a connection is given up, and when not: RFC 9293 3.8.3 (R1,
 * R2), 3.8.6, 3.8.6.1, 3.9.1.2, MUST-20 to MUST-23, MUST-34 to MUST-37, SHLD-9 to SHLD-11, SHLD-15 to
 * SHLD-17, SHLD-29, SHLD-30. */
#include "sending.h"

#define HOUR (3600 * SEC)

static void user_timeout_100_ms(struct rill_config *config, struct tcp_opts *opts)
{
    (void)config;
    opts->user_timeout_ms = 100;
}

static void user_timeout_5_s(struct rill_config *config, struct tcp_opts *opts)
{
    (void)config;
    opts->user_timeout_ms = 5000;
}

static void user_timeout_2000_s(struct rill_config *config, struct tcp_opts *opts)
{
    (void)config;
    opts->user_timeout_ms = 2000000;
}

static void user_timeout_longest(struct rill_config *config, struct tcp_opts *opts)
{
    (void)config;
    opts->user_timeout_ms = UINT32_MAX;
}

/* It is in this state for us - 1, and then, silently, CLOSED with ETIMEDOUT. */
static void given_up_after(struct rig *t, enum rill_tcp_state until, uint64_t us)
{
    let_pass(t, us - 1);
    expect_state(t, until);
    assert_int_equal(t->peer[0].c->error, 0);
    advance(t, 1);
    expect_state(t, RILL_CLOSED);
    expect_error(t, ETIMEDOUT);
    expect_counted(t, RILL_TIMED_OUT, 1);
}

/* ESTABLISHED with 100 octets in flight, from now on. */
static struct rig *unanswered(const struct rig_setup *setup)
{
    struct rig *t = rig_connected(setup);
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    return t;
}

/* ---- R1 ------------------------------------------------------------------------------------------------ */

/* SHLD-9, SHLD-10: at the third retransmission of the same segment. */
static void r1__third_retransmission__is_told_once(void **state)
{
    (void)state;
    struct rig *t = unanswered(NULL);
    out_at(t, 200 * MS, "P. 1:101(100) ack 1");
    out_at(t, 600 * MS, "P. 1:101(100) ack 1");
    expect_counted(t, RILL_R1_PASSED, 0);
    out_at(t, 1400 * MS, "P. 1:101(100) ack 1");
    expect_counted(t, RILL_R1_PASSED, 1);
    let_pass(t, 100 * SEC);
    expect_counted(t, RILL_R1_PASSED, 1);
    in(t, ". 1:1(0) ack 101");
    app_write(t, 100); /* another segment has its own count */
    out(t, "P. 101:201(100) ack 1");
    out_after(t, RTO << 8, "P. 101:201(100) ack 1"); /* eight doublings before the ACK */
    out_after(t, RTO << 9, "P. 101:201(100) ack 1");
    expect_counted(t, RILL_R1_PASSED, 1);
    out_after(t, 120 * SEC, "P. 101:201(100) ack 1");
    expect_counted(t, RILL_R1_PASSED, 2);
    rig_end(t);
}

/* MUST-22: "SYN retransmissions MUST be handled in the general way", notification included. */
static void r1__of_a_syn__is_told_as_well(void **state)
{
    (void)state;
    struct rig *t = rig_syn_sent(NULL);
    out_at(t, 1 * SEC, "S 0:0(0) <*>");
    out_at(t, 3 * SEC, "S 0:0(0) <*>");
    expect_counted(t, RILL_R1_PASSED, 0);
    out_at(t, 7 * SEC, "S 0:0(0) <*>");
    expect_counted(t, RILL_R1_PASSED, 1);
    rig_end(t);
}

/* ---- R2 ------------------------------------------------------------------------------------------------ */

/* MUST-20, SHLD-11. */
static void r2__data_unanswered__is_given_up_at_exactly_r2(void **state)
{
    (void)state;
    struct rig *t = unanswered(NULL);
    assert_true(t->config.r2_us >= 100 * SEC);
    given_up_after(t, RILL_ESTABLISHED, t->config.r2_us);
    rig_end(t);
}

static void r2__progress__begins_anew(void **state)
{
    (void)state;
    struct rig *t = rig_connected(NULL);
    app_write(t, 2 * SMSS);
    out_segments(t, 0, 1);
    out(t, "P. %u:%u(%u) ack 1", start_of(1), start_of(2), SMSS);
    let_pass(t, 900 * SEC);
    in(t, ". 1:1(0) ack %u", start_of(1));
    given_up_after(t, RILL_ESTABLISHED, t->config.r2_us);
    rig_end(t);
}

/* Neither what is written meanwhile nor what the peer says without acknowledging is progress. */
static void r2__other_traffic__is_no_progress(void **state)
{
    (void)state;
    struct rig *t = unanswered(NULL);
    let_pass(t, 600 * SEC);
    app_write(t, 5 * SMSS);
    let_pass(t, 0);
    t->first = t->queued = 0;
    in(t, ". 1:1(0) ack 1");
    t->first = t->queued = 0;
    in(t, "P. 1:11(10) ack 1");
    given_up_after(t, RILL_ESTABLISHED, t->config.r2_us - 600 * SEC);
    rig_end(t);
}

/* ---- R2 by the application: MUST-21, RFC 9293 3.9.1.2 -------------------------------------------------- */

static void user_timeout__shorter_than_r2__counts_instead(void **state)
{
    (void)state;
    struct rig *t = unanswered(&(struct rig_setup){.edit = user_timeout_5_s});
    given_up_after(t, RILL_ESTABLISHED, 5 * SEC);
    rig_end(t);
    t = unanswered(&(struct rig_setup){.edit = user_timeout_100_ms}); /* even before a retransmission */
    given_up_after(t, RILL_ESTABLISHED, 100 * MS);
    expect_counted(t, RILL_SEG_RESENT, 0);
    rig_end(t);
}

static void user_timeout__longer_than_r2__counts_instead(void **state)
{
    (void)state;
    struct rig *t = unanswered(&(struct rig_setup){.edit = user_timeout_2000_s});
    given_up_after(t, RILL_ESTABLISHED, 2000 * SEC);
    rig_end(t);
    t = unanswered(&(struct rig_setup){.edit = user_timeout_longest}); /* "infinity" */
    let_pass(t, 49 * 24 * HOUR);
    expect_state(t, RILL_ESTABLISHED);
    rig_end(t);
}

static void user_timeout__while_idle__does_not_run(void **state)
{
    (void)state;
    struct rig *t = rig_connected(&(struct rig_setup){.edit = user_timeout_5_s});
    advance(t, HOUR);
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    given_up_after(t, RILL_ESTABLISHED, 5 * SEC);
    rig_end(t);
}

static void user_timeout__while_connecting__counts_instead(void **state)
{
    (void)state;
    struct rig *t = rig_syn_sent(&(struct rig_setup){.edit = user_timeout_5_s});
    out_at(t, 1 * SEC, "S 0:0(0) <*>");
    out_at(t, 3 * SEC, "S 0:0(0) <*>");
    given_up_after(t, RILL_SYN_SENT, 2 * SEC);
    rig_end(t);
    t = rig_syn_sent(&(struct rig_setup){.edit = user_timeout_2000_s});
    given_up_after(t, RILL_SYN_SENT, 2000 * SEC);
    rig_end(t);
}

/* ---- SYN: MUST-23 -------------------------------------------------------------------------------------- */

static void syn__unanswered__is_retried_for_3_minutes(void **state)
{
    (void)state;
    struct rig *t = rig_syn_sent(NULL);
    for (unsigned int k = 1; k <= 7; k++)
        out_at(t, SEC * ((1u << k) - 1), "S 0:0(0) <*>");
    given_up_after(t, RILL_SYN_SENT, 180 * SEC - 127 * SEC);
    rig_end(t);
    t = rig_syn_crossed(NULL);
    given_up_after(t, RILL_SYN_RECEIVED, 180 * SEC);
    rig_end(t);
}

/* ---- After the application has closed ------------------------------------------------------------------ */

static void orphan__without_progress__is_reset(void **state)
{
    (void)state;
    struct rig *t = rig_connected(NULL);
    app_close(t);
    out(t, "F. 1:1(0) ack 1");
    let_pass(t, t->config.orphan_us - 1);
    expect_state(t, RILL_FIN_WAIT_1);
    out_after(t, 1, "R. 2:2(0) ack 1");
    expect_state(t, RILL_CLOSED);
    rig_end(t);
    t = rig_connected(NULL);
    in(t, "F. 1:1(0) ack 1");
    out(t, ". 1:1(0) ack 2");
    advance(t, HOUR); /* CLOSE-WAIT may last */
    app_close(t);
    out(t, "F. 1:1(0) ack 2");
    let_pass(t, t->config.orphan_us - 1);
    expect_state(t, RILL_LAST_ACK);
    advance(t, 1); /* RFC 9293 3.10.5: no RST, the peer has nothing more to learn */
    expect_state(t, RILL_CLOSED);
    rig_end(t);
}

static void orphan__with_progress__lives_on(void **state)
{
    (void)state;
    struct rig *t = rig_connected(NULL);
    app_write(t, 2 * SMSS);
    out_segments(t, 0, 1);
    out(t, "P. %u:%u(%u) ack 1", start_of(1), start_of(2), SMSS);
    app_close(t);
    out(t, "F. %u:%u(0) ack 1", start_of(2), start_of(2));
    let_pass(t, 100 * SEC);
    ack(t, 1);
    t->first = t->queued = 0;
    let_pass(t, t->config.orphan_us - 1);
    expect_state(t, RILL_FIN_WAIT_1);
    out_after(t, 1, "R. %u:%u(0) ack 1", start_of(2) + 1, start_of(2) + 1);
    rig_end(t);
}

/* A peer that keeps its window closed holds an open connection for ever, but not one that nobody owns. */
static void orphan__of_a_closed_window__is_reset(void **state)
{
    (void)state;
    struct rig *t = rig_connected(NULL);
    in(t, "P. 1:2(1) ack 1 win 0");
    app_read(t, 1);
    let_pass(t, 1 * SEC);
    app_write(t, 100);
    app_close(t);
    for (uint64_t end_us = t->now_us + t->config.orphan_us; t->now_us + 1 < end_us;) {
        let_pass(t, 1 * SEC < end_us - 1 - t->now_us ? 1 * SEC : end_us - 1 - t->now_us);
        in(t, ". 2:2(0) ack 1 win 0");
    }
    expect_state(t, RILL_FIN_WAIT_1);
    out_after(t, 1, "R. 1:1(0) ack 2");
    rig_end(t);
}

static void fin_wait_2__of_a_closed_socket__ends_after_a_minute(void **state)
{
    (void)state;
    struct rig *t = rig_connected(NULL);
    app_close(t);
    out(t, "F. 1:1(0) ack 1");
    in(t, ". 1:1(0) ack 2");
    advance(t, t->config.fin_wait_2_us - 1);
    expect_state(t, RILL_FIN_WAIT_2);
    advance(t, 1);
    expect_state(t, RILL_CLOSED);
    in(t, "F. 1:1(0) ack 2");
    out(t, "R 2:2(0)");
    rig_end(t);
    t = rig_connected(NULL);
    app_shut(t);
    out(t, "F. 1:1(0) ack 1");
    in(t, ". 1:1(0) ack 2");
    advance(t, 24 * HOUR); /* the application still listens */
    expect_state(t, RILL_FIN_WAIT_2);
    app_close(t);
    advance(t, t->config.fin_wait_2_us - 1);
    expect_state(t, RILL_FIN_WAIT_2);
    advance(t, 1);
    expect_state(t, RILL_CLOSED);
    rig_end(t);
}

/* ---- Closed windows ------------------------------------------------------------------------------------ */

/* A hundred octets wait behind a window that was closed now. */
static struct rig *closed_window(const struct rig_setup *setup)
{
    struct rig *t = unanswered(setup);
    in(t, ". 1:1(0) ack 101 win 0");
    app_write(t, 100);
    out_none(t);
    mark(t);
    return t;
}

/* MUST-36, SHLD-29, SHLD-30, and MUST-37 for a day; then the window opens. */
static void persist__probes_answered__back_off_and_never_end(void **state)
{
    uint64_t interval_us = 200 * MS, at_us = 0;
    (void)state;
    struct rig *t = closed_window(NULL);
    while (at_us < 24 * HOUR) {
        at_us += interval_us;
        out_at(t, at_us, ". 101:102(1) ack 1");
        in(t, ". 1:1(0) ack 101 win 0");
        out_none(t);
        interval_us = interval_us * 2 < 120 * SEC ? interval_us * 2 : 120 * SEC;
    }
    expect_state(t, RILL_ESTABLISHED);
    in(t, ". 1:1(0) ack 101 win 65535");
    out(t, "P. 101:201(100) ack 1");
    out_after(t, RTO, "P. 101:201(100) ack 1"); /* the doubling was the probes' */
    rig_end(t);
}

/* MUST-37, whatever the user timeout is. */
static void persist__probes_answered__outlive_the_user_timeout(void **state)
{
    (void)state;
    struct rig *t = closed_window(&(struct rig_setup){.edit = user_timeout_5_s});
    while (t->now_us - t->mark_us < HOUR) {
        uint64_t before = rill_counter(t->e, RILL_PROBE_SENT);
        let_pass(t, 10 * MS);
        if (rill_counter(t->e, RILL_PROBE_SENT) != before)
            in(t, ". 1:1(0) ack 101 win 0");
    }
    expect_state(t, RILL_ESTABLISHED);
    rig_end(t);
}

/* "As long as the receiving TCP peer continues to send acknowledgments": no longer. */
static void persist__probes_unanswered__end_like_data(void **state)
{
    (void)state;
    struct rig *t = closed_window(NULL);
    out_at(t, RTO, ". 101:102(1) ack 1");
    given_up_after(t, RILL_ESTABLISHED, t->config.r2_us);
    rig_end(t);
}

/* MUST-34, MUST-35, SHLD-15, SHLD-17: what is in flight beyond a window that shrank to nothing. */
static void shrunk_window__to_nothing__is_probed_and_does_not_end(void **state)
{
    (void)state;
    struct rig *t = rig_connected(NULL);
    app_write(t, 20 * SMSS);
    out_segments(t, 0, 10);
    in(t, ". 1:1(0) ack %u win 0", start_of(2));
    out_none(t);
    for (unsigned int i = 0; i < 4 * 30; i++) {
        uint64_t before = rill_counter(t->e, RILL_PROBE_SENT);
        let_pass(t, 120 * SEC);
        assert_true(rill_counter(t->e, RILL_PROBE_SENT) > before);
        in(t, ". 1:1(0) ack %u win 0", start_of(2));
        out_none(t);
    }
    expect_state(t, RILL_ESTABLISHED);
    in(t, ". 1:1(0) ack %u win 65535", start_of(2));
    out_segments(t, 2, 11); /* eight again, and what else cwnd allows: this was no congestion */
    rig_end(t);
}

/* SHLD-15: no new data; SHLD-16: what lies inside is retransmitted normally. */
static void shrunk_window__to_less_than_the_flight__gets_what_it_takes(void **state)
{
    (void)state;
    struct rig *t = rig_connected(&(struct rig_setup){.peer_opts = "<mss 1460>"});
    app_write(t, PLENTY);
    out_segments(t, 0, 10);
    in(t, ". 1:1(0) ack %u win %u", start_of(2), 2 * SMSS);
    out_none(t);
    out_segment_at(t, RTO, 2);
    in(t, ". 1:1(0) ack %u win %u", start_of(3), SMSS);
    assert_int_equal(take(t)->seq - t->peer[0].iss, start_of(3));
    rig_discard(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r1__third_retransmission__is_told_once),
        cmocka_unit_test(r1__of_a_syn__is_told_as_well),
        cmocka_unit_test(r2__data_unanswered__is_given_up_at_exactly_r2),
        cmocka_unit_test(r2__progress__begins_anew),
        cmocka_unit_test(r2__other_traffic__is_no_progress),
        cmocka_unit_test(user_timeout__shorter_than_r2__counts_instead),
        cmocka_unit_test(user_timeout__longer_than_r2__counts_instead),
        cmocka_unit_test(user_timeout__while_idle__does_not_run),
        cmocka_unit_test(user_timeout__while_connecting__counts_instead),
        cmocka_unit_test(syn__unanswered__is_retried_for_3_minutes),
        cmocka_unit_test(orphan__without_progress__is_reset),
        cmocka_unit_test(orphan__with_progress__lives_on),
        cmocka_unit_test(orphan__of_a_closed_window__is_reset),
        cmocka_unit_test(fin_wait_2__of_a_closed_socket__ends_after_a_minute),
        cmocka_unit_test(persist__probes_answered__back_off_and_never_end),
        cmocka_unit_test(persist__probes_answered__outlive_the_user_timeout),
        cmocka_unit_test(persist__probes_unanswered__end_like_data),
        cmocka_unit_test(shrunk_window__to_nothing__is_probed_and_does_not_end),
        cmocka_unit_test(shrunk_window__to_less_than_the_flight__gets_what_it_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
