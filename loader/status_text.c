// SPDX-License-Identifier: GPL-2.0-only
/* `edge53 status` for people. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "edge53_client_prefix.h"
#include "latency_table.h"
#include "output.h"
#include "policies.h"
#include "status.h"

/* An access concentrator has thousands of ppp devices: people see the first ones and a number. */
#define SHORT_LIST 32

#define MIB (1024.0 * 1024.0)

static void print_loader(const struct status *status)
{
	const struct edge53_loader *loader = state_loader(status->state);
	time_t started = loader->started_ns / 1000000000;
	char when[32] = "";
	unsigned int pid;
	struct tm tm;

	if (localtime_r(&started, &tm))
		strftime(when, sizeof(when), "%F %T", &tm);
	if (state_has_loader(status->state, &pid))
		printf("loader    running, pid %u since %s, version %.*s\n", pid, when,
		       (int)sizeof(loader->version), loader->version);
	else
		printf("loader    not running; the dataplane serves on (last: pid %u of %s, version %.*s)\n",
		       pid, when, (int)sizeof(loader->version), loader->version);
	if (!status->same_netns)
		printf("netns     another one than this shell's: devices are shown by number\n");
}

static void print_geometry(const struct edge53_geometry *g)
{
	struct memory memory = memory_of(g);

	printf("geometry  %u CPUs x %u UDP slots, %u TCP connections, %u clients a CPU, ports %u-%u\n",
	       g->n_cpus, g->slots_per_cpu, g->tcp_connections, g->clients, g->port_base,
	       g->port_base + (1u << g->port_bits) - 1);
	printf("clients   counted by %u bits of an IPv4 address, %u of an IPv6 address\n",
	       edge53_client_prefix_bits(&g->client_prefix, true),
	       edge53_client_prefix_bits(&g->client_prefix, false));
	printf("memory    slots %.1f MiB, connections %.1f MiB, clients %.1f MiB\n",
	       memory.slots_bytes / MIB, memory.conns_bytes / MIB, memory.clients_bytes / MIB);
}

static int print_ring(const struct status *status)
{
	struct edge53_cpu_state totals;
	unsigned long long overwritten;
	int r = state_cpu_totals(status->state, &totals, &overwritten);

	if (r < 0)
		return r;
	printf("ring      %llu slots handed out, %llu overwritten unanswered",
	       (unsigned long long)totals.next_slot, (unsigned long long)totals.unanswered);
	if (overwritten)
		printf(" (%.3g %% of those overwritten), the last at an age of %.1f s",
		       100.0 * (double)totals.unanswered / (double)overwritten,
		       totals.overwritten_age_us * 1024 / 1e9);
	printf("\n");
	if (totals.refusals_suppressed)
		printf("refusals  %llu clients not told, for more than 1,000 a second and CPU had to be\n",
		       (unsigned long long)totals.refusals_suppressed);
	if (totals.clients_not_counted || totals.clients_evicted)
		printf("clients   full: %llu packets of clients without an entry, %llu clients made room\n",
		       (unsigned long long)totals.clients_not_counted,
		       (unsigned long long)totals.clients_evicted);
	return 0;
}

static void print_guard(const struct status *status)
{
	const struct guard_counts *guard = &status->guard;

	if (guard->policy == EDGE53_GUARD_PASS)
		return;
	printf("guard     %s; %zu devices looked at, %zu of them with clients and not attached\n",
	       guard_word(guard->policy), guard->n_devices, guard->n_unattached);
}

/* A heading and its table; an empty one says "none". `left_out`: rows there would have been. */
static int print_section(const char *heading, struct libscols_table *table, size_t left_out)
{
	int r;

	printf("\n%s\n", heading);
	if (scols_table_is_empty(table)) {
		puts("none");
		return 0;
	}
	r = scols_print_table(table);
	if (left_out)
		printf("and %zu more (--all shows them)\n", left_out);
	return r;
}

