/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the edge tells a sender whose packet ends here: a RST, or an ICMP error. At tc ingress only;
 * the answer leaves by the device the packet came in by, to the neighbour it came from, and its
 * source is the address that was asked.
 */
#ifndef EDGE53_ANSWER_H
#define EDGE53_ANSWER_H

#include "family.h"
#include "icmp.h"
#include "rewrite_skb.h"
#include "syn_cookie.h"

enum answer {
	NO_ANSWER,
	ANSWER_REFUSED,	    /* RST, or administratively prohibited */
	ANSWER_TTL_EXPIRED, /* time exceeded */
	ANSWER_TOO_BIG,	    /* fragmentation needed, packet too big */
	ANSWER_TRUNCATED,   /* DNS, TC=1 (truncated.h) */
	ANSWER_SERVFAIL,    /* DNS, RCODE 2 (the same) */
	ANSWER_RESET,	    /* RST */
	ANSWER_COOKIE,	    /* SYN-ACK (syn_cookie.h) */
};

#define ANSWER_TTL 64
#define ANSWERS_PER_SECOND 1000 /* and CPU; RFC 4443 section 2.4 (f) */

/* An ICMP error is not longer than this, with IP header (RFC 1812 4.3.2.3, RFC 4443 2.4 (c)). */
#define IPV4_MAX_ERROR_LEN 576
#define IPV6_MAX_ERROR_LEN 1280

static __always_inline bool is_within_budget(void)
{
	struct edge53_cpu_state *cpu = this_cpu_state();
	__u64 now_ns = clock_ns();

	if (!cpu)
		return false;
	if (now_ns - cpu->refusals_since_ns > 1000000000ull) {
		cpu->refusals_since_ns = now_ns;
		cpu->refusals = 0;
	}
	if (cpu->refusals++ < ANSWERS_PER_SECOND)
		return true;
	cpu->refusals_suppressed++;
	return false;
}

/* One host: neither a group nor nobody (RFC 1122 section 3.2.2, RFC 4443 section 2.4 (e)). */
static __always_inline bool is_unicast(const struct edge53_addr *addr, bool is_ipv6)
{
	if (is_ipv6)
		return addr->bytes[0] != 0xff && !addr_is_zero(addr);
	return addr->bytes[12] && addr->bytes[12] < 224;
}

static __always_inline bool may_be_answered(const struct packet *pkt)
{
	return !pkt->has_bad_length && !pkt->is_icmp_error && !pkt->is_later_fragment &&
	       !(pkt->tcp_flags & TCP_RST) && is_unicast(&pkt->saddr, pkt->is_ipv6) &&
	       is_unicast(&pkt->daddr, pkt->is_ipv6);
}

/* The way back, with the neighbours turned round. */
static __always_inline int send_back(struct __sk_buff *skb, const struct packet *pkt)
{
	struct ethhdr eth;

	if (!drop_priority_tag(skb))
		return TC_ACT_SHOT;
	if (pkt->l3_off) {
		mac_copy(eth.h_dest, pkt->eth_src);
		mac_copy(eth.h_source, pkt->eth_dst);
		eth.h_proto = pkt->is_ipv6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
		if (bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0))
			return TC_ACT_SHOT;
	}
	return bpf_redirect(skb->ifindex, 0);
}

/* The IP header of the answer to pkt, in front of payload_len bytes. */
static __always_inline void answer_ipv4(const struct packet *pkt, __u32 payload_len, __u8 l4proto,
					struct iphdr *ip)
{
	struct packet shape = { .ip_len = payload_len, .l4proto = l4proto, .ttl = ANSWER_TTL };
	struct rewrite rw = { .saddr = pkt->daddr, .daddr = pkt->saddr };

	make_ipv4(&shape, &rw, ip);
}

