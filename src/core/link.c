/* link.c - emulation of a bad link.  Settings and semantics: link.h.
 *
 * Owns the invariants: `ready` and `waiting` are in order of due time; what waits is not due at the time of
 * the last call; held_bytes is the size of all blocks.  Times inside are nanoseconds since the link's start,
 * because a short packet on a fast line takes less than a microsecond.  It reads no text (link_parse.c). */
#include "link.h"

#include "tcp_hdr.h"

/* What random numbers are for.  Those up to DRAW_REORDER may be correlated: struct link's `last` is by them.
 */
enum draw {
    DRAW_LOSS,
    DRAW_DUPLICATE,
    DRAW_DELAY,
    DRAW_CORRUPT,
    DRAW_REORDER,
    DRAW_REPEAT = 8, /* added: whether the last decision is repeated */
    DRAW_GE_LOSS = 16,
    DRAW_GE_MOVE,
    DRAW_BIT,
    DRAW_COPY = 32, /* added: for the copy of a duplicated packet */
    DRAWS = 64,
};

struct link_packet {
    struct list node;
    uint64_t due_ns;
    struct link_fate fate;
    enum rill_csum csum;
    uint32_t len;
    uint8_t data[];
};

/* What the settings look at in a packet. */
struct view {
    bool is_ip, is_tcp; /* is_tcp: a whole TCP segment, whatever its checksum */
    struct ip4 ip;
    struct tcp_segment seg;
};

/* What chance wants for one packet, and for its copy. */
struct plan {
    bool lost, duplicate;
    struct {
        bool corrupt, reorder;
        uint64_t delay_us;
        uint32_t bit; /* in parts of 2^32 of all bits */
    } copy[2];
};

#define VERDICT_TEXT(name, text) text,
static const char *const verdict_text[] = {LINK_VERDICTS(VERDICT_TEXT)};
#undef VERDICT_TEXT

const char *link_verdict_text(enum link_verdict verdict)
{
    ASSERT(verdict < LINK_VERDICT_COUNT);
    return verdict_text[verdict];
}

bool link_list_has(const struct link_list *list, uint64_t number)
{
    ASSERT(list->count <= LINK_RANGES);
    for (uint32_t i = 0; i < list->count; i++)
        if (number >= list->at[i].low && (number <= list->at[i].high || list->at[i].high == UINT32_MAX))
            return true;
    return false;
}

bool link_config_none(const struct link_config *config)
{
    const struct link_config *c = config;
    bool chance = c->loss.p || c->ge.on || c->duplicate.p || c->corrupt.p || c->reorder.p;
    bool time = c->delay_us || c->jitter_us || c->rate_bps || c->blackout_to_us > c->blackout_from_us;
    return !chance && !time && !c->drop.count && !c->drop_syn.count && !c->drop_data.count && !c->drop_every;
}

/* ---- Packets ----------------------------------------------------------------------------------- */

static void look(const struct rill_packet *in, struct view *view)
{
    struct rill_packet unverified = *in;
    unverified.csum = RILL_CSUM_GOOD;
    view->is_ip = ip4_parse(in, &view->ip) == IP4_OK;
    view->is_tcp = false;
    if (!view->is_ip)
        return;
    view->is_tcp = view->ip.proto == IP4_TCP && view->ip.frag_off == 0 && !view->ip.more &&
                   tcp_parse(&unverified, &view->ip, &view->seg) == TCP_OK;
}

/* The checksum over the TCP segment at p, whose field holds what the sum begins with. */
static void finish_checksum(uint8_t *p, uint32_t len)
{
    struct wire_sum sum = wire_sum_start();
    wire_sum_add(&sum, p, len);
    wire_put16(p + 16, wire_sum_finish(&sum));
}

static bool selected(const struct link_config *config, const struct view *view)
{
    if (!view->is_tcp)
        return config->port.count == 0;
    uint16_t a = view->seg.lport, b = view->seg.rport, exempt = config->exempt_port;
    if (config->port.count && !link_list_has(&config->port, a) && !link_list_has(&config->port, b))
        return false;
    if (link_list_has(&config->except_port, a) || link_list_has(&config->except_port, b))
        return false;
    return exempt == 0 || (a != exempt && b != exempt) || link_list_has(&config->port, exempt);
}

