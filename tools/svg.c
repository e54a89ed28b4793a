/* svg.c - see svg.h. */
#include "svg.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

/* Each colour has a class for lines and, with an f behind, one for areas. */
static const struct {
    const char *name, *light, *dark;
} colours[] = {{"data", "#0b57d0", "#79c0ff"},  {"ack", "#116329", "#56d364"},
               {"edge", "#7d4e00", "#e3b341"},  {"rtx", "#cf222e", "#ff7b72"},
               {"lost", "#a02070", "#ff9bce"},  {"sack", "#6639ba", "#d2a8ff"},
               {"muted", "#57606a", "#9da7b3"}, {"fg", "#1f2328", "#e6edf3"}};

static void style(FILE *out, bool dark)
{
    fprintf(out, ".ground{fill:%s}.grid{stroke:%s}.frame{stroke:%s}.halo{stroke:%s}\n",
            dark ? "#0d1117" : "#ffffff", dark ? "#262c36" : "#e4e8ec", dark ? "#6e7681" : "#8c959f",
            dark ? "#0d1117" : "#ffffff");
    for (size_t i = 0; i < sizeof colours / sizeof colours[0]; i++) {
        const char *colour = dark ? colours[i].dark : colours[i].light;
        fprintf(out, ".%s{stroke:%s}.%sf{fill:%s}\n", colours[i].name, colour, colours[i].name, colour);
    }
}

void svg_begin(FILE *out, double width, double height, const char *title)
{
    fprintf(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" "
        "role=\"img\">\n<title>",
        width, height, width, height);
    svg_escape(out, title);
    fputs("</title>\n<style>\ntext{font:12px 'DejaVu Sans',Verdana,sans-serif}\n"
          ".mono{font-family:'DejaVu Sans Mono',Menlo,Consolas,monospace;white-space:pre}\n"
          ".big{font-size:17px;font-weight:bold}.bold{font-weight:bold}\n"
          "path,line{fill:none}.thick{stroke-width:2.5}.line{stroke-width:1.6}.thin{stroke-width:1}\n"
          ".dash{stroke-dasharray:6 4}.dot{stroke-dasharray:2 3}.dashdot{stroke-dasharray:9 3 2 3}\n"
          ".halo{stroke-width:4;stroke-linejoin:round;paint-order:stroke}.pale{opacity:.16}.half{opacity:.35}"
          "\n",
          out);
    style(out, false);
    fputs("@media (prefers-color-scheme:dark){\n", out);
    style(out, true);
    fprintf(out, "}\n</style>\n<rect class=\"ground\" width=\"%.0f\" height=\"%.0f\"/>\n", width, height);
}

void svg_end(FILE *out) { fputs("</svg>\n", out); }

void svg_escape(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '<')
            fputs("&lt;", out);
        else if (*text == '&')
            fputs("&amp;", out);
        else if (*text == '"')
            fputs("&quot;", out);
        else
            fputc(*text, out);
    }
}

static void escape_format(FILE *out, const char *format, va_list args)
{
    char text[512];
    if (vsnprintf(text, sizeof text, format, args) >= (int)sizeof text) {
        size_t end = sizeof text - 1; /* not in the middle of a character */
        while (end > 0 && ((unsigned char)text[end - 1] & 0x80) != 0)
            end--;
        text[end] = '\0';
    }
    svg_escape(out, text);
}

void svg_text(FILE *out, double x, double y, const char *class, const char *anchor, const char *format, ...)
{
    va_list args;
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\" text-anchor=\"%s\">", x, y, class, anchor);
    va_start(args, format);
    escape_format(out, format, args);
    va_end(args);
    fputs("</text>\n", out);
}

void svg_tooltip(FILE *out, const char *format, ...)
{
    va_list args;
    fputs("<title>", out);
    va_start(args, format);
    escape_format(out, format, args);
    va_end(args);
    fputs("</title>", out);
}

double svg_width(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return (double)n * 7.4;
}

double axis_at(const struct axis *axis, double value)
{
    double lo = axis->lo, hi = axis->hi;
    if (axis->log) {
        value = log10(value < lo ? lo : value);
        lo = log10(lo);
        hi = log10(hi);
    }
    double part = hi > lo ? (value - lo) / (hi - lo) : 0;
    part = part < -1 ? -1 : part > 2 ? 2 : part; /* what is far outside is clipped, but not at infinity */
    return axis->at_lo + part * (axis->at_hi - axis->at_lo);
}

