/* trace_json.c - the NDJSON of --trace, one flat JSON object a line.
 *
 * Unknown events and fields are passed over, so that a newer writer does no harm; a known field of the wrong
 * kind reads as absent.  Nested values are skipped up to a bounded depth. */
#include "trace_read.h"

#include "rill_engine.h"

#include <stdio.h>
#include <string.h>

enum { FIELDS_MAX = 48, DEPTH_MAX = 16 };

struct field {
    char kind; /* 's' string, 'n' number, 't' true, 'f' false, 'a' array, 0 something else */
    char key[20];
    const char *text; /* a string's decoded bytes, a number's characters, those of an array */
    size_t len;
};

struct line {
    const char *at, *end;
    char *room; /* where strings are decoded to: as long as the line is enough */
    struct field field[FIELDS_MAX];
    size_t count;
    uint32_t number;
};

static void blanks(struct line *l)
{
    while (l->at < l->end && (*l->at == ' ' || *l->at == '\t' || *l->at == '\r'))
        l->at++;
}

static bool take(struct line *l, char c)
{
    blanks(l);
    if (l->at >= l->end || *l->at != c)
        return false;
    l->at++;
    return true;
}

static int hex4(const char *p, const char *end)
{
    int value = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdef", *found = p[i] == '\0' ? NULL : strchr(digits, p[i] | 0x20);
        if (found == NULL)
            return -1;
        value = value * 16 + (int)(found - digits);
    }
    return value;
}

/* One character of the basic plane as UTF-8; half of a pair becomes '?'.  Never longer than its escape. */
static void put_utf8(struct line *l, int code)
{
    if (code < 0x80 || (code >= 0xd800 && code < 0xe000)) {
        *l->room++ = (char)(code < 0x80 ? code : '?');
    } else {
        if (code >= 0x800) {
            *l->room++ = (char)(0xe0 | code >> 12);
            *l->room++ = (char)(0x80 | (code >> 6 & 0x3f));
        } else {
            *l->room++ = (char)(0xc0 | code >> 6);
        }
        *l->room++ = (char)(0x80 | (code & 0x3f));
    }
}

static bool string(struct line *l, const char **text, size_t *len)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (!take(l, '"'))
        return false;
    char *start = l->room;
    while (l->at < l->end && *l->at != '"') {
        if (*l->at != '\\') {
            *l->room++ = *l->at++;
            continue;
        }
        if (++l->at >= l->end)
            return false;
        const char *found = *l->at == '\0' ? NULL : strchr(from, *l->at);
        int code = found != NULL ? to[found - from] : *l->at == 'u' ? hex4(l->at + 1, l->end) : -1;
        if (code < 0)
            return false;
        l->at += found != NULL ? 1 : 5;
        put_utf8(l, code);
    }
    *text = start;
    *len = (size_t)(l->room - start);
    return take(l, '"');
}

/* Passes over an object or an array; its strings may hold anything. */
static bool skip_nested(struct line *l)
{
    int depth = 0;
    do {
        const char *text;
        size_t len;
        blanks(l);
        if (l->at >= l->end)
            return false;
        if (*l->at == '"') {
            if (!string(l, &text, &len))
                return false;
            continue;
        }
        depth += (*l->at == '{' || *l->at == '[') - (*l->at == '}' || *l->at == ']');
        l->at++;
    } while (depth > 0 && depth <= DEPTH_MAX);
    return depth == 0;
}

static bool value(struct line *l, struct field *field)
{
    static const char *const words[] = {"true", "false", "null"};
    blanks(l);
    size_t left = (size_t)(l->end - l->at);
    if (left == 0)
        return false;
    if (*l->at == '"') {
        field->kind = 's';
        return string(l, &field->text, &field->len);
    }
    if (*l->at == '{' || *l->at == '[') {
        field->kind = *l->at == '[' ? 'a' : '\0';
        field->text = l->at;
        bool whole = skip_nested(l);
        field->len = (size_t)(l->at - field->text);
        return whole;
    }
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);
        if (left >= n && memcmp(l->at, words[i], n) == 0) {
            field->kind = i < 2 ? words[i][0] : 0;
            l->at += n;
            return true;
        }
    }
    field->kind = 'n';
    field->text = l->at;
    while (l->at < l->end && *l->at != '\0' && strchr("0123456789+-.eE", *l->at) != NULL)
        l->at++;
    field->len = (size_t)(l->at - field->text);
    return field->len > 0;
}

static bool object(struct line *l)
{
    if (!take(l, '{'))
        return false;
    if (take(l, '}'))
        return true;
    do {
        struct field field = {0};
        const char *key;
        size_t len;
        if (!string(l, &key, &len) || !take(l, ':') || !value(l, &field))
            return false;
        if (len < sizeof field.key && l->count < FIELDS_MAX) {
            memcpy(field.key, key, len);
            l->field[l->count++] = field;
        }
    } while (take(l, ','));
    if (!take(l, '}'))
        return false;
    blanks(l);
    return l->at == l->end;
}

