/* SPDX-License-Identifier: GPL-2.0-only */
/* The plain packet (plain.h) at tc. */
#ifndef EDGE53_PLAIN_SKB_H
#define EDGE53_PLAIN_SKB_H

#include "plain.h"
#include "rate.h"
#include "rewrite_skb.h"
#include "sample.h"
#include "trace.h"
#include "verdict.h"

/* Without a VLAN tag, one datagram and not a bundle, and its headers readable as they are. */
static __always_inline bool parse_plain_skb(struct __sk_buff *skb, __u32 l3_off, struct packet *pkt)
{
	struct bytes b = {
		.data = (void *)(long)skb->data,
		.data_end = (void *)(long)skb->data_end,
		.len = skb->len,
		.skb = skb,
	};
	__be16 *ethertype = b.data + ETH_HLEN - 2;

	if (l3_off && ((void *)(ethertype + 1) > b.data_end || *ethertype != bpf_htons(ETH_P_IP)))
		return false;
	return skb->protocol == bpf_htons(ETH_P_IP) && !skb->vlan_present && !skb->gso_size &&
	       parse_plain(&b, l3_off, skb->ifindex, pkt);
}

static __always_inline enum edge53_reason count_here(struct packet *pkt, __u64 now_ns,
						     bool is_counted)
{
	return is_counted ? GO_ON : admit_plain_client(pkt, now_ns);
}

/* XDP was here, and has done what is to be done before a query is translated. */
static __always_inline bool is_checked(const struct packet *pkt, const struct edge53_service *svc,
				       bool is_counted)
{
	return is_counted && !is_beyond_xdp(pkt) && !is_rate_for_tc(pkt, svc);
}

/* As the service said, which may be another by now. */
static __always_inline enum edge53_reason has_no_header(const struct rewrite *rw)
{
	return rw->puts_header ? EDGE53_NO_BACKEND : GO_ON;
}

static __noinline int plain_query_skb(struct __sk_buff *skb, __u32 l3_off, bool is_counted)
{
	const struct edge53_service *svc = NULL;
	struct packet pkt = {};
	struct query_flow query;
	struct rewrite rw = {}; /* a backend of the host itself has no MACs */
	__u64 now_ns;
	int verdict = TC_GO_ON;
	enum edge53_reason why;

	CHAIN(plain_query_skb);
	if (!ASK(parse_plain_skb, skb, l3_off, &pkt) || STEP(check_message, &pkt) ||
	    STEP(find_edge_service, &pkt, &svc) || svc->flags & EDGE53_SERVICE_PROXY_UDP ||
	    !ASK(is_plain_service, &pkt, svc) || STEP(check_any_skb, skb, &pkt, svc))
		return NOT_PLAIN;
	is_counted = is_checked(&pkt, svc, is_counted);
	if (!is_counted && is_sampled_query(&pkt))
		return NOT_PLAIN;
	why = is_counted ? GO_ON : STEP(check_rate, &pkt, svc);
	if (why == EDGE53_RATE_TRUNCATED)
		return NOT_PLAIN;
	now_ns = clock_ns();
	why = why
	   ?: STEP(count_here, &pkt, now_ns, is_counted)
	   ?: STEP(open_plain_flow, &pkt, svc, now_ns, &query, &rw)
	   ?: STEP(translate_query, &pkt, &query, &rw)
	   ?: STEP(is_still_plain, &rw)
	   ?: STEP(has_no_header, &rw)
	   ?: STEP(rewrite_same_family_skb, skb, &pkt, &rw)
	   ?: STEP(send_query_skb, skb, &pkt, &rw, &verdict)
	   ?: STEP(count_query, &pkt, &query, &rw, now_ns);

	return finish_skb(&pkt, why, verdict);
}

static __noinline int plain_reply_skb(struct __sk_buff *skb, __u32 l3_off)
{
	struct packet pkt = {};
	struct reply_flow reply;
	struct rewrite rw = {};
	__u64 now_ns;
	int verdict = TC_GO_ON;
	enum edge53_reason why;

	CHAIN(plain_reply_skb);
	if (!ASK(parse_plain_skb, skb, l3_off, &pkt))
		return NOT_PLAIN;
	now_ns = clock_ns();
	why = STEP(ring_find, &pkt, now_ns, &reply.flow, &reply.backend, &reply.match)
	   ?: STEP(check_origin, &pkt, &reply)
	   ?: STEP(translate_reply, &reply.flow, &rw)
	   ?: STEP(route_reply, &pkt, &reply.flow, &rw);
	/* To judge by response_limit takes more stack than is left here. */
	if (why || rw.is_ipv6 || is_sampled_reply(&reply.flow) ||
	    reply.flow.flags & EDGE53_FLOW_RESPONSE_LIMIT)
		return NOT_PLAIN;
	why = STEP(ring_answer, &reply.match)
	   ?: STEP(rewrite_same_family_skb, skb, &pkt, &rw)
	   ?: STEP(send_reply_skb, skb, &pkt, &rw, &verdict)
	   ?: STEP(count_udp_reply, &pkt, &reply.flow, reply.match.latency_us, now_ns);

	return finish_skb(&pkt, why, verdict);
}

/* The verdict, or NOT_PLAIN, and nothing has happened. */
static __always_inline int plain_skb(struct __sk_buff *skb, __u32 l3_off, bool is_counted)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	struct udphdr *udp = data + l3_off + IPV4_HEADER_LEN;

	if ((void *)(udp + 1) > data_end)
		return NOT_PLAIN;
	if (udp->dest == bpf_htons(EDGE53_DNS_PORT))
		return plain_query_skb(skb, l3_off, is_counted);
	return is_edge_port(bpf_ntohs(udp->dest)) ? plain_reply_skb(skb, l3_off) : NOT_PLAIN;
}

#endif
