/* test_reass_limits.c - reassembly in time and memory.  RFC 1122 3.3.2; Rose, floods of fragments
 * (CVE-2018-5391). */
#include "reass_world.h"

static void timeout__at_60_s_sharp__and_not_a_microsecond_earlier(void **state)
{
    struct world *w = *state;
    struct rill_packet quote;
    rill_time begin_us = w->now_us, end_us = begin_us + 60000000;
    assert_int_equal(reass_deadline(&w->r), RILL_NEVER);
    assert_false(reass_expire(&w->r, &w->mem, RILL_NEVER, &quote));
    assert_int_equal(give(w, (struct fragment){0, 16, true, 1, 0}), RILL_FRAGMENT_IN);
    w->now_us += 30 * SEC; /* a fragment on the way does not prolong it: RFC 1122 3.3.2 */
    assert_int_equal(give(w, (struct fragment){32, 16, true, 1, 0}), RILL_FRAGMENT_IN);
    assert_int_equal(give(w, (struct fragment){8, 8, true, 2, 0}), RILL_FRAGMENT_IN);
    assert_int_equal(reass_deadline(&w->r), end_us);
    assert_false(reass_expire(&w->r, &w->mem, end_us - 1, &quote));
    assert_true(reass_expire(&w->r, &w->mem, end_us, &quote));
    assert_int_equal(quote.head.len, 36);
    assert_int_equal(reass_deadline(&w->r), end_us + 30000000);
    assert_false(reass_expire(&w->r, &w->mem, end_us, &quote));
    w->now_us = end_us;
    assert_int_equal(give(w, (struct fragment){16, 16, false, 1, 0}), RILL_FRAGMENT_IN); /* begins anew */
    assert_true(reass_expire(&w->r, &w->mem, end_us + 30000000, &quote));
    assert_int_equal(quote.head.len, 0); /* it had no fragment 0 */
    assert_true(reass_expire(&w->r, &w->mem, end_us + 60000000, &quote));
    assert_nothing_held(w);
}

static void timeout__nobody_has_looked__late_fragment_does_not_complete(void **state)
{
    struct world *w = *state;
    struct rill_packet quote;
    for (rill_time late = 0; late < 2; late++) {
        rill_time begin_us = w->now_us;
        assert_int_equal(give(w, (struct fragment){0, 16, true, 1, 0}), RILL_FRAGMENT_IN);
        w->now_us = begin_us + 59999999 + late;
        assert_int_equal(give(w, (struct fragment){16, 16, false, 1, 0}),
                         late ? RILL_FRAGMENT_IN : RILL_REASSEMBLED);
    }
    assert_true(reass_expire(&w->r, &w->mem, w->now_us, &quote)); /* the old one, with its fragment 0 */
    assert_int_equal(quote.head.len, 36);
    assert_false(reass_expire(&w->r, &w->mem, w->now_us, &quote));
    assert_int_equal(give(w, (struct fragment){0, 16, true, 1, 0}), RILL_REASSEMBLED); /* the new one */
}

static void timeout__quote__is_fragment_0_as_it_came(void **state)
{
    struct world *w = *state;
    for (uint32_t ihl = 5; ihl <= 15; ihl++)
        for (int first_comes = 0; first_comes < 2; first_comes++) {
            uint8_t data[100];
            struct rill_packet quote;
            struct fragment f = {0, 40, true, 9, ihl};
            size_t len = make(w, &f, data);
            for (size_t i = 20; i < ihl * 4; i++)
                data[i] = (uint8_t)(i % 2 ? 0x94 : 2); /* some option that means nothing */
            data[1] = 0x10;
            model_ip_checksum(data, ihl * 4);
            if (first_comes)
                assert_int_equal(give_bytes(w, data, len), RILL_FRAGMENT_IN);
            assert_int_equal(give(w, (struct fragment){40, 1000, true, 9, 0}), RILL_FRAGMENT_IN);
            assert_int_equal(give(w, (struct fragment){2000, 1, false, 9, 0}), RILL_FRAGMENT_IN);
            if (!first_comes)
                assert_int_equal(give_bytes(w, data, len), RILL_FRAGMENT_IN);
            assert_true(reass_expire(&w->r, &w->mem, w->now_us + 60 * SEC, &quote));
            assert_int_equal(quote.head.len, len);
            assert_memory_equal(quote.head.data, data, len);
            assert_nothing_held(w);
        }
}

