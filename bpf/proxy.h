/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The header of the PROXY protocol, version 2 (HAProxy's specification, section 2.2): who the client is,
 * in front of what it sent. proxy_xdp.h and proxy_skb.h put it there.
 */
#ifndef EDGE53_PROXY_H
#define EDGE53_PROXY_H

#include "packet.h"
#include "rewrite.h"

#define PROXY_IPV4_LEN 28
#define PROXY_IPV6_LEN 52
#define PROXY_MAX_WORDS (PROXY_IPV6_LEN / 4)
#define PROXY_SIGNATURE_LEN 12

/* The signature, as words in network order. */
#define PROXY_SIGNATURE_1 bpf_htonl(0x0d0a0d0a)
#define PROXY_SIGNATURE_2 bpf_htonl(0x000d0a51)
#define PROXY_SIGNATURE_3 bpf_htonl(0x5549540a)

struct proxy_header {
	__be32 words[PROXY_MAX_WORDS];
};

static __always_inline __u32 proxy_len(bool is_ipv6)
{
	return is_ipv6 ? PROXY_IPV6_LEN : PROXY_IPV4_LEN;
}

static __always_inline bool is_proxy_signature(const __be32 *words)
{
	return words[0] == PROXY_SIGNATURE_1 && words[1] == PROXY_SIGNATURE_2 &&
	       words[2] == PROXY_SIGNATURE_3;
}

/* Version 2, command PROXY; family, transport and the length of what follows. */
static __always_inline __be32 proxy_kind(const struct packet *pkt)
{
	__u32 transport = pkt->l4proto == IPPROTO_TCP ? 1 : 2;
	__u32 family = pkt->is_ipv6 ? 2 : 1;

	return bpf_htonl(0x21u << 24 | family << 20 | transport << 16 |
			 (proxy_len(pkt->is_ipv6) - 16));
}

static __always_inline void make_proxy_header(const struct packet *pkt, struct proxy_header *header)
{
	__be32 ports = bpf_htonl((__u32)pkt->sport << 16 | pkt->dport);
	__be32 *words = header->words;

	words[0] = PROXY_SIGNATURE_1;
	words[1] = PROXY_SIGNATURE_2;
	words[2] = PROXY_SIGNATURE_3;
	words[3] = proxy_kind(pkt);
	if (pkt->is_ipv6) {
		__builtin_memcpy(&words[4], &pkt->saddr, sizeof(pkt->saddr));
		__builtin_memcpy(&words[8], &pkt->daddr, sizeof(pkt->daddr));
		words[12] = ports;
	} else {
		words[4] = addr_ipv4(&pkt->saddr);
		words[5] = addr_ipv4(&pkt->daddr);
		words[6] = ports;
	}
}

/* Its words, as a checksum takes them. */
static __always_inline __u64 proxy_sum(const struct packet *pkt)
{
	__u64 sum = addr_sum(&pkt->saddr, pkt->is_ipv6) + addr_sum(&pkt->daddr, pkt->is_ipv6);

	return csum_fold(sum + PROXY_SIGNATURE_1 + PROXY_SIGNATURE_2 + PROXY_SIGNATURE_3 +
			 proxy_kind(pkt) +
			 bpf_htonl((__u32)pkt->sport << 16 | pkt->dport));
}

/* Where the payload begins, and the header will. */
static __always_inline __u32 payload_off_of(const struct packet *pkt)
{
	return pkt->l4_off +
	       (pkt->l4proto == IPPROTO_TCP ? pkt->tcp_header_len : sizeof(struct udphdr));
}

#endif
