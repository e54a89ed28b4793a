/* tcp_input.c - see tcp_input.h.  RFC 9293 3.10.7; RFC 5961; RFC 1337.
 *
 * segment_arrives is the table of contents.  Each step is one function with one verdict, in the order of the
 * RFC's headings; nothing else decides to drop.  Sequence numbers are unwrapped here and nowhere else. */
#include "tcp_input.h"

#include "tcp_ack.h"
#include "tcp_conn.h"
#include "tcp_ecn.h"
#include "tcp_listen.h"
#include "tcp_rcv.h"
#include "tcp_recovery.h"
#include "tcp_reset.h"
#include "tcp_sack.h"
#include "tcp_timer.h"
#include "tcp_ts.h"

#include <errno.h>

/* ---- Before the first: the timestamp ------------------------------------------------------------------- */

/* RFC 7323 5.3 R1, 3.2.  Not of a RST (5.2), and not of a SYN: what one deserves, the fourth step and RFC
 * 6191 say, whatever it carries. */
static enum tcp_verdict check_timestamp(struct rill_engine *e, const struct tcb *c,
                                        const struct tcp_segment *seg)
{
    enum tcp_ts_age age;
    if ((seg->flags & (RILL_RST | RILL_SYN)) != 0)
        return PASS;
    age = tcp_ts_test(e, c, seg);
    if (age == TS_FINE)
        return PASS;
    /* DEVIATES: a bare ACK that another one has overtaken on the way is no old duplicate, and its SACK blocks
     * may be news; Linux takes it as well. */
    if (age == TS_OLD && tcp_seg_len(seg) == 0 && seg->seq == c->rcv.nxt && seg->ack == c->snd.una &&
        c->ts_recent - seg->opt.tsval <= rtt_rto_us(&c->rtt, e->config.rto_max_us) / MS)
        return PASS;
    engine_event(e, RILL_DROP_PAWS, c, seg);
    if (age == TS_MISSING)
        return DROP;                                /* "SHOULD silently drop", MUST NOT abort */
    return tcp_seg_len(seg) != 0 ? ACK : CHALLENGE; /* as in check_sequence */
}

/* ---- First: the sequence number ------------------------------------------------------------------------ */

/* RFC 9293 3.10.7.4, the four cases of "segment acceptability". */
static bool acceptable(const struct tcb *c, const struct tcp_segment *seg)
{
    uint64_t nxt = c->rcv.nxt, edge = c->rcv.adv, last = seg->seq + tcp_seg_len(seg) - 1;
    bool starts_inside = nxt <= seg->seq && seg->seq < edge;
    if (tcp_seg_len(seg) == 0)
        return edge == nxt ? seg->seq == nxt : starts_inside;
    return edge != nxt && (starts_inside || (nxt <= last && last < edge));
}

static enum tcp_verdict check_sequence(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg)
{
    uint32_t len = tcp_seg_len(seg);
    /* RFC 5961 4.2: a SYN is judged in the fourth step "irrespective of the sequence number": one outside the
     * window gets a challenge ACK like any other, with its limit, and in TIME-WAIT it may open a connection.
     * Nothing but its acknowledgement ever counts. */
    if ((seg->flags & (RILL_SYN | RILL_RST)) == RILL_SYN)
        return ACK_ONLY;
    if (acceptable(c, seg))
        return PASS;
    if (seg->seq < c->rcv.nxt && (seg->flags & RILL_RST) == 0)
        (void)tcp_sack_duplicate(e, c, seg->seq, seg->seq + len);
    if ((seg->flags & RILL_RST) != 0 && seg->seq != c->rcv.nxt) {
        engine_event(e, RILL_DROP_RST, c, seg);
        return DROP;
    }
    /* MUST-66: with a zero window valid ACKs, URGs and RSTs still count.  And so do those of a segment one
     * octet left of the window: a probe, and the SYN or FIN that crossed ours (simultaneous open and close).
     */
    if ((seg->seq == c->rcv.nxt && tcp_rcv_wnd(c) == 0) || (seg->seq == c->rcv.nxt - 1 && len <= 1))
        return ACK_ONLY;
    /* "A retransmission of the remote FIN", with the text in front of it. */
    if (c->state == RILL_TIME_WAIT && (seg->flags & RILL_FIN) != 0 && seg->seq + len == c->rcv.nxt)
        return ACK_ONLY;
    engine_event(e, seg->seq + len <= c->rcv.nxt ? RILL_DROP_DUPLICATE : RILL_DROP_WINDOW, c, seg);
    return len != 0 ? ACK
                    : CHALLENGE; /* two sides that disagree must not answer each other's bare ACKs for ever */
}

