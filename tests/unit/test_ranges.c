/* test_ranges.c - the interval set against a bitmap. */
#include "test.h"

#include "heap.h"
#include "prng.h"
#include "ranges.h"

#include <errno.h>

#define WIDTH 4096u /* positions in the bitmap */
#define BASE ((1ull << 33) - WIDTH / 2)

/* bit[p - BASE]: whether position p is in the set. */
struct bitmap {
    bool bit[WIDTH];
};

static void paint(struct bitmap *map, uint32_t begin, uint32_t end, bool value)
{
    for (uint32_t i = begin; i < end; i++)
        map->bit[i] = value;
}

static uint32_t count_runs(const struct bitmap *map)
{
    uint32_t runs = map->bit[0];
    for (uint32_t i = 1; i < WIDTH; i++)
        runs += map->bit[i] && !map->bit[i - 1];
    return runs;
}

/* The set is sound, and its intervals are just the runs of the bitmap. */
static void check_same(const struct ranges *set, const struct bitmap *map)
{
    uint32_t runs = 0, bytes = 0;
    assert_true(ranges_sound(set));
    for (uint32_t i = 0; i < WIDTH;) {
        uint32_t begin = i;
        while (i < WIDTH && map->bit[i] == map->bit[begin])
            i++;
        if (!map->bit[begin])
            continue;
        assert_true(runs < set->count);
        assert_int_equal(set->v[runs].begin, BASE + begin);
        assert_int_equal(set->v[runs].end, BASE + i);
        bytes += i - begin;
        runs++;
    }
    assert_int_equal(set->count, runs);
    assert_int_equal(set->bytes, bytes);
}

/* The first run of `value` in [begin, end) of the bitmap, as an interval of positions. */
static struct range run_of(const struct bitmap *map, uint32_t begin, uint32_t end, bool value)
{
    while (begin < end && map->bit[begin] != value)
        begin++;
    uint32_t stop = begin;
    while (stop < end && map->bit[stop] == value)
        stop++;
    return (struct range){BASE + begin, BASE + stop};
}

static void check_questions(const struct ranges *set, const struct bitmap *map, uint32_t begin, uint32_t end)
{
    bool all = true, any = false;
    for (uint32_t i = begin; i < end; i++) {
        all = all && map->bit[i];
        any = any || map->bit[i];
    }
    assert_int_equal(ranges_cover(set, BASE + begin, BASE + end), all);
    assert_int_equal(ranges_touch(set, BASE + begin, BASE + end), any);
    struct range in = run_of(map, begin, end, true), out = run_of(map, begin, end, false);
    struct range next = ranges_next(set, BASE + begin, BASE + end);
    struct range gap = ranges_gap(set, BASE + begin, BASE + end);
    assert_memory_equal(&next, &in, sizeof(in));
    assert_memory_equal(&gap, &out, sizeof(out));
}

/* Adds or removes, and says what must come of it: one interval too many, memory that is needed and refused,
 * or the bitmap's answer.  After an error the set must be what it was. */
static void change(struct ranges *set, struct mem *mem, struct bitmap *map, bool add, uint32_t begin,
                   uint32_t end)
{
    static struct bitmap after;
    struct test_heap *heap = mem->ctx;
    struct ranges before = *set;
    after = *map;
    paint(&after, begin, end, add);
    uint32_t runs = count_runs(&after);
    int expected = 0;
    if (runs > RANGES_MAX)
        expected = -ENOSPC;
    else if (runs > set->cap && heap->fail_all)
        expected = -ENOMEM;
    int got = add ? ranges_add(set, mem, BASE + begin, BASE + end)
                  : ranges_remove(set, mem, BASE + begin, BASE + end);
    assert_int_equal(got, expected);
    if (expected == 0) {
        *map = after;
    } else {
        assert_ptr_equal(set->v, before.v);
        assert_int_equal(set->cap, before.cap);
    }
    check_same(set, map);
    assert_int_equal(mem->used_bytes, set->cap * sizeof(struct range));
}

static void random_interval(struct prng *prng, uint32_t longest, uint32_t *begin, uint32_t *end)
{
    *begin = (uint32_t)prng_below(prng, WIDTH);
    *end = *begin + (uint32_t)prng_between(prng, 1, longest);
    *end = *end < WIDTH ? *end : WIDTH;
}

