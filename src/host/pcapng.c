/* pcapng.c - see pcapng.h.  The format is draft-ietf-opsawg-pcapng, in the byte order of this machine. */
#include "pcapng.h"

#include "packet.h"
#include "rill.h"

#include <stdio.h>
#include <sys/utsname.h>
#include <time.h>

enum { SECTION = 0x0a0d0d0a, BYTE_ORDER_MAGIC = 0x1a2b3c4d, INTERFACE = 1, PACKET = 6 };
enum { LINKTYPE_RAW = 101 };
enum { COMMENT = 1, HARDWARE = 2, OS = 3, APPLICATION = 4 };             /* options; of a section */
enum { IF_NAME = 2, IF_DESCRIPTION = 3, IF_TSRESOL = 9, EPB_FLAGS = 2 }; /* of the others */
enum { INBOUND = 1, OUTBOUND = 2 };

#define COMMENT_MAX 1000u
#define BLOCK_MAX 2048u /* without the packet */
_Static_assert(BLOCK_MAX + COMMENT_MAX + 65535 <= SINK_RECORD_MAX, "the largest block is a record");

/* A block in the making. */
struct block {
    uint8_t *start, *at;
};

static void put(struct block *b, const void *data, size_t len)
{
    memcpy(b->at, data, len);
    b->at += len;
}
static void put16(struct block *b, uint16_t v) { put(b, &v, sizeof v); }
static void put32(struct block *b, uint32_t v) { put(b, &v, sizeof v); }

static void pad(struct block *b)
{
    while ((b->at - b->start) % 4 != 0)
        *b->at++ = 0;
}

static void option(struct block *b, uint16_t code, const void *data, size_t len)
{
    put16(b, code);
    put16(b, (uint16_t)len);
    put(b, data, len);
    pad(b);
}

static void text(struct block *b, uint16_t code, const char *string)
{
    option(b, code, string, strnlen(string, COMMENT_MAX));
}

/* False: the file is closed. */
static bool begin(struct pcapng *p, struct block *b, uint32_t type, size_t packet_len)
{
    b->start = b->at = sink_room(&p->sink, BLOCK_MAX + COMMENT_MAX + packet_len);
    if (b->at == NULL)
        return false;
    put32(b, type);
    put32(b, 0);
    return true;
}

/* The end of the options, and the length at both ends. */
static void finish(struct pcapng *p, struct block *b, uint64_t now_ns)
{
    put32(b, 0);
    uint32_t len = (uint32_t)(b->at - b->start) + 4;
    put32(b, len);
    memcpy(b->start + 4, &len, sizeof len);
    sink_add(&p->sink, len, now_ns / 1000);
}

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void section(struct pcapng *p, uint64_t now_ns)
{
    struct block b;
    struct utsname name = {0};
    char os[2 * sizeof name.sysname];
    (void)uname(&name);
    if (!begin(p, &b, SECTION, 0))
        return;
    (void)snprintf(os, sizeof os, "%s %s", name.sysname, name.release);
    put32(&b, BYTE_ORDER_MAGIC);
    put16(&b, 1); /* version 1.0 */
    put16(&b, 0);
    put32(&b, UINT32_MAX); /* the length of the section is not known */
    put32(&b, UINT32_MAX);
    text(&b, HARDWARE, name.machine);
    text(&b, OS, os);
    text(&b, APPLICATION, "rill " RILL_VERSION);
    finish(p, &b, now_ns);
}

static void interface_block(struct pcapng *p, const char *name, const char *description, uint64_t now_ns)
{
    static const uint8_t nanoseconds = 9;
    struct block b;
    if (!begin(p, &b, INTERFACE, 0))
        return;
    put16(&b, LINKTYPE_RAW);
    put16(&b, 0);
    put32(&b, 0); /* packets are never cut */
    text(&b, IF_NAME, name);
    text(&b, IF_DESCRIPTION, description);
    option(&b, IF_TSRESOL, &nanoseconds, 1);
    finish(p, &b, now_ns);
}

int pcapng_open(struct pcapng *p, const char *path, const char *device, struct tun_error *error)
{
    char dropped[64];
    uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    int result = sink_open(&p->sink, "capture", path, error);
    if (result != 0)
        return result;
    p->epoch_ns = clock_ns(CLOCK_REALTIME) - now_ns;
    (void)snprintf(dropped, sizeof dropped, "%s-dropped", device);
    section(p, now_ns);
    interface_block(p, device, "what the stack sent and received", now_ns);
    interface_block(p, dropped, "what the link emulation dropped", now_ns);
    return 0;
}

void pcapng_packet(struct pcapng *p, enum pcapng_interface interface, const struct rill_packet *packet,
                   bool out, const char *comment)
{
    struct block b;
    uint32_t len = packet_len(packet), flags = out ? OUTBOUND : INBOUND;
    uint64_t now_ns = clock_ns(CLOCK_MONOTONIC), stamp = p->epoch_ns + now_ns;
    if (len > UINT16_MAX || !begin(p, &b, PACKET, len))
        return;
    put32(&b, interface);
    put32(&b, (uint32_t)(stamp >> 32));
    put32(&b, (uint32_t)stamp);
    put32(&b, len);
    put32(&b, len);
    packet_read(packet, 0, b.at, len);
    b.at += len;
    pad(&b);
    if (*comment != '\0')
        text(&b, COMMENT, comment);
    option(&b, EPB_FLAGS, &flags, sizeof flags);
    finish(p, &b, now_ns);
}
