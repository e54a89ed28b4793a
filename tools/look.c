/* look.c - `rill ss`, `rill link` and `rill stat`: ask a running stack over its control socket. */
#include "cli.h"
#include "control.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000, ANSWER_MAX = 16 << 20, TEXT_BYTES = 2048 };

#define LOOK_OPTIONS_TEXT                                                                                    \
    "  --tun NAME        the stack on this device; else that of the lab where this is\n"                     \
    "                    run, else the one on rill0\n"                                                       \
    "  -h, --help        this text\n"
#define LOOK_STATUS_TEXT                                                                                     \
    "Exit status: 0, 1 if no stack answers, 2 for a usage error.  Whoever runs the\n"                        \
    "stack can look in, and root.\n"

/* ---- Asking -------------------------------------------------------------------------------------------- */

/* Why nobody answers, and what helps.  CLI_FAILURE. */
static int nobody(const struct cli *cli, const char *path)
{
    char names[256];
    int error = errno;
    if (error == EPERM) {
        fprintf(stderr, "%s: %s is not yours alone: run this as the user who runs the stack\n", cli->name,
                path);
        return CLI_FAILURE;
    }
    fprintf(stderr, "%s: no stack answers at %s: %s\n", cli->name, path, strerror(error));
    control_list(names, sizeof names);
    if (names[0] != '\0')
        fprintf(stderr, "Pick one with --tun; there are: %s\n", names);
    else
        fprintf(stderr, "Start one with 'rill serve' or 'rill lab'.\n");
    return CLI_FAILURE;
}

static int lost(const struct cli *cli, const char *what)
{
    fprintf(stderr, "%s: the stack does not answer: %s\n", cli->name, what);
    return CLI_FAILURE;
}

static bool ready(int fd, short events)
{
    struct pollfd poll_fd = {fd, events, 0};
    return poll(&poll_fd, 1, PATIENCE_MS) == 1;
}

/* The whole answer as a string of malloc's, or NULL. */
static char *read_answer(int fd)
{
    size_t len = 0, room = 65536;
    char *text = malloc(room);
    while (text != NULL && ready(fd, POLLIN)) {
        ssize_t n = recv(fd, text + len, room - len - 1, 0);
        if (n <= 0) {
            text[len] = '\0';
            if (n == 0 && len > 0)
                return text;
            break;
        }
        len += (size_t)n;
        if (len + 1 == room) {
            room *= 2;
            char *more = room <= ANSWER_MAX ? realloc(text, room) : NULL;
            if (more == NULL)
                break;
            text = more;
        }
    }
    free(text);
    return NULL;
}

/* Sends the request line; 0 and the answer, or the exit status. */
static int ask(const struct cli *cli, const char *tun, const char *request, char **answer)
{
    char path[CONTROL_PATH_BYTES];
    const char *given = getenv(CONTROL_ENV);
    size_t len = strlen(request);
    *answer = NULL;
    if (tun == NULL && given != NULL && strlen(given) < sizeof path)
        memcpy(path, given, strlen(given) + 1);
    else if (!control_path(tun != NULL ? tun : CONTROL_TUN, path))
        return lost(cli, "the name of its directory is too long");
    int fd = control_connect(path);
    if (fd < 0)
        return nobody(cli, path);
    if (ready(fd, POLLOUT) && send(fd, request, len, MSG_NOSIGNAL) == (ssize_t)len &&
        send(fd, "\n", 1, MSG_NOSIGNAL) == 1)
        *answer = read_answer(fd);
    (void)close(fd);
    return *answer != NULL ? 0 : lost(cli, "it is busy, or has just ended");
}

/* Members that each answer may have.  True: it was one of them. */
struct refusal {
    char text[TEXT_BYTES];
    int status;
};

static void read_refusal(struct json *json, const char *key, struct refusal *refusal)
{
    if (strcmp(key, "error") == 0)
        json_string(json, refusal->text, sizeof refusal->text);
    else if (strcmp(key, "status") == 0)
        refusal->status = json_number(json) == CLI_USAGE ? CLI_USAGE : CLI_FAILURE;
    else
        json_skip(json);
}

