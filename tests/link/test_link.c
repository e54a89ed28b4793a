/* test_link.c - two engines over a link in memory that loses, corrupts, duplicates and delays packets by
 * seed.
 *
 * Each run draws its link, its MTU, its buffers and the habits of its applications from the seed, moves bytes
 * in both directions, closes, and looks at what came out: every byte in its place, one end of file each, no
 * invariant broken after any call, no connection and no memory left.  Virtual time: thousands of runs take
 * seconds.  A failure names the seed; RILL_SEED=n runs that one alone. */
#include "heap.h"
#include "prng.h"
#include "stack.h"
#include "tcp_conn.h"
#include "tcp_listen.h"
#include "tcp_output.h"
#include "tcp_rcv.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#define RUNS 2000
#define PORT 7
#define PACKET_MAX 65536
#define IN_FLIGHT_MAX 4096

struct flying {
    rill_time at_us;
    uint64_t order; /* first sent, first come at the same time */
    uint8_t *data;
    uint32_t len;
    int to;
    bool corrupt;
    struct flying *next;
};

struct side {
    struct rill_engine *e;
    struct rill_config config;
    struct test_heap heap;
    struct prng entropy;
    size_t empty_bytes; /* what the bare engine holds */
    struct tcb *c;
    uint64_t to_send, sent, received;
    uint32_t write_max, read_max;
    rill_time write_pause_us, read_pause_us, write_at_us, read_at_us;
    bool shut, eof, closed;
    int owner, number;
};

struct world {
    struct prng prng;
    uint64_t seed;
    rill_time now_us;
    struct side side[2];
    struct port *port;
    struct flying *flying;
    uint64_t packets, order;
    double loss, duplicate, corrupt, reorder;
    rill_time delay_us, jitter_us;
    uint32_t mtu;
    bool merge; /* deliver neighbours as super-segments, as an offloading device does */
    uint64_t bad_in, corrupted;
    uint32_t events_left;
};

static void fail_run(const struct world *w, const char *what)
{
    fail_msg("seed %llu, at %llu us, packet %llu: %s", (unsigned long long)w->seed,
             (unsigned long long)w->now_us, (unsigned long long)w->packets, what);
}

