/* wire.h - bytes in network order and the Internet checksum.  RFC 1071, RFC 9293 3.1.  Rank 1. */
#ifndef RILL_WIRE_H
#define RILL_WIRE_H

#include "base.h"

static inline uint16_t wire_get16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static inline uint32_t wire_get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline void wire_put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static inline void wire_put32(uint8_t *p, uint32_t v)
{
    wire_put16(p, (uint16_t)(v >> 16));
    wire_put16(p + 2, (uint16_t)v);
}

/* A running ones'-complement sum over any number of pieces of any length and alignment, as if they were one.
 */
struct wire_sum {
    uint64_t acc; /* sum of 16-bit words in network order, not yet folded to 16 bits */
    uint32_t len; /* bytes so far: its lowest bit says in which half of a word the next byte falls */
};

static inline struct wire_sum wire_sum_start(void) { return (struct wire_sum){0, 0}; }
void wire_sum_add(struct wire_sum *sum, const void *data, size_t len);

/* Adds what TCP's pseudo-header holds (RFC 9293 3.1): addresses in host order, protocol, length of header +
 * data. */
void wire_sum_pseudo(struct wire_sum *sum, uint32_t src, uint32_t dst, uint8_t proto, uint16_t len);

/* The sum folded to 16 bits, not complemented: 0xffff over data that holds its own right checksum. */
uint16_t wire_sum_fold(const struct wire_sum *sum);

/* What goes into the checksum field: the complement of the folded sum. */
static inline uint16_t wire_sum_finish(const struct wire_sum *sum) { return (uint16_t)~wire_sum_fold(sum); }

#endif
