/* plot.c - `rill plot`: one connection as a picture, a self-contained SVG.
 *
 * Panels on one time axis: sequence numbers, the sender's windows with what limits it, round trips, events.
 */
#include "plot.h"

#include "show.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: rill plot FILE [--conn N] [-o x.svg] [OPTION]...\n"
    "\n"
    "Draws one connection of a trace (--trace) or a capture (-w, tcpdump) over time:\n"
    "sequence numbers as tcptrace draws them, windows and what limits the sender,\n"
    "round trips and the timeout, events.  '-' reads standard input.  Point at a\n"
    "mark in a browser and it says what it is.\n"
    "\n"
    "  --conn N          the connection (the one that carried the most)\n"
    "  -o, --output FILE where to (standard output)\n"
    "  --dir out|in|both which way the data goes, seen from rill (out)\n"
    "  --from S, --to S  only this part of the time, in seconds\n"
    "  --local ADDRESS   rill's side of a capture (10.77.0.2, or who answered first)\n"
    "  -h, --help        this text\n";

double plot_x(const struct plot *plot, uint64_t t_us) { return axis_at(&plot->x, (double)t_us / 1e6); }

bool plot_within(const struct plot *plot, uint64_t t_us)
{
    double t = (double)t_us / 1e6;
    return t >= plot->x.lo - 1e-9 && t <= plot->x.hi + 1e-9;
}

void pen_begin(struct pen *pen, FILE *out, const char *class)
{
    *pen = (struct pen){.out = out};
    fprintf(out, "<path class=\"%s\" d=\"", class);
}

void pen_step(struct pen *pen, double x, double y)
{
    if (!pen->begun) {
        fprintf(pen->out, "M%.1f %.1f", x, y);
        pen->begun = true;
    } else if (x - pen->x < 0.5) {
        pen->pending = true; /* drawn when the line moves on */
        pen->pending_y = y;
        return;
    } else {
        if (pen->pending && pen->pending_y != pen->y)
            fprintf(pen->out, "V%.1f", pen->pending_y);
        fprintf(pen->out, "H%.1f", x);
        double now = pen->pending ? pen->pending_y : pen->y;
        if (y != now)
            fprintf(pen->out, "V%.1f", y);
    }
    pen->pending = false;
    pen->x = x;
    pen->y = y;
}

void pen_end(struct pen *pen, double x)
{
    if (pen->begun && pen->pending)
        fprintf(pen->out, "V%.1f", pen->pending_y);
    if (pen->begun)
        fprintf(pen->out, "H%.1f", x);
    else
        fputs("M0 0", pen->out);
    fputs("\"/>\n", pen->out);
}

void plot_panel(struct plot *plot, double height, const char *heading, const struct legend *legend)
{
    FILE *out = plot->out;
    double x = PLOT_RIGHT;
    svg_text(out, PLOT_LEFT, plot->y + 12, "fgf bold", "start", "%s", heading);
    for (const struct legend *l = legend; l->text != NULL; l++)
        x -= 42 + svg_width(l->text);
    for (const struct legend *l = legend; l->text != NULL; l++) {
        fprintf(out, "<path class=\"%s\" transform=\"translate(%.0f %.0f)\" d=\"%s\"/>", l->class, x,
                plot->y + 8, l->shape);
        svg_text(out, x + 30, plot->y + 12, "fgf", "start", "%s", l->text);
        x += 42 + svg_width(l->text);
    }
    plot->y += 20;
    fprintf(out,
            "<clipPath id=\"c%.0f\"><rect x=\"%.0f\" y=\"%.1f\" width=\"%.0f\" height=\"%.0f\"/></clipPath>\n"
            "<rect class=\"frame\" fill=\"none\" x=\"%.0f\" y=\"%.1f\" width=\"%.0f\" height=\"%.0f\"/>\n",
            plot->y, PLOT_LEFT - 5, plot->y, PLOT_RIGHT - PLOT_LEFT + 10, height, PLOT_LEFT, plot->y,
            PLOT_RIGHT - PLOT_LEFT, height);
    svg_ticks_x(out, &plot->x, UNIT_SECONDS, plot->y, plot->y + height, false);
}

void plot_panel_end(struct plot *plot, double height) { plot->y += height + 12; }

/* Times without the room that a picture wants at both sides. */
static void time_range(const struct plot *plot, double *lo, double *hi)
{
    const struct trace_conn *conn = plot->conn;
    if (*lo < 0)
        *lo = conn->seg_count == 0 ? 0 : (double)conn->segs[0].t_us / 1e6;
    if (*hi < 0)
        *hi = conn->seg_count == 0 ? 0 : (double)conn->segs[conn->seg_count - 1].t_us / 1e6;
    if (*hi <= *lo)
        *hi = *lo + 1e-3;
}

