/* tcp_recovery.c - see tcp_recovery.h.  Variables have the RFCs' names; positions are "one after", so RFC
 * 6582's "covers more than recover" reads una > recover.
 *
 * Owns: cwnd and ssthresh change here, in the congestion control and, with the segment size, in tcp_pmtu.c.
 * One reduction for each window, whatever tells of it: RACK, the third duplicate ACK, a mark of ECN, a probe
 * that has repaired a loss. */
#include "tcp_recovery.h"

#include "tcp_ts.h"

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

/* RFC 8985 8: the reordering timer stays, and what moves is the timeout behind it. */
static void restart_timeout(struct rill_engine *e, struct tcb *c)
{
    rill_time reorder_us = c->fl->xmit_kind == XMIT_REORDER ? c->timer[TIMER_XMIT] : RILL_NEVER;
    timer_restart(e, c);
    if (reorder_us != RILL_NEVER)
        timer_reorder(e, c, reorder_us);
}

static void mark_first_segment(struct rill_engine *e, struct tcb *c, enum rill_why why)
{
    struct flight *fl = c->fl;
    fl->rexmit_now = true;
    fl->lost_why = (uint8_t)why;
    (void)scoreboard_lose(&fl->sb, &e->mem, c->snd.una, min_u64(c->snd.nxt, c->snd.una + tcp_eff_mss(c)));
    conns_touch(&e->conns, c);
}

void recovery_mark_flight(struct rill_engine *e, struct tcb *c, enum rill_why why)
{
    c->fl->rexmit_now = true;
    c->fl->lost_why = (uint8_t)why;
    scoreboard_lose_all(&c->fl->sb, &e->mem, c->snd.una, c->snd.nxt);
    conns_touch(&e->conns, c);
}

uint32_t recovery_allowance(const struct rill_engine *e, const struct tcb *c)
{
    if (rack_on(e, c) || c->fl->recovery || c->fl->timed_out)
        return c->cc.cwnd;
    return c->cc.cwnd + min_u32(c->fl->dup_acks, DUP_THRESH - 1) * c->cc.smss;
}

void recovery_idle(struct tcb *c) { c->cc.cwnd = min_u32(c->cc.cwnd, initial_window(c)); }

void recovery_idle_restart(struct rill_engine *e, struct tcb *c)
{
    if (tcp_flight(c) == 0 && e->now_us - c->fl->sent_us > rtt_rto_us(&c->rtt, e->config.rto_max_us))
        recovery_idle(c);
}

/* ---- One reduction, and taking it back ----------------------------------------------------------------- */

/* RFC 5681 3.1 (4), by the congestion control's factor.  What limited transmit or SACK have let out beyond
 * the window does not count. */
static void reduce(struct rill_engine *e, struct tcb *c, enum cc_loss loss, uint32_t flight_bytes)
{
    struct flight *fl = c->fl;
    fl->undo = (struct undo){.on = loss != CC_ECN && engine_has(e, RILL_FEATURE_UNDO),
                             .timeout = loss == CC_TIMEOUT,
                             .cwnd = c->cc.cwnd,
                             .ssthresh = c->cc.ssthresh,
                             .from = c->snd.una};
    if (loss == CC_TIMEOUT)
        fl->undo.ssthresh = max_u32(c->cc.ssthresh, tcp_flight(c)); /* RFC 4015 3.1 (0): pipe_prev */
    c->cc.ssthresh = c->cc.ops->on_loss(&c->cc, min_u32(flight_bytes, c->cc.cwnd), loss, e->now_us);
    c->cwr_due = c->ecn_ok; /* RFC 3168 6.1.2: the next new data says so, whatever the cause was */
}

/* RFC 4015 3.1 (9) after a timeout: the window that is in use, and back to the old one in slow start.  After
 * fast recovery, which has kept the flow going, the old one at once. */
static void restore_window(struct tcb *c, uint32_t acked_bytes)
{
    const struct undo *undo = &c->fl->undo;
    uint32_t cwnd = undo->cwnd;
    if (undo->timeout)
        cwnd = min_u32(cwnd, tcp_flight(c) + min_u32(acked_bytes, initial_window(c)));
    c->cc.cwnd = max_u32(c->cc.cwnd, cwnd);
    c->cc.ssthresh = undo->ssthresh;
    if (c->cc.ops->on_undo != NULL)
        c->cc.ops->on_undo(&c->cc);
}

