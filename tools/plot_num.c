/* plot_num.c - below the time-sequence graph: windows, round trips, and what happened when. */
#include "plot.h"

#include <stdlib.h>
#include <string.h>

/* ---- Windows, shaded by what limits the sender --------------------------------------------------------- */

/* What limits, and the pattern of its ground: no two are told apart by colour alone. */
static const struct {
    const char *name, *words, *class, *hatch;
} limits[] = {{"CWND", "congestion window", "data", "M0 8L8 0"},
              {"RECOVERY", "recovery", "rtx", "M0 0L8 8M0 8L8 0"},
              {"RWND", "receiver window", "edge", "M0 4H8"},
              {"SWS", "window too small", "edge", "M4 0V8"},
              {"NAGLE", "Nagle", "sack", "M4 0V8M0 4H8"}};
enum { LIMITS = sizeof limits / sizeof limits[0] };

static int limit_of(const struct trace_numbers *n)
{
    for (int i = 0; i < LIMITS; i++)
        if (strcmp(n->limit, limits[i].name) == 0)
            return i;
    return -1; /* the application, or nothing */
}

static void shade(const struct plot *plot, double height, int limit, double from, double to)
{
    if (limit < 0 || to - from < 0.5)
        return;
    fprintf(plot->out,
            "<g class=\"limit\"><title>limited by: %s</title><rect class=\"%sf pale\" x=\"%.1f\" y=\"%.1f\" "
            "width=\"%.1f\" height=\"%.1f\"/><rect fill=\"url(#h%d)\" class=\"half\" x=\"%.1f\" y=\"%.1f\" "
            "width=\"%.1f\" height=\"%.1f\"/></g>\n",
            limits[limit].words, limits[limit].class, from, plot->y, to - from, height, limit, from, plot->y,
            to - from, height);
}

/* Whatever is narrower than a pixel joins its neighbour, so that there are never more than the picture has.
 */
static void shade_all(const struct plot *plot, double height)
{
    const struct trace_conn *conn = plot->conn;
    double from = PLOT_LEFT;
    int now = -1;
    bool used[LIMITS] = {false};
    for (size_t i = 0; i < conn->number_count; i++)
        if (limit_of(&conn->numbers[i]) >= 0)
            used[limit_of(&conn->numbers[i])] = true;
    fputs("<defs>", plot->out);
    for (int i = 0; i < LIMITS; i++)
        if (used[i])
            fprintf(plot->out,
                    "<pattern id=\"h%d\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\"><path "
                    "class=\"%s "
                    "thin\" d=\"%s\"/></pattern>",
                    i, limits[i].class, limits[i].hatch);
    fputs("</defs>\n", plot->out);
    for (size_t i = 0; i < conn->number_count; i++) {
        double x = plot_x(plot, conn->numbers[i].t_us);
        int limit = limit_of(&conn->numbers[i]);
        if (limit == now || x < PLOT_LEFT)
            continue;
        if (x - from >= 1) {
            shade(plot, height, now, from, x);
            from = x;
        }
        now = limit;
    }
    shade(plot, height, now, from, plot->x.at_hi);
    double at = PLOT_LEFT;
    svg_text(plot->out, at, plot->y + height + 15, "mutedf", "start", "%s", "limited by:");
    at += 80;
    for (int i = 0; i < LIMITS; i++) {
        if (!used[i])
            continue;
        fprintf(plot->out,
                "<rect class=\"%sf pale\" x=\"%.0f\" y=\"%.1f\" width=\"24\" height=\"12\"/><rect "
                "fill=\"url(#h%d)\" x=\"%.0f\" y=\"%.1f\" width=\"24\" height=\"12\"/>",
                limits[i].class, at, plot->y + height + 5, i, at, plot->y + height + 5);
        svg_text(plot->out, at + 30, plot->y + height + 15, "fgf", "start", "%s", limits[i].words);
        at += 52 + svg_width(limits[i].words);
    }
    svg_text(plot->out, at, plot->y + height + 15, "mutedf", "start", "%s", "no shade: the application");
}

struct series {
    const char *class, *text;
    size_t field; /* its place in struct trace_numbers */
    bool clip;    /* does not decide about the scale */
};
#define SERIES(class, text, field, clip)                                                                     \
    {                                                                                                        \
        class, text, offsetof(struct trace_numbers, field), clip                                             \
    }

static uint64_t field(const struct trace_numbers *n, size_t at)
{
    uint64_t value;
    memcpy(&value, (const char *)n + at, sizeof value);
    return value;
}

