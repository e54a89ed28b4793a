/* test_engine.c - counters, trace, buckets, challenge limits, random numbers. */
#include "engine.h"

#include "bare_engine.h"
#include "prng.h"
#include "test.h"

/* ---- Buckets ---- */

static void bucket__of_zeroes__is_full(void **state)
{
    (void)state;
    struct bucket bucket = {0};
    for (int i = 0; i < 50; i++)
        assert_true(bucket_take(&bucket, 0, 100, 50));
    assert_false(bucket_take(&bucket, 0, 100, 50));
    assert_false(bucket_take(&bucket, 9999, 100, 50)); /* a token takes 10 ms */
    assert_true(bucket_take(&bucket, 10000, 100, 50));
    assert_false(bucket_take(&bucket, 10000, 100, 50));
}

/* In any time T at most burst + rate * T leave, and a greedy taker gets nearly all of them. */
static void bucket__greedy_taker__gets_the_rate_and_not_more(void **state)
{
    (void)state;
    static const uint32_t rates[] = {1, 3, 7, 100, 333, 1000, 30001};
    for (size_t r = 0; r < COUNT_OF(rates); r++) {
        struct prng prng = prng_seed(r);
        struct bucket bucket = {0};
        const uint32_t burst = 10;
        rill_time now_us = 0;
        uint64_t taken = 0;
        for (int i = 0; i < 20000; i++) {
            now_us += prng_below(&prng, SEC / rates[r]);
            taken += bucket_take(&bucket, now_us, rates[r], burst);
            assert_true((taken - min_u64(taken, burst)) * SEC <= now_us * rates[r]);
        }
        while (bucket_take(&bucket, now_us, rates[r], burst))
            taken++;
        /* A token costs at most a microsecond more than 1 / rate, for the clock counts whole ones. */
        assert_true((taken + 1) * (SEC + rates[r]) >= now_us * rates[r]);
    }
}

static void bucket__after_a_very_long_time__is_full(void **state)
{
    (void)state;
    struct bucket bucket = {.spent = UINT32_MAX};
    assert_true(bucket_take(&bucket, RILL_NEVER - 1, UINT32_MAX, UINT32_MAX));
    assert_int_equal(bucket.spent, 1);
}

/* ---- Challenge ACKs, RFC 5961 7 ---- */

static void challenge__one_connection__one_in_500_ms(void **state)
{
    (void)state;
    struct bare b;
    struct tcb c = {0};
    bare_init(&b, 1500);
    struct rill_engine *e = &b.e;
    assert_true(tcp_may_challenge(e, &c));
    e->now_us += 499 * MS;
    assert_false(tcp_may_challenge(e, &c));
    assert_int_equal(e->counter[RILL_CHALLENGE_LIMITED], 1);
    e->now_us += 1 * MS;
    assert_true(tcp_may_challenge(e, &c));
    assert_int_equal(e->counter[RILL_CHALLENGE_LIMITED], 1);
    bare_end(&b);
}

static void challenge__one_record__one_in_500_ms(void **state)
{
    (void)state;
    struct bare b;
    struct time_wait tw = {0};
    bare_init(&b, 1500);
    struct rill_engine *e = &b.e;
    assert_true(wait_may_challenge(e, &tw));
    e->now_us += 499 * MS;
    assert_false(wait_may_challenge(e, &tw));
    e->now_us += 1 * MS;
    assert_true(wait_may_challenge(e, &tw));
    assert_int_equal(e->counter[RILL_CHALLENGE_LIMITED], 1);
    bare_end(&b);
}

/* CVE-2016-5696: the sum must be limited, but not at a number that can be counted. */
static void challenge__all_together__are_limited_at_a_changing_number(void **state)
{
    (void)state;
    struct bare b;
    uint64_t seen[20], sum = 0;
    int different = 0;
    bare_init(&b, 1500);
    for (size_t second = 0; second < COUNT_OF(seen); second++) {
        seen[second] = 0;
        for (int i = 0; i < 3000; i++) { /* each on a fresh connection */
            struct tcb c = {0};
            seen[second] += tcp_may_challenge(&b.e, &c);
        }
        assert_in_range(seen[second], 500, 1500);
        sum += seen[second];
        different += second > 0 && seen[second] != seen[second - 1];
        b.e.now_us += SEC;
    }
    assert_true(different > 15);
    assert_in_range(sum / COUNT_OF(seen), 800, 1200);
    bare_end(&b);
}

static void challenge__limited_by_its_own_rule__takes_nothing_from_the_others(void **state)
{
    (void)state;
    struct bare b;
    struct tcb hit = {0};
    bare_init(&b, 1500);
    assert_true(tcp_may_challenge(&b.e, &hit));
    uint32_t left = b.e.challenge_left;
    for (int i = 0; i < 5000; i++)
        assert_false(tcp_may_challenge(&b.e, &hit));
    assert_int_equal(b.e.challenge_left, left);
    bare_end(&b);
}

/* ---- Random numbers ---- */

