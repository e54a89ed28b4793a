/* test_cli.c - what `rill` says about itself and about wrong command lines.  Needs no TUN. */
#include "test.h"

#include "command.h"
#include "netns.h"
#include "rill.h"

#define ARGV_MAX 8
#define SERVICES "there are echo, discard, daytime, chargen, slow, http and talk"

struct wrong {
    const char *argv[ARGV_MAX];
    const char *message; /* the whole of standard error */
};

#define TRY(name) "Try '" name " --help'.\n"

static void expect_usage_errors(const struct wrong *cases, size_t count)
{
    static struct command_result result;
    for (size_t i = 0; i < count; i++) {
        command_run(cases[i].argv, "", &result);
        assert_string_equal(result.err, cases[i].message);
        assert_string_equal(result.out, "");
        assert_int_equal(result.status, 2);
    }
}

static void version__is_that_of_the_header(void **state)
{
    static struct command_result result;
    (void)state;
    for (int i = 0; i < 2; i++) {
        command_run((const char *const[]){i == 0 ? "--version" : "-V", NULL}, "", &result);
        assert_string_equal(result.out, "rill " RILL_VERSION "\n");
        assert_string_equal(result.err, "");
        assert_int_equal(result.status, 0);
    }
}

/* Begins with the usage, names each option that there is, and fits a terminal. */
static void help__goes_to_standard_output__80_columns(void **state)
{
    static const struct {
        const char *argv[ARGV_MAX], *begin, *names[12];
    } cases[] = {
        {{"--help"}, "usage: rill COMMAND ", {"serve", "nc", "lab", "--help", "--version"}},
        {{"-h"}, "usage: rill COMMAND ", {"serve"}},
        {{"serve", "--help"},
         "usage: rill serve ",
         {"--tun", "--addr", "--peer", "--mtu", "-v", "--verbose", "--log", "--stats", "echo", "slow", "http",
          "talk"}},
        {{"serve", "-h"}, "usage: rill serve ", {"--tun"}},
        {{"nc", "--help"}, "usage: rill nc ", {"-l", "-N", "--tun", "--addr", "--peer", "--mtu", "-v"}},
        {{"lab", "--help"},
         "usage: rill lab ",
         {"--bare", "--web", "--no-web", "--tun", "--addr", "--peer", "--mtu", "-v"}},
        {{"lab", "-v", "--help", "--", "true"}, "usage: rill lab ", {"--bare"}},
    };
    static struct command_result result;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        command_run(cases[i].argv, "", &result);
        assert_int_equal(result.status, 0);
        assert_string_equal(result.err, "");
        assert_memory_equal(result.out, cases[i].begin, strlen(cases[i].begin));
        for (size_t k = 0; k < COUNT_OF(cases[i].names) && cases[i].names[k] != NULL; k++)
            assert_non_null(strstr(result.out, cases[i].names[k]));
        for (char *line = strtok(result.out, "\n"); line != NULL; line = strtok(NULL, "\n"))
            assert_true(strlen(line) <= 80);
    }
}

static void command__none__prints_usage_and_exits_2(void **state)
{
    static struct command_result result;
    const char *const argv[] = {NULL};
    (void)state;
    command_run(argv, "", &result);
    assert_int_equal(result.status, 2);
    assert_string_equal(result.out, "");
    assert_memory_equal(result.err, "usage: rill ", 12);
}

static void options__wrong__are_named(void **state)
{
    static const struct wrong cases[] = {
        {{"sreve"}, "rill: unknown command 'sreve'\n" TRY("rill")},
        {{"--sreve"}, "rill: unknown option '--sreve'\n" TRY("rill")},
        {{"serve", "--nonsense"}, "rill serve: unknown option '--nonsense'\n" TRY("rill serve")},
        {{"serve", "-x"}, "rill serve: unknown option '-x'\n" TRY("rill serve")},
        {{"serve", "--stats", "-vx"}, "rill serve: unknown option '-x'\n" TRY("rill serve")},
        {{"serve", "--stats=3"}, "rill serve: option '--stats=3' takes no value\n" TRY("rill serve")},
        {{"serve", "--mtu"}, "rill serve: option '--mtu' needs a value\n" TRY("rill serve")},
        {{"nc", "--tun"}, "rill nc: option '--tun' needs a value\n" TRY("rill nc")},
        {{"lab", "-N"}, "rill lab: unknown option '-N'\n" TRY("rill lab")},
    };
    (void)state;
    expect_usage_errors(cases, COUNT_OF(cases));
}

