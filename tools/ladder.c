/* ladder.c - `rill ladder`: the exchange of one connection as a sequence diagram, on the terminal or as SVG.
 *
 * rill is the line on the left, the peer the one on the right.  One arrow a segment; one that was lost is cut
 * and ends in a cross.  The times are rill's: when it sent or received. */
#include "show.h"
#include "svg.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define GAP_US 100000 /* a pause that is worth a line */
enum { SVG_MAX = 400 };

static const char usage[] =
    "usage: rill ladder FILE [--conn N] [-o x.svg] [--max N]\n"
    "\n"
    "Draws one connection of a trace (--trace) or a capture (-w, tcpdump) as a\n"
    "sequence diagram: rill on the left, the peer on the right, an arrow for each\n"
    "segment with flags, seq:end(len), ack and win, and behind it the reason.  What\n"
    "was lost on the way is a cut arrow.  '-' reads standard input.\n"
    "\n"
    "  --conn N          the connection (the one that carried the most)\n"
    "  -o, --output FILE draws an SVG, not text\n"
    "  --max N           at most N segments (text: all, SVG: 400)\n"
    "  --local ADDRESS   rill's side of a capture (10.77.0.2, or who answered first)\n"
    "  -h, --help        this text\n"
    "\n"
    "The text is as wide as the terminal, or as COLUMNS says; NO_COLOR is obeyed.\n";

struct ladder {
    FILE *out;
    const struct trace_conn *conn;
    size_t max;
    bool colour;
    uint64_t last_us; /* of the line before, if there was any */
    bool any;
    size_t arrow, reason; /* columns between the two lines, and for the reason behind; 0: no end */
};

/* ---- What is said of a segment ------------------------------------------------------------------------- */

static void label(const struct trace_seg *seg, char *text, size_t cap)
{
    char flags[10];
    int len = snprintf(text, cap, "%s %" PRIu64 ":%" PRIu64 "(%u)", trace_flags(seg->flags, flags), seg->seq,
                       seg->seq + seg->len, seg->len);
    if (seg->flags & RILL_ACK)
        len += snprintf(text + len, cap - (size_t)len, " ack %" PRIu64, seg->ack);
    if (!(seg->flags & RILL_RST) && seg->win > 0)
        len += snprintf(text + len, cap - (size_t)len, " win %u", seg->win);
    else if (!(seg->flags & RILL_RST) && !seg->lost)
        len += snprintf(text + len, cap - (size_t)len, " win 0");
    if (!seg->rel)
        (void)snprintf(text + len, cap - (size_t)len, " abs");
}

static void reason(const struct trace_seg *seg, char *text, size_t cap)
{
    bool flipped = seg->fate != NULL && strcmp(seg->fate, "corrupt") == 0;
    /* A capture's comment says it in its own words. */
    bool told_why = flipped || seg->fate == NULL || strcmp(seg->fate, "dropped") == 0 ||
                    strstr(seg->text, "dropped") != NULL;
    size_t len = (size_t)snprintf(text, cap, "%s%s%s",
                                  flipped     ? "BIT FLIPPED: fails the checksum"
                                  : seg->lost ? "LOST"
                                              : "",
                                  told_why    ? ""
                                  : seg->lost ? ": "
                                              : "",
                                  told_why ? "" : seg->fate);
    bool dsack = trace_is_dsack(seg);
    for (size_t i = 0; i < seg->sacks && len < cap; i++)
        len += (size_t)snprintf(text + len, cap - len, "%s%s%" PRIu64 ":%" PRIu64,
                                i == 0 && len > 0 ? "; "
                                : i == 0          ? ""
                                                  : " ",
                                i == 0 && dsack          ? "dsack "
                                : i == (dsack ? 1u : 0u) ? "sack "
                                                         : "",
                                seg->sack[i][0], seg->sack[i][1]);
    const char *said = *seg->text != '\0' ? seg->text : seg->again ? "sent again" : "";
    if (strncmp(said, "new data", 8) == 0) /* that needs no words; what had held it back does */
        said += said[8] == ';' ? 10 : strlen(said);
    if (*said != '\0' && len < cap)
        (void)snprintf(text + len, cap - len, "%s%s", len > 0 ? "; " : "", said);
}

/* One timer is several: with nothing in flight, or the window closed, it is the one of RFC 9293 3.8.6.1; with
 * SACK it is also the ones of RFC 8985 6.3 and 7.  What it makes leave says which, else the numbers before
 * do. */
