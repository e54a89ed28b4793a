/* test_pcapng.c - the bytes of a capture, read by an own parser of the format
 * (draft-ietf-opsawg-pcapng-02, section 4). */
#include "test.h"

#include "base.h"
#include "pcapng.h"
#include "rill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* ---- The parser ---------------------------------------------------------------------------------------- */

enum { BLOCKS_MAX = 64, FILE_MAX = 8 << 20 };

struct found {
    uint32_t type, body_len; /* without the length at the end */
    const uint8_t *body;     /* behind type and length */
};

static uint8_t file[FILE_MAX];
static struct found found[BLOCKS_MAX];
static char path[64];

static uint32_t get32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static uint16_t get16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static size_t load(void)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t len = fread(file, 1, sizeof file, f);
    assert_int_equal(fclose(f), 0);
    return len;
}

/* Cuts the file into blocks; every byte must belong to one. */
static int parse(size_t len)
{
    int count = 0;
    for (size_t at = 0; at < len; count++) {
        assert_true(len - at >= 12 && count < BLOCKS_MAX);
        uint32_t total = get32(file + at + 4);
        assert_true(total >= 12 && total % 4 == 0 && total <= len - at);
        assert_int_equal(get32(file + at + total - 4), total);
        found[count] = (struct found){get32(file + at), total - 12, file + at + 8};
        at += total;
    }
    return count;
}

/* The option's value, NULL: there is none.  Options begin at body + off, and end with an end. */
static const uint8_t *option_of(const struct found *b, uint32_t off, uint16_t code, uint16_t *len)
{
    const uint8_t *value = NULL;
    bool ended = false;
    while (off < b->body_len) {
        assert_false(ended);
        uint16_t this_code = get16(b->body + off), this_len = get16(b->body + off + 2);
        ended = this_code == 0;
        if (this_code == code) {
            assert_null(value);
            value = b->body + off + 4;
            *len = this_len;
        }
        off += 4 + (this_len + 3u) / 4 * 4;
    }
    assert_true(ended && off == b->body_len);
    return value;
}

static void check_text(const struct found *b, uint32_t off, uint16_t code, const char *want)
{
    uint16_t len = 0;
    const uint8_t *value = option_of(b, off, code, &len);
    assert_non_null(value);
    assert_int_equal(len, strlen(want));
    assert_memory_equal(value, want, len);
}

static uint64_t stamp_of(const struct found *b)
{
    return (uint64_t)get32(b->body + 4) << 32 | get32(b->body + 8);
}

static uint32_t options_of_packet(const struct found *b) { return 20 + (get32(b->body + 12) + 3) / 4 * 4; }

/* ---- The set-up ---------------------------------------------------------------------------------------- */

static struct pcapng capture;

static void begin(void)
{
    struct tun_error error;
    (void)snprintf(path, sizeof path, "/tmp/rill-pcapng-%d", (int)getpid());
    assert_int_equal(pcapng_open(&capture, path, "brook7", &error), 0);
}

/* Closes the file: the number of its blocks. */
static int finish(void)
{
    sink_close(&capture.sink);
    assert_false(pcapng_is_open(&capture));
    int count = parse(load());
    assert_int_equal(unlink(path), 0);
    return count;
}

static struct rill_packet packet_of(const uint8_t *data, uint32_t len)
{
    return (struct rill_packet){.head = {data, len}};
}

static uint64_t wall_ns(void)
{
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &t), 0);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- The tests ----------------------------------------------------------------------------------------- */

static void pcapng__empty__describes_section_and_two_interfaces(void **state)
{
    (void)state;
    uint16_t len = 0;
    begin();
    assert_int_equal(finish(), 3);
    assert_int_equal(found[0].type, 0x0a0d0d0a);
    assert_int_equal(get32(found[0].body), 0x1a2b3c4d);
    assert_int_equal(get16(found[0].body + 4), 1); /* version 1.0 */
    assert_int_equal(get16(found[0].body + 6), 0);
    assert_int_equal(get32(found[0].body + 8), UINT32_MAX);
    assert_int_equal(get32(found[0].body + 12), UINT32_MAX);
    assert_non_null(option_of(&found[0], 16, 2, &len));
    assert_non_null(option_of(&found[0], 16, 3, &len));
    check_text(&found[0], 16, 4, "rill " RILL_VERSION);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(found[i].type, 1);
        assert_int_equal(get16(found[i].body), 101); /* LINKTYPE_RAW */
        assert_int_equal(get32(found[i].body + 4), 0);
        check_text(&found[i], 8, 2, i == 1 ? "brook7" : "brook7-dropped");
        const uint8_t *resolution = option_of(&found[i], 8, 9, &len);
        assert_true(resolution != NULL && len == 1 && *resolution == 9); /* 10^-9 s */
    }
}

