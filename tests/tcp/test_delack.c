/* test_delack.c - when an acknowledgement is sent.  RFC 9293 3.8.6.3, 3.10.7.4; RFC 5681 4.2.
 *
 * What may wait does so for 40 ms by default (MUST-40: less than 500). */
#include "flow.h"
#include "prng.h"
#include "rig.h"

#define DELAY (40 * MS)

/* ---- What may wait: SHLD-18 ---------------------------------------------------------------------------- */

static void delack__one_segment__is_acknowledged_after_the_delay(void **state)
{
    const uint32_t len[] = {1, 100, 1460};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(len); i++) {
        struct rig *t = rig_established(NULL);
        in(t, "P. 1:%u(%u) ack 1", 1 + len[i], len[i]);
        out_after(t, DELAY, ". 1:1(0) ack %u", 1 + len[i]);
        expect_counted(t, RILL_DELAYED_ACK, 1);
        advance(t, 10 * SEC);
        rig_end(t);
    }
}

static void delay_499_ms(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->delack_us = 499 * MS;
}

static void delay_500_ms(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->delack_us = 500 * MS;
}

/* MUST-40: "the delay MUST be less than 0.5 seconds": of the first segment that is not acknowledged. */
static void delack__delay__counts_from_the_first_segment(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.edit = delay_499_ms});
    struct rill_config config = t->config;
    (void)state;
    in(t, ". 1:11(10) ack 1");
    for (int k = 1; k < 5; k++) {
        advance(t, 100 * MS);
        in(t, ". %d:%d(10) ack 1", 1 + 10 * k, 11 + 10 * k);
    }
    out_at(t, 499 * MS, ". 1:1(0) ack 51");
    advance(t, 10 * SEC);
    delay_500_ms(&config, NULL);
    assert_null(rill_engine_new(&config, 0)); /* nobody can ask for more */
    rig_end(t);
}

/* The ACK rides on data, and then there is none of its own. */
static void delack__data_to_send__carries_it(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, "P. 1:101(100) ack 1");
    advance(t, 10 * MS);
    app_read(t, 100);
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 101");
    in(t, ". 101:101(0) ack 101");
    advance(t, 10 * SEC);
    expect_counted(t, RILL_DELAYED_ACK, 0);
    rig_end(t);
}

/* Nothing is owed for a segment that carries nothing. */
static void delack__pure_ack__is_never_answered(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    app_write(t, 1000);
    out(t, "P. 1:1001(1000) ack 1");
    in(t, ". 1:1(0) ack 500");
    in(t, ". 1:1(0) ack 500 win 100");
    in(t, ". 1:1(0) ack 1001");
    in(t, ". 1:1(0) ack 1");
    in(t, ". 1000:1000(0) ack 1001"); /* anywhere in the window */
    advance(t, 10 * SEC);
    rig_end(t);
}

/* ---- What may not -------------------------------------------------------------------------------------- */

/* SHLD-19: "at least every second full-sized segment". */
static void delack__second_full_segment__is_acknowledged_at_once(void **state)
{
    const uint32_t mss[] = {536, 1000, 1460};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(mss); i++) {
        struct rig *t = rig_established(NULL);
        uint32_t at = 1;
        for (int k = 0; k < 10; k++) {
            in(t, ". %u:%u(%u) ack 1", at, at + mss[i], mss[i]);
            out_none(t);
            at += mss[i];
            in(t, ". %u:%u(%u) ack 1", at, at + mss[i], mss[i]);
            at += mss[i];
            out(t, ". 1:1(0) ack %u", at);
        }
        advance(t, 10 * SEC);
        rig_end(t);
    }
}

/* SHLD-19: "or 2*RMSS bytes of new data (where RMSS is the MSS specified by the TCP endpoint receiving the
 * segments)", in however small segments they come; here it is 1460. */
static void delack__two_mss_of_small_segments__are_acknowledged_at_once(void **state)
{
    const uint32_t len[] = {1, 17, 100, 535, 537, 1459};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(len); i++) {
        struct rig *t = rig_established(NULL);
        int64_t at = 1, acked = 1;
        while (at < 20000) {
            in(t, ". %lld:%lld(%u) ack 1", (long long)at, (long long)at + len[i], len[i]);
            at += len[i];
            if (t->queued != 0) {
                acked = flow_ack(t, take(t));
                assert_int_equal(acked, at);
            }
            assert_true(at - acked < 2920);
        }
        rig_end(t);
    }
}

static void with_quick_acks(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->features |= 1u << RILL_FEATURE_QUICKACK;
}

