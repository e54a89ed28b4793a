/* serve.c - `rill serve`: one event loop for all services and all clients.
 *
 * rill_poll() waits for the listeners, the clients, the signals and, if it is asked for, the end of the talk
 * service, which waits in plain blocking calls in a thread of its own.  Nothing here waits anywhere else. */
#include "cli.h"
#include "control.h"
#include "service.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS_MAX = 1024, TALK_PORT = 8080, BACKLOG = 128 };
/* Polled ahead of the clients: signals, the end of talk, the control socket, the listeners. */
enum { POLL_SIGNAL, POLL_TALK, POLL_CONTROL, POLL_LISTENER = POLL_CONTROL + CONTROL_POLLS };
/* How long no connection is accepted after the stack had no room for one: the listener stays readable. */
enum { ACCEPT_PAUSE_MS = 200, ACCEPTS_PER_TURN = 16 };

struct server {
    struct serve_plan plan;
    struct control control;
    int listener[SERVE_LISTENERS_MAX];
    int signal_fd;
    int talk_done_fd; /* -1: no talk */
    int64_t accept_after_ms;
    int client_count;
    struct client *client[CLIENTS_MAX];
    struct pollfd poll[POLL_LISTENER + SERVE_LISTENERS_MAX + CLIENTS_MAX];
};

struct talk {
    pthread_t thread;
    int server_fd, done_fd;
    int result;
    atomic_bool ending, ended;
};

static struct server *serving; /* for serve_adopt */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- Which services, on which ports -------------------------------------------------------------------- */

static int find_service(const char *name, size_t len)
{
    for (int i = 0; i < service_count; i++) {
        if (strlen(services[i].name) == len && strncmp(services[i].name, name, len) == 0)
            return i;
    }
    return -1;
}

static int plan_add(const struct cli *cli, const char *word, struct serve_plan *plan)
{
    const char *colon = strchr(word, ':');
    size_t len = colon != NULL ? (size_t)(colon - word) : strlen(word);
    bool talk = len == 4 && strncmp(word, "talk", len) == 0;
    int service = find_service(word, len);
    if (!talk && service < 0)
        return cli_usage_error(
            cli, "unknown service '%.*s'; there are echo, discard, daytime, chargen, slow, http and talk%s",
            (int)len, word, strcmp(cli->name, "rill lab") == 0 ? "; a command goes behind --" : "");
    int port = talk ? TALK_PORT : services[service].port;
    if (colon != NULL && (port = cli_port(colon + 1)) < 0)
        return cli_usage_error(cli, "'%s': the port is not a number from 1 to 65535", word);
    if (talk && plan->talk)
        return cli_usage_error(cli, "talk can be named only once: there is one standard input");
    if (talk) {
        plan->talk = true;
        plan->talk_port = (uint16_t)port;
        return 0;
    }
    if (plan->count == SERVE_LISTENERS_MAX)
        return cli_usage_error(cli, "more than %d services", SERVE_LISTENERS_MAX);
    plan->listener[plan->count].service = service;
    plan->listener[plan->count++].port = (uint16_t)port;
    return 0;
}

int serve_plan_parse(const struct cli *cli, char *const *words, struct serve_plan *plan)
{
    memset(plan, 0, sizeof *plan);
    for (; *words != NULL; words++) {
        if (plan_add(cli, *words, plan) != 0)
            return CLI_USAGE;
    }
    if (plan->count > 0 || plan->talk)
        return 0;
    for (int i = 0; i < service_count; i++) {
        plan->listener[plan->count].service = i;
        plan->listener[plan->count++].port = services[i].port;
    }
    return 0;
}

uint16_t serve_plan_port(const struct serve_plan *plan, const char *name)
{
    for (int i = 0; i < plan->count; i++)
        if (strcmp(services[plan->listener[i].service].name, name) == 0)
            return plan->listener[i].port;
    return 0;
}

