/* tcp_input.h - SEGMENT ARRIVES.  RFC 9293 3.10.7.  Rank 12. */
#ifndef RILL_TCP_INPUT_H
#define RILL_TCP_INPUT_H

#include "engine.h"

/* A datagram with protocol TCP for us. */
void tcp_input(struct rill_engine *e, const struct rill_packet *in, const struct ip4 *ip);

#endif
