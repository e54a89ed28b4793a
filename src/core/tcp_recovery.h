/* tcp_recovery.h - what was lost, and how fast to go on.  RFC 5681 3, RFC 6582, RFC 3042, RFC 6928.  Rank 10.
 *
 * There is one way to retransmit: mark a range lost.  This file decides which, and what it does to cwnd;
 * tcp_output.c sends it. */
#ifndef RILL_TCP_RECOVERY_H
#define RILL_TCP_RECOVERY_H

#include "engine.h"

/* The connection is established: initial window, and RFC 6298 5.7. */
void recovery_start(struct tcb *c);
/* The ACK moved SND.UNA by acked bytes.  True if the retransmission timer is to be restarted (RFC 6582 3.2:
 * not by the second and later partial ACKs). */
bool recovery_new_ack(struct rill_engine *e, struct tcb *c, uint32_t acked_bytes);
/* A duplicate ACK by RFC 5681 2. */
void recovery_dup_ack(struct rill_engine *e, struct tcb *c);
/* The retransmission timer expired: RFC 5681 3.1, RFC 6298 5.4, 5.5. */
void recovery_timeout(struct rill_engine *e, struct tcb *c);
/* New data is about to be sent after a pause (RFC 5681 4.1). */
void recovery_idle_restart(struct rill_engine *e, struct tcb *c);
/* Nothing is in flight, and when data was sent last is about to be forgotten: the restart window now. */
void recovery_idle(struct tcb *c);
/* How much may be in the network now: cwnd, and two segments more during limited transmit (RFC 3042). */
uint32_t recovery_allowance(const struct tcb *c);
/* Everything in flight is to be sent again: the peer's window has opened after probes, or shrank away. */
void recovery_mark_flight(struct rill_engine *e, struct tcb *c, enum rill_why why);

#endif
