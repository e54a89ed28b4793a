/* link_parse.h - the settings of an emulated link as text, in netem's words.  Rank 16.
 *
 *   loss [random] P [C]   loss gemodel P [R [1-H [1-K]]]   duplicate P [C]   corrupt P [C]
 *   delay T [JITTER [C]] [distribution uniform|normal]     reorder P [C] [gap N]
 *   rate R   limit N   seed N   blackout T..T
 *   drop LIST   drop every N   drop syn [LIST]   drop data [LIST]
 *   port LIST   except port LIST
 *
 * P and C are percentages (the % may be left out, as in tc), T times in us, ms or s, R is in bit, kbit, mbit
 * or gbit, a LIST is as 5,9-12.  Each clause at most once, in any order, but the four kinds of drop once
 * each.  An empty text or `none` is nothing.  Capital letters count as small ones. */
#ifndef RILL_LINK_PARSE_H
#define RILL_LINK_PARSE_H

#include "link.h"

/* Reads the settings.  NULL, or what was expected at the column (counted from 1); *config is then untouched.
 * All of the settings are replaced but exempt_port, which is no part of the text. */
const char *link_parse(const char *text, struct link_config *config, uint32_t *column);

/* Units by name, from small to large, up to a NULL. */
struct link_unit {
    const char *name;
    uint64_t factor;
};
extern const struct link_unit link_percent[], link_times[], link_rates[];

#endif
