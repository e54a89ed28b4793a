/* test_memory.c - running out of memory is an answer: a segment is dropped as if it had been lost, a call
 * says so, or a connection ends; nothing leaks, nothing breaks, and what there was goes on. */
#include "pair.h"
#include "prng.h"
#include "sending.h"

#include <netinet/in.h>

/* ---- A whole conversation, with losses, over sockets --------------------------------------------------- */

#define TALK_BYTES 40000u
#define TICK (5 * MS)
#define PATIENCE 300000u /* ticks: more than any timer here takes */

struct party {
    struct socks *socks;
    int listener, s; /* -1: none (yet) */
    uint32_t sent, received;
    bool open, shut, eof; /* open: accepted, or a connect was begun */
    int error;            /* the first that a call has answered, but ENOBUFS and EAGAIN, which are no end */
};

struct talk {
    struct pair pair;
    struct party party[2]; /* 0 connects, 1 listens */
    uint64_t ticks;
};

static uint8_t octet(int from, uint32_t pos) { return pattern(pos, (uint8_t)from); }

/* The third and the twelfth data segment of each side are lost, and the twentieth comes late. */
static void lossy(void *ctx, struct pair *pair, int from, struct pair_packet *packet)
{
    uint64_t *data_segments = ctx;
    if (packet->len < 1000)
        return;
    data_segments[from]++;
    if (data_segments[from] == 3 || data_segments[from] == 12)
        packet->copies = 0;
    if (data_segments[from] == 20)
        packet->at_us = pair->now_us + 20 * MS;
}

/* What a call has said: true if it worked. */
static bool worked(struct party *p, int64_t result)
{
    if (result >= 0)
        return true;
    if (result != -ENOBUFS && result != -EAGAIN && p->error == 0)
        p->error = (int)-result;
    return false;
}

/* A program that tries again as long as it is told that memory is short. */
static void open_side(struct talk *talk, int i)
{
    struct party *p = &talk->party[i];
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(7)};
    int *s = i == 0 ? &p->s : &p->listener;
    if (*s < 0) {
        int made = sock_socket(p->socks, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (made < 0)
            return;
        if (i == 1 && (sock_bind(p->socks, made, (struct sockaddr *)&addr, sizeof addr) != 0 ||
                       sock_listen(p->socks, made, 4) != 0)) {
            (void)sock_close(p->socks, made);
            return;
        }
        *s = made;
    }
    addr.sin_addr.s_addr = htonl(PAIR_ADDR(1));
    if (i == 0)
        p->open = sock_connect(p->socks, p->s, (struct sockaddr *)&addr, sizeof addr) == -EINPROGRESS;
    else
        p->s = sock_accept(p->socks, p->listener, NULL, NULL, SOCK_NONBLOCK);
    p->open = p->open || (i == 1 && p->s >= 0);
}

static void send_some(struct talk *talk, int i)
{
    struct party *p = &talk->party[i];
    uint8_t data[3000];
    struct iovec iov = {data, sizeof data};
    int64_t n;
    if (p->sent == TALK_BYTES) {
        p->shut = p->shut || worked(p, sock_shutdown(p->socks, p->s, SHUT_WR));
        return;
    }
    if (iov.iov_len > TALK_BYTES - p->sent)
        iov.iov_len = TALK_BYTES - p->sent;
    for (uint32_t k = 0; k < iov.iov_len; k++)
        data[k] = octet(i, p->sent + k);
    n = sock_send(p->socks, p->s, &iov, 1, 0);
    if (worked(p, n))
        p->sent += (uint32_t)n;
}

static void receive_some(struct talk *talk, int i)
{
    struct party *p = &talk->party[i];
    uint8_t data[4000];
    struct iovec iov = {data, sizeof data};
    int64_t n = sock_recv(p->socks, p->s, &iov, 1, 0);
    if (!worked(p, n))
        return;
    for (int64_t k = 0; k < n; k++)
        assert_int_equal(data[k], octet(!i, p->received + (uint32_t)k));
    p->received += (uint32_t)n;
    p->eof = p->eof || n == 0;
}

static bool party_done(const struct party *p) { return p->error != 0 || (p->shut && p->eof); }

