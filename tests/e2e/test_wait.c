/* test_wait.c - waiting: several threads on one stack, poll, signals, close and fork in the middle of it, and
 * that the stack lives on while nobody calls it. */
#include "test.h"

#include "world.h"

#include <signal.h>
#include <sys/wait.h>

#define TEST(name)                                                                                           \
    static void name(void **state)                                                                           \
    {                                                                                                        \
        (void)state;                                                                                         \
        netns_run(body_##name, 60);                                                                          \
    }

/* ---- Threads ------------------------------------------------------------------------------------------- */

static void body_threads__four_echo_at_once__content_is_equal(void)
{
    enum { COUNT = 4, ROUNDS = 100, BLOCK = 5000 };
    int kernel[COUNT], fd[COUNT];
    pthread_t thread[COUNT];
    static uint8_t data[BLOCK], back[BLOCK];
    stack_up();
    for (int i = 0; i < COUNT; i++) {
        fd[i] = rill_pair(7, &kernel[i]);
        thread[i] = thread_run(run_echo, &fd[i]);
    }
    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < COUNT; i++) {
            pattern_fill(data, BLOCK, round * BLOCK, i);
            kernel_write(kernel[i], data, BLOCK);
        }
        for (unsigned i = 0; i < COUNT; i++) {
            CHECK(kernel_read(kernel[i], back, BLOCK) == BLOCK);
            CHECK(pattern_holds(back, BLOCK, round * BLOCK, i));
        }
    }
    for (int i = 0; i < COUNT; i++) {
        CHECK(close(kernel[i]) == 0);
        thread_join(thread[i]);
    }
    stack_down();
}
TEST(threads__four_echo_at_once__content_is_equal)

enum { BULK = 16 << 20, BULK_BLOCK = 1 << 16 };

static void *bulk_send(void *arg)
{
    int fd = *(int *)arg;
    static uint8_t data[BULK_BLOCK];
    for (uint64_t pos = 0; pos < BULK; pos += BULK_BLOCK) {
        pattern_fill(data, BULK_BLOCK, pos, 1);
        CHECK(rill_send(fd, data, BULK_BLOCK, 0) == BULK_BLOCK);
    }
    CHECK(rill_shutdown(fd, SHUT_WR) == 0);
    return NULL;
}

static void *bulk_recv(void *arg)
{
    int fd = *(int *)arg;
    static uint8_t data[BULK_BLOCK];
    uint64_t pos = 0;
    ssize_t n;
    while ((n = rill_recv(fd, data, BULK_BLOCK, 0)) > 0) {
        CHECK(pattern_holds(data, (size_t)n, pos, 2));
        pos += (uint64_t)n;
    }
    CHECK(n == 0 && pos == BULK);
    return NULL;
}

static void *bulk_kernel_send(void *arg)
{
    int fd = *(int *)arg;
    static uint8_t data[BULK_BLOCK];
    for (uint64_t pos = 0; pos < BULK; pos += BULK_BLOCK) {
        pattern_fill(data, BULK_BLOCK, pos, 2);
        kernel_write(fd, data, BULK_BLOCK);
    }
    CHECK(shutdown(fd, SHUT_WR) == 0);
    return NULL;
}

static void body_threads__two_directions_of_one_connection__move_16_mb_each(void)
{
    static uint8_t data[BULK_BLOCK];
    stack_up();
    int kernel, fd = rill_pair(7, &kernel);
    pthread_t sender = thread_run(bulk_send, &fd), receiver = thread_run(bulk_recv, &fd);
    pthread_t peer = thread_run(bulk_kernel_send, &kernel);
    for (uint64_t pos = 0; pos < BULK; pos += BULK_BLOCK) {
        CHECK(kernel_read(kernel, data, BULK_BLOCK) == BULK_BLOCK);
        CHECK(pattern_holds(data, BULK_BLOCK, pos, 1));
    }
    CHECK(kernel_read(kernel, data, 1) == 0);
    thread_join(sender);
    thread_join(receiver);
    thread_join(peer);
    CHECK(rill_close(fd) == 0);
    stack_down();
}
TEST(threads__two_directions_of_one_connection__move_16_mb_each)

static void body_accept__two_threads__each_gets_one(void)
{
    stack_up();
    int listener = rill_listen_on(8080);
    struct outcome one = {.fd = listener}, two = {.fd = listener};
    pthread_t first = thread_run(run_accept, &one), second = thread_run(run_accept, &two);
    sleep_ms(50);
    int a = kernel_connect(8080);
    sleep_ms(50);
    CHECK((one.result != 0) != (two.result != 0));
    int b = kernel_connect(8080);
    thread_join(first);
    thread_join(second);
    CHECK(one.result >= RILL_FD_BASE && two.result >= RILL_FD_BASE && one.result != two.result);
    CHECK(close(a) == 0 && close(b) == 0);
    stack_down();
}
TEST(accept__two_threads__each_gets_one)

