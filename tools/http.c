/* http.c - see http.h.  RFC 9110 and 9112, and the server-sent events of the HTML standard.
 *
 * A step goes from phase to phase as far as it gets without waiting:
 *
 *     READ ── a whole request ── SEND ── all sent ─┬─ READ, the next request, which may be here already
 *                                                  ├─ EVENTS, until the reader goes
 *                                                  └─ LINGER: our FIN, then the peer's input is thrown away,
 * so that no reset overtakes the answer (RFC 9112 9.6) */
#include "http.h"

#include "cli.h"
#include "http_request.h"
#include "service.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
    REQUEST_MS = 10000, /* for a request, from its first byte on */
    IDLE_MS = 30000,    /* between requests */
    STUCK_MS = 15000,   /* an answer that gets nowhere */
    READER_STUCK_MS = 5000,
    LINGER_MS = 2000,
    EVENT_MS = 100, /* between events, while there is something to tell */
    QUIET_MS = 1000,
    SETTLE_US = 20000,
    ROUNDS = 64
};

static struct cli *cli;
static int readers;

void http_open(struct cli *owner)
{
    cli = owner;
    http_state_open(owner);
}

void http_end(struct client *client)
{
    if (client->http.reader)
        readers--;
}

static bool would_wait(ssize_t n) { return n < 0 && (errno == EAGAIN || errno == EINTR); }

/* ---- Answers ----------------------------------------------------------------------------------- */

static const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {{200, "OK"},
                 {204, "No Content"},
                 {400, "Bad Request"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {408, "Request Timeout"},
                 {413, "Content Too Large"},
                 {414, "URI Too Long"},
                 {415, "Unsupported Media Type"},
                 {417, "Expectation Failed"},
                 {422, "Unprocessable Content"},
                 {431, "Request Header Fields Too Large"},
                 {501, "Not Implemented"},
                 {503, "Service Unavailable"},
                 {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "Error";
}

/* The head of an answer; `type` NULL: it has no content.  `more` are whole lines. */
static void put_head(struct http *h, int status, const char *type, const char *more)
{
    struct text head = {h->head, 0, sizeof h->head, false};
    char date[40];
    time_t now = time(NULL);
    struct tm utc;
    (void)strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &utc));
    text_put(&head, "HTTP/1.1 %d %s\r\nDate: %s\r\nServer: rill/" RILL_VERSION "\r\n", status,
             status_text(status), date);
    if (type != NULL)
        text_put(&head, "Content-Type: %s\r\nX-Content-Type-Options: nosniff\r\n", type);
    if (type != NULL && !h->stream)
        text_put(&head, "Content-Length: %zu\r\n", h->body_len);
    text_put(&head,
             "Cache-Control: no-store\r\n"
             "Content-Security-Policy: default-src 'self'; img-src data:; frame-ancestors 'none'\r\n%s%s\r\n",
             more, h->close_after || h->stream ? "Connection: close\r\n" : "");
    h->head_len = head.len;
    h->pos = 0;
    h->phase = HTTP_SEND;
}

static void answer(struct http *h, int status, const char *type, const char *body, size_t len)
{
    h->body = body;
    h->body_len = len;
    put_head(h, status, type, "");
}

/* Errors are JSON for the page and legible for people. */
static void answer_error(struct http *h, int status, const char *why, const char *more)
{
    struct text text = {h->out, 0, sizeof h->out, false};
    text_put(&text, "{\"error\":");
    text_put_string(&text, why != NULL ? why : status_text(status));
    text_put(&text, "}\n");
    h->body = h->out;
    h->body_len = text.len;
    put_head(h, status, "application/json", more);
}

/* ---- What there is ----------------------------------------------------------------------------- */

typedef void (*handler)(struct http *h, const struct http_request *request);

static void get_state(struct http *h, const struct http_request *request)
{
    struct text text = {h->out, 0, sizeof h->out, false};
    uint64_t next = 0;
    (void)request;
    text.cap--;
    http_state_write(&text, &next, 0);
    text.cap++;
    text_put(&text, "\n");
    answer(h, 200, "application/json", h->out, text.len);
}

