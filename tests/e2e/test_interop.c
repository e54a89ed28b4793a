/* test_interop.c - options with the kernel: all 16 combinations of SACK, timestamps, window scaling and ECN
 * on its side, while rill offers everything; both roles, data both ways at once over a lossy link.
 *
 * What was agreed on is read from the wire, by a parser of this file's own, and from both ends' TCP_INFO.
 * RFC 2018 2, RFC 7323 1.3, 2.2 and 3.2, RFC 3168 6.1.1: an option is used if, and only if, both SYNs had it.
 */
#include "test.h"

#include "world.h"

#include <fcntl.h>

enum { STREAM_BYTES = 1 << 20, CHUNK_BYTES = 16384, IP_BYTES = 20 };

/* As in tcpi_options. */
enum { ALL = TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE | TCPI_OPT_ECN };

static unsigned kernel_has; /* of ALL: which combination this is */

static void sysctl(const char *name, bool on)
{
    char path[100];
    (void)snprintf(path, sizeof path, "/proc/sys/net/ipv4/%s", name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    CHECK(fd >= 0 && write(fd, on ? "1" : "0", 1) == 1 && close(fd) == 0);
}

/* ---- The wire ------------------------------------------------------------------------------------------ */

/* What crossed the TUN of one connection, by direction: from rill (true), from the kernel (false). */
static struct wire {
    unsigned syns, syn_has;      /* what all SYNs had, as in ALL */
    unsigned segments, stamped;  /* others, and those of them with a timestamp */
    unsigned sacks;              /* with SACK blocks */
    unsigned data, data_ect;     /* with payload; and ECN-capable */
    unsigned other_ect, bad_ect; /* without payload; with a code that is not ECT(0) */
    unsigned resets;
} wire[2];

/* Options of a header, as in ALL; *blocks: there are SACK blocks. */
static unsigned options_in(const uint8_t *tcp, size_t head, bool *blocks)
{
    unsigned has = 0;
    for (size_t at = 20; at < head && tcp[at] != 0; at += tcp[at] == 1 ? 1 : tcp[at + 1]) {
        if (tcp[at] == 1)
            continue;
        CHECK(at + 1 < head && tcp[at + 1] >= 2 && at + tcp[at + 1] <= head);
        has |= tcp[at] == 3 ? TCPI_OPT_WSCALE : tcp[at] == 4 ? TCPI_OPT_SACK : 0u;
        has |= tcp[at] == 8 ? TCPI_OPT_TIMESTAMPS : 0u;
        *blocks = *blocks || tcp[at] == 5;
    }
    return has;
}

static void on_packet(void *ctx, const void *data, size_t len, bool out)
{
    (void)ctx;
    const uint8_t *ip = data, *tcp = ip + IP_BYTES;
    if (len < IP_BYTES + 20 || ip[0] != 0x45 || ip[9] != IPPROTO_TCP)
        return;
    struct wire *w = &wire[out];
    size_t head = (size_t)(tcp[12] >> 4) * 4;
    CHECK(head >= 20 && IP_BYTES + head <= len);
    bool blocks = false, payload = IP_BYTES + head < len, ect = (ip[1] & 3) != 0;
    unsigned has = options_in(tcp, head, &blocks), flags = tcp[13];
    w->bad_ect += ect && (ip[1] & 3) != 2;
    w->resets += (flags & RILL_RST) != 0;
    if ((flags & RILL_SYN) != 0) {
        unsigned asks = (flags & RILL_ACK) != 0 ? RILL_ECE : RILL_ECE | RILL_CWR; /* RFC 3168 6.1.1 */
        has |= (flags & (RILL_ECE | RILL_CWR)) == asks ? TCPI_OPT_ECN : 0u;
        w->syn_has = w->syns++ == 0 ? has : w->syn_has & has;
        w->other_ect += ect;
        return;
    }
    w->segments++;
    w->stamped += (has & TCPI_OPT_TIMESTAMPS) != 0;
    w->sacks += blocks;
    w->data += payload;
    w->data_ect += payload && ect;
    w->other_ect += !payload && ect;
}

/* Both used exactly what both have. */
static void check_wire(unsigned agreed)
{
    for (int out = 0; out <= 1; out++) {
        const struct wire *w = &wire[out];
        CHECK(w->syns > 0 && w->data > 0 && w->resets == 0);
        CHECK(w->stamped == ((agreed & TCPI_OPT_TIMESTAMPS) != 0 ? w->segments : 0));
        CHECK((w->sacks > 0) == ((agreed & TCPI_OPT_SACK) != 0)); /* something was lost both ways */
        CHECK((w->data_ect > 0) == ((agreed & TCPI_OPT_ECN) != 0));
        CHECK(w->other_ect == 0 && w->bad_ect == 0); /* RFC 3168 6.1.1, 6.1.4 */
    }
}

/* ---- The transfer -------------------------------------------------------------------------------------- */

/* One direction of one end. */
struct half {
    int fd;
    bool rill;
    uint32_t seed;
};

static void *send_all(void *arg)
{
    const struct half *h = arg;
    uint8_t data[CHUNK_BYTES];
    for (uint64_t pos = 0; pos < STREAM_BYTES; pos += sizeof data) {
        pattern_fill(data, sizeof data, pos, h->seed);
        for (size_t done = 0; done < sizeof data;) {
            ssize_t n = h->rill ? rill_send(h->fd, data + done, sizeof data - done, 0)
                                : send(h->fd, data + done, sizeof data - done, MSG_NOSIGNAL);
            CHECK(n > 0);
            done += (size_t)n;
        }
    }
    CHECK((h->rill ? rill_shutdown(h->fd, SHUT_WR) : shutdown(h->fd, SHUT_WR)) == 0);
    return NULL;
}

static void *receive_all(void *arg)
{
    const struct half *h = arg;
    uint8_t data[CHUNK_BYTES];
    uint64_t pos = 0;
    ssize_t n;
    while ((n = h->rill ? rill_recv(h->fd, data, sizeof data, 0) : recv(h->fd, data, sizeof data, 0)) > 0) {
        CHECK(pattern_holds(data, (size_t)n, pos, h->seed));
        pos += (uint64_t)n;
    }
    CHECK(n == 0 && pos == STREAM_BYTES);
    return NULL;
}

/* Both ways at once, to the end of both streams. */
static void transfer(int rill, int kernel)
{
    struct half from_rill[2] = {{rill, true, 1}, {kernel, false, 1}};
    struct half from_kernel[2] = {{kernel, false, 2}, {rill, true, 2}};
    pthread_t thread[4] = {
        thread_run(send_all, &from_rill[0]),
        thread_run(receive_all, &from_rill[1]),
        thread_run(send_all, &from_kernel[0]),
        thread_run(receive_all, &from_kernel[1]),
    };
    for (int i = 0; i < 4; i++)
        thread_join(thread[i]);
}

/* ---- The two roles ------------------------------------------------------------------------------------- */

static void start(void)
{
    struct rill_options o;
    rill_options_default(&o);
    o.engine.features |= 1u << RILL_FEATURE_ECN; /* or we would not ask for it */
    o.on_packet = on_packet;
    memset(wire, 0, sizeof wire);
    CHECK(rill_start(&o) == 0);
}

static void check_info(int rill, int kernel)
{
    struct tcp_info mine = {0}, theirs = {0};
    socklen_t mine_len = sizeof mine, their_len = sizeof theirs;
    CHECK(rill_getsockopt(rill, IPPROTO_TCP, TCP_INFO, &mine, &mine_len) == 0);
    CHECK(getsockopt(kernel, IPPROTO_TCP, TCP_INFO, &theirs, &their_len) == 0);
    CHECK((theirs.tcpi_options & ALL) == kernel_has);
    CHECK((mine.tcpi_options & ALL) == kernel_has);
    /* Each sends at its own scale what the other reads at it; 0 and 0 without the option. */
    CHECK(mine.tcpi_snd_wscale == theirs.tcpi_rcv_wscale && mine.tcpi_rcv_wscale == theirs.tcpi_snd_wscale);
    CHECK((mine.tcpi_snd_wscale != 0) == ((kernel_has & TCPI_OPT_WSCALE) != 0));
}

/* Everything that follows the handshake, in the same stack. */
static void converse_and_stop(int rill, int kernel)
{
    uint64_t counters[RILL_EVENT_COUNT];
    check_info(rill, kernel);
    CHECK(rill_link(RILL_IN, "loss 1% seed 4") == 0 && rill_link(RILL_OUT, "loss 1% seed 5") == 0);
    transfer(rill, kernel);
    CHECK(rill_link(RILL_IN, "none") == 0 && rill_link(RILL_OUT, "none") == 0);
    CHECK(rill_close(rill) == 0 && close(kernel) == 0);
    CHECK(rill_counters(counters, NULL) == 0);
    CHECK(counters[RILL_SEG_RESENT] > 0 && counters[RILL_OUT_OF_ORDER] > 0); /* the link did lose */
    CHECK(rill_stop(3000) == 0);
    check_wire(kernel_has);
}

static void body(void)
{
    sysctl("tcp_sack", (kernel_has & TCPI_OPT_SACK) != 0);
    sysctl("tcp_timestamps", (kernel_has & TCPI_OPT_TIMESTAMPS) != 0);
    sysctl("tcp_window_scaling", (kernel_has & TCPI_OPT_WSCALE) != 0);
    sysctl("tcp_ecn", (kernel_has & TCPI_OPT_ECN) != 0);

    start();
    int listener = kernel_listen(5001), fd = rill_connect_to(5001);
    int kernel = accept(listener, NULL, NULL);
    CHECK(kernel >= 0 && close(listener) == 0);
    converse_and_stop(fd, kernel);
    CHECK(wire[true].syn_has == ALL && wire[false].syn_has == kernel_has);

    start();
    fd = rill_pair(5002, &kernel);
    converse_and_stop(fd, kernel);
    CHECK(wire[false].syn_has == kernel_has && wire[true].syn_has == kernel_has);
}

static void interop(void **state)
{
    kernel_has = *(const unsigned *)*state;
    netns_run(body, 20);
}

/* The names say what the kernel has. */
int main(void)
{
    static char name[ALL + 1][80];
    static unsigned combination[ALL + 1];
    struct CMUnitTest tests[ALL + 1] = {0};
    for (unsigned i = 0; i <= ALL; i++) {
        combination[i] = i;
        (void)snprintf(name[i], sizeof name[i], "kernel_with%s%s%s%s__uses_that_and_no_more",
                       (i & TCPI_OPT_TIMESTAMPS) != 0 ? "_timestamps" : "",
                       (i & TCPI_OPT_SACK) != 0 ? "_sack" : "", (i & TCPI_OPT_WSCALE) != 0 ? "_wscale" : "",
                       (i & TCPI_OPT_ECN) != 0 ? "_ecn" : "");
        tests[i] =
            (struct CMUnitTest){.name = name[i], .test_func = interop, .initial_state = &combination[i]};
    }
    return cmocka_run_group_tests_name("interop", tests, NULL, NULL);
}
