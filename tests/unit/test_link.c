/* test_link.c - an emulated link: times, queue, lists, filter, what is done to a packet.  What is left to
 * chance is in test_link_chance.c, super-segments in test_link_split.c. */
#include "link_world.h"

#include "prng.h"
#include "tcp_hdr.h"

static struct link_world world;

/* A packet with a number in its text. */
static void push_numbered(uint32_t number, uint64_t at_us, enum link_verdict expected)
{
    uint8_t data[100];
    uint32_t len = link_datagram(data, RILL_ACK, 7, 4);
    model_put(data + 40, number, 4);
    struct rill_packet packet = {.head = {data, len}, .csum = RILL_CSUM_GOOD};
    assert_int_equal(link_push(&world.link, &packet, START + at_us).verdict, expected);
}

static uint32_t pop_number(uint64_t at_us)
{
    struct rill_packet out;
    if (!link_pop(&world.link, START + at_us, &out))
        return 0;
    assert_int_equal(packet_len(&out), 44);
    return model_get(out.head.data + 40, 4);
}

static void link__nothing_to_emulate__passes_all_and_is_idle(void **state)
{
    (void)state;
    struct rill_packet out;
    const char *const nothing[] = {"none", "seed 5 limit 3 port 7"};
    for (size_t i = 0; i < COUNT_OF(nothing); i++) {
        link_world_begin(&world, nothing[i]);
        assert_true(link_idle(&world.link));
        assert_int_equal(link_world_push(&world, 100, 0).verdict, LINK_PASSED);
        assert_false(link_pop(&world.link, START + SEC, &out));
        assert_int_equal(link_deadline(&world.link), RILL_NEVER);
        assert_int_equal(world.heap.calls, 0);
        assert_int_equal(world.link.stats.packets, 0);
        assert_int_equal(world.link.stats.verdict[LINK_PASSED], 1);
        link_world_end(&world);
    }
}

static void link__delay__holds_each_packet_for_exactly_that_long(void **state)
{
    (void)state;
    uint8_t data[200];
    struct rill_packet out;
    link_world_begin(&world, "delay 20ms");
    uint32_t len = link_datagram(data, RILL_ACK | RILL_PSH, 7, 150);
    struct rill_packet packet = model_packet_split(data, 40, 77, len); /* in three slices */
    packet.csum = RILL_CSUM_GOOD;
    assert_int_equal(link_push(&world.link, &packet, START + 5).verdict, LINK_QUEUED);
    model_packet_free(&packet); /* it was copied */
    assert_int_equal(link_deadline(&world.link), START + 20005);
    assert_false(link_pop(&world.link, START + 20004, &out));
    assert_true(link_pop(&world.link, START + 20005, &out));
    assert_int_equal(packet_len(&out), len);
    assert_memory_equal(out.head.data, data, len);
    assert_int_equal(out.csum, RILL_CSUM_GOOD);
    assert_int_equal(out.segment_bytes, 0);
    assert_int_equal(link_deadline(&world.link), RILL_NEVER);
    assert_false(link_idle(&world.link));
    link_world_end(&world);
}

static void link__popped_packet__is_held_until_the_next_call(void **state)
{
    (void)state;
    struct rill_packet out;
    link_world_begin(&world, "delay 1ms");
    link_world_push(&world, 100, 0);
    assert_true(link_pop(&world.link, START + 1000, &out));
    assert_int_equal(world.heap.live_blocks, 1);
    assert_false(link_pop(&world.link, START + 1000, &out));
    assert_int_equal(world.heap.live_blocks, 0);
    link_world_push(&world, 100, 1000);
    assert_true(link_pop(&world.link, START + 2000, &out));
    link_world_push(&world, 100, 2000);
    assert_int_equal(world.heap.live_blocks, 1);
    assert_true(link_pop(&world.link, START + 3000, &out));
    link_world_push(&world, 100, 3000); /* one queued, and one popped below: the end frees both */
    link_world_push(&world, 100, 3000);
    assert_true(link_pop(&world.link, START + 4000, &out));
    assert_int_equal(world.heap.live_blocks, 2);
    link_world_end(&world);
}

/* The k-th packet of a burst is out after k * len * 8 / rate: here in microseconds, rounded up from
 * nanoseconds that were rounded down. */
