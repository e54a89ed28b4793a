/* ranges.h - a set of positions, kept as sorted, disjoint, non-adjacent intervals [begin, end).  Rank 1.
 *
 * One structure serves out-of-order reassembly and the marks of the retransmission scoreboard.  At most
 * RANGES_MAX intervals: a peer that leaves more holes than that is attacking (CVE-2018-5390, CVE-2019-11478).
 */
#ifndef RILL_RANGES_H
#define RILL_RANGES_H

#include "mem.h"

#define RANGES_MAX 1024u

struct range {
    uint64_t begin, end;
};

struct ranges {
    struct range *v; /* cap of them allocated, count used */
    uint16_t count, cap;
    uint32_t bytes; /* sum of the lengths */
};

/* Makes room for one more interval, which stays until ranges_clear: 0, -ENOMEM, -ENOSPC. */
int ranges_reserve(struct ranges *set, struct mem *mem);

/* Adds [begin, end), begin < end; merges what overlaps or touches.  0, -ENOMEM, or -ENOSPC if it would be one
 * interval too many; on error nothing has changed. */
int ranges_add(struct ranges *set, struct mem *mem, uint64_t begin, uint64_t end);

/* Takes [begin, end) out.  Splitting an interval may need memory: 0, -ENOMEM or -ENOSPC, then nothing has
 * changed. Cannot fail when no interval is split. */
int ranges_remove(struct ranges *set, struct mem *mem, uint64_t begin, uint64_t end);

/* Takes everything below pos out; never fails. */
void ranges_trim(struct ranges *set, uint64_t pos);

/* Whether [begin, end) is in the set as a whole; whether any of it is. */
bool ranges_cover(const struct ranges *set, uint64_t begin, uint64_t end);
bool ranges_touch(const struct ranges *set, uint64_t begin, uint64_t end);

/* The first part of [begin, end) that is in the set, and the first that is not; empty if there is none. */
struct range ranges_next(const struct ranges *set, uint64_t begin, uint64_t end);
struct range ranges_gap(const struct ranges *set, uint64_t begin, uint64_t end);

/* Forgets all and keeps the memory. */
void ranges_empty(struct ranges *set);

/* Forgets all and frees the memory. */
void ranges_clear(struct ranges *set, struct mem *mem);

/* Whether the structure is sound: sorted, disjoint, not adjacent, not empty, `bytes` right.  For tcp_check.
 */
bool ranges_sound(const struct ranges *set);

#endif
