/* test_reass.c - what reassembly makes of fragments.  RFC 791 3.2, RFC 5722 4; Teardrop, Ping of Death. */
#include "reass_world.h"
#include "tcp_hdr.h"

/* Calls visit for each order of n fragments (Heap's algorithm would do; this counts in the factorial base).
 */
static size_t factorial(size_t n) { return n < 2 ? 1 : n * factorial(n - 1); }

/* The order with a number in [0, n!): its digits in the factorial base choose from what is left. */
static void permute(const struct fragment *from, size_t n, size_t number, struct fragment *to)
{
    bool used[8] = {false};
    for (size_t i = 0; i < n; i++) {
        size_t skip = number / factorial(n - 1 - i) % (n - i), k = 0;
        for (;; k++)
            if (!used[k] && skip-- == 0)
                break;
        used[k] = true;
        to[i] = from[k];
    }
}

/* Cuts `total` bytes into n fragments of 8 bytes, the last one taking the rest. */
static void cut(struct fragment *f, size_t n, uint32_t total, uint32_t piece)
{
    for (size_t i = 0; i < n; i++) {
        bool last = i == n - 1;
        uint32_t off = (uint32_t)i * piece;
        f[i] = (struct fragment){.off = off, .len = last ? total - off : piece, .more = !last, .id = 77};
    }
}

static void order__all_permutations_of_up_to_5__give_the_original(void **state)
{
    struct world *w = *state;
    for (size_t n = 2; n <= 5; n++)
        for (size_t number = 0; number < factorial(n); number++)
            for (uint32_t tail = 1; tail <= 16; tail += 3) {
                struct fragment f[5], order[5];
                uint32_t total = ((uint32_t)n - 1) * 24 + tail;
                cut(f, n, total, 24);
                permute(f, n, number, order);
                for (size_t i = 0; i < n; i++)
                    assert_int_equal(give(w, order[i]), i == n - 1 ? RILL_REASSEMBLED : RILL_FRAGMENT_IN);
                assert_whole(w, total, 77);
                assert_nothing_held(w);
            }
}

static void order__a_duplicate_at_any_place__is_ignored(void **state)
{
    struct world *w = *state;
    for (size_t number = 0; number < factorial(4); number++)
        for (size_t which = 0; which < 3; which++)
            for (size_t place = which + 1; place < 4; place++) {
                struct fragment f[4], order[4];
                cut(f, 4, 100, 32);
                permute(f, 4, number, order);
                for (size_t i = 0; i < 4; i++) {
                    if (i == place)
                        assert_int_equal(give(w, order[which]), RILL_FRAGMENT_IN);
                    assert_int_equal(give(w, order[i]), i == 3 ? RILL_REASSEMBLED : RILL_FRAGMENT_IN);
                }
                assert_whole(w, 100, 77);
                assert_nothing_held(w);
            }
}

static void order__any_one_missing__never_completes(void **state)
{
    struct world *w = *state;
    for (size_t number = 0; number < factorial(5); number++) {
        struct fragment f[5], order[5];
        cut(f, 5, 150, 32);
        permute(f, 5, number, order);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(give(w, order[i]), RILL_FRAGMENT_IN);
        for (size_t i = 0; i < 4; i++) /* once more does not help */
            assert_int_equal(give(w, order[i]), RILL_FRAGMENT_IN);
        assert_int_not_equal(reass_deadline(&w->r), RILL_NEVER);
        assert_int_equal(give(w, order[4]), RILL_REASSEMBLED);
        assert_whole(w, 150, 77);
    }
}

