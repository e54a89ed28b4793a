/* command.h - runs the `rill` command, the program that RILL names, as a child of the test. */
#ifndef COMMAND_H
#define COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { COMMAND_TEXT_BYTES = 16384 };

/* A running command.  `out` and `err` are the ends of pipes from it, `in` of one to it. */
struct command {
    pid_t pid;
    int in, out, err;
};

/* What a command that has ended left. */
struct command_result {
    int status; /* as the shell has it: 128 + N for signal N */
    char out[COMMAND_TEXT_BYTES], err[COMMAND_TEXT_BYTES];
};

/* argv[0] is the subcommand or an option: `rill` itself goes without saying.  Ends with NULL. */
struct command command_start(const char *const *argv);
/* The same on a pseudo-terminal: in, out and err are its other side. */
struct command command_start_on_terminal(const char *const *argv);

/* Reads from fd until the text has come, at most COMMAND_TEXT_BYTES and ten seconds; carriage returns are
 * left out.  Appends to seen, which is a string of COMMAND_TEXT_BYTES. */
bool command_read_until(int fd, const char *text, char *seen);

/* Waits for its end: the status as in command_result. */
int command_wait(struct command *command);

/* Runs it from beginning to end with `input` as its standard input. */
void command_run(const char *const *argv, const char *input, struct command_result *result);

#endif