static void tick(struct talk *talk)
{
    pair_run(&talk->pair, talk->pair.now_us + TICK);
    talk->ticks++;
    for (int i = 0; i < 2; i++) {
        struct party *p = &talk->party[i];
        if (party_done(p))
            continue;
        if (!p->open && (i == 1 || talk->party[1].listener >= 0))
            open_side(talk, i);
        if (p->open) {
            send_some(talk, i);
            receive_some(talk, i);
        }
    }
}

static void talk_start(struct talk *talk, uint64_t *data_segments)
{
    memset(talk, 0, sizeof *talk);
    data_segments[0] = data_segments[1] = 0;
    pair_defaults(&talk->pair);
    talk->pair.hook = lossy;
    talk->pair.hook_ctx = data_segments;
    pair_start(&talk->pair);
    for (int i = 0; i < 2; i++)
        talk->party[i] = (struct party){.socks = &talk->pair.side[i].socks, .listener = -1, .s = -1};
}

/* Closes all, waits for what is left of it, and looks for leaks. */
static void talk_stop(struct talk *talk)
{
    for (int i = 0; i < 2; i++) {
        struct party *p = &talk->party[i];
        if (p->s >= 0)
            (void)sock_close(p->socks, p->s);
        if (p->listener >= 0)
            (void)sock_close(p->socks, p->listener);
    }
    pair_run(&talk->pair, talk->pair.now_us + 300 * SEC);
    for (int i = 0; i < 2; i++)
        assert_int_equal(rill_open_connections(talk->pair.side[i].engine), 0);
    pair_stop(&talk->pair);
}

/* Without an error on either side, all of it has arrived. */
static void expect_sound_end(const struct talk *talk)
{
    const struct party *a = &talk->party[0], *b = &talk->party[1];
    if (a->error == 0 && b->error == 0) {
        assert_true(a->eof && b->eof);
        assert_int_equal(a->received, TALK_BYTES);
        assert_int_equal(b->received, TALK_BYTES);
    }
}

/* ---- The n-th allocation fails ------------------------------------------------------------------------- */

/* One refused allocation, whichever it is, costs at most a segment: no connection ends for it. */
static void nth_allocation__fails_once__the_conversation_completes(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        unsigned int n = 0;
        for (bool reached = true; reached; n++) {
            struct talk talk;
            uint64_t data_segments[2];
            talk_start(&talk, data_segments);
            talk.pair.side[side].heap.fail_nth = n + 1;
            while (!(party_done(&talk.party[0]) && party_done(&talk.party[1])) && talk.ticks < PATIENCE)
                tick(&talk);
            reached = talk.pair.side[side].heap.fail_nth == 0;
            if (talk.party[0].error != 0 || talk.party[1].error != 0)
                fail_msg("side %d, allocation %u: errors %d and %d", side, n + 1, talk.party[0].error,
                         talk.party[1].error);
            expect_sound_end(&talk);
            talk_stop(&talk);
        }
        assert_true(n > 10);
    }
}

/* From the n-th on each fails, to the end of the conversation: it may end in any way but a bad one. */
static void nth_allocation__and_all_after_it_fail__nothing_breaks_or_leaks(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        for (unsigned int n = 0; n < 60; n++) {
            struct talk talk;
            uint64_t data_segments[2];
            talk_start(&talk, data_segments);
            talk.pair.side[side].heap.fail_nth = n + 1;
            while (talk.ticks < 1000) {
                tick(&talk);
                if (talk.pair.side[side].heap.fail_nth == 0)
                    talk.pair.side[side].heap.fail_all = true;
            }
            talk.pair.side[side].heap.fail_all = false;
            talk_stop(&talk);
        }
    }
}

/* Memory is short for a second, at any time: then it goes on. */
static void all_allocations__fail_for_a_second__the_conversation_completes(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        for (uint64_t from = 0; from < 100; from++) {
            struct talk talk;
            uint64_t data_segments[2];
            talk_start(&talk, data_segments);
            while (!(party_done(&talk.party[0]) && party_done(&talk.party[1])) && talk.ticks < PATIENCE) {
                talk.pair.side[side].heap.fail_all = talk.ticks >= from && talk.ticks < from + SEC / TICK;
                tick(&talk);
            }
            talk.pair.side[side].heap.fail_all = false;
            expect_sound_end(&talk);
            assert_int_equal(talk.party[0].error, 0);
            assert_int_equal(talk.party[1].error, 0);
            talk_stop(&talk);
        }
    }
}

