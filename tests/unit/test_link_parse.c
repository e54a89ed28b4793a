/* test_link_parse.c - the settings of an emulated link as text: what is read, what is written, and where a
 * mistake is. */
#include "test.h"

#include "link_parse.h"
#include "link_print.h"
#include "prng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct link_config parsed(const char *text)
{
    struct link_config config = {0};
    uint32_t column = 0;
    const char *error = link_parse(text, &config, &column);
    if (error)
        fail_msg("'%s' at column %u: %s", text, column, error);
    return config;
}

/* The text, and the same in the words that are written. */
static const char *const good_texts[][2] = {
    {"", "none"},
    {" \t\n", "none"},
    {"none", "none"},
    {" NONE ", "none"},
    {"loss 5%", "loss 5%"},
    {"loss 5", "loss 5%"},
    {"loss random 5% 25%", "loss 5% 25%"},
    {"LOSS\t05.250%", "loss 5.25%"},
    {"loss 0.000001%", "loss 0.000001%"},
    {"loss 99.999999%", "loss 99.999999%"},
    {"loss 10.01%", "loss 10.01%"},
    {"loss 100%", "loss 100%"},
    {"loss 0%", "none"},
    {"loss gemodel 1%", "loss gemodel 1%"},
    {"loss gemodel 1% 99%", "loss gemodel 1%"},
    {"loss gemodel 1% 10%", "loss gemodel 1% 10%"},
    {"loss gemodel 1% 10% 70%", "loss gemodel 1% 10% 70%"},
    {"loss gemodel 1% 10% 100% 0%", "loss gemodel 1% 10%"},
    {"loss gemodel 1% 10% 70% 0.1%", "loss gemodel 1% 10% 70% 0.1%"},
    {"loss gemodel 1% 99% 100% 0.1%", "loss gemodel 1% 99% 100% 0.1%"},
    {"delay 20ms", "delay 20ms"},
    {"delay 20000us", "delay 20ms"},
    {"delay 1.5ms", "delay 1500us"},
    {"delay 0.25s", "delay 250ms"},
    {"delay 1000s 1us", "delay 1000s 1us"},
    {"delay 20ms 5ms", "delay 20ms 5ms"},
    {"delay 0us 5ms", "delay 0us 5ms"},
    {"delay 20ms 5ms 25%", "delay 20ms 5ms 25%"},
    {"delay 20ms 5ms distribution normal", "delay 20ms 5ms distribution normal"},
    {"delay 20ms 5ms 25% distribution uniform", "delay 20ms 5ms 25%"},
    {"delay 1ms reorder 25%", "delay 1ms reorder 25%"},
    {"reorder 25% 50% gap 5 rate 1mbit", "reorder 25% 50% gap 5 rate 1mbit"},
    {"delay 1ms reorder 25% gap 1", "delay 1ms reorder 25%"},
    {"duplicate 1%", "duplicate 1%"},
    {"duplicate 1% 2%", "duplicate 1% 2%"},
    {"corrupt 0.1%", "corrupt 0.1%"},
    {"rate 10mbit", "rate 10mbit"},
    {"rate 10Mbit", "rate 10mbit"},
    {"rate 1500kbit", "rate 1500kbit"},
    {"rate 1.5mbit", "rate 1500kbit"},
    {"rate 56001bit", "rate 56001bit"},
    {"rate 999.999999999gbit", "rate 999999999999bit"},
    {"delay 0ms 0ms 5% distribution normal", "none"},
    {"delay 1ms 0us 5%", "delay 1ms"},

    {"rate 1000gbit", "rate 1000gbit"},
    {"rate 1kbit", "rate 1kbit"},
    {"limit 100", "limit 100"},
    {"limit 100000", "limit 100000"},
    {"seed 0", "none"},
    {"seed 18446744073709551615", "seed 18446744073709551615"},
    {"drop 5,9-12", "drop 5,9-12"},
    {"drop 5-5", "drop 5"},
    {"drop 4294967294", "drop 4294967294"},
    {"drop syn", "drop syn"},
    {"drop syn 2", "drop syn 2"},
    {"drop data", "drop data"},
    {"drop data 3", "drop data 3"},
    {"drop every 7", "drop every 7"},
    {"drop data 3 drop syn drop every 7 drop 1", "drop 1 drop every 7 drop syn drop data 3"},
    {"blackout 2s..3s", "blackout 2s..3s"},
    {"blackout 0.5s..2500ms", "blackout 500ms..2500ms"},
    {"blackout 0us..1us", "blackout 0us..1us"},
    {"port 7,9000-9010", "port 7,9000-9010"},
    {"except port 80", "except port 80"},
    {"port 1-65535 except port 80", "port 1-65535 except port 80"},
    {"loss 5% delay 20ms 5ms reorder 25% duplicate 1% corrupt 0.1% rate 10mbit limit 100",
     "loss 5% delay 20ms 5ms reorder 25% duplicate 1% corrupt 0.1% rate 10mbit limit 100"},
    {"seed 7 rate 1gbit loss 1%", "loss 1% rate 1gbit seed 7"},
    {"drop 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", "drop 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16"},
};

