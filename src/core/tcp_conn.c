/* tcp_conn.c - see tcp_conn.h.  RFC 9293 3.4.1, 3.6, 3.10.1, 3.10.4, 3.10.5; RFC 6528; RFC 6056; RFC 6928. */
#include "tcp_conn.h"

#include "cc_table.h"
#include "tcp_timer.h"
#include "tcp_ts.h"

#include <errno.h>

#define EPHEMERAL_MIN 32768u /* RFC 6056 3.2: a wide range; Linux' by default */
#define EPHEMERAL_MAX 60999u

uint16_t tcp_our_mss(const struct rill_engine *e, const struct tcp_opts *opts)
{
    uint32_t mss = e->config.mtu - (IP4_HEADER_LEN + TCP_HEADER_LEN);
    if (opts->maxseg != 0)
        mss = min_u32(mss, opts->maxseg);
    return (uint16_t)mss;
}

uint8_t tcp_wscale_for(uint32_t rcvbuf_bytes)
{
    uint8_t shift = 0;
    while (shift < 14 && (rcvbuf_bytes >> shift) > UINT16_MAX)
        shift++;
    return shift;
}

uint32_t tcp_rcvbuf_max(const struct rill_engine *e, const struct tcp_opts *opts)
{
    if (opts->rcvbuf_set || !engine_has(e, RILL_FEATURE_AUTOTUNE))
        return opts->rcvbuf_bytes;
    return max_u32(opts->rcvbuf_bytes, e->config.buf_max_bytes);
}

/* CVE-2019-11479: no peer may make us send tiny segments; the floor is Linux' tcp_min_snd_mss. */
#define MIN_SND_MSS 48u

void tcp_set_snd_mss(struct tcb *c, uint16_t peer_mss)
{
    uint32_t mss = max_u32(peer_mss, MIN_SND_MSS);
    if (c->opt.maxseg != 0)
        mss = min_u32(mss, max_u32(c->opt.maxseg, MIN_SND_MSS));
    c->snd.mss = (uint16_t)mss;
    c->rcv.mss = (uint16_t)min_u32(TCP_DEFAULT_MSS, mss);
}

/* What is hashed for a tuple, in one fixed layout. */
static uint64_t hash_tuple(const struct siphash_key *key, uint32_t laddr, const struct conn_node *tuple)
{
    uint8_t data[12];
    wire_put32(data, laddr);
    wire_put32(data + 4, tuple->raddr);
    wire_put16(data + 8, tuple->lport);
    wire_put16(data + 10, tuple->rport);
    return siphash(key, data, sizeof data);
}

/* RFC 6528 3: ISN = M + F(tuple, secret); M ticks every 4 us (MUST-8). */
uint32_t tcp_isn(const struct rill_engine *e, uint32_t raddr, uint16_t rport, uint16_t lport)
{
    struct conn_node tuple = {.raddr = raddr, .rport = rport, .lport = lport};
    return (uint32_t)(e->now_us / 4) + (uint32_t)hash_tuple(&e->isn_key, e->config.addr, &tuple);
}

static bool tuple_in_use(const struct rill_engine *e, uint32_t raddr, uint16_t rport, uint16_t lport)
{
    const struct conns *conns = &e->conns;
    return conns_find(conns, raddr, rport, lport) != NULL ||
           table_find(conns, &conns->halves, raddr, rport, lport) != NULL ||
           table_find(conns, &conns->waits, raddr, rport, lport) != NULL;
}

/* RFC 6056 3.3.3, algorithm 3: a counter that starts elsewhere for each destination.  A port that is bound is
 * never taken (RFC 6056 3.1). */
uint16_t tcp_ephemeral_port(struct rill_engine *e, uint32_t raddr, uint16_t rport)
{
    const uint32_t range = EPHEMERAL_MAX - EPHEMERAL_MIN + 1;
    struct conn_node tuple = {.raddr = raddr, .rport = rport};
    uint64_t offset = hash_tuple(&e->port_key, e->config.addr, &tuple);
    for (uint32_t tries = 0; tries < range; tries++) {
        uint16_t port = (uint16_t)(EPHEMERAL_MIN + (offset + e->port_counter++) % range);
        if (port_bound(&e->conns, port) == NULL && !tuple_in_use(e, raddr, rport, port))
            return port;
    }
    return 0;
}