static void get_events(struct http *h, const struct http_request *request)
{
    if (request->method == METHOD_GET && readers >= HTTP_READERS_MAX) {
        answer_error(h, 503, "too many readers", "Retry-After: 5\r\n");
        return;
    }
    if (request->method == METHOD_GET) {
        readers++;
        h->reader = true;
        h->next_id = 1;
    }
    static const char retry[] = "retry: 1000\n\n";
    h->stream = true;
    answer(h, 200, "text/event-stream", retry, sizeof retry - 1);
}

static bool get_direction(struct http *h, const struct http_arguments *a, enum rill_direction *direction)
{
    *direction = strcmp(a->dir, "in") == 0 ? RILL_IN : RILL_OUT;
    if (*direction == RILL_IN || strcmp(a->dir, "out") == 0)
        return true;
    answer_error(h, 422, "dir is neither in nor out", "");
    return false;
}

static void done(struct http *h, const char *error)
{
    if (error != NULL)
        answer_error(h, 422, error, "");
    else
        answer(h, 204, NULL, NULL, 0);
}

static void post(struct http *h, const struct http_request *request)
{
    struct http_arguments a;
    enum rill_direction direction;
    if (!http_arguments_parse(request->body, &a)) {
        answer_error(h, 400, "the body is not an object of known arguments", "");
        return;
    }
    if (strcmp(request->path, "/stop") == 0) {
        http_transfer_stop_all();
        done(h, NULL);
    } else if (strcmp(request->path, "/pause") == 0) {
        if (a.has_on)
            http_transfer_pause(a.on);
        done(h, a.has_on ? NULL : "on is missing");
    } else if (!get_direction(h, &a, &direction))
        return;
    else if (strcmp(request->path, "/link") == 0)
        done(h, !a.has_spec ? "spec is missing" : rill_link(direction, a.spec) != 0 ? rill_error() : NULL);
    else if (strcmp(request->path, "/drop-next-data") == 0)
        done(h, rill_link_drop_next(direction) != 0 ? strerror(errno) : NULL);
    else if (!a.has_bytes || a.bytes == 0)
        done(h, "bytes is missing, or 0");
    else
        done(h, http_transfer_start(cli, direction == RILL_OUT, a.bytes));
}

static const struct {
    const char *path;
    unsigned methods;
    handler handle; /* NULL: a file of the page */
} routes[] = {{"/", METHOD_GET | METHOD_HEAD, NULL},
              {"/page.css", METHOD_GET | METHOD_HEAD, NULL},
              {"/page.js", METHOD_GET | METHOD_HEAD, NULL},
              {"/api/state", METHOD_GET | METHOD_HEAD, get_state},
              {"/events", METHOD_GET | METHOD_HEAD, get_events},
              {"/link", METHOD_POST, post},
              {"/drop-next-data", METHOD_POST, post},
              {"/transfer", METHOD_POST, post},
              {"/pause", METHOD_POST, post},
              {"/stop", METHOD_POST, post}};

/* ---- Who may ask ------------------------------------------------------------------------------- */

/* `authority` is HOST[:PORT]; the port may be left out where it is 80. */
static bool names(struct span authority, const char *host, uint16_t port)
{
    char text[80];
    (void)snprintf(text, sizeof text, "%s:%u", host, port);
    return span_is_word(authority, text) || (port == 80 && span_is_word(authority, host));
}

static bool may_ask(const struct http *h, struct span authority)
{
    uint16_t web = cli->web_port;
    return names(authority, cli->options.addr, h->lport) ||
           (web != 0 && (names(authority, "127.0.0.1", web) || names(authority, "localhost", web)));
}

static bool is_same_origin(const struct http_request *r)
{
    const struct span *o = &r->origin;
    return o->at != NULL && o->len == r->authority.len + 7 && memcmp(o->at, "http://", 7) == 0 &&
           strncasecmp(o->at + 7, r->authority.at, r->authority.len) == 0;
}

