/* probes.h - goals beside the table of throughput: figures that a run in virtual time gives. */
#ifndef BENCH_PROBES_H
#define BENCH_PROBES_H

#include <stdbool.h>

struct probe {
    const char *name, *unit;
    double goal;
    double (*run)(const struct probe *probe);
    int variant[3]; /* for run */
    bool at_least;  /* the goal is a lower bound, else an upper one */
};

/* What could not be measured here, for want of a tool. */
#define PROBE_SKIPPED (-1.0)

extern const struct probe probes[];
extern const unsigned int probe_count;

#endif
