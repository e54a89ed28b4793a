/* test_keepalive.c - RFC 9293 3.8.4: MUST-24 to MUST-29, SHLD-12. */
#include "script.h"
#include "tcp_timer.h"

#define HOUR (3600 * SEC)

static void keepalive(struct rill_config *config, struct tcp_opts *opts)
{
    (void)config;
    opts->keepalive = true;
}

/* After 10 s, each 3 s, and four of them. */
static void keepalive_fast(struct rill_config *config, struct tcp_opts *opts)
{
    (void)config;
    opts->keepalive = true;
    opts->keep_idle_s = 10;
    opts->keep_intvl_s = 3;
    opts->keep_cnt = 4;
}

static const struct rig_setup with_defaults = {.edit = keepalive}, fast = {.edit = keepalive_fast};

/* SHLD-12: no data, SEG.SEQ = SND.NXT - 1. */
#define PROBE ". 0:0(0) ack 1"

/* MUST-25 */
static void keepalive__not_asked_for__sends_nothing(void **state)
{
    (void)state;
    struct rig *t = rig_connected(NULL);
    advance(t, 24 * HOUR);
    expect_state(t, RILL_ESTABLISHED);
    rig_end(t);
}

/* MUST-28: not before two hours; MUST-29: no single probe decides. */
static void keepalive__by_default__probes_after_two_hours_and_gives_up_after_nine(void **state)
{
    (void)state;
    struct rig *t = rig_connected(&with_defaults);
    for (unsigned int k = 0; k < 9; k++)
        out_at(t, (7200 + 75 * k) * SEC, PROBE);
    at(t, (7200 + 75 * 9) * SEC - 1);
    expect_state(t, RILL_ESTABLISHED);
    out_at(t, (7200 + 75 * 9) * SEC, "R. 1:1(0) ack 1");
    expect_error(t, ETIMEDOUT);
    expect_counted(t, RILL_KEEPALIVE_SENT, 9);
    expect_counted(t, RILL_TIMED_OUT, 1);
    rig_end(t);
}

/* MUST-27 */
static void keepalive__with_its_own_numbers__keeps_to_them(void **state)
{
    (void)state;
    struct rig *t = rig_established(&fast); /* they come from the listener */
    for (unsigned int k = 0; k < 4; k++)
        out_at(t, (10 + 3 * k) * SEC, PROBE);
    out_at(t, 22 * SEC, "R. 1:1(0) ack 1");
    expect_error(t, ETIMEDOUT);
    rig_end(t);
}

/* MUST-29, for any number of lost ones below the limit; an answer makes all count anew. */
static void keepalive__answered_at_last__goes_on(void **state)
{
    (void)state;
    for (unsigned int lost = 0; lost < 4; lost++) {
        struct rig *t = rig_connected(&fast);
        for (int round = 0; round < 3; round++) {
            out_after(t, 10 * SEC, PROBE);
            for (unsigned int k = 0; k < lost; k++)
                out_after(t, 3 * SEC, PROBE);
            advance(t, 3 * SEC - 1);
            in(t, ". 1:1(0) ack 1");
        }
        expect_state(t, RILL_ESTABLISHED);
        rig_end(t);
    }
}

/* MUST-26: "no data or acknowledgment packets have been received for the connection within an interval". */
static void keepalive__what_the_peer_sends__restarts_the_interval(void **state)
{
    (void)state;
    struct rig *t = rig_connected(&fast);
    at(t, 10 * SEC - 1);
    in(t, ". 1:1(0) ack 1");
    at(t, 20 * SEC - 2);
    in(t, "P. 1:11(10) ack 1");
    out_after(t, 40 * MS, ". 1:1(0) ack 11");
    at(t, 30 * SEC - 3);
    in(t, ". 10:10(0) ack 1"); /* the peer's own keep-alive */
    out(t, ". 1:1(0) ack 11");
    out_at(t, 40 * SEC - 3, ". 0:0(0) ack 11");
    rig_end(t);
}

