/* test_ring.c - the byte ring against a flat array that is addressed by the same positions. */
#include "test.h"

#include "heap.h"
#include "prng.h"
#include "ring.h"

#include <errno.h>

#define ROOM (1u << 20)

static void ring__first_byte__brings_4_kib(void **state)
{
    (void)state;
    struct test_heap heap = {0};
    struct mem mem = test_heap_mem(&heap, ROOM);
    struct ring ring = {0};
    assert_int_equal(ring_reserve(&ring, &mem, 7, 7, 1, ROOM), 0);
    assert_int_equal(ring.cap, 4096);
    ring_free(&ring, &mem);
    assert_null(ring.buf);
    assert_int_equal(ring.cap, 0);
    assert_int_equal(mem.used_bytes, 0);
    assert_int_equal(heap.live_blocks, 0);
    ring_free(&ring, &mem); /* an empty ring may be freed too */
}

static void ring__capacity__doubles_up_to_the_limit(void **state)
{
    (void)state;
    static const struct {
        uint32_t need, limit, cap;
    } cases[] = {
        {1, 4096, 4096},
        {4096, ROOM, 4096},
        {4097, ROOM, 8192},
        {8193, ROOM, 16384},
        {1, 1, 1},
        {100, 2048, 2048},
        {4097, 5000, 5000},
        {5000, 5000, 5000},
        {70000, 131071, 131071},
        {65537, ROOM, 131072},
        {ROOM - 1, ROOM, ROOM},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct test_heap heap = {0};
        struct mem mem = test_heap_mem(&heap, ROOM);
        struct ring ring = {0};
        assert_int_equal(ring_reserve(&ring, &mem, 0, 0, cases[i].need, cases[i].limit), 0);
        assert_int_equal(ring.cap, cases[i].cap);
        assert_int_equal(mem.used_bytes, cases[i].cap);
        ring_free(&ring, &mem);
    }
}

static void ring__largest_need__asks_for_the_limit(void **state)
{
    (void)state;
    struct test_heap heap = {.fail_all = true};
    struct mem mem = test_heap_mem(&heap, SIZE_MAX);
    struct ring ring = {0};
    assert_int_equal(ring_reserve(&ring, &mem, 0, 0, 0x80000001, UINT32_MAX), -ENOMEM);
    assert_int_equal(heap.last_size, UINT32_MAX); /* the next power of two does not fit in 32 bits */
}

static void ring__enough_room__is_left_alone(void **state)
{
    (void)state;
    struct test_heap heap = {0};
    struct mem mem = test_heap_mem(&heap, ROOM);
    struct ring ring = {0};
    assert_int_equal(ring_reserve(&ring, &mem, 0, 0, 0, 0), 0);
    assert_int_equal(heap.calls, 0);
    assert_int_equal(ring_reserve(&ring, &mem, 0, 0, 5000, ROOM), 0);
    assert_int_equal(ring_reserve(&ring, &mem, 0, 8192, 8192, ROOM), 0);
    assert_int_equal(ring_reserve(&ring, &mem, 0, 0, 10, 10), 0); /* a lower limit does not shrink it */
    assert_int_equal(heap.calls, 1);
    assert_int_equal(ring.cap, 8192);
    ring_free(&ring, &mem);
}

static void ring__write_across_the_end__wraps(void **state)
{
    (void)state;
    struct test_heap heap = {0};
    struct mem mem = test_heap_mem(&heap, ROOM);
    struct ring ring = {0};
    const uint64_t pos = (5ull << 32) + 4093; /* 2^32 is a multiple of 4096 */
    uint8_t back[6] = {0};
    assert_int_equal(ring_reserve(&ring, &mem, pos, pos, 6, ROOM), 0);
    ring_write(&ring, pos, "abcdef", 6);
    assert_memory_equal(ring.buf + 4093, "abc", 3);
    assert_memory_equal(ring.buf, "def", 3);
    ring_read(&ring, pos, back, 6);
    assert_memory_equal(back, "abcdef", 6);

    struct rill_slice slice[2];
    ring_slices(&ring, pos, 6, slice);
    assert_ptr_equal(slice[0].data, ring.buf + 4093);
    assert_int_equal(slice[0].len, 3);
    assert_ptr_equal(slice[1].data, ring.buf);
    assert_int_equal(slice[1].len, 3);
    ring_slices(&ring, pos, 3, slice); /* just up to the end: in one piece */
    assert_int_equal(slice[0].len, 3);
    assert_int_equal(slice[1].len, 0);
    ring_free(&ring, &mem);
}

