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
	int r = print_figures(report) ?: print_goals(report);

	print_refusals(report);
	return r ?: fflush(stdout) ? -EIO : 0;
}