void serve_print_hints(const struct cli *cli, const struct serve_plan *plan, FILE *out)
{
    const char *addr = cli->options.addr;
    char command[96];
    fprintf(out, "  ping %s\n", addr);
    for (int i = 0; i < plan->count; i++) {
        const struct service *service = &services[plan->listener[i].service];
        uint16_t port = plan->listener[i].port;
        if (service->hint == NULL && port == 80)
            snprintf(command, sizeof command, "http://%s/", addr);
        else if (service->hint == NULL)
            snprintf(command, sizeof command, "http://%s:%u/", addr, port);
        else
            snprintf(command, sizeof command, "nc %s %u%s", addr, port, service->hint);
        fprintf(out, "  %-32s %s: %s\n", command, service->name, service->summary);
    }
    if (plan->talk) {
        snprintf(command, sizeof command, "nc %s %u", addr, plan->talk_port);
        fprintf(out, "  %-32s talk: one message each way\n", command);
    }
}

/* ---- Listeners and clients ----------------------------------------------------------------------------- */

static int open_listener(const struct service *service, uint16_t port)
{
    struct sockaddr_in any = cli_sockaddr((struct in_addr){htonl(INADDR_ANY)}, port);
    int on = 1;
    int fd = rill_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    (void)rill_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (service->rcvbuf_bytes != 0)
        (void)rill_setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &service->rcvbuf_bytes, sizeof(int));
    if (rill_bind(fd, (struct sockaddr *)&any, sizeof any) < 0 || rill_listen(fd, BACKLOG) < 0)
        return -1;
    return fd;
}

static int open_listeners(const struct cli *cli, struct server *server)
{
    for (int i = 0; i < server->plan.count; i++) {
        const struct service *service = &services[server->plan.listener[i].service];
        uint16_t port = server->plan.listener[i].port;
        server->listener[i] = open_listener(service, port);
        if (server->listener[i] < 0) {
            fprintf(stderr, "%s: %s: port %u: %s\n", cli->name, service->name, port, strerror(errno));
            return -1;
        }
    }
    return 0;
}

static void client_close(struct server *server, int index)
{
    struct client *client = server->client[index];
    if (client->service->end != NULL)
        client->service->end(client);
    if (client->fd >= RILL_FD_BASE)
        rill_close(client->fd);
    else
        close(client->fd);
    free(client);
    server->client[index] = server->client[--server->client_count];
}

static int client_add(struct server *server, int fd, const struct service *service)
{
    struct client *client = server->client_count < CLIENTS_MAX ? calloc(1, sizeof *client) : NULL;
    if (client == NULL)
        return -1;
    client->fd = fd;
    client->service = service;
    client->want = POLLIN;
    client->wake_ms = -1;
    server->client[server->client_count] = client;
    return server->client_count++;
}

struct client *serve_adopt(int fd, const struct service *service, int64_t now)
{
    int index = client_add(serving, fd, service);
    if (index < 0)
        return NULL;
    serving->client[index]->wake_ms = now;
    return serving->client[index];
}

static void accept_clients(struct server *server, int listener, int64_t now)
{
    for (int i = 0; i < ACCEPTS_PER_TURN && server->client_count < CLIENTS_MAX; i++) {
        int fd = rill_accept4(server->listener[listener], NULL, NULL, SOCK_NONBLOCK);
        if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
            continue;
        if (fd < 0 && errno == EAGAIN)
            return;
        const struct service *service = &services[server->plan.listener[listener].service];
        int index = fd < 0 ? -1 : client_add(server, fd, service);
        if (index < 0) {
            if (fd >= 0)
                rill_close(fd);
            server->accept_after_ms = now + ACCEPT_PAUSE_MS;
            return;
        }
        if (service->step(server->client[index], now) == STEP_CLOSE)
            client_close(server, index);
    }
}

/* A reset, or both directions closed: there is nobody left to talk to. */
static bool is_gone(short revents) { return (revents & (POLLERR | POLLHUP | POLLNVAL)) != 0; }

/* From the last to the first, so that closing one, which moves the last into its place, passes over none. */
static void step_clients(struct server *server, int polled, int64_t now)
{
    const struct pollfd *poll = server->poll + POLL_LISTENER + server->plan.count;
    for (int i = polled - 1; i >= 0; i--) {
        struct client *client = server->client[i];
        bool due = client->wake_ms >= 0 && now >= client->wake_ms;
        if (is_gone(poll[i].revents) ||
            ((poll[i].revents != 0 || due) && client->service->step(client, now) == STEP_CLOSE))
            client_close(server, i);
    }
}

