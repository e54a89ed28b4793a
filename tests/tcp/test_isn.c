/* test_isn.c - initial sequence numbers.  RFC 9293 3.4.1 (MUST-8, MUST-9), RFC 6528 3. */
#include "script.h"

#define TUPLES 100000u

/* Distinct tuples, counted through as somebody would who probes. */
static uint32_t isn_of(const struct rig *t, uint32_t n)
{
    return tcp_isn(t->e, RIG_PEER_ADDR, (uint16_t)(1 + n % 50000), (uint16_t)(1 + n / 50000));
}

/* MUST-8: "the ISN counter ticks about every 4 microseconds": 250000 in a second, whatever else happens. */
static void isn__same_tuple__advances_250000_in_a_second(void **state)
{
    struct rig *t = rig_syn_sent(NULL);
    (void)state;
    for (int n = 0; n < 5; n++) {
        uint32_t before = t->peer[0].iss;
        app_close(t);
        advance(t, 1 * SEC);
        assert_int_equal(app_connect(t, 0), 0);
        out(t, "S 0:0(0) <*>");
        assert_int_equal(t->peer[0].iss - before, 250000);
    }
    rig_end(t);
}

static void isn__clock__ticks_each_4_us_and_wraps(void **state)
{
    struct rig *t = rig_closed(NULL);
    uint32_t first = isn_of(t, 0);
    (void)state;
    for (uint32_t us = 0; us < 100; us++) {
        engine_now(t->e, t->start_us + us);
        assert_int_equal(isn_of(t, 0) - first, us / 4);
    }
    engine_now(t->e, t->start_us + (4ull << 32) + 8); /* 4.77 hours: the whole space */
    assert_int_equal(isn_of(t, 0) - first, 2);
    t->now_us = t->e->now_us;
    rig_end(t);
}

/* A listener takes it from the same function: the clock of RFC 6528, not a counter of connections. */
static void isn__passive_open__has_the_same_clock(void **state)
{
    struct rig *t = rig_listen(NULL);
    uint32_t before;
    (void)state;
    in(t, "S 0:0(0)");
    out(t, "S. 0:0(0) ack 1 <*>");
    before = t->peer[0].iss;
    in(t, "R 1:1(0)");
    for (unsigned int n = 1; n < 5; n++) { /* others do not move it */
        in(t, "@%u S 0:0(0)", n);
        out(t, "@%u S. 0:0(0) ack 1 <*>", n);
        in(t, "@%u R 1:1(0)", n);
    }
    advance(t, 2 * SEC);
    in(t, "S 0:0(0)");
    out(t, "S. 0:0(0) ack 1 <*>");
    assert_int_equal(t->peer[0].iss - before, 500000);
    rig_end(t);
}

/* F depends on each part of the tuple. */
static void isn__each_part_of_the_tuple__counts(void **state)
{
    struct rig *t = rig_closed(NULL);
    uint32_t isn = tcp_isn(t->e, 0x0a4d0001, 1000, 7);
    (void)state;
    for (unsigned int bit = 0; bit < 8; bit++)
        assert_int_not_equal(tcp_isn(t->e, 0x0a4d0001 ^ 2u << bit, 1000, 7), isn);
    for (unsigned int bit = 0; bit < 16; bit++) {
        assert_int_not_equal(tcp_isn(t->e, 0x0a4d0001, (uint16_t)(1000 ^ 1u << bit), 7), isn);
        assert_int_not_equal(tcp_isn(t->e, 0x0a4d0001, 1000, (uint16_t)(7 ^ 1u << bit)), isn);
    }
    assert_int_not_equal(tcp_isn(t->e, 0x0a4d0001, 7, 1000), isn);
    rig_end(t);
}

/* Chi-squared over 256 values, 255 degrees of freedom: a uniform source exceeds 350 in 1 of 15000 cases; and,
 * as a generator that is too even is none either, falls below 170 as rarely. */
static void assert_uniform(const uint32_t count[256], double expected)
{
    double chi2 = 0;
    for (unsigned int v = 0; v < 256; v++)
        chi2 += (count[v] - expected) * (count[v] - expected) / expected;
    assert_true(chi2 > 170 && chi2 < 350);
}

/* MUST-9: to somebody without the key, each byte is uniform, and so is the step from one tuple to the next.
 */
static void isn__over_tuples__bytes_and_steps_are_uniform(void **state)
{
    struct rig *t = rig_closed(NULL);
    static uint32_t count[8][256];
    uint32_t last = isn_of(t, TUPLES);
    (void)state;
    memset(count, 0, sizeof count);
    for (uint32_t n = 0; n < TUPLES; n++) {
        uint32_t isn = isn_of(t, n), step = isn - last;
        for (unsigned int byte = 0; byte < 4; byte++) {
            count[byte][isn >> 8 * byte & 0xff]++;
            count[4 + byte][step >> 8 * byte & 0xff]++;
        }
        last = isn;
    }
    for (unsigned int i = 0; i < 8; i++)
        assert_uniform(count[i], TUPLES / 256.0);
    rig_end(t);
}

/* MUST-9: what one start of the stack has shown says nothing about the next: the difference is no constant.
 */
static void isn__another_secret__is_another_function(void **state)
{
    struct rig *a = rig_closed(&(struct rig_setup){.seed = 1}),
               *b = rig_closed(&(struct rig_setup){.seed = 2}),
               *again = rig_closed(&(struct rig_setup){.seed = 1});
    static uint32_t count[4][256];
    (void)state;
    memset(count, 0, sizeof count);
    for (uint32_t n = 0; n < TUPLES; n++) {
        uint32_t difference = isn_of(a, n) - isn_of(b, n);
        assert_int_equal(isn_of(a, n), isn_of(again, n));
        for (unsigned int byte = 0; byte < 4; byte++)
            count[byte][difference >> 8 * byte & 0xff]++;
    }
    for (unsigned int i = 0; i < 4; i++)
        assert_uniform(count[i], TUPLES / 256.0);
    rig_end(a);
    rig_end(b);
    rig_end(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(isn__same_tuple__advances_250000_in_a_second),
        cmocka_unit_test(isn__clock__ticks_each_4_us_and_wraps),
        cmocka_unit_test(isn__passive_open__has_the_same_clock),
        cmocka_unit_test(isn__each_part_of_the_tuple__counts),
        cmocka_unit_test(isn__over_tuples__bytes_and_steps_are_uniform),
        cmocka_unit_test(isn__another_secret__is_another_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
