/* trace_pcap.c - captures: pcapng and the classic format, of raw IP, BSD loopback, Ethernet or Linux
 * "cooked".
 *
 * Two passes: the packets are taken apart, then, once it is known whose side is ours, put into connections.
 * An interface whose name ends in "-dropped" holds what an emulator dropped.  A comment on a packet is its
 * reason in words, from which the reason's name is found again. */
#include "trace_read.h"

#include "rill_engine.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INTERFACES_MAX = 64, BUCKETS = 4096 };

/* A TCP segment as it is on the wire. */
struct packet {
    uint64_t t_us;
    uint32_t addr[2]; /* source, destination */
    uint16_t port[2];
    uint32_t seq, ack, len;
    uint16_t win;
    uint8_t flags, sacks;
    bool has_ts;
    uint32_t tsval, tsecr;
    int8_t scale; /* of its window scale option, -1: none */
    bool dropped;
    uint32_t sack[TRACE_SACK_MAX][2];
    const char *comment;
};

struct interface {
    uint32_t link_type;
    uint8_t resolution; /* as if_tsresol */
    bool dropped;
};

struct reader {
    struct trace *trace;
    const uint8_t *data;
    size_t len;
    bool swapped; /* the file's byte order is not ours */
    struct interface interface[INTERFACES_MAX];
    uint32_t interfaces;
    struct packet *packets;
    size_t count, cap;
};

static uint16_t net16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static uint32_t net32(const uint8_t *p) { return (uint32_t)net16(p) << 16 | net16(p + 2); }

static uint16_t get16(const struct reader *r, size_t pos)
{
    uint16_t n;
    memcpy(&n, r->data + pos, sizeof n);
    return r->swapped ? __builtin_bswap16(n) : n;
}

static uint32_t get32(const struct reader *r, size_t pos)
{
    uint32_t n;
    memcpy(&n, r->data + pos, sizeof n);
    return r->swapped ? __builtin_bswap32(n) : n;
}

/* ---- A packet ---------------------------------------------------------------------------------------- */

static void tcp_options(struct packet *packet, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len && p[i] != 0;) {
        size_t n = p[i] == 1 ? 1 : i + 1 < len ? p[i + 1] : 0;
        if (n == 0 || n > len - i || (p[i] != 1 && n < 2))
            return;
        if (p[i] == 3 && n == 3)
            packet->scale = p[i + 2] > 14 ? 14 : (int8_t)p[i + 2];
        if (p[i] == 8 && n == 10) {
            packet->has_ts = true;
            packet->tsval = net32(p + i + 2);
            packet->tsecr = net32(p + i + 6);
        }
        for (size_t k = i + 2; p[i] == 5 && k + 8 <= i + n && packet->sacks < TRACE_SACK_MAX; k += 8) {
            packet->sack[packet->sacks][0] = net32(p + k);
            packet->sack[packet->sacks++][1] = net32(p + k + 4);
        }
        i += n;
    }
}

/* True if it holds a whole TCP header (the first fragment of a datagram at most). */
static bool parse_ip(struct packet *packet, const uint8_t *p, size_t len)
{
    if (len < 20 || p[0] >> 4 != 4)
        return false;
    size_t head = (size_t)(p[0] & 15) * 4, total = net16(p + 2);
    if (head < 20 || total < head + 20 || len < head + 20 || p[9] != 6 || (net16(p + 6) & 0x1fff) != 0)
        return false;
    const uint8_t *tcp = p + head;
    size_t tcp_head = (size_t)(tcp[12] >> 4) * 4;
    if (tcp_head < 20 || head + tcp_head > total)
        return false;
    for (size_t i = 0; i < 2; i++) {
        packet->addr[i] = net32(p + 12 + 4 * i);
        packet->port[i] = net16(tcp + 2 * i);
    }
    packet->seq = net32(tcp + 4);
    packet->ack = net32(tcp + 8);
    packet->flags = tcp[13];
    packet->win = net16(tcp + 14);
    packet->len = (uint32_t)(total - head - tcp_head);
    packet->scale = -1;
    size_t there = len - head < tcp_head ? len - head : tcp_head;
    tcp_options(packet, tcp + 20, there - 20);
    return true;
}

/* The IP packet in a frame; len becomes 0 if there is none. */
static const uint8_t *strip_link(uint32_t link_type, const uint8_t *p, size_t *len)
{
    size_t skip = link_type == 0 ? 4 : link_type == 1 ? 14 : link_type == 113 ? 16 : 0;
    if (link_type == 1) {
        while (*len >= skip + 4 && skip <= 18 && net16(p + skip - 2) == 0x8100)
            skip += 4;
    }
    *len = *len > skip ? *len - skip : 0;
    return p + (*len == 0 ? 0 : skip);
}

