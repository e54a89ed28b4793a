/* test_trace_read.c - the readers of traces and captures: what they take from a file, and that no file at all
 * makes them crash (run under the sanitizers, that is most of what there is to say). */
#include "trace_read.h"

#include "notation.h"
#include "prng.h"
#include "rill_engine.h"
#include "test.h"
#include "trace_sample.h"

#include <stdlib.h>
#include <string.h>

#define START "{\"t\":0.000000,\"ev\":\"start\",\"version\":1}\n"
#define CONN                                                                                                 \
    "{\"t\":0.000001,\"ev\":\"conn\",\"conn\":1,\"local\":\"10.77.0.2:7\",\"peer\":\"10.77.0.1:50000\"}\n"

static int parse(struct trace *trace, const char *text)
{
    return trace_parse(trace, (const uint8_t *)text, strlen(text), NULL);
}

/* ---- Traces -------------------------------------------------------------------------------------------- */

static void segment_line__every_field__is_taken(void **state)
{
    struct trace trace;
    (void)state;
    assert_int_equal(
        parse(&trace, START CONN
              "{\"t\":1.500002,\"ev\":\"out\",\"conn\":1,\"flags\":\"P.\",\"seq\":4294967297,\"len\":1460,"
              "\"ack\":77,\"win\":65535,\"seq32\":9,\"ack32\":5,\"rel\":true,\"again\":true,\"why\":\"RTO\","
              "\"n\":2,\"us\":412000,\"text\":\"RTO #2, rto 412 ms\",\"held\":\"RWND\",\"held_us\":23000}\n"),
        0);
    assert_int_equal(trace.conn_count, 1);
    const struct trace_conn *conn = trace_pick(&trace, 1);
    assert_non_null(conn);
    assert_string_equal(conn->local, "10.77.0.2:7");
    assert_string_equal(conn->peer, "10.77.0.1:50000");
    assert_int_equal(conn->seg_count, 1);
    const struct trace_seg *seg = &conn->segs[0];
    assert_int_equal(seg->t_us, 1500002);
    assert_int_equal(seg->seq, 4294967297);
    assert_int_equal(seg->ack, 77);
    assert_int_equal(seg->len, 1460);
    assert_int_equal(seg->win, 65535);
    assert_int_equal(seg->flags, RILL_PSH | RILL_ACK);
    assert_true(seg->out && seg->rel && seg->again && !seg->lost);
    assert_string_equal(seg->why, "RTO");
    assert_int_equal(seg->n, 2);
    assert_int_equal(seg->us, 412000);
    assert_string_equal(seg->text, "RTO #2, rto 412 ms");
    assert_string_equal(seg->held, "RWND");
    assert_int_equal(seg->held_us, 23000);
    trace_free(&trace);
}

static void link_line__of_a_segment_out__marks_it_lost(void **state)
{
    struct trace trace;
    (void)state;
    assert_int_equal(
        parse(
            &trace, START CONN
            "{\"t\":1,\"ev\":\"out\",\"conn\":1,\"flags\":\".\",\"seq\":1,\"len\":10,\"seq32\":100,\"rel\":"
            "true}\n"
            "{\"t\":1,\"ev\":\"out\",\"conn\":1,\"flags\":\".\",\"seq\":11,\"len\":10,\"seq32\":110,\"rel\":"
            "true}\n"
            "{\"t\":1,\"ev\":\"link\",\"dir\":\"out\",\"conn\":1,\"fate\":\"list\",\"flags\":\".\",\"seq\":1,"
            "\"len\":10,\"seq32\":100}\n"
            "{\"t\":2,\"ev\":\"link\",\"dir\":\"in\",\"conn\":1,\"fate\":\"loss\",\"flags\":\".\",\"seq\":1,"
            "\"len\":5,\"seq32\":900,\"rel\":true}\n"
            "{\"t\":3,\"ev\":\"link\",\"dir\":\"in\",\"conn\":1,\"fate\":\"duplicate\",\"flags\":\".\","
            "\"seq\":1,"
            "\"len\":5,\"seq32\":900,\"rel\":true}\n"),
        0);
    const struct trace_conn *conn = trace_pick(&trace, 1);
    assert_int_equal(conn->seg_count, 3); /* the one that was lost on the way in has a record of its own */
    assert_true(conn->segs[0].lost);
    assert_string_equal(conn->segs[0].fate, "list");
    assert_false(conn->segs[1].lost);
    assert_true(conn->segs[2].lost && !conn->segs[2].out);
    trace_free(&trace);
}

