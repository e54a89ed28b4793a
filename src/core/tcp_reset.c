/* tcp_reset.c - see tcp_reset.h. */
#include "tcp_reset.h"

#include "reply.h"
#include "tcp_ecn.h"
#include "tcp_ts.h"

/* Resets without a connection, per second and at once: enough for every honest "connection refused", too few
 * to be of use to a scanner or a reflector. */
#define RST_PER_SECOND 1000
#define RST_BURST 200

static struct tcp_build answer_to(const struct rill_engine *e, const struct tcp_segment *seg)
{
    return (struct tcp_build){.laddr = seg->laddr,
                              .raddr = seg->raddr,
                              .lport = seg->lport,
                              .rport = seg->rport,
                              .ttl = e->config.ttl};
}

void tcp_reset_for(struct rill_engine *e, const struct tcp_segment *seg)
{
    struct tcp_build build = answer_to(e, seg);
    if ((seg->flags & RILL_RST) != 0)
        return;
    if (!bucket_take(&e->rst, e->now_us, RST_PER_SECOND, RST_BURST)) {
        engine_count(e, RILL_RST_LIMITED);
        return;
    }
    if ((seg->flags & RILL_ACK) != 0) {
        build.seq32 = seg->ack32;
        build.flags = RILL_RST;
    } else {
        build.ack32 = seg->seq32 + tcp_seg_len(seg);
        build.flags = RILL_RST | RILL_ACK;
    }
    /* RFC 7323 5.2: it echoes the timestamp of what it answers, and says nothing of our clock. */
    build.has_ts = seg->opt.has_ts && engine_has(e, RILL_FEATURE_TIMESTAMPS);
    build.tsecr = seg->opt.tsval;
    reply_tcp(e, &build, RILL_WHY_RST_CLOSED);
}

void tcp_ack_for(struct rill_engine *e, const struct tcp_segment *seg, const struct record_ack *ack,
                 enum rill_why why)
{
    struct tcp_build build = answer_to(e, seg);
    build.seq32 = ack->seq32;
    build.ack32 = ack->ack32;
    build.wnd16 = ack->wnd16;
    build.ttl = ack->ttl;
    build.tos = ack->tos & (uint8_t)~ECN_MASK;
    build.flags = RILL_ACK;
    build.has_ts = ack->ts_ok;
    if (ack->ts_ok) {
        struct conn_node tuple = {.raddr = seg->raddr, .rport = seg->rport, .lport = seg->lport};
        build.tsval = tcp_ts_clock(e, tcp_ts_offset(e, &tuple));
        build.tsecr = ack->ts_recent;
    }
    reply_tcp(e, &build, why);
}