static void parse__good_text__is_written_in_one_way(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good_texts); i++) {
        char text[LINK_TEXT_MAX];
        struct link_config config = parsed(good_texts[i][0]);
        assert_int_equal(link_print(&config, text), strlen(good_texts[i][1]));
        assert_string_equal(text, good_texts[i][1]);
        struct link_config again = parsed(text);
        assert_int_equal(link_print(&again, text), strlen(good_texts[i][1]));
        assert_string_equal(text, good_texts[i][1]);
    }
}

static void parse__each_setting__goes_where_it_belongs(void **state)
{
    (void)state;
    struct link_config c = parsed(
        "loss 5% 1% delay 20ms 5ms 2% distribution normal reorder 25% 3% gap 4 duplicate 1.5% 6% corrupt "
        "0.1% 7% rate 10mbit limit 100 seed 12 drop 5,9-12 drop syn 1 drop data drop every 7 "
        "blackout 2s..3s port 7 except port 80-81");
    assert_int_equal(c.loss.p, 5000000); /* LINK_ONE is 100 million: 1 % is a million */
    assert_int_equal(c.loss.corr, 1000000);
    assert_false(c.ge.on);
    assert_int_equal(c.delay_us, 20000);
    assert_int_equal(c.jitter_us, 5000);
    assert_int_equal(c.delay_corr, 2000000);
    assert_true(c.normal);
    assert_int_equal(c.reorder.p, 25000000);
    assert_int_equal(c.reorder.corr, 3000000);
    assert_int_equal(c.reorder_gap, 4);
    assert_int_equal(c.duplicate.p, 1500000);
    assert_int_equal(c.duplicate.corr, 6000000);
    assert_int_equal(c.corrupt.p, 100000);
    assert_int_equal(c.corrupt.corr, 7000000);
    assert_int_equal(c.rate_bps, 10000000);
    assert_int_equal(c.limit, 100);
    assert_int_equal(c.seed, 12);
    assert_int_equal(c.drop.count, 2);
    assert_int_equal(c.drop.at[0].low, 5);
    assert_int_equal(c.drop.at[0].high, 5);
    assert_int_equal(c.drop.at[1].low, 9);
    assert_int_equal(c.drop.at[1].high, 12);
    assert_true(link_list_has(&c.drop_syn, 1) && !link_list_has(&c.drop_syn, 2));
    assert_true(link_list_has(&c.drop_data, 1) && link_list_has(&c.drop_data, 1ull << 40));
    assert_int_equal(c.drop_every, 7);
    assert_int_equal(c.blackout_from_us, 2000000);
    assert_int_equal(c.blackout_to_us, 3000000);
    assert_true(link_list_has(&c.port, 7) && !link_list_has(&c.port, 8));
    assert_true(link_list_has(&c.except_port, 81) && !link_list_has(&c.except_port, 82));
    c = parsed("loss gemodel 1% 10% 70% 0.1%");
    assert_true(c.ge.on);
    assert_int_equal(c.ge.p, 1000000);
    assert_int_equal(c.ge.r, 10000000);
    assert_int_equal(c.ge.loss_bad, 70000000);
    assert_int_equal(c.ge.loss_good, 100000);
}