static void draw_series(const struct plot *plot, const struct series *series, const struct axis *y)
{
    const struct trace_conn *conn = plot->conn;
    struct pen pen;
    pen_begin(&pen, plot->out, series->class);
    for (size_t i = 0; i < conn->number_count; i++) {
        double x = plot_x(plot, conn->numbers[i].t_us);
        uint64_t value = field(&conn->numbers[i], series->field);
        /* A threshold that has never been set is none. */
        if (x > plot->x.at_hi + 1 || (series->clip && value >= 0x40000000))
            continue;
        pen_step(&pen, x < PLOT_LEFT ? PLOT_LEFT : x, axis_at(y, (double)value));
    }
    pen_end(&pen, plot->x.at_hi);
}

/* The highest of what decides about the scale; of the others up to three times that. */
static double highest(const struct plot *plot, const struct series *series, size_t count)
{
    double top = 1, other = 0;
    for (size_t i = 0; i < plot->conn->number_count; i++) {
        const struct trace_numbers *n = &plot->conn->numbers[i];
        if (!plot_within(plot, n->t_us))
            continue;
        for (size_t k = 0; k < count; k++) {
            double value = (double)field(n, series[k].field);
            if (!series[k].clip && value > top)
                top = value;
            if (series[k].clip && value < 0x40000000 && value > other)
                other = value;
        }
    }
    return 1.08 * (other > top && other <= 3 * top ? other : top);
}

void plot_windows(struct plot *plot)
{
    static const struct series out[] = {SERIES("ack line", "in flight", flight, false),
                                        SERIES("muted line dash", "ssthresh", ssthresh, true),
                                        SERIES("edge line dashdot", "receiver's window", snd_wnd, true),
                                        SERIES("data thick", "congestion window", cwnd, false)};
    static const struct series in[] = {SERIES("edge thick", "window that rill offers", rcv_wnd, false),
                                       SERIES("ack line", "received, not yet read", unread, false)};
    const double height = 170;
    if (plot->conn->number_count == 0)
        return;
    for (int way = 1; way >= 0; way--) {
        const struct series *series = way ? out : in;
        size_t count = way ? 4 : 2;
        struct legend legend[5] = {{NULL, NULL, NULL}};
        if (!plot->way[way])
            continue;
        for (size_t i = 0; i < count; i++)
            legend[i] = (struct legend){series[i].class, "M0 0h24", series[i].text};
        plot_panel(plot, height, way ? "Windows of the sender" : "Windows of the receiver", legend);
        struct axis y = {0, highest(plot, series, count), plot->y + height, plot->y, false};
        svg_ticks_y(plot->out, &y, UNIT_BYTES, PLOT_LEFT, PLOT_RIGHT);
        if (way)
            shade_all(plot, height);
        fprintf(plot->out, "<g clip-path=\"url(#c%.0f)\">\n", plot->y);
        for (size_t i = 0; i < count; i++)
            draw_series(plot, &series[i], &y);
        fputs("</g>\n", plot->out);
        plot_panel_end(plot, height + (way ? 18 : 0));
    }
}

/* ---- Round trips --------------------------------------------------------------------------------------- */

struct sample {
    uint64_t t_us, rtt_us;
};

/* Round trips as one can see them from outside: never of what was sent again (Karn; RFC 6298 3). */
static size_t samples(const struct plot *plot, struct sample *sample)
{
    const struct trace_conn *conn = plot->conn;
    size_t count = 0, next = 0;
    uint64_t resent_us = 0, una = 0;
    bool resent = false;
    for (size_t i = 0; i < conn->seg_count; i++) {
        const struct trace_seg *seg = &conn->segs[i], *last = NULL;
        if (seg->out && seg->again) {
            resent = true;
            resent_us = seg->t_us;
        }
        if (seg->out || seg->lost || !(seg->flags & RILL_ACK) || seg->ack <= una)
            continue;
        una = seg->ack;
        for (; next < i && (!conn->segs[next].out || trace_end(&conn->segs[next]) <= una); next++)
            if (conn->segs[next].out && trace_end(&conn->segs[next]) > conn->segs[next].seq)
                last = &conn->segs[next];
        if (last != NULL && !last->again && !(resent && last->t_us <= resent_us))
            sample[count++] = (struct sample){seg->t_us, seg->t_us - last->t_us};
    }
    return count;
}

