/* test_closed.c - segments and calls for connections that do not exist.  RFC 9293 3.5.2 group
 * 1, 3.10.1, 3.10.7.1. */
#include "script.h"

/* "If the ACK bit is off: <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>", and SEG.LEN counts SYN and FIN. */
static void closed__segment_without_ack__gets_rst_ack_of_its_length(void **state)
{
    const struct {
        const char *in;
        int ack;
    } rows[] = {
        {"S 0:0(0) <mss 1460>", 1}, {"S 0:100(100)", 101},        {"SF 0:0(0)", 2},
        {"SF 0:100(100)", 102},     {"- 50:50(0)", 50},           {"P 50:60(10)", 60},
        {"F 50:50(0)", 51},         {"FP 50:60(10)", 61},         {"U 50:60(10) urg 5", 60},
        {"S -1:-1(0)", 0},          {"SPUEC 0:1460(1460)", 1461},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig *t = rig_closed(NULL);
        in(t, "%s", rows[i].in);
        out(t, "R. =0:=0(0) ack %d win 0", rows[i].ack);
        expect_counted(t, RILL_DROP_CLOSED, 1);
        rig_end(t);
    }
}

/* "If the ACK bit is on: <SEQ=SEG.ACK><CTL=RST>" */
static void closed__segment_with_ack__gets_rst_at_its_ack(void **state)
{
    const char *const lines[] = {". 5:5(0) ack 100",   "S. 0:0(0) ack 100",
                                 "F. 5:5(0) ack 100",  "P. 5:1465(1460) ack 100",
                                 "SF. 0:0(0) ack 100", "FPU. 5:6(1) ack 100 urg 1"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct rig *t = rig_closed(NULL);
        in(t, "%s", lines[i]);
        out(t, "R 100:100(0) win 0");
        rig_end(t);
    }
}

static void closed__rst__is_discarded(void **state)
{
    const char *const lines[] = {"R 0:0(0)", "R. 0:0(0) ack 1", "SR 0:0(0)", "R 0:10(10)",
                                 "RF. 0:0(0) ack 7"};
    struct rig *t = rig_closed(NULL);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        in(t, "%s", lines[i]);
        out_none(t);
    }
    expect_counted(t, RILL_DROP_CLOSED, COUNT_OF(lines));
    expect_counted(t, RILL_RST_OUT, 0);
    rig_end(t);
}

/* A port that is bound but does not listen is no better than one that is not. */
static void closed__bound_port_that_does_not_listen__gets_rst(void **state)
{
    struct rig *t = rig_closed(NULL);
    (void)state;
    engine_now(t->e, t->now_us);
    assert_int_equal(port_bind(t->e, t, 0, RIG_PORT, false, &t->port), 0);
    in(t, "S 0:0(0)");
    out(t, "R. =0:=0(0) ack 1");
    rig_end(t);
}

