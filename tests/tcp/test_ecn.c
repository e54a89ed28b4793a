/* test_ecn.c - explicit congestion notification: who agrees to it, what is marked, what the receiver says.
 * RFC 3168 5, 6.1. */
#include "script.h"

#include "tcp_ecn.h"

static void ask(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->features |= 1u << RILL_FEATURE_ECN;
}

static void answer(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->features |= 1u << RILL_FEATURE_ECN_ANSWER;
}

static void answer_with_tos(struct rill_config *config, struct tcp_opts *opts)
{
    answer(config, opts);
    opts->tos = 0xbb; /* the application has no say in the lower two bits */
}

static const struct rig_setup passive = {.edit = answer, .syn_flags = "EC"};
static const struct rig_setup active = {.edit = ask, .syn_flags = "E"};

/* ---- Negotiation: 6.1.1 -------------------------------------------------------------------------------- */

static void listener__grants_only_an_ecn_setup_syn(void **state)
{
    static const struct {
        const char *flags;
        bool granted;
    } table[] = {{"SEC", true}, {"SE", false}, {"SC", false}, {"S", false}};
    void (*const edit[])(struct rill_config *, struct tcp_opts *) = {ask, answer, NULL};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++)
        for (size_t k = 0; k < COUNT_OF(edit); k++) {
            struct rig_setup setup = {.edit = edit[k]};
            struct rig *t = rig_listen(&setup);
            bool granted = table[i].granted && edit[k] != NULL;
            in(t, "%s 0:0(0) <mss 1460>", table[i].flags);
            out(t, "S%s. 0:0(0) ack 1 <*>", granted ? "E" : "");
            in(t, ". 1:1(0) ack 1");
            app_accept(t, 0);
            app_write(t, 10);
            out(t, "P. 1:11(10) ack 1 %s", granted ? "ect0" : "");
            rig_end(t);
        }
}

static void active__ecn_is_in_use_only_with_an_ecn_setup_syn_ack(void **state)
{
    static const struct {
        const char *flags;
        bool agreed;
    } table[] = {{"SE.", true}, {"S.", false}, {"SEC.", false} /* reflected */, {"SC.", false}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct rig_setup setup = {.edit = ask};
        struct rig *t = rig_closed(&setup);
        assert_int_equal(app_connect(t, 0), 0);
        out(t, "SEC 0:0(0) <*>"); /* and not ECT: 6.1.1 */
        in(t, "%s 0:0(0) ack 1 <mss 1460>", table[i].flags);
        out(t, ". 1:1(0) ack 1");
        app_write(t, 10);
        out(t, "P. 1:11(10) ack 1 %s", table[i].agreed ? "ect0" : "");
        rig_end(t);
    }
}

static void active__ecn_answer_alone__does_not_ask(void **state)
{
    struct rig_setup setup = {.edit = answer};
    struct rig *t = rig_closed(&setup);
    (void)state;
    assert_int_equal(app_connect(t, 0), 0);
    out(t, "S 0:0(0) <*>");
    in(t, "SE. 0:0(0) ack 1 <mss 1460>");
    out(t, ". 1:1(0) ack 1");
    app_write(t, 10);
    out(t, "P. 1:11(10) ack 1"); /* who sent a SYN without ECN must not use it */
    rig_end(t);
}

static void syn__resent_twice__is_plain_and_ecn_is_off(void **state)
{
    struct rig_setup setup = {.edit = ask};
    struct rig *t = rig_syn_sent(&setup);
    (void)state;
    out_after(t, 1 * SEC, "SEC 0:0(0) <*>");
    out_after(t, 2 * SEC, "S 0:0(0) <*>"); /* 6.1.1.1 */
    in(t, "SE. 0:0(0) ack 1 <mss 1460>");  /* an answer to one of the first */
    out(t, ". 1:1(0) ack 1");
    app_write(t, 10);
    out(t, "P. 1:11(10) ack 1");
    rig_end(t);
}

static void syn__again_without_ecn__is_not_granted_any_more(void **state)
{
    struct rig *t = rig_syn_received(&passive);
    (void)state;
    in(t, "S 0:0(0) %s", t->setup.peer_opts);
    out(t, "S. 0:0(0) ack 1 <*>");
    in(t, "SEC 0:0(0) %s", t->setup.peer_opts);
    out(t, "S. 0:0(0) ack 1 <*>");
    in(t, ". 1:1(0) ack 1");
    app_accept(t, 0);
    app_write(t, 10);
    out(t, "P. 1:11(10) ack 1");
    rig_end(t);
}

