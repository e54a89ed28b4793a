/* test_pmtu.c - ICMP "fragmentation needed" on connections: RFC 1191 3, 5, 6.4; RFC 5927 4.1, 7.2; RFC
 * 5681 3.1. What the parser of quotes refuses is in tests/unit/test_tcp_icmp.c. */
#include "rig.h"
#include "sending.h"

#define SMALL 960u /* what an MTU of 1000 leaves */

static unsigned int small_start(unsigned int k) { return 1 + k * SMALL; }

static void put16(uint8_t *p, unsigned int v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v & 0xffff);
}

static unsigned int checksum(const uint8_t *p, unsigned int len)
{
    uint32_t sum = 0;
    for (unsigned int i = 0; i < len; i += 2)
        sum += (uint32_t)(p[i] << 8 | p[i + 1]);
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return 0xffffu ^ sum;
}

/* A router says that our datagram of total_len, with the octet at seq in front, does not fit into mtu (RFC
 * 792, RFC 1191 4). */
static void too_big(struct rig *t, unsigned int seq, unsigned int total_len, unsigned int mtu)
{
    uint8_t p[20 + 8 + 28] = {0x45};
    uint8_t *icmp = p + 20, *quote = icmp + 8;
    struct rill_packet packet = {.head = {p, sizeof p}};
    put16(p + 2, sizeof p);
    p[8] = 64;
    p[9] = 1;
    put32(p + 12, RIG_PEER_ADDR);
    put32(p + 16, RIG_OUR_ADDR);
    put16(p + 10, checksum(p, 20));
    icmp[0] = 3;
    icmp[1] = 4;
    put16(icmp + 6, mtu);
    quote[0] = 0x45;
    put16(quote + 2, total_len);
    quote[6] = 0x40;
    quote[8] = 63;
    quote[9] = 6;
    put32(quote + 12, RIG_OUR_ADDR);
    put32(quote + 16, RIG_PEER_ADDR);
    put16(quote + 10, checksum(quote, 20));
    put16(quote + 20, t->peer[0].lport);
    put16(quote + 22, t->peer[0].rport);
    put32(quote + 24, t->peer[0].iss + seq);
    put16(icmp + 2, checksum(icmp, 8 + 28));
    out_none(t);
    (void)rill_input(t->e, &packet, t->now_us);
    rig_drain(t);
}

static void out_small(struct rig *t, unsigned int first, unsigned int n)
{
    for (unsigned int k = first; k < first + n; k++)
        out(t, ". %u:%u(%u) ack 1", small_start(k), small_start(k + 1), SMALL);
}

static void expect_mtu(struct rig *t, unsigned int mtu) { assert_int_equal(t->peer[0].c->pmtu, mtu); }

/* ---- At once: nothing of that size has ever arrived ---------------------------------------------------- */

/* RFC 1191 6.4: "should not change the congestion window. It should, however, trigger the slow-start
 * mechanism (i.e., only one segment should be retransmitted until acknowledgements begin to arrive again)".
 * RFC 5681 3.1: cwnd "SHOULD be reduced by the ratio of the old segment size to the new". */
static void too_big__of_what_is_in_flight__is_resent_in_pieces_that_fit(void **state)
{
    (void)state;
    struct rig *t = ten_in_flight(NULL);
    uint32_t ssthresh = t->peer[0].c->cc.ssthresh;
    too_big(t, start_of(0), 1500, 1000);
    out_small(t, 0, 1);
    out_none(t);
    expect_mtu(t, 1000);
    assert_int_equal(t->peer[0].c->cc.cwnd, 10 * SMALL);
    assert_int_equal(t->peer[0].c->cc.ssthresh, ssthresh);
    in(t, ". 1:1(0) ack %u", small_start(1));
    out_small(t, 1, 11); /* slow start has made it eleven */
    out_none(t);
    for (unsigned int k = 2; k <= 12; k++) { /* and what was never sent has the new size, too */
        in(t, ". 1:1(0) ack %u", small_start(k));
        if (k == 4) /* the last of what was sent before is filled up */
            out_small(t, 16, 2);
        else
            out_small(t, 8 + 2 * k, 2);
    }
    expect_counted(t, RILL_RTO_FIRED, 0);
    expect_counted(t, RILL_PMTU_LOWERED, 1);
    rig_end(t);
}

