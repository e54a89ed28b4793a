/* test_established.c - ESTABLISHED.  RFC 9293 3.10.7.4, 3.10.2 to 3.10.5, 3.6.1; RFC 5961. */
#include "synchronized.h"

static const struct synchronized established = {rig_established, RILL_ESTABLISHED, 1, 1, ECONNRESET};
static const struct synchronized connected = {rig_connected, RILL_ESTABLISHED, 1, 1, ECONNRESET};
SYNCHRONIZED_TESTS(established)

/* ---- Second: the RST bit ------------------------------------------------------------------------------- */

/* RFC 5961 3 at every number: one resets, the rest of the window is challenged, outside is silence. */
static void established__rst_at_each_number_of_the_window__only_rcv_nxt_closes(void **state)
{
    const int wnd = 2048;
    struct rig *t = rig_established(&(struct rig_setup){.rcvbuf_bytes = (uint32_t)wnd});
    (void)state;
    for (int seq = 1 - 20; seq < 1 + wnd + 20; seq++) {
        if (seq == 1)
            continue;
        in(t, "R %d:%d(0)", seq, seq);
        if (seq > 1 && seq < 1 + wnd)
            out(t, ". 1:1(0) ack 1");
        out_none(t);
        expect_state(t, RILL_ESTABLISHED);
        advance(t, 500 * MS);
    }
    in(t, "R 1:1(0)");
    out_none(t);
    expect_error(t, ECONNRESET);
    rig_end(t);
}

/* "All segment queues should be flushed": nothing is sent any more, what has come can still be read. */
static void established__rst__flushes_what_was_to_be_sent(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, "P. 1:101(100) ack 1");
    app_write(t, 50000);
    for (int n = 0; n < 10; n++) /* the initial window: RFC 6928 */
        (void)take(t);
    in(t, "R 101:101(0)");
    out_none(t);
    advance(t, 1000 * SEC);
    expect_error(t, ECONNRESET);
    app_read(t, 100);
    rig_end(t);
}

/* ---- Fourth: the SYN bit ------------------------------------------------------------------------------- */

/* RFC 9293 3.5.1 figure 9, as peer B: the peer has begun anew. */
static void established__syn_of_a_restarted_peer__challenge_then_rst_then_new_connection(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, "S 70000:70000(0) <mss 1460>");
    out(t, ". 1:1(0) ack 1");
    in(t, "R 1:1(0)");
    expect_error(t, ECONNRESET);
    in(t, "S 70000:70000(0) <mss 1460>");
    out(t, "S. *:*(0) ack 70001 <*>");
    expect_state(t, RILL_SYN_RECEIVED);
    rig_end(t);
}

/* ---- Fifth: the ACK field ------------------------------------------------------------------------------ */

/* "If SND.UNA < SEG.ACK =< SND.NXT, then set SND.UNA <- SEG.ACK." */
static void established__ack_of_sent_text__is_taken_off_the_queue(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    in(t, ". 1:1(0) ack 61");
    out_none(t);
    out_after(t, 200 * MS, "P. 61:101(40) ack 1"); /* RFC 6298 5.3: only the rest is sent again */
    in(t, ". 1:1(0) ack 101");
    out_none(t);
    advance(t, 1000 * SEC);
    rig_end(t);
}

/* MAY-12: "acceptable only if (SND.UNA - MAX.SND.WND) =< SEG.ACK =< SND.NXT.  Otherwise discarded and an ACK
 * sent back." */
static void established__ack_around_the_bounds_of_rfc_5961__is_judged(void **state)
{
    const struct {
        int ack;
        bool acceptable;
    } rows[] = {{3001 - 1000, true}, {3001 - 1001, false}, {3001, true},
                {3000, true},        {3002, false},        {1, false}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig *t = rig_established(&(struct rig_setup){.peer_win = 1000, .peer_opts = "<mss 1460>"});
        for (int pos = 1; pos < 3001; pos += 1000) {
            app_write(t, 1000);
            out(t, "P. %d:%d(1000) ack 1", pos, pos + 1000);
            in(t, ". 1:1(0) ack %d", pos + 1000);
        }
        in(t, "P. 1:11(10) ack %d", rows[i].ack);
        if (!rows[i].acceptable)
            out(t, ". 3001:3001(0) ack 1");
        out_none(t);
        expect_readable(t, rows[i].acceptable ? 10 : 0);
        rig_end(t);
    }
}

