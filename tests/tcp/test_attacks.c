/* test_attacks.c - what is known to have broken other stacks, where no test of a state has it.
 *
 * Under every attack no more than one datagram answers one, memory is bounded, and engine_check holds. */
#include "flow.h"
#include "prng.h"
#include "rig.h"

#include <stdlib.h>

/* ---- Packets as an attacker makes them ----------------------------------------------------------------- */

/* A segment of peer 0's connection, numbers relative. */
static struct datagram *forge(const struct rig *t, unsigned int flags, int64_t seq, int64_t ack, uint32_t len)
{
    static struct datagram d;
    d = (struct datagram){.src = RIG_PEER_ADDR,
                          .dst = RIG_OUR_ADDR,
                          .sport = t->peer[0].rport,
                          .dport = t->peer[0].lport,
                          .seq = t->peer[0].isn + (uint32_t)seq,
                          .ack = t->peer[0].iss + (uint32_t)ack,
                          .flags = (uint8_t)flags,
                          .win = 1000,
                          .ttl = 64,
                          .text_len = len};
    for (uint32_t i = 0; i < len; i++)
        d.text[i] = pattern((uint64_t)(seq + i), 0);
    return &d;
}

/* One's complement addition to the word at p. */
static void add16(uint8_t *p, uint32_t v)
{
    uint32_t sum = (uint32_t)(p[0] << 8 | p[1]) + v;
    sum = (sum & 0xffff) + (sum >> 16);
    p[0] = (uint8_t)(sum >> 8);
    p[1] = (uint8_t)sum;
}

/* These bytes arrive; what leaves is in the rig's queue. */
static void give(struct rig *t, const uint8_t *data, uint32_t len)
{
    uint8_t *exact = malloc(len);
    struct rill_packet packet = {.head = {exact, len}};
    assert_non_null(exact);
    memcpy(exact, data, len);
    (void)rill_input(t->e, &packet, t->now_us);
    free(exact);
    rig_drain(t);
}

/* With the flag of RFC 3168's successors (AE, once NS), the ninth. */
static void give_segment(struct rig *t, const struct datagram *d, bool ae)
{
    static uint8_t data[UINT16_MAX + 1];
    uint32_t len = datagram_build(d, data);
    if (ae) {
        data[32] |= 1;
        add16(data + 36, 0xffffu ^ 0x0100u); /* the checksum is the complement of the sum */
    }
    give(t, data, len);
}

/* ---- P9: checksums ------------------------------------------------------------------------------------- */

