/* test_rtt.c - the estimator against RFC 6298 in floating point. */
#include "test.h"

#include "prng.h"
#include "rtt.h"

#define MIN_US 1u
#define MAX_US UINT32_MAX

/* RFC 6298 2.2 and 2.3 to the letter, in microseconds; G = 1. */
struct model {
    double srtt, rttvar, rto;
    bool sampled;
};

static double magnitude(double x) { return x < 0 ? -x : x; }

static void model_sample(struct model *m, double r)
{
    if (!m->sampled) {
        m->srtt = r;
        m->rttvar = r / 2;
        m->sampled = true;
    } else {
        m->rttvar = 0.75 * m->rttvar + 0.25 * magnitude(m->srtt - r);
        m->srtt = 0.875 * m->srtt + 0.125 * r;
    }
    m->rto = m->srtt + (4 * m->rttvar > 1 ? 4 * m->rttvar : 1);
}

/* Rounding to an eighth errs by half an eighth per sample, of which 7/8 remain: 1/2 us at most in SRTT.
 * RTTVAR errs by that 1/2 us and half a quarter per sample, of which 3/4 remain: (1/2 / 4 + 1/8) / (1/4) = 1
 * us at most. RTO = SRTT, rounded up to a microsecond, + 4 RTTVAR. */
static void check_close(const struct rtt *rtt, const struct model *m)
{
    const double float_error = 1e-3; /* 2^28 has 24 more bits */
    assert_true(magnitude(rtt->srtt_8us / 8.0 - m->srtt) <= 0.5 + float_error);
    assert_true(magnitude(rtt->rttvar_4us / 4.0 - m->rttvar) <= 1.0 + float_error);
    assert_true(rtt->rto_us >= m->rto - 4.5 - float_error);
    assert_true(rtt->rto_us < m->rto + 5.5 + float_error);
}

/* Samples as different paths give them: a TUN's, a LAN's, a satellite's, a queue that builds up, and
 * nonsense. */
static uint64_t random_sample(struct prng *prng, uint64_t *level)
{
    if (prng_chance(prng, 1))
        *level = 1ull << prng_below(prng, 28);
    if (prng_chance(prng, 1))
        return prng_between(prng, 1, (1u << 28) - 1);
    return *level + prng_below(prng, *level / 4 + 3);
}

static void rtt__before_a_sample__timeout_is_one_second(void **state)
{
    (void)state;
    struct rtt rtt;
    memset(&rtt, 0xa5, sizeof(rtt));
    rtt_init(&rtt);
    assert_int_equal(rtt_rto_us(&rtt, MAX_US), 1000000);
    assert_int_equal(rtt_srtt_us(&rtt), 0);
    assert_int_equal(rtt_var_us(&rtt), 0);
}

static void rtt__before_a_sample__backs_off_all_the_same(void **state)
{
    (void)state;
    struct rtt rtt; /* RFC 6298 2.1: "though the backing off (...) still applies" */
    rtt_init(&rtt);
    rtt_back_off(&rtt);
    rtt_back_off(&rtt);
    assert_int_equal(rtt_rto_us(&rtt, MAX_US), 4000000);
}

static void rtt__first_sample__is_srtt_and_half_of_it_rttvar(void **state)
{
    (void)state;
    struct rtt rtt;
    rtt_init(&rtt);
    rtt_sample(&rtt, 100000, MIN_US, MAX_US);
    assert_int_equal(rtt_srtt_us(&rtt), 100000);
    assert_int_equal(rtt_var_us(&rtt), 50000);
    assert_int_equal(rtt_rto_us(&rtt, MAX_US), 300000); /* R + 4 R/2 */
}