/* tc-netem(8): r = 1-p, 1-h = 1, 1-k = 0. */
static void parse__short_gemodel__has_netems_defaults(void **state)
{
    (void)state;
    struct link_config c = parsed("loss gemodel 3%");
    assert_int_equal(c.ge.r, 97000000);
    assert_int_equal(c.ge.loss_bad, 100000000);
    assert_int_equal(c.ge.loss_good, 0);
}

#define CLAUSE "expected loss, delay, reorder"

/* The text, the column of the mistake, how the message begins. */
static const struct {
    const char *text;
    uint32_t column;
    const char *expected;
} mistakes[] = {
    {"los 5%", 1, CLAUSE},
    {"  5%", 3, CLAUSE},
    {"losss 5%", 1, CLAUSE},
    {"loss5%", 1, CLAUSE},
    {"loss 5%,", 8, "expected a space"},
    {"loss 5% , delay 1ms", 9, CLAUSE},
    {"loss 5% none", 9, CLAUSE},
    {"none loss 5%", 6, "expected nothing after none"},
    {"loss", 5, "expected a percentage"},
    {"loss   ", 8, "expected a percentage"},
    {"loss random", 12, "expected a percentage"},
    {"loss x", 6, "expected a percentage"},
    {"loss -5%", 6, "expected a percentage"},
    {"loss .5%", 6, "expected a percentage"},
    {"loss 5x", 7, "expected a % or"},
    {"loss 5.%", 7, "expected a % or"},
    {"loss 5.5.5%", 9, "expected a % or"},
    {"loss 5%%", 8, "expected a space"},
    {"loss 5%x", 8, "expected a space"},
    {"loss 101%", 6, "expected at most 100%"},
    {"loss 100.000001%", 6, "expected at most 100%"},
    {"loss 0.0000001%", 6, "expected a number with fewer decimals"},
    {"loss 0.0000000001%", 17, "expected fewer digits"},
    {"loss 12345678901234%", 19, "expected fewer digits"},
    {"loss 1234567890123%", 6, "expected at most 100%"},
    {"rate 9999999999999gbit", 6, "expected 1kbit to"},
    {"loss 5% 25% 7%", 13, CLAUSE},
    {"loss 5% loss 6%", 9, "expected another clause"},
    {"loss gemodel", 13, "expected a percentage"},
    {"loss gemodel 1% 2% 3% 4% 5%", 26, CLAUSE},
    {"loss gemodel 1% 2% 300%", 20, "expected at most 100%"},
    {"delay", 6, "expected a time"},
    {"delay 20", 9, "expected us, ms or s"},
    {"delay 20 ms", 9, "expected us, ms or s"},
    {"delay 20min", 9, "expected us, ms or s"},
    {"delay 20msec", 9, "expected us, ms or s"},
    {"delay 20ms 25%", 14, "expected us, ms or s"},
    {"delay 1001s", 7, "expected at most 1000s"},
    {"delay 0.5us", 7, "expected a number with fewer decimals"},
    {"delay 20ms distribution normal", 12, "expected a jitter"},
    {"delay 20ms 5ms distribution pareto", 29, "expected uniform or normal"},
    {"delay 20ms 5ms distribution", 28, "expected uniform or normal"},
    {"reorder 25%", 1, "expected a delay or a rate"},
    {"loss 1% reorder 25%", 9, "expected a delay or a rate"},
    {"delay 1ms reorder 25% gap", 26, "expected a distance"},
    {"delay 1ms reorder 25% gap 0", 27, "expected a distance"},
    {"delay 1ms reorder 25% gap 5%", 28, "expected a space"},
    {"rate", 5, "expected a rate"},
    {"rate 10", 8, "expected bit, kbit"},
    {"rate 10mbps", 8, "expected bit, kbit"},
    {"rate 10mbits", 8, "expected bit, kbit"},
    {"rate 0bit", 6, "expected 1kbit to"},
    {"rate 999bit", 6, "expected 1kbit to"},
    {"rate 1000.1gbit", 6, "expected 1kbit to"},
    {"limit 0", 7, "expected a number of packets"},
    {"limit 100001", 7, "expected a number of packets"},
    {"limit 10k", 9, "expected a space"},
    {"seed", 5, "expected a number up to"},
    {"seed 18446744073709551616", 6, "expected a number up to"},
    {"seed 99999999999999999999999", 6, "expected a number up to"},
    {"seed -1", 6, "expected a number up to"},
    {"drop", 5, "expected numbers, as in 5,9-12, or every"},
    {"drop fin", 6, "expected numbers, as in 5,9-12, or every"},
    {"drop 0", 6, "expected numbers from 1"},
    {"drop 5,", 8, "expected numbers from 1"},
    {"drop 5,,6", 8, "expected numbers from 1"},
    {"drop 5, 6", 8, "expected numbers from 1"},
    {"drop 9-", 8, "expected numbers from 1"},
    {"drop 9-8", 8, "expected the end of the range"},
    {"drop 5x", 7, "expected a comma"},
    {"drop 5-6-7", 9, "expected a comma"},
    {"drop 4294967295", 6, "expected numbers from 1"},
    {"drop 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", 45, "expected at most 16"},
    {"drop 5 drop 6", 13, "expected another clause"},
    {"drop syn drop syn", 15, "expected another clause"},
    {"drop every", 11, "expected a number, as in every 7"},
    {"drop every 0", 12, "expected a number, as in every 7"},
    {"drop data 0", 11, "expected numbers from 1"},
    {"drop data x", 11, CLAUSE},
    {"blackout", 9, "expected two times"},
    {"blackout 2s", 12, "expected .. and"},
    {"blackout 2s.3s", 12, "expected .. and"},
    {"blackout 2s ..3s", 12, "expected .. and"},
    {"blackout 2..3s", 11, "expected us, ms or s"},
    {"blackout 2s..", 14, "expected two times"},
    {"blackout 2s..3", 15, "expected us, ms or s"},
    {"blackout 3s..2s", 14, "expected a time after"},
    {"blackout 2s..2s", 14, "expected a time after"},
    {"port", 5, "expected ports from 1"},
    {"port 0", 6, "expected ports from 1"},
    {"port 7,65536", 8, "expected ports from 1"},
    {"except 80", 8, "expected port"},
    {"except", 7, "expected port"},
    {"except port", 12, "expected ports from 1"},
    {"except port 80 port x", 21, "expected ports from 1"},
};

