/* pair.h - two engines with sockets, back to back, on a wire in memory and a clock of the test's own.
 *
 * Nothing happens but in pair_run, so that a test sees each step; a run is the same each time.  What the wire
 * does to a packet - lose it, change it, send it twice, hold it up - a hook decides.
 *
 *      struct pair pair;
 *      pair_defaults(&pair);        config and latency may be changed from here on
 *      pair_start(&pair);
 *      ... sock_socket(&pair.side[0].socks, ...); pair_run(&pair, pair.now_us + 1000000); ...
 *      pair_stop(&pair);            fails the test if memory is left */
#ifndef PAIR_H
#define PAIR_H

#include "heap.h"
#include "rill_engine.h"
#include "sock.h"

#include <stdbool.h>
#include <stdint.h>

#define PAIR_ADDR(side) (0x0a4d0001u + (uint32_t)(side)) /* 10.77.0.1 and 10.77.0.2 */

/* A packet on its way. */
struct pair_packet {
    struct pair_packet *next;
    uint64_t at_us;  /* when it arrives: now + latency; a hook may delay it, later ones overtake it then */
    uint32_t copies; /* 1; a hook may make it 0 (lost) or more */
    uint32_t segment_bytes;
    enum rill_csum csum;
    uint32_t len, cap; /* a hook may change data and len <= cap */
    uint8_t data[];
};

struct pair_side {
    struct rill_config config;
    struct rill_engine *engine;
    struct socks socks;
    struct test_heap heap;
    uint64_t seed;            /* of its entropy */
    uint64_t latency_us;      /* to the other side */
    struct pair_packet *wire; /* to the other side, by time of arrival */
    uint64_t sent, arrived;   /* packets */
};

struct pair {
    struct pair_side side[2];
    uint64_t now_us;
    /* Sees each packet when it leaves side `from`, and does to it what it likes.  Or NULL. */
    void (*hook)(void *ctx, struct pair *pair, int from, struct pair_packet *packet);
    void *hook_ctx;
    uint64_t steps_left; /* bounds every test: running out of them fails it */
};

void pair_defaults(struct pair *pair);
void pair_start(struct pair *pair);
void pair_stop(struct pair *pair);

/* Lets time and packets go on until until_us; afterwards that is the time of both engines. */
void pair_run(struct pair *pair, uint64_t until_us);

/* As pair_run, but returns true, without waiting on, as soon as done(ctx) is true. */
bool pair_run_until(struct pair *pair, uint64_t until_us, bool (*done)(void *ctx), void *ctx);

/* For the next wait: when something will happen by itself, RILL_NEVER if nothing will. */
uint64_t pair_deadline(const struct pair *pair);

/* Puts a packet of the test's own on the wire, as if side `from` had sent it; the hook does not see it. */
void pair_inject(struct pair *pair, int from, const void *data, uint32_t len);

#endif