static void ring__nothing__may_be_copied_even_without_memory(void **state)
{
    (void)state;
    struct ring ring = {0};
    struct rill_slice slice[2];
    ring_write(&ring, SIZE_MAX / 2, NULL, 0);
    ring_read(&ring, SIZE_MAX / 2, NULL, 0);
    ring_slices(&ring, SIZE_MAX / 2, 0, slice);
    assert_int_equal(slice[0].len + slice[1].len, 0);
}

static void ring__growth_with_data_across_the_wrap__keeps_every_byte(void **state)
{
    (void)state;
    struct prng prng = prng_seed(7);
    static uint8_t data[4096], back[4096];
    prng_fill(&prng, data, sizeof(data));
    for (uint64_t off = 0; off < 4096; off += 17) {
        struct test_heap heap = {0};
        struct mem mem = test_heap_mem(&heap, ROOM);
        struct ring ring = {0};
        const uint64_t pos = (3ull << 32) + 4096 + off;
        assert_int_equal(ring_reserve(&ring, &mem, pos, pos, 4096, ROOM), 0);
        ring_write(&ring, pos, data, 4096);
        assert_int_equal(ring_reserve(&ring, &mem, pos, pos + 4096, 4097, off % 2 ? ROOM : 7001), 0);
        assert_int_equal(ring.cap, off % 2 ? 8192 : 7001);
        assert_int_equal(heap.live_blocks, 1); /* the old memory is gone */
        ring_read(&ring, pos, back, 4096);
        assert_memory_equal(back, data, 4096);
        ring_free(&ring, &mem);
    }
}

static void ring__growth_without_memory__changes_nothing(void **state)
{
    (void)state;
    struct test_heap heap = {0};
    struct mem mem = test_heap_mem(&heap, 10000);
    struct ring ring = {0};
    uint8_t back[4];
    heap.fail_nth = 1;
    assert_int_equal(ring_reserve(&ring, &mem, 0, 0, 1, ROOM), -ENOMEM);
    assert_null(ring.buf);
    assert_int_equal(ring.cap, 0);
    assert_int_equal(ring_reserve(&ring, &mem, 0, 0, 1, ROOM), 0);
    ring_write(&ring, 4094, "data", 4);
    struct ring before = ring;
    heap.fail_nth = 1;
    assert_int_equal(ring_reserve(&ring, &mem, 4094, 4098, 5000, ROOM), -ENOMEM);
    assert_ptr_equal(ring.buf, before.buf);
    assert_int_equal(ring.cap, before.cap);
    assert_int_equal(ring_reserve(&ring, &mem, 4094, 4098, 5000, ROOM), -ENOMEM); /* now it is the cap */
    assert_ptr_equal(ring.buf, before.buf);
    assert_int_equal(ring.cap, before.cap);
    ring_read(&ring, 4094, back, 4);
    assert_memory_equal(back, "data", 4);
    ring_free(&ring, &mem);
    assert_int_equal(heap.live_blocks, 0);
}

/* The stream as the ring's owner sees it: flat[pos - base] for every position in use, [begin, end). */
struct stream {
    uint64_t base, begin, end;
    uint8_t flat[1u << 17];
};

