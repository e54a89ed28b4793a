/* cc_cubic.c - CUBIC: RFC 9438, whose names and section numbers stand here.
 *
 * Windows are bytes and times microseconds.  A window is below 2^31 and an SMSS below 2^16; each product says
 * how large it can be.  "Stage" is what the RFC calls a congestion avoidance stage: it begins with the first
 * ACK at or above ssthresh, and ends with a loss or when cwnd is below ssthresh again. */
#include "cc_cubic.h"

#include "hystart.h"

#define MAX_T_US (1u << 30) /* from K, 18 minutes: the function has left every window behind */
#define EST_SHIFT 12        /* W_est is in 1/4096 of a byte: 1e5 ACKs round off 25 bytes */

struct curve {
    uint64_t w_est; /* 0: no stage has begun */
    uint64_t t_us;  /* the time in this stage in which cwnd could grow */
    uint32_t k_us;
    uint32_t w_max;      /* 0: not known, or no matter since a timeout */
    uint32_t cwnd_prior; /* 0: no loss yet */
    uint32_t rest;       /* what the last division by cwnd has left over */
};

struct cubic {
    struct curve now, before_loss;
    rill_time ack_us; /* the last ACK */
    struct hystart hystart;
};
_Static_assert(sizeof(struct cubic) <= CC_STATE_BYTES, "there is room for it");

/* The cube root of less than 2^63, rounded down: bit by bit, as (2^21)^3 = 2^63. */
static uint32_t cube_root(uint64_t cube)
{
    uint64_t root = 0;
    for (uint64_t bit = 1u << 20; bit != 0; bit >>= 1)
        if ((root | bit) * (root | bit) * (root | bit) <= cube)
            root |= bit;
    return (uint32_t)root;
}

/* K^3 = rise / C, which is 5 / 2 rise / smss s^3.  Three more bits of the quotient are one more of the root:
 * the root gets 20 at least, an error below 1e-6. */
uint32_t cubic_k_us(uint32_t rise_bytes, uint32_t smss)
{
    uint64_t dividend = 5 * (uint64_t)rise_bytes, divisor = 2 * (uint64_t)smss;
    uint64_t quotient = dividend / divisor, remainder = dividend % divisor;
    unsigned int shift = 0;
    if (rise_bytes == 0)
        return 0;
    for (; quotient < 1ull << 60; shift++) {
        remainder <<= 3;
        quotient = quotient << 3 | remainder / divisor;
        remainder %= divisor;
    }
    return (uint32_t)(cube_root(quotient) * SEC >> shift); /* 2^21 * 2^20; K < 2^30 with the least SMSS */
}

/* 4.2: C (t - K)^3 + W_max, at least 0. */
static uint64_t w_cubic(const struct curve *curve, uint32_t smss, uint64_t t_us)
{
    bool convex = t_us >= curve->k_us;
    uint64_t d_us = min_u64(convex ? t_us - curve->k_us : curve->k_us - t_us, MAX_T_US);
    uint64_t cube = d_us * d_us / 1000000000 * d_us / 1000000; /* in 1e-3 s^3: 2^60, then 2^60, is 2^40 */
    uint64_t delta = cube * smss * 2 / 5000;                   /* C = 2 / 5: 2^57 */
    if (convex)
        return curve->w_max + delta;
    return curve->w_max - min_u64(delta, curve->w_max);
}

/* 4.2; after a timeout, and without any loss (4.8, 4.10), the function starts with its plateau.  So it does
 * where cwnd is beyond W_max already. */
static void stage_begin(struct curve *curve, const struct cc *cc)
{
    curve->w_max = max_u32(curve->w_max, cc->cwnd);
    curve->k_us = cubic_k_us(curve->w_max - cc->cwnd, cc->smss);
    curve->t_us = 0;
    curve->w_est = (uint64_t)cc->cwnd << EST_SHIFT;
}