static __always_inline void answer_ipv6(const struct packet *pkt, __u32 payload_len, __u8 l4proto,
					struct ipv6hdr *ip)
{
	struct packet shape = { .ip_len = payload_len, .l4proto = l4proto, .ttl = ANSWER_TTL };
	struct rewrite rw = { .saddr = pkt->daddr, .daddr = pkt->saddr };

	make_ipv6(&shape, &rw, ip);
}

/*
 * The same, put in front of them. Returns its length, 0 when it cannot be written.
 */
static __always_inline __u32 store_ip(struct __sk_buff *skb, const struct packet *pkt,
				      __u32 payload_len, __u8 l4proto)
{
	struct ipv6hdr ip6;
	struct iphdr ip4;

	if (pkt->is_ipv6) {
		answer_ipv6(pkt, payload_len, l4proto, &ip6);
		return bpf_skb_store_bytes(skb, pkt->l3_off, &ip6, sizeof(ip6), 0) ? 0
										   : sizeof(ip6);
	}
	answer_ipv4(pkt, payload_len, l4proto, &ip4);
	return bpf_skb_store_bytes(skb, pkt->l3_off, &ip4, sizeof(ip4), 0) ? 0 : sizeof(ip4);
}

static __always_inline __u64 pseudo_sum(const struct packet *pkt, __u8 l4proto, __u32 len)
{
	return addr_sum(&pkt->saddr, pkt->is_ipv6) + addr_sum(&pkt->daddr, pkt->is_ipv6) +
	       bpf_htons(l4proto) + bpf_htons(len);
}

/* --- TCP -------------------------------------------------------------------------------------- */

/* RFC 9293 section 3.10.7.1. False when the segment cannot be read. */
static __always_inline bool make_rst(struct __sk_buff *skb, const struct packet *pkt,
				     struct tcphdr *tcp)
{
	__u32 header_len, seg_len;
	__u8 doff;

	if (bpf_skb_load_bytes(skb, pkt->l4_off + 12, &doff, sizeof(doff)))
		return false;
	header_len = (doff >> 4) * 4;
	__builtin_memset(tcp, 0, sizeof(*tcp));
	tcp->source = bpf_htons(pkt->dport);
	tcp->dest = bpf_htons(pkt->sport);
	tcp->doff = sizeof(*tcp) / 4;
	tcp->rst = 1;
	if (pkt->tcp_flags & TCP_ACK) {
		tcp->seq = bpf_htonl(pkt->tcp_ack);
	} else {
		seg_len = l4_len_of(pkt) - header_len + !!(pkt->tcp_flags & TCP_SYN) +
			  !!(pkt->tcp_flags & TCP_FIN);
		tcp->ack = 1;
		tcp->ack_seq = bpf_htonl(pkt->tcp_seq + seg_len);
	}
	return true;
}

/*
 * With a partial checksum (CHECKSUM_PARTIAL) the kernel will complete what is in the field, if the
 * field is where it was.
 */
static __always_inline bool check_tcp_answer(const struct packet *pkt, struct tcphdr *tcp)
{
	__u64 pseudo = pseudo_sum(pkt, IPPROTO_TCP, sizeof(*tcp));

	if (has_partial_checksum(pkt)) {
		tcp->check = csum_fold(pseudo);
		return !extra_headers_len(pkt);
	}
	tcp->check = ~csum_fold(pseudo + sum_of_words(tcp, sizeof(*tcp) / 4));
	return true;
}

__weak __noinline int answer_tcp(struct __sk_buff *skb, const struct packet *pkt, __u32 answer)
{
	__u32 header_len;
	struct tcphdr tcp;

	if (!pkt)
		return TC_ACT_SHOT;
	header_len = pkt->is_ipv6 ? IPV6_HEADER_LEN : IPV4_HEADER_LEN;
	if (!(answer == ANSWER_COOKIE ? make_challenge(pkt, &tcp) : make_rst(skb, pkt, &tcp)) ||
	    !check_tcp_answer(pkt, &tcp) ||
	    bpf_skb_change_tail(skb, pkt->l3_off + header_len + sizeof(tcp), 0) ||
	    !store_ip(skb, pkt, sizeof(tcp), IPPROTO_TCP) ||
	    bpf_skb_store_bytes(skb, pkt->l3_off + header_len, &tcp, sizeof(tcp), 0))
		return TC_ACT_SHOT;
	return send_back(skb, pkt);
}

