/* tcp_rcv.c - see tcp_rcv.h.  RFC 9293 3.8.5, 3.8.6, 3.10.7.4; RFC 5681 4.2; RFC 6093; RFC 7323 2.
 *
 * Owns: RCV.NXT moves in advance_nxt only; of bytes that arrive twice the first copy counts; a received byte
 * is written once, to its final place in the ring. */
#include "tcp_rcv.h"

#include "tcp_conn.h"
#include "tcp_sack.h"
#include "tcp_timer.h"

#include <errno.h>

/* Rounding the window up to the scale's unit can move the right edge out by less than a unit for each segment
 * that arrives. The ring keeps this much beyond the buffer for it. */
static uint32_t edge_slack(const struct tcb *c) { return c->opt.rcvbuf_bytes / 8 + (1u << c->rcv.wscale); }

/* What we would like to offer: the buffer, as far as a window field can say it. */
static uint64_t wanted_edge(const struct tcb *c)
{
    return min_u64(c->rcv.read + c->opt.rcvbuf_bytes, c->rcv.nxt + ((uint64_t)UINT16_MAX << c->rcv.wscale));
}

/* MUST-39, RFC 9293 3.8.6.2.2: the right edge moves by min(Fr * RCV.BUFF, Eff.snd.MSS) or not at all; our
 * largest segment stands for the MSS. */
static uint64_t right_edge(const struct rill_engine *e, const struct tcb *c)
{
    uint64_t want = wanted_edge(c);
    uint32_t step =
        min_u32(c->opt.rcvbuf_bytes / 2, c->pmtu - (IP4_HEADER_LEN + TCP_HEADER_LEN) - tcp_ts_len(c));
    if (engine_breaks(e, RILL_BREAK_NO_SWS))
        step = 1;
    return want >= c->rcv.adv + step ? want : c->rcv.adv;
}

uint16_t tcp_window_field(const struct rill_engine *e, struct tcb *c, bool syn)
{
    uint8_t shift = syn ? 0 : c->rcv.wscale; /* RFC 7323 2.2: never scaled in a SYN */
    uint64_t edge, wnd, field;
    if (c->state == RILL_SYN_SENT)
        return (uint16_t)min_u32(c->opt.rcvbuf_bytes, UINT16_MAX);
    edge = right_edge(e, c);
    wnd = edge - c->rcv.nxt;
    /* Rounded up, so that the edge does not move left.  DEVIATES: with an application that does not read and
     * segments that are no multiple of the unit this would add up; beyond the slack the edge then wavers by
     * less than a unit, which RFC 7323 2.4 allows, and what was ever offered is still accepted. */
    field = (wnd + (1u << shift) - 1) >> shift;
    if (c->rcv.nxt + (field << shift) > c->rcv.read + c->opt.rcvbuf_bytes + edge_slack(c))
        field = wnd >> shift;
    field = min_u64(field, UINT16_MAX);
    c->rcv.adv = max_u64(c->rcv.adv, c->rcv.nxt + (field << shift));
    return (uint16_t)field;
}

/* The application has read: a buffer that limits the path grows, and with it the window.  The minimum RTT of
 * a connection that only receives is the handshake's. */
static void grow(struct rill_engine *e, struct tcb *c)
{
    uint32_t before = c->opt.rcvbuf_bytes;
    if (c->in == NULL || c->opt.rcvbuf_set || !engine_has(e, RILL_FEATURE_AUTOTUNE))
        return;
    c->opt.rcvbuf_bytes =
        tune_step(&c->in->tune, e->now_us, c->rtt.min_us, c->rcv.read, before, e->config.buf_max_bytes);
    if (c->opt.rcvbuf_bytes != before)
        engine_event(e, RILL_BUFFER_GROWN, c, NULL);
}

uint32_t tcp_read(struct rill_engine *e, struct tcb *c, void *data, uint32_t len, bool peek)
{
    uint32_t take = min_u32(len, tcp_unread(c));
    uint64_t wnd_now, wnd_then;
    if (take == 0)
        return 0;
    if (data != NULL)
        ring_read(&c->rx, c->rcv.read, data, take);
    if (peek)
        return take;
    c->rcv.read += take;
    if (c->state == RILL_CLOSED) {
        if (tcp_unread(c) == 0)
            ring_free(&c->rx, &e->mem);
        return take;
    }
    if (tcp_unread(c) == 0)
        timer_rings(e, c);
    grow(e, c);
    /* A window update when it at least doubles what the peer may send: often enough to keep it busy, seldom
     * enough not to answer each read with a packet. */
    wnd_now = tcp_rcv_wnd(c);
    wnd_then = right_edge(e, c) - c->rcv.nxt;
    if (!tcp_fin_received(c) && wnd_then > wnd_now &&
        (wnd_then >= 2 * wnd_now || engine_breaks(e, RILL_BREAK_NO_SWS))) {
        tcp_ack_soon(c, RILL_WHY_ACK_WINDOW);
        conns_touch(&e->conns, c);
    }
    return take;
}

