/* stack.h - what sits on top of the four calls of rill_engine.h, for the socket layer and the tests. Rank 14.
 */
#ifndef RILL_STACK_H
#define RILL_STACK_H

#include "engine.h"

/* Sets the engine's clock for a call that is not one of the four: rill_input, rill_output and rill_advance do
 * it themselves. */
void engine_now(struct rill_engine *e, rill_time now_us);

/* Runs tcp_check over every connection and the checks of the tables: NULL, or what is broken. */
const char *engine_check(const struct rill_engine *e);

#endif
