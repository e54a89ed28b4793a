/* cli.h - what the parts of the `rill` command share.
 *
 * Each subcommand is a function of (argc, argv) that returns the exit status: 0, 1 for a failure at work, 2
 * for a usage error.  They use the public headers only, as any program would; memory.c says why it is
 * different. */
#ifndef RILL_CLI_H
#define RILL_CLI_H

#include <getopt.h>
#include <stdatomic.h>
#include <stdio.h>

#include "rill.h"

enum { CLI_FAILURE = 1, CLI_USAGE = 2 };

/* How long an ending program waits for its connections to close in order. */
#define CLI_STOP_MS 2000

/* ---- Options that every subcommand with a stack has (cli.c) -------------------------------------------- */

enum { VERBOSE_LINE_BYTES = 512 };
struct verbose {
    int fd;           /* where to */
    bool waits_never; /* neither does a write to it: no need to ask whether there is room */
    char name[256];   /* for the message that nothing can be written */
    bool reported;    /* and that has been said */
    uint64_t lost;    /* lines for which there was no room, and of which nothing has been said yet */
    size_t rest_len;  /* the end of a line that was written in part */
    char rest[VERBOSE_LINE_BYTES];
    bool events;       /* also state changes and events, not only segments */
    bool begun;        /* at 0 is the time of the first line */
    rill_time zero_us; /* and this is that time */
};

struct cli {
    const char *name; /* "rill serve": what stands before each message */
    struct rill_options options;
    struct verbose verbose;
    int verbosity;     /* how many -v */
    const char *log;   /* the file for what -v prints, NULL: standard error */
    bool engine_given; /* --break, --with, --without or --cc */
    bool stats;        /* print the counters at the end */
    uint16_t web_port; /* of 127.0.0.1 where a lab has the page, 0: nowhere */
    void (*watch)(void *ctx, const struct rill_trace_event *event); /* a second trace hook, or NULL */
};

/* Values of long options: none is a letter, so that the cause of an error can be told. */
enum {
    CLI_HELP = 256,
    CLI_VERBOSE,
    CLI_VERSION,
    CLI_TUN,
    CLI_ADDR,
    CLI_PEER,
    CLI_MTU,
    CLI_LOG,
    CLI_STATS,
    CLI_TRACE,
    CLI_IN,
    CLI_OUT,
    CLI_BARE,
    CLI_WEB,
    CLI_NO_WEB,
    CLI_BREAK,
    CLI_WITH,
    CLI_WITHOUT,
    CLI_CC,
    CLI_LESSON,
    CLI_COMPARE,
    CLI_DIR,
    CLI_YES
};

#define CLI_SHORT ":hvw:"
#define CLI_LONG                                                                                             \
    {"help", no_argument, NULL, CLI_HELP}, {"verbose", no_argument, NULL, CLI_VERBOSE},                      \
        {"tun", required_argument, NULL, CLI_TUN}, {"addr", required_argument, NULL, CLI_ADDR},              \
        {"peer", required_argument, NULL, CLI_PEER}, {"mtu", required_argument, NULL, CLI_MTU},              \
        {"log", required_argument, NULL, CLI_LOG}, {"trace", required_argument, NULL, CLI_TRACE},            \
        {"in", required_argument, NULL, CLI_IN}, {"out", required_argument, NULL, CLI_OUT},                  \
        {"break", required_argument, NULL, CLI_BREAK}, {"with", required_argument, NULL, CLI_WITH},          \
        {"without", required_argument, NULL, CLI_WITHOUT}, {"cc", required_argument, NULL, CLI_CC},          \
    {                                                                                                        \
        "stats", no_argument, NULL, CLI_STATS                                                                \
    }

#define CLI_STACK_TEXT                                                                                       \
    "  --tun NAME        the TUN device (rill0)\n"                                                           \
    "  --addr ADDRESS    the stack's address (10.77.0.2)\n"                                                  \
    "  --peer ADDR/LEN   the kernel's address on the device (10.77.0.1/24)\n"                                \
    "  --mtu BYTES       68..65535 (1500)\n"                                                                 \
    "  -v, --verbose     print each segment: time, direction, connection, flags,\n"                          \
    "                    seq:end(len), ack, win; twice: states and events too\n"                             \
    "  --log FILE        print that to FILE, also without -v\n"                                              \
    "  -w FILE           write a capture for Wireshark (pcapng): each packet of the\n"                       \
    "                    stack says why it was sent\n"                                                       \
    "  --trace FILE      write what happens, one JSON object a line\n"                                       \
    "  --in LINK         what happens to packets to the stack, in the words of netem\n"                      \
    "  --out LINK        and to those from it, as in: loss 5% delay 20ms 5ms\n"                              \
    "                    rate 10mbit duplicate 1% reorder 25% corrupt 0.1% limit 100\n"                      \
    "                    seed 7; drop 5,9-12; drop data 3; blackout 2s..3s; port 7\n"                        \
    "                    (port 80 is left alone where no port is named)\n"