static void strings__escapes_and_bad_bytes__become_clean_utf8(void **state)
{
    struct trace trace;
    (void)state;
    assert_int_equal(parse(&trace,
                           START "{\"t\":1,\"ev\":\"event\",\"conn\":1,\"name\":\"a\\u00e9\\\"\\n\",\"text\":"
                                 "\"\xff<&\xc3\xa9\\ud800\"}\n"),
                     0);
    assert_string_equal(trace.conns[0].notes[0].a, "a\xc3\xa9\"?");
    assert_string_equal(trace.conns[0].notes[0].b, "?<&\xc3\xa9?");
    trace_free(&trace);
}

static void unknown_things__are_passed_over(void **state)
{
    struct trace trace;
    (void)state;
    assert_int_equal(parse(&trace, START
                           "{\"t\":1,\"ev\":\"new\",\"x\":{\"a\":[1,{\"b\":\"}\"}]},\"conn\":1}\n\n"
                           "{\"t\":2,\"ev\":\"in\",\"conn\":1,\"flags\":\"S\",\"later\":null,\"seq\":7}\n"),
                     0);
    assert_int_equal(trace.conns[0].seg_count, 1);
    assert_int_equal(trace.conns[0].segs[0].seq, 7);
    trace_free(&trace);
}

static void bad_line__is_named(void **state)
{
    static const struct {
        const char *text, *error;
    } bad[] = {{START "{\"t\":1,\"ev\":\"in\"\n{}\n", "line 2, column"},
               {START "{\"t\":1}\n", "line 2: no event"},
               {"{\"t\":0,\"ev\":\"start\",\"version\":2}\n", "line 1: version 2"},
               {START "nonsense\n", "line 2, column 1"},
               {START "{\"t\":1,\"ev\":\"in\"} x\n", "line 2, column 19"},
               {"", "empty"},
               {"hello", "neither"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct trace trace;
        assert_int_equal(parse(&trace, bad[i].text), -1);
        assert_non_null(strstr(trace.error, bad[i].error));
        trace_free(&trace);
    }
}

static void last_line__cut_off__is_left_out(void **state)
{
    struct trace trace;
    (void)state;
    assert_int_equal(parse(&trace, START "{\"t\":1,\"ev\":\"in\",\"conn\":1}\n{\"t\":2,\"ev\":\"in\",\"co"),
                     0);
    assert_int_equal(trace.conns[0].seg_count, 1);
    assert_non_null(strstr(trace.note, "line 3"));
    trace_free(&trace);
}

static void arrivals__only_what_overlaps__count_as_sent_again(void **state)
{
    struct trace trace;
    (void)state;
    assert_int_equal(
        parse(&trace,
              START "{\"t\":1,\"ev\":\"in\",\"conn\":1,\"seq\":1,\"len\":10,\"rel\":true}\n"
                    "{\"t\":1,\"ev\":\"in\",\"conn\":1,\"seq\":21,\"len\":10,\"rel\":true}\n"
                    "{\"t\":2,\"ev\":\"in\",\"conn\":1,\"seq\":11,\"len\":10,\"rel\":true}\n" /* late */
                    "{\"t\":3,\"ev\":\"in\",\"conn\":1,\"seq\":15,\"len\":10,\"rel\":true}\n"),
        0);
    const struct trace_seg *segs = trace.conns[0].segs;
    assert_false(segs[0].again || segs[1].again || segs[2].again);
    assert_true(segs[3].again);
    trace_free(&trace);
}

/* ---- Captures ------------------------------------------------------------------------------------------ */

struct file {
    uint8_t data[4096];
    size_t len;
    bool big; /* byte order of the file */
};

static void put(struct file *f, uint32_t n, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        f->data[f->len++] = (uint8_t)(n >> 8 * (f->big ? bytes - 1 - i : i));
}

static void classic(struct file *f, bool big, uint32_t magic, uint32_t link_type)
{
    *f = (struct file){.big = big};
    put(f, magic, 4);
    put(f, 2, 2);
    put(f, 4, 2);
    put(f, 0, 4);
    put(f, 0, 4);
    put(f, 65535, 4);
    put(f, link_type, 4);
}

/* One packet, with `head` bytes of a link layer before it. */
static void packet(struct file *f, uint32_t s, uint32_t fraction, const struct datagram *d, size_t head)
{
    static uint8_t ip[65535 + 100];
    uint32_t len = datagram_build(d, ip);
    put(f, s, 4);
    put(f, fraction, 4);
    put(f, (uint32_t)head + len, 4);
    put(f, (uint32_t)head + len, 4);
    memset(f->data + f->len, 0, head);
    if (head == 14)
        f->data[f->len + 12] = 8;
    f->len += head;
    memcpy(f->data + f->len, ip, len);
    f->len += len;
}

static struct datagram segment(bool to_server, uint8_t flags, uint32_t seq, uint32_t ack, uint16_t win)
{
    return (struct datagram){.src = 0x0a4d0001u + !to_server,
                             .dst = 0x0a4d0001u + to_server,
                             .sport = to_server ? 50000 : 7,
                             .dport = to_server ? 7 : 50000,
                             .seq = seq,
                             .ack = ack,
                             .win = win,
                             .flags = flags,
                             .ttl = 64};
}

static void classic__all_orders_units_and_links__read_alike(void **state)
{
    static const struct {
        bool big;
        uint32_t magic, link_type, unit;
        size_t head;
    } kinds[] = {{false, 0xa1b2c3d4, 101, 1, 0},
                 {true, 0xa1b2c3d4, 101, 1, 0},
                 {false, 0xa1b23c4d, 101, 1000, 0},
                 {true, 0xa1b23c4d, 1, 1000, 14},
                 {false, 0xa1b2c3d4, 0, 1, 4}};
    static struct file f;
    static struct datagram syn, syn_ack, data;
    (void)state;
    syn = segment(true, RILL_SYN, 0xfffffff0, 0, 1000);
    syn.opt_len = 4;
    memcpy(syn.opt, "\3\3\2\1", 4);
    syn_ack = segment(false, RILL_SYN | RILL_ACK, 5000, 0xfffffff1, 2000);
    syn_ack.opt_len = 4;
    memcpy(syn_ack.opt, "\3\3\7\1", 4);
    data = segment(true, RILL_ACK, 0xfffffff1, 5001, 300);
    data.text_len = 100;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct trace trace;
        classic(&f, kinds[i].big, kinds[i].magic, kinds[i].link_type);
        packet(&f, 10, 5 * kinds[i].unit, &syn, kinds[i].head);
        packet(&f, 10, 25 * kinds[i].unit, &syn_ack, kinds[i].head);
        packet(&f, 11, 5 * kinds[i].unit, &data, kinds[i].head);
        data.seq += 100; /* over the wrap of 32 bits */
        packet(&f, 11, 6 * kinds[i].unit, &data, kinds[i].head);
        data.seq -= 100;
        packet(&f, 11, 7 * kinds[i].unit, &data, kinds[i].head);
        assert_int_equal(trace_parse(&trace, f.data, f.len, NULL), 0);
        assert_int_equal(trace.conn_count, 1);
        const struct trace_conn *conn = &trace.conns[0];
        assert_string_equal(conn->local, "10.77.0.2:7");
        assert_int_equal(conn->seg_count, 5);
        assert_true(!conn->segs[0].out && conn->segs[1].out);
        assert_int_equal(conn->segs[0].t_us, 0);
        assert_int_equal(conn->segs[1].t_us, 20);
        assert_int_equal(conn->segs[2].t_us, 1000000);
        assert_int_equal(conn->segs[1].seq, 0);
        assert_int_equal(conn->segs[1].ack, 1);
        assert_int_equal(conn->segs[1].win, 2000); /* that of a SYN is never scaled, RFC 7323 2.2 */
        assert_int_equal(conn->segs[2].win, 1200);
        assert_int_equal(conn->segs[2].seq, 1);
        assert_int_equal(conn->segs[3].seq, 101);
        assert_false(conn->segs[3].again);
        assert_true(conn->segs[4].again);
        trace_free(&trace);
    }
}

