/* ip4.c - the IPv4 header: parser, builder, addresses.  RFC 791 3.1, RFC 1122 3.2.1, RFC 6864.
 *
 * Owns the promise that after IP4_OK the header is whole within the packet's head and
 * 20 <= header_len <= total_len <= packet_len.  It does not touch what follows the header, reassemble
 * (reass.c), or keep anything. */
#include "ip4.h"

enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_LSRR = 131, OPTION_SSRR = 137 };

#define FLAG_DF 0x4000u
#define FLAG_MF 0x2000u
#define OFFSET_MASK 0x1fffu

/* Whether the options ask for a source route.  DEVIATES: RFC 9293 MUST-51..53 and RFC 1122 3.2.1.8 want
 * source routes obeyed and reversed; nobody sends them but to get around filters, so that such a datagram is
 * dropped, even if the option's length is wrong.  All other options are ignored, and behind an impossible
 * length nothing can be read. */
static bool has_source_route(const uint8_t *p, uint32_t len)
{
    uint32_t i = 0;
    while (i < len && p[i] != OPTION_END) {
        if (p[i] == OPTION_LSRR || p[i] == OPTION_SSRR)
            return true;
        if (p[i] == OPTION_NOP) {
            i++;
            continue;
        }
        if (len - i < 2 || p[i + 1] < 2)
            return false;
        i += p[i + 1];
    }
    return false;
}

enum rill_event ip4_parse(const struct rill_packet *in, struct ip4 *ip)
{
    const uint8_t *p = in->head.data;
    if (in->head.len < IP4_HEADER_LEN)
        return RILL_DROP_IP_SHORT;
    if (p[0] >> 4 != 4)
        return RILL_DROP_IP_VERSION;
    uint16_t total_len = wire_get16(p + 2);
    uint8_t header_len = (uint8_t)((p[0] & 0xf) * 4);
    if (header_len < IP4_HEADER_LEN || header_len > total_len)
        return RILL_DROP_IP_HEADER;
    if (header_len > in->head.len || total_len > packet_len(in))
        return RILL_DROP_IP_SHORT;
    struct wire_sum sum = wire_sum_start();
    wire_sum_add(&sum, p, header_len);
    if (wire_sum_fold(&sum) != 0xffff)
        return RILL_DROP_IP_CHECKSUM;
    if (has_source_route(p + IP4_HEADER_LEN, header_len - IP4_HEADER_LEN))
        return RILL_DROP_SOURCE_ROUTE;
    uint16_t fragment = wire_get16(p + 6);
    *ip = (struct ip4){
        .src = wire_get32(p + 12),
        .dst = wire_get32(p + 16),
        .total_len = total_len,
        .id = wire_get16(p + 4),
        .frag_off = (uint16_t)((fragment & OFFSET_MASK) * 8),
        .header_len = header_len,
        .proto = p[9],
        .tos = p[1],
        .ttl = p[8], /* any, 0 included: RFC 1122 3.2.1.7 forbids a host to discard because of it */
        .df = (fragment & FLAG_DF) != 0,
        .more = (fragment & FLAG_MF) != 0,
    };
    return IP4_OK;
}

/* Whether addr is the network's number (the old form of its broadcast, RFC 1122 3.3.6) or its broadcast
 * address.  Networks of one or two addresses have neither (RFC 3021). */
static bool is_network_edge(uint32_t addr, const struct ip4_net *net)
{
    ASSERT(net->prefix_len <= 32);
    if (net->prefix_len > 30)
        return false;
    uint32_t host_mask = UINT32_MAX >> net->prefix_len;
    uint32_t host = addr & host_mask;
    return ((addr ^ net->addr) & ~host_mask) == 0 && (host == 0 || host == host_mask);
}

static bool is_multicast(uint32_t addr) { return addr >> 28 == 0xe; }

bool ip4_is_peer(uint32_t addr, const struct ip4_net *net)
{
    if (addr >> 24 == 0 || addr >> 24 == 127)
        return false;
    if (addr >> 28 >= 0xe) /* multicast, class E, 255.255.255.255 */
        return false;
    return addr != net->addr && !is_network_edge(addr, net);
}

enum rill_event ip4_check_addresses(const struct ip4 *ip, const struct ip4_net *net)
{
    if (!ip4_is_peer(ip->src, net))
        return RILL_DROP_IP_SOURCE;
    if (ip->dst == net->addr)
        return IP4_OK;
    if (ip->dst == UINT32_MAX || is_multicast(ip->dst) || is_network_edge(ip->dst, net))
        return RILL_DROP_BROADCAST;
    return RILL_DROP_NOT_FOR_US;
}

void ip4_build(uint8_t out[IP4_HEADER_LEN], const struct ip4 *ip)
{
    ASSERT(ip->total_len >= IP4_HEADER_LEN && ip->frag_off % 8 == 0);
    uint32_t fragment = ip->frag_off / 8u | (ip->df ? FLAG_DF : 0) | (ip->more ? FLAG_MF : 0);
    out[0] = 0x45;
    out[1] = ip->tos;
    wire_put16(out + 2, ip->total_len);
    wire_put16(out + 4, ip->id);
    wire_put16(out + 6, (uint16_t)fragment);
    out[8] = ip->ttl;
    out[9] = ip->proto;
    wire_put16(out + 10, 0);
    wire_put32(out + 12, ip->src);
    wire_put32(out + 16, ip->dst);
    struct wire_sum sum = wire_sum_start();
    wire_sum_add(&sum, out, IP4_HEADER_LEN);
    wire_put16(out + 10, wire_sum_finish(&sum));
}
