/* test_cubic.c - CUBIC against RFC 9438 in floating point: segments, seconds and the RFC's own words. */
#include "test.h"

#include "cc_cubic.h"
#include "cc_table.h"
#include "prng.h"

#include <math.h>

#define SMSS 1460u
#define BETA 0.7
#define C 0.4

/* ---- The model ------------------------------------------------------------------------------------------
 */

/* With what this project has decided: growth is for each segment that is acknowledged, an ACK never shrinks
 * the window, and a stage that begins above W_max begins on the plateau. */
struct model {
    double cwnd, ssthresh, w_max, k, t, w_est, cwnd_prior;
    bool in_stage, plateau;
    unsigned int friendly, concave, convex, converged; /* ACKs in each region; losses with fast convergence */
};

static double model_w(const struct model *m, double t) { return C * pow(t - m->k, 3) + m->w_max; }

static void model_begin(struct model *m)
{
    if (m->plateau || m->cwnd > m->w_max)
        m->w_max = m->cwnd;
    m->plateau = false;
    m->k = cbrt((m->w_max - m->cwnd) / C);
    m->t = 0;
    m->w_est = m->cwnd;
    m->in_stage = true;
}

static void model_ack(struct model *m, double acked, double since, double rtt)
{
    if (m->cwnd < m->ssthresh) {
        m->cwnd += fmin(acked, 1);
        m->in_stage = false;
        return;
    }
    if (m->in_stage)
        m->t += since;
    else
        model_begin(m);
    double alpha = m->w_est >= m->cwnd_prior ? 1 : 3 * (1 - BETA) / (1 + BETA);
    m->w_est += alpha * acked / m->cwnd;
    if (model_w(m, m->t) < m->w_est) {
        m->friendly++;
        m->cwnd = fmax(m->cwnd, m->w_est);
        return;
    }
    if (m->cwnd < m->w_max)
        m->concave++;
    else
        m->convex++;
    double target = fmin(fmax(model_w(m, m->t + rtt), m->cwnd), 1.5 * m->cwnd);
    m->cwnd += (target - m->cwnd) / m->cwnd * acked;
}

static void model_loss(struct model *m, bool timeout)
{
    if (m->cwnd < m->w_max) {
        m->w_max = m->cwnd * (1 + BETA) / 2;
        m->converged++;
    } else {
        m->w_max = m->cwnd;
    }
    m->cwnd_prior = m->cwnd;
    m->ssthresh = fmax(m->cwnd * BETA, 2);
    m->cwnd = timeout ? 1 : m->ssthresh;
    m->plateau = timeout;
    m->in_stage = false;
}

/* ---- A connection that has its window in use, on a path with one RTT ------------------------------------
 */

struct path {
    struct cc cc;
    uint64_t state[CC_STATE_BYTES / 8];
    rill_time now_us;
    uint32_t rtt_us, last_us; /* last_us: what the last ACK took */
};

static void path_init(struct path *p, uint32_t cwnd, uint32_t smss, uint32_t rtt_us)
{
    *p = (struct path){.cc = {.ops = &cc_cubic, .cwnd = cwnd, .ssthresh = cwnd, .smss = smss},
                       .now_us = 12345 * SEC,
                       .rtt_us = rtt_us};
    p->cc.state = p->state;
}

static void path_ack(struct path *p, uint32_t bytes, bool validated)
{
    p->cc.state = p->state; /* a path may have been copied */
    p->cc.ops->on_ack(
        &p->cc, &(struct cc_ack){
                    .now_us = p->now_us, .acked_bytes = bytes, .srtt_us = p->rtt_us, .validated = validated});
}

/* An ACK, as much later as the bytes take to be sent with a window in an RTT. */
static void acked(struct path *p, uint32_t bytes)
{
    p->last_us = (uint32_t)((uint64_t)p->rtt_us * bytes / p->cc.cwnd);
    p->now_us += p->last_us;
    path_ack(p, bytes, true);
}

static void acked_for(struct path *p, uint64_t us)
{
    for (rill_time end = p->now_us + us; p->now_us < end;)
        acked(p, p->cc.smss);
}

