/* test_corrupt.c - a wire that flips bits, and writes down what passes.
 *
 *     rill ─ rill0 ─ [stack] ─ wire0 ═ this program ═ wire0 ─ [client]
 *     10.77.0.2    10.77.0.1/26   10.77.0.65     10.77.0.130
 *
 * The brackets are namespaces, the double lines TUN devices: each packet passes through a process of the
 * test, which leaves the checksum as it was.  The router in between does not look at it. */
#include "test.h"

#include "scene.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

enum { LOG_MAX = 20000, PACKET_MAX = 2048 };
enum direction { TO_RILL, TO_CLIENT };

/* A TCP segment that passed. */
struct seen {
    int64_t at_us; /* before it was passed on */
    enum direction direction;
    uint32_t seq, ack, len;
    bool flipped;
};

/* Shared by the test and the process that is the wire. */
struct wire {
    _Atomic int flip_next[2]; /* by direction: so many of the next data segments are to be hit */
    _Atomic int flip_every[2];
    _Atomic int flipped[2];
    _Atomic int count;
    struct seen seen[LOG_MAX];
    int fd[2]; /* of the device at which a packet in this direction leaves */
    uint32_t data_segments[2];
};

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool is_hit(struct wire *wire, enum direction direction)
{
    int every = wire->flip_every[direction];
    wire->data_segments[direction]++;
    if (wire->flip_next[direction] > 0) {
        wire->flip_next[direction]--;
        return true;
    }
    return every > 0 && wire->data_segments[direction] % (uint32_t)every == 0;
}

/* Notes a TCP segment, and flips a bit in the middle of its payload if it is its turn. */
static void inspect(struct wire *wire, enum direction direction, uint8_t *packet, size_t size)
{
    uint32_t ip_len = (packet[0] & 15u) * 4;
    if (packet[0] >> 4 != 4 || packet[9] != IPPROTO_TCP || size < ip_len + 20)
        return;
    const uint8_t *tcp = packet + ip_len;
    uint32_t head_len = ip_len + (tcp[12] >> 4) * 4u, len = (uint32_t)size - head_len;
    struct seen seen = {mono_us(), direction, get32(tcp + 4), get32(tcp + 8), len, false};
    if (len > 0 && is_hit(wire, direction)) {
        packet[head_len + len / 2] ^= 0x08;
        wire->flipped[direction]++;
        seen.flipped = true;
    }
    CHECK(wire->count < LOG_MAX);
    wire->seen[wire->count] = seen;
    wire->count++; /* after what it counts */
}

static void run_wire(struct wire *wire)
{
    /* What arrives at one device leaves at the other. */
    struct pollfd ends[] = {{wire->fd[TO_CLIENT], POLLIN, 0}, {wire->fd[TO_RILL], POLLIN, 0}};
    uint8_t packet[PACKET_MAX];
    for (;;) {
        CHECK(poll(ends, 2, -1) > 0);
        for (int i = 0; i < 2; i++) {
            enum direction direction = i == 0 ? TO_RILL : TO_CLIENT;
            if (ends[i].revents == 0)
                continue;
            ssize_t n = read(ends[i].fd, packet, sizeof packet);
            CHECK(n >= 20 && n < PACKET_MAX);
            inspect(wire, direction, packet, (size_t)n);
            CHECK(write(wire->fd[direction], packet, (size_t)n) == n);
        }
    }
}

/* A TUN device wire0 in the current namespace. */
static int open_device(const char *setup)
{
    struct ifreq request = {.ifr_name = "wire0"};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    CHECK(fd >= 0);
    CHECK(ioctl(fd, TUNSETIFF, &request) == 0 && ioctl(fd, TUNSETOFFLOAD, 0) == 0);
    scene_do("ip link set wire0 txqueuelen 4096 up; %s", setup);
    return fd;
}

struct world {
    struct command rill;
    struct wire *wire;
    pid_t wire_pid;
    int stack, client; /* namespaces */
};

