/* lab.c - `rill lab`: a network namespace of its own, with the stack in it, and a command or a shell.
 *
 *     rill lab ──┬── the stack and its services (a session of its own; dies with rill lab)
 *                ├── the relay from 127.0.0.1 outside to the page in here (likewise)
 *                └── CMD or $SHELL (its status is ours)
 *
 * With CAP_SYS_ADMIN the network namespace is made as it is; without, inside a user namespace in which the
 * caller is root, so that no privilege is needed where /dev/net/tun may be opened by everybody.  Nothing
 * outlives it: the namespaces and the device go with the last process in them. */
#include "cli.h"
#include "control.h"
#include "lesson.h"
#include "orphans.h"
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct lab {
    struct cli cli;
    struct serve_plan plan;
    bool bare;        /* no stack: only the namespace */
    bool web, no_web; /* --web PORT and --no-web were given */
    int web_fd;       /* listens in the namespace that we came from, -1: nothing does */
    uint16_t http_port;
    pid_t stack, relay; /* 0: there is none */
    bool lost;          /* the stack ended before the command did */
    char **command;     /* NULL: an interactive shell */
};

static volatile sig_atomic_t command_pid; /* to whom SIGTERM and SIGHUP are passed on */

static int complain(const char *what)
{
    fprintf(stderr, "rill lab: %s: %s\n", what, strerror(errno));
    return -1;
}

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = write(fd, text, strlen(text));
    int error = errno;
    close(fd);
    errno = error;
    return n == (ssize_t)strlen(text) ? 0 : -1;
}

static long read_number(const char *path)
{
    char text[32] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    return n > 0 ? strtol(text, NULL, 10) : -1;
}

/* ---- The namespaces ------------------------------------------------------------------------------------ */

/* Why there is no user namespace for us, and what helps. */
static int explain(const char *what)
{
    int error = errno;
    fprintf(stderr, "rill lab: %s: %s\n", what, strerror(error));
    if (read_number("/proc/sys/kernel/unprivileged_userns_clone") == 0)
        fputs("User namespaces are switched off for users.  As root: sysctl -w "
              "kernel.unprivileged_userns_clone=1\n",
              stderr);
    else if (read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
        fputs("AppArmor restricts user namespaces here.  As root: sysctl -w "
              "kernel.apparmor_restrict_unprivileged_userns=0\n",
              stderr);
    else if (read_number("/proc/sys/user/max_user_namespaces") == 0)
        fputs("User namespaces are switched off.  As root: sysctl -w user.max_user_namespaces=10000\n",
              stderr);
    else if (error == EPERM)
        fputs("Run it as root; in a container, one that was started with --cap-add SYS_ADMIN --cap-add "
              "NET_ADMIN\n",
              stderr);
    return -1;
}

/* The caller becomes root of a user namespace that knows no other user. */
static int map_ids(uid_t uid, gid_t gid)
{
    char text[64];
    if (write_file("/proc/self/setgroups", "deny") != 0 && errno != ENOENT)
        return explain("setgroups");
    snprintf(text, sizeof text, "0 %u 1", uid);
    if (write_file("/proc/self/uid_map", text) != 0)
        return explain("uid_map");
    snprintf(text, sizeof text, "0 %u 1", gid);
    if (write_file("/proc/self/gid_map", text) != 0)
        return explain("gid_map");
    return 0;
}

static int make_namespaces(void)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (uid == 0 && unshare(CLONE_NEWNET) == 0)
        return 0;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return explain("no network namespace of its own");
    return map_ids(uid, gid);
}

static int bring_up_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return complain("socket");
    request.ifr_flags = IFF_UP;
    int result = ioctl(fd, SIOCSIFFLAGS, &request);
    close(fd);
    return result == 0 ? 0 : explain("the loopback device");
}

/* ---- The stack ----------------------------------------------------------------------------------------- */

/* A child that outlives nothing: it dies with the lab, however that ends.  0 in the child. */
static pid_t fork_child(void)
{
    pid_t parent = getpid();
    pid_t child = fork();
    if (child < 0)
        return complain("fork");
    if (child > 0)
        return child;
    /* The rest of the lab may be killed: then this must not stay.  If it is dead already, no signal comes. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(CLI_FAILURE);
    setsid(); /* Ctrl-C is for the command */
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
    }
    return 0;
}

