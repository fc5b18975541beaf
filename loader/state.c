// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a loaded dataplane says about itself, read from its pinned maps and from nothing else.
 *
 * The dataplane writes while we read. Tables of the plan are copied once, at open; what is walked
 * (slots, connections, clients) is taken entry by entry, each whole or not at all.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../bpf/token.h"
#include "clients.h"
#include "geometry.h"
#include "log.h"
#include "pins.h"
#include "ring_age.h"
#include "state.h"

#define BATCH_ENTRIES 256
#define MAX_KEY_SIZE 64
#define READ_ATTEMPTS 8 /* of an entry that changes under our eyes */

enum state_map {
	MAP_LOADER,
	MAP_FRONTENDS,
	MAP_SERVICES,
	MAP_BACKENDS,
	MAP_DEVICES,
	MAP_SLOTS,
	MAP_CONNS,
	MAP_CLIENTS,
	MAP_BACKEND_COUNTERS,
	MAP_REASONS,
	MAP_CPU_STATE,
	MAP_GUARD,
	MAP_RETURNS,
	MAP_RETURNS_BY_DEVICE,
	MAP_HEALTH,
	MAP_SAMPLE_COUNTERS,
	MAP_DNSTAP,
	MAP_RATE_LIMITS,
	MAP_RESPONSE_LIMITS,
	MAP_COUNT,
};

static const struct map_shape {
	const char *name;
	size_t key_size;
	size_t value_size;
	bool is_mapped; /* mmap() even for reading wants a descriptor that could write (else EINVAL) */
	bool is_optional; /* older versions of the layout did not have it */
} map_shapes[MAP_COUNT] = {
	[MAP_LOADER] = { "loader", sizeof(__u32), sizeof(struct edge53_loader), false },
	[MAP_FRONTENDS] = { "frontends", sizeof(struct edge53_frontend_key),
			    sizeof(struct edge53_frontend), false },
	[MAP_SERVICES] = { "services", sizeof(__u32), sizeof(struct edge53_service), false },
	[MAP_BACKENDS] = { "backends", sizeof(__u32), sizeof(struct edge53_backend), false },
	[MAP_DEVICES] = { "devices", sizeof(__u32), sizeof(struct edge53_device), false },
	[MAP_SLOTS] = { "slots", sizeof(__u32), sizeof(struct edge53_slot), true },
	[MAP_CONNS] = { "conns", sizeof(__u32), sizeof(struct edge53_conn), true },
	[MAP_CLIENTS] = { "clients", sizeof(__u32), sizeof(struct edge53_client), true },
	[MAP_BACKEND_COUNTERS] = { "backend_counters", sizeof(__u32),
				   sizeof(struct edge53_backend_counters), false },
	[MAP_REASONS] = { "reasons", sizeof(__u32), sizeof(__u64), false },
	[MAP_CPU_STATE] = { "cpu_state", sizeof(__u32), sizeof(struct edge53_cpu_state), false },
	[MAP_GUARD] = { "guard", sizeof(__u32), sizeof(struct edge53_guard), false },
	[MAP_RETURNS] = { "returns", sizeof(__u32), sizeof(struct edge53_return), false },
	[MAP_RETURNS_BY_DEVICE] = { "returns_by_device", sizeof(struct edge53_return_key),
				    sizeof(__u32), false },
	[MAP_HEALTH] = { "health", sizeof(__u32), sizeof(struct edge53_health), false },
	[MAP_SAMPLE_COUNTERS] = { "sample_counters", sizeof(__u32),
				  sizeof(struct edge53_sample_counters), false, true },
	[MAP_DNSTAP] = { "dnstap", sizeof(__u32), sizeof(struct edge53_dnstap), false, true },
	[MAP_RATE_LIMITS] = { "rate_limits", sizeof(__u32), sizeof(struct edge53_rate_limit), false,
			      true },
	[MAP_RESPONSE_LIMITS] = { "response_limits", sizeof(__u32),
				  sizeof(struct edge53_response_limit), false, true },
};

