/* reass_world.h - what the tests of reassembly begin with. */
#ifndef REASS_WORLD_H
#define REASS_WORLD_H

#include "test.h"

#include "heap.h"
#include "prng.h"
#include "reass.h"
#include "wire_model.h"

#define PAYLOAD_MAX 65515u

/* What every test begins with: a table, an allocator, and a payload of random bytes. */
struct world {
    struct reass r;
    struct test_heap heap;
    struct mem mem;
    rill_time now_us;
    struct rill_packet whole;
    uint8_t payload[65536];
};

static inline int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    struct prng prng = prng_seed(8);
    prng_fill(&prng, w->payload, sizeof(w->payload));
    w->mem = test_heap_mem(&w->heap, SIZE_MAX);
    w->now_us = 5 * SEC;
    reass_init(&w->r);
    *state = w;
    return 0;
}

static inline int tear_down(void **state)
{
    struct world *w = *state;
    reass_free(&w->r, &w->mem);
    assert_int_equal(w->heap.live_blocks, 0);
    assert_int_equal(w->mem.used_bytes, 0);
    free(w);
    return 0;
}

/* A fragment: where, how long, whether more follow, of which datagram, and in a header of how many words. */
struct fragment {
    uint32_t off, len;
    bool more;
    uint16_t id;
    uint32_t ihl;
};

/* Gives a whole datagram to reass_add through ip4_parse, in an exact heap copy. */
static inline enum rill_event give_bytes(struct world *w, const uint8_t *data, size_t len)
{
    struct ip4 ip;
    size_t third = 60 + (len > 60 ? (len - 60) / 3 : 0);
    struct rill_packet packet = len > 60 ? model_packet_split(data, 60, third, len) : model_packet(data, len);
    assert_int_equal(ip4_parse(&packet, &ip), IP4_OK);
    memset(&w->whole, 0, sizeof(w->whole));
    enum rill_event event = reass_add(&w->r, &w->mem, &packet, &ip, w->now_us, &w->whole);
    model_packet_free(&packet);
    assert_true(w->heap.live_bytes <= REASS_BYTES_MAX);
    return event;
}

static inline size_t make(const struct world *w, const struct fragment *f, uint8_t *data)
{
    uint32_t ihl = f->ihl ? f->ihl : 5;
    model_ip(data, ihl, ihl * 4 + f->len, f->id, f->off / 8 + (f->more ? 0x2000 : 0), 17);
    memcpy(data + (size_t)ihl * 4, w->payload + f->off, f->len);
    return (size_t)ihl * 4 + f->len;
}

static inline enum rill_event give(struct world *w, struct fragment f)
{
    static uint8_t data[65536];
    assert_true(f.off % 8 == 0 && f.off + f.len <= sizeof(w->payload));
    return give_bytes(w, data, make(w, &f, data));
}

/* The whole is there, `len` bytes of payload behind a header without options that says so. */
static inline void assert_whole(const struct world *w, uint32_t len, uint32_t id)
{
    uint8_t expected[20];
    model_ip(expected, 5, 20 + len, id, 0, 17);
    assert_int_equal(w->whole.head.len, 20 + len);
    assert_int_equal(w->whole.body[0].len + w->whole.body[1].len, 0);
    assert_int_equal(w->whole.csum, RILL_CSUM_VERIFY);
    assert_memory_equal(w->whole.head.data, expected, 20);
    assert_memory_equal(w->whole.head.data + 20, w->payload, len);
}

static inline void assert_nothing_held(struct world *w)
{
    reass_release(&w->r, &w->mem);
    assert_int_equal(w->heap.live_blocks, 0);
    assert_int_equal(reass_deadline(&w->r), RILL_NEVER);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
