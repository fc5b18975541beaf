/* SPDX-License-Identifier: GPL-2.0-only */
/* What both hooks need to carry a rewrite out: differences of checksums, and where they go. */
#ifndef EDGE53_REWRITE_H
#define EDGE53_REWRITE_H

#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "checksum.h"
#include "packet.h"

/* The verifier cannot follow an offset through the stack; the mask gives it a bound. */
#define L4_OFF_MASK 0x7f

/* The part of the change that the pseudo header sees. */
static __always_inline __u64 diff_addresses(const struct packet *pkt, const struct rewrite *rw)
{
	__u64 diff = csum_sub32(0, addr_ipv4(&pkt->saddr));

	diff = csum_sub32(diff, addr_ipv4(&pkt->daddr));
	diff = csum_add32(diff, addr_ipv4(&rw->saddr));
	return csum_add32(diff, addr_ipv4(&rw->daddr));
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
	__u64 sum = csum_add32(0, addr_ipv4(&pkt->saddr));

	sum = csum_add32(sum, addr_ipv4(&pkt->daddr));
	sum = csum_add16(sum, bpf_htons(pkt->l4proto));
	sum = csum_add16(sum, bpf_htons(pkt->l3_off + pkt->ip_len - pkt->l4_off));
	return csum_fold(sum) == pkt->l4_check;
}

/* Writes addresses, TTL and the IP checksum. */
static __always_inline void write_ipv4(struct iphdr *ip, const struct rewrite *rw, __u64 diff)
{
	__u16 *ttl_word = (__u16 *)&ip->ttl;

	if (rw->decrement_ttl) {
		diff = csum_sub16(diff, *ttl_word);
		ip->ttl--;
		diff = csum_add16(diff, *ttl_word);
	}
	ip->saddr = addr_ipv4(&rw->saddr);
	ip->daddr = addr_ipv4(&rw->daddr);
	ip->check = csum_replace(ip->check, diff);
}

#endif