static void link__rate__spaces_packets_exactly_and_without_drift(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bps;
        uint32_t len;
    } cases[] = {
        {"rate 10mbit", 10000000, 1500}, /* 1200 us */
        {"rate 1gbit", 1000000000, 60},  /* 0.48 us */
        {"rate 7mbit", 7000000, 1499},   /* 1713.142857… us */
        {"rate 1.337kbit", 1337, 41},    {"rate 3gbit delay 250us", 3000000000, 100},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t when[1000], delay = i == 4 ? 250 : 0;
        link_world_begin(&world, cases[i].text);
        for (int k = 0; k < 1000; k++)
            assert_int_equal(link_world_push(&world, cases[i].len, 11).verdict, LINK_QUEUED);
        assert_int_equal(link_world_drain(&world, when, 1000), 1000);
        for (uint64_t k = 0; k < 1000; k++) {
            uint64_t ns = (k + 1) * cases[i].len * 8 * 1000000000 / cases[i].bps;
            assert_int_equal(when[k], 11 + delay + (ns + 999) / 1000);
        }
        link_world_end(&world);
    }
}

static void link__rate__idle_line_starts_afresh(void **state)
{
    (void)state;
    uint64_t when[3];
    link_world_begin(&world, "rate 10mbit");
    link_world_push(&world, 1500, 0);
    link_world_push(&world, 1500, 1199); /* still busy for 1 us */
    link_world_push(&world, 1500, 5000); /* idle since 2400 */
    assert_int_equal(link_world_drain(&world, when, 3), 3);
    assert_int_equal(when[0], 1200);
    assert_int_equal(when[1], 2400);
    assert_int_equal(when[2], 6200);
    link_world_end(&world);
}

static void link__rate_with_jitter__keeps_the_order(void **state)
{
    (void)state;
    link_world_begin(&world, "delay 10ms 10ms rate 100mbit");
    for (uint32_t k = 1; k <= 200; k++)
        push_numbered(k, k * 100, LINK_QUEUED);
    for (uint32_t k = 1; k <= 200; k++)
        assert_int_equal(pop_number(SEC), k);
    link_world_end(&world);
}

static void link__jitter_alone__overtakes(void **state)
{
    (void)state;
    uint32_t before = 0, overtaken = 0, seen = 0;
    link_world_begin(&world, "delay 10ms 10ms");
    for (uint32_t k = 1; k <= 200; k++)
        push_numbered(k, k * 100, LINK_QUEUED);
    for (uint32_t number = pop_number(SEC); number; before = number, number = pop_number(SEC), seen++)
        overtaken += number < before;
    assert_int_equal(seen, 200);
    assert_true(overtaken > 50); /* of neighbours 0.1 ms apart with 20 ms of room: nearly half */
    link_world_end(&world);
}

static void link__full_queue__drops_at_the_tail(void **state)
{
    (void)state;
    struct rill_packet out;
    for (int collect = 0; collect < 2; collect++) { /* collected in time or not: the fates are the same */
        link_world_begin(&world, "delay 10ms limit 3");
        push_numbered(1, 0, LINK_QUEUED);
        push_numbered(2, 1000, LINK_QUEUED);
        push_numbered(3, 2000, LINK_QUEUED);
        push_numbered(4, 3000, LINK_LIMITED);
        push_numbered(5, 9999, LINK_LIMITED);
        if (collect)
            assert_int_equal(pop_number(10000), 1);
        push_numbered(6, 10000, LINK_QUEUED);
        push_numbered(7, 10999, LINK_LIMITED);
        if (!collect)
            assert_int_equal(pop_number(SEC), 1);
        assert_int_equal(pop_number(SEC), 2);
        assert_int_equal(pop_number(SEC), 3);
        assert_int_equal(pop_number(SEC), 6);
        assert_false(link_pop(&world.link, START + SEC, &out));
        assert_int_equal(world.link.stats.verdict[LINK_LIMITED], 3);
        link_world_end(&world);
    }
}

static void link__limit_not_given__is_a_thousand_packets(void **state)
{
    (void)state;
    link_world_begin(&world, "delay 10ms");
    for (int k = 0; k < 1000; k++)
        assert_int_equal(link_world_push(&world, 41, 0).verdict, LINK_QUEUED);
    assert_int_equal(link_world_push(&world, 41, 0).verdict, LINK_LIMITED);
    link_world_end(&world);
}