/* RFC 1191 6.4: "One MUST not retransmit in response to every Datagram Too Big message, since a burst of
 * several oversized segments will give rise to several such messages". */
static void too_big__for_each_segment_of_a_burst__is_acted_on_once(void **state)
{
    (void)state;
    struct rig *t = ten_in_flight(NULL);
    too_big(t, start_of(0), 1500, 1000);
    out_small(t, 0, 1);
    for (unsigned int k = 1; k < 10; k++) {
        too_big(t, start_of(k), 1500, 1000);
        out_none(t);
    }
    expect_counted(t, RILL_PMTU_LOWERED, 1);
    expect_counted(t, RILL_DROP_ICMP_QUOTE, 9);
    rig_end(t);
}

/* A second router further on has less still. */
static void too_big__again_with_less__is_acted_on_again(void **state)
{
    (void)state;
    struct rig *t = ten_in_flight(NULL);
    too_big(t, start_of(0), 1500, 1400);
    out(t, ". 1:1361(1360) ack 1");
    too_big(t, start_of(0), 1400, 1000);
    out_small(t, 0, 1);
    out_none(t);
    in(t, ". 1:1(0) ack %u", small_start(1));
    assert_int_equal(take(t)->text_len, SMALL);
    expect_mtu(t, 1000);
    rig_discard(t);
}

/* What left before the segment that the router names did not meet it. */
static void too_big__of_a_later_segment__leaves_the_earlier_ones_alone(void **state)
{
    (void)state;
    struct rig *t = ten_in_flight(NULL);
    too_big(t, start_of(3), 1500, 1000);
    out(t, ". %u:%u(%u) ack 1", start_of(3), start_of(3) + SMALL, SMALL);
    out_none(t);
    in(t, ". 1:1(0) ack %u", start_of(3) + SMALL);
    out(t, ". %u:%u(%u) ack 1", start_of(3) + SMALL, start_of(3) + 2 * SMALL, SMALL);
    rig_discard(t);
}

/* Nobody answers: the timer goes on from there, one segment at a time as ever. */
static void too_big__and_then_silence__is_left_to_the_timer(void **state)
{
    (void)state;
    struct rig *t = ten_in_flight(NULL);
    at(t, 100 * MS);
    too_big(t, start_of(0), 1500, 1000);
    out_small(t, 0, 1);
    out_at(t, 100 * MS + RTO, ". 1:961(960) ack 1"); /* RFC 6298 5: not earlier */
    out_at(t, 100 * MS + 3 * RTO, ". 1:961(960) ack 1");
    in(t, ". 1:1(0) ack 961");
    out_small(t, 1, 2);
    out_none(t);
    rig_end(t);
}

/* RFC 6298 3: what was sent again is not timed. */
static void too_big__resent_segment__is_no_sample(void **state)
{
    (void)state;
    struct rig *t = ten_in_flight(NULL);
    uint32_t srtt_8us = t->peer[0].c->rtt.srtt_8us;
    advance(t, 100 * MS);
    too_big(t, start_of(0), 1500, 1000);
    out_small(t, 0, 1);
    in(t, ". 1:1(0) ack 961");
    assert_int_equal(t->peer[0].c->rtt.srtt_8us, srtt_8us);
    rig_discard(t);
}

/* ---- Which MTU ----------------------------------------------------------------------------------------- */

