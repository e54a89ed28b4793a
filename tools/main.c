/* main.c - the `rill` command: picks the subcommand. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: rill COMMAND [OPTION]... [ARGUMENT]...\n"
    "\n"
    "A TCP/IPv4 stack in user space, over a TUN device.\n"
    "\n"
    "  serve [SERVICE[:PORT]]...   run services on the stack\n"
    "  nc [-N] HOST PORT           relay standard input and output over a connection\n"
    "  nc -l [-N] [HOST] PORT      the same, but wait for one\n"
    "  lab [-- CMD [ARG]...]       run CMD or a shell in a private network namespace\n"
    "                              that has the stack and its services in it\n"
    "  ss                          the connections of a running stack\n"
    "  link [in|out [SPEC]]        show or change its link emulation\n"
    "  stat                        its counters, with their meanings\n"
    "  plot FILE                   a trace or a capture as a picture over time (SVG)\n"
    "  ladder FILE                 as a sequence diagram\n"
    "  why FILE                    in words: what was sent again, and why\n"
    "\n"
    "'rill COMMAND --help' says more.\n"
    "\n"
    "  -h, --help      this text\n"
    "  -V, --version   the version\n"
    "\n"
    "Exit status: 0, 1 for a failure, 2 for a usage error.\n";

static const struct {
    const char *name;
    int (*main)(int argc, char **argv);
} commands[] = {
    {"serve", serve_main}, {"nc", nc_main},
    {"lab", lab_main},     {"ss", ss_main},
    {"link", link_main},   {"stat", stat_main},
    {"plot", plot_main},   {"ladder", ladder_main},
    {"why", why_main},     {"memory-demo", memory_main}, /* for tools/demo; not in the help */
};

/* Whatever is opened later must not become one of the three.  A closed input has ended, and a closed standard
 * error takes all; standard output does not take what nobody would get, and is an error as if it was still
 * closed. */
static void fill_standard_descriptors(void)
{
    static const int modes[] = {O_RDWR, O_RDONLY, O_RDWR};
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", modes[fd]); /* the lowest number that is free: this one */
}

/* What has not arrived was not printed. */
static int checked(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (status == 0)
        fprintf(stderr, "rill: standard output: %s\n", strerror(errno));
    return status != 0 ? status : CLI_FAILURE;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"help", no_argument, NULL, CLI_HELP},
                                            {"version", no_argument, NULL, CLI_VERSION},
                                            {NULL, 0, NULL, 0}};
    struct cli cli;
    cli_init(&cli, "rill");
    opterr = 0;
    int option = getopt_long(argc, argv, "+:hV", options, NULL);
    if (option == 'V' || option == CLI_VERSION) {
        printf("rill %s\n", RILL_VERSION);
        return 0;
    }
    if (option != -1)
        return cli_option(&cli, option, argv[optind - 1], usage);
    if (optind >= argc) {
        fputs(usage, stderr);
        return CLI_USAGE;
    }
    const char *name = argv[optind];
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(name, commands[i].name) == 0) {
            int first = optind;
            optind = 0; /* glibc: start anew, with a new vector */
            return commands[i].main(argc - first, argv + first);
        }
    }
    return cli_usage_error(&cli, "unknown command '%s'", name);
}

int main(int argc, char **argv)
{
    fill_standard_descriptors();
    return checked(run(argc, argv));
}
