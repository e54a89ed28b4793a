/* test_lessons.c - `rill lab --lesson`, `--compare` and `--break`.
 *
 * What a lesson claims is looked up in the text of its trace by grep and awk, not by the code of the lesson;
 * what has to be there is what the RFC that it teaches says. */
#include "test.h"

#include "scene.h"

/* For the scripts: $F is the trace.  c PATTERN: how many lines; v FIELD PATTERN: the field's values in one
 * line; is LIST EXPRESSION: an awk expression over the numbers $1, $2, …; ends LIST END. */
#define TOOLS                                                                                                \
    "set -e\n"                                                                                               \
    "c() { grep -cE -- \"$1\" \"$F\" || true; }\n"                                                           \
    "v() { grep -E -- \"$2\" \"$F\" | sed \"s/.*\\\"$1\\\":\\\"\\{0,1\\}\\([^\\\",}]*\\).*/\\1/\" | tr "     \
    "'\\n' ' '; }\n"                                                                                         \
    "is() { echo \"$1\" | awk \"{ exit !($2) }\"; }\n"                                                       \
    "ends() { case \"$1\" in *\"$2\") ;; *) return 1;; esac; }\n"                                            \
    "begins() { case \"$1\" in \"$2\"*) ;; *) return 1;; esac; }\n"                                          \
    "SEG='\"ev\":\"(in|out)\"' IN='\"ev\":\"in\".*' OUT='\"ev\":\"out\".*' DATA='\"len\":[1-9]'\n"