/* ---- What each refusal does ---------------------------------------------------------------------------- */

static void no_memory__for_an_engine__is_null(void **state)
{
    struct rig *t = rig_closed(NULL);
    struct test_heap heap = {0};
    struct rill_config config = t->config;
    struct rill_engine *e = NULL;
    struct prng prng = prng_seed(1);
    unsigned int n = 0;
    (void)state;
    config.mem_ctx = &heap;
    config.trace = NULL;
    config.entropy_ctx = &prng;
    while (e == NULL) {
        heap.fail_nth = ++n;
        e = rill_engine_new(&config, 0);
        if (e == NULL)
            assert_int_equal(heap.live_blocks, 0);
    }
    assert_true(n > 1);
    rill_engine_free(e);
    assert_int_equal(heap.live_blocks, 0);
    rig_end(t);
}

static void no_memory__for_a_connection__is_told_to_connect(void **state)
{
    (void)state;
    struct rig *t = rig_closed(NULL);
    for (unsigned int n = 1; n < 10; n++) {
        size_t before = t->heap.live_blocks;
        int result;
        t->heap.fail_nth = n;
        result = app_connect(t, 0);
        if (t->heap.fail_nth != 0) {
            t->heap.fail_nth = 0;
            assert_int_equal(result, 0);
            out(t, "S 0:0(0) <*>");
            break;
        }
        assert_int_equal(result, -ENOBUFS);
        out_none(t);
        assert_true(t->heap.live_blocks >= before);
    }
    expect_state(t, RILL_SYN_SENT);
    rig_end(t);
}

/* As if the SYN had been lost: the peer sends it again. */
static void no_memory__for_a_half_open_record__drops_the_syn(void **state)
{
    (void)state;
    struct rig *t = rig_listen(NULL);
    t->heap.fail_all = true;
    in(t, "S 0:0(0) <mss 1460>");
    out_none(t);
    expect_counted(t, RILL_DROP_MEMORY, 1);
    expect_state(t, RILL_LISTEN);
    t->heap.fail_all = false;
    in(t, "S 0:0(0) <mss 1460>");
    out(t, "S. 0:0(0) ack 1 <mss 1460>");
    rig_end(t);
}

/* As if the ACK had been lost: the SYN,ACK is sent again. */
static void no_memory__for_the_completed_connection__keeps_the_record(void **state)
{
    (void)state;
    struct rig *t = rig_syn_received(NULL);
    t->heap.fail_all = true;
    in(t, ". 1:1(0) ack 1");
    out_none(t);
    expect_counted(t, RILL_DROP_MEMORY, 1);
    expect_state(t, RILL_SYN_RECEIVED);
    app_accept_none(t);
    t->heap.fail_all = false;
    out_at(t, 1 * SEC, "S. 0:0(0) ack 1 <*>");
    in(t, ". 1:1(0) ack 1");
    app_accept(t, 0);
    expect_state(t, RILL_ESTABLISHED);
    rig_end(t);
}

/* It must not be acknowledged, or it would be gone. */
static void no_memory__for_received_text__does_not_acknowledge_it(void **state)
{
    (void)state;
    struct rig *t = rig_established(NULL);
    t->heap.fail_all = true;
    in(t, "P. 1:101(100) ack 1");
    advance(t, 1 * SEC);
    expect_counted(t, RILL_DROP_MEMORY, 1);
    expect_readable(t, 0);
    t->heap.fail_all = false;
    in(t, "P. 1:101(100) ack 1");
    out_after(t, 40 * MS, ". 1:1(0) ack 101");
    app_read(t, 100);
    rig_end(t);
}

/* The ring is there, the map of what is out of order is not. */
static void no_memory__for_what_is_out_of_order__forgets_it(void **state)
{
    (void)state;
    struct rig *t = rig_established(NULL);
    in(t, "P. 1:101(100) ack 1");
    out_after(t, 40 * MS, ". 1:1(0) ack 101");
    t->heap.fail_all = true;
    in(t, "P. 201:301(100) ack 1");
    out(t, ". 1:1(0) ack 101");
    expect_counted(t, RILL_DROP_MEMORY, 1);
    t->heap.fail_all = false;
    in(t, "P. 101:201(100) ack 1");
    out_after(t, 40 * MS, ". 1:1(0) ack 201");
    in(t, "P. 201:301(100) ack 1");
    out_after(t, 40 * MS, ". 1:1(0) ack 301");
    app_read(t, 300);
    rig_end(t);
}

