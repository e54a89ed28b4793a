/* web.h - a client of HTTP/1.1 over a plain socket, which sends what it is told to the byte. */
#ifndef WEB_H
#define WEB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WEB_HEAD_BYTES = 4096, WEB_BODY_BYTES = 65536 };

struct reply {
    int status;
    char head[WEB_HEAD_BYTES]; /* with the empty line */
    char body[WEB_BODY_BYTES]; /* a string */
    size_t len;
};

/* A socket connected to the stack's port, whose reads fail after ten seconds. */
int web_open(uint16_t port);
void web_send(int fd, const char *request);
/* Reads the head of one answer, and no byte more; then its body, of which `Content-Length` says the length.
 */
void web_read_head(int fd, struct reply *reply);
void web_read(int fd, struct reply *reply);
/* The field, without blanks around it; "" if it is not there, and its name must not come twice. */
const char *web_field(const struct reply *reply, const char *name);
/* Whether the other end has closed, after nothing more. */
bool web_is_closed(int fd);

/* A GET, on a connection of its own; and a POST as the page of this origin would send it. */
void web_get(uint16_t port, const char *path, struct reply *reply);
int web_post(uint16_t port, const char *path, const char *json, struct reply *reply);
/* Asks for /api/state again and again until this is in it, for at most ten seconds. */
bool web_await(const char *text, struct reply *reply);

#endif
