/* sock_io.c - send, recv, poll and what ioctl asks.  RFC 9293 3.9.1, RFC 6093; send(2), recv(2), poll(2),
 * tcp(7). Rank 15.2. */
#include "sock_inside.h"
#include "tcp_output.h"
#include "tcp_rcv.h"

#include <errno.h>
#include <poll.h>

#define IOV_COUNT_MAX 1024 /* Linux' UIO_MAXIOV */
#define CHUNK_MAX (1u << 30)

#ifndef POLLRDHUP /* <poll.h> has it for _GNU_SOURCE only */
#define POLLRDHUP 0x2000
#endif

/* The bytes that the vector covers.  -EINVAL, -EMSGSIZE, -EFAULT as for sendmsg(2) and writev(2). */
static int64_t iov_total(const struct iovec *iov, int iovcnt, bool no_base)
{
    uint64_t total = 0;
    if (iovcnt < 0)
        return -EINVAL;
    if (iovcnt > IOV_COUNT_MAX)
        return -EMSGSIZE;
    if (iovcnt > 0 && iov == NULL)
        return -EFAULT;
    for (int i = 0; i < iovcnt; i++) {
        if (iov[i].iov_len > INT64_MAX || total + iov[i].iov_len > INT64_MAX)
            return -EINVAL;
        if (iov[i].iov_len > 0 && iov[i].iov_base == NULL && !no_base)
            return -EFAULT;
        total += iov[i].iov_len;
    }
    return (int64_t)total;
}

/* ---- Sending ------------------------------------------------------------------------------------------- */

/* 0, or why nothing can be sent now: an error that waits, -EPIPE, or -EAGAIN while the handshake is under
 * way. */
static int may_send(struct sock *s)
{
    enum rill_tcp_state state = sock_state(s);
    if (sock_error(s) != 0)
        return -sock_take_error(s);
    if (sock_send_is_shut(s))
        return -EPIPE;
    if (state == RILL_SYN_SENT || state == RILL_SYN_RECEIVED)
        return -EAGAIN;
    /* Linux says EPIPE, not ENOTCONN, also when there never was a connection. */
    return state == RILL_ESTABLISHED || state == RILL_CLOSE_WAIT ? 0 : -EPIPE;
}

/* How much was taken; less than all, also -ENOBUFS, when room or memory ran out. */
static int64_t write_all(struct rill_engine *e, struct tcb *c, const struct iovec *iov, int iovcnt)
{
    int64_t done = 0;
    for (int i = 0; i < iovcnt; i++) {
        const uint8_t *data = iov[i].iov_base;
        size_t off = 0;
        while (off < iov[i].iov_len) {
            int32_t n = tcp_write(e, c, data + off, (uint32_t)min_u64(iov[i].iov_len - off, CHUNK_MAX));
            if (n <= 0)
                return done > 0 ? done : n;
            off += (uint32_t)n;
            done += n;
        }
    }
    return done;
}

int64_t sock_send(struct socks *socks, int number, const struct iovec *iov, int iovcnt, int flags)
{
    struct sock *s = sock_get(socks, number);
    int64_t total = iov_total(iov, iovcnt, false), done;
    int error;
    if (s == NULL)
        return -EBADF;
    if (total < 0)
        return total;
    if ((flags & MSG_FASTOPEN) != 0)
        return -EOPNOTSUPP;
    error = may_send(s);
    if (error != 0)
        return error;
    if (total == 0)
        return 0;
    done = write_all(socks->engine, s->c, iov, iovcnt);
    if (done > 0 && (flags & MSG_OOB) != 0)
        tcp_write_urgent(s->c); /* of a partial count too: what follows moves the mark on */
    return done == 0 ? -EAGAIN : done;
}

/* ---- Receiving ----------------------------------------------------------------------------------------- */

/* What one recv may return: reading stops in front of the last urgent byte, so that the mark can be seen.
 * That byte is the one before the position that the pointer names (RFC 6093 3.1). */
static uint32_t readable(const struct tcb *c)
{
    uint32_t unread = tcp_unread(c);
    if (c->rcv.up > c->rcv.read + 1)
        return (uint32_t)min_u64(unread, c->rcv.up - 1 - c->rcv.read);
    return unread;
}

static int64_t read_all(struct rill_engine *e, struct tcb *c, const struct iovec *iov, int iovcnt, int flags)
{
    uint32_t left = readable(c), done = 0;
    for (int i = 0; i < iovcnt && left > 0; i++) {
        uint32_t n = (uint32_t)min_u64(iov[i].iov_len, left);
        void *data = (flags & MSG_TRUNC) != 0 ? NULL : iov[i].iov_base;
        if (n == 0)
            continue;
        if ((flags & MSG_PEEK) == 0)
            (void)tcp_read(e, c, data, n, false);
        else if (data != NULL)
            ring_read(&c->rx, c->rcv.read + done, data, n);
        done += n;
        left -= n;
    }
    return done;
}

