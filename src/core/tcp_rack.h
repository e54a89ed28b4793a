/* tcp_rack.h - losses found by time, and the probe for a lost tail.  RFC 8985; RFC 2018 and 2883 for what the
 * sender reads.  Rank 9.5.
 *
 * It says what is lost; what follows from that is tcp_recovery.c's business.  In force when both sides permit
 * SACK and RILL_FEATURE_RACK is on. */
#ifndef RILL_TCP_RACK_H
#define RILL_TCP_RACK_H

#include "engine.h"

/* What one ACK has told. */
struct ack_news {
    uint64_t una;                    /* SND.UNA before it */
    uint32_t pipe;                   /* bytes in the network before it */
    uint32_t acked_bytes;            /* by how much SND.UNA has moved */
    uint32_t rtt_us;                 /* a sample of it, 0: none */
    struct delivery delivery;        /* what has arrived */
    uint64_t dsack_begin, dsack_end; /* a duplicate that it reports; equal: none */
    bool sacked;                     /* something was SACKed for the first time */
    bool ece;                        /* RFC 3168: the peer has seen a mark */
    bool has_echo;                   /* TSecr is valid and of use: echo_us is the round trip by it */
    uint32_t echo_us, tsecr;
};

static inline bool rack_on(const struct rill_engine *e, const struct tcb *c)
{
    return c->sack_ok && engine_has(e, RILL_FEATURE_RACK);
}

/* Whether what the ACK echoes was sent before the last copy of what it delivers. */
static inline bool rack_echo_is_older(const struct tcb *c, const struct ack_news *news)
{
    return (int32_t)(news->tsecr - ((uint32_t)(news->delivery.again.at_us / MS) + c->ts_offset)) < 0;
}

/* Reads the SACK blocks of a segment whose SEG.ACK has been processed: RFC 2018 5, RFC 2883 5. */
void rack_read_sacks(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg,
                     struct ack_news *news);

/* RFC 8985 6.2 steps 1 to 3, and D-SACK's part of step 4: true if the window is wider now. */
bool rack_delivered(struct rill_engine *e, struct tcb *c, const struct ack_news *news);

/* Fast or RTO recovery has ended: RFC 8985 6.2 step 4, the persistence of the wider window. */
void rack_recovered(struct tcb *c);

/* Steps 4 and 5: marks what is lost, and arms the reordering timer for what may be soon.  Bytes marked. */
uint32_t rack_detect(struct rill_engine *e, struct tcb *c);

/* RFC 8985 6.3: a retransmission timeout; marks the first segment and what is older than RACK's window. */
void rack_timeout(struct rill_engine *e, struct tcb *c);

/* RFC 8985 7.2: arms the probe timer instead of the retransmission timer if it may be. */
void rack_arm_probe(struct rill_engine *e, struct tcb *c);

/* RFC 8985 7.3: PTO has fired. */
void rack_send_probe(struct rill_engine *e, struct tcb *c);
/* New data has left because of it. */
void rack_probe_left(struct rill_engine *e, struct tcb *c);

/* RFC 8985 7.4: true if the probe has repaired a loss, which calls for one congestion response. */
bool rack_probe_acked(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg,
                      const struct ack_news *news);

#endif
