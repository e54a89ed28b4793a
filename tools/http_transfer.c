/* http_transfer.c - connections for the page to show: the stack opens one to the kernel, over the TUN, and
 * one of the two sends.
 *
 * Both ends are clients of the server's loop.  The stack's is a socket of rill; the kernel's listens at
 * first, on the kernel's address of the TUN, and then is the connection.  Pausing keeps the readers from
 * reading, so that the windows they offer close by themselves, as they would for any slow program. */
#include "cli.h"
#include "service.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CHUNK = 16384,
    ROUNDS = 16,
    LOOK_MS = 100,          /* how often an end that waits looks whether somebody has stopped or resumed it */
    KERNEL_RCVBUF = 1 << 16 /* small, so that a window that nobody empties closes soon */
};

static struct {
    int ends; /* that are open */
    bool stopped;
} transfers[HTTP_TRANSFERS_MAX];
static bool paused;
static struct in_addr stack_addr;

void http_transfer_pause(bool on) { paused = on; }
bool http_transfer_is_paused(void) { return paused; }

int http_transfer_count(void)
{
    int count = 0;
    for (int i = 0; i < HTTP_TRANSFERS_MAX; i++)
        count += transfers[i].ends > 0;
    return count;
}

void http_transfer_stop_all(void)
{
    for (int i = 0; i < HTTP_TRANSFERS_MAX; i++)
        transfers[i].stopped = transfers[i].ends > 0;
}

/* ---- The two ends ---------------------------------------------------------------------------------- */

static bool is_rills(const struct client *client) { return client->fd >= RILL_FD_BASE; }

static ssize_t end_send(const struct client *client, size_t len)
{
    static const uint8_t data[CHUNK];
    len = len < sizeof data ? len : sizeof data;
    return is_rills(client) ? rill_send(client->fd, data, len, 0) : send(client->fd, data, len, MSG_NOSIGNAL);
}

static ssize_t end_recv(const struct client *client)
{
    static uint8_t scratch[CHUNK];
    return is_rills(client) ? rill_recv(client->fd, scratch, sizeof scratch, 0)
                            : recv(client->fd, scratch, sizeof scratch, 0);
}

static enum step step_sender(struct client *client)
{
    struct transfer_end *end = &client->transfer;
    ssize_t n = 1;
    client->want = POLLOUT;
    for (int round = 0; round < ROUNDS && end->left > 0 && n > 0; round++) {
        n = end_send(client, end->left < CHUNK ? (size_t)end->left : CHUNK);
        if (n > 0)
            end->left -= (uint64_t)n;
    }
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? STEP_KEEP : STEP_CLOSE;
    if (end->left > 0)
        return STEP_KEEP;
    if (!client->sent_all) {
        client->sent_all = true;
        (void)(is_rills(client) ? rill_shutdown(client->fd, SHUT_WR) : shutdown(client->fd, SHUT_WR));
    }
    client->want = POLLIN;
    n = end_recv(client);
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? STEP_KEEP : STEP_CLOSE;
}

static enum step step_reader(struct client *client)
{
    ssize_t n = 1;
    client->want = paused ? 0 : POLLIN;
    for (int round = 0; round < ROUNDS && !paused && n > 0; round++)
        n = end_recv(client);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)) ? STEP_KEEP : STEP_CLOSE;
}

/* The kernel's end becomes the connection; whoever else may try to connect is turned away. */
static enum step step_listening(struct client *client)
{
    struct sockaddr_in from = {0};
    socklen_t len = sizeof from;
    int fd = accept4(client->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    client->want = POLLIN;
    if (fd < 0)
        return transfers[client->transfer.slot].ends == 2 ? STEP_KEEP : STEP_CLOSE;
    if (from.sin_addr.s_addr != stack_addr.s_addr || from.sin_port != client->transfer.peer_port) {
        close(fd);
        return STEP_KEEP;
    }
    close(client->fd);
    client->fd = fd;
    client->transfer.listening = false;
    return STEP_KEEP;
}

static enum step transfer_step(struct client *client, int64_t now_ms)
{
    struct transfer_end *end = &client->transfer;
    client->wake_ms = now_ms + LOOK_MS;
    if (transfers[end->slot].stopped) {
        struct linger reset = {1, 0};
        if (is_rills(client))
            (void)rill_setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        return STEP_CLOSE;
    }
    if (end->listening)
        return step_listening(client);
    return end->sends ? step_sender(client) : step_reader(client);
}

static void close_end(struct client *client) { transfers[client->transfer.slot].ends--; }

static const struct service transfer_service = {"transfer",    0,        0, NULL, "a connection to look at",
                                                transfer_step, close_end};

/* ---- Starting one ---------------------------------------------------------------------------------- */

static int open_kernel_end(const struct cli *cli, struct sockaddr_in *addr)
{
    char text[INET_ADDRSTRLEN] = "";
    int size = KERNEL_RCVBUF;
    socklen_t len = sizeof *addr;
    size_t addr_len = strcspn(cli->options.peer, "/");
    if (addr_len < sizeof text)
        memcpy(text, cli->options.peer, addr_len);
    *addr = cli_sockaddr((struct in_addr){0}, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (inet_pton(AF_INET, text, &addr->sin_addr) == 1 &&
        bind(fd, (struct sockaddr *)addr, sizeof *addr) == 0 && listen(fd, 4) == 0 &&
        getsockname(fd, (struct sockaddr *)addr, &len) == 0)
        return fd;
    close(fd);
    return -1;
}

static int open_rill_end(const struct sockaddr_in *to, uint16_t *port)
{
    struct sockaddr_in own = {0};
    socklen_t len = sizeof own;
    int fd = rill_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if ((rill_connect(fd, (const struct sockaddr *)to, sizeof *to) == 0 || errno == EINPROGRESS) &&
        rill_getsockname(fd, (struct sockaddr *)&own, &len) == 0) {
        *port = own.sin_port;
        return fd;
    }
    rill_close(fd);
    return -1;
}

const char *http_transfer_start(const struct cli *cli, bool out, uint64_t bytes)
{
    struct sockaddr_in addr;
    uint16_t port = 0;
    int slot = 0, fd[2] = {-1, -1}, adopted = 0;
    while (slot < HTTP_TRANSFERS_MAX && transfers[slot].ends > 0)
        slot++;
    if (slot == HTTP_TRANSFERS_MAX)
        return "too many transfers are under way";
    stack_addr = cli_own_addr(cli);
    fd[0] = open_kernel_end(cli, &addr);
    if (fd[0] >= 0)
        fd[1] = open_rill_end(&addr, &port);
    transfers[slot].stopped = false;
    for (int i = 0; i < 2 && fd[1] >= 0; i++) {
        struct client *client = serve_adopt(fd[i], &transfer_service, 0);
        if (client == NULL)
            break;
        client->transfer = (struct transfer_end){
            .slot = slot, .left = bytes, .peer_port = port, .sends = out == (i == 1), .listening = i == 0};
        transfers[slot].ends++;
        adopted++;
    }
    if (adopted == 2)
        return NULL;
    transfers[slot].stopped = adopted == 1; /* and so the one that was taken closes at its first step */
    if (adopted == 0 && fd[0] >= 0)
        close(fd[0]);
    if (fd[1] >= 0)
        rill_close(fd[1]);
    return "no socket could be had";
}
