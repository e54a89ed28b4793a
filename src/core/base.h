/* base.h - what every file of the core may use: types, assertions, an intrusive list.  Rank 0.
 *
 * A malformed packet is never an assertion, it is a counted drop.  An assertion says what the programmer
 * promised, and stays on in release builds; -DRILL_NO_ASSERT takes it out. */
#ifndef RILL_BASE_H
#define RILL_BASE_H

#include "rill_engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef RILL_NO_ASSERT
#define ASSERT(claim) ((void)sizeof(claim))
#else
#define ASSERT(claim) (__builtin_expect(!(claim), 0) ? __builtin_trap() : (void)0)
#endif

#define MS 1000ull     /* microseconds in a millisecond */
#define SEC 1000000ull /* and in a second */

#define CONTAINER_OF(member_ptr, type, member) ((type *)(void *)((char *)(member_ptr)-offsetof(type, member)))

static inline uint32_t min_u32(uint32_t a, uint32_t b) { return a < b ? a : b; }
static inline uint32_t max_u32(uint32_t a, uint32_t b) { return a > b ? a : b; }
static inline uint64_t min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }
static inline uint64_t max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* A circular doubly linked list.  The head is a node like the others; an element that is on no list points at
 * itself, so that list_remove is always allowed. */
struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *node) { node->next = node->prev = node; }
static inline bool list_empty(const struct list *head) { return head->next == head; }
static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}
static inline void list_append(struct list *head, struct list *node)
{
    ASSERT(list_empty(node));
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

#endif
