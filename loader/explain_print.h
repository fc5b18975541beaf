/* SPDX-License-Identifier: GPL-2.0-only */
/* What `edge53 explain` says. */
#ifndef EDGE53_EXPLAIN_PRINT_H
#define EDGE53_EXPLAIN_PRINT_H

#include "explain_run.h"

/* What was asked, and what came of it. */
struct explain_report {
	struct state *state;
	const char *version; /* of this edge53 */
	const char *device;
	bool is_egress;
	bool has_ethernet; /* of the packet */
	const unsigned char *bytes;
	size_t len;
	const struct explain_run *run;
};

/* To stdout. Both return 0 or negative errno. */
int explain_print_text(const struct explain_report *report);
int explain_print_json(const struct explain_report *report);

#endif
