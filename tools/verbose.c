/* verbose.c - one readable line for each segment (-v), and for each state change and event (-vv).
 *
 *     0.000412 in  10.77.0.1:43210 > 10.77.0.2:7  [SYN] 0:0(0) win 64240
 *     0.000455 out 10.77.0.2:7 > 10.77.0.1:43210  [SYN ACK] 0:0(0) ack 1 win 65535  # answers the SYN
 *
 * Sequence numbers count from the connection's initial ones (the SYN is 0, the first byte 1), the window is
 * in bytes.  `abs` marks a segment of no known connection, whose numbers are those of the wire; `again` one
 * that was sent before.  Behind the # stands why we sent it.
 *
 * The hook is called inside of the engine, under the lock of the stack: it only prints, and it never waits.
 * What a slow reader leaves no room for is lost, and counted: the connections are not to depend on who looks
 * on. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIPE_BYTES (1 << 20) /* what a reader may be late by, where the system grants it */

/* ---- Writing without waiting --------------------------------------------------------------------------- */

static bool has_room(int fd)
{
    struct pollfd room = {fd, POLLOUT, 0};
    return poll(&room, 1, 0) == 1;
}

void verbose_open(struct verbose *verbose, int fd)
{
    struct stat info;
    char path[32];
    verbose->fd = fd;
    verbose->waits_never = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    if (verbose->waits_never || (!S_ISFIFO(info.st_mode) && !isatty(fd)))
        return;
    if (S_ISFIFO(info.st_mode))
        (void)fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES);
    /* O_NONBLOCK belongs to what is open, which others, such as the shell, share with us: so once more. */
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    verbose->waits_never = own >= 0;
    if (own >= 0)
        verbose->fd = own;
}

/* As write, with EAGAIN where it would wait: a write of up to PIPE_BUF bytes to a pipe that is ready does not
 * (POSIX). */
static ssize_t write_now(const struct verbose *verbose, const char *text, size_t len)
{
    if (verbose->waits_never || has_room(verbose->fd))
        return write(verbose->fd, text, len < PIPE_BUF ? len : PIPE_BUF);
    errno = EAGAIN;
    return -1;
}

static bool write_rest(struct verbose *verbose)
{
    while (verbose->rest_len > 0) {
        ssize_t n = write_now(verbose, verbose->rest, verbose->rest_len);
        if (n <= 0)
            return false;
        verbose->rest_len -= (size_t)n;
        memmove(verbose->rest, verbose->rest + n, verbose->rest_len);
    }
    return true;
}

/* What is due before the next line: the end of the one before, and how many are missing. */
static bool catch_up(struct verbose *verbose)
{
    if (!write_rest(verbose))
        return false;
    if (verbose->lost == 0)
        return true;
    int len = snprintf(verbose->rest, sizeof verbose->rest,
                       "... %" PRIu64 " lines lost: they came faster than they were read\n", verbose->lost);
    verbose->rest_len = (size_t)len;
    bool done = write_rest(verbose);
    if (verbose->rest_len == (size_t)len)
        verbose->rest_len = 0; /* nothing of it has left: the number may still grow */
    else
        verbose->lost = 0;
    return done;
}

/* Once, and only if standard error has room. */
static void report(struct verbose *verbose, int error)
{
    char text[512];
    if (error == EAGAIN || error == EINTR || verbose->reported)
        return;
    verbose->reported = true;
    int len = snprintf(text, sizeof text, "%s: %s: lines are lost\n", verbose->name, strerror(error));
    if (len > 0 && (size_t)len < sizeof text && has_room(STDERR_FILENO))
        (void)!write(STDERR_FILENO, text, (size_t)len);
}

static void put(struct verbose *verbose, const char *text, size_t len)
{
    errno = 0;
    ssize_t n = catch_up(verbose) ? write_now(verbose, text, len) : -1;
    if (n < 0) {
        report(verbose, errno);
        verbose->lost++;
    } else if ((size_t)n < len) {
        verbose->rest_len = len - (size_t)n;
        memcpy(verbose->rest, text + n, verbose->rest_len);
    }
}

void verbose_end(struct verbose *verbose) { (void)catch_up(verbose); }

/* ---- The line ------------------------------------------------------------------------------------------ */

