// SPDX-License-Identifier: GPL-2.0-only
/* What the benchmark's report makes of measurements: medians, ratios, losses, goals, and refusals. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../bench/report.h"

#define ALL "\"sent\":1000,\"arrived\":1000,\"answered\":1000"

/* A line about packets. */
struct row {
	const char *workload, *way, *candidate;
	int round;
	double value;
	const char *counts;
};

static int read_text(const char *text, struct report *report)
{
	FILE *file = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	int r;

	assert_non_null(file);
	r = report_read(file, report);
	fclose(file);
	return r;
}

static void read_rows(const struct row *rows, size_t n, struct report *report)
{
	char text[4096];
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += snprintf(text + len, sizeof(text) - len,
				"{\"section\":\"paths\",\"workload\":\"%s\",\"way\":\"%s\","
				"\"candidate\":\"%s\",\"round\":%d,\"unit\":\"packets/s\","
				"\"value\":%g,%s}\n",
				rows[i].workload, rows[i].way, rows[i].candidate, rows[i].round,
				rows[i].value, rows[i].counts);
	assert_true(len < sizeof(text));
	assert_int_equal(read_text(text, report), 0);
}

#define READ_ROWS(rows, report) read_rows(rows, sizeof(rows) / sizeof(*(rows)), report)

static bool is_near(double a, double b)
{
	return fabs(a - b) < 1e-9;
}

static const struct goal *goal_of(const char *workload, const char *way, const char *candidate,
				  const char *reference)
{
	for (size_t i = 0; i < n_goals; i++)
		if (!strcmp(goals[i].workload, workload) && !strcmp(goals[i].way, way) &&
		    !strcmp(goals[i].candidate, candidate) &&
		    (reference ? goals[i].reference && !strcmp(goals[i].reference, reference)
			       : !goals[i].reference))
			return &goals[i];
	fail_msg("no goal for %s", workload);
	return NULL;
}

static void median_is_in_the_middle(void **state)
{
	double odd[] = { 9, 1, 5 }, even[] = { 4, 1, 8, 2 };
	struct spread s = spread_of(odd, 3);

	(void)state;
	assert_true(is_near(s.median, 5) && is_near(s.min, 1) && is_near(s.max, 9) && s.n == 3);
	s = spread_of(even, 4);
	assert_true(is_near(s.median, 3) && is_near(s.min, 1) && is_near(s.max, 8));
	s = spread_of(NULL, 0);
	assert_true(isnan(s.median) && isnan(s.min) && isnan(s.max) && !s.n);
}

/*
 * The machine was five times slower in round 2: of the medians the ratio would be 2.5, of each round it
 * is 2 or 3.
 */
static void ratios_are_of_one_round(void **state)
{
	static const struct row rows[] = {
		{ "a", "query", "nft", 1, 100, ALL },
		{ "a", "query", "edge53-xdp", 1, 200, ALL },
		{ "a", "query", "edge53-xdp", 2, 40, ALL },
		{ "a", "query", "nft", 2, 20, ALL },
		{ "a", "query", "nft", 3, 80, ALL },
		{ "a", "query", "edge53-xdp", 3, 240, ALL },
		{ "a", "query", "nft", 4, 80, ALL },
	};
	struct report report;
	struct spread s;

	(void)state;
	READ_ROWS(rows, &report);
	s = figure_ratios(figure_find(&report, "paths", "a", "query", "edge53-xdp"),
			  figure_find(&report, "paths", "a", "query", "nft"));
	assert_int_equal(s.n, 3);
	assert_true(is_near(s.median, 2) && is_near(s.min, 2) && is_near(s.max, 3));
	report_free(&report);
}

static void rounds_of_nothing_have_no_ratio(void **state)
{
	static const struct row rows[] = {
		{ "a", "query", "nft", 1, 0, ALL },
		{ "a", "query", "edge53-xdp", 1, 200, ALL },
	};
	struct outcome outcome;
	struct report report;

	(void)state;
	READ_ROWS(rows, &report);
	outcome = goal_outcome(&report, goal_of("a", "query", "edge53-xdp", "nft"));
	assert_int_equal(outcome.measured.n, 0);
	assert_false(outcome.is_reached);
	report_free(&report);
}