static bool is_json(struct span type)
{
    const char *end = type.at != NULL ? memchr(type.at, ';', type.len) : NULL;
    if (end != NULL)
        type.len = (size_t)(end - type.at);
    return span_is_word(type, "application/json");
}

static void dispatch(struct http *h, const struct http_request *r)
{
    size_t i = 0;
    h->close_after = r->close;
    if (!may_ask(h, r->authority)) {
        answer_error(h, 403, "this host is not served here", "");
        return;
    }
    while (i < sizeof routes / sizeof routes[0] && strcmp(routes[i].path, r->path) != 0)
        i++;
    if (i == sizeof routes / sizeof routes[0])
        answer_error(h, 404, NULL, "");
    else if ((routes[i].methods & r->method) == 0)
        answer_error(h, 405, NULL,
                     routes[i].methods == METHOD_POST ? "Allow: POST\r\n" : "Allow: GET, HEAD\r\n");
    else if (r->method == METHOD_POST && !is_same_origin(r))
        answer_error(h, 403, "only the page itself may do this", "");
    else if (r->method == METHOD_POST && !is_json(r->content_type))
        answer_error(h, 415, "the content type has to be application/json", "");
    else if (routes[i].handle != NULL)
        routes[i].handle(h, r);
    else {
        const struct page *page = page_find(r->path);
        answer(h, 200, page->type, page->begin, (size_t)(page->end - page->begin));
    }
    if (r->method == METHOD_HEAD)
        h->body_len = 0;
}

/* ---- Phases ------------------------------------------------------------------------------------ */

enum verdict { GO_ON, WAIT, CLOSE };

static enum verdict read_request(struct client *client, int64_t now)
{
    struct http *h = &client->http;
    struct http_request r;
    int status = http_request_parse(h->in, h->in_len, &r);
    int64_t limit_ms = h->in_len > 0 ? REQUEST_MS : IDLE_MS;
    if (status == -1 && h->in_len > 0 && now - h->since_ms >= REQUEST_MS)
        status = 408;
    if (status > 0) { /* Where the next request begins is not known any more. */
        h->close_after = true;
        answer_error(h, status, NULL, "");
    } else if (status == 0) {
        dispatch(h, &r);
        memmove(h->in, h->in + r.bytes, h->in_len - r.bytes);
        h->in_len -= r.bytes;
    }
    if (status >= 0) {
        h->continued = false;
        h->since_ms = now;
        return GO_ON;
    }
    if (r.expects_continue && !h->continued) {
        static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
        h->continued = true;
        if (rill_send(client->fd, text, sizeof text - 1, 0) != (ssize_t)sizeof text - 1)
            return CLOSE;
    }
    ssize_t n = rill_recv(client->fd, h->in + h->in_len, sizeof h->in - h->in_len, 0);
    client->want = POLLIN;
    client->wake_ms = h->since_ms + limit_ms;
    if (n == 0 || (n < 0 && !would_wait(n)))
        return CLOSE;
    if (n < 0)
        return now - h->since_ms >= limit_ms ? CLOSE : WAIT;
    if (h->in_len == 0)
        h->since_ms = now;
    h->in_len += (size_t)n;
    return GO_ON;
}

/* The rest of the head and then of the body.  WAIT: the stack has no room. */
static enum verdict send_rest(struct client *client, int64_t now)
{
    struct http *h = &client->http;
    while (h->pos < h->head_len + h->body_len) {
        bool in_head = h->pos < h->head_len;
        const char *from = in_head ? h->head + h->pos : h->body + (h->pos - h->head_len);
        size_t left = (in_head ? h->head_len : h->head_len + h->body_len) - h->pos;
        ssize_t n = rill_send(client->fd, from, left, in_head && h->body_len > 0 ? MSG_MORE : 0);
        if (would_wait(n))
            return WAIT;
        if (n < 0)
            return CLOSE;
        h->pos += (size_t)n;
        h->since_ms = now;
    }
    return GO_ON;
}