/* "If (SND.WL1 < SEG.SEQ or (SND.WL1 = SEG.SEQ and SND.WL2 =< SEG.ACK)), set SND.WND <- SEG.WND": old
 * segments do not. */
static void established__window__is_updated_by_newer_segments_only(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.peer_opts = "<mss 1460>"});
    const struct tcb *c = t->peer[0].c;
    (void)state;
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    in(t, "P. 1:11(10) ack 1 win 5000"); /* WL1 = 1, WL2 = 1 */
    assert_int_equal(c->snd.wnd, 5000);
    in(t, "P. 11:21(10) ack 101 win 6000"); /* SEG.SEQ is greater */
    assert_int_equal(c->snd.wnd, 6000);
    let_pass(t, 100 * MS);
    in(t, ". 11:21(10) ack 101 win 7000"); /* the same numbers: =< */
    out(t, ". 101:101(0) ack 21");
    in(t, ". 21:21(0) ack 101 win 7000");
    assert_int_equal(c->snd.wnd, 7000);
    app_write(t, 100);
    out(t, "P. 101:201(100) ack 21");
    in(t, ". 21:21(0) ack 201 win 8000"); /* same SEG.SEQ, greater SEG.ACK */
    assert_int_equal(c->snd.wnd, 8000);
    in(t, ". 21:21(0) ack 101 win 9000"); /* same SEG.SEQ, smaller SEG.ACK: old */
    assert_int_equal(c->snd.wnd, 8000);
    in(t, ". 31:31(0) ack 201 win 9500"); /* in window, a later number */
    assert_int_equal(c->snd.wnd, 9500);
    in(t, ". 21:21(0) ack 201 win 100"); /* SEG.SEQ is smaller: old */
    assert_int_equal(c->snd.wnd, 9500);
    rig_end(t);
}

static void established__bare_ack__is_not_answered(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    for (int k = 0; k < 100; k++)
        in(t, ". 1:1(0) ack 1");
    out_none(t);
    advance(t, 1000 * SEC);
    rig_end(t);
}

/* ---- Seventh: the text --------------------------------------------------------------------------------- */

/* "If a segment's contents straddle the boundary between old and new, only the new parts are processed." */
static void established__text_across_the_left_edge__only_the_new_part_counts(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, "P. 1:101(100) ack 1");
    in(t, "P. 51:201(150) ack 1 salt 1");
    expect_readable(t, 200);
    app_read(t, 100);
    app_read_salt(t, 100, 1);
    let_pass(t, 100 * MS);
    rig_end(t);
}

/* "trimming off any portions that lie outside the window (including SYN and FIN)" */
static void established__text_and_fin_across_the_right_edge__are_trimmed(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.rcvbuf_bytes = 2048});
    (void)state;
    in(t, "P. 1:1001(1000) ack 1");
    in(t, "FP. 1001:2101(1100) ack 1");
    out_after(t, 40 * MS, ". 1:1(0) ack 2049 win 0");
    expect_readable(t, 2048);
    expect_state(t, RILL_ESTABLISHED);
    app_read(t, 2048);
    out(t, ". 1:1(0) ack 2049 win 2048"); /* the window opens */
    in(t, "FP. 2049:2101(52) ack 1");
    out(t, ". 1:1(0) ack 2102");
    expect_state(t, RILL_CLOSE_WAIT);
    app_read(t, 52);
    rig_end(t);
}

