/* test_io.c - data through send and recv, urgent data, half-close, close and reset.  Expected values:
 * send(2), recv(2), shutdown(2), tcp(7), RFC 6093, and a Linux 6 kernel for the sequences of errors. */
#include "prng.h"
#include "sock_help.h"

#include <stdlib.h>

#define POLL_IN (POLLIN | POLLRDNORM)
#define POLL_OUT (POLLOUT | POLLWRNORM)

static void send_recv__vectors__gather_and_scatter(void **state)
{
    struct sock_test *t = *state;
    int theirs, s = connected(t, &theirs);
    char a[2], b[1], c[9] = "";
    struct iovec out[4] = {{"ab", 2}, {NULL, 0}, {"cde", 3}, {"f", 1}};
    struct iovec in[4] = {{a, sizeof a}, {NULL, 0}, {b, sizeof b}, {c, sizeof c}};
    assert_int_equal(sock_send(t->us, s, out, 4, 0), 6);
    run_ms(t, 10);
    assert_int_equal(sock_recv(t->them, theirs, in, 4, MSG_PEEK), 6);
    assert_memory_equal(a, "ab", 2);
    assert_memory_equal(b, "c", 1);
    assert_memory_equal(c, "def", 3);
    memset(a, 0, sizeof a);
    memset(c, 0, sizeof c);
    assert_int_equal(sock_recv(t->them, theirs, in, 4, 0), 6);
    assert_memory_equal(a, "ab", 2);
    assert_memory_equal(c, "def", 3);
    assert_int_equal(sock_recv(t->them, theirs, in, 4, 0), -EAGAIN);
}

static void recv__peek_and_trunc__as_linux(void **state)
{
    struct sock_test *t = *state;
    int theirs, s = connected(t, &theirs);
    char got[9];
    assert_int_equal(send_to(t->us, s, "xyz", 3, 0), 3);
    run_ms(t, 10);
    assert_int_equal(recv_from(t->them, theirs, got, 2, MSG_PEEK), 2);
    assert_memory_equal(got, "xy", 2);
    assert_int_equal(sock_inq(t->them, theirs), 3);
    assert_int_equal(recv_from(t->them, theirs, got, 0, 0), 0);
    assert_int_equal(recv_from(t->them, theirs, NULL, 9, MSG_TRUNC | MSG_PEEK), 3);
    assert_int_equal(recv_from(t->them, theirs, NULL, 2, MSG_TRUNC), 2); /* thrown away */
    assert_int_equal(recv_from(t->them, theirs, got, 9, 0), 1);
    assert_int_equal(got[0], 'z');
}

static void recv__after_reset__data_then_error_then_end_of_file(void **state)
{
    struct sock_test *t = *state;
    int theirs, s = connected(t, &theirs);
    char got[9];
    assert_int_equal(send_to(t->them, theirs, "hello", 5, 0), 5);
    run_ms(t, 10);
    reset(t->them, theirs);
    run_ms(t, 10);
    assert_int_equal(recv_from(t->us, s, got, 2, 0), 2);
    assert_int_equal(recv_from(t->us, s, got, 9, 0), 3);
    assert_memory_equal(got, "llo", 3);
    assert_int_equal(recv_from(t->us, s, got, 9, 0), -ECONNRESET);
    assert_int_equal(sock_poll(t->us, s), POLL_IN | POLL_OUT | POLLRDHUP | POLLHUP);
    assert_int_equal(recv_from(t->us, s, got, 9, 0), 0);
    assert_int_equal(send_to(t->us, s, "x", 1, 0), -EPIPE);
}

static void reset__after_the_peers_fin__end_of_file_and_epipe(void **state)
{
    struct sock_test *t = *state;
    int theirs, s = connected(t, &theirs);
    char got[9];
    assert_int_equal(sock_shutdown(t->them, theirs, SHUT_WR), 0);
    run_ms(t, 10);
    reset(t->them, theirs);
    run_ms(t, 10);
    assert_int_equal(sock_poll(t->us, s), POLL_IN | POLL_OUT | POLLRDHUP | POLLHUP | POLLERR);
    assert_int_equal(recv_from(t->us, s, got, 9, 0), 0); /* the end came in order; the error waits */
    assert_int_equal(so_error(t->us, s), EPIPE);
    assert_int_equal(send_to(t->us, s, "x", 1, 0), -EPIPE);
}

