/* snapshot.c - what the connections are doing now, for people who look in.  RFC 9293 3.9.1.5 (STATUS).
 * Rank 8.
 *
 * Changes nothing and reads the clock of the caller, so that looking is never seen from outside.  A
 * connection that is CLOSED, of which only a RST has still to leave, is none any more. */
#include "engine.h"

/* The list that is being written: what does not fit is counted only. */
struct writing {
    struct rill_connection *list;
    uint32_t cap, count;
    rill_time now_us;
};

static void add(struct writing *w, const struct rill_connection *connection)
{
    if (w->count < w->cap)
        w->list[w->count] = *connection;
    w->count++;
}

static rill_time left_us(rill_time at_us, rill_time now_us)
{
    if (at_us == RILL_NEVER)
        return RILL_NEVER;
    return at_us > now_us ? at_us - now_us : 0;
}

static struct rill_connection of_node(const struct rill_engine *e, const struct conn_node *node,
                                      enum rill_tcp_state state)
{
    return (struct rill_connection){.laddr = e->config.addr,
                                    .raddr = node->raddr,
                                    .lport = node->lport,
                                    .rport = node->rport,
                                    .state = state,
                                    .timer_left_us = RILL_NEVER};
}

static void first_timer(const struct tcb *c, rill_time now_us, struct rill_connection *out)
{
    rill_time first_us = RILL_NEVER;
    for (int i = 0; i < TIMER_COUNT; i++) {
        if (i == TIMER_RINGS || c->timer[i] >= first_us)
            continue;
        first_us = c->timer[i];
        out->timer = (enum rill_timer)i;
    }
    out->timer_left_us = left_us(first_us, now_us);
}

static uint8_t timeouts(const struct tcb *c)
{
    uint32_t count = c->keep_sent;
    if (c->state == RILL_SYN_SENT || c->state == RILL_SYN_RECEIVED)
        return c->syn_resent;
    if (c->fl != NULL)
        count = max_u32(count, max_u32(c->fl->rto_count, c->fl->probes));
    return (uint8_t)min_u32(count, UINT8_MAX);
}

static struct rill_connection of_tcb(const struct rill_engine *e, const struct tcb *c, rill_time now_us)
{
    struct rill_connection out = of_node(e, &c->node, (enum rill_tcp_state)c->state);
    out.numbers = engine_numbers(e, c);
    if (c->snd.una > tcp_iss(c))
        out.bytes_acked = min_u64(c->snd.una, c->snd.end) - (tcp_iss(c) + 1);
    if (c->rcv.nxt > tcp_irs(c)) /* there is no RCV.NXT before the peer's SYN */
        out.bytes_received = (tcp_fin_received(c) ? c->rcv.fin : c->rcv.nxt) - (tcp_irs(c) + 1);
    out.snd_mss = (uint16_t)tcp_eff_mss(c);
    out.rcv_mss = c->rcv.mss != 0 ? c->rcv.mss : TCP_DEFAULT_MSS;
    out.ts = c->ts_ok;
    out.sack = c->sack_ok;
    out.wscale = c->wscale_ok;
    out.ecn = c->ecn_ok;
    out.cc = (enum rill_cc)c->opt.cc;
    if (c->wscale_ok) {
        out.snd_wscale = c->snd.wscale;
        out.rcv_wscale = c->rcv.wscale;
    }
    out.sndbuf = c->opt.sndbuf_bytes;
    out.rcvbuf = c->opt.rcvbuf_bytes;
    out.timeouts = timeouts(c);
    first_timer(c, now_us, &out);
    return out;
}

static struct rill_connection of_half(const struct rill_engine *e, const struct half_open *half,
                                      rill_time now_us)
{
    struct rill_connection out = of_node(e, &half->node, RILL_SYN_RECEIVED);
    out.snd_mss = half->mss;
    out.rcv_mss = TCP_DEFAULT_MSS;
    out.sndbuf = half->port->opts.sndbuf_bytes;
    out.rcvbuf = half->port->opts.rcvbuf_bytes;
    out.cc = (enum rill_cc)half->port->opts.cc;
    out.numbers.rto_us = (uint32_t)(SYNACK_RTO_US << half->resent);
    out.numbers.rcv_wnd = min_u32(out.rcvbuf, UINT16_MAX); /* a SYN,ACK's window is never scaled */
    out.timer = RILL_TIMER_XMIT;
    out.timer_left_us = left_us(half->deadline_us, now_us);
    out.timeouts = half->resent;
    return out;
}

static struct rill_connection of_wait(const struct rill_engine *e, const struct time_wait *tw,
                                      rill_time now_us)
{
    struct rill_connection out = of_node(e, &tw->node, RILL_TIME_WAIT);
    out.timer = RILL_TIMER_LINGER;
    out.timer_left_us = left_us(tw->deadline_us, now_us);
    return out;
}

static void add_listeners(const struct rill_engine *e, struct writing *w)
{
    const struct list *ports = &e->conns.ports;
    for (const struct list *at = ports->next; at != ports; at = at->next) {
        const struct port *port = CONTAINER_OF((struct list *)at, struct port, link);
        struct rill_connection out = {.laddr = port->addr,
                                      .lport = port->number,
                                      .state = RILL_LISTEN,
                                      .backlog = port->backlog,
                                      .waiting = port->ready_count,
                                      .sndbuf = port->opts.sndbuf_bytes,
                                      .rcvbuf = port->opts.rcvbuf_bytes,
                                      .cc = (enum rill_cc)port->opts.cc,
                                      .timer_left_us = RILL_NEVER};
        if (port->backlog != 0) /* else it is bound only */
            add(w, &out);
    }
}

/* Every entry of one of the three tables. */
static void add_table(const struct rill_engine *e, const struct conn_table *table, struct writing *w)
{
    struct rill_connection out;
    for (uint32_t i = 0; i < table->buckets; i++) {
        for (const struct conn_node *node = table->bucket[i]; node != NULL; node = node->next) {
            if (table == &e->conns.tcbs)
                out = of_tcb(e, (const struct tcb *)node, w->now_us);
            else if (table == &e->conns.halves)
                out = of_half(e, (const struct half_open *)node, w->now_us);
            else
                out = of_wait(e, (const struct time_wait *)node, w->now_us);
            add(w, &out);
        }
    }
}

uint32_t rill_snapshot(const struct rill_engine *e, struct rill_connection *list, uint32_t cap,
                       rill_time now_us)
{
    struct writing w = {list, cap, 0, max_u64(now_us, e->now_us)};
    add_listeners(e, &w);
    add_table(e, &e->conns.halves, &w);
    add_table(e, &e->conns.tcbs, &w);
    add_table(e, &e->conns.waits, &w);
    return w.count;
}
