/* service.h - the small services, each a step on a client that never waits. */
#ifndef RILL_SERVICE_H
#define RILL_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bound on what the server holds for one client, beside the stack's own buffers. */
enum { CLIENT_BUFFER_BYTES = 32768 };

enum step { STEP_KEEP, STEP_CLOSE };

struct client {
    int fd;
    const struct service *service;
    short want;      /* what to poll for */
    int64_t wake_ms; /* step at this time even if nothing has happened, -1: never */
    bool read_eof;   /* the peer has sent its FIN */
    bool sent_all;   /* daytime: our FIN is sent */
    unsigned line;   /* chargen: lines sent so far */
    size_t pos, len; /* buffer[pos..len) waits to be sent */
    uint8_t buffer[CLIENT_BUFFER_BYTES];
};

struct service {
    const char *name;
    uint16_t port;       /* where it lives unless told otherwise */
    int rcvbuf_bytes;    /* of its connections, 0: the stack's default */
    const char *hint;    /* what to type behind `nc ADDRESS PORT` */
    const char *summary; /* one line for the help and the lines to try */
    /* Does what can be done now, then sets want and wake_ms.  The first call comes right after accept. */
    enum step (*step)(struct client *client, int64_t now_ms);
};

extern const struct service services[];
extern const int service_count;

#endif