static void syns_cross__both_with_ecn__agreed_unless_the_syn_ack_says_no(void **state)
{
    static const struct {
        const char *flags;
        bool agreed;
    } table[] = {{"SE.", true}, {"S.", false}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct rig_setup setup = {.edit = ask, .syn_flags = "EC"};
        struct rig *t = rig_syn_crossed(&setup);
        in(t, "%s 0:0(0) ack 1 <mss 1460>", table[i].flags);
        out(t, ". 1:1(0) ack 1");
        app_write(t, 10);
        out(t, "P. 1:11(10) ack 1 %s", table[i].agreed ? "ect0" : "");
        rig_end(t);
    }
}

/* ---- What is marked: 6.1.2, 6.1.4 to 6.1.6 ------------------------------------------------------------- */

static void ect__new_data_only(void **state)
{
    struct rig *t = rig_established(&passive);
    (void)state;
    app_write(t, 10);
    out(t, "P. 1:11(10) ack 1 ect0");
    out_after(t, t->peer[0].c->timer[TIMER_XMIT] - t->now_us, "P. 1:11(10) ack 1"); /* 6.1.5 */
    in(t, ". 1:1(0) ack 11 win 0");
    app_write(t, 10);
    out_none(t);
    out_after(t, t->peer[0].c->timer[TIMER_XMIT] - t->now_us, ". 11:12(1) ack 1"); /* 6.1.6: a probe */
    in(t, ". 1:1(0) ack 12");
    out(t, "PC. 12:21(9) ack 1 ect0"); /* 6.1.2: the timeout has reduced the window */
    in(t, ". 1:1(0) ack 21");
    in(t, "P. 5:15(10) ack 21");
    out(t, ". 21:21(0) ack 1"); /* 6.1.4: a bare ACK */
    app_shut(t);
    out(t, "F. 21:21(0) ack 1");
    rig_end(t);
}

static void tos_of_the_application__leaves_the_ecn_bits_alone(void **state)
{
    struct rig_setup setup = {.edit = answer_with_tos, .syn_flags = "EC"};
    struct rig *t = rig_listen(&setup);
    (void)state;
    in(t, "SEC 0:0(0)");
    assert_int_equal(take(t)->tos, 0xb8);
    in(t, "S 900:900(0)"); /* a challenge by the record */
    assert_int_equal(take(t)->tos, 0xb8);
    in(t, ". 1:1(0) ack 1");
    app_accept(t, 0);
    app_write(t, 10);
    assert_int_equal(take(t)->tos, 0xb8 | ECN_ECT_0);
    app_abort(t);
    assert_int_equal(take(t)->tos, 0xb8);
    rig_end(t);
}

static void cwr__goes_with_the_next_new_data_once(void **state)
{
    struct rig *t = rig_established(&passive);
    (void)state;
    app_write(t, 10);
    out(t, "P. 1:11(10) ack 1 ect0");
    t->peer[0].c->cwr_due = true; /* as after a reduction */
    in(t, "P. 5:15(10) ack 1");
    out(t, ". 11:11(0) ack 1");
    out_after(t, t->peer[0].c->timer[TIMER_XMIT] - t->now_us, "P. 1:11(10) ack 1");
    in(t, ". 1:1(0) ack 11");
    t->peer[0].c->cwr_due = true; /* the timeout may have set it again */
    app_write(t, 3000);
    out(t, "C. 11:1471(1460) ack 1 ect0");
    if (t->queued != 0) /* as far as the window after a timeout lets it */
        out(t, ". 1471:2931(1460) ack 1 ect0");
    assert_false(t->peer[0].c->cwr_due);
    rig_discard(t);
}

/* ---- The receiver: 6.1.3 ------------------------------------------------------------------------------- */

static void ce__is_echoed_at_once_and_until_cwr(void **state)
{
    struct rig *t = rig_established(&passive);
    (void)state;
    in(t, "P. 1:101(100) ack 1 ce");
    out(t, "E. 1:1(0) ack 101");
    assert_int_equal(t->said.why, RILL_WHY_ACK_ECN);
    expect_counted(t, RILL_CE_IN, 1);
    in(t, "P. 101:201(100) ack 1 ect0");
    out_after(t, t->config.delack_us, "E. 1:1(0) ack 201"); /* the ACK before may have been lost */
    app_write(t, 10);
    out(t, "PE. 1:11(10) ack 201 ect0"); /* each segment carries an ACK */
    in(t, "PC. 201:301(100) ack 11 ect0");
    out(t, ". 11:11(0) ack 301"); /* at once: its sender may have a window of one segment */
    in(t, "P. 301:401(100) ack 11 ect0");
    out_after(t, t->config.delack_us, ". 11:11(0) ack 401");
    expect_counted(t, RILL_CE_IN, 1);
    rig_end(t);
}