static bool link_known(uint32_t link_type)
{
    static const uint32_t known[] = {0, 1, 12, 14, 101, 113, 228};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i] == link_type)
            return true;
    return false;
}

static void add_packet(struct reader *r, const struct interface *interface, uint64_t t_us, size_t pos,
                       size_t len, const char *comment)
{
    struct packet packet = {.t_us = t_us, .dropped = interface->dropped, .comment = comment};
    const uint8_t *p = strip_link(interface->link_type, r->data + pos, &len);
    if (!parse_ip(&packet, p, len))
        return;
    if (r->count == r->cap) {
        struct packet *more = reallocarray(r->packets, r->cap == 0 ? 64 : r->cap * 2, sizeof *more);
        if (more == NULL)
            return;
        r->packets = more;
        r->cap = r->cap == 0 ? 64 : r->cap * 2;
    }
    r->packets[r->count++] = packet;
}

/* ---- The classic format ------------------------------------------------------------------------------- */

static int cut_off(struct reader *r, size_t pos)
{
    (void)snprintf(r->trace->note, sizeof r->trace->note, "offset %zu: the capture is cut off there", pos);
    return 0;
}

static int read_classic(struct reader *r)
{
    uint32_t magic;
    memcpy(&magic, r->data, sizeof magic);
    r->swapped = magic != 0xa1b2c3d4 && magic != 0xa1b23c4d;
    if (r->len < 24)
        return trace_fail(r->trace, "offset 0: shorter than the head of a pcap file");
    bool nanoseconds = get32(r, 0) == 0xa1b23c4d;
    struct interface interface = {.link_type = get32(r, 20) & 0xffff};
    if (!link_known(interface.link_type))
        return trace_fail(r->trace, "offset 20: link type %u is not read here", interface.link_type);
    for (size_t pos = 24, len; pos < r->len; pos += 16 + len) {
        if (r->len - pos < 16)
            return cut_off(r, pos);
        len = get32(r, pos + 8);
        if (len > (1 << 20))
            return trace_fail(r->trace, "offset %zu: a packet of %zu bytes", pos, len);
        if (r->len - pos - 16 < len)
            return cut_off(r, pos);
        uint32_t fraction = get32(r, pos + 4);
        uint64_t t_us = (uint64_t)get32(r, pos) * 1000000 + (nanoseconds ? fraction / 1000 : fraction);
        add_packet(r, &interface, t_us, pos + 16, len, "");
    }
    return 0;
}

/* ---- pcapng ------------------------------------------------------------------------------------------- */

/* The value of an option in [pos, end): its place and length, or false. */
static bool option(const struct reader *r, size_t pos, size_t end, uint16_t code, size_t *at, size_t *len)
{
    while (end - pos >= 4) {
        uint16_t is = get16(r, pos);
        *len = get16(r, pos + 2);
        *at = pos + 4;
        if (is == 0 || *len > end - *at)
            return false;
        if (is == code)
            return true;
        size_t whole = 4 + (*len + 3) / 4 * 4;
        if (whole > end - pos)
            return false;
        pos += whole;
    }
    return false;
}

static int read_interface(struct reader *r, size_t pos, size_t end)
{
    static const char suffix[] = "-dropped";
    size_t at, len, n = sizeof suffix - 1;
    if (end - pos < 8 || r->interfaces == INTERFACES_MAX)
        return trace_fail(r->trace, "offset %zu: bad or too many interface descriptions", pos);
    struct interface *interface = &r->interface[r->interfaces++];
    *interface = (struct interface){.link_type = get16(r, pos), .resolution = 6};
    if (!link_known(interface->link_type))
        return trace_fail(r->trace, "offset %zu: link type %u is not read here", pos, interface->link_type);
    if (option(r, pos + 8, end, 9, &at, &len) && len == 1)
        interface->resolution = r->data[at];
    if (option(r, pos + 8, end, 2, &at, &len) && len >= n)
        interface->dropped = memcmp(r->data + at + len - n, suffix, n) == 0;
    return 0;
}

/* A stamp in units of the interface; a unit of 10^-n or, with the top bit, 2^-n seconds. */
static uint64_t stamp_us(uint64_t stamp, uint8_t resolution)
{
    unsigned int n = resolution & 0x7f;
    if (resolution & 0x80)
        return n > 40 ? 0 : (stamp >> n) * 1000000 + (((stamp & ((1ull << n) - 1)) * 1000000) >> n);
    for (; n > 6; n--)
        stamp /= 10;
    for (; n < 6; n++)
        stamp *= 10;
    return stamp;
}

