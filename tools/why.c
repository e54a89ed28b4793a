/* why.c - `rill why`: what happened on each connection, in words, with the cause and the RFC's section.
 *
 * A line each for what was sent again, for a stall, a probe, a reset, a close; then a summary.  A cause is a
 * fact where the emulator's record or a duplicate ACK says so, else it is called inferred. */
#include "show.h"
#include "svg.h"

#include <inttypes.h>
#include <string.h>

#define STALL_MIN_US 100000
#define RTO_MIN_US 200000
enum { LOOK_MAX = 100000 }; /* segments, to both sides */

static const char usage[] =
    "usage: rill why FILE [--conn N] [-o FILE]\n"
    "\n"
    "Says what happened on the connections of a trace (--trace) or a capture (-w,\n"
    "tcpdump): each retransmission, stall, probe, reset and close with its time, its\n"
    "cause and the RFC's section, then a summary.  '-' reads standard input.\n"
    "\n"
    "  --conn N          this connection only (all of them)\n"
    "  -o, --output FILE where to (standard output)\n"
    "  --local ADDRESS   rill's side of a capture (10.77.0.2, or who answered first)\n"
    "  -h, --help        this text\n";

/* By the name of the reason: what it means, and where it is written. */
static const struct {
    const char *name, *words, *rfc;
} reasons[] = {
    {"RTO", "the retransmission timer expired: no acknowledgement came in time", "RFC 6298 5.4-5.6"},
    {"AFTER_RTO", "all that was in flight at the timeout counts as lost and is sent again in slow start",
     "RFC 5681 3.1, 4.3"},
    {"FAST_RETRANSMIT", "duplicate ACKs say that later segments arrive and this one does not",
     "RFC 5681 3.2"},
    {"PARTIAL_ACK", "an ACK in recovery that covers only part: the next hole is lost, too", "RFC 6582 3.2"},
    {"RACK", "a segment that was sent later has arrived (SACK) and this one has not for too long after it",
     "RFC 8985 6.2"},
    {"LOSS_PROBE", "no ACK came soon; the last segment again makes the peer say what it has", "RFC 8985 7.3"},
    {"PMTU", "a router said that the packet was too big: again, in smaller pieces", "RFC 1191 6.4"},
    {"REOPENED", "the peer's window was closed when it came and is open now", "RFC 9293 3.8.6.1"},
    {"SYN", "no answer to the SYN came in time", "RFC 9293 3.8.1"},
    {"SYN_ACK", "no ACK of the SYN-ACK came in time", "RFC 9293 3.8.1"},
    {"PROBE", "the peer's window is closed; the probe asks whether it has opened", "RFC 9293 3.8.6.1"},
    {"KEEPALIVE", "nothing was heard for long; the probe asks whether the peer is alive", "RFC 9293 3.8.4"}};
enum { REASONS = sizeof reasons / sizeof reasons[0], IS_PROBE = REASONS - 2 };

static const struct {
    const char *name, *words, *rfc;
} limits[] = {
    {"CWND", "the congestion window is used up", "RFC 5681 3.1"},
    {"RECOVERY", "a loss is being repaired", "RFC 6582 3.2"},
    {"RWND", "the receiver's window is used up: the application there does not read", "RFC 9293 3.8.6"},
    {"SWS", "the receiver's window is too small to be worth a segment", "RFC 9293 3.8.6.2.1"},
    {"NAGLE", "Nagle: a small segment waits for the ACK of the one before", "RFC 9293 3.7.4"},
    {"PACING", "segments are spread over the round trip, and the next one is not due yet", "RFC 9002 7.7"}};

struct teller {
    FILE *out;
    const struct trace_conn *conn;
    const char
        *side[2]; /* what the peer and rill are called; by address in a capture that need not be rill's */
    uint64_t stall_us, longest_us, silent_from_us; /* since when nothing has left though something waits */
    size_t stalls, number, at_note;                /* at: the numbers and notes that have been passed */
    uint64_t una, edge;                            /* what the peer has acknowledged, and would take */
    uint64_t nxt;                                  /* what has been sent */
    bool acked, edge_known, emulated;              /* emulated: the file tells what the emulator dropped */
    size_t dup_acks;
    uint64_t progress_us; /* when the last ACK of new data came */
};

