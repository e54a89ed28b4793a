/* host.c - starting and stopping the one stack of the process, and the frame of each call.
 *
 * The stack is a static variable whose mutex lives for ever, so that a call which comes too late finds it
 * stopped instead of freed.  After fork the child has a copy of the stack in which a lock may be held by a
 * thread that does not exist there: it is put aside as it is, its TUN is closed, and every call says EBADF.
 */
#include "host.h"

#include "link_print.h"
#include "options.h"
#include "stack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

enum phase { STOPPED, RUNNING, STOPPING };

static struct loop stack = {.lock = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP,
                            .nobody_waits = PTHREAD_COND_INITIALIZER,
                            .tun = {.fd = -1},
                            .foreign_fd = -1};
static enum phase phase; /* guarded by stack.lock */
/* Of the parent, in a child: keeps its memory reachable for leak checkers, though nobody reads it. */
static struct loop buried __attribute__((used));
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static _Thread_local struct tun_error last_error;

/* ---- The frame of a call ------------------------------------------------------------------------------- */

bool call_begin(struct call *call, int fd)
{
    if (!call_begin_anyway(call, fd))
        return false;
    if (!stack.gone)
        return true;
    (void)pthread_mutex_unlock(&stack.lock);
    errno = ENETDOWN;
    return false;
}

bool call_begin_anyway(struct call *call, int fd)
{
    (void)pthread_mutex_lock(&stack.lock);
    if (phase != RUNNING) {
        (void)pthread_mutex_unlock(&stack.lock);
        errno = EBADF;
        return false;
    }
    *call = (struct call){.loop = &stack, .socks = &stack.socks};
    call->s = fd >= RILL_FD_BASE ? fd - RILL_FD_BASE : -1;
    engine_now(stack.engine, loop_now()); /* what the call starts - timers, states - starts now */
    return true;
}

ssize_t call_end(struct call *call, int64_t result)
{
    struct loop_signals signals;
    bool waited = call->waiter != NULL;
    if (waited)
        signals = loop_leave(call->loop, call->waiter);
    if (!call->loop->stopping)
        loop_changed(call->loop);
    (void)pthread_mutex_unlock(&call->loop->lock);
    if (waited)
        loop_restore_signals(&signals);
    if (result >= 0)
        return (ssize_t)result;
    errno = (int)-result;
    return -1;
}

rill_time call_until(rill_time duration_us)
{
    rill_time now_us = loop_now();
    return duration_us > RILL_NEVER - now_us ? RILL_NEVER : now_us + duration_us;
}

rill_time call_until_ms(int timeout_ms)
{
    return timeout_ms < 0 ? RILL_NEVER : call_until((unsigned)timeout_ms * MS);
}

bool call_enrol(struct call *call)
{
    if (call->waiter == NULL) {
        call->waiter = loop_enrol(call->loop);
        if (call->waiter != NULL)
            call->waiter->sock = call->s;
    }
    return call->waiter != NULL;
}

int call_again(struct call *call, bool nonblock, short events, rill_time timeout_us)
{
    if (call->given_up != 0)
        return call->given_up;
    if (nonblock) {
        call->given_up = -EAGAIN;
        loop_pump(call->loop);
        return 0;
    }
    if (call->waiter == NULL)
        call->until_us = call_until(timeout_us);
    if (!call_enrol(call))
        return -ENOBUFS;
    call->waiter->events = events;
    int result = loop_wait(call->loop, call->waiter, call->until_us);
    if (result == -EBADF)
        return result;
    call->given_up = result == -ETIMEDOUT ? -EAGAIN : result;
    return 0;
}

/* ---- fork ---------------------------------------------------------------------------------------------- */

static void in_child(void)
{
    static const struct loop fresh = {.lock = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP,
                                      .nobody_waits = PTHREAD_COND_INITIALIZER,
                                      .tun = {.fd = -1},
                                      .foreign_fd = -1};
    /* A phase other than STOPPED may be half set: the descriptors are -1 or real at any moment. */
    if (stack.tun.fd >= 0)
        (void)close(stack.tun.fd);
    if (stack.foreign_fd >= 0)
        (void)close(stack.foreign_fd);
    gate_forget(&stack.gate);
    if (phase != STOPPED)
        buried = stack;
    stack = fresh;
    phase = STOPPED;
}