struct map {
	int fd;
	__u32 max_entries;
};

struct state {
	struct map maps[MAP_COUNT];
	struct edge53_geometry geometry;
	struct edge53_knobs knobs; /* only what token.h looks at */
	struct edge53_loader loader;
	size_t n_cpus; /* possible ones, as per-CPU values are laid out */
	struct edge53_service services[EDGE53_MAX_SERVICES];
	struct edge53_backend backends[EDGE53_MAX_BACKENDS];
	struct edge53_device devices[EDGE53_MAX_DEVICES];
	struct edge53_return returns[EDGE53_MAX_SERVICES];
	struct edge53_health health[EDGE53_MAX_BACKENDS];
	struct edge53_rate_limit rate_limits[EDGE53_MAX_SERVICES];
	struct edge53_response_limit response_limits[EDGE53_MAX_SERVICES];
};

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (__u64)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* --- opening ---------------------------------------------------------------------------------- */

static int open_pinned(const char *name, __u32 file_flags, struct bpf_map_info *info)
{
	LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = file_flags);
	char path[PINS_PATH_LEN];
	__u32 info_len = sizeof(*info);
	int fd, r;

	memset(info, 0, sizeof(*info));
	fd = bpf_obj_get_opts(pins_map_path(name, path), &opts);
	if (fd < 0)
		return -errno;
	r = bpf_obj_get_info_by_fd(fd, info, &info_len);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

/*
 * The version decides whether anything else may be read, so the value is read in whatever size it
 * has. All zero: a loader has made the map and not written it yet, which is as good as not loaded.
 */
static int read_geometry(struct edge53_geometry *ret)
{
	_cleanup_(closep) int fd = -1;
	_cleanup_(freep) char *value = NULL;
	struct bpf_map_info info;
	__u32 zero = 0;
	int r;

	fd = open_pinned("geometry", BPF_F_RDONLY, &info);
	if (fd < 0)
		return fd;
	if (info.key_size != sizeof(zero) || info.value_size < sizeof(__u32)) {
		log_error("%s/geometry is not a map of edge53", pins_root());
		return -EPROTO;
	}
	value = calloc(1, info.value_size + sizeof(*ret));
	if (!value)
		return -ENOMEM;
	r = bpf_map_lookup_elem(fd, &zero, value);
	if (r < 0)
		return r;
	memcpy(ret, value, sizeof(*ret));
	if (!ret->layout_version)
		return -ENOENT;
	if (ret->layout_version != EDGE53_LAYOUT_VERSION || info.value_size != sizeof(*ret)) {
		log_error(
			"the dataplane in %s has state of layout %u, this edge53 reads layout %u: "
			"use the edge53 that loaded it, or `edge53 down` and `edge53 run` again",
			pins_root(), ret->layout_version, EDGE53_LAYOUT_VERSION);
		return -EPROTO;
	}
	return 0;
}

static int open_map(struct map *map, const struct map_shape *shape)
{
	struct bpf_map_info info;

	map->fd = open_pinned(shape->name, shape->is_mapped ? 0 : BPF_F_RDONLY, &info);
	if (map->fd == -ENOENT && shape->is_optional)
		return 0;
	if (map->fd == -ENOENT) {
		log_error("%s has no map `%s`: the state there is incomplete; try `edge53 down`",
			  pins_root(), shape->name);
		return -EPROTO;
	}
	if (map->fd < 0)
		return map->fd;
	if (info.key_size != shape->key_size || info.value_size != shape->value_size) {
		log_error(
			"map `%s` in %s has keys of %u and values of %u bytes, expected %zu and %zu",
			shape->name, pins_root(), info.key_size, info.value_size, shape->key_size,
			shape->value_size);
		return -EPROTO;
	}
	map->max_entries = info.max_entries;
	return 0;
}

