/* sock_life.c - socket, bind, listen, accept, connect, shutdown, close, and the two addresses.  RFC
 * 9293 3.9.1; socket(7), tcp(7), bind(2), listen(2), accept(2), connect(2), shutdown(2).  Rank 15.2. */
#include "sock_inside.h"
#include "tcp_conn.h"
#include "tcp_listen.h"

#include <errno.h>
#include <netinet/in.h>

#define TYPE_FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)
#define TYPE_LAST SOCK_PACKET /* the greatest type that there is */
#define BACKLOG_MAX 4096u     /* Linux' net.core.somaxconn */

void socks_init(struct socks *socks, struct rill_engine *engine)
{
    *socks = (struct socks){.engine = engine};
}

void socks_free(struct socks *socks)
{
    for (uint32_t s = 0; s < socks->cap; s++)
        if (socks->table[s] != NULL)
            (void)sock_close(socks, (int)s);
    mem_free(&socks->engine->mem, socks->table, socks->cap * sizeof(struct sock *));
    *socks = (struct socks){.engine = socks->engine};
}

int sock_socket(struct socks *socks, int domain, int type, int protocol)
{
    struct sock *s;
    int flags = type & ~0xf, number;
    if ((flags & ~TYPE_FLAGS) != 0 || (type & 0xf) > TYPE_LAST)
        return -EINVAL;
    if (domain != AF_INET)
        return -EAFNOSUPPORT;
    if (protocol < 0 || protocol >= IPPROTO_MAX)
        return -EINVAL;
    if ((type & 0xf) != SOCK_STREAM)
        return -ESOCKTNOSUPPORT;
    if (protocol != 0 && protocol != IPPROTO_TCP)
        return -EPROTONOSUPPORT;
    number = sock_new(socks, &s);
    if (number >= 0)
        s->nonblock = (flags & SOCK_NONBLOCK) != 0;
    return number;
}

int sock_bind(struct socks *socks, int number, const struct sockaddr *addr, socklen_t len)
{
    struct sock *s = sock_get(socks, number);
    struct rill_engine *e = socks->engine;
    struct sockaddr_in in;
    uint32_t ip;
    int error;
    if (s == NULL)
        return -EBADF;
    error = sock_addr_in(&in, addr, len);
    if (error != 0)
        return error;
    if (len < sizeof in)
        return -EINVAL;
    ip = sock_addr_ip(&in);
    if (in.sin_family != AF_INET && !(in.sin_family == AF_UNSPEC && ip == INADDR_ANY))
        return -EAFNOSUPPORT;
    if (ip != INADDR_ANY && ip != e->config.addr)
        return -EADDRNOTAVAIL;
    if (s->port != NULL || sock_state(s) != RILL_CLOSED)
        return -EINVAL; /* a socket whose connection has ended may be bound, as in Linux, for what it is worth
                         */
    return port_bind(e, s, ip, sock_addr_port(&in), s->reuse, &s->port);
}

int sock_listen(struct socks *socks, int number, int backlog)
{
    struct sock *s = sock_get(socks, number);
    struct rill_engine *e = socks->engine;
    if (s == NULL)
        return -EBADF;
    if (s->phase != PHASE_IDLE)
        return -EINVAL;
    if (s->port == NULL) {
        int error = port_bind(e, s, INADDR_ANY, 0, s->reuse, &s->port);
        if (error != 0)
            return error;
    }
    /* As Linux does, a negative backlog is a large one. */
    return port_listen(e, s->port, max_u32(1, min_u32((uint32_t)backlog, BACKLOG_MAX)), &s->opts);
}

int sock_accept(struct socks *socks, int number, struct sockaddr *addr, socklen_t *len, int flags)
{
    struct sock *listener = sock_get(socks, number), *s;
    int fresh, error;
    if (listener == NULL)
        return -EBADF;
    if ((flags & ~TYPE_FLAGS) != 0 || !sock_listens(listener))
        return -EINVAL;
    if (listener->port->ready_head == NULL)
        return -EAGAIN;
    if (addr != NULL) { /* before anything is taken off the queue */
        const struct conn_node *node = &listener->port->ready_head->node;
        error = sock_addr_out(node->raddr, node->rport, addr, len);
        if (error != 0)
            return error;
    }
    fresh = sock_new(socks, &s);
    if (fresh < 0)
        return fresh;
    s->c = port_accept(listener->port, s);
    ASSERT(s->c != NULL);
    /* Options are inherited, as the TCB has its listener's; O_NONBLOCK is not (accept(2)). */
    s->opts = s->c->opt;
    s->rcv_timeout_us = listener->rcv_timeout_us;
    s->snd_timeout_us = listener->snd_timeout_us;
    s->linger_s = listener->linger_s;
    s->linger = listener->linger;
    s->reuse = listener->reuse;
    s->broadcast = listener->broadcast;
    s->nonblock = (flags & SOCK_NONBLOCK) != 0;
    s->phase = PHASE_CONNECTED;
    return fresh;
}

/* connect() on a socket without a connection: sends the SYN. */
static int begin_connect(struct socks *socks, struct sock *s, const struct sockaddr_in *in, socklen_t len)
{
    uint16_t lport = s->port != NULL ? s->port->number : 0;
    int error;
    if (sock_state(s) != RILL_CLOSED)
        return -EISCONN; /* a listener */
    if (len < sizeof *in)
        return -EINVAL;
    if (in->sin_family != AF_INET)
        return -EAFNOSUPPORT;
    if (sock_addr_port(in) == 0)
        return -ECONNREFUSED; /* nobody listens there, and no segment may carry it */
    error = tcp_open_active(socks->engine, &s->opts, sock_addr_ip(in), sock_addr_port(in), lport, &s->c);
    if (error != 0)
        return error;
    s->c->owner.sock = s;
    s->told = false;
    s->phase = PHASE_CONNECTING;
    return -EINPROGRESS;
}

