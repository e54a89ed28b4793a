/* plot_seq.c - the time-sequence graph, as tcptrace draws it.
 *
 * For one direction of data: each segment is a vertical bar from its first to its last sequence number; below
 * runs the staircase of what has been acknowledged, above the right edge of the receiver's window.  Sent
 * again: a thick bar with a diamond.  Lost on the way: a cross. */
#include "plot.h"

#include <string.h>

#define HEIGHT 400.0

struct label {
    double x, y, width;
};

struct graph {
    struct plot *plot;
    bool out;
    struct axis y;
    size_t stride; /* every how manieth plain segment is drawn */
    struct label label[64];
    size_t labels;
};

static bool is_drawn(const struct graph *g, const struct trace_seg *seg)
{
    return seg->out == g->out && seg->rel && trace_end(seg) > seg->seq && plot_within(g->plot, seg->t_us);
}

static bool is_special(const struct trace_seg *seg)
{
    return trace_is_resent(seg) || seg->lost || trace_is_probe(seg);
}

/* The range of numbers, and how much has to be left out. */
static void measure(struct graph *g)
{
    const struct trace_conn *conn = g->plot->conn;
    uint64_t lo = UINT64_MAX, hi = 0, edge = 0;
    size_t plain = 0, special = 0;
    for (size_t i = 0; i < conn->seg_count; i++) {
        const struct trace_seg *seg = &conn->segs[i];
        if (is_drawn(g, seg)) {
            lo = seg->seq < lo ? seg->seq : lo;
            hi = trace_end(seg) > hi ? trace_end(seg) : hi;
            plain += !is_special(seg);
            special += is_special(seg);
        } else if (seg->out != g->out && seg->rel && (seg->flags & RILL_ACK) &&
                   plot_within(g->plot, seg->t_us)) {
            edge = seg->ack + seg->win > edge ? seg->ack + seg->win : edge;
        }
    }
    if (lo > hi)
        lo = hi;
    /* The window's edge belongs to the picture unless it makes the data a line at the bottom. */
    uint64_t span = hi - lo + 1, above = edge > hi ? edge - hi : 0;
    double top = (double)hi + (double)(above < span / 2 ? above : span / 20) + (double)span * 0.02;
    g->y = (struct axis){(double)lo, top, g->plot->y + HEIGHT, g->plot->y, false};
    size_t room = special < PLOT_MARKS_MAX ? PLOT_MARKS_MAX - special : 1;
    g->stride = plain <= room || room == 0 ? 1 : (plain + room - 1) / room;
}

static void tooltip(const struct graph *g, const struct trace_seg *seg)
{
    char flags[10];
    svg_tooltip(g->plot->out, "%.6f s  %s %llu:%llu(%u)%s%s%s%s%s", (double)seg->t_us / 1e6,
                trace_flags(seg->flags, flags), (unsigned long long)seg->seq,
                (unsigned long long)seg->seq + seg->len, seg->len, *seg->text != '\0' ? "  " : "", seg->text,
                seg->fate != NULL ? "  emulator: " : "", seg->fate != NULL ? seg->fate : "",
                seg->again && *seg->text == '\0' ? "  sent again" : "");
}

/* Words beside the first of several marks; whatever would cover another is left out. */
static void label(struct graph *g, double x, double y, const char *class, const char *text)
{
    struct label new = {x + 9, y, svg_width(text) * 0.95};
    if (g->labels == sizeof g->label / sizeof g->label[0])
        return;
    if (new.x + new.width > PLOT_RIGHT - 4)
        new.x = x - 9 - new.width;
    new.y = new.y < g->plot->y + 26 ? g->plot->y + 26 : new.y;
    for (size_t i = 0; i < g->labels; i++) {
        const struct label *old = &g->label[i];
        if (new.x < old->x + old->width + 4 && old->x < new.x + new.width + 4 && new.y < old->y + 15 &&
            old->y < new.y + 15)
            return;
    }
    g->label[g->labels++] = new;
    char classes[40];
    (void)snprintf(classes, sizeof classes, "halo bold %s", class);
    svg_text(g->plot->out, new.x, new.y + 4, classes, "start", "%s", text);
}