/* MUST-3: "silently": the answer to a damaged segment would go to who knows whom. */
static void closed__bad_checksum__gets_no_answer(void **state)
{
    static struct datagram d = {.src = RIG_PEER_ADDR,
                                .dst = RIG_OUR_ADDR,
                                .sport = 1000,
                                .dport = 7,
                                .seq = 1,
                                .flags = RILL_SYN,
                                .ttl = 64};
    static uint8_t data[64];
    struct rig *t = rig_closed(NULL);
    uint32_t len = datagram_build(&d, data);
    (void)state;
    for (unsigned int bit = 8 * 20; bit < 8 * len; bit++) {
        struct rill_packet packet = {.head = {data, len}};
        struct rill_packet answer;
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        (void)rill_input(t->e, &packet, t->now_us);
        assert_false(rill_output(t->e, &answer, t->now_us));
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(rill_counter(t->e, RILL_SEG_IN), 0);
    rig_end(t);
}

/* A scanner must not make us send more than so much; honest clients do not notice. */
static void closed__flood__is_answered_within_the_rate_limit(void **state)
{
    struct rig *t = rig_closed(NULL);
    uint64_t sent, limited;
    (void)state;
    for (int i = 0; i < 2000; i++) {
        in_batch(t, "S %d:%d(0)", i, i);
        let_pass(t, 1);
    }
    sent = rill_counter(t->e, RILL_SEG_OUT);
    limited = rill_counter(t->e, RILL_RST_LIMITED);
    assert_true(sent >= 200 && sent < 250);
    assert_int_equal(sent + limited, 2000);
    let_pass(t, 1 * SEC);
    in(t, "S 0:0(0)");
    out(t, "R. =0:=0(0) ack 1");
    rig_end(t);
}

/* ---- OPEN ---------------------------------------------------------------------------------------------- */

/* "A SYN segment of the form <SEQ=ISS><CTL=SYN> is sent.  ...enter SYN-SENT": with MSS (MUST-14, MUST-67) and
 * window scale (RFC 7323 2.2: window not scaled). */
static void closed__active_open__sends_syn(void **state)
{
    struct rig *t = rig_closed(NULL);
    (void)state;
    assert_int_equal(app_connect(t, 0), 0);
    out(t, "S 0:0(0) win 65535 <mss 1460,nop,wscale 0>");
    expect_state(t, RILL_SYN_SENT);
    rig_end(t);
    t = rig_closed(&(struct rig_setup){.mtu = 576, .rcvbuf_bytes = 1 << 20});
    assert_int_equal(app_connect(t, 0), 0);
    out(t, "S 0:0(0) win 65535 <mss 536,nop,wscale 5>");
    rig_end(t);
    t = rig_closed(&(struct rig_setup){.rcvbuf_bytes = 4096});
    assert_int_equal(app_connect(t, 0), 0);
    out(t, "S 0:0(0) win 4096 <mss 1460,nop,wscale 0>");
    rig_end(t);
}

/* MUST-46: "reject as an error a local OPEN call for an invalid remote IP address". */
static void closed__active_open_to_no_host__is_refused(void **state)
{
    const uint32_t addrs[] = {0,          0xffffffff, 0x0a4d00ff /* our net's broadcast */, 0xe0000001,
                              0xf0000001, 0x7f000001, 0x0a4d0000 /* our net itself */,      RIG_OUR_ADDR};
    struct rig *t = rig_closed(NULL);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(addrs); i++) {
        struct tcb *c = NULL;
        engine_now(t->e, t->now_us);
        assert_int_equal(tcp_open_active(t->e, &t->opts, addrs[i], 7, 0, &c), -ENETUNREACH);
        assert_null(c);
    }
    out_none(t);
    rig_end(t);
}

/* "error: connection already exists" */
static void closed__second_open_of_a_tuple__is_refused(void **state)
{
    struct rig *(*const make[])(const struct rig_setup *) = {rig_syn_sent, rig_connected, rig_syn_crossed};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(make); i++) {
        struct rig *t = make[i](NULL);
        struct tcb *c = NULL;
        engine_now(t->e, t->now_us);
        assert_int_equal(tcp_open_active(t->e, &t->opts, RIG_PEER_ADDR, RIG_PORT, RIG_CLIENT, &c),
                         -EADDRNOTAVAIL);
        out_none(t);
        rig_end(t);
    }
}

/* "error: insufficient resources" */
static void closed__open_without_memory__is_refused_and_leaves_nothing(void **state)
{
    bool opened = false;
    (void)state;
    for (uint64_t nth = 1; !opened && nth < 20; nth++) {
        struct rig *t = rig_closed(NULL);
        size_t before = t->heap.live_blocks;
        int result;
        t->heap.fail_nth = nth;
        result = app_connect(t, 0);
        opened = result == 0 && t->heap.fail_nth != 0;
        if (result == 0) {
            out(t, "S 0:0(0) <*>");
        } else {
            assert_int_equal(result, -ENOBUFS);
            out_none(t);
            assert_true(t->heap.live_blocks <= before + 1); /* the heap of deadlines may have grown */
        }
        t->heap.fail_nth = 0;
        rig_end(t);
    }
    assert_true(opened);
}

static void one_connection(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->max_conns = 1;
}

static void closed__open_beyond_max_conns__is_refused(void **state)
{
    struct rig *t = rig_closed(&(struct rig_setup){.edit = one_connection});
    (void)state;
    assert_int_equal(app_connect(t, 0), 0);
    out(t, "S 0:0(0) <*>");
    assert_int_equal(app_connect(t, 1), -ENOBUFS);
    app_close(t);
    assert_int_equal(app_connect(t, 1), 0);
    out(t, "@1 S 0:0(0) <*>");
    rig_end(t);
}

/* ---- Ephemeral ports: RFC 6056 ------------------------------------------------------------------------- */

static uint16_t open_somewhere(struct rig *t, struct tcb **c)
{
    engine_now(t->e, t->now_us);
    assert_int_equal(tcp_open_active(t->e, &t->opts, RIG_PEER_ADDR, RIG_PORT, 0, c), 0);
    return (*c)->node.lport;
}

