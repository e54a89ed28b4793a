/* tcp.h - the transmission control block: the file to read first.  RFC 9293 3.3.  Rank 5.
 *
 * THEORY OF OPERATION
 *
 * A connection is one struct tcb.  Three kinds of things happen to it, and each only changes numbers in it:
 *   - a segment arrives        tcp_input.c, in the order of RFC 9293 3.10.7, with tcp_ack.c and tcp_rcv.c
 *   - a timer expires          tcp_timeout.c
 *   - the application calls    tcp_conn.c (open, close, abort), tcp_output.c (written), tcp_rcv.c (read)
 * Afterwards the connection is put on the dirty list.  When the host pulls, tcp_output.c looks at the numbers
 * and says which segment should be sent now.  So no packet is ever queued, and there is one way to
 * retransmit: a range of positions is marked lost, and the output function sends marked ranges before
 * anything new.  SND.NXT never moves back.
 *
 * Positions are 64-bit stream positions (seq.h).  SYN and FIN are positions like bytes:
 *
 *   sending    iss          snd.una             snd.nxt            snd.end
 *               |SYN|........|== in flight ======|-- not yet sent --|FIN|       tx ring: [snd.una, snd.end)
 *
 *   receiving  irs          rcv.read            rcv.nxt                    rcv.adv
 *               |SYN|........|== unread =========|-- window, holes --------|    rx ring: [rcv.read, rcv.adv)
 *
 * The FIN is at snd.end once fin_queued is set; iss < snd.una once the SYN is acknowledged.
 *
 * The states, and the function for each edge (RFC 9293 3.3.2, figure 5).  Passive half-open connections are
 * records (tcp_listen.h), and so are those in TIME-WAIT whose socket is closed: a TCB costs six times as
 * much.
 *
 *   CLOSED        tcp_open_active                       -> SYN-SENT
 *   SYN-SENT      syn_sent_syn, our SYN acknowledged    -> ESTABLISHED      (tcp_establish)
 *                 syn_sent_syn, SYNs have crossed       -> SYN-RECEIVED
 *   LISTEN        listen_syn: a record, half_open_complete -> SYN-RECEIVED  (LISTEN is a struct port)
 *   SYN-RECEIVED  ack_in_syn_received                   -> ESTABLISHED      (tcp_establish)
 *   ESTABLISHED   tcp_shut_send                         -> FIN-WAIT-1
 *                 receive_fin                           -> CLOSE-WAIT
 *   FIN-WAIT-1    ack_of_fin                            -> FIN-WAIT-2
 *                 receive_fin                           -> CLOSING
 *   FIN-WAIT-2    receive_fin                           -> TIME-WAIT        (tcp_time_wait)
 *   CLOSING       ack_of_fin                            -> TIME-WAIT
 *   CLOSE-WAIT    tcp_shut_send                         -> LAST-ACK
 *   LAST-ACK      ack_of_fin                            -> CLOSED           (tcp_die)
 *   TIME-WAIT     linger_timeout; a new SYN in check_syn -> CLOSED
 *   any           tcp_abort; check_rst; a timer that has lost its patience  -> CLOSED
 */
#ifndef RILL_TCP_H
#define RILL_TCP_H

#include "cc.h"
#include "prr.h"
#include "ring.h"
#include "rtt.h"
#include "scoreboard.h"
#include "seq.h"
#include "tcp_hdr.h"
#include "tune.h"

/* One entry of a hash table of connections: the peer and the two ports (there is one local address). */
struct conn_node {
    struct conn_node *next;
    uint32_t raddr;
    uint16_t rport, lport;
};

/* The timers of a connection.  RTO, persist and SWS override exclude each other and share the first.  The
 * trace calls them by the same numbers (enum rill_timer). */
enum tcp_timer {
    TIMER_XMIT,   /* RFC 6298 5, or with nothing in flight RFC 9293 3.8.6.1 and 3.8.6.2.1 */
    TIMER_DELACK, /* RFC 5681 4.2 */
    TIMER_KEEP,   /* RFC 9293 3.8.4 */
    TIMER_LINGER, /* 2*MSL in TIME-WAIT; the patience with a peer after the application has closed */
    TIMER_RINGS,  /* gives empty rings back after a second */
    TIMER_PACE,   /* the next segment may leave */
    TIMER_COUNT,
};
_Static_assert((int)TIMER_COUNT == (int)RILL_TIMER_COUNT, "the trace knows every timer");

/* What the application may set; a socket has it before there is a connection, and an accepted one takes its
 * listener's. */
