// SPDX-License-Identifier: GPL-2.0-only
/* The object under test and the world its maps describe. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/bpf.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "world.h"

#include "edge53.skel.h"
#include "token.h"

const unsigned char client_mac[6] = { 2, 0, 0, 0, 0, 0x17 };
const unsigned char router_mac[6] = { 2, 0, 0, 0, 0, 0x18 };
const unsigned char uplink_mac[6] = { 2, 0, 0, 0, 0, 0xed };
const unsigned char inner_mac[6] = { 2, 0, 0, 0, 0, 0xe1 };
const unsigned char backend_mac[6] = { 2, 0, 0, 0, 0, 0xbe };

static const char *const device_names[DEV_COUNT] = {
	[DEV_UPLINK] = "uplink", [DEV_INNER] = "inner", [DEV_PPP] = "ppp", [DEV_OTHER] = "other"
};

static struct {
	struct edge53_bpf *skel;
	struct bpf_program *programs[PROGRAM_COUNT];
	unsigned ifindex[DEV_COUNT];
	unsigned n_cpus;
	struct edge53_slot *slots;
	struct edge53_conn *conns;
	int under_test; /* a program array, for run_with_tag() */
} world;

static void give_up(const char *what, int error)
{
	fprintf(stderr, "prog_tests: %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

/* --- once ------------------------------------------------------------------------------------- */

static void make_devices(void)
{
	if (unshare(CLONE_NEWNET))
		give_up("network namespace", errno);
	if (system("ip link set lo up && ip link add uplink type veth peer name inner &&"
		   "ip link add ppp type veth peer name other &&"
		   "for d in uplink inner ppp other; do ip link set $d up; done"))
		give_up("cannot make veth devices", EIO);
	for (int i = 1; i < DEV_COUNT; i++)
		world.ifindex[i] = if_nametoindex(device_names[i]);
}

static void set_knobs(struct edge53_knobs *knobs)
{
	static const __u64 keys[4] = { 0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0,
				       0x082efa98ec4e6c89 };

	memcpy(knobs->token_keys, keys, sizeof(keys));
	knobs->slots_per_cpu = SLOTS_PER_CPU;
	for (knobs->slot_bits = 0; 1u << knobs->slot_bits < world_n_slots();)
		knobs->slot_bits++;
	knobs->port_base = PORT_BASE;
	knobs->port_bits = PORT_BITS;
	knobs->tcp_connections = CONNS;
	knobs->udp_timeout_us = UDP_TIMEOUT_S * SECONDS >> 10;
	knobs->tcp_half_open_ns = TCP_HALF_OPEN_S * SECONDS;
	knobs->tcp_idle_ns = TCP_IDLE_S * SECONDS;
	knobs->tcp_closing_ns = TCP_CLOSING_S * SECONDS;
}

static void *map_memory(const struct bpf_map *map, size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (memory == MAP_FAILED)
		give_up("mmap", errno);
	return memory;
}

static void name_programs(void)
{
	world.programs[EDGE_XDP] = world.skel->progs.edge_xdp;
	world.programs[EDGE_TC_L2] = world.skel->progs.edge_tc_l2;
	world.programs[EDGE_TC_L2_CHECKED] = world.skel->progs.edge_tc_l2_checked;
	world.programs[EDGE_TC_L3] = world.skel->progs.edge_tc_l3;
	world.programs[ENFORCE_IN_L2] = world.skel->progs.enforce_in_l2;
	world.programs[ENFORCE_IN_L3] = world.skel->progs.enforce_in_l3;
	world.programs[ENFORCE_OUT_L2] = world.skel->progs.enforce_out_l2;
	world.programs[ENFORCE_OUT_L3] = world.skel->progs.enforce_out_l3;
	world.programs[GUARD_OUT_L2] = world.skel->progs.guard_out_l2;
	world.programs[GUARD_OUT_L3] = world.skel->progs.guard_out_l3;
}

bool world_use_cpu(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

void world_create(void)
{
	int r;

	make_devices();
	if (!world_use_cpu(0))
		give_up("CPU 0", errno);
	world.n_cpus = libbpf_num_possible_cpus();
	world.skel = edge53_bpf__open();
	if (!world.skel)
		give_up("open", errno);
	set_knobs(&world.skel->rodata->knobs);
	bpf_map__set_max_entries(world.skel->maps.slots, world_n_slots());
	bpf_map__set_max_entries(world.skel->maps.conns, CONNS);
	bpf_map__set_max_entries(world.skel->maps.conn_by_tuple, CONNS + 32);
	bpf_map__set_max_entries(world.skel->maps.clients, CLIENTS);
	r = edge53_bpf__load(world.skel);
	if (r)
		give_up("load", r);
	name_programs();
	world.slots = map_memory(world.skel->maps.slots, world_n_slots() * sizeof(*world.slots));
	world.conns = map_memory(world.skel->maps.conns, CONNS * sizeof(*world.conns));
}

void world_destroy(void)
{
	edge53_bpf__destroy(world.skel);
}

/* --- writing the maps ------------------------------------------------------------------------- */

struct edge53_addr test_addr(const char *text)
{
	struct edge53_addr addr = { .bytes = { [10] = 0xff, 0xff } };

	if (inet_pton(AF_INET, text, &addr.bytes[12]) != 1 &&
	    inet_pton(AF_INET6, text, addr.bytes) != 1)
		give_up(text, EINVAL);
	return addr;
}

static void put(const struct bpf_map *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(bpf_map__fd(map), key, value, 0))
		give_up(bpf_map__name(map), errno);
}

static void get(const struct bpf_map *map, const void *key, void *value)
{
	if (bpf_map_lookup_elem(bpf_map__fd(map), key, value))
		give_up(bpf_map__name(map), errno);
}

static void empty(const struct bpf_map *map)
{
	unsigned char key[64];

	while (!bpf_map_get_next_key(bpf_map__fd(map), NULL, key))
		bpf_map_delete_elem(bpf_map__fd(map), key);
}

static void put_zeros(const struct bpf_map *map, __u32 n)
{
	size_t size = bpf_map__value_size(map);
	void *zeros = calloc(world.n_cpus, (size + 7) / 8 * 8);

	for (__u32 i = 0; i < n; i++)
		put(map, &i, zeros);
	free(zeros);
}

static void put_frontend(enum test_device device, const char *address, enum test_service service,
			 bool is_l3)
{
	struct edge53_frontend_key key = { .ifindex = world.ifindex[device] };
	struct edge53_frontend value = { .device = device, .service = service };

	if (address)
		key.address = test_addr(address);
	if (!is_l3)
		memcpy(value.mac, uplink_mac, 6);
	put(world.skel->maps.frontends, &key, &value);
}

static void put_device(__u32 id, bool is_l3)
{
	struct edge53_device device = { .ifindex = world.ifindex[id], .mtu = ETHERNET_MTU };

	strcpy(device.name, device_names[id]);
	if (!is_l3) {
		device.flags = EDGE53_DEVICE_ETHERNET | EDGE53_DEVICE_XDP_TARGET;
		memcpy(device.mac, uplink_mac, 6);
	}
	put(world.skel->maps.devices, &id, &device);
}

static void put_backend(__u32 id, const char *address, const char *source, bool is_l3)
{
	struct edge53_backend backend = { .address = test_addr(address),
					  .source = test_addr(source),
					  .ifindex = world.ifindex[DEV_INNER],
					  .udp_port = BACKEND_UDP, .tcp_port = BACKEND_TCP,
					  .service = SERVICE_EDGE,
					  .mtu = is_l3 ? TUNNEL_MTU : ETHERNET_MTU };

	if (!is_l3) {
		backend.flags = EDGE53_BACKEND_ETHERNET | EDGE53_BACKEND_XDP;
		backend.nexthop = backend.address;
		memcpy(backend.dmac, backend_mac, 6);
		memcpy(backend.smac, inner_mac, 6);
	}
	put(world.skel->maps.backends, &id, &backend);
}

static void put_resolver(__u32 id, const char *address)
{
	struct edge53_backend resolver = { .address = test_addr(address), .udp_port = 53,
					   .tcp_port = 53, .service = SERVICE_ENFORCE,
					   .flags = EDGE53_BACKEND_LOCAL, .mtu = 65535 };

	put(world.skel->maps.backends, &id, &resolver);
}

/* As the loader: the dataplane is told what families there are. */
static void store_service(__u32 id, struct edge53_service *service)
{
	service->flags &= ~EDGE53_SERVICE_IPV6_BACKENDS;
	if (id == SERVICE_EDGE && memchr(service->picks[0].udp, ID_BACKEND6, EDGE53_PICKS))
		service->flags |= EDGE53_SERVICE_IPV6_BACKENDS;
	put(world.skel->maps.services, &id, service);
}

static void put_service(__u32 id, const char *name, unsigned kind, unsigned flags, unsigned backend,
			unsigned backend6)
{
	/* Fits even when it grows from IPv4 to IPv6. */
	struct edge53_service service = { .kind = kind, .flags = flags,
					  .query_mtu = TUNNEL_MTU - 20 };

	strcpy(service.name, name);
	memset(&service.picks[0], backend, sizeof(service.picks[0]));
	memset(&service.picks[1], backend6, sizeof(service.picks[1]));
	store_service(id, &service);
}

static void forget_flows(void)
{
	__u32 zero = 0;
	struct edge53_tcp_pool pool = {};

	memset(world.slots, 0, world_n_slots() * sizeof(*world.slots));
	memset(world.conns, 0, CONNS * sizeof(*world.conns));
	empty(world.skel->maps.conn_by_tuple);
	put(world.skel->maps.tcp_pool, &zero, &pool);
	empty(world.skel->maps.clients);
	empty(world.skel->maps.fragments);
	put_zeros(world.skel->maps.cpu_state, 1);
	put_zeros(world.skel->maps.backend_counters, BACKENDS);
	put_zeros(world.skel->maps.reasons, SERVICE_COUNT * EDGE53_REASONS_PER_SERVICE);
}

void world_reset(bool client_is_l3, bool backend_is_l3)
{
	empty(world.skel->maps.frontends);
	empty(world.skel->maps.exempt);
	empty(world.skel->maps.doh);
	empty(world.skel->maps.guard);
	put_zeros(world.skel->maps.services, SERVICE_COUNT);
	put_zeros(world.skel->maps.backends, BACKENDS);
	put_zeros(world.skel->maps.devices, DEV_COUNT);
	put_frontend(DEV_UPLINK, FRONTEND, SERVICE_EDGE, client_is_l3);
	put_frontend(DEV_UPLINK, FRONTEND6, SERVICE_EDGE, client_is_l3);
	put_frontend(DEV_PPP, NULL, SERVICE_ENFORCE, client_is_l3);
	put_device(DEV_UPLINK, client_is_l3);
	put_device(DEV_PPP, client_is_l3);
	put_backend(ID_BACKEND, BACKEND, EDGE, backend_is_l3);
	put_backend(ID_BACKEND_2, BACKEND_2, EDGE, backend_is_l3);
	put_backend(ID_BACKEND6, BACKEND6, EDGE6, backend_is_l3);
	put_resolver(ID_RESOLVER, RESOLVER);
	put_resolver(ID_RESOLVER_2, RESOLVER_2);
	put_resolver(ID_RESOLVER6, RESOLVER6);
	put_service(SERVICE_EDGE, "edge", EDGE53_SERVICE_EDGE, EDGE53_SERVICE_XDP, ID_BACKEND,
		    ID_BACKEND6);
	put_service(SERVICE_ENFORCE, "enforce", EDGE53_SERVICE_ENFORCE, 0, ID_RESOLVER,
		    ID_RESOLVER6);
	forget_flows();
}

void world_set_flags(enum test_service id, unsigned flags)
{
	struct edge53_service service;
	__u32 key = id;

	get(world.skel->maps.services, &key, &service);
	service.flags = flags;
	store_service(key, &service);
}

void world_set_backends(enum test_service id, const __u8 *ids, unsigned n)
{
	struct edge53_service service;
	__u32 key = id;

	get(world.skel->maps.services, &key, &service);
	for (unsigned i = 0; i < EDGE53_PICKS; i++)
		for (unsigned family = 0; family < 2; family++)
			service.picks[family].udp[i] = service.picks[family].tcp[i] =
				n ? ids[i % n] : 0;
	store_service(key, &service);
}

static void put_prefix(const struct bpf_map *map, const char *address, unsigned prefix_len)
{
	struct edge53_prefix_key key = { .prefix_len = 32 + prefix_len,
					 .service = SERVICE_ENFORCE };
	struct edge53_addr addr = test_addr(address);
	__u32 one = 1;

	memcpy(key.address, addr.bytes, sizeof(key.address));
	put(map, &key, &one);
}

void world_exempt(const char *address, unsigned prefix_len)
{
	put_prefix(world.skel->maps.exempt, address, prefix_len);
}

void world_doh(const char *address, unsigned prefix_len)
{
	put_prefix(world.skel->maps.doh, address, prefix_len);
}

void world_guard(unsigned ifindex, enum edge53_guard_policy policy)
{
	struct edge53_guard guard = { .policy = policy, .service = SERVICE_ENFORCE };

	put(world.skel->maps.guard, &ifindex, &guard);
}

void world_set_mtu(enum test_device id, unsigned mtu)
{
	struct edge53_device device;
	__u32 key = id;

	get(world.skel->maps.devices, &key, &device);
	device.mtu = mtu;
	put(world.skel->maps.devices, &key, &device);
}

void world_set_backend_mtu(unsigned id, unsigned mtu)
{
	struct edge53_backend backend;
	__u32 key = id;

	get(world.skel->maps.backends, &key, &backend);
	backend.mtu = mtu;
	put(world.skel->maps.backends, &key, &backend);
}

void world_set_query_mtu(unsigned mtu)
{
	struct edge53_service service;
	__u32 key = SERVICE_EDGE;

	get(world.skel->maps.services, &key, &service);
	service.query_mtu = mtu;
	store_service(key, &service);
}

void world_age_fragments(unsigned seconds)
{
	int fd = bpf_map__fd(world.skel->maps.fragments);
	struct edge53_fragment_key keys[64];
	struct edge53_fragment fragment;
	unsigned n = 0;

	for (void *last = NULL; n < 64 && !bpf_map_get_next_key(fd, last, &keys[n]); n++)
		last = &keys[n];
	while (n--) {
		get(world.skel->maps.fragments, &keys[n], &fragment);
		fragment.seen_ns -= seconds * SECONDS;
		put(world.skel->maps.fragments, &keys[n], &fragment);
	}
}

void world_remove_device(enum test_device device)
{
	struct edge53_device gone = {};
	__u32 key = device;

	put(world.skel->maps.devices, &key, &gone);
}

void world_detach_backend(unsigned id)
{
	struct edge53_backend backend;
	__u32 key = id;

	get(world.skel->maps.backends, &key, &backend);
	backend.ifindex = 0;
	put(world.skel->maps.backends, &key, &backend);
}

void world_set_next_slot(unsigned cpu, __u64 next_slot)
{
	struct edge53_cpu_state *states = calloc(world.n_cpus, sizeof(*states));
	__u32 zero = 0;

	get(world.skel->maps.cpu_state, &zero, states);
	states[cpu].next_slot = next_slot;
	put(world.skel->maps.cpu_state, &zero, states);
	free(states);
}

/* --- reading them ----------------------------------------------------------------------------- */

int world_map(const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(world.skel->obj, name);

	if (fd < 0)
		give_up(name, fd);
	return fd;
}

unsigned world_ifindex(enum test_device device)
{
	return world.ifindex[device];
}

const struct edge53_knobs *world_knobs(void)
{
	return &world.skel->rodata->knobs;
}

unsigned world_n_slots(void)
{
	return world.n_cpus * SLOTS_PER_CPU;
}

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

	get(world.skel->maps.cpu_state, &zero, states);
	state = states[cpu];
	free(states);
	return state;
}

/* All counters are 64 bits wide: a struct of them is an array. */
static void add_counters(void *sum, const void *more, size_t size)
{
	__u64 *to = sum;
	const __u64 *from = more;

	for (size_t i = 0; i < size / 8; i++)
		to[i] += from[i];
}

static void read_clients(struct counters *counters)
{
	int fd = bpf_map__fd(world.skel->maps.clients);
	const struct edge53_addr known[] = { test_addr(CLIENT), test_addr(CLIENT_2),
					     test_addr(FRONTEND), {}, test_addr(CLIENT6) };
	struct edge53_client *values = calloc(world.n_cpus, sizeof(*values));
	struct edge53_addr key;

	for (void *last = NULL; !bpf_map_get_next_key(fd, last, &key); last = &key) {
		unsigned at = 0;

		while (at < 5 && memcmp(&known[at], &key, sizeof(key)))
			at++;
		at = at < 5 ? at : 3;
		bpf_map_lookup_elem(fd, &key, values);
		counters->n_clients++;
		for (unsigned cpu = 0; cpu < world.n_cpus; cpu++)
			add_counters(&counters->clients[at], &values[cpu].traffic,
				     sizeof(values[cpu].traffic));
	}
	free(values);
}

void world_read_counters(struct counters *counters)
{
	struct edge53_backend_counters *backends = calloc(world.n_cpus, sizeof(*backends));
	__u64 *reasons = calloc(world.n_cpus, sizeof(*reasons));

	memset(counters, 0, sizeof(*counters));
	for (__u32 i = 0; i < SERVICE_COUNT * EDGE53_REASONS_PER_SERVICE; i++) {
		get(world.skel->maps.reasons, &i, reasons);
		for (unsigned cpu = 0; cpu < world.n_cpus; cpu++)
			counters->reasons[i / EDGE53_REASONS_PER_SERVICE]
					 [i % EDGE53_REASONS_PER_SERVICE] += reasons[cpu];
	}
	for (__u32 i = 0; i < BACKENDS; i++) {
		get(world.skel->maps.backend_counters, &i, backends);
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
	get(world.skel->maps.backend_counters, &backend, counters);
	for (unsigned cpu = 0; cpu < world.n_cpus; cpu++)
		add_counters(buckets, counters[cpu].latency, sizeof(counters[cpu].latency));
	free(counters);
}

/* --- running ---------------------------------------------------------------------------------- */

const char *program_name(enum test_program program)
{
	return bpf_program__name(world.programs[program]);
}

void world_print_cost(void)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, world.skel->obj) {
		struct bpf_prog_info info = {};
		__u32 len = sizeof(info);

		if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &len))
			give_up("bpf_obj_get_info_by_fd", errno);
		printf("%s %u\n", bpf_program__name(program), info.verified_insns);
	}
}

