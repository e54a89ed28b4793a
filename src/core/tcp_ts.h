/* tcp_ts.h - timestamps: our clock, what is echoed, PAWS.  RFC 7323 3 to 5.  Rank 8.
 *
 * Owns TS.Recent of a connection once it exists.  The clock ticks in milliseconds; each tuple has an offset
 * of its own, so that the clock tells nobody how long the engine runs, and a new incarnation of a connection
 * goes on where the old one stopped (RFC 7323 5.4, 7.1; RFC 6191 3). */
#ifndef RILL_TCP_TS_H
#define RILL_TCP_TS_H

#include "engine.h"

/* The offset of a tuple's clock: RFC 6528's F, with another input than the one for numbers. */
uint32_t tcp_ts_offset(const struct rill_engine *e, const struct conn_node *node);

/* The clock with this offset, and a connection's: TSval of a segment that leaves now. */
uint32_t tcp_ts_clock(const struct rill_engine *e, uint32_t offset);
uint32_t tcp_ts_now(const struct rill_engine *e, const struct tcb *c);

/* Puts the timestamps into a segment of c, and SACK-Permitted (RFC 2018 2) into its SYN. */
void tcp_ts_stamp(const struct rill_engine *e, const struct tcb *c, struct tcp_build *build);

/* Both sides' SYNs are known: `opt` is of the peer's.  Sets ts_ok, sack_ok, TS.Recent. */
void tcp_ts_agree(const struct rill_engine *e, struct tcb *c, const struct tcp_options *opt);

/* RFC 7323 5.3 R1, of a segment that is no RST and opens nothing. */
enum tcp_ts_age { TS_FINE, TS_MISSING, TS_OLD };
enum tcp_ts_age tcp_ts_test(const struct rill_engine *e, const struct tcb *c, const struct tcp_segment *seg);
/* The same for a record, whose TS.Recent is too young to be invalid. */
enum tcp_ts_age tcp_ts_test_record(bool ts_ok, uint32_t ts_recent, const struct tcp_options *opt);

/* RFC 7323 4.3, 5.3 R3: TS.Recent after an acceptable segment. */
void tcp_ts_update(const struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg);

/* RFC 7323 4.1: the round trip that the echo in `seg` measures, at least 1 ms.  False: it says nothing.  That
 * the segment acknowledges something new is for the caller to know. */
bool tcp_ts_echo_us(const struct rill_engine *e, const struct tcb *c, const struct tcp_segment *seg,
                    uint32_t *rtt_us);

/* 2^31 apart is neither before nor after. */
static inline bool tcp_ts_before(uint32_t a, uint32_t b) { return (int32_t)(a - b) < 0 && a - b != 1u << 31; }

#endif
