/* tcp_listen.c - see tcp_listen.h.  RFC 9293 3.10.7.2 and the SYN-RECEIVED part of 3.10.7.4; RFC 5961 3, 4;
 * RFC 4987 3.1 (small records instead of TCBs).
 *
 * Owns: port->half_count is the number of records that name the port, port->ready_count the length of its
 * queue.  A record answers with its one slot on the dirty list; it never holds data. */
#include "tcp_listen.h"

#include "tcp_conn.h"
#include "tcp_ecn.h"
#include "tcp_reset.h"
#include "tcp_timer.h"
#include "tcp_ts.h"

#include <errno.h>

#define BACKLOG_MAX 4096u /* Linux' somaxconn */

/* ---- Ports --------------------------------------------------------------------------------------------- */

static bool port_conflicts(const struct rill_engine *e, uint16_t number, bool reuse)
{
    const struct conns *conns = &e->conns;
    for (const struct list *at = conns->ports.next; at != &conns->ports; at = at->next) {
        const struct port *other = CONTAINER_OF(at, struct port, link);
        if (other->number == number && (!reuse || !other->reuse || other->backlog != 0))
            return true;
    }
    return !reuse && (table_uses_port(&conns->tcbs, number) || table_uses_port(&conns->waits, number));
}

static uint16_t free_port(struct rill_engine *e)
{
    for (int tries = 0; tries < 64; tries++) {
        uint16_t number = tcp_ephemeral_port(e, 0, 0);
        if (number != 0 && !port_conflicts(e, number, false))
            return number;
    }
    return 0;
}

int port_bind(struct rill_engine *e, void *sock, uint32_t addr, uint16_t number, bool reuse,
              struct port **out)
{
    struct port *port;
    if (number == 0)
        number = free_port(e);
    else if (port_conflicts(e, number, reuse))
        return -EADDRINUSE;
    if (number == 0)
        return -EADDRINUSE;
    port = mem_alloc(&e->mem, sizeof *port);
    if (port == NULL)
        return -ENOBUFS;
    list_init(&port->link);
    port->sock = sock;
    port->addr = addr;
    port->number = number;
    port->reuse = reuse;
    list_append(&e->conns.ports, &port->link);
    *out = port;
    return 0;
}

int port_listen(struct rill_engine *e, struct port *port, uint32_t backlog, const struct tcp_opts *opts)
{
    struct port *other = port_listening(&e->conns, port->number);
    if (other != NULL && other != port)
        return -EADDRINUSE;
    port->backlog = min_u32(max_u32(backlog, 1), BACKLOG_MAX);
    port->opts = *opts;
    return 0;
}

struct tcb *port_accept(struct port *port, void *sock)
{
    struct tcb *c = port->ready_head;
    if (c == NULL)
        return NULL;
    port->ready_head = c->ready_next;
    if (port->ready_head == NULL)
        port->ready_tail = NULL;
    port->ready_count--;
    c->ready_next = NULL;
    c->waiting = false;
    c->owner.sock = sock;
    return c;
}

static void free_halves(struct rill_engine *e, struct list *queue, const struct port *port)
{
    struct list *at = queue->next;
    while (at != queue) {
        struct half_open *half = CONTAINER_OF(at, struct half_open, link);
        at = at->next;
        if (half->port == port)
            half_open_free(e, half);
    }
}

void half_open_free_all(struct rill_engine *e, const struct port *port)
{
    free_halves(e, &e->conns.half_dirty, port);
    for (int i = 0; i <= SYNACK_RESENDS; i++)
        free_halves(e, &e->conns.half_queue[i], port);
    ASSERT(port->half_count == 0);
}

void port_close(struct rill_engine *e, struct port *port)
{
    struct tcb *c;
    half_open_free_all(e, port);
    while ((c = port_accept(port, NULL)) != NULL)
        tcp_close(e, c, true);
    list_remove(&port->link);
    mem_free(&e->mem, port, sizeof *port);
}

