/* test_syn_sent.c - an active open that waits for its SYN,ACK.  RFC 9293 3.10.7.3, 3.5, 3.8.3; RFC 5961 3. */
#include "script.h"

/* ---- First, check the ACK bit -------------------------------------------------------------------------- */

/* "If SEG.ACK =< ISS or SEG.ACK > SND.NXT, send a reset <SEQ=SEG.ACK><CTL=RST> and discard the segment." */
static void syn_sent__unacceptable_ack__sends_rst(void **state)
{
    const int acks[] = {0, 2, -1, 3, 1000, -1000, INT32_MAX, INT32_MIN};
    const char *const flags[] = {".", "S.", "F.", "SF."};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(acks); i++) {
        struct rig *t = rig_syn_sent(NULL);
        for (size_t k = 0; k < COUNT_OF(flags); k++) {
            in(t, "%s 0:0(0) ack %d", flags[k], acks[i]);
            out(t, "R %d:%d(0) win 0", acks[i], acks[i]);
            expect_state(t, RILL_SYN_SENT);
        }
        in(t, "S. 0:0(0) ack 1"); /* "the connection remains in the same state" */
        out(t, ". 1:1(0) ack 1");
        expect_state(t, RILL_ESTABLISHED);
        rig_end(t);
    }
}

/* "(unless the RST bit is set, if so drop the segment and return)" */
static void syn_sent__unacceptable_ack_with_rst__is_dropped(void **state)
{
    const int acks[] = {0, 2, -1000};
    struct rig *t = rig_syn_sent(NULL);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(acks); i++) {
        in(t, "R. 0:0(0) ack %d", acks[i]);
        out_none(t);
        in(t, "SR. 0:0(0) ack %d", acks[i]);
        out_none(t);
        expect_state(t, RILL_SYN_SENT);
    }
    rig_end(t);
}

/* ---- Second, check the RST bit ------------------------------------------------------------------------- */

/* "If the ACK was acceptable, then signal to the user, drop the segment, enter CLOSED state": connection
 * refused, as every user knows it. */
static void syn_sent__rst_with_our_ack__refuses(void **state)
{
    const char *const lines[] = {"R. =0:=0(0) ack 1", "R. 0:0(0) ack 1", "R. 5:25(20) ack 1",
                                 "SR. 0:0(0) ack 1"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct rig *t = rig_syn_sent(NULL);
        in(t, "%s", lines[i]);
        out_none(t);
        expect_state(t, RILL_CLOSED);
        expect_error(t, ECONNREFUSED);
        advance(t, 300 * SEC);
        rig_end(t);
    }
}

/* "Otherwise (no ACK), drop the segment and return." */
static void syn_sent__rst_without_ack__is_dropped(void **state)
{
    const char *const lines[] = {"R 0:0(0)", "R 1:1(0)", "R =0:=0(0)", "SR 0:0(0)", "R 0:10(10)"};
    struct rig *t = rig_syn_sent(NULL);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        in(t, "%s", lines[i]);
        out_none(t);
        expect_state(t, RILL_SYN_SENT);
    }
    expect_counted(t, RILL_DROP_RST, COUNT_OF(lines));
    rig_end(t);
}

/* ---- Fourth, check the SYN bit ------------------------------------------------------------------------- */

/* "SND.UNA > ISS: change the connection state to ESTABLISHED, form an ACK segment": RFC 9293 3.5 figure 6, as
 * A. */
static void syn_sent__syn_ack__establishes(void **state)
{
    struct rig *t = rig_syn_sent(NULL);
    (void)state;
    in(t, "S. 0:0(0) ack 1 win 65535 <mss 1460,nop,wscale 7>");
    out(t, ". 1:1(0) ack 1 win 65535");
    expect_state(t, RILL_ESTABLISHED);
    expect_counted(t, RILL_OPEN_ACTIVE, 0); /* counted before the mark, once */
    assert_int_equal(rill_counter(t->e, RILL_OPEN_ACTIVE), 1);
    advance(t, 300 * SEC); /* nothing is left to be sent again */
    rig_end(t);
}

/* "Data or controls that were queued for transmission MAY be included": one packet less. */
static void syn_sent__queued_text__leaves_with_the_ack(void **state)
{
    struct rig *t = rig_syn_sent(NULL);
    (void)state;
    app_write(t, 100);
    out_none(t);
    in(t, "S. 0:0(0) ack 1 <mss 1460>");
    out(t, "P. 1:101(100) ack 1");
    out_none(t);
    rig_end(t);
}

