/* rig.c - see script.h: the constructors, the end, and what a test can look at. */
#include "rig.h"

#include "prng.h"

#include <stdlib.h>

/* ---- Birth and death ---------------------------------------------------------------------------------- */

static void entropy(void *ctx, void *buf, size_t len) { prng_fill(ctx, buf, len); }

static void apply_setup(struct rig *t, const struct rig_setup *setup)
{
    if (setup != NULL)
        t->setup = *setup;
    if (t->setup.peer_win == 0)
        t->setup.peer_win = UINT16_MAX;
    if (t->setup.peer_isn == 0)
        t->setup.peer_isn = 0xffffff00;
    if (t->setup.peer_opts == NULL)
        t->setup.peer_opts = "<mss 1460,nop,wscale 7>";
    if (t->setup.seg_opts == NULL)
        t->setup.seg_opts = "";
    if (t->setup.syn_flags == NULL)
        t->setup.syn_flags = "";
    if (t->setup.backlog == 0)
        t->setup.backlog = 8;
    rill_config_default(&t->config);
    /* RFC 9293, 5681 and 6582 only: what goes beyond is asked for by the tests that are about it. */
    t->config.features = 1u << RILL_FEATURE_WSCALE;
    t->config.cc = RILL_CC_RENO;
    if (t->setup.mtu != 0)
        t->config.mtu = t->setup.mtu;
    t->config.addr = RIG_OUR_ADDR;
    t->opts = (struct tcp_opts){
        .sndbuf_bytes = t->setup.sndbuf_bytes != 0 ? t->setup.sndbuf_bytes : t->config.sndbuf_bytes,
        .rcvbuf_bytes = t->setup.rcvbuf_bytes != 0 ? t->setup.rcvbuf_bytes : UINT16_MAX,
        .keep_idle_s = 7200,
        .keep_intvl_s = 75,
        .keep_cnt = 9,
        .ttl = t->config.ttl,
        .cc = RILL_CC_RENO,
        .nodelay = t->setup.nodelay};
    if (t->setup.edit != NULL)
        t->setup.edit(&t->config, &t->opts);
}

/* Megabytes, which the next rig of the program uses again. */
static struct rig_packet *spare_queue;

struct rig *rig_closed(const struct rig_setup *setup)
{
    struct rig *t = calloc(1, sizeof *t);
    struct prng prng;
    assert_non_null(t);
    t->file = __FILE__;
    t->line = __LINE__;
    t->queue = spare_queue != NULL ? spare_queue : malloc(RIG_QUEUE * sizeof *t->queue);
    spare_queue = NULL;
    assert_non_null(t->queue);
    t->log_to = open_memstream(&t->log, &t->log_len);
    assert_non_null(t->log_to);
    apply_setup(t, setup);
    prng = prng_seed(t->setup.seed + 1);
    t->now_us = t->start_us = 1000 * SEC;
    t->config.alloc = test_heap_alloc;
    t->config.free = test_heap_free;
    t->config.mem_ctx = &t->heap;
    t->config.entropy = entropy;
    t->config.entropy_ctx = &prng;
    t->config.trace = rig_trace;
    t->config.trace_ctx = t;
    for (unsigned int n = 0; n < RIG_PEERS; n++)
        t->peer[n] = (struct rig_peer){.lport = RIG_PORT,
                                       .rport = (uint16_t)(RIG_CLIENT + n),
                                       .isn = t->setup.peer_isn,
                                       .iss = 0x20000000};
    t->e = rill_engine_new(&t->config, t->now_us);
    assert_non_null(t->e);
    mark(t);
    return t;
}

static void end_engine(struct rig *t)
{
    for (unsigned int n = 0; n < RIG_PEERS; n++)
        if (t->peer[n].c != NULL)
            tcp_close(t->e, t->peer[n].c, true);
    rill_engine_free(t->e);
    if (t->heap.live_blocks != 0)
        rig_failed(t, "the engine is gone and has left %zu blocks, %zu bytes", t->heap.live_blocks,
                   t->heap.live_bytes);
}