/* 4.3: alpha = 3 (1 - beta) / (1 + beta) = 9 / 17 until W_est has reached cwnd_prior, then 1. */
static uint32_t reno_friendly(struct curve *curve, const struct cc *cc, uint32_t acked_bytes)
{
    uint64_t step = ((uint64_t)acked_bytes * cc->smss << EST_SHIFT) / cc->cwnd; /* 2^31 * 2^16 * 2^12 */
    bool slow = curve->w_est >> EST_SHIFT < curve->cwnd_prior;
    curve->w_est += slow ? step * 9 / 17 : step;
    return (uint32_t)min_u64(curve->w_est >> EST_SHIFT, CC_SSTHRESH_NONE);
}

/* 4.2, 4.4 and 4.5.  DEVIATES: the RFC adds (target - cwnd) / cwnd for each ACK, here it is for each SMSS
 * that is acknowledged: else delayed ACKs would halve the growth, and ACK division multiply it. DEVIATES: 4.3
 * sets cwnd to W_est; here never to less than it is, which an ACK gives no reason for. */
static void avoid(struct curve *curve, struct cc *cc, const struct cc_ack *ack)
{
    uint32_t acked_bytes = min_u32(ack->acked_bytes, cc->cwnd);
    uint32_t w_est = reno_friendly(curve, cc, acked_bytes);
    if (w_cubic(curve, cc->smss, curve->t_us) < w_est) {
        cc->cwnd = max_u32(cc->cwnd, w_est);
        return;
    }
    uint64_t target = w_cubic(curve, cc->smss, curve->t_us + ack->srtt_us);
    uint64_t most = min_u64(cc->cwnd + (uint64_t)cc->cwnd / 2, CC_SSTHRESH_NONE);
    target = max_u64(min_u64(target, most), cc->cwnd);
    uint64_t step = (target - cc->cwnd) * acked_bytes + curve->rest; /* 2^31 * 2^30 */
    curve->rest = (uint32_t)(step % cc->cwnd);
    cc->cwnd += (uint32_t)(step / cc->cwnd);
}

/* t must not include time in which cwnd could not grow (4.2, 5.8): between two ACKs it is counted if the
 * later one finds the window in use, and no more of it than two RTTs. */
static void cubic_on_ack(struct cc *cc, const struct cc_ack *ack)
{
    struct cubic *cubic = cc->state;
    struct curve *curve = &cubic->now;
    uint64_t gap_us = min_u64(ack->now_us - cubic->ack_us, 2 * (uint64_t)ack->srtt_us);
    cubic->ack_us = ack->now_us;
    if (!ack->validated)
        return;
    if (cc->cwnd < cc->ssthresh) {
        curve->w_est = 0;
        hystart_grow(&cubic->hystart, cc, ack);
        return;
    }
    if (curve->w_est == 0)
        stage_begin(curve, cc);
    else
        curve->t_us += gap_us;
    avoid(curve, cc, ack);
}

/* 4.6 with beta = 0.7 for all, 4.7 (fast convergence), 4.8 (timeout). */
static uint32_t cubic_on_loss(struct cc *cc, uint32_t flight_bytes, enum cc_loss loss, rill_time now_us)
{
    struct cubic *cubic = cc->state;
    struct curve *curve = &cubic->now;
    (void)now_us;
    cubic->before_loss = *curve;
    curve->w_est = 0;
    curve->cwnd_prior = cc->cwnd;
    if (loss == CC_TIMEOUT)
        curve->w_max = 0;
    else if (cc->cwnd < curve->w_max)
        curve->w_max = (uint32_t)((uint64_t)cc->cwnd * 17 / 20);
    else
        curve->w_max = cc->cwnd;
    return max_u32((uint32_t)((uint64_t)flight_bytes * 7 / 10), 2 * cc->smss);
}

/* 4.9.2. */
static void cubic_on_undo(struct cc *cc)
{
    struct cubic *cubic = cc->state;
    cubic->now = cubic->before_loss;
}

const struct cc_ops cc_cubic = {"cubic", cubic_on_ack, cubic_on_loss, cubic_on_undo};