struct tcb *tcp_new(struct rill_engine *e, const struct tcp_opts *opts)
{
    struct tcb *c;
    if (conns_reserve(&e->conns, &e->mem) != 0)
        return NULL;
    c = mem_alloc(&e->mem, sizeof *c);
    if (c == NULL)
        return NULL;
    list_init(&c->dirty);
    timer_stop_all(c);
    c->heap_index = HEAP_NONE;
    c->state = RILL_CLOSED;
    c->opt = *opts;
    c->pmtu = (uint16_t)e->config.mtu;
    c->max_sent = c->max_acked = 68; /* RFC 5927 7.2 */
    c->heard_us = e->now_us;
    c->snd.mss = TCP_DEFAULT_MSS;
    c->cc.ops = cc_ops((enum rill_cc)opts->cc);
    c->cc.ssthresh = CC_SSTHRESH_NONE;
    c->cc.hystart = engine_has(e, RILL_FEATURE_HYSTART);
    rtt_init(&c->rtt);
    return c;
}

void tcp_set_state(struct rill_engine *e, struct tcb *c, enum rill_tcp_state state)
{
    if (c->state != state)
        engine_trace_state(e, &c->node, (enum rill_tcp_state)c->state, state);
    c->state = (uint8_t)state;
}

void tcp_enter(struct rill_engine *e, struct tcb *c, enum rill_tcp_state state)
{
    ASSERT(c->state == RILL_CLOSED);
    table_insert(&e->conns, &e->mem, &e->conns.tcbs, &c->node);
    if (state == RILL_SYN_RECEIVED)
        c->state = (uint8_t)state; /* its record has told of it */
    else
        tcp_set_state(e, c, state);
}

int tcp_need_flight(struct rill_engine *e, struct tcb *c)
{
    if (c->fl != NULL)
        return 0;
    c->fl = mem_alloc(&e->mem, sizeof *c->fl);
    if (c->fl == NULL)
        return -ENOBUFS;
    /* What is sent must be sent again when it is lost, however short memory is then. */
    if (scoreboard_init(&c->fl->sb, &e->mem) != 0) {
        mem_free(&e->mem, c->fl, sizeof *c->fl);
        c->fl = NULL;
        return -ENOBUFS;
    }
    c->cc.state = c->fl->cc_state;
    c->fl->since_us = e->now_us;
    c->fl->sent_us = e->now_us;
    c->fl->ecn_recover = c->snd.una - 1;
    c->fl->recover = c->snd.una - 1; /* RFC 6582 3.2 step 1: the first duplicate ACKs may start a recovery */
    return 0;
}

void tcp_free_flight(struct rill_engine *e, struct tcb *c)
{
    if (c->fl == NULL)
        return;
    scoreboard_free(&c->fl->sb, &e->mem);
    mem_free(&e->mem, c->fl, sizeof *c->fl);
    c->fl = NULL;
    c->cc.state = NULL;
}

int tcp_need_intake(struct rill_engine *e, struct tcb *c)
{
    if (c->in == NULL)
        c->in = mem_alloc(&e->mem, sizeof *c->in);
    return c->in != NULL ? 0 : -ENOBUFS;
}

void tcp_free_intake(struct rill_engine *e, struct tcb *c)
{
    if (c->in == NULL)
        return;
    ranges_clear(&c->in->ooo, &e->mem);
    mem_free(&e->mem, c->in, sizeof *c->in);
    c->in = NULL;
}

