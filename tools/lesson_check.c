/* lesson_check.c - the claims of lessons that have numbers in them: times, windows, growth. */
#include "lesson.h"

#include <string.h>

#define MSS 1460u

static bool wrong(char fact[LESSON_FACT_BYTES], const char *text)
{
    (void)snprintf(fact, LESSON_FACT_BYTES, "%s", text);
    return false;
}

static const struct trace_seg *find(const struct trace_conn *conn, const char *why, uint32_t n)
{
    for (size_t i = 0; i < conn->seg_count; i++)
        if (strcmp(conn->segs[i].why, why) == 0 && (n == 0 || conn->segs[i].n == n))
            return &conn->segs[i];
    return NULL;
}

static const struct trace_seg *find_data(const struct trace_conn *conn, bool out)
{
    for (size_t i = 0; i < conn->seg_count; i++)
        if (conn->segs[i].out == out && conn->segs[i].len > 0)
            return &conn->segs[i];
    return NULL;
}

static double ms(uint64_t from_us, uint64_t to_us) { return ((double)to_us - (double)from_us) / 1e3; }

/* RFC 6298 2.1: before the first measurement the timeout is one second. */
bool check_lost_syn(const struct trace *trace, char fact[LESSON_FACT_BYTES])
{
    const struct trace_conn *conn = trace_pick(trace, 1);
    const struct trace_seg *again = NULL;
    for (size_t i = 1; i < conn->seg_count && again == NULL; i++)
        if (conn->segs[i].out && (conn->segs[i].flags & RILL_SYN))
            again = &conn->segs[i];
    if (again == NULL)
        return wrong(fact, "there was no second SYN");
    double wait = ms(conn->segs[0].t_us, again->t_us);
    (void)snprintf(fact, LESSON_FACT_BYTES,
                   "The second SYN left %.0f ms after the first: the timeout before any measurement.", wait);
    return wait >= 999 && wait < 1500;
}

bool check_retransmit(const struct trace *trace, char fact[LESSON_FACT_BYTES])
{
    const struct trace_conn *conn = trace_pick(trace, 0);
    const struct trace_seg *first = find_data(conn, true), *one = find(conn, "RTO", 1),
                           *two = find(conn, "RTO", 2);
    if (first == NULL || one == NULL || two == NULL)
        return wrong(fact, "there were no two timeouts");
    double wait1 = ms(first->t_us, one->t_us), wait2 = ms(one->t_us, two->t_us);
    (void)snprintf(fact, LESSON_FACT_BYTES,
                   "The first timeout came after %.0f ms, the second after another %.0f ms: it doubles.",
                   wait1, wait2);
    return wait2 > 1.7 * wait1 && wait2 < 2.6 * wait1;
}

/* RFC 9293 3.8.6.2.2: the right edge moves by a segment or half the buffer, or it does not move. */
bool check_silly_window(const struct trace *trace, char fact[LESSON_FACT_BYTES])
{
    const struct trace_conn *conn = trace_pick(trace, 0);
    uint64_t edge = 0, least = UINT64_MAX;
    unsigned moves = 0, small = 0, segments = 0;
    for (size_t i = 0; i < conn->seg_count; i++) {
        const struct trace_seg *seg = &conn->segs[i];
        if (!seg->out && seg->len > 0) {
            segments++;
            small += seg->len < MSS / 4;
        }
        if (!seg->out || !(seg->flags & RILL_ACK) || (seg->flags & (RILL_SYN | RILL_FIN)))
            continue;
        uint64_t now = seg->ack + seg->win;
        if (edge != 0 && now > edge) {
            moves++;
            least = now - edge < least ? now - edge : least;
        }
        edge = now > edge ? now : edge;
    }
    (void)snprintf(fact, LESSON_FACT_BYTES,
                   "200 reads of 146 bytes moved the window's right edge only %u times, by %llu bytes at "
                   "least. The data came in %u segments; %u of them were shorter than a quarter segment.",
                   moves, (unsigned long long)(moves > 0 ? least : 0), segments, small);
    return moves >= 5 && moves < 60 && least >= MSS && small <= 3;
}

/* MUST-40: less than half a second. */
bool check_delayed_ack(const struct trace *trace, char fact[LESSON_FACT_BYTES])
{
    const struct trace_conn *conn = trace_pick(trace, 0);
    const struct trace_seg *data = find_data(conn, false), *ack = find(conn, "ACK_DELAYED", 0);
    if (data == NULL || ack == NULL)
        return wrong(fact, "no ACK was delayed");
    double wait = ms(data->t_us, ack->t_us);
    (void)snprintf(
        fact, LESSON_FACT_BYTES,
        "The first 10 bytes were acknowledged %.0f ms after they came (less than 500 ms: MUST-40).", wait);
    return wait > 1 && wait < 500;
}

bool check_time_wait(const struct trace *trace, char fact[LESSON_FACT_BYTES])
{
    const struct trace_conn *conn = trace_pick(trace, 0);
    uint64_t fin_us = 0, closed_us = 0;
    for (size_t i = 0; i < conn->seg_count; i++)
        if (!conn->segs[i].out && (conn->segs[i].flags & RILL_FIN))
            fin_us = conn->segs[i].t_us;
    for (size_t i = 0; i < conn->note_count; i++)
        if (conn->notes[i].kind == NOTE_STATE && strcmp(conn->notes[i].b, "CLOSED") == 0)
            closed_us = conn->notes[i].t_us;
    if (fin_us == 0 || closed_us <= fin_us)
        return wrong(fact, "TIME-WAIT did not end");
    (void)snprintf(fact, LESSON_FACT_BYTES,
                   "TIME-WAIT ended %.0f ms after the last FIN: 2 MSL, with an MSL of 300 ms in this lesson.",
                   ms(fin_us, closed_us));
    return ms(fin_us, closed_us) >= 599 && ms(fin_us, closed_us) < 900;
}

