/* test_start.c - rill_start's failures and their cures, devices that are adopted, that go down or away, and
 * rill_stop. */
#include "test.h"

#include "tun.h"
#include "world.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define TEST(name)                                                                                           \
    static void name(void **state)                                                                           \
    {                                                                                                        \
        (void)state;                                                                                         \
        netns_run(body_##name, 30);                                                                          \
    }

/* ---- Failures name their cure -------------------------------------------------------------------------- */

/* rill_start fails with this errno and a line that has the words; nothing is left behind. */
static void check_fails(const struct rill_options *options, int code, const char *words)
{
    CHECK_ERRNO(rill_start(options), code);
    if (strstr(rill_error(), words) == NULL)
        fprintf(stderr, "it says: %s\n", rill_error());
    CHECK(strstr(rill_error(), words) != NULL);
    CHECK(strchr(rill_error(), '\n') == NULL);
    CHECK_ERRNO(rill_socket(AF_INET, SOCK_STREAM, 0), EBADF);
}

static void body_start__options_that_cannot_work__are_refused(void)
{
    static const struct {
        const char *tun, *addr, *peer, *words;
        int mtu;
    } bad[] = {
        {"", "10.77.0.2", "10.77.0.1/24", "bad device name", 1500},
        {"a/b", "10.77.0.2", "10.77.0.1/24", "bad device name", 1500},
        {"sixteen_letters_", "10.77.0.2", "10.77.0.1/24", "bad device name", 1500},
        {"rill%d", "10.77.0.2", "10.77.0.1/24", "bad device name", 1500},
        {"rill0", "10.77.0", "10.77.0.1/24", "no IPv4 address", 1500},
        {"rill0", "10.77.0.2/24", "10.77.0.1/24", "no IPv4 address", 1500},
        {"rill0", "10.77.0.2", "10.77.0.1", "prefix length", 1500},
        {"rill0", "10.77.0.2", "10.77.0.1/", "prefix length", 1500},
        {"rill0", "10.77.0.2", "10.77.0.1/24x", "prefix length", 1500},
        {"rill0", "10.77.0.2", "10.77.0.1/0", "1 to 30", 1500},
        {"rill0", "10.77.0.2", "10.77.0.1/31", "1 to 30", 1500},
        {"rill0", "10.77.0.2", "10.77.0.1/280", "1 to 30", 1500},
        {"rill0", "10.77.0.2", "10.77.0.2/24", "both", 1500},
        {"rill0", "10.77.0.2", "10.77.0.255/24", "broadcast", 1500},
        {"rill0", "10.77.0.0", "10.77.0.1/24", "broadcast", 1500},
        {"rill0", "10.77.0.34", "10.77.0.1/27", "not in the network", 1500},
        {"rill0", "0.0.0.1", "0.0.0.2/24", "no host's address", 1500},
        {"rill0", "10.77.0.2", "10.77.0.1/24", "out of range", 67},
        {"rill0", "10.77.0.2", "10.77.0.1/24", "out of range", 65536},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct rill_options o;
        rill_options_default(&o);
        o.tun = bad[i].tun;
        o.addr = bad[i].addr;
        o.peer = bad[i].peer;
        o.mtu = bad[i].mtu;
        check_fails(&o, EINVAL, bad[i].words);
        CHECK(if_nametoindex("rill0") == 0);
    }
    struct rill_options o;
    rill_options_default(&o);
    o.engine.ttl = 0;
    check_fails(&o, EINVAL, "options.engine");
    CHECK(if_nametoindex("rill0") == 0);
    stack_up(); /* and a good one works afterwards */
    CHECK_ERRNO(rill_start(NULL), EALREADY);
    stack_down();
}
TEST(start__options_that_cannot_work__are_refused)

static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2];
    memset(none, 0, sizeof none);
    CHECK(syscall(SYS_capset, &header, none) == 0);
}

static void body_start__no_capability__says_how_to_get_it(void)
{
    drop_capabilities();
    check_fails(NULL, EPERM, "CAP_NET_ADMIN");
    CHECK(strstr(rill_error(), "rill lab") != NULL && strstr(rill_error(), "setcap") != NULL);
}
TEST(start__no_capability__says_how_to_get_it)

static void body_start__no_dev_net_tun__says_how_to_get_it(void)
{
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "/dev/net", "tmpfs", 0, NULL) != 0)
        netns_skip("no mounts can be made");
    check_fails(NULL, ENOENT, "modprobe tun");
    CHECK(strstr(rill_error(), "--device /dev/net/tun --cap-add NET_ADMIN") != NULL);
}
TEST(start__no_dev_net_tun__says_how_to_get_it)

