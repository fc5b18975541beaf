// SPDX-License-Identifier: GPL-2.0-only
#include "clients_names.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "commands.h"
#include "log.h"
#include "output.h"
#include "sample.h"
#include "sample_reader.h"

#define NS_PER_MS 1000000ull
#define MS_PER_S 1000ull
#define MEASURE_MS 100
#define CONSUME_MS 50
/* For the rest of what was taken; the programs stop by themselves then, whatever became of us. */
#define GRACE_MS 1000
/* Samples a second that are read without haste; a busier edge is looked at more coarsely. */
#define ENOUGH_PER_SECOND 20000

#define MAX_ROWS 65536 /* of different client, name and type */
#define N_PLACES (4 * MAX_ROWS)
#define DEFAULT_CLIENTS 10
#define NAMES_PER_CLIENT 10

/* One client asked one thing. */
struct row {
	struct edge53_addr client;
	char *name;
	uint16_t type;
	uint64_t count;
	uint64_t client_count; /* of all that the client asked */
};

struct names {
	struct row *rows; /* MAX_ROWS */
	uint32_t *places; /* by hash: number of a row, from 1 */
	size_t n;
	struct edge53_client_prefix prefix;
	uint64_t read;				/* queries */
	uint64_t unreadable;			/* packets without a query that can be read */
	uint64_t too_many;			/* queries for which there was no row */
	struct edge53_sample_counters counters; /* of the dataplane, meanwhile */
	unsigned int one_in;
	unsigned int seconds;
	size_t n_clients;
};

static volatile sig_atomic_t is_over;

static void end_early(int signal_number)
{
	(void)signal_number;
	is_over = 1;
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = end_early };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * MS_PER_S * NS_PER_MS + (uint64_t)now.tv_nsec;
}

static void names_clear(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->rows[i].name);
	free(names->rows);
	free(names->places);
}

/* --- counting --------------------------------------------------------------------------------- */

/* FNV-1a. The names are hostile: what they can do is to make us slow for seconds that are counted. */
static uint32_t hash_bytes(uint32_t hash, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ at[i]) * 16777619u;
	return hash;
}

static bool is_row(const struct row *row, const struct edge53_addr *client,
		   const struct sample_question *question)
{
	return row->type == question->type && addr_equal(&row->client, client) &&
	       !strcmp(row->name, question->name);
}

static void count_question(struct names *names, const struct edge53_addr *client,
			   const struct sample_question *question)
{
	uint32_t hash = hash_bytes(2166136261u, client->bytes, sizeof(client->bytes)), at;

	hash = hash_bytes(hash, question->name, strlen(question->name));
	hash = hash_bytes(hash, &question->type, sizeof(question->type));
	for (at = hash % N_PLACES; names->places[at]; at = (at + 1) % N_PLACES) {
		struct row *row = &names->rows[names->places[at] - 1];

		if (is_row(row, client, question)) {
			row->count++;
			return;
		}
	}
	if (names->n < MAX_ROWS) {
		char *name = strdup(question->name);

		if (name) {
			names->rows[names->n++] =
				(struct row){ *client, name, question->type, 1, 0 };
			names->places[at] = (uint32_t)names->n;
			return;
		}
	}
	names->too_many++;
}

static void on_event(const void *event, size_t event_len, void *arg)
{
	struct names *names = arg;
	struct sample_question question;
	const unsigned char *message;
	struct sample sample;
	size_t offset = 0, len;

	if (sample_read(event, event_len, &sample) != SAMPLE_HAS_MESSAGES) {
		names->unreadable++;
		return;
	}
	sample_mask_client(&sample, &names->prefix);
	while (sample_next_message(&sample, &offset, &message, &len)) {
		names->read++;
		if (sample_question_read(message, len, &question) < 0)
			names->unreadable++;
		else
			count_question(names, &sample.client, &question);
	}
}

/* --- sampling --------------------------------------------------------------------------------- */

