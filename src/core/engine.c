/* engine.c - see engine.h.  Counting, tracing, limits on what is sent without being asked for, random
 * numbers. RFC 5961 7.
 *
 * Tracing changes nothing: no number that another file reads depends on whether somebody looks. */
#include "engine.h"

_Static_assert((int)RILL_SACK_BLOCKS >= TCP_SACK_BLOCKS, "the trace has room for all blocks");

#define CHALLENGE_PERIOD_MS 500u
#define CHALLENGES_PER_SECOND 1000u

bool bucket_take(struct bucket *bucket, rill_time now_us, uint32_t per_second, uint32_t burst)
{
    ASSERT(per_second > 0 && now_us >= bucket->filled_us);
    /* After 2^32 seconds the largest bucket is full at any rate, and until then the products fit. */
    uint64_t elapsed_us = min_u64(now_us - bucket->filled_us, UINT32_MAX * SEC);
    uint64_t refill = elapsed_us / SEC * per_second + elapsed_us % SEC * per_second / SEC;
    if (refill >= bucket->spent) {
        bucket->spent = 0;
        bucket->filled_us = now_us;
    } else if (refill > 0) {
        bucket->spent -= (uint32_t)refill;
        /* The time that these tokens took, rounded up: the rate is never exceeded. */
        bucket->filled_us += (refill * SEC + per_second - 1) / per_second;
    }
    if (bucket->spent >= burst)
        return false;
    bucket->spent++;
    return true;
}

/* ---- Counting and tracing ---------------------------------------------------------------------------- */

static void trace(const struct rill_engine *e, struct rill_trace_event *event)
{
    event->at_us = e->now_us;
    event->laddr = e->config.addr;
    e->config.trace(e->config.trace_ctx, event);
}

void engine_event(struct rill_engine *e, enum rill_event event, const struct tcb *c,
                  const struct tcp_segment *seg)
{
    engine_count(e, event);
    if (e->config.trace == NULL)
        return;
    struct rill_trace_event told = {.kind = RILL_TRACE_EVENT, .event = event, .state = RILL_CLOSED};
    if (seg != NULL) {
        told.raddr = seg->raddr;
        told.lport = seg->lport;
        told.rport = seg->rport;
    }
    if (c != NULL) {
        told.raddr = c->node.raddr;
        told.lport = c->node.lport;
        told.rport = c->node.rport;
        told.state = (enum rill_tcp_state)c->state;
    }
    told.state_from = told.state;
    trace(e, &told);
}

/* How far the number on the wire is from `initial`, unwrapped near `near`.  In front of the initial number
 * nothing can be counted; what garbage is there is shown in 32 bits. */
static uint64_t relative(uint64_t initial, uint64_t near, uint32_t wire)
{
    uint64_t pos = seq_unwrap(near, wire);
    return pos >= initial ? pos - initial : wire - (uint32_t)initial;
}

/* The options.  The blocks count from the same initial number as the acknowledgement: ours tell of the peer's
 * bytes, the peer's of ours. */
static void add_options(struct rill_trace_event *told, const struct tcb *c, const struct tcp_options *opt,
                        bool out)
{
    told->has_ts = opt->has_ts;
    told->tsval = opt->tsval;
    told->tsecr = opt->tsecr;
    told->sack_count = opt->sack_count;
    for (uint32_t i = 0; i < opt->sack_count; i++) {
        const struct tcp_sack *wire = &opt->sack[i];
        told->sack[i].begin = wire->left;
        told->sack[i].end = wire->right;
        if (c == NULL || (out && c->rcv.nxt == 0))
            continue;
        uint64_t initial = out ? tcp_irs(c) : tcp_iss(c), near = out ? c->rcv.nxt : c->snd.una;
        told->sack[i].begin = relative(initial, near, wire->left);
        told->sack[i].end = relative(initial, near, wire->right);
    }
}

