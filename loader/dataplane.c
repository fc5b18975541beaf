/* SPDX-License-Identifier: GPL-2.0-only */
#include "dataplane.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "geometry.h"
#include "log.h"
#include "pins.h"
#include "program_pins.h"
#include "tables.h"
#include "text.h"
#include "token.h"

#include "edge53.skel.h"

#ifndef EDGE53_VERSION
#define EDGE53_VERSION "unknown"
#endif

#define NS_PER_MS 1000000ull
#define TCP_HALF_OPEN_NS (10 * 1000 * NS_PER_MS)
#define TCP_IDLE_NS (300 * 1000 * NS_PER_MS)
#define TCP_CLOSING_NS (10 * 1000 * NS_PER_MS)

/* Bits of a slot's lap that a reply must show: a late one fits the wrong lap with 1 in 2^this. */
#define MIN_LAP_BITS 4

/* Of the memory of the machine; what is more is made less at start, rather than to fail at boot. */
#define MAX_SHARE_OF_MEMORY 4
#define MIN_SLOTS_PER_CPU 1024
#define MIN_CLIENTS 1024

struct dataplane {
	struct edge53_bpf *skel;
	struct edge53_geometry geometry;
	struct edge53_loader loader;
	struct tables *tables;
	int programs[PROGRAM_COUNT]; /* descriptor, 0: not asked for yet, or why it cannot be loaded */
	unsigned int kept; /* enum keep: of pinned state that was there */
	bool replaces_flows;
};

/* What of the pinned state is used as it is. */
enum keep {
	KEEP_NUMBERS = 1 << 0, /* of services, backends and devices, which connections bear */
	KEEP_CONNS = 1 << 1,
	KEEP_TABLES = 1 << 2,  /* whatever no limit shapes */
	KEEP_CLIENTS = 1 << 3, /* and the cursors of the rings */
	KEEP_SLOTS = 1 << 4,
	KEEP_ALL = (1 << 5) - 1,
};

/* What must be kept for a map to be. Of one that is not named here: KEEP_TABLES. */
static const struct map_needs {
	const char *name;
	unsigned int keep;
} map_needs[] = {
	{ "services", KEEP_NUMBERS },
	{ "backends", KEEP_NUMBERS },
	{ "devices", KEEP_NUMBERS },
	{ "tcp_pool", KEEP_NUMBERS }, /* so that the oldest ports are given first in another pool, too */
	{ "conns", KEEP_CONNS },
	{ "conn_by_tuple", KEEP_CONNS },
	{ "tcp_seats", KEEP_CONNS }, /* which it is about */
	{ "clients", KEEP_CLIENTS },
	{ "client_index", KEEP_CLIENTS },
	{ "cpu_state", KEEP_CLIENTS },
	{ "slots", KEEP_SLOTS },
	{ "geometry", KEEP_ALL },
	{ "loader", KEEP_ALL },
};

/* The variable of the programs that readers of samples write; bpffs refuses dots. */
#define SAMPLING_SECTION ".data.sampling"

/* What a map is pinned as. */
static const char *pin_name(const struct bpf_map *map)
{
	return strcmp(bpf_map__name(map), SAMPLING_SECTION) ? bpf_map__name(map) :
							      DATAPLANE_SAMPLING;
}

static unsigned int needs_of(const struct bpf_map *map)
{
	for (size_t i = 0; i < ARRAY_SIZE(map_needs); i++)
		if (!strcmp(map_needs[i].name, pin_name(map)))
			return map_needs[i].keep;
	return KEEP_TABLES;
}

/* Older versions of the same layout did not have some tables. */
static bool may_be_missing(const struct bpf_map *map)
{
	return needs_of(map) == KEEP_TABLES || !strcmp(pin_name(map), "tcp_seats");
}

static bool is_kept(const struct bpf_map *map, unsigned int kept)
{
	return !(needs_of(map) & ~kept);
}

/* --- geometry: what shapes the state ---------------------------------------------------------- */

static unsigned int floor_log2(unsigned int n)
{
	return 31 - (unsigned int)__builtin_clz(n);
}

static unsigned long long slots_bytes(const struct edge53_geometry *g)
{
	return (unsigned long long)g->n_cpus * g->slots_per_cpu * sizeof(struct edge53_slot);
}