/*
 * The context of BPF_PROG_TEST_RUN has no VLAN tag. This program puts one beside the bytes, as skb->mark
 * says, and goes on to the one under test.
 */
static int run_with_tag(void)
{
	static int fd = -1;
	struct bpf_insn insns[] = {
		/* r6 = ctx; bpf_skb_vlan_push(ctx, htons(0x8100), ctx->mark) */
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1 },
		{ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 3, .src_reg = 1,
		  .off = offsetof(struct __sk_buff, mark) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = htons(0x8100) },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_skb_vlan_push },
		/* bpf_tail_call(ctx, map, 0) */
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 6 },
		{ .code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 2, .src_reg = BPF_PSEUDO_MAP_FD },
		{},
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_tail_call },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 99 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	if (fd >= 0)
		return fd;
	world.under_test = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, NULL, 4, 4, 1, NULL);
	if (world.under_test < 0)
		give_up("program array", errno);
	insns[5].imm = world.under_test;
	fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, NULL, "GPL", insns,
			   sizeof(insns) / sizeof(*insns), NULL);
	if (fd < 0)
		give_up("program that adds a VLAN tag", errno);
	return fd;
}

static int program_to_run(enum test_program program, const struct surroundings *around)
{
	int fd = bpf_program__fd(world.programs[program]), first;
	__u32 zero = 0;

	if (!around->has_vlan)
		return fd;
	first = run_with_tag();
	if (bpf_map_update_elem(world.under_test, &zero, &fd, BPF_ANY))
		give_up("tail call", errno);
	return first;
}

