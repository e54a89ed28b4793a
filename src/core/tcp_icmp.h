/* tcp_icmp.h - what an ICMP error does to a connection.  RFC 9293 3.9.2.2, RFC 5927, RFC 1191, RFC 8201's
 * lessons.  Rank 12. */
#ifndef RILL_TCP_ICMP_H
#define RILL_TCP_ICMP_H

#include "engine.h"

/* What an ICMP error quotes of ours. */
struct tcp_quote {
    uint32_t raddr; /* the destination of the quoted datagram */
    uint16_t lport, rport;
    uint32_t seq32;
    uint16_t total_len; /* of the quoted datagram, as the quote says */
    uint8_t header_len; /* of its IP header */
};

/* type and code of the ICMP message, mtu its next-hop MTU field (0: an old router, RFC 1191 5). */
void tcp_icmp_error(struct rill_engine *e, uint8_t type, uint8_t code, uint16_t mtu,
                    const struct tcp_quote *quote);

#endif
