/* relay.c - from 127.0.0.1 of the user's own network namespace to a port of the stack in the lab's.
 *
 * A socket belongs to the namespace it was made in: the one that listens was opened before the lab left, and
 * what it accepts stays outside, while connections to the stack are made inside.  Single-threaded; each pair
 * of sockets has a buffer for each direction, and what one end does not take is not read from the other.
 * A client that stays does not keep its place: not once the stack has ended its side, nor while it is silent
 * and others wait. */
#include "relay.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    PAIRS_MAX = 256,
    BUFFER_BYTES = 16384,
    PORTS_TRIED = 100,
    BACKLOG = 128,
    LINGER_MS = 1000, /* for a client to take what the stack has sent, and to end */
    /* Silence after which a pair has to give way to a newcomer: longer than the pauses of /events. */
    SILENCE_MS = 2000
};

/* From fd[i] to fd[1 - i]: buffer[i], of which [pos, len) waits. */
struct pair {
    int fd[2];
    bool connecting;    /* fd[1] is under way */
    bool ended[2];      /* fd[i] has sent its FIN */
    bool passed_end[2]; /* and the other has been told */
    size_t pos[2], len[2];
    int64_t active_ms; /* when a byte or an end last got on */
    char buffer[2][BUFFER_BYTES];
};

static struct pair pairs[PAIRS_MAX];
static int pair_count;

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int relay_listen(uint16_t *port, bool exact)
{
    for (int i = 0; i < (exact ? 1 : PORTS_TRIED); i++) {
        struct sockaddr_in addr = {.sin_family = AF_INET,
                                   .sin_addr = {htonl(INADDR_LOOPBACK)},
                                   .sin_port = htons((uint16_t)(*port + i))};
        int on = 1;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
            return -1;
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (bind(fd, (struct sockaddr *)&addr, sizeof addr) == 0 && listen(fd, BACKLOG) == 0) {
            *port = (uint16_t)(*port + i);
            return fd;
        }
        int error = errno;
        close(fd);
        errno = error;
        if (error != EADDRINUSE)
            return -1;
    }
    return -1;
}

static void add_pair(int listener, const struct sockaddr_in *to)
{
    int on = 1;
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    int inner = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (inner < 0 || (connect(inner, (const struct sockaddr *)to, sizeof *to) != 0 && errno != EINPROGRESS)) {
        close(fd);
        if (inner >= 0)
            close(inner);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(inner, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct pair *pair = &pairs[pair_count++];
    memset(pair, 0, offsetof(struct pair, buffer));
    pair->fd[0] = fd;
    pair->fd[1] = inner;
    pair->connecting = true;
    pair->active_ms = now_ms();
}

/* False: the pair is lost. */
static bool move(struct pair *pair, int from)
{
    int to = 1 - from;
    for (;;) {
        if (pair->pos[from] == pair->len[from] && !pair->ended[from]) {
            ssize_t n = recv(pair->fd[from], pair->buffer[from], BUFFER_BYTES, 0);
            if (n < 0)
                return errno == EAGAIN || errno == EINTR;
            pair->pos[from] = 0;
            pair->len[from] = (size_t)n;
            pair->ended[from] = n == 0;
            pair->active_ms = now_ms();
        }
        if (pair->pos[from] == pair->len[from]) {
            if (!pair->passed_end[from] && shutdown(pair->fd[to], SHUT_WR) != 0)
                return false;
            return pair->passed_end[from] = true;
        }
        ssize_t n = send(pair->fd[to], pair->buffer[from] + pair->pos[from],
                         pair->len[from] - pair->pos[from], MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        pair->pos[from] += (size_t)n;
        pair->active_ms = now_ms();
    }
}

static bool step_pair(struct pair *pair, const struct pollfd poll[2])
{
    if (pair->connecting) {
        int error = 0;
        socklen_t len = sizeof error;
        if ((poll[1].revents & (POLLOUT | POLLERR | POLLHUP)) == 0)
            return (poll[0].revents & (POLLERR | POLLHUP)) == 0;
        if (getsockopt(pair->fd[1], SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0)
            return false;
        pair->connecting = false;
    }
    return move(pair, 0) && move(pair, 1) && !(pair->passed_end[0] && pair->passed_end[1]);
}

static short wanted(const struct pair *pair, int end)
{
    bool waits_to_send = pair->pos[1 - end] < pair->len[1 - end];
    bool may_read = pair->pos[end] == pair->len[end] && !pair->ended[end];
    if (pair->connecting)
        return end == 1 ? POLLOUT : 0;
    return (short)((waits_to_send ? POLLOUT : 0) | (may_read ? POLLIN : 0));
}

/* The last one moves into its place. */
static void close_pair(int i, bool reset)
{
    static const struct linger at_once = {1, 0};
    for (int end = 0; end < 2; end++) {
        if (reset)
            (void)setsockopt(pairs[i].fd[end], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(pairs[i].fd[end]);
    }
    pairs[i] = pairs[--pair_count];
}

/* Closes what has had its time: the stack's side has ended, or others wait and nothing has come for long.
 * How long until the next one, -1: until something comes. */
static int expire(int64_t now)
{
    int64_t next = -1;
    bool full = pair_count == PAIRS_MAX;
    for (int i = pair_count - 1; i >= 0; i--) {
        bool over = pairs[i].passed_end[1];
        int64_t left = pairs[i].active_ms + (over ? LINGER_MS : SILENCE_MS) - now;
        if (!over && !full)
            continue;
        if (left <= 0)
            close_pair(i, !over);
        else if (next < 0 || left < next)
            next = left;
    }
    return (int)next;
}

void relay_run(int listener, struct in_addr addr, uint16_t port)
{
    static struct pollfd poll_set[1 + 2 * PAIRS_MAX];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = addr, .sin_port = htons(port)};
    for (;;) {
        int timeout_ms = expire(now_ms());
        poll_set[0] = (struct pollfd){pair_count < PAIRS_MAX ? listener : -1, POLLIN, 0};
        for (int i = 0; i < 2 * pair_count; i++)
            poll_set[1 + i] = (struct pollfd){pairs[i / 2].fd[i % 2], wanted(&pairs[i / 2], i % 2), 0};
        int polled = pair_count;
        int ready = poll(poll_set, 1 + 2 * (nfds_t)polled, timeout_ms);
        if (ready < 0 && errno != EINTR)
            return;
        if (ready <= 0)
            continue;
        /* From the last to the first: the last one moves into the place of one that ends. */
        for (int i = polled - 1; i >= 0; i--) {
            const struct pollfd *mine = &poll_set[1 + 2 * i];
            bool broken =
                !pairs[i].connecting && ((mine[0].revents | mine[1].revents) & (POLLERR | POLLNVAL)) != 0;
            if ((mine[0].revents | mine[1].revents) != 0 && (broken || !step_pair(&pairs[i], mine)))
                close_pair(i, false);
        }
        if (poll_set[0].revents != 0)
            add_pair(listener, &to);
    }
}