static double seconds(uint64_t us) { return (double)us / 1e6; }

static const char *span(uint64_t us, char text[32])
{
    return svg_amount((double)us / 1e6, UNIT_SECONDS, text);
}

/* "1461:2921(1460)", "the SYN", "the FIN", "1:4(3) and the FIN". */
static const char *name(const struct trace_seg *seg, char text[96])
{
    if (seg->flags & RILL_SYN)
        (void)snprintf(text, 96, "%s", seg->flags & RILL_ACK ? "the SYN-ACK" : "the SYN");
    else if (seg->len == 0 && (seg->flags & RILL_FIN))
        (void)snprintf(text, 96, "the FIN");
    else
        (void)snprintf(text, 96, "%" PRIu64 ":%" PRIu64 "(%u)%s", seg->seq, seg->seq + seg->len, seg->len,
                       seg->flags & RILL_FIN ? " and the FIN" : "");
    return text;
}

/* A bit that was flipped is no drop of the emulator's: the receiver's checksum does that. */
static bool flipped(const struct trace_seg *seg)
{
    return seg->fate != NULL && strcmp(seg->fate, "corrupt") == 0;
}

/* ---- Why something was sent again ---------------------------------------------------------------------- */

/* The latest sending of what seg repeats, NULL if it was not seen. */
static const struct trace_seg *sent_before(const struct trace_conn *conn, size_t at)
{
    const struct trace_seg *seg = &conn->segs[at];
    for (size_t i = at, tries = 0; i-- > 0 && tries < LOOK_MAX; tries++) {
        const struct trace_seg *old = &conn->segs[i];
        if (old->out == seg->out && old->rel == seg->rel && old->seq < trace_end(seg) &&
            trace_end(old) > seg->seq)
            return old;
    }
    return NULL;
}

/* An answer that covers seg and was lost between the two sendings; or the one that came in spite of all. */
static const struct trace_seg *answer(const struct trace_conn *conn, const struct trace_seg *from,
                                      const struct trace_seg *seg, bool lost)
{
    for (const struct trace_seg *ack = from + 1; ack < conn->segs + conn->seg_count && (ack < seg || !lost);
         ack++)
        if (ack->out != seg->out && ack->lost == lost && (ack->flags & RILL_ACK) &&
            ack->ack >= trace_end(seg))
            return ack;
    return NULL;
}

/* An ACK between the two sendings that has SACKed what lies behind seg: RFC 2018 5, RFC 6675 4, RFC 8985 6.2.
 */
static const struct trace_seg *sacked_behind(const struct trace_seg *from, const struct trace_seg *seg)
{
    for (const struct trace_seg *ack = seg; from != NULL && ack-- > from + 1;) {
        if (ack->out == seg->out || ack->lost)
            continue;
        for (size_t i = trace_is_dsack(ack) ? 1 : 0; i < ack->sacks; i++)
            if (ack->sack[i][0] >= trace_end(seg))
                return ack;
    }
    return NULL;
}

/* The ACK that says that seg, or a part of it, has come twice: RFC 2883 4. */
static const struct trace_seg *reported_twice(const struct trace_conn *conn, const struct trace_seg *seg)
{
    const struct trace_seg *ack = seg + 1, *end = conn->segs + conn->seg_count;
    for (size_t tries = 0; ack < end && tries < LOOK_MAX; ack++, tries++)
        if (ack->out != seg->out && !ack->lost && trace_is_dsack(ack) && ack->sack[0][0] < trace_end(seg) &&
            ack->sack[0][1] > seg->seq)
            return ack;
    return NULL;
}

/* Where nobody says why: the last segment again, sooner than a retransmission timer of Linux or of rill
 * expires. RFC 8985 7.3 */