/* ---- Half-open records --------------------------------------------------------------------------------- */

static void release(struct rill_engine *e, struct half_open *half)
{
    half->port->half_count--;
    table_remove(&e->conns, &e->conns.halves, &half->node);
    list_remove(&half->link);
    mem_free(&e->mem, half, sizeof *half);
}

void half_open_free(struct rill_engine *e, struct half_open *half)
{
    engine_trace_state(e, &half->node, RILL_SYN_RECEIVED, RILL_CLOSED);
    release(e, half);
}

static uint16_t syn_window(const struct tcp_opts *opts)
{
    return (uint16_t)min_u32(opts->rcvbuf_bytes, UINT16_MAX);
}

/* The SYN,ACK is due again, now. */
static void half_open_touch(struct rill_engine *e, struct half_open *half)
{
    list_remove(&half->link);
    list_append(&e->conns.half_dirty, &half->link);
}

/* What the SYN offers and we know.  Of one that came again the last counts: RFC 7323 4.3 takes its timestamp
 * (SEG.SEQ is below Last.ACK.sent), and who sends one without ECN must not use it (RFC 3168 6.1.1). */
static void half_open_agree(const struct rill_engine *e, struct half_open *half,
                            const struct tcp_segment *syn, bool again)
{
    half->ecn_ok = (!again || half->ecn_ok) && tcp_ecn_asked(e, syn);
    if (!again) {
        half->sack_ok = syn->opt.has_sack_permitted && engine_has(e, RILL_FEATURE_SACK);
        half->ts_ok = syn->opt.has_ts && engine_has(e, RILL_FEATURE_TIMESTAMPS);
        half->ts_recent = half->ts_ok ? syn->opt.tsval : 0;
    } else if (half->ts_ok && syn->opt.has_ts && !tcp_ts_before(syn->opt.tsval, half->ts_recent)) {
        half->ts_recent = syn->opt.tsval;
    }
}

static bool half_open_new(struct rill_engine *e, struct port *port, const struct tcp_segment *seg,
                          uint32_t iss32)
{
    struct half_open *half = NULL;
    if (conns_count(&e->conns) < e->config.max_conns)
        half = mem_alloc(&e->mem, sizeof *half);
    if (half == NULL) {
        engine_event(e, RILL_DROP_MEMORY, NULL, seg);
        return false;
    }
    half->node = (struct conn_node){.raddr = seg->raddr, .rport = seg->rport, .lport = seg->lport};
    list_init(&half->link);
    half->port = port;
    half->iss32 = iss32;
    half->irs32 = seg->seq32;
    half->mss = seg->opt.has_mss ? seg->opt.mss : TCP_DEFAULT_MSS; /* MUST-15 */
    if (seg->opt.has_wscale && engine_has(e, RILL_FEATURE_WSCALE))
        half->wscale_plus_1 = (min_u32(seg->opt.wscale, 14) + 1) & 0xf;
    half->our_wscale = tcp_wscale_for(tcp_rcvbuf_max(e, &port->opts)) & 7u;
    half_open_agree(e, half, seg, false);
    port->half_count++;
    table_insert(&e->conns, &e->mem, &e->conns.halves, &half->node);
    half_open_touch(e, half);
    engine_count(e, RILL_HALF_OPEN);
    engine_trace_state(e, &half->node, RILL_LISTEN, RILL_SYN_RECEIVED);
    return true;
}

bool listen_syn(struct rill_engine *e, struct port *port, const struct tcp_segment *seg,
                const uint32_t *old_nxt32)
{
    uint32_t iss32 = tcp_isn(e, seg->raddr, seg->rport, seg->lport);
    if (port->half_count >= port->backlog) {
        engine_event(e, RILL_DROP_SYN_QUEUE, NULL, seg);
        return false;
    }
    /* MAY-2: in place of a connection in TIME-WAIT, our numbers go on above the old ones. */
    if (old_nxt32 != NULL && !seq_after32(iss32, *old_nxt32))
        iss32 = *old_nxt32 + UINT16_MAX + 2;
    return half_open_new(e, port, seg, iss32);
}

