/* script.h - a rig around one engine in virtual time, in which a test says line by line what arrives and what
 * must leave (notation.h).
 *
 *      struct rig *t = rig_listen(NULL);
 *      in(t, "S 0:0(0) win 65535 <mss 1460,nop,wscale 7>");
 *      out(t, "S. 0:0(0) ack 1 win 65535 <mss 1460,nop,wscale 2>");
 *      in(t, ". 1:1(0) ack 1");
 *      out_none(t);
 *      rig_end(t);
 *
 * What holds in every test without being said: whatever the stack sends is seen, so that a packet which no
 * out() takes fails the test at the next line; each one is sound (notation.c), goes from the right address to
 * the right one, carries what the application wrote, and nothing beyond; after each call engine_check() holds
 * and nothing is due in the past; states change along the edges of RFC 9293 figure 5 only; after rig_end()
 * the heap is empty.  A failure prints all that happened.
 *
 * The stack is 10.77.0.2, the peers are 10.77.0.1.  Peer 0 is the one that constructors connect; peer N has
 * another port, and its lines begin with @N.  In in(), a segment without `win` has the rig's peer_win; in
 * out(), without `win` any is right, without `<...>` there must be no options.  What is fed in has ECN in its
 * IP header as the line says; what leaves must have it so. */
#ifndef SCRIPT_H
#define SCRIPT_H

#include "heap.h"
#include "notation.h"
#include "stack.h"
#include "tcp_conn.h"
#include "tcp_listen.h"
#include "tcp_output.h"
#include "tcp_rcv.h"
#include "test.h"

#include <errno.h>

#define RIG_OUR_ADDR 0x0a4d0002u
#define RIG_PEER_ADDR 0x0a4d0001u
#define RIG_PORT 7u       /* the listener's, or the peer's if we connect */
#define RIG_CLIENT 40000u /* the client's port, + N */
#define RIG_PEERS 64u
#define RIG_QUEUE 256u /* packets that a single call may make leave */

/* What a test may want to be different; zero (or NULL) is the default.  The default receive buffer is 65535
 * bytes, so that the window of the SYN is the whole one and no window update comes where a test does not
 * think of it. */
struct rig_setup {
    uint32_t mtu, sndbuf_bytes, rcvbuf_bytes, backlog;
    uint16_t peer_win;     /* window field of what arrives: 65535 */
    uint32_t peer_isn;     /* 0xffffff00, so that streams wrap early */
    const char *peer_opts; /* of the peer's SYN: "<mss 1460,nop,wscale 7>"; "" for none */
    const char *seg_opts;  /* of the segments of the peer that the constructors take in: ""; without, none of
                              ours may have options there */
    const char *syn_flags; /* and with its SYN or SYN,ACK: "E", "EC" */
    uint64_t seed;         /* of the entropy */
    bool nodelay;
    void (*edit)(struct rill_config *config, struct tcp_opts *opts); /* anything else */
};

struct rig_peer {
    struct tcb *c; /* the application's, NULL if it has none (any more) */
    uint16_t lport, rport;
    uint32_t isn, iss;      /* the peer's and ours, once our SYN was seen */
    uint32_t ts;            /* our timestamp in it, 0: it had none */
    uint64_t written, read; /* by the application */
};

struct rig_packet {
    rill_time at_us;
    unsigned int peer;
    struct datagram d;
};

struct rig {
    struct rill_engine *e;
    struct test_heap heap;
    struct rill_config config;
    struct tcp_opts opts;
    struct rig_setup setup;
    struct port *port;
    struct rig_peer peer[RIG_PEERS];
    rill_time now_us, start_us, mark_us;
    uint64_t marked[RILL_EVENT_COUNT];
    struct rig_packet *queue;           /* what has left and no out() has taken yet */
    struct rill_trace_event said;       /* of the segment that has left last: its reason */
    unsigned int ended;                 /* connections of which the trace has said CLOSED */
    unsigned int first, queued, inputs; /* queue[first] is the oldest of `queued` */
    const char *file;                   /* of the line that runs */
    int line;
    char *log; /* the transcript */
    size_t log_len;
    FILE *log_to;
};

/* ---- Constructors: an engine in a state, with nothing left to take out --------------------------------- */

struct rig *rig_closed(const struct rig_setup *setup); /* an engine and nothing else */
struct rig *rig_listen(const struct rig_setup *setup);
struct rig *rig_syn_sent(const struct rig_setup *setup);     /* after our SYN */
struct rig *rig_syn_received(const struct rig_setup *setup); /* passive: a record */
struct rig *rig_syn_crossed(const struct rig_setup *setup);  /* SYN-RECEIVED by simultaneous open: a TCB */
struct rig *rig_established(const struct rig_setup *setup);  /* passive, accepted */
struct rig *rig_connected(const struct rig_setup *setup);    /* ESTABLISHED, active */
/* From ESTABLISHED; the FINs are 1:1(0). */
struct rig *rig_fin_wait_1(const struct rig_setup *setup); /* our FIN is out */
struct rig *rig_fin_wait_2(const struct rig_setup *setup);
struct rig *rig_close_wait(const struct rig_setup *setup);
struct rig *rig_closing(const struct rig_setup *setup);
struct rig *rig_last_ack(const struct rig_setup *setup);
struct rig *rig_time_wait(const struct rig_setup *setup);        /* the socket is open: a TCB */
struct rig *rig_time_wait_record(const struct rig_setup *setup); /* and closed */
/* Closes what is open, frees the engine and looks into the heap.  Packets not taken out are a failure. */
void rig_end(struct rig *t);

