/* rtt.h - the round-trip estimator and the retransmission timeout.  RFC 6298.  Rank 1.
 *
 * Fixed point: srtt in eighths, rttvar in quarters of a microsecond, as Jacobson did it, so that the gains of
 * 1/8 and 1/4 lose nothing. */
#ifndef RILL_RTT_H
#define RILL_RTT_H

#include "base.h"

struct rtt {
    uint32_t srtt_8us;   /* 8 x SRTT, 0 before the first sample */
    uint32_t rttvar_4us; /* 4 x RTTVAR */
    uint32_t rto_us;     /* the timeout without backoff */
    uint32_t min_us;     /* the shortest round trip of the last ten seconds or so, 0: none (RFC 8985 6.2) */
    uint16_t min_s;      /* when it was measured, low bits of the clock in seconds */
    uint8_t backoff;     /* how many times it is doubled now */
};

/* RFC 6298 2.1: 1 second until the first sample. */
void rtt_init(struct rtt *rtt);

/* RFC 6298 2.2, 2.3, with G = 1 us; also ends the backoff (5.7's note: a new sample).  r_us < 2^28 is taken
 * as is, larger ones as 2^28.  The result is kept within [min_us, max_us]. */
void rtt_sample(struct rtt *rtt, uint64_t r_us, uint32_t min_us, uint32_t max_us);

/* A round trip of something that was sent once: keeps the shortest one. */
void rtt_min(struct rtt *rtt, uint64_t r_us, rill_time now_us);

/* RFC 6298 5.5. */
void rtt_back_off(struct rtt *rtt);

/* The timeout to arm now: rto_us doubled `backoff` times, at most max_us. */
uint64_t rtt_rto_us(const struct rtt *rtt, uint32_t max_us);

/* SRTT, RTTVAR in microseconds. */
static inline uint32_t rtt_srtt_us(const struct rtt *rtt) { return rtt->srtt_8us >> 3; }
static inline uint32_t rtt_var_us(const struct rtt *rtt) { return rtt->rttvar_4us >> 2; }

#endif
