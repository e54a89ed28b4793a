/* tcp_rack.c - see tcp_rack.h.  The names are RFC 8985's.
 *
 * A segment is lost if something that was sent reo_wnd later has arrived.  The scoreboard judges each record
 * once, so that the work is a constant for each segment. */
#include "tcp_rack.h"

#include "tcp_timer.h"

#define DUP_THRESH 3
#define REO_WND_PERSIST 16
#define TIMER_FLOOR_US                                                                                       \
    (2 * MS) /* DEVIATES: RFC 8985 has none; a TUN's round trip is shorter than a timer                      \
              */
#define MAX_ACK_DELAY_US (200 * MS) /* RFC 8985 7.2, TLP.max_ack_delay */
#define TLP_FIRST_US (1 * SEC)      /* without SRTT */

/* ---- What the peer says -------------------------------------------------------------------------------- */

/* RFC 2883 5: the first block tells of a duplicate if it lies below SEG.ACK of the same segment, or within
 * the second block. */
static bool is_dsack(const struct tcb *c, const struct tcp_segment *seg, uint64_t left, uint64_t right)
{
    const struct tcp_sack *second = &seg->opt.sack[1];
    if (right <= seg->ack)
        return true;
    return seg->opt.sack_count > 1 && seq_unwrap(c->snd.una, second->left) <= left &&
           right <= seq_unwrap(c->snd.una, second->right);
}

void rack_read_sacks(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg,
                     struct ack_news *news)
{
    uint32_t before = c->fl->sb.sacked.bytes;
    for (uint8_t i = 0; i < seg->opt.sack_count; i++) {
        uint64_t left = seq_unwrap(c->snd.una, seg->opt.sack[i].left);
        uint64_t right = seq_unwrap(c->snd.una, seg->opt.sack[i].right);
        if (left >= right || right > c->snd.nxt)
            continue; /* nothing that was sent */
        if (i == 0 && is_dsack(c, seg, left, right)) {
            if (right + c->snd.max_wnd >= c->snd.una &&
                left > tcp_iss(c)) { /* else far too old to mean anything */
                news->dsack_begin = left;
                news->dsack_end = right;
                c->fl->rack.dsack_seen = true;
                engine_event(e, RILL_DSACK_IN, c, seg);
            }
            continue;
        }
        if (left > c->snd.una) /* what begins there would have been acknowledged; below it is old */
            (void)scoreboard_sacked(&c->fl->sb, &e->mem, left, right, &news->delivery);
    }
    news->sacked = c->fl->sb.sacked.bytes > before;
}

/* ---- RFC 8985 6.2 -------------------------------------------------------------------------------------- */

static bool sent_after(rill_time t1, uint64_t seq1, rill_time t2, uint64_t seq2)
{
    return t1 > t2 || (t1 == t2 && seq1 > seq2);
}

/* A send time may be a few microseconds ahead, for the order's sake. */
static uint64_t since_us(const struct rill_engine *e, rill_time at_us)
{
    return e->now_us > at_us ? e->now_us - at_us : 0;
}

/* Step 2. */
static void update(struct rill_engine *e, struct tcb *c, const struct sent *sent)
{
    struct rack *rack = &c->fl->rack;
    rack->rtt_us = (uint32_t)min_u64(since_us(e, sent->at_us), UINT32_MAX);
    if (rack->end == 0 || sent_after(sent->at_us, sent->end, rack->xmit_us, rack->end)) {
        rack->xmit_us = sent->at_us;
        rack->end = sent->end;
    }
}

/* Step 2: whether the acknowledgement of a retransmission may be of the original. */
static bool ambiguous(struct rill_engine *e, const struct tcb *c, const struct ack_news *news)
{
    const struct sent *again = &news->delivery.again;
    if (news->has_echo && rack_echo_is_older(c, news))
        return true;
    return since_us(e, again->at_us) < c->rtt.min_us;
}

