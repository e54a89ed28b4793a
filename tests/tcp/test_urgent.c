/* test_urgent.c - the urgent pointer.  RFC 9293 3.8.5, 3.10.7.4 sixth; RFC 6093.
 *
 * It names the octet after the urgent data, which stays in the stream (RFC 6093 3.1, 3.2).  It is a mark and
 * nothing more: no value of it may disturb the stream (URGENT/11, CVE-2019-12255 and its kin). */
#include "flow.h"
#include "rig.h"

/* How much urgent data has not been read, MUST-33: 0 if there is none. */
static int64_t remaining(const struct rig *t)
{
    const struct tcb *c = t->peer[0].c;
    return c->rcv.up > c->rcv.read ? (int64_t)(c->rcv.up - c->rcv.read) : 0;
}

/* MUST-32: whether the application was told since it was asked last. */
static bool told(struct rig *t)
{
    bool yes = t->peer[0].c->urgent_event;
    t->peer[0].c->urgent_event = false;
    return yes;
}

/* ---- Received: MUST-30 to MUST-33 ---------------------------------------------------------------------- */

/* MUST-31: any pointer, with any initial number, text in order. */
static void urgent__any_pointer__leaves_the_stream_alone(void **state)
{
    const uint32_t isns[] = {0xffffff00, 0xffffffff, 0xfffffff0, 0xffff8000, 0x7fffffff, 1};
    const uint32_t len = 20;
    const uint32_t ups[] = {0, 1, len - 1, len, len + 1, 1000, 32768, 65535};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(isns); i++) {
        for (size_t k = 0; k < COUNT_OF(ups); k++) {
            struct rig *t = rig_established(&(struct rig_setup){.peer_isn = isns[i]});
            in(t, "UP. 1:%u(%u) ack 1 urg %u", 1 + len, len, ups[k]);
            /* Not in advance of what was consumed, if it points to the first byte. */
            assert_int_equal(remaining(t), ups[k]);
            assert_int_equal(told(t), ups[k] > 0);
            expect_readable(t, len);
            app_read(t, len);
            assert_int_equal(remaining(t), ups[k] > len ? ups[k] - len : 0);
            in(t, "P. %u:%u(1000) ack 1", 1 + len, 1001 + len);
            app_read(t, 1000);
            flow_swallow(t);
            let_pass(t, 100 * MS);
            in(t, "F. %u:%u(0) ack 1", 1001 + len, 1001 + len);
            out(t, ". 1:1(0) ack %u", 1002 + len);
            expect_eof(t, true);
            rig_end(t);
        }
    }
}

/* The same before its text has come, with none, and with a FIN: R13. */
static void urgent__any_pointer_anywhere__leaves_the_stream_alone(void **state)
{
    const uint32_t ups[] = {0, 1, 9, 10, 11, 65535};
    const char *const lines[] = {"U. 11:21(10) ack 1 urg %u", "U. 1:1(0) ack 1 urg %u",
                                 "UF. 11:21(10) ack 1 urg %u", "U. 65535:65535(0) ack 1 urg %u",
                                 "U. 65530:65540(10) ack 1 urg %u"};
    const int64_t from[] = {10, 0, 10, 65534, 65529};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        for (size_t k = 0; k < COUNT_OF(ups); k++) {
            struct rig *t = rig_established(NULL);
            char line[80];
            const char *at = strstr(lines[i], "%u");
            snprintf(line, sizeof line, "%.*s%u", (int)(at - lines[i]), lines[i], ups[k]);
            in(t, "%s", line);
            flow_swallow(t);
            assert_int_equal(remaining(t), from[i] + ups[k]);
            flow_in(t, 1, 20, 10);
            app_read(t, 20);
            expect_eof(t, i == 2);
            rig_discard(t);
        }
    }
}

/* MUST-32: "whenever it receives an urgent pointer and there was previously no pending urgent data, or
 * whenever the urgent pointer advances": RCV.UP <- max(RCV.UP, SEG.UP). */
