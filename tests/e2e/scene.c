/* scene.c - see scene.h.
 *
 *     cmocka ── guard (netns_run's child) ── body ── rill, nc, ping, …
 *
 * The guard is the reaper of all that the body and its programs leave behind, and so knows what to end. */
#include "scene.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

enum { LIMIT_S = 60, PATIENCE_US = 10000000, SCRIPT_BYTES = 4096, LEFT_OVER_MS = 1000 };

static void (*the_body)(void);
static char stats[COMMAND_TEXT_BYTES];

/* ---- The guard ----------------------------------------------------------------------------------------- */

static pid_t parent_of(const char *pid_text)
{
    char path[288], stat[512];
    (void)snprintf(path, sizeof path, "/proc/%s/stat", pid_text);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, stat, sizeof stat - 1);
    (void)close(fd);
    stat[n > 0 ? n : 0] = '\0';
    /* The name, in brackets, may hold anything; behind it come the state and the parent. */
    const char *rest = strrchr(stat, ')');
    return rest != NULL && strlen(rest) > 4 ? (pid_t)strtol(rest + 4, NULL, 10) : -1;
}

static void kill_children(void)
{
    DIR *proc = opendir("/proc");
    if (proc == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(proc)) != NULL;)
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && parent_of(entry->d_name) == getpid())
            (void)kill((pid_t)strtol(entry->d_name, NULL, 10), SIGKILL);
    (void)closedir(proc);
}

/* Takes in those that have ended; whether there are others. */
static bool has_children(void)
{
    pid_t pid;
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
        ;
    return pid == 0;
}

/* Whether there was somebody who had to be ended. */
static bool end_descendants(unsigned grace_ms)
{
    bool left = false;
    for (unsigned ms = 0; ms < grace_ms && has_children(); ms++)
        sleep_ms(1);
    for (int i = 0; i < 1000 && has_children(); i++) {
        left = true;
        kill_children(); /* and their children become ours */
        sleep_ms(1);
    }
    return left;
}

static void body_process(const char *directory, const sigset_t *mask)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)sigprocmask(SIG_SETMASK, mask, NULL);
    CHECK(chdir(directory) == 0);
    the_body();
    _exit(0);
}

static void guard(void)
{
    char directory[] = "/tmp/rill-scene-XXXXXX", remove[64];
    sigset_t set, before;
    int status = 0, caught = 0;
    CHECK(mkdtemp(directory) != NULL);
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGALRM); /* netns_run's limit */
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGCHLD);
    CHECK(sigprocmask(SIG_BLOCK, &set, &before) == 0);
    pid_t body = fork();
    CHECK(body >= 0);
    if (body == 0)
        body_process(directory, &before);
    while (caught == 0 && waitpid(body, &status, WNOHANG) == 0) {
        int signal_number = sigwaitinfo(&set, NULL);
        if (signal_number != SIGCHLD && signal_number > 0)
            caught = signal_number;
    }
    bool good = caught == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    bool left = end_descendants(good ? LEFT_OVER_MS : 0);
    (void)snprintf(remove, sizeof remove, "rm -rf %s", directory);
    if (system(remove) != 0)
        (void)fprintf(stderr, "%s: cannot be removed\n", directory);
    if (good && left)
        (void)fprintf(stderr, "a process was left over when the test had ended\n");
    if (caught != 0) {
        (void)signal(caught, SIG_DFL);
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
        (void)raise(caught);
    }
    _exit(good ? left : WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

void scene_run(void (*body)(void))
{
    static char path[PATH_MAX];
    const char *program = getenv("RILL");
    /* The body changes its directory. */
    if (realpath(program != NULL ? program : "build/rill", path) != NULL)
        (void)setenv("RILL", path, 1);
    the_body = body;
    netns_run(guard, LIMIT_S);
}

/* ---- Scripts ------------------------------------------------------------------------------------------- */

/* The script in a shell that writes both outputs to `out`; -1: to those of the test. */
static pid_t start_shell(const char *format, va_list args, int out)
{
    char script[SCRIPT_BYTES];
    int len = vsnprintf(script, sizeof script, format, args);
    CHECK(len > 0 && (size_t)len < sizeof script);
    (void)fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0)
        return pid;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    (void)dup2(null, STDIN_FILENO);
    (void)dup2(out >= 0 ? out : STDERR_FILENO, STDOUT_FILENO);
    (void)dup2(STDOUT_FILENO, STDERR_FILENO);
    (void)setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
    (void)setenv("LC_ALL", "C", 1);
    (void)execl("/bin/sh", "sh", "-c", script, (char *)NULL);
    _exit(127);
}

