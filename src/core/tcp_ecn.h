/* tcp_ecn.h - explicit congestion notification: agreeing on it, marking what leaves, the receiver's half. RFC
 * 3168 6.1.  Rank 8.
 *
 * Owns the two ECN bits of the IP header of every segment of a connection, and ECE and CWR in the TCP header.
 * What an echoed mark does to the congestion window is not decided here. */
#ifndef RILL_TCP_ECN_H
#define RILL_TCP_ECN_H

#include "engine.h"

#define ECN_MASK 3u /* in the IP header's TOS byte: RFC 3168 5 */
enum { ECN_NOT_ECT = 0, ECN_ECT_1 = 1, ECN_ECT_0 = 2, ECN_CE = 3 };

/* A SYN that asks for ECN, and whether we grant it. */
bool tcp_ecn_asked(const struct rill_engine *e, const struct tcp_segment *syn);

/* Both sides' SYNs are known: `seg` is the peer's SYN or SYN,ACK.  Sets ecn_ok. */
void tcp_ecn_agree(const struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg);

/* Sets the ECN bits of a segment of c.  fresh: it is data that leaves for the first time, and not a probe. */
void tcp_ecn_mark(const struct rill_engine *e, struct tcb *c, struct tcp_build *build, bool fresh);

/* An acceptable segment came: a mark, or the answer to our echo.  True: it wants an ACK at once. */
bool tcp_ecn_receive(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg);

/* The peer tells of a mark. */
bool tcp_ecn_echoed(const struct tcb *c, const struct tcp_segment *seg);

#endif
