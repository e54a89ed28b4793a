/* loop.h - who moves packets between the TUN and the engine, and how everybody else waits.  Rank 17.
 *
 * THEORY OF OPERATION
 *
 * One mutex guards the engine, its sockets and all of this.  It is never held while waiting.
 *
 * A call that has to wait enrols a struct waiter, which has an eventfd of its own, and calls loop_wait until
 * what it wants has come.  Among all waiters one is the driver (it holds the token): the TUN is in its poll,
 * as the deadline of engine and links is its timeout; after each batch of packets it kicks (writes the
 * eventfd of) those waiters whose sockets have become ready.  The others poll their own eventfd.  So request
 * and response cross no thread, signals interrupt every waiter, and each may have descriptors of the kernel
 * in its poll too.
 *
 * The token is held from the first wait of a call to its end.  A driver that is done kicks one other waiter,
 * which then finds the token free.  When there is none, the background thread has to take over: while calls
 * come and go it looks each millisecond and takes the token when it has been free from one look to the next.
 * When one caller drives for longer than that, the thread sleeps until it is kicked.  Once it drives, it
 * blocks in poll like any driver; a caller that has to wait takes the token away from it and kicks it.
 *
 * The token only says who polls.  Whoever has the lock may read the TUN without waiting (loop_pump): calls
 * that do not wait do so before they answer EAGAIN.
 *
 * Invariants, whenever the lock is free:
 *   - the engine has nothing to send (loop_changed and loop_wait drain it);
 *   - if there are waiters and the token is free, one of them is kicked or on its way into the lock;
 *   - the driver's poll ends no later than the deadline of engine and links, or the driver is kicked. */
#ifndef RILL_LOOP_H
#define RILL_LOOP_H

#include "base.h"
#include "gate.h"
#include "rill.h"
#include "sock.h"
#include "tun.h"

#include <poll.h>
#include <pthread.h>

struct waiter {
    struct list link; /* on loop.waiters, or on loop.spare */
    int event_fd;
    bool kicked;        /* event_fd is readable */
    bool polling;       /* in poll, or between poll and the lock */
    bool gone;          /* the socket was closed by another thread */
    rill_time until_us; /* when its poll ends by itself */
    unsigned busy;      /* polls in a row that did not have to wait */
    sigset_t mask;      /* of the thread, outside of the call */
    int cancel_state;
    /* What it waits for.  A socket with events; or an array (rill_poll); or, with events 0, any change. */
    int sock;
    short events;
    const struct pollfd *watched;
    nfds_t watched_count;
    /* What it polls: own[0] is its eventfd, own[1] the TUN, and so is polled[0 and 1] if that is another
     * array. */
    struct pollfd own[2];
    struct pollfd *polled;
    nfds_t polled_count;
};

struct loop {
    pthread_mutex_t lock;
    pthread_cond_t nobody_waits;
    struct rill_engine *engine;
    struct socks socks;
    struct tun tun;
    struct gate gate;
    rill_time tun_pause_until_us; /* a broken device is not polled before this */

    struct list waiters, spare;
    struct waiter *driver; /* who has the token */
    uint64_t stamp;        /* counts how often the token was let go */
    bool gone;             /* the device is, and those who wait have been told */
    bool stopping;         /* every wait ends with -EBADF, but that of the one who stops */

    pthread_t thread;
    bool thread_runs, thread_stop;
    bool thread_asleep; /* it has to be kicked when nobody drives */
    struct waiter background;
    int foreign_fd; /* rill_event_fd, -1: not asked for */
};

rill_time loop_now(void);

/* Background thread; the engine, the sockets, the TUN and the gate are there already.  The lock is held.  0
 * or -errno. */
int loop_start(struct loop *loop);
/* Ends the thread and frees what loop_start made.  Nobody waits any more.  The lock is held, and let go while
 * the thread ends. */
void loop_end(struct loop *loop);

/* ---- The lock is held in all that follows ---- */

/* After a call that may have changed a socket: sends what is to be sent, kicks who may go on, and the driver
 * if the deadline is earlier now. */
void loop_changed(struct loop *loop);

/* Takes in what has arrived, fires the timers, never waits. */
void loop_pump(struct loop *loop);

/* A place among the waiters; from now to loop_leave signals are blocked outside of loop_wait.  NULL: no
 * memory or descriptors. */
struct waiter *loop_enrol(struct loop *loop);

/* Waits until something may have changed: 0, or -EINTR, -ETIMEDOUT (at until_us), -ENETDOWN (the device is
 * gone), -EBADF (the socket or the stack is).  After the first three one more try is due, because something
 * may have come as well.  Lets go of the lock meanwhile. */
int loop_wait(struct loop *loop, struct waiter *waiter, rill_time until_us);

/* Gives up the place and the token.  Signals stay blocked: after the lock has been let go, call
 * loop_restore_signals with what this returns. */
struct loop_signals {
    sigset_t mask;
    int cancel_state;
};
struct loop_signals loop_leave(struct loop *loop, struct waiter *waiter);
void loop_restore_signals(const struct loop_signals *signals);

/* Ends all waits for this socket, or for everything, with -EBADF. */
void loop_socket_gone(struct loop *loop, int sock);
void loop_stop_waits(struct loop *loop);

#endif