/* Step 4, of which reo_wnd itself is computed when it is needed. */
static bool widen(struct tcb *c, const struct ack_news *news)
{
    struct rack *rack = &c->fl->rack;
    if (rack->dsack_round != 0 && c->snd.una >= rack->dsack_round)
        rack->dsack_round = 0;
    if (rack->dsack_round != 0 || news->dsack_begin >= news->dsack_end)
        return false;
    rack->dsack_round = c->snd.nxt;
    rack->reo_wnd_mult = (uint8_t)min_u32(max_u32(rack->reo_wnd_mult, 1) + 1u, UINT8_MAX);
    rack->reo_wnd_persist = REO_WND_PERSIST;
    return true;
}

bool rack_delivered(struct rill_engine *e, struct tcb *c, const struct ack_news *news)
{
    struct flight *fl = c->fl;
    struct rack *rack = &fl->rack;
    const struct delivery *d = &news->delivery;
    bool again = d->again.begin < d->again.end && !ambiguous(e, c, news);
    if (d->any_first)
        update(e, c, &d->first);
    if (again && (!d->any_first || sent_after(d->again.at_us, d->again.end, d->first.at_us, d->first.end)))
        update(e, c, &d->again);
    if (d->any_first && d->lowest_first < rack->fack && !rack->reordering_seen) { /* step 3 */
        rack->reordering_seen = true;
        engine_event(e, RILL_REORDERING_SEEN, c, NULL);
    }
    rack->fack = max_u64(rack->fack, c->snd.una);
    if (fl->sb.sacked.count != 0)
        rack->fack = max_u64(rack->fack, fl->sb.sacked.v[fl->sb.sacked.count - 1].end);
    if (news->rtt_us != 0)
        rack->tlp_spent = false;
    return widen(c, news);
}

void rack_recovered(struct tcb *c)
{
    struct rack *rack = &c->fl->rack;
    if (rack->reo_wnd_persist != 0 && --rack->reo_wnd_persist == 0)
        rack->reo_wnd_mult = 1;
}

static uint32_t reo_wnd_us(const struct tcb *c)
{
    const struct flight *fl = c->fl;
    uint64_t quarters = max_u32(fl->rack.reo_wnd_mult, 1);
    if (!fl->rack.reordering_seen && (fl->recovery || fl->timed_out || fl->dup_acks >= DUP_THRESH ||
                                      fl->sb.sacked.bytes > (DUP_THRESH - 1) * c->cc.smss))
        return 0;
    return (uint32_t)min_u64(quarters * c->rtt.min_us / 4, rtt_srtt_us(&c->rtt));
}

uint32_t rack_detect(struct rill_engine *e, struct tcb *c)
{
    struct flight *fl = c->fl;
    struct rack *rack = &fl->rack;
    rill_time next_us;
    uint64_t window_us;
    uint32_t lost;
    if (rack->end == 0)
        return 0; /* nothing has arrived */
    window_us = (uint64_t)rack->rtt_us + reo_wnd_us(c);
    lost = scoreboard_judge(&fl->sb, &e->mem, rack->xmit_us, rack->end,
                            e->now_us > window_us ? e->now_us - window_us : 0, &next_us);
    if (lost != 0) {
        fl->lost_why = RILL_WHY_RACK;
        rack->late_us = (uint32_t)min_u64(window_us - rack->rtt_us, UINT32_MAX);
        conns_touch(&e->conns, c);
    }
    if (next_us != RILL_NEVER)
        timer_reorder(e, c, max_u64(next_us + window_us, e->now_us + TIMER_FLOOR_US));
    else if (fl->xmit_kind == XMIT_REORDER && c->timer[TIMER_XMIT] != RILL_NEVER)
        timer_timeout_again(e, c); /* what it was for has arrived, or is lost */
    return lost;
}