static void watch_forks(void) { (void)pthread_atfork(NULL, NULL, in_child); }

/* ---- Starting ------------------------------------------------------------------------------------------ */

const char *rill_error(void) { return last_error.text; }

static int failed(const struct tun_error *error)
{
    last_error = *error;
    errno = error->code;
    return -1;
}

static void *heap_alloc(void *ctx, size_t size)
{
    bool *refused = ctx;
    void *block = malloc(size);
    if (block == NULL)
        *refused = true;
    return block;
}

static void heap_free(void *ctx, void *block, size_t size)
{
    (void)ctx;
    (void)size;
    free(block);
}

static void entropy(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    uint8_t *to = buf;
    while (len > 0) {
        ssize_t n = getrandom(to, len, 0);
        if (n < 0 && errno != EINTR)
            abort(); /* no kernel since 3.17 does this, and a guessable secret is worse */
        if (n > 0) {
            to += n;
            len -= (size_t)n;
        }
    }
}

static int start_engine(const struct rill_options *options, const struct tun_config *device,
                        struct tun_error *error)
{
    static bool refused; /* the allocator's context lives as long as the engine */
    struct rill_config config = options->engine;
    refused = false;
    config.addr = device->addr;
    config.prefix_len = device->prefix_len;
    config.mtu = (uint32_t)stack.tun.mtu;
    int result = gate_open(&stack.gate, options, &stack.tun, &config, loop_now(), error);
    if (result != 0)
        return result;
    config.alloc = heap_alloc;
    config.free = heap_free;
    config.mem_ctx = &refused;
    config.entropy = entropy;
    config.entropy_ctx = NULL;
    stack.engine = stack.gate.engine = rill_engine_new(&config, loop_now());
    if (stack.engine != NULL) {
        socks_init(&stack.socks, stack.engine);
        return 0;
    }
    gate_close(&stack.gate);
    if (refused)
        return tun_fail(error, ENOMEM, "out of memory: free some, or lower mem_cap_bytes");
    return tun_fail(error, EINVAL,
                    "a field of options.engine is out of its range: start from rill_options_default()");
}

/* The lock is held. */
static int start(const struct rill_options *options, struct tun_error *error)
{
    struct tun_config device;
    int result = options_check(options, &device, error);
    if (result != 0)
        return result;
    if (phase != STOPPED)
        return tun_fail(error, EALREADY,
                        "the stack is started already: there is one in a process; rill_stop() ends it");
    if (options->tun_fd >= 0)
        result = tun_adopt(&stack.tun, options->tun_fd, options->mtu, error);
    else
        result = tun_open(&stack.tun, &device, error);
    if (result != 0)
        return result;
    result = start_engine(options, &device, error);
    if (result == 0) {
        stack.tun_pause_until_us = 0;
        stack.gone = stack.stopping = false;
        result = loop_start(&stack);
        if (result != 0) {
            (void)tun_fail(error, -result, "cannot start the background thread: %s", strerror(-result));
            socks_free(&stack.socks);
            rill_engine_free(stack.engine);
            gate_close(&stack.gate);
        }
    }
    if (result == 0) {
        phase = RUNNING;
        return 0;
    }
    if (options->tun_fd >= 0)
        stack.tun.fd = -1; /* it stays the caller's */
    tun_close(&stack.tun);
    return result;
}

int rill_start(const struct rill_options *options)
{
    struct rill_options defaults;
    struct tun_error error = {0};
    if (options == NULL) {
        rill_options_default(&defaults);
        options = &defaults;
    }
    (void)pthread_once(&fork_once, watch_forks);
    (void)pthread_mutex_lock(&stack.lock);
    int result = start(options, &error);
    (void)pthread_mutex_unlock(&stack.lock);
    return result == 0 ? 0 : failed(&error);
}

/* ---- Stopping ------------------------------------------------------------------------------------------ */

/* Every socket is closed; waits until the connections are gone, or the time is up. */
static void close_in_order(struct call *call, rill_time until_us)
{
    for (uint32_t s = 0; s < call->socks->cap; s++)
        if (call->socks->table[s] != NULL)
            (void)sock_close(call->socks, (int)s);
    loop_changed(call->loop);
    if (stack.gone || !call_enrol(call))
        return;
    while (!stack.gone && rill_open_connections(call->loop->engine) > 0 && loop_now() < until_us)
        (void)loop_wait(call->loop, call->waiter, until_us);
}

