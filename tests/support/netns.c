/* netns.c - see netns.h. */
#include "netns.h"

#include "test.h"

#include <fcntl.h>
#include <net/if.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>

#define SKIP_STATUS 77

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, text, strlen(text));
    int result = n < 0 ? -errno : 0;
    (void)close(fd);
    return result;
}

int netns_enter(void)
{
    char map[64];
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (unshare(CLONE_NEWNET) != 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
            return -errno;
        (void)write_file("/proc/self/setgroups", "deny");
        (void)snprintf(map, sizeof map, "0 %u 1", (unsigned)uid);
        int result = write_file("/proc/self/uid_map", map);
        (void)snprintf(map, sizeof map, "0 %u 1", (unsigned)gid);
        if (result != 0 || (result = write_file("/proc/self/gid_map", map)) != 0)
            return result;
    }
    /* Router solicitations would wake a stack that is meant to be idle. */
    (void)write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    int ctl = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int result = ctl < 0 || ioctl(ctl, SIOCSIFFLAGS, &r) != 0 ? -errno : 0;
    (void)close(ctl);
    return result;
}

void netns_skip(const char *why)
{
    (void)fprintf(stderr, "SKIPPED: %s\n", why);
    _exit(SKIP_STATUS);
}

static void child(void (*body)(void), unsigned seconds)
{
    (void)signal(SIGALRM, SIG_DFL);
    (void)alarm(seconds);
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        netns_skip("/dev/net/tun cannot be opened");
    (void)close(fd);
    if (netns_enter() != 0)
        netns_skip("no network namespace can be made");
    body();
    exit(0); /* not _exit: leaks are looked for at exit */
}

void netns_run(void (*body)(void), unsigned seconds)
{
    (void)fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child(body, seconds);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIP_STATUS)
        skip();
    if (WIFSIGNALED(status))
        fail_msg("the child was killed by signal %d%s", WTERMSIG(status),
                 WTERMSIG(status) == SIGALRM ? ": it did not end in time" : "");
    assert_int_equal(WEXITSTATUS(status), 0);
}

struct sockaddr_in addr_of(const char *ip, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    CHECK(inet_pton(AF_INET, ip, &in.sin_addr) == 1);
    return in;
}

int kernel_connect(uint16_t port)
{
    struct sockaddr_in to = addr_of(STACK_ADDR, port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    int on = 1;
    CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    return fd;
}

int kernel_listen(uint16_t port)
{
    struct sockaddr_in at = addr_of(KERNEL_ADDR, port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK(bind(fd, (struct sockaddr *)&at, sizeof at) == 0);
    CHECK(listen(fd, 16) == 0);
    return fd;
}

size_t kernel_read(int fd, void *data, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = read(fd, (char *)data + done, len - done);
        CHECK(n >= 0);
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return done;
}

void kernel_write(int fd, const void *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        CHECK(n > 0);
        data = (const char *)data + n;
        len -= (size_t)n;
    }
}

/* RFC 1071, the slow way. */
static uint16_t checksum(const uint8_t *data, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i += 2)
        sum += (uint32_t)(data[i] << 8 | (i + 1 < len ? data[i + 1] : 0));
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

int64_t ping_us(const char *ip)
{
    static uint16_t sequence;
    struct sockaddr_in to = addr_of(ip, 0);
    uint8_t echo[24] = {ICMP_ECHO, 0}, reply[256];
    int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
    CHECK(fd >= 0);
    struct timeval limit = {1, 0};
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    sequence++;
    echo[6] = (uint8_t)(sequence >> 8);
    echo[7] = (uint8_t)sequence;
    uint16_t sum = checksum(echo, sizeof echo);
    echo[2] = (uint8_t)(sum >> 8);
    echo[3] = (uint8_t)sum;
    int64_t begin = mono_us(), result = -1;
    CHECK(sendto(fd, echo, sizeof echo, 0, (struct sockaddr *)&to, sizeof to) == (ssize_t)sizeof echo);
    while (mono_us() - begin < 1000000) {
        ssize_t n = recv(fd, reply, sizeof reply, 0);
        if (n == 20 + (ssize_t)sizeof echo && reply[20] == ICMP_ECHOREPLY &&
            memcmp(reply + 24, echo + 4, sizeof echo - 4) == 0) {
            result = mono_us() - begin;
            break;
        }
    }
    (void)close(fd);
    return result;
}

int64_t mono_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void sleep_ms(unsigned ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

static uint8_t pattern(uint64_t pos, uint32_t seed)
{
    uint64_t x = (pos / 8 + 1) * 0x9e3779b97f4a7c15u ^ seed;
    return (uint8_t)((x ^ x >> 29) >> (pos % 8 * 8));
}

void pattern_fill(uint8_t *data, size_t len, uint64_t pos, uint32_t seed)
{
    for (size_t i = 0; i < len; i++)
        data[i] = pattern(pos + i, seed);
}

bool pattern_holds(const uint8_t *data, size_t len, uint64_t pos, uint32_t seed)
{
    for (size_t i = 0; i < len; i++)
        if (data[i] != pattern(pos + i, seed))
            return false;
    return true;
}