static void capture__local__chooses_the_side(void **state)
{
    static struct file f;
    static struct datagram d;
    struct trace trace;
    (void)state;
    classic(&f, false, 0xa1b2c3d4, 101);
    d = segment(true, RILL_SYN, 1, 0, 1000);
    packet(&f, 1, 0, &d, 0);
    assert_int_equal(trace_parse(&trace, f.data, f.len, "10.77.0.1"), 0);
    assert_true(trace.conns[0].segs[0].out);
    trace_free(&trace);
    assert_int_equal(trace_parse(&trace, f.data, f.len, "10.77.0.9"), -1);
    assert_non_null(strstr(trace.error, "10.77.0.9"));
    trace_free(&trace);
    /* Neither is 10.77.0.2: who answers the SYN is ours. */
    classic(&f, false, 0xa1b2c3d4, 101);
    d.src = 0x0a4d0005, d.dst = 0x0a4d0006;
    packet(&f, 1, 0, &d, 0);
    d.dst = 0x0a4d0005, d.src = 0x0a4d0006, d.sport = 7, d.dport = 50000, d.flags = RILL_SYN | RILL_ACK;
    packet(&f, 1, 0, &d, 0);
    assert_int_equal(trace_parse(&trace, f.data, f.len, NULL), 0);
    assert_string_equal(trace.conns[0].local, "10.77.0.6:7");
    trace_free(&trace);
}

