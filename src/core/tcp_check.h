/* tcp_check.h - every invariant of a TCB as a check that names what is broken.  Rank 6. */
#ifndef RILL_TCP_CHECK_H
#define RILL_TCP_CHECK_H

#include "tcp.h"

/* NULL if all is well, else the invariant that does not hold, as a sentence. */
const char *tcp_check(const struct tcb *c);

#endif
