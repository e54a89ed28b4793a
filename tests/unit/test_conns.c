/* test_conns.c - the tables and the heap of deadlines against models that search everything. */
#include "conns.h"

#include "heap.h"
#include "prng.h"
#include "test.h"

#include <errno.h>

#define ROOM (1u << 24)
#define KEY ((struct siphash_key){0x0123456789abcdef, 0xfedcba9876543210})

struct fixture {
    struct test_heap heap;
    struct mem mem;
    struct conns conns;
};

static void set_up(struct fixture *f, struct siphash_key key)
{
    *f = (struct fixture){0};
    f->mem = test_heap_mem(&f->heap, ROOM);
    assert_int_equal(conns_init(&f->conns, &f->mem, key), 0);
}

static void tear_down(struct fixture *f)
{
    conns_free(&f->conns, &f->mem);
    assert_int_equal(f->mem.used_bytes, 0);
    assert_int_equal(f->heap.live_blocks, 0);
}

static uint32_t longest_chain(const struct conn_table *table)
{
    uint32_t longest = 0;
    for (uint32_t i = 0; i < table->buckets; i++) {
        uint32_t len = 0;
        for (const struct conn_node *node = table->bucket[i]; node; node = node->next)
            len++;
        longest = max_u32(longest, len);
    }
    return longest;
}

/* ---- Tables ---- */

/* A few addresses and ports, so that tuples often differ in one part only. */
static struct conn_node random_tuple(struct prng *prng)
{
    return (struct conn_node){.raddr = 0x0a4d0001 + (uint32_t)prng_below(prng, 8),
                              .rport = (uint16_t)prng_between(prng, 1, 16),
                              .lport = (uint16_t)prng_between(prng, 1, 16)};
}

#define MODEL_MAX 1500

static void table__random_operations__agree_with_a_list(void **state)
{
    (void)state;
    static struct conn_node nodes[MODEL_MAX];
    struct fixture f;
    struct prng prng = prng_seed(1);
    uint32_t count = 0;
    set_up(&f, KEY);
    struct conn_table *table = &f.conns.halves;
    for (int round = 0; round < 20000; round++) {
        struct conn_node tuple = random_tuple(&prng);
        uint32_t at = 0;
        while (at < count && (nodes[at].raddr != tuple.raddr || nodes[at].rport != tuple.rport ||
                              nodes[at].lport != tuple.lport))
            at++;
        struct conn_node *found = table_find(&f.conns, table, tuple.raddr, tuple.rport, tuple.lport);
        assert_ptr_equal(found, at < count ? &nodes[at] : NULL);
        if (at == count && count < MODEL_MAX) {
            nodes[count++] = tuple;
            table_insert(&f.conns, &f.mem, table, &nodes[count - 1]);
        } else if (at < count && prng_chance(&prng, 60)) {
            table_remove(&f.conns, table, &nodes[at]);
            if (at != --count) { /* the last one moves into the gap */
                table_remove(&f.conns, table, &nodes[count]);
                nodes[at] = nodes[count];
                table_insert(&f.conns, &f.mem, table, &nodes[at]);
            }
        }
        assert_int_equal(table->count, count);
    }
    assert_true(count > 500); /* the buckets have doubled several times */
    assert_true(table->buckets >= count);
    assert_int_equal(table->buckets & (table->buckets - 1), 0);
    assert_int_equal(f.conns.tcbs.count + f.conns.waits.count, 0);
    while (count > 0)
        table_remove(&f.conns, table, &nodes[--count]);
    tear_down(&f);
}

