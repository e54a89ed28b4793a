/* test_options.c - TCP options on the wire, the MSS above all.  RFC 9293 3.1, 3.2, 3.7.1; RFC 7323 2.2. */
#include "flow.h"
#include "rig.h"

static uint32_t min_of(uint32_t a, uint32_t b) { return a < b ? a : b; }
static uint32_t max_of(uint32_t a, uint32_t b) { return a > b ? a : b; }

static const uint32_t mtus[] = {68, 88, 89, 296, 552, 576, 1006, 1280, 1500, 9000, 65535};

/* ---- Ours ---------------------------------------------------------------------------------------------- */

/* MUST-14, MUST-67: "less than or equal to MMS_R - 20"; "should be equal to the effective MTU minus the fixed
 * IP and TCP headers".  SHLD-5: in every SYN, sent again included. */
static void mss__in_our_syn__is_mtu_minus_40(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(mtus); i++) {
        const struct rig_setup setup = {.mtu = mtus[i]};
        struct rig *t = rig_closed(&setup);
        assert_int_equal(app_connect(t, 0), 0);
        out(t, "S 0:0(0) win 65535 <mss %u,nop,wscale 0>", mtus[i] - 40);
        out_after(t, 1 * SEC, "S 0:0(0) win 65535 <mss %u,nop,wscale 0>", mtus[i] - 40);
        rig_end(t);
        t = rig_listen(&setup);
        in(t, "S 0:0(0)"); /* though the peer has none */
        out(t, "S. 0:0(0) ack 1 win 65535 <mss %u>", mtus[i] - 40);
        out_after(t, 1 * SEC, "S. 0:0(0) ack 1 win 65535 <mss %u>", mtus[i] - 40);
        rig_end(t);
    }
}

static void maxseg_500(struct rill_config *config, struct tcp_opts *opts)
{
    (void)config;
    opts->maxseg = 500;
}

static void maxseg_9000(struct rill_config *config, struct tcp_opts *opts)
{
    (void)config;
    opts->maxseg = 9000;
}

/* TCP_MAXSEG makes both directions' segments smaller, never larger. */
static void mss__with_maxseg__is_capped_in_both_directions(void **state)
{
    struct rig *t = rig_listen(&(struct rig_setup){.edit = maxseg_500});
    (void)state;
    in(t, "S 0:0(0) <mss 1460>");
    out(t, "S. 0:0(0) ack 1 <mss 500>");
    in(t, ". 1:1(0) ack 1");
    app_accept(t, 0);
    app_write(t, 1000);
    flow_out(t, 1, 1000, 500, true, 1);
    rig_end(t);
    t = rig_listen(&(struct rig_setup){.edit = maxseg_500});
    in(t, "S 0:0(0) <mss 300>");
    out(t, "S. 0:0(0) ack 1 <mss 500>");
    in(t, ". 1:1(0) ack 1");
    app_accept(t, 0);
    app_write(t, 600);
    flow_out(t, 1, 600, 300, true, 1);
    rig_end(t);
    t = rig_closed(&(struct rig_setup){.edit = maxseg_9000});
    assert_int_equal(app_connect(t, 0), 0);
    out(t, "S 0:0(0) <mss 1460,nop,wscale 0>");
    rig_end(t);
}

/* RFC 7323 2.2: "MUST NOT send a Window Scale option in a SYN,ACK unless it was in the SYN"; and nothing that
 * was not asked for either. */
static void options__of_our_syn_ack__are_those_that_the_syn_had(void **state)
{
    const char *const syn[] = {"",
                               "<mss 1460>",
                               "<wscale 3>",
                               "<mss 1460,nop,wscale 3>",
                               "<mss 1460,sackOK,TS val 7 ecr 0,nop,wscale 3>",
                               "<sackOK,TS val 7 ecr 0>"};
    const bool scaled[] = {false, false, true, true, true, false};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(syn); i++) {
        struct rig *t = rig_listen(NULL);
        in(t, "S 0:0(0) %s", syn[i]);
        out(t, "S. 0:0(0) ack 1 %s", scaled[i] ? "<mss 1460,nop,wscale 0>" : "<mss 1460>");
        rig_end(t);
    }
}

