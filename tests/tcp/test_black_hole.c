/* test_black_hole.c - a path that swallows full segments and says nothing.  RFC 4821 7.7; RFC 2923 2.1. */
#include "sending.h"

#define MTU_LOW 1024u  /* RFC 4821 7.2: search_low */
#define MTU_FLOOR 552u /* ours, and Linux' */
#define LOW (MTU_LOW - 40)
#define FLOOR (MTU_FLOOR - 40)

static void with_black_hole(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->features |= 1u << RILL_FEATURE_BLACK_HOLE;
}

static const struct rig_setup setup = {.edit = with_black_hole};

/* The timeouts of RFC 6298 5.5, from the first one on: 200, 600, 1400 ms ... */
static rill_time timeout_at(unsigned int n) { return RTO * ((1u << n) - 1); }

static void full_segments_vanish__third_and_fifth_timeout__get_smaller_ones(void **state)
{
    struct rig *t = ten_in_flight(&setup);
    (void)state;
    out_segment_at(t, timeout_at(1), 0);
    out_segment_at(t, timeout_at(2), 0);
    expect_counted(t, RILL_BLACK_HOLE, 0);
    out_at(t, timeout_at(3), ". 1:%u(%u) ack 1", 1 + LOW, LOW);
    expect_counted(t, RILL_BLACK_HOLE, 1);
    out_at(t, timeout_at(4), ". 1:%u(%u) ack 1", 1 + LOW, LOW);
    out_at(t, timeout_at(5), ". 1:%u(%u) ack 1", 1 + FLOOR, FLOOR);
    expect_counted(t, RILL_BLACK_HOLE, 2);
    out_at(t, timeout_at(6), ". 1:%u(%u) ack 1", 1 + FLOOR, FLOOR);
    out_at(t, timeout_at(7), ". 1:%u(%u) ack 1", 1 + FLOOR, FLOOR);
    expect_counted(t, RILL_BLACK_HOLE, 2); /* never below the floor */
    rig_end(t);
}

/* Where one has arrived, it is random loss for a long time: smaller segments would only be slower. */
static void full_segments_had_arrived__ninth_timeout__gets_smaller_ones(void **state)
{
    struct rig *t = rig_established(&setup);
    (void)state;
    app_write(t, 3 * SMSS);
    out_segments(t, 0, 2);
    out(t, "P. %u:%u(%u) ack 1", start_of(2), start_of(3), SMSS);
    ack(t, 1);
    mark(t);
    for (unsigned int n = 1; n <= 8; n++)
        out_segment_at(t, timeout_at(n), 1);
    expect_counted(t, RILL_BLACK_HOLE, 0);
    out_at(t, timeout_at(9), ". %u:%u(%u) ack 1", start_of(1), start_of(1) + LOW, LOW);
    expect_counted(t, RILL_BLACK_HOLE, 1);
    rig_end(t);
}

static void small_segment_vanishes__is_no_black_hole(void **state)
{
    struct rig *t = rig_established(&setup);
    (void)state;
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    for (unsigned int n = 1; n <= 5; n++)
        out_at(t, timeout_at(n), "P. 1:101(100) ack 1");
    expect_counted(t, RILL_BLACK_HOLE, 0);
    rig_end(t);
}

static void without_the_feature__size_stays(void **state)
{
    struct rig *t = ten_in_flight(NULL);
    (void)state;
    for (unsigned int n = 1; n <= 5; n++)
        out_segment_at(t, timeout_at(n), 0);
    expect_counted(t, RILL_BLACK_HOLE, 0);
    rig_end(t);
}

/* RFC 4821 7.7 and RFC 1191 6.3: not before five minutes, ten are recommended. */
static void ten_minutes_later__full_segments_are_tried_again(void **state)
{
    struct rig *t = rig_established(&setup);
    (void)state;
    app_write(t, 2 * SMSS);
    out(t, ". 1:%u(%u) ack 1", 1 + SMSS, SMSS);
    out(t, "P. %u:%u(%u) ack 1", 1 + SMSS, 1 + 2 * SMSS, SMSS);
    out_at(t, timeout_at(1), ". 1:%u(%u) ack 1", 1 + SMSS, SMSS);
    out_at(t, timeout_at(2), ". 1:%u(%u) ack 1", 1 + SMSS, SMSS);
    out_at(t, timeout_at(3), ". 1:%u(%u) ack 1", 1 + LOW, LOW);
    in(t, ". 1:1(0) ack %u", 1 + 2 * SMSS); /* it had all been there */
    advance(t, 300 * SEC);
    app_write(t, SMSS);
    out(t, ". %u:%u(%u) ack 1", 1 + 2 * SMSS, 1 + 2 * SMSS + LOW, LOW);
    out(t, "P. %u:%u(%u) ack 1", 1 + 2 * SMSS + LOW, 1 + 3 * SMSS, SMSS - LOW);
    in(t, ". 1:1(0) ack %u", 1 + 3 * SMSS);
    advance(t, 361 * SEC);
    app_write(t, 1);
    out(t, "P. %u:%u(1) ack 1", 1 + 3 * SMSS, 2 + 3 * SMSS);
    in(t, ". 1:1(0) ack %u", 2 + 3 * SMSS);
    app_write(t, SMSS);
    out(t, "P. %u:%u(%u) ack 1", 2 + 3 * SMSS, 2 + 4 * SMSS, SMSS);
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_segments_vanish__third_and_fifth_timeout__get_smaller_ones),
        cmocka_unit_test(full_segments_had_arrived__ninth_timeout__gets_smaller_ones),
        cmocka_unit_test(small_segment_vanishes__is_no_black_hole),
        cmocka_unit_test(without_the_feature__size_stays),
        cmocka_unit_test(ten_minutes_later__full_segments_are_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
