/* test_probe.c - zero-window probes.  RFC 9293 3.8.6.1; RFC 1122 4.2.2.17.
 *
 * The handshake takes no time here, so that the retransmission timeout is at its floor. */
#include "flow.h"

#define RTO (200 * MS)
#define RTO_MAX (120 * SEC)
#define HOUR (3600 * SEC)

/* SHLD-30: "increase exponentially the interval", up to a bound. */
static rill_time doubled(rill_time wait) { return 2 * wait < RTO_MAX ? 2 * wait : RTO_MAX; }

/* Connected to a peer whose window is closed, with this much to be sent. */
static struct rig *closed_window(uint32_t len)
{
    struct rig *t = rig_established(NULL);
    in(t, ". 1:1(0) ack 1 win 0");
    if (len != 0)
        app_write(t, len);
    mark(t);
    return t;
}

/* MUST-36, SHLD-29: "when a zero window has existed for the retransmission timeout period". */
static void probe__first_one__comes_after_one_rto(void **state)
{
    struct rig *t = closed_window(1000);
    (void)state;
    advance(t, RTO - 1);
    out_after(t, 1, ". 1:2(1) ack 1");
    expect_counted(t, RILL_PROBE_SENT, 1);
    rig_end(t);
}

/* However the window came to be closed. */
static void probe__window_closed_by_an_ack_of_data__comes_too(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    app_write(t, 100);
    in(t, ". 1:1(0) ack 101 win 0");
    out_after(t, RTO, ". 101:102(1) ack 1");
    in(t, ". 1:1(0) ack 101 win 0");
    rig_end(t);
}

static void probe__window_closed_from_the_start__comes_too(void **state)
{
    struct rig *t = rig_syn_sent(NULL);
    (void)state;
    in(t, "S. 0:0(0) ack 1 win 0 <mss 1460,nop,wscale 7>");
    out(t, ". 1:1(0) ack 1");
    app_write(t, 100);
    out_after(t, RTO, ". 1:2(1) ack 1");
    in(t, ". 1:1(0) ack 1 win 1");
    out(t, "P. 1:101(100) ack 1");
    rig_end(t);
}

/* After a pause in which all that only traffic needs was given back. */
static void probe__after_idling__comes_too(void **state)
{
    struct rig *t = closed_window(0);
    (void)state;
    advance(t, 1 * HOUR);
    app_write(t, 10);
    out_after(t, RTO, ". 1:2(1) ack 1");
    in(t, ". 1:1(0) ack 1 win 0");
    out_after(t, 2 * RTO, ". 1:2(1) ack 1");
    rig_end(t);
}

static void probe__with_nothing_to_send__never_comes(void **state)
{
    struct rig *t = closed_window(0);
    (void)state;
    advance(t, 1 * HOUR);
    expect_counted(t, RILL_PROBE_SENT, 0);
    rig_end(t);
}

/* SHLD-30, and always the same octet: the first one that the peer has not got. */
static void probe__answered__doubles_its_interval_and_keeps_its_octet(void **state)
{
    struct rig *t = closed_window(1000);
    rill_time wait = RTO;
    (void)state;
    for (int k = 0; k < 16; k++) {
        out_after(t, wait, ". 1:2(1) ack 1");
        in(t, ". 1:1(0) ack 1 win 0");
        wait = doubled(wait);
    }
    assert_int_equal(wait, RTO_MAX);
    expect_counted(t, RILL_PROBE_SENT, 16);
    expect_counted(t, RILL_R1_PASSED, 0);
    expect_counted(t, RILL_RTO_FIRED, 0);
    rig_end(t);
}

/* A probe may be taken (RFC 1122 4.2.2.17 leaves that to the receiver); then the next octet probes. */
static void probe__octet_taken__moves_on(void **state)
{
    struct rig *t = closed_window(3);
    (void)state;
    out_after(t, RTO, ". 1:2(1) ack 1");
    in(t, ". 1:1(0) ack 2 win 0");
    out_after(t, RTO, ". 2:3(1) ack 1");
    in(t, ". 1:1(0) ack 3 win 0");
    out_after(t, RTO, "P. 3:4(1) ack 1");
    in(t, ". 1:1(0) ack 4 win 0");
    advance(t, 1 * HOUR); /* nothing is left */
    rig_end(t);
}

/* The window opens, and all goes on from the octet that was refused, at once and with the whole congestion
 * window: a refused probe is no loss. */