/* Copies an array map; entries that the map does not have stay zero, that is, unused. */
static int read_array(const struct map *map, void *values, __u32 n_values)
{
	_cleanup_(freep) __u32 *keys = calloc(n_values, sizeof(*keys));
	__u32 n = n_values, next;
	int r;

	if (!keys)
		return -ENOMEM;
	r = bpf_map_lookup_batch(map->fd, NULL, &next, keys, values, &n, NULL);
	return r == -ENOENT ? 0 : r; /* ENOENT: that was the last one */
}

/* What state_walk_*() rely on: the arrays are as long as the geometry says, and bits fit. */
static int check_geometry(const struct state *state)
{
	const struct edge53_geometry *g = &state->geometry;
	__u64 n_slots = (__u64)g->n_cpus * g->slots_per_cpu;
	__u64 n_clients = (__u64)g->n_cpus * g->clients;

	if (n_slots && n_slots == state->maps[MAP_SLOTS].max_entries &&
	    n_clients == state->maps[MAP_CLIENTS].max_entries &&
	    g->tcp_connections <= state->maps[MAP_CONNS].max_entries && g->port_bits >= 1 &&
	    g->port_bits <= 16)
		return 0;
	log_error("the geometry in %s contradicts its maps; try `edge53 down`", pins_root());
	return -EPROTO;
}

/* The same for one that older versions did not have. */
static int read_newer_array(const struct map *map, void *values, __u32 n_values)
{
	return map->fd < 0 ? 0 : read_array(map, values, n_values);
}

static int read_plan(struct state *state)
{
	int r;

	r = read_array(&state->maps[MAP_SERVICES], state->services, EDGE53_MAX_SERVICES);
	if (r < 0)
		return r;
	r = read_array(&state->maps[MAP_BACKENDS], state->backends, EDGE53_MAX_BACKENDS);
	if (r < 0)
		return r;
	r = read_array(&state->maps[MAP_DEVICES], state->devices, EDGE53_MAX_DEVICES);
	if (r < 0)
		return r;
	r = read_array(&state->maps[MAP_RETURNS], state->returns, EDGE53_MAX_SERVICES);
	if (r < 0)
		return r;
	r = read_array(&state->maps[MAP_HEALTH], state->health, EDGE53_MAX_BACKENDS);
	if (r < 0)
		return r;
	r = read_newer_array(&state->maps[MAP_RATE_LIMITS], state->rate_limits, EDGE53_MAX_SERVICES);
	if (r < 0)
		return r;
	r = read_newer_array(&state->maps[MAP_RESPONSE_LIMITS], state->response_limits,
			     EDGE53_MAX_SERVICES);
	if (r < 0)
		return r;
	return read_array(&state->maps[MAP_LOADER], &state->loader, 1);
}

int state_open(struct state **ret)
{
	_cleanup_(state_closep) struct state *state = calloc(1, sizeof(*state));
	int n_cpus = libbpf_num_possible_cpus();
	int r;

	if (!state)
		return -ENOMEM;
	for (size_t i = 0; i < MAP_COUNT; i++)
		state->maps[i].fd = -1;
	if (n_cpus < 0)
		return n_cpus;
	state->n_cpus = n_cpus;
	r = read_geometry(&state->geometry);
	if (r < 0)
		return r;
	for (size_t i = 0; i < MAP_COUNT; i++) {
		r = open_map(&state->maps[i], &map_shapes[i]);
		if (r < 0)
			return r;
	}
	r = check_geometry(state);
	if (r < 0)
		return r;
	geometry_fill_knobs(&state->geometry, &state->knobs);
	r = read_plan(state);
	if (r < 0)
		return r;
	*ret = take_ptr(state);
	return 0;
}

void state_close(struct state *state)
{
	if (!state)
		return;
	for (size_t i = 0; i < MAP_COUNT; i++)
		closep(&state->maps[i].fd);
	free(state);
}

/* --- the plan --------------------------------------------------------------------------------- */

const struct edge53_geometry *state_geometry(const struct state *state)
{
	return &state->geometry;
}

const struct edge53_loader *state_loader(const struct state *state)
{
	return &state->loader;
}

