/* http_request.c - requests of HTTP/1.1 (RFC 9112) and the JSON in them.
 *
 * Strict where a lenient reading could be taken for another request: no folded fields, no blanks before a
 * colon, one Host, one Content-Length, no transfer coding.  A lone LF ends a line (RFC 9112 2.2). */
#include "http_request.h"

#include "http.h"

#include <string.h>
#include <strings.h>

static bool is_token(char c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool span_is(struct span span, const char *text)
{
    return span.at != NULL && span.len == strlen(text) && memcmp(span.at, text, span.len) == 0;
}

bool span_is_word(struct span span, const char *word)
{
    return span.at != NULL && span.len == strlen(word) && strncasecmp(span.at, word, span.len) == 0;
}

/* Cuts off what stands before the first `end`, which goes too.  False: there is none. */
static bool cut(struct span *rest, char end, struct span *part)
{
    const char *found = memchr(rest->at, end, rest->len);
    if (found == NULL)
        return false;
    *part = (struct span){rest->at, (size_t)(found - rest->at)};
    rest->len -= part->len + 1;
    rest->at = found + 1;
    return true;
}

static bool cut_line(struct span *rest, struct span *line)
{
    if (!cut(rest, '\n', line))
        return false;
    if (line->len > 0 && line->at[line->len - 1] == '\r')
        line->len--;
    return true;
}

/* ---- The request line -------------------------------------------------------------------------- */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static int decode_path(struct span raw, char *path, size_t cap)
{
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        int c = (unsigned char)raw.at[i];
        if (c <= ' ' || c == 0x7f || c == '#')
            return 400;
        if (c == '%') {
            if (raw.len - i < 3 || hex(raw.at[i + 1]) < 0 || hex(raw.at[i + 2]) < 0)
                return 400;
            c = hex(raw.at[i + 1]) * 16 + hex(raw.at[i + 2]);
            i += 2;
        }
        if (c == 0)
            return 400;
        if (len + 1 < cap)
            path[len++] = (char)c;
    }
    path[len] = '\0';
    return 0;
}

static int parse_target(struct span target, struct http_request *r)
{
    struct span path = target;
    if (target.len > 7 && strncasecmp(target.at, "http://", 7) == 0) { /* RFC 9112 3.2.2 */
        struct span rest = {target.at + 7, target.len - 7};
        const char *slash = memchr(rest.at, '/', rest.len);
        size_t len = slash != NULL ? (size_t)(slash - rest.at) : rest.len;
        r->authority = (struct span){rest.at, len};
        path = slash != NULL ? (struct span){slash, rest.len - len} : (struct span){"/", 1};
    }
    if (path.len == 0 || path.at[0] != '/')
        return 400;
    const char *query = memchr(path.at, '?', path.len);
    if (query != NULL)
        path.len = (size_t)(query - path.at);
    return decode_path(path, r->path, sizeof r->path);
}

static int parse_method(struct span method, struct http_request *r)
{
    static const char *const others[] = {"PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"};
    if (method.len == 0)
        return 400;
    for (size_t i = 0; i < method.len; i++)
        if (!is_token(method.at[i]))
            return 400;
    r->method = span_is(method, "GET")    ? METHOD_GET
                : span_is(method, "HEAD") ? METHOD_HEAD
                : span_is(method, "POST") ? METHOD_POST
                                          : METHOD_OTHER;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (span_is(method, others[i]))
            return 0;
    return r->method == METHOD_OTHER ? 501 : 0;
}

static int parse_request_line(struct span line, struct http_request *r, bool *old)
{
    struct span method, target;
    if (!cut(&line, ' ', &method) || !cut(&line, ' ', &target) || line.len != 8 ||
        memcmp(line.at, "HTTP/", 5) != 0 || line.at[5] < '0' || line.at[5] > '9' || line.at[6] != '.' ||
        line.at[7] < '0' || line.at[7] > '9')
        return 400;
    if (line.at[5] != '1')
        return 505;
    *old = r->close = line.at[7] == '0';
    int status = parse_method(method, r);
    return status != 0 ? status : parse_target(target, r);
}

/* ---- Fields ------------------------------------------------------------------------------------ */

struct fields {
    struct span host, length, coding, connection, expect;
};

static int parse_field(struct span line, struct fields *fields, struct http_request *r)
{
    struct span name;
    if (!cut(&line, ':', &name) || name.len == 0)
        return 400;
    for (size_t i = 0; i < name.len; i++)
        if (!is_token(name.at[i]))
            return 400;
    while (line.len > 0 && (*line.at == ' ' || *line.at == '\t')) {
        line.at++;
        line.len--;
    }
    while (line.len > 0 && (line.at[line.len - 1] == ' ' || line.at[line.len - 1] == '\t'))
        line.len--;
    for (size_t i = 0; i < line.len; i++)
        if (((unsigned char)line.at[i] < ' ' && line.at[i] != '\t') || line.at[i] == 0x7f)
            return 400;
    const struct {
        const char *name;
        struct span *span;
        bool once;
    } known[] = {{"host", &fields->host, true},
                 {"content-length", &fields->length, true},
                 {"transfer-encoding", &fields->coding, false},
                 {"connection", &fields->connection, false},
                 {"expect", &fields->expect, false},
                 {"origin", &r->origin, true},
                 {"content-type", &r->content_type, true}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (!span_is_word(name, known[i].name))
            continue;
        if (known[i].span->at != NULL && known[i].once)
            return 400;
        *known[i].span = line;
        /* A connection option counts wherever it stands in the list. */
        for (size_t at = 0; known[i].span == &fields->connection && at + 5 <= line.len; at++)
            r->close = r->close || strncasecmp(line.at + at, "close", 5) == 0;
    }
    return 0;
}

