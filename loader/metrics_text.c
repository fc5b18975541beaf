// SPDX-License-Identifier: GPL-2.0-only
#include "metrics_text.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client_table.h"
#include "exposition.h"
#include "latency_table.h"
#include "policies.h"

/* Of devices that are not clients' there are a few; who has more sees the sums. */
#define MAX_DEVICES_BY_NAME 64

#define NS_PER_S 1e9

/* --- services --------------------------------------------------------------------------------- */

/* All that is in edge53_reasons.h, so that nobody has to look for it. */
#define REASON_HELP(name, fate, sentence) " " #name ": " sentence "."
static const char packets_help[] =
	"Packets by the reason for which edge53 was done with them, and their fate: pass, drop or send. Without a "
	"service: of packets of none. The reasons:" EDGE53_REASONS(REASON_HELP);

static void put_packets(const struct status *status, FILE *out)
{
	static const char name[] = "edge53_packets_total";

	metric_family(out, name, "counter", packets_help);
	for (unsigned int id = 0; id < EDGE53_MAX_SERVICES; id++) {
		const struct edge53_service *service = state_service(status->state, id);

		for (unsigned int reason = EDGE53_GO_ON + 1;
		     (!id || service) && reason < EDGE53_REASON_COUNT; reason++) {
			unsigned long long count;

			if (state_reason_count(status->state, id, reason, &count) < 0)
				continue;
			metric_count(out, name, "",
				     LABELS({ "service", service ? service->name : "" },
					    { "kind", service ? kind_text(service) : "" },
					    { "reason", reason_name(reason) },
					    { "fate", fate_text(reason_fate(reason)) }),
				     count);
		}
	}
}

static void put_service_info(const struct status *status, FILE *out)
{
	static const char name[] = "edge53_service_info";

	metric_family(out, name, "gauge",
		      "1; a service, and what it does when it has no usable backend.");
	for (unsigned int id = 1; id < EDGE53_MAX_SERVICES; id++) {
		const struct edge53_service *service = state_service(status->state, id);

		if (service)
			metric_count(out, name, "",
				     LABELS({ "service", service->name },
					    { "kind", kind_text(service) },
					    { "on_down", on_down_word(service->flags) }),
				     1);
	}
}

static int compare_ifindexes(const void *a, const void *b)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return x < y ? -1 : x > y;
}

static bool has_ifindex(const unsigned int *sorted, size_t n, unsigned int ifindex)
{
	return n && bsearch(&ifindex, sorted, n, sizeof(*sorted), compare_ifindexes);
}

/* Devices with a hook at least, sorted. */
static size_t attached_devices(const struct status *status, unsigned int *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < status->n_hooks; i++)
		if (!status->hooks[i].is_gone)
			ret[n++] = status->hooks[i].ifindex;
	if (n)
		qsort(ret, n, sizeof(*ret), compare_ifindexes);
	return n;
}

struct service_counts {
	size_t devices;
	size_t attached;
	size_t frontends;
};

/* Frontends are sorted by service and device. */
static void count_frontends(const struct status *status, const unsigned int *attached,
			    size_t n_attached,
			    struct service_counts counts[static EDGE53_MAX_SERVICES])
{
	for (size_t i = 0; i < status->n_frontends; i++) {
		const struct frontend *f = &status->frontends[i];
		struct service_counts *c = &counts[f->value.service % EDGE53_MAX_SERVICES];

		c->frontends++;
		if (i && f[-1].value.service == f->value.service &&
		    f[-1].key.ifindex == f->key.ifindex)
			continue;
		c->devices++;
		c->attached += has_ifindex(attached, n_attached, f->key.ifindex);
	}
}

static void put_service_gauge(const struct status *status, FILE *out, const char *name,
			      const char *help, const struct service_counts *counts, size_t offset)
{
	metric_family(out, name, "gauge", help);
	for (unsigned int id = 1; id < EDGE53_MAX_SERVICES; id++) {
		const struct edge53_service *service = state_service(status->state, id);

		if (service && service->kind != EDGE53_SERVICE_RETURN)
			metric_count(out, name, "", LABELS({ "service", service->name }),
				     *(const size_t *)((const char *)&counts[id] + offset));
	}
}