static void order__random_cuts_of_several_datagrams_mixed__give_the_originals(void **state)
{
    struct world *w = *state;
    struct prng prng = prng_seed(9);
    for (int round = 0; round < 300; round++) {
        enum { DATAGRAMS = 3, PIECES = 40 };
        struct fragment all[DATAGRAMS * PIECES];
        uint32_t total[DATAGRAMS];
        size_t count = 0, left[DATAGRAMS];
        for (uint32_t id = 0; id < DATAGRAMS; id++) {
            total[id] = (uint32_t)prng_between(&prng, 9, 3000);
            left[id] = 0;
            for (uint32_t off = 0; off < total[id]; left[id]++, count++) {
                uint32_t len = (uint32_t)prng_between(&prng, 1 + total[id] / 200, 2 + total[id] / 20) * 8;
                if (off == 0 && len >= total[id])
                    len = 8;
                len = len < total[id] - off ? len : total[id] - off;
                all[count] = (struct fragment){off, len, off + len < total[id], (uint16_t)id, 0};
                assert_true(count < COUNT_OF(all));
                off += len;
            }
        }
        for (size_t i = count; i > 1; i--) {
            size_t k = prng_below(&prng, i);
            struct fragment swap = all[i - 1];
            all[i - 1] = all[k];
            all[k] = swap;
        }
        for (size_t i = 0; i < count; i++) {
            uint16_t id = all[i].id;
            left[id]--;
            assert_int_equal(give(w, all[i]), left[id] ? RILL_FRAGMENT_IN : RILL_REASSEMBLED);
            if (left[id] == 0)
                assert_whole(w, total[id], id);
        }
        assert_nothing_held(w);
    }
}

static void overlap__any_other_range_at_any_time__kills_the_datagram(void **state)
{
    struct world *w = *state;
    static const struct fragment intruder[] = {
        {8, 16, true, 77, 0},  /* over the end of the first and the beginning of the second */
        {0, 24, true, 77, 0},  /* the first and some more */
        {0, 48, true, 77, 0},  /* three in one */
        {24, 40, true, 77, 0}, /* from within the second to within the last */
    };
    for (size_t i = 0; i < COUNT_OF(intruder); i++)
        for (size_t number = 0; number < factorial(3); number++) {
            struct fragment f[4] = {
                {0, 16, true, 77, 0}, {16, 16, true, 77, 0}, {32, 16, true, 77, 0}, {72, 3, false, 77, 0}};
            struct fragment order[4];
            permute(f, 3, number, order);
            assert_int_equal(give(w, f[3]), RILL_FRAGMENT_IN);
            for (size_t k = 0; k < 3; k++)
                assert_int_equal(give(w, order[k]), RILL_FRAGMENT_IN);
            assert_int_equal(give(w, (struct fragment){48, 8, true, 77, 0}), RILL_FRAGMENT_IN);
            if (i < 3) { /* these are held as a whole and of the same bytes: no difference can come of them */
                assert_int_equal(give(w, intruder[i]), RILL_FRAGMENT_IN);
                w->payload[intruder[i].off + 9] ^= 1;
            }
            assert_int_equal(give(w, intruder[i]), RILL_DROP_FRAGMENT_OVERLAP);
            if (i < 3)
                w->payload[intruder[i].off + 9] ^= 1;
            assert_nothing_held(w);
        }
}

