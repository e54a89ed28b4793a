/* compare.c - `rill lab --compare A B`: one transfer under two settings, drawn into one picture.
 *
 * A setting is written as on the command line, without inner quotes:
 *     --in WORDS  --out WORDS  --break RULE,...  --with WORD,...  --without WORD,...  --cc NAME
 *     --slow-reader
 * WORDS go on up to the next option; words in front of the first option are those of --out; quotes around
 * words may be given and mean nothing.  Both runs have the same seed, --in 'delay 10ms' unless they say what,
 * and --out 'rate 20mbit' unless they say how much or none: on a link without a rate ACKs come in heaps, and
 * how large they are is chance. */
#include "lesson.h"
#include "plot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BYTES = 400000, LIMIT_S = 60, SLOW_BUFFER = 8192, SLOW_PIECE = 4000 };
#define SLOW_PAUSE_NS 8000000L
#define BASE_IN "delay 10ms"
#define BASE_RATE "rate 20mbit"
#define SEED "seed 1"

struct run {
    const char *label, *text; /* "A", and the setting as given */
    char in[512], out[512];
    uint32_t broken, features;
    enum rill_cc cc;
    bool slow_reader;
    const char *trace_file, *capture;
    /* What came of it. */
    struct trace trace;
    const struct trace_conn *conn;
    uint64_t begin_us, us; /* first data sent; from there until all of it was acknowledged */
    unsigned resent, timeouts, fast, rack;
};

/* ---- Settings
 * ------------------------------------------------------------------------------------------------ */

static int add_words(const struct cli *cli, char link[512], const char *word, size_t len)
{
    size_t used = strlen(link);
    if (used + len + 2 > 512)
        return cli_usage_error(cli, "--compare: the settings are too long");
    (void)snprintf(link + used, 512 - used, "%s%.*s", used > 0 ? " " : "", (int)len, word);
    return 0;
}

static int seeded(const struct cli *cli, const char *option, char link[512])
{
    if (strcmp(link, "none") == 0)
        link[0] = '\0';
    if (link[0] != '\0' && strstr(link, "seed") == NULL && add_words(cli, link, SEED, strlen(SEED)) != 0)
        return CLI_USAGE;
    if (rill_link_check(link) == 0)
        return 0;
    fprintf(stderr, "%s: --compare: --%s: %s\n", cli->name, option, rill_error());
    return CLI_USAGE;
}

/* The options that a word may follow, each with its letter; --slow-reader has none. */
static const struct {
    const char *text;
    char letter;
} known[] = {{"--in", 'i'},   {"--out", 'o'},     {"--break", 'b'}, {"--slow-reader", 0},
             {"--with", '+'}, {"--without", '-'}, {"--cc", 'c'}};
#define OPTION_COUNT (sizeof known / sizeof *known)

/* A word behind the option of that letter. */
static int take(const struct cli *cli, struct run *run, char option, const char *word)
{
    switch (option) {
    case 'b':
        return cli_break(cli, word, &run->broken) ? 0 : CLI_USAGE;
    case '+':
    case '-':
        return cli_feature(cli, option == '+', word, &run->features) ? 0 : CLI_USAGE;
    case 'c':
        return cli_cc(cli, word, &run->cc) ? 0 : CLI_USAGE;
    default:
        return add_words(cli, option == 'i' ? run->in : run->out, word, strlen(word));
    }
}

