/* hystart.c - see hystart.h.  The constants are those of RFC 9406 4.3. */
#include "hystart.h"

#define MIN_RTT_THRESH_US (4 * (uint32_t)MS)
#define MAX_RTT_THRESH_US (16 * (uint32_t)MS)
#define MIN_RTT_DIVISOR 8
#define N_RTT_SAMPLE 8
#define CSS_GROWTH_DIVISOR 4
#define CSS_ROUNDS 5
#define L 8 /* segments that an ACK may add; the RFC's advice for senders that do not pace */

static void css_end(struct hystart *h) { h->css_min_us = h->css_rounds = 0; }

/* Enough samples, and yet the least of them is well above that of the round before. */
static bool delay_grows(const struct hystart *h)
{
    uint32_t thresh_us =
        max_u32(MIN_RTT_THRESH_US, min_u32(h->last_min_us / MIN_RTT_DIVISOR, MAX_RTT_THRESH_US));
    return h->last_min_us != 0 && h->min_us >= h->last_min_us + thresh_us;
}

static void take_sample(struct hystart *h, uint32_t rtt_us)
{
    h->min_us = h->min_us == 0 ? rtt_us : min_u32(h->min_us, rtt_us);
    h->samples++;
    if (h->samples < N_RTT_SAMPLE)
        return;
    if (h->css_min_us == 0 && delay_grows(h))
        h->css_min_us = h->min_us;
    else if (h->min_us < h->css_min_us)
        css_end(h); /* it was jitter: slow start goes on */
}

/* The ACK that ends a round is for what was sent before the round: its sample was the last of it. */
static void next_round(struct hystart *h, uint64_t nxt)
{
    h->round_end = nxt;
    h->last_min_us = h->min_us;
    h->min_us = h->samples = 0;
    if (h->css_min_us != 0)
        h->css_rounds++;
}

void hystart_grow(struct hystart *h, struct cc *cc, const struct cc_ack *ack)
{
    /* RFC 5681 3.1 (2), and RFC 3465 2.3 after a timeout: SMSS for an ACK.  L segments are RFC 9406's. */
    bool watched = cc->hystart && cc->ssthresh == CC_SSTHRESH_NONE && !ack->timed_out;
    uint32_t step = min_u32(ack->acked_bytes, (watched ? L : 1) * cc->smss);
    if (!ack->validated)
        return; /* nor is a delay then of our making */
    if (watched && h->css_min_us != 0)
        step /= CSS_GROWTH_DIVISOR;
    cc->cwnd = (uint32_t)min_u64((uint64_t)cc->cwnd + step, CC_SSTHRESH_NONE);
    if (!watched)
        return;
    if (h->round_end == 0)
        next_round(h, ack->nxt);
    if (ack->rtt_us != 0)
        take_sample(h, ack->rtt_us);
    if (ack->una >= h->round_end)
        next_round(h, ack->nxt);
    if (h->css_rounds >= CSS_ROUNDS)
        cc->ssthresh = cc->cwnd;
}
