/* test_trace_file.c - the trace as lines of JSON: whose line it is, relative numbers, numbers that changed.
 */
#include "test.h"

#include "tcp_hdr.h"
#include "trace_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINES_MAX = 64, TEXT_MAX = 32768 };

#define US 0x0a4d0002u
#define PEER 0x0a4d0001u

static struct trace_file trace;
static char path[64], text[TEXT_MAX], *lines[LINES_MAX];
static int line_count;

static void begin(void)
{
    struct rill_config config = {.addr = US, .mtu = 1500};
    struct tun_error error;
    (void)snprintf(path, sizeof path, "/tmp/rill-trace-%d", (int)getpid());
    assert_int_equal(trace_file_open(&trace, path, &config, 5000000, &error), 0);
}

static void finish(void)
{
    trace_file_close(&trace);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t len = fread(text, 1, sizeof text - 1, f);
    assert_int_equal(fclose(f) + unlink(path), 0);
    text[len] = '\0';
    assert_true(len > 0 && text[len - 1] == '\n');
    line_count = 0;
    for (char *rest = NULL, *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        assert_true(line_count < LINES_MAX);
        assert_true(line[0] == '{' && line[strlen(line) - 1] == '}');
        lines[line_count++] = line;
    }
}

/* The line has this text in it. */
static void check(int line, const char *want)
{
    assert_true(line < line_count);
    if (strstr(lines[line], want) == NULL)
        fail_msg("not in line %d: %s\n%s", line, want, lines[line]);
}
static void check_not(int line, const char *unwanted)
{
    assert_true(line < line_count);
    if (strstr(lines[line], unwanted) != NULL)
        fail_msg("in line %d: %s\n%s", line, unwanted, lines[line]);
}

static struct rill_trace_event event_of(enum rill_trace_kind kind)
{
    return (struct rill_trace_event){
        .at_us = 6000000, .kind = kind, .laddr = US, .raddr = PEER, .lport = 7, .rport = 40000};
}

/* A segment of which nothing is known but what the wire says. */
static void segment(enum rill_trace_kind kind, uint8_t flags, uint32_t seq32, uint32_t ack32, uint32_t len)
{
    struct rill_trace_event e = event_of(kind);
    e.flags = flags;
    e.seq = e.seq32 = seq32;
    e.ack = e.ack32 = ack32;
    e.len = len;
    trace_file_event(&trace, &e);
}

static void state(enum rill_tcp_state from, enum rill_tcp_state to)
{
    struct rill_trace_event e = event_of(RILL_TRACE_STATE);
    e.state_from = from;
    e.state = to;
    trace_file_event(&trace, &e);
}

static void trace__start__says_whose_it_is(void **unused)
{
    (void)unused;
    begin();
    finish();
    assert_int_equal(line_count, 1);
    check(0,
          "{\"t\":0.000000,\"ev\":\"start\",\"version\":1,\"addr\":\"10.77.0.2\",\"mtu\":1500,\"unix_us\":1");
}

static void trace__syn_again__is_the_same_connection(void **unused)
{
    (void)unused;
    begin();
    segment(RILL_TRACE_SEGMENT_IN, RILL_SYN, 1000, 0, 0);
    segment(RILL_TRACE_SEGMENT_IN, RILL_SYN, 1000, 0, 0);
    finish();
    assert_int_equal(line_count, 4);
    check(1, "\"ev\":\"conn\",\"conn\":1,\"local\":\"10.77.0.2:7\",\"peer\":\"10.77.0.1:40000\"");
    check(2, "{\"t\":1.000000,\"ev\":\"in\",\"conn\":1,\"flags\":\"S\",\"seq\":0,\"len\":0,\"ack\":0,");
    check(2, "\"seq32\":1000,\"ack32\":0,\"rel\":true");
    check(3, "\"conn\":1,\"flags\":\"S\",\"seq\":0");
}

static void trace__new_syn_after_the_end__is_a_new_connection(void **unused)
{
    (void)unused;
    static const enum rill_tcp_state ends[] = {RILL_CLOSED, RILL_TIME_WAIT};
    for (int i = 0; i < 2; i++) {
        begin();
        segment(RILL_TRACE_SEGMENT_IN, RILL_SYN, 1000, 0, 0);
        state(RILL_CLOSED, RILL_SYN_RECEIVED);
        state(RILL_SYN_RECEIVED, RILL_ESTABLISHED);
        segment(RILL_TRACE_SEGMENT_IN, RILL_SYN, 7777, 0, 0); /* an attack: it is alive */
        state(RILL_ESTABLISHED, ends[i]);
        segment(RILL_TRACE_SEGMENT_IN, RILL_SYN, 5000, 0, 0);
        finish();
        assert_int_equal(line_count, 9);
        check(5, "\"conn\":1,\"flags\":\"S\",\"seq\":6777");
        check(7, "\"ev\":\"conn\",\"conn\":2");
        check(8, "\"conn\":2,\"flags\":\"S\",\"seq\":0");
    }
}