/* What was thought lost had only been late.  If the same ACK tells of congestion, the window stays as small
 * as it is (RFC 4015 3.4: MUST). */
static void take_back(struct rill_engine *e, struct tcb *c, const struct ack_news *news)
{
    struct flight *fl = c->fl;
    engine_event(e, fl->undo.timeout ? RILL_SPURIOUS_RTO : RILL_SPURIOUS_RECOVERY, c, NULL);
    if (!news->ece)
        restore_window(c, news->acked_bytes);
    scoreboard_find_all(&fl->sb, &e->mem);
    fl->recovery = fl->timed_out = fl->rexmit_now = false;
    fl->undo.on = false;
}

/* RFC 3522 3.2 (Eifel): the first acceptable ACK after the retransmission echoes a time before it.  And RFC
 * 2883, 3708's idea: each retransmission was reported as a duplicate. */
static bool was_spurious(struct tcb *c, const struct ack_news *news)
{
    struct undo *undo = &c->fl->undo;
    bool first = news->acked_bytes != 0 && undo->stamped;
    if (!undo->on)
        return false;
    if (news->acked_bytes != 0) {
        undo->stamped = false; /* the first one decides */
        undo->on = !undo->timeout;
    }
    if (news->dsack_begin < news->dsack_end) {
        if (news->dsack_begin >= undo->from && undo->resent != 0) {
            undo->resent -= min_u32(undo->resent, (uint32_t)(news->dsack_end - news->dsack_begin));
            return undo->resent == 0 && !undo->timeout;
        }
        return false; /* after a timeout it was the ACKs that were lost: RFC 3522 3.2 (4) */
    }
    /* RFC 3522 3.2 (5): who has never said D-SACK may not know it; then data must be left. */
    return first && news->has_echo && (int32_t)(news->tsecr - undo->stamp) < 0 &&
           (c->fl->rack.dsack_seen || tcp_flight(c) != 0);
}

void recovery_resent(struct rill_engine *e, struct tcb *c, uint64_t begin, uint64_t end)
{
    struct undo *undo = &c->fl->undo;
    if (undo->on && undo->resent == 0 && c->ts_ok) {
        undo->stamp = tcp_ts_now(e, c);
        undo->stamped = true;
    }
    undo->resent += (uint32_t)(end - begin);
    if (begin == c->snd.una && rack_on(e, c))
        restart_timeout(e, c); /* RFC 6298 5: nothing is resent earlier than one RTO after it was sent last */
}

/* ---- Growing ------------------------------------------------------------------------------------------- */

/* RFC 7661: the window was in use.  In slow start half of it is enough, because it doubles (as in Linux). */
static bool validated(const struct rill_engine *e, const struct tcb *c, const struct ack_news *news)
{
    uint64_t used = news->pipe;
    if (!engine_has(e, RILL_FEATURE_CWV))
        return true;
    return c->cc.cwnd < c->cc.ssthresh ? 2 * used >= c->cc.cwnd : used + 3ull * c->cc.smss >= c->cc.cwnd;
}

static void grow(struct rill_engine *e, struct tcb *c, const struct ack_news *news, uint32_t bytes)
{
    struct cc_ack ack = {.now_us = e->now_us,
                         .acked_bytes = bytes,
                         .rtt_us = news->rtt_us,
                         .srtt_us = rtt_srtt_us(&c->rtt),
                         .una = c->snd.una,
                         .nxt = c->snd.nxt,
                         .timed_out = c->fl->timed_out,
                         .validated = validated(e, c, news)};
    if (bytes != 0 && !news->ece)
        c->cc.ops->on_ack(&c->cc, &ack);
}

/* RFC 3168 6.1.2: as a loss, but once in a window and with nothing to repair.  DEVIATES: a window of one
 * segment is not stretched over a retransmission timeout, which is 200 round trips on a short path (as in
 * Linux). */
static void marked(struct rill_engine *e, struct tcb *c, uint32_t acked_bytes)
{
    struct flight *fl = c->fl;
    if (fl->recovery || fl->timed_out || c->snd.una <= fl->ecn_recover)
        return;
    engine_event(e, RILL_ECE_IN, c, NULL);
    reduce(e, c, CC_ECN, tcp_flight(c) + acked_bytes);
    c->cc.cwnd = min_u32(c->cc.cwnd, c->cc.ssthresh);
    fl->ecn_recover = c->snd.nxt;
}

