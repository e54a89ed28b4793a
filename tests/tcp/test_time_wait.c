/* test_time_wait.c - TIME-WAIT, as a TCB while the socket is open and as a record afterwards.  RFC
 * 9293 3.6.1, 3.10.7.4, 3.10.8; RFC 6191 2; RFC 1337. */
#include "synchronized.h"

#define MSL (30 * SEC) /* the default */

static const struct synchronized time_wait = {rig_time_wait, RILL_TIME_WAIT, 2, 2, 0};
static const struct synchronized time_wait_record = {rig_time_wait_record, RILL_TIME_WAIT, 2, 2, -1};
SYNCHRONIZED_TESTS(time_wait)
SYNCHRONIZED_TESTS(time_wait_record)

/* What follows holds for both. */
static struct rig *(*const both[])(const struct rig_setup *) = {rig_time_wait, rig_time_wait_record};
#define FOR_BOTH(t) for (size_t way = 0; way < 2 && ((t) = both[way](NULL)) != NULL; way++)

/* ---- 2 MSL --------------------------------------------------------------------------------------------- */

/* MUST-13, RFC 9293 3.10.8 */
static void time_wait__two_msl__end_exactly(void **state)
{
    struct rig *t;
    (void)state;
    FOR_BOTH(t)
    {
        at(t, 2 * MSL - 1);
        expect_state(t, RILL_TIME_WAIT);
        advance(t, 1);
        expect_state(t, RILL_LISTEN);
        rig_end(t);
    }
}

/* The record goes on with the time that the TCB has waited. */
static void time_wait__closing_the_socket__does_not_prolong_it(void **state)
{
    struct rig *t = rig_time_wait(NULL);
    (void)state;
    advance(t, MSL);
    app_close(t);
    at(t, 2 * MSL - 1);
    expect_state(t, RILL_TIME_WAIT);
    advance(t, 1);
    expect_state(t, RILL_LISTEN);
    rig_end(t);
}

/* RFC 9293 3.10.7.4: "a retransmission of the remote FIN.  Acknowledge it, and restart the 2 MSL timeout." */
static void time_wait__fin_again__is_acknowledged_and_restarts_two_msl(void **state)
{
    struct rig *t;
    (void)state;
    FOR_BOTH(t)
    {
        for (int k = 0; k < 3; k++) {
            at(t, 2 * MSL - 1);
            in(t, "F. 1:1(0) ack 2");
            out(t, ". 2:2(0) ack 2");
            mark(t);
        }
        at(t, 2 * MSL - 1);
        expect_state(t, RILL_TIME_WAIT);
        advance(t, 1);
        expect_state(t, RILL_LISTEN);
        rig_end(t);
    }
}

static struct rig *after_text_with_fin(bool closed)
{
    struct rig *t = rig_fin_wait_2(NULL);
    in(t, "FP. 1:101(100) ack 2");
    out(t, ". 2:2(0) ack 102");
    app_read(t, 100);
    if (closed)
        app_close(t);
    expect_state(t, RILL_TIME_WAIT);
    mark(t);
    return t;
}

/* The same when the FIN came with text and comes again with it. */
static void time_wait__text_and_fin_again__restart_two_msl(void **state)
{
    (void)state;
    for (int closed = 0; closed < 2; closed++) {
        struct rig *t = after_text_with_fin(closed);
        at(t, MSL);
        in(t, "FP. 1:101(100) ack 2");
        out(t, ". 2:2(0) ack 102");
        at(t, 3 * MSL - 1);
        expect_state(t, RILL_TIME_WAIT);
        advance(t, 1);
        expect_state(t, RILL_LISTEN);
        rig_end(t);
    }
}

