/* link_print.c - the settings of an emulated link as text: written.  Grammar: link_parse.h.
 *
 * What does nothing is left out, such as a correlation of a probability of zero. */
#include "link_print.h"

struct print {
    char *out;
    uint32_t len;
};

static void put(struct print *to, const char *text)
{
    for (; *text; text++) {
        ASSERT(to->len < LINK_TEXT_MAX - 1);
        to->out[to->len++] = *text;
    }
}

/* A word, with a space before it. */
static void put_word(struct print *to, const char *word)
{
    if (to->len > 0)
        put(to, " ");
    put(to, word);
}

static void put_number(struct print *to, uint64_t number)
{
    char digits[21] = {0};
    uint32_t at = 20;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    put(to, digits + at);
}

static void put_percent(struct print *to, uint32_t p)
{
    uint32_t rest = p % (LINK_ONE / 100);
    put_word(to, "");
    put_number(to, p / (LINK_ONE / 100));
    if (rest)
        put(to, ".");
    for (uint32_t place = LINK_ONE / 1000; rest > 0; rest %= place, place /= 10)
        put_number(to, rest / place);
    put(to, "%");
}

/* In the largest unit that leaves no fraction. */
static void put_amount(struct print *to, const struct link_unit *units, uint64_t amount)
{
    const struct link_unit *best = units;
    for (const struct link_unit *unit = units; unit->name && amount > 0; unit++)
        if (amount % unit->factor == 0)
            best = unit;
    put_number(to, amount / best->factor);
    put(to, best->name);
}

static void put_chance(struct print *to, const char *name, const struct link_chance *p)
{
    if (!p->p)
        return;
    put_word(to, name);
    put_percent(to, p->p);
    if (p->corr)
        put_percent(to, p->corr);
}

static void put_setting(struct print *to, const char *name, uint64_t number)
{
    if (!number)
        return;
    put_word(to, name);
    put_word(to, "");
    put_number(to, number);
}

static void put_list(struct print *to, const char *name, const struct link_list *list)
{
    if (list->count == 0)
        return;
    put_word(to, name);
    if (list->at[0].high == UINT32_MAX)
        return;
    for (uint32_t i = 0; i < list->count; i++) {
        put(to, i == 0 ? " " : ",");
        put_number(to, list->at[i].low);
        if (list->at[i].high == list->at[i].low)
            continue;
        put(to, "-");
        put_number(to, list->at[i].high);
    }
}

static void put_delay(struct print *to, const struct link_config *c)
{
    if (!c->delay_us && !c->jitter_us)
        return;
    put_word(to, "delay ");
    put_amount(to, link_times, c->delay_us);
    if (!c->jitter_us)
        return;
    put(to, " ");
    put_amount(to, link_times, c->jitter_us);
    if (c->delay_corr)
        put_percent(to, c->delay_corr);
    if (c->normal)
        put(to, " distribution normal");
}

static void put_gemodel(struct print *to, const struct link_config *c)
{
    bool good = c->ge.loss_good != 0, bad = good || c->ge.loss_bad != LINK_ONE;
    if (!c->ge.on)
        return;
    put_word(to, "loss gemodel");
    put_percent(to, c->ge.p);
    if (bad || c->ge.r != LINK_ONE - c->ge.p)
        put_percent(to, c->ge.r);
    if (bad)
        put_percent(to, c->ge.loss_bad);
    if (good)
        put_percent(to, c->ge.loss_good);
}

uint32_t link_print(const struct link_config *config, char out[LINK_TEXT_MAX])
{
    const struct link_config *c = config;
    struct print to = {.out = out};
    put_chance(&to, "loss", &c->loss);
    put_gemodel(&to, c);
    put_delay(&to, c);
    put_chance(&to, "reorder", &c->reorder);
    if (c->reorder.p && c->reorder_gap > 1)
        put_setting(&to, "gap", c->reorder_gap);
    put_chance(&to, "duplicate", &c->duplicate);
    put_chance(&to, "corrupt", &c->corrupt);
    if (c->rate_bps) {
        put_word(&to, "rate ");
        put_amount(&to, link_rates, c->rate_bps);
    }
    put_setting(&to, "limit", c->limit);
    put_list(&to, "drop", &c->drop);
    put_setting(&to, "drop every", c->drop_every);
    put_list(&to, "drop syn", &c->drop_syn);
    put_list(&to, "drop data", &c->drop_data);
    if (c->blackout_to_us > c->blackout_from_us) {
        put_word(&to, "blackout ");
        put_amount(&to, link_times, c->blackout_from_us);
        put(&to, "..");
        put_amount(&to, link_times, c->blackout_to_us);
    }
    put_list(&to, "port", &c->port);
    put_list(&to, "except port", &c->except_port);
    put_setting(&to, "seed", c->seed);
    if (to.len == 0)
        put(&to, "none");
    out[to.len] = 0;
    return to.len;
}
