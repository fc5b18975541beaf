// SPDX-License-Identifier: GPL-2.0-only
#include "explain_state.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "explain_constants.h"
#include "pins.h"

/* Of all sparse tables together, many times what a packet can need. */
#define SPARSE_MAX 256
#define READ_ATTEMPTS 8 /* of an entry that changes under our eyes */
#define RETURN_PEERS 1024
#define MAX_KEY_SIZE 64

enum how {
	HOW_COPIED, /* whatever is not named below: also what is not known yet */
	HOW_LIVE,   /* written by the loader only */
	HOW_SPARSE,
	HOW_EMPTY, /* counters, which nothing reads, and what can be found again */
	HOW_RETURN_PEERS,
};

static const struct {
	const char *name;
	enum how how;
	enum edge53_sparse sparse;
} hows[] = {
	{ "frontends", HOW_LIVE, 0 },
	{ "revision", HOW_LIVE, 0 },
	{ "services", HOW_LIVE, 0 },
	{ "backends", HOW_LIVE, 0 },
	{ "devices", HOW_LIVE, 0 },
	{ "exempt", HOW_LIVE, 0 },
	{ "doh", HOW_LIVE, 0 },
	{ "keep_source", HOW_LIVE, 0 },
	{ "rate_limits", HOW_LIVE, 0 },
	{ "tcp_limits", HOW_LIVE, 0 },
	{ "response_limits", HOW_LIVE, 0 },
	{ "guard", HOW_LIVE, 0 },
	{ "returns", HOW_LIVE, 0 },
	{ "returns_by_device", HOW_LIVE, 0 },
	{ "health", HOW_LIVE, 0 },
	{ "geometry", HOW_LIVE, 0 },
	{ "loader", HOW_LIVE, 0 },
	{ "dnstap", HOW_LIVE, 0 },
	{ "slots", HOW_SPARSE, EDGE53_SPARSE_slots },
	{ "clients", HOW_SPARSE, EDGE53_SPARSE_clients },
	{ "client_index", HOW_SPARSE, EDGE53_SPARSE_client_index },
	{ "seen_frontends", HOW_EMPTY, 0 },
	{ "backend_counters", HOW_EMPTY, 0 },
	{ "reasons", HOW_EMPTY, 0 },
	{ "sample_counters", HOW_EMPTY, 0 },
	{ "return_peers", HOW_RETURN_PEERS, 0 },
};

/* A private map: its entries as they were taken. */
struct copy {
	struct bpf_map *map; /* of the object */
	int live_fd;
	int fd; /* set when loaded */
	bool is_sparse;
	bool is_hash;
	enum edge53_sparse sparse;
	__u32 max_entries;	     /* of the live map */
	size_t key_size, value_size; /* value_size: of all CPUs where they have their own */
	__u32 n;
	char *keys, *values;
};

struct explain_state {
	struct copy *copies;
	size_t n_copies;
	const struct bpf_map *return_peers;
	int live_return_peers; /* -1: there are none */
};

static int how_of(const struct bpf_map *map, enum edge53_sparse *sparse)
{
	for (size_t i = 0; i < ARRAY_SIZE(hows); i++) {
		if (strcmp(hows[i].name, bpf_map__name(map)))
			continue;
		*sparse = hows[i].sparse;
		return (int)hows[i].how;
	}
	return HOW_COPIED;
}

#define DATA_SECTION ".data." /* of pinned variables; the pin has the rest of the name */

/* NULL: the map is the object's own, as .rodata is. */
static const char *pin_name(const struct bpf_map *map)
{
	const char *name = bpf_map__name(map);

	if (!bpf_map__is_internal(map))
		return name;
	return strncmp(name, DATA_SECTION, strlen(DATA_SECTION)) ? NULL :
								   name + strlen(DATA_SECTION);
}

static int open_live(const struct bpf_map *map, struct bpf_map_info *info)
{
	char path[PINS_PATH_LEN];
	_cleanup_(closep) int fd = bpf_obj_get(pins_map_path(pin_name(map), path));
	__u32 len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	if (fd < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(fd, info, &len))
		return -errno;
	if (info->key_size != bpf_map__key_size(map) ||
	    info->value_size != bpf_map__value_size(map))
		return -EPROTO;
	return take_fd(&fd);
}

/* --- before loading --------------------------------------------------------------------------- */

