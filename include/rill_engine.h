/* rill_engine.h - the pure engine: packets and time in, packets and a deadline out.
 *
 * This is the layer for people who bring their own device, clock and loop: a simulator, a test,
 * a plug-in.  Programs that want sockets over a TUN device include <rill.h> instead.
 *
 * The engine makes no system call, has no clock, no global state and no lock.  One engine is used by one
 * thread at a time; any number of engines may live in one process.  Everything that it needs from outside
 * comes in through struct rill_config.  Time is a count of microseconds from any origin; it must not run
 * backwards.  Addresses are in host byte order here (10.77.0.2 is 0x0a4d0002). */
#ifndef RILL_ENGINE_H
#define RILL_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint64_t rill_time;
#define RILL_NEVER UINT64_MAX

/* ---- Packets ------------------------------------------------------------------------------------- */

struct rill_slice {
    const uint8_t *data;
    uint32_t len;
};

/* What is known about the TCP checksum of a packet.  VERIFY: it is a real one; an arriving packet has to be
 * verified.  GOOD: somebody has verified it already.  PARTIAL: the field holds the folded sum of the
 * pseudo-header only (what virtio-net calls NEEDS_CSUM); on the way in that means "never left this host". */
enum rill_csum { RILL_CSUM_VERIFY, RILL_CSUM_GOOD, RILL_CSUM_PARTIAL };

/* One IPv4 datagram, in either direction.  Its bytes are those of `head` followed by those of the two body
 * slices; each part may be empty but `head` holds at least the IP header and the TCP header whole.
 * On input the bytes are read during the call only.  On output `head` points into the engine and the body
 * into a send ring: all are valid until the next call on the engine.  A packet that rill_output() handed out
 * counts as sent, so a failed write is a lost packet. */
struct rill_packet {
    struct rill_slice head;
    struct rill_slice body[2];
    enum rill_csum csum;
    uint16_t segment_bytes; /* 0, or the payload per segment of a super-segment (GSO) */
};

/* ---- What is counted -------------------------------------------------------------------------------- */

/* The one list of everything that the engine counts, drops above all: name, and what it means.  It makes the
 * enum, the counters, their names and the texts of the trace.  A packet that is not used is counted in
 * exactly one of the DROP_ lines. */
