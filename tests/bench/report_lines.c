// SPDX-License-Identifier: GPL-2.0-only
/* raw.jsonl → figures. Nothing is taken on trust: a rate whose packets were not counted is refused. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "util.h"

static const char *text_of(const json_t *line, const char *key)
{
	const char *text = json_string_value(json_object_get(line, key));

	return text ? text : "";
}

/* NAN when there is none. */
static double number_of(const json_t *line, const char *key)
{
	const json_t *number = json_object_get(line, key);

	return json_is_number(number) ? json_number_value(number) : NAN;
}

static bool is_counted(const json_t *line, const char *key)
{
	return number_of(line, key) >= 0;
}

/* What of a packet sent must have been seen again: a reply at the client, or a query at the backend. */
static const char *count_that_matters(const json_t *line)
{
	return strcmp(text_of(line, "way"), "query") ? "answered" : "arrived";
}

/* Why this is no measurement, or NULL. */
static const char *why_refused(const json_t *line)
{
	if (isnan(number_of(line, "value")))
		return "there is no value";
	if (strcmp(text_of(line, "unit"), "packets/s"))
		return NULL;
	if (!(number_of(line, "sent") > 0))
		return "what was sent was not counted";
	if (!is_counted(line, count_that_matters(line)))
		return strcmp(count_that_matters(line), "arrived") ? "the answers were not counted"
								   : "what arrived was not counted";
	return NULL;
}

static double percent_missing(double sent, double seen)
{
	return sent > 0 ? 100 * (sent - seen) / sent : NAN;
}

/* Under a flood only the well-behaved count; programs that count losses themselves say "lost". */
static double lost_percent_of(const json_t *line)
{
	const char *seen = count_that_matters(line);

	if (is_counted(line, "well_sent") && number_of(line, "well_sent") > 0)
		return percent_missing(number_of(line, "well_sent"),
				       number_of(line, "well_answered"));
	if (is_counted(line, seen))
		return percent_missing(number_of(line, "sent"), number_of(line, seen));
	return percent_missing(number_of(line, "sent"),
			       number_of(line, "sent") - number_of(line, "lost"));
}

static struct figure *figure_of(struct report *report, const json_t *line)
{
	const char *section = text_of(line, "section"), *workload = text_of(line, "workload");
	const char *way = text_of(line, "way"), *candidate = text_of(line, "candidate");
	struct figure *figure;

	for (size_t i = 0; i < report->n_figures; i++) {
		figure = &report->figures[i];
		if (figure_is_of(figure, section, workload, way) &&
		    !strcmp(figure->candidate, candidate))
			return figure;
	}
	if (array_grow(&report->figures, report->n_figures, sizeof(*report->figures)))
		return NULL;
	figure = &report->figures[report->n_figures++];
	*figure = (struct figure){ .section = section,
				   .workload = workload,
				   .way = way,
				   .candidate = candidate,
				   .unit = text_of(line, "unit") };
	return figure;
}

static int add_measurement(struct report *report, const json_t *line)
{
	struct figure *figure = figure_of(report, line);
	const char *refused = why_refused(line);
	struct measurement m = {
		.round = (int)number_of(line, "round"),
		.value = number_of(line, "value"),
		.lost_percent = lost_percent_of(line),
	};

	if (!figure)
		return -ENOMEM;
	if (!refused && strcmp(figure->unit, text_of(line, "unit")))
		refused = "its unit is not that of other rounds";
	if (refused && !figure->refused) {
		figure->refused = refused;
		figure->refused_round = m.round;
	}
	if (array_grow(&figure->measurements, figure->n_measurements, sizeof(m)))
		return -ENOMEM;
	figure->measurements[figure->n_measurements++] = m;
	return 0;
}

/* Said once, however many rounds it was so in. */
static bool is_known_omission(const struct report *report, const json_t *line)
{
	for (size_t i = 0; i < report->n_omissions; i++) {
		const struct omission *o = &report->omissions[i];

		if (!strcmp(o->section, text_of(line, "section")) &&
		    !strcmp(o->workload, text_of(line, "workload")) &&
		    !strcmp(o->candidate, text_of(line, "candidate")) &&
		    o->is_failure == !!json_object_get(line, "failed"))
			return true;
	}
	return false;
}

static int add_omission(struct report *report, const json_t *line)
{
	bool is_failure = json_object_get(line, "failed");

	if (is_known_omission(report, line))
		return 0;
	if (array_grow(&report->omissions, report->n_omissions, sizeof(*report->omissions)))
		return -ENOMEM;
	report->omissions[report->n_omissions++] = (struct omission){
		.section = text_of(line, "section"),
		.workload = text_of(line, "workload"),
		.candidate = text_of(line, "candidate"),
		.why = text_of(line, is_failure ? "failed" : "skipped"),
		.is_failure = is_failure,
	};
	return 0;
}

/* Negative errno; -EINVAL: the line does not say whose measurement it is. */
static int add_line(struct report *report, const json_t *line)
{
	if (!*text_of(line, "section") || !*text_of(line, "workload") ||
	    !*text_of(line, "candidate") || !(number_of(line, "round") >= 1))
		return -EINVAL;
	if (json_object_get(line, "skipped") || json_object_get(line, "failed"))
		return add_omission(report, line);
	return *text_of(line, "unit") ? add_measurement(report, line) : -EINVAL;
}

static int read_line(struct report *report, const char *text, size_t number)
{
	json_error_t error;
	json_t *line = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	int r;

	if (!line) {
		fprintf(stderr, "report: line %zu is no JSON: %s\n", number, error.text);
		return -EINVAL;
	}
	if (json_array_append_new(report->lines, line))
		return -ENOMEM;
	r = add_line(report, line);
	if (r == -EINVAL)
		fprintf(stderr, "report: line %zu does not say what was measured: %s\n", number,
			text);
	return r;
}

int report_read(FILE *file, struct report *report)
{
	_cleanup_(freep) char *text = NULL;
	size_t size = 0;
	int r = 0;

	*report = (struct report){ .lines = json_array() };
	for (size_t number = 1; !r && getline(&text, &size, file) > 0; number++)
		r = read_line(report, text, number);
	return r || !ferror(file) ? r : -EIO;
}

void report_free(struct report *report)
{
	for (size_t i = 0; i < report->n_figures; i++)
		free(report->figures[i].measurements);
	free(report->figures);
	free(report->omissions);
	json_decref(report->lines);
}
