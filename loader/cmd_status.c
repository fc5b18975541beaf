// SPDX-License-Identifier: GPL-2.0-only
/* edge53 status: what is attached where and in which mode, what is usable, and what was counted. */
#include <argp.h>

#include "commands.h"
#include "output.h"
#include "status.h"

struct options {
	bool as_json;
	bool show_all;
};

static const struct argp_option option_table[] = {
	{ "json", 'j', NULL, 0, "Print JSON, with everything in it", 0 },
	{ "all", 'a', NULL, 0, "Also reasons that never occurred, and long lists in full", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	(void)arg;
	switch (key) {
	case 'j':
		options->as_json = true;
		return 0;
	case 'a':
		options->show_all = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp status_argp = {
	.options = option_table,
	.parser = parse_option,
	.doc = "Shows what is attached where and in which mode, which backends are usable, and what "
	       "was counted for each service, backend and reason.",
};

int cmd_status(int argc, char **argv)
{
	_cleanup_(status_clear) struct status status = { 0 };
	struct options options = { 0 };
	int r;

	if (argp_parse(&status_argp, argc, argv, 0, NULL, &options))
		return EXIT_FAILED;
	status.show_all = options.show_all;
	r = output_open_state(&status.state);
	if (r)
		return r;
	r = status_gather(&status)
		    ?: (options.as_json ? status_print_json(&status) : status_print_text(&status));
	return output_finish(r, "the state");
}
