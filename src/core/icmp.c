/* icmp.c - see icmp.h.  RFC 792; RFC 1122 3.2.2; RFC 5927 4.1; RFC 6633 (no source quench).
 *
 * Owns the rule that an ICMP message makes at most one datagram, and an error none.  What an error does to a
 * connection is tcp_icmp.c's; an ICMP message never changes a route here, for there is one route. */
#include "icmp.h"

#include "reply.h"
#include "tcp_icmp.h"

#define ICMP_HEADER_LEN 8u
#define IP4_HEADER_MAX 60u
#define QUOTE_MIN 8u /* of the transport header: RFC 792 promises no more */

#define ERROR_LEN_MAX 576u /* RFC 1122 3.2.2 leaves it open; RFC 1812 4.3.2.3 */
#define ERRORS_PER_SECOND 100u
#define ERRORS_BURST 50u

enum {
    ECHO_REPLY = 0,
    DEST_UNREACHABLE = 3,
    SOURCE_QUENCH = 4,
    REDIRECT = 5,
    ECHO = 8,
    TIME_EXCEEDED = 11,
    PARAMETER_PROBLEM = 12,
};

static void put_checksum(uint8_t *message, uint32_t len)
{
    struct wire_sum sum = wire_sum_start();
    wire_put16(message + 2, 0);
    wire_sum_add(&sum, message, len);
    wire_put16(message + 2, wire_sum_finish(&sum));
}

/* RFC 1122 3.2.2.6: every echo is answered, with all its data.  DEVIATES: Record Route and Timestamp options
 * of the request are not returned; nothing here sends IP options. */
static void answer_echo(struct rill_engine *e, const struct rill_packet *in, const struct ip4 *ip)
{
    uint32_t len = (uint32_t)ip->total_len - ip->header_len;
    uint8_t *message = reply_begin(e, ip->src, IP4_ICMP, len);
    if (message == NULL)
        return;
    packet_read(in, ip->header_len, message, len);
    message[0] = ECHO_REPLY;
    put_checksum(message, len);
    e->reply.ip.tos =
        ip->tos & 0xfc; /* RFC 1349 5.1: that of the request; RFC 3168: the last two bits are ECN's */
    engine_event(e, RILL_ECHO_REPLY, NULL, NULL);
}

/* Reads what an error quotes at off, up to end.  False if it is no segment of ours (MUST-54, RFC 5927 4.1): a
 * quote that is cut short, that lies about its lengths, or is no first fragment, has no ports and sequence
 * number. */
static bool read_quote(const struct rill_engine *e, const struct rill_packet *in, uint32_t off, uint32_t end,
                       struct tcp_quote *quote)
{
    uint8_t p[IP4_HEADER_MAX + QUOTE_MIN];
    uint32_t len = min_u32(end - off, sizeof p);
    packet_read(in, off, p, len);
    if (len < IP4_HEADER_LEN || p[0] >> 4 != 4)
        return false;
    uint32_t header_len = (p[0] & 0xfu) * 4;
    uint16_t total_len = wire_get16(p + 2);
    if (header_len < IP4_HEADER_LEN || len < header_len + QUOTE_MIN ||
        total_len < header_len + TCP_HEADER_LEN)
        return false;
    if ((wire_get16(p + 6) & 0x1fff) != 0 || p[9] != IP4_TCP || wire_get32(p + 12) != e->config.addr)
        return false;
    *quote = (struct tcp_quote){
        .raddr = wire_get32(p + 16),
        .lport = wire_get16(p + header_len),
        .rport = wire_get16(p + header_len + 2),
        .seq32 = wire_get32(p + header_len + 4),
        .total_len = total_len,
        .header_len = (uint8_t)header_len,
    };
    return true;
}

static void take_error(struct rill_engine *e, const struct rill_packet *in, const struct ip4 *ip,
                       const uint8_t header[ICMP_HEADER_LEN])
{
    struct tcp_quote quote;
    if (!read_quote(e, in, ip->header_len + ICMP_HEADER_LEN, ip->total_len, &quote))
        engine_event(e, RILL_DROP_ICMP_QUOTE, NULL, NULL);
    else
        tcp_icmp_error(e, header[0], header[1], wire_get16(header + 6), &quote);
}

