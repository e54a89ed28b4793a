/* link_parse.c - the settings of an emulated link as text: read.  Grammar: link_parse.h.
 *
 * Numbers are decimal and exact: what does not come out even in the unit that is kept is refused.  The first
 * mistake ends it. */
#include "link_parse.h"

const struct link_unit link_percent[] = {{"%", LINK_ONE / 100}, {NULL, 0}};
const struct link_unit link_times[] = {{"us", 1}, {"ms", MS}, {"s", SEC}, {NULL, 0}};
const struct link_unit link_rates[] = {
    {"bit", 1}, {"kbit", 1000}, {"mbit", 1000000}, {"gbit", 1000000000}, {NULL, 0}};

/* A number with a unit: what it may be, and what to say when it is not. */
struct quantity {
    const struct link_unit *units;
    uint64_t min, max;
    bool bare; /* the unit may be left out */
    const char *expected, *expected_unit, *expected_range;
};

static const struct quantity chance = {
    .units = link_percent,
    .max = LINK_ONE,
    .bare = true,
    .expected = "expected a percentage, as in 5%",
    .expected_unit = "expected a % or the end of the number",
    .expected_range = "expected at most 100%",
};
static const struct quantity delay = {
    .units = link_times,
    .max = LINK_DELAY_MAX,
    .expected = "expected a time, as in 20ms",
    .expected_unit = "expected us, ms or s",
    .expected_range = "expected at most 1000s",
};
static const struct quantity moment = {
    .units = link_times,
    .max = 1000000 * SEC,
    .expected = "expected two times, as in 2s..3s",
    .expected_unit = "expected us, ms or s",
    .expected_range = "expected at most 1000000s",
};
static const struct quantity rate = {
    .units = link_rates,
    .min = LINK_RATE_MIN,
    .max = 1000000000000,
    .expected = "expected a rate, as in 10mbit",
    .expected_unit = "expected bit, kbit, mbit or gbit",
    .expected_range = "expected 1kbit to 1000gbit",
};

struct parse {
    const char *text;
    uint32_t pos; /* of the next character */
    uint32_t error_pos;
    const char *error;    /* NULL: none so far */
    uint32_t seen;        /* clauses, by their bits */
    uint32_t reorder_pos; /* where that clause began */
    struct link_config config;
};

static bool fail(struct parse *p, uint32_t pos, const char *error)
{
    p->error_pos = pos;
    p->error = error;
    return false;
}

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_end(char c) { return c == 0 || is_space(c); }
static char lower(char c) { return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); }
static bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }

static void skip_space(struct parse *p)
{
    while (is_space(p->text[p->pos]))
        p->pos++;
}

/* Whether what stands here, up to a character that cannot be part of a name, is `name`; then goes behind it.
 */
static bool take_name(struct parse *p, const char *name)
{
    uint32_t pos = p->pos;
    for (; *name; name++, pos++)
        if (lower(p->text[pos]) != *name)
            return false;
    if (is_letter(p->text[pos - 1]) && is_letter(p->text[pos]))
        return false;
    p->pos = pos;
    return true;
}

/* The same for the next word. */
static bool take_word(struct parse *p, const char *word)
{
    uint32_t pos = p->pos;
    skip_space(p);
    if (take_name(p, word) && is_end(p->text[p->pos]))
        return true;
    p->pos = pos;
    return false;
}

/* Whether the next word is a number: an optional argument. */
static bool number_follows(struct parse *p)
{
    skip_space(p);
    return is_digit(p->text[p->pos]);
}

/* ---- Numbers ----------------------------------------------------------------------------------- */

static bool take_integer(struct parse *p, uint64_t min, uint64_t max, uint64_t *value, const char *expected)
{
    uint32_t start = p->pos;
    if (!is_digit(p->text[start]))
        return fail(p, start, expected);
    *value = 0;
    for (; is_digit(p->text[p->pos]); p->pos++) {
        uint64_t digit = (uint64_t)(p->text[p->pos] - '0');
        if (*value > (max - digit) / 10)
            return fail(p, start, expected);
        *value = *value * 10 + digit;
    }
    return *value >= min || fail(p, start, expected);
}