#define CLI_WORD_LINE(name, word, text) "      " word ": " text "\n"
#define CLI_BREAK_TEXT                                                                                       \
    "  --break RULE,...  leave out rules of TCP, to see what they are for:\n" RILL_BREAKS(CLI_WORD_LINE)

#define CLI_FEATURE_TEXT                                                                                     \
    "  --without WORD,.. turn features off; --with WORD,... on (ecn, pacing are off):\n" RILL_FEATURES(      \
        CLI_WORD_LINE) "  --cc NAME         congestion control (cubic):\n" RILL_CCS(CLI_WORD_LINE)

#define CLI_END_TEXT                                                                                         \
    "  --stats           print the counters to standard error at the end\n"                                  \
    "  -h, --help        this text\n"

#define CLI_OPTIONS_TEXT CLI_STACK_TEXT CLI_FEATURE_TEXT CLI_BREAK_TEXT CLI_END_TEXT

void cli_init(struct cli *cli, const char *name);

/* Takes one result of getopt_long.  -1: go on.  Else the exit status: the usage text has been printed, or the
 * error.  `word` is the argument that getopt_long looked at (for its two error results). */
int cli_option(struct cli *cli, int option, const char *word, const char *usage);

/* Adds the rules of a list to those that are broken (--break).  False: there is no such rule, and the message
 * names all there are. */
bool cli_break(const struct cli *cli, const char *list, uint32_t *broken);

/* The same for features that are turned on or off (--with, --without), and for the one that --cc names. */
bool cli_feature(const struct cli *cli, bool on, const char *list, uint32_t *features);
bool cli_cc(const struct cli *cli, const char *word, enum rill_cc *cc);

/* Prints "NAME: MESSAGE" and where the help is; returns CLI_USAGE. */
int cli_usage_error(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A port in decimal, 1..65535, or -1. */
int cli_port(const char *text);

/* rill_start with the options of the command line.  0, or the exit status, and the failure is printed. */
int cli_start(struct cli *cli);

/* Says why rill_poll has failed: errno. */
void cli_poll_failed(const struct cli *cli);

/* rill_stop, and what -v still has to say. */
void cli_stop(struct cli *cli, int timeout_ms);

/* Prints the counters if --stats was given; before rill_stop. */
void cli_print_stats(const struct cli *cli);

/* SIGINT and SIGTERM become readable on the descriptor returned, and SIGPIPE and SIGXFSZ are ignored.
 * cli_signals_default undoes the first, so that one more of them ends the program at once. */
int cli_signals_open(void);
void cli_signals_default(void);

struct sockaddr_in cli_sockaddr(struct in_addr addr, uint16_t port);
/* "10.77.0.2" */
const char *cli_addr_text(struct in_addr addr, char buffer[INET_ADDRSTRLEN]);
/* The stack's own address as the options have it; they have been checked. */
struct in_addr cli_own_addr(const struct cli *cli);

/* ---- The parts ----------------------------------------------------------------------------------------- */

int serve_main(int argc, char **argv);
int nc_main(int argc, char **argv);
int lab_main(int argc, char **argv);
int memory_main(int argc, char **argv);
int ss_main(int argc, char **argv);
int link_main(int argc, char **argv);
int stat_main(int argc, char **argv);
int plot_main(int argc, char **argv);
int ladder_main(int argc, char **argv);
int why_main(int argc, char **argv);

/* The services that `serve` and `lab` were asked for: (service, port) pairs. */
enum { SERVE_LISTENERS_MAX = 64 };
struct serve_plan {
    int count;
    struct {
        int service; /* index in serve.c's table */
        uint16_t port;
    } listener[SERVE_LISTENERS_MAX];
    bool talk; /* the talk service, on this port */
    uint16_t talk_port;
};

/* Reads SERVICE[:PORT] words.  0 or CLI_USAGE (printed). */
int serve_plan_parse(const struct cli *cli, char *const *words, struct serve_plan *plan);
/* The port of the first service of this name, 0: there is none. */
uint16_t serve_plan_port(const struct serve_plan *plan, const char *name);
/* Starts the stack and serves until a signal.  ready_fd: a byte is written there when all listen, and nothing
 * is printed then; -1: the lines to try are printed.  The exit status. */
int serve_run(struct cli *cli, const struct serve_plan *plan, int ready_fd);
/* The lines to try, one for each service. */
void serve_print_hints(const struct cli *cli, const struct serve_plan *plan, FILE *out);

/* The classic first server.  talk_listen: the listening descriptor, or -1; talk_serve: one conversation with
 * one client, 0 or -1.  A failure is printed, unless *quiet is set because the program is ending. */
int talk_listen(uint16_t port);
int talk_serve(int server, const atomic_bool *quiet);

/* Prints one event of the engine's trace; the context is a struct verbose, and verbose_open has said where
 * to.  A reader that is too slow loses lines and is told how many; verbose_end does that at the end. */
void verbose_open(struct verbose *verbose, int fd);
void verbose_end(struct verbose *verbose);
void verbose_trace(void *ctx, const struct rill_trace_event *event);

#endif
