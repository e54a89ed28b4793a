/* test_paws.c - protection against wrapped sequence numbers.  RFC 7323 5. */
#include "script.h"

#include "tcp_ts.h"

#define TS(val, ecr) "<nop,nop,TS val " #val " ecr " #ecr ">"

static void with_ts(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->features |= 1u << RILL_FEATURE_TIMESTAMPS;
}

static const struct rig_setup setup_ts = {
    .edit = with_ts, .peer_opts = "<mss 1460,nop,nop,TS val 1000 ecr 0>", .seg_opts = TS(1000, 0)};

/* 5.2: "comparing 32-bit values in circular order": s < t if 0 < t - s < 2^31. */
static void order__table_around_the_wrap(void **state)
{
    static const struct {
        uint32_t a, b;
        bool before;
    } table[] = {
        {0, 0, false},
        {0, 1, true},
        {1, 0, false},
        {0xffffffff, 0, true},
        {0, 0xffffffff, false},
        {0, 0x7fffffff, true},
        {0, 0x80000000, false},
        {0x80000000, 0, false},
        {0, 0x80000001, false},
        {0x80000001, 0, true},
        {0x7fffffff, 0x80000000, true},
        {0x80000000, 0x7fffffff, false},
        {0xfffffff0, 0x7fffffef, true},
        {0xfffffff0, 0x7ffffff0, false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++)
        assert_int_equal(tcp_ts_before(table[i].a, table[i].b), table[i].before);
}

/* R1 on a connection whose TS.Recent is `recent`: a segment in the window with `val`. */
static void data__by_timestamp__is_taken_or_acknowledged_and_dropped(void **state)
{
    static const struct {
        uint32_t recent, val;
        bool taken;
    } table[] = {
        {1000, 1000, true},
        {1000, 999, false},
        {1000, 1001, true},
        {1000, 0, false},
        {1000, 0x800003e7, true},
        {1000, 0x800003e9, false},
        {1000, 0x800003e8, true}, /* 2^31 apart: not less */
        {0xffffffff, 0, true},
        {0, 0xffffffff, false},
        {0xfffffff0, 0x7fffffe0, true},
        {0x7fffffff, 0x80000000, true},
        {0x80000000, 0x7fffffff, false},
        {0, 0, true},
        {0, 1, true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        char opts[64], seg[64];
        struct rig_setup setup = {.edit = with_ts, .peer_opts = opts, .seg_opts = seg};
        struct rig *t;
        snprintf(opts, sizeof opts, "<mss 1460,nop,nop,TS val %u ecr 0>", table[i].recent);
        snprintf(seg, sizeof seg, "<nop,nop,TS val %u ecr 0>", table[i].recent);
        t = rig_established(&setup);
        in(t, "P. 1:101(100) ack 1 <nop,nop,TS val %u ecr 0>", table[i].val);
        expect_readable(t, table[i].taken ? 100 : 0);
        expect_counted(t, RILL_DROP_PAWS, !table[i].taken);
        if (!table[i].taken) {
            out(t, ". 1:1(0) ack 1 <nop,nop,TS val 0 ecr %u>", table[i].recent);
            assert_int_equal(t->said.why, RILL_WHY_ACK_OLD);
        }
        out_none(t);
        assert_int_equal(t->peer[0].c->ts_recent, table[i].taken ? table[i].val : table[i].recent);
        rig_end(t);
    }
}

static void old_timestamp__nothing_of_the_segment_counts(void **state)
{
    struct rig *t = rig_established(&setup_ts);
    (void)state;
    app_write(t, 10);
    out(t, "P. 1:11(10) ack 1 " TS(0, 1000));
    in(t, "FU. 1:11(10) ack 11 win 5 urg 3 " TS(999, 0));
    out(t, ". 11:11(0) ack 1 " TS(0, 1000));
    expect_state(t, RILL_ESTABLISHED);
    assert_int_equal(tcp_flight(t->peer[0].c), 10);
    assert_int_equal(t->peer[0].c->snd.wnd, 65535);
    assert_int_equal(t->peer[0].c->rcv.up, 0);
    rig_end(t);
}

/* "Before the check of the sequence number": one outside the window is counted as an old timestamp. */
static void old_timestamp__outside_the_window__is_paws(void **state)
{
    struct rig *t = rig_established(&setup_ts);
    (void)state;
    in(t, ". 100000:100010(10) ack 1 " TS(999, 0));
    out(t, ". 1:1(0) ack 1 " TS(0, 1000));
    expect_counted(t, RILL_DROP_PAWS, 1);
    expect_counted(t, RILL_DROP_WINDOW, 0);
    rig_end(t);
}

/* Two ends that take each other's bare ACKs for old must not answer them for ever. */
static void old_bare_acks__are_answered_no_more_than_challenges(void **state)
{
    struct rig *t = rig_established(&setup_ts);
    (void)state;
    in(t, ". 1:1(0) ack 1 " TS(500, 0));
    out(t, ". 1:1(0) ack 1 " TS(0, 1000));
    for (int i = 0; i < 10; i++) {
        in(t, ". 1:1(0) ack 1 " TS(500, 0));
        out_none(t);
    }
    expect_counted(t, RILL_DROP_PAWS, 11);
    rig_end(t);
}

/* DEVIATES, in tcp_input.c: what is younger than a timeout was only overtaken. */
static void bare_ack__overtaken_on_the_way__counts(void **state)
{
    struct rig *t = rig_established(&setup_ts);
    (void)state;
    in(t, ". 1:1(0) ack 1 win 1000 " TS(999, 0));
    out_none(t);
    expect_counted(t, RILL_DROP_PAWS, 0);
    in(t, ". 1:11(10) ack 1 " TS(999, 0)); /* text is not excused */
    out(t, ". 1:1(0) ack 1 " TS(0, 1000));
    expect_counted(t, RILL_DROP_PAWS, 1);
    rig_end(t);
}

/* 5.2: "RST segments MUST NOT be subjected to the PAWS check". */
static void rst__old_timestamp_or_none__resets(void **state)
{
    static const char *const opts[] = {TS(1, 0), ""};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(opts); i++) {
        struct rig *t = rig_established(&setup_ts);
        in(t, "R 1:1(0) %s", opts[i]);
        expect_state(t, RILL_LISTEN);
        expect_error(t, ECONNRESET);
        rig_end(t);
    }
}

/* RFC 5961 4.2: whatever its number, and whatever it carries, lest a peer that has forgotten never learn. */
static void syn__old_timestamp_or_none__is_challenged(void **state)
{
    static const char *const opts[] = {"<mss 1460,nop,nop,TS val 1 ecr 0>", "<mss 1460>"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(opts); i++) {
        struct rig *t = rig_established(&setup_ts);
        in(t, "S 70000:70000(0) %s", opts[i]);
        out(t, ". 1:1(0) ack 1 " TS(0, 1000));
        expect_counted(t, RILL_DROP_SYN, 1);
        assert_int_equal(t->peer[0].c->ts_recent, 1000);
        rig_end(t);
    }
}

/* 3.2: SHOULD be dropped silently, MUST NOT abort. */
static void no_timestamp__after_the_handshake__is_dropped_silently(void **state)
{
    static const char *const seg[] = {"P. 1:11(10) ack 1", ". 1:1(0) ack 1", "F. 1:1(0) ack 1",
                                      ". 90000:90000(0) ack 1", ". 1:1(0) ack 999"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(seg); i++) {
        struct rig *t = rig_established(&setup_ts);
        in(t, "%s", seg[i]);
        out_none(t);
        expect_state(t, RILL_ESTABLISHED);
        expect_counted(t, RILL_DROP_PAWS, 1);
        rig_end(t);
    }
}

/* 5.5: TS.Recent is invalid after more than 24 days. */
static void idle__more_than_24_days__any_timestamp_is_taken(void **state)
{
    static const struct {
        uint64_t idle_s;
        bool taken;
    } table[] = {{24 * 86400 - 1, false}, {24 * 86400, false}, {24 * 86400 + 1, true}, {50 * 86400, true}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct rig *t = rig_established(&setup_ts);
        advance(t, table[i].idle_s * SEC);
        in(t, "P. 1:101(100) ack 1 " TS(5, 0));
        expect_readable(t, table[i].taken ? 100 : 0);
        if (!table[i].taken)
            out(t, ". 1:1(0) ack 1 <nop,nop,TS val * ecr 1000>");
        assert_int_equal(t->peer[0].c->ts_recent, table[i].taken ? 5 : 1000);
        rig_end(t);
    }
}

/* What PAWS is for: a duplicate from one wrap ago, whose number is the one that is expected.  The wrap is
 * done by hand: 2^32 bytes later in the stream, and 90 s later in time. */
static void duplicate_of_the_last_wrap__is_not_taken_for_new_data(void **state)
{
    static const struct rig_setup plain;
    (void)state;
    for (int ts = 0; ts < 2; ts++) {
        struct rig *t = rig_established(ts ? &setup_ts : &plain);
        struct tcb *c = t->peer[0].c;
        const uint64_t wrap = (1ull << 32) - 100;
        in(t, "P. 1:101(100) ack 1 %s", ts ? TS(1001, 0) : "");
        app_read(t, 100);
        out_after(t, t->config.delack_us, ". 1:1(0) ack 101%s", ts ? " <*>" : "");
        c->rcv.nxt += wrap;
        c->rcv.read += wrap;
        c->rcv.acked += wrap;
        c->rcv.adv += wrap;
        c->ts_recent += 90000;
        in(t, "P. 1:101(100) ack 1 %s", ts ? TS(1001, 0) : "");
        expect_readable(t, ts ? 0 : 100);
        if (ts) {
            out(t, ". 1:1(0) ack 1 <nop,nop,TS val * ecr 91001>");
            in(t, "P. 1:101(100) ack 1 " TS(91002, 0));
            expect_readable(t, 100);
        }
        rig_discard(t);
    }
}

/* ---- Records ------------------------------------------------------------------------------------------- */

static void half_open__completing_ack__needs_a_timestamp_that_is_not_old(void **state)
{
    static const struct {
        const char *opts;
        enum rill_tcp_state then;
        bool answer;
    } table[] = {{TS(1000, 0), RILL_ESTABLISHED, false},
                 {TS(1001, 0), RILL_ESTABLISHED, false},
                 {TS(999, 0), RILL_SYN_RECEIVED, true},
                 {"", RILL_SYN_RECEIVED, false}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct rig *t = rig_syn_received(&setup_ts);
        in(t, ". 1:1(0) ack 1 %s", table[i].opts);
        if (table[i].answer) /* RFC 7323 3.2: with timestamps, like every segment */
            out(t, ". 1:1(0) ack 1 " TS(0, 1000));
        out_none(t);
        expect_state(t, table[i].then);
        expect_counted(t, RILL_DROP_PAWS, table[i].then == RILL_SYN_RECEIVED);
        if (table[i].then == RILL_SYN_RECEIVED)
            app_accept_none(t); /* it is a record still, and holds no place in the queue */
        rig_end(t);
    }
}

static void half_open__rst_without_timestamp__counts(void **state)
{
    struct rig *t = rig_syn_received(&setup_ts);
    (void)state;
    in(t, "R 1:1(0)");
    expect_state(t, RILL_LISTEN);
    rig_end(t);
}

static void time_wait_record__fin_again__by_its_timestamp(void **state)
{
    struct rig *t = rig_time_wait_record(&setup_ts);
    (void)state;
    in(t, "F. 1:1(0) ack 2");
    out_none(t);
    in(t, "F. 1:1(0) ack 2 " TS(999, 0));
    out(t, ". 2:2(0) ack 2 " TS(0, 1000));
    expect_counted(t, RILL_DROP_PAWS, 2);
    advance(t, 30 * SEC);
    in(t, "F. 1:1(0) ack 2 " TS(31000, 0));
    out(t, ". 2:2(0) ack 2 " TS(30000, 31000));
    in(t, "F. 1:1(0) ack 2 " TS(30999, 0)); /* TS.Recent has moved on */
    out(t, ". 2:2(0) ack 2 " TS(30000, 31000));
    expect_counted(t, RILL_DROP_PAWS, 3);
    advance(t, 2ull * t->config.msl_us - 1); /* 2 MSL began anew with it */
    expect_state(t, RILL_TIME_WAIT);
    advance(t, 1);
    expect_state(t, RILL_LISTEN);
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order__table_around_the_wrap),
        cmocka_unit_test(data__by_timestamp__is_taken_or_acknowledged_and_dropped),
        cmocka_unit_test(old_timestamp__nothing_of_the_segment_counts),
        cmocka_unit_test(old_timestamp__outside_the_window__is_paws),
        cmocka_unit_test(old_bare_acks__are_answered_no_more_than_challenges),
        cmocka_unit_test(bare_ack__overtaken_on_the_way__counts),
        cmocka_unit_test(rst__old_timestamp_or_none__resets),
        cmocka_unit_test(syn__old_timestamp_or_none__is_challenged),
        cmocka_unit_test(no_timestamp__after_the_handshake__is_dropped_silently),
        cmocka_unit_test(idle__more_than_24_days__any_timestamp_is_taken),
        cmocka_unit_test(duplicate_of_the_last_wrap__is_not_taken_for_new_data),
        cmocka_unit_test(half_open__completing_ack__needs_a_timestamp_that_is_not_old),
        cmocka_unit_test(half_open__rst_without_timestamp__counts),
        cmocka_unit_test(time_wait_record__fin_again__by_its_timestamp),
    };
    return cmocka_run_group_tests_name("paws", tests, NULL, NULL);
}