/* MUST-65: the MSS option is sent in SYNs only; here no option is sent in anything else. */
static void options__in_segments_without_syn__are_none(void **state)
{
    struct rig *t = rig_connected(NULL);
    (void)state;
    app_write(t, 5000);
    flow_out(t, 1, 5000, 1460, true, 1); /* which says that there are none */
    in(t, ". 101:201(100) ack 5001");
    out(t, ". 5001:5001(0) ack 1");
    in(t, "S 1:1(0) <mss 1460>");
    out(t, ". 5001:5001(0) ack 1");
    app_shut(t);
    out(t, "F. 5001:5001(0) ack 1");
    in(t, "@1 . 1:1(0) ack 1");
    out(t, "@1 R 1:1(0)");
    app_abort(t);
    out(t, "R. 5002:5002(0) ack 1");
    rig_end(t);
}

/* ---- The peer's ---------------------------------------------------------------------------------------- */

/* MUST-15: "MUST assume a default send MSS of 536". */
static void mss__not_in_the_peers_syn__is_536(void **state)
{
    (void)state;
    for (int active = 0; active < 2; active++) {
        const struct rig_setup setup = {.peer_opts = ""};
        struct rig *t = active ? rig_connected(&setup) : rig_established(&setup);
        app_write(t, 1608);
        flow_out(t, 1, 1608, 536, true, 1);
        rig_end(t);
    }
}

/* MUST-16: "the smaller of the send MSS and the largest transmission size permitted by the IP layer".  P7,
 * P8: a peer may claim anything; there is a floor (CVE-2019-11479), so that no KiB takes more than 22
 * packets. */
static void mss__of_any_peer_over_any_mtu__bounds_each_segment(void **state)
{
    const uint32_t claims[] = {0, 1, 8, 47, 48, 49, 88, 536, 1459, 1460, 1461, 8960, 65495, 65535};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(mtus); i++) {
        for (size_t k = 0; k < COUNT_OF(claims); k++) {
            const uint32_t mss = min_of(max_of(claims[k], 48), mtus[i] - 40), len = 4 * mss + mss / 2;
            char opts[32];
            const struct rig_setup setup = {.mtu = mtus[i], .peer_opts = opts, .sndbuf_bytes = 1 << 20};
            struct rig *t;
            int64_t una = 1;
            snprintf(opts, sizeof opts, "<mss %u,nop,wscale 7>", claims[k]);
            t = k % 2 == 0 ? rig_established(&setup) : rig_connected(&setup);
            app_write(t, len);
            while (una < 1 + (int64_t)len) {
                const struct datagram *d = take(t);
                assert_int_equal(flow_seq(t, d), una);
                assert_int_equal(d->text_len, min_of(mss, (uint32_t)(1 + len - una)));
                assert_true(40 + d->text_len <= mtus[i]);
                una += d->text_len;
                if (t->queued == 0)
                    in(t, ". 1:1(0) ack %lld", (long long)una);
            }
            rig_end(t);
        }
    }
}

/* And what is sent again is no longer. */
static void mss__of_retransmissions__is_the_same(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.mtu = 576, .peer_opts = "<mss 100>"});
    (void)state;
    app_write(t, 250);
    flow_out(t, 1, 250, 100, true, 1);
    out_after(t, 200 * MS, ". 1:101(100) ack 1"); /* not joined with the rest of what was written */
    in(t, ". 1:1(0) ack 101");
    out(t, ". 101:201(100) ack 1");
    out(t, "P. 201:251(50) ack 1");
    rig_end(t);
}

/* RFC 9293 3.7.1: at connection setup.  On other segments MSS and window scale mean nothing (RFC 7323 2.2:
 * "this option ... MUST be ignored in segments without SYN"). */
static void options__of_a_syn_on_other_segments__are_ignored(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.peer_opts = "<mss 1460>"});
    (void)state;
    in(t, ". 1:1(0) ack 1 win 3000 <mss 100,nop,wscale 14>");
    app_write(t, 10000);
    flow_out(t, 1, 2920, 1460, false, 1);
    out_none(t);
    in(t, ". 1:1(0) ack 2921 win 3000 <wscale 14,nop>");
    flow_out(t, 2921, 2920, 1460, false, 1);
    out_none(t);
    rig_end(t);
}

/* MUST-5: "a TCP endpoint MUST be able to receive a TCP option in any segment"; MUST-6: "MUST ignore without
 * error any TCP option it does not implement".  Timestamps that were not agreed upon are ignored, and the
 * segment is not (RFC 7323 3.2). */
