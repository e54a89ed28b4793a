/* heap.h - the allocator that tests inject: it counts, can be told to fail, and distrusts its caller.
 *
 * New memory is filled with 0xa5 and freed memory with 0xdd, so that nobody lives on zeroes by luck or reads
 * what is gone.  A block that comes back with another size than it was given, or twice, ends the program with
 * a message. */
#ifndef HEAP_H
#define HEAP_H

#include "mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct test_heap {
    size_t live_blocks, live_bytes, peak_bytes; /* outstanding now; the most there were */
    uint64_t calls;                             /* allocations asked for, failed ones included */
    size_t last_size;                           /* what the last of them asked for */
    uint64_t fail_nth;                          /* 1: the next allocation fails, 2: the one after; 0: none */
    bool fail_all;
};

/* These have the signatures of struct rill_config's alloc and free; ctx is a struct test_heap, zero to begin
 * with. */
void *test_heap_alloc(void *ctx, size_t size);
void test_heap_free(void *ctx, void *block, size_t size);

/* A core allocator on top of it. */
struct mem test_heap_mem(struct test_heap *heap, size_t cap_bytes);

#endif
