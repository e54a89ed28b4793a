/* stack.c - the four calls of rill_engine.h: IP datagrams in and out, time, and the engine's own birth and
 * death. RFC 1122 3.2.1, 3.3.2. */
#include "stack.h"

#include "icmp.h"
#include "reply.h"
#include "tcp_check.h"
#include "tcp_conn.h"
#include "tcp_input.h"
#include "tcp_listen.h"
#include "tcp_output.h"
#include "tcp_timeout.h"

#include <errno.h>

#define ICMP_UNREACHABLE 3
#define ICMP_TIME_EXCEEDED 11

/* ---- Birth and death ----------------------------------------------------------------------------------- */

void rill_config_default(struct rill_config *config)
{
    *config = (struct rill_config){
        .prefix_len = 24,
        .mtu = 1500,
        .ttl = 64,
        .sndbuf_bytes = 256 * 1024,
        .rcvbuf_bytes = 256 * 1024,
        .rto_min_us = 200 * MS,
        .rto_max_us = 120 * SEC,
        .msl_us = 30 * SEC,
        .fin_wait_2_us = 60 * SEC,
        .orphan_us = 120 * SEC,
        .syn_timeout_us = 180 * SEC,
        .r2_us = 924600 * MS, /* fifteen retransmissions from 200 ms on, as Linux counts */
        .delack_us = 40 * MS,
        .ack_every = 2,
        .features = RILL_FEATURES_DEFAULT,
        .cc = RILL_CC_CUBIC,
        .buf_max_bytes = 4u << 20,
        .max_conns = 1u << 20,
        .mem_cap_bytes = (size_t)1 << 30,
    };
}

static bool config_valid(const struct rill_config *config)
{
    return config->alloc != NULL && config->free != NULL && config->entropy != NULL &&
           config->prefix_len >= 1 && config->prefix_len <= 30 && config->mtu >= 68 &&
           config->mtu <= UINT16_MAX && config->ttl >= 1 && config->sndbuf_bytes >= 2048 &&
           config->sndbuf_bytes <= 4u << 20 && config->rcvbuf_bytes >= 2048 &&
           config->rcvbuf_bytes <= 4u << 20 && config->buf_max_bytes <= 4u << 20 &&
           config->cc < RILL_CC_COUNT && config->rto_min_us >= 1 && config->rto_max_us >= 60 * SEC &&
           config->rto_min_us <= config->rto_max_us && config->delack_us < 500 * MS &&
           config->ack_every >= 1 && config->max_conns >= 1;
}

struct rill_engine *rill_engine_new(const struct rill_config *config, rill_time now_us)
{
    struct mem mem = {.alloc = config->alloc,
                      .free = config->free,
                      .ctx = config->mem_ctx,
                      .cap_bytes = config->mem_cap_bytes};
    struct {
        struct siphash_key conns, isn, port, id;
        uint64_t random;
    } secret;
    struct rill_engine *e;
    if (!config_valid(config))
        return NULL;
    e = mem_alloc(&mem, sizeof *e);
    if (e == NULL)
        return NULL;
    config->entropy(config->entropy_ctx, &secret, sizeof secret);
    e->config = *config;
    e->mem = mem;
    e->now_us = now_us;
    e->isn_key = secret.isn;
    e->port_key = secret.port;
    e->id_key = secret.id;
    e->random = secret.random;
    reass_init(&e->reass);
    if (conns_init(&e->conns, &e->mem, secret.conns) != 0) {
        mem_free(&mem, e, sizeof *e);
        return NULL;
    }
    return e;
}

/* Any TCB that nobody owns, for the end of the engine; connections of sockets are gone with their sockets by
 * then. */
static struct tcb *any_tcb(const struct conns *conns)
{
    for (uint32_t i = 0; i < conns->tcbs.buckets; i++)
        if (conns->tcbs.bucket[i] != NULL)
            return (struct tcb *)conns->tcbs.bucket[i];
    return NULL;
}

