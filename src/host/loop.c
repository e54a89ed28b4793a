/* loop.c - the driver token, the background thread, packets in and out.  See loop.h for how it works.
 *
 * What this file does not do: it knows no call of the API, and no signal handler, cancellation or fork. */
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64         /* packets between two looks at who else wants something */
#define LOOK_US (1 * MS) /* how often the thread looks while callers come and go */
#define TUN_PAUSE_US (100 * MS)
#define BUSY_MAX 16 /* a signal waits for at most so many batches */

rill_time loop_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (rill_time)t.tv_sec * SEC + (rill_time)t.tv_nsec / 1000;
}

/* ---- Packets ------------------------------------------------------------------------------------------- */

static void kick(struct waiter *w)
{
    uint64_t one = 1;
    if (w->kicked)
        return;
    w->kicked = true;
    (void)!write(w->event_fd, &one, sizeof one);
}

/* Whether the waiter may go on, as far as can be said without trying. */
static bool ready(struct loop *loop, const struct waiter *w)
{
    if (w->watched != NULL) {
        for (nfds_t i = 0; i < w->watched_count; i++) {
            const struct pollfd *p = &w->watched[i];
            int events = p->events | POLLERR | POLLHUP | POLLNVAL;
            if (p->fd >= RILL_FD_BASE && (sock_poll(&loop->socks, p->fd - RILL_FD_BASE) & events) != 0)
                return true;
        }
        return false;
    }
    return w->events == 0 ||
           (sock_poll(&loop->socks, w->sock) & (w->events | POLLERR | POLLHUP | POLLNVAL)) != 0;
}

static void kick_ready(struct loop *loop)
{
    for (struct list *l = loop->waiters.next; l != &loop->waiters; l = l->next) {
        struct waiter *w = CONTAINER_OF(l, struct waiter, link);
        if (w->polling && !w->kicked && ready(loop, w))
            kick(w);
    }
}

static void tell_foreign(struct loop *loop)
{
    uint64_t one = 1;
    if (loop->foreign_fd >= 0)
        (void)!write(loop->foreign_fd, &one, sizeof one);
}

/* Nothing comes or leaves any more: all waits end, and the descriptor is not polled again. */
static void notice_gone(struct loop *loop)
{
    if (loop->gone || !loop->tun.gone)
        return;
    loop->gone = true;
    loop->tun_pause_until_us = RILL_NEVER;
    for (struct list *l = loop->waiters.next; l != &loop->waiters; l = l->next)
        kick(CONTAINER_OF(l, struct waiter, link));
    tell_foreign(loop);
}

/* Reads what is there, if it may be read, and gives engine and links the time.  Those who may go on are
 * kicked. */
static void turn(struct loop *loop, bool readable)
{
    unsigned count = 0;
    rill_time now_us = loop_now();
    while (readable && count < BATCH) {
        ssize_t len = tun_read(&loop->tun, loop->gate.packet, GATE_PACKET_MAX);
        if (len < 0)
            loop->tun_pause_until_us = now_us + TUN_PAUSE_US;
        if (len <= 0)
            break;
        count++;
        now_us = loop_now();
        gate_input(&loop->gate, (size_t)len, now_us);
    }
    bool due = gate_deadline(&loop->gate) <= now_us;
    if (due)
        gate_advance(&loop->gate, now_us);
    gate_drain(&loop->gate, now_us);
    notice_gone(loop);
    if (count == 0 && !due)
        return;
    kick_ready(loop);
    tell_foreign(loop);
}

void loop_pump(struct loop *loop) { turn(loop, loop_now() >= loop->tun_pause_until_us); }

/* Sends what there is; the driver must not sleep longer than engine and links want now. */
static void flush(struct loop *loop)
{
    struct waiter *driver = loop->driver;
    gate_drain(&loop->gate, loop_now());
    notice_gone(loop);
    if (driver != NULL && driver->polling && gate_deadline(&loop->gate) < driver->until_us)
        kick(driver);
}

void loop_changed(struct loop *loop)
{
    flush(loop);
    kick_ready(loop);
}

/* ---- Waiting ------------------------------------------------------------------------------------------- */

