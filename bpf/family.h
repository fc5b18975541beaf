/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * IP headers of the other family (RFC 7915), and at tc the change of the packet's size that they
 * need.
 */
#ifndef EDGE53_FAMILY_H
#define EDGE53_FAMILY_H

#include <linux/if_ether.h>

#include "rewrite.h"

/* Up to this length an IPv4 packet may be fragmented on its way (RFC 7915 section 5.1). */
#define MAY_BE_FRAGMENTED_LEN 1260

static __always_inline __u32 l4_len_of(const struct packet *pkt)
{
	return pkt->ip_len - (pkt->l4_off - pkt->l3_off);
}

static __always_inline void make_ipv4(const struct packet *pkt, const struct rewrite *rw,
				      struct iphdr *ip)
{
	__u32 len = sizeof(*ip) + l4_len_of(pkt);

	ip->version = 4;
	ip->ihl = 5;
	ip->tos = pkt->tos;
	ip->tot_len = bpf_htons(len);
	ip->id = 0;
	ip->frag_off = 0;
	if (pkt->has_fragment_id) {
		ip->id = bpf_htons(pkt->fragment_id);
		ip->frag_off = bpf_htons(pkt->fragment_field);
	} else if (len > MAY_BE_FRAGMENTED_LEN) {
		ip->frag_off = bpf_htons(IP_DF);
	} else {
		ip->id = bpf_get_prandom_u32();
	}
	ip->ttl = pkt->ttl - rw->decrement_ttl;
	ip->protocol = pkt->l4proto;
	ip->check = 0;
	ip->saddr = addr_ipv4(&rw->saddr);
	ip->daddr = addr_ipv4(&rw->daddr);
	ip->check = ~sum_of_words(ip, sizeof(*ip) / 4);
}

/* Its payload begins with a fragment header when the packet is a fragment. */
static __always_inline void make_ipv6(const struct packet *pkt, const struct rewrite *rw,
				      struct ipv6hdr *ip)
{
	__u32 len = l4_len_of(pkt) + (is_fragment(pkt) ? FRAGMENT_HEADER_LEN : 0);

	*(__be32 *)ip = bpf_htonl(6u << 28 | (__u32)pkt->tos << 20);
	ip->payload_len = bpf_htons(len);
	ip->nexthdr = is_fragment(pkt) ? IPPROTO_FRAGMENT : pkt->l4proto;
	ip->hop_limit = pkt->ttl - rw->decrement_ttl;
	__builtin_memcpy(&ip->saddr, &rw->saddr, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, &rw->daddr, sizeof(ip->daddr));
}

/* RFC 8200 section 4.5. */
struct fragment_header {
	__u8 next;
	__u8 reserved;
	__be16 offset_and_flag;
	__be32 id;
};

static __always_inline void make_fragment_header(const struct packet *pkt,
						 struct fragment_header *header)
{
	header->next = pkt->l4proto;
	header->reserved = 0;
	header->offset_and_flag =
		bpf_htons(pkt->fragment_field << 3 | !!(pkt->fragment_field & IP_MF));
	header->id = bpf_htonl(pkt->fragment_id);
}

/*
 * Gives an skb the header of rw's family. Returns 1, and the transport header follows the new IP header
 * and fragment header; or 0 when the kernel refused. Whatever the skb's checksum is, it holds: what is written
 * counts, and what it counts for the transport is the caller's.
 */
static __noinline int change_family(struct __sk_buff *skb, const struct packet *pkt,
				    const struct rewrite *rw)
{
	const __u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET;
	__be16 protocol = rw->is_ipv6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	__u32 extra = extra_headers_len(pkt), l3_off = pkt->l3_off;
	struct fragment_header fragment;
	struct ipv6hdr ip6;
	struct iphdr ip4;

	if (extra && bpf_skb_adjust_room(skb, -(int)extra, BPF_ADJ_ROOM_NET, flags))
		return 0;
	if (bpf_skb_change_proto(skb, protocol, 0))
		return 0;
	if (l3_off && bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_proto), &protocol,
					  sizeof(protocol), 0))
		return 0;
	if (!rw->is_ipv6) {
		make_ipv4(pkt, rw, &ip4);
		return !bpf_skb_store_bytes(skb, l3_off, &ip4, sizeof(ip4), BPF_F_RECOMPUTE_CSUM);
	}
	make_ipv6(pkt, rw, &ip6);
	if (bpf_skb_store_bytes(skb, l3_off, &ip6, sizeof(ip6), BPF_F_RECOMPUTE_CSUM))
		return 0;
	if (!is_fragment(pkt))
		return 1;
	make_fragment_header(pkt, &fragment);
	return !bpf_skb_adjust_room(skb, sizeof(fragment), BPF_ADJ_ROOM_NET, flags) &&
	       !bpf_skb_store_bytes(skb, l3_off + sizeof(ip6), &fragment, sizeof(fragment),
				    BPF_F_RECOMPUTE_CSUM);
}

/* Ones' complement sum of len bytes, folded; -1 when there are too many to look at. */
#define SUM_CHUNK 32 /* more is more stack, of which there is none left */
#define SUM_MAX_CHUNKS 288

__weak __noinline int sum_of_bytes(struct __sk_buff *skb, __u32 off, __u32 len)
{
	__u32 chunk[SUM_CHUNK / 4], end = off + len, rest;
	__s64 sum = 0;

	for (int i = 0; i < SUM_MAX_CHUNKS && off + SUM_CHUNK <= end; i++) {
		if (bpf_skb_load_bytes(skb, off, chunk, SUM_CHUNK))
			return -1;
		sum = bpf_csum_diff(NULL, 0, chunk, SUM_CHUNK, sum);
		off += SUM_CHUNK;
	}
	rest = end - off;
	if (rest >= SUM_CHUNK)
		return -1;
	if (rest) {
		__builtin_memset(chunk, 0, sizeof(chunk));
		if (bpf_skb_load_bytes(skb, off, chunk, ((rest - 1) & (SUM_CHUNK - 1)) + 1))
			return -1;
		sum = bpf_csum_diff(NULL, 0, chunk, SUM_CHUNK, sum);
	}
	return csum_fold((__u32)sum);
}

#endif
