/* pcapng.h - writes packets into a file that Wireshark opens (pcapng, link type RAW).  Rank 16.2.
 *
 * Two interfaces: the device's name, and the name with `-dropped` for packets that the link emulation took.
 * The stamps count nanoseconds of the monotonic clock, from the wall clock at the start: a clock that is set
 * meanwhile makes no gap. */
#ifndef RILL_PCAPNG_H
#define RILL_PCAPNG_H

#include "sink.h"

enum pcapng_interface { PCAPNG_WIRE, PCAPNG_DROPPED };

/* All zero: closed, and then nothing is written. */
struct pcapng {
    struct sink sink;
    uint64_t epoch_ns; /* wall clock minus monotonic clock */
};

int pcapng_open(struct pcapng *p, const char *path, const char *device, struct tun_error *error);
static inline bool pcapng_is_open(const struct pcapng *p) { return sink_is_open(&p->sink); }

/* Writes it as it is, so its checksums should be finished.  The comment may be "". */
void pcapng_packet(struct pcapng *p, enum pcapng_interface interface, const struct rill_packet *packet,
                   bool out, const char *comment);

#endif
