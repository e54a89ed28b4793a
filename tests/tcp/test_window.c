/* test_window.c - the window that is offered, and the window that is respected.  RFC 9293 3.8.6, 3.8.6.2.2,
 * 3.10.7.4; RFC 7323 2. */
#include "flow.h"
#include "prng.h"
#include "rig.h"

/* ---- Offered ----------------------------------------------------------------------------------------- */

/* The smallest shift with which a buffer can be said in 16 bits (RFC 7323 2.3). */
static unsigned int shift_for(uint32_t bytes)
{
    unsigned int shift = 0;
    while (bytes > (65535u << shift))
        shift++;
    return shift;
}

/* RFC 7323 2.2: "the window field in a segment where the SYN bit is set MUST NOT be scaled". */
static void window__in_our_syn__is_not_scaled(void **state)
{
    const uint32_t bytes[] = {2048, 65535, 65536, 262144, 1 << 20, 4 << 20};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bytes); i++) {
        const struct rig_setup setup = {.rcvbuf_bytes = bytes[i]};
        unsigned int win = bytes[i] < 65535 ? bytes[i] : 65535;
        struct rig *t = rig_closed(&setup);
        assert_int_equal(app_connect(t, 0), 0);
        out(t, "S 0:0(0) win %u <mss 1460,nop,wscale %u>", win, shift_for(bytes[i]));
        rig_end(t);
        t = rig_listen(&setup);
        in(t, "S 0:0(0) <mss 1460,nop,wscale 7>");
        out(t, "S. 0:0(0) ack 1 win %u <mss 1460,nop,wscale %u>", win, shift_for(bytes[i]));
        rig_end(t);
        t = rig_syn_sent(&setup); /* crossing SYNs */
        in(t, "S 0:0(0) <mss 1460,nop,wscale 7>");
        out(t, "S. 0:0(0) ack 1 win %u <mss 1460,nop,wscale %u>", win, shift_for(bytes[i]));
        rig_end(t);
    }
}

/* RFC 7323 2.2, 2.3: scaled in all that follows, up to the whole buffer. */
static void window__after_the_syn__offers_the_whole_buffer_scaled(void **state)
{
    const uint32_t bytes[] = {65536, 262144, 1 << 20, 4 << 20};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bytes); i++) {
        unsigned int shift = shift_for(bytes[i]);
        uint32_t wnd = bytes[i] - 1000;
        struct rig *t = rig_established(&(struct rig_setup){.rcvbuf_bytes = bytes[i]});
        in(t, "P. 1:1001(1000) ack 1");
        if (wnd - (65535 - 1000) >= 1460) /* else it stays where the SYN had it: MUST-39 */
            out_after(t, 40 * MS, ". 1:1(0) ack 1001 win %u", (wnd + (1u << shift) - 1) >> shift);
        else
            out_after(t, 40 * MS, ". 1:1(0) ack 1001 win %u", (65535 - 1000 + 1) >> shift);
        rig_end(t);
    }
}

static void without_scaling(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->features &= ~(1u << RILL_FEATURE_WSCALE);
}

/* RFC 7323 2.2: the shift counts if both SYNs had it, in neither direction otherwise. */
static void window__one_side_without_scaling__nobody_scales(void **state)
{
    const struct rig_setup setups[] = {
        {.rcvbuf_bytes = 1 << 20, .peer_opts = "<mss 1460>", .peer_win = 1000},
        {.rcvbuf_bytes = 1 << 20, .edit = without_scaling, .peer_win = 1000},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(setups); i++) {
        struct rig *t = rig_listen(&setups[i]);
        in(t, "S 0:0(0) %s", t->setup.peer_opts);
        out(t, "S. 0:0(0) ack 1 win 65535 <mss 1460>");
        in(t, ". 1:1(0) ack 1");
        app_accept(t, 0);
        in(t, "P. 1:1001(1000) ack 1");
        out_after(t, 40 * MS, ". 1:1(0) ack 1001 win 64535"); /* not 65535: 1000 more is no step */
        app_write(t, 5000);
        out(t, ". 1:1001(1000) ack 1001"); /* 1000 bytes is all there is to send into: rule (3) */
        out_none(t);
        rig_end(t);
    }
    { /* an active open without it */
        struct rig *t = rig_closed(&(struct rig_setup){.rcvbuf_bytes = 1 << 20, .edit = without_scaling});
        assert_int_equal(app_connect(t, 0), 0);
        out(t, "S 0:0(0) win 65535 <mss 1460>");
        rig_end(t);
    }
}

