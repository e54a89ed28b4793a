/* tcp_pmtu.h - the path MTU of a connection.  RFC 1191, RFC 5927 7.2.  Rank 10.
 *
 * It only goes down, by what routers claim; a claim is believed at once if nothing of that size has arrived
 * yet, and else once the segment that it quotes has timed out, so that a forged one does no harm to a path
 * that works. */
#ifndef RILL_TCP_PMTU_H
#define RILL_TCP_PMTU_H

#include "engine.h"

/* A router claims that the datagram with the segment at [seq, end), which is in flight, was too big for `mtu`
 * bytes.  False: not believable, nothing done. */
bool tcp_pmtu_claim(struct rill_engine *e, struct tcb *c, uint32_t mtu, uint64_t seq, uint64_t end);

/* RFC 1191 5: the MTU to try when a router names none: the greatest of the usual ones that is less than the
 * datagram's length. */
uint32_t tcp_pmtu_plateau(const struct tcb *c, uint16_t total_len, uint8_t header_len);

/* The retransmission timer has expired: a pending claim is true.  Call before what is lost is marked or sent.
 */
void tcp_pmtu_timed_out(struct rill_engine *e, struct tcb *c);

/* SND.UNA has moved by so much: a claim about what is acknowledged now was false, and datagrams of this size
 * arrive. */
void tcp_pmtu_acked(const struct rill_engine *e, struct tcb *c, uint32_t acked_bytes);

#endif
