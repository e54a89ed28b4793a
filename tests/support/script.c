/* script.c - see script.h: lines, time and the application.  The constructors are in rig.c. */
#include "script.h"

#include "rig.h"

#include <stdlib.h>

/* ---- The transcript ----------------------------------------------------------------------------------- */

static void log_time(struct rig *t)
{
    rill_time us = t->now_us - t->start_us;
    fprintf(t->log_to, "%6llu.%06llu  ", (unsigned long long)(us / SEC), (unsigned long long)(us % SEC));
}

static jmp_buf *trap; /* where a failure goes that a test of the rig wants */

bool rig_fails(struct rig *t, void (*what)(struct rig *t))
{
    jmp_buf here;
    trap = &here;
    if (setjmp(here) == 0) {
        what(t);
        trap = NULL;
        return false;
    }
    trap = NULL;
    return true;
}

void rig_failed(struct rig *t, const char *format, ...)
{
    va_list args;
    if (trap != NULL)
        longjmp(*trap, 1);
    fflush(t->log_to);
    fprintf(stderr, "---- what happened (seconds since the engine was made)\n%s---- at %s:%d\n", t->log,
            t->file, t->line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    _fail(t->file, t->line);
    abort(); /* _fail does not return, but its header does not say so */
}

void rig_trace(void *ctx, const struct rill_trace_event *event)
{
    /* RFC 9293 3.3.2, figure 5, and the paths to CLOSED; a passive open that completes makes a TCB. */
    static const uint16_t edges[] = {
        [RILL_CLOSED] = 1 << RILL_SYN_SENT,
        [RILL_LISTEN] = 1 << RILL_SYN_RECEIVED,
        [RILL_SYN_SENT] = 1 << RILL_SYN_RECEIVED | 1 << RILL_ESTABLISHED | 1 << RILL_FIN_WAIT_1,
        [RILL_SYN_RECEIVED] = 1 << RILL_ESTABLISHED | 1 << RILL_FIN_WAIT_1,
        [RILL_ESTABLISHED] = 1 << RILL_FIN_WAIT_1 | 1 << RILL_CLOSE_WAIT,
        [RILL_FIN_WAIT_1] = 1 << RILL_FIN_WAIT_2 | 1 << RILL_CLOSING | 1 << RILL_TIME_WAIT,
        [RILL_FIN_WAIT_2] = 1 << RILL_TIME_WAIT,
        [RILL_CLOSE_WAIT] = 1 << RILL_LAST_ACK,
        [RILL_CLOSING] = 1 << RILL_TIME_WAIT,
        [RILL_LAST_ACK] = 0,
        [RILL_TIME_WAIT] = 0,
    };
    struct rig *t = ctx;
    if (event->kind == RILL_TRACE_STATE) {
        log_time(t);
        fprintf(t->log_to, "      %s -> %s\n", rill_state_name(event->state_from),
                rill_state_name(event->state));
        t->ended += event->state == RILL_CLOSED;
        if (event->state != RILL_CLOSED && (edges[event->state_from] & 1 << event->state) == 0)
            rig_failed(t, "no such edge in RFC 9293 figure 5");
    } else if (event->kind == RILL_TRACE_SEGMENT_OUT) {
        t->said = *event;
    } else if (event->kind == RILL_TRACE_EVENT) {
        log_time(t);
        fprintf(t->log_to, "      (%s)\n", rill_event_name(event->event));
    }
}

static void log_packet(struct rig *t, const char *way, unsigned int n, const struct datagram *d)
{
    const struct rig_peer *peer = &t->peer[n];
    bool to_us = d->dst == RIG_OUR_ADDR;
    log_time(t);
    fprintf(t->log_to, "%-4s ", way);
    if (n != 0)
        fprintf(t->log_to, "@%u ", n);
    datagram_print(t->log_to, d, to_us ? peer->isn : peer->iss, to_us ? peer->iss : peer->isn);
    fputc('\n', t->log_to);
}

/* ---- What leaves -------------------------------------------------------------------------------------- */

static unsigned int peer_of(struct rig *t, const struct datagram *d)
{
    if (d->src != RIG_OUR_ADDR || d->dst != RIG_PEER_ADDR)
        rig_failed(t, "a packet from %08x to %08x", d->src, d->dst);
    for (unsigned int n = 0; n < RIG_PEERS; n++)
        if (t->peer[n].lport == d->sport && t->peer[n].rport == d->dport)
            return n;
    rig_failed(t, "a packet from port %u to port %u, which are nobody's", d->sport, d->dport);
}

/* The text is what the application wrote, and it wrote that much. */
static void check_text(struct rig *t, const struct rig_peer *peer, const struct datagram *d)
{
    uint32_t pos = d->seq + ((d->flags & RILL_SYN) != 0) - peer->iss;
    if (d->text_len == 0)
        return;
    if (pos < 1 || pos - 1 + d->text_len > peer->written)
        rig_failed(t, "text at %u, %u bytes, where %llu were written", pos, d->text_len,
                   (unsigned long long)peer->written);
    for (uint32_t i = 0; i < d->text_len; i++)
        if (d->text[i] != pattern(pos + i, 0))
            rig_failed(t, "the byte at %u is not what was written", pos + i);
}

static void check_now(struct rig *t)
{
    const char *broken = engine_check(t->e);
    if (broken != NULL)
        rig_failed(t, "engine_check: %s", broken);
}

static bool knows_ecn(const struct rig *t)
{
    return (t->config.features & (1u << RILL_FEATURE_ECN | 1u << RILL_FEATURE_ECN_ANSWER)) != 0;
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Our initial number, and the timestamp of our first SYN, from which ours are counted. */
static void see_syn(struct rig_peer *peer, const struct datagram *d)
{
    peer->iss = d->seq;
    for (uint32_t i = 0; peer->ts == 0 && i + 10 <= d->opt_len; i += d->opt[i] <= 1 ? 1 : d->opt[i + 1])
        if (d->opt[i] == 8)
            peer->ts = get32(d->opt + i + 2);
}

void rig_drain(struct rig *t)
{
    static uint8_t data[UINT16_MAX];
    struct rill_packet out;
    check_now(t);
    while (rill_output(t->e, &out, t->now_us)) {
        uint32_t len = out.head.len;
        struct rig_packet *packet = &t->queue[t->first + t->queued];
        const char *broken;
        if (t->first + t->queued == RIG_QUEUE)
            rig_failed(t, "more than %u packets at once", RIG_QUEUE);
        memcpy(data, out.head.data, out.head.len);
        for (int i = 0; i < 2; i++) {
            if (out.body[i].len != 0)
                memcpy(data + len, out.body[i].data, out.body[i].len);
            len += out.body[i].len;
        }
        broken = datagram_parse(data, len, &packet->d);
        if (broken == NULL && (packet->d.flags & (RILL_ECE | RILL_CWR)) != 0 && !knows_ecn(t))
            broken = "no ECN where nobody has asked for it";
        packet->at_us = t->now_us;
        packet->peer = peer_of(t, &packet->d);
        if ((packet->d.flags & RILL_SYN) != 0)
            see_syn(&t->peer[packet->peer], &packet->d);
        log_packet(t, "out", packet->peer, &packet->d);
        if (broken != NULL)
            rig_failed(t, "what must hold for every packet does not: %s", broken);
        if (len > t->config.mtu)
            rig_failed(t, "%u bytes over a path of %u", len, t->config.mtu);
        check_text(t, &t->peer[packet->peer], &packet->d);
        t->queued++;
        check_now(t);
    }
    if (rill_output(t->e, &out, t->now_us))
        rig_failed(t, "output said that there was nothing, and then there was");
    check_now(t);
}

static void nothing_left(struct rig *t)
{
    if (t->queued != 0)
        rig_failed(t, "got a packet that nobody expects");
}

/* The engine's clock stands at now for what the application does. */
void rig_enter(struct rig *t)
{
    nothing_left(t);
    engine_now(t->e, t->now_us);
}

/* ---- Matching ----------------------------------------------------------------------------------------- */

static uint32_t wire_num(const struct note_num *num, uint32_t base)
{
    return num->absolute ? (uint32_t)num->value : base + (uint32_t)num->value;
}

static bool num_fits(const struct note_num *num, uint32_t base, uint32_t got)
{
    return num->any || wire_num(num, base) == got;
}

/* The options of a line as on the wire; what may be anything is as in `any`. */
static void wire_options(const struct note *note, const struct rig_peer *peer, bool ours, const uint8_t *any,
                         uint8_t *opt)
{
    memcpy(opt, note->opt, sizeof note->opt);
    for (uint32_t i = 0; i < note->refs; i++) {
        uint8_t *p = opt + note->ref[i].at;
        uint32_t value = get32(p);
        switch (note->ref[i].base) {
        case NOTE_ANY:
            value = any != NULL ? get32(any + note->ref[i].at) : 0;
            break;
        case NOTE_TSVAL:
            value += ours ? peer->ts : 0;
            break;
        case NOTE_TSECR:
            value += ours ? 0 : peer->ts;
            break;
        case NOTE_SACK:
            value += ours ? peer->isn : peer->iss;
            break;
        }
        for (int byte = 0; byte < 4; byte++)
            p[byte] = (uint8_t)(value >> (24 - 8 * byte));
    }
}

static bool fits(const struct rig *t, const struct note *want, const struct rig_packet *got)
{
    uint8_t opt[sizeof want->opt];
    const struct rig_peer *peer = &t->peer[got->peer];
    const struct datagram *d = &got->d;
    wire_options(want, peer, true, d->opt, opt);
    return want->peer == got->peer && want->flags == d->flags && want->ecn == (d->tos & 3) &&
           want->len == d->text_len && num_fits(&want->seq, peer->iss, d->seq) &&
           (!want->ack.given || num_fits(&want->ack, peer->isn, d->ack)) &&
           (!want->win.given || num_fits(&want->win, 0, d->win)) &&
           (!want->urg.given || num_fits(&want->urg, 0, d->urg)) &&
           (want->opt_any || (want->opt_len == d->opt_len && memcmp(opt, d->opt, d->opt_len) == 0));
}

static void parse_line(struct rig *t, const char *line, struct note *note)
{
    const char *broken = note_parse(line, note);
    if (broken == NULL && note->peer >= RIG_PEERS)
        broken = "no such peer";
    if (broken != NULL)
        rig_failed(t, "cannot read \"%s\": %s", line, broken);
}

static void take_first(struct rig *t)
{
    t->queued--;
    t->first = t->queued != 0 ? t->first + 1 : 0;
}

static void expect_line(struct rig *t, const char *line)
{
    struct note want;
    parse_line(t, line, &want);
    if (t->queued == 0)
        rig_failed(t, "expected  %s\ngot       nothing", line);
    if (!fits(t, &want, &t->queue[t->first])) {
        FILE *to = t->log_to;
        const struct rig_peer *peer = &t->peer[t->queue[t->first].peer];
        fprintf(to, "expected  %s\ngot       ", line);
        datagram_print(to, &t->queue[t->first].d, peer->iss, peer->isn);
        fputc('\n', to);
        rig_failed(t, "another packet than expected");
    }
    take_first(t);
}

#define FORMAT_LINE(line, format)                                                                            \
    do {                                                                                                     \
        va_list args;                                                                                        \
        va_start(args, format);                                                                              \
        vsnprintf(line, sizeof(line), format, args);                                                         \
        va_end(args);                                                                                        \
    } while (0)

void rig_out(struct rig *t, const char *format, ...)
{
    char line[256];
    FORMAT_LINE(line, format);
    expect_line(t, line);
}

void rig_out_none(struct rig *t) { nothing_left(t); }

const struct datagram *rig_take(struct rig *t)
{
    static struct datagram d;
    if (t->queued == 0)
        rig_failed(t, "expected a packet, got nothing");
    d = t->queue[t->first].d;
    take_first(t);
    return &d;
}

/* ---- What arrives ------------------------------------------------------------------------------------- */

static void make(const struct rig *t, const struct note *note, struct datagram *d)
{
    const struct rig_peer *peer = &t->peer[note->peer];
    *d = (struct datagram){.src = RIG_PEER_ADDR,
                           .dst = RIG_OUR_ADDR,
                           .sport = peer->rport,
                           .dport = peer->lport,
                           .seq = wire_num(&note->seq, peer->isn),
                           .ack = note->ack.given ? wire_num(&note->ack, peer->iss) : 0,
                           .flags = note->flags,
                           .win = note->win.given ? (uint16_t)note->win.value : t->setup.peer_win,
                           .urg = (uint16_t)note->urg.value,
                           .ttl = 64,
                           .tos = note->ecn,
                           .opt_len = note->opt_len,
                           .text_len = note->len};
    wire_options(note, peer, false, NULL, d->opt);
    for (uint32_t i = 0; i < note->len; i++)
        d->text[i] = pattern((uint64_t)(note->seq.value + ((note->flags & RILL_SYN) != 0)) + i, note->salt);
}

/* The bytes lie in a block of exactly their length, which is gone after the call; every other packet comes in
 * pieces. */
static bool feed(struct rig *t, const struct datagram *d)
{
    static uint8_t data[UINT16_MAX + 1];
    uint32_t len = datagram_build(d, data), head = t->inputs++ % 2 == 0 ? len : 40 + d->opt_len,
             rest = len - head, half = rest / 2;
    uint8_t *a = malloc(head), *b = malloc(half + 1), *c = malloc(rest - half + 1);
    struct rill_packet packet = {.head = {a, head}, .body = {{b + 1, half}, {c + 1, rest - half}}};
    bool drain;
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
    memcpy(a, data, head);
    memcpy(b + 1, data + head, half);
    memcpy(c + 1, data + head + half, rest - half);
    drain = rill_input(t->e, &packet, t->now_us);
    free(a);
    free(b);
    free(c);
    return drain;
}

void rig_in(struct rig *t, bool drain, const char *format, ...)
{
    static struct datagram d;
    char line[256];
    struct note note;
    FORMAT_LINE(line, format);
    nothing_left(t);
    parse_line(t, line, &note);
    make(t, &note, &d);
    log_packet(t, "in", note.peer, &d);
    if (feed(t, &d) || drain)
        rig_drain(t);
    check_now(t);
}

/* ---- Time --------------------------------------------------------------------------------------------- */

/* Goes to the next deadline, or to `end` if that is earlier. */
static void step(struct rig *t, rill_time end)
{
    rill_time next = rill_deadline(t->e);
    t->now_us = next > t->now_us ? next : t->now_us;
    if (t->now_us > end)
        t->now_us = end;
    rill_advance(t->e, t->now_us);
    rig_drain(t);
    if (rill_deadline(t->e) <= t->now_us)
        rig_failed(t, "something is due in the past after rill_advance");
}

static void advance_to(struct rig *t, rill_time end)
{
    nothing_left(t);
    while (t->now_us < end) {
        step(t, end);
        nothing_left(t);
    }
}

void rig_advance(struct rig *t, rill_time us) { advance_to(t, t->now_us + us); }

void rig_out_after(struct rig *t, rill_time us, const char *format, ...)
{
    char line[256];
    rill_time end = t->now_us + us;
    FORMAT_LINE(line, format);
    advance_to(t, end - 1);
    step(t, end);
    expect_line(t, line);
}

void rig_skip(struct rig *t, rill_time us)
{
    rill_time end = t->now_us + us;
    while (t->now_us < end) {
        step(t, end);
        t->first = t->queued = 0;
    }
}

rill_time rig_until(const struct rig *t, rill_time us) { return t->mark_us + us - t->now_us; }

/* ---- The application ---------------------------------------------------------------------------------- */

static void log_call(struct rig *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void log_call(struct rig *t, const char *format, ...)
{
    va_list args;
    log_time(t);
    fputs("app  ", t->log_to);
    va_start(args, format);
    vfprintf(t->log_to, format, args);
    va_end(args);
    fputc('\n', t->log_to);
}

int rig_connect(struct rig *t, unsigned int n)
{
    struct rig_peer *peer = &t->peer[n];
    int result;
    log_call(t, "connect");
    rig_enter(t);
    peer->lport = (uint16_t)(RIG_CLIENT + n);
    peer->rport = RIG_PORT;
    result = tcp_open_active(t->e, &t->opts, RIG_PEER_ADDR, peer->rport, peer->lport, &peer->c);
    if (result == 0)
        peer->c->owner.sock = peer;
    rig_drain(t);
    return result;
}

void rig_accept(struct rig *t, unsigned int n)
{
    struct rig_peer *peer = &t->peer[n];
    log_call(t, "accept");
    rig_enter(t);
    peer->c = port_accept(t->port, peer);
    if (peer->c == NULL)
        rig_failed(t, "there is no connection to accept");
    if (peer->c->node.rport != peer->rport || peer->c->node.lport != peer->lport ||
        peer->c->node.raddr != RIG_PEER_ADDR)
        rig_failed(t, "accepted another peer's connection");
    rig_drain(t);
}

void rig_accept_none(struct rig *t)
{
    log_call(t, "accept");
    rig_enter(t);
    if (port_accept(t->port, t) != NULL)
        rig_failed(t, "accepted a connection where there should be none");
}

int32_t rig_try_write(struct rig *t, uint32_t len)
{
    struct rig_peer *peer = &t->peer[0];
    uint8_t *data;
    int32_t took;
    rig_enter(t);
    data = malloc(len + 1);
    assert_non_null(data);
    for (uint32_t i = 0; i < len; i++)
        data[i] = pattern(1 + peer->written + i, 0);
    log_call(t, "write %u", len);
    took = tcp_write(t->e, peer->c, data, len);
    free(data);
    if (took > 0)
        peer->written += (uint32_t)took;
    rig_drain(t);
    return took;
}

void rig_write(struct rig *t, uint32_t len)
{
    int32_t took = rig_try_write(t, len);
    if (took < 0 || (uint32_t)took != len)
        rig_failed(t, "write took %d of %u bytes", took, len);
}

void rig_read(struct rig *t, uint32_t len, uint8_t salt)
{
    struct rig_peer *peer = &t->peer[0];
    uint8_t *data;
    uint32_t got, same = 0;
    rig_enter(t);
    data = malloc(len + 1);
    assert_non_null(data);
    log_call(t, "read %u", len);
    got = tcp_read(t->e, peer->c, data, len, false);
    while (same < got && data[same] == pattern(1 + peer->read + same, salt))
        same++;
    free(data);
    if (got != len)
        rig_failed(t, "read got %u of %u bytes", got, len);
    peer->read += same;
    if (same != len)
        rig_failed(t, "the byte read at %llu is not what the peer sent", (unsigned long long)peer->read + 1);
    rig_drain(t);
}

void rig_shut(struct rig *t, unsigned int n)
{
    log_call(t, "shutdown");
    rig_enter(t);
    if (tcp_shut_send(t->e, t->peer[n].c) != 0)
        rig_failed(t, "shutdown failed");
    rig_drain(t);
}

void rig_close(struct rig *t, unsigned int n)
{
    log_call(t, "close");
    rig_enter(t);
    tcp_close(t->e, t->peer[n].c, false);
    t->peer[n].c = NULL;
    rig_drain(t);
}

void rig_abort(struct rig *t)
{
    log_call(t, "abort");
    rig_enter(t);
    tcp_abort(t->e, t->peer[0].c, ECONNABORTED);
    rig_drain(t);
}

void rig_close_port(struct rig *t)
{
    log_call(t, "close the listener");
    rig_enter(t);
    port_close(t->e, t->port);
    t->port = NULL;
    rig_drain(t);
}
