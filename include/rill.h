/* rill.h - sockets over a TUN device: the user's interface.
 *
 * A program calls rill_start() once, and then uses rill_socket(), rill_bind(), … as it would use the calls of
 * the same names without the prefix: types, constants, return values and errno are those of <sys/socket.h>,
 * <netinet/tcp.h>, <poll.h>.  There is one stack per process.  Every function may be called from several
 * threads at once; two threads may use the two directions of one connection.  After fork() the child's stack
 * is dead: every call there gives EBADF.
 *
 * Descriptors start at RILL_FD_BASE, far above the kernel's, so that the two kinds can be told apart and
 * mixed in one rill_poll().  They are not kernel descriptors: read(), poll(), dup() and exec know nothing of
 * them, and a kernel descriptor in a call other than rill_poll() gives EBADF.
 *
 * What differs from Linux: SIGPIPE is never raised, as if MSG_NOSIGNAL were always given; a signal ends a
 * call that waits with EINTR (or the count so far) even if its handler was set with SA_RESTART; the calls are
 * not cancellation points; they are not async-signal-safe, and a signal handler must not longjmp() out of
 * one.
 *
 * Link with -lrill -lpthread.  For an engine without device, threads and clock see <rill_engine.h>. */
#ifndef RILL_H
#define RILL_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "rill_engine.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RILL_VERSION "0.1.0"
#define RILL_FD_BASE (1 << 20)

/* ---- Starting and stopping ----------------------------------------------------------------------------- */

/* How the stack is set up.  rill_options_default() fills in everything; change what differs. */
struct rill_options {
    const char
        *tun; /* device name, default "rill0"; made if it does not exist, adopted if it is persistent */
    const char *addr; /* the stack's own address, default "10.77.0.2" */
    const char *peer; /* the kernel's address on the device and the prefix, default "10.77.0.1/24" */
    int mtu;          /* bytes, 68..65535, default 1500 */
    int tun_fd; /* an open TUN (IFF_TUN | IFF_NO_PI) to adopt instead of opening one, -1: none.  The caller
                   set its address; rill closes it in rill_stop() */
    void (*on_packet)(void *ctx, const void *data, size_t len,
                      bool out); /* sees each packet that crosses the TUN, or NULL; calls nothing of rill */
    void *on_packet_ctx;
    /* Sees each packet that the emulated link did something to, or NULL; calls nothing of rill.  `fate` is
     * one word: "loss", "list", "blackout", "limit", "memory" for what was dropped; "corrupt", "reorder",
     * "duplicate".  The packet's head holds the IP and TCP headers whole. */
    void (*on_link)(void *ctx, const struct rill_packet *packet, bool out, const char *fate);
    void *on_link_ctx;
    /* What is done to packets, see rill_link(); NULL: nothing. */
    const char *link_in, *link_out;
    /* Files to write, NULL: none.  A pcapng capture with the reason of each packet sent; the trace as one
     * JSON object a line.  They are replaced if they exist. */
    const char *capture, *trace_file;
    /* Timers, buffers, limits, features (RILL_FEATURES), congestion control (RILL_CCS), trace; addr, prefix,
     * mtu, allocator and entropy are filled in. */
    struct rill_config engine;
};
void rill_options_default(struct rill_options *options);

/* Opens the TUN, sets its address, MTU, queue length and UP, makes the engine and the background thread. NULL
 * means the defaults.  0, or -1 with errno and rill_error(): EPERM (no CAP_NET_ADMIN), ENOENT/ENODEV (no
 * /dev/net/tun), EBUSY (the name is taken), EADDRINUSE (the address is), EINVAL, EALREADY (started already),
 * ENOMEM. */
int rill_start(const struct rill_options *options);

/* Closes all sockets, waits up to timeout_ms for connections to close in order, resets the rest, takes the
 * TUN down.  Callers that are blocked return with EBADF.  0, or -1 with errno EBADF if it is not started. */
int rill_stop(int timeout_ms);

/* If somebody deletes the device, the stack is cut off for good: callers that are blocked return with
 * ENETDOWN, and so do all later calls on sockets and rill_poll(), but for rill_close(); what only looks in
 * still works, and rill_stop() ends it without waiting.  A device that is set down loses packets until it is
 * up again, no more. */

/* The last failure of rill_start in this thread as one line that names the cure. */
const char *rill_error(void);

/* ---- Sockets: BSD's calls ------------------------------------------------------------------------------ */

