/* rig.h - between script.c and rig.c. */
#ifndef RIG_H
#define RIG_H

#include "script.h"

void rig_trace(void *ctx, const struct rill_trace_event *event);
void rig_drain(struct rig *t); /* takes what leaves into the queue */
void rig_enter(struct rig *t); /* before a call of the application */

#endif
