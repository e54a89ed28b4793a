/* work.h - what a hostile peer's segments cost, in instructions, beside a segment of a clean transfer. */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include "probes.h"
#include "rill_engine.h"

enum work_pattern {
    WORK_CLEAN,     /* data segments in order, each second one acknowledged */
    WORK_TURN,      /* every second segment SACKed, one after the other, each in four ACKs */
    WORK_SCATTERED, /* the same in random order, four new blocks in each ACK */
    WORK_TINY,      /* blocks of eight bytes all over the window */
    WORK_KNOWN,     /* blocks of a full board again */
    WORK_ADVANCE,   /* SND.UNA advances by a segment, with blocks of a full board */
    WORK_DSACK,     /* a duplicate is reported in front of them */
    WORK_BYTES,     /* the receiving side: single bytes out of order */
    WORK_PATTERNS,
};

/* Instructions for one segment of the pattern variant[0] / those of WORK_CLEAN.  PROBE_SKIPPED without
 * valgrind. */
double work_ratio(const struct probe *probe);

/* Runs the pattern under whoever counts; returns how many segments work_measured has been called for. */
unsigned int work_run(enum work_pattern pattern);

/* One packet in, and all out that it lets go: what is counted.  Neither static nor inlined, so that callgrind
 * finds it. */
__attribute__((noinline)) void work_measured(struct rill_engine *e, const struct rill_packet *in,
                                             rill_time now_us);

#endif