static void put_words(struct file *f, const uint32_t *word, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(f, word[i], 4);
}

/* Ends a block of pcapng: its length goes to both sides. */
static void block_end(struct file *f, size_t start)
{
    while (f->len % 4 != 0)
        put(f, 0, 1);
    uint32_t len = (uint32_t)(f->len + 4 - start);
    put(f, len, 4);
    memcpy(f->data + start + 4, &len, 4);
}

static void pcapng(struct file *f)
{
    static const char *const names[] = {"rill0", "rill0-dropped"};
    *f = (struct file){.big = false};
    put_words(f, (uint32_t[]){0x0a0d0d0a, 0, 0x1a2b3c4d, 1, ~0u, ~0u}, 6);
    block_end(f, 0);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        size_t start = f->len, len = strlen(names[i]);
        put_words(f, (uint32_t[]){1, 0, 101, 0}, 4);
        put(f, 2, 2);
        put(f, (uint32_t)len, 2);
        memcpy(f->data + f->len, names[i], len);
        f->len += (len + 3) / 4 * 4;
        block_end(f, start);
    }
}

static void commented(struct file *f, uint32_t interface, uint32_t t_us, const struct datagram *d,
                      const char *comment)
{
    static uint8_t ip[65535 + 100];
    uint32_t len = datagram_build(d, ip);
    size_t start = f->len, words = strlen(comment);
    put_words(f, (uint32_t[]){6, 0, interface, 0, t_us, len, len}, 7);
    memcpy(f->data + f->len, ip, len);
    f->len += (len + 3) / 4 * 4;
    put(f, 1, 2);
    put(f, (uint32_t)words, 2);
    memcpy(f->data + f->len, comment, words);
    f->len += (words + 3) / 4 * 4;
    block_end(f, start);
}

