/* cc_table.c - see cc_table.h. */
#include "cc_table.h"

#include "cc_cubic.h"
#include "cc_reno.h"

const struct cc_ops *cc_ops(enum rill_cc cc)
{
    switch (cc) {
    case RILL_CC_CUBIC:
        return &cc_cubic;
    case RILL_CC_RENO:
        return &cc_reno;
    case RILL_CC_COUNT:
        break;
    }
    ASSERT(false);
    return &cc_reno;
}
