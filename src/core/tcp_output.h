/* tcp_output.h - which segment should be sent now.  RFC 9293 3.7, 3.8, 3.10.  Rank 10. */
#ifndef RILL_TCP_OUTPUT_H
#define RILL_TCP_OUTPUT_H

#include "engine.h"

/* The next segment of c, or false.  Moves SND.NXT, clears marks, starts timers: what is handed out counts as
 * sent. */
bool tcp_output(struct rill_engine *e, struct tcb *c, struct rill_packet *out);

/* Copies data into the send ring: how many bytes were taken (0: no room now), -ENOBUFS without memory, -EPIPE
 * after tcp_shut_send and in CLOSED. */
int32_t tcp_write(struct rill_engine *e, struct tcb *c, const void *data, uint32_t len);

/* Free room in the send buffer, bytes. */
uint32_t tcp_write_room(const struct tcb *c);

/* The last byte written is urgent (MSG_OOB, RFC 6093). */
void tcp_write_urgent(struct tcb *c);

#endif
