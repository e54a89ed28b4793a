/* trace_sample.h - traces and captures of what really happened between two engines, for tests of their
 * readers.
 *
 * A client at 10.77.0.1 connects to port 19 of rill at 10.77.0.2, which sends a number of bytes and closes.
 * The way out takes 20 ms, the way in nothing; what is lost on it, and when the client does not read, the
 * plan says.  The writer here is the tests' own, after the description of the format.  The same plan gives
 * the same bytes each time. */
#ifndef TRACE_SAMPLE_H
#define TRACE_SAMPLE_H

#include <stdint.h>
#include <stdio.h>

struct trace_sample_plan {
    uint32_t bytes;           /* that rill sends */
    uint32_t upload;          /* that the client sends meanwhile */
    uint32_t client_rcvbuf;   /* 0: the default */
    uint32_t drop_data[6];    /* of rill's data segments, counted from 1 as they are sent */
    uint32_t drop_upload;     /* of the client's */
    uint64_t blackout_us[2];  /* everything out is lost from then, until then */
    uint64_t lost_acks_us[2]; /* everything in is lost */
    uint64_t pause_us[2];     /* the client does not read */
    uint64_t reset_us;        /* not 0: rill aborts then */
};

/* What is in the files, counted where it happened. */
struct trace_sample_counts {
    uint32_t segments, resent, lost, probes, rtos, fast, states;
};

/* Slow start, a loss, a blackout, a closed window: what README.md shows. */
extern const struct trace_sample_plan trace_sample_story;

/* Either file may be NULL. */
struct trace_sample_counts trace_sample_write(const struct trace_sample_plan *plan, FILE *json, FILE *pcapng);

#endif
