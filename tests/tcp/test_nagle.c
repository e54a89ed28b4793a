/* test_nagle.c - when data is sent: Nagle's algorithm, the sender's side of silly windows, PUSH.  RFC
 * 9293 3.7.4, 3.8.6.2.1, 3.9.1.2. */
#include "flow.h"
#include "rig.h"

/* ---- Nagle: SHLD-7 ------------------------------------------------------------------------------------- */

/* "Buffers all user data ... until the outstanding data has been acknowledged"; SHLD-27: what was held leaves
 * together. */
static void nagle__small_writes_behind_unacknowledged_data__wait_and_leave_as_one(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    app_write(t, 10);
    out(t, "P. 1:11(10) ack 1"); /* nothing is outstanding: no reason to wait */
    app_write(t, 20);
    app_write(t, 30);
    out_none(t);
    advance(t, 150 * MS);
    in(t, ". 1:1(0) ack 11");
    out(t, "P. 11:61(50) ack 1");
    rig_end(t);
}

/* "... or until the TCP endpoint can send a full-sized segment". */
static void nagle__full_segment__does_not_wait(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    app_write(t, 10);
    out(t, "P. 1:11(10) ack 1");
    app_write(t, 1459);
    out_none(t);
    app_write(t, 1);
    out(t, "P. 11:1471(1460) ack 1");
    app_write(t, 3000);
    flow_out(t, 1471, 2920, 1460, false, 1);
    out_none(t);
    in(t, ". 1:1(0) ack 4391");
    out(t, "P. 4391:4471(80) ack 1");
    rig_end(t);
}

/* RFC 9293 A.3: behind full segments the short end of a block leaves at once, so that it waits for no delayed
 * ACK ... */
static void nagle__end_of_a_long_block__does_not_wait(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    app_write(t, 2000);
    out(t, ". 1:1461(1460) ack 1");
    out(t, "P. 1461:2001(540) ack 1");
    app_write(t, 100); /* ... but there is one short segment in flight at most */
    out_none(t);
    in(t, ". 1:1(0) ack 1461");
    out_none(t);
    in(t, ". 1:1(0) ack 2001");
    out(t, "P. 2001:2101(100) ack 1");
    rig_end(t);
}

/* A short segment that is acknowledged in part is still outstanding. */
static void nagle__part_acknowledged__still_waits(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    app_write(t, 10);
    out(t, "P. 1:11(10) ack 1");
    app_write(t, 540);
    in(t, ". 1:1(0) ack 5");
    out_none(t);
    in(t, ". 1:1(0) ack 11");
    out(t, "P. 11:551(540) ack 1");
    rig_end(t);
}

/* MUST-17 */
static void nagle__off__each_write_leaves_at_once(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.nodelay = true});
    (void)state;
    for (int k = 0; k < 5; k++) {
        app_write(t, 1);
        out(t, "P. %d:%d(1) ack 1", k + 1, k + 2);
    }
    app_write(t, 2000);
    out(t, ". 6:1466(1460) ack 1");
    out(t, "P. 1466:2006(540) ack 1");
    rig_end(t);
}

static void write_peer_1(struct rig *t)
{
    uint8_t byte = pattern(1 + t->peer[1].written, 0);
    rig_enter(t);
    t->peer[1].written++;
    assert_int_equal(tcp_write(t->e, t->peer[1].c, &byte, 1), 1);
    rig_drain(t);
}

/* "... on an individual connection": the neighbour's is not touched. */
static void nagle__off_on_one_connection__stays_on_on_another(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, "@1 S 0:0(0) <mss 1460>");
    out(t, "@1 S. 0:0(0) ack 1 <*>");
    in(t, "@1 . 1:1(0) ack 1");
    app_accept(t, 1);
    t->peer[0].c->opt.nodelay = true;
    app_write(t, 1);
    out(t, "P. 1:2(1) ack 1");
    app_write(t, 1);
    out(t, "P. 2:3(1) ack 1");
    write_peer_1(t);
    out(t, "@1 P. 1:2(1) ack 1");
    write_peer_1(t);
    out_none(t);
    in(t, "@1 . 1:1(0) ack 2");
    out(t, "@1 P. 2:3(1) ack 1");
    rig_end(t);
}

