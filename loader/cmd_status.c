// SPDX-License-Identifier: GPL-2.0-only
/* edge53 status: what is attached where and in which mode, what is usable, and what was counted. */
#include <argp.h>
#include <dirent.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "commands.h"
#include "host.h"
#include "log.h"
#include "output.h"
#include "pins.h"

/* Of linux/bpf.h from 6.6 on; the headers of the oldest supported distribution lack them. */
#define LINK_TYPE_TCX 11
#define ATTACH_TCX_INGRESS 46

/* An access concentrator has thousands of ppp devices: people see the first ones and a number. */
#define SHORT_LIST 32

#define MIB (1024.0 * 1024.0)

struct frontend {
	struct edge53_frontend_key key;
	struct edge53_frontend value;
};

struct hook {
	char pin[NAME_MAX + 1];
	const char *name;     /* "xdp", "tcx_ingress", "tcx_egress" or "unknown" */
	unsigned int ifindex; /* 0: the device is gone */
	unsigned int program_id;
	char program[BPF_OBJ_NAME_LEN]; /* the kernel keeps 15 bytes of it */
	const char *mode;		/* of XDP: "native", "generic" ...; else "" */
};

struct status {
	struct state *state;
	bool show_all;
	bool same_netns;	    /* else interface numbers mean nothing here */
	struct frontend *frontends; /* sorted by service and device */
	size_t n_frontends;
	struct hook *hooks; /* sorted by name of the pin */
	size_t n_hooks;
};

/* --- gathering --------------------------------------------------------------------------------- */

static int append_frontend(const struct edge53_frontend_key *key,
			   const struct edge53_frontend *value, void *arg)
{
	struct status *status = arg;
	struct frontend *grown;

	grown = reallocarray(status->frontends, status->n_frontends + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	status->frontends = grown;
	grown[status->n_frontends++] = (struct frontend){ *key, *value };
	return 0;
}

static int compare_frontends(const void *a, const void *b)
{
	const struct frontend *x = a, *y = b;

	if (x->value.service != y->value.service)
		return x->value.service < y->value.service ? -1 : 1;
	if (x->key.ifindex != y->key.ifindex)
		return x->key.ifindex < y->key.ifindex ? -1 : 1;
	return memcmp(&x->key.address, &y->key.address, sizeof(x->key.address));
}

static const char *xdp_mode(unsigned int ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);

	if (bpf_xdp_query(ifindex, 0, &opts) < 0)
		return "unknown";
	switch (opts.attach_mode) {
	case XDP_ATTACHED_DRV:
		return "native";
	case XDP_ATTACHED_SKB:
		return "generic";
	case XDP_ATTACHED_HW:
		return "offloaded";
	case XDP_ATTACHED_MULTI:
		return "several";
	default:
		return "detached";
	}
}

static void read_program_name(struct hook *hook)
{
	_cleanup_(closep) int fd = bpf_prog_get_fd_by_id(hook->program_id);
	struct bpf_prog_info info = { 0 };
	__u32 info_len = sizeof(info);

	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &info_len) == 0)
		memcpy(hook->program, info.name, sizeof(hook->program));
}

/* Returns -ENOENT when the pin went away meanwhile, or is no link. */
static int read_hook(const struct status *status, const char *pin, struct hook *ret)
{
	char path[PINS_PATH_LEN + NAME_MAX + 8];
	struct bpf_link_info info = { 0 };
	__u32 info_len = sizeof(info), where[2]; /* ifindex and attach type, in every such link */
	_cleanup_(closep) int fd = -1;

	snprintf(path, sizeof(path), "%s/links/%s", pins_root(), pin);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &info_len) < 0)
		return -errno;
	*ret = (struct hook){ .name = "unknown", .mode = "", .program_id = info.prog_id };
	snprintf(ret->pin, sizeof(ret->pin), "%s", pin);
	memcpy(where, &info.xdp, sizeof(where));
	if (info.type == BPF_LINK_TYPE_XDP || info.type == LINK_TYPE_TCX)
		ret->ifindex = where[0];
	if (info.type == BPF_LINK_TYPE_XDP) {
		ret->name = "xdp";
		ret->mode = ret->ifindex && status->same_netns ? xdp_mode(ret->ifindex) : "unknown";
	} else if (info.type == LINK_TYPE_TCX) {
		ret->name = where[1] == ATTACH_TCX_INGRESS ? "tcx_ingress" : "tcx_egress";
	}
	read_program_name(ret);
	return 0;
}

