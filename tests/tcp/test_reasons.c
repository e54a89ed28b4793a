/* test_reasons.c - the trace says why a segment left, with the right number and time, and why one did not. */
#include "sending.h"

static void reason__syn_ack__tells_the_timer_from_a_syn_that_comes_again(void **state)
{
    struct rig *t = rig_listen(NULL);
    (void)state;
    in(t, "S 0:0(0) win 65535 <mss 1460>");
    out(t, "S. 0:0(0) ack 1 win * <mss 1460>");
    assert_int_equal(t->said.why, RILL_WHY_SYN_ACK);
    out_after(t, 1 * SEC, "S. 0:0(0) ack 1 win * <mss 1460>");
    assert_int_equal(t->said.why, RILL_WHY_RTO);
    assert_int_equal(t->said.why_count, 1);
    assert_int_equal(t->said.why_us, 1 * SEC);
    in(t, "S 0:0(0) win 65535 <mss 1460>");
    out(t, "S. 0:0(0) ack 1 win * <mss 1460>");
    assert_int_equal(t->said.why, RILL_WHY_SYN_ACK);
    out_after(t, 2 * SEC, "S. 0:0(0) ack 1 win * <mss 1460>");
    assert_int_equal(t->said.why_count, 2);
    assert_int_equal(t->said.why_us, 2 * SEC);
    assert_int_equal(rill_counter(t->e, RILL_RTO_FIRED), 2);
    rig_end(t);
}

static void reason__rto__names_the_timeout_that_expired(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    assert_int_equal(t->said.why, RILL_WHY_DATA);
    for (unsigned int k = 1; k <= 3; k++) {
        out_after(t, RTO << (k - 1), "P. 1:101(100) ack 1");
        assert_int_equal(t->said.why, RILL_WHY_RTO);
        assert_int_equal(t->said.why_count, k);
        assert_int_equal(t->said.why_us, RTO << (k - 1));
    }
    rig_end(t);
}

/* RFC 6582 3.2 step 2: the ACK does not cover more than recover, and that is said. */
static void reason__no_fast_retransmit_after_a_timeout__is_told(void **state)
{
    struct rig *t = ten_in_flight(NULL);
    (void)state;
    out_segment_at(t, RTO, 0);
    acks_in_vain(t, 0, 2);
    assert_int_equal(rill_counter(t->e, RILL_FAST_RETRANSMIT_HELD), 0);
    acks_in_vain(t, 0, 3);
    assert_int_equal(rill_counter(t->e, RILL_FAST_RETRANSMIT_HELD), 1);
    assert_int_equal(rill_counter(t->e, RILL_FAST_RETRANSMIT), 0);
    rig_end(t);
}

static void reason__passive_open__is_listen_to_syn_received_at_the_syn(void **state)
{
    struct rig *t = rig_listen(NULL);
    (void)state;
    in(t, "S 0:0(0) win 65535 <mss 1460>");
    fflush(t->log_to);
    assert_non_null(strstr(t->log, "LISTEN -> SYN-RECEIVED"));
    out(t, "S. 0:0(0) ack 1 win * <mss 1460>");
    in(t, ". 1:1(0) ack 1");
    fflush(t->log_to);
    assert_null(strstr(t->log, "CLOSED -> SYN-RECEIVED"));
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reason__syn_ack__tells_the_timer_from_a_syn_that_comes_again),
        cmocka_unit_test(reason__rto__names_the_timeout_that_expired),
        cmocka_unit_test(reason__no_fast_retransmit_after_a_timeout__is_told),
        cmocka_unit_test(reason__passive_open__is_listen_to_syn_received_at_the_syn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
