/* test_scoreboard.c - the scoreboard against a model with an entry for each position. */
#include "test.h"

#include "heap.h"
#include "prng.h"
#include "scoreboard_model.h"

#define FLIGHT 500u /* positions at most in flight */
#define BASE MODEL_BASE

struct run {
    struct prng prng;
    struct test_heap heap;
    struct mem mem;
    struct scoreboard sb;
    struct model model;
    bool short_of_memory;
    rill_time now_us, copied_us; /* when the last copy left, and where it ended */
    uint32_t copied_end;
};

static struct run run;

/* ---- Comparing ----------------------------------------------------------------------------------------- */

static bool holds(const struct ranges *set, uint32_t i) { return ranges_touch(set, BASE + i, BASE + i + 1); }

static const struct sent *record_of(const struct sends *q, uint32_t i)
{
    for (uint32_t k = 0; k < q->count; k++)
        if (q->v[q->head + k].begin <= BASE + i && BASE + i < q->v[q->head + k].end)
            return &q->v[q->head + k];
    return NULL;
}

/* All that is known of a position.  Where memory was refused, the times and marks may err only to one side.
 */
static void check_cell(uint32_t i)
{
    const struct cell *cell = &run.model.cell[i];
    const struct sent *first = record_of(&run.sb.first, i), *copy = record_of(&run.sb.again, i);
    assert_non_null(first);
    assert_int_equal(holds(&run.sb.sacked, i), cell->sacked);
    assert_int_equal(holds(&run.sb.lost, i), cell->lost);
    if (run.short_of_memory) {
        assert_true(first->at_us >= cell->first_us);
        assert_true(!cell->resent || holds(&run.sb.resent, i));
        assert_true(!copy || cell->sacked || copy->at_us == cell->last_us);
        return;
    }
    assert_int_equal(first->at_us, cell->first_us);
    assert_int_equal(holds(&run.sb.resent, i), cell->resent);
    if (cell->sacked) /* what is SACKed may stay in the queue or not */
        return;
    assert_int_equal(copy != NULL, cell->copied);
    assert_true(!copy || copy->at_us == cell->last_us);
}

static void check_all(void)
{
    assert_true(scoreboard_sound(&run.sb, BASE + run.model.una, BASE + run.model.nxt));
    for (uint32_t i = run.model.una; i < run.model.nxt; i++)
        check_cell(i);
    const struct scoreboard *sb = &run.sb;
    assert_int_equal(run.mem.used_bytes,
                     (sb->first.cap + sb->again.cap) * sizeof(struct sent) +
                         (size_t)(sb->sacked.cap + sb->lost.cap + sb->resent.cap) * sizeof(struct range));
}

static void check_sent(const struct sent *got, const struct sent *expected)
{
    assert_int_equal(got->begin, expected->begin);
    assert_int_equal(got->end, expected->end);
    assert_int_equal(got->at_us, expected->at_us);
}

static void check_news(const struct delivery *got, const struct delivery *expected)
{
    assert_int_equal(got->bytes, expected->bytes);
    if (run.short_of_memory) {
        assert_true(got->any_again || !expected->any_again);
        assert_true(expected->any_first || !got->any_first);
        return;
    }
    assert_int_equal(got->any_first, expected->any_first);
    assert_int_equal(got->any_again, expected->any_again);
    check_sent(&got->first, &expected->first);
    check_sent(&got->again, &expected->again);
    assert_int_equal(got->lowest_first, expected->lowest_first);
}

/* ---- Random steps -------------------------------------------------------------------------------------- */

static uint32_t below(uint32_t n) { return (uint32_t)prng_below(&run.prng, n); }

/* Without memory some marks are left out: the model takes over those that there are. */
static void adopt_lost(void)
{
    for (uint32_t i = run.model.una; run.short_of_memory && i < run.model.nxt; i++)
        run.model.cell[i].lost = holds(&run.sb.lost, i);
}

