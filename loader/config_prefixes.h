/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Long lists of prefixes, as others publish them: one address or prefix a line, "#" begins a
 * comment, and blank lines do not matter.
 */
#ifndef EDGE53_CONFIG_PREFIXES_H
#define EDGE53_CONFIG_PREFIXES_H

#include "util.h"

#define PREFIXES_MAX_BYTES (16 * 1024 * 1024)

/*
 * Appends the prefixes of a text to the array, which the caller frees also after a failure. name
 * stands for the file in messages. Returns 0, or negative errno after logging file, line and value
 * of what is wrong.
 */
int prefixes_parse(const char *name, const char *text, size_t len, struct edge53_prefix **prefixes,
		   size_t *n);

/*
 * Sorts by length, then address, and leaves each only once: the order in which tables.c compares
 * them with the kernel's.
 */
void prefixes_sort(struct edge53_prefix *prefixes, size_t *n);

#endif
