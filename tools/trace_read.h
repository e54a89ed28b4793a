/* trace_read.h - a trace (NDJSON of --trace) or a capture (pcapng, pcap) as one model in memory.
 *
 * What plot, ladder and why draw and tell is in here and nowhere else.  The point of view is one side's:
 * rill's. From a capture alone only segments, what was dropped, and comments are known.  Any input is taken
 * without a crash: what cannot be read is an error that names its line or offset; a file that was cut off in
 * the middle of its last record, as a program that still runs or was killed leaves it, is read up to there.
 */
#ifndef RILL_TRACE_READ_H
#define RILL_TRACE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TRACE_SACK_MAX = 4 };

/* One TCP segment.  Sequence numbers are 64 bits wide and, if rel, count from the initial ones. */
struct trace_seg {
    uint64_t t_us, seq, ack, us,
        held_us;                 /* us: of the reason, as the RTO; held_us: how long it was held back */
    uint32_t len, win, seq32, n; /* win in bytes; n: of the reason, as in RTO #2 */
    uint32_t order;              /* among segments and notes: the line */
    uint8_t flags;               /* RILL_FIN … */
    uint8_t sacks;
    bool out, rel;
    bool again;                       /* has been sent before, as far as is known */
    bool lost;                        /* never arrived, or not in one piece */
    const char *fate;                 /* what the emulator did to it: "loss"; or NULL */
    const char *why;                  /* the reason's name: "RTO"; or "" */
    const char *text;                 /* in words; or "" */
    const char *held;                 /* what had held it back: "RWND"; or "" */
    uint64_t sack[TRACE_SACK_MAX][2]; /* begin and end, counted as ack */
    bool has_ts;
    uint32_t tsval, tsecr;
};

/* All of a connection's numbers from t_us on. */
struct trace_numbers {
    uint64_t t_us, cwnd, ssthresh, flight, pipe, snd_wnd, rcv_wnd, unsent, unread, srtt_us, rttvar_us, rto_us;
    uint64_t sacked, lost;
    bool recovery;
    const char *limit;
};

enum trace_note_kind { NOTE_STATE, NOTE_TIMER, NOTE_EVENT };
/* STATE: from a to b.  TIMER: timer a fired.  EVENT: name a, sentence b. */
struct trace_note {
    uint64_t t_us;
    uint32_t order;
    enum trace_note_kind kind;
    const char *a, *b;
};

struct trace_conn {
    uint64_t id;
    const char *local, *peer; /* "10.77.0.2:7" */
    struct trace_seg *segs;
    struct trace_numbers *numbers;
    struct trace_note *notes;
    size_t seg_count, number_count, note_count;
};

struct trace {
    struct trace_conn *conns;
    size_t conn_count;
    bool capture;               /* no numbers, states and reasons but those in comments */
    bool foreign;               /* a capture in which no packet has a comment: rill's or not, nobody knows */
    char note[160];             /* what the user should know about the reading, or "" */
    char error[200];            /* why it failed */
    struct trace_block *blocks; /* where strings live */
};

/* Bounds: a file is at most this long, and so is a line; more is an error. */
#define TRACE_FILE_MAX ((size_t)1 << 30)
#define TRACE_LINE_MAX ((size_t)1 << 16)

/* Reads a file ("-": standard input).  local: the side of a capture, "10.77.0.2", or NULL: that address if it
 * occurs, else who answered the first SYN.  0, or -1 and trace->error.  trace_free in both cases. */
int trace_read(struct trace *trace, const char *path, const char *local);
/* The same from memory. */
int trace_parse(struct trace *trace, const uint8_t *data, size_t len, const char *local);
void trace_free(struct trace *trace);

/* The connection with that id; id 0: the one that carried the most bytes.  NULL if there is none. */
const struct trace_conn *trace_pick(const struct trace *trace, uint64_t id);
/* "S.", as packetdrill writes flags. */
const char *trace_flags(uint8_t flags, char text[10]);
/* SYN and FIN count. */
uint64_t trace_end(const struct trace_seg *seg);
/* Bytes of one direction, each counted once. */
uint64_t trace_bytes(const struct trace_conn *conn, bool out);
/* Whether the first SACK block reports a duplicate: RFC 2883 4. */
bool trace_is_dsack(const struct trace_seg *seg);
/* A zero-window or keep-alive probe. */
bool trace_is_probe(const struct trace_seg *seg);
/* Sent again, and no probe: what is drawn and counted as a retransmission. */
bool trace_is_resent(const struct trace_seg *seg);

/* ---- For the two parsers (trace_read.c, trace_json.c, trace_pcap.c) */
int trace_fail(struct trace *trace, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A copy that lives as long as the trace, made valid UTF-8 without control characters. */
const char *trace_string(struct trace *trace, const char *text, size_t len);
struct trace_conn *trace_add_conn(struct trace *trace, uint64_t id, const char *local, const char *peer);
struct trace_seg *trace_add_seg(struct trace_conn *conn);
struct trace_numbers *trace_add_numbers(struct trace_conn *conn);
struct trace_note *trace_add_note(struct trace_conn *conn);
bool trace_is_lost(const char *fate);
/* Marks what arrived for the second time, and with out = true what left for the second time. */
void trace_mark_again(struct trace_conn *conn, bool out);
int trace_parse_json(struct trace *trace, const uint8_t *data, size_t len);
int trace_parse_capture(struct trace *trace, const uint8_t *data, size_t len, const char *local);

#endif