bool state_has_loader(const struct state *state, unsigned int *pid)
{
	int holder = pins_lock_holder();

	*pid = holder > 0 ? (unsigned int)holder : state->loader.pid;
	return pins_is_locked() > 0;
}

const struct edge53_service *state_service(struct state *state, unsigned int id)
{
	if (id >= EDGE53_MAX_SERVICES || !state->services[id].kind)
		return NULL;
	return &state->services[id];
}

unsigned int state_tunnel(struct state *state, unsigned int id)
{
	return id < EDGE53_MAX_SERVICES ? state->returns[id].ifindex : 0;
}

const struct edge53_rate_limit *state_rate_limit(struct state *state, unsigned int id)
{
	const struct edge53_service *service = state_service(state, id);

	if (!service || !(service->flags & EDGE53_SERVICE_RATE_LIMIT) ||
	    !state->rate_limits[id].interval_ns)
		return NULL;
	return &state->rate_limits[id];
}

const struct edge53_response_limit *state_response_limit(struct state *state, unsigned int id)
{
	const struct edge53_service *service = state_service(state, id);

	if (!service || !(service->flags & EDGE53_SERVICE_RESPONSE_LIMIT) ||
	    !state->response_limits[id].interval_ns)
		return NULL;
	return &state->response_limits[id];
}

const struct edge53_backend *state_flow_backend(struct state *state, unsigned int id)
{
	if (id >= EDGE53_MAX_BACKENDS || !state->backends[id].service)
		return NULL;
	return &state->backends[id];
}

const struct edge53_backend *state_backend(struct state *state, unsigned int id)
{
	const struct edge53_backend *backend = state_flow_backend(state, id);

	return backend && !(backend->flags & EDGE53_BACKEND_REMOVED) ? backend : NULL;
}

const struct edge53_health *state_health(const struct state *state, unsigned int backend)
{
	return &state->health[backend < EDGE53_MAX_BACKENDS ? backend : 0];
}

/* A device that is gone keeps its name, and its id while flows may refer to it. */
const struct edge53_device *state_device(struct state *state, unsigned int id)
{
	if (id >= EDGE53_MAX_DEVICES || !state->devices[id].name[0])
		return NULL;
	return &state->devices[id];
}

/* --- hash tables that change meanwhile -------------------------------------------------------- */

typedef int (*entry_fn)(const void *key, const void *value, void *arg);

static int compare_keys(const void *a, const void *b, void *key_size)
{
	return memcmp(a, b, *(size_t *)key_size);
}

/*
 * For kernels without batches. When the key just read is deleted, get_next_key begins anew, so keys
 * come twice: they are collected first, up to twice the size of the table, and sorted.
 */
static int for_each_key(const struct map *map, size_t key_size, size_t value_size, entry_fn fn,
			void *arg)
{
	size_t limit = (size_t)map->max_entries * 2, n = 0;
	_cleanup_(freep) char *keys = calloc(limit, key_size);
	_cleanup_(freep) void *value = malloc(value_size);
	int r = 0;

	if (!keys || !value)
		return -ENOMEM;
	for (; n < limit; n++) {
		r = bpf_map_get_next_key(map->fd, n ? keys + (n - 1) * key_size : NULL,
					 keys + n * key_size);
		if (r < 0)
			break;
	}
	if (r < 0 && r != -ENOENT)
		return r;
	qsort_r(keys, n, key_size, compare_keys, &key_size);
	for (size_t i = 0; i < n; i++) {
		const char *key = keys + i * key_size;

		if (i && !memcmp(key, key - key_size, key_size))
			continue;
		r = bpf_map_lookup_elem(map->fd, key, value);
		if (r == -ENOENT)
			continue; /* deleted in between */
		r = r ?: fn(key, value, arg);
		if (r)
			return r;
	}
	return 0;
}

struct batch {
	__u32 capacity;
	char *keys;
	char *values;
};

static void batch_clear(struct batch *batch)
{
	free(batch->keys);
	free(batch->values);
	batch->keys = batch->values = NULL;
}