int tcp_open_active(struct rill_engine *e, const struct tcp_opts *opts, uint32_t raddr, uint16_t rport,
                    uint16_t lport, struct tcb **out)
{
    struct ip4_net net = engine_net(e);
    struct tcb *c;
    if (!ip4_is_peer(raddr, &net) || rport == 0)
        return -ENETUNREACH; /* MUST-46 */
    if (lport == 0)
        lport = tcp_ephemeral_port(e, raddr, rport);
    if (lport == 0 || tuple_in_use(e, raddr, rport, lport))
        return -EADDRNOTAVAIL;
    if (conns_count(&e->conns) >= e->config.max_conns)
        return -ENOBUFS;
    c = tcp_new(e, opts);
    if (c == NULL)
        return -ENOBUFS;
    c->node = (struct conn_node){.raddr = raddr, .rport = rport, .lport = lport};
    c->snd.iss32 = tcp_isn(e, raddr, rport, lport);
    c->ts_offset = tcp_ts_offset(e, &c->node);
    c->snd.una = c->snd.nxt = tcp_iss(c);
    c->snd.end = tcp_iss(c) + 1; /* the SYN is to be sent; data comes after it */
    if (tcp_need_flight(e, c) != 0) {
        mem_free(&e->mem, c, sizeof *c);
        return -ENOBUFS;
    }
    c->rcv.wscale = engine_has(e, RILL_FEATURE_WSCALE) ? tcp_wscale_for(tcp_rcvbuf_max(e, opts)) : 0;
    tcp_enter(e, c, RILL_SYN_SENT);
    conns_touch(&e->conns, c);
    engine_count(e, RILL_OPEN_ACTIVE);
    *out = c;
    return 0;
}

int tcp_shut_send(struct rill_engine *e, struct tcb *c)
{
    if (c->fin_queued || c->state == RILL_CLOSED)
        return 0;
    if (tcp_need_flight(e, c) != 0)
        return -ENOBUFS;
    if (tcp_flight(c) == 0 && c->snd.nxt == c->snd.end)
        c->fl->since_us = e->now_us;
    c->fin_queued = true;
    /* RFC 9293 3.10.4.  The state moves when the application has spoken; the FIN leaves after the data in
     * front of it. */
    if (c->state == RILL_ESTABLISHED)
        tcp_set_state(e, c, RILL_FIN_WAIT_1);
    else if (c->state == RILL_CLOSE_WAIT)
        tcp_set_state(e, c, RILL_LAST_ACK);
    conns_touch(&e->conns, c);
    return 0;
}

void tcp_close(struct rill_engine *e, struct tcb *c, bool abort)
{
    c->owner.sock = NULL;
    c->waiting = false;
    if (c->state == RILL_CLOSED) {
        if (!c->rst_now)
            tcp_free(e, c);
        return;
    }
    /* RFC 9293 3.10.4: in SYN-SENT the TCB is deleted.  SHLD-3: closing with unread data is an abort. Without
     * memory for the FIN the peer at least learns of the end. */
    if (abort || c->state == RILL_SYN_SENT || tcp_unread(c) > 0 || tcp_shut_send(e, c) != 0) {
        tcp_abort(e, c, ECONNABORTED);
        return;
    }
    if (c->state == RILL_TIME_WAIT) {
        (void)tcp_time_wait_record(e, c);
        return;
    }
    timer_set(e, c, TIMER_LINGER,
              e->now_us + (c->state == RILL_FIN_WAIT_2 ? e->config.fin_wait_2_us : e->config.orphan_us));
}

/* Takes everything of c out of the engine but the TCB itself and what can still be read. */
static void disconnect(struct rill_engine *e, struct tcb *c)
{
    if (c->state != RILL_CLOSED)
        table_remove(&e->conns, &e->conns.tcbs, &c->node);
    timer_stop_all(c);
    conns_unschedule(&e->conns, c);
    list_remove(&c->dirty);
    tcp_free_flight(e, c);
    ring_free(&c->tx, &e->mem);
    tcp_free_intake(e, c);
}

static void release(struct rill_engine *e, struct tcb *c)
{
    ring_free(&c->rx, &e->mem);
    mem_free(&e->mem, c, sizeof *c);
}

void tcp_free(struct rill_engine *e, struct tcb *c)
{
    disconnect(e, c);
    tcp_set_state(e, c, RILL_CLOSED);
    release(e, c);
}