static const struct {
    const char *name, *facts;
} lessons[] = {
    /* RFC 9293 3.5, figure 6: <SEQ=ISS> SYN; SYN,ACK of ISS+1; ACK of IRS+1. */
    {"handshake", "begins \"$(v flags \"$SEG\")\" 'S S. . '\n"
                  "begins \"$(v seq \"$SEG\")\" '0 0 1 '; begins \"$(v ack \"$SEG\")\" '0 1 1 '"},
    {"numbers", "test $(c \"$OUT\\\"seq\\\":8000,\\\"len\\\":20,\") = 1\n"
                "test $(c \"$IN\\\"len\\\":0,\\\"ack\\\":8020,\") = 1\n"
                "test $(c \"$IN\\\"ack\\\":8019,\") = 0"},
    {"four-way-close",
     "ends \"$(v flags \"$SEG\")\" 'F. . F. . '; ends \"$(v ev \"$SEG\")\" 'out in in out '\n"
     "ends \"$(v ack \"$SEG\")\" '1 102 102 2 '"},
    /* Between the damaged one and its repetition nothing is answered. */
    {"checksum", "test $(c '\"fate\":\"corrupt\"') = 1\n"
                 "begins \"$(v ev \"$SEG\")\" 'out in out out out in '\n"
                 "test \"$(v len \"$OUT$DATA\")\" = '1000 1000 '; test $(c \"$IN\\\"ack\\\":1001,\") = 1"},
    {"out-of-order", "test \"$(v seq \"$IN$DATA\")\" = '1 201 301 101 '\n"
                     "ends \"$(v ack \"$OUT\\\"flags\\\":\\\"\\.\\\"\")\" '101 101 401 402 '"},
    /* RFC 6298 2.1: one second. */
    {"lost-syn", "test $(c '\"fate\":\"list\"') = 1\n"
                 "is \"$(v t \"$OUT\\\"flags\\\":\\\"S\\\"\")\" 'NF == 2 && $2 - $1 >= 1 && $2 - $1 < 1.6'"},
    /* RFC 6298 5.5: RTO <- RTO * 2. */
    {"retransmit", "test $(c '\"fate\":\"list\"') = 2; T=$(v t \"$OUT$DATA\")\n"
                   "is \"$T\" 'NF == 3 && ($3 - $2) / ($2 - $1) > 1.7 && ($3 - $2) / ($2 - $1) < 2.6'\n"
                   "test $(c '\"why\":\"RTO\"') = 2"},
    /* RFC 5681 3.2: the third duplicate, so at least four equal ACKs in all before it is sent again. */
    {"fast-retransmit",
     "awk '/\"ev\":\"in\"/ && /\"ack\":2921,/ { n++ } /\"ev\":\"out\"/ && /\"seq\":2921,\"len\":1460,/ && "
     "s++ "
     "{ m = n } END { exit !(s == 2 && m >= 4) }' $F\n"
     "test $(c '\"timer\":\"XMIT\",\"fired\"') = 0; test $(c \"$IN\\\"ack\\\":14601,\") -ge 1"},
    {"zero-window", "test $(c \"$IN\\\"win\\\":0[,}]\") -ge 3\n"
                    "test \"$(v len '\"why\":\"PROBE\"')\" = '1 1 '; T=$(v t '\"why\":\"PROBE\"')\n"
                    "is \"$T\" '$2 - $1 > 0.3'; test $(c \"$IN\\\"ack\\\":30001,\") -ge 1"},
    /* MUST-39: at least min(buffer / 2, MSS), both 1460 here. */
    {"silly-window",
     "is \"$(v len \"$IN$DATA\" | tr ' ' '\\n' | sort -u | tr '\\n' ' ')\" 'NF == 1 && $1 == 1460'\n"
     "test $(c \"$IN$DATA\") = 20"},
    {"nagle", "test \"$(v len \"$OUT$DATA\")\" = '10 40 10 10 10 10 10 '"},
    /* MUST-40, SHLD-19. */
    {"delayed-ack",
     "T=$(v t \"$IN\\\"seq\\\":1,\\\"len\\\":10,\")$(v t \"$OUT\\\"ack\\\":11,\")\n"
     "is \"$T\" 'NF == 2 && $2 - $1 > 0.001 && $2 - $1 < 0.5'\n"
     "test $(c \"$OUT\\\"ack\\\":1471,\") = 0; test $(c \"$OUT\\\"len\\\":0,\\\"ack\\\":2931,\") = 1\n"
     "test $(c \"$OUT\\\"len\\\":10,\\\"ack\\\":2941,\") = 1"},
    {"half-close",
     "awk '/\"ev\":\"out\"/ && /\"flags\":\"F/ { f = 1 } /\"ev\":\"in\"/ && /\"len\":500,/ { n += f }"
     " END { exit n != 3 }' $F\ntest $(c \"$OUT\\\"ack\\\":1501,\") = 1"},
    {"simultaneous-close",
     "begins \"$(v to '\"ev\":\"state\"')\" 'SYN-SENT ESTABLISHED FIN-WAIT-1 CLOSING TIME-WAIT '\n"
     "test \"$(v ack \"$SEG.*\\\"flags\\\":\\\"F\")\" = '1 1 '"},
    {"time-wait",
     "test \"$(v ev \"$SEG.*\\\"flags\\\":\\\"F\")\" = 'out in in '\n"
     "ends \"$(v to '\"ev\":\"state\"')\" 'FIN-WAIT-2 TIME-WAIT CLOSED '\n"
     "is \"$(v t \"$IN\\\"flags\\\":\\\"F\")$(v t 'TIME-WAIT\",\"to\":\"CLOSED')\" '$3 - $2 >= 0.599'"},
    {"reset", "test $(c \"$OUT\\\"flags\\\":\\\"R\\.\\\"\") = 1; test $(c \"$IN\\\"flags\\\":\\\"R\") = 1\n"
              "S=$(v seq32 \"$IN\\\"flags\\\":\\\"S\\\"\"); A=$(v ack32 \"$OUT\\\"flags\\\":\\\"R\\.\\\"\")\n"
              "is \"$S$A\" 'NF == 2 && $2 == ($1 + 1) % 4294967296'"},
    {"syn-flood-backlog",
     "test $(c '\"name\":\"DROP_SYN_QUEUE\"') = 4; test $(c '\"fate\":\"loss\"') = 4\n"
     "test $(c \"$IN\\\"flags\\\":\\\"S\\\"\") -ge 8; test $(c '\"to\":\"ESTABLISHED\"') = 4"},
    /* RFC 6928: ten segments; RFC 5681 3.1: soon there are twice as many in a row.  How many each round trip
     * has depends on the peer's delayed ACKs; that each ACK lets out one more is the lesson's own claim. */
    {"slow-start",
     "awk -F'[:,]' '/\"ev\":\"in\"/ && /\"len\":0/ { a = 1 } /\"ev\":\"out\"/ && /\"len\":1460/ { if (a && "
     "$2 - t > 0.02)"
     " k++; t = $2; if (++n[k + 0] > m) m = n[k + 0]; a = 1 } END { exit !(n[1] == 10 && m >= 20) }' $F\n"
     "test $(c '\"again\":true') = 0"},
    {"congestion", "test $(c '\"fate\":\"limit\"') -ge 2; test $(c '\"why\":\"FAST_RETRANSMIT\"') -ge 2\n"
                   "S=$(v ssthresh '\"recovery\":true'); W=$(v flight '\"recovery\":true')\n"
                   "is \"${S%% *} ${W%% *}\" '$1 > 0.4 * $2 && $1 < 0.6 * $2'\n"
                   "test $(c \"$IN\\\"ack\\\":1500001,\") -ge 1"},
    /* RFC 9438 4.6: beta is 0.7. */
    {"cubic", "test $(c '\"fate\":\"limit\"') -ge 2; test $(c '\"why\":\"FAST_RETRANSMIT\"') -ge 1\n"
              "S=$(v ssthresh '\"recovery\":true'); W=$(v flight '\"recovery\":true')\n"
              "is \"${S%% *} ${W%% *}\" '$1 > 0.6 * $2 && $1 < 0.8 * $2'\n"
              "test $(c \"$IN\\\"ack\\\":1500001,\") -ge 1"},
    /* RFC 7323 4.3; RFC 6298 2.4 as in Linux: at least 200 ms later, on a clock of milliseconds. */
    {"timestamps", "test $(c '\"fate\":\"list\"') = 1; T=$(v tsval \"$OUT$DATA\")\n"
                   "is \"$T$(v tsecr \"$IN\\\"ack\\\":1001,\")\" 'NF >= 3 && $2 - $1 >= 199 && $3 == $2'"},
    /* RFC 2018: both holes are known, so their repairs do not wait a round trip of 20 ms for each other. */
    {"sack", "test $(c '\"fate\":\"list\"') = 2; test $(c \"$IN\\\"sack\\\":\\[\\[4381,5841\\]\\]\") -ge 1\n"
             "test \"$(v seq \"$OUT\\\"again\\\":true\")\" = '2921 5841 '\n"
             "is \"$(v t \"$OUT\\\"again\\\":true\")\" '$2 - $1 < 0.02'; test $(c '\"why\":\"RTO\"') = 0"},
    /* RFC 8985 6.2 step 4: once reordering was seen, five SACKed segments are no loss. */
    {"rack", "test $(c '\"fate\":\"loss\"') = 1; test \"$(v seq \"$OUT\\\"again\\\":true\")\" = '14601 '\n"
             "test $(c \"$IN\\\"ack\\\":5841,.*\\\"sack\\\":\\[\\[7301,14601\\]\\]\") -ge 1\n"
             "test $(c '\"why\":\"RTO\"') = 0"},
    /* RFC 8985 7.2, 7.3: the last segment, after two round trips of 20 ms and not after an RTO. */
    {"tail-loss-probe", "test $(c '\"fate\":\"list\"') = 2; test $(c '\"why\":\"RTO\"') = 0\n"
                        "test \"$(v seq \"$OUT\\\"again\\\":true\")\" = '13141 11681 '\n"
                        "is \"$(v t \"$OUT\\\"seq\\\":13141,\")\" '$2 - $1 > 0.03 && $2 - $1 < 0.15'"},
};

