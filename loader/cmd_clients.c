// SPDX-License-Identifier: GPL-2.0-only
/* edge53 clients: who asks, how much, and what they got. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "commands.h"
#include "log.h"
#include "output.h"

enum field_kind {
	FIELD_ADDRESS,
	FIELD_COUNT,
	FIELD_TIME,
};

static const struct field {
	const char *title; /* of the column, and what --sort takes */
	const char *key;   /* in JSON */
	enum field_kind kind;
	size_t offset; /* in struct edge53_client */
} fields[] = {
#define COUNT(title, name)                                                                         \
	{                                                                                          \
		title, #name, FIELD_COUNT, offsetof(struct edge53_client, traffic.name)    \
	}
	{ "CLIENT", "client", FIELD_ADDRESS, offsetof(struct edge53_client, address) },
	COUNT("QUERIES", queries),
	COUNT("REPLIES", replies),
	COUNT("BYTES-IN", bytes_in),
	COUNT("BYTES-OUT", bytes_out),
	COUNT("TCP", tcp_connections),
	COUNT("TRUNC", truncated),
	COUNT("NOERROR", noerror),
	COUNT("NXDOMAIN", nxdomain),
	COUNT("SERVFAIL", servfail),
	COUNT("REFUSED", refused),
	COUNT("OTHER", other_rcode),
	{ "FIRST", "first_seen", FIELD_TIME,
	  offsetof(struct edge53_client, first_seen_ns) },
	{ "LAST", "last_seen", FIELD_TIME, offsetof(struct edge53_client, last_seen_ns) },
#undef COUNT
};

struct options {
	bool as_json;
	const struct field *sort;
	size_t top; /* 0: all */
};

static const struct argp_option option_table[] = {
	{ "json", 'j', NULL, 0, "Print JSON", 0 },
	{ "top", 'n', "N", 0, "Only the first N", 0 },
	{ "sort", 's', "FIELD", 0,
	  "Largest of this column first; of times: the latest first (queries)", 0 },
	{ "watch", 'w', NULL, 0, "Not supported yet", 0 },
	{ 0 },
};

/* Takes the title in any case, or the key of JSON. */
static const struct field *find_field(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (!strcasecmp(fields[i].title, name) || !strcasecmp(fields[i].key, name))
			return &fields[i];
	return NULL;
}

static void say_fields(const char *wrong)
{
	char list[256] = "";

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		size_t len = strlen(list);

		snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "", fields[i].title);
	}
	for (char *c = list; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c += 'a' - 'A';
	log_error("--sort: there is no field `%s'; there are %s", wrong, list);
}

static int parse_count(const char *text, size_t *ret)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || !value)
		return -EINVAL;
	*ret = value;
	return 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'j':
		options->as_json = true;
		return 0;
	case 'n':
		if (parse_count(arg, &options->top) < 0) {
			log_error("--top: `%s' is not a number from 1", arg);
			exit(EXIT_USAGE);
		}
		return 0;
	case 's':
		options->sort = find_field(arg);
		if (!options->sort) {
			say_fields(arg);
			exit(EXIT_USAGE);
		}
		return 0;
	case 'w':
		log_error("--watch is not supported yet");
		exit(EXIT_USAGE);
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

static const void *field_of(const struct edge53_client *client, const struct field *field)
{
	return (const char *)client + field->offset;
}

static __u64 number_of(const struct edge53_client *client, const struct field *field)
{
	return *(const __u64 *)field_of(client, field);
}

/* Largest first; the address decides between equals, so that two runs give the same order. */
static int compare_clients(const void *a, const void *b, void *arg)
{
	const struct field *field = arg;
	int by_address = memcmp(a, b, sizeof(struct edge53_addr));

	_Static_assert(offsetof(struct edge53_client, address) == 0, "compared as bytes");
	if (field->kind == FIELD_ADDRESS)
		return -by_address;
	if (number_of(a, field) != number_of(b, field))
		return number_of(a, field) < number_of(b, field) ? 1 : -1;
	return by_address;
}