static void table__no_memory_to_grow__still_finds_everything(void **state)
{
    (void)state;
    static struct conn_node nodes[500];
    struct fixture f;
    set_up(&f, KEY);
    uint32_t buckets = f.conns.waits.buckets;
    f.heap.fail_all = true;
    for (uint32_t i = 0; i < COUNT_OF(nodes); i++) {
        nodes[i] = (struct conn_node){.raddr = 0x0a4d0001, .rport = (uint16_t)(1 + i), .lport = 80};
        table_insert(&f.conns, &f.mem, &f.conns.waits, &nodes[i]);
    }
    assert_int_equal(f.conns.waits.buckets, buckets);
    for (uint32_t i = 0; i < COUNT_OF(nodes); i++)
        assert_ptr_equal(table_find(&f.conns, &f.conns.waits, 0x0a4d0001, (uint16_t)(1 + i), 80), &nodes[i]);
    f.heap.fail_all = false; /* and it grows as soon as it can */
    table_remove(&f.conns, &f.conns.waits, &nodes[0]);
    table_insert(&f.conns, &f.mem, &f.conns.waits, &nodes[0]);
    assert_true(f.conns.waits.buckets > buckets);
    for (uint32_t i = 0; i < COUNT_OF(nodes); i++)
        table_remove(&f.conns, &f.conns.waits, &nodes[i]);
    tear_down(&f);
}

/* Patterns in which a plain sum or exclusive-or of the parts puts everything into few buckets. */
static struct conn_node patterned(int pattern, uint32_t i)
{
    struct conn_node node = {.raddr = 0x0a4d0001, .rport = 1, .lport = 80};
    switch (pattern) {
    case 0:
        node.rport = (uint16_t)(i + 1);
        break;
    case 1:
        node.rport = (uint16_t)(i * 16 + 1); /* only the upper bits differ */
        break;
    case 2:
        node.raddr = i << 20;
        break;
    case 3: /* the sum of all parts stays the same */
        node.rport = (uint16_t)(i + 1);
        node.lport = (uint16_t)(5000 - i);
        break;
    default: /* and here their exclusive-or */
        node.rport = (uint16_t)(i + 1);
        node.raddr = 0x0a4d0000 ^ (i + 1);
        break;
    }
    return node;
}

static void table__tuples_in_a_pattern__make_no_long_chain(void **state)
{
    (void)state;
    static struct conn_node nodes[4096];
    for (int pattern = 0; pattern < 5; pattern++) {
        struct fixture f;
        set_up(&f, KEY);
        for (uint32_t i = 0; i < COUNT_OF(nodes); i++) {
            nodes[i] = patterned(pattern, i);
            table_insert(&f.conns, &f.mem, &f.conns.tcbs, &nodes[i]);
        }
        /* 4096 balls in 4096 bins: eleven in one bin happen once in 10^4 keys. */
        assert_true(longest_chain(&f.conns.tcbs) <= 10);
        for (uint32_t i = 0; i < COUNT_OF(nodes); i++)
            table_remove(&f.conns, &f.conns.tcbs, &nodes[i]);
        tear_down(&f);
    }
}

static void table__tuples_that_share_a_bucket__part_under_another_key(void **state)
{
    (void)state;
    static struct conn_node nodes[32];
    struct fixture f, g;
    set_up(&f, KEY);
    set_up(&g, (struct siphash_key){KEY.k0, KEY.k1 + 1});
    /* The attacker knows the first key, and looks for tuples that share a bucket. */
    uint32_t count = 0;
    for (uint32_t port = 1; count < COUNT_OF(nodes); port++) {
        assert_true(port <= UINT16_MAX);
        struct conn_node *node = &nodes[count];
        *node = (struct conn_node){.raddr = 0x0a4d0001, .rport = (uint16_t)port, .lport = 80};
        table_insert(&f.conns, &f.mem, &f.conns.tcbs, node);
        if (longest_chain(&f.conns.tcbs) == count + 1)
            count++;
        else
            table_remove(&f.conns, &f.conns.tcbs, node);
    }
    assert_int_equal(longest_chain(&f.conns.tcbs), COUNT_OF(nodes));
    for (uint32_t i = 0; i < COUNT_OF(nodes); i++)
        table_remove(&f.conns, &f.conns.tcbs, &nodes[i]);
    for (uint32_t i = 0; i < COUNT_OF(nodes); i++)
        table_insert(&g.conns, &g.mem, &g.conns.tcbs, &nodes[i]);
    assert_true(longest_chain(&g.conns.tcbs) <= 5);
    for (uint32_t i = 0; i < COUNT_OF(nodes); i++)
        table_remove(&g.conns, &g.conns.tcbs, &nodes[i]);
    tear_down(&f);
    tear_down(&g);
}

