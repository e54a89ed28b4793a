/* tcp_hdr.c - the TCP header: parser and builder.  RFC 9293 3.1, 3.2; RFC 7323 2, 3; RFC 2018 2, 3.
 *
 * Owns the promise that no byte is used before it is known to be there, and that the option walk makes at
 * least one step forward each time.  It does not judge what a segment means: flags, numbers, and options that
 * belong on a SYN only, are its callers' business. */
#include "tcp_hdr.h"

enum {
    OPTION_END = 0,
    OPTION_NOP = 1,
    OPTION_MSS = 2,
    OPTION_WSCALE = 3,
    OPTION_SACK_PERMITTED = 4,
    OPTION_SACK = 5,
    OPTION_TIMESTAMPS = 8,
};

static void read_sack(const uint8_t *p, uint8_t len, struct tcp_options *opt)
{
    uint32_t count = (len - 2u) / 8;
    if (len % 8 != 2 || count == 0 || count > TCP_SACK_BLOCKS || opt->sack_count != 0)
        return;
    p += 2;
    for (uint32_t i = 0; i < count; i++, p += 8) {
        opt->sack[i].left = wire_get32(p);
        opt->sack[i].right = wire_get32(p + 4);
    }
    opt->sack_count = (uint8_t)count;
}

/* One option, all `len` bytes of which are at p.  Unknown kinds are ignored (MUST-6). */
static void read_option(const uint8_t *p, uint8_t len, struct tcp_options *opt)
{
    switch (p[0]) {
    case OPTION_MSS:
        if (len == 4 && !opt->has_mss) {
            opt->has_mss = true;
            opt->mss = wire_get16(p + 2);
        }
        break;
    case OPTION_WSCALE:
        if (len == 3 && !opt->has_wscale) {
            opt->has_wscale = true;
            opt->wscale = p[2];
        }
        break;
    case OPTION_SACK_PERMITTED:
        if (len == 2)
            opt->has_sack_permitted = true;
        break;
    case OPTION_SACK:
        read_sack(p, len, opt);
        break;
    case OPTION_TIMESTAMPS:
        if (len == 10 && !opt->has_ts) {
            opt->has_ts = true;
            opt->tsval = wire_get32(p + 2);
            opt->tsecr = wire_get32(p + 6);
        }
        break;
    default:
        break;
    }
}

void tcp_parse_options(const uint8_t *data, uint32_t len, struct tcp_options *opt)
{
    *opt = (struct tcp_options){0};
    uint32_t i = 0;
    while (i < len && data[i] != OPTION_END) {
        if (data[i] == OPTION_NOP) {
            i++;
            continue;
        }
        /* MUST-7: a length that cannot be ends the options, for nothing says where the next one begins. */
        if (len - i < 2 || data[i + 1] < 2 || data[i + 1] > len - i)
            return;
        read_option(data + i, data[i + 1], opt);
        i += data[i + 1];
    }
}

enum rill_event tcp_parse(const struct rill_packet *in, const struct ip4 *ip, struct tcp_segment *seg)
{
    ASSERT(ip->header_len <= ip->total_len && ip->total_len <= packet_len(in));
    uint32_t len = (uint32_t)ip->total_len - ip->header_len;
    if (len < TCP_HEADER_LEN || in->head.len < ip->header_len + TCP_HEADER_LEN)
        return RILL_DROP_TCP_SHORT;
    const uint8_t *p = in->head.data + ip->header_len;
    uint32_t data_off = (p[12] >> 4) * 4u;
    if (data_off < TCP_HEADER_LEN || data_off > len || data_off > in->head.len - ip->header_len)
        return RILL_DROP_TCP_SHORT;
    if (in->csum == RILL_CSUM_VERIFY) { /* MUST-3 */
        struct wire_sum sum = wire_sum_start();
        packet_sum(in, ip->header_len, len, &sum);
        wire_sum_pseudo(&sum, ip->src, ip->dst, IP4_TCP, (uint16_t)len);
        if (wire_sum_fold(&sum) != 0xffff)
            return RILL_DROP_TCP_CHECKSUM;
    }
    uint16_t rport = wire_get16(p), lport = wire_get16(p + 2);
    if (rport == 0 || lport == 0)
        return RILL_DROP_TCP_PORT;
    *seg = (struct tcp_segment){
        .laddr = ip->dst,
        .raddr = ip->src,
        .lport = lport,
        .rport = rport,
        .seq32 = wire_get32(p + 4),
        .ack32 = wire_get32(p + 8),
        .text_len = len - data_off,
        .wnd16 = wire_get16(p + 14),
        .up16 = wire_get16(p + 18),
        .flags = p[13],
        .ecn = ip->tos & 3, /* RFC 3168 5 */
        .ip_payload_len = (uint16_t)len,
    };
    packet_slices(in, ip->header_len + data_off, seg->text_len, seg->text);
    tcp_parse_options(p + TCP_HEADER_LEN, data_off - TCP_HEADER_LEN, &seg->opt);
    return TCP_OK;
}

/* One SYN's options at p, in the order that Linux has: NOPs keep the wide ones on words, and SACK-Permitted
 * and the timestamps share three. */
