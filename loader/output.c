// SPDX-License-Identifier: GPL-2.0-only
/* Tables for people, JSON for machines, and how a listing begins and ends. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "log.h"
#include "output.h"
#include "pins.h"

int output_open_state(struct state **ret)
{
	int r = state_open(ret);

	switch (-r) {
	case 0:
		return EXIT_FINE;
	case ENOENT:
		log_error("not loaded: nothing is pinned in %s; `edge53 run` loads it",
			  pins_root());
		return EXIT_NOT_LOADED;
	case EPROTO: /* said where it was found */
		return EXIT_FAILED;
	case EACCES:
	case EPERM:
		log_error("not allowed to read the maps in %s: this needs root, or CAP_BPF",
			  pins_root());
		return EXIT_FAILED;
	default:
		log_error("cannot read the maps in %s: %s", pins_root(), strerror(-r));
		return EXIT_FAILED;
	}
}

struct libscols_table *output_table(const struct output_column *columns, size_t n_columns)
{
	_cleanup_(output_tablep) struct libscols_table *table = scols_new_table();

	if (!table)
		return NULL;
	for (size_t i = 0; i < n_columns; i++) {
		int flags = columns[i].is_right ? SCOLS_FL_RIGHT : 0;

		if (!scols_table_new_column(table, columns[i].title, 0, flags))
			return NULL;
	}
	return take_ptr(table);
}

int output_cell(struct libscols_line *row, size_t column, const char *fmt, ...)
{
	va_list args;
	char *text;
	int r;

	if (!row)
		return -ENOMEM;
	va_start(args, fmt);
	r = vasprintf(&text, fmt, args);
	va_end(args);
	if (r < 0)
		return -ENOMEM;
	r = scols_line_refer_data(row, column, text); /* the row owns it now */
	if (r < 0)
		free(text);
	return r;
}

void output_list_begin(struct output_list *list, const char *name)
{
	list->n_items = 0;
	printf("{\"%s\": [", name);
}

int output_list_item(struct output_list *list, json_t *item)
{
	_cleanup_(json_decrefp) json_t *owned = item;

	if (!item)
		return -ENOMEM;
	fputs(list->n_items++ ? ",\n" : "\n", stdout);
	if (json_dumpf(item, stdout, JSON_REAL_PRECISION(16)) < 0)
		return -EIO;
	return 0;
}

int output_list_end(struct output_list *list, json_t *rest)
{
	_cleanup_(json_decrefp) json_t *owned = rest;
	const char *key;
	json_t *value;

	fputs(list->n_items ? "\n]" : "]", stdout);
	json_object_foreach (rest, key, value) {
		printf(",\n\"%s\": ", key);
		if (json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_REAL_PRECISION(16)) < 0)
			return -EIO;
	}
	fputs("}\n", stdout);
	return 0;
}

int output_json(json_t *document)
{
	_cleanup_(json_decrefp) json_t *owned = document;

	if (!document)
		return -ENOMEM;
	if (json_dumpf(document, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(16)) < 0)
		return -EIO;
	putchar('\n');
	return 0;
}

json_t *output_text(const char *text, size_t len)
{
	_cleanup_(freep) char *copy = strndup(text, len);
	json_t *json;

	if (!copy)
		return NULL;
	json = json_string(copy);
	if (json)
		return json;
	for (char *c = copy; *c; c++)
		if (*c & 0x80)
			*c = '?';
	return json_string(copy);
}

json_t *output_address(const struct edge53_addr *addr)
{
	char text[ADDR_TEXT_LEN];

	return json_string(addr_format(addr, text));
}

json_t *output_client(const struct edge53_addr *client, const struct edge53_client_prefix *prefix)
{
	char text[CLIENT_TEXT_LEN];

	return json_string(client_format(client, prefix, text));
}

void output_put(json_t **object, const char *key, json_t *value)
{
	if (json_object_set_new(*object, key, value) == 0)
		return;
	json_decref(*object);
	*object = NULL;
}

void output_append(json_t **list, json_t *item)
{
	if (json_array_append_new(*list, item) == 0)
		return;
	json_decref(*list);
	*list = NULL;
}

json_t *output_traffic(const struct edge53_traffic *t)
{
	json_t *o = json_object();

	output_put(&o, "queries", json_integer(t->queries));
	output_put(&o, "replies", json_integer(t->replies));
	output_put(&o, "bytes_in", json_integer(t->bytes_in));
	output_put(&o, "bytes_out", json_integer(t->bytes_out));
	output_put(&o, "tcp_connections", json_integer(t->tcp_connections));
	output_put(&o, "truncated", json_integer(t->truncated));
	output_put(&o, "noerror", json_integer(t->noerror));
	output_put(&o, "nxdomain", json_integer(t->nxdomain));
	output_put(&o, "servfail", json_integer(t->servfail));
	output_put(&o, "refused", json_integer(t->refused));
	output_put(&o, "other_rcode", json_integer(t->other_rcode));
	return o;
}

/* errno of the first failed write is lost by now, so the pipe itself is asked. */
static bool is_reader_gone(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	return poll(&out, 1, 0) == 1 && out.revents & (POLLERR | POLLHUP);
}

int output_finish(int r, const char *what)
{
	bool had_failed = ferror(stdout);

	/* A failed write is also why the listing ended early, so it is looked at first. */
	if (fflush(stdout) || had_failed) {
		if (is_reader_gone())
			return EXIT_FINE;
		log_error("cannot write to stdout%s%s", had_failed ? "" : ": ",
			  had_failed ? "" : strerror(errno));
		return EXIT_FAILED;
	}
	if (r < 0) {
		log_error("cannot read %s: %s", what, strerror(-r));
		return EXIT_FAILED;
	}
	return EXIT_FINE;
}
