/* test_fin_wait_1.c - FIN-WAIT-1: our FIN is queued or sent and not acknowledged.  RFC 9293 3.6, 3.10.7.4. */
#include "synchronized.h"

static const struct synchronized fin_wait_1 = {rig_fin_wait_1, RILL_FIN_WAIT_1, 2, 1, ECONNRESET};
SYNCHRONIZED_TESTS(fin_wait_1)

/* Closed by the application altogether: an orphan. */
static struct rig *orphan(void)
{
    struct rig *t = rig_established(NULL);
    app_close(t);
    out(t, "F. 1:1(0) ack 1");
    expect_state(t, RILL_FIN_WAIT_1);
    mark(t);
    return t;
}

/* "If the FIN segment is now acknowledged, then enter FIN-WAIT-2." */
static void fin_wait_1__ack_of_fin__enters_fin_wait_2(void **state)
{
    struct rig *t = rig_fin_wait_1(NULL);
    (void)state;
    in(t, ". 1:1(0) ack 2");
    out_none(t);
    expect_state(t, RILL_FIN_WAIT_2);
    advance(t, 1000 * SEC);
    rig_end(t);
}

static void fin_wait_1__ack_of_text_only__stays(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    app_shut(t);
    out(t, "F. 101:101(0) ack 1");
    in(t, ". 1:1(0) ack 101");
    expect_state(t, RILL_FIN_WAIT_1);
    in(t, ". 1:1(0) ack 102");
    expect_state(t, RILL_FIN_WAIT_2);
    rig_end(t);
}

/* "If our FIN has been ACKed (perhaps in this segment), then enter TIME-WAIT." */
static void fin_wait_1__fin_with_ack_of_ours__enters_time_wait(void **state)
{
    struct rig *t = rig_fin_wait_1(NULL);
    (void)state;
    in(t, "F. 1:1(0) ack 2");
    out(t, ". 2:2(0) ack 2");
    expect_state(t, RILL_TIME_WAIT);
    rig_end(t);
}

/* "Otherwise, enter the CLOSING state": RFC 9293 3.6 figure 13. */
static void fin_wait_1__fin_alone__simultaneous_close(void **state)
{
    struct rig *t = rig_fin_wait_1(NULL);
    (void)state;
    in(t, "F. 1:1(0) ack 1");
    out(t, ". 2:2(0) ack 2");
    expect_state(t, RILL_CLOSING);
    in(t, ". 2:2(0) ack 2");
    out_none(t);
    expect_state(t, RILL_TIME_WAIT);
    rig_end(t);
}

/* Half-close: "the user who CLOSEs may continue to RECEIVE". */
static void fin_wait_1__text__is_received(void **state)
{
    struct rig *t = rig_fin_wait_1(NULL);
    (void)state;
    in(t, "P. 1:101(100) ack 1");
    out_after(t, 40 * MS, ". 2:2(0) ack 101");
    app_read(t, 100);
    in(t, "P. 101:201(100) ack 2");
    expect_state(t, RILL_FIN_WAIT_2);
    out_after(t, 40 * MS, ". 2:2(0) ack 201");
    app_read(t, 100);
    rig_end(t);
}

/* "All segments preceding and including FIN will be retransmitted until acknowledged": RFC 6298 5.5. */
static void fin_wait_1__fin__is_retransmitted(void **state)
{
    struct rig *t = rig_fin_wait_1(NULL);
    (void)state;
    out_at(t, 200 * MS, "F. 1:1(0) ack 1");
    out_at(t, 600 * MS, "F. 1:1(0) ack 1");
    out_at(t, 1400 * MS, "F. 1:1(0) ack 1");
    in(t, ". 1:1(0) ack 2");
    expect_state(t, RILL_FIN_WAIT_2);
    advance(t, 100 * SEC);
    rig_end(t);
}

static void fin_wait_1__text_and_fin__are_retransmitted_together(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    app_shut(t);
    out(t, "F. 101:101(0) ack 1");
    out_after(t, 200 * MS, "FP. 1:101(100) ack 1");
    in(t, ". 1:1(0) ack 102");
    expect_state(t, RILL_FIN_WAIT_2);
    rig_end(t);
}

/* "error: connection closing"; "ok as long as a second FIN is not emitted". */
static void fin_wait_1__write_and_second_shutdown__do_nothing(void **state)
{
    struct rig *t = rig_fin_wait_1(NULL);
    (void)state;
    assert_int_equal(app_try_write(t, 10), -EPIPE);
    app_shut(t);
    app_close(t);
    out_none(t);
    expect_state(t, RILL_FIN_WAIT_1);
    rig_end(t);
}

