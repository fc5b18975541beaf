// SPDX-License-Identifier: GPL-2.0-only
/* Section `floods`: what the good clients have left, and where the packets of the flood went, over all rounds. */
#include <errno.h>
#include <string.h>

#include "report.h"
#include "util.h"

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

static json_int_t count_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* The row of this line's flood and candidate, a new one if there is none; borrowed. NULL: no memory. */
static json_t *row_of(json_t *rows, const json_t *line)
{
	json_t *row;
	size_t i;

	json_array_foreach (rows, i, row)
		if (!strcmp(text_of(row, "flood"), text_of(line, "workload")) &&
		    !strcmp(text_of(row, "candidate"), text_of(line, "candidate")))
			return row;
	row = json_pack("{s:s, s:s}", "flood", text_of(line, "workload"), "candidate",
			text_of(line, "candidate"));
	return !row || json_array_append_new(rows, row) ? NULL : row;
}

static int add_count(json_t *row, const char *key, json_int_t n)
{
	return json_object_set_new(row, key, json_integer(count_of(row, key) + n)) ? -ENOMEM : 0;
}

static int add_real(json_t *row, const char *key, double value)
{
	value += json_number_value(json_object_get(row, key));
	return json_object_set_new(row, key, json_real(value)) ? -ENOMEM : 0;
}

/* What the edge has counted itself, by names of its own. */
static int add_edge(json_t *row, const json_t *line)
{
	json_t *counted = json_object_get(row, "edge"), *value;
	const char *name;
	int r = 0;

	if (!counted && json_object_set_new(row, "edge", json_object()))
		return -ENOMEM;
	counted = json_object_get(row, "edge");
	json_object_foreach (json_object_get(line, "edge"), name, value)
		r = r ?: add_count(counted, name, json_integer_value(value));
	return r;
}

static int add_udp(json_t *row, const json_t *line)
{
	static const char *const same[] = { "well_sent",       "well_answered", "well_truncated",
					    "well_queued_out", "flood_sent",	"flood_queued_out",
					    "flood_arrived",   "flood_ended",	"flood_answered",
					    "flood_truncated" };
	int r = add_edge(row, line)
			?: add_real(row, "seconds",
				    json_number_value(json_object_get(line, "seconds")));

	for (size_t i = 0; i < ARRAY_SIZE(same) && !r; i++)
		r = add_count(row, same[i], count_of(line, same[i]));
	return r;
}

static int add_tcp(json_t *row, const json_t *line)
{
	return add_count(row, "tcp_sent", count_of(line, "sent"))
		       ?: add_count(row, "tcp_lost", count_of(line, "lost"));
}

json_t *report_floods(const struct report *report)
{
	json_t *rows = json_array(), *line, *row;
	size_t i;
	int r = rows ? 0 : -ENOMEM;

	json_array_foreach (report->lines, i, line) {
		if (r || strcmp(text_of(line, "section"), "floods") || !*text_of(line, "way"))
			continue;
		row = row_of(rows, line);
		if (!row)
			r = -ENOMEM;
		else if (!strcmp(text_of(line, "way"), "udp"))
			r = add_udp(row, line);
		else
			r = add_tcp(row, line);
	}
	if (!r)
		return rows;
	json_decref(rows);
	return NULL;
}
