/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `export.dnstap`: from the dataplane's samples to a collector or a file, in a thread of its own, which is there only when
 * it is asked for. It alone waits for collector and disk. What it cannot write is counted; when it waits for too long,
 * the dataplane finds no room in its buffers, and counts that.
 */
#ifndef EDGE53_DNSTAP_H
#define EDGE53_DNSTAP_H

#include "config.h"
#include "dataplane.h"

struct dnstap;

/*
 * Makes what is exported match the configuration: starts, changes or ends it, and looks whether a file was moved away.
 * dnstap: NULL the first time. What fails is logged, and tried again by the thread; the dataplane does not
 * depend on it. Returns what to hand over the next time, or NULL: nothing is exported.
 */
struct dnstap *dnstap_apply(struct dnstap *dnstap, const struct config_dnstap *config,
			    const struct dataplane_samples *samples);

/* Ends it, within two seconds. Accepts NULL. */
void dnstap_stop(struct dnstap *dnstap);

#endif
