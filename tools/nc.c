/* nc.c - `rill nc`: standard input and output over one connection of the stack, as OpenBSD's nc does it.
 *
 * The end of standard input closes our direction only with -N; without it the connection stays open until the
 * peer closes.  A client ends when both directions have; a listener, when the peer's has.  Error texts are
 * those that people know from nc. */
#include "cli.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RELAY_BYTES = 65536 };
/* At its end nc waits as long as this for the peer to acknowledge what was sent; the kernel's nc leaves that
 * to the kernel, which outlives it. */
enum { DELIVER_MS = 120 * 1000 };
enum { POLL_SIGNAL, POLL_STDIN, POLL_STDOUT, POLL_NET, POLL_COUNT };

/* One direction: bytes [pos, len) have been read and not yet written. */
struct pipe {
    size_t pos, len;
    bool eof;    /* its source has ended */
    bool closed; /* its sink takes nothing more: the end has been passed on, or it is gone */
    uint8_t buffer[RELAY_BYTES];
};

struct nc {
    struct cli cli;
    bool listen, half_close;
    const char *host_text;
    struct sockaddr_in addr;
    int signal_fd;
    int net;
    size_t stdout_chunk; /* what can be written to standard output at once without waiting */
    struct pipe up, down;
};

enum outcome { GO_ON, DONE_WELL, FAILED, INTERRUPTED };

static bool is_empty(const struct pipe *pipe) { return pipe->pos == pipe->len; }

static uint16_t nc_port(const struct nc *nc) { return ntohs(nc->addr.sin_port); }

/* ---- Connecting and listening -------------------------------------------------------------------------- */

/* Waits for events on a rill descriptor, or a signal. */
static enum outcome wait_for(const struct nc *nc, int fd, short events)
{
    struct pollfd poll[] = {{nc->signal_fd, POLLIN, 0}, {fd, events, 0}};
    for (;;) {
        if (rill_poll(poll, 2, -1) < 0 && errno != EINTR) {
            cli_poll_failed(&nc->cli);
            return FAILED;
        }
        if (poll[0].revents != 0)
            return INTERRUPTED;
        if (poll[1].revents != 0)
            return GO_ON;
    }
}

static enum outcome nc_connect(struct nc *nc)
{
    const struct sockaddr *addr = (const struct sockaddr *)&nc->addr;
    int error = 0;
    socklen_t error_len = sizeof error;
    nc->net = rill_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (nc->net < 0 || (rill_connect(nc->net, addr, sizeof nc->addr) < 0 && errno != EINPROGRESS)) {
        error = errno;
    } else {
        enum outcome outcome = wait_for(nc, nc->net, POLLOUT);
        if (outcome != GO_ON)
            return outcome;
        if (rill_getsockopt(nc->net, SOL_SOCKET, SO_ERROR, &error, &error_len) < 0)
            error = errno;
    }
    if (error != 0) {
        fprintf(stderr, "nc: connect to %s port %u (tcp) failed: %s\n", nc->host_text, nc_port(nc),
                strerror(error));
        return FAILED;
    }
    if (nc->cli.verbosity > 0)
        fprintf(stderr, "Connection to %s %u port [tcp] succeeded!\n", nc->host_text, nc_port(nc));
    return GO_ON;
}

static enum outcome nc_accept(struct nc *nc)
{
    int on = 1;
    struct sockaddr_in peer;
    socklen_t peer_len = sizeof peer;
    char text[INET_ADDRSTRLEN];
    int listener = rill_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (listener < 0 || rill_setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        rill_bind(listener, (const struct sockaddr *)&nc->addr, sizeof nc->addr) < 0 ||
        rill_listen(listener, 1) < 0) {
        fprintf(stderr, "nc: port %u: %s\n", nc_port(nc), strerror(errno));
        return FAILED;
    }
    if (nc->cli.verbosity > 0)
        fprintf(stderr, "Listening on %s %u\n", nc->host_text, nc_port(nc));
    do {
        enum outcome outcome = wait_for(nc, listener, POLLIN);
        if (outcome != GO_ON)
            return outcome;
        nc->net = rill_accept4(listener, (struct sockaddr *)&peer, &peer_len, SOCK_NONBLOCK);
    } while (nc->net < 0 && (errno == EAGAIN || errno == ECONNABORTED));
    if (nc->net < 0) {
        fprintf(stderr, "nc: accept: %s\n", strerror(errno));
        return FAILED;
    }
    rill_close(listener);
    if (nc->cli.verbosity > 0)
        fprintf(stderr, "Connection received on %s %u\n", cli_addr_text(peer.sin_addr, text),
                ntohs(peer.sin_port));
    return GO_ON;
}