int64_t sock_recv(struct socks *socks, int number, const struct iovec *iov, int iovcnt, int flags)
{
    struct sock *s = sock_get(socks, number);
    int64_t total = iov_total(iov, iovcnt, (flags & MSG_TRUNC) != 0);
    if (s == NULL)
        return -EBADF;
    if (total < 0)
        return total;
    if ((flags & MSG_ERRQUEUE) != 0)
        return -EAGAIN; /* always empty */
    if (sock_listens(s))
        return -ENOTCONN;
    if ((flags & MSG_OOB) != 0)
        return -EINVAL; /* urgent data is always in line (RFC 6093 4) */
    if (s->c != NULL && tcp_unread(s->c) > 0)
        return read_all(socks->engine, s->c, iov, iovcnt, flags);
    if (s->c != NULL && tcp_fin_received(s->c))
        return 0;
    if (sock_error(s) != 0)
        return -sock_take_error(s);
    if (sock_recv_is_shut(s))
        return 0;
    return sock_state(s) == RILL_CLOSED ? -ENOTCONN : -EAGAIN;
}

/* ---- Readiness ----------------------------------------------------------------------------------------- */

/* Linux' sk_stream_is_writeable: a third of the buffer is free. */
static bool writeable(const struct tcb *c)
{
    uint32_t room = tcp_write_room(c);
    return room > 0 && room >= (c->opt.sndbuf_bytes - room) / 2;
}

/* Urgent data that has not been read.  DEVIATES: Linux shows it when the urgent byte is there and sends
 * SIGURG when the pointer arrives; there are no signals here, so that POLLPRI comes with the pointer (RFC
 * 9293 3.8.5, MUST-32). */
static bool urgent(const struct tcb *c)
{
    return c->rcv.up > c->rcv.read && !(tcp_fin_received(c) && tcp_unread(c) == 0);
}

short sock_poll(struct socks *socks, int number)
{
    const struct sock *s = sock_get(socks, number);
    enum rill_tcp_state state;
    int mask = 0;
    if (s == NULL)
        return POLLNVAL;
    state = sock_state(s);
    if (state == RILL_LISTEN)
        return s->port->ready_head != NULL ? POLLIN | POLLRDNORM : 0;
    if (state == RILL_CLOSED || (sock_recv_is_shut(s) && sock_send_is_shut(s)))
        mask |= POLLHUP;
    if (sock_recv_is_shut(s))
        mask |= POLLIN | POLLRDNORM | POLLRDHUP;
    if (state != RILL_SYN_SENT && state != RILL_SYN_RECEIVED) {
        if (s->c != NULL && tcp_unread(s->c) > 0)
            mask |= POLLIN | POLLRDNORM;
        /* Nothing holds up a send that will fail. */
        if (s->c == NULL || sock_send_is_shut(s) || writeable(s->c))
            mask |= POLLOUT | POLLWRNORM;
        if (s->c != NULL && urgent(s->c))
            mask |= POLLPRI;
    }
    if (sock_error(s) != 0)
        mask |= POLLERR;
    return (short)mask;
}

/* ---- ioctl --------------------------------------------------------------------------------------------- */

static int to_int(uint64_t bytes) { return (int)min_u64(bytes, INT32_MAX); }

int sock_inq(struct socks *socks, int number)
{
    const struct sock *s = sock_get(socks, number);
    if (s == NULL)
        return -EBADF;
    if (sock_listens(s))
        return -EINVAL;
    return s->c != NULL ? to_int(tcp_unread(s->c)) : 0;
}

int sock_outq(struct socks *socks, int number)
{
    const struct sock *s = sock_get(socks, number);
    enum rill_tcp_state state;
    if (s == NULL)
        return -EBADF;
    state = sock_state(s);
    if (state == RILL_LISTEN)
        return -EINVAL;
    if (state == RILL_CLOSED || state == RILL_SYN_SENT || state == RILL_SYN_RECEIVED ||
        s->c->snd.una > s->c->snd.end)
        return 0;
    /* As in Linux the FIN counts as one. */
    return to_int(s->c->snd.end - s->c->snd.una + s->c->fin_queued);
}

int sock_atmark(struct socks *socks, int number)
{
    const struct sock *s = sock_get(socks, number);
    if (s == NULL)
        return -EBADF;
    return s->c != NULL && s->c->rcv.up != 0 && s->c->rcv.up == s->c->rcv.read + 1;
}
