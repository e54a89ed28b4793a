/* flow.c - see flow.h. */
#include "flow.h"

int64_t flow_ack(const struct rig *t, const struct datagram *d) { return (int32_t)(d->ack - t->peer[0].isn); }

int64_t flow_seq(const struct rig *t, const struct datagram *d) { return (int32_t)(d->seq - t->peer[0].iss); }

int64_t flow_edge(const struct rig *t, const struct datagram *d, unsigned int shift)
{
    return flow_ack(t, d) + ((int64_t)d->win << shift);
}

unsigned int flow_swallow(struct rig *t)
{
    unsigned int n = t->queued;
    while (t->queued != 0)
        (void)take(t);
    return n;
}

unsigned int flow_in(struct rig *t, int64_t from, uint32_t len, uint32_t mss)
{
    unsigned int n = 0;
    while (len != 0) {
        uint32_t one = len < mss ? len : mss;
        in(t, ". %lld:%lld(%u) ack 1", (long long)from, (long long)from + one, one);
        n += flow_swallow(t);
        from += one;
        len -= one;
    }
    return n;
}

void flow_out(struct rig *t, int64_t from, uint32_t len, uint32_t mss, bool pushed, int64_t ack)
{
    while (len != 0) {
        uint32_t one = len < mss ? len : mss;
        len -= one;
        out(t, "%s %lld:%lld(%u) ack %lld", len == 0 && pushed ? "P." : ".", (long long)from,
            (long long)from + one, one, (long long)ack);
        from += one;
    }
}