static unsigned long long clients_bytes(const struct edge53_geometry *g)
{
	return (unsigned long long)g->n_cpus * g->clients * sizeof(struct edge53_client) +
	       ((unsigned long long)g->n_cpus << g->client_bucket_bits) *
		       sizeof(struct edge53_client_bucket);
}

/* Four clients a bucket when all entries are used: then hardly any bucket has more than its ways. */
static void set_clients(struct edge53_geometry *g, unsigned int clients)
{
	g->clients = clients;
	g->client_bucket_bits = (__u8)log2_rounded_up((clients + 3) / 4);
}

/*
 * Tables are per possible CPU, of which hypervisors announce hundreds for a small machine. Depends
 * on the limits and the machine only, so that the next start comes to the same sizes and can adopt.
 */
static void fit_memory(struct edge53_geometry *g)
{
	unsigned long long bytes = (unsigned long long)sysconf(_SC_PHYS_PAGES) *
				   (unsigned long long)sysconf(_SC_PAGESIZE) / MAX_SHARE_OF_MEMORY;
	unsigned int slots = g->slots_per_cpu, clients = g->clients;

	while (slots_bytes(g) > bytes && g->slots_per_cpu > MIN_SLOTS_PER_CPU)
		g->slots_per_cpu /= 2;
	while (clients_bytes(g) > bytes && g->clients > MIN_CLIENTS)
		set_clients(g, g->clients / 2);
	if (g->slots_per_cpu != slots)
		log_warning("limits.udp_slots: %u for each of %u possible CPUs take more than a quarter of the memory; using %u",
			    slots, g->n_cpus, g->slots_per_cpu);
	if (g->clients != clients)
		log_warning("limits.clients: %u for each of %u possible CPUs take more than a quarter of the memory; using %u",
			    clients, g->n_cpus, g->clients);
}

static int make_slot_keys(struct edge53_geometry *g)
{
	return getrandom(g->slot_keys, sizeof(g->slot_keys), 0) == sizeof(g->slot_keys) ? 0 : -EIO;
}

/* The geometry a fresh start with these limits has; keys are random. */
static int make_geometry(const struct config_limits *limits, struct edge53_geometry *ret)
{
	unsigned long long netns_cookie;
	int n_cpus = libbpf_num_possible_cpus();
	int r = host_netns_cookie(&netns_cookie);

	if (n_cpus < 0 || r < 0)
		return n_cpus < 0 ? n_cpus : r;
	*ret = (struct edge53_geometry){
		.layout_version = EDGE53_LAYOUT_VERSION,
		.tcp_layout_version = EDGE53_TCP_LAYOUT_VERSION,
		.n_cpus = (unsigned int)n_cpus,
		.slots_per_cpu = limits->udp_slots,
		.tcp_connections = limits->tcp_connections,
		.port_base = (__u16)limits->port_first,
		.port_bits = (__u8)floor_log2(limits->port_last - limits->port_first + 1),
		.client_prefix = limits->client_prefix,
		.netns_cookie = netns_cookie,
	};
	if (getrandom(ret->token_keys, sizeof(ret->token_keys), 0) != sizeof(ret->token_keys) ||
	    make_slot_keys(ret) < 0)
		return -EIO;
	set_clients(ret, limits->clients);
	fit_memory(ret);
	return 0;
}

static int check_geometry(const struct edge53_geometry *g)
{
	unsigned long long slots = (unsigned long long)g->n_cpus * g->slots_per_cpu;
	unsigned int bits = g->port_bits + TOKEN_ID_BITS;

	if (slots > 1ull << (bits - MIN_LAP_BITS)) {
		log_error("limits.udp_slots: %u slots for each of %u CPUs are more than ports and DNS IDs can tell apart (%llu); use fewer slots or more ports",
			  g->slots_per_cpu, g->n_cpus, 1ull << (bits - MIN_LAP_BITS));
		return -EWRONGCONFIG;
	}
	if (g->tcp_connections > 1u << g->port_bits) {
		log_error("limits.tcp_connections: %u, but of limits.ports only %u (a power of two) are used; use fewer connections or more ports",
			  g->tcp_connections, 1u << g->port_bits);
		return -EWRONGCONFIG;
	}
	return 0;
}

/*
 * Opens a pinned map and checks its shape; 0 entries: any number. Returns a descriptor or -errno.
 */
