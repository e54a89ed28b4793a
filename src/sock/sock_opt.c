/* sock_opt.c - setsockopt.  socket(7), tcp(7), ip(7); names, ranges and lengths as Linux has them. Rank 15.2.
 *
 * The socket's options are the original; the TCB and the listening port have copies (spread). */
#include "cc_table.h"
#include "sock_inside.h"
#include "tcp_timer.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/time.h>

/* What Linux has; SO_SNDBUF and SO_RCVBUF are doubled there, because half of the memory is its own overhead,
 * and programs expect to see it.  The half that was asked for is the room for data. */
#define SNDBUF_MIN (4608u / 2)
#define RCVBUF_MIN (2304u / 2)
#define BUF_MAX (4u << 20) /* net.core.wmem_max, rmem_max */
#define MAXSEG_MIN 88
#define MAXSEG_MAX 32767
#define KEEP_S_MAX 32767
#define KEEP_CNT_MAX 127
#define TOS_ECN 3 /* the bits of ip(7)'s IP_TOS that belong to ECN */
#define CC_NAME_MAX 16u

/* Hands the options on after they were changed.  A buffer that grows by itself has grown in the TCB. */
static void spread(struct sock *s)
{
    if (s->port != NULL) {
        s->port->opts = s->opts;
        s->port->reuse = s->reuse;
    }
    if (s->c != NULL) {
        uint32_t sndbuf = s->c->opt.sndbuf_bytes, rcvbuf = s->c->opt.rcvbuf_bytes;
        s->c->opt = s->opts;
        if (!s->opts.sndbuf_set)
            s->c->opt.sndbuf_bytes = sndbuf;
        if (!s->opts.rcvbuf_set)
            s->c->opt.rcvbuf_bytes = rcvbuf;
    }
}

/* The connection may have something to send because of the new options. */
static void wake(struct rill_engine *e, struct sock *s)
{
    if (s->c != NULL && s->c->state != RILL_CLOSED)
        conns_touch(&e->conns, s->c);
}

static void keepalive_changed(struct rill_engine *e, struct sock *s)
{
    spread(s);
    if (s->c != NULL && s->c->state != RILL_CLOSED)
        timer_keepalive(e, s->c);
}

/* A larger buffer is a larger window, and the peer has to be told. */
static void rcvbuf_changed(struct rill_engine *e, struct sock *s, uint32_t before)
{
    spread(s);
    if (s->opts.rcvbuf_bytes > before && s->c != NULL && tcp_synchronized(s->c) && !tcp_fin_received(s->c)) {
        s->c->ack_now = true;
        wake(e, s);
    }
}

/* Of a value given as Linux takes it: a negative one is a large one. */
static uint32_t buffer_size(int value, uint32_t low)
{
    return max_u32(low, min_u32((uint32_t)value, BUF_MAX));
}

static bool same_text(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b)
        a++, b++;
    return *a == *b;
}

static int set_linger(struct sock *s, const void *value, socklen_t len)
{
    struct linger linger;
    if (len < sizeof linger)
        return -EINVAL;
    memcpy(&linger, value, sizeof linger);
    s->linger = linger.l_onoff != 0;
    if (s->linger)
        s->linger_s = min_u32((uint32_t)linger.l_linger, INT32_MAX);
    return 0;
}

static int set_timeout(rill_time *timeout_us, const void *value, socklen_t len)
{
    struct timeval tv;
    if (len < sizeof tv)
        return -EINVAL;
    memcpy(&tv, value, sizeof tv);
    if (tv.tv_usec < 0 || tv.tv_usec >= (long)SEC)
        return -EDOM;
    if (tv.tv_sec < 0)
        *timeout_us = 0;
    else if ((tv.tv_sec == 0 && tv.tv_usec == 0) || (uint64_t)tv.tv_sec >= INT64_MAX / SEC)
        *timeout_us = RILL_NEVER;
    else
        *timeout_us = (uint64_t)tv.tv_sec * SEC + (uint64_t)tv.tv_usec;
    return 0;
}

