/* memory.c - `rill memory-demo`: two engines in one process, and a link in memory between them.
 *
 * For tools/demo where no TUN can be had: a ping, a few words, and standard input sent to the other engine's
 * echo service and back over a link that loses packets; what comes back goes to standard output, the report
 * to standard error.  Time is virtual: it jumps to whatever comes next.
 *
 * Unlike the other tools it includes sock.h, which is not public: rill.h has one stack per process, and that
 * one wants a device; rill_engine.h takes and gives packets but has no sockets. */
#include "../src/sock/sock.h"
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { MTU = 1500, QUEUE = 1024, DELAY_US = 5000, PER_MILLE = 1000, FILE_MAX_BYTES = 16 << 20 };
enum { ECHO_PORT = 7, CHUNK = 16384 };
#define CLIENT_ADDR 0x0a4d0001u /* 10.77.0.1 */
#define SERVER_ADDR 0x0a4d0002u /* 10.77.0.2 */
#define GIVE_UP_US (1000 * UINT64_C(1000000))

/* One direction: packets arrive in order, DELAY_US after they were sent, or not at all. */
struct wire {
    unsigned loss_per_mille;
    uint64_t sent, lost;
    unsigned first, count;
    struct {
        rill_time at_us;
        uint32_t len;
        uint8_t data[MTU];
    } packet[QUEUE];
};

struct end {
    struct rill_engine *engine;
    struct socks socks;
    struct wire *out;
    int fd, listener;
};

struct world {
    rill_time now_us;
    uint64_t random;
    struct end client, server;
    struct wire wires[2];
    /* The client's errand: to send data[0..len), to get all of it back into echo. */
    const uint8_t *data;
    uint8_t *echo;
    size_t len, sent, received;
    /* What the server has read and not yet sent back. */
    uint8_t pending[CHUNK];
    size_t pending_pos, pending_len;
};

static void *heap_alloc(void *ctx, size_t size)
{
    (void)ctx;
    return malloc(size);
}

static void heap_free(void *ctx, void *block, size_t size)
{
    (void)ctx;
    (void)size;
    free(block);
}

static void system_entropy(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    if (getrandom(buf, len, 0) != (ssize_t)len)
        abort();
}

/* ---- The link ------------------------------------------------------------------------------------------ */

/* xorshift64: the same losses in each run. */
static bool happens(struct world *world, unsigned per_mille)
{
    world->random ^= world->random << 13;
    world->random ^= world->random >> 7;
    world->random ^= world->random << 17;
    return world->random % PER_MILLE < per_mille;
}

static uint32_t flatten(const struct rill_packet *packet, uint8_t *buffer)
{
    uint32_t len = 0;
    const struct rill_slice parts[] = {packet->head, packet->body[0], packet->body[1]};
    for (int i = 0; i < 3; i++) {
        if (parts[i].len == 0 || parts[i].len > MTU - len)
            continue;
        memcpy(buffer + len, parts[i].data, parts[i].len);
        len += parts[i].len;
    }
    return len;
}

static void drain(struct world *world, struct end *end)
{
    struct rill_packet packet;
    while (rill_output(end->engine, &packet, world->now_us)) {
        struct wire *wire = end->out;
        wire->sent++;
        if (wire->count == QUEUE || happens(world, wire->loss_per_mille)) {
            wire->lost++;
            continue;
        }
        unsigned slot = (wire->first + wire->count++) % QUEUE;
        wire->packet[slot].at_us = world->now_us + DELAY_US;
        wire->packet[slot].len = flatten(&packet, wire->packet[slot].data);
    }
}

static void deliver(struct world *world, struct wire *wire, struct end *to)
{
    while (wire->count > 0 && wire->packet[wire->first].at_us <= world->now_us) {
        struct rill_packet packet = {0};
        packet.head.data = wire->packet[wire->first].data;
        packet.head.len = wire->packet[wire->first].len;
        packet.csum = RILL_CSUM_VERIFY;
        wire->first = (wire->first + 1) % QUEUE;
        wire->count--;
        if (rill_input(to->engine, &packet, world->now_us))
            drain(world, to);
    }
}

static rill_time next_time(const struct world *world)
{
    rill_time next = rill_deadline(world->client.engine);
    rill_time other = rill_deadline(world->server.engine);
    if (other < next)
        next = other;
    for (int i = 0; i < 2; i++) {
        const struct wire *wire = &world->wires[i];
        if (wire->count > 0 && wire->packet[wire->first].at_us < next)
            next = wire->packet[wire->first].at_us;
    }
    return next;
}

