/* api_io.c - rill.h: bytes in and out.  RFC 9293 3.9.1, SEND and RECEIVE.
 *
 * All calls end in one loop for each direction.  A blocking send goes on until everything is taken, as Linux
 * does; an error after some bytes is left for the next call.  SIGPIPE is never raised: EPIPE says it all. */
#include "host.h"

#include <errno.h>
#include <limits.h>

#define PARTS 16 /* slices handed to the socket at once */

/* Where in the caller's vector the transfer is. */
struct progress {
    const struct iovec *iov;
    int count;  /* from iov on */
    size_t off; /* in *iov */
    size_t left, done;
};

/* 0 or -EINVAL. */
static int progress_init(struct progress *p, const struct iovec *iov, int count)
{
    *p = (struct progress){.iov = iov, .count = count};
    if (count < 0 || count > IOV_MAX)
        return -EINVAL;
    for (int i = 0; i < count; i++) {
        if (iov[i].iov_len > (size_t)SSIZE_MAX - p->left)
            return -EINVAL;
        p->left += iov[i].iov_len;
    }
    return 0;
}

/* The next slices; their number, and their bytes in *bytes. */
static int progress_parts(const struct progress *p, struct iovec part[PARTS], size_t *bytes)
{
    int count = p->count < PARTS ? p->count : PARTS;
    *bytes = 0;
    for (int i = 0; i < count; i++) {
        size_t skip = i == 0 ? p->off : 0;
        part[i].iov_base = (char *)p->iov[i].iov_base + skip;
        part[i].iov_len = p->iov[i].iov_len - skip;
        *bytes += part[i].iov_len;
    }
    return count;
}

static void progress_advance(struct progress *p, size_t bytes)
{
    p->left -= bytes;
    p->done += bytes;
    while (p->count > 0 && bytes >= p->iov->iov_len - p->off) {
        bytes -= p->iov->iov_len - p->off;
        p->off = 0;
        p->iov++;
        p->count--;
    }
    p->off += bytes;
}

static bool failing(const struct call *c) { return (sock_poll(c->socks, c->s) & POLLERR) != 0; }

static int64_t send_all(struct call *c, struct progress *p, int flags)
{
    bool nonblock = (flags & MSG_DONTWAIT) != 0 || sock_nonblock(c->socks, c->s) > 0;
    for (;;) {
        struct iovec part[PARTS];
        size_t bytes;
        int count = progress_parts(p, part, &bytes);
        /* Slices that come later belong to the same call: no push, no urgent mark before the last. */
        int now = bytes < p->left ? (flags | MSG_MORE) & ~MSG_OOB : flags;
        int64_t n = sock_send(c->socks, c->s, part, count, now);
        if (n == -EAGAIN) {
            n = call_again(c, nonblock, POLLOUT, sock_timeout(c->socks, c->s, true));
            if (n == 0)
                continue;
        }
        if (n < 0)
            return p->done > 0 ? (int64_t)p->done : n;
        progress_advance(p, (size_t)n);
        if (p->left == 0 || failing(c))
            return (int64_t)p->done;
    }
}

static int64_t recv_some(struct call *c, struct progress *p, int flags)
{
    /* Urgent data is in line (RFC 6093); asking for it apart never waits. */
    bool nonblock = (flags & (MSG_DONTWAIT | MSG_OOB)) != 0 || sock_nonblock(c->socks, c->s) > 0;
    bool all = (flags & MSG_WAITALL) != 0 && (flags & MSG_PEEK) == 0;
    for (;;) {
        struct iovec part[PARTS];
        size_t bytes;
        int count = progress_parts(p, part, &bytes);
        int64_t n = sock_recv(c->socks, c->s, part, count, flags & ~(MSG_WAITALL | MSG_DONTWAIT));
        if (n == -EAGAIN) {
            n = call_again(c, nonblock, POLLIN, sock_timeout(c->socks, c->s, false));
            if (n == 0)
                continue;
        }
        if (n <= 0)
            return p->done > 0 ? (int64_t)p->done : n;
        progress_advance(p, (size_t)n);
        if (p->left == 0 || (flags & MSG_PEEK) != 0 || failing(c))
            return (int64_t)p->done;
        if (!all && ((size_t)n < bytes || sock_inq(c->socks, c->s) <= 0))
            return (int64_t)p->done;
    }
}

static ssize_t do_send(int fd, const struct iovec *iov, int count, int flags)
{
    struct call call;
    struct progress progress;
    if (!call_begin(&call, fd))
        return -1;
    int64_t result = progress_init(&progress, iov, count);
    if (result == 0)
        result = send_all(&call, &progress, flags);
    return call_end(&call, result);
}

static ssize_t do_recv(int fd, const struct iovec *iov, int count, int flags)
{
    struct call call;
    struct progress progress;
    if (!call_begin(&call, fd))
        return -1;
    int64_t result = progress_init(&progress, iov, count);
    if (result == 0)
        result = recv_some(&call, &progress, flags);
    return call_end(&call, result);
}

/* An iovec has no const, though sending only reads. */
static struct iovec whole(const void *data, size_t len)
{
    return (struct iovec){(void *)(uintptr_t)data, len};
}

ssize_t rill_send(int fd, const void *data, size_t len, int flags)
{
    struct iovec iov = whole(data, len);
    return do_send(fd, &iov, 1, flags);
}

ssize_t rill_recv(int fd, void *data, size_t len, int flags)
{
    struct iovec iov = whole(data, len);
    return do_recv(fd, &iov, 1, flags);
}

/* A stream has one peer: the address is ignored, as Linux does. */
ssize_t rill_sendto(int fd, const void *data, size_t len, int flags, const struct sockaddr *addr,
                    socklen_t addrlen)
{
    (void)addr;
    (void)addrlen;
    return rill_send(fd, data, len, flags);
}

ssize_t rill_recvfrom(int fd, void *data, size_t len, int flags, struct sockaddr *addr, socklen_t *addrlen)
{
    ssize_t n = rill_recv(fd, data, len, flags);
    if (n >= 0 && addr != NULL && addrlen != NULL)
        *addrlen = 0;
    return n;
}

ssize_t rill_read(int fd, void *data, size_t len) { return rill_recv(fd, data, len, 0); }
ssize_t rill_write(int fd, const void *data, size_t len) { return rill_send(fd, data, len, 0); }
ssize_t rill_readv(int fd, const struct iovec *iov, int iovcnt) { return do_recv(fd, iov, iovcnt, 0); }
ssize_t rill_writev(int fd, const struct iovec *iov, int iovcnt) { return do_send(fd, iov, iovcnt, 0); }

ssize_t rill_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    if (msg->msg_iovlen > IOV_MAX) {
        errno = EMSGSIZE;
        return -1;
    }
    return do_send(fd, msg->msg_iov, (int)msg->msg_iovlen, flags);
}

ssize_t rill_recvmsg(int fd, struct msghdr *msg, int flags)
{
    if (msg->msg_iovlen > IOV_MAX) {
        errno = EMSGSIZE;
        return -1;
    }
    ssize_t n = do_recv(fd, msg->msg_iov, (int)msg->msg_iovlen, flags);
    if (n >= 0) {
        msg->msg_namelen = 0;
        msg->msg_controllen = 0;
        msg->msg_flags = 0;
    }
    return n;
}
