/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whose packet is it? find_service() is the line: before it a packet passes untouched, after it
 * what cannot be handled is dropped and counted. check_query() then refuses what no server could
 * answer, before any state is taken.
 */
#ifndef EDGE53_SERVICE_H
#define EDGE53_SERVICE_H

#include <linux/in.h>

#include "maps.h"
#include "packet.h"

#define DOT_PORT 853

static __always_inline enum edge53_reason
take_frontend(struct packet *pkt, const struct edge53_addr *address,
	      const struct edge53_service **svc)
{
	struct edge53_frontend_key key = { .ifindex = pkt->ifindex, .address = *address };
	const struct edge53_frontend *frontend = bpf_map_lookup_elem(&frontends, &key);
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

static __always_inline bool is_exempt(const struct packet *pkt)
{
	struct edge53_prefix_key key = { .prefix_len = 32 + 128, .service = pkt->service };

	__builtin_memcpy(key.address, pkt->saddr.bytes, sizeof(key.address));
	return bpf_map_lookup_elem(&exempt, &key);
}

/* enforce: port 53 of anybody, of a client on this device that is not exempt. */
static __always_inline enum edge53_reason find_enforce_service(struct packet *pkt,
							       const struct edge53_service **svc)
{
	struct edge53_addr any = {};
	enum edge53_reason why = take_frontend(pkt, &any, svc);

	if (why)
		return why;
	if ((*svc)->flags & EDGE53_SERVICE_EXEMPT && is_exempt(pkt))
		return EDGE53_EXEMPT;
	return GO_ON;
}

/* enforce: what must not leave the host although it cannot be redirected. */
static __always_inline enum edge53_reason apply_policy(const struct packet *pkt,
						       const struct edge53_service *svc)
{
	if (pkt->dport == DOT_PORT)
		return svc->flags & EDGE53_SERVICE_DOT_DROP ? EDGE53_DOT_DROPPED : EDGE53_NOT_OURS;
	if (pkt->is_ipv6)
		return svc->flags & EDGE53_SERVICE_IPV6_DROP ? EDGE53_IPV6_DROPPED : EDGE53_NOT_OURS;
	return GO_ON;
}

static __always_inline enum edge53_reason check_query(const struct packet *pkt)
{
	if (pkt->is_first_fragment)
		return EDGE53_FRAGMENTED_QUERY;
	if (pkt->has_bad_length)
		return EDGE53_BAD_LENGTH;
	if (pkt->l4proto != IPPROTO_UDP)
		return GO_ON;
	if (pkt->payload_len < DNS_HEADER_LEN)
		return EDGE53_SHORT_DNS;
	return dns_check_query(&pkt->dns);
}

static __always_inline enum edge53_reason no_backend(const struct edge53_service *svc)
{
	return svc->flags & EDGE53_SERVICE_DOWN_PASS ? EDGE53_NO_BACKEND_PASSED : EDGE53_NO_BACKEND;
}

#endif