static int compare_hooks(const void *a, const void *b)
{
	const struct hook *x = a, *y = b;

	return strcmp(x->pin, y->pin);
}

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* Pinned links only: clsact filters are not pinned, the module that attaches them knows them. */
static int read_hooks(struct status *status)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	char path[PINS_PATH_LEN + 8];
	struct dirent *entry;

	snprintf(path, sizeof(path), "%s/links", pins_root());
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(dir))) {
		struct hook hook, *grown;
		int r;

		if (entry->d_name[0] == '.')
			continue;
		r = read_hook(status, entry->d_name, &hook);
		if (r < 0) {
			log_debug("%s/%s: %s", path, entry->d_name, strerror(-r));
			continue;
		}
		grown = reallocarray(status->hooks, status->n_hooks + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		status->hooks = grown;
		grown[status->n_hooks++] = hook;
	}
	if (status->n_hooks)
		qsort(status->hooks, status->n_hooks, sizeof(*status->hooks), compare_hooks);
	return 0;
}

static int gather(struct status *status)
{
	__u64 theirs = state_geometry(status->state)->netns_cookie;
	unsigned long long ours = 0;
	int r;

	/* Unknown on either side counts as the same: names are then at worst missing. */
	status->same_netns = !theirs || host_netns_cookie(&ours) < 0 || ours == theirs;
	r = state_walk_frontends(status->state, append_frontend, status);
	if (r < 0)
		return r;
	if (status->n_frontends)
		qsort(status->frontends, status->n_frontends, sizeof(*status->frontends),
		      compare_frontends);
	return read_hooks(status);
}

static void status_clear(struct status *status)
{
	state_close(status->state);
	free(status->frontends);
	free(status->hooks);
}

/* --- what things are called --------------------------------------------------------------------- */

#define DEVICE_TEXT_LEN (IF_NAMESIZE + 8)

/* Name of an interface, or "#7" when it has none here. */
static const char *device_text(const struct status *status, unsigned int ifindex,
			       char buf[static DEVICE_TEXT_LEN])
{
	if (!ifindex)
		snprintf(buf, DEVICE_TEXT_LEN, "-");
	else if (!status->same_netns || !if_indextoname(ifindex, buf))
		snprintf(buf, DEVICE_TEXT_LEN, "#%u", ifindex);
	return buf;
}

/* The name in the plan holds in any network namespace, and for a device that is gone. */
static const char *frontend_device_text(const struct status *status,
					const struct frontend *frontend,
					char buf[static DEVICE_TEXT_LEN])
{
	const struct edge53_device *device = state_device(status->state, frontend->value.device);

	if (!device)
		return device_text(status, frontend->key.ifindex, buf);
	snprintf(buf, DEVICE_TEXT_LEN, "%.*s", EDGE53_IFNAME_LEN, device->name);
	return buf;
}

static const char *kind_text(const struct edge53_service *service)
{
	return service->kind == EDGE53_SERVICE_EDGE	 ? "edge"
	       : service->kind == EDGE53_SERVICE_ENFORCE ? "enforce"
							 : "unknown";
}

static const char *fate_text(enum edge53_fate fate)
{
	return fate == EDGE53_PASS ? "pass" : fate == EDGE53_DROP ? "drop" : "send";
}

static bool is_picked(const __u8 picks[static EDGE53_PICKS], unsigned int id)
{
	return memchr(picks, id, EDGE53_PICKS) != NULL;
}

