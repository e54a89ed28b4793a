/* test_emulation.c - rill_link(): a link that changes while the stack runs, and the files of rill_options. */
#include "test.h"

#include "world.h"

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

#define TEST(name)                                                                                           \
    static void name(void **state)                                                                           \
    {                                                                                                        \
        (void)state;                                                                                         \
        netns_run(body_##name, 30);                                                                          \
    }

static void link_is(enum rill_direction direction, const char *want)
{
    char text[200];
    CHECK(rill_link_get(direction, text, sizeof text) == (int)strlen(want));
    CHECK(strcmp(text, want) == 0);
}

static void both(const char *spec)
{
    CHECK(rill_link(RILL_IN, spec) == 0);
    CHECK(rill_link(RILL_OUT, spec) == 0);
}

static bool can_connect(uint16_t port)
{
    struct sockaddr_in to = addr_of(STACK_ADDR, port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {0, 300000};
    CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0);
    bool done = connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
    CHECK(done || errno == EINPROGRESS); /* not refused */
    CHECK(close(fd) == 0);
    return done;
}

/* ---- rill_link ----------------------------------------------------------------------------------------- */

static void body_link__loss_and_none__take_effect_at_once(void)
{
    stack_up();
    CHECK(ping_us(STACK_ADDR) >= 0);
    for (int direction = RILL_IN; direction <= RILL_OUT; direction++) {
        CHECK(rill_link((enum rill_direction)direction, "loss 100%") == 0);
        CHECK(ping_us(STACK_ADDR) == -1);
        CHECK(rill_link((enum rill_direction)direction, "none") == 0);
        CHECK(ping_us(STACK_ADDR) >= 0);
    }
    stack_down();
}
TEST(link__loss_and_none__take_effect_at_once)

/* The background thread has to wake up for what is due, though nothing arrives. */
static void body_link__delay__is_that_of_the_answer(void)
{
    stack_up();
    for (int direction = RILL_IN; direction <= RILL_OUT; direction++) {
        CHECK(rill_link((enum rill_direction)direction, "delay 60ms") == 0);
        for (int i = 0; i < 3; i++) {
            int64_t us = ping_us(STACK_ADDR);
            CHECK(us >= 60000 && us < 160000);
        }
        CHECK(rill_link((enum rill_direction)direction, "") == 0);
    }
    both("delay 60ms");
    int64_t us = ping_us(STACK_ADDR);
    CHECK(us >= 120000 && us < 220000);
    stack_down();
}
TEST(link__delay__is_that_of_the_answer)

/* The same for a caller who drives: he sends, and waits for what comes back. */
static void body_link__delay__is_waited_for_by_a_caller(void)
{
    char byte;
    stack_up();
    int kernel, fd = rill_pair(8080, &kernel);
    both("delay 40ms");
    pthread_t thread;
    for (int i = 0; i < 5; i++) {
        int64_t began_us = mono_us();
        CHECK(rill_send(fd, "a", 1, 0) == 1);
        CHECK(kernel_read(kernel, &byte, 1) == 1);
        CHECK(mono_us() - began_us >= 40000);
        kernel_write(kernel, "b", 1);
        struct outcome o = {.fd = fd};
        thread = thread_run(run_recv, &o);
        thread_join(thread);
        CHECK(o.result == 1);
        int64_t took_us = mono_us() - began_us;
        CHECK(took_us >= 80000 && took_us < 300000);
    }
    stack_down();
}
TEST(link__delay__is_waited_for_by_a_caller)

static void body_link__rate__limits_a_transfer(void)
{
    static uint8_t data[100000], back[sizeof data];
    stack_up();
    int kernel, fd = rill_pair(8080, &kernel);
    CHECK(rill_link(RILL_OUT, "rate 4mbit") == 0);
    pattern_fill(data, sizeof data, 0, 1);
    int64_t began_us = mono_us();
    CHECK(rill_send(fd, data, sizeof data, 0) == sizeof data);
    CHECK(kernel_read(kernel, back, sizeof back) == sizeof back);
    int64_t took_us = mono_us() - began_us;
    CHECK(memcmp(data, back, sizeof data) == 0);
    CHECK(took_us >= 200000 && took_us < 1000000); /* 800000 bits at 4 per microsecond, headers not counted */
    stack_down();
}
TEST(link__rate__limits_a_transfer)

static void body_link_get__after_link__is_canonical(void)
{
    char text[8];
    stack_up();
    link_is(RILL_IN, "none");
    CHECK(rill_link(RILL_OUT, "  Loss 5%   delay 20ms\t") == 0);
    link_is(RILL_OUT, "loss 5% delay 20ms");
    link_is(RILL_IN, "none");
    CHECK(rill_link_get(RILL_OUT, text, sizeof text) == 18 && strcmp(text, "loss 5%") == 0);
    CHECK(rill_link_get(RILL_OUT, NULL, 0) == 18);
    stack_down();
}
TEST(link_get__after_link__is_canonical)

static void body_link__mistakes__change_nothing(void)
{
    CHECK_ERRNO(rill_link(RILL_IN, "loss 5%"), EBADF);
    CHECK_ERRNO(rill_link_get(RILL_IN, NULL, 0), EBADF);
    CHECK_ERRNO(rill_link_check("loss 5% dely 3ms"), EINVAL);
    CHECK(strstr(rill_error(), "column 9: ") != NULL);
    CHECK(rill_link_check("loss 5%") == 0);
    stack_up();
    CHECK(rill_link(RILL_IN, "loss 5%") == 0);
    CHECK_ERRNO(rill_link(RILL_IN, "delay 3"), EINVAL);
    CHECK(strstr(rill_error(), "'delay 3': column 8: ") != NULL);
    CHECK_ERRNO(rill_link((enum rill_direction)2, "loss 5%"), EINVAL);
    CHECK_ERRNO(rill_link_get((enum rill_direction)2, NULL, 0), EINVAL);
    link_is(RILL_IN, "loss 5%");
    stack_down();
    CHECK_ERRNO(rill_link(RILL_IN, "none"), EBADF);
}
TEST(link__mistakes__change_nothing)

static void body_start__mistake_in_a_link__opens_nothing(void)
{
    struct rill_options o;
    rill_options_default(&o);
    o.link_out = "delay 3";
    o.capture = "/tmp/rill-must-not-be-there.pcapng";
    CHECK_ERRNO(rill_start(&o), EINVAL);
    CHECK(strstr(rill_error(), "column 8: ") != NULL);
    struct stat info;
    CHECK_ERRNO(stat(o.capture, &info), ENOENT);
}
TEST(start__mistake_in_a_link__opens_nothing)

/* So that a page which is served there can switch the loss off again. */
static void body_port_80__not_named__is_not_emulated(void)
{
    stack_up();
    int web = rill_listen_on(80), other = rill_listen_on(81);
    both("loss 100%");
    CHECK(can_connect(80) && !can_connect(81));
    both("loss 100% port 80");
    CHECK(!can_connect(80) && can_connect(81));
    both("loss 100% except port 81");
    CHECK(can_connect(80) && can_connect(81));
    CHECK(rill_close(web) == 0 && rill_close(other) == 0);
    both("none");
    stack_down();
}
TEST(port_80__not_named__is_not_emulated)

static void body_stop__packets_on_the_way_out__leave(void)
{
    char bytes[4];
    stack_up();
    int kernel, fd = rill_pair(8080, &kernel);
    CHECK(rill_link(RILL_OUT, "delay 20s") == 0);
    CHECK(rill_send(fd, "abc", 3, 0) == 3);
    struct pollfd p = {.fd = kernel, .events = POLLIN};
    CHECK(poll(&p, 1, 50) == 0);
    CHECK(rill_stop(0) == 0);
    CHECK(poll(&p, 1, 1000) == 1);
    /* The bytes, unless the reset behind them has taken them. */
    CHECK(read(kernel, bytes, sizeof bytes) == 3 || errno == ECONNRESET);
}
TEST(stop__packets_on_the_way_out__leave)

static unsigned seen[2];
static void on_packet(void *ctx, const void *data, size_t len, bool out)
{
    (void)ctx;
    CHECK(len >= 20);
    if (((const uint8_t *)data)[9] == 1 && ((const uint8_t *)data)[0] == 0x45)
        seen[out]++;
}

/* It sees what crosses the TUN: before the link on the way in, behind it on the way out. */
static void body_on_packet__with_links__sees_the_tun(void)
{
    struct rill_options o;
    rill_options_default(&o);
    o.on_packet = on_packet;
    o.link_out = "duplicate 100%";
    CHECK(rill_start(&o) == 0);
    CHECK(ping_us(STACK_ADDR) >= 0);
    CHECK(rill_link(RILL_IN, "loss 100%") == 0);
    CHECK(ping_us(STACK_ADDR) == -1);
    stack_down();
    CHECK(seen[false] == 2 && seen[true] == 2);
}
TEST(on_packet__with_links__sees_the_tun)

/* ---- Files --------------------------------------------------------------------------------------------- */

/* How often the type of a block of packets stands in the file where a block begins; the file ends with one.
 */
static unsigned packets_in(const char *path)
{
    static uint8_t file[1 << 16];
    FILE *f = fopen(path, "rb");
    CHECK(f != NULL);
    size_t len = fread(file, 1, sizeof file, f), at = 0;
    CHECK(fclose(f) == 0 && len < sizeof file);
    unsigned count = 0;
    while (at < len) {
        uint32_t head[2];
        CHECK(len - at >= 12);
        memcpy(head, file + at, sizeof head);
        CHECK(head[1] >= 12 && head[1] <= len - at);
        count += head[0] == 6 && file[at + 28] == 0x45;
        at += head[1];
    }
    return count;
}

/* What the parent has in its buffers is not the child's to write, and the descriptors are closed there. */
static void body_fork__capture_open__child_writes_nothing(void)
{
    struct rill_options o;
    char path[64];
    (void)snprintf(path, sizeof path, "/tmp/rill-fork-%d.pcapng", (int)getpid());
    rill_options_default(&o);
    o.capture = path;
    o.trace_file = "/dev/null";
    CHECK(rill_start(&o) == 0);
    CHECK(ping_us(STACK_ADDR) >= 0);
    (void)fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_ERRNO(rill_stop(0), EBADF);
        exit(0); /* NOLINT(concurrency-mt-unsafe): with all that is done at exit */
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(ping_us(STACK_ADDR) >= 0);
    stack_down();
    CHECK(packets_in(path) == 4);
    CHECK(unlink(path) == 0);
}
TEST(fork__capture_open__child_writes_nothing)

/* Within a second and a little, and with nothing else going on, all is in the file. */
static void body_capture__quiet_stack__is_written_within_a_second(void)
{
    struct rill_options o;
    char path[64];
    (void)snprintf(path, sizeof path, "/tmp/rill-quiet-%d.pcapng", (int)getpid());
    rill_options_default(&o);
    o.capture = path;
    CHECK(rill_start(&o) == 0);
    sleep_ms(1200); /* the first flush, of what stands at the beginning, is over */
    CHECK(ping_us(STACK_ADDR) >= 0);
    CHECK(packets_in(path) == 0); /* a system call for each packet would be dear */
    sleep_ms(1200);
    CHECK(packets_in(path) == 2);
    stack_down();
    CHECK(unlink(path) == 0);
}
TEST(capture__quiet_stack__is_written_within_a_second)

/* The program's own hook goes on seeing all of it. */
static unsigned hook_segments;
static void count_segments(void *ctx, const struct rill_trace_event *event)
{
    CHECK(ctx == &hook_segments);
    hook_segments += event->kind == RILL_TRACE_SEGMENT_IN || event->kind == RILL_TRACE_SEGMENT_OUT;
}

static void body_trace_hook__beside_a_capture__is_called(void)
{
    struct rill_options o;
    rill_options_default(&o);
    o.capture = o.trace_file = "/dev/null";
    o.engine.trace = count_segments;
    o.engine.trace_ctx = &hook_segments;
    CHECK(rill_start(&o) == 0);
    int kernel, fd = rill_pair(8080, &kernel);
    CHECK(rill_close(fd) == 0 && close(kernel) == 0);
    stack_down();
    CHECK(hook_segments >= 6); /* both handshakes */
}
TEST(trace_hook__beside_a_capture__is_called)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(link__loss_and_none__take_effect_at_once),
        cmocka_unit_test(link__delay__is_that_of_the_answer),
        cmocka_unit_test(link__delay__is_waited_for_by_a_caller),
        cmocka_unit_test(link__rate__limits_a_transfer),
        cmocka_unit_test(link_get__after_link__is_canonical),
        cmocka_unit_test(link__mistakes__change_nothing),
        cmocka_unit_test(start__mistake_in_a_link__opens_nothing),
        cmocka_unit_test(port_80__not_named__is_not_emulated),
        cmocka_unit_test(stop__packets_on_the_way_out__leave),
        cmocka_unit_test(on_packet__with_links__sees_the_tun),
        cmocka_unit_test(fork__capture_open__child_writes_nothing),
        cmocka_unit_test(capture__quiet_stack__is_written_within_a_second),
        cmocka_unit_test(trace_hook__beside_a_capture__is_called),
    };
    return cmocka_run_group_tests_name("emulation", tests, NULL, NULL);
}