#define CHECK(w, claim)                                                                                      \
    do {                                                                                                     \
        if (!(claim))                                                                                        \
            fail_run(w, #claim);                                                                             \
    } while (0)

/* The byte that side `from` sends at a position of its stream. */
static uint8_t pattern(int from, uint64_t pos)
{
    uint64_t x = pos * 0x9e3779b97f4a7c15u + (uint64_t)from * 77;
    return (uint8_t)(x >> 29);
}

/* RILL_TRACE=1 with RILL_SEED shows what happened. */
static void trace(void *ctx, const struct rill_trace_event *t)
{
    static const char letters[] = "FSRP.UEW";
    const struct side *s = ctx;
    char flags[9] = "";
    int n = 0;
    for (int bit = 0; bit < 8; bit++)
        if ((t->flags & 1 << bit) != 0)
            flags[n++] = letters[bit];
    if (t->kind == RILL_TRACE_NUMBERS || t->kind == RILL_TRACE_TIMER_SET || t->kind == RILL_TRACE_TIMER_FIRED)
        return;
    printf("%12.6f %d ", (double)t->at_us / 1e6, s->number);
    if (t->kind == RILL_TRACE_EVENT)
        printf("* %s\n", rill_event_name(t->event));
    else if (t->kind == RILL_TRACE_STATE)
        printf("= %s -> %s\n", rill_state_name(t->state_from), rill_state_name(t->state));
    else
        printf("%s %s %llu:%llu(%u) ack %llu win %u%s\n", t->kind == RILL_TRACE_SEGMENT_IN ? "<" : ">", flags,
               (unsigned long long)t->seq, (unsigned long long)t->seq + t->len, t->len,
               (unsigned long long)t->ack, t->wnd, t->resent ? " again" : "");
}

static void entropy(void *ctx, void *buf, size_t len) { prng_fill(ctx, buf, len); }

static bool chance(struct world *w, double p) { return (double)prng_below(&w->prng, 1000000) < p * 1e6; }

static void check_engines(struct world *w)
{
    for (int i = 0; i < 2; i++) {
        const char *broken = engine_check(w->side[i].e);
        if (broken != NULL)
            fail_run(w, broken);
    }
}

/* ---- The link ------------------------------------------------------------------------------------------ */

static void fly(struct world *w, int to, const uint8_t *data, uint32_t len, bool corrupt)
{
    struct flying *f = malloc(sizeof *f), **at = &w->flying;
    f->at_us = w->now_us + w->delay_us;
    if (chance(w, w->reorder))
        f->at_us += 1 + prng_below(&w->prng, w->jitter_us + 1);
    f->order = w->order++;
    f->data = malloc(len);
    memcpy(f->data, data, len);
    f->len = len;
    f->to = to;
    f->corrupt = corrupt;
    while (*at != NULL && (*at)->at_us <= f->at_us)
        at = &(*at)->next;
    f->next = *at;
    *at = f;
}

static void transmit(struct world *w, int from, const struct rill_packet *out)
{
    static uint8_t data[PACKET_MAX];
    uint32_t len = packet_len(out);
    bool corrupt = chance(w, w->corrupt);
    CHECK(w, len <= w->mtu);
    packet_read(out, 0, data, len);
    w->packets++;
    if (chance(w, w->loss))
        return;
    if (corrupt) { /* one bit: a checksum always sees that */
        uint32_t bit = (uint32_t)prng_below(&w->prng, len * 8ull);
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        w->corrupted++;
    }
    fly(w, 1 - from, data, len, corrupt);
    if (chance(w, w->duplicate))
        fly(w, 1 - from, data, len, corrupt);
}

static void drain(struct world *w, int i)
{
    struct rill_packet out;
    while (rill_output(w->side[i].e, &out, w->now_us)) {
        check_engines(w);
        transmit(w, i, &out);
    }
    check_engines(w);
}

/* Of both headers; options count. */
static uint32_t headers_len(const struct flying *f) { return 20 + (uint32_t)(f->data[32] >> 4) * 4; }

/* Whether `next` continues `f` so that a device would hand both over as one super-segment: same flow, plain
 * data, same options, in order. */
static bool continues(const struct flying *f, const struct flying *next, uint32_t f_len)
{
    uint32_t h;
    if (next == NULL || next->at_us != f->at_us || next->to != f->to || f->corrupt || next->corrupt ||
        f->data[9] != 6 || next->data[9] != 6)
        return false;
    h = headers_len(f);
    return headers_len(next) == h && f->len > h && next->len > h && f->data[1] == next->data[1] &&
           (f->data[33] & ~(RILL_PSH | RILL_ACK)) == 0 && (next->data[33] & ~(RILL_PSH | RILL_ACK)) == 0 &&
           memcmp(f->data + 28, next->data + 28, 4) == 0 &&
           memcmp(f->data + 40, next->data + 40, h - 40) == 0 &&
           wire_get32(next->data + 24) == wire_get32(f->data + 24) + (f_len - h) &&
           f_len + next->len - h < 65535;
}

static void deliver_merged(struct world *w, struct flying *f)
{
    static uint8_t whole[PACKET_MAX];
    struct wire_sum sum = wire_sum_start();
    uint32_t len = f->len, h = headers_len(f), cut;
    struct rill_packet in = {.csum = RILL_CSUM_GOOD, .segment_bytes = (uint16_t)(f->len - h)};
    memcpy(whole, f->data, f->len);
    while (continues(f, w->flying, len)) {
        struct flying *next = w->flying;
        w->flying = next->next;
        memcpy(whole + len, next->data + h, next->len - h);
        whole[33] |= next->data[33];
        len += next->len - h;
        free(next->data);
        free(next);
    }
    wire_put16(whole + 2, (uint16_t)len);
    wire_put16(whole + 10, 0);
    wire_sum_add(&sum, whole, 20);
    wire_put16(whole + 10, wire_sum_finish(&sum));
    /* In pieces, as a device that reads into a ring leaves it. */
    cut = h + (uint32_t)prng_below(&w->prng, len - h + 1);
    in.head = (struct rill_slice){whole, h};
    in.body[0] = (struct rill_slice){whole + h, cut - h};
    in.body[1] = (struct rill_slice){whole + cut, len - cut};
    if (rill_input(w->side[f->to].e, &in, w->now_us))
        drain(w, f->to);
}

static void deliver(struct world *w)
{
    struct flying *f = w->flying;
    struct side *s = &w->side[f->to];
    w->flying = f->next;
    if (w->merge && continues(f, w->flying, f->len)) {
        deliver_merged(w, f);
    } else {
        struct rill_packet in = {.head = {f->data, f->len}};
        if (rill_input(s->e, &in, w->now_us))
            drain(w, f->to);
    }
    check_engines(w);
    free(f->data);
    free(f);
}

/* ---- The applications ---------------------------------------------------------------------------------- */

static void app_write(struct world *w, int i)
{
    struct side *s = &w->side[i];
    static uint8_t data[1 << 16];
    uint32_t len = (uint32_t)(1 + prng_below(&w->prng, s->write_max));
    int32_t taken;
    if (len > s->to_send - s->sent)
        len = (uint32_t)(s->to_send - s->sent);
    for (uint32_t k = 0; k < len; k++)
        data[k] = pattern(i, s->sent + k);
    taken = len != 0 ? tcp_write(s->e, s->c, data, len) : 0;
    CHECK(w, taken >= 0);
    s->sent += (uint64_t)taken;
    if (s->sent == s->to_send) {
        CHECK(w, tcp_shut_send(s->e, s->c) == 0);
        s->shut = true;
    }
    s->write_at_us = taken == 0 && len != 0 ? w->now_us + 1000 : w->now_us + s->write_pause_us;
}

static void app_read(struct world *w, int i)
{
    struct side *s = &w->side[i];
    static uint8_t data[1 << 16];
    uint32_t got = tcp_read(s->e, s->c, data, (uint32_t)(1 + prng_below(&w->prng, s->read_max)), false);
    for (uint32_t k = 0; k < got; k++)
        CHECK(w, data[k] == pattern(1 - i, s->received + k));
    s->received += got;
    CHECK(w, s->received <= w->side[1 - i].sent);
    if (got == 0 && tcp_fin_received(s->c)) {
        CHECK(w, s->received == w->side[1 - i].to_send);
        s->eof = true;
    }
    s->read_at_us = w->now_us + s->read_pause_us;
}

/* What the applications of a side do now. */
static void app(struct world *w, int i)
{
    struct side *s = &w->side[i];
    engine_now(s->e, w->now_us);
    if (i == 1 && s->c == NULL)
        s->c = port_accept(w->port, &s->owner);
    if (s->c == NULL || s->closed)
        return;
    CHECK(w, s->c->error == 0);
    if (!tcp_synchronized(s->c) && s->c->state != RILL_CLOSED)
        return;
    if (!s->shut && w->now_us >= s->write_at_us)
        app_write(w, i);
    if (!s->eof && w->now_us >= s->read_at_us)
        app_read(w, i);
    if (s->shut && s->eof && !s->closed) {
        s->closed = true;
        tcp_close(s->e, s->c, false);
    }
    drain(w, i);
}

static rill_time app_next(const struct world *w, const struct side *s)
{
    rill_time at_us = RILL_NEVER;
    if (s->c == NULL || s->closed || (!tcp_synchronized(s->c) && s->c->state != RILL_CLOSED))
        return RILL_NEVER; /* a packet will wake us */
    if (!s->shut && (s->sent < s->to_send ? tcp_write_room(s->c) > 0 : true))
        at_us = s->write_at_us;
    if (!s->eof && (tcp_unread(s->c) > 0 || tcp_fin_received(s->c)))
        at_us = min_u64(at_us, s->read_at_us);
    return at_us == RILL_NEVER ? at_us : max_u64(at_us, w->now_us);
}

/* ---- A run --------------------------------------------------------------------------------------------- */

static void draw(struct world *w)
{
    static const uint32_t mtus[] = {68, 296, 576, 1500, 1500, 1500, 9000, 65535};
    static const double losses[] = {0, 0, 0.01, 0.05, 0.1, 0.2, 0.3};
    w->mtu = mtus[prng_below(&w->prng, COUNT_OF(mtus))];
    w->loss = losses[prng_below(&w->prng, COUNT_OF(losses))];
    w->duplicate = chance(w, 0.5) ? 0.05 : 0;
    w->corrupt = chance(w, 0.5) ? 0.03 : 0;
    w->reorder = chance(w, 0.5) ? 0.2 : 0;
    w->delay_us = prng_below(&w->prng, 3) * 20000 + 10;
    w->jitter_us = prng_below(&w->prng, 50000);
    w->merge = chance(w, 0.5);
}

static void start_side(struct world *w, int i)
{
    struct side *s = &w->side[i];
    struct rill_config config;
    rill_config_default(&config);
    config.addr = 0x0a4d0001u + (uint32_t)i;
    config.mtu = w->mtu;
    config.alloc = test_heap_alloc;
    config.free = test_heap_free;
    config.mem_ctx = &s->heap;
    config.entropy = entropy;
    config.entropy_ctx = &s->entropy;
    config.trace = getenv("RILL_TRACE") != NULL ? trace : NULL;
    config.trace_ctx = s;
    s->number = i;
    config.sndbuf_bytes = 2048u << prng_below(&w->prng, 8);
    config.rcvbuf_bytes = 2048u << prng_below(&w->prng, 8);
    /* Without timestamps a timeout stays doubled until a segment arrives that was sent once (RFC 6298 5.7):
     * at a third of all packets lost the usual patience does not last. */
    config.r2_us = config.orphan_us = config.fin_wait_2_us = config.syn_timeout_us = UINT32_MAX;
    if (chance(w, 0.7)) /* every feature on or off, each side for itself; else as they are by default */
        config.features = (uint32_t)prng_below(&w->prng, 1u << RILL_FEATURE_COUNT);
    config.cc = (enum rill_cc)prng_below(&w->prng, RILL_CC_COUNT);
    s->config = config;
    s->entropy = prng_seed(w->seed * 2 + (uint64_t)i);
    s->e = rill_engine_new(&config, w->now_us);
    assert_non_null(s->e);
    s->empty_bytes = rill_memory(s->e);
    s->to_send = prng_below(&w->prng, chance(w, 0.3) ? 200 : 60000);
    s->write_max = 1 + (uint32_t)prng_below(&w->prng, chance(w, 0.3) ? 20 : 20000);
    s->read_max = 1 + (uint32_t)prng_below(&w->prng, chance(w, 0.3) ? 200 : 60000);
    if (s->to_send / s->write_max > 3000)
        s->to_send = 3000ull * s->write_max;
    s->write_pause_us = prng_below(&w->prng, 4) * 700;
    s->read_pause_us = prng_below(&w->prng, 4) * 700;
}

static struct tcp_opts options_of(struct world *w, const struct side *s)
{
    return (struct tcp_opts){.sndbuf_bytes = s->e->config.sndbuf_bytes,
                             .rcvbuf_bytes = s->e->config.rcvbuf_bytes,
                             .ttl = 64,
                             .keep_idle_s = 7200,
                             .keep_intvl_s = 75,
                             .keep_cnt = 9,
                             .cc = (uint8_t)s->config.cc,
                             .nodelay = chance(w, 0.5)};
}

static bool over(const struct world *w)
{
    for (int i = 0; i < 2; i++) {
        const struct conns *conns = &w->side[i].e->conns;
        if (!w->side[i].closed || conns->tcbs.count + conns->halves.count + conns->waits.count != 0)
            return false;
    }
    return w->flying == NULL;
}

static void step(struct world *w)
{
    rill_time next_us = w->flying != NULL ? w->flying->at_us : RILL_NEVER;
    for (int i = 0; i < 2; i++) {
        next_us = min_u64(next_us, rill_deadline(w->side[i].e));
        next_us = min_u64(next_us, app_next(w, &w->side[i]));
    }
    CHECK(w, next_us != RILL_NEVER); /* nothing will ever happen again, and it is not over */
    CHECK(w, --w->events_left != 0);
    w->now_us = max_u64(w->now_us, next_us);
    for (int i = 0; i < 2; i++) {
        rill_advance(w->side[i].e, w->now_us);
        drain(w, i);
    }
    while (w->flying != NULL && w->flying->at_us <= w->now_us)
        deliver(w);
    for (int i = 0; i < 2; i++) {
        drain(w, i);
        app(w, i);
    }
}

static void run(uint64_t seed)
{
    struct world world = {.seed = seed, .now_us = 1000000, .events_left = 3000000}, *w = &world;
    struct tcp_opts opts;
    bool clean;
    w->prng = prng_seed(seed);
    draw(w);
    for (int i = 0; i < 2; i++)
        start_side(w, i);
    opts = options_of(w, &w->side[1]);
    assert_int_equal(port_bind(w->side[1].e, &w->side[1].owner, 0, PORT, false, &w->port), 0);
    assert_int_equal(port_listen(w->side[1].e, w->port, 5, &opts), 0);
    opts = options_of(w, &w->side[0]);
    assert_int_equal(tcp_open_active(w->side[0].e, &opts, 0x0a4d0002u, PORT, 0, &w->side[0].c), 0);
    w->side[0].c->owner.sock = &w->side[0].owner;
    drain(w, 0);
    while (!over(w))
        step(w);
    clean = w->loss + w->corrupt + w->duplicate + w->reorder == 0;
    port_close(w->side[1].e, w->port);
    for (int i = 0; i < 2; i++) {
        struct side *s = &w->side[i];
        CHECK(w, s->received == w->side[1 - i].to_send && s->eof);
        /* On a clean link nobody resets, and nothing is sent twice (but probes of a window that a slow reader
         * closed). */
        CHECK(w, !clean || rill_counter(s->e, RILL_RST_OUT) == 0);
        CHECK(w, !clean || rill_counter(s->e, RILL_SEG_RESENT) <= 2 * rill_counter(s->e, RILL_PROBE_SENT));
        CHECK(w, rill_memory(s->e) <= s->empty_bytes + 4096); /* tables that have grown, and no more */
        rill_engine_free(s->e);
        assert_int_equal(s->heap.live_blocks, 0);
    }
}

static void link__any_seed__delivers_every_byte_and_closes(void **state)
{
    const char *one = getenv("RILL_SEED");
    const char *runs = getenv("RILL_RUNS");
    uint64_t count = runs != NULL ? strtoull(runs, NULL, 10) : RUNS;
    (void)state;
    if (one != NULL) {
        run(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= count; seed++)
        run(seed);
    printf("%llu seeds\n", (unsigned long long)count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(link__any_seed__delivers_every_byte_and_closes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
