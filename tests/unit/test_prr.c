/* test_prr.c - proportional rate reduction against the pseudo code of RFC 6937 3, in numbers that cannot
 * overflow.  Which of its two bounds holds for an ACK, and that the first retransmission always leaves, is
 * RFC 9937's. */
#include "test.h"

#include "prng.h"
#include "prr.h"

#define SMSS 1460u
#define MAX_WINDOW ((1u << 30) - 1)

/* ---- The model ----------------------------------------------------------------------------------------- */

__extension__ typedef __int128 wide;

struct model {
    wide delivered, out, recover_fs;
};

static wide most(wide a, wide b) { return a > b ? a : b; }
static wide least(wide a, wide b) { return a < b ? a : b; }

static wide model_ack(struct model *m, wide delivered, wide pipe, wide ssthresh, bool safe)
{
    wide sndcnt, limit;
    m->delivered += delivered;
    if (pipe > ssthresh) {
        wide product = m->delivered * ssthresh;
        sndcnt = product / m->recover_fs + (product % m->recover_fs != 0) - m->out;
    } else {
        limit = most(m->delivered - m->out, delivered); /* PRR-CRB; what has just arrived may be replaced */
        if (safe)
            limit += SMSS; /* PRR-SSRB */
        sndcnt = least(ssthresh - pipe, limit);
    }
    if (m->out == 0)
        sndcnt = sndcnt <= 0 ? SMSS : sndcnt;
    return most(sndcnt, 0);
}

/* ---- Against it ---------------------------------------------------------------------------------------- */

static uint32_t window(struct prng *prng, uint32_t shift)
{
    return (uint32_t)prng_between(prng, 1, MAX_WINDOW >> shift);
}

/* Whatever ACKs say: sizes from a byte to a gigabyte. */
static void prr__random_acks__as_the_pseudo_code(void **state)
{
    struct prng prng = prng_seed(6937);
    unsigned int reduced = 0, bounded = 0, nothing = 0;
    (void)state;
    for (unsigned int run = 0; run < 5000; run++) {
        uint32_t shift = (uint32_t)prng_below(&prng, 28), recover_fs = window(&prng, shift);
        uint32_t ssthresh = window(&prng, shift);
        struct model model = {.recover_fs = recover_fs};
        struct prr prr;
        memset(&prr, 0xa5, sizeof prr); /* of an earlier recovery */
        prr_start(&prr, recover_fs);
        for (unsigned int ack = 0; ack < 40; ack++) {
            uint32_t delivered =
                prng_chance(&prng, 20) ? 0 : (uint32_t)prng_below(&prng, recover_fs / 16 + 2);
            uint32_t pipe = window(&prng, shift), sndcnt, sent;
            bool safe = prng_chance(&prng, 50);
            wide expected = model_ack(&model, delivered, pipe, ssthresh, safe);
            sndcnt = prr_ack(&prr, delivered, pipe, ssthresh, SMSS, safe);
            assert_true(sndcnt == expected);
            reduced += pipe > ssthresh && sndcnt != 0;
            bounded += pipe <= ssthresh && sndcnt < ssthresh - pipe;
            nothing += sndcnt == 0;
            sent = prng_chance(&prng, 30) ? (uint32_t)prng_below(&prng, (uint64_t)sndcnt + 1) : sndcnt;
            prr_sent(&prr, sent);
            model.out += sent;
        }
    }
    assert_true(reduced > 10000);
    assert_true(bounded > 10000);
    assert_true(nothing > 10000);
}

/* The largest windows there are: the product needs 64 bits and the ceiling its last one. */
static void prr__largest_windows__are_exact(void **state)
{
    struct prr prr;
    (void)state;
    prr_start(&prr, 0x3fffffff);
    assert_int_equal(prr_ack(&prr, 0x3ffffffe, 0x3fffffff, 0x1fffffff, SMSS, false), 0x1fffffff);
    prr_start(&prr, 0x3fffffff);
    assert_int_equal(prr_ack(&prr, 1, 0x3fffffff, 0x1fffffff, SMSS, false), 1); /* CEIL */
    prr_start(&prr, 0); /* nothing was outstanding: no division by it */
    assert_int_equal(prr_ack(&prr, 0, 100, 50, SMSS, false), SMSS);
}

/* ---- Properties: RFC 6937 4 ---------------------------------------------------------------------------- */

/* A recovery from `flight` segments of which `lost` are: each ACK tells of one that has arrived, and the
 * sender sends whole segments as far as it may.  Lost ones are known from the first ACK on. */
struct trace {
    struct prr prr;
    uint32_t ssthresh, pipe;
    uint64_t delivered, sent;
    unsigned int safe_acks;
};

static void trace_ack(struct trace *tr, bool safe)
{
    uint32_t sndcnt;
    tr->delivered += SMSS;
    tr->safe_acks += safe;
    tr->pipe -= SMSS;
    sndcnt = prr_ack(&tr->prr, SMSS, tr->pipe, tr->ssthresh, SMSS, safe);
    if (tr->sent == 0)
        sndcnt = sndcnt > SMSS ? sndcnt : SMSS; /* the fast retransmit asks no window */
    for (; sndcnt >= SMSS; sndcnt -= SMSS) {
        prr_sent(&tr->prr, SMSS);
        tr->sent += SMSS;
        tr->pipe += SMSS;
    }
    /* The strong packet conservation bound; in slow start a segment more for each ACK. */
    assert_true(tr->sent <= tr->delivered + (uint64_t)tr->safe_acks * SMSS);
    assert_true(tr->pipe <= tr->ssthresh || tr->sent <= tr->delivered);
}