/* ---- The heap ---- */

#define TCBS 60

static void new_tcb(struct tcb *c)
{
    *c = (struct tcb){.heap_index = HEAP_NONE};
    list_init(&c->dirty);
    for (int i = 0; i < TIMER_COUNT; i++)
        c->timer[i] = RILL_NEVER;
}

/* The TCB with the earliest deadline of those that count, by looking at all of them. */
static const struct tcb *earliest(const struct tcb *tcbs, const bool *scheduled)
{
    const struct tcb *found = NULL;
    for (int i = 0; i < TCBS; i++) {
        if (scheduled[i] && tcb_deadline(&tcbs[i]) != RILL_NEVER &&
            (!found || tcb_deadline(&tcbs[i]) < tcb_deadline(found)))
            found = &tcbs[i];
    }
    return found;
}

static void heap_is_sound(const struct conns *conns)
{
    for (uint32_t i = 0; i < conns->heap_count; i++) {
        assert_int_equal(conns->heap[i].c->heap_index, i);
        assert_true(conns->heap[i].at_us <= tcb_deadline(conns->heap[i].c));
        if (i > 0)
            assert_true(conns->heap[(i - 1) / 2].at_us <= conns->heap[i].at_us);
    }
}

/* Takes everything off that is due, and looks whether the model says the same. */
static void pop_all(struct conns *conns, struct tcb *tcbs, bool *scheduled, rill_time now_us)
{
    for (;;) {
        const struct tcb *model = earliest(tcbs, scheduled);
        struct tcb *c = conns_pop_due(conns, now_us);
        if (!model || tcb_deadline(model) > now_us) {
            assert_null(c);
            break;
        }
        assert_non_null(c);
        assert_true(scheduled[c - tcbs]);
        assert_int_equal(tcb_deadline(c), tcb_deadline(model)); /* one of several with the same */
        assert_int_equal(c->heap_index, HEAP_NONE);
        scheduled[c - tcbs] = false;
    }
    assert_true(conns_deadline(conns) > now_us);
}

static void heap__random_operations__agree_with_a_search_of_all(void **state)
{
    (void)state;
    static struct tcb tcbs[TCBS];
    bool scheduled[TCBS] = {false};
    struct fixture f;
    struct prng prng = prng_seed(2);
    rill_time now_us = 0;
    uint32_t fired = 0;
    set_up(&f, KEY);
    for (int i = 0; i < TCBS; i++) {
        new_tcb(&tcbs[i]);
        tcbs[i].node = (struct conn_node){.raddr = 0x0a4d0001, .rport = (uint16_t)(i + 1), .lport = 80};
        assert_int_equal(conns_reserve(&f.conns, &f.mem), 0);
        table_insert(&f.conns, &f.mem, &f.conns.tcbs, &tcbs[i].node);
    }
    for (int round = 0; round < 20000; round++) {
        uint32_t i = (uint32_t)prng_below(&prng, TCBS);
        uint64_t what = prng_below(&prng, 100);
        if (what < 60) { /* later, earlier, the same */
            tcbs[i].timer[prng_below(&prng, TIMER_COUNT)] = now_us + prng_below(&prng, 200);
            conns_schedule(&f.conns, &tcbs[i]);
            scheduled[i] = true;
        } else if (what < 80) { /* stopping a timer does not tell the heap */
            for (int t = 0; t < TIMER_COUNT; t++) {
                if (prng_chance(&prng, 70))
                    tcbs[i].timer[t] = RILL_NEVER;
            }
        } else if (what < 85) {
            conns_unschedule(&f.conns, &tcbs[i]);
            scheduled[i] = false;
        } else {
            now_us += prng_below(&prng, 20);
            uint32_t before = f.conns.heap_count;
            pop_all(&f.conns, tcbs, scheduled, now_us);
            fired += before - f.conns.heap_count;
        }
        heap_is_sound(&f.conns);
        const struct tcb *model = earliest(tcbs, scheduled);
        assert_true(conns_deadline(&f.conns) <= (model ? tcb_deadline(model) : RILL_NEVER));
    }
    assert_true(fired > 1000);
    for (int i = 0; i < TCBS; i++) {
        conns_unschedule(&f.conns, &tcbs[i]);
        assert_int_equal(tcbs[i].heap_index, HEAP_NONE);
        table_remove(&f.conns, &f.conns.tcbs, &tcbs[i].node);
    }
    assert_int_equal(conns_deadline(&f.conns), RILL_NEVER);
    tear_down(&f);
}