static void half_close__both_directions__in_turn(void **state)
{
    struct sock_test *t = *state;
    int theirs, s = connected(t, &theirs);
    char got[9];
    assert_int_equal(send_to(t->them, theirs, "abc", 3, 0), 3);
    assert_int_equal(sock_shutdown(t->them, theirs, SHUT_WR), 0);
    run_ms(t, 10);
    assert_int_equal(sock_poll(t->us, s), POLL_IN | POLL_OUT | POLLRDHUP);
    assert_int_equal(sock_poll(t->them, theirs), POLL_OUT);
    assert_int_equal(sock_inq(t->us, s), 3); /* without the FIN */
    assert_int_equal(recv_from(t->us, s, got, 0, 0), 0);
    assert_int_equal(recv_from(t->us, s, got, 9, 0), 3);
    assert_int_equal(recv_from(t->us, s, got, 9, 0), 0);
    assert_int_equal(recv_from(t->us, s, got, 9, 0), 0);
    assert_int_equal(send_to(t->us, s, "four", 4, 0), 4);
    assert_int_equal(send_to(t->them, theirs, "x", 1, 0), -EPIPE);
    assert_int_equal(sock_shutdown(t->us, s, SHUT_WR), 0);
    run_ms(t, 10);
    assert_int_equal(sock_poll(t->us, s), POLL_IN | POLL_OUT | POLLRDHUP | POLLHUP);
    assert_int_equal(sock_poll(t->them, theirs), POLL_IN | POLL_OUT | POLLRDHUP | POLLHUP);
    assert_int_equal(recv_from(t->them, theirs, got, 9, 0), 4);
    assert_int_equal(recv_from(t->them, theirs, got, 9, 0), 0);
    assert_int_equal(so_error(t->us, s), 0);
    assert_int_equal(so_error(t->them, theirs), 0);
}

static void shut_rd__what_comes__is_read_before_end_of_file(void **state)
{
    struct sock_test *t = *state;
    int theirs, s = connected(t, &theirs);
    char got[9];
    assert_int_equal(send_to(t->them, theirs, "abc", 3, 0), 3);
    run_ms(t, 10);
    assert_int_equal(sock_shutdown(t->us, s, SHUT_RD), 0);
    assert_int_equal(recv_from(t->us, s, got, 9, 0), 3);
    assert_int_equal(recv_from(t->us, s, got, 9, 0), 0);
    assert_int_equal(send_to(t->them, theirs, "de", 2, 0), 2);
    run_ms(t, 100); /* Nagle waits for the delayed ACK */
    assert_int_equal(recv_from(t->us, s, got, 9, 0), 2);
    assert_int_equal(recv_from(t->us, s, got, 9, 0), 0);
}

static void close__unread_data__resets_the_peer(void **state)
{
    struct sock_test *t = *state;
    int theirs, s = connected(t, &theirs);
    char byte;
    assert_int_equal(send_to(t->us, s, "abc", 3, 0), 3);
    run_ms(t, 10);
    assert_int_equal(sock_close(t->them, theirs), 0);
    run_ms(t, 10);
    assert_int_equal(send_to(t->us, s, "x", 1, 0), -ECONNRESET);
    assert_int_equal(send_to(t->us, s, "x", 1, 0), -EPIPE);
    assert_int_equal(recv_from(t->us, s, &byte, 1, 0), 0);
}

static void close__all_read__what_was_sent_arrives(void **state)
{
    struct sock_test *t = *state;
    int theirs, s = connected(t, &theirs);
    char got[9];
    assert_int_equal(send_to(t->us, s, "last words", 4, 0), 4);
    assert_int_equal(sock_close(t->us, s), 0);
    assert_int_equal(sock_close(t->us, s), -EBADF);
    run_ms(t, 10);
    assert_int_equal(recv_from(t->them, theirs, got, 9, 0), 4);
    assert_int_equal(recv_from(t->them, theirs, got, 9, 0), 0);
    assert_int_equal(send_to(t->them, theirs, "x", 1, 0), 1); /* nobody is there any more */
    run_ms(t, 10);
    assert_int_equal(send_to(t->them, theirs, "x", 1, 0), -EPIPE);
    assert_int_equal(recv_from(t->them, theirs, got, 9, 0), 0);
}

static void close__linger_zero__resets(void **state)
{
    struct sock_test *t = *state;
    int theirs, s = connected(t, &theirs);
    char byte;
    assert_int_equal(send_to(t->us, s, "lost", 4, 0), 4);
    reset(t->us, s);
    run_ms(t, 10);
    assert_int_equal(recv_from(t->them, theirs, &byte, 1, 0), -ECONNRESET);
}