int world_run_in(enum test_program program, enum test_device device,
		 const struct surroundings *around, const struct frame *in, struct frame *out)
{
	struct __sk_buff skb = { .ifindex = world.ifindex[device],
				 .ingress_ifindex = around->ingress_ifindex,
				 .gso_size = around->gso_size,
				 .mark = around->vlan_tci };
	struct xdp_md xdp = { .data_end = in->len, .ingress_ifindex = world.ifindex[device] };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->bytes, .data_size_in = in->len,
		    .data_out = out->bytes, .data_size_out = sizeof(out->bytes), .repeat = 1);
	int r;

	if (program == EDGE_XDP) {
		opts.ctx_in = &xdp;
		opts.ctx_size_in = sizeof(xdp);
	} else {
		opts.ctx_in = &skb;
		opts.ctx_size_in = sizeof(skb);
	}
	r = bpf_prog_test_run_opts(program_to_run(program, around), &opts);
	if (r) {
		fprintf(stderr, "%s, %u bytes: ", program_name(program), in->len);
		give_up("BPF_PROG_TEST_RUN", r);
	}
	out->len = opts.data_size_out;
	return (int)opts.retval;
}

int world_run(enum test_program program, enum test_device device, const struct frame *in,
	      struct frame *out)
{
	return world_run_in(program, device, &(struct surroundings){}, in, out);
}
