/* test_breaks.c - the rules that a lesson can break: with the switch on, the one rule is gone and what it
 * prevents happens; that the rules hold otherwise, the other files show. */
#include "sending.h"

#define BREAKS(name)                                                                                         \
    static void break_##name(struct rill_config *config, struct tcp_opts *opts)                              \
    {                                                                                                        \
        (void)opts;                                                                                          \
        config->broken = 1u << RILL_BREAK_##name;                                                            \
    }
BREAKS(NO_BACKOFF)
BREAKS(IGNORE_RWND)
BREAKS(NO_FAST_RETRANSMIT)
BREAKS(NO_DELAYED_ACK)
BREAKS(NO_SWS)

static void break__no_backoff__timeouts_come_at_one_interval(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.edit = break_NO_BACKOFF});
    (void)state;
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    for (int i = 0; i < 4; i++)
        out_after(t, RTO, "P. 1:101(100) ack 1");
    rig_end(t);
}

static void break__ignore_rwnd__sends_beyond_the_window(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.edit = break_IGNORE_RWND});
    (void)state;
    in(t, ". 1:1(0) ack 1 win 0");
    app_write(t, PLENTY);
    out_segments(t, 0, 10);
    out_none(t);
    rig_end(t);
}

static void break__no_fast_retransmit__waits_for_the_timer(void **state)
{
    struct rig *t = ten_in_flight(&(struct rig_setup){.edit = break_NO_FAST_RETRANSMIT});
    (void)state;
    for (int i = 0; i < 2; i++) { /* limited transmit still works */
        in(t, ". 1:1(0) ack 1");
        out_segments(t, 10 + (unsigned)i, 1);
    }
    acks_in_vain(t, 0, 5);
    out_after(t, RTO, ". 1:1461(1460) ack 1");
    rig_end(t);
}

static void break__no_delayed_ack__acknowledges_each_segment(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.edit = break_NO_DELAYED_ACK});
    (void)state;
    in(t, "P. 1:11(10) ack 1");
    out(t, ". 1:1(0) ack 11");
    in(t, "P. 11:21(10) ack 1");
    out(t, ". 1:1(0) ack 21");
    app_read(t, 20);
    rig_end(t);
}

static void break__no_sws__a_window_of_one_byte_is_filled(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.peer_opts = "<mss 1460>", .edit = break_NO_SWS});
    (void)state;
    in(t, ". 1:1(0) ack 1 win 0");
    app_write(t, 100);
    in(t, ". 1:1(0) ack 1 win 1");
    out(t, ". 1:2(1) ack 1");
    in(t, ". 1:1(0) ack 2 win 1");
    out(t, ". 2:3(1) ack 1");
    rig_end(t);
}

static void break__words__are_what_people_type(void **state)
{
    (void)state;
    assert_string_equal(rill_break_word(RILL_BREAK_NO_BACKOFF), "no-backoff");
    for (int i = 0; i < RILL_BREAK_COUNT; i++)
        assert_true(strlen(rill_break_text((enum rill_break)i)) >
                    strlen(rill_break_word((enum rill_break)i)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(break__no_backoff__timeouts_come_at_one_interval),
        cmocka_unit_test(break__ignore_rwnd__sends_beyond_the_window),
        cmocka_unit_test(break__no_fast_retransmit__waits_for_the_timer),
        cmocka_unit_test(break__no_delayed_ack__acknowledges_each_segment),
        cmocka_unit_test(break__no_sws__a_window_of_one_byte_is_filled),
        cmocka_unit_test(break__words__are_what_people_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
