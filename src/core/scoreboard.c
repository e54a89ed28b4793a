/* scoreboard.c - what was sent when, and what became of it.  RFC 2018 5, RFC 8985 6.
 *
 * Owns the invariants that scoreboard_sound lists.  The queues are arrays of which the front is given up by
 * moving `head`: what is copied to make room at the end is at most a few records for each one appended.  It
 * does not decide what a loss means, nor when to look for one: that is the business of tcp_rack and
 * tcp_recovery. */
#include "scoreboard.h"

#include <errno.h>

#define SENDS_FIRST 8u
#define SENDS_MAX 8192u

/* ---- The queues ---------------------------------------------------------------------------------------- */

static struct sent *sends_at(const struct sends *q, uint32_t i)
{
    ASSERT(i < q->count);
    return &q->v[q->head + i];
}

static void sends_pop(struct sends *q)
{
    ASSERT(q->count > 0);
    q->head++;
    if (--q->count == 0)
        q->head = 0;
}

static void sends_clear(struct sends *q, struct mem *mem)
{
    mem_free(mem, q->v, q->cap * sizeof(*q->v));
    *q = (struct sends){0};
}

static bool sends_grow(struct sends *q, struct mem *mem)
{
    uint32_t cap = q->cap ? min_u32(2 * q->cap, SENDS_MAX) : SENDS_FIRST;
    if (cap == q->cap)
        return false;
    struct sent *v = mem_alloc_raw(mem, cap * sizeof(*v));
    if (!v)
        return false;
    if (q->v)
        memcpy(v, q->v + q->head, q->count * sizeof(*v));
    mem_free(mem, q->v, q->cap * sizeof(*v));
    q->v = v;
    q->cap = cap;
    q->head = 0;
    return true;
}

static bool sends_append(struct sends *q, struct mem *mem, struct sent sent)
{
    if (q->head + q->count == q->cap && (q->head > q->cap / 2 || !sends_grow(q, mem))) {
        /* Where it cannot grow it makes do with less, but never copies all for the sake of a few places. */
        if (q->head == 0 || q->head < q->cap / 8)
            return false;
        ASSERT(q->v);
        memmove(q->v, q->v + q->head, q->count * sizeof(*q->v));
        q->head = 0;
    }
    ASSERT(q->v);
    q->v[q->head + q->count++] = sent;
    return true;
}

/* The send time of a position in a queue that is in order of position. */
static rill_time time_of(const struct sends *q, uint64_t pos)
{
    uint32_t low = 0, high = q->count - 1;
    ASSERT(q->count > 0);
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (sends_at(q, middle)->end > pos)
            high = middle;
        else
            low = middle + 1;
    }
    return sends_at(q, low)->at_us;
}

/* ---- Life ---------------------------------------------------------------------------------------------- */

int scoreboard_init(struct scoreboard *sb, struct mem *mem)
{
    *sb = (struct scoreboard){0};
    if (sends_grow(&sb->first, mem) && ranges_reserve(&sb->lost, mem) == 0 &&
        ranges_reserve(&sb->resent, mem) == 0)
        return 0;
    scoreboard_free(sb, mem);
    return -ENOMEM;
}

void scoreboard_free(struct scoreboard *sb, struct mem *mem)
{
    sends_clear(&sb->first, mem);
    sends_clear(&sb->again, mem);
    ranges_clear(&sb->sacked, mem);
    ranges_clear(&sb->lost, mem);
    ranges_clear(&sb->resent, mem);
    *sb = (struct scoreboard){0};
}

/* ---- Sending ------------------------------------------------------------------------------------------- */

/* The copies of [begin, end) in `again` no longer count.  Of a record that would fall in two the first part
 * stays.  This looks at all of them, so it is only for what is rare: a probe, a loss found without RACK. */