/* What every event of a segment says, however it is known. */
static struct rill_trace_event segment_event(enum rill_trace_kind kind, const struct tcb *c,
                                             const struct tcp_segment *seg)
{
    bool out = kind == RILL_TRACE_SEGMENT_OUT;
    struct rill_trace_event told = {
        .kind = kind,
        .state_from = RILL_CLOSED,
        .state = RILL_CLOSED,
        .raddr = seg->raddr,
        .lport = seg->lport,
        .rport = seg->rport,
        .seq32 = seg->seq32,
        .ack32 = seg->ack32,
        .seq = seg->seq32,
        .ack = seg->ack32,
        .len = seg->text_len,
        .wnd = seg->wnd16,
        .flags = seg->flags,
    };
    if (c != NULL) {
        /* Before the peer's SYN its numbers begin with the segment that shows them. */
        uint64_t irs = c->rcv.nxt != 0 ? tcp_irs(c) : seq_unwrap(SEQ_BASE, out ? seg->ack32 : seg->seq32);
        uint64_t rcv_nxt = max_u64(c->rcv.nxt, irs);
        told.relative = true;
        told.state_from = told.state = (enum rill_tcp_state)c->state;
        told.seq = out ? relative(tcp_iss(c), c->snd.nxt, seg->seq32) : relative(irs, rcv_nxt, seg->seq32);
        told.ack = out ? relative(irs, rcv_nxt, seg->ack32) : relative(tcp_iss(c), c->snd.una, seg->ack32);
        if ((seg->flags & RILL_SYN) == 0) /* RFC 7323 2.2: the window of a SYN is never scaled */
            told.wnd <<= out ? c->rcv.wscale : c->snd.wscale;
    } else if ((seg->flags & (RILL_SYN | RILL_ACK)) ==
               RILL_SYN) { /* the first of a connection that is to be */
        told.relative = true;
        told.seq = 0;
    }
    if ((seg->flags & RILL_ACK) == 0)
        told.ack = 0;
    add_options(&told, c, &seg->opt, out);
    return told;
}

void engine_trace_segment_in(struct rill_engine *e, const struct tcb *c, const struct tcp_segment *seg)
{
    if (e->config.trace == NULL)
        return;
    struct rill_trace_event told = segment_event(RILL_TRACE_SEGMENT_IN, c, seg);
    trace(e, &told);
}

struct rill_numbers engine_numbers(const struct rill_engine *e, const struct tcb *c)
{
    struct rill_numbers n = {
        .cwnd = c->cc.cwnd,
        .ssthresh = c->cc.ssthresh,
        .flight = tcp_flight(c),
        .pipe = tcp_pipe(c),
        .snd_wnd = c->snd.wnd,
        .rcv_wnd = c->rcv.adv > c->rcv.nxt ? (uint32_t)(c->rcv.adv - c->rcv.nxt) : 0,
        .unsent = c->snd.end > c->snd.nxt ? (uint32_t)(c->snd.end - c->snd.nxt) : 0,
        .unread = tcp_unread(c),
        .srtt_us = rtt_srtt_us(&c->rtt),
        .rttvar_us = rtt_var_us(&c->rtt),
        .rto_us = (uint32_t)rtt_rto_us(&c->rtt, e->config.rto_max_us),
    };
    if (c->fl != NULL) {
        n.dup_acks = c->fl->dup_acks;
        n.recovery = c->fl->recovery;
        n.limit = (enum rill_limit)c->fl->limit;
        n.sacked = c->fl->sb.sacked.bytes;
        n.lost = c->fl->sb.lost.bytes;
    }
    return n;
}

void engine_trace_out(struct rill_engine *e, const struct tcb *c, const struct tcp_build *build,
                      uint32_t text_len, bool resent, struct tcp_why why)
{
    if (e->config.trace == NULL)
        return;
    struct tcp_segment seg = {
        .laddr = build->laddr,
        .raddr = build->raddr,
        .lport = build->lport,
        .rport = build->rport,
        .seq32 = build->seq32,
        .ack32 = build->ack32,
        .text_len = text_len,
        .wnd16 = build->wnd16,
        .up16 = build->up16,
        .flags = build->flags,
        .opt = {.has_ts = build->has_ts,
                .tsval = build->tsval,
                .tsecr = build->tsecr,
                .sack_count = build->sack_count},
    };
    memcpy(seg.opt.sack, build->sack, sizeof seg.opt.sack);
    struct rill_trace_event told = segment_event(RILL_TRACE_SEGMENT_OUT, c, &seg);
    told.resent = resent;
    told.why = why.why;
    told.why_count = why.count;
    told.why_us = why.us;
    if (c != NULL)
        told.numbers = engine_numbers(e, c);
    if (c != NULL && c->fl != NULL && text_len != 0 && !resent) {
        told.held = (enum rill_limit)c->fl->limit;
        told.held_us = told.held != RILL_LIMIT_APPLICATION ? e->now_us - c->fl->limit_us : 0;
    }
    trace(e, &told);
}

