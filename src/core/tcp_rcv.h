/* tcp_rcv.h - the receiving half: text, FIN, urgent pointer, the window that is offered.  RFC
 * 9293 3.8.6.2.2, 3.10.7.4.  Rank 10. */
#ifndef RILL_TCP_RCV_H
#define RILL_TCP_RCV_H

#include "engine.h"

/* What a step of SEGMENT ARRIVES says.  ACK_ONLY: outside the window, but its acknowledgement and window
 * count.  GONE: the connection was freed or closed, and nothing more may be done with it. */
enum tcp_verdict { PASS, DROP, ACK, ACK_ONLY, CHALLENGE, RESET, GONE };

/* RFC 9293 3.10.7.4 sixth to eighth, with what is inside the window. */
void tcp_receive_urgent(struct tcb *c, const struct tcp_segment *seg);
enum tcp_verdict tcp_receive_text(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg);

/* Reads up to len bytes; `peek` leaves them.  0: nothing there.  Opens the window. */
uint32_t tcp_read(struct rill_engine *e, struct tcb *c, void *data, uint32_t len, bool peek);

/* The window field of the next segment, and the promise that it makes (SWS avoidance, never shrinks: MUST-39,
 * SHLD-14). */
uint16_t tcp_window_field(const struct rill_engine *e, struct tcb *c, bool syn);

#endif
