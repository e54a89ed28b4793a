/* trace_file.c - see trace_file.h.  The fields are those of the manual, README.md.
 *
 * Connections are told apart by their peer, as the stack has one address.  A SYN on a known pair of ports is
 * a new connection unless it repeats the number of the old one, or the old one is alive: then it is an
 * attack, or a mistake.  The table is bounded: of four that fall into the same place the one unused for
 * longest is forgotten, and would get a new number if it came back. */
#include "trace_file.h"

#include "rill.h"
#include "seq.h"
#include "tcp_hdr.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SETS = 4096, WAYS = 4, LINE_MAX_BYTES = 1200 };
enum { PEER, OURS }; /* whose sequence numbers */

struct trace_conn {
    uint32_t id; /* 0: free */
    uint32_t raddr;
    uint16_t lport, rport;
    bool alive;          /* has a state in which a SYN does not begin a connection */
    bool known[2];       /* the initial sequence number */
    uint32_t initial[2]; /* on the wire */
    uint64_t near[2];    /* a number not far from the current ones, relative */
    uint64_t used;
    struct rill_numbers numbers; /* as last written */
};

/* What a line says of a segment. */
struct segment {
    uint32_t raddr;
    uint16_t lport, rport;
    uint32_t seq32, ack32, len;
    uint8_t flags;
    bool out;
    const struct rill_trace_event *event; /* its options are in here, or NULL */
};

#define NAME(name, text) #name,
static const char *const limit_name[] = {RILL_LIMITS(NAME)};
static const char *const timer_name[] = {RILL_TIMERS(NAME)};
#undef NAME

/* ---- Lines ------------------------------------------------------------------------------------------- */

static void add(struct trace_file *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct trace_file *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(f->at, f->room, format, args);
    va_end(args);
    ASSERT(n >= 0 && (size_t)n < f->room);
    f->at += n;
    f->room -= (size_t)n;
}

static void add_seconds(struct trace_file *f, const char *name, rill_time at_us)
{
    uint64_t us = at_us - min_u64(f->start_us, at_us);
    add(f, "\"%s\":%" PRIu64 ".%06u", name, us / 1000000, (unsigned)(us % 1000000));
}

/* For texts of ours, which need no escapes. */
static void add_text(struct trace_file *f, const char *name, const char *text)
{
    add(f, ",\"%s\":\"%s\"", name, text);
}
static void add_number(struct trace_file *f, const char *name, uint64_t number)
{
    add(f, ",\"%s\":%" PRIu64, name, number);
}

/* The four parts of an address. */
#define PARTS(addr) (addr) >> 24, (addr) >> 16 & 255, (addr) >> 8 & 255, (addr)&255

/* False: the file is closed. */
static bool begin(struct trace_file *f, const char *kind)
{
    f->at = sink_room(&f->sink, LINE_MAX_BYTES);
    f->room = LINE_MAX_BYTES;
    if (f->at == NULL)
        return false;
    add(f, "{");
    add_seconds(f, "t", f->now_us);
    add_text(f, "ev", kind);
    return true;
}

static void end(struct trace_file *f)
{
    add(f, "}\n");
    sink_add(&f->sink, LINE_MAX_BYTES - f->room, f->now_us);
}

int trace_file_open(struct trace_file *f, const char *path, const struct rill_config *config,
                    rill_time now_us, struct tun_error *error)
{
    struct timespec wall;
    *f = (struct trace_file){.start_us = now_us, .now_us = now_us};
    int result = sink_open(&f->sink, "trace", path, error);
    if (result != 0)
        return result;
    f->conns = calloc((size_t)SETS * WAYS, sizeof *f->conns);
    if (f->conns == NULL) {
        trace_file_close(f);
        return tun_fail(error, ENOMEM, "trace %.200s: no memory for its connections", path);
    }
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    if (begin(f, "start")) {
        add_number(f, "version", 1);
        add(f, ",\"addr\":\"%u.%u.%u.%u\"", PARTS(config->addr));
        add_number(f, "mtu", config->mtu);
        add_number(f, "unix_us", (uint64_t)wall.tv_sec * SEC + (uint64_t)wall.tv_nsec / 1000);
        end(f);
    }
    return 0;
}

void trace_file_close(struct trace_file *f)
{
    sink_close(&f->sink);
    free(f->conns);
    f->conns = NULL;
}

