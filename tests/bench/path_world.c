/* path_world.c - see path_world.h. */
#include "path_world.h"

#include "netns.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

enum { QUEUE_PACKETS = 10000 }; /* of the path's devices: what is lost is lost on the path */

void path_fail(const char *what)
{
    int error = errno;
    (void)fprintf(stderr, "path: %s: %s\n", what, strerror(error));
    exit(1);
}

static void sysctl(const char *path, const char *value)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, value, strlen(value)) < 0)
        path_fail(path);
    (void)close(fd);
}

static void set(int ctl, unsigned long request, struct ifreq *r, const char *what)
{
    if (ioctl(ctl, request, r) != 0)
        path_fail(what);
}

static void set_inet(int ctl, unsigned long request, struct ifreq r, const char *value)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    if (inet_pton(AF_INET, value, &in.sin_addr) != 1)
        path_fail(value);
    memcpy(&r.ifr_addr, &in, sizeof in);
    set(ctl, request, &r, value);
}

/* A device without offloads: what leaves it are packets as on a wire. */
static int make_device(const char *addr, const char *mask)
{
    struct ifreq r = {.ifr_name = "path"};
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    int ctl = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ctl < 0)
        path_fail("/dev/net/tun");
    r.ifr_flags = IFF_TUN | IFF_NO_PI;
    set(fd, TUNSETIFF, &r, "TUNSETIFF");
    if (ioctl(fd, TUNSETOFFLOAD, 0ul) != 0)
        path_fail("TUNSETOFFLOAD");
    set_inet(ctl, SIOCSIFADDR, r, addr);
    set_inet(ctl, SIOCSIFNETMASK, r, mask);
    r.ifr_qlen = QUEUE_PACKETS;
    set(ctl, SIOCSIFTXQLEN, &r, "txqueuelen");
    r.ifr_flags = IFF_UP;
    set(ctl, SIOCSIFFLAGS, &r, "up");
    (void)close(ctl);
    return fd;
}

static int here(void)
{
    int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        path_fail("/proc/self/ns/net");
    return fd;
}

void path_world_make(struct path_world *world)
{
    int result = netns_enter();
    if (result != 0) {
        errno = -result;
        path_fail("no network namespace of its own");
    }
    world->namespace[0] = here();
    world->tun[0] = make_device(PATH_A, "255.255.255.252");
    sysctl("/proc/sys/net/ipv4/ip_forward", "1");
    if (unshare(CLONE_NEWNET) != 0)
        path_fail("no second network namespace");
    sysctl("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    world->namespace[1] = here();
    /* The mask is that of all addresses here: rill's network is behind the path. */
    world->tun[1] = make_device(PATH_B, "255.255.255.0");
    if (setns(world->namespace[0], CLONE_NEWNET) != 0)
        path_fail("setns");
}