static int open_pinned(const char *name, unsigned int value_size, unsigned int max_entries)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	char path[PINS_PATH_LEN];
	_cleanup_(closep) int fd = bpf_obj_get(pins_map_path(name, path));

	if (fd < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	if (info.value_size != value_size || (max_entries && info.max_entries != max_entries))
		return -EPROTO;
	return take_fd(&fd);
}

/* Reads the geometry of pinned state, of whatever layout. -ENOENT: there is none. -EPROTO: of an unknown size. */
static int read_geometry(struct edge53_geometry *ret)
{
	_cleanup_(closep) int fd = open_pinned(DATAPLANE_COMMIT_RECORD, sizeof(*ret), 1);
	__u32 zero = 0;

	if (fd < 0)
		return fd;
	return bpf_map_lookup_elem(fd, &zero, ret) ? -errno : 0;
}

bool dataplane_is_pinned(void)
{
	struct edge53_geometry geometry;

	return read_geometry(&geometry) != -ENOENT;
}

/* An older version of the same layout counted whole addresses, and left the record 0. */
static bool same_client_prefix(const struct edge53_client_prefix *a,
			       const struct edge53_client_prefix *b)
{
	for (int is_ipv4 = 0; is_ipv4 < 2; is_ipv4++)
		if (edge53_client_prefix_bits(a, is_ipv4) != edge53_client_prefix_bits(b, is_ipv4))
			return false;
	return true;
}

static bool same_clients(const struct edge53_geometry *a, const struct edge53_geometry *b)
{
	return a->n_cpus == b->n_cpus && a->clients == b->clients &&
	       a->client_bucket_bits == b->client_bucket_bits &&
	       same_client_prefix(&a->client_prefix, &b->client_prefix);
}

/* What state of one geometry is good for with another: enum keep. */
static unsigned int what_to_keep(const struct edge53_geometry *found,
				 const struct edge53_geometry *wanted)
{
	bool same_ports = found->port_base == wanted->port_base &&
			  found->port_bits == wanted->port_bits;
	unsigned int keep = 0;

	if (found->tcp_layout_version != wanted->tcp_layout_version)
		return 0;
	keep |= KEEP_NUMBERS;
	if (same_ports && found->tcp_connections == wanted->tcp_connections)
		keep |= KEEP_CONNS;
	if (found->layout_version != wanted->layout_version)
		return keep;
	keep |= KEEP_TABLES;
	if (!same_clients(found, wanted))
		return keep;
	keep |= KEEP_CLIENTS;
	/* A ring goes on only with its cursors. */
	if (same_ports && found->slots_per_cpu == wanted->slots_per_cpu)
		keep |= KEEP_SLOTS;
	return keep;
}

static void say_kept(const struct edge53_geometry *found, unsigned int keep)
{
	const char *why = "limits have changed";
	char layouts[96];

	if (found->layout_version != EDGE53_LAYOUT_VERSION) {
		snprintf(layouts, sizeof(layouts), "the pinned state has layout %u, this version %u",
			 found->layout_version, EDGE53_LAYOUT_VERSION);
		why = layouts;
	}
	log_warning("%s: %s, %s; queries under way are still answered by the programs from before",
		    why,
		    keep & KEEP_CONNS ? "TCP connections are kept" :
					"TCP connections are cut once those go",
		    keep & KEEP_CLIENTS ? "counters of clients are kept" :
					  "counters of clients begin anew");
}

/*
 * Decides what of the pinned state is kept, which *geometry then describes. Keys stay, but for those of a ring that
 * is made anew: what an older ring handed out must not mean anything in it.
 */
static unsigned int adopt(struct edge53_geometry *geometry, bool *is_replaced)
{
	struct edge53_geometry found;
	unsigned int keep;
	int r = read_geometry(&found);

	*is_replaced = r != -ENOENT;
	if (r == -ENOENT)
		return 0;
	if (r < 0) {
		log_warning("cannot read the pinned state (%s): starting anew; what is under way is still answered by the programs from before, and then cut",
			    r == -EPROTO ? "it is of another version" : strerror(-r));
		return 0;
	}
	if (found.netns_cookie != geometry->netns_cookie) {
		log_warning("the pinned state belongs to another network namespace: starting anew");
		attach_remove_all();
		*is_replaced = false;
		return 0;
	}
	keep = what_to_keep(&found, geometry);
	if (keep != KEEP_ALL)
		say_kept(&found, keep);
	if (keep)
		memcpy(geometry->token_keys, found.token_keys, sizeof(geometry->token_keys));
	if (keep & KEEP_SLOTS)
		memcpy(geometry->slot_keys, found.slot_keys, sizeof(geometry->slot_keys));
	*is_replaced = !(keep & KEEP_SLOTS) || !(keep & KEEP_CONNS);
	return keep;
}

