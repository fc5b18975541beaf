/* SPDX-License-Identifier: GPL-2.0-only */
/* edge in XDP: its chains. What is rare is left to tc (docs/packets.md). */
#ifndef EDGE53_EDGE_XDP_H
#define EDGE53_EDGE_XDP_H

#include "answer_xdp.h"
#include "parse.h"
#include "plain_xdp.h"
#include "proxy_xdp.h"
#include "rate.h"
#include "rewrite_xdp.h"
#include "sample.h"
#include "service.h"
#include "tcp_limit.h"
#include "trace.h"
#include "translate.h"
#include "verdict.h"

/* IP options, partial checksums and frames in several buffers are for tc. */
static __always_inline bool is_plain(const struct packet *pkt)
{
	return !extra_headers_len(pkt) && !pkt->is_scattered && !has_partial_checksum(pkt);
}

/* IPv6 needs a checksum that IPv4 may do without; tc computes it. */
static __always_inline bool may_need_checksum(const struct packet *pkt,
					      const struct edge53_service *svc)
{
	return svc->flags & EDGE53_SERVICE_IPV6_BACKENDS && !pkt->is_ipv6 &&
	       pkt->l4proto == IPPROTO_UDP && !pkt->l4_check;
}

/* SERVFAIL, where no backend is left. */
static __always_inline bool is_answered_by_xdp(const struct packet *pkt,
					       const struct edge53_service *svc)
{
	return svc->flags & EDGE53_SERVICE_XDP_ANSWERS && pkt->l4proto == IPPROTO_UDP;
}

static __always_inline enum edge53_reason is_for_xdp(const struct packet *pkt,
						     const struct edge53_service *svc)
{
	if (is_answered_by_xdp(pkt, svc))
		return is_plain(pkt) ? EDGE53_NO_BACKEND_SERVFAIL : EDGE53_HANDED_TO_TC;
	return svc->flags & EDGE53_SERVICE_XDP && pkt->ttl > 1 && fits_with_header(pkt, svc) &&
			       is_plain(pkt) && !may_need_checksum(pkt, svc)
		       ? GO_ON
		       : EDGE53_HANDED_TO_TC;
}

/* Of its own, for the stack of the caller. */
static __noinline enum edge53_reason check_limits_xdp(const struct packet *pkt,
						      const struct edge53_service *svc)
{
	return pkt->l4proto == IPPROTO_TCP ? check_tcp_limit_xdp(pkt, svc) : check_rate_xdp(pkt, svc);
}

__weak __noinline int query_xdp(struct xdp_md *ctx, struct packet *pkt)
{
	const struct edge53_service *svc = NULL;
	struct query_flow query;
	struct rewrite rw;
	__u64 now_ns;
	int verdict = XDP_PASS;
	enum edge53_reason why;

	if (!pkt)
		return XDP_PASS;
	CHAIN(query_xdp);
	now_ns = clock_ns();
	why = STEP(find_edge_service, pkt, &svc)
	   ?: STEP(check_query, pkt)
	   ?: STEP(check_any_xdp, ctx, pkt, svc)
	   ?: STEP(check_limits_xdp, pkt, svc)
	   ?: STEP(admit_client, pkt, now_ns)
	   ?: STEP(sample_query_xdp, ctx, pkt)
	   ?: STEP(is_for_xdp, pkt, svc)
	   ?: STEP(open_flow, pkt, svc, now_ns, &query, &rw)
	   ?: STEP(take_its_seat, pkt, svc, &query)
	   ?: STEP(translate_query, pkt, &query, &rw)
	   ?: STEP(is_rewrite_for_xdp, ctx, pkt, &rw)
	   ?: STEP(edit_query_xdp, ctx, pkt, &rw)
	   ?: STEP(proxy_query_xdp, ctx, pkt, &rw)
	   ?: STEP(rewrite_xdp, ctx, pkt, &rw)
	   ?: STEP(send_xdp, &rw, &verdict)
	   ?: STEP(count_query, pkt, &query, &rw, now_ns);

	if (why == EDGE53_HANDED_TO_TC && svc && svc->flags & EDGE53_SERVICE_PROXY_TCP)
		set_apart(ctx, pkt);
	if (why == EDGE53_RATE_TRUNCATED || why == EDGE53_ANY_TRUNCATED ||
	    why == EDGE53_COOKIE_SENT ||
	    (why == EDGE53_NO_BACKEND_SERVFAIL && svc && is_answered_by_xdp(pkt, svc))) {
		TRACE_END(pkt, why);
		return OUTCOME_ANSWER | why;
	}
	return finish_xdp(pkt, why, verdict);
}