void rig_discard(struct rig *t)
{
    t->first = t->queued = 0;
    rig_end(t);
}

void rig_end(struct rig *t)
{
    rig_enter(t);
    end_engine(t);
    fclose(t->log_to);
    free(t->log);
    free(spare_queue);
    spare_queue = t->queue;
    free(t);
}

void mark(struct rig *t)
{
    t->mark_us = t->now_us;
    for (int i = 0; i < RILL_EVENT_COUNT; i++)
        t->marked[i] = rill_counter(t->e, (enum rill_event)i);
}

/* ---- Constructors ------------------------------------------------------------------------------------- */

static struct rig *done(struct rig *t, enum rill_tcp_state state)
{
    expect_state(t, state);
    out_none(t);
    mark(t);
    return t;
}

/* For what leaves where the peer's segments have options: any; else none. */
static const char *seen_opts(const struct rig *t) { return t->setup.seg_opts[0] != 0 ? " <*>" : ""; }

/* RFC 3168 6.1.1: of our SYN,ACK. */
static const char *grant_flags(const struct rig *t)
{
    return strcmp(t->setup.syn_flags, "EC") == 0 ? "E" : "";
}

struct rig *rig_listen(const struct rig_setup *setup)
{
    struct rig *t = rig_closed(setup);
    rig_enter(t);
    assert_int_equal(port_bind(t->e, t, 0, RIG_PORT, false, &t->port), 0);
    assert_int_equal(port_listen(t->e, t->port, t->setup.backlog, &t->opts), 0);
    return done(t, RILL_LISTEN);
}

struct rig *rig_syn_received(const struct rig_setup *setup)
{
    struct rig *t = rig_listen(setup);
    in(t, "S%s 0:0(0) %s", t->setup.syn_flags, t->setup.peer_opts);
    out(t, "S%s. 0:0(0) ack 1 <*>", grant_flags(t));
    return done(t, RILL_SYN_RECEIVED);
}

struct rig *rig_syn_sent(const struct rig_setup *setup)
{
    struct rig *t = rig_closed(setup);
    assert_int_equal(app_connect(t, 0), 0);
    out(t, "S%s 0:0(0) <*>", (t->config.features & 1u << RILL_FEATURE_ECN) != 0 ? "EC" : "");
    return done(t, RILL_SYN_SENT);
}

struct rig *rig_syn_crossed(const struct rig_setup *setup)
{
    struct rig *t = rig_syn_sent(setup);
    in(t, "S%s 0:0(0) %s", t->setup.syn_flags, t->setup.peer_opts);
    out(t, "S%s. 0:0(0) ack 1 <*>", grant_flags(t));
    return done(t, RILL_SYN_RECEIVED);
}

struct rig *rig_established(const struct rig_setup *setup)
{
    struct rig *t = rig_syn_received(setup);
    in(t, ". 1:1(0) ack 1 %s", t->setup.seg_opts);
    app_accept(t, 0);
    return done(t, RILL_ESTABLISHED);
}

struct rig *rig_connected(const struct rig_setup *setup)
{
    struct rig *t = rig_syn_sent(setup);
    in(t, "S%s. 0:0(0) ack 1 %s", t->setup.syn_flags, t->setup.peer_opts);
    out(t, ". 1:1(0) ack 1%s", seen_opts(t));
    return done(t, RILL_ESTABLISHED);
}

struct rig *rig_fin_wait_1(const struct rig_setup *setup)
{
    struct rig *t = rig_established(setup);
    app_shut(t);
    out(t, "F. 1:1(0) ack 1%s", seen_opts(t));
    return done(t, RILL_FIN_WAIT_1);
}

struct rig *rig_fin_wait_2(const struct rig_setup *setup)
{
    struct rig *t = rig_fin_wait_1(setup);
    in(t, ". 1:1(0) ack 2 %s", t->setup.seg_opts);
    return done(t, RILL_FIN_WAIT_2);
}