/* ---- Relaying ------------------------------------------------------------------------------------------ */

/* What a read brought: n bytes, the end (0), or a failure (-1, errno).  False only for a real failure. */
static bool filled(struct pipe *pipe, ssize_t n)
{
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    pipe->pos = 0;
    pipe->len = (size_t)n;
    pipe->eof = n == 0;
    return true;
}

static bool drained(struct pipe *pipe, ssize_t n)
{
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    pipe->pos += (size_t)n;
    return true;
}

static enum outcome net_failed(const char *what)
{
    fprintf(stderr, "nc: %s: %s\n", what, strerror(errno));
    return FAILED;
}

static enum outcome relay_up(struct nc *nc, const struct pollfd *poll)
{
    struct pipe *up = &nc->up;
    if (poll[POLL_STDIN].revents != 0 && !filled(up, read(STDIN_FILENO, up->buffer, sizeof up->buffer)))
        return net_failed("standard input");
    if (!is_empty(up) &&
        !drained(up, rill_send(nc->net, up->buffer + up->pos, up->len - up->pos, MSG_NOSIGNAL)))
        return net_failed("write");
    if (up->eof && is_empty(up) && !up->closed) {
        up->closed = true;
        if (nc->half_close && rill_shutdown(nc->net, SHUT_WR) < 0 && errno != ENOTCONN)
            return net_failed("shutdown");
    }
    return GO_ON;
}

static enum outcome relay_down(struct nc *nc, const struct pollfd *poll)
{
    struct pipe *down = &nc->down;
    if (is_empty(down) && !down->eof && (poll[POLL_NET].revents & ~POLLOUT) != 0 &&
        !filled(down, rill_recv(nc->net, down->buffer, sizeof down->buffer, 0)))
        return net_failed("read");
    if (!is_empty(down) && poll[POLL_STDOUT].revents != 0) {
        size_t chunk = down->len - down->pos;
        if (chunk > nc->stdout_chunk)
            chunk = nc->stdout_chunk;
        if (!drained(down, write(STDOUT_FILENO, down->buffer + down->pos, chunk)))
            return net_failed("standard output");
    }
    return GO_ON;
}

/* Whoever is not waited for is left out of the array: POLLHUP cannot be masked, and would keep us busy. */
static void prepare_poll(const struct nc *nc, struct pollfd poll[POLL_COUNT])
{
    const struct pipe *up = &nc->up, *down = &nc->down;
    short net = 0;
    if (!is_empty(up))
        net |= POLLOUT;
    if (is_empty(down) && !down->eof)
        net |= POLLIN;
    poll[POLL_SIGNAL] = (struct pollfd){nc->signal_fd, POLLIN, 0};
    poll[POLL_STDIN] = (struct pollfd){is_empty(up) && !up->eof ? STDIN_FILENO : -1, POLLIN, 0};
    poll[POLL_STDOUT] = (struct pollfd){is_empty(down) ? -1 : STDOUT_FILENO, POLLOUT, 0};
    poll[POLL_NET] = (struct pollfd){net != 0 ? nc->net : -1, net, 0};
}

static bool has_ended(const struct nc *nc)
{
    if (!nc->down.eof || !is_empty(&nc->down) || !is_empty(&nc->up))
        return false;
    return nc->listen || nc->up.eof;
}