static void pcapng__packets__come_back_with_direction_and_comment(void **state)
{
    (void)state;
    static const uint8_t data[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    static const char *const comments[] = {"a", "ab", "abc", "RTO #2, rto 412 ms"};
    begin();
    for (uint32_t i = 0; i < 4; i++) {
        struct rill_packet p = packet_of(data, 20 + i); /* each amount of padding */
        pcapng_packet(&capture, i % 2 == 0 ? PCAPNG_WIRE : PCAPNG_DROPPED, &p, i < 2, comments[i]);
    }
    assert_int_equal(finish(), 7);
    for (uint32_t i = 0; i < 4; i++) {
        const struct found *b = &found[3 + i];
        uint16_t len = 0;
        assert_int_equal(b->type, 6);
        assert_int_equal(get32(b->body), i % 2);
        assert_int_equal(get32(b->body + 12), 20 + i);
        assert_int_equal(get32(b->body + 16), 20 + i);
        assert_memory_equal(b->body + 20, data, 20 + i);
        check_text(b, options_of_packet(b), 1, comments[i]);
        const uint8_t *flags = option_of(b, options_of_packet(b), 2, &len);
        assert_true(flags != NULL && len == 4);
        assert_int_equal(get32(flags), i < 2 ? 2 : 1); /* outbound, inbound; nothing else is known */
    }
}

static void pcapng__slices__are_one_packet(void **state)
{
    (void)state;
    struct rill_packet p = {.head = {(const uint8_t *)"abcde", 5},
                            .body = {{(const uint8_t *)"fg", 2}, {(const uint8_t *)"hij", 3}}};
    uint16_t len;
    begin();
    pcapng_packet(&capture, PCAPNG_WIRE, &p, true, "");
    assert_int_equal(finish(), 4);
    assert_int_equal(get32(found[3].body + 12), 10);
    assert_memory_equal(found[3].body + 20, "abcdefghij", 10);
    assert_null(option_of(&found[3], options_of_packet(&found[3]), 1, &len)); /* no comment */
}

static void pcapng__largest_packet_and_comment__fit(void **state)
{
    (void)state;
    static uint8_t data[65535];
    static char comment[5000];
    uint16_t len = 0;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 >> 3);
    memset(comment, 'x', sizeof comment - 1);
    struct rill_packet p = packet_of(data, sizeof data);
    begin();
    for (int i = 0; i < 40; i++)
        pcapng_packet(&capture, PCAPNG_WIRE, &p, true, comment);
    assert_int_equal(finish(), 43);
    for (int i = 3; i < 43; i++) {
        assert_memory_equal(found[i].body + 20, data, sizeof data);
        assert_non_null(option_of(&found[i], options_of_packet(&found[i]), 1, &len));
        assert_int_equal(len, 1000); /* longer ones are cut */
    }
}

static void pcapng__stamps__are_wall_clock_and_in_order(void **state)
{
    (void)state;
    static const uint8_t data[20];
    struct rill_packet p = packet_of(data, sizeof data);
    struct timespec wait = {0, 3000000};
    uint64_t before = wall_ns();
    begin();
    pcapng_packet(&capture, PCAPNG_WIRE, &p, true, "");
    (void)nanosleep(&wait, NULL);
    pcapng_packet(&capture, PCAPNG_WIRE, &p, false, "");
    uint64_t after = wall_ns();
    assert_int_equal(finish(), 5);
    /* The two clocks are read one after the other at the start: a little in between is allowed. */
    assert_true(stamp_of(&found[3]) + 2000000 >= before && stamp_of(&found[4]) <= after + 2000000);
    assert_true(stamp_of(&found[4]) - stamp_of(&found[3]) >= 3000000);
}