static struct trace trace_of(unsigned int flight, unsigned int lost, unsigned int ssthresh)
{
    struct trace tr = {.ssthresh = ssthresh * SMSS, .pipe = (flight - lost) * SMSS};
    prr_start(&tr.prr, flight * SMSS);
    return tr;
}

static void prr__conservative__sends_never_more_than_has_arrived(void **state)
{
    (void)state;
    for (unsigned int lost = 1; lost < 100; lost++) {
        struct trace tr = trace_of(100, lost, 50);
        for (unsigned int k = lost; k < 100; k++)
            trace_ack(&tr, false);
        assert_true(tr.sent <= tr.delivered);
    }
}

static void prr__slow_start__sends_a_segment_more_for_each_safe_ack(void **state)
{
    struct prng prng = prng_seed(9937);
    (void)state;
    for (unsigned int run = 0; run < 2000; run++) {
        unsigned int lost = (unsigned int)prng_between(&prng, 1, 99);
        struct trace tr = trace_of(100, lost, (unsigned int)prng_between(&prng, 2, 100));
        for (unsigned int k = lost; k < 100; k++)
            trace_ack(&tr, prng_chance(&prng, 50));
    }
}

/* "If there are minimal losses, PRR will converge to exactly the target window"; so it does after more of
 * them, as long as what is left reaches the target. */
static void prr__all_that_was_out_has_arrived__pipe_is_ssthresh(void **state)
{
    (void)state;
    for (unsigned int percent = 50; percent <= 90; percent += 10)
        for (unsigned int lost = 1; lost <= 100 - percent; lost++) {
            struct trace tr = trace_of(100, lost, percent);
            for (unsigned int k = lost; k < 100; k++)
                trace_ack(&tr, true);
            assert_in_range(tr.pipe, tr.ssthresh - SMSS, tr.ssthresh + SMSS);
        }
}

/* "spread voluntary window reductions out evenly across a full RTT": of any n ACKs not one more, nor fewer,
 * than its part of them sends. */
static void prr__reduction__is_even(void **state)
{
    (void)state;
    struct trace tr = trace_of(100, 1, 70);
    for (unsigned int k = 1; k <= 90; k++) {
        trace_ack(&tr, false);
        assert_in_range(tr.sent / SMSS, k * 70 / 100, k * 70 / 100 + 1);
    }
}

/* Losses have taken more than half: slow start brings the pipe back, not beyond the target. */
static void prr__burst_loss__safe_acks_raise_the_pipe_to_ssthresh(void **state)
{
    (void)state;
    struct trace tr = trace_of(20, 15, 10);
    trace_ack(&tr, true);
    assert_int_equal(tr.sent, 2 * SMSS);
    for (unsigned int k = 0; k < 20; k++)
        trace_ack(&tr, true);
    assert_int_equal(tr.pipe, 10 * SMSS);
}

/* Stalls are banked: RFC 6937 4. */
static void prr__application_stalls__what_was_not_sent_is_sent_later(void **state)
{
    struct prr prr;
    (void)state;
    prr_start(&prr, 100 * SMSS);
    for (unsigned int k = 1; k <= 40; k++) {
        assert_int_equal(prr_ack(&prr, SMSS, 90 * SMSS, 50 * SMSS, SMSS, false),
                         ((uint64_t)k * SMSS + 1) / 2);
    }
    prr_sent(&prr, 20 * SMSS);
    assert_int_equal(prr_ack(&prr, 0, 90 * SMSS, 50 * SMSS, SMSS, false), 0);
}

/* An ACK that delivers nothing must not keep the first retransmission back; later ones send nothing. */
static void prr__first_retransmission__always_leaves(void **state)
{
    struct prr prr;
    (void)state;
    for (uint32_t pipe = 0; pipe <= 20 * SMSS; pipe += SMSS)
        for (int safe = 0; safe < 2; safe++) {
            prr_start(&prr, 20 * SMSS);
            assert_true(prr_ack(&prr, 0, pipe, 10 * SMSS, SMSS, safe) >= SMSS);
            prr_sent(&prr, SMSS);
            if (pipe >= 10 * SMSS)
                assert_int_equal(prr_ack(&prr, 0, pipe, 10 * SMSS, SMSS, safe), 0);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prr__random_acks__as_the_pseudo_code),
        cmocka_unit_test(prr__largest_windows__are_exact),
        cmocka_unit_test(prr__conservative__sends_never_more_than_has_arrived),
        cmocka_unit_test(prr__slow_start__sends_a_segment_more_for_each_safe_ack),
        cmocka_unit_test(prr__all_that_was_out_has_arrived__pipe_is_ssthresh),
        cmocka_unit_test(prr__reduction__is_even),
        cmocka_unit_test(prr__burst_loss__safe_acks_raise_the_pipe_to_ssthresh),
        cmocka_unit_test(prr__application_stalls__what_was_not_sent_is_sent_later),
        cmocka_unit_test(prr__first_retransmission__always_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
