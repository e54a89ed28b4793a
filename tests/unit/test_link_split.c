/* test_link_split.c - a super-segment taken apart, as a device with segmentation offload does it. */
#include "link_world.h"

#include "prng.h"

#define FLAGS (RILL_ACK | RILL_PSH | RILL_FIN | RILL_CWR | RILL_ECE)
#define OPT_LEN 12u
#define HEAD (40u + OPT_LEN)
#define FIRST_ID 65534u /* so that it wraps */

static uint8_t super[65535];

/* A super-segment with a timestamp option, an identification and a partial checksum. */
static uint32_t make_super(uint32_t text_len, uint8_t flags, uint32_t seq, uint16_t urg)
{
    static struct datagram d;
    static const uint8_t option[OPT_LEN] = {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8};
    d = (struct datagram){
        .src = MODEL_PEER, .dst = MODEL_ADDR, .sport = 40000, .dport = 7, .ttl = 60, .tos = 3};
    d.seq = seq;
    d.ack = 77;
    d.flags = flags;
    d.win = 500;
    d.urg = urg;
    d.opt_len = OPT_LEN;
    memcpy(d.opt, option, OPT_LEN);
    d.text_len = text_len;
    for (uint32_t i = 0; i < text_len; i++)
        d.text[i] = pattern(i + 1, 0);
    uint32_t len = datagram_build(&d, super);
    model_put(super + 4, FIRST_ID, 2);
    model_ip_checksum(super, 20);
    model_put(super + 36, model_pseudo(super, len - 20), 2);
    return len;
}

/* Takes segment number `index` apart, which has to begin at text position `at` of `all`. */
static uint32_t expect_segment(const struct rill_packet *in, uint32_t index, uint32_t at, uint32_t all)
{
    uint8_t *data = malloc(2000);
    assert_non_null(data);
    uint32_t len = link_split(in, index, data, 2000);
    assert_true(len >= HEAD);
    assert_int_equal(link_split(in, index, data, len - 1), 0);
    assert_int_equal(link_split(in, index, data, len), len);
    assert_int_equal(model_get(data + 4, 2), (FIRST_ID + index) & 0xffff);
    assert_int_equal(model_get(data + 2, 2), len);
    assert_int_equal(model_sum(0, data, 20), 0xffff);
    assert_int_equal(model_sum(model_pseudo(data, len - 20), data + 20, len - 20), 0xffff);
    assert_memory_equal(data + 12, super + 12, 12);      /* addresses and ports */
    assert_memory_equal(data + 28, super + 28, 5);       /* acknowledgement, data offset */
    assert_memory_equal(data + 40, super + 40, OPT_LEN); /* options */
    assert_memory_equal(data + 34, super + 34, 2);       /* window */
    assert_memory_equal(data + HEAD, super + HEAD + at, len - HEAD);
    bool last = at + len - HEAD == all;
    uint8_t flags = super[33];
    flags &= (uint8_t)(last ? 0xff : ~(RILL_FIN | RILL_PSH));
    flags &= (uint8_t)(index == 0 ? 0xff : ~RILL_CWR);
    assert_int_equal(data[33], flags);
    assert_int_equal(model_get(data + 24, 4), (uint32_t)(model_get(super + 24, 4) + at));
    free(data);
    return len - HEAD;
}

static void split__super_segment__becomes_segments_that_say_the_same(void **state)
{
    (void)state;
    struct prng prng = prng_seed(1);
    for (int round = 0; round < 200; round++) {
        uint32_t text = (uint32_t)prng_between(&prng, 1, round % 4 ? 9000 : 60000), at = 0, index = 0;
        uint16_t size = (uint16_t)prng_between(&prng, 100, 1448);
        uint32_t len = make_super(text, FLAGS, UINT32_MAX - 3000, 0); /* the numbers wrap */
        uint64_t cut = prng_between(&prng, HEAD, len);                /* the text in up to three slices */
        struct rill_packet in = model_packet_split(super, cut, prng_between(&prng, cut, len), len);
        in.csum = RILL_CSUM_PARTIAL;
        in.segment_bytes = size;
        for (; at < text; index++) {
            uint32_t got = expect_segment(&in, index, at, text);
            assert_int_equal(got, size < text - at ? size : text - at);
            at += got;
        }
        assert_int_equal(link_split(&in, index, super, sizeof(super)), 0);
        assert_int_equal(link_split(&in, UINT32_MAX, super, sizeof(super)), 0);
        model_packet_free(&in);
    }
}

/* RFC 9293 3.8.6: the pointer is an offset from the segment's own sequence number. */
static void split__urgent_pointer__keeps_its_position_in_the_stream(void **state)
{
    (void)state;
    static const struct {
        bool urgent;
        uint16_t pointer;
    } expected[] = {{true, 250}, {true, 150}, {true, 50}, {false, 0}};
    uint8_t data[200];
    struct rill_packet in = {.head = {super, make_super(400, RILL_ACK | RILL_URG, 1, 250)},
                             .segment_bytes = 100};
    for (uint32_t i = 0; i < COUNT_OF(expected); i++) {
        assert_int_equal(link_split(&in, i, data, sizeof(data)), HEAD + 100);
        assert_int_equal(data[33] & RILL_URG, expected[i].urgent ? RILL_URG : 0);
        assert_int_equal(model_get(data + 38, 2), expected[i].pointer);
    }
    make_super(400, RILL_ACK | RILL_URG, 1, 200); /* the end of the urgent data is that of a segment */
    assert_int_equal(link_split(&in, 1, data, sizeof(data)), HEAD + 100);
    assert_int_equal(data[33] & RILL_URG, RILL_URG);
    assert_int_equal(link_split(&in, 2, data, sizeof(data)), HEAD + 100);
    assert_int_equal(data[33] & RILL_URG, 0);
}

