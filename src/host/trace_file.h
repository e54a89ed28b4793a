/* trace_file.h - what the engine and the link emulation tell, one JSON object a line.  Rank 16.2.
 *
 * `t` is the time since the start in seconds.  Every connection has a number, from 1, and a `conn` line
 * before the first one that names it; the number 0 is for what belongs to none.  Numbers (`ev` is `numbers`)
 * are written when one of them has changed. */
#ifndef RILL_TRACE_FILE_H
#define RILL_TRACE_FILE_H

#include "sink.h"

struct trace_conn;

/* All zero: closed, and then nothing is written. */
struct trace_file {
    struct sink sink;
    rill_time start_us, now_us; /* of the current line */
    struct trace_conn *conns;
    uint32_t last_id;
    uint64_t uses; /* counts look-ups, so that the connection unused for longest can be told */
    char *at;      /* the line in the making */
    size_t room;
};

int trace_file_open(struct trace_file *f, const char *path, const struct rill_config *config,
                    rill_time now_us, struct tun_error *error);
static inline bool trace_file_is_open(const struct trace_file *f) { return sink_is_open(&f->sink); }
void trace_file_close(struct trace_file *f);

void trace_file_event(struct trace_file *f, const struct rill_trace_event *event);

/* What the emulated link of this direction has done to a packet, in one word. */
void trace_file_link(struct trace_file *f, const struct rill_packet *packet, bool out, const char *fate,
                     rill_time now_us);

#endif