void rack_timeout(struct rill_engine *e, struct tcb *c)
{
    struct flight *fl = c->fl;
    uint64_t window_us = (uint64_t)fl->rack.rtt_us + reo_wnd_us(c);
    rill_time next_us;
    (void)scoreboard_lose(&fl->sb, &e->mem, c->snd.una, min_u64(c->snd.nxt, c->snd.una + tcp_eff_mss(c)));
    if (fl->rack.end == 0 || fl->sb.untimed || window_us >= e->now_us || fl->rto_count > 1)
        scoreboard_lose_all(&fl->sb, &e->mem, c->snd.una, c->snd.nxt);
    else
        (void)scoreboard_judge(&fl->sb, &e->mem, RILL_NEVER - 1, c->snd.nxt, e->now_us - window_us, &next_us);
}

/* ---- RFC 8985 7 ---------------------------------------------------------------------------------------- */

void rack_arm_probe(struct rill_engine *e, struct tcb *c)
{
    struct flight *fl = c->fl;
    uint64_t pto_us = 2ull * rtt_srtt_us(&c->rtt);
    if (!engine_has(e, RILL_FEATURE_TLP) || fl->recovery || fl->timed_out || fl->sb.sacked.count != 0 ||
        fl->sb.lost.count != 0 || fl->xmit_kind == XMIT_REORDER || tcp_flight(c) == 0 || c->snd.wnd == 0 ||
        !tcp_synchronized(c) || c->rtt.backoff != 0 || fl->rack.tlp_end != 0 || fl->rack.tlp_spent)
        return;
    if (pto_us == 0)
        pto_us = TLP_FIRST_US;
    else if (tcp_flight(c) < 2 * tcp_eff_mss(c)) /* DEVIATES: RFC 8985 says one segment, but several short
                                                    ones wait for the delayed ACK as well */
        pto_us += MAX_ACK_DELAY_US;
    timer_probe(e, c, e->now_us + max_u64(pto_us, TIMER_FLOOR_US));
}

void rack_send_probe(struct rill_engine *e, struct tcb *c)
{
    struct flight *fl = c->fl;
    uint64_t begin = c->snd.nxt - min_u64(tcp_flight(c), tcp_eff_mss(c));
    bool more = c->snd.end > c->snd.nxt &&
                c->snd.una + c->snd.wnd >= min_u64(c->snd.end, c->snd.nxt + tcp_eff_mss(c));
    engine_event(e, RILL_LOSS_PROBE, c, NULL);
    fl->rack.tlp_spent = true;
    if (more) {
        fl->rack.tlp_now = true;
    } else {
        (void)scoreboard_lose(&fl->sb, &e->mem, begin, c->snd.nxt);
        fl->lost_why = RILL_WHY_LOSS_PROBE;
        fl->rexmit_now = true;
        fl->rack.tlp_is_retrans = true;
        fl->rack.tlp_end = c->snd.nxt;
    }
    timer_restart(e, c);
    conns_touch(&e->conns, c);
}

void rack_probe_left(struct rill_engine *e, struct tcb *c)
{
    c->fl->rack.tlp_now = false;
    c->fl->rack.tlp_is_retrans = false;
    c->fl->rack.tlp_end = c->snd.nxt;
    timer_restart(e, c);
}

bool rack_probe_acked(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg,
                      const struct ack_news *news)
{
    struct rack *rack = &c->fl->rack;
    bool repaired = false;
    if (rack->tlp_end == 0 || seg->ack < rack->tlp_end)
        return false;
    if (!rack->tlp_is_retrans) {
        rack->tlp_end = 0; /* it was new data, which proves nothing */
    } else if (news->dsack_end == rack->tlp_end) {
        rack->tlp_end = 0; /* the original and the probe have arrived */
    } else if (seg->ack > rack->tlp_end) {
        rack->tlp_end = 0;
        repaired = true; /* no D-SACK: only the probe has arrived */
        engine_event(e, RILL_LOSS_PROBE_REPAIRED, c, seg);
    } else if (news->acked_bytes == 0 && seg->opt.sack_count == 0 && tcp_seg_len(seg) == 0) {
        rack->tlp_end = 0; /* a duplicate ACK: both have arrived, and the peer does not say D-SACK */
    }
    return repaired;
}
