/* mem.h - the injected allocator, accounted and capped.  Rank 1.
 *
 * Running out is an answer: the caller drops, refuses or says -ENOBUFS, and counts it. */
#ifndef RILL_MEM_H
#define RILL_MEM_H

#include "base.h"

struct mem {
    void *(*alloc)(void *ctx, size_t size);
    void (*free)(void *ctx, void *block, size_t size);
    void *ctx;
    size_t used_bytes, cap_bytes;
};

/* A block of zeroes, or NULL when the allocator or the cap refuses. */
void *mem_alloc(struct mem *mem, size_t size);

/* As mem_alloc, but the content is undefined: for rings and buffers. */
void *mem_alloc_raw(struct mem *mem, size_t size);

/* Gives a block back; `size` is what was asked for.  NULL is allowed with size 0. */
void mem_free(struct mem *mem, void *block, size_t size);

#endif