static int parse(const struct cli *cli, struct run *run)
{
    char option = 'o', word[160];
    bool in_given = false;
    struct rill_config config;
    rill_config_default(&config);
    run->features = config.features;
    run->cc = config.cc;
    for (const char *at = run->text; *at != '\0';) {
        size_t len = strcspn(at += strspn(at, " \t'\""), " \t'\"");
        if (len == 0)
            break;
        (void)snprintf(word, sizeof word, "%.*s", (int)len, at);
        size_t which = 0;
        while (which < OPTION_COUNT && strcmp(word, known[which].text) != 0)
            which++;
        if (which == OPTION_COUNT && word[0] == '-')
            return cli_usage_error(
                cli,
                "--compare: '%s' is none of: --in, --out, --break, --with, --without, --cc, "
                "--slow-reader",
                word);
        if (which == OPTION_COUNT && take(cli, run, option, word) != 0)
            return CLI_USAGE;
        if (which < OPTION_COUNT && known[which].letter == 0)
            run->slow_reader = true;
        else if (which < OPTION_COUNT)
            option = known[which].letter;
        in_given |= which < OPTION_COUNT && option == 'i';
        at += len;
    }
    if (!in_given)
        (void)snprintf(run->in, sizeof run->in, BASE_IN);
    if (strstr(run->out, "rate") == NULL && strcmp(run->out, "none") != 0 &&
        add_words(cli, run->out, BASE_RATE, strlen(BASE_RATE)) != 0)
        return CLI_USAGE;
    return seeded(cli, "in", run->in) != 0 ? CLI_USAGE : seeded(cli, "out", run->out);
}

/* ---- One run, in a process and a namespace of its own
 * -------------------------------------------------------- */

static void read_slowly(const struct stage *stage)
{
    struct timespec pause = {0, SLOW_PAUSE_NS};
    for (size_t left = BYTES; left > 0;) {
        size_t piece = left < SLOW_PIECE ? left : SLOW_PIECE;
        stage_peer_read(stage, piece);
        left -= piece;
        (void)nanosleep(&pause, NULL);
    }
}

static void transfer(const struct run *run)
{
    struct lesson plain = {.name = "compare", .peer_rcvbuf_bytes = run->slow_reader ? SLOW_BUFFER : 0};
    struct stage stage = {.lesson = &plain, .rill = -1, .peer = -1};
    struct rill_options options;
    int size = 2 * BYTES;
    lesson_limit(LIMIT_S);
    rill_options_default(&options);
    options.capture = run->capture;
    options.trace_file = run->trace_file;
    options.link_in = run->in;
    options.link_out = run->out;
    options.engine.broken = run->broken;
    options.engine.features = run->features;
    options.engine.cc = run->cc;
    if (lab_enter() != 0)
        exit(CLI_FAILURE);
    if (rill_start(&options) != 0)
        lesson_fail("%s", rill_error());
    stage_connect(&stage);
    if (rill_setsockopt(stage.rill, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) != 0)
        lesson_fail("SO_SNDBUF: %s", strerror(errno));
    stage_send(&stage, BYTES);
    if (run->slow_reader)
        read_slowly(&stage);
    else
        stage_peer_read(&stage, BYTES);
    stage_close(&stage);
    rill_stop(1000);
}

static int run_child(const struct run *run)
{
    int status;
    pid_t parent = getpid();
    fflush(stdout);
    pid_t child = fork();
    if (child < 0)
        lesson_fail("fork: %s", strerror(errno));
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent)
            transfer(run);
        exit(0);
    }
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            lesson_fail("waitpid: %s", strerror(errno));
    return WIFEXITED(status) ? WEXITSTATUS(status) : CLI_FAILURE;
}

static void evaluate(struct run *run)
{
    if (trace_read(&run->trace, run->trace_file, NULL) != 0)
        lesson_fail("%s: %s", run->trace_file, run->trace.error);
    run->conn = trace_pick(&run->trace, 0);
    if (run->conn == NULL)
        lesson_fail("%s: no connection in it", run->trace_file);
    for (size_t i = 0; i < run->conn->seg_count; i++) {
        const struct trace_seg *seg = &run->conn->segs[i];
        if (seg->out && seg->len > 0 && run->begin_us == 0)
            run->begin_us = seg->t_us;
        if (!seg->out && !seg->lost && seg->ack > BYTES && run->us == 0)
            run->us = seg->t_us - run->begin_us;
        run->resent += seg->out && trace_is_resent(seg);
        run->timeouts += strcmp(seg->why, "RTO") == 0;
        run->fast += strcmp(seg->why, "FAST_RETRANSMIT") == 0;
        run->rack += strcmp(seg->why, "RACK") == 0;
    }
    if (run->us == 0)
        lesson_fail("%s: the transfer did not come to its end", run->trace_file);
}