static void put_services(const struct status *status, const unsigned int *attached,
			 size_t n_attached, FILE *out)
{
	struct service_counts counts[EDGE53_MAX_SERVICES] = { 0 };

	put_service_info(status, out);
	count_frontends(status, attached, n_attached, counts);
	put_service_gauge(status, out, "edge53_service_frontends",
			  "Addresses on devices where clients are served.", counts,
			  offsetof(struct service_counts, frontends));
	put_service_gauge(status, out, "edge53_service_devices",
			  "Devices where clients are to be served.", counts,
			  offsetof(struct service_counts, devices));
	put_service_gauge(status, out, "edge53_service_attached_devices",
			  "Of these devices, those with a program at work.", counts,
			  offsetof(struct service_counts, attached));
	put_packets(status, out);
}

/* --- backends --------------------------------------------------------------------------------- */

/* A backend, or some that the configuration has several times; no two of these have the same labels. */
struct backend_row {
	unsigned int id;
	const char *service;
	char address[ADDR_TEXT_LEN];
	char udp_port[8];
	char tcp_port[8];
	struct edge53_backend_counters counters;
};

struct backend_rows {
	struct backend_row rows[EDGE53_MAX_BACKENDS];
	size_t n;
};

#define BACKEND_LABELS(row)                                                                        \
	{ "service", (row)->service }, { "backend", (row)->address },                              \
		{ "udp_port", (row)->udp_port },                                                   \
	{                                                                                          \
		"tcp_port", (row)->tcp_port                                                        \
	}

static struct backend_row *find_row(struct backend_rows *rows, const struct status *status,
				    const struct edge53_backend *backend)
{
	for (size_t i = 0; i < rows->n; i++) {
		const struct edge53_backend *other = state_backend(status->state, rows->rows[i].id);

		if (other->service == backend->service &&
		    addr_equal(&other->address, &backend->address) &&
		    other->udp_port == backend->udp_port && other->tcp_port == backend->tcp_port)
			return &rows->rows[i];
	}
	return NULL;
}

static void port_text(unsigned int port, char buf[static 8])
{
	buf[0] = '\0';
	if (port)
		snprintf(buf, 8, "%u", port);
}

static struct backend_row *add_backend_row(struct backend_rows *rows,
					   const struct edge53_backend *backend,
					   const struct edge53_service *service, unsigned int id)
{
	struct backend_row *row = &rows->rows[rows->n++];

	row->id = id;
	row->service = service->name;
	addr_format(&backend->address, row->address);
	port_text(backend->udp_port, row->udp_port);
	port_text(backend->tcp_port, row->tcp_port);
	return row;
}

static int read_backends(const struct status *status, struct backend_rows *rows)
{
	for (unsigned int id = 1; id < EDGE53_MAX_BACKENDS; id++) {
		const struct edge53_backend *backend = state_backend(status->state, id);
		const struct edge53_service *service =
			backend ? state_service(status->state, backend->service) : NULL;
		struct edge53_backend_counters counters;
		struct backend_row *row;
		int r;

		if (!service)
			continue;
		r = state_backend_counters(status->state, id, &counters);
		if (r < 0)
			return r;
		row = find_row(rows, status, backend)
			      ?: add_backend_row(rows, backend, service, id);
		add_backend_counters(&row->counters, &counters);
	}
	return 0;
}

static const struct {
	const char *name;
	const char *help;
	size_t offset;
} traffic_counters[] = {
#define COUNTER(name, field, help)                                                                 \
	{                                                                                          \
		name, help, offsetof(struct edge53_traffic, field)                                 \
	}
	COUNTER("edge53_backend_queries_total", queries,
		"Queries by UDP that were sent to a backend."),
	COUNTER("edge53_backend_replies_total", replies,
		"Replies of a backend by UDP that were sent to clients."),
	COUNTER("edge53_backend_truncated_replies_total", truncated,
		"Replies with TC=1: come again by TCP."),
	COUNTER("edge53_backend_tcp_connections_total", tcp_connections,
		"TCP connections opened to a backend."),
	COUNTER("edge53_backend_query_bytes_total", bytes_in,
		"Bytes of IP packets to a backend, of queries and of TCP segments."),
	COUNTER("edge53_backend_reply_bytes_total", bytes_out,
		"Bytes of IP packets of a backend to clients, of replies and of TCP segments."),
#undef COUNTER
};

