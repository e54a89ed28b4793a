/* ring.h - a byte ring addressed by absolute stream positions.  Rank 1.
 *
 * The ring knows its memory only.  Which positions are in use, [begin, end), is its owner's business: for
 * sending [SND.UNA, end of what was written), for receiving [first unread byte, right edge of the window).
 * Position p is stored at index p % cap.  Owns the invariant: buf == NULL iff cap == 0. */
#ifndef RILL_RING_H
#define RILL_RING_H

#include "mem.h"

struct ring {
    uint8_t *buf;
    uint32_t cap; /* bytes */
};

/* Makes room for at least `need` bytes while [begin, end) keeps its content: the capacity doubles from 4 KiB
 * until it holds `need`, but is not made larger than `limit` (which is >= need).  0 or -ENOMEM, then nothing
 * has changed. */
int ring_reserve(struct ring *ring, struct mem *mem, uint64_t begin, uint64_t end, uint32_t need,
                 uint32_t limit);

/* Frees the memory. */
void ring_free(struct ring *ring, struct mem *mem);

/* Copies len bytes in at pos, or out of it.  0 <= len <= cap. */
void ring_write(struct ring *ring, uint64_t pos, const void *data, uint32_t len);
void ring_read(const struct ring *ring, uint64_t pos, void *data, uint32_t len);

/* The bytes [pos, pos + len) in place, as one or two slices (the second may be empty). */
void ring_slices(const struct ring *ring, uint64_t pos, uint32_t len, struct rill_slice out[2]);

#endif