struct line {
    char text[VERBOSE_LINE_BYTES];
    size_t len;
};

static void add(struct line *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct line *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(out->text + out->len, sizeof out->text - out->len, format, args);
    va_end(args);
    if (n > 0)
        out->len += (size_t)n;
    if (out->len >= sizeof out->text)
        out->len = sizeof out->text - 1;
}

static void print_end(struct line *out, uint32_t addr, uint16_t port, const char *after)
{
    add(out, "%u.%u.%u.%u:%u%s", addr >> 24, addr >> 16 & 255, addr >> 8 & 255, addr & 255, port, after);
}

static void print_flags(struct line *out, uint8_t flags)
{
    static const struct {
        uint8_t bit;
        const char *name;
    } names[] = {{RILL_SYN, "SYN"}, {RILL_FIN, "FIN"}, {RILL_RST, "RST"}, {RILL_PSH, "PSH"},
                 {RILL_URG, "URG"}, {RILL_ECE, "ECE"}, {RILL_CWR, "CWR"}, {RILL_ACK, "ACK"}};
    const char *space = "";
    add(out, "[");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (flags & names[i].bit) {
            add(out, "%s%s", space, names[i].name);
            space = " ";
        }
    }
    add(out, "]");
}

static void print_segment(struct line *out, const struct rill_trace_event *event)
{
    bool in = event->kind == RILL_TRACE_SEGMENT_IN;
    add(out, "%s", in ? "in  " : "out ");
    print_end(out, in ? event->raddr : event->laddr, in ? event->rport : event->lport, " > ");
    print_end(out, in ? event->laddr : event->raddr, in ? event->lport : event->rport, "  ");
    print_flags(out, event->flags);
    add(out, " %" PRIu64 ":%" PRIu64 "(%" PRIu32 ")", event->seq, event->seq + event->len, event->len);
    if (event->flags & RILL_ACK)
        add(out, " ack %" PRIu64, event->ack);
    char why[160];
    size_t len = rill_explain(event, why, sizeof why);
    add(out, " win %" PRIu32, event->wnd);
    for (uint32_t i = 0; i < event->sack_count; i++)
        add(out, "%s%" PRIu64 ":%" PRIu64, i == 0 ? " sack " : " ", event->sack[i].begin, event->sack[i].end);
    add(out, "%s%s%s%s\n", event->relative ? "" : " abs", event->resent ? " again" : "",
        len > 0 ? "  # " : "", why);
}

/* An event need not belong to a connection: then all of its addresses are 0. */
static void print_connection(struct line *out, const struct rill_trace_event *event)
{
    add(out, "    ");
    if (event->rport != 0 || event->lport != 0) {
        print_end(out, event->laddr, event->lport, " - ");
        print_end(out, event->raddr, event->rport, "  ");
    }
}

void verbose_trace(void *ctx, const struct rill_trace_event *event)
{
    struct verbose *verbose = ctx;
    struct line line = {.len = 0}, *out = &line;
    bool segment = event->kind == RILL_TRACE_SEGMENT_IN || event->kind == RILL_TRACE_SEGMENT_OUT;
    bool told = event->kind == RILL_TRACE_EVENT || event->kind == RILL_TRACE_STATE;
    if (!segment && !(told && verbose->events))
        return;
    if (!verbose->begun) {
        verbose->begun = true;
        verbose->zero_us = event->at_us;
    }
    uint64_t us = event->at_us - verbose->zero_us;
    add(out, "%5" PRIu64 ".%06" PRIu64 " ", us / 1000000, us % 1000000);
    switch (event->kind) {
    case RILL_TRACE_SEGMENT_IN:
    case RILL_TRACE_SEGMENT_OUT:
        print_segment(out, event);
        break;
    case RILL_TRACE_EVENT:
        print_connection(out, event);
        add(out, "%s\n", rill_event_text(event->event));
        break;
    case RILL_TRACE_STATE:
        print_connection(out, event);
        add(out, "%s > %s\n", rill_state_name(event->state_from), rill_state_name(event->state));
        break;
    case RILL_TRACE_NUMBERS:
    case RILL_TRACE_TIMER_SET:
    case RILL_TRACE_TIMER_FIRED:
        break;
    }
    put(verbose, line.text, line.len);
}
