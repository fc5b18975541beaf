// SPDX-License-Identifier: GPL-2.0-only
/* What the maps hold, and the ports and IDs that flows are known by. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world_state.h"

#include "clients.h"
#include "token.h"

static __u32 token_of(unsigned n)
{
	const struct edge53_knobs *knobs = world_knobs();

	return token_encode(knobs, (n / SLOTS_PER_CPU + 1) << knobs->slot_bits | n % SLOTS_PER_CPU);
}

unsigned port_of(unsigned n)
{
	return PORT_BASE + (token_of(n) >> TOKEN_ID_BITS);
}

unsigned id_of(unsigned n)
{
	return token_of(n) & 0xffff;
}

unsigned conn_port(unsigned n)
{
	return PORT_BASE + token_port_of_conn(world_knobs(), n);
}

struct edge53_slot *world_slots(void)
{
	return world.slots;
}

struct edge53_client *world_clients(void)
{
	return world.clients;
}

struct edge53_conn *world_conns(void)
{
	return world.conns;
}

int world_find_conn(const char *client, const char *asked, unsigned port, enum test_service service)
{
	struct edge53_tuple tuple = { .client = test_addr(client), .asked = test_addr(asked),
				      .client_port = port, .service = service };
	__u32 index;

	if (bpf_map_lookup_elem(bpf_map__fd(world.skel->maps.conn_by_tuple), &tuple, &index))
		return -1;
	return index;
}

unsigned world_count_tuples(void)
{
	int fd = bpf_map__fd(world.skel->maps.conn_by_tuple);
	struct edge53_tuple tuple;
	unsigned n = 0;

	for (void *last = NULL; !bpf_map_get_next_key(fd, last, &tuple); last = &tuple)
		n++;
	return n;
}

bool world_tuples_are_right(void)
{
	int fd = bpf_map__fd(world.skel->maps.conn_by_tuple);
	struct edge53_tuple tuple;
	__u32 index;

	for (void *last = NULL; !bpf_map_get_next_key(fd, last, &tuple); last = &tuple) {
		const struct edge53_flow *flow;

		if (bpf_map_lookup_elem(fd, &tuple, &index) || index >= CONNS)
			return false;
		flow = &world.conns[index].flow;
		if (world.conns[index].state == EDGE53_CONN_FREE ||
		    memcmp(&flow->client, &tuple.client, sizeof(tuple.client)) ||
		    memcmp(&flow->asked, &tuple.asked, sizeof(tuple.asked)) ||
		    flow->client_port != tuple.client_port || flow->service != tuple.service)
			return false;
	}
	return true;
}

struct edge53_cpu_state world_cpu_state(unsigned cpu)
{
	struct edge53_cpu_state *states = calloc(world.n_cpus, sizeof(*states)), state;
	__u32 zero = 0;

	world_get(world.skel->maps.cpu_state, &zero, states);
	state = states[cpu];
	free(states);
	return state;
}

static __u64 memory_of(const struct bpf_map *map)
{
	char path[64], line[128];
	unsigned long long bytes = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", bpf_map__fd(map));
	f = fopen(path, "re");
	if (!f)
		give_up(path, -errno);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	fclose(f);
	return bytes;
}

__u64 world_memory(void)
{
	const struct bpf_map *map;
	__u64 bytes = 0;

	bpf_object__for_each_map(map, world.skel->obj)
		bytes += memory_of(map);
	return bytes;
}

const char *world_map_that_grows(const char *name)
{
	const struct bpf_map *map = NULL;

	if (name)
		map = bpf_object__find_map_by_name(world.skel->obj, name);
	while ((map = bpf_object__next_map(world.skel->obj, map)))
		if (bpf_map__map_flags(map) & BPF_F_NO_PREALLOC)
			return bpf_map__name(map);
	return NULL;
}

/* All counters are 64 bits wide: a struct of them is an array. */
static void add_counters(void *sum, const void *more, size_t size)
{
	__u64 *to = sum;
	const __u64 *from = more;

	for (size_t i = 0; i < size / 8; i++)
		to[i] += from[i];
}

/* The entries of all CPUs in use, one client after the other: some may be in several CPUs' parts. */
static void read_clients(struct counters *counters)
{
	const struct edge53_addr known[] = { test_addr(CLIENT), test_addr(CLIENT_2),
					     test_addr(FRONTEND), {}, test_addr(CLIENT6) };
	struct edge53_client *clients = calloc(world.n_cpus * CLIENTS, sizeof(*clients));
	size_t n = 0;

	for (size_t i = 0; i < world.n_cpus * CLIENTS; i++)
		n += clients_take(&world.clients[i], &clients[n]);
	counters->n_clients = clients_merge(clients, n);
	for (size_t i = 0; i < counters->n_clients; i++) {
		unsigned at = 0;

		while (at < 5 && memcmp(&known[at], &clients[i].address, sizeof(known[at])))
			at++;
		at = at < 5 ? at : 3;
		add_counters(&counters->clients[at], &clients[i].traffic,
			     sizeof(clients[i].traffic));
	}
	free(clients);
	for (unsigned cpu = 0; cpu < world.n_cpus; cpu++) {
		struct edge53_cpu_state state = world_cpu_state(cpu);

		add_counters(&counters->others, &state.others, sizeof(state.others));
		counters->n_not_counted += state.clients_not_counted;
		counters->n_evicted += state.clients_evicted;
	}
}

void world_read_counters(struct counters *counters)
{
	struct edge53_backend_counters *backends = calloc(world.n_cpus, sizeof(*backends));
	__u64 *reasons = calloc(world.n_cpus, sizeof(*reasons));

	memset(counters, 0, sizeof(*counters));
	for (__u32 i = 0; i < SERVICE_COUNT * EDGE53_REASONS_PER_SERVICE; i++) {
		world_get(world.skel->maps.reasons, &i, reasons);
		for (unsigned cpu = 0; cpu < world.n_cpus; cpu++)
			counters->reasons[i / EDGE53_REASONS_PER_SERVICE]
					 [i % EDGE53_REASONS_PER_SERVICE] += reasons[cpu];
	}
	for (__u32 i = 0; i < BACKENDS; i++) {
		world_get(world.skel->maps.backend_counters, &i, backends);
		for (unsigned cpu = 0; cpu < world.n_cpus; cpu++) {
			add_counters(&counters->backends[i], &backends[cpu].traffic,
				     sizeof(backends[cpu].traffic));
			for (unsigned b = 0; b < EDGE53_LATENCY_BUCKETS; b++)
				counters->latencies[i] += backends[cpu].latency[b];
		}
	}
	read_clients(counters);
	free(backends);
	free(reasons);
}

void world_read_latencies(__u32 backend, __u64 buckets[EDGE53_LATENCY_BUCKETS])
{
	struct edge53_backend_counters *counters = calloc(world.n_cpus, sizeof(*counters));

	memset(buckets, 0, EDGE53_LATENCY_BUCKETS * sizeof(*buckets));
	world_get(world.skel->maps.backend_counters, &backend, counters);
	for (unsigned cpu = 0; cpu < world.n_cpus; cpu++)
		add_counters(buckets, counters[cpu].latency, sizeof(counters[cpu].latency));
	free(counters);
}
