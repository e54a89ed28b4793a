/* orphans.h - connections of the kernel whose other end, the stack, is no more. */
#ifndef RILL_ORPHANS_H
#define RILL_ORPHANS_H

#include <netinet/in.h>

/* Aborts the kernel's TCP connections with `peer` in this network namespace, so that nobody waits for them.
 * Where the kernel cannot (CONFIG_INET_DIAG_DESTROY), nothing happens. */
void orphans_abort(struct in_addr peer);

#endif
