/* notation.c - see notation.h.  RFC 791 3.1, RFC 9293 3.1, 3.2, RFC 7323 2.2, RFC 2018 2. */
#include "notation.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define FLAG_LETTERS "FSRP.UEC" /* in the order of their bits */
#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define ACK 0x10
#define URG 0x20

uint8_t pattern(uint64_t pos, uint8_t salt)
{
    /* No period that a segment, a window or a ring could have. */
    return (uint8_t)((pos * 131 + (pos / 251) * 17 + (pos / 63001) * 7) ^ (uint64_t)(salt * 85u));
}

/* ---- A line ------------------------------------------------------------------------------------------- */

static const char *skip_space(const char *s)
{
    while (*s == ' ')
        s++;
    return s;
}

/* Takes a number; NULL if there is none. */
static const char *take_num(const char *s, struct note_num *num)
{
    char *end;
    s = skip_space(s);
    *num = (struct note_num){.given = true};
    if (*s == '*') {
        num->any = true;
        return s + 1;
    }
    if (*s == '=') {
        num->absolute = true;
        s++;
    }
    num->value = strtoll(s, &end, 10);
    return end == s ? NULL : end;
}

static const char *take_word(const char *s, const char *word)
{
    size_t len = strlen(word);
    s = skip_space(s);
    return strncmp(s, word, len) == 0 && !isalpha((unsigned char)s[len]) ? s + len : NULL;
}

static void put(struct note *note, uint64_t value, unsigned int bytes)
{
    while (bytes-- > 0 && note->opt_len < sizeof note->opt)
        note->opt[note->opt_len++] = (uint8_t)(value >> (8 * bytes));
}

static const char *take_hex(const char *s, struct note *note)
{
    s = skip_space(s);
    while (isxdigit((unsigned char)s[0]) && isxdigit((unsigned char)s[1])) {
        char byte[3] = {s[0], s[1], 0};
        put(note, strtoul(byte, NULL, 16), 1);
        s += 2;
    }
    return s;
}

/* Four bytes of a number that counts from `base`. */
static void put_num(struct note *note, const struct note_num *num, enum note_base base)
{
    if (!num->absolute && note->refs < sizeof note->ref / sizeof note->ref[0])
        note->ref[note->refs++] = (struct note_ref){(uint8_t)note->opt_len, num->any ? NOTE_ANY : base};
    put(note, (uint32_t)num->value, 4);
}

/* N:N N:N */
static const char *take_sack(const char *s, struct note *note)
{
    struct note_num left, right;
    uint32_t kind_at = note->opt_len;
    put(note, 0x0502, 2);
    do {
        if ((s = take_num(s, &left)) == NULL || *s != ':' || (s = take_num(s + 1, &right)) == NULL)
            return NULL;
        put_num(note, &left, NOTE_SACK);
        put_num(note, &right, NOTE_SACK);
        s = skip_space(s);
    } while (*s != ',' && *s != '>' && *s != 0);
    note->opt[kind_at + 1] = (uint8_t)(note->opt_len - kind_at);
    return s;
}

static const char *take_ts(const char *s, struct note *note)
{
    struct note_num val, ecr;
    if ((s = take_word(s, "val")) == NULL || (s = take_num(s, &val)) == NULL ||
        (s = take_word(s, "ecr")) == NULL || (s = take_num(s, &ecr)) == NULL)
        return NULL;
    put(note, 0x080a, 2);
    put_num(note, &val, NOTE_TSVAL);
    put_num(note, &ecr, NOTE_TSECR);
    return s;
}

