/* test_page.c - `rill lab --web`: the relay from outside, and the page in a real browser. */
#include "test.h"

#include "browser.h"
#include "scene.h"

#include <errno.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

/* The lab's own message: where the page is. */
static struct command lab(const char *const *argv, char url[64])
{
    static char seen[COMMAND_TEXT_BYTES];
    seen[0] = '\0';
    struct command command = command_start(argv);
    CHECK(command_read_until(command.err, "/ shows in a browser what happens\n", seen));
    const char *from = strstr(seen, "http://");
    CHECK(from != NULL);
    (void)snprintf(url, 64, "%.*s", (int)strcspn(from, " "), from);
    return command;
}

static void end(struct command *command)
{
    CHECK(kill(command->pid, SIGTERM) == 0);
    CHECK(command_wait(command) == 128 + SIGTERM); /* that of its sleep */
}

static int open_local(uint16_t port)
{
    struct timeval limit = {10, 0};
    struct sockaddr_in to = addr_of("127.0.0.1", port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    CHECK(close(fd) == 0);
    return -1;
}

/* What one request to the relay gets, up to the end of the stream. */
static const char *ask(uint16_t port, const char *request)
{
    static char answer[65536];
    int fd = open_local(port);
    CHECK(fd >= 0);
    kernel_write(fd, request, strlen(request));
    CHECK(shutdown(fd, SHUT_WR) == 0); /* which the relay passes on */
    answer[kernel_read(fd, answer, sizeof answer - 1)] = '\0';
    CHECK(close(fd) == 0);
    return answer;
}

static bool begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

static void body_lab__the_page_is_where_it_says_and_goes_with_it(void)
{
    char url[64];
    struct command command = lab(ARGV("lab", "--", "sleep", "50"), url);
    CHECK(strcmp(url, "http://127.0.0.1:8077/") == 0);
    CHECK(begins(ask(8077, "GET / HTTP/1.1\r\nHost: 127.0.0.1:8077\r\n\r\n"), "HTTP/1.1 200 "));
    CHECK(begins(ask(8077, "GET / HTTP/1.1\r\nHost: localhost:8077\r\n\r\n"), "HTTP/1.1 200 "));
    CHECK(begins(ask(8077, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), "HTTP/1.1 403 "));
    CHECK(begins(ask(8077, "GET / HTTP/1.1\r\nHost: rebound.example:8077\r\n\r\n"), "HTTP/1.1 403 "));
    CHECK(begins(ask(8077, "POST /stop HTTP/1.1\r\nHost: 127.0.0.1:8077\r\nOrigin: http://127.0.0.1:8077\r\n"
                           "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"),
                 "HTTP/1.1 204 "));
    CHECK(begins(ask(8077, "POST /stop HTTP/1.1\r\nHost: 127.0.0.1:8077\r\nOrigin: http://localhost:8077\r\n"
                           "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"),
                 "HTTP/1.1 403 "));
    end(&command);
    CHECK(open_local(8077) < 0);
}
SCENE(lab__the_page_is_where_it_says_and_goes_with_it)

static void body_lab__port_taken__next_one_or_a_refusal_where_it_was_named(void)
{
    static struct command_result result;
    char url[64];
    int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = addr_of("127.0.0.1", 8077);
    CHECK(bind(taken, (struct sockaddr *)&at, sizeof at) == 0 && listen(taken, 1) == 0);
    struct command command = lab(ARGV("lab", "--", "sleep", "50"), url);
    CHECK(strcmp(url, "http://127.0.0.1:8078/") == 0);
    CHECK(begins(ask(8078, "GET / HTTP/1.1\r\nHost: 127.0.0.1:8078\r\n\r\n"), "HTTP/1.1 200 "));
    end(&command);
    command_run(ARGV("lab", "--web", "8077", "--", "true"), "", &result);
    CHECK(result.status == 1);
    CHECK(strcmp(result.err,
                 "rill lab: no page for the browser: 127.0.0.1 port 8077: Address already in use\n") == 0);
}
SCENE(lab__port_taken__next_one_or_a_refusal_where_it_was_named)

static void body_lab__no_web__opens_nothing_and_says_nothing(void)
{
    const char *const *const cases[] = {ARGV("lab", "--no-web", "--", "sleep", "0.3"),
                                        ARGV("lab", "echo", "--", "sleep", "0.3"),
                                        ARGV("lab", "--bare", "--", "sleep", "0.3")};
    static struct command_result result;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            command_run(cases[i], "", &result);
            CHECK(result.status == 0 && result.err[0] == '\0');
            _exit(0);
        }
        int status;
        do
            CHECK(open_local(8077) < 0);
        while (waitpid(pid, &status, WNOHANG) == 0);
        CHECK(status == 0);
    }
}
SCENE(lab__no_web__opens_nothing_and_says_nothing)

