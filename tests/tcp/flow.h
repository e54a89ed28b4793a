/* flow.h - what several tests of the data flow need beside the rig: many segments at once, and a look at what
 * an arbitrary one says. */
#ifndef FLOW_H
#define FLOW_H

#include "script.h"

/* The right edge of the window that a segment of ours offers, relative to the peer's ISN; shift is the one
 * that we have announced. */
int64_t flow_edge(const struct rig *t, const struct datagram *d, unsigned int shift);
/* The acknowledgement number and the first sequence number of a segment of ours, relative. */
int64_t flow_ack(const struct rig *t, const struct datagram *d);
int64_t flow_seq(const struct rig *t, const struct datagram *d);

/* Takes away what has left: how many segments that was. */
unsigned int flow_swallow(struct rig *t);

/* The peer's text from position `from` on, in segments of at most `mss`; what leaves is taken away: how many
 * segments that was. */
unsigned int flow_in(struct rig *t, int64_t from, uint32_t len, uint32_t mss);

/* The segments of bytes [from, from + len) of the application's text have left, mss each, the last one
 * shorter and with PSH if `pushed`; each acknowledges `ack`. */
void flow_out(struct rig *t, int64_t from, uint32_t len, uint32_t mss, bool pushed, int64_t ack);

#endif
