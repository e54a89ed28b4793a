/* tcp_output.c - see tcp_output.h.  RFC 9293 3.7.4, 3.8.4, 3.8.6; RFC 1122 4.2.3.4; RFC 3042.
 *
 * Output is a function of state: each call looks at the TCB and picks, in this order, the first range that is
 * marked lost, new data with the SYN or FIN at its ends, a probe, a keep-alive, an ACK.  Owns: SND.NXT moves
 * in emit only, and never back. */
#include "tcp_output.h"

#include "tcp_conn.h"
#include "tcp_ecn.h"
#include "tcp_rcv.h"
#include "tcp_recovery.h"
#include "tcp_sack.h"
#include "tcp_timer.h"
#include "tcp_ts.h"

#include <errno.h>

#define PACE_BURST_US (1 * MS)
#define OVERRIDE_US (500 * MS) /* RFC 9293 3.8.6.2.1: 0.1 to 1 s */

static bool can_send_data(const struct tcb *c)
{
    switch ((enum rill_tcp_state)c->state) {
    case RILL_ESTABLISHED:
    case RILL_CLOSE_WAIT:
    case RILL_FIN_WAIT_1:
    case RILL_CLOSING:
    case RILL_LAST_ACK:
        return true;
    case RILL_LISTEN:
    case RILL_SYN_SENT:
    case RILL_SYN_RECEIVED:
    case RILL_FIN_WAIT_2:
    case RILL_TIME_WAIT:
    case RILL_CLOSED:
        return false;
    }
    return false;
}

static uint64_t fin_end(const struct tcb *c) { return c->snd.end + (c->fin_queued ? 1 : 0); }

/* The text of a segment that is full: an MSS less the report of what has come out of order (RFC 2018 3, RFC
 * 6691), which is half of it at most. */
static uint32_t full_text(const struct tcb *c) { return tcp_eff_mss(c) - tcp_sack_room(c); }

/* The end of the longest segment that begins at pos: as much text as goes in, and the FIN if the text reaches
 * up to it. */
static uint64_t segment_end(const struct tcb *c, uint64_t pos)
{
    uint64_t end = pos + full_text(c);
    return end >= c->snd.end ? fin_end(c) : end;
}

/* How far the window lets us go: positions below this may be sent. */
static uint64_t window_end(const struct tcb *c) { return c->snd.una + c->snd.wnd; }

/* The sequence number of a segment that occupies none.  DEVIATES: RFC 9293 says SND.NXT; but what lies beyond
 * the peer's window - the octet of a probe that was refused, or all that a shrunk window has cut off - would
 * make the peer throw the segment away, its ACK and window included, so that the other direction stands
 * still.  Linux does the same. */
static uint64_t bare_seq(const struct tcb *c)
{
    return c->state == RILL_SYN_RECEIVED ? c->snd.nxt
                                         : max_u64(c->snd.una, min_u64(c->snd.nxt, window_end(c)));
}

static uint8_t flags_for(const struct tcb *c, uint64_t pos, uint64_t end, uint32_t text_len)
{
    uint8_t flags = c->state == RILL_SYN_SENT ? 0 : RILL_ACK;
    if (pos < end && pos == tcp_iss(c))
        flags |= RILL_SYN;
    if (pos < end && c->fin_queued && end > c->snd.end)
        flags |= RILL_FIN;
    if (text_len != 0 && pos + text_len >= c->snd.end)
        flags |= RILL_PSH; /* MUST-61: there is no PUSH in the interface, the last buffered byte has it */
    if (c->fl != NULL && c->fl->up > pos && (flags & RILL_SYN) == 0)
        flags |= RILL_URG; /* RFC 9293 3.10.2: with the data of the urgent SEND, so not with our SYN */
    return flags;
}

/* What every segment that leaves does to the receiving half: it carries an ACK. */
static void ack_left(struct tcb *c)
{
    c->ack_now = false;
    c->rcv.acked = c->rcv.nxt;
    timer_stop(c, TIMER_DELACK);
}