static void parse__mistake__is_found_at_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(mistakes); i++) {
        struct link_config config, before;
        uint32_t column = 0;
        memset(&config, 0x5a, sizeof(config));
        memcpy(&before, &config, sizeof(config));
        const char *error = link_parse(mistakes[i].text, &config, &column);
        if (!error)
            error = "accepted";
        if (column != mistakes[i].column ||
            strncmp(error, mistakes[i].expected, strlen(mistakes[i].expected)) != 0)
            fail_msg("'%s' at column %u: %s; not at column %u: %s", mistakes[i].text, column, error,
                     mistakes[i].column, mistakes[i].expected);
        assert_memory_equal(&config, &before, sizeof(config)); /* untouched */
    }
}

static void parse__success__replaces_all_but_the_exempt_port(void **state)
{
    (void)state;
    uint32_t column;
    struct link_config config = parsed("loss 5% delay 20ms drop 5 limit 7 seed 8 port 9");
    config.exempt_port = 80;
    assert_null(link_parse("corrupt 1%", &config, &column));
    assert_int_equal(config.exempt_port, 80);
    config.exempt_port = 0;
    struct link_config fresh = parsed("corrupt 1%");
    assert_memory_equal(&config, &fresh, sizeof(config));
}

/* The longest there is fits. */
static void print__largest_settings__fit(void **state)
{
    (void)state;
    char text[LINK_TEXT_MAX];
    struct link_config config = parsed(
        "loss gemodel 33.333333% 22.222222% 11.111111% 44.444444% delay 999.999999s 999.999998s 77.777777% "
        "distribution normal reorder 99.999999% 88.888888% gap 4294967295 duplicate 12.345678% 87.654321% "
        "corrupt 11.111111% 22.222222% rate 999999999999bit limit 99999 seed 18446744073709551615 "
        "drop every 4294967295 blackout 999999.999998s..999999.999999s");
    struct link_list full = {.count = LINK_RANGES};
    for (uint32_t i = 0; i < LINK_RANGES; i++)
        full.at[i] = (struct link_range){4294967000u + i, 4294967200u + i};
    config.drop = config.drop_syn = config.drop_data = full;
    for (uint32_t i = 0; i < LINK_RANGES; i++)
        full.at[i] = (struct link_range){65000u + i, 65100u + i};
    config.port = config.except_port = full;
    config.loss = config.corrupt; /* both kinds of loss at once: no text says so, but it has to fit */
    assert_true(link_print(&config, text) < LINK_TEXT_MAX);
    config.loss = (struct link_chance){0};
    link_print(&config, text);
    struct link_config again = parsed(text);
    assert_memory_equal(&again, &config, sizeof(config));
}