static void urgent__pointer__tells_once_for_each_advance(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    assert_false(told(t));
    in(t, "U. 1:11(10) ack 1 urg 10");
    assert_true(told(t));
    assert_int_equal(remaining(t), 10);
    in(t, "U. 11:21(10) ack 1 urg 0"); /* the same position */
    assert_false(told(t));
    in(t, "U. 21:31(10) ack 1 urg 15"); /* further */
    assert_true(told(t));
    assert_int_equal(remaining(t), 35);
    in(t, "U. 31:41(10) ack 1 urg 3"); /* back: "cannot recede" */
    assert_false(told(t));
    assert_int_equal(remaining(t), 35);
    in(t, ". 41:51(10) ack 1"); /* no URG: "no urgent data outstanding"; what is known stays */
    assert_false(told(t));
    assert_int_equal(remaining(t), 35);
    app_read(t, 34);
    assert_int_equal(remaining(t), 1);
    app_read(t, 1);
    assert_int_equal(remaining(t), 0);
    in(t, "U. 51:61(10) ack 1 urg 1"); /* none was pending: again */
    assert_true(told(t));
    assert_int_equal(remaining(t), 52 - 36);
    let_pass(t, 100 * MS);
    rig_end(t);
}

/* "If the urgent pointer (RCV.UP) is in advance of the data consumed": else there is nothing to tell. */
static void urgent__pointer_to_what_was_read__tells_nothing(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, ". 1:101(100) ack 1");
    app_read(t, 100);
    out_after(t, 40 * MS, ". 1:1(0) ack 101");
    in(t, "U. 101:101(0) ack 1 urg 0"); /* the octet after what was read is where the pointer is */
    assert_false(told(t));
    in(t, "U. 51:111(60) ack 1 urg 50"); /* partly old: the pointer counts from the segment's own number */
    assert_false(told(t));
    in(t, "U. 101:121(20) ack 1 urg 1");
    assert_true(told(t));
    assert_int_equal(remaining(t), 1);
    let_pass(t, 100 * MS);
    rig_end(t);
}

/* Its step comes after the others: an unacceptable segment has no say. */
static void urgent__pointer_of_an_unacceptable_segment__does_not_count(void **state)
{
    const char *const lines[] = {"U. -20:-10(10) ack 1 urg 1000", "U. 65536:65546(10) ack 1 urg 10",
                                 "U. 1:11(10) ack 2 urg 10", "U 1:11(10) urg 10",
                                 "U. 1:11(10) ack -1000000 urg 10"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct rig *t = rig_established(NULL);
        in(t, "%s", lines[i]);
        flow_swallow(t);
        assert_false(told(t));
        assert_int_equal(remaining(t), 0);
        rig_end(t);
    }
}

/* RFC 9293 3.10.7.4: "this should not occur since a FIN has been received from the remote side.  Ignore the
 * URG." */
static void urgent__after_the_peers_fin__is_ignored(void **state)
{
    struct rig *(*const make[])(const struct rig_setup *) = {rig_close_wait, rig_closing, rig_last_ack,
                                                             rig_time_wait};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(make); i++) {
        struct rig *t = make[i](NULL);
        in(t, "U. 2:2(0) ack 1 urg 100");
        flow_swallow(t);
        assert_false(told(t));
        assert_int_equal(t->peer[0].c->rcv.up, 0);
        rig_discard(t);
    }
}

/* RFC 9293 3.10.7.3: with the SYN,ACK "processing continues at the sixth step". */
static void urgent__with_the_syn_ack__counts(void **state)
{
    struct rig *t = rig_syn_sent(NULL);
    (void)state;
    in(t, "SU. 0:10(10) ack 1 urg 5"); /* from the SYN's number on: 4 bytes of text */
    out(t, ". 1:1(0) ack 11");
    assert_true(told(t));
    assert_int_equal(remaining(t), 4);
    app_read(t, 10);
    rig_end(t);
}

/* ---- Sent: MUST-62 ------------------------------------------------------------------------------------- */

/* Writes with MSG_OOB: the last byte is the urgent one (RFC 6093 3.1).  Output follows as in a send call. */
static void write_urgent(struct rig *t, uint32_t len)
{
    static uint8_t data[200000];
    rig_enter(t);
    for (uint32_t i = 0; i < len; i++)
        data[i] = pattern(1 + t->peer[0].written + i, 0);
    assert_int_equal(tcp_write(t->e, t->peer[0].c, data, len), len);
    tcp_write_urgent(t->peer[0].c);
    t->peer[0].written += len;
    rig_drain(t);
}