static bool is_per_cpu(enum bpf_map_type type)
{
	return type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH ||
	       type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

/* What programs send to a reader: there is nothing to copy, and nobody reads what they send here. */
static bool has_entries(enum bpf_map_type type)
{
	return type == BPF_MAP_TYPE_ARRAY || type == BPF_MAP_TYPE_HASH ||
	       type == BPF_MAP_TYPE_LRU_HASH || is_per_cpu(type);
}

static size_t stride_of(const struct bpf_map_info *info)
{
	int n_cpus = libbpf_num_possible_cpus();

	if (!is_per_cpu(info->type))
		return info->value_size;
	return (info->value_size + 7) / 8 * 8 * (size_t)(n_cpus > 0 ? n_cpus : 1);
}

/* Takes live_fd over. */
static int add_copy(struct explain_state *state, struct bpf_map *map, int live_fd,
		    const struct bpf_map_info *info)
{
	struct copy *copy;
	int r = array_grow(&state->copies, state->n_copies, sizeof(*state->copies));

	if (r < 0) {
		close(live_fd);
		return r;
	}
	copy = &state->copies[state->n_copies++];
	*copy = (struct copy){
		.map = map,
		.live_fd = live_fd,
		.fd = -1,
		.is_hash = info->type == BPF_MAP_TYPE_HASH || info->type == BPF_MAP_TYPE_LRU_HASH,
		.max_entries = info->max_entries,
		.key_size = info->key_size,
		.value_size = stride_of(info),
	};
	return 0;
}

/* A hash table with the same keys, of which most are missing: to the programs, entries are where they were. */
static int make_sparse(struct explain_state *state, struct bpf_map *map, enum edge53_sparse sparse)
{
	struct copy *copy = &state->copies[state->n_copies - 1];
	int r = bpf_map__set_type(map, BPF_MAP_TYPE_HASH);

	copy->is_sparse = copy->is_hash = true;
	copy->sparse = sparse;
	return r ?: bpf_map__set_map_flags(map, 0) ?: bpf_map__set_max_entries(map, SPARSE_MAX);
}

/* Variables begin as they are now. */
static int prepare_variables(struct bpf_map *map)
{
	struct bpf_map_info info;
	_cleanup_(closep) int fd = open_live(map, &info);
	_cleanup_(freep) void *values = NULL;
	__u32 zero = 0;
	size_t size;
	void *to = (void *)bpf_map__initial_value(map, &size);

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	values = calloc(1, info.value_size);
	if (!values)
		return -ENOMEM;
	if (!to || size != info.value_size)
		return -EPROTO;
	if (bpf_map_lookup_elem(fd, &zero, values))
		return -errno;
	memcpy(to, values, size);
	return 0;
}

static int prepare_map(struct explain_state *state, struct bpf_map *map)
{
	enum edge53_sparse sparse = 0;
	enum how how = how_of(map, &sparse);
	struct bpf_map_info info;
	_cleanup_(closep) int fd = -1;
	int r;

	if (!pin_name(map) || (!has_entries(bpf_map__type(map)) && how == HOW_COPIED))
		return 0;
	if (bpf_map__is_internal(map))
		return prepare_variables(map);
	fd = open_live(map, &info);
	/* A table that an older version did not have is as empty as the loader would have left it. */
	if (fd == -ENOENT && how != HOW_SPARSE)
		return 0;
	if (fd < 0)
		return fd;
	if (how == HOW_LIVE)
		return bpf_map__reuse_fd(map, fd);
	if (how == HOW_RETURN_PEERS) {
		state->return_peers = map;
		state->live_return_peers = take_fd(&fd);
		return 0;
	}
	if (how == HOW_EMPTY)
		return 0;
	r = bpf_map__set_max_entries(map, info.max_entries);
	if (!r)
		r = add_copy(state, map, take_fd(&fd), &info);
	return r ?: how == HOW_SPARSE ? make_sparse(state, map, sparse) : 0;
}

int explain_state_prepare(struct bpf_object *object, int live_program_fd,
			  struct explain_state **ret)
{
	_cleanup_(explain_state_freep) struct explain_state *state = calloc(1, sizeof(*state));
	struct bpf_map *map;
	int r;

	if (!state)
		return -ENOMEM;
	state->live_return_peers = -1;
	bpf_object__for_each_map(map, object) {
		r = prepare_map(state, map);
		if (r < 0)
			return r;
	}
	r = explain_constants_copy(object, live_program_fd);
	if (r < 0)
		return r;
	*ret = take_ptr(state);
	return 0;
}

/* --- taking ----------------------------------------------------------------------------------- */

/* An array or a hash table, at once: a bucket that is longer than a batch cannot be then. */
static int take_batch(struct copy *copy)
{
	char next[MAX_KEY_SIZE];
	__u32 n = copy->max_entries;
	int r;

	if (copy->key_size > sizeof(next))
		return -EPROTO;
	copy->keys = calloc(copy->max_entries, copy->key_size);
	copy->values = calloc(copy->max_entries, copy->value_size);
	if (!copy->keys || !copy->values)
		return -ENOMEM;
	r = bpf_map_lookup_batch(copy->live_fd, NULL, next, copy->keys, copy->values, &n, NULL);
	if (r && errno != ENOENT)
		return -errno;
	copy->n = n;
	return 0;
}

/* For what is not read in batches: per-CPU arrays. */
static int take_each(struct copy *copy)
{
	copy->keys = calloc(copy->max_entries, copy->key_size);
	copy->values = calloc(copy->max_entries, copy->value_size);
	if (!copy->keys || !copy->values)
		return -ENOMEM;
	while (copy->n < copy->max_entries) {
		char *key = copy->keys + copy->n * copy->key_size;

		if (bpf_map_get_next_key(copy->live_fd, copy->n ? key - copy->key_size : NULL, key))
			return errno == ENOENT ? 0 : -errno;
		if (bpf_map_lookup_elem(copy->live_fd, key,
					copy->values + copy->n * copy->value_size))
			return -errno;
		copy->n++;
	}
	return 0;
}

static int make_sparse_room(struct copy *copy)
{
	copy->keys = calloc(SPARSE_MAX, copy->key_size);
	copy->values = calloc(SPARSE_MAX, copy->value_size);
	return copy->keys && copy->values ? 0 : -ENOMEM;
}

static int take_copy(struct copy *copy)
{
	copy->fd = bpf_map__fd(copy->map);
	if (copy->is_sparse)
		return make_sparse_room(copy);
	return is_per_cpu(bpf_map__type(copy->map)) ? take_each(copy) : take_batch(copy);
}

/* --- return_peers ----------------------------------------------------------------------------- */

static int copy_peer(int live_fd, int fd, const struct edge53_return_peer_key *key)
{
	struct edge53_return_peer peer;

	if (bpf_map_lookup_elem(live_fd, key, &peer))
		return errno == ENOENT ? 0 : -errno;
	return bpf_map_update_elem(fd, key, &peer, BPF_ANY) ? -errno : 0;
}

/* The client of a query is its sender, that of a reply its receiver. */
static int copy_peers(int live_fd, int fd, const struct explain_view *view)
{
	struct edge53_return_peer_key query = { .client = view->from,
						.server = view->to,
						.client_port = (__u16)view->from_port,
						.server_port = (__u16)view->to_port },
				      reply = { .client = view->to,
						.server = view->from,
						.client_port = (__u16)view->to_port,
						.server_port = (__u16)view->from_port };

	return copy_peer(live_fd, fd, &query) ?: copy_peer(live_fd, fd, &reply);
}

static int take_peers_of(struct explain_state *state, int outer_fd, __u32 which,
			 const struct explain_view *view)
{
	_cleanup_(closep) int live_fd = -1;
	_cleanup_(closep) int fd = -1;
	__u32 id;

	if (bpf_map_lookup_elem(state->live_return_peers, &which, &id))
		return errno == ENOENT ? 0 : -errno;
	live_fd = bpf_map_get_fd_by_id(id);
	fd = bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "explain_peers",
			    sizeof(struct edge53_return_peer_key),
			    sizeof(struct edge53_return_peer), RETURN_PEERS, NULL);
	if (live_fd < 0 || fd < 0)
		return -errno;
	if (bpf_map_update_elem(outer_fd, &which, &fd, BPF_ANY))
		return -errno;
	return copy_peers(live_fd, fd, view);
}