/* The place is kept afterwards for others: making an eventfd for each call would double its cost. */
static struct waiter *waiter_new(struct loop *loop)
{
    if (!list_empty(&loop->spare)) {
        struct waiter *w = CONTAINER_OF(loop->spare.next, struct waiter, link);
        list_remove(&w->link);
        return w;
    }
    struct waiter *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    list_init(&w->link);
    w->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->event_fd < 0) {
        free(w);
        return NULL;
    }
    return w;
}

struct waiter *loop_enrol(struct loop *loop)
{
    struct waiter *w = waiter_new(loop);
    if (w == NULL)
        return NULL;
    w->gone = false;
    w->busy = 0;
    w->sock = -1;
    w->events = 0;
    w->watched = NULL;
    w->polled = w->own;
    w->polled_count = 2;
    /* Signals that a broken program raises in itself stay: blocked, they would end it without a word. */
    sigset_t all;
    (void)sigfillset(&all);
    static const int own_fault[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    for (size_t i = 0; i < sizeof own_fault / sizeof own_fault[0]; i++)
        (void)sigdelset(&all, own_fault[i]);
    (void)pthread_sigmask(SIG_SETMASK, &all, &w->mask);
    /* A thread that was cancelled in here would take the token with it. */
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &w->cancel_state);
    list_append(&loop->waiters, &w->link);
    return w;
}

/* Somebody has to drive: another waiter, else the thread. */
static void pass_on(struct loop *loop)
{
    if (loop->driver != NULL)
        return;
    if (!list_empty(&loop->waiters))
        kick(CONTAINER_OF(loop->waiters.next, struct waiter, link));
    else if (loop->thread_asleep)
        kick(&loop->background);
}

struct loop_signals loop_leave(struct loop *loop, struct waiter *w)
{
    struct loop_signals signals = {w->mask, w->cancel_state};
    if (loop->driver == w) {
        loop->driver = NULL;
        loop->stamp++;
    }
    list_remove(&w->link);
    list_append(&loop->spare, &w->link);
    pass_on(loop);
    if (list_empty(&loop->waiters))
        (void)pthread_cond_broadcast(&loop->nobody_waits);
    return signals;
}

void loop_restore_signals(const struct loop_signals *signals)
{
    (void)pthread_setcancelstate(signals->cancel_state, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &signals->mask, NULL);
}

/* poll until a time, without the lock.  What ppoll says, or -errno. */
static int poll_until(struct loop *loop, struct waiter *w, rill_time until_us, const sigset_t *mask)
{
    rill_time now_us = loop_now();
    rill_time left_us = until_us > now_us ? until_us - now_us : 0;
    struct timespec t = {(time_t)(left_us / SEC), (long)(left_us % SEC) * 1000};
    w->until_us = until_us;
    w->polling = true;
    (void)pthread_mutex_unlock(&loop->lock);
    int n = ppoll(w->polled, w->polled_count, until_us == RILL_NEVER ? NULL : &t, mask);
    int result = n < 0 ? -errno : n;
    /* A poll that finds something at once looks at no signal: a busy driver asks now and then. */
    if (n > 0 && mask != NULL && ++w->busy >= BUSY_MAX) {
        struct timespec none = {0};
        w->busy = 0;
        if (ppoll(NULL, 0, &none, mask) < 0)
            result = -EINTR;
    }
    (void)pthread_mutex_lock(&loop->lock);
    w->polling = false;
    if (w->kicked) {
        uint64_t value;
        (void)!read(w->event_fd, &value, sizeof value);
        w->kicked = false;
    }
    return result;
}

/* One wait as the driver, and what has arrived.  The thread may have lost the token meanwhile. */
static int drive(struct loop *loop, struct waiter *w, rill_time until_us, const sigset_t *mask)
{
    rill_time end_us = min_u64(until_us, gate_deadline(&loop->gate));
    bool pause = loop_now() < loop->tun_pause_until_us;
    if (pause)
        end_us = min_u64(end_us, loop->tun_pause_until_us);
    w->polled[0] = (struct pollfd){.fd = w->event_fd, .events = POLLIN};
    w->polled[1] = (struct pollfd){.fd = pause ? -1 : loop->tun.fd, .events = POLLIN};
    int result = poll_until(loop, w, end_us, mask);
    if (loop->driver != w)
        return result;
    short got = result < 0 ? POLLIN : w->polled[1].revents;
    /* Reading names the error; one that it does not name would make poll return at once, for ever. */
    bool broken = result > 0 && (got & POLLIN) == 0 && (got & (POLLERR | POLLHUP | POLLNVAL)) != 0;
    if (broken && !loop->gone)
        loop->tun_pause_until_us = loop_now() + TUN_PAUSE_US;
    turn(loop, !pause && ((got & POLLIN) != 0 || broken));
    return result;
}