static bool is_usable(const struct status *status, unsigned int id)
{
	const struct edge53_backend *backend = state_backend(status->state, id);
	const struct edge53_service *service = state_service(status->state, backend->service);

	return service && (is_picked(service->udp_pick, id) || is_picked(service->tcp_pick, id));
}

/* Empty for a usable backend. */
static const char *why_unusable(const struct status *status, unsigned int id)
{
	const struct edge53_backend *backend = state_backend(status->state, id);

	if (is_usable(status, id))
		return "";
	if (!backend->ifindex && !(backend->flags & EDGE53_BACKEND_LOCAL))
		return "no route or no device towards it";
	return "left out by the plan; `edge53 check` says why";
}

/* How queries get to a backend. */
static const char *path_text(const struct edge53_backend *backend)
{
	static const __u8 no_mac[sizeof(backend->dmac)];

	if (backend->flags & EDGE53_BACKEND_LOCAL)
		return "host";
	if (!backend->ifindex)
		return "-";
	if (backend->flags & EDGE53_BACKEND_XDP)
		return "xdp";
	if (backend->flags & EDGE53_BACKEND_ETHERNET &&
	    !memcmp(backend->dmac, no_mac, sizeof(no_mac)))
		return "tc (neighbour unresolved)";
	return "tc";
}

#define LATENCY_TEXT_LEN 24

/* Upper end of the bucket in which the given percentage of replies is complete. */
static const char *latency_text(const struct edge53_backend_counters *counters,
				unsigned int percent, char buf[static LATENCY_TEXT_LEN])
{
	__u64 total = 0, seen = 0;
	size_t n = 0;

	for (size_t i = 0; i < EDGE53_LATENCY_BUCKETS; i++)
		total += counters->latency[i];
	if (!total)
		return "-";
	while (n < EDGE53_LATENCY_BUCKETS - 1) {
		seen += counters->latency[n];
		if (seen >= (total * percent + 99) / 100)
			break;
		n++;
	}
	if (n == EDGE53_LATENCY_BUCKETS - 1)
		snprintf(buf, LATENCY_TEXT_LEN, ">%.1fs", (1u << (n - 1)) / 1e6);
	else if (n < 10)
		snprintf(buf, LATENCY_TEXT_LEN, "<%uus", 1u << n);
	else
		snprintf(buf, LATENCY_TEXT_LEN, "<%.1fms", (1u << n) / 1e3);
	return buf;
}

/* --- for people ---------------------------------------------------------------------------------- */

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

struct memory {
	__u64 slots;
	__u64 conns;
	__u64 clients;
};

/* A client takes its key, the kernel's element of about 48 bytes, and a value for each CPU. */
static struct memory memory_of(const struct edge53_geometry *g)
{
	__u64 per_client = sizeof(struct edge53_addr) + 48 + 8 +
			   (__u64)g->n_cpus * sizeof(struct edge53_client);

	return (struct memory){
		.slots = (__u64)g->n_cpus * g->slots_per_cpu * sizeof(struct edge53_slot),
		.conns = (__u64)g->tcp_connections * sizeof(struct edge53_conn),
		.clients = g->clients * per_client,
	};
}

static void print_geometry(const struct edge53_geometry *g)
{
	struct memory memory = memory_of(g);

	printf("geometry  %u CPUs x %u UDP slots, %u TCP connections, %u clients, ports %u-%u\n",
	       g->n_cpus, g->slots_per_cpu, g->tcp_connections, g->clients, g->port_base,
	       g->port_base + (1u << g->port_bits) - 1);
	printf("memory    slots %.1f MiB, connections %.1f MiB, clients about %.1f MiB\n",
	       memory.slots / MIB, memory.conns / MIB, memory.clients / MIB);
}