static const struct {
	const char *rcode;
	size_t offset;
} rcodes[] = {
	{ "noerror", offsetof(struct edge53_traffic, noerror) },
	{ "nxdomain", offsetof(struct edge53_traffic, nxdomain) },
	{ "servfail", offsetof(struct edge53_traffic, servfail) },
	{ "refused", offsetof(struct edge53_traffic, refused) },
	{ "other", offsetof(struct edge53_traffic, other_rcode) },
};

static __u64 counter_at(const struct edge53_traffic *traffic, size_t offset)
{
	return *(const __u64 *)((const char *)traffic + offset);
}

static void put_traffic(const struct backend_rows *rows, FILE *out)
{
	static const char name[] = "edge53_backend_responses_total";

	for (size_t c = 0; c < ARRAY_SIZE(traffic_counters); c++) {
		metric_family(out, traffic_counters[c].name, "counter", traffic_counters[c].help);
		for (const struct backend_row *row = rows->rows; row < rows->rows + rows->n; row++)
			metric_count(out, traffic_counters[c].name, "", LABELS(BACKEND_LABELS(row)),
				     counter_at(&row->counters.traffic,
						traffic_counters[c].offset));
	}
	metric_family(out, name, "counter", "Replies of a backend by UDP, by DNS response code.");
	for (const struct backend_row *row = rows->rows; row < rows->rows + rows->n; row++)
		for (size_t c = 0; c < ARRAY_SIZE(rcodes); c++)
			metric_count(out, name, "",
				     LABELS(BACKEND_LABELS(row), { "rcode", rcodes[c].rcode }),
				     counter_at(&row->counters.traffic, rcodes[c].offset));
}

/* No _sum: the kernel counts what is in a bucket, and adds nothing up. Its microseconds have 1,024 ns. */
static void put_latency_row(const struct backend_row *row, const char *name, FILE *out)
{
	__u64 sum = 0;

	for (unsigned int i = 0; i < EDGE53_LATENCY_BUCKETS; i++) {
		__u64 end_ns = latency_end_ns(i);
		char le[24] = "+Inf";

		if (end_ns)
			snprintf(le, sizeof(le), "%.10g", (double)end_ns / NS_PER_S);
		sum += row->counters.latency[i];
		metric_count(out, name, "_bucket", LABELS(BACKEND_LABELS(row), { "le", le }), sum);
	}
	metric_count(out, name, "_count", LABELS(BACKEND_LABELS(row)), sum);
}

static void put_latency(const struct backend_rows *rows, FILE *out)
{
	static const char name[] = "edge53_backend_latency_seconds";

	metric_family(
		out, name, "histogram",
		"Time from a query by UDP to its reply, as seen in the kernel, of queries that were timed.");
	for (size_t i = 0; i < rows->n; i++)
		put_latency_row(&rows->rows[i], name, out);
}

/* --- health ----------------------------------------------------------------------------------- */

typedef void (*probe_fn)(FILE *out, const struct backend_row *row, const char *l4proto,
			 const struct edge53_probe *probe, bool is_usable);

/* Without `health`, and for a port that a backend does not have, there is nothing to tell. */
static void put_up(FILE *out, const struct backend_row *row, const char *l4proto,
		   const struct edge53_probe *probe, bool is_usable)
{
	(void)is_usable;
	if (probe->state == EDGE53_PROBE_UP || probe->state == EDGE53_PROBE_DOWN)
		metric_count(out, "edge53_backend_up", "",
			     LABELS(BACKEND_LABELS(row), { "l4proto", l4proto }),
			     probe->state == EDGE53_PROBE_UP);
}

