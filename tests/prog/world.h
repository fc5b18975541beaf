/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The loaded object, the small world its maps describe, and what they hold. No loader: the maps are
 * written here. Devices live in a network namespace of the test's own.
 *
 *	CLIENT ── uplink ── FRONTEND (service 1) EDGE ── inner ── BACKEND, BACKEND_2
 *	CLIENT ── ppp ── any address (service 2) ── host ── RESOLVER, RESOLVER_2
 *	CLIENT ── inner (service 3) ── BACKEND, whose replies would leave by uplink
 *
 * Addresses that send on devices without Ethernet header begin with 8.0: BPF_PROG_TEST_RUN takes
 * bytes 12 and 13 for the EtherType, whatever the program, and there the IPv4 source begins. 8.0 is
 * 0x0800. Of IPv6 these are bytes 4 and 5 of the source: 86dd.
 */
#ifndef EDGE53_TEST_WORLD_H
#define EDGE53_TEST_WORLD_H

#include <stdbool.h>

#include "edge53_abi.h"
#include "knobs.h"

#include "frames.h"

#define CLIENT "8.0.2.17"
#define CLIENT_2 "8.0.2.18"
#define FRONTEND "198.51.100.53"
#define EDGE "10.77.0.2"
#define BACKEND "8.0.77.1"
#define BACKEND_2 "8.0.77.2"
#define RESOLVER "8.0.99.1"
#define RESOLVER_2 "8.0.99.2"
#define STRANGER "8.0.66.6"
#define CLIENT6 "2001:db8:86dd:2::17"
#define FRONTEND6 "2001:db8:53::53"
#define EDGE6 "fd00:77::2"
#define BACKEND6 "2001:db8:86dd:77::1"
#define RESOLVER6 "2001:db8:86dd:99::1"
#define STRANGER6 "2001:db8:86dd:66::6"

#define BACKEND_UDP 5353
#define BACKEND_TCP 5354

extern const unsigned char client_mac[6], router_mac[6], uplink_mac[6], inner_mac[6],
	backend_mac[6];

enum test_device { DEV_NONE, DEV_UPLINK, DEV_INNER, DEV_PPP, DEV_OTHER, DEV_COUNT };

enum test_service { SERVICE_NONE, SERVICE_EDGE, SERVICE_ENFORCE, SERVICE_RETURN, SERVICE_COUNT };

enum test_program {
	EDGE_XDP,
	EDGE_TC_L2,
	EDGE_TC_L2_CHECKED,
	EDGE_TC_L3,
	ENFORCE_IN_L2,
	ENFORCE_IN_L3,
	ENFORCE_OUT_L2,
	ENFORCE_OUT_L3,
	GUARD_OUT_L2,
	GUARD_OUT_L3,
	RETURN_IN_L2,
	RETURN_IN_L3,
	RETURN_OUT_L2,
	RETURN_OUT_L3,
	PROGRAM_COUNT,
};

/* Small, so that rings and pools come round; odd where a power of two could hide something. */
#define SLOTS_PER_CPU 16
#define PORT_BASE 20000
#define PORT_BITS 10
#define CONNS 50
#define CLIENTS 64 /* for each CPU */
#define CLIENT_ENTRY_BITS 7
#define CLIENT_BUCKET_BITS 4
#define BACKENDS 7
#define RETURN_PEERS 256

enum { ID_BACKEND = 1, ID_BACKEND_2, ID_RESOLVER, ID_RESOLVER_2, ID_BACKEND6, ID_RESOLVER6 };

#define ETHERNET_MTU 1500
#define TUNNEL_MTU 1420

#define SECONDS 1000000000ull
#define DAY_NS (86400 * SECONDS) /* longer than any test */
#define UDP_TIMEOUT_S 5
#define TCP_HALF_OPEN_S 10
#define TCP_CLOSING_S 20
#define TCP_IDLE_S 300

/* Once for the process: namespace, devices, object. Ends the process with a sentence on failure. */
void world_create(void);
void world_destroy(void);

/* Where programs run from now on: CPU 0 unless told. False: there is no such CPU. */
bool world_use_cpu(unsigned cpu);

/* The world as drawn above, all flows and counters gone. l3: devices without Ethernet header. */
void world_reset(bool client_is_l3, bool backend_is_l3);