/* ---- Connections --------------------------------------------------------------------------------------- */

static struct trace_conn *set_of(struct trace_file *f, const struct segment *s)
{
    uint32_t hash = (s->raddr ^ (uint32_t)s->lport << 16 ^ s->rport) * 2654435761u; /* 2^32 / golden ratio */
    return f->conns + (size_t)(hash >> 20) % SETS * WAYS;
}

static struct trace_conn *find(struct trace_file *f, const struct segment *s)
{
    struct trace_conn *c = set_of(f, s);
    for (int i = 0; i < WAYS; i++, c++)
        if (c->id != 0 && c->raddr == s->raddr && c->lport == s->lport && c->rport == s->rport) {
            c->used = ++f->uses;
            return c;
        }
    return NULL;
}

/* A new connection in the place of `old`, or where there is one. */
static struct trace_conn *number(struct trace_file *f, const struct segment *s, struct trace_conn *old,
                                 uint32_t laddr)
{
    struct trace_conn *c = set_of(f, s), *place = c;
    for (int i = 1; i < WAYS; i++)
        if (c[i].used < place->used)
            place = c + i;
    if (old != NULL)
        place = old;
    *place = (struct trace_conn){
        .id = ++f->last_id, .raddr = s->raddr, .lport = s->lport, .rport = s->rport, .used = ++f->uses};
    if (begin(f, "conn")) {
        add_number(f, "conn", place->id);
        add(f, ",\"local\":\"%u.%u.%u.%u:%u\"", PARTS(laddr), s->lport);
        add(f, ",\"peer\":\"%u.%u.%u.%u:%u\"", PARTS(s->raddr), s->rport);
        end(f);
    }
    return place;
}

/* NULL: of no connection. */
static struct trace_conn *conn_of_segment(struct trace_file *f, const struct segment *s, uint32_t laddr)
{
    struct trace_conn *c = find(f, s);
    int whose = s->out ? OURS : PEER;
    if ((s->flags & (RILL_SYN | RILL_ACK)) != RILL_SYN)
        return c;
    bool again = c != NULL && (!c->known[whose] || c->initial[whose] == s->seq32);
    if (c == NULL || (!c->alive && !again))
        c = number(f, s, c, laddr);
    if (!c->known[whose]) {
        c->known[whose] = true;
        c->initial[whose] = s->seq32;
    }
    return c;
}

/* From an event that knows relative numbers, so that what does not know them can be told too. */
static void learn(struct trace_conn *c, const struct rill_trace_event *event)
{
    int whose = event->kind == RILL_TRACE_SEGMENT_OUT ? OURS : PEER;
    c->known[whose] = true;
    c->initial[whose] = event->seq32 - (uint32_t)event->seq;
    c->near[whose] = event->seq;
    if ((event->flags & RILL_ACK) == 0)
        return;
    whose = OURS + PEER - whose;
    c->known[whose] = true;
    c->initial[whose] = event->ack32 - (uint32_t)event->ack;
    c->near[whose] = event->ack;
}

static uint64_t relative(const struct trace_conn *c, int whose, uint32_t wire)
{
    uint32_t low = wire - c->initial[whose];
    uint64_t pos = c->near[whose] + (uint64_t)(int64_t)(int32_t)(low - (uint32_t)c->near[whose]);
    return pos > UINT64_MAX / 2 ? low : pos;
}

/* ---- Kinds of lines ------------------------------------------------------------------------------------ */

static void add_flags(struct trace_file *f, uint8_t flags)
{
    static const char letter[] = "FSRP.UEW"; /* as packetdrill has them */
    char text[9];
    size_t len = 0;
    for (int bit = 0; bit < 8; bit++)
        if ((flags >> bit & 1) != 0 && letter[bit] != '.')
            text[len++] = letter[bit];
    if ((flags & RILL_ACK) != 0)
        text[len++] = '.';
    text[len] = '\0';
    add_text(f, "flags", text);
}

/* Timestamps, and SACK blocks: they count from the initial number of the other direction (c), as the
 * segment's acknowledgement does. */