static void put_usable(FILE *out, const struct backend_row *row, const char *l4proto,
		       const struct edge53_probe *probe, bool is_usable)
{
	(void)probe;
	metric_count(out, "edge53_backend_usable", "",
		     LABELS(BACKEND_LABELS(row), { "l4proto", l4proto }), is_usable);
}

static void put_probe_failures(FILE *out, const struct backend_row *row, const char *l4proto,
			       const struct edge53_probe *probe, bool is_usable)
{
	(void)is_usable;
	if (probe->state != EDGE53_PROBE_OFF)
		metric_count(out, "edge53_backend_probe_failures_total", "",
			     LABELS(BACKEND_LABELS(row), { "l4proto", l4proto }), probe->failed);
}

static const struct {
	const char *name;
	const char *type;
	const char *help;
	probe_fn put;
} probe_families[] = {
	{ "edge53_backend_up", "gauge",
	  "1: a backend is alive, 0: it is dead, by what it was asked. None: it is not asked, or was not yet.",
	  put_up },
	{ "edge53_backend_usable", "gauge", "1: new queries may go to a backend, 0: none does.",
	  put_usable },
	{ "edge53_backend_probe_failures_total", "counter",
	  "Questions of `health` without a good answer.", put_probe_failures },
};

static void put_probes(const struct status *status, const struct backend_rows *rows, FILE *out)
{
	for (size_t f = 0; f < ARRAY_SIZE(probe_families); f++) {
		metric_family(out, probe_families[f].name, probe_families[f].type,
			      probe_families[f].help);
		for (const struct backend_row *row = rows->rows; row < rows->rows + rows->n;
		     row++) {
			const struct edge53_health *health = state_health(status->state, row->id);

			if (row->udp_port[0])
				probe_families[f].put(out, row, "udp", &health->udp,
						      is_usable_udp(status, row->id));
			if (row->tcp_port[0])
				probe_families[f].put(out, row, "tcp", &health->tcp,
						      is_usable_tcp(status, row->id));
		}
	}
}

static const struct {
	const char *name;
	const char *help;
} window_families[] = {
	{ "edge53_backend_window_queries",
	  "Queries of clients to a backend by UDP, in the last whole window of `health`." },
	{ "edge53_backend_window_unanswered_queries", "Of these, those without a reply." },
	{ "edge53_backend_clients_unanswered",
	  "1: a backend answers `health`, but not most queries of clients; 0: all is well, or there is no telling." },
};

static void put_windows(const struct status *status, const struct backend_rows *rows, FILE *out)
{
	for (size_t f = 0; f < ARRAY_SIZE(window_families); f++) {
		metric_family(out, window_families[f].name, "gauge", window_families[f].help);
		for (const struct backend_row *row = rows->rows; row < rows->rows + rows->n;
		     row++) {
			const struct edge53_health *health = state_health(status->state, row->id);

			metric_count(out, window_families[f].name, "", LABELS(BACKEND_LABELS(row)),
				     f == 0   ? health->queries
				     : f == 1 ? health->unanswered
					      : health->is_unanswered);
		}
	}
}

static int put_backends(const struct status *status, FILE *out)
{
	_cleanup_(freep) struct backend_rows *rows = calloc(1, sizeof(*rows));
	int r = rows ? read_backends(status, rows) : -ENOMEM;

	if (r < 0)
		return r;
	put_traffic(rows, out);
	put_latency(rows, out);
	put_probes(status, rows, out);
	put_windows(status, rows, out);
	return 0;
}

/* --- hooks ------------------------------------------------------------------------------------ */

/* "tcx_ingress" is the hook "ingress" in mode "tcx"; XDP has modes of its own. */
static void name_hook(const struct hook *h, char hook[static 32], char mode[static 32])
{
	bool is_old = !strncmp(h->name, "old_", 4);
	const char *name = h->name + (is_old ? 4 : 0), *rest = strchr(name, '_');

	if (!strcmp(name, "xdp") || !rest) {
		snprintf(hook, 32, "%.20s", name);
		snprintf(mode, 32, "%.20s", h->mode);
		return;
	}
	snprintf(hook, 32, "%s%.20s", is_old ? "old_" : "", rest + 1);
	snprintf(mode, 32, "%.*s", (int)(rest - name), name);
}

