/* test_mem.c - the accounted and capped allocator. */
#include "test.h"

#include "heap.h"
#include "mem.h"
#include "prng.h"

static void mem__fresh_block__is_zero(void **state)
{
    (void)state;
    struct test_heap heap = {0};
    struct mem mem = test_heap_mem(&heap, 4096);
    uint8_t *block = mem_alloc(&mem, 1000);
    assert_non_null(block);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(block[i], 0);
    mem_free(&mem, block, 1000);
    assert_int_equal(heap.live_bytes, 0);
}

static void mem__cap__is_reached_but_not_passed(void **state)
{
    (void)state;
    struct test_heap heap = {0};
    struct mem mem = test_heap_mem(&heap, 100);
    assert_null(mem_alloc_raw(&mem, 101));
    void *first = mem_alloc_raw(&mem, 60);
    assert_non_null(first);
    assert_null(mem_alloc(&mem, 41));
    void *second = mem_alloc(&mem, 40);
    assert_non_null(second);
    assert_int_equal(mem.used_bytes, 100);
    assert_null(mem_alloc_raw(&mem, 1));
    assert_int_equal(heap.calls, 2); /* what the cap refuses does not reach the allocator */
    mem_free(&mem, first, 60);
    assert_int_equal(mem.used_bytes, 40);
    first = mem_alloc_raw(&mem, 60);
    assert_non_null(first);
    mem_free(&mem, first, 60);
    mem_free(&mem, second, 40);
}

static void mem__size_that_would_wrap_the_account__is_refused(void **state)
{
    (void)state;
    struct test_heap heap = {.fail_all = true};
    struct mem mem = test_heap_mem(&heap, 100);
    mem.used_bytes = 50;
    assert_null(mem_alloc_raw(&mem, SIZE_MAX));
    assert_null(mem_alloc_raw(&mem, SIZE_MAX - 49)); /* 50 + this is 0 */
    assert_int_equal(heap.calls, 0);
}

static void mem__lowered_cap__refuses_until_enough_is_back(void **state)
{
    (void)state;
    struct test_heap heap = {0};
    struct mem mem = test_heap_mem(&heap, 100);
    void *block = mem_alloc_raw(&mem, 80);
    mem.cap_bytes = 50;
    assert_null(mem_alloc_raw(&mem, 1));
    mem_free(&mem, block, 80);
    block = mem_alloc_raw(&mem, 50);
    assert_non_null(block);
    mem_free(&mem, block, 50);
}

static void mem__allocator_that_fails__is_not_charged(void **state)
{
    (void)state;
    struct test_heap heap = {.fail_nth = 2};
    struct mem mem = test_heap_mem(&heap, 100);
    void *first = mem_alloc(&mem, 10);
    assert_non_null(first);
    assert_null(mem_alloc(&mem, 20));
    assert_int_equal(mem.used_bytes, 10);
    void *third = mem_alloc(&mem, 30);
    assert_non_null(third);
    assert_int_equal(mem.used_bytes, 40);
    mem_free(&mem, first, 10);
    mem_free(&mem, third, 30);
    assert_int_equal(mem.used_bytes, 0);
}

static void mem__nothing_freed__is_allowed(void **state)
{
    (void)state;
    struct test_heap heap = {0};
    struct mem mem = test_heap_mem(&heap, 100);
    mem_free(&mem, NULL, 0); /* the heap would end the program if this reached it */
    assert_int_equal(mem.used_bytes, 0);
}

static void mem__random_traffic__matches_a_sum(void **state)
{
    (void)state;
    enum { SLOTS = 16, CAP = 2000 };
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct prng prng = prng_seed(seed);
        struct test_heap heap = {0};
        struct mem mem = test_heap_mem(&heap, CAP);
        void *block[SLOTS] = {0};
        size_t size[SLOTS] = {0}, sum = 0;
        for (int step = 0; step < 500; step++) {
            size_t i = prng_below(&prng, SLOTS);
            if (block[i]) {
                mem_free(&mem, block[i], size[i]);
                sum -= size[i];
                block[i] = NULL;
            } else {
                size[i] = prng_between(&prng, 1, 400);
                bool refuse = prng_chance(&prng, 10);
                heap.fail_nth = refuse;
                block[i] = mem_alloc_raw(&mem, size[i]);
                heap.fail_nth = 0;
                assert_int_equal(block[i] != NULL, !refuse && sum + size[i] <= CAP);
                if (block[i])
                    sum += size[i];
            }
            assert_int_equal(mem.used_bytes, sum);
            assert_int_equal(heap.live_bytes, sum);
        }
        for (size_t i = 0; i < SLOTS; i++)
            if (block[i])
                mem_free(&mem, block[i], size[i]);
        assert_int_equal(heap.live_blocks, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mem__fresh_block__is_zero),
        cmocka_unit_test(mem__cap__is_reached_but_not_passed),
        cmocka_unit_test(mem__size_that_would_wrap_the_account__is_refused),
        cmocka_unit_test(mem__lowered_cap__refuses_until_enough_is_back),
        cmocka_unit_test(mem__allocator_that_fails__is_not_charged),
        cmocka_unit_test(mem__nothing_freed__is_allowed),
        cmocka_unit_test(mem__random_traffic__matches_a_sum),
    };
    return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
