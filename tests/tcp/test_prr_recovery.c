/* test_prr_recovery.c - what leaves for each ACK of a recovery: RFC 6937 3.1's examples, twenty segments in
 * flight of which the first few are lost; with proportional rate reduction and without.
 *
 * The network here keeps the order, takes 50 ms for a round trip and at least a millisecond for each segment;
 * the receiver answers each with an ACK. */
#include "sending.h"

#define RTT_US (50 * MS)
#define BASE 10u /* segments 10 to 29 are the window of twenty */
#define WINDOW 20u
#define END 150u /* PLENTY has so many segments */

/* ---- A network and a receiver -------------------------------------------------------------------------- */

struct flying {
    rill_time at_us;
    unsigned int segment;
    bool lost;
};

struct world {
    struct rig *t;
    struct flying flying[RIG_QUEUE];
    unsigned int first, count, lose, next_new, una, sent_before;
    unsigned int top;  /* highest segment that has arrived */
    bool arrived[END]; /* at the receiver */
    bool repaired[END];
    rill_time last_us;
    /* What RFC 6937 calls so, in segments but for the bytes of `out`. */
    unsigned int delivered, ssthresh, recover_fs, recover;
    uint64_t out;
    bool recovery, done;
};

/* Takes all that has left: how many segments. */
static unsigned int take_off(struct world *w)
{
    unsigned int n = 0;
    for (; w->t->queued != 0; n++) {
        const struct datagram *d = take(w->t);
        unsigned int segment = (d->seq - w->t->peer[0].iss - 1) / SMSS;
        struct flying *f = &w->flying[w->first + w->count++];
        assert_int_equal(d->text_len, SMSS);
        assert_true(w->first + w->count <= RIG_QUEUE);
        w->last_us = w->last_us + MS > w->t->now_us + RTT_US ? w->last_us + MS : w->t->now_us + RTT_US;
        *f = (struct flying){w->last_us, segment, segment == w->next_new && segment < BASE + w->lose};
        if (segment == w->next_new)
            w->next_new++;
        else
            w->repaired[segment] = true;
    }
    return n;
}

static void edit_sack(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->features |= 1u << RILL_FEATURE_SACK | 1u << RILL_FEATURE_RACK;
}

static void edit_prr(struct rill_config *config, struct tcp_opts *opts)
{
    edit_sack(config, opts);
    config->features |= 1u << RILL_FEATURE_PRR;
}

static const struct rig_setup with_prr = {.edit = edit_prr,
                                          .peer_opts = "<mss 1460,nop,nop,sackOK,nop,wscale 7>"};
static const struct rig_setup without = {.edit = edit_sack,
                                         .peer_opts = "<mss 1460,nop,nop,sackOK,nop,wscale 7>"};

/* cwnd and flight are twenty segments and the first `lose` of them will not arrive. */
static struct world twenty_in_flight(const struct rig_setup *setup, unsigned int lose)
{
    struct world w = {.t = rig_syn_received(setup), .lose = lose, .next_new = BASE};
    advance(w.t, RTT_US);
    in(w.t, ". 1:1(0) ack 1");
    app_accept(w.t, 0);
    app_write(w.t, PLENTY);
    out_segments(w.t, 0, 10);
    advance(w.t, RTT_US);
    for (unsigned int k = 1; k <= BASE; k++) {
        ack(w.t, k);
        assert_int_equal(take_off(&w), 2);
    }
    memset(w.arrived, true, BASE);
    w.una = BASE;
    w.top = BASE - 1;
    assert_int_equal(w.t->peer[0].c->cc.cwnd, WINDOW * SMSS);
    return w;
}

/* The ACK for what has arrived, with one block: the newest range (RFC 2018 4). */
static void send_ack(struct world *w, unsigned int newest)
{
    unsigned int left = newest, right = newest + 1;
    while (left > w->una && w->arrived[left - 1])
        left--;
    while (w->arrived[right])
        right++;
    if (newest < w->una)
        in(w->t, ". 1:1(0) ack %u", start_of(w->una));
    else
        in(w->t, ". 1:1(0) ack %u <nop,nop,sack %u:%u>", start_of(w->una), start_of(left), start_of(right));
}

