/* test_reassembly.c - the stream in order, however it arrives.  RFC 9293 3.10.7.4 seventh and eighth; RFC
 * 1122 4.2.2.20 (g).
 *
 * Of bytes that arrive twice the first copy counts: an attacker cannot change what was received. */
#include "flow.h"
#include "prng.h"
#include "ranges.h"
#include "rig.h"

#include <stdlib.h>

/* ---- A model: which copy of each byte came first ------------------------------------------------------- */

#define STREAM 6000

struct model {
    bool have[STREAM + 2];
    uint8_t byte[STREAM + 2]; /* by position; the first is 1 */
    int64_t nxt, read;
};

static void model_init(struct model *m)
{
    memset(m, 0, sizeof *m);
    m->nxt = m->read = 1;
}

static void model_in(struct model *m, int64_t from, uint32_t len, uint8_t salt)
{
    for (int64_t pos = from; pos < from + len; pos++) {
        if (pos < 1 || pos > STREAM || m->have[pos])
            continue;
        m->have[pos] = true;
        m->byte[pos] = pattern((uint64_t)pos, salt);
    }
    while (m->nxt <= STREAM && m->have[m->nxt])
        m->nxt++;
}

/* Reads up to len bytes and holds them against the model. */
static void model_read(struct rig *t, struct model *m, uint32_t len)
{
    static uint8_t data[STREAM];
    uint32_t got;
    rig_enter(t);
    got = tcp_read(t->e, t->peer[0].c, data, len, false);
    rig_drain(t);
    flow_swallow(t);
    if (got != (m->nxt - m->read < len ? m->nxt - m->read : len))
        rig_fail(t, "%u bytes to read where %lld came", got, (long long)(m->nxt - m->read));
    for (uint32_t i = 0; i < got; i++, m->read++)
        if (data[i] != m->byte[m->read])
            rig_fail(t, "the byte at %lld is not the first that came", (long long)m->read);
}

/* ---- In any order -------------------------------------------------------------------------------------- */

/* All orders of five segments and a FIN. */
static void reassembly__all_orders_of_six_segments__give_the_stream(void **state)
{
    const char *const lines[] = {". 1:11(10) ack 1",   ". 11:12(1) ack 1",    ". 12:112(100) ack 1",
                                 ". 112:119(7) ack 1", ". 119:200(81) ack 1", "F. 200:200(0) ack 1"};
    (void)state;
    for (unsigned int code = 0; code < 720; code++) {
        struct rig *t = rig_established(NULL);
        bool gone[6] = {false};
        unsigned int rest = code;
        for (unsigned int left = 6; left > 0; left--) {
            unsigned int skip = rest % left, i = 0;
            rest /= left;
            while (gone[i] || skip-- > 0)
                i++;
            gone[i] = true;
            expect_state(t, RILL_ESTABLISHED);
            in(t, "%s", lines[i]);
            flow_swallow(t);
        }
        expect_state(t, RILL_CLOSE_WAIT);
        app_read(t, 199);
        expect_eof(t, true);
        rig_end(t);
    }
}

/* Segments of any place and length, each copy with other bytes, and reads in between. */
static void reassembly__random_overlaps__first_copy_counts(void **state)
{
    static struct model m;
    (void)state;
    for (uint64_t seed = 0; seed < 150; seed++) {
        struct rig *t = rig_established(NULL);
        struct prng prng = prng_seed(seed);
        uint32_t most = (uint32_t)prng_between(&prng, 40, 1460);
        model_init(&m);
        for (int step = 0; step < 10000 && m.nxt <= STREAM; step++) {
            /* Mostly around what is missing, so that it goes on. */
            int64_t from = m.nxt - 50 + (int64_t)prng_below(&prng, prng_chance(&prng, 70) ? 100 : 3000);
            uint32_t len = (uint32_t)prng_between(&prng, 1, most);
            uint8_t salt = (uint8_t)prng_below(&prng, 4);
            from = from < 1 ? 1 : from > STREAM ? STREAM : from;
            if (from + len > STREAM + 1)
                len = (uint32_t)(STREAM + 1 - from);
            in(t, ". %lld:%lld(%u) ack 1 salt %u", (long long)from, (long long)from + len, len, salt);
            model_in(&m, from, len, salt);
            flow_swallow(t);
            if (prng_chance(&prng, 10))
                model_read(t, &m, (uint32_t)prng_between(&prng, 1, 2000));
            expect_counted(t, RILL_DROP_FRAGMENTED_RANGES, 0);
        }
        assert_int_equal(m.nxt, STREAM + 1);
        model_read(t, &m, STREAM);
        in(t, "F. %d:%d(0) ack 1", STREAM + 1, STREAM + 1);
        out(t, ". 1:1(0) ack %d", STREAM + 2);
        expect_eof(t, true);
        rig_end(t);
    }
}

