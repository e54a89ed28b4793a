/* trace_read.c - files, memory and the model's small questions; the parsers are trace_json.c, trace_pcap.c.
 */
#include "trace_read.h"

#include "rill_engine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct trace_block {
    struct trace_block *next;
    size_t used, cap;
    char text[];
};

int trace_fail(struct trace *trace, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(trace->error, sizeof trace->error, format, args);
    va_end(args);
    return -1;
}

/* A command for one file may end where memory does. */
static void *need(void *block)
{
    if (block == NULL) {
        fputs("rill: out of memory\n", stderr);
        exit(1);
    }
    return block;
}

/* How many bytes the character at p has in valid UTF-8, 0 if it is none (or a control character, or one of
 * those that XML forbids). */
static size_t character(const uint8_t *p, size_t len)
{
    if (p[0] < 0x80)
        return p[0] >= ' ' && p[0] != 0x7f;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n > len)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] >= 0x90) || (p[0] == 0xc2 && p[1] < 0xa0) ||
        (p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe))
        return 0;
    return n;
}

const char *trace_string(struct trace *trace, const char *text, size_t len)
{
    struct trace_block *block = trace->blocks;
    if (len == 0)
        return "";
    if (block == NULL || block->cap - block->used < len + 1) {
        size_t cap = len + 1 > 16000 ? len + 1 : 16000;
        block = need(malloc(sizeof *block + cap));
        *block = (struct trace_block){.next = trace->blocks, .cap = cap};
        trace->blocks = block;
    }
    char *copy = block->text + block->used;
    for (size_t i = 0; i < len;) {
        size_t n = character((const uint8_t *)text + i, len - i);
        if (n == 0)
            copy[i] = '?';
        else
            memcpy(copy + i, text + i, n);
        i += n == 0 ? 1 : n;
    }
    copy[len] = '\0';
    block->used += len + 1;
    return copy;
}

/* Room for one more: arrays double at powers of two, from 16 on. */
static void *grow(void *array, size_t count, size_t size)
{
    if (count != 0 && (count < 16 || (count & (count - 1)) != 0))
        return array;
    return need(reallocarray(array, count == 0 ? 16 : count * 2, size));
}

#define ADD(array, count)                                                                                    \
    ((array) = grow(array, count, sizeof *(array)), memset(&(array)[count], 0, sizeof *(array)),             \
     &(array)[(count)++])

struct trace_conn *trace_add_conn(struct trace *trace, uint64_t id, const char *local, const char *peer)
{
    struct trace_conn *conn = ADD(trace->conns, trace->conn_count);
    conn->id = id;
    conn->local = local;
    conn->peer = peer;
    return conn;
}

struct trace_seg *trace_add_seg(struct trace_conn *conn)
{
    struct trace_seg *seg = ADD(conn->segs, conn->seg_count);
    seg->why = seg->text = seg->held = "";
    return seg;
}

struct trace_numbers *trace_add_numbers(struct trace_conn *conn)
{
    return ADD(conn->numbers, conn->number_count);
}

struct trace_note *trace_add_note(struct trace_conn *conn) { return ADD(conn->notes, conn->note_count); }

void trace_free(struct trace *trace)
{
    while (trace->blocks != NULL) {
        struct trace_block *block = trace->blocks;
        trace->blocks = block->next;
        free(block);
    }
    for (size_t i = 0; i < trace->conn_count; i++) {
        free(trace->conns[i].segs);
        free(trace->conns[i].numbers);
        free(trace->conns[i].notes);
    }
    free(trace->conns);
    memset(trace, 0, sizeof *trace);
}

int trace_parse(struct trace *trace, const uint8_t *data, size_t len, const char *local)
{
    static const uint8_t magics[][4] = {{0x0a, 0x0d, 0x0d, 0x0a},
                                        {0xd4, 0xc3, 0xb2, 0xa1},
                                        {0xa1, 0xb2, 0xc3, 0xd4},
                                        {0x4d, 0x3c, 0xb2, 0xa1},
                                        {0xa1, 0xb2, 0x3c, 0x4d}};
    memset(trace, 0, sizeof *trace);
    for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++) {
        if (len >= 4 && memcmp(data, magics[i], 4) == 0) {
            trace->capture = true;
            return trace_parse_capture(trace, data, len, local);
        }
    }
    if (len == 0)
        return trace_fail(trace, "the file is empty");
    if (data[0] != '{')
        return trace_fail(trace, "neither a trace (NDJSON) nor a capture (pcapng, pcap)");
    return trace_parse_json(trace, data, len);
}