/* RFC 9293 3.10.5 */
static void fin_wait_1__abort__sends_rst(void **state)
{
    struct rig *t = rig_fin_wait_1(NULL);
    (void)state;
    app_abort(t);
    out(t, "R. 2:2(0) ack 1");
    expect_state(t, RILL_LISTEN);
    rig_end(t);
}

/* SHLD-3: "or if new data is received after CLOSE is called, its TCP SHOULD send a RST". */
static void fin_wait_1__text_after_close__gets_rst(void **state)
{
    struct rig *t = orphan();
    (void)state;
    in(t, "P. 1:11(10) ack 1");
    (void)state;
    out(t, "R. 2:2(0) ack 1");
    expect_state(t, RILL_LISTEN);
    expect_counted(t, RILL_DROP_AFTER_CLOSE, 1);
    rig_end(t);
}

/* The rest of the close goes on behind a closed socket. */
static void fin_wait_1__orphan__closes_in_order(void **state)
{
    struct rig *t = orphan();
    (void)state;
    in(t, ". 1:1(0) ack 2");
    expect_state(t, RILL_FIN_WAIT_2);
    in(t, "F. 1:1(0) ack 2");
    out(t, ". 2:2(0) ack 2");
    expect_state(t, RILL_TIME_WAIT);
    assert_null(conns_find(&t->e->conns, RIG_PEER_ADDR, RIG_CLIENT, RIG_PORT)); /* a record already */
    advance(t, 60 * SEC);
    expect_state(t, RILL_LISTEN);
    rig_end(t);
}

/* R11: a peer that falls silent does not hold an orphan for ever. */
static void fin_wait_1__silent_peer__orphan_ends_after_its_timeout(void **state)
{
    struct rig *t = orphan();
    (void)state;
    let_pass(t, 120 * SEC - 1);
    expect_state(t, RILL_FIN_WAIT_1);
    let_pass(t, 1);
    expect_state(t, RILL_LISTEN);
    assert_int_equal(rill_open_connections(t->e), 0);
    rig_end(t);
}

/* It is lack of progress that ends it, not time. */
static void fin_wait_1__progress__prolongs_the_orphans_life(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.peer_opts = "<mss 1000>", .peer_win = 1000});
    (void)state;
    app_write(t, 5000);
    out(t, ". 1:1001(1000) ack 1");
    app_close(t);
    for (int n = 1; n < 5; n++) {
        let_pass(t, 100 * SEC);
        in(t, ". 1:1(0) ack %d", 1 + n * 1000);
        (void)take(t);
        expect_state(t, RILL_FIN_WAIT_1);
    }
    let_pass(t, 120 * SEC);
    expect_state(t, RILL_LISTEN);
    rig_end(t);
}

/* With the socket open, patience is R2's (MUST-20): the application learns of the end. */
static void fin_wait_1__silent_peer__times_out_for_an_open_socket(void **state)
{
    struct rig *t = rig_fin_wait_1(NULL);
    (void)state;
    let_pass(t, 100 * SEC); /* SHLD-11 */
    expect_state(t, RILL_FIN_WAIT_1);
    let_pass(t, 2000 * SEC);
    expect_state(t, RILL_LISTEN);
    expect_error(t, ETIMEDOUT);
    rig_end(t);
}

/* A reset of an orphan frees it: there is nobody to tell. */
static void fin_wait_1__rst_to_an_orphan__frees_it(void **state)
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
        SYNCHRONIZED_LIST(fin_wait_1),
        cmocka_unit_test(fin_wait_1__ack_of_fin__enters_fin_wait_2),
        cmocka_unit_test(fin_wait_1__ack_of_text_only__stays),
        cmocka_unit_test(fin_wait_1__fin_with_ack_of_ours__enters_time_wait),
        cmocka_unit_test(fin_wait_1__fin_alone__simultaneous_close),
        cmocka_unit_test(fin_wait_1__text__is_received),
        cmocka_unit_test(fin_wait_1__fin__is_retransmitted),
        cmocka_unit_test(fin_wait_1__text_and_fin__are_retransmitted_together),
        cmocka_unit_test(fin_wait_1__write_and_second_shutdown__do_nothing),
        cmocka_unit_test(fin_wait_1__abort__sends_rst),
        cmocka_unit_test(fin_wait_1__text_after_close__gets_rst),
        cmocka_unit_test(fin_wait_1__orphan__closes_in_order),
        cmocka_unit_test(fin_wait_1__silent_peer__orphan_ends_after_its_timeout),
        cmocka_unit_test(fin_wait_1__progress__prolongs_the_orphans_life),
        cmocka_unit_test(fin_wait_1__silent_peer__times_out_for_an_open_socket),
        cmocka_unit_test(fin_wait_1__rst_to_an_orphan__frees_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
