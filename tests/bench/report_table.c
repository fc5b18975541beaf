// SPDX-License-Identifier: GPL-2.0-only
/* Tables for people. */
#include <errno.h>
#include <string.h>

#include "output.h"
#include "report.h"
#include "util.h"

static int print_table(struct libscols_table *table, const char *title)
{
	if (scols_table_is_empty(table))
		return 0;
	printf("%s\n", title);
	if (scols_print_table(table))
		return -EIO;
	printf("\n");
	return 0;
}

static int add_figure(struct libscols_table *table, const struct figure *figure)
{
	struct spread values = figure_values(figure), losses = figure_losses(figure);
	struct libscols_line *row = scols_table_new_line(table, NULL);
	char median[QUANTITY_LEN], min[QUANTITY_LEN], max[QUANTITY_LEN];
	int r = output_cell(row, 0, "%s/%s%s%s", figure->section, figure->workload,
			    *figure->way ? " " : "", figure->way)
			?: output_cell(row, 1, "%s", figure->candidate);

	if (r || figure->refused)
		return r ?: output_cell(row, 2, "refused");
	r = output_cell(row, 2, "%s", quantity(median, values.median, figure->unit))
		    ?: output_cell(row, 3, "%s", quantity(min, values.min, figure->unit))
		    ?: output_cell(row, 4, "%s", quantity(max, values.max, figure->unit))
		    ?: output_cell(row, 5, "%zu", values.n);
	if (r || !losses.n)
		return r;
	return output_cell(row, 6, "%.4g %%%s", losses.median,
			   figure_lost_much(figure) ? " (!)" : "");
}

/* Of one group after the other: with rounds of rotating order, that is not how they were measured. */
static int print_figures(const struct report *report)
{
	static const struct output_column columns[] = {
		{ "MEASURED", false }, { "CANDIDATE", false }, { "MEDIAN", true }, { "MIN", true },
		{ "MAX", true },       { "ROUNDS", true },     { "LOST", true },
	};
	_cleanup_(output_tablep) struct libscols_table *table =
		output_table(columns, ARRAY_SIZE(columns));
	int r = table ? 0 : -ENOMEM;

	for (size_t i = 0; i < report->n_figures && !r; i++) {
		const struct figure *first = &report->figures[i];

		if (figure_group_began(report, i))
			continue;
		for (size_t j = i; j < report->n_figures && !r; j++)
			if (figure_same_group(first, &report->figures[j]))
				r = add_figure(table, &report->figures[j]);
	}
	return r ?: print_table(table, "Measured: median, least and most of all rounds");
}

static json_int_t count_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static int put_lost(struct libscols_line *line, size_t column, json_int_t lost, json_int_t of)
{
	return output_cell(line, column, "%lld of %lld, %.3g %%", (long long)lost, (long long)of,
			   of ? 100.0 * lost / of : 0);
}

static int put_edge(struct libscols_line *line, size_t column, json_t *counted)
{
	char text[512] = "";
	const char *name;
	json_t *value;
	size_t len = 0;

	json_object_foreach (counted, name, value)
		if (len < sizeof(text))
			len += snprintf(text + len, sizeof(text) - len, "%s%s %lld",
					len ? ", " : "", name,
					(long long)json_integer_value(value));
	return output_cell(line, column, "%s", text);
}

static int put_row(struct libscols_table *table, const json_t *row)
{
	static const char *const counts[] = { "flood_sent", "flood_queued_out", "flood_arrived",
					      "flood_ended", "flood_answered" };
	struct libscols_line *line = scols_table_new_line(table, NULL);
	double seconds = json_number_value(json_object_get(row, "seconds"));
	json_int_t well_sent = count_of(row, "well_sent");
	char rate[QUANTITY_LEN];
	size_t column = 0;
	int r = output_cell(line, column++, "%s", json_string_value(json_object_get(row, "flood")))
			?: output_cell(line, column++, "%s", json_string_value(json_object_get(row, "candidate")))
			?: put_lost(line, column++, well_sent - count_of(row, "well_answered"),
				    well_sent)
			?: put_lost(line, column++, count_of(row, "tcp_lost"),
				    count_of(row, "tcp_sent"));

	r = r
		    ?: output_cell(line, column++, "%s",
				   quantity(rate,
					    seconds > 0 ? count_of(row, "flood_sent") / seconds : 0,
					    "/s"));
	for (size_t i = 0; i < ARRAY_SIZE(counts) && !r; i++)
		r = output_cell(line, column++, "%lld", (long long)count_of(row, counts[i]));
	return r ?: put_edge(line, column, json_object_get(row, "edge"));
}

