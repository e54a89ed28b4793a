/* reass.c - reassembly of fragmented datagrams.  RFC 791 3.2, RFC 1122 3.3.2, RFC 5722's rule for overlaps.
 *
 * Owns these invariants, for each slot in use:
 *   - have lies in [0, total_len) if that is known, and a payload byte that is not in have is never read;
 *   - the slots together hold at most REASS_BYTES_MAX, buffers and intervals, even while one of them grows;
 *   - a slot past its deadline takes nothing any more: it waits for reass_expire, or for its eviction.
 * It keeps no time of its own and sends nothing; its caller counts, and answers an expiry with ICMP. */
#include "reass.h"

#include <errno.h>

#define PAYLOAD_MAX (65535u - IP4_HEADER_LEN) /* the header of the whole is rebuilt without options */
#define RANGES_BYTES_MAX (RANGES_MAX * (uint32_t)sizeof(struct range))

/* One datagram alone always fits, with its old and its new buffer and intervals side by side. */
_Static_assert(2 * (REASS_HEADER_ROOM + PAYLOAD_MAX) + 2 * RANGES_BYTES_MAX <= REASS_BYTES_MAX,
               "grow would have to evict the datagram that it makes room for");

static bool is_free(const struct reass_datagram *d) { return d->deadline_us == RILL_NEVER; }

/* Takes the datagram off; its buffer stays valid until reass_release. */
static void lend(struct reass *r, struct mem *mem, struct reass_datagram *d)
{
    ASSERT(!r->lent);
    r->lent = d->data;
    r->lent_cap = d->cap;
    ranges_clear(&d->have, mem);
    *d = (struct reass_datagram){.deadline_us = RILL_NEVER};
}

static void forget(struct mem *mem, struct reass_datagram *d)
{
    mem_free(mem, d->data, d->cap);
    ranges_clear(&d->have, mem);
    *d = (struct reass_datagram){.deadline_us = RILL_NEVER};
}

void reass_init(struct reass *r)
{
    *r = (struct reass){0};
    for (int i = 0; i < REASS_MAX; i++)
        r->slot[i].deadline_us = RILL_NEVER;
}

void reass_release(struct reass *r, struct mem *mem)
{
    mem_free(mem, r->lent, r->lent_cap);
    r->lent = NULL;
    r->lent_cap = 0;
}

void reass_free(struct reass *r, struct mem *mem)
{
    reass_release(r, mem);
    for (int i = 0; i < REASS_MAX; i++)
        forget(mem, &r->slot[i]);
}

/* The oldest datagram other than `but`, or NULL. */
static struct reass_datagram *oldest(struct reass *r, const struct reass_datagram *but)
{
    struct reass_datagram *found = NULL;
    for (int i = 0; i < REASS_MAX; i++) {
        struct reass_datagram *d = &r->slot[i];
        if (d != but && !is_free(d) && (!found || d->born < found->born))
            found = d;
    }
    return found;
}

/* Makes room at the cost of the oldest datagram; returns its slot. */
static struct reass_datagram *evict_oldest(struct reass *r, struct mem *mem, const struct reass_datagram *but)
{
    struct reass_datagram *d = oldest(r, but);
    ASSERT(d);
    forget(mem, d);
    r->evicted++;
    return d;
}

/* RFC 791 3.2: the fragments of a datagram share source, destination, protocol and identification. */
static struct reass_datagram *find(struct reass *r, const struct ip4 *ip, rill_time now_us)
{
    for (int i = 0; i < REASS_MAX; i++) {
        struct reass_datagram *d = &r->slot[i];
        if (!is_free(d) && now_us < d->deadline_us && d->ip.id == ip->id && d->ip.src == ip->src &&
            d->ip.dst == ip->dst && d->ip.proto == ip->proto)
            return d;
    }
    return NULL;
}

static struct reass_datagram *begin(struct reass *r, struct mem *mem, const struct ip4 *ip, rill_time now_us)
{
    int i = 0;
    while (i < REASS_MAX && !is_free(&r->slot[i]))
        i++;
    struct reass_datagram *d = i < REASS_MAX ? &r->slot[i] : evict_oldest(r, mem, NULL);
    *d = (struct reass_datagram){
        .ip = *ip,
        .deadline_us = now_us + REASS_TIMEOUT_US,
        .born = r->begun++,
    };
    return d;
}

/* Whether the payload [off, end) of a fragment is impossible, by itself or with what is known about d, which
 * may be NULL.  A fragment with more behind it ends before the datagram does, and the last one ends where the
 * datagram does. */
static bool is_bad(const struct reass_datagram *d, const struct ip4 *ip, uint32_t end)
{
    uint32_t off = ip->frag_off;
    if (end == off || end > PAYLOAD_MAX || (ip->more && end % 8 != 0))
        return true;
    if (!d)
        return false;
    if (d->total_len)
        return ip->more ? end >= d->total_len : end != d->total_len;
    return !ip->more && d->have.count != 0 && d->have.v[d->have.count - 1].end >= end;
}

/* Whether the payload [off, end) of the packet is what d holds there. */
static bool is_same(const struct reass_datagram *d, const struct rill_packet *in, const struct ip4 *ip)
{
    struct rill_slice part[3];
    const uint8_t *held = d->data + REASS_HEADER_ROOM + ip->frag_off;
    packet_slices(in, ip->header_len, (uint32_t)ip->total_len - ip->header_len, part);
    for (int i = 0; i < 3; i++) {
        if (part[i].len != 0 && memcmp(held, part[i].data, part[i].len) != 0)
            return false;
        held += part[i].len;
    }
    return true;
}

