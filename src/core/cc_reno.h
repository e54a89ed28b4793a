/* cc_reno.h - RFC 5681 congestion control, the table cc_reno of cc.h.  Rank 4. */
#ifndef RILL_CC_RENO_H
#define RILL_CC_RENO_H

#include "cc.h"

extern const struct cc_ops cc_reno;

#endif
