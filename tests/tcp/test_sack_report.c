/* test_sack_report.c - what we tell of the segments that have come out of order, or twice.  RFC 2018 2 to 4
 * and 7, RFC 2883 4: the examples of both, as they stand there, and what the texts demand beside them. */
#include "flow.h"
#include "tcp_sack.h"

#include <string.h>

static const char peer_opts[] = "<mss 1460,nop,wscale 7,nop,nop,sackOK>";
static const char peer_opts_ts[] = "<mss 1460,nop,wscale 7,sackOK,TS val 100 ecr 0>";

static void with_sack(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->features |= 1u << RILL_FEATURE_SACK | 1u << RILL_FEATURE_DSACK;
}

static void without_dsack(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->features |= 1u << RILL_FEATURE_SACK;
}

static void with_timestamps(struct rill_config *config, struct tcp_opts *opts)
{
    with_sack(config, opts);
    config->features |= 1u << RILL_FEATURE_TIMESTAMPS;
}

static struct rig *sack_rig(void (*edit)(struct rill_config *config, struct tcp_opts *opts))
{
    struct rig_setup setup = {.peer_opts = peer_opts, .edit = edit};
    struct rig *t;
    if (edit != with_timestamps)
        return rig_established(&setup);
    setup.peer_opts = peer_opts_ts;
    t = rig_syn_received(&setup);
    in(t, ". 1:1(0) ack 1 <nop,nop,TS val 100 ecr 0>");
    app_accept(t, 0);
    return t;
}

/* ---- Reading the option: RFC 2018 3, by itself ----------------------------------------------------------
 */

static uint32_t number(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The blocks as the RFCs write them, "3000-3500 4500-5000", the first byte of the text being number 0. */
static void blocks_of(const struct rig *t, const struct datagram *d, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < d->opt_len && d->opt[i] != 0; i += d->opt[i] == 1 ? 1 : d->opt[i + 1]) {
        if (d->opt[i] != 5)
            continue;
        assert_int_equal(d->opt[i + 1] % 8, 2);
        for (uint32_t at = i + 2; at < i + d->opt[i + 1]; at += 8)
            used += (size_t)snprintf(text + used, size - used, "%s%d-%d", used == 0 ? "" : " ",
                                     (int32_t)(number(d->opt + at) - t->peer[0].isn - 1),
                                     (int32_t)(number(d->opt + at + 4) - t->peer[0].isn - 1));
    }
}

/* The next segment acknowledges what is below `ack` and reports this. */
static const struct datagram *expect_report(struct rig *t, int ack, const char *want)
{
    char got[200];
    const struct datagram *d = take(t);
    blocks_of(t, d, got, sizeof got);
    if (flow_ack(t, d) - 1 != ack || strcmp(got, want) != 0)
        rig_fail(t, "expected %d, SACK=%s, got %lld, SACK=%s", ack, want, (long long)flow_ack(t, d) - 1, got);
    assert_true(IP4_HEADER_LEN + TCP_HEADER_LEN + d->opt_len + d->text_len <= 1500);
    return d;
}

/* Bytes [from, to) arrive, counted as above. */
static void text_in(struct rig *t, int from, int to)
{
    if (t->peer[0].c->ts_ok)
        in(t, ". %d:%d(%d) ack 1 <nop,nop,TS val 101 ecr 0>", from + 1, to + 1, to - from);
    else
        in(t, ". %d:%d(%d) ack 1", from + 1, to + 1, to - from);
}

/* The same, and nobody looks at what leaves then. */
static void text_before(struct rig *t, int from, int to)
{
    text_in(t, from, to);
    (void)flow_swallow(t);
}

/* ---- The examples ---------------------------------------------------------------------------------------
 */

struct step {
    int from, to; /* the text that arrives */
    int ack;      /* and what the ACK says; -1: none at once */
    const char *sack;
};

