/* tcp_timer.h - every timer of a connection, by the event that moves it; no other file touches a timer.
 * Rank 8.
 *
 *   XMIT    RFC 6298 5.1: started when something is sent and it is off.  5.3: restarted when new data is
 *           acknowledged.  5.2: off when all is.  With nothing in flight and data that waits for the peer's
 *           window it is the persist timer of RFC 9293 3.8.6.1, or the override of 3.8.6.2.1.
 *           RFC 8985 8: RACK's reordering timer and PTO take its place (fl->xmit_kind).
 *   DELACK  started by in-order data that is not acknowledged at once; off when an ACK leaves.
 *   KEEP    while SO_KEEPALIVE is on: fires when the connection may have been idle long enough.
 *   LINGER  2*MSL in TIME-WAIT; FIN-WAIT-2 and other states after close: patience with the peer.
 *   PACE    the next segment may leave.
 *   RINGS   a second after the last byte left the rings. */
#ifndef RILL_TCP_TIMER_H
#define RILL_TCP_TIMER_H

#include "engine.h"

void timer_set(struct rill_engine *e, struct tcb *c, enum tcp_timer timer, rill_time at_us);
static inline void timer_stop(struct tcb *c, enum tcp_timer timer) { c->timer[timer] = RILL_NEVER; }
void timer_stop_all(struct tcb *c);

/* Something that occupies positions was sent. */
void timer_sent(struct rill_engine *e, struct tcb *c);
/* New data was acknowledged, and something is still in flight. */
void timer_restart(struct rill_engine *e, struct tcb *c);
/* Instead of the retransmission timer, but not later than that: RFC 8985 7.2, and 6.2 step 5. */
void timer_probe(struct rill_engine *e, struct tcb *c, rill_time at_us);
void timer_reorder(struct rill_engine *e, struct tcb *c, rill_time at_us);
/* And back: the retransmission timer for what is left of it. */
void timer_timeout_again(struct rill_engine *e, struct tcb *c);
/* Data waits for the window, and nothing is in flight. */
void timer_window_closed(struct rill_engine *e, struct tcb *c);
/* The ACK may wait. */
void timer_ack_owed(struct rill_engine *e, struct tcb *c);
/* The option or the state has changed. */
void timer_keepalive(struct rill_engine *e, struct tcb *c);
/* A ring has become empty. */
void timer_rings(struct rill_engine *e, struct tcb *c);

/* When the connection is given up if nothing is acknowledged: since_us + R2 (MUST-20, MUST-23,
 * TCP_USER_TIMEOUT). */
rill_time timer_r2(const struct rill_engine *e, const struct tcb *c);

#endif
