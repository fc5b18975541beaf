// SPDX-License-Identifier: GPL-2.0-only
/* Model: worlds at random. See world.h for why the addresses are what they are. */
#include <string.h>

#include "generate.h"

static __u64 state;

void random_seed(__u64 seed)
{
	state = seed * 0x9e3779b97f4a7c15 + 0x2545f4914f6cdd1d;
	state = state ?: 1;
}

__u32 random_below(__u32 n)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (state * 0x2545f4914f6cdd1d >> 32) % n;
}

bool one_in(unsigned n)
{
	return !random_below(n);
}

#define PICK(array) (array)[random_below(sizeof(array) / sizeof(*(array)))]

/* Ids of backends, by service and family. */
enum { EDGE_V4 = 1, ENFORCE_V4 = 3, EDGE_V6 = 5, ENFORCE_V6 = 7 };

static const char *const backend_addresses[MODEL_BACKENDS] = {
	[EDGE_V4] = BACKEND,	       [EDGE_V4 + 1] = BACKEND_2,      [ENFORCE_V4] = RESOLVER,
	[ENFORCE_V4 + 1] = RESOLVER_2, [EDGE_V6] = BACKEND6,	       [EDGE_V6 + 1] = BACKEND6_2,
	[ENFORCE_V6] = RESOLVER6,      [ENFORCE_V6 + 1] = RESOLVER6_2,
};

static void add_frontend(struct setup *setup, enum test_device device, const char *address,
			 enum test_service service)
{
	unsigned n = setup->n_frontends++;

	setup->frontends[n].key.ifindex = world_ifindex(device);
	if (address)
		setup->frontends[n].key.address = test_addr(address);
	setup->frontends[n].value.device = device;
	setup->frontends[n].value.service = service;
	if (!setup->client_is_l3)
		memcpy(setup->frontends[n].value.mac, uplink_mac, 6);
}

static void set_device(struct setup *setup, enum test_device id)
{
	static const unsigned mtus[] = { 1280, 1400, 1492, 1500, 65535 };
	struct edge53_device *device = &setup->devices[id];

	device->ifindex = id == DEV_UPLINK && one_in(100) ? 0 : world_ifindex(id);
	device->mtu = PICK(mtus);
	if (setup->client_is_l3)
		return;
	device->flags = EDGE53_DEVICE_ETHERNET;
	if (!one_in(16))
		device->flags |= EDGE53_DEVICE_XDP_TARGET;
	memcpy(device->mac, uplink_mac, 6);
}

static void set_backend(struct setup *setup, unsigned id, unsigned mtu, bool is_resolved)
{
	struct edge53_backend *backend = &setup->backends[id];
	bool is_v6 = id >= EDGE_V6,
	     is_enforce = id == ENFORCE_V4 || id == ENFORCE_V4 + 1 || id >= ENFORCE_V6;

	backend->address = test_addr(backend_addresses[id]);
	if (is_enforce) {
		backend->udp_port = backend->tcp_port = EDGE53_DNS_PORT;
		backend->service = SERVICE_ENFORCE;
		backend->flags = EDGE53_BACKEND_LOCAL;
		backend->mtu = 65535;
		return;
	}
	backend->source = test_addr(is_v6 ? EDGE6 : EDGE);
	backend->ifindex = one_in(200) ? 0 : world_ifindex(DEV_INNER);
	backend->udp_port = BACKEND_UDP;
	backend->tcp_port = BACKEND_TCP;
	backend->service = SERVICE_EDGE;
	backend->mtu = mtu;
	if (setup->backend_is_l3)
		return;
	backend->flags = EDGE53_BACKEND_ETHERNET | EDGE53_BACKEND_XDP;
	backend->nexthop = backend->address;
	memcpy(backend->smac, inner_mac, 6);
	if (is_resolved)
		memcpy(backend->dmac, backend_mac, 6);
}

/* Two backends of a family, or one, or none. */
static void set_picks(__u8 *picks, unsigned first)
{
	unsigned which = random_below(16);

	for (unsigned i = 0; i < EDGE53_PICKS; i++)
		picks[i] = which == 0 ? 0 : which < 8 ? first : first + i % 2;
}

/* on_down: servfail, with a backend for both families, one or none; as the loader flags it. */
static void set_servfail(struct edge53_service *service)
{
	bool is_down = one_in(3);

	for (unsigned family = 0; family < 2 && is_down; family++)
		memset(service->picks[family].udp, 0, EDGE53_PICKS);
	service->flags |= EDGE53_SERVICE_DOWN_SERVFAIL;
	if (!service->picks[0].udp[0] || !service->picks[1].udp[0])
		service->flags |= EDGE53_SERVICE_UDP_DOWN;
	if (!service->picks[0].udp[0] && !service->picks[1].udp[0] && one_in(2))
		service->flags |= EDGE53_SERVICE_XDP_ANSWERS;
}

static void set_service(struct setup *setup, enum test_service id, const char *name, unsigned flags,
			const unsigned first[2])
{
	static const unsigned payloads[] = { 64, 100, 512, 1232 };
	struct edge53_service *service = &setup->services[id];

	strcpy(service->name, name);
	service->kind = id == SERVICE_EDGE ? EDGE53_SERVICE_EDGE : EDGE53_SERVICE_ENFORCE;
	service->flags = flags | (one_in(2) ? EDGE53_SERVICE_DOWN_PASS : 0);
	if (id == SERVICE_EDGE && first[0] == EDGE_V6)
		service->flags |= EDGE53_SERVICE_IPV6_BACKENDS;
	if (service->flags & EDGE53_SERVICE_PROXY_UDP && one_in(2))
		service->max_udp_payload = PICK(payloads);
	service->query_mtu = one_in(2) ? 0 : setup->backends[EDGE_V4].mtu - 28;
	for (unsigned family = 0; family < 2; family++) {
		set_picks(service->picks[family].udp, first[family]);
		set_picks(service->picks[family].tcp, first[family]);
	}
	if (id == SERVICE_EDGE && one_in(3))
		set_servfail(service);
}