/* The exit status after an answer has been read. */
static int finish(const struct cli *cli, const struct json *json, const struct refusal *refusal)
{
    if (json->bad)
        return lost(cli, "its answer makes no sense; is it of another version?");
    if (refusal->status == 0)
        return fflush(stdout) == 0 ? 0 : CLI_FAILURE;
    fprintf(stderr, "%s: %s\n", cli->name, refusal->text);
    return refusal->status;
}

/* ---- rill ss: one connection in words ------------------------------------------------------------------ */

struct ss {
    bool info, timers, more, json;
    const char *which; /* of the protocol: conn, listen, all */
};

static const char *state_name(enum rill_tcp_state state)
{
    switch (state) { /* as ss(8) spells them */
    case RILL_ESTABLISHED:
        return "ESTAB";
    case RILL_SYN_RECEIVED:
        return "SYN-RECV";
    case RILL_LISTEN:
    case RILL_SYN_SENT:
    case RILL_FIN_WAIT_1:
    case RILL_FIN_WAIT_2:
    case RILL_CLOSE_WAIT:
    case RILL_CLOSING:
    case RILL_LAST_ACK:
    case RILL_TIME_WAIT:
    case RILL_CLOSED:
        break;
    }
    return rill_state_name(state);
}

static void endpoint(char text[32], uint32_t ip, uint16_t port)
{
    char addr[INET_ADDRSTRLEN] = "";
    struct in_addr in = {htonl(ip)};
    (void)inet_ntop(AF_INET, &in, addr, sizeof addr);
    if (port == 0)
        (void)snprintf(text, 32, "%s:*", addr);
    else
        (void)snprintf(text, 32, "%s:%u", addr, port);
}

/* What is shown of a time: 1min59sec, 59sec, 4.5sec, 200ms. */
static void duration(char text[32], uint64_t us)
{
    uint64_t ms = (us + 500) / 1000;
    if (ms >= 60000)
        (void)snprintf(text, 32, "%" PRIu64 "min%" PRIu64 "sec", ms / 60000, ms / 1000 % 60);
    else if (ms >= 10000)
        (void)snprintf(text, 32, "%" PRIu64 "sec", ms / 1000);
    else if (ms >= 1000)
        (void)snprintf(text, 32, "%" PRIu64 ".%" PRIu64 "sec", ms / 1000, ms / 100 % 10);
    else
        (void)snprintf(text, 32, "%" PRIu64 "ms", ms);
}

static bool opening(const struct rill_connection *c)
{
    return c->state == RILL_SYN_SENT || c->state == RILL_SYN_RECEIVED;
}

static const char *timer_name(const struct rill_connection *c)
{
    switch (c->timer) {
    case RILL_TIMER_XMIT:
        return c->numbers.flight != 0 || opening(c) ? "on" : "persist";
    case RILL_TIMER_DELACK:
        return "delack";
    case RILL_TIMER_KEEP:
        return "keepalive";
    case RILL_TIMER_LINGER:
        return c->state == RILL_TIME_WAIT ? "timewait" : "linger";
    case RILL_TIMER_PACE:
        return "pace";
    case RILL_TIMER_RINGS:
    case RILL_TIMER_COUNT:
        break;
    }
    return "unknown";
}

static void print_timer(const struct rill_connection *c)
{
    char left[32];
    if (c->timer_left_us == RILL_NEVER)
        return;
    duration(left, c->timer_left_us);
    printf(" timer:(%s,%s,%u)", timer_name(c), left, c->timeouts);
}

static void print_ms(const char *name, uint32_t us)
{
    printf("%s%.*f", name, us % 1000 != 0 ? 3 : 0, us / 1e3);
}

