/* test_tcp_icmp.c - what ICMP errors do to connections: which are believed, what they change, and the path
 * MTU.  RFC 9293 3.9.2.2, RFC 5927 4.1, 5.2, 7.2, RFC 1191. */
#include "tcp_icmp.h"

#include "icmp_world.h"
#include "prng.h"
#include "tcp_conn.h"
#include "tcp_pmtu.h"
#include "tcp_timer.h"
#include "test.h"

#include <errno.h>

#define LPORT 4000
#define RPORT 80
#define TEXT 1460u /* of each segment in flight */

enum { UNREACHABLE = 3, EXCEEDED = 11, PROBLEM = 12 };

static struct message error;

/* An ICMP error that quotes the first 20 + 8 bytes (or more: quote_len) of a segment of ours. */
static void make_error(uint8_t type, uint8_t code, uint16_t mtu, uint64_t seq, uint32_t total_len)
{
    uint8_t *icmp = error.ip + 20, *quote = icmp + 8;
    memset(icmp, 0, 8);
    icmp[0] = type;
    icmp[1] = code;
    model_put(icmp + 6, mtu, 2);
    model_ip(quote, 5, total_len, 0, 0x4000, 6);
    model_put(quote + 12, OUR_ADDR, 4);
    model_put(quote + 16, PEER_ADDR, 4);
    model_ip_checksum(quote, 20);
    model_put(quote + 20, LPORT, 2);
    model_put(quote + 22, RPORT, 2);
    model_put(quote + 24, (uint32_t)seq, 4);
    message_finish(&error, 5, 8 + 28);
}

struct world {
    struct bare b;
    struct rill_engine *e;
    struct tcb *c;
};

/* A connection in that state, as if `segments` of TEXT bytes were in flight (in SYN-SENT: the SYN). */
static void set_up(struct world *w, enum rill_tcp_state state, uint32_t segments)
{
    struct tcp_opts opts = {.sndbuf_bytes = 65536, .rcvbuf_bytes = 65536, .ttl = 64};
    bare_init(&w->b, 1500);
    w->e = &w->b.e;
    w->c = tcp_new(w->e, &opts);
    assert_non_null(w->c);
    struct tcb *c = w->c;
    c->owner.sock = w; /* somebody owns it, so that it stays when it dies */
    c->node = (struct conn_node){.raddr = PEER_ADDR, .rport = RPORT, .lport = LPORT};
    c->snd.iss32 = 0xffffff00; /* the 32-bit numbers wrap in the flight */
    c->snd.mss = 1460;
    c->cc.smss = 1460;
    c->cc.cwnd = 14600;
    tcp_enter(w->e, c, RILL_SYN_SENT);
    if (state != RILL_SYN_SENT)
        tcp_set_state(w->e, c, state);
    c->snd.una = tcp_iss(c) + (state == RILL_SYN_SENT ? 0 : 1);
    c->snd.nxt = c->snd.end = c->snd.una + (state == RILL_SYN_SENT ? 1 : segments * TEXT);
    c->max_sent = state == RILL_SYN_SENT ? 68 : 1500;
    assert_int_equal(tcp_need_flight(w->e, c), 0);
    c->fl->rtt_pos = c->snd.nxt;
}

static void tear_down(struct world *w)
{
    tcp_free(w->e, w->c);
    bare_end(&w->b);
}

/* ---- The quote ---- */

static void quote__sequence_number_not_in_flight__is_dropped(void **state)
{
    (void)state;
    struct world w;
    set_up(&w, RILL_ESTABLISHED, 3);
    const uint64_t una = w.c->snd.una, nxt = w.c->snd.nxt;
    const uint64_t good[] = {una, una + 1, nxt - 1},
                   bad[] = {una - 1, nxt, nxt + 1, una + (1u << 31), una + (1u << 30)};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        make_error(UNREACHABLE, 1, 0, bad[i], 1500);
        message_input(w.e, &error);
        assert_int_equal(w.e->counter[RILL_DROP_ICMP_QUOTE], i + 1);
        assert_int_equal(w.c->soft_error, 0);
    }
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        make_error(UNREACHABLE, 1, 0, good[i], 1500);
        message_input(w.e, &error);
        assert_int_equal(w.e->counter[RILL_SOFT_ERROR], i + 1);
    }
    assert_int_equal(w.c->soft_error, EHOSTUNREACH);
    tear_down(&w);
}