static int print_ring(const struct status *status)
{
	struct edge53_cpu_state totals;
	int r = state_cpu_totals(status->state, &totals);

	if (r < 0)
		return r;
	printf("ring      %llu slots handed out, %llu overwritten unanswered",
	       (unsigned long long)totals.next_slot, (unsigned long long)totals.unanswered);
	if (totals.overwritten_age_us)
		printf(", the last at an age of %.1f s", totals.overwritten_age_us * 1024 / 1e9);
	printf("\n");
	if (totals.clients_not_counted)
		printf("clients   full: %llu packets of further clients not counted by client\n",
		       (unsigned long long)totals.clients_not_counted);
	return 0;
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

static int print_services(const struct status *status)
{
	static const struct output_column columns[] = {
		{ "SERVICE", false }, { "KIND", false }, { "ON-DOWN", false },
		{ "IPV6", false },    { "DOT", false },	 { "BACKENDS", false },
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

		if (!s)
			continue;
		for (unsigned int b = 1; b < EDGE53_MAX_BACKENDS; b++) {
			const struct edge53_backend *backend = state_backend(status->state, b);

			if (!backend || backend->service != id)
				continue;
			n++;
			n_usable += is_usable(status, b);
		}
		row = scols_table_new_line(table, NULL);
		r = output_cell(row, 0, "%.*s", EDGE53_NAME_LEN, s->name)
		    ?: output_cell(row, 1, "%s", kind_text(s))
		    ?: output_cell(row, 2, "%s", s->flags & EDGE53_SERVICE_DOWN_PASS ? "pass" : "drop")
		    ?: output_cell(row, 3, "%s", s->flags & EDGE53_SERVICE_IPV6_DROP ? "drop" : "pass")
		    ?: output_cell(row, 4, "%s", s->flags & EDGE53_SERVICE_DOT_DROP ? "drop" : "pass")
		    ?: output_cell(row, 5, "%u of %u usable", n_usable, n);
	}
	return r ?: print_section("Services", table, 0);
}

static int service_cell(const struct status *status, struct libscols_line *row, unsigned int id)
{
	const struct edge53_service *service = state_service(status->state, id);

	if (!service)
		return output_cell(row, 0, "%s", id ? "?" : "-");
	return output_cell(row, 0, "%.*s", EDGE53_NAME_LEN, service->name);
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
		    ?: output_cell(row, 5, "%s", addr_is_zero(&b->source) ?
					 "client's" : addr_format(&b->source, address))
		    ?: output_cell(row, 6, "%s", path_text(b))
		    ?: output_cell(row, 7, "%s%s", *why ? "unusable: " : "usable", why);
	}
	return r ?: print_section("Backends", table, 0);
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
	char device[DEVICE_TEXT_LEN];
	int r = 0;

	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < n && !r; i++) {
		const struct hook *h = &status->hooks[i];
		struct libscols_line *row = scols_table_new_line(table, NULL);

		r = output_cell(row, 0, "%s", h->name)
		    ?: output_cell(row, 1, "%s", h->ifindex ?
					 device_text(status, h->ifindex, device) : "gone")
		    ?: output_cell(row, 2, "%s", h->program)
		    ?: output_cell(row, 3, "%s", h->mode);
	}
	return r ?: print_section("Hooks", table, status->n_hooks - n);
}

static int traffic_row(struct libscols_table *table, const struct status *status,
		       unsigned int service, const char *backend,
		       const struct edge53_backend_counters *counters)
{
	struct libscols_line *row = scols_table_new_line(table, NULL);
	char median[LATENCY_TEXT_LEN], p99[LATENCY_TEXT_LEN];
	const size_t n = sizeof(counters->traffic) / sizeof(__u64);

	return service_cell(status, row, service)
	       ?: output_cell(row, 1, "%s", backend)
	       ?: output_numbers(row, 2, (const __u64 *)&counters->traffic, n)
	       ?: output_cell(row, 2 + n, "%s", latency_text(counters, 50, median))
	       ?: output_cell(row, 3 + n, "%s", latency_text(counters, 99, p99));
}