static void random_run(uint64_t seed, uint32_t longest, int steps, bool crowded)
{
    struct prng prng = prng_seed(seed);
    struct test_heap heap = {0};
    struct mem mem = test_heap_mem(&heap, 1u << 20);
    struct ranges set = {0};
    struct bitmap map = {0};
    uint32_t begin, end;
    for (uint32_t i = 0; crowded && i < RANGES_MAX - 5; i++) {
        begin = 4 * i;
        end = begin + 1 + i % 3;
        assert_int_equal(ranges_add(&set, &mem, BASE + begin, BASE + end), 0);
        paint(&map, begin, end, true);
    }
    unsigned int adds_percent = (unsigned int)prng_between(&prng, 30, 90);
    for (int step = 0; step < steps; step++) {
        heap.fail_all = prng_chance(&prng, 30);
        random_interval(&prng, longest, &begin, &end);
        change(&set, &mem, &map, prng_chance(&prng, adds_percent), begin, end);
        if (!crowded && prng_chance(&prng, 2)) {
            end = (uint32_t)prng_below(&prng, WIDTH);
            ranges_trim(&set, BASE + end);
            paint(&map, 0, end, false);
            check_same(&set, &map);
        }
        random_interval(&prng, 2 * longest, &begin, &end);
        check_questions(&set, &map, begin, end);
    }
    ranges_clear(&set, &mem);
    assert_null(set.v);
    assert_int_equal(set.count + set.cap + set.bytes, 0);
    assert_int_equal(heap.live_blocks, 0);
}

static void ranges__random_changes__match_a_bitmap(void **state)
{
    (void)state;
    static const uint32_t longest[] = {1, 2, 5, 20, 100, 1000};
    for (uint64_t seed = 0; seed < 30; seed++)
        random_run(seed, longest[seed % COUNT_OF(longest)], 300, false);
}

static void ranges__random_changes_near_the_limit__match_a_bitmap(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 110; seed++)
        random_run(seed, 3, 300, true);
}

enum { FIELD = 7 }; /* positions of a field on which everything can be tried, a bit each */

static uint32_t bits_of(const struct ranges *set)
{
    uint32_t bits = 0;
    for (uint16_t i = 0; i < set->count; i++)
        for (uint64_t pos = set->v[i].begin; pos < set->v[i].end; pos++)
            bits |= 1u << (pos - BASE);
    return bits;
}

static void check_small(uint32_t pattern, uint32_t begin, uint32_t end, bool add)
{
    uint32_t mask = ((1u << (end - begin)) - 1) << begin;
    struct test_heap heap = {0};
    struct mem mem = test_heap_mem(&heap, 1u << 20);
    struct ranges set = {0};
    for (uint32_t i = 0; i < FIELD; i++)
        if (pattern >> i & 1)
            assert_int_equal(ranges_add(&set, &mem, BASE + i, BASE + i + 1), 0);
    assert_int_equal(ranges_cover(&set, BASE + begin, BASE + end), (pattern & mask) == mask);
    assert_int_equal(ranges_touch(&set, BASE + begin, BASE + end), (pattern & mask) != 0);
    if (add)
        assert_int_equal(ranges_add(&set, &mem, BASE + begin, BASE + end), 0);
    else
        assert_int_equal(ranges_remove(&set, &mem, BASE + begin, BASE + end), 0);
    assert_true(ranges_sound(&set));
    assert_int_equal(bits_of(&set), add ? pattern | mask : pattern & ~mask);
    ranges_clear(&set, &mem);
}

/* All ways in which intervals can lie apart, touch, overlap and contain each other. */
static void ranges__every_change_of_every_small_set__matches_a_bitmap(void **state)
{
    (void)state;
    for (uint32_t pattern = 0; pattern < 1u << FIELD; pattern++)
        for (uint32_t begin = 0; begin < FIELD; begin++)
            for (uint32_t end = begin + 1; end <= FIELD; end++) {
                check_small(pattern, begin, end, true);
                check_small(pattern, begin, end, false);
            }
}

