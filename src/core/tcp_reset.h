/* tcp_reset.h - answers to segments that belong to no TCB.  RFC 9293 3.10.7.1, 3.5.2; RFC 5961 3, 4.  Rank 9.
 */
#ifndef RILL_TCP_RESET_H
#define RILL_TCP_RESET_H

#include "engine.h"

/* The RST that RFC 9293 3.10.7.1 wants for a segment without a connection; none for a RST; rate limited. */
void tcp_reset_for(struct rill_engine *e, const struct tcp_segment *seg);

/* What a record says: <SEQ=seq32><ACK=ack32><CTL=ACK>, with its connection's window, TTL, DSCP and, if both
 * sides had them, timestamps (RFC 7323 3.2: in every segment but a RST). */
struct record_ack {
    uint32_t seq32, ack32;
    uint16_t wnd16;
    uint8_t ttl, tos;
    bool ts_ok;
    uint32_t ts_recent;
};

/* The ACK of a record to the peer of the segment. */
void tcp_ack_for(struct rill_engine *e, const struct tcp_segment *seg, const struct record_ack *ack,
                 enum rill_why why);

#endif
