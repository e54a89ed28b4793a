/* path_forward.h - a long, narrow and lossy path between two TUN devices, made of rill's own emulated links.
 */
#ifndef PATH_FORWARD_H
#define PATH_FORWARD_H

#include <stdbool.h>
#include <stdint.h>

/* What the path does to packets, in both directions alike.  The round trip is without queueing. */
struct forward_path {
    uint32_t rtt_us;
    uint64_t rate_bps;    /* of the bottleneck */
    uint32_t queue;       /* packets that wait in front of it, at most */
    uint32_t loss;        /* behind it: parts of LINK_ONE */
    uint32_t reorder;     /* how many of the packets overtake, parts of LINK_ONE */
    uint32_t overtake_us; /* by how much they do, at most half of the round trip */
    uint64_t seed;
    bool data_comes_second; /* the second device is where the data comes from: the fates go with the data */
};

/* What happened: written by the forwarder, read by others while it runs.  Index 0 is the data's direction. */
struct forward_stats {
    uint64_t packets[2], lost[2], queue_full[2], reordered[2];
    uint64_t failed; /* writes to a device */
    uint64_t cpu_us; /* that the forwarder has used */
};

/* Forwards from tun[0] to tun[1] and back until the process is ended. */
void forward_run(const int tun[2], const struct forward_path *path, struct forward_stats *stats);

#endif