/* ---- Second: the RST bit ------------------------------------------------------------------------------- */

static enum tcp_verdict check_rst(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg)
{
    if ((seg->flags & RILL_RST) == 0)
        return PASS;
    if (seg->seq != c->rcv.nxt) { /* RFC 5961 3.2 */
        engine_event(e, RILL_DROP_RST, c, seg);
        return seg->seq > c->rcv.nxt && c->state != RILL_TIME_WAIT ? CHALLENGE
                                                                   : DROP; /* RFC 1337 in TIME-WAIT */
    }
    engine_event(e, RILL_RST_IN, c, seg);
    switch ((enum rill_tcp_state)c->state) {
    case RILL_SYN_RECEIVED: /* MUST-11; a passive one is a record and not here */
        tcp_die(e, c, ECONNREFUSED);
        return GONE;
    case RILL_CLOSE_WAIT:
        tcp_die(e, c, EPIPE); /* as BSD and Linux have it: the peer had said that it would send no more */
        return GONE;
    case RILL_ESTABLISHED:
    case RILL_FIN_WAIT_1:
    case RILL_FIN_WAIT_2:
        tcp_die(e, c, ECONNRESET);
        return GONE;
    case RILL_CLOSING:
    case RILL_LAST_ACK:
    case RILL_TIME_WAIT:
        tcp_die(e, c, 0);
        return GONE;
    case RILL_LISTEN:
    case RILL_SYN_SENT:
    case RILL_CLOSED:
        break;
    }
    ASSERT(false); /* these do not come here */
    return DROP;
}

/* ---- Fourth: the SYN bit ------------------------------------------------------------------------------- */

/* What RFC 6191 2 asks of the old connection. */
struct previous {
    uint32_t rcv_nxt32; /* the number after its FIN's */
    bool ts_ok;
    uint32_t ts_recent;
};

/* RFC 9293 3.6.1 MAY-2, RFC 6191 2: a SYN that is newer than the old connection by its timestamp or, where
 * that does not say, by its number, to a listener.  DEVIATES: RFC 6191 drops others silently; RFC
 * 9293 3.10.7.4 and RFC 5961 4 answer them with a challenge ACK, so that a peer which has forgotten learns of
 * the connection. */
static bool may_replace(const struct rill_engine *e, const struct tcp_segment *seg, struct previous old)
{
    bool ts = seg->opt.has_ts && engine_has(e, RILL_FEATURE_TIMESTAMPS); /* "would be enabled" */
    bool beyond = !seq_after32(old.rcv_nxt32, seg->seq32), newer = beyond;
    if (ts && old.ts_ok)
        newer = tcp_ts_before(old.ts_recent, seg->opt.tsval) || (seg->opt.tsval == old.ts_recent && beyond);
    else if (ts)
        newer = true;
    return newer && (seg->flags & (RILL_SYN | RILL_ACK | RILL_RST | RILL_FIN)) == RILL_SYN &&
           port_listening(&e->conns, seg->lport) != NULL;
}

/* The handshake of a new connection begins beside the old one's record, which comes back to light if the SYN
 * proves to be an old duplicate (MAY-2 (2)) and goes when the handshake succeeds.  False: the SYN found no
 * place in the queue. */
static bool replace(struct rill_engine *e, const struct tcp_segment *seg, uint32_t snd_nxt32)
{
    if (!listen_syn(e, port_listening(&e->conns, seg->lport), seg, &snd_nxt32))
        return false;
    engine_count(e, RILL_TIME_WAIT_REUSED);
    return true;
}

