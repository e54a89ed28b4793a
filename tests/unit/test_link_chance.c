/* test_link_chance.c - what an emulated link leaves to chance, against its settings: Pearson's chi-square
 * test, with fixed seeds, at 0.1 % on either side (what fits too well is wrong too); and that the same seed
 * gives the same fates whatever else goes on. */
#include "link_world.h"

#include "prng.h"

#include <stdlib.h>

/* Quantiles of the chi-square distribution. */
struct chi_limits {
    double low, high;
};
static const struct chi_limits chi_1 = {0, 10.828};
static const struct chi_limits chi_11 = {1.834, 31.264};
static const struct chi_limits chi_19 = {5.407, 43.820};
static const struct chi_limits chi_20 = {5.921, 45.315};
static const struct chi_limits chi_100 = {61.918, 149.449};

#define expect_chi(x, limits, what) expect_chi_at(x, &(limits), what, __LINE__)
static void expect_chi_at(double x, const struct chi_limits *limits, const char *what, int line)
{
    if (x < limits->low || x > limits->high)
        fail_msg("line %d: %s: chi-square %.1f is not within %.1f to %.1f", line, what, x, limits->low,
                 limits->high);
}

enum { LOST = 1, DUPLICATED = 2, CORRUPTED = 4, REORDERED = 8 };
enum { SEEDS = 100, PACKETS = 5000 };
static struct link_world world;

static void begin_seeded(const char *text, uint64_t seed, uint32_t stream)
{
    struct link_config config = link_config_of(text);
    world = (struct link_world){0};
    world.mem = test_heap_mem(&world.heap, SIZE_MAX);
    link_init(&world.link, &world.mem, stream, START);
    config.seed = seed;
    link_set(&world.link, &config);
}

/* What becomes of n packets. */
static void outcomes(const char *text, uint64_t seed, uint32_t stream, uint8_t *flags, uint32_t n)
{
    begin_seeded(text, seed, stream);
    for (uint32_t i = 0; i < n; i++) {
        struct link_fate fate = link_world_push(&world, 41, 0);
        assert_true(fate.verdict == LINK_QUEUED || fate.verdict == LINK_LOST);
        flags[i] = (uint8_t)((fate.verdict == LINK_LOST ? LOST : 0) | (fate.duplicated ? DUPLICATED : 0) |
                             (fate.corrupted ? CORRUPTED : 0) | (fate.reordered ? REORDERED : 0));
        link_free(&world.link);
    }
    link_world_end(&world);
}

/* How often `flag` comes in PACKETS packets of each of SEEDS seeds: with n packets, a mean of n * p and a
 * variance of n * variance, near enough to normal, the sum of squares has SEEDS degrees of freedom. */
static void expect_frequency(const char *text, uint8_t flag, double p, double variance)
{
    static uint8_t flags[PACKETS];
    double x = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        uint32_t count = 0;
        outcomes(text, seed, 0, flags, PACKETS);
        for (int i = 0; i < PACKETS; i++)
            count += (flags[i] & flag) != 0;
        double off = count - PACKETS * p;
        x += off * off / (PACKETS * variance);
    }
    expect_chi(x, chi_100, text);
}

static void chance__each_probability__is_what_was_asked_for(void **state)
{
    (void)state;
    expect_frequency("loss 5%", LOST, 0.05, 0.05 * 0.95);
    expect_frequency("loss 50%", LOST, 0.5, 0.25);
    expect_frequency("duplicate 1%", DUPLICATED, 0.01, 0.01 * 0.99);
    expect_frequency("corrupt 0.5%", CORRUPTED, 0.005, 0.005 * 0.995);
    expect_frequency("delay 1ms reorder 25%", REORDERED, 0.25, 0.25 * 0.75);
}

/* The decision is a Markov chain whose correlation from one to the next is c: sums vary (1 + c) / (1 - c)
 * times as much as independent ones, and the probability stays. */
static void chance__correlation__keeps_the_probability(void **state)
{
    (void)state;
    expect_frequency("loss 5% 25%", LOST, 0.05, 0.05 * 0.95 * 1.25 / 0.75);
    expect_frequency("delay 1ms reorder 25% 50%", REORDERED, 0.25, 0.25 * 0.75 * 3);
    expect_frequency("corrupt 20% 75%", CORRUPTED, 0.2, 0.2 * 0.8 * 7);
}