static int status_of(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int try_script(char out[COMMAND_TEXT_BYTES], const char *format, va_list args)
{
    int ends[2], status;
    size_t len = 0;
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    pid_t pid = start_shell(format, args, ends[1]);
    CHECK(close(ends[1]) == 0);
    for (ssize_t n; (n = read(ends[0], out + len, COMMAND_TEXT_BYTES - 1 - len)) != 0; len += (size_t)n)
        CHECK(n > 0);
    out[len] = '\0';
    CHECK(len < COMMAND_TEXT_BYTES - 1);
    CHECK(close(ends[0]) == 0);
    CHECK(waitpid(pid, &status, 0) == pid);
    return status_of(status);
}

int scene_try(char out[COMMAND_TEXT_BYTES], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int status = try_script(out, format, args);
    va_end(args);
    return status;
}

void scene_do(const char *format, ...)
{
    static char out[COMMAND_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    int status = try_script(out, format, args);
    va_end(args);
    if (status != 0) {
        va_start(args, format);
        (void)vfprintf(stderr, format, args);
        va_end(args);
        (void)fprintf(stderr, "\nended with status %d and said:\n%s", status, out);
        _exit(1);
    }
}

pid_t scene_start(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    pid_t pid = start_shell(format, args, -1);
    va_end(args);
    return pid;
}

int scene_join(pid_t pid)
{
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    return status_of(status);
}

void scene_await(const char *format, ...)
{
    static char out[COMMAND_TEXT_BYTES];
    int64_t end_us = mono_us() + PATIENCE_US;
    int status;
    do {
        va_list args;
        va_start(args, format);
        status = try_script(out, format, args);
        va_end(args);
        if (status != 0)
            sleep_ms(10);
    } while (status != 0 && mono_us() < end_us);
    if (status != 0)
        (void)fprintf(stderr, "never so: %s\n%s", format, out);
    CHECK(status == 0);
}

void scene_needs(const char *program)
{
    static char out[COMMAND_TEXT_BYTES], why[128];
    if (scene_try(out, "command -v %s", program) == 0)
        return;
    (void)snprintf(why, sizeof why, "%s is not installed (tools/setup ci installs it)", program);
    netns_skip(why);
}

/* ---- rill serve ---------------------------------------------------------------------------------------- */

struct command scene_serve(const char *const *argv)
{
    static char seen[COMMAND_TEXT_BYTES];
    const char *full[16] = {"serve", "--stats"};
    for (int i = 2; *argv != NULL; i++) {
        CHECK(i < 15);
        full[i] = *argv++;
    }
    seen[0] = '\0';
    struct command command = command_start(full);
    CHECK(command_read_until(command.out, "Ctrl-C ends it.\n", seen));
    return command;
}

void scene_stop(struct command *command)
{
    CHECK(kill(command->pid, SIGTERM) == 0);
    int status = command_wait(command);
    size_t len = kernel_read(command->err, stats, sizeof stats - 1);
    stats[len] = '\0';
    if (status != 0)
        (void)fprintf(stderr, "rill ended with status %d and said:\n%s", status, stats);
    CHECK(status == 0);
    (void)close(command->in);
    (void)close(command->out);
    (void)close(command->err);
}

uint64_t scene_counter(const char *name)
{
    char key[64];
    (void)snprintf(key, sizeof key, "  %s ", name);
    char *end, *at = strstr(stats, key);
    CHECK(strstr(stats, "bytes of memory held") != NULL); /* there are counters at all */
    if (at == NULL)
        return 0;
    while (at > stats && at[-1] != '\n')
        at--;
    uint64_t value = strtoull(at, &end, 10);
    CHECK(end > at);
    return value;
}

/* ---- The kernel ---------------------------------------------------------------------------------------- */

uint64_t scene_snmp(const char *group, const char *name)
{
    char names[2048], values[2048], *name_rest = NULL, *value_rest = NULL;
    FILE *file = fopen("/proc/net/snmp", "re");
    CHECK(file != NULL);
    while (fgets(names, sizeof names, file) != NULL && fgets(values, sizeof values, file) != NULL) {
        const char *key = strtok_r(names, ": \n", &name_rest);
        if (key == NULL || strcmp(key, group) != 0)
            continue;
        (void)strtok_r(values, ": \n", &value_rest);
        while ((key = strtok_r(NULL, " \n", &name_rest)) != NULL) {
            const char *value = strtok_r(NULL, " \n", &value_rest);
            CHECK(value != NULL);
            if (strcmp(key, name) == 0) {
                CHECK(fclose(file) == 0);
                return strtoull(value, NULL, 10);
            }
        }
    }
    (void)fprintf(stderr, "the kernel does not count %s %s\n", group, name);
    _exit(1);
}

int scene_here(void)
{
    int fd = open("/proc/self/ns/net", O_RDONLY); /* NOLINT(android-cloexec-open): for scripts */
    CHECK(fd >= 0);
    return fd;
}

void scene_enter(int namespace) { CHECK(setns(namespace, CLONE_NEWNET) == 0); }

int scene_namespace(void)
{
    int home = scene_here();
    CHECK(netns_enter() == 0);
    int fd = scene_here();
    scene_enter(home);
    CHECK(close(home) == 0);
    return fd;
}

void scene_limit_reads(int fd, int seconds)
{
    struct timeval limit = {seconds, 0};
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
}
