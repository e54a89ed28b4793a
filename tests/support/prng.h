/* prng.h - seeded random numbers for tests: the same seed gives the same run on every machine.
 *
 * The step is that of SplitMix64 (Steele, Lea and Flood, 2014): any seed is good, neighbours included. */
#ifndef PRNG_H
#define PRNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prng {
    uint64_t state;
};

static inline struct prng prng_seed(uint64_t seed) { return (struct prng){seed}; }

static inline uint64_t prng_next(struct prng *prng)
{
    uint64_t z = prng->state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static inline uint32_t prng_u32(struct prng *prng) { return (uint32_t)(prng_next(prng) >> 32); }

/* A number in [0, n), n > 0.  The bias of at most n / 2^64 does not matter to a test. */
static inline uint64_t prng_below(struct prng *prng, uint64_t n) { return prng_next(prng) % n; }

/* A number in [low, high]. */
static inline uint64_t prng_between(struct prng *prng, uint64_t low, uint64_t high)
{
    return low + prng_below(prng, high - low + 1);
}

/* True in percent of 100 calls. */
static inline bool prng_chance(struct prng *prng, unsigned int percent)
{
    return prng_below(prng, 100) < percent;
}

static inline void prng_fill(struct prng *prng, void *data, size_t len)
{
    uint8_t *p = data;
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(prng_next(prng) >> 56);
}

#endif
