/* control_json.c - the JSON of the control socket: one table says what a connection's members are, for the
 * writer and for the reader. */
#include "control.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#define SSTHRESH_NONE 0x7fffffffu /* no loss so far; null in JSON */

enum kind { U8, U16, U32, U64, FLAG, ADDR, STATE, LIMIT, TIMER, CC, THRESH, TIME };

struct field {
    const char *name;
    enum kind kind;
    size_t offset;
};

#define OF(kind, member)                                                                                     \
    {                                                                                                        \
#member, kind, offsetof(struct rill_connection, member)                                              \
    }
#define OF_NUMBERS(kind, member)                                                                             \
    {                                                                                                        \
#member, kind, offsetof(struct rill_connection, numbers.member)                                      \
    }
static const struct field fields[] = {
    OF(STATE, state),
    OF(ADDR, laddr),
    OF(U16, lport),
    OF(ADDR, raddr),
    OF(U16, rport),
    OF_NUMBERS(U32, cwnd),
    OF_NUMBERS(THRESH, ssthresh),
    OF_NUMBERS(U32, flight),
    OF_NUMBERS(U32, pipe),
    OF_NUMBERS(U32, snd_wnd),
    OF_NUMBERS(U32, rcv_wnd),
    OF_NUMBERS(U32, unsent),
    OF_NUMBERS(U32, unread),
    OF_NUMBERS(U32, srtt_us),
    OF_NUMBERS(U32, rttvar_us),
    OF_NUMBERS(U32, rto_us),
    OF_NUMBERS(U32, dup_acks),
    OF_NUMBERS(FLAG, recovery),
    OF_NUMBERS(LIMIT, limit),
    OF_NUMBERS(U32, sacked),
    OF_NUMBERS(U32, lost),
    OF(U64, bytes_acked),
    OF(U64, bytes_received),
    OF(U16, snd_mss),
    OF(U16, rcv_mss),
    OF(CC, cc),
    OF(FLAG, ts),
    OF(FLAG, sack),
    OF(FLAG, ecn),
    OF(FLAG, wscale),
    OF(U8, snd_wscale),
    OF(U8, rcv_wscale),
    OF(U32, sndbuf),
    OF(U32, rcvbuf),
    OF(U32, backlog),
    OF(U32, waiting),
    OF(TIMER, timer),
    OF(TIME, timer_left_us),
    OF(U8, timeouts),
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

#define NAME(name, text) #name,
static const char *const limit_names[] = {RILL_LIMITS(NAME)};
static const char *const timer_names[] = {RILL_TIMERS(NAME)};
#undef NAME
#define WORD(name, word, text) word,
static const char *const cc_words[] = {RILL_CCS(WORD)};
#undef WORD

const char *control_limit_name(enum rill_limit limit) { return limit_names[limit]; }
const char *control_timer_name(enum rill_timer timer) { return timer_names[timer]; }

/* ---- Writing ------------------------------------------------------------------------------------------- */

void json_put_string(FILE *out, const char *text)
{
    putc('"', out);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < ' ')
            fprintf(out, "\\u%04x", c);
        else /* bytes above ASCII could be cut or no UTF-8 at all */
            putc(c < 0x7f ? c : '?', out);
    }
    putc('"', out);
}

static void put_addr(FILE *out, uint32_t host_order)
{
    struct in_addr addr = {htonl(host_order)};
    char text[INET_ADDRSTRLEN];
    json_put_string(out, inet_ntop(AF_INET, &addr, text, sizeof text) != NULL ? text : "");
}

static uint64_t get(const void *at, size_t size)
{
    uint64_t value = 0;
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    if (size == sizeof u8)
        memcpy(&u8, at, size), value = u8;
    else if (size == sizeof u16)
        memcpy(&u16, at, size), value = u16;
    else if (size == sizeof u32)
        memcpy(&u32, at, size), value = u32;
    else
        memcpy(&value, at, sizeof value);
    return value;
}

static size_t size_of(enum kind kind)
{
    switch (kind) {
    case U8:
        return 1;
    case FLAG:
        return sizeof(bool);
    case U16:
        return 2;
    case U32:
    case ADDR:
    case THRESH:
        return 4;
    case STATE:
        return sizeof(enum rill_tcp_state);
    case LIMIT:
        return sizeof(enum rill_limit);
    case TIMER:
        return sizeof(enum rill_timer);
    case CC:
        return sizeof(enum rill_cc);
    case U64:
    case TIME:
        break;
    }
    return 8;
}

static void put_value(FILE *out, enum kind kind, uint64_t value, bool timed)
{
    bool null = (kind == TIMER && !timed) || (kind == TIME && value == RILL_NEVER) ||
                (kind == THRESH && value >= SSTHRESH_NONE);
    if (null)
        fputs("null", out);
    else if (kind == FLAG)
        fputs(value != 0 ? "true" : "false", out);
    else if (kind == ADDR)
        put_addr(out, (uint32_t)value);
    else if (kind == STATE)
        json_put_string(out, rill_state_name((enum rill_tcp_state)value));
    else if (kind == LIMIT)
        json_put_string(out, control_limit_name((enum rill_limit)value));
    else if (kind == TIMER)
        json_put_string(out, control_timer_name((enum rill_timer)value));
    else if (kind == CC)
        json_put_string(out, rill_cc_word((enum rill_cc)value));
    else
        fprintf(out, "%" PRIu64, value);
}

void json_put_connection(FILE *out, const struct rill_connection *connection)
{
    bool timed = connection->timer_left_us != RILL_NEVER;
    for (int i = 0; i < FIELDS; i++) {
        const struct field *f = &fields[i];
        fprintf(out, "%c\"%s\":", i == 0 ? '{' : ',', f->name);
        put_value(out, f->kind, get((const char *)connection + f->offset, size_of(f->kind)), timed);
    }
    putc('}', out);
}

