/* gate.c - see gate.h.
 *
 * The reason of a packet comes through the engine's trace: for what rill_output builds, from within that
 * call; for a reply without a connection when it is made, before it is handed out. */
#include "gate.h"

#include "link_parse.h"
#include "tcp_hdr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define EXEMPT_PORT 80
enum { NOTE_BYTES = 512 };

static const struct link_fate passed = {.verdict = LINK_PASSED};

/* ---- Words for fates ----------------------------------------------------------------------------------- */

static const char *drop_word(enum link_verdict verdict)
{
    switch (verdict) {
    case LINK_LISTED:
        return "list";
    case LINK_BLACKOUT:
        return "blackout";
    case LINK_LOST:
        return "loss";
    case LINK_LIMITED:
        return "limit";
    case LINK_NO_MEMORY:
        return "memory";
    case LINK_PASSED:
    case LINK_QUEUED:
    case LINK_VERDICT_COUNT:
        break;
    }
    return NULL;
}

static void trace_fate(struct gate *p, const struct rill_packet *packet, bool out,
                       const struct link_fate *fate, rill_time now_us)
{
    const char *words[] = {drop_word(fate->verdict), fate->corrupted ? "corrupt" : NULL,
                           fate->reordered ? "reorder" : NULL, fate->duplicated ? "duplicate" : NULL};
    for (int i = 0; i < 4; i++)
        if (words[i] != NULL) {
            trace_file_link(&p->trace, packet, out, words[i], now_us);
            if (p->on_link != NULL)
                p->on_link(p->on_link_ctx, packet, out, words[i]);
        }
}

/* ---- Captures ------------------------------------------------------------------------------------------ */

static void append(char note[NOTE_BYTES], const char *words)
{
    size_t len = strlen(note);
    (void)snprintf(note + len, NOTE_BYTES - len, "%s%s", len > 0 ? "; " : "", words);
}

/* Whether the event tells of this packet, an outgoing one. */
static bool belongs(const struct rill_trace_event *event, const struct rill_packet *packet)
{
    uint8_t head[IP4_HEADER_LEN + 8]; /* the engine sends no IP options */
    if (packet_len(packet) < sizeof head)
        return false;
    packet_read(packet, 0, head, sizeof head);
    return head[9] == IP4_TCP && (wire_get16(head + 6) & 0x1fff) == 0 &&
           wire_get32(head + 16) == event->raddr && wire_get16(head + 20) == event->lport &&
           wire_get16(head + 22) == event->rport && wire_get32(head + 24) == event->seq32;
}

static void append_reason(struct gate *p, const struct rill_packet *packet, char note[NOTE_BYTES])
{
    char why[256] = "";
    uint8_t head[IP4_HEADER_LEN + 1];
    if (p->has_reason && belongs(&p->reason, packet))
        (void)rill_explain(&p->reason, why, sizeof why);
    else if (p->has_reply_reason && belongs(&p->reply_reason, packet)) {
        (void)rill_explain(&p->reply_reason, why, sizeof why);
        p->has_reply_reason = false;
    } else if (packet_len(packet) >= sizeof head) {
        packet_read(packet, 0, head, sizeof head);
        if (head[9] == IP4_ICMP)
            (void)snprintf(why, sizeof why, "%s",
                           (wire_get16(head + 6) & 0x1fff) != 0 ? "the rest of an ICMP message"
                           : head[IP4_HEADER_LEN] == 0          ? "echo reply"
                                                                : "ICMP error");
    }
    if (why[0] != '\0')
        append(note, why);
}

static void record(struct gate *p, const struct rill_packet *packet, bool out, const struct link_fate *fate)
{
    char note[NOTE_BYTES] = "";
    const char *dropped = drop_word(fate->verdict);
    if (!pcapng_is_open(&p->capture))
        return;
    if (dropped != NULL)
        (void)snprintf(note, sizeof note, "dropped by the emulator: %s", dropped);
    if (out)
        append_reason(p, packet, note);
    if (fate->corrupted)
        append(note, "corrupted by the emulator");
    if (fate->reordered)
        append(note, "reordered by the emulator");
    if (fate->duplicated)
        append(note, out ? "duplicated by the emulator" : "duplicate made by the emulator");
    pcapng_packet(&p->capture, dropped != NULL ? PCAPNG_DROPPED : PCAPNG_WIRE, packet, out, note);
}

