/* test_tcp_hdr.c - parser and builder of the TCP header.  RFC 9293 3.1, 3.2; RFC 7323 2, 3; RFC 2018 2, 3. */
#include "test.h"

#include "prng.h"
#include "tcp_options_model.h"
#include "wire_model.h"

/* A datagram without IP options that holds a TCP header of doff words and then text, all checksums right. */
static size_t model_segment(uint8_t *data, uint32_t doff, const void *text, size_t text_len)
{
    size_t tcp_len = doff * 4 + text_len;
    model_ip(data, 5, (uint32_t)(20 + tcp_len), 0, 0x4000, 6);
    uint8_t *p = data + 20;
    memset(p, 0, doff * 4);
    model_put(p, 50000, 2);
    model_put(p + 2, 7, 2);
    model_put(p + 4, 0x01020304, 4);
    model_put(p + 8, 0xfffefdfc, 4);
    p[12] = (uint8_t)(doff * 16);
    p[13] = 0x18;
    model_put(p + 14, 0x8765, 2);
    model_put(p + 18, 0x1122, 2);
    if (text_len)
        memcpy(p + doff * 4, text, text_len);
    model_tcp_checksum(data, tcp_len);
    return 20 + tcp_len;
}

/* Both parsers, as the stack calls them, over an exact heap copy; the text slices are not valid afterwards.
 */
static enum rill_event parse(const uint8_t *data, size_t len, enum rill_csum csum, struct tcp_segment *seg)
{
    struct rill_packet packet = model_packet(data, len);
    packet.csum = csum;
    struct ip4 ip;
    memset(seg, 0xa5, sizeof(*seg));
    enum rill_event event = ip4_parse(&packet, &ip);
    if (event == IP4_OK)
        event = tcp_parse(&packet, &ip, seg);
    model_packet_free(&packet);
    return event;
}

static void parse__each_field__is_where_rfc_9293_has_it(void **state)
{
    (void)state;
    uint8_t data[100];
    struct tcp_segment seg;
    size_t len = model_segment(data, 5, "hello", 5);
    assert_int_equal(parse(data, len, RILL_CSUM_VERIFY, &seg), TCP_OK);
    assert_int_equal(seg.laddr, MODEL_ADDR);
    assert_int_equal(seg.raddr, MODEL_PEER);
    assert_int_equal(seg.rport, 50000);
    assert_int_equal(seg.lport, 7);
    assert_int_equal(seg.seq32, 0x01020304);
    assert_int_equal(seg.ack32, 0xfffefdfc);
    assert_int_equal(seg.wnd16, 0x8765);
    assert_int_equal(seg.up16, 0x1122);
    assert_int_equal(seg.flags, RILL_PSH | RILL_ACK);
    assert_int_equal(seg.text_len, 5);
    assert_int_equal(seg.ip_payload_len, 25);
    for (uint32_t flags = 0; flags < 256; flags++) { /* in the order FIN SYN RST PSH ACK URG ECE CWR */
        data[33] = (uint8_t)flags;
        model_tcp_checksum(data, 25);
        assert_int_equal(parse(data, len, RILL_CSUM_VERIFY, &seg), TCP_OK);
        assert_int_equal(seg.flags, flags);
        assert_int_equal(tcp_seg_len(&seg), 5 + (flags & 1) + (flags >> 1 & 1));
    }
    data[32] |= 0xf; /* reserved bits: to be ignored, RFC 9293 3.1 */
    model_tcp_checksum(data, 25);
    assert_int_equal(parse(data, len, RILL_CSUM_VERIFY, &seg), TCP_OK);
    assert_int_equal(seg.text_len, 5);
}

/* RFC 3168 5, figure 1: the lower two bits of what was the TOS octet. */
static void parse__ecn__is_the_ip_headers(void **state)
{
    (void)state;
    for (uint32_t tos = 0; tos < 256; tos++) {
        uint8_t data[100];
        struct tcp_segment seg;
        size_t len = model_segment(data, 5, "hello", 5);
        data[1] = (uint8_t)tos;
        model_ip_checksum(data, 20);
        assert_int_equal(parse(data, len, RILL_CSUM_VERIFY, &seg), TCP_OK);
        assert_int_equal(seg.ecn, tos % 4);
    }
}

