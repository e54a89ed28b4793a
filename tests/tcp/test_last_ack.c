/* test_last_ack.c - LAST-ACK: the peer closed first, and our FIN is not acknowledged.  RFC
 * 9293 3.6, 3.10.7.4. */
#include "synchronized.h"

static const struct synchronized last_ack = {rig_last_ack, RILL_LAST_ACK, 2, 2, 0};
SYNCHRONIZED_TESTS(last_ack)

/* "If our FIN is now acknowledged, delete the TCB, enter the CLOSED state": no TIME-WAIT on this side. */
static void last_ack__ack_of_fin__closes(void **state)
{
    struct rig *t = rig_last_ack(NULL);
    (void)state;
    in(t, ". 2:2(0) ack 2");
    out_none(t);
    expect_state(t, RILL_LISTEN);
    expect_error(t, 0);
    expect_eof(t, true);
    expect_counted(t, RILL_TIME_WAIT_ENTERED, 0);
    rig_end(t);
}

static void last_ack__ack_of_less__stays(void **state)
{
    struct rig *t = rig_close_wait(NULL);
    (void)state;
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 2");
    app_shut(t);
    out(t, "F. 101:101(0) ack 2");
    in(t, ". 2:2(0) ack 1");
    in(t, ". 2:2(0) ack 101");
    out_none(t);
    expect_state(t, RILL_LAST_ACK);
    in(t, ". 2:2(0) ack 102");
    expect_state(t, RILL_LISTEN);
    rig_end(t);
}

static void last_ack__fin__is_retransmitted(void **state)
{
    struct rig *t = rig_last_ack(NULL);
    (void)state;
    out_at(t, 200 * MS, "F. 1:1(0) ack 2");
    out_at(t, 600 * MS, "F. 1:1(0) ack 2");
    out_at(t, 1400 * MS, "F. 1:1(0) ack 2");
    in(t, ". 2:2(0) ack 2");
    expect_state(t, RILL_LISTEN);
    advance(t, 1000 * SEC);
    rig_end(t);
}

/* Text that waits for the window goes before the FIN, and both are repaired. */
static void last_ack__text_behind_a_window__leaves_before_the_fin(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.peer_opts = "<mss 1000>", .peer_win = 1000});
    (void)state;
    in(t, "F. 1:1(0) ack 1");
    out(t, ". 1:1(0) ack 2");
    app_write(t, 1500);
    out(t, ". 1:1001(1000) ack 2");
    app_close(t);
    out_none(t);
    expect_state(t, RILL_LAST_ACK);
    in(t, ". 2:2(0) ack 1001");
    out(t, "FP. 1001:1501(500) ack 2");
    in(t, ". 2:2(0) ack 1502");
    expect_state(t, RILL_LISTEN);
    rig_end(t);
}

/* "Remain in the LAST-ACK state." */
static void last_ack__fin_again__is_acknowledged_again(void **state)
{
    struct rig *t = rig_last_ack(NULL);
    (void)state;
    in(t, "F. 1:1(0) ack 1");
    out(t, ". 2:2(0) ack 2");
    expect_state(t, RILL_LAST_ACK);
    in(t, "F. 1:1(0) ack 2"); /* and with the ACK that it waits for */
    out_none(t);
    expect_state(t, RILL_LISTEN);
    rig_end(t);
}

static void last_ack__text__is_ignored(void **state)
{
    struct rig *t = rig_last_ack(NULL);
    (void)state;
    in(t, "P. 2:12(10) ack 1");
    out(t, ". 2:2(0) ack 2");
    expect_state(t, RILL_LAST_ACK);
    expect_readable(t, 0);
    rig_end(t);
}

static void last_ack__write_and_second_shutdown__do_nothing(void **state)
{
    struct rig *t = rig_last_ack(NULL);
    (void)state;
    assert_int_equal(app_try_write(t, 10), -EPIPE);
    app_shut(t);
    out_none(t);
    expect_state(t, RILL_LAST_ACK);
    rig_end(t);
}

