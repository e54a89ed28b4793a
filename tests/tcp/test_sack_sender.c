/* test_sack_sender.c - what the sender makes of SACK blocks: RFC 2018 5 and 8, RFC 2883 5, RFC 6675. */
#include "sacking.h"

static uint32_t sacked_bytes(const struct rig *t) { return t->peer[0].c->fl->sb.sacked.bytes; }

static struct rig *ten_written(void)
{
    struct rig *t = racking();
    write_segments(t, 0, 10);
    at(t, RTT);
    return t;
}

/* ---- Blocks that say nothing --------------------------------------------------------------------------- */

static void blocks__not_within_una_and_nxt__are_ignored(void **state)
{
    static const char *const block[] = {
        "-1459:1", /* below SND.UNA, and the SYN */
        "-1460:1461",
        "1:1461",  /* it would have been acknowledged */
        "1:14601", /* all of it */
        "14601:16061",
        "13141:16061",      /* beyond SND.NXT */
        "-9000000:9000000", /* both */
        "2921:1461",        /* the wrong way round */
        "1461:1461",        /* empty */
        "2000000000:2000001460",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(block); i++) {
        struct rig *t = ten_written();
        for (unsigned int n = 0; n < 4; n++)
            in(t, ". 1:1(0) ack 1 <nop,nop,sack %s>", block[i]);
        out_none(t);
        assert_int_equal(sacked_bytes(t), 0);
        expect_lost(t, 0);
        expect_counted(t, RILL_DUP_ACK_IN, 0);
        expect_counted(t, RILL_RECOVERY, 0);
        /* RFC 2018 8: "MUST retransmit the segment at the left edge ... whether or not the SACKed bit is on"
         */
        out_segment_at(t, 300 * MS, 0);
        rig_end(t);
    }
}

static void blocks__beside_one_that_is_ignored__count(void **state)
{
    struct rig *t = ten_written();
    (void)state;
    in(t, ". 1:1(0) ack 1 <nop,nop,sack 14601:16061 %u:%u 1:1461>", start_of(7), start_of(9));
    assert_int_equal(sacked_bytes(t), 2 * SMSS);
    rig_end(t);
}

static void blocks__again_and_again__are_one_duplicate(void **state)
{
    struct rig *t = ten_written();
    (void)state;
    for (unsigned int n = 0; n < 5; n++)
        sack(t, 0, 4, 5);
    expect_counted(t, RILL_DUP_ACK_IN, 1); /* RFC 6675 2: "SACK blocks that are new" */
    assert_int_equal(sacked_bytes(t), SMSS);
    out_none(t);
    rig_end(t);
}

static void blocks__with_data__count(void **state)
{
    struct rig *t = ten_written();
    (void)state;
    in(t, "P. 1:11(10) ack 1 <nop,nop,sack %u:%u>", start_of(1), start_of(4));
    out(t, ". 1:1461(1460) ack 11");
    rig_end(t);
}

/* RFC 2018 2: nobody may send them; nothing is to be made of them. */
static void blocks__not_negotiated__are_ignored(void **state)
{
    struct rig *t =
        sacking_after(&(struct rig_setup){.edit = with_rack, .peer_opts = "<mss 1460,nop,wscale 7>"}, RTT);
    (void)state;
    write_segments(t, 0, 10);
    at(t, RTT);
    sack(t, 0, 1, 9); /* updates the window, which a SYN cannot scale */
    out_none(t);
    sack(t, 0, 1, 9);
    out_none(t);
    sack(t, 0, 1, 9);
    out_none(t);
    sack(t, 0, 1, 9);
    out_segments(t, 0, 1); /* the third duplicate: RFC 5681 */
    out_none(t);
    assert_int_equal(sacked_bytes(t), 0);
    expect_counted(t, RILL_RECOVERY, 0);
    expect_counted(t, RILL_FAST_RETRANSMIT, 1);
    rig_end(t);
}

/* ---- D-SACK: RFC 2883 5 -------------------------------------------------------------------------------- */

static void dsack__table(void **state)
{
    static const struct {
        unsigned int ack, block[2], second[2];
        bool is_one;
        unsigned int sacked;
    } table[] = {
        {4, {2, 4}, {0, 0}, true, 0},  /* "less than the cumulative ACK" */
        {4, {0, 1}, {6, 8}, true, 2},  /* and the next one is no duplicate */
        {4, {6, 7}, {5, 8}, true, 3},  /* "contained in the second" */
        {4, {5, 8}, {5, 8}, true, 3},  /* as a whole */
        {4, {6, 7}, {0, 0}, false, 1}, /* no second one */
        {4, {5, 8}, {6, 7}, false, 3}, /* the other way round */
        {4, {7, 9}, {5, 8}, false, 4}, /* only a part */
        {4, {6, 7}, {2, 4}, false, 1}, /* it is the first that counts */
        {4, {3, 5}, {0, 0}, false, 0}, /* straddles the ACK */
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct rig *t = ten_written();
        if (table[i].second[1] != 0)
            sack2(t, table[i].ack, table[i].block[0], table[i].block[1], table[i].second[0],
                  table[i].second[1]);
        else
            sack(t, table[i].ack, table[i].block[0], table[i].block[1]);
        expect_counted(t, RILL_DSACK_IN, table[i].is_one);
        assert_int_equal(sacked_bytes(t), table[i].sacked * SMSS);
        rig_discard(t);
    }
}