struct refusal {
	const char *way, *counts, *why; /* why: NULL, it is taken */
};

static const struct refusal refusals[] = {
	{ "query", ALL, NULL },
	{ "query", "\"sent\":10,\"arrived\":9", NULL },
	{ "query", "\"sent\":10,\"answered\":9", "what arrived was not counted" },
	{ "query", "\"sent\":10", "what arrived was not counted" },
	{ "round-trip", "\"sent\":10,\"answered\":0", NULL },
	{ "round-trip", "\"sent\":10,\"arrived\":10", "the answers were not counted" },
	{ "round-trip", "\"arrived\":10,\"answered\":10", "what was sent was not counted" },
	{ "round-trip", "\"sent\":0,\"answered\":0", "what was sent was not counted" },
	{ "round-trip", "\"sent\":10,\"answered\":null", "the answers were not counted" },
};

static void what_was_not_counted_is_refused(void **state)
{
	struct report report;
	char line[512];

	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		snprintf(
			line, sizeof(line),
			"{\"section\":\"paths\",\"workload\":\"a\",\"way\":\"%s\",\"candidate\":\"nft\","
			"\"round\":3,\"unit\":\"packets/s\",\"value\":1,%s}\n",
			refusals[i].way, refusals[i].counts);
		assert_int_equal(read_text(line, &report), 0);
		assert_int_equal(report.n_figures, 1);
		if (refusals[i].why) {
			assert_non_null(report.figures[0].refused);
			assert_string_equal(report.figures[0].refused, refusals[i].why);
			assert_int_equal(report.figures[0].refused_round, 3);
			assert_null(figure_find(&report, "paths", "a", refusals[i].way, "nft"));
		} else {
			assert_null(report.figures[0].refused);
		}
		report_free(&report);
	}
}

/* One round that was not counted spoils the figure: its median would be of those that went well. */
static void one_round_spoils_the_figure(void **state)
{
	static const struct row rows[] = {
		{ "a", "query", "edge53-xdp", 1, 1, ALL },
		{ "a", "query", "edge53-xdp", 2, 1, "\"sent\":1" },
		{ "a", "query", "redirect", 1, 1, ALL },
	};
	struct outcome outcome;
	struct report report;

	(void)state;
	READ_ROWS(rows, &report);
	assert_null(figure_find(&report, "paths", "a", "query", "edge53-xdp"));
	outcome = goal_outcome(&report, goal_of("a", "query", "edge53-xdp", "redirect"));
	assert_int_equal(outcome.measured.n, 0);
	report_free(&report);
}

static void other_units_need_no_counts(void **state)
{
	struct report report;

	(void)state;
	assert_int_equal(
		read_text("{\"section\":\"programs\",\"workload\":\"x\",\"candidate\":\"y\","
			  "\"round\":1,\"unit\":\"ns\",\"value\":16.5}\n"
			  "{\"section\":\"programs\",\"workload\":\"x\",\"candidate\":\"y\","
			  "\"round\":2,\"unit\":\"ms\",\"value\":16.5}\n"
			  "{\"section\":\"programs\",\"workload\":\"x\",\"candidate\":\"z\","
			  "\"round\":1,\"unit\":\"ns\"}\n",
			  &report),
		0);
	assert_int_equal(report.n_figures, 2);
	assert_string_equal(report.figures[0].refused, "its unit is not that of other rounds");
	assert_string_equal(report.figures[1].refused, "there is no value");
	report_free(&report);
}