/* All that is below `start` has arrived before. */
static void play(int start, const struct step *step, size_t count)
{
    struct rig *t = sack_rig(with_sack);
    for (int from = 0; from < start; from += 500)
        text_before(t, from, from + 500);
    let_pass(t, SEC / 2);
    flow_swallow(t);
    for (size_t i = 0; i < count; i++) {
        text_in(t, step[i].from, step[i].to);
        if (step[i].ack >= 0)
            (void)expect_report(t, step[i].ack, step[i].sack);
        else
            out_none(t);
    }
    let_pass(t, SEC / 2);
    flow_swallow(t);
    rig_end(t);
}
#define PLAY(start, steps) play(start, steps, COUNT_OF(steps))

static void rfc_2018_7__case_1__no_option(void **state)
{
    struct rig *t = sack_rig(with_sack);
    (void)state;
    for (int from = 0; from < 7000; from += 500) {
        text_in(t, from, from + 500);
        while (t->queued != 0)
            assert_int_equal(take(t)->opt_len, 0);
    }
    out_after(t, t->config.delack_us, ". 1:1(0) ack 7001");
    rig_end(t);
}

static void rfc_2018_7__case_2__one_growing_block(void **state)
{
    const struct step steps[] = {{5500, 6000, 5000, "5500-6000"}, {6000, 6500, 5000, "5500-6500"},
                                 {6500, 7000, 5000, "5500-7000"}, {7000, 7500, 5000, "5500-7500"},
                                 {7500, 8000, 5000, "5500-8000"}, {8000, 8500, 5000, "5500-8500"},
                                 {8500, 9000, 5000, "5500-9000"}};
    (void)state;
    PLAY(5000, steps);
}

static void rfc_2018_7__case_3__newest_first_then_most_recent(void **state)
{
    const struct step steps[] = {{5000, 5500, -1, ""},
                                 {6000, 6500, 5500, "6000-6500"},
                                 {7000, 7500, 5500, "7000-7500 6000-6500"},
                                 {8000, 8500, 5500, "8000-8500 7000-7500 6000-6500"},
                                 {6500, 7000, 5500, "6000-7500 8000-8500"},
                                 {5500, 6000, 7500, "8000-8500"}};
    (void)state;
    PLAY(5000, steps);
}

static void rfc_2883_4_1_1__duplicate_below_the_ack(void **state)
{
    const struct step steps[] = {{3000, 3500, 4000, "3000-3500"}, {3000, 3500, 4000, "3000-3500"}};
    (void)state;
    PLAY(4000, steps);
}

static void rfc_2883_4_1_2__duplicate_beside_a_gap(void **state)
{
    const struct step steps[] = {{4500, 5000, 4000, "4500-5000"}, {3000, 3500, 4000, "3000-3500 4500-5000"}};
    (void)state;
    PLAY(4000, steps);
}

static void rfc_2883_4_1_3__duplicate_of_what_is_out_of_order(void **state)
{
    const struct step steps[] = {{4500, 5000, 4000, "4500-5000"},
                                 {5000, 5500, 4000, "4500-5500"},
                                 {5000, 5500, 4000, "5000-5500 4500-5500"},
                                 {6000, 6500, 4000, "6000-6500 4500-5500"}};
    (void)state;
    PLAY(4000, steps);
}

static void rfc_2883_4_2_1__part_of_a_segment(void **state)
{
    const struct step steps[] = {
        {2000, 2500, 1000, "2000-2500"}, {1000, 1500, 1500, "2000-2500"}, {1000, 2000, 2500, "1000-1500"}};
    (void)state;
    PLAY(1000, steps);
}

static void rfc_2883_4_2_2__first_of_two_parts_below_the_ack(void **state)
{
    const struct step steps[] = {{3000, 3500, 1000, "3000-3500"},
                                 {1000, 1500, 1500, "3000-3500"},
                                 {2000, 2500, 1500, "2000-2500 3000-3500"},
                                 {1000, 2500, 2500, "1000-1500 3000-3500"}};
    (void)state;
    PLAY(1000, steps);
}

