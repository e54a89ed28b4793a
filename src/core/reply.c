/* reply.c - see reply.h.  RFC 791 3.2, RFC 1122 3.2.1.5, RFC 6864.
 *
 * Owns: reply.data is NULL or a block of IP4_HEADER_LEN + reply.len bytes, and reply.sent <= reply.len.  The
 * payload is behind the room for a header; the header of each fragment is written in front of its part, over
 * what has left already, so that each packet is one piece.  It decides how a datagram is cut and identified,
 * not whether it may be sent: that is its callers' business. */
#include "reply.h"

/* RFC 6864 4.3: the identification of a datagram that is fragmented must not come again for a while for the
 * same source, destination and protocol; and it must tell nobody what else is sent (CVE-2020-36516).  So a
 * counter, one of a few by destination, is sent through a permutation of 16 bits that belongs to the
 * destination (four rounds of Feistel's network, keyed): different counts give different numbers, and without
 * the key two numbers do not say how many lie between them. */
static uint16_t next_id(struct rill_engine *e, uint32_t dst)
{
    uint8_t data[6];
    wire_put32(data, dst);
    uint16_t *counter =
        &e->frag_id[siphash(&e->id_key, data, 4) % (sizeof e->frag_id / sizeof e->frag_id[0])];
    uint16_t count = (*counter)++;
    uint8_t left = (uint8_t)(count >> 8), right = (uint8_t)count;
    for (uint8_t round = 0; round < 4; round++) {
        data[4] = round;
        data[5] = right;
        uint8_t mixed = (uint8_t)(left ^ siphash(&e->id_key, data, sizeof data));
        left = right;
        right = mixed;
    }
    return (uint16_t)(left << 8 | right);
}

uint8_t *reply_begin(struct rill_engine *e, uint32_t dst, uint8_t proto, uint32_t len)
{
    struct reply *reply = &e->reply;
    ASSERT(len > 0 && len <= UINT16_MAX - IP4_HEADER_LEN);
    reply_collect(e);
    if (reply->data != NULL) {
        engine_event(e, RILL_DROP_BUSY, NULL, NULL);
        return NULL;
    }
    reply->data = mem_alloc_raw(&e->mem, IP4_HEADER_LEN + len);
    if (reply->data == NULL) {
        engine_event(e, RILL_DROP_MEMORY, NULL, NULL);
        return NULL;
    }
    bool atomic = IP4_HEADER_LEN + len <= e->config.mtu;
    reply->len = len;
    reply->sent = 0;
    reply->done = false;
    reply->ip = (struct ip4){
        .src = e->config.addr,
        .dst = dst,
        .id = atomic ? 0 : next_id(e, dst),
        .proto = proto,
        .ttl = e->config.ttl,
        .df = atomic,
    };
    e->drain = true;
    return reply->data + IP4_HEADER_LEN;
}

bool reply_output(struct rill_engine *e, struct rill_packet *out)
{
    struct reply *reply = &e->reply;
    if (reply->data == NULL || reply->done)
        return false;
    uint32_t room = e->config.mtu - IP4_HEADER_LEN;
    uint32_t len = reply->len - reply->sent;
    if (len > room)
        len = room / 8 * 8; /* RFC 791 3.1: offsets count eight bytes */
    struct ip4 ip = reply->ip;
    ip.total_len = (uint16_t)(IP4_HEADER_LEN + len);
    ip.frag_off = (uint16_t)reply->sent;
    ip.more = reply->sent + len < reply->len;
    uint8_t *head = reply->data + reply->sent;
    ip4_build(head, &ip);
    *out = (struct rill_packet){.head = {head, ip.total_len}, .csum = RILL_CSUM_VERIFY};
    if (len < reply->len)
        engine_count(e, RILL_FRAGMENT_OUT);
    reply->sent += len;
    reply->done = reply->sent == reply->len;
    return true;
}

void reply_free(struct rill_engine *e)
{
    mem_free(&e->mem, e->reply.data, e->reply.data != NULL ? IP4_HEADER_LEN + e->reply.len : 0);
    e->reply = (struct reply){0};
}

void reply_collect(struct rill_engine *e)
{
    if (e->reply.done)
        reply_free(e);
}

void reply_tcp(struct rill_engine *e, const struct tcp_build *build, enum rill_why why)
{
    uint8_t head[IP4_HEADER_LEN + TCP_HEADER_MAX];
    struct rill_packet whole;
    ASSERT(build->text[0].len == 0 && build->text[1].len == 0 && !build->partial_csum);
    ASSERT(build->laddr == e->config.addr);
    uint32_t len = tcp_build(build, head, &whole) - IP4_HEADER_LEN;
    uint8_t *data = reply_begin(e, build->raddr, IP4_TCP, len);
    if (data == NULL)
        return;
    memcpy(data, head + IP4_HEADER_LEN, len);
    e->reply.ip.tos = build->tos;
    e->reply.ip.ttl = build->ttl;
    engine_count(e, RILL_SEG_OUT);
    engine_trace_out(e, NULL, build, 0, false, (struct tcp_why){.why = why});
    if ((build->flags & RILL_RST) != 0)
        engine_event(e, RILL_RST_OUT, NULL, NULL);
}
