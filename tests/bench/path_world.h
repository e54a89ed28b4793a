/* path_world.h - the two hosts at the ends of a path, each a network namespace.
 *
 *     A: rill 10.77.0.18 -- rill0 -- 10.77.0.17 [kernel of A] 10.77.0.1 -- path --(forwarder)-- path
 * -- 10.77.0.2 :B
 *
 * The kernel's flows of A begin at 10.77.0.1, rill's take one hop more, which is some microseconds.  Both
 * share the path.  The namespaces have no names: they go with the last process in them, however it ends. */
#ifndef PATH_WORLD_H
#define PATH_WORLD_H

#define PATH_RILL "10.77.0.18"
#define PATH_RILL_PEER "10.77.0.17/28"
#define PATH_A "10.77.0.1"
#define PATH_B "10.77.0.2"

struct path_world {
    int namespace[2]; /* A and B, to setns() into */
    int tun[2];       /* the path's device in each of them, up */
};

/* Makes both and leaves the process in A; ends it with a message where that cannot be. */
void path_world_make(struct path_world *world);

/* Ends the process with a message and errno. */
void path_fail(const char *what) __attribute__((noreturn));

#endif