static void result(const struct run *run, char text[200])
{
    (void)snprintf(
        text, 200,
        "%d bytes in %.3f s (%.0f kB/s); %u segments sent again, %u timeouts, %u fast retransmits, "
        "%u segments found by RACK",
        BYTES, (double)run->us / 1e6, BYTES * 1e3 / (double)run->us, run->resent, run->timeouts, run->fast,
        run->rack);
}

/* ---- The picture
 * --------------------------------------------------------------------------------------------- */

static const char *const line_class[] = {"data line", "edge line dash"};
static const char *const mark_class[] = {"dataf", "edgef"};
static const char diamond[] = "M12 -5l5 5l-5 5l-5 -5z", triangle[] = "M6 -5h12l-6 10z";

static double at_x(const struct plot *plot, const struct run *run, uint64_t t_us)
{
    return axis_at(&plot->x, t_us < run->begin_us ? 0 : (double)(t_us - run->begin_us) / 1e6);
}

static void draw_acked(struct plot *plot, struct run runs[2], double height)
{
    const struct legend legend[] = {{line_class[0], "M0 0h24", "A"},
                                    {line_class[1], "M0 0h24", "B"},
                                    {"fgf", diamond, "fast retransmit, RACK"},
                                    {"fgf", triangle, "timeout"},
                                    {NULL, NULL, NULL}};
    plot_panel(plot, height, "Acknowledged", legend);
    struct axis y = {0, BYTES * 1.03, plot->y + height, plot->y, false};
    svg_ticks_y(plot->out, &y, UNIT_BYTES, PLOT_LEFT, PLOT_RIGHT);
    for (int i = 0; i < 2; i++) {
        const struct trace_conn *conn = runs[i].conn;
        struct pen pen;
        double x = PLOT_LEFT;
        uint64_t una = 1;
        pen_begin(&pen, plot->out, line_class[i]);
        pen_step(&pen, x, axis_at(&y, 0));
        for (size_t k = 0; k < conn->seg_count; k++) {
            const struct trace_seg *seg = &conn->segs[k];
            if (seg->out || seg->lost || seg->ack <= una || seg->ack > BYTES + 1)
                continue;
            una = seg->ack;
            pen_step(&pen, x = at_x(plot, &runs[i], seg->t_us), axis_at(&y, (double)una - 1));
        }
        pen_end(&pen, x);
        for (size_t k = 0; k < conn->seg_count; k++) {
            const struct trace_seg *seg = &conn->segs[k];
            bool timeout = strcmp(seg->why, "RTO") == 0;
            bool fast = strcmp(seg->why, "FAST_RETRANSMIT") == 0 || strcmp(seg->why, "RACK") == 0;
            if (seg->len > 0 && (timeout || fast))
                fprintf(plot->out, "<path class=\"%s\" transform=\"translate(%.1f %.1f)\" d=\"%s\"/>\n",
                        mark_class[i], at_x(plot, &runs[i], seg->t_us) - 12, axis_at(&y, (double)seg->seq),
                        timeout ? triangle : diamond);
        }
    }
    plot_panel_end(plot, height);
}