static int read_enhanced(struct reader *r, size_t pos, size_t end)
{
    size_t at, len;
    if (end - pos < 20)
        return trace_fail(r->trace, "offset %zu: a packet block without its head", pos);
    uint32_t number = get32(r, pos), caplen = get32(r, pos + 12);
    if (number >= r->interfaces)
        return trace_fail(r->trace, "offset %zu: interface %u is not described", pos, number);
    if (caplen > end - pos - 20)
        return trace_fail(r->trace, "offset %zu: a packet of %u bytes in a shorter block", pos, caplen);
    const struct interface *interface = &r->interface[number];
    uint64_t stamp = (uint64_t)get32(r, pos + 4) << 32 | get32(r, pos + 8);
    size_t options = pos + 20 + ((size_t)caplen + 3) / 4 * 4;
    const char *comment = "";
    if (options < end && option(r, options, end, 1, &at, &len))
        comment = trace_string(r->trace, (const char *)r->data + at, len);
    add_packet(r, interface, stamp_us(stamp, interface->resolution), pos + 20, caplen, comment);
    return 0;
}

static int read_pcapng(struct reader *r)
{
    for (size_t pos = 0, len; pos < r->len; pos += len) {
        int status = 0;
        if (r->len - pos < 12)
            return cut_off(r, pos);
        uint32_t type = get32(r, pos);
        if (type == 0x0a0d0d0a) { /* the same in both orders */
            uint32_t order;
            memcpy(&order, r->data + pos + 8, sizeof order);
            if (order != 0x1a2b3c4d && order != 0x4d3c2b1a)
                return trace_fail(r->trace, "offset %zu: no byte-order magic", pos + 8);
            r->swapped = order != 0x1a2b3c4d;
            r->interfaces = 0;
        }
        len = get32(r, pos + 4);
        if (len < 12 || len % 4 != 0)
            return trace_fail(r->trace, "offset %zu: a block of %zu bytes", pos, len);
        if (len > r->len - pos)
            return cut_off(r, pos);
        if (type == 1)
            status = read_interface(r, pos + 8, pos + len - 4);
        else if (type == 6)
            status = read_enhanced(r, pos + 8, pos + len - 4);
        if (status != 0)
            return status;
    }
    return 0;
}

/* ---- Connections -------------------------------------------------------------------------------------- */

/* What is known of each direction: [0] into our side, [1] out of it. */
struct flow {
    uint32_t peer, next; /* address; index + 1 in its bucket */
    uint16_t local_port, peer_port;
    struct {
        bool known;
        uint32_t isn;
        uint64_t near; /* the latest relative number */
        int8_t scale;  /* -1: its SYN was not seen, or had none */
    } way[2];
};

struct builder {
    struct trace *trace;
    struct flow *flows; /* flow i is connection i */
    uint32_t bucket[BUCKETS];
};

static const char *end_text(struct trace *trace, uint32_t addr, uint16_t port)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%u.%u.%u.%u:%u", addr >> 24, addr >> 16 & 255, addr >> 8 & 255,
                       addr & 255, port);
    return trace_string(trace, text, (size_t)len);
}

static uint32_t *bucket_of(struct builder *b, const struct packet *packet, bool out)
{
    return &b->bucket[(packet->addr[out] * 2654435761u ^ packet->port[!out] * 31u ^
                       packet->port[out] * 40503u) %
                      BUCKETS];
}

static bool has_flow(struct builder *b, const struct packet *packet, bool out)
{
    for (uint32_t i = *bucket_of(b, packet, out); i != 0; i = b->flows[i - 1].next)
        if (b->flows[i - 1].peer == packet->addr[out] && b->flows[i - 1].local_port == packet->port[!out] &&
            b->flows[i - 1].peer_port == packet->port[out])
            return true;
    return false;
}

/* Which way a packet goes.  Where both ends have one address the ports tell: ours is the one that was ours
 * before, else the one that is asked, or that answers with a SYN-ACK. */
static bool leaves(struct builder *b, const struct packet *packet, uint32_t local)
{
    if (packet->addr[0] != packet->addr[1])
        return packet->addr[0] == local;
    if (has_flow(b, packet, false) || has_flow(b, packet, true))
        return !has_flow(b, packet, false);
    return (packet->flags & (RILL_SYN | RILL_ACK)) == (RILL_SYN | RILL_ACK);
}

