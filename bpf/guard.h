/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guard on devices of the default route: port 53 of a client that came in by a device which
 * should be enforced and is not (docs/packets.md, "Guard"). Ports first: most packets have others.
 */
#ifndef EDGE53_GUARD_H
#define EDGE53_GUARD_H

#include "ipv6.h"
#include "maps.h"
#include "packet.h"
#include "parse.h"
#include "verdict.h"

static __always_inline int ipv4_dport(struct __sk_buff *skb, __u32 l3_off)
{
	struct iphdr ip;
	__be16 ports[2];

	if (bpf_skb_load_bytes(skb, l3_off, &ip, sizeof(ip)) || ip.ihl < 5 ||
	    ip.frag_off & bpf_htons(IP_OFFSET) ||
	    (ip.protocol != IPPROTO_UDP && ip.protocol != IPPROTO_TCP) ||
	    bpf_skb_load_bytes(skb, l3_off + ip.ihl * 4, ports, sizeof(ports)))
		return -1;
	return bpf_ntohs(ports[1]);
}

static __always_inline int ipv6_dport(struct __sk_buff *skb, __u32 l3_off)
{
	struct ipv6_walk walk = { .len = sizeof(struct ipv6hdr) };
	__be16 ports[2];

	if (bpf_skb_load_bytes(skb, l3_off + offsetof(struct ipv6hdr, nexthdr), &walk.next, 1))
		return -1;
	if (is_extension(walk.next)) {
		if (!ipv6_walk(skb, l3_off, &walk) || walk.fragment_field & IP_OFFSET)
			return -1;
	}
	if ((walk.next != IPPROTO_UDP && walk.next != IPPROTO_TCP) ||
	    bpf_skb_load_bytes(skb, l3_off + walk.len, ports, sizeof(ports)))
		return -1;
	return bpf_ntohs(ports[1]);
}

static __always_inline enum edge53_reason guard_packet(struct __sk_buff *skb, __u32 l3_off,
						       struct packet *pkt)
{
	__u32 ifindex = skb->ingress_ifindex, unknown = 0;
	const struct edge53_guard *entry;
	int dport;

	if (!ifindex) /* the host's own */
		return EDGE53_NOT_OURS;
	dport = skb->protocol == bpf_htons(ETH_P_IP)	 ? ipv4_dport(skb, l3_off)
		: skb->protocol == bpf_htons(ETH_P_IPV6) ? ipv6_dport(skb, l3_off)
							 : -1;
	if (dport != EDGE53_DNS_PORT)
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

	return finish_skb(&pkt, guard_packet(skb, l3_off, &pkt), TC_GO_ON);
}

#endif