static void heap__timer_set_to_later__is_not_moved(void **state)
{
    (void)state;
    struct fixture f;
    struct tcb c;
    new_tcb(&c);
    set_up(&f, KEY);
    assert_int_equal(conns_reserve(&f.conns, &f.mem), 0);
    c.timer[TIMER_XMIT] = 100;
    conns_schedule(&f.conns, &c);
    c.timer[TIMER_XMIT] = 300;
    conns_schedule(&f.conns, &c);
    assert_int_equal(conns_deadline(&f.conns), 100); /* early, and put back when its time comes */
    assert_null(conns_pop_due(&f.conns, 100));
    assert_int_equal(conns_deadline(&f.conns), 300);
    c.timer[TIMER_KEEP] = 200; /* an earlier one moves it at once */
    conns_schedule(&f.conns, &c);
    assert_int_equal(conns_deadline(&f.conns), 200);
    assert_null(conns_pop_due(&f.conns, 199));
    assert_ptr_equal(conns_pop_due(&f.conns, 200), &c);
    tear_down(&f);
}

static void heap__tcb_without_a_timer__does_not_enter(void **state)
{
    (void)state;
    struct fixture f;
    struct tcb c;
    new_tcb(&c);
    set_up(&f, KEY);
    conns_schedule(&f.conns, &c); /* without any room */
    assert_int_equal(c.heap_index, HEAP_NONE);
    conns_unschedule(&f.conns, &c);
    assert_int_equal(conns_deadline(&f.conns), RILL_NEVER);
    assert_null(conns_pop_due(&f.conns, RILL_NEVER - 1));
    tear_down(&f);
}

static void heap__no_memory__is_said_and_nothing_changes(void **state)
{
    (void)state;
    static struct tcb tcbs[TCBS];
    struct fixture f;
    set_up(&f, KEY);
    uint32_t count = 0;
    f.heap.fail_all = true;
    assert_int_equal(conns_reserve(&f.conns, &f.mem), -ENOMEM);
    f.heap.fail_all = false;
    assert_int_equal(conns_reserve(&f.conns, &f.mem), 0);
    f.heap.fail_all = true;
    while (conns_reserve(&f.conns, &f.mem) == 0) {
        assert_true(count < TCBS);
        new_tcb(&tcbs[count]);
        tcbs[count].timer[0] = 1000 - count;
        conns_schedule(&f.conns, &tcbs[count++]);
    }
    assert_int_equal(f.conns.heap_count, count);
    f.heap.fail_all = false;
    assert_int_equal(conns_reserve(&f.conns, &f.mem), 0);
    while (count > 0) /* the larger heap holds what the smaller one held */
        assert_ptr_equal(conns_pop_due(&f.conns, 1000), &tcbs[--count]);
    tear_down(&f);
}

/* ---- The rest ---- */

