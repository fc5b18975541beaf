/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Carries a rewrite out at tc. The order is the one that holds for every kind of skb checksum
 * (none, complete, partial) and for GSO packets: write what the IP header says, then tell
 * bpf_l4_csum_replace() the change of the addresses (pseudo header), then that of ports and ID.
 */
#ifndef EDGE53_REWRITE_SKB_H
#define EDGE53_REWRITE_SKB_H

#include <linux/pkt_cls.h>

#include "family.h"
#include "maps.h"
#include "rewrite.h"
#include "trace.h"

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
		.skb = skb,
	};

	make_readable(&b, l3_off + PULL_LEN);
	return b;
}

/*
 * The IP header, in place. IPv4: its own checksum makes up for the change. IPv6 has none, so a sum
 * over the whole packet (CHECKSUM_COMPLETE) is told.
 */
static __always_inline enum edge53_reason write_ip_skb(struct __sk_buff *skb,
						       const struct packet *pkt,
						       const struct rewrite *rw, __u64 addresses)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	void *ip = data + (pkt->l3_off & L4_OFF_MASK);

	if (!pkt->is_ipv6) {
		if (ip + sizeof(struct iphdr) > data_end)
			return EDGE53_NOT_WRITABLE;
		write_ipv4(ip, rw, addresses);
		return GO_ON;
	}
	if (ip + sizeof(struct ipv6hdr) > data_end)
		return EDGE53_NOT_WRITABLE;
	write_ipv6(ip, rw);
	if (rw->decrement_ttl) /* the hop limit is the lower byte of its word */
		addresses = csum_sub16(addresses, bpf_htons(1));
	bpf_csum_update(skb, csum_fold(addresses));
	return GO_ON;
}

/*
 * Whether a packet may become one of the other family. IPv6 has no checksum that would keep a wrong one
 * of IPv4 wrong; and that of UDP, which IPv4 may do without, cannot be made of a first fragment.
 */
static __always_inline enum edge53_reason
check_family_skb(struct __sk_buff *skb, const struct packet *pkt, const struct rewrite *rw)
{
	if (pkt->is_ipv6 || !rw->is_ipv6)
		return GO_ON;
	if (sum_of_bytes(skb, pkt->l3_off, pkt->l4_off - pkt->l3_off) != CSUM_OF_SOUND)
		return EDGE53_BAD_CHECKSUM;
	return pkt->is_first_fragment && pkt->l4proto == IPPROTO_UDP && !pkt->l4_check
		       ? EDGE53_NO_CHECKSUM
		       : GO_ON;
}

/* A tag of VID 0 beside the bytes would be put into them when the packet leaves. */
static __always_inline bool drop_priority_tag(struct __sk_buff *skb)
{
	return !skb->vlan_present || !bpf_skb_vlan_pop(skb);
}

/* The IP header, of the old or the new family. *l4_off: where the transport is afterwards. */
static __always_inline enum edge53_reason rewrite_ip_skb(struct __sk_buff *skb,
							 const struct packet *pkt,
							 const struct rewrite *rw, __u64 addresses,
							 __u32 *l4_off)
{
	*l4_off = pkt->l4_off;
	if (!drop_priority_tag(skb))
		return EDGE53_NOT_WRITABLE;
	if (rw->is_ipv6 == pkt->is_ipv6)
		return write_ip_skb(skb, pkt, rw, addresses);
	if (!change_family(skb, pkt, rw))
		return EDGE53_NOT_WRITABLE;
	*l4_off = pkt->l4_off + growth_of(pkt, rw);
	return GO_ON;
}

/* The checksum that IPv4 did without and IPv6 needs (RFC 8200 section 8.1). */
static __always_inline enum edge53_reason make_udp_checksum(struct __sk_buff *skb,
							    const struct packet *pkt,
							    const struct rewrite *rw, __u32 l4_off)
{
	int sum = sum_of_bytes(skb, l4_off, pkt->payload_len + sizeof(struct udphdr));
	__u16 check;

	if (sum < 0)
		return EDGE53_NO_CHECKSUM;
	check = ~csum_fold(addr_sum(&rw->saddr, true) + addr_sum(&rw->daddr, true) +
			   bpf_htons(IPPROTO_UDP) +
			   bpf_htons(pkt->payload_len + sizeof(struct udphdr)) + (__u32)sum);
	if (!check)
		check = 0xffff;
	return bpf_skb_store_bytes(skb, l4_off + offsetof(struct udphdr, check), &check,
				   sizeof(check), BPF_F_RECOMPUTE_CSUM)
		       ? EDGE53_NOT_WRITABLE
		       : GO_ON;
}

static __always_inline enum edge53_reason write_ports_skb(struct __sk_buff *skb,
							  const struct packet *pkt,
							  const struct rewrite *rw, __u32 l4_off)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	__be16 *ports = data + (l4_off & L4_OFF_MASK), *dns_id;

	if ((void *)(ports + 2) > data_end)
		return EDGE53_NOT_WRITABLE;
	ports[0] = bpf_htons(rw->sport);
	ports[1] = bpf_htons(rw->dport);
	if (pkt->l4proto != IPPROTO_UDP)
		return GO_ON;
	dns_id = (void *)ports + dns_off_of(rw);
	if ((void *)(dns_id + 1) > data_end)
		return EDGE53_NOT_WRITABLE;
	*dns_id = bpf_htons(rw->dns_id);
	return GO_ON;
}

