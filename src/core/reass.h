/* reass.h - reassembly of fragmented datagrams.  RFC 791 3.2, RFC 1122 3.3.2, RFC 815's idea with our ranges.
 * Rank 4.
 *
 * Bounded in datagrams, bytes and time: at most REASS_MAX datagrams are held, the oldest makes room; a
 * datagram waits for 60 s from its first fragment (RFC 1122: 60 to 120 s).  Fragments that overlap with other
 * content kill their datagram (RFC 5722's rule), an exact duplicate is ignored. */
#ifndef RILL_REASS_H
#define RILL_REASS_H

#include "ip4.h"
#include "ranges.h"

#define REASS_MAX 16
#define REASS_BYTES_MAX (256u * 1024u)
#define REASS_TIMEOUT_US (60 * SEC)

/* In front of the payload is room for the longest header. */
#define REASS_HEADER_ROOM 60u

struct reass_datagram {
    struct ip4 ip; /* of fragment 0 once it is there, else of the first to come */
    uint8_t *data; /* REASS_HEADER_ROOM, at its end the header of fragment 0 as it came, then the payload */
    uint32_t cap;  /* bytes allocated at data */
    uint32_t total_len;    /* payload bytes, 0 while unknown */
    struct ranges have;    /* of payload */
    rill_time deadline_us; /* RILL_NEVER: this slot is free */
    uint64_t born;         /* how many datagrams were begun before this one: its age */
    bool has_first;        /* fragment 0 was seen */
};

struct reass {
    struct reass_datagram slot[REASS_MAX];
    uint64_t begun;    /* datagrams so far */
    uint64_t evicted;  /* datagrams that made room for others; for the caller to count and set back to 0 */
    uint8_t *lent;     /* what the last call handed out */
    uint32_t lent_cap; /* and its size */
};

void reass_init(struct reass *r);
void reass_free(struct reass *r, struct mem *mem);

/* Takes a fragment (ip->more or ip->frag_off != 0) that ip4_parse has accepted.  RILL_REASSEMBLED: *whole is
 * the datagram, header rebuilt without options, valid until the next call on r but reass_deadline;
 * RILL_FRAGMENT_IN: stored, more is needed, or seen before; else the DROP_ event.  A fragment that is dropped
 * takes its datagram with it, because IP sends nothing again. */
enum rill_event reass_add(struct reass *r, struct mem *mem, const struct rill_packet *in,
                          const struct ip4 *ip, rill_time now_us, struct rill_packet *whole);

/* The next deadline, RILL_NEVER if none. */
rill_time reass_deadline(const struct reass *r);

/* Takes one datagram whose deadline has passed off, or returns false.  If its fragment 0 is there, *quote is
 * that fragment as it came, for an ICMP Time Exceeded code 1 to quote (RFC 1122 3.3.2), else quote->head.len
 * is 0; valid until the next call on r but reass_deadline. */
bool reass_expire(struct reass *r, struct mem *mem, rill_time now_us, struct rill_packet *quote);

/* Gives back the memory behind what was handed out last.  The next call does it anyway; this is for who wants
 * it sooner. */
void reass_release(struct reass *r, struct mem *mem);

#endif
