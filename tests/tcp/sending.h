/* sending.h - for tests of what a sender does: segments of one size, counted from 0.
 *
 * Segment k holds the octets 1 + k * SMSS to (k + 1) * SMSS.  `ack k` acknowledges the k segments before it,
 * so that it asks for segment k. */
#ifndef SENDING_H
#define SENDING_H

#include "script.h"

#define SMSS 1460u
#define PLENTY (150 * SMSS) /* more than any test here sends: no segment carries PSH */
#define RTO (200 * MS)      /* after a handshake that took no time, by the floor */

static inline unsigned int start_of(unsigned int k) { return 1 + k * SMSS; }

#define out_segments(t, first, n) segments_left(RIG_AT(t), first, n)
static inline void segments_left(struct rig *t, unsigned int first, unsigned int n)
{
    for (unsigned int k = first; k < first + n; k++)
        rig_out(t, ". %u:%u(%u) ack 1", start_of(k), start_of(k + 1), SMSS);
}

#define out_segment_at(t, us, k) out_at(t, us, ". %u:%u(%u) ack 1", start_of(k), start_of((k) + 1), SMSS)

#define ack(t, k) in(t, ". 1:1(0) ack %u", start_of(k))

/* n duplicate ACKs that ask for segment k, and nothing leaves. */
#define acks_in_vain(t, k, n) silent_acks(RIG_AT(t), k, n)
static inline void silent_acks(struct rig *t, unsigned int k, unsigned int n)
{
    while (n-- > 0) {
        rig_in(t, true, ". 1:1(0) ack %u", start_of(k));
        rig_out_none(t);
    }
}

/* In segments. */
#define expect_window(t, cwnd, ssthresh) window_is(RIG_AT(t), (cwnd)*SMSS, (ssthresh)*SMSS)
static inline void window_is(struct rig *t, uint32_t cwnd, uint32_t ssthresh)
{
    const struct cc *cc = &t->peer[0].c->cc;
    if (cc->cwnd != cwnd || cc->ssthresh != ssthresh)
        rig_fail(t, "expected cwnd %u, ssthresh %u; got %u, %u", cwnd, ssthresh, cc->cwnd, cc->ssthresh);
}

/* ESTABLISHED with ten segments, the initial window, in flight and plenty behind them. */
static inline struct rig *ten_in_flight(const struct rig_setup *setup)
{
    struct rig *t = rig_established(setup);
    app_write(t, PLENTY);
    out_segments(t, 0, 10);
    return t;
}

#endif