/* Bernoulli trials: hits of n. */
static double chi_trials(double hits, double n, double p)
{
    double off = hits - n * p;
    return off * off / (n * p * (1 - p));
}

static void chance__correlation__is_what_was_asked_for(void **state)
{
    (void)state;
    static uint8_t flags[PACKETS];
    double after_loss = 0, losses = 0, after_none = 0, nones = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        outcomes("loss 20% 60%", seed, 0, flags, PACKETS);
        for (int i = 1; i < PACKETS; i++) {
            bool before = flags[i - 1] & LOST, now = flags[i] & LOST;
            losses += before;
            nones += !before;
            after_loss += before && now;
            after_none += !before && now;
        }
    }
    expect_chi(chi_trials(after_loss, losses, 0.6 + 0.4 * 0.2), chi_1, "loss after loss");
    expect_chi(chi_trials(after_none, nones, 0.4 * 0.2), chi_1, "loss after none");
}

/* What the first packet may repeat is a decision like others. */
static void chance__first_packet__is_no_exception(void **state)
{
    (void)state;
    uint8_t flag;
    double lost = 0;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        outcomes("loss 20% 90%", seed, 0, &flag, 1);
        lost += flag & LOST;
    }
    expect_chi(chi_trials(lost, 2000, 0.2), chi_1, "first packet lost");
}

static void chance__both_copies__are_treated_by_themselves(void **state)
{
    (void)state;
    double both = 0, same = 0;
    begin_seeded("duplicate 100% corrupt 50% delay 1ms 500us", 8, 0);
    for (int i = 0; i < 10000; i++) {
        uint32_t corrupted = 0;
        rill_time when[2];
        struct rill_packet out;
        link_world_push(&world, 41, 0);
        for (int copy = 0; copy < 2; copy++) {
            when[copy] = link_deadline(&world.link);
            assert_true(link_pop(&world.link, when[copy], &out));
            corrupted += link_popped(&world.link).corrupted;
        }
        both += corrupted == 2;
        same += when[0] == when[1];
    }
    expect_chi(chi_trials(both, 10000, 0.25), chi_1, "both copies corrupted");
    expect_chi(chi_trials(same, 10000, 1.0 / 1001), chi_1, "both copies equally late");
    link_world_end(&world);
}

/* 100 % and 0 % leave nothing to chance. */
static void chance__certainties__are_certain(void **state)
{
    (void)state;
    static uint8_t flags[PACKETS];
    outcomes("duplicate 100% corrupt 100% loss 0.000001%", 3, 0, flags, PACKETS);
    for (int i = 0; i < PACKETS; i++)
        assert_int_equal(flags[i], DUPLICATED | CORRUPTED);
    outcomes("loss 100%", 3, 0, flags, PACKETS);
    for (int i = 0; i < PACKETS; i++)
        assert_int_equal(flags[i], LOST);
}

/* Gilbert: the share of bad packets is p / (p + r); the states' correlation from one to the next is 1 - p -
 * r, which gives the variance of a sum of losses, as of any two-state chain. */
static void expect_gemodel(const char *text, double p, double r, double bad, double good)
{
    double share = p / (p + r), memory = 1 - p - r;
    double mean = share * bad + (1 - share) * good;
    double between = share * (1 - share) * (bad - good) * (bad - good);
    expect_frequency(text, LOST, mean, mean * (1 - mean) + 2 * between * memory / (1 - memory));
}

static void gemodel__mean_loss__is_that_of_the_formula(void **state)
{
    (void)state;
    expect_gemodel("loss gemodel 1% 10%", 0.01, 0.1, 1, 0);
    expect_gemodel("loss gemodel 2% 20% 70%", 0.02, 0.2, 0.7, 0);
    expect_gemodel("loss gemodel 2% 20% 70% 1%", 0.02, 0.2, 0.7, 0.01);
    expect_gemodel("loss gemodel 5%", 0.05, 0.95, 1, 0); /* Bernoulli */
}