static void probe__reopened_window__goes_on_at_once(void **state)
{
    struct rig *t = closed_window(14600);
    rill_time wait = RTO;
    (void)state;
    for (int k = 0; k < 8; k++) {
        out_after(t, wait, ". 1:2(1) ack 1");
        in(t, ". 1:1(0) ack 1 win 0");
        wait = doubled(wait);
    }
    advance(t, 10 * MS);
    in(t, ". 1:1(0) ack 1 win 1000");
    flow_out(t, 1, 14600, 1460, true, 1);
    /* The doubling belonged to the probes: data that is lost now is not waited for as long. */
    out_after(t, RTO, ". 1:1461(1460) ack 1");
    flow_swallow(t);
    in(t, ". 1:1(0) ack 14601 win 1000");
    advance(t, 1 * HOUR);
    rig_end(t);
}

/* "Essential to guarantee that ... the reopening of the window will be reliably reported": the update was
 * lost, and the answer to the next probe tells. */
static void probe__window_update_lost__is_made_good(void **state)
{
    struct rig *t = closed_window(3000);
    (void)state;
    out_after(t, RTO, ". 1:2(1) ack 1");
    in(t, ". 1:1(0) ack 1 win 0");
    out_after(t, 2 * RTO, ". 1:2(1) ack 1");
    in(t, ". 1:1(0) ack 2 win 100"); /* with the octet taken */
    flow_out(t, 2, 2920, 1460, false, 1);
    out(t, "P. 2922:3001(79) ack 1");
    rig_end(t);
}

/* MUST-37: "as long as the receiving TCP peer continues to send acknowledgments". */
static void probe__answered_for_24_hours__connection_stays(void **state)
{
    struct rig *t = closed_window(1000);
    rill_time wait = RTO;
    unsigned int probes = 0;
    (void)state;
    while (t->now_us < t->mark_us + 24 * HOUR) {
        out_after(t, wait, ". 1:2(1) ack 1");
        in(t, ". 1:1(0) ack 1 win 0");
        wait = doubled(wait);
        probes++;
    }
    assert_in_range(probes, 24 * 30, 24 * 30 + 20);
    expect_state(t, RILL_ESTABLISHED);
    in(t, ". 1:1(0) ack 1 win 10");
    out(t, "P. 1:1001(1000) ack 1");
    rig_end(t);
}

/* And not when it is silent: R2 (RFC 9293 3.8.3), 924.6 s by default, since it was heard last. */
static void probe__not_answered__ends_with_r2(void **state)
{
    struct rig *t = closed_window(1000);
    rill_time last;
    (void)state;
    out_after(t, RTO, ". 1:2(1) ack 1");
    in(t, ". 1:1(0) ack 1 win 0");
    last = t->now_us;
    let_pass(t, 924600 * MS - 1 - (t->now_us - last));
    expect_state(t, RILL_ESTABLISHED);
    let_pass(t, 1);
    expect_error(t, ETIMEDOUT);
    rig_end(t);
}

/* RFC 9293 3.8.6.1: the probe's octet may lie beyond the window, so that an ACK which carried SND.NXT would
 * be thrown away with what it acknowledges. */
static void probe__octet_outstanding__acks_are_inside_the_window(void **state)
{
    struct rig *t = closed_window(1000);
    (void)state;
    out_after(t, RTO, ". 1:2(1) ack 1");
    in(t, ". 1:101(100) ack 1 win 0");
    out_after(t, 40 * MS, ". 1:1(0) ack 101");
    in(t, ". 201:301(100) ack 1 win 0");
    out(t, ". 1:1(0) ack 101");
    in(t, ". 101:201(100) ack 1 win 0");
    out(t, ". 1:1(0) ack 301");
    rig_end(t);
}

/* A segment of data with the peer's window still closed changes nothing in the probes. */
static void probe__data_from_the_peer__does_not_disturb(void **state)
{
    struct rig *t = closed_window(1000);
    (void)state;
    out_after(t, RTO, ". 1:2(1) ack 1");
    in(t, ". 1:1(0) ack 1 win 0");
    mark(t);
    for (int k = 0; k < 3; k++) {
        in(t, ". %d:%d(1460) ack 1 win 0", 1 + 2920 * k, 1461 + 2920 * k);
        in(t, ". %d:%d(1460) ack 1 win 0", 1461 + 2920 * k, 2921 + 2920 * k);
        out(t, ". 1:1(0) ack %d", 2921 + 2920 * k);
        advance(t, 50 * MS);
    }
    out_at(t, 2 * RTO, ". 1:2(1) ack 8761");
    in(t, ". 8761:8761(0) ack 1 win 0");
    out_after(t, 4 * RTO, ". 1:2(1) ack 8761");
    expect_counted(t, RILL_FAST_RETRANSMIT, 0);
    rig_end(t);
}