static void overlap__duplicate_with_any_bit_changed__kills_the_datagram(void **state)
{
    struct world *w = *state;
    for (uint32_t bit = 0; bit < 16 * 8; bit++) {
        assert_int_equal(give(w, (struct fragment){16, 16, true, 1, 0}), RILL_FRAGMENT_IN);
        w->payload[16 + bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(give(w, (struct fragment){16, 16, true, 1, 0}), RILL_DROP_FRAGMENT_OVERLAP);
        assert_nothing_held(w);
    }
}

static void overlap__partial_with_equal_bytes__kills_the_datagram_too(void **state)
{
    struct world *w = *state;
    for (uint32_t off = 0; off <= 64; off += 8)
        for (uint32_t len = 8; off + len <= 96; len += 8) {
            assert_int_equal(give(w, (struct fragment){32, 32, true, 1, 0}), RILL_FRAGMENT_IN);
            bool touches = off < 64 && off + len > 32, within = off >= 32 && off + len <= 64;
            assert_int_equal(give(w, (struct fragment){off, len, true, 1, 0}),
                             touches && !within ? RILL_DROP_FRAGMENT_OVERLAP : RILL_FRAGMENT_IN);
            reass_free(&w->r, &w->mem);
        }
}

/* Two fragments of which the second cannot be. */
static const struct {
    const char *what;
    struct fragment before, bad;
} impossible[] = {
    {"nothing in it", {0, 8, true, 1, 0}, {8, 0, true, 1, 0}},
    {"nothing in the last one", {0, 8, true, 1, 0}, {8, 0, false, 1, 0}},
    {"not a multiple of 8, 1 over", {0, 8, true, 1, 0}, {8, 9, true, 1, 0}},
    {"not a multiple of 8, 1 under", {0, 8, true, 1, 0}, {8, 7, true, 1, 0}},
    {"Ping of Death", {0, 1480, true, 1, 0}, {65512, 4, false, 1, 0}},
    {"Ping of Death, largest offset", {0, 1480, true, 1, 0}, {65528, 8, false, 1, 0}},
    {"ends beyond the end", {16, 8, false, 1, 0}, {24, 8, true, 1, 0}},
    {"runs over the end", {24, 4, false, 1, 0}, {16, 16, true, 1, 0}},
    {"ends at the end, yet more follow", {16, 8, false, 1, 0}, {8, 16, true, 1, 0}},
    {"another end, later", {16, 8, false, 1, 0}, {32, 8, false, 1, 0}},
    {"another end, earlier", {16, 8, false, 1, 0}, {8, 8, false, 1, 0}},
    {"another end, same offset", {16, 8, false, 1, 0}, {16, 9, false, 1, 0}},
    {"an end before what is there", {32, 8, true, 1, 0}, {16, 8, false, 1, 0}},
    {"an end within what is there", {32, 16, true, 1, 0}, {32, 8, false, 1, 0}},
    {"an end where more were to follow", {32, 16, true, 1, 0}, {40, 8, false, 1, 0}},
    {"Teardrop", {0, 40, true, 1, 0}, {24, 4, false, 1, 0}},
};

static void bad__impossible_fragment__kills_the_datagram(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < COUNT_OF(impossible); i++) {
        assert_int_equal(give(w, impossible[i].before), RILL_FRAGMENT_IN);
        struct fragment other = impossible[i].before;
        other.id = 2;
        assert_int_equal(give(w, other), RILL_FRAGMENT_IN);
        enum rill_event event = give(w, impossible[i].bad);
        if (event != RILL_DROP_FRAGMENT_BAD)
            print_error("%s: event %d\n", impossible[i].what, (int)event);
        assert_int_equal(event, RILL_DROP_FRAGMENT_BAD);
        /* The other datagram is not touched, and of the killed one nothing counts any more. */
        assert_int_equal(give(w, other), RILL_FRAGMENT_IN);
        reass_free(&w->r, &w->mem);
        assert_int_equal(w->heap.live_blocks, 0);
    }
}

static void bad__impossible_by_itself__leaves_nothing(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(give(w, impossible[i].bad), RILL_DROP_FRAGMENT_BAD);
        assert_nothing_held(w);
    }
}

static void size__largest_datagram__is_put_together_and_one_more_byte_is_not(void **state)
{
    struct world *w = *state;
    for (uint32_t off = 0; off < 65512; off += 1480)
        assert_int_equal(give(w, (struct fragment){off, off + 1480 < 65512 ? 1480 : 65512 - off, true, 1, 0}),
                         RILL_FRAGMENT_IN);
    assert_int_equal(give(w, (struct fragment){65512, 3, false, 1, 0}), RILL_REASSEMBLED);
    assert_whole(w, PAYLOAD_MAX, 1);
    assert_int_equal(give(w, (struct fragment){65512, 3, false, 1, 0}), RILL_FRAGMENT_IN);
    assert_int_equal(give(w, (struct fragment){65512, 4, false, 2, 0}), RILL_DROP_FRAGMENT_BAD);
}