static uint32_t held_bytes(const struct reass *r)
{
    uint32_t sum = 0;
    for (int i = 0; i < REASS_MAX; i++)
        sum += r->slot[i].cap + r->slot[i].have.cap * (uint32_t)sizeof(struct range);
    return sum;
}

/* Makes sure that payload up to `end` fits in d's buffer.  The buffer grows geometrically, so that many small
 * fragments cost no more than their bytes, but not beyond the datagram's end. */
static bool grow(struct reass *r, struct mem *mem, struct reass_datagram *d, uint32_t end)
{
    uint32_t room = REASS_HEADER_ROOM + end,
             most = REASS_HEADER_ROOM + (d->total_len ? d->total_len : PAYLOAD_MAX);
    uint32_t cap = room <= d->cap ? 0 : max_u32(room, min_u32(2 * d->cap, most));
    /* The intervals may double as well. */
    uint32_t for_ranges = min_u32(2u * d->have.cap + 8, RANGES_MAX) * (uint32_t)sizeof(struct range);
    while (held_bytes(r) + cap + for_ranges > REASS_BYTES_MAX)
        evict_oldest(r, mem, d);
    if (cap == 0)
        return true;
    uint8_t *data = mem_alloc_raw(mem, cap);
    if (!data)
        return false;
    if (d->data)
        memcpy(data, d->data, d->cap);
    mem_free(mem, d->data, d->cap);
    d->data = data;
    d->cap = cap;
    return true;
}

/* Puts a fragment that is new and possible into d.  FRAGMENT_IN, or why not. */
static enum rill_event store(struct reass *r, struct mem *mem, struct reass_datagram *d,
                             const struct rill_packet *in, const struct ip4 *ip)
{
    uint32_t len = (uint32_t)ip->total_len - ip->header_len;
    uint32_t off = ip->frag_off, end = off + len;
    if (!ip->more)
        d->total_len = end;
    if (!grow(r, mem, d, end))
        return RILL_DROP_MEMORY;
    int error = ranges_add(&d->have, mem, off, end);
    if (error)
        return error == -ENOMEM ? RILL_DROP_MEMORY : RILL_DROP_FRAGMENT_LIMIT;
    packet_read(in, ip->header_len, d->data + REASS_HEADER_ROOM + off, len);
    if (off == 0) {
        packet_read(in, 0, d->data + REASS_HEADER_ROOM - ip->header_len, ip->header_len);
        d->ip = *ip;
        d->has_first = true;
    }
    return RILL_FRAGMENT_IN;
}

/* RFC 1122 3.3.2: type of service and the rest come from fragment 0. */
static void finish(struct reass *r, struct mem *mem, struct reass_datagram *d, struct rill_packet *whole)
{
    ASSERT(d->has_first);
    struct ip4 ip = d->ip;
    ip.total_len = (uint16_t)(IP4_HEADER_LEN + d->total_len);
    ip.frag_off = 0;
    ip.more = false;
    uint8_t *head = d->data + REASS_HEADER_ROOM - IP4_HEADER_LEN;
    ip4_build(head, &ip);
    *whole = (struct rill_packet){.head = {head, ip.total_len}, .csum = RILL_CSUM_VERIFY};
    lend(r, mem, d);
}

enum rill_event reass_add(struct reass *r, struct mem *mem, const struct rill_packet *in,
                          const struct ip4 *ip, rill_time now_us, struct rill_packet *whole)
{
    ASSERT(ip->more || ip->frag_off != 0);
    ASSERT(now_us < RILL_NEVER - REASS_TIMEOUT_US);
    uint32_t off = ip->frag_off, end = off + ip->total_len - ip->header_len;
    reass_release(r, mem);
    struct reass_datagram *d = find(r, ip, now_us);
    enum rill_event event;
    if (is_bad(d, ip, end)) {
        event = RILL_DROP_FRAGMENT_BAD;
    } else if (d && ranges_touch(&d->have, off, end)) {
        /* RFC 5722 4 for IPv6, and as good for IPv4: honest fragments overlap only if one of them came twice.
         */
        if (ranges_cover(&d->have, off, end) && is_same(d, in, ip))
            return RILL_FRAGMENT_IN;
        event = RILL_DROP_FRAGMENT_OVERLAP;
    } else {
        if (!d)
            d = begin(r, mem, ip, now_us);
        event = store(r, mem, d, in, ip);
        if (event == RILL_FRAGMENT_IN && d->total_len != 0 && d->have.bytes == d->total_len) {
            finish(r, mem, d, whole);
            return RILL_REASSEMBLED;
        }
    }
    if (event != RILL_FRAGMENT_IN && d)
        forget(mem, d);
    return event;
}

rill_time reass_deadline(const struct reass *r)
{
    rill_time deadline_us = RILL_NEVER;
    for (int i = 0; i < REASS_MAX; i++)
        deadline_us = min_u64(deadline_us, r->slot[i].deadline_us);
    return deadline_us;
}

bool reass_expire(struct reass *r, struct mem *mem, rill_time now_us, struct rill_packet *quote)
{
    reass_release(r, mem);
    /* Every datagram waits equally long, so that the oldest is the first to expire. */
    struct reass_datagram *d = oldest(r, NULL);
    if (!d || now_us < d->deadline_us)
        return false;
    *quote = (struct rill_packet){.csum = RILL_CSUM_VERIFY};
    if (d->has_first)
        quote->head = (struct rill_slice){d->data + REASS_HEADER_ROOM - d->ip.header_len, d->ip.total_len};
    lend(r, mem, d);
    return true;
}
