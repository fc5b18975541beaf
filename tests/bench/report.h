/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the benchmark measured. A line of raw.jsonl is one measurement; all of one candidate in one
 * workload (and way) are a figure; figures of the same workload and way are a group, and compared.
 *
 * Strings are borrowed from report.lines.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A figure that lost more is marked. */
#define REPORT_LOST_PERCENT 0.1

struct measurement {
	int round;
	double value;
	double lost_percent; /* NAN: nothing that could be lost */
};

struct figure {
	const char *section, *workload, *way; /* way: "" where there is only one */
	const char *candidate, *unit;
	struct measurement *measurements;
	size_t n_measurements;
	const char *refused; /* why it is not reported, or NULL */
	int refused_round;
};

/* What could not be measured. */
struct omission {
	const char *section, *workload, *candidate, *why;
	bool is_failure; /* else the machine lacks something */
};

struct report {
	json_t *lines;
	struct figure *figures;
	size_t n_figures;
	struct omission *omissions;
	size_t n_omissions;
};

struct spread {
	double median, min, max;
	size_t n;
};

/* --- report_lines.c: raw.jsonl → figures ------------------------------------------------------- */

/* Returns 0, or negative errno after saying what is wrong with which line. */
int report_read(FILE *file, struct report *report);
void report_free(struct report *report);

/* --- report_figures.c: arithmetic -------------------------------------------------------------- */

bool figure_is_of(const struct figure *figure, const char *section, const char *workload,
		  const char *way);
bool figure_same_group(const struct figure *a, const struct figure *b);
/* Whether a figure of the same group is among those before the i-th. */
bool figure_group_began(const struct report *report, size_t i);

/* NULL when there is none, or it is refused. */
const struct figure *figure_find(const struct report *report, const char *section,
				 const char *workload, const char *way, const char *candidate);

/* Of nothing all are NAN. Sorts the values. */
struct spread spread_of(double *values, size_t n);
struct spread figure_values(const struct figure *figure);
/* Of those that can lose something. */
struct spread figure_losses(const struct figure *figure);
/* Of the rounds that both were measured in: what drifts from round to round is in neither ratio. */
struct spread figure_ratios(const struct figure *figure, const struct figure *reference);

/* Whether more was lost than a figure may lose without saying so. */
bool figure_lost_much(const struct figure *figure);

/* "12.3 M", with the unit. Returns buf. */
#define QUANTITY_LEN 32
const char *quantity(char buf[static QUANTITY_LEN], double value, const char *unit);

/* --- report_goals.c: what is to be reached ----------------------------------------------------- */

enum goal_kind {
	GOAL_RATIO_AT_LEAST, /* candidate to reference */
	GOAL_VALUE_AT_MOST,
	GOAL_LOST_AT_MOST, /* percent, in the worst round */
	GOAL_LOST_BELOW,
};

struct goal {
	const char *name;
	const char *section, *workload, *way;
	const char *candidate, *reference;
	enum goal_kind kind;
	double limit;
};

struct outcome {
	struct spread measured; /* n is 0: it was not */
	const char *unit;	/* of a value; else "" */
	bool is_reached;
};

extern const struct goal goals[];
extern const size_t n_goals;

struct outcome goal_outcome(const struct report *report, const struct goal *goal);

/* ">= 0.75" and the like. Returns buf. */
const char *goal_text(char buf[static QUANTITY_LEN], const struct goal *goal, const char *unit);
/* A figure of an outcome in the unit the goal is in. Returns buf. */
const char *goal_quantity(char buf[static QUANTITY_LEN], const struct goal *goal, double value,
			  const char *unit);

/* --- report_floods.c: section `floods` ---------------------------------------------------------- */

/*
 * An array with an object for each flood and candidate, sums over all rounds: what the good clients sent and lost, and
 * of the flood flood_sent = flood_queued_out + flood_arrived + flood_ended. The caller's; NULL: no memory.
 */
json_t *report_floods(const struct report *report);

/* --- how it is shown ---------------------------------------------------------------------------- */

int report_print(const struct report *report);			      /* report_table.c */
int report_write_json(const struct report *report, const char *path); /* report_json.c */
int report_write_svg(const struct report *report, const char *path);  /* report_svg.c */

#endif