/* ---- Reading ------------------------------------------------------------------------------------------- */

static char next(struct json *json)
{
    while (*json->at == ' ' || *json->at == '\n' || *json->at == '\t' || *json->at == '\r')
        json->at++;
    return json->bad ? '\0' : *json->at;
}

static bool take(struct json *json, char c)
{
    if (next(json) != c || c == '\0')
        return false;
    json->at++;
    return true;
}

bool json_enter(struct json *json, char bracket)
{
    if (!take(json, bracket))
        json->bad = true;
    return !json->bad;
}

/* Behind a value or an opening bracket: whether there is one more. */
static bool more(struct json *json, char end)
{
    if (take(json, end))
        return false;
    (void)take(json, ',');
    if (next(json) == '\0')
        json->bad = true;
    return !json->bad;
}

bool json_element(struct json *json) { return more(json, ']'); }

bool json_key(struct json *json, char *key, size_t cap)
{
    if (!more(json, '}'))
        return false;
    json_string(json, key, cap);
    if (!take(json, ':'))
        json->bad = true;
    return !json->bad;
}

/* The character behind a backslash; only what json_put_string writes is known. */
static char escaped(struct json *json)
{
    char c = *json->at;
    if (c == 'u') { /* a control character */
        for (int i = 0; i < 4 && json->at[1] != '\0'; i++)
            json->at++;
        return '?';
    }
    return c;
}

void json_string(struct json *json, char *text, size_t cap)
{
    size_t len = 0;
    text[0] = '\0';
    if (!take(json, '"')) {
        json->bad = true;
        return;
    }
    for (; *json->at != '"' && *json->at != '\0'; json->at++) {
        char c = *json->at;
        if (c == '\\') {
            json->at++;
            c = escaped(json);
        }
        if (*json->at == '\0')
            break;
        if (len + 1 < cap)
            text[len++] = c >= ' ' && c < 0x7f ? c : '?';
    }
    text[len] = '\0';
    json->bad = json->bad || !take(json, '"');
}

uint64_t json_number(struct json *json)
{
    uint64_t value = 0;
    if (next(json) < '0' || next(json) > '9')
        json->bad = true;
    for (; !json->bad && *json->at >= '0' && *json->at <= '9'; json->at++) {
        unsigned digit = (unsigned)(*json->at - '0');
        json->bad = value > (UINT64_MAX - digit) / 10;
        value = value * 10 + digit;
    }
    return json->bad ? 0 : value;
}

/* true, false, null, or anything like them. */
static void json_word(struct json *json, char *word, size_t cap)
{
    size_t len = 0;
    (void)next(json);
    for (; *json->at >= 'a' && *json->at <= 'z'; json->at++)
        if (len + 1 < cap)
            word[len++] = *json->at;
    word[len] = '\0';
    json->bad = json->bad || len == 0;
}

void json_skip(struct json *json)
{
    char text[8], first = next(json);
    if (first == '"')
        json_string(json, text, sizeof text);
    else if (first >= '0' && first <= '9')
        (void)json_number(json);
    else
        json_word(json, text, sizeof text);
}

static uint64_t find(struct json *json, const char *name, const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return (uint64_t)i;
    json->bad = true;
    return 0;
}

static uint64_t named(struct json *json, enum kind kind)
{
    char text[64];
    struct in_addr addr;
    json_string(json, text, sizeof text);
    if (kind == LIMIT)
        return find(json, text, limit_names, RILL_LIMIT_COUNT);
    if (kind == TIMER)
        return find(json, text, timer_names, RILL_TIMER_COUNT);
    if (kind == CC)
        return find(json, text, cc_words, RILL_CC_COUNT);
    if (kind == ADDR) {
        json->bad = json->bad || inet_pton(AF_INET, text, &addr) != 1;
        return json->bad ? 0 : ntohl(addr.s_addr);
    }
    for (int state = 0; state <= (int)RILL_CLOSED; state++)
        if (strcmp(rill_state_name((enum rill_tcp_state)state), text) == 0)
            return (uint64_t)state;
    json->bad = true;
    return 0;
}

static uint64_t read_value(struct json *json, enum kind kind)
{
    char word[8];
    if (next(json) == '"')
        return named(json, kind);
    if (next(json) >= '0' && next(json) <= '9')
        return json_number(json);
    json_word(json, word, sizeof word);
    if (strcmp(word, "null") == 0)
        return kind == TIME ? RILL_NEVER : kind == THRESH ? SSTHRESH_NONE : 0;
    return strcmp(word, "true") == 0 ? 1 : 0;
}

static void set(void *at, size_t size, uint64_t value)
{
    uint8_t u8 = (uint8_t)value;
    uint16_t u16 = (uint16_t)value;
    uint32_t u32 = (uint32_t)value;
    if (size == sizeof u8)
        memcpy(at, &u8, size);
    else if (size == sizeof u16)
        memcpy(at, &u16, size);
    else if (size == sizeof u32)
        memcpy(at, &u32, size);
    else
        memcpy(at, &value, size);
}

void json_connection(struct json *json, struct rill_connection *connection)
{
    char key[32];
    memset(connection, 0, sizeof *connection);
    if (!json_enter(json, '{'))
        return;
    while (json_key(json, key, sizeof key)) {
        const struct field *f = fields;
        while (f < fields + FIELDS && strcmp(f->name, key) != 0)
            f++;
        if (f < fields + FIELDS)
            set((char *)connection + f->offset, size_of(f->kind), read_value(json, f->kind));
        else
            json_skip(json);
    }
}