static void lost(struct path *p, enum cc_loss loss)
{
    p->cc.state = p->state;
    p->cc.ssthresh = p->cc.ops->on_loss(&p->cc, p->cc.cwnd, loss, p->now_us);
    p->cc.cwnd = loss == CC_TIMEOUT ? p->cc.smss : p->cc.ssthresh;
}

static double cwnd_of(const struct path *p) { return (double)p->cc.cwnd / p->cc.smss; }

/* ---- The trace ------------------------------------------------------------------------------------------
 */

static struct model model_of(const struct path *p)
{
    return (struct model){.cwnd = cwnd_of(p), .ssthresh = cwnd_of(p), .plateau = true};
}

struct trace {
    uint32_t smss, rtt_ms, cwnd, max, acks,
        segments;         /* the windows in segments; an ACK covers up to `segments` */
    uint32_t loss_one_in; /* beside those at `max` */
};

static struct model follow(const struct trace *trace, uint64_t seed)
{
    struct prng prng = prng_seed(seed);
    struct path p;
    path_init(&p, trace->cwnd * trace->smss, trace->smss, trace->rtt_ms * (uint32_t)MS);
    struct model m = model_of(&p);
    for (uint32_t k = 0; k < trace->acks; k++) {
        uint32_t bytes = (uint32_t)prng_between(&prng, 1, (uint64_t)trace->segments * trace->smss);
        if (bytes > p.cc.cwnd)
            bytes = p.cc.cwnd;
        acked(&p, bytes);
        model_ack(&m, (double)bytes / trace->smss, p.last_us / 1e6, p.rtt_us / 1e6);
        if (fabs(cwnd_of(&p) - m.cwnd) > 1)
            fail_msg("smss %u, rtt %u ms, ACK %u: cwnd is %f, the model's %f", trace->smss, trace->rtt_ms, k,
                     cwnd_of(&p), m.cwnd);
        if (p.cc.cwnd >= p.cc.ssthresh &&
            (p.cc.cwnd > trace->max * trace->smss || prng_below(&prng, trace->loss_one_in) == 0)) {
            bool timeout = prng_chance(&prng, 20);
            lost(&p, timeout ? CC_TIMEOUT : CC_LOSS);
            model_loss(&m, timeout);
        }
    }
    return m;
}

/* Long and fat: the cubic function itself. */
static void window__on_long_paths__is_that_of_the_model(void **state)
{
    const struct trace all[] = {
        {1460, 100, 200, 400, 400000, 2, 20000},     {1460, 300, 100, 2000, 400000, 2, 50000},
        {536, 100, 500, 1000, 400000, 2, 50000},     {9000, 100, 100, 300, 400000, 2, 20000},
        {88, 100, 500, 1000, 400000, 2, 50000},      {65495, 100, 300, 900, 400000, 2, 20000},
        {1460, 50, 10000, 45000, 4000000, 8, 500000}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct model m = follow(&all[i], i);
        assert_true(m.concave > all[i].acks / 10);
        assert_true(m.convex > all[i].acks / 100);
        assert_true(m.converged >= 2);
    }
}

/* Short or slow: there it is Reno's equal. */
static void window__on_short_paths__is_that_of_the_model(void **state)
{
    const struct trace all[] = {{1460, 10, 10, 40, 100000, 2, 400}, {1460, 1, 4, 400, 200000, 2, 2000},
                                {536, 20, 3, 30, 100000, 2, 100},   {9000, 5, 10, 50, 100000, 2, 400},
                                {88, 1, 10, 40, 100000, 1, 400},    {1460, 40, 2, 5, 100000, 1, 10}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct model m = follow(&all[i], i);
        assert_true(m.friendly > all[i].acks / 2);
        assert_true(m.converged >= 10);
    }
}

/* ---- K --------------------------------------------------------------------------------------------------
 */

