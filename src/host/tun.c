/* tun.c - a TUN device.  Linux' Documentation/networking/tuntap.rst.
 *
 * The order matters: offloads and the queue length before the interface is up, because the queueing
 * discipline takes the length when it is made; offloads always, because they outlive the program that set
 * them on a persistent device and a plain reader would then get super-segments with partial checksums.
 * Only what differs from the wish is set, so that a user without privileges can use a device that root has
 * prepared.  What this file does not do: routes, IPv6, several queues, waiting. */
#include "tun.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define DEVICE "/dev/net/tun"

int tun_fail(struct tun_error *error, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error->code = code;
    (void)vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return -code;
}

/* ---- Interface requests -------------------------------------------------------------------------------- */

/* An address as text for a message. */
struct dotted {
    char text[16];
};
static struct dotted dotted(uint32_t addr)
{
    struct dotted d;
    (void)snprintf(d.text, sizeof d.text, "%u.%u.%u.%u", addr >> 24, addr >> 16 & 255, addr >> 8 & 255,
                   addr & 255);
    return d;
}

static uint32_t mask_of(uint8_t prefix_len) { return prefix_len == 0 ? 0 : UINT32_MAX << (32 - prefix_len); }

static struct ifreq request_for(const char *name)
{
    struct ifreq r;
    memset(&r, 0, sizeof r);
    memcpy(r.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
    return r;
}

static struct in_addr inet_of(const struct ifreq *r)
{
    struct sockaddr_in in;
    memcpy(&in, &r->ifr_addr, sizeof in);
    return in.sin_addr;
}

/* SIOCSIFADDR or SIOCSIFNETMASK; 0 or -errno. */
static int set_inet(int ctl, const char *name, unsigned long request, struct in_addr addr)
{
    struct ifreq r = request_for(name);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = addr};
    memcpy(&r.ifr_addr, &in, sizeof in);
    return ioctl(ctl, request, &r) == 0 ? 0 : -errno;
}

static int set_mtu(int ctl, const char *name, int mtu)
{
    struct ifreq r = request_for(name);
    r.ifr_mtu = mtu;
    return ioctl(ctl, SIOCSIFMTU, &r) == 0 ? 0 : -errno;
}

static int set_txqueuelen(int ctl, const char *name, int len)
{
    struct ifreq r = request_for(name);
    r.ifr_qlen = len;
    return ioctl(ctl, SIOCSIFTXQLEN, &r) == 0 ? 0 : -errno;
}

static int set_up(int ctl, const char *name, bool up)
{
    struct ifreq r = request_for(name);
    if (ioctl(ctl, SIOCGIFFLAGS, &r) != 0)
        return -errno;
    int flags = up ? r.ifr_flags | IFF_UP : r.ifr_flags & ~IFF_UP;
    r.ifr_flags = (short)flags;
    return ioctl(ctl, SIOCSIFFLAGS, &r) == 0 ? 0 : -errno;
}

static struct tun_link link_now(int ctl, const char *name)
{
    struct tun_link link = {0};
    struct ifreq r = request_for(name);
    if (ioctl(ctl, SIOCGIFADDR, &r) == 0)
        link.addr = inet_of(&r);
    r = request_for(name);
    if (ioctl(ctl, SIOCGIFNETMASK, &r) == 0)
        link.mask = inet_of(&r);
    r = request_for(name);
    if (ioctl(ctl, SIOCGIFMTU, &r) == 0)
        link.mtu = r.ifr_mtu;
    r = request_for(name);
    if (ioctl(ctl, SIOCGIFTXQLEN, &r) == 0)
        link.txqueuelen = r.ifr_qlen;
    r = request_for(name);
    if (ioctl(ctl, SIOCGIFFLAGS, &r) == 0)
        link.up = (r.ifr_flags & IFF_UP) != 0;
    return link;
}

/* ---- Opening ------------------------------------------------------------------------------------------- */

/* A queue shorter than a window drops in silence: room for 4 MiB in full segments, and the 4096 that serve an
 * MTU of 1500. */
static int queue_for(int mtu)
{
    int packets = (4 << 20) / (mtu - 40) + 256;
    return packets < 4096 ? 4096 : packets > 65536 ? 65536 : packets;
}