/* RFC 7323 2.3: "if a Window Scale option is received with a shift.cnt value larger than 14, the TCP MUST
 * use 14". */
static void window__peers_shift_over_14__counts_as_14(void **state)
{
    const unsigned int shifts[] = {14, 15, 255};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shifts); i++) {
        char opts[64];
        struct rig_setup setup = {.mtu = 65535, .peer_opts = opts, .peer_win = 1};
        struct rig *t;
        snprintf(opts, sizeof opts, "<mss 16384,nop,wscale %u>", shifts[i]);
        for (int active = 0; active < 2; active++) {
            t = active ? rig_connected(&setup) : rig_established(&setup);
            in(t, ". 1:1(0) ack 1 win 1");
            app_write(t, 50000); /* the initial congestion window would take two segments */
            out(t, ". 1:16385(16384) ack 1");
            out_none(t);
            in(t, ". 1:1(0) ack 16385 win 2");
            flow_out(t, 16385, 32768, 16384, false, 1);
            out_none(t);
            rig_end(t);
        }
    }
}

/* RFC 7323 2.2, again: the window in the peer's SYN is in bytes, whatever the shift. */
static void window__in_the_peers_syn__is_not_scaled(void **state)
{
    struct rig *t = rig_syn_sent(NULL);
    (void)state;
    in(t, "S. 0:0(0) ack 1 win 1000 <mss 1460,nop,wscale 7>");
    out(t, ". 1:1(0) ack 1");
    app_write(t, 5000);
    out(t, ". 1:1001(1000) ack 1");
    out_none(t);
    in(t, ". 1:1(0) ack 1001 win 12"); /* 1536 */
    out(t, ". 1001:2461(1460) ack 1");
    out_none(t);
    rig_end(t);
}

/* What left is in order of its edges, and no edge is beyond what the buffer has.  DEVIATES in tcp_rcv.c: with
 * a unit above 1 and unaligned segments that nobody reads, the edge creeps to the right; an eighth of the
 * buffer farther out than meant, it may waver by less than a unit. */
static void note_edges(struct rig *t, unsigned int shift, int64_t read, int64_t *edge)
{
    int64_t unit = 1 << shift, most = 1 + read + (int64_t)t->opts.rcvbuf_bytes + t->opts.rcvbuf_bytes / 8;
    while (t->queued != 0) {
        int64_t now = flow_edge(t, take(t), shift);
        if (now < *edge && (*edge <= most || now <= *edge - unit))
            rig_fail(t, "the right edge moves from %lld to %lld", (long long)*edge, (long long)now);
        if (now > most + unit)
            rig_fail(t, "the right edge %lld is beyond the buffer", (long long)now);
        if (now > *edge)
            *edge = now;
    }
}

/* SHLD-14: segments and reads of all sizes in any mixture, until and beyond the buffer is full. */
static void window__right_edge__never_moves_left(void **state)
{
    const uint32_t bytes[] = {2048, 10000, 65535, 65536, 262144, 1 << 20};
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        uint32_t buf = bytes[seed % COUNT_OF(bytes)];
        struct rig *t = rig_established(&(struct rig_setup){.rcvbuf_bytes = buf});
        struct prng prng = prng_seed(seed);
        int64_t edge = 1 + (buf < 65535 ? buf : 65535), sent = 0, read = 0;
        uint32_t most = (uint32_t)prng_between(&prng, 1, 1460);
        for (int step = 0; step < 1500; step++) {
            int64_t n = (int64_t)prng_between(&prng, 1, most);
            if (prng_chance(&prng, 70) && sent + n < edge) {
                in(t, ". %lld:%lld(%lld) ack 1", (long long)sent + 1, (long long)(sent + n + 1),
                   (long long)n);
                sent += n;
            } else if (prng_chance(&prng, (unsigned int)(seed % 3) * 20) && sent > read) {
                n = (int64_t)prng_between(&prng, 1, (uint64_t)(sent - read));
                app_read(t, (uint32_t)n);
                read += n;
            } else {
                let_pass(t, 0);
                in(t, ". %lld:%lld(1) ack 1", (long long)edge, (long long)edge + 1); /* beyond */
            }
            note_edges(t, buf > 65535 ? shift_for(buf) : 0, read, &edge);
        }
        expect_readable(t, (uint32_t)(sent - read));
        rig_end(t);
    }
}

