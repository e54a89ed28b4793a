/* test_why_sack.c - what ladder and why make of SACK blocks, RACK and tail loss probes.  RFC 2018, 2883,
 * 8985. */
#include "said.h"

#define SACK(blocks) ",\"sack\":[" blocks "]"
#define TWO_SENT                                                                                             \
    SEG("0.10", "out", ".", "1", "10", "1", "")                                                              \
    SEG("0.10", "out", ".", "11", "10", "1", "")
#define AGAIN_UNTOLD ",\"again\":true"

/* Who does not say why can be understood all the same: what lies behind it was SACKed (RFC 2018 5). */
static void why__sack_without_a_reason__is_inferred_from_the_blocks(void **state)
{
    (void)state;
    char *text = said_of(why_main, TWO_SENT SEG("0.15", "in", ".", "1", "0", "1", SACK("[11,21]"))
                                       SEG("0.16", "out", ".", "1", "10", "1", AGAIN_UNTOLD));
    assert_int_equal(lines_with(text, "rill sent 1:11(10) again", "[RFC 2018 5]"), 1);
    assert_int_equal(lines_with(text, "inferred: lost on the way", "SACKed at 0.150000"), 1);
    free(text);
    text = said_of(why_main, TWO_SENT SEG("0.15", "in", ".", "1", "0", "1", "")
                                 SEG("0.16", "out", ".", "1", "10", "1", AGAIN_UNTOLD));
    assert_int_equal(count(text, "SACK"), 0);
    free(text);
}

/* RFC 2883 4: the peer has got it twice.  A block that lies above the acknowledgement is no such report. */
static void why__dsack__is_called_needless(void **state)
{
    (void)state;
    char *text = said_of(why_main, TWO_SENT SEG("0.4", "out", ".", "1", "10", "1", AGAIN("RTO"))
                                       SEG("0.5", "in", ".", "1", "0", "21", SACK("[1,11]")));
    assert_int_equal(lines_with(text, "needlessly sent again: at 0.500000 the D-SACK 1:11", ""), 1);
    free(text);
    text = said_of(why_main, TWO_SENT SEG("0.4", "out", ".", "1", "10", "1", AGAIN("RTO"))
                                 SEG("0.5", "in", ".", "1", "0", "1", SACK("[11,21]")));
    assert_int_equal(count(text, "needlessly"), 0);
    free(text);
}

static void why__rack_and_loss_probe__are_told_with_their_sections(void **state)
{
    (void)state;
    char *text = said_of(why_main, TWO_SENT SEG("0.12", "out", ".", "11", "10", "1", AGAIN("LOSS_PROBE"))
                                       SEG("0.15", "in", ".", "1", "0", "1", SACK("[11,21]"))
                                           SEG("0.16", "out", ".", "1", "10", "1", AGAIN("RACK")));
    assert_int_equal(lines_with(text, "rill sent 11:21(10) again", "[RFC 8985 7.3]"), 1);
    assert_int_equal(lines_with(text, "rill sent 1:11(10) again", "[RFC 8985 6.2]"), 1);
    free(text);
    text = said_of(why_main, TWO_SENT SEG("0.12", "out", ".", "11", "10", "1", AGAIN_UNTOLD));
    assert_int_equal(lines_with(text, "inferred: a tail loss probe", ""), 1);
    free(text);
    text = said_of(why_main, TWO_SENT SEG("0.32", "out", ".", "11", "10", "1", AGAIN_UNTOLD));
    assert_int_equal(count(text, "tail loss probe"), 0);
    free(text);
}

static void ladder__sack_blocks__are_behind_the_arrow(void **state)
{
    (void)state;
    char *text = said_of(ladder_main, TWO_SENT SEG("0.15", "in", ".", "1", "0", "1", SACK("[11,21],[31,41]"))
                                          SEG("0.16", "in", ".", "1", "0", "21", SACK("[1,11],[31,41]"))
                                              SEG("0.17", "in", ".", "1", "0", "21", SACK("[1,11]")));
    assert_int_equal(lines_with(text, "0.150000", " sack 11:21 31:41"), 1);
    assert_int_equal(lines_with(text, "0.160000", " dsack 1:11 sack 31:41"), 1);
    assert_int_equal(lines_with(text, "0.170000", " dsack 1:11"), 1);
    assert_int_equal(count(text, " sack "), 2);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(why__sack_without_a_reason__is_inferred_from_the_blocks),
        cmocka_unit_test(why__dsack__is_called_needless),
        cmocka_unit_test(why__rack_and_loss_probe__are_told_with_their_sections),
        cmocka_unit_test(ladder__sack_blocks__are_behind_the_arrow),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