/* SHLD-31, MAY-13; RFC 5681 4.2: a duplicate ACK at once for each, one ACK when the gap is filled. */
static void established__text_out_of_order__is_held_and_acknowledged_at_once(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    for (int pos = 901; pos > 1; pos -= 100) {
        in(t, "P. %d:%d(100) ack 1", pos, pos + 100);
        out(t, ". 1:1(0) ack 1");
    }
    expect_readable(t, 0);
    in(t, "P. 1:101(100) ack 1");
    out(t, ". 1:1(0) ack 1001");
    app_read(t, 1000);
    rig_end(t);
}

/* Issue: "overlaps resolved first-copy-wins". */
static void established__overlapping_copies__the_first_one_counts(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, "P. 101:201(100) ack 1 salt 1");
    out(t, ". 1:1(0) ack 1");
    in(t, "P. 151:301(150) ack 1 salt 2");
    out(t, ". 1:1(0) ack 1");
    in(t, "P. 1:251(250) ack 1 salt 3");
    out(t, ". 1:1(0) ack 301");
    app_read_salt(t, 100, 3);
    app_read_salt(t, 100, 1);
    app_read_salt(t, 100, 2);
    rig_end(t);
}

/* SHLD-18, SHLD-19, MUST-40 */
static void established__acks__are_delayed_but_for_each_second_full_segment(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, "P. 1:101(100) ack 1");
    out_after(t, 40 * MS, ". 1:1(0) ack 101");
    in(t, ". 101:1561(1460) ack 1");
    out_none(t);
    in(t, ". 1561:3021(1460) ack 1");
    out(t, ". 1:1(0) ack 3021");
    in(t, "P. 3021:3031(10) ack 1");
    app_write(t, 5);
    out(t, "P. 1:6(5) ack 3031"); /* "piggybacked on a segment being transmitted if possible" */
    in(t, ". 3031:3031(0) ack 6");
    advance(t, 1 * SEC);
    app_read(t, 3030);
    out_none(t);
    rig_end(t);
}

/* MUST-58, MUST-59: what waits in the queue is processed before anything is acknowledged. */
static void established__batch_of_segments__gets_one_ack(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    for (int n = 0; n < 9; n++)
        in_batch(t, ". %d:%d(1460) ack 1", 1 + n * 1460, 1 + (n + 1) * 1460);
    in(t, ". %d:%d(1460) ack 1", 1 + 9 * 1460, 1 + 10 * 1460);
    out(t, ". 1:1(0) ack %d", 1 + 10 * 1460);
    out_none(t);
    rig_end(t);
}

/* MUST-66: "special allowance should be made to accept valid ACKs, URGs, and RSTs" with a window of zero. */
static void established__zero_window__still_takes_ack_urg_and_rst(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.rcvbuf_bytes = 2048});
    (void)state;
    in(t, ". 1:1449(1448) ack 1");
    in(t, "P. 1449:2049(600) ack 1");
    let_pass(t, 100 * MS);
    app_write(t, 10);
    out(t, "P. 1:11(10) ack 2049 win 0");
    in(t, "P. 2049:2050(1) ack 11"); /* a probe: its text is refused, its ACK counts */
    out(t, ". 11:11(0) ack 2049 win 0");
    assert_int_equal(tcp_flight(t->peer[0].c), 0);
    in(t, "U. 2049:2049(0) ack 11 urg 1");
    assert_true(t->peer[0].c->urgent_event);
    let_pass(t, 1 * SEC);
    in(t, "R 2050:2050(0)"); /* not exactly RCV.NXT, and nothing is inside the window */
    out_none(t);
    expect_state(t, RILL_ESTABLISHED);
    in(t, "R 2049:2049(0)");
    expect_error(t, ECONNRESET);
    rig_end(t);
}

/* A keep-alive or a probe, one octet left of the window, is answered. */
static void established__probe_left_of_the_window__gets_an_ack(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, "P. 1:11(10) ack 1");
    out_after(t, 40 * MS, ". 1:1(0) ack 11");
    in(t, ". 10:10(0) ack 1");
    out(t, ". 1:1(0) ack 11");
    in(t, ". 10:11(1) ack 1");
    out(t, ". 1:1(0) ack 11");
    rig_end(t);
}