static void link__memory__refusal_is_a_counted_drop(void **state)
{
    (void)state;
    link_world_begin(&world, "delay 10ms duplicate 100%");
    world.heap.fail_nth = 1;
    assert_int_equal(link_world_push(&world, 100, 0).verdict, LINK_NO_MEMORY);
    assert_int_equal(world.heap.calls, 1); /* the copy was not even tried */
    world.heap.fail_nth = 2;               /* the copy's */
    struct link_fate fate = link_world_push(&world, 100, 0);
    assert_int_equal(fate.verdict, LINK_QUEUED);
    assert_false(fate.duplicated);
    assert_int_equal(world.link.stats.verdict[LINK_NO_MEMORY], 1);
    assert_int_equal(link_world_drain(&world, NULL, 0), 1);
    link_world_end(&world);
}

static void link__bytes_held__stay_below_the_cap(void **state)
{
    (void)state;
    uint32_t queued = 0;
    link_world_begin(&world, "delay 10ms limit 100000");
    while (link_world_push(&world, 65535, 0).verdict == LINK_QUEUED)
        queued++;
    assert_true(world.heap.peak_bytes <= LINK_BYTES_MAX);
    assert_true(world.heap.peak_bytes > LINK_BYTES_MAX - 70000);
    assert_int_equal(world.link.stats.verdict[LINK_NO_MEMORY], 1);
    assert_int_equal(link_world_drain(&world, NULL, 0), queued);
    assert_int_equal(link_world_push(&world, 65535, SEC).verdict, LINK_QUEUED);
    link_world_end(&world);
}

static void link__drop_lists__take_exactly_the_numbers_named(void **state)
{
    (void)state;
    link_world_begin(&world, "drop 5,9-12,30 drop every 7");
    for (int k = 1; k <= 40; k++) {
        bool dropped = k == 5 || (k >= 9 && k <= 12) || k == 30 || k % 7 == 0;
        assert_int_equal(link_world_push(&world, 50, 0).verdict, dropped ? LINK_LISTED : LINK_QUEUED);
    }
    assert_int_equal(world.link.stats.packets, 40);
    link_world_end(&world);
}

/* Each letter a segment: S a SYN, T a SYN with text, A an ACK, D data, F a FIN without text; capital:
 * dropped. */
static void expect_drops(const char *text, const char *segments)
{
    link_world_begin(&world, text);
    for (const char *p = segments; *p; p++) {
        uint8_t data[100];
        char kind = (char)(*p | 0x20);
        uint8_t flags = kind == 's' || kind == 't' ? RILL_SYN : kind == 'f' ? RILL_FIN | RILL_ACK : RILL_ACK;
        uint32_t len = link_datagram(data, flags, 7, kind == 'd' || kind == 't' ? 3 : 0);
        struct rill_packet packet = {.head = {data, len}};
        enum link_verdict verdict = link_push(&world.link, &packet, START).verdict;
        if (verdict != (*p == kind ? LINK_QUEUED : LINK_LISTED))
            fail_msg("'%s': segment %d of %s: %s", text, (int)(p - segments) + 1, segments,
                     link_verdict_text(verdict));
    }
    link_world_end(&world);
}

static void link__drop_syn_and_data__count_their_own_kind(void **state)
{
    (void)state;
    expect_drops("drop data 3", "saddaDafd"); /* a retransmission, the text being the same, is one more */
    expect_drops("drop data 1,3-4", "saDadDDdf");
    expect_drops("drop data", "saDDaDf");
    expect_drops("drop syn", "SaSdf");
    expect_drops("drop syn 2", "saSsd");
    expect_drops("drop syn 1 drop data 2 drop 4", "SadAD");
    expect_drops("drop data 1", "aTd");
}

static void link__blackout__begins_and_ends_on_the_microsecond(void **state)
{
    (void)state;
    link_world_begin(&world, "blackout 2s..3s delay 1ms");
    push_numbered(1, 0, LINK_QUEUED);
    push_numbered(2, 1999999, LINK_QUEUED);
    push_numbered(3, 2000000, LINK_BLACKOUT);
    push_numbered(4, 2999999, LINK_BLACKOUT);
    push_numbered(5, 3000000, LINK_QUEUED);
    assert_int_equal(pop_number(3001000), 1);
    assert_int_equal(pop_number(3001000), 2); /* what was on its way arrives */
    assert_int_equal(pop_number(3001000), 5);
    link_world_end(&world);
}