static uint32_t write_syn_options(const struct tcp_build *build, uint8_t *p)
{
    uint32_t len = 0;
    if (build->mss) {
        p[0] = OPTION_MSS;
        p[1] = 4;
        wire_put16(p + 2, build->mss);
        len += 4;
    }
    if (build->sack_permitted) {
        p[len] = p[len + 1] = OPTION_NOP;
        len += build->has_ts ? 0 : 2;
        p[len++] = OPTION_SACK_PERMITTED;
        p[len++] = 2;
    } else if (build->has_ts) {
        p[len++] = OPTION_NOP;
        p[len++] = OPTION_NOP;
    }
    return len;
}

/* Writes the options at p, a multiple of four bytes; returns their length. */
static uint32_t write_options(const struct tcp_build *build, uint8_t *p)
{
    uint32_t len = (build->flags & RILL_SYN) != 0 ? write_syn_options(build, p) : 0;
    if (build->has_ts) { /* RFC 7323 appendix A */
        if ((build->flags & RILL_SYN) == 0) {
            p[len++] = OPTION_NOP;
            p[len++] = OPTION_NOP;
        }
        p[len] = OPTION_TIMESTAMPS;
        p[len + 1] = 10;
        wire_put32(p + len + 2, build->tsval);
        wire_put32(p + len + 6, build->tsecr);
        len += 10;
    }
    if (build->wscale_plus_1) {
        p[len] = OPTION_NOP;
        p[len + 1] = OPTION_WSCALE;
        p[len + 2] = 3;
        p[len + 3] = (uint8_t)(build->wscale_plus_1 - 1);
        len += 4;
    }
    if (build->sack_count != 0) { /* RFC 2018 3 */
        p[len] = p[len + 1] = OPTION_NOP;
        p[len + 2] = OPTION_SACK;
        p[len + 3] = (uint8_t)(2 + 8 * build->sack_count);
        len += 4;
        for (uint32_t i = 0; i < build->sack_count; i++, len += 8) {
            wire_put32(p + len, build->sack[i].left);
            wire_put32(p + len + 4, build->sack[i].right);
        }
    }
    return len;
}

/* What goes into the checksum field of the header at p, in which it is still 0. */
static uint16_t checksum(const struct tcp_build *build, const uint8_t *p, uint32_t header_len, uint32_t len)
{
    struct wire_sum sum = wire_sum_start();
    wire_sum_pseudo(&sum, build->laddr, build->raddr, IP4_TCP, (uint16_t)len);
    if (build->partial_csum) /* the device adds the rest and complements */
        return wire_sum_fold(&sum);
    wire_sum_add(&sum, p, header_len);
    for (int i = 0; i < 2; i++)
        wire_sum_add(&sum, build->text[i].data, build->text[i].len);
    return wire_sum_finish(&sum);
}

uint32_t tcp_build(const struct tcp_build *build, uint8_t *head, struct rill_packet *out)
{
    ASSERT(build->ttl > 0 && build->lport != 0 && build->rport != 0); /* RFC 1122 3.2.1.7 */
    ASSERT((build->mss == 0 && build->wscale_plus_1 == 0 && !build->sack_permitted) ||
           (build->flags & RILL_SYN)); /* MUST-65, RFC 7323 2.2, RFC 2018 2 */
    ASSERT(build->sack_count <= (build->has_ts ? 3 : 4) &&
           (build->sack_count == 0 || (build->flags & RILL_SYN) == 0));
    ASSERT(build->wscale_plus_1 <= 15); /* RFC 7323 2.3 */
    uint8_t *p = head + IP4_HEADER_LEN;
    uint32_t header_len = TCP_HEADER_LEN + write_options(build, p + TCP_HEADER_LEN);
    uint64_t len = (uint64_t)header_len + build->text[0].len + build->text[1].len;
    ASSERT(len <= UINT16_MAX - IP4_HEADER_LEN);

    /* RFC 6864 4.1: never fragmented, so that its identification means nothing and tells nothing. */
    struct ip4 ip = {
        .src = build->laddr,
        .dst = build->raddr,
        .total_len = (uint16_t)(IP4_HEADER_LEN + len),
        .proto = IP4_TCP,
        .tos = build->tos,
        .ttl = build->ttl,
        .df = true,
    };
    ip4_build(head, &ip);

    wire_put16(p, build->lport);
    wire_put16(p + 2, build->rport);
    wire_put32(p + 4, build->seq32);
    wire_put32(p + 8, build->ack32);
    p[12] = (uint8_t)(header_len / 4 << 4);
    p[13] = build->flags;
    wire_put16(p + 14, build->wnd16);
    wire_put16(p + 16, 0);
    wire_put16(p + 18, build->up16);
    wire_put16(p + 16, checksum(build, p, header_len, (uint32_t)len)); /* MUST-2 */

    *out = (struct rill_packet){
        .head = {head, IP4_HEADER_LEN + header_len},
        .body = {build->text[0], build->text[1]},
        .csum = build->partial_csum ? RILL_CSUM_PARTIAL : RILL_CSUM_VERIFY,
    };
    return IP4_HEADER_LEN + header_len;
}
