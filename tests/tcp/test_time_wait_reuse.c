/* test_time_wait_reuse.c - a new SYN for a connection in TIME-WAIT, with and without timestamps.  RFC 6191 2;
 * RFC 9293 3.6.1, 3.10.7.4. */
#include "script.h"

#define TS(val, ecr) "<nop,nop,TS val " #val " ecr " #ecr ">"

static void with_ts(struct rill_config *config, struct tcp_opts *opts)
{
    (void)opts;
    config->features |= 1u << RILL_FEATURE_TIMESTAMPS;
}

/* The table of RFC 6191 2.  The old connection's FIN was number 1, its last timestamp 1000. */
static const struct {
    int seq;     /* of the SYN */
    bool old_ts; /* the previous incarnation used timestamps */
    bool honoured;
    const char *opt; /* the SYN's options */
} table[] = {
    /* Both with timestamps: a later one decides, whatever the number. */
    {2, true, true, "<mss 1460,nop,nop,TS val 1001 ecr 0>"},
    {1, true, true, "<mss 1460,nop,nop,TS val 1001 ecr 0>"},
    {-100000, true, true, "<mss 1460,nop,nop,TS val 1001 ecr 0>"},
    /* The same one: the number decides. */
    {2, true, true, "<mss 1460,nop,nop,TS val 1000 ecr 0>"},
    {1, true, false, "<mss 1460,nop,nop,TS val 1000 ecr 0>"},
    {-5, true, false, "<mss 1460,nop,nop,TS val 1000 ecr 0>"},
    /* An earlier one: no number helps. */
    {2, true, false, "<mss 1460,nop,nop,TS val 999 ecr 0>"},
    {100000, true, false, "<mss 1460,nop,nop,TS val 999 ecr 0>"},
    /* 2^31 on: not later. */
    {1, true, false, "<mss 1460,nop,nop,TS val 2147484648 ecr 0>"},
    {1, true, true, "<mss 1460,nop,nop,TS val 2147484647 ecr 0>"},
    /* The new one without: the number. */
    {2, true, true, "<mss 1460>"},
    {1, true, false, "<mss 1460>"},
    /* The old one without, the new one with: always. */
    {2, false, true, "<mss 1460,nop,nop,TS val 7 ecr 0>"},
    {1, false, true, "<mss 1460,nop,nop,TS val 7 ecr 0>"},
    {-100000, false, true, "<mss 1460,nop,nop,TS val 7 ecr 0>"},
    /* Neither: the number. */
    {2, false, true, "<mss 1460>"},
    {1, false, false, "<mss 1460>"},
    {-100000, false, false, "<mss 1460>"},
};

static void try_row(size_t i, bool record)
{
    struct rig_setup setup = {.edit = with_ts};
    struct rig *t;
    if (table[i].old_ts) {
        setup.peer_opts = "<mss 1460,nop,nop,TS val 1000 ecr 0>";
        setup.seg_opts = TS(1000, 0);
    }
    t = record ? rig_time_wait_record(&setup) : rig_time_wait(&setup);
    in(t, "S %d:%d(0) %s", table[i].seq, table[i].seq, table[i].opt);
    if (table[i].honoured) {
        out(t, "S. *:*(0) ack %d <*>", table[i].seq + 1);
        expect_counted(t, RILL_TIME_WAIT_REUSED, 1);
        expect_state(t, RILL_SYN_RECEIVED);
    } else { /* not RFC 6191's silence: RFC 9293 3.10.7.4, RFC 5961 4 */
        out(t, ". 2:2(0) ack 2 %s", table[i].old_ts ? TS(0, 1000) : "");
        expect_counted(t, RILL_TIME_WAIT_REUSED, 0);
        expect_counted(t, RILL_CHALLENGE_ACK, 1);
        expect_state(t, RILL_TIME_WAIT);
    }
    out_none(t);
    rig_end(t);
}

static void syn__on_a_tcb__by_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++)
        try_row(i, false);
}

static void syn__on_a_record__by_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++)
        try_row(i, true);
}

/* "Would be enabled" means by both: with the feature off the option of the SYN says nothing. */
static void syn__with_timestamps_that_we_do_not_know__by_its_number(void **state)
{
    struct rig *t = rig_time_wait_record(NULL);
    (void)state;
    in(t, "S 1:1(0) <mss 1460,nop,nop,TS val 7 ecr 0>");
    out(t, ". 2:2(0) ack 2");
    in(t, "S 2:2(0) <mss 1460,nop,nop,TS val 7 ecr 0>");
    out(t, "S. *:*(0) ack 3 <mss 1460>");
    rig_end(t);
}

/* RFC 9293 MAY-2 (1): our numbers go on above the old ones; RFC 7323 5.4: and our clock. */
static void new_incarnation__numbers_and_clock_go_on(void **state)
{
    struct rig_setup setup = {
        .edit = with_ts, .peer_opts = "<mss 1460,nop,nop,TS val 1000 ecr 0>", .seg_opts = TS(1000, 0)};
    struct rig *t = rig_time_wait_record(&setup);
    uint32_t iss = t->peer[0].iss;
    (void)state;
    advance(t, 5 * SEC);
    in(t, "S -50000:-50000(0) <mss 1460,nop,nop,TS val 6000 ecr 0>");
    out(t, "S. *:*(0) ack -49999 <mss 1460,nop,nop,TS val 5000 ecr 6000>");
    assert_true((int32_t)(t->peer[0].iss - (iss + 2)) > 0);
    in(t, ". -49999:-49999(0) ack 1 " TS(6000, 5000));
    expect_state(t, RILL_ESTABLISHED);
    rig_end(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syn__on_a_tcb__by_the_table),
        cmocka_unit_test(syn__on_a_record__by_the_table),
        cmocka_unit_test(syn__with_timestamps_that_we_do_not_know__by_its_number),
        cmocka_unit_test(new_incarnation__numbers_and_clock_go_on),
    };
    return cmocka_run_group_tests_name("time_wait_reuse", tests, NULL, NULL);
}