static void time_wait__other_segments__do_not_prolong_it(void **state)
{
    struct rig *t;
    (void)state;
    FOR_BOTH(t)
    {
        at(t, MSL);
        in(t, ". 2:2(0) ack 2");
        out_none(t);
        in(t, "P. 2:12(10) ack 2");
        out(t, ". 2:2(0) ack 2");
        advance(t, 1 * SEC);
        in(t, "R 3:3(0)");
        in(t, "S -5:-5(0)");
        out(t, ". 2:2(0) ack 2");
        at(t, 2 * MSL - 1);
        expect_state(t, RILL_TIME_WAIT);
        advance(t, 1);
        expect_state(t, RILL_LISTEN);
        rig_end(t);
    }
}

/* "turn off the other timers": nothing is sent again, whatever was armed before. */
static void time_wait__by_every_path__is_silent_until_its_end(void **state)
{
    struct rig *(*const make[])(const struct rig_setup *) = {rig_fin_wait_1, rig_fin_wait_2, rig_closing};
    const char *const last[] = {"F. 1:1(0) ack 2", "F. 1:1(0) ack 2", ". 2:2(0) ack 2"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(make); i++) {
        struct rig *t = make[i](NULL);
        in(t, "%s", last[i]);
        if (i < 2)
            out(t, ". 2:2(0) ack 2");
        expect_state(t, RILL_TIME_WAIT);
        expect_counted(t, RILL_TIME_WAIT_ENTERED, 1);
        at(t, 2 * MSL - 1);
        expect_state(t, RILL_TIME_WAIT);
        advance(t, 1);
        expect_state(t, RILL_LISTEN);
        rig_end(t);
    }
}

static void edit_msl(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->msl_us = 2 * 60 * SEC; /* RFC 9293 3.4.2 */
}

static void time_wait__msl__can_be_configured(void **state)
{
    struct rig *t = rig_time_wait_record(&(struct rig_setup){.edit = edit_msl});
    (void)state;
    at(t, 240 * SEC - 1);
    expect_state(t, RILL_TIME_WAIT);
    advance(t, 1);
    expect_state(t, RILL_LISTEN);
    rig_end(t);
}

/* ---- Text and FIN -------------------------------------------------------------------------------------- */

/* RFC 9293 3.10.7.4 seventh: "ignore the segment text". */
static void time_wait__text_beyond_the_fin__is_not_taken(void **state)
{
    struct rig *t = rig_time_wait(NULL);
    (void)state;
    in(t, "P. 2:12(10) ack 2");
    out(t, ". 2:2(0) ack 2");
    expect_readable(t, 0);
    expect_eof(t, true);
    rig_end(t);
}

static void time_wait__unread_text__can_still_be_read(void **state)
{
    struct rig *t = rig_fin_wait_2(NULL);
    (void)state;
    in(t, "FP. 1:101(100) ack 2");
    out(t, ". 2:2(0) ack 102");
    expect_state(t, RILL_TIME_WAIT);
    advance(t, 2 * MSL);
    expect_state(t, RILL_LISTEN); /* the connection is gone, what came is not */
    expect_readable(t, 100);
    app_read(t, 100);
    rig_end(t);
}

/* ---- A SYN for a new connection ------------------------------------------------------------------------ */

/* RFC 6191 2 without timestamps, MAY-2: the SYN's number is greater than the last one of the old connection,
 * which was that of the FIN, 1. */
static void time_wait__syn_beyond_the_fin__opens_a_new_connection(void **state)
{
    const int seqs[] = {2, 3, EDGE - 1, EDGE, EDGE + 1000000, INT32_MAX};
    for (size_t i = 0; i < COUNT_OF(seqs); i++) {
        struct rig *t;
        (void)state;
        FOR_BOTH(t)
        {
            uint32_t old_iss = t->peer[0].iss;
            in(t, "S %d:%d(0) <mss 1460,nop,wscale 7>", seqs[i], seqs[i]);
            t->peer[0].isn += (uint32_t)seqs[i];
            out(t, "S. 0:0(0) ack 1 <*>");
            expect_state(t, RILL_SYN_RECEIVED);
            expect_counted(t, RILL_TIME_WAIT_REUSED, 1);
            /* MAY-2 (1): above the old SND.NXT, which was ISS + 2. */
            assert_true((int32_t)(t->peer[0].iss - (old_iss + 2)) > 0);
            if (t->peer[0].c != NULL)
                app_close(t);
            in(t, ". 1:1(0) ack 1");
            app_accept(t, 0);
            expect_state(t, RILL_ESTABLISHED);
            rig_end(t);
        }
    }
}