static void values__out_of_range__are_named(void **state)
{
#define MTU(value)                                                                                           \
    {                                                                                                        \
        {"serve", "--mtu", value},                                                                           \
            "rill serve: --mtu: '" value "' is not a number from 68 to 65535\n" TRY("rill serve")            \
    }
#define ADDR(value)                                                                                          \
    {                                                                                                        \
        {"nc", "--addr", value}, "rill nc: --addr: '" value "' is not an IPv4 address\n" TRY("rill nc")      \
    }
#define PEER(value)                                                                                          \
    {                                                                                                        \
        {"lab", "--peer", value},                                                                            \
            "rill lab: --peer: '" value "' is not an IPv4 address with /1 to /30\n" TRY("rill lab")          \
    }
    static const struct wrong cases[] = {
        MTU("67"),
        MTU("65536"),
        MTU("-1"),
        MTU("1500x"),
        MTU(""),
        MTU("99999999999999999999"),
        ADDR("10.77.0"),
        ADDR("10.77.0.256"),
        ADDR("stack"),
        ADDR(""),
        PEER("10.77.0.1"),
        PEER("10.77.0.1/0"),
        PEER("10.77.0.1/31"),
        PEER("10.77.0/24"),
        {{"serve", "--tun", "sixteen-bytes-xx"},
         "rill serve: --tun: 'sixteen-bytes-xx' is not a device name (1 to 15 bytes)\n" TRY("rill serve")},
        {{"serve", "--tun", ""},
         "rill serve: --tun: '' is not a device name (1 to 15 bytes)\n" TRY("rill serve")},
    };
    (void)state;
    expect_usage_errors(cases, COUNT_OF(cases));
}

static void services__unknown_or_misplaced__are_named(void **state)
{
#define PORT(word)                                                                                           \
    {                                                                                                        \
        {"serve", word},                                                                                     \
            "rill serve: '" word "': the port is not a number from 1 to 65535\n" TRY("rill serve")           \
    }
    static const struct wrong cases[] = {
        {{"serve", "eco"}, "rill serve: unknown service 'eco'; " SERVICES "\n" TRY("rill serve")},
        {{"serve", "echoes:7"}, "rill serve: unknown service 'echoes'; " SERVICES "\n" TRY("rill serve")},
        {{"serve", ""}, "rill serve: unknown service ''; " SERVICES "\n" TRY("rill serve")},
        {{"lab", "ping", "-v"},
         "rill lab: unknown service 'ping'; " SERVICES "; a command goes behind --\n" TRY("rill lab")},
        PORT("echo:0"),
        PORT("echo:65536"),
        PORT("echo:"),
        PORT("echo:7x"),
        PORT("talk:-8080"),
        {{"serve", "talk", "talk:81"},
         "rill serve: talk can be named only once: there is one standard input\n" TRY("rill serve")},
        {{"lab", "talk"},
         "rill lab: talk needs the terminal: run 'rill serve talk' in a lab --bare\n" TRY("rill lab")},
        {{"lab", "--bare", "echo"}, "rill lab: --bare and services exclude each other\n" TRY("rill lab")},
        {{"lab", "--web", "0"}, "rill lab: --web: '0' is not a number from 1 to 65535\n" TRY("rill lab")},
        {{"lab", "--web", "1", "--no-web"},
         "rill lab: --web and --no-web exclude each other\n" TRY("rill lab")},
        {{"lab", "--web", "1", "echo"}, "rill lab: --web needs the service http\n" TRY("rill lab")},
        {{"lab", "--bare", "--web", "1"},
         "rill lab: --bare starts no stack, and so there is no page for --web\n" TRY("rill lab")},
        {{"lab", "--"}, "rill lab: there is no command behind '--'\n" TRY("rill lab")},
    };
    (void)state;
    expect_usage_errors(cases, COUNT_OF(cases));
}

static void nc__wrong_arguments__are_named(void **state)
{
    static const struct wrong cases[] = {
        {{"nc"}, "rill nc: a host and a port are needed\n" TRY("rill nc")},
        {{"nc", "10.77.0.1"}, "rill nc: a host and a port are needed\n" TRY("rill nc")},
        {{"nc", "-l"}, "rill nc: -l needs a port\n" TRY("rill nc")},
        {{"nc", "10.77.0.1", "7", "8"}, "rill nc: '8' is one argument too many\n" TRY("rill nc")},
        {{"nc", "localhost", "7"},
         "rill nc: 'localhost' is not an IPv4 address; names are not looked up\n" TRY("rill nc")},
        {{"nc", "10.77.0.1", "0"}, "rill nc: '0': the port is not a number from 1 to 65535\n" TRY("rill nc")},
        {{"nc", "-l", "10.77.0.1", "7"},
         "rill nc: -l: '10.77.0.1' is not the stack's address, which is 10.77.0.2 (--addr)\n" TRY("rill nc")},
    };
    (void)state;
    expect_usage_errors(cases, COUNT_OF(cases));
}

/* Two engines in one process, with losses: what went in comes out, and the report says that packets were
 * lost. */
static void memory_demo__content_comes_back(void **state)
{
    static struct command_result result;
    static char text[12001];
    (void)state;
    for (int i = 0; i < 12000; i++)
        text[i] = (char)('a' + i * i % 23);
    command_run((const char *const[]){"memory-demo", NULL}, text, &result);
    assert_int_equal(result.status, 0);
    assert_string_equal(result.out, text);
    assert_non_null(strstr(result.err, "ping 10.77.0.2: answered"));
    assert_non_null(strstr(result.err, "echoed  hello"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version__is_that_of_the_header),
        cmocka_unit_test(help__goes_to_standard_output__80_columns),
        cmocka_unit_test(command__none__prints_usage_and_exits_2),
        cmocka_unit_test(options__wrong__are_named),
        cmocka_unit_test(values__out_of_range__are_named),
        cmocka_unit_test(services__unknown_or_misplaced__are_named),
        cmocka_unit_test(nc__wrong_arguments__are_named),
        cmocka_unit_test(memory_demo__content_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