struct rig *rig_close_wait(const struct rig_setup *setup)
{
    struct rig *t = rig_established(setup);
    in(t, "F. 1:1(0) ack 1 %s", t->setup.seg_opts);
    out(t, ". 1:1(0) ack 2%s", seen_opts(t));
    return done(t, RILL_CLOSE_WAIT);
}

struct rig *rig_closing(const struct rig_setup *setup)
{
    struct rig *t = rig_fin_wait_1(setup);
    in(t, "F. 1:1(0) ack 1 %s", t->setup.seg_opts);
    out(t, ". 2:2(0) ack 2%s", seen_opts(t));
    return done(t, RILL_CLOSING);
}

struct rig *rig_last_ack(const struct rig_setup *setup)
{
    struct rig *t = rig_close_wait(setup);
    app_shut(t);
    out(t, "F. 1:1(0) ack 2%s", seen_opts(t));
    return done(t, RILL_LAST_ACK);
}

struct rig *rig_time_wait(const struct rig_setup *setup)
{
    struct rig *t = rig_fin_wait_2(setup);
    in(t, "F. 1:1(0) ack 2 %s", t->setup.seg_opts);
    out(t, ". 2:2(0) ack 2%s", seen_opts(t));
    return done(t, RILL_TIME_WAIT);
}

struct rig *rig_time_wait_record(const struct rig_setup *setup)
{
    struct rig *t = rig_time_wait(setup);
    app_close(t);
    return done(t, RILL_TIME_WAIT);
}

/* ---- Looking in --------------------------------------------------------------------------------------- */

enum rill_tcp_state rig_state(const struct rig *t, unsigned int n)
{
    const struct conns *conns = &t->e->conns;
    const struct rig_peer *peer = &t->peer[n];
    const struct tcb *c = conns_find(conns, RIG_PEER_ADDR, peer->rport, peer->lport);
    if (c != NULL)
        return (enum rill_tcp_state)c->state;
    if (table_find(conns, &conns->halves, RIG_PEER_ADDR, peer->rport, peer->lport) != NULL)
        return RILL_SYN_RECEIVED;
    if (table_find(conns, &conns->waits, RIG_PEER_ADDR, peer->rport, peer->lport) != NULL)
        return RILL_TIME_WAIT;
    return port_listening(conns, peer->lport) != NULL ? RILL_LISTEN : RILL_CLOSED;
}

void rig_expect_state(struct rig *t, unsigned int n, enum rill_tcp_state state)
{
    enum rill_tcp_state got = rig_state(t, n);
    if (got != state)
        rig_failed(t, "expected %s, got %s", rill_state_name(state), rill_state_name(got));
}

void rig_expect_error(struct rig *t, int error)
{
    if (t->peer[0].c == NULL || t->peer[0].c->error != error)
        rig_failed(t, "expected error %d, got %d", error, t->peer[0].c != NULL ? t->peer[0].c->error : -1);
}

void rig_expect_readable(struct rig *t, uint32_t len)
{
    uint32_t got = tcp_unread(t->peer[0].c);
    if (got != len)
        rig_failed(t, "expected %u bytes to read, got %u", len, got);
}

void rig_expect_eof(struct rig *t, bool yes)
{
    const struct tcb *c = t->peer[0].c;
    if ((tcp_unread(c) == 0 && tcp_fin_received(c)) != yes)
        rig_failed(t, "expected %s of the stream", yes ? "the end" : "no end");
}

void rig_expect_counted(struct rig *t, enum rill_event event, uint64_t n)
{
    uint64_t got = rill_counter(t->e, event) - t->marked[event];
    if (got != n)
        rig_failed(t, "expected %s to be counted %llu times, got %llu", rill_event_name(event),
                   (unsigned long long)n, (unsigned long long)got);
}