void icmp_input(struct rill_engine *e, const struct rill_packet *in, const struct ip4 *ip)
{
    uint8_t header[ICMP_HEADER_LEN];
    uint32_t len = (uint32_t)ip->total_len - ip->header_len;
    ASSERT(ip->proto == IP4_ICMP && ip->frag_off == 0 && !ip->more);
    if (ip->dst != e->config.addr) { /* RFC 1122 3.2.2.6: an echo to many may be ignored, or it amplifies */
        engine_event(e, RILL_DROP_BROADCAST, NULL, NULL);
        return;
    }
    if (len < ICMP_HEADER_LEN) {
        engine_event(e, RILL_DROP_ICMP_SHORT, NULL, NULL);
        return;
    }
    struct wire_sum sum = wire_sum_start();
    packet_sum(in, ip->header_len, len, &sum);
    if (wire_sum_fold(&sum) != 0xffff) {
        engine_event(e, RILL_DROP_ICMP_CHECKSUM, NULL, NULL);
        return;
    }
    engine_count(e, RILL_ICMP_IN);
    packet_read(in, ip->header_len, header, sizeof header);
    switch (header[0]) {
    case ECHO:
        answer_echo(e, in, ip);
        break;
    case DEST_UNREACHABLE:
    case TIME_EXCEEDED:
    case PARAMETER_PROBLEM:
        take_error(e, in, ip, header);
        break;
    /* RFC 6633: source quench is ignored; so are redirects, with one route only, and requests for time, mask
     * and information (RFC 1122 3.2.2.7 to 9).  Unknown types are dropped silently (RFC 1122 3.2.2). */
    case SOURCE_QUENCH:
    case REDIRECT:
    default:
        engine_event(e, RILL_DROP_ICMP_TYPE, NULL, NULL);
        break;
    }
}

/* Whether an error may answer this datagram.  RFC 1122 3.2.2: never an ICMP error (nor ICMP that nobody can
 * tell from one), never a broadcast or multicast, a fragment but the first, or a source that is not one host.
 */
static bool may_answer(const struct rill_engine *e, const struct rill_packet *in, const struct ip4 *ip)
{
    struct ip4_net net = engine_net(e);
    if (ip->dst != e->config.addr || ip->frag_off != 0 || !ip4_is_peer(ip->src, &net))
        return false;
    if (ip->proto != IP4_ICMP)
        return true;
    uint8_t type;
    if (ip->total_len <= ip->header_len)
        return false;
    packet_read(in, ip->header_len, &type, 1);
    return type == ECHO;
}

void icmp_send_error(struct rill_engine *e, uint8_t type, uint8_t code, const struct rill_packet *in,
                     const struct ip4 *ip)
{
    ASSERT(type == DEST_UNREACHABLE || type == TIME_EXCEEDED);
    if (!may_answer(e, in, ip))
        return;
    if (!bucket_take(&e->icmp, e->now_us, ERRORS_PER_SECOND, ERRORS_BURST)) {
        engine_event(e, RILL_ICMP_LIMITED, NULL, NULL);
        return;
    }
    uint32_t quote_len = min_u32(ip->total_len, ERROR_LEN_MAX - IP4_HEADER_LEN - ICMP_HEADER_LEN);
    uint8_t *message = reply_begin(e, ip->src, IP4_ICMP, ICMP_HEADER_LEN + quote_len);
    if (message == NULL)
        return;
    message[0] = type;
    message[1] = code;
    wire_put32(message + 4, 0);
    packet_read(in, 0, message + ICMP_HEADER_LEN, quote_len);
    put_checksum(message, ICMP_HEADER_LEN + quote_len);
    engine_event(e, RILL_ICMP_ERROR_OUT, NULL, NULL);
}
