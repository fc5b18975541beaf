/* SPDX-License-Identifier: GPL-2.0-only */
/* Clients as `edge53 clients` shows them: read, sorted by a field, printed as a table or as JSON. */
#ifndef EDGE53_CLIENT_TABLE_H
#define EDGE53_CLIENT_TABLE_H

#include <stdio.h>

#include "state.h"

struct client_row {
	struct edge53_client client;
	double queries_per_second; /* since the list before */
};

struct client_list {
	struct client_row *rows; /* owned */
	size_t n;
	struct edge53_cpu_state totals;
	struct edge53_client_prefix prefix; /* what a row stands for */
	double read_at_s;		    /* CLOCK_MONOTONIC */
	bool has_rates;			    /* there was a list before; else no column of them */
};

struct client_field; /* a column */

/* Takes the title in any case, or the key of JSON; NULL: there is none. */
const struct client_field *client_field_find(const char *name);

/* The one to the right (1) or to the left (-1) of it; behind the last comes the first. */
const struct client_field *client_field_beside(const struct client_field *field, int step);

const char *client_field_title(const struct client_field *field);

/* All names that client_field_find() takes, in lower case, with commas. Returns buf. */
#define CLIENT_FIELD_NAMES_LEN 256
const char *client_field_names(char buf[static CLIENT_FIELD_NAMES_LEN]);

/*
 * All clients at this moment, each once. before: a list of the same dataplane from which rates follow, or NULL;
 * its order changes. Returns 0 or negative errno; *list goes with client_list_clear().
 */
int client_list_read(struct state *state, struct client_list *before, struct client_list *list);
void client_list_clear(struct client_list *list);

/* Largest of the field first; of times, the latest. */
void client_list_sort(struct client_list *list, const struct client_field *field);

/* The same for the first n only, in less time; behind them are the others in any order. */
void client_list_first(struct client_list *list, const struct client_field *field, size_t n);

/* Queries per second of all, whoever has a row. */
double client_list_rate(const struct client_list *list);

/* Whether there are clients without a row. */
bool client_list_has_others(const struct client_list *list);

/* The first n rows, and one for the others. Both return 0 or negative errno. */
int client_list_print(const struct client_list *list, size_t n, FILE *out);
int client_list_print_json(const struct client_list *list, size_t n);

#endif
