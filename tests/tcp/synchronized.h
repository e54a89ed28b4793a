/* synchronized.h - what RFC 9293 3.10.7.4 and RFC 5961 ask of all synchronized states alike, to be run in
 * each.
 *
 * A state's file defines a struct synchronized named after it and names it in SYNCHRONIZED_TESTS(name) and
 * SYNCHRONIZED_LIST(name). */
#ifndef SYNCHRONIZED_H
#define SYNCHRONIZED_H

#include "script.h"

/* The right edge of the window that the rig's stack has offered, relative to the peer's ISN: the SYN is 0,
 * and the window in the SYN,ACK is 65535. */
#define EDGE 65536

struct synchronized {
    struct rig *(*make)(const struct rig_setup *setup);
    enum rill_tcp_state state;
    int snd, rcv;  /* SND.NXT and RCV.NXT there */
    int rst_error; /* what the application learns of a RST; -1: it has no socket any more */
};

typedef void synchronized_test(const struct synchronized *s);
synchronized_test synchronized_rst_at_rcv_nxt, synchronized_rst_with_text, synchronized_rst_in_window,
    synchronized_rst_outside, synchronized_syn, synchronized_no_ack_bit, synchronized_ack_too_high,
    synchronized_ack_ghost, synchronized_text_left_of_window, synchronized_text_right_of_window,
    synchronized_bare_ack_outside, synchronized_challenge_limit;

#define SYNCHRONIZED_TEST(name, claim, function)                                                             \
    static void name##__##claim(void **state)                                                                \
    {                                                                                                        \
        (void)state;                                                                                         \
        (function)(&(name));                                                                                 \
    }

#define SYNCHRONIZED_TESTS(name)                                                                             \
    SYNCHRONIZED_TEST(name, rst_at_rcv_nxt__closes, synchronized_rst_at_rcv_nxt)                             \
    SYNCHRONIZED_TEST(name, rst_with_text__closes_too, synchronized_rst_with_text)                           \
    SYNCHRONIZED_TEST(name, rst_elsewhere_in_window__closes_nothing, synchronized_rst_in_window)             \
    SYNCHRONIZED_TEST(name, rst_outside_window__is_dropped_silently, synchronized_rst_outside)               \
    SYNCHRONIZED_TEST(name, syn_at_any_number__gets_a_challenge_ack, synchronized_syn)                       \
    SYNCHRONIZED_TEST(name, segment_without_ack_bit__is_dropped_silently, synchronized_no_ack_bit)           \
    SYNCHRONIZED_TEST(name, ack_of_what_was_not_sent__gets_an_ack, synchronized_ack_too_high)                \
    SYNCHRONIZED_TEST(name, ack_of_less_than_our_syn__gets_an_ack, synchronized_ack_ghost)                   \
    SYNCHRONIZED_TEST(name, text_left_of_window__gets_an_ack, synchronized_text_left_of_window)              \
    SYNCHRONIZED_TEST(name, text_right_of_window__gets_an_ack, synchronized_text_right_of_window)            \
    SYNCHRONIZED_TEST(name, bare_ack_outside_window__gets_an_ack_twice_a_second,                             \
                      synchronized_bare_ack_outside)                                                         \
    SYNCHRONIZED_TEST(name, challenge_acks__come_once_in_500_ms, synchronized_challenge_limit)

#define SYNCHRONIZED_LIST(name)                                                                              \
    cmocka_unit_test(name##__rst_at_rcv_nxt__closes), cmocka_unit_test(name##__rst_with_text__closes_too),   \
        cmocka_unit_test(name##__rst_elsewhere_in_window__closes_nothing),                                   \
        cmocka_unit_test(name##__rst_outside_window__is_dropped_silently),                                   \
        cmocka_unit_test(name##__syn_at_any_number__gets_a_challenge_ack),                                   \
        cmocka_unit_test(name##__segment_without_ack_bit__is_dropped_silently),                              \
        cmocka_unit_test(name##__ack_of_what_was_not_sent__gets_an_ack),                                     \
        cmocka_unit_test(name##__ack_of_less_than_our_syn__gets_an_ack),                                     \
        cmocka_unit_test(name##__text_left_of_window__gets_an_ack),                                          \
        cmocka_unit_test(name##__text_right_of_window__gets_an_ack),                                         \
        cmocka_unit_test(name##__bare_ack_outside_window__gets_an_ack_twice_a_second),                       \
        cmocka_unit_test(name##__challenge_acks__come_once_in_500_ms)

#endif