/* An edge only takes what is addressed to it; there is nothing to decide about. */
static const char *enforce_word(const struct edge53_service *service,
				const char *(*word)(__u32 flags))
{
	return service->kind == EDGE53_SERVICE_ENFORCE ? word(service->flags) : "-";
}

/* One word for both protocols, or the one that has it. */
static const char *client_ip_text(const struct edge53_service *service)
{
	const unsigned int both = EDGE53_SERVICE_PROXY_UDP | EDGE53_SERVICE_PROXY_TCP;

	if (service->kind != EDGE53_SERVICE_EDGE)
		return "-";
	switch (service->flags & both) {
	case EDGE53_SERVICE_PROXY_UDP:
		return "udp: proxy-v2";
	case EDGE53_SERVICE_PROXY_TCP:
		return "tcp: proxy-v2";
	default:
		return service->flags & both ? "proxy-v2" : "none";
	}
}

static void print_refusals(const struct status *status)
{
	char refusal[REFUSAL_TEXT_LEN];

	for (unsigned int id = 1; id < EDGE53_MAX_SERVICES; id++) {
		const struct edge53_service *s = state_service(status->state, id);

		if (s && *tcp_refusal_text(status, id, refusal))
			printf("%.*s: TCP is refused: %s\n", EDGE53_NAME_LEN, s->name, refusal);
	}
}

static int print_services(const struct status *status)
{
	static const struct output_column columns[] = {
		{ "SERVICE", false }, { "KIND", false }, { "ON-DOWN", false },
		{ "IPV6", false },    { "DOT", false },	 { "DOH", false },
		{ "CLIENT-IP", false }, { "BACKENDS", false },
	};
	_cleanup_(output_tablep) struct libscols_table *table =
		output_table(columns, ARRAY_SIZE(columns));
	int r = 0;

	if (!table)
		return -ENOMEM;
	for (unsigned int id = 1; id < EDGE53_MAX_SERVICES && !r; id++) {
		const struct edge53_service *s = state_service(status->state, id);
		unsigned int n = 0, n_usable = 0;
		struct libscols_line *row;
		bool is_return;

		if (!s)
			continue;
		is_return = s->kind == EDGE53_SERVICE_RETURN;
		for (unsigned int b = 1; b < EDGE53_MAX_BACKENDS; b++) {
			const struct edge53_backend *backend = state_backend(status->state, b);

			if (!backend || backend->service != id)
				continue;
			n++;
			n_usable += !*why_unusable(status, b);
		}
		row = scols_table_new_line(table, NULL);
		r = output_cell(row, 0, "%.*s", EDGE53_NAME_LEN, s->name)
		    ?: output_cell(row, 1, "%s", kind_text(s))
		    ?: output_cell(row, 2, "%s", is_return ? "-" : on_down_word(s->flags))
		    ?: output_cell(row, 3, "%s", enforce_word(s, ipv6_word))
		    ?: output_cell(row, 4, "%s", enforce_word(s, dot_word))
		    ?: output_cell(row, 5, "%s", enforce_word(s, doh_word))
		    ?: output_cell(row, 6, "%s", client_ip_text(s))
		    ?: (is_return ? output_cell(row, 7, "-") :
				    output_cell(row, 7, "%u of %u usable", n_usable, n));
	}
	r = r ?: print_section("Services", table, 0);
	if (!r)
		print_refusals(status);
	return r;
}

static int service_cell(const struct status *status, struct libscols_line *row, unsigned int id)
{
	const struct edge53_service *service = state_service(status->state, id);

	if (!service)
		return output_cell(row, 0, "%s", id ? "?" : "-");
	return output_cell(row, 0, "%.*s", EDGE53_NAME_LEN, service->name);
}