/* RFC 1191 5 and table 7-1; the length that a router quotes may contain the header twice. */
static void too_big__from_a_router_that_names_no_mtu__takes_the_next_plateau(void **state)
{
    const struct {
        unsigned int total_len, mtu;
    } all[] = {{1499, 1492}, {1500, 1006}, {1520, 1492}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        unsigned int mss = all[i].mtu - 40;
        struct rig *t = ten_in_flight(NULL);
        too_big(t, 1, all[i].total_len, 0);
        out(t, ". 1:%u(%u) ack 1", 1 + mss, mss);
        expect_mtu(t, all[i].mtu);
        rig_end(t);
    }
}

/* RFC 1191 3: "MUST never reduce below 68", and no message raises it; our own floor is above. */
static void too_big__impossible_or_higher_claims__are_dropped(void **state)
{
    const unsigned int claims[] = {1, 67, 1500, 1501, 9000, 65535};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(claims); i++) {
        struct rig *t = ten_in_flight(NULL);
        too_big(t, 1, 1500, claims[i]);
        out_none(t);
        expect_mtu(t, 1500);
        expect_counted(t, RILL_DROP_ICMP_QUOTE, 1);
        rig_end(t);
    }
}

static void too_big__claims_below_552__are_taken_as_552(void **state)
{
    const unsigned int claims[] = {68, 296, 551, 552};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(claims); i++) {
        struct rig *t = ten_in_flight(NULL);
        too_big(t, 1, 1500, claims[i]);
        out(t, ". 1:513(512) ack 1");
        expect_mtu(t, 552);
        rig_end(t);
    }
}

/* RFC 1191 6.4: it "does not affect the value sent in the TCP MSS option", and other connections keep theirs.
 */
static void too_big__of_one_connection__says_nothing_about_the_next(void **state)
{
    (void)state;
    struct rig *t = ten_in_flight(NULL);
    too_big(t, 1, 1500, 1000);
    out_small(t, 0, 1);
    in(t, "@1 S 0:0(0) <mss 1460>");
    out(t, "@1 S. 0:0(0) ack 1 <mss 1460>");
    rig_end(t);
}

/* ---- Forged ones: RFC 5927 ----------------------------------------------------------------------------- */

/* 4.1: SND.UNA =< SEG.SEQ < SND.NXT. */
static void too_big__quoting_what_is_not_in_flight__is_dropped(void **state)
{
    (void)state;
    struct rig *t = ten_in_flight(NULL);
    ack(t, 2);
    out_segments(t, 10, 3);
    too_big(t, start_of(2) - 1, 1500, 1000);
    too_big(t, start_of(13), 1500, 1000);
    too_big(t, start_of(13) + 1000000, 1500, 1000);
    expect_mtu(t, 1500);
    expect_counted(t, RILL_DROP_ICMP_QUOTE, 3);
    rig_end(t);
}

/* 7.2: larger than anything that was sent since the last change. */
static void too_big__for_more_than_was_sent__is_dropped(void **state)
{
    (void)state;
    struct rig *t = rig_established(NULL);
    app_write(t, 600);
    out(t, "P. 1:601(600) ack 1");
    too_big(t, 1, 640, 1000);
    out_none(t);
    expect_mtu(t, 1500);
    rig_end(t);
}

/* Segments of 1500 octets have arrived; eleven are in flight. */
static struct rig *proven(void)
{
    struct rig *t = ten_in_flight(NULL);
    ack(t, 1);
    out_segments(t, 10, 2);
    mark(t);
    return t;
}

/* 7.2: "disregards ICMP messages when a connection makes progress". */
static void too_big__below_what_has_arrived__is_dropped_if_the_segment_arrives(void **state)
{
    (void)state;
    struct rig *t = proven();
    too_big(t, start_of(1), 1500, 1000);
    out_none(t);
    ack(t, 2);
    out_segments(t, 12, 2);
    out_segment_at(t, RTO, 2); /* another segment times out, for another reason */
    expect_mtu(t, 1500);
    expect_counted(t, RILL_PMTU_LOWERED, 0);
    rig_end(t);
}

