/* test_plot.c - rill plot, ladder and why say the same as the trace that they were given.
 *
 * The files come from two engines in virtual time (trace_sample.h), so what is in them is known by count.
 * `test_plot --story FILE` writes the trace of which README.md shows the picture. */
#include "prng.h"
#include "said.h"
#include "trace_sample.h"

static struct trace_sample_counts write_sample(const struct trace_sample_plan *plan)
{
    FILE *json = fopen(path("a.ndjson"), "w"), *pcapng = fopen(path("a.pcapng"), "w");
    assert_true(json != NULL && pcapng != NULL);
    struct trace_sample_counts counts = trace_sample_write(plan, json, pcapng);
    assert_int_equal(fclose(json), 0);
    assert_int_equal(fclose(pcapng), 0);
    return counts;
}

/* Every element that opens closes, in order, and text has no bare < or &; xmllint says more where it is. */
static void assert_well_formed(const char *name)
{
    char *text = read_file(name), command[200];
    const char *open[64] = {NULL};
    size_t depth = 0, elements = 0;
    for (const char *at = text; (at = strchr(at, '<')) != NULL; at++) {
        const char *end = strchr(at, '>');
        assert_non_null(end);
        assert_true(strcspn(at + 1, "<") > (size_t)(end - at - 1));
        size_t len = strcspn(at + 1 + (at[1] == '/'), " />");
        elements++;
        if (at[1] == '/') {
            assert_true(depth > 0);
            assert_memory_equal(open[--depth], at + 2, len);
        } else if (end[-1] != '/') {
            assert_true(depth < COUNT_OF(open));
            open[depth++] = at + 1;
        }
    }
    assert_int_equal(depth, 0);
    assert_true(elements > 10);
    for (const char *at = text; (at = strchr(at, '&')) != NULL; at++)
        assert_true(strncmp(at, "&amp;", 5) == 0 || strncmp(at, "&lt;", 4) == 0 ||
                    strncmp(at, "&quot;", 6) == 0);
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf\""));
    free(text);
    (void)snprintf(command, sizeof command, "! command -v xmllint >/dev/null || xmllint --noout %s", name);
    assert_int_equal(system(command), 0);
}

static const char *const files[] = {"a.ndjson", "a.pcapng"};

static void story__has_what_the_other_tests_count(void **state)
{
    struct trace_sample_counts counts = write_sample(&trace_sample_story);
    (void)state;
    assert_true(counts.rtos > 0 && counts.fast > 0 && counts.probes > 0 && counts.lost > 1);
    assert_true(counts.resent > counts.rtos + counts.fast);
}

static void plot__marks__are_as_many_as_in_the_trace(void **state)
{
    struct trace_sample_counts counts = write_sample(&trace_sample_story);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        assert_int_equal(RUN(plot_main, (char *)path(files[i]), "-o", (char *)path("x.svg")), 0);
        assert_well_formed(path("x.svg"));
        char *svg = read_file(path("x.svg"));
        assert_int_equal(count(svg, "<g class=\"resent"), counts.resent);
        assert_int_equal(count(svg, "<g class=\"probe"), counts.probes);
        assert_int_equal(count(svg, " dropped\"><title>"), counts.lost);
        assert_int_equal(count(svg, ">thinned out"), 0);
        assert_true(count(svg, "prefers-color-scheme:dark") == 1);
        assert_int_equal(count(svg, "href"), 0); /* self-contained */
        assert_int_equal(count(svg, "class=\"limit\"") > 0, i == 0);
        free(svg);
    }
}

static void plot__each_direction_and_part__is_well_formed(void **state)
{
    static const struct trace_sample_plan plan = {
        .bytes = 50000, .upload = 90000, .drop_upload = 20, .reset_us = 400000};
    (void)state;
    (void)write_sample(&plan);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        char *from = (char *)path(files[i]), *to = (char *)path("x.svg");
        assert_int_equal(RUN(plot_main, from, "--dir", "in", "-o", to), 0);
        assert_well_formed(to);
        char *svg = read_file(to);
        assert_int_equal(count(svg, "<g class=\"resent"),
                         1); /* the client repeats what was lost, and no more */
        free(svg);
        assert_int_equal(RUN(plot_main, from, "--dir", "both", "--from", "0.05", "--to", "0.1", "-o", to), 0);
        assert_well_formed(to);
    }
}

