/* conns.h - where the connections are: three hash tables, the dirty list, the heap of deadlines, the small
 * records.  Rank 6.
 *
 * Invariants: a TCB is in `tcbs` iff its state is not CLOSED; at most one entry of the three tables has a
 * given tuple, but a half-open record may stand in front of one in TIME-WAIT (MAY-2); a heap entry's time is
 * never later than the earliest timer of its TCB (it may be earlier: then it is put back when it fires). */
#ifndef RILL_CONNS_H
#define RILL_CONNS_H

#include "siphash.h"
#include "tcp.h"

struct conn_table {
    struct conn_node **bucket;
    uint32_t buckets; /* a power of two */
    uint32_t count;
};

/* A handshake under way at a listener, RFC 9293's SYN-RECEIVED of a passive open: 64 bytes.  Window and send
 * buffer are not needed before there is a connection. */
struct half_open {
    struct conn_node node;     /* must be first */
    struct list link;          /* on half_queue[resent], or on half_dirty while its SYN,ACK is due */
    struct port *port;         /* the listener */
    rill_time deadline_us;     /* when the SYN,ACK is sent again */
    uint32_t iss32, irs32;     /* ours and the peer's initial number on the wire */
    uint32_t ts_recent;        /* RFC 7323 4.3: TSval of the peer's SYN */
    uint16_t mss;              /* the peer's, 536 if it named none */
    uint8_t wscale_plus_1 : 4; /* the peer's shift + 1, 0 if it named none */
    uint8_t resent : 3;        /* SYN,ACKs sent again */
    bool timed_out : 1;        /* the one that is due is the timer's */
    uint8_t our_wscale : 3;    /* what our SYN,ACK offers: 4 MiB are 7 */
    bool sent_once : 1,
        sent_twice : 1; /* SYN,ACKs that have left, by the timer or for a SYN that came again */
    bool ts_ok : 1, sack_ok : 1, ecn_ok : 1; /* what its SYN and our configuration agree on */
};
_Static_assert(sizeof(struct half_open) <= 64, "a half-open record stays small");

/* What is left of a connection in TIME-WAIT whose socket is closed: 64 bytes. */
struct time_wait {
    struct conn_node node; /* must be first */
    struct list link;      /* on wait_queue, in order of deadline */
    rill_time deadline_us;
    uint32_t snd_nxt32, rcv_nxt32; /* on the wire */
    uint32_t ts_recent;            /* RFC 7323 4.3, RFC 6191; the offset of our clock is the tuple's */
    uint32_t challenge_ms;
    uint16_t wnd_field; /* as last sent */
    uint8_t tos, ttl;
    bool ts_ok;
};
_Static_assert(sizeof(struct time_wait) <= 64, "a TIME-WAIT record stays small");

#define SYNACK_RTO_US (1 * SEC) /* before any sample, RFC 6298 2.1 */
/* At 1, 3, 7, 15, 31 s; the record goes at 63 s.  DEVIATES: MUST-22 and MUST-23, read strictly, want three
 * minutes of a SYN,ACK too; this is Linux' figure, and a SYN of a flood costs a record for a minute and six
 * packets. */
#define SYNACK_RESENDS 5

/* A local port that is bound, and the two queues of a listener.  Made by bind or listen, gone with its
 * socket. */
struct port {
    struct list link; /* on conns.ports */
    void *sock;       /* whose it is */
    struct tcb *ready_head, *ready_tail;
    uint32_t backlog; /* bound of each queue, 0: not listening */
    uint32_t half_count, ready_count;
    uint32_t addr; /* 0.0.0.0 or the stack's own */
    uint16_t number;
    bool reuse;           /* SO_REUSEADDR */
    struct tcp_opts opts; /* what accepted connections start with */
};

struct heap_entry {
    rill_time at_us;
    struct tcb *c;
};

struct conns {
    struct conn_table tcbs, halves, waits;
    struct list dirty; /* of struct tcb */
    struct list ports;
    struct list half_dirty, half_queue[SYNACK_RESENDS + 1];
    struct list wait_queue;
    struct heap_entry *heap;
    uint32_t heap_count, heap_cap;
    struct siphash_key key;
};

/* 0 or -ENOMEM. */
int conns_init(struct conns *conns, struct mem *mem, struct siphash_key key);
/* Frees the tables and the heap; everything in them must be gone. */
void conns_free(struct conns *conns, struct mem *mem);

/* The entry of the table with this tuple, or NULL. */
struct conn_node *table_find(const struct conns *conns, const struct conn_table *table, uint32_t raddr,
                             uint16_t rport, uint16_t lport);
/* Never fails: growing the table is tried, and a table that cannot grow is only slower. */
void table_insert(struct conns *conns, struct mem *mem, struct conn_table *table, struct conn_node *node);
void table_remove(struct conns *conns, struct conn_table *table, struct conn_node *node);

static inline struct tcb *conns_find(const struct conns *conns, uint32_t raddr, uint16_t rport,
                                     uint16_t lport)
{
    return (struct tcb *)table_find(conns, &conns->tcbs, raddr, rport, lport);
}

/* What config.max_conns bounds: connections and records. */
static inline uint32_t conns_count(const struct conns *conns)
{
    return conns->tcbs.count + conns->halves.count + conns->waits.count;
}

/* Whether any entry has this local port: a walk over the table, for bind only. */
bool table_uses_port(const struct conn_table *table, uint16_t lport);

/* Room in the heap for one more TCB: 0 or -ENOMEM.  Called before a TCB is made, so that scheduling cannot
 * fail. */
int conns_reserve(struct conns *conns, struct mem *mem);

/* The connection may have something to send. */
static inline void conns_touch(struct conns *conns, struct tcb *c)
{
    if (list_empty(&c->dirty))
        list_append(&conns->dirty, &c->dirty);
}

/* Call after a timer of c was set; an earlier deadline moves the heap entry, a later one does not. */
void conns_schedule(struct conns *conns, struct tcb *c);
/* Takes c out of the heap. */
void conns_unschedule(struct conns *conns, struct tcb *c);
/* The TCB whose deadline is first and due by now, taken out of the heap; NULL if none is due. */
struct tcb *conns_pop_due(struct conns *conns, rill_time now_us);
/* The earliest deadline of TCBs and records. */
rill_time conns_deadline(const struct conns *conns);

/* The earliest armed timer of c. */
rill_time tcb_deadline(const struct tcb *c);

/* The listening port for a segment to this number, or NULL; and the first port bound to it, listening or not.
 */
struct port *port_listening(const struct conns *conns, uint16_t number);
struct port *port_bound(const struct conns *conns, uint16_t number);

#endif