static bool looks_like_probe(const struct teller *t, const struct trace_seg *old, const struct trace_seg *seg)
{
    return *seg->why == '\0' && seg->out && seg->len > 0 && old != NULL && trace_end(seg) == t->nxt &&
           t->dup_acks == 0 && seg->t_us - old->t_us < RTO_MIN_US;
}

/* The shortest round trip, to tell an answer to the repetition from one to the original. */
static uint64_t shortest_rtt_us(const struct trace_conn *conn)
{
    uint64_t shortest = UINT64_MAX;
    for (size_t i = 0; i < conn->number_count; i++)
        if (conn->numbers[i].srtt_us != 0 && conn->numbers[i].srtt_us < shortest)
            shortest = conn->numbers[i].srtt_us;
    return shortest == UINT64_MAX ? 0 : shortest;
}

static void cause(const struct teller *t, size_t at)
{
    const struct trace_conn *conn = t->conn;
    const struct trace_seg *seg = &conn->segs[at], *old = sent_before(conn, at);
    char time[32];
    for (size_t i = at; old == NULL && i-- > 0 && at - i < LOOK_MAX;) {
        if (conn->segs[i].out == seg->out && flipped(&conn->segs[i])) {
            fprintf(t->out, "            cause: inferred: at %.6f the emulator flipped a bit in its header\n",
                    seconds(conn->segs[i].t_us));
            return;
        }
    }
    if (old == NULL) {
        fputs("            cause: not in the file, which begins later\n", t->out);
        return;
    }
    fprintf(t->out, "            cause: sent at %.6f (%s before)", seconds(old->t_us),
            span(seg->t_us - old->t_us, time));
    const struct trace_seg *lost = answer(conn, old, seg, true), *came = answer(conn, seg, seg, false);
    const struct trace_seg *twice = reported_twice(conn, seg), *sacked = sacked_behind(old, seg);
    if (flipped(old))
        fputs("; the emulator flipped a bit in it; its checksum made the receiver drop it", t->out);
    else if (old->lost)
        fprintf(t->out, "; the emulator dropped it (%s)", old->fate != NULL ? old->fate : "dropped");
    else if (strcmp(seg->why, "REOPENED") == 0)
        fputs("; the peer had no room for it", t->out);
    else if (lost != NULL && flipped(lost))
        fprintf(t->out, "; it arrived, and the emulator flipped a bit in its ACK at %.6f",
                seconds(lost->t_us));
    else if (lost != NULL)
        fprintf(t->out, "; it arrived, and the emulator dropped its ACK at %.6f (%s)", seconds(lost->t_us),
                lost->fate != NULL ? lost->fate : "dropped");
    else if (twice != NULL)
        fprintf(t->out,
                "; needlessly sent again: at %.6f the D-SACK %" PRIu64 ":%" PRIu64
                " said that it had come twice",
                seconds(twice->t_us), twice->sack[0][0], twice->sack[0][1]);
    else if (seg->out && came != NULL && came->t_us - seg->t_us < shortest_rtt_us(conn) / 2)
        fprintf(t->out, "; inferred: it had arrived, its ACK came %s after this: needlessly sent again",
                span(came->t_us - seg->t_us, time));
    else if (t->emulated && (strcmp(seg->why, "AFTER_RTO") == 0 || strcmp(seg->why, "PARTIAL_ACK") == 0))
        fputs("; the emulator did not drop it; inferred: it had arrived behind a hole, which only SACK could "
              "have told",
              t->out);
    else if (sacked != NULL)
        fprintf(t->out, "; inferred: lost on the way, for what lies behind it was SACKed at %.6f",
                seconds(sacked->t_us));
    else if (looks_like_probe(t, old, seg))
        fputs("; inferred: a tail loss probe, sooner than a timeout", t->out);
    else if (seg->out && t->dup_acks > 0)
        fprintf(t->out, "; inferred: lost on the way, %zu duplicate ACK%s", t->dup_acks,
                t->dup_acks > 1 ? "s" : "");
    else
        fputs("; inferred: it or its ACK was lost", t->out);
    fputc('\n', t->out);
}

