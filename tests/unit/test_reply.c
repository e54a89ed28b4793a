/* test_reply.c - the slot for one datagram: how it is cut, identified, kept and freed. */
#include "reply.h"

#include "bare_engine.h"
#include "prng.h"
#include "test.h"

#define DATAGRAM_MAX 65535u
#define PAYLOAD_MAX (DATAGRAM_MAX - IP4_HEADER_LEN)

static void fill(uint8_t *data, uint32_t len, uint64_t seed)
{
    struct prng prng = prng_seed(seed);
    prng_fill(&prng, data, len);
}

/* Sends len bytes to dst and puts what comes out together again: the receiver's view, by RFC 791 alone.
 * Returns the number of packets, and the identification that all of them had. */
static uint32_t send_and_collect(struct rill_engine *e, uint32_t dst, uint32_t len, uint16_t *id)
{
    static uint8_t want[PAYLOAD_MAX], have[PAYLOAD_MAX];
    struct rill_packet out;
    struct ip4 ip;
    uint32_t packets = 0, pos = 0;
    fill(want, len, len);
    uint8_t *data = reply_begin(e, dst, IP4_ICMP, len);
    assert_non_null(data);
    memcpy(data, want, len);
    while (reply_output(e, &out)) {
        assert_int_equal(ip4_parse(&out, &ip), IP4_OK);
        assert_int_equal(ip.total_len, packet_len(&out));
        assert_true(ip.total_len <= e->config.mtu);
        assert_int_equal(ip.src, OUR_ADDR);
        assert_int_equal(ip.dst, dst);
        assert_int_equal(ip.proto, IP4_ICMP);
        assert_int_equal(ip.ttl, 64);
        assert_int_equal(ip.frag_off, pos);
        uint32_t part = (uint32_t)ip.total_len - ip.header_len;
        assert_true(part > 0 && pos + part <= len);
        packet_read(&out, ip.header_len, have + pos, part);
        pos += part;
        assert_int_equal(ip.more, pos < len);
        if (ip.more)
            assert_int_equal(part % 8, 0);
        if (packets > 0)
            assert_int_equal(ip.id, *id);
        *id = ip.id;
        assert_int_equal(ip.df, packets == 0 && !ip.more); /* RFC 6864 4.1 */
        packets++;
    }
    assert_int_equal(pos, len);
    assert_memory_equal(have, want, len);
    reply_collect(e);
    return packets;
}

static void reply__any_length_and_mtu__comes_together_again(void **state)
{
    (void)state;
    static const uint32_t mtus[] = {68, 69, 75, 76, 576, 1499, 1500, 9000, 65535};
    for (size_t m = 0; m < COUNT_OF(mtus); m++) {
        struct bare b;
        const uint32_t room = mtus[m] - IP4_HEADER_LEN, cut = room / 8 * 8;
        const uint32_t lens[] = {1,         8,          room - 1, room, room + 1, cut + room, cut + room + 1,
                                 65507 + 8, PAYLOAD_MAX};
        bare_init(&b, mtus[m]);
        for (size_t i = 0; i < COUNT_OF(lens); i++) {
            if (lens[i] > PAYLOAD_MAX)
                continue;
            uint64_t before = b.e.counter[RILL_FRAGMENT_OUT];
            uint16_t id = 1;
            uint32_t packets = send_and_collect(&b.e, PEER_ADDR, lens[i], &id);
            /* As few as possible: all but the last hold `cut` bytes, the last up to `room`. */
            uint32_t least = lens[i] <= room ? 1 : 1 + (lens[i] - room + cut - 1) / cut;
            assert_int_equal(packets, least);
            assert_int_equal(b.e.counter[RILL_FRAGMENT_OUT] - before, packets > 1 ? packets : 0);
            if (packets == 1)
                assert_int_equal(id, 0);
        }
        bare_end(&b);
    }
}

/* RFC 6864 4.3, 4.2: no identification comes again before all others have been used. */
static void fragment_id__all_65536_to_one_host__differ(void **state)
{
    (void)state;
    static bool seen[65536];
    struct bare b;
    bare_init(&b, 68);
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < 65536; i++) {
        uint16_t id = 0;
        assert_int_equal(send_and_collect(&b.e, PEER_ADDR, 49, &id), 2);
        assert_false(seen[id]);
        seen[id] = true;
    }
    bare_end(&b);
}

/* CVE-2020-36516: who sees the identifications that he is sent must not be able to count what others are
 * sent. */
static void fragment_id__differences__tell_no_count(void **state)
{
    (void)state;
    static bool seen[65536];
    struct bare b, other;
    uint16_t id = 0, last = 0, of_other = 0;
    int different = 0, alike = 0;
    bare_init(&b, 68);
    bare_init(&other, 68);
    other.e.id_key.k1++;
    memset(seen, 0, sizeof seen);
    (void)send_and_collect(&b.e, PEER_ADDR, 49, &last);
    for (int i = 0; i < 1000; i++) {
        (void)send_and_collect(&b.e, PEER_ADDR, 49, &id);
        (void)send_and_collect(&other.e, PEER_ADDR, 49, &of_other);
        uint16_t difference = (uint16_t)(id - last);
        different += !seen[difference];
        seen[difference] = true;
        alike += id == of_other;
        last = id;
    }
    assert_true(different > 900); /* of 1000 random ones about 992 differ */
    assert_true(alike < 5);       /* and another key means other numbers */
    bare_end(&b);
    bare_end(&other);
}

