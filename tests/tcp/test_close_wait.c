/* test_close_wait.c - CLOSE-WAIT: the peer's direction is closed, ours is open.  RFC 9293 3.6, 3.10.7.4. */
#include "synchronized.h"

/* A reset after the peer has said that it would send no more is EPIPE to who writes, as Linux has it. */
static const struct synchronized close_wait = {rig_close_wait, RILL_CLOSE_WAIT, 1, 2, EPIPE};
SYNCHRONIZED_TESTS(close_wait)

/* Half-close: "a host is permitted to continue sending data in the open direction". */
static void close_wait__text__is_sent_and_acknowledged_for_days(void **state)
{
    struct rig *t = rig_close_wait(NULL);
    (void)state;
    for (int n = 0; n < 10; n++) {
        app_write(t, 100);
        out(t, "P. %d:%d(100) ack 2", 1 + n * 100, 101 + n * 100);
        in(t, ". 2:2(0) ack %d", 101 + n * 100);
        advance(t, 6 * 3600 * SEC);
    }
    expect_state(t, RILL_CLOSE_WAIT);
    rig_end(t);
}

static void close_wait__text__is_retransmitted(void **state)
{
    struct rig *t = rig_close_wait(NULL);
    (void)state;
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 2");
    out_after(t, 200 * MS, "P. 1:101(100) ack 2");
    in(t, ". 2:2(0) ack 101");
    advance(t, 100 * SEC);
    rig_end(t);
}

/* "The user will respond with a CLOSE, upon which the TCP endpoint can send a FIN after sending any remaining
 * data." */
static void close_wait__shutdown__sends_fin_and_enters_last_ack(void **state)
{
    struct rig *t = rig_close_wait(NULL);
    (void)state;
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 2");
    app_shut(t);
    out(t, "F. 101:101(0) ack 2");
    expect_state(t, RILL_LAST_ACK);
    rig_end(t);
}

static void close_wait__close__sends_fin_and_enters_last_ack(void **state)
{
    struct rig *t = rig_close_wait(NULL);
    (void)state;
    app_close(t);
    out(t, "F. 1:1(0) ack 2");
    expect_state(t, RILL_LAST_ACK);
    in(t, ". 2:2(0) ack 2");
    out_none(t);
    expect_state(t, RILL_LISTEN);
    assert_int_equal(rill_open_connections(t->e), 0);
    rig_end(t);
}

/* SHLD-3 */
static void close_wait__close_with_unread_text__sends_rst(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, "FP. 1:11(10) ack 1");
    out(t, ". 1:1(0) ack 12");
    app_close(t);
    out(t, "R. 1:1(0) ack 12");
    expect_state(t, RILL_LISTEN);
    rig_end(t);
}

/* RFC 9293 3.10.5 */
static void close_wait__abort__sends_rst(void **state)
{
    struct rig *t = rig_close_wait(NULL);
    (void)state;
    app_abort(t);
    out(t, "R. 1:1(0) ack 2");
    expect_state(t, RILL_LISTEN);
    rig_end(t);
}

/* "Remain in the CLOSE-WAIT state": the FIN comes again because our ACK was lost. */
static void close_wait__fin_again__is_acknowledged_again(void **state)
{
    struct rig *t = rig_close_wait(NULL);
    (void)state;
    for (int k = 0; k < 3; k++) {
        in(t, "F. 1:1(0) ack 1");
        out(t, ". 1:1(0) ack 2");
        expect_state(t, RILL_CLOSE_WAIT);
    }
    expect_eof(t, true);
    rig_end(t);
}

/* What comes with it again counts: the ACK and the window. */
static void close_wait__fin_again_with_newer_ack__acknowledges(void **state)
{
    struct rig *t = rig_close_wait(NULL);
    (void)state;
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 2");
    in(t, "F. 1:1(0) ack 101");
    out(t, ". 101:101(0) ack 2");
    advance(t, 100 * SEC); /* nothing is sent again */
    rig_end(t);
}

/* "This should not occur since a FIN has been received from the remote side.  Ignore the segment text", the
 * URG, and a FIN at another place. */
static void close_wait__text_urg_and_fin_beyond_the_fin__are_ignored(void **state)
{
    const char *const lines[] = {"P. 2:12(10) ack 1", "UP. 2:12(10) ack 1 urg 5", "U. 2:2(0) ack 1 urg 5",
                                 "F. 2:2(0) ack 1",   "FP. 2:12(10) ack 1",       "P. 100:200(100) ack 1"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct rig *t = rig_close_wait(NULL);
        in(t, "%s", lines[i]);
        if (i != 2) /* it has no length: nothing in it asks for an answer */
            out(t, ". 1:1(0) ack 2");
        out_none(t);
        expect_state(t, RILL_CLOSE_WAIT);
        expect_readable(t, 0);
        expect_eof(t, true);
        assert_false(t->peer[0].c->urgent_event);
        rig_end(t);
    }
}

/* "RECEIVEs must be satisfied by data already on hand." */
static void close_wait__unread_text__can_still_be_read(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, "FP. 1:1001(1000) ack 1");
    out(t, ". 1:1(0) ack 1002");
    advance(t, 1000 * SEC);
    app_read(t, 400);
    expect_eof(t, false);
    app_read(t, 600);
    expect_eof(t, true);
    out_none(t); /* a window that nobody will use needs no update */
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYNCHRONIZED_LIST(close_wait),
        cmocka_unit_test(close_wait__text__is_sent_and_acknowledged_for_days),
        cmocka_unit_test(close_wait__text__is_retransmitted),
        cmocka_unit_test(close_wait__shutdown__sends_fin_and_enters_last_ack),
        cmocka_unit_test(close_wait__close__sends_fin_and_enters_last_ack),
        cmocka_unit_test(close_wait__close_with_unread_text__sends_rst),
        cmocka_unit_test(close_wait__abort__sends_rst),
        cmocka_unit_test(close_wait__fin_again__is_acknowledged_again),
        cmocka_unit_test(close_wait__fin_again_with_newer_ack__acknowledges),
        cmocka_unit_test(close_wait__text_urg_and_fin_beyond_the_fin__are_ignored),
        cmocka_unit_test(close_wait__unread_text__can_still_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
