/* test_siphash.c - SipHash-2-4.  Aumasson and Bernstein, 2012. */
#include "test.h"

#include "siphash.h"

/* The key of all published vectors, bytes 00 to 0f, which the paper reads in little-endian order. */
static const struct siphash_key paper_key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

/* The hash of the bytes 00, 01, ... of each length from 0 to 63: the cases of the authors' reference table,
 * as another implementation (OpenSSL 3) answers them.  Length 15 is the example in the paper. */
static const uint64_t paper_hash[64] = {
    0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d, 0xcf2794e0277187b7,
    0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137, 0x93f5f5799a932462, 0x9e0082df0ba9e4b0,
    0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7, 0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee,
    0xa129ca6149be45e5, 0x3f2acc7f57c29bdb, 0x699ae9f52cbe4794, 0x4bc1b3f0968dd39c, 0xbb6dc91da77961bd,
    0xbed65cf21aa2ee98, 0xd0f2cbb02e3b67c7, 0x93536795e3a33e88, 0xa80c038ccd5ccec8, 0xb8ad50c6f649af94,
    0xbce192de8a85b8ea, 0x17d835b85bbb15f3, 0x2f2e6163076bcfad, 0xde4daaaca71dc9a5, 0xa6a2506687956571,
    0xad87a3535c49ef28, 0x32d892fad841c342, 0x7127512f72f27cce, 0xa7f32346f95978e3, 0x12e0b01abb051238,
    0x15e034d40fa197ae, 0x314dffbe0815a3b4, 0x027990f029623981, 0xcadcd4e59ef40c4d, 0x9abfd8766a33735c,
    0x0e3ea96b5304a7d0, 0xad0c42d6fc585992, 0x187306c89bc215a9, 0xd4a60abcf3792b95, 0xf935451de4f21df2,
    0xa9538f0419755787, 0xdb9acddff56ca510, 0xd06c98cd5c0975eb, 0xe612a3cb9ecba951, 0xc766e62cfcadaf96,
    0xee64435a9752fe72, 0xa192d576b245165a, 0x0a8787bf8ecb74b2, 0x81b3e73d20b49b6f, 0x7fa8220ba3b2ecea,
    0x245731c13ca42499, 0xb78dbfaf3a8d83bd, 0xea1ad565322a1a0b, 0x60e61c23a3795013, 0x6606d7e446282b93,
    0x6ca4ecb15c5f91e1, 0x9f626da15c9625f3, 0xe51b38608ef25f57, 0x958a324ceb064572,
};

static void siphash__example_of_the_paper__matches(void **state)
{
    (void)state;
    uint8_t message[15];
    for (size_t i = 0; i < sizeof(message); i++)
        message[i] = (uint8_t)i;
    assert_true(siphash(&paper_key, message, sizeof(message)) == 0xa129ca6149be45e5); /* appendix A */
}

static void siphash__published_vectors__match_at_any_alignment(void **state)
{
    (void)state;
    uint8_t room[64 + 8];
    for (size_t off = 0; off < 8; off++) {
        memset(room, 0xee, sizeof(room));
        for (size_t len = 0; len < 64; len++) {
            assert_true(siphash(&paper_key, room + off, len) == paper_hash[len]);
            room[off + len] = (uint8_t)len; /* the next one is longer by this byte */
        }
    }
}

static void siphash__empty_message__may_be_null(void **state)
{
    (void)state;
    assert_true(siphash(&paper_key, NULL, 0) == paper_hash[0]);
}

/* The vectors use one key and lengths below 256 only.  These were computed with OpenSSL 3: byte i is 7 i mod
 * 256. */
static void siphash__other_key_and_lengths__match_another_implementation(void **state)
{
    (void)state;
    static const struct siphash_key key = {0x123456789abcdef0, 0x0123456789abcdef};
    static const struct {
        size_t len;
        uint64_t hash;
    } known[] = {
        {0, 0xdc805de2a9236f1b},   {12, 0x18e19328b967bfeb},  {13, 0xbd797c15995c6315},
        {255, 0x5d354a3362cf79f4}, {256, 0xdb836bc7894cbbd8}, {1000, 0xa25b5b53d0bd1b39},
    };
    uint8_t message[1000];
    for (size_t i = 0; i < sizeof(message); i++)
        message[i] = (uint8_t)(7 * i);
    for (size_t i = 0; i < COUNT_OF(known); i++)
        assert_true(siphash(&key, message, known[i].len) == known[i].hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash__example_of_the_paper__matches),
        cmocka_unit_test(siphash__published_vectors__match_at_any_alignment),
        cmocka_unit_test(siphash__empty_message__may_be_null),
        cmocka_unit_test(siphash__other_key_and_lengths__match_another_implementation),
    };
    return cmocka_run_group_tests_name("siphash", tests, NULL, NULL);
}
