/* trace_sample.c - see trace_sample.h. */
#include "trace_sample.h"

#include "pair.h"
#include "rill.h"
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define RUN_US 30000000u
#define PORT 19
#define LINE_US_PER_1000_BYTES 800u /* 10 Mbit/s */

enum { CLIENT, RILL };

const struct trace_sample_plan trace_sample_story = {
    .bytes = 900000,
    .client_rcvbuf = 100000,
    .drop_data = {61},
    .blackout_us = {400000, 440000},
    .pause_us = {950000, 1750000},
};

struct sample {
    const struct trace_sample_plan *plan;
    struct trace_sample_counts counts;
    struct pair pair;
    FILE *json, *pcapng;
    uint64_t start_us, line_free_us; /* when the way out is free for the next packet */
    uint32_t data_count[2], isn[2];
    bool named, over;  /* over: rill's side has closed, and lives on in TIME-WAIT at most */
    char reason[160];  /* of the segment that rill has just handed out */
    char numbers[512]; /* the last that were told */
    int fd[2], listener;
    uint64_t sent[2];
};

static double now(const struct sample *s) { return (double)(s->pair.now_us - s->start_us) / 1e6; }

static const char *flags_text(uint8_t flags, char text[10])
{
    static const char letters[] = "FSRP.UEW", order[] = {1, 0, 2, 3, 5, 6, 7, 4};
    int n = 0;
    for (int i = 0; i < 8; i++)
        if (flags & 1 << order[i])
            text[n++] = letters[(int)order[i]];
    text[n] = '\0';
    return text;
}

/* ---- The trace ----------------------------------------------------------------------------------------- */

static void segment_line(struct sample *s, const struct rill_trace_event *e)
{
    bool out = e->kind == RILL_TRACE_SEGMENT_OUT;
    char flags[10];
    fprintf(s->json,
            "{\"t\":%.6f,\"ev\":\"%s\",\"conn\":1,\"flags\":\"%s\",\"seq\":%" PRIu64
            ",\"len\":%u,\"ack\":%" PRIu64 ",\"win\":%u,\"seq32\":%u,\"ack32\":%u,\"rel\":%s%s",
            now(s), out ? "out" : "in", flags_text(e->flags, flags), e->seq, e->len, e->ack, e->wnd, e->seq32,
            e->ack32, e->relative ? "true" : "false", e->resent ? ",\"again\":true" : "");
    if (out && e->why != RILL_WHY_NONE)
        fprintf(s->json, ",\"why\":\"%s\",\"n\":%u,\"us\":%u,\"text\":\"%s\"", rill_why_name(e->why),
                e->why_count, e->why_us, s->reason);
    if (out && e->held_us != 0 && e->held != RILL_LIMIT_APPLICATION)
        fprintf(s->json, ",\"held\":\"%s\",\"held_us\":%" PRIu64,
                e->held == RILL_LIMIT_RWND ? "RWND" : "CWND", e->held_us);
    fputs("}\n", s->json);
}

static void numbers_line(struct sample *s, const struct rill_numbers *n)
{
#define NAME(name, text) #name,
    static const char *const limits[] = {RILL_LIMITS(NAME)};
#undef NAME
    char text[sizeof s->numbers];
    (void)snprintf(
        text, sizeof text,
        "\"cwnd\":%u,\"ssthresh\":%u,\"flight\":%u,\"pipe\":%u,\"snd_wnd\":%u,\"rcv_wnd\":%u,"
        "\"unsent\":%u,\"unread\":%u,\"srtt_us\":%u,\"rttvar_us\":%u,\"rto_us\":%u,\"dup_acks\":%u,"
        "\"recovery\":%s,\"limit\":\"%s\"",
        n->cwnd, n->ssthresh, n->flight, n->pipe, n->snd_wnd, n->rcv_wnd, n->unsent, n->unread, n->srtt_us,
        n->rttvar_us, n->rto_us, n->dup_acks, n->recovery ? "true" : "false", limits[n->limit]);
    if (strcmp(text, s->numbers) == 0)
        return;
    memcpy(s->numbers, text, sizeof text);
    fprintf(s->json, "{\"t\":%.6f,\"ev\":\"numbers\",\"conn\":1,%s}\n", now(s), text);
}

