/* probes.c - see probes.h.  Clean and reordering paths, losses at places of our choice, fairness; what
 * segments cost is measured in work.c. */
#include "probes.h"

#include "work.h"
#include "world.h"

#define MIB (1u << 20)
#define MSS 1460u
#define RTT_US (100u * 1000)
#define PATIENCE (WORLD_BEGIN + 3600 * SEC)

/* ---- Nothing is lost --------------------------------------------------------------------------- */

static uint64_t resent_and_timeouts(const struct world *w)
{
    return world_counter(w, RILL_SEG_RESENT) + world_counter(w, RILL_RTO_FIRED);
}

/* A quarter of a GB over a path that loses nothing.  variant: congestion control; rate in Mbit/s, 0 for none,
 * with a queue for more than the buffers. */
static double clean(const struct probe *probe)
{
    uint64_t rate_bps = (uint64_t)probe->variant[1] * 1000000;
    struct world_setup setup = {.cc = (enum bench_cc)probe->variant[0],
                                .buffer_bytes = MIB,
                                .seed = 1,
                                .up = {.delay_us = 5000, .rate_bps = rate_bps, .limit = 10000},
                                .down = {.delay_us = 5000, .limit = 10000}};
    struct world w;
    world_start(&w, &setup);
    if (!world_run(&w, PATIENCE, 250000000))
        bench_fail("a clean path is too slow");
    double sum = (double)resent_and_timeouts(&w);
    world_stop(&w);
    return sum;
}

/* Percent of the segments that were sent twice over a path that only reorders.  variant 0: one packet in ten
 * overtakes a quarter of an RTT; 1: each has a delay that varies by a quarter of an RTT. */
static double reordering(const struct probe *probe)
{
    struct world_setup setup = {.cc = BENCH_CUBIC,
                                .buffer_bytes = MIB / 4,
                                .seed = 1,
                                .up = {.delay_us = RTT_US / 4, .limit = 10000},
                                .down = {.delay_us = RTT_US * 3 / 4, .limit = 10000}};
    struct world w;
    if (probe->variant[0] == 0)
        setup.up.reorder.p = LINK_ONE / 10;
    else
        setup.up.jitter_us = RTT_US / 8;
    world_start(&w, &setup);
    if (!world_run(&w, PATIENCE, 50000000))
        bench_fail("a reordering path is too slow");
    double percent = 100.0 * (double)world_counter(&w, RILL_SEG_RESENT) * MSS / (double)w.received;
    world_stop(&w);
    return percent;
}

/* ---- Some of it is lost ------------------------------------------------------------------------ */

/* A transfer of so many segments over 100 ms, without those data packets that are listed. */
static void transfer(struct world *w, uint32_t segments, bool close, const struct link_list *drop)
{
    struct world_setup setup = {.cc = BENCH_CUBIC,
                                .buffer_bytes = MIB,
                                .seed = 1,
                                .up = {.delay_us = RTT_US / 2, .limit = 10000, .drop_data = *drop},
                                .down = {.delay_us = RTT_US / 2, .limit = 10000}};
    setup.bytes = (uint64_t)segments * MSS;
    setup.close = close;
    setup.features_off = 1u << RILL_FEATURE_TIMESTAMPS; /* so that a segment is an MSS */
    world_start(w, &setup);
    if (!world_run(w, PATIENCE, setup.bytes))
        bench_fail("a transfer does not end");
    /* Let the last ACKs arrive, and what there is to be sent in vain. */
    (void)world_run(w, w->now_us + SEC, UINT64_MAX);
}

/* Timeouts when the last 1 to 5 segments of a transfer are lost.  variant: whether a FIN is with the last. */
static double tail(const struct probe *probe)
{
    const uint32_t segments = 100;
    uint64_t timeouts = 0;
    for (uint32_t n = 1; n <= 5; n++) {
        struct link_list drop = {.count = 1, .at = {{segments - n + 1, segments}}};
        struct world w;
        transfer(&w, segments, probe->variant[0] != 0, &drop);
        timeouts += world_counter(&w, RILL_RTO_FIRED);
        world_stop(&w);
    }
    return (double)timeouts;
}

/* n losses in one window, n = 1 to 20.  variant 0: how many segments more or fewer than n are sent again, at
 * worst; 1: timeouts in all.  variant 1: a run of n, or n scattered over ranges of two and three. */
static double burst(const struct probe *probe)
{
    uint64_t worst = 0, timeouts = 0;
    for (uint32_t n = 1; n <= 20; n++) {
        struct link_list drop = {.count = 1, .at = {{200, 200 + n - 1}}};
        if (probe->variant[1] != 0)
            for (uint32_t left = n, at = 200; left > 0; at += 5) {
                uint32_t take = min_u32(left, 1 + drop.count % 3);
                drop.at[drop.count - 1].low = at;
                drop.at[drop.count - 1].high = at + take - 1;
                left -= take;
                drop.count += left > 0;
            }
        struct world w;
        transfer(&w, 600, false, &drop);
        uint64_t resent = world_counter(&w, RILL_SEG_RESENT);
        worst = max_u64(worst, resent > n ? resent - n : n - resent);
        timeouts += world_counter(&w, RILL_RTO_FIRED);
        world_stop(&w);
    }
    return (double)(probe->variant[0] == 0 ? worst : timeouts);
}

