/* bench_recovery.c - how well losses are repaired: throughput by congestion control, buffer and loss, and the
 * goals around it, in virtual time.  `make bench-recovery` compares what it prints with recovery.txt.
 *
 * The path of the table has 100 ms RTT, no rate, an MTU of 1500, and loses in both directions.  A run begins
 * with the SYN and ends after RUN_US or RUN_BYTES, whatever comes first.  Without loss all runs are the same:
 * one is done. */
#include "ideal.h"
#include "probes.h"
#include "work.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define RTT_US (100u * 1000)
#define MSS 1460u
#define RUN_US (300 * SEC)
#define RUN_BYTES 20000000u
#define SEEDS 20u
#define SEEDS_QUICK 5u
#define JOBS_MAX 64u
#define PROBES_MAX 64u
#define IDEAL BENCH_CCS /* the fourth table */

static const uint32_t buffers_kib[] = {4, 8, 16, 32, 64, 128, 256, 1024};
static const uint32_t losses_ppm[] = {0, 1000, 10000, 20000, 50000, 100000, 200000, 300000};
#define BUFFERS (sizeof buffers_kib / sizeof buffers_kib[0])
#define LOSSES (sizeof losses_ppm / sizeof losses_ppm[0])
#define CELLS ((BENCH_CCS + 1) * BUFFERS * LOSSES)

/* smoltcp's published figures of the same experiment at 32 KiB in kB/s, and our goals without congestion
 * control. */
static const struct {
    uint32_t loss_ppm;
    double smoltcp, goal;
} published[] = {{0, 322.9, 0.97},  {10000, 219.7, 1.15}, {50000, 76.6, 2},
                 {100000, 37.8, 3}, {200000, 6.1, 3},     {300000, 1.16, 5}};
#define PUBLISHED (sizeof published / sizeof published[0])
#define IDEAL_GOAL 0.9

/* What the workers share. */
struct results {
    _Atomic unsigned int next;                   /* job */
    double cell[BENCH_CCS + 1][BUFFERS][LOSSES]; /* kB/s */
    double probe[PROBES_MAX];
};

struct options {
    uint32_t seeds, jobs;
    uint32_t trace; /* seed of the run to show, 0: none */
};

static const char usage[] =
    "usage: bench-recovery [--quick] [--seeds N] [--jobs N]\n"
    "       bench-recovery --cell CC,BUFFER,LOSS [--seeds N | --trace SEED]\n"
    "  Measures loss recovery in virtual time: throughput of two engines over 100 ms by congestion control,\n"
    "  buffer and loss, and how far the goals are met.  The same program prints the same text each time.\n"
    "  --cell   one cell only, run by run: CC none, cubic or reno; BUFFER in KiB; LOSS in %, as in "
    "reno,32,0.1\n"
    "  --trace  every segment of the run with that seed; the receiver's are indented\n"
    "  --seeds  runs a cell (20); --quick: 5\n"
    "  --jobs   processes (as many as there are processors)\n"
    "Exit status: 0, 1 something went wrong, 2 usage error.  tests/check-bench compares with "
    "tests/bench/recovery.txt.\n";

/* ---- A cell ------------------------------------------------------------------------------------ */

struct run {
    double kbytes; /* a second */
    uint64_t resent, timeouts;
};

static struct run run_cell(enum bench_cc cc, uint32_t buffer_bytes, uint32_t loss_ppm, uint64_t seed,
                           bool trace)
{
    struct link_config link = {
        .delay_us = RTT_US / 2, .limit = LINK_LIMIT_MAX, .loss = {.p = loss_ppm * (LINK_ONE / 1000000)}};
    struct world_setup setup = {
        .cc = cc, .buffer_bytes = buffer_bytes, .up = link, .down = link, .seed = seed, .trace = trace};
    struct world w;
    struct run run;
    world_start(&w, &setup);
    (void)world_run(&w, WORLD_BEGIN + RUN_US, RUN_BYTES);
    run.kbytes = (double)w.received / ((double)(w.now_us - WORLD_BEGIN) / 1e6) / 1000;
    run.resent = world_counter(&w, RILL_SEG_RESENT);
    run.timeouts = world_counter(&w, RILL_RTO_FIRED);
    world_stop(&w);
    return run;
}

static double mean_of_ideal(uint32_t buffer_bytes, uint32_t segment_bytes, uint32_t loss_ppm, uint32_t seeds)
{
    double sum = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct ideal_path path = {.buffer_bytes = buffer_bytes,
                                  .segment_bytes = segment_bytes,
                                  .loss_ppm = loss_ppm,
                                  .rtt_us = RTT_US,
                                  .until_us = RUN_US,
                                  .bytes = RUN_BYTES,
                                  .seed = seed};
        sum += ideal_reno(&path) / 1000;
    }
    return sum / seeds;
}

