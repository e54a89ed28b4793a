/* tcp_ecn.c - see tcp_ecn.h.  RFC 3168 6.1.1 to 6.1.6. */
#include "tcp_ecn.h"

#define ECN_FLAGS (RILL_ECE | RILL_CWR)
/* RFC 3168 6.1.1.1: a SYN that nobody answers may have met a box that throws such SYNs away.  It is sent
 * again once as it was, for it may just have been lost. */
#define ECN_SYN_RESENDS 1

static bool asking(const struct rill_engine *e, const struct tcb *c)
{
    return engine_has(e, RILL_FEATURE_ECN) && c->syn_resent <= ECN_SYN_RESENDS;
}

bool tcp_ecn_asked(const struct rill_engine *e, const struct tcp_segment *syn)
{
    return (syn->flags & ECN_FLAGS) == ECN_FLAGS &&
           (engine_has(e, RILL_FEATURE_ECN) || engine_has(e, RILL_FEATURE_ECN_ANSWER));
}

/* RFC 3168 6.1.1: an ECN-setup SYN,ACK has ECE alone; one with both reflects what it does not know.  Who ever
 * sent a SYN without ECN must not use it. */
void tcp_ecn_agree(const struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg)
{
    uint8_t want = (seg->flags & RILL_ACK) != 0 ? RILL_ECE : ECN_FLAGS;
    c->ecn_ok = asking(e, c) && (seg->flags & ECN_FLAGS) == want;
}

void tcp_ecn_mark(const struct rill_engine *e, struct tcb *c, struct tcp_build *build, bool fresh)
{
    build->tos &= (uint8_t)~ECN_MASK; /* they are not the application's */
    if ((build->flags & RILL_SYN) != 0) {
        if ((build->flags & RILL_ACK) == 0)
            build->flags |= asking(e, c) ? ECN_FLAGS : 0;
        else
            build->flags |= c->ecn_ok ? RILL_ECE : 0;
        return;
    }
    if (!c->ecn_ok || (build->flags & RILL_RST) != 0)
        return;
    if (c->ece_due && (build->flags & RILL_ACK) != 0)
        build->flags |= RILL_ECE; /* 6.1.3: "all subsequent ACK packets" */
    if (!fresh)
        return; /* 6.1.4 to 6.1.6: neither bare ACKs nor what is sent again nor probes */
    build->tos |= ECN_ECT_0;
    if (c->cwr_due) { /* 6.1.2: on the first new data after the reduction */
        build->flags |= RILL_CWR;
        c->cwr_due = false;
    }
}

bool tcp_ecn_receive(struct rill_engine *e, struct tcb *c, const struct tcp_segment *seg)
{
    bool data = c->ecn_ok && seg->text_len != 0; /* 6.1.4: a mark on a bare ACK cannot be */
    bool cwr = data && (seg->flags & RILL_CWR) != 0, marked = data && seg->ecn == ECN_CE;
    /* CWR first: a segment that answers the last mark may itself be marked. */
    if (cwr)
        c->ece_due = false;
    if (marked) {
        c->ece_due = true;
        engine_event(e, RILL_CE_IN, c, seg);
    }
    /* The sender should slow down soon; and one that has may have a window of a single segment. */
    return cwr || marked;
}

bool tcp_ecn_echoed(const struct tcb *c, const struct tcp_segment *seg)
{
    return c->ecn_ok && (seg->flags & (RILL_SYN | RILL_ACK | RILL_ECE)) == (RILL_ACK | RILL_ECE);
}
