/* SPDX-License-Identifier: GPL-2.0-only */
/* What the loader may do: enough to load programs, and after that no more than it goes on needing. */
#ifndef EDGE53_PRIVILEGES_H
#define EDGE53_PRIVILEGES_H

#include <stdbool.h>

/* Whether this process may load programs and attach them. */
bool privileges_suffice(void);

/*
 * Gives up for good, in all sets of capabilities, whatever the loader does not need from here on, and what programs
 * that it might start could gain. Before there are threads; after what only root may do (mounting bpffs). Returns 0, or
 * negative errno: what is held is not known then.
 */
int privileges_drop(void);

#endif
