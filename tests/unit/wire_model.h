/* wire_model.h - what the tests of the parsers compare with: headers written byte by byte as the figures of
 * RFC 791 and RFC 9293 have them, and the checksum by its definition.  Nothing of the core is used. */
#ifndef WIRE_MODEL_H
#define WIRE_MODEL_H

#include "rill_engine.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MODEL_ADDR 0x0a4d0002u /* 10.77.0.2 */
#define MODEL_PEER 0x0a4d0001u /* 10.77.0.1 */

/* RFC 1071: the ones' complement sum of the 16-bit words, one by one, each carry added back at once. */
static inline uint16_t model_sum(uint16_t sum, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i += 2) {
        uint32_t word = (uint32_t)p[i] * 256 + (i + 1 < len ? p[i + 1] : 0);
        uint32_t next = sum + word;
        sum = (uint16_t)(next > 0xffff ? next - 0xffff : next);
    }
    return sum;
}

static inline void model_put(uint8_t *p, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        p[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
}

static inline uint32_t model_get(const uint8_t *p, int bytes)
{
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value * 256 + p[i];
    return value;
}

/* Puts the right checksum into an IPv4 header of `len` bytes. */
static inline void model_ip_checksum(uint8_t *p, size_t len)
{
    model_put(p + 10, 0, 2);
    model_put(p + 10, 0xffffu - model_sum(0, p, len), 2);
}

/* An IPv4 header with ihl words, options all 0, and a right checksum.  fragment is the word of flags and
 * offset. */
static inline void model_ip(uint8_t *p, uint32_t ihl, uint32_t total_len, uint32_t id, uint32_t fragment,
                            uint8_t proto)
{
    memset(p, 0, ihl * 4);
    p[0] = (uint8_t)(4 * 16 + ihl);
    model_put(p + 2, total_len, 2);
    model_put(p + 4, id, 2);
    model_put(p + 6, fragment, 2);
    p[8] = 64;
    p[9] = proto;
    model_put(p + 12, MODEL_PEER, 4);
    model_put(p + 16, MODEL_ADDR, 4);
    model_ip_checksum(p, ihl * 4);
}

/* RFC 9293 3.1: the sum over the pseudo-header of a datagram whose TCP header and text are `len` bytes. */
static inline uint16_t model_pseudo(const uint8_t *ip, size_t len)
{
    uint8_t pseudo[12];
    memcpy(pseudo, ip + 12, 8);
    pseudo[8] = 0;
    pseudo[9] = 6;
    model_put(pseudo + 10, (uint32_t)len, 2);
    return model_sum(0, pseudo, sizeof(pseudo));
}

/* Puts the right checksum into a TCP header behind an IPv4 header without options. */
static inline void model_tcp_checksum(uint8_t *ip, size_t tcp_len)
{
    uint8_t *p = ip + 20;
    model_put(p + 16, 0, 2);
    model_put(p + 16, 0xffffu - model_sum(model_pseudo(ip, tcp_len), p, tcp_len), 2);
}

/* A datagram whose head is a heap block of exactly its size, so that AddressSanitizer sees a read beyond. */
static inline struct rill_packet model_packet(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    assert(copy);
    memcpy(copy, data, len);
    return (struct rill_packet){.head = {copy, (uint32_t)len}};
}

/* The same in three blocks: [0, first), [first, second), [second, len). */
static inline struct rill_packet model_packet_split(const uint8_t *data, size_t first, size_t second,
                                                    size_t len)
{
    struct rill_packet packet = model_packet(data, first);
    packet.body[0] = model_packet(data + first, second - first).head;
    packet.body[1] = model_packet(data + second, len - second).head;
    return packet;
}

static inline void model_packet_free(struct rill_packet *packet)
{
    free((void *)(uintptr_t)packet->head.data);
    free((void *)(uintptr_t)packet->body[0].data);
    free((void *)(uintptr_t)packet->body[1].data);
}

#endif
