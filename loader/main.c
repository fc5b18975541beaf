// SPDX-License-Identifier: GPL-2.0-only
/* The table of verbs, and the options that stand before them. */
#include <argp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "log.h"
#include "pins.h"
#include "util.h"

#ifndef EDGE53_VERSION
#define EDGE53_VERSION "unknown"
#endif

const char *argp_program_version = "edge53 " EDGE53_VERSION;

static const struct verb {
	const char *name;
	const char *called; /* what the command sees as argv[0]: its usage begins with it */
	int (*run)(int argc, char **argv);
	const char *help;
} verbs[] = {
	{ "run", "edge53 run", cmd_run,
	  "Load the dataplane and keep it as the configuration says" },
	{ "check", "edge53 check", cmd_check, "Check configuration and host; print the plan" },
	{ "status", "edge53 status", cmd_status,
	  "What is attached where, health, counters by reason" },
	{ "clients", "edge53 clients", cmd_clients, "Counters of each client" },
	{ "flows", "edge53 flows", cmd_flows, "UDP queries under way and TCP connections" },
	{ "explain", "edge53 explain", cmd_explain,
	  "What would become of a packet: steps, verdict, bytes" },
	{ "attach", "edge53 attach", cmd_attach,
	  "Wait until a device is attached (for hooks of pppd)" },
	{ "down", "edge53 down", cmd_down, "Detach and unpin everything" },
};

struct options {
	bool verbose;
	const char *pins;
	int argc; /* from the verb on; 0: no verb */
	char **argv;
};

enum option_key {
	KEY_PINS = 256, /* no short form */
};

static const struct argp_option option_table[] = {
	{ "verbose", 'v', NULL, 0, "Say more, libbpf's messages included", 0 },
	{ "pins", KEY_PINS, "DIR", 0,
	  "Directory of the pinned maps and links (" PINS_DEFAULT_ROOT ")", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'v':
		options->verbose = true;
		return 0;
	case KEY_PINS:
		options->pins = arg;
		return 0;
	case ARGP_KEY_ARG: /* the verb; what follows is the command's own to parse */
		options->argc = state->argc - state->next + 1;
		options->argv = state->argv + state->next - 1;
		state->next = state->argc;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The verbs stand in --help after the options. argp frees what is not the text it gave. */
static char *list_verbs(int key, const char *text, void *input)
{
	char *help = NULL;
	size_t len = 0;
	FILE *out;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	out = open_memstream(&help, &len);
	if (!out)
		return (char *)text;
	fputs("Commands (`edge53 help COMMAND' for their options):\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(out, "  %-10s %s\n", verbs[i].name, verbs[i].help);
	fputs("\nExit status: 0 fine, 1 failed, 2 wrong usage or configuration, 3 not loaded.",
	      out);
	fclose(out);
	return help;
}

static const struct argp main_argp = {
	.options = option_table,
	.parser = parse_option,
	.args_doc = "COMMAND [OPTION...]",
	.doc = "An eBPF dataplane for DNS at the edge of a network.\v",
	.help_filter = list_verbs,
};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

static int show_usage(void)
{
	argp_help(&main_argp, stderr, ARGP_HELP_STD_USAGE, "edge53");
	return EXIT_USAGE;
}

static int run_verb(int argc, char **argv)
{
	const struct verb *verb = find_verb(argv[0]);

	if (!verb) {
		log_error("there is no command `%s'", argv[0]);
		return show_usage();
	}
	argv[0] = (char *)verb->called;
	return verb->run(argc, argv);
}

static int help(int argc, char **argv)
{
	char option[] = "--help", *help_argv[] = { argc > 1 ? argv[1] : NULL, option, NULL };

	if (argc > 1)
		return run_verb(2, help_argv);
	argp_help(&main_argp, stdout,
		  ARGP_HELP_STD_HELP & ~(ARGP_HELP_EXIT_OK | ARGP_HELP_EXIT_ERR), "edge53");
	return EXIT_FINE;
}

int main(int argc, char **argv)
{
	struct options options = { .pins = PINS_DEFAULT_ROOT };

	argp_err_exit_status = EXIT_USAGE;
	/* `edge53 clients | head`: a failed write ends the listing, not a signal. */
	signal(SIGPIPE, SIG_IGN);
	if (argp_parse(&main_argp, argc, argv, ARGP_IN_ORDER, NULL, &options))
		return EXIT_FAILED;
	log_init(options.verbose);
	pins_set_root(options.pins);
	if (!options.argc) {
		log_error("a command is missing");
		return show_usage();
	}
	if (!strcmp(options.argv[0], "help"))
		return help(options.argc, options.argv);
	return run_verb(options.argc, options.argv);
}