/* ---- The loop ------------------------------------------------------------------------------------------ */

/* Fills in the array and returns how long to wait at most, in ms, -1: for ever. */
static int prepare_poll(struct server *server, int64_t now)
{
    int64_t wake = INT64_MAX;
    bool accepting = server->client_count < CLIENTS_MAX && now >= server->accept_after_ms;
    if (now < server->accept_after_ms)
        wake = server->accept_after_ms;
    server->poll[POLL_SIGNAL] = (struct pollfd){server->signal_fd, POLLIN, 0};
    server->poll[POLL_TALK] = (struct pollfd){server->talk_done_fd, POLLIN, 0};
    control_prepare(&server->control, server->poll + POLL_CONTROL, &wake);
    struct pollfd *poll = server->poll + POLL_LISTENER;
    for (int i = 0; i < server->plan.count; i++)
        *poll++ = (struct pollfd){accepting ? server->listener[i] : -1, POLLIN, 0};
    for (int i = 0; i < server->client_count; i++) {
        const struct client *client = server->client[i];
        *poll++ = (struct pollfd){client->fd, client->want, 0};
        if (client->wake_ms >= 0 && client->wake_ms < wake)
            wake = client->wake_ms;
    }
    if (wake == INT64_MAX)
        return -1;
    return wake <= now ? 0 : (int)(wake - now);
}

/* Until a signal (0), the end of talk where there is nothing else to serve (0), or a failure (-1). */
static int serve_loop(const struct cli *cli, struct server *server)
{
    for (;;) {
        int timeout_ms = prepare_poll(server, now_ms());
        int polled = server->client_count;
        nfds_t count = (nfds_t)POLL_LISTENER + (nfds_t)server->plan.count + (nfds_t)polled;
        if (rill_poll(server->poll, count, timeout_ms) < 0 && errno != EINTR) {
            cli_poll_failed(cli);
            return -1;
        }
        if (server->poll[POLL_SIGNAL].revents != 0)
            return 0;
        if (server->poll[POLL_TALK].revents != 0) {
            if (server->plan.count == 0)
                return 0;
            server->talk_done_fd = -1;
        }
        int64_t now = now_ms();
        control_step(&server->control, server->poll + POLL_CONTROL, now);
        step_clients(server, polled, now);
        for (int i = 0; i < server->plan.count; i++) {
            if (server->poll[POLL_LISTENER + i].revents != 0)
                accept_clients(server, i, now);
        }
    }
}

/* ---- Talk, in a thread --------------------------------------------------------------------------------- */

static void *talk_thread(void *arg)
{
    struct talk *talk = arg;
    uint64_t one = 1;
    talk->result = talk_serve(talk->server_fd, &talk->ending);
    talk->ended = true;
    if (write(talk->done_fd, &one, sizeof one) != sizeof one)
        abort();
    return NULL;
}

static int talk_start(struct talk *talk, struct server *server)
{
    server->talk_done_fd = talk->done_fd = eventfd(0, EFD_CLOEXEC);
    if (talk->done_fd < 0 || pthread_create(&talk->thread, NULL, talk_thread, talk) != 0) {
        fprintf(stderr, "talk: no thread: %s\n", strerror(errno));
        return -1;
    }
    return 0;
}

/* ---- From the start to the end ------------------------------------------------------------------------- */

/* How to look in from another terminal. */
static void announce_control(const struct control *control)
{
    const char *name = control_name(control);
    if (control->listener < 0)
        printf("No control socket at %s: %s; rill ss, link and stat do not reach it.\n", control->path,
               strerror(control->error));
    else
        printf("rill ss, rill link and rill stat look in%s%s.\n", *name != '\0' ? " with --tun " : "", name);
}

static int announce(const struct cli *cli, const struct server *server, int ready_fd)
{
    const struct serve_plan *plan = &server->plan;
    if (ready_fd >= 0) {
        bool told = write(ready_fd, "+", 1) == 1;
        close(ready_fd);
        return told ? 0 : -1;
    }
    printf("rill: %s is up on %s; try in another terminal:\n", cli->options.addr, cli->options.tun);
    serve_print_hints(cli, plan, stdout);
    announce_control(&server->control);
    printf("Ctrl-C ends it.\n");
    return fflush(stdout);
}

