/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whose packet is it? find_service() is the line: before it a packet passes untouched, after it
 * what cannot be handled is dropped and counted. check_query() then refuses what no server could
 * answer, before any state is taken.
 */
#ifndef EDGE53_SERVICE_H
#define EDGE53_SERVICE_H

#include <linux/in.h>

#include "barrier.h"
#include "maps.h"
#include "packet.h"

#define DOT_PORT 853
#define DOH_PORT 443

/* Whether a destination port is one the edge uses as source towards backends. */
static __always_inline bool is_edge_port(__u16 port)
{
	return (__u32)(port - knobs.port_base) < 1u << knobs.port_bits;
}

/* Of its own, for the stack of the caller. Notes what it finds. */
static __noinline const struct edge53_frontend *
look_up_frontend(__u32 ifindex, const struct edge53_addr *address,
		 struct edge53_seen_frontend *seen, __u32 now)
{
	struct edge53_frontend_key key = { .ifindex = ifindex, .address = *address };
	const struct edge53_frontend *frontend = bpf_map_lookup_elem(&frontends, &key);

	if (frontend && seen) {
		seen->key = key;
		seen->frontend = *frontend;
		seen->revision = now;
	}
	return frontend;
}

/* A hash table costs more than the few frontends of a host need. */
static __always_inline const struct edge53_frontend *find_frontend(__u32 ifindex,
								   const struct edge53_addr *address)
{
	struct edge53_addr copy = *address; /* no pointer to a packet in registers may get out */
	const __u32 *word = (const __u32 *)copy.bytes;
	__u32 zero = 0, n, now;
	struct edge53_seen_frontend *seen;
	const struct edge53_revision *current = bpf_map_lookup_elem(&revision, &zero);

	n = ((ifindex ^ word[0] ^ word[1] ^ word[2] ^ word[3]) * 0x9e3779b1u) >> 26;
	seen = bpf_map_lookup_elem(&seen_frontends, &n);
	now = current ? current->frontends : 0;
	if (seen && now && seen->revision == now && seen->key.ifindex == ifindex &&
	    addr_equal(&seen->key.address, &copy))
		return &seen->frontend;
	smp_rmb(); /* an entry that is older than the number must not be kept under it */
	return look_up_frontend(ifindex, &copy, now ? seen : NULL, now);
}

static __always_inline enum edge53_reason take_frontend(struct packet *pkt,
							const struct edge53_addr *address,
							const struct edge53_service **svc)
{
	const struct edge53_frontend *frontend = find_frontend(pkt->ifindex, address);
	__u32 id;

	if (!frontend)
		return EDGE53_NOT_OURS;
	/*
	 * A promiscuous device shows frames for others: a standby edge must not answer the
	 * master's.
	 */
	if (!mac_equal(frontend->mac, pkt->eth_dst))
		return EDGE53_NOT_OURS;
	id = frontend->service;
	*svc = bpf_map_lookup_elem(&services, &id);
	if (!*svc)
		return EDGE53_NOT_OURS;
	pkt->service = id;
	pkt->device = frontend->device;
	return GO_ON;
}

/* edge: port 53 of a frontend address. */
static __always_inline enum edge53_reason find_edge_service(struct packet *pkt,
							    const struct edge53_service **svc)
{
	return take_frontend(pkt, &pkt->daddr, svc);
}

/* A key for `exempt`, `doh` and `keep_source`: an address, for clients of the service. */
static __always_inline void make_prefix_key(__u8 service, const struct edge53_addr *address,
					    struct edge53_prefix_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->prefix_len = 32 + 128;
	key->service = service;
	__builtin_memcpy(key->address, address->bytes, sizeof(key->address));
}

static __always_inline bool is_exempt(__u8 service, const struct edge53_addr *client)
{
	struct edge53_prefix_key key;

	make_prefix_key(service, client, &key);
	return bpf_map_lookup_elem(&exempt, &key);
}

/* enforce: whoever is asked. */
static __always_inline enum edge53_reason find_enforce_service(struct packet *pkt,
							       const struct edge53_service **svc)
{
	struct edge53_addr any = {};

	return take_frontend(pkt, &any, svc);
}

static __always_inline enum edge53_reason apply_dot_policy(const struct edge53_service *svc)
{
	if (svc->flags & EDGE53_SERVICE_DOT_REJECT)
		return EDGE53_DOT_REJECTED;
	return svc->flags & EDGE53_SERVICE_DOT_DROP ? EDGE53_DOT_DROPPED : EDGE53_NOT_OURS;
}

static __always_inline enum edge53_reason apply_doh_policy(const struct packet *pkt,
							   const struct edge53_service *svc)
{
	struct edge53_prefix_key key;

	if (!(svc->flags & (EDGE53_SERVICE_DOH_REJECT | EDGE53_SERVICE_DOH_DROP)))
		return EDGE53_NOT_OURS;
	make_prefix_key(pkt->service, &pkt->daddr, &key);
	if (!bpf_map_lookup_elem(&doh, &key))
		return EDGE53_NOT_OURS;
	return svc->flags & EDGE53_SERVICE_DOH_REJECT ? EDGE53_DOH_REJECTED : EDGE53_DOH_DROPPED;
}

