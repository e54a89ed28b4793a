/* seq.h - the only modular arithmetic of the core.  RFC 9293 3.4.
 *
 * Sequence numbers are 32 bits on the wire and 64 bits inside.  They are unwrapped where a segment comes in,
 * near a number that is known, and cut off again where it leaves.  In between `<` is `<`, and the RFC's
 * comparisons are written as they stand.  Initial numbers start at 2^32 + the random 32 bits, so that nothing
 * can go below 0. */
#ifndef RILL_SEQ_H
#define RILL_SEQ_H

#include <stdbool.h>
#include <stdint.h>

#define SEQ_BASE (1ull << 32)

/* The 64-bit number that is congruent to `wire` and nearest to `near`. */
static inline uint64_t seq_unwrap(uint64_t near, uint32_t wire)
{
    return near + (uint64_t)(int64_t)(int32_t)(wire - (uint32_t)near);
}

/* Whether a is later than b, for 32-bit counters that wrap: timestamps, and numbers kept in small records. */
static inline bool seq_after32(uint32_t a, uint32_t b) { return (int32_t)(a - b) > 0; }

#endif