/* The comments are those of -w; the fates are the ones that a trace of the same run has. */
static void capture__comments_of_the_emulator__become_fates(void **state)
{
    static struct file f;
    static struct datagram out, in;
    struct trace trace;
    (void)state;
    out = segment(false, RILL_ACK, 1000, 5000, 1000);
    out.text_len = 10;
    in = segment(true, RILL_ACK, 5000, 1000, 1000);
    in.text_len = 20;
    pcapng(&f);
    commented(&f, 0, 1, &out, "new data; corrupted by the emulator");
    commented(&f, 1, 2, &out, "dropped by the emulator: list; RTO #1, rto 200 ms");
    commented(&f, 0, 3, &out, "RTO #2, rto 400 ms; duplicated by the emulator");
    out.seq += 500; /* says of itself that it was sent before */
    commented(&f, 0, 3, &out, "RTO #3, rto 800 ms");
    in.seq += 1u << 30; /* the flipped bit */
    commented(&f, 0, 4, &in, "corrupted by the emulator");
    in.seq -= 1u << 30;
    commented(&f, 0, 5, &in, "");
    assert_int_equal(trace_parse(&trace, f.data, f.len, NULL), 0);
    assert_int_equal(trace.conn_count, 1);
    const struct trace_seg *segs = trace.conns[0].segs;
    assert_int_equal(trace.conns[0].seg_count, 6);
    assert_true(segs[0].lost && segs[1].lost && !segs[2].lost && segs[4].lost && !segs[5].lost);
    assert_string_equal(segs[0].fate, "corrupt");
    assert_string_equal(segs[0].why, "DATA");
    assert_string_equal(segs[0].text, "new data");
    assert_string_equal(segs[1].fate, "list");
    assert_string_equal(segs[1].why, "RTO");
    assert_int_equal(segs[1].n, 1);
    assert_int_equal(segs[1].us, 200000);
    assert_string_equal(segs[2].why, "RTO");
    assert_true(segs[3].again);
    assert_string_equal(segs[4].fate, "corrupt");
    assert_string_equal(segs[4].text, "");
    assert_int_equal(segs[5].seq, 1);
    trace_free(&trace);
}

/* Both ends have one address, as on loopback: the port that was asked is ours. */
static void capture__both_ends_at_one_address__is_one_connection(void **state)
{
    static struct file f;
    static struct datagram d[2];
    struct trace trace;
    (void)state;
    for (int answer_first = 0; answer_first < 2; answer_first++) {
        classic(&f, false, 0xa1b2c3d4, 101);
        for (int i = answer_first; i < 4; i++) {
            struct datagram *to = &d[i % 2];
            *to = segment(i % 2 == 0,
                          i == 0   ? RILL_SYN
                          : i == 1 ? RILL_SYN | RILL_ACK
                                   : RILL_ACK,
                          (i % 2 == 0 ? 100u : 900u) + (i > 1),
                          i == 0       ? 0
                          : i % 2 == 0 ? 901
                                       : 101,
                          1000);
            to->src = to->dst = 0x0a4d0005;
            packet(&f, 1, (uint32_t)i, to, 0);
        }
        assert_int_equal(trace_parse(&trace, f.data, f.len, NULL), 0);
        assert_int_equal(trace.conn_count, 1);
        const struct trace_conn *conn = &trace.conns[0];
        assert_string_equal(conn->local, "10.77.0.5:7");
        assert_string_equal(conn->peer, "10.77.0.5:50000");
        assert_int_equal(conn->seg_count, 4 - answer_first);
        for (int i = answer_first; i < 4; i++)
            assert_int_equal(conn->segs[i - answer_first].out, i % 2 == 1);
        trace_free(&trace);
    }
}

