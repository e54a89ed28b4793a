/* web.c - see web.h. */
#include "web.h"

#include "netns.h"

#include <strings.h>
#include <sys/time.h>

int web_open(uint16_t port)
{
    struct timeval limit = {10, 0};
    int fd = kernel_connect(port);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    return fd;
}

void web_send(int fd, const char *request) { kernel_write(fd, request, strlen(request)); }

const char *web_field(const struct reply *reply, const char *name)
{
    static char value[512];
    size_t len = strlen(name);
    int count = 0;
    value[0] = '\0';
    for (const char *line = strstr(reply->head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, len) != 0 || line[2 + len] != ':')
            continue;
        const char *from = line + 3 + len;
        from += strspn(from, " ");
        (void)snprintf(value, sizeof value, "%.*s", (int)strcspn(from, "\r"), from);
        count++;
    }
    CHECK(count <= 1);
    return value;
}

void web_read_head(int fd, struct reply *reply)
{
    size_t len = 0;
    reply->head[0] = '\0';
    while (len < 4 || memcmp(reply->head + len - 4, "\r\n\r\n", 4) != 0) {
        CHECK(len + 1 < sizeof reply->head);
        CHECK(kernel_read(fd, reply->head + len, 1) == 1);
        reply->head[++len] = '\0';
    }
    CHECK(strncmp(reply->head, "HTTP/1.1 ", 9) == 0 && reply->head[12] == ' ');
    reply->status = (int)strtol(reply->head + 9, NULL, 10);
    reply->len = 0;
    reply->body[0] = '\0';
}

void web_read(int fd, struct reply *reply)
{
    web_read_head(fd, reply);
    reply->len = (size_t)strtoul(web_field(reply, "Content-Length"), NULL, 10);
    CHECK(reply->len < sizeof reply->body);
    CHECK(kernel_read(fd, reply->body, reply->len) == reply->len);
    reply->body[reply->len] = '\0';
}

bool web_is_closed(int fd)
{
    char byte;
    return recv(fd, &byte, 1, 0) == 0;
}

void web_get(uint16_t port, const char *path, struct reply *reply)
{
    char request[512];
    int fd = web_open(port);
    (void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s:%u\r\n\r\n", path, STACK_ADDR, port);
    web_send(fd, request);
    web_read(fd, reply);
    CHECK(close(fd) == 0);
}

int web_post(uint16_t port, const char *path, const char *json, struct reply *reply)
{
    char request[8192];
    int fd = web_open(port);
    (void)snprintf(request, sizeof request,
                   "POST %s HTTP/1.1\r\nHost: %s:%u\r\nOrigin: http://%s:%u\r\n"
                   "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                   path, STACK_ADDR, port, STACK_ADDR, port, strlen(json), json);
    web_send(fd, request);
    web_read(fd, reply);
    CHECK(close(fd) == 0);
    return reply->status;
}

bool web_await(const char *text, struct reply *reply)
{
    int64_t end_us = mono_us() + 10000000;
    do {
        web_get(80, "/api/state", reply);
        if (strstr(reply->body, text) != NULL)
            return true;
        sleep_ms(20);
    } while (mono_us() < end_us);
    return false;
}
