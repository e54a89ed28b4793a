/* tcp_timeout.c - see tcp_timeout.h. */
#include "tcp_timeout.h"

#include "tcp_conn.h"
#include "tcp_pmtu.h"
#include "tcp_rack.h"
#include "tcp_recovery.h"
#include "tcp_timer.h"

#include <errno.h>

#define R1_RETRANSMISSIONS 3 /* RFC 9293 3.8.3, SHLD-10 */

static void give_up(struct rill_engine *e, struct tcb *c)
{
    engine_event(e, RILL_TIMED_OUT, c, NULL);
    tcp_die(e, c,
            c->soft_error != 0 ? c->soft_error : ETIMEDOUT); /* the reason, if an ICMP message gave one */
}

/* RFC 6298 5.4 to 5.6, RFC 9293 3.8.3. */
static bool retransmission_timeout(struct rill_engine *e, struct tcb *c)
{
    if (e->now_us >= timer_r2(e, c)) {
        give_up(e, c);
        return false;
    }
    bool probing = tcp_synchronized(c) && c->snd.wnd == 0; /* it was the octet of a window probe */
    engine_event(e, probing ? RILL_PROBE_SENT : RILL_RTO_FIRED, c, NULL);
    c->fl->probes += probing ? 1 : 0;
    if (c->snd.una == tcp_iss(c) && c->syn_resent < UINT8_MAX)
        c->syn_resent++;
    tcp_pmtu_timed_out(e, c);
    recovery_timeout(e, c);
    timer_restart(e, c);
    if (c->fl->rto_count == R1_RETRANSMISSIONS &&
        !probing) /* SHLD-9; there is no other route to advise IP of */
        engine_event(e, RILL_R1_PASSED, c, NULL);
    return true;
}

/* What the timer was armed for, while something is in flight.  False: the connection is over. */
static bool flight_timeout(struct rill_engine *e, struct tcb *c)
{
    switch ((enum xmit_kind)c->fl->xmit_kind) {
    case XMIT_PROBE:
        rack_send_probe(e, c);
        return true;
    case XMIT_REORDER:
        engine_event(e, RILL_REORDER_FIRED, c, NULL);
        recovery_reorder_timeout(e, c);
        return true;
    case XMIT_RTO:
        break;
    }
    return retransmission_timeout(e, c);
}

/* Nothing is in flight and data waits for the window: RFC 9293 3.8.6.1 and 3.8.6.2.1 (4). */
static void persist_timeout(struct rill_engine *e, struct tcb *c)
{
    if (c->fl == NULL || (c->snd.nxt == c->snd.end && !c->fin_queued))
        return;
    if (c->snd.wnd == 0)
        rtt_back_off(&c->rtt); /* SHLD-30 */
    c->probe_now = true;
    conns_touch(&e->conns, c);
}

/* MUST-24 to MUST-29. */
static bool keepalive_timeout(struct rill_engine *e, struct tcb *c)
{
    rill_time due_us = c->heard_us + c->opt.keep_idle_s * SEC;
    if (tcp_flight(c) != 0 || (c->keep_sent == 0 && due_us > e->now_us)) { /* MUST-26 */
        timer_set(e, c, TIMER_KEEP, max_u64(due_us, e->now_us + c->opt.keep_intvl_s * SEC));
        return true;
    }
    if (c->keep_sent >= c->opt.keep_cnt) {
        engine_event(e, RILL_TIMED_OUT, c, NULL);
        tcp_abort(e, c, ETIMEDOUT);
        return false;
    }
    c->keep_sent++;
    c->keep_now = true;
    conns_touch(&e->conns, c);
    timer_set(e, c, TIMER_KEEP, e->now_us + c->opt.keep_intvl_s * SEC);
    return true;
}

/* The end of patience.  False: the connection is over. */
static bool linger_timeout(struct rill_engine *e, struct tcb *c)
{
    if (c->state == RILL_TIME_WAIT) {
        tcp_die(e, c, 0); /* RFC 9293 3.10.8, TIME-WAIT TIMEOUT */
        return false;
    }
    ASSERT(tcp_orphan(c));
    engine_event(e, RILL_TIMED_OUT, c, NULL);
    if (c->state == RILL_FIN_WAIT_2)
        tcp_die(e, c, 0); /* both directions are done as far as anybody here cares */
    else
        tcp_abort(e, c, ETIMEDOUT);
    return false;
}

/* A second without traffic: empty rings go, and with the send ring what only traffic needs. */
static void rings_timeout(struct rill_engine *e, struct tcb *c)
{
    rill_time busy_us = max_u64(c->heard_us, c->fl != NULL ? c->fl->sent_us : 0);
    if (busy_us + SEC > e->now_us) {
        timer_set(e, c, TIMER_RINGS, busy_us + SEC);
        return;
    }
    if (c->snd.una >= c->snd.end && tcp_flight(c) == 0 && (!c->fin_queued || tcp_fin_acked(c))) {
        ring_free(&c->tx, &e->mem);
        recovery_idle(c); /* a pause of a second exceeds the RTO, or nearly */
        tcp_free_flight(e, c);
    }
    if (tcp_unread(c) == 0 && !tcp_gap(c)) {
        ring_free(&c->rx, &e->mem);
        tcp_free_intake(e, c);
    }
}

static bool take_due(struct rill_engine *e, struct tcb *c, enum tcp_timer timer)
{
    if (c->timer[timer] > e->now_us)
        return false;
    engine_trace_timer(e, c, RILL_TRACE_TIMER_FIRED, timer);
    timer_stop(c, timer);
    return true;
}

void tcp_timeout(struct rill_engine *e, struct tcb *c)
{
    if (take_due(e, c, TIMER_LINGER) && !linger_timeout(e, c))
        return;
    if (take_due(e, c, TIMER_KEEP) && !keepalive_timeout(e, c))
        return;
    if (take_due(e, c, TIMER_XMIT)) {
        if (tcp_flight(c) == 0)
            persist_timeout(e, c);
        else if (!flight_timeout(e, c))
            return;
    }
    if (take_due(e, c, TIMER_DELACK)) {
        engine_event(e, RILL_DELAYED_ACK, c, NULL);
        tcp_ack_soon(c, RILL_WHY_ACK_DELAYED);
        conns_touch(&e->conns, c);
    }
    if (take_due(e, c, TIMER_PACE))
        conns_touch(&e->conns, c);
    if (take_due(e, c, TIMER_RINGS))
        rings_timeout(e, c);
    conns_schedule(&e->conns, c);
    engine_trace_numbers(e, c);
}
