/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rate_limit: how often may a prefix ask by UDP? Before anything is counted for the client or taken from the ring. A
 * query costs its bucket one interval.
 */
#ifndef EDGE53_RATE_H
#define EDGE53_RATE_H

#include <linux/in.h>

#include "bucket.h"
#include "packet.h"
#include "proof.h"
#include "rewrite.h"
#include "service.h"

static __always_inline bool is_over_rate(__u64 high, __u64 low, __u32 scope,
					 const struct edge53_rate_limit *limit)
{
	return is_over_limit(high, low, scope, limit->masks, &limit->interval_ns, &limit->burst_ns);
}

/*
 * flags: of the service; query: what tells it from others. Asked again of the same one that is over the limit, it says
 * the same. Who is listed takes no token of his neighbours.
 */
__weak __noinline int judge_rate(__u64 high, __u64 low, __u32 service, __u32 flags, __u32 query)
{
	const struct edge53_rate_limit *limit = bpf_map_lookup_elem(&rate_limits, &service);

	if (!limit || (flags & EDGE53_SERVICE_EXEMPT && is_listed(high, low, service, EDGE53_EXEMPT_ALL)) ||
	    !is_over_rate(high, low, SCOPE_OF_QUERIES + service, limit) || is_proven(high, low, limit->proven_s))
		return GO_ON;
	if (!limit->slip)
		return EDGE53_RATE_DROPPED;
	return (query * 0x9e3779b1u >> 16) % limit->slip ? EDGE53_RATE_DROPPED
							 : EDGE53_RATE_TRUNCATED;
}

static __always_inline enum edge53_reason check_rate(const struct packet *pkt,
						     const struct edge53_service *svc)
{
	const __u64 *halves = (const __u64 *)pkt->saddr.bytes;

	if (!(svc->flags & EDGE53_SERVICE_RATE_LIMIT) || pkt->l4proto != IPPROTO_UDP)
		return GO_ON;
	return judge_rate(halves[0], halves[1], pkt->service, svc->flags,
			  (__u32)pkt->dns.id << 16 | pkt->sport);
}

/*
 * Whether XDP leaves it to tc, as it cannot answer at all, or not this packet. Both hooks must say the same, so it
 * depends on nothing that changes between them.
 */
static __always_inline bool is_rate_for_tc(const struct packet *pkt,
					   const struct edge53_service *svc)
{
	return svc->flags & EDGE53_SERVICE_RATE_LIMIT && pkt->l4proto == IPPROTO_UDP &&
	       (!(svc->flags & EDGE53_SERVICE_RATE_IN_XDP) || extra_headers_len(pkt) ||
		has_partial_checksum(pkt));
}

static __always_inline enum edge53_reason check_rate_xdp(const struct packet *pkt,
							 const struct edge53_service *svc)
{
	return is_rate_for_tc(pkt, svc) ? EDGE53_HANDED_TO_TC : check_rate(pkt, svc);
}

#endif
