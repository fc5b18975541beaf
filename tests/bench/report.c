// SPDX-License-Identifier: GPL-2.0-only
/*
 * report DIR: what DIR/raw.jsonl says, as tables, as DIR/bench.json and as DIR/bench.svg.
 *
 * Exit 1 when a figure was refused, because its packets were not counted. Goals that were not reached
 * are said, and no failure: they are what the benchmark is to find out.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "report.h"

static int say(int r, const char *dir, const char *what)
{
	if (r)
		fprintf(stderr, "report: %s/%s: %s\n", dir, what, strerror(-r));
	return r;
}

static const char *path_of(char *buf, size_t size, const char *dir, const char *name)
{
	snprintf(buf, size, "%s/%s", dir, name);
	return buf;
}

static int read_directory(const char *dir, struct report *report)
{
	char path[4096];
	FILE *file = fopen(path_of(path, sizeof(path), dir, "raw.jsonl"), "re");
	int r;

	if (!file)
		return say(-errno, dir, "raw.jsonl");
	r = say(report_read(file, report), dir, "raw.jsonl");
	fclose(file);
	return r;
}

static bool has_refused(const struct report *report)
{
	for (size_t i = 0; i < report->n_figures; i++)
		if (report->figures[i].refused)
			return true;
	return false;
}

int main(int argc, char **argv)
{
	struct report report = { 0 };
	char path[4096];
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: report DIR\n");
		return 2;
	}
	r = read_directory(argv[1], &report);
	if (!r)
		r = say(report_print(&report), argv[1], "tables");
	if (!r)
		r = say(report_write_json(&report,
					  path_of(path, sizeof(path), argv[1], "bench.json")),
			argv[1], "bench.json");
	if (!r)
		r = say(report_write_svg(&report,
					 path_of(path, sizeof(path), argv[1], "bench.svg")),
			argv[1], "bench.svg");
	if (!r && has_refused(&report))
		r = -EBADMSG;
	report_free(&report);
	return r ? 1 : 0;
}
