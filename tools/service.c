/* service.c - echo (RFC 862), discard (RFC 863), daytime (RFC 867), chargen (RFC 864), and `slow`.
 *
 * A step reads and writes without waiting until the stack says EAGAIN or it has had its share, and then says
 * what it waits for.  A client costs one bounded buffer: what it does not take is not read from it either. */
#include "service.h"

#include "rill.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* Rounds of a step, so that one client that is always ready does not starve the others. */
enum { ROUNDS = 16 };
/* How long daytime waits for the peer's FIN after its own. */
enum { DAYTIME_LINGER_MS = 5000 };
enum { SLOW_INTERVAL_MS = 1000 };

static bool would_wait(ssize_t n) { return n < 0 && (errno == EAGAIN || errno == EINTR); }

/* Sends what waits.  False: the connection is lost.  Afterwards pos == len, unless the stack's buffer is
 * full. */
static bool send_buffer(struct client *client)
{
    ssize_t n = 0;
    while (client->pos < client->len && n >= 0) {
        n = rill_send(client->fd, client->buffer + client->pos, client->len - client->pos, MSG_NOSIGNAL);
        if (n > 0)
            client->pos += (size_t)n;
    }
    return n >= 0 || would_wait(n);
}

/* Reads input and forgets it.  False: the connection is lost.  Sets read_eof at the peer's FIN. */
static bool discard_input(struct client *client)
{
    uint8_t scratch[16384];
    ssize_t n = 1;
    for (int round = 0; round < ROUNDS && n > 0 && !client->read_eof; round++)
        n = rill_recv(client->fd, scratch, sizeof scratch, 0);
    if (n == 0)
        client->read_eof = true;
    return n >= 0 || would_wait(n);
}

/* Reads only when all that was read before has been sent.  Our FIN, by closing, comes after the last byte of
 * the echo. */
static enum step echo_step(struct client *client, int64_t now_ms)
{
    (void)now_ms;
    for (int round = 0; round < ROUNDS; round++) {
        if (client->pos == client->len) {
            ssize_t n = rill_recv(client->fd, client->buffer, sizeof client->buffer, 0);
            if (n == 0)
                return STEP_CLOSE;
            if (n < 0)
                return would_wait(n) ? STEP_KEEP : STEP_CLOSE;
            client->pos = 0;
            client->len = (size_t)n;
        }
        if (!send_buffer(client))
            return STEP_CLOSE;
        client->want = client->pos < client->len ? POLLOUT : POLLIN;
        if (client->want == POLLOUT)
            break;
    }
    return STEP_KEEP;
}

static enum step discard_step(struct client *client, int64_t now_ms)
{
    (void)now_ms;
    return discard_input(client) && !client->read_eof ? STEP_KEEP : STEP_CLOSE;
}

/* The time, FIN, and then the peer's input is thrown away until it closes too: closing with unread input
 * would reset the connection, and the time might be lost with it (RFC 9293 3.10.4, RFC 1122 4.2.2.13). */
static enum step daytime_step(struct client *client, int64_t now_ms)
{
    if (client->len == 0) {
        time_t now = time(NULL);
        struct tm local;
        if (localtime_r(&now, &local) != NULL)
            client->len = strftime((char *)client->buffer, sizeof client->buffer,
                                   "%A, %B %d, %Y %H:%M:%S-%Z\r\n", &local);
        client->wake_ms = now_ms + DAYTIME_LINGER_MS;
    }
    if (!send_buffer(client) || now_ms >= client->wake_ms)
        return STEP_CLOSE;
    if (client->pos < client->len) {
        client->want = POLLOUT;
        return STEP_KEEP;
    }
    if (!client->sent_all) {
        client->sent_all = true;
        if (rill_shutdown(client->fd, SHUT_WR) != 0)
            return STEP_CLOSE;
    }
    client->want = POLLIN;
    return discard_input(client) && !client->read_eof ? STEP_KEEP : STEP_CLOSE;
}

/* The pattern of RFC 864: lines of 72 of the 95 printing characters, each beginning one further. */
static void chargen_fill(struct client *client)
{
    enum { LINE = 72, PRINTING = 95 };
    client->pos = client->len = 0;
    while (client->len + LINE + 2 <= sizeof client->buffer) {
        for (unsigned i = 0; i < LINE; i++)
            client->buffer[client->len++] = (uint8_t)(' ' + (client->line + i) % PRINTING);
        client->buffer[client->len++] = '\r';
        client->buffer[client->len++] = '\n';
        client->line = (client->line + 1) % PRINTING;
    }
}

/* Goes on when the peer has sent its FIN, which only says that it has nothing to say. */
static enum step chargen_step(struct client *client, int64_t now_ms)
{
    (void)now_ms;
    if (!client->read_eof && !discard_input(client))
        return STEP_CLOSE;
    for (int round = 0; round < ROUNDS; round++) {
        if (client->pos == client->len)
            chargen_fill(client);
        if (!send_buffer(client))
            return STEP_CLOSE;
        if (client->pos < client->len)
            break;
    }
    client->want = client->read_eof ? POLLOUT : POLLOUT | POLLIN;
    return STEP_KEEP;
}

/* One byte each second: with a small receive buffer a zero window comes at once, and stays for a while. */
static enum step slow_step(struct client *client, int64_t now_ms)
{
    uint8_t byte;
    if (now_ms < client->wake_ms)
        return STEP_KEEP;
    ssize_t n = rill_recv(client->fd, &byte, 1, 0);
    if (n == 0 || (n < 0 && !would_wait(n)))
        return STEP_CLOSE;
    client->want = n > 0 ? 0 : POLLIN;
    client->wake_ms = n > 0 ? now_ms + SLOW_INTERVAL_MS : -1;
    return STEP_KEEP;
}

const struct service services[] = {
    {"echo", 7, 0, "", "sends back what it gets", echo_step, NULL},
    {"discard", 9, 0, "", "takes everything and says nothing", discard_step, NULL},
    {"daytime", 13, 0, "", "says what time it is", daytime_step, NULL},
    {"chargen", 19, 0, " | head", "never stops talking", chargen_step, NULL},
    {"slow", 9000, 4096, " </dev/zero", "reads one byte per second", slow_step, NULL},
    {"http", 80, 0, NULL, "a page that shows all this at work", http_step, http_end},
};
const int service_count = sizeof services / sizeof services[0];
