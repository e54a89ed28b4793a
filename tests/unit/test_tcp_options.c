/* test_tcp_options.c - TCP options.  RFC 9293 3.1, 3.2; RFC 7323 2, 3; RFC 2018 2, 3. */
#include "test.h"

#include "prng.h"
#include "tcp_options_model.h"
#include "wire_model.h"

/* Parses options that stand in a heap block of exactly their size. */
static struct tcp_options parse_options(const uint8_t *data, size_t len)
{
    struct rill_packet exact = model_packet(data, len);
    struct tcp_options opt;
    memset(&opt, 0xa5, sizeof(opt));
    tcp_parse_options(exact.head.data, (uint32_t)len, &opt);
    model_packet_free(&exact);
    return opt;
}

/* What one option of the RFCs says; the first of its kind counts. */
static void model_option(const uint8_t *p, size_t len, struct tcp_options *opt)
{
    if (p[0] == 2 && len == 4 && !opt->has_mss) { /* RFC 9293 3.2 */
        opt->has_mss = true;
        opt->mss = (uint16_t)model_get(p + 2, 2);
    } else if (p[0] == 3 && len == 3 && !opt->has_wscale) { /* RFC 7323 2.2 */
        opt->has_wscale = true;
        opt->wscale = p[2];
    } else if (p[0] == 4 && len == 2) { /* RFC 2018 2 */
        opt->has_sack_permitted = true;
    } else if (p[0] == 8 && len == 10 && !opt->has_ts) { /* RFC 7323 3.2 */
        opt->has_ts = true;
        opt->tsval = model_get(p + 2, 4);
        opt->tsecr = model_get(p + 6, 4);
    } else if (p[0] == 5 && (len == 10 || len == 18 || len == 26 || len == 34) && !opt->sack_count) {
        opt->sack_count = (uint8_t)(len / 8); /* RFC 2018 3 */
        for (int i = 0; i < opt->sack_count; i++) {
            opt->sack[i].left = model_get(p + 2 + 8 * i, 4);
            opt->sack[i].right = model_get(p + 6 + 8 * i, 4);
        }
    }
}

static void options__each_kind__is_decoded(void **state)
{
    (void)state;
    static const uint8_t data[] = {2,    4,    0x05, 0xb4, 4, 2,  8,  10, 0xde, 0xad, 0xbe, 0xef, 1,
                                   0x23, 0x45, 0x67, 1,    3, 3,  7,  5,  18,   1,    2,    3,    4,
                                   5,    6,    7,    8,    9, 10, 11, 12, 0xff, 0xfe, 0xfd, 0xfc};
    struct tcp_options opt = parse_options(data, sizeof(data));
    struct tcp_options expected = {.has_mss = true,
                                   .mss = 1460,
                                   .has_sack_permitted = true,
                                   .has_ts = true,
                                   .tsval = 0xdeadbeef,
                                   .tsecr = 0x01234567,
                                   .has_wscale = true,
                                   .wscale = 7,
                                   .sack_count = 2,
                                   .sack = {{0x01020304, 0x05060708}, {0x090a0b0c, 0xfffefdfc}}};
    assert_options(&opt, &expected);
}

static void options__every_kind_length_and_room__ends_and_reads_what_is_whole(void **state)
{
    (void)state;
    struct prng prng = prng_seed(3);
    for (uint32_t kind = 0; kind < 256; kind++)
        for (uint32_t len = 0; len <= 41; len++)
            for (uint32_t room = 0; room <= 40; room++) {
                uint8_t data[42];
                struct tcp_options expected = {0};
                prng_fill(&prng, data, sizeof(data));
                data[0] = (uint8_t)kind;
                data[1] = (uint8_t)len;
                if (kind < 2) /* no length: what follows would be read as options */
                    memset(data + 1, 0, 41);
                else if (len >= 2 && len <= room) {
                    memset(data + len, 0, 42 - len);
                    model_option(data, len, &expected);
                }
                struct tcp_options opt = parse_options(data, room);
                assert_options(&opt, &expected);
            }
}

static void options__behind_an_unknown_one_of_any_length__are_found_if_that_one_is_sane(void **state)
{
    (void)state;
    for (uint32_t kind = 0; kind < 256; kind++)
        for (uint32_t len = 0; len <= 255; len++) {
            static const uint8_t mss[] = {2, 4, 0x12, 0x34};
            uint8_t data[40] = {0};
            struct tcp_options expected = {0};
            data[0] = (uint8_t)kind;
            data[1] = (uint8_t)len;
            for (size_t at = 2; at + 4 <= 40; at += 4)
                memcpy(data + at, mss,
                       4); /* at any even place: what is inside of the option must not be read */
            if (kind < 2 || kind == 5 || kind == 8)
                continue;
            if (kind == 2 && len == 4)
                expected = (struct tcp_options){.has_mss = true, .mss = 0x0204};
            else if (kind == 3 && len == 3)
                expected = (struct tcp_options){.has_wscale = true, .wscale = 2};
            else if (len >= 2 && len <= 34 && len % 4 == 2)
                expected = (struct tcp_options){.has_mss = true, .mss = 0x1234};
            else if (len >= 2 && len <= 34)
                continue; /* lands within an option */
            if (kind == 4 && len == 2)
                expected.has_sack_permitted = true;
            struct tcp_options opt = parse_options(data, len > 34 ? 40 : 38);
            assert_options(&opt, &expected);
        }
}

