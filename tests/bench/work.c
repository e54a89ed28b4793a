/* work.c - see work.h.  Instructions are counted by valgrind's callgrind, which is deterministic: the program
 * starts itself under it with --work PATTERN, and counting is on inside of work_measured only. */
#include "work.h"

#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SEGMENTS 2800u
#define MSS 1460u
#define CALLS 1000u
#define STEP_US 20
#define RTT_US 10000u

struct victim {
    struct world w;
    struct rill_engine *e; /* the sender; WORK_BYTES: the receiver */
    struct tcb *c;
    struct prng prng;
    uint32_t calls;
};

void work_measured(struct rill_engine *e, const struct rill_packet *in, rill_time now_us)
{
    struct rill_packet out;
    (void)rill_input(e, in, now_us);
    while (rill_output(e, &out, now_us))
        ;
}

/* The same, not counted. */
static void feed(struct rill_engine *e, const struct rill_packet *in, rill_time now_us)
{
    struct rill_packet out;
    (void)rill_input(e, in, now_us);
    while (rill_output(e, &out, now_us))
        ;
}

/* Two ends in the midst of a transfer with a window of 4 MB; what is on the way stays there. */
static void start(struct victim *v)
{
    struct world_setup setup = {.cc = BENCH_NONE,
                                .buffer_bytes = 4u << 20,
                                .seed = 1,
                                .up = {.delay_us = RTT_US / 2, .limit = 10000},
                                .down = {.delay_us = RTT_US / 2, .limit = 10000},
                                .features_off = 1u << RILL_FEATURE_TIMESTAMPS};
    world_start(&v->w, &setup);
    if (!world_run(&v->w, WORLD_BEGIN + 10 * SEC, 50000000))
        bench_fail("no transfer");
    /* All of a window arrives at one moment; half an RTT later the next one is on its way. */
    (void)world_run(&v->w, v->w.now_us + RTT_US / 2, UINT64_MAX);
    v->e = v->w.flow[0].e;
    v->c = v->w.flow[0].c;
    v->prng = prng_seed(1);
    if (tcp_flight(v->c) < SEGMENTS * MSS)
        bench_fail("too little is in flight");
}

/* A segment from the peer of v->c: an ACK of `ack` with blocks, or text at `pos`. */
static void segment(struct victim *v, uint64_t ack, uint64_t pos, const struct tcp_sack *sack, uint8_t count,
                    bool counted)
{
    static const uint8_t byte = 0;
    const struct tcb *c = v->c;
    uint8_t head[IP4_HEADER_LEN + TCP_HEADER_MAX];
    struct rill_packet in;
    struct tcp_build build = {.laddr = c->node.raddr,
                              .raddr = v->e->config.addr,
                              .lport = c->node.rport,
                              .rport = c->node.lport,
                              .seq32 = (uint32_t)pos,
                              .ack32 = (uint32_t)ack,
                              .wnd16 = (uint16_t)(c->snd.wnd >> c->snd.wscale),
                              .flags = RILL_ACK,
                              .ttl = 64,
                              .sack_count = count};
    for (uint8_t i = 0; i < count; i++)
        build.sack[i] = sack[i];
    if (pos != c->rcv.nxt)
        build.text[0] = (struct rill_slice){&byte, 1};
    (void)tcp_build(&build, head, &in);
    v->w.now_us += STEP_US;
    if (!counted) {
        feed(v->e, &in, v->w.now_us);
        return;
    }
    work_measured(v->e, &in, v->w.now_us);
    v->calls++;
}

static struct tcp_sack block(uint64_t begin, uint32_t len)
{
    return (struct tcp_sack){.left = (uint32_t)begin, .right = (uint32_t)begin + len};
}

/* The even segments of the window in random order, as many as `order` has room for. */
static void shuffle(struct victim *v, uint32_t order[SEGMENTS / 2])
{
    for (uint32_t i = 0; i < SEGMENTS / 2; i++) {
        uint32_t j = (uint32_t)prng_below(&v->prng, i + 1);
        order[i] = order[j];
        order[j] = 2 * i + 1;
    }
}

static void scattered(struct victim *v, bool counted)
{
    uint32_t order[SEGMENTS / 2] = {0};
    uint64_t una = v->c->snd.una;
    struct tcp_sack sack[4];
    shuffle(v, order);
    for (uint32_t i = 0; i < SEGMENTS / 2; i += 4) {
        for (uint32_t k = 0; k < 4; k++)
            sack[k] = block(una + (uint64_t)order[i + k] * MSS, MSS);
        segment(v, una, v->c->rcv.nxt, sack, 4, counted);
    }
}

