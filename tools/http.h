/* http.h - the service `http`: a page that shows the stack at work, served by the stack itself.
 *
 *     http.c           HTTP/1.1: requests, routes, answers, server-sent events
 *     http_state.c     what is told: the stack's state as JSON, and the latest segments
 *     http_transfer.c  connections between the stack and the kernel, to have something to look at
 *     page.c           the page, which is page.html, page.css and page.js, as bytes
 *
 *     GET  /  /page.css  /page.js     the page
 *     GET  /api/state                 the state, one JSON object
 *     GET  /events                    the same as server-sent events, ten times a second at most
 *     POST /link            {"dir":"in"|"out","spec":"loss 5%"}    rill_link()
 *     POST /drop-next-data  {"dir":"in"|"out"}                     rill_link_drop_next()
 *     POST /transfer        {"dir":"in"|"out","bytes":N}           a connection that carries N bytes
 *     POST /pause           {"on":true|false}                      the transfers' readers stop reading
 *     POST /stop            {}                                     ends all transfers with a reset
 *
 * A POST answers 204, or {"error":"TEXT"}.  It needs an Origin that is the page's own and the content type
 * application/json; every request needs a Host that is the stack's address or the lab's relay, so that a name
 * which somebody points at this machine (DNS rebinding) gets nowhere. */
#ifndef RILL_HTTP_H
#define RILL_HTTP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cli;
struct client;

enum step { STEP_KEEP, STEP_CLOSE };

enum {
    HTTP_HEAD_MAX = 8192, /* request line and fields */
    HTTP_BODY_MAX = 4096,
    HTTP_OUT_BYTES = 19456, /* the largest answer that is made up, and so of one event */
    HTTP_READERS_MAX = 8,   /* of /events */
    HTTP_TRANSFERS_MAX = 8
};

enum http_phase { HTTP_READ, HTTP_SEND, HTTP_EVENTS, HTTP_LINGER };

/* A client of the service: what it sent, and what it gets.  No more is held for it. */
struct http {
    enum http_phase phase;
    uint16_t lport;
    bool close_after; /* the answer under way is the last */
    bool stream;      /* after it come events */
    bool reader;      /* counted as one */
    bool continued;   /* 100 (Continue) was sent for the request that is being read */
    int64_t since_ms; /* when it last got on: the timeouts count from here */
    int64_t told_ms;  /* the last event */
    uint64_t next_id; /* of the log: what it has not been told yet */
    size_t in_len;
    size_t head_len, body_len, pos; /* the answer: head, then body, of which pos bytes are sent */
    const char *body;
    char head[640];
    char in[HTTP_HEAD_MAX + HTTP_BODY_MAX];
    char out[HTTP_OUT_BYTES];
};

/* One end of a transfer, as the client that it is. */
struct transfer_end {
    int slot;
    uint64_t left;      /* to send */
    uint16_t peer_port; /* network order: of the stack's end */
    bool sends, listening;
};

/* ---- Text in a bounded buffer (http_state.c) --------------------------------------------------- */

struct text {
    char *at;
    size_t len, cap;
    bool full; /* something did not fit */
};
void text_put(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* In quotes, escaped. */
void text_put_string(struct text *text, const char *string);

/* ---- What is told (http_state.c) --------------------------------------------------------------- */

/* Before the stack starts: asks for its trace.  The page's own segments, on the ports of the plan's http
 * services, are not logged: each event would be the cause of the next. */
void http_state_open(struct cli *cli);
void http_state_add_port(uint16_t port);

/* Writes the state with what was logged from *next on (0: the latest), as far as it fits, and sets *next
 * behind that.  What is younger than settle_us stays for later: an emulated link may not have said yet that
 * it has dropped it.
 */
void http_state_write(struct text *text, uint64_t *next, uint64_t settle_us);
/* Something is going on: connections other than the page's, or entries from `next` on. */
bool http_state_is_busy(uint64_t next);

/* ---- Transfers (http_transfer.c) --------------------------------------------------------------- */

/* Starts one of `bytes` bytes, out of the stack or into it.  NULL, or why not. */
const char *http_transfer_start(const struct cli *cli, bool out, uint64_t bytes);
void http_transfer_pause(bool on);
bool http_transfer_is_paused(void);
void http_transfer_stop_all(void);
int http_transfer_count(void);

/* ---- The service (http.c), and the page -------------------------------------------------------- */

/* Before the stack starts. */
void http_open(struct cli *owner);
/* What step and end of struct service are. */
enum step http_step(struct client *client, int64_t now_ms);
void http_end(struct client *client);

struct page {
    const char *path, *type;
    const char *begin, *end;
};
const struct page *page_find(const char *path);

#endif