static int batch_size(struct batch *batch, __u32 capacity, size_t key_size, size_t value_size)
{
	batch_clear(batch);
	batch->capacity = capacity;
	batch->keys = calloc(capacity, key_size);
	batch->values = calloc(capacity, value_size);
	return batch->keys && batch->values ? 0 : -ENOMEM;
}

/* The kernel reads a bucket under its lock and never the same one twice: no entry comes twice. */
static int for_each_entry(const struct map *map, size_t key_size, size_t value_size, entry_fn fn,
			  void *arg)
{
	_cleanup_(batch_clear) struct batch batch = { 0 };
	char position[MAX_KEY_SIZE] = { 0 }, next[MAX_KEY_SIZE] = { 0 };
	bool is_first = true;
	int r, called;

	r = batch_size(&batch, BATCH_ENTRIES, key_size, value_size);
	while (r == 0) {
		__u32 n = batch.capacity;

		r = bpf_map_lookup_batch(map->fd, is_first ? NULL : position, next, batch.keys,
					 batch.values, &n, NULL);
		if (r == -ENOSPC) { /* one bucket is larger than the whole batch */
			r = batch_size(&batch, batch.capacity * 2, key_size, value_size);
			continue;
		}
		if (r == -EAGAIN || r == -EINTR) {
			r = 0;
			continue;
		}
		if (r < 0 && r != -ENOENT)
			return is_first ? for_each_key(map, key_size, value_size, fn, arg) : r;
		for (__u32 i = 0; i < n; i++) {
			called = fn(batch.keys + i * key_size, batch.values + i * value_size, arg);
			if (called)
				return called;
		}
		memcpy(position, next, sizeof(position));
		is_first = false;
	}
	return r == -ENOENT ? 0 : r; /* ENOENT: that was the end of the table */
}

struct frontend_walk {
	state_frontend_fn fn;
	void *arg;
};

static int call_frontend(const void *key, const void *value, void *arg)
{
	const struct frontend_walk *walk = arg;

	return walk->fn(key, value, walk->arg);
}

int state_walk_frontends(struct state *state, state_frontend_fn fn, void *arg)
{
	struct frontend_walk walk = { .fn = fn, .arg = arg };

	return for_each_entry(&state->maps[MAP_FRONTENDS], sizeof(struct edge53_frontend_key),
			      sizeof(struct edge53_frontend), call_frontend, &walk);
}

struct guard_walk {
	state_guard_fn fn;
	void *arg;
};

static int call_guard(const void *key, const void *value, void *arg)
{
	const struct guard_walk *walk = arg;
	__u32 ifindex;

	memcpy(&ifindex, key, sizeof(ifindex));
	return walk->fn(ifindex, value, walk->arg);
}

int state_walk_guard(struct state *state, state_guard_fn fn, void *arg)
{
	struct guard_walk walk = { .fn = fn, .arg = arg };

	return for_each_entry(&state->maps[MAP_GUARD], sizeof(__u32), sizeof(struct edge53_guard),
			      call_guard, &walk);
}

struct return_walk {
	state_return_fn fn;
	void *arg;
};

static int call_return(const void *key, const void *value, void *arg)
{
	const struct return_walk *walk = arg;
	__u32 service;

	memcpy(&service, value, sizeof(service));
	return walk->fn(key, service, walk->arg);
}

int state_walk_returns(struct state *state, state_return_fn fn, void *arg)
{
	struct return_walk walk = { .fn = fn, .arg = arg };

	return for_each_entry(&state->maps[MAP_RETURNS_BY_DEVICE],
			      sizeof(struct edge53_return_key), sizeof(__u32), call_return, &walk);
}

/* --- counters --------------------------------------------------------------------------------- */

/* struct edge53_traffic and the like are nothing but __u64, so one loop adds them all. */
static void add_counters(__u64 *sum, const __u64 *value, size_t bytes)
{
	for (size_t i = 0; i < bytes / sizeof(*sum); i++)
		sum[i] += value[i];
}

static size_t per_cpu_size(size_t value_size)
{
	return (value_size + 7) / 8 * 8; /* the kernel's layout */
}