/* Changes to it. */
void world_set_flags(enum test_service service, unsigned flags);
void world_set_backends(enum test_service service, const __u8 *ids, unsigned n); /* n 0: none */
void world_exempt(const char *address, unsigned prefix_len);
void world_doh(const char *address, unsigned prefix_len);
void world_keep_source(const char *address, unsigned prefix_len); /* clients of the edge service */
void world_forget_keep_source(void);
/* The tunnel of the return service, DEV_NONE: gone; and a port of it or of an uplink. */
void world_return(enum test_device tunnel, bool is_l3);
void world_return_port(enum test_device device, bool is_uplink, unsigned l4proto, unsigned port);
void world_age_return_peers(unsigned seconds);
/* Of the edge service, whose flags these are: prefixes of 24 and 56 bits, a proof is good for 600 s. Nobody has asked. */
void world_limit_rate(__u64 interval_ns, unsigned burst, unsigned slip, unsigned flags);
void world_change_rate(__u64 interval_ns, unsigned burst, unsigned slip); /* who asked is still known */
void world_exempt_from_rate(const char *address);
void world_age_proofs(unsigned seconds);
/* Of the edge service: prefixes of 24 and 56 bits; interval_ns 0, open 0: any number. Nobody has asked. */
/* All seats that are taken are the connection's of this entry. */
void world_give_seats(unsigned conn);
void world_limit_tcp(__u64 interval_ns, unsigned burst, unsigned open);
void world_change_tcp_limit(__u64 interval_ns, unsigned burst, unsigned open);
/* Beside: who is not proven gets a cookie above so many SYNs. in_xdp: XDP may answer. */
void world_limit_unproven_syns(__u64 interval_ns, unsigned burst, bool in_xdp);
void world_exempt_from_tcp_limit(const char *address);
/* What replies of a service are limited to, whose flags say so then; nobody was answered. */
void world_limit_responses(enum test_service service, unsigned bytes_per_second, unsigned burst_bytes);
/* 0: there is no limit any more. */
void world_change_responses(enum test_service service, unsigned bytes_per_second,
			    unsigned burst_bytes);
void world_exempt_from_responses(enum test_service service, const char *address);
unsigned world_count_return_peers(void);
void world_guard(unsigned ifindex, enum edge53_guard_policy policy);
void world_set_mtu(enum test_device device, unsigned mtu);
void world_set_backend_mtu(unsigned id, unsigned mtu);
void world_set_query_mtu(unsigned mtu); /* of the edge service */
/* Of the edge service; 0: any. */
void world_set_max_udp_payload(unsigned bytes);
void world_age_fragments(unsigned seconds);
void world_remove_device(enum test_device device);
void world_forget_frontends(void);
void world_set_revision(unsigned revision); /* of the frontends; 0: programs note none that they find */
void world_detach_backend(unsigned id); /* its device is gone */
void world_move_backend(unsigned id, enum test_device device);

unsigned world_ifindex(enum test_device device);
const struct edge53_knobs *world_knobs(void);

/* What the n-th UDP query on CPU 0 is sent with, and the port of the n-th connection. From 0. */
unsigned port_of(unsigned n);
unsigned id_of(unsigned n);
unsigned conn_port(unsigned n);

/* Puts a frame through a program, as seen on the device. */
int world_run(enum test_program program, enum test_device device, const struct frame *in,
	      struct frame *out);
/* What is beside the bytes. */
struct surroundings {
	unsigned gso_size;
	unsigned ingress_ifindex; /* of a forwarded packet */
	unsigned vlan_tci; /* tc: of the tag that a device or the kernel took out of the bytes */
	bool has_vlan;
};

int world_run_in(enum test_program program, enum test_device device,
		 const struct surroundings *around, const struct frame *in, struct frame *out);
const char *program_name(enum test_program program); /* as in the object */

/* Prints, of every program in the object, its name and how many instructions the verifier looked at. */
void world_print_cost(void);

/* The maps, by their names in the object. Slots and connections are the kernel's memory itself. */
int world_map(const char *name);
struct edge53_slot *world_slots(void); /* SLOTS_PER_CPU for each possible CPU */
struct edge53_conn *world_conns(void);
unsigned world_n_slots(void);
/* Samples, by the limits of the two readers. */
void world_sample(__u32 dnstap_limit, __u32 names_limit, __u64 names_until_ns);
__u32 world_sample_limit(enum edge53_sample_reader reader);
void world_forget_clients(void);
struct edge53_client *world_clients(void); /* CLIENTS for each possible CPU */
/* The entry of `conns` that a client's connection holds, or -1. */
int world_find_conn(const char *client, const char *asked, unsigned port,
		    enum test_service service);
unsigned world_count_tuples(void);
/* Each entry of conn_by_tuple leads to a connection of this tuple. */
bool world_tuples_are_right(void);
struct edge53_cpu_state world_cpu_state(unsigned cpu);
void world_set_next_slot(unsigned cpu, __u64 next_slot);

struct counters {
	__u64 reasons[SERVICE_COUNT][EDGE53_REASONS_PER_SERVICE];
	struct edge53_traffic backends[BACKENDS];
	__u64 latencies[BACKENDS]; /* entries of the histogram */
	struct edge53_traffic clients[5]; /* CLIENT, CLIENT_2, FRONTEND, all others, CLIENT6 */
	unsigned n_clients;
	struct edge53_traffic others; /* without an entry */
	__u64 n_not_counted, n_evicted;
};

void world_read_counters(struct counters *counters);

/* Bytes that the kernel says all maps of the object take (memlock of fdinfo). */
__u64 world_memory(void);
/* The first map after `name` (NULL: of all) that takes more with each entry; NULL: there is none. */
const char *world_map_that_grows(const char *name);
void world_read_latencies(__u32 backend, __u64 buckets[EDGE53_LATENCY_BUCKETS]);

struct edge53_addr test_addr(const char *text);

#endif
