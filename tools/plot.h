/* plot.h - between the parts of `rill plot`. */
#ifndef RILL_PLOT_H
#define RILL_PLOT_H

#include "svg.h"
#include "trace_read.h"

#include "rill_engine.h"

#define PLOT_LEFT 84.0
#define PLOT_RIGHT 1184.0
#define PLOT_WIDTH 1200.0
#define PLOT_MARKS_MAX 20000u

struct plot {
    FILE *out;
    const struct trace *trace;
    const struct trace_conn *conn;
    struct axis x; /* seconds */
    double y;      /* where the next panel begins */
    bool way[2];   /* data into rill, out of it: is it drawn? */
    size_t thinned;
};

/* A line through points, left out where nothing can be seen: one point a half pixel at most. */
struct pen {
    FILE *out;
    double x, y, pending_x, pending_y;
    bool begun, pending;
};

double plot_x(const struct plot *plot, uint64_t t_us);
bool plot_within(const struct plot *plot, uint64_t t_us);

/* One panel with frame, heading and legend; the clip path keeps its lines inside. */
struct legend {
    const char *class, *shape; /* shape: a path around 0,0, 24 wide; it gets the class */
    const char *text;
};
void plot_panel(struct plot *plot, double height, const char *heading, const struct legend *legend);
void plot_panel_end(struct plot *plot, double height);

/* A staircase: keeps its height until the next point. */
void pen_begin(struct pen *pen, FILE *out, const char *class);
void pen_step(struct pen *pen, double x, double y);
void pen_end(struct pen *pen, double x);

void plot_sequence(struct plot *plot, bool out);
void plot_windows(struct plot *plot);
void plot_rtt(struct plot *plot);
void plot_events(struct plot *plot);

#endif
