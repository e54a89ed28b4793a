/* test_scoreboard_edges.c - what the random traces of test_scoreboard.c meet seldom, or cannot say by name.
 */
#include "test.h"

#include "heap.h"
#include "scoreboard.h"

static struct test_heap heap;
static struct mem mem;
static struct scoreboard sb;

static int set_up(void **state)
{
    (void)state;
    heap = (struct test_heap){0};
    mem = test_heap_mem(&heap, 1u << 22);
    return scoreboard_init(&sb, &mem);
}

static int tear_down(void **state)
{
    (void)state;
    scoreboard_free(&sb, &mem);
    return heap.live_blocks ? -1 : 0;
}

/* Segments of 100 from position 1000 on, one each 10 us from 10 us on. */
static void send_segments(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        scoreboard_sent(&sb, &mem, 1000 + 100 * i, 1100 + 100 * i, 1000 + 100 * i, 10 + 10 * i);
}

static void scoreboard__init_without_memory__fails_and_keeps_nothing(void **state)
{
    (void)state;
    scoreboard_free(&sb, &mem);
    for (uint64_t nth = 1; nth <= 3; nth++) {
        heap.fail_nth = nth;
        assert_int_not_equal(scoreboard_init(&sb, &mem), 0);
        assert_int_equal(heap.live_blocks, 0);
    }
    assert_int_equal(scoreboard_init(&sb, &mem), 0);
}

static void
scoreboard__part_of_a_burst_is_judged__each_position_is_marked_once_until_all_is_found(void **state)
{
    (void)state;
    struct delivery news = {0};
    rill_time next_us;
    scoreboard_sent(&sb, &mem, 1000, 1500, 1000, 10);
    scoreboard_sent(&sb, &mem, 1500, 2000, 1500, 10);
    assert_int_equal(sb.first.count, 1);
    assert_true(scoreboard_sacked(&sb, &mem, 1100, 1200, &news));
    assert_int_equal(scoreboard_judge(&sb, &mem, 10, 1200, 10, &next_us), 100);
    assert_int_equal(next_us, RILL_NEVER);
    assert_int_equal(scoreboard_judge(&sb, &mem, 10, 1200, 10, &next_us), 0);
    assert_true(scoreboard_sacked(&sb, &mem, 1900, 2000, &news));
    assert_int_equal(scoreboard_judge(&sb, &mem, 10, 2000, 10, &next_us), 700);
    assert_true(ranges_cover(&sb.lost, 1200, 1900));
    scoreboard_find_all(&sb, &mem); /* the marks were wrong, at that time; RFC 8985 may come to them again */
    assert_int_equal(sb.lost.bytes, 0);
    assert_int_equal(scoreboard_judge(&sb, &mem, 10, 2000, 10, &next_us), 800);
    assert_true(ranges_cover(&sb.lost, 1000, 1100) && ranges_cover(&sb.lost, 1200, 1900));
}

static void scoreboard__not_yet_the_time__says_what_to_wait_for(void **state)
{
    (void)state;
    struct delivery news = {0};
    rill_time next_us;
    send_segments(5); /* at 10, 20, 30, 40, 50 */
    assert_true(scoreboard_sacked(&sb, &mem, 1400, 1500, &news));
    assert_int_equal(news.first.at_us, 50);
    assert_int_equal(scoreboard_judge(&sb, &mem, 50, 1500, 20, &next_us), 200);
    assert_int_equal(next_us, 30);
    assert_int_equal(scoreboard_judge(&sb, &mem, 50, 1500, 40, &next_us), 200);
    assert_int_equal(next_us, RILL_NEVER);
}

static void scoreboard__retransmission_lost_again__is_found_by_its_own_time(void **state)
{
    (void)state;
    struct delivery news = {0};
    rill_time next_us;
    send_segments(3);
    assert_int_equal(scoreboard_lose(&sb, &mem, 1000, 1100), 100);
    scoreboard_sent(&sb, &mem, 1000, 1100, 1300, 100);
    scoreboard_sent(&sb, &mem, 1300, 1400, 1300, 110);
    assert_int_equal(scoreboard_judge(&sb, &mem, 30, 1300, 30, &next_us), 200);
    assert_true(scoreboard_sacked(&sb, &mem, 1300, 1400, &news));
    assert_int_equal(scoreboard_judge(&sb, &mem, 110, 1400, 99, &next_us), 0);
    assert_int_equal(next_us, 100);
    assert_int_equal(scoreboard_judge(&sb, &mem, 110, 1400, 100, &next_us), 100);
    assert_true(ranges_cover(&sb.lost, 1000, 1300));
    assert_int_equal(scoreboard_judge(&sb, &mem, 110, 1400, 100, &next_us), 0);
}