static int total_queries(struct state *state, uint64_t *ret)
{
	struct edge53_backend_counters counters;
	int r = 0;

	*ret = 0;
	for (unsigned int id = 1; !r && id < EDGE53_MAX_BACKENDS; id++) {
		if (!state_flow_backend(state, id))
			continue;
		r = state_backend_counters(state, id, &counters);
		*ret += counters.traffic.queries;
	}
	return r;
}

/* How coarsely to look at what goes on now. */
static int choose_one_in(struct state *state, unsigned int *ret)
{
	uint64_t before, after, from_ns = now_ns(), took_ns;
	int r = total_queries(state, &before);

	poll(NULL, 0, MEASURE_MS);
	took_ns = now_ns() - from_ns;
	r = r ?: total_queries(state, &after);
	if (r < 0)
		return r;
	*ret = 1 + (unsigned int)((after - before) * MS_PER_S * NS_PER_MS / took_ns /
				  ENOUGH_PER_SECOND);
	return 0;
}

/* Almost nothing: the limit is taken, and nothing comes before the reader is there. */
#define LIMIT_TAKEN 1

static void set_limit(struct edge53_sampling *sampling, __u32 limit)
{
	__atomic_store_n(&sampling->limits[EDGE53_SAMPLE_NAMES], limit, __ATOMIC_SEQ_CST);
}

/* Takes the limit, of which there is one. -EBUSY: somebody else has it. */
static int take_limit(struct edge53_sampling *sampling, unsigned int seconds)
{
	__u32 *limit = &sampling->limits[EDGE53_SAMPLE_NAMES], none = 0;
	uint64_t until_ns = now_ns() + (seconds * MS_PER_S + GRACE_MS) * NS_PER_MS;

	/* Of one that died. */
	if (__atomic_load_n(&sampling->names_until_ns, __ATOMIC_RELAXED) < now_ns())
		__atomic_store_n(limit, 0, __ATOMIC_RELAXED);
	if (__atomic_load_n(limit, __ATOMIC_RELAXED))
		return -EBUSY;
	__atomic_store_n(&sampling->names_until_ns, until_ns, __ATOMIC_SEQ_CST);
	return __atomic_compare_exchange_n(limit, &none, LIMIT_TAKEN, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST)
		       ? 0
		       : -EBUSY;
}

static int listen_to(struct sample_reader *reader, unsigned int seconds)
{
	struct pollfd fd = { .fd = sample_reader_fd(reader), .events = POLLIN };
	uint64_t end_ns = now_ns() + seconds * MS_PER_S * NS_PER_MS;
	int r = 0;

	while (!r && !is_over && now_ns() < end_ns) {
		poll(&fd, 1, CONSUME_MS);
		r = sample_reader_consume(reader);
	}
	return r;
}

static int read_names(struct edge53_sampling *sampling, int events_fd, struct names *names)
{
	struct sample_reader *reader;
	int r = sample_reader_open(events_fd, on_event, names, &reader);

	if (r < 0)
		return r;
	set_limit(sampling, sampling_limit(names->one_in));
	r = listen_to(reader, names->seconds);
	set_limit(sampling, LIMIT_TAKEN);
	poll(NULL, 0, CONSUME_MS); /* for packets that are under way in the programs */
	r = r ?: sample_reader_consume(reader);
	sample_reader_close(reader);
	return r;
}

static int sample_names(struct state *state, struct names *names)
{
	_cleanup_(closep) int events_fd = -1, sampling_fd = -1;
	struct edge53_sample_counters before;
	struct edge53_sampling *sampling;
	int r = state_open_names(&events_fd, &sampling_fd)
			?: state_sample_counters(state, EDGE53_SAMPLE_NAMES, &before);

	if (r < 0)
		return r;
	sampling = sampling_map(sampling_fd);
	if (!sampling)
		return -errno;
	r = take_limit(sampling, names->seconds);
	if (!r) {
		r = read_names(sampling, events_fd, names);
		set_limit(sampling, 0);
	}
	munmap(sampling, sizeof(*sampling));
	r = r ?: state_sample_counters(state, EDGE53_SAMPLE_NAMES, &names->counters);
	names->counters.taken -= before.taken;
	names->counters.no_room -= before.no_room;
	names->counters.no_reader -= before.no_reader;
	return r;
}