/* And those that go away in the middle hurt nobody. */
static void body_relay__many_requests_at_once__each_gets_its_own(void)
{
    enum { CLIENTS = 40 };
    int fd[CLIENTS];
    char url[64], byte[9];
    struct command command = lab(ARGV("lab", "--web", "8100", "--", "sleep", "50"), url);
    static const char request[] = "GET /page.js HTTP/1.1\r\nHost: localhost:8100\r\n\r\n";
    for (int i = 0; i < CLIENTS; i++) {
        CHECK((fd[i] = open_local(8100)) >= 0);
        kernel_write(fd[i], request, sizeof request - 1);
    }
    for (int i = 0; i < CLIENTS; i++) {
        CHECK(kernel_read(fd[i], byte, 9) == 9 && memcmp(byte, "HTTP/1.1 ", 9) == 0);
        CHECK(close(fd[i]) == 0); /* with the rest unread: a reset */
    }
    CHECK(strstr(ask(8100, request), "EventSource") != NULL);
    end(&command);
}
SCENE(relay__many_requests_at_once__each_gets_its_own)

/* More of them than there are places, each with half a request, and none of them ends. */
static void body_relay__clients_that_never_finish__give_way_to_those_that_ask(void)
{
    enum { CLIENTS = 300 };
    int fd[CLIENTS];
    char url[64];
    struct command command = lab(ARGV("lab", "--web", "8100", "--", "sleep", "50"), url);
    static const char half[] = "GET /page.js HTTP/1.1\r\nHost: local";
    for (int i = 0; i < CLIENTS; i++) {
        CHECK((fd[i] = open_local(8100)) >= 0);
        kernel_write(fd[i], half, sizeof half - 1);
    }
    int64_t began_us = mono_us();
    CHECK(begins(ask(8100, "GET /api/state HTTP/1.1\r\nHost: localhost:8100\r\n\r\n"), "HTTP/1.1 200 "));
    CHECK(mono_us() - began_us < 5000000);
    for (int i = 0; i < CLIENTS; i++)
        CHECK(close(fd[i]) == 0);
    end(&command);
}
SCENE(relay__clients_that_never_finish__give_way_to_those_that_ask)

/* The stack's answer arrives, and the client, which ends nothing itself, is closed. */
static void body_relay__the_stack_has_ended__the_client_is_closed(void)
{
    static char answer[65536];
    char url[64];
    struct command command = lab(ARGV("lab", "--web", "8100", "--", "sleep", "50"), url);
    static const char request[] =
        "GET /api/state HTTP/1.1\r\nHost: localhost:8100\r\nConnection: close\r\n\r\n";
    int fd = open_local(8100);
    CHECK(fd >= 0);
    kernel_write(fd, request, sizeof request - 1);
    answer[kernel_read(fd, answer, sizeof answer - 1)] = '\0';
    CHECK(begins(answer, "HTTP/1.1 200 "));
    sleep_ms(2000);
    /* RFC 9293 3.10.7.1: what comes to a connection that is no more is answered by a reset. */
    CHECK(send(fd, "x", 1, MSG_NOSIGNAL) == 1);
    sleep_ms(100);
    CHECK(send(fd, "x", 1, MSG_NOSIGNAL) == -1 && (errno == EPIPE || errno == ECONNRESET));
    CHECK(close(fd) == 0);
    end(&command);
}
SCENE(relay__the_stack_has_ended__the_client_is_closed)