/* Point 10 of where the texts disagree: RFC 9293 and RFC 5961 want a challenge ACK, RFC 6191 silence. */
static void time_wait__syn_up_to_the_fin__gets_a_challenge_ack(void **state)
{
    const int seqs[] = {1, 0, -1, -100000, INT32_MIN + 3};
    for (size_t i = 0; i < COUNT_OF(seqs); i++) {
        struct rig *t;
        (void)state;
        FOR_BOTH(t)
        {
            in(t, "S %d:%d(0) <mss 1460>", seqs[i], seqs[i]);
            out(t, ". 2:2(0) ack 2");
            expect_state(t, RILL_TIME_WAIT);
            expect_counted(t, RILL_TIME_WAIT_REUSED, 0);
            rig_end(t);
        }
    }
}

static void time_wait__syn_with_other_controls__opens_nothing(void **state)
{
    const char *const lines[] = {"S. 100:100(0) ack 2", "SF 100:100(0)"};
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct rig *t;
        (void)state;
        FOR_BOTH(t)
        {
            in(t, "%s", lines[i]);
            out(t, ". 2:2(0) ack 2");
            expect_state(t, RILL_TIME_WAIT);
            rig_end(t);
        }
    }
}

static void time_wait__syn_without_a_listener__gets_a_challenge_ack(void **state)
{
    struct rig *t;
    (void)state;
    FOR_BOTH(t)
    {
        app_close_port(t);
        in(t, "S 100:100(0) <mss 1460>");
        out(t, ". 2:2(0) ack 2");
        expect_state(t, RILL_TIME_WAIT);
        rig_end(t);
    }
}

/* A SYN that finds the queue full is dropped "without processing": TIME-WAIT stays. */
static void time_wait__syn_with_the_queue_full__leaves_it_alone(void **state)
{
    (void)state;
    for (size_t way = 0; way < 2; way++) {
        struct rig *t = both[way](&(struct rig_setup){.backlog = 1});
        in(t, "@1 S 0:0(0) <mss 1460>");
        out(t, "@1 S. 0:0(0) ack 1 <*>");
        in(t, "S 100:100(0) <mss 1460>");
        out_none(t);
        expect_state(t, RILL_TIME_WAIT);
        expect_counted(t, RILL_DROP_SYN_QUEUE, 1);
        expect_counted(t, RILL_TIME_WAIT_REUSED, 0);
        in(t, "F. 1:1(0) ack 2");
        out(t, ". 2:2(0) ack 2");
        rig_end(t);
    }
}

/* MAY-2 (2): "returns to TIME-WAIT state if the SYN turns out to be an old duplicate": the peer answers our
 * SYN,ACK with a reset (RFC 9293 3.5 figure 8). */
static void time_wait__syn_that_proves_old__leads_back(void **state)
{
    struct rig *t;
    (void)state;
    FOR_BOTH(t)
    {
        in(t, "S 1000:1000(0) <mss 1460>");
        out(t, "S. *:*(0) ack 1001 <*>");
        expect_state(t, RILL_SYN_RECEIVED);
        advance(t, 10 * MS);
        in(t, "R 1001:1001(0)");
        out_none(t);
        expect_state(t, RILL_TIME_WAIT);
        at(t, 2 * MSL - 1);
        expect_state(t, RILL_TIME_WAIT);
        advance(t, 1);
        expect_state(t, RILL_LISTEN);
        rig_end(t);
    }
}