/* MUST-5: options in any segment. */
static void established__options_in_other_segments__are_skipped(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, "P. 1:11(10) ack 1 <mss 100,nop,wscale 9>");
    in(t, "P. 11:21(10) ack 1 <hex fd08010203040506,sackOK,nop,nop>");
    in(t, "P. 21:31(10) ack 1 <TS val 1 ecr 2,eol>");
    in(t, "FP. 31:41(10) ack 1 <nop,nop,nop,nop>");
    out(t, ". 1:1(0) ack 42");
    app_read(t, 40);
    rig_end(t);
}

/* ---- Eighth: the FIN bit ------------------------------------------------------------------------------- */

static void established__fin__enters_close_wait(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    expect_eof(t, false);
    in(t, "F. 1:1(0) ack 1");
    out(t, ". 1:1(0) ack 2");
    expect_state(t, RILL_CLOSE_WAIT);
    expect_eof(t, true);
    expect_error(t, 0); /* MUST-12: a normal end */
    rig_end(t);
}

static void established__fin_with_text__comes_after_it(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, "FP. 1:101(100) ack 1");
    out(t, ". 1:1(0) ack 102");
    expect_eof(t, false);
    app_read(t, 100);
    expect_eof(t, true);
    rig_end(t);
}

/* "processing is done in SEG.SEQ order" */
static void established__fin_out_of_order__waits_for_the_text_before_it(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, "F. 201:201(0) ack 1");
    out(t, ". 1:1(0) ack 1");
    in(t, "P. 101:201(100) ack 1");
    out(t, ". 1:1(0) ack 1");
    expect_state(t, RILL_ESTABLISHED);
    in(t, "P. 1:101(100) ack 1");
    out(t, ". 1:1(0) ack 202");
    expect_state(t, RILL_CLOSE_WAIT);
    app_read(t, 200);
    expect_eof(t, true);
    rig_end(t);
}

/* R12: the stream ends once, at the first FIN; text beyond it is nobody's. */
static void established__text_beyond_an_early_fin__is_dropped(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, "FP. 101:201(100) ack 1");
    out(t, ". 1:1(0) ack 1");
    in(t, "P. 151:301(150) ack 1 salt 1");
    out(t, ". 1:1(0) ack 1");
    in(t, "F. 301:301(0) ack 1");
    out(t, ". 1:1(0) ack 1");
    in(t, "P. 1:101(100) ack 1");
    out(t, ". 1:1(0) ack 202");
    app_read(t, 200);
    expect_eof(t, true);
    rig_end(t);
}

/* ---- The application ----------------------------------------------------------------------------------- */

/* RFC 9293 3.10.4: "Queue this until all preceding SENDs have been segmentized, then form a FIN segment and
 * send it. In any case, enter FIN-WAIT-1 state." */
static void established__close__sends_fin_behind_the_text(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.peer_opts = "<mss 1000>", .peer_win = 1500});
    (void)state;
    app_write(t, 2500);
    out(t, ". 1:1001(1000) ack 1");
    app_close(t);
    out_none(t);
    expect_state(t, RILL_FIN_WAIT_1);
    in(t, ". 1:1(0) ack 1001");
    out(t, ". 1001:2001(1000) ack 1");
    out_none(t); /* the FIN takes a place in the window, too */
    in(t, ". 1:1(0) ack 2001");
    out(t, "FP. 2001:2501(500) ack 1");
    expect_state(t, RILL_FIN_WAIT_1);
    in(t, ". 1:1(0) ack 2502");
    expect_state(t, RILL_FIN_WAIT_2);
    rig_end(t);
}

/* RFC 9293 3.10.5: <SEQ=SND.NXT><CTL=RST>, here with ACK; "all segments queued for transmission or
 * retransmission should be flushed". */
