/* wire.c - the Internet checksum.  RFC 1071, RFC 9293 3.1.
 *
 * The sum is taken over words as this machine reads them and put into network order once at the end, because
 * the order of bytes does not matter to a ones'-complement sum (RFC 1071 2 (B)), and in large words, because
 * deferred carries may be added later (2 (C)). */
#include "wire.h"

static uint16_t fold(uint64_t acc)
{
    while (acc >> 16)
        acc = (acc & 0xffff) + (acc >> 16);
    return (uint16_t)acc;
}

/* The sum over len bytes from p, a last odd byte being filled up with a zero; in this machine's byte order.
 * The accumulator loses no carry for 2^32 words of 32 bits.  The inner loop has a fixed number of rounds,
 * because that is what both compilers make vector instructions of at -O2. */
static uint64_t sum_words(const uint8_t *p, size_t len)
{
    uint64_t acc = 0;
    size_t i = 0;
    for (; len - i >= 64; i += 64) {
        uint32_t block[16];
        memcpy(block, p + i, sizeof(block));
        for (size_t k = 0; k < 16; k++)
            acc += block[k];
    }
    for (; len - i >= 4; i += 4) {
        uint32_t word;
        memcpy(&word, p + i, 4);
        acc += word;
    }
    if (i < len) {
        uint32_t word = 0;
        memcpy(&word, p + i, len - i);
        acc += word;
    }
    return acc;
}

void wire_sum_add(struct wire_sum *sum, const void *data, size_t len)
{
    ASSERT(len <= UINT32_MAX);
    uint16_t native = fold(sum_words(data, len));
    uint8_t bytes[2];
    memcpy(bytes, &native, 2);
    /* In a piece that begins in the low half of a word all bytes are in the other half: swap the sum. */
    if (sum->len & 1)
        sum->acc += (uint64_t)bytes[1] << 8 | bytes[0];
    else
        sum->acc += wire_get16(bytes);
    sum->len += (uint32_t)len;
}

void wire_sum_pseudo(struct wire_sum *sum, uint32_t src, uint32_t dst, uint8_t proto, uint16_t len)
{
    /* Twelve bytes: an even number, which moves no other byte, so that this may be called at any time. */
    sum->acc += (uint64_t)(src >> 16) + (src & 0xffff) + (dst >> 16) + (dst & 0xffff) + proto + len;
}

uint16_t wire_sum_fold(const struct wire_sum *sum) { return fold(sum->acc); }