/* All CPUs' values of one entry of a per-CPU array, in *ret (to be freed). */
static int read_per_cpu(struct state *state, enum state_map which, __u32 key, void **ret)
{
	size_t stride = per_cpu_size(map_shapes[which].value_size);
	_cleanup_(freep) void *values = calloc(state->n_cpus, stride);
	int r;

	if (!values)
		return -ENOMEM;
	r = bpf_map_lookup_elem(state->maps[which].fd, &key, values);
	if (r < 0)
		return r;
	*ret = take_ptr(values);
	return 0;
}

int state_backend_counters(struct state *state, unsigned int id,
			   struct edge53_backend_counters *ret)
{
	_cleanup_(freep) void *values = NULL;
	const struct edge53_backend_counters *value;
	int r;

	r = read_per_cpu(state, MAP_BACKEND_COUNTERS, id, &values);
	if (r < 0)
		return r;
	memset(ret, 0, sizeof(*ret));
	value = values;
	for (size_t cpu = 0; cpu < state->n_cpus; cpu++)
		add_counters((__u64 *)ret, (const __u64 *)&value[cpu], sizeof(*ret));
	return 0;
}

int state_reason_count(struct state *state, unsigned int service, enum edge53_reason reason,
		       unsigned long long *ret)
{
	_cleanup_(freep) void *values = NULL;
	const __u64 *value;
	int r;

	r = read_per_cpu(state, MAP_REASONS, service * EDGE53_REASONS_PER_SERVICE + reason,
			 &values);
	if (r < 0)
		return r;
	*ret = 0;
	value = values;
	for (size_t cpu = 0; cpu < state->n_cpus; cpu++)
		*ret += value[cpu];
	return 0;
}

/* Zero means "never" and does not count as the smallest. */
static __u64 min_nonzero(__u64 a, __u64 b)
{
	if (!a || !b)
		return a | b;
	return a < b ? a : b;
}

int state_cpu_totals(struct state *state, struct edge53_cpu_state *ret,
		     unsigned long long *overwritten)
{
	_cleanup_(freep) void *values = NULL;
	const struct edge53_cpu_state *value;
	unsigned long long n_overwritten = 0;
	int r;

	r = read_per_cpu(state, MAP_CPU_STATE, 0, &values);
	if (r < 0)
		return r;
	memset(ret, 0, sizeof(*ret));
	value = values;
	for (size_t cpu = 0; cpu < state->n_cpus; cpu++) {
		const struct edge53_cpu_state *v = &value[cpu];

		ret->next_slot += v->next_slot;
		n_overwritten += ring_overwritten(v, state->geometry.slots_per_cpu);
		ret->unanswered += v->unanswered;
		ret->refusals_suppressed += v->refusals_suppressed;
		ret->clients_used += v->clients_used;
		ret->clients_evicted += v->clients_evicted;
		ret->clients_not_counted += v->clients_not_counted;
		add_counters((__u64 *)&ret->others, (const __u64 *)&v->others,
			     sizeof(ret->others));
		ret->overwritten_age_us = (__u32)min_nonzero(
			ret->overwritten_age_us, ring_age_us(v, state->geometry.slots_per_cpu));
	}
	if (overwritten)
		*overwritten = n_overwritten;
	return 0;
}

int state_sample_counters(struct state *state, enum edge53_sample_reader reader,
			  struct edge53_sample_counters *ret)
{
	_cleanup_(freep) void *values = NULL;
	const struct edge53_sample_counters *value;
	int r;

	memset(ret, 0, sizeof(*ret));
	if (state->maps[MAP_SAMPLE_COUNTERS].fd < 0)
		return -ENOENT;
	r = read_per_cpu(state, MAP_SAMPLE_COUNTERS, reader, &values);
	if (r < 0)
		return r;
	value = values;
	for (size_t cpu = 0; cpu < state->n_cpus; cpu++)
		add_counters((__u64 *)ret, (const __u64 *)&value[cpu], sizeof(*ret));
	return 0;
}