static void edge53_bpf_destroyp(struct edge53_bpf **skel)
{
	edge53_bpf__destroy(*skel);
}

/* --- loading ---------------------------------------------------------------------------------- */

static int print_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char text[1024];
	int n = vsnprintf(text, sizeof(text), fmt, ap);

	(void)level;
	while (n > 0 && (size_t)n < sizeof(text) && text[n - 1] == '\n')
		text[--n] = '\0';
	log_debug("%s", text);
	return n;
}

void dataplane_log_libbpf(void)
{
	libbpf_set_print(print_libbpf);
}

/* A kernel may be built without (CONFIG_SYN_COOKIES). */
static bool has_syn_cookies(void)
{
	if (libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_tcp_raw_gen_syncookie_ipv4, NULL))
		return true;
	log_warning("this kernel has no SYN cookies for programs (CONFIG_SYN_COOKIES): tcp_limit.syn_cookies would have no effect");
	return false;
}

static void set_knobs(struct edge53_bpf *skel, const struct edge53_geometry *g,
		      const struct config_limits *limits)
{
	struct edge53_knobs knobs = {
		.udp_timeout_us = (__u32)(limits->udp_timeout_ms * NS_PER_MS >> 10),
		.tcp_half_open_ns = TCP_HALF_OPEN_NS,
		.tcp_idle_ns = TCP_IDLE_NS,
		.tcp_closing_ns = TCP_CLOSING_NS,
		.has_syn_cookies = has_syn_cookies(),
	};

	geometry_fill_knobs(g, &knobs);
	memcpy((void *)&skel->rodata->knobs, &knobs, sizeof(knobs));
}

static int set_sizes(struct edge53_bpf *skel, const struct edge53_geometry *g)
{
	int r = bpf_map__set_max_entries(skel->maps.slots, g->n_cpus * g->slots_per_cpu);

	if (!r)
		r = bpf_map__set_max_entries(skel->maps.conns, g->tcp_connections);
	if (!r)
		r = bpf_map__set_max_entries(skel->maps.conn_by_tuple, 2 * g->tcp_connections);
	if (!r)
		r = bpf_map__set_max_entries(skel->maps.clients, g->n_cpus * g->clients);
	if (!r)
		r = bpf_map__set_max_entries(skel->maps.client_index,
					     g->n_cpus << g->client_bucket_bits);
	return r;
}

/* Maps of the configuration and the flows; not the object's own .rodata. */
static bool is_pinned_kind(const struct bpf_map *map)
{
	return !bpf_map__is_internal(map) || !strcmp(bpf_map__name(map), SAMPLING_SECTION);
}

/*
 * Lets the object use pinned maps. -ENOENT or -EPROTO: one is missing, or of another shape. A table that is missing is
 * one that an older version of the same layout did not have.
 */
static int reuse_pinned(struct edge53_bpf *skel, unsigned int keep)
{
	struct bpf_map *map;
	int r;

	bpf_object__for_each_map(map, skel->obj) {
		_cleanup_(closep) int fd = -1;

		if (!is_pinned_kind(map) || !is_kept(map, keep))
			continue;
		fd = open_pinned(pin_name(map), bpf_map__value_size(map),
				 bpf_map__max_entries(map));
		if (fd == -ENOENT && may_be_missing(map))
			continue;
		if (fd < 0)
			return fd;
		r = bpf_map__reuse_fd(map, fd);
		if (r < 0)
			return r;
	}
	return 0;
}

static int pin_map(const struct bpf_map *map, const char *path)
{
	int r;

	unlink(path);
	if (!bpf_obj_pin(bpf_map__fd(map), path))
		return 0;
	r = -errno;
	log_error("cannot pin %s: %s", path, strerror(-r));
	return r;
}

static int pin_new_map(const struct bpf_map *map)
{
	char path[PINS_PATH_LEN];

	return pin_map(map, pins_new_map_path(pin_name(map), path));
}

