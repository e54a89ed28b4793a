/* test_listen.c - a listening port: what opens a connection, and the two queues.  RFC 9293 3.10.7.2, 3.10.4.
 */
#include "script.h"

/* ---- SEGMENT ARRIVES, in the order of the text --------------------------------------------------------- */

/* "First, check for a RST: an incoming RST should be ignored." */
static void listen__rst__is_ignored(void **state)
{
    const char *const lines[] = {"R 0:0(0)", "R. 0:0(0) ack 1", "SR 0:0(0)", "SR. 0:0(0) ack 5", "R 0:9(9)"};
    struct rig *t = rig_listen(NULL);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        in(t, "%s", lines[i]);
        out_none(t);
        expect_state(t, RILL_LISTEN);
    }
    rig_end(t);
}

/* "Second, check for an ACK: any acknowledgment is bad.  <SEQ=SEG.ACK><CTL=RST>" */
static void listen__ack__gets_rst_at_its_ack(void **state)
{
    const char *const lines[] = {". 1:1(0) ack 100", "S. 0:0(0) ack 100 <mss 1460>", "F. 1:1(0) ack 100",
                                 "P. 1:11(10) ack 100", "SF. 0:5(5) ack 100"};
    struct rig *t = rig_listen(NULL);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        in(t, "%s", lines[i]);
        out(t, "R 100:100(0) win 0");
        expect_state(t, RILL_LISTEN);
    }
    rig_end(t);
}

/* "Third, check for a SYN: <SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>": MSS (MUST-14), no scaling where none was
 * offered (RFC 7323 2.2). */
static void listen__syn__gets_syn_ack(void **state)
{
    const struct {
        const char *in, *out;
        uint32_t rcvbuf_bytes;
    } rows[] = {
        {"S 0:0(0)", "S. 0:0(0) ack 1 win 65535 <mss 1460>", 65535},
        {"S 0:0(0) <mss 1460>", "S. 0:0(0) ack 1 win 65535 <mss 1460>", 65535},
        {"S 0:0(0) <mss 1460,nop,wscale 7>", "S. 0:0(0) ack 1 win 65535 <mss 1460,nop,wscale 0>", 65535},
        {"S 0:0(0) <nop,wscale 14,mss 100>", "S. 0:0(0) ack 1 win 65535 <mss 1460,nop,wscale 5>", 1 << 20},
        {"S 0:0(0) <mss 1460>", "S. 0:0(0) ack 1 win 65535 <mss 1460>", 1 << 20},
        {"S 0:0(0) <wscale 0,mss 1460,eol>", "S. 0:0(0) ack 1 win 4096 <mss 1460,nop,wscale 0>", 4096},
        {"SEC 0:0(0) <mss 1460>", "S. 0:0(0) ack 1 win 65535 <mss 1460>", 65535}, /* no ECN is negotiated */
        {"SP 0:0(0) <hex fd04cafe,mss 1460>", "S. 0:0(0) ack 1 win 65535 <mss 1460>", 65535},
        {"S 0:0(0) <sackOK,TS val 7 ecr 0,nop,wscale 7>", "S. 0:0(0) ack 1 <mss 1460,nop,wscale 0>", 65535},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig *t = rig_listen(&(struct rig_setup){.rcvbuf_bytes = rows[i].rcvbuf_bytes});
        in(t, "%s", rows[i].in);
        out(t, "%s", rows[i].out);
        expect_state(t, RILL_SYN_RECEIVED);
        expect_counted(t, RILL_HALF_OPEN, 1);
        rig_end(t);
    }
}

/* "Any other control or text should be queued for processing later": this stack holds nothing before there is
 * a connection, and does not acknowledge it, so that the peer sends it again. */