/* RFC 5961 4.2.  Only the SYN,ACK of a simultaneous open is a SYN that we wait for. */
static enum tcp_verdict check_syn(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg)
{
    if ((seg->flags & RILL_SYN) == 0)
        return PASS;
    if (c->state == RILL_SYN_RECEIVED && seg->seq == tcp_irs(c) && (seg->flags & RILL_ACK) != 0) {
        c->ecn_ok &= (seg->flags & (RILL_ECE | RILL_CWR)) == RILL_ECE; /* RFC 3168 6.1.1 */
        return PASS;
    }
    if (c->state == RILL_TIME_WAIT &&
        may_replace(e, seg, (struct previous){(uint32_t)c->rcv.nxt, c->ts_ok, c->ts_recent})) {
        if (!replace(e, seg, (uint32_t)c->snd.nxt))
            return DROP;
        c->ack_now = false;
        if (!tcp_time_wait_record(e, c))
            tcp_die(e, c, 0);
        return GONE;
    }
    engine_event(e, RILL_DROP_SYN, c, seg);
    return CHALLENGE;
}

/* ---- The states that are synchronized, or nearly ------------------------------------------------------- */

static enum rill_why why_challenge(const struct tcb *c, const struct tcp_segment *seg)
{
    if ((seg->flags & RILL_RST) != 0)
        return RILL_WHY_CHALLENGE_RST;
    if ((seg->flags & RILL_SYN) != 0)
        return RILL_WHY_CHALLENGE_SYN;
    return seg->ack > c->snd.nxt ? RILL_WHY_CHALLENGE_ACK : RILL_WHY_CHALLENGE;
}

static enum rill_why why_ack(const struct rill_engine *e, const struct tcb *c, const struct tcp_segment *seg)
{
    if (tcp_ts_test(e, c, seg) == TS_OLD || seg->seq + tcp_seg_len(seg) <= c->rcv.nxt)
        return RILL_WHY_ACK_OLD;
    return seg->seq > c->rcv.nxt && seg->seq < c->rcv.adv ? RILL_WHY_ACK_EARLY : RILL_WHY_ACK_OUTSIDE;
}

static void finish(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg,
                   enum tcp_verdict verdict)
{
    switch (verdict) {
    case GONE:
    case DROP:
        return;
    case CHALLENGE:
        if (!tcp_may_challenge(e, c))
            return;
        engine_event(e, RILL_CHALLENGE_ACK, c, seg);
        tcp_ack_soon(c, why_challenge(c, seg));
        e->drain = true;
        break;
    case RESET:
        tcp_abort(e, c, ECONNRESET);
        e->drain = true;
        return;
    case ACK:
    case ACK_ONLY:
        tcp_ack_soon(c, why_ack(e, c, seg));
        e->drain = true;
        break;
    case PASS:
        break;
    }
    engine_trace_numbers(e, c);
    conns_touch(&e->conns, c);
}

/* Of a segment that is acceptable, and whose acknowledgement is: nothing else may move TS.Recent (RFC
 * 7323 5.3 R2), or tell of a mark (RFC 3168 6.1.5: not what lies outside the window). */
static enum tcp_verdict receive_inside(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg)
{
    enum tcp_verdict verdict;
    bool at_once = tcp_ecn_receive(e, c, seg);
    tcp_ts_update(e, c, seg);
    verdict = tcp_receive_text(e, c, seg);
    if (verdict == PASS && at_once && !c->ack_now)
        tcp_ack_soon(c, RILL_WHY_ACK_ECN);
    return verdict;
}

/* RFC 9293 3.10.7.4; the order of these calls is normative. */
static void segment_arrives(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg)
{
    enum tcp_verdict verdict = check_timestamp(e, c, seg);
    bool outside;
    if (verdict == PASS)
        verdict = check_sequence(e, c, seg); /* first */
    outside = verdict == ACK_ONLY;
    if (outside)
        verdict = PASS;
    if (verdict == PASS)
        verdict = check_rst(e, c, seg); /* second; third is security, which nobody has */
    if (verdict == PASS)
        verdict = check_syn(e, c, seg); /* fourth */
    if (verdict == PASS)
        verdict = tcp_process_ack(e, c, seg); /* fifth */
    if (verdict == PASS) {
        c->heard_us = e->now_us;
        c->keep_sent = 0;
        tcp_receive_urgent(c, seg); /* sixth */
        if (outside)
            verdict = ACK_ONLY;
        else
            verdict = receive_inside(e, c, seg); /* seventh, and eighth: FIN */
        if (c->state == RILL_TIME_WAIT && (seg->flags & RILL_FIN) != 0)
            tcp_time_wait(e, c); /* a FIN that came again restarts 2 MSL */
    }
    finish(e, c, seg, verdict);
}