static void ranges__neighbours__become_one(void **state)
{
    (void)state;
    struct test_heap heap = {0};
    struct mem mem = test_heap_mem(&heap, 1u << 20);
    struct ranges set = {0};
    assert_int_equal(ranges_add(&set, &mem, 100, 200), 0);
    assert_int_equal(ranges_add(&set, &mem, 300, 400), 0);
    assert_int_equal(set.count, 2);
    assert_int_equal(ranges_add(&set, &mem, 200, 300), 0);
    assert_int_equal(set.count, 1);
    assert_int_equal(set.v[0].begin, 100);
    assert_int_equal(set.v[0].end, 400);
    assert_int_equal(set.bytes, 300);
    ranges_clear(&set, &mem);
}

static void fill_to_the_limit(struct ranges *set, struct mem *mem)
{
    for (uint64_t i = 0; i < RANGES_MAX; i++)
        assert_int_equal(ranges_add(set, mem, BASE + 10 * i, BASE + 10 * i + 4), 0);
    assert_int_equal(set->count, RANGES_MAX);
}

static void ranges__at_the_limit__one_more_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    struct test_heap heap = {0};
    struct mem mem = test_heap_mem(&heap, 1u << 20);
    struct ranges set = {0};
    static struct range before[RANGES_MAX];
    fill_to_the_limit(&set, &mem);
    memcpy(before, set.v, sizeof(before));
    uint64_t calls = heap.calls;
    assert_int_equal(ranges_add(&set, &mem, BASE - 5, BASE - 1), -ENOSPC);
    assert_int_equal(ranges_add(&set, &mem, BASE + 5, BASE + 9), -ENOSPC);
    assert_int_equal(ranges_add(&set, &mem, BASE + 20000, BASE + 20001), -ENOSPC);
    assert_int_equal(ranges_remove(&set, &mem, BASE + 1, BASE + 2), -ENOSPC);
    assert_memory_equal(set.v, before, sizeof(before));
    assert_int_equal(set.count, RANGES_MAX);
    assert_int_equal(set.bytes, 4 * RANGES_MAX);
    assert_true(ranges_sound(&set));
    assert_int_equal(heap.calls, calls);
    /* What needs no further interval is still possible: growing one, shrinking one, merging two. */
    assert_int_equal(ranges_add(&set, &mem, BASE + 4, BASE + 5), 0);
    assert_int_equal(ranges_remove(&set, &mem, BASE, BASE + 1), 0);
    assert_int_equal(ranges_add(&set, &mem, BASE + 5, BASE + 10), 0);
    assert_int_equal(set.count, RANGES_MAX - 1);
    assert_int_equal(ranges_add(&set, &mem, BASE - 5, BASE - 1), 0);
    assert_true(ranges_sound(&set));
    ranges_clear(&set, &mem);
}

static void ranges__without_memory__what_needs_none_still_works(void **state)
{
    (void)state;
    struct test_heap heap = {0};
    struct mem mem = test_heap_mem(&heap, 1u << 20);
    struct ranges set = {0};
    heap.fail_all = true;
    assert_int_equal(ranges_add(&set, &mem, 1, 2), -ENOMEM);
    assert_null(set.v);
    assert_int_equal(set.count + set.cap + set.bytes, 0);
    heap.fail_all = false;
    for (uint64_t pos = 0; set.count < set.cap || pos == 0; pos += 10) /* until the next one needs memory */
        assert_int_equal(ranges_add(&set, &mem, pos, pos + 5), 0);
    heap.fail_all = true;
    uint32_t bytes = set.bytes;
    uint16_t count = set.count;
    assert_int_equal(ranges_remove(&set, &mem, 2, 3), -ENOMEM); /* a split */
    assert_int_equal(ranges_add(&set, &mem, 6, 9), -ENOMEM);
    assert_int_equal(set.bytes, bytes);
    assert_int_equal(set.count, count);
    assert_int_equal(ranges_remove(&set, &mem, 0, 1), 0);
    assert_int_equal(ranges_remove(&set, &mem, 3, 12), 0);
    assert_int_equal(ranges_add(&set, &mem, 3, 12), 0);
    ranges_trim(&set, 14);
    assert_int_equal(set.v[0].begin, 14);
    ranges_trim(&set, 1000);
    assert_int_equal(set.count + set.bytes, 0);
    assert_true(ranges_sound(&set));
    heap.fail_all = false;
    ranges_clear(&set, &mem);
}

