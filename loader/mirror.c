/* SPDX-License-Identifier: GPL-2.0-only */
#include "mirror.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

static size_t entry_size(const struct mirror *m)
{
	return m->key_size + m->value_size;
}

/* Keys begin with a number, of a device mostly; plans are sorted by it. */
static int compare_keys(const char *a, const char *b, size_t key_size)
{
	__u32 one, other;

	memcpy(&one, a, sizeof(one));
	memcpy(&other, b, sizeof(other));
	if (one != other)
		return one < other ? -1 : 1;
	return memcmp(a, b, key_size);
}

static int compare(const void *a, const void *b, void *key_size)
{
	return compare_keys(a, b, *(const size_t *)key_size);
}

/* Sorts and leaves each key once. Returns how many are left. */
static size_t sort(const struct mirror *m, char *entries, size_t n)
{
	size_t size = entry_size(m), key_size = m->key_size, kept = 0;
	bool is_sorted = true;

	/* Long lists come sorted; then one look is enough. */
	for (size_t i = 1; i < n && is_sorted; i++)
		is_sorted = compare_keys(entries + (i - 1) * size, entries + i * size, key_size) < 0;
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
	COUNT_NEW, /* walk() returns how many keys are not there yet */
	WRITE,
	REMOVE,
};

#define BATCH_ENTRIES 1024

/* Entries on their way to the kernel: one system call for each would take four times as long. */
struct batch {
	const struct mirror *mirror;
	enum step step;
	char *keys;
	char *values;
	__u32 n;
};

static int batch_open(struct batch *batch, const struct mirror *m, enum step step)
{
	*batch = (struct batch){ .mirror = m, .step = step };
	batch->keys = calloc(BATCH_ENTRIES, m->key_size);
	batch->values = calloc(BATCH_ENTRIES, m->value_size);
	return batch->keys && batch->values ? 0 : -ENOMEM;
}

static void batch_clear(struct batch *batch)
{
	free(batch->keys);
	free(batch->values);
}

static int batch_flush(struct batch *batch)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	__u32 n = batch->n;
	int fd = batch->mirror->fd;

	batch->n = 0;
	if (!n)
		return 0;
	if (batch->step == WRITE)
		return bpf_map_update_batch(fd, batch->keys, batch->values, &n, &opts) ? -errno : 0;
	return bpf_map_delete_batch(fd, batch->keys, &n, &opts) ? -errno : 0;
}

static int batch_add(struct batch *batch, const char *entry)
{
	const struct mirror *m = batch->mirror;

	memcpy(batch->keys + batch->n * m->key_size, entry, m->key_size);
	memcpy(batch->values + batch->n * m->value_size, entry + m->key_size, m->value_size);
	return ++batch->n == BATCH_ENTRIES ? batch_flush(batch) : 0;
}

/* Walks both sorted lists at once. */
static int walk(const struct mirror *m, const char *wanted, size_t n, enum step step)
{
	_cleanup_(batch_clear) struct batch batch = {};
	size_t size = entry_size(m), at = 0, now = 0;
	int r = batch_open(&batch, m, step), n_new = 0;

	while ((at < n || now < m->n) && !r) {
		const char *want = wanted + at * size, *have = m->entries + now * size;
		int order = at == n ? 1 : now == m->n ? -1 : compare_keys(want, have, m->key_size);
		bool differs = order < 0 || (!order && memcmp(want, have, size));

		n_new += order < 0;
		if (step == WRITE && differs)
			r = batch_add(&batch, want);
		else if (step == REMOVE && order > 0)
			r = batch_add(&batch, have);
		at += order <= 0;
		now += order >= 0;
	}
	if (!r)
		r = batch_flush(&batch);
	return r < 0 || step != COUNT_NEW ? r : n_new;
}

bool mirror_holds(const struct mirror *m, void *entries, size_t *n)
{
	*n = sort(m, entries, *n);
	return !m->is_doubtful && *n == m->n &&
	       (!*n || !memcmp(entries, m->entries, *n * entry_size(m)));
}

int mirror_sync(struct mirror *m, void *entries, size_t n)
{
	bool has_room;
	int r = m->is_doubtful ? read_all(m) : 0;

	if (r < 0)
		return r;
	if (mirror_holds(m, entries, &n)) {
		free(entries);
		return 0;
	}
	r = walk(m, entries, n, COUNT_NEW);
	if (r < 0)
		return r;
	has_room = m->n + (size_t)r <= m->max_entries;
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