/* Runs one; its text fits a terminal, its files are there and are what they should be. */
static void run_lesson(size_t i)
{
    scene_do(
        "\"$RILL\" lab --lesson %s --dir out --yes >text 2>&1 </dev/null || { cat text; exit 1; }\n"
        "for word in 'What is done' 'What to look for' 'Seen in the trace' 'Question' 'Answer' 'RFC '; do\n"
        "  grep -q \"$word\" text; done || { cat text; exit 1; }\n"
        "test $(LC_ALL=C.UTF-8 wc -L <text) -le 80 || { cat text; exit 1; }\n"
        "cd out; N=%s; test -s $N.pcapng && tail -c 7 $N.svg | grep -q '</svg>'\n"
        "if command -v xmllint >/dev/null; then xmllint --noout $N.svg; fi\n"
        "if command -v tshark >/dev/null; then tshark -r $N.pcapng -d tcp.port==1-65535,data -Y "
        "_ws.malformed | wc -l | grep -qx 0; fi",
        lessons[i].name, lessons[i].name);
}

/* The facts, each line of which has to hold. */
static void check_facts(size_t i)
{
    scene_do("F=out/%s.ndjson\n" TOOLS "set -x\n%s", lessons[i].name, lessons[i].facts);
}

/* The lessons of a group, one after the other. */
static void run_between(size_t from, size_t to)
{
    for (size_t i = from; i < to && i < COUNT_OF(lessons); i++) {
        run_lesson(i);
        check_facts(i);
    }
}

