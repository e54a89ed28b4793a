/* browser.c - see browser.h.  The DevTools protocol: JSON messages, each ended by a 0 byte, on descriptors 3
 * (to Chromium) and 4 (from it). */
#include "browser.h"

#include "netns.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { MESSAGE_BYTES = 4 << 20, PATIENCE_MS = 30000 };

static char message[MESSAGE_BYTES], session[64];
static size_t have; /* bytes of message[] that were read, the 0 of the current one included or not */
static int to_browser, from_browser, last_id, complaints;
static pid_t pid;

static void exec_browser(const int in[2], const int out[2])
{
    /* Through high numbers, so that neither dup2 closes what the other needs. */
    int from = fcntl(in[0], F_DUPFD, 20), to = fcntl(out[1], F_DUPFD, 20), null = open("/dev/null", O_RDWR);
    (void)dup2(from, 3);
    (void)dup2(to, 4);
    for (int fd = 0; fd < 64; fd++) {
        if (fd < 3)
            (void)dup2(null, fd);
        else if (fd > 4)
            (void)close(fd);
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)execlp("chromium", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
                 "--no-first-run", "--disable-background-networking", "--disable-component-update",
                 "--disable-sync", "--hide-scrollbars", "--user-data-dir=profile", "--remote-debugging-pipe",
                 "about:blank", (char *)NULL);
    _exit(127);
}

/* The next message, as a string. */
static const char *receive(void)
{
    static size_t done; /* of the message before */
    int64_t end_us = mono_us() + (int64_t)PATIENCE_MS * 1000;
    memmove(message, message + done, have - done);
    have -= done;
    while (memchr(message, 0, have) == NULL) {
        struct pollfd ready = {from_browser, POLLIN, 0};
        CHECK(mono_us() < end_us && have < sizeof message && poll(&ready, 1, PATIENCE_MS) == 1);
        ssize_t n = read(from_browser, message + have, sizeof message - have);
        CHECK(n > 0);
        have += (size_t)n;
    }
    done = strlen(message) + 1;
    return message;
}

/* Calls a method and returns its answer. */
static const char *call(const char *method, const char *params)
{
    static char request[16384], mark[32];
    int len = snprintf(request, sizeof request, "{\"id\":%d,\"method\":\"%s\",\"params\":{%s}%s%s%s}",
                       ++last_id, method, params, session[0] != '\0' ? ",\"sessionId\":\"" : "", session,
                       session[0] != '\0' ? "\"" : "");
    CHECK(len > 0 && (size_t)len < sizeof request);
    CHECK(write(to_browser, request, (size_t)len + 1) == len + 1);
    (void)snprintf(mark, sizeof mark, "{\"id\":%d,", last_id);
    for (;;) {
        const char *answer = receive();
        if (strstr(answer, "\"method\":\"Runtime.exceptionThrown\"") != NULL ||
            (strstr(answer, "\"method\":\"Log.entryAdded\"") != NULL &&
             strstr(answer, "\"level\":\"error\"") != NULL)) {
            complaints++;
            (void)fprintf(stderr, "the page complains: %.600s\n", answer);
        }
        if (strncmp(answer, mark, strlen(mark)) == 0) {
            if (strstr(answer, "\"error\":") != NULL)
                (void)fprintf(stderr, "%s: %.300s\n", method, answer);
            return answer;
        }
    }
}

/* The string behind this name in an answer. */
static void string_of(const char *answer, const char *name, char value[64])
{
    char key[32];
    (void)snprintf(key, sizeof key, "\"%s\":\"", name);
    const char *at = strstr(answer, key);
    CHECK(at != NULL);
    (void)snprintf(value, 64, "%.*s", (int)strcspn(at + strlen(key), "\""), at + strlen(key));
}