/* The driver leaves: the one who is left takes over at once and is not stranded. */
static void body_driver__leaves__another_waiter_goes_on(void)
{
    stack_up();
    int k1, k2, fd1 = rill_pair(7, &k1), fd2 = rill_pair(8, &k2);
    for (int i = 0; i < 50; i++) {
        struct outcome one = {.fd = fd1}, two = {.fd = fd2};
        pthread_t first = thread_run(run_recv, &one), second = thread_run(run_recv, &two);
        sleep_ms(2);
        kernel_write(k1, "a", 1);
        thread_join(first);
        kernel_write(k2, "a", 1);
        thread_join(second);
        CHECK(one.result == 1 && two.result == 1);
        CHECK(one.took_us < 500000 && two.took_us < 500000);
    }
    stack_down();
}
TEST(driver__leaves__another_waiter_goes_on)

/* ---- Close and fork in the middle ---------------------------------------------------------------------- */

static void body_close__while_others_are_blocked__gives_them_ebadf(void)
{
    stack_up();
    int kernel, fd = rill_pair(7, &kernel), listener = rill_listen_on(8080);
    struct outcome receiving = {.fd = fd}, accepting = {.fd = listener};
    pthread_t first = thread_run(run_recv, &receiving); /* drives */
    sleep_ms(50);
    pthread_t second = thread_run(run_accept, &accepting);
    sleep_ms(50);
    CHECK(rill_close(fd) == 0);
    CHECK(rill_close(listener) == 0);
    /* The numbers are free and are given out again at once. */
    CHECK(rill_listen_on(8081) >= RILL_FD_BASE && rill_listen_on(8082) >= RILL_FD_BASE);
    thread_join(first);
    thread_join(second);
    CHECK(receiving.result == -1 && receiving.error == EBADF);
    CHECK(accepting.result == -1 && accepting.error == EBADF);
    CHECK(close(kernel) == 0);
    stack_down();
}
TEST(close__while_others_are_blocked__gives_them_ebadf)

/* A number that is given out again at once does not mislead who waited for the old one. */
static void body_close__number_reused_at_once__still_gives_ebadf(void)
{
    stack_up();
    for (int i = 0; i < 30; i++) {
        int kernel, fd = rill_pair(7, &kernel), lower = rill_socket(AF_INET, SOCK_STREAM, 0);
        struct outcome receiving = {.fd = fd};
        pthread_t thread = thread_run(run_recv, &receiving);
        sleep_ms(5);
        CHECK(rill_close(fd) == 0);
        CHECK(rill_socket(AF_INET, SOCK_STREAM, 0) == fd);
        thread_join(thread);
        CHECK(receiving.result == -1 && receiving.error == EBADF);
        CHECK(rill_close(fd) == 0 && rill_close(lower) == 0 && close(kernel) == 0);
    }
    stack_down();
}
TEST(close__number_reused_at_once__still_gives_ebadf)

static void body_shutdown__while_another_is_blocked__ends_its_recv(void)
{
    stack_up();
    int kernel, fd = rill_pair(7, &kernel);
    struct outcome receiving = {.fd = fd};
    pthread_t thread = thread_run(run_recv, &receiving);
    sleep_ms(50);
    CHECK(rill_shutdown(fd, SHUT_RD) == 0);
    thread_join(thread);
    CHECK(receiving.result == 0);
    stack_down();
}
TEST(shutdown__while_another_is_blocked__ends_its_recv)

static _Atomic bool spin_stop;
static void *spin(void *arg)
{
    char byte;
    while (!spin_stop)
        (void)rill_recv(*(int *)arg, &byte, 1, MSG_DONTWAIT);
    return NULL;
}

static void check_child(int fd)
{
    char byte = 0;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    CHECK_ERRNO(rill_recv(fd, &byte, 1, 0), EBADF);
    CHECK_ERRNO(rill_send(fd, &byte, 1, 0), EBADF);
    CHECK_ERRNO(rill_socket(AF_INET, SOCK_STREAM, 0), EBADF);
    CHECK_ERRNO(rill_accept(fd, NULL, NULL), EBADF);
    CHECK_ERRNO(rill_poll(&p, 1, 0), EBADF);
    CHECK_ERRNO(rill_event_fd(), EBADF);
    CHECK_ERRNO(rill_close(fd), EBADF);
    CHECK_ERRNO(rill_stop(0), EBADF);
}