static int open_tun(const char *name)
{
    struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    memcpy(r.ifr_name, name, strlen(name));
    CHECK(ioctl(fd, TUNSETIFF, &r) == 0);
    return fd;
}

static void body_start__name_taken__is_ebusy(void)
{
    struct rill_options o;
    int fd = open_tun("rill0");
    check_fails(NULL, EBUSY, "used by another program");
    CHECK(close(fd) == 0);
    rill_options_default(&o);
    o.tun = "lo";
    check_fails(&o, EBUSY, "another kind");
    stack_up();
    stack_down();
}
TEST(start__name_taken__is_ebusy)

static struct tun other_tun(uint32_t peer, uint8_t prefix_len)
{
    struct tun other;
    struct tun_error error = {0};
    struct tun_config config = {
        .name = "other0", .addr = peer + 1, .peer = peer, .prefix_len = prefix_len, .mtu = 1500};
    CHECK(tun_open(&other, &config, &error) == 0);
    return other;
}

static void body_start__address_taken__names_the_interface(void)
{
    struct tun other = other_tun(0x0a4d0001, 24); /* the kernel's address of the defaults */
    check_fails(NULL, EADDRINUSE, "10.77.0.1 is taken by interface other0");
    tun_close(&other);
    other = other_tun(0x0a4d0002, 24); /* the stack's */
    check_fails(NULL, EADDRINUSE, "10.77.0.2 is taken by interface other0");
    tun_close(&other);
    other = other_tun(0x0a4d0009, 25); /* would get the stack's packets */
    check_fails(NULL, EADDRINUSE, "interface other0");
    tun_close(&other);
    CHECK(if_nametoindex("other0") == 0);
    other = other_tun(0x0a4d0001 + 256, 16); /* a wider network is no trouble */
    stack_up();
    CHECK(ping_us(STACK_ADDR) >= 0);
    stack_down();
    tun_close(&other);
}
TEST(start__address_taken__names_the_interface)

/* ---- Devices ------------------------------------------------------------------------------------------- */

static int get(const char *name, unsigned long request)
{
    struct ifreq r = {0};
    struct sockaddr_in in;
    int ctl = socket(AF_INET, SOCK_DGRAM, 0);
    memcpy(r.ifr_name, name, strlen(name));
    int result = ioctl(ctl, request, &r);
    CHECK(close(ctl) == 0);
    memcpy(&in, &r.ifr_addr, sizeof in);
    return result != 0                 ? 0
           : request == SIOCGIFFLAGS   ? (r.ifr_flags & IFF_UP)
           : request == SIOCGIFADDR    ? (int)ntohl(in.sin_addr.s_addr)
           : request == SIOCGIFNETMASK ? (int)ntohl(in.sin_addr.s_addr)
                                       : r.ifr_mtu; /* and the queue length */
}

static void set(const char *name, unsigned long request, int value)
{
    struct ifreq r = {0};
    int ctl = socket(AF_INET, SOCK_DGRAM, 0);
    memcpy(r.ifr_name, name, strlen(name));
    if (request == SIOCSIFFLAGS)
        r.ifr_flags = (short)value;
    else if (request == SIOCSIFADDR || request == SIOCSIFNETMASK) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl((uint32_t)value)}};
        memcpy(&r.ifr_addr, &in, sizeof in);
    } else
        r.ifr_mtu = value;
    CHECK(ioctl(ctl, request, &r) == 0);
    CHECK(close(ctl) == 0);
}

static void make_persistent(const char *name)
{
    int fd = open_tun(name);
    CHECK(ioctl(fd, TUNSETPERSIST, 1) == 0);
    CHECK(close(fd) == 0);
}

static void body_start__device__is_as_asked(void)
{
    struct rill_options o;
    rill_options_default(&o);
    o.tun = "brook";
    o.addr = "10.77.0.20";
    o.peer = "10.77.0.19/29";
    o.mtu = 900;
    CHECK(rill_start(&o) == 0);
    CHECK(get("brook", SIOCGIFMTU) == 900 && get("brook", SIOCGIFFLAGS) == IFF_UP);
    CHECK(get("brook", SIOCGIFADDR) == 0x0a4d0013);
    CHECK(get("brook", SIOCGIFNETMASK) == (int)0xfffffff8);
    CHECK(get("brook", SIOCGIFTXQLEN) >= (4 << 20) / 860);
    CHECK(ping_us("10.77.0.20") >= 0);
    CHECK(rill_stop(100) == 0);
    CHECK(if_nametoindex("brook") == 0);
}
TEST(start__device__is_as_asked)

