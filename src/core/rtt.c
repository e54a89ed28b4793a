/* rtt.c - the round-trip estimator and the retransmission timeout.  RFC 6298 2 and 5.5.
 *
 * Owns the invariants: srtt_8us is 0 before the first sample and never again; rto_us is above 0 and, after a
 * sample, within the bounds given then.  Which segments may be timed (Karn, RFC 6298 3) and what becomes of a
 * timeout of the SYN (5.7) is decided by the callers. */
#include "rtt.h"

#define SAMPLE_MAX_US (1u << 28)
#define GRANULARITY_US 1u
#define MIN_WINDOW_S 10u

/* A timeout of 2^32 us is longer than any max_us, and rto_us << 32 still fits in 64 bits. */
#define BACKOFF_MAX 32u

void rtt_init(struct rtt *rtt) { *rtt = (struct rtt){.rto_us = (uint32_t)SEC}; }

/* RFC 6298 2.2 and 2.3.  The means are rounded to the nearest eighth and quarter, so that they do not
 * drift. */
static void update_means(struct rtt *rtt, uint32_t r_us)
{
    if (rtt->srtt_8us == 0) {
        rtt->srtt_8us = 8 * r_us;
        rtt->rttvar_4us = 2 * r_us;
        return;
    }
    uint64_t r_8us = 8ull * r_us, srtt_8us = rtt->srtt_8us;
    uint64_t distance_8us = srtt_8us > r_8us ? srtt_8us - r_8us : r_8us - srtt_8us;
    /* RTTVAR is first, because it needs the old SRTT.  All the factors of the gains sum up to a division
     * by 8. */
    rtt->rttvar_4us = (uint32_t)((6ull * rtt->rttvar_4us + distance_8us + 4) / 8);
    rtt->srtt_8us = (uint32_t)((7 * srtt_8us + r_8us + 4) / 8);
}

void rtt_sample(struct rtt *rtt, uint64_t r_us, uint32_t min_us, uint32_t max_us)
{
    ASSERT(0 < min_us && min_us <= max_us);
    /* What took less than a tick of the clock counts as one tick: 0 would look like no sample at all. */
    uint32_t sample_us = (uint32_t)min_u64(max_u64(r_us, GRANULARITY_US), SAMPLE_MAX_US);
    update_means(rtt, sample_us);
    ASSERT(rtt->srtt_8us > 0);

    /* RFC 6298 2.3 with K = 4, so that K * RTTVAR is the field as it stands.  SRTT is rounded up: never too
     * early. Then 2.4 and 2.5. */
    uint32_t rto_us = (rtt->srtt_8us + 7) / 8 + max_u32(GRANULARITY_US, rtt->rttvar_4us);
    rtt->rto_us = min_u32(max_u32(rto_us, min_us), max_us);
    rtt->backoff = 0;
}

void rtt_min(struct rtt *rtt, uint64_t r_us, rill_time now_us)
{
    uint32_t r = (uint32_t)min_u64(max_u64(r_us, GRANULARITY_US), SAMPLE_MAX_US);
    uint16_t now_s = (uint16_t)(now_us / SEC);
    if (rtt->min_us == 0 || r <= rtt->min_us || (uint16_t)(now_s - rtt->min_s) > MIN_WINDOW_S) {
        rtt->min_us = r;
        rtt->min_s = now_s;
    }
}

void rtt_back_off(struct rtt *rtt)
{
    if (rtt->backoff < BACKOFF_MAX)
        rtt->backoff++;
}

uint64_t rtt_rto_us(const struct rtt *rtt, uint32_t max_us)
{
    ASSERT(rtt->rto_us > 0 && rtt->backoff <= BACKOFF_MAX);
    return min_u64((uint64_t)rtt->rto_us << rtt->backoff, max_us);
}