static void checksum__any_bit_flipped__is_dropped_without_a_word(void **state)
{
    static uint8_t data[100];
    struct rig *t = rig_established(NULL);
    uint32_t len = datagram_build(forge(t, RILL_ACK | RILL_PSH, 1, 1, 23), data);
    (void)state;
    for (uint32_t bit = 8 * 20; bit < 8 * len; bit++) {
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        give(t, data, len);
        out_none(t);
        expect_readable(t, 0);
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    expect_counted(t, RILL_SEG_IN, 0);
    data[36] = data[37] = 0; /* no checksum, as UDP has it, is a bad one */
    give(t, data, len);
    expect_counted(t, RILL_SEG_IN, 0);
    in(t, "P. 1:24(23) ack 1"); /* it was lost, and is repaired */
    out_after(t, 40 * MS, ". 1:1(0) ack 24");
    app_read(t, 23);
    rig_end(t);
}

/* ---- P13: all flags in all states ---------------------------------------------------------------------- */

typedef struct rig *maker(const struct rig_setup *setup);
static maker *const makers[] = {rig_closed,      rig_listen,          rig_syn_sent,  rig_syn_received,
                                rig_syn_crossed, rig_established,     rig_connected, rig_fin_wait_1,
                                rig_fin_wait_2,  rig_close_wait,      rig_closing,   rig_last_ack,
                                rig_time_wait,   rig_time_wait_record};

struct shot {
    enum rill_tcp_state before, after;
    unsigned int answers, answer_flags, unread;
};

static struct shot shoot(maker *make, unsigned int flags, int64_t seq, int64_t ack, uint32_t len)
{
    struct rig *t = make(NULL);
    struct shot shot = {.before = rig_state(t, 0)};
    give_segment(t, forge(t, flags & 0xff, seq, ack, len), (flags & 0x100) != 0);
    shot.after = rig_state(t, 0);
    shot.answers = t->queued;
    if (t->queued != 0)
        shot.answer_flags = take(t)->flags;
    shot.unread = t->peer[0].c != NULL ? tcp_unread(t->peer[0].c) : 0;
    rig_discard(t);
    return shot;
}

static bool synchronized_state(enum rill_tcp_state state)
{
    return state >= RILL_ESTABLISHED && state <= RILL_TIME_WAIT;
}

/* What RFC 9293 3.10.7 says of flags alone. */
static void judge(const struct shot *shot, unsigned int flags)
{
    bool rst = (flags & RILL_RST) != 0, syn = (flags & RILL_SYN) != 0, ack = (flags & RILL_ACK) != 0;
    assert_true(shot->answers <= 1);
    if (rst) /* "an incoming RST is never answered by a RST"; a challenge may be */
        assert_true(shot->answers == 0 || shot->answer_flags == RILL_ACK);
    if (!rst && !syn && !ack) { /* nothing is valid about it */
        assert_int_equal(shot->before, shot->after);
        assert_int_equal(shot->unread, 0);
        assert_true(shot->answers == 0 || shot->before < RILL_ESTABLISHED || shot->before == RILL_CLOSED ||
                    shot->answer_flags == RILL_ACK); /* outside the window */
    }
    if (shot->before == RILL_LISTEN || shot->before == RILL_CLOSED) {
        bool opens = shot->before == RILL_LISTEN && syn && !rst && !ack;
        assert_int_equal(shot->after, opens ? RILL_SYN_RECEIVED : shot->before);
        assert_int_equal((shot->answer_flags & RILL_SYN) != 0, opens);
    }
    if (synchronized_state(shot->before) && syn && !rst && shot->before != RILL_TIME_WAIT) {
        assert_int_equal(shot->before, shot->after); /* RFC 5961 4: a challenge and nothing else */
        assert_int_equal(shot->answer_flags, RILL_ACK);
        assert_int_equal(shot->unread, 0);
    }
}

struct target {
    int64_t seq, ack;
    uint32_t len;
};

/* ECE, CWR, AE and PSH mean nothing here, so that they must change nothing. */
static void judge_all(maker *make, const struct target *at, bool all_512)
{
    const unsigned int count = RILL_FIN | RILL_SYN | RILL_RST | RILL_ACK | RILL_URG;
    for (unsigned int core = 0; core < 0x40; core++) {
        struct shot shot;
        if ((core & ~count) != 0)
            continue;
        shot = shoot(make, core, at->seq, at->ack, at->len);
        judge(&shot, core);
        for (unsigned int rest = 1; rest < 16 && all_512; rest++) {
            unsigned int flags = core | (rest & 1) << 3 | (rest & 14) << 5;
            struct shot same = shoot(make, flags, at->seq, at->ack, at->len);
            if (memcmp(&same, &shot, sizeof same) != 0)
                fail_msg("flags %03x are not as %03x", flags, core);
        }
    }
}

static void flags__all_combinations_in_all_states__are_judged_by_those_that_count(void **state)
{
    const struct target at[] = {{1, 1, 0},   {2, 2, 10}, {100000, 1, 0}, {0, 1, 1},
                                {1, 100, 5}, {2, -5, 0}, {-1000, 2, 10}};
    (void)state;
    for (size_t m = 0; m < COUNT_OF(makers); m++)
        for (size_t k = 0; k < COUNT_OF(at); k++)
            judge_all(makers[m], &at[k], k == 0);
}

/* ---- P14: LAND and port 0 ------------------------------------------------------------------------------ */

static void land__packet_from_ourselves__is_dropped(void **state)
{
    const unsigned int flags[] = {RILL_SYN, RILL_SYN | RILL_ACK, RILL_ACK, RILL_RST, RILL_FIN | RILL_ACK};
    (void)state;
    for (size_t m = 0; m < COUNT_OF(makers); m++) {
        struct rig *t = makers[m](NULL);
        enum rill_tcp_state before = rig_state(t, 0);
        for (size_t i = 0; i < COUNT_OF(flags); i++) {
            struct datagram *d = forge(t, flags[i], 1, 1, 0);
            d->src = RIG_OUR_ADDR;
            d->sport = d->dport = RIG_PORT;
            give_segment(t, d, false);
            out_none(t);
        }
        expect_counted(t, RILL_DROP_IP_SOURCE, COUNT_OF(flags));
        expect_state(t, before);
        rig_end(t);
    }
}

static void land__port_0__is_dropped(void **state)
{
    struct rig *t = rig_listen(NULL);
    (void)state;
    for (int k = 0; k < 4; k++) {
        struct datagram *d = forge(t, k < 2 ? RILL_SYN : RILL_ACK, 0, 0, 0);
        if (k % 2 == 0)
            d->sport = 0;
        else
            d->dport = 0;
        give_segment(t, d, false);
        out_none(t);
    }
    expect_counted(t, RILL_DROP_TCP_PORT, 4);
    rig_end(t);
}

/* ---- I5, R1: acknowledgements of what was not sent ----------------------------------------------------- */

/* RFC 5961 5 alone would let SND.UNA - MAX.SND.WND reach below our SYN early in a connection: an attacker
 * need not know our numbers then ("ghost ACK", CVE-2023-52881). */
static void ghost_ack__early_in_a_connection__brings_no_data_in(void **state)
{
    const int64_t acks[] = {0, -1, -1000, -100000, -8000000, INT32_MIN + 2};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(acks); i++) {
        struct rig *t = rig_established(NULL); /* MAX.SND.WND is 65535 << 7 */
        app_write(t, 10);
        out(t, "P. 1:11(10) ack 1");
        give_segment(t, forge(t, RILL_ACK | RILL_PSH, 1, acks[i], 10), false);
        out(t, ". 11:11(0) ack 1");
        expect_readable(t, 0);
        expect_counted(t, RILL_DROP_ACK, 1);
        let_pass(t, 500 * MS);
        give_segment(t, forge(t, RILL_ACK | RILL_PSH, 1, 1, 10), false); /* the least that a peer may say */
        expect_readable(t, 10);
        rig_discard(t);
    }
}