bool link_selects(const struct link *link, const struct rill_packet *in)
{
    struct view view;
    if (!link->active)
        return false;
    look(in, &view);
    return selected(&link->config, &view);
}

uint32_t link_split(const struct rill_packet *in, uint32_t index, uint8_t *out, uint32_t cap)
{
    struct view view;
    look(in, &view);
    if (in->segment_bytes == 0 || !view.is_tcp) {
        uint32_t whole = packet_len(in);
        if (index > 0 || whole > cap)
            return 0;
        packet_read(in, 0, out, whole);
        if (view.is_tcp && in->csum == RILL_CSUM_PARTIAL)
            finish_checksum(out + view.ip.header_len, view.seg.ip_payload_len);
        return whole;
    }
    uint32_t headers = view.ip.total_len - view.seg.text_len;
    uint64_t off = (uint64_t)index * in->segment_bytes;
    if (index > 0 && off >= view.seg.text_len)
        return 0;
    uint32_t len = min_u32(in->segment_bytes, view.seg.text_len - (uint32_t)off);
    if (headers + len > cap)
        return 0;
    packet_read(in, 0, out, headers);
    packet_read(in, headers + (uint32_t)off, out + headers, len);

    uint8_t *tcp = out + view.ip.header_len;
    uint16_t tcp_len = (uint16_t)(headers - view.ip.header_len + len);
    bool is_last = off + len == view.seg.text_len;
    wire_put16(out + 2, (uint16_t)(headers + len));
    wire_put16(out + 4, (uint16_t)(view.ip.id + index));
    wire_put16(out + 10, 0);
    struct wire_sum sum = wire_sum_start();
    wire_sum_add(&sum, out, view.ip.header_len);
    wire_put16(out + 10, wire_sum_finish(&sum));

    wire_put32(tcp + 4, view.seg.seq32 + (uint32_t)off);
    if (!is_last)
        tcp[13] &= (uint8_t) ~(RILL_FIN | RILL_PSH);
    if (index > 0)
        tcp[13] &= (uint8_t)~RILL_CWR; /* RFC 3168 6.1.2: once for a reduction of the window */
    if (index > 0 && view.seg.up16 <= off)
        tcp[13] &= (uint8_t)~RILL_URG; /* RFC 9293 3.1: the pointer counts from the segment's own number */
    wire_put16(tcp + 18, (uint16_t)(view.seg.up16 - min_u64(off, view.seg.up16)));
    struct wire_sum pseudo = wire_sum_start();
    wire_sum_pseudo(&pseudo, view.seg.raddr, view.seg.laddr, IP4_TCP, tcp_len);
    wire_put16(tcp + 16, wire_sum_fold(&pseudo));
    finish_checksum(tcp, tcp_len);
    return headers + len;
}

/* ---- Chance ------------------------------------------------------------------------------------ */

/* The finaliser of SplitMix64 (Steele, Lea and Flood, 2014). */
static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* Number `index` of the stream that SplitMix64 makes from `key`, of which any can be had at once. */
static uint64_t nth_random(uint64_t key, uint64_t index)
{
    return mix(key + (index + 1) * 0x9e3779b97f4a7c15);
}

static uint32_t draw(const struct link *link, uint64_t number, uint32_t kind)
{
    ASSERT(kind < DRAWS);
    return (uint32_t)(nth_random(link->key, number * DRAWS + kind) >> 32);
}

/* `random` of 2^32 as a number below n. */
static uint32_t below(uint32_t random, uint32_t n) { return (uint32_t)((uint64_t)random * n >> 32); }

/* A number that is, with probability corr, the one before. */
static uint32_t draw_correlated(struct link *link, uint64_t number, uint32_t kind, uint32_t copy,
                                uint32_t corr)
{
    uint32_t at = kind + copy * DRAW_COPY;
    ASSERT(kind < sizeof(link->last) / sizeof(link->last[0]));
    if (below(draw(link, number, at + DRAW_REPEAT), LINK_ONE) >= corr)
        link->last[kind] = draw(link, number, at);
    return link->last[kind];
}