static void draw_samples(const struct plot *plot, const struct sample *sample, size_t count,
                         const struct axis *y)
{
    double last_x = -1, last_y = -1;
    for (size_t i = 0; i < count; i++) {
        double x = plot_x(plot, sample[i].t_us), at = axis_at(y, (double)sample[i].rtt_us / 1e6);
        if (!plot_within(plot, sample[i].t_us) || (x - last_x < 1 && at - last_y < 1 && last_y - at < 1))
            continue;
        fprintf(plot->out, "<circle class=\"dataf\" cx=\"%.1f\" cy=\"%.1f\" r=\"1.8\"/>\n", x, at);
        last_x = x;
        last_y = at;
    }
}

void plot_rtt(struct plot *plot)
{
    static const struct series series[] = {
        SERIES("data line", "smoothed (SRTT)", srtt_us, false),
        SERIES("rtx line dash", "retransmission timeout (RTO)", rto_us, false)};
    static const struct legend legend[] = {
        {"dataf", "M9.6 0a2.4 2.4 0 1 0 4.8 0a2.4 2.4 0 1 0 -4.8 0", "round trip"},
        {"data line", "M0 0h24", "smoothed (SRTT)"},
        {"rtx line dash", "M0 0h24", "retransmission timeout (RTO)"},
        {NULL, NULL, NULL}};
    const double height = 130;
    const struct trace_conn *conn = plot->conn;
    struct sample *sample = calloc(conn->seg_count + 1, sizeof *sample);
    if (sample == NULL || !plot->way[1]) {
        free(sample);
        return;
    }
    size_t count = samples(plot, sample);
    uint64_t lo = UINT64_MAX, hi = 0;
    for (size_t i = 0; i < count + 2 * conn->number_count; i++) {
        uint64_t value =
            i < count ? sample[i].rtt_us : field(&conn->numbers[(i - count) / 2], series[i % 2].field);
        if (value == 0)
            continue;
        lo = value < lo ? value : lo;
        hi = value > hi ? value : hi;
    }
    if (hi != 0) {
        struct legend shown[4];
        memcpy(shown, legend, sizeof shown);
        if (conn->number_count == 0)
            shown[1] = legend[3];
        plot_panel(plot, height, "Round trips (logarithmic)", shown);
        struct axis y = {(double)lo / 1e6 / 1.6, (double)hi / 1e6 * 1.6, plot->y + height, plot->y, true};
        svg_ticks_y(plot->out, &y, UNIT_SECONDS, PLOT_LEFT, PLOT_RIGHT);
        fprintf(plot->out, "<g clip-path=\"url(#c%.0f)\">\n", plot->y);
        draw_samples(plot, sample, count, &y);
        struct axis y_us = {y.lo * 1e6, y.hi * 1e6, y.at_lo, y.at_hi, true};
        for (size_t i = 0; i < 2; i++)
            draw_series(plot, &series[i], &y_us);
        fputs("</g>\n", plot->out);
        plot_panel_end(plot, height);
    }
    free(sample);
}

/* ---- Events -------------------------------------------------------------------------------------------- */

enum lane {
    LANE_RTO,
    LANE_FAST,
    LANE_AGAIN,
    LANE_PROBE,
    LANE_LOST_OUT,
    LANE_LOST_IN,
    LANE_PEER_AGAIN,
    LANE_RST,
    LANES
};
static const struct {
    const char *words, *class, *shape;
} lanes[LANES] = {{"RTO", "rtx rtxf", "m-5 -4h10l-5 9z"},
                  {"fast rtx", "rtx line", "m-5 -5l5 5l-5 5m4 -10l5 5l-5 5"},
                  {"other rtx", "rtx rtxf", "m0 -4l4 4l-4 4l-4 -4z"},
                  {"probe", "edge thick", "m0 -5v10"},
                  {"lost out", "lost line", "m-4 -4l8 8m0 -8l-8 8"},
                  {"lost in", "lost line", "m-4 -4l8 8m0 -8l-8 8"},
                  {"peer's rtx", "edge line", "m0 -4l4 4l-4 4l-4 -4z"},
                  {"reset", "rtx thick", "m-5 0h10m-5 -5v10"}};

static int lane_of(const struct trace_seg *seg)
{
    if (seg->flags & RILL_RST)
        return LANE_RST;
    if (trace_is_probe(seg))
        return LANE_PROBE;
    if (!trace_is_resent(seg))
        return -1;
    if (!seg->out)
        return LANE_PEER_AGAIN;
    return strcmp(seg->why, "RTO") == 0               ? LANE_RTO
           : strcmp(seg->why, "FAST_RETRANSMIT") == 0 ? LANE_FAST
           : strcmp(seg->why, "RACK") == 0            ? LANE_FAST
                                                      : LANE_AGAIN;
}