static double seconds_now(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static bool has_others(const struct edge53_cpu_state *totals)
{
	return totals->clients_not_counted || totals->clients_evicted;
}

/* The line of those who are not counted by name. */
static bool is_others(const struct edge53_client *client)
{
	return !client->sequence;
}

static int set_cell(struct libscols_line *row, size_t f, const struct edge53_client *client,
		    double now)
{
	char text[ADDR_TEXT_LEN];
	double ago;

	switch (fields[f].kind) {
	case FIELD_ADDRESS:
		if (is_others(client))
			return output_cell(row, f, "others");
		return output_cell(row, f, "%s", addr_format(&client->address, text));
	case FIELD_TIME:
		if (is_others(client))
			return output_cell(row, f, "-");
		ago = now - number_of(client, &fields[f]) / 1e9;
		return output_cell(row, f, "%.0fs", ago > 0 ? ago : 0);
	default:
		return output_cell(row, f, "%llu",
				   (unsigned long long)number_of(client, &fields[f]));
	}
}

static int add_row(struct libscols_table *table, const struct edge53_client *client, double now)
{
	struct libscols_line *row = scols_table_new_line(table, NULL);
	int r = 0;

	for (size_t f = 0; f < ARRAY_SIZE(fields) && !r; f++)
		r = set_cell(row, f, client, now);
	return r;
}

static int print_table(const struct edge53_client *clients, size_t n,
		       const struct edge53_cpu_state *totals)
{
	struct edge53_client others = { .traffic = totals->others };
	_cleanup_(output_tablep) struct libscols_table *table = NULL;
	struct output_column columns[ARRAY_SIZE(fields)];
	double now = seconds_now(CLOCK_MONOTONIC);
	int r = 0;

	for (size_t f = 0; f < ARRAY_SIZE(fields); f++)
		columns[f] =
			(struct output_column){ fields[f].title, fields[f].kind != FIELD_ADDRESS };
	table = output_table(columns, ARRAY_SIZE(columns));
	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < n && !r; i++)
		r = add_row(table, &clients[i], now);
	if (!r && has_others(totals))
		r = add_row(table, &others, now);
	return r ?: scols_print_table(table);
}

static json_t *client_json(const struct edge53_client *client, double epoch)
{
	json_t *o = json_object();

	for (size_t f = 0; f < ARRAY_SIZE(fields); f++) {
		const struct field *field = &fields[f];

		if (field->kind == FIELD_ADDRESS)
			output_put(&o, field->key, output_address(&client->address));
		else if (field->kind == FIELD_COUNT)
			output_put(&o, field->key, json_integer(number_of(client, field)));
		else
			output_put(&o, field->key,
				   json_real(epoch + number_of(client, field) / 1e9));
	}
	return o;
}

/* Those who are not counted by name have counts only. */
static json_t *others_json(const struct edge53_cpu_state *totals)
{
	struct edge53_client others = { .traffic = totals->others };
	json_t *o = json_object();

	for (size_t f = 0; f < ARRAY_SIZE(fields); f++)
		if (fields[f].kind == FIELD_COUNT)
			output_put(&o, fields[f].key, json_integer(number_of(&others, &fields[f])));
	return o;
}

static int print_json(const struct edge53_client *clients, size_t n,
		      const struct edge53_cpu_state *totals)
{
	/* What CLOCK_REALTIME showed when CLOCK_MONOTONIC was zero. */
	double epoch = seconds_now(CLOCK_REALTIME) - seconds_now(CLOCK_MONOTONIC);
	struct output_list list;
	json_t *end = json_object();
	int r = 0;

	output_put(&end, "others", others_json(totals));
	output_put(&end, "packets_not_counted", json_integer(totals->clients_not_counted));
	output_put(&end, "clients_evicted", json_integer(totals->clients_evicted));
	output_list_begin(&list, "clients");
	for (size_t i = 0; i < n && !r; i++)
		r = output_list_item(&list, client_json(&clients[i], epoch));
	return r ?: output_list_end(&list, end);
}

int cmd_clients(int argc, char **argv)
{
	struct options options = { .sort = find_field("queries") };
	_cleanup_(state_closep) struct state *state = NULL;
	_cleanup_(freep) struct edge53_client *clients = NULL;
	struct edge53_cpu_state totals;
	size_t n = 0;
	int r;

	if (argp_parse(&clients_argp, argc, argv, 0, NULL, &options))
		return EXIT_FAILED;
	r = output_open_state(&state);
	if (r)
		return r;
	r = state_clients(state, &clients, &n) ?: state_cpu_totals(state, &totals);
	if (r < 0)
		return output_finish(r, "the clients");
	if (n)
		qsort_r(clients, n, sizeof(*clients), compare_clients, (void *)options.sort);
	if (options.top && options.top < n)
		n = options.top;
	if (options.as_json)
		return output_finish(print_json(clients, n, &totals), "the clients");
	r = output_finish(print_table(clients, n, &totals), "the clients");
	if (has_others(&totals))
		log_warning("%llu packets of clients without an entry, and what %llu had that made room, are counted as others: limits.clients (%u for each CPU) is too small",
			    (unsigned long long)totals.clients_not_counted,
			    (unsigned long long)totals.clients_evicted,
			    state_geometry(state)->clients);
	return r;
}
