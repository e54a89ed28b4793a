/* synchronized.c - see synchronized.h. */
#include "synchronized.h"

/* Until the next challenge ACK is allowed.  What is retransmitted meanwhile does not matter here. */
static void pause_for_challenge(struct rig *t) { let_pass(t, 500 * MS); }

static void expect_ack(struct rig *t, const struct synchronized *s)
{
    out(t, ". %d:%d(0) ack %d", s->snd, s->snd, s->rcv);
    out_none(t);
    expect_state(t, s->state);
}

static void expect_silence(struct rig *t, const struct synchronized *s)
{
    out_none(t);
    expect_state(t, s->state);
}

static void expect_reset(struct rig *t, const struct synchronized *s)
{
    out_none(t); /* a RST is never answered */
    if (s->state == RILL_TIME_WAIT && t->port != NULL)
        expect_state(t, RILL_LISTEN); /* nothing of the connection is left */
    assert_null(conns_find(&t->e->conns, RIG_PEER_ADDR, t->peer[0].rport, t->peer[0].lport));
    if (s->rst_error >= 0)
        expect_error(t, s->rst_error);
    expect_counted(t, RILL_RST_IN, 1);
    app_close_port(t);
    expect_state(t, RILL_CLOSED);
    advance(t, 300 * SEC);
}

/* RFC 9293 3.10.7.4 second, check 2: exactly RCV.NXT resets. */
void synchronized_rst_at_rcv_nxt(const struct synchronized *s)
{
    struct rig *t = s->make(NULL);
    in(t, "R %d:%d(0)", s->rcv, s->rcv);
    expect_reset(t, s);
    rig_end(t);
    t = s->make(NULL);
    in(t, "R. %d:%d(0) ack %d", s->rcv, s->rcv, s->snd);
    expect_reset(t, s);
    rig_end(t);
}

/* SHLD-2 */
void synchronized_rst_with_text(const struct synchronized *s)
{
    struct rig *t = s->make(NULL);
    in(t, "R %d:%d(20)", s->rcv, s->rcv + 20);
    expect_reset(t, s);
    rig_end(t);
}

/* RFC 9293 3.10.7.4 second, check 3.  TIME-WAIT is silent about it (RFC 1337). */
void synchronized_rst_in_window(const struct synchronized *s)
{
    const int seqs[] = {s->rcv + 1, s->rcv + 1000, EDGE - 1};
    for (size_t i = 0; i < COUNT_OF(seqs); i++) {
        struct rig *t = s->make(NULL);
        in(t, "R %d:%d(0)", seqs[i], seqs[i]);
        if (s->state == RILL_TIME_WAIT)
            expect_silence(t, s);
        else
            expect_ack(t, s);
        rig_end(t);
    }
}

/* RFC 9293 3.10.7.4 second, check 1. */
void synchronized_rst_outside(const struct synchronized *s)
{
    const int seqs[] = {s->rcv - 1, s->rcv - 1000, EDGE, EDGE + 1000, INT32_MIN + s->rcv};
    struct rig *t = s->make(NULL);
    for (size_t i = 0; i < COUNT_OF(seqs); i++) {
        in(t, "R %d:%d(0)", seqs[i], seqs[i]);
        expect_silence(t, s);
        in(t, "R. %d:%d(0) ack %d", seqs[i], seqs[i], s->snd);
        expect_silence(t, s);
    }
    rig_end(t);
}

/* RFC 9293 3.10.7.4 fourth, RFC 5961 4: "irrespective of the sequence number".  (In TIME-WAIT those from
 * RCV.NXT on may open a new connection: test_time_wait.c has them.) */
void synchronized_syn(const struct synchronized *s)
{
    const int seqs[] = {s->rcv - 1, s->rcv - 1000, s->rcv, s->rcv + 1, EDGE - 1, EDGE, EDGE + 100000};
    size_t n = s->state == RILL_TIME_WAIT ? 2 : COUNT_OF(seqs);
    for (size_t i = 0; i < n; i++) {
        struct rig *t = s->make(NULL);
        in(t, "S %d:%d(0) <mss 1460>", seqs[i], seqs[i]);
        expect_ack(t, s);
        pause_for_challenge(t);
        in(t, "S. %d:%d(0) ack %d <mss 1460>", seqs[i], seqs[i], s->snd);
        expect_ack(t, s);
        rig_end(t);
    }
}