/* RFC 6056 3.1, 3.2: from 1024 up, never one that is bound, never a tuple that exists. */
static void closed__ephemeral_ports__are_free_and_all_different(void **state)
{
    static bool seen[65536];
    static struct tcb *c[2000];
    struct rig *t = rig_closed(NULL);
    (void)state;
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < COUNT_OF(c); i++) {
        uint16_t port = open_somewhere(t, &c[i]);
        assert_true(port >= 1024);
        assert_false(seen[port]);
        seen[port] = true;
        c[i]->owner.sock = t;
    }
    for (size_t i = 0; i < COUNT_OF(c); i++)
        tcp_close(t->e, c[i], true);
    rig_end(t);
}

static void closed__ephemeral_ports__pass_over_bound_ones(void **state)
{
    struct rig *t = rig_closed(NULL);
    struct tcb *c;
    uint16_t next;
    (void)state;
    next = open_somewhere(t, &c); /* algorithm 3 counts on from here to the same destination */
    tcp_close(t->e, c, true);
    for (uint16_t k = 1; k <= 10; k++) {
        struct port *port;
        assert_int_equal(port_bind(t->e, t, 0, (uint16_t)(next + k), false, &port), 0);
    }
    assert_int_equal(open_somewhere(t, &c), next + 11);
    tcp_close(t->e, c, true);
    rig_end(t);
}

/* RFC 6056 3.3.3: to somebody who does not know the key, where the counting starts is random. */
static void closed__ephemeral_ports__differ_with_the_secret(void **state)
{
    static bool seen[65536];
    int same = 0;
    (void)state;
    memset(seen, 0, sizeof seen);
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct rig *t = rig_closed(&(struct rig_setup){.seed = seed});
        struct tcb *c;
        uint16_t port = open_somewhere(t, &c);
        same += seen[port] ? 1 : 0;
        seen[port] = true;
        tcp_close(t->e, c, true);
        rig_end(t);
    }
    assert_true(same <= 5); /* 200 draws from 28232: 0.7 are expected, more than 5 once in 10000 times */
}

/* The tuples of records exist as much as those of TCBs. */
static void closed__open_of_a_records_tuple__is_refused(void **state)
{
    struct rig *(*const make[])(const struct rig_setup *) = {rig_syn_received, rig_established,
                                                             rig_time_wait_record};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(make); i++) {
        struct rig *t = make[i](NULL);
        struct tcb *c = NULL;
        engine_now(t->e, t->now_us);
        assert_int_equal(tcp_open_active(t->e, &t->opts, RIG_PEER_ADDR, RIG_CLIENT, RIG_PORT, &c),
                         -EADDRNOTAVAIL);
        out_none(t);
        rig_end(t);
    }
}

static void edit_maxseg(struct rill_config *config, struct tcp_opts *opts)
{
    (void)config;
    opts->maxseg = 500;
}

/* TCP_MAXSEG bounds what is announced and what is sent. */
static void closed__open_with_a_smaller_mss__announces_and_keeps_it(void **state)
{
    struct rig *t = rig_closed(&(struct rig_setup){.edit = edit_maxseg});
    (void)state;
    assert_int_equal(app_connect(t, 0), 0);
    out(t, "S 0:0(0) <mss 500,nop,wscale 0>");
    in(t, "S. 0:0(0) ack 1 <mss 1460>");
    out(t, ". 1:1(0) ack 1");
    app_write(t, 1000);
    out(t, ". 1:501(500) ack 1");
    out(t, "P. 501:1001(500) ack 1");
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed__segment_without_ack__gets_rst_ack_of_its_length),
        cmocka_unit_test(closed__segment_with_ack__gets_rst_at_its_ack),
        cmocka_unit_test(closed__rst__is_discarded),
        cmocka_unit_test(closed__bound_port_that_does_not_listen__gets_rst),
        cmocka_unit_test(closed__bad_checksum__gets_no_answer),
        cmocka_unit_test(closed__flood__is_answered_within_the_rate_limit),
        cmocka_unit_test(closed__active_open__sends_syn),
        cmocka_unit_test(closed__active_open_to_no_host__is_refused),
        cmocka_unit_test(closed__second_open_of_a_tuple__is_refused),
        cmocka_unit_test(closed__open_without_memory__is_refused_and_leaves_nothing),
        cmocka_unit_test(closed__open_beyond_max_conns__is_refused),
        cmocka_unit_test(closed__ephemeral_ports__are_free_and_all_different),
        cmocka_unit_test(closed__ephemeral_ports__pass_over_bound_ones),
        cmocka_unit_test(closed__ephemeral_ports__differ_with_the_secret),
        cmocka_unit_test(closed__open_of_a_records_tuple__is_refused),
        cmocka_unit_test(closed__open_with_a_smaller_mss__announces_and_keeps_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
