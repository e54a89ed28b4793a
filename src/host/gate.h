/* gate.h - the way of a packet between the TUN and the engine, with all that looks at it or harms it on the
 * way.  Rank 16.5.
 *
 *     TUN ── on_packet ── link in ── capture ── engine ── capture ── link out ── on_packet ── TUN
 *
 * A capture is taken at the stack's end of the links, as tcpdump on its host would take it, plus what the
 * links dropped; what of a link is not set is not gone through.  Port 80 is not emulated unless the settings
 * name ports.  Everything here is called with the lock held. */
#ifndef RILL_GATE_H
#define RILL_GATE_H

#include "link.h"
#include "pcapng.h"
#include "rill.h"
#include "trace_file.h"

#define GATE_PACKET_MAX 65536u

struct gate {
    struct tun *tun;
    struct rill_engine *engine;
    uint8_t *packet; /* the one hot buffer that packets are read into */
    void (*on_packet)(void *ctx, const void *data, size_t len, bool out);
    void *on_packet_ctx;
    void (*on_link)(void *ctx, const struct rill_packet *packet, bool out, const char *fate);
    void *on_link_ctx;

    struct mem mem;      /* of the links */
    struct link link[2]; /* by enum rill_direction */

    struct pcapng capture;
    struct trace_file trace;
    void (*user_trace)(void *ctx, const struct rill_trace_event *event);
    void *user_trace_ctx;
    bool sending; /* inside of rill_output */
    /* Why a segment leaves: of the packet that rill_output hands out, and of the reply that still waits. */
    bool has_reason, has_reply_reason;
    struct rill_trace_event reason, reply_reason;
};

/* Reads the settings of a link; NULL is none.  0, or -EINVAL with the error filled in: where the mistake is.
 */
int gate_parse(const char *spec, struct link_config *config, struct tun_error *error);

/* Opens the capture and the trace, and takes the place of the hooks in *config, that of the engine to be. The
 * TUN is open.  0 or -errno with the error filled in, and nothing is left behind. */
int gate_open(struct gate *g, const struct rill_options *options, struct tun *tun, struct rill_config *config,
              rill_time now_us, struct tun_error *error);
/* What waits on the way out leaves at once; the files are closed.  The engine is gone, the TUN is not. */
void gate_close(struct gate *g);
/* After a fork, in the child. */
void gate_forget(struct gate *g);

/* Drops the next data segment of this direction, once: rill_link_drop_next(). */
void gate_drop_next(struct gate *g, enum rill_direction direction);

/* A packet was read into g->packet. */
void gate_input(struct gate *g, size_t len, rill_time now_us);
/* Sends all that the engine has to send. */
void gate_drain(struct gate *g, rill_time now_us);
/* Whatever is due: packets of the links, timers, buffers of the files.  Before gate_drain. */
void gate_advance(struct gate *g, rill_time now_us);
rill_time gate_deadline(const struct gate *g);

#endif