/* RFC 9293 3.10.7.2. */
void listen_input(struct rill_engine *e, struct port *port, const struct tcp_segment *seg)
{
    if ((seg->flags & RILL_RST) != 0) { /* first */
        engine_event(e, RILL_DROP_LISTEN_FLAGS, NULL, seg);
    } else if ((seg->flags & RILL_ACK) != 0) { /* second */
        engine_event(e, RILL_DROP_LISTEN_FLAGS, NULL, seg);
        tcp_reset_for(e, seg);
    } else if ((seg->flags & RILL_SYN) != 0) {
        /* third.  DEVIATES: text and other controls are not queued, a record has no room; they are not
         * acknowledged, so that the peer sends them again. */
        (void)listen_syn(e, port, seg, NULL);
    } else { /* fourth */
        engine_event(e, RILL_DROP_LISTEN_FLAGS, NULL, seg);
    }
}

static void half_open_challenge(struct rill_engine *e, const struct half_open *half,
                                const struct tcp_segment *seg)
{
    const struct tcp_opts *opts = &half->port->opts;
    struct record_ack ack = {.seq32 = half->iss32 + 1,
                             .ack32 = half->irs32 + 1,
                             .wnd16 = syn_window(opts),
                             .ttl = opts->ttl,
                             .tos = opts->tos,
                             .ts_ok = half->ts_ok,
                             .ts_recent = half->ts_recent};
    if (!engine_may_challenge(e))
        return;
    engine_event(e, RILL_CHALLENGE_ACK, NULL, seg);
    tcp_ack_for(e, seg, &ack,
                (seg->flags & RILL_RST) != 0   ? RILL_WHY_CHALLENGE_RST
                : (seg->flags & RILL_SYN) != 0 ? RILL_WHY_CHALLENGE_SYN
                                               : RILL_WHY_CHALLENGE);
}

/* The completing ACK: a TCB in SYN-RECEIVED on the port's queue, or NULL. */
static struct tcb *half_open_complete(struct rill_engine *e, struct half_open *half)
{
    struct port *port = half->port;
    struct tcb *c = tcp_new(e, &port->opts);
    struct conn_node *old;
    rill_time sent_us;
    if (c == NULL)
        return NULL;
    c->node = half->node;
    c->snd.iss32 = half->iss32;
    c->snd.una = tcp_iss(c);
    c->snd.nxt = c->snd.end = tcp_iss(c) + 1;
    if (tcp_need_flight(e, c) != 0) {
        mem_free(&e->mem, c, sizeof *c);
        return NULL;
    }
    sent_us = half->deadline_us - (SYNACK_RTO_US << half->resent);
    scoreboard_sent(&c->fl->sb, &e->mem, c->snd.una, c->snd.nxt, c->snd.una, sent_us);
    if (half->sent_twice) /* Karn: nobody knows which of them is acknowledged */
        scoreboard_sent(&c->fl->sb, &e->mem, c->snd.una, c->snd.nxt, c->snd.nxt, sent_us);
    c->rcv.irs32 = half->irs32;
    c->rcv.nxt = c->rcv.read = c->rcv.acked = tcp_irs(c) + 1;
    c->rcv.adv = c->rcv.nxt + syn_window(&port->opts);
    c->wscale_ok = half->wscale_plus_1 != 0;
    if (c->wscale_ok) {
        c->snd.wscale = (uint8_t)(half->wscale_plus_1 - 1);
        c->rcv.wscale = half->our_wscale; /* as offered: SO_RCVBUF may have been set since */
    }
    c->ts_ok = half->ts_ok;
    c->ts_offset = tcp_ts_offset(e, &c->node);
    c->ts_recent = half->ts_recent;
    c->ts_recent_s = (uint32_t)(e->now_us / SEC);
    c->sack_ok = half->sack_ok;
    c->ecn_ok = half->ecn_ok;
    tcp_set_snd_mss(c, half->mss);
    c->syn_resent = half->resent;
    if (half->sent_once && !half->sent_twice) /* Karn: the SYN,ACK is timed if it was sent once */
        rtt_sample(&c->rtt, e->now_us - sent_us, e->config.rto_min_us, e->config.rto_max_us);
    release(e, half);
    old = table_find(&e->conns, &e->conns.waits, c->node.raddr, c->node.rport, c->node.lport);
    if (old != NULL) /* MAY-2: it was worth keeping until now */
        tcp_time_wait_free(e, (struct time_wait *)old);
    tcp_enter(e, c, RILL_SYN_RECEIVED);
    timer_sent(e, c);
    c->waiting = true;
    c->owner.port = port;
    if (port->ready_tail != NULL)
        port->ready_tail->ready_next = c;
    else
        port->ready_head = c;
    port->ready_tail = c;
    port->ready_count++;
    engine_count(e, RILL_OPEN_PASSIVE);
    return c;
}