static void link__reorder_with_gap__lets_each_nth_packet_overtake(void **state)
{
    (void)state;
    static const uint32_t order[] = {5, 10, 1, 2, 3, 4, 6, 7, 8, 9, 11, 12};
    link_world_begin(&world, "delay 10ms reorder 100% gap 5");
    for (uint32_t k = 1; k <= 12; k++)
        push_numbered(k, k * 100, LINK_QUEUED);
    assert_int_equal(link_deadline(&world.link), START + 500); /* sent at once */
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        assert_int_equal(pop_number(SEC), order[i]);
        assert_int_equal(link_popped(&world.link).reordered, order[i] % 5 == 0);
    }
    assert_int_equal(world.link.stats.reordered, 2);
    link_world_end(&world);
}

static void link__reordered_packet__does_not_wait_for_the_rate(void **state)
{
    (void)state;
    uint64_t when[4];
    link_world_begin(&world, "rate 10mbit reorder 100% gap 3");
    for (int k = 0; k < 4; k++)
        link_world_push(&world, 1500, 0);
    assert_int_equal(link_world_drain(&world, when, 4), 4);
    assert_int_equal(when[0], 0);
    for (uint64_t k = 1; k < 4; k++)
        assert_int_equal(when[k], k * 1200); /* and takes none of it */
    link_world_end(&world);
}

static void link__duplicate__sends_two_that_are_equal(void **state)
{
    (void)state;
    link_world_begin(&world, "duplicate 100% delay 1ms");
    for (uint32_t k = 1; k <= 10; k++)
        push_numbered(k, 0, LINK_QUEUED);
    for (uint32_t k = 2; k < 22; k++) {
        assert_int_equal(pop_number(1000), k / 2);
        assert_int_equal(link_popped(&world.link).duplicated, k % 2);
    }
    assert_int_equal(world.link.stats.duplicated, 10);
    assert_int_equal(world.link.stats.packets, 10);
    link_world_end(&world);
}

static void link__lost_packet__is_not_duplicated(void **state)
{
    (void)state;
    link_world_begin(&world, "loss 100% duplicate 100%");
    assert_int_equal(link_world_push(&world, 100, 0).verdict, LINK_LOST);
    assert_int_equal(link_deadline(&world.link), RILL_NEVER);
    link_world_end(&world);
}

/* How the packet comes out; its checksum field is finished in `data`. */
static void expect_one_bit(const uint8_t *data, uint32_t len)
{
    struct rill_packet out;
    struct ip4 ip;
    struct tcp_segment seg;
    uint32_t bits = 0;
    assert_true(link_pop(&world.link, START, &out));
    assert_true(link_popped(&world.link).corrupted);
    assert_int_equal(packet_len(&out), len);
    for (uint32_t i = 0; i < len; i++)
        for (int bit = 0; bit < 8; bit++)
            bits += (uint32_t)(data[i] ^ out.head.data[i]) >> bit & 1;
    assert_int_equal(bits, 1);
    assert_memory_equal(out.head.data, data, 20);
    uint16_t sum = model_sum(model_pseudo(out.head.data, len - 20), out.head.data + 20, len - 20);
    assert_int_not_equal(sum, 0xffff);
    assert_int_equal(ip4_parse(&out, &ip), IP4_OK);
    enum rill_event event = tcp_parse(&out, &ip, &seg);
    assert_true(event == RILL_DROP_TCP_CHECKSUM || event == RILL_DROP_TCP_SHORT); /* short: a lying offset */
}

static void link__corrupt__flips_one_bit_that_the_checksum_shows(void **state)
{
    (void)state;
    struct prng prng = prng_seed(1);
    uint8_t data[1500], sent[1500];
    link_world_begin(&world, "corrupt 100%");
    for (int k = 0; k < 3000; k++) {
        uint32_t len = link_datagram(data, RILL_ACK, 7, (uint32_t)prng_below(&prng, 1460));
        enum rill_csum csum = (enum rill_csum)(k % 3);
        memcpy(sent, data, len);
        if (csum == RILL_CSUM_PARTIAL)
            model_put(sent + 36, model_pseudo(data, len - 20), 2);
        struct rill_packet packet = {.head = {sent, len}, .csum = csum};
        struct link_fate fate = link_push(&world.link, &packet, START);
        assert_int_equal(fate.verdict, LINK_QUEUED);
        assert_true(fate.corrupted);
        expect_one_bit(data, len);
    }
    assert_int_equal(world.link.stats.corrupted, 3000);
    link_world_end(&world);
}

static void link__partial_checksum__stays_partial_without_corruption(void **state)
{
    (void)state;
    uint8_t data[100];
    struct rill_packet out;
    link_world_begin(&world, "delay 1ms");
    uint32_t len = link_datagram(data, RILL_ACK, 7, 10);
    struct rill_packet packet = {.head = {data, len}, .csum = RILL_CSUM_PARTIAL};
    link_push(&world.link, &packet, START);
    assert_true(link_pop(&world.link, START + 1000, &out));
    assert_int_equal(out.csum, RILL_CSUM_PARTIAL);
    assert_memory_equal(out.head.data, data, len);
    link_world_end(&world);
}

