/* control.c - the stack's end of the control socket: answers questions out of the loop of rill serve.
 *
 * A client costs one bounded request and one bounded answer, and has a second for each.  Nothing here waits.
 */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STATUS_FAILURE = 1, STATUS_USAGE = 2, SPEC_BYTES = 2048 };

struct control_client {
    int fd;
    int64_t until_ms; /* 0: not yet set */
    size_t got;
    char request[CONTROL_REQUEST_MAX + 1];
    char *answer; /* NULL: the request is not complete */
    size_t len, pos;
};

/* ---- Answers ------------------------------------------------------------------------------------------- */

static void answer_error(FILE *out, const char *text, int status)
{
    fputs("{\"error\":", out);
    json_put_string(out, text);
    fprintf(out, ",\"status\":%d}\n", status);
}

enum choice { CONNECTED, LISTENING, ALL };

/* As ss(8) has it: without -a and -l neither listeners nor what is half open or over. */
static bool chosen(const struct rill_connection *c, enum choice choice)
{
    if (choice == ALL)
        return true;
    if (choice == LISTENING)
        return c->state == RILL_LISTEN;
    return c->state != RILL_LISTEN && c->state != RILL_SYN_RECEIVED && c->state != RILL_TIME_WAIT;
}

static int by_port(const void *a, const void *b)
{
    const struct rill_connection *x = a, *y = b;
    if (x->lport != y->lport)
        return x->lport < y->lport ? -1 : 1;
    if (x->raddr != y->raddr)
        return x->raddr < y->raddr ? -1 : 1;
    return x->rport < y->rport ? -1 : x->rport > y->rport;
}

static void answer_ss(const char *rest, FILE *out)
{
    static const char *const words[] = {"conn", "listen", "all"};
    enum choice choice = CONNECTED;
    for (int i = 0; i < 3; i++)
        if (strcmp(rest, words[i]) == 0)
            choice = (enum choice)i;
    int total = rill_connections(NULL, 0);
    int cap = total < CONTROL_CONNECTIONS_MAX ? total + 16 : CONTROL_CONNECTIONS_MAX;
    struct rill_connection *list = total < 0 ? NULL : calloc((size_t)cap, sizeof *list);
    if (list == NULL) {
        answer_error(out, total < 0 ? "the stack is stopping" : "out of memory", STATUS_FAILURE);
        return;
    }
    total = rill_connections(list, cap);
    int count = total < cap ? total : cap;
    qsort(list, count > 0 ? (size_t)count : 0, sizeof *list, by_port);
    fprintf(out, "{\"total\":%d,\"connections\":[", total);
    const char *comma = "";
    for (int i = 0; i < count; i++) {
        if (!chosen(&list[i], choice))
            continue;
        fprintf(out, "%s\n", comma);
        json_put_connection(out, &list[i]);
        comma = ",";
    }
    fputs("]}\n", out);
    free(list);
}

static void answer_stat(FILE *out)
{
    uint64_t counters[RILL_EVENT_COUNT];
    size_t memory_bytes;
    if (rill_counters(counters, &memory_bytes) != 0) {
        answer_error(out, "the stack is stopping", STATUS_FAILURE);
        return;
    }
    fputs("{\"counters\":{", out);
    for (int i = 0; i < RILL_EVENT_COUNT; i++)
        fprintf(out, "%s\n\"%s\":%" PRIu64, i > 0 ? "," : "", rill_event_name((enum rill_event)i),
                counters[i]);
    fprintf(out, "},\n\"memory_bytes\":%zu}\n", memory_bytes);
}

static void answer_link(const char *rest, FILE *out)
{
    char in[SPEC_BYTES], to[SPEC_BYTES];
    bool is_in = strncmp(rest, "in", 2) == 0 && (rest[2] == ' ' || rest[2] == '\0');
    bool is_out = strncmp(rest, "out", 3) == 0 && (rest[3] == ' ' || rest[3] == '\0');
    if (*rest != '\0' && !is_in && !is_out) {
        answer_error(out, "link: neither 'in' nor 'out'", STATUS_USAGE);
        return;
    }
    const char *spec = rest + (is_in ? 2 : is_out ? 3 : 0);
    while (*spec == ' ')
        spec++;
    if (*spec != '\0' && rill_link(is_in ? RILL_IN : RILL_OUT, spec) != 0) {
        bool wrong = errno == EINVAL;
        answer_error(out, wrong ? rill_error() : strerror(errno), wrong ? STATUS_USAGE : STATUS_FAILURE);
        return;
    }
    if (rill_link_get(RILL_IN, in, sizeof in) < 0 || rill_link_get(RILL_OUT, to, sizeof to) < 0) {
        answer_error(out, "the stack is stopping", STATUS_FAILURE);
        return;
    }
    fputs("{\"in\":", out);
    json_put_string(out, in);
    fputs(",\"out\":", out);
    json_put_string(out, to);
    fputs("}\n", out);
}

void control_answer(const char *request, FILE *out)
{
    size_t word = strcspn(request, " ");
    const char *rest = request + word + strspn(request + word, " ");
    if (word == 2 && memcmp(request, "ss", 2) == 0)
        answer_ss(rest, out);
    else if (word == 4 && memcmp(request, "stat", 4) == 0)
        answer_stat(out);
    else if (word == 4 && memcmp(request, "link", 4) == 0)
        answer_link(rest, out);
    else
        answer_error(out, "unknown request; there are ss, stat and link", STATUS_USAGE);
}

