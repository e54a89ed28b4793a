/* cc_reno.c - the congestion control of RFC 5681. */
#include "cc_reno.h"

#include "hystart.h"

struct reno {
    struct hystart hystart;
    uint32_t acked; /* bytes counted towards the next step of congestion avoidance */
};
_Static_assert(sizeof(struct reno) <= CC_STATE_BYTES, "there is room for it");

/* RFC 5681 3.1: slow start below ssthresh; congestion avoidance counts acknowledged bytes and adds SMSS when
 * they make a window (the RECOMMENDED way, RFC 3465 2.1). */
static void reno_on_ack(struct cc *cc, const struct cc_ack *ack)
{
    struct reno *reno = cc->state;
    if (!ack->validated)
        return;
    if (cc->cwnd < cc->ssthresh) {
        hystart_grow(&reno->hystart, cc, ack);
        return;
    }
    reno->acked += ack->acked_bytes;
    if (reno->acked >= cc->cwnd) {
        reno->acked -= cc->cwnd;
        cc->cwnd += cc->smss;
    }
}

/* RFC 5681 3.1 (4): FlightSize, not cwnd. */
static uint32_t reno_on_loss(struct cc *cc, uint32_t flight_bytes, enum cc_loss loss, rill_time now_us)
{
    struct reno *reno = cc->state;
    (void)loss;
    (void)now_us;
    reno->acked = 0;
    return max_u32(flight_bytes / 2, 2 * cc->smss);
}

const struct cc_ops cc_reno = {"reno", reno_on_ack, reno_on_loss, NULL};
