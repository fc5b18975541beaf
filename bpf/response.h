/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * response_limit: how many bytes may be sent to a prefix by UDP? A reply costs its bucket what its bytes take at the
 * rate. One that is over the limit is cut to its header and question, with TC=1 (truncated.h, answer_xdp.h), and goes the
 * way of all replies. Whether its service has a limit the flow knows, from its query.
 */
#ifndef EDGE53_RESPONSE_H
#define EDGE53_RESPONSE_H

#include "bucket.h"
#include "packet.h"
#include "rewrite.h"

/* What the flow of a query keeps for its reply. */
static __always_inline __u16 response_flags(const struct packet *pkt,
					    const struct edge53_service *svc)
{
	if (!(svc->flags & EDGE53_SERVICE_RESPONSE_LIMIT))
		return 0;
	return EDGE53_FLOW_RESPONSE_LIMIT | (pkt->dns.additionals ? EDGE53_FLOW_EDNS : 0);
}

/* bytes: of IP, as the client would get them. Who is listed takes no token of his neighbours. */
__weak __noinline int judge_response(__u64 high, __u64 low, __u32 service, __u32 bytes)
{
	const struct edge53_response_limit *limit = bpf_map_lookup_elem(&response_limits, &service);
	__u64 cost_ns;

	if (!limit || !limit->interval_ns ||
	    (limit->has_exempt && is_listed(high, low, service, EDGE53_EXEMPT_RESPONSES)))
		return GO_ON;
	cost_ns = bytes * limit->interval_ns >> EDGE53_RESPONSE_SHIFT;
	if (!is_over_limit(high, low, SCOPE_OF_RESPONSES + service, limit->masks, &cost_ns, &limit->burst_ns) ||
	    is_proven(high, low, limit->proven_s))
		return GO_ON;
	return EDGE53_RESPONSE_TRUNCATED;
}

/* A first fragment stands for all of its datagram: the others follow it. */
static __always_inline __u32 len_at_client(const struct packet *pkt, const struct rewrite *rw)
{
	__u32 len = pkt->is_first_fragment ? pkt->l4_off - pkt->l3_off + sizeof(struct udphdr) +
						     pkt->payload_len
					   : pkt->ip_len;

	return len + growth_of(pkt, rw);
}

/*
 * What is over the limit has moved nothing: it may be asked about again. What is not, is paid for, so this comes when the
 * reply can be sent.
 */
static __always_inline enum edge53_reason check_response(const struct packet *pkt,
							 const struct edge53_flow *flow,
							 const struct rewrite *rw)
{
	const __u64 *halves = (const __u64 *)flow->client.bytes;

	if (!(flow->flags & EDGE53_FLOW_RESPONSE_LIMIT) || pkt->is_cut)
		return GO_ON;
	return judge_response(halves[0], halves[1], flow->service, len_at_client(pkt, rw));
}

/* Of its own, for the stack of the caller. */
static __noinline enum edge53_reason check_any_response(const struct packet *pkt,
							const struct edge53_flow *flow,
							const struct rewrite *rw)
{
	return check_response(pkt, flow, rw);
}

#endif
