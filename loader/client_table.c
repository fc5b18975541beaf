// SPDX-License-Identifier: GPL-2.0-only
#include "client_table.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "output.h"

enum field_kind {
	FIELD_ADDRESS,
	FIELD_RATE,
	FIELD_COUNT,
	FIELD_TIME,
};

struct client_field {
	const char *title;
	const char *key; /* in JSON */
	enum field_kind kind;
	size_t offset; /* in struct client_row */
};

static const struct client_field fields[] = {
#define COUNT(title, name)                                                                         \
	{                                                                                          \
		title, #name, FIELD_COUNT, offsetof(struct client_row, client.traffic.name)        \
	}
	{ "CLIENT", "client", FIELD_ADDRESS, offsetof(struct client_row, client.address) },
	{ "QUERIES/S", "queries_per_second", FIELD_RATE,
	  offsetof(struct client_row, queries_per_second) },
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
	{ "FIRST", "first_seen", FIELD_TIME, offsetof(struct client_row, client.first_seen_ns) },
	{ "LAST", "last_seen", FIELD_TIME, offsetof(struct client_row, client.last_seen_ns) },
#undef COUNT
};

/* --- fields ----------------------------------------------------------------------------------- */

const struct client_field *client_field_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (!strcasecmp(fields[i].title, name) || !strcasecmp(fields[i].key, name))
			return &fields[i];
	return NULL;
}

const struct client_field *client_field_beside(const struct client_field *field, int step)
{
	size_t n = ARRAY_SIZE(fields), at = (size_t)(field - fields);

	return &fields[(at + n + (size_t)step) % n];
}

const char *client_field_title(const struct client_field *field)
{
	return field->title;
}