/* However the program ends, the file ends with a whole block: at no time anything else is in it. */
static void pcapng__not_closed__holds_whole_blocks(void **state)
{
    (void)state;
    static uint8_t data[30001];
    struct rill_packet p = packet_of(data, sizeof data);
    int blocks = 0, seen = 0;
    begin();
    for (int i = 0; i < 50; i++) {
        pcapng_packet(&capture, PCAPNG_WIRE, &p, true, "why");
        int now = parse(load());
        seen += now > blocks;
        blocks = now;
    }
    assert_true(seen > 5 && blocks < 53);
    assert_int_equal(finish(), 53);
}

static void pcapng__buffered__wants_a_flush_within_a_second(void **state)
{
    (void)state;
    static const uint8_t data[20];
    struct rill_packet p = packet_of(data, sizeof data);
    struct timespec t;
    begin();
    sink_flush(&capture.sink);
    assert_true(capture.sink.flush_us == RILL_NEVER);
    assert_int_equal(parse(load()), 3);
    pcapng_packet(&capture, PCAPNG_WIRE, &p, true, "");
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
    rill_time now_us = (rill_time)t.tv_sec * SEC + (rill_time)t.tv_nsec / 1000;
    assert_true(capture.sink.flush_us <= now_us + SEC);
    assert_int_equal(finish(), 4);
}

static void pcapng__no_such_directory__is_named(void **state)
{
    (void)state;
    struct tun_error error;
    assert_int_equal(pcapng_open(&capture, "/nowhere/a.pcapng", "rill0", &error), -ENOENT);
    assert_int_equal(error.code, ENOENT);
    assert_non_null(strstr(error.text, "capture /nowhere/a.pcapng"));
    assert_non_null(strstr(error.text, strerror(ENOENT)));
    assert_false(pcapng_is_open(&capture));
}

/* Said once, on standard error; afterwards packets are passed over. */
static void pcapng__disk_full__ends_the_file_and_says_so_once(void **state)
{
    (void)state;
    static const uint8_t data[20];
    struct rill_packet p = packet_of(data, sizeof data);
    struct tun_error error;
    char said[400] = "";
    int pipes[2], before = dup(STDERR_FILENO);
    assert_int_equal(pcapng_open(&capture, "/dev/full", "rill0", &error), 0);
    assert_int_equal(pipe(pipes), 0);
    assert_true(dup2(pipes[1], STDERR_FILENO) >= 0);
    for (int i = 0; i < 3; i++) {
        pcapng_packet(&capture, PCAPNG_WIRE, &p, true, "why");
        sink_flush(&capture.sink);
    }
    sink_close(&capture.sink);
    assert_true(dup2(before, STDERR_FILENO) >= 0);
    assert_int_equal(close(pipes[1]), 0);
    ssize_t n = read(pipes[0], said, sizeof said - 1);
    assert_true(n > 0 && said[n - 1] == '\n');
    assert_non_null(strstr(said, "/dev/full: "));
    assert_non_null(strstr(said, strerror(ENOSPC)));
    assert_ptr_equal(strchr(said, '\n'), said + n - 1);
    assert_false(pcapng_is_open(&capture));
    assert_int_equal(close(pipes[0]) + close(before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pcapng__empty__describes_section_and_two_interfaces),
        cmocka_unit_test(pcapng__packets__come_back_with_direction_and_comment),
        cmocka_unit_test(pcapng__slices__are_one_packet),
        cmocka_unit_test(pcapng__largest_packet_and_comment__fit),
        cmocka_unit_test(pcapng__stamps__are_wall_clock_and_in_order),
        cmocka_unit_test(pcapng__not_closed__holds_whole_blocks),
        cmocka_unit_test(pcapng__buffered__wants_a_flush_within_a_second),
        cmocka_unit_test(pcapng__no_such_directory__is_named),
        cmocka_unit_test(pcapng__disk_full__ends_the_file_and_says_so_once),
    };
    return cmocka_run_group_tests_name("pcapng", tests, NULL, NULL);
}
