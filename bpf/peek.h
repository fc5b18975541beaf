/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A look at the ports that leaves the packet as it is: for hooks that most packets have nothing to do
 * with. parse_skb() may have to copy the head of what the host sends.
 */
#ifndef EDGE53_PEEK_H
#define EDGE53_PEEK_H

#include "ipv6.h"
#include "packet.h"
#include "parse.h"

struct peek {
	__u16 sport; /* host order */
	__u16 dport;
	__u8 l4proto; /* UDP or TCP, if it has ports */
	bool is_later_fragment; /* has none */
};

static __always_inline bool peek_ports(struct __sk_buff *skb, __u32 l4_off, struct peek *peek)
{
	__be16 ports[2];

	if ((peek->l4proto != IPPROTO_UDP && peek->l4proto != IPPROTO_TCP) ||
	    peek->is_later_fragment || bpf_skb_load_bytes(skb, l4_off, ports, sizeof(ports)))
		return false;
	peek->sport = bpf_ntohs(ports[0]);
	peek->dport = bpf_ntohs(ports[1]);
	return true;
}

static __always_inline bool peek_ipv4(struct __sk_buff *skb, __u32 l3_off, struct peek *peek)
{
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, l3_off, &ip, sizeof(ip)) || ip.ihl < 5)
		return false;
	peek->l4proto = ip.protocol;
	peek->is_later_fragment = ip.frag_off & bpf_htons(IP_OFFSET);
	return peek_ports(skb, l3_off + ip.ihl * 4, peek);
}

static __always_inline bool peek_ipv6(struct __sk_buff *skb, __u32 l3_off, struct peek *peek)
{
	struct ipv6_walk walk = { .len = sizeof(struct ipv6hdr) };

	if (bpf_skb_load_bytes(skb, l3_off + offsetof(struct ipv6hdr, nexthdr), &walk.next, 1))
		return false;
	if (is_extension(walk.next) && !ipv6_walk(skb, l3_off, &walk))
		return false;
	peek->l4proto = walk.next;
	peek->is_later_fragment = walk.fragment_field & IP_OFFSET;
	return peek_ports(skb, l3_off + walk.len, peek);
}

/* Whether the packet shows UDP or TCP ports. *peek is all zeros before. */
static __always_inline bool peek_skb(struct __sk_buff *skb, __u32 l3_off, struct peek *peek)
{
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return peek_ipv4(skb, l3_off, peek);
	return skb->protocol == bpf_htons(ETH_P_IPV6) && peek_ipv6(skb, l3_off, peek);
}

#endif