/* ---- The two programs ---------------------------------------------------------------------------------- */

static int64_t send_some(struct end *end, const uint8_t *data, size_t len)
{
    struct iovec piece = {(void *)(uintptr_t)data, len};
    return len == 0 ? 0 : sock_send(&end->socks, end->fd, &piece, 1, 0);
}

static int64_t recv_some(struct end *end, struct iovec room)
{
    return room.iov_len == 0 ? 0 : sock_recv(&end->socks, end->fd, &room, 1, 0);
}

static void step_server(struct world *world)
{
    struct end *end = &world->server;
    if (end->fd < 0)
        end->fd = sock_accept(&end->socks, end->listener, NULL, NULL, SOCK_NONBLOCK);
    if (end->fd < 0)
        return;
    for (int64_t n = 1; n > 0;) {
        if (world->pending_pos == world->pending_len) {
            n = recv_some(end, (struct iovec){world->pending, sizeof world->pending});
            world->pending_pos = 0;
            world->pending_len = n > 0 ? (size_t)n : 0;
            if (n == 0) {
                sock_close(&end->socks, end->fd);
                end->fd = -1;
            }
        }
        if (n > 0) {
            n = send_some(end, world->pending + world->pending_pos, world->pending_len - world->pending_pos);
            world->pending_pos += n > 0 ? (size_t)n : 0;
        }
    }
}

static void step_client(struct world *world)
{
    struct end *end = &world->client;
    for (int64_t n = 1; n > 0;) {
        n = send_some(end, world->data + world->sent, world->len - world->sent);
        world->sent += n > 0 ? (size_t)n : 0;
        int64_t got =
            recv_some(end, (struct iovec){world->echo + world->received, world->len - world->received});
        world->received += got > 0 ? (size_t)got : 0;
        n = n > 0 || got > 0;
    }
}

/* Until everything is back, or nothing can happen any more. */
static bool run(struct world *world)
{
    while (world->received < world->len && world->now_us < GIVE_UP_US) {
        step_client(world);
        step_server(world);
        drain(world, &world->client);
        drain(world, &world->server);
        rill_time next = next_time(world);
        if (next == RILL_NEVER)
            break;
        if (next > world->now_us)
            world->now_us = next;
        deliver(world, &world->wires[0], &world->server);
        deliver(world, &world->wires[1], &world->client);
        rill_advance(world->client.engine, world->now_us);
        rill_advance(world->server.engine, world->now_us);
    }
    return world->received == world->len;
}

static bool open_end(struct end *end, uint32_t addr, struct wire *out, rill_time now_us)
{
    struct rill_config config;
    rill_config_default(&config);
    config.addr = addr;
    config.prefix_len = 24;
    config.mtu = MTU;
    config.alloc = heap_alloc;
    config.free = heap_free;
    config.entropy = system_entropy;
    end->engine = rill_engine_new(&config, now_us);
    end->out = out;
    end->fd = end->listener = -1;
    if (end->engine == NULL)
        return false;
    socks_init(&end->socks, end->engine);
    return true;
}