/* R1: an ACK beyond SND.NXT gains nothing. */
static void optimistic_ack__beyond_what_was_sent__gains_nothing(void **state)
{
    struct rig *t = rig_established(NULL);
    struct tcb *c = t->peer[0].c;
    uint32_t cwnd = c->cc.cwnd;
    (void)state;
    app_write(t, 50000);
    flow_out(t, 1, 14600, 1460, false, 1);
    for (int k = 0; k < 5; k++) {
        in(t, ". 1:1(0) ack %d", 14602 + 1460 * k);
        out(t, ". 14601:14601(0) ack 1");
        let_pass(t, 1); /* no new data in answer to it */
        out_none(t);
        assert_int_equal(c->cc.cwnd, cwnd);
        assert_int_equal(c->snd.una, tcp_iss(c) + 1);
        c->challenged = false; /* its limit is not what is tested here */
    }
    rig_discard(t);
}

/* ---- I6: CVE-2016-5696 --------------------------------------------------------------------------------- */

/* The attacker counts the challenge ACKs on his own connection, peer 1's, while his spoofed resets hit peer
 * 0's connection (or not). */
static unsigned int own_challenges(bool hits, unsigned int spoofs_per_second)
{
    struct rig *t = rig_established(NULL);
    unsigned int own = 0;
    in(t, "@1 S 0:0(0) <mss 1460>");
    out(t, "@1 S. 0:0(0) ack 1 <*>");
    in(t, "@1 . 1:1(0) ack 1");
    app_accept(t, 1);
    for (unsigned int ms = 0; ms < 5000; ms++) {
        for (unsigned int k = 0; k < spoofs_per_second / 1000; k++) {
            in(t, "%s 1000:1000(0)", hits ? "R" : "@2 R");
            flow_swallow(t); /* which the attacker does not see */
        }
        if (ms % 10 == 0) {
            in(t, "@1 S -1000:-1000(0)");
            own += flow_swallow(t);
        }
        t->now_us += 1 * MS;
        rill_advance(t->e, t->now_us);
        rig_drain(t);
    }
    rig_end(t);
    return own;
}

