/* cc_reno.c - the congestion control of RFC 5681. */
#include "cc_reno.h"

/* RFC 5681 3.1: slow start adds min(N, SMSS) for each ACK of N new bytes (2); congestion avoidance counts
 * acknowledged bytes and adds SMSS when they make a window (the RECOMMENDED way, RFC 3465 2.1). */
static void reno_on_ack(struct cc *cc, uint32_t acked_bytes)
{
    if (cc->cwnd < cc->ssthresh) {
        cc->cwnd += min_u32(acked_bytes, cc->smss);
        return;
    }
    cc->acked += acked_bytes;
    if (cc->acked >= cc->cwnd) {
        cc->acked -= cc->cwnd;
        cc->cwnd += cc->smss;
    }
}

/* RFC 5681 3.1 (4): FlightSize, not cwnd. */
static uint32_t reno_on_loss(struct cc *cc, uint32_t flight_bytes)
{
    cc->acked = 0;
    return max_u32(flight_bytes / 2, 2 * cc->smss);
}

const struct cc_ops cc_reno = {"reno", reno_on_ack, reno_on_loss};