struct hook_sum {
	char hook[32];
	char mode[32];
	unsigned int n;
};

/* Every name with every mode; more there is not. */
#define MAX_HOOK_SUMS 32

static void put_hook_sums(const struct status *status, FILE *out)
{
	static const char name[] = "edge53_attached_hooks";
	struct hook_sum sums[MAX_HOOK_SUMS] = { 0 };
	char hook[32], mode[32];
	size_t n = 0, at;

	for (size_t i = 0; i < status->n_hooks; i++) {
		if (status->hooks[i].is_gone)
			continue;
		name_hook(&status->hooks[i], hook, mode);
		for (at = 0; at < n; at++)
			if (!strcmp(sums[at].hook, hook) && !strcmp(sums[at].mode, mode))
				break;
		if (at == MAX_HOOK_SUMS)
			continue;
		n += at == n;
		strcpy(sums[at].hook, hook);
		strcpy(sums[at].mode, mode);
		sums[at].n++;
	}
	metric_family(out, name, "gauge",
		      "Programs at work, by hook and how they are attached, of all devices.");
	for (at = 0; at < n; at++)
		metric_count(out, name, "",
			     LABELS({ "hook", sums[at].hook }, { "mode", sums[at].mode }),
			     sums[at].n);
}

/* Devices of clients, which may be thousands. */
static size_t client_devices(const struct status *status, unsigned int *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < status->n_frontends; i++) {
		const struct edge53_service *service =
			state_service(status->state, status->frontends[i].value.service);

		if (service && service->kind == EDGE53_SERVICE_ENFORCE)
			ret[n++] = status->frontends[i].key.ifindex;
	}
	if (n)
		qsort(ret, n, sizeof(*ret), compare_ifindexes);
	return n;
}

static int put_device_hooks(const struct status *status, FILE *out)
{
	static const char name[] = "edge53_device_hook_info";
	_cleanup_(freep) unsigned int *clients = calloc(status->n_frontends + 1, sizeof(*clients));
	size_t n_clients, n_devices = 0;
	const char *last = "";
	char hook[32], mode[32];

	if (!clients)
		return -ENOMEM;
	n_clients = client_devices(status, clients);
	metric_family(
		out, name, "gauge",
		"1; a program at work, and how it is attached. Devices of enforced clients are in the sums only.");
	for (size_t i = 0; i < status->n_hooks; i++) {
		const struct hook *h = &status->hooks[i];

		if (h->is_gone || has_ifindex(clients, n_clients, h->ifindex))
			continue;
		if (strcmp(last, h->device) && n_devices++ == MAX_DEVICES_BY_NAME)
			break;
		last = h->device;
		name_hook(h, hook, mode);
		metric_count(out, name, "",
			     LABELS({ "device", h->device }, { "hook", hook }, { "mode", mode }),
			     1);
	}
	return 0;
}

static int put_devices(const struct status *status, FILE *out)
{
	_cleanup_(freep) unsigned int *attached = calloc(status->n_hooks + 1, sizeof(*attached));
	size_t n, n_devices = 0;

	if (!attached)
		return -ENOMEM;
	n = attached_devices(status, attached);
	put_services(status, attached, n, out);
	for (size_t i = 0; i < n; i++)
		n_devices += !i || attached[i] != attached[i - 1];
	metric_family(out, "edge53_attached_devices", "gauge", "Devices with a program at work.");
	metric_count(out, "edge53_attached_devices", "", LABELS(), n_devices);
	put_hook_sums(status, out);
	metric_family(out, "edge53_guard_devices", "gauge", "Devices that the guard knows.");
	metric_count(out, "edge53_guard_devices", "", LABELS(), status->guard.n_devices);
	metric_family(out, "edge53_guard_unattached_devices", "gauge",
		      "Of these, those of clients where no program is at work.");
	metric_count(out, "edge53_guard_unattached_devices", "", LABELS(),
		     status->guard.n_unattached);
	return put_device_hooks(status, out);
}