static void random__two_keys__have_nothing_in_common(void **state)
{
    (void)state;
    struct bare a, b;
    uint64_t ones = 0;
    bare_init(&a, 1500);
    bare_init(&b, 1500);
    b.e.id_key.k0++;
    uint64_t last = engine_random(&a.e);
    for (int i = 0; i < 1000; i++) {
        uint64_t x = engine_random(&a.e);
        assert_true(x != last);
        ones += (uint64_t)__builtin_popcountll(x ^ engine_random(&b.e));
        last = x;
    }
    assert_in_range(ones, 31000, 33000); /* of 64000 bits half, within eight standard deviations */
    bare_end(&a);
    bare_end(&b);
}

/* ---- Trace ---- */

struct told {
    struct rill_trace_event event;
    int count;
};

static void listen_in(void *ctx, const struct rill_trace_event *event)
{
    struct told *told = ctx;
    told->event = *event;
    told->count++;
}

static void known_connection(struct tcb *c)
{
    *c = (struct tcb){.state = RILL_ESTABLISHED};
    c->node = (struct conn_node){.raddr = PEER_ADDR, .rport = 80, .lport = 4000};
    c->snd.iss32 = 0xfffffff0;
    c->rcv.irs32 = 1000;
    c->snd.una = tcp_iss(c) + 0x100000005;
    c->snd.nxt = tcp_iss(c) + 0x100000100;
    c->rcv.nxt = tcp_irs(c) + 0x200000001;
    c->snd.wscale = 3;
    c->rcv.wscale = 7;
    rtt_init(&c->rtt);
}

static void trace__segment_of_a_connection__is_relative_and_scaled(void **state)
{
    (void)state;
    struct bare b;
    struct told told = {0};
    struct tcb c;
    bare_init(&b, 1500);
    b.e.config.trace = listen_in;
    b.e.config.trace_ctx = &told;
    known_connection(&c);
    struct tcp_segment seg = {.laddr = OUR_ADDR,
                              .raddr = PEER_ADDR,
                              .lport = 4000,
                              .rport = 80,
                              .seq32 = 1000 + 11,
                              .ack32 = 0xfffffff0u + 0x20,
                              .text_len = 9,
                              .wnd16 = 100,
                              .flags = RILL_ACK | RILL_PSH};
    engine_trace_segment_in(&b.e, &c, &seg);
    assert_int_equal(told.event.kind, RILL_TRACE_SEGMENT_IN);
    assert_true(told.event.relative);
    assert_int_equal(told.event.seq, 0x20000000b); /* unwrapped: near RCV.NXT */
    assert_int_equal(told.event.ack, 0x100000020);
    assert_int_equal(told.event.wnd, 800);
    assert_int_equal(told.event.len, 9);
    assert_int_equal(told.event.state, RILL_ESTABLISHED);
    assert_int_equal(told.event.at_us, b.e.now_us);
    assert_int_equal(told.event.laddr, OUR_ADDR);
    assert_int_equal(told.event.rport, 80);

    struct tcp_build build = {.laddr = OUR_ADDR,
                              .raddr = PEER_ADDR,
                              .lport = 4000,
                              .rport = 80,
                              .seq32 = 0xfffffff0u + 0x21,
                              .ack32 = 1001,
                              .wnd16 = 3,
                              .flags = RILL_ACK};
    engine_trace_out(&b.e, &c, &build, 77, true, (struct tcp_why){0});
    assert_int_equal(told.event.kind, RILL_TRACE_SEGMENT_OUT);
    assert_int_equal(told.event.seq, 0x100000021);
    assert_int_equal(told.event.ack, 0x200000001);
    assert_int_equal(told.event.wnd, 384);
    assert_int_equal(told.event.len, 77);
    assert_true(told.event.resent);
    build.flags |= RILL_SYN; /* RFC 7323 2.2 */
    engine_trace_out(&b.e, &c, &build, 0, false, (struct tcp_why){0});
    assert_int_equal(told.event.wnd, 3);
    assert_int_equal(told.count, 3);
    bare_end(&b);
}

static void trace__segment_without_a_connection__is_as_on_the_wire(void **state)
{
    (void)state;
    struct bare b;
    struct told told = {0};
    bare_init(&b, 1500);
    b.e.config.trace = listen_in;
    b.e.config.trace_ctx = &told;
    struct tcp_segment seg = {.seq32 = 0xdeadbeef, .ack32 = 5, .wnd16 = 9, .flags = RILL_RST};
    engine_trace_segment_in(&b.e, NULL, &seg);
    assert_int_equal(told.event.seq, 0xdeadbeef);
    assert_int_equal(told.event.ack, 0); /* without the flag it means nothing */
    assert_int_equal(told.event.wnd, 9);
    assert_false(told.event.relative);
    bare_end(&b);
}