static void mark(struct graph *g, const struct trace_seg *seg)
{
    FILE *out = g->plot->out;
    double x = plot_x(g->plot, seg->t_us), top = axis_at(&g->y, (double)trace_end(seg)),
           bottom = axis_at(&g->y, (double)seg->seq), middle = (top + bottom) / 2;
    bool resent = trace_is_resent(seg), probe = trace_is_probe(seg);
    if (bottom - top < 2)
        bottom = middle + 1, top = middle - 1;
    fprintf(out, "<g class=\"%s%s\">",
            resent  ? "resent"
            : probe ? "probe"
                    : "seg",
            seg->lost ? " dropped" : "");
    tooltip(g, seg);
    fprintf(out, "<path class=\"%s\" d=\"M%.1f %.1fV%.1f",
            resent  ? "rtx thick"
            : probe ? "edge thick"
                    : "data line",
            x, bottom, top);
    if (bottom - top >= 9) /* arrow heads where there is room for them */
        fprintf(out, "m-2 3l2 -3l2 3M%.1f %.1fl2 3l2 -3", x - 2, bottom - 3);
    fputs("\"/>", out);
    if (resent)
        fprintf(out, "<path class=\"rtx rtxf\" d=\"M%.1f %.1fl4 4l-4 4l-4 -4z\"/>", x, middle - 4);
    if (seg->lost)
        fprintf(out, "<path class=\"lost line\" d=\"M%.1f %.1fl9 9m0 -9l-9 9\"/>", x - 4.5, middle - 4.5);
    fputs("</g>\n", out);
}

static void mark_label(struct graph *g, const struct trace_seg *seg)
{
    char text[48];
    double x = plot_x(g->plot, seg->t_us), y = axis_at(&g->y, (double)seg->seq);
    bool resent = trace_is_resent(seg);
    if (strcmp(seg->why, "RTO") == 0)
        (void)snprintf(text, sizeof text, "RTO #%u", seg->n);
    else if (strcmp(seg->why, "FAST_RETRANSMIT") == 0)
        (void)snprintf(text, sizeof text, "fast retransmit");
    else if (strcmp(seg->why, "RACK") == 0)
        (void)snprintf(text, sizeof text, "RACK");
    else if (strcmp(seg->why, "LOSS_PROBE") == 0)
        (void)snprintf(text, sizeof text, "tail loss probe");
    else if (strcmp(seg->why, "PROBE") == 0)
        (void)snprintf(text, sizeof text, "probe #%u", seg->n);
    else if (seg->lost)
        (void)snprintf(text, sizeof text, resent ? "lost again" : "lost");
    else if (resent)
        (void)snprintf(text, sizeof text, "sent again");
    else
        return;
    label(g, x, y + 12, resent ? "rtxf" : seg->lost ? "lostf" : "edgef", text);
}

static void draw_marks(struct graph *g)
{
    const struct trace_conn *conn = g->plot->conn;
    size_t plain = 0, special = 0;
    for (int pass = 0; pass < 3; pass++) { /* what is special lies above the rest, and words above all */
        for (size_t i = 0; i < conn->seg_count; i++) {
            const struct trace_seg *seg = &conn->segs[i];
            if (!is_drawn(g, seg) || is_special(seg) != (pass > 0))
                continue;
            if (pass == 0 && plain++ % g->stride != 0)
                g->plot->thinned++;
            else if (pass == 1 && special++ >= PLOT_MARKS_MAX)
                g->plot->thinned++;
            else if (pass < 2)
                mark(g, seg);
        }
    }
    const char *const first[] = {"RTO",  "FAST_RETRANSMIT", "LOSS_PROBE",
                                 "RACK", "PROBE",           NULL}; /* they start a story */
    for (size_t k = 0; k < sizeof first / sizeof first[0]; k++) {
        for (size_t i = 0; i < conn->seg_count; i++) {
            const struct trace_seg *seg = &conn->segs[i];
            if (is_drawn(g, seg) && is_special(seg) && (first[k] == NULL || strcmp(seg->why, first[k]) == 0))
                mark_label(g, seg);
        }
    }
}