static void capture__bad__names_the_offset(void **state)
{
    static struct file f;
    static struct datagram d;
    struct trace trace;
    (void)state;
    classic(&f, false, 0xa1b2c3d4, 195);
    assert_int_equal(trace_parse(&trace, f.data, f.len, NULL), -1);
    assert_non_null(strstr(trace.error, "offset 20: link type 195"));
    trace_free(&trace);
    classic(&f, false, 0xa1b2c3d4, 101);
    d = segment(true, RILL_SYN, 1, 0, 1000);
    packet(&f, 1, 0, &d, 0);
    size_t first = f.len;
    packet(&f, 2, 0, &d, 0);
    assert_int_equal(trace_parse(&trace, f.data, f.len - 1, NULL), 0); /* cut off: up to there */
    char offset[40];
    (void)snprintf(offset, sizeof offset, "offset %zu", first);
    assert_non_null(strstr(trace.note, offset));
    assert_int_equal(trace.conns[0].seg_count, 1);
    trace_free(&trace);
    f.data[first + 8 + 3] = 0x7f; /* a length of two gigabytes */
    assert_int_equal(trace_parse(&trace, f.data, f.len, NULL), -1);
    assert_non_null(strstr(trace.error, offset));
    trace_free(&trace);
}

/* ---- Both: the same run, twice ------------------------------------------------------------------------- */

static char *sample(bool capture, size_t *len, struct trace_sample_counts *counts)
{
    char *data = NULL;
    FILE *file = open_memstream(&data, len);
    struct trace_sample_plan plan = {.bytes = 60000, .upload = 5000, .drop_data = {12}, .drop_upload = 2};
    assert_non_null(file);
    *counts = trace_sample_write(&plan, capture ? NULL : file, capture ? file : NULL);
    assert_int_equal(fclose(file), 0);
    return data;
}

/* The client's segments reach rill in the moment in which they are sent; within one, a capture has all of
 * them first and a trace has each before its answer. */
static int by_time_and_number(const void *a, const void *b)
{
    const struct trace_seg *x = a, *y = b;
    const uint64_t key[2][4] = {{x->t_us, x->out, x->seq, trace_end(x) << 32 | x->ack},
                                {y->t_us, y->out, y->seq, trace_end(y) << 32 | y->ack}};
    for (size_t i = 0; i < 4; i++)
        if (key[0][i] != key[1][i])
            return key[0][i] < key[1][i] ? -1 : 1;
    return 0;
}

static void capture_and_trace__of_the_same_run__agree(void **state)
{
    struct trace trace[2];
    struct trace_sample_counts counts;
    (void)state;
    for (int i = 0; i < 2; i++) {
        size_t len;
        char *data = sample(i == 1, &len, &counts);
        assert_int_equal(trace_parse(&trace[i], (uint8_t *)data, len, NULL), 0);
        free(data);
        assert_int_equal(trace[i].conn_count, 1);
    }
    const struct trace_conn *a = &trace[0].conns[0], *b = &trace[1].conns[0];
    assert_true(counts.resent > 0 && counts.lost == 2);
    assert_int_equal(a->seg_count, counts.segments);
    assert_int_equal(a->seg_count, b->seg_count);
    assert_string_equal(a->peer, b->peer);
    qsort(a->segs, a->seg_count, sizeof a->segs[0], by_time_and_number);
    qsort(b->segs, b->seg_count, sizeof b->segs[0], by_time_and_number);
    for (size_t i = 0; i < a->seg_count; i++) {
        const struct trace_seg *x = &a->segs[i], *y = &b->segs[i];
        assert_int_equal(x->t_us, y->t_us);
        assert_int_equal(x->out, y->out);
        assert_int_equal(x->flags, y->flags);
        assert_int_equal(x->seq, y->seq);
        assert_int_equal(x->ack, y->ack);
        assert_int_equal(x->len, y->len);
        assert_int_equal(trace_is_resent(x), trace_is_resent(y));
        assert_int_equal(x->lost, y->lost);
        assert_string_equal(x->why, y->why);
        assert_int_equal(x->n, y->n);
        if (!x->lost) /* the line of a lost one does not tell */
            assert_int_equal(x->win, y->win);
    }
    trace_free(&trace[0]);
    trace_free(&trace[1]);
}