static void options__unknown_ones__are_ignored_on_any_segment(void **state)
{
    const char *const opts[] = {
        "<hex fd0a000102030405060708,nop>",
        "<hex fe02>",
        "<TS val 1 ecr 2>",
        "<sackOK>",
        "<nop,nop,hex 050a0000000100000002>",
        "<nop,nop,nop,nop>",
        "<eol>",
        "<eol,hex ffffff>",
        "<hex 1312000102030405060708090a0b0c0d0e0f,nop,nop>",
        "<hex ff28000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223242526>",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(opts); i++) {
        struct rig *t = rig_listen(NULL);
        in(t, "S 0:0(0) %s", opts[i]);
        out(t, "S. 0:0(0) ack 1 <mss 1460>");
        in(t, ". 1:1(0) ack 1 %s", opts[i]);
        app_accept(t, 0);
        in(t, "P. 1:101(100) ack 1 %s", opts[i]);
        app_read(t, 100);
        app_write(t, 100);
        out(t, "P. 1:101(100) ack 101");
        in(t, "F. 101:101(0) ack 101 %s", opts[i]);
        out(t, ". 101:101(0) ack 102");
        app_shut(t);
        out(t, "F. 101:101(0) ack 102");
        in(t, ". 102:102(0) ack 102 %s", opts[i]);
        expect_state(t, RILL_LISTEN);
        in(t, "@1 S 0:0(0)");
        out(t, "@1 S. 0:0(0) ack 1 <*>");
        in(t, "@1 R 1:1(0) %s", opts[i]);
        expect_peer_state(t, 1, RILL_LISTEN);
        rig_end(t);
    }
}

/* MUST-7: "prepared to handle an illegal option length (e.g., zero)": here what was before it counts, the
 * rest of the options does not, and the segment does. */
static void options__of_illegal_length__end_the_options_only(void **state)
{
    const struct {
        const char *opts;
        uint32_t mss;
    } cases[] = {
        {"<mss 1000,hex 0300,nop,nop>", 1000}, /* window scale of length 0 */
        {"<mss 1000,hex 0301,nop,nop>", 1000}, {"<mss 1000,hex 0829ffff>", 1000}, /* beyond the header */
        {"<nop,nop,nop,hex 02>", 536},  /* a kind and nothing else */
        {"<hex 0203,hex ff,nop>", 536}, /* the right kind, the wrong size: ignored */
        {"<hex 0206ffffffff,nop,nop>", 536},   {"<hex 0300,mss 1000,nop,nop>", 536}, /* behind the bad one */
        {"<hex 0502,mss 1000,nop,nop>", 1000}, /* an empty SACK is a good length */
        {"<mss 1000,mss 300>", 1000},          /* of two the first */
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct rig *t = rig_listen(NULL);
        in(t, "S 0:0(0) %s", cases[i].opts);
        out(t, "S. 0:0(0) ack 1 <mss 1460>");
        in(t, ". 1:1(0) ack 1");
        app_accept(t, 0);
        app_write(t, 2000);
        flow_out(t, 1, cases[i].mss, cases[i].mss, false, 1);
        flow_swallow(t);
        rig_end(t);
    }
}

/* MUST-64: options begin at any byte. */
static void options__at_any_alignment__are_read(void **state)
{
    const char *const opts[] = {
        "<mss 1000,wscale 2,nop>",
        "<nop,mss 1000,wscale 2>",
        "<nop,nop,mss 1000,wscale 2,eol>",
        "<nop,nop,nop,mss 1000,wscale 2,nop,nop>",
        "<wscale 2,mss 1000,nop>",
        "<wscale 2,nop,nop,mss 1000,eol,eol,eol>",
        "<TS val 1 ecr 0,wscale 2,mss 1000,nop,nop,nop>",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(opts); i++) {
        struct rig *t = rig_established(&(struct rig_setup){.peer_opts = opts[i], .peer_win = 1000});
        app_write(t, 10000);
        flow_out(t, 1, 4000, 1000, false, 1); /* 1000 << 2 bytes of window */
        out_none(t);
        rig_end(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mss__in_our_syn__is_mtu_minus_40),
        cmocka_unit_test(mss__with_maxseg__is_capped_in_both_directions),
        cmocka_unit_test(options__of_our_syn_ack__are_those_that_the_syn_had),
        cmocka_unit_test(options__in_segments_without_syn__are_none),
        cmocka_unit_test(mss__not_in_the_peers_syn__is_536),
        cmocka_unit_test(mss__of_any_peer_over_any_mtu__bounds_each_segment),
        cmocka_unit_test(mss__of_retransmissions__is_the_same),
        cmocka_unit_test(options__of_a_syn_on_other_segments__are_ignored),
        cmocka_unit_test(options__unknown_ones__are_ignored_on_any_segment),
        cmocka_unit_test(options__of_illegal_length__end_the_options_only),
        cmocka_unit_test(options__at_any_alignment__are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
