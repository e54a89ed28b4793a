/* sock_inside.c - see sock_inside.h. */
#include "sock_inside.h"

#include "tcp_conn.h"
#include "tcp_listen.h"

#include <errno.h>

#define TABLE_START 16u

/* Linux' defaults of tcp(7). */
#define KEEP_IDLE_S 7200
#define KEEP_INTVL_S 75
#define KEEP_CNT 9

/* ---- Numbers ------------------------------------------------------------------------------------------- */

static int grow_table(struct socks *socks)
{
    struct mem *mem = &socks->engine->mem;
    uint32_t cap = socks->cap == 0 ? TABLE_START : 2 * socks->cap;
    struct sock **table;
    if (cap > SOCKS_MAX)
        return -EMFILE;
    table = mem_alloc(mem, cap * sizeof(struct sock *));
    if (table == NULL)
        return -ENOBUFS;
    if (socks->cap != 0) {
        memcpy(table, socks->table, socks->cap * sizeof(struct sock *));
        mem_free(mem, socks->table, socks->cap * sizeof(struct sock *));
    }
    socks->table = table;
    socks->cap = cap;
    return 0;
}

int sock_new(struct socks *socks, struct sock **out)
{
    const struct rill_config *config = &socks->engine->config;
    uint32_t number = socks->first_free;
    struct sock *s;
    while (number < socks->cap && socks->table[number] != NULL)
        number++;
    socks->first_free = number;
    if (number == socks->cap) {
        int error = grow_table(socks);
        if (error != 0)
            return error;
    }
    s = mem_alloc(&socks->engine->mem, sizeof *s);
    if (s == NULL)
        return -ENOBUFS;
    s->rcv_timeout_us = s->snd_timeout_us = RILL_NEVER;
    s->opts = (struct tcp_opts){.sndbuf_bytes = config->sndbuf_bytes,
                                .rcvbuf_bytes = config->rcvbuf_bytes,
                                .keep_idle_s = KEEP_IDLE_S,
                                .keep_intvl_s = KEEP_INTVL_S,
                                .keep_cnt = KEEP_CNT,
                                .ttl = config->ttl,
                                .cc = (uint8_t)config->cc};
    socks->table[number] = s;
    socks->first_free = number + 1;
    socks->count++;
    *out = s;
    return (int)number;
}

void sock_drop(struct socks *socks, int number)
{
    ASSERT(sock_get(socks, number) != NULL);
    mem_free(&socks->engine->mem, socks->table[number], sizeof(struct sock));
    socks->table[number] = NULL;
    socks->first_free = min_u32(socks->first_free, (uint32_t)number);
    socks->count--;
}

/* ---- State and error ----------------------------------------------------------------------------------- */

enum rill_tcp_state sock_state(const struct sock *s)
{
    if (sock_listens(s))
        return RILL_LISTEN;
    if (s->c == NULL || s->c->state == RILL_TIME_WAIT)
        return RILL_CLOSED;
    return (enum rill_tcp_state)s->c->state;
}

bool sock_recv_is_shut(const struct sock *s)
{
    return s->shut_recv || (s->c != NULL && (sock_state(s) == RILL_CLOSED || tcp_fin_received(s->c)));
}

bool sock_send_is_shut(const struct sock *s)
{
    return s->shut_send || (s->c != NULL && sock_state(s) == RILL_CLOSED);
}

int sock_error(const struct sock *s)
{
    const struct tcb *c = s->c;
    if (s->error != 0)
        return s->error;
    if (c == NULL || c->state != RILL_CLOSED || s->told)
        return 0;
    return c->error;
}

int sock_take_error(struct sock *s)
{
    int error = sock_error(s);
    if (s->error != 0)
        s->error = 0;
    else if (error != 0)
        s->told = true;
    return error;
}

/* Ends listening and keeps the port.  Nobody else can have taken it in between; the connections that were
 * accepted from it are no obstacle to their own listener, so the port is asked for as if SO_REUSEADDR were
 * set. */
static int stop_listening(struct rill_engine *e, struct sock *s)
{
    uint32_t addr = s->port->addr;
    uint16_t number = s->port->number;
    int error;
    port_close(e, s->port);
    s->port = NULL;
    error = port_bind(e, s, addr, number, true, &s->port);
    if (error != 0)
        return error;
    s->port->reuse = s->reuse;
    return 0;
}

int sock_disconnect(struct socks *socks, struct sock *s)
{
    struct tcb *c = s->c;
    int error = 0;
    if (sock_listens(s)) {
        error = stop_listening(socks->engine, s);
    } else if (c != NULL) {
        bool resets = c->state != RILL_CLOSED && c->state != RILL_TIME_WAIT;
        s->error = (int16_t)(resets ? ECONNRESET : sock_error(s));
        s->c = NULL;
        tcp_close(socks->engine, c, true);
    }
    s->shut_recv = s->shut_send = false;
    s->phase = PHASE_IDLE;
    return error;
}

/* ---- Addresses ----------------------------------------------------------------------------------------- */

int sock_addr_in(struct sockaddr_in *in, const struct sockaddr *addr, socklen_t len)
{
    if (len > sizeof(struct sockaddr_storage))
        return -EINVAL;
    memset(in, 0, sizeof *in);
    if (len == 0)
        return 0;
    if (addr == NULL)
        return -EFAULT;
    memcpy(in, addr, min_u32(len, sizeof *in));
    return 0;
}

int sock_addr_out(uint32_t ip, uint16_t port, struct sockaddr *addr, socklen_t *len)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    if (addr == NULL || len == NULL)
        return -EFAULT;
    if (*len > INT32_MAX)
        return -EINVAL; /* a negative length */
    wire_put16((uint8_t *)&in.sin_port, port);
    wire_put32((uint8_t *)&in.sin_addr, ip);
    memcpy(addr, &in, min_u32(*len, sizeof in));
    *len = sizeof in;
    return 0;
}