/* "with the ACK field of the same packet, never with SND.UNA": ACKs that pass each other. */
static void dsack__an_ack_that_comes_late__is_none(void **state)
{
    struct rig *t = ten_written();
    (void)state;
    ack(t, 6);
    sack(t, 1, 2, 4); /* left before it */
    sack(t, 0, 1, 6);
    sack2(t, 2, 5, 6, 3, 4);
    expect_counted(t, RILL_DSACK_IN, 0);
    assert_int_equal(sacked_bytes(t), 0);
    out_none(t);
    sack(t, 3, 2, 3); /* this one was a duplicate when it was acknowledged */
    expect_counted(t, RILL_DSACK_IN, 1);
    rig_end(t);
}

static void late_ack__its_blocks_above_una__count(void **state)
{
    struct rig *t = ten_written();
    (void)state;
    ack(t, 2);
    sack(t, 1, 3, 6);
    assert_int_equal(sacked_bytes(t), 3 * SMSS);
    out_segments(t, 2, 1);
    rig_end(t);
}

static void dsack__of_the_syn__is_no_data(void **state)
{
    struct rig *t = ten_written();
    (void)state;
    in(t, ". 1:1(0) ack 1 <nop,nop,sack 0:1>");
    expect_counted(t, RILL_DSACK_IN, 0);
    rig_end(t);
}

/* ---- What is resent ------------------------------------------------------------------------------------ */

/* All the 1023 ways to lose some of ten: what was lost leaves once more, nothing else does, and no timeout is
 * needed. */
static void losses__any_of_ten__each_is_resent_once(void **state)
{
    (void)state;
    for (uint32_t lost = 1; lost < 1024; lost++) {
        struct rig *t = probing();
        struct path path = {.n = 0};
        unsigned int n = 0;
        app_write(t, 10 * SMSS);
        path_takes(t, &path, lost);
        path_runs(t, &path, 3 * SEC);
        for (uint32_t bits = lost; bits != 0; bits >>= 1)
            n += bits & 1;
        if (tcp_flight(t->peer[0].c) != 0)
            rig_fail(t, "losses %03x: %u bytes are out", lost, tcp_flight(t->peer[0].c));
        expect_counted(t, RILL_SEG_RESENT, n);
        expect_counted(t, RILL_RTO_FIRED, 0);
        rig_end(t);
    }
}

static void fin__sacked_and_acknowledged__the_hole_is_resent(void **state)
{
    struct rig *t = racking();
    (void)state;
    write_segments(t, 0, 5);
    app_shut(t);
    out(t, "F. %u:%u(0) ack 1", start_of(5), start_of(5));
    at(t, RTT);
    in(t, ". 1:1(0) ack %u <nop,nop,sack %u:%u>", start_of(1), start_of(2), start_of(5) + 1);
    out_segments(t, 1, 1);
    expect_state(t, RILL_FIN_WAIT_1);
    in(t, ". 1:1(0) ack %u", start_of(5) + 1);
    expect_state(t, RILL_FIN_WAIT_2);
    rig_end(t);
}

static void fin__lost__is_found_by_time(void **state)
{
    struct rig *t = racking();
    (void)state;
    write_segments(t, 0, 3);
    app_shut(t);
    out(t, "F. %u:%u(0) ack 1", start_of(3), start_of(3));
    at(t, RTT);
    ack(t, 1);
    sack(t, 1, 2, 3);
    out_after(t, RTT / 4, ". %u:%u(%u) ack 1", start_of(1), start_of(2), SMSS);
    at(t, 3 * RTT); /* the copy was sent after the FIN: so that is lost, too */
    ack(t, 3);
    out(t, "F. %u:%u(0) ack 1", start_of(3), start_of(3));
    expect_counted(t, RILL_RTO_FIRED, 0);
    rig_end(t);
}

static void with_rack_and_ts(struct rill_config *config, struct tcp_opts *opts)
{
    with_rack(config, opts);
    config->features |= 1u << RILL_FEATURE_TIMESTAMPS;
}