static void k__of_any_rise__is_the_cube_root(void **state)
{
    struct prng prng = prng_seed(1);
    (void)state;
    assert_int_equal(cubic_k_us(0, SMSS), 0);
    for (unsigned int n = 0; n < 100000; n++) {
        uint32_t rise = (uint32_t)prng_next(&prng) >> 1 >> prng_below(&prng, 31);
        uint32_t smss = (uint32_t)prng_between(&prng, 16, 65495);
        double expected_us = 1e6 * cbrt(rise / C / smss);
        assert_true(fabs(cubic_k_us(rise, smss) - expected_us) <= 1 + 2e-6 * expected_us);
    }
    for (uint32_t smss = 16; smss <= 65495; smss++)
        assert_true(fabs(cubic_k_us(UINT32_MAX / 2, smss) / (1e6 * cbrt(UINT32_MAX / 2 / C / smss)) - 1) <
                    1e-5);
}

/* ---- Losses ---------------------------------------------------------------------------------------------
 */

static void loss__of_any_kind__leaves_seven_tenths_of_the_flight(void **state)
{
    (void)state;
    for (int loss = CC_LOSS; loss <= CC_TIMEOUT; loss++) {
        struct path p;
        path_init(&p, 100 * SMSS, SMSS, 100 * (uint32_t)MS);
        assert_int_equal(p.cc.ops->on_loss(&p.cc, 50 * SMSS, (enum cc_loss)loss, SEC), 35 * SMSS);
        assert_int_equal(p.cc.ops->on_loss(&p.cc, 2 * SMSS, (enum cc_loss)loss, SEC), 2 * SMSS);
        assert_int_equal(p.cc.ops->on_loss(&p.cc, 1u << 30, (enum cc_loss)loss, SEC), 751619276);
    }
}

/* 4.7: 80 < 100, so the plateau is at 80 * 0.85 = 68, cbrt((68 - 56) / 0.4) seconds later. */
static void loss__below_the_last_one__makes_the_plateau_lower(void **state)
{
    const enum cc_loss all[] = {CC_LOSS, CC_ECN};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct path p;
        path_init(&p, 100 * SMSS, SMSS, 200 * (uint32_t)MS);
        lost(&p, all[i]);
        while (p.cc.cwnd < 80 * SMSS)
            acked(&p, SMSS);
        lost(&p, all[i]);
        acked_for(&p, 3107233);
        assert_true(fabs(cwnd_of(&p) - 68) < 1);
    }
}

/* 4.8 and 4.10: from a plateau at the window that it begins with, cwnd + 0.4 t^3.  cwnd is on its way to what
 * the function is an RTT later. */
static void expect_plateau(struct path *p)
{
    double begin = cwnd_of(p);
    acked(p, SMSS);
    acked_for(p, 5 * SEC);
    assert_true(cwnd_of(p) >= begin + C * pow(5, 3) - 1);
    assert_true(cwnd_of(p) <= begin + C * pow(5.2, 3) + 1);
}

static void timeout__then_slow_start__begins_on_a_plateau(void **state)
{
    (void)state;
    struct path p;
    path_init(&p, 100 * SMSS, SMSS, 200 * (uint32_t)MS);
    lost(&p, CC_TIMEOUT);
    for (unsigned int window = 1; window < 70; window++) {
        assert_int_equal(p.cc.cwnd, window * SMSS);
        acked(&p, SMSS);
    }
    expect_plateau(&p);
}

static void nothing_known__begins_on_a_plateau(void **state)
{
    (void)state;
    struct path p;
    path_init(&p, 70 * SMSS, SMSS, 200 * (uint32_t)MS);
    expect_plateau(&p);
}

/* 4.3 with cwnd_prior = cwnd: alpha is 1, a segment for each RTT. */
static void nothing_known__on_a_short_path__grows_as_reno(void **state)
{
    (void)state;
    struct path p;
    path_init(&p, 20 * SMSS, SMSS, 1 * (uint32_t)MS);
    for (unsigned int rtt = 0; rtt < 100; rtt++)
        for (unsigned int k = 0; k < 20 + rtt; k++)
            acked(&p, SMSS);
    assert_true(fabs(cwnd_of(&p) - 120) < 2);
}

