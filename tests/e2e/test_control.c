/* test_control.c - the control socket and `rill ss`, `rill link`, `rill stat`: what they say against what the
 * kernel says of the same connection, who may ask, and what is left behind. */
#include "test.h"

#include "json_check.h"
#include "rill_engine.h"
#include "scene.h"

#include <ctype.h>
#include <grp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#define SOCKET "rill/rill0.sock" /* in the directory of the scene */
enum { NOBODY = 65534, ANSWER_BYTES = 65536 };

/* The scene's directory is the user's runtime directory. */
static struct command serve(const char *const *argv)
{
    char here[256];
    CHECK(getcwd(here, sizeof here) != NULL);
    CHECK(setenv("XDG_RUNTIME_DIR", here, 1) == 0 && unsetenv("RILL_CONTROL") == 0);
    return scene_serve(argv);
}

static int control_connect_to(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    CHECK(strlen(path) < sizeof addr.sun_path);
    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    if (connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0) {
        scene_limit_reads(fd, 10);
        return fd;
    }
    int error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

/* The whole answer to what is sent. */
static const char *request(const char *text)
{
    static char answer[ANSWER_BYTES];
    int fd = control_connect_to(SOCKET);
    CHECK(fd >= 0);
    kernel_write(fd, text, strlen(text));
    size_t len = kernel_read(fd, answer, sizeof answer - 1);
    answer[len] = '\0';
    (void)close(fd);
    return answer;
}

static void expect(const char *script, int status, const char *said)
{
    static char out[COMMAND_TEXT_BYTES];
    int ended = scene_try(out, "%s", script);
    if (ended != status || strcmp(out, said) != 0)
        (void)fprintf(stderr, "%s\nended with status %d and said:\n%s", script, ended, out);
    CHECK(ended == status && strcmp(out, said) == 0);
}

/* ---- What is said -------------------------------------------------------------------------------------- */

static void json_checker__refuses_what_is_broken(void **state)
{
    static const char *const broken[] = {"",
                                         "[]\n",
                                         "{",
                                         "{}",
                                         "{}\n\n",
                                         "{\"a\":}\n",
                                         "{\"a\":1,}\n",
                                         "{\"a\" 1}\n",
                                         "{\"a\":01}\n",
                                         "{\"a\":[1,]}\n",
                                         "{\"a\":\"\\x\"}\n",
                                         "{\"a\":\"\t\"}\n",
                                         "{\"a\":nil}\n",
                                         "{a:1}\n",
                                         "{\"a\":[1}\n"};
    (void)state;
    assert_true(is_json("{}\n"));
    assert_true(is_json("{\"a\":[1,{\"b\":null}, true],\"c\":\"\\u0001\\\"x\"}\n"));
    for (size_t i = 0; i < COUNT_OF(broken); i++)
        assert_false(is_json(broken[i]));
}

/* The number behind `name` in the text; as JSON and as ss have it. */
static uint64_t number_after(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    if (at == NULL || !isdigit((unsigned char)at[strlen(name)])) {
        (void)fprintf(stderr, "no number behind %s in:\n%s\n", name, text);
        _exit(1);
    }
    return strtoull(at + strlen(name), NULL, 10);
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in addr = {0};
    socklen_t len = sizeof addr;
    CHECK(getsockname(fd, (struct sockaddr *)&addr, &len) == 0);
    return ntohs(addr.sin_port);
}

/* One echo of 5000 bytes: each side tells the same of it.  The kernel counts the SYN as acknowledged. */
static void body_ss__agrees_with_the_kernels_ss(void)
{
    static char kernels[COMMAND_TEXT_BYTES], ours[COMMAND_TEXT_BYTES], line[128];
    static uint8_t data[5000];
    unsigned us[2], them[2];
    scene_needs("ss");
    struct command rill = serve(ARGV("echo"));
    int fd = kernel_connect(7);
    kernel_write(fd, data, sizeof data);
    CHECK(kernel_read(fd, data, sizeof data) == sizeof data);
    sleep_ms(100); /* the last ACK, which may be delayed */
    CHECK(scene_try(kernels, "ss -tinH dst 10.77.0.2") == 0);
    CHECK(scene_try(ours, "$RILL ss -tino") == 0);
    const char *json = request("ss\n");
    CHECK(is_json(json));
    (void)snprintf(line, sizeof line, "ESTAB 0 0 10.77.0.2:7 10.77.0.1:%u", port_of(fd));
    scene_do("$RILL ss | tail -n +2 | tr -s ' ' | grep -Fx '%s'", line);
    CHECK(number_after(json, "\"bytes_acked\":") == 5000);
    CHECK(number_after(json, "\"bytes_received\":") == 5000);
    CHECK(number_after(ours, "bytes_acked:") == number_after(kernels, "bytes_received:"));
    CHECK(number_after(ours, "bytes_received:") == number_after(kernels, "bytes_acked:") - 1);
    /* Of the MSS of 1460 the timestamps, which both have, take 12 (RFC 6691; RFC 7323 appendix A). */
    CHECK(number_after(ours, " mss:") == 1448 && number_after(kernels, " mss:") == 1448);
    CHECK(strstr(ours, "\t ts sack cubic wscale:") != NULL && strstr(json, "\"cc\":\"cubic\"") != NULL);
    CHECK(number_after(json, "\"rport\":") == port_of(fd) && number_after(json, "\"lport\":") == 7);
    CHECK(number_after(json, "\"snd_wscale\":") == number_after(strstr(ours, "wscale:"), "wscale:"));
    CHECK(sscanf(strstr(ours, "wscale:"), "wscale:%u,%u", &us[0], &us[1]) == 2);
    CHECK(sscanf(strstr(kernels, "wscale:"), "wscale:%u,%u", &them[0], &them[1]) == 2);
    CHECK(us[0] == them[1] && us[1] == them[0]);
    if (strstr(kernels, "snd_wnd:") != NULL) /* since Linux 5.4 */
        CHECK(number_after(kernels, "snd_wnd:") == number_after(json, "\"rcv_wnd\":"));
    CHECK(strstr(ours, "limited:application") != NULL && strstr(json, "\"limit\":\"APPLICATION\"") != NULL);
    (void)close(fd);
    scene_stop(&rill);
}
SCENE(ss__agrees_with_the_kernels_ss)

/* What `slow` does not read waits in the stack: Recv-Q. */
static void body_ss__unread_bytes__are_recv_q(void)
{
    uint8_t data[1000] = {0};
    struct command rill = serve(ARGV("slow"));
    int fd = kernel_connect(9000);
    kernel_write(fd, data, sizeof data);
    scene_await("$RILL ss | grep -q '^ESTAB *99[0-9] '");
    (void)close(fd);
    scene_await("$RILL ss | grep -q '^CLOSE-WAIT '");
    scene_stop(&rill);
}
SCENE(ss__unread_bytes__are_recv_q)

/* Everything of the peer's side is lost: our segment stays in flight, and its timer runs. */
static void body_ss__lost_segment__shows_send_q_and_the_timer(void)
{
    struct command rill = serve(ARGV("echo"));
    int fd = kernel_connect(7);
    scene_do("$RILL link out 'loss 100%%'");
    kernel_write(fd, "hello", 5);
    scene_await("$RILL ss -o | grep -q '^ESTAB *0 *5 .*timer:(on,.*,[1-9])'");
    scene_await("$RILL ss -i | grep -q 'unacked:1'");
    scene_do("$RILL link out none");
    char back[5];
    CHECK(kernel_read(fd, back, 5) == 5 && memcmp(back, "hello", 5) == 0);
    scene_await("$RILL ss -o | grep -q '^ESTAB *0 *0 '");
    (void)close(fd);
    scene_stop(&rill);
}
SCENE(ss__lost_segment__shows_send_q_and_the_timer)

/* As ss(8): without -a and -l only connections. */
static void body_ss__a_and_l__choose_states(void)
{
    struct command rill = serve(ARGV("echo", "discard"));
    expect("$RILL ss | wc -l", 0, "1\n");
    expect("$RILL ss -l | tail -n +2 | tr -s ' '", 0,
           "LISTEN 0 128 0.0.0.0:7 0.0.0.0:*\nLISTEN 0 128 0.0.0.0:9 0.0.0.0:*\n");
    scene_do("nc -N 10.77.0.2 9 </dev/null"); /* the kernel closes first: TIME-WAIT is there */
    int fd = kernel_connect(7);
    expect("$RILL ss -a | wc -l", 0, "4\n");
    expect("$RILL ss -l | wc -l", 0, "3\n");
    expect("$RILL ss -t -n | wc -l", 0, "2\n");
    CHECK(is_json(request("ss all\n")) && is_json(request("ss listen\n")));
    expect("test \"$($RILL ss -l --json | grep -c '\"state\":\"LISTEN\"')\" = 2", 0, "");
    (void)close(fd);
    scene_stop(&rill);
}
SCENE(ss__a_and_l__choose_states)

static void body_stat__counts__and_knows_every_counter(void)
{
    char line[32];
    scene_needs("ping");
    struct command rill = serve(ARGV("echo"));
    scene_do("ping -qc3 -i0.01 10.77.0.2");
    scene_do("$RILL stat | grep -Eq '^ +3  ECHO_REPLY +ICMP echo replies sent$'");
    scene_do("! $RILL stat | grep -q RTO_FIRED");
    scene_do("$RILL stat -a | grep -Eq '^ +0  RTO_FIRED +retransmission timer expiries$'");
    (void)snprintf(line, sizeof line, "%d\n", RILL_EVENT_COUNT + 1); /* and the memory */
    expect("$RILL stat --all | wc -l", 0, line);
    const char *json = request("stat\n");
    CHECK(is_json(json));
    CHECK(number_after(json, "\"ECHO_REPLY\":") == 3);
    CHECK(number_after(json, "\"memory_bytes\":") > 1000);
    scene_stop(&rill);
}
SCENE(stat__counts__and_knows_every_counter)

static void body_link__changes__take_effect_at_once(void)
{
    scene_needs("ping");
    struct command rill = serve(ARGV("echo"));
    expect("$RILL link", 0, "in  none\nout none\n");
    scene_do("ping -qc1 -W5 10.77.0.2");
    expect("$RILL link in 'loss 100%'", 0, "in  loss 100%\n");
    scene_do("! ping -qc3 -i0.01 -W1 10.77.0.2");
    expect("$RILL link", 0, "in  loss 100%\nout none\n");
    expect("$RILL link in none", 0, "in  none\n");
    scene_do("ping -qc3 -i0.01 -W5 10.77.0.2 | grep ' 0%% packet loss'");
    scene_do("$RILL link out delay 30ms");
    scene_do("ping -qc1 -W5 10.77.0.2 | grep -E '= (29.[5-9]|[3-9][0-9])'");
    CHECK(is_json(request("link\n")));
    scene_stop(&rill);
}
SCENE(link__changes__take_effect_at_once)

/* The message is the stack's own and names the place. */
static void body_link__wrong_words__are_refused_with_2(void)
{
    static char out[COMMAND_TEXT_BYTES];
    struct command rill = serve(ARGV("echo"));
    CHECK(scene_try(out, "$RILL link in 'loss 5%% dealy 3ms'") == 2);
    CHECK(strncmp(out, "rill link: ", 11) == 0 && strstr(out, "dealy") != NULL);
    expect("$RILL link", 0, "in  none\nout none\n");
    expect("$RILL link inn none", 2, "rill link: 'inn' is neither in nor out\nTry 'rill link --help'.\n");
    CHECK(strstr(request("link sideways none\n"), "\"status\":2}") != NULL);
    scene_stop(&rill);
}
SCENE(link__wrong_words__are_refused_with_2)

static void body_commands__without_a_stack__say_how_to_start_one(void)
{
    char here[256], said[1024];
    CHECK(getcwd(here, sizeof here) != NULL);
    CHECK(setenv("XDG_RUNTIME_DIR", here, 1) == 0 && unsetenv("RILL_CONTROL") == 0);
    static const char *const names[] = {"ss", "link", "stat"};
    for (int i = 0; i < 3; i++) {
        char script[64];
        (void)snprintf(script, sizeof script, "$RILL %s", names[i]);
        (void)snprintf(said, sizeof said,
                       "rill %s: no stack answers at %s/" SOCKET ": No such file or directory\n"
                       "Start one with 'rill serve' or 'rill lab'.\n",
                       names[i], here);
        expect(script, 1, said);
    }
    struct command rill = serve(ARGV("--tun", "other0", "echo"));
    (void)snprintf(said, sizeof said,
                   "rill ss: no stack answers at %s/" SOCKET ": No such file or directory\n"
                   "Pick one with --tun; there are: other0\n",
                   here);
    expect("$RILL ss", 1, said);
    scene_do("$RILL ss --tun other0");
    scene_stop(&rill);
}
SCENE(commands__without_a_stack__say_how_to_start_one)

static void commands__wrong_options__are_usage_errors(void **state)
{
    static const struct {
        const char *argv[4], *message;
    } cases[] = {
        {{"ss", "-x"}, "rill ss: unknown option '-x'\nTry 'rill ss --help'.\n"},
        {{"ss", "foo"}, "rill ss: 'foo' is one argument too many\nTry 'rill ss --help'.\n"},
        {{"stat", "7"}, "rill stat: '7' is one argument too many\nTry 'rill stat --help'.\n"},
        {{"link", "--tun"}, "rill link: option '--tun' needs a value\nTry 'rill link --help'.\n"},
    };
    static struct command_result result;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        command_run(cases[i].argv, "", &result);
        assert_int_equal(result.status, 2);
        assert_string_equal(result.err, cases[i].message);
        assert_string_equal(result.out, "");
    }
}

