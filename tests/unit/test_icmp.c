/* test_icmp.c - echo, what is dropped, and which errors are sent.  RFC 792, RFC 1122 3.2.2. */
#include "icmp.h"

#include "icmp_world.h"
#include "prng.h"
#include "test.h"

enum { ECHO_REPLY = 0, ECHO = 8 };

static struct message request; /* too large for a stack */

static void make_echo(uint32_t ihl, uint32_t data_len, uint64_t seed)
{
    struct prng prng = prng_seed(seed);
    uint8_t *p = request.ip + ihl * 4;
    prng_fill(&prng, p, 8 + data_len); /* identifier, sequence number and data */
    p[0] = ECHO;
    p[1] = 0;
    message_finish(&request, ihl, 8 + data_len);
}

/* RFC 792: the data, identifier and sequence number come back; type 0; the addresses change places. */
static void answer_is_right(struct rill_engine *e)
{
    static uint8_t answer[DATAGRAM_MAX];
    struct ip4 ip;
    assert_int_equal(take_answer(e, answer, &ip), request.len);
    assert_int_equal(ip.src, OUR_ADDR);
    assert_int_equal(ip.dst, PEER_ADDR);
    assert_int_equal(ip.proto, IP4_ICMP);
    assert_int_equal(ip.ttl, 64);
    assert_int_equal(answer[0], ECHO_REPLY);
    assert_int_equal(answer[1], 0);
    assert_int_equal(model_sum(0, answer, request.len), 0xffff);
    assert_memory_equal(answer + 4, message_icmp(&request) + 4, request.len - 4);
}

static void echo__any_length__is_answered_with_all_its_data(void **state)
{
    (void)state;
    struct bare b;
    uint64_t count = 0;
    bare_init(&b, 1500);
    for (uint32_t len = 0; len <= 65507; len += len < 100 ? 1 : 653) {
        make_echo(5, len, len);
        message_input(&b.e, &request);
        assert_true(b.e.drain);
        answer_is_right(&b.e);
        count++;
    }
    make_echo(5, 65507, 1); /* the longest that IPv4 can carry */
    message_input(&b.e, &request);
    answer_is_right(&b.e);
    assert_int_equal(b.e.counter[RILL_ECHO_REPLY], count + 1);
    assert_int_equal(b.e.counter[RILL_ICMP_IN], count + 1);
    assert_int_equal(bare_drops(&b.e), 0);
    bare_end(&b);
}

static void echo__in_pieces_or_behind_options__is_answered(void **state)
{
    (void)state;
    struct bare b;
    bare_init(&b, 576);
    for (uint32_t ihl = 5; ihl <= 15; ihl++) {
        make_echo(ihl, 31, ihl);
        for (uint32_t first = ihl * 4; first <= ihl * 4 + 39; first++) {
            message_input_split(&b.e, &request, first, (first + ihl * 4 + 39 + 1) / 2);
            answer_is_right(&b.e);
        }
    }
    bare_end(&b);
}

/* RFC 1349 5.1: the type of service comes back; RFC 3168: its last two bits are no part of it. */
static void echo__type_of_service__comes_back_without_ecn(void **state)
{
    (void)state;
    struct bare b;
    struct ip4 ip;
    uint8_t answer[100];
    bare_init(&b, 1500);
    make_echo(5, 10, 1);
    request.ip[1] = 0x93;
    model_ip_checksum(request.ip, 20);
    message_input(&b.e, &request);
    assert_int_equal(take_answer(&b.e, answer, &ip), 18);
    assert_int_equal(ip.tos, 0x90);
    bare_end(&b);
}

/* RFC 1122 3.2.2.6 allows to ignore these, and nobody then gets a thousand answers for one request. */
static void echo__to_a_broadcast_or_multicast__is_not_answered(void **state)
{
    (void)state;
    static const uint32_t addrs[] = {0x0a4d00ff, 0xffffffff, 0xe0000001, 0x0a4d0000, 0x0a4d0003};
    struct bare b;
    bare_init(&b, 1500);
    make_echo(5, 10, 1);
    for (size_t i = 0; i < COUNT_OF(addrs); i++) {
        model_put(request.ip + 16, addrs[i], 4);
        model_ip_checksum(request.ip, 20);
        message_input(&b.e, &request);
        no_answer(&b.e);
    }
    assert_int_equal(b.e.counter[RILL_DROP_BROADCAST], COUNT_OF(addrs));
    bare_end(&b);
}