int explain_state_take(struct explain_state *state, const struct explain_view *view)
{
	int r = 0;

	for (size_t i = 0; i < state->n_copies && !r; i++)
		r = take_copy(&state->copies[i]);
	if (state->live_return_peers < 0)
		return r;
	for (__u32 which = 0; which < EDGE53_RETURN_MAPS && !r; which++)
		r = take_peers_of(state, bpf_map__fd(state->return_peers), which, view);
	return r;
}

/* --- before each run -------------------------------------------------------------------------- */

static int clear_hash(const struct copy *copy)
{
	char key[MAX_KEY_SIZE];

	/* Those that were there; then what a run has added, for which each time the table is looked through from its begin. */
	for (__u32 i = 0; i < copy->n; i++)
		if (bpf_map_delete_elem(copy->fd, copy->keys + i * copy->key_size) &&
		    errno != ENOENT)
			return -errno;
	while (!bpf_map_get_next_key(copy->fd, NULL, key))
		if (bpf_map_delete_elem(copy->fd, key) && errno != ENOENT)
			return -errno;
	return errno == ENOENT ? 0 : -errno;
}

static int write_each(const struct copy *copy)
{
	for (__u32 i = 0; i < copy->n; i++)
		if (bpf_map_update_elem(copy->fd, copy->keys + i * copy->key_size,
					copy->values + i * copy->value_size, BPF_ANY))
			return -errno;
	return 0;
}