static void send(uint32_t begin, uint32_t end)
{
    struct model *m = &run.model;
    end = end < MODEL_SIZE ? end : MODEL_SIZE;
    if (begin >= end)
        return;
    if (begin < m->nxt) {
        if (run.now_us == run.copied_us && begin < run.copied_end)
            run.now_us++;
        run.copied_us = run.now_us;
        run.copied_end = end < m->nxt ? end : m->nxt;
    }
    scoreboard_sent(&run.sb, &run.mem, BASE + begin, BASE + end, BASE + m->nxt, run.now_us);
    model_sent(m, begin, end, run.now_us);
    for (uint32_t i = begin; i < end; i++)
        assert_false(holds(&run.sb.lost, i));
    adopt_lost();
}

static void send_lost(void)
{
    uint32_t begin = run.model.una;
    while (begin < run.model.nxt && !run.model.cell[begin].lost)
        begin++;
    uint32_t end = begin, most = 1 + below(30);
    while (end < run.model.nxt && run.model.cell[end].lost && end < begin + most)
        end++;
    send(begin, end);
}

static void acknowledge(struct delivery *got, struct delivery *expected)
{
    struct model *m = &run.model;
    uint32_t flight = m->nxt - m->una;
    uint32_t ack = m->una + below((prng_chance(&run.prng, 20) ? flight : flight / 8) + 1);
    model_deliver(m, m->una, ack, expected);
    scoreboard_acked(&run.sb, &run.mem, BASE + m->una, BASE + ack, got);
    m->una = ack;
}

static void sack(struct delivery *got, struct delivery *expected)
{
    struct model *m = &run.model;
    if (m->una == m->nxt)
        return;
    uint32_t begin = m->una + below(m->nxt - m->una), end = begin + 1 + below(40);
    end = end < m->nxt ? end : m->nxt;
    struct delivery before = *got;
    if (scoreboard_sacked(&run.sb, &run.mem, BASE + begin, BASE + end, got)) {
        model_deliver(m, begin, end, expected);
        model_sacked(m, begin, end);
    } else {
        assert_true(run.short_of_memory);
        assert_memory_equal(got, &before, sizeof(before));
    }
}

static void receive_ack(void)
{
    struct delivery got = {0}, expected = {0};
    bool ack_first = prng_chance(&run.prng, 50);
    if (ack_first)
        acknowledge(&got, &expected);
    for (uint32_t blocks = below(4); blocks-- > 0;)
        sack(&got, &expected);
    if (!ack_first && prng_chance(&run.prng, 50))
        acknowledge(&got, &expected);
    check_news(&got, &expected);
}

/* What is newly marked was sent before the newest segment and not after the limit, whatever memory there was.
 */
static void judge(void)
{
    struct model *m = &run.model;
    static struct cell before[MODEL_SIZE];
    rill_time next_us = 0, expected_us = 0, newest_us = run.now_us - min_u64(below(40), run.now_us);
    rill_time limit_us = newest_us - min_u64(below(12), newest_us);
    uint64_t newest_end = BASE + m->una + below(m->nxt - m->una + 1);
    if (prng_chance(&run.prng, 10))
        limit_us = run.now_us;
    memcpy(before + m->una, m->cell + m->una, (m->nxt - m->una) * sizeof(*before));
    uint32_t expected = model_judge(m, newest_us, newest_end, limit_us, &expected_us);
    uint32_t old = run.sb.lost.bytes;
    uint32_t got =
        scoreboard_judge(&run.sb, &run.mem, BASE + m->una, newest_us, newest_end, limit_us, &next_us);
    assert_int_equal(got, run.sb.lost.bytes - old);
    if (!run.short_of_memory) {
        assert_int_equal(got, expected);
        assert_int_equal(next_us, expected_us);
    }
    adopt_lost();
    for (uint32_t i = m->una; i < m->nxt; i++) {
        if (before[i].lost || !m->cell[i].lost)
            continue;
        assert_true(before[i].last_us <= limit_us);
        assert_true(model_is_before(before[i].last_us, i, newest_us, newest_end));
    }
}