/* CLOSE implies PUSH (RFC 9293 3.8) and ends the hope for more.  The algorithm as the RFC has it would wait
 * for the ACK all the same. */
static void nagle__fin__ends_the_waiting(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    app_write(t, 10);
    out(t, "P. 1:11(10) ack 1");
    app_write(t, 20);
    app_shut(t);
    out(t, "FP. 11:31(20) ack 1");
    rig_end(t);
}

/* Urgent data is for a receiver in a hurry. */
static void nagle__urgent_data__does_not_wait(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    app_write(t, 10);
    out(t, "P. 1:11(10) ack 1");
    app_write(t, 20);
    out_none(t);
    tcp_write_urgent(t->peer[0].c);
    app_write(t, 5);
    out(t, "UP. 11:36(25) ack 1 urg 20");
    rig_end(t);
}

/* MUST-60: nothing is held for ever.  If the ACK that Nagle waits for is lost, the timer brings the rest
 * along. */
static void nagle__ack_never_comes__the_retransmission_takes_the_rest_along(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    app_write(t, 10);
    out(t, "P. 1:11(10) ack 1");
    app_write(t, 20);
    out_after(t, 200 * MS, "P. 1:31(30) ack 1");
    rig_end(t);
}

/* ---- PUSH: MUST-60, MUST-61, SHLD-27, SHLD-28 ---------------------------------------------------------- */

/* MUST-61: "the last buffered segment (i.e., when there is no more queued data to be sent)". */
static void push__last_queued_byte__has_it_and_no_other(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    app_write(t, 1460 * 3);
    flow_out(t, 1, 1460 * 3, 1460, true, 1);
    in(t, ". 1:1(0) ack 4381");
    app_write(t, 1461);
    out(t, ". 4381:5841(1460) ack 1");
    out(t, "P. 5841:5842(1) ack 1");
    rig_end(t);
}

/* Sent again it has it still, unless more was written behind it. */
static void push__retransmission__has_it_if_it_is_still_the_last(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    app_write(t, 1460);
    out(t, "P. 1:1461(1460) ack 1");
    out_after(t, 200 * MS, "P. 1:1461(1460) ack 1");
    app_write(t, 1000);
    out_none(t);
    out_after(t, 400 * MS, ". 1:1461(1460) ack 1");
    flow_swallow(t);
    rig_end(t);
}

/* SHLD-28: "send a maximum-sized segment whenever possible"; SHLD-27: boundaries of writes do not matter. */
static void push__many_small_writes__become_full_segments(void **state)
{
    struct rig *t = rig_established(NULL);
    uint32_t written = 1;
    (void)state;
    app_write(t, 1);
    out(t, "P. 1:2(1) ack 1");
    while (written < 1 + 1459) {
        app_write(t, 7 + written % 5 < 1460 - written ? 7 + written % 5 : 1460 - written);
        written = (uint32_t)t->peer[0].written;
    }
    out_none(t);
    in(t, ". 1:1(0) ack 2");
    out(t, "P. 2:1461(1459) ack 1");
    rig_end(t);
}

/* A whole send buffer leaves in full segments, whatever the peer acknowledges. */
static void push__bulk__is_full_segments_but_the_last(void **state)
{
    struct rig *t = rig_established(NULL);
    const uint32_t len = 200000;
    int64_t nxt = 1, una = 1;
    (void)state;
    app_write(t, len);
    while (una < 1 + (int64_t)len) {
        while (t->queued != 0) {
            const struct datagram *d = take(t);
            bool last = nxt + d->text_len == 1 + len;
            assert_int_equal(flow_seq(t, d), nxt);
            assert_true(d->text_len == 1460 || last);
            assert_int_equal((d->flags & RILL_PSH) != 0, last);
            nxt += d->text_len;
        }
        una += una + 1000 < nxt ? 1000 : nxt - una; /* not at the borders of segments */
        in(t, ". 1:1(0) ack %lld", (long long)una);
    }
    assert_int_equal(nxt, 1 + len);
    rig_end(t);
}

/* ---- Silly windows: MUST-38 ---------------------------------------------------------------------------- */

/* The override timeout "should be in the range 0.1 - 1.0 seconds". */
static void out_by_override(struct rig *t, const char *line)
{
    advance(t, 100 * MS - 1);
    for (int ms = 99; ms < 1000 && t->queued == 0; ms++) {
        t->now_us += 1 * MS;
        rill_advance(t->e, t->now_us);
        rig_drain(t);
    }
    out(t, "%s", line);
}