/* A number and its unit: digits * factor / divisor.  The thirteen digits of the largest time are enough. */
static bool take_quantity(struct parse *p, const struct quantity *q, uint64_t *value)
{
    uint32_t start = p->pos, count = 0;
    uint64_t digits = 0, divisor = 1;
    bool fraction = false;
    for (;; p->pos++) {
        char c = p->text[p->pos];
        if (c == '.' && !fraction && p->pos > start && is_digit(p->text[p->pos + 1])) {
            fraction = true;
            continue;
        }
        if (!is_digit(c))
            break;
        digits = digits * 10 + (uint64_t)(c - '0');
        count += digits > 0;
        divisor *= fraction ? 10 : 1;
        if (count > 13 || divisor > 1000000000)
            return fail(p, p->pos, "expected fewer digits");
    }
    if (p->pos == start)
        return fail(p, start, q->expected);
    uint64_t factor = 0;
    for (const struct link_unit *unit = q->units; unit->name && factor == 0; unit++)
        if (take_name(p, unit->name))
            factor = unit->factor;
    if (factor == 0 && !(q->bare && is_end(p->text[p->pos])))
        return fail(p, p->pos, q->expected_unit);
    if (factor == 0)
        factor = q->units[0].factor;
    for (; divisor > 1 && factor > 1; divisor /= 10) /* both are powers of ten */
        factor /= 10;
    if (digits % divisor != 0)
        return fail(p, start, "expected a number with fewer decimals");
    digits /= divisor;
    if (digits > q->max / factor || digits * factor < q->min)
        return fail(p, start, q->expected_range);
    *value = digits * factor;
    return true;
}

/* The end of a number's word. */
static bool take_end(struct parse *p)
{
    return is_end(p->text[p->pos]) || fail(p, p->pos, "expected a space after the number");
}

/* A quantity as a word of its own. */
static bool take_argument(struct parse *p, const struct quantity *q, uint64_t *value)
{
    skip_space(p);
    return take_quantity(p, q, value) && take_end(p);
}

static bool take_u32(struct parse *p, const struct quantity *q, uint32_t *value)
{
    uint64_t wide;
    ASSERT(q->max <= UINT32_MAX);
    if (!take_argument(p, q, &wide))
        return false;
    *value = (uint32_t)wide;
    return true;
}

static bool take_optional(struct parse *p, const struct quantity *q, uint32_t *value)
{
    return !number_follows(p) || take_u32(p, q, value);
}

/* Like all that follows, this leaves nothing behind of what has no effect: so what is written is read as
 * equal. */
static bool take_chance(struct parse *p, struct link_chance *to)
{
    if (!take_u32(p, &chance, &to->p) || !take_optional(p, &chance, &to->corr))
        return false;
    to->corr = to->p ? to->corr : 0;
    return true;
}

static bool take_count(struct parse *p, uint32_t max, uint32_t *value, const char *expected)
{
    uint64_t wide;
    skip_space(p);
    if (!take_integer(p, 1, max, &wide, expected))
        return false;
    *value = (uint32_t)wide;
    return take_end(p);
}

/* 5,9-12 */
static bool take_list(struct parse *p, uint64_t max, struct link_list *list, const char *expected)
{
    skip_space(p);
    for (list->count = 0;; p->pos++) {
        uint32_t start = p->pos;
        uint64_t low, high;
        if (!take_integer(p, 1, max, &low, expected))
            return false;
        if (list->count == LINK_RANGES)
            return fail(p, start, "expected at most 16 numbers or ranges");
        high = low;
        if (p->text[p->pos] == '-') {
            p->pos++;
            start = p->pos;
            if (!take_integer(p, 1, max, &high, expected))
                return false;
        }
        if (high < low)
            return fail(p, start, "expected the end of the range to be no less than its beginning");
        list->at[list->count++] = (struct link_range){(uint32_t)low, (uint32_t)high};
        if (p->text[p->pos] != ',')
            break;
    }
    return is_end(p->text[p->pos]) || fail(p, p->pos, "expected a comma, a - or a space");
}