static void body_lessons__opening_and_closing__happen_as_told(void) { run_between(0, 6); }
SCENE(lessons__opening_and_closing__happen_as_told)

static void body_lessons__loss_and_windows__happen_as_told(void) { run_between(6, 12); }
SCENE(lessons__loss_and_windows__happen_as_told)

static void body_lessons__the_rest__happens_as_told(void) { run_between(12, COUNT_OF(lessons)); }
SCENE(lessons__the_rest__happens_as_told)

/* One line each, of at most 80 columns, and all that there are were run above. */
static void list__names_every_lesson(void **state)
{
    static struct command_result result;
    size_t i = 0;
    (void)state;
    command_run(ARGV("lab", "--lesson", "list"), "", &result);
    assert_int_equal(result.status, 0);
    for (char *line = strtok(result.out, "\n"); line != NULL; line = strtok(NULL, "\n"), i++) {
        assert_true(i < COUNT_OF(lessons));
        assert_true(strlen(line) <= 80);
        line[strcspn(line, " ")] = '\0';
        assert_string_equal(line, lessons[i].name);
    }
    assert_int_equal(i, COUNT_OF(lessons));
}

/* The answer comes after a line, or the end of the input, and not before. */
static void body_lesson__without_yes__waits_for_a_key(void)
{
    char seen[COMMAND_TEXT_BYTES] = "";
    struct command rill = command_start(ARGV("lab", "--lesson", "reset"));
    CHECK(command_read_until(rill.out, "(press a key", seen));
    sleep_ms(100);
    CHECK(strstr(seen, "Answer") == NULL);
    CHECK(write(rill.in, "\n", 1) == 1);
    CHECK(command_read_until(rill.out, "for ever", seen));
    CHECK(strstr(seen, "Answer") != NULL);
    CHECK(command_wait(&rill) == 0);
}
SCENE(lesson__without_yes__waits_for_a_key)

static void body_lesson__directory_that_cannot_be__is_a_failure(void)
{
    char out[COMMAND_TEXT_BYTES];
    CHECK(scene_try(out, "\"$RILL\" lab --lesson reset --yes --dir none/such") == 1);
    CHECK(strstr(out, "none/such") != NULL);
}
SCENE(lesson__directory_that_cannot_be__is_a_failure)