/* A peer whose window was 65535 and has this much room now, with 10000 bytes to be sent and none in flight.
 */
static struct rig *small_window(uint32_t win, bool nodelay)
{
    struct rig *t = rig_established(&(struct rig_setup){.peer_opts = "<mss 1460>", .nodelay = nodelay});
    in(t, ". 1:1(0) ack 1 win %u", win);
    app_write(t, 10000);
    return t;
}

/* Rule (1): a window that opens by a byte at a time makes no tiny segments. */
static void silly_window__opened_byte_by_byte__waits_for_a_full_segment(void **state)
{
    (void)state;
    for (int nodelay = 0; nodelay < 2; nodelay++) {
        struct rig *t = small_window(1, nodelay != 0);
        for (int win = 2; win < 1460; win++)
            in(t, ". 1:1(0) ack 1 win %d", win);
        out_none(t);
        in(t, ". 1:1(0) ack 1 win 1460");
        out(t, ". 1:1461(1460) ack 1");
        for (int win = 0; win < 1460; win++) /* the edge moves right from 1461 */
            in(t, ". 1:1(0) ack 1461 win %d", win);
        out_none(t);
        rig_end(t);
    }
}

/* And with data in flight, when the rest of the window is small. */
static void silly_window__rest_of_a_large_one__is_not_used(void **state)
{
    (void)state;
    for (int nodelay = 0; nodelay < 2; nodelay++) {
        struct rig *t = small_window(3000, nodelay != 0);
        flow_out(t, 1, 2920, 1460, false, 1);
        out_none(t);
        in(t, ". 1:1(0) ack 1461 win 1540");
        out_none(t);
        in(t, ". 1:1(0) ack 1461 win 2920");
        out(t, ". 2921:4381(1460) ack 1");
        rig_end(t);
    }
}

/* Rule (2): all that is queued fits. */
static void silly_window__all_that_is_queued_fits__leaves(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.peer_opts = "<mss 1460>"});
    (void)state;
    in(t, ". 1:1(0) ack 1 win 100");
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    in(t, ". 1:1(0) ack 101 win 100");
    app_write(t, 101);
    out_none(t); /* one too many */
    in(t, ". 1:1(0) ack 101 win 101");
    out(t, "P. 101:202(101) ack 1");
    rig_end(t);
}

/* Rule (2)'s bracket is Nagle's. */
static void silly_window__all_that_is_queued_fits__leaves_behind_others_without_nagle_only(void **state)
{
    (void)state;
    for (int nodelay = 0; nodelay < 2; nodelay++) {
        struct rig *t =
            rig_established(&(struct rig_setup){.peer_opts = "<mss 1460>", .nodelay = nodelay != 0});
        in(t, ". 1:1(0) ack 1 win 2010");
        app_write(t, 10);
        out(t, "P. 1:11(10) ack 1");
        app_write(t, 2000);
        out(t, ". 11:1471(1460) ack 1");
        if (nodelay != 0)
            out(t, "P. 1471:2011(540) ack 1");
        out_none(t);
        rig_end(t);
    }
}

/* Rule (3), with Fs 1/2, for a peer whose whole buffer is smaller than a segment. */
static void silly_window__half_of_the_largest_window__is_enough(void **state)
{
    (void)state;
    for (int nodelay = 0; nodelay < 2; nodelay++) {
        struct rig *t = rig_established(
            &(struct rig_setup){.peer_opts = "<mss 1460>", .peer_win = 1000, .nodelay = nodelay != 0});
        app_write(t, 10000);
        out(t, ". 1:1001(1000) ack 1");
        in(t, ". 1:1(0) ack 1001 win 499");
        out_none(t);
        in(t, ". 1:1(0) ack 1001 win 500");
        out(t, ". 1001:1501(500) ack 1");
        in(t, ". 1:1(0) ack 1001 win 1000"); /* 500 more; data is outstanding: the bracket of rule (3) */
        if (nodelay != 0)
            out(t, ". 1501:2001(500) ack 1");
        out_none(t);
        rig_end(t);
    }
}

