/* engine.h - what an engine consists of, and the little helpers that everything above the tables uses.
 * Rank 7. */
#ifndef RILL_ENGINE_INSIDE_H
#define RILL_ENGINE_INSIDE_H

#include "conns.h"
#include "reass.h"

/* A token bucket.  Rates are per second; the burst is what it holds at most.  It counts what is missing, so
 * that one of zeroes is full. */
struct bucket {
    rill_time filled_us; /* when `spent` was right */
    uint32_t spent;      /* tokens taken and not yet refilled */
};
bool bucket_take(struct bucket *bucket, rill_time now_us, uint32_t per_second, uint32_t burst);

/* The one datagram that answers without a connection: a RST, a challenge from a record, an ICMP message.  It
 * is cut into fragments when it leaves. */
struct reply {
    uint8_t *data; /* room for an IP header, then the payload; NULL: none */
    uint32_t len;  /* of the payload */
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
    struct bucket rst, icmp;
    rill_time challenge_since_us; /* begin of the second in which challenge ACKs are counted */
    uint32_t challenge_left;      /* how many more it may have; see engine_may_challenge */
    bool drain;                   /* output has to leave before the next packet is taken in */
    uint8_t head[IP4_HEADER_LEN + TCP_HEADER_MAX]; /* of the packet that rill_output handed out last */
    uint64_t counter[RILL_EVENT_COUNT];
};

/* Counts only: for traffic, and where there is nothing to tell about. */
static inline void engine_count(struct rill_engine *e, enum rill_event event) { e->counter[event]++; }
/* Counts and traces an event; the segment or connection may be NULL. */
void engine_event(struct rill_engine *e, enum rill_event event, const struct tcb *c,
                  const struct tcp_segment *seg);
/* SEGMENT_IN or SEGMENT_OUT.  c is NULL when it is not known; of seg the fields as on the wire are used. */
void engine_trace_segment_in(struct rill_engine *e, const struct tcb *c, const struct tcp_segment *seg);
/* Why a segment leaves: the reason and its number and time. */
struct tcp_why {
    enum rill_why why;
    uint32_t count, us;
};
/* SEGMENT_OUT for what is built. */
void engine_trace_out(struct rill_engine *e, const struct tcb *c, const struct tcp_build *build,
                      uint32_t text_len, bool resent, struct tcp_why why);
/* A connection's numbers as they are now. */
struct rill_numbers engine_numbers(const struct rill_engine *e, const struct tcb *c);
/* STATE of a connection or of a record. */
void engine_trace_state(struct rill_engine *e, const struct conn_node *node, enum rill_tcp_state from,
                        enum rill_tcp_state to);
/* NUMBERS of a connection that something has happened to. */
void engine_trace_numbers(struct rill_engine *e, const struct tcb *c);
void engine_trace_timer(struct rill_engine *e, const struct tcb *c, enum rill_trace_kind kind,
                        enum tcp_timer timer);

/* Whether a challenge ACK may be sent now (RFC 5961 7): every connection and record at most one in 500 ms,
 * and all together about a thousand in a second.  Refusing counts CHALLENGE_LIMITED. */
bool tcp_may_challenge(struct rill_engine *e, struct tcb *c);
bool wait_may_challenge(struct rill_engine *e, struct time_wait *tw);
/* The second half only, for half-open records. */
bool engine_may_challenge(struct rill_engine *e);

/* 64 bits that are hard to guess from outside (SipHash in counter mode). */
uint64_t engine_random(struct rill_engine *e);

static inline bool engine_breaks(const struct rill_engine *e, enum rill_break rule)
{
    return (e->config.broken & 1u << rule) != 0;
}

static inline bool engine_has(const struct rill_engine *e, enum rill_feature feature)
{
    return (e->config.features & 1u << feature) != 0;
}

static inline struct ip4_net engine_net(const struct rill_engine *e)
{
    return (struct ip4_net){e->config.addr, e->config.prefix_len};
}

#endif
