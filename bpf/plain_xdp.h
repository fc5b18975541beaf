/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The plain packet in XDP: UDP over IPv4 without options, whole, in one buffer, which is what nearly every
 * query and reply is. It takes the same steps as any other (edge_xdp.h). But here the compiler knows what the packet is,
 * folds the questions about it, and keeps all of struct packet and struct rewrite in registers: as long as no
 * pointer to them leaves this function. So every step is inlined, and what needs one that is not goes the way of
 * all packets, before anything was counted or taken.
 */
#ifndef EDGE53_PLAIN_XDP_H
#define EDGE53_PLAIN_XDP_H

#include "parse.h"
#include "proxy_xdp.h"
#include "rewrite_xdp.h"
#include "service.h"
#include "translate.h"
#include "verdict.h"

#define NOT_PLAIN -1

#define IPV4_NO_OPTIONS 0x45 /* version and length of the header */

/* *pkt as parse_packet() would fill it. False: let that one look. */
static __always_inline bool parse_plain(struct xdp_md *ctx, struct packet *pkt)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = data + ETH_HLEN;
	struct udphdr *udp = data + ETH_HLEN + IPV4_HEADER_LEN;
	__be16 *dns = (void *)(udp + 1), *ethertype = data + ETH_HLEN - 2;
	__u32 udp_len;

	if ((void *)dns + DNS_HEADER_LEN > data_end || *ethertype != bpf_htons(ETH_P_IP) ||
	    *(__u8 *)ip != IPV4_NO_OPTIONS || ip->protocol != IPPROTO_UDP ||
	    ip->frag_off & bpf_htons(IP_OFFSET | IP_MF))
		return false;
	pkt->ifindex = ctx->ingress_ifindex;
	pkt->l3_off = ETH_HLEN;
	pkt->l4_off = ETH_HLEN + IPV4_HEADER_LEN;
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
	mac_copy(pkt->eth_dst, eth->h_dest);
	mac_copy(pkt->eth_src, eth->h_source);
	read_dns_header(dns, &pkt->dns);
	return (void *)ip + pkt->ip_len <= data_end && udp_len >= sizeof(*udp) + DNS_HEADER_LEN &&
	       udp_len + IPV4_HEADER_LEN <= pkt->ip_len && pkt->ttl > 1 &&
	       !has_partial_checksum(pkt);
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

/* What a service may ask for that plain queries do not take part in. */
static __always_inline bool is_plain_service(const struct packet *pkt,
					     const struct edge53_service *svc)
{
	const __u32 elsewhere = EDGE53_SERVICE_IPV6_BACKENDS | EDGE53_SERVICE_KEEP_SOURCE;

	return (svc->flags & (EDGE53_SERVICE_XDP | elsewhere)) == EDGE53_SERVICE_XDP &&
	       fits_with_header(pkt, svc);
}

static __noinline int plain_query(struct xdp_md *ctx)
{
	const struct edge53_service *svc = NULL;
	struct packet pkt = {};
	struct query_flow query;
	struct rewrite rw;
	__u64 now_ns;
	__u32 guess;
	int verdict = XDP_PASS;
	enum edge53_reason why;

	if (!parse_plain(ctx, &pkt) || check_query(&pkt))
		return NOT_PLAIN;
	guess = guess_client(&pkt.saddr); /* out of the cache: meanwhile the others are found */
	if (find_edge_service(&pkt, &svc) || !is_plain_service(&pkt, svc))
		return NOT_PLAIN;
	now_ns = clock_ns();
	why = admit_guessed_client(&pkt, guess, now_ns)
	   ?: open_plain_flow(&pkt, svc, now_ns, &query, &rw)
	   ?: translate_query(&pkt, &query, &rw)
	   ?: proxy_udp4_xdp(ctx, &pkt, &rw)
	   ?: rewrite_same_family_xdp(ctx, &pkt, &rw)
	   ?: send_xdp(&rw, &verdict)
	   ?: count_query(&pkt, &query, &rw, now_ns);

	return finish_xdp(&pkt, why, verdict);
}

static __noinline int plain_reply(struct xdp_md *ctx)
{
	struct packet pkt = {};
	struct reply_flow reply;
	struct rewrite rw;
	__u64 now_ns;
	int verdict = XDP_PASS;
	enum edge53_reason why;

	if (!parse_plain(ctx, &pkt))
		return NOT_PLAIN;
	now_ns = clock_ns();
	why = ring_find(&pkt, now_ns, &reply.flow, &reply.backend, &reply.match)
	   ?: check_origin(&pkt, &reply)
	   ?: translate_reply(&reply.flow, &rw)
	   ?: route_reply(&pkt, &reply.flow, &rw);
	if (why || rw.is_ipv6 || !rw.xdp_target)
		return NOT_PLAIN;
	why = ring_answer(&reply.match)
	   ?: rewrite_same_family_xdp(ctx, &pkt, &rw)
	   ?: send_xdp(&rw, &verdict)
	   ?: count_udp_reply(&pkt, &reply.flow, reply.match.latency_us, now_ns);

	return finish_xdp(&pkt, why, verdict);
}

/* The verdict, or NOT_PLAIN, and nothing has happened. */
static __always_inline int plain_xdp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct udphdr *udp = data + ETH_HLEN + IPV4_HEADER_LEN;

	if ((void *)(udp + 1) > data_end)
		return NOT_PLAIN;
	if (udp->dest == bpf_htons(EDGE53_DNS_PORT))
		return plain_query(ctx);
	return is_edge_port(bpf_ntohs(udp->dest)) ? plain_reply(ctx) : NOT_PLAIN;
}

#endif
