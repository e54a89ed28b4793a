/* test_islost.c - RACK against RFC 6675's IsLost () and SetPipe (), which are written here as the RFC has
 * them, with a look at every segment, from what the wire shows alone: which segments have left how often, and
 * which the peer holds.  Without reordering RACK finds each loss that IsLost finds, and no later; what it
 * finds earlier, or a copy that is in the network instead of the original, is all by which the pipes differ.
 */
#include "sacking.h"

#include "prng.h"

#define SEGMENTS 30u

struct view {
    unsigned int una, nxt; /* segments: HighACK, HighData */
};

static struct view view_of(const struct path *p)
{
    struct view v = {0, 0};
    while (p->holds[v.una])
        v.una++;
    while (v.nxt < SEGMENTS && p->left[v.nxt] != 0)
        v.nxt++;
    return v;
}

/* RFC 6675 4: "either DupThresh discontiguous SACKed sequences have arrived above 'SeqNum' or more than
 * (DupThresh - 1) * SMSS bytes". */
static bool is_lost(const struct path *p, const struct view *v, unsigned int k)
{
    unsigned int sequences = 0, segments = 0;
    for (unsigned int i = k + 1; i < v->nxt; i++) {
        segments += p->holds[i];
        sequences += p->holds[i] && !p->holds[i - 1];
    }
    return sequences >= 3 || segments * SMSS > 2 * SMSS;
}

/* RFC 6675 4, SetPipe (), in segments. */
static unsigned int rfc_pipe(const struct path *p, const struct view *v)
{
    unsigned int pipe = 0, high_rxt = 0; /* one after */
    for (unsigned int k = v->una; k < v->nxt; k++)
        if (p->left[k] > 1)
            high_rxt = k + 1;
    for (unsigned int k = v->una; k < v->nxt; k++)
        if (!p->holds[k])
            pipe += (unsigned int)!is_lost(p, v, k) + (k < high_rxt);
    return pipe;
}

static unsigned int agreed, compared; /* how often the pipes were equal while something was lost */

static void look(struct rig *t, const struct path *p)
{
    const struct tcb *c = t->peer[0].c;
    struct view v = view_of(p);
    unsigned int pipe = rfc_pipe(p, &v), expected = 0, earlier = 0;
    bool any = false;
    if (c->fl == NULL || v.una == v.nxt)
        return;
    for (unsigned int k = v.una; k < v.nxt; k++) {
        uint64_t begin = tcp_iss(c) + start_of(k);
        bool marked = ranges_cover(&c->fl->sb.lost, begin, begin + SMSS), found = is_lost(p, &v, k);
        if (p->holds[k])
            continue;
        any = any || found;
        if (found && !marked && p->left[k] == 1)
            rig_fail(t, "IsLost finds segment %u, RACK has not", k);
        expected += !marked;
        earlier += !found && (marked || p->left[k] > 1);
    }
    if (tcp_pipe(c) != expected * SMSS)
        rig_fail(t, "pipe is %u, the segments say %u", tcp_pipe(c), expected * SMSS);
    if (tcp_pipe(c) > pipe * SMSS)
        rig_fail(t, "pipe is %u, RFC 6675's %u", tcp_pipe(c), pipe * SMSS);
    if (earlier == 0 && tcp_pipe(c) != pipe * SMSS)
        rig_fail(t, "pipe is %u, RFC 6675's %u, and RACK has found nothing earlier", tcp_pipe(c),
                 pipe * SMSS);
    compared += any;
    agreed += any && earlier == 0;
}

static void rack__without_reordering__finds_what_islost_finds(void **state)
{
    struct prng prng = prng_seed(6675);
    (void)state;
    agreed = compared = 0;
    for (unsigned int run = 0; run < 2000; run++) {
        struct rig *t = racking();
        struct path path = {.look = look};
        unsigned int percent = 1 + run % 40;
        for (unsigned int k = 0; k < SEGMENTS; k++)
            path.loses |= (uint32_t)prng_chance(&prng, percent) << k;
        app_write(t, SEGMENTS * SMSS);
        path_takes(t, &path, 0);
        path_runs(t, &path, 10 * SEC);
        if (tcp_flight(t->peer[0].c) != 0)
            rig_fail(t, "run %u: %u bytes are out", run, tcp_flight(t->peer[0].c));
        rig_end(t);
    }
    assert_true(compared > 5000 && agreed > 1000); /* it was about something */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rack__without_reordering__finds_what_islost_finds),
    };
    return cmocka_run_group_tests_name("islost", tests, NULL, NULL);
}
