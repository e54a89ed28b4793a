/* heap.c - the allocator that tests inject. */
#include "heap.h"

#include <stdio.h>
#include <stdlib.h>

#define MAGIC_LIVE 0x6c697665626c6f63u
#define FRESH 0xa5
#define GONE 0xdd

/* In front of each block.  The block ends where malloc's does, so that AddressSanitizer sees any overrun. */
struct head {
    _Alignas(max_align_t) uint64_t magic;
    size_t size;
};

static void distrust(const char *why, size_t size)
{
    fprintf(stderr, "test heap: %s (%zu bytes)\n", why, size);
    abort();
}

void *test_heap_alloc(void *ctx, size_t size)
{
    struct test_heap *heap = ctx;
    heap->calls++;
    heap->last_size = size;
    if (size == 0)
        distrust("an allocation of nothing", size);
    if (heap->fail_all || (heap->fail_nth && --heap->fail_nth == 0) || size > SIZE_MAX - sizeof(struct head))
        return NULL;
    struct head *head = malloc(sizeof(*head) + size);
    if (!head)
        return NULL;
    *head = (struct head){MAGIC_LIVE, size};
    memset(head + 1, FRESH, size);
    heap->live_blocks++;
    heap->live_bytes += size;
    if (heap->peak_bytes < heap->live_bytes)
        heap->peak_bytes = heap->live_bytes;
    return head + 1;
}

void test_heap_free(void *ctx, void *block, size_t size)
{
    struct test_heap *heap = ctx;
    if (!block)
        distrust("NULL freed", size);
    struct head *head = (struct head *)block - 1;
    if (head->magic != MAGIC_LIVE)
        distrust("freed twice, or never allocated", size);
    if (head->size != size)
        distrust("freed with another size than it was allocated with", size);
    heap->live_blocks--;
    heap->live_bytes -= size;
    memset(head, GONE, sizeof(*head) + size);
    __asm__ volatile("" : : "r"(head) : "memory"); /* else the compiler drops stores before free() */
    free(head);
}

struct mem test_heap_mem(struct test_heap *heap, size_t cap_bytes)
{
    return (struct mem){
        .alloc = test_heap_alloc, .free = test_heap_free, .ctx = heap, .cap_bytes = cap_bytes};
}