static void reply__while_one_waits__a_second_is_refused(void **state)
{
    (void)state;
    struct bare b;
    struct rill_packet out;
    bare_init(&b, 68);
    assert_false(reply_output(&b.e, &out));
    assert_non_null(reply_begin(&b.e, PEER_ADDR, IP4_ICMP, 60));
    assert_true(b.e.drain);
    assert_null(reply_begin(&b.e, PEER_ADDR, IP4_ICMP, 8));
    assert_int_equal(b.e.counter[RILL_DROP_BUSY], 1);
    assert_true(reply_output(&b.e, &out));
    assert_null(reply_begin(&b.e, PEER_ADDR, IP4_ICMP, 8)); /* half of it has left */
    assert_true(reply_output(&b.e, &out));
    assert_false(reply_output(&b.e, &out));
    assert_non_null(reply_begin(&b.e, PEER_ADDR, IP4_ICMP, 8));
    assert_int_equal(b.e.counter[RILL_DROP_BUSY], 2);
    bare_end(&b);
}

static void reply__after_it_has_left__keeps_the_packet_until_the_next_call(void **state)
{
    (void)state;
    struct bare b;
    struct rill_packet out;
    bare_init(&b, 1500);
    uint8_t *data = reply_begin(&b.e, PEER_ADDR, IP4_ICMP, 100);
    assert_non_null(data);
    memset(data, 0x5a, 100);
    size_t blocks = b.heap.live_blocks;
    reply_collect(&b.e); /* it has not left */
    assert_int_equal(b.heap.live_blocks, blocks);
    assert_true(reply_output(&b.e, &out));
    assert_int_equal(b.heap.live_blocks, blocks);
    assert_int_equal(out.head.data[IP4_HEADER_LEN + 99], 0x5a);
    reply_collect(&b.e);
    assert_int_equal(b.heap.live_blocks, blocks - 1);
    bare_end(&b);
}

static void reply__no_memory__is_refused_and_counted(void **state)
{
    (void)state;
    struct bare b;
    struct rill_packet out;
    bare_init(&b, 1500);
    b.heap.fail_all = true;
    assert_null(reply_begin(&b.e, PEER_ADDR, IP4_ICMP, 8));
    assert_int_equal(b.e.counter[RILL_DROP_MEMORY], 1);
    assert_false(b.e.drain);
    assert_false(reply_output(&b.e, &out));
    bare_end(&b);
}

static void reply_tcp__rst__is_a_whole_segment(void **state)
{
    (void)state;
    struct bare b;
    struct rill_packet out;
    struct ip4 ip;
    struct tcp_segment seg;
    struct tcp_build build = {.laddr = OUR_ADDR,
                              .raddr = PEER_ADDR,
                              .seq32 = 0x01020304,
                              .ack32 = 0x05060708,
                              .lport = 80,
                              .rport = 4000,
                              .flags = RILL_RST | RILL_ACK,
                              .ttl = 3,
                              .tos = 0x10};
    bare_init(&b, 68);
    reply_tcp(&b.e, &build, RILL_WHY_RST_CLOSED);
    assert_true(reply_output(&b.e, &out));
    assert_int_equal(ip4_parse(&out, &ip), IP4_OK);
    assert_int_equal(out.csum, RILL_CSUM_VERIFY);
    assert_int_equal(tcp_parse(&out, &ip, &seg), TCP_OK); /* checksum, and head holds the header whole */
    assert_int_equal(ip.ttl, 3);
    assert_int_equal(ip.tos, 0x10);
    assert_int_equal(seg.laddr, PEER_ADDR); /* as the peer sees it */
    assert_int_equal(seg.raddr, OUR_ADDR);
    assert_int_equal(seg.lport, 4000);
    assert_int_equal(seg.rport, 80);
    assert_int_equal(seg.seq32, 0x01020304);
    assert_int_equal(seg.ack32, 0x05060708);
    assert_int_equal(seg.flags, RILL_RST | RILL_ACK);
    assert_int_equal(seg.text_len, 0);
    assert_int_equal(b.e.counter[RILL_SEG_OUT], 1);
    assert_int_equal(b.e.counter[RILL_RST_OUT], 1);
    build.flags = RILL_ACK;
    reply_collect(&b.e);
    reply_tcp(&b.e, &build, RILL_WHY_RST_CLOSED);
    assert_int_equal(b.e.counter[RILL_SEG_OUT], 2);
    assert_int_equal(b.e.counter[RILL_RST_OUT], 1);
    reply_tcp(&b.e, &build, RILL_WHY_RST_CLOSED); /* refused: not counted as sent */
    assert_int_equal(b.e.counter[RILL_SEG_OUT], 2);
    assert_int_equal(b.e.counter[RILL_DROP_BUSY], 1);
    bare_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reply__any_length_and_mtu__comes_together_again),
        cmocka_unit_test(fragment_id__all_65536_to_one_host__differ),
        cmocka_unit_test(fragment_id__differences__tell_no_count),
        cmocka_unit_test(reply__while_one_waits__a_second_is_refused),
        cmocka_unit_test(reply__after_it_has_left__keeps_the_packet_until_the_next_call),
        cmocka_unit_test(reply__no_memory__is_refused_and_counted),
        cmocka_unit_test(reply_tcp__rst__is_a_whole_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