static int add_limit(struct libscols_table *table, const struct status *status, unsigned int id,
		     const char *what, const char *limit, const struct edge53_addr masks[static 2],
		     const char *over, unsigned int proven_s)
{
	struct edge53_client_prefix prefix = limit_prefix(masks);
	struct libscols_line *row = scols_table_new_line(table, NULL);

	return service_cell(status, row, id)
	       ?: output_cell(row, 1, "%s", what)
	       ?: output_cell(row, 2, "%s", limit)
	       ?: output_cell(row, 3, "/%u, /%u", prefix.ipv4, prefix.ipv6)
	       ?: output_cell(row, 4, "%s", over)
	       ?: (proven_s ? output_cell(row, 5, "%u s", proven_s) : output_cell(row, 5, "off"));
}

static int add_rate_limit(struct libscols_table *table, const struct status *status, unsigned int id)
{
	const struct edge53_rate_limit *limit = state_rate_limit(status->state, id);
	char text[64], over[32] = "drop";

	if (!limit)
		return 0;
	snprintf(text, sizeof(text), "%u a second, %u at once", limit_qps(limit), limit_burst(limit));
	if (limit->slip == 1)
		snprintf(over, sizeof(over), "truncate");
	else if (limit->slip)
		snprintf(over, sizeof(over), "truncate 1 in %u", limit->slip);
	return add_limit(table, status, id, "queries", text, limit->masks, over, limit->proven_s);
}

static int add_response_limit(struct libscols_table *table, const struct status *status,
			      unsigned int id)
{
	const struct edge53_response_limit *limit = state_response_limit(status->state, id);
	char text[64];

	if (!limit)
		return 0;
	snprintf(text, sizeof(text), "%u bytes a second, %u at once", limit->bytes_per_second,
		 limit->burst_bytes);
	return add_limit(table, status, id, "replies", text, limit->masks, "truncate",
			 limit->proven_s);
}

static int add_any(struct libscols_table *table, const struct status *status, unsigned int id)
{
	const struct edge53_service *service = state_service(status->state, id);
	struct libscols_line *row;

	if (!service || !(service->flags & EDGE53_SERVICE_ANY_TRUNCATE))
		return 0;
	row = scols_table_new_line(table, NULL);
	return service_cell(status, row, id)
	       ?: output_cell(row, 1, "queries of type ANY")
	       ?: output_cell(row, 2, "none")
	       ?: output_cell(row, 3, "-")
	       ?: output_cell(row, 4, "truncate")
	       ?: output_cell(row, 5, "-");
}

/* By UDP. Nothing where nobody is limited. */
static int print_limits(const struct status *status)
{
	static const struct output_column columns[] = {
		{ "SERVICE", false }, { "OF", false },	 { "LIMIT", false },
		{ "PREFIX", false },  { "OVER", false }, { "PROVEN", false },
	};
	_cleanup_(output_tablep) struct libscols_table *table =
		output_table(columns, ARRAY_SIZE(columns));
	int r = 0;

	if (!table)
		return -ENOMEM;
	for (unsigned int id = 1; id < EDGE53_MAX_SERVICES && !r; id++)
		r = add_rate_limit(table, status, id)
		    ?: add_response_limit(table, status, id)
		    ?: add_any(table, status, id);
	return r || scols_table_is_empty(table) ? r : print_section("Limits by UDP", table, 0);
}

static size_t rows_to_show(const struct status *status, size_t n)
{
	return status->show_all || n <= SHORT_LIST ? n : SHORT_LIST;
}

static int print_frontends(const struct status *status)
{
	static const struct output_column columns[] = {
		{ "SERVICE", false },
		{ "DEVICE", false },
		{ "ADDRESS", false },
	};
	_cleanup_(output_tablep) struct libscols_table *table =
		output_table(columns, ARRAY_SIZE(columns));
	size_t n = rows_to_show(status, status->n_frontends);
	char device[DEVICE_TEXT_LEN], address[ADDR_TEXT_LEN];
	int r = 0;

	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < n && !r; i++) {
		const struct frontend *f = &status->frontends[i];
		struct libscols_line *row = scols_table_new_line(table, NULL);

		r = service_cell(status, row, f->value.service)
		    ?: output_cell(row, 1, "%s", frontend_device_text(status, f, device))
		    ?: output_cell(row, 2, "%s", addr_is_zero(&f->key.address) ?
					 "any" : addr_format(&f->key.address, address));
	}
	return r ?: print_section("Frontends", table, status->n_frontends - n);
}

