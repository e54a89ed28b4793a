/* control.h - the control socket of a running stack, and its two ends.
 *
 * A socket of the file system, mode 0600, in a directory of the user's own, mode 0700:
 *     $XDG_RUNTIME_DIR/rill/NAME.sock, else /run/user/UID/rill/NAME.sock,
 *     else $TMPDIR/rill-UID/NAME.sock, else /tmp/rill-UID/NAME.sock
 * NAME is that of the TUN device, or, if a stack in another namespace has that already, DEVICE-PID; in a lab
 * it is lab-PID, and RILL_CONTROL holds the path.  Both ends look at the other's user id as well.
 *
 * Protocol: the client sends one line; the answer is one JSON object and the end of the stream.
 *     ss [conn|listen|all]     {"total":N,"connections":[{...},...]}
 *     stat                     {"counters":{"IP_IN":N,...},"memory_bytes":N}
 *     link                     {"in":"SPEC","out":"SPEC"}, as set
 *     link in|out SPEC         the same, after setting it
 * or {"error":"TEXT","status":N}, where N is the exit status that fits. */
#ifndef RILL_CONTROL_H
#define RILL_CONTROL_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "rill.h"

#define CONTROL_ENV "RILL_CONTROL"
#define CONTROL_TUN "rill0" /* whom the commands ask unless told otherwise */

enum {
    CONTROL_PATH_BYTES = 512,
    CONTROL_REQUEST_MAX = 4096,
    CONTROL_CLIENTS = 8,
    CONTROL_TIMEOUT_MS = 1000, /* for the request, and for each progress of the answer */
    CONTROL_CONNECTIONS_MAX = 4096,
    CONTROL_POLLS = 1 + CONTROL_CLIENTS
};

/* ---- Where it is (control_place.c) --------------------------------------------------------------------- */

/* DIR/NAME.sock for this user; false: no directory to have it in. */
bool control_path(const char *name, char path[CONTROL_PATH_BYTES]);

/* A socket that listens there.  What a stack that is gone has left is replaced.  The descriptor, and that of
 * the directory in *dir_fd; -1 and errno, EADDRINUSE if somebody answers there. */
int control_listen(const char *path, int *dir_fd);
/* Its name in the directory. */
const char *control_file(const char *path);

/* Connected to the stack there, or -1 and errno; EPERM: it is somebody else's. */
int control_connect(const char *path);
/* Whether the other end is this user, or root. */
bool control_peer_is_ours(int fd);
/* Names of the sockets that answer in this user's directory, separated by blanks. */
void control_list(char *names, size_t cap);

/* ---- The stack's end (control.c): driven by poll, never waits ------------------------------------------ */

struct control_client;
struct control {
    int listener, dir_fd; /* -1: there is none */
    int error;            /* then why: errno */
    char path[CONTROL_PATH_BYTES];
    uint64_t inode; /* of the socket's file */
    char name[64];  /* see control_name */
    struct control_client *client[CONTROL_CLIENTS];
};

/* Without a socket everything below does nothing. */
void control_open(struct control *control, const char *tun);
void control_close(struct control *control);
/* What has to follow --tun to find it; "" if nothing has to. */
const char *control_name(const struct control *control);
/* Fills in CONTROL_POLLS descriptors, and lowers *wake_ms to when something is due. */
void control_prepare(const struct control *control, struct pollfd *poll, int64_t *wake_ms);
void control_step(struct control *control, const struct pollfd *poll, int64_t now_ms);

/* The answer to one request. */
void control_answer(const char *request, FILE *out);

/* ---- JSON for both (control_json.c) -------------------------------------------------------------------- */

void json_put_string(FILE *out, const char *text);
void json_put_connection(FILE *out, const struct rill_connection *connection);

/* Reads forward through a text; once something is wrong, `bad` stays set and nothing more is found. */
struct json {
    const char *at;
    bool bad;
};
bool json_enter(struct json *json, char bracket);
/* The next member's key, or false at the end of the object; keys are cut to the room. */
bool json_key(struct json *json, char *key, size_t cap);
/* Whether the array has one more element. */
bool json_element(struct json *json);
/* A value: strings without control characters, cut to the room; numbers below 2^64; the wrong kind is bad. */
void json_string(struct json *json, char *text, size_t cap);
uint64_t json_number(struct json *json);
/* Passes over a string, number or word. */
void json_skip(struct json *json);
void json_connection(struct json *json, struct rill_connection *connection);

/* The name of a limit and a timer as in RILL_LIMITS and RILL_TIMERS. */
const char *control_limit_name(enum rill_limit limit);
const char *control_timer_name(enum rill_timer timer);

#endif
