/* talk.c - the classic first server, written as in a first lecture: the example of how rill.h is used.
 *
 * Every call waits until it is done.  Meanwhile the stack goes on by itself: it answers pings and
 * acknowledges what arrives, also while this program waits at the prompt. */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BACKLOG = 128, MESSAGE_BYTES = 1024 };

/* The length of the UTF-8 character that text begins with, or 0 if it begins with none (RFC 3629 4: no
 * overlong forms, no surrogates, nothing above U+10FFFF). */
static size_t utf8_length(const uint8_t *text, size_t len)
{
    static const struct {
        uint8_t first_min, first_max, second_min, second_max, length;
    } forms[] = {{0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3},
                 {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
                 {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4}};
    if (text[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        size_t n = forms[i].length;
        if (text[0] < forms[i].first_min || text[0] > forms[i].first_max || len < n)
            continue;
        bool good = text[1] >= forms[i].second_min && text[1] <= forms[i].second_max;
        for (size_t k = 2; k < n; k++)
            good = good && (text[k] & 0xC0) == 0x80;
        return good ? n : 0;
    }
    return 0;
}

/* Control characters could do things to the terminal of whoever looks at the output; line ends and tabs may
 * not be missing.  U+0080 to U+009F are controls as well. */
static bool is_control(const uint8_t *text, size_t n)
{
    if (n == 1)
        return (text[0] < ' ' && text[0] != '\n' && text[0] != '\r' && text[0] != '\t') || text[0] == 0x7F;
    return n == 2 && text[0] == 0xC2 && text[1] < 0xA0;
}

static void print_text(const uint8_t *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t n = utf8_length(text + i, len - i);
        if (n > 0 && !is_control(text + i, n)) {
            fwrite(text + i, 1, n, stdout);
            i += n;
        } else {
            printf("\\x%02x", text[i]);
            i++;
        }
    }
    if (len == 0 || text[len - 1] != '\n')
        putchar('\n');
}

static int send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = rill_send(fd, data, len, 0);
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

int talk_listen(uint16_t port)
{
    struct sockaddr_in any = cli_sockaddr((struct in_addr){htonl(INADDR_ANY)}, port);
    int server = rill_socket(AF_INET, SOCK_STREAM, 0);
    if (server < 0 || rill_bind(server, (struct sockaddr *)&any, sizeof any) < 0 ||
        rill_listen(server, BACKLOG) < 0) {
        fprintf(stderr, "talk: port %u: %s\n", port, strerror(errno));
        return -1;
    }
    return server;
}

/* A close with something unread is a reset, which could destroy the answer on its way (RFC 1122 4.2.2.13). */
static void discard_rest(int client)
{
    uint8_t rest[MESSAGE_BYTES];
    size_t total = 0;
    ssize_t n;
    while ((n = rill_recv(client, rest, sizeof rest, MSG_DONTWAIT)) > 0)
        total += (size_t)n;
    if (total > 0)
        printf("(%zu bytes more had come: one message each way)\n", total);
}

static int converse(int server)
{
    struct sockaddr_in peer;
    socklen_t peer_len = sizeof peer;
    int client = rill_accept(server, (struct sockaddr *)&peer, &peer_len);
    if (client < 0)
        return -1;
    char addr[INET_ADDRSTRLEN];
    printf("client ('%s', %u) connected\n", cli_addr_text(peer.sin_addr, addr), ntohs(peer.sin_port));
    fflush(stdout);

    uint8_t received[MESSAGE_BYTES];
    ssize_t n = rill_recv(client, received, sizeof received, 0);
    if (n < 0)
        return -1;
    print_text(received, (size_t)n);

    printf("message for the client: ");
    fflush(stdout);
    char *line = NULL;
    size_t room = 0;
    ssize_t len = getline(&line, &room, stdin);
    if (len > 0 && line[len - 1] == '\n')
        len--;
    int result = len > 0 ? send_all(client, line, (size_t)len) : 0;
    free(line);
    discard_rest(client);
    return rill_close(client) < 0 ? -1 : result;
}

int talk_serve(int server, const atomic_bool *quiet)
{
    int result = converse(server);
    if (result < 0 && !*quiet)
        fprintf(stderr, "talk: %s\n", strerror(errno));
    rill_close(server);
    return result;
}