static void linger__time_and_acknowledgements__for_the_host(void **state)
{
    struct sock_test *t = *state;
    struct linger linger = {1, 5};
    char byte;
    int theirs, s = connected(t, &theirs);
    assert_true(sock_linger_us(t->us, s) == 0); /* not asked for */
    sock_setsockopt(t->us, s, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    assert_true(sock_linger_us(t->us, s) == 5000000);
    assert_int_equal(send_to(t->them, theirs, "x", 1, 0), 1);
    run_ms(t, 10);
    assert_true(sock_linger_us(t->us, s) == 0); /* unread data: it will be reset */
    assert_int_equal(recv_from(t->us, s, &byte, 1, 0), 1);
    assert_int_equal(send_to(t->us, s, "abc", 3, 0), 3);
    assert_int_equal(sock_shutdown(t->us, s, SHUT_WR), 0);
    assert_false(sock_all_acked(t->us, s));
    assert_int_equal(sock_outq(t->us, s), 4); /* as in Linux the FIN is one of them */
    run_ms(t, 100);
    assert_true(sock_all_acked(t->us, s));
    assert_true(sock_linger_us(t->us, s) == 0);
    assert_int_equal(sock_outq(t->us, s), 0);
    assert_int_equal(sock_shutdown(t->them, theirs, SHUT_WR), 0);
    assert_int_equal(sock_outq(t->them, theirs), 1); /* a FIN alone */
}

static void send__no_room__eagain_and_pollout_at_a_third(void **state)
{
    static uint8_t data[100000];
    struct sock_test *t = *state;
    int theirs, s = connected(t, &theirs);
    int64_t unread;
    set_int(t->us, s, SOL_SOCKET, SO_SNDBUF, 30000);
    t->pair.side[1].latency_us = 3600000000ull; /* no acknowledgement comes back */
    assert_int_equal(send_to(t->us, s, data, 19999, 0), 19999);
    assert_int_equal(sock_poll(t->us, s), POLL_OUT);
    assert_int_equal(send_to(t->us, s, data, 2, 0), 2);
    assert_int_equal(sock_poll(t->us, s), 0); /* 20001 of 30000 */
    assert_int_equal(send_to(t->us, s, data, sizeof data, 0), 9999);
    assert_int_equal(send_to(t->us, s, data, 1, 0), -EAGAIN);
    assert_int_equal(sock_outq(t->us, s), 30000);
    t->pair.side[1].latency_us = 50;
    run_ms(t, 5000);
    unread = sock_inq(t->them, theirs);
    assert_int_equal(unread, 30000);
    assert_int_equal(sock_poll(t->us, s), POLL_OUT);
}

static void urgent__in_line__stops_at_the_mark(void **state)
{
    struct sock_test *t = *state;
    int theirs, s = connected(t, &theirs);
    char got[9];
    assert_int_equal(send_to(t->us, s, "ab", 2, 0), 2);
    assert_int_equal(send_to(t->us, s, "cd", 2, MSG_OOB), 2);
    assert_int_equal(send_to(t->us, s, "ef", 2, 0), 2);
    run_ms(t, 100);
    assert_int_equal(sock_poll(t->them, theirs), POLL_IN | POLLPRI | POLL_OUT);
    assert_int_equal(sock_inq(t->them, theirs), 6);
    assert_int_equal(sock_atmark(t->them, theirs), 0);
    assert_int_equal(recv_from(t->them, theirs, got, 9, MSG_PEEK), 3);
    assert_int_equal(recv_from(t->them, theirs, got, 9, 0), 3);
    assert_memory_equal(got, "abc", 3);
    assert_int_equal(sock_atmark(t->them, theirs), 1);
    assert_int_equal(sock_poll(t->them, theirs), POLL_IN | POLLPRI | POLL_OUT);
    assert_int_equal(recv_from(t->them, theirs, got, 9, MSG_OOB), -EINVAL);
    assert_int_equal(recv_from(t->them, theirs, got, 9, 0), 3);
    assert_memory_equal(got, "def", 3);
    assert_int_equal(sock_atmark(t->them, theirs), 0);
    assert_int_equal(sock_poll(t->them, theirs), POLL_OUT);
    assert_int_equal(send_to(t->us, s, "gh", 2, MSG_OOB), 2); /* and once more */
    run_ms(t, 100);
    assert_int_equal(sock_atmark(t->them, theirs), 0);
    assert_int_equal(recv_from(t->them, theirs, got, 1, 0), 1);
    assert_int_equal(sock_atmark(t->them, theirs), 1);
    assert_int_equal(recv_from(t->them, theirs, got, 1, 0), 1);
    assert_int_equal(got[0], 'h');
    assert_int_equal(sock_atmark(t->them, theirs), 0);
}

/* ---- Streams ------------------------------------------------------------------------------------------- */

struct stream {
    struct prng prng;
    unsigned int loss_percent, twice_percent, late_percent;
};

static void wire(void *ctx, struct pair *pair, int from, struct pair_packet *packet)
{
    struct stream *stream = ctx;
    (void)pair, (void)from;
    if (prng_chance(&stream->prng, stream->loss_percent))
        packet->copies = 0;
    else if (prng_chance(&stream->prng, stream->twice_percent))
        packet->copies = 2;
    if (prng_chance(&stream->prng, stream->late_percent))
        packet->at_us += prng_below(&stream->prng, 5000);
}

/* Sends `len` random bytes each way through pieces of random size, and closes; both sides must see exactly
 * them. */
static void both_ways(struct sock_test *t, struct stream *stream, size_t len)
{
    static const uint64_t hour_us = 3600000000ull;
    struct socks *socks[2] = {t->us, t->them};
    uint8_t *sent[2], *got = malloc(len);
    size_t out[2] = {0, 0}, in[2] = {0, 0};
    bool end[2] = {false, false};
    int s[2];
    uint64_t give_up;
    assert_non_null(got);
    s[0] = connected(t, &s[1]);
    t->pair.hook = wire;
    t->pair.hook_ctx = stream;
    for (int i = 0; i < 2; i++) {
        sent[i] = malloc(len);
        assert_non_null(sent[i]);
        prng_fill(&stream->prng, sent[i], len);
    }
    give_up = t->pair.now_us + hour_us;
    while ((!end[0] || !end[1]) && t->pair.now_us < give_up) {
        for (int i = 0; i < 2; i++) {
            size_t piece = (size_t)prng_between(&stream->prng, 1, 20000);
            if (out[i] < len && sock_poll(socks[i], s[i]) & POLLOUT) {
                int64_t n =
                    send_to(socks[i], s[i], sent[i] + out[i], piece < len - out[i] ? piece : len - out[i], 0);
                assert_true(n > 0);
                out[i] += (size_t)n;
                if (out[i] == len)
                    assert_int_equal(sock_shutdown(socks[i], s[i], SHUT_WR), 0);
            }
            if (!end[i] && sock_poll(socks[i], s[i]) & POLLIN) {
                int64_t n = recv_from(socks[i], s[i], got, piece < len ? piece : len, 0);
                assert_true(n >= 0);
                assert_true(in[i] + (size_t)n <= len);
                assert_memory_equal(got, sent[!i] + in[i], (size_t)n);
                in[i] += (size_t)n;
                end[i] = n == 0;
            }
        }
        pair_run(&t->pair, t->pair.now_us + 100);
    }
    assert_int_equal(in[0], len);
    assert_int_equal(in[1], len);
    t->pair.hook = NULL; /* the next handshake is not to be lost, and `stream` ends with its caller */
    free(got);
    for (int i = 0; i < 2; i++) {
        free(sent[i]);
        assert_int_equal(sock_close(socks[i], s[i]), 0);
    }
}

static void stream__clean_wire__exact(void **state)
{
    struct stream stream = {.prng = prng_seed(1)};
    both_ways(*state, &stream, 5000000);
}

static void stream__loss_copies_and_delay__exact(void **state)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct stream stream = {prng_seed(seed), 3, 3, 10};
        both_ways(*state, &stream, 200000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOCK_TEST(send_recv__vectors__gather_and_scatter),
        SOCK_TEST(recv__peek_and_trunc__as_linux),
        SOCK_TEST(recv__after_reset__data_then_error_then_end_of_file),
        SOCK_TEST(reset__after_the_peers_fin__end_of_file_and_epipe),
        SOCK_TEST(half_close__both_directions__in_turn),
        SOCK_TEST(shut_rd__what_comes__is_read_before_end_of_file),
        SOCK_TEST(close__unread_data__resets_the_peer),
        SOCK_TEST(close__all_read__what_was_sent_arrives),
        SOCK_TEST(close__linger_zero__resets),
        SOCK_TEST(linger__time_and_acknowledgements__for_the_host),
        SOCK_TEST(send__no_room__eagain_and_pollout_at_a_third),
        SOCK_TEST(urgent__in_line__stops_at_the_mark),
        SOCK_TEST(stream__clean_wire__exact),
        SOCK_TEST(stream__loss_copies_and_delay__exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
