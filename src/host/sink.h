/* sink.h - a file that whole records are appended to, through a buffer.  Rank 16.1.
 *
 * Not stdio: after a fork the child must not write what the parent's buffer holds.  The first failure is
 * said once on standard error, and is the end of the file; nobody else is bothered with it.  However the
 * program ends, the file ends with a whole record. */
#ifndef RILL_SINK_H
#define RILL_SINK_H

#include "rill_engine.h"
#include "tun.h"

#define SINK_RECORD_MAX ((size_t)70000)

/* All zero: closed. */
struct sink {
    char *buf; /* NULL: closed */
    int fd;
    size_t len;
    rill_time flush_us; /* when the buffer is written at the latest, RILL_NEVER: it is empty */
    char path[256];     /* for messages */
};

static inline bool sink_is_open(const struct sink *sink) { return sink->buf != NULL; }

/* Makes the file, or empties it.  0, or -errno with the error filled in; `what` is its first word. */
int sink_open(struct sink *sink, const char *what, const char *path, struct tun_error *error);

/* Room for the next record, at most SINK_RECORD_MAX bytes; sink_add says how many it became.  NULL: closed.
 */
void *sink_room(struct sink *sink, size_t len);
void sink_add(struct sink *sink, size_t len, rill_time now_us);

void sink_flush(struct sink *sink);
void sink_close(struct sink *sink);
/* After a fork, in the child: the file is the parent's. */
void sink_forget(struct sink *sink);

#endif