static bool gilbert_elliott(struct link *link, uint64_t number)
{
    const struct link_config *c = &link->config;
    if (!c->ge.on)
        return false;
    bool lost =
        below(draw(link, number, DRAW_GE_LOSS), LINK_ONE) < (link->bad ? c->ge.loss_bad : c->ge.loss_good);
    if (below(draw(link, number, DRAW_GE_MOVE), LINK_ONE) < (link->bad ? c->ge.r : c->ge.p))
        link->bad = !link->bad;
    return lost;
}

/* The delay with its jitter.  Normal: the sum of twelve uniform numbers (central limit; nothing lies beyond
 * six deviations), which as 16-bit integers have a mean of 12 * 65535 / 2 and a deviation of 65536. */
static uint64_t jittered(const struct link_config *config, uint32_t random)
{
    int64_t delay = config->delay_us, jitter = config->jitter_us;
    if (config->normal) {
        int64_t sum = -6 * (int64_t)65535;
        for (uint64_t k = 0; k < 12; k++)
            sum += (int64_t)(nth_random(random, k / 4) >> k % 4 * 16 & 0xffff);
        delay += sum * jitter / 65536;
    } else {
        delay += below(random, 2 * config->jitter_us + 1) - jitter;
    }
    return delay > 0 ? (uint64_t)delay : 0;
}

/* Decides all for one packet, dropped for other reasons or not, so that decisions depend on numbers only. */
static void make_plan(struct link *link, uint64_t number, struct plan *plan)
{
    const struct link_config *c = &link->config;
    *plan = (struct plan){0};
    plan->lost = below(draw_correlated(link, number, DRAW_LOSS, 0, c->loss.corr), LINK_ONE) < c->loss.p;
    plan->lost |= gilbert_elliott(link, number);
    plan->duplicate =
        below(draw_correlated(link, number, DRAW_DUPLICATE, 0, c->duplicate.corr), LINK_ONE) < c->duplicate.p;
    for (uint32_t copy = 0; copy < (plan->duplicate ? 2u : 1u); copy++) {
        plan->copy[copy].delay_us =
            jittered(c, draw_correlated(link, number, DRAW_DELAY, copy, c->delay_corr));
        plan->copy[copy].corrupt = below(draw_correlated(link, number, DRAW_CORRUPT, copy, c->corrupt.corr),
                                         LINK_ONE) < c->corrupt.p;
        plan->copy[copy].bit = draw(link, number, DRAW_BIT + copy * DRAW_COPY);
        bool chance = below(draw_correlated(link, number, DRAW_REORDER, copy, c->reorder.corr), LINK_ONE) <
                      c->reorder.p;
        plan->copy[copy].reorder = chance && link->since_gap + 1 >= c->reorder_gap;
        link->since_gap = plan->copy[copy].reorder ? 0 : min_u32(link->since_gap + 1, UINT32_MAX - 1);
    }
}

/* ---- The queue --------------------------------------------------------------------------------- */

static struct link_packet *packet_of(struct list *node)
{
    return CONTAINER_OF(node, struct link_packet, node);
}

static uint64_t since_start_us(const struct link *link, rill_time now_us)
{
    return now_us > link->start_us ? now_us - link->start_us : 0;
}

static void forget(struct link *link, struct link_packet *packet)
{
    uint64_t size = sizeof(*packet) + packet->len;
    link->held_bytes -= size;
    mem_free(link->mem, packet, (size_t)size);
}

static void forget_popped(struct link *link)
{
    if (link->popped)
        forget(link, link->popped);
    link->popped = NULL;
}

/* Moves what is due by now. */
static void settle(struct link *link, uint64_t now_ns)
{
    while (!list_empty(&link->waiting) && packet_of(link->waiting.next)->due_ns <= now_ns) {
        struct list *node = link->waiting.next;
        list_remove(node);
        list_append(&link->ready, node);
        ASSERT(link->waiting_count > 0);
        link->waiting_count--;
    }
}

