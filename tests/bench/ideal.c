/* ideal.c - an ideal Reno sender, simulated packet by packet; it knows nothing of rill.
 *
 * Assumptions:
 * - Each data packet and each ACK is lost by itself with the same probability; nothing is reordered, and
 *   nothing takes time but the two ways of half an RTT.
 * - The handshake: a SYN or SYN-ACK that is lost costs 1, 2, 4, ... s (RFC 6298 2.1, 5.5).
 * - Segments are of one size, without options.  No more of them than the buffer holds whole lie between the
 * first one not acknowledged and the last one sent.
 * - Perfect SACK: an ACK that arrives tells of everything that had arrived when it was sent.  A packet is
 *   known to be lost as soon as one that left later is known to have arrived, retransmissions as well.
 * - ACKs are delayed as RFC 5681 4.2 has it: each second segment, 40 ms at most, at once around a hole.
 * - RFC 5681: an initial window of 10 (RFC 6928); slow start adds at most one segment for each ACK,
 * congestion avoidance one for a window of delivered segments; a loss halves the window at once and only once
 * until what was sent by then is acknowledged, and until then it does not grow.
 * - A timeout only when nothing comes back: 200 ms after the last news, doubled each time, without tail loss
 *   probes.  Then all that is outstanding is lost, the window is one segment, ssthresh half of what it was.
 */
#include "ideal.h"

#include "prng.h"

#define DELACK_US (40 * MS)
#define RTO_US (200 * MS)
#define RTO_MAX_US (120 * SEC)
#define RING 8192u /* more than can be in flight: a MiB is 719 segments */
#define AT(i) ((i) % RING)

struct event {
    rill_time at_us;
    uint64_t number; /* of the packet; of an ACK: how many arrivals it tells of */
};

struct queue {
    struct event v[RING];
    uint64_t head, tail;
};

struct ideal {
    const struct ideal_path *path;
    struct prng prng;
    rill_time now_us, rto_at_us, delack_at_us;
    uint64_t window; /* in segments, as all that follows */
    /* Sender.  Packets are numbered in the order of sending; those below `judged` are known to have arrived
     * or been lost. */
    uint64_t cwnd, ssthresh, grown;
    uint64_t una, nxt, recover, number, judged, told;
    bool in_recovery;
    uint32_t backoff;
    uint64_t seq_of[RING];
    bool delivered[RING];
    uint64_t again[RING], again_head, again_tail; /* to be sent again */
    /* Receiver. */
    uint64_t rcv_nxt, arrivals, acked_arrivals;
    uint64_t arrived[RING]; /* numbers, in order of arrival */
    bool have[RING];
    struct queue data, acks;
};

static bool lost(struct ideal *s) { return prng_below(&s->prng, 1000000) < s->path->loss_ppm; }

static void put(struct ideal *s, struct queue *q, uint64_t number)
{
    if (!lost(s))
        q->v[AT(q->tail++)] = (struct event){s->now_us + s->path->rtt_us / 2, number};
}

static rill_time due(const struct queue *q)
{
    return q->head < q->tail ? q->v[AT(q->head)].at_us : RILL_NEVER;
}

static void arm(struct ideal *s) { s->rto_at_us = s->now_us + min_u64(RTO_US << s->backoff, RTO_MAX_US); }

/* ---- Sender ------------------------------------------------------------------------------------ */

static void transmit(struct ideal *s, uint64_t seq)
{
    s->seq_of[AT(s->number)] = seq;
    put(s, &s->data, s->number++);
    if (s->rto_at_us == RILL_NEVER)
        arm(s);
}

static void send(struct ideal *s)
{
    while (s->number - s->judged < s->cwnd) {
        if (s->again_head < s->again_tail) {
            uint64_t seq = s->again[AT(s->again_head++)];
            if (seq >= s->una && !s->delivered[AT(seq)])
                transmit(s, seq);
        } else if (s->nxt < s->una + s->window) {
            s->delivered[AT(s->nxt)] = false;
            transmit(s, s->nxt++);
        } else {
            return;
        }
    }
}

static void reduce(struct ideal *s, uint64_t outstanding)
{
    uint64_t flight = min_u64(s->cwnd, outstanding);
    s->cwnd = s->ssthresh = max_u64(flight / 2, 2);
    s->grown = 0;
    s->recover = s->nxt;
    s->in_recovery = true;
}

static void lose(struct ideal *s, uint64_t number)
{
    uint64_t seq = s->seq_of[AT(number)];
    if (seq < s->una || s->delivered[AT(seq)])
        return;
    s->again[AT(s->again_tail++)] = seq;
}