/* RFC 9293 3.10.7.4 fifth: "if the ACK bit is off, drop the segment and return". */
void synchronized_no_ack_bit(const struct synchronized *s)
{
    struct rig *t = s->make(NULL);
    in(t, "- %d:%d(0)", s->rcv, s->rcv);
    expect_silence(t, s);
    in(t, "P %d:%d(10)", s->rcv, s->rcv + 10);
    expect_silence(t, s);
    in(t, "F %d:%d(0)", s->rcv, s->rcv);
    expect_silence(t, s);
    rig_end(t);
}

/* RFC 9293 3.10.7.4 fifth: "send an ACK, drop the segment, and return". */
void synchronized_ack_too_high(const struct synchronized *s)
{
    const int acks[] = {s->snd + 1, s->snd + 1000, s->snd + INT32_MAX - 100000};
    for (size_t i = 0; i < COUNT_OF(acks); i++) {
        struct rig *t = s->make(NULL);
        in(t, ". %d:%d(0) ack %d", s->rcv, s->rcv, acks[i]);
        expect_ack(t, s);
        pause_for_challenge(t);
        in(t, "FP. %d:%d(10) ack %d", s->rcv, s->rcv + 10, acks[i]); /* its text and FIN are not taken */
        expect_ack(t, s);
        rig_end(t);
    }
}

/* No peer of this connection has ever acknowledged less than our SYN: what does comes from another one. */
void synchronized_ack_ghost(const struct synchronized *s)
{
    const int acks[] = {0, -1, -60000};
    for (size_t i = 0; i < COUNT_OF(acks); i++) {
        struct rig *t = s->make(NULL);
        in(t, "P. %d:%d(10) ack %d", s->rcv, s->rcv + 10, acks[i]);
        expect_ack(t, s);
        rig_end(t);
    }
}

/* RFC 9293 3.10.7.4 first: not acceptable, an ACK in reply, as often as it comes: the peer needs it to go on.
 */
void synchronized_text_left_of_window(const struct synchronized *s)
{
    struct rig *t = s->make(NULL);
    if (s->state == RILL_TIME_WAIT)
        pause_for_challenge(t);
    in(t, "P. %d:%d(10) ack %d", s->rcv - 10, s->rcv, s->snd);
    expect_ack(t, s);
    if (s->state == RILL_TIME_WAIT)
        pause_for_challenge(t);
    in(t, "P. %d:%d(10) ack %d", s->rcv - 1000, s->rcv - 990, s->snd);
    expect_ack(t, s);
    rig_end(t);
}

void synchronized_text_right_of_window(const struct synchronized *s)
{
    struct rig *t = s->make(NULL);
    in(t, "P. %d:%d(10) ack %d", EDGE, EDGE + 10, s->snd);
    expect_ack(t, s);
    if (s->state == RILL_TIME_WAIT)
        pause_for_challenge(t);
    in(t, "P. %d:%d(10) ack %d", EDGE + 100000, EDGE + 100010, s->snd);
    expect_ack(t, s);
    rig_end(t);
}

/* As before, but two ends that each think the other out of its window must not answer each other for ever. */
void synchronized_bare_ack_outside(const struct synchronized *s)
{
    const int seqs[] = {s->rcv - 1000, EDGE + 1, EDGE + 100000};
    for (size_t i = 0; i < COUNT_OF(seqs); i++) {
        struct rig *t = s->make(NULL);
        in(t, ". %d:%d(0) ack %d", seqs[i], seqs[i], s->snd);
        expect_ack(t, s);
        for (int k = 0; k < 10; k++) {
            in(t, ". %d:%d(0) ack %d", seqs[i], seqs[i], s->snd);
            expect_silence(t, s);
        }
        expect_counted(t, RILL_CHALLENGE_ACK, 1);
        expect_counted(t, RILL_CHALLENGE_LIMITED, 10);
        rig_end(t);
    }
}

/* RFC 5961 7: throttled, to one in 500 ms for a connection. */
void synchronized_challenge_limit(const struct synchronized *s)
{
    const int seq = s->rcv - 1000;
    struct rig *t = s->make(NULL);
    in(t, "S %d:%d(0)", seq, seq);
    expect_ack(t, s);
    let_pass(t, 499 * MS);
    in(t, "S %d:%d(0)", seq, seq);
    expect_silence(t, s);
    let_pass(t, 1 * MS);
    in(t, "S %d:%d(0)", seq, seq);
    expect_ack(t, s);
    in(t, "S %d:%d(0)", seq, seq);
    expect_silence(t, s);
    rig_end(t);
}