/* ---- Clauses ----------------------------------------------------------------------------------- */

/* By their first words. */
enum clause {
    CLAUSE_LOSS,
    CLAUSE_DELAY,
    CLAUSE_REORDER,
    CLAUSE_DUPLICATE,
    CLAUSE_CORRUPT,
    CLAUSE_RATE,
    CLAUSE_LIMIT,
    CLAUSE_SEED,
    CLAUSE_DROP,
    CLAUSE_BLACKOUT,
    CLAUSE_PORT,
    CLAUSE_EXCEPT,
    CLAUSE_COUNT
};
static const char *const clause_name[CLAUSE_COUNT] = {"loss",    "delay",    "reorder", "duplicate",
                                                      "corrupt", "rate",     "limit",   "seed",
                                                      "drop",    "blackout", "port",    "except"};
enum { DROP_LIST = CLAUSE_COUNT, DROP_EVERY, DROP_SYN, DROP_DATA }; /* the kinds of drop, as bits of `seen` */

/* Notes that a clause was given, which may be once. */
static bool once(struct parse *p, uint32_t bit, uint32_t pos)
{
    if (p->seen & 1u << bit)
        return fail(p, pos, "expected another clause: this one was given before");
    p->seen |= 1u << bit;
    return true;
}

static bool parse_loss(struct parse *p)
{
    struct link_config *c = &p->config;
    if (!take_word(p, "gemodel")) {
        take_word(p, "random");
        return take_chance(p, &c->loss);
    }
    c->ge.on = true;
    if (!take_u32(p, &chance, &c->ge.p))
        return false;
    c->ge.r = LINK_ONE - c->ge.p; /* netem's defaults */
    c->ge.loss_bad = LINK_ONE;
    return take_optional(p, &chance, &c->ge.r) && take_optional(p, &chance, &c->ge.loss_bad) &&
           take_optional(p, &chance, &c->ge.loss_good);
}

static bool parse_delay(struct parse *p)
{
    struct link_config *c = &p->config;
    if (!take_u32(p, &delay, &c->delay_us))
        return false;
    bool jitter = number_follows(p);
    if (!take_optional(p, &delay, &c->jitter_us) || !take_optional(p, &chance, &c->delay_corr))
        return false;
    c->delay_corr = c->jitter_us ? c->delay_corr : 0;
    skip_space(p);
    uint32_t start = p->pos;
    if (!take_word(p, "distribution"))
        return true;
    if (!jitter)
        return fail(p, start, "expected a jitter, as in 5ms, before the distribution");
    bool normal = take_word(p, "normal");
    skip_space(p);
    c->normal = normal && c->jitter_us;
    return normal || take_word(p, "uniform") || fail(p, p->pos, "expected uniform or normal");
}

static bool parse_reorder(struct parse *p)
{
    struct link_config *c = &p->config;
    uint32_t gap = 0;
    if (!take_chance(p, &c->reorder))
        return false;
    if (take_word(p, "gap") && !take_count(p, UINT32_MAX, &gap, "expected a distance, 1 or more"))
        return false;
    c->reorder_gap = c->reorder.p && gap > 1 ? gap : 0;
    return true;
}

static bool parse_drop(struct parse *p)
{
    struct link_config *c = &p->config;
    const char *numbers = "expected numbers from 1, as in 5,9-12";
    skip_space(p);
    uint32_t start = p->pos;
    if (take_word(p, "every"))
        return once(p, DROP_EVERY, start) &&
               take_count(p, UINT32_MAX, &c->drop_every, "expected a number, as in every 7");
    bool syn = take_word(p, "syn");
    if (syn || take_word(p, "data")) {
        struct link_list *list = syn ? &c->drop_syn : &c->drop_data;
        *list = (struct link_list){.count = 1, .at = {{1, UINT32_MAX}}};
        return once(p, syn ? DROP_SYN : DROP_DATA, start) &&
               (!number_follows(p) || take_list(p, UINT32_MAX - 1, list, numbers));
    }
    if (!is_digit(p->text[start]))
        return fail(p, start, "expected numbers, as in 5,9-12, or every, syn or data");
    return once(p, DROP_LIST, start) && take_list(p, UINT32_MAX - 1, &c->drop, numbers);
}