/* --- what there is one of --------------------------------------------------------------------- */

static void put_gauge(FILE *out, const char *name, const char *help, double value)
{
	metric_family(out, name, "gauge", help);
	metric_value(out, name, LABELS(), value);
}

static void put_counter(FILE *out, const char *name, const char *help, __u64 value)
{
	metric_family(out, name, "counter", help);
	metric_count(out, name, "", LABELS(), value);
}

static void put_loader(const struct status *status, FILE *out)
{
	static const char name[] = "edge53_build_info";
	const struct edge53_loader *loader = state_loader(status->state);
	char version[sizeof(loader->version) + 1];

	snprintf(version, sizeof(version), "%.*s", (int)sizeof(loader->version), loader->version);
	metric_family(out, name, "gauge", "1; the version of the loader.");
	metric_count(out, name, "", LABELS({ "version", version }), 1);
	put_gauge(out, "edge53_loader_start_time_seconds",
		  "When the loader started, since the epoch.",
		  (double)loader->started_ns / NS_PER_S);
}

static void put_memory(const struct edge53_geometry *g, FILE *out)
{
	static const char name[] = "edge53_memory_bytes";
	struct memory memory = memory_of(g);

	metric_family(out, name, "gauge", "What the large tables take.");
	metric_count(out, name, "", LABELS({ "table", "slots" }), memory.slots_bytes);
	metric_count(out, name, "", LABELS({ "table", "connections" }), memory.conns_bytes);
	metric_count(out, name, "", LABELS({ "table", "clients" }), memory.clients_bytes);
	put_gauge(out, "edge53_tcp_connections_limit", "TCP connections that there is room for.",
		  g->tcp_connections);
}

static int put_ring(const struct status *status, FILE *out)
{
	const struct edge53_geometry *g = state_geometry(status->state);
	struct edge53_cpu_state totals;
	int r = state_cpu_totals(status->state, &totals, NULL);

	if (r < 0)
		return r;
	put_gauge(out, "edge53_udp_slots",
		  "Queries by UDP that there is room for, on all CPUs together.",
		  (double)g->n_cpus * g->slots_per_cpu);
	put_counter(out, "edge53_udp_slots_used_total", "Queries by UDP that were remembered.",
		    totals.next_slot);
	put_counter(out, "edge53_udp_slots_unanswered_total",
		    "Queries by UDP that were forgotten before there was a reply.",
		    totals.unanswered);
	put_gauge(
		out, "edge53_udp_slot_age_seconds",
		"How old a query was that was forgotten for another, on the CPU where it is least; 0: none was.",
		(double)totals.overwritten_age_us * 1024 / NS_PER_S);
	put_counter(out, "edge53_refusals_suppressed_total",
		    "Clients that were not told by RST or ICMP, for there were too many.",
		    totals.refusals_suppressed);
	put_gauge(out, "edge53_client_entries", "Entries of clients in use, on all CPUs together.",
		  (double)totals.clients_used);
	put_gauge(out, "edge53_client_entries_limit", "Entries of clients that there is room for.",
		  (double)g->n_cpus * g->clients);
	put_counter(out, "edge53_clients_evicted_total", "Clients that made room for another one.",
		    totals.clients_evicted);
	put_counter(out, "edge53_client_packets_uncounted_total",
		    "Packets of clients without an entry, which count for `others`.",
		    totals.clients_not_counted);
	return 0;
}

/* --- dnstap ----------------------------------------------------------------------------------- */

