/* world.c - see world.h. */
#include "world.h"

#include "tcp_conn.h"
#include "tcp_listen.h"
#include "tcp_output.h"
#include "tcp_rcv.h"

#include <stdio.h>
#include <stdlib.h>

#define SINK_ADDR 0x0a4d0001u              /* 10.77.0.1 */
#define FLOW_ADDR(i) (SINK_ADDR + 1 + (i)) /* 10.77.0.2 and on */
#define PORT 7
#define NO_CWND (UINT32_MAX / 4) /* larger than any window; sums with it do not wrap */
#define CHUNK 65536u
#define PACKET_MAX 65536u

const char *const bench_cc_name[BENCH_CCS] = {"none", "cubic", "reno"};

_Noreturn void bench_fail(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static void *take(void *ctx, size_t size)
{
    (void)ctx;
    return malloc(size);
}

static void give(void *ctx, void *block, size_t size)
{
    (void)ctx;
    (void)size;
    free(block);
}

static void entropy(void *ctx, void *buf, size_t len) { prng_fill(ctx, buf, len); }

/* ---- No congestion control --------------------------------------------------------------------- */

static void none_on_ack(struct cc *cc, const struct cc_ack *ack)
{
    (void)ack;
    cc->cwnd = NO_CWND;
}

static uint32_t none_on_loss(struct cc *cc, uint32_t flight_bytes, enum cc_loss loss, rill_time now_us)
{
    (void)cc;
    (void)flight_bytes;
    (void)loss;
    (void)now_us;
    return NO_CWND;
}

static const struct cc_ops cc_none = {"none", none_on_ack, none_on_loss, NULL};

/* What recovery does to the window by itself (the loss window, PRR) is undone before anything is sent. */
static void lift_window(struct tcb *c)
{
    c->cc.ops = &cc_none;
    c->cc.cwnd = c->cc.ssthresh = NO_CWND;
}

/* ---- Packets ----------------------------------------------------------------------------------- */

static void push(struct link *link, const struct rill_packet *out, rill_time now_us)
{
    static uint8_t one[PACKET_MAX];
    uint32_t len;
    if (out->segment_bytes == 0) {
        (void)link_push(link, out, now_us);
        return;
    }
    for (uint32_t i = 0; (len = link_split(out, i, one, sizeof one)) != 0; i++) {
        struct rill_packet part = {.head = {one, len}};
        (void)link_push(link, &part, now_us);
    }
}

static void drain_flow(struct world *w, struct flow *f)
{
    struct rill_packet out;
    bool none = w->setup.cc == BENCH_NONE && f->c != NULL;
    for (;;) {
        if (none)
            lift_window(f->c);
        if (!rill_output(f->e, &out, w->now_us))
            return;
        push(&w->up, &out, w->now_us);
    }
}

static void drain_sink(struct world *w)
{
    struct rill_packet out;
    while (rill_output(w->sink, &out, w->now_us))
        push(&w->down, &out, w->now_us);
}

/* ---- Applications ------------------------------------------------------------------------------ */

static void write_all(struct world *w, struct flow *f)
{
    static const uint8_t data[CHUNK];
    uint64_t bytes = w->setup.bytes;
    uint32_t room, len;
    if (f->c == NULL || !tcp_synchronized(f->c) || f->c->fin_queued)
        return;
    if (f->c->error != 0)
        bench_fail("a connection has died");
    while ((bytes == 0 || f->sent < bytes) && (room = tcp_write_room(f->c)) > 0) {
        len = min_u32(room, CHUNK);
        if (bytes != 0)
            len = (uint32_t)min_u64(len, bytes - f->sent);
        int32_t taken = tcp_write(f->e, f->c, data, len);
        if (taken <= 0)
            bench_fail("a write has failed");
        f->sent += (uint64_t)taken;
    }
    if (w->setup.close && f->sent == bytes && tcp_shut_send(f->e, f->c) != 0)
        bench_fail("a close has failed");
}

static void accept_all(struct world *w)
{
    struct tcb *c;
    int unknown;
    while ((c = port_accept(w->port, &unknown)) != NULL) {
        struct flow *f = &w->flow[c->node.raddr - FLOW_ADDR(0)];
        f->peer = c;
        c->owner.sock = &f->owner;
    }
}

static void read_all(struct world *w, uint32_t i)
{
    struct flow *f = &w->flow[i];
    uint32_t got;
    if (f->peer == NULL)
        accept_all(w);
    if (f->peer == NULL)
        return;
    while ((got = tcp_read(w->sink, f->peer, NULL, UINT32_MAX, false)) > 0) {
        f->received += got;
        w->received += got;
    }
}

/* ---- Trace ------------------------------------------------------------------------------------- */

/* The receiver's lines are indented. */
static void trace(void *ctx, const struct rill_trace_event *t)
{
    static const char letters[] = "FSRP.UEW";
    const char *indent = ctx != NULL ? "" : "                    ";
    char flags[9] = "";
    size_t n = 0;
    for (int bit = 0; bit < 8; bit++)
        if ((t->flags & 1 << bit) != 0)
            flags[n++] = letters[bit];
    double at = (double)(t->at_us - WORLD_BEGIN) / 1e6;
    if (t->kind == RILL_TRACE_EVENT)
        printf("%s%.6f * %s\n", indent, at, rill_event_name(t->event));
    if (t->kind == RILL_TRACE_STATE)
        printf("%s%.6f = %s\n", indent, at, rill_state_name(t->state));
    if (t->kind != RILL_TRACE_SEGMENT_IN && t->kind != RILL_TRACE_SEGMENT_OUT)
        return;
    bool out = t->kind == RILL_TRACE_SEGMENT_OUT;
    printf("%s%.6f %s %s %llu:%llu(%u) ack %llu win %u", indent, at, out ? ">" : "<", flags,
           (unsigned long long)t->seq, (unsigned long long)t->seq + t->len, t->len,
           (unsigned long long)t->ack, t->wnd);
    if (out)
        printf("%s  %s  cwnd %u ssthresh %u pipe %u", t->resent ? " again" : "", rill_why_name(t->why),
               t->numbers.cwnd, t->numbers.ssthresh, t->numbers.pipe);
    printf("\n");
}

/* ---- Birth and death --------------------------------------------------------------------------- */

static struct rill_engine *engine(const struct world *w, uint32_t addr, struct prng *random)
{
    struct rill_config config;
    struct rill_engine *e;
    rill_config_default(&config);
    config.addr = addr;
    config.mem_cap_bytes = SIZE_MAX / 2;
    config.alloc = take;
    config.free = give;
    config.entropy = entropy;
    config.entropy_ctx = random;
    config.features &= ~w->setup.features_off;
    config.trace = w->setup.trace ? trace : NULL;
    config.trace_ctx = addr != SINK_ADDR ? random : NULL;
    /* At 30 % loss the usual patience may not last. */
    config.r2_us = config.orphan_us = config.fin_wait_2_us = config.syn_timeout_us = UINT32_MAX;
    *random = prng_seed(w->setup.seed * 1000003 + addr);
    e = rill_engine_new(&config, w->now_us);
    if (e == NULL)
        bench_fail("no engine");
    return e;
}

static struct tcp_opts options(const struct world *w, const struct rill_engine *e)
{
    uint32_t buffer = w->setup.buffer_bytes;
    struct tcp_opts opts = {.sndbuf_bytes = buffer != 0 ? buffer : e->config.sndbuf_bytes,
                            .rcvbuf_bytes = buffer != 0 ? buffer : e->config.rcvbuf_bytes,
                            .sndbuf_set = buffer != 0,
                            .rcvbuf_set = buffer != 0,
                            .ttl = 64,
                            .keep_idle_s = 7200,
                            .keep_intvl_s = 75,
                            .keep_cnt = 9};
    opts.cc = w->setup.cc == BENCH_CUBIC ? RILL_CC_CUBIC : RILL_CC_RENO;
    return opts;
}

void world_start(struct world *w, const struct world_setup *setup)
{
    struct tcp_opts opts;
    *w = (struct world){.setup = *setup,
                        .now_us = WORLD_BEGIN,
                        .mem = {.alloc = take, .free = give, .cap_bytes = SIZE_MAX / 2}};
    w->setup.flows = max_u32(setup->flows, 1);
    w->setup.up.seed = w->setup.down.seed = setup->seed;
    link_init(&w->up, &w->mem, 0, w->now_us);
    link_init(&w->down, &w->mem, 1, w->now_us);
    link_set(&w->up, &w->setup.up);
    link_set(&w->down, &w->setup.down);
    w->sink = engine(w, SINK_ADDR, &w->entropy);
    opts = options(w, w->sink);
    if (port_bind(w->sink, &w->port, 0, PORT, false, &w->port) != 0 ||
        port_listen(w->sink, w->port, WORLD_FLOWS, &opts) != 0)
        bench_fail("cannot listen");
    for (uint32_t i = 0; i < w->setup.flows; i++) {
        w->flow[i].e = engine(w, FLOW_ADDR(i), &w->flow[i].entropy);
        w->flow[i].start_us = w->now_us + i * setup->apart_us;
    }
}

void world_stop(struct world *w)
{
    link_free(&w->up);
    link_free(&w->down);
    for (uint32_t i = 0; i < w->setup.flows; i++)
        rill_engine_free(w->flow[i].e);
    rill_engine_free(w->sink);
}

uint64_t world_counter(const struct world *w, enum rill_event event)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < w->setup.flows; i++)
        sum += rill_counter(w->flow[i].e, event);
    return sum;
}

