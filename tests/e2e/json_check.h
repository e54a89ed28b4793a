/* json_check.h - whether a text is JSON, by RFC 8259 and strictly: a validator that knows nothing of rill. */
#ifndef JSON_CHECK_H
#define JSON_CHECK_H

#include <stdbool.h>

/* One object in ASCII with whole numbers only, and nothing behind it but the end of the line. */
bool is_json(const char *text);

#endif
