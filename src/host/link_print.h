/* link_print.h - writes the settings of an emulated link as text.  Rank 16.1. */
#ifndef RILL_LINK_PRINT_H
#define RILL_LINK_PRINT_H

#include "link_parse.h"

#define LINK_TEXT_MAX 3072u

/* Writes a text that link_parse reads back as the same settings; `none` for none.  Its length, without the
 * NUL at its end. */
uint32_t link_print(const struct link_config *config, char out[LINK_TEXT_MAX]);

#endif