/* Runs of losses are geometric with mean 1/r, those between them with mean 1/p. */
static void gemodel__bursts_and_gaps__are_geometric(void **state)
{
    (void)state;
    enum { BINS = 21, P = 4, R = 20 }; /* in percent */
    static uint8_t flags[PACKETS];
    double runs[2][BINS] = {{0}}, total[2] = {0};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        int length = 0;
        bool first = true; /* the first run and the last are cut */
        outcomes("loss gemodel 4% 20%", seed, 0, flags, PACKETS);
        for (int i = 1; i < PACKETS; i++) {
            length++;
            if ((flags[i] & LOST) == (flags[i - 1] & LOST))
                continue;
            int bad = (flags[i - 1] & LOST) != 0;
            int bin = bad ? length - 1 : (length - 1) / 5;
            if (!first) {
                runs[bad][bin < BINS ? bin : BINS - 1]++;
                total[bad]++;
            }
            first = false;
            length = 0;
        }
    }
    for (int bad = 0; bad < 2; bad++) {
        double stay = bad ? 1 - R / 100.0 : 1 - P / 100.0, x = 0, left = 1;
        double step = bad ? stay : stay * stay * stay * stay * stay; /* gaps: five lengths in a bin */
        for (int bin = 0; bin < BINS; bin++) {
            double expected = total[bad] * (bin < BINS - 1 ? left * (1 - step) : left);
            x += (runs[bad][bin] - expected) * (runs[bad][bin] - expected) / expected;
            left *= step;
        }
        assert_true(total[bad] > 10000);
        expect_chi(x, chi_20, bad ? "bursts" : "gaps");
    }
}

/* The delays of n packets. */
static void delays_of(const char *text, uint64_t seed, uint64_t *when, uint32_t n)
{
    begin_seeded(text, seed, 0);
    for (uint32_t i = 0; i < n; i++) {
        link_world_push(&world, 41, 0);
        assert_int_equal(link_world_drain(&world, when + i, 1), 1);
    }
    link_world_end(&world);
}

static void delay__uniform_jitter__fills_its_range_evenly(void **state)
{
    (void)state;
    static uint64_t when[20000];
    double bins[20] = {0}, x = 0;
    delays_of("delay 20ms 5ms", 1, when, COUNT_OF(when));
    for (size_t i = 0; i < COUNT_OF(when); i++) {
        assert_in_range(when[i], 15000, 25000);
        bins[(when[i] - 15000) * 20 / 10001]++;
    }
    for (int i = 0; i < 20; i++)
        x += (bins[i] - 1000) * (bins[i] - 1000) / 1000;
    expect_chi(x, chi_19, "uniform");
}

static void delay__normal_jitter__is_normal(void **state)
{
    (void)state;
    /* The normal distribution between 0, 0.5, 1, 1.5, 2, 2.5 deviations and beyond. */
    static const double share[] = {0.191462, 0.149882, 0.091848, 0.044057, 0.016540, 0.006210};
    static uint64_t when[10000];
    double bins[2][6] = {{0}}, x = 0;
    delays_of("delay 20ms 2ms distribution normal", 2, when, COUNT_OF(when));
    for (size_t i = 0; i < COUNT_OF(when); i++) {
        bool above = when[i] >= 20000;
        uint64_t bin = (above ? when[i] - 20000 : 19999 - when[i]) / 1000;
        bins[above][bin < 6 ? bin : 5]++;
    }
    for (int side = 0; side < 2; side++)
        for (int bin = 0; bin < 6; bin++) {
            double expected = share[bin] * 10000;
            x += (bins[side][bin] - expected) * (bins[side][bin] - expected) / expected;
        }
    expect_chi(x, chi_11, "normal");
}

static void delay__jitter_beyond_the_delay__is_cut_at_zero(void **state)
{
    (void)state;
    static uint64_t when[10000];
    double zeroes = 0;
    delays_of("delay 1ms 4ms", 3, when, COUNT_OF(when));
    for (size_t i = 0; i < COUNT_OF(when); i++) {
        assert_in_range(when[i], 0, 5000);
        zeroes += when[i] == 0;
    }
    expect_chi(chi_trials(zeroes, 10000, 3001.0 / 8001), chi_1, "cut delays");
}