void browser_open(const char *url)
{
    int in[2], out[2];
    char target[64], params[256];
    CHECK(pipe(in) == 0 && pipe(out) == 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        exec_browser(in, out);
    CHECK(close(in[0]) == 0 && close(out[1]) == 0);
    to_browser = in[1];
    from_browser = out[0];
    string_of(call("Target.createTarget", "\"url\":\"about:blank\""), "targetId", target);
    (void)snprintf(params, sizeof params, "\"targetId\":\"%s\",\"flatten\":true", target);
    string_of(call("Target.attachToTarget", params), "sessionId", session);
    (void)call("Runtime.enable", "");
    (void)call("Log.enable", "");
    (void)snprintf(params, sizeof params, "\"url\":\"%s\"", url);
    (void)call("Page.navigate", params);
    CHECK(browser_await("document.readyState === 'complete' && location.protocol === 'http:'"));
}

bool browser_says(const char *script)
{
    static char params[8192];
    size_t len = (size_t)snprintf(params, sizeof params,
                                  "\"returnByValue\":true,\"awaitPromise\":true,\"expression\":\"");
    for (; *script != '\0'; script++) {
        CHECK(len + 4 < sizeof params);
        if (*script == '"' || *script == '\\')
            params[len++] = '\\';
        params[len++] = *script;
    }
    params[len++] = '"';
    params[len] = '\0';
    const char *answer = call("Runtime.evaluate", params);
    if (strstr(answer, "exceptionDetails") != NULL)
        (void)fprintf(stderr, "%s\nsays: %.400s\n", params, answer);
    CHECK(strstr(answer, "exceptionDetails") == NULL && strstr(answer, "\"type\":\"boolean\"") != NULL);
    return strstr(answer, "\"value\":true") != NULL;
}

bool browser_await(const char *script)
{
    int64_t end_us = mono_us() + 10000000;
    while (!browser_says(script)) {
        if (mono_us() > end_us)
            return false;
        sleep_ms(20);
    }
    return true;
}

void browser_key(const char *key)
{
    static const struct {
        const char *key, *code, *text;
        int number;
    } keys[] = {{"Tab", "Tab", "", 9},
                {"Enter", "Enter", "\\r", 13},
                {" ", "Space", " ", 32},
                {"ArrowRight", "ArrowRight", "", 39}};
    char params[256];
    size_t i = 0;
    while (i + 1 < sizeof keys / sizeof keys[0] && strcmp(keys[i].key, key) != 0)
        i++;
    for (int up = 0; up < 2; up++) {
        (void)snprintf(
            params, sizeof params,
            "\"type\":\"%s\",\"key\":\"%s\",\"code\":\"%s\",\"text\":\"%s\",\"windowsVirtualKeyCode\":%d",
            up ? "keyUp" : "keyDown", key, keys[i].code, up ? "" : keys[i].text, keys[i].number);
        (void)call("Input.dispatchKeyEvent", params);
    }
}

void browser_emulate(int width, int height, bool dark)
{
    char params[256];
    (void)snprintf(params, sizeof params, "\"width\":%d,\"height\":%d,\"deviceScaleFactor\":1,\"mobile\":%s",
                   width, height, width < 600 ? "true" : "false");
    (void)call("Emulation.setDeviceMetricsOverride", params);
    (void)snprintf(params, sizeof params,
                   "\"features\":[{\"name\":\"prefers-color-scheme\",\"value\":\"%s\"}]",
                   dark ? "dark" : "light");
    (void)call("Emulation.setEmulatedMedia", params);
}

void browser_shoot(const char *name)
{
    const char *directory = getenv("SHOTS");
    char command[512];
    if (directory == NULL)
        return;
    const char *data = strstr(call("Page.captureScreenshot", ""), "\"data\":\"");
    CHECK(data != NULL);
    (void)snprintf(command, sizeof command, "base64 -d >'%s/%s.png'", directory, name);
    FILE *out = popen(command, "w");
    CHECK(out != NULL);
    data += 8;
    CHECK(fwrite(data, strcspn(data, "\""), 1, out) == 1 && pclose(out) == 0);
}

int browser_complaints(void) { return complaints; }

void browser_close(void)
{
    int status;
    (void)call("Browser.close", "");
    CHECK(close(to_browser) == 0 && close(from_browser) == 0);
    int64_t end_us = mono_us() + 10000000;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (mono_us() > end_us)
            (void)kill(pid, SIGKILL);
        sleep_ms(10);
    }
}