static int port_cell(struct libscols_line *row, size_t column, unsigned int port)
{
	return port ? output_cell(row, column, "%u", port) : output_cell(row, column, "-");
}

static bool keeps_some(const struct status *status, const struct edge53_backend *backend)
{
	const struct edge53_service *service = state_service(status->state, backend->service);

	return service && service->flags & EDGE53_SERVICE_KEEP_SOURCE;
}

static int print_backends(const struct status *status)
{
	static const struct output_column columns[] = {
		{ "SERVICE", false }, { "BACKEND", false }, { "UDP", true },   { "TCP", true },
		{ "DEVICE", false },  { "SOURCE", false },  { "PATH", false }, { "STATE", false },
	};
	_cleanup_(output_tablep) struct libscols_table *table =
		output_table(columns, ARRAY_SIZE(columns));
	char device[DEVICE_TEXT_LEN], address[ADDR_TEXT_LEN];
	int r = 0;

	if (!table)
		return -ENOMEM;
	for (unsigned int id = 1; id < EDGE53_MAX_BACKENDS && !r; id++) {
		const struct edge53_backend *b = state_backend(status->state, id);
		struct libscols_line *row;
		const char *why;

		if (!b)
			continue;
		why = why_unusable(status, id);
		row = scols_table_new_line(table, NULL);
		r = service_cell(status, row, b->service)
		    ?: output_cell(row, 1, "%s", addr_format(&b->address, address))
		    ?: port_cell(row, 2, b->udp_port)
		    ?: port_cell(row, 3, b->tcp_port)
		    ?: output_cell(row, 4, "%s", device_text(status, b->ifindex, device))
		    ?: output_cell(row, 5, "%s%s", addr_is_zero(&b->source) ?
					 "client's" : addr_format(&b->source, address),
				   keeps_some(status, b) ? " or client's" : "")
		    ?: output_cell(row, 6, "%s", path_text(b))
		    ?: output_cell(row, 7, "%s%s", *why ? "unusable: " : "usable", why);
	}
	return r ?: print_section("Backends", table, 0);
}

#define AGE_TEXT_LEN 24

/* "12 s", "3 min", "5 h", "20 d" */
static const char *age_text(__u64 since_ns, char buf[static AGE_TEXT_LEN])
{
	struct timespec now;
	long long age;

	clock_gettime(CLOCK_REALTIME, &now);
	age = (long long)now.tv_sec - (long long)(since_ns / 1000000000);
	if (!since_ns || age < 0) /* or the clock was set back */
		return "-";
	snprintf(buf, AGE_TEXT_LEN, age < 120 ? "%lld s" : age < 7200 ? "%lld min" :
				    age < 172800 ? "%lld h" : "%lld d",
		 age < 120 ? age : age < 7200 ? age / 60 : age < 172800 ? age / 3600 : age / 86400);
	return buf;
}

static int health_row(struct libscols_table *table, const struct status *status,
		      const struct edge53_backend *b, const char *protocol,
		      const struct edge53_probe *probe)
{
	char address[ADDR_TEXT_LEN], age[AGE_TEXT_LEN], result[PROBE_TEXT_LEN];
	struct libscols_line *row;

	if (probe->state == EDGE53_PROBE_OFF)
		return 0;
	row = scols_table_new_line(table, NULL);
	return service_cell(status, row, b->service)
	       ?: output_cell(row, 1, "%s", addr_format(&b->address, address))
	       ?: output_cell(row, 2, "%s", protocol)
	       ?: output_cell(row, 3, "%s", probe_state_text(probe))
	       ?: output_cell(row, 4, "%s", age_text(probe->since_ns, age))
	       ?: output_cell(row, 5, "%llu", (unsigned long long)probe->failed)
	       ?: output_cell(row, 6, "%s", probe_result_text(probe, result));
}

