/* engine.h - what an engine consists of, and the little helpers that everything above the tables uses.
 * Rank 7. */
#ifndef RILL_ENGINE_INSIDE_H
#define RILL_ENGINE_INSIDE_H

#include "conns.h"
#include "reass.h"

/* A token bucket.  Rates are per second; the burst is what it holds at most. */
struct bucket {
    rill_time filled_us;
    uint32_t tokens;
};
bool bucket_take(struct bucket *bucket, rill_time now_us, uint32_t per_second, uint32_t burst);

/* The one datagram that answers without a connection: a RST, a challenge from a record, an ICMP message.  It
 * is cut into fragments when it leaves. */
struct reply {
    uint8_t *data; /* payload, NULL: none */
    uint32_t len;
    uint32_t sent; /* payload bytes that have left */
    struct ip4 ip;
    bool done; /* all has left; the memory goes with the next call on the engine */
};

struct rill_engine {
    struct rill_config config;
    struct mem mem;
    rill_time now_us;
    struct conns conns;
    struct reass reass;
    struct reply reply;
    struct siphash_key isn_key, port_key, id_key;
    uint64_t random;       /* state of the little generator behind engine_random */
    uint16_t port_counter; /* RFC 6056 algorithm 3 */
    uint16_t frag_id[64];  /* RFC 6864: per destination, see reply.c */
    struct bucket challenge, rst, icmp;
    uint32_t
        challenge_burst; /* randomised once a second: RFC 5961 7 without the side channel CVE-2016-5696 */
    bool drain;          /* output has to leave before the next packet is taken in */
    uint8_t head[IP4_HEADER_LEN + TCP_HEADER_MAX]; /* of the packet that rill_output handed out last */
    uint64_t counter[RILL_EVENT_COUNT];
};

/* Counts and traces an event; the segment or connection may be NULL. */
void engine_count(struct rill_engine *e, enum rill_event event);
void engine_event(struct rill_engine *e, enum rill_event event, const struct tcb *c,
                  const struct tcp_segment *seg);
void engine_trace_segment(struct rill_engine *e, enum rill_trace_kind kind, const struct tcb *c,
                          const struct tcp_segment *seg, bool resent);

/* 64 bits that are hard to guess from outside (SipHash in counter mode). */
uint64_t engine_random(struct rill_engine *e);

static inline struct ip4_net engine_net(const struct rill_engine *e)
{
    return (struct ip4_net){e->config.addr, e->config.prefix_len};
}

#endif
