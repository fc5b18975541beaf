/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guard on devices of the default route: port 53 of a client that came in by a device which
 * should be enforced and is not (docs/packets.md, "Guard"). Ports first: most packets have others.
 */
#ifndef EDGE53_GUARD_H
#define EDGE53_GUARD_H

#include "maps.h"
#include "packet.h"
#include "peek.h"
#include "trace.h"
#include "verdict.h"

static __always_inline enum edge53_reason guard_packet(struct __sk_buff *skb, __u32 l3_off,
						       struct packet *pkt)
{
	__u32 ifindex = skb->ingress_ifindex, unknown = 0;
	const struct edge53_guard *entry;
	struct peek peek = {};

	if (!ifindex) /* the host's own */
		return EDGE53_NOT_OURS;
	if (!peek_skb(skb, l3_off, &peek) || peek.dport != EDGE53_DNS_PORT)
		return EDGE53_NOT_OURS;
	entry = bpf_map_lookup_elem(&guard, &ifindex) ?: bpf_map_lookup_elem(&guard, &unknown);
	if (!entry || entry->policy == EDGE53_GUARD_PASS)
		return EDGE53_NOT_OURS;
	pkt->service = entry->service;
	return entry->policy == EDGE53_GUARD_DROP ? EDGE53_GUARD_DROPPED : EDGE53_GUARD_COUNTED;
}

static __always_inline int guard_out(struct __sk_buff *skb, __u32 l3_off)
{
	struct packet pkt = {};
	enum edge53_reason why;

	CHAIN(guard_out);
	why = STEP(guard_packet, skb, l3_off, &pkt);
	return finish_skb(&pkt, why, TC_GO_ON);
}

#endif
