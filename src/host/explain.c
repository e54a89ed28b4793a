/* explain.c - the reason of a segment in words: the one text for the terminal, captures and traces. */
#include "rill.h"

#include <inttypes.h>
#include <stdio.h>

/* Milliseconds as people write them: 412 ms, 1.5 ms, 0.04 ms. */
static const char *duration(uint64_t us, char text[32])
{
    if (us >= 10000)
        (void)snprintf(text, 32, "%" PRIu64 " ms", (us + 500) / 1000);
    else
        (void)snprintf(text, 32, "%.*f ms", us < 1000 ? 2 : 1, (double)us / 1000);
    return text;
}

size_t rill_explain(const struct rill_trace_event *event, char *text, size_t cap)
{
    char reason[128], time[32];
    size_t len = 0;
    if (cap == 0)
        return 0;
    text[0] = '\0';
    if (event->kind != RILL_TRACE_SEGMENT_OUT || event->why == RILL_WHY_NONE)
        return 0;
        /* The list's texts have at most one %u. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(reason, sizeof reason, rill_why_text(event->why), event->why_count);
#pragma GCC diagnostic pop
    if (event->why == RILL_WHY_RACK && event->why_count == 0) /* sent in the same microsecond */
        (void)snprintf(reason, sizeof reason, "RACK: what was sent after it has arrived");
    len = (size_t)snprintf(text, cap, "%s", reason);
    if (event->why_us != 0 && len < cap)
        len += (size_t)snprintf(text + len, cap - len, ", rto %s", duration(event->why_us, time));
    if (event->held != RILL_LIMIT_APPLICATION && event->held_us != 0 && len < cap)
        len += (size_t)snprintf(text + len, cap - len, "; held back %s: %s", duration(event->held_us, time),
                                rill_limit_text(event->held));
    return len < cap ? len : cap - 1;
}
