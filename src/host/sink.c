/* sink.c - see sink.h. */
#include "sink.h"

#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SINK_BYTES (2 * SINK_RECORD_MAX)
#define FLUSH_US (1 * SEC)

int sink_open(struct sink *sink, const char *what, const char *path, struct tun_error *error)
{
    *sink = (struct sink){.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)};
    if (sink->fd < 0)
        return tun_fail(error, errno, "%s %.200s: cannot be written: %s", what, path, strerror(errno));
    sink->buf = malloc(SINK_BYTES);
    if (sink->buf == NULL) {
        (void)close(sink->fd);
        return tun_fail(error, ENOMEM, "%s %.200s: no memory for its buffer", what, path);
    }
    sink->flush_us = RILL_NEVER;
    (void)snprintf(sink->path, sizeof sink->path, "%s", path);
    return 0;
}

static void end(struct sink *sink)
{
    (void)close(sink->fd);
    free(sink->buf);
    *sink = (struct sink){0};
}

static void give_up(struct sink *sink, int code)
{
    (void)fprintf(stderr, "rill: %s: %s; nothing more is written to it\n", sink->path, strerror(code));
    end(sink);
}

void sink_flush(struct sink *sink)
{
    size_t done = 0;
    while (sink_is_open(sink) && done < sink->len) {
        ssize_t n = write(sink->fd, sink->buf + done, sink->len - done);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            give_up(sink, n == 0 ? EIO : errno);
    }
    sink->len = 0;
    sink->flush_us = RILL_NEVER;
}

void *sink_room(struct sink *sink, size_t len)
{
    ASSERT(len <= SINK_RECORD_MAX);
    if (sink_is_open(sink) && len > SINK_BYTES - sink->len)
        sink_flush(sink);
    return sink_is_open(sink) ? sink->buf + sink->len : NULL;
}

void sink_add(struct sink *sink, size_t len, rill_time now_us)
{
    ASSERT(sink_is_open(sink) && len <= SINK_BYTES - sink->len);
    if (sink->len == 0)
        sink->flush_us = now_us + FLUSH_US;
    sink->len += len;
}

void sink_close(struct sink *sink)
{
    if (!sink_is_open(sink))
        return;
    sink_flush(sink);
    if (sink_is_open(sink))
        end(sink);
}

void sink_forget(struct sink *sink)
{
    if (sink_is_open(sink))
        (void)close(sink->fd);
}
