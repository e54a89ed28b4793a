/* test_syn_received.c - SYN-RECEIVED, as a record after a passive open and as a TCB after SYNs have crossed.
 * RFC 9293 3.5, 3.10.7.4; RFC 5961; points 4 and 11 of where the texts disagree. */
#include "synchronized.h"

/* What holds whatever led here (MUST-11 is about what does not). */
static struct rig *(*const both[])(const struct rig_setup *) = {rig_syn_received, rig_syn_crossed};
#define FOR_BOTH(t) for (size_t way = 0; way < 2 && ((t) = both[way](NULL)) != NULL; way++)

/* ---- First: the sequence number ------------------------------------------------------------------------ */

static void syn_received__segment_outside_window__gets_an_ack(void **state)
{
    const char *const lines[] = {"P. -9:1(10) ack 1", ". -100:-100(0) ack 1", "P. 65536:65546(10) ack 1",
                                 ". 165536:165536(0) ack 1"};
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct rig *t;
        (void)state;
        FOR_BOTH(t)
        {
            in(t, "%s", lines[i]);
            out(t, ". 1:1(0) ack 1");
            expect_state(t, RILL_SYN_RECEIVED);
            rig_end(t);
        }
    }
}

/* ---- Second: the RST bit ------------------------------------------------------------------------------- */

/* MUST-11: "initiated with a passive OPEN: return this connection to LISTEN state and return.  The user need
 * not be informed." */
static void syn_received__rst_after_passive_open__returns_to_listen(void **state)
{
    struct rig *t = rig_syn_received(NULL);
    (void)state;
    in(t, "R 1:1(0)");
    out_none(t);
    expect_state(t, RILL_LISTEN);
    app_accept_none(t);
    advance(t, 300 * SEC);
    in(t, "S 100:100(0)");
    out(t, "S. 0:0(0) ack 101 <*>");
    rig_end(t);
}

/* MUST-11: "initiated with an active OPEN: the connection was refused". */
static void syn_received__rst_after_active_open__refuses(void **state)
{
    struct rig *t = rig_syn_crossed(NULL);
    (void)state;
    in(t, "R 1:1(0)");
    out_none(t);
    expect_state(t, RILL_CLOSED);
    expect_error(t, ECONNREFUSED);
    advance(t, 300 * SEC);
    rig_end(t);
}

static void syn_received__rst_elsewhere_in_window__gets_a_challenge_ack(void **state)
{
    const int seqs[] = {2, 1000, EDGE - 1};
    for (size_t i = 0; i < COUNT_OF(seqs); i++) {
        struct rig *t;
        (void)state;
        FOR_BOTH(t)
        {
            in(t, "R %d:%d(0)", seqs[i], seqs[i]);
            out(t, ". 1:1(0) ack 1");
            expect_state(t, RILL_SYN_RECEIVED);
            rig_end(t);
        }
    }
}

static void syn_received__rst_outside_window__is_dropped_silently(void **state)
{
    const int seqs[] = {0, -1, -1000, EDGE, EDGE + 1000};
    struct rig *t;
    (void)state;
    FOR_BOTH(t)
    {
        for (size_t i = 0; i < COUNT_OF(seqs); i++) {
            in(t, "R %d:%d(0)", seqs[i], seqs[i]);
            in(t, "R. %d:%d(0) ack 1", seqs[i], seqs[i]);
            out_none(t);
            expect_state(t, RILL_SYN_RECEIVED);
        }
        rig_end(t);
    }
}

/* ---- Fourth: the SYN bit ------------------------------------------------------------------------------- */

/* Point 4: the same SYN again means that the SYN,ACK was lost. */
static void syn_received__same_syn_again_after_passive_open__gets_the_syn_ack_again(void **state)
{
    struct rig *t = rig_syn_received(NULL);
    uint32_t iss = t->peer[0].iss;
    (void)state;
    for (int k = 0; k < 3; k++) {
        in(t, "S 0:0(0) %s", t->setup.peer_opts);
        out(t, "S. 0:0(0) ack 1 win 65535 <mss 1460,nop,wscale 0>");
        assert_int_equal(t->peer[0].iss, iss);
    }
    in(t, ". 1:1(0) ack 1");
    expect_state(t, RILL_ESTABLISHED);
    rig_end(t);
}

/* Point 4: another SYN gets a challenge ACK; if the peer has begun anew it answers with a reset (figure 9),
 * and its next SYN is taken. */