static void split__plain_packet__is_its_own_only_segment(void **state)
{
    (void)state;
    static uint8_t whole[3000], data[3000];
    uint32_t len = make_super(2000, RILL_ACK, 1, 0);
    struct rill_packet in = {.head = {super, len}};
    assert_int_equal(link_split(&in, 0, data, sizeof(data)),
                     len); /* its checksum is nobody's business here */
    assert_memory_equal(data, super, len);
    assert_int_equal(link_split(&in, 0, data, len - 1), 0);
    assert_int_equal(link_split(&in, 1, data, sizeof(data)), 0);
    in.csum = RILL_CSUM_PARTIAL;
    memcpy(whole, super, len);
    model_tcp_checksum(whole, len - 20);
    assert_int_equal(link_split(&in, 0, data, sizeof(data)), len);
    assert_memory_equal(data, whole, len);
}

static void split__what_is_no_tcp__is_left_whole(void **state)
{
    (void)state;
    uint8_t data[100], out[100];
    model_ip(data, 5, 100, 0, 0, 17);
    for (uint32_t i = 20; i < 100; i++)
        data[i] = (uint8_t)i;
    struct rill_packet in = {.head = {data, 100}, .segment_bytes = 10};
    assert_int_equal(link_split(&in, 0, out, 100), 100);
    assert_memory_equal(out, data, 100);
    assert_int_equal(link_split(&in, 1, out, 100), 0);
    data[0] = 0; /* nor IP */
    assert_int_equal(link_split(&in, 0, out, 100), 100);
}

/* Any bytes, any sizes: nothing is read or written out of bounds (the blocks are as large as they say), and
 * it ends. */
static void split__random_bytes__are_survived(void **state)
{
    (void)state;
    struct prng prng = prng_seed(2);
    uint8_t data[300];
    for (int round = 0; round < 20000; round++) {
        uint32_t len = link_datagram(data, (uint8_t)prng_next(&prng), 7, (uint32_t)prng_below(&prng, 200));
        for (uint64_t hits = prng_below(&prng, 4); hits > 0; hits--)
            data[prng_below(&prng, 48)] = (uint8_t)prng_next(&prng);
        if (prng_chance(&prng, 80))
            model_ip_checksum(data, 20);
        uint64_t cut = prng_between(&prng, 40, len);
        struct rill_packet in = model_packet_split(data, cut, prng_between(&prng, cut, len), len);
        uint32_t cap = (uint32_t)prng_between(&prng, 1, 300), index = 0;
        uint8_t *out = malloc(cap);
        assert_non_null(out);
        in.csum = (enum rill_csum)prng_below(&prng, 3);
        in.segment_bytes = (uint16_t)prng_below(&prng, 60);
        while (link_split(&in, index, out, cap) > 0)
            index++;
        assert_in_range(index, 0, 200);
        free(out);
        model_packet_free(&in);
    }
}

static void split__selected_super_segment__goes_over_the_link_piece_by_piece(void **state)
{
    (void)state;
    static struct link_world world;
    uint8_t data[200];
    struct rill_packet in = {.head = {super, make_super(350, FLAGS, 1, 0)}, .segment_bytes = 100}, out;
    link_world_begin(&world, "delay 1ms drop data 3");
    assert_true(link_selects(&world.link, &in));
    for (uint32_t i = 0, len; (len = link_split(&in, i, data, sizeof(data))) > 0; i++) {
        struct rill_packet piece = {.head = {data, len}};
        assert_int_equal(link_push(&world.link, &piece, START).verdict, i == 2 ? LINK_LISTED : LINK_QUEUED);
    }
    for (uint32_t at = 0; at < 350; at += at == 100 ? 200 : 100) {
        assert_true(link_pop(&world.link, START + 1000, &out));
        assert_int_equal(model_get(out.head.data + 24, 4), 1 + at);
    }
    link_world_set(&world, "loss 100% port 9"); /* passes whole */
    assert_false(link_selects(&world.link, &in));
    assert_int_equal(link_push(&world.link, &in, START).verdict, LINK_PASSED);
    link_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(split__super_segment__becomes_segments_that_say_the_same),
        cmocka_unit_test(split__urgent_pointer__keeps_its_position_in_the_stream),
        cmocka_unit_test(split__plain_packet__is_its_own_only_segment),
        cmocka_unit_test(split__what_is_no_tcp__is_left_whole),
        cmocka_unit_test(split__random_bytes__are_survived),
        cmocka_unit_test(split__selected_super_segment__goes_over_the_link_piece_by_piece),
    };
    return cmocka_run_group_tests_name("link_split", tests, NULL, NULL);
}