static void count_out(struct sample *s, const struct rill_trace_event *e)
{
    bool probe = e->why == RILL_WHY_PROBE || e->why == RILL_WHY_KEEPALIVE;
    bool fills = e->len > 0 || (e->flags & (RILL_SYN | RILL_FIN)) != 0;
    s->counts.probes += e->why == RILL_WHY_PROBE;
    s->counts.resent += e->resent && !probe && fills;
    s->counts.rtos += e->why == RILL_WHY_RTO;
    s->counts.fast += e->why == RILL_WHY_FAST_RETRANSMIT;
}

static void trace(void *ctx, const struct rill_trace_event *e)
{
    struct sample *s = ctx;
    if (e->kind == RILL_TRACE_SEGMENT_OUT) {
        (void)rill_explain(e, s->reason, sizeof s->reason);
        count_out(s, e);
    }
    s->counts.segments += e->kind == RILL_TRACE_SEGMENT_OUT || e->kind == RILL_TRACE_SEGMENT_IN;
    s->counts.states += e->kind == RILL_TRACE_STATE;
    s->over =
        s->over || (e->kind == RILL_TRACE_STATE && (e->state == RILL_TIME_WAIT || e->state == RILL_CLOSED));
    if (s->json == NULL)
        return;
    if (!s->named && e->rport != 0) {
        s->named = true;
        fprintf(
            s->json,
            "{\"t\":%.6f,\"ev\":\"conn\",\"conn\":1,\"local\":\"10.77.0.2:%u\",\"peer\":\"10.77.0.1:%u\"}\n",
            now(s), e->lport, e->rport);
    }
    switch (e->kind) {
    case RILL_TRACE_SEGMENT_IN:
    case RILL_TRACE_SEGMENT_OUT:
        segment_line(s, e);
        break;
    case RILL_TRACE_EVENT:
        fprintf(s->json, "{\"t\":%.6f,\"ev\":\"event\",\"conn\":%d,\"name\":\"%s\",\"text\":\"%s\"}\n",
                now(s), e->rport != 0, rill_event_name(e->event), rill_event_text(e->event));
        break;
    case RILL_TRACE_STATE:
        fprintf(s->json, "{\"t\":%.6f,\"ev\":\"state\",\"conn\":1,\"from\":\"%s\",\"to\":\"%s\"}\n", now(s),
                rill_state_name(e->state_from), rill_state_name(e->state));
        break;
    case RILL_TRACE_NUMBERS:
        numbers_line(s, &e->numbers);
        break;
    case RILL_TRACE_TIMER_SET:
        break;
    case RILL_TRACE_TIMER_FIRED:
        fprintf(s->json, "{\"t\":%.6f,\"ev\":\"timer\",\"conn\":1,\"timer\":\"%s\",\"fired\":true}\n", now(s),
                e->timer == RILL_TIMER_XMIT ? "XMIT" : "other");
        break;
    }
}

/* ---- The capture --------------------------------------------------------------------------------------- */

static void put32(FILE *f, uint32_t n) { fwrite(&n, 4, 1, f); }
static void put16(FILE *f, uint16_t n) { fwrite(&n, 2, 1, f); }

static void put_padded(FILE *f, const void *data, uint32_t len)
{
    fwrite(data, 1, len, f);
    fwrite("\0\0\0", 1, (4 - len % 4) % 4, f);
}

static void interface_block(FILE *f, const char *name)
{
    uint32_t len = (uint32_t)strlen(name), block = 20 + 4 + (len + 3) / 4 * 4 + 8 + 4;
    put32(f, 1);
    put32(f, block);
    put32(f, 101);
    put32(f, 0);
    put16(f, 2);
    put16(f, (uint16_t)len);
    put_padded(f, name, len);
    put16(f, 9);
    put16(f, 1);
    put_padded(f, "\x09", 1);
    put32(f, 0);
    put32(f, block);
}

static void capture_head(FILE *f)
{
    const uint32_t head[] = {0x0a0d0d0a, 28, 0x1a2b3c4d, 1, UINT32_MAX, UINT32_MAX, 28};
    fwrite(head, sizeof head, 1, f);
    interface_block(f, "rill0");
    interface_block(f, "rill0-dropped");
}

