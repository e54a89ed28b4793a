/* ideal.h - an ideal Reno sender on a path that loses at random: what the figures of reno and cubic stand
 * beside.  The assumptions are in ideal.c. */
#ifndef BENCH_IDEAL_H
#define BENCH_IDEAL_H

#include "base.h"

struct ideal_path {
    uint32_t buffer_bytes, segment_bytes;
    uint32_t loss_ppm; /* of each direction */
    rill_time rtt_us, until_us;
    uint64_t bytes; /* the run ends when they are delivered, or at until_us */
    uint64_t seed;
};

/* Throughput in bytes a second. */
double ideal_reno(const struct ideal_path *path);

#endif
