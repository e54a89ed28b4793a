/* tcp_timer.c - see tcp_timer.h.  RFC 6298 5, RFC 5681 4.2, RFC 9293 3.8.3, 3.8.4, 3.8.6. */
#include "tcp_timer.h"

#define RINGS_IDLE_US (1 * SEC)

void timer_set(struct rill_engine *e, struct tcb *c, enum tcp_timer timer, rill_time at_us)
{
    ASSERT(timer < TIMER_COUNT);
    c->timer[timer] = at_us;
    engine_trace_timer(e, c, RILL_TRACE_TIMER_SET, timer);
    conns_schedule(&e->conns, c);
}

void timer_stop_all(struct tcb *c)
{
    for (int i = 0; i < TIMER_COUNT; i++)
        timer_stop(c, (enum tcp_timer)i);
}

rill_time timer_r2(const struct rill_engine *e, const struct tcb *c)
{
    uint64_t patience_us = e->config.r2_us;
    if (c->state == RILL_SYN_SENT || c->state == RILL_SYN_RECEIVED)
        patience_us = e->config.syn_timeout_us;
    if (c->opt.user_timeout_ms != 0)
        patience_us = c->opt.user_timeout_ms * MS;
    return c->fl->since_us + patience_us;
}

/* The retransmission timeout from now, but not beyond R2, so that the connection ends when it should. */
static void arm_xmit(struct rill_engine *e, struct tcb *c)
{
    rill_time at_us = e->now_us + rtt_rto_us(&c->rtt, e->config.rto_max_us);
    rill_time r2_us = timer_r2(e, c);
    if (r2_us > e->now_us)
        at_us = min_u64(at_us, r2_us);
    c->fl->rto_at_us = at_us;
    c->fl->xmit_kind = XMIT_RTO;
    timer_set(e, c, TIMER_XMIT, at_us);
}

/* RFC 8985 7.2: not beyond the retransmission timeout that it stands for. */
static void arm_instead(struct rill_engine *e, struct tcb *c, enum xmit_kind kind, rill_time at_us)
{
    c->fl->xmit_kind = (uint8_t)kind;
    timer_set(e, c, TIMER_XMIT, min_u64(at_us, c->fl->rto_at_us));
}

void timer_probe(struct rill_engine *e, struct tcb *c, rill_time at_us)
{
    arm_instead(e, c, XMIT_PROBE, at_us);
}

void timer_reorder(struct rill_engine *e, struct tcb *c, rill_time at_us)
{
    arm_instead(e, c, XMIT_REORDER, at_us);
}

void timer_sent(struct rill_engine *e, struct tcb *c)
{
    c->fl->sent_us = e->now_us;
    if (c->timer[TIMER_XMIT] == RILL_NEVER)
        arm_xmit(e, c); /* RFC 6298 5.1 */
}

void timer_restart(struct rill_engine *e, struct tcb *c) { arm_xmit(e, c); /* RFC 6298 5.3, 5.6 */ }

void timer_timeout_again(struct rill_engine *e, struct tcb *c)
{
    if (c->fl->rto_at_us <= e->now_us) {
        arm_xmit(e, c);
        return;
    }
    c->fl->xmit_kind = XMIT_RTO;
    timer_set(e, c, TIMER_XMIT, c->fl->rto_at_us);
}

void timer_window_closed(struct rill_engine *e, struct tcb *c)
{
    if (c->timer[TIMER_XMIT] == RILL_NEVER)
        arm_xmit(e, c); /* RFC 9293 3.8.6.1, SHLD-29: the first probe after one RTO */
}

void timer_ack_owed(struct rill_engine *e, struct tcb *c)
{
    if (c->timer[TIMER_DELACK] == RILL_NEVER)
        timer_set(e, c, TIMER_DELACK, e->now_us + e->config.delack_us);
}

void timer_keepalive(struct rill_engine *e, struct tcb *c)
{
    if (c->opt.keepalive && tcp_synchronized(c) && c->state != RILL_TIME_WAIT)
        timer_set(e, c, TIMER_KEEP, max_u64(e->now_us, c->heard_us + c->opt.keep_idle_s * SEC));
    else
        timer_stop(c, TIMER_KEEP);
}

void timer_rings(struct rill_engine *e, struct tcb *c)
{
    if (c->timer[TIMER_RINGS] == RILL_NEVER)
        timer_set(e, c, TIMER_RINGS, e->now_us + RINGS_IDLE_US);
}
