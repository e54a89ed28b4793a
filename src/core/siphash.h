/* siphash.h - SipHash-2-4, the keyed hash for initial sequence numbers (RFC 6528), ports (RFC 6056) and the
 * connection table.  Aumasson and Bernstein, 2012.  Rank 1. */
#ifndef RILL_SIPHASH_H
#define RILL_SIPHASH_H

#include "base.h"

struct siphash_key {
    uint64_t k0, k1;
};

uint64_t siphash(const struct siphash_key *key, const void *data, size_t len);

#endif
