// SPDX-License-Identifier: GPL-2.0-only
/* Medians, spreads and ratios. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

bool figure_is_of(const struct figure *figure, const char *section, const char *workload,
		  const char *way)
{
	return !strcmp(figure->section, section) && !strcmp(figure->workload, workload) &&
	       !strcmp(figure->way, way);
}

bool figure_same_group(const struct figure *a, const struct figure *b)
{
	return figure_is_of(a, b->section, b->workload, b->way);
}

bool figure_group_began(const struct report *report, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (figure_same_group(&report->figures[i], &report->figures[j]))
			return true;
	return false;
}

const struct figure *figure_find(const struct report *report, const char *section,
				 const char *workload, const char *way, const char *candidate)
{
	for (size_t i = 0; i < report->n_figures; i++) {
		const struct figure *figure = &report->figures[i];

		if (figure_is_of(figure, section, workload, way) &&
		    !strcmp(figure->candidate, candidate))
			return figure->refused ? NULL : figure;
	}
	return NULL;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct spread spread_of(double *values, size_t n)
{
	struct spread s = { NAN, NAN, NAN, n };

	if (!n)
		return s;
	qsort(values, n, sizeof(*values), compare);
	s.min = values[0];
	s.max = values[n - 1];
	s.median = n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
	return s;
}

static double value_of(const struct measurement *m, const struct figure *unused)
{
	(void)unused;
	return m->value;
}

static double loss_of(const struct measurement *m, const struct figure *unused)
{
	(void)unused;
	return m->lost_percent;
}

/* NAN when the reference was not measured in this round, or was nothing. */
static double ratio_of(const struct measurement *m, const struct figure *reference)
{
	for (size_t i = 0; i < reference->n_measurements; i++)
		if (reference->measurements[i].round == m->round)
			return reference->measurements[i].value > 0
				       ? m->value / reference->measurements[i].value
				       : NAN;
	return NAN;
}

/* Of all measurements of which f is a number. */
static struct spread spread_by(const struct figure *figure,
			       double (*f)(const struct measurement *, const struct figure *),
			       const struct figure *reference)
{
	double *values = calloc(figure->n_measurements + 1, sizeof(*values));
	struct spread s;
	size_t n = 0;

	for (size_t i = 0; values && i < figure->n_measurements; i++) {
		values[n] = f(&figure->measurements[i], reference);
		n += !isnan(values[n]);
	}
	s = spread_of(values, n);
	free(values);
	return s;
}

struct spread figure_values(const struct figure *figure)
{
	return spread_by(figure, value_of, NULL);
}

struct spread figure_losses(const struct figure *figure)
{
	return spread_by(figure, loss_of, NULL);
}

struct spread figure_ratios(const struct figure *figure, const struct figure *reference)
{
	return spread_by(figure, ratio_of, reference);
}

bool figure_lost_much(const struct figure *figure)
{
	struct spread losses = figure_losses(figure);

	return losses.n && losses.median > REPORT_LOST_PERCENT;
}

/* Three digits that say something. */
static int decimals_of(double value)
{
	return value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
}

const char *quantity(char buf[static QUANTITY_LEN], double value, const char *unit)
{
	static const char *const prefixes[] = { "", "k", "M", "G" };
	bool is_rate = strstr(unit, "/s");
	size_t p = 0;

	if (!strcmp(unit, "percent"))
		unit = "%";
	for (; is_rate && p < 3 && value >= 999.5; p++)
		value /= 1000;
	snprintf(buf, QUANTITY_LEN, "%.*f %s%s", value > 0 ? decimals_of(value) : 0, value,
		 prefixes[p], unit);
	return buf;
}