/* enforce: what becomes of a client's packet that is not redirected. */
static __always_inline enum edge53_reason policy_of(const struct packet *pkt,
						    const struct edge53_service *svc)
{
	if (pkt->dport == DOT_PORT)
		return apply_dot_policy(svc);
	if (pkt->dport == DOH_PORT)
		return apply_doh_policy(pkt, svc);
	if (!pkt->is_ipv6 || svc->flags & EDGE53_SERVICE_IPV6_REDIRECT)
		return GO_ON;
	return svc->flags & EDGE53_SERVICE_IPV6_DROP ? EDGE53_IPV6_DROPPED : EDGE53_NOT_OURS;
}

/* The same, but for clients that are left alone. */
static __always_inline enum edge53_reason
spare_exempt(const struct packet *pkt, const struct edge53_service *svc, enum edge53_reason why)
{
	if (why == EDGE53_NOT_OURS)
		return why;
	if (svc->flags & EDGE53_SERVICE_EXEMPT && is_exempt(pkt->service, &pkt->saddr))
		return EDGE53_EXEMPT;
	return why;
}

static __always_inline enum edge53_reason apply_policy(const struct packet *pkt,
						       const struct edge53_service *svc)
{
	return spare_exempt(pkt, svc, policy_of(pkt, svc));
}

/* enforce: IPv6 that may be a query, and nobody can tell. */
static __always_inline enum edge53_reason refuse_hidden(const struct packet *pkt,
							const struct edge53_service *svc)
{
	bool may_leak = !(svc->flags & (EDGE53_SERVICE_IPV6_DROP | EDGE53_SERVICE_IPV6_REDIRECT));

	return spare_exempt(pkt, svc, may_leak ? EDGE53_NOT_OURS : EDGE53_HIDDEN_BY_HEADERS);
}

/* :: and ::1 differ in a bit. */
static __always_inline bool is_bad_ipv6_source(const struct edge53_addr *source,
					       const struct edge53_addr *asked)
{
	const __u64 *halves = (const __u64 *)source->bytes;

	return source->bytes[0] == 0xff || addr_equal(source, asked) ||
	       !(halves[0] | (halves[1] & ~bpf_cpu_to_be64(1)));
}

/* In network order, both. */
static __always_inline bool is_bad_ipv4_source(__u32 source, __u32 asked)
{
	__u32 host = bpf_ntohl(source), net = host >> 24;

	return !net || net == 127 || net >> 4 == 14 || !~host || source == asked;
}

/* Whom no answer can reach, or who never asks by himself. Other sources that look strange get the doubt. */
static __always_inline bool is_bad_source(const struct packet *pkt)
{
	if (!pkt->sport)
		return true;
	return pkt->is_ipv6 ? is_bad_ipv6_source(&pkt->saddr, &pkt->daddr)
			    : is_bad_ipv4_source(addr_ipv4(&pkt->saddr), addr_ipv4(&pkt->daddr));
}

static __always_inline enum edge53_reason check_shape(const struct packet *pkt)
{
	if (pkt->is_first_fragment)
		return EDGE53_FRAGMENTED_QUERY;
	return pkt->has_bad_length ? EDGE53_BAD_LENGTH : GO_ON;
}

static __always_inline enum edge53_reason check_message(const struct packet *pkt)
{
	if (pkt->l4proto != IPPROTO_UDP)
		return GO_ON;
	if (pkt->is_ipv6 && !pkt->l4_check)
		return EDGE53_NO_CHECKSUM;
	if (pkt->payload_len < DNS_HEADER_LEN)
		return EDGE53_SHORT_DNS;
	return dns_check_query(&pkt->dns);
}

static __always_inline enum edge53_reason check_query(const struct packet *pkt)
{
	return check_shape(pkt) ?: (is_bad_source(pkt) ? EDGE53_BAD_SOURCE : check_message(pkt));
}

/* Notes what is decided when a flow begins. A function of its own, for the stack it needs. */
__weak __noinline int note_flow_flags(const struct packet *pkt, struct edge53_flow *flow)
{
	struct edge53_prefix_key key;
	const struct edge53_backend *backend;
	__u32 id;

	if (!pkt || !flow)
		return 0;
	id = flow->backend;
	backend = bpf_map_lookup_elem(&backends, &id);
	/* A backend of the other family cannot be shown the client's address. */
	if (!backend || addr_is_ipv4(&backend->address) == pkt->is_ipv6)
		return 0;
	make_prefix_key(pkt->service, &pkt->saddr, &key);
	if (bpf_map_lookup_elem(&keep_source, &key))
		flow->flags |= EDGE53_FLOW_KEEP_SOURCE;
	return 0;
}

/* Whether the backend sees the client's own address. */
static __always_inline bool keeps_source(const struct edge53_flow *flow,
					 const struct edge53_backend *backend)
{
	return flow->flags & EDGE53_FLOW_KEEP_SOURCE || addr_is_zero(&backend->source);
}

static __always_inline enum edge53_reason no_backend(const struct packet *pkt,
						     const struct edge53_service *svc)
{
	if (svc->flags & EDGE53_SERVICE_DOWN_SERVFAIL)
		return pkt->l4proto == IPPROTO_UDP ? EDGE53_NO_BACKEND_SERVFAIL
						   : EDGE53_NO_BACKEND_RESET;
	return svc->flags & EDGE53_SERVICE_DOWN_PASS ? EDGE53_NO_BACKEND_PASSED : EDGE53_NO_BACKEND;
}

#endif