/* Everything up, and the test in the client's namespace. */
static void world_up(struct world *world)
{
    scene_needs("ip");
    struct wire *wire = mmap(NULL, sizeof *wire, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(wire != MAP_FAILED);
    world->wire = wire;
    world->stack = scene_here();
    /* No tail loss probes on either side: it is the RTO that is looked at. */
    world->rill = scene_serve(ARGV("--peer", "10.77.0.1/26", "--without", "tlp", "echo"));
    /* The device in the stack's namespace is where packets to rill leave the wire. */
    wire->fd[TO_RILL] = open_device("ip addr add 10.77.0.65/32 dev wire0 &&"
                                    " ip route add 10.77.0.130/32 dev wire0 &&"
                                    " echo 1 >/proc/sys/net/ipv4/ip_forward");
    world->client = scene_namespace();
    scene_enter(world->client);
    wire->fd[TO_CLIENT] = open_device("ip addr add 10.77.0.130/32 dev wire0 &&"
                                      " ip route add 10.77.0.0/26 dev wire0 &&"
                                      " echo 0 >/proc/sys/net/ipv4/tcp_early_retrans");
    world->wire_pid = fork();
    CHECK(world->wire_pid >= 0);
    if (world->wire_pid == 0)
        run_wire(wire);
    CHECK(ping_us(STACK_ADDR) >= 0);
}

static void world_down(struct world *world)
{
    scene_enter(world->stack);
    scene_stop(&world->rill);
    CHECK(kill(world->wire_pid, SIGKILL) == 0);
    CHECK(scene_join(world->wire_pid) == 128 + SIGKILL);
}

/* ---- One bit ------------------------------------------------------------------------------------------- */

enum { CHUNK = 1000, RTO_US = 200000 };

static void exchange(int fd, uint64_t pos)
{
    static uint8_t data[CHUNK], back[CHUNK];
    pattern_fill(data, CHUNK, pos, 1);
    kernel_write(fd, data, CHUNK);
    CHECK(kernel_read(fd, back, CHUNK) == CHUNK);
    CHECK(memcmp(data, back, CHUNK) == 0);
}

/* The segment that was hit is alone in flight, so that nothing but the timer can repair it.  RFC 9293 3.1: a
 * bad checksum is dropped; it is as if the segment had not come.  RFC 6298: the RTO, of which 200 ms are the
 * floor on both sides, runs from when it was sent, which was not before sent_us. */
static void check_repair(const struct wire *wire, enum direction direction, int64_t sent_us)
{
    int hit = 0, again, answer;
    const struct seen *seen = wire->seen;
    while (hit < wire->count && !seen[hit].flipped)
        hit++;
    CHECK(hit < wire->count);
    CHECK(seen[hit].direction == direction && seen[hit].len == CHUNK);
    for (again = hit + 1; again < wire->count; again++) {
        const struct seen *s = &seen[again];
        if (s->direction == direction && s->len != 0)
            break;
        if (s->direction != direction) {
            CHECK((int32_t)(s->ack - seen[hit].seq) <= 0);      /* it is not acknowledged … */
            CHECK(s->at_us - seen[hit].at_us > RTO_US * 3 / 4); /* … and answered by nothing else */
        }
    }
    CHECK(again < wire->count);
    CHECK(seen[again].seq == seen[hit].seq && seen[again].len == CHUNK);
    CHECK(seen[again].at_us - sent_us >= RTO_US && seen[again].at_us - sent_us < 5 * RTO_US);
    for (answer = again + 1; answer < wire->count; answer++)
        if (seen[answer].direction != direction && (int32_t)(seen[answer].ack - seen[hit].seq) >= CHUNK)
            return;
    CHECK(answer < wire->count);
}

static void flip_one(enum direction direction)
{
    struct world world;
    world_up(&world);
    int fd = kernel_connect(7);
    scene_limit_reads(fd, 10);
    exchange(fd, 0);
    sleep_ms(100); /* delayed ACKs have left */
    world.wire->flip_next[direction] = 1;
    int64_t sent_us = mono_us();
    exchange(fd, CHUNK);
    sleep_ms(100);
    check_repair(world.wire, direction, sent_us);
    exchange(fd, 2ull * CHUNK);
    CHECK(close(fd) == 0);
    CHECK(world.wire->flipped[TO_RILL] + world.wire->flipped[TO_CLIENT] == 1);
    CHECK(scene_snmp("Tcp", "InCsumErrors") == (direction == TO_CLIENT));
    world_down(&world);
    CHECK(scene_counter("DROP_TCP_CHECKSUM") == (direction == TO_RILL));
    if (direction == TO_CLIENT)
        CHECK(scene_counter("RTO_FIRED") == 1 && scene_counter("SEG_RESENT") == 1);
}

static void body_flipped_bit__to_rill__is_dropped_and_sent_again(void) { flip_one(TO_RILL); }
SCENE(flipped_bit__to_rill__is_dropped_and_sent_again)

static void body_flipped_bit__from_rill__is_sent_again_after_the_rto(void) { flip_one(TO_CLIENT); }
SCENE(flipped_bit__from_rill__is_sent_again_after_the_rto)

/* ---- Many bits ----------------------------------------------------------------------------------------- */

/* 2 MB with a bit flipped in each fiftieth segment: what arrives is what was sent, and each side has counted
 * exactly what the wire did to it. */
static void body_flipped_bits__in_a_stream__none_gets_through(void)
{
    struct world world;
    scene_needs("nc");
    world_up(&world);
    world.wire->flip_every[TO_RILL] = world.wire->flip_every[TO_CLIENT] = 50;
    scene_do("head -c 2000000 /dev/urandom >sent; timeout 40 nc -N 10.77.0.2 7 <sent >received");
    scene_do("a=$(sha256sum <sent) b=$(sha256sum <received); echo \"$a $b\"; test \"$a\" = \"$b\"");
    uint64_t to_client = (uint64_t)world.wire->flipped[TO_CLIENT];
    CHECK(world.wire->flipped[TO_RILL] >= 2000000 / 1460 / 50);
    CHECK(to_client >= 2000000 / 1460 / 50);
    CHECK(scene_snmp("Tcp", "InCsumErrors") == to_client);
    world_down(&world);
    CHECK(scene_counter("DROP_TCP_CHECKSUM") == (uint64_t)world.wire->flipped[TO_RILL]);
    CHECK(scene_counter("SEG_RESENT") >= to_client);
}
SCENE(flipped_bits__in_a_stream__none_gets_through)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flipped_bit__to_rill__is_dropped_and_sent_again),
        cmocka_unit_test(flipped_bit__from_rill__is_sent_again_after_the_rto),
        cmocka_unit_test(flipped_bits__in_a_stream__none_gets_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
