// SPDX-License-Identifier: GPL-2.0-only
/* bench.json: everything the table shows, and where it was measured. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "report.h"

/* JSON has no NAN. */
static json_t *number(double value)
{
	return isnan(value) ? json_null() : json_real(value);
}

static json_t *spread_json(const struct spread *s)
{
	return json_pack("{s:o, s:o, s:o, s:i}", "median", number(s->median), "min", number(s->min),
			 "max", number(s->max), "rounds", (int)s->n);
}

static json_t *figure_json(const struct figure *figure)
{
	struct spread values = figure_values(figure), losses = figure_losses(figure);
	json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:s}", "section", figure->section,
				   "workload", figure->workload, "way", figure->way, "candidate",
				   figure->candidate, "unit", figure->unit);

	if (figure->refused) {
		json_object_set_new(object, "refused", json_string(figure->refused));
		return object;
	}
	json_object_set_new(object, "value", spread_json(&values));
	if (losses.n)
		json_object_set_new(object, "lost_percent", spread_json(&losses));
	return object;
}

static json_t *goal_json(const struct report *report, const struct goal *goal)
{
	struct outcome outcome = goal_outcome(report, goal);
	char text[QUANTITY_LEN];

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s*, s:s, s:o, s:o}", "goal", goal->name,
			 "section", goal->section, "workload", goal->workload, "way", goal->way,
			 "candidate", goal->candidate, "reference", goal->reference, "wanted",
			 goal_text(text, goal, outcome.unit), "measured",
			 spread_json(&outcome.measured), "reached",
			 outcome.measured.n ? json_boolean(outcome.is_reached) : json_null());
}

static json_t *omission_json(const struct omission *omission)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:b}", "section", omission->section, "workload",
			 omission->workload, "candidate", omission->candidate, "why", omission->why,
			 "failed", omission->is_failure);
}

/* "model name : AMD EPYC ..." of the first CPU; other architectures do not say. */
static void read_cpu_model(char *model, size_t size)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[256];

	*model = '\0';
	while (file && !*model && fgets(line, sizeof(line), file))
		if (!strncmp(line, "model name", 10) && strchr(line, ':'))
			snprintf(model, size, "%s", strchr(line, ':') + 2);
	if (file)
		fclose(file);
	model[strcspn(model, "\n")] = '\0';
}

static json_t *machine_json(void)
{
	struct utsname name;
	char model[256];

	read_cpu_model(model, sizeof(model));
	uname(&name);
	return json_pack("{s:s, s:s, s:s, s:i}", "kernel", name.release, "architecture",
			 name.machine, "cpu", model, "cpus", (int)sysconf(_SC_NPROCESSORS_ONLN));
}

int report_write_json(const struct report *report, const char *path)
{
	json_t *figures = json_array(), *outcomes = json_array(), *omissions = json_array();
	json_t *document;
	int r;

	for (size_t i = 0; i < report->n_figures; i++)
		json_array_append_new(figures, figure_json(&report->figures[i]));
	for (size_t i = 0; i < n_goals; i++)
		json_array_append_new(outcomes, goal_json(report, &goals[i]));
	for (size_t i = 0; i < report->n_omissions; i++)
		json_array_append_new(omissions, omission_json(&report->omissions[i]));
	document = json_pack("{s:o, s:o, s:o, s:o, s:o}", "machine", machine_json(), "figures",
			     figures, "floods", report_floods(report), "goals", outcomes,
			     "not_measured", omissions);
	r = document ? json_dump_file(document, path, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) : -1;
	json_decref(document);
	return r ? -EIO : 0;
}
