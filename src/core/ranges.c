/* ranges.c - a set of positions as a sorted array of intervals.
 *
 * Owns the invariants that ranges_sound lists.  An array, because what is looked up is found by halving and
 * what is moved is at most 16 KiB, which a peer can cause once per segment. */
#include "ranges.h"

#include <errno.h>

#define CAP_FIRST 8u

/* The index of the first interval that ends at pos or later; count if there is none. */
static uint16_t first_ending_from(const struct ranges *set, uint64_t pos)
{
    uint16_t low = 0, high = set->count;
    while (low < high) {
        uint16_t middle = (uint16_t)((low + high) / 2);
        if (set->v[middle].end >= pos)
            high = middle;
        else
            low = (uint16_t)(middle + 1);
    }
    return low;
}

/* The index of the first interval from `low` on that begins at pos or later; count if there is none. */
static uint16_t first_beginning_from(const struct ranges *set, uint16_t low, uint64_t pos)
{
    uint16_t high = set->count;
    while (low < high) {
        uint16_t middle = (uint16_t)((low + high) / 2);
        if (set->v[middle].begin >= pos)
            high = middle;
        else
            low = (uint16_t)(middle + 1);
    }
    return low;
}

/* Makes sure that one more interval fits. */
static int make_room(struct ranges *set, struct mem *mem)
{
    if (set->count == RANGES_MAX)
        return -ENOSPC;
    if (set->count < set->cap)
        return 0;
    uint16_t cap = (uint16_t)(set->cap ? min_u32(2u * set->cap, RANGES_MAX) : CAP_FIRST);
    struct range *v = mem_alloc_raw(mem, cap * sizeof(*v));
    if (!v)
        return -ENOMEM;
    if (set->count)
        memcpy(v, set->v, set->count * sizeof(*v));
    mem_free(mem, set->v, set->cap * sizeof(*v));
    set->v = v;
    set->cap = cap;
    return 0;
}

int ranges_reserve(struct ranges *set, struct mem *mem) { return make_room(set, mem); }

static void insert_at(struct ranges *set, uint16_t i, struct range range)
{
    ASSERT(i <= set->count && set->count < set->cap);
    memmove(set->v + i + 1, set->v + i, (size_t)(set->count - i) * sizeof(*set->v));
    set->v[i] = range;
    set->count++;
}

/* Takes the intervals [i, j) out of the array; `bytes` is the caller's business. */
static void delete_between(struct ranges *set, uint16_t i, uint16_t j)
{
    ASSERT(i <= j && j <= set->count);
    if (i == j) /* v may be NULL */
        return;
    memmove(set->v + i, set->v + j, (size_t)(set->count - j) * sizeof(*set->v));
    set->count = (uint16_t)(set->count - (j - i));
}

static uint64_t sum_between(const struct ranges *set, uint16_t i, uint16_t j)
{
    uint64_t sum = 0;
    for (; i < j; i++)
        sum += set->v[i].end - set->v[i].begin;
    return sum;
}

int ranges_add(struct ranges *set, struct mem *mem, uint64_t begin, uint64_t end)
{
    ASSERT(begin < end && end < UINT64_MAX);
    /* [i, j) are those that overlap or touch: end >= begin of the new one, and begin < end + 1. */
    uint16_t i = first_ending_from(set, begin);
    uint16_t j = first_beginning_from(set, i, end + 1);
    struct range range = {begin, end};
    if (i < j) {
        range.begin = min_u64(begin, set->v[i].begin);
        range.end = max_u64(end, set->v[j - 1].end);
    }
    uint64_t bytes = set->bytes - sum_between(set, i, j) + (range.end - range.begin);
    ASSERT(bytes <= UINT32_MAX); /* positions come from one window, which is far smaller */
    if (i < j) {
        set->v[i] = range;
        delete_between(set, (uint16_t)(i + 1), j);
    } else {
        int error = make_room(set, mem);
        if (error)
            return error;
        insert_at(set, i, range);
    }
    set->bytes = (uint32_t)bytes;
    return 0;
}

int ranges_remove(struct ranges *set, struct mem *mem, uint64_t begin, uint64_t end)
{
    ASSERT(begin <= end);
    if (begin == end)
        return 0;
    /* [i, j) are those of which something goes. */
    uint16_t i = first_ending_from(set, begin + 1);
    uint16_t j = first_beginning_from(set, i, end);
    if (i == j)
        return 0;
    uint64_t before = sum_between(set, i, j);
    struct range left = {set->v[i].begin, begin}, right = {end, set->v[j - 1].end};
    bool keeps_left = left.begin < left.end, keeps_right = right.begin < right.end;
    if (keeps_left && keeps_right && j - i == 1) { /* one becomes two */
        int error = make_room(set, mem);
        if (error)
            return error;
        set->v[i] = left;
        insert_at(set, (uint16_t)(i + 1), right);
        set->bytes -= (uint32_t)(end - begin);
        return 0;
    }
    uint64_t after = 0;
    if (keeps_left) {
        set->v[i++] = left;
        after += left.end - left.begin;
    }
    if (keeps_right) {
        set->v[--j] = right;
        after += right.end - right.begin;
    }
    delete_between(set, i, j);
    set->bytes -= (uint32_t)(before - after);
    return 0;
}

void ranges_trim(struct ranges *set, uint64_t pos)
{
    /* What is taken out starts where an interval does: none is split, so that no memory is needed. */
    if (set->count && set->v[0].begin < pos) {
        int error = ranges_remove(set, NULL, set->v[0].begin, pos);
        ASSERT(error == 0);
    }
}

bool ranges_cover(const struct ranges *set, uint64_t begin, uint64_t end)
{
    ASSERT(begin < end);
    uint16_t i = first_ending_from(set, end);
    return i < set->count && set->v[i].begin <= begin;
}

bool ranges_touch(const struct ranges *set, uint64_t begin, uint64_t end)
{
    ASSERT(begin < end);
    uint16_t i = first_ending_from(set, begin + 1);
    return i < set->count && set->v[i].begin < end;
}

struct range ranges_next(const struct ranges *set, uint64_t begin, uint64_t end)
{
    ASSERT(begin <= end);
    uint16_t i = first_ending_from(set, begin + 1);
    if (i == set->count || set->v[i].begin >= end)
        return (struct range){end, end};
    return (struct range){max_u64(begin, set->v[i].begin), min_u64(end, set->v[i].end)};
}

struct range ranges_gap(const struct ranges *set, uint64_t begin, uint64_t end)
{
    ASSERT(begin <= end);
    uint16_t i = first_ending_from(set, begin + 1);
    if (i < set->count && set->v[i].begin <= begin)
        begin = set->v[i++].end; /* no other touches it: a gap follows */
    if (begin >= end)
        return (struct range){end, end};
    return (struct range){begin, i < set->count ? min_u64(end, set->v[i].begin) : end};
}

void ranges_empty(struct ranges *set)
{
    set->count = 0;
    set->bytes = 0;
}

void ranges_clear(struct ranges *set, struct mem *mem)
{
    mem_free(mem, set->v, set->cap * sizeof(*set->v));
    *set = (struct ranges){0};
}

bool ranges_sound(const struct ranges *set)
{
    if (set->count > set->cap || set->cap > RANGES_MAX || (set->v == NULL) != (set->cap == 0))
        return false;
    for (uint16_t i = 0; i < set->count; i++) {
        if (set->v[i].begin >= set->v[i].end)
            return false;
        if (i > 0 && set->v[i - 1].end >= set->v[i].begin)
            return false;
    }
    return sum_between(set, 0, set->count) == set->bytes;
}
