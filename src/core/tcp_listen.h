/* tcp_listen.h - passive opens: bound ports, half-open records, the queue of connections to accept.  RFC
 * 9293 3.10.7.2.  Rank 11. */
#ifndef RILL_TCP_LISTEN_H
#define RILL_TCP_LISTEN_H

#include "engine.h"

/* Binds a port.  number 0 chooses a free one.  0, -EADDRINUSE, -ENOBUFS.  Conflicts as Linux sees them:
 * another bound port with the number, unless both say reuse and neither listens; a connection that uses it,
 * unless reuse. */
int port_bind(struct rill_engine *e, void *sock, uint32_t addr, uint16_t number, bool reuse,
              struct port **out);

/* Makes it listen (again: only the backlog changes).  0 or -EADDRINUSE when another one listens there. */
int port_listen(struct rill_engine *e, struct port *port, uint32_t backlog, const struct tcp_opts *opts);

/* Takes the oldest connection off the queue, or NULL.  The caller becomes its owner at once. */
struct tcb *port_accept(struct port *port, void *sock);

/* Unbinds; half-open records go, connections that nobody accepted are reset. */
void port_close(struct rill_engine *e, struct port *port);

/* A segment for a listening port without a record or a connection: RFC 9293 3.10.7.2. */
void listen_input(struct rill_engine *e, struct port *port, const struct tcp_segment *seg);

/* Its third step, a SYN that may open a connection.  old_nxt32 is SND.NXT of the connection in TIME-WAIT that
 * it replaces, or NULL.  False: the queue is full or there is no memory, and the SYN was dropped. */
bool listen_syn(struct rill_engine *e, struct port *port, const struct tcp_segment *seg,
                const uint32_t *old_nxt32);

/* A segment for a half-open record.  Returns the new connection when the ACK completes the handshake: the
 * caller goes on with 3.10.7.4 in SYN-RECEIVED. */
struct tcb *half_open_input(struct rill_engine *e, struct half_open *half, const struct tcp_segment *seg);

/* The next SYN,ACK that is due, or false; moves records whose time has come onto the list. */
bool half_open_output(struct rill_engine *e, struct rill_packet *out);
void half_open_advance(struct rill_engine *e);
void half_open_free(struct rill_engine *e, struct half_open *half);
/* All records of a port. */
void half_open_free_all(struct rill_engine *e, const struct port *port);

#endif
