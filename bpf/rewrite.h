/* SPDX-License-Identifier: GPL-2.0-only */
/* What both hooks need to carry a rewrite out: differences of checksums, and where they go. */
#ifndef EDGE53_REWRITE_H
#define EDGE53_REWRITE_H

#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "checksum.h"
#include "packet.h"
#include "parse.h"

/* Words of a header block, as many as there are. */
static __always_inline __u64 sum_of_words(const void *block, __u32 n)
{
	const __u32 *words = block;
	__u64 sum = 0;

	for (__u32 i = 0; i < n; i++)
		sum += words[i];
	return csum_fold(sum);
}

/* The part of the change that the pseudo header sees. */
static __always_inline __u64 diff_addresses(const struct packet *pkt, const struct rewrite *rw)
{
	__u64 before = addr_sum(&pkt->saddr, pkt->is_ipv6) + addr_sum(&pkt->daddr, pkt->is_ipv6);
	__u64 after = addr_sum(&rw->saddr, rw->is_ipv6) + addr_sum(&rw->daddr, rw->is_ipv6);

	return csum_sub16(after, csum_fold(before));
}

static __always_inline __u64 diff_ports(const struct packet *pkt, const struct rewrite *rw)
{
	__u64 diff = csum_sub16(0, bpf_htons(pkt->sport));

	diff = csum_sub16(diff, bpf_htons(pkt->dport));
	diff = csum_add16(diff, bpf_htons(rw->sport));
	diff = csum_add16(diff, bpf_htons(rw->dport));
	if (pkt->l4proto == IPPROTO_UDP) {
		diff = csum_sub16(diff, bpf_htons(pkt->dns.id));
		diff = csum_add16(diff, bpf_htons(rw->dns_id));
	}
	return diff;
}

/*
 * Whether the checksum field holds only the sum of the pseudo header, which is what
 * CHECKSUM_PARTIAL looks like to a hook that cannot see skb->ip_summed (docs/architecture.md,
 * "Partial checksums").
 */
static __always_inline bool has_partial_checksum(const struct packet *pkt)
{
	__u64 sum = addr_sum(&pkt->saddr, pkt->is_ipv6) + addr_sum(&pkt->daddr, pkt->is_ipv6);

	sum = csum_add16(sum, bpf_htons(pkt->l4proto));
	sum = csum_add16(sum, bpf_htons(pkt->l3_off + pkt->ip_len - pkt->l4_off));
	return csum_fold(sum) == pkt->l4_check;
}

/* Writes addresses, TTL and the IP checksum. */
static __always_inline void write_ipv4(struct iphdr *ip, const struct rewrite *rw, __u64 diff)
{
	__u16 *ttl_word = (__u16 *)&ip->ttl, word = *ttl_word;

	if (rw->decrement_ttl) { /* not read again: a load of more than was stored just now waits for it */
		diff = csum_sub16(diff, word);
		word -= bpf_htons(0x0100);
		diff = csum_add16(diff, word);
		*ttl_word = word;
	}
	ip->saddr = addr_ipv4(&rw->saddr);
	ip->daddr = addr_ipv4(&rw->daddr);
	ip->check = csum_replace(ip->check, diff);
}

/* Writes addresses and hop limit. */
static __always_inline void write_ipv6(struct ipv6hdr *ip, const struct rewrite *rw)
{
	if (rw->decrement_ttl)
		ip->hop_limit--;
	__builtin_memcpy(&ip->saddr, &rw->saddr, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, &rw->daddr, sizeof(ip->daddr));
}

/* What stands between the IP header and the transport: options, extension headers. */
static __always_inline __u32 extra_headers_len(const struct packet *pkt)
{
	return pkt->l4_off - pkt->l3_off - (pkt->is_ipv6 ? IPV6_HEADER_LEN : IPV4_HEADER_LEN);
}

/* Where the DNS message is in a UDP datagram that has its PROXY header, if it gets one. */
static __always_inline __u32 dns_off_of(const struct rewrite *rw)
{
	return sizeof(struct udphdr) + (rw->puts_header ? rw->shift.len & 63 : 0);
}

/* By how much the IP packet grows when it is rewritten. */
static __always_inline int growth_of(const struct packet *pkt, const struct rewrite *rw)
{
	int len = rw->is_ipv6 ? IPV6_HEADER_LEN : IPV4_HEADER_LEN;

	if (rw->is_ipv6 == pkt->is_ipv6)
		return 0;
	if (rw->is_ipv6 && is_fragment(pkt))
		len += FRAGMENT_HEADER_LEN;
	return len - (int)(pkt->l4_off - pkt->l3_off);
}

#endif