static void established__abort__sends_rst_and_forgets(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.peer_opts = "<mss 1000>", .peer_win = 1500});
    (void)state;
    app_write(t, 5000);
    out(t, ". 1:1001(1000) ack 1");
    app_abort(t);
    out(t, "R. 1001:1001(0) ack 1 win 0");
    expect_state(t, RILL_LISTEN);
    expect_error(t, ECONNABORTED);
    advance(t, 1000 * SEC);
    in(t, ". 1:1(0) ack 1001");
    out(t, "R 1001:1001(0)");
    rig_end(t);
}

/* SHLD-3: "if such a host issues a CLOSE call while received data is still pending, its TCP SHOULD send a
 * RST". */
static void established__close_with_unread_text__sends_rst(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, "P. 1:101(100) ack 1");
    app_read(t, 99);
    app_close(t);
    out(t, "R. 1:1(0) ack 101");
    expect_state(t, RILL_LISTEN);
    rig_end(t);
    t = rig_established(NULL);
    in(t, "P. 1:101(100) ack 1");
    app_read(t, 100);
    app_close(t);
    out(t, "F. 1:1(0) ack 101");
    rig_end(t);
}

/* The same from the other side of the handshake. */
static void connected__rst_syn_and_text__as_for_a_passive_open(void **state)
{
    (void)state;
    synchronized_rst_in_window(&connected);
    synchronized_rst_outside(&connected);
    synchronized_syn(&connected);
    synchronized_ack_too_high(&connected);
    synchronized_ack_ghost(&connected);
    synchronized_challenge_limit(&connected);
}

/* RFC 5961 7 and CVE-2016-5696: what one connection is asked does not use up what another may answer. */
static void established__challenges_of_one_connection__do_not_silence_another(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, "@1 S 0:0(0)");
    out(t, "@1 S. 0:0(0) ack 1 <*>");
    in(t, "@1 . 1:1(0) ack 1");
    in(t, "S 100:100(0)");
    out(t, ". 1:1(0) ack 1");
    for (int k = 0; k < 1000; k++)
        in(t, "S 100:100(0)");
    out_none(t);
    in(t, "@1 S 100:100(0)");
    out(t, "@1 . 1:1(0) ack 1");
    rig_end(t);
}

/* What must leave before the next packet is taken in, so that each answer tells of one segment (RFC
 * 5681 4.2): the driver is told, and in_batch() does as told. */
static void established__answer_to_one_segment__does_not_wait_for_the_batch(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in_batch(t, "P. 101:201(100) ack 1"); /* out of order */
    out(t, ". 1:1(0) ack 1");
    in_batch(t, "P. 301:401(100) ack 1");
    out(t, ". 1:1(0) ack 1");
    in_batch(t, "P. 1:101(100) ack 1"); /* fills a gap */
    out(t, ". 1:1(0) ack 201");
    in_batch(t, "P. 1:101(100) ack 1"); /* a duplicate */
    out(t, ". 1:1(0) ack 201");
    in_batch(t, "R 202:202(0)"); /* a challenge */
    out(t, ". 1:1(0) ack 201");
    t->peer[1].lport = RIG_PORT + 1;
    in_batch(t, "@1 S 0:0(0)"); /* an answer without a connection */
    out(t, "@1 R. =0:=0(0) ack 1");
    app_read(t, 200);
    app_close(t);
    out(t, "F. 1:1(0) ack 201");
    in_batch(t, "P. 201:301(100) ack 1"); /* a reset */
    out(t, "R. 2:2(0) ack 201");
    rig_end(t);
}

/* In-order text, on the other hand, may wait for what comes behind it (MUST-58). */
static void established__in_order_text__waits_for_the_batch(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in_batch(t, ". 1:1461(1460) ack 1");
    in_batch(t, ". 1461:2921(1460) ack 1");
    out_none(t);
    in(t, ". 2921:4381(1460) ack 1");
    out(t, ". 1:1(0) ack 4381");
    rig_end(t);
}