static void print_limit(enum rill_limit limit)
{
    printf(" limited:");
    for (const char *p = control_limit_name(limit); *p != '\0'; p++)
        putchar(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
}

/* Windows in segments, as ss has them; the bytes are in -e. */
static void print_info(const struct rill_connection *c)
{
    const struct rill_numbers *n = &c->numbers;
    uint32_t mss = c->snd_mss != 0 ? c->snd_mss : 1;
    printf("\n\t%s%s%s %s", c->ts ? " ts" : "", c->sack ? " sack" : "", c->ecn ? " ecn" : "",
           rill_cc_word(c->cc));
    if (c->wscale)
        printf(" wscale:%u,%u", c->snd_wscale, c->rcv_wscale);
    print_ms(" rto:", n->rto_us);
    if (n->srtt_us != 0) {
        print_ms(" rtt:", n->srtt_us);
        print_ms("/", n->rttvar_us);
    }
    printf(" mss:%u rcvmss:%u", c->snd_mss, c->rcv_mss);
    if (n->cwnd != 0)
        printf(" cwnd:%u", n->cwnd / mss);
    if (n->ssthresh < 0x7fffffff && n->ssthresh != 0)
        printf(" ssthresh:%u", n->ssthresh / mss);
    printf(" bytes_acked:%" PRIu64 " bytes_received:%" PRIu64, c->bytes_acked, c->bytes_received);
    if (n->flight != 0)
        printf(" unacked:%u", (n->flight + mss - 1) / mss);
    if (n->unsent != 0)
        printf(" notsent:%u", n->unsent);
    if (n->lost != 0)
        printf(" lost:%u", (n->lost + mss - 1) / mss);
    if (n->sacked != 0)
        printf(" sacked:%u", (n->sacked + mss - 1) / mss);
    if (n->dup_acks != 0)
        printf(" dupacks:%u", n->dup_acks);
    printf(" snd_wnd:%u rcv_wnd:%u", n->snd_wnd, n->rcv_wnd);
    if (n->recovery)
        printf(" recovery");
    print_limit(n->limit);
}

static void print_more(const struct rill_connection *c)
{
    const struct rill_numbers *n = &c->numbers;
    printf("\n\t sndbuf:%u rcvbuf:%u", c->sndbuf, c->rcvbuf);
    if (c->state == RILL_LISTEN)
        return;
    printf(" cwnd_bytes:%u", n->cwnd);
    if (n->ssthresh < 0x7fffffff)
        printf(" ssthresh_bytes:%u", n->ssthresh);
    printf(" flight:%u pipe:%u sacked:%u lost:%u unsent:%u unread:%u timeouts:%u", n->flight, n->pipe,
           n->sacked, n->lost, n->unsent, n->unread, c->timeouts);
    printf(" limited_by:\"%s\"", rill_limit_text(n->limit));
}

static void print_connection(const struct ss *ss, const struct rill_connection *c)
{
    char local[32], peer[32];
    bool listens = c->state == RILL_LISTEN;
    uint32_t recv_q = listens ? c->waiting : c->numbers.unread;
    uint32_t send_q = listens ? c->backlog : c->numbers.flight + c->numbers.unsent;
    endpoint(local, c->laddr, c->lport);
    endpoint(peer, c->raddr, c->rport);
    printf("%-10s %-7u %-7u %21s %21s", state_name(c->state), recv_q, send_q, local, peer);
    if (ss->timers)
        print_timer(c);
    if (ss->info && !listens && c->state != RILL_TIME_WAIT)
        print_info(c);
    if (ss->more && c->state != RILL_TIME_WAIT)
        print_more(c);
    putchar('\n');
}

static int ss_print(const struct cli *cli, const struct ss *ss, const char *answer)
{
    struct json json = {answer, false};
    struct refusal refusal = {"", 0};
    struct rill_connection c;
    char key[32];
    uint64_t total = 0;
    printf("%-10s %-7s %-7s %21s %21s\n", "State", "Recv-Q", "Send-Q", "Local Address:Port",
           "Peer Address:Port");
    (void)json_enter(&json, '{');
    while (json_key(&json, key, sizeof key)) {
        if (strcmp(key, "total") == 0) {
            total = json_number(&json);
        } else if (strcmp(key, "connections") == 0 && json_enter(&json, '[')) {
            while (json_element(&json)) {
                json_connection(&json, &c);
                if (!json.bad)
                    print_connection(ss, &c);
            }
        } else {
            read_refusal(&json, key, &refusal);
        }
    }
    if (total > CONTROL_CONNECTIONS_MAX)
        fprintf(stderr, "%s: there are %" PRIu64 "; only %d of them were looked at\n", cli->name, total,
                CONTROL_CONNECTIONS_MAX);
    return finish(cli, &json, &refusal);
}

static bool ss_option(struct ss *ss, int option)
{
    switch (option) {
    case 't': /* there is nothing but TCP, and nothing but numbers */
    case 'n':
        return true;
    case 'i':
        return ss->info = true;
    case 'o':
        return ss->timers = true;
    case 'e':
        return ss->more = true;
    case 'l':
        ss->which = "listen";
        return true;
    case 'a':
        ss->which = "all";
        return true;
    case 'j':
        return ss->json = true;
    default:
        return false;
    }
}

int ss_main(int argc, char **argv)
{
    static const char usage[] =
        "usage: rill ss [OPTION]...\n"
        "\n"
        "Shows the connections of a running stack as ss(8) shows the kernel's.\n"
        "\n"
        "  -a, --all         all: also listeners, handshakes under way and TIME-WAIT\n"
        "  -l, --listening   listeners only: Recv-Q waits for accept, Send-Q is the bound\n"
        "  -o, --options     timers: on (retransmission), persist, delack, keepalive,\n"
        "                    timewait, linger; the time left; how often it has fired\n"
        "  -i, --info        RTT and RTO in ms, windows, what limits the sender now\n"
        "  -e, --extended    buffers, and windows in bytes\n"
        "  -j, --json        everything as JSON, in bytes and microseconds\n"
        "  -t, -n            as ss: TCP and numbers, which is all there is here\n" LOOK_OPTIONS_TEXT
        "\n" LOOK_STATUS_TEXT;
    static const struct option options[] = {{"help", no_argument, NULL, CLI_HELP},
                                            {"tun", required_argument, NULL, CLI_TUN},
                                            {"all", no_argument, NULL, 'a'},
                                            {"listening", no_argument, NULL, 'l'},
                                            {"options", no_argument, NULL, 'o'},
                                            {"info", no_argument, NULL, 'i'},
                                            {"extended", no_argument, NULL, 'e'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"tcp", no_argument, NULL, 't'},
                                            {"numeric", no_argument, NULL, 'n'},
                                            {NULL, 0, NULL, 0}};
    struct cli cli;
    struct ss ss = {.which = "conn"};
    const char *tun = NULL;
    char request[32], *answer;
    int option;
    cli_init(&cli, "rill ss");
    while ((option = getopt_long(argc, argv, ":htnioelaj", options, NULL)) != -1) {
        int status = ss_option(&ss, option) ? -1 : cli_option(&cli, option, argv[optind - 1], usage);
        if (status >= 0)
            return status;
        tun = option == CLI_TUN ? optarg : tun;
    }
    if (optind < argc)
        return cli_usage_error(&cli, "'%s' is one argument too many", argv[optind]);
    (void)snprintf(request, sizeof request, "ss %s", ss.which);
    int status = ask(&cli, tun, request, &answer);
    if (status != 0)
        return status;
    if (ss.json)
        status = fputs(answer, stdout) >= 0 && fflush(stdout) == 0 ? 0 : CLI_FAILURE;
    else
        status = ss_print(&cli, &ss, answer);
    free(answer);
    return status;
}

/* ---- rill link ----------------------------------------------------------------------------------------- */

/* The words behind the command, with a blank between them.  False: too long, or not one line. */
static bool join(char *const *words, char *text, size_t cap)
{
    size_t len = strlen(text);
    for (; *words != NULL; words++) {
        int n = snprintf(text + len, cap - len, " %s", *words);
        if (n < 0 || (size_t)n >= cap - len || strchr(*words, '\n') != NULL)
            return false;
        len += (size_t)n;
    }
    return true;
}

static int link_print(const struct cli *cli, const char *answer, const char *only)
{
    struct json json = {answer, false};
    struct refusal refusal = {"", 0};
    char key[16], spec[TEXT_BYTES];
    (void)json_enter(&json, '{');
    while (json_key(&json, key, sizeof key)) {
        if (strcmp(key, "in") != 0 && strcmp(key, "out") != 0) {
            read_refusal(&json, key, &refusal);
            continue;
        }
        json_string(&json, spec, sizeof spec);
        if (!json.bad && (only == NULL || strcmp(only, key) == 0))
            printf("%-3s %s\n", key, spec);
    }
    return finish(cli, &json, &refusal);
}

int link_main(int argc, char **argv)
{
    static const char usage[] =
        "usage: rill link [OPTION]... [in|out [SPEC]...]\n"
        "\n"
        "Shows or changes what a running stack's link emulation does to the packets that\n"
        "come in from the TUN and go out to it, in the words of tc-netem(8):\n"
        "\n"
        "  rill link in 'loss 5% delay 20ms 5ms'\n"
        "  rill link out none\n"
        "\n"
        "Packets that are under way stay so.\n"
        "\n" LOOK_OPTIONS_TEXT "\n" LOOK_STATUS_TEXT;
    static const struct option options[] = {
        {"help", no_argument, NULL, CLI_HELP}, {"tun", required_argument, NULL, CLI_TUN}, {NULL, 0, NULL, 0}};
    struct cli cli;
    const char *tun = NULL;
    char request[CONTROL_REQUEST_MAX] = "link", *answer;
    int option;
    cli_init(&cli, "rill link");
    while ((option = getopt_long(argc, argv, "+:h", options, NULL)) != -1) {
        int status = cli_option(&cli, option, argv[optind - 1], usage);
        if (status >= 0)
            return status;
        tun = option == CLI_TUN ? optarg : tun;
    }
    const char *direction = argv[optind];
    if (direction != NULL && strcmp(direction, "in") != 0 && strcmp(direction, "out") != 0)
        return cli_usage_error(&cli, "'%s' is neither in nor out", direction);
    if (!join(argv + optind, request, sizeof request))
        return cli_usage_error(&cli, "the specification is too long, or not one line");
    int status = ask(&cli, tun, request, &answer);
    if (status != 0)
        return status;
    status = link_print(&cli, answer, direction);
    free(answer);
    return status;
}

/* ---- rill stat ----------------------------------------------------------------------------------------- */

static const char *meaning(const char *name)
{
    for (int i = 0; i < RILL_EVENT_COUNT; i++)
        if (strcmp(rill_event_name((enum rill_event)i), name) == 0)
            return rill_event_text((enum rill_event)i);
    return "";
}

static int stat_print(const struct cli *cli, const char *answer, bool zeros)
{
    struct json json = {answer, false};
    struct refusal refusal = {"", 0};
    char key[48];
    (void)json_enter(&json, '{');
    while (json_key(&json, key, sizeof key)) {
        if (strcmp(key, "memory_bytes") == 0) {
            printf("%12" PRIu64 "  bytes of memory held\n", json_number(&json));
        } else if (strcmp(key, "counters") == 0 && json_enter(&json, '{')) {
            while (json_key(&json, key, sizeof key)) {
                uint64_t value = json_number(&json);
                if (!json.bad && (zeros || value != 0))
                    printf("%12" PRIu64 "  %-22s %s\n", value, key, meaning(key));
            }
        } else {
            read_refusal(&json, key, &refusal);
        }
    }
    return finish(cli, &json, &refusal);
}

int stat_main(int argc, char **argv)
{
    static const char usage[] =
        "usage: rill stat [OPTION]...\n"
        "\n"
        "Prints what a running stack has counted so far, with what each counter means,\n"
        "and how much memory it holds.  Counters of nothing are left out.\n"
        "\n"
        "  -a, --all         zeros too\n"
        "  -j, --json        all of it as JSON\n" LOOK_OPTIONS_TEXT "\n" LOOK_STATUS_TEXT;
    static const struct option options[] = {{"help", no_argument, NULL, CLI_HELP},
                                            {"tun", required_argument, NULL, CLI_TUN},
                                            {"all", no_argument, NULL, 'a'},
                                            {"json", no_argument, NULL, 'j'},
                                            {NULL, 0, NULL, 0}};
    struct cli cli;
    const char *tun = NULL;
    bool zeros = false, raw = false;
    char *answer;
    int option;
    cli_init(&cli, "rill stat");
    while ((option = getopt_long(argc, argv, ":haj", options, NULL)) != -1) {
        zeros = zeros || option == 'a';
        raw = raw || option == 'j';
        int status = option == 'a' || option == 'j' ? -1 : cli_option(&cli, option, argv[optind - 1], usage);
        if (status >= 0)
            return status;
        tun = option == CLI_TUN ? optarg : tun;
    }
    if (optind < argc)
        return cli_usage_error(&cli, "'%s' is one argument too many", argv[optind]);
    int status = ask(&cli, tun, "stat", &answer);
    if (status != 0)
        return status;
    if (raw)
        status = fputs(answer, stdout) >= 0 && fflush(stdout) == 0 ? 0 : CLI_FAILURE;
    else
        status = stat_print(&cli, answer, zeros);
    free(answer);
    return status;
}