/* What the other side said: acknowledged up to, would take up to, has got beyond (SACK). */
static void draw_answers(const struct graph *g)
{
    const struct plot *plot = g->plot;
    const struct trace_conn *conn = plot->conn;
    struct pen pens[2];
    double x = PLOT_LEFT;
    size_t sacks = 0;
    for (int edge = 0; edge < 2; edge++) {
        pen_begin(&pens[edge], plot->out, edge ? "edge line dashdot" : "ack line");
        uint64_t most = 0;
        for (size_t i = 0; i < conn->seg_count; i++) {
            const struct trace_seg *seg = &conn->segs[i];
            if (seg->out == g->out || !seg->rel || !(seg->flags & RILL_ACK) ||
                (seg->lost && seg->out == false) || (seg->flags & RILL_RST) || !plot_within(plot, seg->t_us))
                continue;
            uint64_t value = seg->ack + (edge ? seg->win : 0);
            most = value > most ? value : most;
            x = plot_x(plot, seg->t_us);
            pen_step(&pens[edge], x, axis_at(&g->y, (double)most));
        }
        pen_end(&pens[edge], x);
    }
    for (size_t i = 0; i < conn->seg_count && sacks < PLOT_MARKS_MAX; i++) {
        const struct trace_seg *seg = &conn->segs[i];
        for (size_t k = 0; seg->out != g->out && plot_within(plot, seg->t_us) && k < seg->sacks; k++, sacks++)
            fprintf(plot->out, "<path class=\"sack line\" d=\"M%.1f %.1fV%.1f\"/>\n", plot_x(plot, seg->t_us),
                    axis_at(&g->y, (double)seg->sack[k][0]), axis_at(&g->y, (double)seg->sack[k][1]));
    }
}

void plot_sequence(struct plot *plot, bool out)
{
    static const struct legend legend[] = {
        {"data line", "M12 -5v10m-2 -3l2 3l2 -3M10 -2l2 -3l2 3", "segment"},
        {"rtx rtxf thick", "M12 -6v12m0 -9l3.5 3.5l-3.5 3.5l-3.5 -3.5z", "sent again"},
        {"lost line", "M7.5 -4.5l9 9m0 -9l-9 9", "lost on the way"},
        {"edge thick", "M12 -3v6", "probe"},
        {"ack line", "M0 4h8v-4h8v-4h8", "acknowledged"},
        {"edge line dashdot", "M0 0h24", "receiver's right edge"},
        {"sack line", "M12 -5v10", "SACK"},
        {NULL, NULL, NULL}};
    struct legend shown[8];
    struct graph g = {.plot = plot, .out = out};
    size_t n = 0;
    bool sack = false, probe = false;
    for (size_t i = 0; i < plot->conn->seg_count; i++) {
        sack = sack || plot->conn->segs[i].sacks > 0;
        probe = probe || trace_is_probe(&plot->conn->segs[i]);
    }
    for (size_t i = 0; i < 8; i++)
        if ((i != 3 || probe) && (i != 6 || sack))
            shown[n++] = legend[i];
    plot_panel(plot, HEIGHT, out ? "Sequence numbers out of rill" : "Sequence numbers into rill", shown);
    measure(&g);
    svg_ticks_y(plot->out, &g.y, UNIT_BYTES, PLOT_LEFT, PLOT_RIGHT);
    fprintf(plot->out, "<g clip-path=\"url(#c%.0f)\">\n", plot->y);
    draw_answers(&g);
    draw_marks(&g);
    fputs("</g>\n", plot->out);
    plot_panel_end(plot, HEIGHT);
}
