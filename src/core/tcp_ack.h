/* tcp_ack.h - the sending half hears from its peer: acknowledgement and window.  RFC 9293 3.10.7.4 fifth; RFC
 * 5961 5.  Rank 11. */
#ifndef RILL_TCP_ACK_H
#define RILL_TCP_ACK_H

#include "tcp_rcv.h"

/* RFC 9293 3.10.7.4, fifth: check the ACK field.  GONE if the acknowledgement of our FIN ended the
 * connection. */
enum tcp_verdict tcp_process_ack(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg);

/* The SYN of c was acknowledged and the peer's SYN is known: SYN-SENT or SYN-RECEIVED becomes ESTABLISHED
 * (FIN-WAIT-1 if the application has closed meanwhile). */
void tcp_establish(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg);

#endif