void rill_engine_free(struct rill_engine *e)
{
    struct mem mem;
    struct tcb *c;
    if (e == NULL)
        return;
    while (!list_empty(&e->conns.ports))
        port_close(e, CONTAINER_OF(e->conns.ports.next, struct port, link));
    while ((c = any_tcb(&e->conns)) != NULL)
        tcp_free(e, c);
    while (!list_empty(&e->conns.dirty)) /* CLOSED, with a RST that never left */
        tcp_free(e, CONTAINER_OF(e->conns.dirty.next, struct tcb, dirty));
    while (!list_empty(&e->conns.wait_queue))
        tcp_time_wait_free(e, CONTAINER_OF(e->conns.wait_queue.next, struct time_wait, link));
    reass_free(&e->reass, &e->mem);
    reply_free(e);
    conns_free(&e->conns, &e->mem);
    mem = e->mem;
    mem_free(&mem, e, sizeof *e);
}

/* ---- In ------------------------------------------------------------------------------------------------ */

void engine_now(struct rill_engine *e, rill_time now_us)
{
    e->now_us =
        max_u64(e->now_us, now_us); /* time does not run backwards in here, whatever the caller's does */
    reply_collect(e);
}

static void deliver(struct rill_engine *e, const struct rill_packet *in, const struct ip4 *ip)
{
    switch (ip->proto) {
    case IP4_TCP:
        tcp_input(e, in, ip);
        break;
    case IP4_ICMP:
        icmp_input(e, in, ip);
        break;
    case IP4_UDP: /* RFC 1122 3.2.2.1: port unreachable */
        engine_event(e, RILL_DROP_UDP, NULL, NULL);
        icmp_send_error(e, ICMP_UNREACHABLE, 3, in, ip);
        break;
    default: /* protocol unreachable */
        engine_event(e, RILL_DROP_PROTOCOL, NULL, NULL);
        icmp_send_error(e, ICMP_UNREACHABLE, 2, in, ip);
        break;
    }
}

static void input_fragment(struct rill_engine *e, const struct rill_packet *in, const struct ip4 *ip)
{
    struct rill_packet whole;
    struct ip4 whole_ip;
    enum rill_event what;
    engine_count(e, RILL_FRAGMENT_IN);
    what = reass_add(&e->reass, &e->mem, in, ip, e->now_us, &whole);
    e->counter[RILL_DROP_FRAGMENT_LIMIT] += e->reass.evicted;
    e->reass.evicted = 0;
    if (what == RILL_REASSEMBLED) {
        engine_count(e, what);
        what = ip4_parse(&whole, &whole_ip);
        ASSERT(what == IP4_OK); /* reass has built this header */
        deliver(e, &whole, &whole_ip);
    } else if (what != RILL_FRAGMENT_IN) {
        engine_event(e, what, NULL, NULL);
    }
}

bool rill_input(struct rill_engine *e, const struct rill_packet *in, rill_time now_us)
{
    struct ip4_net net = engine_net(e);
    struct ip4 ip;
    enum rill_event what;
    engine_now(e, now_us);
    e->drain = false;
    what = ip4_parse(in, &ip);
    if (what == IP4_OK)
        what = ip4_check_addresses(&ip, &net);
    if (what != IP4_OK) {
        engine_event(e, what, NULL, NULL);
        return false;
    }
    engine_count(e, RILL_IP_IN);
    if (ip.more || ip.frag_off != 0)
        input_fragment(e, in, &ip);
    else
        deliver(e, in, &ip);
    return e->drain;
}

/* ---- Out ----------------------------------------------------------------------------------------------- */

static bool next_packet(struct rill_engine *e, struct rill_packet *out)
{
    struct list *dirty = &e->conns.dirty;
    if (reply_output(e, out) || half_open_output(e, out))
        return true;
    while (!list_empty(dirty)) {
        struct tcb *c = CONTAINER_OF(dirty->next, struct tcb, dirty);
        list_remove(&c->dirty); /* back to the end if it has sent something: everybody has a turn */
        if (tcp_output(e, c, out))
            return true;
    }
    return false;
}