static void delay__correlated_jitter__repeats(void **state)
{
    (void)state;
    static uint64_t when[10000];
    double repeats = 0;
    delays_of("delay 20ms 5ms 25%", 4, when, COUNT_OF(when));
    for (size_t i = 1; i < COUNT_OF(when); i++)
        repeats += when[i] == when[i - 1];
    expect_chi(chi_trials(repeats, 9999, 0.25 + 0.75 / 10001), chi_1, "repeated delays");
}

/* Of each five packets the fifth is late with the others in three of four cases, and then the sixth may go.
 */
static void reorder__gap_and_chance__wait_for_the_next(void **state)
{
    (void)state;
    static uint8_t flags[20000];
    double bins[20] = {0}, total = 0, x = 0, left = 1;
    uint32_t since = 0;
    outcomes("delay 1ms reorder 25% gap 5", 5, 0, flags, COUNT_OF(flags));
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        since++;
        if (!(flags[i] & REORDERED))
            continue;
        assert_true(since >= 5);
        bins[since - 5 < 19 ? since - 5 : 19]++;
        total++;
        since = 0;
    }
    for (int i = 0; i < 20; i++, left *= 0.75) {
        double expected = total * (i < 19 ? left * 0.25 : left);
        x += (bins[i] - expected) * (bins[i] - expected) / expected;
    }
    expect_chi(x, chi_19, "waits");
}

static void corrupt__place_of_the_bit__is_anywhere_behind_the_ip_header(void **state)
{
    (void)state;
    uint8_t data[60];
    double bins[40] = {0}, bits[8] = {0}, x = 0, y = 0;
    begin_seeded("corrupt 100%", 6, 0);
    uint32_t len = link_datagram(data, RILL_ACK, 7, 20);
    struct rill_packet packet = {.head = {data, len}}, out;
    for (int i = 0; i < 20000; i++) {
        link_push(&world.link, &packet, START);
        assert_true(link_pop(&world.link, START, &out));
        for (uint32_t k = 0; k < len * 8; k++)
            if ((out.head.data[k / 8] ^ data[k / 8]) >> k % 8 & 1) {
                assert_true(k >= 160);
                bins[k / 8 - 20]++;
                bits[k % 8]++;
            }
    }
    for (int i = 0; i < 40; i++)
        x += (bins[i] - 500) * (bins[i] - 500) / 500;
    for (int i = 0; i < 8; i++)
        y += (bits[i] - 2500) * (bits[i] - 2500) / 2500;
    expect_chi(x, ((struct chi_limits){17.262, 72.055}), "bytes"); /* 39 degrees of freedom */
    expect_chi(y, ((struct chi_limits){0.598, 24.322}), "bits");   /* 7 */
    link_world_end(&world);
}

/* Losses of two links are independent: as often at once as the product says. */
static void expect_independent(uint64_t seed_a, uint32_t stream_a, uint64_t seed_b, uint32_t stream_b)
{
    static uint8_t a[20000], b[20000];
    double both = 0;
    outcomes("loss 30%", seed_a, stream_a, a, COUNT_OF(a));
    outcomes("loss 30%", seed_b, stream_b, b, COUNT_OF(b));
    for (size_t i = 0; i < COUNT_OF(a); i++)
        both += a[i] & b[i] & LOST;
    expect_chi(chi_trials(both, 20000, 0.09), chi_1, "losses at once");
}

static void seed__neighbours_and_the_other_direction__are_independent(void **state)
{
    (void)state;
    expect_independent(0, 0, 0, 1);
    expect_independent(0, 0, 1, 0);
    expect_independent(1, 0, 1, 1);
    expect_independent(1, 0, 2, 0);
    expect_independent(1, 1, 2, 0);
    expect_independent(1, 0, 1ull << 63, 0);
}