static void draw_cwnd(struct plot *plot, struct run runs[2], double height)
{
    static const struct legend legend[] = {
        {"data line", "M0 0h24", "A"}, {"edge line dash", "M0 0h24", "B"}, {NULL, NULL, NULL}};
    uint64_t most = 1;
    for (int i = 0; i < 2; i++)
        for (size_t k = 0; k < runs[i].conn->number_count; k++)
            most = runs[i].conn->numbers[k].cwnd > most ? runs[i].conn->numbers[k].cwnd : most;
    plot_panel(plot, height, "Congestion window", legend);
    struct axis y = {0, (double)most * 1.05, plot->y + height, plot->y, false};
    svg_ticks_y(plot->out, &y, UNIT_BYTES, PLOT_LEFT, PLOT_RIGHT);
    for (int i = 0; i < 2; i++) {
        const struct trace_conn *conn = runs[i].conn;
        struct pen pen;
        pen_begin(&pen, plot->out, line_class[i]);
        for (size_t k = 0; k < conn->number_count; k++)
            if (conn->numbers[k].cwnd > 0 && conn->numbers[k].t_us <= runs[i].begin_us + runs[i].us)
                pen_step(&pen, at_x(plot, &runs[i], conn->numbers[k].t_us),
                         axis_at(&y, (double)conn->numbers[k].cwnd));
        pen_end(&pen, at_x(plot, &runs[i], runs[i].begin_us + runs[i].us));
    }
    plot_panel_end(plot, height);
}

static void draw(struct run runs[2], FILE *to)
{
    const double acked = 380, cwnd = 200, top = 92;
    const double end = (double)(runs[0].us > runs[1].us ? runs[0].us : runs[1].us) / 1e6;
    struct plot plot = {.out = to, .x = {0, end * 1.02, PLOT_LEFT, PLOT_RIGHT, false}, .y = top};
    char text[200];
    svg_begin(to, PLOT_WIDTH, top + acked + cwnd + 2 * 32 + 46, "One transfer under two settings");
    svg_text(to, PLOT_LEFT, 26, "fgf big", "start", "One transfer under two settings");
    for (int i = 0; i < 2; i++) {
        result(&runs[i], text);
        svg_text(to, PLOT_LEFT, 48 + 18 * i, i == 0 ? "dataf bold" : "edgef bold", "start", "%s  %s: %s",
                 runs[i].label, *runs[i].text != '\0' ? runs[i].text : "(as it is)", text);
    }
    draw_acked(&plot, runs, acked);
    draw_cwnd(&plot, runs, cwnd);
    svg_ticks_x(to, &plot.x, UNIT_SECONDS, plot.y - 12, plot.y - 12, true);
    svg_text(to, (PLOT_LEFT + PLOT_RIGHT) / 2, plot.y + 26, "fgf", "middle", "time since the first data");
    svg_end(to);
}

int compare_main(const struct lesson_request *request)
{
    static struct run runs[2];
    static const char *const names[] = {"compare-a", "compare-b"};
    char text[200];
    for (int i = 0; i < 2; i++) {
        runs[i].label = i == 0 ? "A" : "B";
        runs[i].text = i == 0 ? request->a : request->b;
        int status = parse(request->cli, &runs[i]);
        if (status != 0)
            return status;
    }
    lesson_directory(request->dir);
    for (int i = 0; i < 2; i++) {
        runs[i].trace_file = lesson_path(request->dir, names[i], "ndjson");
        runs[i].capture = lesson_path(request->dir, names[i], "pcapng");
        if (run_child(&runs[i]) != 0)
            return CLI_FAILURE;
        evaluate(&runs[i]);
        result(&runs[i], text);
        printf("%s  %s\n", runs[i].label, *runs[i].text != '\0' ? runs[i].text : "(as it is)");
        lesson_print("   ", text);
    }
    const char *svg = lesson_path(request->dir, "compare", "svg");
    FILE *to = fopen(svg, "we");
    if (to == NULL)
        lesson_fail("%s: %s", svg, strerror(errno));
    draw(runs, to);
    if (fflush(to) != 0 || fclose(to) != 0)
        lesson_fail("%s: %s", svg, strerror(errno));
    printf("%s took %.2f times as long as %s.\nWritten: %s, and compare-a and -b.ndjson and .pcapng\n",
           runs[0].us > runs[1].us ? "A" : "B",
           runs[0].us > runs[1].us ? (double)runs[0].us / (double)runs[1].us
                                   : (double)runs[1].us / (double)runs[0].us,
           runs[0].us > runs[1].us ? "B" : "A", svg);
    for (int i = 0; i < 2; i++)
        trace_free(&runs[i].trace);
    return 0;
}
