/* path_run.c - one run of bench-path: one line of figures about bulk transfers over one path.
 *
 *     path_run --flows rk --rtt 20 --loss 1 --reorder 10 --seed 7 --from 0 --to 5
 *
 * Times in seconds but the RTT (ms); loss, reorder and overtake in percent, the last one of the RTT.  The
 * line has, separated by tabs: flows, rtt, loss, reorder, overtake, rate, seed, from, to, what rill was told
 * (or
 * -); the bytes that each flow's receiver got between `from` and `to`, with commas; segments sent again,
 * rill's timeouts, packets that the path lost and that did not fit into its queue (both on the data's way),
 * milliseconds of processor time of the forwarder and of this process.  What the kernel does for its own
 * flows is done in the forwarder's writes and in the senders' calls, so it is in them. */
#include "path_flow.h"
#include "path_forward.h"

#include "link.h"
#include "netns.h"
#include "rill.h"

#include <getopt.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { FLOWS_MAX = 16, PACKET_BYTES = 1500, STAGGER_MS = 100, NICE = -15 };

struct run {
    const char *flows, *without, *with, *cc;
    double rtt_ms, loss, reorder, overtake, rate_mbit, from_s, to_s;
    uint64_t seed;
};

static void usage(const char *what)
{
    (void)fprintf(stderr, "path_run: bad %s; the head of path_run.c says what it takes\n", what);
    exit(2);
}

static double number(const char *text, double low, double high)
{
    char *end;
    double value = strtod(text, &end);
    if (*text == '\0' || *end != '\0' || !(value >= low && value <= high))
        usage(text);
    return value;
}

static void parse_options(struct run *run, int argc, char **argv)
{
    static const struct option known[] = {
        {"flows", 1, NULL, 'f'}, {"rtt", 1, NULL, 'r'},     {"loss", 1, NULL, 'l'},
        {"seed", 1, NULL, 's'},  {"reorder", 1, NULL, 'o'}, {"overtake", 1, NULL, 'v'},
        {"from", 1, NULL, 'b'},  {"to", 1, NULL, 'e'},      {"rate", 1, NULL, 'a'},
        {"with", 1, NULL, '+'},  {"without", 1, NULL, '-'}, {"cc", 1, NULL, 'c'},
        {NULL, 0, NULL, 0}};
    *run = (struct run){.flows = "k", .rtt_ms = 20, .overtake = 12.5, .rate_mbit = 100, .to_s = 5, .seed = 1};
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (c) { /* clang-format off */
        case 'f': run->flows = optarg; break;
        case 'r': run->rtt_ms = number(optarg, 1, 1000); break;
        case 'l': run->loss = number(optarg, 0, 100); break;
        case 'o': run->reorder = number(optarg, 0, 100); break;
        case 'v': run->overtake = number(optarg, 0, 50); break;
        case 'a': run->rate_mbit = number(optarg, 0.1, 10000); break;
        case 's': run->seed = (uint64_t)number(optarg, 0, 1e9); break;
        case 'b': run->from_s = number(optarg, 0, 3600); break;
        case 'e': run->to_s = number(optarg, 0.1, 3600); break;
        case '+': run->with = optarg; break;
        case '-': run->without = optarg; break;
        case 'c': run->cc = optarg; break;
        default: usage("option");
        } /* clang-format on */
    }
    size_t count = strlen(run->flows);
    if (optind != argc || count == 0 || count > FLOWS_MAX || strspn(run->flows, PATH_FLOW_KINDS) != count ||
        run->from_s >= run->to_s || (strchr(run->flows, 'R') != NULL && strpbrk(run->flows, "kr") != NULL))
        usage("combination"); /* the data of all flows go one way */
}

/* ---- rill ---------------------------------------------------------------------------------------------- */

static uint32_t features_of(const char *words)
{
    char copy[256], *rest = NULL;
    uint32_t bits = 0;
    (void)snprintf(copy, sizeof copy, "%s", words);
    for (char *word = strtok_r(copy, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
        unsigned f = 0;
        while (f < RILL_FEATURE_COUNT && strcmp(word, rill_feature_word((enum rill_feature)f)) != 0)
            f++;
        if (f == RILL_FEATURE_COUNT)
            usage(word);
        bits |= 1u << f;
    }
    return bits;
}

static void start_rill(const struct run *run)
{
    struct rill_options o;
    rill_options_default(&o);
    o.addr = PATH_RILL;
    o.peer = PATH_RILL_PEER;
    if (run->with != NULL)
        o.engine.features |= features_of(run->with);
    if (run->without != NULL)
        o.engine.features &= ~features_of(run->without);
    unsigned cc = 0;
    while (run->cc != NULL && strcmp(run->cc, rill_cc_word((enum rill_cc)cc)) != 0)
        if (++cc == RILL_CC_COUNT)
            usage(run->cc);
    if (run->cc != NULL)
        o.engine.cc = (enum rill_cc)cc;
    if (rill_start(&o) != 0) {
        (void)fprintf(stderr, "path_run: %s\n", rill_error());
        exit(1);
    }
}

/* ---- The path ------------------------------------------------------------------------------------------ */

/* The queue holds what the path holds: one product of rate and round trip. */
static struct forward_path path_of(const struct run *run)
{
    double bdp_bytes = run->rate_mbit * 1e6 / 8 * run->rtt_ms / 1e3;
    return (struct forward_path){.rtt_us = (uint32_t)(run->rtt_ms * 1000),
                                 .rate_bps = (uint64_t)(run->rate_mbit * 1e6),
                                 .queue = (uint32_t)fmax(10, ceil(bdp_bytes / PACKET_BYTES)),
                                 .loss = (uint32_t)lround(run->loss / 100 * LINK_ONE),
                                 .reorder = (uint32_t)lround(run->reorder / 100 * LINK_ONE),
                                 .overtake_us = (uint32_t)(run->rtt_ms * 1000 * run->overtake / 100),
                                 .seed = run->seed,
                                 .data_comes_second = run->flows[0] == 'R'};
}

static pid_t start_forwarder(const int tun[2], const struct forward_path *path, struct forward_stats *stats)
{
    pid_t parent = getpid(), child = fork();
    if (child < 0)
        path_fail("fork");
    if (child > 0)
        return child;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent)
        forward_run(tun, path, stats);
    _exit(1);
}