/* Acceptability, fourth case: "RCV.NXT =< SEG.SEQ+SEG.LEN-1": a single new byte is enough. */
static void established__text_with_one_new_byte__is_taken(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, "P. 1:101(100) ack 1");
    in(t, "P. 1:102(101) ack 1");
    expect_readable(t, 101);
    let_pass(t, 100 * MS);
    rig_end(t);
}

/* A segment outside a closed window counts for nothing but its answer. */
static void established__zero_window__takes_no_ack_from_elsewhere(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.rcvbuf_bytes = 2048});
    (void)state;
    in(t, ". 1:1449(1448) ack 1");
    in(t, "P. 1449:2049(600) ack 1");
    let_pass(t, 100 * MS);
    app_write(t, 10);
    out(t, "P. 1:11(10) ack 2049 win 0");
    in(t, "P. 2059:2069(10) ack 11");
    out(t, ". 11:11(0) ack 2049 win 0");
    assert_int_equal(tcp_flight(t->peer[0].c), 10);
    rig_end(t);
}

/* All that a connection holds goes with it, whatever it held; and nothing that is asked of it wakes it up. */
static void established__rst_with_full_queues__leaves_nothing(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    app_write(t, 10000);
    while (t->queued != 0)
        (void)take(t);
    in(t, "P. 101:201(100) ack 1");
    (void)take(t); /* the duplicate ACK */
    in(t, "R 1:1(0)");
    expect_error(t, ECONNRESET);
    app_shut(t);
    assert_int_equal(app_try_write(t, 10), -EPIPE);
    out_none(t);
    advance(t, 1000 * SEC);
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYNCHRONIZED_LIST(established),
        cmocka_unit_test(established__rst_at_each_number_of_the_window__only_rcv_nxt_closes),
        cmocka_unit_test(established__rst__flushes_what_was_to_be_sent),
        cmocka_unit_test(established__syn_of_a_restarted_peer__challenge_then_rst_then_new_connection),
        cmocka_unit_test(established__ack_of_sent_text__is_taken_off_the_queue),
        cmocka_unit_test(established__ack_around_the_bounds_of_rfc_5961__is_judged),
        cmocka_unit_test(established__window__is_updated_by_newer_segments_only),
        cmocka_unit_test(established__bare_ack__is_not_answered),
        cmocka_unit_test(established__text_across_the_left_edge__only_the_new_part_counts),
        cmocka_unit_test(established__text_and_fin_across_the_right_edge__are_trimmed),
        cmocka_unit_test(established__text_out_of_order__is_held_and_acknowledged_at_once),
        cmocka_unit_test(established__overlapping_copies__the_first_one_counts),
        cmocka_unit_test(established__acks__are_delayed_but_for_each_second_full_segment),
        cmocka_unit_test(established__batch_of_segments__gets_one_ack),
        cmocka_unit_test(established__zero_window__still_takes_ack_urg_and_rst),
        cmocka_unit_test(established__probe_left_of_the_window__gets_an_ack),
        cmocka_unit_test(established__options_in_other_segments__are_skipped),
        cmocka_unit_test(established__fin__enters_close_wait),
        cmocka_unit_test(established__fin_with_text__comes_after_it),
        cmocka_unit_test(established__fin_out_of_order__waits_for_the_text_before_it),
        cmocka_unit_test(established__text_beyond_an_early_fin__is_dropped),
        cmocka_unit_test(established__close__sends_fin_behind_the_text),
        cmocka_unit_test(established__abort__sends_rst_and_forgets),
        cmocka_unit_test(established__close_with_unread_text__sends_rst),
        cmocka_unit_test(connected__rst_syn_and_text__as_for_a_passive_open),
        cmocka_unit_test(established__challenges_of_one_connection__do_not_silence_another),
        cmocka_unit_test(established__answer_to_one_segment__does_not_wait_for_the_batch),
        cmocka_unit_test(established__in_order_text__waits_for_the_batch),
        cmocka_unit_test(established__text_with_one_new_byte__is_taken),
        cmocka_unit_test(established__zero_window__takes_no_ack_from_elsewhere),
        cmocka_unit_test(established__rst_with_full_queues__leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
