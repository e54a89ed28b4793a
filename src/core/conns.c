/* conns.c - see conns.h.  Hash tables of connections, the heap of deadlines, the ports.
 *
 * Owns: the number of buckets is a power of two and doubles when there are more entries than buckets; each
 * TCB knows its index in the heap; a parent in the heap is due no later than its children.  The hash is keyed
 * with a secret, so that nobody can choose tuples that share a bucket.  It knows no state of a connection and
 * changes none. */
#include "conns.h"

#include <errno.h>

#define BUCKETS_FIRST 64u
#define HEAP_FIRST 16u

/* ---- Tables ------------------------------------------------------------------------------------------ */

static struct conn_node **bucket_of(const struct conns *conns, const struct conn_table *table, uint32_t raddr,
                                    uint16_t rport, uint16_t lport)
{
    uint8_t tuple[8];
    wire_put32(tuple, raddr);
    wire_put16(tuple + 4, rport);
    wire_put16(tuple + 6, lport);
    return &table->bucket[siphash(&conns->key, tuple, sizeof tuple) & (table->buckets - 1)];
}

static bool table_init(struct conn_table *table, struct mem *mem)
{
    table->bucket = mem_alloc(mem, BUCKETS_FIRST * sizeof(struct conn_node *));
    table->buckets = table->bucket != NULL ? BUCKETS_FIRST : 0;
    table->count = 0;
    return table->bucket != NULL;
}

static void table_free(struct conn_table *table, struct mem *mem)
{
    ASSERT(table->count == 0);
    mem_free(mem, table->bucket, table->buckets * sizeof(struct conn_node *));
    *table = (struct conn_table){0};
}

/* Twice the buckets, if the memory is there. */
static void table_grow(const struct conns *conns, struct mem *mem, struct conn_table *table)
{
    struct conn_table wide = {.buckets = 2 * table->buckets, .count = table->count};
    ASSERT(wide.buckets > table->buckets);
    wide.bucket = mem_alloc(mem, wide.buckets * sizeof(struct conn_node *));
    if (wide.bucket == NULL)
        return;
    for (uint32_t i = 0; i < table->buckets; i++) {
        struct conn_node *node = table->bucket[i];
        while (node != NULL) {
            struct conn_node *next = node->next;
            struct conn_node **to = bucket_of(conns, &wide, node->raddr, node->rport, node->lport);
            node->next = *to;
            *to = node;
            node = next;
        }
    }
    mem_free(mem, table->bucket, table->buckets * sizeof(struct conn_node *));
    *table = wide;
}

struct conn_node *table_find(const struct conns *conns, const struct conn_table *table, uint32_t raddr,
                             uint16_t rport, uint16_t lport)
{
    struct conn_node *node = *bucket_of(conns, table, raddr, rport, lport);
    while (node != NULL && (node->raddr != raddr || node->rport != rport || node->lport != lport))
        node = node->next;
    return node;
}

void table_insert(struct conns *conns, struct mem *mem, struct conn_table *table, struct conn_node *node)
{
    ASSERT(table_find(conns, table, node->raddr, node->rport, node->lport) == NULL);
    if (table->count >= table->buckets)
        table_grow(conns, mem, table);
    struct conn_node **bucket = bucket_of(conns, table, node->raddr, node->rport, node->lport);
    node->next = *bucket;
    *bucket = node;
    table->count++;
}

