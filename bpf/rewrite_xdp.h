/* SPDX-License-Identifier: GPL-2.0-only */
/* Carries a rewrite out in XDP: direct writes, own checksums, redirect by device. */
#ifndef EDGE53_REWRITE_XDP_H
#define EDGE53_REWRITE_XDP_H

#include "family.h"
#include "rewrite.h"
#include "trace.h"

static __always_inline void write_ethernet(struct ethhdr *eth, const struct rewrite *rw)
{
	mac_copy(eth->h_dest, rw->dmac);
	mac_copy(eth->h_source, rw->smac);
}

/* A change of family is for XDP when there is no checksum to make. */
static __always_inline enum edge53_reason
is_rewrite_for_xdp(struct xdp_md *ctx, const struct packet *pkt, const struct rewrite *rw)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	void *ip = data + ETH_HLEN;

	if (rw->is_ipv6 == pkt->is_ipv6)
		return GO_ON;
	if ((pkt->l4proto == IPPROTO_UDP && !pkt->l4_check) || ip + sizeof(struct iphdr) > data_end)
		return EDGE53_HANDED_TO_TC;
	/* IPv6 has no checksum that would keep a wrong one of IPv4 wrong. */
	if (!pkt->is_ipv6 && sum_of_words(ip, sizeof(struct iphdr) / 4) != CSUM_OF_SOUND)
		return EDGE53_BAD_CHECKSUM;
	return GO_ON;
}

static __always_inline enum edge53_reason write_ip_xdp(struct xdp_md *ctx, const struct packet *pkt,
						       const struct rewrite *rw, __u64 addresses)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;

	if (pkt->is_ipv6) {
		if ((void *)(eth + 1) + sizeof(struct ipv6hdr) > data_end)
			return EDGE53_NOT_WRITABLE;
		write_ipv6((void *)(eth + 1), rw);
	} else {
		if ((void *)(eth + 1) + sizeof(struct iphdr) > data_end)
			return EDGE53_NOT_WRITABLE;
		write_ipv4((void *)(eth + 1), rw, addresses);
	}
	write_ethernet(eth, rw);
	return GO_ON;
}

static __always_inline enum edge53_reason
change_family_xdp(struct xdp_md *ctx, const struct packet *pkt, const struct rewrite *rw)
{
	int shrink =
		rw->is_ipv6 ? IPV4_HEADER_LEN - IPV6_HEADER_LEN : IPV6_HEADER_LEN - IPV4_HEADER_LEN;
	struct ethhdr *eth;
	void *data_end;

	if (bpf_xdp_adjust_head(ctx, shrink))
		return EDGE53_NO_HEADROOM;
	eth = (void *)(long)ctx->data;
	data_end = (void *)(long)ctx->data_end;
	if (rw->is_ipv6) {
		if ((void *)(eth + 1) + sizeof(struct ipv6hdr) > data_end)
			return EDGE53_NOT_WRITABLE;
		make_ipv6(pkt, rw, (void *)(eth + 1));
		eth->h_proto = bpf_htons(ETH_P_IPV6);
	} else {
		if ((void *)(eth + 1) + sizeof(struct iphdr) > data_end)
			return EDGE53_NOT_WRITABLE;
		make_ipv4(pkt, rw, (void *)(eth + 1));
		eth->h_proto = bpf_htons(ETH_P_IP);
	}
	write_ethernet(eth, rw);
	return GO_ON;
}

static __always_inline enum edge53_reason write_l4_xdp(struct xdp_md *ctx, const struct packet *pkt,
						       const struct rewrite *rw, __u64 addresses)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	void *l4 = data + ((pkt->l4_off + growth_of(pkt, rw)) & L4_OFF_MASK);
	__u64 diff = addresses + diff_ports(pkt, rw);

	if (pkt->l4proto == IPPROTO_TCP) {
		struct tcphdr *tcp = l4;

		if ((void *)(tcp + 1) > data_end)
			return EDGE53_NOT_WRITABLE;
		tcp->source = bpf_htons(rw->sport);
		tcp->dest = bpf_htons(rw->dport);
		tcp->check = csum_replace(tcp->check, diff);
	} else {
		struct udphdr *udp = l4;
		__be16 *dns_id = l4 + dns_off_of(rw);

		if ((void *)(udp + 1) > data_end || (void *)(dns_id + 1) > data_end)
			return EDGE53_NOT_WRITABLE;
		udp->source = bpf_htons(rw->sport);
		udp->dest = bpf_htons(rw->dport);
		*dns_id = bpf_htons(rw->dns_id);
		if (udp->check) /* 0 means none (RFC 768), and a computed 0 is sent as all ones */
			udp->check = csum_replace(udp->check, diff) ?: 0xffff;
	}
	return GO_ON;
}

static __always_inline enum edge53_reason
rewrite_same_family_xdp(struct xdp_md *ctx, const struct packet *pkt, const struct rewrite *rw)
{
	__u64 addresses = diff_addresses(pkt, rw);

	return write_ip_xdp(ctx, pkt, rw, addresses) ?: write_l4_xdp(ctx, pkt, rw, addresses);
}

__weak __noinline int rewrite_xdp(struct xdp_md *ctx, const struct packet *pkt,
				  const struct rewrite *rw)
{
	__u64 addresses;

	if (!pkt || !rw)
		return EDGE53_NOT_WRITABLE;
	addresses = diff_addresses(pkt, rw);
	return (rw->is_ipv6 == pkt->is_ipv6 ? write_ip_xdp(ctx, pkt, rw, addresses)
					    : change_family_xdp(ctx, pkt, rw))
		       ?: write_l4_xdp(ctx, pkt, rw, addresses);
}

static __always_inline enum edge53_reason send_xdp(const struct rewrite *rw, int *verdict)
{
	TRACE_WAY(rw);
	*verdict = bpf_redirect(rw->ifindex, 0);
	return *verdict == XDP_REDIRECT ? GO_ON : EDGE53_REDIRECT_REFUSED;
}

#endif
