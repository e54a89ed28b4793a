/* scene.h - end-to-end tests with real programs: a directory and a network namespace for each test, more
 * namespaces where it wants them, shell scripts, and the end of everything that it started. */
#ifndef SCENE_H
#define SCENE_H

#include "command.h"
#include "netns.h"

/* A cmocka test of this name that runs body_NAME as a scene. */
#define SCENE(name)                                                                                          \
    static void name(void **state)                                                                           \
    {                                                                                                        \
        (void)state;                                                                                         \
        scene_run(body_##name);                                                                              \
    }
#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Runs the body in a process with a network namespace and an empty working directory of its own, for at most
 * a minute.  However it ends, all its descendants end with it; that one is left over is a failure. */
void scene_run(void (*body)(void));

/* ---- What a body calls; each ends the test if it fails ------------------------------------------------- */

/* Skips the test where this program is not installed. */
void scene_needs(const char *program);

/* Runs a shell script to its end: its status, and what it wrote to both outputs. */
int scene_try(char out[COMMAND_TEXT_BYTES], const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same, and it has to end with 0. */
void scene_do(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Starts one beside the test; scene_join waits for its end and returns the status. */
pid_t scene_start(const char *format, ...) __attribute__((format(printf, 1, 2)));
int scene_join(pid_t pid);
/* Tries it again and again until it succeeds, for at most ten seconds. */
void scene_await(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* `rill serve` with these options and services, and --stats; ready. */
struct command scene_serve(const char *const *argv);
/* Ends it with SIGTERM and waits for its exit with 0. */
void scene_stop(struct command *command);
/* After scene_stop, the counter that --stats has printed: 0 if it has not. */
uint64_t scene_counter(const char *name);

/* The kernel's counter in the current namespace, such as ("Tcp", "RetransSegs"); of /proc/net/snmp. */
uint64_t scene_snmp(const char *group, const char *name);

/* A new network namespace, in which nothing but lo is up; the process stays in the one where it is.  The
 * descriptor is inherited by scripts, which can name it /proc/self/fd/N. */
int scene_namespace(void);
/* The one where the process is. */
int scene_here(void);
void scene_enter(int namespace);

/* A read that waits longer than this fails the test. */
void scene_limit_reads(int fd, int seconds);

#endif