static void challenge_limit__of_one_connection__tells_nothing_of_another(void **state)
{
    unsigned int alone = own_challenges(false, 0);
    (void)state;
    assert_in_range(alone, 9, 11); /* two a second */
    assert_int_equal(own_challenges(true, 2000), alone);
    assert_int_equal(own_challenges(false, 2000), alone);
}

/* ---- R7: SegmentSmack, CVE-2018-5390 ------------------------------------------------------------------- */

/* One-byte segments, every second byte: memory has a bound, and the connection goes on. */
static void holes__65000_of_one_byte__are_bounded_in_memory(void **state)
{
    const uint32_t buf = 262144;
    struct rig *t = rig_established(&(struct rig_setup){.rcvbuf_bytes = buf});
    size_t idle_bytes = t->heap.live_bytes;
    (void)state;
    in(t, ". 1:2(1) ack 1"); /* opens the window beyond what the SYN could say */
    let_pass(t, 50 * MS);
    for (int64_t k = 0; k < 65000; k++) {
        give_segment(t, forge(t, RILL_ACK, 1 + 2 * (65000 - k), 1, 1), false);
        assert_int_equal(flow_swallow(t), 1);
    }
    /* The ring grows by copying, so that two of them may live for a moment. */
    assert_true(t->heap.peak_bytes - idle_bytes <= 2 * (buf + buf / 8 + 8) + 64 * 1024);
    expect_counted(t, RILL_DROP_FRAGMENTED_RANGES, 65000 - 1024);
    flow_in(t, 2, 130000, 1460);
    let_pass(t, 50 * MS);
    app_read(t, 130001);
    flow_swallow(t);
    rig_end(t);
}

/* ---- R12: after the FIN -------------------------------------------------------------------------------- */

static void after_the_fin__whatever_comes__the_stream_has_ended(void **state)
{
    static const char *const lines[] = {
        "P. 102:112(10) ack 1",    "F. 101:101(0) ack 1",   "F. 102:102(0) ack 1",  "F. 112:112(0) ack 1",
        "FP. 91:101(10) ack 1",    "FP. 92:102(10) ack 1",  "S 102:102(0) <mss 9>", "S. 0:0(0) ack 1",
        ". 40000:40010(10) ack 1", "FP. 50:150(100) ack 1", "P. 1:101(100) ack 1"};
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct rig *t = rig_established(NULL);
        struct prng prng = prng_seed(seed);
        in(t, "FP. 1:101(100) ack 1");
        out(t, ". 1:1(0) ack 102");
        app_read(t, 100);
        for (int k = 0; k < 100; k++) {
            in(t, "%s", lines[prng_below(&prng, COUNT_OF(lines))]);
            if (t->queued > 1)
                rig_fail(t, "more than one answer");
            if (t->queued == 1)
                out(t, ". 1:1(0) ack 102");
            expect_state(t, RILL_CLOSE_WAIT);
            expect_eof(t, true);
            let_pass(t, 200 * MS);
        }
        app_shut(t);
        out(t, "F. 1:1(0) ack 102");
        in(t, ". 102:102(0) ack 2");
        expect_state(t, RILL_LISTEN);
        rig_end(t);
    }
}