static void seed__same_seed__gives_the_same_fates_whatever_the_other_clauses(void **state)
{
    (void)state;
    static uint8_t alone[PACKETS], among[PACKETS], again[PACKETS];
    static const struct {
        const char *text;
        uint8_t flag;
    } cases[] = {{"loss 5% 25%", LOST},
                 {"loss gemodel 5% 20% 90% 1%", LOST},
                 {"corrupt 10%", CORRUPTED},
                 {"duplicate 10% 50%", DUPLICATED}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[200];
        snprintf(text, sizeof(text), "%s delay 3ms 1ms %s %s", cases[i].text,
                 cases[i].flag == CORRUPTED ? "" : "corrupt 3%",
                 cases[i].flag == DUPLICATED ? "" : "duplicate 4%");
        outcomes(cases[i].text, 9, 1, alone, PACKETS);
        outcomes(cases[i].text, 9, 1, again, PACKETS);
        assert_memory_equal(alone, again, PACKETS);
        outcomes(text, 9, 1, among, PACKETS);
        for (int k = 0; k < PACKETS; k++)
            assert_int_equal(alone[k] & cases[i].flag, among[k] & cases[i].flag);
    }
}

/* Times as they are or rounded up to whole milliseconds, and packets collected at once, late or never: chance
 * does the same to each packet.  Nothing here depends on the time by its meaning, as limit and blackout do.
 */
static void seed__same_seed__gives_the_same_fates_at_any_granularity_of_time(void **state)
{
    (void)state;
    static struct link_fate fates[3][3000];
    static const char text[] =
        "loss 3% delay 20ms 9ms reorder 5% 20% gap 3 duplicate 2% corrupt 2% rate 50mbit "
        "limit 100000";
    for (int run = 0; run < 3; run++) {
        struct prng prng = prng_seed(7);
        struct rill_packet out;
        uint64_t at = 0;
        begin_seeded(text, 11, 0);
        for (size_t i = 0; i < COUNT_OF(fates[run]); i++) {
            at += prng_below(&prng, 900);
            uint64_t seen = run == 0 ? at : (at + 999) / 1000 * 1000;
            fates[run][i] = link_world_push(&world, 41 + (uint32_t)prng_below(&prng, 500), seen);
            while (run < 2 && i % 7 == 0 && link_pop(&world.link, START + seen, &out)) {
            }
        }
        link_world_end(&world);
    }
    for (size_t i = 0; i < COUNT_OF(fates[0]); i++)
        for (int run = 1; run < 3; run++) {
            assert_int_equal(fates[run][i].verdict, fates[0][i].verdict);
            assert_int_equal(fates[run][i].corrupted, fates[0][i].corrupted);
            assert_int_equal(fates[run][i].reordered, fates[0][i].reordered);
            assert_int_equal(fates[run][i].duplicated, fates[0][i].duplicated);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chance__each_probability__is_what_was_asked_for),
        cmocka_unit_test(chance__correlation__keeps_the_probability),
        cmocka_unit_test(chance__correlation__is_what_was_asked_for),
        cmocka_unit_test(chance__first_packet__is_no_exception),
        cmocka_unit_test(chance__both_copies__are_treated_by_themselves),
        cmocka_unit_test(chance__certainties__are_certain),
        cmocka_unit_test(gemodel__mean_loss__is_that_of_the_formula),
        cmocka_unit_test(gemodel__bursts_and_gaps__are_geometric),
        cmocka_unit_test(delay__uniform_jitter__fills_its_range_evenly),
        cmocka_unit_test(delay__normal_jitter__is_normal),
        cmocka_unit_test(delay__jitter_beyond_the_delay__is_cut_at_zero),
        cmocka_unit_test(delay__correlated_jitter__repeats),
        cmocka_unit_test(reorder__gap_and_chance__wait_for_the_next),
        cmocka_unit_test(corrupt__place_of_the_bit__is_anywhere_behind_the_ip_header),
        cmocka_unit_test(seed__neighbours_and_the_other_direction__are_independent),
        cmocka_unit_test(seed__same_seed__gives_the_same_fates_whatever_the_other_clauses),
        cmocka_unit_test(seed__same_seed__gives_the_same_fates_at_any_granularity_of_time),
    };
    return cmocka_run_group_tests_name("link_chance", tests, NULL, NULL);
}
