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

struct reass_datagram {
    struct ip4 ip;         /* of fragment 0 once it is there, else of the first to come */
    uint8_t *data;         /* 20 bytes of room for a header, then the payload */
    uint32_t cap;          /* bytes allocated at data */
    uint32_t total_len;    /* payload bytes, 0 while unknown */
    struct ranges have;    /* of payload */
    rill_time deadline_us; /* RILL_NEVER: this slot is free */
    bool has_first;        /* fragment 0 was seen */
};

struct reass {
    struct reass_datagram slot[REASS_MAX];
};

void reass_init(struct reass *r);
void reass_free(struct reass *r, struct mem *mem);

/* Takes a fragment (ip->more or ip->frag_off != 0).  RILL_REASSEMBLED: *whole is the datagram, header rebuilt
 * without options, valid until the next call on r; RILL_FRAGMENT_IN: stored, more is needed; else the DROP_
 * event. */
enum rill_event reass_add(struct reass *r, struct mem *mem, const struct rill_packet *in,
                          const struct ip4 *ip, rill_time now_us, struct rill_packet *whole);

/* The next deadline, RILL_NEVER if none. */
rill_time reass_deadline(const struct reass *r);

/* Takes one datagram whose deadline has passed off, or returns false.  If its fragment 0 is there, *quote is
 * what an ICMP Time Exceeded code 1 would quote (RFC 1122 3.3.2), else quote->head.len is 0; valid until the
 * next call on r. */
bool reass_expire(struct reass *r, struct mem *mem, rill_time now_us, struct rill_packet *quote);

#endif