/* A copy that ends where its memory does, so that the sanitizer sees the first byte too many. */
static void swallow(const char *data, size_t len)
{
    struct trace trace;
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    assert_non_null(copy);
    memcpy(copy, data, len);
    if (trace_parse(&trace, copy, len, NULL) != 0)
        assert_true(trace.error[0] != '\0');
    trace_free(&trace);
    free(copy);
}

static void truncated__anywhere__is_survived(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct trace_sample_counts counts;
        size_t len;
        char *data = sample(i == 1, &len, &counts);
        for (size_t n = 0; n < len; n += n < 4000 ? 1 : 997)
            swallow(data, n);
        free(data);
    }
}

static void mutated__in_any_way__is_survived(void **state)
{
    struct prng prng = prng_seed(20);
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct trace_sample_counts counts;
        size_t len;
        char *data = sample(i == 1, &len, &counts), *copy = malloc(len);
        len = len < 20000 ? len : 20000;
        for (int run = 0; run < 1500; run++) {
            memcpy(copy, data, len);
            for (uint64_t n = 1 + prng_below(&prng, 8); n > 0; n--)
                copy[prng_below(&prng, prng_chance(&prng, 50) ? 400 : len)] =
                    prng_chance(&prng, 50) ? (char)prng_u32(&prng)
                                           : "{}[]\",:\\u0e9-.\0\n"[prng_below(&prng, 17)];
            swallow(copy, len);
        }
        free(copy);
        free(data);
    }
}

static void noise__behind_any_magic__is_survived(void **state)
{
    static const char *const heads[] = {"{", "\x0a\x0d\x0d\x0a", "\xd4\xc3\xb2\xa1", "\xa1\xb2\xc3\xd4",
                                        "{\"t\":0,"};
    static const char alphabet[] = "{}[]\",:\\ntfu0123456789.-eE \n";
    struct prng prng = prng_seed(21);
    char data[600];
    (void)state;
    for (int run = 0; run < 20000; run++) {
        const char *head = heads[prng_below(&prng, COUNT_OF(heads))];
        size_t start = strlen(head), len = start + prng_below(&prng, sizeof data - start);
        prng_fill(&prng, data, sizeof data);
        for (size_t i = 0; head[0] == '{' && i < sizeof data; i++)
            data[i] = alphabet[(uint8_t)data[i] % (sizeof alphabet - 1)];
        for (size_t i = 0; i < start; i++)
            data[i] = head[i];
        swallow(data, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segment_line__every_field__is_taken),
        cmocka_unit_test(link_line__of_a_segment_out__marks_it_lost),
        cmocka_unit_test(strings__escapes_and_bad_bytes__become_clean_utf8),
        cmocka_unit_test(unknown_things__are_passed_over),
        cmocka_unit_test(bad_line__is_named),
        cmocka_unit_test(last_line__cut_off__is_left_out),
        cmocka_unit_test(arrivals__only_what_overlaps__count_as_sent_again),
        cmocka_unit_test(classic__all_orders_units_and_links__read_alike),
        cmocka_unit_test(capture__local__chooses_the_side),
        cmocka_unit_test(capture__comments_of_the_emulator__become_fates),
        cmocka_unit_test(capture__both_ends_at_one_address__is_one_connection),
        cmocka_unit_test(capture__bad__names_the_offset),
        cmocka_unit_test(capture_and_trace__of_the_same_run__agree),
        cmocka_unit_test(truncated__anywhere__is_survived),
        cmocka_unit_test(mutated__in_any_way__is_survived),
        cmocka_unit_test(noise__behind_any_magic__is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