/* Whether the peer's SYN came again between the sending before and this one, which answers it then. */
static bool answers_syn(const struct trace_conn *conn, size_t at)
{
    const struct trace_seg *seg = &conn->segs[at], *old = sent_before(conn, at);
    if ((seg->flags & (RILL_SYN | RILL_ACK)) != (RILL_SYN | RILL_ACK) || strcmp(seg->why, "RTO") == 0 ||
        old == NULL)
        return false;
    for (old++; old < seg; old++)
        if (old->out != seg->out && !old->lost && (old->flags & (RILL_SYN | RILL_ACK)) == RILL_SYN)
            return true;
    return false;
}

static void resent(const struct teller *t, size_t at)
{
    const struct trace_seg *seg = &t->conn->segs[at];
    const char *words = "", *rfc = "RFC 9293 3.8.1";
    char what[96];
    for (size_t i = 0; i < REASONS; i++) {
        if (strcmp(seg->why, reasons[i].name) == 0) {
            words = reasons[i].words;
            rfc = reasons[i].rfc;
        }
    }
    if (*seg->why == '\0' && sacked_behind(sent_before(t->conn, at), seg) != NULL) {
        words = "what was sent after it has been SACKed, and it has not";
        rfc = "RFC 2018 5";
    } else if (looks_like_probe(t, sent_before(t->conn, at), seg)) {
        rfc = "RFC 8985 7.3";
    }
    if (answers_syn(t->conn, at)) {
        words = "the peer repeated its SYN: it has not seen the answer";
        rfc = "RFC 9293 3.8.1, 3.10.7.4";
    }
    fprintf(t->out, "%11.6f %s sent %s again%s%s  [%s]\n", seconds(seg->t_us), t->side[seg->out],
            name(seg, what), *seg->text != '\0' ? ": " : "", seg->text, rfc);
    if (*words != '\0')
        fprintf(t->out, "            %s\n", words);
    cause(t, at);
    if (flipped(seg))
        fputs("            and in this one, too, the emulator flipped a bit: it fails the checksum\n",
              t->out);
    else if (seg->lost)
        fprintf(t->out, "            and this one was lost, too (%s)\n",
                seg->fate != NULL ? seg->fate : "dropped");
}

static void probe(const struct teller *t, const struct trace_seg *seg)
{
    bool zero = strcmp(seg->why, "PROBE") == 0;
    const char *text = *seg->text != '\0' ? seg->text : zero ? "zero-window probe" : "keep-alive probe";
    fprintf(t->out, "%11.6f %.*s%s: %s  [%s]\n", seconds(seg->t_us), (int)strcspn(text, ";"), text,
            seg->lost ? " (lost on the way)" : "",
            zero ? reasons[IS_PROBE].words : reasons[IS_PROBE + 1].words,
            zero ? reasons[IS_PROBE].rfc : reasons[IS_PROBE + 1].rfc);
}

/* ---- Stalls -------------------------------------------------------------------------------------------- */

/* The limit that held for most of [from, to), and whether anything was waiting at all. */
static int limit_between(const struct trace_conn *conn, uint64_t from_us, uint64_t to_us)
{
    uint64_t held[sizeof limits / sizeof limits[0]] = {0};
    int most = -1;
    for (size_t i = 0; i < conn->number_count && conn->numbers[i].t_us < to_us; i++) {
        const struct trace_numbers *n = &conn->numbers[i];
        uint64_t end = i + 1 < conn->number_count && n[1].t_us < to_us ? n[1].t_us : to_us;
        uint64_t begin = n->t_us > from_us ? n->t_us : from_us;
        for (size_t k = 0; end > begin && k < sizeof limits / sizeof limits[0]; k++)
            if (strcmp(n->limit, limits[k].name) == 0)
                held[k] += end - begin;
    }
    for (size_t k = 0; k < sizeof limits / sizeof limits[0]; k++)
        if (held[k] > 0 && (most < 0 || held[k] > held[most]))
            most = (int)k;
    return most;
}