static int restore_copy(const struct copy *copy)
{
	__u32 n = copy->n;
	int r;

	if (copy->is_hash) {
		r = clear_hash(copy);
		return r ?: write_each(copy);
	}
	if (is_per_cpu(bpf_map__type(copy->map)))
		return write_each(copy);
	if (!n)
		return 0;
	return bpf_map_update_batch(copy->fd, copy->keys, copy->values, &n, NULL) ? -errno : 0;
}

int explain_state_restore(struct explain_state *state)
{
	int r = 0;

	for (size_t i = 0; i < state->n_copies && !r; i++)
		r = restore_copy(&state->copies[i]);
	return r;
}

/* --- what a run has missed -------------------------------------------------------------------- */

static struct copy *find_sparse(struct explain_state *state, __u32 table)
{
	for (size_t i = 0; i < state->n_copies; i++)
		if (state->copies[i].is_sparse && state->copies[i].sparse == table)
			return &state->copies[i];
	return NULL;
}

static bool has_key(const struct copy *copy, __u32 index)
{
	const __u32 *keys = (const __u32 *)copy->keys;

	for (__u32 i = 0; i < copy->n; i++)
		if (keys[i] == index)
			return true;
	return false;
}

/* An entry as it was at one moment, as far as two looks can tell. */
static int read_entry(const struct copy *copy, __u32 index, char *value)
{
	_cleanup_(freep) char *again = malloc(copy->value_size);

	if (!again)
		return -ENOMEM;
	if (bpf_map_lookup_elem(copy->live_fd, &index, value))
		return -errno;
	for (int i = 0; i < READ_ATTEMPTS; i++) {
		if (bpf_map_lookup_elem(copy->live_fd, &index, again))
			return -errno;
		if (!memcmp(value, again, copy->value_size))
			break;
		memcpy(value, again, copy->value_size);
	}
	return 0;
}

/* Returns 1 when the entry is new, 0 when there is none like that. */
static int fetch_entry(struct explain_state *state, const struct edge53_trace_miss *miss)
{
	struct copy *copy = find_sparse(state, miss->table);
	int r;

	if (!copy || miss->index >= copy->max_entries || has_key(copy, miss->index))
		return 0;
	if (copy->n == SPARSE_MAX)
		return -E2BIG;
	r = read_entry(copy, miss->index, copy->values + copy->n * copy->value_size);
	if (r < 0)
		return r;
	memcpy(copy->keys + copy->n * copy->key_size, &miss->index, sizeof(miss->index));
	copy->n++;
	return 1;
}

int explain_state_fetch(struct explain_state *state, const struct edge53_trace *trace)
{
	__u32 n = trace->n_misses < EDGE53_TRACE_MISSES ? trace->n_misses : EDGE53_TRACE_MISSES;
	int n_new = 0;

	for (__u32 i = 0; i < n; i++) {
		int r = fetch_entry(state, &trace->misses[i]);

		if (r < 0)
			return r;
		n_new += r;
	}
	return n_new;
}

void explain_state_free(struct explain_state *state)
{
	if (!state)
		return;
	for (size_t i = 0; i < state->n_copies; i++) {
		closep(&state->copies[i].live_fd);
		free(state->copies[i].keys);
		free(state->copies[i].values);
	}
	closep(&state->live_return_peers);
	free(state->copies);
	free(state);
}