static void limit__one_datagram_too_many__evicts_the_oldest(void **state)
{
    struct world *w = *state;
    for (int same_time = 0; same_time < 2; same_time++) {
        uint64_t evicted = w->r.evicted;
        for (uint16_t id = 0; id < REASS_MAX + 3; id++) {
            w->now_us += same_time ? 0 : 1;
            assert_int_equal(give(w, (struct fragment){0, 8, true, id, 0}), RILL_FRAGMENT_IN);
        }
        assert_int_equal(w->r.evicted - evicted, 3);
        for (uint16_t id = 3; id < REASS_MAX + 3; id++)
            assert_int_equal(give(w, (struct fragment){8, 8, false, id, 0}), RILL_REASSEMBLED);
        assert_nothing_held(w);
        for (uint16_t id = 0; id < 3; id++)
            assert_int_equal(give(w, (struct fragment){8, 8, false, id, 0}), RILL_FRAGMENT_IN);
        assert_int_equal(w->r.evicted - evicted, 3);
        reass_free(&w->r, &w->mem);
    }
}

static void limit__bytes__evict_the_oldest_but_never_the_one_that_grows(void **state)
{
    struct world *w = *state;
    assert_int_equal(give(w, (struct fragment){0, 8, true, 0, 0}), RILL_FRAGMENT_IN);
    for (uint16_t id = 1; id <= 8; id++) /* Rose: ends only, each of which needs the whole buffer */
        assert_int_equal(give(w, (struct fragment){65504, 8, false, id, 0}), RILL_FRAGMENT_IN);
    assert_true(w->r.evicted >= 5);
    /* The last one to come is there and can be completed. */
    for (uint32_t off = 0; off < 65504; off += 1456) {
        bool last = off + 1456 >= 65504;
        struct fragment f = {off, last ? 65504 - off : 1456, true, 8, 0};
        assert_int_equal(give(w, f), last ? RILL_REASSEMBLED : RILL_FRAGMENT_IN);
    }
    assert_whole(w, 65512, 8);
    assert_true(w->heap.peak_bytes <= REASS_BYTES_MAX);
}

static void limit__worst_case_of_one_datagram__fits_beside_its_growth(void **state)
{
    struct world *w = *state;
    for (uint16_t id = 0; id < 4; id++)
        for (uint32_t i = 0; i < RANGES_MAX; i++)
            assert_int_equal(give(w, (struct fragment){i * 56, 8, true, id, 0}), RILL_FRAGMENT_IN);
    assert_true(w->heap.peak_bytes <= REASS_BYTES_MAX);
}

static void limit__oldest_one_grows__the_others_make_room(void **state)
{
    struct world *w = *state;
    assert_int_equal(give(w, (struct fragment){32000, 8, true, 0, 0}), RILL_FRAGMENT_IN);
    for (uint16_t id = 1; id <= 3; id++)
        assert_int_equal(give(w, (struct fragment){65504, 8, false, id, 0}), RILL_FRAGMENT_IN);
    assert_int_equal(give(w, (struct fragment){30000, 8, true, 4, 0}), RILL_FRAGMENT_IN);
    assert_int_equal(w->r.evicted, 0);
    size_t room = REASS_BYTES_MAX - w->heap.live_bytes;
    assert_true(room < 8192); /* less than the intervals of what comes now */
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(give(w, (struct fragment){i * 16, 8, true, 0, 0}), RILL_FRAGMENT_IN);
    assert_true(w->r.evicted >= 1);
    assert_true(w->heap.peak_bytes <= REASS_BYTES_MAX);
    assert_true(w->r.slot[0].have.count == 1001);
}

static void limit__flood_of_first_fragments__stays_under_the_cap(void **state)
{
    struct world *w = *state;
    struct prng prng = prng_seed(10);
    for (uint32_t i = 0; i < 100000; i++) {
        w->now_us += prng_below(&prng, 10);
        uint32_t len = (uint32_t)prng_between(&prng, 1, prng_chance(&prng, 5) ? 8180 : 185) * 8;
        assert_int_equal(give(w, (struct fragment){0, len, true, (uint16_t)i, 0}), RILL_FRAGMENT_IN);
    }
    assert_true(w->r.evicted >= 100000 - REASS_MAX);
    assert_true(w->heap.peak_bytes <= REASS_BYTES_MAX);
    assert_int_equal(give(w, (struct fragment){8, 8, false, 1, 0}),
                     RILL_FRAGMENT_IN); /* others are still served */
    assert_int_equal(give(w, (struct fragment){0, 8, true, 1, 0}), RILL_REASSEMBLED);
}

