/* test_rack_dsack.c - the reordering window that duplicates widen: RFC 8985 6.2 step 4. */
#include "sacking.h"

#define REO (RTT / 4)

#define dsack(t, k) sack(t, k, (k)-1, k)

/* Two segments from now on, of which the second arrives after a round trip: the first is found lost
 * `window_us` later.  Then all arrives, before its copy can. */
static void lose_one(struct rig *t, unsigned int k, rill_time window_us)
{
    mark(t);
    write_segments(t, k, 2);
    at(t, RTT);
    sack(t, k, k + 1, k + 2);
    out_none(t);
    out_segment_at(t, RTT + window_us, k);
    advance(t, 10 * MS);
}

static void dsack__each_round_with_one__a_quarter_more(void **state)
{
    struct rig *t = racking();
    (void)state;
    write_segments(t, 0, 2);
    at(t, RTT);
    ack(t, 2);
    mark(t);
    write_segments(t, 2, 4);
    dsack(t, 2);
    dsack(t, 2); /* the same round */
    at(t, RTT);
    sack(t, 2, 3, 4);
    dsack(t, 2);
    out_segment_at(t, RTT + 2 * REO, 2);
    advance(t, 10 * MS);
    ack(t, 6);
    dsack(t, 6); /* the next one */
    lose_one(t, 6, 3 * REO);
    ack(t, 8);
    rig_end(t);
}

static void dsack__many_rounds__not_more_than_srtt(void **state)
{
    struct rig *t = racking();
    unsigned int k = 2;
    (void)state;
    write_segments(t, 0, 2);
    at(t, RTT);
    ack(t, 2);
    for (; k < 20; k += 2) {
        dsack(t, k);
        write_segments(t, k, 2);
        advance(t, RTT);
        ack(t, k + 2);
    }
    lose_one(t, k, RTT);
    ack(t, k + 2);
    rig_end(t);
}

/* "persists using the inflated RACK.reo_wnd for up to 16 loss recoveries" */
static void dsack__sixteen_recoveries_without__the_window_is_small_again(void **state)
{
    struct rig *t = racking();
    unsigned int k = 2;
    (void)state;
    write_segments(t, 0, 2);
    at(t, RTT);
    ack(t, 2);
    dsack(t, 2);
    for (unsigned int i = 0; i < 16; i++, k += 2) {
        lose_one(t, k, 2 * REO);
        ack(t, k + 2);
    }
    lose_one(t, k, REO);
    ack(t, k + 2);
    rig_end(t);
}

/* "Else if exiting Fast or RTO recovery": the recovery whose end brings it is not counted. */
static void dsack__with_the_end_of_a_recovery__sixteen_more(void **state)
{
    struct rig *t = racking();
    unsigned int k = 2;
    (void)state;
    lose_one(t, 0, REO);
    sack(t, 2, 0, 1);
    for (unsigned int i = 0; i < 16; i++, k += 2) {
        lose_one(t, k, 2 * REO);
        ack(t, k + 2);
    }
    lose_one(t, k, REO);
    ack(t, k + 2);
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dsack__each_round_with_one__a_quarter_more),
        cmocka_unit_test(dsack__many_rounds__not_more_than_srtt),
        cmocka_unit_test(dsack__sixteen_recoveries_without__the_window_is_small_again),
        cmocka_unit_test(dsack__with_the_end_of_a_recovery__sixteen_more),
    };
    return cmocka_run_group_tests_name("rack_dsack", tests, NULL, NULL);
}
