/* cc.h - congestion control as a small table of functions.  Rank 3.
 *
 * An algorithm is one file with one table, and a line in RILL_CCS and in cc_table.c.  When to slow down is
 * tcp_recovery.c's decision; by how much, and how to grow, is the algorithm's.  All in bytes.
 *
 * What an algorithm remembers lies in cc->state, CC_STATE_BYTES that are all zero when a connection begins to
 * send, and again after a pause of a second or more: zero must mean "nothing known". */
#ifndef RILL_CC_H
#define RILL_CC_H

#include "base.h"

#define CC_STATE_BYTES 160u

struct cc {
    const struct cc_ops *ops;
    void *state;             /* valid during each call below */
    uint32_t cwnd, ssthresh; /* ssthresh is CC_SSTHRESH_NONE until the first loss */
    uint32_t smss;
    bool hystart; /* slow start may end by delay (RFC 9406) */
};

#define CC_SSTHRESH_NONE (UINT32_MAX / 2) /* RFC 5681 3.1: arbitrarily high */

/* What an ACK of new data says. */
struct cc_ack {
    rill_time now_us;
    uint32_t acked_bytes; /* newly acknowledged, by SND.UNA: RFC 5681 3.1 */
    uint32_t rtt_us;      /* the sample of this ACK, 0: none */
    uint32_t srtt_us;     /* smoothed, 0: not known yet */
    uint64_t una, nxt;    /* SND.UNA after it, SND.NXT */
    bool timed_out;       /* slow start after a timeout: at most one SMSS for an ACK (RFC 3465 2.3) */
    bool validated;       /* the window was in use; if not, it must not grow (RFC 7661) */
};

enum cc_loss {
    CC_LOSS,    /* fast recovery begins */
    CC_ECN,     /* the network has marked instead (RFC 3168) */
    CC_TIMEOUT, /* the first timeout of a flight */
};

struct cc_ops {
    const char *name;
    /* New data was acknowledged outside of fast recovery: grow cc->cwnd. */
    void (*on_ack)(struct cc *cc, const struct cc_ack *ack);
    /* Data was lost while `flight` bytes were outstanding: returns the new ssthresh, at least 2 * SMSS.  The
     * caller sets ssthresh and cwnd (RFC 5681 3.1: after a timeout cwnd is 1 SMSS; else by PRR). */
    uint32_t (*on_loss)(struct cc *cc, uint32_t flight_bytes, enum cc_loss loss, rill_time now_us);
    /* What on_loss has remembered last was no loss; the caller restores cwnd and ssthresh.  NULL: nothing to
     * do. */
    void (*on_undo)(struct cc *cc);
};

#endif