/* Whether the timer made seg leave: it says so, or the timer's line stands before it; where nobody says why
 * it came again, the timer is what is left when no duplicate ACK and no SYN has come. */
static bool timer_expired(const struct teller *t, size_t at)
{
    const struct trace_seg *seg = &t->conn->segs[at];
    if (strcmp(seg->why, "RTO") == 0)
        return true;
    for (size_t i = t->at_note; i-- > 0 && t->conn->notes[i].t_us >= t->silent_from_us;)
        if (t->conn->notes[i].kind == NOTE_TIMER && strcmp(t->conn->notes[i].a, "XMIT") == 0)
            return true;
    const struct trace_seg *old = sent_before(t->conn, at);
    return *seg->why == '\0' && seg->again && t->dup_acks < 3 && !answers_syn(t->conn, at) &&
           sacked_behind(old, seg) == NULL && !looks_like_probe(t, old, seg);
}

static void count_stall(struct teller *t, uint64_t us)
{
    t->stalls++;
    t->stall_us += us;
    t->longest_us = us > t->longest_us ? us : t->longest_us;
}

/* Duplicate ACKs came, and yet nothing left: was a fast retransmit due, and why was there none? */
static void stall_with_dup_acks(struct teller *t, const struct trace_seg *seg, uint64_t us, bool timer)
{
    char time[32];
    const struct trace_note *held = NULL;
    for (size_t i = t->at_note; i-- > 0 && t->conn->notes[i].t_us >= t->progress_us;)
        if (t->conn->notes[i].kind == NOTE_EVENT && strcmp(t->conn->notes[i].a, "FAST_RETRANSMIT_HELD") == 0)
            held = &t->conn->notes[i];
    count_stall(t, us);
    fprintf(
        t->out,
        "%11.6f stall: nothing new left for %s since %.6f: %zu duplicate ACK%s came, but no ACK of new data",
        seconds(seg->t_us), span(us, time), seconds(t->silent_from_us), t->dup_acks,
        t->dup_acks > 1 ? "s" : "");
    if (held != NULL)
        fputs("; no fast retransmit, for the ACK does not cover more than recover: it may answer what was "
              "sent again",
              t->out);
    else if (timer && t->dup_acks < 3)
        fputs(", too few for a fast retransmit", t->out);
    fprintf(t->out, "%s  [%s]\n", timer ? "; the timer had to expire first" : "",
            held != NULL ? "RFC 6582 3.2"
            : timer      ? "RFC 6298 5"
                         : "RFC 5681 3.2");
}

/* Before a segment with data leaves: how long had nothing left, and why? */
static void stall(struct teller *t, size_t at)
{
    const struct trace_seg *seg = &t->conn->segs[at];
    char time[32];
    uint64_t us = seg->t_us - t->silent_from_us;
    bool waited = t->nxt > 0 && us >= STALL_MIN_US;
    int limit = waited ? limit_between(t->conn, t->silent_from_us, seg->t_us) : -1;
    const char *words = limit >= 0 ? limits[limit].words : NULL, *rfc = limit >= 0 ? limits[limit].rfc : NULL;
    if (!waited)
        return;
    if (t->una < t->nxt && !(limit >= 2)) {
        bool timer = timer_expired(t, at);
        if (t->dup_acks > 0) {
            stall_with_dup_acks(t, seg, us, timer);
            return;
        }
        bool probes = strcmp(seg->why, "LOSS_PROBE") == 0;
        words = probes  ? "no ACK came for what was in flight; then the probe's timer expired"
                : timer ? "no ACK came for what was in flight; the timer had to expire first"
                        : "no ACK came for what was in flight";
        rfc = probes ? "RFC 8985 7.2" : timer ? "RFC 6298 5" : "RFC 9293 3.8.1";
    } else if (limit < 0 && t->conn->number_count == 0 && t->edge_known && t->edge <= t->nxt) {
        words = limits[2].words;
        rfc = limits[2].rfc;
    }
    if (words == NULL) /* the application had nothing to send: no stall */
        return;
    count_stall(t, us);
    fprintf(t->out, "%11.6f stall: nothing new left for %s since %.6f: %s  [%s]\n", seconds(seg->t_us),
            span(us, time), seconds(t->silent_from_us), words, rfc);
}