static void print_unanswered(const struct status *status)
{
	char address[ADDR_TEXT_LEN];

	for (unsigned int id = 1; id < EDGE53_MAX_BACKENDS; id++) {
		const struct edge53_backend *b = state_backend(status->state, id);
		const struct edge53_health *health = state_health(status->state, id);

		if (b && health->is_unanswered)
			printf("%s answers probes, but not clients: of their last %u queries by UDP %u have no answer\n",
			       addr_format(&b->address, address), health->queries,
			       health->unanswered);
	}
}

static int print_health(const struct status *status)
{
	static const struct output_column columns[] = {
		{ "SERVICE", false }, { "BACKEND", false }, { "PROTOCOL", false },
		{ "STATE", false },   { "SINCE", true },    { "FAILED", true },
		{ "LAST-ANSWER", false },
	};
	_cleanup_(output_tablep) struct libscols_table *table =
		output_table(columns, ARRAY_SIZE(columns));
	int r = 0;

	if (!table)
		return -ENOMEM;
	for (unsigned int id = 1; id < EDGE53_MAX_BACKENDS && !r; id++) {
		const struct edge53_backend *b = state_backend(status->state, id);
		const struct edge53_health *health = state_health(status->state, id);

		if (b)
			r = health_row(table, status, b, "udp", &health->udp)
			    ?: health_row(table, status, b, "tcp", &health->tcp);
	}
	if (r || scols_table_is_empty(table))
		return r;
	r = print_section("Health", table, 0);
	if (!r)
		print_unanswered(status);
	return r;
}

/* A tunnel that is gone has no ports: they are by device. */
static int print_returns(const struct status *status)
{
	static const struct output_column columns[] = {
		{ "SERVICE", false },  { "DEVICE", false }, { "ROLE", false },
		{ "PROTOCOL", false }, { "PORT", true },
	};
	_cleanup_(output_tablep) struct libscols_table *table =
		output_table(columns, ARRAY_SIZE(columns));
	char device[DEVICE_TEXT_LEN];
	int r = 0;

	if (!table)
		return -ENOMEM;
	if (!status->n_return_ports)
		return 0;
	for (size_t i = 0; i < status->n_return_ports && !r; i++) {
		const struct return_port *p = &status->return_ports[i];
		struct libscols_line *row = scols_table_new_line(table, NULL);

		r = service_cell(status, row, p->key.is_uplink ? 0 : p->service)
		    ?: output_cell(row, 1, "%s", device_text(status, p->key.ifindex, device))
		    ?: output_cell(row, 2, "%s", p->key.is_uplink ? "uplink" : "tunnel")
		    ?: output_cell(row, 3, "%s", p->key.l4proto == IPPROTO_UDP ? "udp" : "tcp")
		    ?: output_cell(row, 4, "%u", p->key.port);
	}
	return r ?: print_section("Returns", table, 0);
}

static int print_hooks(const struct status *status)
{
	static const struct output_column columns[] = {
		{ "HOOK", false },
		{ "DEVICE", false },
		{ "PROGRAM", false },
		{ "MODE", false },
	};
	_cleanup_(output_tablep) struct libscols_table *table =
		output_table(columns, ARRAY_SIZE(columns));
	size_t n = rows_to_show(status, status->n_hooks);
	int r = 0;

	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < n && !r; i++) {
		const struct hook *h = &status->hooks[i];
		struct libscols_line *row = scols_table_new_line(table, NULL);

		r = output_cell(row, 0, "%s", h->name)
			    ?: output_cell(row, 1, "%s%s", h->device, h->is_gone ? " (gone)" : "")
			    ?: output_cell(row, 2, "%s", h->program)
			    ?: output_cell(row, 3, "%s", h->mode);
	}
	return r ?: print_section("Hooks", table, status->n_hooks - n);
}