static void syn_received__other_syn_after_passive_open__gets_a_challenge_ack(void **state)
{
    const int seqs[] = {1, 5000, -1, -5000, EDGE + 5000};
    for (size_t i = 0; i < COUNT_OF(seqs); i++) {
        struct rig *t = rig_syn_received(NULL);
        (void)state;
        in(t, "S %d:%d(0) <mss 1460>", seqs[i], seqs[i]);
        out(t, ". 1:1(0) ack 1");
        expect_state(t, RILL_SYN_RECEIVED);
        in(t, "R 1:1(0)");
        in(t, "S %d:%d(0) <mss 1460>", seqs[i], seqs[i]);
        out(t, "S. 0:0(0) ack %d <*>", seqs[i] + 1);
        rig_end(t);
    }
}

/* "Otherwise, handle per the directions for synchronized states": a challenge ACK, whatever the number; and
 * the peer's SYN again without ACK is also not acceptable in the first step, which asks for the same ACK. */
static void syn_received__syn_after_active_open__gets_a_challenge_ack(void **state)
{
    const int seqs[] = {0, 1, 5000, -1, -5000, EDGE + 5000};
    for (size_t i = 0; i < COUNT_OF(seqs); i++) {
        struct rig *t = rig_syn_crossed(NULL);
        (void)state;
        in(t, "S %d:%d(0) <mss 1460>", seqs[i], seqs[i]);
        out(t, ". 1:1(0) ack 1");
        expect_state(t, RILL_SYN_RECEIVED);
        rig_end(t);
    }
}

/* ---- Fifth: the ACK field ------------------------------------------------------------------------------ */

static void syn_received__no_ack_bit__is_dropped(void **state)
{
    const char *const lines[] = {"- 1:1(0)", "P 1:11(10)", "F 1:1(0)"};
    struct rig *t;
    (void)state;
    FOR_BOTH(t)
    {
        for (size_t i = 0; i < COUNT_OF(lines); i++) {
            in(t, "%s", lines[i]);
            out_none(t);
            expect_state(t, RILL_SYN_RECEIVED);
        }
        rig_end(t);
    }
}

/* "If the segment acknowledgment is not acceptable, form a reset segment <SEQ=SEG.ACK><CTL=RST>"; 3.5.2: "the
 * connection remains in the same state". */
static void syn_received__unacceptable_ack__sends_rst(void **state)
{
    const int acks[] = {0, 2, -1, 1000, -1000, INT32_MAX};
    for (size_t i = 0; i < COUNT_OF(acks); i++) {
        struct rig *t;
        (void)state;
        FOR_BOTH(t)
        {
            in(t, ". 1:1(0) ack %d", acks[i]);
            out(t, "R %d:%d(0) win 0", acks[i], acks[i]);
            in(t, "P. 1:11(10) ack %d", acks[i]);
            out(t, "R %d:%d(0) win 0", acks[i], acks[i]);
            expect_state(t, RILL_SYN_RECEIVED);
            in(t, ". 1:1(0) ack 1");
            expect_state(t, RILL_ESTABLISHED);
            rig_end(t);
        }
    }
}

/* "If SND.UNA < SEG.ACK =< SND.NXT, then enter ESTABLISHED state and continue processing." */
static void syn_received__ack__establishes_without_an_answer(void **state)
{
    struct rig *t;
    (void)state;
    FOR_BOTH(t)
    {
        in(t, ". 1:1(0) ack 1");
        out_none(t);
        expect_state(t, RILL_ESTABLISHED);
        advance(t, 300 * SEC); /* and the SYN,ACK does not come again */
        rig_end(t);
    }
}

static void syn_received__ack_with_text__delivers_it(void **state)
{
    struct rig *t;
    (void)state;
    FOR_BOTH(t)
    {
        in(t, "P. 1:101(100) ack 1");
        expect_state(t, RILL_ESTABLISHED);
        out_after(t, 40 * MS, ". 1:1(0) ack 101");
        if (way == 0)
            app_accept(t, 0);
        app_read(t, 100);
        rig_end(t);
    }
}

/* "SYN-RECEIVED, ESTABLISHED: enter the CLOSE-WAIT state." */
static void syn_received__ack_with_fin__enters_close_wait(void **state)
{
    struct rig *t;
    (void)state;
    FOR_BOTH(t)
    {
        in(t, "F. 1:1(0) ack 1");
        out(t, ". 1:1(0) ack 2");
        expect_state(t, RILL_CLOSE_WAIT);
        if (way == 0)
            app_accept(t, 0);
        expect_eof(t, true);
        rig_end(t);
    }
}

/* Text that has overtaken the completing ACK acknowledges too: it completes, and waits for what is before it.
 */