static void losses_are_of_what_matters(void **state)
{
	static const struct row rows[] = {
		{ "a", "query", "x", 1, 1, "\"sent\":1000,\"arrived\":999,\"answered\":0" },
		{ "a", "round-trip", "x", 1, 1, "\"sent\":1000,\"arrived\":1000,\"answered\":980" },
		{ "d", "round-trip", "x", 1, 1,
		  "\"sent\":1000,\"answered\":500,\"well_sent\":100,\"well_answered\":99" },
	};
	struct report report;
	const struct figure *figure;

	(void)state;
	READ_ROWS(rows, &report);
	figure = figure_find(&report, "paths", "a", "query", "x");
	assert_true(is_near(figure_losses(figure).median, 0.1));
	assert_false(figure_lost_much(figure));
	figure = figure_find(&report, "paths", "a", "round-trip", "x");
	assert_true(is_near(figure_losses(figure).median, 2));
	assert_true(figure_lost_much(figure));
	figure = figure_find(&report, "paths", "d", "round-trip", "x");
	assert_true(is_near(figure_losses(figure).median, 1));
	report_free(&report);
}

static void goals_are_reached_or_not(void **state)
{
	static const struct row rows[] = {
		{ "a", "query", "redirect", 1, 100, ALL },
		{ "a", "query", "edge53-xdp", 1, 75, ALL },
		{ "a", "query", "nft", 1, 11.6, ALL },
		{ "b1", "round-trip", "edge53-xdp", 1, 1, ALL },
		{ "b1", "round-trip", "edge53-xdp", 2, 1, ALL },
		{ "b1", "round-trip", "edge53-xdp", 3, 1, "\"sent\":1000,\"answered\":999" },
	};
	struct outcome outcome;
	struct report report;

	(void)state;
	READ_ROWS(rows, &report);
	assert_true(
		goal_outcome(&report, goal_of("a", "query", "edge53-xdp", "redirect")).is_reached);
	assert_false(goal_outcome(&report, goal_of("a", "query", "edge53-xdp", "nft")).is_reached);
	outcome = goal_outcome(&report, goal_of("a", "query", "edge53-tc", "nft"));
	assert_int_equal(outcome.measured.n, 0);
	/* The worst round counts, not the median. */
	assert_false(
		goal_outcome(&report, goal_of("b1", "round-trip", "edge53-xdp", NULL)).is_reached);
	report_free(&report);
}

/* Rounds are added up, and candidates and floods kept apart. */
static void floods_are_added_up(void **state)
{
	static const char text[] =
		"{\"section\":\"floods\",\"workload\":\"hot\",\"candidate\":\"x\",\"round\":1,\"way\":\"udp\","
		"\"unit\":\"percent\",\"value\":1,\"seconds\":1,\"well_sent\":100,\"well_answered\":99,"
		"\"flood_sent\":1000,\"flood_queued_out\":100,\"flood_arrived\":200,\"flood_ended\":700,"
		"\"edge\":{\"rate_dropped\":700}}\n"
		"{\"section\":\"floods\",\"workload\":\"hot\",\"candidate\":\"x\",\"round\":1,\"way\":\"tcp\","
		"\"unit\":\"percent\",\"value\":2,\"sent\":50,\"answered\":49,\"lost\":1}\n"
		"{\"section\":\"floods\",\"workload\":\"hot\",\"candidate\":\"y\",\"round\":1,\"way\":\"udp\","
		"\"unit\":\"percent\",\"value\":0,\"well_sent\":5,\"well_answered\":5}\n"
		"{\"section\":\"floods\",\"workload\":\"hot\",\"candidate\":\"x\",\"round\":2,\"way\":\"udp\","
		"\"unit\":\"percent\",\"value\":0,\"seconds\":2,\"well_sent\":100,\"well_answered\":100,"
		"\"flood_sent\":1000,\"flood_arrived\":1000,\"edge\":{\"rate_dropped\":1,\"other\":5}}\n"
		"{\"section\":\"floods\",\"workload\":\"hot\",\"candidate\":\"z\",\"round\":1,\"skipped\":\"no z\"}\n";
	static const char wanted[] =
		"[{\"candidate\":\"x\",\"edge\":{\"other\":5,\"rate_dropped\":701},\"flood\":\"hot\",\"flood_answered\":0,"
		"\"flood_arrived\":1200,\"flood_ended\":700,\"flood_queued_out\":100,\"flood_sent\":2000,"
		"\"flood_truncated\":0,\"seconds\":3.0,\"tcp_lost\":1,\"tcp_sent\":50,\"well_answered\":199,"
		"\"well_queued_out\":0,\"well_sent\":200,\"well_truncated\":0},"
		"{\"candidate\":\"y\",\"edge\":{},\"flood\":\"hot\",\"flood_answered\":0,\"flood_arrived\":0,"
		"\"flood_ended\":0,\"flood_queued_out\":0,\"flood_sent\":0,\"flood_truncated\":0,\"seconds\":0.0,"
		"\"well_answered\":5,\"well_queued_out\":0,\"well_sent\":5,\"well_truncated\":0}]";
	struct report report;
	json_t *floods;
	char *got;

	(void)state;
	assert_int_equal(read_text(text, &report), 0);
	floods = report_floods(&report);
	assert_non_null(floods);
	got = json_dumps(floods, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(got, wanted);
	free(got);
	json_decref(floods);
	assert_true(
		is_near(figure_losses(figure_find(&report, "floods", "hot", "udp", "x")).max, 1));
	report_free(&report);
}

static void nonsense_is_an_error(void **state)
{
	static const char *const texts[] = {
		"no JSON\n",
		"{}\n",
		"[]\n",
		"{\"section\":\"paths\",\"workload\":\"a\",\"round\":1,\"unit\":\"ns\",\"value\":1}\n",
		"{\"section\":\"paths\",\"workload\":\"a\",\"candidate\":\"b\",\"unit\":\"ns\",\"value\":1}\n",
		"{\"section\":\"p\",\"workload\":\"a\",\"candidate\":\"b\",\"round\":1,\"value\":1}\n",
	};
	struct report report;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		assert_int_equal(read_text(texts[i], &report), -EINVAL);
		report_free(&report);
	}
}