static bool open_connection(struct world *world)
{
    struct sockaddr_in addr = cli_sockaddr((struct in_addr){htonl(SERVER_ADDR)}, ECHO_PORT);
    const struct sockaddr *to = (const struct sockaddr *)&addr;
    struct end *client = &world->client, *server = &world->server;
    server->listener = sock_socket(&server->socks, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    client->fd = sock_socket(&client->socks, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    return server->listener >= 0 && client->fd >= 0 &&
           sock_bind(&server->socks, server->listener, to, sizeof addr) == 0 &&
           sock_listen(&server->socks, server->listener, 1) == 0 &&
           sock_connect(&client->socks, client->fd, to, sizeof addr) == -EINPROGRESS;
}

/* ---- The tour ------------------------------------------------------------------------------------------ */

static uint16_t checksum(const uint8_t *data, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
    while (sum >> 16 != 0)
        sum = (sum & 0xFFFF) + (sum >> 16);
    return (uint16_t)~sum;
}

static void put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* An echo request by hand (RFC 792), because rill answers pings and sends none. */
static bool ping(struct world *world)
{
    enum { IP = 20, ICMP = 8, DATA = 56, ALL = IP + ICMP + DATA };
    uint8_t request[ALL] = {0x45, 0, 0, ALL, 0, 1, 0x40, 0, 64, 1, 0, 0, 10, 77, 0, 1, 10, 77, 0, 2};
    uint8_t reply[MTU];
    struct rill_packet in = {0}, out;
    request[IP] = 8;
    request[IP + 7] = 1; /* sequence number */
    for (int i = 0; i < DATA; i++)
        request[IP + ICMP + i] = (uint8_t)i;
    put16(request + IP + 2, checksum(request + IP, ICMP + DATA));
    put16(request + 10, checksum(request, IP));
    in.head.data = request;
    in.head.len = ALL;
    in.csum = RILL_CSUM_VERIFY;
    (void)rill_input(world->server.engine, &in, world->now_us);
    if (!rill_output(world->server.engine, &out, world->now_us) || flatten(&out, reply) != ALL)
        return false;
    return reply[IP] == 0 && memcmp(reply + IP + 4, request + IP + 4, ALL - IP - 4) == 0;
}

/* Sends data, waits for all of it to come back and compares. */
static bool exchange(struct world *world, const uint8_t *data, size_t len, uint8_t *echo)
{
    world->data = data;
    world->echo = echo;
    world->len = len;
    world->sent = world->received = 0;
    bool done = run(world);
    world->data = NULL;
    world->echo = NULL;
    return done && memcmp(data, echo, len) == 0;
}

static void print_losses(const struct world *world, size_t len, rill_time took_us)
{
    static const enum rill_event events[] = {RILL_SEG_RESENT, RILL_RECOVERY, RILL_RTO_FIRED, RILL_LOSS_PROBE,
                                             RILL_OUT_OF_ORDER};
    fprintf(stderr, "%zu bytes went there and came back, in %" PRIu64 ".%03" PRIu64 " s of virtual time\n",
            len, took_us / 1000000, took_us / 1000 % 1000);
    for (int i = 0; i < 2; i++)
        fprintf(stderr, "the link to the %s lost %" PRIu64 " of %" PRIu64 " packets\n",
                i == 0 ? "server" : "client", world->wires[i].lost, world->wires[i].sent);
    fprintf(stderr, "%10s %10s\n", "client", "server");
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        fprintf(stderr, "%10" PRIu64 " %10" PRIu64 "  %s\n", rill_counter(world->client.engine, events[i]),
                rill_counter(world->server.engine, events[i]), rill_event_text(events[i]));
}

static bool tour(struct world *world, const uint8_t *data, size_t len, uint8_t *echo)
{
    static const char words[] = "hello through two engines\n";
    uint8_t back[sizeof words];
    bool pinged = ping(world);
    fprintf(stderr, "ping 10.77.0.2: %s\n", pinged ? "answered, 56 equal bytes" : "no answer");
    if (!pinged || !open_connection(world))
        return false;
    bool talked = exchange(world, (const uint8_t *)words, sizeof words - 1, back);
    fprintf(stderr, "sent    %sechoed  %.*s", words, (int)(talked ? world->received : 0), (char *)back);
    if (!talked)
        return false;
    world->wires[0].loss_per_mille = world->wires[1].loss_per_mille = 50;
    rill_time begin_us = world->now_us;
    bool equal = exchange(world, data, len, echo);
    print_losses(world, world->received, world->now_us - begin_us);
    return equal;
}

int memory_main(int argc, char **argv)
{
    static struct world world;
    struct cli cli;
    cli_init(&cli, "rill memory-demo");
    if (argc > 1)
        return cli_usage_error(&cli, "'%s': it takes no argument", argv[1]);
    uint8_t *data = malloc(FILE_MAX_BYTES), *echo = malloc(FILE_MAX_BYTES);
    size_t len = 0;
    bool good = data != NULL && echo != NULL;
    if (good)
        len = fread(data, 1, FILE_MAX_BYTES, stdin);
    world.random = 0x9E3779B97F4A7C15;
    good = good && open_end(&world.client, CLIENT_ADDR, &world.wires[0], 0) &&
           open_end(&world.server, SERVER_ADDR, &world.wires[1], 0);
    if (good) {
        good = tour(&world, data, len, echo);
        good = fwrite(echo, 1, world.received, stdout) == world.received && good;
        socks_free(&world.client.socks);
        socks_free(&world.server.socks);
    }
    if (world.client.engine != NULL)
        rill_engine_free(world.client.engine);
    if (world.server.engine != NULL)
        rill_engine_free(world.server.engine);
    free(data);
    free(echo);
    return good ? 0 : CLI_FAILURE;
}