static enum verdict send_answer(struct client *client, int64_t now)
{
    struct http *h = &client->http;
    enum verdict verdict = send_rest(client, now);
    client->want = POLLOUT;
    client->wake_ms = h->since_ms + STUCK_MS;
    if (verdict == WAIT && now >= client->wake_ms)
        return CLOSE;
    if (verdict != GO_ON)
        return verdict;
    h->since_ms = now;
    h->phase = HTTP_READ;
    if (h->reader)
        h->phase = HTTP_EVENTS;
    else if (h->close_after || h->stream) {
        h->phase = HTTP_LINGER;
        if (rill_shutdown(client->fd, SHUT_WR) != 0)
            return CLOSE;
    }
    return GO_ON;
}

/* WAIT: all has been read that is here.  CLOSE: the peer's end, or a reset. */
static enum verdict discard_input(const struct client *client)
{
    static char scratch[4096];
    ssize_t n = 1;
    for (int round = 0; round < ROUNDS && n > 0; round++)
        n = rill_recv(client->fd, scratch, sizeof scratch, 0);
    return n > 0 || would_wait(n) ? WAIT : CLOSE;
}

static void make_event(struct http *h)
{
    struct text text = {h->out, 0, sizeof h->out - 2, false};
    text_put(&text, "data: ");
    http_state_write(&text, &h->next_id, SETTLE_US);
    text.cap += 2;
    text_put(&text, "\n\n");
    h->head_len = h->pos = 0;
    h->body = h->out;
    h->body_len = text.len;
}

/* While one event waits for room no other is made: a slow reader misses some, and one that stands still is
 * dropped. */
static enum verdict tell(struct client *client, int64_t now)
{
    struct http *h = &client->http;
    if (discard_input(client) == CLOSE)
        return CLOSE;
    enum verdict verdict = send_rest(client, now);
    if (verdict == CLOSE)
        return CLOSE;
    if (verdict == WAIT) {
        client->want = POLLIN | POLLOUT;
        client->wake_ms = h->since_ms + READER_STUCK_MS;
        return now >= client->wake_ms ? CLOSE : WAIT;
    }
    if (now - h->told_ms >= (http_state_is_busy(h->next_id) ? EVENT_MS : QUIET_MS)) {
        h->told_ms = now;
        make_event(h);
        return GO_ON;
    }
    client->want = POLLIN;
    client->wake_ms = now + EVENT_MS;
    return WAIT;
}

static enum verdict linger(struct client *client, int64_t now)
{
    client->want = POLLIN;
    client->wake_ms = client->http.since_ms + LINGER_MS;
    return now >= client->wake_ms ? CLOSE : discard_input(client);
}

static enum verdict step_phase(struct client *client, int64_t now)
{
    switch (client->http.phase) {
    case HTTP_READ:
        return read_request(client, now);
    case HTTP_SEND:
        return send_answer(client, now);
    case HTTP_EVENTS:
        return tell(client, now);
    case HTTP_LINGER:
        return linger(client, now);
    }
    return CLOSE;
}

enum step http_step(struct client *client, int64_t now)
{
    struct http *h = &client->http;
    if (h->lport == 0) {
        struct sockaddr_in own = {0};
        socklen_t len = sizeof own;
        int on = 1;
        if (rill_getsockname(client->fd, (struct sockaddr *)&own, &len) != 0)
            return STEP_CLOSE;
        (void)rill_setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        h->lport = ntohs(own.sin_port);
        h->since_ms = now;
    }
    enum verdict verdict = GO_ON;
    for (int round = 0; round < ROUNDS && verdict == GO_ON; round++)
        verdict = step_phase(client, now);
    if (verdict == GO_ON)
        client->wake_ms = now; /* it has had its share for now */
    return verdict == CLOSE ? STEP_CLOSE : STEP_KEEP;
}
