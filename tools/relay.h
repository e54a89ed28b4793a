/* relay.h - the lab's page in the user's own browser. */
#ifndef RILL_RELAY_H
#define RILL_RELAY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum { RELAY_PORT = 8077 };

/* A listening socket on 127.0.0.1, on *port or, unless `exact`, the next one that is free; -1 and errno. */
int relay_listen(uint16_t *port, bool exact);

/* Relays until the process is ended. */
void relay_run(int listener, struct in_addr addr, uint16_t port);

#endif