/* The packet's flow; a SYN with another initial number begins a new one. */
static struct flow *flow_of(struct builder *b, const struct packet *packet, bool out)
{
    uint16_t local_port = packet->port[!out], peer_port = packet->port[out];
    uint32_t peer = packet->addr[out], local = packet->addr[!out];
    uint32_t *bucket = bucket_of(b, packet, out);
    bool opens = (packet->flags & (RILL_SYN | RILL_ACK | RILL_RST)) == RILL_SYN;
    for (uint32_t i = *bucket; i != 0; i = b->flows[i - 1].next) {
        struct flow *flow = &b->flows[i - 1];
        if (flow->peer != peer || flow->local_port != local_port || flow->peer_port != peer_port)
            continue;
        if (opens && flow->way[out].known && flow->way[out].isn != packet->seq)
            break;
        return flow;
    }
    size_t count = b->trace->conn_count;
    struct flow *flows = reallocarray(b->flows, count + 1, sizeof *flows);
    if (flows == NULL)
        return NULL;
    b->flows = flows;
    flows[count] =
        (struct flow){.peer = peer, .local_port = local_port, .peer_port = peer_port, .next = *bucket};
    flows[count].way[0].scale = flows[count].way[1].scale = -1;
    *bucket = (uint32_t)count + 1;
    (void)trace_add_conn(b->trace, count + 1, end_text(b->trace, local, local_port),
                         end_text(b->trace, peer, peer_port));
    return &flows[count];
}

/* A number of one direction, made 64 bits wide and relative.  The first byte that is seen counts as 1 where
 * no SYN was.  RFC 9293 3.4 */
static uint64_t relative(struct flow *flow, bool way, uint32_t number, bool is_isn)
{
    if (!flow->way[way].known) {
        flow->way[way].known = true;
        flow->way[way].isn = is_isn ? number : number - 1;
    }
    uint64_t near = flow->way[way].near;
    uint64_t n = near + (uint64_t)(int64_t)(int32_t)(number - flow->way[way].isn - (uint32_t)near);
    if (n > UINT64_MAX >> 1)
        return 0;
    if (n > near)
        flow->way[way].near = n;
    return n;
}

/* The reason's name from its words: "RTO #2, rto 412 ms" is RTO, 2, 412000. */
static void reason(struct trace_seg *seg)
{
    size_t best = 0;
    for (int why = 1; why < RILL_WHY_COUNT; why++) {
        const char *words = rill_why_text((enum rill_why)why), *percent = strchr(words, '%');
        size_t len = percent != NULL ? (size_t)(percent - words) : strlen(words);
        if (len <= best || strncmp(seg->text, words, len) != 0)
            continue;
        best = len;
        seg->why = rill_why_name((enum rill_why)why);
        seg->n = percent != NULL ? (uint32_t)strtoul(seg->text + len, NULL, 10) : 0;
    }
    const char *rto = strstr(seg->text, ", rto ");
    double ms = rto != NULL ? strtod(rto + 6, NULL) : 0;
    seg->us = ms > 0 && ms < 1e9 ? (uint64_t)(ms * 1000) : 0;
}

/* What the emulator did is in the comment, before or behind the reason: it becomes the fate, as a trace has
 * it, and the text is what remains. */
static void fate(struct trace *trace, struct trace_seg *seg, const struct packet *packet)
{
    static const char head[] = "dropped by the emulator: ", flipped[] = "corrupted by the emulator";
    static const char *const fates[][2] = {{"loss", "loss"},     {"list", "list"},
                                           {"queue", "limit"},   {"blackout", "blackout"},
                                           {"memory", "memory"}, {"limit", "limit"}};
    const char *corrupt = strstr(seg->text, flipped);
    seg->lost = packet->dropped || corrupt != NULL;
    if (packet->dropped)
        seg->fate = "dropped";
    else if (corrupt != NULL)
        seg->fate = "corrupt"; /* the receiver's checksum drops it: RFC 9293 MUST-3 */
    for (size_t i = 0; packet->dropped && i < sizeof fates / sizeof fates[0]; i++) {
        if (strstr(seg->text, fates[i][0]) != NULL) {
            seg->fate = fates[i][1];
            break;
        }
    }
    if (corrupt != NULL) {
        size_t len = (size_t)(corrupt - seg->text);
        seg->text = trace_string(trace, seg->text, len >= 2 ? len - 2 : 0);
    }
    if (strncmp(seg->text, head, sizeof head - 1) == 0) {
        seg->text += sizeof head - 1;
        seg->text += strcspn(seg->text, ";");
        seg->text += strspn(seg->text, "; ");
    }
}

