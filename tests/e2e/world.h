/* world.h - what the end-to-end tests of the API share: a started stack, sockets of rill, a thread. */
#ifndef WORLD_H
#define WORLD_H

#include "netns.h"
#include "rill.h"

#include <pthread.h>

/* rill_start with the defaults, rill_stop. */
static inline void stack_up(void)
{
    if (rill_start(NULL) != 0) {
        fprintf(stderr, "rill_start: %s\n", rill_error());
        _exit(1);
    }
}
/* Peers that do not close are reset soon. */
static inline void stack_down(void) { CHECK(rill_stop(100) == 0); }

static inline int rill_listen_on(uint16_t port)
{
    struct sockaddr_in at = addr_of("0.0.0.0", port);
    int fd = rill_socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= RILL_FD_BASE);
    int on = 1; /* an earlier connection may be in TIME-WAIT */
    CHECK(rill_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    CHECK(rill_bind(fd, (struct sockaddr *)&at, sizeof at) == 0);
    CHECK(rill_listen(fd, 16) == 0);
    return fd;
}

static inline int rill_connect_to(uint16_t port)
{
    struct sockaddr_in to = addr_of(KERNEL_ADDR, port);
    int fd = rill_socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= RILL_FD_BASE);
    CHECK(rill_connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    return fd;
}

/* A pair: *kernel is the kernel's end, the result rill's. */
static inline int rill_pair(uint16_t port, int *kernel)
{
    int listener = rill_listen_on(port);
    *kernel = kernel_connect(port);
    int fd = rill_accept(listener, NULL, NULL);
    CHECK(fd >= RILL_FD_BASE);
    CHECK(rill_close(listener) == 0);
    return fd;
}

static inline pthread_t thread_run(void *(*body)(void *), void *arg)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, body, arg) == 0);
    return thread;
}
static inline void thread_join(pthread_t thread) { CHECK(pthread_join(thread, NULL) == 0); }

/* The calls that a test runs in another thread leave their result here. */
struct outcome {
    int fd;
    _Atomic ssize_t result;
    int error;
    int64_t took_us;
};

static inline void outcome_note(struct outcome *o, ssize_t result, int64_t began_us)
{
    o->result = result;
    o->error = result < 0 ? errno : 0;
    o->took_us = mono_us() - began_us;
}

static inline void *run_recv(void *arg)
{
    struct outcome *o = arg;
    char byte;
    int64_t began_us = mono_us();
    outcome_note(o, rill_recv(o->fd, &byte, 1, 0), began_us);
    return NULL;
}

static inline void *run_accept(void *arg)
{
    struct outcome *o = arg;
    int64_t began_us = mono_us();
    outcome_note(o, rill_accept(o->fd, NULL, NULL), began_us);
    return NULL;
}

/* Echoes one connection until its end. */
static inline void *run_echo(void *arg)
{
    int fd = *(int *)arg, on = 1;
    static _Thread_local char data[32768];
    CHECK(rill_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    ssize_t n;
    while ((n = rill_recv(fd, data, sizeof data, 0)) > 0)
        CHECK(rill_send(fd, data, (size_t)n, 0) == n);
    CHECK(n == 0);
    CHECK(rill_close(fd) == 0);
    return NULL;
}

#endif
