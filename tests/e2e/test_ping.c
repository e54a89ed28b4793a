/* test_ping.c - ICMP with the real `ping`, and the errors that answer what the stack does not speak. */
#include "test.h"

#include "scene.h"

#include <linux/errqueue.h>
#include <netinet/ip_icmp.h>
#include <poll.h>

/* Sizes around every edge: no data at all, the last that fits a packet, fragments that are full and not, and
 * the largest datagram that there is.  ping compares what comes back with what it sent. */
static void body_ping__every_size__comes_back_unchanged(void)
{
    static const int sizes[] = {0, 1, 8, 56, 1471, 1472, 1473, 1480, 8000, 65506, 65507};
    enum { EACH = 5 };
    static char out[COMMAND_TEXT_BYTES];
    scene_needs("ping");
    struct command rill = scene_serve(ARGV("echo"));
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        CHECK(scene_try(out, "ping -c %d -i 0.01 -W 5 -s %d -p a5c39601 10.77.0.2", EACH, sizes[i]) == 0);
        CHECK(strstr(out, "5 packets transmitted, 5 received, 0% packet loss") != NULL);
        CHECK(strstr(out, "wrong data") == NULL && strstr(out, "DUP") == NULL);
        char size[64];
        (void)snprintf(size, sizeof size, "%d bytes from 10.77.0.2", sizes[i] + 8);
        CHECK(strstr(out, size) != NULL);
    }
    scene_stop(&rill);
    CHECK(scene_counter("ECHO_REPLY") == EACH * COUNT_OF(sizes));
    CHECK(scene_counter("REASSEMBLED") == EACH * 5); /* 1473 and more at an MTU of 1500 */
}
SCENE(ping__every_size__comes_back_unchanged)

static void body_ping__flood__loses_nothing(void)
{
    static char out[COMMAND_TEXT_BYTES];
    scene_needs("ping");
    struct command rill = scene_serve(ARGV("echo"));
    CHECK(scene_try(out, "ping -q -f -c 2000 -w 20 10.77.0.2; ping -q -f -c 200 -w 20 -s 65507 10.77.0.2") ==
          0);
    CHECK(strstr(out, "2000 packets transmitted, 2000 received, 0% packet loss") != NULL);
    CHECK(strstr(out, "200 packets transmitted, 200 received, 0% packet loss") != NULL);
    scene_stop(&rill);
    CHECK(scene_counter("ECHO_REPLY") == 2200);
}
SCENE(ping__flood__loses_nothing)

/* RFC 1122 3.2.2.6 allows it: an echo request to a broadcast address is discarded, so that nobody can be
 * flooded by way of us.  The counter proves that they arrived. */
static void body_ping__broadcast__is_not_answered(void)
{
    static char out[COMMAND_TEXT_BYTES];
    scene_needs("ping");
    struct command rill = scene_serve(ARGV("echo"));
    scene_do("ip route add 255.255.255.255 dev rill0");
    CHECK(scene_try(out, "ping -b -c 3 -i 0.1 -W 0.5 10.77.0.255") == 1);
    CHECK(strstr(out, "3 packets transmitted, 0 received, 100% packet loss") != NULL);
    CHECK(scene_try(out, "ping -b -c 2 -i 0.1 -W 0.5 255.255.255.255") == 1);
    CHECK(strstr(out, "2 packets transmitted, 0 received, 100% packet loss") != NULL);
    CHECK(ping_us(STACK_ADDR) >= 0);
    scene_stop(&rill);
    CHECK(scene_counter("DROP_BROADCAST") == 5);
    CHECK(scene_counter("ECHO_REPLY") == 1);
}
SCENE(ping__broadcast__is_not_answered)

/* ---- Unreachable --------------------------------------------------------------------------------------- */

/* A socket that is connected to the stack, so that the kernel hands ICMP errors to it. */
static int connected(int type, int protocol)
{
    struct sockaddr_in to = addr_of(STACK_ADDR, 5353);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, protocol), on = 1;
    CHECK(fd >= 0);
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    CHECK(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on) == 0);
    return fd;
}

