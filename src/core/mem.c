/* mem.c - the injected allocator, accounted and capped.
 *
 * Owns the invariant: used_bytes is the sum of the sizes handed out and not given back.  It keeps no list of
 * blocks: whoever gives one back says how large it is. */
#include "mem.h"

void *mem_alloc_raw(struct mem *mem, size_t size)
{
    ASSERT(size > 0);
    /* Said without a sum, because used_bytes + size might wrap. */
    if (mem->used_bytes > mem->cap_bytes || size > mem->cap_bytes - mem->used_bytes)
        return NULL;
    void *block = mem->alloc(mem->ctx, size);
    if (block)
        mem->used_bytes += size;
    return block;
}

void *mem_alloc(struct mem *mem, size_t size)
{
    void *block = mem_alloc_raw(mem, size);
    if (block)
        memset(block, 0, size);
    return block;
}

void mem_free(struct mem *mem, void *block, size_t size)
{
    ASSERT((block == NULL) == (size == 0));
    if (!block)
        return;
    ASSERT(size <= mem->used_bytes);
    mem->used_bytes -= size;
    mem->free(mem->ctx, block, size);
}