const char *client_field_names(char buf[static CLIENT_FIELD_NAMES_LEN])
{
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		len += (size_t)snprintf(buf + len, CLIENT_FIELD_NAMES_LEN - len, "%s%s",
					i ? ", " : "", fields[i].title);
	for (char *c = buf; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c += 'a' - 'A';
	return buf;
}

static const void *field_of(const struct client_row *row, const struct client_field *field)
{
	return (const char *)row + field->offset;
}

static __u64 number_of(const struct client_row *row, const struct client_field *field)
{
	return *(const __u64 *)field_of(row, field);
}

/* --- lists ------------------------------------------------------------------------------------ */

static double seconds_now(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static int compare_addresses(const struct client_row *a, const struct client_row *b)
{
	return memcmp(&a->client.address, &b->client.address, sizeof(a->client.address));
}

/* Largest first; the address decides between equals, so that two runs give the same order. */
static int compare_rows(const void *a, const void *b, void *arg)
{
	const struct client_field *field = arg;
	const struct client_row *x = a, *y = b;
	int by_address = compare_addresses(x, y);

	if (field->kind == FIELD_ADDRESS)
		return -by_address;
	if (field->kind == FIELD_RATE && x->queries_per_second != y->queries_per_second)
		return x->queries_per_second < y->queries_per_second ? 1 : -1;
	if (field->kind != FIELD_RATE && number_of(x, field) != number_of(y, field))
		return number_of(x, field) < number_of(y, field) ? 1 : -1;
	return by_address;
}

void client_list_sort(struct client_list *list, const struct client_field *field)
{
	if (list->n)
		qsort_r(list->rows, list->n, sizeof(*list->rows), compare_rows, (void *)field);
}

static void swap_rows(struct client_row *a, struct client_row *b)
{
	struct client_row kept = *a;

	*a = *b;
	*b = kept;
}

/* In a heap of n rows, of which each comes after its two children, but for the one at index. */
static void sift_down(struct client_row *rows, size_t n, size_t index, const struct client_field *field)
{
	for (;;) {
		size_t last = index;

		for (size_t child = 2 * index + 1; child <= 2 * index + 2 && child < n; child++)
			if (compare_rows(&rows[child], &rows[last], (void *)field) > 0)
				last = child;
		if (last == index)
			return;
		swap_rows(&rows[index], &rows[last]);
		index = last;
	}
}

/* A heap of the best n so far, with the worst of them in front, which makes room for a better one. */
void client_list_first(struct client_list *list, const struct client_field *field, size_t n)
{
	if (n >= list->n) {
		client_list_sort(list, field);
		return;
	}
	if (!n)
		return;
	for (size_t i = n / 2; i-- > 0;)
		sift_down(list->rows, n, i, field);
	for (size_t i = n; i < list->n; i++) {
		if (compare_rows(&list->rows[i], &list->rows[0], (void *)field) >= 0)
			continue;
		swap_rows(&list->rows[i], &list->rows[0]);
		sift_down(list->rows, n, 0, field);
	}
	qsort_r(list->rows, n, sizeof(*list->rows), compare_rows, (void *)field);
}

/* A client that had no row before, or fewer queries (its entry was another's in between), has had all since. */
static void set_rate(struct client_row *row, const struct client_row *before, double seconds)
{
	__u64 queries = row->client.traffic.queries;

	if (before && before->client.traffic.queries <= queries)
		queries -= before->client.traffic.queries;
	row->queries_per_second = seconds > 0 ? (double)queries / seconds : 0;
}

/* Both have the last address first. */
static void set_rates(struct client_list *list, const struct client_list *before)
{
	double seconds = list->read_at_s - before->read_at_s;
	size_t b = 0;

	for (size_t i = 0; i < list->n; i++) {
		while (b < before->n && compare_addresses(&before->rows[b], &list->rows[i]) > 0)
			b++;
		set_rate(&list->rows[i],
			 b < before->n && !compare_addresses(&before->rows[b], &list->rows[i])
				 ? &before->rows[b]
				 : NULL,
			 seconds);
	}
	list->has_rates = true;
}

static int take_rows(struct client_list *list, const struct edge53_client *clients, size_t n)
{
	list->rows = calloc(n ?: 1, sizeof(*list->rows));
	if (!list->rows)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		list->rows[i].client = clients[i];
	list->n = n;
	return 0;
}

int client_list_read(struct state *state, struct client_list *before, struct client_list *list)
{
	const struct client_field *address = client_field_find("client");
	_cleanup_(freep) struct edge53_client *clients = NULL;
	size_t n = 0;
	int r;

	*list = (struct client_list){
		.prefix = state_geometry(state)->client_prefix,
		.read_at_s = seconds_now(CLOCK_MONOTONIC),
	};
	r = state_clients(state, &clients, &n)
	 ?: state_cpu_totals(state, &list->totals, NULL)
	 ?: take_rows(list, clients, n);
	if (r < 0 || !before)
		return r;
	client_list_sort(before, address);
	client_list_sort(list, address);
	set_rates(list, before);
	return 0;
}

void client_list_clear(struct client_list *list)
{
	free(list->rows);
	*list = (struct client_list){ 0 };
}

double client_list_rate(const struct client_list *list)
{
	double sum = 0;

	for (size_t i = 0; i < list->n; i++)
		sum += list->rows[i].queries_per_second;
	return sum;
}

bool client_list_has_others(const struct client_list *list)
{
	return list->totals.clients_not_counted || list->totals.clients_evicted;
}

/* The row of those who are not counted by name: counts only. */
static struct client_row others_of(const struct client_list *list)
{
	return (struct client_row){ .client.traffic = list->totals.others };
}

static bool is_others(const struct client_row *row)
{
	return !row->client.sequence;
}

/* --- printing --------------------------------------------------------------------------------- */

static bool is_shown(const struct client_list *list, const struct client_field *field)
{
	return field->kind != FIELD_RATE || list->has_rates;
}

static int set_cell(struct libscols_line *line, size_t column, const struct client_list *list,
		    const struct client_row *row, const struct client_field *field)
{
	char text[CLIENT_TEXT_LEN];
	double ago;

	switch (field->kind) {
	case FIELD_ADDRESS:
		return output_cell(line, column, "%s",
				   is_others(row) ? "others"
						  : client_format(&row->client.address,
								  &list->prefix, text));
	case FIELD_RATE:
		return is_others(row) ? output_cell(line, column, "-")
				      : output_cell(line, column, "%.1f", row->queries_per_second);
	case FIELD_TIME:
		if (is_others(row))
			return output_cell(line, column, "-");
		ago = list->read_at_s - (double)number_of(row, field) / 1e9;
		return output_cell(line, column, "%.0fs", ago > 0 ? ago : 0);
	default:
		return output_cell(line, column, "%llu", (unsigned long long)number_of(row, field));
	}
}

static int add_row(struct libscols_table *table, const struct client_list *list,
		   const struct client_row *row)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	size_t column = 0;
	int r = 0;

	for (size_t f = 0; f < ARRAY_SIZE(fields) && !r; f++)
		if (is_shown(list, &fields[f]))
			r = set_cell(line, column++, list, row, &fields[f]);
	return r;
}

static struct libscols_table *new_table(const struct client_list *list)
{
	struct output_column columns[ARRAY_SIZE(fields)];
	size_t n = 0;

	for (size_t f = 0; f < ARRAY_SIZE(fields); f++)
		if (is_shown(list, &fields[f]))
			columns[n++] = (struct output_column){ fields[f].title,
							       fields[f].kind != FIELD_ADDRESS };
	return output_table(columns, n);
}

int client_list_print(const struct client_list *list, size_t n, FILE *out)
{
	_cleanup_(output_tablep) struct libscols_table *table = new_table(list);
	struct client_row others = others_of(list);
	int r = 0;

	if (!table)
		return -ENOMEM;
	scols_table_set_stream(table, out);
	for (size_t i = 0; i < n && i < list->n && !r; i++)
		r = add_row(table, list, &list->rows[i]);
	if (!r && client_list_has_others(list))
		r = add_row(table, list, &others);
	return r ?: scols_print_table(table);
}

static json_t *row_json(const struct client_list *list, const struct client_row *row, double epoch)
{
	json_t *o = json_object();

	for (size_t f = 0; f < ARRAY_SIZE(fields); f++) {
		const struct client_field *field = &fields[f];

		if (!is_shown(list, field) || (is_others(row) && field->kind != FIELD_COUNT))
			continue;
		if (field->kind == FIELD_ADDRESS)
			output_put(&o, field->key,
				   output_client(&row->client.address, &list->prefix));
		else if (field->kind == FIELD_RATE)
			output_put(&o, field->key, json_real(row->queries_per_second));
		else if (field->kind == FIELD_COUNT)
			output_put(&o, field->key, json_integer((json_int_t)number_of(row, field)));
		else
			output_put(&o, field->key,
				   json_real(epoch + (double)number_of(row, field) / 1e9));
	}
	return o;
}

int client_list_print_json(const struct client_list *list, size_t n)
{
	/* What CLOCK_REALTIME showed when CLOCK_MONOTONIC was zero. */
	double epoch = seconds_now(CLOCK_REALTIME) - seconds_now(CLOCK_MONOTONIC);
	struct client_row others = others_of(list);
	struct output_list items;
	json_t *end = json_object();
	int r = 0;

	output_put(&end, "others", row_json(list, &others, epoch));
	output_put(&end, "packets_not_counted",
		   json_integer((json_int_t)list->totals.clients_not_counted));
	output_put(&end, "clients_evicted", json_integer((json_int_t)list->totals.clients_evicted));
	output_list_begin(&items, "clients");
	for (size_t i = 0; i < n && i < list->n && !r; i++)
		r = output_list_item(&items, row_json(list, &list->rows[i], epoch));
	return r ?: output_list_end(&items, end);
}