/* ---- Fairness ---------------------------------------------------------------------------------- */

/* Jain's index of what flows that began half a second after each other get in the 30 s after the first 30 s;
 * mean over seeds.  20 Mbit/s, 20 ms, a queue of one bandwidth-delay product.  All of the delay is on the way
 * back, because a link's limit counts what is in flight, too.  Its jitter keeps flows out of step that the
 * determinism of a simulator would lock into it.  variant: congestion control, flows. */
static double fairness(const struct probe *probe)
{
    const uint32_t seeds = 5;
    double sum = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct world_setup setup = {
            .cc = (enum bench_cc)probe->variant[0],
            .flows = (uint32_t)probe->variant[1],
            .buffer_bytes = MIB / 4,
            .seed = seed,
            .apart_us = SEC / 2,
            .up = {.rate_bps = 20000000, .limit = 33},
            .down = {.delay_us = 20000, .jitter_us = 1000, .rate_bps = 1000000000, .limit = 10000}};
        uint64_t before[WORLD_FLOWS];
        double total = 0, squares = 0;
        struct world w;
        world_start(&w, &setup);
        (void)world_run(&w, WORLD_BEGIN + 30 * SEC, UINT64_MAX);
        for (uint32_t i = 0; i < setup.flows; i++)
            before[i] = w.flow[i].received;
        (void)world_run(&w, WORLD_BEGIN + 60 * SEC, UINT64_MAX);
        for (uint32_t i = 0; i < setup.flows; i++) {
            double got = (double)(w.flow[i].received - before[i]);
            total += got;
            squares += got * got;
        }
        sum += total * total / (setup.flows * squares);
        world_stop(&w);
    }
    return sum / seeds;
}

/* ---- The list ---------------------------------------------------------------------------------- */

const struct probe probes[] = {
    {"clean path, cubic: segments sent again and timeouts, 0.25 GB", "", 0, clean, {BENCH_CUBIC}, false},
    {"clean path, reno: segments sent again and timeouts, 0.25 GB", "", 0, clean, {BENCH_RENO}, false},
    {"clean path, none: segments sent again and timeouts, 0.25 GB", "", 0, clean, {BENCH_NONE}, false},
    {"clean 100 Mbit/s, cubic: segments sent again and timeouts, 0.25 GB",
     "",
     0,
     clean,
     {BENCH_CUBIC, 100},
     false},
    {"reordering, one in ten by RTT/4: sent in vain", "%", 0.1, reordering, {0}, false},
    {"reordering, all within RTT/4: sent in vain", "%", 0.1, reordering, {1}, false},
    {"last 1 to 5 of 100 segments lost: timeouts", "", 0, tail, {0}, false},
    {"last 1 to 5 of 100 segments and FIN lost: timeouts", "", 0, tail, {1}, false},
    {"a run of 1 to 20 losses in a window: more or fewer sent again", "", 0, burst, {0, 0}, false},
    {"a run of 1 to 20 losses in a window: timeouts", "", 0, burst, {1, 0}, false},
    {"1 to 20 scattered losses in a window: more or fewer sent again", "", 0, burst, {0, 1}, false},
    {"1 to 20 scattered losses in a window: timeouts", "", 0, burst, {1, 1}, false},
    {"fairness of 2 flows, cubic: Jain", "", 0.95, fairness, {BENCH_CUBIC, 2}, true},
    {"fairness of 8 flows, cubic: Jain", "", 0.95, fairness, {BENCH_CUBIC, 8}, true},
    {"fairness of 2 flows, reno: Jain", "", 0.95, fairness, {BENCH_RENO, 2}, true},
    {"fairness of 8 flows, reno: Jain", "", 0.95, fairness, {BENCH_RENO, 8}, true},
    {"work, SACK of every second segment in turn: times a clean segment",
     "",
     20,
     work_ratio,
     {WORK_TURN},
     false},
    {"work, SACK blocks all over the window: times a clean segment",
     "",
     20,
     work_ratio,
     {WORK_SCATTERED},
     false},
    {"work, SACK blocks of 8 bytes: times a clean segment", "", 20, work_ratio, {WORK_TINY}, false},
    {"work, SACK blocks known already: times a clean segment", "", 20, work_ratio, {WORK_KNOWN}, false},
    {"work, SACK blocks with an ACK that advances: times a clean segment",
     "",
     20,
     work_ratio,
     {WORK_ADVANCE},
     false},
    {"work, D-SACK before a full board: times a clean segment", "", 20, work_ratio, {WORK_DSACK}, false},
    {"work, single bytes out of order: times a clean segment", "", 20, work_ratio, {WORK_BYTES}, false},
};
const unsigned int probe_count = sizeof probes / sizeof probes[0];
