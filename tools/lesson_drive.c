/* lesson_drive.c - what is played in each lesson: rill's end by rill.h, the peer's by the kernel's sockets.
 *
 * One thread plays both: rill's background thread moves the packets while this one waits in the kernel.  A
 * read that waits longer than some seconds fails the lesson; so nothing here waits for ever. */
#include "lesson.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_S = 20, BACKLOG = 4, FLOOD = 8 };
#define MSS ((size_t)1460)

static void must(bool good, const char *what)
{
    if (!good)
        lesson_fail("%s: %s", what, strerror(errno));
}

static void pause_ms(unsigned ms)
{
    struct timespec left = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

static void link_now(enum rill_direction direction, const char *spec)
{
    must(rill_link(direction, spec) == 0, spec);
}

/* ---- Sockets
 * ------------------------------------------------------------------------------------------------ */

static struct sockaddr_in address(const char *ip, uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    must(inet_pton(AF_INET, ip, &at.sin_addr) == 1, ip);
    return at;
}

static int peer_socket(const struct stage *stage)
{
    int on = 1, size = (int)stage->lesson->peer_rcvbuf_bytes;
    struct timeval patience = {PATIENCE_S, 0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0, "socket");
    must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "TCP_NODELAY");
    must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0, "SO_REUSEADDR");
    must(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0, "SO_RCVTIMEO");
    if (size > 0)
        must(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0, "SO_RCVBUF");
    return fd;
}

static int rill_socket_new(void)
{
    int on = 1;
    struct timeval patience = {PATIENCE_S, 0};
    int fd = rill_socket(AF_INET, SOCK_STREAM, 0);
    must(fd >= 0, "rill_socket");
    must(rill_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "TCP_NODELAY");
    must(rill_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0, "SO_RCVTIMEO");
    return fd;
}