/* RFC 7323 5.3 R1 and 3.2, on a record: whether the segment goes no further. */
static bool half_open_paws(struct rill_engine *e, const struct half_open *half, const struct tcp_segment *seg)
{
    enum tcp_ts_age age = tcp_ts_test_record(half->ts_ok, half->ts_recent, &seg->opt);
    if (age == TS_FINE || (seg->flags & (RILL_RST | RILL_SYN)) != 0)
        return false;
    engine_event(e, RILL_DROP_PAWS, NULL, seg);
    if (age == TS_OLD)
        half_open_challenge(e, half, seg);
    return true;
}

/* RFC 9293 3.10.7.4 for SYN-RECEIVED, on a record.  Nothing but the right ACK makes a connection. */
struct tcb *half_open_input(struct rill_engine *e, struct half_open *half, const struct tcp_segment *seg)
{
    uint32_t wnd = syn_window(&half->port->opts), off = seg->seq32 - (half->irs32 + 1);
    bool syn_again = (seg->flags & (RILL_SYN | RILL_RST | RILL_ACK)) == RILL_SYN && seg->seq32 == half->irs32;
    struct tcb *c;
    if (syn_again) { /* DEVIATES: RFC 9293 3.10.7.4 "return to LISTEN"; the SYN,ACK is sent again, as RFC 5961
                        4 leaves open */
        half_open_agree(e, half, seg, true);
        half_open_touch(e, half);
        return NULL;
    }
    if (half_open_paws(e, half, seg))
        return NULL;
    if (off >=
        wnd) { /* first; nothing has been received, so that nothing lies left of the window but the SYN */
        engine_event(e, (seg->flags & RILL_RST) != 0 ? RILL_DROP_RST : RILL_DROP_WINDOW, NULL, seg);
        if ((seg->flags & RILL_RST) == 0)
            half_open_challenge(e, half, seg);
        return NULL;
    }
    if ((seg->flags & RILL_RST) != 0) { /* second: RFC 5961 3; MUST-11: back to LISTEN, silently */
        engine_event(e, off == 0 ? RILL_RST_IN : RILL_DROP_RST, NULL, seg);
        if (off == 0)
            half_open_free(e, half);
        else
            half_open_challenge(e, half, seg);
        return NULL;
    }
    if ((seg->flags & RILL_SYN) != 0) { /* fourth: RFC 5961 4 */
        engine_event(e, RILL_DROP_SYN, NULL, seg);
        half_open_challenge(e, half, seg);
        return NULL;
    }
    if ((seg->flags & RILL_ACK) == 0) {
        engine_event(e, RILL_DROP_NO_ACK, NULL, seg);
        return NULL;
    }
    if (seg->ack32 != half->iss32 + 1) {
        engine_event(e, RILL_DROP_ACK, NULL, seg);
        tcp_reset_for(e, seg);
        return NULL;
    }
    if (half->port->ready_count >= half->port->backlog) {
        engine_event(e, RILL_DROP_ACCEPT_QUEUE, NULL, seg);
        return NULL;
    }
    c = half_open_complete(e, half);
    if (c == NULL)
        engine_event(e, RILL_DROP_MEMORY, NULL, seg);
    return c;
}