static enum outcome relay(struct nc *nc)
{
    struct pollfd poll[POLL_COUNT];
    while (!has_ended(nc)) {
        prepare_poll(nc, poll);
        if (rill_poll(poll, POLL_COUNT, -1) < 0) {
            if (errno == EINTR)
                continue;
            cli_poll_failed(&nc->cli);
            return FAILED;
        }
        if (poll[POLL_SIGNAL].revents != 0)
            return INTERRUPTED;
        enum outcome outcome = relay_up(nc, poll);
        if (outcome == GO_ON)
            outcome = relay_down(nc, poll);
        if (outcome != GO_ON)
            return outcome;
    }
    return DONE_WELL;
}

/* A write of up to PIPE_BUF bytes to a pipe that is ready does not wait (POSIX); files never do. */
static size_t stdout_chunk(void)
{
    struct stat info;
    return fstat(STDOUT_FILENO, &info) == 0 && S_ISREG(info.st_mode) ? RELAY_BYTES : PIPE_BUF;
}

static int nc_run(struct nc *nc)
{
    nc->signal_fd = cli_signals_open();
    if (nc->signal_fd < 0)
        return net_failed("signals") == FAILED ? CLI_FAILURE : 0;
    int status = cli_start(&nc->cli);
    if (status != 0)
        return status;
    nc->stdout_chunk = stdout_chunk();
    enum outcome outcome = nc->listen ? nc_accept(nc) : nc_connect(nc);
    if (outcome == GO_ON)
        outcome = relay(nc);
    cli_signals_default(); /* first: what follows prints, and may have to wait for a reader */
    cli_print_stats(&nc->cli);
    cli_stop(&nc->cli, outcome == DONE_WELL ? DELIVER_MS : CLI_STOP_MS);
    return outcome == DONE_WELL ? 0 : CLI_FAILURE;
}

/* ---- The command line ---------------------------------------------------------------------------------- */

static int nc_arguments(struct nc *nc, int count, char **words)
{
    const struct cli *cli = &nc->cli;
    if (count == 0 || (count == 1 && !nc->listen))
        return cli_usage_error(cli, nc->listen ? "-l needs a port" : "a host and a port are needed");
    if (count > 2)
        return cli_usage_error(cli, "'%s' is one argument too many", words[2]);
    const char *host = count == 2 ? words[0] : cli->options.addr;
    struct in_addr addr, own = cli_own_addr(cli);
    if (inet_pton(AF_INET, host, &addr) != 1)
        return cli_usage_error(cli, "'%s' is not an IPv4 address; names are not looked up", host);
    if (nc->listen && addr.s_addr != own.s_addr && addr.s_addr != htonl(INADDR_ANY))
        return cli_usage_error(cli, "-l: '%s' is not the stack's address, which is %s (--addr)", host,
                               cli->options.addr);
    int port = cli_port(words[count - 1]);
    if (port < 0)
        return cli_usage_error(cli, "'%s': the port is not a number from 1 to 65535", words[count - 1]);
    nc->host_text = host;
    nc->addr = cli_sockaddr(addr, (uint16_t)port);
    return 0;
}

int nc_main(int argc, char **argv)
{
    static const char usage[] =
        "usage: rill nc [OPTION]... HOST PORT\n"
        "       rill nc -l [OPTION]... [HOST] PORT\n"
        "\n"
        "Relays standard input and output over a TCP connection of the stack.\n"
        "\n"
        "  -l                wait for one connection, on the stack's own address\n"
        "  -N                close our direction at the end of standard input; without it\n"
        "                    the connection stays open until the peer closes\n" CLI_OPTIONS_TEXT "\n"
        "-v also says when the connection is there.  Exit status: 0, 1 for a failure\n"
        "(refused, timed out, reset, interrupted), 2 for a usage error.\n";
    static const struct option options[] = {CLI_LONG, {NULL, 0, NULL, 0}};
    static struct nc nc;
    int option;
    cli_init(&nc.cli, "rill nc");
    while ((option = getopt_long(argc, argv, CLI_SHORT "lN", options, NULL)) != -1) {
        int status = -1;
        if (option == 'l')
            nc.listen = true;
        else if (option == 'N')
            nc.half_close = true;
        else
            status = cli_option(&nc.cli, option, argv[optind - 1], usage);
        if (status >= 0)
            return status;
    }
    int status = nc_arguments(&nc, argc - optind, argv + optind);
    return status != 0 ? status : nc_run(&nc);
}