void stage_connect(struct stage *stage)
{
    struct sockaddr_in at = address("10.77.0.1", LESSON_PORT);
    int listener = peer_socket(stage);
    must(bind(listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(listener, 1) == 0,
         "the peer's port");
    stage->rill = rill_socket_new();
    must(rill_connect(stage->rill, (struct sockaddr *)&at, sizeof at) == 0, "connect");
    stage->peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    must(stage->peer >= 0, "accept");
    struct timeval patience = {PATIENCE_S, 0};
    must(setsockopt(stage->peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0, "SO_RCVTIMEO");
    close(listener);
}

void stage_send(const struct stage *stage, size_t len)
{
    static char data[1 << 16];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)('a' + i % 26);
    while (len > 0) {
        ssize_t n = rill_send(stage->rill, data, len < sizeof data ? len : sizeof data, 0);
        must(n > 0, "rill's send");
        len -= (size_t)n;
    }
}

void stage_peer_read(const struct stage *stage, size_t len)
{
    static char data[1 << 16];
    while (len > 0) {
        ssize_t n = recv(stage->peer, data, len < sizeof data ? len : sizeof data, 0);
        if (n == 0)
            lesson_fail("the peer's input ended %zu bytes early", len);
        must(n > 0, "the peer's receive");
        len -= (size_t)n;
    }
}

static void peer_send(const struct stage *stage, size_t len)
{
    static const char data[1 << 16];
    must(len <= sizeof data && send(stage->peer, data, len, MSG_NOSIGNAL) == (ssize_t)len, "the peer's send");
}

static void rill_take(const struct stage *stage, size_t len)
{
    static char data[1 << 16];
    while (len > 0) {
        ssize_t n = rill_recv(stage->rill, data, len < sizeof data ? len : sizeof data, 0);
        if (n == 0)
            lesson_fail("rill's input ended %zu bytes early", len);
        must(n > 0, "rill's receive");
        len -= (size_t)n;
    }
}

/* Until all that rill has sent is acknowledged. */
static void all_acked(const struct stage *stage)
{
    int left = 1;
    for (int i = 0; i < PATIENCE_S * 1000; i++) {
        must(rill_ioctl(stage->rill, SIOCOUTQ, &left) == 0, "SIOCOUTQ");
        if (left == 0)
            return;
        pause_ms(1);
    }
    lesson_fail("%d bytes were never acknowledged", left);
}

static void rill_end(const struct stage *stage)
{
    char byte;
    must(rill_recv(stage->rill, &byte, 1, 0) == 0, "the end of rill's input");
}

static void peer_end(const struct stage *stage)
{
    char byte;
    must(recv(stage->peer, &byte, 1, 0) == 0, "the end of the peer's input");
}

void stage_close(struct stage *stage)
{
    must(rill_shutdown(stage->rill, SHUT_WR) == 0, "rill's shutdown");
    peer_end(stage);
    close(stage->peer);
    rill_end(stage);
    must(rill_close(stage->rill) == 0, "rill's close");
}

/* ---- The lessons
 * --------------------------------------------------------------------------------------------- */

void drive_handshake(struct stage *stage)
{
    stage_connect(stage);
    pause_ms(50);
    stage_close(stage);
}

void drive_numbers(struct stage *stage)
{
    stage_connect(stage);
    stage_send(stage, 7999); /* octets 1 to 7999, as the SYN was 0 */
    stage_peer_read(stage, 7999);
    all_acked(stage);
    pause_ms(100);
    stage_send(stage, 20);
    stage_peer_read(stage, 20);
    all_acked(stage);
    stage_close(stage);
}

void drive_four_way_close(struct stage *stage)
{
    stage_connect(stage);
    stage_send(stage, 100);
    stage_peer_read(stage, 100);
    all_acked(stage);
    pause_ms(100);
    must(rill_shutdown(stage->rill, SHUT_WR) == 0, "rill's shutdown");
    peer_end(stage);
    pause_ms(150); /* longer than the peer delays its ACK */
    close(stage->peer);
    rill_end(stage);
    must(rill_close(stage->rill) == 0, "rill's close");
}

/* The last number of the second line that begins with "Tcp:". */
static long bad_checksums(void)
{
    char line[1024];
    int seen = 0;
    long value = -1;
    FILE *file = fopen("/proc/net/snmp", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *last = strrchr(line, ' ');
        if (strncmp(line, "Tcp:", 4) == 0 && ++seen == 2 && last != NULL)
            value = strtol(last, NULL, 10);
    }
    if (file != NULL)
        (void)fclose(file);
    return value;
}

void drive_checksum(struct stage *stage)
{
    stage_connect(stage);
    pause_ms(50);
    link_now(RILL_OUT, "corrupt 100% seed 1");
    stage_send(stage, 1000);
    pause_ms(100); /* shorter than the timeout: the next one passes unharmed */
    link_now(RILL_OUT, "none");
    if (bad_checksums() != 1)
        lesson_fail("the peer's counter of bad checksums is %ld, not 1", bad_checksums());
    stage_peer_read(stage, 1000);
    all_acked(stage);
    stage_close(stage);
}

void drive_out_of_order(struct stage *stage)
{
    stage_connect(stage);
    peer_send(stage, 100);
    rill_take(stage, 100);
    link_now(RILL_IN, "delay 80ms"); /* for the one that is overtaken */
    peer_send(stage, 100);
    pause_ms(10);
    link_now(RILL_IN, "none");
    peer_send(stage, 100);
    peer_send(stage, 100);
    rill_take(stage, 300);
    pause_ms(50);
    stage_close(stage);
}

void drive_one_segment(struct stage *stage)
{
    stage_connect(stage);
    stage_send(stage, 1000);
    stage_peer_read(stage, 1000);
    all_acked(stage);
    stage_close(stage);
}

void drive_ten_segments(struct stage *stage)
{
    stage_connect(stage);
    stage_send(stage, 10 * MSS);
    stage_peer_read(stage, 10 * MSS);
    all_acked(stage);
    stage_close(stage);
}

void drive_zero_window(struct stage *stage)
{
    enum { BYTES = 30000 };
    stage_connect(stage);
    stage_send(stage, BYTES);
    pause_ms(1000);
    stage_peer_read(stage, BYTES);
    all_acked(stage);
    stage_close(stage);
}

void drive_silly_window(struct stage *stage)
{
    const size_t step = MSS / 10, bytes = 20 * MSS;
    stage_connect(stage);
    peer_send(stage, bytes);
    pause_ms(100);
    for (size_t i = 0; i < bytes / step; i++) {
        rill_take(stage, step);
        pause_ms(1);
    }
    stage_close(stage);
}

static void five_writes(const struct stage *stage)
{
    for (int i = 0; i < 5; i++)
        stage_send(stage, 10);
    stage_peer_read(stage, 50);
    all_acked(stage);
}

void drive_nagle(struct stage *stage)
{
    int off = 0, on = 1;
    stage_connect(stage);
    must(rill_setsockopt(stage->rill, IPPROTO_TCP, TCP_NODELAY, &off, sizeof off) == 0, "TCP_NODELAY");
    five_writes(stage);
    pause_ms(100);
    must(rill_setsockopt(stage->rill, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "TCP_NODELAY");
    five_writes(stage);
    stage_close(stage);
}

void drive_delayed_ack(struct stage *stage)
{
    stage_connect(stage);
    peer_send(stage, 10); /* one small segment, and nothing to say */
    rill_take(stage, 10);
    pause_ms(200);
    peer_send(stage, 2 * MSS); /* two full ones */
    rill_take(stage, 2 * MSS);
    pause_ms(200);
    peer_send(stage, 10); /* one, and an answer at once */
    rill_take(stage, 10);
    stage_send(stage, 10);
    stage_peer_read(stage, 10);
    all_acked(stage);
    stage_close(stage);
}

void drive_half_close(struct stage *stage)
{
    stage_connect(stage);
    stage_send(stage, 20);
    must(rill_shutdown(stage->rill, SHUT_WR) == 0, "rill's shutdown");
    stage_peer_read(stage, 20);
    peer_end(stage);
    for (int i = 0; i < 3; i++) {
        pause_ms(60);
        peer_send(stage, 500);
    }
    rill_take(stage, 1500);
    pause_ms(60);
    close(stage->peer);
    rill_end(stage);
    must(rill_close(stage->rill) == 0, "rill's close");
}

void drive_simultaneous_close(struct stage *stage)
{
    stage_connect(stage);
    pause_ms(150);
    must(rill_shutdown(stage->rill, SHUT_WR) == 0, "rill's shutdown");
    must(shutdown(stage->peer, SHUT_WR) == 0, "the peer's shutdown");
    rill_end(stage);
    peer_end(stage);
    pause_ms(150);
    close(stage->peer);
    must(rill_close(stage->rill) == 0, "rill's close");
}

void drive_time_wait(struct stage *stage)
{
    stage_connect(stage);
    must(rill_shutdown(stage->rill, SHUT_WR) == 0, "rill's shutdown");
    peer_end(stage);
    pause_ms(150);
    link_now(RILL_OUT, "loss 100%"); /* for the last ACK */
    close(stage->peer);
    rill_end(stage);
    pause_ms(50);
    link_now(RILL_OUT, "none");
    pause_ms(400 + 2 * stage->lesson->msl_ms); /* the peer sends its FIN again; then 2 MSL */
    must(rill_close(stage->rill) == 0, "rill's close");
}

void drive_reset(struct stage *stage)
{
    struct sockaddr_in nobody = address("10.77.0.2", LESSON_PORT + 1);
    struct linger at_once = {1, 0};
    char byte;
    int fd = peer_socket(stage);
    if (connect(fd, (struct sockaddr *)&nobody, sizeof nobody) == 0 || errno != ECONNREFUSED)
        lesson_fail("the peer's connect was not refused");
    close(fd);
    stage_connect(stage);
    stage_send(stage, 100);
    stage_peer_read(stage, 100);
    all_acked(stage);
    must(setsockopt(stage->peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0, "SO_LINGER");
    close(stage->peer);
    if (rill_recv(stage->rill, &byte, 1, 0) != -1 || errno != ECONNRESET)
        lesson_fail("rill's receive did not end with ECONNRESET");
    must(rill_close(stage->rill) == 0, "rill's close");
}

void drive_syn_flood(struct stage *stage)
{
    struct sockaddr_in at = address("10.77.0.2", LESSON_PORT);
    int flood[FLOOD], listener = rill_socket_new();
    must(rill_bind(listener, (struct sockaddr *)&at, sizeof at) == 0 && rill_listen(listener, BACKLOG) == 0,
         "listen");
    for (int i = 0; i < FLOOD; i++) {
        flood[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        must(flood[i] >= 0, "socket");
        must(connect(flood[i], (struct sockaddr *)&at, sizeof at) == 0 || errno == EINPROGRESS, "connect");
        pause_ms(10);
    }
    pause_ms(100);
    for (int i = BACKLOG; i < FLOOD; i++) /* before they repeat their SYNs */
        close(flood[i]);
    link_now(RILL_OUT, "none"); /* now the SYN-ACKs get through: those of the second try */
    for (int i = 0; i < BACKLOG; i++) {
        stage->rill = rill_accept(listener, NULL, NULL);
        must(stage->rill >= 0, "accept");
        close(flood[i]);
        rill_end(stage);
        must(rill_close(stage->rill) == 0, "rill's close");
    }
    must(rill_close(listener) == 0, "close");
}

static void bulk(struct stage *stage, size_t bytes)
{
    int size = 2 * (int)bytes; /* all of it fits, so that one thread can send first and then read */
    stage_connect(stage);
    pause_ms(100);
    must(rill_setsockopt(stage->rill, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0, "SO_SNDBUF");
    stage_send(stage, bytes);
    stage_peer_read(stage, bytes);
    all_acked(stage);
    stage_close(stage);
}

void drive_slow_start(struct stage *stage) { bulk(stage, 200000); }
void drive_congestion(struct stage *stage) { bulk(stage, 1500000); }

/* One segment leaves as the link is now, and `count` after it without delay or loss. */
static void overtaken_by(const struct stage *stage, const char *link, unsigned count)
{
    link_now(RILL_OUT, link);
    stage_send(stage, MSS);
    pause_ms(2);
    link_now(RILL_OUT, "none");
    stage_send(stage, count * MSS);
    stage_peer_read(stage, (1 + count) * MSS);
    all_acked(stage);
}

void drive_rack(struct stage *stage)
{
    stage_connect(stage);
    stage_send(stage, MSS); /* for a first round trip */
    stage_peer_read(stage, MSS);
    all_acked(stage);
    overtaken_by(stage, "delay 10ms", 2);
    overtaken_by(stage, "delay 10ms", 5);
    overtaken_by(stage, "loss 100%", 5);
    stage_close(stage);
}