static void init__any_allocation_fails__says_so_and_leaks_nothing(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 3; nth++) {
        struct test_heap heap = {.fail_nth = nth};
        struct mem mem = test_heap_mem(&heap, ROOM);
        struct conns conns;
        assert_int_equal(conns_init(&conns, &mem, KEY), -ENOMEM);
        assert_int_equal(heap.live_blocks, 0);
        assert_int_equal(mem.used_bytes, 0);
    }
}

static void deadline__records__count_too(void **state)
{
    (void)state;
    struct fixture f;
    struct tcb c;
    struct half_open half[2] = {{.deadline_us = 50}, {.deadline_us = 40}};
    struct time_wait tw[2] = {{.deadline_us = 30}, {.deadline_us = 35}};
    new_tcb(&c);
    set_up(&f, KEY);
    assert_int_equal(conns_reserve(&f.conns, &f.mem), 0);
    c.timer[TIMER_LINGER] = 60;
    conns_schedule(&f.conns, &c);
    assert_int_equal(conns_deadline(&f.conns), 60);
    for (int i = 0; i < 2; i++) {
        list_init(&half[i].link);
        list_init(&tw[i].link);
    }
    list_append(&f.conns.half_queue[0], &half[0].link);
    assert_int_equal(conns_deadline(&f.conns), 50);
    list_append(&f.conns.half_queue[SYNACK_RESENDS], &half[1].link);
    assert_int_equal(conns_deadline(&f.conns), 40);
    list_append(&f.conns.wait_queue, &tw[0].link);
    list_append(&f.conns.wait_queue, &tw[1].link);
    assert_int_equal(conns_deadline(&f.conns), 30);
    list_remove(&tw[0].link);
    assert_int_equal(conns_deadline(&f.conns), 35);
    conns_unschedule(&f.conns, &c);
    tear_down(&f);
}

static void port__bound_but_not_listening__is_no_listener(void **state)
{
    (void)state;
    struct fixture f;
    struct port ports[3] = {{.number = 80}, {.number = 80, .backlog = 5}, {.number = 81, .backlog = 1}};
    set_up(&f, KEY);
    assert_null(port_bound(&f.conns, 80));
    for (int i = 0; i < 3; i++) {
        list_init(&ports[i].link);
        list_append(&f.conns.ports, &ports[i].link);
    }
    assert_ptr_equal(port_bound(&f.conns, 80), &ports[0]);
    assert_ptr_equal(port_listening(&f.conns, 80), &ports[1]);
    assert_ptr_equal(port_listening(&f.conns, 81), &ports[2]);
    assert_null(port_bound(&f.conns, 82));
    ports[1].backlog = 0;
    assert_null(port_listening(&f.conns, 80));
    tear_down(&f);
}

static void touch__twice__is_on_the_list_once(void **state)
{
    (void)state;
    struct fixture f;
    struct tcb c;
    new_tcb(&c);
    set_up(&f, KEY);
    conns_touch(&f.conns, &c);
    conns_touch(&f.conns, &c);
    assert_ptr_equal(f.conns.dirty.next, &c.dirty);
    list_remove(&c.dirty);
    assert_true(list_empty(&f.conns.dirty));
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table__random_operations__agree_with_a_list),
        cmocka_unit_test(table__no_memory_to_grow__still_finds_everything),
        cmocka_unit_test(table__tuples_in_a_pattern__make_no_long_chain),
        cmocka_unit_test(table__tuples_that_share_a_bucket__part_under_another_key),
        cmocka_unit_test(heap__random_operations__agree_with_a_search_of_all),
        cmocka_unit_test(heap__timer_set_to_later__is_not_moved),
        cmocka_unit_test(heap__tcb_without_a_timer__does_not_enter),
        cmocka_unit_test(heap__no_memory__is_said_and_nothing_changes),
        cmocka_unit_test(init__any_allocation_fails__says_so_and_leaks_nothing),
        cmocka_unit_test(deadline__records__count_too),
        cmocka_unit_test(port__bound_but_not_listening__is_no_listener),
        cmocka_unit_test(touch__twice__is_on_the_list_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
