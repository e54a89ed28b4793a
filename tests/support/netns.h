/* netns.h - tests with a real TUN, each in a child process with a network namespace of its own.
 *
 * cmocka's assertions belong to the parent; in the child CHECK says where and ends it.  What cannot run here
 * (no TUN, no namespaces) is reported loudly and skipped. */
#ifndef NETNS_H
#define NETNS_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#define STACK_ADDR "10.77.0.2"
#define KERNEL_ADDR "10.77.0.1"

#define CHECK(claim)                                                                                         \
    ((claim)                                                                                                 \
         ? (void)0                                                                                           \
         : (fprintf(stderr, "%s:%d: not so: %s (errno: %s)\n", __FILE__, __LINE__, #claim, strerror(errno)), \
            _exit(1)))
/* The call fails with this errno. */
#define CHECK_ERRNO(call, code)                                                                              \
    do {                                                                                                     \
        errno = 0;                                                                                           \
        CHECK((call) == -1);                                                                                 \
        CHECK(errno == (code));                                                                              \
    } while (0)

/* Runs the body in a child with its own namespace, at most `seconds`, and fails the cmocka test unless it
 * ends with 0.  Skips it where there can be no TUN. */
void netns_run(void (*body)(void), unsigned seconds);

/* In the child: this cannot be tested here. */
void netns_skip(const char *why) __attribute__((noreturn));

/* Enters a new network namespace with lo up; 0 or -errno. */
int netns_enter(void);

struct sockaddr_in addr_of(const char *ip, uint16_t port);

/* A socket of the kernel, connected to the stack's port (with TCP_NODELAY: tests are not to wait for delayed
 * ACKs), or listening. */
int kernel_connect(uint16_t port);
int kernel_listen(uint16_t port);
/* All bytes in, or fewer at the end of the stream. */
size_t kernel_read(int fd, void *data, size_t len);
void kernel_write(int fd, const void *data, size_t len);

/* Microseconds until the echo reply of the stack, -1 if none comes within a second. */
int64_t ping_us(const char *ip);

int64_t mono_us(void);
void sleep_ms(unsigned ms);

/* A byte stream that names its own positions: fills, and checks. */
void pattern_fill(uint8_t *data, size_t len, uint64_t pos, uint32_t seed);
bool pattern_holds(const uint8_t *data, size_t len, uint64_t pos, uint32_t seed);

#endif
