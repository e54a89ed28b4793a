/* test_wire.c - network order and the Internet checksum.  RFC 1071, RFC 9293 3.1. */
#include "test.h"

#include "prng.h"
#include "wire.h"

/* RFC 1071 1 to the letter: one byte at a time into 16-bit words, and each carry added back at once. */
static uint16_t reference(uint16_t sum, const uint8_t *p, size_t len)
{
    uint32_t s = sum;
    for (size_t i = 0; i < len; i++) {
        s += i % 2 ? (uint32_t)p[i] : (uint32_t)p[i] * 256;
        if (s > 0xffff)
            s -= 0xffff;
    }
    return (uint16_t)s;
}

static uint16_t sum_of(const void *data, size_t len)
{
    struct wire_sum sum = wire_sum_start();
    wire_sum_add(&sum, data, len);
    return wire_sum_fold(&sum);
}

static void wire__numbers__are_in_network_order(void **state)
{
    (void)state;
    uint8_t bytes[8] = {0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee};
    wire_put16(bytes + 1, 0x0102);
    wire_put32(bytes + 3, 0xf3040506);
    static const uint8_t expected[8] = {0xee, 0x01, 0x02, 0xf3, 0x04, 0x05, 0x06, 0xee};
    assert_memory_equal(bytes, expected, 8);
    assert_int_equal(wire_get16(bytes + 1), 0x0102);
    assert_int_equal(wire_get32(bytes + 3), 0xf3040506);
    assert_int_equal(wire_get16(bytes + 2), 0x02f3);
}

static void checksum__example_of_rfc_1071_3__is_ddf2(void **state)
{
    (void)state;
    static const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    assert_int_equal(sum_of(data, sizeof(data)), 0xddf2);
    struct wire_sum sum = wire_sum_start();
    wire_sum_add(&sum, data, sizeof(data));
    assert_int_equal(wire_sum_finish(&sum), 0x220d);
}

static void checksum__of_nothing__is_the_start(void **state)
{
    (void)state;
    struct wire_sum sum = wire_sum_start();
    wire_sum_add(&sum, NULL, 0);
    assert_int_equal(wire_sum_fold(&sum), 0);
    assert_int_equal(wire_sum_finish(&sum), 0xffff);
}

static void checksum__every_length_and_offset__matches_the_reference(void **state)
{
    (void)state;
    struct prng prng = prng_seed(3);
    uint8_t data[208];
    prng_fill(&prng, data, sizeof(data));
    for (size_t len = 0; len <= 200; len++)
        for (size_t off = 0; off < 8; off++)
            assert_int_equal(sum_of(data + off, len), reference(0, data + off, len));
}

static void checksum__every_split_in_two__is_the_whole(void **state)
{
    (void)state;
    struct prng prng = prng_seed(4);
    uint8_t data[200];
    prng_fill(&prng, data, sizeof(data));
    for (size_t len = 0; len <= 200; len++) {
        uint16_t whole = reference(0, data, len);
        for (size_t cut = 0; cut <= len; cut++) {
            struct wire_sum sum = wire_sum_start();
            wire_sum_add(&sum, data, cut);
            wire_sum_add(&sum, data + cut, len - cut);
            assert_int_equal(wire_sum_fold(&sum), whole);
        }
    }
}

static void checksum__many_pieces_from_scattered_places__is_the_whole(void **state)
{
    (void)state;
    static uint8_t data[9000], moved[9008];
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct prng prng = prng_seed(seed);
        size_t len = prng_below(&prng, sizeof(data) + 1), most = prng_between(&prng, 1, 600);
        prng_fill(&prng, data, len);
        struct wire_sum sum = wire_sum_start();
        for (size_t done = 0; done < len;) {
            size_t piece = prng_between(&prng, 0, most), off = prng_below(&prng, 8);
            piece = piece < len - done ? piece : len - done;
            memcpy(moved + off, data + done, piece);
            wire_sum_add(&sum, moved + off, piece);
            done += piece;
        }
        assert_int_equal(wire_sum_fold(&sum), reference(0, data, len));
    }
}

static void checksum__one_byte_at_a_time__is_the_whole(void **state)
{
    (void)state;
    struct prng prng = prng_seed(5);
    uint8_t data[2000];
    prng_fill(&prng, data, sizeof(data));
    struct wire_sum sum = wire_sum_start();
    for (size_t i = 0; i < sizeof(data); i++) {
        wire_sum_add(&sum, data + i, 1);
        assert_int_equal(wire_sum_fold(&sum), reference(0, data, i + 1));
    }
}

/* Ones' complement has two zeroes.  A sum is 0x0000 only over zeroes; every other multiple of 0xffff is
 * 0xffff. */