static void watch(void *ctx, const struct rill_trace_event *event)
{
    struct gate *p = ctx;
    if (p->user_trace != NULL)
        p->user_trace(p->user_trace_ctx, event);
    trace_file_event(&p->trace, event);
    if (event->kind != RILL_TRACE_SEGMENT_OUT || !pcapng_is_open(&p->capture))
        return;
    if (p->sending) {
        p->reason = *event;
        p->has_reason = true;
    } else {
        p->reply_reason = *event;
        p->has_reply_reason = true;
    }
}

/* ---- Out -------------------------------------------------------------------------------------------------
 */

static void to_tun(struct gate *p, const struct rill_packet *packet)
{
    tun_write(p->tun, packet);
    if (p->on_packet == NULL)
        return;
    /* The buffer is free here: what came in has been taken in.  Or the packet is in it already. */
    const struct rill_slice *part[3] = {&packet->head, &packet->body[0], &packet->body[1]};
    size_t len = 0;
    for (int i = 0; i < 3; i++)
        if (part[i]->len > 0 && part[i]->len <= GATE_PACKET_MAX - len) {
            memmove(p->packet + len, part[i]->data, part[i]->len);
            len += part[i]->len;
        }
    p->on_packet(p->on_packet_ctx, p->packet, len, true);
}

static void pop_out(struct gate *p, rill_time now_us)
{
    struct rill_packet packet;
    while (link_pop(&p->link[RILL_OUT], now_us, &packet))
        to_tun(p, &packet);
}

/* One datagram as the wire has it. */
static void emit(struct gate *p, const struct rill_packet *packet, rill_time now_us)
{
    struct link *link = &p->link[RILL_OUT];
    bool emulated = !link_idle(link);
    struct link_fate fate = emulated ? link_push(link, packet, now_us) : passed;
    record(p, packet, true, &fate);
    if (emulated)
        trace_fate(p, packet, true, &fate, now_us);
    if (fate.verdict == LINK_PASSED)
        to_tun(p, packet);
    if (emulated)
        pop_out(p, now_us);
}

void gate_drain(struct gate *p, rill_time now_us)
{
    struct rill_packet packet;
    for (;;) {
        p->has_reason = false;
        p->sending = true;
        bool more = rill_output(p->engine, &packet, now_us);
        p->sending = false;
        if (!more)
            return;
        bool whole = packet.segment_bytes == 0 && packet.csum != RILL_CSUM_PARTIAL;
        if (whole || (link_idle(&p->link[RILL_OUT]) && !pcapng_is_open(&p->capture))) {
            emit(p, &packet, now_us);
            continue;
        }
        struct rill_packet one = {.head = {p->packet, 0}};
        for (uint32_t i = 0; (one.head.len = link_split(&packet, i, p->packet, GATE_PACKET_MAX)) > 0; i++)
            emit(p, &one, now_us);
    }
}

/* ---- In --------------------------------------------------------------------------------------------------
 */

static void deliver(struct gate *p, const struct rill_packet *packet, const struct link_fate *fate,
                    rill_time now_us)
{
    record(p, packet, false, fate);
    if (rill_input(p->engine, packet, now_us))
        gate_drain(p, now_us);
}

static void pop_in(struct gate *p, rill_time now_us)
{
    struct rill_packet packet;
    while (link_pop(&p->link[RILL_IN], now_us, &packet)) {
        struct link_fate fate = link_popped(&p->link[RILL_IN]);
        deliver(p, &packet, &fate, now_us);
    }
}

void gate_input(struct gate *p, size_t len, rill_time now_us)
{
    struct rill_packet packet = {.head = {p->packet, (uint32_t)len}, .csum = RILL_CSUM_VERIFY};
    struct link *link = &p->link[RILL_IN];
    if (p->on_packet != NULL)
        p->on_packet(p->on_packet_ctx, p->packet, len, false);
    if (link_idle(link)) {
        deliver(p, &packet, &passed, now_us);
        return;
    }
    struct link_fate fate = link_push(link, &packet, now_us);
    trace_fate(p, &packet, false, &fate, now_us);
    if (fate.verdict == LINK_PASSED)
        deliver(p, &packet, &fate, now_us);
    else if (fate.verdict != LINK_QUEUED)
        record(p, &packet, false, &fate);
    pop_in(p, now_us);
}

/* ---- The next data segment -------------------------------------------------------------------------------
 */

/* A number on the list: those that have passed make room, and what is listed already is passed over, so that
 * two wishes are two drops.  A list that is full of other wishes, or has no end, stays as it is. */
