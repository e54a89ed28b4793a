/* http_state.c - the stack's state as JSON, and the log of the latest segments and changes of state.
 *
 * The engine's trace fills the log, from within calls of rill and whatever thread they are in; the server
 * reads it.  The lock of the log is the inner one: whoever holds it calls nothing of rill. */
#include "cli.h"
#include "http.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    LOG_ENTRIES = 200,
    LATEST = 60, /* as many as fit for sure */
    CONNECTIONS_MAX = 256,
    PORTS_MAX = 16,
    SPEC_BYTES = 3072,
    CONNECTIONS_SHARE = 2 /* of the room for an answer, connections get a half at most */
};

/* A segment, or a change of state, or (fate != NULL) what the emulated link did to a segment. */
struct entry {
    uint64_t id;
    const char *fate;
    struct rill_trace_event event;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry entries[LOG_ENTRIES]; /* number id at id % LOG_ENTRIES; ids count from 1 */
static uint64_t last_id;                  /* guarded by the lock, as the entries are */
static rill_time start_us;
static uint16_t ports[PORTS_MAX]; /* the page's own */
static int port_count;
static struct rill_connection *list; /* room for CONNECTIONS_MAX, or NULL */
static int busy_count;               /* connections of others, at the last look */

static rill_time now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* which is what the events are stamped with */
    return (rill_time)now.tv_sec * 1000000 + (rill_time)now.tv_nsec / 1000;
}

/* ---- Text ---------------------------------------------------------------------------------------- */

void text_put(struct text *text, const char *format, ...)
{
    va_list args;
    if (text->full)
        return;
    va_start(args, format);
    int n = vsnprintf(text->at + text->len, text->cap - text->len, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= text->cap - text->len)
        text->full = true;
    else
        text->len += (size_t)n;
}

void text_put_string(struct text *text, const char *string)
{
    text_put(text, "\"");
    for (; *string != '\0'; string++) {
        unsigned char c = (unsigned char)*string;
        if (c == '"' || c == '\\')
            text_put(text, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f)
            text_put(text, "\\u%04x", c);
        else
            text_put(text, "%c", c);
    }
    text_put(text, "\"");
}

/* ---- The log --------------------------------------------------------------------------------------- */

static bool is_own_port(uint16_t port)
{
    for (int i = 0; i < port_count; i++)
        if (ports[i] == port)
            return true;
    return false;
}

static void add(const struct rill_trace_event *event, const char *fate)
{
    struct entry *entry = &entries[++last_id % LOG_ENTRIES];
    entry->id = last_id;
    entry->fate = fate;
    entry->event = *event;
}