static void rtt__second_sample__rttvar_uses_the_old_srtt(void **state)
{
    (void)state;
    struct rtt rtt;
    rtt_init(&rtt);
    rtt_sample(&rtt, 80000, MIN_US, MAX_US);
    rtt_sample(&rtt, 160000, MIN_US, MAX_US);
    assert_int_equal(rtt_var_us(&rtt),
                     50000); /* 3/4 40000 + 1/4 |80000 - 160000|; the new SRTT would give 47500 */
    assert_int_equal(rtt_srtt_us(&rtt), 90000); /* 7/8 80000 + 1/8 160000 */
    assert_int_equal(rtt_rto_us(&rtt, MAX_US), 290000);
}

static void rtt__fraction_of_a_microsecond__is_waited_for_as_a_whole_one(void **state)
{
    (void)state;
    struct rtt rtt;
    rtt_init(&rtt);
    rtt_sample(&rtt, 8, MIN_US, MAX_US);
    rtt_sample(&rtt, 9, MIN_US, MAX_US);
    /* RTTVAR = 3/4 4 + 1/4 1, SRTT = 7/8 8 + 1/8 9, RTO = 8.125 + 4 x 3.25 = 21.125; RFC 6298 5: never too
     * early */
    assert_int_equal(rtt_rto_us(&rtt, MAX_US), 22);
}

/* A rounding that always goes one way would add up: its mean of 7/16 of a unit per sample, of which 3/4
 * remain, makes 0.44 us of RTTVAR; of which 7/8 remain, 0.44 us of SRTT.  To the nearest, only halves go one
 * way: 0.06 us. */
static void rtt__rounding__does_not_drift(void **state)
{
    (void)state;
    enum { SAMPLES = 100000 };
    struct prng prng = prng_seed(8);
    struct rtt rtt;
    struct model model = {0};
    double srtt_error = 0, rttvar_error = 0;
    rtt_init(&rtt);
    for (int i = 0; i < SAMPLES; i++) {
        uint64_t r_us = prng_between(&prng, 1000, 2000);
        rtt_sample(&rtt, r_us, MIN_US, MAX_US);
        model_sample(&model, (double)r_us);
        srtt_error += rtt.srtt_8us / 8.0 - model.srtt;
        rttvar_error += rtt.rttvar_4us / 4.0 - model.rttvar;
    }
    assert_true(magnitude(srtt_error / SAMPLES) < 0.1);
    assert_true(magnitude(rttvar_error / SAMPLES) < 0.1);
}

static void rtt__million_samples__stay_with_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct prng prng = prng_seed(seed);
        uint64_t level = 1ull << prng_below(&prng, 28);
        struct rtt rtt;
        struct model model = {0};
        rtt_init(&rtt);
        for (int i = 0; i < 50000; i++) {
            uint64_t r_us = random_sample(&prng, &level);
            r_us = r_us < 1u << 28 ? r_us : (1u << 28) - 1;
            rtt_sample(&rtt, r_us, MIN_US, MAX_US);
            model_sample(&model, (double)r_us);
            check_close(&rtt, &model);
        }
    }
}

static void rtt__constant_path__timeout_converges_to_it(void **state)
{
    (void)state;
    static const uint32_t path_us[] = {1, 2, 3, 7, 60, 1000, 1000001, 1u << 28};
    for (size_t k = 0; k < COUNT_OF(path_us); k++) {
        struct rtt rtt;
        rtt_init(&rtt);
        for (int i = 0; i < 200; i++)
            rtt_sample(&rtt, path_us[k], MIN_US, MAX_US);
        assert_int_equal(rtt_srtt_us(&rtt), path_us[k]);
        /* RFC 6298 4: where K * RTTVAR vanishes, G takes its place. */
        assert_in_range(rtt_rto_us(&rtt, MAX_US), path_us[k] + 1, path_us[k] + 3);
    }
}

static void rtt__no_variance_at_all__leaves_one_tick(void **state)
{
    (void)state;
    struct rtt rtt = {.srtt_8us = 8 * 1000}; /* made by hand: rounding keeps the real one above 0 */
    rtt_sample(&rtt, 1000, MIN_US, MAX_US);
    assert_int_equal(rtt_rto_us(&rtt, MAX_US), 1001); /* RFC 6298 4: G in place of K * RTTVAR */
}