/* connect() once more, to learn how it went. */
static int end_connect(struct socks *socks, struct sock *s)
{
    enum rill_tcp_state state = sock_state(s);
    int error;
    if (state == RILL_SYN_SENT || state == RILL_SYN_RECEIVED)
        return -EALREADY;
    if (state != RILL_CLOSED) {
        s->phase = PHASE_CONNECTED;
        return 0;
    }
    error = sock_take_error(s);
    (void)sock_disconnect(socks, s);
    return error != 0 ? -error : -ECONNABORTED;
}

int sock_connect(struct socks *socks, int number, const struct sockaddr *addr, socklen_t len)
{
    struct sock *s = sock_get(socks, number);
    struct sockaddr_in in;
    int error;
    if (s == NULL)
        return -EBADF;
    error = sock_addr_in(&in, addr, len);
    if (error != 0)
        return error;
    if (len < sizeof in.sin_family)
        return -EINVAL;
    if (in.sin_family == AF_UNSPEC)
        return sock_disconnect(socks, s);
    switch ((enum sock_phase)s->phase) {
    case PHASE_IDLE:
        return begin_connect(socks, s, &in, len);
    case PHASE_CONNECTING:
        return end_connect(socks, s);
    case PHASE_CONNECTED:
        return -EISCONN;
    case PHASE_SPENT:
        break;
    }
    return -EINVAL;
}

int sock_shutdown(struct socks *socks, int number, int how)
{
    struct sock *s = sock_get(socks, number);
    enum rill_tcp_state state;
    if (s == NULL)
        return -EBADF;
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    state = sock_state(s);
    if (s->phase == PHASE_CONNECTING && state != RILL_SYN_SENT)
        s->phase = state == RILL_SYN_RECEIVED || state == RILL_CLOSED ? PHASE_SPENT : PHASE_CONNECTED;
    if (state == RILL_LISTEN)
        return how == SHUT_WR ? 0 : sock_disconnect(socks, s);
    if (state == RILL_SYN_SENT)
        return sock_disconnect(socks, s);
    if (how != SHUT_RD && s->c != NULL) {
        int error = tcp_shut_send(socks->engine, s->c);
        if (error != 0)
            return error;
    }
    s->shut_recv |= how != SHUT_WR;
    s->shut_send |= how != SHUT_RD;
    return state == RILL_CLOSED ? -ENOTCONN : 0;
}

int sock_close(struct socks *socks, int number)
{
    struct sock *s = sock_get(socks, number);
    if (s == NULL)
        return -EBADF;
    if (s->c != NULL)
        tcp_close(socks->engine, s->c, s->linger && s->linger_s == 0);
    if (s->port != NULL)
        port_close(socks->engine, s->port);
    sock_drop(socks, number);
    return 0;
}

int sock_getsockname(struct socks *socks, int number, struct sockaddr *addr, socklen_t *len)
{
    const struct sock *s = sock_get(socks, number);
    if (s == NULL)
        return -EBADF;
    if (s->c != NULL && (s->port == NULL || sock_state(s) != RILL_CLOSED))
        return sock_addr_out(socks->engine->config.addr, s->c->node.lport, addr, len);
    if (s->port != NULL)
        return sock_addr_out(s->port->addr, s->port->number, addr, len);
    return sock_addr_out(INADDR_ANY, 0, addr, len);
}

int sock_getpeername(struct socks *socks, int number, struct sockaddr *addr, socklen_t *len)
{
    const struct sock *s = sock_get(socks, number);
    enum rill_tcp_state state;
    if (s == NULL)
        return -EBADF;
    state = sock_state(s);
    if (state == RILL_CLOSED || state == RILL_SYN_SENT || state == RILL_LISTEN)
        return -ENOTCONN;
    return sock_addr_out(s->c->node.raddr, s->c->node.rport, addr, len);
}

int sock_nonblock(struct socks *socks, int number)
{
    const struct sock *s = sock_get(socks, number);
    return s != NULL ? s->nonblock : -EBADF;
}

int sock_set_nonblock(struct socks *socks, int number, bool on)
{
    struct sock *s = sock_get(socks, number);
    if (s == NULL)
        return -EBADF;
    s->nonblock = on;
    return 0;
}

rill_time sock_timeout(struct socks *socks, int number, bool send)
{
    const struct sock *s = sock_get(socks, number);
    if (s == NULL)
        return RILL_NEVER;
    return send ? s->snd_timeout_us : s->rcv_timeout_us;
}

rill_time sock_linger_us(struct socks *socks, int number)
{
    const struct sock *s = sock_get(socks, number);
    if (s == NULL || s->c == NULL || !s->linger || tcp_unread(s->c) > 0 || sock_all_acked(socks, number))
        return 0;
    return s->linger_s * SEC;
}

bool sock_all_acked(struct socks *socks, int number)
{
    const struct sock *s = sock_get(socks, number);
    return s == NULL || s->c == NULL || s->c->state == RILL_CLOSED || tcp_fin_acked(s->c);
}
