/* lesson.h - `rill lab --lesson`: guided experiments, and `--compare`: one transfer under two settings.
 *
 * A lesson is a row of the table in lessons.c: words, link settings, a driver that plays both sides (rill's
 * by rill.h, the peer's by the kernel's sockets), and claims.  The runner (lesson_run.c) writes capture,
 * trace and picture, and holds the trace against the claims: what is told has happened, or the lesson fails.
 */
#ifndef RILL_LESSON_H
#define RILL_LESSON_H

#include "cli.h"
#include "trace_read.h"

enum { LESSON_PORT = 7777, LESSON_CLAIMS = 12, LESSON_FACT_BYTES = 240 };

/* What has to be in the trace, in this order.  A pattern of fnmatch(3) for a line such as
 *   > P. 8000:8020(20) ack 1 win 65535 sack 4381:5841 lost=no why=RTO n=2 held=NAGLE again
 *   state ESTABLISHED FIN-WAIT-1          timer XMIT          event DROP_SYN_QUEUE
 * ('>' leaves rill).  "=2 PATTERN": exactly two such lines in the whole trace, wherever they are. */
struct claim {
    const char *pattern, *words;
};

enum lesson_picture { PICTURE_LADDER, PICTURE_OUT, PICTURE_IN };

struct stage;
struct lesson {
    const char *name, *line; /* a line for the list */
    const char *rfc, *done, *look, *question, *answer;
    const char *in, *out; /* link settings at the start */
    enum lesson_picture picture;
    unsigned ladder, why; /* so many lines of each on the terminal */
    uint32_t features;    /* bits 1 << enum rill_feature; window scaling is always on, all others are off */
    bool ladder_of_first; /* of connection 1, too, not only of the one that carried the most */
    bool cubic;           /* else Reno, which is simpler to follow */
    unsigned rcvbuf_bytes, peer_rcvbuf_bytes, msl_ms; /* 0: the default */
    void (*drive)(struct stage *stage);
    struct claim claims[LESSON_CLAIMS];
    /* What no pattern can say.  True, and the fact in words with its numbers; or false, and what is wrong. */
    bool (*check)(const struct trace *trace, char fact[LESSON_FACT_BYTES]);
};

struct stage {
    const struct lesson *lesson;
    int rill, peer; /* the two ends of the connection */
};

extern const struct lesson lessons[];
extern const size_t lesson_count;

/* One setting of a comparison; tools/compare.c. */
struct lesson_request {
    const struct cli *cli;
    const char *name; /* of a lesson, or NULL: a comparison */
    const char *a, *b;
    const char *dir;
    bool yes;
};
/* The exit status. */
int lesson_main(const struct lesson_request *request);
int compare_main(const struct lesson_request *request);

/* A network namespace of its own for this process, with lo up: 0, or -1 with the reason printed (lab.c). */
int lab_enter(void);

/* Prints what went wrong and ends the program with 1. */
void lesson_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* Ends the program in the same way if it is still at work after so many seconds. */
void lesson_limit(unsigned seconds);
/* DIR/NAME.SUFFIX, of which the last eight stay. */
const char *lesson_path(const char *dir, const char *name, const char *suffix);
/* Makes the directory if it is not there. */
void lesson_directory(const char *dir);
/* Paragraphs of at most 78 columns. */
void lesson_print(const char *indent, const char *text);

/* ---- For drivers: both ends, and what is done with them; every failure ends the lesson (lesson_drive.c)
 */

void stage_connect(struct stage *stage); /* rill is the client */
void stage_send(const struct stage *stage, size_t len);
void stage_peer_read(const struct stage *stage, size_t len);
void stage_close(struct stage *stage); /* in order; rill's FIN comes first */

void drive_handshake(struct stage *stage);
void drive_numbers(struct stage *stage);
void drive_four_way_close(struct stage *stage);
void drive_checksum(struct stage *stage);
void drive_out_of_order(struct stage *stage);
void drive_one_segment(struct stage *stage);
void drive_ten_segments(struct stage *stage);
void drive_zero_window(struct stage *stage);
void drive_silly_window(struct stage *stage);
void drive_nagle(struct stage *stage);
void drive_delayed_ack(struct stage *stage);
void drive_half_close(struct stage *stage);
void drive_simultaneous_close(struct stage *stage);
void drive_time_wait(struct stage *stage);
void drive_reset(struct stage *stage);
void drive_syn_flood(struct stage *stage);
void drive_slow_start(struct stage *stage);
void drive_congestion(struct stage *stage);
void drive_rack(struct stage *stage);

/* ---- What no pattern can say (lesson_check.c) */

bool check_lost_syn(const struct trace *trace, char fact[LESSON_FACT_BYTES]);
bool check_retransmit(const struct trace *trace, char fact[LESSON_FACT_BYTES]);
bool check_silly_window(const struct trace *trace, char fact[LESSON_FACT_BYTES]);
bool check_delayed_ack(const struct trace *trace, char fact[LESSON_FACT_BYTES]);
bool check_slow_start(const struct trace *trace, char fact[LESSON_FACT_BYTES]);
bool check_congestion(const struct trace *trace, char fact[LESSON_FACT_BYTES]);
bool check_cubic(const struct trace *trace, char fact[LESSON_FACT_BYTES]);
bool check_timestamps(const struct trace *trace, char fact[LESSON_FACT_BYTES]);
bool check_loss_probe(const struct trace *trace, char fact[LESSON_FACT_BYTES]);
bool check_time_wait(const struct trace *trace, char fact[LESSON_FACT_BYTES]);

#endif