static void plot__more_marks_than_can_be_seen__are_thinned_with_a_note(void **state)
{
    FILE *file = fopen(path("b.ndjson"), "w");
    (void)state;
    assert_non_null(file);
    fputs("{\"t\":0,\"ev\":\"start\",\"version\":1}\n", file);
    for (unsigned int i = 0; i < 50000; i++)
        fprintf(file,
                "{\"t\":%u.%06u,\"ev\":\"out\",\"conn\":1,\"flags\":\".\",\"seq\":%u,\"len\":100,\"ack\":1,"
                "\"rel\":true%s}\n",
                i / 1000, i % 1000 * 1000, i * 100 + 1, i % 1000 == 7 ? ",\"again\":true" : "");
    assert_int_equal(fclose(file), 0);
    assert_int_equal(RUN(plot_main, (char *)path("b.ndjson"), "-o", (char *)path("x.svg")), 0);
    char *svg = read_file(path("x.svg"));
    assert_int_equal(count(svg, "<g class=\"resent"), 50); /* these are never left out */
    assert_true(count(svg, "<g class=\"seg") <= 20000 && count(svg, "<g class=\"seg") > 10000);
    assert_int_equal(count(svg, ">thinned out"), 1);
    free(svg);
}

static void ladder__a_line_for_each_segment__and_a_cut_arrow_for_each_lost(void **state)
{
    static const struct trace_sample_plan plan = {.bytes = 60000,
                                                  .upload = 9000,
                                                  .drop_data = {5, 20},
                                                  .drop_upload = 3,
                                                  .lost_acks_us = {60000, 70000}};
    struct trace_sample_counts counts = write_sample(&plan);
    (void)state;
    assert_true(counts.lost > 3);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        char *from = (char *)path(files[i]), *to = (char *)path("x.svg");
        assert_int_equal(RUN(ladder_main, from), 0);
        char *text = read_file(path("out"));
        assert_int_equal(lines_with(text, "│", ""), counts.segments);
        assert_int_equal(lines_with(text, "✗", "LOST"), counts.lost);
        assert_int_equal(lines_with(text, "│", "→") + lines_with(text, "│", "←"),
                         counts.segments - counts.lost);
        assert_int_equal(lines_with(text, " · ", " to "), i == 0 ? counts.states : 0);
        assert_int_equal(count(text, "\33"), 0); /* no colours but on a terminal */
        free(text);
        assert_int_equal(RUN(ladder_main, from, "-o", to, "--max", "50"), 0);
        assert_well_formed(to);
        text = read_file(to);
        assert_int_equal(count(text, "class=\"arrow\""), 50);
        assert_int_equal(count(text, "more segments"), 1);
        free(text);
    }
}

static void ladder__pause__stands_before_the_first_line_after_it(void **state)
{
    (void)state;
    char *text = said_of(
        ladder_main,
        SEG("0.1", "in", "F.", "1", "0", "1",
            "") "{\"t\":0.1,\"ev\":\"state\",\"conn\":1,\"from\":\"ESTABLISHED\",\"to\":\"CLOSE-WAIT\"}\n"
                "{\"t\":0.6,\"ev\":\"state\",\"conn\":1,\"from\":\"CLOSE-WAIT\",\"to\":\"LAST-ACK\"}\n" SEG(
                    "0.6", "out", "F.", "1", "0", "2", ""));
    const char *early = strstr(text, "to CLOSE-WAIT"), *pause = strstr(text, "⋮ 500 ms later"),
               *late = strstr(text, "to LAST-ACK");
    assert_true(early != NULL && pause != NULL && late != NULL);
    assert_true(early < pause && pause < late);
    assert_int_equal(count(text, "⋮"), 1);
    free(text);
}

/* RFC 9293 3.8.6.1: with the window closed and nothing in flight it asks for the window; RFC 6298 5.4 else.
 */