static int print_floods(const struct report *report)
{
	static const struct output_column columns[] = {
		{ "FLOOD", false },
		{ "CANDIDATE", false },
		{ "GOOD UDP LOST", true },
		{ "GOOD TCP LOST", true },
		{ "RATE", true },
		{ "SENT", true },
		{ "QUEUE FULL", true },
		{ "TO BACKEND", true },
		{ "ENDED", true },
		{ "ANSWERED", true },
		{ "COUNTED AT THE EDGE", false },
	};
	_cleanup_(output_tablep) struct libscols_table *table =
		output_table(columns, ARRAY_SIZE(columns));
	json_t *rows = report_floods(report), *row;
	int r = table && rows ? 0 : -ENOMEM;
	size_t i;

	json_array_foreach (rows, i, row)
		r = r ?: put_row(table, row);
	if (!r && !scols_table_is_empty(table)) {
		printf("Floods, all rounds: SENT = QUEUE FULL + TO BACKEND + ENDED (at the edge)\n");
		r = scols_print_table(table) ? -EIO : 0;
		printf("\n");
	}
	json_decref(rows);
	return r;
}

static int add_goal(struct libscols_table *table, const struct report *report,
		    const struct goal *goal)
{
	struct outcome outcome = goal_outcome(report, goal);
	struct libscols_line *row = scols_table_new_line(table, NULL);
	char wanted[QUANTITY_LEN], median[QUANTITY_LEN], min[QUANTITY_LEN], max[QUANTITY_LEN];
	int r = output_cell(row, 0, "%s", goal->name)
			?: output_cell(row, 1, "%s", goal_text(wanted, goal, outcome.unit));

	if (r || !outcome.measured.n)
		return r ?: output_cell(row, 5, "not measured");
	return output_cell(row, 2, "%s",
			   goal_quantity(median, goal, outcome.measured.median, outcome.unit))
		       ?: output_cell(row, 3, "%s",
				      goal_quantity(min, goal, outcome.measured.min, outcome.unit))
		       ?: output_cell(row, 4, "%s",
				      goal_quantity(max, goal, outcome.measured.max, outcome.unit))
		       ?: output_cell(row, 5, outcome.is_reached ? "reached" : "NOT REACHED");
}

static int print_goals(const struct report *report)
{
	static const struct output_column columns[] = {
		{ "GOAL", false }, { "WANTED", true }, { "MEDIAN", true },
		{ "MIN", true },   { "MAX", true },    { "", false },
	};
	_cleanup_(output_tablep) struct libscols_table *table =
		output_table(columns, ARRAY_SIZE(columns));
	int r = table ? 0 : -ENOMEM;

	for (size_t i = 0; i < n_goals && !r; i++)
		r = add_goal(table, report, &goals[i]);
	return r ?: print_table(table, "Goals: ratios of two candidates in one round, and limits");
}

static void print_refusals(const struct report *report)
{
	for (size_t i = 0; i < report->n_figures; i++) {
		const struct figure *f = &report->figures[i];

		if (f->refused)
			printf("refused: %s/%s/%s %s: %s (round %d)\n", f->section, f->workload,
			       f->candidate, f->way, f->refused, f->refused_round);
	}
	for (size_t i = 0; i < report->n_omissions; i++) {
		const struct omission *o = &report->omissions[i];

		printf("%s: %s/%s/%s: %s\n", o->is_failure ? "failed" : "skipped", o->section,
		       o->workload, o->candidate, o->why);
	}
}

int report_print(const struct report *report)
{
	int r = print_figures(report) ?: print_floods(report) ?: print_goals(report);

	print_refusals(report);
	return r ?: fflush(stdout) ? -EIO : 0;
}