/* A segment that does not belong to the connection says nothing about the peer. */
static void keepalive__unacceptable_segments__do_not_restart_the_interval(void **state)
{
    (void)state;
    struct rig *t = rig_connected(&fast);
    at(t, 5 * SEC);
    in(t, ". 100000:100000(0) ack 1");
    out(t, ". 1:1(0) ack 1");
    at(t, 6 * SEC);
    in(t, ". 1:1(0) ack 100");
    out(t, ". 1:1(0) ack 1");
    at(t, 7 * SEC);
    in(t, "R 100:100(0)");
    out(t, ". 1:1(0) ack 1");
    out_at(t, 10 * SEC, PROBE);
    rig_end(t);
}

/* What we send and the peer acknowledges does. */
static void keepalive__acknowledged_data__restarts_the_interval(void **state)
{
    (void)state;
    struct rig *t = rig_connected(&fast);
    at(t, 9 * SEC);
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    at(t, 9100 * MS);
    in(t, ". 1:1(0) ack 101");
    out_at(t, 19100 * MS, ". 100:100(0) ack 1");
    rig_end(t);
}

/* MUST-26: "only [...] when no sent data is outstanding": then the retransmission timer looks after it. */
static void keepalive__with_data_outstanding__sends_no_probe(void **state)
{
    (void)state;
    struct rig *t = rig_connected(&fast);
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    let_pass(t, 600 * SEC);
    expect_counted(t, RILL_KEEPALIVE_SENT, 0);
    expect_state(t, RILL_ESTABLISHED);
    rig_end(t);
}

static void keepalive__data_outstanding_after_a_probe__sends_no_other(void **state)
{
    (void)state;
    struct rig *t = rig_connected(&fast);
    out_at(t, 10 * SEC, PROBE);
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    let_pass(t, 600 * SEC);
    expect_counted(t, RILL_KEEPALIVE_SENT, 1);
    expect_state(t, RILL_ESTABLISHED);
    in(t, ". 1:1(0) ack 101");
    out_after(t, 10 * SEC, ". 100:100(0) ack 1");
    rig_end(t);
}

/* MUST-24, while the connection lives. */
static void keepalive__switched_on_and_off__begins_and_ends(void **state)
{
    (void)state;
    struct rig *t = rig_connected(&fast);
    struct tcb *c = t->peer[0].c;
    c->opt.keepalive = false;
    timer_keepalive(t->e, c);
    advance(t, 1 * HOUR);
    in(t, ". 1:1(0) ack 1");
    c->opt.keepalive = true;
    timer_keepalive(t->e, c);
    out_after(t, 10 * SEC, PROBE);
    c->opt.keepalive = false;
    timer_keepalive(t->e, c);
    advance(t, 1 * HOUR);
    expect_state(t, RILL_ESTABLISHED);
    rig_end(t);
}

/* Half-closed connections can be idle too; TIME-WAIT needs nobody's life, and while connecting the SYN asks.
 */
static void keepalive__in_each_state__probes_where_something_is_expected(void **state)
{
    (void)state;
    struct rig *t = rig_close_wait(&fast);
    out_at(t, 10 * SEC, ". 0:0(0) ack 2");
    rig_end(t);
    t = rig_fin_wait_2(&fast);
    out_at(t, 10 * SEC, ". 1:1(0) ack 1");
    rig_end(t);
    t = rig_time_wait(&fast);
    advance(t, 120 * SEC);
    rig_end(t);
    t = rig_syn_sent(&fast);
    let_pass(t, 100 * SEC);
    expect_counted(t, RILL_KEEPALIVE_SENT, 0);
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keepalive__not_asked_for__sends_nothing),
        cmocka_unit_test(keepalive__by_default__probes_after_two_hours_and_gives_up_after_nine),
        cmocka_unit_test(keepalive__with_its_own_numbers__keeps_to_them),
        cmocka_unit_test(keepalive__answered_at_last__goes_on),
        cmocka_unit_test(keepalive__what_the_peer_sends__restarts_the_interval),
        cmocka_unit_test(keepalive__unacceptable_segments__do_not_restart_the_interval),
        cmocka_unit_test(keepalive__acknowledged_data__restarts_the_interval),
        cmocka_unit_test(keepalive__with_data_outstanding__sends_no_probe),
        cmocka_unit_test(keepalive__data_outstanding_after_a_probe__sends_no_other),
        cmocka_unit_test(keepalive__switched_on_and_off__begins_and_ends),
        cmocka_unit_test(keepalive__in_each_state__probes_where_something_is_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