bool rill_output(struct rill_engine *e, struct rill_packet *out, rill_time now_us)
{
    engine_now(e, now_us);
    if (!next_packet(e, out))
        return false;
    engine_count(e, RILL_IP_OUT);
    return true;
}

/* ---- Time ---------------------------------------------------------------------------------------------- */

static void expire_fragments(struct rill_engine *e)
{
    struct rill_packet quote;
    struct ip4 ip;
    while (reass_expire(&e->reass, &e->mem, e->now_us, &quote)) {
        engine_event(e, RILL_DROP_FRAGMENT_TIMEOUT, NULL, NULL);
        if (quote.head.len != 0 && ip4_parse(&quote, &ip) == IP4_OK) /* RFC 1122 3.3.2 */
            icmp_send_error(e, ICMP_TIME_EXCEEDED, 1, &quote, &ip);
    }
}

void rill_advance(struct rill_engine *e, rill_time now_us)
{
    struct list *waits = &e->conns.wait_queue;
    struct tcb *c;
    engine_now(e, now_us);
    while ((c = conns_pop_due(&e->conns, e->now_us)) != NULL)
        tcp_timeout(e, c);
    half_open_advance(e);
    while (!list_empty(waits)) {
        struct time_wait *tw = CONTAINER_OF(waits->next, struct time_wait, link);
        if (tw->deadline_us > e->now_us)
            break;
        tcp_time_wait_free(e, tw);
    }
    expire_fragments(e);
}

rill_time rill_deadline(const struct rill_engine *e)
{
    return min_u64(conns_deadline(&e->conns), reass_deadline(&e->reass));
}

/* ---- Looking in ---------------------------------------------------------------------------------------- */

uint64_t rill_counter(const struct rill_engine *e, enum rill_event event)
{
    ASSERT(event < RILL_EVENT_COUNT);
    return e->counter[event];
}

size_t rill_memory(const struct rill_engine *e) { return e->mem.used_bytes; }

uint32_t rill_open_connections(const struct rill_engine *e)
{
    uint32_t closing = 0; /* CLOSED, but a RST has still to leave */
    for (const struct list *at = e->conns.dirty.next; at != &e->conns.dirty; at = at->next)
        closing += CONTAINER_OF((struct list *)at, struct tcb, dirty)->rst_now ? 1 : 0;
    return e->conns.tcbs.count + e->conns.halves.count + closing;
}

void rill_abort_all(struct rill_engine *e, rill_time now_us)
{
    struct tcb *c;
    engine_now(e, now_us);
    while ((c = any_tcb(&e->conns)) != NULL)
        tcp_abort(e, c, ECONNABORTED);
    for (struct list *at = e->conns.ports.next; at != &e->conns.ports; at = at->next)
        half_open_free_all(e, CONTAINER_OF(at, struct port, link));
}

const char *engine_check(const struct rill_engine *e)
{
    const struct conns *conns = &e->conns;
    for (uint32_t i = 0; i < conns->tcbs.buckets; i++) {
        for (const struct conn_node *node = conns->tcbs.bucket[i]; node != NULL; node = node->next) {
            const struct tcb *c = (const struct tcb *)node;
            const char *broken = tcp_check(c);
            if (broken != NULL)
                return broken;
            if (c->state == RILL_CLOSED)
                return "a CLOSED connection is in the table";
            if (tcb_deadline(c) != RILL_NEVER &&
                (c->heap_index == HEAP_NONE || conns->heap[c->heap_index].at_us > tcb_deadline(c)))
                return "a timer is armed and the heap does not know";
        }
    }
    for (const struct list *at = conns->ports.next; at != &conns->ports; at = at->next) {
        const struct port *port = CONTAINER_OF((struct list *)at, struct port, link);
        uint32_t ready = 0;
        for (const struct tcb *c = port->ready_head; c != NULL; c = c->ready_next)
            ready++;
        if (ready != port->ready_count || port->ready_count > port->backlog ||
            port->half_count > port->backlog)
            return "a listener's queues do not agree with their counts";
    }
    return NULL;
}
