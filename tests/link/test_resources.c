/* test_resources.c - what connections cost, measured on the engine's own account, against the limits of the
 * design.
 *
 * `make figures` shows the numbers; README.md repeats them, and tests/check-readme compares. */
#include "pair.h"
#include "stack.h"
#include "test.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define CONNECTIONS 1000
#define SECOND 1000000ull

static struct sockaddr_in address(int side, uint16_t port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    addr.sin_addr.s_addr = htonl(PAIR_ADDR(side));
    return addr;
}

static int listener(struct pair *pair)
{
    struct sockaddr_in addr = address(1, 7);
    int s = sock_socket(&pair->side[1].socks, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(sock_bind(&pair->side[1].socks, s, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(sock_listen(&pair->side[1].socks, s, CONNECTIONS), 0);
    return s;
}

static void open_all(struct pair *pair, int listen_s, int client[], int server[])
{
    struct sockaddr_in addr = address(1, 7);
    for (int i = 0; i < CONNECTIONS; i++) {
        client[i] = sock_socket(&pair->side[0].socks, AF_INET, SOCK_STREAM, 0);
        assert_int_equal(sock_connect(&pair->side[0].socks, client[i], (struct sockaddr *)&addr, sizeof addr),
                         -EINPROGRESS);
        if (i % 100 == 99)
            pair_run(pair, pair->now_us + 100);
    }
    pair_run(pair, pair->now_us + SECOND);
    for (int i = 0; i < CONNECTIONS; i++) {
        server[i] = sock_accept(&pair->side[1].socks, listen_s, NULL, NULL, 0);
        assert_true(server[i] >= 0);
    }
}

/* Each connection carries something in both directions first: an idle one is one that has worked. */
static void talk_all(struct pair *pair, const int client[], const int server[])
{
    static char data[20000];
    struct iovec iov = {data, sizeof data};
    for (int i = 0; i < CONNECTIONS; i++) {
        assert_int_equal(sock_send(&pair->side[0].socks, client[i], &iov, 1, 0), sizeof data);
        assert_int_equal(sock_send(&pair->side[1].socks, server[i], &iov, 1, 0), sizeof data);
    }
    pair_run(pair, pair->now_us + SECOND);
    for (int i = 0; i < CONNECTIONS; i++) {
        assert_int_equal(sock_recv(&pair->side[1].socks, server[i], &iov, 1, 0), sizeof data);
        assert_int_equal(sock_recv(&pair->side[0].socks, client[i], &iov, 1, 0), sizeof data);
    }
}

static size_t per_connection(const struct pair *pair, int side, size_t before)
{
    return (rill_memory(pair->side[side].engine) - before + CONNECTIONS / 2) / CONNECTIONS;
}

static void resources__idle_and_time_wait__stay_within_the_design(void **state)
{
    static int client[CONNECTIONS], server[CONNECTIONS];
    struct pair pair;
    size_t before, idle, wait;
    int s;
    (void)state;
    pair_defaults(&pair);
    pair.steps_left = 100000000;
    pair_start(&pair);
    before = rill_memory(pair.side[1].engine);
    s = listener(&pair);
    open_all(&pair, s, client, server);
    talk_all(&pair, client, server);
    pair_run(&pair, pair.now_us + 3 * SECOND);
    idle = per_connection(&pair, 1, before);
    printf("figure: idle established connection, after traffic: %zu bytes\n", idle);
    assert_true(idle <= 512);
    assert_true(rill_memory(pair.side[1].engine) <= before + CONNECTIONS * 512);

    for (int i = 0; i < CONNECTIONS; i++)
        assert_int_equal(sock_close(&pair.side[1].socks, server[i]), 0);
    pair_run(&pair, pair.now_us + SECOND);
    for (int i = 0; i < CONNECTIONS; i++)
        assert_int_equal(sock_close(&pair.side[0].socks, client[i]), 0);
    pair_run(&pair, pair.now_us + 3 * SECOND);
    assert_int_equal(rill_open_connections(pair.side[1].engine), 0);
    /* Tables keep the size that they had: what is left is records and those. */
    wait = per_connection(&pair, 1, before);
    printf("figure: connection in TIME-WAIT, tables included: %zu bytes\n", wait);
    assert_true(wait <= 64 + 64);
    pair_run(&pair, pair.now_us + 61 * SECOND);
    assert_int_equal(sock_close(&pair.side[1].socks, s), 0);
    pair_stop(&pair);
}

/* The answer of the listener never reaches the client. */
static void lose_from_server(void *ctx, struct pair *pair, int from, struct pair_packet *packet)
{
    (void)ctx;
    (void)pair;
    if (from == 1)
        packet->copies = 0;
}

static void resources__half_open__stays_within_the_design(void **state)
{
    struct sockaddr_in addr = address(1, 7);
    struct pair pair;
    size_t before, half;
    (void)state;
    pair_defaults(&pair);
    pair.steps_left = 100000000;
    pair.hook = lose_from_server;
    pair_start(&pair);
    before = rill_memory(pair.side[1].engine);
    (void)listener(&pair);
    for (int i = 0; i < CONNECTIONS; i++) {
        int s = sock_socket(&pair.side[0].socks, AF_INET, SOCK_STREAM, 0);
        assert_int_equal(sock_connect(&pair.side[0].socks, s, (struct sockaddr *)&addr, sizeof addr),
                         -EINPROGRESS);
        if (i % 100 == 99)
            pair_run(&pair, pair.now_us + 100);
    }
    pair_run(&pair, pair.now_us + 1000);
    assert_int_equal(rill_open_connections(pair.side[1].engine), CONNECTIONS);
    half = per_connection(&pair, 1, before);
    printf("figure: half-open connection, tables included: %zu bytes\n", half);
    assert_true(half <= 64 + 16);
    pair_stop(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resources__idle_and_time_wait__stay_within_the_design),
        cmocka_unit_test(resources__half_open__stays_within_the_design),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
