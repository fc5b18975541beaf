// SPDX-License-Identifier: GPL-2.0-only
/* edge53 clients: who asks, how much, and what they got. */
#include <argp.h>
#include <errno.h>
#include <stdint.h>

#include "clients_names.h"
#include "clients_watch.h"
#include "commands.h"
#include "log.h"
#include "output.h"

#define MAX_INTERVAL_S 3600
#define MAX_NAMES_S 60
#define MAX_TOP 1000000000

struct options {
	bool as_json;
	const struct client_field *sort; /* NULL: what suits */
	size_t top;			 /* 0: all */
	size_t interval_s;		 /* 0: once */
	size_t names_s;			 /* 0: not names */
};

enum option_key {
	KEY_NAMES = 256, /* no short form */
};

static const struct argp_option option_table[] = {
	{ "json", 'j', NULL, 0, "Print JSON", 0 },
	{ "top", 'n', "N", 0, "Only the first N", 0 },
	{ "sort", 's', "FIELD", 0,
	  "Largest of this column first; of times: the latest first (queries; with --watch: queries/s)",
	  0 },
	{ "watch", 'w', "SECONDS", OPTION_ARG_OPTIONAL,
	  "Again every so many seconds (1), with queries per second: on a terminal a screen, else one list after the other",
	  0 },
	{ "names", KEY_NAMES, "SECONDS", OPTION_ARG_OPTIONAL,
	  "What the busiest clients ask in so many seconds (1) from now; nothing of it is kept", 0 },
	{ 0 },
};

static size_t parse_count(const char *option, const char *text, size_t most)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || !value || value > most) {
		log_error("%s: `%s' is not a number from 1 to %zu", option, text, most);
		exit(EXIT_USAGE);
	}
	return value;
}

static const struct client_field *parse_field(const char *name)
{
	const struct client_field *field = client_field_find(name);
	char names[CLIENT_FIELD_NAMES_LEN];

	if (!field) {
		log_error("--sort: there is no field `%s'; there are %s", name,
			  client_field_names(names));
		exit(EXIT_USAGE);
	}
	return field;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'j':
		options->as_json = true;
		return 0;
	case 'n':
		options->top = parse_count("--top", arg, MAX_TOP);
		return 0;
	case 's':
		options->sort = parse_field(arg);
		return 0;
	case 'w':
		options->interval_s = arg ? parse_count("--watch", arg, MAX_INTERVAL_S) : 1;
		return 0;
	case KEY_NAMES:
		options->names_s = arg ? parse_count("--names", arg, MAX_NAMES_S) : 1;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp clients_argp = {
	.options = option_table,
	.parser = parse_option,
	.doc = "Lists the clients seen since the dataplane was loaded. In the table FIRST and LAST are "
	       "seconds ago, in JSON they are Unix time. Clients that limits.clients leaves no entry for are "
	       "the line `others'.",
};

static void warn_of_others(const struct client_list *list, const struct state *state)
{
	log_warning(
		"%llu packets of clients without an entry, and what %llu had that made room, are counted as others: limits.clients (%u for each CPU) is too small",
		(unsigned long long)list->totals.clients_not_counted,
		(unsigned long long)list->totals.clients_evicted, state_geometry(state)->clients);
}

static int list_once(const struct options *options)
{
	const struct client_field *sort = options->sort ?: client_field_find("queries");
	_cleanup_(state_closep) struct state *state = NULL;
	_cleanup_(client_list_clear) struct client_list list = { 0 };
	size_t n = options->top ?: SIZE_MAX;
	int r;

	r = output_open_state(&state);
	if (r)
		return r;
	r = client_list_read(state, NULL, &list);
	if (r < 0)
		return output_finish(r, "the clients");
	client_list_sort(&list, sort);
	if (options->as_json)
		return output_finish(client_list_print_json(&list, n), "the clients");
	r = output_finish(client_list_print(&list, n, stdout), "the clients");
	if (client_list_has_others(&list))
		warn_of_others(&list, state);
	return r;
}

int cmd_clients(int argc, char **argv)
{
	struct options options = { 0 };

	if (argp_parse(&clients_argp, argc, argv, 0, NULL, &options))
		return EXIT_FAILED;
	if (options.names_s && (options.interval_s || options.sort)) {
		log_error("--names goes with --json and --top only");
		return EXIT_USAGE;
	}
	if (options.names_s)
		return clients_names((unsigned int)options.names_s, options.top, options.as_json);
	if (!options.interval_s)
		return list_once(&options);
	return clients_watch(&(struct clients_watch){
		.interval_s = (unsigned int)options.interval_s,
		.sort = options.sort ?: client_field_find("queries/s"),
		.top = options.top,
		.as_json = options.as_json,
	});
}