static void ladder__timer__is_the_persist_timer_with_nothing_in_flight(void **state)
{
#define FIRED(t) "{\"t\":" t ",\"ev\":\"timer\",\"conn\":1,\"timer\":\"XMIT\",\"fired\":true}\n"
#define NUMBERS(t, flight, wnd)                                                                              \
    "{\"t\":" t ",\"ev\":\"numbers\",\"conn\":1,\"flight\":" flight ",\"snd_wnd\":" wnd "}\n"
    static const struct {
        const char *lines, *timer;
    } cases[] = {
        {FIRED("0.5") SEG("0.5", "out", ".", "1", "1", "1", ",\"why\":\"PROBE\",\"n\":1"), "persist (probe)"},
        {FIRED("0.5") SEG("0.5", "out", ".", "1", "9", "1", AGAIN("RTO")), "retransmission"},
        {FIRED("0.5") SEG("0.5", "out", ".", "1", "9", "1", AGAIN("LOSS_PROBE")), "tail loss probe"},
        {FIRED("0.5") SEG("0.5", "out", ".", "1", "9", "1", AGAIN("RACK")), "reordering"},
        {NUMBERS("0.1", "0", "0") FIRED("0.5") SEG("0.6", "in", ".", "1", "0", "1", ""), "persist (probe)"},
        {NUMBERS("0.1", "9", "0") FIRED("0.5") SEG("0.6", "in", ".", "1", "0", "1", ""), "persist (probe)"},
        {NUMBERS("0.1", "9", "99") FIRED("0.5") SEG("0.6", "in", ".", "1", "0", "1", ""), "retransmission"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *text = said_of(ladder_main, cases[i].lines);
        assert_int_equal(count(text, "timer expires"), 1);
        assert_int_equal(lines_with(text, cases[i].timer, "timer expires"), 1);
        free(text);
    }
}

static void ladder__narrow_terminal__keeps_to_its_width(void **state)
{
    (void)state;
    (void)write_sample(&trace_sample_story);
    assert_int_equal(setenv("COLUMNS", "80", 1), 0);
    assert_int_equal(RUN(ladder_main, (char *)path("a.ndjson")), 0);
    assert_int_equal(unsetenv("COLUMNS"), 0);
    char *text = read_file(path("out"));
    size_t columns = 0;
    for (const char *at = text; *at != '\0'; at++) {
        columns = *at == '\n' ? 0 : columns + ((*at & 0xc0) != 0x80);
        assert_true(columns <= 80);
    }
    free(text);
}

static void why__each_retransmission__is_named_with_cause_and_section(void **state)
{
    struct trace_sample_counts counts = write_sample(&trace_sample_story);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        assert_int_equal(RUN(why_main, (char *)path(files[i])), 0);
        char *text = read_file(path("out"));
        assert_int_equal(lines_with(text, " again", "[RFC "), counts.resent);
        assert_int_equal(lines_with(text, "cause:", ""), counts.resent);
        assert_int_equal(lines_with(text, "again: RTO #", "[RFC 6298"), counts.rtos);
        assert_int_equal(lines_with(text, "fast retransmit", "[RFC 5681 3.2]"), counts.fast);
        assert_int_equal(lines_with(text, "zero-window probe", "[RFC 9293 3.8.6.1]"), counts.probes);
        assert_int_equal(lines_with(text, "the emulator dropped it", ""), counts.lost);
        assert_int_equal(lines_with(text, "closed its direction", "[RFC 9293 3.6]"), 2);
        if (i == 0)
            assert_true(lines_with(text, "stall:", "receiver's window") > 0);
        assert_int_equal(lines_with(text, "900000 bytes out", ""), 1);
        free(text);
    }
}

static void why__lost_acks__are_told_from_lost_data(void **state)
{
    static const struct trace_sample_plan plan = {.bytes = 2000, .lost_acks_us = {1000, 300000}};
    (void)state;
    (void)write_sample(&plan);
    assert_int_equal(RUN(why_main, (char *)path("a.ndjson")), 0);
    char *text = read_file(path("out"));
    assert_true(lines_with(text, "cause:", "dropped its ACK") > 0);
    assert_int_equal(lines_with(text, "cause:", "dropped it ("), 0);
    free(text);
}