static void corrupt(struct link_packet *packet, const struct view *view, uint32_t random)
{
    uint32_t from = 0, len = packet->len;
    if (view->is_tcp && packet->csum == RILL_CSUM_PARTIAL)
        finish_checksum(packet->data + view->ip.header_len, view->seg.ip_payload_len);
    packet->csum = RILL_CSUM_VERIFY;
    if (view->is_ip && view->ip.total_len > view->ip.header_len) {
        from = view->ip.header_len;
        len = (uint32_t)view->ip.total_len - from;
    }
    uint32_t bit = below(random, len * 8);
    if (len > 0)
        packet->data[from + bit / 8] ^= (uint8_t)(1u << bit % 8);
    packet->fate.flipped_bit = from * 8 + bit;
    packet->fate.corrupted = true;
}

/* When a packet that comes out at `out_ns` of an endless line leaves the one with a rate: netem's order, in
 * which the delay lies in front of the bottleneck, and jitter does not overtake. */
static uint64_t serialise(struct link *link, uint64_t out_ns, uint32_t len)
{
    uint64_t rate_bps = link->config.rate_bps;
    if (rate_bps != 0) {
        if (out_ns > link->last_out_ns)
            link->rate_rest = 0;
        out_ns = max_u64(out_ns, link->last_out_ns);
        uint64_t work = (uint64_t)len * 8 * 1000000000 + link->rate_rest;
        out_ns += work / rate_bps;
        link->rate_rest = work % rate_bps;
    }
    link->last_out_ns = max_u64(link->last_out_ns, out_ns);
    return out_ns;
}

/* A block for the packet, or NULL. */
static struct link_packet *copy_of(struct link *link, const struct rill_packet *in)
{
    uint32_t len = packet_len(in);
    uint64_t size = sizeof(struct link_packet) + len;
    if (size > LINK_BYTES_MAX - link->held_bytes)
        return NULL;
    struct link_packet *packet = mem_alloc_raw(link->mem, (size_t)size);
    if (!packet)
        return NULL;
    *packet = (struct link_packet){.csum = in->csum, .len = len, .fate.verdict = LINK_QUEUED};
    list_init(&packet->node);
    packet_read(in, 0, packet->data, len);
    link->held_bytes += size;
    return packet;
}

static void enqueue(struct link *link, struct link_packet *packet, uint64_t now_ns)
{
    if (packet->due_ns <= now_ns) {
        list_append(&link->ready, &packet->node);
        return;
    }
    struct list *after = link->waiting.prev;
    while (after != &link->waiting && packet_of(after)->due_ns > packet->due_ns)
        after = after->prev;
    list_append(after->next, &packet->node);
    link->waiting_count++;
}

/* Queues the packet, or its copy 1, as planned. */
static struct link_fate queue_copy(struct link *link, const struct rill_packet *in, const struct view *view,
                                   const struct plan *plan, uint32_t copy, uint64_t now_ns)
{
    uint32_t limit = link->config.limit ? link->config.limit : LINK_LIMIT;
    if (link->waiting_count >= limit)
        return (struct link_fate){.verdict = LINK_LIMITED};
    struct link_packet *packet = copy_of(link, in);
    if (!packet)
        return (struct link_fate){.verdict = LINK_NO_MEMORY};
    packet->fate.duplicated = copy > 0;
    packet->fate.reordered = plan->copy[copy].reorder;
    if (plan->copy[copy].corrupt)
        corrupt(packet, view, plan->copy[copy].bit);
    packet->due_ns = now_ns;
    if (!packet->fate.reordered)
        packet->due_ns = serialise(link, now_ns + plan->copy[copy].delay_us * 1000, packet->len);
    enqueue(link, packet, now_ns);
    link->stats.corrupted += packet->fate.corrupted;
    link->stats.reordered += packet->fate.reordered;
    link->stats.duplicated += packet->fate.duplicated;
    return packet->fate;
}

/* ---- One direction ----------------------------------------------------------------------------- */

/* Packets begin at 1: number 0 is for what the first correlated decisions repeat. */
static void reseed(struct link *link)
{
    link->key = mix(mix(link->config.seed) + link->stream);
    for (uint32_t kind = 0; kind < sizeof(link->last) / sizeof(link->last[0]); kind++)
        link->last[kind] = draw(link, 0, kind);
}