/* The next segment arrives, and its ACK at the sender: which segment, and END at a lost one's place. */
static unsigned int next_ack(struct world *w)
{
    struct flying f = w->flying[w->first++];
    w->count--;
    advance(w->t, f.at_us - w->t->now_us);
    if (f.lost)
        return END;
    w->arrived[f.segment] = true;
    w->top = f.segment > w->top ? f.segment : w->top;
    while (w->arrived[w->una])
        w->una++;
    send_ack(w, f.segment);
    return f.segment;
}

/* ---- RFC 6937 3.1 -------------------------------------------------------------------------------------- */

/* The line "sent" of the figure: `figure[i]` segments for the ACK of segment first + i. */
static void expect_figure(struct world *w, const char *figure)
{
    for (; *figure != 0; figure++) {
        unsigned int got;
        while (next_ack(w) == END)
            ;
        got = take_off(w);
        if (got != (unsigned int)(*figure - '0'))
            rig_fail(w->t, "an ACK let %u segments go, not %c", got, *figure);
    }
}

/* Two of limited transmit, the fast retransmit, then every other ACK.  The figure counts segments, so that
 * its CEIL is a segment; counted in bytes, as in the pseudo code, each leaves an ACK later.  (The figure's
 * last four columns are not what its pseudo code says: they do not stand here.) */
static void prr__one_loss__every_second_ack_sends(void **state)
{
    struct world w = twenty_in_flight(&with_prr, 1);
    (void)state;
    expect_figure(&w, "111001010101010");
    assert_int_equal(w.t->peer[0].c->cc.ssthresh, 10 * SMSS);
    expect_counted(w.t, RILL_SEG_RESENT, 1);
    rig_end(w.t);
}

/* "PRR-CRB": for what only SACKs tell of, a segment for each ACK.  Safe ACKs begin with the repair: two. */
static void prr__fifteen_losses__conservative_and_then_slow_start(void **state)
{
    struct world w = twenty_in_flight(&with_prr, 15);
    (void)state;
    expect_figure(&w, "11111");
    assert_int_equal(tcp_pipe(w.t->peer[0].c), 5 * SMSS); /* the figure's 4 and what this ACK let go */
    expect_counted(w.t, RILL_SEG_RESENT, 3);
    expect_figure(&w, "11");    /* what limited transmit had sent */
    expect_figure(&w, "22222"); /* what is resent arrives */
    rig_end(w.t);
}

/* "experiences a half window of silence"; here the window is half the twenty, not half of 22. */
static void without_prr__one_loss__is_silent_for_half_a_window(void **state)
{
    struct world w = twenty_in_flight(&without, 1);
    (void)state;
    expect_figure(&w, "11");
    expect_figure(&w, "1");
    expect_window(w.t, 10, 10);
    expect_figure(&w, "0000000001111111");
    rig_end(w.t);
}

/* "immediately retransmits sufficient data to bring pipe up to cwnd" */
static void without_prr__fifteen_losses__are_resent_in_a_burst(void **state)
{
    struct world w = twenty_in_flight(&without, 15);
    (void)state;
    expect_figure(&w, "11611");
    expect_window(w.t, 10, 10);
    rig_end(w.t);
}

/* ---- A whole recovery, by the pseudo code -------------------------------------------------------------- */

/* Segments that are in the network as the sender must see it once three have arrived behind the holes: what
 * was sent before them and has not arrived is lost, and once it was sent again it is not (RFC 6675's pipe).
 */
static unsigned int pipe_of(const struct world *w)
{
    unsigned int pipe = 0;
    for (unsigned int k = w->una; k < w->next_new; k++)
        pipe += !w->arrived[k] && (k > w->top || w->repaired[k]);
    return pipe;
}

static void begin_recovery(struct world *w, unsigned int sacked_before)
{
    w->recovery = true;
    w->ssthresh = WINDOW / 2;
    w->recover = w->next_new;
    w->recover_fs = w->next_new - w->una - sacked_before; /* RFC 9937: all that may still be delivered */
}

