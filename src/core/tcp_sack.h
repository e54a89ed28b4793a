/* tcp_sack.h - what we report of the segments that have come: RFC 2018 4, RFC 2883 4.  Rank 9.5.
 *
 * The blocks are made when a segment leaves, from the ranges that are held then: only the order in which they
 * were reported is remembered, as one position in each.  What was reported is never thrown away (RFC 2018 8
 * would allow it).  What the peer reports to us is scoreboard.h's business. */
#ifndef RILL_TCP_SACK_H
#define RILL_TCP_SACK_H

#include "engine.h"

/* Text was stored out of order at pos: its range is reported first from now on. */
void tcp_sack_arrived(struct tcb *c, uint64_t pos);

/* [begin, end) has come, and is not stored yet.  The first part of it that has come before is remembered, and
 * the next segment tells of it, once (RFC 2883 4 (2), 4.2): true if there is one.  Nothing is remembered
 * where nobody would be told: without SACK, or without memory. */
bool tcp_sack_duplicate(struct rill_engine *e, struct tcb *c, uint64_t begin, uint64_t end);

/* Bytes of options that the next segment with text should leave for the report, at most half of what it has;
 * 0: there is nothing to report. */
uint32_t tcp_sack_room(const struct tcb *c);

/* Fills in the blocks of a segment that leaves now, as many as `room` bytes of options hold. */
void tcp_sack_report(struct rill_engine *e, struct tcb *c, struct tcp_build *build, uint32_t room);

#endif
