/* ip4.h - the IPv4 header: one parser, one builder, and which addresses may talk.  RFC 791, RFC 1122 3.2.
 * Rank 3.
 *
 * Parsers never act: they say what is wrong as the event to count. */
#ifndef RILL_IP4_H
#define RILL_IP4_H

#include "packet.h"

#define IP4_HEADER_LEN 20u
#define IP4_OK RILL_IP_IN /* what ip4_parse returns for a datagram that may be used */

enum { IP4_ICMP = 1, IP4_TCP = 6, IP4_UDP = 17 };

struct ip4 {
    uint32_t src, dst; /* host order */
    uint16_t total_len, id;
    uint16_t frag_off; /* bytes, a multiple of 8 */
    uint8_t header_len, proto, tos, ttl;
    bool df, more; /* don't fragment, more fragments */
};

/* The network as the stack sees it. */
struct ip4_net {
    uint32_t addr;
    uint8_t prefix_len;
};

/* Reads and verifies the header.  Returns IP4_OK, or the DROP_ event (RFC 1122 3.2.1.1, 3.2.1.2; lengths;
 * source route).  Bytes beyond total_len are to be ignored by the caller. */
enum rill_event ip4_parse(const struct rill_packet *in, struct ip4 *ip);

/* RFC 1122 3.2.1.3: IP4_OK, DROP_IP_SOURCE, DROP_NOT_FOR_US, or DROP_BROADCAST (valid for us but a broadcast
 * or multicast). */
enum rill_event ip4_check_addresses(const struct ip4 *ip, const struct ip4_net *net);

/* Whether addr is one host that may be the far end: not 0/8, 127/8, multicast, class E, a broadcast of the
 * network, its network number, or our own address (MUST-46, MUST-63, RFC 1122 3.2.1.3). */
bool ip4_is_peer(uint32_t addr, const struct ip4_net *net);

/* Writes a header without options, checksum included.  RFC 6864: an atomic datagram has df and id 0. */
void ip4_build(uint8_t out[IP4_HEADER_LEN], const struct ip4 *ip);

#endif