/* ---- In the browser ---------------------------------------------------------------------------- */

#define TEXT(id) "document.getElementById('" id "').textContent"
#define CLICK(selector) "(document.querySelector(\"" selector "\").click(), true)"
#define ROW "[...document.querySelectorAll('#conns tbody tr')]"
#define LIT "[...document.querySelectorAll('#states .now')].map(n => n.dataset.state).join()"
#define RUNGS "[...document.querySelectorAll('#ladder li')]"

static void see_a_transfer(void)
{
    /* A link of 2 Mbit/s by the preset, and the sliders follow. */
    CHECK(
        browser_says("{const p = document.getElementById('preset'); p.value = 'lossy: 3 %, 2 Mbit/s, 20 ms';"
                     "p.dispatchEvent(new Event('change')); true}"));
    CHECK(browser_await(
        "document.querySelector('[data-dir=out] .spec input').value === 'loss 3% delay 20ms rate 2mbit'"
        " && document.querySelector('[data-dir=out] [data-set=loss]').value === '3'"
        " && document.querySelector('[data-dir=in] [data-set=delay]').value === '20'"));

    /* A transfer: its row, its state lit, curves, and segments with their reasons. */
    CHECK(browser_says("(document.getElementById('size').value = '1099511627776') !== ''"));
    CHECK(browser_says(CLICK("[data-transfer=out]")));
    CHECK(browser_await(ROW ".length === 1 && " ROW "[0].cells[1].textContent === 'ESTABLISHED'"));
    CHECK(browser_await(LIT " === 'ESTABLISHED' && " TEXT("state-now") " === 'is in ESTABLISHED'"));
    CHECK(browser_says(
        "[...document.querySelectorAll('#states .edge.seen')].map(e => e.dataset.edge).join() ==="
        " 'CLOSED>SYN-SENT,SYN-SENT>ESTABLISHED'"));
    CHECK(browser_await("document.querySelectorAll('#chart-window path.curve').length >= 4 && "
                        "document.querySelectorAll('#chart-rtt path.curve').length === 2"));
    CHECK(browser_await(RUNGS ".some(r => r.className === 'out' && r.textContent.includes('new data'))"));
    CHECK(browser_await(RUNGS ".some(r => r.className === 'in' && r.textContent.includes('ack'))"));
}

static void lose_a_segment_and_close_the_window(void)
{
    /* Drop the next data segment: a cut arrow, and later the same numbers again, with the reason. */
    CHECK(browser_says(CLICK("[data-dir=out] .drop")));
    CHECK(browser_await(RUNGS
                        ".some(r => r.classList.contains('cut') && r.textContent.includes('on the list'))"));
    CHECK(browser_await(
        RUNGS ".some(r => r.classList.contains('again') && /RACK|tail loss probe|RTO/.test(r.textContent))"));

    /* Close the window, by the keyboard. */
    CHECK(browser_says("(document.getElementById('pause').focus(), document.activeElement.id === 'pause')"));
    browser_key("Enter");
    CHECK(browser_await("document.getElementById('pause').getAttribute('aria-pressed') === 'true'"));
    CHECK(browser_await(TEXT("legend-window") ".includes('peer’s window 0 B')"));
    CHECK(browser_await(ROW "[0].cells[4].textContent.includes('receiver window')"));
    CHECK(browser_await(RUNGS ".some(r => r.textContent.includes('zero-window probe #1'))"));
    browser_shoot("desktop");
    browser_emulate(1400, 1250, true);
    browser_shoot("dark");
}