/* Each way in which a later segment can overlap what is there, by hand. */
static void reassembly__each_kind_of_overlap__keeps_what_was_there(void **state)
{
    static struct model m;
    const struct {
        int from, len;
    } later[] = {{21, 10}, {21, 5},  {26, 5},  {23, 5},  {16, 10}, {26, 10}, {16, 20},
                 {31, 10}, {11, 10}, {16, 40}, {26, 20}, {41, 10}, {36, 10}, {1, 60}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(later); i++) {
        struct rig *t = rig_established(NULL);
        model_init(&m);
        in(t, ". 21:31(10) ack 1 salt 1"); /* two islands */
        model_in(&m, 21, 10, 1);
        out(t, ". 1:1(0) ack 1");
        in(t, ". 41:51(10) ack 1 salt 2");
        model_in(&m, 41, 10, 2);
        out(t, ". 1:1(0) ack 1");
        in(t, ". %d:%d(%d) ack 1 salt 3", later[i].from, later[i].from + later[i].len, later[i].len);
        model_in(&m, later[i].from, (uint32_t)later[i].len, 3);
        out(t, ". 1:1(0) ack %lld", (long long)m.nxt);
        in(t, ". 1:101(100) ack 1"); /* all of it once more */
        model_in(&m, 1, 100, 0);
        flow_swallow(t);
        model_read(t, &m, 100);
        assert_int_equal(m.read, 101);
        rig_end(t);
    }
}

/* SHLD-31: a whole window in reverse is held, and one segment acknowledges it. */
static void reassembly__window_in_reverse__is_held_and_acknowledged_at_once(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    for (int k = 43; k > 0; k--) {
        in(t, ". %d:%d(1460) ack 1", 1 + 1460 * k, 1461 + 1460 * k);
        out(t, ". 1:1(0) ack 1 win 65535");
    }
    in(t, ". 1:1461(1460) ack 1");
    out(t, ". 1:1(0) ack %d", 1 + 1460 * 44);
    app_read(t, 1460 * 44);
    flow_swallow(t);
    rig_end(t);
}

/* RFC 9293 3.10.7.4: "segments with higher beginning sequence numbers SHOULD be held", "trimming off any
 * portions that lie outside the window". */
static void reassembly__segment_over_an_edge__is_trimmed_to_the_window(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, ". -99:101(200) ack 1"); /* over the left edge; the pattern's byte at 1 is still that of 1 */
    out_after(t, 40 * MS, ". 1:1(0) ack 101");
    in(t, ". 65001:66001(1000) ack 1"); /* the edge is 65536 */
    out(t, ". 1:1(0) ack 101");
    flow_in(t, 101, 64900, 1460);
    let_pass(t, 50 * MS);
    expect_readable(t, 65535);
    in(t, ". 65536:65537(1) ack 1");
    out(t, ". 1:1(0) ack 65536 win 0");
    app_read(t, 65535);
    flow_swallow(t);
    in(t, ". 65536:66001(465) ack 1 salt 1"); /* what was cut off is not there */
    flow_swallow(t);
    app_read_salt(t, 0, 1);
    t->peer[0].read = 65535;
    app_read_salt(t, 465, 1);
    flow_swallow(t);
    rig_end(t);
}

/* ---- The limit ----------------------------------------------------------------------------------------- */

/* Bytes 3, 5, 7...: each an interval of its own. */
static void every_second_byte(struct rig *t, int from, int count, int step)
{
    for (int k = 0; k < count; k++) {
        in(t, ". %d:%d(1) ack 1", from + step * k, from + step * k + 1);
        out(t, ". 1:1(0) ack 1");
    }
}