static void quote__nothing_in_flight__is_dropped(void **state)
{
    (void)state;
    struct world w;
    set_up(&w, RILL_ESTABLISHED, 0);
    for (uint32_t d = 0; d < 3; d++) {
        make_error(UNREACHABLE, 1, 0, w.c->snd.una - 1 + d, 1500);
        message_input(w.e, &error);
    }
    assert_int_equal(w.e->counter[RILL_DROP_ICMP_QUOTE], 3);
    tear_down(&w);
}

/* One thing of the quote is wrong at a time: offset in the ICMP message, bytes, value. */
static void quote__of_another_connection_or_a_lie__is_dropped(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint32_t off, bytes, value;
    } lies[] = {
        {"version 6", 8, 1, 0x65},
        {"header of 16 bytes", 8, 1, 0x44},
        {"header longer than the quote", 8, 1, 0x4f},
        {"header longer by an option than the quote", 8, 1, 0x46},
        {"datagram too short for TCP", 10, 2, 39},
        {"datagram of no length", 10, 2, 0},
        {"fragment", 14, 2, 0x0001},
        {"last fragment", 14, 2, 0x1fff},
        {"UDP", 17, 1, 17},
        {"ICMP", 17, 1, 1},
        {"not from us", 20, 4, PEER_ADDR},
        {"to somebody else", 24, 4, PEER_ADDR + 2},
        {"another port of ours", 28, 2, LPORT + 1},
        {"another port of the peer", 30, 2, RPORT + 1},
    };
    struct world w;
    set_up(&w, RILL_ESTABLISHED, 3);
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        make_error(UNREACHABLE, 1, 0, w.c->snd.una, 1500);
        model_put(message_icmp(&error) + lies[i].off, lies[i].value, (int)lies[i].bytes);
        message_finish(&error, 5, 36);
        message_input(w.e, &error);
        if (w.e->counter[RILL_DROP_ICMP_QUOTE] != i + 1)
            fail_msg("taken: %s", lies[i].what);
    }
    assert_int_equal(w.c->soft_error, 0);
    tear_down(&w);
}

/* With a header of 16 bytes the address of the peer would be the ports, and the ports the sequence number. */
static void quote__header_shorter_than_20_bytes__is_not_read_past(void **state)
{
    (void)state;
    struct world w;
    set_up(&w, RILL_ESTABLISHED, 3);
    table_remove(&w.e->conns, &w.e->conns.tcbs, &w.c->node);
    w.c->node.lport = PEER_ADDR >> 16;
    w.c->node.rport = PEER_ADDR & 0xffff;
    table_insert(&w.e->conns, &w.e->mem, &w.e->conns.tcbs, &w.c->node);
    make_error(UNREACHABLE, 1, 0, w.c->snd.una, 1500);
    message_icmp(&error)[8] = 0x44;
    model_put(message_icmp(&error) + 28, (uint32_t)w.c->snd.una, 4);
    message_finish(&error, 5, 36);
    message_input(w.e, &error);
    assert_int_equal(w.e->counter[RILL_DROP_ICMP_QUOTE], 1);
    tear_down(&w);
}

static void quote__cut_short_anywhere__is_dropped(void **state)
{
    (void)state;
    struct world w;
    set_up(&w, RILL_ESTABLISHED, 3);
    for (uint32_t ihl = 5; ihl <= 15; ihl++) {
        for (uint32_t len = 0; len <= ihl * 4 + 8; len++) {
            uint8_t *quote = error.ip + 20 + 8;
            uint64_t drops = w.e->counter[RILL_DROP_ICMP_QUOTE];
            make_error(UNREACHABLE, 1, 0, w.c->snd.una, 1500);
            memmove(quote + ihl * 4, quote + 20, 8);
            quote[0] = (uint8_t)(0x40 + ihl);
            memset(quote + 20, 1, ihl * 4 - 20);
            message_finish(&error, 5, 8 + len);
            message_input_split(w.e, &error, 20, 20 + (8 + len) / 2);
            assert_int_equal(w.e->counter[RILL_DROP_ICMP_QUOTE] - drops, len < ihl * 4 + 8);
        }
    }
    assert_int_equal(w.e->counter[RILL_SOFT_ERROR], 11);
    tear_down(&w);
}

/* ---- Hard and soft: RFC 9293 3.9.2.2 with RFC 5927 5.2; the numbers are those of Linux' icmp(7) table -- */

