/* test_timestamps.c - timestamps: negotiation, what is sent and echoed, TS.Recent.  RFC 7323 3, 4, 5.2; RFC
 * 2018 2. */
#include "script.h"

#include "tcp_ts.h"

#define SYN_TS "<mss 1460,sackOK,TS val 1000 ecr 0,nop,wscale 7>"
#define TS(val, ecr) "<nop,nop,TS val " #val " ecr " #ecr ">"

static void with_ts(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->features |= 1u << RILL_FEATURE_TIMESTAMPS | 1u << RILL_FEATURE_SACK;
}

static const struct rig_setup setup_ts = {.edit = with_ts, .peer_opts = SYN_TS, .seg_opts = TS(1000, 0)};

/* ---- Negotiation --------------------------------------------------------------------------------------- */

static void syn__active__offers_in_linux_order_and_echoes_nothing(void **state)
{
    struct rig *t = rig_closed(&setup_ts);
    (void)state;
    assert_int_equal(app_connect(t, 0), 0);
    out(t, "S 0:0(0) <mss 1460,sackOK,TS val 0 ecr =0,nop,wscale 0>");
    in(t, "S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 77 ecr 0,nop,wscale 7>");
    out(t, ". 1:1(0) ack 1 " TS(0, 77));
    assert_true(t->peer[0].c->sack_ok);
    advance(t, 1999);
    app_write(t, 10);
    out(t, "P. 1:11(10) ack 1 " TS(1, 77)); /* a tick each millisecond */
    rig_end(t);
}