/* ---- Clients ------------------------------------------------------------------------------------------- */

static void client_free(struct control_client **place)
{
    if (*place == NULL)
        return;
    (void)close((*place)->fd);
    free((*place)->answer);
    free(*place);
    *place = NULL;
}

static void accept_client(struct control *control, int64_t now_ms)
{
    int fd = accept4(control->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct control_client *client = fd >= 0 && control_peer_is_ours(fd) ? calloc(1, sizeof *client) : NULL;
    for (int i = 0; client != NULL && i < CONTROL_CLIENTS; i++) {
        if (control->client[i] == NULL) {
            *client = (struct control_client){.fd = fd, .until_ms = now_ms + CONTROL_TIMEOUT_MS};
            control->client[i] = client;
            return;
        }
    }
    free(client);
    if (fd >= 0)
        (void)close(fd);
}

/* False: it is over. */
static bool read_request(struct control_client *client)
{
    ssize_t n = recv(client->fd, client->request + client->got, CONTROL_REQUEST_MAX + 1 - client->got, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    char *line = client->request + client->got;
    client->got += (size_t)n;
    char *end = memchr(line, '\n', (size_t)n);
    bool too_long = end == NULL && client->got > CONTROL_REQUEST_MAX;
    if (end == NULL && !too_long)
        return n > 0;
    FILE *out = open_memstream(&client->answer, &client->len);
    if (out == NULL)
        return false;
    if (too_long) {
        answer_error(out, "the request is longer than 4096 bytes", STATUS_USAGE);
    } else {
        *end = '\0';
        control_answer(client->request, out);
    }
    return fclose(out) == 0;
}

static bool send_answer(struct control_client *client, int64_t now_ms)
{
    ssize_t n = send(client->fd, client->answer + client->pos, client->len - client->pos, MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    client->pos += (size_t)n;
    client->until_ms = now_ms + CONTROL_TIMEOUT_MS;
    return client->pos < client->len;
}

void control_prepare(const struct control *control, struct pollfd *poll, int64_t *wake_ms)
{
    bool room = false;
    for (int i = 0; i < CONTROL_CLIENTS; i++) {
        const struct control_client *client = control->client[i];
        poll[1 + i] = (struct pollfd){-1, 0, 0};
        room = room || client == NULL;
        if (client == NULL)
            continue;
        poll[1 + i] = (struct pollfd){client->fd, client->answer != NULL ? POLLOUT : POLLIN, 0};
        if (client->until_ms < *wake_ms)
            *wake_ms = client->until_ms;
    }
    poll[0] = (struct pollfd){room ? control->listener : -1, POLLIN, 0};
}

void control_step(struct control *control, const struct pollfd *poll, int64_t now_ms)
{
    for (int i = 0; i < CONTROL_CLIENTS; i++) {
        struct control_client *client = control->client[i];
        bool alive = client != NULL && now_ms < client->until_ms;
        if (alive && poll[1 + i].revents != 0)
            alive = client->answer != NULL ? send_answer(client, now_ms) : read_request(client);
        if (!alive)
            client_free(&control->client[i]);
    }
    if (poll[0].revents != 0)
        accept_client(control, now_ms);
}

/* ---- Birth and death ----------------------------------------------------------------------------------- */

static bool try_path(struct control *control)
{
    struct stat made;
    control->listener = control_listen(control->path, &control->dir_fd);
    if (control->listener < 0)
        return false;
    if (fstatat(control->dir_fd, control_file(control->path), &made, AT_SYMLINK_NOFOLLOW) == 0)
        control->inode = made.st_ino;
    return true;
}

static bool try_name(struct control *control, const char *name, bool said)
{
    errno = ENAMETOOLONG;
    if (!control_path(name, control->path) || !try_path(control))
        return false;
    (void)snprintf(control->name, sizeof control->name, "%s", said ? name : "");
    return true;
}

void control_open(struct control *control, const char *tun)
{
    const char *given = getenv(CONTROL_ENV);
    char name[16];
    *control = (struct control){.listener = -1, .dir_fd = -1};
    if (given != NULL && strlen(given) < sizeof control->path) {
        memcpy(control->path, given, strlen(given) + 1);
        if (try_path(control))
            return;
    }
    if (try_name(control, tun, given != NULL || strcmp(tun, CONTROL_TUN) != 0))
        return;
    control->error = errno;
    /* Devices of different namespaces may have the same name. */
    (void)snprintf(name, sizeof name, "%.7s-%d", tun, (int)getpid());
    if (control->error == EADDRINUSE && !try_name(control, name, true))
        control->error = errno;
}

const char *control_name(const struct control *control) { return control->name; }

void control_close(struct control *control)
{
    struct stat now;
    const char *file = control_file(control->path);
    for (int i = 0; i < CONTROL_CLIENTS; i++)
        client_free(&control->client[i]);
    if (control->listener < 0)
        return;
    if (fstatat(control->dir_fd, file, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_ino == control->inode)
        (void)unlinkat(control->dir_fd, file, 0);
    (void)close(control->listener);
    (void)close(control->dir_fd);
    control->listener = -1;
}
