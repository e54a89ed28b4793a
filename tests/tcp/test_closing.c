/* test_closing.c - CLOSING: both FINs are out, and ours is not acknowledged.  RFC 9293 3.6 figure
 * 13, 3.10.7.4. */
#include "synchronized.h"

static const struct synchronized closing = {rig_closing, RILL_CLOSING, 2, 2, 0};
SYNCHRONIZED_TESTS(closing)

/* "If the ACK acknowledges our FIN, then enter the TIME-WAIT state" */
static void closing__ack_of_fin__enters_time_wait(void **state)
{
    struct rig *t = rig_closing(NULL);
    (void)state;
    in(t, ". 2:2(0) ack 2");
    out_none(t);
    expect_state(t, RILL_TIME_WAIT);
    expect_error(t, 0);
    expect_eof(t, true);
    rig_end(t);
}

/* "otherwise, ignore the segment." */
static void closing__ack_of_less__is_ignored(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    app_shut(t);
    out(t, "F. 101:101(0) ack 1");
    in(t, "F. 1:1(0) ack 1");
    out(t, ". 102:102(0) ack 2");
    expect_state(t, RILL_CLOSING);
    in(t, ". 2:2(0) ack 1");
    in(t, ". 2:2(0) ack 101"); /* the text, but not the FIN */
    out_none(t);
    expect_state(t, RILL_CLOSING);
    in(t, ". 2:2(0) ack 102");
    expect_state(t, RILL_TIME_WAIT);
    rig_end(t);
}

/* The peer's FIN comes again, and says now that it has ours: both in one segment, left of the window. */
static void closing__fin_again_with_ack_of_ours__enters_time_wait(void **state)
{
    struct rig *t = rig_closing(NULL);
    (void)state;
    in(t, "F. 1:1(0) ack 2");
    out(t, ". 2:2(0) ack 2");
    expect_state(t, RILL_TIME_WAIT);
    rig_end(t);
}

/* "Remain in the CLOSING state." */
static void closing__fin_again__is_acknowledged_again(void **state)
{
    struct rig *t = rig_closing(NULL);
    (void)state;
    in(t, "F. 1:1(0) ack 1");
    out(t, ". 2:2(0) ack 2");
    expect_state(t, RILL_CLOSING);
    rig_end(t);
}

static void closing__fin__is_retransmitted(void **state)
{
    struct rig *t = rig_closing(NULL);
    (void)state;
    out_at(t, 200 * MS, "F. 1:1(0) ack 2");
    out_at(t, 600 * MS, "F. 1:1(0) ack 2");
    in(t, ". 2:2(0) ack 2");
    expect_state(t, RILL_TIME_WAIT);
    advance(t, 59 * SEC);
    rig_end(t);
}

static void closing__text_and_urg__are_ignored(void **state)
{
    struct rig *t = rig_closing(NULL);
    (void)state;
    in(t, "UP. 2:12(10) ack 1 urg 5");
    out(t, ". 2:2(0) ack 2");
    expect_state(t, RILL_CLOSING);
    expect_readable(t, 0);
    assert_false(t->peer[0].c->urgent_event);
    rig_end(t);
}

/* RFC 9293 3.10.5: "respond with ok and delete the TCB": both FINs are out, there is nothing to tell. */
static void closing__abort__is_silent(void **state)
{
    struct rig *t = rig_closing(NULL);
    (void)state;
    app_abort(t);
    out_none(t);
    expect_state(t, RILL_LISTEN);
    advance(t, 100 * SEC);
    rig_end(t);
}

static void closing__orphan__ends_in_a_record_or_by_its_timeout(void **state)
{
    struct rig *t = rig_closing(NULL);
    (void)state;
    app_close(t);
    in(t, ". 2:2(0) ack 2");
    expect_state(t, RILL_TIME_WAIT);
    assert_null(conns_find(&t->e->conns, RIG_PEER_ADDR, RIG_CLIENT, RIG_PORT));
    rig_end(t);
    t = rig_closing(NULL);
    app_close(t);
    let_pass(t, 120 * SEC - 1);
    expect_state(t, RILL_CLOSING);
    let_pass(t, 1);
    expect_state(t, RILL_LISTEN);
    rig_end(t);
}

/* A reset of an orphan frees it: there is nobody to tell. */
static void closing__rst_to_an_orphan__frees_it(void **state)
{
    struct rig *t = rig_closing(NULL);
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
        SYNCHRONIZED_LIST(closing),
        cmocka_unit_test(closing__ack_of_fin__enters_time_wait),
        cmocka_unit_test(closing__ack_of_less__is_ignored),
        cmocka_unit_test(closing__fin_again_with_ack_of_ours__enters_time_wait),
        cmocka_unit_test(closing__fin_again__is_acknowledged_again),
        cmocka_unit_test(closing__fin__is_retransmitted),
        cmocka_unit_test(closing__text_and_urg__are_ignored),
        cmocka_unit_test(closing__abort__is_silent),
        cmocka_unit_test(closing__orphan__ends_in_a_record_or_by_its_timeout),
        cmocka_unit_test(closing__rst_to_an_orphan__frees_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