static void checksum__zeroes__sum_up_to_positive_zero(void **state)
{
    (void)state;
    static const uint8_t data[200];
    for (size_t len = 0; len <= 200; len++)
        assert_int_equal(sum_of(data, len), 0);
}

static void checksum__other_multiples_of_ffff__are_negative_zero(void **state)
{
    (void)state;
    uint8_t ones[200], pair[4];
    memset(ones, 0xff, sizeof(ones));
    for (size_t len = 2; len <= 200; len += 2)
        assert_int_equal(sum_of(ones, len), 0xffff);
    assert_int_equal(sum_of(ones, 1), 0xff00);
    for (uint32_t word = 0; word <= 0xffff; word++) {
        wire_put16(pair, (uint16_t)word);
        wire_put16(pair + 2, (uint16_t)~word);
        assert_int_equal(sum_of(pair, 4), 0xffff);
    }
}

static void checksum__largest_datagrams_of_ones__lose_no_carry(void **state)
{
    (void)state;
    static uint8_t ones[65535];
    memset(ones, 0xff, sizeof(ones));
    struct wire_sum sum = wire_sum_start();
    for (int i = 0; i < 1000; i++)
        wire_sum_add(&sum, ones, sizeof(ones));
    assert_int_equal(wire_sum_fold(&sum), 0xffff);
    wire_sum_add(&sum, "\x12\x34", 2);
    assert_int_equal(wire_sum_fold(&sum), 0x1234);
}

static void checksum__data_with_its_own_checksum__sums_up_to_ffff(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 500; seed++) {
        struct prng prng = prng_seed(seed);
        uint8_t data[1500];
        size_t len = prng_between(&prng, 20, sizeof(data));
        prng_fill(&prng, data, len);
        if (seed == 0)
            memset(data, 0, len); /* the checksum of zeroes is 0xffff */
        wire_put16(data + 16, 0);
        struct wire_sum sum = wire_sum_start();
        wire_sum_add(&sum, data, len);
        wire_put16(data + 16, wire_sum_finish(&sum));
        assert_int_equal(sum_of(data, len), 0xffff);
        data[prng_below(&prng, len)] ^= (uint8_t)(1u << prng_below(&prng, 8));
        assert_int_not_equal(sum_of(data, len), 0xffff);
    }
}

static void checksum__pseudo_header__is_twelve_bytes_in_front(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        struct prng prng = prng_seed(seed);
        uint32_t src = prng_u32(&prng), dst = prng_u32(&prng);
        uint8_t proto = (uint8_t)prng_u32(&prng), data[12 + 100];
        size_t len = prng_below(&prng, 101), cut = prng_below(&prng, len + 1);
        /* RFC 9293 3.1, figure 2 */
        wire_put32(data, src);
        wire_put32(data + 4, dst);
        data[8] = 0;
        data[9] = proto;
        wire_put16(data + 10, (uint16_t)len);
        prng_fill(&prng, data + 12, len);
        struct wire_sum sum = wire_sum_start();
        wire_sum_add(&sum, data + 12, cut);
        wire_sum_pseudo(&sum, src, dst, proto, (uint16_t)len); /* in the middle, at an odd place too */
        wire_sum_add(&sum, data + 12 + cut, len - cut);
        assert_int_equal(wire_sum_fold(&sum), reference(0, data, 12 + len));
    }
}

static void checksum__pseudo_header_of_largest_fields__loses_no_carry(void **state)
{
    (void)state;
    struct wire_sum sum = wire_sum_start();
    wire_sum_pseudo(&sum, UINT32_MAX, UINT32_MAX, UINT8_MAX, UINT16_MAX);
    /* 5 x 0xffff + 0xff */
    assert_int_equal(wire_sum_fold(&sum), 0xff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wire__numbers__are_in_network_order),
        cmocka_unit_test(checksum__example_of_rfc_1071_3__is_ddf2),
        cmocka_unit_test(checksum__of_nothing__is_the_start),
        cmocka_unit_test(checksum__every_length_and_offset__matches_the_reference),
        cmocka_unit_test(checksum__every_split_in_two__is_the_whole),
        cmocka_unit_test(checksum__many_pieces_from_scattered_places__is_the_whole),
        cmocka_unit_test(checksum__one_byte_at_a_time__is_the_whole),
        cmocka_unit_test(checksum__zeroes__sum_up_to_positive_zero),
        cmocka_unit_test(checksum__other_multiples_of_ffff__are_negative_zero),
        cmocka_unit_test(checksum__largest_datagrams_of_ones__lose_no_carry),
        cmocka_unit_test(checksum__data_with_its_own_checksum__sums_up_to_ffff),
        cmocka_unit_test(checksum__pseudo_header__is_twelve_bytes_in_front),
        cmocka_unit_test(checksum__pseudo_header_of_largest_fields__loses_no_carry),
    };
    return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