static void listen__syn_with_text_and_fin__acknowledges_the_syn_only(void **state)
{
    struct rig *t = rig_listen(NULL);
    (void)state;
    in(t, "SFP 0:100(100) <mss 1460>");
    out(t, "S. 0:0(0) ack 1 <*>");
    in(t, "FP. 1:101(100) ack 1");
    out(t, ". 1:1(0) ack 102");
    app_accept(t, 0);
    app_read(t, 100);
    expect_eof(t, true);
    expect_state(t, RILL_CLOSE_WAIT);
    rig_end(t);
}

/* "Fourth: this should not be reached.  Drop the segment." */
static void listen__neither_rst_ack_nor_syn__is_dropped(void **state)
{
    const char *const lines[] = {"- 0:0(0)", "P 0:10(10)", "F 0:0(0)", "FPU 0:10(10) urg 3"};
    struct rig *t = rig_listen(NULL);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        in(t, "%s", lines[i]);
        out_none(t);
        expect_state(t, RILL_LISTEN);
    }
    expect_counted(t, RILL_DROP_LISTEN_FLAGS, COUNT_OF(lines));
    rig_end(t);
}

/* Another port than the one that listens is CLOSED. */
static void listen__other_port__gets_rst(void **state)
{
    struct rig *t = rig_listen(NULL);
    (void)state;
    t->peer[1].lport = RIG_PORT + 1;
    in(t, "@1 S 0:0(0) <mss 1460>");
    out(t, "@1 R. =0:=0(0) ack 1");
    rig_end(t);
}

/* ---- The handshake ------------------------------------------------------------------------------------- */

/* RFC 9293 3.5 figure 6, as peer B. */
static void listen__three_way_handshake__establishes(void **state)
{
    struct rig *t = rig_listen(NULL);
    (void)state;
    in(t, "S 0:0(0) <mss 1460,nop,wscale 7>");
    out(t, "S. 0:0(0) ack 1 <*>");
    expect_state(t, RILL_SYN_RECEIVED);
    app_accept_none(t);
    in(t, ". 1:1(0) ack 1");
    expect_state(t, RILL_ESTABLISHED);
    expect_counted(t, RILL_OPEN_PASSIVE, 1);
    app_accept(t, 0);
    app_accept_none(t);
    in(t, "P. 1:101(100) ack 1");
    out_after(t, 40 * MS, ". 1:1(0) ack 101");
    app_read(t, 100);
    rig_end(t);
}

/* MUST-15: without an MSS option segments of 536 bytes at most; MUST-16 with one. */
static void listen__peers_mss__limits_what_is_sent(void **state)
{
    const struct {
        const char *opts;
        int mss;
    } rows[] = {{"", 536}, {"<mss 1000>", 1000}, {"<mss 65535>", 1460}, {"<mss 536>", 536}, {"<nop>", 536}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig *t = rig_established(&(struct rig_setup){.peer_opts = rows[i].opts});
        int mss = rows[i].mss;
        app_write(t, 2 * (uint32_t)mss);
        out(t, ". 1:%d(%d) ack 1", 1 + mss, mss);
        out(t, "P. %d:%d(%d) ack 1", 1 + mss, 1 + 2 * mss, mss);
        rig_end(t);
    }
}

/* CVE-2019-11479: no peer makes us send a byte per segment. */
static void listen__tiny_mss__has_a_floor(void **state)
{
    const char *const opts[] = {"<mss 0>", "<mss 1>", "<mss 8>", "<mss 48>"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(opts); i++) {
        struct rig *t = rig_established(&(struct rig_setup){.peer_opts = opts[i]});
        app_write(t, 96);
        out(t, ". 1:49(48) ack 1");
        out(t, "P. 49:97(48) ack 1");
        rig_end(t);
    }
}

/* RFC 7323 2.2: the window of a SYN is not scaled, the ones after it are; 2.3: a shift over 14 is used as 14.
 */
