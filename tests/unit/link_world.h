/* link_world.h - one emulated link with its allocator, and datagrams to send over it.  The datagrams are
 * built and read by the tests' own code (notation.h, wire_model.h). */
#ifndef LINK_WORLD_H
#define LINK_WORLD_H

#include "test.h"

#include "heap.h"
#include "link.h"
#include "link_parse.h"
#include "notation.h"
#include "wire_model.h"

#include <stdio.h>

struct link_world {
    struct test_heap heap;
    struct mem mem;
    struct link link;
};

#define START 7000000000u /* when the link begins: not 0, so that forgetting it shows */

static inline struct link_config link_config_of(const char *text)
{
    struct link_config config = {0};
    uint32_t column = 0;
    const char *error = link_parse(text, &config, &column);
    if (error)
        fail_msg("'%s' at column %u: %s", text, column, error);
    return config;
}

static inline void link_world_set(struct link_world *world, const char *text)
{
    struct link_config config = link_config_of(text);
    link_set(&world->link, &config);
}

static inline void link_world_begin(struct link_world *world, const char *text)
{
    *world = (struct link_world){0};
    world->mem = test_heap_mem(&world->heap, SIZE_MAX);
    link_init(&world->link, &world->mem, 0, START);
    link_world_set(world, text);
}

static inline void link_world_end(struct link_world *world)
{
    link_free(&world->link);
    assert_int_equal(world->heap.live_blocks, 0);
    assert_int_equal(world->mem.used_bytes, 0);
}

/* A TCP segment from port 40000 to `port` with text_len bytes of text that starts at seq. */
static inline uint32_t link_datagram(uint8_t *data, uint8_t flags, uint16_t port, uint32_t text_len)
{
    static struct datagram d;
    d = (struct datagram){.src = MODEL_PEER, .dst = MODEL_ADDR, .sport = 40000, .dport = port, .ttl = 64};
    d.seq = 1000;
    d.ack = flags & RILL_ACK ? 2000 : 0;
    d.flags = flags;
    d.win = 8192;
    d.text_len = text_len;
    for (uint32_t i = 0; i < text_len; i++)
        d.text[i] = pattern(i + 1, 0);
    return datagram_build(&d, data);
}

/* Pushes a data segment of `len` bytes in all, at `at_us` after the start. */
static inline struct link_fate link_world_push(struct link_world *world, uint32_t len, uint64_t at_us)
{
    static uint8_t data[65535];
    static uint32_t made;
    if (made != len)
        made = link_datagram(data, RILL_ACK, 7, len - 40);
    struct rill_packet packet = {.head = {data, len}};
    return link_push(&world->link, &packet, START + at_us);
}

/* Pops all that is queued, at its deadlines; how much.  when[] gets the times since the start of the first
 * max. */
static inline uint32_t link_world_drain(struct link_world *world, uint64_t *when, uint32_t max)
{
    struct rill_packet out;
    uint32_t count = 0;
    for (rill_time at = link_deadline(&world->link); at != RILL_NEVER; at = link_deadline(&world->link)) {
        assert_true(link_pop(&world->link, at, &out));
        if (count < max)
            when[count] = at - START;
        count++;
    }
    return count;
}

#endif