/* ---- A/B
 * ------------------------------------------------------------------------------------------------------ */

/* The same segment is lost in both; only one of them may use duplicate ACKs to find out (RFC 5681 3.2: what
 * there is without RACK). */
static void body_compare__no_fast_retransmit__needs_the_timer(void)
{
    char out[COMMAND_TEXT_BYTES];
    CHECK(scene_try(out, "\"$RILL\" lab --dir . --compare '--out drop data 20 --without rack,tlp' "
                         "\"drop data 20 --without rack,tlp --break no-fast-retransmit\"") == 0);
    CHECK(strstr(out, "B took ") != NULL);
    scene_do(
        "F=compare-a.ndjson\n" TOOLS "test $(c '\"why\":\"FAST_RETRANSMIT\"') = 1\n"
        "test $(c '\"why\":\"RTO\"') = 0; test $(c '\"fate\":\"list\"') = 1; A=$(v seq '\"fate\":\"list\"')\n"
        "F=compare-b.ndjson; test $(c '\"why\":\"FAST_RETRANSMIT\"') = 0\n"
        "test $(c '\"why\":\"RTO\"') = 1; test \"$A\" = \"$(v seq '\"fate\":\"list\"')\"\n"
        "test -s compare-a.pcapng && test -s compare-b.pcapng && grep -q 'Congestion window' compare.svg\n"
        "if command -v xmllint >/dev/null; then xmllint --noout compare.svg; fi");
}
SCENE(compare__no_fast_retransmit__needs_the_timer)

/* The receiver drops what comes beyond its window, and it has to be sent again (RFC 9293 3.8.6). */
static void body_compare__ignoring_the_window__wastes_segments(void)
{
    scene_do("\"$RILL\" lab --compare --slow-reader '--slow-reader --break ignore-rwnd' 2>&1\n"
             "F=compare-a.ndjson\n" TOOLS "test $(c '\"again\":true') = 0\n"
             "F=compare-b.ndjson; test $(c '\"again\":true') -ge 10");
}
SCENE(compare__ignoring_the_window__wastes_segments)

/* ---- Usage
 * ---------------------------------------------------------------------------------------------------- */

#define RULES "no-backoff ignore-rwnd no-fast-retransmit no-delayed-ack no-sws"
#define FEATURES                                                                                             \
    "wscale timestamps sack dsack rack tlp prr undo hystart cwv ecn ecn-answer pacing quickack autotune "    \
    "black-hole"
#define HELP(command) "\nTry 'rill " command " --help'.\n"