#define RILL_EVENTS(X)                                                                                       \
    X(IP_IN, "IPv4 datagrams taken in")                                                                      \
    X(IP_OUT, "IPv4 datagrams handed out")                                                                   \
    X(SEG_IN, "TCP segments with a good header and checksum")                                                \
    X(SEG_OUT, "TCP segments handed out")                                                                    \
    X(BYTES_IN, "payload bytes accepted in order")                                                           \
    X(BYTES_OUT, "payload bytes sent for the first time")                                                    \
    X(SEG_RESENT, "segments sent again")                                                                     \
    X(RTO_FIRED, "retransmission timer expiries")                                                            \
    X(FAST_RETRANSMIT, "fast retransmits (third duplicate ACK)")                                             \
    X(RECOVERY, "recoveries begun by RACK (RFC 8985)")                                                       \
    X(REORDER_FIRED, "RACK reordering timer expiries")                                                       \
    X(LOSS_PROBE, "tail loss probes sent")                                                                   \
    X(LOSS_PROBE_REPAIRED, "losses that a tail loss probe has repaired")                                     \
    X(REORDERING_SEEN, "connections on which reordering was seen")                                           \
    X(DSACK_IN, "duplicates of ours that the peer has reported (D-SACK)")                                    \
    X(DSACK_OUT, "duplicates that we have reported (D-SACK)")                                                \
    X(SACK_RENEGED, "times the peer has thrown away what it had SACKed")                                     \
    X(SPURIOUS_RTO, "timeouts undone: they were too early")                                                  \
    X(SPURIOUS_RECOVERY, "recoveries undone: nothing had been lost")                                         \
    X(CE_IN, "segments that a router has marked (ECN)")                                                      \
    X(ECE_IN, "windows reduced because the peer has seen marks (ECN)")                                       \
    X(BUFFER_GROWN, "times a buffer has grown with the path")                                                \
    X(BLACK_HOLE, "path MTU lowered because full segments vanished without a message")                       \
    X(FAST_RETRANSMIT_HELD, "third duplicate ACKs without a fast retransmit: not beyond recover (RFC 6582)") \
    X(PARTIAL_ACK, "NewReno partial ACKs")                                                                   \
    X(PROBE_SENT, "zero-window probes sent")                                                                 \
    X(KEEPALIVE_SENT, "keep-alive probes sent")                                                              \
    X(DELAYED_ACK, "ACKs sent by the delayed-ACK timer")                                                     \
    X(DUP_ACK_IN, "duplicate ACKs received")                                                                 \
    X(OUT_OF_ORDER, "segments stored out of order")                                                          \
    X(CHALLENGE_ACK, "challenge ACKs sent (RFC 5961)")                                                       \
    X(CHALLENGE_LIMITED, "challenge ACKs held back by their rate limit")                                     \
    X(RST_IN, "resets accepted")                                                                             \
    X(RST_OUT, "resets sent")                                                                                \
    X(OPEN_ACTIVE, "connections opened by connect")                                                          \
    X(OPEN_PASSIVE, "connections completed by a listener")                                                   \
    X(HALF_OPEN, "half-open records made")                                                                   \
    X(HALF_OPEN_EXPIRED, "half-open records given up after their last SYN-ACK")                              \
    X(TIME_WAIT_ENTERED, "connections that entered TIME-WAIT")                                               \
    X(TIME_WAIT_REUSED, "TIME-WAIT connections replaced by a new SYN")                                       \
    X(R1_PASSED, "connections with a third retransmission of the same octets (R1)")                          \
    X(TIMED_OUT, "connections given up by a timer (R2, keep-alive, orphan)")                                 \
    X(ECHO_REPLY, "ICMP echo replies sent")                                                                  \
    X(ICMP_IN, "ICMP messages with a good checksum")                                                         \
    X(ICMP_ERROR_OUT, "ICMP errors sent")                                                                    \
    X(ICMP_LIMITED, "ICMP errors held back by their rate limit")                                             \
    X(RST_LIMITED, "resets without a connection held back by their rate limit")                              \
    X(SOFT_ERROR, "ICMP errors noted on a connection without closing it")                                    \
    X(PMTU_LOWERED, "path MTU lowered by an ICMP message")                                                   \
    X(FRAGMENT_IN, "fragments received")                                                                     \
    X(REASSEMBLED, "datagrams put together from fragments")                                                  \
    X(FRAGMENT_OUT, "fragments sent")                                                                        \
    X(DROP_IP_SHORT, "dropped: shorter than its headers say")                                                \
    X(DROP_IP_VERSION, "dropped: not IPv4")                                                                  \
    X(DROP_IP_HEADER, "dropped: impossible IP header length")                                                \
    X(DROP_IP_CHECKSUM, "dropped: bad IP header checksum")                                                   \
    X(DROP_IP_SOURCE, "dropped: source address that no host may use")                                        \
    X(DROP_NOT_FOR_US, "dropped: not our address")                                                           \
    X(DROP_SOURCE_ROUTE, "dropped: source route option")                                                     \
    X(DROP_BROADCAST, "dropped: TCP or ICMP to a broadcast or multicast address")                            \
    X(DROP_PROTOCOL, "dropped: a protocol that is not spoken here")                                          \
    X(DROP_UDP, "dropped: UDP, which has no ports here")                                                     \
    X(DROP_FRAGMENT_BAD, "dropped: fragment with impossible offset or length")                               \
    X(DROP_FRAGMENT_OVERLAP, "dropped: fragments that overlap")                                              \
    X(DROP_FRAGMENT_LIMIT, "dropped: more fragments held than the limit allows")                             \
    X(DROP_FRAGMENT_TIMEOUT, "dropped: fragments whose rest never came")                                     \
    X(DROP_ICMP_SHORT, "dropped: ICMP message shorter than its header")                                      \
    X(DROP_ICMP_CHECKSUM, "dropped: bad ICMP checksum")                                                      \
    X(DROP_ICMP_TYPE, "dropped: ICMP type that is not acted on")                                             \
    X(DROP_ICMP_QUOTE, "dropped: ICMP error that quotes nothing of ours")                                    \
    X(DROP_TCP_SHORT, "dropped: shorter than a TCP header, or a data offset that lies")                      \
    X(DROP_TCP_CHECKSUM, "dropped: bad TCP checksum")                                                        \
    X(DROP_TCP_PORT, "dropped: port 0")                                                                      \
    X(DROP_CLOSED, "dropped: segment for no connection (a reset answers it, where one may)")                 \
    X(DROP_LISTEN_FLAGS, "dropped: not a SYN, at a listening port")                                          \
    X(DROP_SYN_QUEUE, "dropped: SYN, too many handshakes under way")                                         \
    X(DROP_ACCEPT_QUEUE, "dropped: completing ACK, too many connections not yet accepted")                   \
    X(DROP_MEMORY, "dropped: out of memory or over its cap")                                                 \
    X(DROP_WINDOW, "dropped: outside the receive window")                                                    \
    X(DROP_DUPLICATE, "dropped: nothing new in it")                                                          \
    X(DROP_PAWS, "dropped: old timestamp (PAWS)")                                                            \
    X(DROP_RST, "dropped: RST that does not match exactly")                                                  \
    X(DROP_SYN, "dropped: SYN on a synchronized connection")                                                 \
    X(DROP_SYN_SENT, "dropped: neither SYN nor RST, while a connection is being opened")                     \
    X(DROP_NO_ACK, "dropped: no ACK flag")                                                                   \
    X(DROP_ACK, "dropped: acknowledges what was never sent, or is too old")                                  \
    X(DROP_AFTER_FIN, "dropped: data beyond the FIN")                                                        \
    X(DROP_AFTER_CLOSE, "dropped: data after the application closed")                                        \
    X(DROP_FRAGMENTED_RANGES, "dropped: would need more out-of-order intervals than the limit")              \
    X(DROP_BUSY, "dropped: no answer fits in before the last one has left")