/* The positions [pos, end) as a segment: SYN, text, FIN.  text_len of them are text, from text_pos on. */
static struct tcp_build segment(struct rill_engine *e, struct tcb *c, uint64_t pos, uint64_t end,
                                uint64_t text_pos, uint32_t text_len)
{
    struct tcp_build build = {.laddr = e->config.addr,
                              .raddr = c->node.raddr,
                              .lport = c->node.lport,
                              .rport = c->node.rport,
                              .seq32 = (uint32_t)pos,
                              .flags = flags_for(c, pos, end, text_len),
                              .ttl = c->opt.ttl,
                              .tos = c->opt.tos};
    build.ack32 = (build.flags & RILL_ACK) != 0 ? (uint32_t)c->rcv.nxt : 0;
    build.wnd16 = tcp_window_field(e, c, (build.flags & RILL_SYN) != 0);
    if ((build.flags & RILL_URG) != 0)
        build.up16 = (uint16_t)min_u64(c->fl->up - pos, UINT16_MAX); /* MUST-62, RFC 6093 */
    if ((build.flags & RILL_SYN) != 0) {
        build.mss = tcp_our_mss(e, &c->opt);
        build.wscale_plus_1 =
            engine_has(e, RILL_FEATURE_WSCALE) && (c->state == RILL_SYN_SENT || c->wscale_ok)
                ? (uint8_t)(c->rcv.wscale + 1)
                : 0;
    }
    if (text_len != 0)
        ring_slices(&c->tx, text_pos, text_len, build.text);
    if ((build.flags & RILL_SYN) == 0) /* RFC 2018 2; and in what the text leaves of the datagram */
        tcp_sack_report(e, c, &build, c->pmtu - (IP4_HEADER_LEN + TCP_HEADER_LEN + tcp_ts_len(c) + text_len));
    tcp_ts_stamp(e, c, &build);
    /* Beyond the window only a probe goes. */
    tcp_ecn_mark(e, c, &build, text_len != 0 && pos >= c->snd.nxt && end <= window_end(c));
    return build;
}

/* Pacing: a window spread over a round trip, twice as fast in slow start and a fifth faster after it, as in
 * Linux, so that the window and not the pace limits.  What PACE_BURST_US are worth may leave at once. */
static void pace(struct rill_engine *e, struct tcb *c, uint32_t bytes)
{
    uint32_t srtt_us = rtt_srtt_us(&c->rtt);
    uint64_t gain = c->cc.cwnd < c->cc.ssthresh / 2 ? 200 : 120; /* per cent */
    rill_time from_us = max_u64(c->fl->pace_us, e->now_us > PACE_BURST_US ? e->now_us - PACE_BURST_US : 0);
    c->fl->pace_us = from_us + (uint64_t)bytes * srtt_us * 100 / (gain * c->cc.cwnd);
}

static bool paced(struct rill_engine *e, struct tcb *c)
{
    if (!engine_has(e, RILL_FEATURE_PACING) || c->fl->pace_us <= e->now_us)
        return false;
    if (c->timer[TIMER_PACE] == RILL_NEVER)
        timer_set(e, c, TIMER_PACE, c->fl->pace_us);
    return true;
}

/* What was handed out has left: the positions [pos, end) are in flight.  `small`: with room for more text. */
static void took_off(struct rill_engine *e, struct tcb *c, uint64_t pos, uint64_t end, bool small)
{
    struct flight *fl = c->fl;
    uint64_t nxt = c->snd.nxt;
    if (small && end > nxt)
        fl->small_end = end;
    if (tcp_flight(c) == 0)
        fl->since_us = e->now_us;
    if (pos < nxt) {
        fl->rtt_pos = 0; /* Karn: its acknowledgement would be ambiguous */
    } else if (fl->rtt_pos == 0) {
        fl->rtt_pos = end;
        fl->rtt_at_us = e->now_us;
    }
    /* RFC 8985 6.2 orders what was sent at one time by its numbers; a retransmission is later than the new
     * data that has left before it, although its numbers are lower. */
    fl->order_us = max_u64(e->now_us, fl->order_us + (pos < nxt ? 1 : 0));
    scoreboard_sent(&fl->sb, &e->mem, pos, end, nxt, fl->order_us);
    c->snd.nxt = max_u64(nxt, end);
    prr_sent(&fl->prr, (uint32_t)(end - pos));
    if (engine_has(e, RILL_FEATURE_PACING) && c->cc.cwnd != 0)
        pace(e, c, (uint32_t)(end - pos));
    timer_sent(e, c);
    if (pos < nxt)
        recovery_resent(e, c, pos, min_u64(end, nxt));
    if (fl->rack.tlp_now)
        rack_probe_left(e, c);
    else if (end > nxt && rack_on(e, c))
        rack_arm_probe(e, c); /* RFC 8985 7.2 */
}

/* Builds the segment that holds the positions [pos, pos + len) - none for a bare ACK - and counts it as sent.
 */