/* The answer is made when the stack of the chain is free again. */
static __always_inline int query_in_xdp(struct xdp_md *ctx, struct packet *pkt)
{
	int outcome = query_xdp(ctx, pkt);

	if (outcome < OUTCOME_ANSWER)
		return outcome;
	TRACE_ANSWER(answer_query_xdp);
	if ((outcome & 0xff) == EDGE53_COOKIE_SENT)
		return challenge_xdp(ctx, pkt);
	return answer_query_xdp(ctx, pkt, outcome & 0xff);
}

static __always_inline enum edge53_reason is_reply_for_xdp(const struct packet *pkt,
							   const struct rewrite *rw)
{
	return rw->xdp_target && is_plain(pkt) ? GO_ON : EDGE53_HANDED_TO_TC;
}

__weak __noinline int reply_xdp(struct xdp_md *ctx, struct packet *pkt)
{
	struct reply_flow reply;
	struct rewrite rw;
	__u64 now_ns;
	int verdict = XDP_PASS;
	enum edge53_reason why;

	if (!pkt)
		return XDP_PASS;
	CHAIN(reply_xdp);
	now_ns = clock_ns();
	why = STEP(find_flow, pkt, now_ns, &reply)
	   ?: STEP(check_origin, pkt, &reply)
	   ?: STEP(translate_reply, &reply.flow, &rw)
	   ?: STEP(route_reply, pkt, &reply.flow, &rw)
	   ?: STEP(clamp_reply, pkt, &reply, &rw)
	   ?: STEP(is_reply_for_xdp, pkt, &rw)
	   ?: STEP(is_rewrite_for_xdp, ctx, pkt, &rw)
	   ?: STEP(check_any_response, pkt, &reply.flow, &rw)
	   ?: STEP(take_reply, pkt, now_ns, &reply)
	   ?: STEP(find_shift, pkt, &reply, &rw)
	   ?: STEP(edit_reply_xdp, ctx, pkt, &reply, &rw)
	   ?: STEP(proxy_reply_xdp, ctx, pkt, &rw)
	   ?: STEP(rewrite_xdp, ctx, pkt, &rw)
	   ?: STEP(sample_reply, ctx, true, pkt, &reply.flow)
	   ?: STEP(send_xdp, &rw, &verdict)
	   ?: STEP(count_reply, pkt, &reply.flow, reply.match.latency_us, now_ns);

	if (why == EDGE53_RESPONSE_TRUNCATED && !pkt->is_cut)
		return cut_outcome(&reply.flow);
	return finish_xdp(pkt, why, verdict);
}

__weak __noinline int parse_xdp(struct xdp_md *ctx, struct packet *pkt)
{
	struct bytes b = {
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
		.xdp = ctx,
	};
	enum edge53_reason why;

	if (!pkt)
		return EDGE53_NOT_OURS;
	b.len = b.data_end - b.data;
	why = STEP(parse_packet, &b, ETH_HLEN, 0, pkt);
	pkt->ifindex = ctx->ingress_ifindex;
	return why;
}

static __always_inline int reply_in_xdp(struct xdp_md *ctx, struct packet *pkt)
{
	int outcome = reply_xdp(ctx, pkt);
	__u32 dns_flags;

	if (!is_to_be_cut(outcome))
		return outcome;
	dns_flags = pkt->dns.flags;
	TRACE_ANSWER(cut_reply_xdp);
	if (!cut_reply_xdp(ctx, pkt, outcome & 1))
		return XDP_DROP;
	__builtin_memset(pkt, 0, sizeof(*pkt));
	if (parse_xdp(ctx, pkt))
		return XDP_DROP;
	note_cut(pkt, dns_flags);
	return reply_xdp(ctx, pkt);
}

static __always_inline int any_in_xdp(struct xdp_md *ctx)
{
	struct packet pkt = {};

	TRACE_ANEW();
	CHAIN(any_in_xdp);
	if (parse_xdp(ctx, &pkt))
		return XDP_PASS;
	if (pkt.dport == EDGE53_DNS_PORT)
		return query_in_xdp(ctx, &pkt);
	if (is_edge_port(pkt.dport))
		return reply_in_xdp(ctx, &pkt);
	return XDP_PASS;
}

static __always_inline int edge_in_xdp(struct xdp_md *ctx)
{
	int verdict = plain_xdp(ctx);

	return verdict == NOT_PLAIN ? any_in_xdp(ctx) : verdict;
}

#endif
