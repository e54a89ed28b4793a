/* api_poll.c - rill.h: poll over both kinds of descriptors. */
#include "host.h"

#include <errno.h>
#include <stdlib.h>

#define FEW 30 /* descriptors of the kernel that need no allocation */

/* One poll: the caller's array, and the kernel's part of it as ppoll wants it, behind the two places that
 * belong to the loop. */
struct polling {
    struct pollfd *fds;
    nfds_t count;
    struct pollfd *polled;
    nfds_t kernel;
};

static bool is_kernels(const struct pollfd *p) { return p->fd >= 0 && p->fd < RILL_FD_BASE; }

/* How many descriptors have something, with revents filled in; -errno. */
static int64_t look(const struct call *c, const struct polling *p)
{
    int64_t found = 0;
    int ready = p->kernel > 0 ? poll(p->polled + 2, p->kernel, 0) : 0;
    if (ready < 0)
        return -errno;
    const struct pollfd *kernels = p->polled + 2;
    for (nfds_t i = 0; i < p->count; i++) {
        struct pollfd *f = &p->fds[i];
        f->revents = 0;
        if (is_kernels(f))
            f->revents = (kernels++)->revents;
        else if (f->fd >= RILL_FD_BASE)
            f->revents = (short)(sock_poll(c->socks, f->fd - RILL_FD_BASE) &
                                 (f->events | POLLERR | POLLHUP | POLLNVAL));
        found += f->revents != 0;
    }
    return found;
}

static int64_t poll_all(struct call *c, const struct polling *p, int timeout_ms)
{
    int64_t found;
    rill_time until_us = call_until_ms(timeout_ms);
    if (timeout_ms == 0) {
        loop_pump(c->loop);
        return look(c, p);
    }
    while ((found = look(c, p)) == 0) {
        if (c->given_up != 0)
            return c->given_up == -ETIMEDOUT ? 0 : c->given_up;
        if (!call_enrol(c))
            return -ENOMEM;
        c->waiter->watched = p->fds;
        c->waiter->watched_count = p->count;
        c->waiter->polled = p->polled;
        c->waiter->polled_count = p->kernel + 2;
        c->given_up = loop_wait(c->loop, c->waiter, until_us);
        if (c->given_up == -EBADF)
            return -EBADF;
    }
    return found;
}

int rill_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    struct call call;
    struct pollfd few[FEW + 2];
    struct polling p = {.fds = fds, .count = count, .polled = few};
    if (count > SOCKS_MAX + (nfds_t)RILL_FD_BASE) {
        errno = EINVAL;
        return -1;
    }
    for (nfds_t i = 0; i < count; i++)
        p.kernel += is_kernels(&fds[i]);
    if (p.kernel > FEW) {
        p.polled = calloc(p.kernel + 2, sizeof *p.polled);
        if (p.polled == NULL)
            return -1; /* ENOMEM */
    }
    struct pollfd *to = p.polled + 2;
    for (nfds_t i = 0; i < count; i++)
        if (is_kernels(&fds[i]))
            *to++ = fds[i];
    int result = -1;
    if (call_begin(&call, -1))
        result = (int)call_end(&call, poll_all(&call, &p, timeout_ms));
    if (p.polled != few)
        free(p.polled);
    return result;
}
