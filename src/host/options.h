/* options.h - checks what a program passes to rill_start, before anything is opened.  Rank 17. */
#ifndef RILL_OPTIONS_H
#define RILL_OPTIONS_H

#include "rill.h"
#include "tun.h"

/* 0 and the device's configuration, or -EINVAL with the error filled in. */
int options_check(const struct rill_options *options, struct tun_config *config, struct tun_error *error);

#endif