int trace_read(struct trace *trace, const char *path, const char *local)
{
    size_t len = 0, cap = 1 << 16;
    memset(trace, 0, sizeof *trace);
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (file == NULL)
        return trace_fail(trace, "%s", strerror(errno));
    uint8_t *data = need(malloc(cap));
    for (size_t n; (n = fread(data + len, 1, cap - len, file)) > 0 && len < TRACE_FILE_MAX;) {
        len += n;
        if (len == cap)
            data = need(realloc(data, cap *= 2));
    }
    int code = errno, status;
    if (ferror(file))
        status = trace_fail(trace, "%s", strerror(code));
    else if (len >= TRACE_FILE_MAX)
        status = trace_fail(trace, "longer than %zu bytes", TRACE_FILE_MAX);
    else
        status = trace_parse(trace, data, len, local);
    if (file != stdin)
        (void)fclose(file);
    free(data);
    return status;
}

const struct trace_conn *trace_pick(const struct trace *trace, uint64_t id)
{
    const struct trace_conn *best = NULL;
    uint64_t most = 0;
    for (size_t i = 0; i < trace->conn_count; i++) {
        const struct trace_conn *conn = &trace->conns[i];
        uint64_t bytes = 1;
        if (conn->id == id && id != 0)
            return conn;
        for (size_t k = 0; k < conn->seg_count; k++)
            bytes += conn->segs[k].len;
        if (id == 0 && conn->id != 0 && bytes > most) {
            most = bytes;
            best = conn;
        }
    }
    return best;
}

const char *trace_flags(uint8_t flags, char text[10])
{
    static const char letters[] = "SFRPUEW."; /* in the order that packetdrill writes them */
    static const uint8_t bits[] = {RILL_SYN, RILL_FIN, RILL_RST, RILL_PSH,
                                   RILL_URG, RILL_ECE, RILL_CWR, RILL_ACK};
    int n = 0;
    for (size_t i = 0; i < sizeof bits; i++)
        if (flags & bits[i])
            text[n++] = letters[i];
    if (n == 0)
        text[n++] = '-';
    text[n] = '\0';
    return text;
}

uint64_t trace_end(const struct trace_seg *seg)
{
    return seg->seq + seg->len + ((seg->flags & RILL_SYN) != 0) + ((seg->flags & RILL_FIN) != 0);
}

uint64_t trace_bytes(const struct trace_conn *conn, bool out)
{
    uint64_t end = 1; /* the SYN is 0 */
    for (size_t i = 0; i < conn->seg_count; i++) {
        const struct trace_seg *seg = &conn->segs[i];
        if (seg->out == out && seg->rel && seg->len > 0 && seg->seq + seg->len > end)
            end = seg->seq + seg->len;
    }
    return end - 1;
}

bool trace_is_probe(const struct trace_seg *seg)
{
    return strcmp(seg->why, "PROBE") == 0 || strcmp(seg->why, "KEEPALIVE") == 0;
}

bool trace_is_dsack(const struct trace_seg *seg)
{
    if (seg->sacks == 0)
        return false;
    const uint64_t *first = seg->sack[0], *second = seg->sack[1];
    return first[1] <= seg->ack || (seg->sacks > 1 && first[0] >= second[0] && first[1] <= second[1]);
}

bool trace_is_resent(const struct trace_seg *seg)
{
    return seg->again && trace_end(seg) > seg->seq && !trace_is_probe(seg);
}

/* Reordering on the way makes old numbers late, not repeated: only what overlaps an earlier segment counts.
 */
void trace_mark_again(struct trace_conn *conn, bool out)
{
    uint64_t top[2] = {0, 0};
    for (size_t i = 0; i < conn->seg_count; i++) {
        struct trace_seg *seg = &conn->segs[i];
        uint64_t end = trace_end(seg);
        if (end == seg->seq || !seg->rel)
            continue;
        for (size_t k = i, tries = 0; seg->seq < top[seg->out] && k-- > 0 && tries < 2000; tries++) {
            const struct trace_seg *old = &conn->segs[k];
            bool overlaps = old->out == seg->out && old->rel && old->seq < end && trace_end(old) > seg->seq;
            if (overlaps && (out || !seg->out)) {
                seg->again = true;
                break;
            }
        }
        if (end > top[seg->out])
            top[seg->out] = end;
    }
}

bool trace_is_lost(const char *fate)
{
    static const char *const harmless[] = {"duplicate", "delay", "reorder", "rate"};
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++)
        if (strcmp(fate, harmless[i]) == 0)
            return false;
    return true;
}