static void limit__random_fragments_of_few_datagrams__keep_the_invariants(void **state)
{
    struct world *w = *state;
    struct prng prng = prng_seed(11);
    uint64_t seen[RILL_EVENT_COUNT] = {0};
    for (uint32_t i = 0; i < 100000; i++) {
        struct rill_packet quote;
        w->now_us += prng_below(&prng, 2 * SEC);
        w->heap.fail_nth = prng_chance(&prng, 1);
        uint32_t off = (uint32_t)prng_below(&prng, 4) * 8, len = (uint32_t)prng_between(&prng, 1, 2) * 8;
        bool more = off + len < 32 || prng_chance(&prng, 1);
        if (prng_chance(&prng, 1)) /* somewhere, of some length */
            off = (uint32_t)prng_below(&prng, 8192 - 2) * 8;
        if (prng_chance(&prng, 1))
            len = (uint32_t)prng_below(&prng, 16);
        more = more || off == 0;
        struct fragment f = {off, len, more, (uint16_t)prng_below(&prng, 24), 0};
        enum rill_event event = give(w, f);
        w->heap.fail_nth = 0;
        seen[event]++;
        if (event == RILL_REASSEMBLED)
            assert_memory_equal(w->whole.head.data + 20, w->payload, w->whole.head.len - 20);
        while (prng_chance(&prng, 30) && reass_expire(&w->r, &w->mem, w->now_us, &quote))
            seen[RILL_DROP_FRAGMENT_TIMEOUT]++;
        for (int k = 0; k < REASS_MAX; k++)
            assert_true(ranges_sound(&w->r.slot[k].have));
    }
    assert_true(w->heap.peak_bytes <= REASS_BYTES_MAX);
    /* Every outcome has been met, or the run shows nothing. */
    assert_true(seen[RILL_REASSEMBLED] > 100);
    assert_true(seen[RILL_FRAGMENT_IN] > 100);
    assert_true(seen[RILL_DROP_MEMORY] > 10);
    assert_true(seen[RILL_DROP_FRAGMENT_BAD] > 100);
    assert_true(seen[RILL_DROP_FRAGMENT_OVERLAP] > 100);
    assert_true(seen[RILL_DROP_FRAGMENT_TIMEOUT] > 100);
    assert_true(w->r.evicted > 10);
}

static void memory__each_allocation_fails_once__drops_and_leaks_nothing(void **state)
{
    struct world *w = *state;
    enum { PIECES = 64 };
    bool done = false;
    for (uint64_t nth = 1; !done; nth++) {
        uint32_t memory_drops = 0;
        assert_true(nth < 1000);
        w->heap.fail_nth = nth;
        for (uint32_t i = 0; i < PIECES; i++) { /* even ones, then odd ones */
            uint32_t k = i < PIECES / 2 ? 2 * i : 2 * i - PIECES + 1;
            enum rill_event event = give(w, (struct fragment){k * 8, 8, k != PIECES - 1, 1, 0});
            if (event == RILL_DROP_MEMORY)
                memory_drops++;
            else
                assert_int_equal(event,
                                 i == PIECES - 1 && !memory_drops ? RILL_REASSEMBLED : RILL_FRAGMENT_IN);
        }
        done = w->heap.fail_nth != 0; /* never came to it */
        assert_int_equal(memory_drops, done ? 0 : 1);
        w->heap.fail_nth = 0;
        reass_free(&w->r, &w->mem);
        assert_int_equal(w->heap.live_blocks, 0);
        assert_int_equal(w->mem.used_bytes, 0);
    }
}

static void handed_out__whole__is_valid_until_the_next_call_and_then_freed(void **state)
{
    struct world *w = *state;
    struct rill_packet quote;
    for (int next_call = 0; next_call < 4; next_call++) {
        assert_int_equal(give(w, (struct fragment){0, 16, true, 1, 0}), RILL_FRAGMENT_IN);
        assert_int_equal(give(w, (struct fragment){16, 16, false, 1, 0}), RILL_REASSEMBLED);
        assert_int_equal(reass_deadline(&w->r), RILL_NEVER);
        assert_whole(w, 32, 1);
        assert_int_equal(w->heap.live_blocks, 1);
        switch (next_call) {
        case 0:
            assert_false(reass_expire(&w->r, &w->mem, w->now_us, &quote));
            break;
        case 1:
            reass_release(&w->r, &w->mem);
            break;
        case 2:
            assert_int_equal(give(w, (struct fragment){8, 0, true, 1, 0}), RILL_DROP_FRAGMENT_BAD);
            break;
        default:
            reass_free(&w->r, &w->mem);
            break;
        }
        assert_int_equal(w->heap.live_blocks, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(timeout__at_60_s_sharp__and_not_a_microsecond_earlier),
        TEST(timeout__nobody_has_looked__late_fragment_does_not_complete),
        TEST(timeout__quote__is_fragment_0_as_it_came),
        TEST(limit__one_datagram_too_many__evicts_the_oldest),
        TEST(limit__bytes__evict_the_oldest_but_never_the_one_that_grows),
        TEST(limit__worst_case_of_one_datagram__fits_beside_its_growth),
        TEST(limit__oldest_one_grows__the_others_make_room),
        TEST(limit__flood_of_first_fragments__stays_under_the_cap),
        TEST(limit__random_fragments_of_few_datagrams__keep_the_invariants),
        TEST(memory__each_allocation_fails_once__drops_and_leaks_nothing),
        TEST(handed_out__whole__is_valid_until_the_next_call_and_then_freed),
    };
    return cmocka_run_group_tests_name("reass_limits", tests, NULL, NULL);
}
