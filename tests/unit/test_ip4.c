/* test_ip4.c - the IPv4 header.  RFC 791 3.1, RFC 1122 3.2.1, RFC 6864. */
#include "test.h"

#include "ip4.h"
#include "prng.h"
#include "wire_model.h"

/* Parses an exact heap copy. */
static enum rill_event parse(const uint8_t *data, size_t len, struct ip4 *ip)
{
    struct rill_packet packet = model_packet(data, len);
    enum rill_event event = ip4_parse(&packet, ip);
    model_packet_free(&packet);
    return event;
}

static void parse__each_version_nibble__only_4_passes(void **state)
{
    (void)state;
    for (uint32_t version = 0; version < 16; version++) {
        uint8_t data[20];
        struct ip4 ip;
        model_ip(data, 5, 20, 1, 0, 6);
        data[0] = (uint8_t)(version * 16 + 5);
        model_ip_checksum(data, 20);
        assert_int_equal(parse(data, 20, &ip), version == 4 ? IP4_OK : RILL_DROP_IP_VERSION);
    }
}

static void parse__any_header_bit_flipped__drops(void **state)
{
    (void)state;
    uint8_t data[60];
    struct ip4 ip;
    memset(data, 0, sizeof(data));
    model_ip(data, 5, 40, 0x1234, 0x4000, 6);
    assert_int_equal(parse(data, sizeof(data), &ip), IP4_OK);
    for (uint32_t bit = 0; bit < 160; bit++) {
        data[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
        enum rill_event event = parse(data, sizeof(data), &ip);
        data[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
        if (bit < 4)
            assert_int_equal(event, RILL_DROP_IP_VERSION);
        else if (bit < 8 || (bit >= 16 && bit < 32)) /* lengths have more ways to be wrong */
            assert_true(event == RILL_DROP_IP_HEADER || event == RILL_DROP_IP_SHORT ||
                        event == RILL_DROP_IP_CHECKSUM);
        else
            assert_int_equal(event, RILL_DROP_IP_CHECKSUM);
    }
}

static void parse__lengths_cross_product__fits_or_drops(void **state)
{
    (void)state;
    for (uint32_t ihl = 0; ihl < 16; ihl++)
        for (uint32_t total = 0; total <= 72; total++)
            for (uint32_t read = 0; read <= 72; read++) {
                uint8_t data[72] = {0};
                struct ip4 ip;
                model_ip(data, 5, total, 1, 0, 6);
                data[0] = (uint8_t)(0x40 + ihl);
                model_ip_checksum(data, ihl * 4 < 20 ? 20 : ihl * 4);
                enum rill_event event = parse(data, read, &ip);
                if (read < 20)
                    assert_int_equal(event, RILL_DROP_IP_SHORT);
                else if (ihl < 5 || ihl * 4 > total)
                    assert_int_equal(event, RILL_DROP_IP_HEADER);
                else if (total > read)
                    assert_int_equal(event, RILL_DROP_IP_SHORT);
                else {
                    assert_int_equal(event, IP4_OK);
                    assert_int_equal(ip.header_len, ihl * 4);
                    assert_int_equal(ip.total_len, total); /* what is beyond does not count */
                }
            }
}

static void parse__header_that_is_not_whole_in_the_head__drops(void **state)
{
    (void)state;
    uint8_t data[100] = {0};
    model_ip(data, 8, 100, 1, 0, 6);
    for (uint32_t first = 0; first <= 100; first++) {
        struct ip4 ip;
        struct rill_packet packet = model_packet_split(data, first, first + (100 - first) / 2, 100);
        assert_int_equal(ip4_parse(&packet, &ip), first < 32 ? RILL_DROP_IP_SHORT : IP4_OK);
        model_packet_free(&packet);
    }
}

static void parse__each_field__is_where_rfc_791_has_it(void **state)
{
    (void)state;
    static const uint8_t head[] = {0x46, 0xb8, 0x00, 0x20, 0xbe, 0xef, 0x00, 0x00, 0x07, 0x11,
                                   0x00, 0x00, 0x0a, 0x4d, 0x00, 0x01, 0x0a, 0x4d, 0x00, 0x02};
    static const struct {
        uint32_t word, off;
        bool df, more;
    } fragment[] = {
        {0x0000, 0, false, false},   {0x4000, 0, true, false},  {0x2000, 0, false, true},
        {0x8000, 0, false, false},   {0x0001, 8, false, false}, {0x3fff, 65528, false, true},
        {0x20b9, 1480, false, true},
    };
    for (size_t i = 0; i < COUNT_OF(fragment); i++) {
        uint8_t data[32] = {0};
        struct ip4 ip;
        memcpy(data, head, sizeof(head));
        model_put(data + 6, fragment[i].word, 2);
        model_ip_checksum(data, 24);
        assert_int_equal(parse(data, 32, &ip), IP4_OK);
        assert_int_equal(ip.header_len, 24);
        assert_int_equal(ip.tos, 0xb8);
        assert_int_equal(ip.total_len, 32);
        assert_int_equal(ip.id, 0xbeef);
        assert_int_equal(ip.ttl, 7);
        assert_int_equal(ip.proto, IP4_UDP);
        assert_int_equal(ip.src, 0x0a4d0001);
        assert_int_equal(ip.dst, 0x0a4d0002);
        assert_int_equal(ip.frag_off, fragment[i].off);
        assert_int_equal(ip.df, fragment[i].df);
        assert_int_equal(ip.more, fragment[i].more);
    }
}

static void parse__time_to_live_of_0_or_1__passes(void **state)
{
    (void)state;
    for (uint8_t ttl = 0; ttl < 2; ttl++) { /* RFC 1122 3.2.1.7 */
        uint8_t data[20];
        struct ip4 ip;
        model_ip(data, 5, 20, 1, 0, 6);
        data[8] = ttl;
        model_ip_checksum(data, 20);
        assert_int_equal(parse(data, 20, &ip), IP4_OK);
        assert_int_equal(ip.ttl, ttl);
    }
}

static void parse__tcp_checksum_known_good__ip_checksum_is_still_verified(void **state)
{
    (void)state;
    static const enum rill_csum csum[] = {RILL_CSUM_VERIFY, RILL_CSUM_GOOD, RILL_CSUM_PARTIAL};
    for (size_t i = 0; i < COUNT_OF(csum); i++) {
        uint8_t data[20];
        struct ip4 ip;
        model_ip(data, 5, 20, 1, 0, 6);
        struct rill_packet packet = {.head = {data, 20}, .csum = csum[i]};
        assert_int_equal(ip4_parse(&packet, &ip), IP4_OK);
        data[11] ^= 1;
        assert_int_equal(ip4_parse(&packet, &ip), RILL_DROP_IP_CHECKSUM);
    }
}

/* Parses a header whose whole 40 bytes of options are given. */
static enum rill_event parse_options(const uint8_t options[40])
{
    uint8_t data[60];
    struct ip4 ip;
    model_ip(data, 15, 60, 1, 0, 6);
    memcpy(data + 20, options, 40);
    model_ip_checksum(data, 60);
    return parse(data, 60, &ip);
}

static void options__every_kind_and_length__only_source_routes_drop(void **state)
{
    (void)state;
    for (uint32_t kind = 0; kind < 256; kind++)
        for (uint32_t len = 0; len <= 41; len++)
            for (uint32_t at = 0; at < 40; at++) {
                uint8_t options[41];
                memset(options, 1, sizeof(options));
                options[at] = (uint8_t)kind;
                options[at + 1] = (uint8_t)len;
                bool route = kind == 131 || kind == 137;
                assert_int_equal(parse_options(options), route ? RILL_DROP_SOURCE_ROUTE : IP4_OK);
            }
}

static void options__source_route_behind_another_option__is_found_if_that_one_is_sane(void **state)
{
    (void)state;
    for (uint32_t kind = 2; kind < 256; kind++)
        for (uint32_t len = 0; len <= 255; len++) {
            if (kind == 131 || kind == 137)
                continue;
            uint8_t options[40];
            memset(options, 131, sizeof(options)); /* inside of the option this is data */
            options[0] = (uint8_t)kind;
            options[1] = (uint8_t)len;
            bool reached = len >= 2 && len < 40;
            assert_int_equal(parse_options(options), reached ? RILL_DROP_SOURCE_ROUTE : IP4_OK);
            for (uint32_t i = 2; i < 40; i++)
                options[i] = i < len ? 131 : 0;
            assert_int_equal(parse_options(options), IP4_OK);
        }
}

static void options__source_route_behind_the_end__is_not_an_option(void **state)
{
    (void)state;
    uint8_t options[40] = {1, 1, 0, 3, 131, 131, 7, 4}; /* 3: a length, if the end had one */
    assert_int_equal(parse_options(options), IP4_OK);
    options[2] = 7;
    assert_int_equal(parse_options(options), RILL_DROP_SOURCE_ROUTE);
}

static void options__random_bytes__end(void **state)
{
    (void)state;
    struct prng prng = prng_seed(1);
    for (int round = 0; round < 50000; round++) {
        uint8_t data[60];
        struct ip4 ip;
        uint32_t ihl = (uint32_t)prng_between(&prng, 5, 15);
        model_ip(data, ihl, ihl * 4, 1, 0, 6);
        for (uint32_t i = 20; i < ihl * 4; i++)
            data[i] = (uint8_t)prng_below(&prng, prng_chance(&prng, 50) ? 6 : 256);
        model_ip_checksum(data, ihl * 4);
        enum rill_event event = parse(data, ihl * 4, &ip);
        assert_true(event == IP4_OK || event == RILL_DROP_SOURCE_ROUTE);
    }
}

/* RFC 1122 3.2.1.3, with the class E and own addresses that no peer can have either. */
static const struct {
    uint32_t addr;
    bool peer;
    enum rill_event as_dst;
} addresses[] = {
    {0x0a4d0001, true, RILL_DROP_NOT_FOR_US},  /* the peer */
    {0x0a4d0002, false, IP4_OK},               /* us */
    {0x0a4d0003, true, RILL_DROP_NOT_FOR_US},  /* a neighbour */
    {0x0a4d00fe, true, RILL_DROP_NOT_FOR_US},  /* the last host */
    {0x0a4d00ff, false, RILL_DROP_BROADCAST},  /* the network's broadcast */
    {0x0a4d0000, false, RILL_DROP_BROADCAST},  /* its number */
    {0x0a4d0100, true, RILL_DROP_NOT_FOR_US},  /* another network's business */
    {0x0a4d01ff, true, RILL_DROP_NOT_FOR_US},  /* so too */
    {0x0a4cffff, true, RILL_DROP_NOT_FOR_US},  /* so too */
    {0x0a000000, true, RILL_DROP_NOT_FOR_US},  /* so too */
    {0x00000000, false, RILL_DROP_NOT_FOR_US}, /* {0, 0} */
    {0x00000001, false, RILL_DROP_NOT_FOR_US}, /* {0, host} */
    {0x004d0001, false, RILL_DROP_NOT_FOR_US},
    {0x00ffffff, false, RILL_DROP_NOT_FOR_US},
    {0x01000000, true, RILL_DROP_NOT_FOR_US},
    {0x7effffff, true, RILL_DROP_NOT_FOR_US},
    {0x7f000000, false, RILL_DROP_NOT_FOR_US}, /* loopback */
    {0x7f000001, false, RILL_DROP_NOT_FOR_US},
    {0x7fffffff, false, RILL_DROP_NOT_FOR_US},
    {0x80000000, true, RILL_DROP_NOT_FOR_US},
    {0xdfffffff, true, RILL_DROP_NOT_FOR_US},
    {0xe0000000, false, RILL_DROP_BROADCAST}, /* multicast */
    {0xe0000001, false, RILL_DROP_BROADCAST},
    {0xefffffff, false, RILL_DROP_BROADCAST},
    {0xf0000000, false, RILL_DROP_NOT_FOR_US}, /* class E */
    {0xfffffffe, false, RILL_DROP_NOT_FOR_US},
    {0xffffffff, false, RILL_DROP_BROADCAST}, /* {-1, -1} */
};

static void addresses__table__source_first_then_destination(void **state)
{
    (void)state;
    static const struct ip4_net net = {MODEL_ADDR, 24};
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        assert_int_equal(ip4_is_peer(addresses[i].addr, &net), addresses[i].peer);
        for (size_t k = 0; k < COUNT_OF(addresses); k++) {
            struct ip4 ip = {.src = addresses[i].addr, .dst = addresses[k].addr};
            enum rill_event expected = addresses[i].peer ? addresses[k].as_dst : RILL_DROP_IP_SOURCE;
            assert_int_equal(ip4_check_addresses(&ip, &net), expected);
        }
    }
}

static void addresses__every_prefix__has_its_own_first_and_last(void **state)
{
    (void)state;
    for (uint32_t prefix = 8; prefix <= 30; prefix++) {
        uint64_t size = 1;
        for (uint32_t i = prefix; i < 32; i++)
            size *= 2;
        uint32_t first = (uint32_t)(0x0a4d0081 / size * size), last = (uint32_t)(first + size - 1);
        struct ip4_net net = {first + 1, (uint8_t)prefix};
        const struct {
            uint32_t addr;
            bool edge;
        } probe[] = {{first, true},      {last, true},      {last - 1, false},
                     {first - 1, false}, {last + 1, false}, {(uint32_t)(first + size / 2), size == 1}};
        for (size_t i = 0; i < COUNT_OF(probe); i++) {
            struct ip4 ip = {.src = first + 2, .dst = probe[i].addr};
            assert_int_equal(ip4_is_peer(probe[i].addr, &net), !probe[i].edge);
            assert_int_equal(ip4_check_addresses(&ip, &net),
                             probe[i].edge ? RILL_DROP_BROADCAST : RILL_DROP_NOT_FOR_US);
        }
    }
}

static void build__fields__are_where_rfc_791_has_them(void **state)
{
    (void)state;
    uint8_t *out = malloc(20), expected[20];
    assert_non_null(out);
    struct ip4 ip = {
        .src = MODEL_PEER, .dst = MODEL_ADDR, .total_len = 1500, .ttl = 64, .proto = IP4_TCP, .df = true};
    ip4_build(out, &ip);
    model_ip(expected, 5, 1500, 0, 0x4000, 6);
    assert_memory_equal(out, expected, 20);

    ip = (struct ip4){.src = MODEL_PEER,
                      .dst = MODEL_ADDR,
                      .total_len = 1500,
                      .ttl = 64,
                      .proto = IP4_ICMP,
                      .id = 0xabcd,
                      .frag_off = 1480,
                      .more = true,
                      .tos = 0x10};
    ip4_build(out, &ip);
    model_ip(expected, 5, 1500, 0xabcd, 0x2000 + 185, 1);
    expected[1] = 0x10;
    model_ip_checksum(expected, 20);
    assert_memory_equal(out, expected, 20);
    free(out);
}

static void build__random_headers__parse_back(void **state)
{
    (void)state;
    struct prng prng = prng_seed(2);
    for (int round = 0; round < 20000; round++) {
        struct ip4 in = {
            .src = prng_u32(&prng),
            .dst = prng_u32(&prng),
            .total_len = (uint16_t)prng_between(&prng, 20, 65535),
            .id = (uint16_t)prng_u32(&prng),
            .frag_off = (uint16_t)(prng_below(&prng, 8192) * 8),
            .proto = (uint8_t)prng_u32(&prng),
            .tos = (uint8_t)prng_u32(&prng),
            .ttl = (uint8_t)prng_u32(&prng),
            .df = prng_chance(&prng, 50),
            .more = prng_chance(&prng, 50),
        };
        uint8_t head[20];
        struct ip4 out;
        ip4_build(head, &in);
        assert_int_equal(model_sum(0, head, 20), 0xffff);
        struct rill_packet packet = {.head = {head, 20}, .body = {{NULL, in.total_len - 20u}}};
        assert_int_equal(ip4_parse(&packet, &out), IP4_OK); /* the body is not looked at */
        assert_int_equal(out.src, in.src);
        assert_int_equal(out.dst, in.dst);
        assert_int_equal(out.total_len, in.total_len);
        assert_int_equal(out.id, in.id);
        assert_int_equal(out.frag_off, in.frag_off);
        assert_int_equal(out.header_len, 20);
        assert_int_equal(out.proto, in.proto);
        assert_int_equal(out.tos, in.tos);
        assert_int_equal(out.ttl, in.ttl);
        assert_int_equal(out.df, in.df);
        assert_int_equal(out.more, in.more);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse__each_version_nibble__only_4_passes),
        cmocka_unit_test(parse__any_header_bit_flipped__drops),
        cmocka_unit_test(parse__lengths_cross_product__fits_or_drops),
        cmocka_unit_test(parse__header_that_is_not_whole_in_the_head__drops),
        cmocka_unit_test(parse__each_field__is_where_rfc_791_has_it),
        cmocka_unit_test(parse__time_to_live_of_0_or_1__passes),
        cmocka_unit_test(parse__tcp_checksum_known_good__ip_checksum_is_still_verified),
        cmocka_unit_test(options__every_kind_and_length__only_source_routes_drop),
        cmocka_unit_test(options__source_route_behind_another_option__is_found_if_that_one_is_sane),
        cmocka_unit_test(options__source_route_behind_the_end__is_not_an_option),
        cmocka_unit_test(options__random_bytes__end),
        cmocka_unit_test(addresses__table__source_first_then_destination),
        cmocka_unit_test(addresses__every_prefix__has_its_own_first_and_last),
        cmocka_unit_test(build__fields__are_where_rfc_791_has_them),
        cmocka_unit_test(build__random_headers__parse_back),
    };
    return cmocka_run_group_tests_name("ip4", tests, NULL, NULL);
}
