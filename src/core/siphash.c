/* siphash.c - SipHash-2-4.  Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012, sections 2.1
 * to 2.4.
 *
 * Not a cryptographic hash without its key: what makes the sequence numbers of RFC 6528 unpredictable is that
 * the key comes from the injected entropy and never leaves the engine. */
#include "siphash.h"

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, unsigned int bits) { return x << bits | x >> (64 - bits); }

/* The paper reads words in little-endian order on every machine. */
static inline uint64_t load_le64(const uint8_t *p)
{
    uint64_t word = 0;
    for (unsigned int i = 0; i < 8; i++)
        word |= (uint64_t)p[i] << (8 * i);
    return word;
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 = rotate(s->v2, 32);
}

static inline void sip_compress(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

uint64_t siphash(const struct siphash_key *key, const void *data, size_t len)
{
    const uint8_t *p = data;
    struct sip s = {
        .v0 = key->k0 ^ 0x736f6d6570736575, /* "somepseudorandomlygeneratedbytes" */
        .v1 = key->k1 ^ 0x646f72616e646f6d,
        .v2 = key->k0 ^ 0x6c7967656e657261,
        .v3 = key->k1 ^ 0x7465646279746573,
    };
    size_t whole = len - len % 8;
    for (size_t i = 0; i < whole; i += 8)
        sip_compress(&s, load_le64(p + i));

    /* The last word holds the 0 to 7 bytes that remain, and the length modulo 256 on top. */
    uint64_t last = (uint64_t)len << 56;
    for (size_t i = whole; i < len; i++)
        last |= (uint64_t)p[i] << (8 * (i - whole));
    sip_compress(&s, last);

    s.v2 ^= 0xff;
    for (unsigned int i = 0; i < 4; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