static void body_stop__persistent_device__is_as_it_was(void)
{
    make_persistent("rill0");
    int queue = get("rill0", SIOCGIFTXQLEN);
    struct rill_options o;
    rill_options_default(&o);
    o.mtu = 4000;
    CHECK(rill_start(&o) == 0);
    CHECK(get("rill0", SIOCGIFMTU) == 4000 && ping_us(STACK_ADDR) >= 0);
    CHECK(rill_stop(100) == 0);
    CHECK(if_nametoindex("rill0") != 0);
    CHECK(get("rill0", SIOCGIFADDR) == 0 && get("rill0", SIOCGIFFLAGS) == 0);
    CHECK(get("rill0", SIOCGIFMTU) == 1500 && get("rill0", SIOCGIFTXQLEN) == queue);
    /* One that was in use keeps what it had. */
    set("rill0", SIOCSIFADDR, 0x0a4d0041);
    set("rill0", SIOCSIFNETMASK, (int)0xffffffc0);
    set("rill0", SIOCSIFFLAGS, IFF_UP);
    stack_up();
    CHECK(get("rill0", SIOCGIFADDR) == 0x0a4d0001 && ping_us(STACK_ADDR) >= 0);
    stack_down();
    CHECK(get("rill0", SIOCGIFADDR) == 0x0a4d0041 && get("rill0", SIOCGIFNETMASK) == (int)0xffffffc0);
    CHECK(get("rill0", SIOCGIFFLAGS) == IFF_UP);
}
TEST(stop__persistent_device__is_as_it_was)

/* What `ip tuntap add NAME mode tun user USER` makes. */
static void make_owned(const char *name)
{
    make_persistent(name);
    int fd = open_tun(name);
    CHECK(ioctl(fd, TUNSETOWNER, geteuid()) == 0 && close(fd) == 0);
}

static void body_start__device_without_address_and_capability__names_the_command(void)
{
    make_owned("rill0");
    drop_capabilities();
    check_fails(NULL, EPERM, "ip addr add 10.77.0.1/24 dev rill0");
}
TEST(start__device_without_address_and_capability__names_the_command)

static bool is_running(const char *name)
{
    struct ifreq r = {0};
    int ctl = socket(AF_INET, SOCK_DGRAM, 0);
    memcpy(r.ifr_name, name, strlen(name));
    CHECK(ioctl(ctl, SIOCGIFFLAGS, &r) == 0 && close(ctl) == 0);
    return (r.ifr_flags & IFF_RUNNING) != 0;
}

static void body_start__prepared_and_configured_device__works_without_capability(void)
{
    make_owned("rill0");
    set("rill0", SIOCSIFADDR, 0x0a4d0001);
    set("rill0", SIOCSIFNETMASK, (int)0xffffff00);
    set("rill0", SIOCSIFFLAGS, IFF_UP);
    for (int i = 0; i < 200 && is_running("rill0"); i++)
        sleep_ms(10); /* until the kernel has noticed that nobody holds it */
    CHECK(!is_running("rill0"));
    drop_capabilities();
    stack_up();
    int64_t began_us = mono_us(); /* the kernel notices the carrier late: rill_start has waited for it */
    int kernel, rill = rill_pair(8080, &kernel);
    CHECK(mono_us() - began_us < 500000);
    CHECK(rill_close(rill) == 0 && close(kernel) == 0);
    stack_down();
    CHECK(get("rill0", SIOCGIFADDR) == 0x0a4d0001 && get("rill0", SIOCGIFFLAGS) == IFF_UP);
}
TEST(start__prepared_and_configured_device__works_without_capability)

static void body_start__adopted_descriptor__is_used_and_closed(void)
{
    struct rill_options o;
    rill_options_default(&o);
    o.tun_fd = open("/dev/null", O_RDWR);
    check_fails(&o, EINVAL, "no TUN");
    CHECK(close(o.tun_fd) == 0); /* it stayed ours */
    o.tun_fd = open_tun("brook");
    set("brook", SIOCSIFADDR, 0x0a4d0001);
    set("brook", SIOCSIFNETMASK, (int)0xffffff00);
    set("brook", SIOCSIFFLAGS, IFF_UP);
    CHECK(rill_start(&o) == 0);
    CHECK(ping_us(STACK_ADDR) >= 0);
    CHECK(rill_stop(100) == 0);
    CHECK(close(o.tun_fd) == -1 && if_nametoindex("brook") == 0);
}
TEST(start__adopted_descriptor__is_used_and_closed)

