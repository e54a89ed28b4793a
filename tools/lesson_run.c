/* lesson_run.c - runs a lesson from beginning to end, holds its trace against its claims, tells about it. */
#include "lesson.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum { COLUMNS = 78, LIMIT_S = 40, PATHS = 8, LINE_BYTES = 320 };

static const char *at_work = "--compare"; /* for messages */

void lesson_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fflush(stdout);
    fprintf(stderr, "rill lab: %s: ", at_work);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(CLI_FAILURE);
}

static void too_late(int signal_number)
{
    static const char text[] = "rill lab: the experiment did not come to its end in time\n";
    (void)signal_number;
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(CLI_FAILURE);
}

void lesson_limit(unsigned seconds)
{
    signal(SIGALRM, too_late);
    signal(SIGPIPE, SIG_DFL);
    alarm(seconds);
}

const char *lesson_path(const char *dir, const char *name, const char *suffix)
{
    static char paths[PATHS][PATH_MAX];
    static int used;
    char *path = paths[used++ % PATHS];
    if (snprintf(path, PATH_MAX, "%s/%s.%s", dir, name, suffix) >= PATH_MAX)
        lesson_fail("%s: the name is too long", dir);
    return path;
}

void lesson_directory(const char *dir)
{
    if (mkdir(dir, 0777) != 0 && errno != EEXIST)
        lesson_fail("%s: %s", dir, strerror(errno));
}

/* ---- Printing ------------------------------------------------------------------------------------------ */

void lesson_print(const char *indent, const char *text)
{
    size_t column = 0;
    while (*text != '\0') {
        size_t word = strcspn(text, " \n"), blanks = strspn(text + word, " ");
        if (column > 0 && column + 1 + word > COLUMNS) {
            fputc('\n', stdout);
            column = 0;
        }
        column += (size_t)printf("%s%.*s", column == 0 ? indent : " ", (int)word, text);
        text += word + blanks;
        if (*text == '\n') {
            fputc('\n', stdout);
            column = 0;
            text++;
        }
    }
    if (column > 0)
        fputc('\n', stdout);
}

static void print_titled(const char *title, const char *text)
{
    printf("%s\n", title);
    lesson_print("  ", text);
    printf("\n");
}

/* Another subcommand on a file of ours; `output` NULL: it prints here. */
static void show(int (*command)(int argc, char **argv), const char *file, const char *option,
                 const char *value, const char *output)
{
    const char *words[] = {"rill", file, option, value, "-o", output, NULL};
    char *argv[8];
    int argc = 0;
    for (; words[argc] != NULL && !(argc == 4 && output == NULL); argc++)
        argv[argc] = (char *)(uintptr_t)words[argc];
    argv[argc] = NULL;
    optind = 0;
    fflush(stdout);
    if (command(argc, argv) != 0)
        exit(CLI_FAILURE);
}

/* The first lines of `rill why`, wrapped. */
static void print_why(const char *trace_file, unsigned lines)
{
    char text[400], path[64];
    int fd = memfd_create("why", MFD_CLOEXEC);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (file == NULL)
        lesson_fail("a temporary file: %s", strerror(errno));
    show(why_main, trace_file, "--conn", "1", path);
    while (fgets(text, sizeof text, file) != NULL && lines > 0) {
        text[strcspn(text, "\n")] = '\0';
        size_t blanks = strspn(text, " ");
        lesson_print(blanks > 11 ? "            " : blanks > 1 ? "  " : "", text + blanks);
        lines--;
    }
    if (fgetc(file) != EOF)
        printf("  ... (rill why %s says the rest)\n", trace_file);
    (void)fclose(file);
}

/* ---- Claims -------------------------------------------------------------------------------------------- */

struct line {
    uint64_t t_us;
    uint32_t order;
    char text[LINE_BYTES];
};

struct lines {
    struct line *line;
    size_t count;
};

static void segment_line(const struct trace_seg *seg, char text[LINE_BYTES])
{
    char flags[10];
    int n = snprintf(text, LINE_BYTES, "%c %s %" PRIu64 ":%" PRIu64 "(%u) ack %" PRIu64 " win %u",
                     seg->out ? '>' : '<', trace_flags(seg->flags, flags), seg->seq, seg->seq + seg->len,
                     seg->len, seg->ack, seg->win);
    for (int i = 0; i < seg->sacks; i++)
        n += snprintf(text + n, LINE_BYTES - (size_t)n, "%s %" PRIu64 ":%" PRIu64, i == 0 ? " sack" : "",
                      seg->sack[i][0], seg->sack[i][1]);
    n += snprintf(text + n, LINE_BYTES - (size_t)n, " lost=%.20s",
                  !seg->lost          ? "no"
                  : seg->fate == NULL ? "yes"
                                      : seg->fate);
    if (*seg->why != '\0')
        n += snprintf(text + n, LINE_BYTES - (size_t)n, " why=%.20s n=%u", seg->why, seg->n);
    if (*seg->held != '\0')
        n += snprintf(text + n, LINE_BYTES - (size_t)n, " held=%.20s", seg->held);
    if (seg->again)
        (void)snprintf(text + n, LINE_BYTES - (size_t)n, " again");
}

