// SPDX-License-Identifier: GPL-2.0-only
/* The maps of a world: written, aged, and held against the model. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "check.h"

#define MAX_CPUS 512

/* --- maps by name ----------------------------------------------------------------------------- */

static void give_up(const char *map)
{
	fprintf(stderr, "model_tests: %s: %s\n", map, strerror(errno));
	exit(1);
}

static void put(const char *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(world_map(map), key, value, 0))
		give_up(map);
}

static void get(const char *map, const void *key, void *value)
{
	if (bpf_map_lookup_elem(world_map(map), key, value))
		give_up(map);
}

static void empty(const char *map)
{
	unsigned char key[64];
	int fd = world_map(map);

	while (!bpf_map_get_next_key(fd, NULL, key))
		bpf_map_delete_elem(fd, key);
}

/* One for each possible CPU, zero, and large enough for any value. */
static void *values_of_all_cpus(void)
{
	static __u64 values[MAX_CPUS * sizeof(struct edge53_backend_counters) / 8];

	if (libbpf_num_possible_cpus() > MAX_CPUS)
		give_up("too many CPUs");
	memset(values, 0, libbpf_num_possible_cpus() * sizeof(struct edge53_backend_counters));
	return values;
}

static void put_zeros(const char *map, __u32 n)
{
	void *zeros = values_of_all_cpus();

	for (__u32 i = 0; i < n; i++)
		put(map, &i, zeros);
}

