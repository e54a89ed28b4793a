/* path_forward.c - see path_forward.h.
 *
 * Each direction is three links in a row: the bottleneck with its queue (a rate, no delay), the length of the
 * path with its losses, and the part of the length that some packets skip.  Were it one link, as netem has
 * it, then those that overtake would not have to pass the bottleneck, and by how much they overtake would
 * depend on its queue.
 *
 * It runs in real time, and so a packet is late by what the process waits for a processor. */
#include "path_forward.h"

#include "link.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { BOTTLENECK, LENGTH, SHORTCUT, STAGES, PACKET_BYTES = 65536, READS_AT_ONCE = 64 };

struct direction {
    struct link stage[STAGES];
    int from, to;
};

static uint8_t buffer[PACKET_BYTES];

static void *take(void *ctx, size_t size)
{
    (void)ctx;
    return malloc(size);
}

static void give_back(void *ctx, void *block, size_t size)
{
    (void)ctx;
    (void)size;
    free(block);
}

static rill_time clock_us(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (rill_time)t.tv_sec * SEC + (rill_time)t.tv_nsec / 1000;
}

static void direction_init(struct direction *d, struct mem *mem, const struct forward_path *path,
                           uint32_t first_stream)
{
    uint32_t shortcut_us = path->reorder != 0 ? path->overtake_us : 0;
    const struct link_config config[STAGES] = {
        [BOTTLENECK] = {.rate_bps = path->rate_bps, .limit = path->queue},
        [LENGTH] = {.delay_us = path->rtt_us / 2 - shortcut_us,
                    .loss.p = path->loss,
                    .limit = LINK_LIMIT_MAX},
        [SHORTCUT] = {.delay_us = shortcut_us, .reorder.p = path->reorder, .limit = LINK_LIMIT_MAX},
    };
    for (uint32_t s = 0; s < STAGES; s++) {
        struct link_config c = config[s];
        c.seed = path->seed;
        link_init(&d->stage[s], mem, first_stream + s, clock_us(CLOCK_MONOTONIC));
        link_set(&d->stage[s], &c);
    }
}

/* Into this stage, or on to the next one if it does nothing; false: the device did not take it. */
static bool pass(struct direction *d, uint32_t stage, const struct rill_packet *packet, rill_time now_us)
{
    for (; stage < STAGES; stage++)
        if (link_push(&d->stage[stage], packet, now_us).verdict != LINK_PASSED)
            return true;
    return write(d->to, packet->head.data, packet->head.len) == (ssize_t)packet->head.len;
}

/* Moves all that is due from stage to stage and out; returns how many writes failed. */
static unsigned pump(struct direction *d, rill_time now_us)
{
    struct rill_packet packet;
    unsigned failed = 0;
    for (uint32_t s = 0; s < STAGES; s++)
        while (link_pop(&d->stage[s], now_us, &packet))
            failed += !pass(d, s + 1, &packet, now_us);
    return failed;
}

static unsigned take_in(struct direction *d)
{
    unsigned failed = 0;
    for (int i = 0; i < READS_AT_ONCE; i++) {
        ssize_t n = read(d->from, buffer, sizeof buffer);
        if (n <= 0)
            break;
        struct rill_packet packet = {.head = {buffer, (uint32_t)n}};
        failed += !pass(d, 0, &packet, clock_us(CLOCK_MONOTONIC));
    }
    return failed;
}

static rill_time deadline_of(const struct direction direction[2])
{
    rill_time first = RILL_NEVER;
    for (uint32_t i = 0; i < 2 * STAGES; i++)
        first = min_u64(first, link_deadline(&direction[i / STAGES].stage[i % STAGES]));
    return first;
}

static void note(struct forward_stats *stats, const struct direction direction[2], unsigned failed)
{
    for (int i = 0; i < 2; i++) {
        const struct link *stage = direction[i].stage;
        stats->packets[i] = stage[BOTTLENECK].stats.packets;
        stats->queue_full[i] = stage[BOTTLENECK].stats.verdict[LINK_LIMITED];
        stats->lost[i] = stage[LENGTH].stats.verdict[LINK_LOST];
        stats->reordered[i] = stage[SHORTCUT].stats.reordered;
    }
    stats->failed += failed;
    stats->cpu_us = clock_us(CLOCK_PROCESS_CPUTIME_ID);
}

void forward_run(const int tun[2], const struct forward_path *path, struct forward_stats *stats)
{
    struct mem mem = {.alloc = take, .free = give_back, .cap_bytes = SIZE_MAX};
    static struct direction direction[2]; /* 0 is the data's */
    struct pollfd wait[2];
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t source = path->data_comes_second ? 1 - i : i;
        direction_init(&direction[i], &mem, path, i * STAGES);
        direction[i].from = tun[source];
        direction[i].to = tun[1 - source];
        wait[i] = (struct pollfd){.fd = direction[i].from, .events = POLLIN};
    }
    /* Waking for each packet costs more than all else: at 100 Mbit/s it may be two at once. */
    (void)prctl(PR_SET_TIMERSLACK, 100000ul);
    for (;;) {
        unsigned failed = 0;
        for (int i = 0; i < 2; i++)
            failed += take_in(&direction[i]) + pump(&direction[i], clock_us(CLOCK_MONOTONIC));
        note(stats, direction, failed);
        rill_time next_us = deadline_of(direction), now_us = clock_us(CLOCK_MONOTONIC);
        rill_time left_us = next_us > now_us ? next_us - now_us : 0;
        struct timespec left = {(time_t)(left_us / SEC), (long)(left_us % SEC * 1000)};
        (void)ppoll(wait, 2, next_us == RILL_NEVER ? NULL : &left, NULL);
    }
}