/* And the handshake that succeeds ends it for good. */
static void time_wait__new_connection__outlives_the_old_two_msl(void **state)
{
    struct rig *t;
    (void)state;
    FOR_BOTH(t)
    {
        in(t, "S 1000:1000(0) <mss 1460>");
        t->peer[0].isn += 1000;
        out(t, "S. 0:0(0) ack 1 <*>");
        if (t->peer[0].c != NULL)
            app_close(t);
        in(t, ". 1:1(0) ack 1");
        app_accept(t, 0);
        advance(t, 3 * MSL);
        expect_state(t, RILL_ESTABLISHED);
        in(t, "P. 1:11(10) ack 1");
        out_after(t, 40 * MS, ". 1:1(0) ack 11");
        in(t, "R 11:11(0)");
        expect_error(t, ECONNRESET);
        expect_state(t, RILL_LISTEN);
        rig_end(t);
    }
}

/* ---- The application ----------------------------------------------------------------------------------- */

/* RFC 9293 3.10.5: "respond with ok and delete the TCB". */
static void time_wait__abort__is_silent(void **state)
{
    struct rig *t = rig_time_wait(NULL);
    (void)state;
    app_abort(t);
    out_none(t);
    expect_state(t, RILL_LISTEN);
    rig_end(t);
}

/* A record is what makes waiting cheap: issue of 64 bytes beside what the allocator adds. */
static void time_wait__record__takes_64_bytes(void **state)
{
    struct rig *t = rig_listen(NULL);
    size_t before = rill_memory(t->e), with_heap;
    (void)state;
    rig_end(t);
    t = rig_time_wait_record(NULL);
    with_heap = rill_memory(t->e);
    advance(t, 2 * MSL);
    expect_state(t, RILL_LISTEN);
    assert_true(with_heap - rill_memory(t->e) <= 64);
    assert_true(rill_memory(t->e) >= before);
    rig_end(t);
}

static void decorated(struct rill_config *config, struct tcp_opts *opts)
{
    (void)config;
    opts->ttl = 33;
    opts->tos = 0x28;
    opts->keepalive = true;
    opts->keep_idle_s = 10;
}

/* MUST-45, MUST-48, MUST-49: a record speaks for the connection: with its window, TTL and DSCP. */
static void time_wait__record__answers_as_the_connection_did(void **state)
{
    (void)state;
    for (size_t way = 0; way < 2; way++) {
        struct rig *t = both[way](&(struct rig_setup){.edit = decorated});
        const struct datagram *d;
        in(t, "F. 1:1(0) ack 2");
        d = take(t);
        assert_int_equal(d->flags, RILL_ACK);
        assert_int_equal(d->win, EDGE - 2);
        assert_int_equal(d->ttl, 33);
        assert_int_equal(d->tos, 0x28);
        advance(t, 60 * SEC - 1); /* "turn off the other timers": no keep-alive in TIME-WAIT */
        expect_state(t, RILL_TIME_WAIT);
        advance(t, 1);
        expect_state(t, RILL_LISTEN);
        rig_end(t);
    }
}

/* Records end in the order in which their connections began to wait, not in which they became records. */
static void time_wait__two_records__each_end_at_their_own_time(void **state)
{
    struct rig *t = rig_time_wait(NULL); /* peer 0 waits from 0 s on, with the socket open */
    (void)state;
    advance(t, 10 * SEC);
    in(t, "@1 S 0:0(0)");
    out(t, "@1 S. 0:0(0) ack 1 <*>");
    in(t, "@1 . 1:1(0) ack 1");
    app_accept(t, 1);
    app_close_peer(t, 1);
    out(t, "@1 F. 1:1(0) ack 1");
    in(t, "@1 F. 1:1(0) ack 2");
    out(t, "@1 . 2:2(0) ack 2"); /* peer 1 from 10 s on, a record at once */
    advance(t, 10 * SEC);
    app_close(t); /* peer 0 becomes one at 20 s */
    at(t, 60 * SEC - 1);
    expect_state(t, RILL_TIME_WAIT);
    advance(t, 1);
    expect_state(t, RILL_LISTEN);
    expect_peer_state(t, 1, RILL_TIME_WAIT);
    at(t, 70 * SEC - 1);
    expect_peer_state(t, 1, RILL_TIME_WAIT);
    advance(t, 1);
    expect_peer_state(t, 1, RILL_LISTEN);
    rig_end(t);
}

