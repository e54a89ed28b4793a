/* prr.c - see prr.h. */
#include "prr.h"

void prr_start(struct prr *prr, uint32_t recover_fs)
{
    *prr = (struct prr){.recover_fs = max_u32(recover_fs, 1)};
}

uint32_t prr_ack(struct prr *prr, uint32_t delivered, uint32_t pipe, uint32_t ssthresh, uint32_t smss,
                 bool safe)
{
    uint64_t may; /* what may have left in all, so that sndcnt is what is missing of it */
    prr->delivered += delivered;
    if (pipe > ssthresh) {
        /* One part of ssthresh / RecoverFS of what arrives leaves: the window shrinks over a round trip. */
        may = ((uint64_t)prr->delivered * ssthresh + prr->recover_fs - 1) / prr->recover_fs;
        may = may > prr->out ? may - prr->out : 0;
    } else {
        /* The losses have taken more than the reduction asks for.  Conservative: what arrives leaves.  In
         * slow start while recovery makes progress. */
        may = prr->delivered > prr->out ? prr->delivered - prr->out : 0;
        may = max_u64(may, delivered) + (safe ? smss : 0);
        may = min_u64(may, ssthresh - pipe);
    }
    if (prr->out == 0 && may == 0)
        may = smss; /* the first retransmission always leaves */
    return (uint32_t)min_u64(may, UINT32_MAX / 4);
}