void tcp_die(struct rill_engine *e, struct tcb *c, int error)
{
    disconnect(e, c);
    tcp_set_state(e, c, RILL_CLOSED);
    c->rst_now = false;
    if (c->error == 0)
        c->error = (int16_t)error;
    if (tcp_orphan(c))
        tcp_free(e, c);
}

/* RFC 9293 3.10.5: a RST in the states in which the peer has something to forget.  In CLOSING and LAST-ACK
 * both FINs are out and there is nothing to tell; but while ours still waits behind text, the RFC's state
 * would be another, and unread text is lost text (SHLD-3). */
static bool peer_should_know(const struct tcb *c)
{
    switch ((enum rill_tcp_state)c->state) {
    case RILL_SYN_RECEIVED:
    case RILL_ESTABLISHED:
    case RILL_FIN_WAIT_1:
    case RILL_FIN_WAIT_2:
    case RILL_CLOSE_WAIT:
        return true;
    case RILL_CLOSING:
    case RILL_LAST_ACK:
        return !tcp_fin_sent(c) || tcp_unread(c) > 0;
    case RILL_LISTEN:
    case RILL_SYN_SENT:
    case RILL_TIME_WAIT:
    case RILL_CLOSED:
        return false;
    }
    return false;
}

void tcp_abort(struct rill_engine *e, struct tcb *c, int error)
{
    bool tell = peer_should_know(c);
    if (!tell) {
        tcp_die(e, c, error);
        return;
    }
    disconnect(e, c);
    tcp_set_state(e, c, RILL_CLOSED);
    if (c->error == 0)
        c->error = (int16_t)error;
    c->rst_now = true;
    conns_touch(&e->conns, c);
}

void tcp_time_wait(struct rill_engine *e, struct tcb *c)
{
    if (c->state != RILL_TIME_WAIT)
        engine_count(e, RILL_TIME_WAIT_ENTERED);
    tcp_set_state(e, c, RILL_TIME_WAIT);
    timer_stop_all(c);
    timer_set(e, c, TIMER_LINGER, e->now_us + 2ull * e->config.msl_us); /* MUST-13 */
}

bool tcp_time_wait_record(struct rill_engine *e, struct tcb *c)
{
    struct time_wait *tw;
    ASSERT(c->state == RILL_TIME_WAIT);
    ASSERT(!tcp_orphan(c) || tcp_unread(c) == 0);
    if (c->ack_now)
        return false; /* it becomes a record once its ACK has left */
    tw = mem_alloc(&e->mem, sizeof *tw);
    if (tw == NULL)
        return false;
    tw->node = c->node;
    list_init(&tw->link);
    tw->deadline_us = c->timer[TIMER_LINGER];
    tw->snd_nxt32 = (uint32_t)c->snd.nxt;
    tw->rcv_nxt32 = (uint32_t)c->rcv.nxt;
    tw->wnd_field = (uint16_t)min_u32(tcp_rcv_wnd(c) >> c->rcv.wscale, UINT16_MAX);
    tw->ts_ok = c->ts_ok;
    tw->ts_recent = c->ts_recent;
    tw->tos = c->opt.tos;
    tw->ttl = c->opt.ttl;
    disconnect(e, c);
    if (tcp_orphan(c))
        release(e, c); /* silently: it is still in TIME-WAIT */
    else
        tcp_set_state(e, c, RILL_CLOSED);
    table_insert(&e->conns, &e->mem, &e->conns.waits, &tw->node);
    /* In order of deadline: all wait equally long, but this one may have begun to wait before it became a
     * record. */
    struct list *after = e->conns.wait_queue.prev;
    while (after != &e->conns.wait_queue &&
           CONTAINER_OF(after, struct time_wait, link)->deadline_us > tw->deadline_us)
        after = after->prev;
    list_append(after->next, &tw->link); /* before its successor */
    return true;
}

void tcp_time_wait_free(struct rill_engine *e, struct time_wait *tw)
{
    engine_trace_state(e, &tw->node, RILL_TIME_WAIT, RILL_CLOSED);
    table_remove(&e->conns, &e->conns.waits, &tw->node);
    list_remove(&tw->link);
    mem_free(&e->mem, tw, sizeof *tw);
}
