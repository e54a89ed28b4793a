/* bare_engine.h - an engine without stack.c, for tests of the files below it: made of its parts, with a clock
 * that the test sets and an allocator that counts. */
#ifndef BARE_ENGINE_H
#define BARE_ENGINE_H

#include "engine.h"
#include "heap.h"
#include "reply.h"
#include "test.h"

#define OUR_ADDR 0x0a4d0002u  /* 10.77.0.2 */
#define PEER_ADDR 0x0a4d0001u /* 10.77.0.1 */

struct bare {
    struct test_heap heap;
    struct rill_engine e;
};

static inline void bare_init(struct bare *b, uint32_t mtu)
{
    *b = (struct bare){0};
    struct rill_engine *e = &b->e;
    e->config = (struct rill_config){
        .addr = OUR_ADDR,
        .prefix_len = 24,
        .mtu = mtu,
        .ttl = 64,
        .max_conns = 1000,
        .msl_us = 30 * SEC,
        .rto_min_us = 200 * MS,
        .rto_max_us = 120 * SEC,
    };
    e->mem = test_heap_mem(&b->heap, 1 << 24);
    e->now_us = 5 * SEC;
    e->isn_key = (struct siphash_key){1, 2};
    e->port_key = (struct siphash_key){3, 4};
    e->id_key = (struct siphash_key){5, 6};
    assert_int_equal(conns_init(&e->conns, &e->mem, (struct siphash_key){7, 8}), 0);
    reass_init(&e->reass);
}

/* Every connection must be gone.  Nothing may be left in the allocator. */
static inline void bare_end(struct bare *b)
{
    reply_free(&b->e);
    reass_free(&b->e.reass, &b->e.mem);
    conns_free(&b->e.conns, &b->e.mem);
    assert_int_equal(b->e.mem.used_bytes, 0);
    assert_int_equal(b->heap.live_blocks, 0);
}

/* How much all DROP_ counters together have counted. */
static inline uint64_t bare_drops(const struct rill_engine *e)
{
    uint64_t sum = 0;
    for (int i = RILL_DROP_IP_SHORT; i < RILL_EVENT_COUNT; i++)
        sum += e->counter[i];
    return sum;
}

#endif
