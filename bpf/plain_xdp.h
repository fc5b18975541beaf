/* SPDX-License-Identifier: GPL-2.0-only */
/* The plain packet (plain.h) in XDP. */
#ifndef EDGE53_PLAIN_XDP_H
#define EDGE53_PLAIN_XDP_H

#include "plain.h"
#include "proxy_xdp.h"
#include "rate.h"
#include "rewrite_xdp.h"
#include "sample.h"
#include "verdict.h"

static __always_inline bool parse_plain_xdp(struct xdp_md *ctx, struct packet *pkt)
{
	struct bytes b = {
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
	};
	__be16 *ethertype = b.data + ETH_HLEN - 2;

	b.len = b.data_end - b.data;
	return (void *)(ethertype + 1) <= b.data_end && *ethertype == bpf_htons(ETH_P_IP) &&
	       parse_plain(&b, ETH_HLEN, ctx->ingress_ifindex, pkt) && !has_partial_checksum(pkt);
}

static __always_inline enum edge53_reason is_sent_by_xdp(const struct edge53_service *svc)
{
	return svc->flags & EDGE53_SERVICE_XDP ? GO_ON : EDGE53_HANDED_TO_TC;
}

static __noinline int plain_query_xdp(struct xdp_md *ctx)
{
	const struct edge53_service *svc = NULL;
	struct packet pkt = {};
	struct query_flow query;
	struct rewrite rw = {}; /* a backend of the host itself has no MACs */
	__u64 now_ns;
	int verdict = XDP_PASS;
	enum edge53_reason why;

	if (!parse_plain_xdp(ctx, &pkt) || check_message(&pkt) || find_edge_service(&pkt, &svc) ||
	    !is_plain_service(&pkt, svc) || is_sampled_query(&pkt))
		return NOT_PLAIN;
	why = check_rate_xdp(&pkt, svc);
	if (why && why != EDGE53_RATE_DROPPED)
		return NOT_PLAIN;
	now_ns = clock_ns();
	why = why
	   ?: admit_plain_client(&pkt, now_ns)
	   ?: is_sent_by_xdp(svc)
	   ?: open_plain_flow(&pkt, svc, now_ns, &query, &rw)
	   ?: translate_query(&pkt, &query, &rw)
	   ?: is_still_plain(&rw)
	   ?: proxy_udp4_xdp(ctx, &pkt, &rw)
	   ?: rewrite_same_family_xdp(ctx, &pkt, &rw)
	   ?: send_xdp(&rw, &verdict)
	   ?: count_query(&pkt, &query, &rw, now_ns);

	return finish_xdp(&pkt, why, verdict);
}

static __noinline int plain_reply_xdp(struct xdp_md *ctx)
{
	struct packet pkt = {};
	struct reply_flow reply;
	struct rewrite rw = {};
	__u64 now_ns;
	int verdict = XDP_PASS;
	enum edge53_reason why;

	if (!parse_plain_xdp(ctx, &pkt))
		return NOT_PLAIN;
	now_ns = clock_ns();
	why = ring_find(&pkt, now_ns, &reply.flow, &reply.backend, &reply.match)
	   ?: check_origin(&pkt, &reply)
	   ?: translate_reply(&reply.flow, &rw)
	   ?: route_reply(&pkt, &reply.flow, &rw);
	if (why || rw.is_ipv6 || is_sampled_reply(&reply.flow))
		return NOT_PLAIN;
	if (!rw.xdp_target) /* tc's */
		return XDP_PASS;
	why = ring_answer(&reply.match)
	   ?: rewrite_same_family_xdp(ctx, &pkt, &rw)
	   ?: send_xdp(&rw, &verdict)
	   ?: count_udp_reply(&pkt, &reply.flow, reply.match.latency_us, now_ns);

	return finish_xdp(&pkt, why, verdict);
}

/* The verdict, or NOT_PLAIN, and nothing has happened. */
static __always_inline int plain_xdp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct udphdr *udp = data + ETH_HLEN + IPV4_HEADER_LEN;

	if ((void *)(udp + 1) > data_end)
		return NOT_PLAIN;
	if (udp->dest == bpf_htons(EDGE53_DNS_PORT))
		return plain_query_xdp(ctx);
	return is_edge_port(bpf_ntohs(udp->dest)) ? plain_reply_xdp(ctx) : NOT_PLAIN;
}

#endif