/* An event of a connection, without more. */
static struct rill_trace_event connection_event(const struct tcb *c, enum rill_trace_kind kind)
{
    return (struct rill_trace_event){
        .kind = kind,
        .state_from = (enum rill_tcp_state)c->state,
        .state = (enum rill_tcp_state)c->state,
        .raddr = c->node.raddr,
        .lport = c->node.lport,
        .rport = c->node.rport,
    };
}

void engine_trace_state(struct rill_engine *e, const struct conn_node *node, enum rill_tcp_state from,
                        enum rill_tcp_state to)
{
    if (e->config.trace == NULL)
        return;
    struct rill_trace_event told = {
        .kind = RILL_TRACE_STATE,
        .state_from = from,
        .state = to,
        .raddr = node->raddr,
        .lport = node->lport,
        .rport = node->rport,
    };
    trace(e, &told);
}

void engine_trace_numbers(struct rill_engine *e, const struct tcb *c)
{
    if (e->config.trace == NULL)
        return;
    struct rill_trace_event told = connection_event(c, RILL_TRACE_NUMBERS);
    told.numbers = engine_numbers(e, c);
    trace(e, &told);
}

void engine_trace_timer(struct rill_engine *e, const struct tcb *c, enum rill_trace_kind kind,
                        enum tcp_timer timer)
{
    if (e->config.trace == NULL)
        return;
    struct rill_trace_event told = connection_event(c, kind);
    told.timer = (enum rill_timer)timer;
    told.timer_at_us = kind == RILL_TRACE_TIMER_SET ? c->timer[timer] : 0;
    trace(e, &told);
}

/* ---- Challenge ACKs ---------------------------------------------------------------------------------- */

/* RFC 5961 7.  A limit that all connections share at a fixed number tells an attacker on one of them what
 * happens on the others (CVE-2016-5696); so it is drawn anew each second, from half to one and a half of what
 * is meant, and it is so high that each connection's own limit comes first. */
bool engine_may_challenge(struct rill_engine *e)
{
    if (e->challenge_since_us == 0 || e->now_us - e->challenge_since_us >= SEC) {
        e->challenge_since_us = max_u64(e->now_us, 1);
        e->challenge_left =
            CHALLENGES_PER_SECOND / 2 + (uint32_t)(engine_random(e) % (CHALLENGES_PER_SECOND + 1));
    }
    if (e->challenge_left == 0) {
        engine_event(e, RILL_CHALLENGE_LIMITED, NULL, NULL);
        return false;
    }
    e->challenge_left--;
    return true;
}

static bool too_soon(const struct rill_engine *e, uint32_t last_ms)
{
    return (uint32_t)(e->now_us / MS) - last_ms < CHALLENGE_PERIOD_MS;
}

bool tcp_may_challenge(struct rill_engine *e, struct tcb *c)
{
    if (c->challenged && too_soon(e, c->challenge_ms)) {
        engine_event(e, RILL_CHALLENGE_LIMITED, c, NULL);
        return false;
    }
    if (!engine_may_challenge(e))
        return false;
    c->challenged = true;
    c->challenge_ms = (uint32_t)(e->now_us / MS);
    return true;
}

bool wait_may_challenge(struct rill_engine *e, struct time_wait *tw)
{
    /* A record has no bit to spare for "never": that is 0, and at the millisecond 0 it is 1. */
    if (tw->challenge_ms != 0 && too_soon(e, tw->challenge_ms)) {
        engine_event(e, RILL_CHALLENGE_LIMITED, NULL, NULL);
        return false;
    }
    if (!engine_may_challenge(e))
        return false;
    tw->challenge_ms = max_u32((uint32_t)(e->now_us / MS), 1);
    return true;
}

/* ---- Random numbers ---------------------------------------------------------------------------------- */

/* SipHash in counter mode.  The other inputs that are hashed with this key have other lengths. */
uint64_t engine_random(struct rill_engine *e)
{
    uint64_t counter = e->random++;
    return siphash(&e->id_key, &counter, sizeof counter);
}