/* At most RANGES_MAX intervals; one more is dropped and counted, and is not there afterwards. */
static void reassembly__more_holes_than_the_limit__are_dropped(void **state)
{
    const int limit = (int)RANGES_MAX;
    (void)state;
    for (int down = 0; down < 2; down++) {
        struct rig *t = rig_established(NULL);
        every_second_byte(t, down ? 1 + 2 * limit : 3, limit, down ? -2 : 2);
        expect_counted(t, RILL_DROP_FRAGMENTED_RANGES, 0);
        every_second_byte(t, 3 + 2 * limit, 10, 2);
        expect_counted(t, RILL_DROP_FRAGMENTED_RANGES, 10);
        expect_counted(t, RILL_OUT_OF_ORDER, (uint64_t)limit);
        assert_true(t->heap.live_bytes < 64 * 1024);
        /* What begins at RCV.NXT is always taken, and what joins two intervals makes room. */
        in(t, ". 1:3(2) ack 1");
        out(t, ". 1:1(0) ack 4");
        for (int k = 2; k <= limit; k++) {
            in(t, ". %d:%d(1) ack 1", 2 * k, 2 * k + 1);
            out(t, ". 1:1(0) ack %d", 2 * k + 2);
        }
        app_read(t, 1 + 2 * (uint32_t)limit);
        flow_swallow(t);
        in(t, ". %d:%d(1) ack 1", 2 * limit + 2, 2 * limit + 3); /* the next one was dropped */
        out_after(t, 40 * MS, ". 1:1(0) ack %d", 2 * limit + 3);
        rig_end(t);
    }
}

/* A dropped byte was not received: that of a later copy counts, though the first had been there. */
static void reassembly__dropped_for_the_limit__is_as_if_lost(void **state)
{
    const int limit = (int)RANGES_MAX, lost = 3 + 2 * limit;
    struct rig *t = rig_established(NULL);
    (void)state;
    every_second_byte(t, 3, limit, 2);
    in(t, ". %d:%d(1) ack 1 salt 1", lost, lost + 1);
    out(t, ". 1:1(0) ack 1");
    expect_counted(t, RILL_DROP_FRAGMENTED_RANGES, 1);
    in(t, ". 1:%d(%d) ack 1", 1461, 1460);
    flow_swallow(t);
    in(t, ". 1461:%d(%d) ack 1", lost + 1, lost + 1 - 1461);
    out(t, ". 1:1(0) ack %d", lost + 1);
    app_read(t, (uint32_t)lost);
    flow_swallow(t);
    rig_end(t);
}

/* ---- FIN ----------------------------------------------------------------------------------------------- */

/* RFC 9293 3.10.7.4 eighth: it counts when all in front of it is there. */
static void reassembly__fin_before_its_text__waits(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, "F. 201:201(0) ack 1");
    out(t, ". 1:1(0) ack 1");
    in(t, "FP. 101:201(100) ack 1");
    out(t, ". 1:1(0) ack 1");
    expect_state(t, RILL_ESTABLISHED);
    expect_eof(t, false);
    in(t, ". 1:101(100) ack 1");
    out(t, ". 1:1(0) ack 202");
    expect_state(t, RILL_CLOSE_WAIT);
    app_read(t, 200);
    expect_eof(t, true);
    rig_end(t);
}

/* The stream ends at the first FIN, whatever else is claimed: what lies beyond it is not taken. */
static void reassembly__text_beyond_the_fin__is_dropped(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, "F. 101:101(0) ack 1");
    out(t, ". 1:1(0) ack 1");
    in(t, ". 51:151(100) ack 1"); /* half of it */
    out(t, ". 1:1(0) ack 1");
    expect_counted(t, RILL_DROP_AFTER_FIN, 1);
    in(t, ". 120:130(10) ack 1");
    flow_swallow(t);
    in(t, "F. 81:81(0) ack 1"); /* another FIN, in front of what was received */
    flow_swallow(t);
    in(t, "F. 140:140(0) ack 1"); /* and one behind */
    flow_swallow(t);
    in(t, ". 1:201(200) ack 1");
    out(t, ". 1:1(0) ack 102");
    expect_state(t, RILL_CLOSE_WAIT);
    app_read(t, 100);
    expect_eof(t, true);
    in(t, "P. 102:112(10) ack 1");
    out(t, ". 1:1(0) ack 102");
    expect_readable(t, 0);
    rig_end(t);
}

/* A FIN in front of what was received already cannot be the end. */
static void reassembly__fin_inside_of_what_came__is_ignored(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, ". 101:201(100) ack 1");
    out(t, ". 1:1(0) ack 1");
    in(t, "F. 51:101(50) ack 1");
    out(t, ". 1:1(0) ack 1");
    in(t, ". 1:101(100) ack 1");
    out(t, ". 1:1(0) ack 201");
    expect_state(t, RILL_ESTABLISHED);
    app_read(t, 200);
    in(t, "F. 201:201(0) ack 1");
    out(t, ". 1:1(0) ack 202");
    expect_state(t, RILL_CLOSE_WAIT);
    rig_end(t);
}

