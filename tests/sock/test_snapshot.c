/* test_snapshot.c - what rill_snapshot tells about connections, listeners and records: the two ends against
 * each other, and against what the test has sent, lost and waited for. */
#include "sock_help.h"

#define RTT_US 100u /* twice the latency of the pair */

enum { ROOM = 16 };

struct view {
    struct rill_connection list[ROOM];
    uint32_t count;
};

static struct view look(struct sock_test *t, int side)
{
    struct view view;
    memset(&view, 0x5a, sizeof view); /* what is not written is seen */
    view.count = rill_snapshot(t->pair.side[side].engine, view.list, ROOM, t->pair.now_us);
    assert_true(view.count <= ROOM);
    return view;
}

/* The only one of the side in that state. */
static struct rill_connection the_only(struct sock_test *t, int side, enum rill_tcp_state state)
{
    struct view view = look(t, side);
    struct rill_connection found = {0};
    int count = 0;
    for (uint32_t i = 0; i < view.count; i++) {
        if (view.list[i].state == state) {
            found = view.list[i];
            count++;
        }
    }
    assert_int_equal(count, 1);
    return found;
}

static void lose_all(void *ctx, struct pair *pair, int from, struct pair_packet *packet)
{
    (void)pair;
    if (from == *(int *)ctx)
        packet->copies = 0;
}

/* From now on what this side sends is lost; -1: nothing. */
static void lose_from(struct sock_test *t, int side)
{
    static int from;
    from = side;
    t->pair.hook = side >= 0 ? lose_all : NULL;
    t->pair.hook_ctx = &from;
}

static void nothing__is_an_empty_list(void **state) { assert_int_equal(look(*state, 0).count, 0); }

static void listener__shows_its_bound_and_who_waits(void **state)
{
    struct sock_test *t = *state;
    struct rill_connection l = the_only(t, 1, RILL_LISTEN);
    assert_int_equal(l.laddr, 0);
    assert_int_equal(l.lport, PORT);
    assert_int_equal(l.raddr, 0);
    assert_int_equal(l.rport, 0);
    assert_int_equal(l.backlog, 100);
    assert_int_equal(l.waiting, 0);
    assert_true(l.timer_left_us == RILL_NEVER);
    for (int i = 0; i < 3; i++)
        assert_int_equal(connect_listener(t, tcp_socket(t)), -EINPROGRESS);
    run_ms(t, 10);
    assert_int_equal(the_only(t, 1, RILL_LISTEN).waiting, 3);
    assert_int_equal(look(t, 1).count, 4);
    assert_true(sock_accept(t->them, t->listener, NULL, NULL, 0) >= 0);
    assert_int_equal(the_only(t, 1, RILL_LISTEN).waiting, 2);
}

static void bound_port__that_does_not_listen__is_not_shown(void **state)
{
    struct sock_test *t = *state;
    assert_int_equal(bind_to(t->us, tcp_socket(t), INADDR_ANY, 5), 0);
    assert_int_equal(look(t, 0).count, 0);
}

/* Each end's numbers are the other's, mirrored, and both are what was done. */
static void established__both_ends_agree(void **state)
{
    struct sock_test *t = *state;
    static uint8_t data[10000];
    int theirs, s = connected(t, &theirs);
    assert_int_equal(send_to(t->us, s, data, sizeof data, 0), sizeof data);
    run_ms(t, 100);
    assert_int_equal(recv_from(t->them, theirs, data, 4000, 0), 4000);
    assert_int_equal(send_to(t->them, theirs, data, 77, 0), 77);
    run_ms(t, 100);
    struct rill_connection a = the_only(t, 0, RILL_ESTABLISHED), b = the_only(t, 1, RILL_ESTABLISHED);
    assert_int_equal(a.laddr, PAIR_ADDR(0));
    assert_int_equal(a.raddr, PAIR_ADDR(1));
    assert_int_equal(a.lport, local_port(t->us, s));
    assert_int_equal(a.rport, PORT);
    assert_int_equal(b.laddr, a.raddr);
    assert_int_equal(b.raddr, a.laddr);
    assert_int_equal(b.lport, a.rport);
    assert_int_equal(b.rport, a.lport);
    assert_int_equal(a.bytes_acked, 10000);
    assert_int_equal(b.bytes_received, 10000);
    assert_int_equal(b.bytes_acked, 77);
    assert_int_equal(a.bytes_received, 77);
    assert_int_equal(b.numbers.unread, 6000);
    assert_int_equal(a.numbers.unread, 77);
    assert_int_equal(a.numbers.flight, 0);
    assert_int_equal(a.numbers.unsent, 0);
    assert_int_equal(a.numbers.snd_wnd, b.numbers.rcv_wnd);
    assert_int_equal(a.snd_wscale, b.rcv_wscale);
    assert_int_equal(a.rcv_wscale, b.snd_wscale);
    assert_int_equal(a.snd_mss, 1448); /* RFC 9293 3.7.1 with an MTU of 1500 and timestamps */
    assert_int_equal(b.rcv_mss, 1448);
    assert_int_equal(a.numbers.srtt_us, RTT_US);
    assert_int_equal(a.numbers.rto_us, 200000);
    assert_int_equal(a.sndbuf, 256 * 1024);
    assert_int_equal(a.rcvbuf, 256 * 1024);
    assert_int_equal(a.timeouts, 0);
    assert_true(a.timer_left_us == RILL_NEVER); /* all is acknowledged */
}

