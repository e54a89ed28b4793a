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

static void trace_fate(struct gate *g, const struct rill_packet *packet, bool out,
                       const struct link_fate *fate, rill_time now_us)
{
    const char *words[] = {drop_word(fate->verdict), fate->corrupted ? "corrupt" : NULL,
                           fate->reordered ? "reorder" : NULL, fate->duplicated ? "duplicate" : NULL};
    for (int i = 0; i < 4; i++)
        if (words[i] != NULL) {
            trace_file_link(&g->trace, packet, out, words[i], now_us);
            if (g->on_link != NULL)
                g->on_link(g->on_link_ctx, packet, out, words[i]);
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

static void append_reason(struct gate *g, const struct rill_packet *packet, char note[NOTE_BYTES])
{
    char why[256] = "";
    uint8_t head[IP4_HEADER_LEN + 1];
    if (g->has_reason && belongs(&g->reason, packet))
        (void)rill_explain(&g->reason, why, sizeof why);
    else if (g->has_reply_reason && belongs(&g->reply_reason, packet)) {
        (void)rill_explain(&g->reply_reason, why, sizeof why);
        g->has_reply_reason = false;
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

/* What is going to cross the TUN, while the packet itself is still as the engine made it. */
static void record_corrupted(struct gate *g, const struct rill_packet *packet, uint32_t bit, const char *note)
{
    uint32_t len = packet_len(packet);
    if (len > GATE_PACKET_MAX || bit / 8 >= len)
        return;
    /* The buffer is free here, as in to_tun(), or holds the packet: then the bit is flipped back. */
    uint8_t *byte = g->packet + bit / 8;
    if (packet->head.data != g->packet)
        packet_read(packet, 0, g->packet, len);
    *byte ^= (uint8_t)(1u << bit % 8);
    struct rill_packet harmed = {.head = {g->packet, len}, .csum = packet->csum};
    pcapng_packet(&g->capture, PCAPNG_WIRE, &harmed, true, note);
    *byte ^= (uint8_t)(1u << bit % 8);
}

static void record(struct gate *g, const struct rill_packet *packet, bool out, const struct link_fate *fate)
{
    char note[NOTE_BYTES] = "";
    const char *dropped = drop_word(fate->verdict);
    if (!pcapng_is_open(&g->capture))
        return;
    if (dropped != NULL)
        (void)snprintf(note, sizeof note, "dropped by the emulator: %s", dropped);
    if (out)
        append_reason(g, packet, note);
    if (fate->corrupted)
        append(note, "corrupted by the emulator");
    if (fate->reordered)
        append(note, "reordered by the emulator");
    if (fate->duplicated)
        append(note, out ? "duplicated by the emulator" : "duplicate made by the emulator");
    if (out && fate->corrupted)
        record_corrupted(g, packet, fate->flipped_bit, note);
    else
        pcapng_packet(&g->capture, dropped != NULL ? PCAPNG_DROPPED : PCAPNG_WIRE, packet, out, note);
}

static void watch(void *ctx, const struct rill_trace_event *event)
{
    struct gate *g = ctx;
    if (g->user_trace != NULL)
        g->user_trace(g->user_trace_ctx, event);
    trace_file_event(&g->trace, event);
    if (event->kind != RILL_TRACE_SEGMENT_OUT || !pcapng_is_open(&g->capture))
        return;
    if (g->sending) {
        g->reason = *event;
        g->has_reason = true;
    } else {
        g->reply_reason = *event;
        g->has_reply_reason = true;
    }
}

/* ---- Out ----------------------------------------------------------------------------------------------- */

static void to_tun(struct gate *g, const struct rill_packet *packet)
{
    tun_write(g->tun, packet);
    if (g->on_packet == NULL)
        return;
    /* The buffer is free here: what came in has been taken in.  Or the packet is in it already. */
    const struct rill_slice *part[3] = {&packet->head, &packet->body[0], &packet->body[1]};
    size_t len = 0;
    for (int i = 0; i < 3; i++)
        if (part[i]->len > 0 && part[i]->len <= GATE_PACKET_MAX - len) {
            memmove(g->packet + len, part[i]->data, part[i]->len);
            len += part[i]->len;
        }
    g->on_packet(g->on_packet_ctx, g->packet, len, true);
}

static void pop_out(struct gate *g, rill_time now_us)
{
    struct rill_packet packet;
    while (link_pop(&g->link[RILL_OUT], now_us, &packet))
        to_tun(g, &packet);
}

/* One datagram as the wire has it. */
static void emit(struct gate *g, const struct rill_packet *packet, rill_time now_us)
{
    struct link *link = &g->link[RILL_OUT];
    bool emulated = !link_idle(link);
    struct link_fate fate = emulated ? link_push(link, packet, now_us) : passed;
    record(g, packet, true, &fate);
    if (emulated)
        trace_fate(g, packet, true, &fate, now_us);
    if (fate.verdict == LINK_PASSED)
        to_tun(g, packet);
    if (emulated)
        pop_out(g, now_us);
}

void gate_drain(struct gate *g, rill_time now_us)
{
    struct rill_packet packet;
    for (;;) {
        g->has_reason = false;
        g->sending = true;
        bool more = rill_output(g->engine, &packet, now_us);
        g->sending = false;
        if (!more)
            return;
        bool whole = packet.segment_bytes == 0 && packet.csum != RILL_CSUM_PARTIAL;
        if (whole || (link_idle(&g->link[RILL_OUT]) && !pcapng_is_open(&g->capture))) {
            emit(g, &packet, now_us);
            continue;
        }
        struct rill_packet one = {.head = {g->packet, 0}};
        for (uint32_t i = 0; (one.head.len = link_split(&packet, i, g->packet, GATE_PACKET_MAX)) > 0; i++)
            emit(g, &one, now_us);
    }
}

/* ---- In ------------------------------------------------------------------------------------------------ */

static void deliver(struct gate *g, const struct rill_packet *packet, const struct link_fate *fate,
                    rill_time now_us)
{
    record(g, packet, false, fate);
    if (rill_input(g->engine, packet, now_us))
        gate_drain(g, now_us);
}

static void pop_in(struct gate *g, rill_time now_us)
{
    struct rill_packet packet;
    while (link_pop(&g->link[RILL_IN], now_us, &packet)) {
        struct link_fate fate = link_popped(&g->link[RILL_IN]);
        deliver(g, &packet, &fate, now_us);
    }
}

void gate_input(struct gate *g, size_t len, rill_time now_us)
{
    struct rill_packet packet = {.head = {g->packet, (uint32_t)len}, .csum = RILL_CSUM_VERIFY};
    struct link *link = &g->link[RILL_IN];
    if (g->on_packet != NULL)
        g->on_packet(g->on_packet_ctx, g->packet, len, false);
    if (link_idle(link)) {
        deliver(g, &packet, &passed, now_us);
        return;
    }
    struct link_fate fate = link_push(link, &packet, now_us);
    trace_fate(g, &packet, false, &fate, now_us);
    if (fate.verdict == LINK_PASSED)
        deliver(g, &packet, &fate, now_us);
    else if (fate.verdict != LINK_QUEUED)
        record(g, &packet, false, &fate);
    pop_in(g, now_us);
}

/* ---- The next data segment ----------------------------------------------------------------------------- */

/* A number on the list: those that have passed make room, and what is listed already is passed over, so that
 * two wishes are two drops.  A list that is full of other wishes, or has no end, stays as it is. */
void gate_drop_next(struct gate *g, enum rill_direction direction)
{
    struct link_config config = g->link[direction].config;
    struct link_list *list = &config.drop_data;
    uint64_t next = g->link[direction].stats.data + 1;
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
    link_set(&g->link[direction], &config);
}

/* ---- Time ---------------------------------------------------------------------------------------------- */

void gate_advance(struct gate *g, rill_time now_us)
{
    pop_out(g, now_us);
    pop_in(g, now_us);
    if (rill_deadline(g->engine) <= now_us)
        rill_advance(g->engine, now_us);
    struct sink *sinks[] = {&g->capture.sink, &g->trace.sink};
    for (int i = 0; i < 2; i++)
        if (sink_is_open(sinks[i]) && sinks[i]->flush_us <= now_us)
            sink_flush(sinks[i]);
}

rill_time gate_deadline(const struct gate *g)
{
    rill_time at_us = rill_deadline(g->engine);
    at_us = min_u64(at_us, min_u64(link_deadline(&g->link[RILL_IN]), link_deadline(&g->link[RILL_OUT])));
    if (pcapng_is_open(&g->capture))
        at_us = min_u64(at_us, g->capture.sink.flush_us);
    if (trace_file_is_open(&g->trace))
        at_us = min_u64(at_us, g->trace.sink.flush_us);
    return at_us;
}

/* ---- Opening and closing ------------------------------------------------------------------------------- */

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

int gate_open(struct gate *g, const struct rill_options *options, struct tun *tun, struct rill_config *config,
              rill_time now_us, struct tun_error *error)
{
    struct link_config in, out;
    *g = (struct gate){.tun = tun,
                       .on_packet = options->on_packet,
                       .on_packet_ctx = options->on_packet_ctx,
                       .on_link = options->on_link,
                       .on_link_ctx = options->on_link_ctx,
                       .user_trace = config->trace,
                       .user_trace_ctx = config->trace_ctx};
    g->mem = (struct mem){.alloc = link_alloc, .free = link_release, .cap_bytes = SIZE_MAX};
    link_init(&g->link[RILL_IN], &g->mem, RILL_IN, now_us);
    link_init(&g->link[RILL_OUT], &g->mem, RILL_OUT, now_us);
    int result = gate_parse(options->link_in, &in, error);
    if (result == 0)
        result = gate_parse(options->link_out, &out, error);
    if (result == 0 && options->capture != NULL)
        result = pcapng_open(&g->capture, options->capture, tun->name, error);
    if (result == 0 && options->trace_file != NULL)
        result = trace_file_open(&g->trace, options->trace_file, config, now_us, error);
    if (result == 0 && (g->packet = malloc(GATE_PACKET_MAX)) == NULL)
        result = tun_fail(error, ENOMEM, "out of memory");
    if (result != 0) {
        gate_close(g);
        return result;
    }
    link_set(&g->link[RILL_IN], &in);
    link_set(&g->link[RILL_OUT], &out);
    if (pcapng_is_open(&g->capture) || trace_file_is_open(&g->trace)) {
        config->trace = watch;
        config->trace_ctx = g;
    }
    return 0;
}

void gate_close(struct gate *g)
{
    rill_time at_us;
    while ((at_us = link_deadline(&g->link[RILL_OUT])) != RILL_NEVER)
        pop_out(g, at_us);
    link_free(&g->link[RILL_IN]);
    link_free(&g->link[RILL_OUT]);
    sink_close(&g->capture.sink);
    trace_file_close(&g->trace);
    free(g->packet);
    g->packet = NULL;
}

void gate_forget(struct gate *g)
{
    sink_forget(&g->capture.sink);
    sink_forget(&g->trace.sink);
}