/* Adds up what the CPUs have; all counters are 64 bits wide. */
static bool read_sum(const char *map, const void *key, void *sum, size_t size)
{
	__u64 *values = values_of_all_cpus(), *to = sum;
	int n = libbpf_num_possible_cpus();

	memset(sum, 0, size);
	if (bpf_map_lookup_elem(world_map(map), key, values))
		return false;
	for (int cpu = 0; cpu < n; cpu++)
		for (size_t i = 0; i < size / 8; i++)
			to[i] += values[cpu * size / 8 + i];
	return true;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void forget_flows(void)
{
	memset(world_slots(), 0, world_n_slots() * sizeof(struct edge53_slot));
	memset(world_conns(), 0, CONNS * sizeof(struct edge53_conn));
	empty("conn_by_tuple");
	empty("fragments");
	world_forget_clients();
	put_zeros("tcp_pool", 1);
	put_zeros("cpu_state", 1);
	put_zeros("backend_counters", MODEL_BACKENDS);
	put_zeros("reasons", SERVICE_COUNT * EDGE53_REASONS_PER_SERVICE);
}

void world_write_services(const struct setup *setup)
{
	for (__u32 i = 0; i < SERVICE_COUNT; i++)
		put("services", &i, &setup->services[i]);
}

void world_write(const struct setup *setup)
{
	__u32 one = 1;

	empty("frontends");
	empty("exempt");
	empty("doh");
	empty("keep_source");
	for (unsigned i = 0; i < setup->n_frontends; i++)
		put("frontends", &setup->frontends[i].key, &setup->frontends[i].value);
	world_write_services(setup);
	for (__u32 i = 0; i < MODEL_BACKENDS; i++)
		put("backends", &i, &setup->backends[i]);
	for (__u32 i = 0; i < DEV_COUNT; i++)
		put("devices", &i, &setup->devices[i]);
	for (unsigned i = 0; i < setup->n_exempt; i++)
		put("exempt", &setup->exempt[i], &one);
	for (unsigned i = 0; i < setup->n_doh; i++)
		put("doh", &setup->doh[i], &one);
	for (unsigned i = 0; i < setup->n_keep_source; i++)
		put("keep_source", &setup->keep_source[i], &one);
	empty("guard");
	for (__u32 i = 0; i < DEV_COUNT; i++) {
		__u32 ifindex = i ? world_ifindex(i) : 0;

		if (setup->is_guarded[i])
			put("guard", &ifindex, &setup->guard[i]);
	}
	forget_flows();
}

void world_age(struct model *model, __u64 ns)
{
	for (unsigned i = 0; i < SLOTS_PER_CPU; i++) {
		world_slots()[i].opened_us -= ns >> 10;
		model->slots[i].opened_us -= ns >> 10;
	}
	for (unsigned i = 0; i < CONNS; i++) {
		world_conns()[i].seen_ns -= ns;
		model->conns[i].seen_ns -= ns;
	}
	for (unsigned i = 0; i < model->n_fragments && i < MODEL_FRAGMENTS; i++) {
		struct fragment *fragment = &model->fragments[i];

		fragment->value.seen_ns -= ns;
		bpf_map_update_elem(world_map("fragments"), &fragment->key, &fragment->value,
				    BPF_EXIST);
	}
}

/* --- comparing -------------------------------------------------------------------------------- */

#define REASON_NAME(name, fate, sentence) [EDGE53_##name] = #name,

const char *name_of_reason(enum edge53_reason why)
{
	static const char *const names[] = { [EDGE53_GO_ON] = "GO_ON",
					     EDGE53_REASONS(REASON_NAME) };

	return why < EDGE53_REASON_COUNT ? names[why] : "?";
}

static bool same_number(const char *what, unsigned which, const char *of, __u64 got, __u64 expected)
{
	if (got != expected)
		printf("    %s of %s %u: %llu, expected %llu\n", what, of, which,
		       (unsigned long long)got, (unsigned long long)expected);
	return got == expected;
}

static bool same_count(const struct model *model, unsigned service, unsigned why)
{
	__u32 key = service * EDGE53_REASONS_PER_SERVICE + why;
	__u64 got;

	read_sum("reasons", &key, &got, sizeof(got));
	return same_number(name_of_reason(why), service, "service", got,
			   model->reasons[service][why]);
}

bool same_reason(const struct model *model, const struct result *result)
{
	return same_count(model, result->service, result->why);
}

bool same_reasons(const struct model *model)
{
	bool same = true;

	for (unsigned service = 0; service < SERVICE_COUNT; service++)
		for (unsigned why = 0; why < EDGE53_REASONS_PER_SERVICE; why++)
			same &= same_count(model, service, why);
	return same;
}

static void print_difference(const char *what, unsigned which, const void *got,
			     const void *expected, unsigned size)
{
	const unsigned char *g = got, *e = expected;

	printf("    %s %u differs:", what, which);
	for (unsigned i = 0; i < size; i++)
		if (g[i] != e[i])
			printf(" byte %u %02x, expected %02x;", i, g[i], e[i]);
	printf("\n");
}

bool same_flows(const struct model *model)
{
	const struct edge53_slot *slots = world_slots();
	const struct edge53_conn *conns = world_conns();
	bool same = true;

	for (unsigned i = 0; i < SLOTS_PER_CPU; i++) {
		struct edge53_slot expected = model->slots[i];

		expected.client_entry = slots[i].client_entry; /* a hint, whatever it is */
		if (memcmp(&slots[i], &expected, sizeof(*slots))) {
			print_difference("slot", i, &slots[i], &expected, sizeof(*slots));
			same = false;
		}
	}
	for (unsigned i = 0; i < CONNS; i++)
		if (memcmp(&conns[i], &model->conns[i], sizeof(*conns))) {
			print_difference("connection", i, &conns[i], &model->conns[i],
					 sizeof(*conns));
			same = false;
		}
	return same;
}

static bool same_traffic(const char *of, unsigned which, const struct edge53_traffic *got,
			 const struct edge53_traffic *expected)
{
	static const char *const names[] = { "queries", "bytes_in", "replies", "bytes_out",
					     "noerror", "tcp_connections", "truncated", "nxdomain",
					     "servfail", "refused", "other_rcode" };
	const __u64 *g = (const __u64 *)got, *e = (const __u64 *)expected;
	bool same = true;

	_Static_assert(sizeof(*got) == sizeof(names), "every counter has a name");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		same &= same_number(names[i], which, of, g[i], e[i]);
	return same;
}

static bool same_backends(const struct model *model)
{
	struct edge53_backend_counters got;
	bool same = true;

	for (__u32 i = 0; i < MODEL_BACKENDS; i++) {
		__u64 replies = 0;

		read_sum("backend_counters", &i, &got, sizeof(got));
		for (unsigned b = 0; b < EDGE53_LATENCY_BUCKETS; b++)
			replies += got.latency[b];
		same &= same_traffic("backend", i, &got.traffic, &model->backends[i]);
		same &= same_number("latencies", i, "backend", replies, model->latencies[i]);
	}
	return same;
}

static unsigned count_keys(const char *map)
{
	unsigned char key[64];
	unsigned n = 0;

	for (void *last = NULL; !bpf_map_get_next_key(world_map(map), last, key); last = key)
		n++;
	return n;
}

static const struct edge53_traffic *find_client(const struct model *model,
						const struct edge53_addr *address)
{
	for (unsigned i = 0; i < model->n_clients; i++)
		if (!memcmp(&model->clients[i].address, address, sizeof(*address)))
			return &model->clients[i].traffic;
	return NULL;
}

/* Not more than this client sent and got. */
static bool is_within(const struct edge53_traffic *got, const struct edge53_traffic *all)
{
	const __u64 *g = (const __u64 *)got, *a = (const __u64 *)all;

	for (size_t i = 0; i < sizeof(*got) / sizeof(*g); i++)
		if (g[i] > a[i])
			return false;
	return true;
}

/*
 * Who has an entry is the table's own affair, once there are more clients than a bucket has ways. Whoever has one
 * is counted right unless it came late, and nothing is missing from the sum.
 */
static bool same_clients(const struct model *model)
{
	const struct edge53_client *clients = world_clients();
	struct edge53_cpu_state cpu = world_cpu_state(0);
	bool all_have_one = !cpu.clients_not_counted && !cpu.clients_evicted, same = true;
	struct edge53_traffic sum = cpu.others;

	if (model->n_clients <= EDGE53_CLIENT_WAYS)
		same &= same_number("not counted", 0, "clients", !all_have_one, 0);
	if (all_have_one)
		same &= same_number("number", 0, "clients", cpu.clients_used, model->n_clients);
	for (unsigned i = 0; i < cpu.clients_used && i < CLIENTS; i++) {
		const struct edge53_traffic *expected = find_client(model, &clients[i].address);

		for (size_t j = 0; j < sizeof(sum) / sizeof(__u64); j++)
			((__u64 *)&sum)[j] += ((const __u64 *)&clients[i].traffic)[j];
		if (!expected)
			same &= same_number("presence", i, "client", 1, model->n_clients == MODEL_CLIENTS);
		else if (all_have_one)
			same &= same_traffic("client", i, &clients[i].traffic, expected);
		else
			same &= same_number("counted", i, "client",
					    is_within(&clients[i].traffic, expected), 1);
	}
	return same & same_traffic("clients", 0, &sum, &model->all_clients);
}

static bool same_tuples(const struct model *model)
{
	unsigned n = 0;
	bool same = true;

	for (__u32 i = 0; i < CONNS; i++) {
		const struct edge53_flow *flow = &model->conns[i].flow;
		struct edge53_tuple tuple = { .client = flow->client,
					      .asked = flow->asked,
					      .client_port = flow->client_port,
					      .service = flow->service };
		__u32 got = CONNS;

		if (!model->conns[i].state)
			continue;
		n++;
		bpf_map_lookup_elem(world_map("conn_by_tuple"), &tuple, &got);
		same &= same_number("tuple", i, "connection", got, i);
	}
	return same & same_number("number", 0, "tuples", count_keys("conn_by_tuple"), n);
}

static void print_bytes(const char *what, const void *bytes, unsigned len)
{
	const unsigned char *p = bytes;

	printf("    %s", what);
	while (len--)
		printf("%02x", *p++);
	printf("\n");
}

static void print_keys(const struct edge53_fragment_key *expected)
{
	struct edge53_fragment_key key;

	print_bytes("expected key: ", expected, sizeof(*expected));
	for (void *last = NULL; !bpf_map_get_next_key(world_map("fragments"), last, &key);
	     last = &key)
		print_bytes("there is:     ", &key, sizeof(key));
}

static bool same_fragments(const struct model *model)
{
	bool same =
		same_number("number", 0, "fragments", count_keys("fragments"), model->n_fragments);
	struct edge53_fragment got;

	for (unsigned i = 0; i < model->n_fragments; i++) {
		const struct edge53_fragment *expected = &model->fragments[i].value;

		memset(&got, 0, sizeof(got));
		bpf_map_lookup_elem(world_map("fragments"), &model->fragments[i].key, &got);
		got.seen_ns = expected->seen_ns;
		if (memcmp(&got, expected, sizeof(got))) {
			print_difference("fragment", i, &got, expected, sizeof(got));
			print_keys(&model->fragments[i].key);
			same = false;
		}
	}
	return same;
}

static bool same_cpu_state(const struct model *model)
{
	struct edge53_cpu_state got;
	struct edge53_tcp_pool pool;
	__u32 zero = 0;

	read_sum("cpu_state", &zero, &got, sizeof(got));
	get("tcp_pool", &zero, &pool);
	return same_number("next slot", 0, "CPU", got.next_slot, model->next_slot) &
	       same_number("unanswered", 0, "CPU", got.unanswered, model->unanswered) &
	       same_number("answers of its own", 0, "CPU", got.refusals, model->n_told) &
	       same_number("hand", 0, "pool", pool.hand, model->hand);
}

bool same_everything(const struct model *model)
{
	return same_reasons(model) & same_flows(model) & same_backends(model) &
	       same_clients(model) & same_tuples(model) & same_fragments(model) &
	       same_cpu_state(model);
}