int rill_socket(int domain, int type, int protocol);
int rill_bind(int fd, const struct sockaddr *addr, socklen_t len);
int rill_listen(int fd, int backlog);
int rill_accept(int fd, struct sockaddr *addr, socklen_t *len);
int rill_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int rill_connect(int fd, const struct sockaddr *addr, socklen_t len);
ssize_t rill_send(int fd, const void *data, size_t len, int flags);
ssize_t rill_recv(int fd, void *data, size_t len, int flags);
ssize_t rill_sendto(int fd, const void *data, size_t len, int flags, const struct sockaddr *addr,
                    socklen_t addrlen);
ssize_t rill_recvfrom(int fd, void *data, size_t len, int flags, struct sockaddr *addr, socklen_t *addrlen);
ssize_t rill_read(int fd, void *data, size_t len);
ssize_t rill_write(int fd, const void *data, size_t len);
ssize_t rill_readv(int fd, const struct iovec *iov, int iovcnt);
ssize_t rill_writev(int fd, const struct iovec *iov, int iovcnt);
ssize_t rill_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t rill_recvmsg(int fd, struct msghdr *msg, int flags);
int rill_shutdown(int fd, int how);
int rill_close(int fd);
int rill_getsockname(int fd, struct sockaddr *addr, socklen_t *len);
int rill_getpeername(int fd, struct sockaddr *addr, socklen_t *len);
/* The options of socket(7), tcp(7) and ip(7).  TCP_CONGESTION is "cubic" or "reno", also while the connection
 * runs; TCP_INFO is the structure of <linux/tcp.h>, or as much of it as there is room for; SO_SNDBUF and
 * SO_RCVBUF end the growing of that buffer. */
int rill_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int rill_getsockopt(int fd, int level, int name, void *value, socklen_t *len);

/* F_GETFL and F_SETFL with O_NONBLOCK; FIONBIO, FIONREAD (SIOCINQ), SIOCOUTQ, SIOCATMARK. */
int rill_fcntl(int fd, int cmd, int arg);
int rill_ioctl(int fd, unsigned long request, void *arg);

/* ---- Waiting for several ------------------------------------------------------------------------------- */

/* poll(2) over rill's and the kernel's descriptors in one array. */
int rill_poll(struct pollfd *fds, nfds_t count, int timeout_ms);

/* A kernel descriptor that becomes readable when a packet or a timer may have changed something on any rill
 * descriptor: for a foreign event loop.  Read 8 bytes from it, then ask rill_poll(…, 0).  What the program's
 * own calls change it does not report.  Owned by the stack, closed by rill_stop().  -1 and EBADF if not
 * started. */
int rill_event_fd(void);

/* ---- Explaining ---------------------------------------------------------------------------------------- */

/* Why a segment left, in words ("RTO #2, rto 412 ms", "new data; held back 23 ms: receiver window"): for
 * events RILL_TRACE_SEGMENT_OUT of a trace hook, "" for others.  Writes at most cap bytes, the final 0
 * included, and returns the length. */
size_t rill_explain(const struct rill_trace_event *event, char *text, size_t cap);

/* ---- Looking in ---------------------------------------------------------------------------------------- */

/* All connections, listeners and records (struct rill_connection of rill_engine.h) at one moment: writes at
 * most cap of them and returns how many there are; -1 and EBADF. */
int rill_connections(struct rill_connection *list, int cap);

/* Link emulation: what is done to packets that come from the TUN (RILL_IN) and go to it (RILL_OUT), in
 * netem's words
 * ("loss 5% delay 20ms"; "none").  May be called at any time; packets under way stay.  0, or -1 with EINVAL
 * and rill_error(), which names the place of the mistake; EBADF. */
enum rill_direction { RILL_IN, RILL_OUT };
int rill_link(enum rill_direction direction, const char *spec);
/* Whether the words are settings: 0, or -1 with EINVAL and rill_error().  Needs no started stack. */
int rill_link_check(const char *spec);
/* What is set now, in canonical words: the length, written to text with its final 0 as far as cap allows; -1
 * and EBADF. */
int rill_link_get(enum rill_direction direction, char *text, size_t cap);

/* Drops the next segment with data, once, beside all else that is set; in rill_link_get's words it is a
 * `drop data N`.  Called again before it has come: the one after it too.  0, or -1 with EINVAL, EBADF. */
int rill_link_drop_next(enum rill_direction direction);

/* The engine's counters (rill_engine.h) and memory, taken at one moment; EBADF if not started. */
int rill_counters(uint64_t counters[RILL_EVENT_COUNT], size_t *memory_bytes);

#ifdef __cplusplus
}
#endif
#endif