int state_dnstap(struct state *state, struct edge53_dnstap *ret)
{
	if (state->maps[MAP_DNSTAP].fd < 0)
		return -ENOENT;
	return read_array(&state->maps[MAP_DNSTAP], ret, 1);
}

static int open_for_reader(const char *name)
{
	struct bpf_map_info info;

	return open_pinned(name, 0, &info);
}

int state_open_names(int *events_fd, int *sampling_fd)
{
	_cleanup_(closep) int events = open_for_reader("names_events");

	if (events < 0)
		return events;
	*sampling_fd = open_for_reader("sampling");
	if (*sampling_fd < 0)
		return *sampling_fd;
	*events_fd = take_fd(&events);
	return 0;
}

/* --- arrays that are mapped ------------------------------------------------------------------- */

struct mapping {
	void *start;
	size_t len;
};

static void mapping_clear(struct mapping *mapping)
{
	if (mapping->start)
		munmap(mapping->start, mapping->len);
}

static int map_array(const struct map *map, size_t value_size, struct mapping *ret)
{
	size_t page = sysconf(_SC_PAGESIZE);
	size_t len = (map->max_entries * value_size + page - 1) / page * page;
	void *start = mmap(NULL, len, PROT_READ, MAP_SHARED, map->fd, 0);

	if (start == MAP_FAILED)
		return -errno;
	ret->start = start;
	ret->len = len;
	return 0;
}

/* --- clients ---------------------------------------------------------------------------------- */

/* Entries of a CPU's part that are used, the first ones. */
static size_t count_used(const struct state *state, const struct edge53_cpu_state *cpus, size_t cpu)
{
	__u64 used = cpu < state->n_cpus ? cpus[cpu].clients_used : 0;

	return used < state->geometry.clients ? used : state->geometry.clients;
}

static int copy_clients(const struct state *state, const struct edge53_cpu_state *cpus,
			const struct edge53_client *shared, struct edge53_client **ret, size_t *ret_n)
{
	size_t capacity = 0, n = 0;
	struct edge53_client *clients;

	for (size_t cpu = 0; cpu < state->geometry.n_cpus; cpu++)
		capacity += count_used(state, cpus, cpu);
	clients = calloc(capacity + 1, sizeof(*clients)); /* never 0 bytes */
	if (!clients)
		return -ENOMEM;
	for (size_t cpu = 0; cpu < state->geometry.n_cpus; cpu++)
		for (size_t i = 0; i < count_used(state, cpus, cpu); i++)
			n += clients_take(&shared[cpu * state->geometry.clients + i], &clients[n]);
	*ret = clients;
	*ret_n = n;
	return 0;
}

int state_clients(struct state *state, struct edge53_client **ret, size_t *ret_n)
{
	_cleanup_(mapping_clear) struct mapping mapping = { 0 };
	_cleanup_(freep) void *cpus = NULL;
	size_t n;
	int r;

	r = read_per_cpu(state, MAP_CPU_STATE, 0, &cpus);
	if (r < 0)
		return r;
	r = map_array(&state->maps[MAP_CLIENTS], sizeof(struct edge53_client), &mapping);
	if (r < 0)
		return r;
	r = copy_clients(state, cpus, mapping.start, ret, &n);
	if (r < 0)
		return r;
	*ret_n = clients_merge(*ret, n);
	return 0;
}

/* --- flows ------------------------------------------------------------------------------------ */

/* Copies a slot in use, whole; false: it is empty, or the dataplane is busy with it. */
static bool take_slot(const struct edge53_slot *shared, struct edge53_slot *ret)
{
	for (int i = 0; i < READ_ATTEMPTS; i++) {
		__u32 lap = __atomic_load_n(&shared->lap, __ATOMIC_ACQUIRE);

		if (!lap)
			return false;
		memcpy(ret, shared, sizeof(*ret));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&shared->lap, __ATOMIC_RELAXED) == lap) {
			ret->lap = lap;
			return true;
		}
	}
	return false;
}

/*
 * What stands for this slot on the wire: port and DNS ID. The inverse of what a reply goes through.
 */