static void flipped_bit__is_no_drop_of_the_emulator(void **state)
{
    static const char lines[] = SEG("0.1", "out", ".", "1", "10", "1", "")
        FATE("out", "corrupt", ".", "1", "10") SEG("0.4", "out", ".", "1", "10", "1", AGAIN("RTO"));
    (void)state;
    char *text = said_of(why_main, lines);
    assert_int_equal(
        lines_with(text, "cause: ", "the emulator flipped a bit in it; its checksum made the receiver"), 1);
    assert_int_equal(count(text, "the emulator dropped it"), 0);
    free(text);
    /* In a capture the bit may be one of the number, so that the two do not meet. */
    text = said_of(why_main,
                   SEG("0.1", "out", ".", "4097", "10", "1", "") FATE("out", "corrupt", ".", "4097", "10")
                       SEG("0.4", "out", ".", "1", "10", "1", AGAIN("RTO")));
    assert_int_equal(lines_with(text, "cause: ", "at 0.100000 the emulator flipped a bit in its header"), 1);
    free(text);
    text = said_of(ladder_main, lines);
    assert_int_equal(lines_with(text, "✗", "BIT FLIPPED: fails the checksum"), 1);
    assert_int_equal(count(text, "LOST"), 0);
    free(text);
}

/* RFC 9293 3.8.1: the timer brings the SYN-ACK again, or the peer's SYN does. */
static void why__syn_ack_again__tells_the_timer_from_a_repeated_syn(void **state)
{
    (void)state;
    char *text =
        said_of(why_main, SEG("0.1", "in", "S", "0", "0", "0", "") SEG("0.1", "out", "S.", "0", "0", "1", "")
                              SEG("1.1", "in", "S", "0", "0", "0", ",\"again\":true")
                                  SEG("1.1", "out", "S.", "0", "0", "1", AGAIN("SYN_ACK")));
    assert_int_equal(lines_with(text, "sent the SYN-ACK again", "[RFC 9293 3.8.1, 3.10.7.4]"), 1);
    assert_int_equal(count(text, "the peer repeated its SYN"), 1);
    assert_int_equal(count(text, "the timer had to expire"), 0);
    assert_int_equal(count(text, "3.8.3"), 0);
    free(text);
    text =
        said_of(why_main, SEG("0.1", "in", "S", "0", "0", "0", "") SEG("0.1", "out", "S.", "0", "0", "1", "")
                              SEG("1.1", "out", "S.", "0", "0", "1", AGAIN("RTO")));
    assert_int_equal(lines_with(text, "sent the SYN-ACK again", "[RFC 6298 5.4-5.6]"), 1);
    assert_int_equal(count(text, "repeated its SYN"), 0);
    assert_int_equal(count(text, "the timer had to expire"), 1);
    free(text);
}

/* RFC 6582 3.2, step 2: no fast retransmit unless the ACK covers more than recover; then only the timer
 * helps. */
#define DUP_ACKS                                                                                             \
    SEG("0.1", "out", ".", "1", "10", "1", "")                                                               \
    SEG("0.1", "in", ".", "1", "0", "1", "")                                                                 \
    SEG("0.2", "in", ".", "1", "0", "1", "")                                                                 \
    SEG("0.2", "in", ".", "1", "0", "1", "")                                                                 \
    SEG("0.2", "in", ".", "1", "0", "1", "")
static void why__stall_with_duplicate_acks__says_how_many_and_why_no_fast_retransmit(void **state)
{
    static const char lines[] = DUP_ACKS
        "{\"t\":0.2,\"ev\":\"event\",\"conn\":1,\"name\":\"FAST_RETRANSMIT_HELD\",\"text\":\"x\"}\n" SEG(
            "0.9", "out", ".", "1", "10", "1", AGAIN("RTO"));
    (void)state;
    char *text = said_of(why_main, lines);
    assert_int_equal(lines_with(text, "stall: ", "3 duplicate ACKs came"), 1);
    assert_int_equal(lines_with(text, "does not cover more than recover", "[RFC 6582 3.2]"), 1);
    assert_int_equal(count(text, "no ACK came"), 0);
    free(text);
    text = said_of(why_main, DUP_ACKS SEG("0.9", "out", ".", "1", "10", "1", AGAIN("RTO")));
    assert_int_equal(lines_with(text, "3 duplicate ACKs came", "[RFC 6298 5]"), 1);
    assert_int_equal(count(text, "recover"), 0);
    free(text);
}

