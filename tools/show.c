/* show.c - see show.h. */
#include "show.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint64_t show_number(const char *text)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    return *text < '0' || *text > '9' || *end != '\0' || errno != 0 ? 0 : value;
}

int show_option(struct cli *cli, struct show_options *show, int option, const char *word, const char *usage)
{
    switch (option) {
    case 'o':
        show->output = optarg;
        return -1;
    case 'l':
        show->local = optarg;
        return -1;
    case 'c':
        show->conn = show_number(optarg);
        if (show->conn == 0)
            return cli_usage_error(cli, "--conn: '%s' is not a number of a connection (1, 2, ...)", optarg);
        return -1;
    default:
        return cli_option(cli, option, word, usage);
    }
}

int show_arguments(struct cli *cli, struct show_options *show, int argc, char **argv)
{
    if (optind >= argc)
        return cli_usage_error(cli, "which file?  A trace or a capture");
    if (optind + 1 < argc)
        return cli_usage_error(cli, "one file at a time, not also '%s'", argv[optind + 1]);
    show->file = argv[optind];
    return -1;
}

int show_open(const struct cli *cli, const struct show_options *show, struct trace *trace,
              const struct trace_conn **conn)
{
    const char *file = strcmp(show->file, "-") == 0 ? "standard input" : show->file;
    if (trace_read(trace, show->file, show->local) != 0) {
        fprintf(stderr, "%s: %s: %s\n", cli->name, file, trace->error);
        return CLI_FAILURE;
    }
    if (show->local != NULL && !trace->capture)
        return cli_usage_error(cli, "--local is for a capture; a trace knows its side");
    if (*trace->note != '\0')
        fprintf(stderr, "%s: %s: %s\n", cli->name, file, trace->note);
    for (size_t i = 0; conn == NULL && i < trace->conn_count; i++)
        if (trace->conns[i].seg_count > 0)
            return 0;
    if (conn == NULL) {
        fprintf(stderr, "%s: %s: no TCP segment in it\n", cli->name, file);
        return CLI_FAILURE;
    }
    *conn = trace_pick(trace, show->conn);
    if (*conn != NULL && (*conn)->seg_count > 0)
        return 0;
    if (show->conn == 0)
        fprintf(stderr, "%s: %s: no TCP connection in it\n", cli->name, file);
    else
        fprintf(stderr, "%s: %s: no connection %llu in it\n", cli->name, file,
                (unsigned long long)show->conn);
    return CLI_FAILURE;
}

FILE *show_output(const struct cli *cli, const struct show_options *show)
{
    FILE *file = show->output == NULL || strcmp(show->output, "-") == 0 ? stdout : fopen(show->output, "we");
    if (file == NULL)
        fprintf(stderr, "%s: %s: %s\n", cli->name, show->output, strerror(errno));
    return file;
}

int show_close(const struct cli *cli, const struct show_options *show, FILE *file)
{
    bool failed = fflush(file) != 0 || ferror(file);
    int code = errno;
    if (file != stdout && fclose(file) != 0 && !failed) {
        failed = true;
        code = errno;
    }
    if (failed)
        fprintf(stderr, "%s: %s: %s\n", cli->name, show->output == NULL ? "standard output" : show->output,
                strerror(code));
    return failed ? CLI_FAILURE : 0;
}