/* --- showing ---------------------------------------------------------------------------------- */

static int compare_clients(const void *a, const void *b)
{
	return memcmp(&((const struct row *)a)->client, &((const struct row *)b)->client,
		      sizeof(struct edge53_addr));
}

/* The busiest client first, of each what it asks most. */
static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int c;

	if (x->client_count != y->client_count)
		return x->client_count < y->client_count ? 1 : -1;
	c = compare_clients(a, b);
	if (c)
		return c;
	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return strcmp(x->name, y->name) ?: x->type - y->type;
}

/* Rows from here on that are of the same client. */
static size_t n_of_client(const struct names *names, size_t from)
{
	size_t n = 1;

	while (from + n < names->n && !compare_clients(&names->rows[from], &names->rows[from + n]))
		n++;
	return n;
}

static void sort_names(struct names *names)
{
	names->n_clients = 0;
	qsort(names->rows, names->n, sizeof(*names->rows), compare_clients);
	for (size_t i = 0, n; i < names->n; i += n) {
		uint64_t sum = 0;

		n = n_of_client(names, i);
		for (size_t j = 0; j < n; j++)
			sum += names->rows[i + j].count;
		for (size_t j = 0; j < n; j++)
			names->rows[i + j].client_count = sum;
		names->n_clients++;
	}
	qsort(names->rows, names->n, sizeof(*names->rows), compare_rows);
}

static int add_client(struct libscols_table *table, const struct names *names, size_t from,
		      size_t n)
{
	char client[CLIENT_TEXT_LEN], type[SAMPLE_TYPE_TEXT_LEN];
	int r = 0;

	for (size_t i = 0; !r && i < n && i < NAMES_PER_CLIENT; i++) {
		const struct row *row = &names->rows[from + i];
		struct libscols_line *line = scols_table_new_line(table, NULL);

		if (!i)
			r = output_cell(line, 0, "%s",
					client_format(&row->client, &names->prefix, client))
				    ?: output_cell(line, 1, "%llu",
						   (unsigned long long)row->client_count);
		r = r ?: output_cell(line, 2, "%s", row->name)
		      ?: output_cell(line, 3, "%s", sample_type_text(row->type, type))
		      ?: output_cell(line, 4, "%llu", (unsigned long long)row->count);
	}
	if (!r && n > NAMES_PER_CLIENT)
		r = output_cell(scols_table_new_line(table, NULL), 2, "(%zu more)",
				n - NAMES_PER_CLIENT);
	return r;
}

static void print_sums(const struct names *names)
{
	printf("%llu queries of %zu clients in %u s", (unsigned long long)names->read,
	       names->n_clients, names->seconds);
	if (names->one_in > 1)
		printf(", one in %u of those there were", names->one_in);
	printf("\n");
}

static void warn_of_lost(const struct names *names)
{
	if (names->counters.no_room + names->counters.no_reader)
		log_warning(
			"%llu of %llu queries came too fast to be read",
			(unsigned long long)(names->counters.no_room + names->counters.no_reader),
			(unsigned long long)names->counters.taken);
	if (names->unreadable)
		log_warning(
			"%llu packets have no query that can be read: of TCP, those whose message is not in one segment",
			(unsigned long long)names->unreadable);
	if (names->too_many)
		log_warning(
			"%llu queries are not shown: more than %d different ones of all clients",
			(unsigned long long)names->too_many, MAX_ROWS);
}