static bool emit(struct rill_engine *e, struct tcb *c, uint64_t pos, uint32_t len, struct rill_packet *out,
                 struct tcp_why why)
{
    bool resent = pos < c->snd.nxt && len != 0;
    uint64_t end = pos + len, text_pos = max_u64(pos, tcp_iss(c) + 1);
    uint64_t text_end = max_u64(text_pos, min_u64(end, c->snd.end)), fresh = max_u64(c->snd.nxt, text_pos);
    uint32_t text_len = (uint32_t)(text_end - text_pos);
    struct tcp_build build = segment(e, c, pos, end, text_pos, text_len);
    uint32_t payload = text_len + TCP_SACK_LEN(build.sack_count); /* what shares the MSS */
    (void)tcp_build(&build, e->head, out);
    c->max_sent = (uint16_t)max_u32(c->max_sent, packet_len(out));
    e->counter[RILL_SEG_RESENT] += resent;
    e->counter[RILL_BYTES_OUT] += text_end > fresh ? text_end - fresh : 0;
    engine_count(e, RILL_SEG_OUT);
    engine_trace_out(e, c, &build, text_len, resent, why);
    if (len != 0)
        took_off(e, c, pos, end, text_len != 0 && payload < tcp_eff_mss(c));
    ack_left(c);
    return true;
}

/* For the trace: why the first range that is marked lost leaves now. */
static struct tcp_why why_lost(const struct rill_engine *e, const struct tcb *c)
{
    const struct flight *fl = c->fl;
    struct tcp_why why = {.why = (enum rill_why)fl->lost_why};
    if (why.why == RILL_WHY_RTO && !fl->rexmit_now) {
        why.why = RILL_WHY_AFTER_RTO;
    } else if (why.why == RILL_WHY_RTO) {
        struct rtt expired = c->rtt; /* as it was before the timeout doubled it */
        if (expired.backoff > 0)
            expired.backoff--;
        why.count = fl->rto_count;
        why.us = (uint32_t)rtt_rto_us(&expired, e->config.rto_max_us);
    } else if (why.why == RILL_WHY_FAST_RETRANSMIT && fl->rexmit_now) {
        why.count = min_u32(fl->dup_acks, 3); /* the third decided; more may have come in the same batch */
    } else if (why.why == RILL_WHY_FAST_RETRANSMIT || (why.why == RILL_WHY_PARTIAL_ACK && !fl->rexmit_now)) {
        why.why = RILL_WHY_REOPENED; /* recovery marks one segment; others were marked before */
    } else if (why.why == RILL_WHY_RACK) {
        why.count = fl->rack.late_us;
    } else if (why.why == RILL_WHY_PMTU) {
        why.count = c->pmtu;
    } else if (why.why == RILL_WHY_PROBE) {
        why.count = fl->probes;
    }
    return why;
}

/* Remembers what keeps us from sending, and since when: for the trace, nothing depends on it.  Returns false
 * for its caller. */
static bool limited(struct rill_engine *e, struct tcb *c, enum rill_limit limit)
{
    if (c->fl != NULL && c->fl->limit != limit) {
        c->fl->limit = (uint8_t)limit;
        c->fl->limit_us = e->now_us;
        engine_trace_numbers(e, c);
    }
    return false;
}

/* The first range marked lost, as far as a segment takes it.  If it reaches up to SND.NXT, new data fills the
 * segment. */
static bool send_lost(struct rill_engine *e, struct tcb *c, struct rill_packet *out)
{
    struct flight *fl = c->fl;
    struct tcp_why why;
    uint64_t begin, end;
    if (fl == NULL || fl->sb.lost.count == 0)
        return false;
    begin = fl->sb.lost.v[0].begin;
    end = min_u64(fl->sb.lost.v[0].end, segment_end(c, begin));
    if (!fl->rexmit_now && c->snd.wnd == 0)
        return false; /* MUST-35: one segment probes a window that has closed over what is in flight */
    if (!fl->rexmit_now && tcp_pipe(c) != 0 && (fl->one_only || tcp_pipe(c) + (end - begin) > c->cc.cwnd))
        return false;
    if (!fl->rexmit_now && paced(e, c))
        return limited(e, c, RILL_LIMIT_PACING);
    if (end == c->snd.nxt && can_send_data(c) && begin > tcp_iss(c))
        end = max_u64(end, min_u64(segment_end(c, begin), window_end(c)));
    why = why_lost(e, c);
    fl->rexmit_now = false;
    return emit(e, c, begin, (uint32_t)(end - begin), out, why);
}

