// SPDX-License-Identifier: GPL-2.0-only
/* Runs every table on every path it is for: one test each. Arguments are shell patterns: run only those. */
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cases.h"

#define MAX_TESTS 256
#define MAX_VERIFIED 200000

struct run {
	const struct table *table;
	const struct path *path;
};

static struct CMUnitTest tests[MAX_TESTS];
static struct run runs[MAX_TESTS];
static size_t n_tests;
static char **patterns;

unsigned often(unsigned times)
{
	static const char *quick;

	if (!quick)
		quick = getenv("QUICK") ?: "";
	return *quick ? times / 5 : times;
}

static void run_table(void **state)
{
	const struct run *run = *state;

	frames_reset();
	assert_int_equal(run->table->run(run->path), 0);
}

static void verifier_cost_is_bounded(void **state)
{
	(void)state;
	for (enum test_program p = 0; p < PROGRAM_COUNT; p++)
		printf("# %s: the verifier looked at %u instructions\n", program_name(p),
		       program_verified(p));
	for (enum test_program p = 0; p < PROGRAM_COUNT; p++)
		assert_in_range(program_verified(p), 1, MAX_VERIFIED);
}

static bool is_wanted(const char *name)
{
	for (char **p = patterns; *p; p++)
		if (!fnmatch(*p, name, 0))
			return true;
	return !*patterns;
}

/* Takes the name over. */
static void add_test(char *name, CMUnitTestFunction function, const struct run *run)
{
	if (!is_wanted(name)) {
		free(name);
		return;
	}
	if (n_tests == MAX_TESTS)
		abort();
	runs[n_tests] = *run;
	tests[n_tests] = (struct CMUnitTest){ .name = name, .test_func = function,
					      .initial_state = &runs[n_tests] };
	n_tests++;
}

static void add_tables(const struct table *table)
{
	for (; table->name; table++)
		for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
			struct run run = { table, &paths[i] };
			char *name;

			if (!(table->paths & paths[i].bit))
				continue;
			if (asprintf(&name, "%s: %s", paths[i].name, table->name) < 0)
				abort();
			add_test(name, run_table, &run);
		}
}

int main(int argc, char **argv)
{
	int failed;

	(void)argc;
	patterns = argv + 1;
	world_create();
	add_test(strdup("verifier: every program stays below its bound"), verifier_cost_is_bounded,
		 &(struct run){});
	add_tables(edge_udp_tables);
	add_tables(edge_tcp_tables);
	add_tables(enforce_tables);
	add_tables(count_tables);
	add_tables(random_tables);
	add_tables(race_tables);
	failed = _cmocka_run_group_tests("prog", tests, n_tests, NULL, NULL);
	for (size_t i = 0; i < n_tests; i++)
		free((char *)tests[i].name);
	world_destroy();
	return failed;
}