static void trace__active_open_of_a_used_pair__is_a_new_connection(void **unused)
{
    (void)unused;
    begin();
    state(RILL_CLOSED, RILL_SYN_SENT);
    segment(RILL_TRACE_SEGMENT_OUT, RILL_SYN, 100, 0, 0);
    segment(RILL_TRACE_SEGMENT_IN, RILL_SYN, 900, 0, 0); /* they cross */
    state(RILL_SYN_SENT, RILL_CLOSED);
    state(RILL_CLOSED, RILL_SYN_SENT);
    segment(RILL_TRACE_SEGMENT_OUT, RILL_SYN, 200, 0, 0);
    finish();
    assert_int_equal(line_count, 9);
    check(1, "\"ev\":\"conn\",\"conn\":1");
    check(2, "\"ev\":\"state\",\"conn\":1,\"from\":\"CLOSED\",\"to\":\"SYN-SENT\"");
    check(4, "\"ev\":\"in\",\"conn\":1,\"flags\":\"S\",\"seq\":0");
    check(6, "\"ev\":\"conn\",\"conn\":2");
    check(8, "\"ev\":\"out\",\"conn\":2,\"flags\":\"S\",\"seq\":0");
}

/* A record of TIME-WAIT does not know the numbers that the connection began with; its lines do. */
static void trace__numbers_once_known__stay_relative(void **unused)
{
    (void)unused;
    struct rill_trace_event e = event_of(RILL_TRACE_SEGMENT_IN);
    begin();
    e.flags = RILL_ACK;
    e.relative = true;
    e.seq32 = 4294967290u;
    e.seq = 5000000001; /* beyond 4 GiB */
    e.ack32 = 77;
    e.ack = 7;
    trace_file_event(&trace, &e);
    segment(RILL_TRACE_SEGMENT_OUT, RILL_ACK, 77, 4, 0);
    segment(RILL_TRACE_SEGMENT_OUT, RILL_ACK, 76, 4294967289u, 0);
    finish();
    assert_int_equal(line_count, 5);
    check(2, "\"seq\":5000000001,\"len\":0,\"ack\":7,");
    check(3, "\"seq\":7,\"len\":0,\"ack\":5000000011,");
    check(4, "\"seq\":6,\"len\":0,\"ack\":5000000000,");
}

static void trace__segment_of_nobody__has_the_number_zero(void **unused)
{
    (void)unused;
    begin();
    segment(RILL_TRACE_SEGMENT_IN, RILL_ACK | RILL_FIN | RILL_URG, 4000000000, 1, 10);
    struct rill_trace_event e = event_of(RILL_TRACE_EVENT);
    e.event = RILL_DROP_CLOSED;
    trace_file_event(&trace, &e);
    finish();
    assert_int_equal(line_count, 3);
    check(1, "\"ev\":\"in\",\"conn\":0,\"flags\":\"FU.\",\"seq\":4000000000,\"len\":10,\"ack\":1,");
    check(1, "\"rel\":false");
    check(2, "\"ev\":\"event\",\"conn\":0,\"name\":\"DROP_CLOSED\",\"text\":\"dropped: ");
}

static void trace__reason__is_there_with_number_time_and_words(void **unused)
{
    (void)unused;
    struct rill_trace_event e = event_of(RILL_TRACE_SEGMENT_OUT);
    begin();
    e.flags = RILL_ACK | RILL_PSH;
    e.relative = e.resent = true;
    e.why = RILL_WHY_RTO;
    e.why_count = 2;
    e.why_us = 412000;
    trace_file_event(&trace, &e);
    e.why = RILL_WHY_DATA;
    e.why_count = e.why_us = 0;
    e.resent = false;
    e.held = RILL_LIMIT_RWND;
    e.held_us = 23000;
    trace_file_event(&trace, &e);
    e.why = RILL_WHY_RACK;
    e.held_us = 0;
    trace_file_event(&trace, &e);
    e.why_count = 10024;
    trace_file_event(&trace, &e);
    finish();
    assert_int_equal(line_count, 6);
    check(4, "\"text\":\"RACK: what was sent after it has arrived\"}");
    check(5, "\"n\":10024,\"text\":\"RACK: what was sent 10024 us later has arrived\"}");
    check(2, "\"again\":true,\"why\":\"RTO\",\"n\":2,\"us\":412000,\"text\":\"RTO #2, rto 412 ms\"}");
    check(3, "\"why\":\"DATA\",\"text\":\"new data; held back 23 ms: receiver "
             "window\",\"held\":\"RWND\",\"held_us\":23000}");
    check_not(3, "again");
    check_not(3, "\"n\":");
}

