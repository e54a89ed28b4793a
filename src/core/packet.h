/* packet.h - the one bounds-checked way to touch the bytes of a struct rill_packet.  Rank 2. */
#ifndef RILL_PACKET_H
#define RILL_PACKET_H

#include "wire.h"

/* Length of the whole datagram. */
static inline uint32_t packet_len(const struct rill_packet *packet)
{
    return packet->head.len + packet->body[0].len + packet->body[1].len;
}

/* The bytes [off, off + len) as at most three slices; off + len <= packet_len.  Unused slices are empty. */
void packet_slices(const struct rill_packet *packet, uint32_t off, uint32_t len, struct rill_slice out[3]);

/* Copies the bytes [off, off + len) out. */
void packet_read(const struct rill_packet *packet, uint32_t off, void *data, uint32_t len);

/* Adds the bytes [off, off + len) to a checksum. */
void packet_sum(const struct rill_packet *packet, uint32_t off, uint32_t len, struct wire_sum *sum);

#endif