/* --- ICMP ------------------------------------------------------------------------------------- */

static __always_inline void make_icmp(bool is_ipv6, enum answer answer, __u32 mtu,
				      struct icmp_header *icmp)
{
	__builtin_memset(icmp, 0, sizeof(*icmp));
	switch (answer) {
	case ANSWER_TTL_EXPIRED:
		icmp->type = is_ipv6 ? ICMPV6_TIME_EXCEED : ICMP_TIME_EXCEEDED;
		break;
	case ANSWER_TOO_BIG:
		icmp->type = is_ipv6 ? ICMPV6_PKT_TOOBIG : ICMP_DEST_UNREACH;
		icmp->code = is_ipv6 ? 0 : ICMP_FRAG_NEEDED;
		icmp->mtu = bpf_htons(mtu);
		break;
	default:
		icmp->type = is_ipv6 ? ICMPV6_DEST_UNREACH : ICMP_DEST_UNREACH;
		icmp->code = is_ipv6 ? ICMPV6_ADM_PROHIBITED : ICMP_PKT_FILTERED;
	}
}

/*
 * Sum of the quote as the receiver will see it, or -1. A partial checksum will be completed before:
 * the field becomes the complement of all that there is of the transport, so that together they sum
 * to the complement of what is in the field now.
 */
static __always_inline int sum_of_quote(struct __sk_buff *skb, const struct packet *pkt, __u32 len)
{
	int sum;

	if (!has_partial_checksum(pkt))
		return sum_of_bytes(skb, pkt->l3_off, len);
	sum = sum_of_bytes(skb, pkt->l3_off, pkt->l4_off - pkt->l3_off);
	if (sum < 0)
		return -1;
	return csum_fold(sum + (__u16)~pkt->l4_check);
}

__weak __noinline int answer_icmp(struct __sk_buff *skb, const struct packet *pkt, __u32 answer,
				  __u32 mtu)
{
	__u32 header_len, max_len, len;
	struct icmp_header icmp;
	__u8 l4proto;
	__u64 sum;
	int quoted;

	if (!pkt)
		return TC_ACT_SHOT;
	header_len = pkt->is_ipv6 ? IPV6_HEADER_LEN : IPV4_HEADER_LEN;
	max_len = pkt->is_ipv6 ? IPV6_MAX_ERROR_LEN : IPV4_MAX_ERROR_LEN;
	l4proto = pkt->is_ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	len = pkt->ip_len;
	make_icmp(pkt->is_ipv6, answer, mtu, &icmp);
	if (len > max_len - header_len - sizeof(icmp))
		len = max_len - header_len - sizeof(icmp);
	quoted = sum_of_quote(skb, pkt, len);
	if (quoted < 0)
		return TC_ACT_SHOT;
	sum = sum_of_words(&icmp, sizeof(icmp) / 4) + (__u32)quoted;
	if (pkt->is_ipv6)
		sum += pseudo_sum(pkt, l4proto, len + sizeof(icmp));
	icmp.check = ~csum_fold(sum);
	if (bpf_skb_change_tail(skb, pkt->l3_off + len, 0) ||
	    bpf_skb_adjust_room(skb, header_len + sizeof(icmp), BPF_ADJ_ROOM_MAC, 0) ||
	    !store_ip(skb, pkt, len + sizeof(icmp), l4proto) ||
	    bpf_skb_store_bytes(skb, pkt->l3_off + header_len, &icmp, sizeof(icmp), 0))
		return TC_ACT_SHOT;
	return send_back(skb, pkt);
}

#endif
