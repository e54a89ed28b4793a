/* verbose.c - one readable line for each segment (-v), and for each state change and event (-vv).
 *
 *     0.000412 in  10.77.0.1:43210 > 10.77.0.2:7  [SYN] 0:0(0) win 64240
 *     0.000455 out 10.77.0.2:7 > 10.77.0.1:43210  [SYN ACK] 0:0(0) ack 1 win 65535  # answers the SYN
 *
 * Sequence numbers count from the connection's initial ones (the SYN is 0, the first byte 1), the window is
 * in bytes.  `abs` marks a segment of no known connection, whose numbers are those of the wire; `again` one
 * that was sent before.  Behind the # stands why we sent it.  The hook is called inside of the engine: it
 * only prints. */
#include "cli.h"

#include <inttypes.h>

static void print_end(FILE *out, uint32_t addr, uint16_t port, const char *after)
{
    fprintf(out, "%u.%u.%u.%u:%u%s", addr >> 24, addr >> 16 & 255, addr >> 8 & 255, addr & 255, port, after);
}

static void print_flags(FILE *out, uint8_t flags)
{
    static const struct {
        uint8_t bit;
        const char *name;
    } names[] = {{RILL_SYN, "SYN"}, {RILL_FIN, "FIN"}, {RILL_RST, "RST"}, {RILL_PSH, "PSH"},
                 {RILL_URG, "URG"}, {RILL_ECE, "ECE"}, {RILL_CWR, "CWR"}, {RILL_ACK, "ACK"}};
    const char *space = "";
    fputs("[", out);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (flags & names[i].bit) {
            fprintf(out, "%s%s", space, names[i].name);
            space = " ";
        }
    }
    fputs("]", out);
}

static void print_segment(FILE *out, const struct rill_trace_event *event)
{
    bool in = event->kind == RILL_TRACE_SEGMENT_IN;
    fputs(in ? "in  " : "out ", out);
    print_end(out, in ? event->raddr : event->laddr, in ? event->rport : event->lport, " > ");
    print_end(out, in ? event->laddr : event->raddr, in ? event->lport : event->rport, "  ");
    print_flags(out, event->flags);
    fprintf(out, " %" PRIu64 ":%" PRIu64 "(%" PRIu32 ")", event->seq, event->seq + event->len, event->len);
    if (event->flags & RILL_ACK)
        fprintf(out, " ack %" PRIu64, event->ack);
    char why[160];
    size_t len = rill_explain(event, why, sizeof why);
    fprintf(out, " win %" PRIu32 "%s%s%s%s\n", event->wnd, event->relative ? "" : " abs",
            event->resent ? " again" : "", len > 0 ? "  # " : "", why);
}

/* An event need not belong to a connection: then all of its addresses are 0. */
static void print_connection(FILE *out, const struct rill_trace_event *event)
{
    fputs("    ", out);
    if (event->rport != 0 || event->lport != 0) {
        print_end(out, event->laddr, event->lport, " - ");
        print_end(out, event->raddr, event->rport, "  ");
    }
}

void verbose_trace(void *ctx, const struct rill_trace_event *event)
{
    struct verbose *verbose = ctx;
    FILE *out = verbose->out;
    bool segment = event->kind == RILL_TRACE_SEGMENT_IN || event->kind == RILL_TRACE_SEGMENT_OUT;
    bool told = event->kind == RILL_TRACE_EVENT || event->kind == RILL_TRACE_STATE;
    if (!segment && !(told && verbose->events))
        return;
    if (!verbose->begun) {
        verbose->begun = true;
        verbose->zero_us = event->at_us;
    }
    uint64_t us = event->at_us - verbose->zero_us;
    fprintf(out, "%5" PRIu64 ".%06" PRIu64 " ", us / 1000000, us % 1000000);
    switch (event->kind) {
    case RILL_TRACE_SEGMENT_IN:
    case RILL_TRACE_SEGMENT_OUT:
        print_segment(out, event);
        break;
    case RILL_TRACE_EVENT:
        print_connection(out, event);
        fprintf(out, "%s\n", rill_event_text(event->event));
        break;
    case RILL_TRACE_STATE:
        print_connection(out, event);
        fprintf(out, "%s > %s\n", rill_state_name(event->state_from), rill_state_name(event->state));
        break;
    case RILL_TRACE_NUMBERS:
    case RILL_TRACE_TIMER_SET:
    case RILL_TRACE_TIMER_FIRED:
        break;
    }
    fflush(out);
}