/* MUST-62: "the sequence number of the octet following the urgent data", from each segment in front of it. */
static void urgent__pointer_sent__names_the_octet_after_the_data(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    write_urgent(t, 4000);
    out(t, "U. 1:1461(1460) ack 1 urg 4000");
    out(t, "U. 1461:2921(1460) ack 1 urg 2540");
    out(t, "UP. 2921:4001(1080) ack 1 urg 1080");
    app_write(t, 1460); /* behind it */
    out(t, "P. 4001:5461(1460) ack 1");
    out_after(t, 200 * MS, "U. 1:1461(1460) ack 1 urg 4000"); /* and again with what is sent again */
    in(t, ". 1:1(0) ack 5461");
    app_write(t, 10);
    out(t, "P. 5461:5471(10) ack 1");
    rig_end(t);
}

/* The mark can be in the middle of a segment, and moves on with the next urgent byte. */
static void urgent__mark_inside_a_segment__is_where_it_was_set(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.nodelay = true});
    (void)state;
    in(t, ". 1:1(0) ack 1 win 0");
    write_urgent(t, 10);
    app_write(t, 10);
    in(t, ". 1:1(0) ack 1 win 100");
    out(t, "UP. 1:21(20) ack 1 urg 10");
    write_urgent(t, 1);
    out(t, "UP. 21:22(1) ack 1 urg 1");
    rig_end(t);
}

/* MUST-31: "a sequence of urgent data of any length": farther away than the field can say. */
static void urgent__pointer_beyond_64_kib__is_said_as_far_as_possible(void **state)
{
    struct rig *t = rig_established(NULL);
    const int64_t end = 100001;
    int64_t una = 1;
    (void)state;
    write_urgent(t, 100000);
    while (una < end) {
        while (t->queued != 0) {
            const struct datagram *d = take(t);
            int64_t seq = flow_seq(t, d), left = end - seq;
            assert_true((d->flags & RILL_URG) != 0);
            assert_int_equal(d->urg, left < 65535 ? left : 65535);
            una = seq + d->text_len;
        }
        in(t, ". 1:1(0) ack %lld", (long long)una);
    }
    rig_end(t);
}

/* RFC 9293 3.8.5: the URG control flag is carried in all segments while there is urgent data to come, a bare
 * ACK included, so that the receiver knows before its window opens. */
static void urgent__window_closed__is_told_by_acks(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, ". 1:1(0) ack 1 win 0");
    write_urgent(t, 10);
    in(t, ". 1:101(100) ack 1 win 0");
    out_after(t, 40 * MS, "U. 1:1(0) ack 101 urg 10");
    out_after(t, 160 * MS, "U. 1:2(1) ack 101 urg 10"); /* the probe */
    rig_end(t);
}

/* RFC 9293 3.10.2: "the urgent bit if requested in the command must be sent with the data segments sent as a
 * result of this command", thus not with the SYN. */
static void urgent__written_in_syn_sent__leaves_with_the_data(void **state)
{
    struct rig *t = rig_syn_sent(NULL);
    (void)state;
    write_urgent(t, 10);
    out_after(t, 1 * SEC, "S 0:0(0) <*>");
    in(t, "S. 0:0(0) ack 1 <mss 1460>");
    out(t, "UP. 1:11(10) ack 1 urg 10");
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urgent__any_pointer__leaves_the_stream_alone),
        cmocka_unit_test(urgent__any_pointer_anywhere__leaves_the_stream_alone),
        cmocka_unit_test(urgent__pointer__tells_once_for_each_advance),
        cmocka_unit_test(urgent__pointer_to_what_was_read__tells_nothing),
        cmocka_unit_test(urgent__pointer_of_an_unacceptable_segment__does_not_count),
        cmocka_unit_test(urgent__after_the_peers_fin__is_ignored),
        cmocka_unit_test(urgent__with_the_syn_ack__counts),
        cmocka_unit_test(urgent__pointer_sent__names_the_octet_after_the_data),
        cmocka_unit_test(urgent__mark_inside_a_segment__is_where_it_was_set),
        cmocka_unit_test(urgent__pointer_beyond_64_kib__is_said_as_far_as_possible),
        cmocka_unit_test(urgent__window_closed__is_told_by_acks),
        cmocka_unit_test(urgent__written_in_syn_sent__leaves_with_the_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