/* For the trace: the record seen as the TCB that it may become, so that numbers are relative. */
static void trace_syn_ack(struct rill_engine *e, const struct half_open *half, const struct tcp_build *build)
{
    struct tcp_why why = {.why = RILL_WHY_SYN_ACK};
    struct tcb view = {.node = half->node, .snd.iss32 = half->iss32, .rcv.irs32 = half->irs32};
    rtt_init(&view.rtt);
    view.state = RILL_SYN_RECEIVED;
    view.snd.una = view.snd.nxt = tcp_iss(&view);
    view.rcv.nxt = tcp_irs(&view) + 1;
    if (half->timed_out)
        why = (struct tcp_why){RILL_WHY_RTO, half->resent, (uint32_t)(SYNACK_RTO_US << (half->resent - 1))};
    engine_trace_out(e, &view, build, 0, half->sent_twice, why);
}

bool half_open_output(struct rill_engine *e, struct rill_packet *out)
{
    struct half_open *half;
    struct tcp_build build;
    const struct tcp_opts *opts;
    if (list_empty(&e->conns.half_dirty))
        return false;
    half = CONTAINER_OF(e->conns.half_dirty.next, struct half_open, link);
    opts = &half->port->opts;
    build = (struct tcp_build){.laddr = e->config.addr,
                               .raddr = half->node.raddr,
                               .lport = half->node.lport,
                               .rport = half->node.rport,
                               .seq32 = half->iss32,
                               .ack32 = half->irs32 + 1,
                               .wnd16 = syn_window(opts),
                               .flags = RILL_SYN | RILL_ACK,
                               .mss = tcp_our_mss(e, opts),
                               .ttl = opts->ttl,
                               .tos = opts->tos & (uint8_t)~ECN_MASK,
                               .sack_permitted = half->sack_ok,
                               .has_ts = half->ts_ok,
                               .tsval = tcp_ts_clock(e, tcp_ts_offset(e, &half->node)),
                               .tsecr = half->ts_recent};
    if (half->ecn_ok) /* RFC 3168 6.1.1: ECE alone; with CWR it would be a reflection */
        build.flags |= RILL_ECE;
    if (half->wscale_plus_1 != 0)
        build.wscale_plus_1 = (uint8_t)(half->our_wscale + 1);
    (void)tcp_build(&build, e->head, out);
    engine_count(e, RILL_SEG_OUT);
    half->sent_twice = half->sent_once;
    half->sent_once = true;
    if (half->sent_twice)
        engine_count(e, RILL_SEG_RESENT);
    if (e->config.trace != NULL)
        trace_syn_ack(e, half, &build);
    half->timed_out = false;
    list_remove(&half->link);
    list_append(&e->conns.half_queue[half->resent], &half->link);
    half->deadline_us = e->now_us + (SYNACK_RTO_US << half->resent);
    return true;
}

void half_open_advance(struct rill_engine *e)
{
    for (int i = 0; i <= SYNACK_RESENDS; i++) {
        struct list *queue = &e->conns.half_queue[i];
        while (!list_empty(queue)) {
            struct half_open *half = CONTAINER_OF(queue->next, struct half_open, link);
            if (half->deadline_us > e->now_us)
                break;
            if (i == SYNACK_RESENDS) {
                engine_count(e, RILL_HALF_OPEN_EXPIRED);
                half_open_free(e, half);
                continue;
            }
            half->resent++;
            half->timed_out = true;
            half_open_touch(e, half);
            engine_count(e, RILL_RTO_FIRED);
        }
    }
}