#define RILL_EVENT_ENUM(name, text) RILL_##name,
enum rill_event { RILL_EVENTS(RILL_EVENT_ENUM) RILL_EVENT_COUNT };
#undef RILL_EVENT_ENUM

/* The short name ("DROP_TCP_CHECKSUM") and the sentence of an event; never NULL for a valid one. */
const char *rill_event_name(enum rill_event event);
const char *rill_event_text(enum rill_event event);

/* ---- Trace ------------------------------------------------------------------------------------------ */

enum rill_tcp_state { /* RFC 9293 3.3.2, in its order */
                      RILL_LISTEN,
                      RILL_SYN_SENT,
                      RILL_SYN_RECEIVED,
                      RILL_ESTABLISHED,
                      RILL_FIN_WAIT_1,
                      RILL_FIN_WAIT_2,
                      RILL_CLOSE_WAIT,
                      RILL_CLOSING,
                      RILL_LAST_ACK,
                      RILL_TIME_WAIT,
                      RILL_CLOSED,
};
const char *rill_state_name(enum rill_tcp_state state);

/* Why a segment leaves: the reason that a person would give.  The text's %u is trace_event.why_count, where
 * there is one. */
#define RILL_REASONS(X)                                                                                      \
    X(NONE, "")                                                                                              \
    X(SYN, "opens the connection")                                                                           \
    X(SYN_ACK, "answers the SYN")                                                                            \
    X(SYN_CROSSED, "answers a SYN that crossed ours")                                                        \
    X(DATA, "new data")                                                                                      \
    X(FIN, "the application has closed")                                                                     \
    X(LIMITED, "limited transmit after duplicate ACK %u")                                                    \
    X(OVERRIDE, "small window, override timer")                                                              \
    X(RTO, "RTO #%u")                                                                                        \
    X(AFTER_RTO, "resent in slow start after the RTO")                                                       \
    X(FAST_RETRANSMIT, "fast retransmit (%u dup ACKs)")                                                      \
    X(PARTIAL_ACK, "partial ACK: the next hole")                                                             \
    X(RACK, "RACK: what was sent %u us later has arrived")                                                   \
    X(LOSS_PROBE, "tail loss probe")                                                                         \
    X(PMTU, "path MTU lowered to %u")                                                                        \
    X(REOPENED, "the window has opened: again what was refused")                                             \
    X(PROBE, "zero-window probe #%u")                                                                        \
    X(KEEPALIVE, "keep-alive probe #%u")                                                                     \
    X(ACK_HANDSHAKE, "completes the handshake")                                                              \
    X(ACK_DELAYED, "delayed ACK")                                                                            \
    X(ACK_QUICK, "quick ACK: the peer's window has to grow")                                                 \
    X(ACK_SECOND, "ACK of every second segment")                                                             \
    X(ACK_EARLY, "duplicate ACK: out of order")                                                              \
    X(ACK_FILL, "ACK: a gap was filled")                                                                     \
    X(ACK_ECN, "ACK: a router has marked the segment, or it answers a mark")                                 \
    X(ACK_FIN, "ACK of the FIN")                                                                             \
    X(ACK_OLD, "ACK: nothing new in the segment")                                                            \
    X(ACK_OUTSIDE, "ACK: outside the window")                                                                \
    X(ACK_WINDOW, "window update")                                                                           \
    X(CHALLENGE_RST, "challenge ACK: RST in window")                                                         \
    X(CHALLENGE_SYN, "challenge ACK: SYN on a connection")                                                   \
    X(CHALLENGE_ACK, "challenge ACK: acknowledges what was not sent")                                        \
    X(CHALLENGE, "challenge ACK: outside the window")                                                        \
    X(RST_CLOSED, "reset: no such connection")                                                               \
    X(RST_ABORT, "reset: aborted by the application or a timer")