static void say_end(int status)
{
    if (WIFSIGNALED(status))
        fprintf(stderr, "rill lab: the stack was killed by signal %d (%s)", WTERMSIG(status),
                strsignal(WTERMSIG(status)));
    else
        fprintf(stderr, "rill lab: the stack has ended: exit status %d", WEXITSTATUS(status));
}

/* Starts it and waits until all its services listen.  Its process id, or the negative exit status (printed by
 * the child). */
static pid_t start_stack(struct lab *lab)
{
    int ready[2];
    char byte;
    if (pipe2(ready, O_CLOEXEC) != 0)
        return complain("pipe");
    pid_t child = fork_child();
    if (child < 0)
        return -1;
    if (child == 0) {
        close(ready[0]);
        if (lab->web_fd >= 0)
            close(lab->web_fd);
        exit(serve_run(&lab->cli, &lab->plan, ready[1]));
    }
    close(ready[1]);
    int status = 0;
    ssize_t n;
    do
        n = read(ready[0], &byte, 1);
    while (n < 0 && errno == EINTR);
    close(ready[0]);
    if (n == 1)
        return child;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) {
        say_end(status);
        fputc('\n', stderr);
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == CLI_USAGE ? -CLI_USAGE : -CLI_FAILURE;
}

/* Before the namespace is left: where the page is to be.  0, or -1 (printed). */
static int open_web(struct lab *lab)
{
    uint16_t port = lab->web ? lab->cli.web_port : RELAY_PORT;
    lab->web_fd = -1;
    lab->cli.web_port = 0;
    lab->http_port = lab->bare || lab->no_web ? 0 : serve_plan_port(&lab->plan, "http");
    if (lab->http_port == 0)
        return 0;
    lab->web_fd = relay_listen(&port, lab->web);
    if (lab->web_fd < 0) {
        fprintf(stderr, "rill lab: no page for the browser: 127.0.0.1 port %u: %s\n", port, strerror(errno));
        return lab->web ? -1 : 0; /* nobody has asked for it */
    }
    lab->cli.web_port = port;
    return 0;
}

static pid_t start_relay(struct lab *lab)
{
    if (lab->web_fd < 0)
        return 0;
    pid_t child = fork_child();
    if (child == 0) {
        relay_run(lab->web_fd, cli_own_addr(&lab->cli), lab->http_port);
        _exit(CLI_FAILURE);
    }
    close(lab->web_fd);
    if (child > 0)
        fprintf(stderr, "rill lab: http://127.0.0.1:%u/ shows in a browser what happens\n",
                lab->cli.web_port);
    return child;
}