static void size__fragments_of_8_bytes__are_put_together_in_either_direction(void **state)
{
    struct world *w = *state;
    enum { COUNT = PAYLOAD_MAX / 8 + 1 };
    for (int backwards = 0; backwards < 2; backwards++) {
        for (uint32_t i = 0; i < COUNT; i++) {
            uint32_t off = (backwards ? COUNT - 1 - i : i) * 8;
            bool last = off + 8 > PAYLOAD_MAX;
            struct fragment f = {off, last ? PAYLOAD_MAX - off : 8, !last, 1, 0};
            assert_int_equal(give(w, f), i == COUNT - 1 ? RILL_REASSEMBLED : RILL_FRAGMENT_IN);
        }
        assert_whole(w, PAYLOAD_MAX, 1);
    }
}

static void size__more_holes_than_ranges_keep__kills_the_datagram(void **state)
{
    struct world *w = *state;
    for (uint32_t i = 0; i < RANGES_MAX; i++)
        assert_int_equal(give(w, (struct fragment){i * 16, 8, true, 1, 0}), RILL_FRAGMENT_IN);
    assert_int_equal(give(w, (struct fragment){RANGES_MAX * 16, 8, true, 1, 0}), RILL_DROP_FRAGMENT_LIMIT);
    assert_nothing_held(w);
}

static void size__buffer__reaches_no_further_than_twice_the_bytes_seen(void **state)
{
    struct world *w = *state;
    for (uint32_t off = 0; off < 64000; off += 640) {
        assert_int_equal(give(w, (struct fragment){off, 640, true, 1, 0}), RILL_FRAGMENT_IN);
        assert_true(w->heap.live_bytes <= 2 * (60 + off + 640) + 1024);
    }
    reass_free(&w->r, &w->mem);
    assert_int_equal(give(w, (struct fragment){0, 1480, true, 1, 0}), RILL_FRAGMENT_IN);
    assert_true(w->heap.live_bytes <= 60 + 1480 + 1024);
    assert_int_equal(give(w, (struct fragment){1600, 8, false, 1, 0}), RILL_FRAGMENT_IN);
    assert_true(w->heap.live_bytes <= 60 + 1608 + 1024); /* the end is known, so that no more is needed */
}

static void key__source_destination_protocol_and_id__all_count(void **state)
{
    struct world *w = *state;
    for (int field = 0; field < 5; field++) {
        uint8_t first[36], last[36];
        struct fragment f = {0, 16, true, 1, 0};
        make(w, &f, first);
        f = (struct fragment){16, 16, false, 1, 0};
        make(w, &f, last);
        assert_int_equal(give_bytes(w, first, 36), RILL_FRAGMENT_IN);
        static const int at[] = {15, 19, 9, 5,
                                 1}; /* source, destination, protocol, id; and type of service */
        last[at[field]] ^= 4;
        model_ip_checksum(last, 20);
        bool same = field == 4;
        assert_int_equal(give_bytes(w, last, 36), same ? RILL_REASSEMBLED : RILL_FRAGMENT_IN);
        if (!same) { /* each of the two gets its own rest */
            last[at[field]] ^= 4;
            model_ip_checksum(last, 20);
            assert_int_equal(give_bytes(w, last, 36), RILL_REASSEMBLED);
        }
        assert_whole(w, 32, 1);
        if (!same) {
            first[at[field]] ^= 4;
            model_ip_checksum(first, 20);
            assert_int_equal(give_bytes(w, first, 36), RILL_REASSEMBLED);
            assert_memory_equal(w->whole.head.data + 20, w->payload, 32);
        }
        assert_nothing_held(w);
    }
}

