/* test_script.c - the rig itself: that each constructor reaches its state, and that what it promises to
 * notice is noticed. */
#include "script.h"

static void rig__every_constructor__reaches_its_state_and_leaves_nothing(void **state)
{
    (void)state;
    rig_end(rig_closed(NULL));
    rig_end(rig_listen(NULL));
    rig_end(rig_syn_sent(NULL));
    rig_end(rig_syn_received(NULL));
    rig_end(rig_syn_crossed(NULL));
    rig_end(rig_established(NULL));
    rig_end(rig_connected(NULL));
    rig_end(rig_fin_wait_1(NULL));
    rig_end(rig_fin_wait_2(NULL));
    rig_end(rig_close_wait(NULL));
    rig_end(rig_closing(NULL));
    rig_end(rig_last_ack(NULL));
    rig_end(rig_time_wait(NULL));
    rig_end(rig_time_wait_record(NULL));
}

/* ---- What must fail ------------------------------------------------------------------------------------ */

static void wrong_flags(struct rig *t) { out(t, "F. 1:101(100) ack 1"); }
static void wrong_seq(struct rig *t) { out(t, "P. 2:102(100) ack 1"); }
static void wrong_len(struct rig *t) { out(t, "P. 1:100(99) ack 1"); }
static void wrong_ack(struct rig *t) { out(t, "P. 1:101(100) ack 2"); }
static void wrong_win(struct rig *t) { out(t, "P. 1:101(100) ack 1 win 1"); }
static void wrong_options(struct rig *t) { out(t, "P. 1:101(100) ack 1 <nop>"); }
static void wrong_peer(struct rig *t) { out(t, "@1 P. 1:101(100) ack 1"); }
static void nothing(struct rig *t) { out_none(t); }
static void something_arrives(struct rig *t) { in(t, ". 1:1(0) ack 1"); }
static void time_passes(struct rig *t) { advance(t, 1); }
static void application_speaks(struct rig *t) { app_write(t, 1); }
static void the_end(struct rig *t) { rig_end(t); }
static void unreadable(struct rig *t)
{
    out(t, "P. 1:101(100) ack 1");
    in(t, "1:1(0) ack 1");
}
static void contradictory(struct rig *t)
{
    out(t, "P. 1:101(100) ack 1");
    in(t, ". 1:2(0) ack 1");
}

static void rig__a_packet_that_the_test_does_not_say__fails(void **state)
{
    void (*const all[])(struct rig *) = {wrong_flags,       wrong_seq,     wrong_len,          wrong_ack,
                                         wrong_win,         wrong_options, wrong_peer,         nothing,
                                         something_arrives, time_passes,   application_speaks, the_end,
                                         unreadable,        contradictory};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct rig *t = rig_established(NULL);
        app_write(t, 100);
        if (!rig_fails(t, all[i]))
            fail_msg("case %zu does not fail", i);
        rig_discard(t);
    }
}

static void too_early(struct rig *t) { out_after(t, 1 * SEC - 1, "S 0:0(0) <*>"); }
static void too_late(struct rig *t) { out_after(t, 1 * SEC + 1, "S 0:0(0) <*>"); }
static void missed(struct rig *t) { advance(t, 2 * SEC); }

static void rig__time__is_exact(void **state)
{
    void (*const all[])(struct rig *) = {too_early, too_late, missed};
    struct rig *t;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        t = rig_syn_sent(NULL);
        if (!rig_fails(t, all[i]))
            fail_msg("case %zu does not fail", i);
        rig_discard(t);
    }
    t = rig_syn_sent(NULL);
    out_after(t, 1 * SEC, "S 0:0(0) <*>"); /* RFC 6298 2.1 */
    out_at(t, 3 * SEC, "S 0:0(0) <*>");
    rig_end(t);
}

static void other_text(struct rig *t) { app_write(t, 10); }
static void other_salt(struct rig *t) { app_read(t, 10); }

static void rig__other_bytes_than_those_written__fail(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    t->peer[0].written = 1; /* so that the pattern is that of position 2 */
    assert_true(rig_fails(t, other_text));
    rig_discard(t);
    t = rig_established(NULL);
    in(t, "P. 1:11(10) ack 1 salt 1");
    assert_true(rig_fails(t, other_salt));
    rig_discard(t);
    t = rig_established(NULL);
    in(t, "P. 1:11(10) ack 1 salt 1");
    app_read_salt(t, 10, 1);
    rig_end(t);
}

/* Bytes taken from a packet on the wire by hand: RFC 9293 3.1, a SYN with an MSS, and its one's complement
 * sums. */
static void datagram__a_known_packet__is_understood_and_each_bit_counts(void **state)
{
    uint8_t data[44] = {0x45, 0,  0,    44, 0,    0,    0x40, 0,    64, 6, 0x26, 0x30, 10,   77,  0,
                        2,    10, 77,   0,  1,    0x9c, 0x40, 0,    7,  1, 2,    3,    4,    0,   0,
                        0,    0,  0x60, 2,  0xff, 0xff, 0xe3, 0x3c, 0,  0, 2,    4,    0x05, 0xb4};
    static struct datagram d;
    (void)state;
    assert_null(datagram_parse(data, sizeof data, &d));
    assert_int_equal(d.src, RIG_OUR_ADDR);
    assert_int_equal(d.dport, 7);
    assert_int_equal(d.seq, 0x01020304);
    assert_int_equal(d.opt_len, 4);
    for (unsigned int bit = 0; bit < 8 * sizeof data; bit++) {
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_non_null(datagram_parse(data, sizeof data, &d));
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rig__a_packet_that_the_test_does_not_say__fails),
        cmocka_unit_test(rig__time__is_exact),
        cmocka_unit_test(rig__other_bytes_than_those_written__fail),
        cmocka_unit_test(datagram__a_known_packet__is_understood_and_each_bit_counts),
        cmocka_unit_test(rig__every_constructor__reaches_its_state_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