static void window_scale__not_agreed__is_0(void **state)
{
    struct sock_test *t = *state;
    int s = tcp_socket(t);
    assert_int_equal(connect_to(t->us, s, 0x0a4d0009, PORT), -EINPROGRESS); /* nobody answers */
    run_ms(t, 1);
    assert_int_equal(the_only(t, 0, RILL_SYN_SENT).rcv_wscale, 0);
}

/* RFC 6298 5.5: the timer is doubled each time. */
static void lost_data__shows_flight_timer_and_timeouts(void **state)
{
    struct sock_test *t = *state;
    int theirs, s = connected(t, &theirs);
    lose_from(t, 0);
    assert_int_equal(send_to(t->us, s, "abcdefg", 7, 0), 7);
    run_ms(t, 50);
    struct rill_connection c = the_only(t, 0, RILL_ESTABLISHED);
    assert_int_equal(c.numbers.flight, 7);
    assert_int_equal(c.bytes_acked, 0);
    assert_int_equal(c.timer, RILL_TIMER_XMIT);
    assert_int_equal(c.timer_left_us, 150000);
    assert_int_equal(c.timeouts, 0);
    run_ms(t, 200);
    c = the_only(t, 0, RILL_ESTABLISHED);
    assert_int_equal(c.timeouts, 1);
    assert_int_equal(c.numbers.rto_us, 400000);
    assert_int_equal(c.timer_left_us, 350000);
    run_ms(t, 400);
    assert_int_equal(the_only(t, 0, RILL_ESTABLISHED).timeouts, 2);
    lose_from(t, -1);
    run_ms(t, 2000);
    c = the_only(t, 0, RILL_ESTABLISHED);
    assert_int_equal(c.timeouts, 0);
    assert_int_equal(c.bytes_acked, 7);
}

/* The delayed ACK is due before everything else. */
static void delayed_ack__is_the_first_timer(void **state)
{
    struct sock_test *t = *state;
    int theirs, s = connected(t, &theirs);
    assert_int_equal(send_to(t->us, s, "a", 1, 0), 1);
    run_ms(t, 10);
    struct rill_connection c = the_only(t, 1, RILL_ESTABLISHED);
    assert_int_equal(c.timer, RILL_TIMER_DELACK);
    assert_int_equal(c.timer_left_us, 30050); /* of 40 ms, since 9.95 ms ago */
}

/* RFC 6298 2.1: one second before any sample, for the SYN and for what answers it. */
static void handshake__that_hangs__is_a_record_on_one_side_and_syn_sent_on_the_other(void **state)
{
    struct sock_test *t = *state;
    lose_from(t, 1);
    assert_int_equal(connect_listener(t, tcp_socket(t)), -EINPROGRESS);
    run_ms(t, 400);
    struct rill_connection syn = the_only(t, 0, RILL_SYN_SENT), half = the_only(t, 1, RILL_SYN_RECEIVED);
    assert_int_equal(syn.timer, RILL_TIMER_XMIT);
    assert_int_equal(syn.timer_left_us, 600000);
    assert_int_equal(syn.timeouts, 0);
    assert_int_equal(syn.bytes_acked, 0);
    assert_int_equal(syn.bytes_received, 0);
    assert_int_equal(half.raddr, PAIR_ADDR(0));
    assert_int_equal(half.rport, syn.lport);
    assert_int_equal(half.lport, PORT);
    assert_int_equal(half.timer, RILL_TIMER_XMIT);
    assert_int_equal(half.timer_left_us, 600050); /* it began when the SYN had arrived */
    assert_int_equal(half.numbers.rto_us, 1000000);
    assert_int_equal(half.snd_mss, 1460);
    assert_int_equal(half.timeouts, 0);
    run_ms(t, 1000);
    assert_int_equal(the_only(t, 0, RILL_SYN_SENT).timeouts, 1);
}