/* ---- One connection ------------------------------------------------------------------------------------ */

static void control(const struct teller *t, const struct trace_seg *seg)
{
    const char *who = t->side[seg->out], *lost = seg->lost ? ", which was lost on the way" : "";
    if (seg->flags & RILL_RST)
        fprintf(t->out, "%11.6f %s reset the connection%s%s%s  [RFC 9293 3.5.2, 3.10.7]\n",
                seconds(seg->t_us), who, *seg->text != '\0' ? ": " : "", seg->text, lost);
    else if ((seg->flags & RILL_SYN) && !seg->again)
        fprintf(t->out, "%11.6f %s %s%s  [RFC 9293 3.5]\n", seconds(seg->t_us), who,
                seg->flags & RILL_ACK ? "answered with a SYN-ACK" : "opened with a SYN", lost);
    else if ((seg->flags & RILL_FIN) && !seg->again)
        fprintf(t->out, "%11.6f %s closed its direction: FIN at %" PRIu64 "%s  [RFC 9293 3.6]\n",
                seconds(seg->t_us), who, seg->seq + seg->len, lost);
}

static void note(const struct teller *t, const struct trace_note *n)
{
    if (n->kind == NOTE_STATE)
        fprintf(t->out, "%11.6f state: %s, was %s\n", seconds(n->t_us), n->b, n->a);
    else if (n->kind == NOTE_EVENT && (strcmp(n->a, "TIMED_OUT") == 0 || strcmp(n->a, "R1_PASSED") == 0))
        fprintf(t->out, "%11.6f %s  [RFC 9293 3.8.3]\n", seconds(n->t_us), n->b);
    else if (n->kind == NOTE_EVENT && strncmp(n->a, "DROP_", 5) == 0)
        fprintf(t->out, "%11.6f a segment that arrived was %s\n", seconds(n->t_us), n->b);
}

/* Follows what the peer acknowledges and what has left. */
static void follow(struct teller *t, const struct trace_seg *seg)
{
    uint64_t end = trace_end(seg);
    if (!seg->rel || (seg->flags & RILL_RST))
        return;
    if (seg->out && end > seg->seq) {
        if (trace_is_probe(seg))
            return;
        t->nxt = end > t->nxt ? end : t->nxt;
        t->silent_from_us = seg->t_us;
    } else if (!seg->out && !seg->lost && (seg->flags & RILL_ACK)) {
        bool same = t->acked && seg->ack == t->una && end == seg->seq && t->nxt > t->una;
        t->dup_acks = same && seg->ack + seg->win == t->edge ? t->dup_acks + 1
                      : seg->ack > t->una                    ? 0
                                                             : t->dup_acks;
        t->progress_us = seg->ack > t->una ? seg->t_us : t->progress_us;
        t->una = seg->ack > t->una ? seg->ack : t->una;
        t->edge = seg->ack + seg->win;
        t->acked = t->edge_known = true;
    }
}

