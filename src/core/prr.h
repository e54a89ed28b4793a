/* prr.h - Proportional Rate Reduction: how much may leave for each ACK while losses are repaired.  RFC 9937
 * (RFC 6937 3).  Rank 1.
 *
 * Pure: three counters.  Nothing is sent by it; its result plus what is in the network is the congestion
 * window until the recovery ends. */
#ifndef RILL_PRR_H
#define RILL_PRR_H

#include "base.h"

struct prr {
    uint32_t delivered;  /* prr_delivered: bytes that have arrived since recovery began */
    uint32_t out;        /* prr_out: bytes sent since */
    uint32_t recover_fs; /* RecoverFS: bytes outstanding when it began, at least 1 */
};

/* Recovery begins with this much outstanding, what its first ACK delivers included. */
void prr_start(struct prr *prr, uint32_t recover_fs);

/* An ACK has delivered `delivered` bytes and `pipe` are left in the network: how many may leave now.  `safe`:
 * it has moved SND.UNA and told of no new loss. */
uint32_t prr_ack(struct prr *prr, uint32_t delivered, uint32_t pipe, uint32_t ssthresh, uint32_t smss,
                 bool safe);

static inline void prr_sent(struct prr *prr, uint32_t bytes) { prr->out += bytes; }

#endif