static void error__each_type_code_and_state__is_hard_only_for_a_syn(void **state)
{
    (void)state;
    static const struct {
        uint8_t type, code;
        bool hard_for_syn;
        int error;
    } codes[] = {
        {UNREACHABLE, 0, false, ENETUNREACH},   {UNREACHABLE, 1, false, EHOSTUNREACH},
        {UNREACHABLE, 2, true, ENOPROTOOPT},    {UNREACHABLE, 3, true, ECONNREFUSED},
        {UNREACHABLE, 5, false, EOPNOTSUPP},    {UNREACHABLE, 6, false, ENETUNREACH},
        {UNREACHABLE, 7, false, EHOSTDOWN},     {UNREACHABLE, 8, false, ENONET},
        {UNREACHABLE, 9, false, ENETUNREACH},   {UNREACHABLE, 10, false, EHOSTUNREACH},
        {UNREACHABLE, 11, false, ENETUNREACH},  {UNREACHABLE, 12, false, EHOSTUNREACH},
        {UNREACHABLE, 13, false, EHOSTUNREACH}, {UNREACHABLE, 14, false, EHOSTUNREACH},
        {UNREACHABLE, 15, false, EHOSTUNREACH}, {EXCEEDED, 0, false, EHOSTUNREACH},
        {EXCEEDED, 1, false, EHOSTUNREACH},     {PROBLEM, 0, false, EPROTO},
    };
    static const enum rill_tcp_state states[] = {RILL_SYN_SENT,   RILL_SYN_RECEIVED, RILL_ESTABLISHED,
                                                 RILL_FIN_WAIT_1, RILL_CLOSE_WAIT,   RILL_CLOSING,
                                                 RILL_LAST_ACK};
    for (size_t s = 0; s < COUNT_OF(states); s++) {
        for (size_t i = 0; i < COUNT_OF(codes); i++) {
            struct world w;
            set_up(&w, states[s], 1);
            make_error(codes[i].type, codes[i].code, 0, w.c->snd.una, 1500);
            message_input(w.e, &error);
            bool hard = codes[i].hard_for_syn && states[s] == RILL_SYN_SENT;
            assert_int_equal(w.c->state, hard ? RILL_CLOSED : states[s]);
            assert_int_equal(w.c->error, hard ? codes[i].error : 0);
            assert_int_equal(w.c->soft_error, hard ? 0 : codes[i].error);
            assert_int_equal(w.e->counter[RILL_SOFT_ERROR], !hard);
            tear_down(&w);
        }
    }
}

static void error__unknown_code__is_dropped(void **state)
{
    (void)state;
    struct world w;
    set_up(&w, RILL_SYN_SENT, 0);
    for (uint32_t code = 16; code < 256; code++) {
        make_error(UNREACHABLE, (uint8_t)code, 0, w.c->snd.una, 44);
        message_input(w.e, &error);
    }
    assert_int_equal(w.e->counter[RILL_DROP_ICMP_TYPE], 240);
    assert_int_equal(w.c->state, RILL_SYN_SENT);
    tear_down(&w);
}

static void error__for_a_syn_with_another_number__is_dropped(void **state)
{
    (void)state;
    struct world w;
    set_up(&w, RILL_SYN_SENT, 0);
    make_error(UNREACHABLE, 3, 0, w.c->snd.una + 1, 44);
    message_input(w.e, &error);
    make_error(UNREACHABLE, 3, 0, w.c->snd.una - 1, 44);
    message_input(w.e, &error);
    assert_int_equal(w.c->state, RILL_SYN_SENT);
    assert_int_equal(w.e->counter[RILL_DROP_ICMP_QUOTE], 2);
    tear_down(&w);
}

static void error__for_a_syn_without_an_owner__frees_it(void **state)
{
    (void)state;
    struct world w;
    set_up(&w, RILL_SYN_SENT, 0);
    w.c->owner.sock = NULL;
    make_error(UNREACHABLE, 3, 0, w.c->snd.una, 44);
    message_input(w.e, &error);
    bare_end(&w.b); /* nothing is left */
}

/* ---- Path MTU ---- */

