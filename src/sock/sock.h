/* sock.h - descriptors with BSD's calls over the engine, none of which waits.  Rank 15.
 *
 * Pure like the core: every call returns at once, >= 0 or -errno; what would have to wait is -EAGAIN (a
 * connect that has begun: -EINPROGRESS).  Semantics and errno values are those of Linux' tcp(7), ip(7),
 * socket(7).  Readiness is level-triggered: sock_poll computes it from the state, nothing is called back.
 * Sockets are small numbers from 0; the host adds its base. */
#ifndef RILL_SOCK_H
#define RILL_SOCK_H

#include "rill_engine.h"

#include <sys/socket.h>
#include <sys/uio.h>

struct sock;

/* All sockets of one engine. */
struct socks {
    struct rill_engine *engine;
    struct sock **table; /* by number, NULL: free */
    uint32_t cap, count; /* entries, in use */
    uint32_t first_free; /* no free number below this one */
};

/* A fixed limit on numbers: more is -EMFILE. */
#define SOCKS_MAX (1u << 20)

void socks_init(struct socks *socks, struct rill_engine *engine);
/* Closes every socket (with a RST where data would be lost) and frees the table. */
void socks_free(struct socks *socks);

/* AF_INET, SOCK_STREAM (with SOCK_NONBLOCK, SOCK_CLOEXEC), protocol 0 or IPPROTO_TCP.  The number, or
 * -EAFNOSUPPORT, -ESOCKTNOSUPPORT, -EPROTONOSUPPORT, -EMFILE, -ENOBUFS. */
int sock_socket(struct socks *socks, int domain, int type, int protocol);
int sock_bind(struct socks *socks, int number, const struct sockaddr *addr, socklen_t len);
int sock_listen(struct socks *socks, int number, int backlog);
/* flags: SOCK_NONBLOCK, SOCK_CLOEXEC.  addr, len may be NULL. */
int sock_accept(struct socks *socks, int number, struct sockaddr *addr, socklen_t *len, int flags);
int sock_connect(struct socks *socks, int number, const struct sockaddr *addr, socklen_t len);

/* MSG_DONTWAIT changes nothing here, MSG_WAITALL is the host's business, MSG_NOSIGNAL is implied, MSG_OOB,
 * MSG_MORE as Linux.  Bytes taken; a partial count is possible. */
int64_t sock_send(struct socks *socks, int number, const struct iovec *iov, int iovcnt, int flags);
/* MSG_PEEK, MSG_TRUNC (discard) as Linux.  0 is end of file. */
int64_t sock_recv(struct socks *socks, int number, const struct iovec *iov, int iovcnt, int flags);

int sock_shutdown(struct socks *socks, int number, int how);
/* Lets go of the number; the connection closes in order behind it, or is reset as SO_LINGER with 0 and unread
 * data ask. */
int sock_close(struct socks *socks, int number);

int sock_getsockname(struct socks *socks, int number, struct sockaddr *addr, socklen_t *len);
int sock_getpeername(struct socks *socks, int number, struct sockaddr *addr, socklen_t *len);
int sock_setsockopt(struct socks *socks, int number, int level, int name, const void *value, socklen_t len);
int sock_getsockopt(struct socks *socks, int number, int level, int name, void *value, socklen_t *len);

/* POLLIN, POLLPRI, POLLOUT, POLLRDHUP, POLLHUP, POLLERR as they are now, as Linux would report them; POLLNVAL
 * for a bad number. */
short sock_poll(struct socks *socks, int number);

/* O_NONBLOCK of the socket: 0, 1, -EBADF; and setting it. */
int sock_nonblock(struct socks *socks, int number);
int sock_set_nonblock(struct socks *socks, int number, bool on);

/* FIONREAD / SIOCINQ, SIOCOUTQ, SIOCATMARK: bytes, or 0/1; -errno. */
int sock_inq(struct socks *socks, int number);
int sock_outq(struct socks *socks, int number);
int sock_atmark(struct socks *socks, int number);

/* SO_RCVTIMEO, SO_SNDTIMEO in microseconds, RILL_NEVER if none is set. */
rill_time sock_timeout(struct socks *socks, int number, bool send);
/* SO_LINGER: how long close has to wait for the peer's acknowledgement, 0 if not at all; and whether
 * everything sent on a number that is still open has been acknowledged, FIN included.  For the host's close.
 */
rill_time sock_linger_us(struct socks *socks, int number);
bool sock_all_acked(struct socks *socks, int number);

#endif