/* A record answers by its own timer as well: the peer is silent here after one SYN. */
static void half_open_record__counts_its_timeouts(void **state)
{
    struct sock_test *t = *state;
    lose_from(t, 1);
    assert_int_equal(connect_listener(t, tcp_socket(t)), -EINPROGRESS);
    run_ms(t, 500);
    static int both = 0;
    t->pair.hook_ctx = &both; /* now the SYNs are lost */
    run_ms(t, 1000);
    struct rill_connection half = the_only(t, 1, RILL_SYN_RECEIVED);
    assert_int_equal(half.timeouts, 1);
    assert_int_equal(half.numbers.rto_us, 2000000);
}

/* RFC 9293 3.6: FIN is no byte.  The record of TIME-WAIT has two MSL of 30 s. */
static void closing__shows_its_states_and_the_record(void **state)
{
    struct sock_test *t = *state;
    int theirs, s = connected(t, &theirs);
    assert_int_equal(send_to(t->us, s, "abc", 3, 0), 3);
    assert_int_equal(sock_shutdown(t->us, s, SHUT_WR), 0);
    run_ms(t, 100);
    assert_int_equal(the_only(t, 0, RILL_FIN_WAIT_2).bytes_acked, 3);
    assert_int_equal(the_only(t, 1, RILL_CLOSE_WAIT).bytes_received, 3);
    assert_int_equal(the_only(t, 1, RILL_CLOSE_WAIT).numbers.unread, 3);
    uint16_t port = local_port(t->us, s);
    assert_int_equal(sock_close(t->us, s), 0);
    char three[3];
    assert_int_equal(recv_from(t->them, theirs, three, 3, 0), 3);
    assert_int_equal(sock_close(t->them, theirs), 0);
    run_ms(t, 1000);
    struct rill_connection wait = the_only(t, 0, RILL_TIME_WAIT);
    assert_int_equal(wait.lport, port);
    assert_int_equal(wait.rport, PORT);
    assert_int_equal(wait.raddr, PAIR_ADDR(1));
    assert_int_equal(wait.timer, RILL_TIMER_LINGER);
    assert_true(wait.timer_left_us > 58900 * MSEC && wait.timer_left_us <= 59010 * MSEC);
    assert_int_equal(look(t, 0).count, 1);
    assert_int_equal(look(t, 1).count, 1); /* the listener: LAST-ACK is over */
    run_ms(t, 60000);
    assert_int_equal(look(t, 0).count, 0);
}

static void room__too_small__is_not_exceeded_and_all_are_counted(void **state)
{
    struct sock_test *t = *state;
    struct rill_connection list[3];
    for (int i = 0; i < 4; i++)
        assert_int_equal(connect_listener(t, tcp_socket(t)), -EINPROGRESS);
    run_ms(t, 10);
    memset(list, 0x5a, sizeof list);
    assert_int_equal(rill_snapshot(t->pair.side[0].engine, list, 2, t->pair.now_us), 4);
    assert_int_equal(list[1].state, RILL_ESTABLISHED);
    assert_int_equal(list[2].lport, 0x5a5a);
    assert_int_equal(rill_snapshot(t->pair.side[0].engine, NULL, 0, t->pair.now_us), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOCK_TEST(nothing__is_an_empty_list),
        SOCK_TEST(listener__shows_its_bound_and_who_waits),
        SOCK_TEST(bound_port__that_does_not_listen__is_not_shown),
        SOCK_TEST(established__both_ends_agree),
        SOCK_TEST(window_scale__not_agreed__is_0),
        SOCK_TEST(lost_data__shows_flight_timer_and_timeouts),
        SOCK_TEST(delayed_ack__is_the_first_timer),
        SOCK_TEST(handshake__that_hangs__is_a_record_on_one_side_and_syn_sent_on_the_other),
        SOCK_TEST(half_open_record__counts_its_timeouts),
        SOCK_TEST(closing__shows_its_states_and_the_record),
        SOCK_TEST(room__too_small__is_not_exceeded_and_all_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
