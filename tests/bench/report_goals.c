// SPDX-License-Identifier: GPL-2.0-only
/* What edge53 is to reach, as ratios of what one run measured. */
#include <math.h>
#include <string.h>

#include "report.h"
#include "util.h"

#define QUERY "query"
#define ROUND_TRIP "round-trip"

const struct goal goals[] = {
	{ "queries of known clients, to bare redirect", "paths", "a", QUERY, "edge53-xdp",
	  "redirect", GOAL_RATIO_AT_LEAST, 0.75 },
	{ "queries from 1 million new ports, to bare redirect", "paths", "b1", QUERY, "edge53-xdp",
	  "redirect", GOAL_RATIO_AT_LEAST, 0.65 },
	{ "queries from 10 million new ports, to bare redirect", "paths", "b10", QUERY,
	  "edge53-xdp", "redirect", GOAL_RATIO_AT_LEAST, 0.65 },
	{ "queries of Zipf clients, to bare redirect", "paths", "c", QUERY, "edge53-xdp",
	  "redirect", GOAL_RATIO_AT_LEAST, 0.65 },
	{ "queries of known clients, to nftables", "paths", "a", QUERY, "edge53-xdp", "nft",
	  GOAL_RATIO_AT_LEAST, 6.5 },
	{ "round trips of known clients, to nftables", "paths", "a", ROUND_TRIP, "edge53-xdp",
	  "nft", GOAL_RATIO_AT_LEAST, 5 },
	{ "answers lost, 1 million new ports", "paths", "b1", ROUND_TRIP, "edge53-xdp", NULL,
	  GOAL_LOST_AT_MOST, 0 },
	{ "answers of the well-behaved lost in a flood", "paths", "d", ROUND_TRIP, "edge53-xdp",
	  NULL, GOAL_LOST_BELOW, 0.1 },
	{ "good clients' UDP lost, flood of random sources", "floods", "sources", "udp",
	  "edge53-xdp", NULL, GOAL_LOST_BELOW, 0.1 },
	{ "good clients' TCP lost, flood of random sources", "floods", "sources", "tcp",
	  "edge53-xdp", NULL, GOAL_LOST_AT_MOST, 0 },
	{ "good clients' UDP lost, flood of random payloads", "floods", "payloads", "udp",
	  "edge53-xdp", NULL, GOAL_LOST_BELOW, 0.1 },
	{ "good clients' TCP lost, flood of random payloads", "floods", "payloads", "tcp",
	  "edge53-xdp", NULL, GOAL_LOST_AT_MOST, 0 },
	{ "good clients' UDP lost, flood of SYNs", "floods", "syns", "udp", "edge53-xdp", NULL,
	  GOAL_LOST_BELOW, 0.1 },
	{ "good clients' TCP lost, flood of SYNs", "floods", "syns", "tcp", "edge53-xdp", NULL,
	  GOAL_LOST_AT_MOST, 0 },
	{ "good clients' UDP lost, flood of fragments", "floods", "fragments", "udp", "edge53-xdp",
	  NULL, GOAL_LOST_BELOW, 0.1 },
	{ "good clients' TCP lost, flood of fragments", "floods", "fragments", "tcp", "edge53-xdp",
	  NULL, GOAL_LOST_AT_MOST, 0 },
	{ "good clients' UDP lost, flood of one hot /24", "floods", "hot", "udp", "edge53-xdp",
	  NULL, GOAL_LOST_BELOW, 0.1 },
	{ "good clients' TCP lost, flood of one hot /24", "floods", "hot", "tcp", "edge53-xdp",
	  NULL, GOAL_LOST_AT_MOST, 0 },
	{ "good clients' UDP lost, SYNs of one /24", "floods", "hot-syns", "udp", "edge53-xdp",
	  NULL, GOAL_LOST_BELOW, 0.1 },
	{ "good clients' TCP lost, SYNs of one /24", "floods", "hot-syns", "tcp", "edge53-xdp",
	  NULL, GOAL_LOST_AT_MOST, 0 },
	{ "queries with PROXY header, to without", "paths", "a", QUERY, "edge53-xdp-proxy",
	  "edge53-xdp", GOAL_RATIO_AT_LEAST, 0.85 },
	{ "queries on the tunnel path, to nftables", "paths", "a", QUERY, "edge53-tc", "nft",
	  GOAL_RATIO_AT_LEAST, 2.4 },
	{ "queries on the tunnel path, to routing", "paths", "a", QUERY, "edge53-tc", "routing",
	  GOAL_RATIO_AT_LEAST, 1.1 },
	{ "dnsperf against Knot, to the same without an edge", "sockets", "dnsperf", ROUND_TRIP,
	  "edge53-xdp", "direct", GOAL_RATIO_AT_LEAST, 0.95 },
	{ "dnsperf against Knot, to dnsdist", "sockets", "dnsperf", ROUND_TRIP, "edge53-xdp",
	  "dnsdist", GOAL_RATIO_AT_LEAST, 2 },
	{ "program time, query, XDP", "programs", "nat", QUERY, "edge53-xdp", NULL,
	  GOAL_VALUE_AT_MOST, 45 },
	{ "program time, reply, XDP", "programs", "nat", "reply", "edge53-xdp", NULL,
	  GOAL_VALUE_AT_MOST, 45 },
	{ "program time, query, tc", "programs", "nat", QUERY, "edge53-tc", NULL,
	  GOAL_VALUE_AT_MOST, 45 },
	{ "program time, reply, tc", "programs", "nat", "reply", "edge53-tc", NULL,
	  GOAL_VALUE_AT_MOST, 45 },
	{ "4,000 devices attached, from the start", "devices", "g", "start", "4000-devices", NULL,
	  GOAL_VALUE_AT_MOST, 4000 },
	{ "a new device attached, beside 4,000", "devices", "g", "new", "4000-devices", NULL,
	  GOAL_VALUE_AT_MOST, 20 },
};
const size_t n_goals = ARRAY_SIZE(goals);