/* ---- SYN-SENT: RFC 9293 3.10.7.3 ----------------------------------------------------------------------- */

static void take_syn(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg)
{
    c->rcv.irs32 = seg->seq32;
    c->rcv.nxt = c->rcv.read = c->rcv.acked = tcp_irs(c) + 1;
    c->rcv.adv = c->rcv.nxt + min_u32(c->opt.rcvbuf_bytes, UINT16_MAX); /* as offered in the SYN */
    c->wscale_ok = seg->opt.has_wscale && engine_has(e, RILL_FEATURE_WSCALE);
    c->snd.wscale = c->wscale_ok ? (uint8_t)min_u32(seg->opt.wscale, 14) : 0; /* RFC 7323 2.3 */
    if (!c->wscale_ok)
        c->rcv.wscale = 0;
    tcp_ts_agree(e, c, &seg->opt);
    tcp_ecn_agree(e, c, seg);
    tcp_set_snd_mss(c, seg->opt.has_mss ? seg->opt.mss : TCP_DEFAULT_MSS); /* MUST-15 */
}

/* Fourth: a SYN with the ACK of ours, or one that crossed ours. */
static void syn_sent_syn(struct rill_engine *e, struct tcb *c, struct tcp_segment *seg, bool acked)
{
    enum tcp_verdict verdict = PASS;
    take_syn(e, c, seg);
    seg->seq = tcp_irs(c);
    if (acked) {
        tcp_establish(e, c, seg);
        tcp_ack_soon(c, RILL_WHY_ACK_HANDSHAKE);
    } else { /* MUST-10: SYN,ACK from our SYN's position */
        tcp_set_state(e, c, RILL_SYN_RECEIVED);
        c->snd.wnd = c->snd.max_wnd = seg->wnd16;
        recovery_mark_flight(e, c, RILL_WHY_SYN_CROSSED);
    }
    if (acked && (seg->text_len != 0 ||
                  (seg->flags & (RILL_FIN | RILL_URG)) != 0)) { /* "continue at the sixth step" */
        struct tcp_segment rest = *seg;
        tcp_receive_urgent(c, &rest); /* the pointer counts from the SYN */
        rest.seq++;
        rest.flags &= (uint8_t)~RILL_SYN;
        verdict = tcp_receive_text(e, c, &rest);
    }
    finish(e, c, seg, verdict);
}

static void syn_sent_arrives(struct rill_engine *e, struct tcb *c, struct tcp_segment *seg)
{
    bool acked = (seg->flags & RILL_ACK) != 0;
    if (acked && (seg->ack <= tcp_iss(c) || seg->ack > c->snd.nxt)) { /* first */
        engine_event(e, RILL_DROP_ACK, c, seg);
        tcp_reset_for(e, seg);
        return;
    }
    if ((seg->flags & RILL_RST) != 0) { /* second; RFC 5961 3.2: only if it acknowledges our SYN */
        engine_event(e, acked ? RILL_RST_IN : RILL_DROP_RST, c, seg);
        if (acked)
            tcp_die(e, c, ECONNREFUSED);
        return;
    }
    if ((seg->flags & RILL_SYN) == 0) { /* fifth */
        engine_event(e, RILL_DROP_SYN_SENT, c, seg);
        return;
    }
    syn_sent_syn(e, c, seg, acked);
}

/* ---- TIME-WAIT as a record ----------------------------------------------------------------------------- */