static void usage__what_is_unknown__is_named_with_what_there_is(void **state)
{
    static const struct {
        const char *argv[8], *err;
    } cases[] = {
        {{"serve", "--break", "no-such"},
         "rill serve: --break: unknown rule 'no-such'; there are " RULES HELP("serve")},
        {{"nc", "--break", "no-sws,", "10.77.0.1", "7"},
         "rill nc: --break: unknown rule ''; there are " RULES HELP("nc")},
        {{"lab", "--break", "no-sws,no-back"},
         "rill lab: --break: unknown rule 'no-back'; there are " RULES HELP("lab")},
        {{"lab", "--compare", "--break x", ""},
         "rill lab: --break: unknown rule 'x'; there are " RULES HELP("lab")},
        {{"lab", "--compare", "", "--loss 3%"},
         "rill lab: --compare: '--loss' is none of: --in, --out, --break, --with, --without, --cc, "
         "--slow-reader" HELP("lab")},
        {{"serve", "--with", "help"},
         "rill serve: --with: unknown feature 'help'; there are " FEATURES HELP("serve")},
        {{"nc", "--without", "sack,rac", "10.77.0.1", "7"},
         "rill nc: --without: unknown feature 'rac'; there are " FEATURES HELP("nc")},
        {{"lab", "--without", "sack,"},
         "rill lab: --without: unknown feature ''; there are " FEATURES HELP("lab")},
        {{"lab", "--compare", "--without sack --with x", ""},
         "rill lab: --with: unknown feature 'x'; there are " FEATURES HELP("lab")},
        {{"serve", "--cc", "vegas"},
         "rill serve: --cc: unknown congestion control 'vegas'; there are cubic reno" HELP("serve")},
        {{"lab", "--compare", "", "--cc reno,cubic"},
         "rill lab: --cc: unknown congestion control 'reno,cubic'; there are cubic reno" HELP("lab")},
        {{"lab", "--lesson", "numbers", "--cc", "reno"},
         "rill lab: --lesson goes with --dir and --yes only; it brings its own settings" HELP("lab")},
        {{"lab", "--bare", "--without", "sack"},
         "rill lab: --bare starts no stack: -w, --trace, --in, --out, --with, --without, --cc and --break "
         "are "
         "for the rill in it" HELP("lab")},
        {{"lab", "--compare", "loss 3%"}, "rill lab: --compare needs two settings" HELP("lab")},
        {{"lab", "--lesson", "numbers", "--compare", "", ""},
         "rill lab: --lesson and --compare exclude each other" HELP("lab")},
        {{"lab", "--yes"}, "rill lab: --dir and --yes are for --lesson" HELP("lab")},
        {{"lab", "--lesson", "numbers", "--in", "loss 3%"},
         "rill lab: --lesson goes with --dir and --yes only; it brings its own settings" HELP("lab")},
    };
    static struct command_result result;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        command_run(cases[i].argv, "", &result);
        assert_string_equal(result.err, cases[i].err);
        assert_string_equal(result.out, "");
        assert_int_equal(result.status, 2);
    }
    command_run(ARGV("lab", "--lesson", "handshakes"), "", &result);
    assert_int_equal(result.status, 2);
    assert_non_null(strstr(result.err, "unknown lesson 'handshakes'; there are:"));
    for (size_t i = 0; i < COUNT_OF(lessons); i++)
        assert_non_null(strstr(result.err, lessons[i].name));
    command_run(ARGV("lab", "--compare", "los 3%", ""), "", &result);
    assert_int_equal(result.status, 2);
    assert_non_null(strstr(result.err, "column 1"));
}

/* Each segment is acknowledged at once, as the broken rule says; without it one waits (lesson delayed-ack).
 */
static void body_break__no_delayed_ack__serves_without_delay(void)
{
    scene_needs("nc");
    scene_do(TOOLS "F=t.ndjson; SAY='(echo x; sleep 0.2; echo y; sleep 0.2) | nc -N 10.77.0.2 9'\n"
                   "\"$RILL\" lab --break no-delayed-ack --trace t.ndjson discard -- sh -c \"$SAY\"\n"
                   "test $(c '\"why\":\"ACK_DELAYED\"') = 0; test $(c \"$OUT\\\"ack\\\":5,\") -ge 1\n"
                   "\"$RILL\" lab --trace t.ndjson discard -- sh -c \"$SAY\"\n"
                   "test $(c '\"why\":\"ACK_DELAYED\"') -ge 1");
}
SCENE(break__no_delayed_ack__serves_without_delay)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usage__what_is_unknown__is_named_with_what_there_is),
        cmocka_unit_test(list__names_every_lesson),
        cmocka_unit_test(lessons__opening_and_closing__happen_as_told),
        cmocka_unit_test(lessons__loss_and_windows__happen_as_told),
        cmocka_unit_test(lessons__the_rest__happens_as_told),
        cmocka_unit_test(lesson__without_yes__waits_for_a_key),
        cmocka_unit_test(lesson__directory_that_cannot_be__is_a_failure),
        cmocka_unit_test(compare__no_fast_retransmit__needs_the_timer),
        cmocka_unit_test(compare__ignoring_the_window__wastes_segments),
        cmocka_unit_test(break__no_delayed_ack__serves_without_delay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
