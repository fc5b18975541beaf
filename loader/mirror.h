/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A hash table or trie of the kernel's that only we write, with a copy of what is in it: a wanted
 * content is compared with the copy, and only what differs is written. Used by tables.c.
 */
#ifndef EDGE53_MIRROR_H
#define EDGE53_MIRROR_H

#include "util.h"

struct mirror {
	int fd;
	size_t key_size;
	size_t value_size;
	size_t max_entries;
	char *entries; /* key, then value; sorted by key */
	size_t n;
	bool is_doubtful; /* a write failed: the copy may be wrong */
};

/* Reads what is in the map. The descriptor stays the caller's. Returns 0 or negative errno. */
int mirror_open(struct mirror *mirror, int fd, size_t key_size, size_t value_size,
		size_t max_entries);
void mirror_clear(struct mirror *mirror);

/* Whether that is what the map holds already. Sorts the entries and leaves each key once, *n of them. */
bool mirror_holds(const struct mirror *mirror, void *entries, size_t *n);

/*
 * Makes the map hold n entries, each a key and its value, in any order; of equal keys one counts.
 * Takes over *entries, which is malloc()ed, when it succeeds. What is new comes before what goes, so
 * that no packet falls in between, unless there is no room for both. Returns 0 or negative errno,
 * and then the next call begins with another look.
 */
int mirror_sync(struct mirror *mirror, void *entries, size_t n);

#endif