/* As RFC 5927 7.3.1: nothing so large has arrived yet, so that the claim is believed at once. */
static void too_big__while_the_path_is_unknown__is_believed_at_once(void **state)
{
    (void)state;
    struct world w;
    set_up(&w, RILL_ESTABLISHED, 3);
    const uint64_t una = w.c->snd.una, nxt = w.c->snd.nxt;
    make_error(UNREACHABLE, 4, 1000, una, 1500);
    message_input(w.e, &error);
    assert_int_equal(w.c->pmtu, 1000);
    assert_int_equal(tcp_eff_mss(w.c), 960);
    assert_int_equal(w.c->cc.smss, 960);
    assert_int_equal(w.c->cc.cwnd, 9600); /* RFC 5681 3.1: as many segments as before */
    assert_int_equal(w.e->counter[RILL_PMTU_LOWERED], 1);
    assert_true(ranges_cover(&w.c->fl->sb.lost, una, nxt)); /* RFC 1191 6.4: to be sent again */
    assert_int_equal(w.c->fl->sb.lost.bytes, nxt - una);
    assert_int_equal(w.c->fl->rtt_pos, 0); /* Karn */
    assert_false(list_empty(&w.c->dirty));
    assert_int_equal(w.c->soft_error, 0);
    /* RFC 5927 7.2: until something is sent in the new size, a second claim is about the past. */
    make_error(UNREACHABLE, 4, 600, una, 1500);
    message_input(w.e, &error);
    assert_int_equal(w.c->pmtu, 1000);
    assert_int_equal(w.e->counter[RILL_DROP_ICMP_QUOTE], 1);
    tear_down(&w);
}

static void too_big__second_of_three_segments__resends_from_there(void **state)
{
    (void)state;
    struct world w;
    set_up(&w, RILL_ESTABLISHED, 3);
    const uint64_t una = w.c->snd.una, nxt = w.c->snd.nxt;
    make_error(UNREACHABLE, 4, 1000, una + TEXT, 1500);
    message_input(w.e, &error);
    assert_false(ranges_touch(&w.c->fl->sb.lost, una, una + TEXT));
    assert_true(ranges_cover(&w.c->fl->sb.lost, una + TEXT, nxt));
    tear_down(&w);
}

static void too_big__that_cannot_be_true__is_dropped(void **state)
{
    (void)state;
    static const struct {
        uint16_t claim, max_sent, pmtu;
    } cases[] = {
        {1501, 1500, 1500},  /* larger than anything sent (RFC 5927 7.2) */
        {1400, 1399, 1500},  /* the same */
        {65535, 1500, 1500}, /* never raises */
        {1500, 1500, 1500},  /* no change */
        {1200, 1500, 1200},  /* no change */
        {1300, 1500, 1200},  /* a message never raises the estimate (RFC 1191 3) */
        {67, 1500, 1500},    /* below what every link takes */
        {1, 1500, 1500},     {600, 68, 1500}, {400, 1500, 552}, /* the floor is reached */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct world w;
        set_up(&w, RILL_ESTABLISHED, 3);
        w.c->max_sent = cases[i].max_sent;
        w.c->pmtu = cases[i].pmtu;
        make_error(UNREACHABLE, 4, cases[i].claim, w.c->snd.una, 1500);
        message_input(w.e, &error);
        assert_int_equal(w.c->pmtu, cases[i].pmtu);
        assert_int_equal(w.c->fl->pending_mtu, 0);
        assert_int_equal(w.c->fl->sb.lost.count, 0);
        assert_int_equal(w.e->counter[RILL_DROP_ICMP_QUOTE], 1);
        tear_down(&w);
    }
}

static void too_big__tiny_claim__goes_down_to_the_floor_only(void **state)
{
    (void)state;
    struct world w;
    set_up(&w, RILL_ESTABLISHED, 3);
    make_error(UNREACHABLE, 4, 68, w.c->snd.una, 1500);
    message_input(w.e, &error);
    assert_int_equal(w.c->pmtu, 552);
    tear_down(&w);
}

