/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bytes → struct packet. Reads; never writes. Everything this release cannot speak about (ARP,
 * VLAN, fragments after the first, other transports) is NOT_OURS.
 */
#ifndef EDGE53_PARSE_H
#define EDGE53_PARSE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "packet.h"

#define IP_MF 0x2000
#define IP_OFFSET 0x1fff

/* What a step may read and how long the packet is in all (a tail may be outside data..data_end). */
struct bytes {
	void *data;
	void *data_end;
	__u32 len;
};

static __always_inline enum edge53_reason parse_udp(const struct bytes *b, struct packet *pkt)
{
	struct udphdr *udp = b->data + pkt->l4_off;
	__be16 *dns = (void *)(udp + 1);
	__u32 l4_len = pkt->l3_off + pkt->ip_len - pkt->l4_off, udp_len;

	if ((void *)(udp + 1) > b->data_end) {
		pkt->has_bad_length = true;
		return GO_ON;
	}
	pkt->l4_check = udp->check;

	udp_len = bpf_ntohs(udp->len);
	if (udp_len < sizeof(*udp) || udp_len > l4_len) {
		/* A first fragment is shorter than its UDP length, and refused for that reason. */
		pkt->has_bad_length |= !pkt->is_first_fragment;
		return GO_ON;
	}
	pkt->payload_len = udp_len - sizeof(*udp);
	if (pkt->payload_len < DNS_HEADER_LEN)
		return GO_ON;
	if ((void *)dns + DNS_HEADER_LEN > b->data_end) {
		pkt->has_bad_length = true;
		return GO_ON;
	}
	pkt->dns.id = bpf_ntohs(dns[0]);
	pkt->dns.flags = bpf_ntohs(dns[1]);
	pkt->dns.questions = bpf_ntohs(dns[2]);
	pkt->dns.additionals = bpf_ntohs(dns[5]);
	return GO_ON;
}

static __always_inline enum edge53_reason parse_tcp(const struct bytes *b, struct packet *pkt)
{
	struct tcphdr *tcp = b->data + pkt->l4_off;

	if ((void *)(tcp + 1) > b->data_end) {
		pkt->has_bad_length = true;
		return GO_ON;
	}
	pkt->l4_check = tcp->check;
	pkt->tcp_flags = ((__u8 *)tcp)[13];
	pkt->tcp_seq = bpf_ntohl(tcp->seq);
	pkt->tcp_ack = bpf_ntohl(tcp->ack_seq);
	if (tcp->doff < 5 || pkt->l4_off + tcp->doff * 4 > pkt->l3_off + pkt->ip_len)
		pkt->has_bad_length = true;
	return GO_ON;
}

/*
 * The ports come first, alone: a packet that ends right behind them, as a first fragment may, is
 * still known by them, and refused if it is ours. It would leave an enforced client's host
 * otherwise.
 */
static __always_inline enum edge53_reason parse_l4(const struct bytes *b, struct packet *pkt)
{
	__be16 *ports = b->data + pkt->l4_off;

	if (pkt->l4proto != IPPROTO_UDP && pkt->l4proto != IPPROTO_TCP)
		return EDGE53_NOT_OURS;
	if ((void *)(ports + 2) > b->data_end)
		return EDGE53_NOT_OURS;
	pkt->sport = bpf_ntohs(ports[0]);
	pkt->dport = bpf_ntohs(ports[1]);
	if (pkt->l3_off + pkt->ip_len > b->len)
		pkt->has_bad_length = true;
	return pkt->l4proto == IPPROTO_UDP ? parse_udp(b, pkt) : parse_tcp(b, pkt);
}

static __always_inline enum edge53_reason parse_ipv4(const struct bytes *b, struct packet *pkt)
{
	struct iphdr *ip = b->data + pkt->l3_off;
	__u32 header_len, fragment;

	if ((void *)(ip + 1) > b->data_end || ip->version != 4 || ip->ihl < 5)
		return EDGE53_NOT_OURS;
	fragment = bpf_ntohs(ip->frag_off);
	if (fragment & IP_OFFSET)
		return EDGE53_NOT_OURS;
	header_len = ip->ihl * 4;
	pkt->is_first_fragment = fragment & IP_MF;
	pkt->l4proto = ip->protocol;
	pkt->ttl = ip->ttl;
	pkt->ip_len = bpf_ntohs(ip->tot_len);
	pkt->l4_off = pkt->l3_off + header_len;
	if (pkt->ip_len < header_len)
		return EDGE53_NOT_OURS;
	addr_set_ipv4(&pkt->saddr, ip->saddr);
	addr_set_ipv4(&pkt->daddr, ip->daddr);
	return parse_l4(b, pkt);
}

/* protocol: of the payload behind l3_off, network order (0: the Ethernet header says it). */
static __always_inline enum edge53_reason parse_packet(const struct bytes *b, __u32 l3_off,
						       __be16 protocol, struct packet *pkt)
{
	__builtin_memset(pkt, 0, sizeof(*pkt));
	pkt->l3_off = l3_off;
	if (l3_off == ETH_HLEN) {
		struct ethhdr *eth = b->data;

		if ((void *)(eth + 1) > b->data_end)
			return EDGE53_NOT_OURS;
		protocol = eth->h_proto;
		__builtin_memcpy(pkt->eth_dst, eth->h_dest, ETH_ALEN);
		__builtin_memcpy(pkt->eth_src, eth->h_source, ETH_ALEN);
	}
	if (protocol == bpf_htons(ETH_P_IP))
		return parse_ipv4(b, pkt);
	return EDGE53_NOT_OURS;
}

#endif