/* ---- Lines --------------------------------------------------------------------------------------------- */

#define RIG_AT(t) ((t)->file = __FILE__, (t)->line = __LINE__, (t))

#define in(t, ...) rig_in(RIG_AT(t), true, __VA_ARGS__)        /* arrives */
#define in_batch(t, ...) rig_in(RIG_AT(t), false, __VA_ARGS__) /* and the driver reads on, if it may */
#define out(t, ...) rig_out(RIG_AT(t), __VA_ARGS__)            /* has left now */
#define out_none(t) rig_out_none(RIG_AT(t))                    /* nothing (more) has left */
#define advance(t, us) rig_advance(RIG_AT(t), us)              /* time passes and nothing leaves */
#define out_after(t, us, ...) rig_out_after(RIG_AT(t), us, __VA_ARGS__) /* nothing for us - 1, then this */
#define at(t, us) rig_advance(RIG_AT(t), rig_until(t, us)) /* advance to this time after the mark */
#define out_at(t, us, ...) rig_out_after(RIG_AT(t), rig_until(t, us), __VA_ARGS__)
#define let_pass(t, us) rig_skip(RIG_AT(t), us) /* time passes, whatever leaves */

void rig_in(struct rig *t, bool drain, const char *format, ...) __attribute__((format(printf, 3, 4)));
void rig_out(struct rig *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void rig_out_none(struct rig *t);
void rig_advance(struct rig *t, rill_time us);
void rig_out_after(struct rig *t, rill_time us, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void rig_skip(struct rig *t, rill_time us);
rill_time rig_until(const struct rig *t, rill_time us);

/* The next packet as it is, for what the notation cannot say; valid until the next line. */
#define take(t) rig_take(RIG_AT(t))
const struct datagram *rig_take(struct rig *t);

/* ---- The application: peer 0's connection unless it says otherwise ------------------------------------- */

#define app_connect(t, n) rig_connect(RIG_AT(t), n) /* connect to peer n: 0 or -errno */
#define app_accept(t, n) rig_accept(RIG_AT(t), n)   /* must get peer n's */
#define app_accept_none(t) rig_accept_none(RIG_AT(t))
#define app_write(t, len) rig_write(RIG_AT(t), len) /* all of it must fit */
#define app_try_write(t, len) rig_try_write(RIG_AT(t), len)
#define app_read(t, len) rig_read(RIG_AT(t), len, 0) /* exactly this much must be there */
#define app_read_salt(t, len, salt) rig_read(RIG_AT(t), len, salt)
#define app_shut(t) rig_shut(RIG_AT(t), 0)
#define app_close(t) rig_close(RIG_AT(t), 0)
#define app_close_peer(t, n) rig_close(RIG_AT(t), n)
#define app_abort(t) rig_abort(RIG_AT(t))
#define app_close_port(t) rig_close_port(RIG_AT(t))

int rig_connect(struct rig *t, unsigned int n);
void rig_accept(struct rig *t, unsigned int n);
void rig_accept_none(struct rig *t);
void rig_write(struct rig *t, uint32_t len);
int32_t rig_try_write(struct rig *t, uint32_t len);
void rig_read(struct rig *t, uint32_t len, uint8_t salt);
void rig_shut(struct rig *t, unsigned int n);
void rig_close(struct rig *t, unsigned int n);
void rig_abort(struct rig *t);
void rig_close_port(struct rig *t);

/* ---- Looking in ---------------------------------------------------------------------------------------- */

/* The state of peer n's connection, wherever it is kept: a TCB, a record, the listener, or nothing. */
enum rill_tcp_state rig_state(const struct rig *t, unsigned int n);

#define expect_state(t, state) rig_expect_state(RIG_AT(t), 0, state)
#define expect_peer_state(t, n, state) rig_expect_state(RIG_AT(t), n, state)
#define expect_error(t, error) rig_expect_error(RIG_AT(t), error) /* the sticky one */
#define expect_readable(t, len) rig_expect_readable(RIG_AT(t), len)
#define expect_eof(t, yes) rig_expect_eof(RIG_AT(t), yes) /* all read, and the FIN has come */
#define expect_counted(t, event, n) rig_expect_counted(RIG_AT(t), event, n) /* since the mark */
/* Times of at() and counts of expect_counted() begin here; constructors end with it. */
void mark(struct rig *t);

void rig_expect_state(struct rig *t, unsigned int n, enum rill_tcp_state state);
void rig_expect_error(struct rig *t, int error);
void rig_expect_readable(struct rig *t, uint32_t len);
void rig_expect_eof(struct rig *t, bool yes);
void rig_expect_counted(struct rig *t, enum rill_event event, uint64_t n);

/* For tests of the rig: what to run must fail.  The rig is not to be used afterwards, but by rig_discard().
 */
bool rig_fails(struct rig *t, void (*what)(struct rig *t));
void rig_discard(struct rig *t);

/* Prints the transcript and ends the test. */
#define rig_fail(t, ...) rig_failed((t), __VA_ARGS__)
void rig_failed(struct rig *t, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));

#endif