/* Nagle and silly-window avoidance, RFC 9293 3.8.6.2.1 and 3.7.4: whether [nxt, nxt + len) may leave now, len
 * being what window and MSS allow of `avail`.  Nagle's condition has Minshall's modification (RFC 9293 A.3):
 * a short segment waits while another short one is unacknowledged, not while anything is.  So the end of a
 * block that is longer than a segment does not wait for the peer's delayed ACK, and still no more than one
 * short segment is in flight. */
static bool worth_sending(const struct tcb *c, uint32_t len, uint64_t avail)
{
    bool nagle = !c->opt.nodelay && c->snd.una < c->fl->small_end;
    if (len >= full_text(c)) /* (1) */
        return true;
    if (c->fl->rack.tlp_now) /* RFC 8985 7.3: a probe does not wait */
        return true;
    if (c->fl->up > c->snd.nxt) /* urgent data does not wait */
        return true;
    if (len == avail) /* (2); a FIN ends the waiting for more */
        return !nagle || c->fin_queued;
    return !nagle && len >= c->snd.max_wnd / 2; /* (3) */
}

/* Data waits and nothing is in flight that could bring an ACK: the timer has to wake us. */
static void blocked_by_window(struct rill_engine *e, struct tcb *c, bool closed)
{
    if (tcp_flight(c) != 0)
        return;
    timer_window_closed(e, c);
    if (!closed)
        timer_set(e, c, TIMER_XMIT, min_u64(c->timer[TIMER_XMIT], e->now_us + OVERRIDE_US)); /* (4) */
}

/* RFC 9293 3.8.6.1: one octet into the closed window, or what a window too small for (1) to (3) takes. */
static bool send_probe(struct rill_engine *e, struct tcb *c, uint64_t avail, uint64_t usable,
                       struct rill_packet *out)
{
    uint32_t len = (uint32_t)max_u64(1, min_u64(min_u64(avail, usable), full_text(c)));
    c->probe_now = false;
    if (usable == 0) {
        engine_event(e, RILL_PROBE_SENT, c, NULL);
        c->fl->probes++;
    }
    return emit(e, c, c->snd.nxt, len, out,
                (struct tcp_why){usable == 0 ? RILL_WHY_PROBE : RILL_WHY_OVERRIDE, c->fl->probes, 0});
}

static bool send_new(struct rill_engine *e, struct tcb *c, struct rill_packet *out)
{
    struct tcp_why why = {.why = RILL_WHY_DATA};
    uint64_t avail, usable;
    uint32_t len;
    if ((c->state == RILL_SYN_SENT || c->state == RILL_SYN_RECEIVED) && c->snd.nxt == tcp_iss(c)) {
        why.why = c->state == RILL_SYN_SENT ? RILL_WHY_SYN : RILL_WHY_SYN_CROSSED;
        return emit(e, c, c->snd.nxt, 1, out, why);
    }
    avail = fin_end(c) > c->snd.nxt ? fin_end(c) - c->snd.nxt : 0;
    if (!can_send_data(c) || avail == 0)
        return limited(e, c, RILL_LIMIT_APPLICATION);
    usable = window_end(c) > c->snd.nxt ? window_end(c) - c->snd.nxt : 0; /* MUST-34: it may have shrunk */
    if (c->probe_now && tcp_flight(c) == 0)
        return send_probe(e, c, avail, usable, out);
    c->probe_now = false;
    len = (uint32_t)min_u64(usable, segment_end(c, c->snd.nxt) - c->snd.nxt);
    if (engine_breaks(e, RILL_BREAK_IGNORE_RWND))
        len = (uint32_t)(segment_end(c, c->snd.nxt) - c->snd.nxt);
    if (len == 0 || (!worth_sending(c, len, avail) && !engine_breaks(e, RILL_BREAK_NO_SWS))) {
        blocked_by_window(e, c, usable == 0);
        return limited(e, c, usable == 0 ? RILL_LIMIT_RWND : len < avail ? RILL_LIMIT_SWS : RILL_LIMIT_NAGLE);
    }
    recovery_idle_restart(e, c);
    if (tcp_pipe(c) != 0 && !c->fl->rack.tlp_now &&
        (c->fl->one_only || tcp_pipe(c) + len > recovery_allowance(e, c)))
        return limited(e, c, c->fl->recovery || c->fl->timed_out ? RILL_LIMIT_RECOVERY : RILL_LIMIT_CWND);
    if (!c->fl->rack.tlp_now && paced(e, c))
        return limited(e, c, RILL_LIMIT_PACING);
    if (tcp_flight(c) == 0)
        timer_stop(c, TIMER_XMIT); /* it was the persist timer */
    if (c->fl->rack.tlp_now)
        why.why = RILL_WHY_LOSS_PROBE;
    else if (c->snd.nxt == c->snd.end)
        why.why = RILL_WHY_FIN;
    else if (tcp_pipe(c) + len > c->cc.cwnd && tcp_pipe(c) != 0)
        why = (struct tcp_why){RILL_WHY_LIMITED, c->fl->dup_acks, 0};
    (void)emit(e, c, c->snd.nxt, len, out, why);
    c->fl->limit = RILL_LIMIT_APPLICATION;
    return true;
}

