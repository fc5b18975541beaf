/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Config + host → plan: what should be in the maps and attached where, and what to say about it.
 * A pure function; touches neither the kernel nor the state of an earlier run.
 */
#ifndef EDGE53_PLAN_H
#define EDGE53_PLAN_H

#include "config.h"
#include "findings.h"
#include "host.h"

/* Programs of the object, by the hook they are for; attach.c knows how. */
enum plan_hook {
	HOOK_UPLINK_XDP = 1 << 0,    /* edge: both directions, Ethernet */
	HOOK_UPLINK_TC = 1 << 1,     /* edge: both directions, tc ingress */
	HOOK_ENFORCE_IN = 1 << 2,    /* enforce: queries, tc ingress */
	HOOK_ENFORCE_OUT = 1 << 3,   /* enforce: replies, tc egress */
	HOOK_GUARD_OUT = 1 << 4,     /* default route of the host: what leaks, tc egress */
	HOOK_RETURN_IN = 1 << 5,     /* return: clients, tc ingress of the tunnel */
	HOOK_RETURN_OUT = 1 << 6,    /* return: replies to them, tc egress of the uplink */
};

struct plan_device {
	char name[IFNAMSIZ];
	unsigned int ifindex;
	bool is_ethernet;
	bool is_client_side; /* clients arrive here: it gets an entry in `devices` */
	unsigned char mac[6];
	unsigned int mtu;
	unsigned int hooks; /* enum plan_hook */
	bool xdp_redirect_ok; /* native XDP may redirect to it (NETDEV_XDP_ACT_NDO_XMIT) */
	const char *why_no_xdp; /* of an uplink; NULL: for all that is known it takes our program */
	int enforce;	      /* index in plan->services, or -1 */
};

struct plan_backend {
	struct edge53_addr address;
	unsigned int udp_port;
	unsigned int tcp_port;
	unsigned int weight;
	bool usable;	/* a device and a route are there */
	bool udp_dead;	/* it does not answer; health_update() says so, a new plan does not */
	bool tcp_dead;
	bool is_local;	/* enforce: goes into the host's stack */
	unsigned int ifindex;
	unsigned int mtu; /* of the device towards it */
	bool is_ethernet;
	bool neighbour_known;
	bool neighbour_stale;
	struct edge53_addr source; /* zero: keep the client's */
	struct edge53_addr nexthop;
	unsigned char dmac[6];
	unsigned char smac[6];
	bool xdp_redirect_ok;
};

/* In the config. */
struct plan_prefixes {
	const struct edge53_prefix *list;
	size_t n;
};

struct plan_service {
	char name[EDGE53_NAME_LEN];
	enum edge53_service_kind kind;
	unsigned int flags; /* enum edge53_service_flag; tables.c adds what depends on attachments */
	struct plan_backend *backends;
	size_t n_backends;
	const struct config_health *health; /* in the config; NULL: of return */
	unsigned int max_udp_payload; /* of queries with a PROXY header; 0: any */
	bool tcp_refused; /* a device has no XDP, and connections are to begin with a PROXY header */
	const struct config_rate *rate; /* in the config; NULL: no limit */
	const struct config_tcp_limit *tcp_limit; /* in the config; NULL: no limit */
	const struct config_response *response; /* the same */
	struct plan_prefixes exempt[EDGE53_EXEMPT_USES];
	struct plan_prefixes doh;
	struct plan_prefixes keep_source;
	/* Of a return service: the tunnel. */
	unsigned int tunnel_ifindex; /* 0: gone */
	bool tunnel_is_ethernet;
	unsigned char tunnel_mac[6];
};

struct plan_frontend {
	size_t device;	/* index in plan->devices */
	size_t service; /* index in plan->services */
	struct edge53_addr address; /* zero: any */
};

/* A port of a return service, on its tunnel or on an uplink. */
struct plan_return_port {
	unsigned int ifindex;
	size_t service; /* index in plan->services */
	unsigned short port;
	unsigned char l4proto; /* IPPROTO_UDP or IPPROTO_TCP */
	bool is_uplink;
};

/* What the guard does with packets for port 53 that came in by a device, while it is not enforced. */
struct plan_guard {
	unsigned int ifindex; /* 0: any device that is not in the plan */
	enum edge53_guard_policy policy;
	size_t service;	  /* index in plan->services; of COUNT and DROP only */
	bool is_enforced; /* once its hooks are attached */
};

struct plan {
	struct plan_device *devices;
	size_t n_devices;
	struct plan_service *services;
	size_t n_services;
	struct plan_frontend *frontends;
	size_t n_frontends;
	struct plan_return_port *return_ports;
	size_t n_return_ports;
	struct plan_guard *guards; /* none without a service that has one */
	size_t n_guards;
	struct findings findings;
	bool has_errors;
	size_t *device_of_link; /* plan.c: by the host's links; index in devices plus 1, or 0 */
};

/* The routes a plan for this config will ask the host for. The array is the caller's to free(). */
int plan_questions(const struct config *config, struct host_question **ret, size_t *ret_n);

/*
 * Makes the plan. host must hold the answers to plan_questions(). The plan points into config,
 * which must outlive it. Returns 0 also when the plan has errors (see has_errors); -ENOMEM
 * otherwise.
 */
int plan_make(const struct config *config, const struct host *host, struct plan **ret);
void plan_free(struct plan *plan);

/* Whether `interface: pattern` means this link. The loopback device is no client's and no uplink. */
bool plan_matches(const char *pattern, const struct host_link *link);

/*
 * Whether queries of clients by IPv4 or IPv6 may be sent to this backend now: an edge translates
 * between families, a resolver serves its own.
 */
bool plan_serves(const struct plan_service *service, const struct plan_backend *backend,
		 bool is_ipv6);

/* Whether a backend is in reach, and answers by one of its ports at least. */
bool plan_answers(const struct plan_backend *backend);

/* IP bytes of a query that fits on the way to every usable backend, translated or not. */
unsigned short plan_query_mtu(const struct plan_service *service);

static inline void plan_freep(struct plan **plan)
{
	plan_free(*plan);
}

#endif