static void capture_packet(struct sample *s, const struct pair_packet *packet, bool lost, const char *comment)
{
    FILE *f = s->pcapng;
    uint64_t stamp = s->pair.now_us * 1000;
    uint32_t len = (uint32_t)strlen(comment), padded = (packet->len + 3) / 4 * 4;
    uint32_t block = 32 + padded + (len == 0 ? 0 : 4 + (len + 3) / 4 * 4 + 4);
    put32(f, 6);
    put32(f, block);
    put32(f, lost);
    put32(f, (uint32_t)(stamp >> 32));
    put32(f, (uint32_t)stamp);
    put32(f, packet->len);
    put32(f, packet->len);
    put_padded(f, packet->data, packet->len);
    if (len > 0) {
        put16(f, 1);
        put16(f, (uint16_t)len);
        put_padded(f, comment, len);
        put32(f, 0);
    }
    put32(f, block);
}

/* ---- The link and the applications --------------------------------------------------------------------- */

static bool within(const struct sample *s, const uint64_t range_us[2])
{
    uint64_t at_us = s->pair.now_us - s->start_us;
    return at_us >= range_us[0] && at_us < range_us[1];
}

static bool is_lost(struct sample *s, int from, uint32_t len)
{
    uint32_t number = len > 0 ? ++s->data_count[from] : 0;
    if (from == CLIENT)
        return (number != 0 && number == s->plan->drop_upload) || within(s, s->plan->lost_acks_us);
    for (size_t i = 0; i < COUNT_OF(s->plan->drop_data); i++)
        if (number != 0 && number == s->plan->drop_data[i])
            return true;
    return within(s, s->plan->blackout_us);
}

static void hook(void *ctx, struct pair *pair, int from, struct pair_packet *packet)
{
    struct sample *s = ctx;
    const uint8_t *tcp = packet->data + 20;
    uint32_t seq, ack, len = packet->len - 20 - (uint32_t)(tcp[12] >> 4) * 4;
    char flags[10];
    (void)pair;
    memcpy(&seq, tcp + 4, 4);
    memcpy(&ack, tcp + 8, 4);
    seq = ntohl(seq);
    ack = ntohl(ack);
    if (tcp[13] & RILL_SYN)
        s->isn[from] = seq;
    bool lost = is_lost(s, from, len);
    packet->copies = lost ? 0 : 1;
    if (from == RILL) {
        uint64_t begin_us = s->line_free_us > s->pair.now_us ? s->line_free_us : s->pair.now_us;
        s->line_free_us = begin_us + packet->len * LINE_US_PER_1000_BYTES / 1000;
        packet->at_us = s->line_free_us + s->pair.side[RILL].latency_us;
    }
    if (s->pcapng != NULL) {
        char comment[200];
        (void)snprintf(comment, sizeof comment, "%s%s%s", from == RILL ? s->reason : "",
                       lost && from == RILL ? "; " : "", lost ? "dropped: random loss" : "");
        capture_packet(s, packet, lost, comment);
    }
    s->counts.lost += lost;
    s->counts.segments += lost && from == CLIENT;
    if (lost && s->json != NULL)
        fprintf(s->json,
                "{\"t\":%.6f,\"ev\":\"link\",\"dir\":\"%s\",\"conn\":1,\"fate\":\"loss\",\"flags\":\"%s\","
                "\"seq\":%u,\"len\":%u,\"ack\":%u,\"seq32\":%u,\"ack32\":%u}\n",
                now(s), from == RILL ? "out" : "in", flags_text(tcp[13], flags), seq - s->isn[from], len,
                ack - s->isn[!from], seq, ack);
}

static void send_some(struct sample *s, int side, uint32_t total)
{
    static const char zeroes[65536];
    uint64_t left = total - s->sent[side];
    struct iovec iov = {(void *)(uintptr_t)zeroes, left < sizeof zeroes ? left : sizeof zeroes};
    if (left == 0)
        return;
    int64_t n = sock_send(&s->pair.side[side].socks, s->fd[side], &iov, 1, 0);
    if (n > 0 && (s->sent[side] += (uint64_t)n) == total)
        (void)sock_shutdown(&s->pair.side[side].socks, s->fd[side], SHUT_WR);
}

