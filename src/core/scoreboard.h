/* scoreboard.h - what was sent when, and what became of it.  RFC 2018 5, RFC 8985 6.  Rank 2.
 *
 * All positions of [SND.UNA, SND.NXT) are known by intervals and by two queues of send times:
 *
 *   first   the originals, in order of position, which is also order of time: each begins where the last ends
 *   again   the retransmissions, in order of time; a position is in one of them at most, its latest
 *   sacked  held by the peer beyond a hole
 *   lost    thought lost, and not sent again since: not in `sacked`, and not in `again`
 *   resent  sent again at least once, and not acknowledged yet
 *
 * Each queue is judged by RACK from its front on, and each position of it once: `first` has a place up to
 * which it is judged, `again` loses what is judged.  So finding losses costs a constant for each segment,
 * however many are outstanding.
 *
 * A record is never split.  Without memory a send time is added to the last record, which then claims a later
 * time than it should (first), or is not kept (again), `resent` claims more than was sent again, and a mark
 * of loss is left out: then the timeout finds what RACK cannot. */
#ifndef RILL_SCOREBOARD_H
#define RILL_SCOREBOARD_H

#include "ranges.h"

struct sent {
    uint64_t begin, end;
    rill_time at_us;
};

/* A queue in an array: v[head .. head + count). */
struct sends {
    struct sent *v;
    uint32_t head, count, cap;
};

struct scoreboard {
    struct sends first, again;
    uint32_t judged_first; /* how many records of `first`, from its head on, are judged */
    /* Something is neither SACKed nor lost and will not be judged again: the time of its copy is not kept, or
     * it was SACKed when its turn came.  The next timeout takes all for lost. */
    bool untimed;
    uint64_t judged_to; /* and up to where: only a part of the next one, if it is beyond its begin */
    struct ranges sacked, lost, resent;
};

/* What an ACK has delivered: bytes that were neither acknowledged nor SACKed before. */
struct delivery {
    uint32_t bytes;
    bool any_first, any_again; /* some were sent once; some were sent again */
    struct sent first;         /* of those sent once, the one sent last (at_us, then end; RFC 8985 6.2) */
    struct sent again;         /* of those sent again, the one whose last copy was sent last; empty if none of
                                * their times is known any more: they had been judged lost again */
    uint64_t lowest_first;     /* lowest end of a part that was sent once; valid if any_first */
};

/* Room for what cannot wait: 0 or -ENOMEM. */
int scoreboard_init(struct scoreboard *sb, struct mem *mem);
void scoreboard_free(struct scoreboard *sb, struct mem *mem);

/* [begin, end) has left: what of it lies below nxt is a retransmission, the rest is new. */
void scoreboard_sent(struct scoreboard *sb, struct mem *mem, uint64_t begin, uint64_t end, uint64_t nxt,
                     rill_time now_us);

/* SND.UNA moves from una to ack; adds to *news, which starts as zeroes, what was not SACKed before. */
void scoreboard_acked(struct scoreboard *sb, struct mem *mem, uint64_t una, uint64_t ack,
                      struct delivery *news);

/* The peer holds [begin, end), within [SND.UNA, SND.NXT); adds to *news what was not SACKed before.  False:
 * no room for one more interval, and no mark has changed. */
bool scoreboard_sacked(struct scoreboard *sb, struct mem *mem, uint64_t begin, uint64_t end,
                       struct delivery *news);

/* Marks [begin, end) lost but what is SACKed: how many bytes were not marked before. */
uint32_t scoreboard_lose(struct scoreboard *sb, struct mem *mem, uint64_t begin, uint64_t end);

/* RFC 8985 6.2 step 5.  Marks lost what is neither acknowledged nor SACKed and was sent before the segment
 * (newest_us, newest_end) and not later than limit_us.  Returns the bytes newly marked; *next_us is when the
 * next one that was sent before the segment was sent, RILL_NEVER if there is none. */
uint32_t scoreboard_judge(struct scoreboard *sb, struct mem *mem, rill_time newest_us, uint64_t newest_end,
                          rill_time limit_us, rill_time *next_us);

/* Everything in [una, nxt) is lost but what is SACKed (a timeout); judging starts over with what is sent from
 * now on. */
void scoreboard_lose_all(struct scoreboard *sb, struct mem *mem, uint64_t una, uint64_t nxt);

/* RFC 2018 5.1, 8: the peer has thrown away what it had SACKed, or may have. */
void scoreboard_forget_sacks(struct scoreboard *sb);

/* What is marked lost and was sent once is not lost (the timeout or recovery was too early), and is judged
 * anew.  A copy that was lost stays lost. */
void scoreboard_find_all(struct scoreboard *sb, struct mem *mem);

/* Whether the structure is sound for a flight [una, nxt): for tcp_check. */
bool scoreboard_sound(const struct scoreboard *sb, uint64_t una, uint64_t nxt);

#endif