static void syn_ack__of_a_listener__has_what_the_syn_had(void **state)
{
    static const struct {
        const char *syn, *syn_ack, *after;
    } table[] = {
        {"<mss 1460>", "<mss 1460>", ""},
        {"<mss 1460,nop,wscale 7>", "<mss 1460,nop,wscale 0>", ""},
        {"<mss 1460,nop,nop,sackOK>", "<mss 1460,nop,nop,sackOK>", ""},
        {"<mss 1460,nop,nop,TS val 9 ecr 0>", "<mss 1460,nop,nop,TS val 0 ecr 9>", TS(9, 0)},
        {"<mss 1460,sackOK,TS val 9 ecr 0>", "<mss 1460,sackOK,TS val 0 ecr 9>", TS(9, 0)},
        {"<mss 1460,sackOK,TS val 9 ecr 0,nop,wscale 7>", "<mss 1460,sackOK,TS val 0 ecr 9,nop,wscale 0>",
         TS(9, 0)},
        {"", "<mss 1460>", ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct rig *t = rig_listen(&setup_ts);
        in(t, "S 0:0(0) %s", table[i].syn);
        out(t, "S. 0:0(0) ack 1 %s", table[i].syn_ack);
        in(t, ". 1:1(0) ack 1 %s", table[i].after);
        app_accept(t, 0);
        expect_state(t, RILL_ESTABLISHED);
        assert_int_equal(t->peer[0].c->ts_ok, strstr(table[i].syn, "TS") != NULL);
        assert_int_equal(t->peer[0].c->sack_ok, strstr(table[i].syn, "sackOK") != NULL);
        rig_end(t);
    }
}

static void features_off__options_of_the_syn__are_not_answered(void **state)
{
    struct rig *t = rig_listen(NULL);
    (void)state;
    in(t, "S 0:0(0) " SYN_TS);
    out(t, "S. 0:0(0) ack 1 <mss 1460,nop,wscale 0>");
    in(t, ". 1:1(0) ack 1");
    app_accept(t, 0);
    in(t, "P. 1:11(10) ack 1 " TS(1, 1)); /* 3.2: not negotiated, so the option is ignored */
    expect_readable(t, 10);
    rig_end(t);
}

static void syn_ack__without_timestamps__the_connection_has_none(void **state)
{
    struct rig_setup setup = {.edit = with_ts, .peer_opts = "<mss 1460>"};
    struct rig *t = rig_connected(&setup);
    (void)state;
    app_write(t, 10);
    out(t, "P. 1:11(10) ack 1");
    assert_false(t->peer[0].c->sack_ok);
    rig_end(t);
}

static void syns_cross__both_with_timestamps__agreed(void **state)
{
    struct rig *t = rig_syn_sent(&setup_ts);
    (void)state;
    advance(t, 3000);
    in(t, "S 0:0(0) <mss 1460,sackOK,TS val 500 ecr 0>");
    out(t, "S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 3 ecr 500>");
    in(t, "S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 503 ecr 3>");
    expect_state(t, RILL_ESTABLISHED);
    out(t, ". 1:1(0) ack 1 " TS(3, 500)); /* 5.3 R2: its SYN had come before, it lies left of the window */
    rig_end(t);
}

static void syn_again__later_timestamp__is_echoed(void **state)
{
    struct rig *t = rig_listen(&setup_ts);
    (void)state;
    in(t, "S 0:0(0) <mss 1460,nop,nop,TS val 100 ecr 0>");
    out(t, "S. 0:0(0) ack 1 <mss 1460,nop,nop,TS val 0 ecr 100>");
    advance(t, 500 * MS);
    in(t, "S 0:0(0) <mss 1460,nop,nop,TS val 600 ecr 0>");
    out(t, "S. 0:0(0) ack 1 <mss 1460,nop,nop,TS val 500 ecr 600>");
    in(t, "S 0:0(0) <mss 1460,nop,nop,TS val 100 ecr 0>"); /* the first one, late */
    out(t, "S. 0:0(0) ack 1 <mss 1460,nop,nop,TS val 500 ecr 600>");
    rig_end(t);
}

/* ---- What leaves --------------------------------------------------------------------------------------- */

static void segments__after_the_handshake__all_have_timestamps(void **state)
{
    struct rig *t = rig_established(&setup_ts);
    (void)state;
    assert_int_equal(tcp_eff_mss(t->peer[0].c), 1448); /* RFC 6691: the options are the text's loss */
    app_write(t, 2000);
    out(t, ". 1:1449(1448) ack 1 " TS(0, 1000));
    out(t, "P. 1449:2001(552) ack 1 " TS(0, 1000));
    in(t, ". 1:1(0) ack 2001 " TS(1001, 0));
    app_shut(t);
    out(t, "F. 2001:2001(0) ack 1 " TS(0, 1001));
    in(t, "F. 1:1(0) ack 2002 " TS(1002, 0));
    out(t, ". 2002:2002(0) ack 2 " TS(0, 1002));
    rig_end(t);
}

static void retransmission__has_the_clock_of_now(void **state)
{
    struct rig *t = rig_established(&setup_ts);
    (void)state;
    app_write(t, 10);
    out(t, "P. 1:11(10) ack 1 " TS(0, 1000));
    out_after(t, t->peer[0].c->timer[TIMER_XMIT] - t->now_us,
              "P. 1:11(10) ack 1 <nop,nop,TS val * ecr 1000>");
    rig_end(t);
}

/* RFC 7323 4.1 and 4.3: duplicates do not change what is echoed.  If all ACKs of the first arrival were lost,
 * an echo of it is as old as the timeouts were long, and no round trip. */
static void echo__older_than_the_last_copy__is_no_sample_and_of_it_is_one(void **state)
{
    (void)state;
    for (int last = 0; last < 2; last++) {
        struct rig *t = rig_established(&setup_ts);
        struct rtt *rtt = &t->peer[0].c->rtt;
        uint32_t srtt_us = rtt_srtt_us(rtt);
        app_write(t, 100);
        out(t, "P. 1:101(100) ack 1 " TS(0, 1000));
        out_at(t, 200 * MS, "P. 1:101(100) ack 1 " TS(200, 1000));
        out_at(t, 600 * MS, "P. 1:101(100) ack 1 " TS(600, 1000));
        at(t, 650 * MS);
        in(t, ". 1:1(0) ack 101 <nop,nop,TS val 1650 ecr %d>", last ? 600 : 0);
        assert_int_equal(rtt->backoff, last ? 0 : 2); /* RFC 6298 5.7: until there is a sample */
        if (!last)
            assert_int_equal(rtt_srtt_us(rtt), srtt_us);
        rig_end(t);
    }
}

static void abort__on_a_connection_with_timestamps__rst_has_them(void **state)
{
    struct rig *t = rig_established(&setup_ts);
    (void)state;
    app_abort(t);
    out(t, "R. 1:1(0) ack 1 win 0 " TS(0, 1000)); /* RFC 7323 5.2: SHOULD */
    rig_end(t);
}

static void reset__of_a_segment_without_a_connection__echoes_and_tells_no_time(void **state)
{
    struct rig *t = rig_closed(&setup_ts);
    (void)state;
    in(t, "S 0:0(0) " SYN_TS);
    out(t, "R. =0:=0(0) ack 1 <nop,nop,TS val =0 ecr 1000>"); /* RFC 7323 5.2 */
    in(t, ". 5:5(0) ack 7 <nop,nop,TS val 123 ecr 5>");
    out(t, "R 7:7(0) <nop,nop,TS val =0 ecr 123>");
    in(t, "S 0:0(0)");
    out(t, "R. =0:=0(0) ack 1");
    rig_end(t);
    t = rig_closed(NULL);
    in(t, "S 0:0(0) " SYN_TS);
    out(t, "R. =0:=0(0) ack 1"); /* who has no timestamps sends none */
    rig_end(t);
}

static void offset__of_the_clock__differs_by_tuple_and_secret(void **state)
{
    uint32_t seen[8];
    (void)state;
    for (unsigned int i = 0; i < 8; i++) {
        struct rig_setup setup = setup_ts;
        struct rig *t;
        struct conn_node node = {.raddr = RIG_PEER_ADDR, .rport = (uint16_t)(1000 + i % 4), .lport = 7};
        setup.seed = i / 4;
        t = rig_closed(&setup);
        seen[i] = tcp_ts_offset(t->e, &node);
        assert_int_equal(seen[i], tcp_ts_offset(t->e, &node));
        assert_int_not_equal(seen[i], (uint32_t)siphash(&t->e->isn_key, &node, 12)); /* not the ISN's */
        for (unsigned int k = 0; k < i; k++)
            assert_int_not_equal(seen[i], seen[k]);
        rig_end(t);
    }
}

/* ---- TS.Recent ----------------------------------------------------------------------------------------- */

static void delayed_ack__echoes_the_earliest(void **state)
{
    struct rig *t = rig_established(&setup_ts);
    (void)state;
    in(t, "P. 1:101(100) ack 1 " TS(1010, 0));
    in(t, "P. 101:201(100) ack 1 " TS(1020, 0)); /* 4.3 (A): beyond Last.ACK.sent */
    out_after(t, t->config.delack_us, ". 1:1(0) ack 201 <nop,nop,TS val * ecr 1010>");
    rig_end(t);
}

static void hole__last_in_order_one_is_echoed_and_then_the_filler(void **state)
{
    struct rig *t = rig_established(&setup_ts);
    (void)state;
    in(t, ". 1:1(0) ack 1 " TS(1005, 0));
    in(t, ". 101:201(100) ack 1 " TS(1020, 0)); /* 4.3 (B) */
    out(t, ". 1:1(0) ack 1 <nop,nop,TS val 0 ecr 1005,nop,nop,sack 101:201>");
    in(t, ". 201:301(100) ack 1 " TS(1021, 0));
    out(t, ". 1:1(0) ack 1 <nop,nop,TS val 0 ecr 1005,nop,nop,sack 101:301>");
    in(t, ". 1:101(100) ack 1 " TS(1030, 0)); /* 4.3 (C) */
    out(t, ". 1:1(0) ack 301 " TS(0, 1030));
    rig_end(t);
}

static void outside_the_window__leaves_ts_recent_alone(void **state)
{
    struct rig *t = rig_established(&setup_ts);
    (void)state;
    in(t,
       ". -200:-100(100) ack 1 " TS(5000, 0)); /* 5.3 R2: an old duplicate with a timestamp of the future */
    out(t, ". 1:1(0) ack 1 " TS(0, 1000));
    in(t, ". 1:1(0) ack 5000 " TS(5000, 0)); /* and one that acknowledges what was not sent */
    out(t, ". 1:1(0) ack 1 " TS(0, 1000));
    in(t, "R 50:50(0) " TS(5000, 0)); /* 5.2: no RST */
    assert_int_equal(t->peer[0].c->ts_recent, 1000);
    rig_end(t);
}

/* The handshake's ACK may be lost; what comes instead begins beyond Last.ACK.sent and does not move
 * TS.Recent, which is young all the same. */
static void ts_recent__of_a_handshake_after_weeks__is_valid(void **state)
{
    struct rig *t = rig_listen(&setup_ts);
    (void)state;
    advance(t, 25ull * 86400 * SEC);
    in(t, "S 0:0(0) " SYN_TS);
    out(t, "S. 0:0(0) ack 1 <*>");
    in(t, ". 101:201(100) ack 1 " TS(1000, 0));
    out(t, ". 1:1(0) ack 1 <*>");
    in(t, ". 201:301(100) ack 1 " TS(999, 0));
    out(t, ". 1:1(0) ack 1 <*>");
    expect_counted(t, RILL_DROP_PAWS, 1);
    rig_end(t);
}

/* ---- The echo as a measurement ------------------------------------------------------------------------- */

static void echo__table(void **state)
{
    static const struct {
        int32_t ecr; /* relative to our clock of now, ms */
        bool zero, given;
        uint32_t rtt_us;
    } table[] = {
        {0, false, true, 1000}, /* less than a tick counts as one */
        {-1, false, true, 1000},         {-25, false, true, 25000},
        {-60000, false, true, 60000000}, {1, false, false, 0}, /* the future */
        {INT32_MIN, false, false, 0},    {0, true, false, 0},  /* no echo */
    };
    struct rig *t = rig_established(&setup_ts);
    struct tcb *c = t->peer[0].c;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct tcp_segment seg = {.flags = RILL_ACK, .opt.has_ts = true};
        uint32_t rtt_us = 0;
        seg.opt.tsecr = table[i].zero ? 0 : tcp_ts_now(t->e, c) + (uint32_t)table[i].ecr;
        assert_int_equal(tcp_ts_echo_us(t->e, c, &seg, &rtt_us), table[i].given);
        assert_int_equal(rtt_us, table[i].rtt_us);
        seg.flags = RILL_PSH; /* 3.2: TSecr is valid with ACK only */
        assert_false(tcp_ts_echo_us(t->e, c, &seg, &rtt_us));
        seg.flags = RILL_ACK;
        seg.opt.has_ts = false;
        assert_false(tcp_ts_echo_us(t->e, c, &seg, &rtt_us));
    }
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syn__active__offers_in_linux_order_and_echoes_nothing),
        cmocka_unit_test(syn_ack__of_a_listener__has_what_the_syn_had),
        cmocka_unit_test(features_off__options_of_the_syn__are_not_answered),
        cmocka_unit_test(syn_ack__without_timestamps__the_connection_has_none),
        cmocka_unit_test(syns_cross__both_with_timestamps__agreed),
        cmocka_unit_test(syn_again__later_timestamp__is_echoed),
        cmocka_unit_test(segments__after_the_handshake__all_have_timestamps),
        cmocka_unit_test(retransmission__has_the_clock_of_now),
        cmocka_unit_test(echo__older_than_the_last_copy__is_no_sample_and_of_it_is_one),
        cmocka_unit_test(abort__on_a_connection_with_timestamps__rst_has_them),
        cmocka_unit_test(reset__of_a_segment_without_a_connection__echoes_and_tells_no_time),
        cmocka_unit_test(offset__of_the_clock__differs_by_tuple_and_secret),
        cmocka_unit_test(delayed_ack__echoes_the_earliest),
        cmocka_unit_test(hole__last_in_order_one_is_echoed_and_then_the_filler),
        cmocka_unit_test(outside_the_window__leaves_ts_recent_alone),
        cmocka_unit_test(ts_recent__of_a_handshake_after_weeks__is_valid),
        cmocka_unit_test(echo__table),
    };
    return cmocka_run_group_tests_name("timestamps", tests, NULL, NULL);
}