static int serve_started(struct cli *cli, struct server *server, struct talk *talk, int ready_fd)
{
    if (open_listeners(cli, server) != 0)
        return CLI_FAILURE;
    if (server->plan.talk && (talk->server_fd = talk_listen(server->plan.talk_port)) < 0)
        return CLI_FAILURE;
    if (announce(cli, server, ready_fd) != 0) {
        fprintf(stderr, "%s: standard output: %s\n", cli->name, strerror(errno));
        return CLI_FAILURE;
    }
    if (server->plan.talk && talk_start(talk, server) != 0)
        return CLI_FAILURE;
    bool failed = serve_loop(cli, server) != 0;
    talk->ending = true;
    /* Where talk was all there was and has come to its end, its outcome is ours. */
    if (server->plan.count == 0 && server->poll[POLL_TALK].revents != 0) {
        pthread_join(talk->thread, NULL);
        failed = failed || talk->result != 0;
    }
    return failed ? CLI_FAILURE : 0;
}

/* One line about what the end waits for. */
static void announce_end(const struct server *server)
{
    if (server->client_count == 0)
        return;
    printf("Closing %d connection%s, for at most %d s; Ctrl-C once more ends at once.\n",
           server->client_count, server->client_count > 1 ? "s" : "", CLI_STOP_MS / 1000);
    fflush(stdout);
}

int serve_run(struct cli *cli, const struct serve_plan *plan, int ready_fd)
{
    /* Static: the talk thread may still wait at its prompt when this function has returned. */
    static struct server server;
    static struct talk talk;
    serving = &server;
    server.plan = *plan;
    server.talk_done_fd = -1;
    server.signal_fd = cli_signals_open();
    if (server.signal_fd < 0) {
        fprintf(stderr, "%s: signals: %s\n", cli->name, strerror(errno));
        return CLI_FAILURE;
    }
    for (int i = 0; i < plan->count; i++) {
        if (services[plan->listener[i].service].step == http_step) {
            http_open(cli);
            http_state_add_port(plan->listener[i].port);
        }
    }
    int status = cli_start(cli);
    if (status != 0)
        return status;
    control_open(&server.control, cli->options.tun);
    status = serve_started(cli, &server, &talk, ready_fd);
    cli_signals_default(); /* first: what follows prints, and may have to wait for a reader */
    if (ready_fd < 0 && status == 0)
        announce_end(&server);
    control_close(&server.control);
    cli_print_stats(cli);
    cli_stop(cli, CLI_STOP_MS);
    if (plan->talk && talk.ending && !talk.ended) {
        /* The thread holds the lock of stdin while it waits for a line, and exit() may want that. */
        fflush(stdout);
        _exit(status);
    }
    return status;
}

int serve_main(int argc, char **argv)
{
    static const char usage[] =
        "usage: rill serve [OPTION]... [SERVICE[:PORT]]...\n"
        "\n"
        "Runs services on the stack; all of them but talk if none is named.\n"
        "\n"
        "  echo      7     sends back what it gets\n"
        "  discard   9     takes everything and says nothing\n"
        "  daytime   13    says what time it is\n"
        "  chargen   19    never stops talking\n"
        "  slow      9000  reads one byte per second: a zero window on demand\n"
        "  http      80    a page that shows all this at work, live\n"
        "  talk      8080  shows what one client says, asks for the answer, and ends\n"
        "\n" CLI_OPTIONS_TEXT "\n"
        "SIGINT and SIGTERM close the connections in order for at most 2 s; what is left\n"
        "is reset.  A second one ends the program at once.\n";
    static const struct option options[] = {CLI_LONG, {NULL, 0, NULL, 0}};
    struct cli cli;
    struct serve_plan plan;
    int option;
    cli_init(&cli, "rill serve");
    while ((option = getopt_long(argc, argv, CLI_SHORT, options, NULL)) != -1) {
        int status = cli_option(&cli, option, argv[optind - 1], usage);
        if (status >= 0)
            return status;
    }
    int status = serve_plan_parse(&cli, argv + optind, &plan);
    return status != 0 ? status : serve_run(&cli, &plan, -1);
}
