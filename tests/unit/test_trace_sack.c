/* test_trace_sack.c - timestamps and SACK blocks as the reader of traces takes them.  RFC 7323 3, RFC 2018 3.
 */
#include "trace_read.h"

#include "test.h"

#include <stdio.h>
#include <string.h>

#define START                                                                                                \
    "{\"t\":0.000000,\"ev\":\"start\",\"version\":1}\n"                                                      \
    "{\"t\":0.000001,\"ev\":\"conn\",\"conn\":1,\"local\":\"10.77.0.2:7\",\"peer\":\"10.77.0.1:50000\"}\n"

static int parse(struct trace *trace, const char *text)
{
    return trace_parse(trace, (const uint8_t *)text, strlen(text), NULL);
}

static void segment_line__with_options__is_taken(void **state)
{
    struct trace trace;
    (void)state;
    assert_int_equal(parse(&trace,
                           START "{\"t\":1.5,\"ev\":\"in\",\"conn\":1,\"flags\":\".\",\"tsval\":4000000000,"
                                 "\"tsecr\":0,\"sack\":[[101,201],[301,4294967401]],\"win\":7}\n"),
                     0);
    const struct trace_seg *seg = &trace_pick(&trace, 1)->segs[0];
    assert_true(seg->has_ts);
    assert_int_equal(seg->tsval, 4000000000u);
    assert_int_equal(seg->sacks, 2);
    assert_int_equal(seg->sack[0][0], 101);
    assert_int_equal(seg->sack[0][1], 201);
    assert_int_equal(seg->sack[1][0], 301);
    assert_int_equal(seg->sack[1][1], 4294967401);
    assert_int_equal(seg->win, 7);
    trace_free(&trace);
}

/* An array of another shape yields whole blocks only, and never more than there is room for. */
static void sack_field__odd_shapes__are_survived(void **state)
{
    static const struct {
        const char *value;
        int blocks;
    } cases[] = {{"[]", 0},
                 {"[[]]", 0},
                 {"[[1]]", 0},
                 {"[[1,2],[3]]", 1},
                 {"\"1:2\"", 0},
                 {"[1,2,3,4]", 2},
                 {"[[1,2],[3,4],[5,6],[7,8],[9,10]]", 4},
                 {"{\"a\":[1,2]}", 0}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct trace trace;
        char text[400];
        (void)snprintf(text, sizeof text,
                       START "{\"t\":1.5,\"ev\":\"in\",\"conn\":1,\"flags\":\".\",\"sack\":%s,\"len\":7}\n",
                       cases[i].value);
        assert_int_equal(parse(&trace, text), 0);
        assert_int_equal(trace_pick(&trace, 1)->segs[0].sacks, cases[i].blocks);
        assert_int_equal(trace_pick(&trace, 1)->segs[0].len, 7);
        trace_free(&trace);
    }
}

/* RFC 2883 4: below the acknowledgement, or inside of the second block. */
static void dsack__below_the_ack_or_inside_the_next_block__is_told(void **state)
{
    (void)state;
    struct trace_seg seg = {.ack = 1000, .sacks = 1, .sack = {{500, 1000}, {2000, 3000}}};
    assert_true(trace_is_dsack(&seg));
    seg.sack[0][1] = 1001;
    assert_false(trace_is_dsack(&seg));
    seg.sack[0][0] = 2500;
    seg.sack[0][1] = 3000;
    assert_false(trace_is_dsack(&seg));
    seg.sacks = 2;
    assert_true(trace_is_dsack(&seg));
    seg.sack[0][1] = 3001;
    assert_false(trace_is_dsack(&seg));
    seg.sacks = 0;
    assert_false(trace_is_dsack(&seg));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segment_line__with_options__is_taken),
        cmocka_unit_test(sack_field__odd_shapes__are_survived),
        cmocka_unit_test(dsack__below_the_ack_or_inside_the_next_block__is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
