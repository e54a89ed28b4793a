/* tcp_ack.c - see tcp_ack.h.  RFC 9293 3.10.7.4; RFC 5681 2; RFC 5961 5; RFC 6298 3, 5.
 *
 * Owns: SND.UNA moves in advance_una only, SND.WND changes in update_window and tcp_establish only. */
#include "tcp_ack.h"

#include "tcp_conn.h"
#include "tcp_pmtu.h"
#include "tcp_recovery.h"
#include "tcp_reset.h"
#include "tcp_timer.h"

/* RFC 6298 3 with Karn's rule: only segments that were sent once are timed, one at a time. */
static void take_rtt(struct rill_engine *e, struct tcb *c)
{
    struct flight *fl = c->fl;
    if (fl->rtt_pos == 0 || c->snd.una < fl->rtt_pos)
        return;
    rtt_sample(&c->rtt, e->now_us - fl->rtt_at_us, e->config.rto_min_us, e->config.rto_max_us);
    fl->rtt_pos = 0;
}

static void advance_una(struct rill_engine *e, struct tcb *c, uint64_t ack)
{
    struct flight *fl = c->fl;
    ASSERT(ack > c->snd.una && ack <= c->snd.nxt);
    c->snd.una = ack;
    ranges_trim(&fl->lost, ack);
    fl->since_us = e->now_us;
    take_rtt(e, c);
}

/* RFC 6298 5.2, 5.3. */
static void acked_timer(struct rill_engine *e, struct tcb *c, bool restart)
{
    if (tcp_flight(c) == 0)
        timer_stop(c, TIMER_XMIT);
    else if (restart)
        timer_restart(e, c);
    if (c->snd.una >= c->snd.end)
        timer_rings(e, c);
}

void tcp_establish(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg)
{
    advance_una(e, c, tcp_iss(c) + 1);
    c->snd.wnd = (seg->flags & RILL_SYN) != 0 ? seg->wnd16 : (uint32_t)seg->wnd16 << c->snd.wscale;
    c->snd.max_wnd = max_u32(c->snd.max_wnd, c->snd.wnd);
    c->snd.wl1_32 = seg->seq32;
    c->snd.wl2_32 = seg->ack32;
    recovery_start(c);
    c->soft_error = 0;
    tcp_set_state(e, c, c->fin_queued ? RILL_FIN_WAIT_1 : RILL_ESTABLISHED);
    timer_keepalive(e, c);
    acked_timer(e, c, true);
    conns_touch(&e->conns, c);
}

/* RFC 9293 3.10.7.4, fifth, SYN-RECEIVED. */
static enum tcp_verdict ack_in_syn_received(struct rill_engine *e, struct tcb *c,
                                            const struct tcp_segment *seg)
{
    if (seg->ack <= c->snd.una || seg->ack > c->snd.nxt) {
        engine_event(e, RILL_DROP_ACK, c, seg);
        tcp_reset_for(e, seg);
        return DROP;
    }
    tcp_establish(e, c, seg);
    return PASS;
}

/* RFC 9293 3.10.7.4: "this check prevents using old segments to update the window". */
static void update_window(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg)
{
    uint32_t before = c->snd.wnd;
    bool newer = seq_after32(seg->seq32, c->snd.wl1_32) ||
                 (seg->seq32 == c->snd.wl1_32 && !seq_after32(c->snd.wl2_32, seg->ack32));
    if (newer) {
        c->snd.wnd = (uint32_t)seg->wnd16 << c->snd.wscale;
        c->snd.max_wnd = max_u32(c->snd.max_wnd, c->snd.wnd);
        c->snd.wl1_32 = seg->seq32;
        c->snd.wl2_32 = seg->ack32;
    }
    if (c->snd.wnd == 0) {
        if (c->fl != NULL)
            c->fl->since_us = e->now_us; /* MUST-37: alive, if closed; it is not given up */
    } else if (before == 0) {
        if (c->fl != NULL)
            c->fl->probes = 0;
        c->rtt.backoff = 0;       /* the doubling belonged to the probes */
        if (tcp_flight(c) != 0) { /* the probe's octet was refused; send it with what follows */
            recovery_mark_flight(e, c, RILL_WHY_REOPENED);
            timer_restart(e, c);
        } else {
            timer_stop(c, TIMER_XMIT);
        }
    }
    if (c->snd.wnd != before)
        conns_touch(&e->conns, c);
}