static bool is_pinned(const struct bpf_map *map)
{
	char path[PINS_PATH_LEN];

	return !access(pins_map_path(pin_name(map), path), F_OK);
}

/* Tables that an older version did not have. Each is valid by itself. */
static int pin_added(const struct dataplane *dp)
{
	char path[PINS_PATH_LEN];
	struct bpf_map *map;
	int r = 0;

	bpf_object__for_each_map(map, dp->skel->obj) {
		if (!r && is_pinned_kind(map) && !is_pinned(map))
			r = pin_map(map, pins_map_path(pin_name(map), path));
	}
	return r;
}

static bool is_map_of(const char *name, const void *arg)
{
	return !strcmp(name, DATAPLANE_SAMPLING) || bpf_object__find_map_by_name(arg, name);
}

/*
 * Pins what was not there yet. `geometry` is the record that makes a set of maps valid (pins_commit()): a loader that
 * dies in the middle leaves the maps from before, or these.
 */
static int pin_all(const struct dataplane *dp)
{
	struct edge53_bpf *skel = dp->skel;
	int r = pin_new_map(skel->maps.geometry);
	struct bpf_map *map;

	bpf_object__for_each_map(map, skel->obj) {
		bool is_there = is_kept(map, dp->kept) && is_pinned(map);

		if (!r && is_pinned_kind(map) && !is_there && map != skel->maps.geometry)
			r = pin_new_map(map);
	}
	if (!r)
		r = pins_commit(DATAPLANE_COMMIT_RECORD);
	/* What another version had besides. */
	if (!r && !(dp->kept & KEEP_TABLES))
		r = pins_remove_others(is_map_of, skel->obj);
	if (r < 0)
		log_error("cannot pin the maps below %s: %s", pins_root(), strerror(-r));
	return r;
}

static int explain_load_failure(int error)
{
	if (error == -EPERM || error == -EACCES)
		log_error("the kernel refuses to load BPF programs (%s): root, or CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, are needed; if that is given, -v shows the verifier's reason",
			  strerror(-error));
	else if (error == -ENOMEM)
		log_error("not enough memory for the tables of limits.udp_slots, tcp_connections and clients");
	else
		log_error("cannot load the BPF programs: %s; Linux 6.1 or newer with BTF is needed, and -v shows what the kernel says",
			  strerror(-error));
	return error;
}

static int write_loader(const struct dataplane *dp)
{
	__u32 zero = 0;

	return bpf_map_update_elem(bpf_map__fd(dp->skel->maps.loader), &zero, &dp->loader, BPF_ANY)
		       ? -errno
		       : 0;
}

static int write_records(struct dataplane *dp)
{
	struct timespec now;
	__u32 zero = 0;

	clock_gettime(CLOCK_REALTIME, &now);
	dp->loader.pid = (__u32)getpid();
	dp->loader.started_ns = (__u64)now.tv_sec * 1000 * NS_PER_MS + (__u64)now.tv_nsec;
	snprintf(dp->loader.version, sizeof(dp->loader.version), "%s", EDGE53_VERSION);
	if (bpf_map_update_elem(bpf_map__fd(dp->skel->maps.geometry), &zero, &dp->geometry,
				BPF_ANY))
		return -errno;
	return write_loader(dp);
}

int dataplane_note_look(struct dataplane *dp, unsigned long long looked_ns)
{
	dp->loader.looked_ns = looked_ns;
	return write_loader(dp);
}

/* An object with this geometry's sizes and constants, and with the pinned maps that are kept. */
static int open_object(struct dataplane *dp, const struct config_limits *limits)
{
	int r;

	edge53_bpf__destroy(dp->skel);
	dp->skel = edge53_bpf__open();
	if (!dp->skel)
		return -errno;
	set_knobs(dp->skel, &dp->geometry, limits);
	r = set_sizes(dp->skel, &dp->geometry);
	return r ?: reuse_pinned(dp->skel, dp->kept);
}

/* The maps; and the iterator, which no device asks for. */
static int load_maps(struct edge53_bpf *skel)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, skel->obj)
		bpf_program__set_autoload(program, program == skel->progs.text_clients);
	return edge53_bpf__load(skel);
}

