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

#include "geometry.h"
#include "world_state.h"

const unsigned char client_mac[6] = { 2, 0, 0, 0, 0, 0x17 };
const unsigned char router_mac[6] = { 2, 0, 0, 0, 0, 0x18 };
const unsigned char uplink_mac[6] = { 2, 0, 0, 0, 0, 0xed };
const unsigned char inner_mac[6] = { 2, 0, 0, 0, 0, 0xe1 };
const unsigned char backend_mac[6] = { 2, 0, 0, 0, 0, 0xbe };

static const char *const device_names[DEV_COUNT] = {
	[DEV_UPLINK] = "uplink", [DEV_INNER] = "inner", [DEV_PPP] = "ppp", [DEV_OTHER] = "other"
};

struct world world;

void give_up(const char *what, int error)
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
	memcpy(knobs->slot_keys, keys + 2, sizeof(knobs->slot_keys));
	knobs->slots_per_cpu = SLOTS_PER_CPU;
	knobs->lap_shift = log2_rounded_up(SLOTS_PER_CPU);
	for (knobs->slot_bits = 0; 1u << knobs->slot_bits < world_n_slots();)
		knobs->slot_bits++;
	knobs->port_base = PORT_BASE;
	knobs->port_bits = PORT_BITS;
	knobs->tcp_connections = CONNS;
	knobs->clients_per_cpu = CLIENTS;
	knobs->client_entry_bits = CLIENT_ENTRY_BITS;
	knobs->client_bucket_bits = CLIENT_BUCKET_BITS;
	knobs_set_client_prefix(knobs, &(struct edge53_client_prefix){});
	knobs->udp_timeout_us = UDP_TIMEOUT_S * SECONDS >> 10;
	knobs->has_syn_cookies = 1;
	knobs->tcp_half_open_ns = TCP_HALF_OPEN_S * SECONDS;
	knobs->tcp_idle_ns = TCP_IDLE_S * SECONDS;
	knobs->tcp_closing_ns = TCP_CLOSING_S * SECONDS;
}

static size_t clients_size(void)
{
	return world.n_cpus * CLIENTS * sizeof(*world.clients);
}

static size_t client_index_size(void)
{
	return (world.n_cpus << CLIENT_BUCKET_BITS) * sizeof(*world.client_index);
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
	world.programs[RETURN_IN_L2] = world.skel->progs.return_in_l2;
	world.programs[RETURN_IN_L3] = world.skel->progs.return_in_l3;
	world.programs[RETURN_OUT_L2] = world.skel->progs.return_out_l2;
	world.programs[RETURN_OUT_L3] = world.skel->progs.return_out_l3;
}

/* As the loader does when there is something to return. */
static void make_return_peers(void)
{
	for (__u32 which = 0; which < EDGE53_RETURN_MAPS; which++) {
		int *fd = &world.return_peers[which];

		*fd = bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "return_peers",
				     sizeof(struct edge53_return_peer_key),
				     sizeof(struct edge53_return_peer), RETURN_PEERS, NULL);
		if (*fd < 0 || bpf_map_update_elem(bpf_map__fd(world.skel->maps.return_peers),
						   &which, fd, 0))
			give_up("return_peers", errno);
	}
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
	bpf_map__set_max_entries(world.skel->maps.clients, world.n_cpus * CLIENTS);
	bpf_map__set_max_entries(world.skel->maps.client_index, world.n_cpus << CLIENT_BUCKET_BITS);
	r = edge53_bpf__load(world.skel);
	if (r)
		give_up("load", r);
	name_programs();
	make_return_peers();
	world.slots = map_memory(world.skel->maps.slots, world_n_slots() * sizeof(*world.slots));
	world.conns = map_memory(world.skel->maps.conns, CONNS * sizeof(*world.conns));
	world.clients = map_memory(world.skel->maps.clients, clients_size());
	world.client_index = map_memory(world.skel->maps.client_index, client_index_size());
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

void world_get(const struct bpf_map *map, const void *key, void *value)
{
	if (bpf_map_lookup_elem(bpf_map__fd(map), key, value))
		give_up(bpf_map__name(map), errno);
}

static void empty_fd(int fd)
{
	unsigned char key[64];

	while (!bpf_map_get_next_key(fd, NULL, key))
		bpf_map_delete_elem(fd, key);
}

