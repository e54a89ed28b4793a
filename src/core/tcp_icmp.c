/* tcp_icmp.c - see tcp_icmp.h.  RFC 9293 3.9.2.2 (MUST-54..56, SHLD-25, SHLD-26), RFC 5927 4.1, 5.2.
 *
 * Owns the decision of what is a hard error: anybody can send ICMP, and what it quotes proves little, so that
 * no message ends a connection that has heard from its peer. */
#include "tcp_icmp.h"

#include "tcp_conn.h"
#include "tcp_pmtu.h"

#include <errno.h>

enum { DEST_UNREACHABLE = 3, TIME_EXCEEDED = 11, PARAMETER_PROBLEM = 12 };
enum { UNREACHABLE_PROTOCOL = 2, UNREACHABLE_PORT = 3, FRAGMENTATION_NEEDED = 4 };

/* What a program is told, as Linux has it; 0: no such code. */
static int errno_of(uint8_t type, uint8_t code)
{
    static const uint8_t unreachable[] = {
        ENETUNREACH,  EHOSTUNREACH, ENOPROTOOPT,  ECONNREFUSED, EMSGSIZE,     EOPNOTSUPP,
        ENETUNREACH,  EHOSTDOWN,    ENONET,       ENETUNREACH,  EHOSTUNREACH, ENETUNREACH,
        EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH,
    };
    if (type == TIME_EXCEEDED)
        return EHOSTUNREACH;
    if (type == PARAMETER_PROBLEM)
        return EPROTO;
    return code < sizeof unreachable ? unreachable[code] : 0;
}

/* The datagram was too big: RFC 1191.  The quote's length says where its segment ends: with data
 * the header has no options but the timestamps, or seldom a report of SACK blocks, and then this is a little
 * too far. */
static bool too_big(struct rill_engine *e, struct tcb *c, uint16_t mtu, uint64_t seq,
                    const struct tcp_quote *quote)
{
    uint32_t len = (uint32_t)quote->total_len - quote->header_len - TCP_HEADER_LEN;
    uint32_t text_len = len > tcp_ts_len(c) ? len - tcp_ts_len(c) : 0;
    uint64_t end = min_u64(seq + max_u32(text_len, 1), c->snd.nxt);
    uint32_t claim = mtu != 0 ? mtu : tcp_pmtu_plateau(c, quote->total_len, quote->header_len);
    return tcp_pmtu_claim(e, c, claim, seq, end);
}

void tcp_icmp_error(struct rill_engine *e, uint8_t type, uint8_t code, uint16_t mtu,
                    const struct tcp_quote *quote)
{
    ASSERT(quote->total_len >= quote->header_len + TCP_HEADER_LEN);
    struct tcb *c = conns_find(&e->conns, quote->raddr, quote->rport, quote->lport);
    uint64_t seq = c != NULL ? seq_unwrap(c->snd.una, quote->seq32) : 0;
    /* RFC 5927 4.1: only what is in flight can have met an error.  A half-open record has sent nothing but
     * its SYN,ACK, which anybody may have asked for, and gives up by itself; so it is not looked for. */
    if (c == NULL || seq < c->snd.una || seq >= c->snd.nxt) {
        engine_event(e, RILL_DROP_ICMP_QUOTE, c, NULL);
        return;
    }
    if (type == DEST_UNREACHABLE && code == FRAGMENTATION_NEEDED) {
        if (!too_big(e, c, mtu, seq, quote))
            engine_event(e, RILL_DROP_ICMP_QUOTE, c, NULL);
        return;
    }
    int error = errno_of(type, code);
    if (error == 0) {
        engine_event(e, RILL_DROP_ICMP_TYPE, c, NULL);
        return;
    }
    /* DEVIATES: SHLD-26 and RFC 1122 3.2.2.1 want codes 2 and 3 to abort in any state.  RFC 5927 5.2 and
     * Linux do so only for a SYN, whose sequence number the quote had to match exactly: in a connection that
     * works they are forged, or as temporary as the others. */
    if (type == DEST_UNREACHABLE && (code == UNREACHABLE_PROTOCOL || code == UNREACHABLE_PORT) &&
        c->state == RILL_SYN_SENT) {
        tcp_die(e, c, error);
        return;
    }
    c->soft_error = (int16_t)error; /* MUST-56, SHLD-25 */
    engine_event(e, RILL_SOFT_ERROR, c, NULL);
}