static void why__data_with_a_fin_again__names_the_fin(void **state)
{
    (void)state;
    char *text = said_of(why_main, SEG("0.1", "out", "F.", "1", "3", "1", "")
                                       SEG("0.4", "out", "F.", "1", "3", "1", AGAIN("RTO")));
    assert_int_equal(lines_with(text, "rill sent 1:4(3) and the FIN again", ""), 1);
    free(text);
}

/* Every comment of a capture becomes the end of the options: now it could be anybody's. */
static void remove_comments(const char *name)
{
    char *data = read_file(name);
    struct stat info;
    uint32_t type, len, caplen;
    assert_int_equal(stat(name, &info), 0);
    for (size_t pos = 0; pos + 12 <= (size_t)info.st_size; pos += len) {
        memcpy(&type, data + pos, 4);
        memcpy(&len, data + pos + 4, 4);
        memcpy(&caplen, data + pos + 20, 4);
        size_t options = pos + 28 + (caplen + 3) / 4 * 4;
        if (type == 6 && options + 4 < pos + len)
            memset(data + options, 0, 4);
    }
    FILE *file = fopen(name, "w");
    assert_true(file != NULL && fwrite(data, 1, (size_t)info.st_size, file) == (size_t)info.st_size);
    assert_int_equal(fclose(file), 0);
    free(data);
}

static void why__capture_without_comments__calls_both_by_address(void **state)
{
    (void)state;
    (void)write_sample(&trace_sample_story);
    assert_int_equal(RUN(why_main, (char *)path("a.pcapng")), 0);
    char *text = read_file(path("out"));
    assert_true(lines_with(text, "rill closed its direction", "") == 1);
    free(text);
    remove_comments(path("a.pcapng"));
    assert_int_equal(RUN(why_main, (char *)path("a.pcapng")), 0);
    text = read_file(path("out"));
    assert_int_equal(count(text, "rill"), 0);
    assert_int_equal(lines_with(text, "10.77.0.2:19 closed its direction", ""), 1);
    assert_int_equal(lines_with(text, " 10.77.0.1:", " closed its direction"), 1);
    free(text);
}

static void why__reset__says_who_and_why(void **state)
{
    static const struct trace_sample_plan plan = {.bytes = 500000, .reset_us = 200000};
    (void)state;
    (void)write_sample(&plan);
    assert_int_equal(RUN(why_main, (char *)path("a.ndjson")), 0);
    char *text = read_file(path("out"));
    assert_int_equal(lines_with(text, "rill reset the connection: reset: aborted", "[RFC 9293 3.5.2"), 1);
    free(text);
}

static void commands__misuse_is_2__bad_files_are_1_with_the_reason(void **state)
{
    int (*const commands[])(int, char **) = {plot_main, ladder_main, why_main};
    (void)state;
    (void)write_sample(&(struct trace_sample_plan){.bytes = 100});
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        char *file = (char *)path("a.ndjson");
        assert_int_equal(run(commands[i], (char *[]){"x", NULL}), CLI_USAGE);
        assert_int_equal(RUN(commands[i], file, "another"), CLI_USAGE);
        assert_int_equal(RUN(commands[i], "--conn", "x", file), CLI_USAGE);
        assert_int_equal(RUN(commands[i], "--nonsense", file), CLI_USAGE);
        assert_int_equal(RUN(commands[i], "--help"), 0);
        assert_int_equal(RUN(commands[i], (char *)path("none")), CLI_FAILURE);
        char *text = read_file(path("err"));
        assert_non_null(strstr(text, "No such file"));
        free(text);
        assert_int_equal(RUN(commands[i], "--conn", "99", file), CLI_FAILURE);
        text = read_file(path("err"));
        assert_non_null(strstr(text, "no connection 99"));
        free(text);
        assert_int_equal(RUN(commands[i], "-o", "/dev/full", file), CLI_FAILURE);
    }
    char *pcapng = read_file(path("a.pcapng"));
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        assert_int_equal(RUN(commands[i], "--local", "10.77.0.1", (char *)path("a.ndjson")), CLI_USAGE);
        assert_int_equal(
            RUN(commands[i], "--local", "10.77.0.1", "-o", (char *)path("x.svg"), (char *)path("a.pcapng")),
            0);
        FILE *file = fopen(path("c"), "w"); /* cut off in its head */
        assert_true(file != NULL && fwrite(pcapng, 1, 20, file) == 20 && fclose(file) == 0);
        assert_int_equal(RUN(commands[i], "-o", (char *)path("x.svg"), (char *)path("c")), CLI_FAILURE);
    }
    free(pcapng);
    assert_int_equal(RUN(plot_main, "--dir", "up", "f"), CLI_USAGE);
    assert_int_equal(RUN(plot_main, "--from", "2", "--to", "1", "f"), CLI_USAGE);
    assert_int_equal(RUN(ladder_main, "--max", "0", "f"), CLI_USAGE);
}

