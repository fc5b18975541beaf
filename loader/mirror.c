/* SPDX-License-Identifier: GPL-2.0-only */
#include "mirror.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

static size_t entry_size(const struct mirror *m)
{
	return m->key_size + m->value_size;
}

static int compare(const void *a, const void *b, void *key_size)
{
	return memcmp(a, b, *(const size_t *)key_size);
}

/* Sorts and leaves each key once. Returns how many are left. */
static size_t sort(const struct mirror *m, char *entries, size_t n)
{
	size_t size = entry_size(m), key_size = m->key_size, kept = 0;
	bool is_sorted = true;

	/* Long lists come sorted; then one look is enough. */
	for (size_t i = 1; i < n && is_sorted; i++)
		is_sorted = memcmp(entries + (i - 1) * size, entries + i * size, key_size) < 0;
	if (is_sorted)
		return n;
	qsort_r(entries, n, size, compare, &key_size);
	for (size_t i = 0; i < n; i++) {
		if (kept && !memcmp(entries + (kept - 1) * size, entries + i * size, key_size))
			continue;
		memmove(entries + kept++ * size, entries + i * size, size);
	}
	return kept;
}

static int read_all(struct mirror *m)
{
	size_t size = entry_size(m);
	const char *previous = NULL;

	m->n = 0;
	m->is_doubtful = true;
	while (m->n < m->max_entries) {
		char *entry;

		/* previous is in the copy, which may move. */
		if (array_grow(&m->entries, m->n, size) < 0)
			return -ENOMEM;
		previous = m->n ? m->entries + (m->n - 1) * size : NULL;
		entry = m->entries + m->n * size;
		if (bpf_map_get_next_key(m->fd, previous, entry))
			break;
		if (bpf_map_lookup_elem(m->fd, entry, entry + m->key_size))
			return -errno;
		m->n++;
	}
	m->n = sort(m, m->entries, m->n);
	m->is_doubtful = false;
	return 0;
}

int mirror_open(struct mirror *mirror, int fd, size_t key_size, size_t value_size,
		size_t max_entries)
{
	*mirror = (struct mirror){
		.fd = fd,
		.key_size = key_size,
		.value_size = value_size,
		.max_entries = max_entries,
	};
	return read_all(mirror);
}

void mirror_clear(struct mirror *mirror)
{
	free(mirror->entries);
	mirror->entries = NULL;
	mirror->n = 0;
}

enum step {
	COUNT_NEW, /* returns how many keys are not there yet */
	WRITE,
	REMOVE,
};

static int write_entry(const struct mirror *m, const char *entry)
{
	return bpf_map_update_elem(m->fd, entry, entry + m->key_size, BPF_ANY) ? -errno : 0;
}

static int remove_entry(const struct mirror *m, const char *entry)
{
	return bpf_map_delete_elem(m->fd, entry) && errno != ENOENT ? -errno : 0;
}

/* Walks both sorted lists at once. */
static int walk(const struct mirror *m, const char *wanted, size_t n, enum step step)
{
	size_t size = entry_size(m), at = 0, now = 0;
	int r = 0, n_new = 0;

	while ((at < n || now < m->n) && !r) {
		const char *want = wanted + at * size, *have = m->entries + now * size;
		int order = at == n ? 1 : now == m->n ? -1 : memcmp(want, have, m->key_size);
		bool differs = order < 0 || (!order && memcmp(want, have, size));

		n_new += order < 0;
		if (step == WRITE && differs)
			r = write_entry(m, want);
		else if (step == REMOVE && order > 0)
			r = remove_entry(m, have);
		at += order <= 0;
		now += order >= 0;
	}
	return r < 0 || step != COUNT_NEW ? r : n_new;
}

int mirror_sync(struct mirror *m, void *entries, size_t n)
{
	bool has_room;
	int r = m->is_doubtful ? read_all(m) : 0;

	if (r < 0)
		return r;
	n = sort(m, entries, n);
	has_room = m->n + (size_t)walk(m, entries, n, COUNT_NEW) <= m->max_entries;
	r = walk(m, entries, n, has_room ? WRITE : REMOVE);
	if (!r)
		r = walk(m, entries, n, has_room ? REMOVE : WRITE);
	if (r < 0) {
		m->is_doubtful = true;
		return r;
	}
	free(m->entries);
	m->entries = entries;
	m->n = n;
	return 0;
}