static bool affected(const char *text, uint16_t exempt_port, const uint8_t *data, uint32_t len)
{
    struct rill_packet packet = {.head = {data, len}};
    link_world_begin(&world, text);
    struct link_config config = link_config_of(text);
    config.exempt_port = exempt_port;
    link_set(&world.link, &config);
    bool selects = link_selects(&world.link, &packet);
    enum link_verdict verdict = link_push(&world.link, &packet, START).verdict;
    assert_int_equal(verdict, selects ? LINK_LOST : LINK_PASSED);
    assert_int_equal(world.link.stats.packets, selects);
    link_world_end(&world);
    return selects;
}

static void link__ports__choose_whom_it_concerns(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint16_t exempt, port;
        bool affected;
    } cases[] = {
        {"loss 100%", 0, 80, true},
        {"loss 100%", 80, 80, false},
        {"loss 100%", 80, 81, true},
        {"loss 100% port 79-81", 80, 80, true}, /* named */
        {"loss 100% port 7,9000-9010", 0, 7, true},
        {"loss 100% port 7,9000-9010", 0, 8, false},
        {"loss 100% port 7,9000-9010", 0, 8999, false},
        {"loss 100% port 7,9000-9010", 0, 9000, true},
        {"loss 100% port 7,9000-9010", 0, 9010, true},
        {"loss 100% port 7,9000-9010", 0, 9011, false},
        {"loss 100% port 40000", 0, 7, true}, /* the source */
        {"loss 100% except port 80", 0, 80, false},
        {"loss 100% except port 80", 0, 81, true},
        {"loss 100% except port 40000", 0, 81, false},
        {"loss 100% port 1-100 except port 80", 0, 80, false},
        {"loss 100% port 1-100 except port 80", 0, 99, true},
    };
    uint8_t data[100];
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint32_t len = link_datagram(data, RILL_ACK, cases[i].port, 4);
        if (affected(cases[i].text, cases[i].exempt, data, len) != cases[i].affected)
            fail_msg("%s: port %u", cases[i].text, cases[i].port);
    }
}

static void link__packets_without_ports__are_concerned_unless_ports_are_asked_for(void **state)
{
    (void)state;
    uint8_t ping[60] = {0}, fragment[100], syn[60], junk[3] = {1, 2, 3};
    model_ip(ping, 5, 60, 0, 0, 1);
    uint32_t len = link_datagram(fragment, RILL_ACK, 80, 20);
    model_put(fragment + 6, 0x2000, 2); /* more fragments */
    model_ip_checksum(fragment, 20);
    assert_true(affected("loss 100%", 0, ping, 60));
    assert_true(affected("loss 100% except port 80", 80, ping, 60));
    assert_false(affected("loss 100% port 80", 0, ping, 60));
    assert_true(affected("loss 100% except port 80", 80, fragment, len));
    assert_false(affected("loss 100% port 80", 0, fragment, len));
    assert_true(affected("loss 100%", 0, junk, 3));
    assert_true(affected("loss 100%", 0, junk, 0));
    /* Nor are the numbers of data counted there. */
    link_world_begin(&world, "drop data drop syn corrupt 100%");
    struct rill_packet packets[] = {
        {.head = {ping, 60}}, {.head = {fragment, len}}, {.head = {junk, 3}}, {.head = {junk, 0}}};
    for (size_t i = 0; i < COUNT_OF(packets); i++)
        assert_int_equal(link_push(&world.link, &packets[i], START).verdict, LINK_QUEUED);
    packets[0].head = (struct rill_slice){syn, link_datagram(syn, RILL_SYN, 80, 0)};
    assert_int_equal(link_push(&world.link, &packets[0], START).verdict, LINK_LISTED);
    link_world_end(&world);
}