static void build_segment(struct builder *b, const struct packet *packet, bool out, uint64_t t_us)
{
    /* These say by themselves that it was sent before, even if a bit was flipped in the numbers then. */
    static const char *const repeats[] = {"RTO", "AFTER_RTO", "FAST_RETRANSMIT", "PARTIAL_ACK", "RACK"};
    struct flow *flow = flow_of(b, packet, out);
    if (flow == NULL)
        return;
    const struct flow before = *flow;
    struct trace_seg *seg = trace_add_seg(&b->trace->conns[flow - b->flows]);
    bool syn = (packet->flags & RILL_SYN) != 0;
    if (syn)
        flow->way[out].scale = packet->scale;
    int shift = !syn && flow->way[0].scale >= 0 && flow->way[1].scale >= 0 ? flow->way[out].scale : 0;
    seg->t_us = t_us;
    seg->out = out;
    seg->rel = true;
    seg->flags = packet->flags;
    seg->len = packet->len;
    seg->win = (uint32_t)packet->win << shift;
    seg->seq32 = packet->seq;
    seg->seq = relative(flow, out, packet->seq, syn);
    if (packet->flags & RILL_ACK)
        seg->ack = relative(flow, !out, packet->ack, false);
    for (seg->sacks = 0; seg->sacks < packet->sacks; seg->sacks++)
        for (int i = 0; i < 2; i++)
            seg->sack[seg->sacks][i] = relative(flow, !out, packet->sack[seg->sacks][i], false);
    seg->has_ts = packet->has_ts;
    seg->tsval = packet->tsval;
    seg->tsecr = packet->tsecr;
    seg->text = packet->comment;
    fate(b->trace, seg, packet);
    if (out)
        reason(seg);
    for (size_t i = 0; i < sizeof repeats / sizeof repeats[0]; i++)
        seg->again = seg->again || strcmp(seg->why, repeats[i]) == 0;
    for (size_t i = 0; i < 2 && seg->fate != NULL && strcmp(seg->fate, "corrupt") == 0; i++)
        if (before.way[i].known) /* its numbers may be those of the flipped bit */
            flow->way[i] = before.way[i];
}

static int choose_local(const struct reader *r, const char *text, uint32_t *local)
{
    struct in_addr addr;
    const uint32_t own = 0x0a4d0002;
    const struct packet *answer = NULL;
    if (text != NULL && inet_pton(AF_INET, text, &addr) != 1)
        return trace_fail(r->trace, "'%s' is not an IPv4 address", text);
    *local = text != NULL ? ntohl(addr.s_addr) : own;
    for (size_t i = 0; i < r->count; i++) {
        const struct packet *packet = &r->packets[i];
        if (packet->addr[0] == *local || packet->addr[1] == *local)
            return 0;
        if (answer == NULL && (packet->flags & (RILL_SYN | RILL_ACK)) == (RILL_SYN | RILL_ACK))
            answer = packet;
    }
    if (text != NULL)
        return trace_fail(r->trace, "no TCP packet from or to %s in it", text);
    if (r->count > 0)
        *local = answer != NULL ? answer->addr[0] : r->packets[0].addr[1];
    return 0;
}

int trace_parse_capture(struct trace *trace, const uint8_t *data, size_t len, const char *local_text)
{
    struct reader *r = &(struct reader){.trace = trace, .data = data, .len = len};
    struct builder builder = {.trace = trace};
    uint32_t local = 0;
    uint64_t last_us = 0;
    int status = net32(data) == 0x0a0d0d0a ? read_pcapng(r) : read_classic(r);
    if (status == 0)
        status = choose_local(r, local_text, &local);
    trace->foreign = true;
    for (size_t i = 0; status == 0 && i < r->count; i++) {
        const struct packet *packet = &r->packets[i];
        trace->foreign = trace->foreign && *packet->comment == '\0';
        if (packet->addr[0] != local && packet->addr[1] != local)
            continue;
        /* Stamps of two interfaces may be out of order by a little; time here never runs backwards. */
        uint64_t t_us = packet->t_us > r->packets[0].t_us ? packet->t_us - r->packets[0].t_us : 0;
        last_us = t_us > last_us ? t_us : last_us;
        build_segment(&builder, packet, leaves(&builder, packet, local), last_us);
    }
    for (size_t i = 0; i < trace->conn_count; i++)
        trace_mark_again(&trace->conns[i], true);
    free(builder.flows);
    free(r->packets);
    return status;
}