static void lane_mark(const struct plot *plot, const struct trace_seg *seg, enum lane lane, double y)
{
    fprintf(plot->out, "<path class=\"%s\" d=\"M%.1f %.1f%s\">", lanes[lane].class, plot_x(plot, seg->t_us),
            y, lanes[lane].shape);
    svg_tooltip(plot->out, "%.6f s  %llu:%llu(%u)  %s", (double)seg->t_us / 1e6, (unsigned long long)seg->seq,
                (unsigned long long)seg->seq + seg->len, seg->len, seg->text);
    fputs("</path>\n", plot->out);
}

/* The connection's states as blocks, each with its name where there is room. */
static void state_lane(const struct plot *plot, double y)
{
    const struct trace_conn *conn = plot->conn;
    const char *state = "";
    double from = PLOT_LEFT;
    size_t blocks = 0;
    for (size_t i = 0; i <= conn->note_count; i++) {
        bool last = i == conn->note_count;
        if (!last && (conn->notes[i].kind != NOTE_STATE || !plot_within(plot, conn->notes[i].t_us)))
            continue;
        double to = last ? plot->x.at_hi : plot_x(plot, conn->notes[i].t_us);
        if (blocks == 0 && !last)
            state = conn->notes[i].a;
        if (to > from && *state != '\0') {
            fprintf(plot->out,
                    "<g><title>%s</title><rect class=\"mutedf pale\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                    "height=\"14\"/><path class=\"frame thin\" d=\"M%.1f %.1fv14\"/></g>",
                    state, from, y - 7, to - from, from, y - 7);
            if (svg_width(state) < to - from)
                svg_text(plot->out, (from + to) / 2, y + 4, "fgf", "middle", "%s", state);
        }
        from = to > PLOT_LEFT ? to : PLOT_LEFT;
        state = last ? state : conn->notes[i].b;
        blocks++;
    }
}

void plot_events(struct plot *plot)
{
    const struct trace_conn *conn = plot->conn;
    const double row = 19;
    size_t count[LANES] = {0}, used = 0, states = 0;
    double at[LANES], last[LANES];
    for (size_t i = 0; i < conn->seg_count; i++) {
        const struct trace_seg *seg = &conn->segs[i];
        if (!plot_within(plot, seg->t_us))
            continue;
        if (lane_of(seg) >= 0)
            count[lane_of(seg)]++;
        if (seg->lost)
            count[seg->out ? LANE_LOST_OUT : LANE_LOST_IN]++;
    }
    for (size_t i = 0; i < conn->note_count; i++)
        states += conn->notes[i].kind == NOTE_STATE;
    for (int lane = 0; lane < LANES; lane++)
        used += count[lane] > 0;
    if (used + (states > 0) == 0)
        return;
    double height = (double)(used + (states > 0)) * row + 6;
    plot_panel(plot, height, "Events", &(struct legend){NULL, NULL, NULL});
    double y = plot->y + 3 + row / 2;
    if (states > 0) {
        svg_text(plot->out, PLOT_LEFT - 6, y + 4, "fgf", "end", "%s", "state");
        state_lane(plot, y);
        y += row;
    }
    for (int lane = 0; lane < LANES; lane++) {
        at[lane] = y;
        last[lane] = -10;
        if (count[lane] == 0)
            continue;
        svg_text(plot->out, PLOT_LEFT - 6, y + 4, "fgf", "end", "%s", lanes[lane].words);
        svg_text(plot->out, PLOT_RIGHT - 4, y + 4, "mutedf", "end", "%zu", count[lane]);
        y += row;
    }
    for (size_t i = 0; i < conn->seg_count; i++) {
        const struct trace_seg *seg = &conn->segs[i];
        int both[2] = {lane_of(seg), seg->lost ? seg->out ? LANE_LOST_OUT : LANE_LOST_IN : -1};
        double x = plot_x(plot, seg->t_us);
        for (int k = 0; k < 2 && plot_within(plot, seg->t_us); k++) {
            if (both[k] < 0 || x - last[both[k]] < 1)
                continue;
            last[both[k]] = x;
            lane_mark(plot, seg, (enum lane)both[k], at[both[k]]);
        }
    }
    plot_panel_end(plot, height);
}