static void commands__files_that_lie__are_survived_and_pictures_stay_well_formed(void **state)
{
    static const struct trace_sample_plan plan = {.bytes = 30000, .drop_data = {5}};
    struct prng prng = prng_seed(5);
    (void)state;
    (void)write_sample(&plan);
    for (int round = 0; round < 120; round++) {
        struct stat info;
        char *from = (char *)path("c"), *to = (char *)path("x.svg");
        const char *name = path(files[round % 2]);
        char *data = read_file(name);
        assert_int_equal(stat(name, &info), 0);
        for (int i = 0; i < 40; i++) { /* digits above all, so that it can still be read */
            char *at = data + prng_below(&prng, (uint64_t)info.st_size);
            if (round % 2 == 1 || (*at >= '0' && *at <= '9'))
                *at = round % 2 == 1 ? (char)prng_u32(&prng) : (char)('0' + prng_below(&prng, 10));
        }
        FILE *file = fopen(from, "w");
        assert_non_null(file);
        (void)fwrite(data, 1, (size_t)info.st_size, file);
        assert_int_equal(fclose(file), 0);
        free(data);
        (void)RUN(why_main, from);
        (void)RUN(ladder_main, from);
        if (RUN(plot_main, from, "--dir", "both", "-o", to) == 0 && round % 10 < 2)
            assert_well_formed(to);
        (void)RUN(ladder_main, from, "-o", to);
    }
}

static void write_story(void **state)
{
    FILE *file = fopen(*state, "w");
    assert_non_null(file);
    (void)trace_sample_write(&trace_sample_story, file, NULL);
    assert_int_equal(fclose(file), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(story__has_what_the_other_tests_count),
        cmocka_unit_test(plot__marks__are_as_many_as_in_the_trace),
        cmocka_unit_test(plot__each_direction_and_part__is_well_formed),
        cmocka_unit_test(plot__more_marks_than_can_be_seen__are_thinned_with_a_note),
        cmocka_unit_test(ladder__a_line_for_each_segment__and_a_cut_arrow_for_each_lost),
        cmocka_unit_test(ladder__narrow_terminal__keeps_to_its_width),
        cmocka_unit_test(why__each_retransmission__is_named_with_cause_and_section),
        cmocka_unit_test(why__lost_acks__are_told_from_lost_data),
        cmocka_unit_test(flipped_bit__is_no_drop_of_the_emulator),
        cmocka_unit_test(why__syn_ack_again__tells_the_timer_from_a_repeated_syn),
        cmocka_unit_test(why__stall_with_duplicate_acks__says_how_many_and_why_no_fast_retransmit),
        cmocka_unit_test(why__data_with_a_fin_again__names_the_fin),
        cmocka_unit_test(ladder__pause__stands_before_the_first_line_after_it),
        cmocka_unit_test(ladder__timer__is_the_persist_timer_with_nothing_in_flight),
        cmocka_unit_test(why__capture_without_comments__calls_both_by_address),
        cmocka_unit_test(why__reset__says_who_and_why),
        cmocka_unit_test(commands__misuse_is_2__bad_files_are_1_with_the_reason),
        cmocka_unit_test(commands__files_that_lie__are_survived_and_pictures_stay_well_formed),
    };
    if (argc == 3 && strcmp(argv[1], "--story") == 0) {
        const struct CMUnitTest story[] = {cmocka_unit_test_prestate(write_story, argv[2])};
        return cmocka_run_group_tests_name("the trace of tests/plot.svg", story, NULL, NULL);
    }
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