/* The columns of struct edge53_traffic, which is in an order that suits the dataplane. */
static const struct traffic_column {
	const char *title;
	size_t offset;
} traffic_columns[] = {
	{ "QUERIES", offsetof(struct edge53_traffic, queries) },
	{ "REPLIES", offsetof(struct edge53_traffic, replies) },
	{ "BYTES-IN", offsetof(struct edge53_traffic, bytes_in) },
	{ "BYTES-OUT", offsetof(struct edge53_traffic, bytes_out) },
	{ "TCP", offsetof(struct edge53_traffic, tcp_connections) },
	{ "TRUNC", offsetof(struct edge53_traffic, truncated) },
	{ "NOERROR", offsetof(struct edge53_traffic, noerror) },
	{ "NXDOMAIN", offsetof(struct edge53_traffic, nxdomain) },
	{ "SERVFAIL", offsetof(struct edge53_traffic, servfail) },
	{ "REFUSED", offsetof(struct edge53_traffic, refused) },
	{ "OTHER", offsetof(struct edge53_traffic, other_rcode) },
};

_Static_assert(ARRAY_SIZE(traffic_columns) == sizeof(struct edge53_traffic) / sizeof(__u64),
	       "a column for each counter");

static int traffic_cells(struct libscols_line *row, size_t first,
			 const struct edge53_traffic *traffic)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(traffic_columns) && !r; i++) {
		const void *value = (const char *)traffic + traffic_columns[i].offset;

		r = output_cell(row, first + i, "%llu",
				(unsigned long long)*(const __u64 *)value);
	}
	return r;
}

static int traffic_row(struct libscols_table *table, const struct status *status,
		       unsigned int service, const char *backend,
		       const struct edge53_backend_counters *counters)
{
	struct libscols_line *row = scols_table_new_line(table, NULL);
	char median[LATENCY_TEXT_LEN], p99[LATENCY_TEXT_LEN];
	const size_t n = ARRAY_SIZE(traffic_columns);

	return service_cell(status, row, service)
	       ?: output_cell(row, 1, "%s", backend)
	       ?: traffic_cells(row, 2, &counters->traffic)
	       ?: output_cell(row, 2 + n, "%s", latency_text(counters->latency, 50, median))
	       ?: output_cell(row, 3 + n, "%s", latency_text(counters->latency, 99, p99));
}

/* A row for each backend of a service, and one of all when there are several. */
static int service_traffic(struct libscols_table *table, const struct status *status,
			   unsigned int service)
{
	struct edge53_backend_counters counters, sum = { 0 };
	char address[ADDR_TEXT_LEN];
	size_t n = 0;
	int r = 0;

	for (unsigned int id = 1; id < EDGE53_MAX_BACKENDS && !r; id++) {
		const struct edge53_backend *backend = state_backend(status->state, id);

		if (!backend || backend->service != service)
			continue;
		n++;
		r = state_backend_counters(status->state, id, &counters);
		if (r < 0)
			return r;
		add_backend_counters(&sum, &counters);
		r = traffic_row(table, status, service, addr_format(&backend->address, address),
				&counters);
	}
	return r || n < 2 ? r : traffic_row(table, status, service, "all", &sum);
}

static struct libscols_table *traffic_table(void)
{
	struct output_column columns[4 + ARRAY_SIZE(traffic_columns)] = { { "SERVICE", false },
									  { "BACKEND", false } };
	size_t n = 2;