/* RFC 9293 3.10.5: "respond with ok and delete the TCB". */
static void last_ack__abort__is_silent(void **state)
{
    struct rig *t = rig_last_ack(NULL);
    (void)state;
    app_abort(t);
    out_none(t);
    expect_state(t, RILL_LISTEN);
    advance(t, 100 * SEC);
    rig_end(t);
}

/* As long as the FIN waits behind text, RFC 9293 would still be in CLOSE-WAIT, where an abort is told. */
static void last_ack__abort_before_the_fin_has_left__sends_rst(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.peer_opts = "<mss 1000>", .peer_win = 1000});
    (void)state;
    in(t, "F. 1:1(0) ack 1");
    out(t, ". 1:1(0) ack 2");
    app_write(t, 1500);
    out(t, ". 1:1001(1000) ack 2");
    app_shut(t);
    app_abort(t);
    out(t, "R. 1001:1001(0) ack 2");
    expect_state(t, RILL_LISTEN);
    rig_end(t);
}

/* SHLD-3 holds here as well: what the application did not read is lost, and the peer should know. */
static void last_ack__close_with_unread_text__sends_rst(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, "FP. 1:11(10) ack 1");
    out(t, ". 1:1(0) ack 12");
    app_shut(t);
    out(t, "F. 1:1(0) ack 12");
    app_close(t);
    out(t, "R. 2:2(0) ack 12");
    expect_state(t, RILL_LISTEN);
    rig_end(t);
}

/* "If an ACK is not forthcoming, after the user timeout the connection is aborted and the user is told." */
static void last_ack__silent_peer__times_out(void **state)
{
    struct rig *t = rig_last_ack(NULL);
    (void)state;
    let_pass(t, 100 * SEC);
    expect_state(t, RILL_LAST_ACK);
    let_pass(t, 2000 * SEC);
    expect_state(t, RILL_LISTEN);
    expect_error(t, ETIMEDOUT);
    rig_end(t);
}

static void last_ack__silent_peer__orphan_ends_after_its_timeout(void **state)
{
    struct rig *t = rig_close_wait(NULL);
    (void)state;
    app_close(t);
    out(t, "F. 1:1(0) ack 2");
    let_pass(t, 120 * SEC - 1);
    expect_state(t, RILL_LAST_ACK);
    let_pass(t, 1);
    expect_state(t, RILL_LISTEN);
    assert_int_equal(rill_open_connections(t->e), 0);
    rig_end(t);
}

/* A reset of an orphan frees it: there is nobody to tell. */
static void last_ack__rst_to_an_orphan__frees_it(void **state)
{
    struct rig *t = rig_last_ack(NULL);
    (void)state;
    app_close(t);
    in(t, "R 2:2(0)");
    out_none(t);
    expect_state(t, RILL_LISTEN);
    assert_int_equal(rill_open_connections(t->e), 0);
    advance(t, 1000 * SEC);
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYNCHRONIZED_LIST(last_ack),
        cmocka_unit_test(last_ack__ack_of_fin__closes),
        cmocka_unit_test(last_ack__ack_of_less__stays),
        cmocka_unit_test(last_ack__fin__is_retransmitted),
        cmocka_unit_test(last_ack__text_behind_a_window__leaves_before_the_fin),
        cmocka_unit_test(last_ack__fin_again__is_acknowledged_again),
        cmocka_unit_test(last_ack__text__is_ignored),
        cmocka_unit_test(last_ack__write_and_second_shutdown__do_nothing),
        cmocka_unit_test(last_ack__abort__is_silent),
        cmocka_unit_test(last_ack__abort_before_the_fin_has_left__sends_rst),
        cmocka_unit_test(last_ack__close_with_unread_text__sends_rst),
        cmocka_unit_test(last_ack__silent_peer__times_out),
        cmocka_unit_test(last_ack__silent_peer__orphan_ends_after_its_timeout),
        cmocka_unit_test(last_ack__rst_to_an_orphan__frees_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