static void stop_child(pid_t child)
{
    if (child <= 0)
        return;
    kill(child, SIGTERM);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* ---- The command --------------------------------------------------------------------------------------- */

static void pass_on(int signal_number)
{
    if (command_pid > 0)
        kill((pid_t)command_pid, signal_number);
}

static void exec_command(const struct lab *lab, pid_t parent, const sigset_t *mask)
{
    char sh[] = "/bin/sh";
    char *shell = getenv("SHELL");
    char *shell_argv[] = {shell != NULL && *shell != '\0' ? shell : sh, NULL};
    char **argv = lab->command != NULL ? lab->command : shell_argv;
    prctl(PR_SET_PDEATHSIG, SIGHUP);
    if (getppid() != parent)
        _exit(CLI_FAILURE);
    signal(SIGINT, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(argv[0], argv);
    int error = errno;
    complain(argv[0]);
    _exit(error == ENOENT ? 127 : 126); /* as shells have it */
}

/* One of ours has ended before its time. */
static void note_end(struct lab *lab, pid_t child, int status)
{
    if (child == lab->relay)
        lab->relay = 0;
    if (child != lab->stack)
        return;
    lab->stack = 0;
    lab->lost = true;
    say_end(status);
    fprintf(stderr, "; nothing answers at %s any more\n", lab->cli.options.addr);
    orphans_abort(cli_own_addr(&lab->cli)); /* the command must not wait for minutes for it */
}

/* As a shell does: the terminal's signals are for the command, and those sent to us are passed on to it. */
static int run_command(struct lab *lab)
{
    sigset_t both, before;
    sigemptyset(&both);
    sigaddset(&both, SIGTERM);
    sigaddset(&both, SIGHUP);
    sigprocmask(SIG_BLOCK, &both, &before);
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    signal(SIGTERM, pass_on);
    signal(SIGHUP, pass_on);
    pid_t parent = getpid();
    pid_t child = fork();
    if (child < 0)
        return complain("fork");
    if (child == 0)
        exec_command(lab, parent, &before);
    command_pid = child;
    sigprocmask(SIG_SETMASK, &before, NULL);
    int status;
    for (pid_t ended; (ended = waitpid(-1, &status, 0)) != child;) {
        if (ended > 0)
            note_end(lab, ended, status);
        else if (errno != EINTR)
            return complain("waitpid");
    }
    command_pid = 0;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Where the stack of this lab and whoever asks it find each other; before the user id changes, because the
 * directory depends on it. */
static void name_control(void)
{
    char name[16], path[CONTROL_PATH_BYTES];
    (void)snprintf(name, sizeof name, "lab-%d", (int)getpid());
    if (!control_path(name, path) || setenv(CONTROL_ENV, path, 1) != 0)
        unsetenv(CONTROL_ENV);
}

int lab_enter(void)
{
    if (make_namespaces() != 0 || bring_up_loopback() != 0)
        return -1;
    /* So that a ping without privileges works too; where it cannot be set, one with them still does. */
    (void)write_file("/proc/sys/net/ipv4/ping_group_range", "0 0");
    return 0;
}

static int lab_run(struct lab *lab)
{
    name_control();
    if (open_web(lab) != 0)
        return CLI_FAILURE;
    if (lab_enter() != 0)
        return CLI_FAILURE;
    if (!lab->bare && (lab->stack = start_stack(lab)) < 0)
        return (int)-lab->stack;
    if (!lab->bare && (lab->relay = start_relay(lab)) < 0) {
        stop_child(lab->stack);
        return CLI_FAILURE;
    }
    if (lab->command == NULL && !lab->bare) {
        fprintf(stderr, "rill lab: %s is up on %s in here; try:\n", lab->cli.options.addr,
                lab->cli.options.tun);
        serve_print_hints(&lab->cli, &lab->plan, stderr);
        fputs("The end of the shell is the end of it.\n", stderr);
    }
    int status = run_command(lab);
    stop_child(lab->relay);
    stop_child(lab->stack);
    return status < 0 || (status == 0 && lab->lost) ? CLI_FAILURE : status;
}

/* ---- The command line ---------------------------------------------------------------------------------- */

/* Everything behind the first "--" is the command; getopt_long, which would move the services there, does not
 * see it. */
static char **split_command(int *argc, char **argv)
{
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            argv[i] = NULL;
            *argc = i;
            return argv + i + 1;
        }
    }
    return NULL;
}

static const char usage[] =
    "usage: rill lab [OPTION]... [SERVICE[:PORT]]... [-- CMD [ARG]...]\n"
    "       rill lab --lesson NAME|list [--dir DIR] [--yes]\n"
    "       rill lab --compare SETTINGS SETTINGS [--dir DIR]\n"
    "\n"
    "Runs CMD, or $SHELL, in a network namespace of its own with the stack and its\n"
    "services in it (see 'rill serve --help').  No root is needed where user\n"
    "namespaces are allowed and everybody may open /dev/net/tun.\n"
    "\n"
    "  --bare            only the namespace: run 'rill serve' or 'rill nc' in it\n"
    "  --web PORT        where 127.0.0.1 has the page of the http service, outside of\n"
    "                    the namespace, for your browser (8077 or the next free one)\n"
    "  --no-web          nowhere\n"
    "  --lesson NAME     a guided experiment; leaves NAME.pcapng, .ndjson and .svg\n"
    "  --yes             its answer at once, without a key press\n"
    "  --compare A B     one transfer under two settings, in one picture; A and B as\n"
    "                    '--out loss 2% --without sack'\n"
    "  --dir DIR         where both leave their files (.)\n" CLI_OPTIONS_TEXT "\n"
    "Exit status: that of CMD, 127 if there is no such command, 128 + N if signal N\n"
    "ended it; 1 if the lab could not be made or the stack in it ended before CMD\n"
    "did, 2 for a usage error.\n";

/* With --lesson or --compare there is no command and no service. */
static int lab_lesson(const struct lab *lab, struct lesson_request *request, int count)
{
    const struct rill_options *o = &lab->cli.options;
    if ((request->name != NULL) == (request->a != NULL))
        return cli_usage_error(&lab->cli, request->a != NULL ? "--lesson and --compare exclude each other"
                                                             : "--dir and --yes are for --lesson");
    if (request->dir == NULL)
        request->dir = ".";
    if (request->a != NULL && request->b == NULL)
        return cli_usage_error(&lab->cli, "--compare needs two settings");
    if (lab->bare || lab->web || lab->no_web || lab->command != NULL || count > 0 || o->capture ||
        o->trace_file || o->link_in || o->link_out || lab->cli.engine_given)
        return cli_usage_error(&lab->cli, "%s goes with --dir and --yes only; it brings its own settings",
                               request->name != NULL ? "--lesson" : "--compare");
    return request->name != NULL ? lesson_main(request) : compare_main(request);
}

int lab_main(int argc, char **argv)
{
    static const struct option options[] = {CLI_LONG,
                                            {"bare", no_argument, NULL, CLI_BARE},
                                            {"web", required_argument, NULL, CLI_WEB},
                                            {"no-web", no_argument, NULL, CLI_NO_WEB},
                                            {"lesson", required_argument, NULL, CLI_LESSON},
                                            {"compare", required_argument, NULL, CLI_COMPARE},
                                            {"dir", required_argument, NULL, CLI_DIR},
                                            {"yes", no_argument, NULL, CLI_YES},
                                            {NULL, 0, NULL, 0}};
    static struct lab lab;
    struct lesson_request lesson = {.cli = &lab.cli};
    int option;
    cli_init(&lab.cli, "rill lab");
    lab.command = split_command(&argc, argv);
    if (lab.command != NULL && lab.command[0] == NULL)
        return cli_usage_error(&lab.cli, "there is no command behind '--'");
    while ((option = getopt_long(argc, argv, CLI_SHORT, options, NULL)) != -1) {
        int status = -1;
        if (option == CLI_COMPARE) { /* the second one may begin with dashes, too */
            lesson.a = optarg;
            lesson.b = argv[optind] != NULL ? argv[optind++] : NULL;
        } else if (option == CLI_BARE)
            lab.bare = true;
        else if (option == CLI_LESSON || option == CLI_DIR)
            *(option == CLI_LESSON ? &lesson.name : &lesson.dir) = optarg;
        else if (option == CLI_YES)
            lesson.yes = true;
        else if (option == CLI_NO_WEB)
            lab.no_web = true;
        else if (option == CLI_WEB) {
            int port = cli_port(optarg);
            if (port < 0)
                return cli_usage_error(&lab.cli, "--web: '%s' is not a number from 1 to 65535", optarg);
            lab.web = true;
            lab.cli.web_port = (uint16_t)port;
        } else
            status = cli_option(&lab.cli, option, argv[optind - 1], usage);
        if (status >= 0)
            return status;
    }
    if (lesson.name != NULL || lesson.a != NULL || lesson.dir != NULL || lesson.yes)
        return lab_lesson(&lab, &lesson, argc - optind);
    if (lab.bare && optind < argc)
        return cli_usage_error(&lab.cli, "--bare and services exclude each other");
    const struct rill_options *o = &lab.cli.options;
    if (lab.bare && (o->capture || o->trace_file || o->link_in || o->link_out || lab.cli.engine_given))
        return cli_usage_error(&lab.cli,
                               "--bare starts no stack: -w, --trace, --in, --out, --with, --without, "
                               "--cc and --break are for the rill in it");
    if (serve_plan_parse(&lab.cli, argv + optind, &lab.plan) != 0)
        return CLI_USAGE;
    if (lab.plan.talk)
        return cli_usage_error(&lab.cli, "talk needs the terminal: run 'rill serve talk' in a lab --bare");
    if (lab.bare && lab.web)
        return cli_usage_error(&lab.cli, "--bare starts no stack, and so there is no page for --web");
    if (lab.web && (lab.no_web || serve_plan_port(&lab.plan, "http") == 0))
        return cli_usage_error(&lab.cli, lab.no_web ? "--web and --no-web exclude each other"
                                                    : "--web needs the service http");
    return lab_run(&lab);
}
