/* api_socket.c - rill.h: making, connecting and closing sockets, and what can be asked and set.  RFC 9293
 * 3.9.1: OPEN, CLOSE, ABORT, STATUS. */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

/* Numbers of sockets become descriptors. */
static int64_t descriptor(int number) { return number < 0 ? number : (int64_t)number + RILL_FD_BASE; }

int rill_socket(int domain, int type, int protocol)
{
    struct call call;
    if (!call_begin(&call, -1))
        return -1;
    return (int)call_end(&call, descriptor(sock_socket(call.socks, domain, type, protocol)));
}

int rill_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
    struct call call;
    if (!call_begin(&call, fd))
        return -1;
    return (int)call_end(&call, sock_bind(call.socks, call.s, addr, len));
}

int rill_listen(int fd, int backlog)
{
    struct call call;
    if (!call_begin(&call, fd))
        return -1;
    return (int)call_end(&call, sock_listen(call.socks, call.s, backlog));
}

int rill_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    struct call call;
    int result;
    if (!call_begin(&call, fd))
        return -1;
    while ((result = sock_accept(call.socks, call.s, addr, len, flags)) == -EAGAIN) {
        result = call_again(&call, sock_nonblock(call.socks, call.s) > 0, POLLIN,
                            sock_timeout(call.socks, call.s, false));
        if (result != 0)
            break;
    }
    return (int)call_end(&call, descriptor(result));
}

int rill_accept(int fd, struct sockaddr *addr, socklen_t *len) { return rill_accept4(fd, addr, len, 0); }

int rill_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    struct call call;
    int result;
    if (!call_begin(&call, fd))
        return -1;
    /* Asked again, the socket says how it went.  It may be EALREADY at once, where an earlier call was
     * interrupted or the socket was non-blocking then: Linux waits too. */
    while ((result = sock_connect(call.socks, call.s, addr, len)) == -EINPROGRESS || result == -EALREADY) {
        if (sock_nonblock(call.socks, call.s) > 0)
            break;
        int again = call_again(&call, false, POLLOUT, sock_timeout(call.socks, call.s, true));
        if (again != 0) {
            result = again == -EAGAIN ? -EINPROGRESS : again;
            break;
        }
    }
    return (int)call_end(&call, result);
}

int rill_shutdown(int fd, int how)
{
    struct call call;
    if (!call_begin(&call, fd))
        return -1;
    return (int)call_end(&call, sock_shutdown(call.socks, call.s, how));
}

/* SO_LINGER: until all is acknowledged, the time is up, or a signal comes.  False: somebody else has closed
 * it meanwhile. */
static bool linger(struct call *c, rill_time duration_us)
{
    rill_time until_us = call_until(duration_us);
    if (sock_shutdown(c->socks, c->s, SHUT_WR) != 0 || !call_enrol(c))
        return true;
    int result = 0;
    while (result == 0 && !sock_all_acked(c->socks, c->s))
        result = loop_wait(c->loop, c->waiter, until_us);
    return result != -EBADF;
}

int rill_close(int fd)
{
    struct call call;
    if (!call_begin_anyway(&call, fd))
        return -1;
    /* Those who are blocked on it; the number may be given to another socket at once. */
    if (call.s >= 0)
        loop_socket_gone(call.loop, call.s);
    rill_time duration_us = sock_linger_us(call.socks, call.s);
    /* What is unread makes close a reset, which has nothing to wait for. */
    if (duration_us > 0 && sock_inq(call.socks, call.s) <= 0 && !linger(&call, duration_us))
        return (int)call_end(&call, 0);
    return (int)call_end(&call, sock_close(call.socks, call.s));
}

int rill_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
    struct call call;
    if (!call_begin(&call, fd))
        return -1;
    return (int)call_end(&call, sock_getsockname(call.socks, call.s, addr, len));
}

int rill_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
    struct call call;
    if (!call_begin(&call, fd))
        return -1;
    return (int)call_end(&call, sock_getpeername(call.socks, call.s, addr, len));
}

int rill_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    struct call call;
    if (!call_begin(&call, fd))
        return -1;
    return (int)call_end(&call, sock_setsockopt(call.socks, call.s, level, name, value, len));
}

int rill_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    struct call call;
    if (!call_begin(&call, fd))
        return -1;
    return (int)call_end(&call, sock_getsockopt(call.socks, call.s, level, name, value, len));
}

static int control(const struct call *c, int cmd, int arg)
{
    int nonblock = sock_nonblock(c->socks, c->s);
    if (nonblock < 0)
        return nonblock;
    switch (cmd) {
    case F_GETFL:
        return O_RDWR | (nonblock != 0 ? O_NONBLOCK : 0);
    case F_SETFL:
        return sock_set_nonblock(c->socks, c->s, (arg & O_NONBLOCK) != 0);
    case F_GETFD: /* exec knows nothing of these descriptors */
        return FD_CLOEXEC;
    case F_SETFD:
        return 0;
    default:
        return -EINVAL;
    }
}

int rill_fcntl(int fd, int cmd, int arg)
{
    struct call call;
    if (!call_begin(&call, fd))
        return -1;
    return (int)call_end(&call, control(&call, cmd, arg));
}

int rill_ioctl(int fd, unsigned long request, void *arg)
{
    struct call call;
    int result, *value = arg;
    if (!call_begin(&call, fd))
        return -1;
    switch (request) {
    case FIONBIO:
        return (int)call_end(&call, sock_set_nonblock(call.socks, call.s, *value != 0));
    case FIONREAD:
        result = sock_inq(call.socks, call.s);
        break;
    case SIOCOUTQ:
        result = sock_outq(call.socks, call.s);
        break;
    case SIOCATMARK:
        result = sock_atmark(call.socks, call.s);
        break;
    default:
        result = sock_nonblock(call.socks, call.s);
        return (int)call_end(&call, result < 0 ? result : -ENOTTY);
    }
    if (result >= 0) {
        *value = result;
        result = 0;
    }
    return (int)call_end(&call, result);
}
