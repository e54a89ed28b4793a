/* tcp_recovery.c - see tcp_recovery.h.  Variables have the RFCs' names; positions are "one after", so RFC
 * 6582's "covers more than recover" reads una > recover. */
#include "tcp_recovery.h"

#include "tcp_timer.h"

#define DUP_THRESH 3 /* RFC 5681 3.2 */

/* RFC 6928 2: min(10 * MSS, max(2 * MSS, 14600)). */
static uint32_t initial_window(const struct tcb *c)
{
    return min_u32(10 * c->cc.smss, max_u32(2 * c->cc.smss, 14600));
}

void recovery_start(struct tcb *c)
{
    c->cc.smss = tcp_eff_mss(c);
    /* RFC 6928 2: one segment after more than one lost SYN or SYN,ACK. */
    c->cc.cwnd = c->syn_resent > 1 ? c->cc.smss : initial_window(c);
    if (c->syn_resent > 0 && c->rtt.srtt_8us == 0) {
        c->rtt.backoff = 0;
        c->rtt.rto_us = max_u32(c->rtt.rto_us, 3 * (uint32_t)SEC); /* RFC 6298 5.7 */
    }
}

/* Marks [begin, end) lost.  There is room for the first ranges (tcp_need_flight); without memory for more the
 * next timeout, which makes one of all, tries again. */
static void mark_lost(struct rill_engine *e, struct tcb *c, uint64_t begin, uint64_t end, enum rill_why why)
{
    c->fl->lost_why = (uint8_t)why;
    if (begin < end && ranges_add(&c->fl->lost, &e->mem, begin, end) != 0)
        engine_event(e, RILL_DROP_MEMORY, c, NULL);
    conns_touch(&e->conns, c);
}

static void mark_first_segment(struct rill_engine *e, struct tcb *c, enum rill_why why)
{
    c->fl->rexmit_now = true;
    mark_lost(e, c, c->snd.una, min_u64(c->snd.nxt, c->snd.una + tcp_eff_mss(c)), why);
}

void recovery_mark_flight(struct rill_engine *e, struct tcb *c, enum rill_why why)
{
    c->fl->rexmit_now = true;
    mark_lost(e, c, c->snd.una, c->snd.nxt, why);
}

uint32_t recovery_allowance(const struct tcb *c)
{
    if (c->fl->recovery || c->fl->timed_out)
        return c->cc.cwnd;
    return c->cc.cwnd + min_u32(c->fl->dup_acks, DUP_THRESH - 1) * c->cc.smss;
}

void recovery_idle(struct tcb *c) { c->cc.cwnd = min_u32(c->cc.cwnd, initial_window(c)); }

void recovery_idle_restart(struct rill_engine *e, struct tcb *c)
{
    if (tcp_flight(c) == 0 && e->now_us - c->fl->sent_us > rtt_rto_us(&c->rtt, e->config.rto_max_us))
        recovery_idle(c);
}

/* RFC 6582 3.2 step 3. */
static bool ack_in_recovery(struct rill_engine *e, struct tcb *c, uint32_t acked_bytes)
{
    struct flight *fl = c->fl;
    bool first = !fl->partial_seen;
    if (c->snd.una >= fl->recover) { /* a full acknowledgment; the first of the two ways */
        c->cc.cwnd = min_u32(c->cc.ssthresh, max_u32(tcp_flight(c), c->cc.smss) + c->cc.smss);
        fl->recovery = false;
        fl->dup_acks = 0;
        return true;
    }
    engine_event(e, RILL_PARTIAL_ACK, c, NULL);
    fl->partial_seen = true;
    c->cc.cwnd -= min_u32(acked_bytes, c->cc.cwnd - c->cc.smss);
    if (acked_bytes >= c->cc.smss)
        c->cc.cwnd += c->cc.smss;
    mark_first_segment(e, c, RILL_WHY_PARTIAL_ACK);
    return first;
}