static void no_memory__for_what_is_written__is_told(void **state)
{
    (void)state;
    struct rig *t = rig_established(NULL);
    advance(t, 5 * SEC); /* what the handshake needed has been given back */
    for (unsigned int n = 1; n <= 2; n++) {
        t->heap.fail_nth = n;
        assert_int_equal(app_try_write(t, 100), -ENOBUFS);
        out_none(t);
    }
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    t->heap.fail_all = true;
    {
        int32_t took = app_try_write(t, 100000); /* what fits into the ring that is there */
        assert_true(took == -ENOBUFS || (took > 0 && took < 100000));
    }
    t->first = t->queued = 0;
    t->heap.fail_all = false;
    rig_end(t);
}

/* What was sent is sent again, or connections that lose a segment while others hold the memory would stand
 * still. */
static void no_memory__at_all__repairs_losses_without_any(void **state)
{
    (void)state;
    struct rig *t = ten_in_flight(NULL);
    t->heap.fail_all = true;
    for (unsigned int k = 0; k < 2; k++) {
        ack(t, 0);
        out_segments(t, 10 + k, 1);
    }
    ack(t, 0);
    out_segments(t, 0, 1);
    ack(t, 4); /* a partial ACK */
    out_segments(t, 4, 1);
    out_after(t, RTO, ". %u:%u(%u) ack 1", start_of(4), start_of(5), SMSS);
    ack(t, 12);
    out_segments(t, 12, 2);
    out_after(t, 2 * RTO, ". %u:%u(%u) ack 1", start_of(12), start_of(13), SMSS);
    expect_counted(t, RILL_DROP_MEMORY, 0);
    t->heap.fail_all = false;
    rig_end(t);
    t = rig_syn_sent(NULL);
    t->heap.fail_all = true;
    out_after(t, 1 * SEC, "S 0:0(0) <*>");
    t->heap.fail_all = false;
    rig_end(t);
}

/* A TIME-WAIT that cannot be made small stays large. */
static void no_memory__for_a_time_wait_record__keeps_the_connection(void **state)
{
    (void)state;
    struct rig *t = rig_time_wait(NULL);
    t->heap.fail_all = true;
    app_close(t);
    expect_state(t, RILL_TIME_WAIT);
    in(t, "F. 1:1(0) ack 2");
    out(t, ". 2:2(0) ack 2");
    let_pass(t, 120 * SEC);
    expect_state(t, RILL_LISTEN); /* the port's */
    t->heap.fail_all = false;
    rig_end(t);
}

/* RFC 9293 3.10.4 wants a FIN: without memory for it the peer is told at least that it is over. */
static void no_memory__for_the_fin__resets(void **state)
{
    (void)state;
    struct rig *t = rig_established(NULL);
    advance(t, 5 * SEC);
    t->heap.fail_all = true;
    app_close(t);
    out(t, "R. 1:1(0) ack 1");
    t->heap.fail_all = false;
    rig_end(t);
}

/* No reset, no answer: the peer's next attempt gets it. */
static void no_memory__for_an_answer__sends_none(void **state)
{
    (void)state;
    struct rig *t = rig_closed(NULL);
    t->heap.fail_all = true;
    in(t, "S 0:0(0) <mss 1460>");
    out_none(t);
    t->heap.fail_all = false;
    in(t, "S 0:0(0) <mss 1460>");
    out(t, "R. =0:0(0) ack 1");
    rig_end(t);
}

/* ---- The cap ------------------------------------------------------------------------------------------- */

static void small_cap(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->mem_cap_bytes = 64 * 1024;
}

static void expect_below_the_cap(struct rig *t)
{
    assert_true(rill_memory(t->e) <= t->config.mem_cap_bytes);
    assert_int_equal(rill_memory(t->e), t->heap.live_bytes);
}

static void ignore_what_left(struct rig *t) { t->first = t->queued = 0; }

