/* tcp_recovery.h - what is lost, and how fast to send.  RFC 5681, 6582, 6298 5, 6928; with SACK RFC 8985,
 * 9937, 6675 5, 3522, 4015; RFC 3168 6.1.2.  Rank 10.
 *
 * Decides by marking positions lost and by cwnd and ssthresh; tcp_output.c does the sending. */
#ifndef RILL_TCP_RECOVERY_H
#define RILL_TCP_RECOVERY_H

#include "tcp_rack.h"

/* The connection is established: the initial window. */
void recovery_start(struct tcb *c);

/* What is in flight is lost, all of it that has not arrived: a timeout, the window has opened again. */
void recovery_mark_flight(struct rill_engine *e, struct tcb *c, enum rill_why why);

/* How many bytes may be in the network before cwnd forbids new data (RFC 3042: more after duplicate ACKs). */
uint32_t recovery_allowance(const struct rill_engine *e, const struct tcb *c);

/* An acceptable ACK, after SND.UNA and the scoreboard were updated; `duplicate`: by RFC 5681 2. */
void recovery_ack(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg,
                  const struct ack_news *news, bool duplicate);

/* RFC 6298 5.4 to 5.6. */
void recovery_timeout(struct rill_engine *e, struct tcb *c);
/* RFC 8985 6.2 step 5: the reordering timer. */
void recovery_reorder_timeout(struct rill_engine *e, struct tcb *c);

/* [begin, end) was sent again. */
void recovery_resent(struct rill_engine *e, struct tcb *c, uint64_t begin, uint64_t end);

/* RFC 5681 4.1: nothing was sent for long. */
void recovery_idle(struct tcb *c);
void recovery_idle_restart(struct rill_engine *e, struct tcb *c);

#endif