static void headings(const struct plot *plot)
{
    const struct trace_conn *conn = plot->conn;
    char amount[2][32], time[32];
    uint64_t resent[2] = {0, 0}, lost = 0;
    for (size_t i = 0; i < conn->seg_count; i++) {
        const struct trace_seg *seg = &conn->segs[i];
        resent[seg->out] += trace_is_resent(seg);
        lost += seg->lost;
    }
    svg_text(plot->out, PLOT_LEFT, 28, "fgf big", "start", "rill %s and %s%s", conn->local, conn->peer,
             plot->trace->capture ? " (from a capture)" : "");
    svg_text(plot->out, PLOT_LEFT, 48, "mutedf", "start",
             "%s out, %s in, in %s; rill sent %llu segments again, the peer %llu; %llu were lost as far as "
             "is known%s%s",
             svg_amount((double)trace_bytes(conn, true), UNIT_BYTES, amount[0]),
             svg_amount((double)trace_bytes(conn, false), UNIT_BYTES, amount[1]),
             svg_amount((plot->x.hi - plot->x.lo) / 1.02, UNIT_SECONDS, time), (unsigned long long)resent[1],
             (unsigned long long)resent[0], (unsigned long long)lost, *plot->trace->note != '\0' ? ".  " : "",
             plot->trace->note);
}

/* The body first, in memory: only then is the height known. */
static int draw(struct plot *plot, FILE *to)
{
    char *body = NULL, title[160];
    size_t len = 0;
    plot->out = open_memstream(&body, &len);
    if (plot->out == NULL)
        return -1;
    headings(plot);
    plot->y = 66;
    for (int way = 1; way >= 0; way--)
        if (plot->way[way])
            plot_sequence(plot, way);
    plot_windows(plot);
    plot_rtt(plot);
    plot_events(plot);
    plot->y -= 12;
    svg_ticks_x(plot->out, &plot->x, UNIT_SECONDS, plot->y, plot->y, true);
    plot->y += 34;
    svg_text(plot->out, (PLOT_LEFT + PLOT_RIGHT) / 2, plot->y, "fgf", "middle", "%s",
             plot->trace->capture ? "time since the first packet" : "time since the stack started");
    if (plot->thinned > 0)
        svg_text(plot->out, PLOT_LEFT, plot->y, "fgf", "start", "thinned out: %zu segments are not drawn",
                 plot->thinned);
    (void)fclose(plot->out);
    (void)snprintf(title, sizeof title, "TCP connection %s - %s over time", plot->conn->local,
                   plot->conn->peer);
    svg_begin(to, PLOT_WIDTH, plot->y + 14, title);
    (void)fwrite(body, 1, len, to);
    svg_end(to);
    free(body);
    return 0;
}

struct settings {
    struct show_options show;
    const char *dir;
    double from, to;
};

static int parse(struct cli *cli, int argc, char **argv, struct settings *set)
{
    static const struct option options[] = {SHOW_LONG,
                                            {"dir", required_argument, NULL, 'd'},
                                            {"from", required_argument, NULL, 'f'},
                                            {"to", required_argument, NULL, 't'},
                                            {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, SHOW_SHORT, options, NULL)) != -1) {
        int status = -1;
        char *end = NULL;
        if (option == 'd') {
            set->dir = optarg;
            if (strcmp(optarg, "out") != 0 && strcmp(optarg, "in") != 0 && strcmp(optarg, "both") != 0)
                return cli_usage_error(cli, "--dir: '%s' is none of: out, in, both", optarg);
        } else if (option == 'f' || option == 't') {
            double value = strtod(optarg, &end);
            if (end == optarg || *end != '\0' || !(value >= 0 && value < 1e9))
                return cli_usage_error(cli, "--%s: '%s' is not a number of seconds",
                                       option == 'f' ? "from" : "to", optarg);
            *(option == 'f' ? &set->from : &set->to) = value;
        } else {
            status = show_option(cli, &set->show, option, argv[optind - 1], usage);
        }
        if (status != -1)
            return status;
    }
    if (set->to >= 0 && set->from >= 0 && set->to <= set->from)
        return cli_usage_error(cli, "--to: it has to be after --from");
    return show_arguments(cli, &set->show, argc, argv);
}

int plot_main(int argc, char **argv)
{
    struct cli cli;
    struct settings set = {.dir = "out", .from = -1, .to = -1};
    struct trace trace;
    struct plot plot = {.trace = &trace};
    cli_init(&cli, "rill plot");
    int status = parse(&cli, argc, argv, &set);
    if (status != -1)
        return status;
    status = show_open(&cli, &set.show, &trace, &plot.conn);
    if (status == 0) {
        plot.way[1] = strcmp(set.dir, "in") != 0;
        plot.way[0] = strcmp(set.dir, "out") != 0;
        time_range(&plot, &set.from, &set.to);
        double room = (set.to - set.from) * 0.01;
        plot.x = (struct axis){set.from - room, set.to + room, PLOT_LEFT, PLOT_RIGHT, false};
        FILE *to = show_output(&cli, &set.show);
        status = to == NULL || draw(&plot, to) != 0 || show_close(&cli, &set.show, to) != 0 ? CLI_FAILURE : 0;
    }
    trace_free(&trace);
    return status;
}