static int parse_length(struct span length, size_t *bytes)
{
    *bytes = 0;
    if (length.at == NULL)
        return 0;
    if (length.len == 0)
        return 400;
    for (size_t i = 0; i < length.len; i++) {
        if (length.at[i] < '0' || length.at[i] > '9')
            return 400;
        if (*bytes <= HTTP_BODY_MAX)
            *bytes = *bytes * 10 + (size_t)(length.at[i] - '0');
    }
    return *bytes > HTTP_BODY_MAX ? 413 : 0;
}

static int check_fields(const struct fields *fields, bool old, struct http_request *r)
{
    size_t body;
    if (fields->host.at == NULL && !old)
        return 400; /* RFC 9112 3.2 */
    if (r->authority.at == NULL)
        r->authority = fields->host;
    if (fields->coding.at != NULL)
        return fields->length.at != NULL ? 400 : 501;
    if (fields->expect.at != NULL && !span_is_word(fields->expect, "100-continue"))
        return 417;
    int status = parse_length(fields->length, &body);
    r->body.len = body;
    r->expects_continue = fields->expect.at != NULL && !old;
    return status;
}

int http_request_parse(const char *data, size_t len, struct http_request *r)
{
    struct span rest = {data, len}, line;
    struct fields fields = {0};
    bool old = false;
    memset(r, 0, sizeof *r);
    do { /* RFC 9112 2.2: empty lines before the request are no mistake */
        if (!cut_line(&rest, &line))
            return len >= HTTP_HEAD_MAX ? 414 : -1;
    } while (line.len == 0);
    int status = parse_request_line(line, r, &old);
    /* A request whose end is not there yet may be wrong already, but is answered when all of it is there. */
    for (;;) {
        if (!cut_line(&rest, &line))
            return len >= HTTP_HEAD_MAX ? 431 : -1;
        if (line.len == 0)
            break;
        if (status == 0)
            status = parse_field(line, &fields, r);
    }
    if ((size_t)(rest.at - data) > HTTP_HEAD_MAX)
        return 431;
    if (status == 0)
        status = check_fields(&fields, old, r);
    if (status != 0)
        return status;
    if (rest.len < r->body.len)
        return -1;
    r->expects_continue = false;
    r->body.at = rest.at;
    r->bytes = (size_t)(rest.at - data) + r->body.len;
    return 0;
}

/* ---- Arguments --------------------------------------------------------------------------------- */

static void skip_blanks(struct span *s)
{
    while (s->len > 0 && strchr(" \t\r\n", *s->at) != NULL && *s->at != '\0') {
        s->at++;
        s->len--;
    }
}

static bool take(struct span *s, const char *text)
{
    size_t len = strlen(text);
    skip_blanks(s);
    if (s->len < len || memcmp(s->at, text, len) != 0)
        return false;
    s->at += len;
    s->len -= len;
    return true;
}

/* A string; escapes other than of characters that an argument may hold are not taken. */
static bool take_string(struct span *s, char *out, size_t cap)
{
    size_t len = 0;
    if (!take(s, "\""))
        return false;
    while (s->len > 0 && *s->at != '"') {
        char c = *s->at;
        size_t used = 1;
        if (c == '\\' && s->len >= 2) {
            const char *from = "\"\\/nrt", *escape = s->at[1] != '\0' ? strchr(from, s->at[1]) : NULL;
            if (escape == NULL)
                return false;
            c = "\"\\/\n\r\t"[escape - from];
            used = 2;
        } else if ((unsigned char)c < ' ')
            return false;
        if (len + 1 >= cap)
            return false;
        out[len++] = c;
        s->at += used;
        s->len -= used;
    }
    out[len] = '\0';
    return take(s, "\"");
}

static bool take_number(struct span *s, uint64_t *value)
{
    bool any = false;
    skip_blanks(s);
    for (*value = 0; s->len > 0 && *s->at >= '0' && *s->at <= '9'; s->at++, s->len--) {
        if (*value > UINT64_MAX / 10 - 1)
            return false;
        *value = *value * 10 + (uint64_t)(*s->at - '0');
        any = true;
    }
    return any;
}

static bool take_argument(struct span *s, struct http_arguments *a)
{
    char name[16];
    if (!take_string(s, name, sizeof name) || !take(s, ":"))
        return false;
    if (strcmp(name, "dir") == 0)
        return a->has_dir = take_string(s, a->dir, sizeof a->dir);
    if (strcmp(name, "spec") == 0)
        return a->has_spec = take_string(s, a->spec, sizeof a->spec);
    if (strcmp(name, "bytes") == 0)
        return a->has_bytes = take_number(s, &a->bytes);
    if (strcmp(name, "on") == 0) {
        a->on = take(s, "true");
        return a->has_on = a->on || take(s, "false");
    }
    return false;
}

bool http_arguments_parse(struct span body, struct http_arguments *a)
{
    memset(a, 0, sizeof *a);
    if (!take(&body, "{"))
        return false;
    if (!take(&body, "}")) {
        do {
            if (!take_argument(&body, a))
                return false;
        } while (take(&body, ","));
        if (!take(&body, "}"))
            return false;
    }
    skip_blanks(&body);
    return body.len == 0;
}
