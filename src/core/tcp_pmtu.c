/* tcp_pmtu.c - see tcp_pmtu.h.  RFC 1191 3, 5, 6.4; RFC 5927 7.2; RFC 5681 3.1.
 *
 * Owns: pmtu does not grow by a message, and is not lowered below PMTU_FLOOR (a device may have less: then it
 * stays). max_sent, against which claims are held, is kept by tcp_output.c and set back here.  Beyond the
 * retry after a black hole it does not probe for a larger MTU (RFC 4821). */
#include "tcp_pmtu.h"

#include "tcp_timer.h"

/* A path below this is a lie more often than a path: it would cost 40 bytes of headers for each 28 of text.
 * Linux has the same floor. */
#define PMTU_FLOOR 552u
#define BLACK_HOLE_MTU 1024u /* RFC 4821 7.2: search_low */
#define TIMEOUTS_UNPROVED 3u /* RFC 9293 3.8.3: R1 */
#define TIMEOUTS_PROVED 9u   /* where full segments have arrived before, bad luck is likelier for long */
#define PMTU_RAISE_MIN 10u   /* RFC 4821 7.7, RFC 1191 6.3: another try after ten minutes */
#define PMTU_MIN 68u         /* RFC 791: every link takes this */

/* Takes on the lower MTU and sends what is in flight from `from` on again, in pieces that fit. */
static void lower(struct rill_engine *e, struct tcb *c, uint32_t mtu, uint64_t from)
{
    uint32_t old_smss = c->cc.smss;
    ASSERT(mtu < c->pmtu && mtu > IP4_HEADER_LEN + TCP_HEADER_LEN);
    c->pmtu = (uint16_t)mtu;
    c->cc.smss = tcp_eff_mss(c);
    /* RFC 5681 3.1: cwnd shrinks with the segments, so that as many of them leave as before. */
    if (c->cc.smss < old_smss)
        c->cc.cwnd = max_u32((uint32_t)((uint64_t)c->cc.cwnd * c->cc.smss / old_smss), c->cc.smss);
    /* RFC 5927 7.2: what was sent before says nothing about the new size. */
    c->max_sent = PMTU_MIN;
    c->max_acked = (uint16_t)min_u32(c->max_acked, mtu);
    /* RFC 1191 6.4: it was lost, and not to congestion, so that nobody has to wait for the timer, nor
     * ssthresh to fall; but only one segment leaves until acknowledgments begin to arrive again.  Without
     * memory for the mark the timer does it. */
    if (from < c->snd.nxt) {
        c->fl->rexmit_now = c->fl->one_only = true;
        timer_restart(e, c); /* RFC 6298 5 */
        (void)scoreboard_lose(&c->fl->sb, &e->mem, from, c->snd.nxt);
        c->fl->lost_why = RILL_WHY_PMTU;
        c->fl->rtt_pos = 0; /* RFC 6298 3: what is sent again is not timed */
    }
    conns_touch(&e->conns, c);
    engine_event(e, RILL_PMTU_LOWERED, c, NULL);
}

bool tcp_pmtu_claim(struct rill_engine *e, struct tcb *c, uint32_t mtu, uint64_t seq, uint64_t end)
{
    ASSERT(c->fl != NULL && c->snd.una <= seq && seq < end && end <= c->snd.nxt);
    uint32_t floored = max_u32(mtu, PMTU_FLOOR);
    /* RFC 5927 7.2: nothing so large was sent, so that nothing can have been too large; RFC 1191 3: below 68
     * no path can be, and a message never raises the estimate. */
    if (mtu < PMTU_MIN || mtu > c->max_sent || floored >= c->pmtu)
        return false;
    if (mtu >= c->max_acked) {
        c->fl->pending_mtu = 0;
        lower(e, c, floored, seq);
    } else {
        c->fl->pending_mtu = (uint16_t)floored;
        c->fl->pending_end = end;
    }
    return true;
}

uint32_t tcp_pmtu_plateau(const struct tcb *c, uint16_t total_len, uint8_t header_len)
{
    /* RFC 1191 7.1, table 7-1. */
    static const uint16_t plateau[] = {65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296};
    uint32_t len = total_len;
    if (len >= c->pmtu && len > header_len)
        len -= header_len; /* RFC 1191 5: routers that descend from 4.2BSD add the header once more */
    for (uint32_t i = 0; i < sizeof plateau / sizeof plateau[0]; i++) {
        if (plateau[i] < len)
            return plateau[i];
    }
    return PMTU_MIN;
}

static uint16_t minutes(const struct rill_engine *e) { return (uint16_t)(e->now_us / (60 * SEC)); }

/* RFC 4821 7.7 (RFC 8899 4.3 has the same for datagrams): full segments vanish again and again, and no
 * message says why.  Then a size that nearly every path takes, and after that the floor.  A path that is dead
 * looks the same, and pays with smaller segments for a while. */
static bool black_hole(struct rill_engine *e, struct tcb *c)
{
    uint32_t mtu = c->pmtu > BLACK_HOLE_MTU ? BLACK_HOLE_MTU : PMTU_FLOOR;
    bool full = c->snd.nxt - c->snd.una >= tcp_eff_mss(c);
    bool proved = c->max_acked >= IP4_HEADER_LEN + TCP_HEADER_LEN + tcp_ts_len(c) + tcp_eff_mss(c);
    uint32_t first = proved ? TIMEOUTS_PROVED : TIMEOUTS_UNPROVED;
    uint32_t timeouts = c->fl->rto_count + 1u; /* with this one */
    if (!engine_has(e, RILL_FEATURE_BLACK_HOLE) || !tcp_synchronized(c) || c->snd.wnd == 0 || !full ||
        timeouts < first || (timeouts - first) % 2 != 0 || mtu >= c->pmtu)
        return false;
    engine_event(e, RILL_BLACK_HOLE, c, NULL);
    lower(e, c, mtu, c->snd.una);
    c->pmtu_raise_min = (uint16_t)(minutes(e) + PMTU_RAISE_MIN) | 1; /* never 0 */
    return true;
}

void tcp_pmtu_timed_out(struct rill_engine *e, struct tcb *c)
{
    if (c->fl == NULL || black_hole(e, c) || c->fl->pending_mtu == 0)
        return;
    uint32_t mtu = c->fl->pending_mtu;
    c->fl->pending_mtu = 0;
    if (mtu < c->pmtu)
        lower(e, c, mtu, c->snd.una);
}

void tcp_pmtu_acked(const struct rill_engine *e, struct tcb *c, uint32_t acked_bytes)
{
    /* One ACK may cover several segments, so that this may be too much: then a claim waits for the timer that
     * need not have waited.  max_sent is what all of them were at most. */
    uint32_t size = min_u32(acked_bytes, UINT16_MAX) + IP4_HEADER_LEN + TCP_HEADER_LEN + tcp_ts_len(c);
    c->max_acked = (uint16_t)max_u32(c->max_acked, min_u32(size, c->max_sent));
    if (c->fl != NULL && c->fl->pending_mtu != 0 && c->snd.una >= c->fl->pending_end)
        c->fl->pending_mtu = 0;
    /* What was lowered without a message is tried again after a while, with the next full segment. */
    if (c->pmtu_raise_min != 0 && (int16_t)(minutes(e) - c->pmtu_raise_min) >= 0) {
        c->pmtu_raise_min = 0;
        c->pmtu = (uint16_t)e->config.mtu;
        c->cc.smss = tcp_eff_mss(c);
        c->cc.cwnd = max_u32(c->cc.cwnd, c->cc.smss);
    }
}
