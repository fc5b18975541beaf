/* SPDX-License-Identifier: GPL-2.0-only */
/* enforce: its chains. Queries at tc ingress of a client's device, replies at its egress. */
#ifndef EDGE53_ENFORCE_H
#define EDGE53_ENFORCE_H

#include "error.h"
#include "parse_skb.h"
#include "rewrite_skb.h"
#include "sample.h"
#include "service.h"
#include "trace.h"
#include "translate.h"
#include "verdict.h"

static __always_inline bool is_enforced_port(__u16 port)
{
	return port == EDGE53_DNS_PORT || port == DOT_PORT || port == DOH_PORT;
}

__weak __noinline int enforce_query(struct __sk_buff *skb, struct packet *pkt)
{
	const struct edge53_service *svc;
	struct query_flow query;
	struct rewrite rw;
	__u64 now_ns;
	enum edge53_reason why;

	if (!pkt)
		return TC_GO_ON;
	CHAIN(enforce_query);
	now_ns = clock_ns();
	why = STEP(find_enforce_service, pkt, &svc)
	   ?: STEP(apply_policy, pkt, svc)
	   ?: STEP(check_query, pkt)
	   ?: STEP(check_any_skb, skb, pkt, svc)
	   ?: STEP(admit_client, pkt, now_ns)
	   ?: STEP(sample_query_skb, skb, pkt)
	   ?: STEP(open_flow, pkt, svc, now_ns, &query, &rw)
	   ?: STEP(translate_query, pkt, &query, &rw)
	   ?: STEP(rewrite_skb, skb, pkt, &rw)
	   ?: STEP(count_query, pkt, &query, &rw, now_ns);
	return finish_query_skb(pkt, why, TC_GO_ON, 0);
}

/* IPv6 that hides what it is. */
__weak __noinline int enforce_hidden(struct packet *pkt)
{
	const struct edge53_service *svc;
	enum edge53_reason why;

	if (!pkt)
		return TC_GO_ON;
	CHAIN(enforce_hidden);
	why = STEP(find_enforce_service, pkt, &svc)
	   ?: STEP(refuse_hidden, pkt, svc);
	return finish_query_skb(pkt, why, TC_GO_ON, 0);
}

/* Of what was refused; the rest of anything else passes. */
__weak __noinline int enforce_fragment(struct packet *pkt)
{
	const struct edge53_fragment *fragment;
	enum edge53_reason why = EDGE53_NOT_OURS;

	if (!pkt)
		return TC_GO_ON;
	CHAIN(enforce_fragment);
	fragment = recall_fragment(pkt, clock_ns());
	if (fragment && fragment->is_refused) {
		pkt->service = fragment->flow.service;
		why = EDGE53_FRAGMENT_REFUSED;
	}
	return finish_skb(pkt, why, TC_GO_ON);
}

static __always_inline int enforce_in(struct __sk_buff *skb, __u32 l3_off)
{
	struct packet pkt = {};
	enum edge53_reason why;

	CHAIN(enforce_in);
	why = STEP(parse_skb, skb, l3_off, &pkt);
	if (why)
		return why == EDGE53_HIDDEN_BY_HEADERS ? enforce_hidden(&pkt) : TC_GO_ON;
	if (pkt.is_icmp_error)
		return icmp_error_skb(skb, &pkt, ICMP_OF_ENFORCED_CLIENT);
	if (pkt.is_later_fragment)
		return enforce_fragment(&pkt);
	if (is_enforced_port(pkt.dport))
		return conclude(skb, &pkt, enforce_query(skb, &pkt));
	return TC_GO_ON;
}

/* --- replies ---------------------------------------------------------------------------------- */

__weak __noinline int enforce_reply(struct __sk_buff *skb, struct packet *pkt)
{
	struct reply_flow reply;
	struct rewrite rw;
	__u64 now_ns;
	enum edge53_reason why;

	if (!pkt)
		return TC_GO_ON;
	CHAIN(enforce_reply);
	now_ns = clock_ns();
	why = STEP(find_flow, pkt, now_ns, &reply)
	   ?: STEP(check_client_device, pkt, &reply.flow)
	   ?: STEP(translate_reply, &reply.flow, &rw)
	   ?: STEP(check_any_response, pkt, &reply.flow, &rw)
	   ?: STEP(take_reply, pkt, now_ns, &reply)
	   ?: STEP(remember_fragment, pkt, &reply.flow)
	   ?: STEP(rewrite_skb, skb, pkt, &rw)
	   ?: STEP(sample_reply, skb, false, pkt, &reply.flow)
	   ?: STEP(count_reply, pkt, &reply.flow, reply.match.latency_us, now_ns);
	if (why == EDGE53_RESPONSE_TRUNCATED && !pkt->is_cut)
		return cut_outcome(&reply.flow);
	return finish_skb(pkt, why, TC_GO_ON);
}

static __always_inline int enforce_reply_or_cut(struct __sk_buff *skb, __u32 l3_off,
						struct packet *pkt)
{
	int outcome = enforce_reply(skb, pkt);

	if (!is_to_be_cut(outcome))
		return outcome;
	return cut_skb(skb, l3_off, pkt, outcome) ? enforce_reply(skb, pkt) : TC_ACT_SHOT;
}

__weak __noinline int enforce_reply_fragment(struct __sk_buff *skb, struct packet *pkt)
{
	struct edge53_flow flow;
	struct rewrite rw;
	__u64 now_ns;
	enum edge53_reason why;

	if (!pkt)
		return TC_GO_ON;
	CHAIN(enforce_reply_fragment);
	now_ns = clock_ns();
	why = STEP(find_fragment, pkt, now_ns, &flow)
	   ?: STEP(translate_reply, &flow, &rw)
	   ?: STEP(rewrite_fragment_skb, skb, pkt, &rw)
	   ?: STEP(count_fragment, pkt, &flow, now_ns);
	return finish_skb(pkt, why, TC_GO_ON);
}

static __always_inline int enforce_out(struct __sk_buff *skb, __u32 l3_off)
{
	struct packet pkt = {};

	CHAIN(enforce_out);
	if (STEP(parse_skb, skb, l3_off, &pkt))
		return TC_GO_ON;
	if (pkt.is_icmp_error)
		return icmp_error_skb(skb, &pkt, ICMP_TO_ENFORCED_CLIENT);
	if (pkt.is_later_fragment)
		return enforce_reply_fragment(skb, &pkt);
	if (pkt.sport == EDGE53_DNS_PORT && is_edge_port(pkt.dport))
		return enforce_reply_or_cut(skb, l3_off, &pkt);
	return TC_GO_ON;
}

#endif
