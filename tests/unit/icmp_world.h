/* icmp_world.h - ICMP messages as RFC 792 draws them, for the tests of icmp.c and tcp_icmp.c. */
#ifndef ICMP_WORLD_H
#define ICMP_WORLD_H

#include "bare_engine.h"
#include "icmp.h"
#include "wire_model.h"

#define DATAGRAM_MAX 65535u

struct message {
    uint8_t ip[DATAGRAM_MAX + 1]; /* the datagram, its ICMP message behind ihl words of header */
    uint32_t ihl, len;            /* len: of the ICMP message */
};

static inline uint8_t *message_icmp(struct message *m) { return m->ip + m->ihl * 4; }

/* Header and right checksums around the len bytes of ICMP that are there already. */
static inline void message_finish(struct message *m, uint32_t ihl, uint32_t len)
{
    m->ihl = ihl;
    m->len = len;
    model_ip(m->ip, ihl, ihl * 4 + len, 0x1234, 0, 1);
    if (len >= 4) {
        model_put(message_icmp(m) + 2, 0, 2);
        model_put(message_icmp(m) + 2, 0xffffu - model_sum(0, message_icmp(m), len), 2);
    }
}

/* Hands it to icmp_input, in one piece or in three. */
static inline void message_input_split(struct rill_engine *e, const struct message *m, uint32_t first,
                                       uint32_t second)
{
    uint32_t len = m->ihl * 4 + m->len;
    struct rill_packet in = model_packet_split(m->ip, first, second, len);
    struct ip4 ip;
    assert_int_equal(ip4_parse(&in, &ip), IP4_OK);
    icmp_input(e, &in, &ip);
    model_packet_free(&in);
}

static inline void message_input(struct rill_engine *e, const struct message *m)
{
    uint32_t len = m->ihl * 4 + m->len;
    message_input_split(e, m, len, len);
}

/* Puts the whole waiting answer, fragments together again, into data; its length, 0 if there is none. */
static inline uint32_t take_answer(struct rill_engine *e, uint8_t *data, struct ip4 *ip)
{
    struct rill_packet out;
    uint32_t len = 0;
    while (reply_output(e, &out)) {
        assert_int_equal(ip4_parse(&out, ip), IP4_OK);
        assert_int_equal(ip->frag_off, len);
        packet_read(&out, IP4_HEADER_LEN, data + len, (uint32_t)ip->total_len - IP4_HEADER_LEN);
        len += (uint32_t)ip->total_len - IP4_HEADER_LEN;
    }
    reply_collect(e);
    return len;
}

static inline void no_answer(struct rill_engine *e)
{
    struct rill_packet out;
    assert_false(reply_output(e, &out));
}

#endif