void table_remove(struct conns *conns, struct conn_table *table, struct conn_node *node)
{
    struct conn_node **at = bucket_of(conns, table, node->raddr, node->rport, node->lport);
    while (*at != node) {
        ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    ASSERT(table->count > 0);
    table->count--;
}

bool table_uses_port(const struct conn_table *table, uint16_t lport)
{
    for (uint32_t i = 0; i < table->buckets; i++)
        for (const struct conn_node *node = table->bucket[i]; node != NULL; node = node->next)
            if (node->lport == lport)
                return true;
    return false;
}

/* ---- Setting up -------------------------------------------------------------------------------------- */

int conns_init(struct conns *conns, struct mem *mem, struct siphash_key key)
{
    *conns = (struct conns){.key = key};
    list_init(&conns->dirty);
    list_init(&conns->ports);
    list_init(&conns->half_dirty);
    list_init(&conns->wait_queue);
    for (int i = 0; i <= SYNACK_RESENDS; i++)
        list_init(&conns->half_queue[i]);
    if (table_init(&conns->tcbs, mem) && table_init(&conns->halves, mem) && table_init(&conns->waits, mem))
        return 0;
    conns_free(conns, mem);
    return -ENOMEM;
}

void conns_free(struct conns *conns, struct mem *mem)
{
    ASSERT(conns->heap_count == 0);
    table_free(&conns->tcbs, mem);
    table_free(&conns->halves, mem);
    table_free(&conns->waits, mem);
    mem_free(mem, conns->heap, conns->heap_cap * sizeof *conns->heap);
    conns->heap = NULL;
    conns->heap_cap = 0;
}

/* ---- The heap of deadlines --------------------------------------------------------------------------- */

rill_time tcb_deadline(const struct tcb *c)
{
    rill_time at_us = RILL_NEVER;
    for (int i = 0; i < TIMER_COUNT; i++)
        at_us = min_u64(at_us, c->timer[i]);
    return at_us;
}

/* A TCB that leaves the table leaves the heap as well, so that the heap never holds more than the table. */
int conns_reserve(struct conns *conns, struct mem *mem)
{
    uint32_t need = max_u32(conns->tcbs.count, conns->heap_count) + 1;
    if (need <= conns->heap_cap)
        return 0;
    uint32_t cap = max_u32(HEAP_FIRST, 2 * conns->heap_cap);
    ASSERT(cap >= need);
    struct heap_entry *heap = mem_alloc_raw(mem, cap * sizeof *heap);
    if (heap == NULL)
        return -ENOMEM;
    if (conns->heap_count > 0)
        memcpy(heap, conns->heap, conns->heap_count * sizeof *heap);
    mem_free(mem, conns->heap, conns->heap_cap * sizeof *heap);
    conns->heap = heap;
    conns->heap_cap = cap;
    return 0;
}

static void heap_put(struct conns *conns, uint32_t i, struct heap_entry entry)
{
    conns->heap[i] = entry;
    entry.c->heap_index = i;
}

/* Finds the place for an entry that may belong at i or nearer to the top, and puts it there. */
static void heap_up(struct conns *conns, uint32_t i, struct heap_entry entry)
{
    while (i > 0 && conns->heap[(i - 1) / 2].at_us > entry.at_us) {
        heap_put(conns, i, conns->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_put(conns, i, entry);
}

/* The same for one that may belong at i or farther down. */
static void heap_down(struct conns *conns, uint32_t i, struct heap_entry entry)
{
    while (2 * i + 1 < conns->heap_count) {
        uint32_t child = 2 * i + 1;
        if (child + 1 < conns->heap_count && conns->heap[child + 1].at_us < conns->heap[child].at_us)
            child++;
        if (conns->heap[child].at_us >= entry.at_us)
            break;
        heap_put(conns, i, conns->heap[child]);
        i = child;
    }
    heap_put(conns, i, entry);
}

void conns_schedule(struct conns *conns, struct tcb *c)
{
    struct heap_entry entry = {tcb_deadline(c), c};
    if (c->heap_index == HEAP_NONE) {
        if (entry.at_us == RILL_NEVER)
            return;
        ASSERT(conns->heap_count < conns->heap_cap); /* conns_reserve */
        conns->heap_count++;
        heap_up(conns, conns->heap_count - 1, entry);
    } else if (entry.at_us < conns->heap[c->heap_index].at_us) {
        heap_up(conns, c->heap_index, entry);
    }
}

void conns_unschedule(struct conns *conns, struct tcb *c)
{
    uint32_t i = c->heap_index;
    if (i == HEAP_NONE)
        return;
    ASSERT(i < conns->heap_count && conns->heap[i].c == c);
    c->heap_index = HEAP_NONE;
    conns->heap_count--;
    if (i == conns->heap_count)
        return;
    struct heap_entry last = conns->heap[conns->heap_count];
    if (i > 0 && last.at_us < conns->heap[(i - 1) / 2].at_us)
        heap_up(conns, i, last);
    else
        heap_down(conns, i, last);
}

struct tcb *conns_pop_due(struct conns *conns, rill_time now_us)
{
    while (conns->heap_count > 0 && conns->heap[0].at_us <= now_us) {
        struct tcb *c = conns->heap[0].c;
        rill_time at_us = tcb_deadline(c);
        if (at_us > conns->heap[0].at_us && at_us != RILL_NEVER) {
            heap_down(conns, 0, (struct heap_entry){at_us, c}); /* it was set to later meanwhile */
            continue;
        }
        conns_unschedule(conns, c);
        if (at_us != RILL_NEVER)
            return c;
    }
    return NULL;
}

rill_time conns_deadline(const struct conns *conns)
{
    rill_time at_us = conns->heap_count > 0 ? conns->heap[0].at_us : RILL_NEVER;
    for (int i = 0; i <= SYNACK_RESENDS; i++) { /* each queue is in order of time */
        const struct list *queue = &conns->half_queue[i];
        if (!list_empty(queue))
            at_us = min_u64(at_us, CONTAINER_OF(queue->next, struct half_open, link)->deadline_us);
    }
    if (!list_empty(&conns->wait_queue))
        at_us = min_u64(at_us, CONTAINER_OF(conns->wait_queue.next, struct time_wait, link)->deadline_us);
    return at_us;
}

/* ---- Ports ------------------------------------------------------------------------------------------- */

static struct port *port_find(const struct conns *conns, uint16_t number, bool must_listen)
{
    for (struct list *at = conns->ports.next; at != &conns->ports; at = at->next) {
        struct port *port = CONTAINER_OF(at, struct port, link);
        if (port->number == number && (!must_listen || port->backlog != 0))
            return port;
    }
    return NULL;
}

struct port *port_listening(const struct conns *conns, uint16_t number)
{
    return port_find(conns, number, true);
}

struct port *port_bound(const struct conns *conns, uint16_t number)
{
    return port_find(conns, number, false);
}