static void first_slow_start__with_hystart__ends_by_delay(void **state)
{
    (void)state;
    struct path p;
    path_init(&p, 10 * SMSS, SMSS, 50 * (uint32_t)MS);
    p.cc.ssthresh = CC_SSTHRESH_NONE;
    p.cc.hystart = true;
    uint64_t una = 1;
    for (unsigned int k = 0; k < 3000 && p.cc.ssthresh == CC_SSTHRESH_NONE; k++, una += SMSS)
        p.cc.ops->on_ack(&p.cc, &(struct cc_ack){.now_us = p.now_us += MS,
                                                 .acked_bytes = SMSS,
                                                 .rtt_us = 50000 + k * 100,
                                                 .srtt_us = 50000,
                                                 .una = una,
                                                 .nxt = una + p.cc.cwnd,
                                                 .validated = true});
    assert_int_equal(p.cc.ssthresh, p.cc.cwnd);
    p.rtt_us = 200 * (uint32_t)MS;
    expect_plateau(&p);
}

/* Two segments are the least, though 0.85 * 2 would be the plateau: it begins on one at 2. */
static void loss__of_two_segments__begins_on_a_plateau(void **state)
{
    (void)state;
    struct path p;
    path_init(&p, 3 * SMSS, SMSS, 200 * (uint32_t)MS);
    lost(&p, CC_LOSS);
    lost(&p, CC_LOSS);
    assert_int_equal(p.cc.cwnd, 2 * SMSS);
    expect_plateau(&p);
}

/* After a pause cwnd is below ssthresh without a loss.  The stage that follows is a new one. */
static void slow_start__between_two_stages__begins_the_curve_anew(void **state)
{
    (void)state;
    struct path p, fresh;
    path_init(&p, 200 * SMSS, SMSS, 100 * (uint32_t)MS);
    lost(&p, CC_LOSS);
    fresh = p;
    acked_for(&p, 10 * SEC);
    assert_true(p.cc.cwnd > 220 * SMSS);
    p.cc.cwnd = 10 * SMSS;
    while (p.cc.cwnd < p.cc.ssthresh)
        acked(&p, SMSS);
    assert_int_equal(p.cc.cwnd, fresh.cc.cwnd);
    for (unsigned int k = 0; k < 10000; k++) {
        acked(&p, SMSS);
        acked(&fresh, SMSS);
        assert_true(fabs(cwnd_of(&p) - cwnd_of(&fresh)) < 1);
    }
}

/* A burst of ACKs takes cwnd to where the function is an RTT of 4 s later, C (8 - K)^3 + 100 = 122.  Then the
 * RTT falls, and W_est passes the function far below that, at 100. */
static void window__when_the_rtt_falls__never_shrinks(void **state)
{
    (void)state;
    struct path p;
    path_init(&p, 100 * SMSS, SMSS, 4 * (uint32_t)SEC);
    lost(&p, CC_LOSS);
    acked_for(&p, 4 * SEC);
    for (unsigned int k = 0; k < 300; k++)
        path_ack(&p, SMSS, true);
    assert_true(p.cc.cwnd > 115 * SMSS);
    p.rtt_us = 1 * (uint32_t)MS;
    for (unsigned int k = 0; k < 20000; k++) {
        uint32_t before = p.cc.cwnd;
        acked(&p, SMSS);
        assert_true(p.cc.cwnd >= before);
    }
    assert_true(p.cc.cwnd > 130 * SMSS); /* it has grown as Reno's */
}

/* ---- Undo -----------------------------------------------------------------------------------------------
 */

static struct path on_the_way(void)
{
    struct path p;
    path_init(&p, 200 * SMSS, SMSS, 100 * (uint32_t)MS);
    lost(&p, CC_LOSS);
    acked_for(&p, 2 * SEC);
    return p;
}