/* Sentences of the grammar, some with a random mistake. */
static void compose(struct prng *prng, char *text, size_t cap)
{
    static const char *const words[] = {
        "loss 5%",          "loss random 1% 2%", "loss gemodel 1% 20%", "delay 3ms",
        "delay 3ms 1ms 5%", "delay 1s 2us",      "distribution normal", "reorder 25% gap 3",
        "duplicate 1.25%",  "corrupt 0.001%",    "rate 64kbit",         "limit 12",
        "seed 99",          "drop 5,9-12",       "drop every 3",        "drop syn",
        "drop data 1-3",    "blackout 1ms..2ms", "port 7,80-90",        "except port 81",
    };
    size_t len = 0;
    text[0] = 0;
    for (uint64_t n = prng_below(prng, 5); n > 0; n--)
        len += (size_t)snprintf(text + len, cap - len, "%s ", words[prng_below(prng, COUNT_OF(words))]);
    if (len > 0 && prng_chance(prng, 50))
        text[prng_below(prng, len)] = (char)prng_next(prng);
}

/* A mistake is within the text, or just behind it; what is accepted is written, and then read as the same. */
static void parse__random_text__ends_well(void **state)
{
    (void)state;
    struct prng prng = prng_seed(1);
    uint32_t good = 0, bad = 0;
    for (int round = 0; round < 100000; round++) {
        char source[300], canonical[LINK_TEXT_MAX], twice[LINK_TEXT_MAX];
        size_t len = prng_below(&prng, 60);
        if (round % 2) {
            compose(&prng, source, sizeof(source));
        } else {
            static const char letters[] = " losdeaytruplicgmnk0123456789.,-%\t";
            for (size_t i = 0; i < len; i++)
                source[i] =
                    round % 4 ? letters[prng_below(&prng, sizeof(letters) - 1)] : (char)prng_next(&prng);
            source[len] = 0;
        }
        len = strlen(source);
        char *text = malloc(len + 1); /* so that AddressSanitizer sees where it ends */
        assert_non_null(text);
        memcpy(text, source, len + 1);
        struct link_config config = {0};
        uint32_t column = 0;
        const char *error = link_parse(text, &config, &column);
        if (error) {
            bad++;
            assert_in_range(column, 1, len + 1);
        } else {
            good++;
            link_print(&config, canonical);
            struct link_config again = parsed(canonical);
            assert_memory_equal(&again, &config, sizeof(config));
            link_print(&again, twice);
            assert_string_equal(twice, canonical);
        }
        free(text);
    }
    assert_true(good > 10000 && bad > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse__good_text__is_written_in_one_way),
        cmocka_unit_test(parse__each_setting__goes_where_it_belongs),
        cmocka_unit_test(parse__short_gemodel__has_netems_defaults),
        cmocka_unit_test(parse__mistake__is_found_at_its_place),
        cmocka_unit_test(parse__success__replaces_all_but_the_exempt_port),
        cmocka_unit_test(print__largest_settings__fit),
        cmocka_unit_test(parse__random_text__ends_well),
    };
    return cmocka_run_group_tests_name("link_parse", tests, NULL, NULL);
}