static int print_names(const struct names *names, size_t top)
{
	static const struct output_column columns[] = {
		{ "CLIENT", false }, { "QUERIES", true }, { "NAME", false },
		{ "TYPE", false },   { "COUNT", true },
	};
	_cleanup_(output_tablep) struct libscols_table *table =
		output_table(columns, ARRAY_SIZE(columns));
	size_t n_clients = 0;
	int r = table ? 0 : -ENOMEM;

	for (size_t i = 0, n; !r && i < names->n && n_clients < top; i += n, n_clients++) {
		n = n_of_client(names, i);
		r = add_client(table, names, i, n);
	}
	if (!r && names->n)
		r = scols_print_table(table);
	if (!r)
		print_sums(names);
	return r;
}

static json_t *client_json(const struct names *names, size_t from, size_t n)
{
	json_t *o = json_object(), *list = json_array();
	char type[SAMPLE_TYPE_TEXT_LEN];

	for (size_t i = 0; i < n; i++) {
		const struct row *row = &names->rows[from + i];
		json_t *item = json_object();

		output_put(&item, "name", json_string(row->name));
		output_put(&item, "type", json_string(sample_type_text(row->type, type)));
		output_put(&item, "count", json_integer((json_int_t)row->count));
		output_append(&list, item);
	}
	output_put(&o, "client", output_client(&names->rows[from].client, &names->prefix));
	output_put(&o, "queries", json_integer((json_int_t)names->rows[from].client_count));
	output_put(&o, "names", list);
	return o;
}

static int print_names_json(const struct names *names, size_t top)
{
	struct output_list list;
	size_t n_clients = 0;
	json_t *o = json_object();
	int r = 0;

	output_list_begin(&list, "clients");
	for (size_t i = 0, n; !r && i < names->n && n_clients < top; i += n, n_clients++) {
		n = n_of_client(names, i);
		r = output_list_item(&list, client_json(names, i, n));
	}
	output_put(&o, "seconds", json_integer(names->seconds));
	output_put(&o, "one_in", json_integer(names->one_in));
	output_put(&o, "queries", json_integer((json_int_t)names->read));
	output_put(&o, "sampled", json_integer((json_int_t)names->counters.taken));
	output_put(&o, "lost",
		   json_integer((json_int_t)(names->counters.no_room + names->counters.no_reader)));
	output_put(&o, "unreadable", json_integer((json_int_t)names->unreadable));
	output_put(&o, "not_shown", json_integer((json_int_t)names->too_many));
	return output_list_end(&list, o) ?: r;
}

/* --- the command ------------------------------------------------------------------------------ */

static int explain(int error)
{
	if (error == -EBUSY)
		log_error(
			"another `edge53 clients --names` is looking at the queries; there can be one at a time");
	else if (error == -ENOENT)
		log_error(
			"the dataplane is of a version that cannot sample; `systemctl restart edge53` loads this one");
	else if (error == -EPERM || error == -EACCES)
		log_error("queries cannot be read: %s; that needs root, or CAP_BPF and CAP_PERFMON",
			  strerror(-error));
	else
		log_error("queries cannot be read: %s", strerror(-error));
	return EXIT_FAILED;
}

int clients_names(unsigned int seconds, size_t top, bool as_json)
{
	_cleanup_(state_closep) struct state *state = NULL;
	_cleanup_(names_clear) struct names names = { .seconds = seconds };
	int r = output_open_state(&state);

	if (r)
		return r;
	names.rows = calloc(MAX_ROWS, sizeof(*names.rows));
	names.places = calloc(N_PLACES, sizeof(*names.places));
	if (!names.rows || !names.places)
		return explain(-ENOMEM);
	names.prefix = state_geometry(state)->client_prefix;
	catch_signals();
	r = choose_one_in(state, &names.one_in);
	if (!r)
		r = sample_names(state, &names);
	if (r < 0)
		return explain(r);
	sort_names(&names);
	if (as_json)
		return output_finish(print_names_json(&names, top ?: SIZE_MAX), "the names");
	r = output_finish(print_names(&names, top ?: DEFAULT_CLIENTS), "the names");
	warn_of_lost(&names);
	return r;
}