static void turn(struct victim *v)
{
    uint64_t una = v->c->snd.una;
    struct tcp_sack sack[4];
    for (uint32_t i = 3; i < SEGMENTS / 2; i++) {
        for (uint32_t k = 0; k < 4; k++)
            sack[k] = block(una + (uint64_t)(2 * (i - k) + 1) * MSS, MSS);
        segment(v, una, v->c->rcv.nxt, sack, 4, true);
    }
}

static void tiny(struct victim *v)
{
    uint64_t una = v->c->snd.una;
    struct tcp_sack sack[4];
    for (uint32_t i = 0; i < CALLS; i++) {
        for (uint32_t k = 0; k < 4; k++)
            sack[k] = block(una + 16 * prng_between(&v->prng, 1, SEGMENTS * MSS / 16 - 1), 8);
        segment(v, una, v->c->rcv.nxt, sack, 4, true);
    }
}

/* Four blocks that the full board has. */
static void known(struct victim *v, enum work_pattern pattern)
{
    uint64_t first = v->c->snd.una, una = first;
    struct tcp_sack sack[4];
    scattered(v, false);
    for (uint32_t i = 0; i < CALLS; i++) {
        for (uint32_t k = 0; k < 4; k++)
            sack[k] = block(first + (2 * prng_between(&v->prng, CALLS / 2, SEGMENTS / 2 - 1) + 1) * MSS, MSS);
        if (pattern == WORK_DSACK)
            sack[0] = block(una - (1 + i % 100) * MSS, MSS);
        if (pattern == WORK_ADVANCE)
            una += MSS;
        segment(v, una, v->c->rcv.nxt, sack, 4, true);
    }
}

static void bytes(struct victim *v)
{
    v->e = v->w.sink;
    v->c = v->w.flow[0].peer;
    uint64_t nxt = v->c->rcv.nxt;
    for (uint32_t i = 0; i < 2 * CALLS; i++)
        segment(v, v->c->snd.una, nxt + 2 * prng_between(&v->prng, 1, 4000), NULL, 0, true);
}

/* What is on the way arrives. */
static void clean(struct victim *v)
{
    struct rill_packet in;
    while (v->calls < CALLS && link_pop(&v->w.up, v->w.now_us + SEC, &in)) {
        work_measured(v->w.sink, &in, v->w.now_us);
        v->calls++;
    }
}

unsigned int work_run(enum work_pattern pattern)
{
    static struct victim v;
    start(&v);
    switch (pattern) {
    case WORK_CLEAN:
        clean(&v);
        break;
    case WORK_TURN:
        turn(&v);
        break;
    case WORK_SCATTERED:
        scattered(&v, true);
        break;
    case WORK_TINY:
        tiny(&v);
        break;
    case WORK_KNOWN:
    case WORK_ADVANCE:
    case WORK_DSACK:
        known(&v, pattern);
        break;
    case WORK_BYTES:
        bytes(&v);
        break;
    case WORK_PATTERNS:
        break;
    }
    world_stop(&v.w);
    return v.calls;
}

/* Instructions for a segment, by callgrind's last words; 0: it did not run. */
static double instructions(enum work_pattern pattern)
{
    char self[512], command[1024], line[256];
    unsigned long long collected = 0;
    unsigned int calls = 0;
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len <= 0)
        return 0;
    self[len] = 0;
    (void)snprintf(command, sizeof command,
                   "valgrind --tool=callgrind --toggle-collect=work_measured --callgrind-out-file=/dev/null "
                   "'%s' --work %u 2>&1",
                   self, (unsigned int)pattern);
    FILE *pipe = popen(command, "r");
    if (pipe == NULL)
        return 0;
    while (fgets(line, sizeof line, pipe) != NULL) {
        const char *at = strstr(line, "Collected :");
        if (at != NULL)
            collected = strtoull(at + 11, NULL, 10);
        if (strncmp(line, "segments ", 9) == 0)
            calls = (unsigned int)strtoul(line + 9, NULL, 10);
    }
    if (pclose(pipe) != 0 || calls == 0)
        return 0;
    return (double)collected / calls;
}

double work_ratio(const struct probe *probe)
{
    static double median; /* counted once */
    double worst = instructions((enum work_pattern)probe->variant[0]);
    if (median <= 0)
        median = instructions(WORK_CLEAN);
    fprintf(stderr, "bench-recovery: %.0f instructions for a segment of pattern %d, %.0f for a clean one\n",
            worst, probe->variant[0], median);
    return median > 0 && worst > 0 ? worst / median : PROBE_SKIPPED;
}