static void help__fits_80_columns(void **state)
{
    static const char *const names[] = {"ss", "link", "stat"};
    static struct command_result result;
    (void)state;
    for (int i = 0; i < 3; i++) {
        command_run((const char *const[]){names[i], "--help", NULL}, "", &result);
        assert_int_equal(result.status, 0);
        assert_memory_equal(result.out, "usage: rill ", 12);
        for (char *line = strtok(result.out, "\n"); line != NULL; line = strtok(NULL, "\n"))
            assert_true(strlen(line) <= 80);
    }
}

/* ---- The file ------------------------------------------------------------------------------------------ */

static mode_t mode_of(const char *path)
{
    struct stat info;
    CHECK(lstat(path, &info) == 0 && info.st_uid == geteuid());
    return info.st_mode;
}

static bool is_there(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

static void body_socket__is_the_users_alone__and_goes_with_the_stack(void)
{
    (void)umask(0); /* must not matter */
    struct command rill = serve(ARGV("echo"));
    CHECK(mode_of("rill") == (S_IFDIR | 0700));
    CHECK(mode_of(SOCKET) == (S_IFSOCK | 0600));
    scene_stop(&rill);
    CHECK(!is_there(SOCKET));
}
SCENE(socket__is_the_users_alone__and_goes_with_the_stack)

static void body_stale_socket__is_replaced(void)
{
    struct command rill = serve(ARGV("echo"));
    CHECK(kill(rill.pid, SIGKILL) == 0 && command_wait(&rill) == 128 + SIGKILL);
    CHECK(is_there(SOCKET));
    expect("$RILL ss 2>&1 | grep -o 'Connection refused'", 0, "Connection refused\n");
    scene_await("! ip link show rill0 2>/dev/null");
    scene_do("ln " SOCKET " rill/lab-1234.sock; touch rill/not-one.sock rill/note");
    rill = serve(ARGV("echo"));
    scene_do("$RILL ss");
    expect("ls rill", 0, "not-one.sock\nnote\nrill0.sock\n"); /* and with it all that is stale */
    scene_stop(&rill);
    CHECK(!is_there(SOCKET));
}
SCENE(stale_socket__is_replaced)

/* The same device name in another namespace: nobody takes the other's place. */
static void body_second_stack_of_that_name__gets_a_name_of_its_own(void)
{
    char name[64], script[128];
    struct command first = serve(ARGV("echo"));
    scene_enter(scene_namespace());
    struct command second = serve(ARGV("discard"));
    (void)snprintf(name, sizeof name, "rill0-%d", (int)second.pid);
    expect("$RILL ss -l | tail -n +2 | tr -s ' '", 0, "LISTEN 0 128 0.0.0.0:7 0.0.0.0:*\n");
    (void)snprintf(script, sizeof script, "$RILL ss -l --tun %s | tail -n +2 | tr -s ' '", name);
    expect(script, 0, "LISTEN 0 128 0.0.0.0:9 0.0.0.0:*\n");
    scene_stop(&second);
    scene_do("test \"$(ls rill)\" = rill0.sock");
    scene_stop(&first);
}
SCENE(second_stack_of_that_name__gets_a_name_of_its_own)

/* What is no socket of ours stays, and the stack works without one. */
static void expect_no_socket(const char *why)
{
    static char seen[COMMAND_TEXT_BYTES], here[256];
    CHECK(getcwd(here, sizeof here) != NULL && setenv("XDG_RUNTIME_DIR", here, 1) == 0);
    seen[0] = '\0';
    struct command rill = command_start(ARGV("serve", "--stats", "echo"));
    CHECK(command_read_until(rill.out, "Ctrl-C ends it.\n", seen));
    CHECK(strstr(seen, why) != NULL);
    int fd = kernel_connect(7);
    kernel_write(fd, "x", 1);
    CHECK(kernel_read(fd, seen, 1) == 1);
    (void)close(fd);
    scene_stop(&rill);
}

static void body_what_lies_in_its_place__is_left_alone(void)
{
    CHECK(unsetenv("RILL_CONTROL") == 0);
    scene_do("mkdir -m 700 rill; echo precious >target; ln -s ../target " SOCKET);
    expect_no_socket("File exists");
    expect("cat target; readlink " SOCKET, 0, "precious\n../target\n");
    scene_do("rm " SOCKET "; echo precious >" SOCKET);
    expect_no_socket("File exists");
    expect("cat " SOCKET, 0, "precious\n");
    scene_do("rm " SOCKET "; chmod 755 rill"); /* others could look in */
    expect_no_socket("Operation not permitted");
    scene_do("rmdir rill; mkdir -m 700 elsewhere; ln -s elsewhere rill");
    expect_no_socket("Not a directory");
    scene_do("test -z \"$(ls elsewhere)\"");
}
SCENE(what_lies_in_its_place__is_left_alone)

/* ---- Who may ask --------------------------------------------------------------------------------------- */

/* In a process of another user: 0 refused by the file system, 1 connected and hung up on without an answer, 2
 * answered. */
static int as_nobody(void)
{
    static char byte;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        if (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
            _exit(77);
        int fd = control_connect_to(SOCKET);
        if (fd < 0)
            _exit(errno == EACCES ? 0 : 9);
        (void)send(fd, "stat\n", 5, MSG_NOSIGNAL);
        _exit(recv(fd, &byte, 1, 0) == 1 ? 2 : 1);
    }
    return scene_join(pid);
}

static void body_other_user__is_refused_by_modes_and_by_credentials(void)
{
    struct command rill = serve(ARGV("echo"));
    CHECK(chmod(".", 0755) == 0);
    int result = as_nobody();
    if (result == 77) {
        scene_stop(&rill);
        netns_skip("only root can become another user");
    }
    CHECK(result == 0);
    CHECK(chmod("rill", 0755) == 0);
    CHECK(as_nobody() == 0); /* the socket's own mode */
    CHECK(chmod(SOCKET, 0666) == 0);
    CHECK(as_nobody() == 1); /* SO_PEERCRED */
    CHECK(chmod("rill", 0700) == 0);
    scene_do("$RILL stat");
    scene_stop(&rill);
}
SCENE(other_user__is_refused_by_modes_and_by_credentials)

/* ---- Bounds -------------------------------------------------------------------------------------------- */

static void body_requests__senseless_or_too_long__are_answered_with_an_error(void)
{
    static char text[5000];
    static const char *const senseless[] = {"\n", "ss7\n", "s\n", "\x01\xff\"\\\n", "link in \x01\xff\"\\\n"};
    struct command rill = serve(ARGV("echo"));
    for (size_t i = 0; i < COUNT_OF(senseless); i++) {
        const char *answer = request(senseless[i]);
        CHECK(is_json(answer) && strncmp(answer, "{\"error\":", 9) == 0);
        CHECK(strstr(answer, "\"status\":2}") != NULL);
    }
    memset(text, 'x', 4097);
    CHECK(strstr(request(text), "longer than 4096 bytes") != NULL);
    memset(text, 'x', 4095);
    text[4095] = '\n';
    text[4096] = '\0';
    CHECK(strstr(request(text), "unknown request") != NULL);
    scene_stop(&rill);
}
SCENE(requests__senseless_or_too_long__are_answered_with_an_error)

/* More than can be served, all silent: each is hung up on after a second, and the services never wait. */
static void body_silent_clients__hold_up_nobody(void)
{
    enum { SILENT = 12 };
    int silent[SILENT];
    char byte;
    struct command rill = serve(ARGV("echo"));
    int64_t begin_us = mono_us();
    for (int i = 0; i < SILENT; i++)
        CHECK((silent[i] = control_connect_to(SOCKET)) >= 0);
    int fd = kernel_connect(7);
    for (int i = 0; i < 20; i++) {
        kernel_write(fd, "x", 1);
        CHECK(kernel_read(fd, &byte, 1) == 1);
    }
    CHECK(mono_us() - begin_us < 900000);
    CHECK(read(silent[0], &byte, 1) == 0);
    int64_t took_us = mono_us() - begin_us;
    CHECK(took_us > 800000 && took_us < 3000000);
    scene_do("$RILL ss"); /* after those that waited, at the latest */
    for (int i = 0; i < SILENT; i++)
        (void)close(silent[i]);
    (void)close(fd);
    scene_stop(&rill);
}
SCENE(silent_clients__hold_up_nobody)

/* ---- In a lab ------------------------------------------------------------------------------------------ */

static void body_lab__its_shell_reaches_its_own_stack(void)
{
    char here[256];
    CHECK(getcwd(here, sizeof here) != NULL && setenv("XDG_RUNTIME_DIR", here, 1) == 0);
    struct command other = serve(ARGV("discard")); /* of the same device name, outside */
    expect("$RILL lab echo -- $RILL ss -l | tail -n +2 | tr -s ' '", 0, "LISTEN 0 128 0.0.0.0:7 0.0.0.0:*\n");
    scene_do("$RILL lab echo -- sh -c 'test -S \"$RILL_CONTROL\" && $RILL link in \"loss 100%%\" &&"
             " ! ping -c1 -W1 10.77.0.2 && $RILL link in none && ping -c1 -W5 10.77.0.2'");
    scene_do("test \"$(ls rill)\" = rill0.sock");
    scene_stop(&other);
}
SCENE(lab__its_shell_reaches_its_own_stack)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_checker__refuses_what_is_broken),
        cmocka_unit_test(ss__agrees_with_the_kernels_ss),
        cmocka_unit_test(ss__unread_bytes__are_recv_q),
        cmocka_unit_test(ss__lost_segment__shows_send_q_and_the_timer),
        cmocka_unit_test(ss__a_and_l__choose_states),
        cmocka_unit_test(stat__counts__and_knows_every_counter),
        cmocka_unit_test(link__changes__take_effect_at_once),
        cmocka_unit_test(link__wrong_words__are_refused_with_2),
        cmocka_unit_test(commands__without_a_stack__say_how_to_start_one),
        cmocka_unit_test(commands__wrong_options__are_usage_errors),
        cmocka_unit_test(help__fits_80_columns),
        cmocka_unit_test(socket__is_the_users_alone__and_goes_with_the_stack),
        cmocka_unit_test(stale_socket__is_replaced),
        cmocka_unit_test(second_stack_of_that_name__gets_a_name_of_its_own),
        cmocka_unit_test(what_lies_in_its_place__is_left_alone),
        cmocka_unit_test(other_user__is_refused_by_modes_and_by_credentials),
        cmocka_unit_test(requests__senseless_or_too_long__are_answered_with_an_error),
        cmocka_unit_test(silent_clients__hold_up_nobody),
        cmocka_unit_test(lab__its_shell_reaches_its_own_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