/* RFC 5681 2: a duplicate acknowledgment, (a) to (e).  While we probe a closed window each answer would look
 * like one. */
static bool is_duplicate(const struct tcb *c, const struct tcp_segment *seg)
{
    return seg->ack == c->snd.una && tcp_flight(c) != 0 && tcp_seg_len(seg) == 0 && c->snd.wnd != 0 &&
           (uint32_t)seg->wnd16 << c->snd.wscale == c->snd.wnd;
}

/* Our FIN is acknowledged: RFC 9293 3.10.7.4, fifth, from FIN-WAIT-1, CLOSING, LAST-ACK. */
static enum tcp_verdict ack_of_fin(struct rill_engine *e, struct tcb *c)
{
    switch ((enum rill_tcp_state)c->state) {
    case RILL_FIN_WAIT_1:
        tcp_set_state(e, c, RILL_FIN_WAIT_2);
        if (tcp_orphan(c))
            timer_set(e, c, TIMER_LINGER, e->now_us + e->config.fin_wait_2_us);
        return PASS;
    case RILL_CLOSING:
        tcp_time_wait(e, c);
        return PASS;
    case RILL_LAST_ACK:
        tcp_die(e, c, 0);
        return GONE;
    case RILL_FIN_WAIT_2:
    case RILL_TIME_WAIT:
        return PASS;
    case RILL_LISTEN:
    case RILL_SYN_SENT:
    case RILL_SYN_RECEIVED:
    case RILL_ESTABLISHED:
    case RILL_CLOSE_WAIT:
    case RILL_CLOSED:
        break;
    }
    ASSERT(false); /* no FIN was sent in these */
    return DROP;
}

static void new_data_acked(struct rill_engine *e, struct tcb *c, uint64_t ack)
{
    uint32_t acked_bytes = (uint32_t)(ack - c->snd.una);
    advance_una(e, c, ack);
    tcp_pmtu_acked(c, acked_bytes);
    acked_timer(e, c, recovery_new_ack(e, c, acked_bytes));
    if (tcp_orphan(c) && c->state != RILL_TIME_WAIT)
        timer_set(e, c, TIMER_LINGER, e->now_us + e->config.orphan_us); /* progress */
    conns_touch(&e->conns, c);
    /* What the ACK lets go goes before the next one is taken in: a batch of them would otherwise shrink the
     * flight, and ssthresh, which is half of it, with no loss to blame. */
    e->drain |= c->snd.end > c->snd.nxt;
}

enum tcp_verdict tcp_process_ack(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg)
{
    uint64_t oldest;
    if ((seg->flags & RILL_ACK) == 0) {
        engine_event(e, RILL_DROP_NO_ACK, c, seg);
        return DROP;
    }
    if (c->state == RILL_SYN_RECEIVED)
        return ack_in_syn_received(e, c, seg);
    /* RFC 5961 5 (MAY-12): SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT; and never what acknowledges less than
     * our SYN, which no peer has sent ("ghost ACK").  RFC 9293: an ACK of what was not sent is answered with
     * an ACK. */
    oldest = max_u64(tcp_iss(c) + 1, c->snd.una - c->snd.max_wnd);
    if (seg->ack < oldest || seg->ack > c->snd.nxt) {
        engine_event(e, RILL_DROP_ACK, c, seg);
        return CHALLENGE;
    }
    if (seg->ack > c->snd.una)
        new_data_acked(e, c, seg->ack);
    else if (is_duplicate(c, seg))
        recovery_dup_ack(e, c);
    if (seg->ack >= c->snd.una)
        update_window(e, c, seg);
    return tcp_fin_acked(c) ? ack_of_fin(e, c) : PASS;
}