static void supersede(struct scoreboard *sb, uint64_t begin, uint64_t end)
{
    if (begin == end || !ranges_touch(&sb->resent, begin, end))
        return;
    uint64_t una = sends_at(&sb->first, 0)->begin; /* `first` covers the flight */
    for (uint32_t i = 0; i < sb->again.count; i++) {
        struct sent *sent = sends_at(&sb->again, i);
        if (sent->end <= begin || end <= sent->begin)
            continue;
        if (max_u64(sent->begin, una) < begin) {
            sb->untimed = sb->untimed || end < sent->end;
            sent->end = begin;
        } else {
            sent->begin = min_u64(end, sent->end);
        }
    }
}

static void add_to_resent(struct scoreboard *sb, struct mem *mem, uint64_t begin, uint64_t end)
{
    if (ranges_add(&sb->resent, mem, begin, end) == 0)
        return;
    /* Too much is better than too little: a time taken for the original's might be the copy's (RFC 6298 3).
     * There is a neighbour, because room for one interval was reserved. */
    struct range above = ranges_next(&sb->resent, end, UINT64_MAX - 1);
    if (above.begin < above.end)
        end = above.begin;
    else
        begin = sb->resent.v[sb->resent.count - 1].end;
    int error = ranges_add(&sb->resent, mem, begin, end);
    ASSERT(error == 0);
}

static void sent_again(struct scoreboard *sb, struct mem *mem, struct sent sent)
{
    if (!ranges_cover(&sb->lost, sent.begin, sent.end))
        supersede(sb, sent.begin, sent.end);
    if (ranges_remove(&sb->lost, mem, sent.begin, sent.end) != 0) {
        /* No room to split: what follows in this interval is found by the timeout. */
        struct range rest = ranges_next(&sb->lost, sent.begin, UINT64_MAX - 1);
        int error = ranges_remove(&sb->lost, mem, sent.begin, rest.end);
        ASSERT(error == 0);
    }
    add_to_resent(sb, mem, sent.begin, sent.end);
    struct sent *last = sb->again.count ? sends_at(&sb->again, sb->again.count - 1) : NULL;
    if (last && last->end == sent.begin && last->at_us == sent.at_us)
        last->end = sent.end;
    else if (!sends_append(&sb->again, mem, sent))
        sb->untimed = true;
}

static void sent_first(struct scoreboard *sb, struct mem *mem, struct sent sent)
{
    struct sent *last = sb->first.count ? sends_at(&sb->first, sb->first.count - 1) : NULL;
    ASSERT(!last || (last->end == sent.begin && last->at_us <= sent.at_us));
    if ((!last || last->at_us != sent.at_us) && sends_append(&sb->first, mem, sent))
        return;
    ASSERT(last); /* an empty queue has room */
    last->end = sent.end;
    last->at_us = sent.at_us;
    sb->judged_first = min_u32(sb->judged_first, sb->first.count - 1); /* what is new in it is not */
}

void scoreboard_sent(struct scoreboard *sb, struct mem *mem, uint64_t begin, uint64_t end, uint64_t nxt,
                     rill_time now_us)
{
    ASSERT(begin < end && begin <= nxt);
    if (begin < nxt)
        sent_again(sb, mem, (struct sent){begin, min_u64(end, nxt), now_us});
    if (nxt < end)
        sent_first(sb, mem, (struct sent){nxt, end, now_us});
}

/* ---- Delivery ------------------------------------------------------------------------------------------ */

static bool is_later(const struct sent *a, const struct sent *b)
{
    return a->at_us > b->at_us || (a->at_us == b->at_us && a->end > b->end);
}

/* Of the copies in [begin, end) that are not SACKed, the one sent last. */
static void latest_copy(const struct scoreboard *sb, uint64_t begin, uint64_t end, struct sent *latest)
{
    for (uint32_t i = sb->again.count; i-- > 0;) {
        const struct sent *sent = sends_at(&sb->again, i);
        if (latest->begin < latest->end && sent->at_us < latest->at_us)
            break;
        uint64_t from = max_u64(begin, sent->begin), to = min_u64(end, sent->end);
        if (from >= to)
            continue;
        struct range gap = ranges_gap(&sb->sacked, from, to);
        for (; gap.begin < gap.end; gap = ranges_gap(&sb->sacked, gap.end, to)) {
            struct sent copy = {gap.begin, gap.end, sent->at_us};
            if (latest->begin == latest->end || is_later(&copy, latest))
                *latest = copy;
        }
    }
}

