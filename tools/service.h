/* service.h - the services, each a step on a client that never waits. */
#ifndef RILL_SERVICE_H
#define RILL_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http.h"

/* The bound on what the server holds for one client, beside the stack's own buffers. */
enum { CLIENT_BUFFER_BYTES = 32768 };

struct client {
    int fd;
    const struct service *service;
    short want;      /* what to poll for */
    int64_t wake_ms; /* step at this time even if nothing has happened, -1: never */
    bool read_eof;   /* the peer has sent its FIN */
    bool sent_all;   /* daytime: our FIN is sent */
    unsigned line;   /* chargen: lines sent so far */
    size_t pos, len; /* buffer[pos..len) waits to be sent */
    union {
        uint8_t buffer[CLIENT_BUFFER_BYTES];
        struct http http;
        struct transfer_end transfer;
    };
};
_Static_assert(sizeof(struct http) <= CLIENT_BUFFER_BYTES, "http holds no more than other services");

struct service {
    const char *name;
    uint16_t port;       /* where it lives unless told otherwise */
    int rcvbuf_bytes;    /* of its connections, 0: the stack's default */
    const char *hint;    /* what to type behind `nc ADDRESS PORT` */
    const char *summary; /* one line for the help and the lines to try */
    /* Does what can be done now, then sets want and wake_ms.  The first call comes right after accept. */
    enum step (*step)(struct client *client, int64_t now_ms);
    /* Before the client is closed and freed, or NULL. */
    void (*end)(struct client *client);
};

extern const struct service services[];
extern const int service_count;

/* One more client, of rill or of the kernel, whose first step comes with the next turn of the loop; NULL if
 * there is no room, and then fd is still the caller's.  (serve.c) */
struct client *serve_adopt(int fd, const struct service *service, int64_t now_ms);

#endif
