/* SPDX-License-Identifier: GPL-2.0-only */
/* Carries a rewrite out in XDP: direct writes, own checksums, redirect by device. */
#ifndef EDGE53_REWRITE_XDP_H
#define EDGE53_REWRITE_XDP_H

#include "rewrite.h"

static __always_inline void write_ethernet(struct ethhdr *eth, const struct rewrite *rw)
{
	__builtin_memcpy(eth->h_dest, rw->dmac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, rw->smac, ETH_ALEN);
}

static __always_inline enum edge53_reason rewrite_xdp(struct xdp_md *ctx, const struct packet *pkt,
						      const struct rewrite *rw)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + ETH_HLEN;
	void *l4 = data + (pkt->l4_off & L4_OFF_MASK);
	__u64 addresses = diff_addresses(pkt, rw), ports = diff_ports(pkt, rw);

	if ((void *)(ip + 1) > data_end)
		return EDGE53_NOT_WRITABLE;
	if (pkt->l4proto == IPPROTO_TCP) {
		struct tcphdr *tcp = l4;

		if ((void *)(tcp + 1) > data_end)
			return EDGE53_NOT_WRITABLE;
		tcp->source = bpf_htons(rw->sport);
		tcp->dest = bpf_htons(rw->dport);
		tcp->check = csum_replace(tcp->check, addresses + ports);
	} else {
		struct udphdr *udp = l4;
		__be16 *dns_id = (void *)(udp + 1);

		if ((void *)(dns_id + 1) > data_end)
			return EDGE53_NOT_WRITABLE;
		udp->source = bpf_htons(rw->sport);
		udp->dest = bpf_htons(rw->dport);
		*dns_id = bpf_htons(rw->dns_id);
		if (udp->check) /* 0 means none (RFC 768), and a computed 0 is sent as all ones */
			udp->check = csum_replace(udp->check, addresses + ports) ?: 0xffff;
	}
	write_ipv4(ip, rw, addresses);
	write_ethernet(data, rw);
	return GO_ON;
}

static __always_inline enum edge53_reason send_xdp(const struct rewrite *rw, int *verdict)
{
	*verdict = bpf_redirect(rw->ifindex, 0);
	return *verdict == XDP_REDIRECT ? GO_ON : EDGE53_REDIRECT_REFUSED;
}

#endif