static void syn_received__ack_with_later_text__establishes_and_keeps_it(void **state)
{
    struct rig *t;
    (void)state;
    FOR_BOTH(t)
    {
        in(t, "P. 101:201(100) ack 1");
        out(t, ". 1:1(0) ack 1");
        expect_state(t, RILL_ESTABLISHED);
        if (way == 0)
            app_accept(t, 0);
        in(t, "P. 1:101(100) ack 1");
        out(t, ". 1:1(0) ack 201");
        app_read(t, 200);
        rig_end(t);
    }
}

/* MUST-10, figure 7 line 6: the peer's SYN,ACK acknowledges, although its SYN is left of the window. */
static void syn_received__syn_ack_of_the_peer__establishes(void **state)
{
    struct rig *t = rig_syn_crossed(NULL);
    (void)state;
    in(t, "S. 0:0(0) ack 1 win 65535 <mss 1460,nop,wscale 7>");
    out(t, ". 1:1(0) ack 1");
    expect_state(t, RILL_ESTABLISHED);
    in(t, ". 1:1(0) ack 1");
    out_none(t); /* an ACK is never acknowledged */
    rig_end(t);
}

/* The same with text behind the SYN: at least the acknowledgement counts. */
static void syn_received__syn_ack_with_text__establishes(void **state)
{
    struct rig *t = rig_syn_crossed(NULL);
    (void)state;
    in(t, "SP. 0:10(10) ack 1");
    (void)take(t); /* whether it has taken the text is its choice */
    out_none(t);
    expect_state(t, RILL_ESTABLISHED);
    in(t, "P. 1:11(10) ack 1");
    let_pass(t, 40 * MS);
    app_read(t, 10);
    rig_end(t);
}

/* ---- Retransmission ------------------------------------------------------------------------------------ */

/* RFC 6298 2.1, 5.5: the SYN,ACK at 1, 3, 7, 15, 31 s; then the record goes, silently. */
static void syn_received__no_ack_after_passive_open__ends_in_listen(void **state)
{
    const uint64_t times_s[] = {1, 3, 7, 15, 31};
    struct rig *t = rig_syn_received(NULL);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(times_s); i++)
        out_at(t, times_s[i] * SEC, "S. 0:0(0) ack 1 win 65535 <mss 1460,nop,wscale 0>");
    at(t, 63 * SEC - 1);
    expect_state(t, RILL_SYN_RECEIVED);
    advance(t, 1);
    expect_state(t, RILL_LISTEN);
    expect_counted(t, RILL_HALF_OPEN_EXPIRED, 1);
    rig_end(t);
}

static void syn_received__ack_after_retransmission__establishes(void **state)
{
    struct rig *t = rig_syn_received(NULL);
    (void)state;
    out_at(t, 1 * SEC, "S. 0:0(0) ack 1 <*>");
    out_at(t, 3 * SEC, "S. 0:0(0) ack 1 <*>");
    in(t, ". 1:1(0) ack 1");
    expect_state(t, RILL_ESTABLISHED);
    rig_end(t);
}

/* MUST-23 for the SYN that was sent actively and is now a SYN,ACK. */
static void syn_received__no_ack_after_active_open__is_retried_for_three_minutes(void **state)
{
    struct rig *t = rig_syn_crossed(NULL);
    int resent = 0;
    (void)state;
    while (t->now_us < t->mark_us + 180 * SEC - 1) {
        rill_time before = rill_counter(t->e, RILL_SEG_RESENT);
        let_pass(t, 1 * SEC - (t->now_us == t->mark_us ? 1 : 0));
        resent += rill_counter(t->e, RILL_SEG_RESENT) != before ? 1 : 0;
    }
    assert_true(resent >= 5);
    expect_state(t, RILL_SYN_RECEIVED);
    let_pass(t, 80 * SEC);
    expect_state(t, RILL_CLOSED);
    expect_error(t, ETIMEDOUT);
    rig_end(t);
}

/* RFC 6298 3: the handshake is timed if the SYN,ACK was sent once, and not if it was sent again. */
static void syn_received__round_trip_of_the_syn_ack__sets_the_timeout(void **state)
{
    struct rig *t = rig_syn_received(NULL);
    (void)state;
    advance(t, 300 * MS);
    in(t, ". 1:1(0) ack 1");
    app_accept(t, 0);
    app_write(t, 10);
    out(t, "P. 1:11(10) ack 1");
    out_after(t, 900 * MS, "P. 1:11(10) ack 1"); /* SRTT 300 ms + 4 * 150 ms: RFC 6298 2.2 */
    rig_end(t);

    t = rig_syn_received(NULL);
    out_at(t, 1 * SEC, "S. 0:0(0) ack 1 <*>");
    advance(t, 300 * MS);
    in(t, ". 1:1(0) ack 1");
    app_accept(t, 0);
    app_write(t, 10);
    out(t, "P. 1:11(10) ack 1");
    out_after(t, 3 * SEC, "P. 1:11(10) ack 1"); /* RFC 6298 5.7 */
    rig_end(t);
}

