/* sock_inside.h - what the files of the socket layer share: struct sock, the table of numbers, errors,
 * addresses. Rank 15.1.
 *
 * A socket is in one of four phases (what Linux calls SS_UNCONNECTED …), and its TCP state comes on top:
 *
 *      IDLE        nothing; bound (port != NULL); listening (port->backlog != 0)
 *      CONNECTING  connect() was called and has not yet reported how it went; c != NULL
 *      CONNECTED   connect() has reported success, or accept() made it; c != NULL
 *      SPENT       connect() failed and shutdown() was called then: only close() is left; c != NULL
 *
 * Owns: c->owner.sock of its TCB, and the struct port from bind or listen until close. */
#ifndef RILL_SOCK_INSIDE_H
#define RILL_SOCK_INSIDE_H

#include "engine.h"
#include "sock.h"

#include <netinet/in.h>

enum sock_phase { PHASE_IDLE, PHASE_CONNECTING, PHASE_CONNECTED, PHASE_SPENT };

struct sock {
    struct tcb *c;                            /* NULL: no connection */
    struct port *port;                        /* NULL: not bound by bind or listen */
    rill_time rcv_timeout_us, snd_timeout_us; /* RILL_NEVER: none */
    struct tcp_opts opts;                     /* c->opt and port->opts are copies of it */
    uint32_t linger_s;
    int16_t error;                     /* errno value to report once, beside c->error */
    uint8_t phase;                     /* enum sock_phase */
    bool told : 1;                     /* c->error has been reported */
    bool shut_recv : 1, shut_send : 1; /* what shutdown() was called with */
    bool nonblock : 1;
    bool reuse : 1, broadcast : 1, linger : 1; /* SO_REUSEADDR, SO_BROADCAST, SO_LINGER */
};
_Static_assert(sizeof(struct sock) <= 72, "a socket stays small");
_Static_assert(sizeof(struct sock) + sizeof(struct tcb) <= 448, "and so does an idle connection");

/* The socket of a number, NULL if there is none. */
static inline struct sock *sock_get(const struct socks *socks, int number)
{
    return number >= 0 && (uint32_t)number < socks->cap ? socks->table[number] : NULL;
}

/* A socket without connection and with default options under the lowest free number (POSIX): the number,
 * -EMFILE, -ENOBUFS. */
int sock_new(struct socks *socks, struct sock **out);
/* Frees the number and the memory only. */
void sock_drop(struct socks *socks, int number);

static inline bool sock_listens(const struct sock *s) { return s->port != NULL && s->port->backlog != 0; }

/* The TCP state as Linux' sockets see it: CLOSED also without a connection and in TIME-WAIT. */
enum rill_tcp_state sock_state(const struct sock *s);

/* Whether nothing more will come, or can be sent: by shutdown(), by the peer's FIN, by the end of the
 * connection. */
bool sock_recv_is_shut(const struct sock *s);
bool sock_send_is_shut(const struct sock *s);

/* The errno value that waits to be reported, 0: none; and taking it: an error is reported once. */
int sock_error(const struct sock *s);
int sock_take_error(struct sock *s);

/* connect(AF_UNSPEC), shutdown() before there is a connection, and a connect() that failed: back to IDLE,
 * still bound. 0 or -ENOBUFS (then a listener is not bound any more). */
int sock_disconnect(struct socks *socks, struct sock *s);

/* Reads an address argument as Linux copies it in: 0, -EINVAL (length), -EFAULT.  What is missing is 0. */
int sock_addr_in(struct sockaddr_in *in, const struct sockaddr *addr, socklen_t len);
/* Hands an address out: truncated to *len, which becomes the full length.  0, -EFAULT, -EINVAL. */
int sock_addr_out(uint32_t ip, uint16_t port, struct sockaddr *addr, socklen_t *len);

static inline uint32_t sock_addr_ip(const struct sockaddr_in *in)
{
    return wire_get32((const uint8_t *)&in->sin_addr);
}
static inline uint16_t sock_addr_port(const struct sockaddr_in *in)
{
    return wire_get16((const uint8_t *)&in->sin_port);
}

#endif
