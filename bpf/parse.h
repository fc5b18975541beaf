/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bytes → struct packet. Reads; never writes. What the dataplane does not speak about (ARP, VLAN,
 * other transports) is NOT_OURS.
 */
#ifndef EDGE53_PARSE_H
#define EDGE53_PARSE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "icmp_types.h"
#include "ipv6.h"
#include "packet.h"

#define IP_DF 0x4000
#define IP_MF 0x2000
#define IP_OFFSET 0x1fff

/* What a step may read and how long the packet is in all (a tail may be outside data..data_end). */
struct bytes {
	void *data;
	void *data_end;
	__u32 len;
	struct __sk_buff *skb; /* NULL in XDP, which leaves to tc what needs more than a look */
	struct xdp_md *xdp;    /* NULL at tc */
};

/*
 * Makes len bytes readable. The head stays as it is when they already are: pulling copies a shared
 * one.
 */
static __always_inline void make_readable(struct bytes *b, __u32 len)
{
	if (b->data + len > b->data_end && b->len > b->data_end - b->data) {
		bpf_skb_pull_data(b->skb, b->len < len ? b->len : len);
		b->data = (void *)(long)b->skb->data;
		b->data_end = (void *)(long)b->skb->data_end;
	}
}

static __always_inline void read_dns_header(const __be16 *words, struct dns_header *dns)
{
	dns->id = bpf_ntohs(words[0]);
	dns->flags = bpf_ntohs(words[1]);
	dns->questions = bpf_ntohs(words[2]);
	dns->answers = bpf_ntohs(words[3]);
	dns->authorities = bpf_ntohs(words[4]);
	dns->additionals = bpf_ntohs(words[5]);
}

static __always_inline enum edge53_reason parse_udp(const struct bytes *b, struct packet *pkt)
{
	struct udphdr *udp = b->data + (pkt->l4_off & L4_OFF_MASK);
	__be16 *dns = (void *)(udp + 1);
	__u32 l4_len = pkt->l3_off + pkt->ip_len - pkt->l4_off, udp_len;

	if (l4_len < sizeof(*udp) || (void *)(udp + 1) > b->data_end) {
		pkt->has_bad_length = true;
		return GO_ON;
	}
	pkt->l4_check = udp->check;

	/* A first fragment is shorter than its UDP length says. */
	udp_len = bpf_ntohs(udp->len);
	if (udp_len < sizeof(*udp) || (udp_len > l4_len && !pkt->is_first_fragment)) {
		pkt->has_bad_length = true;
		return GO_ON;
	}
	/* Of what a first fragment does not have, nothing is known. */
	if (l4_len < sizeof(*udp) + DNS_HEADER_LEN)
		return GO_ON;
	pkt->payload_len = udp_len - sizeof(*udp);
	if (pkt->payload_len < DNS_HEADER_LEN)
		return GO_ON;
	if ((void *)dns + DNS_HEADER_LEN > b->data_end) {
		pkt->has_bad_length = true;
		return GO_ON;
	}
	read_dns_header(dns, &pkt->dns);
	return GO_ON;
}

static __always_inline enum edge53_reason parse_tcp(const struct bytes *b, struct packet *pkt)
{
	struct tcphdr *tcp = b->data + (pkt->l4_off & L4_OFF_MASK);
	__u32 l4_len = pkt->l3_off + pkt->ip_len - pkt->l4_off;

	if (l4_len < sizeof(*tcp) || (void *)(tcp + 1) > b->data_end) {
		pkt->has_bad_length = true;
		return GO_ON;
	}
	pkt->l4_check = tcp->check;
	pkt->tcp_flags = ((__u8 *)tcp)[13];
	pkt->tcp_seq = bpf_ntohl(tcp->seq);
	pkt->tcp_ack = bpf_ntohl(tcp->ack_seq);
	pkt->tcp_header_len = tcp->doff * 4;
	if (tcp->doff < 5 || pkt->l4_off + tcp->doff * 4 > pkt->l3_off + pkt->ip_len)
		pkt->has_bad_length = true;
	else if (b->skb && b->skb->gso_size)
		pkt->segment_len = pkt->l4_off - pkt->l3_off + tcp->doff * 4 + b->skb->gso_size;
	return GO_ON;
}