/* A loss, where no mark has told of the same window already (RFC 3168 6.1.2). */
static void reduce_for_loss(struct rill_engine *e, struct tcb *c)
{
    if (c->snd.una >= c->fl->ecn_recover)
        reduce(e, c, CC_LOSS, tcp_flight(c));
}

/* ---- Without SACK: RFC 5681 3.2, RFC 6582 -------------------------------------------------------------- */

/* RFC 6582 3.2 step 3.  Whether the retransmission timer restarts. */
static bool newreno_recovering(struct rill_engine *e, struct tcb *c, uint32_t acked_bytes)
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

static bool newreno_ack(struct rill_engine *e, struct tcb *c, const struct ack_news *news)
{
    struct flight *fl = c->fl;
    if (fl->recovery)
        return newreno_recovering(e, c, news->acked_bytes);
    fl->dup_acks = 0;
    grow(e, c, news, news->acked_bytes);
    if (c->snd.una >= fl->recover)
        fl->timed_out = false;
    return true;
}

/* RFC 5681 3.2 with RFC 6582 3.2 step 2. */
static void newreno_dup_ack(struct rill_engine *e, struct tcb *c)
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
    reduce_for_loss(e, c);
    c->cc.cwnd = c->cc.ssthresh + DUP_THRESH * c->cc.smss;
    fl->recover = c->snd.nxt;
    fl->recovery = true;
    fl->partial_seen = false;
    e->drain = true; /* it leaves now, not behind the rest of a batch */
    mark_first_segment(e, c, RILL_WHY_FAST_RETRANSMIT);
    timer_restart(e, c); /* RFC 6298 5: nothing is resent earlier than one RTO after it was sent last */
}

/* ---- With SACK: RFC 8985, RFC 9937, RFC 6675 5 --------------------------------------------------------- */

/* RFC 6675 5 (4.2), RFC 9937: one reduction, then the window by PRR until all that was sent has arrived. */
static void enter_recovery(struct rill_engine *e, struct tcb *c, const struct ack_news *news)
{
    struct flight *fl = c->fl;
    uint32_t earlier = fl->sb.sacked.bytes; /* what was SACKed before this ACK will not be delivered again */
    uint32_t sacked_now = news->delivery.bytes - min_u32(news->delivery.bytes, news->acked_bytes);
    engine_event(e, RILL_RECOVERY, c, NULL);
    reduce_for_loss(e, c);
    earlier -= min_u32(earlier, sacked_now);
    prr_start(&fl->prr, tcp_flight(c) - earlier + news->acked_bytes);
    fl->recover = c->snd.nxt;
    fl->recovery = true;
    fl->rexmit_now = true;
    fl->rack.tlp_end = 0; /* RFC 8985 7.1: what the probe finds is part of this loss */
    e->drain = true;
    restart_timeout(e, c);
}

/* The window while recovery lasts. */
static void pace_recovery(const struct rill_engine *e, struct tcb *c, const struct ack_news *news,
                          bool more_lost)
{
    uint32_t pipe = tcp_pipe(c);
    if (engine_has(e, RILL_FEATURE_PRR))
        c->cc.cwnd = pipe + prr_ack(&c->fl->prr, news->delivery.bytes, pipe, c->cc.ssthresh, c->cc.smss,
                                    news->acked_bytes != 0 && !more_lost);
    else
        c->cc.cwnd = c->cc.ssthresh;
    c->cc.cwnd = max_u32(c->cc.cwnd, c->cc.smss);
}

/* RFC 6675 5: an ACK beyond the RecoveryPoint; after a timeout 5.1. */
static void leave_recovery(struct tcb *c, bool widened)
{
    struct flight *fl = c->fl;
    if (!(fl->recovery || fl->timed_out) || c->snd.una < fl->recover)
        return;
    if (fl->recovery)
        c->cc.cwnd = c->cc.ssthresh;
    fl->recovery = fl->timed_out = false;
    if (!widened) /* RFC 8985 6.2 step 4: "else if" */
        rack_recovered(c);
}

/* Losses are known, by an ACK or by the reordering timer. */
static void repair(struct rill_engine *e, struct tcb *c, const struct ack_news *news, uint32_t lost)
{
    struct flight *fl = c->fl;
    if (lost != 0 && !fl->recovery && !fl->timed_out)
        enter_recovery(e, c, news);
    if (fl->recovery)
        pace_recovery(e, c, news, lost != 0);
    if (lost != 0)
        e->drain = true;
}

