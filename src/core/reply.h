/* reply.h - the slot for one datagram that answers without a connection.  RFC 1122 3.2.2, RFC 791 3.2, RFC
 * 6864.  Rank 8.
 *
 * At most one such datagram per datagram that came in; while one is waiting to leave, a second is refused
 * (and rill_input has returned true, so that a driver that drains never sees that). */
#ifndef RILL_REPLY_H
#define RILL_REPLY_H

#include "engine.h"

/* Room for len bytes of payload (after the IP header) to dst; fill it in before the next engine call.  A
 * datagram that fits in the MTU goes with DF and ID 0 (RFC 6864 4.1), a larger one is fragmented.  The caller
 * may change tos and ttl in e->reply.ip.  NULL, counted as DROP_BUSY or DROP_MEMORY, if it cannot be sent.
 * Sets e->drain. */
uint8_t *reply_begin(struct rill_engine *e, uint32_t dst, uint8_t proto, uint32_t len);

/* Hands out the next fragment of the waiting datagram; false if there is none. */
bool reply_output(struct rill_engine *e, struct rill_packet *out);

/* Frees what has left: called at the start of each engine call. */
void reply_collect(struct rill_engine *e);
/* Frees the slot whether or not it has left: when the engine ends. */
void reply_free(struct rill_engine *e);

/* A TCP segment without a connection: RST or the ACK of a record.  Uses the slot. */
void reply_tcp(struct rill_engine *e, const struct tcp_build *build, enum rill_why why);

#endif
