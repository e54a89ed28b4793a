/* link.h - emulation of a bad link: packets and time in, packets and a deadline out.  Rank 5.
 *
 * One struct link is one direction.  What each setting means is netem's (tc-netem(8)), but:
 *
 * - A correlation of c repeats the last decision with probability c and decides afresh otherwise.  netem
 * mixes two random numbers, which makes small probabilities smaller than what was asked for.
 * - A packet that is lost is not duplicated; each copy is corrupted, delayed and reordered by itself.
 * - A flipped bit lies in what the IP header carries, so that a transport checksum sees it.
 * - `limit` counts what is not due yet, so that a fate does not depend on when packets are collected.
 *
 * Random decisions are a function of the seed, the number of the packet and the kind of decision: adding a
 * clause does not change what the others do, nor does time.  There is no floating point: the same seed gives
 * the same fates on all machines.  Packets, and of them SYNs and data segments, are numbered from 1 among
 * those that the filter selects, while there is anything to emulate. */
#ifndef RILL_LINK_H
#define RILL_LINK_H

#include "mem.h"
#include "packet.h"

/* ---- Settings: link_parse.h makes them from text ----------------------------------------------- */

#define LINK_ONE 100000000u    /* the probability 1, and so 1 % is 1000000 */
#define LINK_RANGES 16u        /* in one list */
#define LINK_LIMIT 1000u       /* packets, unless said otherwise; netem's */
#define LINK_LIMIT_MAX 100000u /* what `limit` may be */
#define LINK_DELAY_MAX (1000 * SEC)
#define LINK_RATE_MIN 1000u /* bit/s: with LINK_LIMIT_MAX this keeps times in nanoseconds within 64 bits */
#define LINK_BYTES_MAX (64u << 20) /* held at once, bookkeeping included */

/* Numbers, as ranges that include both ends. */
struct link_list {
    uint32_t count;
    struct link_range {
        uint32_t low, high; /* high UINT32_MAX: no end */
    } at[LINK_RANGES];
};

struct link_chance {
    uint32_t p, corr; /* parts of LINK_ONE */
};

/* All zero: nothing to emulate. */
struct link_config {
    struct link_chance loss, duplicate, corrupt, reorder;
    uint32_t reorder_gap; /* 0 counts as 1: each packet may overtake */
    struct {              /* Gilbert-Elliott: good to bad, bad to good, loss in bad, loss in good */
        bool on;
        uint32_t p, r, loss_bad, loss_good;
    } ge;
    uint32_t delay_us, jitter_us, delay_corr;
    bool normal;       /* distribution of the jitter, which then is the standard deviation; else uniform */
    uint64_t rate_bps; /* 0: infinite */
    uint32_t limit;    /* 0: LINK_LIMIT */
    uint64_t seed;
    struct link_list drop, drop_syn,
        drop_data;       /* a data segment is one with text, a retransmission like others */
    uint32_t drop_every; /* n: packets n, 2n, 3n, …; 0: none */
    uint64_t blackout_from_us, blackout_to_us; /* since link_init: lost if from <= time < to */
    struct link_list port, except_port;        /* TCP ports, source or destination; port empty: all packets */
    uint16_t
        exempt_port; /* one more exception, unless `port` names it: the caller's default; not in the text */
};

bool link_list_has(const struct link_list *list, uint64_t number);

/* Whether there is nothing to emulate; seed, limit and the filter alone do nothing. */
bool link_config_none(const struct link_config *config);

/* ---- Fates ------------------------------------------------------------------------------------- */

#define LINK_VERDICTS(X)                                                                                     \
    X(PASSED, "passed by: not emulated")                                                                     \
    X(QUEUED, "sent over the link")                                                                          \
    X(LISTED, "dropped: on the list of packets to drop")                                                     \
    X(BLACKOUT, "dropped: blackout")                                                                         \
    X(LOST, "dropped: random loss")                                                                          \
    X(LIMITED, "dropped: the link's queue is full")                                                          \
    X(NO_MEMORY, "dropped: no memory for the link's queue")

#define LINK_VERDICT_ENUM(name, text) LINK_##name,
enum link_verdict { LINK_VERDICTS(LINK_VERDICT_ENUM) LINK_VERDICT_COUNT };
#undef LINK_VERDICT_ENUM

const char *link_verdict_text(enum link_verdict verdict);

struct link_fate {
    enum link_verdict verdict;
    bool corrupted, reordered; /* of a packet that was QUEUED */
    bool duplicated;           /* link_push: a copy was queued too; link_popped: this is the copy */
    uint32_t flipped_bit;      /* of the packet, if corrupted: bit 0 of a byte is its lowest */
};

struct link_stats {
    uint64_t packets, syns, data; /* seen: the last number that was given */
    uint64_t verdict[LINK_VERDICT_COUNT];
    uint64_t corrupted, reordered, duplicated; /* copies are counted in each */
};

/* ---- One direction ----------------------------------------------------------------------------- */

struct link_packet;

struct link {
    struct mem *mem;
    struct link_config config;
    struct link_stats stats; /* for others to read */
    rill_time start_us;
    uint32_t stream;
    uint64_t key;               /* of the random numbers */
    bool active;                /* the settings ask for something */
    bool bad;                   /* the state of the Gilbert-Elliott model */
    uint32_t since_gap;         /* packets delayed since one was let overtake */
    uint64_t last_out_ns;       /* latest due time of those that were not let overtake, since start */
    uint64_t rate_rest;         /* what is beyond a whole nanosecond of it, in 1/rate_bps ns */
    uint32_t last[5];           /* of each correlated decision, its last random number */
    struct list ready, waiting; /* due, and not yet, as of the last call: each in order of time */
    uint32_t waiting_count;
    uint64_t held_bytes;
    struct link_packet *popped;
};

/* `stream` keeps the two directions apart that have the same seed. */
void link_init(struct link *link, struct mem *mem, uint32_t stream, rill_time now_us);

/* Other settings.  What is queued keeps its time, and numbers go on. */
void link_set(struct link *link, const struct link_config *config);

/* Frees what is queued; the link may be used on. */
void link_free(struct link *link);

/* No settings and nothing queued: the caller may leave the link out of the way. */
bool link_idle(const struct link *link);

/* Whether the settings concern this packet, super-segment or not.  If not, link_push would answer PASSED. */
bool link_selects(const struct link *link, const struct rill_packet *in);

/* One packet in; it is copied.  PASSED: nothing was done, the caller sends it on himself.  A super-segment
 * that the link selects has to be split before (link_split). */
struct link_fate link_push(struct link *link, const struct rill_packet *in, rill_time now_us);

/* The next packet that is due, or false.  It is valid until the next call on the link. */
bool link_pop(struct link *link, rill_time now_us, struct rill_packet *out);

/* What was done to the packet that the last link_pop handed out. */
struct link_fate link_popped(const struct link *link);

/* When link_pop has something next, RILL_NEVER if nothing is queued. */
rill_time link_deadline(const struct link *link);

/* ---- Super-segments ---------------------------------------------------------------------------- */

/* Writes segment number `index` of a super-segment, counted from 0, as a datagram of its own with its
 * checksums finished, and returns its length; 0 when there is no such segment or it does not fit.  A packet
 * that is no super-segment, or none that can be taken apart, is its own and only segment. */
uint32_t link_split(const struct rill_packet *in, uint32_t index, uint8_t *out, uint32_t cap);

#endif