/* Adds one backend's row, and its counters to the sum of its service. */
static int backend_traffic_row(struct libscols_table *table, const struct status *status,
			       unsigned int id, struct edge53_backend_counters *sum)
{
	const struct edge53_backend *backend = state_backend(status->state, id);
	struct edge53_backend_counters counters;
	__u64 *to = (__u64 *)sum;
	char address[ADDR_TEXT_LEN];
	int r = state_backend_counters(status->state, id, &counters);

	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(counters) / sizeof(*to); i++)
		to[i] += ((const __u64 *)&counters)[i];
	if (!table)
		return 0;
	return traffic_row(table, status, backend->service, addr_format(&backend->address, address),
			   &counters);
}

/* table NULL: only the sum. */
static int service_traffic(struct libscols_table *table, const struct status *status,
			   unsigned int service, struct edge53_backend_counters *sum, size_t *n)
{
	int r = 0;

	memset(sum, 0, sizeof(*sum));
	*n = 0;
	for (unsigned int id = 1; id < EDGE53_MAX_BACKENDS && !r; id++) {
		const struct edge53_backend *backend = state_backend(status->state, id);

		if (!backend || backend->service != service)
			continue;
		++*n;
		r = backend_traffic_row(table, status, id, sum);
	}
	return r;
}

