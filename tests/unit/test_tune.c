/* test_tune.c - how buffers grow: a path that moves what window, rate and round trip allow, against the
 * claims of tune.h. */
#include "test.h"

#include "tune.h"

#define START (256u << 10)
#define CAP (4u << 20)

/* A path that delivers min(bottleneck, window / RTT), evenly, in steps of at most a millisecond. */
struct path {
    struct tune tune;
    rill_time now_us;
    uint64_t bytes_s;   /* of the bottleneck */
    uint32_t rtt_us;    /* without a queue */
    uint32_t known_us;  /* what is thought to be the minimum */
    uint64_t pos, part; /* bytes, and millionths */
    uint32_t size;
    unsigned int grown;
};

static struct path path_of(uint64_t bytes_s, uint32_t rtt_us)
{
    return (struct path){
        .now_us = SEC, .bytes_s = bytes_s, .rtt_us = rtt_us, .known_us = rtt_us, .size = START};
}

static void path_run(struct path *p, rill_time us)
{
    rill_time until_us = p->now_us + us;
    while (p->now_us < until_us) {
        uint64_t step_us = p->rtt_us < MS ? p->rtt_us : MS, window_bytes_s = p->size * SEC / p->rtt_us;
        uint32_t size;
        p->now_us += step_us;
        p->part += (window_bytes_s < p->bytes_s ? window_bytes_s : p->bytes_s) * step_us;
        p->pos += p->part / SEC;
        p->part %= SEC;
        size = tune_step(&p->tune, p->now_us, p->known_us, p->pos, p->size, CAP);
        assert_true(size >= p->size);
        assert_true(size <= CAP || size == p->size);
        p->grown += size != p->size;
        p->size = size;
    }
}

static void tune__long_fat_path__buffer_is_twice_what_it_delivers(void **state)
{
    const struct {
        uint64_t bytes_s;
        uint32_t rtt_us;
    } paths[] = {{12500000, 100000}, {12500000, 20000}, {125000000, 10000}, {5000000, 150000}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct path p = path_of(paths[i].bytes_s, paths[i].rtt_us);
        uint64_t round = paths[i].bytes_s * paths[i].rtt_us / SEC;
        path_run(&p, 3 * SEC);
        assert_true(p.size >= 2 * round || p.size == CAP);
        assert_true(p.size <= 4 * round || p.size == START); /* and no more than it takes */
    }
}

static void tune__ten_times_what_a_cap_holds__stops_at_the_cap(void **state)
{
    struct path p = path_of(400000000, 100000);
    (void)state;
    path_run(&p, 5 * SEC);
    assert_int_equal(p.size, CAP);
    path_run(&p, 5 * SEC);
    assert_int_equal(p.size, CAP);
}

static void tune__beyond_the_cap_already__stays(void **state)
{
    struct path p = path_of(400000000, 100000);
    (void)state;
    p.size = CAP + 1;
    path_run(&p, SEC);
    assert_int_equal(p.size, CAP + 1);
}

static void tune__small_path__never_grows(void **state)
{
    struct path lan = path_of(1250000000, 50), modem = path_of(7000, 300000);
    (void)state;
    path_run(&lan, SEC);
    path_run(&modem, 100 * SEC);
    assert_int_equal(lan.size, START);
    assert_int_equal(modem.size, START);
}

static void tune__unknown_rtt__never_grows(void **state)
{
    struct path p = path_of(12500000, 100000);
    (void)state;
    p.known_us = 0;
    path_run(&p, 3 * SEC);
    assert_int_equal(p.size, START);
}

/* The RTT of the handshake was ten times what it is: what is delivered looks like a need, but the first
 * growth brings nothing, and so it is the last. */
static void tune__rate_does_not_rise__grows_once(void **state)
{
    struct path p = path_of(100000000, 1000);
    (void)state;
    p.known_us = 10000;
    path_run(&p, 10 * SEC);
    assert_int_equal(p.grown, 1);
    assert_int_equal(p.size, 2 * START);
}

/* The same rate, over a path that is now longer: that is another need. */
static void tune__path_becomes_longer__grows_again(void **state)
{
    struct path p = path_of(12500000, 20000);
    (void)state;
    path_run(&p, 3 * SEC);
    assert_int_equal(p.size, 2 * START); /* 250000 bytes are more than half of the first size */
    p.rtt_us = p.known_us = 100000;
    path_run(&p, 5 * SEC);
    assert_true(p.size >= 2500000);
}

/* An application that sleeps and then takes all that has come, in pieces: what it takes in that moment is no
 * rate of the path. */
static void tune__backlog_read_at_once__is_no_reason(void **state)
{
    struct tune t = {0};
    uint64_t pos = 0;
    rill_time now_us = SEC;
    (void)state;
    for (int second = 0; second < 20; second++, now_us += SEC)
        for (uint32_t read = 0; read < START; read += 16384) {
            pos += 16384;
            now_us += 4;
            assert_int_equal(tune_step(&t, now_us, 50, pos, START, CAP), START);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tune__long_fat_path__buffer_is_twice_what_it_delivers),
        cmocka_unit_test(tune__ten_times_what_a_cap_holds__stops_at_the_cap),
        cmocka_unit_test(tune__beyond_the_cap_already__stays),
        cmocka_unit_test(tune__small_path__never_grows),
        cmocka_unit_test(tune__unknown_rtt__never_grows),
        cmocka_unit_test(tune__rate_does_not_rise__grows_once),
        cmocka_unit_test(tune__path_becomes_longer__grows_again),
        cmocka_unit_test(tune__backlog_read_at_once__is_no_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