/* ---- One run ------------------------------------------------------------------------------------------- */

static void sleep_until(int64_t us)
{
    int64_t left = us - mono_us();
    if (left > 0)
        sleep_ms((unsigned)((left + 999) / 1000));
}

/* Bytes of each flow in the window, as bytes per window: it may have taken a little longer. */
static void measure(struct path_flow *flow, size_t count, const struct run *run, double bytes[])
{
    uint64_t before[FLOWS_MAX] = {0};
    int64_t start_us = mono_us(), began_us = start_us;
    for (size_t i = 0; i < count; i++)
        path_flow_start(&flow[i]);
    if (run->from_s > 0) {
        sleep_until(start_us + (int64_t)(run->from_s * 1e6));
        began_us = mono_us();
        for (size_t i = 0; i < count; i++)
            before[i] = flow[i].bytes;
    }
    sleep_until(start_us + (int64_t)(run->to_s * 1e6));
    double took_s = (double)(mono_us() - began_us) / 1e6;
    for (size_t i = 0; i < count; i++)
        bytes[i] = (double)(flow[i].bytes - before[i]) * (run->to_s - run->from_s) / took_s;
}

static void report(const struct run *run, struct path_flow *flow, const double bytes[],
                   const struct forward_stats *stats)
{
    uint64_t counters[RILL_EVENT_COUNT] = {0}, resent = 0;
    struct rusage used = {0};
    (void)rill_counters(counters, NULL);
    (void)getrusage(RUSAGE_SELF, &used);
    int64_t own_us = (int64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
                     used.ru_utime.tv_usec + used.ru_stime.tv_usec;
    printf("%s\t%g\t%g\t%g\t%g\t%g\t%llu\t%g\t%g\t", run->flows, run->rtt_ms, run->loss, run->reorder,
           run->overtake, run->rate_mbit, (unsigned long long)run->seed, run->from_s, run->to_s);
    if (run->with == NULL && run->without == NULL && run->cc == NULL)
        printf("-");
    else
        printf("%s%s%s%s%s", run->with ? "+" : "", run->with ? run->with : "", run->without ? "-" : "",
               run->without ? run->without : "", run->cc ? run->cc : "");
    for (size_t i = 0; run->flows[i] != '\0'; i++) {
        printf("%c%.0f", i == 0 ? '\t' : ',', bytes[i]);
        resent += path_flow_resent(&flow[i]);
    }
    resent += counters[RILL_SEG_RESENT];
    printf("\t%llu\t%llu\t%llu\t%llu\t%lld\n", (unsigned long long)resent,
           (unsigned long long)counters[RILL_RTO_FIRED], (unsigned long long)stats->lost[0],
           (unsigned long long)stats->queue_full[0], (long long)(own_us + (int64_t)stats->cpu_us) / 1000);
}

int main(int argc, char **argv)
{
    static struct path_flow flow[FLOWS_MAX];
    struct path_world world;
    struct run run;
    double bytes[FLOWS_MAX];
    parse_options(&run, argc, argv);
    size_t count = strlen(run.flows);
    struct forward_path path = path_of(&run);
    struct forward_stats *stats =
        mmap(NULL, sizeof *stats, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (stats == MAP_FAILED)
        path_fail("mmap");
    /* Where it may: a busy machine is to be seen as little as can be. */
    (void)setpriority(PRIO_PROCESS, 0, NICE);
    path_world_make(&world);
    pid_t forwarder = start_forwarder(world.tun, &path, stats);
    for (int i = 0; i < 2; i++)
        (void)close(world.tun[i]);
    if (strpbrk(run.flows, "rR") != NULL)
        start_rill(&run);
    for (unsigned i = 0; i < count; i++) {
        flow[i].kind = run.flows[i];
        flow[i].delay_ms = i * STAGGER_MS;
        path_flow_prepare(&flow[i], &world, i);
    }
    measure(flow, count, &run, bytes);
    int status = 0;
    for (size_t i = 0; i < count; i++)
        if (flow[i].broken)
            status = 1;
    if (waitpid(forwarder, NULL, WNOHANG) != 0 || status != 0) {
        (void)fprintf(stderr, "path_run: a flow or the forwarder has ended before its time\n");
        _exit(1);
    }
    report(&run, flow, bytes, stats);
    (void)fflush(stdout);
    (void)kill(forwarder, SIGKILL);
    (void)waitpid(forwarder, NULL, 0);
    _exit(0); /* with all that still sends, the devices and the namespaces */
}