static void scoreboard__copy_that_a_later_one_follows__is_not_judged(void **state)
{
    (void)state;
    rill_time next_us;
    send_segments(2);
    scoreboard_sent(&sb, &mem, 1000, 1100, 1200, 100); /* a probe, and another */
    scoreboard_sent(&sb, &mem, 1000, 1100, 1200, 200);
    assert_int_equal(scoreboard_judge(&sb, &mem, 150, 1300, 150, &next_us), 100);
    assert_false(ranges_touch(&sb.lost, 1000, 1100));
    struct delivery news = {0};
    scoreboard_acked(&sb, &mem, 1000, 1100, &news);
    assert_true(news.any_again && !news.any_first);
    assert_int_equal(news.again.at_us, 200);
}

static void scoreboard__copy_of_which_the_front_is_acknowledged__keeps_its_rear(void **state)
{
    (void)state;
    struct delivery news = {0};
    send_segments(3);
    (void)scoreboard_lose(&sb, &mem, 1000, 1300);
    scoreboard_sent(&sb, &mem, 1000, 1300, 1300, 100);
    scoreboard_acked(&sb, &mem, 1000, 1100, &news);
    assert_int_equal(scoreboard_lose(&sb, &mem, 1100, 1200), 100);
    scoreboard_sent(&sb, &mem, 1100, 1200, 1300, 200);
    news = (struct delivery){0};
    assert_true(scoreboard_sacked(&sb, &mem, 1200, 1300, &news));
    assert_int_equal(news.again.begin, 1200);
    assert_int_equal(news.again.at_us, 100);
}

static void scoreboard__copy_of_which_nothing_is_missing_so_far__is_not_waited_for(void **state)
{
    (void)state;
    struct delivery news = {0};
    rill_time next_us;
    send_segments(3);
    scoreboard_lose_all(&sb, &mem, 1000, 1300);
    scoreboard_sent(&sb, &mem, 1000, 1300, 1300, 100);
    assert_true(scoreboard_sacked(&sb, &mem, 1000, 1200, &news));
    assert_int_equal(news.again.end, 1200);
    assert_int_equal(scoreboard_judge(&sb, &mem, 100, 1200, 90, &next_us), 0);
    assert_int_equal(next_us, RILL_NEVER);
    assert_int_equal(scoreboard_judge(&sb, &mem, 101, 1200, 90, &next_us), 0);
    assert_int_equal(next_us, 100);
}

/* Nine holes between SACKed segments of which the last eight are lost; then there is no more memory. */
static void lose_without_memory(void)
{
    struct delivery news = {0};
    send_segments(18);
    for (uint64_t begin = 1100; begin < 2800; begin += 200)
        assert_true(scoreboard_sacked(&sb, &mem, begin, begin + 100, &news));
    for (uint64_t begin = 1200; begin < 2800; begin += 200)
        assert_int_equal(scoreboard_lose(&sb, &mem, begin, begin + 100), 100);
    heap.fail_all = true;
    assert_int_equal(scoreboard_lose(&sb, &mem, 1000, 1100), 0);
}

static void scoreboard__timeout_without_memory__marks_the_front_first(void **state)
{
    (void)state;
    lose_without_memory();
    scoreboard_lose_all(&sb, &mem, 1000, 2800);
    assert_true(ranges_cover(&sb.lost, 1000, 1100));
    assert_int_equal(sb.lost.bytes, 800);
}

static void scoreboard__sent_again_without_memory__is_not_lost_all_the_same(void **state)
{
    (void)state;
    lose_without_memory();
    scoreboard_sent(&sb, &mem, 1240, 1260, 2800, 500); /* from the middle of a lost interval */
    assert_true(scoreboard_sound(&sb, 1000, 2800));
    assert_true(ranges_cover(&sb.lost, 1200, 1240));
    assert_false(ranges_touch(&sb.lost, 1240, 1400));
    assert_true(ranges_cover(&sb.resent, 1240, 1260));
}