static void slot_on_wire(const struct edge53_knobs *knobs, __u32 index, __u32 lap,
			 unsigned int *port, unsigned int *id)
{
	__u32 mask = (__u32)(((__u64)1 << (knobs->port_bits + TOKEN_ID_BITS)) - 1);
	__u64 plain = (__u64)(lap >> 1) << knobs->slot_bits | index;
	__u32 token = token_encode(knobs, (__u32)plain & mask);

	*port = knobs->port_base + (token >> TOKEN_ID_BITS);
	*id = token & ((1u << TOKEN_ID_BITS) - 1);
}

/*
 * From the newest slot of a CPU back to the first that is too old: all before it are older still.
 * The 32 bits of opened_us come round every 73 minutes; only a CPU without any query for that long
 * could show an old slot as a young one.
 */
static int walk_ring(struct state *state, const struct edge53_slot *slots, size_t cpu,
		     __u64 next_slot, unsigned long long max_age_us, state_slot_fn fn, void *arg)
{
	__u32 n_slots = state->geometry.slots_per_cpu;
	unsigned int port, id;
	int r;

	for (__u32 i = 1; i <= n_slots; i++) {
		__u32 index = cpu * n_slots + ((next_slot - i) & (n_slots - 1));
		struct edge53_slot slot;
		__u64 age_us;

		if (!take_slot(&slots[index], &slot))
			continue;
		/* Asked for each slot: one opened during the walk must not seem 73 minutes old. */
		age_us = (__u32)((now_ns() >> 10) - slot.opened_us);
		age_us = age_us * 1024 / 1000;
		if (age_us > max_age_us)
			return 0;
		slot_on_wire(&state->knobs, index, slot.lap, &port, &id);
		r = fn(&slot, port, id, age_us, arg);
		if (r)
			return r;
	}
	return 0;
}

int state_walk_slots(struct state *state, unsigned long long max_age_us, state_slot_fn fn,
		     void *arg)
{
	_cleanup_(mapping_clear) struct mapping slots = { 0 };
	_cleanup_(freep) void *values = NULL;
	const struct edge53_cpu_state *cursors;
	int r;

	r = read_per_cpu(state, MAP_CPU_STATE, 0, &values);
	if (r < 0)
		return r;
	r = map_array(&state->maps[MAP_SLOTS], sizeof(struct edge53_slot), &slots);
	if (r < 0)
		return r;
	cursors = values;
	for (size_t cpu = 0; cpu < state->geometry.n_cpus && cpu < state->n_cpus; cpu++) {
		r = walk_ring(state, slots.start, cpu, cursors[cpu].next_slot, max_age_us, fn, arg);
		if (r)
			return r;
	}
	return 0;
}

static bool take_conn(const struct edge53_conn *shared, struct edge53_conn *ret)
{
	for (int i = 0; i < READ_ATTEMPTS; i++) {
		__u32 sequence = __atomic_load_n(&shared->sequence, __ATOMIC_ACQUIRE);

		if (sequence & 1)
			continue;
		memcpy(ret, shared, sizeof(*ret));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&shared->sequence, __ATOMIC_RELAXED) == sequence)
			return ret->state != EDGE53_CONN_FREE;
	}
	return false;
}

int state_walk_conns(struct state *state, state_conn_fn fn, void *arg)
{
	_cleanup_(mapping_clear) struct mapping mapping = { 0 };
	const struct edge53_conn *conns;
	int r;

	r = map_array(&state->maps[MAP_CONNS], sizeof(struct edge53_conn), &mapping);
	if (r < 0)
		return r;
	conns = mapping.start;
	for (__u32 i = 0; i < state->geometry.tcp_connections; i++) {
		struct edge53_conn conn;
		__u64 now;

		if (!take_conn(&conns[i], &conn))
			continue;
		now = now_ns();
		r = fn(&conn, now > conn.seen_ns ? now - conn.seen_ns : 0, arg);
		if (r)
			return r;
	}
	return 0;
}
