/* trace.c - the names and sentences of events and states, for people.  Made from the one list of
 * rill_engine.h, so that an event cannot be without them.  The tracing itself is engine.c's. */
#include "base.h"

struct event_words {
    const char *name, *text;
};

#define EVENT_WORDS(name, text) {#name, text},
static const struct event_words event_words[RILL_EVENT_COUNT] = {RILL_EVENTS(EVENT_WORDS)};
#undef EVENT_WORDS

const char *rill_event_name(enum rill_event event)
{
    ASSERT((unsigned int)event < RILL_EVENT_COUNT);
    return event_words[event].name;
}

const char *rill_event_text(enum rill_event event)
{
    ASSERT((unsigned int)event < RILL_EVENT_COUNT);
    return event_words[event].text;
}

const char *rill_state_name(enum rill_tcp_state state)
{
    switch (state) {
    case RILL_LISTEN:
        return "LISTEN";
    case RILL_SYN_SENT:
        return "SYN-SENT";
    case RILL_SYN_RECEIVED:
        return "SYN-RECEIVED";
    case RILL_ESTABLISHED:
        return "ESTABLISHED";
    case RILL_FIN_WAIT_1:
        return "FIN-WAIT-1";
    case RILL_FIN_WAIT_2:
        return "FIN-WAIT-2";
    case RILL_CLOSE_WAIT:
        return "CLOSE-WAIT";
    case RILL_CLOSING:
        return "CLOSING";
    case RILL_LAST_ACK:
        return "LAST-ACK";
    case RILL_TIME_WAIT:
        return "TIME-WAIT";
    case RILL_CLOSED:
        return "CLOSED";
    }
    return "?";
}

#define WORDS(name, text) {#name, text},
static const struct event_words why_words[RILL_WHY_COUNT] = {RILL_REASONS(WORDS)};
static const struct event_words limit_words[RILL_LIMIT_COUNT] = {RILL_LIMITS(WORDS)};
static const struct event_words timer_words[RILL_TIMER_COUNT] = {RILL_TIMERS(WORDS)};
#undef WORDS

const char *rill_why_name(enum rill_why why)
{
    ASSERT((unsigned int)why < RILL_WHY_COUNT);
    return why_words[why].name;
}

const char *rill_why_text(enum rill_why why)
{
    ASSERT((unsigned int)why < RILL_WHY_COUNT);
    return why_words[why].text;
}

const char *rill_limit_text(enum rill_limit limit)
{
    ASSERT((unsigned int)limit < RILL_LIMIT_COUNT);
    return limit_words[limit].text;
}

const char *rill_timer_text(enum rill_timer timer)
{
    ASSERT((unsigned int)timer < RILL_TIMER_COUNT);
    return timer_words[timer].text;
}

const char *rill_break_word(enum rill_break rule)
{
    static const char *const words[RILL_BREAK_COUNT] = {
#define WORD(name, word, text) word,
        RILL_BREAKS(WORD)
#undef WORD
    };
    ASSERT((unsigned int)rule < RILL_BREAK_COUNT);
    return words[rule];
}

const char *rill_break_text(enum rill_break rule)
{
    static const char *const texts[RILL_BREAK_COUNT] = {
#define TEXT(name, word, text) text,
        RILL_BREAKS(TEXT)
#undef TEXT
    };
    ASSERT((unsigned int)rule < RILL_BREAK_COUNT);
    return texts[rule];
}

const char *rill_feature_word(enum rill_feature feature)
{
    static const char *const words[RILL_FEATURE_COUNT] = {
#define WORD(name, word, text) word,
        RILL_FEATURES(WORD)
#undef WORD
    };
    ASSERT((unsigned int)feature < RILL_FEATURE_COUNT);
    return words[feature];
}

const char *rill_feature_text(enum rill_feature feature)
{
    static const char *const texts[RILL_FEATURE_COUNT] = {
#define TEXT(name, word, text) text,
        RILL_FEATURES(TEXT)
#undef TEXT
    };
    ASSERT((unsigned int)feature < RILL_FEATURE_COUNT);
    return texts[feature];
}

const char *rill_cc_word(enum rill_cc cc)
{
    static const char *const words[RILL_CC_COUNT] = {
#define WORD(name, word, text) word,
        RILL_CCS(WORD)
#undef WORD
    };
    ASSERT((unsigned int)cc < RILL_CC_COUNT);
    return words[cc];
}
