/* tcp_conn.h - a connection's life: open, change of state, close, abort, free.  RFC
 * 9293 3.9.1, 3.10.1, 3.10.4, 3.10.5.  Rank 9.
 *
 * Owns: tcp_set_state is the only one that sets a state, tcp_free the only one that frees. */
#ifndef RILL_TCP_CONN_H
#define RILL_TCP_CONN_H

#include "engine.h"

/* RFC 9293 3.10.1, active OPEN.  lport 0 chooses an ephemeral port (RFC 6056).  0, -EADDRNOTAVAIL (no free
 * port or the tuple is in use), -ENETUNREACH (MUST-46: not a host that may be talked to), -ENOBUFS.  The SYN
 * leaves with the next output. */
int tcp_open_active(struct rill_engine *e, const struct tcp_opts *opts, uint32_t raddr, uint16_t rport,
                    uint16_t lport, struct tcb **out);

/* A TCB in CLOSED, not in any table, with everything at its initial value; NULL if memory forbids.  The
 * caller has looked at max_conns. */
struct tcb *tcp_new(struct rill_engine *e, const struct tcp_opts *opts);
/* Puts it into the table and gives it its initial numbers and state. */
void tcp_enter(struct rill_engine *e, struct tcb *c, enum rill_tcp_state state);

void tcp_set_state(struct rill_engine *e, struct tcb *c, enum rill_tcp_state state);

/* Makes sure that c->fl is there: 0 or -ENOBUFS. */
int tcp_need_flight(struct rill_engine *e, struct tcb *c);
void tcp_free_flight(struct rill_engine *e, struct tcb *c);

/* Makes sure that c->in is there: 0 or -ENOBUFS; and gives it back, with what was received out of order. */
int tcp_need_intake(struct rill_engine *e, struct tcb *c);
void tcp_free_intake(struct rill_engine *e, struct tcb *c);

/* The application will send no more (shutdown SHUT_WR, close): FIN after what is queued.  0 or -ENOBUFS. */
int tcp_shut_send(struct rill_engine *e, struct tcb *c);

/* RFC 9293 3.10.4 as BSD's close: the socket lets go.  Unread data, or `abort`, resets (SHLD-3); else FIN and
 * the orphan lives on until its timers end it.  c may be freed. */
void tcp_close(struct rill_engine *e, struct tcb *c, bool abort);

/* RFC 9293 3.10.5: RST with the next output if the state wants one, then CLOSED with error. */
void tcp_abort(struct rill_engine *e, struct tcb *c, int error);

/* CLOSED without a word: a RST came, a timer gave up.  error 0 is a normal end.  An orphan is freed (c is
 * gone). */
void tcp_die(struct rill_engine *e, struct tcb *c, int error);

/* Into TIME-WAIT, or restarts it.  An orphan with nothing unread becomes a record (c is gone then). */
void tcp_time_wait(struct rill_engine *e, struct tcb *c);
/* The record instead of the TCB once the descriptor is closed; false if there is no memory, then the TCB
 * stays.  A socket that is still open (a new connection takes the place) keeps a CLOSED one. */
bool tcp_time_wait_record(struct rill_engine *e, struct tcb *c);
void tcp_time_wait_free(struct rill_engine *e, struct time_wait *tw);

/* Frees an orphan or a CLOSED connection. */
void tcp_free(struct rill_engine *e, struct tcb *c);

/* RFC 6528: the initial number for a tuple at this time. */
uint32_t tcp_isn(const struct rill_engine *e, uint32_t raddr, uint16_t rport, uint16_t lport);
/* The MSS that we announce: what the MTU leaves (MUST-14, MUST-67), or less by TCP_MAXSEG. */
uint16_t tcp_our_mss(const struct rill_engine *e, const struct tcp_opts *opts);
/* SendMSS from the peer's MSS option, kept within reason, or less by TCP_MAXSEG. */
void tcp_set_snd_mss(struct tcb *c, uint16_t peer_mss);
/* RFC 7323 2.2: the smallest shift with which this buffer can be offered. */
uint8_t tcp_wscale_for(uint32_t rcvbuf_bytes);
/* How large the receive buffer may become: the scale has to be offered with the SYN, for good. */
uint32_t tcp_rcvbuf_max(const struct rill_engine *e, const struct tcp_opts *opts);
/* A free ephemeral port to the peer (RFC 6056 3.3.3), 0 if there is none. */
uint16_t tcp_ephemeral_port(struct rill_engine *e, uint32_t raddr, uint16_t rport);

#endif