/* The RFC's table has 2000-2499 where the text and the first column have 2500-2999 arriving late. */
static void rfc_2883_4_2_3__first_of_two_parts_above_the_ack(void **state)
{
    const struct step steps[] = {{3500, 4000, 1000, "3500-4000"},
                                 {1500, 2000, 1000, "1500-2000 3500-4000"},
                                 {2500, 3000, 1000, "2500-3000 1500-2000 3500-4000"},
                                 {1500, 3000, 1000, "1500-2000 1500-3000 3500-4000"}};
    (void)state;
    PLAY(1000, steps);
}

/* ---- What else they demand ------------------------------------------------------------------------------
 */

static void dsack__whole_block_again__is_reported_with_itself_around(void **state)
{
    const struct step steps[] = {{500, 1000, 0, "500-1000"}, {500, 1000, 0, "500-1000 500-1000"}};
    (void)state;
    PLAY(0, steps);
}

static void dsack__next_ack__has_it_no_more(void **state)
{
    struct rig *t = sack_rig(with_sack);
    (void)state;
    text_before(t, 0, 500);
    text_before(t, 500, 1000);
    text_in(t, 0, 500);
    (void)expect_report(t, 1000, "0-500");
    text_in(t, 1500, 2000);
    (void)expect_report(t, 1000, "1500-2000");
    expect_counted(t, RILL_DSACK_OUT, 1);
    rig_end(t);
}

/* In order, and without a gap: without the duplicate the ACK would have waited. */
static void dsack__part_of_a_segment_in_order__is_told_at_once(void **state)
{
    struct rig *t = sack_rig(with_sack);
    (void)state;
    text_in(t, 0, 500);
    out_after(t, t->config.delack_us, ". 1:1(0) ack 501");
    in_batch(t, ". 251:751(500) ack 1"); /* before the next packet: that would be the most recent one */
    (void)expect_report(t, 750, "250-500");
    rig_end(t);
}

static void dsack__number_of_the_syn__is_no_text(void **state)
{
    struct rig *t = sack_rig(with_sack);
    (void)state;
    text_before(t, 0, 500);
    text_in(t, -1, 0);
    (void)expect_report(t, 500, "");
    rig_end(t);
}

static void dsack__old_text_with_a_new_fin__is_reported(void **state)
{
    struct rig *t = sack_rig(with_sack);
    (void)state;
    text_before(t, 0, 500);
    in(t, "F. 1:501(500) ack 1");
    (void)expect_report(t, 501, "0-500");
    rig_end(t);
}

static void dsack__octet_of_a_window_probe_again__is_reported_and_a_keepalive_is_not(void **state)
{
    struct rig *t = sack_rig(with_sack);
    (void)state;
    text_before(t, 0, 500);
    text_before(t, 500, 1000);
    in(t, ". 1000:1000(0) ack 1");
    (void)expect_report(t, 1000, "");
    text_in(t, 999, 1000);
    (void)expect_report(t, 1000, "999-1000");
    rig_end(t);
}

static void dsack__fin_again__is_reported_with_its_number(void **state)
{
    struct rig *t = sack_rig(with_sack);
    (void)state;
    in(t, "F. 1:501(500) ack 1");
    (void)expect_report(t, 501, "");
    in(t, "F. 1:501(500) ack 1");
    (void)expect_report(t, 501, "0-501");
    in(t, "F. 501:501(0) ack 1");
    (void)expect_report(t, 501, "500-501");
    rig_end(t);
}

static void dsack__turned_off__duplicates_are_only_acknowledged(void **state)
{
    struct rig *t = sack_rig(without_dsack);
    (void)state;
    text_before(t, 0, 500);
    text_before(t, 1000, 1500);
    text_in(t, 0, 500);
    (void)expect_report(t, 500, "1000-1500");
    text_in(t, 1000, 1500);
    (void)expect_report(t, 500, "1000-1500");
    expect_counted(t, RILL_DSACK_OUT, 0);
    rig_end(t);
}

