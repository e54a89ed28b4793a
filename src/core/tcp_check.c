/* tcp_check.c - see tcp_check.h.  Runs after every engine call in every test. */
#include "tcp_check.h"

#define HOLDS(claim)                                                                                         \
    do {                                                                                                     \
        if (!(claim))                                                                                        \
            return #claim;                                                                                   \
    } while (0)

static const char *check_send(const struct tcb *c)
{
    const struct flight *fl = c->fl;
    uint64_t fin = c->fin_queued ? 1 : 0;
    HOLDS(c->snd.una <= c->snd.nxt);
    HOLDS(c->snd.nxt <= c->snd.end + fin);
    HOLDS(c->snd.una >= tcp_iss(c));
    HOLDS(fl != NULL || (c->snd.una == c->snd.nxt && c->snd.nxt >= c->snd.end));
    HOLDS(fl != NULL || !c->fin_queued || tcp_fin_acked(c));
    if (fl == NULL)
        return NULL;
    HOLDS(scoreboard_sound(&fl->sb, c->snd.una, c->snd.nxt));
    HOLDS(fl->sb.sacked.count == 0 || c->sack_ok);
    HOLDS(fl->recover <= c->snd.nxt);
    HOLDS(fl->rtt_pos <= c->snd.nxt);
    HOLDS(!fl->recovery || c->snd.una < fl->recover);
    HOLDS(c->snd.nxt == c->snd.una || c->timer[TIMER_XMIT] != RILL_NEVER);
    return NULL;
}

static const char *check_receive(const struct tcb *c)
{
    if (c->state == RILL_SYN_SENT)
        return NULL; /* nothing is known yet */
    HOLDS(c->rcv.read <= c->rcv.nxt);
    HOLDS(c->rcv.nxt <= c->rcv.adv);
    HOLDS(c->rcv.acked <= c->rcv.nxt);
    HOLDS(c->in != NULL || c->rx.buf == NULL);
    if (tcp_gap(c)) {
        HOLDS(ranges_sound(&c->in->ooo));
        HOLDS(c->in->ooo.v[0].begin > c->rcv.nxt);
        HOLDS(tcp_held_end(c) <= c->rcv.adv);
        HOLDS(tcp_held_end(c) - c->rcv.read <= c->rx.cap);
    }
    HOLDS(tcp_unread(c) <= c->rx.cap);
    HOLDS(c->rcv.acked == c->rcv.nxt || c->ack_now || c->timer[TIMER_DELACK] != RILL_NEVER);
    return NULL;
}

static const char *check_state(const struct tcb *c)
{
    bool peer_closed = c->state == RILL_CLOSE_WAIT || c->state == RILL_LAST_ACK || c->state == RILL_CLOSING ||
                       c->state == RILL_TIME_WAIT;
    bool we_closed = c->state == RILL_FIN_WAIT_1 || c->state == RILL_FIN_WAIT_2 ||
                     c->state == RILL_LAST_ACK || c->state == RILL_CLOSING || c->state == RILL_TIME_WAIT;
    HOLDS(c->state != RILL_LISTEN);
    HOLDS(!peer_closed || tcp_fin_received(c));
    HOLDS(!we_closed || c->fin_queued);
    HOLDS(c->state != RILL_ESTABLISHED || (!tcp_fin_received(c) && !c->fin_queued));
    HOLDS(c->state != RILL_FIN_WAIT_2 || tcp_fin_acked(c));
    HOLDS(c->state != RILL_FIN_WAIT_1 || !tcp_fin_acked(c));
    HOLDS(c->state != RILL_TIME_WAIT || (tcp_fin_acked(c) && c->timer[TIMER_LINGER] != RILL_NEVER));
    HOLDS(!tcp_orphan(c) || c->state == RILL_SYN_RECEIVED || c->timer[TIMER_LINGER] != RILL_NEVER);
    HOLDS(!tcp_synchronized(c) || c->cc.cwnd >= c->cc.smss);
    return NULL;
}

const char *tcp_check(const struct tcb *c)
{
    const char *broken;
    if (c->state == RILL_CLOSED) {
        for (int i = 0; i < TIMER_COUNT; i++)
            HOLDS(c->timer[i] == RILL_NEVER);
        HOLDS(c->heap_index == HEAP_NONE);
        HOLDS(c->fl == NULL && c->tx.buf == NULL && c->in == NULL);
        return NULL;
    }
    HOLDS((c->tx.buf == NULL) == (c->tx.cap == 0));
    HOLDS((c->rx.buf == NULL) == (c->rx.cap == 0));
    broken = check_state(c);
    if (broken == NULL)
        broken = check_send(c);
    if (broken == NULL)
        broken = check_receive(c);
    return broken;
}