static void grow(struct ideal *s, uint64_t news)
{
    if (s->in_recovery)
        return;
    if (s->cwnd < s->ssthresh) {
        s->cwnd += min_u64(news, 1);
    } else if ((s->grown += news) >= s->cwnd) {
        s->grown -= s->cwnd;
        s->cwnd++;
    }
    s->cwnd = min_u64(s->cwnd, 2 * s->window);
}

static void on_ack(struct ideal *s, uint64_t arrivals)
{
    uint64_t outstanding = s->number - s->judged, news = 0;
    bool event = false;
    for (; s->told < arrivals; s->told++) {
        uint64_t number = s->arrived[AT(s->told)], seq = s->seq_of[AT(number)];
        if (seq >= s->una && !s->delivered[AT(seq)]) {
            s->delivered[AT(seq)] = true;
            news++;
        }
        for (; s->judged < number; s->judged++) {
            lose(s, s->judged);
            event |= s->seq_of[AT(s->judged)] >= s->recover;
        }
        s->judged = max_u64(s->judged, number + 1);
    }
    while (s->una < s->nxt && s->delivered[AT(s->una)])
        s->una++;
    if (s->una >= s->recover)
        s->in_recovery = false;
    if (event)
        reduce(s, outstanding);
    grow(s, news);
    if (news > 0)
        s->backoff = 0;
    if (s->una == s->nxt)
        s->rto_at_us = RILL_NEVER;
    else if (news > 0)
        arm(s);
    send(s);
}

static void on_timeout(struct ideal *s)
{
    uint64_t outstanding = s->number - s->judged;
    for (; s->judged < s->number; s->judged++)
        lose(s, s->judged);
    if (s->backoff == 0)
        s->ssthresh = max_u64(min_u64(s->cwnd, outstanding) / 2, 2);
    s->cwnd = 1;
    s->grown = 0;
    s->recover = s->nxt;
    s->in_recovery = false;
    s->backoff += s->backoff < 20;
    s->rto_at_us = RILL_NEVER;
    send(s);
}

/* ---- Receiver ---------------------------------------------------------------------------------- */

static void acknowledge(struct ideal *s)
{
    s->acked_arrivals = s->arrivals;
    s->delack_at_us = RILL_NEVER;
    put(s, &s->acks, s->arrivals);
}

static void on_data(struct ideal *s, uint64_t number)
{
    uint64_t seq = s->seq_of[AT(number)], before = s->rcv_nxt;
    s->arrived[AT(s->arrivals++)] = number;
    if (seq >= s->rcv_nxt)
        s->have[AT(seq)] = true;
    for (; s->have[AT(s->rcv_nxt)]; s->rcv_nxt++)
        s->have[AT(s->rcv_nxt)] = false;
    if (s->rcv_nxt != before + 1 || s->arrivals - s->acked_arrivals >= 2)
        acknowledge(s);
    else if (s->delack_at_us == RILL_NEVER)
        s->delack_at_us = s->now_us + DELACK_US;
}

/* ---- A run ------------------------------------------------------------------------------------- */

static void step(struct ideal *s)
{
    rill_time data_us = due(&s->data), ack_us = due(&s->acks);
    s->now_us = min_u64(min_u64(data_us, ack_us), min_u64(s->rto_at_us, s->delack_at_us));
    if (data_us == s->now_us)
        on_data(s, s->data.v[AT(s->data.head++)].number);
    else if (s->delack_at_us == s->now_us)
        acknowledge(s);
    else if (ack_us == s->now_us)
        on_ack(s, s->acks.v[AT(s->acks.head++)].number);
    else
        on_timeout(s);
}

static void shake_hands(struct ideal *s)
{
    for (rill_time wait_us = 1 * SEC;; wait_us *= 2) {
        bool syn_lost = lost(s), answer_lost = lost(s);
        if (!syn_lost && !answer_lost)
            break;
        s->now_us += wait_us;
    }
    s->now_us += s->path->rtt_us;
}

double ideal_reno(const struct ideal_path *path)
{
    static struct ideal state;
    struct ideal *s = &state;
    state = (struct ideal){.path = path, .prng = prng_seed(path->seed)};
    s->window = path->buffer_bytes / path->segment_bytes;
    s->cwnd = 10;
    s->ssthresh = UINT32_MAX;
    s->rto_at_us = s->delack_at_us = RILL_NEVER;
    shake_hands(s);
    send(s);
    while (s->now_us < path->until_us && s->rcv_nxt * path->segment_bytes < path->bytes)
        step(s);
    return (double)(s->rcv_nxt * path->segment_bytes) / ((double)s->now_us / 1e6);
}