static const char *timer_words(const struct trace_conn *conn, const struct trace_note *fired)
{
    size_t segs = conn->segs != NULL ? conn->seg_count : 0;
    size_t numbers = conn->numbers != NULL ? conn->number_count : 0;
    size_t low = 0, high = segs;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (conn->segs[middle].order < fired->order)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < segs && conn->segs[low].t_us == fired->t_us; low++) {
        const struct trace_seg *seg = &conn->segs[low];
        if (seg->out && strcmp(seg->why, "LOSS_PROBE") == 0)
            return "tail loss probe";
        if (seg->out && strcmp(seg->why, "RACK") == 0)
            return "reordering";
        if (seg->out && *seg->why != '\0')
            return strcmp(seg->why, "PROBE") == 0 || strcmp(seg->why, "OVERRIDE") == 0 ? "persist (probe)"
                                                                                       : "retransmission";
    }
    for (low = 0, high = numbers; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (conn->numbers[middle].t_us < fired->t_us)
            low = middle + 1;
        else
            high = middle;
    }
    bool idle = low > 0 && (conn->numbers[low - 1].flight == 0 || conn->numbers[low - 1].snd_wnd == 0);
    return idle ? "persist (probe)" : "retransmission";
}

/* States and the retransmission timer; NULL: not worth a line. */
static const char *told(const struct trace_conn *conn, const struct trace_note *note, char text[100])
{
    if (note->kind == NOTE_STATE)
        (void)snprintf(text, 100, "%.40s to %.40s", note->a, note->b);
    else if (note->kind == NOTE_TIMER && strcmp(note->a, "XMIT") == 0)
        (void)snprintf(text, 100, "the %s timer expires", timer_words(conn, note));
    else
        return NULL;
    return text;
}

/* Before a line of t_us: "50 ms later" if the line before is that much older, else NULL. */
static const char *paused(struct ladder *l, uint64_t t_us, char text[40])
{
    char amount[32];
    uint64_t us = l->any && t_us > l->last_us ? t_us - l->last_us : 0;
    l->any = true;
    l->last_us = t_us;
    if (us < GAP_US)
        return NULL;
    (void)snprintf(text, 40, "%s later", svg_amount((double)us / 1e6, UNIT_SECONDS, amount));
    return text;
}

/* ---- Text ---------------------------------------------------------------------------------------------- */

static void repeat(FILE *out, const char *text, size_t n)
{
    while (n-- > 0)
        fputs(text, out);
}

/* As much as there is room for, in characters. */
static void fit(FILE *out, const char *text, size_t room)
{
    size_t n = 0;
    for (const char *p = text; *p != '\0'; p++)
        n += ((unsigned char)*p & 0xc0) != 0x80;
    if (n <= room) {
        fputs(text, out);
        return;
    }
    for (n = 0; *text != '\0'; text++) {
        n += ((unsigned char)*text & 0xc0) != 0x80;
        if (n >= room)
            break;
        fputc(*text, out);
    }
    if (room > 0)
        fputs("…", out);
}

static void text_segment(const struct ladder *l, const struct trace_seg *seg)
{
    char said[128], why[400];
    label(seg, said, sizeof said);
    reason(seg, why, sizeof why);
    const char *colour = seg->lost              ? "\33[35m"
                         : trace_is_resent(seg) ? "\33[31m"
                         : seg->out             ? "\33[32m"
                                                : "\33[36m";
    size_t len = strlen(said), cut = seg->lost ? (l->arrow - len) / 2 : 0, line = l->arrow - len - 3 - cut;
    fprintf(l->out, "%11.6f │%s", (double)seg->t_us / 1e6, l->colour ? colour : "");
    if (seg->out) {
        repeat(l->out, "─", 2);
        fprintf(l->out, " %s ", said);
        repeat(l->out, "─", line - 2);
        fputs(seg->lost ? "✗" : "→", l->out);
        repeat(l->out, " ", cut);
    } else {
        repeat(l->out, " ", cut);
        fputs(seg->lost ? "✗" : "←", l->out);
        repeat(l->out, "─", line - 2);
        fprintf(l->out, " %s ", said);
        repeat(l->out, "─", 2);
    }
    fprintf(l->out, "%s│%s", l->colour ? "\33[0m" : "", *why != '\0' ? " " : "");
    if (l->reason == 0)
        fputs(why, l->out);
    else
        fit(l->out, why, l->reason - 1);
    fputc('\n', l->out);
}

/* The next note before `order`, NULL if there is none. */
static const struct trace_note *next_note(const struct ladder *l, size_t *at, uint32_t order)
{
    if (*at >= l->conn->note_count || l->conn->notes[*at].order >= order)
        return NULL;
    return &l->conn->notes[(*at)++];
}

