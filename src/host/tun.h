/* tun.h - a TUN device: opened or adopted, configured, read and written, and left as it was found.  Rank 16.
 *
 * Plain mode only: IFF_TUN | IFF_NO_PI and TUNSETOFFLOAD(0), each read and each write is one whole IP packet.
 * Every failure while opening is one line of text that names the cure.  Afterwards a packet that cannot be
 * read or written is a lost packet; only that the device is gone is told. */
#ifndef RILL_TUN_H
#define RILL_TUN_H

#include "rill_engine.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/types.h>

/* Why something could not be started: an errno value and one line. */
struct tun_error {
    int code;
    char text[400];
};
/* Fills it in (printf) and returns -code. */
int tun_fail(struct tun_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

struct tun_config {
    const char *name;
    uint32_t addr, peer; /* the stack's address, the kernel's; host byte order */
    uint8_t prefix_len;
    int mtu;
};

/* What can be set on an interface. */
struct tun_link {
    struct in_addr addr, mask; /* 0: none */
    int mtu, txqueuelen;
    bool up;
};

struct tun {
    int fd; /* -1: closed */
    int mtu;
    char name[IFNAMSIZ];
    bool gone;    /* somebody has deleted the device: it never comes back */
    bool restore; /* a persistent device: `before` is put back */
    struct tun_link before;
    bool ipv6_put_off; /* by us */
    uint64_t read_errors, write_errors;
};

/* Makes the device, or attaches to a persistent one.  0 or -errno with the error filled in; then nothing is
 * left behind. */
int tun_open(struct tun *tun, const struct tun_config *config, struct tun_error *error);

/* Takes over an open descriptor of a configured TUN. */
int tun_adopt(struct tun *tun, int fd, int mtu, struct tun_error *error);

/* A device that was made vanishes, a persistent one gets back what was set on it. */
void tun_close(struct tun *tun);

/* One packet: its length, 0 if there is none now, -1 if the device is broken (and may stay so). */
ssize_t tun_read(struct tun *tun, void *buf, size_t cap);

/* Sends the packet or loses it. */
void tun_write(struct tun *tun, const struct rill_packet *packet);

#endif
