/* show.h - what plot, ladder and why have in common: a file, a connection of it, and where to write. */
#ifndef RILL_SHOW_H
#define RILL_SHOW_H

#include "cli.h"
#include "trace_read.h"

struct show_options {
    const char *file, *output, *local;
    uint64_t conn; /* 0: not said */
};

#define SHOW_SHORT ":ho:"
#define SHOW_LONG                                                                                            \
    {"help", no_argument, NULL, CLI_HELP}, {"output", required_argument, NULL, 'o'},                         \
        {"conn", required_argument, NULL, 'c'},                                                              \
    {                                                                                                        \
        "local", required_argument, NULL, 'l'                                                                \
    }

/* "12" with nothing around it; 0: it is no such number. */
uint64_t show_number(const char *text);

/* As cli_option: -1 is go on. */
int show_option(struct cli *cli, struct show_options *show, int option, const char *word, const char *usage);
/* After the options: the file's name.  -1, or CLI_USAGE. */
int show_arguments(struct cli *cli, struct show_options *show, int argc, char **argv);

/* Reads the file and finds the connection; with conn NULL, any segment will do.  0, or CLI_FAILURE or
 * CLI_USAGE with the reason printed. */
int show_open(const struct cli *cli, const struct show_options *show, struct trace *trace,
              const struct trace_conn **conn);
/* Opens what -o names, or standard output; closes it and says whether all was written. */
FILE *show_output(const struct cli *cli, const struct show_options *show);
int show_close(const struct cli *cli, const struct show_options *show, FILE *file);

#endif