/* Only errors: they quote a packet that may be ours. Echo and the like, and ND, are nobody's. */
static __always_inline enum edge53_reason parse_icmp(const struct bytes *b, struct packet *pkt)
{
	__u8 *type = b->data + (pkt->l4_off & L4_OFF_MASK);

	if (!b->skb || pkt->is_first_fragment || (void *)(type + 1) > b->data_end)
		return EDGE53_NOT_OURS;
	if (pkt->is_ipv6 ? *type < ICMPV6_DEST_UNREACH || *type > ICMPV6_PARAMPROB
			 : *type != ICMP_DEST_UNREACH && *type != ICMP_TIME_EXCEEDED &&
				   *type != ICMP_PARAMETERPROB)
		return EDGE53_NOT_OURS;
	pkt->is_icmp_error = true;
	return GO_ON;
}

/*
 * The ports come first, alone: a packet that ends right behind them, as a first fragment may, is
 * still known by them, and refused if it is ours. It would leave an enforced client's host
 * otherwise.
 */
static __always_inline enum edge53_reason parse_l4(const struct bytes *b, struct packet *pkt)
{
	__be16 *ports = b->data + (pkt->l4_off & L4_OFF_MASK);

	if (pkt->l4proto == (pkt->is_ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return parse_icmp(b, pkt);
	if (pkt->l4proto != IPPROTO_UDP && pkt->l4proto != IPPROTO_TCP)
		return EDGE53_NOT_OURS;
	if ((void *)(ports + 2) > b->data_end) /* IPv6 may continue the headers later (RFC 7112) */
		return pkt->is_ipv6 && pkt->is_first_fragment ? EDGE53_HIDDEN_BY_HEADERS
							      : EDGE53_NOT_OURS;
	pkt->sport = bpf_ntohs(ports[0]);
	pkt->dport = bpf_ntohs(ports[1]);
	pkt->segment_len = pkt->ip_len;
	if (pkt->l3_off + pkt->ip_len > b->len) {
		pkt->is_scattered =
			b->xdp && pkt->l3_off + pkt->ip_len <= bpf_xdp_get_buff_len(b->xdp);
		pkt->has_bad_length = !pkt->is_scattered;
	}
	return pkt->l4proto == IPPROTO_UDP ? parse_udp(b, pkt) : parse_tcp(b, pkt);
}

/* It has no ports, but a length. */
static __always_inline enum edge53_reason parse_later_fragment(const struct bytes *b,
							       const struct packet *pkt)
{
	return pkt->l3_off + pkt->ip_len > b->len ? EDGE53_NOT_OURS : GO_ON;
}

static __always_inline enum edge53_reason parse_ipv4(const struct bytes *b, struct packet *pkt)
{
	struct iphdr *ip = b->data + pkt->l3_off;
	__u32 header_len, fragment;

	if ((void *)(ip + 1) > b->data_end || ip->version != 4 || ip->ihl < 5)
		return EDGE53_NOT_OURS;
	header_len = ip->ihl * 4;
	fragment = bpf_ntohs(ip->frag_off);
	if (fragment & (IP_OFFSET | IP_MF)) {
		if (!b->skb)
			return EDGE53_NOT_OURS;
		pkt->is_later_fragment = fragment & IP_OFFSET;
		pkt->is_first_fragment = !pkt->is_later_fragment;
		pkt->fragment_field = fragment & (IP_OFFSET | IP_MF);
		pkt->fragment_id = bpf_ntohs(ip->id);
		pkt->has_fragment_id = true;
	}
	pkt->dont_fragment = fragment & IP_DF;
	pkt->l4proto = ip->protocol;
	pkt->ttl = ip->ttl;
	pkt->tos = ip->tos;
	pkt->ip_len = bpf_ntohs(ip->tot_len);
	pkt->l4_off = pkt->l3_off + header_len;
	if (pkt->ip_len < header_len)
		return EDGE53_NOT_OURS;
	addr_set_ipv4(&pkt->saddr, ip->saddr);
	addr_set_ipv4(&pkt->daddr, ip->daddr);
	return pkt->is_later_fragment ? parse_later_fragment(b, pkt) : parse_l4(b, pkt);
}

/* Takes over what the walk along the extension headers found. */
static __always_inline enum edge53_reason parse_extensions(struct bytes *b, struct packet *pkt)
{
	struct ipv6_walk walk = {};
	bool is_known;

	if (!b->skb)
		return EDGE53_NOT_OURS;
	is_known = ipv6_walk(b->skb, pkt->l3_off, &walk);
	pkt->l4proto = walk.next;
	pkt->l4_off = pkt->l3_off + (walk.len & L4_OFF_MASK);
	pkt->fragment_id = walk.fragment_id;
	pkt->has_fragment_id = walk.has_fragment;
	pkt->fragment_field = walk.fragment_field;
	pkt->is_later_fragment = walk.fragment_field & IP_OFFSET;
	pkt->is_first_fragment = walk.fragment_field == IP_MF;
	if (!is_known) /* but what fragment it was, for the others of it */
		return EDGE53_HIDDEN_BY_HEADERS;
	make_readable(b, (pkt->l4_off & L4_OFF_MASK) + sizeof(struct tcphdr));
	return GO_ON;
}

static __always_inline enum edge53_reason parse_ipv6(struct bytes *b, struct packet *pkt)
{
	struct ipv6hdr *ip = b->data + pkt->l3_off;
	enum edge53_reason why;

	if ((void *)(ip + 1) > b->data_end || ip->version != 6)
		return EDGE53_NOT_OURS;
	pkt->is_ipv6 = 1;
	pkt->dont_fragment = true;
	pkt->l4proto = ip->nexthdr;
	pkt->ttl = ip->hop_limit;
	pkt->tos = bpf_ntohs(*(__be16 *)ip) >> 4;
	pkt->ip_len = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	pkt->l4_off = pkt->l3_off + sizeof(*ip);
	__builtin_memcpy(&pkt->saddr, &ip->saddr, sizeof(pkt->saddr));
	__builtin_memcpy(&pkt->daddr, &ip->daddr, sizeof(pkt->daddr));
	/* They mean IPv4 here, and have no business on the wire (RFC 4291 2.5.5.2, RFC 4942 2.2). */
	if (addr_is_ipv4(&pkt->saddr) || addr_is_ipv4(&pkt->daddr))
		return EDGE53_NOT_OURS;
	if (is_extension(pkt->l4proto)) {
		why = parse_extensions(b, pkt);
		if (why)
			return why;
		if (pkt->l4_off > pkt->l3_off + pkt->ip_len)
			return EDGE53_HIDDEN_BY_HEADERS;
		if (pkt->is_later_fragment)
			return parse_later_fragment(b, pkt);
	}
	return parse_l4(b, pkt);
}

/* *pkt is all zeros before. protocol: of the payload behind l3_off, network order (0: the Ethernet header says it). */
static __always_inline enum edge53_reason parse_packet(struct bytes *b, __u32 l3_off,
						       __be16 protocol, struct packet *pkt)
{
	pkt->l3_off = l3_off;
	if (l3_off == ETH_HLEN) {
		struct ethhdr *eth = b->data;

		if ((void *)(eth + 1) > b->data_end)
			return EDGE53_NOT_OURS;
		protocol = eth->h_proto;
		mac_copy(pkt->eth_dst, eth->h_dest);
		mac_copy(pkt->eth_src, eth->h_source);
	}
	if (protocol == bpf_htons(ETH_P_IP))
		return parse_ipv4(b, pkt);
	if (protocol == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(b, pkt);
	return EDGE53_NOT_OURS;
}

#endif