/* The ICMP error that the kernel attributes to this socket, with its sender and the quoted data. */
static struct sock_extended_err next_error(int fd, const char *data)
{
    union {
        char bytes[512];
        struct cmsghdr align;
    } control;
    char quote[128];
    struct sockaddr_in from, to;
    struct iovec iov = {quote, sizeof quote};
    struct msghdr message = {&to, sizeof to, &iov, 1, control.bytes, sizeof control.bytes, 0};
    struct sock_extended_err error = {0};
    struct pollfd ready = {fd, POLLERR, 0};
    CHECK(poll(&ready, 1, 5000) == 1);
    ssize_t n = recvmsg(fd, &message, MSG_ERRQUEUE);
    CHECK(n >= (ssize_t)strlen(data) && memcmp(quote + (size_t)n - strlen(data), data, strlen(data)) == 0);
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    CHECK(c != NULL && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR);
    memcpy(&error, CMSG_DATA(c), sizeof error);
    memcpy(&from, CMSG_DATA(c) + sizeof error, sizeof from);
    CHECK(error.ee_origin == SO_EE_ORIGIN_ICMP);
    CHECK(from.sin_addr.s_addr == addr_of(STACK_ADDR, 0).sin_addr.s_addr);
    return error;
}

/* RFC 1122 3.2.2.1: port unreachable "when the designated transport protocol (e.g., UDP) is unable to
 * demultiplex the datagram". */
static void body_udp__any_port__is_refused(void)
{
    struct command rill = scene_serve(ARGV("echo"));
    int fd = connected(SOCK_DGRAM, 0);
    CHECK(send(fd, "hello", 5, 0) == 5);
    struct sock_extended_err error = next_error(fd, "hello");
    CHECK(error.ee_errno == ECONNREFUSED);
    CHECK(error.ee_type == ICMP_DEST_UNREACH && error.ee_code == ICMP_PORT_UNREACH);
    scene_stop(&rill);
    CHECK(scene_counter("ICMP_ERROR_OUT") == 1);
}
SCENE(udp__any_port__is_refused)

/* RFC 1122 3.2.2.1: protocol unreachable "when the designated transport protocol is not supported".  253 is
 * for experiments (RFC 3692). */
static void body_protocol__unknown__is_unreachable(void)
{
    struct command rill = scene_serve(ARGV("echo"));
    int fd = connected(SOCK_RAW, 253);
    /* Linux looks only at errors that quote eight bytes or more. */
    CHECK(send(fd, "protocol", 8, 0) == 8);
    struct sock_extended_err error = next_error(fd, "protocol");
    CHECK(error.ee_errno == ENOPROTOOPT);
    CHECK(error.ee_type == ICMP_DEST_UNREACH && error.ee_code == ICMP_PROT_UNREACH);
    scene_stop(&rill);
}
SCENE(protocol__unknown__is_unreachable)

/* A burst is answered in part, each datagram is either answered or counted, and after a pause there are
 * answers again. */
static void body_udp__burst__errors_are_limited(void)
{
    enum { BURST = 1000 };
    struct command rill = scene_serve(ARGV("echo"));
    int fd = connected(SOCK_DGRAM, 0), off = 0;
    CHECK(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &off, sizeof off) == 0);
    int64_t began_us = mono_us();
    for (int i = 0; i < BURST; i++)
        (void)send(fd, "hello", 5, 0); /* every other one reports the error of the one before */
    CHECK(ping_us(STACK_ADDR) >= 0);   /* they have all been seen */
    int64_t took_us = mono_us() - began_us;
    uint64_t errors = scene_snmp("IcmpMsg", "InType3");
    CHECK(errors > 0);
    /* RFC 1812 4.3.2.8, though for routers: a number per second and a small burst. */
    CHECK(errors <= 100 + (uint64_t)took_us * 200 / 1000000);
    sleep_ms(300);
    char byte;
    (void)recv(fd, &byte, 1, MSG_DONTWAIT); /* an error that is still pending */
    CHECK(send(fd, "hello", 5, 0) == 5);
    scene_limit_reads(fd, 5);
    CHECK_ERRNO(recv(fd, &byte, 1, 0), ECONNREFUSED);
    scene_stop(&rill);
    CHECK(scene_counter("ICMP_ERROR_OUT") == errors + 1);
    CHECK(scene_counter("ICMP_LIMITED") + errors + 1 == scene_counter("DROP_UDP"));
}
SCENE(udp__burst__errors_are_limited)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ping__every_size__comes_back_unchanged),
        cmocka_unit_test(ping__flood__loses_nothing),
        cmocka_unit_test(ping__broadcast__is_not_answered),
        cmocka_unit_test(udp__any_port__is_refused),
        cmocka_unit_test(protocol__unknown__is_unreachable),
        cmocka_unit_test(udp__burst__errors_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