static void lose_some(void)
{
    struct model *m = &run.model;
    uint32_t begin = m->una + below(m->nxt - m->una + 1), end = begin + below(60);
    end = end < m->nxt ? end : m->nxt;
    model_supersede(m, begin, end);
    uint32_t expected = model_mark(m, begin, end);
    uint32_t got = scoreboard_lose(&run.sb, &run.mem, BASE + begin, BASE + end);
    assert_true(got == expected || (run.short_of_memory && got < expected));
    adopt_lost();
}

static void time_out(void)
{
    struct model *m = &run.model;
    if (prng_chance(&run.prng, 30)) {
        scoreboard_forget_sacks(&run.sb);
        for (uint32_t i = m->una; i < m->nxt; i++)
            m->cell[i].sacked = false;
    }
    model_lose_all(m);
    scoreboard_lose_all(&run.sb, &run.mem, BASE + m->una, BASE + m->nxt);
    uint32_t i = m->una; /* what is to be sent first is marked in any case */
    while (i < m->nxt && m->cell[i].sacked)
        i++;
    assert_true(i == m->nxt || holds(&run.sb.lost, i));
    adopt_lost();
}

static void step(void)
{
    struct model *m = &run.model;
    uint32_t what = below(100);
    run.now_us += prng_chance(&run.prng, 60) ? 1 + below(5) : 0;
    if (what < 35) {
        if (m->nxt - m->una < FLIGHT)
            send(m->nxt, m->nxt + 1 + below(20));
    } else if (what < 55) {
        send_lost();
    } else if (what < 60 && m->una < m->nxt) {
        uint32_t begin = m->una + below(m->nxt - m->una);
        send(begin, begin + 1 + below(20));
    } else if (what < 80) {
        receive_ack();
    } else if (what < 94) {
        judge();
    } else if (what < 97) {
        lose_some();
    } else if (what < 98) {
        time_out();
    } else if (what < 99) {
        scoreboard_find_all(&run.sb);
        for (uint32_t i = m->una; i < m->nxt; i++)
            m->cell[i].lost = false;
    }
}

static void random_run(uint64_t seed, bool short_of_memory)
{
    run = (struct run){.prng = prng_seed(seed), .short_of_memory = short_of_memory, .now_us = 100};
    run.mem = test_heap_mem(&run.heap, 1u << 20);
    assert_int_equal(scoreboard_init(&run.sb, &run.mem), 0);
    for (int i = 0; i < 1500; i++) {
        run.heap.fail_all = short_of_memory && prng_chance(&run.prng, 80);
        step();
        check_all();
    }
    assert_true(run.model.una > 500);
    scoreboard_free(&run.sb, &run.mem);
    assert_int_equal(run.heap.live_blocks, 0);
}

static void scoreboard__random_traces__match_a_model_of_positions(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++)
        random_run(seed, false);
}

static void scoreboard__random_traces_without_memory__err_to_the_safe_side(void **state)
{
    (void)state;
    for (uint64_t seed = 1000; seed < 1020; seed++)
        random_run(seed, true);
}

/* ---- Claims -------------------------------------------------------------------------------------------- */

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

static void scoreboard__part_of_a_burst_is_judged__each_position_is_marked_once(void **state)
{
    (void)state;
    struct delivery news = {0};
    rill_time next_us;
    scoreboard_sent(&sb, &mem, 1000, 1500, 1000, 10);
    scoreboard_sent(&sb, &mem, 1500, 2000, 1500, 10);
    assert_int_equal(sb.first.count, 1);
    assert_true(scoreboard_sacked(&sb, &mem, 1100, 1200, &news));
    assert_int_equal(scoreboard_judge(&sb, &mem, 1000, 10, 1200, 10, &next_us), 100);
    assert_int_equal(next_us, RILL_NEVER);
    scoreboard_find_all(&sb); /* the mark was wrong: it does not come back */
    assert_true(scoreboard_sacked(&sb, &mem, 1900, 2000, &news));
    assert_int_equal(scoreboard_judge(&sb, &mem, 1000, 10, 2000, 10, &next_us), 700);
    assert_true(ranges_cover(&sb.lost, 1200, 1900));
    assert_false(ranges_touch(&sb.lost, 1000, 1200));
}