static void listen__peers_window__is_scaled_from_the_ack_on(void **state)
{
    const struct {
        const char *opts;
        int field, bytes;
    } rows[] = {{"<mss 100,nop,wscale 2>", 50, 200},
                {"<mss 100,nop,wscale 0>", 200, 200},
                {"<mss 100>", 200, 200},
                {"<mss 1000,nop,wscale 14>", 1, 10000},
                {"<mss 1000,nop,wscale 200>", 1, 10000}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig *t = rig_syn_received(&(struct rig_setup){.peer_opts = rows[i].opts});
        int mss = rows[i].bytes == 200 ? 100 : 1000;
        in(t, ". 1:1(0) ack 1 win %d", rows[i].field);
        app_accept(t, 0);
        app_write(t, 12000);
        /* The window or the initial one of congestion control, ten segments (RFC 6928), whichever is less. */
        for (int sent = 0; sent < rows[i].bytes; sent += mss)
            out(t, ". %d:%d(%d) ack 1", 1 + sent, 1 + sent + mss, mss);
        out_none(t);
        rig_end(t);
    }
}

/* ---- The two queues ------------------------------------------------------------------------------------ */

static void half_open(struct rig *t, int n)
{
    in(t, "@%d S 0:0(0) <mss 1460>", n);
    out(t, "@%d S. 0:0(0) ack 1 <*>", n);
}

/* The first bound: handshakes under way.  "A full queue drops a new SYN without processing and counts it." */
static void listen__queue_of_handshakes_full__drops_syn(void **state)
{
    struct rig *t = rig_listen(&(struct rig_setup){.backlog = 3});
    (void)state;
    for (int n = 0; n < 3; n++)
        half_open(t, n);
    in(t, "@3 S 0:0(0) <mss 1460>");
    out_none(t);
    expect_peer_state(t, 3, RILL_LISTEN);
    expect_counted(t, RILL_DROP_SYN_QUEUE, 1);
    in(t, "@1 S 0:0(0) <mss 1460>"); /* one that is in it already is still answered */
    out(t, "@1 S. 0:0(0) ack 1 <*>");
    rig_end(t);
}

/* "Completion moves a connection from the first to the second, so that a SYN fits again." */
static void listen__completed_handshake__makes_room_for_a_syn(void **state)
{
    struct rig *t = rig_listen(&(struct rig_setup){.backlog = 1});
    (void)state;
    half_open(t, 0);
    in(t, "@0 . 1:1(0) ack 1");
    half_open(t, 1); /* although nobody has accepted the first */
    in(t, "@2 S 0:0(0) <mss 1460>");
    out_none(t);
    expect_counted(t, RILL_DROP_SYN_QUEUE, 1);
    rig_end(t);
}

static void listen__reset_handshake__makes_room_for_a_syn(void **state)
{
    struct rig *t = rig_listen(&(struct rig_setup){.backlog = 1});
    (void)state;
    half_open(t, 0);
    in(t, "@0 R 1:1(0)");
    half_open(t, 1);
    rig_end(t);
}

/* The second bound: "with the second full the completing ACK is dropped and the record stays until its
 * retries end". */
static void listen__queue_to_accept_full__drops_the_completing_ack(void **state)
{
    struct rig *t = rig_listen(&(struct rig_setup){.backlog = 2});
    (void)state;
    for (int n = 0; n < 2; n++) {
        half_open(t, n);
        in(t, "@%d . 1:1(0) ack 1", n);
    }
    half_open(t, 2);
    mark(t);
    in(t, "@2 . 1:1(0) ack 1");
    out_none(t);
    expect_peer_state(t, 2, RILL_SYN_RECEIVED);
    expect_counted(t, RILL_DROP_ACCEPT_QUEUE, 1);
    out_at(t, 1 * SEC, "@2 S. 0:0(0) ack 1 <*>"); /* and it asks again */
    in(t, "@2 P. 1:11(10) ack 1");                /* text does not help */
    out_none(t);
    app_accept(t, 0);
    out_at(t, 3 * SEC, "@2 S. 0:0(0) ack 1 <*>");
    in(t, "@2 . 1:1(0) ack 1");
    expect_peer_state(t, 2, RILL_ESTABLISHED);
    rig_end(t);
}