struct tcp_opts {
    uint32_t sndbuf_bytes, rcvbuf_bytes;
    uint32_t user_timeout_ms; /* RFC 9293 3.9.1.2; 0: the engine's R2 */
    uint16_t keep_idle_s, keep_intvl_s;
    uint16_t maxseg; /* cap on both MSS, 0: none */
    uint8_t keep_cnt, tos, ttl;
    uint8_t cc; /* enum rill_cc */
    bool nodelay : 1, keepalive : 1;
    bool sndbuf_set : 1, rcvbuf_set : 1; /* by SO_SNDBUF, SO_RCVBUF: they do not grow by themselves */
};

/* RFC 8985: RACK's and the tail loss probe's variables, in the RFC's order. */
struct rack {
    rill_time xmit_us; /* RACK.xmit_ts and RACK.end_seq: of all that has been delivered, what was sent last */
    uint64_t end;      /* 0: nothing yet */
    uint32_t rtt_us;   /* RACK.rtt: its round trip */
    uint32_t late_us;  /* for the trace: how much later than the lost one it was sent */
    uint64_t fack;     /* RACK.fack: highest position delivered */
    uint64_t
        dsack_round; /* a D-SACK has widened the window; not again before this is acknowledged; 0: none */
    uint8_t reo_wnd_mult; /* in quarters of min_RTT, 0 counts as 1 */
    uint8_t reo_wnd_persist;
    bool reordering_seen;
    bool dsack_seen;     /* the peer says D-SACK */
    bool tlp_is_retrans; /* the probe was a retransmission */
    bool tlp_spent;      /* a probe was sent and there has been no RTT sample since */
    bool tlp_now;        /* PTO has fired: one segment of new data may leave whatever cwnd says */
    uint64_t tlp_end;    /* SND.NXT after the probe, 0: none is out */
};

/* What a reduction of the window replaced, until it is known to have been right.  RFC 3522, 4015, 2883. */
struct undo {
    bool on;
    bool stamped; /* stamp is valid */
    bool timeout; /* it was a timeout; else fast recovery */
    uint32_t cwnd, ssthresh;
    uint32_t stamp;  /* our timestamp of the first retransmission */
    uint32_t resent; /* bytes sent again that no D-SACK has named */
    uint64_t from;   /* SND.UNA when it began: a D-SACK below is older */
};

/* What TIMER_XMIT is armed for. */
enum xmit_kind {
    XMIT_RTO,     /* RFC 6298, or with nothing in flight the window's: RFC 9293 3.8.6 */
    XMIT_PROBE,   /* PTO: RFC 8985 7.2 */
    XMIT_REORDER, /* RFC 8985 6.2 step 5 */
};

/* What exists only while something is to be sent or acknowledged: allocated with the first byte (or the SYN,
 * or the FIN) and given back with the rings.  Not NULL whenever snd.una < snd.end, or snd.una < snd.nxt, or
 * fin_queued is not yet acknowledged. */
struct flight {
    struct scoreboard sb; /* what was sent when, and what of it is lost or SACKed: [snd.una, snd.nxt) */
    rill_time since_us;   /* since when the oldest outstanding octet has waited without progress: for R2 */
    rill_time rto_at_us;  /* when the retransmission timer expires, or would, if another were not armed */
    uint64_t rtt_pos;     /* end of the segment that is being timed, 0: none (RFC 6298 3, Karn) */
    rill_time rtt_at_us;  /* when it was sent */
    rill_time sent_us;    /* when data was sent last (RFC 5681 4.1) */
    rill_time order_us; /* and as the scoreboard has it: no retransmission at the time of what went before */
    uint64_t recover;   /* RFC 6582 3.2, RFC 6675 RecoveryPoint: highest position sent when recovery began */
    uint64_t ecn_recover; /* RFC 3168 6.1.2: no second reduction for marks before this is acknowledged */
    uint64_t small_end;   /* end of the last segment of new data shorter than an MSS (Nagle, Minshall) */
    uint64_t up;          /* SND.UP: after the last urgent byte, 0: none */
    uint64_t pending_end; /* RFC 5927 7.2: the claimed MTU applies unless this is acknowledged first */
    uint16_t pending_mtu; /* 0: none */
    uint8_t dup_acks;     /* RFC 5681 2, in a row; with RACK those that SACK something new */
    uint8_t rto_count;    /* timeouts since SND.UNA moved last */
    uint8_t lost_why;     /* enum rill_why: of the marks in sb.lost */
    uint8_t limit;        /* enum rill_limit: what keeps us from sending now */
    uint8_t xmit_kind;    /* enum xmit_kind */
    bool recovery;        /* in fast recovery: RFC 6582, RFC 6675 */
    bool partial_seen;    /* RFC 6582 3.2: the timer restarts on the first partial ACK only */
    bool rexmit_now;      /* the first lost range may leave whatever cwnd says (RFC 5681 3.2 step 3) */
    bool one_only;        /* RFC 1191 6.4: one segment until something is acknowledged */
    bool timed_out;       /* an RTO has marked the flight lost, and recover is not yet acknowledged */
    rill_time limit_us;   /* since when `limit` */
    rill_time pace_us;    /* the next segment leaves not before this */
    uint32_t probes;      /* of the closed window, in a row */
    struct rack rack;
    struct prr prr;
    struct undo undo;
    struct tune tune;                      /* of the send buffer */
    uint64_t cc_state[CC_STATE_BYTES / 8]; /* what the congestion control remembers */
};