#define RILL_REASON_ENUM(name, text) RILL_WHY_##name,
enum rill_why { RILL_REASONS(RILL_REASON_ENUM) RILL_WHY_COUNT };
#undef RILL_REASON_ENUM
const char *rill_why_name(enum rill_why why);
const char *rill_why_text(enum rill_why why);

/* What keeps the sender from sending more now. */
#define RILL_LIMITS(X)                                                                                       \
    X(APPLICATION, "application: nothing is waiting")                                                        \
    X(CWND, "congestion window")                                                                             \
    X(RECOVERY, "recovery")                                                                                  \
    X(RWND, "receiver window")                                                                               \
    X(SWS, "receiver window, too small to be worth a segment")                                               \
    X(NAGLE, "Nagle")                                                                                        \
    X(PACING, "pacing")
#define RILL_LIMIT_ENUM(name, text) RILL_LIMIT_##name,
enum rill_limit { RILL_LIMITS(RILL_LIMIT_ENUM) RILL_LIMIT_COUNT };
#undef RILL_LIMIT_ENUM
const char *rill_limit_text(enum rill_limit limit);

/* The timers of a connection.  XMIT is the retransmission timer or, with nothing in flight, the persist
 * timer. */
#define RILL_TIMERS(X)                                                                                       \
    X(XMIT, "retransmit")                                                                                    \
    X(DELACK, "delayed ACK")                                                                                 \
    X(KEEP, "keep-alive")                                                                                    \
    X(LINGER, "linger")                                                                                      \
    X(RINGS, "rings")                                                                                        \
    X(PACE, "pacing")
#define RILL_TIMER_ENUM(name, text) RILL_TIMER_##name,
enum rill_timer { RILL_TIMERS(RILL_TIMER_ENUM) RILL_TIMER_COUNT };
#undef RILL_TIMER_ENUM
const char *rill_timer_text(enum rill_timer timer);

/* A connection's numbers at one moment; bytes and microseconds. */
struct rill_numbers {
    uint32_t cwnd, ssthresh, flight, pipe;
    uint32_t snd_wnd, rcv_wnd;           /* what the peer offers, what we offer */
    uint32_t unsent, unread;             /* waiting in the two buffers */
    uint32_t srtt_us, rttvar_us, rto_us; /* rto_us with its backoff */
    uint32_t dup_acks;
    bool recovery;
    enum rill_limit limit;
    uint32_t sacked,
        lost; /* of the flight: held by the peer beyond a hole, thought lost and not yet resent */
};

