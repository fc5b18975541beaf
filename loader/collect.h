/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The numbers of /metrics, collected by a child of the loader: a million clients, or thousands of devices, take
 * longer to read than the event loop may be away. The loader only starts the child and takes what it writes.
 */
#ifndef EDGE53_COLLECT_H
#define EDGE53_COLLECT_H

#include <stdint.h>
#include <systemd/sd-event.h>

struct collect; /* a child at work */

/* What came of it: the text, which is the callee's to free(), or NULL and a negative errno. */
typedef void (*collect_fn)(char *text, size_t text_len, int error, void *arg);

/*
 * Starts a child; fn is called once, later, from the event loop, when *ret is gone already. Returns 0 or negative
 * errno.
 */
int collect_start(sd_event *event, unsigned int top_clients, collect_fn fn, void *arg,
		  struct collect **ret);

/* Ends the child; fn is not called. Accepts NULL. */
void collect_cancel(struct collect *collect);

#endif