static void watch(void *ctx, const struct rill_trace_event *event)
{
    (void)ctx;
    if ((event->kind != RILL_TRACE_SEGMENT_IN && event->kind != RILL_TRACE_SEGMENT_OUT &&
         event->kind != RILL_TRACE_STATE) ||
        is_own_port(event->lport))
        return;
    (void)pthread_mutex_lock(&lock);
    add(event, NULL);
    (void)pthread_mutex_unlock(&lock);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* `value` of the wire as the number that it is, next to one that is known both ways. */
static uint64_t unwrap(uint64_t known, uint32_t known32, uint32_t value)
{
    return known + (uint64_t)(int64_t)(int32_t)(value - known32);
}

/* Sequence numbers relative to the connection's first ones, as the engine has them, from what the log knows
 * of them: an end's numbers are in what it sent, and in the acknowledgements of the other. */
static void make_relative(struct rill_trace_event *event)
{
    bool has_seq = false, has_ack = (event->flags & RILL_ACK) == 0;
    event->seq = event->seq32;
    event->ack = event->ack32;
    for (uint64_t id = last_id; id > 0 && id + LOG_ENTRIES > last_id && !(has_seq && has_ack); id--) {
        const struct rill_trace_event *known = &entries[id % LOG_ENTRIES].event;
        bool same = known->kind == event->kind, acks = (known->flags & RILL_ACK) != 0;
        if (known->kind == RILL_TRACE_STATE || !known->relative || known->lport != event->lport ||
            known->rport != event->rport || known->raddr != event->raddr)
            continue;
        if (!has_seq && (same || acks)) {
            event->seq = same ? unwrap(known->seq, known->seq32, event->seq32)
                              : unwrap(known->ack, known->ack32, event->seq32);
            has_seq = true;
        }
        if (!has_ack && (!same || acks)) {
            event->ack = same ? unwrap(known->ack, known->ack32, event->ack32)
                              : unwrap(known->seq, known->seq32, event->ack32);
            has_ack = true;
        }
    }
    event->relative = has_seq && has_ack;
}

static void watch_link(void *ctx, const struct rill_packet *packet, bool out, const char *fate)
{
    (void)ctx;
    const uint8_t *ip = packet->head.data;
    size_t header = packet->head.len >= 20 ? (size_t)(ip[0] & 15) * 4 : 0;
    if (header < 20 || packet->head.len < header + 20 || ip[9] != 6)
        return;
    const uint8_t *tcp = ip + header;
    uint16_t source = (uint16_t)(tcp[0] << 8 | tcp[1]), destination = (uint16_t)(tcp[2] << 8 | tcp[3]);
    uint32_t total = (uint32_t)(ip[2] << 8 | ip[3]),
             headers = (uint32_t)(header + (size_t)(tcp[12] >> 4) * 4);
    struct rill_trace_event event = {.at_us = now_us(),
                                     .kind = out ? RILL_TRACE_SEGMENT_OUT : RILL_TRACE_SEGMENT_IN,
                                     .laddr = get32(ip + (out ? 12 : 16)),
                                     .raddr = get32(ip + (out ? 16 : 12)),
                                     .lport = out ? source : destination,
                                     .rport = out ? destination : source,
                                     .seq32 = get32(tcp + 4),
                                     .ack32 = get32(tcp + 8),
                                     .len = total > headers ? total - headers : 0,
                                     .flags = tcp[13]};
    if (is_own_port(event.lport))
        return;
    (void)pthread_mutex_lock(&lock);
    make_relative(&event);
    add(&event, fate);
    (void)pthread_mutex_unlock(&lock);
}

void http_state_open(struct cli *cli)
{
    if (cli->watch == watch)
        return;
    start_us = now_us();
    list = calloc(CONNECTIONS_MAX, sizeof *list);
    cli->watch = watch;
    cli->options.on_link = watch_link;
}

void http_state_add_port(uint16_t port)
{
    if (port_count < PORTS_MAX)
        ports[port_count++] = port;
}

bool http_state_is_busy(uint64_t next)
{
    (void)pthread_mutex_lock(&lock);
    bool logged = last_id >= next;
    (void)pthread_mutex_unlock(&lock);
    return logged || busy_count > 0;
}

/* ---- The state ------------------------------------------------------------------------------------- */

/* Since the server began. */
static uint64_t age_us(rill_time at_us) { return at_us < start_us ? 0 : at_us - start_us; }

static void put_key(struct text *text, uint16_t lport, uint32_t raddr, uint16_t rport)
{
    text_put(text, "\"%u/%u.%u.%u.%u:%u\"", lport, raddr >> 24, raddr >> 16 & 255, raddr >> 8 & 255,
             raddr & 255, rport);
}

static void put_connection(struct text *text, const struct rill_connection *c)
{
    const struct rill_numbers *n = &c->numbers;
    text_put(text, "{\"key\":");
    put_key(text, c->lport, c->raddr, c->rport);
    text_put(text, ",\"state\":\"%s\"", rill_state_name(c->state));
    if (is_own_port(c->lport))
        text_put(text, ",\"own\":true");
    if (c->state == RILL_LISTEN) {
        text_put(text, ",\"waiting\":%u}", c->waiting);
        return;
    }
    text_put(text, ",\"cwnd\":%u,\"ssthresh\":%u,\"flight\":%u,\"snd_wnd\":%u,\"rcv_wnd\":%u", n->cwnd,
             n->ssthresh, n->flight, n->snd_wnd, n->rcv_wnd);
    text_put(text, ",\"unsent\":%u,\"unread\":%u,\"srtt\":%u,\"rttvar\":%u,\"rto\":%u", n->unsent, n->unread,
             n->srtt_us, n->rttvar_us, n->rto_us);
    text_put(text,
             ",\"acked\":%" PRIu64 ",\"received\":%" PRIu64 ",\"mss\":%u,\"timeouts\":%u,\"dupacks\":%u",
             c->bytes_acked, c->bytes_received, c->snd_mss, c->timeouts, n->dup_acks);
    text_put(text, ",\"sacked\":%u,\"lost\":%u,\"ts\":%s,\"sack\":%s,\"ecn\":%s,\"cc\":\"%s\"", n->sacked,
             n->lost, c->ts ? "true" : "false", c->sack ? "true" : "false", c->ecn ? "true" : "false",
             rill_cc_word(c->cc));
    text_put(text, ",\"recovery\":%s,\"limit\":\"%s\"", n->recovery ? "true" : "false",
             rill_limit_text(n->limit));
    if (c->timer_left_us != RILL_NEVER)
        text_put(text, ",\"timer\":\"%s\",\"left\":%" PRIu64, rill_timer_text(c->timer), c->timer_left_us);
    text_put(text, "}");
}

/* The smaller, the more somebody wants to see it. */
static int rank(const struct rill_connection *c)
{
    if (c->state == RILL_LISTEN)
        return 3;
    return is_own_port(c->lport) ? 2 : c->state == RILL_TIME_WAIT;
}

static void put_connections(struct text *text)
{
    struct text part = {text->at, text->len, text->len + (text->cap - text->len) / CONNECTIONS_SHARE,
                        text->full};
    int all = list != NULL ? rill_connections(list, CONNECTIONS_MAX) : 0, told = 0;
    int count = all < CONNECTIONS_MAX ? all : CONNECTIONS_MAX;
    text_put(&part, ",\"conns\":[");
    busy_count = 0;
    for (int i = 0; i < count; i++)
        busy_count += rank(&list[i]) < 2;
    for (int wanted = 0; wanted <= 3; wanted++) {
        for (int i = 0; i < count && !part.full; i++) {
            size_t before = part.len;
            if (rank(&list[i]) != wanted)
                continue;
            text_put(&part, "%s", told > 0 ? "," : "");
            put_connection(&part, &list[i]);
            if (part.full)
                part.len = before;
            else
                told++;
        }
    }
    text->len = part.len;
    text_put(text, "],\"more\":%d", all > told ? all - told : 0);
}

static void put_flags(struct text *text, uint8_t flags)
{
    static const char letters[] = "FSRP.UEW"; /* from bit 0 on, as packetdrill writes them */
    char word[9];
    size_t len = 0;
    for (int bit = 0; bit < 8; bit++)
        if (flags & 1 << bit)
            word[len++] = letters[bit];
    word[len] = '\0';
    text_put(text, ",\"f\":\"%s\"", word);
}

static void put_entry(struct text *text, const struct entry *entry)
{
    const struct rill_trace_event *e = &entry->event;
    char why[200];
    text_put(text, "{\"i\":%" PRIu64 ",\"us\":%" PRIu64 ",\"key\":", entry->id, age_us(e->at_us));
    put_key(text, e->lport, e->raddr, e->rport);
    if (e->kind == RILL_TRACE_STATE) {
        text_put(text, ",\"from\":\"%s\",\"to\":\"%s\"}", rill_state_name(e->state_from),
                 rill_state_name(e->state));
        return;
    }
    text_put(text, ",\"d\":\"%s\"", e->kind == RILL_TRACE_SEGMENT_OUT ? "out" : "in");
    put_flags(text, e->flags);
    text_put(text, ",\"s\":%" PRIu64 ",\"n\":%u,\"a\":%" PRIu64, e->seq, e->len, e->ack);
    if (entry->fate != NULL)
        text_put(text, ",\"fate\":\"%s\"", entry->fate);
    else
        text_put(text, ",\"w\":%u", e->wnd);
    for (uint32_t i = 0; i < e->sack_count; i++)
        text_put(text, "%s[%" PRIu64 ",%" PRIu64 "]%s", i == 0 ? ",\"k\":[" : ",", e->sack[i].begin,
                 e->sack[i].end, i + 1 == e->sack_count ? "]" : "");
    if (!e->relative)
        text_put(text, ",\"abs\":true");
    if (e->resent)
        text_put(text, ",\"again\":true");
    if (entry->fate == NULL && rill_explain(e, why, sizeof why) > 0) {
        text_put(text, ",\"why\":");
        text_put_string(text, why);
    }
    text_put(text, "}");
}

static void put_log(struct text *text, uint64_t *next, uint64_t settle_us)
{
    rill_time until_us = now_us() - settle_us;
    bool first = true;
    text_put(text, ",\"log\":[");
    (void)pthread_mutex_lock(&lock);
    uint64_t oldest = last_id >= LOG_ENTRIES ? last_id - LOG_ENTRIES + 1 : 1;
    if (*next == 0 && last_id > LATEST)
        *next = last_id - LATEST + 1;
    if (*next < oldest)
        *next = oldest;
    for (; *next <= last_id && !text->full; ++*next) {
        const struct entry *entry = &entries[*next % LOG_ENTRIES];
        size_t before = text->len;
        if (entry->event.at_us > until_us)
            break;
        text_put(text, "%s", first ? "" : ",");
        put_entry(text, entry);
        if (text->full) {
            text->len = before;
            break;
        }
        first = false;
    }
    (void)pthread_mutex_unlock(&lock);
}

static void put_counters(struct text *text)
{
    uint64_t counters[RILL_EVENT_COUNT] = {0};
    size_t memory = 0;
    const char *comma = "";
    (void)rill_counters(counters, &memory);
    text_put(text, ",\"memory\":%zu,\"counters\":{", memory);
    for (int i = 0; i < RILL_EVENT_COUNT; i++) {
        if (counters[i] == 0)
            continue;
        text_put(text, "%s\"%s\":%" PRIu64, comma, rill_event_text((enum rill_event)i), counters[i]);
        comma = ",";
    }
    text_put(text, "}");
}

void http_state_write(struct text *text, uint64_t *next, uint64_t settle_us)
{
    char spec[SPEC_BYTES];
    text_put(text, "{\"us\":%" PRIu64, age_us(now_us()));
    for (int d = RILL_IN; d <= RILL_OUT; d++) {
        text_put(text, ",\"%s\":", d == RILL_IN ? "in" : "out");
        text_put_string(text, rill_link_get((enum rill_direction)d, spec, sizeof spec) >= 0 ? spec : "");
    }
    text_put(text, ",\"paused\":%s,\"transfers\":%d", http_transfer_is_paused() ? "true" : "false",
             http_transfer_count());
    put_counters(text);
    /* The last brackets must fit whatever happens. */
    text->cap -= 4;
    put_connections(text);
    put_log(text, next, settle_us);
    text->cap += 4;
    text->full = false;
    text_put(text, "]}");
}