/* SHLD-12: a keep-alive has no data and an old sequence number, which the peer must answer. */
static bool send_keepalive(struct rill_engine *e, struct tcb *c, struct rill_packet *out)
{
    c->keep_now = false;
    engine_event(e, RILL_KEEPALIVE_SENT, c, NULL);
    return emit(e, c, c->snd.nxt - 1, 0, out, (struct tcp_why){RILL_WHY_KEEPALIVE, c->keep_sent, 0});
}

/* RFC 9293 3.10.5.  The connection is CLOSED already; this is its last word. */
static bool send_reset(struct rill_engine *e, struct tcb *c, struct rill_packet *out)
{
    struct tcp_build build = {.laddr = e->config.addr,
                              .raddr = c->node.raddr,
                              .lport = c->node.lport,
                              .rport = c->node.rport,
                              .seq32 = (uint32_t)bare_seq(c),
                              .ack32 = (uint32_t)c->rcv.nxt,
                              .flags = RILL_RST | RILL_ACK,
                              .ttl = c->opt.ttl,
                              .tos = c->opt.tos};
    tcp_ts_stamp(e, c, &build);
    tcp_ecn_mark(e, c, &build, false);
    c->rst_now = false;
    (void)tcp_build(&build, e->head, out);
    engine_count(e, RILL_SEG_OUT);
    engine_event(e, RILL_RST_OUT, c, NULL);
    engine_trace_out(e, c, &build, 0, false, (struct tcp_why){.why = RILL_WHY_RST_ABORT});
    if (tcp_orphan(c))
        tcp_free(e, c);
    return true;
}

bool tcp_output(struct rill_engine *e, struct tcb *c, struct rill_packet *out)
{
    bool sent;
    if (c->rst_now)
        return send_reset(e, c, out);
    if (c->state == RILL_CLOSED)
        return false;
    sent =
        send_lost(e, c, out) || send_new(e, c, out) || (c->keep_now && send_keepalive(e, c, out)) ||
        (c->ack_now && emit(e, c, bare_seq(c), 0, out, (struct tcp_why){.why = (enum rill_why)c->ack_why}));
    if (sent)
        conns_touch(&e->conns, c); /* perhaps there is more */
    if (c->state == RILL_TIME_WAIT && tcp_orphan(c) && !c->ack_now && tcp_unread(c) == 0)
        (void)tcp_time_wait_record(e, c);
    return sent;
}

uint32_t tcp_write_room(const struct tcb *c)
{
    uint64_t queued = c->snd.end - max_u64(c->snd.una, tcp_iss(c) + 1);
    if (c->snd.una > c->snd.end)
        queued = 0; /* the FIN is acknowledged */
    return queued < c->opt.sndbuf_bytes ? (uint32_t)(c->opt.sndbuf_bytes - queued) : 0;
}

int32_t tcp_write(struct rill_engine *e, struct tcb *c, const void *data, uint32_t len)
{
    uint64_t begin = max_u64(c->snd.una, tcp_iss(c) + 1); /* text waits behind a SYN, too: RFC 9293 3.10.2 */
    uint32_t take = min_u32(min_u32(len, tcp_write_room(c)), INT32_MAX), used, room;
    if (c->fin_queued || c->state == RILL_CLOSED)
        return -EPIPE;
    if (take == 0)
        return 0;
    if (tcp_need_flight(e, c) != 0)
        return -ENOBUFS;
    used = (uint32_t)(c->snd.end - begin);
    if (ring_reserve(&c->tx, &e->mem, begin, c->snd.end, used + take,
                     max_u32(used + take, c->opt.sndbuf_bytes)) != 0) {
        room = c->tx.cap > used ? c->tx.cap - used : 0;
        take = min_u32(take, room);
        if (take == 0)
            return -ENOBUFS;
    }
    ring_write(&c->tx, c->snd.end, data, take);
    c->snd.end += take;
    conns_touch(&e->conns, c);
    return (int32_t)take;
}

void tcp_write_urgent(struct tcb *c)
{
    if (c->fl != NULL)
        c->fl->up = c->snd.end;
}
