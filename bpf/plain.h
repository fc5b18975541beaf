/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The plain packet: UDP over IPv4 without options, whole, in one piece, which is what nearly every query and
 * reply is. It takes the same steps as any other (edge_xdp.h, edge_tc.h). But here the compiler knows what the packet
 * is, folds the questions about it, and keeps all of struct packet and struct rewrite in registers: as long as no
 * pointer to them leaves the function. So every step is inlined, and what needs one that is not goes the way of
 * all packets, before anything was counted or taken.
 */
#ifndef EDGE53_PLAIN_H
#define EDGE53_PLAIN_H

#include "parse.h"
#include "proxy.h"
#include "service.h"
#include "translate.h"

#define NOT_PLAIN (-2) /* no verdict of any hook */

#define IPV4_NO_OPTIONS 0x45 /* version and length of the header */

/* *pkt as parse_packet() would fill it, of a packet that has an IPv4 header at l3_off. False: let that one look. */
static __always_inline bool parse_plain(const struct bytes *b, __u32 l3_off, __u32 ifindex,
					struct packet *pkt)
{
	struct ethhdr *eth = b->data;
	struct iphdr *ip = b->data + l3_off;
	struct udphdr *udp = (void *)(ip + 1);
	__be16 *dns = (void *)(udp + 1);
	__u32 udp_len;

	if ((void *)dns + DNS_HEADER_LEN > b->data_end || *(__u8 *)ip != IPV4_NO_OPTIONS ||
	    ip->protocol != IPPROTO_UDP || ip->frag_off & bpf_htons(IP_OFFSET | IP_MF))
		return false;
	pkt->ifindex = ifindex;
	pkt->l3_off = l3_off;
	pkt->l4_off = l3_off + IPV4_HEADER_LEN;
	pkt->l4proto = IPPROTO_UDP;
	pkt->ip_len = pkt->segment_len = bpf_ntohs(ip->tot_len);
	pkt->ttl = ip->ttl;
	pkt->tos = ip->tos;
	pkt->dont_fragment = ip->frag_off & bpf_htons(IP_DF);
	addr_set_ipv4(&pkt->saddr, ip->saddr);
	addr_set_ipv4(&pkt->daddr, ip->daddr);
	pkt->sport = bpf_ntohs(udp->source);
	pkt->dport = bpf_ntohs(udp->dest);
	pkt->l4_check = udp->check;
	udp_len = bpf_ntohs(udp->len);
	pkt->payload_len = udp_len - sizeof(*udp);
	if (l3_off) {
		mac_copy(pkt->eth_dst, eth->h_dest);
		mac_copy(pkt->eth_src, eth->h_source);
	}
	read_dns_header(dns, &pkt->dns);
	return l3_off + pkt->ip_len <= b->len && udp_len >= sizeof(*udp) + DNS_HEADER_LEN &&
	       udp_len + IPV4_HEADER_LEN <= pkt->ip_len && pkt->ttl > 1 && udp->source &&
	       !is_bad_ipv4_source(ip->saddr, ip->daddr);
}

static __always_inline bool fits_with_header(const struct packet *pkt,
					     const struct edge53_service *svc)
{
	__u32 flag = pkt->l4proto == IPPROTO_TCP ? EDGE53_SERVICE_PROXY_TCP
						 : EDGE53_SERVICE_PROXY_UDP;
	__u32 len = svc->flags & flag ? proxy_len(pkt->is_ipv6) : 0;

	return pkt->ip_len + len <= svc->query_mtu &&
	       (!svc->max_udp_payload || pkt->payload_len + len <= svc->max_udp_payload);
}

/* The loader may have written another service in between, and its backends. */
static __always_inline enum edge53_reason is_still_plain(const struct rewrite *rw)
{
	return rw->is_ipv6 ? EDGE53_NO_BACKEND : GO_ON;
}

/* What a service may ask for that plain queries do not take part in. */
static __always_inline bool is_plain_service(const struct packet *pkt,
					     const struct edge53_service *svc)
{
	return !(svc->flags & (EDGE53_SERVICE_IPV6_BACKENDS | EDGE53_SERVICE_KEEP_SOURCE |
			       EDGE53_SERVICE_UDP_DOWN)) &&
	       fits_with_header(pkt, svc);
}

#endif