static void empty(const struct bpf_map *map)
{
	empty_fd(bpf_map__fd(map));
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

void world_forget_clients(void)
{
	memset(world.clients, 0, clients_size());
	memset(world.client_index, 0, client_index_size());
}

static void forget_flows(void)
{
	__u32 zero = 0;
	struct edge53_tcp_pool pool = {};

	memset(world.slots, 0, world_n_slots() * sizeof(*world.slots));
	memset(world.conns, 0, CONNS * sizeof(*world.conns));
	empty(world.skel->maps.conn_by_tuple);
	put(world.skel->maps.tcp_pool, &zero, &pool);
	world_forget_clients();
	empty(world.skel->maps.fragments);
	for (int i = 0; i < EDGE53_RETURN_MAPS; i++)
		empty_fd(world.return_peers[i]);
	put_zeros(world.skel->maps.cpu_state, 1);
	put_zeros(world.skel->maps.seen_frontends, EDGE53_SEEN_FRONTENDS);
	put_zeros(world.skel->maps.backend_counters, BACKENDS);
	put_zeros(world.skel->maps.reasons, SERVICE_COUNT * EDGE53_REASONS_PER_SERVICE);
}

void world_sample(__u32 dnstap_limit, __u32 names_limit, __u64 names_until_ns)
{
	struct edge53_sampling *sampling = &world.skel->data_sampling->sampling;

	sampling->names_until_ns = names_until_ns;
	sampling->limits[EDGE53_SAMPLE_DNSTAP] = dnstap_limit;
	sampling->limits[EDGE53_SAMPLE_NAMES] = names_limit;
}

__u32 world_sample_limit(enum edge53_sample_reader reader)
{
	return world.skel->data_sampling->sampling.limits[reader];
}

void world_reset(bool client_is_l3, bool backend_is_l3)
{
	world_forget_frontends();
	world_set_revision(0);
	empty(world.skel->maps.exempt);
	empty(world.skel->maps.doh);
	empty(world.skel->maps.keep_source);
	empty(world.skel->maps.guard);
	empty(world.skel->maps.returns_by_device);
	put_zeros(world.skel->maps.returns, SERVICE_COUNT);
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
	put_service(SERVICE_RETURN, "return-inner", EDGE53_SERVICE_RETURN, 0, 0, 0);
	forget_flows();
}

void world_set_flags(enum test_service id, unsigned flags)
{
	struct edge53_service service;
	__u32 key = id;

	world_get(world.skel->maps.services, &key, &service);
	service.flags = flags;
	store_service(key, &service);
}

void world_set_backends(enum test_service id, const __u8 *ids, unsigned n)
{
	struct edge53_service service;
	__u32 key = id;

	world_get(world.skel->maps.services, &key, &service);
	for (unsigned i = 0; i < EDGE53_PICKS; i++)
		for (unsigned family = 0; family < 2; family++)
			service.picks[family].udp[i] = service.picks[family].tcp[i] =
				n ? ids[i % n] : 0;
	store_service(key, &service);
}

static void put_prefix(const struct bpf_map *map, enum test_service service, const char *address,
		       unsigned prefix_len)
{
	struct edge53_prefix_key key = { .prefix_len = 32 + prefix_len, .service = service };
	struct edge53_addr addr = test_addr(address);
	__u32 one = 1;

	memcpy(key.address, addr.bytes, sizeof(key.address));
	put(map, &key, &one);
}

void world_exempt(const char *address, unsigned prefix_len)
{
	put_prefix(world.skel->maps.exempt, SERVICE_ENFORCE, address, prefix_len);
}

/* Nobody has asked, or completed a handshake. */
static void forget_moments(void)
{
	static struct edge53_moments none[1 << EDGE53_MOMENT_BUCKET_BITS];
	static __u32 numbers[1 << EDGE53_MOMENT_BUCKET_BITS];
	__u32 n = 1 << EDGE53_MOMENT_BUCKET_BITS;

	for (__u32 i = 0; i < n; i++)
		numbers[i] = i;
	if (bpf_map_update_batch(bpf_map__fd(world.skel->maps.rates), numbers, none, &n, NULL) ||
	    bpf_map_update_batch(bpf_map__fd(world.skel->maps.proven), numbers, none, &n, NULL))
		give_up("rates and proven", errno);
}

void world_change_rate(__u64 interval_ns, unsigned burst, unsigned slip)
{
	struct edge53_rate_limit limit = {
		.interval_ns = interval_ns,
		.burst_ns = interval_ns * burst,
		.slip = slip,
		.proven_s = 600,
	};
	__u32 service = SERVICE_EDGE;

	memset(limit.masks[0].bytes, 0xff, 12 + 3);
	memset(limit.masks[1].bytes, 0xff, 7);
	put(world.skel->maps.rate_limits, &service, &limit);
}

void world_limit_rate(__u64 interval_ns, unsigned burst, unsigned slip, unsigned flags)
{
	forget_moments();
	world_change_rate(interval_ns, burst, slip);
	world_set_flags(SERVICE_EDGE, flags);
}

void world_change_tcp_limit(__u64 interval_ns, unsigned burst, unsigned open)
{
	struct edge53_tcp_limit limit = {
		.fresh = { .interval_ns = interval_ns, .burst_ns = interval_ns * burst },
		.open = open,
		.has_exempt = 1,
	};
	__u32 service = SERVICE_EDGE;

	memset(limit.fresh.masks[0].bytes, 0xff, 12 + 3);
	memset(limit.fresh.masks[1].bytes, 0xff, 7);
	put(world.skel->maps.tcp_limits, &service, &limit);
}

void world_limit_tcp(__u64 interval_ns, unsigned burst, unsigned open)
{
	forget_moments();
	put_zeros(world.skel->maps.tcp_seats, 1 << EDGE53_SEAT_BUCKET_BITS);
	world_change_tcp_limit(interval_ns, burst, open);
	world_set_flags(SERVICE_EDGE, EDGE53_SERVICE_XDP | EDGE53_SERVICE_TCP_LIMIT);
}

void world_give_seats(unsigned conn)
{
	for (__u32 i = 0; i < 1 << EDGE53_SEAT_BUCKET_BITS; i++) {
		const __u64 tag = 0xffffull << 48;
		struct edge53_seats seats;

		world_get(world.skel->maps.tcp_seats, &i, &seats);
		for (unsigned way = 0; way < EDGE53_SEAT_WAYS; way++)
			if (seats.ways[way])
				seats.ways[way] = (seats.ways[way] & tag) | (__u64)conn << 32 |
						  world.conns[conn].sequence;
		put(world.skel->maps.tcp_seats, &i, &seats);
	}
}

void world_limit_unproven_syns(__u64 interval_ns, unsigned burst, bool in_xdp)
{
	struct edge53_tcp_limit limit;
	__u32 service = SERVICE_EDGE;

	put_zeros(world.skel->maps.proven, 1 << EDGE53_MOMENT_BUCKET_BITS);
	world_get(world.skel->maps.tcp_limits, &service, &limit);
	limit.unproven.interval_ns = interval_ns;
	limit.unproven.burst_ns = interval_ns * burst;
	limit.unproven.proven_s = 600;
	put(world.skel->maps.tcp_limits, &service, &limit);
	world_set_flags(SERVICE_EDGE, EDGE53_SERVICE_XDP | EDGE53_SERVICE_TCP_LIMIT |
					      EDGE53_SERVICE_SYN_COOKIES |
					      (in_xdp ? EDGE53_SERVICE_COOKIES_IN_XDP : 0));
}

static void exempt_from_use(enum test_service service, enum edge53_exempt_use use,
			    const char *address)
{
	struct edge53_prefix_key key = { .prefix_len = 32 + 128, .service = service, .use = use };
	struct edge53_addr addr = test_addr(address);
	__u32 one = 1;

	memcpy(key.address, addr.bytes, sizeof(key.address));
	put(world.skel->maps.exempt, &key, &one);
}

void world_exempt_from_tcp_limit(const char *address)
{
	exempt_from_use(SERVICE_EDGE, EDGE53_EXEMPT_TCP, address);
}

void world_change_responses(enum test_service service, unsigned bytes_per_second,
			    unsigned burst_bytes)
{
	struct edge53_response_limit limit = { .proven_s = 600 };
	__u32 id = service;

	if (bytes_per_second) {
		limit.interval_ns = (SECONDS << EDGE53_RESPONSE_SHIFT) / bytes_per_second;
		limit.burst_ns = SECONDS * burst_bytes / bytes_per_second;
	}
	memset(limit.masks[0].bytes, 0xff, 12 + 3);
	memset(limit.masks[1].bytes, 0xff, 7);
	put(world.skel->maps.response_limits, &id, &limit);
}

void world_limit_responses(enum test_service service, unsigned bytes_per_second, unsigned burst_bytes)
{
	struct edge53_service s;
	__u32 id = service;

	forget_moments();
	world_change_responses(service, bytes_per_second, burst_bytes);
	world_get(world.skel->maps.services, &id, &s);
	s.flags |= EDGE53_SERVICE_RESPONSE_LIMIT;
	store_service(id, &s);
}

void world_exempt_from_responses(enum test_service service, const char *address)
{
	struct edge53_response_limit limit;
	__u32 id = service;

	world_get(world.skel->maps.response_limits, &id, &limit);
	limit.has_exempt = 1;
	put(world.skel->maps.response_limits, &id, &limit);
	exempt_from_use(service, EDGE53_EXEMPT_RESPONSES, address);
}

void world_exempt_from_rate(const char *address)
{
	put_prefix(world.skel->maps.exempt, SERVICE_EDGE, address, 128);
}

void world_age_proofs(unsigned seconds)
{
	for (__u32 i = 0; i < 1 << EDGE53_MOMENT_BUCKET_BITS; i++) {
		struct edge53_moments moments;

		world_get(world.skel->maps.proven, &i, &moments);
		for (unsigned way = 0; way < EDGE53_MOMENT_WAYS; way++)
			if (moments.ways[way].who)
				moments.ways[way].at_ns -= seconds * SECONDS;
		put(world.skel->maps.proven, &i, &moments);
	}
}

void world_doh(const char *address, unsigned prefix_len)
{
	put_prefix(world.skel->maps.doh, SERVICE_ENFORCE, address, prefix_len);
}

void world_keep_source(const char *address, unsigned prefix_len)
{
	put_prefix(world.skel->maps.keep_source, SERVICE_EDGE, address, prefix_len);
}

void world_return(enum test_device tunnel, bool is_l3)
{
	struct edge53_return to = { .ifindex = tunnel ? world.ifindex[tunnel] : 0,
				    .is_ethernet = !is_l3 };
	__u32 id = SERVICE_RETURN;

	if (!is_l3)
		memcpy(to.smac, inner_mac, 6);
	put(world.skel->maps.returns, &id, &to);
}

void world_return_port(enum test_device device, bool is_uplink, unsigned l4proto, unsigned port)
{
	struct edge53_return_key key = { .ifindex = world.ifindex[device], .port = port,
					 .l4proto = l4proto, .is_uplink = is_uplink };
	__u32 id = SERVICE_RETURN;

	put(world.skel->maps.returns_by_device, &key, &id);
}

void world_age_return_peers(unsigned seconds)
{
	for (int i = 0; i < EDGE53_RETURN_MAPS; i++) {
		struct edge53_return_peer_key key;
		struct edge53_return_peer peer;
		int fd = world.return_peers[i];

		for (void *last = NULL; !bpf_map_get_next_key(fd, last, &key); last = &key) {
			if (bpf_map_lookup_elem(fd, &key, &peer))
				give_up("return_peers", errno);
			peer.seen_ns -= seconds * SECONDS;
			if (bpf_map_update_elem(fd, &key, &peer, BPF_EXIST))
				give_up("return_peers", errno);
		}
	}
}

unsigned world_count_return_peers(void)
{
	struct edge53_return_peer_key key;
	unsigned n = 0;

	for (int i = 0; i < EDGE53_RETURN_MAPS; i++)
		for (void *last = NULL; !bpf_map_get_next_key(world.return_peers[i], last, &key);
		     last = &key)
			n++;
	return n;
}

void world_forget_keep_source(void)
{
	empty(world.skel->maps.keep_source);
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

	world_get(world.skel->maps.devices, &key, &device);
	device.mtu = mtu;
	put(world.skel->maps.devices, &key, &device);
}

void world_set_backend_mtu(unsigned id, unsigned mtu)
{
	struct edge53_backend backend;
	__u32 key = id;

	world_get(world.skel->maps.backends, &key, &backend);
	backend.mtu = mtu;
	put(world.skel->maps.backends, &key, &backend);
}

void world_set_query_mtu(unsigned mtu)
{
	struct edge53_service service;
	__u32 key = SERVICE_EDGE;

	world_get(world.skel->maps.services, &key, &service);
	service.query_mtu = mtu;
	store_service(key, &service);
}

void world_set_max_udp_payload(unsigned bytes)
{
	struct edge53_service service;
	__u32 key = SERVICE_EDGE;

	world_get(world.skel->maps.services, &key, &service);
	service.max_udp_payload = bytes;
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
		world_get(world.skel->maps.fragments, &keys[n], &fragment);
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

void world_forget_frontends(void)
{
	empty(world.skel->maps.frontends);
}

void world_set_revision(unsigned revision)
{
	struct edge53_revision value = { .frontends = revision };
	__u32 zero = 0;

	put(world.skel->maps.revision, &zero, &value);
}

static void set_backend_ifindex(unsigned id, unsigned ifindex)
{
	struct edge53_backend backend;
	__u32 key = id;

	world_get(world.skel->maps.backends, &key, &backend);
	backend.ifindex = ifindex;
	put(world.skel->maps.backends, &key, &backend);
}

void world_detach_backend(unsigned id)
{
	set_backend_ifindex(id, 0);
}

void world_move_backend(unsigned id, enum test_device device)
{
	set_backend_ifindex(id, world_ifindex(device));
}

void world_set_next_slot(unsigned cpu, __u64 next_slot)
{
	struct edge53_cpu_state *states = calloc(world.n_cpus, sizeof(*states));
	__u32 zero = 0;

	world_get(world.skel->maps.cpu_state, &zero, states);
	states[cpu].next_slot = next_slot;
	put(world.skel->maps.cpu_state, &zero, states);
	free(states);
}

/* --- what others need of it ------------------------------------------------------------------ */

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