static int load(struct dataplane *dp, const struct config_limits *limits)
{
	int r;

	pins_recover(DATAPLANE_COMMIT_RECORD);
	dp->kept = adopt(&dp->geometry, &dp->replaces_flows);
	r = open_object(dp, limits);
	if (r < 0 && dp->kept) {
		log_warning("the pinned maps are not whole (%s): starting anew", strerror(-r));
		dp->kept = 0;
		dp->replaces_flows = true;
		r = make_slot_keys(&dp->geometry) ?: open_object(dp, limits);
	}
	if (!r)
		r = load_maps(dp->skel);
	if (r < 0)
		return explain_load_failure(r);
	r = write_records(dp);
	if (!r)
		log_info(dp->kept == KEEP_ALL ? "adopted the running dataplane" :
						"loaded a new dataplane");
	return r;
}

/* Nothing depends on it, so a kernel without iterators is no reason to give up. */
static void pin_text(const struct dataplane *dp)
{
	int r = text_pin("clients", bpf_program__fd(dp->skel->progs.text_clients),
			 bpf_map__fd(dp->skel->maps.clients));

	if (r < 0)
		log_warning("the clients cannot be pinned as text: %s", strerror(-r));
}

int dataplane_commit(struct dataplane *dp)
{
	int r = dp->kept == KEEP_ALL ? pin_added(dp) : pin_all(dp);

	if (r < 0)
		return r;
	dp->kept = KEEP_ALL;
	pin_text(dp);
	return 0;
}

bool dataplane_replaces_flows(const struct dataplane *dp)
{
	return dp->replaces_flows;
}

void dataplane_forget_old(const struct dataplane *dp)
{
	program_pins_keep(dp->programs, PROGRAM_COUNT);
}

static struct tables_fds table_fds(const struct edge53_bpf *skel)
{
	return (struct tables_fds){
		.frontends = bpf_map__fd(skel->maps.frontends),
		.revision = bpf_map__fd(skel->maps.revision),
		.services = bpf_map__fd(skel->maps.services),
		.backends = bpf_map__fd(skel->maps.backends),
		.devices = bpf_map__fd(skel->maps.devices),
		.exempt = bpf_map__fd(skel->maps.exempt),
		.doh = bpf_map__fd(skel->maps.doh),
		.keep_source = bpf_map__fd(skel->maps.keep_source),
		.rate_limits = bpf_map__fd(skel->maps.rate_limits),
		.tcp_limits = bpf_map__fd(skel->maps.tcp_limits),
		.response_limits = bpf_map__fd(skel->maps.response_limits),
		.returns = bpf_map__fd(skel->maps.returns),
		.returns_by_device = bpf_map__fd(skel->maps.returns_by_device),
		.guard = bpf_map__fd(skel->maps.guard),
	};
}

int dataplane_open(const struct config_limits *limits, struct dataplane **ret)
{
	_cleanup_(dataplane_closep) struct dataplane *dp = calloc(1, sizeof(*dp));
	struct tables_fds fds;
	int r;

	if (!dp)
		return -ENOMEM;
	dataplane_log_libbpf();
	r = make_geometry(limits, &dp->geometry);
	if (!r)
		r = check_geometry(&dp->geometry);
	if (!r)
		r = load(dp, limits);
	if (r < 0)
		return r;
	fds = table_fds(dp->skel);
	r = tables_open(&fds, &dp->tables);
	if (r < 0)
		return r;
	*ret = take_ptr(dp);
	return 0;
}

void dataplane_close(struct dataplane *dp)
{
	if (!dp)
		return;
	tables_free(dp->tables);
	for (int i = 0; i < PROGRAM_COUNT; i++)
		if (dp->programs[i] > 0)
			close(dp->programs[i]);
	edge53_bpf__destroy(dp->skel);
	free(dp);
}

struct dataplane_samples dataplane_samples(const struct dataplane *dp)
{
	return (struct dataplane_samples){
		.sampling = bpf_map__fd(dp->skel->maps.data_sampling),
		.events = bpf_map__fd(dp->skel->maps.dnstap_events),
		.dnstap = bpf_map__fd(dp->skel->maps.dnstap),
		.client_prefix = dp->geometry.client_prefix,
	};
}

/* --- programs: each is loaded when it is first wanted, as the verifier takes a while for each ------------------ */