/* "If there are other controls or text in the segment, then continue processing at the sixth step." */
static void syn_sent__text_in_the_syn_ack__is_received(void **state)
{
    struct rig *t = rig_syn_sent(NULL);
    (void)state;
    in(t, "S.P 0:100(100) ack 1 <mss 1460>");
    out(t, ". 1:1(0) ack 101");
    out_none(t);
    expect_state(t, RILL_ESTABLISHED);
    app_read(t, 100);
    rig_end(t);
}

static void syn_sent__fin_in_the_syn_ack__is_received(void **state)
{
    struct rig *t = rig_syn_sent(NULL);
    (void)state;
    in(t, "SF. 0:100(100) ack 1 <mss 1460>");
    out(t, ". 1:1(0) ack 102");
    expect_state(t, RILL_CLOSE_WAIT);
    app_read(t, 100);
    expect_eof(t, true);
    rig_end(t);
}

/* MUST-31, MUST-32: the urgent pointer counts from the segment's sequence number, which is the SYN's. */
static void syn_sent__urgent_text_in_the_syn_ack__is_told(void **state)
{
    struct rig *t = rig_syn_sent(NULL);
    (void)state;
    in(t, "SU. 0:10(10) ack 1 urg 5");
    out(t, ". 1:1(0) ack 11");
    assert_true(t->peer[0].c->urgent_event);
    rig_end(t);
}

/* RFC 7323 2.2: the window of the SYN,ACK is not scaled, those after it are. */
static void syn_sent__window_of_the_syn_ack__is_not_scaled(void **state)
{
    struct rig *t = rig_syn_sent(NULL);
    (void)state;
    app_write(t, 5000);
    in(t, "S. 0:0(0) ack 1 win 1000 <mss 1000,nop,wscale 2>");
    out(t, ". 1:1001(1000) ack 1");
    out_none(t);
    in(t, ". 1:1(0) ack 1001 win 500");
    out(t, ". 1001:2001(1000) ack 1");
    out(t, ". 2001:3001(1000) ack 1");
    out_none(t);
    rig_end(t);
}

/* RFC 7323 2.2: without the peer's option neither side scales. */
static void syn_sent__syn_ack_without_scaling__turns_ours_off(void **state)
{
    struct rig *t = rig_syn_sent(&(struct rig_setup){.rcvbuf_bytes = 1 << 20});
    (void)state;
    in(t, "S. 0:0(0) ack 1 win 1000 <mss 1460>");
    out(t, ". 1:1(0) ack 1 win 65535");
    rig_end(t);
    t = rig_syn_sent(&(struct rig_setup){.rcvbuf_bytes = 1 << 20});
    in(t, "S. 0:0(0) ack 1 win 1000 <mss 1460,nop,wscale 0>");
    out(t, ". 1:1(0) ack 1 win 32768");
    rig_end(t);
}

/* MUST-10: "Otherwise, enter SYN-RECEIVED, form a SYN,ACK segment <SEQ=ISS><ACK=RCV.NXT>": RFC 9293 3.5
 * figure 7. */
static void syn_sent__syn_that_crosses__simultaneous_open(void **state)
{
    struct rig *t = rig_syn_sent(NULL);
    uint32_t iss = t->peer[0].iss;
    (void)state;
    in(t, "S 0:0(0) <mss 1460,nop,wscale 7>");
    out(t, "S. 0:0(0) ack 1 win 65535 <mss 1460,nop,wscale 0>");
    assert_int_equal(t->peer[0].iss, iss);
    expect_state(t, RILL_SYN_RECEIVED);
    in(t, "S. 0:0(0) ack 1 <mss 1460,nop,wscale 7>");
    out(t, ". 1:1(0) ack 1"); /* the SYN is left of the window by now */
    expect_state(t, RILL_ESTABLISHED);
    in(t, "P. 1:11(10) ack 1");
    out_after(t, 40 * MS, ". 1:1(0) ack 11");
    app_write(t, 10);
    out(t, "P. 1:11(10) ack 11");
    rig_end(t);
}

/* "If there are other controls or text in the segment, queue them": this stack does not acknowledge them
 * before there is a connection, so that the peer sends them again. */
static void syn_sent__text_in_a_crossing_syn__is_not_acknowledged(void **state)
{
    struct rig *t = rig_syn_sent(NULL);
    (void)state;
    in(t, "SFP 0:100(100) <mss 1460>");
    out(t, "S. 0:0(0) ack 1 <*>");
    expect_state(t, RILL_SYN_RECEIVED);
    in(t, "FP. 1:101(100) ack 1");
    out(t, ". 1:1(0) ack 102");
    expect_state(t, RILL_CLOSE_WAIT);
    app_read(t, 100);
    expect_eof(t, true);
    rig_end(t);
}