static const char *take_option(const char *s, struct note *note)
{
    struct note_num num;
    const char *rest;
    if ((rest = take_word(s, "mss")) != NULL && (rest = take_num(rest, &num)) != NULL) {
        put(note, 0x0204, 2);
        put(note, (uint16_t)num.value, 2);
    } else if ((rest = take_word(s, "wscale")) != NULL && (rest = take_num(rest, &num)) != NULL) {
        put(note, 0x0303, 2);
        put(note, (uint8_t)num.value, 1);
    } else if ((rest = take_word(s, "nop")) != NULL) {
        put(note, 1, 1);
    } else if ((rest = take_word(s, "eol")) != NULL) {
        put(note, 0, 1);
    } else if ((rest = take_word(s, "sackOK")) != NULL) {
        put(note, 0x0402, 2);
    } else if ((rest = take_word(s, "TS")) != NULL) {
        rest = take_ts(rest, note);
    } else if ((rest = take_word(s, "sack")) != NULL) {
        rest = take_sack(rest, note);
    } else if ((rest = take_word(s, "hex")) != NULL) {
        rest = take_hex(rest, note);
    }
    return rest;
}

/* After the '<'. */
static const char *take_options(const char *s, struct note *note)
{
    if (*skip_space(s) == '*') {
        note->opt_any = true;
        s = skip_space(s) + 1;
    } else {
        do {
            s = take_option(s, note);
            s = s != NULL ? skip_space(s) : NULL;
        } while (s != NULL && *s == ',' && *s++);
    }
    while (note->opt_len % 4 != 0)
        put(note, 0, 1);
    return s != NULL && *s == '>' ? s + 1 : NULL;
}

static const char *take_flags(const char *s, struct note *note)
{
    const char *letter;
    s = skip_space(s);
    if (*s == '-')
        return s + 1;
    for (; *s != ' '; s++) {
        letter = *s != 0 ? strchr(FLAG_LETTERS, *s) : NULL;
        if (letter == NULL)
            return NULL;
        note->flags |= (uint8_t)(1u << (letter - FLAG_LETTERS));
    }
    return s;
}

/* SEQ:END(LEN) */
static const char *take_range(const char *s, struct note *note)
{
    struct note_num end, len;
    if ((s = take_num(s, &note->seq)) == NULL || *s != ':' || (s = take_num(s + 1, &end)) == NULL ||
        *s != '(' || (s = take_num(s + 1, &len)) == NULL || *s != ')')
        return NULL;
    if (!note->seq.any && end.value != note->seq.value + len.value)
        return NULL;
    note->len = (uint32_t)len.value;
    return s + 1;
}

static const char *take_rest(const char *s, struct note *note)
{
    static const char *const ecn[] = {"", "ect1", "ect0", "ce"}; /* RFC 3168 5, figure 1 */
    struct note_num salt;
    const char *rest;
    for (uint8_t i = 1; i < 4; i++)
        if (strncmp(s, ecn[i], strlen(ecn[i])) == 0) {
            note->ecn = i;
            return s + strlen(ecn[i]);
        }
    if (*s == '<')
        return take_options(s + 1, note);
    if ((rest = take_word(s, "ack")) != NULL)
        return take_num(rest, &note->ack);
    if ((rest = take_word(s, "win")) != NULL)
        return take_num(rest, &note->win);
    if ((rest = take_word(s, "urg")) != NULL)
        return take_num(rest, &note->urg);
    if ((rest = take_word(s, "salt")) != NULL) {
        rest = take_num(rest, &salt);
        note->salt = (uint8_t)salt.value;
        return rest;
    }
    return NULL;
}

const char *note_parse(const char *line, struct note *note)
{
    struct note_num peer;
    const char *s = skip_space(line);
    *note = (struct note){0};
    if (*s == '@') {
        if ((s = take_num(s + 1, &peer)) == NULL)
            return "no number after @";
        note->peer = (unsigned int)peer.value;
    }
    if ((s = take_flags(s, note)) == NULL)
        return "flags";
    if ((s = take_range(s, note)) == NULL)
        return "SEQ:END(LEN)";
    while (*(s = skip_space(s)) != 0)
        if ((s = take_rest(s, note)) == NULL)
            return "something after the numbers";
    if (((note->flags & ACK) != 0) != note->ack.given)
        return "the flag . and an ack number belong together";
    return NULL;
}

/* ---- A datagram ---------------------------------------------------------------------------------------- */

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v & 0xffff);
}

static uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static uint32_t get32(const uint8_t *p) { return (uint32_t)get16(p) << 16 | get16(p + 2); }

/* RFC 1071, byte by byte, with a sum to begin with.  0xffff over data that contains its right checksum. */
static uint16_t sum16(uint32_t sum, const uint8_t *data, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

static uint16_t tcp_sum(const uint8_t *ip, uint32_t tcp_len)
{
    uint8_t pseudo[12] = {0};
    memcpy(pseudo, ip + 12, 8);
    pseudo[9] = 6;
    put16(pseudo + 10, tcp_len);
    return sum16(sum16(0, pseudo, sizeof pseudo), ip + 20, tcp_len);
}

uint32_t datagram_build(const struct datagram *d, uint8_t *data)
{
    uint32_t head = 20 + d->opt_len, len = 20 + head + d->text_len;
    uint8_t *tcp = data + 20;
    memset(data, 0, 40);
    data[0] = 0x45;
    data[1] = d->tos;
    put16(data + 2, len);
    data[6] = 0x40;
    data[8] = d->ttl;
    data[9] = 6;
    put32(data + 12, d->src);
    put32(data + 16, d->dst);
    put16(data + 10, 0xffffu ^ sum16(0, data, 20));
    put16(tcp, d->sport);
    put16(tcp + 2, d->dport);
    put32(tcp + 4, d->seq);
    put32(tcp + 8, d->ack);
    tcp[12] = (uint8_t)(head / 4 << 4);
    tcp[13] = d->flags;
    put16(tcp + 14, d->win);
    put16(tcp + 18, d->urg);
    memcpy(tcp + 20, d->opt, d->opt_len);
    memcpy(tcp + head, d->text, d->text_len);
    put16(tcp + 16, 0xffffu ^ tcp_sum(data, head + d->text_len));
    return len;
}

static const char *parse_ip(const uint8_t *data, uint32_t len, struct datagram *d)
{
    if (len < 40 || data[0] != 0x45)
        return "an IPv4 header of 20 bytes";
    if (get16(data + 2) != len)
        return "the total length is the packet's";
    if (sum16(0, data, 20) != 0xffff)
        return "the IP header's checksum is right";
    if (get16(data + 4) != 0 || get16(data + 6) != 0x4000)
        return "an atomic datagram: DF, no fragment, identification 0 (RFC 6864 4)";
    if (data[8] == 0 || data[9] != 6)
        return "a TTL (MUST-49) and protocol TCP";
    d->tos = data[1];
    d->ttl = data[8];
    d->src = get32(data + 12);
    d->dst = get32(data + 16);
    return NULL;
}

/* Options one after the other, each within the header, zeroes after EOL. */
static bool options_sound(const uint8_t *opt, uint32_t len)
{
    uint32_t i = 0;
    while (i < len && opt[i] != 0) {
        if (opt[i] == 1)
            i++;
        else if (i + 1 >= len || opt[i + 1] < 2 || i + opt[i + 1] > len)
            return false;
        else
            i += opt[i + 1];
    }
    for (; i < len; i++)
        if (opt[i] != 0)
            return false;
    return true;
}

const char *datagram_parse(const uint8_t *data, uint32_t len, struct datagram *d)
{
    const uint8_t *tcp = data + 20;
    uint32_t head;
    const char *broken = parse_ip(data, len, d);
    if (broken != NULL)
        return broken;
    head = (uint32_t)(tcp[12] >> 4) * 4;
    if (head < 20 || head > len - 20)
        return "a data offset within the segment";
    if (tcp_sum(data, len - 20) != 0xffff)
        return "the TCP checksum is right (MUST-2)";
    d->sport = get16(tcp);
    d->dport = get16(tcp + 2);
    d->seq = get32(tcp + 4);
    d->ack = get32(tcp + 8);
    d->flags = tcp[13];
    d->win = get16(tcp + 14);
    d->urg = get16(tcp + 18);
    d->opt_len = head - 20;
    d->text_len = len - 20 - head;
    memcpy(d->opt, tcp + 20, d->opt_len);
    memcpy(d->text, tcp + head, d->text_len);
    if ((tcp[12] & 0x0f) != 0)
        return "reserved bits are zero";
    if (!options_sound(d->opt, d->opt_len))
        return "options that fill their room, padded with zeroes";
    if ((d->flags & (SYN | RST | FIN)) > RST || (d->flags & (SYN | FIN)) == (SYN | FIN))
        return "at most one of SYN, FIN, RST";
    if ((d->flags & (ACK | SYN | RST)) == 0)
        return "ACK in every segment but SYN and RST";
    if ((d->flags & ACK) == 0 && d->ack != 0)
        return "no acknowledgement number without ACK";
    if ((d->flags & URG) == 0 && d->urg != 0)
        return "no urgent pointer without URG";
    return NULL;
}

static void print_sack(FILE *to, const uint8_t *opt, uint32_t len, uint32_t isn_to)
{
    fputs("sack", to);
    for (uint32_t i = 2; i < len; i += 8)
        fprintf(to, " %d:%d", (int32_t)(get32(opt + i) - isn_to), (int32_t)(get32(opt + i + 4) - isn_to));
}

static void print_option(FILE *to, const uint8_t *opt, uint32_t len, uint32_t isn_to)
{
    static const char *const name[] = {"eol", "nop", "mss", "wscale", "sackOK"};
    if (opt[0] == 8 && len == 10)
        fprintf(to, "TS val %u ecr %u", get32(opt + 2), get32(opt + 6));
    else if (opt[0] == 5 && len % 8 == 2)
        print_sack(to, opt, len, isn_to);
    else if (opt[0] == 2 && len == 4)
        fprintf(to, "mss %u", get16(opt + 2));
    else if (opt[0] == 3 && len == 3)
        fprintf(to, "wscale %u", opt[2]);
    else if (opt[0] <= 1 || (opt[0] == 4 && len == 2))
        fputs(name[opt[0]], to);
    else
        for (uint32_t i = 0; i < len; i++)
            fprintf(to, "%s%02x", i == 0 ? "hex " : "", opt[i]);
}

static void print_options(FILE *to, const uint8_t *opt, uint32_t len, uint32_t isn_to)
{
    uint32_t i = 0, one;
    fputs(" <", to);
    while (i < len) {
        one = opt[i] <= 1 || i + 1 >= len ? 1 : opt[i + 1];
        if (one == 0 || one > len - i)
            one = len - i;
        print_option(to, opt + i, one, isn_to);
        i += one;
        if (i < len)
            fputc(',', to);
    }
    fputc('>', to);
}

void datagram_print(FILE *to, const struct datagram *d, uint32_t isn_from, uint32_t isn_to)
{
    static const char order[] = "SFRPUEC.";
    int32_t seq = (int32_t)(d->seq - isn_from);
    for (const char *c = order; *c != 0; c++)
        if ((d->flags & 1u << (strchr(FLAG_LETTERS, *c) - FLAG_LETTERS)) != 0)
            fputc(*c, to);
    if (d->flags == 0)
        fputc('-', to);
    if (d->seq == 0 && (d->flags & RST) != 0)
        fprintf(to, " =0:=0(%u)", d->text_len);
    else
        fprintf(to, " %d:%d(%u)", seq, seq + (int32_t)d->text_len, d->text_len);
    if ((d->flags & ACK) != 0)
        fprintf(to, " ack %d", (int32_t)(d->ack - isn_to));
    fprintf(to, " win %u", d->win);
    if ((d->flags & URG) != 0)
        fprintf(to, " urg %u", d->urg);
    if ((d->tos & 3) != 0)
        fprintf(to, " %s", (d->tos & 3) == 3 ? "ce" : (d->tos & 3) == 2 ? "ect0" : "ect1");
    if (d->opt_len != 0)
        print_options(to, d->opt, d->opt_len, isn_to);
}
