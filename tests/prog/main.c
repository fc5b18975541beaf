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

#define MAX_TESTS 2048

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

/*
 * `prog_tests cost` only says what the programs cost the verifier, for tests/verifier-cost.
 * `prog_tests '*IPv6*' ...` runs only tests of such names.
 */
int main(int argc, char **argv)
{
	int failed;

	patterns = argv + 1;
	world_create();
	if (argc == 2 && !strcmp(argv[1], "cost")) {
		world_print_cost();
		world_destroy();
		return 0;
	}
	add_tables(edge_udp_tables);
	add_tables(edge_tcp_tables);
	add_tables(enforce_tables);
	add_tables(policy_tables);
	add_tables(ipv6_tables);
	add_tables(family_tables);
	add_tables(fragment_tables);
	add_tables(answer_tables);
	add_tables(icmp_tables);
	add_tables(icmp_family_tables);
	add_tables(mss_tables);
	add_tables(link_tables);
	add_tables(guard_tables);
	add_tables(proxy_udp_tables);
	add_tables(keep_source_tables);
	add_tables(return_tables);
	add_tables(proxy_tcp_tables);
	add_tables(proxy_segment_tables);
	add_tables(sample_tables);
	add_tables(rate_tables);
	add_tables(tcp_limit_tables);
	add_tables(response_tables);
	add_tables(count_tables);
	add_tables(random_tables);
	add_tables(race_tables);
	failed = _cmocka_run_group_tests("prog", tests, n_tests, NULL, NULL);
	for (size_t i = 0; i < n_tests; i++)
		free((char *)tests[i].name);
	world_destroy();
	return failed;
}