static void link__other_settings__keep_queue_and_numbers(void **state)
{
    (void)state;
    struct rill_packet out;
    link_world_begin(&world, "delay 20ms");
    push_numbered(1, 0, LINK_QUEUED);
    link_world_set(&world, "delay 1ms drop 3");
    push_numbered(2, 0, LINK_QUEUED);
    push_numbered(3, 0, LINK_LISTED);
    assert_int_equal(pop_number(1000), 2);
    link_world_set(&world, "none");
    assert_false(link_idle(&world.link));
    push_numbered(4, 1000, LINK_PASSED);
    assert_int_equal(link_deadline(&world.link), START + 20000);
    assert_false(link_pop(&world.link, START + 19999, &out));
    assert_int_equal(pop_number(20000), 1);
    assert_true(link_idle(&world.link));
    link_world_set(&world, "rate 1kbit");
    push_numbered(5, 20000, LINK_QUEUED); /* 352 ms */
    link_world_set(&world, "rate 1mbit");
    push_numbered(6, 20000, LINK_QUEUED); /* behind it: 352 us */
    assert_int_equal(link_deadline(&world.link), START + 372000);
    assert_int_equal(pop_number(372000), 5);
    assert_int_equal(link_deadline(&world.link), START + 372352);
    assert_int_equal(world.link.stats.packets, 5);
    assert_int_equal(world.link.stats.verdict[LINK_QUEUED], 4);
    link_world_end(&world);
}

/* A line of nearly 10^12 bit/s still owes a fraction of a nanosecond, which is long in bits of the slower
 * one. */
static void link__slower_rate__begins_without_what_the_faster_one_left(void **state)
{
    (void)state;
    uint64_t when[2] = {0};
    link_world_begin(&world, "rate 999.999999999gbit");
    link_world_push(&world, 100, 5);
    link_world_set(&world, "rate 1kbit");
    link_world_push(&world, 100, 5);
    assert_int_equal(link_world_drain(&world, when, 2), 2);
    assert_int_equal(when[0], 5);
    assert_int_equal(when[1], 800005);
    link_world_end(&world);
}

static void link__gemodel_set_anew__begins_in_the_good_state(void **state)
{
    (void)state;
    link_world_begin(&world, "loss gemodel 100% 0%");
    assert_int_equal(link_world_push(&world, 100, 0).verdict, LINK_QUEUED);
    assert_int_equal(link_world_push(&world, 100, 0).verdict, LINK_LOST);
    link_world_set(&world, "loss gemodel 50% 0% delay 1ms"); /* goes on in the bad one */
    assert_int_equal(link_world_push(&world, 100, 0).verdict, LINK_LOST);
    link_world_set(&world, "none");
    link_world_set(&world, "loss gemodel 100% 0%");
    assert_int_equal(link_world_push(&world, 100, 0).verdict, LINK_QUEUED);
    link_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(link__nothing_to_emulate__passes_all_and_is_idle),
        cmocka_unit_test(link__delay__holds_each_packet_for_exactly_that_long),
        cmocka_unit_test(link__popped_packet__is_held_until_the_next_call),
        cmocka_unit_test(link__rate__spaces_packets_exactly_and_without_drift),
        cmocka_unit_test(link__rate__idle_line_starts_afresh),
        cmocka_unit_test(link__rate_with_jitter__keeps_the_order),
        cmocka_unit_test(link__jitter_alone__overtakes),
        cmocka_unit_test(link__full_queue__drops_at_the_tail),
        cmocka_unit_test(link__limit_not_given__is_a_thousand_packets),
        cmocka_unit_test(link__memory__refusal_is_a_counted_drop),
        cmocka_unit_test(link__bytes_held__stay_below_the_cap),
        cmocka_unit_test(link__drop_lists__take_exactly_the_numbers_named),
        cmocka_unit_test(link__drop_syn_and_data__count_their_own_kind),
        cmocka_unit_test(link__blackout__begins_and_ends_on_the_microsecond),
        cmocka_unit_test(link__reorder_with_gap__lets_each_nth_packet_overtake),
        cmocka_unit_test(link__reordered_packet__does_not_wait_for_the_rate),
        cmocka_unit_test(link__duplicate__sends_two_that_are_equal),
        cmocka_unit_test(link__lost_packet__is_not_duplicated),
        cmocka_unit_test(link__corrupt__flips_one_bit_that_the_checksum_shows),
        cmocka_unit_test(link__partial_checksum__stays_partial_without_corruption),
        cmocka_unit_test(link__ports__choose_whom_it_concerns),
        cmocka_unit_test(link__packets_without_ports__are_concerned_unless_ports_are_asked_for),
        cmocka_unit_test(link__other_settings__keep_queue_and_numbers),
        cmocka_unit_test(link__slower_rate__begins_without_what_the_faster_one_left),
        cmocka_unit_test(link__gemodel_set_anew__begins_in_the_good_state),
    };
    return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