static double mean_of_cell(unsigned int table, uint32_t buffer_kib, uint32_t loss_ppm, uint32_t seeds)
{
    uint32_t buffer_bytes = buffer_kib * 1024, count = (buffer_bytes + MSS - 1) / MSS;
    double sum = 0;
    if (loss_ppm == 0)
        seeds = 1;
    if (table == IDEAL) { /* full segments, or such as fill the buffer: what is better */
        double full = mean_of_ideal(buffer_bytes, MSS, loss_ppm, seeds);
        double fitting = mean_of_ideal(buffer_bytes, buffer_bytes / count, loss_ppm, seeds);
        return full > fitting ? full : fitting;
    }
    for (uint64_t seed = 1; seed <= seeds; seed++)
        sum += run_cell((enum bench_cc)table, buffer_bytes, loss_ppm, seed, false).kbytes;
    return sum / seeds;
}

/* ---- Workers ----------------------------------------------------------------------------------- */

static void work(struct results *results, const struct options *options)
{
    unsigned int job;
    while ((job = results->next++) < CELLS + probe_count) {
        if (job < probe_count) { /* first, as some of them are long */
            results->probe[job] = probes[job].run(&probes[job]);
        } else {
            unsigned int cell = CELLS - 1 - (job - probe_count);
            unsigned int loss = cell % LOSSES, buffer = cell / LOSSES % BUFFERS,
                         table = cell / LOSSES / BUFFERS;
            results->cell[table][buffer][loss] =
                mean_of_cell(table, buffers_kib[buffer], losses_ppm[loss], options->seeds);
        }
        if (job % 20 == 19)
            fprintf(stderr, "bench-recovery: %u of %u\n", job + 1, (unsigned int)CELLS + probe_count);
    }
}

static bool work_together(struct results *results, const struct options *options)
{
    bool good = true;
    uint32_t begun = 0;
    for (; begun + 1 < options->jobs; begun++) {
        pid_t pid = fork();
        if (pid < 0)
            break;
        if (pid == 0) {
            work(results, options);
            _exit(0);
        }
    }
    work(results, options);
    for (; begun > 0; begun--) {
        int status = 1;
        good &= wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    return good;
}

/* ---- What is printed --------------------------------------------------------------------------- */

static void print_tables(const struct results *r)
{
    static const char *const title[] = {"no congestion control at both ends", "CUBIC", "Reno",
                                        "a model: an ideal Reno sender with perfect SACK (ideal.c)"};
    for (unsigned int table = 0; table <= IDEAL; table++) {
        printf("[%s] kB/s, %s\n%10s", table == IDEAL ? "ideal" : bench_cc_name[table], title[table],
               "KiB \\ loss");
        for (unsigned int loss = 0; loss < LOSSES; loss++)
            printf(" %8.1f%%", losses_ppm[loss] / 1e4);
        for (unsigned int buffer = 0; buffer < BUFFERS; buffer++) {
            printf("\n%10u", buffers_kib[buffer]);
            for (unsigned int loss = 0; loss < LOSSES; loss++)
                printf(" %9.2f", r->cell[table][buffer][loss]);
        }
        printf("\n\n");
    }
}

static void print_goal(const char *name, double value, const char *unit, double goal, bool at_least)
{
    bool met = at_least ? value >= goal : value <= goal;
    printf("%s  %s: %.3g%s (goal %s %g)\n", met ? "PASS" : "MISS", name, value, unit,
           at_least ? ">=" : "<=", goal);
}

static unsigned int index_of(const uint32_t *list, unsigned int count, uint32_t value)
{
    unsigned int i = 0;
    while (i < count && list[i] != value)
        i++;
    return i;
}

static void print_published(const struct results *r)
{
    unsigned int buffer = index_of(buffers_kib, BUFFERS, 32);
    for (unsigned int i = 0; i < PUBLISHED; i++) {
        char name[80];
        double ours = r->cell[BENCH_NONE][buffer][index_of(losses_ppm, LOSSES, published[i].loss_ppm)];
        (void)snprintf(name, sizeof name, "none, 32 KiB, %g %% loss, %g kB/s; smoltcp has %g",
                       published[i].loss_ppm / 1e4, ours, published[i].smoltcp);
        print_goal(name, ours / published[i].smoltcp, " x", published[i].goal, true);
    }
}

static void print_ideal(const struct results *r, enum bench_cc cc)
{
    unsigned int worst_buffer = 0, worst_loss = 0, below = 0;
    double worst = 1e9;
    char name[120];
    for (unsigned int buffer = 0; buffer < BUFFERS; buffer++)
        for (unsigned int loss = 0; loss < LOSSES; loss++) {
            double ratio = r->cell[cc][buffer][loss] / r->cell[IDEAL][buffer][loss];
            below += ratio < IDEAL_GOAL;
            if (ratio >= worst)
                continue;
            worst = ratio;
            worst_buffer = buffer;
            worst_loss = loss;
        }
    (void)snprintf(name, sizeof name,
                   "%s beside ideal Reno, %u of %u cells below the goal, worst at %u KiB and %g %%",
                   bench_cc_name[cc], below, (unsigned int)(BUFFERS * LOSSES), buffers_kib[worst_buffer],
                   losses_ppm[worst_loss] / 1e4);
    print_goal(name, worst, " x", IDEAL_GOAL, true);
}

static void print_probes(const struct results *r)
{
    for (unsigned int i = 0; i < probe_count; i++) {
        const struct probe *p = &probes[i];
        if (r->probe[i] < 0)
            printf("SKIP  %s: valgrind, which counts instructions, did not run\n", p->name);
        else
            print_goal(p->name, r->probe[i], p->unit, p->goal, p->at_least);
    }
}

static int bench(const struct options *options)
{
    struct results *r = mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (r == MAP_FAILED || probe_count > PROBES_MAX)
        bench_fail("no memory for the results");
    if (!work_together(r, options))
        bench_fail("a worker has failed");
    printf("Loss recovery of rill, by make bench-recovery: two engines, virtual time, 100 ms RTT, MTU 1500,\n"
           "loss in both directions, SO_SNDBUF = SO_RCVBUF, mean of %u runs; SAVE=yes writes this anew.\n\n",
           options->seeds);
    print_tables(r);
    print_published(r);
    print_ideal(r, BENCH_CUBIC);
    print_ideal(r, BENCH_RENO);
    print_probes(r);
    return fflush(stdout) == 0 ? 0 : 1;
}

/* ---- Command line ------------------------------------------------------------------------------ */

static int misuse(void)
{
    fputs(usage, stderr);
    return 2;
}

static int one_cell(const char *text, const struct options *options)
{
    char name[8], more;
    unsigned int buffer_kib, cc = 0;
    double loss, sum = 0;
    uint32_t seeds = options->seeds;
    if (sscanf(text, "%7[a-z],%u,%lf%c", name, &buffer_kib, &loss, &more) != 3)
        return misuse();
    while (cc < BENCH_CCS && strcmp(bench_cc_name[cc], name) != 0)
        cc++;
    if (cc == BENCH_CCS || buffer_kib < 2 || buffer_kib > 4096 || !(loss >= 0 && loss < 100))
        return misuse();
    if (options->trace != 0) {
        (void)run_cell((enum bench_cc)cc, buffer_kib * 1024, (uint32_t)(loss * 1e4 + 0.5), options->trace,
                       true);
        return 0;
    }
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct run run =
            run_cell((enum bench_cc)cc, buffer_kib * 1024, (uint32_t)(loss * 1e4 + 0.5), seed, false);
        printf("seed %2u: %9.2f kB/s, %llu segments sent again, %llu timeouts\n", (unsigned int)seed,
               run.kbytes, (unsigned long long)run.resent, (unsigned long long)run.timeouts);
        sum += run.kbytes;
    }
    printf("mean:    %9.2f kB/s; ideal Reno: %.2f\n", sum / seeds,
           mean_of_cell(IDEAL, buffer_kib, (uint32_t)(loss * 1e4 + 0.5), seeds));
    return 0;
}