const char *svg_amount(double value, enum unit unit, char text[32])
{
    static const char *const names[2][4] = {{"s", "ms", "µs", "ns"}, {"B", "kB", "MB", "GB"}};
    int step = 0;
    if (unit == UNIT_BYTES)
        for (; step < 3 && value >= 999.5; step++)
            value /= 1000;
    else if (value != 0)
        for (; step < 3 && fabs(value) < 0.9995; step++)
            value *= 1000;
    if (fabs(value - round(value)) < 0.005 * fabs(value) || fabs(value) >= 100)
        (void)snprintf(text, 32, "%.0f %s", value, names[unit][step]);
    else
        (void)snprintf(text, 32, "%.3g %s", value, names[unit][step]);
    return text;
}

/* The smallest of 1, 2, 5 times a power of ten that makes at most `most` steps. */
static double nice_step(double range, double most)
{
    double step = pow(10, floor(log10(range / most)));
    const double by[] = {1, 2, 5, 10};
    for (size_t i = 0; i < 4; i++)
        if (range / (step * by[i]) <= most)
            return step * by[i];
    return step * 10;
}

/* A tick of an axis whose step is known: all of one axis have the same unit and digits. */
static void tick_text(char text[32], double value, double step, enum unit unit, double hi)
{
    static const struct {
        double size;
        const char *name;
    } units[2][4] = {{{1, "s"}, {1e-3, "ms"}, {1e-6, "µs"}, {1e-9, "ns"}},
                     {{1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}, {1, "B"}}};
    int u = 0;
    while (u < 3 && (unit == UNIT_BYTES ? hi : hi * 4) < units[unit][u].size)
        u++;
    int digits = 0;
    for (double s = step / units[unit][u].size; digits < 6 && fabs(s - round(s)) > 1e-6; s *= 10)
        digits++;
    value = fabs(value) < step * 1e-6 ? 0 : value / units[unit][u].size; /* not "-0" */
    (void)snprintf(text, 32, "%.*f %s", digits, value, units[unit][u].name);
}

static void tick_y(FILE *out, double y, double from, double to, const char *text)
{
    fprintf(out, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", from, to, y, y);
    svg_text(out, from - 6, y + 4, "fgf", "end", "%s", text);
}

void svg_ticks_y(FILE *out, const struct axis *y, enum unit unit, double from, double to)
{
    char text[32];
    if (y->log) {
        bool few = y->hi / y->lo < 300; /* then 2 and 5 have their lines as well */
        for (int decade = (int)floor(log10(y->lo)); decade <= (int)floor(log10(y->hi)); decade++) {
            double v = pow(10, decade);
            for (int i = 1; i <= 5; i += i < 2 ? 1 : 3)
                if (v * i >= y->lo && v * i <= y->hi && (i == 1 || few))
                    tick_y(out, axis_at(y, v * i), from, to, svg_amount(v * i, unit, text));
        }
        return;
    }
    double step = nice_step(y->hi - y->lo, fabs(y->at_lo - y->at_hi) / 40);
    if (unit == UNIT_BYTES && step < 1)
        step = 1;
    for (double i = ceil(y->lo / step - 1e-9); i * step <= y->hi * 1.0001; i++) {
        tick_text(text, i * step, step, unit, y->hi);
        tick_y(out, axis_at(y, i * step), from, to, text);
    }
}

void svg_ticks_x(FILE *out, const struct axis *x, enum unit unit, double from, double to, bool numbers)
{
    char text[32];
    double step = nice_step(x->hi - x->lo, (x->at_hi - x->at_lo) / 80);
    for (double i = ceil(x->lo / step - 1e-9); i * step <= x->hi + step * 1e-6; i++) {
        double at = axis_at(x, i * step);
        fprintf(out, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", at, at, from,
                to);
        if (numbers) {
            tick_text(text, i * step, step, unit, x->hi);
            svg_text(out, at, to + 16, "fgf", "middle", "%s", text);
        }
    }
}