static void add_options(struct trace_file *f, const struct trace_conn *c,
                        const struct rill_trace_event *event)
{
    int other = event->kind == RILL_TRACE_SEGMENT_OUT ? PEER : OURS;
    if (event->has_ts) {
        add_number(f, "tsval", event->tsval);
        add_number(f, "tsecr", event->tsecr);
    }
    for (uint32_t i = 0; i < event->sack_count; i++) {
        uint64_t begin = event->sack[i].begin, end = event->sack[i].end;
        if (c != NULL && !event->relative) {
            begin = relative(c, other, (uint32_t)begin);
            end = relative(c, other, (uint32_t)end);
        }
        add(f, "%s[%" PRIu64 ",%" PRIu64 "]", i == 0 ? ",\"sack\":[" : ",", begin, end);
    }
    if (event->sack_count != 0)
        add(f, "]");
}

static void add_segment(struct trace_file *f, const struct trace_conn *c, const struct segment *s)
{
    bool ack = (s->flags & RILL_ACK) != 0;
    int whose = s->out ? OURS : PEER;
    bool rel = c != NULL && c->known[whose] && (!ack || c->known[OURS + PEER - whose]);
    add_flags(f, s->flags);
    add_number(f, "seq", rel ? relative(c, whose, s->seq32) : s->seq32);
    add_number(f, "len", s->len);
    add_number(f, "ack", !ack ? 0 : rel ? relative(c, OURS + PEER - whose, s->ack32) : s->ack32);
    add_number(f, "seq32", s->seq32);
    add_number(f, "ack32", s->ack32);
    add(f, ",\"rel\":%s", rel ? "true" : "false");
    if (s->event != NULL)
        add_options(f, rel ? c : NULL, s->event);
}

#define NUMBERS(X)                                                                                           \
    X(cwnd)                                                                                                  \
    X(ssthresh)                                                                                              \
    X(flight)                                                                                                \
    X(pipe)                                                                                                  \
    X(snd_wnd) X(rcv_wnd) X(unsent) X(unread) X(srtt_us) X(rttvar_us) X(rto_us) X(dup_acks) X(sacked) X(lost)
#define SAME(name) &&a->name == b->name
#define ADD(name) add_number(f, #name, n->name);

static bool same_numbers(const struct rill_numbers *a, const struct rill_numbers *b)
{
    return a->recovery == b->recovery && a->limit == b->limit NUMBERS(SAME);
}

static void say_numbers(struct trace_file *f, struct trace_conn *c, const struct rill_numbers *n)
{
    if (same_numbers(&c->numbers, n) || !begin(f, "numbers"))
        return;
    c->numbers = *n;
    add_number(f, "conn", c->id);
    NUMBERS(ADD)
    add(f, ",\"recovery\":%s", n->recovery ? "true" : "false");
    add_text(f, "limit", limit_name[n->limit]);
    end(f);
}

/* The numbers of SEGMENT_OUT are those before it counts as sent; these are the ones after. */
static struct rill_numbers after(const struct rill_trace_event *event)
{
    struct rill_numbers n = event->numbers;
    uint32_t len = event->len + ((event->flags & RILL_SYN) != 0) + ((event->flags & RILL_FIN) != 0);
    if (!event->resent) {
        n.flight += len;
        n.unsent -= min_u32(n.unsent, event->len);
    } else {
        n.lost -= min_u32(n.lost, len);
    }
    n.pipe = min_u32(n.pipe + len, n.flight);
    return n;
}

static void say_segment(struct trace_file *f, const struct rill_trace_event *event)
{
    char why[256];
    bool out = event->kind == RILL_TRACE_SEGMENT_OUT;
    struct segment s = {.raddr = event->raddr,
                        .lport = event->lport,
                        .rport = event->rport,
                        .seq32 = event->seq32,
                        .ack32 = event->ack32,
                        .len = event->len,
                        .flags = event->flags,
                        .out = out,
                        .event = event};
    struct trace_conn *c = conn_of_segment(f, &s, event->laddr);
    if (c == NULL && event->relative)
        c = number(f, &s, NULL, event->laddr);
    if (c != NULL && event->relative)
        learn(c, event);
    if (!begin(f, out ? "out" : "in"))
        return;
    add_number(f, "conn", c != NULL ? c->id : 0);
    add_segment(f, c, &s);
    add_number(f, "win", event->wnd);
    if (event->resent)
        add(f, ",\"again\":true");
    if (out && event->why != RILL_WHY_NONE) {
        add_text(f, "why", rill_why_name(event->why));
        if (event->why_count != 0)
            add_number(f, "n", event->why_count);
        if (event->why_us != 0)
            add_number(f, "us", event->why_us);
        if (rill_explain(event, why, sizeof why) > 0)
            add_text(f, "text", why);
    }
    if (event->held != RILL_LIMIT_APPLICATION && event->held_us != 0) {
        add_text(f, "held", limit_name[event->held]);
        add_number(f, "held_us", event->held_us);
    }
    end(f);
    if (out && c != NULL && event->numbers.rto_us != 0 && event->numbers.cwnd != 0) {
        struct rill_numbers n = after(event);
        say_numbers(f, c, &n);
    }
}