/* ---- R14: ACK wars ------------------------------------------------------------------------------------- */

/* What one has sent arrives at the other: how many packets. */
static unsigned int carry(struct rig *from, struct rig *to)
{
    unsigned int n = 0;
    while (from->queued != 0) {
        struct datagram *d = malloc(sizeof *d);
        assert_non_null(d);
        *d = *take(from);
        d->src = RIG_PEER_ADDR;
        d->dst = RIG_OUR_ADDR;
        give_segment(to, d, false);
        free(d);
        n++;
    }
    return n;
}

/* A minute of two connected ends whose ideas of each other's numbers are off by these: the most packets in
 * ten seconds. */
static unsigned int war(int64_t a_off, int64_t b_off, bool data)
{
    struct rig_setup a_setup = {.seed = 1}, b_setup = {.seed = 2};
    struct rig *a = rig_established(&a_setup), *b;
    unsigned int worst = 0, now = 0;
    b_setup.peer_isn = a->peer[0].iss + (uint32_t)b_off;
    b = rig_connected(&b_setup); /* from port 40000 to port 7, as a's peer */
    rig_end(a);
    a_setup.peer_isn = b->peer[0].iss + (uint32_t)a_off;
    a = rig_established(&a_setup); /* with the same numbers as before */
    assert_int_equal(a->peer[0].iss + (uint32_t)b_off, b->peer[0].isn);
    if (data) {
        app_write(a, 100);
        app_write(b, 3000);
    }
    give_segment(a, forge(a, RILL_ACK, -7, 1, 0), false);
    for (int ms = 0; ms < 60000; ms += 10) {
        struct rig *ends[2] = {a, b};
        unsigned int rounds = 0;
        while ((a->queued != 0 || b->queued != 0) && rounds++ < 1000)
            now += carry(a, b) + carry(b, a);
        for (int i = 0; i < 2; i++) {
            ends[i]->now_us += 10 * MS;
            rill_advance(ends[i]->e, ends[i]->now_us);
            rig_drain(ends[i]);
        }
        if (ms % 10000 == 0) {
            worst = now > worst ? now : worst;
            now = 0;
        }
    }
    rig_discard(a);
    rig_discard(b);
    return worst;
}

static void ack_war__of_two_that_disagree__is_bounded(void **state)
{
    const int64_t offs[] = {0, 1, -1, 100, -100, 70000, -70000, 1 << 30, -(1 << 30), INT32_MIN};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(offs); i++) {
        for (size_t k = 0; k < COUNT_OF(offs); k++) {
            /* Each end: two challenges a second, and with data its retransmissions, doubling from 200 ms,
             * with an answer to each segment of them. */
            assert_true(war(offs[i], offs[k], false) <= 40);
            assert_true(war(offs[i], offs[k], true) <= 40 + 2 * 2 * 4 * 6);
        }
    }
    assert_true(war(0, 0, true) < 20); /* and those that agree have said it all */
}

/* ---- D4, D5: floods ------------------------------------------------------------------------------------ */

/* The handshakes are completed and nobody accepts: both queues have their bound, and nothing is left in the
 * end. */
