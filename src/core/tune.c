/* tune.c - see tune.h. */
#include "tune.h"

/* On a path of microseconds one read of a backlog would look like a rate: it is averaged over at least this.
 */
#define PERIOD_US (5 * MS)

static void begin(struct tune *t, rill_time now_us, uint64_t pos)
{
    t->since_us = now_us;
    t->pos = pos;
}

/* Whether a larger buffer may still help: the last growth has, or it was for another path. */
static bool worth_it(const struct tune *t, uint64_t bytes_s, uint32_t min_rtt_us)
{
    return bytes_s >= t->bytes_s + t->bytes_s / 8 || min_rtt_us > t->rtt_us + t->rtt_us / 4;
}

uint32_t tune_step(struct tune *t, rill_time now_us, uint32_t min_rtt_us, uint64_t pos, uint32_t size,
                   uint32_t cap)
{
    uint64_t passed = min_u64(pos - t->pos, UINT32_MAX), took_us = now_us - t->since_us, bytes_s;
    if (t->since_us == 0 || min_rtt_us == 0) {
        begin(t, now_us, pos);
        return size;
    }
    if (took_us < max_u64(min_rtt_us, PERIOD_US))
        return size;
    begin(t, now_us, pos);
    if (size >= cap || 2 * (passed * min_rtt_us / took_us) <= size)
        return size;
    bytes_s = passed * SEC / took_us;
    if (!worth_it(t, bytes_s, min_rtt_us))
        return size;
    t->bytes_s = bytes_s;
    t->rtt_us = min_rtt_us;
    return (uint32_t)min_u64(cap, 2 * (uint64_t)size);
}
