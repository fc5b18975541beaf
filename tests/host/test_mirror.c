// SPDX-License-Identifier: GPL-2.0-only
/* What is written to a map of the kernel, which is an array here, when its content is to change. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../loader/mirror.c"

#define ROOM 8

struct entry {
	char key[4];
	char value[2];
};

/* --- the kernel's side ------------------------------------------------------------------------ */

static struct entry map[ROOM];
static size_t n_in_map;
static char written[256]; /* "+key=v" for an update, "-key" for a deletion */
static int failing_write; /* this one, from 1, fails */

static size_t find(const void *key)
{
	size_t i = 0;

	while (i < n_in_map && memcmp(map[i].key, key, sizeof(map[i].key)))
		i++;
	return i;
}

static bool fails(void)
{
	if (!failing_write || --failing_write)
		return false;
	errno = EIO;
	return true;
}

static int update(const char *key, const char *value)
{
	size_t at = find(key), used = strlen(written);

	if (fails())
		return -1;
	if (at == ROOM) {
		errno = E2BIG;
		return -1;
	}
	n_in_map += at == n_in_map;
	memcpy(map[at].key, key, sizeof(map[at].key));
	memcpy(map[at].value, value, sizeof(map[at].value));
	snprintf(written + used, sizeof(written) - used, "+%s=%s ", map[at].key, map[at].value);
	return 0;
}

static int delete(const char *key)
{
	size_t at = find(key), used = strlen(written);

	if (fails())
		return -1;
	if (at == n_in_map) {
		errno = ENOENT;
		return -1;
	}
	snprintf(written + used, sizeof(written) - used, "-%s ", map[at].key);
	map[at] = map[--n_in_map];
	return 0;
}

int bpf_map_update_batch(int fd, const void *keys, const void *values, __u32 *count,
			 const struct bpf_map_batch_opts *opts)
{
	int r = 0;

	(void)fd;
	(void)opts;
	for (__u32 i = 0; i < *count && !r; i++)
		r = update((const char *)keys + i * sizeof(map[0].key),
			   (const char *)values + i * sizeof(map[0].value));
	return r;
}

int bpf_map_delete_batch(int fd, const void *keys, __u32 *count,
			 const struct bpf_map_batch_opts *opts)
{
	int r = 0;

	(void)fd;
	(void)opts;
	for (__u32 i = 0; i < *count && !r; i++)
		r = delete((const char *)keys + i * sizeof(map[0].key));
	return r;
}

int bpf_map_lookup_elem(int fd, const void *key, void *value)
{
	(void)fd;
	memcpy(value, map[find(key)].value, sizeof(map[0].value));
	return 0;
}

int bpf_map_get_next_key(int fd, const void *key, void *next)
{
	size_t at = key ? find(key) + 1 : 0;

	(void)fd;
	if (at >= n_in_map) {
		errno = ENOENT;
		return -1;
	}
	memcpy(next, map[at].key, sizeof(map[at].key));
	return 0;
}

/* --- ours ------------------------------------------------------------------------------------- */

/* "a1 b2" → entries with keys a, b and values 1, 2. */
static size_t entries_of(const char *text, struct entry entries[static ROOM])
{
	size_t n = 0;

	memset(entries, 0, ROOM * sizeof(*entries));
	for (; text[0]; text += text[2] ? 3 : 2, n++) {
		entries[n].key[0] = text[0];
		entries[n].value[0] = text[1];
	}
	return n;
}

static void begin(const char *in_map, struct mirror *mirror)
{
	n_in_map = entries_of(in_map, map);
	written[0] = '\0';
	failing_write = 0;
	assert_int_equal(mirror_open(mirror, 3, sizeof(map[0].key), sizeof(map[0].value), ROOM), 0);
}

static int sync_to(struct mirror *mirror, const char *wanted)
{
	struct entry *entries = calloc(ROOM, sizeof(*entries));
	int r;

	assert_non_null(entries);
	written[0] = '\0';
	r = mirror_sync(mirror, entries, entries_of(wanted, entries));
	if (r < 0)
		free(entries);
	return r;
}

static const struct {
	const char *sentence, *before, *wanted, *written;
} rows[] = {
	{ "nothing is not written", "", "", "" },
	{ "what is there already is not written", "b2 a1", "a1 b2", "" },
	{ "what is new is", "a1", "c3 a1 b2", "+b=2 +c=3 " },
	{ "and what has another value", "a1 b2", "a1 b3", "+b=3 " },
	{ "what is not wanted goes", "a1 b2 c3", "b2", "-a -c " },
	{ "after what is new has come", "a1 b2", "b2 c3", "+c=3 -a " },
	{ "or before, where there is no room for both", "a1 b2 c3 d4 e5 f6 g7", "b2 c3 d4 e5 x1 y2",
	  "-a -f -g +x=1 +y=2 " },
	{ "everything goes", "a1 b2", "", "-a -b " },
	{ "a key that is given twice counts once", "", "b2 a1 b2", "+a=1 +b=2 " },
};

static void only_differences_are_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct mirror mirror;

		begin(rows[i].before, &mirror);
		assert_int_equal(sync_to(&mirror, rows[i].wanted), 0);
		if (strcmp(written, rows[i].written))
			fail_msg("%s: wanted \"%s\", wrote \"%s\"", rows[i].sentence,
				 rows[i].written, written);
		assert_int_equal(sync_to(&mirror, rows[i].wanted), 0);
		assert_string_equal(written, "");
		mirror_clear(&mirror);
	}
}

static void after_a_failure_it_looks_again(void **state)
{
	struct mirror mirror;

	(void)state;
	begin("a1 b2 c3", &mirror);
	failing_write = 2;
	assert_int_equal(sync_to(&mirror, ""), -EIO); /* a is gone then, b is not */
	assert_string_equal(written, "-a ");
	assert_int_equal(sync_to(&mirror, "a1 b2"), 0);
	assert_string_equal(written, "+a=1 -c ");
	mirror_clear(&mirror);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_differences_are_written),
		cmocka_unit_test(after_a_failure_it_looks_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