static unsigned random_policy(void)
{
	static const unsigned ipv6[] = { 0, EDGE53_SERVICE_IPV6_DROP,
					 EDGE53_SERVICE_IPV6_REDIRECT };
	static const unsigned dot[] = { 0, EDGE53_SERVICE_DOT_DROP, EDGE53_SERVICE_DOT_REJECT };
	static const unsigned doh[] = { 0, EDGE53_SERVICE_DOH_DROP, EDGE53_SERVICE_DOH_REJECT };

	return PICK(ipv6) | PICK(dot) | PICK(doh) | (one_in(2) ? EDGE53_SERVICE_EXEMPT : 0);
}

/* How backends of the edge service learn who asks. */
static unsigned random_identity(void)
{
	return (one_in(3) ? EDGE53_SERVICE_KEEP_SOURCE : 0) |
	       (one_in(2) ? EDGE53_SERVICE_PROXY_UDP : 0) |
	       (one_in(2) ? EDGE53_SERVICE_PROXY_TCP : 0);
}

static void add_prefix(struct edge53_prefix_key *key, enum test_service service,
		       const char *address, unsigned len)
{
	struct edge53_addr addr = test_addr(address);

	key->prefix_len = 32 + len + (family_of(&addr) == 4 ? 96 : 0);
	key->service = service;
	memcpy(key->address, &addr, 16);
}

static void set_prefixes(struct setup *setup)
{
	add_prefix(&setup->exempt[setup->n_exempt++], SERVICE_ENFORCE, "8.0.3.0", 25);
	add_prefix(&setup->exempt[setup->n_exempt++], SERVICE_ENFORCE, "2001:db8:86dd:3::", 64);
	add_prefix(&setup->doh[setup->n_doh++], SERVICE_ENFORCE, "9.9.0.0", 19);
	add_prefix(&setup->doh[setup->n_doh++], SERVICE_ENFORCE, "2620:fe::", 48);
	/* Some of the clients, and not the same for the other service. */
	add_prefix(&setup->keep_source[setup->n_keep_source++], SERVICE_EDGE, "8.0.2.20", 30);
	add_prefix(&setup->keep_source[setup->n_keep_source++], SERVICE_EDGE, "8.0.3.0", 24);
	add_prefix(&setup->keep_source[setup->n_keep_source++], SERVICE_EDGE, "2001:db8:86dd:2::18",
		   125);
	add_prefix(&setup->keep_source[setup->n_keep_source++], SERVICE_ENFORCE, "8.0.0.0", 16);
}

static void set_guard(struct setup *setup)
{
	for (unsigned i = 0; i < DEV_COUNT; i++) {
		setup->is_guarded[i] = i == 0 || !one_in(4);
		setup->guard[i].policy = random_below(3);
		setup->guard[i].service = SERVICE_ENFORCE;
	}
}

void random_setup(const struct way *way, struct setup *setup)
{
	static const unsigned mtus[] = { 1280, 1400, 1420, 1500 };
	static const unsigned enforce[] = { ENFORCE_V4, ENFORCE_V6 };
	unsigned edge[] = { EDGE_V4, EDGE_V6 }, mtu = PICK(mtus);
	bool is_resolved = !one_in(16), can_translate = !way->client_is_l3 && !way->backend_is_l3;

	memset(setup, 0, sizeof(*setup));
	setup->client_is_l3 = way->client_is_l3;
	setup->backend_is_l3 = way->backend_is_l3;
	add_frontend(setup, DEV_UPLINK, FRONTEND, SERVICE_EDGE);
	add_frontend(setup, DEV_UPLINK, FRONTEND6, SERVICE_EDGE);
	add_frontend(setup, DEV_PPP, NULL, SERVICE_ENFORCE);
	set_device(setup, DEV_UPLINK);
	set_device(setup, DEV_PPP);
	setup->devices[DEV_PPP].service = SERVICE_ENFORCE;
	for (unsigned id = 1; id < MODEL_BACKENDS; id++)
		set_backend(setup, id, mtu, is_resolved);
	/* On devices without Ethernet header BPF_PROG_TEST_RUN cannot change the family. */
	for (unsigned family = 0; family < 2; family++)
		if (can_translate && one_in(3))
			edge[family] = edge[family] == EDGE_V4 ? EDGE_V6 : EDGE_V4;
	set_service(setup, SERVICE_EDGE, "edge",
		    (is_resolved ? EDGE53_SERVICE_XDP : 0) | random_identity(), edge);
	set_service(setup, SERVICE_ENFORCE, "enforce", random_policy(), enforce);
	set_prefixes(setup);
	set_guard(setup);
}

void random_reload(struct setup *setup)
{
	static const unsigned flags[] = { EDGE53_SERVICE_KEEP_SOURCE, EDGE53_SERVICE_PROXY_UDP,
					  EDGE53_SERVICE_PROXY_TCP };

	struct edge53_service *service = &setup->services[SERVICE_EDGE];

	service->flags ^= PICK(flags);
	if (!(service->flags & EDGE53_SERVICE_PROXY_UDP))
		service->max_udp_payload = 0;
}