static void trace__numbers__are_written_when_one_changes(void **unused)
{
    (void)unused;
    struct rill_trace_event e = event_of(RILL_TRACE_NUMBERS);
    begin();
    e.numbers = (struct rill_numbers){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, true, RILL_LIMIT_NAGLE, 13, 14};
    trace_file_event(&trace, &e);
    trace_file_event(&trace, &e);
    e.numbers.rttvar_us++;
    trace_file_event(&trace, &e);
    finish();
    assert_int_equal(line_count, 4);
    check(2, "\"ev\":\"numbers\",\"conn\":1,\"cwnd\":1,\"ssthresh\":2,\"flight\":3,\"pipe\":4,\"snd_wnd\":5,"
             "\"rcv_wnd\":6,"
             "\"unsent\":7,\"unread\":8,\"srtt_us\":9,\"rttvar_us\":10,\"rto_us\":11,\"dup_acks\":12,"
             "\"sacked\":13,\"lost\":14,\"recovery\":true,\"limit\":\"NAGLE\"}");
    check(3, "\"rttvar_us\":11,");
}

/* Blocks count from where the acknowledgement does (RFC 2018 3); what the engine could not make relative is
 * made so here, once the numbers are known. */
static void trace__options__are_there_when_the_segment_has_them(void **unused)
{
    (void)unused;
    struct rill_trace_event e = event_of(RILL_TRACE_SEGMENT_IN);
    begin();
    e.flags = RILL_ACK;
    e.relative = true;
    e.seq32 = 1001;
    e.seq = 1;
    e.ack32 = 4294967295u;
    e.ack = 5000000001;
    e.has_ts = true;
    e.tsval = 4000000000u;
    e.sack_count = 2;
    e.sack[0] = (struct rill_trace_sack){5000000101, 5000000201};
    e.sack[1] = (struct rill_trace_sack){5000000301, 5000000401};
    trace_file_event(&trace, &e);
    e.relative = e.has_ts = false;
    e.sack_count = 1;
    e.sack[0] = (struct rill_trace_sack){99, 199};
    trace_file_event(&trace, &e);
    e.sack_count = 0;
    trace_file_event(&trace, &e);
    finish();
    check(2, "\"rel\":true,\"tsval\":4000000000,\"tsecr\":0,"
             "\"sack\":[[5000000101,5000000201],[5000000301,5000000401]],\"win\":");
    check(3, "\"rel\":true,\"sack\":[[5000000101,5000000201]],\"win\":");
    check_not(3, "\"ts");
    check_not(4, "sack");
}

/* The engine tells the numbers before the segment counts as sent; the lines have them after it. */
static void trace__segment_out__is_in_flight_after_its_line(void **unused)
{
    (void)unused;
    struct rill_trace_event e = event_of(RILL_TRACE_SEGMENT_OUT);
    begin();
    e.flags = RILL_ACK | RILL_FIN;
    e.len = 100;
    e.relative = true;
    e.numbers = (struct rill_numbers){.cwnd = 4380, .flight = 500, .pipe = 300, .unsent = 100, .rto_us = 1};
    trace_file_event(&trace, &e);
    e.resent = true; /* what was lost is sent again: it was in flight already */
    trace_file_event(&trace, &e);
    finish();
    assert_int_equal(line_count, 6);
    check(3, "\"flight\":601,\"pipe\":401,");
    check(3, "\"unsent\":0,");
    check(5, "\"flight\":500,\"pipe\":401,");
    check(5, "\"unsent\":100,");
}

static void trace__timer__is_set_and_fires(void **unused)
{
    (void)unused;
    struct rill_trace_event e = event_of(RILL_TRACE_TIMER_SET);
    begin();
    e.timer = RILL_TIMER_DELACK;
    e.timer_at_us = 6040000;
    trace_file_event(&trace, &e);
    e.kind = RILL_TRACE_TIMER_FIRED;
    trace_file_event(&trace, &e);
    finish();
    assert_int_equal(line_count, 4);
    check(2, "\"ev\":\"timer\",\"conn\":1,\"timer\":\"DELACK\",\"set\":1.040000}");
    check(3, "\"ev\":\"timer\",\"conn\":1,\"timer\":\"DELACK\",\"fired\":true}");
}

