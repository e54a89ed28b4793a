/* notation.h - one TCP segment as a line of text, close to packetdrill's: "P. 1:101(100) ack 1 win 512".
 *
 *   [@N] FLAGS SEQ:END(LEN) [ack N] [win N] [urg N] [salt N] [<OPTION,OPTION...>]
 *
 * FLAGS is one or more of S F R P U E C and . (ACK), or - for none.  Numbers are relative to the initial
 * ones, may be negative, and =N is what is on the wire; * is anything.  LEN counts text only, END is SEQ +
 * LEN. Options: mss N, wscale N, nop, eol, sackOK, TS val N ecr N, hex BYTES; <*> is whatever there may be.
 * @N is the peer's number in the rig, salt N another content of the text.
 *
 * The parser of datagrams here is the tests' own: it shares nothing with the code under test. */
#ifndef NOTATION_H
#define NOTATION_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct note_num {
    int64_t value;
    bool given, any, absolute;
};

struct note {
    unsigned int peer;
    uint8_t flags, salt;
    struct note_num seq, ack, win, urg;
    uint32_t len;
    bool opt_any;
    uint32_t opt_len;
    uint8_t opt[40];
};

/* NULL, or what is wrong with the line. */
const char *note_parse(const char *line, struct note *note);

/* A TCP/IPv4 datagram, as on the wire. */
struct datagram {
    uint32_t src, dst, seq, ack;
    uint16_t sport, dport, win, urg;
    uint8_t flags, ttl, tos;
    uint32_t opt_len, text_len;
    uint8_t opt[40];
    uint8_t text[65535];
};

/* Writes it with correct lengths and checksums: how many bytes. */
uint32_t datagram_build(const struct datagram *d, uint8_t *data);

/* Takes apart what the stack has sent.  NULL, or which rule for a packet that leaves it breaks. */
const char *datagram_parse(const uint8_t *data, uint32_t len, struct datagram *d);

/* In the notation, relative to the initial numbers of the sender and of the receiver. */
void datagram_print(FILE *to, const struct datagram *d, uint32_t isn_from, uint32_t isn_to);

/* The byte of a stream at a position; the first one after the SYN is 1. */
uint8_t pattern(uint64_t pos, uint8_t salt);

#endif
