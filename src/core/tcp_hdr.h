/* tcp_hdr.h - the TCP header: THE parser and THE builder.  RFC 9293 3.1, 3.2; RFC 7323; RFC 2018.  Rank 4.
 *
 * A segment is parsed once, every option decoded, and is const from then on.  The policy for an illegal
 * option length (MUST-7) is: parsing of options stops there, the segment and what was read before count.  An
 * option of the right kind and the wrong size is ignored.  Of a repeated option the first one counts. */
#ifndef RILL_TCP_HDR_H
#define RILL_TCP_HDR_H

#include "ip4.h"

#define TCP_HEADER_LEN 20u
#define TCP_HEADER_MAX 60u
#define TCP_OK RILL_SEG_IN
#define TCP_SACK_BLOCKS 4
#define TCP_TS_LEN 12u /* the timestamps option with two NOPs in front */
#define TCP_SACK_LEN(n) ((n) != 0 ? 4 + 8 * (uint32_t)(n) : 0) /* n blocks with two NOPs in front */
#define TCP_DEFAULT_MSS 536u                                   /* RFC 9293 3.7.1, MUST-15 */

struct tcp_options {
    bool has_mss, has_wscale, has_sack_permitted, has_ts;
    uint8_t wscale; /* as sent; more than 14 is used as 14 (RFC 7323 2.3) by the caller */
    uint8_t sack_count;
    uint16_t mss;
    uint32_t tsval, tsecr;
    struct tcp_sack {
        uint32_t left, right;
    } sack[TCP_SACK_BLOCKS];
};

struct tcp_segment {
    uint32_t laddr, raddr; /* ours, the peer's, host order */
    uint16_t lport, rport;
    uint32_t seq32, ack32;   /* as on the wire */
    uint64_t seq, ack;       /* unwrapped by tcp_input once the connection is known */
    uint32_t text_len;       /* payload bytes */
    uint16_t wnd16, up16;    /* window and urgent pointer as on the wire */
    uint8_t flags;           /* RILL_FIN … */
    uint8_t ecn;             /* the ECN bits of the IP header */
    uint16_t ip_payload_len; /* header and text */
    struct rill_slice text[3];
    struct tcp_options opt;
};

/* SEG.LEN of RFC 9293: text, SYN and FIN. */
static inline uint32_t tcp_seg_len(const struct tcp_segment *seg)
{
    return seg->text_len + ((seg->flags & RILL_SYN) != 0) + ((seg->flags & RILL_FIN) != 0);
}

/* Parses and verifies the TCP segment that datagram `in` with header `ip` carries.  TCP_OK, or
 * DROP_TCP_SHORT, _CHECKSUM, _PORT. The text slices point into the packet. */
enum rill_event tcp_parse(const struct rill_packet *in, const struct ip4 *ip, struct tcp_segment *seg);

/* Parses options only; for tests and for tcp_parse.  Any bytes, any length, never fails. */
void tcp_parse_options(const uint8_t *data, uint32_t len, struct tcp_options *opt);

/* What to build. */
struct tcp_build {
    uint32_t laddr, raddr, seq32, ack32;
    uint16_t lport, rport, wnd16, up16;
    uint8_t flags, ttl, tos;
    uint8_t wscale_plus_1; /* 0: no window scale option */
    uint16_t mss;          /* 0: no MSS option (MUST-65: only on SYN) */
    bool sack_permitted;   /* RFC 2018 2: only on SYN */
    bool has_ts;           /* RFC 7323 3.2 */
    uint32_t tsval, tsecr;
    uint8_t sack_count; /* at most 4, 3 with timestamps (RFC 2018 3) */
    struct tcp_sack sack[TCP_SACK_BLOCKS];
    bool partial_csum; /* leave the checksum to the device */
    struct rill_slice text[2];
};

/* Writes the IP and TCP headers of a segment into head, at least IP4_HEADER_LEN + TCP_HEADER_MAX bytes, the
 * checksum over header and text included (MUST-2), and fills in *out.  Returns the length of the headers. */
uint32_t tcp_build(const struct tcp_build *build, uint8_t *head, struct rill_packet *out);

#endif