/* MUST-30..33 and RFC 6093: the pointer names the octet after the urgent data, which stays in line. */
void tcp_receive_urgent(struct tcb *c, const struct tcp_segment *seg)
{
    uint64_t up = seg->seq + seg->up16;
    if ((seg->flags & RILL_URG) == 0 || tcp_fin_received(c))
        return;
    if (up > max_u64(c->rcv.up, c->rcv.read)) {
        c->rcv.up = up;
        c->urgent_event = true;
    }
}

/* Copies the text that belongs to positions [begin, end) into the ring. */
static void store(struct tcb *c, const struct tcp_segment *seg, uint64_t text_pos, uint64_t begin,
                  uint64_t end)
{
    uint64_t pos = text_pos;
    for (int i = 0; i < 3; i++) {
        uint64_t from = max_u64(begin, pos), to = min_u64(end, pos + seg->text[i].len);
        if (from < to)
            ring_write(&c->rx, from, seg->text[i].data + (from - pos), (uint32_t)(to - from));
        pos += seg->text[i].len;
    }
}

/* Stores what of [begin, end) has not come before: first copy wins. */
static void store_new(struct tcb *c, const struct tcp_segment *seg, uint64_t text_pos, uint64_t begin,
                      uint64_t end)
{
    const struct ranges *ooo = &c->in->ooo;
    for (uint32_t i = 0; i < ooo->count && begin < end; i++) {
        const struct range *had = &ooo->v[i];
        if (had->end <= begin)
            continue;
        if (had->begin > begin)
            store(c, seg, text_pos, begin, min_u64(end, had->begin));
        begin = max_u64(begin, had->end);
    }
    if (begin < end)
        store(c, seg, text_pos, begin, end);
}

/* Moves RCV.NXT to pos and on over what was received out of order behind it. */
static void advance_nxt(struct rill_engine *e, struct tcb *c, uint64_t pos)
{
    struct ranges *ooo = &c->in->ooo;
    uint64_t before = c->rcv.nxt;
    ASSERT(pos > c->rcv.nxt);
    c->rcv.nxt = pos;
    ranges_trim(ooo, pos);
    if (ooo->count != 0 && ooo->v[0].begin == pos) {
        c->rcv.nxt = ooo->v[0].end;
        ranges_trim(ooo, c->rcv.nxt);
    }
    if (ooo->count == 0)
        ranges_clear(ooo, &e->mem);
    e->counter[RILL_BYTES_IN] += c->rcv.nxt - before;
}

/* While the peer's window is small, at the beginning and after a loss, each ACK makes it grow: this many full
 * segments get one each, as in Linux. */
#define QUICK_ACKS 16u

/* RFC 5681 4.2: for each second full segment (SHLD-19), else within the delay (MUST-40). */
static void owe_ack(struct rill_engine *e, struct tcb *c)
{
    if (engine_has(e, RILL_FEATURE_QUICKACK) && c->rcv.quick_acked < QUICK_ACKS &&
        c->rcv.nxt - c->rcv.acked >= c->rcv.mss) {
        c->rcv.quick_acked++;
        tcp_ack_soon(c, RILL_WHY_ACK_QUICK);
        e->drain = true;
    } else if (engine_breaks(e, RILL_BREAK_NO_DELAYED_ACK) ||
               c->rcv.nxt - c->rcv.acked >= (uint64_t)e->config.ack_every * c->rcv.mss)
        tcp_ack_soon(c, RILL_WHY_ACK_SECOND);
    else
        timer_ack_owed(e, c);
}

/* Out of order: keep it, and say so at once (SHLD-31, MAY-13). */
static enum tcp_verdict receive_early(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg,
                                      uint64_t begin, uint64_t end)
{
    int full;
    store_new(c, seg, seg->seq, begin, end);
    full = ranges_add(&c->in->ooo, &e->mem, begin, end); /* what was stored is invisible if this fails */
    tcp_sack_arrived(c, begin);
    c->rcv.quick_acked = 0;
    if (full != 0)
        engine_event(e, full == -ENOMEM ? RILL_DROP_MEMORY : RILL_DROP_FRAGMENTED_RANGES, c, seg);
    else
        engine_event(e, RILL_OUT_OF_ORDER, c, seg);
    return ACK;
}