static bool parse_blackout(struct parse *p)
{
    struct link_config *c = &p->config;
    skip_space(p);
    if (!take_quantity(p, &moment, &c->blackout_from_us))
        return false;
    if (p->text[p->pos] != '.' || p->text[p->pos + 1] != '.')
        return fail(p, p->pos, "expected .. and a second time");
    p->pos += 2;
    uint32_t start = p->pos;
    if (!take_argument(p, &moment, &c->blackout_to_us))
        return false;
    return c->blackout_to_us > c->blackout_from_us ||
           fail(p, start, "expected a time after the beginning of the blackout");
}

static bool parse_ports(struct parse *p, struct link_list *list)
{
    return take_list(p, UINT16_MAX, list, "expected ports from 1 to 65535, as in 7,9000-9010");
}

static bool parse_except(struct parse *p)
{
    if (!take_word(p, "port")) {
        skip_space(p);
        return fail(p, p->pos, "expected port");
    }
    return parse_ports(p, &p->config.except_port);
}

static bool parse_seed(struct parse *p)
{
    skip_space(p);
    const char *expected = "expected a number up to 18446744073709551615";
    return take_integer(p, 0, UINT64_MAX, &p->config.seed, expected) && take_end(p);
}

/* What follows the clause's first word, which stands at `start`. */
static bool parse_clause(struct parse *p, enum clause clause, uint32_t start)
{
    struct link_config *c = &p->config;
    if (clause != CLAUSE_DROP && !once(p, clause, start))
        return false;
    switch (clause) {
    case CLAUSE_LOSS:
        return parse_loss(p);
    case CLAUSE_DELAY:
        return parse_delay(p);
    case CLAUSE_REORDER:
        p->reorder_pos = start;
        return parse_reorder(p);
    case CLAUSE_DUPLICATE:
        return take_chance(p, &c->duplicate);
    case CLAUSE_CORRUPT:
        return take_chance(p, &c->corrupt);
    case CLAUSE_RATE:
        return take_argument(p, &rate, &c->rate_bps);
    case CLAUSE_LIMIT:
        return take_count(p, LINK_LIMIT_MAX, &c->limit, "expected a number of packets from 1 to 100000");
    case CLAUSE_SEED:
        return parse_seed(p);
    case CLAUSE_DROP:
        return parse_drop(p);
    case CLAUSE_BLACKOUT:
        return parse_blackout(p);
    case CLAUSE_PORT:
        return parse_ports(p, &c->port);
    case CLAUSE_EXCEPT:
        return parse_except(p);
    case CLAUSE_COUNT:
        break;
    }
    return false;
}

static bool parse_all(struct parse *p)
{
    const struct link_config *c = &p->config;
    if (take_word(p, "none")) {
        skip_space(p);
        return p->text[p->pos] == 0 || fail(p, p->pos, "expected nothing after none");
    }
    for (skip_space(p); p->text[p->pos] != 0; skip_space(p)) {
        uint32_t clause = 0, start = p->pos;
        while (clause < CLAUSE_COUNT && !take_word(p, clause_name[clause]))
            clause++;
        if (clause == CLAUSE_COUNT)
            return fail(p, start,
                        "expected loss, delay, reorder, duplicate, corrupt, rate, limit, seed, drop, "
                        "blackout, port or except");
        if (!parse_clause(p, (enum clause)clause, start))
            return false;
    }
    /* Without one, no packet is late and so none can be overtaken; tc refuses it as well. */
    if (c->reorder.p && !c->delay_us && !c->jitter_us && !c->rate_bps)
        return fail(p, p->reorder_pos,
                    "expected a delay or a rate as well: else there is nothing to overtake");
    return true;
}

const char *link_parse(const char *text, struct link_config *config, uint32_t *column)
{
    struct parse p = {.text = text};
    if (parse_all(&p)) {
        p.config.exempt_port = config->exempt_port;
        *config = p.config;
        return NULL;
    }
    ASSERT(p.error);
    *column = p.error_pos + 1;
    return p.error;
}