int rill_stop(int timeout_ms)
{
    struct call call;
    if (!call_begin_anyway(&call, -1))
        return -1;
    rill_time until_us = call_until_ms(timeout_ms > 0 ? timeout_ms : 0);
    phase = STOPPING;
    loop_stop_waits(&stack);
    while (!list_empty(&stack.waiters))
        (void)pthread_cond_wait(&stack.nobody_waits, &stack.lock);
    stack.stopping = false;
    close_in_order(&call, until_us);
    rill_abort_all(stack.engine, loop_now());
    loop_changed(&stack); /* the resets leave */
    struct loop_signals signals;
    bool waited = call.waiter != NULL;
    if (waited)
        signals = loop_leave(&stack, call.waiter);
    loop_end(&stack);
    socks_free(&stack.socks);
    rill_engine_free(stack.engine);
    gate_close(&stack.gate);
    tun_close(&stack.tun);
    if (stack.foreign_fd >= 0)
        (void)close(stack.foreign_fd);
    stack.foreign_fd = -1;
    phase = STOPPED;
    (void)pthread_mutex_unlock(&stack.lock);
    if (waited)
        loop_restore_signals(&signals);
    return 0;
}

/* ---- Looking in ---------------------------------------------------------------------------------------- */

int rill_event_fd(void)
{
    struct call call;
    if (!call_begin_anyway(&call, -1))
        return -1;
    int result = stack.foreign_fd;
    if (result < 0) {
        /* Readable at first: something may have happened before. */
        result = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
        if (result < 0)
            result = -errno;
        else
            stack.foreign_fd = result;
    }
    return (int)call_end(&call, result);
}

int rill_link_check(const char *spec)
{
    struct link_config config;
    struct tun_error error;
    return gate_parse(spec, &config, &error) == 0 ? 0 : failed(&error);
}

int rill_link(enum rill_direction direction, const char *spec)
{
    struct call call;
    struct link_config config;
    struct tun_error error;
    if (direction != RILL_IN && direction != RILL_OUT)
        (void)tun_fail(&error, EINVAL, "a link has the directions RILL_IN and RILL_OUT");
    else if (gate_parse(spec, &config, &error) == 0)
        error.code = 0;
    if (error.code != 0)
        return failed(&error);
    if (!call_begin_anyway(&call, -1))
        return -1;
    link_set(&stack.gate.link[direction], &config);
    return (int)call_end(&call, 0);
}

int rill_link_drop_next(enum rill_direction direction)
{
    struct call call;
    if (!call_begin_anyway(&call, -1))
        return -1;
    if (direction != RILL_IN && direction != RILL_OUT)
        return (int)call_end(&call, -EINVAL);
    gate_drop_next(&stack.gate, direction);
    return (int)call_end(&call, 0);
}

int rill_link_get(enum rill_direction direction, char *text, size_t cap)
{
    struct call call;
    char all[LINK_TEXT_MAX];
    if (!call_begin_anyway(&call, -1))
        return -1;
    if (direction != RILL_IN && direction != RILL_OUT)
        return (int)call_end(&call, -EINVAL);
    uint32_t len = link_print(&stack.gate.link[direction].config, all);
    if (cap > 0)
        (void)snprintf(text, cap, "%s", all);
    return (int)call_end(&call, len);
}

int rill_connections(struct rill_connection *list, int cap)
{
    struct call call;
    if (!call_begin_anyway(&call, -1))
        return -1;
    uint32_t room = list != NULL && cap > 0 ? (uint32_t)cap : 0;
    return (int)call_end(&call, rill_snapshot(stack.engine, list, room, loop_now()));
}

int rill_counters(uint64_t counters[RILL_EVENT_COUNT], size_t *memory_bytes)
{
    struct call call;
    if (!call_begin_anyway(&call, -1))
        return -1;
    for (int i = 0; counters != NULL && i < RILL_EVENT_COUNT; i++)
        counters[i] = rill_counter(stack.engine, (enum rill_event)i);
    if (memory_bytes != NULL)
        *memory_bytes = rill_memory(stack.engine);
    return (int)call_end(&call, 0);
}
