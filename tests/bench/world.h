/* world.h - senders, each an engine with one connection, and one receiver, over a path of two links in
 * virtual time.
 *
 * All senders share the way there (`up`) and the way back (`down`), so that a rate and a limit on `up` make
 * it their bottleneck.  A run is a function of its setup: the same on all machines.  Applications are bulk
 * ones: what there is room for is written at once, what has come is read at once.  Each packet that arrives
 * is answered before the next one is taken in, as if they came one by one. */
#ifndef BENCH_WORLD_H
#define BENCH_WORLD_H

#include "link.h"
#include "prng.h"
#include "stack.h"

#define WORLD_FLOWS 8u
#define WORLD_BEGIN (1 * SEC) /* the clock does not begin at 0, which stands for "never" here and there */

/* BENCH_NONE is none at all: the window is as large as the peer's whatever happens. */
enum bench_cc { BENCH_NONE, BENCH_CUBIC, BENCH_RENO, BENCH_CCS };
extern const char *const bench_cc_name[BENCH_CCS];

struct world_setup {
    enum bench_cc cc;
    uint32_t flows;        /* 0 counts as 1 */
    uint32_t buffer_bytes; /* SO_SNDBUF and SO_RCVBUF of both ends; 0: not set, they grow by themselves */
    struct link_config up, down;
    uint64_t seed;
    uint64_t bytes;        /* of each sender; 0: without end */
    bool close;            /* FIN behind the last byte */
    rill_time apart_us;    /* senders begin that much after each other */
    uint32_t features_off; /* bits 1 << enum rill_feature */
    bool trace;            /* every segment and event on standard output */
};

struct flow {
    struct rill_engine *e;
    struct tcb *c, *peer; /* the two ends; NULL: not yet */
    struct prng entropy;
    rill_time start_us;
    uint64_t sent, received; /* written by one application, read by the other */
    int owner;               /* stands for a socket */
};

struct world {
    struct world_setup setup;
    rill_time now_us;
    struct mem mem;
    struct link up, down;
    struct rill_engine *sink;
    struct prng entropy;
    struct port *port;
    struct flow flow[WORLD_FLOWS];
    uint64_t received; /* by all */
};

void world_start(struct world *w, const struct world_setup *setup);
void world_stop(struct world *w);

/* Lets time pass until until_us, or until `bytes` have been read in all.  True if they have. */
bool world_run(struct world *w, rill_time until_us, uint64_t bytes);

/* Of all senders. */
uint64_t world_counter(const struct world *w, enum rill_event event);

/* Ends the program with a message: a bench that went wrong has no figures. */
_Noreturn void bench_fail(const char *what);

#endif