/* The two differences, into the checksum of the transport. */
static __always_inline enum edge53_reason update_checksum_skb(struct __sk_buff *skb, __u32 check_off,
							      __u64 addresses, __u64 ports,
							      __u64 flags)
{
	return bpf_l4_csum_replace(skb, check_off, 0, csum_fold(addresses),
				   flags | BPF_F_PSEUDO_HDR) ||
			       bpf_l4_csum_replace(skb, check_off, 0, csum_fold(ports), flags)
		       ? EDGE53_NOT_WRITABLE
		       : GO_ON;
}

/* UDP that stays what it is; for plain packets, which have no tag. */
static __always_inline enum edge53_reason rewrite_same_family_skb(struct __sk_buff *skb,
								  const struct packet *pkt,
								  const struct rewrite *rw)
{
	__u64 addresses = diff_addresses(pkt, rw);
	enum edge53_reason why = write_ip_skb(skb, pkt, rw, addresses)
					 ?: write_ports_skb(skb, pkt, rw, pkt->l4_off);

	if (why)
		return why;
	bpf_set_hash_invalid(skb);
	if (!pkt->l4_check)
		return GO_ON;
	return update_checksum_skb(skb, (pkt->l4_off & L4_OFF_MASK) + offsetof(struct udphdr, check),
				   addresses, diff_ports(pkt, rw), BPF_F_MARK_MANGLED_0);
}

__weak __noinline int rewrite_skb(struct __sk_buff *skb, const struct packet *pkt,
				  const struct rewrite *rw)
{
	__u32 l4_off, check_off = offsetof(struct tcphdr, check);
	__u64 addresses, ports, flags = 0;
	enum edge53_reason why;

	if (!pkt || !rw)
		return EDGE53_NOT_WRITABLE;
	addresses = diff_addresses(pkt, rw);
	ports = diff_ports(pkt, rw);
	why = rewrite_ip_skb(skb, pkt, rw, addresses, &l4_off)
		      ?: write_ports_skb(skb, pkt, rw, l4_off);
	if (why)
		return why;
	bpf_set_hash_invalid(skb);
	if (pkt->l4proto == IPPROTO_UDP) {
		if (!pkt->l4_check)
			return rw->is_ipv6 ? make_udp_checksum(skb, pkt, rw, l4_off) : GO_ON;
		check_off = offsetof(struct udphdr, check);
		flags = BPF_F_MARK_MANGLED_0;
	}
	check_off += l4_off & L4_OFF_MASK;
	return update_checksum_skb(skb, check_off, addresses, ports, flags);
}

/* A later fragment: nothing but the IP header. */
static __always_inline enum edge53_reason
rewrite_fragment_skb(struct __sk_buff *skb, const struct packet *pkt, const struct rewrite *rw)
{
	__u32 l4_off;

	bpf_set_hash_invalid(skb);
	return rewrite_ip_skb(skb, pkt, rw, diff_addresses(pkt, rw), &l4_off);
}

/* An Ethernet header in front of a packet from an L3 device; its addresses come later. */
static __always_inline enum edge53_reason make_ethernet(struct __sk_buff *skb,
							const struct packet *pkt)
{
	if (pkt->l3_off)
		return GO_ON;
	return bpf_skb_change_head(skb, ETH_HLEN, 0) ? EDGE53_NO_HEADROOM : GO_ON;
}

/* It may be IPv6 for an IPv4 packet (RFC 5549). */
static __always_inline enum edge53_reason find_nexthop(const struct rewrite *rw,
						       struct bpf_redir_neigh *nexthop)
{
	__u32 id = rw->backend;
	const struct edge53_backend *backend = bpf_map_lookup_elem(&backends, &id);

	if (!backend)
		return EDGE53_NO_BACKEND;
	if (addr_is_ipv4(&backend->nexthop)) {
		nexthop->nh_family = AF_INET;
		nexthop->ipv4_nh = addr_ipv4(&backend->nexthop);
	} else {
		nexthop->nh_family = AF_INET6;
		__builtin_memcpy(nexthop->ipv6_nh, backend->nexthop.bytes,
				 sizeof(nexthop->ipv6_nh));
	}
	return GO_ON;
}

/* Towards a backend: the kernel resolves the neighbour when there is one. */
static __always_inline enum edge53_reason send_query_skb(struct __sk_buff *skb,
							 const struct packet *pkt,
							 const struct rewrite *rw, int *verdict)
{
	struct bpf_redir_neigh nexthop = {};
	enum edge53_reason why;

	TRACE_WAY(rw);
	if (!rw->to_ethernet) {
		*verdict = bpf_redirect(rw->ifindex, 0);
	} else {
		why = find_nexthop(rw, &nexthop) ?: make_ethernet(skb, pkt);
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
	struct ethhdr eth;
	enum edge53_reason why;

	TRACE_WAY(rw);
	if (rw->to_ethernet) {
		why = make_ethernet(skb, pkt);
		if (why)
			return why;
		eth.h_proto = rw->is_ipv6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
		mac_copy(eth.h_dest, rw->dmac);
		mac_copy(eth.h_source, rw->smac);
		if (bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0))
			return EDGE53_NOT_WRITABLE;
	}
	*verdict = bpf_redirect(rw->ifindex, 0);
	return *verdict == TC_ACT_REDIRECT ? GO_ON : EDGE53_REDIRECT_REFUSED;
}

#endif