static void scoreboard__segment_across_nxt__is_half_a_retransmission(void **state)
{
    (void)state;
    struct delivery news = {0};
    send_segments(1);
    scoreboard_sent(&sb, &mem, 1050, 1150, 1100, 99);
    assert_true(scoreboard_sound(&sb, 1000, 1150));
    assert_int_equal(sb.resent.bytes, 50);
    scoreboard_acked(&sb, &mem, 1000, 1150, &news);
    assert_int_equal(news.bytes, 150);
    assert_int_equal(news.lowest_first, 1050);
    assert_int_equal(news.first.at_us, 99);
    assert_int_equal(news.first.begin, 1100);
    assert_int_equal(news.again.begin, 1050);
    assert_int_equal(news.again.end, 1100);
}

static void scoreboard__sent_in_the_moment_of_a_timeout__is_judged_all_the_same(void **state)
{
    (void)state;
    rill_time next_us;
    send_segments(3);
    scoreboard_lose_all(&sb, &mem, 1000, 1300);
    assert_int_equal(sb.lost.bytes, 300);
    scoreboard_sent(&sb, &mem, 1300, 1400, 1300, 30); /* the time of the last one */
    assert_int_equal(scoreboard_judge(&sb, &mem, 40, 1500, 40, &next_us), 100);
    assert_true(ranges_cover(&sb.lost, 1300, 1400));
}

static void scoreboard__all_is_found__but_copies_that_were_lost(void **state)
{
    (void)state;
    rill_time next_us;
    send_segments(3);
    scoreboard_lose_all(&sb, &mem, 1000, 1300);
    scoreboard_sent(&sb, &mem, 1100, 1200, 1300, 50);
    assert_int_equal(scoreboard_judge(&sb, &mem, 60, 1300, 55, &next_us), 100); /* the copy, too */
    scoreboard_find_all(&sb, &mem);
    assert_int_equal(sb.lost.bytes, 100);
    assert_true(ranges_cover(&sb.lost, 1100, 1200));
}

static void scoreboard__one_hole_too_many__is_refused_and_changes_nothing(void **state)
{
    (void)state;
    struct delivery news = {0};
    send_segments(60);
    for (uint64_t i = 0; i < RANGES_MAX; i++)
        assert_true(scoreboard_sacked(&sb, &mem, 1002 + 4 * i, 1004 + 4 * i, &news));
    struct delivery before = news;
    assert_false(scoreboard_sacked(&sb, &mem, 6000, 6010, &news));
    assert_memory_equal(&news, &before, sizeof(news));
    assert_int_equal(sb.sacked.bytes, 2 * RANGES_MAX);
    assert_true(scoreboard_sacked(&sb, &mem, 1004, 1005, &news)); /* one that grows */
    assert_true(scoreboard_sacked(&sb, &mem, 5005, 5010, &news)); /* two that become one */
    scoreboard_lose_all(&sb, &mem, 1000, 7000);
    assert_true(scoreboard_sound(&sb, 1000, 7000));
    assert_true(ranges_cover(&sb.lost, 1000, 1002));
}

static void scoreboard__more_segments_than_records__the_last_stands_for_all(void **state)
{
    (void)state;
    send_segments(10000);
    assert_int_equal(sb.first.count, 8192);
    assert_int_equal(sb.first.v[8191].at_us, 100000);
    assert_true(scoreboard_sound(&sb, 1000, 1001000));
    struct delivery news = {0};
    scoreboard_acked(&sb, &mem, 1000, 1001000, &news);
    assert_int_equal(news.bytes, 1000000);
    assert_int_equal(sb.first.count + sb.first.head, 0);
}

static void scoreboard__long_flow__needs_no_more_memory_than_its_flight(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 50000; i++) {
        struct delivery news = {0};
        scoreboard_sent(&sb, &mem, 1000 + i, 1001 + i, 1000 + i, i);
        if (i >= 12)
            scoreboard_acked(&sb, &mem, 988 + i, 989 + i, &news);
        assert_true(i < 12 || news.first.at_us == i - 12);
    }
    assert_true(sb.first.cap <= 32);
}

/* Work is bounded because judging never returns to a record: each call takes up where the last one stopped.
 */