enum rill_trace_kind {
    RILL_TRACE_SEGMENT_IN,  /* a TCP segment with a good checksum arrived */
    RILL_TRACE_SEGMENT_OUT, /* a TCP segment leaves */
    RILL_TRACE_EVENT,       /* something of RILL_EVENTS other than traffic counts happened */
    RILL_TRACE_STATE,       /* a connection changed its state */
    RILL_TRACE_NUMBERS,     /* a connection's numbers may have changed */
    RILL_TRACE_TIMER_SET,   /* a timer was set, to timer_at_us */
    RILL_TRACE_TIMER_FIRED, /* a timer expired */
};

#define RILL_FIN 0x01
#define RILL_SYN 0x02
#define RILL_RST 0x04
#define RILL_PSH 0x08
#define RILL_ACK 0x10
#define RILL_URG 0x20
#define RILL_ECE 0x40
#define RILL_CWR 0x80

#define RILL_SACK_BLOCKS 4

/* One thing that happened.  Sequence numbers are relative to the connection's initial ones where it is known,
 * else as on the wire.  Fields that do not belong to the kind are 0. */
struct rill_trace_event {
    rill_time at_us;
    enum rill_trace_kind kind;
    enum rill_event event;                 /* EVENT: which */
    enum rill_tcp_state state_from, state; /* STATE: from and to; else the connection's */
    uint32_t laddr, raddr;                 /* ours, the peer's */
    uint16_t lport, rport;
    uint64_t seq, ack;          /* SEGMENT: first sequence number, acknowledgement */
    uint32_t seq32, ack32;      /* SEGMENT: the same as on the wire */
    uint32_t len;               /* SEGMENT: payload bytes */
    uint32_t wnd;               /* SEGMENT: window in bytes, scaled */
    uint8_t flags;              /* SEGMENT: RILL_FIN … */
    bool relative;              /* SEGMENT: seq and ack are relative */
    bool resent;                /* SEGMENT_OUT: sent before */
    enum rill_why why;          /* SEGMENT_OUT: the reason */
    uint32_t why_count, why_us; /* and its number and time, where it has them */
    enum rill_limit held;       /* SEGMENT_OUT: what had held it back, for held_us; APPLICATION: nothing */
    uint64_t held_us;
    bool has_ts; /* SEGMENT: timestamps (RFC 7323 3) */
    uint32_t tsval, tsecr;
    uint8_t sack_count; /* SEGMENT: SACK blocks, counted as the segment's ack (RFC 2018 3) */
    struct rill_trace_sack {
        uint64_t begin, end;
    } sack[RILL_SACK_BLOCKS];
    enum rill_timer timer;       /* TIMER_ */
    rill_time timer_at_us;       /* TIMER_SET */
    struct rill_numbers numbers; /* NUMBERS, and SEGMENT_OUT of a connection */
};

/* ---- Configuration ------------------------------------------------------------------------------------- */

/* Rules that a lesson can break, to show what they are for: name on the command line, and what then happens.
 */
#define RILL_BREAKS(X)                                                                                       \
    X(NO_BACKOFF, "no-backoff", "the retransmission timeout does not double (RFC 6298 5.5)")                 \
    X(IGNORE_RWND, "ignore-rwnd", "the peer's window is not respected (RFC 9293 3.8.6)")                     \
    X(NO_FAST_RETRANSMIT, "no-fast-retransmit", "three duplicate ACKs mean nothing (RFC 5681 3.2)")          \
    X(NO_DELAYED_ACK, "no-delayed-ack", "each segment is acknowledged at once (RFC 5681 4.2)")               \
    X(NO_SWS, "no-sws", "silly windows are neither avoided nor ignored (RFC 9293 3.8.6.2)")
#define RILL_BREAK_ENUM(name, word, text) RILL_BREAK_##name,
enum rill_break { RILL_BREAKS(RILL_BREAK_ENUM) RILL_BREAK_COUNT };
#undef RILL_BREAK_ENUM
const char *rill_break_word(enum rill_break rule);
const char *rill_break_text(enum rill_break rule);

/* What can be turned on and off, for comparison and for teaching: name, word on the command line, and what it
 * is.  A connection has a feature that concerns both ends only if both know it. */