	for (size_t i = 0; i < ARRAY_SIZE(traffic_columns); i++)
		columns[n++] = (struct output_column){ traffic_columns[i].title, true };
	columns[n++] = (struct output_column){ "MEDIAN", true };
	columns[n++] = (struct output_column){ "P99", true };
	return output_table(columns, n);
}

static int print_traffic(const struct status *status)
{
	_cleanup_(output_tablep) struct libscols_table *table = traffic_table();
	int r = 0;

	if (!table)
		return -ENOMEM;
	for (unsigned int id = 1; id < EDGE53_MAX_SERVICES && !r; id++)
		if (state_service(status->state, id))
			r = service_traffic(table, status, id);
	return r ?: print_section("Traffic", table, 0);
}

static int print_reasons(const struct status *status)
{
	static const struct output_column columns[] = {
		{ "SERVICE", false }, { "PACKETS", true },  { "FATE", false },
		{ "REASON", false },  { "MEANING", false },
	};
	_cleanup_(output_tablep) struct libscols_table *table =
		output_table(columns, ARRAY_SIZE(columns));

	if (!table)
		return -ENOMEM;
	for (unsigned int i = 0; i < EDGE53_MAX_SERVICES * EDGE53_REASON_COUNT; i++) {
		unsigned int service = i / EDGE53_REASON_COUNT, reason = i % EDGE53_REASON_COUNT;
		struct libscols_line *row;
		unsigned long long count;
		int r;

		/* Service 0 has what was counted before the service was known. */
		if (reason == EDGE53_GO_ON || (service && !state_service(status->state, service)))
			continue;
		r = state_reason_count(status->state, service, reason, &count);
		if (r < 0)
			return r;
		if (!count && !(status->show_all && service))
			continue;
		row = scols_table_new_line(table, NULL);
		r = service_cell(status, row, service)
		    ?: output_cell(row, 1, "%llu", count)
		    ?: output_cell(row, 2, "%s", fate_text(reason_fate(reason)))
		    ?: output_cell(row, 3, "%s", reason_name(reason))
		    ?: output_cell(row, 4, "%s", reason_sentence(reason));
		if (r)
			return r;
	}
	return print_section("Reasons", table, 0);
}

static const char *dnstap_word(const struct status *status, const struct edge53_dnstap *dnstap)
{
	unsigned int pid;

	if (!dnstap->is_on)
		return "off";
	if (!state_has_loader(status->state, &pid))
		return "without its loader";
	return dnstap->is_connected ? "writing" : "nothing to write to";
}

static int print_dnstap(const struct status *status)
{
	struct edge53_sample_counters sampled;
	struct edge53_dnstap dnstap;
	int r = state_dnstap(status->state, &dnstap)
		?: state_sample_counters(status->state, EDGE53_SAMPLE_DNSTAP, &sampled);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (!dnstap.is_on && !sampled.taken)
		return 0;
	printf("dnstap    %s; %llu packets sampled, %llu messages written, %llu not\n",
	       dnstap_word(status, &dnstap), (unsigned long long)sampled.taken,
	       (unsigned long long)dnstap.written, (unsigned long long)dnstap.not_written);
	printf("          packets lost for want of room %llu, of a reader %llu; without a message %llu, not whole %llu, not DNS %llu\n",
	       (unsigned long long)sampled.no_room, (unsigned long long)sampled.no_reader,
	       (unsigned long long)dnstap.no_message, (unsigned long long)dnstap.not_whole,
	       (unsigned long long)dnstap.not_dns);
	return 0;
}

int status_print_text(const struct status *status)
{
	print_loader(status);
	print_geometry(state_geometry(status->state));
	print_guard(status);
	return print_ring(status)
	       ?: print_dnstap(status)
	       ?: print_services(status)
	       ?: print_limits(status)
	       ?: print_frontends(status)
	       ?: print_backends(status)
	       ?: print_health(status)
	       ?: print_returns(status)
	       ?: print_hooks(status)
	       ?: print_traffic(status)
	       ?: print_reasons(status);
}
