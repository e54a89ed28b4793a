/* test_hystart.c - slow start that ends by delay: RFC 9406 4.2, on a path whose RTT the test decides. */
#include "test.h"

#include "hystart.h"

#include <limits.h>

#define SMSS 1460u
#define BASE_US (50 * (uint32_t)MS)
#define STEP_US (8 * (uint32_t)MS) /* above RttThresh, which is 50 / 8 ms */
#define CSS_ROUNDS 5

struct path {
    struct cc cc;
    struct hystart h;
    uint64_t una, nxt, round_end;
    unsigned int per_ack; /* segments that an ACK covers */
};

static struct path path_of(bool hystart)
{
    return (struct path){
        .cc = {.cwnd = 10 * SMSS, .ssthresh = CC_SSTHRESH_NONE, .smss = SMSS, .hystart = hystart},
        .una = 1,
        .nxt = 1 + 10 * SMSS,
        .round_end = 1 + 10 * SMSS,
        .per_ack = 1};
}

static bool ended(const struct path *p) { return p->cc.cwnd >= p->cc.ssthresh; }

static void acked(struct path *p, uint32_t segments, uint32_t rtt_us)
{
    p->una += segments * SMSS;
    hystart_grow(&p->h, &p->cc,
                 &(struct cc_ack){.acked_bytes = segments * SMSS,
                                  .rtt_us = rtt_us,
                                  .una = p->una,
                                  .nxt = p->nxt,
                                  .validated = true});
    p->nxt = p->una + p->cc.cwnd;
}

/* A round trip: all that was in flight when the ACK came that ended the one before is acknowledged; what that
 * ACK let go belongs to the next.  Only the first `samples` ACKs have a sample.  Returns how many per cent of
 * what was acknowledged cwnd has grown: 100 in slow start, 25 in CSS. */
static uint32_t round_with(struct path *p, uint32_t rtt_us, unsigned int samples)
{
    uint32_t cwnd = p->cc.cwnd;
    uint64_t una = p->una, end = p->round_end;
    for (unsigned int k = 0; p->una < end && !ended(p); k++) {
        p->round_end = p->nxt;
        acked(p, p->per_ack, k < samples ? rtt_us : 0);
    }
    return p->una == una ? 0 : (uint32_t)(100 * (uint64_t)(p->cc.cwnd - cwnd) / (p->una - una));
}

static uint32_t round_trip(struct path *p, uint32_t rtt_us) { return round_with(p, rtt_us, UINT_MAX); }

static void delay__grown_by_8_ms__ends_slow_start_within_a_round_and_css(void **state)
{
    (void)state;
    for (unsigned int per_ack = 1; per_ack <= 2; per_ack++) {
        struct path p = path_of(true);
        p.per_ack = per_ack;
        for (unsigned int k = 0; k < 4; k++)
            assert_int_equal(round_trip(&p, BASE_US), 100);
        assert_true(p.cc.cwnd >= 100 * SMSS);
        assert_in_range(round_trip(&p, BASE_US + STEP_US), 26, 50); /* noticed at the eighth sample */
        unsigned int rounds = 1;
        for (; !ended(&p) && rounds <= CSS_ROUNDS; rounds++)
            assert_int_equal(round_trip(&p, BASE_US + STEP_US), 25);
        assert_true(ended(&p));
        assert_int_equal(rounds, CSS_ROUNDS); /* the one in which CSS began counts */
        assert_int_equal(p.cc.ssthresh, p.cc.cwnd);
    }
}

/* RttThresh is an eighth of the RTT, between 4 and 16 ms. */
static void threshold__by_rtt__is_an_eighth_within_4_and_16_ms(void **state)
{
    const struct {
        uint32_t rtt_ms, thresh_ms;
    } all[] = {{1, 4}, {32, 4}, {40, 5}, {80, 10}, {128, 16}, {400, 16}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++)
        for (uint32_t less = 0; less <= 1; less++) {
            struct path p = path_of(true);
            uint32_t rtt_us = all[i].rtt_ms * (uint32_t)MS;
            round_trip(&p, rtt_us);
            round_trip(&p, rtt_us);
            uint32_t risen_us = rtt_us + all[i].thresh_ms * (uint32_t)MS - less;
            round_trip(&p, risen_us);
            assert_int_equal(round_trip(&p, risen_us), less == 0 ? 25 : 100);
        }
}

static void delay__only_a_spike_of_jitter__returns_to_slow_start(void **state)
{
    (void)state;
    struct path p = path_of(true);
    round_trip(&p, BASE_US);
    round_trip(&p, BASE_US);
    round_trip(&p, BASE_US + STEP_US);
    assert_int_equal(round_trip(&p, BASE_US + STEP_US), 25);
    assert_in_range(round_trip(&p, BASE_US), 75, 99); /* back at the eighth sample */
    for (unsigned int k = 0; k < CSS_ROUNDS + 1; k++)
        assert_int_equal(round_trip(&p, BASE_US), 100);
    assert_false(ended(&p));
}