static void scoreboard__a_sack_for_each_segment__judges_each_record_once(void **state)
{
    (void)state;
    const uint32_t count = 2000;
    uint32_t bytes = 0;
    send_segments(count);
    for (uint32_t i = 1; i < count; i += 2) {
        struct delivery news = {0};
        rill_time next_us;
        uint64_t begin = 1000 + 100 * i;
        assert_true(scoreboard_sacked(&sb, &mem, begin, begin + 100, &news));
        assert_int_equal(news.first.at_us, 10 + 10 * i);
        assert_int_equal(sb.judged_first, i == 1 ? 0 : i - 1);
        bytes += scoreboard_judge(&sb, &mem, news.first.at_us, news.first.end, news.first.at_us, &next_us);
        assert_int_equal(sb.judged_first, i + 1);
    }
    assert_int_equal(bytes, 100 * count / 2);
}

static void scoreboard__broken_structure__is_not_sound(void **state)
{
    (void)state;
    struct delivery news = {0};
    rill_time next_us;
    send_segments(4);
    assert_true(scoreboard_sacked(&sb, &mem, 1300, 1400, &news));
    assert_int_equal(scoreboard_judge(&sb, &mem, 20, 1200, 20, &next_us), 200);
    scoreboard_sent(&sb, &mem, 1000, 1100, 1400, 100);
    assert_true(scoreboard_sound(&sb, 1000, 1400));
    assert_false(scoreboard_sound(&sb, 1001, 1400));
    assert_false(scoreboard_sound(&sb, 1000, 1399));
    assert_false(scoreboard_sound(&sb, 1000, 1401));
    struct scoreboard good = sb;
    sb.judged_first = 1;
    assert_false(scoreboard_sound(&sb, 1000, 1400));
    sb = good;
    sb.first.v[1].at_us = 5;
    assert_false(scoreboard_sound(&sb, 1000, 1400));
    sb.first.v[1].at_us = 20;
    sb.first.v[1].begin = 1101;
    assert_false(scoreboard_sound(&sb, 1000, 1400));
    sb.first.v[1].begin = 1100;
    sb.again.v[0].end = 1101; /* sent again, and lost */
    assert_false(scoreboard_sound(&sb, 1000, 1400));
    sb.again.v[0].end = 1100;
    sb.lost.v[0].end = 1301; /* lost, and SACKed */
    sb.lost.bytes += 101;
    assert_false(scoreboard_sound(&sb, 1000, 1400));
    sb.lost.v[0].end = 1200;
    sb.lost.bytes -= 101;
    assert_true(scoreboard_sound(&sb, 1000, 1400));
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(scoreboard__init_without_memory__fails_and_keeps_nothing),
        CLAIM(scoreboard__part_of_a_burst_is_judged__each_position_is_marked_once_until_all_is_found),
        CLAIM(scoreboard__not_yet_the_time__says_what_to_wait_for),
        CLAIM(scoreboard__retransmission_lost_again__is_found_by_its_own_time),
        CLAIM(scoreboard__copy_that_a_later_one_follows__is_not_judged),
        CLAIM(scoreboard__copy_of_which_the_front_is_acknowledged__keeps_its_rear),
        CLAIM(scoreboard__copy_of_which_nothing_is_missing_so_far__is_not_waited_for),
        CLAIM(scoreboard__timeout_without_memory__marks_the_front_first),
        CLAIM(scoreboard__sent_again_without_memory__is_not_lost_all_the_same),
        CLAIM(scoreboard__segment_across_nxt__is_half_a_retransmission),
        CLAIM(scoreboard__sent_in_the_moment_of_a_timeout__is_judged_all_the_same),
        CLAIM(scoreboard__all_is_found__but_copies_that_were_lost),
        CLAIM(scoreboard__one_hole_too_many__is_refused_and_changes_nothing),
        CLAIM(scoreboard__more_segments_than_records__the_last_stands_for_all),
        CLAIM(scoreboard__long_flow__needs_no_more_memory_than_its_flight),
        CLAIM(scoreboard__a_sack_for_each_segment__judges_each_record_once),
        CLAIM(scoreboard__broken_structure__is_not_sound),
    };
    return cmocka_run_group_tests_name("scoreboard_edges", tests, NULL, NULL);
}