static void options__wrong_size_of_a_known_kind__is_ignored_and_a_right_one_counts(void **state)
{
    (void)state;
    static const struct {
        uint8_t kind, right;
    } known[] = {{2, 4}, {3, 3}, {4, 2}, {5, 10}, {8, 10}};
    for (size_t i = 0; i < COUNT_OF(known); i++)
        for (uint8_t wrong = 2; wrong <= 28; wrong++) {
            uint8_t data[40];
            struct tcp_options expected = {0};
            if (wrong == known[i].right || (known[i].kind == 5 && wrong % 8 == 2 && wrong > 2))
                continue;
            memset(data, 0x77, sizeof(data));
            data[0] = known[i].kind;
            data[1] = wrong;
            data[wrong] = known[i].kind;
            data[wrong + 1] = known[i].right;
            data[wrong + 2] = 0x66;
            model_option(data + wrong, known[i].right, &expected);
            struct tcp_options opt = parse_options(data, (size_t)wrong + known[i].right);
            assert_options(&opt, &expected);
        }
}

static void options__repeated__the_first_counts(void **state)
{
    (void)state;
    static const uint8_t data[] = {2, 4, 1, 1, 3, 3, 1,  2, 4, 2, 2, 3, 3, 2, 8, 10, 1, 1, 1,
                                   1, 1, 1, 1, 1, 8, 10, 2, 2, 2, 2, 2, 2, 2, 2, 4,  2, 4, 2};
    struct tcp_options opt = parse_options(data, sizeof(data));
    struct tcp_options expected = {.has_mss = true, .mss = 0x0101, .has_wscale = true, .wscale = 1};
    expected.has_ts = expected.has_sack_permitted = true;
    expected.tsval = expected.tsecr = 0x01010101;
    assert_options(&opt, &expected);

    static const uint8_t sacks[] = {5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 5, 18, 0, 0,
                                    0, 3,  0, 0, 0, 4, 0, 0, 0, 5, 0, 0,  0, 6};
    opt = parse_options(sacks, sizeof(sacks));
    expected = (struct tcp_options){.sack_count = 1, .sack = {{1, 2}}};
    assert_options(&opt, &expected);
}

static void options__end_of_list__ends_it(void **state)
{
    (void)state;
    static const uint8_t data[] = {3, 3, 9, 0, 3, 2, 2, 4, 5, 0xb4}; /* the 3: a length, if the end had one */
    struct tcp_options opt = parse_options(data, sizeof(data));
    struct tcp_options expected = {.has_wscale = true, .wscale = 9};
    assert_options(&opt, &expected);
}

/* MUST-64: at any alignment; MUST-5: on any segment.  The list and what it says are made together. */
static void options__random_lists_at_any_alignment__are_decoded(void **state)
{
    (void)state;
    struct prng prng = prng_seed(4);
    for (int round = 0; round < 50000; round++) {
        static const uint8_t kinds[] = {2, 3, 4, 5, 8, 2, 3, 4, 5, 8, 6, 19, 34, 253, 255};
        static const uint8_t sizes[] = {4, 3, 2, 0, 10};
        uint8_t data[40];
        struct tcp_options expected = {0};
        size_t len = 0;
        while (len < 40) {
            size_t pick = prng_below(&prng, COUNT_OF(kinds)), size = prng_between(&prng, 2, 12);
            if (pick < 5)
                size = pick == 3 ? 2 + 8 * prng_between(&prng, 1, 4) : sizes[pick];
            if (prng_chance(&prng, 40)) {
                data[len++] = 1;
                continue;
            }
            if (size > 40 - len)
                break;
            prng_fill(&prng, data + len, size);
            data[len] = kinds[pick];
            data[len + 1] = (uint8_t)size;
            model_option(data + len, size, &expected);
            len += size;
        }
        struct tcp_options opt = parse_options(data, len);
        assert_options(&opt, &expected);
    }
}

static void options__random_bytes_of_any_length__end(void **state)
{
    (void)state;
    struct prng prng = prng_seed(5);
    for (int round = 0; round < 50000; round++) {
        uint8_t data[300];
        size_t len = prng_below(&prng, prng_chance(&prng, 90) ? 41 : 301);
        for (size_t i = 0; i < len; i++)
            data[i] = (uint8_t)prng_below(&prng, prng_chance(&prng, 70) ? 12 : 256);
        struct tcp_options opt = parse_options(data, len);
        assert_true(opt.sack_count <= TCP_SACK_BLOCKS);
        assert_true(opt.has_mss || opt.mss == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options__each_kind__is_decoded),
        cmocka_unit_test(options__every_kind_length_and_room__ends_and_reads_what_is_whole),
        cmocka_unit_test(options__behind_an_unknown_one_of_any_length__are_found_if_that_one_is_sane),
        cmocka_unit_test(options__wrong_size_of_a_known_kind__is_ignored_and_a_right_one_counts),
        cmocka_unit_test(options__repeated__the_first_counts),
        cmocka_unit_test(options__end_of_list__ends_it),
        cmocka_unit_test(options__random_lists_at_any_alignment__are_decoded),
        cmocka_unit_test(options__random_bytes_of_any_length__end),
    };
    return cmocka_run_group_tests_name("tcp_options", tests, NULL, NULL);
}