/* RFC 2018 2: "MUST NOT" without the peer's permission. */
static void sack__peer_does_not_permit_it__none_is_sent(void **state)
{
    struct rig_setup setup = {.edit = with_sack};
    struct rig *t = rig_established(&setup);
    (void)state;
    in(t, ". 501:1001(500) ack 1");
    out(t, ". 1:1(0) ack 1");
    in(t, ". 501:1001(500) ack 1");
    out(t, ". 1:1(0) ack 1");
    rig_end(t);
}

/* RFC 2018 3: four blocks fit, with timestamps three; 4: the most recent ones, the newest first. */
static void islands(struct rig *t, const char *at_ten, const char *after_hole)
{
    for (int i = 1; i < 10; i++)
        text_before(t, 1000 * i, 1000 * i + 500);
    text_in(t, 10000, 10500);
    (void)expect_report(t, 0, at_ten);
    text_in(t, 0, 1000); /* up to the first island, which is in no block any more */
    (void)expect_report(t, 1500, after_hole);
    rig_end(t);
}

static void sack__ten_islands__the_four_newest_are_reported(void **state)
{
    (void)state;
    islands(sack_rig(with_sack), "10000-10500 9000-9500 8000-8500 7000-7500",
            "10000-10500 9000-9500 8000-8500 7000-7500");
}

static void sack__ten_islands_and_timestamps__three(void **state)
{
    (void)state;
    islands(sack_rig(with_timestamps), "10000-10500 9000-9500 8000-8500", "10000-10500 9000-9500 8000-8500");
}

static void dsack__with_timestamps__takes_the_place_of_the_last_block(void **state)
{
    struct rig *t = sack_rig(with_timestamps);
    (void)state;
    for (int i = 1; i <= 4; i++)
        text_before(t, 1000 * i, 1000 * i + 500);
    text_in(t, 2000, 2500);
    (void)expect_report(t, 0, "2000-2500 2000-2500 4000-4500");
    rig_end(t);
}

static void sack__one_island_grows__the_order_of_the_others_stays(void **state)
{
    struct rig *t = sack_rig(with_sack);
    (void)state;
    for (int i = 1; i <= 4; i++)
        text_before(t, 1000 * i, 1000 * i + 500);
    for (int end = 1500; end < 1900; end += 100)
        text_before(t, end, end + 100);
    text_in(t, 900, 1000);
    (void)expect_report(t, 0, "900-1900 4000-4500 3000-3500 2000-2500");
    rig_end(t);
}

static void sack__island_is_taken_in_order__its_place_is_free(void **state)
{
    struct rig *t = sack_rig(with_sack);
    (void)state;
    for (int i = 2; i <= 5; i++)
        text_before(t, 1000 * i, 1000 * i + 500);
    text_before(t, 500, 1000);
    text_before(t, 0, 500);
    text_in(t, 6000, 6500);
    (void)expect_report(t, 1000, "6000-6500 5000-5500 4000-4500 3000-3500");
    rig_end(t);
}

/* "As many distinct SACK blocks as possible": what was pushed out of the memory comes back. */
static void sack__newest_islands_join__others_take_their_places(void **state)
{
    struct rig *t = sack_rig(with_sack);
    (void)state;
    for (int i = 1; i <= 6; i++)
        text_before(t, 1000 * i, 1000 * i + 500);
    text_in(t, 3500, 6000); /* 3000-6500 is one; in between was 4000-4500, and so on */
    (void)expect_report(t, 0, "4000-4500 3000-6500 1000-1500 2000-2500");
    rig_end(t);
}

