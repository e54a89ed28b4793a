/* test_fin_wait_2.c - FIN-WAIT-2: our direction is closed, the peer's is open.  RFC 9293 3.6, 3.10.7.4. */
#include "synchronized.h"

static const struct synchronized fin_wait_2 = {rig_fin_wait_2, RILL_FIN_WAIT_2, 2, 1, ECONNRESET};
SYNCHRONIZED_TESTS(fin_wait_2)

static struct rig *orphan(void)
{
    struct rig *t = rig_fin_wait_2(NULL);
    app_close(t);
    out_none(t);
    expect_state(t, RILL_FIN_WAIT_2);
    mark(t);
    return t;
}

/* "Enter the TIME-WAIT state.  Start the time-wait timer, turn off the other timers." */
static void fin_wait_2__fin__enters_time_wait(void **state)
{
    struct rig *t = rig_fin_wait_2(NULL);
    (void)state;
    in(t, "F. 1:1(0) ack 2");
    out(t, ". 2:2(0) ack 2");
    expect_state(t, RILL_TIME_WAIT);
    expect_eof(t, true);
    rig_end(t);
}

/* Half-close: the peer may go on for as long as it likes. */
static void fin_wait_2__text__is_received_for_days(void **state)
{
    struct rig *t = rig_fin_wait_2(NULL);
    (void)state;
    for (int n = 0; n < 20; n++) {
        advance(t, 6 * 3600 * SEC);
        in(t, ". %d:%d(1460) ack 2", 1 + n * 2920, 1461 + n * 2920);
        in(t, "P. %d:%d(1460) ack 2", 1461 + n * 2920, 2921 + n * 2920);
        out(t, ". 2:2(0) ack %d", 2921 + n * 2920);
        rig_read(t, 2920, 0);
        let_pass(t, 1 * SEC);
    }
    in(t, "F. %d:%d(0) ack 2", 1 + 20 * 2920, 1 + 20 * 2920);
    out(t, ". 2:2(0) ack %d", 2 + 20 * 2920);
    expect_state(t, RILL_TIME_WAIT);
    rig_end(t);
}

static void fin_wait_2__text_with_fin__is_received_before_time_wait(void **state)
{
    struct rig *t = rig_fin_wait_2(NULL);
    (void)state;
    in(t, "FP. 1:101(100) ack 2");
    out(t, ". 2:2(0) ack 102");
    expect_state(t, RILL_TIME_WAIT);
    app_read(t, 100);
    expect_eof(t, true);
    rig_end(t);
}

static void fin_wait_2__fin_out_of_order__waits(void **state)
{
    struct rig *t = rig_fin_wait_2(NULL);
    (void)state;
    in(t, "FP. 101:201(100) ack 2");
    out(t, ". 2:2(0) ack 1");
    expect_state(t, RILL_FIN_WAIT_2);
    in(t, "P. 1:101(100) ack 2");
    out(t, ". 2:2(0) ack 202");
    expect_state(t, RILL_TIME_WAIT);
    app_read(t, 200);
    rig_end(t);
}

static void fin_wait_2__urgent_text__is_told(void **state)
{
    struct rig *t = rig_fin_wait_2(NULL);
    (void)state;
    in(t, "UP. 1:11(10) ack 2 urg 5");
    assert_true(t->peer[0].c->urgent_event);
    let_pass(t, 1 * SEC);
    rig_end(t);
}

/* No FIN comes twice, and nothing can be said any more. */
static void fin_wait_2__write_and_second_shutdown__do_nothing(void **state)
{
    struct rig *t = rig_fin_wait_2(NULL);
    (void)state;
    assert_int_equal(app_try_write(t, 10), -EPIPE);
    app_shut(t);
    out_none(t);
    expect_state(t, RILL_FIN_WAIT_2);
    rig_end(t);
}

/* RFC 9293 3.10.5 */
static void fin_wait_2__abort__sends_rst(void **state)
{
    struct rig *t = rig_fin_wait_2(NULL);
    (void)state;
    app_abort(t);
    out(t, "R. 2:2(0) ack 1");
    expect_state(t, RILL_LISTEN);
    rig_end(t);
}