static void undo__at_once__is_as_if_nothing_was(void **state)
{
    (void)state;
    for (int loss = CC_LOSS; loss <= CC_TIMEOUT; loss++) {
        struct path p = on_the_way(), undone = p;
        lost(&undone, (enum cc_loss)loss);
        undone.cc.ops->on_undo(&undone.cc);
        undone.cc.cwnd = p.cc.cwnd;
        undone.cc.ssthresh = p.cc.ssthresh;
        for (unsigned int k = 0; k < 10000; k++) {
            acked(&p, SMSS);
            acked(&undone, SMSS);
            assert_int_equal(undone.cc.cwnd, p.cc.cwnd);
        }
        lost(&p, CC_LOSS); /* and cwnd_prior and W_max are the same */
        lost(&undone, CC_LOSS);
        for (unsigned int k = 0; k < 10000; k++) {
            acked(&p, SMSS);
            acked(&undone, SMSS);
            assert_int_equal(undone.cc.cwnd, p.cc.cwnd);
        }
    }
}

static void undo__later__goes_on_where_it_was(void **state)
{
    (void)state;
    struct path p = on_the_way(), undone = p;
    lost(&undone, CC_LOSS);
    acked_for(&undone, SEC);
    undone.cc.state = undone.state;
    undone.cc.ops->on_undo(&undone.cc);
    undone.cc.cwnd = p.cc.cwnd;
    undone.cc.ssthresh = p.cc.ssthresh;
    for (unsigned int k = 0; k < 10000; k++) {
        acked(&p, SMSS);
        acked(&undone, SMSS);
        assert_true(fabs(cwnd_of(&undone) - cwnd_of(&p)) < 1);
    }
}

/* ---- Application-limited --------------------------------------------------------------------------------
 */

static void window__not_in_use__does_not_grow_and_its_time_does_not_count(void **state)
{
    (void)state;
    struct path p = on_the_way(), idle = p;
    for (unsigned int k = 0; k < 2000; k++) {
        idle.now_us += 10 * SEC;
        path_ack(&idle, SMSS, false);
        assert_int_equal(idle.cc.cwnd, p.cc.cwnd);
    }
    for (unsigned int k = 0; k < 20000; k++) {
        acked(&p, SMSS);
        acked(&idle, SMSS);
        assert_int_equal(idle.cc.cwnd, p.cc.cwnd);
    }
}

/* The first ACK after it finds the window in use again, yet in the pause it was not. */
static void pause__without_acks__counts_two_rtts_at_most(void **state)
{
    (void)state;
    struct path p = on_the_way(), idle = p;
    idle.now_us += 3600 * SEC;
    for (unsigned int k = 0; k < 20000; k++) {
        acked(&p, SMSS);
        acked(&idle, SMSS);
        /* In an RTT of 100 ms the function rises by 6 segments at most here. */
        assert_true(cwnd_of(&idle) >= cwnd_of(&p) && cwnd_of(&idle) < cwnd_of(&p) + 12);
    }
}

/* ---- What an ACK covers ---------------------------------------------------------------------------------
 */

static void growth__of_many_small_acks_or_few_large_ones__is_the_same(void **state)
{
    (void)state;
    const uint32_t rtts_ms[] = {1, 100};
    for (size_t i = 0; i < COUNT_OF(rtts_ms); i++) {
        struct path p = on_the_way(), divided, delayed;
        p.rtt_us = rtts_ms[i] * (uint32_t)MS;
        divided = delayed = p;
        for (unsigned int k = 0; k < 2000; k++)
            acked(&p, SMSS);
        for (unsigned int k = 0; k < 2000 * 20; k++) {
            divided.now_us = p.now_us;
            acked(&divided, SMSS / 20);
        }
        for (unsigned int k = 0; k < 1000; k++)
            acked(&delayed, 2 * SMSS);
        assert_true(fabs(cwnd_of(&delayed) - cwnd_of(&p)) < 0.5);
        assert_true(cwnd_of(&divided) < cwnd_of(&p) + 1);
    }
}

