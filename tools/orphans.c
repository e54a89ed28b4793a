/* orphans.c - see orphans.h.  sock_diag(7): a dump of the connections, and an order for each that is meant.
 */
#include "orphans.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct order {
    struct nlmsghdr head;
    struct inet_diag_req_v2 request;
};

static bool give(int fd, uint16_t type, uint16_t flags, const struct inet_diag_sockid *id)
{
    struct order order = {
        .head = {.nlmsg_len = sizeof order,
                 .nlmsg_type = type,
                 .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags)},
        .request = {.sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP, .idiag_states = UINT32_MAX}};
    if (id != NULL)
        order.request.id = *id;
    return send(fd, &order, sizeof order, 0) == (ssize_t)sizeof order;
}

/* The part of a dump that came at once.  False: there is no more. */
static bool take(int dump, int orders, struct in_addr peer)
{
    static union {
        struct nlmsghdr head;
        char bytes[32768];
    } buffer;
    ssize_t n = recv(dump, &buffer, sizeof buffer, 0);
    if (n <= 0)
        return false;
    unsigned left = (unsigned)n;
    for (struct nlmsghdr *at = &buffer.head; NLMSG_OK(at, left); at = NLMSG_NEXT(at, left)) {
        if (at->nlmsg_type == NLMSG_DONE || at->nlmsg_type == NLMSG_ERROR)
            return false;
        struct inet_diag_msg message;
        memcpy(&message, NLMSG_DATA(at), sizeof message);
        if (message.id.idiag_dst[0] == peer.s_addr)
            (void)give(orders, SOCK_DESTROY, 0, &message.id);
    }
    return true;
}

void orphans_abort(struct in_addr peer)
{
    int dump = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    int orders = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (dump >= 0 && orders >= 0 && give(dump, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, NULL))
        while (take(dump, orders, peer))
            ;
    if (dump >= 0)
        close(dump);
    if (orders >= 0)
        close(orders);
}
