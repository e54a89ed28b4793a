/* command.c - see command.h. */
#include "command.h"

#include "netns.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { ARGS_MAX = 16, PATIENCE_MS = 10000 };

static void exec_rill(const char *const *argv)
{
    const char *program = getenv("RILL");
    const char *full[ARGS_MAX + 2];
    int count = 0;
    if (program == NULL)
        program = "build/rill";
    full[count++] = "rill";
    while (*argv != NULL && count <= ARGS_MAX)
        full[count++] = *argv++;
    full[count] = NULL;
    /* What the test holds must not look as if the command held it: the end of a pipe is the end of its
     * writers. */
    for (int fd = 3; fd < 64; fd++)
        (void)close(fd);
    (void)alarm(0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing running */
    (void)execv(program, (char *const *)(uintptr_t)full);
    perror(program);
    _exit(127);
}

struct command command_start(const char *const *argv)
{
    int in[2], out[2], err[2];
    CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0);
    (void)fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        (void)dup2(in[0], STDIN_FILENO);
        (void)dup2(out[1], STDOUT_FILENO);
        (void)dup2(err[1], STDERR_FILENO);
        exec_rill(argv);
    }
    (void)close(in[0]);
    (void)close(out[1]);
    (void)close(err[1]);
    return (struct command){pid, in[1], out[0], err[0]};
}

struct command command_start_on_terminal(const char *const *argv)
{
    int terminal;
    (void)fflush(NULL);
    pid_t pid = forkpty(&terminal, NULL, NULL, NULL);
    CHECK(pid >= 0);
    if (pid == 0)
        exec_rill(argv);
    return (struct command){pid, terminal, terminal, terminal};
}

bool command_read_until(int fd, const char *text, char *seen)
{
    size_t len = strlen(seen);
    int64_t end_us = mono_us() + PATIENCE_MS * 1000;
    while (strstr(seen, text) == NULL) {
        struct pollfd ready = {fd, POLLIN, 0};
        char byte;
        if (mono_us() > end_us || len + 1 >= COMMAND_TEXT_BYTES || poll(&ready, 1, PATIENCE_MS) != 1 ||
            read(fd, &byte, 1) != 1)
            return false;
        if (byte == '\r')
            continue;
        seen[len++] = byte;
        seen[len] = '\0';
    }
    return true;
}

int command_wait(struct command *command)
{
    int status;
    pid_t pid = 0;
    int64_t end_us = mono_us() + PATIENCE_MS * 1000;
    while ((pid = waitpid(command->pid, &status, WNOHANG)) == 0 && mono_us() < end_us)
        sleep_ms(2);
    if (pid == 0) {
        (void)kill(command->pid, SIGKILL);
        (void)waitpid(command->pid, &status, 0);
    }
    CHECK(pid == command->pid);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Both ends are read together, so that neither pipe can fill up and stop the command. */
static void read_all(const struct command *command, struct command_result *result)
{
    struct pollfd ends[] = {{command->out, POLLIN, 0}, {command->err, POLLIN, 0}};
    char *text[] = {result->out, result->err};
    size_t len[] = {0, 0};
    while (ends[0].fd >= 0 || ends[1].fd >= 0) {
        CHECK(poll(ends, 2, PATIENCE_MS) > 0);
        for (int i = 0; i < 2; i++) {
            if (ends[i].fd < 0 || ends[i].revents == 0)
                continue;
            CHECK(len[i] + 1 < COMMAND_TEXT_BYTES);
            ssize_t n = read(ends[i].fd, text[i] + len[i], COMMAND_TEXT_BYTES - 1 - len[i]);
            CHECK(n >= 0);
            len[i] += (size_t)n;
            if (n == 0)
                ends[i].fd = -1;
        }
    }
    text[0][len[0]] = text[1][len[1]] = '\0';
}

void command_run(const char *const *argv, const char *input, struct command_result *result)
{
    struct command command = command_start(argv);
    CHECK(write(command.in, input, strlen(input)) == (ssize_t)strlen(input));
    (void)close(command.in);
    read_all(&command, result);
    (void)close(command.out);
    (void)close(command.err);
    result->status = command_wait(&command);
}
