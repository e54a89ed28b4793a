/* sock_getopt.c - getsockopt.  socket(7), tcp(7), ip(7); names and lengths as Linux has them.  Rank 15.2. */
#include "sock_inside.h"
#include "tcp_conn.h"

#include <errno.h>
#include <linux/tcp.h> /* its struct tcp_info is the whole one; <netinet/tcp.h> has the start of it */
#include <sys/time.h>

#define CC_NAME_MAX 16u
#define SSTHRESH_NONE 0x7fffffffu /* what Linux shows before the first loss */

/* SO_ERROR: the error, or else the last ICMP hint, as Linux does. */
static int take_any_error(struct sock *s)
{
    int error = sock_take_error(s);
    if (error == 0 && s->c != NULL) {
        error = s->c->soft_error;
        s->c->soft_error = 0;
    }
    return error;
}

static int get_socket(struct sock *s, int name, int *value)
{
    const struct tcp_opts *opts = s->c != NULL ? &s->c->opt : &s->opts; /* the buffers may have grown */
    switch (name) {
    case SO_REUSEADDR:
        *value = s->reuse;
        return 0;
    case SO_BROADCAST:
        *value = s->broadcast;
        return 0;
    case SO_OOBINLINE:
        *value = 1;
        return 0;
    case SO_KEEPALIVE:
        *value = s->opts.keepalive;
        return 0;
    case SO_SNDBUF:
        *value = (int)(2 * opts->sndbuf_bytes);
        return 0;
    case SO_RCVBUF:
        *value = (int)(2 * opts->rcvbuf_bytes);
        return 0;
    case SO_TYPE:
        *value = SOCK_STREAM;
        return 0;
    case SO_DOMAIN:
        *value = AF_INET;
        return 0;
    case SO_PROTOCOL:
        *value = IPPROTO_TCP;
        return 0;
    case SO_ACCEPTCONN:
        *value = sock_listens(s);
        return 0;
    case SO_ERROR:
        *value = take_any_error(s);
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

static int get_tcp(const struct sock *s, int name, int *value)
{
    switch (name) {
    case TCP_NODELAY:
        *value = s->opts.nodelay;
        return 0;
    case TCP_MAXSEG:
        if (s->c != NULL && tcp_synchronized(s->c))
            *value = (int)tcp_eff_mss(s->c);
        else
            *value = s->opts.maxseg != 0 ? s->opts.maxseg : (int)TCP_DEFAULT_MSS;
        return 0;
    case TCP_KEEPIDLE:
        *value = s->opts.keep_idle_s;
        return 0;
    case TCP_KEEPINTVL:
        *value = s->opts.keep_intvl_s;
        return 0;
    case TCP_KEEPCNT:
        *value = s->opts.keep_cnt;
        return 0;
    case TCP_USER_TIMEOUT:
        *value = (int)s->opts.user_timeout_ms;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

static int get_ip(const struct sock *s, int name, int *value)
{
    switch (name) {
    case IP_TOS:
        *value = s->opts.tos;
        return 0;
    case IP_TTL:
        *value = s->opts.ttl;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

/* Linux' numbers of the states, as <netinet/tcp.h> has them. */
enum info_state {
    INFO_ESTABLISHED = 1,
    INFO_SYN_SENT,
    INFO_SYN_RECV,
    INFO_FIN_WAIT1,
    INFO_FIN_WAIT2,
    INFO_TIME_WAIT,
    INFO_CLOSE,
    INFO_CLOSE_WAIT,
    INFO_LAST_ACK,
    INFO_LISTEN,
    INFO_CLOSING
};

static uint8_t info_state(enum rill_tcp_state state)
{
    switch (state) {
    case RILL_LISTEN:
        return INFO_LISTEN;
    case RILL_SYN_SENT:
        return INFO_SYN_SENT;
    case RILL_SYN_RECEIVED:
        return INFO_SYN_RECV;
    case RILL_ESTABLISHED:
        return INFO_ESTABLISHED;
    case RILL_FIN_WAIT_1:
        return INFO_FIN_WAIT1;
    case RILL_FIN_WAIT_2:
        return INFO_FIN_WAIT2;
    case RILL_CLOSE_WAIT:
        return INFO_CLOSE_WAIT;
    case RILL_CLOSING:
        return INFO_CLOSING;
    case RILL_LAST_ACK:
        return INFO_LAST_ACK;
    case RILL_TIME_WAIT:
        return INFO_TIME_WAIT;
    case RILL_CLOSED:
        break;
    }
    return INFO_CLOSE;
}

static uint32_t segments(uint32_t bytes, uint32_t mss) { return (bytes + mss - 1) / mss; }

static void info_of_flight(const struct rill_engine *e, const struct tcb *c, uint32_t mss,
                           struct tcp_info *info)
{
    const struct flight *fl = c->fl;
    if (fl == NULL)
        return;
    info->tcpi_lost = segments(fl->sb.lost.bytes, mss);
    info->tcpi_last_data_sent = (uint32_t)((e->now_us - fl->sent_us) / MS);
    if (fl->timed_out)
        info->tcpi_ca_state = TCP_CA_Loss;
    else if (fl->recovery)
        info->tcpi_ca_state = TCP_CA_Recovery;
    else if (fl->dup_acks > 0)
        info->tcpi_ca_state = TCP_CA_Disorder;
    info->tcpi_retransmits = c->rtt.backoff;
}

static void info_of_options(const struct tcb *c, struct tcp_info *info)
{
    if (c->ts_ok)
        info->tcpi_options |= TCPI_OPT_TIMESTAMPS;
    if (c->sack_ok)
        info->tcpi_options |= TCPI_OPT_SACK;
    if (c->wscale_ok)
        info->tcpi_options |= TCPI_OPT_WSCALE;
    if (c->ecn_ok)
        info->tcpi_options |= TCPI_OPT_ECN;
}

static void info_of(const struct rill_engine *e, const struct tcb *c, struct tcp_info *info)
{
    uint32_t mss = tcp_eff_mss(c), heard_ms = (uint32_t)((e->now_us - c->heard_us) / MS);
    info->tcpi_probes = c->keep_sent;
    info->tcpi_backoff = c->rtt.backoff;
    info_of_options(c, info);
    if (c->wscale_ok) {
        info->tcpi_snd_wscale = c->snd.wscale & 15u;
        info->tcpi_rcv_wscale = c->rcv.wscale & 15u;
    }
    info->tcpi_rto = (uint32_t)rtt_rto_us(&c->rtt, e->config.rto_max_us);
    info->tcpi_ato = e->config.delack_us;
    info->tcpi_snd_mss = mss;
    info->tcpi_rcv_mss = c->rcv.mss != 0 ? c->rcv.mss : TCP_DEFAULT_MSS;
    info->tcpi_unacked = segments(tcp_flight(c), mss);
    info->tcpi_last_data_recv = info->tcpi_last_ack_recv = heard_ms;
    info->tcpi_pmtu = c->pmtu;
    info->tcpi_rcv_ssthresh = c->state == RILL_CLOSED ? 0 : tcp_rcv_wnd(c);
    info->tcpi_rtt = rtt_srtt_us(&c->rtt);
    info->tcpi_rttvar = rtt_var_us(&c->rtt);
    info->tcpi_snd_ssthresh = c->cc.ssthresh >= SSTHRESH_NONE ? SSTHRESH_NONE : c->cc.ssthresh / mss;
    info->tcpi_snd_cwnd = c->cc.cwnd / mss;
    info->tcpi_advmss = tcp_our_mss(e, &c->opt);
    info->tcpi_reordering = 3; /* duplicate ACKs */
    info->tcpi_rcv_space = c->opt.rcvbuf_bytes;
    if (c->snd.una > tcp_iss(c))
        info->tcpi_bytes_acked = min_u64(c->snd.una, c->snd.end) - (tcp_iss(c) + 1);
    if (c->rcv.nxt > tcp_irs(c))
        info->tcpi_bytes_received = (tcp_fin_received(c) ? c->rcv.fin : c->rcv.nxt) - (tcp_irs(c) + 1);
    info->tcpi_notsent_bytes = c->snd.end > c->snd.nxt ? (uint32_t)(c->snd.end - c->snd.nxt) : 0;
    info->tcpi_snd_wnd = c->snd.wnd;
    info->tcpi_min_rtt = c->rtt.min_us != 0 ? c->rtt.min_us : UINT32_MAX; /* as Linux: none yet */
    info->tcpi_sacked = segments(engine_numbers(e, c).sacked, mss);
    info_of_flight(e, c, mss, info);
}

static void get_info(const struct rill_engine *e, const struct sock *s, struct tcp_info *info)
{
    memset(info, 0, sizeof *info);
    info->tcpi_state = info_state(s->c != NULL ? (enum rill_tcp_state)s->c->state : sock_state(s));
    if (s->c != NULL)
        info_of(e, s->c, info);
    if (sock_listens(s)) { /* as Linux: the queue of accept, and its bound */
        info->tcpi_unacked = s->port->ready_count;
        info->tcpi_sacked = s->port->backlog;
    }
}

/* The start of what there is, as much as the caller has room for. */
static int hand_out(const void *data, uint32_t size, void *value, socklen_t *len)
{
    *len = min_u32(*len, size);
    if (*len > 0)
        memcpy(value, data, *len);
    return 0;
}

static int get_timeout(rill_time timeout_us, void *value, socklen_t *len)
{
    struct timeval tv = {0, 0};
    if (timeout_us != RILL_NEVER) {
        tv.tv_sec = (time_t)(timeout_us / SEC);
        tv.tv_usec = (suseconds_t)(timeout_us % SEC);
    }
    return hand_out(&tv, sizeof tv, value, len);
}

/* A number, or as much of its bytes as the caller has room for.  In ip(7) less room than an int makes it one
 * byte. */
static int hand_out_int(int number, bool ip, void *value, socklen_t *len)
{
    uint8_t byte = (uint8_t)number;
    if (ip && *len > 0 && *len < sizeof number && number == byte)
        return hand_out(&byte, sizeof byte, value, len);
    return hand_out(&number, sizeof number, value, len);
}

static int getsockopt_socket(struct sock *s, int name, void *value, socklen_t *len)
{
    struct linger linger = {.l_onoff = s->linger, .l_linger = (int)s->linger_s};
    int number, error;
    switch (name) {
    case SO_LINGER:
        return hand_out(&linger, sizeof linger, value, len);
    case SO_RCVTIMEO:
        return get_timeout(s->rcv_timeout_us, value, len);
    case SO_SNDTIMEO:
        return get_timeout(s->snd_timeout_us, value, len);
    default:
        error = get_socket(s, name, &number);
        return error != 0 ? error : hand_out_int(number, false, value, len);
    }
}

static void copy_text(char to[CC_NAME_MAX], const char *from)
{
    for (uint32_t i = 0; i + 1 < CC_NAME_MAX && from[i] != '\0'; i++)
        to[i] = from[i];
}

static int getsockopt_tcp(const struct rill_engine *e, const struct sock *s, int name, void *value,
                          socklen_t *len)
{
    char cc[CC_NAME_MAX] = {0};
    struct tcp_info info;
    int number, error;
    switch (name) {
    case TCP_INFO:
        get_info(e, s, &info);
        return hand_out(&info, sizeof info, value, len);
    case TCP_CONGESTION:
        copy_text(cc, rill_cc_word((enum rill_cc)s->opts.cc));
        return hand_out(cc, sizeof cc, value, len);
    default:
        error = get_tcp(s, name, &number);
        return error != 0 ? error : hand_out_int(number, false, value, len);
    }
}

int sock_getsockopt(struct socks *socks, int number, int level, int name, void *value, socklen_t *len)
{
    struct sock *s = sock_get(socks, number);
    int got, error;
    if (s == NULL)
        return -EBADF;
    if (level != SOL_SOCKET && level != IPPROTO_TCP && level != IPPROTO_IP)
        return -EOPNOTSUPP; /* unlike setsockopt: so does Linux */
    if (len == NULL)
        return -EFAULT;
    if (*len > INT32_MAX)
        return -EINVAL;
    if (value == NULL && *len > 0)
        return -EFAULT;
    if (level == SOL_SOCKET)
        return getsockopt_socket(s, name, value, len);
    if (level == IPPROTO_TCP)
        return getsockopt_tcp(socks->engine, s, name, value, len);
    error = get_ip(s, name, &got);
    return error != 0 ? error : hand_out_int(got, true, value, len);
}