static void parse__every_data_offset_and_length__fits_or_drops(void **state)
{
    (void)state;
    for (uint32_t doff = 0; doff < 16; doff++)
        for (uint32_t len = 0; len <= 64; len++)
            for (uint32_t beyond = 0; beyond <= 60; beyond += 15) { /* bytes that are not of the datagram */
                uint8_t data[84 + 60];
                struct tcp_segment seg;
                memset(data, 1, sizeof(data)); /* options: all NOP */
                model_ip(data, 5, 20 + len, 0, 0, 6);
                data[32] = (uint8_t)(doff * 16);
                model_tcp_checksum(data, len < 18 ? 18 : len);
                enum rill_event event = parse(data, 20 + len + beyond, RILL_CSUM_VERIFY, &seg);
                if (doff < 5 || len < 20 || doff * 4 > len)
                    assert_int_equal(event, RILL_DROP_TCP_SHORT);
                else {
                    assert_int_equal(event, TCP_OK);
                    assert_int_equal(seg.text_len, len - doff * 4);
                }
            }
}

static void parse__header_that_is_not_whole_in_the_head__drops(void **state)
{
    (void)state;
    uint8_t data[100];
    size_t len = model_segment(data, 8, "some text of odd length", 23);
    for (size_t first = 20; first <= len; first++) {
        struct ip4 ip;
        struct tcp_segment seg;
        struct rill_packet packet = model_packet_split(data, first, first + (len - first) / 2, len);
        assert_int_equal(ip4_parse(&packet, &ip), IP4_OK);
        assert_int_equal(tcp_parse(&packet, &ip, &seg), first < 52 ? RILL_DROP_TCP_SHORT : TCP_OK);
        model_packet_free(&packet);
    }
}

static void parse__text_in_up_to_three_pieces__is_pointed_to_in_place(void **state)
{
    (void)state;
    uint8_t data[100];
    const char *text = "0123456789abc";
    size_t len = model_segment(data, 6, text, 13), begin = 44;
    for (size_t first = begin; first <= len; first++)
        for (size_t second = first; second <= len; second++) {
            struct ip4 ip;
            struct tcp_segment seg;
            uint8_t joined[13];
            uint32_t n = 0;
            struct rill_packet packet = model_packet_split(data, first, second, len);
            assert_int_equal(ip4_parse(&packet, &ip), IP4_OK);
            assert_int_equal(tcp_parse(&packet, &ip, &seg), TCP_OK);
            assert_int_equal(seg.text_len, 13);
            for (int i = 0; i < 3; i++) {
                assert_true(n + seg.text[i].len <= 13);
                if (seg.text[i].len)
                    memcpy(joined + n, seg.text[i].data, seg.text[i].len);
                n += seg.text[i].len;
            }
            assert_int_equal(n, 13);
            assert_memory_equal(joined, text, 13);
            if (second > first)
                assert_ptr_equal(seg.text[1].data, packet.body[0].data);
            model_packet_free(&packet);
        }
}

static void parse__bytes_beyond_the_total_length__are_not_text(void **state)
{
    (void)state;
    uint8_t data[100];
    struct tcp_segment seg;
    size_t len = model_segment(data, 5, "hi", 2);
    memset(data + len, 0x5a, sizeof(data) - len);
    assert_int_equal(parse(data, sizeof(data), RILL_CSUM_VERIFY, &seg), TCP_OK);
    assert_int_equal(seg.text_len, 2);
    assert_int_equal(seg.ip_payload_len, 22);
}