static void listen__queue_to_accept_that_stays_full__ends_the_handshake(void **state)
{
    struct rig *t = rig_listen(&(struct rig_setup){.backlog = 1});
    (void)state;
    half_open(t, 0);
    in(t, "@0 . 1:1(0) ack 1");
    half_open(t, 1);
    mark(t);
    in(t, "@1 . 1:1(0) ack 1");
    let_pass(t, 120 * SEC);
    expect_peer_state(t, 1, RILL_LISTEN);
    expect_counted(t, RILL_HALF_OPEN_EXPIRED, 1);
    rig_end(t);
}

/* Every connection once, in the order in which they were completed. */
static void listen__accept__takes_the_oldest(void **state)
{
    struct rig *t = rig_listen(NULL);
    (void)state;
    for (int n = 0; n < 4; n++)
        half_open(t, n);
    in(t, "@2 . 1:1(0) ack 1");
    in(t, "@0 . 1:1(0) ack 1");
    in(t, "@3 . 1:1(0) ack 1");
    app_accept(t, 2);
    app_accept(t, 0);
    in(t, "@1 . 1:1(0) ack 1");
    app_accept(t, 3);
    app_accept(t, 1);
    app_accept_none(t);
    rig_end(t);
}

/* What comes before accept is received, acknowledged and kept. */
static void listen__text_before_accept__is_kept(void **state)
{
    struct rig *t = rig_syn_received(NULL);
    (void)state;
    in(t, "P. 1:101(100) ack 1");
    out_after(t, 40 * MS, ". 1:1(0) ack 101");
    in(t, "FP. 101:201(100) ack 1");
    out(t, ". 1:1(0) ack 202");
    app_accept(t, 0);
    app_read(t, 200);
    expect_eof(t, true);
    rig_end(t);
}

/* A connection that died before accept is given out with its error, as BSD and Linux do. */
static void listen__reset_before_accept__is_told_by_the_connection(void **state)
{
    struct rig *t = rig_syn_received(NULL);
    (void)state;
    in(t, ". 1:1(0) ack 1");
    in(t, "R 1:1(0)");
    expect_state(t, RILL_LISTEN);
    app_accept(t, 0);
    expect_error(t, ECONNRESET);
    rig_end(t);
}

/* RFC 9293 3.10.4, LISTEN: the TCB is deleted.  Who waits to be accepted learns that nobody will. */
static void listen__close__ends_handshakes_and_resets_who_waits(void **state)
{
    struct rig *t = rig_listen(NULL);
    (void)state;
    half_open(t, 0);
    half_open(t, 1);
    in(t, "@1 . 1:1(0) ack 1");
    in(t, "@1 P. 1:11(10) ack 1");
    app_close_port(t);
    out(t, "@1 R. 1:1(0) ack 11");
    out_none(t);
    expect_peer_state(t, 0, RILL_CLOSED);
    expect_peer_state(t, 1, RILL_CLOSED);
    advance(t, 100 * SEC);
    in(t, "@0 . 1:1(0) ack 1");
    out(t, "@0 R 1:1(0)");
    rig_end(t);
}

/* MUST-41: a passive OPEN, and its end, do not disturb connections. */
static void listen__close__leaves_accepted_connections_alone(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    app_close_port(t);
    out_none(t);
    in(t, "P. 1:11(10) ack 1");
    out_after(t, 40 * MS, ". 1:1(0) ack 11");
    expect_state(t, RILL_ESTABLISHED);
    rig_end(t);
}