/* What the pseudo code lets go for an ACK that delivers one segment. */
static unsigned int model_sends(struct world *w, bool safe)
{
    int64_t pipe = (int64_t)pipe_of(w) * SMSS, ssthresh = w->ssthresh * SMSS, sndcnt;
    int64_t delivered = ++w->delivered * SMSS, out = (int64_t)w->out;
    if (pipe > ssthresh) {
        int64_t fs = w->recover_fs * SMSS;
        sndcnt = (delivered * ssthresh + fs - 1) / fs - out;
    } else {
        sndcnt = delivered - out > SMSS ? delivered - out : SMSS;
        sndcnt += safe ? SMSS : 0;
        sndcnt = sndcnt < ssthresh - pipe ? sndcnt : ssthresh - pipe;
    }
    if (out == 0 && sndcnt < SMSS)
        sndcnt = SMSS; /* the fast retransmit */
    return sndcnt > 0 ? (unsigned int)(sndcnt / SMSS) : 0;
}

static void recover_by_the_model(const struct rig_setup *setup, unsigned int lose)
{
    struct world w = twenty_in_flight(setup, lose);
    unsigned int acks = 0, safe_acks = 0;
    while (!w.done) {
        unsigned int una = w.una, expected, got;
        if (next_ack(&w) == END)
            continue;
        if (++acks == 3)
            begin_recovery(&w, 2);
        w.done = w.recovery && w.una >= w.recover;
        safe_acks += w.una > una;
        expected = acks < 3 ? 1 : model_sends(&w, w.una > una);
        got = take_off(&w);
        if (w.done)
            break;
        if (got != expected)
            rig_fail(w.t, "%u lost, ACK %u: the model sends %u, and %u left", lose, acks, expected, got);
        w.out += w.recovery ? got * SMSS : 0;
        assert_true(w.out <= (w.delivered + safe_acks) * SMSS);
    }
    assert_int_equal(w.t->peer[0].c->cc.cwnd, w.ssthresh * SMSS);
    assert_in_range(tcp_pipe(w.t->peer[0].c), (w.ssthresh - 1) * SMSS, w.ssthresh * SMSS);
    expect_counted(w.t, RILL_SEG_RESENT, lose);
    expect_counted(w.t, RILL_RECOVERY, 1);
    expect_counted(w.t, RILL_RTO_FIRED, 0);
    rig_end(w.t);
}

static void prr__each_number_of_losses__is_repaired_as_the_pseudo_code_says(void **state)
{
    (void)state;
    for (unsigned int lose = 1; lose <= 17; lose++)
        recover_by_the_model(&with_prr, lose);
}

/* RFC 5681 4.3, RFC 6937: the target is the congestion control's, with PRR and without. */
static void recovery__its_end__leaves_the_window_at_ssthresh(void **state)
{
    const struct rig_setup *setups[] = {&with_prr, &without};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(setups); i++)
        for (unsigned int lose = 1; lose <= 15; lose += 7) {
            struct world w = twenty_in_flight(setups[i], lose);
            unsigned int recover = BASE + WINDOW + 2; /* and limited transmit's */
            while (w.una < recover) {
                assert_true(w.count != 0);
                (void)next_ack(&w);
                (void)take_off(&w);
            }
            expect_window(w.t, 10, 10);
            expect_counted(w.t, RILL_SEG_RESENT, lose);
            rig_end(w.t);
        }
}

/* What was thought lost arrives after all, in one piece, when PRR has not come up to the target yet. */
static void prr__ends_below_the_target__the_window_is_ssthresh(void **state)
{
    struct world w = twenty_in_flight(&with_prr, 15);
    (void)state;
    expect_figure(&w, "11111");
    expect_window(w.t, 5, 10);
    ack(w.t, BASE + WINDOW + 2);
    expect_window(w.t, 10, 10);
    rig_discard(w.t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prr__one_loss__every_second_ack_sends),
        cmocka_unit_test(prr__fifteen_losses__conservative_and_then_slow_start),
        cmocka_unit_test(without_prr__one_loss__is_silent_for_half_a_window),
        cmocka_unit_test(without_prr__fifteen_losses__are_resent_in_a_burst),
        cmocka_unit_test(prr__each_number_of_losses__is_repaired_as_the_pseudo_code_says),
        cmocka_unit_test(recovery__its_end__leaves_the_window_at_ssthresh),
        cmocka_unit_test(prr__ends_below_the_target__the_window_is_ssthresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
