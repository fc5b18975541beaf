/* SPDX-License-Identifier: GPL-2.0-only */
#include <argp.h>
#include <string.h>

#include "commands.h"
#include "daemon.h"

struct run_options {
	const char *config_path;
	enum attach_tc tc;
};

enum option_key {
	KEY_ATTACH = 256,
};

static const struct argp_option option_table[] = {
	{ "config", 'c', "FILE", 0, "Configuration (" DEFAULT_CONFIG_PATH ")", 0 },
	{ "attach", KEY_ATTACH, "HOW", 0, "tc programs as tcx links where the kernel has them (auto), or as clsact filters (clsact)", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct run_options *options = state->input;

	switch (key) {
	case 'c':
		options->config_path = arg;
		return 0;
	case KEY_ATTACH:
		if (!strcmp(arg, "clsact"))
			options->tc = ATTACH_TC_CLSACT;
		else if (strcmp(arg, "auto"))
			argp_error(state, "--attach: \"%s\" is neither auto nor clsact", arg);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument \"%s\"", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_run(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "Load the dataplane, or adopt the one that runs, and keep it as FILE says.\v"
		       "SIGHUP reads FILE again. SIGTERM and SIGINT end the loader; the dataplane serves on.",
	};
	struct run_options options = { .config_path = DEFAULT_CONFIG_PATH };
	_cleanup_(config_freep) struct config *config = NULL;

	if (argp_parse(&argp, argc, argv, 0, NULL, &options))
		return EXIT_USAGE;
	if (config_load(options.config_path, &config) < 0)
		return EXIT_USAGE;
	return daemon_run(options.config_path, &config, options.tc);
}