static void put_dnstap_unsent(FILE *out, const struct edge53_sample_counters *sampled,
			      const struct edge53_dnstap *dnstap)
{
	static const char name[] = "edge53_dnstap_unsent_total";
	const struct {
		const char *why;
		__u64 n;
	} rows[] = {
		{ "no_room", sampled->no_room },      { "no_reader", sampled->no_reader },
		{ "no_message", dnstap->no_message }, { "not_whole", dnstap->not_whole },
		{ "not_dns", dnstap->not_dns },	      { "not_written", dnstap->not_written },
	};

	metric_family(out, name, "counter",
		      "Sampled packets, or messages in them, that nobody was told of, and why.");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		metric_count(out, name, "", LABELS({ "why", rows[i].why }), rows[i].n);
}

static int put_dnstap(const struct status *status, FILE *out)
{
	struct edge53_sample_counters sampled;
	struct edge53_dnstap dnstap;
	int r = state_dnstap(status->state, &dnstap)
			?: state_sample_counters(status->state, EDGE53_SAMPLE_DNSTAP, &sampled);

	if (r ==
	    -ENOENT) /* as the status has it: the loader that made the maps could not do it yet */
		return 0;
	if (r < 0)
		return r;
	put_gauge(out, "edge53_dnstap_on", "1: there is `export.dnstap`, 0: there is not.",
		  dnstap.is_on);
	put_gauge(out, "edge53_dnstap_connected", "1: its socket or file is open, 0: it is not.",
		  dnstap.is_connected);
	put_counter(out, "edge53_dnstap_sampled_total", "Packets that were to be exported.",
		    sampled.taken);
	put_counter(out, "edge53_dnstap_messages_written_total", "DNS messages that were exported.",
		    dnstap.written);
	put_dnstap_unsent(out, &sampled, &dnstap);
	return 0;
}

/* --- clients by address ----------------------------------------------------------------------- */

static const struct {
	const char *name;
	const char *help;
	size_t offset;
} client_counters[] = {
#define COUNTER(name, field, help)                                                                 \
	{                                                                                          \
		name, help, offsetof(struct edge53_traffic, field)                                 \
	}
	COUNTER("edge53_top_client_queries_total", queries,
		"Queries by UDP of a client that is among the busiest."),
	COUNTER("edge53_top_client_replies_total", replies, "Replies by UDP to such a client."),
	COUNTER("edge53_top_client_tcp_connections_total", tcp_connections,
		"TCP connections of such a client."),
	COUNTER("edge53_top_client_query_bytes_total", bytes_in,
		"Bytes of IP packets of such a client."),
	COUNTER("edge53_top_client_reply_bytes_total", bytes_out,
		"Bytes of IP packets to such a client."),
#undef COUNTER
};

static int put_top_clients(const struct status *status, unsigned int top_clients, FILE *out)
{
	_cleanup_(client_list_clear) struct client_list list = { 0 };
	int r;

	if (!top_clients)
		return 0;
	r = client_list_read(status->state, NULL, &list);
	if (r < 0)
		return r;
	client_list_first(&list, client_field_find("queries"), top_clients);
	for (size_t c = 0; c < ARRAY_SIZE(client_counters); c++) {
		metric_family(out, client_counters[c].name, "counter", client_counters[c].help);
		for (size_t i = 0; i < list.n && i < top_clients; i++) {
			char client[CLIENT_TEXT_LEN];

			client_format(&list.rows[i].client.address, &list.prefix, client);
			metric_count(out, client_counters[c].name, "", LABELS({ "client", client }),
				     counter_at(&list.rows[i].client.traffic,
						client_counters[c].offset));
		}
	}
	return 0;
}

/* --- all of it -------------------------------------------------------------------------------- */

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / NS_PER_S;
}

int metrics_text(const struct status *status, unsigned int top_clients, FILE *out)
{
	double begin = seconds_now();
	int r;

	put_loader(status, out);
	put_memory(state_geometry(status->state), out);
	r = put_ring(status, out)
	 ?: put_devices(status, out)
	 ?: put_backends(status, out)
	 ?: put_dnstap(status, out)
	 ?: put_top_clients(status, top_clients, out);
	if (r < 0)
		return r;
	put_gauge(out, "edge53_collect_seconds", "How long it took to collect these numbers.",
		  seconds_now() - begin);
	return ferror(out) ? -EIO : 0;
}