/* RFC 9293 3.10.7.4, eighth: the state after the peer's FIN has been received in order. */
static void receive_fin(struct rill_engine *e, struct tcb *c)
{
    c->rcv.nxt = c->rcv.fin + 1;
    tcp_ack_soon(c, RILL_WHY_ACK_FIN);
    switch ((enum rill_tcp_state)c->state) {
    case RILL_SYN_RECEIVED:
    case RILL_ESTABLISHED:
        tcp_set_state(e, c, RILL_CLOSE_WAIT);
        break;
    case RILL_FIN_WAIT_1: /* our FIN is not acknowledged: process_ack would have moved on */
        tcp_set_state(e, c, RILL_CLOSING);
        break;
    case RILL_FIN_WAIT_2:
        tcp_time_wait(e, c);
        break;
    case RILL_CLOSE_WAIT:
    case RILL_CLOSING:
    case RILL_LAST_ACK:
    case RILL_TIME_WAIT:
    case RILL_LISTEN:
    case RILL_SYN_SENT:
    case RILL_CLOSED:
        ASSERT(false); /* a FIN is received in order once */
    }
}

/* Memory for the text [.., end): the ring, and what comes with it.  0 or -ENOBUFS, -ENOMEM. */
static int make_room(struct rill_engine *e, struct tcb *c, uint64_t end)
{
    uint32_t need = (uint32_t)(end - c->rcv.read);
    int full = tcp_need_intake(e, c);
    if (full == 0)
        full = ring_reserve(&c->rx, &e->mem, c->rcv.read, tcp_held_end(c), need,
                            max_u32(need, c->opt.rcvbuf_bytes + edge_slack(c)));
    if (c->rx.buf == NULL)
        tcp_free_intake(e, c);
    return full;
}

/* In order, or from in front of RCV.NXT on: it moves.  RFC 5681 4.2: a gap that fills, even in part, is told
 * at once, and before the next packet; and so is a duplicate, which the next ACK alone can tell of. */
static void receive_next(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg, uint64_t end,
                         bool again)
{
    bool gap = tcp_gap(c);
    store_new(c, seg, seg->seq, c->rcv.nxt, end);
    advance_nxt(e, c, end);
    e->drain |= gap || again;
    if (gap || again)
        tcp_ack_soon(c, gap ? RILL_WHY_ACK_FILL : RILL_WHY_ACK_OLD);
    else
        owe_ack(e, c);
}

/* The text [begin, end), which is in the window and new, or may be. */
static enum tcp_verdict receive_bytes(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg,
                                      uint64_t begin, uint64_t end)
{
    bool again;
    if (tcp_orphan(c)) {
        engine_event(e, RILL_DROP_AFTER_CLOSE, c, seg);
        return RESET; /* SHLD-3 */
    }
    if (make_room(e, c, end) != 0) {
        engine_event(e, RILL_DROP_MEMORY, c, seg);
        return DROP; /* as if it had been lost: not acknowledged, so the peer sends it again */
    }
    again = tcp_sack_duplicate(e, c, seg->seq, end);
    /* RFC 9293 3.8.6.3: RMSS is what we have announced; a super-segment is many of them. */
    c->rcv.mss =
        (uint16_t)min_u32(max_u32(c->rcv.mss, seg->text_len), tcp_our_mss(e, &c->opt) - tcp_ts_len(c));
    if (begin > c->rcv.nxt)
        return receive_early(e, c, seg, begin, end);
    receive_next(e, c, seg, end, again);
    return PASS;
}

/* RFC 9293 3.10.7.4, seventh and eighth.  The segment has something inside the window. */
enum tcp_verdict tcp_receive_text(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg)
{
    uint64_t text_end = seg->seq + seg->text_len;
    uint64_t begin = max_u64(seg->seq, c->rcv.nxt);
    uint64_t end = min_u64(text_end, c->rcv.adv);
    enum tcp_verdict verdict = PASS;

    if (tcp_fin_received(c))
        return tcp_seg_len(seg) != 0 ? ACK : PASS; /* "should not occur, since a FIN has been received" */
    if ((seg->flags & RILL_FIN) != 0 && c->rcv.fin == 0 && text_end < c->rcv.adv && text_end >= c->rcv.nxt &&
        (!tcp_gap(c) || tcp_held_end(c) <= text_end))
        c->rcv.fin = text_end;
    if (c->rcv.fin != 0 && seg->text_len != 0 && end > c->rcv.fin) {
        engine_event(e, RILL_DROP_AFTER_FIN, c, seg);
        end = c->rcv.fin;
    }
    if (begin < end) {
        verdict = receive_bytes(e, c, seg, begin, end);
        if (verdict == RESET || verdict == DROP)
            return verdict;
    } else if ((seg->flags & RILL_FIN) != 0 && c->rcv.nxt < text_end) {
        verdict = ACK; /* a FIN alone, beyond a gap */
    } else if (seg->seq < c->rcv.nxt) {
        (void)tcp_sack_duplicate(e, c, seg->seq, text_end); /* a new FIN behind old text */
    }
    if (c->rcv.fin != 0 && c->rcv.nxt == c->rcv.fin)
        receive_fin(e, c);
    return verdict;
}