static bool is_reached(const struct goal *goal, const struct spread *measured)
{
	switch (goal->kind) {
	case GOAL_RATIO_AT_LEAST:
		return measured->median >= goal->limit;
	case GOAL_VALUE_AT_MOST:
		return measured->median <= goal->limit;
	case GOAL_LOST_AT_MOST:
		return measured->max <= goal->limit;
	case GOAL_LOST_BELOW:
		return measured->max < goal->limit;
	}
	return false;
}

struct outcome goal_outcome(const struct report *report, const struct goal *goal)
{
	const struct figure *reference = NULL, *figure;
	struct outcome outcome = { .unit = "" };

	figure = figure_find(report, goal->section, goal->workload, goal->way, goal->candidate);
	if (goal->reference)
		reference = figure_find(report, goal->section, goal->workload, goal->way,
					goal->reference);
	if (!figure || (goal->reference && !reference))
		return outcome;
	switch (goal->kind) {
	case GOAL_RATIO_AT_LEAST:
		outcome.measured = figure_ratios(figure, reference);
		break;
	case GOAL_VALUE_AT_MOST:
		outcome.measured = figure_values(figure);
		outcome.unit = figure->unit;
		break;
	case GOAL_LOST_AT_MOST:
	case GOAL_LOST_BELOW:
		outcome.measured = figure_losses(figure);
		outcome.unit = "percent";
		break;
	}
	outcome.is_reached = outcome.measured.n && is_reached(goal, &outcome.measured);
	return outcome;
}

const char *goal_quantity(char buf[static QUANTITY_LEN], const struct goal *goal, double value,
			  const char *unit)
{
	if (goal->kind == GOAL_VALUE_AT_MOST)
		return quantity(buf, value, unit);
	snprintf(buf, QUANTITY_LEN, goal->kind == GOAL_RATIO_AT_LEAST ? "%.2f" : "%.4g %%", value);
	return buf;
}

const char *goal_text(char buf[static QUANTITY_LEN], const struct goal *goal, const char *unit)
{
	static const char *const signs[] = {
		[GOAL_RATIO_AT_LEAST] = ">=",
		[GOAL_VALUE_AT_MOST] = "<=",
		[GOAL_LOST_AT_MOST] = "<=",
		[GOAL_LOST_BELOW] = "<",
	};
	char limit[QUANTITY_LEN];

	goal_quantity(limit, goal, goal->limit, unit);
	snprintf(buf, QUANTITY_LEN, "%s %.28s", signs[goal->kind], limit);
	return buf;
}
