/* cli.c - options, messages, signals and addresses: what the subcommands have in common. */
#include "cli.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define SPACE_WORD(name, word, text) " " word
#define WORD(name, word, text) word,

void cli_init(struct cli *cli, const char *name)
{
    memset(cli, 0, sizeof *cli);
    cli->name = name;
    rill_options_default(&cli->options);
}

int cli_usage_error(const struct cli *cli, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", cli->name);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\nTry '%s --help'.\n", cli->name);
    va_end(args);
    return CLI_USAGE;
}

/* A decimal number without sign, blanks or anything behind it; -1 if it is none or above max. */
static long number(const char *text, long max)
{
    long value = 0;
    if (*text == '\0')
        return -1;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        value = value * 10 + (*text - '0');
        if (value > max)
            return -1;
    }
    return value;
}

int cli_port(const char *text)
{
    long port = number(text, 65535);
    return port < 1 ? -1 : (int)port;
}

static bool is_addr(const char *text)
{
    struct in_addr addr;
    return inet_pton(AF_INET, text, &addr) == 1;
}

static bool is_addr_with_length(const char *text)
{
    char addr[INET_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    if (slash == NULL || (size_t)(slash - text) >= sizeof addr)
        return false;
    memcpy(addr, text, (size_t)(slash - text));
    addr[slash - text] = '\0';
    return is_addr(addr) && slash[1] != '0' && number(slash + 1, 30) >= 1;
}

static int set_mtu(struct cli *cli)
{
    long mtu = number(optarg, 65535);
    if (mtu < 68)
        return cli_usage_error(cli, "--mtu: '%s' is not a number from 68 to 65535", optarg);
    cli->options.mtu = (int)mtu;
    return -1;
}

/* Which of `count` words the first `len` bytes of text are; count: none. */
static int word_index(const char *text, size_t len, const char *const *words, int count)
{
    int i = 0;
    while (i < count && (strlen(words[i]) != len || strncmp(words[i], text, len) != 0))
        i++;
    return i;
}

bool cli_break(const struct cli *cli, const char *list, uint32_t *broken)
{
    static const char *const words[] = {RILL_BREAKS(WORD)};
    for (;; list++) {
        size_t len = strcspn(list, ",");
        int rule = word_index(list, len, words, RILL_BREAK_COUNT);
        if (rule == RILL_BREAK_COUNT) {
            cli_usage_error(cli, "--break: unknown rule '%.*s'; there are" RILL_BREAKS(SPACE_WORD), (int)len,
                            list);
            return false;
        }
        *broken |= 1u << rule;
        list += len;
        if (*list == '\0')
            return true;
    }
}

bool cli_feature(const struct cli *cli, bool on, const char *list, uint32_t *features)
{
    static const char *const words[] = {RILL_FEATURES(WORD)};
    for (;; list++) {
        size_t len = strcspn(list, ",");
        int feature = word_index(list, len, words, RILL_FEATURE_COUNT);
        if (feature == RILL_FEATURE_COUNT) {
            cli_usage_error(cli, "--%s: unknown feature '%.*s'; there are" RILL_FEATURES(SPACE_WORD),
                            on ? "with" : "without", (int)len, list);
            return false;
        }
        *features = on ? *features | 1u << feature : *features & ~(1u << feature);
        list += len;
        if (*list == '\0')
            return true;
    }
}

bool cli_cc(const struct cli *cli, const char *word, enum rill_cc *cc)
{
    static const char *const words[] = {RILL_CCS(WORD)};
    int found = word_index(word, strlen(word), words, RILL_CC_COUNT);
    if (found == RILL_CC_COUNT) {
        cli_usage_error(cli, "--cc: unknown congestion control '%s'; there are" RILL_CCS(SPACE_WORD), word);
        return false;
    }
    *cc = (enum rill_cc)found;
    return true;
}

/* After each of -w and --trace.  -1: go on. */
static int check_files(const struct cli *cli, const char *option)
{
    const char *capture = cli->options.capture, *trace = cli->options.trace_file;
    if (strcmp(optarg, "-") == 0)
        return cli_usage_error(cli, "%s writes to a file, not to standard output; name one", option);
    /* Two that go to one device lose nothing to each other. */
    if (capture != NULL && trace != NULL && strcmp(capture, trace) == 0 && strncmp(trace, "/dev/", 5) != 0)
        return cli_usage_error(cli, "-w and --trace name the same file: %s", trace);
    return -1;
}

int cli_option(struct cli *cli, int option, const char *word, const char *usage)
{
    switch (option) {
    case 'h':
    case CLI_HELP:
        fputs(usage, stdout);
        return 0;
    case 'v':
    case CLI_VERBOSE:
        cli->verbosity++;
        return -1;
    case CLI_TUN:
        if (*optarg == '\0' || strlen(optarg) > 15 || strchr(optarg, '/') != NULL)
            return cli_usage_error(cli, "--tun: '%s' is not a device name (1 to 15 bytes)", optarg);
        cli->options.tun = optarg;
        return -1;
    case CLI_ADDR:
        if (!is_addr(optarg))
            return cli_usage_error(cli, "--addr: '%s' is not an IPv4 address", optarg);
        cli->options.addr = optarg;
        return -1;
    case CLI_PEER:
        if (!is_addr_with_length(optarg))
            return cli_usage_error(cli, "--peer: '%s' is not an IPv4 address with /1 to /30", optarg);
        cli->options.peer = optarg;
        return -1;
    case CLI_MTU:
        return set_mtu(cli);
    case CLI_LOG:
        cli->log = optarg;
        return -1;
    case 'w':
        cli->options.capture = optarg;
        return check_files(cli, "-w");
    case CLI_TRACE:
        cli->options.trace_file = optarg;
        return check_files(cli, "--trace");
    case CLI_IN:
    case CLI_OUT:
        if (rill_link_check(optarg) != 0) {
            fprintf(stderr, "%s: --%s: %s\n", cli->name, option == CLI_IN ? "in" : "out", rill_error());
            return CLI_USAGE;
        }
        *(option == CLI_IN ? &cli->options.link_in : &cli->options.link_out) = optarg;
        return -1;
    case CLI_BREAK:
        cli->engine_given = true;
        return cli_break(cli, optarg, &cli->options.engine.broken) ? -1 : CLI_USAGE;
    case CLI_WITH:
    case CLI_WITHOUT:
        cli->engine_given = true;
        return cli_feature(cli, option == CLI_WITH, optarg, &cli->options.engine.features) ? -1 : CLI_USAGE;
    case CLI_CC:
        cli->engine_given = true;
        return cli_cc(cli, optarg, &cli->options.engine.cc) ? -1 : CLI_USAGE;
    case CLI_STATS:
        cli->stats = true;
        return -1;
    case ':':
        return cli_usage_error(cli, "option '%s' needs a value", word);
    default: /* '?'; optopt is 0 for an unknown long option, and its value for a known one */
        if (optopt == 0)
            return cli_usage_error(cli, "unknown option '%s'", word);
        if (optopt >= CLI_HELP)
            return cli_usage_error(cli, "option '%s' takes no value", word);
        return cli_usage_error(cli, "unknown option '-%c'", optopt);
    }
}

/* The engine has one hook, and there may be two who listen. */
static void fan_out(void *ctx, const struct rill_trace_event *event)
{
    struct cli *cli = ctx;
    if (cli->verbosity > 0)
        verbose_trace(&cli->verbose, event);
    if (cli->watch != NULL)
        cli->watch(cli, event);
}

/* Where -v prints to: the file is made anew, and a FIFO that nobody reads is not waited for. */
static int open_log(struct cli *cli)
{
    int fd = STDERR_FILENO;
    if (cli->log != NULL)
        fd = open(cli->log, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
    if (fd < 0) {
        fprintf(stderr, "%s: --log %s: %s\n", cli->name, cli->log,
                errno == ENXIO ? "nobody reads it" : strerror(errno));
        return CLI_FAILURE;
    }
    (void)snprintf(cli->verbose.name, sizeof cli->verbose.name, "%s%s%s", cli->name,
                   cli->log != NULL ? ": --log " : "", cli->log != NULL ? cli->log : "");
    cli->verbose.events = cli->verbosity > 1;
    verbose_open(&cli->verbose, fd);
    return 0;
}

int cli_start(struct cli *cli)
{
    if (cli->log != NULL && cli->verbosity == 0)
        cli->verbosity = 1;
    if (cli->verbosity > 0 && open_log(cli) != 0)
        return CLI_FAILURE;
    if (cli->verbosity > 0 || cli->watch != NULL) {
        cli->options.engine.trace = fan_out;
        cli->options.engine.trace_ctx = cli;
    }
    if (rill_start(&cli->options) == 0)
        return 0;
    if (errno == EINVAL) /* options that no machine could start with */
        return cli_usage_error(cli, "%s", rill_error());
    fprintf(stderr, "%s: %s\n", cli->name, rill_error());
    return CLI_FAILURE;
}

void cli_poll_failed(const struct cli *cli)
{
    if (errno == ENETDOWN)
        fprintf(stderr, "%s: %s is gone: somebody has deleted the device\n", cli->name, cli->options.tun);
    else
        fprintf(stderr, "%s: rill_poll: %s\n", cli->name, strerror(errno));
}

void cli_stop(struct cli *cli, int timeout_ms)
{
    rill_stop(timeout_ms);
    if (cli->verbosity > 0)
        verbose_end(&cli->verbose);
}

void cli_print_stats(const struct cli *cli)
{
    uint64_t counters[RILL_EVENT_COUNT];
    size_t memory_bytes;
    if (!cli->stats || rill_counters(counters, &memory_bytes) != 0)
        return;
    for (int event = 0; event < RILL_EVENT_COUNT; event++) {
        if (counters[event] != 0)
            fprintf(stderr, "%12" PRIu64 "  %-20s %s\n", counters[event],
                    rill_event_name((enum rill_event)event), rill_event_text((enum rill_event)event));
    }
    fprintf(stderr, "%12zu  bytes of memory held\n", memory_bytes);
}

static void signal_set(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
}

int cli_signals_open(void)
{
    sigset_t set;
    signal_set(&set);
    /* At the limit of a file's size, write() says so as it does of a full disk. */
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGXFSZ, SIG_IGN) == SIG_ERR ||
        sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

void cli_signals_default(void)
{
    /* The signal that brought us here is still pending: nobody has read it.  It must not count again. */
    sigset_t set;
    struct timespec zero = {0, 0};
    signal_set(&set);
    (void)sigtimedwait(&set, NULL, &zero);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

struct sockaddr_in cli_sockaddr(struct in_addr addr, uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = addr, .sin_port = htons(port)};
}

struct in_addr cli_own_addr(const struct cli *cli)
{
    struct in_addr addr = {htonl(INADDR_ANY)};
    (void)inet_pton(AF_INET, cli->options.addr, &addr);
    return addr;
}

const char *cli_addr_text(struct in_addr addr, char buffer[INET_ADDRSTRLEN])
{
    return inet_ntop(AF_INET, &addr, buffer, INET_ADDRSTRLEN);
}