static void time_wait_arrives(struct rill_engine *e, struct time_wait *tw, const struct tcp_segment *seg)
{
    struct record_ack ack = {tw->snd_nxt32, tw->rcv_nxt32, tw->wnd_field, tw->ttl,
                             tw->tos,       tw->ts_ok,     tw->ts_recent};
    enum tcp_ts_age age = tcp_ts_test_record(tw->ts_ok, tw->ts_recent, &seg->opt);
    if ((seg->flags & RILL_RST) !=
        0) { /* DEVIATES: RFC 1337 ignores all of them; RFC 9293 closes on the exact number */
        bool exact = seg->seq32 == tw->rcv_nxt32;
        engine_event(e, exact ? RILL_RST_IN : RILL_DROP_RST, NULL, seg);
        if (exact)
            tcp_time_wait_free(e, tw);
        return;
    }
    if (may_replace(e, seg, (struct previous){tw->rcv_nxt32, tw->ts_ok, tw->ts_recent})) {
        (void)replace(e, seg, tw->snd_nxt32);
        return;
    }
    if (age != TS_FINE && (seg->flags & RILL_SYN) == 0) { /* RFC 7323 5.3 R1, 3.2 */
        engine_event(e, RILL_DROP_PAWS, NULL, seg);
        if (age == TS_OLD && wait_may_challenge(e, tw)) {
            engine_event(e, RILL_CHALLENGE_ACK, NULL, seg);
            tcp_ack_for(e, seg, &ack, RILL_WHY_CHALLENGE);
        }
        return;
    }
    if ((seg->flags & (RILL_SYN | RILL_ACK)) == 0) { /* fifth */
        engine_event(e, RILL_DROP_NO_ACK, NULL, seg);
        return;
    }
    if (tcp_seg_len(seg) == 0 && seg->seq32 == tw->rcv_nxt32 && !seq_after32(seg->ack32, tw->snd_nxt32))
        return; /* the last ACK, again */
    if ((seg->flags & (RILL_FIN | RILL_SYN)) == RILL_FIN && seg->seq32 + tcp_seg_len(seg) == tw->rcv_nxt32) {
        list_remove(&tw->link); /* the peer's FIN, again: 2 MSL begin anew */
        tw->deadline_us = e->now_us + 2ull * e->config.msl_us;
        list_append(&e->conns.wait_queue, &tw->link);
        if (tw->ts_ok)
            ack.ts_recent = tw->ts_recent = seg->opt.tsval; /* R3: it begins at or below Last.ACK.sent */
        tcp_ack_for(e, seg, &ack, RILL_WHY_ACK_FIN);
        return;
    }
    engine_event(e, (seg->flags & RILL_SYN) != 0 ? RILL_DROP_SYN : RILL_DROP_WINDOW, NULL, seg);
    if (wait_may_challenge(e, tw)) {
        engine_event(e, RILL_CHALLENGE_ACK, NULL, seg);
        tcp_ack_for(e, seg, &ack, (seg->flags & RILL_SYN) != 0 ? RILL_WHY_CHALLENGE_SYN : RILL_WHY_CHALLENGE);
    }
}

/* ---- Where it goes ------------------------------------------------------------------------------------- */

static void connection_arrives(struct rill_engine *e, struct tcb *c, struct tcp_segment *seg)
{
    seg->seq = seq_unwrap(c->state == RILL_SYN_SENT ? SEQ_BASE : c->rcv.nxt, seg->seq32);
    seg->ack = seq_unwrap(c->snd.una, seg->ack32);
    engine_trace_segment_in(e, c, seg);
    if (c->state == RILL_SYN_SENT)
        syn_sent_arrives(e, c, seg);
    else
        segment_arrives(e, c, seg);
}

void tcp_input(struct rill_engine *e, const struct rill_packet *in, const struct ip4 *ip)
{
    struct conns *conns = &e->conns;
    struct tcp_segment seg;
    struct conn_node *node;
    struct port *port;
    enum rill_event what = tcp_parse(in, ip, &seg);
    engine_count(e, what);
    if (what != TCP_OK)
        return;
    node = table_find(conns, &conns->tcbs, seg.raddr, seg.rport, seg.lport);
    if (node != NULL) {
        connection_arrives(e, (struct tcb *)node, &seg);
        return;
    }
    node = table_find(conns, &conns->halves, seg.raddr, seg.rport, seg.lport);
    if (node != NULL) {
        struct tcb *c = half_open_input(e, (struct half_open *)node, &seg);
        if (c != NULL)
            connection_arrives(e, c, &seg);
        else
            engine_trace_segment_in(e, NULL, &seg);
        return;
    }
    engine_trace_segment_in(e, NULL, &seg);
    node = table_find(conns, &conns->waits, seg.raddr, seg.rport, seg.lport);
    port = port_listening(conns, seg.lport);
    if (node != NULL) {
        time_wait_arrives(e, (struct time_wait *)node, &seg);
    } else if (port != NULL) {
        listen_input(e, port, &seg);
    } else { /* RFC 9293 3.10.7.1 */
        engine_event(e, RILL_DROP_CLOSED, NULL, &seg);
        tcp_reset_for(e, &seg);
    }
}