/* The FIN is a position too: the one behind a window that the text has filled is outside of it. */
static void reassembly__fin_right_of_the_window__comes_again(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    flow_in(t, 1, 65000, 1460);
    in(t, "FP. 65001:65536(535) ack 1");
    flow_swallow(t);
    let_pass(t, 50 * MS);
    expect_state(t, RILL_ESTABLISHED);
    expect_readable(t, 65535);
    in(t, "F. 65536:65536(0) ack 1"); /* as a probe */
    out(t, ". 1:1(0) ack 65536 win 0");
    app_read(t, 65535);
    flow_swallow(t);
    in(t, "F. 65536:65536(0) ack 1");
    out(t, ". 1:1(0) ack 65537");
    expect_state(t, RILL_CLOSE_WAIT);
    rig_end(t);
}

/* ---- How a packet is handed over ----------------------------------------------------------------------- */

/* One packet of the peer's text in pieces: the head has `more` bytes of the text, the first slice `first`. */
struct pieces {
    uint32_t more, first;
    bool spoil; /* the checksum */
};

static bool give(struct rig *t, int64_t from, uint32_t len, struct pieces pieces, struct rill_packet *packet)
{
    static struct datagram d;
    static uint8_t data[UINT16_MAX + 1];
    uint32_t head = 40 + pieces.more, total;
    bool drain;
    d = (struct datagram){.src = RIG_PEER_ADDR,
                          .dst = RIG_OUR_ADDR,
                          .sport = t->peer[0].rport,
                          .dport = t->peer[0].lport,
                          .seq = t->peer[0].isn + (uint32_t)from,
                          .ack = t->peer[0].iss + 1,
                          .flags = RILL_ACK,
                          .win = 1000,
                          .ttl = 64,
                          .text_len = len};
    for (uint32_t i = 0; i < len; i++)
        d.text[i] = pattern((uint64_t)from + i, 0);
    total = datagram_build(&d, data);
    data[36] ^= pieces.spoil ? 0xff : 0;
    packet->head = (struct rill_slice){data, head};
    packet->body[0] = (struct rill_slice){data + head, pieces.first};
    packet->body[1] = (struct rill_slice){data + head + pieces.first, total - head - pieces.first};
    drain = rill_input(t->e, packet, t->now_us);
    memset(data, 0xdd, sizeof data); /* the bytes are read during the call only */
    assert_null(engine_check(t->e));
    return drain;
}

static void reassembly__text_in_three_pieces__is_put_together(void **state)
{
    const uint32_t len = 23;
    struct rig *t = rig_established(NULL);
    int64_t at = 1;
    (void)state;
    for (uint32_t more = 0; more <= len; more++)
        for (uint32_t first = 0; more + first <= len; first++) {
            struct rill_packet packet = {.csum = RILL_CSUM_VERIFY};
            give(t, at, len, (struct pieces){more, first, false}, &packet);
            rig_drain(t);
            flow_swallow(t);
            app_read(t, len);
            flow_swallow(t);
            at += len;
        }
    rig_end(t);
}

/* Out of order and overlapping too, where a piece of a piece is copied. */
static void reassembly__pieces_around_a_gap__are_put_together(void **state)
{
    (void)state;
    for (uint32_t more = 0; more <= 100; more += 9) {
        for (uint32_t first = 0; more + first <= 100; first += 7) {
            struct rig *t = rig_established(NULL);
            struct rill_packet packet = {.csum = RILL_CSUM_VERIFY};
            in(t, ". 31:61(30) ack 1");
            out(t, ". 1:1(0) ack 1");
            assert_true(give(t, 11, 100, (struct pieces){more, first, false}, &packet)); /* to be drained */
            rig_drain(t);
            out(t, ". 1:1(0) ack 1");
            in(t, ". 1:21(20) ack 1");
            out(t, ". 1:1(0) ack 111");
            app_read(t, 110);
            rig_end(t);
        }
    }
}

