/* scoreboard_model.h - the scoreboard again, as an array with an entry for each position.
 *
 * It knows no records: two neighbours were in one copy if they left at the same time, for which the test sees
 * to it that copies that leave at one time are in order of position. */
#ifndef SCOREBOARD_MODEL_H
#define SCOREBOARD_MODEL_H

#include "scoreboard.h"

#define MODEL_SIZE 12000u
#define MODEL_BASE ((1ull << 32) - 3000) /* positions pass 2^32 */

struct cell {
    bool sacked, lost, resent;
    bool copied; /* the time of its last copy counts */
    bool judged; /* as an original */
    rill_time first_us, last_us;
};

struct model {
    struct cell cell[MODEL_SIZE];
    uint32_t una, nxt; /* indices: position less MODEL_BASE */
};

static inline bool model_same_copy(const struct model *m, uint32_t i, uint32_t j)
{
    for (uint32_t k = i; k <= j; k++)
        if (!m->cell[k].copied || m->cell[k].last_us != m->cell[i].last_us)
            return false;
    return true;
}

/* Copies of [begin, end) no longer count, nor does what lies behind them in the same copy. */
static inline void model_supersede(struct model *m, uint32_t begin, uint32_t end)
{
    uint32_t stop = end;
    if (begin > m->una && begin < end)
        while (stop < m->nxt && model_same_copy(m, begin - 1, stop))
            stop++;
    for (uint32_t i = begin; i < stop; i++)
        m->cell[i].copied = false;
}

static inline void model_sent(struct model *m, uint32_t begin, uint32_t end, rill_time now_us)
{
    model_supersede(m, begin, end < m->nxt ? end : m->nxt);
    for (uint32_t i = begin; i < end; i++) {
        struct cell *cell = &m->cell[i];
        cell->last_us = now_us;
        if (i < m->nxt) {
            cell->lost = false;
            cell->resent = cell->copied = true;
        } else {
            *cell = (struct cell){.first_us = now_us, .last_us = now_us};
        }
    }
    m->nxt = end > m->nxt ? end : m->nxt;
}

static inline void model_latest(struct sent *latest, bool has, struct sent sent)
{
    if (!has || sent.at_us > latest->at_us || (sent.at_us == latest->at_us && sent.end > latest->end))
        *latest = sent;
}

/* Adds to *news what of [begin, end) is not SACKed. */
static inline void model_deliver(const struct model *m, uint32_t begin, uint32_t end, struct delivery *news)
{
    for (uint32_t i = begin; i < end; i++) {
        const struct cell *cell = &m->cell[i];
        uint32_t from = i;
        if (cell->sacked)
            continue;
        news->bytes++;
        if (!cell->resent) {
            bool goes_on = i + 1 < end && !m->cell[i + 1].sacked && !m->cell[i + 1].resent;
            if (goes_on)
                continue;
            while (from > begin && !m->cell[from - 1].sacked && !m->cell[from - 1].resent)
                from--;
            struct sent sent = {MODEL_BASE + from, MODEL_BASE + i + 1, cell->first_us};
            if (!news->any_first || sent.end < news->lowest_first)
                news->lowest_first = sent.end;
            model_latest(&news->first, news->any_first, sent);
            news->any_first = true;
            continue;
        }
        news->any_again = true;
        if (!cell->copied)
            continue;
        while (from > begin && !m->cell[from - 1].sacked && model_same_copy(m, from - 1, i))
            from--;
        struct sent sent = {MODEL_BASE + from, MODEL_BASE + i + 1, cell->last_us};
        model_latest(&news->again, news->again.begin < news->again.end, sent);
    }
}

static inline void model_sacked(struct model *m, uint32_t begin, uint32_t end)
{
    for (uint32_t i = begin; i < end; i++) {
        m->cell[i].sacked = true;
        m->cell[i].lost = false;
    }
}

static inline uint32_t model_mark(struct model *m, uint32_t begin, uint32_t end)
{
    uint32_t bytes = 0;
    for (uint32_t i = begin; i < end; i++)
        if (!m->cell[i].sacked && !m->cell[i].lost) {
            m->cell[i].lost = true;
            bytes++;
        }
    return bytes;
}

static inline bool model_is_before(rill_time at_us, uint32_t i, rill_time newest_us, uint64_t newest_end)
{
    return at_us < newest_us || (at_us == newest_us && MODEL_BASE + i + 1 <= newest_end);
}

/* RFC 8985 6.2 step 5 for the originals: what was sent in one go is judged as far as it is before the newest
 * segment, and waits as a whole. */
static inline uint32_t model_judge_first(struct model *m, rill_time newest_us, uint64_t newest_end,
                                         rill_time limit_us, rill_time *next_us)
{
    uint32_t bytes = 0;
    for (uint32_t i = m->una; i < m->nxt;) {
        uint32_t stop = i;
        bool live = false;
        if (m->cell[i].judged) {
            i++;
            continue;
        }
        rill_time at_us = m->cell[i].first_us;
        for (; stop < m->nxt && m->cell[stop].first_us == at_us; stop++) {
            const struct cell *cell = &m->cell[stop];
            if (!model_is_before(at_us, stop, newest_us, newest_end))
                break;
            live = live || (!cell->sacked && !cell->lost && !cell->resent);
        }
        if (stop == i)
            break;
        if (live && at_us > limit_us) {
            *next_us = min_u64(*next_us, at_us);
            break;
        }
        for (; i < stop; i++) {
            m->cell[i].judged = true;
            if (!m->cell[i].resent)
                bytes += model_mark(m, i, i + 1);
        }
    }
    return bytes;
}

static inline uint32_t model_judge(struct model *m, rill_time newest_us, uint64_t newest_end,
                                   rill_time limit_us, rill_time *next_us)
{
    *next_us = RILL_NEVER;
    uint32_t bytes = model_judge_first(m, newest_us, newest_end, limit_us, next_us);
    for (uint32_t i = m->una; i < m->nxt; i++) {
        struct cell *cell = &m->cell[i];
        if (!cell->copied || !model_is_before(cell->last_us, i, newest_us, newest_end))
            continue;
        if (cell->last_us <= limit_us) {
            bytes += model_mark(m, i, i + 1);
            cell->copied = false;
        } else if (!cell->sacked) {
            *next_us = min_u64(*next_us, cell->last_us);
        }
    }
    return bytes;
}

static inline void model_lose_all(struct model *m)
{
    for (uint32_t i = m->una; i < m->nxt; i++) {
        m->cell[i].lost = !m->cell[i].sacked;
        m->cell[i].copied = false;
        m->cell[i].judged = true;
    }
}

/* Originals only: of a copy that was lost nothing has been heard. */
static inline void model_find_all(struct model *m)
{
    for (uint32_t i = m->una; i < m->nxt; i++) {
        m->cell[i].lost = m->cell[i].lost && m->cell[i].resent;
        m->cell[i].judged = false;
    }
}

#endif