/* Without memory for the record that would stay behind, the new connection goes first. */
static void time_wait__new_connection_without_memory_for_the_record__is_opened(void **state)
{
    struct rig *t = rig_time_wait(NULL);
    (void)state;
    t->heap.fail_nth = 2; /* 1 is the half-open record */
    in(t, "S 1000:1000(0) <mss 1460>");
    out(t, "S. *:*(0) ack 1001 <*>");
    expect_state(t, RILL_SYN_RECEIVED);
    in(t, "R 1001:1001(0)");
    expect_state(t, RILL_LISTEN);
    rig_end(t);
}

static void time_wait__syn_without_memory__leaves_it_alone(void **state)
{
    struct rig *t;
    (void)state;
    FOR_BOTH(t)
    {
        t->heap.fail_all = true;
        in(t, "S 1000:1000(0) <mss 1460>");
        t->heap.fail_all = false;
        out_none(t);
        expect_state(t, RILL_TIME_WAIT);
        expect_counted(t, RILL_DROP_MEMORY, 1);
        rig_end(t);
    }
}

/* The trace tells of the end, also when a record has stood for the connection; becoming one is no change of
 * state. */
static void time_wait__record_that_ends__is_told(void **state)
{
    struct rig *t = rig_time_wait_record(NULL);
    (void)state;
    assert_int_equal(t->ended, 0);
    let_pass(t, 59 * SEC);
    assert_int_equal(t->ended, 0);
    let_pass(t, 2 * SEC);
    assert_int_equal(t->ended, 1);
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYNCHRONIZED_LIST(time_wait),
        SYNCHRONIZED_LIST(time_wait_record),
        cmocka_unit_test(time_wait__two_msl__end_exactly),
        cmocka_unit_test(time_wait__closing_the_socket__does_not_prolong_it),
        cmocka_unit_test(time_wait__fin_again__is_acknowledged_and_restarts_two_msl),
        cmocka_unit_test(time_wait__text_and_fin_again__restart_two_msl),
        cmocka_unit_test(time_wait__other_segments__do_not_prolong_it),
        cmocka_unit_test(time_wait__by_every_path__is_silent_until_its_end),
        cmocka_unit_test(time_wait__msl__can_be_configured),
        cmocka_unit_test(time_wait__text_beyond_the_fin__is_not_taken),
        cmocka_unit_test(time_wait__unread_text__can_still_be_read),
        cmocka_unit_test(time_wait__syn_beyond_the_fin__opens_a_new_connection),
        cmocka_unit_test(time_wait__syn_up_to_the_fin__gets_a_challenge_ack),
        cmocka_unit_test(time_wait__syn_with_other_controls__opens_nothing),
        cmocka_unit_test(time_wait__syn_without_a_listener__gets_a_challenge_ack),
        cmocka_unit_test(time_wait__syn_with_the_queue_full__leaves_it_alone),
        cmocka_unit_test(time_wait__syn_that_proves_old__leads_back),
        cmocka_unit_test(time_wait__new_connection__outlives_the_old_two_msl),
        cmocka_unit_test(time_wait__abort__is_silent),
        cmocka_unit_test(time_wait__record__takes_64_bytes),
        cmocka_unit_test(time_wait__record__answers_as_the_connection_did),
        cmocka_unit_test(time_wait__two_records__each_end_at_their_own_time),
        cmocka_unit_test(time_wait__new_connection_without_memory_for_the_record__is_opened),
        cmocka_unit_test(time_wait__syn_without_memory__leaves_it_alone),
        cmocka_unit_test(time_wait__record_that_ends__is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