/* As RFC 5927 7.3.2 and 7.3.4: the size has arrived before, so that the claim has to wait. */
static void too_big__below_what_has_arrived__waits_for_the_timer(void **state)
{
    (void)state;
    struct world w;
    set_up(&w, RILL_ESTABLISHED, 3);
    w.c->max_acked = 1500;
    make_error(UNREACHABLE, 4, 1492, w.c->snd.una, 1500);
    message_input(w.e, &error);
    assert_int_equal(w.c->pmtu, 1500);
    assert_int_equal(w.c->fl->sb.lost.count, 0);
    assert_int_equal(w.e->counter[RILL_DROP_ICMP_QUOTE], 0);
    tcp_pmtu_timed_out(w.e, w.c);
    assert_int_equal(w.c->pmtu, 1492);
    assert_int_equal(w.c->cc.smss, 1452);
    assert_int_equal(w.c->max_acked, 1492);
    assert_int_equal(w.c->max_sent, 68);
    assert_int_equal(w.e->counter[RILL_PMTU_LOWERED], 1);
    assert_int_equal(w.c->fl->pending_mtu, 0);
    tcp_pmtu_timed_out(w.e, w.c); /* once */
    assert_int_equal(w.e->counter[RILL_PMTU_LOWERED], 1);
    tear_down(&w);
}

static void too_big__segment_then_acknowledged__was_a_lie(void **state)
{
    (void)state;
    struct world w;
    set_up(&w, RILL_ESTABLISHED, 3);
    w.c->max_acked = 1500;
    make_error(UNREACHABLE, 4, 576, w.c->snd.una + TEXT, 1500);
    message_input(w.e, &error);
    w.c->snd.una += TEXT; /* the one before it arrived: says nothing */
    tcp_pmtu_acked(w.e, w.c, TEXT);
    assert_int_equal(w.c->fl->pending_mtu, 576);
    w.c->snd.una += TEXT;
    tcp_pmtu_acked(w.e, w.c, TEXT);
    assert_int_equal(w.c->fl->pending_mtu, 0);
    tcp_pmtu_timed_out(w.e, w.c);
    assert_int_equal(w.c->pmtu, 1500);
    tear_down(&w);
}

static void acked__size__is_at_most_what_was_sent(void **state)
{
    (void)state;
    struct world w;
    set_up(&w, RILL_ESTABLISHED, 3);
    w.c->max_sent = 1000;
    w.c->max_acked = 68;
    tcp_pmtu_acked(w.e, w.c, 100);
    assert_int_equal(w.c->max_acked, 140); /* RFC 5927 7.3.5: 100 bytes are a datagram of 140 */
    tcp_pmtu_acked(w.e, w.c, 50);
    assert_int_equal(w.c->max_acked, 140);
    tcp_pmtu_acked(w.e, w.c, 5 * TEXT);
    assert_int_equal(w.c->max_acked, 1000);
    tear_down(&w);
}

/* RFC 1191 5, table 7-1. */
static void too_big__router_names_no_mtu__goes_to_the_next_plateau(void **state)
{
    (void)state;
    static const struct {
        uint16_t pmtu, total_len, plateau;
    } cases[] = {
        {1500, 1500, 1006}, /* perhaps a router of 4.2BSD, which adds the header: 4 * 5 octets are 1480 */
        {1500, 1512, 1006}, /* 1492 is not less than itself */
        {1500, 1513, 1492},   {1500, 1520, 1492}, /* what such a router says of our 1500 */
        {1500, 1499, 1492},                       /* less than the estimate: taken as it is */
        {1500, 1493, 1492},   {1500, 1492, 1006},    {1500, 1006, 508},     {1500, 508, 296},
        {1500, 296, 68},      {65535, 65535, 32000}, {65535, 65534, 32000}, {65535, 32000, 17914},
        {65535, 17914, 8166}, {65535, 8166, 4352},   {65535, 4352, 2002},   {65535, 2002, 1492},
        {1500, 60, 68},
    };
    struct world w;
    set_up(&w, RILL_ESTABLISHED, 3);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        w.c->pmtu = cases[i].pmtu;
        assert_int_equal(tcp_pmtu_plateau(w.c, cases[i].total_len, 20), cases[i].plateau);
    }
    w.c->pmtu = 1500;
    make_error(UNREACHABLE, 4, 0, w.c->snd.una, 1500);
    message_input(w.e, &error);
    assert_int_equal(w.c->pmtu, 1006);
    tear_down(&w);
}

static void too_big__device_with_a_smaller_mtu_than_the_floor__stays_there(void **state)
{
    (void)state;
    struct world w;
    set_up(&w, RILL_ESTABLISHED, 3);
    w.e->config.mtu = 296;
    w.c->pmtu = 296;
    w.c->max_sent = 296;
    make_error(UNREACHABLE, 4, 100, w.c->snd.una, 296);
    message_input(w.e, &error);
    assert_int_equal(w.c->pmtu, 296);
    tear_down(&w);
}

