/* notation.h - one TCP segment as a line of text, close to packetdrill's: "P. 1:101(100) ack 1 win 512".
 *
 *   [@N] FLAGS SEQ:END(LEN) [ack N] [win N] [urg N] [salt N] [ect0|ect1|ce] [<OPTION,OPTION...>]
 *
 * FLAGS is one or more of S F R P U E C and . (ACK), or - for none.  Numbers are relative to the initial
 * ones, may be negative, and =N is what is on the wire; * is anything.  LEN counts text only, END is SEQ +
 * LEN. Options: mss N, wscale N, nop, eol, sackOK, TS val N ecr N, sack N:N N:N, hex BYTES; <*> is whatever
 * there may be.  Numbers of SACK blocks are relative like those of the segments that they tell of; the
 * stack's own timestamps are relative to the one of its SYN, the peer's are as on the wire; =N and * as
 * above. ect0, ect1 and ce are the ECN bits of the IP header, which are 0 without.
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

/* Four bytes of options that are not yet what they are on the wire. */
enum note_base { NOTE_ANY, NOTE_TSVAL, NOTE_TSECR, NOTE_SACK };
struct note_ref {
    uint8_t at;
    enum note_base base;
};

struct note {
    unsigned int peer;
    uint8_t flags, salt, ecn;
    struct note_num seq, ack, win, urg;
    uint32_t len;
    bool opt_any;
    uint32_t opt_len;
    uint8_t opt[40];
    uint32_t refs;
    struct note_ref ref[10];
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
