/* cc.h - congestion control as a small table of functions.  Rank 3.
 *
 * An algorithm is one file with one table.  When to slow down is tcp_recovery.c's decision; by how much, and
 * how to grow, is the algorithm's.  All in bytes. */
#ifndef RILL_CC_H
#define RILL_CC_H

#include "base.h"

struct cc {
    const struct cc_ops *ops;
    uint32_t cwnd, ssthresh;
    uint32_t smss;
    uint32_t acked; /* counted towards the next step of congestion avoidance */
};

struct cc_ops {
    const char *name;
    /* New data was acknowledged outside of recovery: grow. */
    void (*on_ack)(struct cc *cc, uint32_t acked_bytes);
    /* Data was lost while `flight` bytes were outstanding: the new ssthresh. */
    uint32_t (*on_loss)(struct cc *cc, uint32_t flight_bytes);
};

#endif