/* RFC 791's smallest path: 68 bytes are 16 of text beside timestamps (RFC 6691). */
static void mtu_68__with_timestamps__holes_of_16_bytes_are_resent(void **state)
{
    struct rig *t = sacking_after(&(struct rig_setup){.edit = with_rack_and_ts,
                                                      .mtu = 68,
                                                      .peer_opts = "<mss 1460,sackOK,TS val 1 ecr 0>",
                                                      .seg_opts = "<nop,nop,TS val 1 ecr 0>"},
                                  RTT);
    (void)state;
    app_write(t, 160);
    for (unsigned int k = 0; k < 10; k++)
        out(t, "%s %u:%u(16) ack 1 <nop,nop,TS val 100 ecr 1>", k == 9 ? "P." : ".", 1 + 16 * k, 17 + 16 * k);
    at(t, RTT);
    in(t, ". 1:1(0) ack 17 <nop,nop,TS val 2 ecr 100,nop,nop,sack 49:65 81:97 113:161>");
    out(t, ". 17:33(16) ack 1 <nop,nop,TS val 200 ecr 2>");
    out(t, ". 33:49(16) ack 1 <nop,nop,TS val 200 ecr 2>");
    out(t, ". 65:81(16) ack 1 <nop,nop,TS val 200 ecr 2>");
    out(t, ". 97:113(16) ack 1 <nop,nop,TS val 200 ecr 2>");
    in(t, ". 1:1(0) ack 161 <nop,nop,TS val 3 ecr 200>");
    out_none(t);
    assert_int_equal(tcp_flight(t->peer[0].c), 0);
    rig_end(t);
}

/* ---- Reneging: RFC 2018 8 ------------------------------------------------------------------------------ */

/* SND.UNA stops within what was SACKed: the peer does not have it any more.  One timeout, and all of it is
 * sent again, though some of it was sent twice. */
static void reneged__una_within_what_was_sacked__all_is_resent_after_one_timeout(void **state)
{
    struct rig *t = probing();
    struct path path = {.n = 0};
    (void)state;
    write_segments(t, 0, 10);
    at(t, RTT);
    sack(t, 0, 5, 10);
    out_segments(t, 0, 5);
    at(t, RTT + 10 * MS);
    sack2(t, 0, 2, 4, 5, 10); /* copies of 2 and 3 */
    at(t, RTT + 20 * MS);
    ack(t, 3);
    expect_counted(t, RILL_SACK_RENEGED, 1);
    assert_int_equal(sacked_bytes(t), 0);
    for (unsigned int k = 0; k < 3; k++)
        path.holds[k] = true;
    path_takes(t, &path, 0x3ff);
    path_runs(t, &path, 3 * SEC);
    assert_int_equal(tcp_flight(t->peer[0].c), 0);
    expect_counted(t, RILL_RTO_FIRED, 1);
    rig_end(t);
}

/* ---- Attacks ------------------------------------------------------------------------------------------- */

/* CVE-2019-11478: every second byte.  Marks and memory are bounded, and the answer is not larger than the
 * question. */
static void blocks__of_single_bytes__cost_little(void **state)
{
    struct rig *t = ten_written();
    size_t before = t->heap.live_bytes;
    unsigned int segments = 0, pos = 3;
    (void)state;
    for (unsigned int n = 0; n < 1500; n++, pos += 8) {
        in(t, ". 1:1(0) ack 1 <nop,nop,sack %u:%u %u:%u %u:%u %u:%u>", pos, pos + 1, pos + 2, pos + 3,
           pos + 4, pos + 5, pos + 6, pos + 7);
        while (t->queued != 0) {
            (void)take(t);
            segments++;
        }
    }
    assert_true(t->peer[0].c->fl->sb.sacked.count <= RANGES_MAX);
    assert_true(t->heap.live_bytes - before <= 5 * RANGES_MAX * sizeof(struct range) + 300000);
    assert_true(segments <= 4 * 1500);
    ack(t, 10);
    out_none(t);
    assert_int_equal(tcp_flight(t->peer[0].c), 0);
    advance(t, SEC);
    write_segments(t, 10, 1);
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks__not_within_una_and_nxt__are_ignored),
        cmocka_unit_test(blocks__beside_one_that_is_ignored__count),
        cmocka_unit_test(blocks__again_and_again__are_one_duplicate),
        cmocka_unit_test(blocks__with_data__count),
        cmocka_unit_test(blocks__not_negotiated__are_ignored),
        cmocka_unit_test(dsack__table),
        cmocka_unit_test(dsack__an_ack_that_comes_late__is_none),
        cmocka_unit_test(late_ack__its_blocks_above_una__count),
        cmocka_unit_test(dsack__of_the_syn__is_no_data),
        cmocka_unit_test(losses__any_of_ten__each_is_resent_once),
        cmocka_unit_test(fin__sacked_and_acknowledged__the_hole_is_resent),
        cmocka_unit_test(fin__lost__is_found_by_time),
        cmocka_unit_test(mtu_68__with_timestamps__holes_of_16_bytes_are_resent),
        cmocka_unit_test(reneged__una_within_what_was_sacked__all_is_resent_after_one_timeout),
        cmocka_unit_test(blocks__of_single_bytes__cost_little),
    };
    return cmocka_run_group_tests_name("sack_sender", tests, NULL, NULL);
}