#define RILL_FEATURES(X)                                                                                     \
    X(WSCALE, "wscale", "windows above 64 KiB (RFC 7323 2)")                                                 \
    X(TIMESTAMPS, "timestamps", "a clock in each segment: RTT, PAWS (RFC 7323 3 to 5)")                      \
    X(SACK, "sack", "selective acknowledgments (RFC 2018)")                                                  \
    X(DSACK, "dsack", "duplicates are reported (RFC 2883)")                                                  \
    X(RACK, "rack", "losses are found by time (RFC 8985), else by NewReno (RFC 6582)")                       \
    X(TLP, "tlp", "tail loss probes (RFC 8985 7)")                                                           \
    X(PRR, "prr", "proportional rate reduction in recovery (RFC 9937)")                                      \
    X(UNDO, "undo", "what was no loss is undone (RFC 3522, 4015, D-SACK)")                                   \
    X(HYSTART, "hystart", "slow start ends when the delay grows (RFC 9406)")                                 \
    X(CWV, "cwv", "an unused congestion window does not grow (RFC 7661)")                                    \
    X(ECN, "ecn", "connections that we open ask for ECN (RFC 3168)")                                         \
    X(ECN_ANSWER, "ecn-answer", "who asks for ECN gets it (RFC 3168)")                                       \
    X(PACING, "pacing", "segments are spread over the round trip")                                           \
    X(QUICKACK, "quickack", "the first segments, and those after a gap, get an ACK each")                    \
    X(AUTOTUNE, "autotune", "buffers that were not set grow with the path")                                  \
    X(BLACK_HOLE, "black-hole", "smaller segments where full ones vanish (RFC 4821 7.7)")
#define RILL_FEATURE_ENUM(name, word, text) RILL_FEATURE_##name,
enum rill_feature { RILL_FEATURES(RILL_FEATURE_ENUM) RILL_FEATURE_COUNT };
#undef RILL_FEATURE_ENUM
/* Those that are on unless told otherwise: as in Linux. */
#define RILL_FEATURES_DEFAULT                                                                                \
    (((1u << RILL_FEATURE_COUNT) - 1) & ~(1u << RILL_FEATURE_ECN) & ~(1u << RILL_FEATURE_PACING))
const char *rill_feature_word(enum rill_feature feature);
const char *rill_feature_text(enum rill_feature feature);

/* The congestion controls: name, and what it is. */
#define RILL_CCS(X)                                                                                          \
    X(CUBIC, "cubic", "CUBIC (RFC 9438)")                                                                    \
    X(RENO, "reno", "Reno (RFC 5681)")
#define RILL_CC_ENUM(name, word, text) RILL_CC_##name,
enum rill_cc { RILL_CCS(RILL_CC_ENUM) RILL_CC_COUNT };
#undef RILL_CC_ENUM
const char *rill_cc_word(enum rill_cc cc);

struct rill_config {
    uint32_t addr;                       /* the stack's own address */
    uint8_t prefix_len;                  /* of the network on the device, 1..30 */
    uint32_t mtu;                        /* bytes, 68..65535 */
    uint8_t ttl;                         /* of what is sent, 1..255 (MUST-49) */
    uint32_t sndbuf_bytes, rcvbuf_bytes; /* defaults of new sockets; 2048..4 MiB */
    uint32_t buf_max_bytes;              /* how far a buffer grows that was not set (AUTOTUNE); ..4 MiB */
    uint32_t rto_min_us;     /* DEVIATES: RFC 6298 2.4 wants 1 s (1000000); the default is Linux' 200 ms */
    uint32_t rto_max_us;     /* at least 60 s (RFC 6298 2.5) */
    uint32_t msl_us;         /* TIME-WAIT lasts two of them (RFC 9293 3.4.2 says 2 minutes; here 30 s) */
    uint32_t fin_wait_2_us;  /* how long a closed socket waits for the peer's FIN */
    uint32_t orphan_us;      /* how long it waits for progress in the other states after close */
    uint32_t syn_timeout_us; /* R2 of a SYN, at least 180 s (MUST-23) */
    uint32_t r2_us;          /* R2 of data, at least 100 s (SHLD-11) */
    uint32_t delack_us;      /* delayed ACK, below 500 ms (MUST-40) */
    uint32_t ack_every;      /* an ACK for at least each n-th full segment (SHLD-19: 2) */
    uint32_t features;       /* bits 1 << enum rill_feature */
    enum rill_cc cc;         /* congestion control of new sockets */
    uint32_t broken;         /* bits 1 << enum rill_break: for lessons only */
    uint32_t max_conns;      /* connections, records included */
    size_t mem_cap_bytes;    /* cap on all that the engine allocates */
    /* Injected: all are called from within engine calls only and must not call back. */
    void *(*alloc)(void *ctx, size_t size);            /* NULL when out of memory */
    void (*free)(void *ctx, void *block, size_t size); /* size as it was allocated */
    void *mem_ctx;
    void (*entropy)(void *ctx, void *buf, size_t len); /* unpredictable bytes; only in rill_engine_new */
    void *entropy_ctx;
    void (*trace)(void *ctx, const struct rill_trace_event *event); /* or NULL */
    void *trace_ctx;
};