/* The window of the peer is none of the SYN,ACK's business, and it is sent again as often as it takes. */
static void syn_sent__crossing_syn_with_window_zero__gets_its_syn_ack(void **state)
{
    struct rig *t = rig_syn_sent(NULL);
    (void)state;
    in(t, "S 0:0(0) win 0 <mss 1460>");
    out(t, "S. 0:0(0) ack 1 <*>");
    mark(t);
    out_at(t, 1 * SEC, "S. 0:0(0) ack 1 <*>");
    out_at(t, 3 * SEC, "S. 0:0(0) ack 1 <*>");
    in(t, ". 1:1(0) ack 1 win 0");
    expect_state(t, RILL_ESTABLISHED);
    rig_end(t);
}

/* RFC 9293 3.5 figure 8: an old duplicate of ours has made the peer answer something else. */
static void syn_sent__old_duplicate_at_the_peer__recovers(void **state)
{
    struct rig *t = rig_syn_sent(NULL);
    (void)state;
    in(t, "S. 200:200(0) ack -9 <mss 1460>");
    out(t, "R -9:-9(0)");
    in(t, "S. 300:300(0) ack 1 <mss 1460>");
    out(t, ". 1:1(0) ack 301");
    expect_state(t, RILL_ESTABLISHED);
    rig_end(t);
}

/* RFC 9293 3.5.1 figure 9: the peer believes in a connection from before we were started again. */
static void syn_sent__half_open_peer__is_reset_and_the_syn_comes_again(void **state)
{
    struct rig *t = rig_syn_sent(NULL);
    (void)state;
    in(t, ". 300:300(0) ack -5000");
    out(t, "R -5000:-5000(0)");
    expect_state(t, RILL_SYN_SENT);
    out_at(t, 1 * SEC, "S 0:0(0) <*>");
    in(t, "S. 0:0(0) ack 1");
    out(t, ". 1:1(0) ack 1");
    rig_end(t);
}

/* ---- Fifth --------------------------------------------------------------------------------------------- */

/* "If neither of the SYN or RST bits is set, then drop the segment and return." */
static void syn_sent__neither_syn_nor_rst__is_dropped(void **state)
{
    const char *const lines[] = {". 0:0(0) ack 1", "P. 1:11(10) ack 1", "F. 1:1(0) ack 1",
                                 "- 1:1(0)",       "F 1:1(0)",          "P 1:11(10)"};
    struct rig *t = rig_syn_sent(NULL);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        in(t, "%s", lines[i]);
        out_none(t);
        expect_state(t, RILL_SYN_SENT);
    }
    rig_end(t);
}

/* ---- Retransmission: MUST-22, MUST-23 ------------------------------------------------------------------ */

/* RFC 6298 2.1, 5.5: at 1, 3, 7, ... s; "R2 for a SYN segment MUST be set large enough to provide
 * retransmission of the segment for at least 3 minutes". */
static void syn_sent__no_answer__is_retried_for_three_minutes(void **state)
{
    const uint64_t times_s[] = {1, 3, 7, 15, 31, 63, 127};
    struct rig *t = rig_syn_sent(NULL);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(times_s); i++)
        out_at(t, times_s[i] * SEC, "S 0:0(0) win 65535 <mss 1460,nop,wscale 0>");
    at(t, 180 * SEC - 1);
    expect_state(t, RILL_SYN_SENT);
    advance(t, 80 * SEC);
    expect_state(t, RILL_CLOSED);
    expect_error(t, ETIMEDOUT);
    rig_end(t);
}

static void patient(struct rill_config *config, struct tcp_opts *opts)
{
    (void)config;
    opts->user_timeout_ms = 5000;
}

/* RFC 9293 3.10.8, USER TIMEOUT: "for any state". */
static void syn_sent__user_timeout__gives_up_then(void **state)
{
    struct rig *t = rig_syn_sent(&(struct rig_setup){.edit = patient});
    (void)state;
    out_at(t, 1 * SEC, "S 0:0(0) <*>");
    out_at(t, 3 * SEC, "S 0:0(0) <*>");
    at(t, 5 * SEC - 1);
    expect_state(t, RILL_SYN_SENT);
    advance(t, 1);
    expect_error(t, ETIMEDOUT);
    rig_end(t);
}