static void header__of_the_whole__is_that_of_fragment_0_without_options(void **state)
{
    struct world *w = *state;
    for (int first_comes = 0; first_comes < 2; first_comes++) {
        uint8_t data[2][76], expected[20];
        size_t len[2];
        for (int i = 0; i < 2; i++) {
            struct fragment f = {i ? 24u : 0, i ? 5u : 24u, !i, 1, i ? 6u : 13u};
            len[i] = make(w, &f, data[i]);
            data[i][1] = i ? 0x20 : 0xb8;
            data[i][8] = i ? 3 : 200;
            memset(data[i] + 20, 1, i ? 4 : 32);
            model_ip_checksum(data[i], i ? 24 : 52);
        }
        assert_int_equal(give_bytes(w, data[!first_comes], len[!first_comes]), RILL_FRAGMENT_IN);
        assert_int_equal(give_bytes(w, data[first_comes], len[first_comes]), RILL_REASSEMBLED);
        model_ip(expected, 5, 49, 1, 0, 17);
        expected[1] = 0xb8;
        expected[8] = 200;
        model_ip_checksum(expected, 20);
        assert_int_equal(w->whole.head.len, 49);
        assert_memory_equal(w->whole.head.data, expected, 20);
        assert_memory_equal(w->whole.head.data + 20, w->payload, 29);
    }
}

static void tcp__fragmented_segment__is_verified_as_a_whole(void **state)
{
    struct world *w = *state;
    for (int broken = 0; broken < 2; broken++) {
        uint8_t data[1500], part[1500];
        struct ip4 ip;
        struct tcp_segment seg;
        model_ip(data, 5, 20 + 20 + 1001, 5, 0, 6);
        memset(data + 20, 0, 20);
        data[21] = data[23] = 9;
        data[32] = 0x50;
        memcpy(data + 40, w->payload, 1001);
        model_tcp_checksum(data, 1021);
        data[1040] ^= (uint8_t)broken;
        for (uint32_t off = 0; off < 1021; off += 512) {
            uint32_t len = off ? 1021 - 512 : 512;
            model_ip(part, 5, 20 + len, 5, off / 8 + (off ? 0 : 0x2000), 6);
            memcpy(part + 20, data + 20 + off, len);
            assert_int_equal(give_bytes(w, part, 20 + len), off ? RILL_REASSEMBLED : RILL_FRAGMENT_IN);
        }
        assert_int_equal(ip4_parse(&w->whole, &ip), IP4_OK);
        assert_int_equal(tcp_parse(&w->whole, &ip, &seg), broken ? RILL_DROP_TCP_CHECKSUM : TCP_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(order__all_permutations_of_up_to_5__give_the_original),
        TEST(order__a_duplicate_at_any_place__is_ignored),
        TEST(order__any_one_missing__never_completes),
        TEST(order__random_cuts_of_several_datagrams_mixed__give_the_originals),
        TEST(overlap__any_other_range_at_any_time__kills_the_datagram),
        TEST(overlap__duplicate_with_any_bit_changed__kills_the_datagram),
        TEST(overlap__partial_with_equal_bytes__kills_the_datagram_too),
        TEST(bad__impossible_fragment__kills_the_datagram),
        TEST(bad__impossible_by_itself__leaves_nothing),
        TEST(size__largest_datagram__is_put_together_and_one_more_byte_is_not),
        TEST(size__fragments_of_8_bytes__are_put_together_in_either_direction),
        TEST(size__more_holes_than_ranges_keep__kills_the_datagram),
        TEST(size__buffer__reaches_no_further_than_twice_the_bytes_seen),
        TEST(key__source_destination_protocol_and_id__all_count),
        TEST(header__of_the_whole__is_that_of_fragment_0_without_options),
        TEST(tcp__fragmented_segment__is_verified_as_a_whole),
    };
    return cmocka_run_group_tests_name("reass", tests, NULL, NULL);
}
