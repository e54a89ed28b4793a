/* path_flow.c - see path_flow.h.  A thread for each end: what blocks is then the stack and not the test. */
#include "path_flow.h"

#include "netns.h"
#include "rill.h"

#include <pthread.h>
#include <sched.h>

enum { FIRST_PORT = 5001, CHUNK_BYTES = 65536 };

static void enter(const struct path_world *world, int host)
{
    if (setns(world->namespace[host], CLONE_NEWNET) != 0)
        path_fail("setns");
}

static int kernel_socket(const struct path_world *world, int host)
{
    static const char cubic[] = "cubic";
    enter(world, host);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    enter(world, 0);
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, cubic, sizeof cubic - 1) != 0)
        path_fail("a socket with cubic");
    return fd;
}

void path_flow_prepare(struct path_flow *flow, const struct path_world *world, unsigned number)
{
    bool to_rill = flow->kind == 'R', from_rill = flow->kind == 'r';
    struct sockaddr_in any = addr_of("0.0.0.0", (uint16_t)(FIRST_PORT + number));
    flow->listener = to_rill ? rill_socket(AF_INET, SOCK_STREAM, 0) : kernel_socket(world, 1);
    flow->sender = from_rill ? rill_socket(AF_INET, SOCK_STREAM, 0) : kernel_socket(world, to_rill);
    int bound = to_rill ? rill_bind(flow->listener, (struct sockaddr *)&any, sizeof any)
                        : bind(flow->listener, (struct sockaddr *)&any, sizeof any);
    int listening = to_rill ? rill_listen(flow->listener, 1) : listen(flow->listener, 1);
    if (flow->sender < 0 || bound != 0 || listening != 0)
        path_fail("a listener");
    struct sockaddr_in to = addr_of(to_rill ? PATH_RILL : PATH_B, (uint16_t)(FIRST_PORT + number));
    flow->to = to;
}

static void *receive(void *arg)
{
    struct path_flow *flow = arg;
    bool rill = flow->kind == 'R';
    static _Thread_local char data[CHUNK_BYTES];
    int fd = rill ? rill_accept(flow->listener, NULL, NULL) : accept(flow->listener, NULL, NULL);
    while (fd >= 0) {
        ssize_t n = rill ? rill_recv(fd, data, sizeof data, 0) : recv(fd, data, sizeof data, 0);
        if (n <= 0)
            break;
        flow->bytes += (uint64_t)n;
    }
    flow->broken = true;
    return NULL;
}

static void *feed(void *arg)
{
    struct path_flow *flow = arg;
    bool rill = flow->kind == 'r';
    static const char data[CHUNK_BYTES];
    const struct sockaddr *to = (const struct sockaddr *)&flow->to;
    sleep_ms(flow->delay_ms);
    if ((rill ? rill_connect(flow->sender, to, sizeof flow->to)
              : connect(flow->sender, to, sizeof flow->to)) == 0)
        while ((rill ? rill_send(flow->sender, data, sizeof data, 0)
                     : send(flow->sender, data, sizeof data, MSG_NOSIGNAL)) > 0)
            ;
    flow->broken = true;
    return NULL;
}

void path_flow_start(struct path_flow *flow)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, receive, flow) != 0 || pthread_detach(thread) != 0 ||
        pthread_create(&thread, NULL, feed, flow) != 0 || pthread_detach(thread) != 0)
        path_fail("a thread");
}

uint64_t path_flow_resent(const struct path_flow *flow)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    if (flow->kind == 'r' || getsockopt(flow->sender, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return 0;
    return info.tcpi_total_retrans;
}