/* And all that was offered is taken: the last byte of it. */
static void window__last_byte_ever_offered__is_taken(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        uint32_t buf = seed % 2 == 0 ? 300000 : 1 << 20;
        struct rig *t = rig_established(&(struct rig_setup){.rcvbuf_bytes = buf});
        struct prng prng = prng_seed(seed);
        int64_t edge = 65536, sent = 0;
        while (sent + 100 < edge) { /* nobody reads: each odd segment moves the rounding */
            int64_t n = (int64_t)prng_between(&prng, 1, 99);
            in(t, ". %lld:%lld(%lld) ack 1", (long long)sent + 1, (long long)(sent + n + 1), (long long)n);
            sent += n;
            note_edges(t, shift_for(buf), 0, &edge);
        }
        in(t, ". %lld:%lld(%lld) ack 1", (long long)sent + 1, (long long)edge, (long long)(edge - 1 - sent));
        flow_swallow(t);
        let_pass(t, 100 * MS);
        expect_readable(t, (uint32_t)(edge - 1));
        rig_end(t);
    }
}

/* RFC 9293 3.8.6.1: "it must still send an acknowledgment showing its next expected sequence number and
 * current window (zero)". */
static void window__full_buffer__is_said_and_nothing_more_is_taken(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    flow_in(t, 1, 65534, 1460);
    in(t, "P. 65535:65536(1) ack 1");
    flow_swallow(t);
    let_pass(t, 50 * MS);
    for (int k = 0; k < 3; k++) {
        in(t, "P. 65536:65537(1) ack 1");
        out(t, ". 1:1(0) ack 65536 win 0");
        in(t, "P. 65536:66996(1460) ack 1");
        out(t, ". 1:1(0) ack 65536 win 0");
    }
    expect_readable(t, 65535);
    rig_end(t);
}

/* MUST-66: "a receiver MUST be able to process RST and URG fields and ACK, even with a window of 0". */
static void window__zero__ack_urgent_and_reset_still_count(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    app_write(t, 100);
    out(t, "P. 1:101(100) ack 1");
    flow_in(t, 1, 65535, 1460);
    let_pass(t, 50 * MS);
    assert_int_equal(t->peer[0].c->snd.una, tcp_iss(t->peer[0].c) + 1);
    in(t, ". 65536:65537(1) ack 101"); /* text that is not taken: its ACK is */
    out(t, ". 101:101(0) ack 65536 win 0");
    assert_int_equal(t->peer[0].c->snd.una, tcp_iss(t->peer[0].c) + 101);
    in(t, "U. 65536:65537(1) ack 101 urg 1");
    out(t, ". 101:101(0) ack 65536 win 0");
    assert_int_equal(t->peer[0].c->rcv.up, tcp_irs(t->peer[0].c) + 65537);
    in(t, "R 65536:65536(0)");
    expect_error(t, ECONNRESET);
    rig_end(t);
}

/* ---- Silly windows and updates: MUST-39 ---------------------------------------------------------------- */

/* RFC 9293 3.8.6.2.2: by min(Fr * RCV.BUFF, Eff.snd.MSS) or not at all; Fr is 1/2. */
static void window__reads_byte_by_byte__open_it_in_steps_only(void **state)
{
    const uint32_t bytes[] = {2048, 2920, 5000, 65535, 262144};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bytes); i++) {
        struct rig *t = rig_established(&(struct rig_setup){.rcvbuf_bytes = bytes[i]});
        uint32_t step = bytes[i] / 2 < 1460 ? bytes[i] / 2 : 1460;
        unsigned int shift = shift_for(bytes[i]), updates = 0;
        int64_t edge;
        uint32_t have;
        for (have = 0; have < bytes[i];) { /* as long as there is a window */
            uint32_t n = bytes[i] - have < 1460 ? bytes[i] - have : 1460;
            in(t, ". %u:%u(%u) ack 1", have + 1, have + n + 1, n);
            flow_swallow(t);
            have += n;
        }
        let_pass(t, 50 * MS);
        in(t, ". %u:%u(1) ack 1", have + 1, have + 2);
        edge = flow_edge(t, take(t), shift);
        for (uint32_t n = 0; n < 12000 && n < have; n++) {
            app_read(t, 1);
            if (t->queued != 0) {
                int64_t now = flow_edge(t, take(t), shift);
                if (now - edge < step)
                    rig_fail(t, "moved by %lld, not by %u", (long long)(now - edge), step);
                edge = now;
                updates++;
            }
            out_none(t);
        }
        assert_in_range(updates, 1, 12000 / step);
        rig_end(t);
    }
}