/* What exists only while data comes in: allocated before the first byte is stored, and given back with the
 * ring that it is stored in.  Not NULL whenever rx.buf is not, until the connection is CLOSED. */
struct intake {
    struct ranges ooo;                /* received above rcv.nxt: subset of (rcv.nxt, rcv.adv) */
    struct range duplicate;           /* came again, and the next segment will say so; empty: none */
    uint64_t recent[TCP_SACK_BLOCKS]; /* a position in each range of ooo that was reported lately */
    struct tune tune;                 /* of the receive buffer */
};

struct tcb {
    struct conn_node node; /* must be first */
    struct list dirty;     /* on conns.dirty while there may be something to send */
    union {
        void *sock;        /* the socket that owns it; NULL once that is closed */
        struct port *port; /* while waiting: the listener on whose queue it is */
    } owner;
    struct tcb *ready_next;       /* while waiting: the next one to be accepted */
    struct flight *fl;            /* see above */
    struct intake *in;            /* the same */
    rill_time timer[TIMER_COUNT]; /* deadlines, RILL_NEVER: not armed */
    uint32_t heap_index;          /* in the heap of deadlines, HEAP_NONE if in none */
    uint16_t pmtu_raise_min;      /* when a black hole's MTU is forgotten, minutes of the clock; 0: none */

    struct {
        uint32_t iss32;          /* ISS - SEQ_BASE */
        uint64_t una, nxt, end;  /* RFC 9293 3.3.1; end: after the last byte written */
        uint32_t wl1_32, wl2_32; /* SND.WL1, SND.WL2 as on the wire */
        uint32_t wnd, max_wnd;   /* bytes, unscaled */
        uint16_t mss;            /* SendMSS: what the peer can take, RFC 9293 3.7.1 */
        uint8_t wscale;          /* shift for windows that arrive */
    } snd;

    struct {
        uint8_t wscale;      /* shift for windows that leave */
        uint8_t quick_acked; /* ACKs sent at once since the beginning or the last gap */
        uint16_t mss;        /* largest segment seen, for "every second full segment" */
        uint32_t irs32;      /* IRS - SEQ_BASE */
        uint64_t nxt, read;  /* RCV.NXT; the first byte that the application has not read */
        uint64_t adv;        /* the greatest right edge ever advertised; RCV.WND = adv - nxt */
        uint64_t acked;      /* RCV.NXT in the last segment sent (Last.ACK.sent) */
        uint64_t fin;        /* position of the peer's FIN, 0: not seen */
        uint64_t up;         /* RCV.UP: after the last urgent byte, 0: none */
    } rcv;

    struct ring tx, rx; /* [snd.una, snd.end) and [rcv.read, rcv.adv) */
    struct rtt rtt;
    struct cc cc;
    struct tcp_opts opt;

    rill_time heard_us;           /* last acceptable segment, for keep-alive */
    uint32_t challenge_ms;        /* last challenge ACK, low bits of the clock in milliseconds */
    uint32_t ts_recent;           /* RFC 7323 4.3: TS.Recent */
    uint32_t ts_recent_s;         /* when it was set, seconds of the clock: RFC 7323 5.5, 24 days */
    uint32_t ts_offset;           /* of our own clock: RFC 7323 7.1 */
    int16_t error;                /* the sticky errno value of a dead connection */
    int16_t soft_error;           /* the last ICMP hint (RFC 9293 3.9.2.2) */
    uint16_t pmtu;                /* bytes; RFC 1191 */
    uint16_t max_sent, max_acked; /* largest datagrams, RFC 5927 7.2 */
    uint8_t state;                /* enum rill_tcp_state; set by tcp_set_state only */
    uint8_t ack_why;              /* enum rill_why: of ack_now */
    uint8_t keep_sent;            /* keep-alive probes without an answer */
    uint8_t syn_resent;           /* how often the SYN or SYN,ACK was sent again */