bool recovery_new_ack(struct rill_engine *e, struct tcb *c, uint32_t acked_bytes)
{
    struct flight *fl = c->fl;
    fl->rexmit_now = fl->one_only = false;
    fl->rto_count = 0;
    if (fl->recovery)
        return ack_in_recovery(e, c, acked_bytes);
    fl->dup_acks = 0;
    struct cc_ack news = {.now_us = e->now_us,
                          .acked_bytes = acked_bytes,
                          .srtt_us = rtt_srtt_us(&c->rtt),
                          .una = c->snd.una,
                          .nxt = c->snd.nxt,
                          .timed_out = fl->timed_out,
                          .validated = true};
    c->cc.ops->on_ack(&c->cc, &news);
    if (c->snd.una >= fl->recover)
        fl->timed_out = false;
    return true;
}

/* RFC 5681 3.2 with RFC 6582 3.2 step 2. */
void recovery_dup_ack(struct rill_engine *e, struct tcb *c)
{
    struct flight *fl = c->fl;
    engine_event(e, RILL_DUP_ACK_IN, c, NULL);
    conns_touch(&e->conns, c);
    if (fl->dup_acks < UINT8_MAX)
        fl->dup_acks++;
    if (fl->recovery) {
        /* Each duplicate ACK tells of a segment that has left.  The window never exceeds ssthresh and what is
         * in flight, so that forged ones buy little (RFC 5681 3.2 step 4 MAY). */
        c->cc.cwnd = min_u32(c->cc.cwnd + c->cc.smss, c->cc.ssthresh + tcp_flight(c));
        return;
    }
    if (engine_breaks(e, RILL_BREAK_NO_FAST_RETRANSMIT) || fl->dup_acks != DUP_THRESH)
        return;
    if (c->snd.una <=
        fl->recover) { /* RFC 6582 3.2 step 2: perhaps only echoes of what the last recovery sent */
        engine_event(e, RILL_FAST_RETRANSMIT_HELD, c, NULL);
        return;
    }
    engine_event(e, RILL_FAST_RETRANSMIT, c, NULL);
    /* What limited transmit has added does not count: it is what exceeds cwnd. */
    c->cc.ssthresh = c->cc.ops->on_loss(&c->cc, min_u32(tcp_flight(c), c->cc.cwnd), CC_LOSS, e->now_us);
    c->cc.cwnd = c->cc.ssthresh + DUP_THRESH * c->cc.smss;
    fl->recover = c->snd.nxt;
    fl->recovery = true;
    fl->partial_seen = false;
    e->drain = true; /* it leaves now, not behind the rest of a batch */
    mark_first_segment(e, c, RILL_WHY_FAST_RETRANSMIT);
    timer_restart(e, c); /* RFC 6298 5: nothing is resent earlier than one RTO after it was sent last */
}

void recovery_timeout(struct rill_engine *e, struct tcb *c)
{
    struct flight *fl = c->fl;
    bool again = fl->rto_count > 0; /* RFC 5681 3.1: ssthresh is held when the timer resends a second time */
    if (fl->rto_count < UINT8_MAX)
        fl->rto_count++;
    if (!engine_breaks(e, RILL_BREAK_NO_BACKOFF))
        rtt_back_off(&c->rtt);
    fl->rtt_pos = 0; /* Karn */
    fl->dup_acks = 0;
    /* With the window closed this is a probe that went unanswered, not a sign of congestion (RFC
     * 9293 3.8.6.1). */
    if (tcp_synchronized(c) && c->snd.wnd != 0) {
        if (!again)
            c->cc.ssthresh =
                c->cc.ops->on_loss(&c->cc, min_u32(tcp_pipe(c), c->cc.cwnd), CC_TIMEOUT, e->now_us);
        c->cc.cwnd = c->cc.smss; /* the loss window */
        fl->recovery = false;
        fl->recover = c->snd.nxt; /* RFC 6582 3.2 step 4 */
        fl->timed_out = true;
    }
    recovery_mark_flight(e, c, tcp_synchronized(c) && c->snd.wnd == 0 ? RILL_WHY_PROBE : RILL_WHY_RTO);
}
