/* SPDX-License-Identifier: GPL-2.0-only */
/* edge at tc: its chains. */
#ifndef EDGE53_EDGE_TC_H
#define EDGE53_EDGE_TC_H

#include "error.h"
#include "not_read.h"
#include "parse_skb.h"
#include "plain_skb.h"
#include "proxy_skb.h"
#include "rewrite_skb.h"
#include "sample.h"
#include "service.h"
#include "tcp_limit.h"
#include "trace.h"
#include "translate.h"
#include "verdict.h"

/*
 * Checked again behind XDP, which some packets go past (redirected ones, and those of VID 0). Of its own, for the stack
 * of the caller.
 */
static __noinline enum edge53_reason check_and_admit(struct __sk_buff *skb, struct packet *pkt,
						     const struct edge53_service *svc, __u64 now_ns,
						     bool is_counted)
{
	enum edge53_reason why = check_query(pkt) ?: check_any_skb(skb, pkt, svc);

	if (why || (is_checked(pkt, svc, is_counted) && !is_syn_for_tc(pkt, svc)))
		return why;
	return check_rate(pkt, svc) ?: check_tcp_limit(pkt, svc) ?: admit_client(pkt, now_ns) ?: sample_query_skb(skb, pkt);
}

__weak __noinline int query_skb(struct __sk_buff *skb, struct packet *pkt, __u32 is_counted)
{
	const struct edge53_service *svc;
	struct query_flow query;
	struct rewrite rw;
	__u64 now_ns;
	int verdict = TC_GO_ON;
	enum edge53_reason why;

	if (!pkt)
		return TC_GO_ON;
	CHAIN(query_skb);
	now_ns = clock_ns();
	why = STEP(find_edge_service, pkt, &svc)
	   ?: STEP(check_and_admit, skb, pkt, svc, now_ns, is_counted)
	   ?: STEP(open_flow, pkt, svc, now_ns, &query, &rw)
	   ?: STEP(take_its_seat, pkt, svc, &query)
	   ?: STEP(translate_query, pkt, &query, &rw)
	   ?: STEP(check_family_skb, skb, pkt, &rw)
	   ?: STEP(edit_query_skb, skb, pkt, &rw)
	   ?: STEP(proxy_query_skb, skb, pkt, &rw)
	   ?: STEP(rewrite_skb, skb, pkt, &rw)
	   ?: STEP(send_query_skb, skb, pkt, &rw, &verdict)
	   ?: STEP(count_query, pkt, &query, &rw, now_ns);

	return finish_query_skb(pkt, why, verdict, why == EDGE53_TOO_BIG ? rw.mtu : 0);
}

__weak __noinline int reply_skb(struct __sk_buff *skb, struct packet *pkt)
{
	struct reply_flow reply;
	struct rewrite rw;
	__u64 now_ns;
	int verdict = TC_GO_ON;
	enum edge53_reason why;

	if (!pkt)
		return TC_GO_ON;
	CHAIN(reply_skb);
	now_ns = clock_ns();
	why = STEP(find_flow, pkt, now_ns, &reply)
	   ?: STEP(check_origin, pkt, &reply)
	   ?: STEP(translate_reply, &reply.flow, &rw)
	   ?: STEP(route_reply, pkt, &reply.flow, &rw)
	   ?: STEP(clamp_reply, pkt, &reply, &rw)
	   ?: STEP(check_family_skb, skb, pkt, &rw)
	   ?: STEP(check_any_response, pkt, &reply.flow, &rw)
	   ?: STEP(take_reply, pkt, now_ns, &reply)
	   ?: STEP(find_shift, pkt, &reply, &rw)
	   ?: STEP(remember_fragment, pkt, &reply.flow)
	   ?: STEP(edit_reply_skb, skb, pkt, &reply, &rw)
	   ?: STEP(proxy_reply_skb, skb, pkt, &rw)
	   ?: STEP(rewrite_skb, skb, pkt, &rw)
	   ?: STEP(sample_reply, skb, false, pkt, &reply.flow)
	   ?: STEP(send_reply_skb, skb, pkt, &rw, &verdict)
	   ?: STEP(count_reply, pkt, &reply.flow, reply.match.latency_us, now_ns);
	if (why == EDGE53_REPLY_UNKNOWN)
		why = STEP(explain_unknown, pkt);

	if (why == EDGE53_RESPONSE_TRUNCATED && !pkt->is_cut)
		return cut_outcome(&reply.flow);
	return finish_or_answer(pkt, why, verdict, why == EDGE53_TOO_BIG ? rw.mtu : 0);
}

static __always_inline int reply_in_tc(struct __sk_buff *skb, __u32 l3_off, struct packet *pkt)
{
	int outcome = reply_skb(skb, pkt);

	if (!is_to_be_cut(outcome))
		return outcome;
	return cut_skb(skb, l3_off, pkt, outcome) ? reply_skb(skb, pkt) : TC_ACT_SHOT;
}

__weak __noinline int fragment_skb(struct __sk_buff *skb, struct packet *pkt)
{
	struct edge53_flow flow;
	struct rewrite rw;
	__u64 now_ns;
	int verdict = TC_GO_ON;
	enum edge53_reason why;

	if (!pkt)
		return TC_GO_ON;
	CHAIN(fragment_skb);
	now_ns = clock_ns();
	why = STEP(find_fragment, pkt, now_ns, &flow)
	   ?: STEP(translate_reply, &flow, &rw)
	   ?: STEP(route_reply, pkt, &flow, &rw)
	   ?: STEP(check_family_skb, skb, pkt, &rw)
	   ?: STEP(rewrite_fragment_skb, skb, pkt, &rw)
	   ?: STEP(send_reply_skb, skb, pkt, &rw, &verdict)
	   ?: STEP(count_fragment, pkt, &flow, now_ns);

	return finish_skb(pkt, why, verdict);
}

static __always_inline int any_in_tc(struct __sk_buff *skb, __u32 l3_off, bool is_counted)
{
	struct packet pkt = {};

	TRACE_ANEW();
	CHAIN(any_in_tc);
	if (STEP(parse_skb, skb, l3_off, &pkt))
		return TC_GO_ON;
	if (pkt.is_icmp_error)
		return icmp_error_skb(skb, &pkt, ICMP_OF_EDGE);
	if (pkt.is_later_fragment)
		return fragment_skb(skb, &pkt);
	if (pkt.dport == EDGE53_DNS_PORT)
		return conclude(skb, &pkt, query_skb(skb, &pkt, is_counted));
	if (is_edge_port(pkt.dport))
		return conclude(skb, &pkt, reply_in_tc(skb, l3_off, &pkt));
	return TC_GO_ON;
}

static __always_inline int edge_tc(struct __sk_buff *skb, __u32 l3_off, bool is_counted)
{
	int verdict = plain_skb(skb, l3_off, is_counted);

	return verdict == NOT_PLAIN ? any_in_tc(skb, l3_off, is_counted) : verdict;
}

#endif