static void trace__syn_ack_in_syn_sent__has_relative_number_0(void **state)
{
    (void)state;
    struct bare b;
    struct told told = {0};
    struct tcb c = {.state = RILL_SYN_SENT};
    bare_init(&b, 1500);
    b.e.config.trace = listen_in;
    b.e.config.trace_ctx = &told;
    c.snd.iss32 = 77;
    c.snd.una = tcp_iss(&c);
    c.snd.nxt = tcp_iss(&c) + 1;
    struct tcp_segment seg = {.seq32 = 0xdeadbeef, .ack32 = 78, .flags = RILL_SYN | RILL_ACK};
    engine_trace_segment_in(&b.e, &c, &seg);
    assert_int_equal(told.event.seq, 0);
    assert_int_equal(told.event.ack, 1);
    seg.ack32 = 70; /* acknowledges what was before the SYN: garbage, but not a giant */
    engine_trace_segment_in(&b.e, &c, &seg);
    assert_int_equal(told.event.ack, (uint32_t)-7);
    bare_end(&b);
}

static void trace__segment_out__says_why(void **state)
{
    (void)state;
    struct bare b;
    struct told told = {0};
    struct tcb c;
    struct tcp_build build = {
        .laddr = OUR_ADDR, .raddr = PEER_ADDR, .lport = 4000, .rport = 80, .flags = RILL_ACK};
    bare_init(&b, 1500);
    b.e.config.trace = listen_in;
    b.e.config.trace_ctx = &told;
    known_connection(&c);
    c.cc.cwnd = 14600;
    engine_trace_out(&b.e, &c, &build, 100, true, (struct tcp_why){RILL_WHY_RTO, 2, 412000});
    assert_int_equal(told.event.why, RILL_WHY_RTO);
    assert_int_equal(told.event.why_count, 2);
    assert_int_equal(told.event.why_us, 412000);
    assert_int_equal(told.event.numbers.cwnd, 14600);
    assert_int_equal(told.event.held, RILL_LIMIT_APPLICATION);
    bare_end(&b);
}

static void event__is_counted_and_told(void **state)
{
    (void)state;
    struct bare b;
    struct told told = {0};
    struct tcb c;
    bare_init(&b, 1500);
    known_connection(&c);
    engine_event(&b.e, RILL_DROP_ACK, &c, NULL); /* nobody listens */
    b.e.config.trace = listen_in;
    b.e.config.trace_ctx = &told;
    engine_event(&b.e, RILL_DROP_ACK, &c, NULL);
    assert_int_equal(b.e.counter[RILL_DROP_ACK], 2);
    assert_int_equal(told.count, 1);
    assert_int_equal(told.event.kind, RILL_TRACE_EVENT);
    assert_int_equal(told.event.event, RILL_DROP_ACK);
    assert_int_equal(told.event.lport, 4000);
    struct tcp_segment seg = {.raddr = PEER_ADDR, .rport = 81, .lport = 82};
    engine_event(&b.e, RILL_DROP_CLOSED, NULL, &seg);
    assert_int_equal(told.event.rport, 81);
    assert_int_equal(told.event.state, RILL_CLOSED);
    engine_event(&b.e, RILL_ICMP_LIMITED, NULL, NULL);
    assert_int_equal(told.event.raddr, 0);
    engine_count(&b.e, RILL_IP_IN); /* traffic is not told */
    assert_int_equal(told.count, 3);
    bare_end(&b);
}

static void names__of_all_events_and_states__are_there_and_differ(void **state)
{
    (void)state;
    for (int i = 0; i < RILL_EVENT_COUNT; i++) {
        enum rill_event event = (enum rill_event)i;
        assert_true(strlen(rill_event_text(event)) > 0);
        bool is_drop = i >= RILL_DROP_IP_SHORT; /* the list has the drops last */
        assert_int_equal(strncmp(rill_event_name(event), "DROP_", 5) == 0, is_drop);
        assert_int_equal(strncmp(rill_event_text(event), "dropped: ", 9) == 0, is_drop);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(rill_event_name(event), rill_event_name((enum rill_event)j));
    }
    assert_string_equal(rill_event_name(RILL_DROP_TCP_CHECKSUM), "DROP_TCP_CHECKSUM");
    assert_string_equal(rill_state_name(RILL_LISTEN), "LISTEN");
    assert_string_equal(rill_state_name(RILL_FIN_WAIT_2), "FIN-WAIT-2");
    assert_string_equal(rill_state_name(RILL_CLOSED), "CLOSED");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bucket__of_zeroes__is_full),
        cmocka_unit_test(bucket__greedy_taker__gets_the_rate_and_not_more),
        cmocka_unit_test(bucket__after_a_very_long_time__is_full),
        cmocka_unit_test(challenge__one_connection__one_in_500_ms),
        cmocka_unit_test(challenge__one_record__one_in_500_ms),
        cmocka_unit_test(challenge__all_together__are_limited_at_a_changing_number),
        cmocka_unit_test(challenge__limited_by_its_own_rule__takes_nothing_from_the_others),
        cmocka_unit_test(random__two_keys__have_nothing_in_common),
        cmocka_unit_test(trace__segment_of_a_connection__is_relative_and_scaled),
        cmocka_unit_test(trace__segment_without_a_connection__is_as_on_the_wire),
        cmocka_unit_test(trace__syn_ack_in_syn_sent__has_relative_number_0),
        cmocka_unit_test(trace__segment_out__says_why),
        cmocka_unit_test(event__is_counted_and_told),
        cmocka_unit_test(names__of_all_events_and_states__are_there_and_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