/* A second rise is noticed as the first, and CSS lasts its five rounds again. */
static void css__after_a_return__starts_anew(void **state)
{
    (void)state;
    struct path p = path_of(true);
    for (unsigned int k = 0; k < 2; k++) {
        round_trip(&p, BASE_US);
        round_trip(&p, BASE_US);
        for (unsigned int css = 0; css < CSS_ROUNDS - 1; css++)
            round_trip(&p, BASE_US + STEP_US);
        assert_false(ended(&p));
    }
    round_trip(&p, BASE_US + STEP_US);
    assert_true(ended(&p));
}

/* The least of a round counts, so delay that comes and goes within each round is none. */
static void delay__constant_or_shaking__never_ends_slow_start(void **state)
{
    (void)state;
    for (uint32_t shake_us = 0; shake_us <= 40 * MS; shake_us += 40 * (uint32_t)MS) {
        struct path p = path_of(true);
        for (unsigned int k = 0; k < 20000; k++) {
            uint32_t before = p.cc.cwnd;
            acked(&p, 1, BASE_US + k % 5 * (shake_us / 4));
            assert_int_equal(p.cc.cwnd, before + SMSS);
        }
        assert_int_equal(p.cc.ssthresh, CC_SSTHRESH_NONE);
    }
}

static void samples__fewer_than_eight_in_a_round__decide_nothing(void **state)
{
    (void)state;
    for (unsigned int samples = 7; samples <= 8; samples++) {
        struct path p = path_of(true);
        round_trip(&p, BASE_US);
        round_with(&p, BASE_US + STEP_US, samples);
        assert_int_equal(round_with(&p, 0, 0), samples < 8 ? 100 : 25);
    }
}

/* The first round has none before it, however much its own RTT grows. */
static void first_round__with_growing_delay__decides_nothing(void **state)
{
    (void)state;
    struct path p = path_of(true);
    acked(&p, 1, BASE_US);
    for (unsigned int k = 1; k < 10; k++) {
        uint32_t before = p.cc.cwnd;
        acked(&p, 1, BASE_US + STEP_US);
        assert_int_equal(p.cc.cwnd, before + SMSS);
    }
}

static void hystart__switched_off__never_ends_slow_start(void **state)
{
    (void)state;
    struct path p = path_of(false);
    for (unsigned int k = 0; k < 10; k++)
        assert_int_equal(round_trip(&p, BASE_US + k * STEP_US), 100);
    assert_int_equal(p.cc.ssthresh, CC_SSTHRESH_NONE);
}

static void hystart__after_a_loss__is_no_more(void **state)
{
    (void)state;
    struct path p = path_of(true);
    p.cc.ssthresh = 4000 * SMSS;
    for (unsigned int k = 0; k < 8; k++)
        assert_int_equal(round_trip(&p, BASE_US + k * STEP_US), 100);
    assert_int_equal(p.cc.ssthresh, 4000 * SMSS);
}

/* L = 8 is HyStart++'s; RFC 5681 3.1 (2) and RFC 3465 2.3 (after a timeout) say one segment. */
static void step__of_one_ack__is_eight_segments_with_hystart_only_and_one_otherwise(void **state)
{
    const struct {
        bool hystart, timed_out;
        uint32_t ssthresh, segments;
    } all[] = {{true, false, CC_SSTHRESH_NONE, 8},  {true, true, CC_SSTHRESH_NONE, 1},
               {false, false, CC_SSTHRESH_NONE, 1}, {false, true, CC_SSTHRESH_NONE, 1},
               {true, false, 1000 * SMSS, 1},       {true, true, 1000 * SMSS, 1}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct path p = path_of(all[i].hystart);
        p.cc.ssthresh = all[i].ssthresh;
        struct cc_ack ack = {
            .acked_bytes = 10 * SMSS, .una = 1, .nxt = 2, .timed_out = all[i].timed_out, .validated = true};
        hystart_grow(&p.h, &p.cc, &ack);
        assert_int_equal(p.cc.cwnd, (10 + all[i].segments) * SMSS);
        ack.acked_bytes = 1;
        hystart_grow(&p.h, &p.cc, &ack);
        assert_int_equal(p.cc.cwnd, (10 + all[i].segments) * SMSS + 1);
        ack.validated = false;
        hystart_grow(&p.h, &p.cc, &ack);
        assert_int_equal(p.cc.cwnd, (10 + all[i].segments) * SMSS + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delay__grown_by_8_ms__ends_slow_start_within_a_round_and_css),
        cmocka_unit_test(threshold__by_rtt__is_an_eighth_within_4_and_16_ms),
        cmocka_unit_test(delay__only_a_spike_of_jitter__returns_to_slow_start),
        cmocka_unit_test(css__after_a_return__starts_anew),
        cmocka_unit_test(delay__constant_or_shaking__never_ends_slow_start),
        cmocka_unit_test(samples__fewer_than_eight_in_a_round__decide_nothing),
        cmocka_unit_test(first_round__with_growing_delay__decides_nothing),
        cmocka_unit_test(hystart__switched_off__never_ends_slow_start),
        cmocka_unit_test(hystart__after_a_loss__is_no_more),
        cmocka_unit_test(step__of_one_ack__is_eight_segments_with_hystart_only_and_one_otherwise),
    };
    return cmocka_run_group_tests_name("hystart", tests, NULL, NULL);
}
