/* test_poll.c - rill_poll over both kinds of descriptors, foreign loops, and what the stack does while nobody
 * calls it. */
#include "test.h"

#include "world.h"

#include <fcntl.h>
#include <sys/resource.h>

#define TEST(name)                                                                                           \
    static void name(void **state)                                                                           \
    {                                                                                                        \
        (void)state;                                                                                         \
        netns_run(body_##name, 30);                                                                          \
    }

/* ---- poll ---------------------------------------------------------------------------------------------- */

static void check_took(int64_t began_us, int64_t at_least_us, int64_t below_us)
{
    int64_t took_us = mono_us() - began_us;
    if (took_us < at_least_us || took_us >= below_us)
        fprintf(stderr, "took %lld us\n", (long long)took_us);
    CHECK(took_us >= at_least_us && took_us < below_us);
}

static void body_poll__timeouts__are_kept(void)
{
    stack_up();
    int kernel, fd = rill_pair(7, &kernel);
    struct pollfd p = {.fd = fd, .events = POLLIN, .revents = -1};
    int64_t began_us = mono_us();
    CHECK(rill_poll(&p, 1, 0) == 0 && p.revents == 0);
    check_took(began_us, 0, 5000);
    began_us = mono_us();
    CHECK(rill_poll(&p, 1, 50) == 0 && p.revents == 0);
    check_took(began_us, 50000, 70000);
    began_us = mono_us();
    CHECK(rill_poll(NULL, 0, 50) == 0);
    check_took(began_us, 50000, 70000);
    stack_down();
}
TEST(poll__timeouts__are_kept)

static void body_poll__bad_and_negative_descriptors__are_nval_and_skipped(void)
{
    stack_up();
    int dead = dup(1), listener = rill_listen_on(8080);
    CHECK(close(dead) == 0);
    struct pollfd p[4] = {{.fd = -1, .events = POLLIN, .revents = -1},
                          {.fd = RILL_FD_BASE + 500, .events = POLLIN},
                          {.fd = dead, .events = POLLIN},
                          {.fd = listener, .events = POLLIN, .revents = -1}};
    CHECK(rill_poll(p, 4, -1) == 2);
    CHECK(p[0].revents == 0 && p[1].revents == POLLNVAL && p[2].revents == POLLNVAL && p[3].revents == 0);
    stack_down();
}
TEST(poll__bad_and_negative_descriptors__are_nval_and_skipped)

struct later {
    int pipe;
    uint16_t port;
    int kernel;
};

static void *write_later(void *arg)
{
    sleep_ms(50);
    CHECK(write(((struct later *)arg)->pipe, "x", 1) == 1);
    return NULL;
}

static void *connect_later(void *arg)
{
    struct later *l = arg;
    sleep_ms(50);
    l->kernel = kernel_connect(l->port);
    return NULL;
}

static void check_mixed(int listener, uint16_t port)
{
    int ends[2];
    char byte;
    CHECK(pipe(ends) == 0);
    struct later later = {.pipe = ends[1], .port = port};
    struct pollfd p[2] = {{.fd = ends[0], .events = POLLIN}, {.fd = listener, .events = POLLIN}};
    int64_t began_us = mono_us();
    pthread_t thread = thread_run(write_later, &later);
    CHECK(rill_poll(p, 2, -1) == 1 && p[0].revents == POLLIN && p[1].revents == 0);
    check_took(began_us, 50000, 150000);
    thread_join(thread);
    CHECK(read(ends[0], &byte, 1) == 1);
    began_us = mono_us();
    thread = thread_run(connect_later, &later);
    CHECK(rill_poll(p, 2, 5000) == 1 && p[0].revents == 0 && p[1].revents == POLLIN);
    check_took(began_us, 50000, 150000);
    thread_join(thread);
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(rill_poll(p, 2, 5000) == 2);
    int fd = rill_accept(listener, NULL, NULL);
    CHECK(fd >= RILL_FD_BASE && rill_close(fd) == 0);
    CHECK(close(later.kernel) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
}

static void body_poll__both_kinds_in_one_array__each_ends_it(void)
{
    stack_up();
    int listener = rill_listen_on(8080), other = rill_listen_on(8081);
    check_mixed(listener, 8080); /* as the driver */
    struct outcome accepting = {.fd = other};
    pthread_t thread = thread_run(run_accept, &accepting);
    sleep_ms(50);
    check_mixed(listener, 8080); /* while another one drives */
    CHECK(rill_close(other) == 0);
    thread_join(thread);
    stack_down();
}
TEST(poll__both_kinds_in_one_array__each_ends_it)

static void body_poll__more_kernel_descriptors_than_the_stack_holds__works(void)
{
    enum { COUNT = 100 };
    struct pollfd p[COUNT + 1];
    int ends[2];
    stack_up();
    CHECK(pipe(ends) == 0);
    for (int i = 0; i < COUNT; i++)
        p[i] = (struct pollfd){.fd = ends[0], .events = POLLIN};
    p[COUNT] = (struct pollfd){.fd = rill_listen_on(8080), .events = POLLIN};
    CHECK(rill_poll(p, COUNT + 1, 20) == 0);
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(rill_poll(p, COUNT + 1, -1) == COUNT && p[COUNT - 1].revents == POLLIN && p[COUNT].revents == 0);
    stack_down();
}
TEST(poll__more_kernel_descriptors_than_the_stack_holds__works)

/* ---- Foreign loops ------------------------------------------------------------------------------------- */

static void *ask(void *arg)
{
    int64_t *took_us = arg;
    char byte;
    int kernel = kernel_connect(8080);
    for (int i = 0; i < 50; i++) {
        int64_t began_us = mono_us();
        kernel_write(kernel, "q", 1);
        CHECK(kernel_read(kernel, &byte, 1) == 1 && byte == 'q');
        if (mono_us() - began_us > *took_us)
            *took_us = mono_us() - began_us;
    }
    CHECK(close(kernel) == 0);
    return NULL;
}

static void body_event_fd__in_a_loop_of_the_kernels_poll__an_echo_server_works(void)
{
    int64_t worst_us = 0;
    char data[100];
    stack_up();
    int listener = rill_listen_on(8080), fd = -1, event = rill_event_fd();
    CHECK(event >= 0 && event == rill_event_fd());
    CHECK(rill_fcntl(listener, F_SETFL, O_NONBLOCK) == 0);
    pthread_t thread = thread_run(ask, &worst_us);
    for (bool done = false; !done;) {
        uint64_t count;
        struct pollfd p = {.fd = event, .events = POLLIN};
        CHECK(poll(&p, 1, 5000) == 1);
        CHECK(read(event, &count, sizeof count) == sizeof count);
        struct pollfd both[2] = {{.fd = listener, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
        CHECK(rill_poll(both, 2, 0) >= 0);
        if (both[0].revents != 0)
            fd = rill_accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        ssize_t n;
        while (fd >= 0 && (n = rill_recv(fd, data, sizeof data, 0)) > 0)
            CHECK(rill_send(fd, data, (size_t)n, 0) == n);
        done = fd >= 0 && n == 0;
    }
    thread_join(thread);
    CHECK(worst_us < 200000);
    /* Asking changes nothing: the loop comes to rest. */
    uint64_t count;
    sleep_ms(50);
    (void)!read(event, &count, sizeof count);
    for (int i = 0; i < 3; i++) {
        struct pollfd p = {.fd = listener, .events = POLLIN}, e = {.fd = event, .events = POLLIN};
        CHECK(rill_poll(&p, 1, 0) == 0);
        CHECK(poll(&e, 1, 0) == 0);
    }
    stack_down();
}
TEST(event_fd__in_a_loop_of_the_kernels_poll__an_echo_server_works)

/* ---- While nobody calls -------------------------------------------------------------------------------- */

static void *poll_forever(void *arg)
{
    struct pollfd p = {.fd = *(int *)arg, .events = POLLIN};
    CHECK(rill_poll(&p, 1, -1) == 1 && p.revents == POLLNVAL);
    return NULL;
}

static void body_ping__whatever_the_application_does__is_answered_soon(void)
{
    stack_up();
    CHECK(ping_us(STACK_ADDR) >= 0); /* nothing has been called yet */
    int kernel, fd = rill_pair(7, &kernel), listener = rill_listen_on(8080);
    for (int i = 0; i < 20; i++) { /* right after a call that drove */
        struct pollfd p = {.fd = fd, .events = POLLIN};
        CHECK(rill_poll(&p, 1, i % 4) == 0);
        int64_t took_us = ping_us(STACK_ADDR);
        CHECK(took_us >= 0 && took_us < 100000);
    }
    sleep_ms(100);
    CHECK(ping_us(STACK_ADDR) >= 0);
    struct outcome accepting = {.fd = listener};
    pthread_t first = thread_run(run_accept, &accepting), second = thread_run(poll_forever, &fd);
    sleep_ms(50);
    CHECK(ping_us(STACK_ADDR) >= 0); /* while others are blocked */
    CHECK(rill_close(listener) == 0 && rill_close(fd) == 0);
    thread_join(first);
    thread_join(second);
    CHECK(ping_us(STACK_ADDR) >= 0);
    stack_down();
}
TEST(ping__whatever_the_application_does__is_answered_soon)

/* How often this process gives the CPU away within 500 ms. */
static long switches(void)
{
    struct rusage before, after;
    CHECK(getrusage(RUSAGE_SELF, &before) == 0);
    sleep_ms(500);
    CHECK(getrusage(RUSAGE_SELF, &after) == 0);
    return after.ru_nvcsw - before.ru_nvcsw;
}

static void body_idle__nothing_to_do__costs_nothing(void)
{
    stack_up();
    int kernel, fd = rill_pair(7, &kernel);
    sleep_ms(100);
    CHECK(switches() < 30); /* the thread drives */
    struct outcome receiving = {.fd = fd};
    pthread_t thread = thread_run(run_recv, &receiving);
    sleep_ms(100);
    CHECK(switches() < 30); /* a caller drives */
    kernel_write(kernel, "a", 1);
    thread_join(thread);
    CHECK(receiving.result == 1);
    sleep_ms(100);
    CHECK(switches() < 30); /* and the thread again */
    CHECK(ping_us(STACK_ADDR) >= 0);
    stack_down();
}
TEST(idle__nothing_to_do__costs_nothing)

static uint64_t resent(void)
{
    uint64_t counters[RILL_EVENT_COUNT];
    CHECK(rill_counters(counters, NULL) == 0);
    return counters[RILL_SEG_RESENT];
}

/* A SYN that nobody answers, and whether it is sent again after its second. */
static void check_timer_fires(void)
{
    struct sockaddr_in nobody = addr_of("10.77.0.99", 9);
    int fd = rill_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    uint64_t before = resent();
    CHECK_ERRNO(rill_connect(fd, (struct sockaddr *)&nobody, sizeof nobody), EINPROGRESS);
    sleep_ms(1300);
    CHECK(resent() == before + 1);
    CHECK(rill_close(fd) == 0);
}

static void body_timer__set_while_another_one_sleeps__fires_in_time(void)
{
    stack_up();
    sleep_ms(50);
    check_timer_fires(); /* the thread was in poll */
    CHECK(rill_poll(NULL, 0, 10) == 0);
    check_timer_fires(); /* nobody was: a caller has just left */
    int listener = rill_listen_on(8080);
    struct outcome accepting = {.fd = listener};
    pthread_t thread = thread_run(run_accept, &accepting);
    sleep_ms(50);
    check_timer_fires(); /* a caller is */
    CHECK(rill_close(listener) == 0);
    thread_join(thread);
    stack_down();
}
TEST(timer__set_while_another_one_sleeps__fires_in_time)

/* Data that a non-blocking program has sent is acknowledged and sent on while it computes. */
static void body_send__application_computes_afterwards__all_arrives(void)
{
    enum { TOTAL = 200000 };
    static uint8_t data[TOTAL], back[TOTAL];
    stack_up();
    int kernel, fd = rill_pair(7, &kernel), size = TOTAL;
    CHECK(rill_setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0);
    pattern_fill(data, TOTAL, 0, 5);
    ssize_t n = rill_send(fd, data, TOTAL, MSG_DONTWAIT);
    CHECK(n > 20000);
    CHECK(kernel_read(kernel, back, (size_t)n) == (size_t)n && pattern_holds(back, (size_t)n, 0, 5));
    stack_down();
}
TEST(send__application_computes_afterwards__all_arrives)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(poll__timeouts__are_kept),
        cmocka_unit_test(poll__bad_and_negative_descriptors__are_nval_and_skipped),
        cmocka_unit_test(poll__both_kinds_in_one_array__each_ends_it),
        cmocka_unit_test(poll__more_kernel_descriptors_than_the_stack_holds__works),
        cmocka_unit_test(event_fd__in_a_loop_of_the_kernels_poll__an_echo_server_works),
        cmocka_unit_test(ping__whatever_the_application_does__is_answered_soon),
        cmocka_unit_test(idle__nothing_to_do__costs_nothing),
        cmocka_unit_test(timer__set_while_another_one_sleeps__fires_in_time),
        cmocka_unit_test(send__application_computes_afterwards__all_arrives),
    };
    return cmocka_run_group_tests_name("poll", tests, NULL, NULL);
}