static void ce_on_the_segment_with_cwr__begins_anew(void **state)
{
    struct rig *t = rig_established(&passive);
    (void)state;
    in(t, "P. 1:101(100) ack 1 ce");
    out(t, "E. 1:1(0) ack 101");
    in(t, "PC. 101:201(100) ack 1 ce");
    out(t, "E. 1:1(0) ack 201");
    expect_counted(t, RILL_CE_IN, 2);
    rig_end(t);
}

static void ce__where_it_says_nothing__is_ignored(void **state)
{
    static const struct {
        const char *seg;
        const char *answer;
    } table[] = {
        {"P. -100:0(100) ack 1 ce", ". 1:1(0) ack 1"}, /* outside the window: SHOULD */
        {"P. 70000:70100(100) ack 1 ce", ". 1:1(0) ack 1"},
        {". 1:1(0) ack 1 ce", NULL},                     /* bare ACKs are not ECT */
        {"P. 1:101(100) ack 9999 ce", ". 1:1(0) ack 1"}, /* not from our peer */
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct rig *t = rig_established(&passive);
        in(t, "%s", table[i].seg);
        if (table[i].answer != NULL)
            out(t, "%s", table[i].answer);
        out_none(t);
        expect_counted(t, RILL_CE_IN, 0);
        in(t, "P. 1:11(10) ack 1 ect0");
        out_after(t, t->config.delack_us, ". 1:1(0) ack 11");
        rig_end(t);
    }
}

static void ce_without_ecn__is_ignored(void **state)
{
    struct rig *t = rig_established(NULL);
    (void)state;
    in(t, "PC. 1:101(100) ack 1 ce");
    out_after(t, t->config.delack_us, ". 1:1(0) ack 101");
    expect_counted(t, RILL_CE_IN, 0);
    rig_end(t);
}

static void ce_out_of_order__is_echoed(void **state)
{
    struct rig *t = rig_established(&passive);
    (void)state;
    in(t, ". 101:201(100) ack 1 ce");
    out(t, "E. 1:1(0) ack 1");
    rig_end(t);
}

static void rst__has_no_ecn(void **state)
{
    struct rig *t = rig_established(&passive);
    (void)state;
    in(t, "P. 1:101(100) ack 1 ce");
    out(t, "E. 1:1(0) ack 101");
    app_abort(t);
    out(t, "R. 1:1(0) ack 101 win 0");
    rig_end(t);
}

static void echo__counts_with_ecn_agreed_and_no_syn(void **state)
{
    struct rig *t = rig_connected(&active), *none = rig_established(NULL);
    struct tcp_segment ece = {.flags = RILL_ACK | RILL_ECE}, syn = {.flags = RILL_SYN | RILL_ACK | RILL_ECE},
                       cwr = {.flags = RILL_ACK | RILL_CWR};
    (void)state;
    assert_true(tcp_ecn_echoed(t->peer[0].c, &ece));
    assert_false(tcp_ecn_echoed(t->peer[0].c, &syn));
    assert_false(tcp_ecn_echoed(t->peer[0].c, &cwr));
    assert_false(tcp_ecn_echoed(none->peer[0].c, &ece));
    rig_end(t);
    rig_end(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listener__grants_only_an_ecn_setup_syn),
        cmocka_unit_test(active__ecn_is_in_use_only_with_an_ecn_setup_syn_ack),
        cmocka_unit_test(active__ecn_answer_alone__does_not_ask),
        cmocka_unit_test(syn__resent_twice__is_plain_and_ecn_is_off),
        cmocka_unit_test(syn__again_without_ecn__is_not_granted_any_more),
        cmocka_unit_test(syns_cross__both_with_ecn__agreed_unless_the_syn_ack_says_no),
        cmocka_unit_test(ect__new_data_only),
        cmocka_unit_test(tos_of_the_application__leaves_the_ecn_bits_alone),
        cmocka_unit_test(cwr__goes_with_the_next_new_data_once),
        cmocka_unit_test(ce__is_echoed_at_once_and_until_cwr),
        cmocka_unit_test(ce_on_the_segment_with_cwr__begins_anew),
        cmocka_unit_test(ce__where_it_says_nothing__is_ignored),
        cmocka_unit_test(ce_without_ecn__is_ignored),
        cmocka_unit_test(ce_out_of_order__is_echoed),
        cmocka_unit_test(rst__has_no_ecn),
        cmocka_unit_test(echo__counts_with_ecn_agreed_and_no_syn),
    };
    return cmocka_run_group_tests_name("ecn", tests, NULL, NULL);
}