/* RFC 2018 4, 4.: each block is told in the next ACKs as well, three times with as many blocks. */
static void sack__segment_with_text__reports_too_and_fits_the_path(void **state)
{
    struct rig_setup setup = {.peer_opts = peer_opts, .edit = with_sack};
    struct rig *t = rig_established(&setup);
    const struct datagram *d;
    (void)state;
    text_before(t, 500, 1000);
    assert_int_equal(tcp_sack_room(t->peer[0].c), 12);
    app_write(t, 100);
    d = expect_report(t, 0, "500-1000");
    assert_int_equal(d->text_len, 100);
    app_write(t, 3000);
    d = expect_report(t, 0, "500-1000");
    assert_int_equal(d->text_len, 1460 - 12);
    flow_swallow(t);
    rig_discard(t);
}

static void sack__nothing_held__no_room_is_kept(void **state)
{
    struct rig *t = sack_rig(with_sack);
    (void)state;
    assert_int_equal(tcp_sack_room(t->peer[0].c), 0);
    text_before(t, 500, 1000);
    text_before(t, 0, 500);
    assert_int_equal(tcp_sack_room(t->peer[0].c), 0);
    rig_end(t);
}

/* What found no memory was not received: neither reported nor, if it comes again, a duplicate. */
static void sack__no_memory__nothing_is_reported(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 3; nth++) { /* the intake, the ring, the range */
        struct rig *t = sack_rig(with_sack);
        t->heap.fail_nth = nth;
        text_in(t, 500, 1000);
        assert_int_equal(t->heap.fail_nth, 0);
        if (nth == 3)
            (void)expect_report(t, 0, "");
        out_none(t);
        expect_counted(t, RILL_DROP_MEMORY, 1);
        text_in(t, 500, 1000);
        (void)expect_report(t, 0, "500-1000");
        expect_counted(t, RILL_DSACK_OUT, 0);
        rig_end(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_2018_7__case_1__no_option),
        cmocka_unit_test(rfc_2018_7__case_2__one_growing_block),
        cmocka_unit_test(rfc_2018_7__case_3__newest_first_then_most_recent),
        cmocka_unit_test(rfc_2883_4_1_1__duplicate_below_the_ack),
        cmocka_unit_test(rfc_2883_4_1_2__duplicate_beside_a_gap),
        cmocka_unit_test(rfc_2883_4_1_3__duplicate_of_what_is_out_of_order),
        cmocka_unit_test(rfc_2883_4_2_1__part_of_a_segment),
        cmocka_unit_test(rfc_2883_4_2_2__first_of_two_parts_below_the_ack),
        cmocka_unit_test(rfc_2883_4_2_3__first_of_two_parts_above_the_ack),
        cmocka_unit_test(dsack__whole_block_again__is_reported_with_itself_around),
        cmocka_unit_test(dsack__next_ack__has_it_no_more),
        cmocka_unit_test(dsack__part_of_a_segment_in_order__is_told_at_once),
        cmocka_unit_test(dsack__number_of_the_syn__is_no_text),
        cmocka_unit_test(dsack__old_text_with_a_new_fin__is_reported),
        cmocka_unit_test(sack__one_island_grows__the_order_of_the_others_stays),
        cmocka_unit_test(sack__island_is_taken_in_order__its_place_is_free),
        cmocka_unit_test(dsack__octet_of_a_window_probe_again__is_reported_and_a_keepalive_is_not),
        cmocka_unit_test(dsack__fin_again__is_reported_with_its_number),
        cmocka_unit_test(dsack__turned_off__duplicates_are_only_acknowledged),
        cmocka_unit_test(sack__peer_does_not_permit_it__none_is_sent),
        cmocka_unit_test(sack__ten_islands__the_four_newest_are_reported),
        cmocka_unit_test(sack__ten_islands_and_timestamps__three),
        cmocka_unit_test(dsack__with_timestamps__takes_the_place_of_the_last_block),
        cmocka_unit_test(sack__newest_islands_join__others_take_their_places),
        cmocka_unit_test(sack__segment_with_text__reports_too_and_fits_the_path),
        cmocka_unit_test(sack__nothing_held__no_room_is_kept),
        cmocka_unit_test(sack__no_memory__nothing_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