/* Splits [begin, end), of which nothing is SACKed, into what was sent once and what was sent again.  The last
 * part that was sent once goes to *once: it is also the one sent last. */
static bool split_by_copies(const struct scoreboard *sb, struct range part, struct range *once,
                            struct delivery *news)
{
    bool any_again = false;
    for (uint64_t pos = part.begin; pos < part.end;) {
        struct range gap = ranges_gap(&sb->resent, pos, part.end);
        any_again = any_again || gap.begin > pos;
        if (gap.begin < gap.end) {
            news->lowest_first = news->any_first ? min_u64(news->lowest_first, gap.end) : gap.end;
            news->any_first = true;
            *once = gap;
        }
        pos = gap.end;
    }
    return any_again;
}

/* Adds to *news what of [begin, end) is not SACKed yet. */
static void deliver(const struct scoreboard *sb, uint64_t begin, uint64_t end, struct delivery *news)
{
    bool had_first = news->any_first, any_again = false;
    struct range once = {0, 0};
    struct range gap = ranges_gap(&sb->sacked, begin, end);
    for (; gap.begin < gap.end; gap = ranges_gap(&sb->sacked, gap.end, end)) {
        news->bytes += (uint32_t)(gap.end - gap.begin);
        any_again |= split_by_copies(sb, gap, &once, news);
    }
    if (once.begin < once.end) {
        struct sent sent = {once.begin, once.end, time_of(&sb->first, once.end - 1)};
        if (!had_first || is_later(&sent, &news->first))
            news->first = sent;
    }
    if (any_again) {
        news->any_again = true;
        latest_copy(sb, begin, end, &news->again);
    }
}

void scoreboard_acked(struct scoreboard *sb, struct mem *mem, uint64_t una, uint64_t ack,
                      struct delivery *news)
{
    (void)mem;
    ASSERT(una <= ack);
    deliver(sb, una, ack, news);
    ranges_trim(&sb->sacked, ack);
    ranges_trim(&sb->lost, ack);
    ranges_trim(&sb->resent, ack);
    while (sb->first.count && sends_at(&sb->first, 0)->end <= ack) {
        sends_pop(&sb->first);
        sb->judged_first -= sb->judged_first > 0;
    }
    if (sb->first.count)
        sends_at(&sb->first, 0)->begin = max_u64(sends_at(&sb->first, 0)->begin, ack);
    while (sb->again.count && sends_at(&sb->again, 0)->end <= ack)
        sends_pop(&sb->again);
}

bool scoreboard_sacked(struct scoreboard *sb, struct mem *mem, uint64_t begin, uint64_t end,
                       struct delivery *news)
{
    ASSERT(begin < end);
    if (ranges_cover(&sb->sacked, begin, end))
        return true;
    /* First all that can fail.  Growing an interval needs no room for another. */
    bool grows = ranges_touch(&sb->sacked, begin - (begin > 0), end + 1);
    if (!grows && ranges_reserve(&sb->sacked, mem) != 0)
        return false;
    if (ranges_remove(&sb->lost, mem, begin, end) != 0)
        return false;
    deliver(sb, begin, end, news);
    int error = ranges_add(&sb->sacked, mem, begin, end);
    ASSERT(error == 0);
    return true;
}

/* ---- Loss ---------------------------------------------------------------------------------------------- */

/* Marks what of [begin, end) is not SACKed lost: how many bytes were not marked before.  Without room the
 * mark is left out. */