/* RFC 3465's attack, at the moment of the steepest growth. */
static void one_segment__acknowledged_octet_by_octet__grows_the_window_by_one_at_most(void **state)
{
    (void)state;
    struct path p = on_the_way();
    acked_for(&p, 20 * SEC);
    uint32_t before = p.cc.cwnd;
    for (unsigned int octet = 0; octet < SMSS; octet++)
        path_ack(&p, 1, true);
    assert_in_range(p.cc.cwnd, before, before + SMSS);
}

/* ---- Extremes -------------------------------------------------------------------------------------------
 */

/* With the sanitizers this finds what overflows; without, that a window never shrinks, nor grows by more than
 * half for a window acknowledged, and Reno's segment. */
static void numbers__at_their_limits__neither_overflow_nor_shrink(void **state)
{
    const uint32_t smss[] = {16, 536, 65495}, cwnd[] = {1, 2, 1u << 26, 1u << 30, CC_SSTHRESH_NONE};
    const uint32_t rtt_us[] = {0, 1, 120 * (uint32_t)SEC};
    (void)state;
    for (size_t n = 0; n < COUNT_OF(smss) * COUNT_OF(cwnd) * COUNT_OF(rtt_us); n++) {
        struct path p;
        uint32_t segment = smss[n % 3], first = cwnd[n / 3 % 5];
        path_init(&p, first < 3 ? first * segment : first, segment, rtt_us[n / 15]);
        for (unsigned int k = 0; k < 400; k++) {
            uint32_t before = p.cc.cwnd;
            p.now_us += k % 2 == 0 ? 1 : 7200 * SEC;
            path_ack(&p, k % 3 == 0 ? 1 : k % 3 == 1 ? UINT32_MAX : segment, true);
            assert_true(p.cc.cwnd >= before && p.cc.cwnd <= CC_SSTHRESH_NONE);
            assert_true(p.cc.cwnd <= (uint64_t)before + before / 2 + segment + 1);
            if (k % 100 == 50)
                lost(&p, CC_LOSS);
        }
    }
}

static void table__of_algorithms__has_cubic(void **state)
{
    (void)state;
    assert_ptr_equal(cc_ops(RILL_CC_CUBIC), &cc_cubic);
    for (int cc = 0; cc < RILL_CC_COUNT; cc++)
        assert_string_equal(cc_ops((enum rill_cc)cc)->name, rill_cc_word((enum rill_cc)cc));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(window__on_long_paths__is_that_of_the_model),
        cmocka_unit_test(window__on_short_paths__is_that_of_the_model),
        cmocka_unit_test(k__of_any_rise__is_the_cube_root),
        cmocka_unit_test(loss__of_any_kind__leaves_seven_tenths_of_the_flight),
        cmocka_unit_test(loss__below_the_last_one__makes_the_plateau_lower),
        cmocka_unit_test(timeout__then_slow_start__begins_on_a_plateau),
        cmocka_unit_test(nothing_known__begins_on_a_plateau),
        cmocka_unit_test(nothing_known__on_a_short_path__grows_as_reno),
        cmocka_unit_test(first_slow_start__with_hystart__ends_by_delay),
        cmocka_unit_test(loss__of_two_segments__begins_on_a_plateau),
        cmocka_unit_test(slow_start__between_two_stages__begins_the_curve_anew),
        cmocka_unit_test(window__when_the_rtt_falls__never_shrinks),
        cmocka_unit_test(undo__at_once__is_as_if_nothing_was),
        cmocka_unit_test(undo__later__goes_on_where_it_was),
        cmocka_unit_test(window__not_in_use__does_not_grow_and_its_time_does_not_count),
        cmocka_unit_test(pause__without_acks__counts_two_rtts_at_most),
        cmocka_unit_test(growth__of_many_small_acks_or_few_large_ones__is_the_same),
        cmocka_unit_test(one_segment__acknowledged_octet_by_octet__grows_the_window_by_one_at_most),
        cmocka_unit_test(numbers__at_their_limits__neither_overflow_nor_shrink),
        cmocka_unit_test(table__of_algorithms__has_cubic),
    };
    return cmocka_run_group_tests_name("cubic", tests, NULL, NULL);
}