static void rtt__sample_below_the_clock__counts_as_one_tick(void **state)
{
    (void)state;
    struct rtt zero, one;
    rtt_init(&zero);
    rtt_init(&one);
    for (int i = 0; i < 3; i++) {
        rtt_sample(&zero, i == 1 ? 5000 : 0, MIN_US, MAX_US);
        rtt_sample(&one, i == 1 ? 5000 : 1, MIN_US, MAX_US);
        assert_int_equal(zero.srtt_8us, one.srtt_8us);
        assert_int_equal(zero.rttvar_4us, one.rttvar_4us);
        assert_int_equal(zero.rto_us, one.rto_us);
    }
    for (int i = 0; i < 500; i++) {
        rtt_sample(&zero, 0, MIN_US, MAX_US);
        assert_true(zero.srtt_8us > 0); /* 0 would mean that there was no sample yet */
    }
}

static void rtt__absurd_sample__counts_as_two_to_the_28(void **state)
{
    (void)state;
    static const uint64_t absurd_us[] = {(1u << 28) + 1, UINT32_MAX, 1ull << 32, UINT64_MAX};
    for (size_t k = 0; k < COUNT_OF(absurd_us); k++) {
        struct rtt rtt;
        rtt_init(&rtt);
        rtt_sample(&rtt, absurd_us[k], MIN_US, MAX_US);
        assert_int_equal(rtt_srtt_us(&rtt), 1u << 28);
        assert_int_equal(rtt_rto_us(&rtt, MAX_US), 3u << 28);
    }
}

static void rtt__extremes_in_turn__do_not_overflow(void **state)
{
    (void)state;
    struct rtt rtt;
    struct model model = {0};
    rtt_init(&rtt);
    for (int i = 0; i < 1000; i++) {
        uint64_t r_us = i / 7 % 2 ? 1 : 1u << 28;
        rtt_sample(&rtt, r_us, MIN_US, MAX_US);
        model_sample(&model, (double)r_us);
        check_close(&rtt, &model);
    }
}

static void rtt__timeout__is_kept_within_its_bounds(void **state)
{
    (void)state;
    struct prng prng = prng_seed(6);
    uint64_t level = 1000;
    struct rtt rtt, free_rtt;
    rtt_init(&rtt);
    rtt_init(&free_rtt);
    for (int i = 0; i < 20000; i++) {
        uint64_t r_us = random_sample(&prng, &level);
        rtt_sample(&free_rtt, r_us, MIN_US, MAX_US);
        rtt_sample(&rtt, r_us, 200000, 60000000);
        uint32_t rto_us = free_rtt.rto_us;
        rto_us = rto_us < 200000 ? 200000 : rto_us;
        rto_us = rto_us > 60000000 ? 60000000 : rto_us;
        assert_int_equal(rtt.rto_us, rto_us);
        assert_int_equal(rtt.srtt_8us, free_rtt.srtt_8us); /* the bounds do not touch the estimates */
        assert_int_equal(rtt.rttvar_4us, free_rtt.rttvar_4us);
    }
}

static void rtt__back_off__doubles_up_to_the_maximum(void **state)
{
    (void)state;
    struct rtt rtt;
    rtt_init(&rtt);
    rtt_sample(&rtt, 100000, MIN_US, MAX_US);
    double expected_us = 300000;
    for (int i = 0; i < 600; i++) { /* more often than backoff can count */
        assert_true((double)rtt_rto_us(&rtt, 120000000) == (expected_us < 120e6 ? expected_us : 120e6));
        assert_int_equal(rtt.rto_us, 300000);
        rtt_back_off(&rtt);
        expected_us *= 2;
    }
    assert_int_equal(rtt_rto_us(&rtt, UINT32_MAX), UINT32_MAX);
}

