/* tcp_reset.h - answers to segments that belong to no TCB.  RFC 9293 3.10.7.1, 3.5.2; RFC 5961 3, 4.  Rank 9.
 */
#ifndef RILL_TCP_RESET_H
#define RILL_TCP_RESET_H

#include "engine.h"

/* The RST that RFC 9293 3.10.7.1 wants for a segment without a connection; none for a RST; rate limited. */
void tcp_reset_for(struct rill_engine *e, const struct tcp_segment *seg);

/* <SEQ=seq32><ACK=ack32><CTL=ACK> from a record to the peer of the segment. */
void tcp_ack_for(struct rill_engine *e, const struct tcp_segment *seg, uint32_t seq32, uint32_t ack32,
                 uint16_t wnd16, enum rill_why why);

#endif