/* A closed window opens as soon as there is a step, so that the peer need not probe. */
static void window__first_step_after_zero__is_told_at_once(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    flow_in(t, 1, 65535, 1460);
    let_pass(t, 50 * MS);
    app_read(t, 1459);
    out_none(t);
    app_read(t, 1);
    out(t, ". 1:1(0) ack 65536 win 1460");
    app_read(t, 1459);
    out_none(t);
    app_read(t, 1);
    out(t, ". 1:1(0) ack 65536 win 2920");
    app_read(t, 65535 - 2920);
    out(t, ". 1:1(0) ack 65536 win 65535");
    rig_end(t);
    t = rig_established(&(struct rig_setup){.rcvbuf_bytes = 2048}); /* half of it is less than an MSS */
    flow_in(t, 1, 2048, 1024);
    app_read(t, 1023);
    out_none(t);
    app_read(t, 1);
    out(t, ". 1:1(0) ack 2049 win 1024");
    rig_end(t);
}

/* The same edge in every segment until there is a step, data that is read as it comes included. */
static void window__small_segments_read_at_once__keep_the_edge(void **state)
{
    struct rig *t = rig_established(NULL);
    int64_t edge = 65536;
    (void)state;
    for (int k = 0; k < 145; k++) {
        in(t, "P. %d:%d(10) ack 1", 10 * k + 1, 10 * k + 11);
        app_read(t, 10);
        out_after(t, 40 * MS, ". 1:1(0) ack %d win %lld", 10 * k + 11, (long long)edge - (10 * k + 11));
    }
    in(t, "P. 1451:1461(10) ack 1");
    app_read(t, 10);
    out_after(t, 40 * MS, ". 1:1(0) ack 1461 win 65535"); /* 1460 bytes make the step */
    rig_end(t);
}

/* ---- Respected ----------------------------------------------------------------------------------------- */

/* What left, against the greatest right edge that was told.  A probe is one octet beyond it, which may be
 * sent again with others (MAY-7). */
static void note_sent(struct rig *t, int64_t edge, int64_t *nxt)
{
    while (t->queued != 0) {
        const struct datagram *d = take(t);
        int64_t end = flow_seq(t, d) + d->text_len;
        if (end > edge && !(end == edge + 1 && (d->text_len == 1 || end <= *nxt)))
            rig_fail(t, "sent up to %lld, offered up to %lld", (long long)end, (long long)edge);
        *nxt = end > *nxt ? end : *nxt;
    }
}

/* Whatever windows come, no byte leaves beyond the greatest right edge that was told. */
static void window__of_the_peer__is_never_exceeded(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct rig_setup setup = {.peer_opts = "<mss 1000,nop,wscale 3>", .nodelay = seed % 2 == 0};
        struct rig *t = rig_established(&setup);
        struct prng prng = prng_seed(seed);
        int64_t una = 1, nxt = 1, edge = 1 + (100 << 3);
        in(t, ". 1:1(0) ack 1 win 100"); /* shrunk before anything was sent */
        for (int step = 0; step < 600; step++) {
            uint32_t room = tcp_write_room(t->peer[0].c);
            if (room > 0)
                app_write(t, (uint32_t)prng_between(&prng, 1, room < 3000 ? room : 3000));
            note_sent(t, edge, &nxt);
            if (prng_chance(&prng, 60)) { /* an ACK of something; the edge stays or moves right */
                uint32_t more = (uint32_t)prng_below(&prng, 3) * (uint32_t)prng_below(&prng, 400), win;
                una += (int64_t)prng_below(&prng, (uint64_t)(nxt - una) + 1);
                una = una > edge ? edge : una; /* a probe's octet is refused */
                win = (uint32_t)((edge - una + 7) / 8) + more;
                edge = una + 8ll * win;
                in(t, ". 1:1(0) ack %lld win %u", (long long)una, win);
            } else {
                t->now_us += prng_between(&prng, 1, 300) * MS;
                rill_advance(t->e, t->now_us);
                rig_drain(t);
            }
            note_sent(t, edge, &nxt);
        }
        assert_true(una > 10000); /* it did go on */
        rig_end(t);
    }
}