static const struct field *find(const struct line *l, const char *key, char kind)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->field[i].kind == kind && strcmp(l->field[i].key, key) == 0)
            return &l->field[i];
    return NULL;
}

/* A number of scale 1 (as it is) or 1000000 (seconds as microseconds); what is too large is the largest. */
static uint64_t number(const struct line *l, const char *key, uint64_t scale)
{
    const struct field *field = find(l, key, 'n');
    uint64_t n = 0;
    bool point = false;
    for (size_t i = 0; field != NULL && i < field->len; i++) {
        char c = field->text[i];
        if (c == '.' && !point && scale > 1) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9' || (point && scale == 1))
            break;
        if (n > (UINT64_MAX >> 1) / 10)
            return UINT64_MAX >> 1;
        n = n * 10 + (uint64_t)(c - '0');
        scale = point ? scale / 10 : scale;
    }
    return n > (UINT64_MAX >> 1) / scale ? UINT64_MAX >> 1 : n * scale;
}

static uint32_t number32(const struct line *l, const char *key)
{
    uint64_t n = number(l, key, 1);
    return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static bool is_true(const struct line *l, const char *key) { return find(l, key, 't') != NULL; }

static bool is(const struct line *l, const char *key, const char *word)
{
    const struct field *field = find(l, key, 's');
    return field != NULL && field->len == strlen(word) && memcmp(field->text, word, field->len) == 0;
}

static const char *text(struct trace *trace, const struct line *l, const char *key)
{
    const struct field *field = find(l, key, 's');
    return field == NULL ? "" : trace_string(trace, field->text, field->len);
}

static uint8_t flags(const struct line *l)
{
    static const char letters[] = "FSRP.UEW"; /* by bit */
    const struct field *field = find(l, "flags", 's');
    uint8_t bits = 0;
    for (size_t i = 0; field != NULL && i < field->len; i++) {
        const char *found = field->text[i] == '\0' ? NULL : strchr(letters, field->text[i]);
        if (found != NULL)
            bits |= (uint8_t)(1u << (found - letters));
    }
    return bits;
}

/* [[begin,end],…]: every second number ends a block. */
static void sack(struct trace_seg *seg, const struct line *l)
{
    const struct field *field = find(l, "sack", 'a');
    uint64_t number = 0, begin = 0;
    bool inside = false, second = false;
    for (size_t i = 0; field != NULL && i < field->len && seg->sacks < TRACE_SACK_MAX; i++) {
        char c = field->text[i];
        bool digit = c >= '0' && c <= '9';
        if (digit && number < UINT64_MAX / 32)
            number = number * 10 + (uint64_t)(c - '0');
        if (!digit && inside && second) {
            seg->sack[seg->sacks][0] = begin;
            seg->sack[seg->sacks++][1] = number;
        }
        if (!digit && inside) {
            begin = number;
            number = 0;
            second = !second;
        }
        inside = digit;
    }
}

static void segment(struct trace *trace, struct trace_conn *conn, const struct line *l, bool out)
{
    struct trace_seg *seg = trace_add_seg(conn);
    seg->t_us = number(l, "t", 1000000);
    seg->order = l->number;
    seg->out = out;
    seg->flags = flags(l);
    seg->seq = number(l, "seq", 1);
    seg->ack = number(l, "ack", 1);
    seg->len = number32(l, "len");
    seg->win = number32(l, "win");
    seg->seq32 = number32(l, "seq32");
    seg->rel = is_true(l, "rel");
    seg->again = is_true(l, "again");
    seg->why = text(trace, l, "why");
    seg->text = text(trace, l, "text");
    seg->held = text(trace, l, "held");
    seg->n = number32(l, "n");
    seg->us = number(l, "us", 1);
    seg->held_us = number(l, "held_us", 1);
    seg->has_ts = find(l, "tsval", 'n') != NULL;
    seg->tsval = number32(l, "tsval");
    seg->tsecr = number32(l, "tsecr");
    sack(seg, l);
}

/* What the emulator did.  On the way out it tells of a segment that has its line already; on the way in, of
 * one that will never have one. */
static void link_line(struct trace *trace, struct trace_conn *conn, const struct line *l)
{
    const char *fate = text(trace, l, "fate");
    bool out = is(l, "dir", "out");
    if (out) {
        uint32_t seq32 = number32(l, "seq32"), len = number32(l, "len");
        for (size_t i = conn->seg_count, tries = 0; i-- > 0 && tries < 256; tries++) {
            struct trace_seg *seg = &conn->segs[i];
            if (seg->out && seg->fate == NULL && seg->seq32 == seq32 && seg->len == len &&
                seg->flags == flags(l)) {
                seg->fate = fate;
                seg->lost = trace_is_lost(fate);
                return;
            }
        }
    }
    if (!trace_is_lost(fate))
        return;
    segment(trace, conn, l, out);
    struct trace_seg *seg = &conn->segs[conn->seg_count - 1];
    seg->fate = fate;
    seg->lost = true;
    seg->rel = seg->rel || seg->seq != seg->seq32;
}

static void numbers(struct trace *trace, struct trace_conn *conn, const struct line *l)
{
    const char *limit = text(trace, l, "limit");
    *trace_add_numbers(conn) = (struct trace_numbers){.t_us = number(l, "t", 1000000),
                                                      .cwnd = number(l, "cwnd", 1),
                                                      .ssthresh = number(l, "ssthresh", 1),
                                                      .flight = number(l, "flight", 1),
                                                      .pipe = number(l, "pipe", 1),
                                                      .snd_wnd = number(l, "snd_wnd", 1),
                                                      .rcv_wnd = number(l, "rcv_wnd", 1),
                                                      .unsent = number(l, "unsent", 1),
                                                      .unread = number(l, "unread", 1),
                                                      .srtt_us = number(l, "srtt_us", 1),
                                                      .rttvar_us = number(l, "rttvar_us", 1),
                                                      .rto_us = number(l, "rto_us", 1),
                                                      .sacked = number(l, "sacked", 1),
                                                      .lost = number(l, "lost", 1),
                                                      .recovery = is_true(l, "recovery"),
                                                      .limit = limit};
}

static void note(struct trace_conn *conn, const struct line *l, enum trace_note_kind kind, const char *a,
                 const char *b)
{
    *trace_add_note(conn) = (struct trace_note){number(l, "t", 1000000), l->number, kind, a, b};
}

/* Ids count from 1 and 0 may be among them: the place is nearly always known. */
static struct trace_conn *connection(struct trace *trace, uint64_t id)
{
    for (uint64_t i = id; i + 1 >= id && i != UINT64_MAX; i--)
        if (i < trace->conn_count && trace->conns[i].id == id)
            return &trace->conns[i];
    for (size_t i = trace->conn_count; i-- > 0;)
        if (trace->conns[i].id == id)
            return &trace->conns[i];
    return trace_add_conn(trace, id, "", "");
}

/* One line's effect.  0, or -1 with an error. */
static int act(struct trace *trace, const struct line *l)
{
    if (is(l, "ev", "start")) {
        if (number(l, "version", 1) != 1)
            return trace_fail(trace, "version %llu of the trace is not known",
                              (unsigned long long)number(l, "version", 1));
        return 0;
    }
    if (find(l, "ev", 's') == NULL || find(l, "t", 'n') == NULL)
        return trace_fail(trace, "no event: \"t\" or \"ev\" is missing");
    struct trace_conn *conn = connection(trace, number(l, "conn", 1));
    if (is(l, "ev", "conn")) {
        conn->local = text(trace, l, "local");
        conn->peer = text(trace, l, "peer");
    } else if (is(l, "ev", "in") || is(l, "ev", "out")) {
        segment(trace, conn, l, is(l, "ev", "out"));
    } else if (is(l, "ev", "state")) {
        note(conn, l, NOTE_STATE, text(trace, l, "from"), text(trace, l, "to"));
    } else if (is(l, "ev", "numbers")) {
        numbers(trace, conn, l);
    } else if (is(l, "ev", "timer") && is_true(l, "fired")) {
        note(conn, l, NOTE_TIMER, text(trace, l, "timer"), "");
    } else if (is(l, "ev", "event")) {
        note(conn, l, NOTE_EVENT, text(trace, l, "name"), text(trace, l, "text"));
    } else if (is(l, "ev", "link")) {
        link_line(trace, conn, l);
    }
    return 0;
}

int trace_parse_json(struct trace *trace, const uint8_t *data, size_t len)
{
    static char room[TRACE_LINE_MAX];
    char what[sizeof trace->error];
    size_t lines = 0;
    for (size_t pos = 0; pos < len;) {
        const uint8_t *newline = memchr(data + pos, '\n', len - pos);
        size_t end = newline != NULL ? (size_t)(newline - data) : len;
        struct line line = {.at = (const char *)data + pos, .end = (const char *)data + end, .room = room};
        line.number = (uint32_t)++lines;
        if (end - pos >= TRACE_LINE_MAX)
            return trace_fail(trace, "line %zu is longer than %zu bytes", lines, TRACE_LINE_MAX);
        blanks(&line);
        bool read = line.at == line.end || object(&line);
        if (!read && newline == NULL && lines > 1) {
            (void)snprintf(trace->note, sizeof trace->note, "line %zu is cut off: the trace ends before it",
                           lines);
            break;
        }
        if (!read)
            return trace_fail(trace, "line %zu, column %zu: not a JSON object", lines,
                              (size_t)(line.at - (const char *)data) - pos + 1);
        if (line.count > 0 && act(trace, &line) != 0) {
            (void)snprintf(what, sizeof what, "%s", trace->error);
            return trace_fail(trace, "line %zu: %.150s", lines, what);
        }
        pos = end + 1;
    }
    for (size_t i = 0; i < trace->conn_count; i++)
        trace_mark_again(&trace->conns[i], false);
    return 0;
}
