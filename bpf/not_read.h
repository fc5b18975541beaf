/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Replies of a backend that does not read PROXY headers: it takes one for a query, and the first two bytes
 * for its ID (docs/packets.md).
 */
#ifndef EDGE53_NOT_READ_H
#define EDGE53_NOT_READ_H

#include <linux/in.h>

#include "maps.h"
#include "packet.h"

struct backend_search {
	struct edge53_addr address;
	__u32 ifindex;
	__u16 port;
	__u16 service; /* found: of the backend; 0 before */
};

static __always_inline bool has_proxy_udp(__u32 service)
{
	const struct edge53_service *svc = bpf_map_lookup_elem(&services, &service);

	return svc && svc->flags & EDGE53_SERVICE_PROXY_UDP;
}

/* Looks at one backend: 0 to go on, 1 when the search is over. */
static long look_at_backend(__u32 i, struct backend_search *search)
{
	__u32 id = i + 1;
	const struct edge53_backend *backend = bpf_map_lookup_elem(&backends, &id);

	if (!backend)
		return 1;
	if (!backend->service || backend->udp_port != search->port ||
	    backend->ifindex != search->ifindex ||
	    !addr_equal(&backend->address, &search->address) || !has_proxy_udp(backend->service))
		return 0;
	search->service = backend->service;
	return 1;
}

/*
 * A reply that belongs to no query. It may answer the PROXY header in front of one; only what bears the ID
 * that this gives is worth a search.
 */
__weak __noinline int explain_unknown(struct packet *pkt)
{
	struct backend_search search = {};

	if (!pkt || pkt->l4proto != IPPROTO_UDP || pkt->payload_len < DNS_HEADER_LEN ||
	    pkt->dns.id != DNS_ID_OF_PROXY_HEADER)
		return EDGE53_REPLY_UNKNOWN;
	search.address = pkt->saddr;
	search.ifindex = pkt->ifindex;
	search.port = pkt->sport;
	bpf_loop(EDGE53_MAX_BACKENDS - 1, look_at_backend, &search, 0);
	if (!search.service)
		return EDGE53_REPLY_UNKNOWN;
	pkt->service = search.service;
	return EDGE53_HEADER_NOT_READ;
}

#endif
