/* packet.c - see packet.h. */
#include "packet.h"

void packet_slices(const struct rill_packet *packet, uint32_t off, uint32_t len, struct rill_slice out[3])
{
    const struct rill_slice *parts[3] = {&packet->head, &packet->body[0], &packet->body[1]};
    ASSERT((uint64_t)off + len <= packet_len(packet));
    for (int i = 0; i < 3; i++) {
        uint32_t skip = min_u32(off, parts[i]->len);
        uint32_t take = min_u32(len, parts[i]->len - skip);
        out[i].data = take ? parts[i]->data + skip : NULL;
        out[i].len = take;
        off -= skip;
        len -= take;
    }
}

void packet_read(const struct rill_packet *packet, uint32_t off, void *data, uint32_t len)
{
    struct rill_slice part[3];
    uint8_t *to = data;
    packet_slices(packet, off, len, part);
    for (int i = 0; i < 3; i++) {
        if (part[i].len != 0)
            memcpy(to, part[i].data, part[i].len);
        to += part[i].len;
    }
}

void packet_sum(const struct rill_packet *packet, uint32_t off, uint32_t len, struct wire_sum *sum)
{
    struct rill_slice part[3];
    packet_slices(packet, off, len, part);
    for (int i = 0; i < 3; i++)
        wire_sum_add(sum, part[i].data, part[i].len);
}