static const char *const program_names[PROGRAM_COUNT] = {
	[PROGRAM_EDGE_XDP] = "edge_xdp",
	[PROGRAM_EDGE_XDP_GENERIC] = "edge_xdp_generic",
	[PROGRAM_EDGE_TC_L2] = "edge_tc_l2",
	[PROGRAM_EDGE_TC_L2_CHECKED] = "edge_tc_l2_checked",
	[PROGRAM_EDGE_TC_L3] = "edge_tc_l3",
	[PROGRAM_ENFORCE_IN_L2] = "enforce_in_l2",
	[PROGRAM_ENFORCE_IN_L3] = "enforce_in_l3",
	[PROGRAM_ENFORCE_OUT_L2] = "enforce_out_l2",
	[PROGRAM_ENFORCE_OUT_L3] = "enforce_out_l3",
	[PROGRAM_GUARD_OUT_L2] = "guard_out_l2",
	[PROGRAM_GUARD_OUT_L3] = "guard_out_l3",
	[PROGRAM_RETURN_IN_L2] = "return_in_l2",
	[PROGRAM_RETURN_IN_L3] = "return_in_l3",
	[PROGRAM_RETURN_OUT_L2] = "return_out_l2",
	[PROGRAM_RETURN_OUT_L3] = "return_out_l3",
};

/* An object that has the maps of this one, constants included. */
static int share_maps(const struct edge53_bpf *with, struct edge53_bpf *skel)
{
	struct bpf_map *map;
	int r = 0;

	bpf_object__for_each_map(map, skel->obj) {
		const struct bpf_map *live =
			bpf_object__find_map_by_name(with->obj, bpf_map__name(map));

		if (!r && bpf_map__fd(live) >= 0)
			r = bpf_map__reuse_fd(map, bpf_map__fd(live));
	}
	return r;
}

/* It is found by its pin. */
static int keep_program(int program_fd, int *ret)
{
	_cleanup_(closep) int fd = fcntl(program_fd, F_DUPFD_CLOEXEC, 3);
	int r = fd < 0 ? -errno : program_pins_add(&fd, 1);

	if (r < 0) {
		log_error("cannot pin the programs below %s: %s", pins_root(), strerror(-r));
		return r;
	}
	*ret = take_fd(&fd);
	return 0;
}

/* Puts the descriptors of those that are wanted (1 << enum attach_program) into programs. Says what is wrong. */
static int load_programs(const struct dataplane *dp, unsigned int wanted, int programs[])
{
	_cleanup_(edge53_bpf_destroyp) struct edge53_bpf *skel = edge53_bpf__open();
	struct bpf_program *program, *of[PROGRAM_COUNT] = {};
	int r;

	if (!skel)
		return explain_load_failure(-errno);
	bpf_object__for_each_program(program, skel->obj)
		bpf_program__set_autoload(program, false);
	for (int i = 0; i < PROGRAM_COUNT; i++) {
		if (!(wanted & 1u << i))
			continue;
		of[i] = bpf_object__find_program_by_name(skel->obj, program_names[i]);
		bpf_program__set_autoload(of[i], true);
	}
	r = share_maps(dp->skel, skel) ?: edge53_bpf__load(skel);
	if (r < 0)
		return explain_load_failure(r);
	for (int i = 0; i < PROGRAM_COUNT && !r; i++)
		if (of[i])
			r = keep_program(bpf_program__fd(of[i]), &programs[i]);
	return r;
}

int dataplane_load(struct dataplane *dp, unsigned int wanted)
{
	for (int i = 0; i < PROGRAM_COUNT; i++)
		if (dp->programs[i])
			wanted &= ~(1u << i);
	return wanted ? load_programs(dp, wanted, dp->programs) : 0;
}

/* What the verifier has refused it will refuse again. */
static bool may_go_well_later(int error)
{
	return error == -ENOMEM || error == -EMFILE || error == -ENFILE || error == -EAGAIN ||
	       error == -EINTR;
}

static int get_program(void *arg, enum attach_program which)
{
	struct dataplane *dp = arg;
	int r = dataplane_load(dp, 1u << which);

	if (r < 0 && !may_go_well_later(r))
		dp->programs[which] = r;
	return r < 0 ? r : dp->programs[which];
}

struct attach_programs dataplane_programs(struct dataplane *dp)
{
	return (struct attach_programs){ .get = get_program, .arg = dp };
}