/* The addresses must be free, and no other interface may draw the stack's packets to itself. */
static int check_addresses(const struct tun_config *want, struct tun_error *error)
{
    struct ifaddrs *all = NULL, *i;
    int result = 0;
    if (getifaddrs(&all) != 0)
        return tun_fail(error, errno, "cannot list the machine's addresses: %s", strerror(errno));
    for (i = all; i != NULL && result == 0; i = i->ifa_next) {
        if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET)
            continue;
        struct sockaddr_in in, mask = {0};
        memcpy(&in, i->ifa_addr, sizeof in);
        if (i->ifa_netmask != NULL)
            memcpy(&mask, i->ifa_netmask, sizeof mask);
        uint32_t theirs = ntohl(in.sin_addr.s_addr), their_mask = ntohl(mask.sin_addr.s_addr);
        bool own = strncmp(i->ifa_name, want->name, IFNAMSIZ) == 0;
        uint32_t clash = theirs == want->addr ? want->addr : !own && theirs == want->peer ? want->peer : 0;
        if (clash != 0)
            result = tun_fail(error, EADDRINUSE,
                              "the address %s is taken by interface %s: choose another one (addr, peer)",
                              dotted(clash).text, i->ifa_name);
        else if (!own && their_mask >= mask_of(want->prefix_len) && their_mask != UINT32_MAX &&
                 (theirs & their_mask) == (want->addr & their_mask))
            result =
                tun_fail(error, EADDRINUSE,
                         "the network of %s is taken by interface %s (%s): choose another one (addr, peer)",
                         dotted(want->addr).text, i->ifa_name, dotted(theirs).text);
    }
    freeifaddrs(all);
    return result;
}

static int open_device(struct tun_error *error)
{
    int fd = open(DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    int code = errno;
    switch (code) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
        return tun_fail(error, code == ENXIO ? ENODEV : code,
                        DEVICE " is not there: as root, modprobe tun; mkdir -p /dev/net; mknod " DEVICE
                               " c 10 200; in a container, start it with --device " DEVICE
                               " --cap-add NET_ADMIN");
    case EACCES:
    case EPERM:
        return tun_fail(error, EPERM,
                        "not permitted to open " DEVICE ": run as root, or as root chmod 666 " DEVICE
                        "; in a container, start it with --device " DEVICE " --cap-add NET_ADMIN");
    default:
        return tun_fail(error, code, "cannot open " DEVICE ": %s", strerror(code));
    }
}

/* Attaches fd to the interface of this name, which is made if it does not exist. */
static int attach(struct tun *tun, const char *name, struct tun_error *error)
{
    bool existed = if_nametoindex(name) != 0;
    struct ifreq r = request_for(name);
    r.ifr_flags = IFF_TUN | IFF_NO_PI;
    if (ioctl(tun->fd, TUNSETIFF, &r) != 0) {
        int code = errno;
        if (code == EPERM)
            return tun_fail(
                error, EPERM,
                "%s: not permitted to make a TUN device (no CAP_NET_ADMIN): run as root, or in `rill "
                "lab`, or after setcap cap_net_admin+ep PROGRAM, or let root make it once: ip tuntap "
                "add %s mode tun user USER, with address, mtu and up",
                name, name);
        if (code == ENOTTY)
            return tun_fail(error, ENODEV,
                            "not a TUN device: " DEVICE ": as root, rm " DEVICE "; mknod " DEVICE
                            " c 10 200");
        if (code == EBUSY)
            return tun_fail(error, EBUSY,
                            "%s is used by another program: stop that, or choose another name (tun)", name);
        if (code == EINVAL && existed)
            return tun_fail(
                error, EBUSY,
                "%s is an interface of another kind: choose another name (tun), or delete it: ip link "
                "del %s",
                name, name);
        return tun_fail(error, code, "%s: cannot make a TUN device: %s: choose another name (tun)", name,
                        strerror(code));
    }
    memcpy(tun->name, r.ifr_name, IFNAMSIZ);
    tun->name[IFNAMSIZ - 1] = '\0';
    struct ifreq got = request_for(tun->name);
    tun->restore = ioctl(tun->fd, TUNGETIFF, &got) == 0 && (got.ifr_flags & IFF_PERSIST) != 0;
    if (ioctl(tun->fd, TUNSETOFFLOAD, 0ul) != 0)
        return tun_fail(error, errno, "%s: cannot switch offloads off: %s", name, strerror(errno));
    return 0;
}