static void change_the_link_and_reset_all(void)
{
    /* A slider by the keyboard: one step more of loss. */
    CHECK(browser_says("(document.querySelector('[data-dir=out] [data-set=loss]').focus(), true)"));
    browser_key("ArrowRight");
    CHECK(browser_await("document.querySelector('[data-dir=out] .spec input').value.includes('loss 4%')"));

    /* A mistake is said, with its place. */
    CHECK(browser_says("(document.querySelector('[data-dir=in] .spec input').value = 'delay soon', true)"));
    CHECK(browser_says(CLICK("[data-dir=in] .spec button")));
    CHECK(browser_await(
        "!document.getElementById('message').hidden && " TEXT("message") ".includes('column 7')"));

    /* All reset: the row goes to CLOSED. */
    CHECK(browser_says(CLICK("#stop")));
    CHECK(browser_await(ROW "[0].cells[1].textContent === 'CLOSED' && " LIT " === 'CLOSED'"));
}

static void body_page__in_chromium__shows_a_transfer_and_takes_orders(void)
{
    char url[64];
    scene_needs("chromium");
    struct command command =
        lab(ARGV("lab", "--", "sh", "-c", "read line; echo hello | nc -N 10.77.0.2 7; exec sleep 55"), url);
    browser_open(url);
    browser_emulate(1400, 1250, false);
    CHECK(browser_await(TEXT("live-text") " === 'live'"));
    CHECK(browser_await(TEXT("listeners") ".includes('7, 9, 13, 19, 80, 9000')"));
    browser_shoot("empty");

    see_a_transfer();
    lose_a_segment_and_close_the_window();
    change_the_link_and_reset_all();

    /* A passive open, from within the lab's namespace, is another way through the diagram. */
    CHECK(write(command.in, "go\n", 3) == 3);
    CHECK(browser_await(
        ROW ".some(r => r.cells[0].textContent.startsWith(':7 ') && r.cells[1].textContent === 'CLOSED')"));
    CHECK(browser_says("{const b = " ROW
                       ".find(r => r.cells[0].textContent.startsWith(':7 ')).querySelector('button');"
                       " b.click(); true}"));
    CHECK(browser_await(
        "[...document.querySelectorAll('#states .edge.seen')].map(e => e.dataset.edge).join() === "
        "'CLOSED>LISTEN,LISTEN>SYN-RECEIVED,SYN-RECEIVED>ESTABLISHED,ESTABLISHED>CLOSE-WAIT,"
        "CLOSE-WAIT>LAST-ACK,LAST-ACK>CLOSED'"));

    /* On a phone nothing is wider than the screen. */
    browser_emulate(390, 844, false);
    CHECK(browser_await("document.documentElement.scrollWidth === 390"));
    browser_shoot("phone");
    /* Every control has a name for who cannot see it. */
    CHECK(browser_says("[...document.querySelectorAll('button, input, select')].every(e => "
                       "(e.getAttribute('aria-label') || e.textContent || (e.labels.length && "
                       "e.labels[0].textContent)).trim())"));
    CHECK(browser_complaints() == 1); /* the 422 of the mistake */
    browser_close();
    end(&command);
}
SCENE(page__in_chromium__shows_a_transfer_and_takes_orders)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lab__the_page_is_where_it_says_and_goes_with_it),
        cmocka_unit_test(lab__port_taken__next_one_or_a_refusal_where_it_was_named),
        cmocka_unit_test(lab__no_web__opens_nothing_and_says_nothing),
        cmocka_unit_test(relay__many_requests_at_once__each_gets_its_own),
        cmocka_unit_test(relay__clients_that_never_finish__give_way_to_those_that_ask),
        cmocka_unit_test(relay__the_stack_has_ended__the_client_is_closed),
        cmocka_unit_test(page__in_chromium__shows_a_transfer_and_takes_orders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
