/* tune.h - how large a buffer has to be, from what passes through it.  Rank 1.
 *
 * A window limits the rate to window / RTT, and a buffer that is not larger than what one round trip delivers
 * may be what limits it.  So the buffer doubles when more than half of it has passed within one *minimum*
 * round trip: then it holds at least twice what the path delivers, which leaves room for a loss and its
 * repair.  With the smallest RTT and not the present one, a queue that the buffer itself has filled is no
 * reason for more of it.  And it doubles again only if the rate has risen since it did last: what does not
 * become faster with a larger buffer has another limit.
 *
 * Owns: a buffer never shrinks.  It does not know which buffer this is: the receiver counts what was read,
 * the sender what was acknowledged. */
#ifndef RILL_TUNE_H
#define RILL_TUNE_H

#include "base.h"

struct tune {
    rill_time since_us; /* begin of what is being measured, 0: nothing yet */
    uint64_t pos;       /* and the position then */
    uint64_t bytes_s;   /* the rate when the buffer has grown last, 0: never */
    uint32_t rtt_us;    /* and the minimum RTT then */
};

/* At now_us the stream has come to `pos`: the size that the buffer of `size` bytes should have now, never
 * less than that, nor more than `cap` unless it is already.  min_rtt_us 0: unknown. */
uint32_t tune_step(struct tune *t, rill_time now_us, uint32_t min_rtt_us, uint64_t pos, uint32_t size,
                   uint32_t cap);

#endif