/* ---- Time -------------------------------------------------------------------------------------- */

static void begin(struct world *w, struct flow *f)
{
    struct tcp_opts opts = options(w, f->e);
    f->start_us = RILL_NEVER;
    engine_now(f->e, w->now_us);
    if (tcp_open_active(f->e, &opts, SINK_ADDR, PORT, 0, &f->c) != 0)
        bench_fail("cannot connect");
    f->c->owner.sock = &f->owner;
    drain_flow(w, f);
}

static void arrive_up(struct world *w)
{
    struct rill_packet in;
    while (link_pop(&w->up, w->now_us, &in)) {
        (void)rill_input(w->sink, &in, w->now_us);
        read_all(w, wire_get32(in.head.data + 12) - FLOW_ADDR(0));
        drain_sink(w);
    }
}

static void arrive_down(struct world *w)
{
    struct rill_packet in;
    while (link_pop(&w->down, w->now_us, &in)) {
        struct flow *f = &w->flow[wire_get32(in.head.data + 16) - FLOW_ADDR(0)];
        (void)rill_input(f->e, &in, w->now_us);
        write_all(w, f);
        drain_flow(w, f);
    }
}

static void timers(struct world *w)
{
    if (rill_deadline(w->sink) <= w->now_us) {
        rill_advance(w->sink, w->now_us);
        drain_sink(w);
    }
    for (uint32_t i = 0; i < w->setup.flows; i++) {
        struct flow *f = &w->flow[i];
        if (f->start_us <= w->now_us)
            begin(w, f);
        if (rill_deadline(f->e) <= w->now_us) {
            rill_advance(f->e, w->now_us);
            drain_flow(w, f);
        }
    }
}

static rill_time next_event(const struct world *w)
{
    rill_time at_us = min_u64(link_deadline(&w->up), link_deadline(&w->down));
    at_us = min_u64(at_us, rill_deadline(w->sink));
    for (uint32_t i = 0; i < w->setup.flows; i++)
        at_us = min_u64(at_us, min_u64(w->flow[i].start_us, rill_deadline(w->flow[i].e)));
    return at_us;
}

bool world_run(struct world *w, rill_time until_us, uint64_t bytes)
{
    while (w->received < bytes) {
        rill_time at_us = next_event(w);
        if (at_us > until_us) {
            w->now_us = until_us;
            return false;
        }
        w->now_us = max_u64(w->now_us, at_us);
        timers(w);
        arrive_up(w);
        arrive_down(w);
    }
    return true;
}
