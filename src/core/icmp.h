/* icmp.h - ICMP in both directions.  RFC 792, RFC 1122 3.2.2, RFC 5927, RFC 1191.  Rank 13.
 *
 * Echo is answered, errors go to the connection that they quote (tcp_icmp.h), errors of ours are rate limited
 * and never answer an error, a fragment that is not the first, a broadcast or a source that is no host (RFC
 * 1122 3.2.2). */
#ifndef RILL_ICMP_H
#define RILL_ICMP_H

#include "engine.h"

/* A datagram with protocol ICMP for us. */
void icmp_input(struct rill_engine *e, const struct rill_packet *in, const struct ip4 *ip);

/* Sends a Destination Unreachable (type 3) or Time Exceeded (11) that quotes the datagram's IP header and 8
 * bytes or more, if RFC 1122 3.2.2 and the rate limit allow. */
void icmp_send_error(struct rill_engine *e, uint8_t type, uint8_t code, const struct rill_packet *in,
                     const struct ip4 *ip);

#endif
