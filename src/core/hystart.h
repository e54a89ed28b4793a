/* hystart.h - slow start, for every congestion control: RFC 5681 3.1, and HyStart++ (RFC 9406) when the
 * connection wants it (cc->hystart).  Rank 4.
 *
 * HyStart++ watches only the first slow start, as long as there is no ssthresh.  A round trip whose least RTT
 * is well above that of the round before tells that a queue builds up: then the window grows at a quarter of
 * the pace (conservative slow start, CSS), and unless the RTT falls again, five rounds later slow start ends
 * without a loss.  What happens after a loss is not decided here. */
#ifndef RILL_HYSTART_H
#define RILL_HYSTART_H

#include "cc.h"

/* All zero: not started.  RFC 9406 4.2 has the variables; its infinity is 0 here. */
struct hystart {
    uint64_t round_end;           /* the round is over when SND.UNA gets here: windowEnd */
    uint32_t last_min_us, min_us; /* the least RTT of the round before, and of this one */
    uint32_t samples;             /* of this round */
    uint32_t css_min_us;          /* min_us when CSS began, 0: not in CSS; cssBaselineMinRtt */
    uint32_t css_rounds;          /* that CSS has lasted, the one in which it began counts */
};

/* One ACK in slow start, which is while cwnd < ssthresh: grows cwnd, beyond ssthresh by less than one SMSS.
 * Sets ssthresh to cwnd when HyStart++ ends slow start. */
void hystart_grow(struct hystart *h, struct cc *cc, const struct cc_ack *ack);

#endif