static void say_state(struct trace_file *f, struct trace_conn *c, const struct rill_trace_event *event)
{
    c->alive = event->state != RILL_CLOSED && event->state != RILL_TIME_WAIT && event->state != RILL_SYN_SENT;
    if (!begin(f, "state"))
        return;
    add_number(f, "conn", c->id);
    add_text(f, "from", rill_state_name(event->state_from));
    add_text(f, "to", rill_state_name(event->state));
    end(f);
}

static void say_timer(struct trace_file *f, struct trace_conn *c, const struct rill_trace_event *event)
{
    if (!begin(f, "timer"))
        return;
    add_number(f, "conn", c->id);
    add_text(f, "timer", timer_name[event->timer]);
    if (event->kind == RILL_TRACE_TIMER_FIRED)
        add(f, ",\"fired\":true");
    else {
        add(f, ",");
        add_seconds(f, "set", event->timer_at_us);
    }
    end(f);
}

static void say_event(struct trace_file *f, const struct trace_conn *c, const struct rill_trace_event *event)
{
    if (!begin(f, "event"))
        return;
    add_number(f, "conn", c != NULL ? c->id : 0);
    add_text(f, "name", rill_event_name(event->event));
    add_text(f, "text", rill_event_text(event->event));
    end(f);
}

void trace_file_event(struct trace_file *f, const struct rill_trace_event *event)
{
    if (!trace_file_is_open(f))
        return;
    f->now_us = event->at_us;
    if (event->kind == RILL_TRACE_SEGMENT_IN || event->kind == RILL_TRACE_SEGMENT_OUT) {
        say_segment(f, event);
        return;
    }
    struct segment s = {.raddr = event->raddr, .lport = event->lport, .rport = event->rport};
    struct trace_conn *c = find(f, &s);
    if (event->kind == RILL_TRACE_EVENT) {
        say_event(f, c, event);
        return;
    }
    bool opens = event->kind == RILL_TRACE_STATE && event->state == RILL_SYN_SENT;
    if (c == NULL || (opens && !c->alive))
        c = number(f, &s, c, event->laddr);
    if (event->kind == RILL_TRACE_STATE)
        say_state(f, c, event);
    else if (event->kind == RILL_TRACE_NUMBERS)
        say_numbers(f, c, &event->numbers);
    else
        say_timer(f, c, event);
}

void trace_file_link(struct trace_file *f, const struct rill_packet *packet, bool out, const char *fate,
                     rill_time now_us)
{
    struct ip4 ip;
    struct tcp_segment seg;
    struct rill_packet trusted = *packet;
    struct segment s = {.out = out};
    struct trace_conn *c = NULL;
    if (!trace_file_is_open(f))
        return;
    f->now_us = now_us;
    trusted.csum = RILL_CSUM_GOOD; /* a wrong checksum is none of the link's business */
    if (ip4_parse(&trusted, &ip) == IP4_OK && ip.proto == IP4_TCP && ip.frag_off == 0 && !ip.more &&
        tcp_parse(&trusted, &ip, &seg) == TCP_OK) {
        /* The parser takes every packet for one that came in. */
        s = (struct segment){.raddr = out ? seg.laddr : seg.raddr,
                             .lport = out ? seg.rport : seg.lport,
                             .rport = out ? seg.lport : seg.rport,
                             .seq32 = seg.seq32,
                             .ack32 = seg.ack32,
                             .len = seg.text_len,
                             .flags = seg.flags,
                             .out = out};
        c = conn_of_segment(f, &s, out ? seg.raddr : seg.laddr);
    }
    if (!begin(f, "link"))
        return;
    add_text(f, "dir", out ? "out" : "in");
    add_number(f, "conn", c != NULL ? c->id : 0);
    add_text(f, "fate", fate);
    add_segment(f, c, &s);
    end(f);
}
