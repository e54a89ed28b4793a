/* sacking.h - for tests of a sender that hears SACK blocks: segments as in sending.h, and a round trip of
 * 100 ms that the handshake has measured, so that SRTT = min_RTT = 100 ms and RTO = 300 ms (RFC 6298 2.2);
 * and a peer that answers by itself. */
#ifndef SACKING_H
#define SACKING_H

#include "rig.h"
#include "sending.h"

#define RTT (100 * MS)
#define SYN_SACK "<mss 1460,nop,nop,sackOK,nop,wscale 7>"
#define SACKING (1u << RILL_FEATURE_SACK | 1u << RILL_FEATURE_DSACK | 1u << RILL_FEATURE_RACK)

static inline void with_rack(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->features |= SACKING;
}

static inline void with_tlp(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->features |= SACKING | 1u << RILL_FEATURE_TLP;
}

/* ESTABLISHED by an active open with that round trip. */
static inline struct rig *sacking_after(const struct rig_setup *given, rill_time rtt_us)
{
    struct rig_setup setup = *given;
    struct rig *t;
    setup.peer_opts = setup.peer_opts == NULL ? SYN_SACK : setup.peer_opts;
    t = rig_syn_sent(&setup);
    advance(t, rtt_us);
    in(t, "S. 0:0(0) ack 1 %s", setup.peer_opts);
    out(t, ". 1:1(0) ack 1%s", setup.seg_opts != NULL ? " <*>" : "");
    mark(t);
    return t;
}

static inline struct rig *racking(void) { return sacking_after(&(struct rig_setup){.edit = with_rack}, RTT); }

static inline struct rig *probing(void) { return sacking_after(&(struct rig_setup){.edit = with_tlp}, RTT); }

/* The application writes segments [first, first + n) and no more: they leave now, the last one with PSH. */
#define write_segments(t, first, n) segments_written(RIG_AT(t), first, n)
static inline void segments_written(struct rig *t, unsigned int first, unsigned int n)
{
    rig_write(t, n * SMSS);
    segments_left(t, first, n - 1);
    rig_out(t, "P. %u:%u(%u) ack 1", start_of(first + n - 1), start_of(first + n), SMSS);
}

/* Asks for segment k and holds the segments [a, b). */
#define sack(t, k, a, b) in(t, ". 1:1(0) ack %u <nop,nop,sack %u:%u>", start_of(k), start_of(a), start_of(b))
/* And before those [c, d): the block that is named first is the newest (RFC 2018 4). */
#define sack2(t, k, a, b, c, d)                                                                              \
    in(t, ". 1:1(0) ack %u <nop,nop,sack %u:%u %u:%u>", start_of(k), start_of(a), start_of(b), start_of(c),  \
       start_of(d))

/* What is thought lost and was not sent again yet, in segments. */
#define expect_lost(t, n) lost_is(RIG_AT(t), (n)*SMSS)
static inline void lost_is(struct rig *t, uint32_t bytes)
{
    uint32_t got = t->peer[0].c->fl->sb.lost.bytes;
    if (got != bytes)
        rig_fail(t, "expected %u bytes marked lost, got %u", bytes, got);
}

/* A peer behind a path of 100 ms, whose ACKs take no time: which of the first 32 segments it holds, and what
 * is on its way to it. */
struct path {
    bool holds[33];
    unsigned int coming[64], n;
    rill_time due_us[64];
    uint32_t loses;        /* bits: of these segments the first copy does not arrive */
    unsigned int left[33]; /* how often each has left */
    void (*look)(struct rig *t, const struct path *p); /* after each event, if not NULL */
};

static inline void path_sends(struct rig *t, struct path *p, unsigned int k)
{
    if (p->n == 64 || k >= 32)
        rig_fail(t, "too much for this path");
    p->due_us[p->n] = t->now_us + RTT;
    p->coming[p->n++] = k;
}

/* Takes what has left; of segments whose number is a bit of `lost` nothing arrives. */
static inline void path_takes(struct rig *t, struct path *p, uint32_t lost)
{
    while (t->queued != 0) {
        unsigned int k = (take(t)->seq - t->peer[0].iss - 1) / SMSS;
        p->left[k]++;
        if (((lost | p->loses) >> k & 1) == 0)
            path_sends(t, p, k);
        p->loses &= ~(1u << k);
    }
}

/* The oldest one arrives, and is acknowledged: RFC 2018 4, with the newest block. */
static inline void path_delivers(struct rig *t, struct path *p)
{
    unsigned int k = p->coming[0], first = 0, begin = k, end = k;
    p->n--;
    memmove(p->coming, p->coming + 1, p->n * sizeof *p->coming);
    memmove(p->due_us, p->due_us + 1, p->n * sizeof *p->due_us);
    p->holds[k] = true;
    while (p->holds[first])
        first++;
    while (begin > 0 && p->holds[begin - 1])
        begin--;
    while (p->holds[end])
        end++;
    if (k > first)
        sack(t, first, begin, end);
    else
        ack(t, first);
    path_takes(t, p, 0);
    if (p->look != NULL)
        p->look(t, p);
}

/* Time passes, timers fire, segments arrive. */
static inline void path_runs(struct rig *t, struct path *p, rill_time us)
{
    rill_time end = t->now_us + us;
    for (unsigned int steps = 0; t->now_us < end; steps++) {
        rill_time next = rill_deadline(t->e) < end ? rill_deadline(t->e) : end;
        if (steps == 10000)
            rig_fail(t, "it does not end");
        if (p->n != 0 && p->due_us[0] <= next) {
            next = p->due_us[0];
            t->now_us = next;
            path_delivers(t, p);
            continue;
        }
        t->now_us = next;
        rill_advance(t->e, next);
        rig_drain(t);
        path_takes(t, p, 0);
        if (p->look != NULL)
            p->look(t, p);
    }
}

#endif