static uint32_t mark(struct scoreboard *sb, struct mem *mem, uint64_t begin, uint64_t end)
{
    uint32_t before = sb->lost.bytes;
    struct range gap = ranges_gap(&sb->sacked, begin, end);
    for (; gap.begin < gap.end; gap = ranges_gap(&sb->sacked, gap.end, end))
        (void)ranges_add(&sb->lost, mem, gap.begin, gap.end);
    return sb->lost.bytes - before;
}

uint32_t scoreboard_lose(struct scoreboard *sb, struct mem *mem, uint64_t begin, uint64_t end)
{
    ASSERT(begin <= end);
    supersede(sb, begin, end);
    return mark(sb, mem, begin, end);
}

/* Whether [begin, end) has a position that may still be found lost: not SACKed and not lost yet; and not sent
 * again, if the question is about originals. */
static bool may_be_lost(const struct scoreboard *sb, uint64_t begin, uint64_t end, bool originals)
{
    for (uint64_t pos = begin; pos < end;) {
        uint64_t from = pos;
        pos = ranges_gap(&sb->sacked, pos, end).begin;
        pos = ranges_gap(&sb->lost, pos, end).begin;
        if (originals)
            pos = ranges_gap(&sb->resent, pos, end).begin;
        if (pos == from)
            return true;
    }
    return false;
}

/* The segment after which nothing is judged, when what may be judged was sent at the latest, and when the
 * first that must wait was sent. */
struct judgement {
    rill_time newest_us;
    uint64_t newest_end;
    rill_time limit_us, next_us;
};

/* Up to where the record was sent before the newest segment: its begin if nothing of it was. */
static uint64_t end_of_before(const struct sent *sent, const struct judgement *j)
{
    if (sent->at_us != j->newest_us)
        return sent->at_us < j->newest_us ? sent->end : sent->begin;
    return max_u64(sent->begin, min_u64(sent->end, j->newest_end));
}

static uint32_t judge_first(struct scoreboard *sb, struct mem *mem, struct judgement *j)
{
    uint32_t bytes = 0;
    while (sb->judged_first < sb->first.count) {
        const struct sent *sent = sends_at(&sb->first, sb->judged_first);
        uint64_t begin = max_u64(sent->begin, sb->judged_to), end = end_of_before(sent, j);
        if (begin >= end)
            break;
        if (may_be_lost(sb, begin, end, true)) {
            if (sent->at_us > j->limit_us) {
                j->next_us = min_u64(j->next_us, sent->at_us);
                break;
            }
            struct range once = ranges_gap(&sb->resent, begin, end);
            for (; once.begin < once.end; once = ranges_gap(&sb->resent, once.end, end))
                bytes += mark(sb, mem, once.begin, once.end);
        }
        sb->judged_to = end;
        if (end < sent->end)
            break;
        sb->judged_first++;
    }
    return bytes;
}

static uint32_t judge_again(struct scoreboard *sb, struct mem *mem, struct judgement *j)
{
    uint32_t bytes = 0;
    uint64_t una = sb->first.count ? sends_at(&sb->first, 0)->begin : UINT64_MAX;
    while (sb->again.count) {
        struct sent *sent = sends_at(&sb->again, 0);
        uint64_t begin = max_u64(sent->begin, una), end = end_of_before(sent, j);
        if (may_be_lost(sb, begin, sent->end, false)) {
            if (begin >= end)
                break;
            if (sent->at_us > j->limit_us && may_be_lost(sb, begin, end, false)) {
                j->next_us = min_u64(j->next_us, sent->at_us);
                break;
            }
            bytes += mark(sb, mem, begin, end);
            if (end < sent->end) {
                sent->begin = end;
                break;
            }
        }
        sends_pop(&sb->again);
    }
    return bytes;
}

uint32_t scoreboard_judge(struct scoreboard *sb, struct mem *mem, rill_time newest_us, uint64_t newest_end,
                          rill_time limit_us, rill_time *next_us)
{
    struct judgement j = {newest_us, newest_end, limit_us, RILL_NEVER};
    uint32_t bytes = judge_first(sb, mem, &j);
    bytes += judge_again(sb, mem, &j);
    *next_us = j.next_us;
    return bytes;
}