void gate_drop_next(struct gate *p, enum rill_direction direction)
{
    struct link_config config = p->link[direction].config;
    struct link_list *list = &config.drop_data;
    uint64_t next = p->link[direction].stats.data + 1;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < list->count; i++)
        if (list->at[i].high >= next)
            list->at[kept++] = list->at[i];
    list->count = kept;
    if (kept > 0 && list->at[0].low <= next) {
        if (list->at[0].high < UINT32_MAX)
            list->at[0].high++;
    } else if (kept < LINK_RANGES && next < UINT32_MAX) {
        memmove(list->at + 1, list->at, kept * sizeof list->at[0]);
        list->at[0] = (struct link_range){(uint32_t)next, (uint32_t)next};
        list->count++;
    }
    link_set(&p->link[direction], &config);
}

/* ---- Time ------------------------------------------------------------------------------------------------
 */

void gate_advance(struct gate *p, rill_time now_us)
{
    pop_out(p, now_us);
    pop_in(p, now_us);
    if (rill_deadline(p->engine) <= now_us)
        rill_advance(p->engine, now_us);
    struct sink *sinks[] = {&p->capture.sink, &p->trace.sink};
    for (int i = 0; i < 2; i++)
        if (sink_is_open(sinks[i]) && sinks[i]->flush_us <= now_us)
            sink_flush(sinks[i]);
}

rill_time gate_deadline(const struct gate *p)
{
    rill_time at_us = rill_deadline(p->engine);
    at_us = min_u64(at_us, min_u64(link_deadline(&p->link[RILL_IN]), link_deadline(&p->link[RILL_OUT])));
    if (pcapng_is_open(&p->capture))
        at_us = min_u64(at_us, p->capture.sink.flush_us);
    if (trace_file_is_open(&p->trace))
        at_us = min_u64(at_us, p->trace.sink.flush_us);
    return at_us;
}

/* ---- Opening and closing
 * ----------------------------------------------------------------------------------- */

int gate_parse(const char *spec, struct link_config *config, struct tun_error *error)
{
    uint32_t column;
    *config = (struct link_config){.exempt_port = EXEMPT_PORT};
    const char *expected = spec != NULL ? link_parse(spec, config, &column) : NULL;
    if (expected == NULL)
        return 0;
    return tun_fail(error, EINVAL, "link settings '%.200s': column %u: %s", spec, column, expected);
}

static void *link_alloc(void *ctx, size_t size)
{
    (void)ctx;
    return malloc(size);
}

static void link_release(void *ctx, void *block, size_t size)
{
    (void)ctx;
    (void)size;
    free(block);
}

int gate_open(struct gate *p, const struct rill_options *options, struct tun *tun, struct rill_config *config,
              rill_time now_us, struct tun_error *error)
{
    struct link_config in, out;
    *p = (struct gate){.tun = tun,
                       .on_packet = options->on_packet,
                       .on_packet_ctx = options->on_packet_ctx,
                       .on_link = options->on_link,
                       .on_link_ctx = options->on_link_ctx,
                       .user_trace = config->trace,
                       .user_trace_ctx = config->trace_ctx};
    p->mem = (struct mem){.alloc = link_alloc, .free = link_release, .cap_bytes = SIZE_MAX};
    link_init(&p->link[RILL_IN], &p->mem, RILL_IN, now_us);
    link_init(&p->link[RILL_OUT], &p->mem, RILL_OUT, now_us);
    int result = gate_parse(options->link_in, &in, error);
    if (result == 0)
        result = gate_parse(options->link_out, &out, error);
    if (result == 0 && options->capture != NULL)
        result = pcapng_open(&p->capture, options->capture, tun->name, error);
    if (result == 0 && options->trace_file != NULL)
        result = trace_file_open(&p->trace, options->trace_file, config, now_us, error);
    if (result == 0 && (p->packet = malloc(GATE_PACKET_MAX)) == NULL)
        result = tun_fail(error, ENOMEM, "out of memory");
    if (result != 0) {
        gate_close(p);
        return result;
    }
    link_set(&p->link[RILL_IN], &in);
    link_set(&p->link[RILL_OUT], &out);
    if (pcapng_is_open(&p->capture) || trace_file_is_open(&p->trace)) {
        config->trace = watch;
        config->trace_ctx = p;
    }
    return 0;
}

void gate_close(struct gate *p)
{
    rill_time at_us;
    while ((at_us = link_deadline(&p->link[RILL_OUT])) != RILL_NEVER)
        pop_out(p, at_us);
    link_free(&p->link[RILL_IN]);
    link_free(&p->link[RILL_OUT]);
    sink_close(&p->capture.sink);
    trace_file_close(&p->trace);
    free(p->packet);
    p->packet = NULL;
}

void gate_forget(struct gate *p)
{
    sink_forget(&p->capture.sink);
    sink_forget(&p->trace.sink);
}
