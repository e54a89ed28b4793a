/* tcp_sack.c - see tcp_sack.h.
 *
 * Owns: intake.recent holds positions of different ranges, the one reported first last time in front.  An
 * entry whose range has since been taken in order is passed over. */
#include "tcp_sack.h"

#include "tcp_conn.h"
#include "tcp_timer.h"

/* The first interval that ends after pos, or NULL. */
static const struct range *range_after(const struct ranges *set, uint64_t pos)
{
    uint32_t low = 0, high = set->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (set->v[middle].end <= pos)
            low = middle + 1;
        else
            high = middle;
    }
    return low < set->count ? &set->v[low] : NULL;
}

/* The one that holds pos, or NULL. */
static const struct range *range_at(const struct ranges *set, uint64_t pos)
{
    const struct range *range = range_after(set, pos);
    return range != NULL && range->begin <= pos ? range : NULL;
}

void tcp_sack_arrived(struct tcb *c, uint64_t pos)
{
    struct intake *in = c->in;
    const struct range *now = range_at(&in->ooo, pos);
    uint64_t moved = pos;
    if (now == NULL)
        return; /* there was no memory for it */
    /* Each entry moves back by one, until one that is in the same range, or that has been taken in order:
     * that one's place is free. */
    for (uint32_t i = 0; i < TCP_SACK_BLOCKS; i++) {
        uint64_t old = in->recent[i];
        in->recent[i] = moved;
        if (old <= c->rcv.nxt || (old >= now->begin && old < now->end))
            return;
        moved = old;
    }
}

bool tcp_sack_duplicate(struct rill_engine *e, struct tcb *c, uint64_t begin, uint64_t end)
{
    const struct range *had;
    struct range again = {begin, min_u64(end, c->rcv.nxt)};
    if (!c->sack_ok || !engine_has(e, RILL_FEATURE_DSACK) || begin <= tcp_irs(c))
        return false;
    if (tcp_need_intake(e, c) != 0) /* after a quiet second it is gone; without memory nobody is told */
        return false;
    timer_rings(e, c);
    if (begin >= c->rcv.nxt) {
        had = range_after(&c->in->ooo, begin);
        if (had == NULL)
            return false;
        again = (struct range){max_u64(begin, had->begin), min_u64(end, had->end)};
    }
    if (again.begin >= again.end)
        return false;
    c->in->duplicate = again;
    return true;
}

static bool duplicate_due(const struct intake *in) { return in->duplicate.begin < in->duplicate.end; }

/* RFC 2018 3: what the 40 bytes of options hold. */
static uint32_t blocks_max(const struct tcb *c) { return c->ts_ok ? 3 : 4; }

uint32_t tcp_sack_room(const struct tcb *c)
{
    uint32_t blocks;
    if (c->in == NULL || !c->sack_ok)
        return 0;
    blocks = min_u32(blocks_max(c), c->in->ooo.count + duplicate_due(c->in));
    while (TCP_SACK_LEN(blocks) > tcp_eff_mss(c) / 2)
        blocks--;
    return TCP_SACK_LEN(blocks);
}

/* Adds a block unless it is there.  The D-SACK block in front is no reason to leave out the block that
 * follows it. */
static void add(struct tcp_build *build, uint32_t first, const struct range *range)
{
    struct tcp_sack block = {(uint32_t)range->begin, (uint32_t)range->end};
    for (uint32_t i = first; i < build->sack_count; i++)
        if (build->sack[i].left == block.left)
            return;
    build->sack[build->sack_count++] = block;
}

void tcp_sack_report(struct rill_engine *e, struct tcb *c, struct tcp_build *build, uint32_t room)
{
    struct intake *in = c->in;
    uint32_t most = blocks_max(c), first = 0;
    build->sack_count = 0;
    while (most > 0 && TCP_SACK_LEN(most) > room)
        most--;
    if (in == NULL || !c->sack_ok || most == 0)
        return;
    if (duplicate_due(in)) { /* RFC 2883 4: in front, and in this segment only */
        add(build, 0, &in->duplicate);
        in->duplicate = (struct range){0, 0};
        engine_event(e, RILL_DSACK_OUT, c, NULL);
        first = 1;
    }
    /* RFC 2018 4: first what came last, then what was reported most recently; what was never in front for a
     * while comes after it: "as many distinct SACK blocks as possible". */
    for (uint32_t i = 0; i < TCP_SACK_BLOCKS && build->sack_count < most; i++) {
        const struct range *range = range_at(&in->ooo, in->recent[i]);
        if (range != NULL)
            add(build, first, range);
    }
    for (uint32_t i = 0; i < in->ooo.count && build->sack_count < most; i++)
        add(build, first, &in->ooo.v[i]);
}