static void check_content(const struct ring *ring, const struct stream *s, uint64_t pos, uint32_t len)
{
    static uint8_t back[1u << 17];
    const uint8_t *expected = s->flat + (pos - s->base);
    struct rill_slice slice[2];
    ring_read(ring, pos, back, len);
    assert_memory_equal(back, expected, len);
    ring_slices(ring, pos, len, slice);
    assert_int_equal(slice[0].len + slice[1].len, len);
    if (slice[0].len)
        assert_memory_equal(slice[0].data, expected, slice[0].len);
    if (slice[1].len)
        assert_memory_equal(slice[1].data, expected + slice[0].len, slice[1].len);
}

/* One thing that an owner may do: append, write again somewhere, consume, or look. */
static void random_step(struct prng *prng, struct ring *ring, struct mem *mem, struct stream *s,
                        uint32_t limit)
{
    uint32_t used = (uint32_t)(s->end - s->begin);
    uint64_t left = s->base + sizeof(s->flat) - s->end;
    uint32_t len = (uint32_t)prng_below(prng, limit - used + 1), off;
    if (prng_chance(prng, 70))
        len %= 600;
    switch (prng_below(prng, 4)) {
    case 0: /* append */
        len = len < left ? len : (uint32_t)left;
        if (ring_reserve(ring, mem, s->begin, s->end, used + len, limit) != 0)
            return;
        prng_fill(prng, s->flat + (s->end - s->base), len);
        ring_write(ring, s->end, s->flat + (s->end - s->base), len);
        s->end += len;
        return;
    case 1: /* write again */
        off = (uint32_t)prng_below(prng, used + 1);
        len = (uint32_t)prng_below(prng, used - off + 1);
        prng_fill(prng, s->flat + (s->begin - s->base) + off, len);
        ring_write(ring, s->begin + off, s->flat + (s->begin - s->base) + off, len);
        return;
    case 2: /* consume */
        s->begin += prng_below(prng, used + 1);
        return;
    default:
        off = (uint32_t)prng_below(prng, used + 1);
        check_content(ring, s, s->begin + off, (uint32_t)prng_below(prng, used - off + 1));
    }
}

static void ring__random_use__matches_a_flat_array(void **state)
{
    (void)state;
    static struct stream stream;
    static const uint32_t limits[] = {1, 2, 1000, 4096, 4097, 5000, 10000, 12288, 30011, 65536};
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct prng prng = prng_seed(seed);
        struct test_heap heap = {0};
        struct mem mem = test_heap_mem(&heap, ROOM);
        struct ring ring = {0};
        uint32_t limit = limits[seed % COUNT_OF(limits)];
        /* Some streams cross a multiple of 2^32, where the 32-bit remainder would jump. */
        uint64_t base = prng_between(&prng, 1ull << 32, 1ull << 40);
        base = seed % 3 ? base : (((base >> 32) + 1) << 32) - prng_below(&prng, 20000);
        stream.base = stream.begin = stream.end = base;
        for (int step = 0; step < 400; step++) {
            heap.fail_all = prng_chance(&prng, 20);
            random_step(&prng, &ring, &mem, &stream, limit);
            assert_true(ring.cap <= limit);
            assert_int_equal(mem.used_bytes, ring.cap);
            check_content(&ring, &stream, stream.begin, (uint32_t)(stream.end - stream.begin));
        }
        ring_free(&ring, &mem);
        assert_int_equal(heap.live_blocks, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring__first_byte__brings_4_kib),
        cmocka_unit_test(ring__capacity__doubles_up_to_the_limit),
        cmocka_unit_test(ring__largest_need__asks_for_the_limit),
        cmocka_unit_test(ring__enough_room__is_left_alone),
        cmocka_unit_test(ring__write_across_the_end__wraps),
        cmocka_unit_test(ring__nothing__may_be_copied_even_without_memory),
        cmocka_unit_test(ring__growth_with_data_across_the_wrap__keeps_every_byte),
        cmocka_unit_test(ring__growth_without_memory__changes_nothing),
        cmocka_unit_test(ring__random_use__matches_a_flat_array),
    };
    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