/* "The requirement ... ACK at least every second" allows more (RFC 5681 4.2); as Linux, sixteen. */
static void delack__quick__the_first_sixteen_full_segments_and_after_a_gap_get_one_each(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.edit = with_quick_acks});
    int64_t at = 1;
    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 16; i++, at += 1460) {
            in(t, ". %lld:%lld(1460) ack 1", (long long)at, (long long)at + 1460);
            out(t, ". 1:1(0) ack %lld", (long long)at + 1460);
            app_read(t, 1460);
        }
        in(t, ". %lld:%lld(1460) ack 1", (long long)at, (long long)at + 1460);
        out_none(t); /* the seventeenth waits for the eighteenth */
        in(t, ". %lld:%lld(1460) ack 1", (long long)at + 1460, (long long)at + 2920);
        out(t, ". 1:1(0) ack %lld", (long long)at + 2920);
        app_read(t, 2920);
        at += 2920;
        in(t, ". %lld:%lld(1460) ack 1", (long long)at + 1460, (long long)at + 2920);
        out(t, ". 1:1(0) ack %lld", (long long)at);
        in(t, ". %lld:%lld(1460) ack 1", (long long)at, (long long)at + 1460);
        out(t, ". 1:1(0) ack %lld", (long long)at + 2920);
        app_read(t, 2920);
        at += 2920;
    }
    in(t, ". %lld:%lld(100) ack 1", (long long)at, (long long)at + 100);
    out_none(t); /* no full segment */
    rig_end(t);
}

static void every_fourth(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->ack_every = 4;
}

/* DEVIATES: SHLD-19, if it is asked for. */
static void delack__configured_for_each_fourth__waits_for_it(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.edit = every_fourth});
    (void)state;
    for (int k = 0; k < 3; k++)
        in(t, ". %d:%d(1460) ack 1", 1 + 1460 * k, 1461 + 1460 * k);
    out_none(t);
    in(t, ". 4381:5841(1460) ack 1");
    out(t, ". 1:1(0) ack 5841");
    in(t, ". 5841:7301(1460) ack 1");
    out_after(t, DELAY, ". 1:1(0) ack 7301");
    rig_end(t);
}

/* RFC 5681 4.2: "SHOULD send an immediate duplicate ACK when an out-of-order segment arrives": one for each,
 * and none of them is kept back. */
static void delack__out_of_order__gets_a_duplicate_ack_each(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    for (int k = 1; k <= 5; k++) {
        in(t, ". %d:%d(10) ack 1", 1 + 10 * k, 11 + 10 * k);
        out(t, ". 1:1(0) ack 1 win 65535"); /* the window is the same, else it would be no duplicate */
        out_none(t);
    }
    rig_end(t);
}

/* "... an immediate ACK when the incoming segment fills in all or part of a gap." */
static void delack__gap_filled_in_parts__each_part_is_told_at_once(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, ". 31:41(10) ack 1");
    out(t, ". 1:1(0) ack 1");
    in(t, ". 51:61(10) ack 1");
    out(t, ". 1:1(0) ack 1");
    in(t, ". 1:11(10) ack 1"); /* at the beginning of it */
    out(t, ". 1:1(0) ack 11");
    in(t, ". 21:31(10) ack 1"); /* at its end */
    out(t, ". 1:1(0) ack 11");
    in(t, ". 11:21(10) ack 1"); /* all that remained */
    out(t, ". 1:1(0) ack 41");
    in(t, ". 41:51(10) ack 1"); /* and the other one */
    out(t, ". 1:1(0) ack 61");
    in(t, ". 61:71(10) ack 1"); /* from here on it may wait again */
    out_after(t, DELAY, ". 1:1(0) ack 71");
    rig_end(t);
}

/* RFC 9293 3.10.7.4 first: what is a duplicate as a whole is acknowledged; the peer may have missed it. */
static void delack__duplicate__is_acknowledged_each_time(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, ". 1:101(100) ack 1");
    out_after(t, DELAY, ". 1:1(0) ack 101");
    for (int k = 0; k < 3; k++) {
        in(t, ". 1:101(100) ack 1");
        out(t, ". 1:1(0) ack 101");
        in(t, ". 51:101(50) ack 1");
        out(t, ". 1:1(0) ack 101");
    }
    in(t, ". 51:151(100) ack 1"); /* something new in it */
    out_after(t, DELAY, ". 1:1(0) ack 151");
    advance(t, 10 * SEC);
    rig_end(t);
}

/* ---- Several packets before the output is drained: MUST-58, MUST-59 ------------------------------------ */

/* "A TCP implementation MUST process all queued segments before sending any ACKs" - as many as are there. */
static void delack__batch_in_order__makes_one_ack(void **state)
{
    (void)state;
    for (int n = 1; n <= 40; n++) {
        struct rig *t = rig_established(NULL);
        for (int k = 0; k < n; k++) {
            in_batch(t, ". %d:%d(1460) ack 1", 1 + 1460 * k, 1461 + 1460 * k);
            out_none(t); /* it did not ask to be drained */
        }
        rig_drain(t);
        if (n >= 2)
            out(t, ". 1:1(0) ack %d", 1 + 1460 * n);
        out_none(t);
        rig_end(t);
    }
}

