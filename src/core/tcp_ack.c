/* tcp_ack.c - see tcp_ack.h.  RFC 9293 3.10.7.4; RFC 5681 2; RFC 5961 5; RFC 6298 3, 5.
 *
 * Owns: SND.UNA moves in advance_una only, SND.WND changes in update_window and tcp_establish only. */
#include "tcp_ack.h"

#include "tcp_conn.h"
#include "tcp_ecn.h"
#include "tcp_pmtu.h"
#include "tcp_recovery.h"
#include "tcp_reset.h"
#include "tcp_timer.h"
#include "tcp_ts.h"

/* Whether the echo is of the last copy, and not older.  An older one may mean that the ACKs of what had
 * arrived were lost, all of them for as long as the timeout was doubled; who says D-SACK says so then. */
static bool echoes_last_copy(const struct tcb *c, const struct ack_news *news)
{
    return news->delivery.again.begin < news->delivery.again.end && !rack_echo_is_older(c, news);
}

/* RFC 6298 3 with Karn's rule: only segments that were sent once are timed, one at a time.  For what was sent
 * again the echo of its timestamp tells the copies apart (RFC 7323 4.1).  DEVIATES: if the peer has reported
 * a duplicate, its ACK was for a copy, though it echoes an older time (RFC 7323 4.3 keeps it): the last copy
 * counts, unless it is too young for a round trip.  So a doubled timeout ends with the first answer. */
static void take_rtt(struct rill_engine *e, struct tcb *c, struct ack_news *news)
{
    struct flight *fl = c->fl;
    const struct sent *again = &news->delivery.again;
    uint64_t sample_us = 0;
    if (fl->rtt_pos != 0 && c->snd.una >= fl->rtt_pos) {
        sample_us = max_u64(e->now_us - fl->rtt_at_us, 1);
        fl->rtt_pos = 0;
    } else if (!news->delivery.any_again || news->acked_bytes == 0) {
        return;
    } else if (news->dsack_begin < news->dsack_end) {
        if (again->begin < again->end && e->now_us >= again->at_us + max_u32(c->rtt.min_us, 1))
            sample_us = e->now_us - again->at_us;
    } else if (news->has_echo && (rack_on(e, c) || echoes_last_copy(c, news))) {
        sample_us = news->echo_us;
    }
    if (sample_us == 0)
        return;
    rtt_sample(&c->rtt, sample_us, e->config.rto_min_us, e->config.rto_max_us);
    fl->rack.tlp_spent = false; /* RFC 8985 7.3 */
}

/* The shortest round trip, and each one for the congestion control: of what was sent once, by the last of
 * it. */
static void note_rtt(struct rill_engine *e, struct tcb *c, struct ack_news *news)
{
    const struct delivery *d = &news->delivery;
    if (!d->any_first || (d->any_again && !news->sacked))
        return; /* a cumulative ACK that waited for a retransmission says nothing of what lay beyond it */
    news->rtt_us = (uint32_t)min_u64(e->now_us > d->first.at_us ? e->now_us - d->first.at_us : 1, UINT32_MAX);
    rtt_min(&c->rtt, news->rtt_us, e->now_us);
}

static void advance_una(struct rill_engine *e, struct tcb *c, uint64_t ack, struct ack_news *news)
{
    struct flight *fl = c->fl;
    ASSERT(ack > c->snd.una && ack <= c->snd.nxt);
    news->acked_bytes = (uint32_t)(ack - c->snd.una);
    scoreboard_acked(&fl->sb, &e->mem, c->snd.una, ack, &news->delivery);
    c->snd.una = ack;
    fl->since_us = e->now_us;
    /* RFC 2018 8: the peer would have acknowledged this with the rest, if it still had it. */
    if (fl->sb.sacked.count != 0 && fl->sb.sacked.v[0].begin <= ack) {
        scoreboard_forget_sacks(&fl->sb);
        engine_event(e, RILL_SACK_RENEGED, c, NULL);
    }
}

void tcp_establish(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg)
{
    struct ack_news news = {.una = c->snd.una};
    advance_una(e, c, tcp_iss(c) + 1, &news);
    take_rtt(e, c, &news);
    note_rtt(e, c, &news);
    c->snd.wnd = (seg->flags & RILL_SYN) != 0 ? seg->wnd16 : (uint32_t)seg->wnd16 << c->snd.wscale;
    c->snd.max_wnd = max_u32(c->snd.max_wnd, c->snd.wnd);
    c->snd.wl1_32 = seg->seq32;
    c->snd.wl2_32 = seg->ack32;
    recovery_start(c);
    c->soft_error = 0;
    tcp_set_state(e, c, c->fin_queued ? RILL_FIN_WAIT_1 : RILL_ESTABLISHED);
    timer_keepalive(e, c);
    if (tcp_flight(c) == 0)
        timer_stop(c, TIMER_XMIT);
    else
        timer_restart(e, c);
    if (c->snd.una >= c->snd.end)
        timer_rings(e, c);
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

static void new_data_acked(struct rill_engine *e, struct tcb *c, uint32_t acked_bytes)
{
    if (engine_has(e, RILL_FEATURE_AUTOTUNE) && !c->opt.sndbuf_set) {
        uint32_t size = tune_step(&c->fl->tune, e->now_us, c->rtt.min_us, c->snd.una, c->opt.sndbuf_bytes,
                                  e->config.buf_max_bytes);
        e->counter[RILL_BUFFER_GROWN] += size > c->opt.sndbuf_bytes;
        c->opt.sndbuf_bytes = size;
    }
    tcp_pmtu_acked(e, c, acked_bytes);
    if (c->snd.una >= c->snd.end)
        timer_rings(e, c);
    if (tcp_orphan(c) && c->state != RILL_TIME_WAIT)
        timer_set(e, c, TIMER_LINGER, e->now_us + e->config.orphan_us); /* progress */
    conns_touch(&e->conns, c);
}

/* What the ACK says about what is in flight. */
static void take_ack(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg)
{
    struct ack_news news = {.una = c->snd.una, .pipe = tcp_pipe(c), .tsecr = seg->opt.tsecr};
    bool duplicate = is_duplicate(c, seg);
    if (c->fl == NULL)
        return; /* nothing is */
    news.has_echo = tcp_ts_echo_us(e, c, seg, &news.echo_us);
    news.ece = tcp_ecn_echoed(c, seg);
    if (seg->ack > c->snd.una)
        advance_una(e, c, seg->ack, &news);
    if (rack_on(e, c))
        rack_read_sacks(e, c, seg, &news);
    take_rtt(e, c, &news);
    note_rtt(e, c, &news);
    if (news.acked_bytes != 0)
        new_data_acked(e, c, news.acked_bytes);
    recovery_ack(e, c, seg, &news, duplicate);
    if (c->fl->sb.sacked.bytes != 0 || news.acked_bytes != 0)
        conns_touch(&e->conns, c);
    /* What the ACK lets go goes before the next one is taken in: a batch of them would otherwise shrink the
     * flight, and ssthresh, which is a part of it, with no loss to blame. */
    e->drain |= news.delivery.bytes != 0 && (c->snd.end > c->snd.nxt || c->fl->sb.lost.count != 0);
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
    take_ack(e, c, seg);
    if (seg->ack >= c->snd.una)
        update_window(e, c, seg);
    return tcp_fin_acked(c) ? ack_of_fin(e, c) : PASS;
}
