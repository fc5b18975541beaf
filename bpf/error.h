/* SPDX-License-Identifier: GPL-2.0-only */
/* ICMP errors at tc: whom one is for, and the chain that sends it there. */
#ifndef EDGE53_ERROR_H
#define EDGE53_ERROR_H

#include "icmp.h"
#include "trace.h"
#include "verdict.h"

/* Whom an ICMP error is for: fills *rw, as for the reply that the error stands for. */
__weak __noinline int translate_error(struct packet *pkt, __u32 side, struct rewrite *rw)
{
	const struct edge53_service *svc;
	enum edge53_reason why;

	if (!pkt || !rw)
		return EDGE53_NOT_OURS;
	if (is_edge_port(pkt->dport) && side != ICMP_OF_ENFORCED_CLIENT)
		return find_client_of_error(pkt, side == ICMP_OF_EDGE, rw);
	if (pkt->dport != EDGE53_DNS_PORT || side == ICMP_TO_ENFORCED_CLIENT)
		return EDGE53_NOT_OURS;
	if (side == ICMP_OF_EDGE)
		return find_edge_service(pkt, &svc) ?: find_backend_of_error(pkt, rw);
	why = find_enforce_service(pkt, &svc) ?: apply_policy(pkt, svc);
	if (why)
		return why == EDGE53_EXEMPT ? why : EDGE53_NOT_OURS;
	/* What cannot be told to our resolver would go to the one that was asked. */
	return find_backend_of_error(pkt, rw) ? EDGE53_ICMP_DROPPED : GO_ON;
}

__weak __noinline int icmp_error_skb(struct __sk_buff *skb, struct packet *pkt, __u32 side)
{
	struct icmp_quote quote = {};
	struct rewrite rw = {};
	int verdict = TC_GO_ON;
	enum edge53_reason why;

	if (!pkt)
		return TC_GO_ON;
	CHAIN(icmp_error_skb);
	if (!ASK(parse_quote, skb, pkt, &quote))
		return TC_GO_ON;
	why = STEP(translate_error, pkt, side, &rw)
	   ?: STEP(rewrite_error, skb, pkt, &quote, &rw);
	if (why)
		return finish_skb(pkt, why, TC_GO_ON);
	if (rw.ifindex)
		why = rw.backend ? STEP(send_query_skb, skb, pkt, &rw, &verdict)
				 : STEP(send_reply_skb, skb, pkt, &rw, &verdict);
	return finish_skb(pkt, why ?: EDGE53_ICMP_SENT, verdict);
}

#endif
