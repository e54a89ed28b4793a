/* ring.c - a byte ring addressed by absolute stream positions.
 *
 * Owns the invariant: buf == NULL iff cap == 0.  Which bytes mean something is known to
 * the owner only. */
#include "ring.h"

#include <errno.h>

#define CAP_FIRST 4096u

/* The capacity is the owner's limit in the end, which need not be a power of two, hence the division. */
static inline uint32_t index_of(const struct ring *ring, uint64_t pos) { return (uint32_t)(pos % ring->cap); }

int ring_reserve(struct ring *ring, struct mem *mem, uint64_t begin, uint64_t end, uint32_t need,
                 uint32_t limit)
{
    ASSERT(need <= limit);
    ASSERT(begin <= end && end - begin <= ring->cap);
    if (need <= ring->cap)
        return 0;
    uint64_t cap = CAP_FIRST;
    while (cap < need)
        cap *= 2;
    struct ring bigger = {.cap = (uint32_t)min_u64(cap, limit)};
    bigger.buf = mem_alloc_raw(mem, bigger.cap);
    if (!bigger.buf)
        return -ENOMEM;

    struct rill_slice kept[2];
    ring_slices(ring, begin, (uint32_t)(end - begin), kept);
    ring_write(&bigger, begin, kept[0].data, kept[0].len);
    ring_write(&bigger, begin + kept[0].len, kept[1].data, kept[1].len);
    ring_free(ring, mem);
    *ring = bigger;
    return 0;
}

void ring_free(struct ring *ring, struct mem *mem)
{
    mem_free(mem, ring->buf, ring->cap);
    *ring = (struct ring){0};
}

void ring_slices(const struct ring *ring, uint64_t pos, uint32_t len, struct rill_slice out[2])
{
    ASSERT(len <= ring->cap);
    out[0] = out[1] = (struct rill_slice){ring->buf, 0};
    if (len == 0)
        return;
    uint32_t off = index_of(ring, pos);
    uint32_t first = min_u32(len, ring->cap - off);
    out[0] = (struct rill_slice){ring->buf + off, first};
    out[1].len = len - first;
}

void ring_write(struct ring *ring, uint64_t pos, const void *data, uint32_t len)
{
    ASSERT(len <= ring->cap);
    if (len == 0) /* data may be NULL then, which memcpy does not allow */
        return;
    uint32_t off = index_of(ring, pos);
    uint32_t first = min_u32(len, ring->cap - off);
    memcpy(ring->buf + off, data, first);
    memcpy(ring->buf, (const uint8_t *)data + first, len - first);
}

void ring_read(const struct ring *ring, uint64_t pos, void *data, uint32_t len)
{
    if (len == 0)
        return;
    struct rill_slice part[2];
    ring_slices(ring, pos, len, part);
    memcpy(data, part[0].data, part[0].len);
    memcpy((uint8_t *)data + part[0].len, part[1].data, part[1].len);
}