/* SHLD-3 */
static void fin_wait_2__close_with_unread_text__sends_rst(void **state)
{
    struct rig *t = rig_fin_wait_2(NULL);
    (void)state;
    in(t, "P. 1:11(10) ack 2");
    app_close(t);
    out(t, "R. 2:2(0) ack 11");
    expect_state(t, RILL_LISTEN);
    rig_end(t);
}

static void fin_wait_2__text_after_close__gets_rst(void **state)
{
    const char *const lines[] = {"P. 1:11(10) ack 2", "FP. 1:11(10) ack 2", "P. 5:11(6) ack 2"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct rig *t = orphan();
        in(t, "%s", lines[i]);
        out(t, "R. 2:2(0) ack 1");
        expect_state(t, RILL_LISTEN);
        rig_end(t);
    }
}

static void fin_wait_2__fin_to_an_orphan__leaves_a_record(void **state)
{
    struct rig *t = orphan();
    (void)state;
    in(t, "F. 1:1(0) ack 2");
    out(t, ". 2:2(0) ack 2");
    expect_state(t, RILL_TIME_WAIT);
    assert_null(conns_find(&t->e->conns, RIG_PEER_ADDR, RIG_CLIENT, RIG_PORT));
    rig_end(t);
}

/* A peer that never closes holds nobody who has: 60 s by default. */
static void fin_wait_2__orphan__ends_after_its_timeout(void **state)
{
    struct rig *t = orphan();
    (void)state;
    at(t, 60 * SEC - 1);
    expect_state(t, RILL_FIN_WAIT_2);
    advance(t, 1);
    expect_state(t, RILL_LISTEN);
    assert_int_equal(rill_open_connections(t->e), 0);
    in(t, "F. 1:1(0) ack 2");
    out(t, "R 2:2(0)");
    rig_end(t);
}

static void patient(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->fin_wait_2_us = 5 * SEC;
}

static void fin_wait_2__timeout__can_be_configured(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.edit = patient});
    (void)state;
    app_close(t);
    out(t, "F. 1:1(0) ack 1");
    advance(t, 100 * MS);
    in(t, ". 1:1(0) ack 2"); /* the time runs from here */
    mark(t);
    at(t, 5 * SEC - 1);
    expect_state(t, RILL_FIN_WAIT_2);
    advance(t, 1);
    expect_state(t, RILL_LISTEN);
    rig_end(t);
}

/* A reset of an orphan frees it: there is nobody to tell. */
static void fin_wait_2__rst_to_an_orphan__frees_it(void **state)
{
    struct rig *t = orphan();
    (void)state;
    in(t, "R 1:1(0)");
    out_none(t);
    expect_state(t, RILL_LISTEN);
    assert_int_equal(rill_open_connections(t->e), 0);
    advance(t, 1000 * SEC);
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYNCHRONIZED_LIST(fin_wait_2),
        cmocka_unit_test(fin_wait_2__fin__enters_time_wait),
        cmocka_unit_test(fin_wait_2__text__is_received_for_days),
        cmocka_unit_test(fin_wait_2__text_with_fin__is_received_before_time_wait),
        cmocka_unit_test(fin_wait_2__fin_out_of_order__waits),
        cmocka_unit_test(fin_wait_2__urgent_text__is_told),
        cmocka_unit_test(fin_wait_2__write_and_second_shutdown__do_nothing),
        cmocka_unit_test(fin_wait_2__abort__sends_rst),
        cmocka_unit_test(fin_wait_2__close_with_unread_text__sends_rst),
        cmocka_unit_test(fin_wait_2__text_after_close__gets_rst),
        cmocka_unit_test(fin_wait_2__fin_to_an_orphan__leaves_a_record),
        cmocka_unit_test(fin_wait_2__orphan__ends_after_its_timeout),
        cmocka_unit_test(fin_wait_2__timeout__can_be_configured),
        cmocka_unit_test(fin_wait_2__rst_to_an_orphan__frees_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