static int print_traffic(const struct status *status)
{
	static const struct output_column columns[] = {
		{ "SERVICE", false }, { "BACKEND", false }, { "QUERIES", true },
		{ "REPLIES", true },  { "BYTES-IN", true }, { "BYTES-OUT", true },
		{ "TCP", true },      { "TRUNC", true },    { "NOERROR", true },
		{ "NXDOMAIN", true }, { "SERVFAIL", true }, { "REFUSED", true },
		{ "OTHER", true },    { "MEDIAN", true },   { "P99", true },
	};
	_cleanup_(output_tablep) struct libscols_table *table =
		output_table(columns, ARRAY_SIZE(columns));
	int r = 0;

	_Static_assert(ARRAY_SIZE(columns) == 4 + sizeof(struct edge53_traffic) / sizeof(__u64),
		       "a column for each counter, in their order");
	if (!table)
		return -ENOMEM;
	for (unsigned int id = 1; id < EDGE53_MAX_SERVICES && !r; id++) {
		struct edge53_backend_counters sum;
		size_t n;

		if (!state_service(status->state, id))
			continue;
		r = service_traffic(table, status, id, &sum, &n);
		if (!r && n > 1)
			r = traffic_row(table, status, id, "all", &sum);
	}
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

static int print_text(const struct status *status)
{
	print_loader(status);
	print_geometry(state_geometry(status->state));
	return print_ring(status)
	       ?: print_services(status)
	       ?: print_frontends(status)
	       ?: print_backends(status)
	       ?: print_hooks(status)
	       ?: print_traffic(status)
	       ?: print_reasons(status);
}

/* --- for machines -------------------------------------------------------------------------------- */

static json_t *loader_json(const struct status *status)
{
	const struct edge53_loader *loader = state_loader(status->state);
	unsigned int pid;
	bool is_running = state_has_loader(status->state, &pid);

	return json_pack("{s:b, s:i, s:f, s:o}", "running", is_running, "pid", pid, "started",
			 loader->started_ns / 1e9, "version",
			 output_text(loader->version, sizeof(loader->version)));
}

/* Without the keys: who knows them can guess ports and IDs. */
static json_t *geometry_json(const struct edge53_geometry *g)
{
	struct memory memory = memory_of(g);

	return json_pack("{s:i, s:I, s:I, s:I, s:I, s:i, s:i, s:{s:I, s:I, s:I}}", "layout_version",
			 g->layout_version, "cpus", (json_int_t)g->n_cpus, "slots_per_cpu",
			 (json_int_t)g->slots_per_cpu, "tcp_connections",
			 (json_int_t)g->tcp_connections, "clients", (json_int_t)g->clients,
			 "port_first", g->port_base, "port_last",
			 g->port_base + (1 << g->port_bits) - 1, "memory_bytes", "slots",
			 (json_int_t)memory.slots, "tcp_connections", (json_int_t)memory.conns,
			 "clients", (json_int_t)memory.clients);
}

static json_t *ring_json(const struct status *status)
{
	struct edge53_cpu_state totals;

	if (state_cpu_totals(status->state, &totals) < 0)
		return NULL;
	return json_pack("{s:I, s:I, s:f, s:I}", "handed_out", (json_int_t)totals.next_slot,
			 "unanswered", (json_int_t)totals.unanswered, "overwritten_age_seconds",
			 totals.overwritten_age_us * 1024 / 1e9, "client_packets_not_counted",
			 (json_int_t)totals.clients_not_counted);
}

/* Takes both over. A list that lacks an item is NULL, and so becomes what it was to be part of. */
static json_t *append(json_t *list, json_t *item)
{
	if (json_array_append_new(list, item) == 0)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *latency_json(const struct edge53_backend_counters *counters)
{
	json_t *buckets = json_array();

	for (size_t i = 0; i < EDGE53_LATENCY_BUCKETS; i++) {
		json_t *below = i < EDGE53_LATENCY_BUCKETS - 1 ? json_integer(1 << i) : json_null();

		buckets = append(buckets, json_pack("{s:o, s:I}", "below_us", below, "replies",
						    (json_int_t)counters->latency[i]));
	}
	return buckets;
}

static json_t *device_json(const struct status *status, unsigned int ifindex)
{
	char buf[DEVICE_TEXT_LEN];

	if (!ifindex || !status->same_netns || !if_indextoname(ifindex, buf))
		return json_null();
	return output_text(buf, sizeof(buf));
}

static json_t *backend_json(const struct status *status, unsigned int id)
{
	const struct edge53_backend *b = state_backend(status->state, id);
	const struct edge53_service *service = state_service(status->state, b->service);
	struct edge53_backend_counters counters;
	bool has_source = !addr_is_zero(&b->source);
	const char *why = why_unusable(status, id);

	if (state_backend_counters(status->state, id, &counters) < 0)
		return NULL;
	return json_pack("{s:i, s:o, s:i, s:i, s:i, s:o, s:o, s:s, s:b, s:b, s:o, s:o, s:o}", "id",
			 id, "address", output_address(&b->address), "udp_port", b->udp_port,
			 "tcp_port", b->tcp_port, "ifindex", b->ifindex, "device",
			 device_json(status, b->ifindex), "source",
			 has_source ? output_address(&b->source) : json_null(), "path",
			 path_text(b), "usable_udp", service && is_picked(service->udp_pick, id),
			 "usable_tcp", service && is_picked(service->tcp_pick, id), "why_unusable",
			 *why ? json_string(why) : json_null(), "traffic",
			 output_traffic(&counters.traffic), "latency", latency_json(&counters));
}

static json_t *backends_json(const struct status *status, unsigned int service)
{
	json_t *list = json_array();

	for (unsigned int id = 1; id < EDGE53_MAX_BACKENDS; id++) {
		const struct edge53_backend *backend = state_backend(status->state, id);

		if (backend && backend->service == service)
			list = append(list, backend_json(status, id));
	}
	return list;
}

static json_t *frontends_json(const struct status *status, unsigned int service)
{
	json_t *list = json_array();

	for (size_t i = 0; i < status->n_frontends; i++) {
		const struct frontend *f = &status->frontends[i];
		char device[DEVICE_TEXT_LEN];
		bool is_any = addr_is_zero(&f->key.address);

		if (f->value.service != service)
			continue;
		frontend_device_text(status, f, device);
		list = append(list,
			      json_pack("{s:o, s:i, s:o}", "device",
					output_text(device, sizeof(device)), "ifindex",
					f->key.ifindex, "address",
					is_any ? json_null() : output_address(&f->key.address)));
	}
	return list;
}

static json_t *reasons_json(const struct status *status, unsigned int service)
{
	json_t *list = json_array();

	for (unsigned int reason = EDGE53_GO_ON + 1; reason < EDGE53_REASON_COUNT; reason++) {
		unsigned long long count;

		if (state_reason_count(status->state, service, reason, &count) < 0) {
			json_decref(list);
			return NULL;
		}
		list = append(list,
			      json_pack("{s:s, s:s, s:I, s:s}", "reason", reason_name(reason),
					"fate", fate_text(reason_fate(reason)), "packets",
					(json_int_t)count, "meaning", reason_sentence(reason)));
	}
	return list;
}

static json_t *service_json(const struct status *status, unsigned int id)
{
	const struct edge53_service *s = state_service(status->state, id);
	struct edge53_backend_counters sum;
	size_t n;

	if (service_traffic(NULL, status, id, &sum, &n) < 0)
		return NULL;
	return json_pack("{s:i, s:o, s:s, s:s, s:s, s:s, s:b, s:o, s:o, s:o, s:o}", "id", id,
			 "name", output_text(s->name, sizeof(s->name)), "kind", kind_text(s),
			 "on_down", s->flags & EDGE53_SERVICE_DOWN_PASS ? "pass" : "drop", "ipv6",
			 s->flags & EDGE53_SERVICE_IPV6_DROP ? "drop" : "pass", "dot",
			 s->flags & EDGE53_SERVICE_DOT_DROP ? "drop" : "pass", "xdp",
			 !!(s->flags & EDGE53_SERVICE_XDP), "frontends", frontends_json(status, id),
			 "backends", backends_json(status, id), "traffic",
			 output_traffic(&sum.traffic), "reasons", reasons_json(status, id));
}

static json_t *services_json(const struct status *status)
{
	json_t *list = json_array();

	for (unsigned int id = 1; id < EDGE53_MAX_SERVICES; id++)
		if (state_service(status->state, id))
			list = append(list, service_json(status, id));
	return list;
}

static json_t *hooks_json(const struct status *status)
{
	json_t *list = json_array();

	for (size_t i = 0; i < status->n_hooks; i++) {
		const struct hook *h = &status->hooks[i];

		list = append(list,
			      json_pack("{s:s, s:o, s:i, s:o, s:o, s:i, s:o}", "hook", h->name,
					"pin", output_text(h->pin, sizeof(h->pin)), "ifindex",
					h->ifindex, "device", device_json(status, h->ifindex),
					"program", output_text(h->program, sizeof(h->program)),
					"program_id", h->program_id, "mode",
					*h->mode ? json_string(h->mode) : json_null()));
	}
	return list;
}

static int print_json(const struct status *status)
{
	return output_json(
		json_pack("{s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "pins", pins_root(),
			  "same_netns", status->same_netns, "loader", loader_json(status),
			  "geometry", geometry_json(state_geometry(status->state)), "ring",
			  ring_json(status), "services", services_json(status), "hooks",
			  hooks_json(status), "reasons_without_service", reasons_json(status, 0)));
}

/* --- the verb ------------------------------------------------------------------------------------ */

struct options {
	bool as_json;
	bool show_all;
};

static const struct argp_option option_table[] = {
	{ "json", 'j', NULL, 0, "Print JSON, with everything in it", 0 },
	{ "all", 'a', NULL, 0, "Also reasons that never occurred, and long lists in full", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	(void)arg;
	switch (key) {
	case 'j':
		options->as_json = true;
		return 0;
	case 'a':
		options->show_all = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp status_argp = {
	.options = option_table,
	.parser = parse_option,
	.doc = "Shows what is attached where and in which mode, which backends are usable, and what "
	       "was counted for each service, backend and reason.",
};

int cmd_status(int argc, char **argv)
{
	_cleanup_(status_clear) struct status status = { 0 };
	struct options options = { 0 };
	int r;

	if (argp_parse(&status_argp, argc, argv, 0, NULL, &options))
		return EXIT_FAILED;
	status.show_all = options.show_all;
	r = output_open_state(&status.state);
	if (r)
		return r;
	r = gather(&status) ?: (options.as_json ? print_json(&status) : print_text(&status));
	return output_finish(r, "the state");
}