/* Rule (4): a peer that has made its buffer smaller for good is served all the same. */
static void silly_window__that_stays_small__is_used_after_the_override(void **state)
{
    struct rig *t = small_window(700, false);
    (void)state;
    for (int k = 0; k < 5; k++) {
        char line[64];
        snprintf(line, sizeof line, ". %d:%d(700) ack 1", 1 + 700 * k, 701 + 700 * k);
        out_by_override(t, line);
        if (k == 4) /* lost: the override is no timeout, so that the timer is not doubled */
            out_after(t, 200 * MS, "%s", line);
        expect_counted(t, RILL_PROBE_SENT, 0);
        in(t, ". 1:1(0) ack %d win 700", 701 + 700 * k);
        out_none(t);
    }
    rig_end(t);
}

/* And so it is when the path is slow: a retransmission timeout of 3 s is not waited for. */
static void silly_window__on_a_slow_path__waits_a_second_at_most(void **state)
{
    struct rig *t = rig_syn_received(&(struct rig_setup){.peer_opts = "<mss 1460>"});
    (void)state;
    advance(t, 999 * MS);
    in(t, ". 1:1(0) ack 1");
    app_accept(t, 0);
    in(t, ". 1:1(0) ack 1 win 700");
    assert_true(rtt_rto_us(&t->peer[0].c->rtt, t->config.rto_max_us) > 2 * SEC);
    app_write(t, 10000);
    out_by_override(t, ". 1:701(700) ack 1");
    rig_end(t);
}

/* What keeps opening a little does not put the timer off. */
static void silly_window__opened_slowly__does_not_put_the_override_off(void **state)
{
    struct rig *t = small_window(1, false);
    int win = 1;
    (void)state;
    while (t->queued == 0 && win < 100) {
        in(t, ". 1:1(0) ack 1 win %d", ++win);
        t->now_us += 10 * MS;
        rill_advance(t->e, t->now_us);
        rig_drain(t);
    }
    assert_in_range(win, 10, 100);
    out(t, ". 1:%d(%d) ack 1", win + 1, win);
    rig_end(t);
}

/* Data is outstanding and the rest waits for window: its ACK wakes us, or its timer. */
static void silly_window__with_data_in_flight__waits_for_its_ack(void **state)
{
    struct rig *t = small_window(2000, false);
    (void)state;
    out(t, ". 1:1461(1460) ack 1");
    advance(t, 150 * MS);
    in(t, ". 1:1(0) ack 1461 win 540");
    out_none(t);
    out_by_override(t, ". 1461:2001(540) ack 1");
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nagle__small_writes_behind_unacknowledged_data__wait_and_leave_as_one),
        cmocka_unit_test(nagle__full_segment__does_not_wait),
        cmocka_unit_test(nagle__end_of_a_long_block__does_not_wait),
        cmocka_unit_test(nagle__part_acknowledged__still_waits),
        cmocka_unit_test(nagle__off__each_write_leaves_at_once),
        cmocka_unit_test(nagle__off_on_one_connection__stays_on_on_another),
        cmocka_unit_test(nagle__fin__ends_the_waiting),
        cmocka_unit_test(nagle__urgent_data__does_not_wait),
        cmocka_unit_test(nagle__ack_never_comes__the_retransmission_takes_the_rest_along),
        cmocka_unit_test(push__last_queued_byte__has_it_and_no_other),
        cmocka_unit_test(push__retransmission__has_it_if_it_is_still_the_last),
        cmocka_unit_test(push__many_small_writes__become_full_segments),
        cmocka_unit_test(push__bulk__is_full_segments_but_the_last),
        cmocka_unit_test(silly_window__opened_byte_by_byte__waits_for_a_full_segment),
        cmocka_unit_test(silly_window__rest_of_a_large_one__is_not_used),
        cmocka_unit_test(silly_window__all_that_is_queued_fits__leaves),
        cmocka_unit_test(silly_window__all_that_is_queued_fits__leaves_behind_others_without_nagle_only),
        cmocka_unit_test(silly_window__half_of_the_largest_window__is_enough),
        cmocka_unit_test(silly_window__that_stays_small__is_used_after_the_override),
        cmocka_unit_test(silly_window__on_a_slow_path__waits_a_second_at_most),
        cmocka_unit_test(silly_window__opened_slowly__does_not_put_the_override_off),
        cmocka_unit_test(silly_window__with_data_in_flight__waits_for_its_ack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
