/* SPDX-License-Identifier: GPL-2.0-only */
/* The plain packet (plain.h) in XDP. */
#ifndef EDGE53_PLAIN_XDP_H
#define EDGE53_PLAIN_XDP_H

#include "answer_xdp.h"
#include "plain.h"
#include "proxy_xdp.h"
#include "rate.h"
#include "rewrite_xdp.h"
#include "sample.h"
#include "trace.h"
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

	CHAIN(plain_query_xdp);
	if (!ASK(parse_plain_xdp, ctx, &pkt) || STEP(check_message, &pkt) ||
	    STEP(find_edge_service, &pkt, &svc) || !ASK(is_plain_service, &pkt, svc) ||
	    is_sampled_query(&pkt) || STEP(check_any_xdp, ctx, &pkt, svc))
		return NOT_PLAIN;
	why = STEP(check_rate_xdp, &pkt, svc);
	if (why && why != EDGE53_RATE_DROPPED)
		return NOT_PLAIN;
	now_ns = clock_ns();
	why = why
	   ?: STEP(admit_plain_client, &pkt, now_ns)
	   ?: STEP(is_sent_by_xdp, svc)
	   ?: STEP(open_plain_flow, &pkt, svc, now_ns, &query, &rw)
	   ?: STEP(translate_query, &pkt, &query, &rw)
	   ?: STEP(is_still_plain, &rw)
	   ?: STEP(proxy_udp4_xdp, ctx, &pkt, &rw)
	   ?: STEP(rewrite_same_family_xdp, ctx, &pkt, &rw)
	   ?: STEP(send_xdp, &rw, &verdict)
	   ?: STEP(count_query, &pkt, &query, &rw, now_ns);

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

	CHAIN(plain_reply_xdp);
	if (!ASK(parse_plain_xdp, ctx, &pkt))
		return NOT_PLAIN;
	now_ns = clock_ns();
	why = STEP(ring_find, &pkt, now_ns, &reply.flow, &reply.backend, &reply.match)
	   ?: STEP(check_origin, &pkt, &reply)
	   ?: STEP(translate_reply, &reply.flow, &rw)
	   ?: STEP(route_reply, &pkt, &reply.flow, &rw);
	if (why || rw.is_ipv6 || is_sampled_reply(&reply.flow))
		return NOT_PLAIN;
	if (!rw.xdp_target) { /* tc's */
		TRACE_END(&pkt, EDGE53_HANDED_TO_TC);
		return XDP_PASS;
	}
	if (STEP(check_response, &pkt, &reply.flow, &rw))
		return NOT_PLAIN;
	why = STEP(ring_answer, &reply.match)
	   ?: STEP(rewrite_same_family_xdp, ctx, &pkt, &rw)
	   ?: STEP(send_xdp, &rw, &verdict)
	   ?: STEP(count_udp_reply, &pkt, &reply.flow, reply.match.latency_us, now_ns);

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