static int idle(struct loop *loop, struct waiter *w, rill_time until_us, const sigset_t *mask)
{
    w->polled[0] = (struct pollfd){.fd = w->event_fd, .events = POLLIN};
    w->polled[1] = (struct pollfd){.fd = -1};
    return poll_until(loop, w, until_us, mask);
}

int loop_wait(struct loop *loop, struct waiter *w, rill_time until_us)
{
    /* A connect or a partial send came before.  Nobody is kicked for it: two waiters who seem ready and are
     * not would kick each other for ever. */
    flush(loop);
    if (w->gone || loop->stopping)
        return -EBADF;
    if (loop->gone)
        return -ENETDOWN;
    if (loop->driver == &loop->background)
        kick(&loop->background);
    if (loop->driver == NULL || loop->driver == &loop->background)
        loop->driver = w;
    int result = loop->driver == w ? drive(loop, w, until_us, &w->mask) : idle(loop, w, until_us, &w->mask);
    if (w->gone || loop->stopping)
        return -EBADF;
    if (loop->gone)
        return -ENETDOWN;
    if (result == -EINTR)
        return -EINTR;
    return loop_now() >= until_us ? -ETIMEDOUT : 0;
}

void loop_socket_gone(struct loop *loop, int sock)
{
    for (struct list *l = loop->waiters.next; l != &loop->waiters; l = l->next) {
        struct waiter *w = CONTAINER_OF(l, struct waiter, link);
        if (w->watched == NULL && w->sock == sock) {
            w->gone = true;
            kick(w);
        }
    }
}

void loop_stop_waits(struct loop *loop)
{
    loop->stopping = true;
    for (struct list *l = loop->waiters.next; l != &loop->waiters; l = l->next)
        kick(CONTAINER_OF(l, struct waiter, link));
}

/* ---- The background thread ----------------------------------------------------------------------------- */

static void *background(void *arg)
{
    struct loop *loop = arg;
    struct waiter *me = &loop->background;
    (void)pthread_mutex_lock(&loop->lock);
    while (!loop->thread_stop) {
        if (loop->driver == me) {
            (void)drive(loop, me, RILL_NEVER, NULL);
            continue;
        }
        uint64_t seen = loop->stamp;
        (void)idle(loop, me, loop->thread_asleep ? RILL_NEVER : loop_now() + LOOK_US, NULL);
        bool same = loop->stamp == seen;
        if (same && loop->driver == NULL)
            loop->driver = me;
        loop->thread_asleep = same && loop->driver != me;
    }
    if (loop->driver == me)
        loop->driver = NULL;
    (void)pthread_mutex_unlock(&loop->lock);
    return NULL;
}

int loop_start(struct loop *loop)
{
    struct waiter *w = &loop->background;
    list_init(&loop->waiters);
    list_init(&loop->spare);
    *w = (struct waiter){.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .sock = -1};
    w->polled = w->own;
    w->polled_count = 2;
    list_init(&w->link);
    int result = w->event_fd < 0 ? -errno : 0;
    if (result == 0) {
        sigset_t all, before;
        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &before);
        loop->driver = w; /* the thread drives from the start */
        loop->thread_stop = loop->thread_asleep = false;
        result = -pthread_create(&loop->thread, NULL, background, loop);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    loop->thread_runs = result == 0;
    if (result != 0)
        loop_end(loop);
    return result;
}

void loop_end(struct loop *loop)
{
    if (loop->thread_runs) {
        loop->thread_stop = true;
        kick(&loop->background);
        (void)pthread_mutex_unlock(&loop->lock);
        (void)pthread_join(loop->thread, NULL);
        (void)pthread_mutex_lock(&loop->lock);
        loop->thread_runs = false;
    }
    loop->driver = NULL;
    for (struct list *l = loop->spare.next, *next; l != &loop->spare; l = next) {
        struct waiter *w = CONTAINER_OF(l, struct waiter, link);
        next = l->next;
        (void)close(w->event_fd);
        free(w);
    }
    list_init(&loop->spare);
    if (loop->background.event_fd >= 0)
        (void)close(loop->background.event_fd);
}
