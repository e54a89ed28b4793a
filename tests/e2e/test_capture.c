/* test_capture.c - captures and traces of `rill serve`, judged by tshark and jq.
 *
 * Counts are compared with the engine's counters, with the kernel's, and among each other. */
#include "test.h"

#include "scene.h"

#include <signal.h>
#include <stdarg.h>

/* tshark with every checksum verified, and without guesses at what the data may be. */
#define TSHARK "tshark -d tcp.port==1-65535,data -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE"
#define WIRE " frame.interface_name == \"rill0\" "
#define DROPPED " frame.interface_name == \"rill0-dropped\" "
#define OURS " ip.src == 10.77.0.2 "

/* What a shell command prints is one number. */
static uint64_t number_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
static uint64_t number_of(const char *format, ...)
{
    static char command[2048], out[COMMAND_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(command, sizeof command, format, args);
    va_end(args);
    CHECK(n > 0 && (size_t)n < sizeof command);
    int status = scene_try(out, "%s", command);
    char *end;
    uint64_t value = strtoull(out, &end, 10);
    if (status != 0 || end == out || *end != '\n')
        (void)fprintf(stderr, "%s\n%s", command, out);
    CHECK(status == 0 && end > out && *end == '\n');
    return value;
}

/* Packets of a.pcapng that a display filter selects. */
static uint64_t packets(const char *filter)
{
    return number_of(TSHARK " -r a.pcapng -Y '%s' 2>/dev/null | wc -l", filter);
}

/* Lines of a.ndjson that a jq expression selects. */
static uint64_t lines(const char *expression)
{
    return number_of("jq -c 'select(%s)' a.ndjson | wc -l", expression);
}

/* No router solicitations of the kernel, which would be counted with the rest. */
static void no_ipv6(void)
{
    scene_needs("tshark");
    scene_needs("jq");
    scene_do("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
}

/* The file comes back from the echo service as it was; the conversation ends. */
static void echo_bytes(unsigned bytes)
{
    scene_do("seq 100000 | head -c %u > sent; timeout 50 nc -N 10.77.0.2 7 < sent > back; cmp sent back",
             bytes);
}

/* tshark has nothing to say about the file and its packets. */
static void check_sound(void)
{
    static char out[COMMAND_TEXT_BYTES];
    static const char *const unsound[] = {"_ws.malformed", "_ws.expert.severity >= 8388608", /* PI_ERROR */
                                          "tcp && tcp.checksum.status != \"Good\"",
                                          "ip.checksum.status == \"Bad\" || icmp.checksum.status == \"Bad\""};
    CHECK(scene_try(out, TSHARK " -r a.pcapng 2>&1 >/dev/null | grep -v 'Running as user'") == 1);
    for (size_t i = 0; i < COUNT_OF(unsound); i++) {
        CHECK(scene_try(out, TSHARK " -r a.pcapng -Y '%s' -O tcp 2>/dev/null", unsound[i]) == 0);
        if (out[0] != 0)
            (void)fprintf(stderr, "%s", out);
        CHECK(out[0] == 0);
    }
}

/* How many of our segments in the capture send again what had been sent: those that begin below what was the
 * end of an earlier one, and are not empty.  It looks at numbers only. */
static uint64_t resent_in_capture(void)
{
    return number_of(TSHARK
                     " -r a.pcapng -Y 'tcp &&" OURS "' -T fields -e tcp.stream -e tcp.seq_raw -e tcp.len "
                     "-e tcp.flags.syn -e tcp.flags.fin -o tcp.analyze_sequence_numbers:TRUE 2>/dev/null | "
                     "awk '{ syn = $4 == \"1\" || $4 == \"True\"; fin = $5 == \"1\" || $5 == \"True\";"
                     "       end = $2 + $3 + syn + fin;"
                     "       if (end > $2 && ($1 in top) && $2 < top[$1]) again++;"
                     "       if (!($1 in top) || end > top[$1]) top[$1] = end } END { print again + 0 }'");
}

#define RESENT_COMMENT                                                                                       \
    " frame.comment matches \"RTO|RACK|tail loss probe|fast retransmit|partial ACK|resent in slow start|"    \
    "answers the SYN\" "

/* ---- Without emulation --------------------------------------------------------------------------------- */

static void body_capture__ping_and_echo__is_what_crossed_the_tun(void)
{
    no_ipv6();
    struct command rill = scene_serve(ARGV("-w", "a.pcapng", "--trace", "a.ndjson", "echo"));
    CHECK(ping_us(STACK_ADDR) >= 0);
    scene_do("ping -q -c 2 -i 0.01 -s 4000 10.77.0.2");
    echo_bytes(300000);
    scene_do("! nc -w 1 10.77.0.2 4444"); /* refused */
    uint64_t from_us = number_of("ip -s -j link show rill0 | jq .[0].stats64.rx.packets"),
             to_us = number_of("ip -s -j link show rill0 | jq .[0].stats64.tx.packets");
    scene_stop(&rill);
    check_sound();
    CHECK(packets(WIRE "&&" OURS) == from_us && from_us == scene_counter("IP_OUT"));
    CHECK(packets(WIRE "&& !(" OURS ")") == to_us && to_us == scene_counter("IP_IN"));
    CHECK(packets(OURS "&& frame.packet_flags_direction == 2") == from_us);
    CHECK(packets("frame.packet_flags_direction == 1") == to_us);
    CHECK(packets("tcp &&" OURS) == scene_counter("SEG_OUT"));
    CHECK(packets(DROPPED) == 0);
    /* Every packet of ours says why it was sent, no other one says anything. */
    CHECK(packets(OURS "&& !frame.comment") == 0);
    CHECK(packets("ip.src == 10.77.0.1 && frame.comment") == 0);
    CHECK(packets("frame.comment == \"answers the SYN\"") == 1);
    CHECK(packets("icmp.type == 0 && frame.comment == \"echo reply\"") >= 1);
    CHECK(packets("tcp.flags.reset == 1 && frame.comment == \"reset: no such connection\"") == 1);
    CHECK(packets("tcp.len > 0 &&" OURS "&& !(frame.comment contains \"new data\")") == 0);
    CHECK(lines(".ev == \"in\"") == scene_counter("SEG_IN"));
    CHECK(lines(".ev == \"out\"") == scene_counter("SEG_OUT"));
}
SCENE(capture__ping_and_echo__is_what_crossed_the_tun)

static void body_trace__transfer__is_json_in_order(void)
{
    no_ipv6();
    struct command rill = scene_serve(ARGV("--trace", "a.ndjson", "echo"));
    echo_bytes(100000);
    echo_bytes(1);
    scene_stop(&rill);
    uint64_t all = number_of("wc -l < a.ndjson");
    CHECK(all > 100);
    CHECK(number_of("jq -c 'select(type == \"object\" and (.t | type) == \"number\" and (.ev | type) == "
                    "\"string\")' a.ndjson | wc -l") == all);
    scene_do("head -n 1 a.ndjson | jq -e '.ev == \"start\" and .version == 1 and .addr == \"10.77.0.2\" and "
             ".mtu == "
             "1500 and (.unix_us / 1000000 - now | fabs) < 60'");
    scene_do("jq -s -e '[.[].t] | . == sort' a.ndjson");
    /* Both connections are told before they are named, and go through their states. */
    scene_do(
        "jq -s -e 'reduce .[] as $l ({known: [0], good: true}; if $l.ev == \"conn\" then .known += [$l.conn] "
        "elif $l.conn == null or (.known | index($l.conn)) then . else .good = false end) | .good' a.ndjson");
    CHECK(lines(".ev == \"conn\"") == 2);
    CHECK(lines(".ev == \"state\" and .conn == 1") == lines(".ev == \"state\" and .conn == 2"));
    CHECK(lines(".ev == \"state\" and .to == \"ESTABLISHED\"") == 2);
    CHECK(lines(".ev == \"state\" and .to == \"CLOSED\"") == 2);
    /* Relative numbers begin at 0 and end behind the FIN. */
    scene_do(
        "jq -s -e '[.[] | select(.ev == \"out\" and .conn == 1) | .seq + .len] | max == 100001' a.ndjson");
    scene_do("jq -s -e '[.[] | select(.ev == \"in\" and .conn == 1) | .ack] | max == 100002' a.ndjson");
    /* Nothing is in flight beyond what both windows allow, and all of it comes home. */
    scene_do("jq -s -e '[.[] | select(.ev == \"numbers\" and .conn == 1) | .flight <= .cwnd and .flight <= "
             ".snd_wnd + "
             "1] | all' a.ndjson");
    /* A line of numbers differs from the one before. */
    scene_do("jq -s -e '[.[] | select(.ev == \"numbers\" and .conn == 1) | del(.t)] | [.[1:], .[:-1]] | "
             "transpose | "
             "map(.[0] != .[1]) | all' a.ndjson");
}
SCENE(trace__transfer__is_json_in_order)

/* ---- With it ------------------------------------------------------------------------------------------- */

static void body_out__third_data_segment_dropped__is_resent_once_and_says_why(void)
{
    no_ipv6();
    struct command rill =
        scene_serve(ARGV("--out", "drop data 3", "-w", "a.pcapng", "--trace", "a.ndjson", "echo"));
    echo_bytes(60000);
    scene_stop(&rill);
    check_sound();
    CHECK(scene_counter("SEG_RESENT") == 1 && resent_in_capture() == 1);
    CHECK(lines(".ev == \"out\" and .again") == 1);
    CHECK(packets(RESENT_COMMENT "&& tcp.len > 0") == 1);
    /* Timestamps take 12 bytes of the MSS of 1460 (RFC 7323 appendix A): the third segment begins at 2897. */
    CHECK(packets(DROPPED) == 1);
    CHECK(packets(DROPPED
                  "&& tcp.seq == 2897 && frame.comment == \"dropped by the emulator: list; new data\"") == 1);
    CHECK(
        packets(
            WIRE
            "&&" OURS
            "&& tcp.seq == 2897 && frame.comment matches \"^(fast retransmit|RACK|tail loss probe|RTO)\"") ==
        1);
    CHECK(
        lines(
            ".ev == \"link\" and .dir == \"out\" and .fate == \"list\" and .seq == 2897 and .len == 1448") ==
        1);
    CHECK(lines(".ev == \"link\"") == 1);
}
SCENE(out__third_data_segment_dropped__is_resent_once_and_says_why)

static void body_loss__both_ways__capture_trace_and_counters_agree(void)
{
    no_ipv6();
    struct command rill = scene_serve(ARGV("--in", "loss 4% seed 11", "--out", "loss 4% duplicate 3% seed 12",
                                           "-w", "a.pcapng", "--trace", "a.ndjson", "echo"));
    echo_bytes(400000);
    scene_stop(&rill);
    check_sound();
    uint64_t resent = scene_counter("SEG_RESENT");
    CHECK(resent >= 3);
    CHECK(resent_in_capture() == resent);
    CHECK(lines(".ev == \"out\" and .again") == resent);
    CHECK(packets(DROPPED "&&" OURS) == lines(".ev == \"link\" and .dir == \"out\" and .fate == \"loss\""));
    CHECK(packets(DROPPED "&& !(" OURS ")") ==
          lines(".ev == \"link\" and .dir == \"in\" and .fate == \"loss\""));
    CHECK(packets(DROPPED "&&" OURS) >= 3 && packets(DROPPED "&& !(" OURS ")") >= 3);
    CHECK(packets(DROPPED "&& !(frame.comment contains \"dropped by the emulator: loss\")") == 0);
    /* What was sent is on one of the two interfaces; what arrived is on the wire. */
    CHECK(packets(OURS) == scene_counter("IP_OUT"));
    CHECK(packets(WIRE "&& !(" OURS ")") == scene_counter("IP_IN"));
    uint64_t copies = lines(".ev == \"link\" and .fate == \"duplicate\"");
    CHECK(copies >= 1 && packets("frame.comment contains \"duplicated by the emulator\"") == copies);
}
SCENE(loss__both_ways__capture_trace_and_counters_agree)

static void body_in__everything_corrupted__fails_the_checksum(void)
{
    static char out[COMMAND_TEXT_BYTES];
    no_ipv6();
    struct command rill =
        scene_serve(ARGV("--in", "corrupt 100%", "-w", "a.pcapng", "--trace", "a.ndjson", "echo"));
    CHECK(scene_try(out, "nc -w 1 10.77.0.2 7 </dev/null") != 0);
    scene_stop(&rill);
    uint64_t seen = packets("tcp");
    CHECK(seen >= 1);
    CHECK(packets(WIRE "&& frame.comment == \"corrupted by the emulator\"") == seen);
    CHECK(scene_counter("SEG_IN") == 0 && scene_counter("SEG_OUT") == 0);
    /* What the lines tell of is the packet as it was. */
    CHECK(lines(".ev == \"link\" and .fate == \"corrupt\" and .flags == \"S\" and .seq == 0") == seen);
}
SCENE(in__everything_corrupted__fails_the_checksum)

/* The kernel drops them all for their checksum; tshark sees why, and the reason to send is still told. */
static void body_out__everything_corrupted__is_captured_as_it_crosses_the_tun(void)
{
    static char out[COMMAND_TEXT_BYTES];
    no_ipv6();
    struct command rill =
        scene_serve(ARGV("--out", "corrupt 100%", "-w", "a.pcapng", "--trace", "a.ndjson", "echo"));
    CHECK(scene_try(out, "nc -w 1 10.77.0.2 7 </dev/null") != 0);
    scene_stop(&rill);
    uint64_t sent = packets("tcp &&" OURS);
    CHECK(sent >= 1);
    CHECK(packets(OURS "&& tcp.checksum.status == \"Bad\"") == sent);
    CHECK(packets(WIRE "&&" OURS "&& frame.comment matches \".; corrupted by the emulator$\"") == sent);
    CHECK(packets("ip.src == 10.77.0.1 && tcp.checksum.status == \"Bad\"") == 0);
    CHECK(lines(".ev == \"link\" and .fate == \"corrupt\" and .flags == \"S.\" and .seq == 0") == sent);
}
SCENE(out__everything_corrupted__is_captured_as_it_crosses_the_tun)

static void body_loss__of_everything__no_ping_comes_back(void)
{
    static char out[COMMAND_TEXT_BYTES];
    no_ipv6();
    static const char *const options[] = {"--in", "--out"};
    for (int i = 0; i < 2; i++) {
        struct command rill = scene_serve(ARGV(options[i], "loss 100%", "-w", "a.pcapng", "echo"));
        CHECK(scene_try(out, "ping -q -c 5 -i 0.01 -W 0.2 10.77.0.2") == 1);
        CHECK(strstr(out, "5 packets transmitted, 0 received") != NULL);
        scene_stop(&rill);
        CHECK(packets(DROPPED "&& icmp.type == 8") == (i == 0 ? 5 : 0));
        CHECK(
            packets(DROPPED
                    "&& icmp.type == 0 && frame.comment == \"dropped by the emulator: loss; echo reply\"") ==
            (i == 0 ? 0 : 5));
        CHECK(packets(WIRE) == (i == 0 ? 0 : 5));
        CHECK(scene_counter("IP_IN") == (i == 0 ? 0 : 5));
    }
}
SCENE(loss__of_everything__no_ping_comes_back)

/* Which of 60 pings come back. */
static void pings(const char *spec, char out[COMMAND_TEXT_BYTES])
{
    struct command rill = scene_serve(ARGV("--in", spec, "echo"));
    CHECK(scene_try(out, "ping -c 60 -i 0.002 -W 1 10.77.0.2 | grep -o 'icmp_seq=[0-9]*'") == 0);
    scene_stop(&rill);
}

static void body_seed__same_and_other__same_and_other_fates(void)
{
    static char one[COMMAND_TEXT_BYTES], two[COMMAND_TEXT_BYTES], other[COMMAND_TEXT_BYTES];
    no_ipv6();
    scene_needs("ping");
    pings("loss 30% seed 5", one);
    pings("loss 30% seed 5", two);
    pings("loss 30% seed 6", other);
    CHECK(strcmp(one, two) == 0);
    CHECK(strcmp(one, other) != 0);
}
SCENE(seed__same_and_other__same_and_other_fates)

/* ---- Files and mistakes -------------------------------------------------------------------------------- */

static void body_link__mistake__is_one_line_with_the_place_and_status_2(void)
{
    static struct command_result r;
    static const char *const commands[] = {"serve", "lab", "nc"};
    for (int i = 0; i < 3; i++) {
        command_run(ARGV(commands[i], "--in", "loss 5% dely 3ms", "10.77.0.1", "7"), "", &r);
        CHECK(r.status == 2 && r.out[0] == '\0');
        CHECK(strstr(r.err, "--in: ") != NULL && strstr(r.err, "column 9: ") != NULL);
        CHECK(strchr(r.err, '\n') == r.err + strlen(r.err) - 1);
    }
    command_run(ARGV("serve", "--out", "loss"), "", &r);
    CHECK(r.status == 2 && strstr(r.err, "--out: ") != NULL && strstr(r.err, "column 5: ") != NULL);
    command_run(ARGV("lab", "--bare", "-w", "a", "--", "true"), "", &r);
    CHECK(r.status == 2 && strstr(r.err, "--bare") != NULL);
}
SCENE(link__mistake__is_one_line_with_the_place_and_status_2)

static void body_capture__cannot_be_written__is_the_end_of_the_start(void)
{
    static struct command_result r;
    static char out[COMMAND_TEXT_BYTES];
    static const char *const options[] = {"-w", "--trace"};
    for (int i = 0; i < 2; i++) {
        command_run(ARGV("serve", options[i], "nowhere/a", "echo"), "", &r);
        CHECK(r.status == 1 && strstr(r.err, "nowhere/a") != NULL && strstr(r.err, "No such file") != NULL);
        CHECK(scene_try(out, "ip link show rill0") == 1);
    }
}
SCENE(capture__cannot_be_written__is_the_end_of_the_start)

static void body_capture__disk_full__is_said_and_the_stack_goes_on(void)
{
    static char seen[COMMAND_TEXT_BYTES];
    no_ipv6();
    struct command rill = scene_serve(ARGV("-w", "/dev/full", "--trace", "/dev/full", "echo"));
    CHECK(ping_us(STACK_ADDR) >= 0);
    /* The buffers are written within a second, without more traffic. */
    CHECK(command_read_until(rill.err, "nothing more is written to it\n", seen));
    CHECK(strstr(seen, "/dev/full: No space left on device") != NULL);
    echo_bytes(100000);
    scene_stop(&rill);
}
SCENE(capture__disk_full__is_said_and_the_stack_goes_on)

static void body_capture__killed__is_whole_up_to_the_last_second(void)
{
    no_ipv6();
    struct command rill = scene_serve(ARGV("-w", "a.pcapng", "--trace", "a.ndjson", "echo"));
    echo_bytes(200000);
    sleep_ms(1200);
    CHECK(kill(rill.pid, SIGKILL) == 0);
    CHECK(command_wait(&rill) == 128 + SIGKILL);
    check_sound();
    CHECK(packets("tcp.flags.fin == 1") >= 2);
    CHECK(lines(".ev == \"state\" and .to == \"CLOSED\"") == 1);
}
SCENE(capture__killed__is_whole_up_to_the_last_second)

/* As a user without privileges would have it: the stack is the lab's child, and ends with it. */
static void body_lab__all_options__are_those_of_its_stack(void)
{
    static struct command_result r;
    no_ipv6();
    command_run(ARGV("lab", "--out", "drop data 2", "-w", "a.pcapng", "--trace", "a.ndjson", "echo", "--",
                     "sh", "-c", "head -c 20000 /dev/zero | nc -N 10.77.0.2 7 | wc -c"),
                "", &r);
    CHECK(r.status == 0 && strcmp(r.out, "20000\n") == 0);
    check_sound();
    CHECK(packets(DROPPED) == 1 && resent_in_capture() == 1);
    CHECK(lines(".ev == \"out\" and .again") == 1);
}
SCENE(lab__all_options__are_those_of_its_stack)

static void body_nc__all_options__are_those_of_its_stack(void)
{
    no_ipv6();
    scene_do("seq 100000 | head -c 50000 > sent");
    pid_t server = scene_start("timeout 20 nc -l 5000 </dev/null >back");
    scene_await("ss -Hltn | grep -q :5000");
    scene_do("\"$RILL\" nc -N --out 'drop data 4' -w a.pcapng --trace a.ndjson 10.77.0.1 5000 <sent");
    CHECK(scene_join(server) == 0);
    scene_do("cmp sent back");
    check_sound();
    CHECK(packets(DROPPED) == 1 && resent_in_capture() == 1);
    CHECK(packets("frame.comment == \"opens the connection\"") == 1);
    CHECK(packets("frame.comment == \"completes the handshake\"") == 1);
}
SCENE(nc__all_options__are_those_of_its_stack)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capture__ping_and_echo__is_what_crossed_the_tun),
        cmocka_unit_test(trace__transfer__is_json_in_order),
        cmocka_unit_test(out__third_data_segment_dropped__is_resent_once_and_says_why),
        cmocka_unit_test(loss__both_ways__capture_trace_and_counters_agree),
        cmocka_unit_test(in__everything_corrupted__fails_the_checksum),
        cmocka_unit_test(out__everything_corrupted__is_captured_as_it_crosses_the_tun),
        cmocka_unit_test(loss__of_everything__no_ping_comes_back),
        cmocka_unit_test(seed__same_and_other__same_and_other_fates),
        cmocka_unit_test(link__mistake__is_one_line_with_the_place_and_status_2),
        cmocka_unit_test(capture__cannot_be_written__is_the_end_of_the_start),
        cmocka_unit_test(capture__disk_full__is_said_and_the_stack_goes_on),
        cmocka_unit_test(capture__killed__is_whole_up_to_the_last_second),
        cmocka_unit_test(lab__all_options__are_those_of_its_stack),
        cmocka_unit_test(nc__all_options__are_those_of_its_stack),
    };
    return cmocka_run_group_tests_name("capture", tests, NULL, NULL);
}
