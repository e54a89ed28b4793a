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
    uint32_t got = scoreboard_judge(&run.sb, &run.mem, newest_us, newest_end, limit_us, &next_us);
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
        scoreboard_find_all(&run.sb, &run.mem);
        model_find_all(m);
        adopt_lost();
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scoreboard__random_traces__match_a_model_of_positions),
        cmocka_unit_test(scoreboard__random_traces_without_memory__err_to_the_safe_side),
    };
    return cmocka_run_group_tests_name("scoreboard", tests, NULL, NULL);
}