static int set_socket(struct rill_engine *e, struct sock *s, int name, int value)
{
    uint32_t before = s->c != NULL ? s->c->opt.rcvbuf_bytes : s->opts.rcvbuf_bytes;
    switch (name) {
    case SO_REUSEADDR:
        s->reuse = value != 0;
        spread(s);
        return 0;
    case SO_BROADCAST:
        s->broadcast = value != 0;
        return 0;
    case SO_OOBINLINE:
        return 0; /* it always is */
    case SO_KEEPALIVE:
        if (s->opts.keepalive != (value != 0)) {
            s->opts.keepalive = value != 0;
            keepalive_changed(e, s);
        }
        return 0;
    case SO_SNDBUF:
        s->opts.sndbuf_bytes = buffer_size(value, SNDBUF_MIN);
        s->opts.sndbuf_set = true; /* it does not grow by itself any more */
        s->opts.sndbuf_set = true;
        spread(s);
        return 0;
    case SO_RCVBUF:
        s->opts.rcvbuf_bytes = buffer_size(value, RCVBUF_MIN);
        s->opts.rcvbuf_set = true;
        s->opts.rcvbuf_set = true;
        rcvbuf_changed(e, s, before);
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

static int set_tcp(struct rill_engine *e, struct sock *s, int name, int value)
{
    switch (name) {
    case TCP_NODELAY:
        s->opts.nodelay = value != 0;
        spread(s);
        wake(e, s); /* what Nagle held back leaves now */
        return 0;
    case TCP_MAXSEG:
        if (value != 0 && (value < MAXSEG_MIN || value > MAXSEG_MAX))
            return -EINVAL;
        s->opts.maxseg = (uint16_t)value;
        spread(s);
        return 0;
    case TCP_KEEPIDLE:
        if (value < 1 || value > KEEP_S_MAX)
            return -EINVAL;
        s->opts.keep_idle_s = (uint16_t)value;
        keepalive_changed(e, s);
        return 0;
    case TCP_KEEPINTVL:
        if (value < 1 || value > KEEP_S_MAX)
            return -EINVAL;
        s->opts.keep_intvl_s = (uint16_t)value;
        spread(s);
        return 0;
    case TCP_KEEPCNT:
        if (value < 1 || value > KEEP_CNT_MAX)
            return -EINVAL;
        s->opts.keep_cnt = (uint8_t)value;
        spread(s);
        return 0;
    case TCP_USER_TIMEOUT:
        if (value < 0)
            return -EINVAL;
        s->opts.user_timeout_ms = (uint32_t)value;
        spread(s);
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

static int set_ip(struct rill_engine *e, struct sock *s, int name, int value)
{
    switch (name) {
    case IP_TOS:
        s->opts.tos = (uint8_t)((value & 0xff & ~TOS_ECN) | (s->opts.tos & TOS_ECN));
        break;
    case IP_TTL:
        if (value != -1 && (value < 1 || value > 255))
            return -EINVAL;
        s->opts.ttl = value == -1 ? e->config.ttl : (uint8_t)value;
        break;
    default:
        return -ENOPROTOOPT;
    }
    spread(s);
    return 0;
}

static void change_cc(struct tcb *c, enum rill_cc cc)
{
    c->cc.ops = cc_ops(cc);
    if (c->fl != NULL)
        memset(c->fl->cc_state, 0, sizeof c->fl->cc_state);
}

/* TCP_CONGESTION, at once also on a connection: the window stays, what the old algorithm remembers does not.
 * The name may lack its final zero byte. */
static int set_congestion(struct sock *s, const void *value, socklen_t len)
{
    char name[CC_NAME_MAX] = {0};
    uint8_t cc = 0;
    if (len < 1)
        return -EINVAL;
    if (value == NULL)
        return -EFAULT;
    memcpy(name, value, min_u32(len, sizeof name - 1));
    while (cc < RILL_CC_COUNT && !same_text(name, rill_cc_word((enum rill_cc)cc)))
        cc++;
    if (cc == RILL_CC_COUNT)
        return -ENOENT;
    if (cc == s->opts.cc)
        return 0;
    s->opts.cc = cc;
    spread(s);
    if (s->c != NULL)
        change_cc(s->c, (enum rill_cc)cc);
    return 0;
}

int sock_setsockopt(struct socks *socks, int number, int level, int name, const void *value, socklen_t len)
{
    struct sock *s = sock_get(socks, number);
    struct rill_engine *e = socks->engine;
    int given = 0;
    if (s == NULL)
        return -EBADF;
    if (len > INT32_MAX)
        return -EINVAL;
    if (level != SOL_SOCKET && level != IPPROTO_TCP && level != IPPROTO_IP)
        return -ENOPROTOOPT;
    if (level == IPPROTO_TCP && name == TCP_CONGESTION)
        return set_congestion(s, value, len);
    if (len < sizeof given && level != IPPROTO_IP)
        return -EINVAL;
    if (len < 1 && name == IP_TTL)
        return -EINVAL;
    if (len > 0 && value == NULL)
        return -EFAULT;
    if (level == SOL_SOCKET && name == SO_LINGER)
        return set_linger(s, value, len);
    if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO))
        return set_timeout(name == SO_RCVTIMEO ? &s->rcv_timeout_us : &s->snd_timeout_us, value, len);
    if (len >= sizeof given)
        memcpy(&given, value, sizeof given);
    else if (len > 0)
        given = *(const uint8_t *)value; /* ip(7) takes a single byte too */
    if (level == SOL_SOCKET)
        return set_socket(e, s, name, given);
    if (level == IPPROTO_TCP)
        return set_tcp(e, s, name, given);
    return set_ip(e, s, name, given);
}
