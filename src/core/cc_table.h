/* cc_table.h - which congestion controls there are.  Rank 4.5. */
#ifndef RILL_CC_TABLE_H
#define RILL_CC_TABLE_H

#include "cc.h"

const struct cc_ops *cc_ops(enum rill_cc cc);

#endif