static void summary(const struct teller *t)
{
    const struct trace_conn *conn = t->conn;
    uint64_t bytes[2] = {trace_bytes(conn, false), trace_bytes(conn, true)}, again[2] = {0, 0},
             sent[2] = {0, 0};
    size_t count[2] = {0, 0}, lost[2] = {0, 0};
    char text[3][32];
    for (size_t i = 0; i < conn->seg_count; i++) {
        const struct trace_seg *seg = &conn->segs[i];
        bool repeated = trace_is_resent(seg);
        count[seg->out] += repeated;
        again[seg->out] += repeated ? seg->len : 0;
        sent[seg->out] += seg->len;
        lost[seg->out] += seg->lost;
    }
    uint64_t us = conn->segs[conn->seg_count - 1].t_us - conn->segs[0].t_us;
    fprintf(t->out, "  Summary: %s; %" PRIu64 " bytes out, %" PRIu64 " in", span(us, text[0]), bytes[1],
            bytes[0]);
    if (us > 0)
        fprintf(t->out, " (%s/s out, %s/s in)",
                svg_amount((double)bytes[1] * 1e6 / (double)us, UNIT_BYTES, text[1]),
                svg_amount((double)bytes[0] * 1e6 / (double)us, UNIT_BYTES, text[2]));
    for (int out = 1; out >= 0; out--)
        fprintf(t->out,
                "\n  %s: %zu segments sent again, %.2f %% of the bytes; %zu known to be lost on the way",
                out || t->side[0] == t->conn->peer ? t->side[out] : "peer", count[out],
                sent[out] == 0 ? 0.0 : 100.0 * (double)again[out] / (double)sent[out], lost[out]);
    fprintf(t->out, "\n  %s's stalls: %zu", t->side[1], t->stalls);
    if (t->stalls > 0)
        fprintf(t->out, ", %s in all, the longest %s", span(t->stall_us, text[0]),
                span(t->longest_us, text[1]));
    fputs("\n", t->out);
}

static void tell(const struct trace_conn *conn, bool foreign, FILE *out)
{
    struct teller t = {.out = out, .conn = conn, .side = {"the peer", "rill"}};
    if (foreign) {
        t.side[0] = conn->peer;
        t.side[1] = conn->local;
    }
    if (conn->id == 0)
        fputs("Segments that belong to no connection:\n", out);
    else
        fprintf(out, "Connection %" PRIu64 ": %s%s and %s\n", conn->id, foreign ? "" : "rill ", conn->local,
                conn->peer);
    for (size_t i = 0; i < conn->seg_count; i++)
        t.emulated = t.emulated || conn->segs[i].fate != NULL;
    for (size_t i = 0; i < conn->seg_count; i++) {
        const struct trace_seg *seg = &conn->segs[i];
        for (; t.at_note < conn->note_count && conn->notes[t.at_note].order < seg->order; t.at_note++)
            note(&t, &conn->notes[t.at_note]);
        if (seg->out && trace_end(seg) > seg->seq && !trace_is_probe(seg))
            stall(&t, i);
        if (trace_is_probe(seg))
            probe(&t, seg);
        else if (trace_is_resent(seg))
            resent(&t, i);
        control(&t, seg);
        follow(&t, seg);
    }
    for (; t.at_note < conn->note_count; t.at_note++)
        note(&t, &conn->notes[t.at_note]);
    if (conn->id != 0)
        summary(&t);
}

int why_main(int argc, char **argv)
{
    static const struct option options[] = {SHOW_LONG, {NULL, 0, NULL, 0}};
    struct cli cli;
    struct show_options show = {0};
    const struct trace_conn *only = NULL;
    struct trace trace;
    int option, status;
    cli_init(&cli, "rill why");
    while ((option = getopt_long(argc, argv, SHOW_SHORT, options, NULL)) != -1)
        if ((status = show_option(&cli, &show, option, argv[optind - 1], usage)) != -1)
            return status;
    if ((status = show_arguments(&cli, &show, argc, argv)) != -1)
        return status;
    status = show_open(&cli, &show, &trace, show.conn != 0 ? &only : NULL);
    FILE *out = status == 0 ? show_output(&cli, &show) : NULL;
    if (status == 0 && out == NULL)
        status = CLI_FAILURE;
    if (out != NULL) {
        bool first = true;
        for (size_t i = 0; i < trace.conn_count; i++) {
            const struct trace_conn *conn = &trace.conns[i];
            if (conn->seg_count == 0 || (show.conn != 0 && conn != only))
                continue;
            fputs(first ? "" : "\n", out);
            first = false;
            tell(conn, trace.foreign, out);
        }
        status = show_close(&cli, &show, out);
    }
    trace_free(&trace);
    return status;
}
