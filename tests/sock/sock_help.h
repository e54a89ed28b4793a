/* sock_help.h - two engines for each test, and short names for what the tests of the sockets do all the time.
 *
 * Side 0 is 10.77.0.1, where the sockets under test are, and side 1 is 10.77.0.2, where a listener waits on
 * PORT. */
#ifndef SOCK_HELP_H
#define SOCK_HELP_H

#include "pair.h"
#include "test.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>

#define PORT 7000
#define MSEC 1000ull

struct sock_test {
    struct pair pair;
    struct socks *us, *them; /* of side 0 and side 1 */
    int listener;            /* of them */
};

/* cmocka's set-up and tear-down; *state is a struct sock_test. */
int sock_setup(void **state);
int sock_teardown(void **state);
#define SOCK_TEST(name) cmocka_unit_test_setup_teardown(name, sock_setup, sock_teardown)

void run_ms(struct sock_test *t, uint64_t ms);

/* A socket of us. */
int tcp_socket(struct sock_test *t);
struct sockaddr_in address(uint32_t ip, uint16_t port);
int bind_to(struct socks *socks, int s, uint32_t ip, uint16_t port);
int connect_to(struct socks *socks, int s, uint32_t ip, uint16_t port);
int connect_listener(struct sock_test *t, int s);
uint16_t local_port(struct socks *socks, int s);

/* Ours, and theirs in *theirs, connected. */
int connected(struct sock_test *t, int *theirs);

int64_t send_to(struct socks *socks, int s, const void *data, size_t len, int flags);
int64_t recv_from(struct socks *socks, int s, void *data, size_t len, int flags);
/* SO_ERROR. */
int so_error(struct socks *socks, int s);
int set_int(struct socks *socks, int s, int level, int name, int value);
/* The option, or -errno. */
int get_int(struct socks *socks, int s, int level, int name);
/* Closes with a RST. */
void reset(struct socks *socks, int s);

/* Every way in which a socket of ours can be. */
enum kind {
    FRESH,
    BOUND,
    LISTENING,
    PENDING, /* the SYN has left and nobody answers */
    REFUSED,
    ESTABLISHED,
    PEER_FIN,
    OUR_FIN,
    BOTH_FIN_ACTIVE, /* ours was first: TIME-WAIT */
    BOTH_FIN_PASSIVE,
    PEER_RESET,
    PEER_RESET_DATA, /* three bytes came before */
    SHUT_RD_ONLY,
    KINDS
};
extern const char *const kind_name[KINDS];
int make(struct sock_test *t, enum kind kind);

#endif
