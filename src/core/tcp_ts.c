/* tcp_ts.c - see tcp_ts.h.  RFC 7323 3.2, 4.1, 4.3, 5; RFC 2018 2. */
#include "tcp_ts.h"

/* RFC 7323 5.5: half the clock's period is 24.8 days at 1 ms; after that much silence an order of two
 * timestamps means nothing. */
#define TS_VALID_S (24u * 24 * 3600)
/* An echo older than this is none of ours: nothing is unacknowledged for so long. */
#define TS_ECHO_MAX_MS (10u * 60 * 1000)

static uint32_t now_s(const struct rill_engine *e) { return (uint32_t)(e->now_us / SEC); }

/* One byte longer than what the initial number is hashed from, so that one key serves both. */
uint32_t tcp_ts_offset(const struct rill_engine *e, const struct conn_node *node)
{
    uint8_t data[13];
    wire_put32(data, e->config.addr);
    wire_put32(data + 4, node->raddr);
    wire_put16(data + 8, node->lport);
    wire_put16(data + 10, node->rport);
    data[12] = 'T';
    return (uint32_t)siphash(&e->isn_key, data, sizeof data);
}

uint32_t tcp_ts_clock(const struct rill_engine *e, uint32_t offset)
{
    return (uint32_t)(e->now_us / MS) + offset;
}

uint32_t tcp_ts_now(const struct rill_engine *e, const struct tcb *c)
{
    return tcp_ts_clock(e, c->ts_offset);
}

void tcp_ts_stamp(const struct rill_engine *e, const struct tcb *c, struct tcp_build *build)
{
    bool syn = (build->flags & RILL_SYN) != 0, asking = syn && (build->flags & RILL_ACK) == 0;
    build->sack_permitted = asking ? engine_has(e, RILL_FEATURE_SACK) : syn && c->sack_ok;
    build->has_ts = asking ? engine_has(e, RILL_FEATURE_TIMESTAMPS) : c->ts_ok;
    if (!build->has_ts)
        return;
    build->tsval = tcp_ts_now(e, c);
    build->tsecr = (build->flags & RILL_ACK) != 0 ? c->ts_recent : 0; /* RFC 7323 3.2: valid with ACK only */
}

void tcp_ts_agree(const struct rill_engine *e, struct tcb *c, const struct tcp_options *opt)
{
    c->sack_ok = opt->has_sack_permitted && engine_has(e, RILL_FEATURE_SACK);
    c->ts_ok = opt->has_ts && engine_has(e, RILL_FEATURE_TIMESTAMPS);
    c->ts_recent = c->ts_ok ? opt->tsval : 0;
    c->ts_recent_s = now_s(e);
}

enum tcp_ts_age tcp_ts_test_record(bool ts_ok, uint32_t ts_recent, const struct tcp_options *opt)
{
    if (!ts_ok)
        return TS_FINE;
    if (!opt->has_ts)
        return TS_MISSING;
    return tcp_ts_before(opt->tsval, ts_recent) ? TS_OLD : TS_FINE;
}

static bool recent_valid(const struct rill_engine *e, const struct tcb *c)
{
    return now_s(e) - c->ts_recent_s <= TS_VALID_S;
}

enum tcp_ts_age tcp_ts_test(const struct rill_engine *e, const struct tcb *c, const struct tcp_segment *seg)
{
    enum tcp_ts_age age = tcp_ts_test_record(c->ts_ok, c->ts_recent, &seg->opt);
    return age == TS_OLD && !recent_valid(e, c) ? TS_FINE : age;
}

void tcp_ts_update(const struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg)
{
    if (!c->ts_ok || !seg->opt.has_ts || seg->seq > c->rcv.acked)
        return;
    if (tcp_ts_before(seg->opt.tsval, c->ts_recent) && recent_valid(e, c))
        return;
    c->ts_recent = seg->opt.tsval;
    c->ts_recent_s = now_s(e);
}

bool tcp_ts_echo_us(const struct rill_engine *e, const struct tcb *c, const struct tcp_segment *seg,
                    uint32_t *rtt_us)
{
    uint32_t age_ms = tcp_ts_now(e, c) - seg->opt.tsecr;
    /* An echo of 0 is what some send that have nothing to echo. */
    if (!c->ts_ok || !seg->opt.has_ts || (seg->flags & RILL_ACK) == 0 || seg->opt.tsecr == 0 ||
        age_ms > TS_ECHO_MAX_MS)
        return false;
    *rtt_us = max_u32(age_ms, 1) * (uint32_t)MS;
    return true;
}