/* RFC 9293 3.10.7.4: SND.WL1, SND.WL2: "prevents using old segments to update the window". */
static void window__of_an_old_segment__does_not_count(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.peer_opts = "<mss 1460>"});
    (void)state;
    in(t, "P. 101:201(100) ack 1 win 3000"); /* overtakes the next one */
    out(t, ". 1:1(0) ack 1");
    in(t, "P. 1:101(100) ack 1 win 60000"); /* SEG.SEQ < SND.WL1 */
    out(t, ". 1:1(0) ack 201");
    app_write(t, 10000);
    flow_out(t, 1, 2920, 1460, false, 201);
    out_none(t);
    in(t, ". 201:201(0) ack 2921 win 2920");
    flow_out(t, 2921, 2920, 1460, false, 201);
    in(t, ". 201:201(0) ack 1461 win 60000"); /* SEG.ACK < SND.WL2 */
    out_none(t);
    in(t, ". 201:201(0) ack 2921 win 4380"); /* the same numbers: newer */
    out(t, ". 5841:7301(1460) ack 201");
    rig_end(t);
}

/* ---- Shrunk -------------------------------------------------------------------------------------------- */

/* MUST-34, SHLD-15, SHLD-16: with a negative usable window nothing new leaves, the rest goes on as usual. */
static void window__shrunk_below_what_is_in_flight__stops_new_data_only(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.peer_opts = "<mss 1460>"});
    (void)state;
    app_write(t, 30000);
    flow_out(t, 1, 14600, 1460, false, 1);
    in(t, ". 1:1(0) ack 1461 win 1460");
    out_none(t);
    out_after(t, 200 * MS, ". 1461:2921(1460) ack 1"); /* from SND.UNA on, inside the window */
    flow_swallow(t);                                   /* MAY-7: what lies beyond it */
    in(t, ". 1:1(0) ack 2921 win 1460");
    while (t->queued != 0)
        assert_true(flow_seq(t, take(t)) < 14601);
    in(t, ". 1:1(0) ack 14601 win 20000"); /* reopened */
    assert_int_equal(flow_seq(t, take(t)), 14601);
    flow_swallow(t);
    rig_end(t);
}

/* MUST-35, SHLD-17: shrunk to nothing it is probed as always, with backoff and for as long as it is
 * answered. */
static void window__shrunk_to_zero__is_probed_by_one_segment_at_a_time(void **state)
{
    struct rig *t = rig_established(&(struct rig_setup){.peer_opts = "<mss 1460>"});
    rill_time wait = 200 * MS;
    (void)state;
    app_write(t, 14600);
    flow_out(t, 1, 14600, 1460, true, 1);
    in(t, ". 1:1(0) ack 1 win 0");
    out_none(t);
    mark(t);
    for (int k = 0; k < 200; k++) { /* more than six hours */
        out_after(t, wait, ". 1:1461(1460) ack 1");
        out_none(t);
        in(t, ". 1:1(0) ack 1 win 0");
        out_none(t);
        wait = wait * 2 < 120 * SEC ? wait * 2 : 120 * SEC;
    }
    expect_state(t, RILL_ESTABLISHED);
    in(t, ". 1:1(0) ack 1 win 20000");
    flow_out(t, 1, 14600, 1460, true, 1);
    in(t, ". 1:1(0) ack 14601 win 20000");
    out_none(t);
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(window__in_our_syn__is_not_scaled),
        cmocka_unit_test(window__after_the_syn__offers_the_whole_buffer_scaled),
        cmocka_unit_test(window__one_side_without_scaling__nobody_scales),
        cmocka_unit_test(window__peers_shift_over_14__counts_as_14),
        cmocka_unit_test(window__in_the_peers_syn__is_not_scaled),
        cmocka_unit_test(window__right_edge__never_moves_left),
        cmocka_unit_test(window__last_byte_ever_offered__is_taken),
        cmocka_unit_test(window__full_buffer__is_said_and_nothing_more_is_taken),
        cmocka_unit_test(window__zero__ack_urgent_and_reset_still_count),
        cmocka_unit_test(window__reads_byte_by_byte__open_it_in_steps_only),
        cmocka_unit_test(window__first_step_after_zero__is_told_at_once),
        cmocka_unit_test(window__small_segments_read_at_once__keep_the_edge),
        cmocka_unit_test(window__of_the_peer__is_never_exceeded),
        cmocka_unit_test(window__of_an_old_segment__does_not_count),
        cmocka_unit_test(window__shrunk_below_what_is_in_flight__stops_new_data_only),
        cmocka_unit_test(window__shrunk_to_zero__is_probed_by_one_segment_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