static int64_t read_some(struct sample *s, int side)
{
    static char data[65536];
    struct iovec iov = {data, sizeof data};
    return sock_recv(&s->pair.side[side].socks, s->fd[side], &iov, 1, 0);
}

static void set_option(struct sample *s, int side, int fd, int name, int value)
{
    assert_int_equal(sock_setsockopt(&s->pair.side[side].socks, fd, SOL_SOCKET, name, &value, sizeof value),
                     0);
}

static void applications(struct sample *s)
{
    struct socks *rill = &s->pair.side[RILL].socks, *client = &s->pair.side[CLIENT].socks;
    if (s->fd[RILL] < 0)
        s->fd[RILL] = sock_accept(rill, s->listener, NULL, NULL, SOCK_NONBLOCK);
    if (s->fd[RILL] >= 0) {
        if (s->plan->reset_us != 0 && s->pair.now_us - s->start_us >= s->plan->reset_us) {
            struct linger linger = {1, 0};
            (void)sock_setsockopt(rill, s->fd[RILL], SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
            (void)sock_close(rill, s->fd[RILL]);
            s->fd[RILL] = -1;
            return;
        }
        send_some(s, RILL, s->plan->bytes);
        while (read_some(s, RILL) > 0)
            ;
    }
    if (s->plan->upload > 0)
        send_some(s, CLIENT, s->plan->upload);
    while (!within(s, s->plan->pause_us)) {
        int64_t n = read_some(s, CLIENT);
        if (n == 0 && s->plan->upload == 0)
            (void)sock_shutdown(client, s->fd[CLIENT], SHUT_WR);
        if (n <= 0)
            break;
    }
}

static void start(struct sample *s)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr = {htonl(PAIR_ADDR(RILL))}};
    pair_defaults(&s->pair);
    s->start_us = s->pair.now_us;
    s->pair.side[RILL].latency_us = 20000;
    s->pair.side[CLIENT].latency_us = 0;
    /* What the pictures tell of: full segments of 1460 bytes, Reno, fast retransmit by duplicate ACKs. */
    for (int i = 0; i < 2; i++) {
        s->pair.side[i].config.features = 1u << RILL_FEATURE_WSCALE;
        s->pair.side[i].config.cc = RILL_CC_RENO;
    }
    s->pair.side[RILL].config.trace = trace;
    s->pair.side[RILL].config.trace_ctx = s;
    s->pair.hook = hook;
    s->pair.hook_ctx = s;
    pair_start(&s->pair);
    struct socks *rill = &s->pair.side[RILL].socks, *client = &s->pair.side[CLIENT].socks;
    s->listener = sock_socket(rill, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(sock_bind(rill, s->listener, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(sock_listen(rill, s->listener, 4), 0);
    s->fd[RILL] = -1;
    s->fd[CLIENT] = sock_socket(client, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (s->plan->client_rcvbuf != 0)
        set_option(s, CLIENT, s->fd[CLIENT], SO_RCVBUF, (int)s->plan->client_rcvbuf);
    assert_int_equal(sock_connect(client, s->fd[CLIENT], (struct sockaddr *)&to, sizeof to), -EINPROGRESS);
}

struct trace_sample_counts trace_sample_write(const struct trace_sample_plan *plan, FILE *json, FILE *pcapng)
{
    struct sample *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->plan = plan;
    s->json = json;
    s->pcapng = pcapng;
    if (json != NULL)
        fputs("{\"t\":0.000000,\"ev\":\"start\",\"version\":1,\"addr\":\"10.77.0.2\",\"mtu\":1500,"
              "\"unix_us\":1764000000000000}\n",
              json);
    if (pcapng != NULL)
        capture_head(pcapng);
    start(s);
    do {
        pair_run(&s->pair, s->pair.now_us + 1000);
        applications(s);
    } while (s->pair.now_us < s->start_us + RUN_US && !s->over);
    pair_run(&s->pair, s->pair.now_us + 100000);
    s->pair.side[RILL].config.trace = NULL;
    struct trace_sample_counts counts = s->counts;
    if (json != NULL)
        (void)fflush(json);
    s->json = s->pcapng = NULL;
    s->pair.hook = NULL;
    pair_stop(&s->pair);
    free(s);
    return counts;
}