static void omissions_are_kept_once(void **state)
{
#define OMITTED(candidate, round, why)                                                             \
	"{\"section\":\"sockets\",\"workload\":\"w\",\"candidate\":\"" candidate "\","             \
	"\"round\":" #round "," why "}\n"
	static const char text[] = OMITTED("dnsdist", 1, "\"skipped\":\"not installed\"")
		OMITTED("direct", 1, "\"failed\":\"status 1\"")
			OMITTED("direct", 2, "\"failed\":\"status 1\"");
	struct report report;

	(void)state;
	assert_int_equal(read_text(text, &report), 0);
	assert_int_equal(report.n_figures, 0);
	assert_int_equal(report.n_omissions, 2);
	assert_false(report.omissions[0].is_failure);
	assert_string_equal(report.omissions[0].why, "not installed");
	assert_true(report.omissions[1].is_failure);
	report_free(&report);
}

static void quantities_are_short(void **state)
{
	static const struct {
		double value;
		const char *unit, *text;
	} rows[] = {
		{ 12345678, "packets/s", "12.3 Mpackets/s" },
		{ 999600, "packets/s", "1.00 Mpackets/s" },
		{ 2400, "queries/s", "2.40 kqueries/s" },
		{ 123456, "ns", "123456 ns" },
		{ 16.04, "ns", "16.0 ns" },
		{ 0, "packets/s", "0 packets/s" },
		{ 0.05, "percent", "0.05 %" },
	};
	char buf[QUANTITY_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_string_equal(quantity(buf, rows[i].value, rows[i].unit), rows[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(median_is_in_the_middle),
		cmocka_unit_test(ratios_are_of_one_round),
		cmocka_unit_test(rounds_of_nothing_have_no_ratio),
		cmocka_unit_test(what_was_not_counted_is_refused),
		cmocka_unit_test(one_round_spoils_the_figure),
		cmocka_unit_test(other_units_need_no_counts),
		cmocka_unit_test(losses_are_of_what_matters),
		cmocka_unit_test(goals_are_reached_or_not),
		cmocka_unit_test(floods_are_added_up),
		cmocka_unit_test(nonsense_is_an_error),
		cmocka_unit_test(omissions_are_kept_once),
		cmocka_unit_test(quantities_are_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