static void rtt__back_off_of_the_smallest_and_largest__ends_at_any_maximum(void **state)
{
    (void)state;
    static const uint32_t rto_us[] = {1, 3, 0x80000001, UINT32_MAX};
    for (size_t k = 0; k < COUNT_OF(rto_us); k++) {
        struct rtt rtt = {.rto_us = rto_us[k]};
        double expected_us = rto_us[k];
        for (int i = 0; i < 40; i++) {
            double capped_us = expected_us < UINT32_MAX ? expected_us : UINT32_MAX;
            assert_true((double)rtt_rto_us(&rtt, UINT32_MAX) == capped_us);
            rtt_back_off(&rtt);
            expected_us *= 2;
        }
    }
}

static void rtt__new_sample__ends_the_back_off(void **state)
{
    (void)state;
    struct rtt rtt, calm;
    rtt_init(&rtt);
    rtt_init(&calm);
    rtt_sample(&rtt, 1000, MIN_US, MAX_US);
    rtt_sample(&calm, 1000, MIN_US, MAX_US);
    for (int i = 0; i < 5; i++)
        rtt_back_off(&rtt);
    rtt_sample(&rtt, 2000, MIN_US, MAX_US);
    rtt_sample(&calm, 2000, MIN_US, MAX_US);
    assert_int_equal(rtt_rto_us(&rtt, MAX_US),
                     rtt_rto_us(&calm, MAX_US)); /* RFC 6298 5, the note at its end */
}

static void minimum__of_ten_seconds__is_the_smallest_and_then_ages(void **state)
{
    struct rtt rtt;
    (void)state;
    rtt_init(&rtt);
    assert_int_equal(rtt.min_us, 0);
    rtt_min(&rtt, 5000, 100 * SEC);
    rtt_min(&rtt, 3000, 101 * SEC);
    rtt_min(&rtt, 4000, 102 * SEC);
    assert_int_equal(rtt.min_us, 3000);
    rtt_min(&rtt, 4000, 110 * SEC);
    assert_int_equal(rtt.min_us, 3000);
    rtt_min(&rtt, 4000, 112 * SEC); /* the path may have become longer: RFC 8985 6.2, windowed */
    assert_int_equal(rtt.min_us, 4000);
    rtt_min(&rtt, 0, 113 * SEC); /* 0 would look like none */
    assert_int_equal(rtt.min_us, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rtt__before_a_sample__timeout_is_one_second),
        cmocka_unit_test(rtt__before_a_sample__backs_off_all_the_same),
        cmocka_unit_test(rtt__first_sample__is_srtt_and_half_of_it_rttvar),
        cmocka_unit_test(rtt__second_sample__rttvar_uses_the_old_srtt),
        cmocka_unit_test(rtt__fraction_of_a_microsecond__is_waited_for_as_a_whole_one),
        cmocka_unit_test(rtt__rounding__does_not_drift),
        cmocka_unit_test(rtt__million_samples__stay_with_the_model),
        cmocka_unit_test(rtt__constant_path__timeout_converges_to_it),
        cmocka_unit_test(rtt__no_variance_at_all__leaves_one_tick),
        cmocka_unit_test(rtt__sample_below_the_clock__counts_as_one_tick),
        cmocka_unit_test(rtt__absurd_sample__counts_as_two_to_the_28),
        cmocka_unit_test(rtt__extremes_in_turn__do_not_overflow),
        cmocka_unit_test(rtt__timeout__is_kept_within_its_bounds),
        cmocka_unit_test(rtt__back_off__doubles_up_to_the_maximum),
        cmocka_unit_test(rtt__back_off_of_the_smallest_and_largest__ends_at_any_maximum),
        cmocka_unit_test(rtt__new_sample__ends_the_back_off),
        cmocka_unit_test(minimum__of_ten_seconds__is_the_smallest_and_then_ages),
    };
    return cmocka_run_group_tests_name("rtt", tests, NULL, NULL);
}