static void flood__nobody_accepts__is_bounded_and_passes(void **state)
{
    struct rig *t = rig_listen(&(struct rig_setup){.backlog = 4});
    size_t before = t->heap.live_bytes;
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int n = 0; n < 60; n++) {
            in(t, "@%d S 0:0(0) <mss 1460>", n);
            if (flow_swallow(t) != 0) {
                in(t, "@%d . 1:1(0) ack 1", n);
                flow_swallow(t);
            }
        }
        assert_true(t->port->ready_count <= 4 && t->port->half_count <= 4);
        let_pass(t, 30 * SEC);
    }
    let_pass(t, 70 * SEC); /* the records that found no place have gone */
    assert_int_equal(t->port->half_count, 0);
    assert_int_equal(t->port->ready_count, 4);
    for (int n = 0; n < 4; n++) {
        app_accept(t, (unsigned int)n);
        app_close_peer(t, (unsigned int)n);
        flow_swallow(t);
        in(t, "@%d R 1:1(0)", n);
    }
    expect_state(t, RILL_LISTEN);
    assert_true(t->heap.live_bytes <= before + 1024); /* the heap of deadlines has grown once */
    rig_end(t);
}

static void at_most_2000(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->max_conns = 2000;
}

static uint32_t longest_chain(const struct conn_table *table)
{
    uint32_t longest = 0;
    for (uint32_t i = 0; i < table->buckets; i++) {
        uint32_t len = 0;
        for (const struct conn_node *node = table->bucket[i]; node != NULL; node = node->next)
            len++;
        longest = len > longest ? len : longest;
    }
    return longest;
}

/* SYNs of tuples in rank and file: a hard cap, no long chain (the hash has a secret), 63 seconds and all is
 * gone. */
static void flood__of_syns_in_a_pattern__has_a_cap_and_no_long_chain(void **state)
{
    struct rig *t = rig_listen(&(struct rig_setup){.backlog = 4096, .edit = at_most_2000});
    const struct conn_table *halves = &t->e->conns.halves;
    size_t before = t->heap.live_bytes;
    struct rill_packet out;
    (void)state;
    for (uint32_t k = 0; k < 5000; k++) {
        static uint8_t data[100];
        struct datagram *d = forge(t, RILL_SYN, k, 0, 0);
        struct rill_packet packet = {.head = {data, 0}};
        unsigned int answers = 0;
        d->src = 0x0a4d0000 + 10 + k % 200; /* 10.77.0.10 and on */
        d->sport = (uint16_t)(1024 + 64 * (k / 200));
        packet.head.len = datagram_build(d, data);
        (void)rill_input(t->e, &packet, t->now_us);
        while (rill_output(t->e, &out, t->now_us))
            answers++;
        assert_true(answers <= 1);
        assert_null(engine_check(t->e));
    }
    assert_int_equal(halves->count, 2000);
    assert_in_range(longest_chain(halves), 1, 10);
    assert_true(t->heap.live_bytes - before < 2000 * 64 + 64 * 1024);
    for (int s = 0; s < 70; s++) {
        t->now_us += 1 * SEC;
        rill_advance(t->e, t->now_us);
        while (rill_output(t->e, &out, t->now_us))
            ;
    }
    assert_int_equal(halves->count, 0);
    in(t, "S 0:0(0) <mss 1460>"); /* and people are served again */
    out(t, "S. 0:0(0) ack 1 <*>");
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksum__any_bit_flipped__is_dropped_without_a_word),
        cmocka_unit_test(flags__all_combinations_in_all_states__are_judged_by_those_that_count),
        cmocka_unit_test(land__packet_from_ourselves__is_dropped),
        cmocka_unit_test(land__port_0__is_dropped),
        cmocka_unit_test(ghost_ack__early_in_a_connection__brings_no_data_in),
        cmocka_unit_test(optimistic_ack__beyond_what_was_sent__gains_nothing),
        cmocka_unit_test(challenge_limit__of_one_connection__tells_nothing_of_another),
        cmocka_unit_test(holes__65000_of_one_byte__are_bounded_in_memory),
        cmocka_unit_test(after_the_fin__whatever_comes__the_stream_has_ended),
        cmocka_unit_test(ack_war__of_two_that_disagree__is_bounded),
        cmocka_unit_test(flood__nobody_accepts__is_bounded_and_passes),
        cmocka_unit_test(flood__of_syns_in_a_pattern__has_a_cap_and_no_long_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
