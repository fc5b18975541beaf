/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the listing verbs have in common: opening the state, tables for people, JSON for machines.
 *
 * Long lists are never held as one JSON tree: 65,536 clients would be 160 MB of it. They are
 * written item by item between output_list_begin() and output_list_end().
 */
#ifndef EDGE53_OUTPUT_H
#define EDGE53_OUTPUT_H

#include <jansson.h>
#include <libsmartcols/libsmartcols.h>

#include "state.h"

/* Opens the state, or says why not. Returns an exit code; *ret is set with EXIT_FINE only. */
int output_open_state(struct state **ret);

struct output_column {
	const char *title;
	bool is_right; /* numbers */
};

/* A table without rows; NULL: no memory. Goes with scols_unref_table(). */
struct libscols_table *output_table(const struct output_column *columns, size_t n_columns);

static inline void output_tablep(struct libscols_table **table)
{
	scols_unref_table(*table);
}

/*
 * Sets one cell of a row; a row that is NULL (no memory) gives -ENOMEM. Returns 0 or negative
 * errno.
 */
int output_cell(struct libscols_line *row, size_t column, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * {"NAME": [ item, item ... ] and, at the end, the fields of `rest` beside it (taken over; or
 * NULL).
 */
struct output_list {
	size_t n_items;
};
void output_list_begin(struct output_list *list, const char *name);
int output_list_item(struct output_list *list, json_t *item); /* takes item over; NULL: -ENOMEM */
int output_list_end(struct output_list *list, json_t *rest);

/*
 * Prints a whole document, indented, and takes it over; NULL: -ENOMEM. Returns 0 or negative errno.
 */
int output_json(json_t *document);

/*
 * Building a document, one key a line. Both take the value over; when it or the memory is missing,
 * the object or list becomes NULL, and so does in the end what it was to be part of: nothing is
 * printed in part.
 */
void output_put(json_t **object, const char *key, json_t *value);
void output_append(json_t **list, json_t *item);

/*
 * A string of at most len bytes, cut at NUL; what is not UTF-8 (a device name may be anything) is
 * '?'.
 */
json_t *output_text(const char *text, size_t len);
json_t *output_address(const struct edge53_addr *addr);
json_t *output_client(const struct edge53_addr *client, const struct edge53_client_prefix *prefix);

json_t *output_traffic(const struct edge53_traffic *traffic);

/*
 * The end of a listing: flushes stdout and turns r (0 or negative errno) and what happened to
 * stdout into an exit code. A reader that has gone away (`| head`) is no failure.
 */
int output_finish(int r, const char *what);

#endif