/* ---- The application ----------------------------------------------------------------------------------- */

/* RFC 9293 3.10.5: <SEQ=SND.NXT><CTL=RST> */
static void syn_received__abort__sends_rst(void **state)
{
    struct rig *t = rig_syn_crossed(NULL);
    (void)state;
    app_abort(t);
    out(t, "R. 1:1(0) ack 1");
    expect_state(t, RILL_CLOSED);
    rig_end(t);
}

/* RFC 9293 3.10.4: "queue for processing after entering ESTABLISHED state". */
static void syn_received__close__sends_fin_once_established(void **state)
{
    struct rig *t = rig_syn_crossed(NULL);
    (void)state;
    app_write(t, 10);
    app_close(t);
    out_none(t);
    in(t, ". 1:1(0) ack 1");
    out(t, "FP. 1:11(10) ack 1");
    expect_state(t, RILL_FIN_WAIT_1);
    rig_end(t);
}

static void decorated(struct rill_config *config, struct tcp_opts *opts)
{
    (void)config;
    opts->ttl = 33;
    opts->tos = 0x28;
}

/* MUST-48, MUST-49: a record speaks for the connection that it will be. */
static void syn_received__record__answers_as_the_connection_would(void **state)
{
    struct rig *t = rig_syn_received(&(struct rig_setup){.edit = decorated});
    const char *const lines[] = {"S 0:0(0)", "S 5:5(0)"}; /* a SYN,ACK, a challenge ACK */
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        const struct datagram *d;
        in(t, "%s", lines[i]);
        d = take(t);
        assert_int_equal(d->win, 65535);
        assert_int_equal(d->ttl, 33);
        assert_int_equal(d->tos, 0x28);
    }
    rig_end(t);
}

/* RFC 4987 3: a record is small. */
static void syn_received__record__takes_64_bytes(void **state)
{
    struct rig *t = rig_listen(NULL);
    size_t before;
    (void)state;
    in(t, "S 0:0(0)");
    out(t, "S. 0:0(0) ack 1 <*>");
    before = rill_memory(t->e);
    in(t, "@1 S 0:0(0)");
    out(t, "@1 S. 0:0(0) ack 1 <*>");
    assert_int_equal(rill_memory(t->e) - before, 64);
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syn_received__segment_outside_window__gets_an_ack),
        cmocka_unit_test(syn_received__rst_after_passive_open__returns_to_listen),
        cmocka_unit_test(syn_received__rst_after_active_open__refuses),
        cmocka_unit_test(syn_received__rst_elsewhere_in_window__gets_a_challenge_ack),
        cmocka_unit_test(syn_received__rst_outside_window__is_dropped_silently),
        cmocka_unit_test(syn_received__same_syn_again_after_passive_open__gets_the_syn_ack_again),
        cmocka_unit_test(syn_received__other_syn_after_passive_open__gets_a_challenge_ack),
        cmocka_unit_test(syn_received__syn_after_active_open__gets_a_challenge_ack),
        cmocka_unit_test(syn_received__no_ack_bit__is_dropped),
        cmocka_unit_test(syn_received__unacceptable_ack__sends_rst),
        cmocka_unit_test(syn_received__ack__establishes_without_an_answer),
        cmocka_unit_test(syn_received__ack_with_text__delivers_it),
        cmocka_unit_test(syn_received__ack_with_fin__enters_close_wait),
        cmocka_unit_test(syn_received__ack_with_later_text__establishes_and_keeps_it),
        cmocka_unit_test(syn_received__syn_ack_of_the_peer__establishes),
        cmocka_unit_test(syn_received__syn_ack_with_text__establishes),
        cmocka_unit_test(syn_received__no_ack_after_passive_open__ends_in_listen),
        cmocka_unit_test(syn_received__ack_after_retransmission__establishes),
        cmocka_unit_test(syn_received__no_ack_after_active_open__is_retried_for_three_minutes),
        cmocka_unit_test(syn_received__round_trip_of_the_syn_ack__sets_the_timeout),
        cmocka_unit_test(syn_received__abort__sends_rst),
        cmocka_unit_test(syn_received__close__sends_fin_once_established),
        cmocka_unit_test(syn_received__record__answers_as_the_connection_would),
        cmocka_unit_test(syn_received__record__takes_64_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