/* Connections with text that nobody reads, until no SYN is taken in any more; how many. */
static unsigned int fill(struct rig *t)
{
    unsigned int n;
    for (n = 1; n < RIG_PEERS; n++) {
        in(t, "@%u S 0:0(0) <mss 1460>", n);
        expect_below_the_cap(t);
        if (t->queued == 0)
            break;
        out(t, "@%u S. 0:0(0) ack 1 <mss 1460>", n);
        in(t, "@%u . 1:1(0) ack 1", n);
        in(t, "@%u . 1:1461(1460) ack 1", n);
        in(t, "@%u P. 2921:4381(1460) ack 1", n);
        ignore_what_left(t);
        expect_below_the_cap(t);
    }
    return n;
}

/* The account keeps to it, what there was goes on, and what is given back can be used again. */
static void cap__reached__refuses_the_new_and_keeps_the_old(void **state)
{
    unsigned int n;
    (void)state;
    struct rig *t = rig_established(&(struct rig_setup){.edit = small_cap, .backlog = RIG_PEERS});
    app_write(t, 2 * SMSS);
    out_segments(t, 0, 1);
    out(t, "P. %u:%u(%u) ack 1", start_of(1), start_of(2), SMSS);
    n = fill(t);
    assert_true(n > 3 && n < RIG_PEERS);
    assert_true(rill_counter(t->e, RILL_DROP_MEMORY) > 0);
    let_pass(t, 100 * MS); /* the others' delayed ACKs */
    ack(t, 1);
    out_none(t);
    out_after(t, RTO, "P. %u:%u(%u) ack 1", start_of(1), start_of(2), SMSS);
    ack(t, 2);
    for (unsigned int k = 1; k < n && rig_state(t, k) == RILL_ESTABLISHED; k++) {
        app_accept(t, k);
        app_close_peer(t, k);
        ignore_what_left(t);
    }
    in(t, "@%u S 0:0(0) <mss 1460>", n);
    out(t, "@%u S. 0:0(0) ack 1 <mss 1460>", n);
    rig_end(t);
}

/* A sender that is refused goes on when the peer has taken what it wrote. */
static void cap__reached_by_a_sender__is_told_and_goes_on(void **state)
{
    int32_t took;
    (void)state;
    struct rig *t = rig_established(&(struct rig_setup){.edit = small_cap, .sndbuf_bytes = 1 << 20});
    app_write(t, 20000); /* in a ring of 32768, beside which none of 65536 fits */
    ignore_what_left(t);
    took = app_try_write(t, 20000);
    assert_int_equal(took, 32768 - 20000);
    assert_int_equal(app_try_write(t, 1), -ENOBUFS);
    for (int tries = 0; tries < 100 && t->peer[0].c->snd.una < t->peer[0].c->snd.end; tries++) {
        in(t, ". 1:1(0) ack %u", (unsigned int)(t->peer[0].c->snd.nxt - tcp_iss(t->peer[0].c)));
        ignore_what_left(t);
        expect_below_the_cap(t);
    }
    app_write(t, 20000);
    ignore_what_left(t);
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nth_allocation__fails_once__the_conversation_completes),
        cmocka_unit_test(nth_allocation__and_all_after_it_fail__nothing_breaks_or_leaks),
        cmocka_unit_test(all_allocations__fail_for_a_second__the_conversation_completes),
        cmocka_unit_test(no_memory__for_an_engine__is_null),
        cmocka_unit_test(no_memory__for_a_connection__is_told_to_connect),
        cmocka_unit_test(no_memory__for_a_half_open_record__drops_the_syn),
        cmocka_unit_test(no_memory__for_the_completed_connection__keeps_the_record),
        cmocka_unit_test(no_memory__for_received_text__does_not_acknowledge_it),
        cmocka_unit_test(no_memory__for_what_is_out_of_order__forgets_it),
        cmocka_unit_test(no_memory__for_what_is_written__is_told),
        cmocka_unit_test(no_memory__at_all__repairs_losses_without_any),
        cmocka_unit_test(no_memory__for_a_time_wait_record__keeps_the_connection),
        cmocka_unit_test(no_memory__for_the_fin__resets),
        cmocka_unit_test(no_memory__for_an_answer__sends_none),
        cmocka_unit_test(cap__reached__refuses_the_new_and_keeps_the_old),
        cmocka_unit_test(cap__reached_by_a_sender__is_told_and_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
