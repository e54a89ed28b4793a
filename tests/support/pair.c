/* pair.c - see pair.h. */
#include "pair.h"

#include "packet.h"
#include "prng.h"
#include "stack.h"
#include "test.h"

#include <stdlib.h>

#define STEPS_MAX 50000000u
#define PACKET_SLACK 64u /* how much a hook may make a packet longer */

static void entropy(void *ctx, void *buf, size_t len)
{
    struct prng prng = prng_seed(*(uint64_t *)ctx);
    prng_fill(&prng, buf, len);
}

void pair_defaults(struct pair *pair)
{
    memset(pair, 0, sizeof *pair);
    pair->now_us = 1000000;
    pair->steps_left = STEPS_MAX;
    for (int i = 0; i < 2; i++) {
        struct pair_side *side = &pair->side[i];
        side->seed = 1 + (uint64_t)i;
        side->latency_us = 50;
        rill_config_default(&side->config);
        /* The timer that tests look at is the timeout's, and segments keep their size. */
        side->config.features &= ~(1u << RILL_FEATURE_TLP | 1u << RILL_FEATURE_BLACK_HOLE);
        side->config.addr = PAIR_ADDR(i);
        side->config.prefix_len = 24;
    }
}

void pair_start(struct pair *pair)
{
    for (int i = 0; i < 2; i++) {
        struct pair_side *side = &pair->side[i];
        side->config.alloc = test_heap_alloc;
        side->config.free = test_heap_free;
        side->config.mem_ctx = &side->heap;
        side->config.entropy = entropy;
        side->config.entropy_ctx = &side->seed;
        side->engine = rill_engine_new(&side->config, pair->now_us);
        assert_non_null(side->engine);
        socks_init(&side->socks, side->engine);
    }
}

void pair_stop(struct pair *pair)
{
    for (int i = 0; i < 2; i++) {
        struct pair_side *side = &pair->side[i];
        socks_free(&side->socks);
        rill_engine_free(side->engine);
        assert_int_equal(side->heap.live_blocks, 0);
        assert_int_equal(side->heap.live_bytes, 0);
        while (side->wire != NULL) {
            struct pair_packet *packet = side->wire;
            side->wire = packet->next;
            free(packet);
        }
    }
}

/* Every invariant, after each call of an engine. */
static void check(const struct pair_side *side)
{
    const char *broken = engine_check(side->engine);
    if (broken != NULL)
        fail_msg("%s", broken);
}

static void put_on_wire(struct pair_side *side, struct pair_packet *packet)
{
    struct pair_packet **link = &side->wire;
    while (*link != NULL && (*link)->at_us <= packet->at_us)
        link = &(*link)->next;
    packet->next = *link;
    *link = packet;
}

static struct pair_packet *new_packet(const struct pair *pair, int from, uint32_t len)
{
    struct pair_packet *packet = calloc(1, sizeof *packet + len + PACKET_SLACK);
    assert_non_null(packet);
    packet->at_us = pair->now_us + pair->side[from].latency_us;
    packet->copies = 1;
    packet->len = len;
    packet->cap = len + PACKET_SLACK;
    return packet;
}

void pair_inject(struct pair *pair, int from, const void *data, uint32_t len)
{
    struct pair_packet *packet = new_packet(pair, from, len);
    memcpy(packet->data, data, len);
    put_on_wire(&pair->side[from], packet);
}

/* Takes everything that side has to send. */
static void drain(struct pair *pair, int from)
{
    struct pair_side *side = &pair->side[from];
    struct rill_packet out;
    while (rill_output(side->engine, &out, pair->now_us)) {
        struct pair_packet *packet = new_packet(pair, from, packet_len(&out));
        packet_read(&out, 0, packet->data, packet->len);
        packet->csum = out.csum;
        packet->segment_bytes = out.segment_bytes;
        side->sent++;
        check(side);
        assert_true(pair->steps_left-- > 0);
        if (pair->hook != NULL)
            pair->hook(pair->hook_ctx, pair, from, packet);
        for (; packet->copies > 1; packet->copies--) {
            struct pair_packet *copy = malloc(sizeof *copy + packet->cap);
            assert_non_null(copy);
            memcpy(copy, packet, sizeof *copy + packet->cap);
            copy->copies = 1;
            put_on_wire(side, copy);
        }
        if (packet->copies == 1)
            put_on_wire(side, packet);
        else
            free(packet);
    }
}

/* Takes in what has arrived from side `from`. */
static void deliver(struct pair *pair, int from)
{
    struct pair_side *side = &pair->side[from], *other = &pair->side[!from];
    while (side->wire != NULL && side->wire->at_us <= pair->now_us) {
        struct pair_packet *packet = side->wire;
        struct rill_packet in = {.head = {packet->data, packet->len},
                                 .csum = packet->csum,
                                 .segment_bytes = (uint16_t)packet->segment_bytes};
        side->wire = packet->next;
        other->arrived++;
        assert_true(pair->steps_left-- > 0);
        if (rill_input(other->engine, &in, pair->now_us))
            drain(pair, !from);
        check(other);
        free(packet);
    }
}

uint64_t pair_deadline(const struct pair *pair)
{
    uint64_t first = RILL_NEVER;
    for (int i = 0; i < 2; i++) {
        const struct pair_side *side = &pair->side[i];
        uint64_t deadline = rill_deadline(side->engine);
        if (side->wire != NULL && side->wire->at_us < first)
            first = side->wire->at_us;
        if (deadline < first)
            first = deadline;
    }
    return first;
}

/* Everything that is to happen at this moment. */
static void step(struct pair *pair)
{
    for (int i = 0; i < 2; i++) {
        struct pair_side *side = &pair->side[i];
        rill_advance(side->engine, pair->now_us);
        check(side);
        deliver(pair, !i);
        drain(pair, i);
    }
}

bool pair_run_until(struct pair *pair, uint64_t until_us, bool (*done)(void *ctx), void *ctx)
{
    for (;;) {
        uint64_t next;
        step(pair);
        if (done != NULL && done(ctx))
            return true;
        next = pair_deadline(pair);
        if (next > until_us)
            break;
        if (next > pair->now_us)
            pair->now_us = next;
        assert_true(pair->steps_left-- > 0);
    }
    if (pair->now_us < until_us) {
        pair->now_us = until_us;
        step(pair);
    }
    return done != NULL && done(ctx);
}

void pair_run(struct pair *pair, uint64_t until_us) { (void)pair_run_until(pair, until_us, NULL, NULL); }
