/* svg.h - the little that a plot and a ladder need to be a picture: text, axes with round numbers, one style.
 *
 * The style is legible in light and in dark (prefers-color-scheme, plain colours for readers that know no
 * media queries); every colour has a contrast of 4.5 or more to its ground, and no mark is told by hue alone.
 */
#ifndef RILL_SVG_H
#define RILL_SVG_H

#include <stdbool.h>
#include <stdio.h>

/* A value and where it is drawn; lo at `at_lo` pixels.  log: a logarithmic axis, lo > 0. */
struct axis {
    double lo, hi, at_lo, at_hi;
    bool log;
};

double axis_at(const struct axis *axis, double value);

enum unit { UNIT_SECONDS, UNIT_BYTES };

/* The head with the style and the ground, and the end. */
void svg_begin(FILE *out, double width, double height, const char *title);
void svg_end(FILE *out);

/* Text with its XML escapes. */
void svg_escape(FILE *out, const char *text);
/* anchor: "start", "middle", "end". */
void svg_text(FILE *out, double x, double y, const char *class, const char *anchor, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
void svg_tooltip(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* About how many pixels a text of the style's size has. */
double svg_width(const char *text);

/* Lines across [from, to] and numbers for a vertical axis, or a horizontal one. */
void svg_ticks_y(FILE *out, const struct axis *y, enum unit unit, double from, double to);
void svg_ticks_x(FILE *out, const struct axis *x, enum unit unit, double from, double to, bool numbers);

/* 123456 bytes as "123 kB", seconds as "20 ms". */
const char *svg_amount(double value, enum unit unit, char text[32]);

#endif