/* ---- What a link does --------------------------------------------------------------------------------- */

static uint8_t head[IP4_HEADER_LEN + TCP_HEADER_MAX];

static struct rill_packet packet_of(bool out, uint8_t flags, uint32_t seq32, uint32_t ack32)
{
    static const uint8_t data[10];
    struct rill_packet packet;
    struct tcp_build build = {.laddr = out ? US : PEER,
                              .raddr = out ? PEER : US,
                              .lport = out ? 7 : 40000,
                              .rport = out ? 40000 : 7,
                              .seq32 = seq32,
                              .ack32 = ack32,
                              .flags = flags,
                              .ttl = 64,
                              .text = {{data, (flags & RILL_SYN) != 0 ? 0 : sizeof data}}};
    (void)tcp_build(&build, head, &packet);
    return packet;
}

static void trace__syn_lost_on_the_way_in__is_of_the_connection_that_it_begins(void **unused)
{
    (void)unused;
    begin();
    struct rill_packet syn = packet_of(false, RILL_SYN, 1000, 0);
    trace_file_link(&trace, &syn, false, "loss", 6000000);
    segment(RILL_TRACE_SEGMENT_IN, RILL_SYN, 1000, 0, 0);
    finish();
    assert_int_equal(line_count, 4);
    check(1, "\"ev\":\"conn\",\"conn\":1,\"local\":\"10.77.0.2:7\",\"peer\":\"10.77.0.1:40000\"");
    check(2,
          "\"ev\":\"link\",\"dir\":\"in\",\"conn\":1,\"fate\":\"loss\",\"flags\":\"S\",\"seq\":0,\"len\":0,");
    check(3, "\"ev\":\"in\",\"conn\":1");
}

static void trace__segment_lost_on_the_way_out__has_relative_numbers(void **unused)
{
    (void)unused;
    struct rill_trace_event e = event_of(RILL_TRACE_SEGMENT_OUT);
    begin();
    e.flags = RILL_ACK;
    e.relative = true;
    e.seq32 = 2001;
    e.seq = 1;
    e.ack32 = 9005;
    e.ack = 5;
    trace_file_event(&trace, &e);
    struct rill_packet p = packet_of(true, RILL_ACK, 2011, 9005);
    trace_file_link(&trace, &p, true, "list", 6000000);
    finish();
    assert_int_equal(line_count, 4);
    check(3, "\"ev\":\"link\",\"dir\":\"out\",\"conn\":1,\"fate\":\"list\",\"flags\":\".\",\"seq\":11,"
             "\"len\":10,\"ack\":5,"
             "\"seq32\":2011,\"ack32\":9005,\"rel\":true}");
}

static void trace__lost_packet_of_no_tcp__has_no_numbers(void **unused)
{
    (void)unused;
    static const uint8_t garbage[] = {0x60, 0, 0, 0, 1, 2, 3};
    struct rill_packet p = {.head = {garbage, sizeof garbage}};
    begin();
    trace_file_link(&trace, &p, false, "blackout", 6000000);
    finish();
    assert_int_equal(line_count, 2);
    check(1, "\"conn\":0,\"fate\":\"blackout\",\"flags\":\"\",\"seq\":0,\"len\":0,\"ack\":0,");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trace__start__says_whose_it_is),
        cmocka_unit_test(trace__syn_again__is_the_same_connection),
        cmocka_unit_test(trace__new_syn_after_the_end__is_a_new_connection),
        cmocka_unit_test(trace__active_open_of_a_used_pair__is_a_new_connection),
        cmocka_unit_test(trace__numbers_once_known__stay_relative),
        cmocka_unit_test(trace__segment_of_nobody__has_the_number_zero),
        cmocka_unit_test(trace__reason__is_there_with_number_time_and_words),
        cmocka_unit_test(trace__numbers__are_written_when_one_changes),
        cmocka_unit_test(trace__options__are_there_when_the_segment_has_them),
        cmocka_unit_test(trace__segment_out__is_in_flight_after_its_line),
        cmocka_unit_test(trace__timer__is_set_and_fires),
        cmocka_unit_test(trace__syn_lost_on_the_way_in__is_of_the_connection_that_it_begins),
        cmocka_unit_test(trace__segment_lost_on_the_way_out__has_relative_numbers),
        cmocka_unit_test(trace__lost_packet_of_no_tcp__has_no_numbers),
    };
    return cmocka_run_group_tests_name("trace_file", tests, NULL, NULL);
}