static void too_big__without_memory__lowers_and_marks_all_the_same(void **state)
{
    (void)state;
    struct world w;
    set_up(&w, RILL_ESTABLISHED, 3);
    w.b.heap.fail_all = true;
    make_error(UNREACHABLE, 4, 1000, w.c->snd.una, 1500);
    message_input(w.e, &error);
    assert_int_equal(w.c->pmtu, 1000);
    assert_int_equal(w.c->fl->sb.lost.bytes, 3 * TEXT);
    tear_down(&w);
}

/* Any error message with a quote of ours, thousands of them: nothing but the known effects. */
static void error__random_ones__keep_the_connection_sound(void **state)
{
    (void)state;
    struct prng prng = prng_seed(7);
    struct world w;
    set_up(&w, RILL_ESTABLISHED, 3);
    for (int i = 0; i < 50000; i++) {
        static const uint8_t types[] = {UNREACHABLE, EXCEEDED, PROBLEM};
        uint16_t before = w.c->pmtu;
        uint64_t code = prng_chance(&prng, 30) ? 4 : prng_below(&prng, 18);
        uint64_t mtu = prng_chance(&prng, 90) ? prng_below(&prng, 1600) : prng_below(&prng, 65536);
        make_error(types[prng_below(&prng, 3)], (uint8_t)code, (uint16_t)mtu,
                   w.c->snd.una - 10 + prng_below(&prng, 3 * TEXT + 20), (uint32_t)prng_below(&prng, 3000));
        if (prng_chance(&prng, 30))
            message_icmp(&error)[8 + prng_below(&prng, 28)] ^= (uint8_t)prng_u32(&prng);
        message_finish(&error, 5, 8 + (prng_chance(&prng, 70) ? 28 : (uint32_t)prng_below(&prng, 29)));
        w.c->max_sent = (uint16_t)prng_between(&prng, 68, 1500);
        w.c->max_acked = (uint16_t)prng_between(&prng, 68, 1500);
        message_input(w.e, &error);
        if (prng_chance(&prng, 10))
            tcp_pmtu_timed_out(w.e, w.c);
        assert_int_equal(w.c->state, RILL_ESTABLISHED);
        assert_in_range(w.c->pmtu, 552, before);
        assert_true(w.c->cc.cwnd >= w.c->cc.smss && w.c->cc.smss == tcp_eff_mss(w.c));
        assert_true(ranges_sound(&w.c->fl->sb.lost));
        if (prng_chance(&prng, 5)) {
            w.c->pmtu = 1500;
            w.c->cc.smss = 1460;
            w.c->cc.cwnd = 14600;
        }
        no_answer(w.e);
    }
    assert_true(w.e->counter[RILL_PMTU_LOWERED] > 100);
    tear_down(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quote__sequence_number_not_in_flight__is_dropped),
        cmocka_unit_test(quote__nothing_in_flight__is_dropped),
        cmocka_unit_test(quote__of_another_connection_or_a_lie__is_dropped),
        cmocka_unit_test(quote__header_shorter_than_20_bytes__is_not_read_past),
        cmocka_unit_test(quote__cut_short_anywhere__is_dropped),
        cmocka_unit_test(error__each_type_code_and_state__is_hard_only_for_a_syn),
        cmocka_unit_test(error__unknown_code__is_dropped),
        cmocka_unit_test(error__for_a_syn_with_another_number__is_dropped),
        cmocka_unit_test(error__for_a_syn_without_an_owner__frees_it),
        cmocka_unit_test(too_big__while_the_path_is_unknown__is_believed_at_once),
        cmocka_unit_test(too_big__second_of_three_segments__resends_from_there),
        cmocka_unit_test(too_big__that_cannot_be_true__is_dropped),
        cmocka_unit_test(too_big__tiny_claim__goes_down_to_the_floor_only),
        cmocka_unit_test(too_big__below_what_has_arrived__waits_for_the_timer),
        cmocka_unit_test(too_big__segment_then_acknowledged__was_a_lie),
        cmocka_unit_test(acked__size__is_at_most_what_was_sent),
        cmocka_unit_test(too_big__router_names_no_mtu__goes_to_the_next_plateau),
        cmocka_unit_test(too_big__device_with_a_smaller_mtu_than_the_floor__stays_there),
        cmocka_unit_test(too_big__without_memory__lowers_and_marks_all_the_same),
        cmocka_unit_test(error__random_ones__keep_the_connection_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