void link_init(struct link *link, struct mem *mem, uint32_t stream, rill_time now_us)
{
    *link = (struct link){.mem = mem, .start_us = now_us, .stream = stream};
    list_init(&link->ready);
    list_init(&link->waiting);
    reseed(link);
}

void link_set(struct link *link, const struct link_config *config)
{
    bool other_seed = config->seed != link->config.seed;
    ASSERT(config->limit <= LINK_LIMIT_MAX && config->delay_us <= LINK_DELAY_MAX &&
           config->jitter_us <= LINK_DELAY_MAX);
    ASSERT(config->rate_bps == 0 || config->rate_bps >= LINK_RATE_MIN);
    if (config->rate_bps != link->config.rate_bps)
        link->rate_rest = 0;
    if (!config->ge.on)
        link->bad = false;
    link->config = *config;
    link->active = !link_config_none(config);
    if (other_seed)
        reseed(link);
}

void link_free(struct link *link)
{
    forget_popped(link);
    settle(link, UINT64_MAX);
    while (!list_empty(&link->ready)) {
        struct list *node = link->ready.next;
        list_remove(node);
        forget(link, packet_of(node));
    }
    ASSERT(link->held_bytes == 0 && link->waiting_count == 0);
}

bool link_idle(const struct link *link)
{
    return !link->active && list_empty(&link->ready) && list_empty(&link->waiting);
}

/* Counts the packet and says whether a list or a blackout takes it. */
static enum link_verdict judge(struct link *link, const struct view *view, uint64_t since_us)
{
    const struct link_config *c = &link->config;
    struct link_stats *stats = &link->stats;
    bool syn = view->is_tcp && (view->seg.flags & RILL_SYN), data = view->is_tcp && view->seg.text_len > 0;
    stats->packets++;
    stats->syns += syn;
    stats->data += data;
    if (link_list_has(&c->drop, stats->packets) || (c->drop_every && stats->packets % c->drop_every == 0))
        return LINK_LISTED;
    if ((syn && link_list_has(&c->drop_syn, stats->syns)) ||
        (data && link_list_has(&c->drop_data, stats->data)))
        return LINK_LISTED;
    if (since_us >= c->blackout_from_us && since_us < c->blackout_to_us)
        return LINK_BLACKOUT;
    return LINK_QUEUED;
}

struct link_fate link_push(struct link *link, const struct rill_packet *in, rill_time now_us)
{
    struct view view;
    struct plan plan;
    struct link_fate fate = {.verdict = LINK_PASSED};
    uint64_t since_us = since_start_us(link, now_us);
    forget_popped(link);
    look(in, &view);
    if (link->active && selected(&link->config, &view)) {
        ASSERT(in->segment_bytes == 0);
        settle(link, since_us * 1000);
        fate.verdict = judge(link, &view, since_us);
        make_plan(link, link->stats.packets, &plan);
        if (fate.verdict == LINK_QUEUED && plan.lost)
            fate.verdict = LINK_LOST;
        if (fate.verdict == LINK_QUEUED)
            fate = queue_copy(link, in, &view, &plan, 0, since_us * 1000);
        if (fate.verdict == LINK_QUEUED && plan.duplicate)
            fate.duplicated = queue_copy(link, in, &view, &plan, 1, since_us * 1000).verdict == LINK_QUEUED;
    }
    link->stats.verdict[fate.verdict]++;
    return fate;
}

bool link_pop(struct link *link, rill_time now_us, struct rill_packet *out)
{
    forget_popped(link);
    settle(link, since_start_us(link, now_us) * 1000);
    if (list_empty(&link->ready))
        return false;
    link->popped = packet_of(link->ready.next);
    list_remove(&link->popped->node);
    *out = (struct rill_packet){.head = {link->popped->data, link->popped->len}, .csum = link->popped->csum};
    return true;
}

struct link_fate link_popped(const struct link *link)
{
    ASSERT(link->popped);
    return link->popped->fate;
}

rill_time link_deadline(const struct link *link)
{
    const struct list *queue = list_empty(&link->ready) ? &link->waiting : &link->ready;
    if (list_empty(queue))
        return RILL_NEVER;
    /* Rounded up: not a nanosecond too early. */
    return link->start_us + (packet_of(queue->next)->due_ns + 999) / 1000;
}