static int by_order(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    return (x->order > y->order) - (x->order < y->order);
}

static struct lines lines_of(const struct trace *trace)
{
    struct lines all = {NULL, 0};
    size_t room = 1;
    for (size_t i = 0; i < trace->conn_count; i++)
        room += trace->conns[i].seg_count + trace->conns[i].note_count;
    all.line = calloc(room, sizeof *all.line);
    if (all.line == NULL)
        lesson_fail("out of memory");
    for (size_t i = 0; i < trace->conn_count; i++) {
        const struct trace_conn *conn = &trace->conns[i];
        for (size_t k = 0; k < conn->seg_count; k++) {
            struct line *line = &all.line[all.count++];
            *line = (struct line){.t_us = conn->segs[k].t_us, .order = conn->segs[k].order};
            segment_line(&conn->segs[k], line->text);
        }
        for (size_t k = 0; k < conn->note_count; k++) {
            const struct trace_note *note = &conn->notes[k];
            struct line *line = &all.line[all.count++];
            *line = (struct line){.t_us = note->t_us, .order = note->order};
            (void)snprintf(line->text, sizeof line->text, "%s %.60s%s%.60s",
                           note->kind == NOTE_STATE   ? "state"
                           : note->kind == NOTE_TIMER ? "timer"
                                                      : "event",
                           note->a, note->kind == NOTE_STATE ? " " : "",
                           note->kind == NOTE_STATE ? note->b : "");
        }
    }
    qsort(all.line, all.count, sizeof *all.line, by_order);
    return all;
}

/* One claim; `*at`: where those in order have come to. */
static bool holds(const struct lines *all, const struct claim *claim, size_t *at, char when[40])
{
    const char *pattern = claim->pattern;
    size_t count = 0;
    when[0] = '\0';
    if (*pattern == '=') {
        char *end;
        unsigned long wanted = strtoul(pattern + 1, &end, 10);
        for (size_t i = 0; i < all->count; i++)
            count += fnmatch(end + 1, all->line[i].text, 0) == 0;
        (void)snprintf(when, 40, "%zu x", count);
        return count == wanted;
    }
    for (; *at < all->count; (*at)++) {
        if (fnmatch(pattern, all->line[*at].text, 0) == 0) {
            (void)snprintf(when, 40, "%.6f s", (double)all->line[(*at)++].t_us / 1e6);
            return true;
        }
    }
    return false;
}

/* Prints what was seen; ends the program if something was not. */
static void hold(const struct lesson *lesson, const struct trace *trace)
{
    struct lines all = lines_of(trace);
    size_t at = 0;
    char when[40], fact[LESSON_FACT_BYTES], line[LESSON_FACT_BYTES + 60];
    printf("Seen in the trace\n");
    for (const struct claim *claim = lesson->claims; claim->pattern != NULL; claim++) {
        if (!holds(&all, claim, &at, when))
            lesson_fail("this did not happen: %s (%s%s%s)", claim->words, claim->pattern,
                        *when != '\0' ? ": " : "", when);
        (void)snprintf(line, sizeof line, "%-10s %s", when, claim->words);
        printf("  %s\n", line);
    }
    if (lesson->check != NULL) {
        if (!lesson->check(trace, fact))
            lesson_fail("%s", fact);
        lesson_print("  ", fact);
    }
    printf("\n");
    free(all.line);
}

/* ---- What rill runs with ---------------------------------------------------------------------------------
 */

static uint32_t features_of(const struct lesson *lesson)
{
    return 1u << RILL_FEATURE_WSCALE | lesson->features;
}

static const char *settings_of(const struct lesson *lesson, char text[200])
{
    int len = snprintf(text, 200, "%s", rill_cc_word(lesson->cubic ? RILL_CC_CUBIC : RILL_CC_RENO));
    for (int i = 0; i < RILL_FEATURE_COUNT && len < 200; i++)
        if (features_of(lesson) >> i & 1)
            len += snprintf(text + len, 200 - (size_t)len, ", %s", rill_feature_word((enum rill_feature)i));
    return text;
}

/* ---- The run ------------------------------------------------------------------------------------------- */