static void rack_ack(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg,
                     const struct ack_news *news)
{
    struct flight *fl = c->fl;
    uint32_t lost;
    bool was_recovering, widened, spurious;
    if (news->acked_bytes != 0)
        fl->dup_acks = 0;
    if (news->sacked) {
        engine_event(e, RILL_DUP_ACK_IN, c, NULL);
        if (fl->dup_acks < UINT8_MAX)
            fl->dup_acks++;
    }
    widened = rack_delivered(e, c, news);
    was_recovering = fl->recovery;
    leave_recovery(c, widened);
    spurious = was_spurious(c, news);
    if (spurious)
        take_back(e, c, news);
    if (rack_probe_acked(e, c, seg, news) && !fl->recovery && !fl->timed_out) {
        reduce(e, c, CC_LOSS, tcp_flight(c) + news->acked_bytes); /* RFC 8985 7.4.2 */
        fl->undo.on = false;
        c->cc.cwnd = c->cc.ssthresh;
    }
    lost = engine_breaks(e, RILL_BREAK_NO_FAST_RETRANSMIT) ? 0 : rack_detect(e, c);
    repair(e, c, news, lost);
    if (!fl->recovery && !was_recovering && !spurious)
        grow(e, c, news, news->acked_bytes); /* RFC 5681 3.1: "cumulatively acknowledges new data" */
}

void recovery_reorder_timeout(struct rill_engine *e, struct tcb *c)
{
    const struct ack_news nothing = {.una = c->snd.una, .pipe = tcp_pipe(c)};
    timer_timeout_again(e, c);
    repair(e, c, &nothing, rack_detect(e, c));
}

/* ---- Both ---------------------------------------------------------------------------------------------- */

/* RFC 6298 5.2, 5.3; RFC 8985 7.2. */
static void rearm(struct rill_engine *e, struct tcb *c, bool moved, bool restart)
{
    if (tcp_flight(c) == 0) {
        if (moved)
            timer_stop(c, TIMER_XMIT);
        return;
    }
    if (restart)
        restart_timeout(e, c);
    if (restart && rack_on(e, c))
        rack_arm_probe(e, c);
}

void recovery_ack(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg,
                  const struct ack_news *news, bool duplicate)
{
    struct flight *fl = c->fl;
    bool restart = news->acked_bytes != 0;
    if (restart) {
        fl->rexmit_now = fl->one_only = false;
        fl->rto_count = 0;
        if (fl->xmit_kind == XMIT_REORDER)
            fl->xmit_kind = XMIT_RTO; /* detection arms it again if it still has to */
    }
    if (news->ece)
        marked(e, c, news->acked_bytes);
    if (rack_on(e, c))
        rack_ack(e, c, seg, news);
    else if (news->acked_bytes != 0)
        restart = newreno_ack(e, c, news);
    else if (duplicate)
        newreno_dup_ack(e, c);
    rearm(e, c, news->acked_bytes != 0, restart);
}

void recovery_timeout(struct rill_engine *e, struct tcb *c)
{
    struct flight *fl = c->fl;
    bool again = fl->rto_count > 0; /* RFC 5681 3.1: ssthresh is held when the timer resends a second time */
    bool closed = tcp_synchronized(c) && c->snd.wnd == 0; /* RFC 9293 3.8.6.1: a probe without an answer */
    if (fl->rto_count < UINT8_MAX)
        fl->rto_count++;
    if (!engine_breaks(e, RILL_BREAK_NO_BACKOFF))
        rtt_back_off(&c->rtt);
    fl->rtt_pos = 0; /* Karn */
    fl->dup_acks = 0;
    if (tcp_synchronized(c) && !closed) {
        if (!again)
            reduce(e, c, CC_TIMEOUT, tcp_pipe(c));
        c->cc.cwnd = c->cc.smss; /* the loss window */
        fl->recovery = false;
        fl->recover = c->snd.nxt; /* RFC 6582 3.2 step 4 */
        fl->timed_out = true;
        fl->rack.tlp_end = 0; /* RFC 8985 7.1 */
    }
    if (tcp_synchronized(c) && !closed && rack_on(e, c)) {
        fl->rexmit_now = true;
        fl->lost_why = RILL_WHY_RTO;
        rack_timeout(e, c);
        conns_touch(&e->conns, c);
    } else {
        recovery_mark_flight(e, c, closed ? RILL_WHY_PROBE : RILL_WHY_RTO);
    }
}
