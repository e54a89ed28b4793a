/* test_api.c - the calls of rill.h against the kernel's sockets over a real TUN: one call at a time. */
#include "test.h"

#include "world.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#define TEST(name)                                                                                           \
    static void name(void **state)                                                                           \
    {                                                                                                        \
        (void)state;                                                                                         \
        netns_run(body_##name, 30);                                                                          \
    }

/* A child may not call assert_…; it CHECKs. */
static void body_accept__kernel_connects__tells_its_address(void)
{
    stack_up();
    int listener = rill_listen_on(8080), kernel = kernel_connect(8080);
    struct sockaddr_in peer = {0}, kernels = {0};
    socklen_t len = sizeof peer, kernels_len = sizeof kernels;
    int fd = rill_accept(listener, (struct sockaddr *)&peer, &len);
    CHECK(fd >= RILL_FD_BASE && fd != listener);
    CHECK(getsockname(kernel, (struct sockaddr *)&kernels, &kernels_len) == 0);
    CHECK(peer.sin_port == kernels.sin_port && peer.sin_addr.s_addr == kernels.sin_addr.s_addr);
    CHECK(rill_close(fd) == 0 && rill_close(listener) == 0);
    CHECK_ERRNO(rill_close(fd), EBADF);
    stack_down();
}
TEST(accept__kernel_connects__tells_its_address)

static void body_echo__one_connection__content_is_equal(void)
{
    enum { TOTAL = 1 << 20, BLOCK = 10000 };
    static uint8_t data[BLOCK], back[BLOCK];
    stack_up();
    int kernel, fd = rill_pair(7, &kernel);
    pthread_t thread = thread_run(run_echo, &fd);
    for (uint64_t pos = 0; pos < TOTAL; pos += BLOCK) {
        pattern_fill(data, BLOCK, pos, 1);
        kernel_write(kernel, data, BLOCK);
        CHECK(kernel_read(kernel, back, BLOCK) == BLOCK);
        CHECK(pattern_holds(back, BLOCK, pos, 1));
    }
    CHECK(shutdown(kernel, SHUT_WR) == 0);
    CHECK(kernel_read(kernel, back, 1) == 0);
    thread_join(thread);
    stack_down();
}
TEST(echo__one_connection__content_is_equal)

static void body_connect__to_kernel__blocks_until_it_is_there(void)
{
    stack_up();
    int listener = kernel_listen(9001);
    int fd = rill_connect_to(9001);
    int kernel = accept(listener, NULL, NULL);
    CHECK(rill_send(fd, "abc", 3, 0) == 3);
    char text[4] = "";
    CHECK(kernel_read(kernel, text, 3) == 3 && memcmp(text, "abc", 3) == 0);
    struct sockaddr_in to = addr_of(KERNEL_ADDR, 9001);
    CHECK_ERRNO(rill_connect(fd, (struct sockaddr *)&to, sizeof to), EISCONN);
    stack_down();
}
TEST(connect__to_kernel__blocks_until_it_is_there)

static void body_connect__nobody_listens__is_refused(void)
{
    stack_up();
    struct sockaddr_in to = addr_of(KERNEL_ADDR, 9);
    int fd = rill_socket(AF_INET, SOCK_STREAM, 0);
    CHECK_ERRNO(rill_connect(fd, (struct sockaddr *)&to, sizeof to), ECONNREFUSED);
    stack_down();
}
TEST(connect__nobody_listens__is_refused)

static int so_error(int fd)
{
    int error = -1;
    socklen_t len = sizeof error;
    CHECK(rill_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0);
    return error;
}

static void body_connect__nonblocking__poll_and_so_error_tell(void)
{
    stack_up();
    int listener = kernel_listen(9001);
    struct sockaddr_in good = addr_of(KERNEL_ADDR, 9001), bad = addr_of(KERNEL_ADDR, 9);
    int fd = rill_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK_ERRNO(rill_connect(fd, (struct sockaddr *)&good, sizeof good), EINPROGRESS);
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    CHECK(rill_poll(&p, 1, 5000) == 1 && p.revents == POLLOUT);
    CHECK(so_error(fd) == 0);
    fd = rill_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK_ERRNO(rill_connect(fd, (struct sockaddr *)&bad, sizeof bad), EINPROGRESS);
    p = (struct pollfd){.fd = fd, .events = POLLOUT};
    CHECK(rill_poll(&p, 1, 5000) == 1 && (p.revents & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP));
    CHECK(so_error(fd) == ECONNREFUSED);
    CHECK(so_error(fd) == 0);
    CHECK(close(listener) == 0);
    stack_down();
}
TEST(connect__nonblocking__poll_and_so_error_tell)

static void body_recv__flags__as_on_linux(void)
{
    char text[8] = "";
    stack_up();
    int kernel, fd = rill_pair(7, &kernel);
    CHECK_ERRNO(rill_recv(fd, text, 1, MSG_DONTWAIT), EAGAIN);
    kernel_write(kernel, "abcd", 4);
    CHECK(rill_recv(fd, text, 2, MSG_PEEK) == 2 && memcmp(text, "ab", 2) == 0);
    CHECK(rill_recv(fd, text, 2, 0) == 2 && memcmp(text, "ab", 2) == 0);
    int queued = 0;
    CHECK(rill_ioctl(fd, FIONREAD, &queued) == 0 && queued == 2);
    CHECK(rill_recv(fd, text, 8, 0) == 2 && memcmp(text, "cd", 2) == 0);
    CHECK(rill_fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && rill_fcntl(fd, F_GETFL, 0) == (O_RDWR | O_NONBLOCK));
    CHECK_ERRNO(rill_recv(fd, text, 1, 0), EAGAIN);
    int off = 0;
    CHECK(rill_ioctl(fd, FIONBIO, &off) == 0 && rill_fcntl(fd, F_GETFL, 0) == O_RDWR);
    CHECK(close(kernel) == 0);
    CHECK(rill_recv(fd, text, 1, 0) == 0);
    stack_down();
}
TEST(recv__flags__as_on_linux)

static void *write_in_pieces(void *arg)
{
    int kernel = *(int *)arg;
    for (int i = 0; i < 5; i++) {
        sleep_ms(20);
        kernel_write(kernel, "0123456789", 10);
    }
    return NULL;
}

static void body_recv__waitall__gathers_pieces(void)
{
    char data[64];
    stack_up();
    int kernel, fd = rill_pair(7, &kernel);
    pthread_t thread = thread_run(write_in_pieces, &kernel);
    CHECK(rill_recv(fd, data, 45, MSG_WAITALL) == 45);
    thread_join(thread);
    CHECK(close(kernel) == 0);
    CHECK(rill_recv(fd, data, 64, MSG_WAITALL) == 5); /* the end of the stream ends it */
    stack_down();
}
TEST(recv__waitall__gathers_pieces)

static void body_vectors__more_slices_than_fit_at_once__keep_their_order(void)
{
    enum { SLICES = 100, TOTAL = SLICES * 7 };
    static uint8_t data[TOTAL], back[TOTAL];
    struct iovec out[SLICES], in[SLICES];
    stack_up();
    int kernel, fd = rill_pair(7, &kernel);
    pattern_fill(data, TOTAL, 0, 3);
    for (size_t i = 0; i < SLICES; i++) {
        out[i] = (struct iovec){data + 7 * i, 7};
        in[i] = (struct iovec){back + 7 * i, 7};
    }
    CHECK(rill_writev(fd, out, SLICES) == TOTAL);
    CHECK(kernel_read(kernel, back, TOTAL) == TOTAL && pattern_holds(back, TOTAL, 0, 3));
    memset(back, 0, sizeof back);
    kernel_write(kernel, data, TOTAL);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int queued = 0;
    while (queued < TOTAL && rill_poll(&p, 1, 1000) == 1)
        CHECK(rill_ioctl(fd, FIONREAD, &queued) == 0);
    struct sockaddr_in name;
    struct msghdr msg = {.msg_name = &name, .msg_namelen = sizeof name, .msg_iov = in, .msg_iovlen = SLICES};
    CHECK(rill_recvmsg(fd, &msg, 0) == TOTAL && pattern_holds(back, TOTAL, 0, 3));
    CHECK(msg.msg_namelen == 0);
    CHECK_ERRNO(rill_readv(fd, in, -1), EINVAL);
    stack_down();
}
TEST(vectors__more_slices_than_fit_at_once__keep_their_order)

static void body_send__peer_reset__is_epipe_and_no_signal(void)
{
    stack_up();
    int kernel, fd = rill_pair(7, &kernel);
    struct linger reset = {.l_onoff = 1};
    CHECK(setsockopt(kernel, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0);
    CHECK(close(kernel) == 0);
    char byte;
    CHECK_ERRNO(rill_recv(fd, &byte, 1, 0), ECONNRESET);
    CHECK_ERRNO(rill_send(fd, "a", 1, 0), EPIPE); /* SIGPIPE would end this child */
    stack_down();
}
TEST(send__peer_reset__is_epipe_and_no_signal)

static void body_any_call__on_a_kernel_descriptor__is_ebadf(void)
{
    char byte = 0;
    stack_up();
    int kernel = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_ERRNO(rill_send(kernel, &byte, 1, 0), EBADF);
    CHECK_ERRNO(rill_recv(kernel, &byte, 1, 0), EBADF);
    CHECK_ERRNO(rill_listen(kernel, 1), EBADF);
    CHECK_ERRNO(rill_accept(kernel, NULL, NULL), EBADF);
    CHECK_ERRNO(rill_close(kernel), EBADF);
    CHECK_ERRNO(rill_close(-1), EBADF);
    CHECK_ERRNO(rill_fcntl(RILL_FD_BASE + 77, F_GETFL, 0), EBADF);
    stack_down();
}
TEST(any_call__on_a_kernel_descriptor__is_ebadf)

/* A peer that does not read, with as much on its way as fits. */
static int full_pair(int *kernel)
{
    static char data[65536];
    int fd = rill_pair(7, kernel);
    CHECK(rill_fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        if (rill_poll(&p, 1, 300) == 0)
            break;
        CHECK(rill_send(fd, data, sizeof data, 0) > 0);
    }
    CHECK(rill_fcntl(fd, F_SETFL, 0) == 0);
    return fd;
}

static void body_close__linger__waits_for_the_acknowledgement_or_the_time(void)
{
    static char data[100000];
    struct linger second = {1, 1};
    stack_up();
    int kernel, fd = rill_pair(7, &kernel);
    CHECK(rill_setsockopt(fd, SOL_SOCKET, SO_LINGER, &second, sizeof second) == 0);
    CHECK(rill_send(fd, "abc", 3, 0) == 3);
    int64_t began_us = mono_us();
    CHECK(rill_close(fd) == 0);
    CHECK(mono_us() - began_us < 500000);
    CHECK(kernel_read(kernel, data, sizeof data) == 3);
    CHECK(close(kernel) == 0);

    fd = full_pair(&kernel);
    CHECK(rill_setsockopt(fd, SOL_SOCKET, SO_LINGER, &second, sizeof second) == 0);
    began_us = mono_us();
    CHECK(rill_close(fd) == 0);
    int64_t took_us = mono_us() - began_us;
    CHECK(took_us >= 1000000 && took_us < 1500000);
    CHECK_ERRNO(rill_close(fd), EBADF);
    CHECK(rill_stop(0) == 0);
}
TEST(close__linger__waits_for_the_acknowledgement_or_the_time)

static void body_timeouts__recv_send_connect__end_in_time(void)
{
    static char data[1 << 20];
    struct timeval limit = {0, 100000};
    stack_up();
    int kernel, fd = full_pair(&kernel);
    CHECK(rill_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    CHECK(rill_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0);
    int64_t began_us = mono_us();
    CHECK_ERRNO(rill_recv(fd, data, 1, 0), EAGAIN);
    int64_t took_us = mono_us() - began_us;
    CHECK(took_us >= 100000 && took_us < 200000);
    /* What fits is taken; then there is nothing left to take. */
    began_us = mono_us();
    for (ssize_t n = 1; n > 0;)
        n = rill_send(fd, data, sizeof data, 0);
    CHECK(errno == EAGAIN);
    took_us = mono_us() - began_us;
    CHECK(took_us >= 100000 && took_us < 500000);

    struct sockaddr_in nobody = addr_of("10.77.0.99", 9);
    int other = rill_socket(AF_INET, SOCK_STREAM, 0);
    CHECK(rill_setsockopt(other, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0);
    began_us = mono_us();
    CHECK_ERRNO(rill_connect(other, (struct sockaddr *)&nobody, sizeof nobody), EINPROGRESS);
    took_us = mono_us() - began_us;
    CHECK(took_us >= 100000 && took_us < 200000);
    int listener = rill_listen_on(8080);
    CHECK(rill_setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    CHECK_ERRNO(rill_accept(listener, NULL, NULL), EAGAIN);
    CHECK(rill_stop(0) == 0);
}
TEST(timeouts__recv_send_connect__end_in_time)

static void body_counters__after_traffic__show_it(void)
{
    uint64_t counters[RILL_EVENT_COUNT];
    size_t memory = 0;
    stack_up();
    int kernel, fd = rill_pair(7, &kernel);
    kernel_write(kernel, "abcd", 4);
    char text[4];
    CHECK(rill_recv(fd, text, 4, MSG_WAITALL) == 4);
    CHECK(rill_counters(counters, &memory) == 0);
    CHECK(counters[RILL_OPEN_PASSIVE] == 1 && counters[RILL_BYTES_IN] == 4 && memory > 0);
    stack_down();
    CHECK_ERRNO(rill_counters(counters, &memory), EBADF);
}
TEST(counters__after_traffic__show_it)

/* Runs inside of the engine: only notes. */
static void note_fin_wait(void *ctx, const struct rill_trace_event *event)
{
    if (event->kind == RILL_TRACE_STATE && event->state == RILL_FIN_WAIT_1)
        *(rill_time *)ctx = event->at_us;
}

static void body_shutdown__after_a_pause__happens_now(void)
{
    rill_time at_us = 0;
    struct rill_options options;
    rill_options_default(&options);
    options.engine.trace = note_fin_wait;
    options.engine.trace_ctx = &at_us;
    CHECK(rill_start(&options) == 0);
    int kernel, fd = rill_pair(7, &kernel);
    usleep(200000);
    int64_t began_us = mono_us();
    CHECK(rill_shutdown(fd, SHUT_WR) == 0);
    CHECK(at_us >= (rill_time)began_us && at_us <= (rill_time)mono_us());
    stack_down();
}
TEST(shutdown__after_a_pause__happens_now)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accept__kernel_connects__tells_its_address),
        cmocka_unit_test(echo__one_connection__content_is_equal),
        cmocka_unit_test(connect__to_kernel__blocks_until_it_is_there),
        cmocka_unit_test(connect__nobody_listens__is_refused),
        cmocka_unit_test(connect__nonblocking__poll_and_so_error_tell),
        cmocka_unit_test(recv__flags__as_on_linux),
        cmocka_unit_test(recv__waitall__gathers_pieces),
        cmocka_unit_test(vectors__more_slices_than_fit_at_once__keep_their_order),
        cmocka_unit_test(send__peer_reset__is_epipe_and_no_signal),
        cmocka_unit_test(any_call__on_a_kernel_descriptor__is_ebadf),
        cmocka_unit_test(close__linger__waits_for_the_acknowledgement_or_the_time),
        cmocka_unit_test(timeouts__recv_send_connect__end_in_time),
        cmocka_unit_test(counters__after_traffic__show_it),
        cmocka_unit_test(shutdown__after_a_pause__happens_now),
    };
    return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