static void delete_link(const char *name)
{
    struct {
        struct nlmsghdr head;
        struct ifinfomsg info;
    } m = {
        .head = {.nlmsg_len = sizeof m, .nlmsg_type = RTM_DELLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
        .info = {.ifi_index = (int)if_nametoindex(name)}};
    char answer[512];
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    CHECK(send(fd, &m, sizeof m, 0) == (ssize_t)sizeof m);
    CHECK(recv(fd, answer, sizeof answer, 0) > 0);
    CHECK(close(fd) == 0 && if_nametoindex(name) == 0);
}

static int64_t cpu_us(void)
{
    struct rusage u;
    CHECK(getrusage(RUSAGE_SELF, &u) == 0);
    return (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec +
           u.ru_stime.tv_usec;
}

static void body_device__down_and_up__connections_survive(void)
{
    char text[8];
    stack_up();
    int kernel, fd = rill_pair(8080, &kernel);
    set("rill0", SIOCSIFFLAGS, 0);
    CHECK(rill_send(fd, "abc", 3, 0) == 3); /* lost */
    int64_t before_us = cpu_us();
    sleep_ms(300);
    CHECK(cpu_us() - before_us < 60000);
    set("rill0", SIOCSIFFLAGS, IFF_UP);
    CHECK(kernel_read(kernel, text, 3) == 3 && memcmp(text, "abc", 3) == 0);
    stack_down();
}
TEST(device__down_and_up__connections_survive)

static void *delete_soon(void *arg)
{
    sleep_ms(200);
    delete_link("rill0");
    return arg;
}

/* One of the callers drives, the other waits for it. */
static void body_device__deleted__callers_are_told(void)
{
    char byte;
    uint64_t counters[RILL_EVENT_COUNT];
    stack_up();
    int kernel, fd = rill_pair(8080, &kernel);
    struct outcome other = {.fd = rill_listen_on(8081)};
    pthread_t deleter = thread_run(delete_soon, NULL), waiter = thread_run(run_accept, &other);
    CHECK_ERRNO(rill_recv(fd, &byte, 1, 0), ENETDOWN);
    thread_join(waiter);
    CHECK(other.result == -1 && other.error == ENETDOWN);
    thread_join(deleter);
    struct pollfd readable = {fd, POLLIN, 0};
    CHECK_ERRNO(rill_send(fd, "abc", 3, 0), ENETDOWN);
    CHECK_ERRNO(rill_poll(&readable, 1, -1), ENETDOWN);
    CHECK_ERRNO(rill_socket(AF_INET, SOCK_STREAM, 0), ENETDOWN);
    CHECK(rill_counters(counters, NULL) == 0);
    CHECK(rill_close(fd) == 0);
    int64_t began_us = mono_us();
    CHECK(rill_stop(5000) == 0);
    CHECK(mono_us() - began_us < 1000000);
    stack_up(); /* and with a new one all is well */
    CHECK(ping_us(STACK_ADDR) >= 0);
    stack_down();
}
TEST(device__deleted__callers_are_told)

/* Nobody calls: the thread finds it out, and tells a foreign loop. */
static void body_device__deleted_while_nobody_waits__does_not_spin(void)
{
    stack_up();
    struct pollfd foreign = {rill_event_fd(), POLLIN, 0};
    uint64_t count;
    CHECK(foreign.fd >= 0 && read(foreign.fd, &count, sizeof count) == sizeof count);
    int64_t before_us = cpu_us();
    delete_link("rill0");
    CHECK(poll(&foreign, 1, 5000) == 1);
    CHECK_ERRNO(rill_socket(AF_INET, SOCK_STREAM, 0), ENETDOWN);
    sleep_ms(300);
    CHECK(cpu_us() - before_us < 60000);
    CHECK(rill_stop(0) == 0);
}
TEST(device__deleted_while_nobody_waits__does_not_spin)

/* ---- rill_stop ----------------------------------------------------------------------------------------- */

static void *close_at_eof(void *arg)
{
    char byte;
    CHECK(kernel_read(*(int *)arg, &byte, 1) == 0);
    CHECK(close(*(int *)arg) == 0);
    return NULL;
}

static void body_stop__peers_that_close__ends_in_order_at_once(void)
{
    stack_up();
    int kernel, fd = rill_pair(8080, &kernel);
    pthread_t thread = thread_run(close_at_eof, &kernel);
    int64_t began_us = mono_us();
    CHECK(rill_stop(5000) == 0);
    CHECK(mono_us() - began_us < 1000000);
    thread_join(thread);
    CHECK(if_nametoindex("rill0") == 0);
    CHECK_ERRNO(rill_stop(0), EBADF);
    CHECK_ERRNO(rill_close(fd), EBADF);
    stack_up(); /* and once more */
    CHECK(ping_us(STACK_ADDR) >= 0);
    stack_down();
}
TEST(stop__peers_that_close__ends_in_order_at_once)

static void body_stop__peer_that_stays__is_reset_after_the_time(void)
{
    char byte;
    stack_up();
    int kernel, fd = rill_pair(8080, &kernel);
    CHECK(rill_close(fd) == 0); /* an orphan */
    int64_t began_us = mono_us();
    CHECK(rill_stop(200) == 0);
    int64_t took_us = mono_us() - began_us;
    CHECK(took_us >= 200000 && took_us < 600000);
    CHECK(kernel_read(kernel, &byte, 1) == 0);
    CHECK_ERRNO(send(kernel, "a", 1, MSG_NOSIGNAL), EPIPE); /* the reset was there */
}
TEST(stop__peer_that_stays__is_reset_after_the_time)

static void body_stop__unread_data__resets(void)
{
    char byte;
    stack_up();
    int kernel, fd = rill_pair(8080, &kernel);
    kernel_write(kernel, "abc", 3);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    CHECK(rill_poll(&p, 1, 1000) == 1);
    CHECK(rill_stop(2000) == 0);
    CHECK_ERRNO(read(kernel, &byte, 1), ECONNRESET);
}
TEST(stop__unread_data__resets)

static void *run_poll(void *arg)
{
    struct outcome *o = arg;
    struct pollfd p = {.fd = o->fd, .events = POLLIN};
    outcome_note(o, rill_poll(&p, 1, -1), mono_us());
    return NULL;
}

static void body_stop__while_others_are_blocked__gives_them_ebadf(void)
{
    stack_up();
    int kernel, fd = rill_pair(8080, &kernel), listener = rill_listen_on(8081);
    struct outcome o[3] = {{.fd = fd}, {.fd = listener}, {.fd = fd}};
    pthread_t thread[3] = {thread_run(run_recv, &o[0]), thread_run(run_accept, &o[1]),
                           thread_run(run_poll, &o[2])};
    sleep_ms(50);
    CHECK(rill_stop(100) == 0);
    for (int i = 0; i < 3; i++) {
        thread_join(thread[i]);
        CHECK(o[i].result == -1 && o[i].error == EBADF);
    }
}
TEST(stop__while_others_are_blocked__gives_them_ebadf)

static unsigned seen[2];
static void on_packet(void *ctx, const void *data, size_t len, bool out)
{
    const uint8_t *bytes = data;
    CHECK(ctx == &seen && len >= 20);
    if (bytes[0] >> 4 == 4 && bytes[9] == 1 && (size_t)(bytes[2] << 8 | bytes[3]) == len)
        seen[out]++;
}

static void body_on_packet__ping__sees_both_ways(void)
{
    struct rill_options o;
    rill_options_default(&o);
    o.on_packet = on_packet;
    o.on_packet_ctx = &seen;
    CHECK(rill_start(&o) == 0);
    CHECK(ping_us(STACK_ADDR) >= 0);
    stack_down();
    CHECK(seen[false] == 1 && seen[true] == 1);
}
TEST(on_packet__ping__sees_both_ways)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start__options_that_cannot_work__are_refused),
        cmocka_unit_test(start__no_capability__says_how_to_get_it),
        cmocka_unit_test(start__no_dev_net_tun__says_how_to_get_it),
        cmocka_unit_test(start__name_taken__is_ebusy),
        cmocka_unit_test(start__address_taken__names_the_interface),
        cmocka_unit_test(start__device__is_as_asked),
        cmocka_unit_test(stop__persistent_device__is_as_it_was),
        cmocka_unit_test(start__device_without_address_and_capability__names_the_command),
        cmocka_unit_test(start__prepared_and_configured_device__works_without_capability),
        cmocka_unit_test(start__adopted_descriptor__is_used_and_closed),
        cmocka_unit_test(device__down_and_up__connections_survive),
        cmocka_unit_test(device__deleted__callers_are_told),
        cmocka_unit_test(device__deleted_while_nobody_waits__does_not_spin),
        cmocka_unit_test(stop__peers_that_close__ends_in_order_at_once),
        cmocka_unit_test(stop__peer_that_stays__is_reset_after_the_time),
        cmocka_unit_test(stop__unread_data__resets),
        cmocka_unit_test(stop__while_others_are_blocked__gives_them_ebadf),
        cmocka_unit_test(on_packet__ping__sees_both_ways),
    };
    return cmocka_run_group_tests_name("start", tests, NULL, NULL);
}