    bool waiting : 1;      /* on a listener's queue: owner.port counts, not owner.sock */
    bool fin_queued : 1;   /* the application will send no more */
    bool ack_now : 1;      /* an ACK is due with the next output */
    bool probe_now : 1;    /* TIMER_XMIT fired with nothing in flight: send what the window forbids */
    bool keep_now : 1;     /* send a keep-alive probe */
    bool rst_now : 1;      /* send a RST; the connection is CLOSED already */
    bool urgent_event : 1; /* RCV.UP has advanced and the application has not been told */
    bool wscale_ok : 1;    /* both sides offered a shift (RFC 7323 2.2) */
    bool challenged : 1;   /* challenge_ms is valid */
    bool ts_ok : 1;        /* Snd.TS.OK: both sides sent timestamps in their SYN (RFC 7323 3.2) */
    bool sack_ok : 1;      /* both sides permit SACK (RFC 2018 2) */
    bool ecn_ok : 1;       /* both sides know ECN (RFC 3168 6.1.1) */
    bool ece_due : 1;      /* ECN: a mark came, every ACK says so until CWR comes (RFC 3168 6.1.3) */
    bool cwr_due : 1;      /* ECN: the window was reduced, the next new data says so (RFC 3168 6.1.2) */
};

#define HEAP_NONE UINT32_MAX

static inline uint64_t tcp_iss(const struct tcb *c) { return SEQ_BASE + c->snd.iss32; }
static inline uint64_t tcp_irs(const struct tcb *c) { return SEQ_BASE + c->rcv.irs32; }

/* RFC 5681 2: what is sent and not acknowledged, SYN and FIN included. */
static inline uint32_t tcp_flight(const struct tcb *c) { return (uint32_t)(c->snd.nxt - c->snd.una); }

/* What is thought to be in the network (RFC 6675's pipe): the flight without what is lost and what has
 * arrived. */
static inline uint32_t tcp_pipe(const struct tcb *c)
{
    return tcp_flight(c) - (c->fl != NULL ? c->fl->sb.lost.bytes + c->fl->sb.sacked.bytes : 0);
}

static inline uint32_t tcp_rcv_wnd(const struct tcb *c) { return (uint32_t)(c->rcv.adv - c->rcv.nxt); }

/* Bytes that can be read, without the FIN. */
static inline uint32_t tcp_unread(const struct tcb *c)
{
    uint64_t end = c->rcv.fin != 0 && c->rcv.nxt > c->rcv.fin ? c->rcv.fin : c->rcv.nxt;
    return end > c->rcv.read ? (uint32_t)(end - c->rcv.read) : 0;
}

/* Whether the peer's FIN has been received in order. */
static inline bool tcp_fin_received(const struct tcb *c)
{
    return c->rcv.fin != 0 && c->rcv.nxt > c->rcv.fin;
}

/* Whether our FIN has been sent, and acknowledged. */
static inline bool tcp_fin_sent(const struct tcb *c) { return c->fin_queued && c->snd.nxt > c->snd.end; }
static inline bool tcp_fin_acked(const struct tcb *c) { return c->fin_queued && c->snd.una > c->snd.end; }

/* RFC 9293 3.3.2: states in which both sides agree on the sequence numbers. */
static inline bool tcp_synchronized(const struct tcb *c)
{
    return c->state >= RILL_ESTABLISHED && c->state <= RILL_TIME_WAIT;
}

/* Bytes of options in every segment after the SYN: the timestamps and two NOPs (RFC 7323 appendix A). */
static inline uint32_t tcp_ts_len(const struct tcb *c) { return c->ts_ok ? TCP_TS_LEN : 0; }

/* RFC 9293 3.7.1, MUST-16: Eff.snd.MSS = min(SendMSS + 20, MMS_S) - TCPhdrsize - IPoptionsize: the smaller of
 * what the peer and the path take, less the options (RFC 6691).  A path with an MTU of 68 leaves 16 bytes. */
static inline uint32_t tcp_eff_mss(const struct tcb *c)
{
    return min_u32(c->snd.mss, c->pmtu - (IP4_HEADER_LEN + TCP_HEADER_LEN)) - tcp_ts_len(c);
}

/* Whether something was received out of order, and where it ends. */
static inline bool tcp_gap(const struct tcb *c) { return c->in != NULL && c->in->ooo.count != 0; }
static inline uint64_t tcp_held_end(const struct tcb *c)
{
    return tcp_gap(c) ? c->in->ooo.v[c->in->ooo.count - 1].end : c->rcv.nxt;
}

/* The application has closed: nobody will read, nobody will ask. */
static inline bool tcp_orphan(const struct tcb *c) { return !c->waiting && c->owner.sock == NULL; }

/* An ACK is due with the next output, for this reason. */
static inline void tcp_ack_soon(struct tcb *c, enum rill_why why)
{
    c->ack_now = true;
    c->ack_why = (uint8_t)why;
}

#endif