static void checksum__any_bit_of_the_datagram_flipped__drops(void **state)
{
    (void)state;
    for (size_t text_len = 0; text_len < 20; text_len += 7) {
        uint8_t data[100];
        struct tcp_segment seg;
        size_t len = model_segment(data, 7, "a text that is long", text_len);
        assert_int_equal(parse(data, len, RILL_CSUM_VERIFY, &seg), TCP_OK);
        for (size_t bit = 0; bit < len * 8; bit++) {
            data[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
            enum rill_event event = parse(data, len, RILL_CSUM_VERIFY, &seg);
            data[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
            assert_int_not_equal(event, TCP_OK);
            if (bit >= 256 && bit < 260) /* the data offset may be impossible as well */
                assert_true(event == RILL_DROP_TCP_SHORT || event == RILL_DROP_TCP_CHECKSUM);
            else if (bit >= 160)
                assert_int_equal(event, RILL_DROP_TCP_CHECKSUM);
        }
    }
}

static void checksum__any_bit_of_the_pseudo_header_flipped__drops(void **state)
{
    (void)state;
    uint8_t data[100];
    struct tcp_segment seg;
    struct ip4 ip;
    size_t len = model_segment(data, 5, "odd", 3);
    struct rill_packet packet = model_packet(data, len);
    assert_int_equal(ip4_parse(&packet, &ip), IP4_OK);
    assert_int_equal(tcp_parse(&packet, &ip, &seg), TCP_OK);
    for (int bit = 0; bit < 32; bit++) {
        struct ip4 other = ip;
        other.src ^= 1u << bit;
        assert_int_equal(tcp_parse(&packet, &other, &seg), RILL_DROP_TCP_CHECKSUM);
        other = ip;
        other.dst ^= 1u << bit;
        assert_int_equal(tcp_parse(&packet, &other, &seg), RILL_DROP_TCP_CHECKSUM);
    }
    for (ip.total_len = 40; ip.total_len < len; ip.total_len++)
        assert_int_equal(tcp_parse(&packet, &ip, &seg), RILL_DROP_TCP_CHECKSUM);
    model_packet_free(&packet);
}

static void checksum__sum_of_zero__is_a_checksum_like_any_other(void **state)
{
    (void)state;
    uint8_t data[100];
    struct tcp_segment seg;
    size_t len = model_segment(data, 5, "\0\0", 2);
    uint32_t checksum = model_get(data + 36, 2);
    model_put(data + 40, checksum, 2); /* the rest of the sum becomes 0xffff, its complement 0 */
    model_tcp_checksum(data, 22);
    assert_int_equal(model_get(data + 36, 2), 0);
    assert_int_equal(parse(data, len, RILL_CSUM_VERIFY, &seg), TCP_OK);
    data[37] = 1;
    assert_int_equal(parse(data, len, RILL_CSUM_VERIFY, &seg), RILL_DROP_TCP_CHECKSUM);
}

static void checksum__known_good_or_partial__is_not_looked_at(void **state)
{
    (void)state;
    uint8_t data[100];
    struct tcp_segment seg;
    size_t len = model_segment(data, 5, "text", 4);
    model_put(data + 36, 0x1234, 2);
    assert_int_equal(parse(data, len, RILL_CSUM_VERIFY, &seg), RILL_DROP_TCP_CHECKSUM);
    assert_int_equal(parse(data, len, RILL_CSUM_GOOD, &seg), TCP_OK);
    assert_int_equal(parse(data, len, RILL_CSUM_PARTIAL, &seg), TCP_OK);
    assert_int_equal(seg.text_len, 4);
}

static void parse__several_things_wrong__shape_then_checksum_then_ports(void **state)
{
    (void)state;
    static const int port_at[] = {20, 22};
    for (size_t i = 0; i < COUNT_OF(port_at); i++) {
        uint8_t data[100];
        struct tcp_segment seg;
        size_t len = model_segment(data, 5, "text", 4);
        model_put(data + port_at[i], 0, 2);
        assert_int_equal(parse(data, len, RILL_CSUM_VERIFY, &seg), RILL_DROP_TCP_CHECKSUM);
        data[32] = 0x40;
        assert_int_equal(parse(data, len, RILL_CSUM_VERIFY, &seg), RILL_DROP_TCP_SHORT);
        data[32] = 0x50;
        model_tcp_checksum(data, 24);
        assert_int_equal(parse(data, len, RILL_CSUM_VERIFY, &seg), RILL_DROP_TCP_PORT);
    }
}

static void parse__options_of_a_segment__do_not_run_into_its_text(void **state)
{
    (void)state;
    uint8_t data[100];
    struct tcp_segment seg;
    size_t len = model_segment(data, 6, "\x04\x05\xb4\x04\x02", 5);
    memset(data + 40, 1, 3);
    data[43] = 2; /* an MSS option, of which only the kind is in the header */
    model_tcp_checksum(data, len - 20);
    assert_int_equal(parse(data, len, RILL_CSUM_VERIFY, &seg), TCP_OK);
    assert_false(seg.opt.has_mss);
    assert_false(seg.opt.has_sack_permitted);
    data[40] = 4;
    data[41] = 2;
    model_tcp_checksum(data, len - 20);
    assert_int_equal(parse(data, len, RILL_CSUM_VERIFY, &seg), TCP_OK);
    assert_true(seg.opt.has_sack_permitted);
}

/* ---- Builder ---------------------------------------------------------------------------------------- */

static struct tcp_build example(void)
{
    return (struct tcp_build){.laddr = MODEL_PEER,
                              .raddr = MODEL_ADDR,
                              .lport = 50000,
                              .rport = 7,
                              .seq32 = 0x01020304,
                              .ack32 = 0xfffefdfc,
                              .wnd16 = 0x8765,
                              .up16 = 0x1122,
                              .flags = RILL_PSH | RILL_ACK,
                              .ttl = 64};
}

/* Builds into exactly the room that is asked for, and joins the parts. */
static size_t build_joined(const struct tcp_build *build, uint8_t *data, struct rill_packet *out)
{
    uint8_t *head = malloc(IP4_HEADER_LEN + TCP_HEADER_MAX);
    assert_non_null(head);
    uint32_t header_len = tcp_build(build, head, out);
    assert_int_equal(out->head.len, header_len);
    assert_ptr_equal(out->head.data, head);
    assert_int_equal(out->segment_bytes, 0);
    memcpy(data, head, header_len);
    size_t len = header_len;
    for (int i = 0; i < 2; i++) {
        assert_ptr_equal(out->body[i].data, build->text[i].data); /* no copy */
        assert_int_equal(out->body[i].len, build->text[i].len);
        if (build->text[i].len)
            memcpy(data + len, build->text[i].data, build->text[i].len);
        len += build->text[i].len;
    }
    free(head);
    return len;
}

static void build__plain_segment__is_byte_for_byte_the_figure(void **state)
{
    (void)state;
    uint8_t expected[100], data[100];
    struct rill_packet out;
    const uint8_t text[] = "hello";
    struct tcp_build build = example();
    build.text[0] = (struct rill_slice){text, 5};
    size_t len = model_segment(expected, 5, text, 5);
    assert_int_equal(build_joined(&build, data, &out), len);
    assert_memory_equal(data, expected, len);
    assert_int_equal(out.csum, RILL_CSUM_VERIFY);

    build.ttl = 1;
    build.tos = 0x10;
    build_joined(&build, data, &out);
    expected[1] = 0x10;
    expected[8] = 1;
    model_ip_checksum(expected, 20);
    assert_memory_equal(data, expected, len);
}

static void build__syn_options__are_in_linux_order_and_padded_to_words(void **state)
{
    (void)state;
    static const uint8_t mss[] = {2, 4, 5, 0xb4}, sack_ok[] = {4, 2}, nops[] = {1, 1},
                         wscale[] = {1, 3, 3, 7},
                         ts[] = {8, 10, 0xa1, 0xa2, 0xa3, 0xa4, 0xb1, 0xb2, 0xb3, 0xb4};
    for (uint32_t which = 0; which < 16; which++) {
        uint8_t expected[100], data[100], opt[40];
        struct rill_packet out;
        struct tcp_build build = example();
        uint32_t opt_len = 0;
#define ADD(bytes) (memcpy(opt + opt_len, (bytes), sizeof(bytes)), opt_len += sizeof(bytes))
        build.flags = RILL_SYN;
        if (which & 1) {
            build.mss = 1460;
            ADD(mss);
        }
        build.sack_permitted = which & 2;
        build.has_ts = which & 4;
        build.tsval = 0xa1a2a3a4;
        build.tsecr = 0xb1b2b3b4;
        if ((which & 6) == 2 ||
            (which & 6) == 4) /* SACK-Permitted is what fills the word of the timestamps */
            ADD(nops);
        if (build.sack_permitted)
            ADD(sack_ok);
        if (build.has_ts)
            ADD(ts);
        if (which & 8) {
            build.wscale_plus_1 = 8;
            ADD(wscale);
        }
        size_t len = model_segment(expected, 5 + opt_len / 4, NULL, 0);
        expected[33] = 2;
        memcpy(expected + 40, opt, opt_len);
        model_tcp_checksum(expected, len - 20);
        assert_int_equal(build_joined(&build, data, &out), len);
        assert_memory_equal(data, expected, len);
    }
}

/* RFC 7323 appendix A, RFC 2018 3: two NOPs in front of each. */
static void build__timestamps_and_sack_blocks__fill_words(void **state)
{
    (void)state;
    static const uint8_t ts[] = {1, 1, 8, 10, 0xa1, 0xa2, 0xa3, 0xa4, 0xb1, 0xb2, 0xb3, 0xb4};
    for (uint32_t with_ts = 0; with_ts < 2; with_ts++)
        for (uint32_t blocks = 0; blocks <= 4 - with_ts; blocks++) {
            uint8_t expected[100], data[100], opt[40];
            struct rill_packet out;
            struct tcp_build build = example();
            uint32_t opt_len = 0;
            build.has_ts = with_ts;
            build.tsval = 0xa1a2a3a4;
            build.tsecr = 0xb1b2b3b4;
            if (with_ts)
                ADD(ts);
            if (blocks != 0) {
                const uint8_t kind[] = {1, 1, 5, (uint8_t)(2 + 8 * blocks)};
                ADD(kind);
            }
            build.sack_count = (uint8_t)blocks;
            for (uint32_t i = 0; i < blocks; i++) {
                build.sack[i] = (struct tcp_sack){0x10000000 * (i + 1) + 1, 0x10000000 * (i + 1) + 0x0203};
                model_put(opt + opt_len, build.sack[i].left, 4);
                model_put(opt + opt_len + 4, build.sack[i].right, 4);
                opt_len += 8;
            }
            assert_int_equal(opt_len, (with_ts ? TCP_TS_LEN : 0) + TCP_SACK_LEN(blocks));
            size_t len = model_segment(expected, 5 + opt_len / 4, NULL, 0);
            memcpy(expected + 40, opt, opt_len);
            model_tcp_checksum(expected, len - 20);
            assert_int_equal(build_joined(&build, data, &out), len);
            assert_memory_equal(data, expected, len);
        }
#undef ADD
}

static void build__text_split_anywhere__has_the_checksum_of_the_whole(void **state)
{
    (void)state;
    struct prng prng = prng_seed(6);
    uint8_t text[41];
    prng_fill(&prng, text, sizeof(text));
    for (uint32_t text_len = 0; text_len <= sizeof(text); text_len++)
        for (uint32_t split = 0; split <= text_len; split++) {
            uint8_t expected[100], data[100];
            struct rill_packet out;
            struct tcp_build build = example();
            build.text[0] = (struct rill_slice){text, split};
            build.text[1] = (struct rill_slice){text + split, text_len - split};
            size_t len = model_segment(expected, 5, text, text_len);
            assert_int_equal(build_joined(&build, data, &out), len);
            assert_memory_equal(data, expected, len);
        }
}

static void build__partial_checksum__holds_the_sum_of_the_pseudo_header(void **state)
{
    (void)state;
    const uint8_t text[] = "0123456789";
    for (uint32_t text_len = 0; text_len <= 10; text_len++) {
        uint8_t data[100];
        struct rill_packet out;
        struct tcp_build build = example();
        build.partial_csum = true;
        build.text[0] = (struct rill_slice){text, text_len};
        size_t len = build_joined(&build, data, &out);
        assert_int_equal(out.csum, RILL_CSUM_PARTIAL);
        assert_int_equal(model_get(data + 36, 2), model_pseudo(data, len - 20));
        /* What the device does with it: the sum over all, complemented, into the field. */
        uint8_t finished[100];
        memcpy(finished, data, len);
        model_put(finished + 36, 0xffffu - model_sum(0, data + 20, len - 20), 2);
        model_tcp_checksum(data, len - 20);
        assert_memory_equal(finished, data, len);
    }
}

static void build__random_segments__parse_back(void **state)
{
    (void)state;
    struct prng prng = prng_seed(7);
    static uint8_t text[65535], data[65535 + 80];
    prng_fill(&prng, text, sizeof(text));
    for (int round = 0; round < 5000; round++) {
        struct tcp_segment seg;
        struct rill_packet out;
        uint32_t text_len = (uint32_t)prng_below(&prng, prng_chance(&prng, 2) ? 65535 - 80 + 1 : 200);
        uint32_t split = (uint32_t)prng_below(&prng, text_len + 1);
        struct tcp_build build = {.laddr = prng_u32(&prng),
                                  .raddr = prng_u32(&prng),
                                  .seq32 = prng_u32(&prng),
                                  .ack32 = prng_u32(&prng),
                                  .lport = (uint16_t)prng_between(&prng, 1, 65535),
                                  .rport = (uint16_t)prng_between(&prng, 1, 65535),
                                  .wnd16 = (uint16_t)prng_u32(&prng),
                                  .up16 = (uint16_t)prng_u32(&prng),
                                  .flags = (uint8_t)prng_u32(&prng),
                                  .ttl = (uint8_t)prng_between(&prng, 1, 255),
                                  .partial_csum = prng_chance(&prng, 20),
                                  .text = {{text, split}, {text + split, text_len - split}}};
        if (build.flags & RILL_SYN) {
            build.mss = (uint16_t)prng_below(&prng, 3000);
            build.wscale_plus_1 = (uint8_t)prng_below(&prng, 16);
            build.sack_permitted = prng_chance(&prng, 50);
        }
        build.has_ts = prng_chance(&prng, 50);
        build.tsval = prng_u32(&prng);
        build.tsecr = prng_u32(&prng);
        if ((build.flags & RILL_SYN) == 0)
            build.sack_count = (uint8_t)prng_below(&prng, build.has_ts ? 4 : 5);
        for (uint32_t i = 0; i < TCP_SACK_BLOCKS; i++)
            build.sack[i] = (struct tcp_sack){prng_u32(&prng), prng_u32(&prng)};
        size_t len = build_joined(&build, data, &out);
        assert_int_equal(parse(data, len, out.csum, &seg), TCP_OK);
        assert_int_equal(seg.laddr, build.raddr);
        assert_int_equal(seg.raddr, build.laddr);
        assert_int_equal(seg.lport, build.rport);
        assert_int_equal(seg.rport, build.lport);
        assert_int_equal(seg.seq32, build.seq32);
        assert_int_equal(seg.ack32, build.ack32);
        assert_int_equal(seg.wnd16, build.wnd16);
        assert_int_equal(seg.up16, build.up16);
        assert_int_equal(seg.flags, build.flags);
        assert_int_equal(seg.text_len, text_len);
        struct tcp_options expected = {.has_mss = build.mss != 0, .mss = build.mss};
        expected.has_wscale = build.wscale_plus_1 != 0;
        expected.wscale = build.wscale_plus_1 ? (uint8_t)(build.wscale_plus_1 - 1) : 0;
        expected.has_sack_permitted = build.sack_permitted;
        expected.has_ts = build.has_ts;
        expected.tsval = build.has_ts ? build.tsval : 0;
        expected.tsecr = build.has_ts ? build.tsecr : 0;
        expected.sack_count = build.sack_count;
        memcpy(expected.sack, build.sack, build.sack_count * sizeof build.sack[0]);
        assert_options(&seg.opt, &expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse__each_field__is_where_rfc_9293_has_it),
        cmocka_unit_test(parse__ecn__is_the_ip_headers),
        cmocka_unit_test(parse__every_data_offset_and_length__fits_or_drops),
        cmocka_unit_test(parse__header_that_is_not_whole_in_the_head__drops),
        cmocka_unit_test(parse__text_in_up_to_three_pieces__is_pointed_to_in_place),
        cmocka_unit_test(parse__bytes_beyond_the_total_length__are_not_text),
        cmocka_unit_test(checksum__any_bit_of_the_datagram_flipped__drops),
        cmocka_unit_test(checksum__any_bit_of_the_pseudo_header_flipped__drops),
        cmocka_unit_test(checksum__sum_of_zero__is_a_checksum_like_any_other),
        cmocka_unit_test(checksum__known_good_or_partial__is_not_looked_at),
        cmocka_unit_test(parse__several_things_wrong__shape_then_checksum_then_ports),
        cmocka_unit_test(parse__options_of_a_segment__do_not_run_into_its_text),
        cmocka_unit_test(build__plain_segment__is_byte_for_byte_the_figure),
        cmocka_unit_test(build__syn_options__are_in_linux_order_and_padded_to_words),
        cmocka_unit_test(build__timestamps_and_sack_blocks__fill_words),
        cmocka_unit_test(build__text_split_anywhere__has_the_checksum_of_the_whole),
        cmocka_unit_test(build__partial_checksum__holds_the_sum_of_the_pseudo_header),
        cmocka_unit_test(build__random_segments__parse_back),
    };
    return cmocka_run_group_tests_name("tcp_hdr", tests, NULL, NULL);
}