/* What could not be set, and how root can do it. */
static int config_failed(const char *name, int result, const char *command, struct tun_error *error)
{
    if (result == -EPERM || result == -EACCES)
        return tun_fail(error, EPERM,
                        "%s: not permitted (no CAP_NET_ADMIN) to do what `%s` does: run as root, or in `rill "
                        "lab`, or after setcap cap_net_admin+ep PROGRAM, or let root run that command first",
                        name, command);
    return tun_fail(error, -result, "%s: `%s` fails: %s", name, command, strerror(-result));
}

/* A persistent device that is up has had no carrier while nobody held it.  The kernel looks at carriers once
 * a second, and drops what is sent before. */
static void wait_for_carrier(int ctl, const char *name)
{
    static const struct timespec blink = {0, 5000000};
    for (int i = 0; i < 400; i++) {
        struct ifreq r = request_for(name);
        if (ioctl(ctl, SIOCGIFFLAGS, &r) != 0 || (r.ifr_flags & IFF_RUNNING) != 0)
            return;
        (void)nanosleep(&blink, NULL);
    }
}

/* The kernel would greet the stack with router solicitations.  1: it was on and is off; where it cannot be
 * set they come, and are dropped. */
static bool set_ipv6_off(const char *name, bool off)
{
    char path[64], was = '1';
    (void)snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool done = read(fd, &was, 1) == 1 && was == (off ? '0' : '1') && pwrite(fd, off ? "1" : "0", 1, 0) == 1;
    (void)close(fd);
    return done;
}

static int configure(struct tun *tun, int ctl, const struct tun_config *want, struct tun_error *error)
{
    const char *name = tun->name;
    struct tun_link now = link_now(ctl, name);
    char command[100];
    int result;
    tun->before = now;
    tun->ipv6_put_off = set_ipv6_off(name, true);
    /* Without the right to do it the queue stays as it is: packets may be lost, nothing fails. */
    if (now.txqueuelen < queue_for(want->mtu))
        (void)set_txqueuelen(ctl, name, queue_for(want->mtu));
    if (now.mtu != want->mtu && (result = set_mtu(ctl, name, want->mtu)) != 0) {
        (void)snprintf(command, sizeof command, "ip link set %s mtu %d", name, want->mtu);
        return config_failed(name, result, command, error);
    }
    struct in_addr addr = {htonl(want->peer)}, mask = {htonl(mask_of(want->prefix_len))};
    if (now.addr.s_addr != addr.s_addr || now.mask.s_addr != mask.s_addr) {
        result = set_inet(ctl, name, SIOCSIFADDR, addr);
        if (result == 0)
            result = set_inet(ctl, name, SIOCSIFNETMASK, mask);
        (void)snprintf(command, sizeof command, "ip addr add %s/%d dev %s", dotted(want->peer).text,
                       want->prefix_len, name);
        if (result != 0)
            return config_failed(name, result, command, error);
    }
    if (!now.up && (result = set_up(ctl, name, true)) != 0) {
        (void)snprintf(command, sizeof command, "ip link set %s up", name);
        return config_failed(name, result, command, error);
    }
    wait_for_carrier(ctl, name);
    tun->mtu = link_now(ctl, name).mtu;
    return 0;
}

int tun_open(struct tun *tun, const struct tun_config *config, struct tun_error *error)
{
    *tun = (struct tun){.fd = -1};
    int fd = open_device(error);
    if (fd < 0)
        return fd;
    tun->fd = fd;
    int result = check_addresses(config, error);
    if (result == 0)
        result = attach(tun, config->name, error);
    int ctl = -1;
    if (result == 0) {
        ctl = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (ctl < 0)
            result =
                tun_fail(error, errno, "no socket to configure %s with: %s", config->name, strerror(errno));
    }
    if (result == 0)
        result = configure(tun, ctl, config, error);
    else
        tun->restore = false; /* nothing has been changed yet */
    if (ctl >= 0)
        (void)close(ctl);
    if (result != 0)
        tun_close(tun);
    return result;
}

