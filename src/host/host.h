/* host.h - the one stack of the process, and what every call of rill.h begins and ends with.  Rank 18. */
#ifndef RILL_HOST_H
#define RILL_HOST_H

#include "loop.h"
#include "rill.h"

/* One call of the API.  From call_begin to call_end the lock is held, but while call_again or call_wait wait.
 */
struct call {
    struct loop *loop;
    struct socks *socks;
    int s;                 /* the socket */
    struct waiter *waiter; /* once it has waited */
    rill_time until_us;    /* of its waits, from the first one on */
    int given_up;          /* -errno: the last try is under way */
};

/* Takes the lock.  False with errno EBADF if the stack is not started, ENETDOWN if its device is gone; fd is
 * checked by sock.c.  What only closes or looks does so without a device too. */
bool call_begin(struct call *call, int fd);
bool call_begin_anyway(struct call *call, int fd);

/* Lets go of everything; sends what the call has given to send.  Returns the result, or -1 with errno. */
ssize_t call_end(struct call *call, int64_t result);

/* After -EAGAIN: 0 if the call should be tried again, else the final -errno.  Who may wait does so for one of
 * the events, timeout_us from its first wait on; who may not reads the TUN once.  Timeouts and signals leave
 * one last try. */
int call_again(struct call *call, bool nonblock, short events, rill_time timeout_us);

/* The place among the waiters for a wait of another kind; false: no memory. */
bool call_enrol(struct call *call);

/* When a wait that begins now and lasts so long ends. */
rill_time call_until(rill_time duration_us);
rill_time call_until_ms(int timeout_ms); /* negative: never */

#endif