/* "... and honors them only after the corresponding data have been retransmitted a specified number of
 * times": when it has timed out once. */
static void too_big__below_what_has_arrived__counts_when_the_segment_times_out(void **state)
{
    (void)state;
    struct rig *t = proven();
    too_big(t, start_of(1), 1500, 1000);
    out_none(t);
    expect_mtu(t, 1500);
    out_at(t, RTO, ". %u:%u(%u) ack 1", start_of(1), start_of(1) + SMALL, SMALL);
    out_none(t);
    expect_mtu(t, 1000);
    assert_int_equal(t->peer[0].c->cc.cwnd, SMALL); /* this was a timeout */
    in(t, ". 1:1(0) ack %u", start_of(1) + SMALL);
    out(t, ". %u:%u(%u) ack 1", start_of(1) + SMALL, start_of(1) + 2 * SMALL, SMALL);
    out(t, ". %u:%u(%u) ack 1", start_of(1) + 2 * SMALL, start_of(1) + 3 * SMALL, SMALL);
    out_none(t);
    rig_end(t);
}

static void with_ts(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->features |= 1u << RILL_FEATURE_TIMESTAMPS;
}

/* The timestamps are part of what was too big, and of what has arrived: a datagram of 1500 bytes has 1448 of
 * text.  RFC 5927 7.2. */
static void claim__below_what_has_arrived_with_timestamps__waits_and_goes_with_the_ack(void **state)
{
    static const struct rig_setup setup = {.edit = with_ts,
                                           .peer_opts = "<mss 1460,nop,nop,TS val 1000 ecr 0>",
                                           .seg_opts = "<nop,nop,TS val 1000 ecr 0>"};
    struct rig *t = rig_established(&setup);
    (void)state;
    app_write(t, 3 * 1448);
    for (unsigned int k = 0; k < 3; k++)
        out(t, "%s. %u:%u(1448) ack 1 <*>", k == 2 ? "P" : "", 1 + k * 1448, 1 + (k + 1) * 1448);
    in(t, ". 1:1(0) ack 1449 <nop,nop,TS val 1000 ecr 0>");
    too_big(t, 1449, 1500, 1490);
    expect_mtu(t, 1500);
    assert_int_equal(t->peer[0].c->fl->pending_mtu, 1490);
    in(t, ". 1:1(0) ack 2897 <nop,nop,TS val 1000 ecr 0>"); /* the very segment: the claim was wrong */
    assert_int_equal(t->peer[0].c->fl->pending_mtu, 0);
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_big__of_what_is_in_flight__is_resent_in_pieces_that_fit),
        cmocka_unit_test(too_big__for_each_segment_of_a_burst__is_acted_on_once),
        cmocka_unit_test(too_big__again_with_less__is_acted_on_again),
        cmocka_unit_test(too_big__of_a_later_segment__leaves_the_earlier_ones_alone),
        cmocka_unit_test(too_big__and_then_silence__is_left_to_the_timer),
        cmocka_unit_test(too_big__resent_segment__is_no_sample),
        cmocka_unit_test(too_big__from_a_router_that_names_no_mtu__takes_the_next_plateau),
        cmocka_unit_test(too_big__impossible_or_higher_claims__are_dropped),
        cmocka_unit_test(too_big__claims_below_552__are_taken_as_552),
        cmocka_unit_test(too_big__of_one_connection__says_nothing_about_the_next),
        cmocka_unit_test(too_big__quoting_what_is_not_in_flight__is_dropped),
        cmocka_unit_test(too_big__for_more_than_was_sent__is_dropped),
        cmocka_unit_test(too_big__below_what_has_arrived__is_dropped_if_the_segment_arrives),
        cmocka_unit_test(too_big__below_what_has_arrived__counts_when_the_segment_times_out),
        cmocka_unit_test(claim__below_what_has_arrived_with_timestamps__waits_and_goes_with_the_ack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