static void body_fork__in_the_child__everything_is_ebadf_and_the_parent_goes_on(void)
{
    stack_up();
    int kernel, fd = rill_pair(7, &kernel), k2, fd2 = rill_pair(8, &k2);
    spin_stop = false;
    pthread_t thread = thread_run(spin, &fd2); /* holds the lock most of the time */
    for (int i = 0; i < 30; i++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            (void)alarm(5);
            check_child(fd);
            _exit(0);
        }
        int status = -1;
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
        char byte = 0;
        kernel_write(kernel, "a", 1);
        CHECK(rill_recv(fd, &byte, 1, 0) == 1 && byte == 'a');
    }
    spin_stop = true;
    thread_join(thread);
    stack_down();
}
TEST(fork__in_the_child__everything_is_ebadf_and_the_parent_goes_on)

/* ---- Signals ------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t signals_seen;
static void on_signal(int number)
{
    (void)number;
    signals_seen = signals_seen + 1;
}

static void *interrupt(void *arg)
{
    sleep_ms(100);
    CHECK(pthread_kill(*(pthread_t *)arg, SIGUSR1) == 0);
    return NULL;
}

/* A signal comes in 100 ms. */
static pthread_t interrupt_me(void)
{
    static pthread_t self;
    self = pthread_self();
    return thread_run(interrupt, &self);
}

static void check_interrupts(int fd)
{
    char byte;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    signals_seen = 0;
    pthread_t thread = interrupt_me();
    CHECK_ERRNO(rill_recv(fd, &byte, 1, 0), EINTR);
    thread_join(thread);
    CHECK(signals_seen == 1);
    thread = interrupt_me();
    CHECK_ERRNO(rill_poll(&p, 1, -1), EINTR);
    thread_join(thread);
    CHECK(signals_seen == 2);
}

static void body_signal__in_a_blocked_call__is_eintr(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    stack_up();
    int kernel, fd = rill_pair(7, &kernel), listener = rill_listen_on(8080);
    check_interrupts(fd); /* as the driver */
    struct outcome accepting = {.fd = listener};
    pthread_t thread = thread_run(run_accept, &accepting);
    sleep_ms(50);
    check_interrupts(fd); /* while another one drives */
    CHECK(rill_close(listener) == 0);
    thread_join(thread);
    /* Some bytes have been taken when it comes: their count, not an error. */
    static char data[64 << 20];
    thread = interrupt_me();
    ssize_t n = rill_send(fd, data, sizeof data, 0);
    CHECK(n > 0 && n < (ssize_t)sizeof data);
    thread_join(thread);
    CHECK(ping_us(STACK_ADDR) >= 0);
    CHECK(rill_stop(0) == 0);
}
TEST(signal__in_a_blocked_call__is_eintr)

static void *flood(void *arg)
{
    static char data[BULK_BLOCK];
    while (!spin_stop)
        kernel_write(*(int *)arg, data, sizeof data);
    CHECK(shutdown(*(int *)arg, SHUT_WR) == 0);
    return NULL;
}

static void *discard(void *arg)
{
    static char data[BULK_BLOCK];
    while (rill_recv(*(int *)arg, data, sizeof data, 0) > 0)
        ;
    return NULL;
}

/* A driver that always finds packets never sleeps; a signal ends its call all the same. */
static void body_signal__while_others_keep_the_driver_busy__is_eintr(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    stack_up();
    int kernel, fd = rill_pair(7, &kernel), k2, fd2 = rill_pair(8, &k2);
    spin_stop = false;
    pthread_t sink = thread_run(discard, &fd2), source = thread_run(flood, &k2);
    for (int i = 0; i < 5; i++) {
        char byte;
        int64_t began_us = mono_us();
        pthread_t thread = interrupt_me();
        CHECK_ERRNO(rill_recv(fd, &byte, 1, 0), EINTR);
        CHECK(mono_us() - began_us < 300000);
        thread_join(thread);
    }
    spin_stop = true;
    thread_join(source);
    thread_join(sink);
    stack_down();
}
TEST(signal__while_others_keep_the_driver_busy__is_eintr)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads__four_echo_at_once__content_is_equal),
        cmocka_unit_test(threads__two_directions_of_one_connection__move_16_mb_each),
        cmocka_unit_test(accept__two_threads__each_gets_one),
        cmocka_unit_test(driver__leaves__another_waiter_goes_on),
        cmocka_unit_test(close__while_others_are_blocked__gives_them_ebadf),
        cmocka_unit_test(close__number_reused_at_once__still_gives_ebadf),
        cmocka_unit_test(shutdown__while_another_is_blocked__ends_its_recv),
        cmocka_unit_test(fork__in_the_child__everything_is_ebadf_and_the_parent_goes_on),
        cmocka_unit_test(signal__in_a_blocked_call__is_eintr),
        cmocka_unit_test(signal__while_others_keep_the_driver_busy__is_eintr),
    };
    return cmocka_run_group_tests_name("wait", tests, NULL, NULL);
}