static size_t terminal_columns(FILE *out)
{
    const char *set = getenv("COLUMNS");
    struct winsize size;
    long columns = set != NULL ? strtol(set, NULL, 10) : 0;
    if (columns > 0 && columns <= 10000)
        return (size_t)columns;
    return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* The arrow is as long as the longest label asks for, and longer where the terminal has room for it. */
static void measure(struct ladder *l)
{
    char said[128];
    size_t columns = terminal_columns(l->out), longest = 20;
    for (size_t i = 0; i < l->conn->seg_count && i < l->max; i++) {
        label(&l->conn->segs[i], said, sizeof said);
        longest = strlen(said) > longest ? strlen(said) : longest;
    }
    l->arrow = longest + 10;
    size_t used = 12 + 2 + l->arrow;
    if (columns > used + 60) /* half of what the reasons do not need */
        l->arrow += (columns - used - 60) / 2 < 16 ? (columns - used - 60) / 2 : 16;
    used = 12 + 2 + l->arrow;
    l->reason = columns == 0 ? 0 : columns > used + 2 ? columns - used : 2;
}

static void text_pause(struct ladder *l, uint64_t t_us)
{
    char text[40];
    if (paused(l, t_us, text) != NULL)
        fprintf(l->out, "            ⋮ %s\n", text);
}

static void text_ladder(struct ladder *l)
{
    const struct trace_conn *conn = l->conn;
    const struct trace_note *note;
    char text[100];
    size_t at = 0, shown = conn->seg_count < l->max ? conn->seg_count : l->max;
    measure(l);
    size_t left = strlen(conn->local) / 2 < 11 ? 12 - strlen(conn->local) / 2 : 1;
    size_t gap = 12 + l->arrow - left - strlen(conn->local) - strlen(conn->peer) / 2;
    repeat(l->out, " ", left);
    fprintf(l->out, "%s", conn->local);
    repeat(l->out, " ", gap < 300 ? gap : 1);
    fprintf(l->out, "%s\n", conn->peer);
    for (size_t i = 0; i <= shown; i++) {
        const struct trace_seg *seg = i < shown ? &conn->segs[i] : NULL;
        uint32_t order = seg != NULL ? seg->order : shown == conn->seg_count ? UINT32_MAX : 0;
        while ((note = next_note(l, &at, order)) != NULL) {
            if (told(l->conn, note, text) == NULL)
                continue;
            text_pause(l, note->t_us);
            fprintf(l->out, "%11.6f · %s\n", (double)note->t_us / 1e6, text);
        }
        if (seg != NULL) {
            text_pause(l, seg->t_us);
            text_segment(l, seg);
        }
    }
    if (shown < conn->seg_count)
        fprintf(l->out, "            … %zu more segments (--max)\n", conn->seg_count - shown);
}

/* ---- SVG ----------------------------------------------------------------------------------------------- */

#define LEFT 120.0
#define RIGHT 620.0
#define ROW 30.0
#define SLANT 8.0

static double svg_segment(const struct ladder *l, const struct trace_seg *seg, double y)
{
    char said[128], why[400];
    label(seg, said, sizeof said);
    reason(seg, why, sizeof why);
    double from = seg->out ? LEFT : RIGHT, to = seg->out ? RIGHT : LEFT;
    double part = seg->lost ? 0.7 : 1, end = from + (to - from) * part, end_y = y + SLANT * part;
    double back = seg->out ? -8 : 8;
    const char *class = seg->lost ? "lost" : trace_is_resent(seg) ? "rtx" : seg->out ? "data" : "ack";
    fprintf(l->out, "<g class=\"arrow\"><path class=\"%s line%s\" d=\"M%.0f %.1fL%.1f %.1f", class,
            seg->lost ? " dash" : "", from, y, end, end_y);
    if (seg->lost)
        fprintf(l->out, "\"/><path class=\"lost thick\" d=\"M%.1f %.1fl10 10m0 -10l-10 10\"/>", end - 5,
                end_y - 5);
    else
        fprintf(l->out, "m%.0f -5L%.0f %.1fl%.0f 4\"/>", back, to, end_y, back);
    svg_text(l->out, LEFT - 10, seg->out ? y + 4 : end_y + 4, "fgf", "end", "%.6f", (double)seg->t_us / 1e6);
    char classes[40];
    svg_text(l->out, (LEFT + RIGHT) / 2, y - 2, "fgf halo mono", "middle", "%s", said);
    (void)snprintf(classes, sizeof classes, "%sf", seg->lost || trace_is_resent(seg) ? class : "muted");
    svg_text(l->out, RIGHT + 14, y + 6, classes, "start", "%s", why);
    fputs("</g>\n", l->out);
    return y + ROW;
}

static double svg_pause(struct ladder *l, uint64_t t_us, double y)
{
    char text[40];
    if (paused(l, t_us, text) == NULL)
        return y;
    svg_text(l->out, (LEFT + RIGHT) / 2, y + 2, "mutedf halo", "middle", "⋮ %s", text);
    return y + ROW;
}

static double svg_rows(struct ladder *l, double y)
{
    const struct trace_conn *conn = l->conn;
    const struct trace_note *note;
    char text[100];
    size_t at = 0, shown = conn->seg_count < l->max ? conn->seg_count : l->max;
    for (size_t i = 0; i <= shown; i++) {
        const struct trace_seg *seg = i < shown ? &conn->segs[i] : NULL;
        uint32_t order = seg != NULL ? seg->order : shown == conn->seg_count ? UINT32_MAX : 0;
        while ((note = next_note(l, &at, order)) != NULL) {
            if (told(l->conn, note, text) == NULL)
                continue;
            y = svg_pause(l, note->t_us, y);
            fprintf(l->out, "<circle class=\"mutedf\" cx=\"%.0f\" cy=\"%.1f\" r=\"4\"/>", LEFT, y - 4);
            svg_text(l->out, LEFT + 10, y, "fgf bold halo", "start", "%s", text);
            y += ROW;
        }
        if (seg != NULL)
            y = svg_segment(l, seg, svg_pause(l, seg->t_us, y));
    }
    if (shown < conn->seg_count) {
        svg_text(l->out, (LEFT + RIGHT) / 2, y + 4, "fgf", "middle", "… %zu more segments (--max)",
                 conn->seg_count - shown);
        y += ROW;
    }
    return y;
}

static int svg_ladder(struct ladder *l, FILE *to)
{
    char *body = NULL, title[160];
    size_t len = 0;
    l->out = open_memstream(&body, &len);
    if (l->out == NULL)
        return -1;
    double end = svg_rows(l, 76);
    (void)fclose(l->out);
    (void)snprintf(title, sizeof title, "Segments between %s and %s", l->conn->local, l->conn->peer);
    svg_begin(to, 1200, end + 10, title);
    svg_text(to, LEFT, 28, "fgf bold", "middle", "rill %s", l->conn->local);
    svg_text(to, RIGHT, 28, "fgf bold", "middle", "peer %s", l->conn->peer);
    for (int i = 0; i < 2; i++)
        fprintf(to, "<path class=\"frame line\" d=\"M%.0f 40V%.0f\"/>\n", i ? RIGHT : LEFT, end - 10);
    (void)fwrite(body, 1, len, to);
    svg_end(to);
    free(body);
    return 0;
}

int ladder_main(int argc, char **argv)
{
    static const struct option options[] = {
        SHOW_LONG, {"max", required_argument, NULL, 'm'}, {NULL, 0, NULL, 0}};
    struct cli cli;
    struct show_options show = {0};
    struct ladder ladder = {.max = 0};
    struct trace trace;
    int option, status;
    cli_init(&cli, "rill ladder");
    while ((option = getopt_long(argc, argv, SHOW_SHORT, options, NULL)) != -1) {
        if (option == 'm') {
            ladder.max = show_number(optarg);
            status =
                ladder.max == 0 ? cli_usage_error(&cli, "--max: '%s' is not a number from 1 on", optarg) : -1;
        } else {
            status = show_option(&cli, &show, option, argv[optind - 1], usage);
        }
        if (status != -1)
            return status;
    }
    if ((status = show_arguments(&cli, &show, argc, argv)) != -1)
        return status;
    if (ladder.max == 0)
        ladder.max = show.output == NULL ? SIZE_MAX : SVG_MAX;
    status = show_open(&cli, &show, &trace, &ladder.conn);
    if (status == 0) {
        FILE *to = show_output(&cli, &show);
        ladder.out = to;
        ladder.colour = to != NULL && isatty(fileno(to)) && getenv("NO_COLOR") == NULL;
        if (to != NULL && show.output == NULL)
            text_ladder(&ladder);
        bool failed = to == NULL || (show.output != NULL && svg_ladder(&ladder, to) != 0);
        status = failed || show_close(&cli, &show, to) != 0 ? CLI_FAILURE : 0;
    }
    trace_free(&trace);
    return status;
}