int tun_adopt(struct tun *tun, int fd, int mtu, struct tun_error *error)
{
    *tun = (struct tun){.fd = -1, .mtu = mtu};
    struct ifreq r;
    memset(&r, 0, sizeof r);
    if (ioctl(fd, TUNGETIFF, &r) != 0)
        return tun_fail(error, EINVAL, "descriptor %d is no TUN with an interface: %s", fd, strerror(errno));
    int kind = r.ifr_flags & (IFF_TUN | IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
    if (kind != (IFF_TUN | IFF_NO_PI))
        return tun_fail(error, EINVAL, "%.15s: open it with IFF_TUN | IFF_NO_PI and nothing else",
                        r.ifr_name);
    if (ioctl(fd, TUNSETOFFLOAD, 0ul) != 0)
        return tun_fail(error, errno, "%.15s: cannot switch offloads off: %s", r.ifr_name, strerror(errno));
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return tun_fail(error, errno, "%.15s: cannot make it non-blocking: %s", r.ifr_name, strerror(errno));
    memcpy(tun->name, r.ifr_name, IFNAMSIZ);
    tun->name[IFNAMSIZ - 1] = '\0';
    tun->fd = fd;
    return 0;
}

void tun_close(struct tun *tun)
{
    if (tun->fd < 0)
        return;
    int ctl = tun->restore && !tun->gone ? socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
    if (ctl >= 0) {
        const struct tun_link *before = &tun->before;
        struct tun_link now = link_now(ctl, tun->name);
        if (!before->up && now.up)
            (void)set_up(ctl, tun->name, false);
        /* The address 0.0.0.0 removes the one that is there. */
        if (now.addr.s_addr != before->addr.s_addr || now.mask.s_addr != before->mask.s_addr) {
            (void)set_inet(ctl, tun->name, SIOCSIFADDR, before->addr);
            if (before->addr.s_addr != 0)
                (void)set_inet(ctl, tun->name, SIOCSIFNETMASK, before->mask);
        }
        if (now.mtu != before->mtu)
            (void)set_mtu(ctl, tun->name, before->mtu);
        if (tun->ipv6_put_off)
            (void)set_ipv6_off(tun->name, false);
        if (now.txqueuelen != before->txqueuelen)
            (void)set_txqueuelen(ctl, tun->name, before->txqueuelen);
        (void)close(ctl);
    }
    (void)close(tun->fd);
    tun->fd = -1;
}

/* ---- Packets ------------------------------------------------------------------------------------------- */

/* Straight system calls: glibc's wrappers are cancellation points, which costs 8 % of a small packet once a
 * program has a second thread. */

ssize_t tun_read(struct tun *tun, void *buf, size_t cap)
{
    long n = syscall(SYS_read, tun->fd, buf, cap);
    if (n > 0)
        return n;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    tun->read_errors++;
    tun->gone = tun->gone || errno == EBADFD; /* down is not gone: that is EAGAIN here, EIO for a write */
    return -1;
}

void tun_write(struct tun *tun, const struct rill_packet *packet)
{
    const struct rill_slice *part[3] = {&packet->head, &packet->body[0], &packet->body[1]};
    struct iovec iov[3];
    size_t total = 0;
    int count = 0;
    for (int i = 0; i < 3; i++)
        if (part[i]->len > 0) {
            /* writev only reads; its type says so nowhere. */
            iov[count].iov_base = (void *)(uintptr_t)part[i]->data;
            iov[count++].iov_len = part[i]->len;
            total += part[i]->len;
        }
    long n = count == 1 ? syscall(SYS_write, tun->fd, iov[0].iov_base, iov[0].iov_len)
                        : syscall(SYS_writev, tun->fd, iov, count);
    if (n != (long)total)
        tun->write_errors++;
    tun->gone = tun->gone || (n < 0 && errno == EBADFD);
}