static bool number(const char *text, uint32_t max, uint32_t *out)
{
    char *end;
    unsigned long value = text != NULL ? strtoul(text, &end, 10) : 0;
    if (text == NULL || text[0] < '0' || text[0] > '9' || *end != 0 || value > max)
        return false;
    *out = (uint32_t)value;
    return true;
}

int main(int argc, char **argv)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    struct options options = {.seeds = SEEDS,
                              .jobs = processors > 0 ? min_u32((uint32_t)processors, JOBS_MAX) : 1};
    const char *cell = NULL;
    uint32_t pattern;
    for (int i = 1; i < argc; i++) {
        const char *value = argv[i + 1];
        if (strcmp(argv[i], "--help") == 0)
            return fputs(usage, stdout) >= 0 ? 0 : 1;
        if (strcmp(argv[i], "--quick") == 0) {
            options.seeds = SEEDS_QUICK;
            continue;
        }
        if (strcmp(argv[i], "--work") == 0 && number(value, WORK_PATTERNS - 1, &pattern)) /* by work.c only */
            return printf("segments %u\n", work_run((enum work_pattern)pattern)) > 0 ? 0 : 1;
        if (strcmp(argv[i], "--cell") == 0 && value != NULL)
            cell = value;
        else if (!(strcmp(argv[i], "--trace") == 0 && number(value, UINT32_MAX, &options.trace)) &&
                 !(strcmp(argv[i], "--seeds") == 0 && number(value, 100000, &options.seeds)) &&
                 !(strcmp(argv[i], "--jobs") == 0 && number(value, JOBS_MAX, &options.jobs)))
            return misuse();
        i++;
    }
    if (options.seeds == 0 || options.jobs == 0 || (options.trace != 0 && cell == NULL))
        return misuse();
    return cell != NULL ? one_cell(cell, &options) : bench(&options);
}