static void play(const struct lesson *lesson, const char *capture, const char *trace_file)
{
    struct rill_options options;
    struct stage stage = {.lesson = lesson, .rill = -1, .peer = -1};
    rill_options_default(&options);
    options.capture = capture;
    options.trace_file = trace_file;
    options.link_in = lesson->in;
    options.link_out = lesson->out;
    options.engine.features = features_of(lesson);
    options.engine.cc = lesson->cubic ? RILL_CC_CUBIC : RILL_CC_RENO;
    if (lesson->rcvbuf_bytes != 0) /* and it stays so small */
        options.engine.rcvbuf_bytes = options.engine.buf_max_bytes = lesson->rcvbuf_bytes;
    if (lesson->msl_ms != 0)
        options.engine.msl_us = lesson->msl_ms * 1000;
    if (lab_enter() != 0)
        exit(CLI_FAILURE);
    if (rill_start(&options) != 0)
        lesson_fail("%s", rill_error());
    lesson->drive(&stage);
    usleep(60000); /* the last answers */
    rill_stop(1000);
}

/* Whatever is typed; without a terminal, a line or the end of the input. */
static void wait_for_key(void)
{
    struct termios before, raw;
    bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    char key;
    printf("  (press a key for the answer) ");
    fflush(stdout);
    if (terminal) {
        raw = before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    while (read(STDIN_FILENO, &key, 1) == 1 && !terminal && key != '\n')
        ;
    if (terminal)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
    printf("\n");
}

static void tell(const struct lesson *lesson, const struct lesson_request *request, const char *trace_file)
{
    const char *svg = lesson_path(request->dir, lesson->name, "svg");
    char max[12];
    struct trace trace;
    if (trace_read(&trace, trace_file, NULL) != 0)
        lesson_fail("%s: %s", trace_file, trace.error);
    setenv("COLUMNS", "80", 0);
    if (lesson->ladder_of_first) {
        show(ladder_main, trace_file, "--conn", "1", NULL);
        printf("\n");
    }
    if (lesson->ladder > 0) {
        (void)snprintf(max, sizeof max, "%u", lesson->ladder);
        show(ladder_main, trace_file, "--max", max, NULL);
        printf("\n");
    }
    if (lesson->why > 0) {
        print_why(trace_file, lesson->why);
        printf("\n");
    }
    hold(lesson, &trace);
    trace_free(&trace);
    if (lesson->picture == PICTURE_LADDER)
        show(ladder_main, trace_file, "--max", "200", svg);
    else
        show(plot_main, trace_file, "--dir", lesson->picture == PICTURE_OUT ? "out" : "in", svg);
    printf("Written: %s/%s.svg (the picture), .pcapng (for Wireshark),\n  .ndjson (the trace: rill why, rill "
           "ladder and rill plot read it)\n\n",
           request->dir, lesson->name);
    printf("Question\n");
    lesson_print("  ", lesson->question);
    if (!request->yes)
        wait_for_key();
    printf("Answer\n");
    lesson_print("  ", lesson->answer);
}

static int list(void)
{
    for (size_t i = 0; i < lesson_count; i++)
        printf("%-18s %s\n", lessons[i].name, lessons[i].line);
    return 0;
}

static int unknown(const struct lesson_request *request)
{
    fprintf(stderr, "rill lab: --lesson: unknown lesson '%s'; there are:", request->name);
    for (size_t i = 0; i < lesson_count; i++)
        fprintf(stderr, "%s%s", i % 6 == 0 ? "\n  " : " ", lessons[i].name);
    fprintf(stderr, "\nTry 'rill lab --lesson list'.\n");
    return CLI_USAGE;
}

int lesson_main(const struct lesson_request *request)
{
    const struct lesson *lesson = NULL;
    if (strcmp(request->name, "list") == 0)
        return list();
    for (size_t i = 0; i < lesson_count; i++)
        if (strcmp(request->name, lessons[i].name) == 0)
            lesson = &lessons[i];
    if (lesson == NULL)
        return unknown(request);
    at_work = lesson->name;
    lesson_directory(request->dir);
    const char *trace_file = lesson_path(request->dir, lesson->name, "ndjson");
    char settings[200];
    printf("Lesson %s  [%s]\n", lesson->name, lesson->rfc);
    lesson_print("", lesson->line);
    printf("\n");
    print_titled("What is done", lesson->done);
    print_titled("What to look for", lesson->look);
    print_titled("What rill has here, of --cc and --with", settings_of(lesson, settings));
    fflush(stdout);
    lesson_limit(LIMIT_S);
    play(lesson, lesson_path(request->dir, lesson->name, "pcapng"), trace_file);
    alarm(0);
    tell(lesson, request, trace_file);
    return 0;
}