/* A SYN,ACK that was long on its way still counts. */
static void syn_sent__late_syn_ack_after_retransmission__establishes(void **state)
{
    struct rig *t = rig_syn_sent(NULL);
    (void)state;
    out_at(t, 1 * SEC, "S 0:0(0) <*>");
    in(t, "S. 0:0(0) ack 1");
    out(t, ". 1:1(0) ack 1");
    in(t, "S. 0:0(0) ack 1"); /* the answer to the second: RFC 5961 4 */
    out(t, ". 1:1(0) ack 1");
    expect_state(t, RILL_ESTABLISHED);
    rig_end(t);
}

/* ---- The application ----------------------------------------------------------------------------------- */

/* RFC 9293 3.10.4: "delete the TCB". */
static void syn_sent__close__is_silent(void **state)
{
    struct rig *t = rig_syn_sent(NULL);
    (void)state;
    app_close(t);
    out_none(t);
    expect_state(t, RILL_CLOSED);
    advance(t, 300 * SEC);
    in(t, "S. 0:0(0) ack 1");
    out(t, "R 1:1(0)");
    rig_end(t);
}

/* RFC 9293 3.10.5 */
static void syn_sent__abort__is_silent(void **state)
{
    struct rig *t = rig_syn_sent(NULL);
    (void)state;
    app_abort(t);
    out_none(t);
    expect_state(t, RILL_CLOSED);
    rig_end(t);
}

/* "Queue the data, and the FIN after it": shutdown before there is a connection ends the stream once there
 * is. */
static void syn_sent__write_and_shutdown__are_done_once_established(void **state)
{
    struct rig *t = rig_syn_sent(NULL);
    (void)state;
    app_write(t, 100);
    app_shut(t);
    out_none(t);
    in(t, "S. 0:0(0) ack 1 <mss 1460>");
    out(t, "FP. 1:101(100) ack 1");
    expect_state(t, RILL_FIN_WAIT_1);
    rig_end(t);
}

static void syn_sent__bare_fin_in_the_syn_ack__is_received(void **state)
{
    struct rig *t = rig_syn_sent(NULL);
    (void)state;
    in(t, "SF. 0:0(0) ack 1 <mss 1460>");
    out(t, ". 1:1(0) ack 2");
    expect_state(t, RILL_CLOSE_WAIT);
    expect_eof(t, true);
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syn_sent__unacceptable_ack__sends_rst),
        cmocka_unit_test(syn_sent__unacceptable_ack_with_rst__is_dropped),
        cmocka_unit_test(syn_sent__rst_with_our_ack__refuses),
        cmocka_unit_test(syn_sent__rst_without_ack__is_dropped),
        cmocka_unit_test(syn_sent__syn_ack__establishes),
        cmocka_unit_test(syn_sent__queued_text__leaves_with_the_ack),
        cmocka_unit_test(syn_sent__text_in_the_syn_ack__is_received),
        cmocka_unit_test(syn_sent__fin_in_the_syn_ack__is_received),
        cmocka_unit_test(syn_sent__urgent_text_in_the_syn_ack__is_told),
        cmocka_unit_test(syn_sent__window_of_the_syn_ack__is_not_scaled),
        cmocka_unit_test(syn_sent__syn_ack_without_scaling__turns_ours_off),
        cmocka_unit_test(syn_sent__syn_that_crosses__simultaneous_open),
        cmocka_unit_test(syn_sent__text_in_a_crossing_syn__is_not_acknowledged),
        cmocka_unit_test(syn_sent__crossing_syn_with_window_zero__gets_its_syn_ack),
        cmocka_unit_test(syn_sent__old_duplicate_at_the_peer__recovers),
        cmocka_unit_test(syn_sent__half_open_peer__is_reset_and_the_syn_comes_again),
        cmocka_unit_test(syn_sent__neither_syn_nor_rst__is_dropped),
        cmocka_unit_test(syn_sent__no_answer__is_retried_for_three_minutes),
        cmocka_unit_test(syn_sent__user_timeout__gives_up_then),
        cmocka_unit_test(syn_sent__late_syn_ack_after_retransmission__establishes),
        cmocka_unit_test(syn_sent__close__is_silent),
        cmocka_unit_test(syn_sent__abort__is_silent),
        cmocka_unit_test(syn_sent__write_and_shutdown__are_done_once_established),
        cmocka_unit_test(syn_sent__bare_fin_in_the_syn_ack__is_received),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