/* Answers to probes all look alike: they are no duplicate ACKs (RFC 5681 2). */
static void probe__many_equal_answers__are_no_duplicate_acks(void **state)
{
    struct rig *t = closed_window(1000);
    (void)state;
    out_after(t, RTO, ". 1:2(1) ack 1");
    for (int k = 0; k < 10; k++)
        in(t, ". 1:1(0) ack 1 win 0");
    out_after(t, 2 * RTO, ". 1:2(1) ack 1");
    expect_counted(t, RILL_FAST_RETRANSMIT, 0);
    rig_end(t);
}

/* The FIN is a position as good as any to probe with. */
static void probe__only_a_fin_to_send__probes_with_it(void **state)
{
    struct rig *t = closed_window(0);
    (void)state;
    app_shut(t);
    out_after(t, RTO, "F. 1:1(0) ack 1");
    in(t, ". 1:1(0) ack 1 win 0");
    out_after(t, 2 * RTO, "F. 1:1(0) ack 1");
    in(t, ". 1:1(0) ack 2 win 0");
    expect_state(t, RILL_FIN_WAIT_2);
    advance(t, 1 * HOUR);
    rig_end(t);
}

static void probe__text_and_fin_to_send__leave_together_when_it_opens(void **state)
{
    struct rig *t = closed_window(10);
    (void)state;
    app_shut(t);
    out_after(t, RTO, ". 1:2(1) ack 1");
    in(t, ". 1:1(0) ack 1 win 0");
    in(t, ". 1:1(0) ack 1 win 100");
    out(t, "FP. 1:11(10) ack 1");
    rig_end(t);
}

/* With a window there is none. */
static void probe__open_window__has_none(void **state)
{
    struct rig *t = closed_window(1000);
    (void)state;
    advance(t, RTO - 1);
    in(t, ". 1:1(0) ack 1 win 100");
    out(t, "P. 1:1001(1000) ack 1");
    in(t, ". 1:1(0) ack 1001 win 100");
    advance(t, 1 * HOUR);
    expect_counted(t, RILL_PROBE_SENT, 0);
    rig_end(t);
}

/* The other side: a window update of ours that is lost is repeated in answer to the peer's probe. */
static void probe__from_the_peer__is_answered_with_the_window(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    flow_in(t, 1, 65535, 1460);
    let_pass(t, 50 * MS);
    in(t, ". 65536:65537(1) ack 1");
    out(t, ". 1:1(0) ack 65536 win 0");
    app_read(t, 65535);
    out(t, ". 1:1(0) ack 65536 win 65535"); /* lost */
    in(t, ". 65536:65537(1) ack 1");        /* taken now */
    out_after(t, 40 * MS, ". 1:1(0) ack 65537 win 65534");
    in(t, ". 65536:65537(1) ack 1"); /* and again, or one octet left of the window as others probe */
    out(t, ". 1:1(0) ack 65537 win 65534");
    in(t, ". 65536:65536(0) ack 1");
    out(t, ". 1:1(0) ack 65537 win 65534");
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probe__first_one__comes_after_one_rto),
        cmocka_unit_test(probe__window_closed_by_an_ack_of_data__comes_too),
        cmocka_unit_test(probe__window_closed_from_the_start__comes_too),
        cmocka_unit_test(probe__after_idling__comes_too),
        cmocka_unit_test(probe__with_nothing_to_send__never_comes),
        cmocka_unit_test(probe__answered__doubles_its_interval_and_keeps_its_octet),
        cmocka_unit_test(probe__octet_taken__moves_on),
        cmocka_unit_test(probe__reopened_window__goes_on_at_once),
        cmocka_unit_test(probe__window_update_lost__is_made_good),
        cmocka_unit_test(probe__answered_for_24_hours__connection_stays),
        cmocka_unit_test(probe__not_answered__ends_with_r2),
        cmocka_unit_test(probe__octet_outstanding__acks_are_inside_the_window),
        cmocka_unit_test(probe__data_from_the_peer__does_not_disturb),
        cmocka_unit_test(probe__many_equal_answers__are_no_duplicate_acks),
        cmocka_unit_test(probe__only_a_fin_to_send__probes_with_it),
        cmocka_unit_test(probe__text_and_fin_to_send__leave_together_when_it_opens),
        cmocka_unit_test(probe__open_window__has_none),
        cmocka_unit_test(probe__from_the_peer__is_answered_with_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