void scoreboard_lose_all(struct scoreboard *sb, struct mem *mem, uint64_t una, uint64_t nxt)
{
    ranges_empty(&sb->lost); /* so that what room there is goes to what is to be sent first */
    (void)mark(sb, mem, una, nxt);
    sb->again.head = sb->again.count = 0;
    sb->judged_first = sb->first.count;
    sb->judged_to = nxt;
    sb->untimed = false;
}

void scoreboard_forget_sacks(struct scoreboard *sb)
{
    ranges_empty(&sb->sacked);
    sb->untimed = true;
}

void scoreboard_find_all(struct scoreboard *sb, struct mem *mem)
{
    uint64_t pos = 0;
    for (;;) {
        struct range lost = ranges_next(&sb->lost, pos, UINT64_MAX - 1);
        if (lost.begin >= lost.end)
            break;
        struct range once = ranges_gap(&sb->resent, lost.begin, lost.end);
        pos = once.begin < once.end ? once.end : lost.end;
        if (once.begin < once.end)
            (void)ranges_remove(&sb->lost, mem, once.begin, once.end); /* else it is sent once too often */
    }
    sb->judged_first = 0;
    sb->judged_to = sb->first.count != 0 ? sends_at(&sb->first, 0)->begin : sb->judged_to;
}

/* ---- Soundness ----------------------------------------------------------------------------------------- */

static bool is_within(const struct ranges *set, uint64_t una, uint64_t nxt)
{
    return ranges_sound(set) &&
           (set->count == 0 || (una <= set->v[0].begin && set->v[set->count - 1].end <= nxt));
}

static bool sends_sound(const struct sends *q)
{
    if (q->cap > SENDS_MAX || q->head > q->cap || q->count > q->cap - q->head || (!q->v) != (q->cap == 0) ||
        (q->count == 0 && q->head > 0))
        return false;
    for (uint32_t i = 1; i < q->count; i++)
        if (sends_at(q, i)->at_us < sends_at(q, i - 1)->at_us)
            return false;
    return true;
}

static bool first_sound(const struct scoreboard *sb, uint64_t una, uint64_t nxt)
{
    const struct sends *q = &sb->first;
    if (!sends_sound(q) || sb->judged_first > q->count)
        return false;
    for (uint32_t i = 0; i < q->count; una = sends_at(q, i++)->end) {
        const struct sent *sent = sends_at(q, i);
        if (sent->begin != una || sent->begin >= sent->end)
            return false;
        if (i < sb->judged_first ? sent->end > sb->judged_to : sent->end <= sb->judged_to)
            return false;
    }
    return una == nxt;
}

/* What was acknowledged or superseded leaves `again` only when it comes to its head. */
static bool again_sound(const struct scoreboard *sb, uint64_t una, uint64_t nxt)
{
    if (!sends_sound(&sb->again))
        return false;
    for (uint32_t i = 0; i < sb->again.count; i++) {
        const struct sent *sent = sends_at(&sb->again, i);
        uint64_t begin = max_u64(sent->begin, una);
        if (sent->begin > sent->end || sent->end > nxt)
            return false;
        if (begin < sent->end &&
            (ranges_touch(&sb->lost, begin, sent->end) || !ranges_cover(&sb->resent, begin, sent->end)))
            return false;
    }
    return true;
}

bool scoreboard_sound(const struct scoreboard *sb, uint64_t una, uint64_t nxt)
{
    if (!is_within(&sb->sacked, una, nxt) || !is_within(&sb->lost, una, nxt) ||
        !is_within(&sb->resent, una, nxt))
        return false;
    for (uint16_t i = 0; i < sb->sacked.count; i++)
        if (ranges_touch(&sb->lost, sb->sacked.v[i].begin, sb->sacked.v[i].end))
            return false;
    return first_sound(sb, una, nxt) && again_sound(sb, una, nxt);
}