/* But each out-of-order segment has its own duplicate ACK, which is what the peer counts (RFC 5681 3.2); what
 * leaves in between tells of all that came before it. */
static void delack__batch_with_a_gap__is_drained_where_it_must(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in_batch(t, ". 1:1461(1460) ack 1");
    in_batch(t, ". 1461:2921(1460) ack 1");
    out_none(t);
    in_batch(t, ". 4381:5841(1460) ack 1");
    out(t, ". 1:1(0) ack 2921");
    in_batch(t, ". 5841:7301(1460) ack 1");
    out(t, ". 1:1(0) ack 2921");
    in_batch(t, ". 2921:4381(1460) ack 1");
    out(t, ". 1:1(0) ack 7301");
    in_batch(t, ". 7301:8761(1460) ack 1");
    in_batch(t, ". 8761:10221(1460) ack 1");
    in_batch(t, "F. 10221:10221(0) ack 1");
    out_none(t);
    rig_drain(t);
    out(t, ". 1:1(0) ack 10222");
    rig_end(t);
}

/* The same for all that must be answered one by one; and not for what must not. */
static void delack__input__asks_to_be_drained_only_when_it_must(void **state)
{
    const struct {
        const char *line;
        bool drain;
    } cases[] = {
        {". 1:101(100) ack 1", false},
        {"P. 1:1461(1460) ack 1", false},
        {"F. 1:1(0) ack 1", false},
        {". 1:1(0) ack 1", false},
        {". 101:201(100) ack 1", true},
        {". -99:1(100) ack 1", true},
        {". 65536:65636(100) ack 1", true},
        {"S 1:1(0)", true},
        {"R 2:2(0)", true},
        {". 1:1(0) ack 2", true},
        {"R 70000:70000(0)", false},
        {"- 1:1(0)", false},
        {"@1 . 1:1(0) ack 1", true},
        {"@1 S 0:0(0)", false},
        {". 100000:100000(0) ack 1", true},
        {"R 1:1(0)", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct rig *t = rig_established(NULL);
        in_batch(t, "%s", cases[i].line);
        if ((t->queued != 0) != cases[i].drain)
            rig_fail(t, "%s: drained %d", cases[i].line, t->queued != 0);
        flow_swallow(t);
        rig_drain(t);
        flow_swallow(t);
        rig_end(t);
    }
}

/* RFC 5681 4.2: "MUST NOT generate more than one ACK for every incoming segment, other than to update the
 * offered window": any mixture of segments, and an application that does not read. */
static void delack__any_segment__gets_one_ack_at_most(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct rig *t = rig_established(NULL);
        struct prng prng = prng_seed(seed);
        uint32_t acks = 0, segments = 0;
        for (int k = 0; k < 150; k++) {
            int64_t from = 1 + (int64_t)prng_below(&prng, 4000);
            uint32_t len = (uint32_t)prng_below(&prng, prng_chance(&prng, 50) ? 1460 : 20);
            bool fin = from + len >= 4000;
            if (fin)
                len = (uint32_t)(from <= 4000 ? 4000 - from : 0);
            in(t, "%s %lld:%lld(%u) ack 1", fin && from <= 4000 ? "F." : ".", (long long)from,
               (long long)from + len, len);
            segments++;
            if (t->queued > 1)
                rig_fail(t, "%u answers to one segment", t->queued);
            acks += flow_swallow(t);
            if (prng_chance(&prng, 20))
                t->now_us += 50 * MS;
            rill_advance(t->e, t->now_us);
            rig_drain(t);
            acks += flow_swallow(t);
            assert_true(acks <= segments);
        }
        rig_end(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delack__one_segment__is_acknowledged_after_the_delay),
        cmocka_unit_test(delack__delay__counts_from_the_first_segment),
        cmocka_unit_test(delack__data_to_send__carries_it),
        cmocka_unit_test(delack__pure_ack__is_never_answered),
        cmocka_unit_test(delack__second_full_segment__is_acknowledged_at_once),
        cmocka_unit_test(delack__two_mss_of_small_segments__are_acknowledged_at_once),
        cmocka_unit_test(delack__quick__the_first_sixteen_full_segments_and_after_a_gap_get_one_each),
        cmocka_unit_test(delack__configured_for_each_fourth__waits_for_it),
        cmocka_unit_test(delack__out_of_order__gets_a_duplicate_ack_each),
        cmocka_unit_test(delack__gap_filled_in_parts__each_part_is_told_at_once),
        cmocka_unit_test(delack__duplicate__is_acknowledged_each_time),
        cmocka_unit_test(delack__batch_in_order__makes_one_ack),
        cmocka_unit_test(delack__batch_with_a_gap__is_drained_where_it_must),
        cmocka_unit_test(delack__input__asks_to_be_drained_only_when_it_must),
        cmocka_unit_test(delack__any_segment__gets_one_ack_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
