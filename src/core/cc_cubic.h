/* cc_cubic.h - CUBIC (RFC 9438), the table cc_cubic of cc.h.  Rank 4.2. */
#ifndef RILL_CC_CUBIC_H
#define RILL_CC_CUBIC_H

#include "cc.h"

extern const struct cc_ops cc_cubic;

/* K of RFC 9438 4.2: how long the cubic function takes to rise by so many bytes. */
uint32_t cubic_k_us(uint32_t rise_bytes, uint32_t smss);

#endif
