/* test_seq.c - sequence numbers, unwrapped and compared.  RFC 9293 3.4. */
#include "test.h"

#include "prng.h"
#include "seq.h"

static uint64_t distance(uint64_t a, uint64_t b) { return a > b ? a - b : b - a; }

/* Tries all candidates in reach: those with the upper half of `near`, one less and one more. */
static uint64_t naive_distance(uint64_t near, uint32_t wire)
{
    uint64_t best = UINT64_MAX;
    for (uint64_t upper = (near >> 32) - 1; upper <= (near >> 32) + 1; upper++) {
        uint64_t d = distance(near, upper << 32 | wire);
        best = d < best ? d : best;
    }
    return best;
}

static void check_unwrap(uint64_t near, uint32_t wire)
{
    uint64_t got = seq_unwrap(near, wire);
    assert_int_equal((uint32_t)got, wire);
    assert_int_equal(distance(got, near), naive_distance(near, wire));
}

static void seq__unwrap_near_a_wrap__crosses_it(void **state)
{
    (void)state;
    assert_int_equal(seq_unwrap(0x1fffffff0, 0x10), 0x200000010);
    assert_int_equal(seq_unwrap(0x200000010, 0xfffffff0), 0x1fffffff0);
    assert_int_equal(seq_unwrap(0x200000000, 0xffffffff), 0x1ffffffff);
    assert_int_equal(seq_unwrap(0x1ffffffff, 0), 0x200000000);
}

static void seq__unwrap_half_a_space_away__is_exact_to_one(void **state)
{
    (void)state;
    uint64_t near = 0x580001234;
    assert_int_equal(seq_unwrap(near, (uint32_t)(near + 0x7fffffff)), near + 0x7fffffff);
    assert_int_equal(seq_unwrap(near, (uint32_t)(near - 0x7fffffff)), near - 0x7fffffff);
}

static void seq__unwrap_below_the_first_number__does_not_go_below_zero(void **state)
{
    (void)state;
    /* The lowest initial number, and the farthest wire number below it. */
    assert_int_equal(seq_unwrap(SEQ_BASE, 0x80000000), 0x80000000);
    assert_int_equal(seq_unwrap(SEQ_BASE, 0xffffffff), SEQ_BASE - 1);
}

static void seq__unwrap__is_congruent_and_nearest(void **state)
{
    (void)state;
    struct prng prng = prng_seed(1);
    for (int i = 0; i < 200000; i++) {
        uint64_t near = prng_between(&prng, SEQ_BASE, SEQ_BASE << 8);
        if (i % 2) /* close to a wrap */
            near = (prng_between(&prng, 2, 256) << 32) + prng_below(&prng, 64) - 32;
        check_unwrap(near, prng_u32(&prng));
        check_unwrap(near, (uint32_t)(near + prng_below(&prng, 256) - 128));
    }
}

static void seq__edges_against_edges__unwrap_to_the_nearest(void **state)
{
    (void)state;
    static const uint32_t edge[] = {0,          1,          2,          0x7ffffffe, 0x7fffffff,
                                    0x80000000, 0x80000001, 0xfffffffe, 0xffffffff};
    for (size_t i = 0; i < COUNT_OF(edge); i++)
        for (size_t k = 0; k < COUNT_OF(edge); k++)
            for (uint64_t upper = 1; upper < 4; upper++)
                check_unwrap(upper << 32 | edge[i], edge[k]);
}

static void seq__after32__holds_for_less_than_half_the_space(void **state)
{
    (void)state;
    struct prng prng = prng_seed(2);
    static const uint32_t ahead[] = {1, 2, 1000, 0x7ffffffe, 0x7fffffff};
    for (int i = 0; i < 20000; i++) {
        uint32_t b = i < 10 ? (uint32_t)i - 5 : prng_u32(&prng);
        assert_false(seq_after32(b, b));
        for (size_t k = 0; k < COUNT_OF(ahead); k++) {
            assert_true(seq_after32(b + ahead[k], b));
            assert_false(seq_after32(b, b + ahead[k]));
        }
        uint32_t d = (uint32_t)prng_between(&prng, 1, 0x7fffffff);
        assert_true(seq_after32(b + d, b));
        assert_false(seq_after32(b, b + d));
    }
}

static void seq__after32_at_exactly_half__holds_in_neither_direction(void **state)
{
    (void)state;
    assert_false(seq_after32(0x80000000, 0));
    assert_false(seq_after32(0, 0x80000000));
    assert_false(seq_after32(0x90000000, 0x10000000));
    assert_false(seq_after32(0x10000000, 0x90000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seq__unwrap_near_a_wrap__crosses_it),
        cmocka_unit_test(seq__unwrap_half_a_space_away__is_exact_to_one),
        cmocka_unit_test(seq__unwrap_below_the_first_number__does_not_go_below_zero),
        cmocka_unit_test(seq__unwrap__is_congruent_and_nearest),
        cmocka_unit_test(seq__edges_against_edges__unwrap_to_the_nearest),
        cmocka_unit_test(seq__after32__holds_for_less_than_half_the_space),
        cmocka_unit_test(seq__after32_at_exactly_half__holds_in_neither_direction),
    };
    return cmocka_run_group_tests_name("seq", tests, NULL, NULL);
}