/* Ten segments at first, and then each ACK lets out what it covers and one more, however many the peer sends:
 * looked at as long as there are three windows' worth of full segments to send. */
bool check_slow_start(const struct trace *trace, char fact[LESSON_FACT_BYTES])
{
    const struct trace_conn *conn = trace_pick(trace, 0);
    uint64_t sent = 0, acks = 0, una = 1;
    const uint64_t mss = 1460, enough = 70;
    for (size_t i = 0; i < conn->seg_count && sent < enough; i++) {
        const struct trace_seg *seg = &conn->segs[i];
        bool moves = !seg->out && (seg->flags & RILL_ACK) && seg->ack > una;
        if (seg->out && seg->len > 0)
            sent++;
        if (moves && sent + 1 < 10 + acks + (una - 1) / mss)
            return wrong(fact, "an ACK has not let out all that slow start allows");
        if (moves) {
            acks++;
            una = seg->ack;
        }
        if (sent > 10 + acks + (una - 1) / mss)
            return wrong(fact, "more left than slow start allows");
    }
    (void)snprintf(
        fact, LESSON_FACT_BYTES,
        "Ten segments, and with %llu ACKs that covered %llu: %llu in all. Every ACK lets out what it "
        "covers, and one more.",
        (unsigned long long)acks, (unsigned long long)((una - 1) / mss), (unsigned long long)sent);
    return acks > 0 && sent >= enough && (una - 1) / mss < sent;
}

/* What ssthresh became at the first loss, compared with what was in flight: within a tenth of `percent`. */
static bool reduced_to(const struct trace *trace, unsigned percent, const char *words,
                       char fact[LESSON_FACT_BYTES])
{
    const struct trace_conn *conn = trace_pick(trace, 0);
    const struct trace_seg *fast = find(conn, "FAST_RETRANSMIT", 0);
    uint64_t flight = 0, ssthresh = 0, peak = 0;
    unsigned losses = 0;
    for (size_t i = 0; i < conn->seg_count; i++)
        losses += conn->segs[i].lost;
    for (size_t i = 0; i < conn->number_count && fast != NULL; i++) {
        const struct trace_numbers *n = &conn->numbers[i];
        if (n->t_us < fast->t_us) {
            flight = n->flight;
            peak = n->cwnd > peak ? n->cwnd : peak;
        } else if (n->recovery && ssthresh == 0) {
            ssthresh = n->ssthresh;
        }
    }
    if (fast == NULL || ssthresh == 0)
        return wrong(fact, "there was no fast retransmit");
    (void)snprintf(fact, LESSON_FACT_BYTES,
                   "The queue dropped %u segments. At the first repair %.0f segments were in flight; the "
                   "threshold became %.1f segments, %s. The window had grown to %.0f segments.",
                   losses, (double)flight / MSS, (double)ssthresh / MSS, words, (double)peak / MSS);
    return losses > 0 && ssthresh * 100 >= flight * (percent - 10) &&
           ssthresh * 100 <= flight * (percent + 10);
}

/* RFC 5681 equation 4: half of what was in flight; then at most a segment more each round trip. */
bool check_congestion(const struct trace *trace, char fact[LESSON_FACT_BYTES])
{
    return reduced_to(trace, 50, "about half", fact);
}

/* RFC 9438 4.6: 0.7 of it. */
bool check_cubic(const struct trace *trace, char fact[LESSON_FACT_BYTES])
{
    return reduced_to(trace, 70, "about 0.7 of that", fact);
}

/* RFC 7323 4.3: what is echoed is the stamp of the segment that is acknowledged. */
bool check_timestamps(const struct trace *trace, char fact[LESSON_FACT_BYTES])
{
    const struct trace_conn *conn = trace_pick(trace, 0);
    const struct trace_seg *first = find_data(conn, true), *again = find(conn, "RTO", 1), *ack = NULL;
    for (size_t i = 0; i < conn->seg_count && ack == NULL; i++)
        if (!conn->segs[i].out && conn->segs[i].ack == 1001)
            ack = &conn->segs[i];
    if (first == NULL || again == NULL || ack == NULL || !first->has_ts || !again->has_ts || !ack->has_ts)
        return wrong(fact, "not every segment has a stamp");
    (void)snprintf(
        fact, LESSON_FACT_BYTES,
        "The first one was stamped %u, the second %u, %u ms later. The ACK says %u: it answers the "
        "second one, and the round trip took %.1f ms.",
        first->tsval, again->tsval, again->tsval - first->tsval, ack->tsecr, ms(again->t_us, ack->t_us));
    return again->tsval != first->tsval && ack->tsecr == again->tsval;
}

/* RFC 8985 7.2: about two round trips, where a timeout would take 200 ms more than one. */
bool check_loss_probe(const struct trace *trace, char fact[LESSON_FACT_BYTES])
{
    const struct trace_conn *conn = trace_pick(trace, 0);
    const struct trace_seg *probe = find(conn, "LOSS_PROBE", 0), *last = NULL;
    for (size_t i = 0; probe != NULL && i < conn->seg_count && &conn->segs[i] < probe; i++)
        if (conn->segs[i].out && conn->segs[i].len > 0)
            last = &conn->segs[i];
    if (probe == NULL || last == NULL)
        return wrong(fact, "there was no probe");
    (void)snprintf(fact, LESSON_FACT_BYTES, "The probe left %.0f ms after the last segment.",
                   ms(last->t_us, probe->t_us));
    return ms(last->t_us, probe->t_us) < 150;
}
