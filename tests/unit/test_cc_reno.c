/* test_cc_reno.c - RFC 5681 3.1 and what RFC 3465 says of counting bytes. */
#include "test.h"

#include "cc_reno.h"

#define SMSS 1460u

struct bed {
    struct cc cc;
    uint64_t state[CC_STATE_BYTES / 8];
};

static void bed_init(struct bed *b, uint32_t cwnd, uint32_t ssthresh)
{
    *b = (struct bed){{.ops = &cc_reno, .cwnd = cwnd, .ssthresh = ssthresh, .smss = SMSS}, {0}};
    b->cc.state = b->state;
}

static void acked(struct bed *b, uint32_t bytes)
{
    b->cc.ops->on_ack(&b->cc, &(struct cc_ack){.acked_bytes = bytes, .validated = true});
}

/* RFC 5681 3.1, "ACK division". */
static void one_segment__acknowledged_octet_by_octet__grows_the_window_by_one_at_most(void **state)
{
    const uint32_t ssthresh[] = {CC_SSTHRESH_NONE, 20 * SMSS, 10 * SMSS, 2 * SMSS};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ssthresh); i++) {
        struct bed b;
        bed_init(&b, 10 * SMSS, ssthresh[i]);
        for (unsigned int octet = 0; octet < SMSS; octet++)
            acked(&b, 1);
        assert_true(b.cc.cwnd <= 11 * SMSS);
        assert_true(b.cc.cwnd >= 10 * SMSS);
    }
}

/* min(N, SMSS) for an ACK of N bytes. */
static void slow_start__one_ack__adds_what_it_covers_but_a_segment_at_most(void **state)
{
    struct bed b;
    (void)state;
    bed_init(&b, 10 * SMSS, CC_SSTHRESH_NONE);
    acked(&b, 100);
    assert_int_equal(b.cc.cwnd, 10 * SMSS + 100);
    acked(&b, 9 * SMSS);
    assert_int_equal(b.cc.cwnd, 11 * SMSS + 100);
}

/* The step is the same up to the last one, which may end beyond ssthresh: RFC 5681 has no other rule. */
static void slow_start__near_the_threshold__exceeds_it_by_less_than_a_segment(void **state)
{
    struct bed b;
    (void)state;
    bed_init(&b, 10 * SMSS, 10 * SMSS + 10);
    acked(&b, 3 * SMSS);
    assert_int_equal(b.cc.cwnd, 11 * SMSS);
    for (unsigned int k = 0; k < 10; k++)
        acked(&b, SMSS);
    assert_int_equal(b.cc.cwnd, 11 * SMSS); /* congestion avoidance, 11 segments make a window */
    acked(&b, SMSS);
    assert_int_equal(b.cc.cwnd, 12 * SMSS);
}

/* "cwnd is incremented by 1 full-sized segment per RTT", with and without delayed ACKs. */
static void avoidance__a_window_acknowledged__adds_one_segment(void **state)
{
    (void)state;
    for (unsigned int each = 1; each <= 2; each++) {
        struct bed b;
        bed_init(&b, 10 * SMSS, 10 * SMSS);
        for (unsigned int window = 10; window <= 20; window++) {
            for (unsigned int k = 0; k < window; k += each) {
                assert_int_equal(b.cc.cwnd, window * SMSS);
                acked(&b, (window - k < each ? window - k : each) * SMSS);
            }
            assert_int_equal(b.cc.cwnd, (window + 1) * SMSS);
        }
    }
}

/* 10 + 11 + .. + 19 segments bring the window from 10 to 20, though no ACK ends where a window ends. */
static void avoidance__what_is_left_of_a_window__counts_for_the_next(void **state)
{
    struct bed b;
    (void)state;
    bed_init(&b, 10 * SMSS, 10 * SMSS);
    for (unsigned int segments = 0; segments < 145; segments += 4) {
        assert_true(b.cc.cwnd < 20 * SMSS);
        acked(&b, 4 * SMSS);
    }
    assert_int_equal(b.cc.cwnd, 20 * SMSS);
}

/* What was counted before a loss is no argument for growth after it. */
static void avoidance__after_a_loss__counts_from_nothing(void **state)
{
    struct bed b;
    (void)state;
    bed_init(&b, 20 * SMSS, 20 * SMSS);
    for (unsigned int k = 0; k < 19; k++)
        acked(&b, SMSS);
    b.cc.cwnd = b.cc.ssthresh = b.cc.ops->on_loss(&b.cc, 20 * SMSS, CC_LOSS, SEC);
    for (unsigned int k = 0; k < 9; k++)
        acked(&b, SMSS);
    assert_int_equal(b.cc.cwnd, 10 * SMSS);
    acked(&b, SMSS);
    assert_int_equal(b.cc.cwnd, 11 * SMSS);
}

/* RFC 7661: what was not in use proves nothing. */
static void window__not_in_use__does_not_grow(void **state)
{
    const uint32_t ssthresh[] = {CC_SSTHRESH_NONE, 2 * SMSS};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ssthresh); i++) {
        struct bed b;
        bed_init(&b, 10 * SMSS, ssthresh[i]);
        for (unsigned int k = 0; k < 1000; k++)
            b.cc.ops->on_ack(&b.cc, &(struct cc_ack){.acked_bytes = SMSS});
        assert_int_equal(b.cc.cwnd, 10 * SMSS);
        acked(&b, SMSS); /* nor was it saved up */
        assert_true(b.cc.cwnd <= 11 * SMSS && (i == 0 || b.cc.cwnd == 10 * SMSS));
    }
}

/* (4): half of the flight, two segments at least, whatever cwnd is. */
static void loss__of_a_flight__halves_it(void **state)
{
    struct bed b;
    (void)state;
    for (int loss = CC_LOSS; loss <= CC_TIMEOUT; loss++) {
        bed_init(&b, 100 * SMSS, CC_SSTHRESH_NONE);
        assert_int_equal(b.cc.ops->on_loss(&b.cc, 30 * SMSS, (enum cc_loss)loss, SEC), 15 * SMSS);
        assert_int_equal(b.cc.ops->on_loss(&b.cc, 3 * SMSS, (enum cc_loss)loss, SEC), 2 * SMSS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_segment__acknowledged_octet_by_octet__grows_the_window_by_one_at_most),
        cmocka_unit_test(slow_start__one_ack__adds_what_it_covers_but_a_segment_at_most),
        cmocka_unit_test(slow_start__near_the_threshold__exceeds_it_by_less_than_a_segment),
        cmocka_unit_test(avoidance__a_window_acknowledged__adds_one_segment),
        cmocka_unit_test(avoidance__what_is_left_of_a_window__counts_for_the_next),
        cmocka_unit_test(avoidance__after_a_loss__counts_from_nothing),
        cmocka_unit_test(window__not_in_use__does_not_grow),
        cmocka_unit_test(loss__of_a_flight__halves_it),
    };
    return cmocka_run_group_tests_name("cc_reno", tests, NULL, NULL);
}