static void scoreboard__not_yet_the_time__says_what_to_wait_for(void **state)
{
    (void)state;
    struct delivery news = {0};
    rill_time next_us;
    send_segments(5); /* at 10, 20, 30, 40, 50 */
    assert_true(scoreboard_sacked(&sb, &mem, 1400, 1500, &news));
    assert_int_equal(news.first.at_us, 50);
    assert_int_equal(scoreboard_judge(&sb, &mem, 1000, 50, 1500, 20, &next_us), 200);
    assert_int_equal(next_us, 30);
    assert_int_equal(scoreboard_judge(&sb, &mem, 1000, 50, 1500, 40, &next_us), 200);
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
    assert_int_equal(scoreboard_judge(&sb, &mem, 1000, 30, 1300, 30, &next_us), 200);
    assert_true(scoreboard_sacked(&sb, &mem, 1300, 1400, &news));
    assert_int_equal(scoreboard_judge(&sb, &mem, 1000, 110, 1400, 99, &next_us), 0);
    assert_int_equal(next_us, 100);
    assert_int_equal(scoreboard_judge(&sb, &mem, 1000, 110, 1400, 100, &next_us), 100);
    assert_true(ranges_cover(&sb.lost, 1000, 1300));
    assert_int_equal(scoreboard_judge(&sb, &mem, 1000, 110, 1400, 100, &next_us), 0);
}

static void scoreboard__copy_that_a_later_one_follows__is_not_judged(void **state)
{
    (void)state;
    rill_time next_us;
    send_segments(2);
    scoreboard_sent(&sb, &mem, 1000, 1100, 1200, 100); /* a probe, and another */
    scoreboard_sent(&sb, &mem, 1000, 1100, 1200, 200);
    assert_int_equal(scoreboard_judge(&sb, &mem, 1000, 150, 1300, 150, &next_us), 100);
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
    scoreboard_find_all(&sb);
    scoreboard_sent(&sb, &mem, 1300, 1400, 1300, 30); /* the time of the last one */
    assert_int_equal(scoreboard_judge(&sb, &mem, 1000, 40, 1500, 40, &next_us), 100);
    assert_true(ranges_cover(&sb.lost, 1300, 1400));
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
        bytes +=
            scoreboard_judge(&sb, &mem, 1000, news.first.at_us, news.first.end, news.first.at_us, &next_us);
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
    assert_int_equal(scoreboard_judge(&sb, &mem, 1000, 20, 1200, 20, &next_us), 200);
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
        cmocka_unit_test(scoreboard__random_traces__match_a_model_of_positions),
        cmocka_unit_test(scoreboard__random_traces_without_memory__err_to_the_safe_side),
        CLAIM(scoreboard__init_without_memory__fails_and_keeps_nothing),
        CLAIM(scoreboard__part_of_a_burst_is_judged__each_position_is_marked_once),
        CLAIM(scoreboard__not_yet_the_time__says_what_to_wait_for),
        CLAIM(scoreboard__retransmission_lost_again__is_found_by_its_own_time),
        CLAIM(scoreboard__copy_that_a_later_one_follows__is_not_judged),
        CLAIM(scoreboard__copy_of_which_the_front_is_acknowledged__keeps_its_rear),
        CLAIM(scoreboard__segment_across_nxt__is_half_a_retransmission),
        CLAIM(scoreboard__sent_in_the_moment_of_a_timeout__is_judged_all_the_same),
        CLAIM(scoreboard__one_hole_too_many__is_refused_and_changes_nothing),
        CLAIM(scoreboard__more_segments_than_records__the_last_stands_for_all),
        CLAIM(scoreboard__long_flow__needs_no_more_memory_than_its_flight),
        CLAIM(scoreboard__a_sack_for_each_segment__judges_each_record_once),
        CLAIM(scoreboard__broken_structure__is_not_sound),
    };
    return cmocka_run_group_tests_name("scoreboard", tests, NULL, NULL);
}