static void icmp__any_flipped_bit__is_dropped(void **state)
{
    (void)state;
    struct bare b;
    bare_init(&b, 1500);
    make_echo(5, 13, 3);
    for (uint32_t bit = 0; bit < request.len * 8; bit++) {
        message_icmp(&request)[bit / 8] ^= (uint8_t)(1 << bit % 8);
        message_input(&b.e, &request);
        message_icmp(&request)[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    no_answer(&b.e);
    assert_int_equal(b.e.counter[RILL_DROP_ICMP_CHECKSUM], request.len * 8);
    assert_int_equal(b.e.counter[RILL_ICMP_IN], 0);
    bare_end(&b);
}

static void icmp__shorter_than_its_header__is_dropped(void **state)
{
    (void)state;
    struct bare b;
    bare_init(&b, 1500);
    for (uint32_t len = 0; len < 8; len++) {
        make_echo(5, 0, 1);
        message_finish(&request, 5, len);
        message_input(&b.e, &request);
        assert_int_equal(b.e.counter[RILL_DROP_ICMP_SHORT], len + 1);
    }
    no_answer(&b.e);
    bare_end(&b);
}

static void icmp__type_that_is_not_acted_on__is_dropped_in_silence(void **state)
{
    (void)state;
    struct bare b;
    uint64_t others = 0;
    bare_init(&b, 1500);
    for (uint32_t type = 0; type < 256; type++) {
        if (type == ECHO || type == 3 || type == 11 || type == 12)
            continue;
        make_echo(5, 64, type);
        message_icmp(&request)[0] = (uint8_t)type;
        message_finish(&request, 5, 72);
        message_input(&b.e, &request);
        no_answer(&b.e);
        assert_int_equal(b.e.counter[RILL_DROP_ICMP_TYPE], ++others);
    }
    assert_int_equal(bare_drops(&b.e), others);
    bare_end(&b);
}

static void echo__no_memory__is_dropped(void **state)
{
    (void)state;
    struct bare b;
    bare_init(&b, 1500);
    make_echo(5, 64, 1);
    b.heap.fail_all = true;
    message_input(&b.e, &request);
    assert_int_equal(b.e.counter[RILL_DROP_MEMORY], 1);
    assert_int_equal(b.e.counter[RILL_ECHO_REPLY], 0);
    bare_end(&b);
}

/* ---- Errors of ours ---- */

/* A datagram of some protocol, its payload len bytes. */
static void make_datagram(uint32_t ihl, uint32_t len, uint8_t proto, uint32_t fragment)
{
    struct prng prng = prng_seed(len);
    prng_fill(&prng, request.ip + ihl * 4, len);
    request.ihl = ihl;
    request.len = len;
    model_ip(request.ip, ihl, ihl * 4 + len, 0x4321, fragment, proto);
}

static void address(uint32_t src, uint32_t dst)
{
    model_put(request.ip + 12, src, 4);
    model_put(request.ip + 16, dst, 4);
    model_ip_checksum(request.ip, request.ihl * 4);
}

static void send_error(struct rill_engine *e, uint8_t type, uint8_t code)
{
    struct ip4 ip;
    /* What a TUN hands over may be longer than the datagram. */
    struct rill_packet in = model_packet(request.ip, request.ihl * 4 + request.len + 1);
    assert_int_equal(ip4_parse(&in, &ip), IP4_OK);
    icmp_send_error(e, type, code, &in, &ip);
    model_packet_free(&in);
}

/* RFC 792, RFC 1122 3.2.2: the header and as much behind it as fits, unchanged; type of service 0. */
static void error__datagram_of_any_length__is_quoted_unchanged(void **state)
{
    (void)state;
    static const uint32_t lens[] = {0, 1, 7, 8, 9, 100, 527, 528, 529, 5000, 65475};
    struct bare b;
    uint8_t answer[600];
    struct ip4 ip;
    bare_init(&b, 1500);
    for (uint32_t ihl = 5; ihl <= 15; ihl += 5) {
        for (size_t i = 0; i < COUNT_OF(lens); i++) {
            b.e.now_us += SEC;
            make_datagram(ihl, lens[i], 17, 0);
            send_error(&b.e, 3, 3);
            uint32_t quoted = min_u32(ihl * 4 + lens[i], 576 - 20 - 8);
            assert_int_equal(take_answer(&b.e, answer, &ip), 8 + quoted);
            assert_int_equal(ip.tos, 0);
            assert_int_equal(ip.dst, PEER_ADDR);
            assert_int_equal(answer[0], 3);
            assert_int_equal(answer[1], 3);
            assert_int_equal(model_get(answer + 4, 4), 0);
            assert_int_equal(model_sum(0, answer, 8 + quoted), 0xffff);
            assert_memory_equal(answer + 8, request.ip, quoted);
        }
    }
    assert_int_equal(b.e.counter[RILL_ICMP_ERROR_OUT], 3 * COUNT_OF(lens));
    bare_end(&b);
}

/* RFC 1122 3.2.2, "these restrictions take precedence over any other": each reason not to answer, with each
 * error that we can send. */
static void error__where_rfc_1122_forbids_it__is_never_sent(void **state)
{
    (void)state;
    static const struct {
        uint8_t type, code;
    } errors[] = {{3, 2}, {3, 3}, {11, 1}};
    static const uint32_t no_host[] = {0,          0x00000001, 0x7f000001, 0xe0000001, 0xf0000001,
                                       0xffffffff, 0x0a4d00ff, 0x0a4d0000, OUR_ADDR};
    static const uint32_t not_one[] = {0xffffffff, 0x0a4d00ff, 0x0a4d0000, 0xe0000001};
    static const uint8_t protos[] = {17, 132, 6, 1};
    struct bare b;
    bare_init(&b, 1500);
    for (size_t k = 0; k < COUNT_OF(errors); k++) {
        for (size_t p = 0; p < COUNT_OF(protos); p++) {
            b.e.now_us += SEC;
            make_datagram(5, 64, protos[p], 0);
            request.ip[20] = ECHO;
            for (size_t i = 0; i < COUNT_OF(no_host); i++) {
                address(no_host[i], OUR_ADDR);
                send_error(&b.e, errors[k].type, errors[k].code);
            }
            for (size_t i = 0; i < COUNT_OF(not_one); i++) {
                address(PEER_ADDR, not_one[i]);
                send_error(&b.e, errors[k].type, errors[k].code);
            }
            make_datagram(5, 64, protos[p], 8);
            request.ip[20] = ECHO;
            send_error(&b.e, errors[k].type, errors[k].code);
            no_answer(&b.e);

            make_datagram(5, 64, protos[p], 0x2000); /* the first fragment may be answered */
            request.ip[20] = ECHO;
            send_error(&b.e, errors[k].type, errors[k].code);
            uint8_t answer[600];
            struct ip4 ip;
            assert_int_equal(take_answer(&b.e, answer, &ip), 8 + 84);
        }
    }
    assert_int_equal(b.e.counter[RILL_ICMP_ERROR_OUT], COUNT_OF(errors) * COUNT_OF(protos));
    bare_end(&b);
}

static void error__about_an_icmp_error__is_never_sent(void **state)
{
    (void)state;
    struct bare b;
    bare_init(&b, 1500);
    for (uint32_t type = 0; type < 256; type++) {
        make_datagram(5, 64, 1, 0);
        request.ip[20] = (uint8_t)type;
        if (type != ECHO)
            send_error(&b.e, 11, 1);
    }
    make_datagram(5, 0, 1, 0); /* nobody can tell what it was */
    send_error(&b.e, 11, 1);
    no_answer(&b.e);
    assert_int_equal(b.e.counter[RILL_ICMP_ERROR_OUT], 0);
    bare_end(&b);
}

static void error__many_at_once__are_limited(void **state)
{
    (void)state;
    struct bare b;
    uint8_t answer[600];
    struct ip4 ip;
    bare_init(&b, 1500);
    make_datagram(5, 64, 17, 0);
    for (int second = 0; second < 10; second++) {
        for (int i = 0; i < 1000; i++) {
            send_error(&b.e, 3, 3);
            (void)take_answer(&b.e, answer, &ip);
            b.e.now_us += MS;
        }
    }
    uint64_t sent = b.e.counter[RILL_ICMP_ERROR_OUT];
    assert_in_range(sent, 50 + 990, 50 + 1000); /* the burst, and 100 in each of ten seconds */
    assert_int_equal(b.e.counter[RILL_ICMP_LIMITED], 10000 - sent);
    bare_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echo__any_length__is_answered_with_all_its_data),
        cmocka_unit_test(echo__in_pieces_or_behind_options__is_answered),
        cmocka_unit_test(echo__type_of_service__comes_back_without_ecn),
        cmocka_unit_test(echo__to_a_broadcast_or_multicast__is_not_answered),
        cmocka_unit_test(icmp__any_flipped_bit__is_dropped),
        cmocka_unit_test(icmp__shorter_than_its_header__is_dropped),
        cmocka_unit_test(icmp__type_that_is_not_acted_on__is_dropped_in_silence),
        cmocka_unit_test(echo__no_memory__is_dropped),
        cmocka_unit_test(error__datagram_of_any_length__is_quoted_unchanged),
        cmocka_unit_test(error__where_rfc_1122_forbids_it__is_never_sent),
        cmocka_unit_test(error__about_an_icmp_error__is_never_sent),
        cmocka_unit_test(error__many_at_once__are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
