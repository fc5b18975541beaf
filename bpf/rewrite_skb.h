/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Carries a rewrite out at tc. The order is the one that holds for every kind of skb checksum
 * (none, complete, partial) and for GSO packets: write what the IP header says, then tell
 * bpf_l4_csum_replace() the change of the addresses (pseudo header), then that of ports and ID.
 */
#ifndef EDGE53_REWRITE_SKB_H
#define EDGE53_REWRITE_SKB_H

#include <linux/pkt_cls.h>

#include "rewrite.h"

/* Headers a step may read: the longest IPv4 header, and TCP's or UDP's with a DNS header. */
#define PULL_LEN (60 + 20)

#define AF_INET 2
#define AF_INET6 10

/* Makes the headers readable; the bytes stay as they are. */
static __always_inline struct bytes bytes_of_skb(struct __sk_buff *skb, __u32 l3_off)
{
	struct bytes b = {
		.data = (void *)(long)skb->data,
		.data_end = (void *)(long)skb->data_end,
		.len = skb->len,
	};

	if (b.data + l3_off + PULL_LEN > b.data_end && b.len > b.data_end - b.data) {
		bpf_skb_pull_data(skb, b.len < l3_off + PULL_LEN ? b.len : l3_off + PULL_LEN);
		b.data = (void *)(long)skb->data;
		b.data_end = (void *)(long)skb->data_end;
	}
	return b;
}

static __always_inline enum edge53_reason write_headers(struct __sk_buff *skb,
							const struct packet *pkt,
							const struct rewrite *rw, __u64 addresses)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	struct iphdr *ip = data + (pkt->l3_off & L4_OFF_MASK);
	__be16 *ports = data + (pkt->l4_off & L4_OFF_MASK);

	if ((void *)(ip + 1) > data_end || (void *)ports + sizeof(struct udphdr) + 2 > data_end)
		return EDGE53_NOT_WRITABLE;
	ports[0] = bpf_htons(rw->sport);
	ports[1] = bpf_htons(rw->dport);
	if (pkt->l4proto == IPPROTO_UDP)
		ports[4] = bpf_htons(rw->dns_id);
	write_ipv4(ip, rw, addresses);
	return GO_ON;
}

static __always_inline enum edge53_reason rewrite_skb(struct __sk_buff *skb,
						      const struct packet *pkt,
						      const struct rewrite *rw)
{
	__u64 addresses = diff_addresses(pkt, rw), ports = diff_ports(pkt, rw);
	__u32 check_off = (pkt->l4_off & L4_OFF_MASK) + __builtin_offsetof(struct tcphdr, check);
	__u64 flags = 0;
	enum edge53_reason why = write_headers(skb, pkt, rw, addresses);

	if (why)
		return why;
	bpf_set_hash_invalid(skb);
	if (pkt->l4proto == IPPROTO_UDP) {
		if (!pkt->l4_check)
			return GO_ON;
		check_off = (pkt->l4_off & L4_OFF_MASK) + __builtin_offsetof(struct udphdr, check);
		flags = BPF_F_MARK_MANGLED_0;
	}
	if (bpf_l4_csum_replace(skb, check_off, 0, csum_fold(addresses), flags | BPF_F_PSEUDO_HDR) ||
	    bpf_l4_csum_replace(skb, check_off, 0, csum_fold(ports), flags))
		return EDGE53_NOT_WRITABLE;
	return GO_ON;
}

/* An Ethernet header in front of a packet from an L3 device; its addresses come later. */
static __always_inline enum edge53_reason make_ethernet(struct __sk_buff *skb,
							const struct packet *pkt)
{
	if (pkt->l3_off)
		return GO_ON;
	return bpf_skb_change_head(skb, ETH_HLEN, 0) ? EDGE53_NO_HEADROOM : GO_ON;
}

/* Towards a backend: the kernel resolves the neighbour when there is one. */
static __always_inline enum edge53_reason send_query_skb(struct __sk_buff *skb,
							 const struct packet *pkt,
							 const struct rewrite *rw, int *verdict)
{
	struct bpf_redir_neigh nexthop = {};
	enum edge53_reason why;

	if (addr_is_ipv4(rw->nexthop)) {
		nexthop.nh_family = AF_INET;
		nexthop.ipv4_nh = addr_ipv4(rw->nexthop);
	} else {
		nexthop.nh_family = AF_INET6;
		__builtin_memcpy(nexthop.ipv6_nh, rw->nexthop->bytes, sizeof(nexthop.ipv6_nh));
	}

	if (!rw->to_ethernet) {
		*verdict = bpf_redirect(rw->ifindex, 0);
	} else {
		why = make_ethernet(skb, pkt);
		if (why)
			return why;
		*verdict = bpf_redirect_neigh(rw->ifindex, &nexthop, sizeof(nexthop), 0);
	}
	return *verdict == TC_ACT_REDIRECT ? GO_ON : EDGE53_REDIRECT_REFUSED;
}

/* Towards a client: to the neighbour the query came from. */
static __always_inline enum edge53_reason send_reply_skb(struct __sk_buff *skb,
							 const struct packet *pkt,
							 const struct rewrite *rw, int *verdict)
{
	struct ethhdr eth = { .h_proto = bpf_htons(ETH_P_IP) };
	enum edge53_reason why;

	if (rw->to_ethernet) {
		why = make_ethernet(skb, pkt);
		if (why)
			return why;
		__builtin_memcpy(eth.h_dest, rw->dmac, ETH_ALEN);
		__builtin_memcpy(eth.h_source, rw->smac, ETH_ALEN);
		if (bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0))
			return EDGE53_NOT_WRITABLE;
	}
	*verdict = bpf_redirect(rw->ifindex, 0);
	return *verdict == TC_ACT_REDIRECT ? GO_ON : EDGE53_REDIRECT_REFUSED;
}

#endif