/* A device that has verified the checksum, or that never made one, says so. */
static void reassembly__checksum__is_verified_unless_it_is_known(void **state)
{
    const enum rill_csum known[] = {RILL_CSUM_GOOD, RILL_CSUM_PARTIAL};
    struct rig *t = rig_established(NULL);
    struct rill_packet packet = {.csum = RILL_CSUM_VERIFY};
    (void)state;
    give(t, 1, 10, (struct pieces){0, 4, true}, &packet);
    rig_drain(t);
    out_none(t); /* no answer: it must come again */
    expect_counted(t, RILL_DROP_TCP_CHECKSUM, 1);
    expect_readable(t, 0);
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        packet = (struct rill_packet){.csum = known[i]};
        give(t, 1 + 10 * (int64_t)i, 10, (struct pieces){0, 4, true}, &packet);
        expect_readable(t, 10 * (uint32_t)(i + 1));
    }
    app_read(t, 20);
    let_pass(t, 100 * MS);
    rig_end(t);
}

/* A super-segment is larger than the MTU; what is beyond the window is cut off.  It is many full segments, so
 * that its ACK does not wait (SHLD-19), nor does that of any later one. */
static void reassembly__super_segment__is_taken_whole_and_acknowledged_at_once(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.rcvbuf_bytes = 1 << 20});
    struct rill_packet packet = {.csum = RILL_CSUM_PARTIAL, .segment_bytes = 1460};
    int64_t at = 1;
    (void)state;
    for (int k = 0; k < 5; k++) {
        assert_false(give(t, at, 43800, (struct pieces){0, 20000, false},
                          &packet)); /* several may be taken in first */
        at += 43800;
        rig_drain(t);
        out(t, ". 1:1(0) ack %lld", (long long)at);
        app_read(t, 43800);
        flow_swallow(t);
    }
    in(t, ". %lld:%lld(1460) ack 1", (long long)at, (long long)at + 1460);
    in(t, ". %lld:%lld(1460) ack 1", (long long)at + 1460, (long long)at + 2920);
    out(t, ". 1:1(0) ack %lld", (long long)at + 2920); /* the second full segment of the usual size */
    rig_end(t);
}

static void reassembly__super_segment_over_the_edge__is_trimmed(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.rcvbuf_bytes = 10000});
    struct rill_packet packet = {.csum = RILL_CSUM_GOOD, .segment_bytes = 1460};
    (void)state;
    give(t, 1, 60000, (struct pieces){100, 0, false}, &packet);
    rig_drain(t);
    out(t, ". 1:1(0) ack 10001 win 0");
    app_read(t, 10000);
    out(t, ". 1:1(0) ack 10001 win 10000");
    rig_end(t);
}

/* The ACKs of a peer that has closed carry the number after its FIN, also while something in front of it is
 * missing. */
static void reassembly__bare_ack_behind_a_fin_that_waits__is_no_data_beyond_it(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, "F. 101:201(100) ack 1");
    out(t, ". 1:1(0) ack 1");
    in(t, ". 202:202(0) ack 1");
    assert_int_equal(rill_counter(t->e, RILL_DROP_AFTER_FIN), 0);
    in(t, "P. 202:203(1) ack 1");
    assert_int_equal(rill_counter(t->e, RILL_DROP_AFTER_FIN), 1);
    in(t, ". 1:101(100) ack 1");
    out(t, ". 1:1(0) ack 202");
    app_read(t, 200);
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reassembly__all_orders_of_six_segments__give_the_stream),
        cmocka_unit_test(reassembly__random_overlaps__first_copy_counts),
        cmocka_unit_test(reassembly__each_kind_of_overlap__keeps_what_was_there),
        cmocka_unit_test(reassembly__window_in_reverse__is_held_and_acknowledged_at_once),
        cmocka_unit_test(reassembly__segment_over_an_edge__is_trimmed_to_the_window),
        cmocka_unit_test(reassembly__more_holes_than_the_limit__are_dropped),
        cmocka_unit_test(reassembly__dropped_for_the_limit__is_as_if_lost),
        cmocka_unit_test(reassembly__fin_before_its_text__waits),
        cmocka_unit_test(reassembly__text_beyond_the_fin__is_dropped),
        cmocka_unit_test(reassembly__fin_inside_of_what_came__is_ignored),
        cmocka_unit_test(reassembly__fin_right_of_the_window__comes_again),
        cmocka_unit_test(reassembly__text_in_three_pieces__is_put_together),
        cmocka_unit_test(reassembly__pieces_around_a_gap__are_put_together),
        cmocka_unit_test(reassembly__checksum__is_verified_unless_it_is_known),
        cmocka_unit_test(reassembly__super_segment__is_taken_whole_and_acknowledged_at_once),
        cmocka_unit_test(reassembly__super_segment_over_the_edge__is_trimmed),
        cmocka_unit_test(reassembly__bare_ack_behind_a_fin_that_waits__is_no_data_beyond_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