unsigned long long dataplane_memory(const struct dataplane *dp)
{
	const struct edge53_geometry *g = &dp->geometry;

	return slots_bytes(g) + clients_bytes(g) +
	       (unsigned long long)g->tcp_connections *
		       (sizeof(struct edge53_conn) + 2 * sizeof(struct edge53_tuple));
}

/* --- return_peers: large, and there only while something is returned -------------------------- */

static bool has_returns(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_services; i++)
		if (plan->services[i].kind == EDGE53_SERVICE_RETURN)
			return true;
	return false;
}

static int add_return_peers(int outer_fd, __u32 which)
{
	static const struct {
		const char *name;
		unsigned int max_entries;
	} maps[EDGE53_RETURN_MAPS] = {
		[EDGE53_RETURN_UDP] = { "return_udp", EDGE53_MAX_RETURN_UDP_PEERS },
		[EDGE53_RETURN_TCP] = { "return_tcp", EDGE53_MAX_RETURN_TCP_PEERS },
	};
	_cleanup_(closep) int fd =
		bpf_map_create(BPF_MAP_TYPE_LRU_HASH, maps[which].name,
			       sizeof(struct edge53_return_peer_key),
			       sizeof(struct edge53_return_peer), maps[which].max_entries, NULL);

	return fd < 0 || bpf_map_update_elem(outer_fd, &which, &fd, BPF_ANY) ? -errno : 0;
}

/* Clients that are known stay known when the loader changes: what is there is kept. */
static int sync_return_peers(struct dataplane *dp, bool wanted)
{
	int outer_fd = bpf_map__fd(dp->skel->maps.return_peers), r = 0;
	__u32 id;

	for (__u32 which = 0; which < EDGE53_RETURN_MAPS && !r; which++) {
		bool is_there = !bpf_map_lookup_elem(outer_fd, &which, &id);

		if (wanted && !is_there)
			r = add_return_peers(outer_fd, which);
		else if (!wanted && is_there)
			r = bpf_map_delete_elem(outer_fd, &which) ? -errno : 0;
	}
	if (r < 0)
		log_error("cannot make the tables of `return`: %s", strerror(-r));
	return r;
}

/* --- health ----------------------------------------------------------------------------------- */

unsigned int dataplane_find_backend(const struct dataplane *dp, const struct plan_service *service,
				    const struct plan_backend *backend)
{
	return tables_find_backend(dp->tables, service, backend);
}

int dataplane_read_health(const struct dataplane *dp, unsigned int backend,
			  struct edge53_health *ret)
{
	__u32 id = backend;

	return bpf_map_lookup_elem(bpf_map__fd(dp->skel->maps.health), &id, ret) ? -errno : 0;
}

int dataplane_write_health(struct dataplane *dp, unsigned int backend,
			   const struct edge53_health *health)
{
	__u32 id = backend;

	return bpf_map_update_elem(bpf_map__fd(dp->skel->maps.health), &id, health, BPF_ANY) ?
		       -errno :
		       0;
}

/* struct edge53_traffic is nothing but __u64. */
int dataplane_read_traffic(const struct dataplane *dp, unsigned int backend,
			   struct edge53_traffic *ret)
{
	_cleanup_(freep) struct edge53_backend_counters *counters =
		calloc(dp->geometry.n_cpus, sizeof(*counters));
	__u64 *to = (__u64 *)ret;
	__u32 id = backend;

	if (!counters)
		return -ENOMEM;
	if (bpf_map_lookup_elem(bpf_map__fd(dp->skel->maps.backend_counters), &id, counters))
		return -errno;
	memset(ret, 0, sizeof(*ret));
	for (unsigned int cpu = 0; cpu < dp->geometry.n_cpus; cpu++)
		for (size_t i = 0; i < sizeof(*ret) / sizeof(*to); i++)
			to[i] += ((const __u64 *)&counters[cpu].traffic)[i];
	return 0;
}

int dataplane_sync(struct dataplane *dp, const struct plan *plan,
		   const struct attachments *attachments)
{
	return sync_return_peers(dp, has_returns(plan))
		       ?: tables_sync(dp->tables, plan, attachments);
}

bool dataplane_passes(const struct dataplane *dp, const struct plan_service *service)
{
	return tables_pass(dp->tables, service);
}

int dataplane_sync_guard(struct dataplane *dp, const struct plan *plan,
			 const struct attachments *attachments)
{
	return tables_sync_guard(dp->tables, plan, attachments);
}