static void ranges__reserved_room__is_there_without_memory(void **state)
{
    struct test_heap heap = {.fail_all = true};
    struct mem mem = test_heap_mem(&heap, SIZE_MAX);
    struct ranges set = {0};
    (void)state;
    assert_int_equal(ranges_reserve(&set, &mem), -ENOMEM);
    heap.fail_all = false;
    assert_int_equal(ranges_reserve(&set, &mem), 0);
    heap.fail_all = true;
    for (uint64_t pos = 10; pos < 100; pos += 10) { /* emptied, it is still there */
        assert_int_equal(ranges_reserve(&set, &mem), 0);
        assert_int_equal(ranges_add(&set, &mem, pos, pos + 5), 0);
        ranges_trim(&set, pos + 5);
    }
    assert_int_equal(ranges_add(&set, &mem, 10, 20), 0);
    ranges_empty(&set);
    assert_true(ranges_sound(&set));
    assert_false(ranges_touch(&set, 0, 100));
    assert_int_equal(ranges_add(&set, &mem, 30, 40), 0);
    ranges_clear(&set, &mem);
    assert_int_equal(heap.live_blocks, 0);
}

static void ranges__empty_set__holds_nothing(void **state)
{
    (void)state;
    struct test_heap heap = {.fail_all = true};
    struct mem mem = test_heap_mem(&heap, 0);
    struct ranges set = {0};
    assert_true(ranges_sound(&set));
    assert_false(ranges_cover(&set, 0, 1));
    assert_false(ranges_touch(&set, 0, UINT64_MAX));
    assert_int_equal(ranges_next(&set, 3, 9).begin, 9);
    assert_int_equal(ranges_gap(&set, 3, 9).begin, 3);
    assert_int_equal(ranges_gap(&set, 3, 9).end, 9);
    assert_int_equal(ranges_gap(&set, 9, 9).end, 9);
    assert_int_equal(ranges_remove(&set, &mem, 0, UINT64_MAX), 0);
    ranges_trim(&set, UINT64_MAX);
    ranges_clear(&set, &mem);
    assert_int_equal(heap.calls, 0);
}

static void ranges__broken_structure__is_not_sound(void **state)
{
    (void)state;
    struct range v[4] = {{10, 20}, {30, 40}, {50, 60}};
    const struct ranges good = {.v = v, .count = 3, .cap = 4, .bytes = 30};
    struct ranges bad = good;
    assert_true(ranges_sound(&good));
    bad.bytes = 31;
    assert_false(ranges_sound(&bad));
    bad = good;
    bad.cap = 2;
    assert_false(ranges_sound(&bad));
    bad = good;
    bad.cap = RANGES_MAX + 1;
    assert_false(ranges_sound(&bad));
    bad = (struct ranges){.v = v};
    assert_false(ranges_sound(&bad));
    bad = (struct ranges){.cap = 4};
    assert_false(ranges_sound(&bad));
    static const struct range wrong_middle[] = {
        {20, 30}, /* touches the first */
        {40, 50}, /* touches the last */
        {19, 29}, /* overlaps */
        {5, 15},  /* not sorted */
        {30, 30}, /* empty */
        {40, 30}, /* inside out */
    };
    for (size_t i = 0; i < COUNT_OF(wrong_middle); i++) {
        v[1] = wrong_middle[i];
        bad = good;
        bad.bytes = (uint32_t)(20 + v[1].end - v[1].begin);
        assert_false(ranges_sound(&bad));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges__random_changes__match_a_bitmap),
        cmocka_unit_test(ranges__random_changes_near_the_limit__match_a_bitmap),
        cmocka_unit_test(ranges__every_change_of_every_small_set__matches_a_bitmap),
        cmocka_unit_test(ranges__neighbours__become_one),
        cmocka_unit_test(ranges__at_the_limit__one_more_is_refused_and_changes_nothing),
        cmocka_unit_test(ranges__without_memory__what_needs_none_still_works),
        cmocka_unit_test(ranges__reserved_room__is_there_without_memory),
        cmocka_unit_test(ranges__empty_set__holds_nothing),
        cmocka_unit_test(ranges__broken_structure__is_not_sound),
    };
    return cmocka_run_group_tests_name("ranges", tests, NULL, NULL);
}