/* MUST-42: a port can listen while a connection in SYN-SENT has the same local port. */
static void listen__beside_an_active_open_of_the_same_port__gets_its_own(void **state)
{
    struct rig *t = rig_closed(NULL);
    (void)state;
    assert_int_equal(app_connect(t, 0), 0);
    out(t, "S 0:0(0) <*>");
    engine_now(t->e, t->now_us);
    assert_int_equal(port_bind(t->e, t, 0, RIG_CLIENT, true, &t->port), 0);
    assert_int_equal(port_listen(t->e, t->port, 5, &t->opts), 0);
    t->peer[1].lport = RIG_CLIENT;
    in(t, "@1 S 0:0(0) <mss 1460>");
    out(t, "@1 S. 0:0(0) ack 1 <*>");
    expect_state(t, RILL_SYN_SENT);
    in(t, "S. 0:0(0) ack 1 <mss 1460>");
    out(t, ". 1:1(0) ack 1");
    expect_state(t, RILL_ESTABLISHED);
    expect_peer_state(t, 1, RILL_SYN_RECEIVED);
    rig_end(t);
}

/* Running out of memory for a record is a drop that is counted; the peer tries again. */
static void listen__syn_without_memory__is_dropped(void **state)
{
    struct rig *t = rig_listen(NULL);
    (void)state;
    t->heap.fail_all = true;
    in(t, "S 0:0(0) <mss 1460>");
    out_none(t);
    expect_counted(t, RILL_DROP_MEMORY, 1);
    t->heap.fail_all = false;
    in(t, "S 0:0(0) <mss 1460>");
    out(t, "S. 0:0(0) ack 1 <*>");
    t->heap.fail_all = true;
    in(t, ". 1:1(0) ack 1"); /* and for the connection, likewise */
    out_none(t);
    expect_counted(t, RILL_DROP_MEMORY, 2);
    expect_state(t, RILL_SYN_RECEIVED);
    t->heap.fail_all = false;
    in(t, ". 1:1(0) ack 1");
    expect_state(t, RILL_ESTABLISHED);
    rig_end(t);
}

static void few_connections(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->max_conns = 2;
}

static void listen__more_connections_than_allowed__are_dropped(void **state)
{
    struct rig *t = rig_listen(&(struct rig_setup){.edit = few_connections});
    (void)state;
    half_open(t, 0);
    half_open(t, 1);
    in(t, "@2 S 0:0(0) <mss 1460>");
    out_none(t);
    expect_counted(t, RILL_DROP_MEMORY, 1);
    in(t, "@0 . 1:1(0) ack 1"); /* a record that becomes a connection is none more */
    expect_state(t, RILL_ESTABLISHED);
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listen__rst__is_ignored),
        cmocka_unit_test(listen__ack__gets_rst_at_its_ack),
        cmocka_unit_test(listen__syn__gets_syn_ack),
        cmocka_unit_test(listen__syn_with_text_and_fin__acknowledges_the_syn_only),
        cmocka_unit_test(listen__neither_rst_ack_nor_syn__is_dropped),
        cmocka_unit_test(listen__other_port__gets_rst),
        cmocka_unit_test(listen__three_way_handshake__establishes),
        cmocka_unit_test(listen__peers_mss__limits_what_is_sent),
        cmocka_unit_test(listen__tiny_mss__has_a_floor),
        cmocka_unit_test(listen__peers_window__is_scaled_from_the_ack_on),
        cmocka_unit_test(listen__queue_of_handshakes_full__drops_syn),
        cmocka_unit_test(listen__completed_handshake__makes_room_for_a_syn),
        cmocka_unit_test(listen__reset_handshake__makes_room_for_a_syn),
        cmocka_unit_test(listen__queue_to_accept_full__drops_the_completing_ack),
        cmocka_unit_test(listen__queue_to_accept_that_stays_full__ends_the_handshake),
        cmocka_unit_test(listen__accept__takes_the_oldest),
        cmocka_unit_test(listen__text_before_accept__is_kept),
        cmocka_unit_test(listen__reset_before_accept__is_told_by_the_connection),
        cmocka_unit_test(listen__close__ends_handshakes_and_resets_who_waits),
        cmocka_unit_test(listen__close__leaves_accepted_connections_alone),
        cmocka_unit_test(listen__beside_an_active_open_of_the_same_port__gets_its_own),
        cmocka_unit_test(listen__syn_without_memory__is_dropped),
        cmocka_unit_test(listen__more_connections_than_allowed__are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
