/* tcp_timeout.h - what happens when a timer of a connection expires.  RFC 9293 3.8.3, 3.8.4, 3.8.6.1, 3.10.8;
 * RFC 6298 5.  Rank 11. */
#ifndef RILL_TCP_TIMEOUT_H
#define RILL_TCP_TIMEOUT_H

#include "engine.h"

/* Everything of c that is due by now.  c may be gone afterwards.  Changes numbers only; the output function
 * sends. */
void tcp_timeout(struct rill_engine *e, struct tcb *c);

#endif
