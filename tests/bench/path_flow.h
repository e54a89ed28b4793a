/* path_flow.h - bulk transfers between the two hosts of a path_world, rill's and the kernel's alike. */
#ifndef PATH_FLOW_H
#define PATH_FLOW_H

#include "path_world.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* k: kernel of A to kernel of B.  r: rill to kernel of B.  R: kernel of B to rill. */
#define PATH_FLOW_KINDS "krR"

struct path_flow {
    _Atomic uint64_t bytes; /* that the receiving application has got */
    int listener, sender;   /* descriptors of the kernel's or rill's, before the start */
    unsigned delay_ms;      /* after which it opens */
    struct sockaddr_in to;  /* where the sender connects */
    char kind;
    _Atomic bool broken; /* a call failed */
};

/* Makes both ends, each in its namespace, the kernel's with CUBIC; rill is started if it has one. */
void path_flow_prepare(struct path_flow *flow, const struct path_world *world, unsigned number);

/* From now on it sends until the process ends. */
void path_flow_start(struct path_flow *flow);

/* What was sent again by the kernel's sender; 0 for rill's, whose counters tell. */
uint64_t path_flow_resent(const struct path_flow *flow);

#endif
