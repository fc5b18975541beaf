/* SPDX-License-Identifier: GPL-2.0-only */
/* An skb → struct packet, for all chains at tc. */
#ifndef EDGE53_PARSE_SKB_H
#define EDGE53_PARSE_SKB_H

#include "parse.h"
#include "rewrite_skb.h"

/*
 * A VLAN tag beside the bytes means that another device is meant; VID 0 only bears a priority, and the
 * stack takes such a frame as untagged (IEEE 802.1Q 6.9.1).
 */
static __always_inline bool is_of_a_vlan(const struct __sk_buff *skb)
{
	return skb->vlan_present && skb->vlan_tci & 0xfff;
}

/* l3_off: ETH_HLEN, or 0. */
__weak __noinline int parse_skb(struct __sk_buff *skb, __u32 l3_off, struct packet *pkt)
{
	struct bytes b;
	enum edge53_reason why;

	if (!pkt || is_of_a_vlan(skb))
		return EDGE53_NOT_OURS;
	b = bytes_of_skb(skb, l3_off ? ETH_HLEN : 0);
	why = parse_packet(&b, l3_off ? ETH_HLEN : 0, skb->protocol, pkt);
	pkt->ifindex = skb->ifindex;
	/* A bundle of datagrams has one header here; translated, only its first would be right. */
	if (pkt->l4proto == IPPROTO_UDP && skb->gso_size)
		pkt->has_bad_length = true;
	return why;
}

#endif