/* Fills in every default but addr, alloc, free and entropy, which have none and are left NULL or 0. */
void rill_config_default(struct rill_config *config);

/* ---- The engine ---------------------------------------------------------------------------------------- */

struct rill_engine;

/* Makes an engine; the configuration is copied.  NULL if memory ran out or a field is out of its range. */
struct rill_engine *rill_engine_new(const struct rill_config *config, rill_time now_us);

/* Frees the engine and everything in it; nothing is sent.  Sockets of it are gone. */
void rill_engine_free(struct rill_engine *engine);

/* One IPv4 packet in.  True: something has to leave before the next packet is taken in, so that each
 * duplicate ACK tells of one segment (RFC 5681 4.2): call rill_output until it returns false.  Never fails:
 * what cannot be used is dropped and counted. */
bool rill_input(struct rill_engine *engine, const struct rill_packet *in, rill_time now_us);

/* The next packet out, or false if there is nothing to send now.  Call until it returns false; the number of
 * packets is bounded by the windows. */
bool rill_output(struct rill_engine *engine, struct rill_packet *out, rill_time now_us);

/* Fires the timers that are due by now.  Afterwards rill_output may have something. */
void rill_advance(struct rill_engine *engine, rill_time now_us);

/* When rill_advance has to be called next, RILL_NEVER if nothing is waiting.  It may be early, never late. */
rill_time rill_deadline(const struct rill_engine *engine);

/* Connections that are neither closed nor in a record of TIME-WAIT: those with a socket, those that still
 * close behind a closed socket, handshakes under way. */
uint32_t rill_open_connections(const struct rill_engine *engine);

/* Resets all of them; the RSTs leave with the next output.  For a host that is about to stop. */
void rill_abort_all(struct rill_engine *engine, rill_time now_us);

/* One connection, listener or record as it is now; what does not belong to its state is 0.  Bytes. */
struct rill_connection {
    uint32_t laddr, raddr; /* LISTEN: laddr is 0.0.0.0 or ours */
    uint16_t lport, rport;
    enum rill_tcp_state state;
    struct rill_numbers numbers;
    uint64_t bytes_acked, bytes_received; /* of the streams, without SYN and FIN */
    uint16_t snd_mss, rcv_mss;      /* what fits into a segment now; the largest that came, at first 536 */
    bool ts, sack, wscale, ecn;     /* agreed with the peer */
    uint8_t snd_wscale, rcv_wscale; /* valid if wscale */
    enum rill_cc cc;
    uint32_t sndbuf, rcvbuf;
    uint32_t backlog, waiting; /* LISTEN: bound of each queue, connections not yet accepted */
    enum rill_timer timer;     /* the one that is due first; RINGS, which the peer never sees, is left out */
    rill_time timer_left_us;   /* in how long, RILL_NEVER: none runs */
    uint8_t timeouts; /* how often a timer has sent data, SYN or a probe again since the last answer */
};

/* All of them: writes at most cap and returns how many there are.  A half-open record is SYN-RECEIVED. */
uint32_t rill_snapshot(const struct rill_engine *engine, struct rill_connection *list, uint32_t cap,
                       rill_time now_us);

/* How often an event happened since the engine was made. */
uint64_t rill_counter(const struct rill_engine *engine, enum rill_event event);

/* Bytes that the engine holds from its allocator now. */
size_t rill_memory(const struct rill_engine *engine);

#ifdef __cplusplus
}
#endif
#endif
