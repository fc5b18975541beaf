/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ICMP errors about packets we sent. An error goes the way of a reply to the packet it quotes, so it is
 * looked up and translated as that: struct packet describes the reply it stands for, and the quoted
 * packet is the same, turned round.
 *
 * At tc only. RFC 5508 (NAT and ICMP), RFC 7915 sections 4.2, 4.3, 5.2, 5.3 (between families).
 */
#ifndef EDGE53_ICMP_H
#define EDGE53_ICMP_H

#include "family.h"
#include "rewrite_skb.h"
#include "translate.h"

/* Where an error was seen. */
enum icmp_side {
	ICMP_OF_EDGE,
	ICMP_OF_ENFORCED_CLIENT, /* tc ingress of the client's device */
	ICMP_TO_ENFORCED_CLIENT, /* tc egress */
};

/* ICMPv4 and ICMPv6 headers of errors are alike. */
struct icmp_header {
	__u8 type;
	__u8 code;
	__u16 check;
	__be16 unused;
	__be16 mtu; /* the lower half of ICMPv6's */
};

/* Where things are in the frame. */
struct icmp_quote {
	__u32 icmp_off;
	__u32 ip_off; /* of the quoted packet */
	__u32 l4_off;
	__u32 end;
	struct icmp_header icmp; /* between families: as it will be */
	__u16 check;		 /* as it was */
	__u16 sum;		 /* see note_sum() */
};

/* The quoted IP header; the packet's addresses become those of the reply. */
static __always_inline bool parse_quoted_ip(struct __sk_buff *skb, struct packet *pkt,
					    struct icmp_quote *quote)
{
	struct ipv6_walk walk = { .len = sizeof(struct ipv6hdr) };
	struct iphdr ip;

	if (!pkt->is_ipv6) {
		if (bpf_skb_load_bytes(skb, quote->ip_off, &ip, sizeof(ip)) || ip.version != 4 ||
		    ip.ihl < 5 || ip.frag_off & bpf_htons(IP_OFFSET) ||
		    ip.saddr != addr_ipv4(&pkt->daddr))
			return false;
		addr_set_ipv4(&pkt->saddr, ip.daddr);
		pkt->l4proto = ip.protocol;
		quote->l4_off = quote->ip_off + ip.ihl * 4;
		return true;
	}
	if (bpf_skb_load_bytes(skb, quote->ip_off + offsetof(struct ipv6hdr, saddr), &pkt->saddr,
			       sizeof(pkt->saddr)) ||
	    !addr_equal(&pkt->saddr, &pkt->daddr) ||
	    bpf_skb_load_bytes(skb, quote->ip_off + offsetof(struct ipv6hdr, daddr), &pkt->saddr,
			       sizeof(pkt->saddr)) ||
	    addr_is_ipv4(&pkt->saddr) ||
	    bpf_skb_load_bytes(skb, quote->ip_off + offsetof(struct ipv6hdr, nexthdr), &walk.next,
			       sizeof(walk.next)))
		return false;
	if (is_extension(walk.next)) {
		if (!ipv6_walk(skb, quote->ip_off, &walk) || walk.fragment_field & IP_OFFSET)
			return false;
	}
	pkt->l4proto = walk.next;
	quote->l4_off = quote->ip_off + walk.len;
	return true;
}

/* Whether what is quoted as ID is the beginning of a PROXY header; the query's ID is behind that. */
static __always_inline bool may_be_header(struct __sk_buff *skb, const struct icmp_quote *quote)
{
	__be16 flags;
	__u32 off = quote->l4_off + sizeof(struct udphdr) + sizeof(__be16);

	return off + sizeof(flags) > quote->end ||
	       bpf_skb_load_bytes(skb, off, &flags, sizeof(flags)) ||
	       flags == bpf_htons(DNS_ID_OF_PROXY_HEADER);
}

/* Ports, and of UDP the DNS ID: without it, the slot is not known. */
static __always_inline bool parse_quoted_l4(struct __sk_buff *skb, struct packet *pkt,
					    const struct icmp_quote *quote)
{
	__be16 words[5] = {};

	if (pkt->l4proto == IPPROTO_UDP) {
		if (quote->l4_off + sizeof(words) > quote->end ||
		    bpf_skb_load_bytes(skb, quote->l4_off, words, sizeof(words)))
			return false;
		pkt->l4_check = words[3];
		if (words[4] == bpf_htons(DNS_ID_OF_PROXY_HEADER) && may_be_header(skb, quote))
			return false;
		pkt->dns.id = bpf_ntohs(words[4]);
		pkt->dns.flags = DNS_FLAG_QR;
		pkt->payload_len = DNS_HEADER_LEN;
	} else if (pkt->l4proto != IPPROTO_TCP || quote->l4_off + 8 > quote->end ||
		   bpf_skb_load_bytes(skb, quote->l4_off, words, 4)) {
		return false;
	}
	pkt->dport = bpf_ntohs(words[0]);
	pkt->sport = bpf_ntohs(words[1]);
	return true;
}

/* The outer packet was parsed: makes it the reply that the error stands for. */
static __always_inline bool parse_quote(struct __sk_buff *skb, struct packet *pkt,
					struct icmp_quote *quote)
{
	quote->icmp_off = pkt->l4_off & L4_OFF_MASK;
	quote->ip_off = quote->icmp_off + sizeof(struct icmp_header);
	quote->end = pkt->l3_off + pkt->ip_len;
	pkt->segment_len = 0; /* as long as it is: nobody is told that an error is too big */
	return quote->end <= skb->len && parse_quoted_ip(skb, pkt, quote) &&
	       parse_quoted_l4(skb, pkt, quote);
}

/* --- whom it is for -------------------------------------------------------------------------- */

/* About a query we sent: for the client. */
static __always_inline enum edge53_reason find_client_of_error(struct packet *pkt, bool is_edge,
							       struct rewrite *rw)
{
	struct reply_flow reply = {};
	__u64 now_ns = clock_ns();
	enum edge53_reason why = find_flow(pkt, now_ns, &reply)
			      ?: (is_edge ? check_origin(pkt, &reply) :
					    check_client_device(pkt, &reply.flow))
			      ?: translate_reply(&reply.flow, rw);

	/* Whatever is wrong about it: not known means not ours. */
	if (why)
		return EDGE53_NOT_OURS;
	if (is_edge && reply.conn)
		load_shift(reply.conn, &reply.flow, &rw->shift);
	return is_edge ? route_reply(pkt, &reply.flow, rw) : GO_ON;
}

/* About a TCP reply we restored: for the backend. */
static __always_inline enum edge53_reason find_backend_of_error(struct packet *pkt,
								struct rewrite *rw)
{
	struct query_flow query;
	struct edge53_tuple tuple;
	struct edge53_conn *conn;

	if (pkt->l4proto != IPPROTO_TCP)
		return EDGE53_NOT_OURS;
	make_tuple_of_client(pkt, &tuple);
	conn = tcp_find_by_client(pkt, &tuple, &query.flow);
	if (!conn)
		return EDGE53_NOT_OURS;
	query.snat_port = conn->snat_port;
	query.dns_id = 0;
	query.max_udp_payload = 0;
	rw->shift.len = 0;
	return translate_query(pkt, &query, rw);
}

/* --- same family: patches -------------------------------------------------------------------- */

/* Each patch writes and returns by how much the sum of the bytes changed. */
static __always_inline __u64 patch16(struct __sk_buff *skb, __u32 off, __be16 value)
{
	__be16 before = 0;

	bpf_skb_load_bytes(skb, off, &before, sizeof(before));
	bpf_skb_store_bytes(skb, off, &value, sizeof(value), BPF_F_RECOMPUTE_CSUM);
	return csum_sub16(value, before);
}

static __always_inline __u64 patch_addr(struct __sk_buff *skb, __u32 off, bool is_ipv6,
					const struct edge53_addr *addr)
{
	struct edge53_addr before = {};

	if (is_ipv6) {
		bpf_skb_load_bytes(skb, off, &before, 16);
		bpf_skb_store_bytes(skb, off, addr, 16, BPF_F_RECOMPUTE_CSUM);
	} else {
		bpf_skb_load_bytes(skb, off, &before.bytes[12], 4);
		bpf_skb_store_bytes(skb, off, &addr->bytes[12], 4, BPF_F_RECOMPUTE_CSUM);
	}
	return csum_sub16(addr_sum(addr, is_ipv6), csum_fold(addr_sum(&before, is_ipv6)));
}

/* A checksum over what changed by diff. */
static __always_inline __u64 patch_check(struct __sk_buff *skb, __u32 off, __u64 diff, bool is_udp)
{
	__u16 before = 0, after;

	bpf_skb_load_bytes(skb, off, &before, sizeof(before));
	if (is_udp && !before)
		return 0;
	after = csum_replace(before, diff);
	if (is_udp && !after)
		after = 0xffff;
	bpf_skb_store_bytes(skb, off, &after, sizeof(after), BPF_F_RECOMPUTE_CSUM);
	return csum_sub16(after, before);
}

/* Source, destination and the checksum of an IP header. Returns the change of all the header. */
static __always_inline __u64 patch_ip(struct __sk_buff *skb, __u32 off, bool is_ipv6,
				      const struct edge53_addr *saddr,
				      const struct edge53_addr *daddr, __u64 *addresses)
{
	*addresses = patch_addr(skb,
				off + (is_ipv6 ? offsetof(struct ipv6hdr, saddr)
					       : offsetof(struct iphdr, saddr)),
				is_ipv6, saddr) +
		     patch_addr(skb,
				off + (is_ipv6 ? offsetof(struct ipv6hdr, daddr)
					       : offsetof(struct iphdr, daddr)),
				is_ipv6, daddr);
	if (is_ipv6)
		return *addresses;
	return *addresses +
	       patch_check(skb, off + offsetof(struct iphdr, check), *addresses, false);
}

/* Ports, ID and, as far as it is quoted, the checksum. addresses: change of its pseudo header. */
static __always_inline __u64 patch_quoted_l4(struct __sk_buff *skb, const struct packet *pkt,
					     const struct icmp_quote *quote,
					     const struct rewrite *rw, __u64 addresses)
{
	__u32 l4 = quote->l4_off;
	__u64 diff =
		patch16(skb, l4, bpf_htons(rw->dport)) + patch16(skb, l4 + 2, bpf_htons(rw->sport));

	if (pkt->l4proto == IPPROTO_UDP) {
		diff += patch16(skb, l4 + sizeof(struct udphdr), bpf_htons(rw->dns_id));
		return diff + patch_check(skb, l4 + offsetof(struct udphdr, check),
					  diff + addresses, true);
	}
	if (l4 + offsetof(struct tcphdr, check) + 2 > quote->end)
		return diff;
	return diff +
	       patch_check(skb, l4 + offsetof(struct tcphdr, check), diff + addresses, false);
}

static __always_inline void patch_ttl(struct __sk_buff *skb, const struct packet *pkt)
{
	__u32 off = pkt->l3_off + (pkt->is_ipv6 ? offsetof(struct ipv6hdr, nexthdr)
						: offsetof(struct iphdr, ttl));
	/* The hop limit is the lower byte of its word, the TTL the upper one of its own. */
	__u16 step = pkt->is_ipv6 ? 1 : 0x100;
	__be16 word = 0;
	__u64 diff;

	bpf_skb_load_bytes(skb, off, &word, sizeof(word));
	diff = patch16(skb, off, bpf_htons(bpf_ntohs(word) - step));
	if (!pkt->is_ipv6)
		patch_check(skb, pkt->l3_off + offsetof(struct iphdr, check), diff, false);
}

__weak __noinline int patch_error(struct __sk_buff *skb, const struct packet *pkt,
				  const struct icmp_quote *quote, const struct rewrite *rw)
{
	__u64 outer, quoted, diff;
	bool is_ipv6;

	if (!pkt || !quote || !rw)
		return 0;
	is_ipv6 = pkt->is_ipv6;
	patch_ip(skb, pkt->l3_off, is_ipv6, &rw->saddr, &rw->daddr, &outer);
	diff = patch_ip(skb, quote->ip_off, is_ipv6, &rw->daddr, &rw->saddr, &quoted);
	diff = csum_fold(diff) + patch_quoted_l4(skb, pkt, quote, rw, csum_fold(quoted));
	if (is_ipv6) /* ICMPv6 has a pseudo header */
		diff += csum_fold(outer);
	patch_check(skb, quote->icmp_off + offsetof(struct icmp_header, check), diff, false);
	if (rw->decrement_ttl)
		patch_ttl(skb, pkt);
	return 1;
}

/* --- about a segment of a connection that begins with a PROXY header ------------------------------ */

#define IPV6_MIN_MTU 1280
#define IPV4_MIN_MTU 68

/* The MTU that is told leaves room for the header, as the client does not know of it. */
static __always_inline __u64 lower_mtu(struct __sk_buff *skb, const struct packet *pkt, __u32 off,
				       __u8 len)
{
	__u32 least = pkt->is_ipv6 ? IPV6_MIN_MTU : IPV4_MIN_MTU, mtu;
	struct icmp_header icmp;

	if (bpf_skb_load_bytes(skb, off, &icmp, sizeof(icmp)))
		return 0;
	if (pkt->is_ipv6 ? icmp.type != ICMPV6_PKT_TOOBIG || icmp.unused
			 : icmp.type != ICMP_DEST_UNREACH || icmp.code != ICMP_FRAG_NEEDED)
		return 0;
	mtu = bpf_ntohs(icmp.mtu);
	if (mtu <= least)
		return 0;
	return patch16(skb, off + offsetof(struct icmp_header, mtu),
		       bpf_htons(mtu > least + len ? mtu - len : least));
}

/* The quoted sequence number, as the client knows it. */
static __always_inline __u64 patch_quoted_seq(struct __sk_buff *skb,
					      const struct icmp_quote *quote,
					      const struct shift *shift)
{
	__u32 off = quote->l4_off + offsetof(struct tcphdr, seq);
	__u32 check_off = quote->l4_off + offsetof(struct tcphdr, check);
	__be32 before = 0, after;
	__u64 diff;

	bpf_skb_load_bytes(skb, off, &before, sizeof(before));
	after = bpf_htonl(shift_ack(shift, bpf_ntohl(before)));
	bpf_skb_store_bytes(skb, off, &after, sizeof(after), BPF_F_RECOMPUTE_CSUM);
	diff = csum_sub32(after, before);
	if (check_off + sizeof(__u16) <= quote->end)
		diff += patch_check(skb, check_off, diff, false);
	return diff;
}

__weak __noinline int unshift_quote(struct __sk_buff *skb, const struct packet *pkt,
				    const struct icmp_quote *quote, const struct rewrite *rw)
{
	__u64 diff;

	if (!pkt || !quote || !rw)
		return 0;
	diff = patch_quoted_seq(skb, quote, &rw->shift);
	diff = csum_fold(diff) + lower_mtu(skb, pkt, quote->icmp_off, rw->shift.len);
	patch_check(skb, quote->icmp_off + offsetof(struct icmp_header, check), diff, false);
	return 1;
}

/* --- between families ------------------------------------------------------------------------ */

/* RFC 7915 section 4.2. False: there is no such error in IPv6. */
static __always_inline bool error_to_ipv6(struct icmp_header *icmp)
{
	__u32 mtu = bpf_ntohs(icmp->mtu) + FAMILY_DIFFERENCE;
	__u8 type = icmp->type, code = icmp->code;

	icmp->unused = 0;
	icmp->mtu = 0;
	if (type == ICMP_TIME_EXCEEDED) {
		icmp->type = ICMPV6_TIME_EXCEED;
		return true;
	}
	if (type != ICMP_DEST_UNREACH)
		return false;
	icmp->type = ICMPV6_DEST_UNREACH;
	switch (code) {
	case ICMP_PROT_UNREACH:
		icmp->type = ICMPV6_PARAMPROB;
		icmp->code = ICMPV6_UNK_NEXTHDR;
		icmp->mtu = bpf_htons(offsetof(struct ipv6hdr, nexthdr));
		return true;
	case ICMP_PORT_UNREACH:
		icmp->code = ICMPV6_PORT_UNREACH;
		return true;
	case ICMP_FRAG_NEEDED:
		icmp->type = ICMPV6_PKT_TOOBIG;
		icmp->code = 0;
		icmp->mtu = bpf_htons(mtu < IPV6_MIN_MTU ? IPV6_MIN_MTU : mtu);
		return true;
	case ICMP_NET_ANO:
	case ICMP_HOST_ANO:
	case ICMP_PKT_FILTERED:
	case ICMP_PREC_CUTOFF:
		icmp->code = ICMPV6_ADM_PROHIBITED;
		return true;
	case ICMP_NET_UNREACH:
	case ICMP_HOST_UNREACH:
	case ICMP_SR_FAILED:
	case ICMP_NET_UNKNOWN:
	case ICMP_HOST_UNKNOWN:
	case ICMP_HOST_ISOLATED:
	case ICMP_NET_UNR_TOS:
	case ICMP_HOST_UNR_TOS:
		icmp->code = ICMPV6_NOROUTE;
		return true;
	default:
		return false;
	}
}

/* RFC 7915 section 5.2. */
static __always_inline bool error_to_ipv4(struct icmp_header *icmp)
{
	/* More than 16 bits of MTU are as good as 65,535. */
	__u32 mtu = icmp->unused ? 0xffff : bpf_ntohs(icmp->mtu);
	__u8 type = icmp->type, code = icmp->code;

	icmp->unused = 0;
	icmp->mtu = 0;
	switch (type) {
	case ICMPV6_TIME_EXCEED:
		icmp->type = ICMP_TIME_EXCEEDED;
		return true;
	case ICMPV6_PKT_TOOBIG:
		mtu = mtu > IPV4_MIN_MTU + FAMILY_DIFFERENCE ? mtu - FAMILY_DIFFERENCE
							     : IPV4_MIN_MTU;
		icmp->type = ICMP_DEST_UNREACH;
		icmp->code = ICMP_FRAG_NEEDED;
		icmp->mtu = bpf_htons(mtu);
		return true;
	case ICMPV6_PARAMPROB:
		icmp->type = ICMP_DEST_UNREACH;
		icmp->code = ICMP_PROT_UNREACH;
		return code == ICMPV6_UNK_NEXTHDR;
	case ICMPV6_DEST_UNREACH:
		icmp->type = ICMP_DEST_UNREACH;
		icmp->code = code == ICMPV6_ADM_PROHIBITED ? ICMP_HOST_ANO
			     : code == ICMPV6_PORT_UNREACH ? ICMP_PORT_UNREACH
							   : ICMP_HOST_UNREACH;
		return code <= ICMPV6_PORT_UNREACH;
	default:
		return false;
	}
}

/* Everything before the quoted transport header, as it will be. No part is padded. */
struct ipv4_error {
	struct iphdr ip;
	struct icmp_header icmp;
	struct iphdr quoted;
};

struct ipv6_error {
	struct ipv6hdr ip;
	struct icmp_header icmp;
	struct ipv6hdr quoted;
};

/* The headers as packets, for make_ipv4() and make_ipv6(): how long they are, and no fragments. */
static __always_inline void describe_error(struct packet *pkt, const struct icmp_quote *quote,
					   __u32 quoted_len, __u8 l4proto)
{
	pkt->fragment_field = 0;
	pkt->is_first_fragment = false;
	pkt->has_fragment_id = false;
	pkt->l4proto = l4proto;
	pkt->ip_len = pkt->l4_off - pkt->l3_off + quoted_len + quote->end - quote->l4_off;
}

/* Sets the size of all headers together; l4_off of the quote afterwards is known from there. */
static __always_inline bool resize_headers(struct __sk_buff *skb, const struct icmp_quote *quote,
					   __u32 l3_off, __be16 protocol, int len)
{
	int change = len - (int)(quote->l4_off - l3_off);

	if (bpf_skb_change_proto(skb, protocol, 0))
		return false;
	change -= protocol == bpf_htons(ETH_P_IPV6) ? FAMILY_DIFFERENCE : -FAMILY_DIFFERENCE;
	return (!change || !bpf_skb_adjust_room(skb, change, BPF_ADJ_ROOM_NET,
						BPF_F_ADJ_ROOM_NO_CSUM_RESET)) &&
	       (!l3_off || !bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_proto), &protocol,
						sizeof(protocol), 0));
}

/* What the quoted header said about the length of its payload, and its hops and class. */
struct quoted_ip {
	__u16 payload_len;
	__u8 ttl;
	__u8 tos;
};

static __always_inline bool load_quoted_ip(struct __sk_buff *skb, const struct packet *pkt,
					   const struct icmp_quote *quote, struct quoted_ip *ip)
{
	__u32 header_len = quote->l4_off - quote->ip_off;
	__u8 head[10];
	__u32 len;

	if (bpf_skb_load_bytes(skb, quote->ip_off, head, sizeof(head)))
		return false;
	if (pkt->is_ipv6) {
		len = (head[4] << 8 | head[5]) + IPV6_HEADER_LEN;
		ip->ttl = head[7];
		ip->tos = head[0] << 4 | head[1] >> 4;
	} else {
		len = head[2] << 8 | head[3];
		ip->ttl = head[8];
		ip->tos = head[1];
	}
	ip->payload_len = len > header_len ? len - header_len : 0;
	return true;
}

static __always_inline void make_quoted_ipv4(const struct quoted_ip *from, const struct packet *pkt,
					     const struct rewrite *rw, struct iphdr *ip)
{
	__builtin_memset(ip, 0, sizeof(*ip));
	ip->version = 4;
	ip->ihl = 5;
	ip->tos = from->tos;
	ip->tot_len = bpf_htons(from->payload_len + sizeof(*ip));
	ip->frag_off = bpf_htons(IP_DF);
	ip->ttl = from->ttl;
	ip->protocol = pkt->l4proto;
	ip->saddr = addr_ipv4(&rw->daddr);
	ip->daddr = addr_ipv4(&rw->saddr);
	ip->check = ~sum_of_words(ip, sizeof(*ip) / 4);
}

static __always_inline void make_quoted_ipv6(const struct quoted_ip *from, const struct packet *pkt,
					     const struct rewrite *rw, struct ipv6hdr *ip)
{
	*(__be32 *)ip = bpf_htonl(6u << 28 | (__u32)from->tos << 20);
	ip->payload_len = bpf_htons(from->payload_len);
	ip->nexthdr = pkt->l4proto;
	ip->hop_limit = from->ttl;
	__builtin_memcpy(&ip->saddr, &rw->daddr, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, &rw->saddr, sizeof(ip->daddr));
}

/*
 * Notes what the ICMP checksum covers besides the quoted transport: the ICMP header without the
 * checksum, the quoted IP header and, in ICMPv6, the pseudo header.
 */
static __always_inline bool note_sum(struct __sk_buff *skb, const struct packet *pkt,
				     struct icmp_quote *quote)
{
	int headers = sum_of_bytes(skb, quote->icmp_off, quote->l4_off - quote->icmp_off);
	struct edge53_addr outer[2];
	__u64 sum;

	if (headers < 0)
		return false;
	sum = csum_sub16(headers, quote->check);
	if (pkt->is_ipv6) {
		if (bpf_skb_load_bytes(skb, pkt->l3_off + offsetof(struct ipv6hdr, saddr), outer,
				       sizeof(outer)))
			return false;
		sum += addr_sum(&outer[0], true) + addr_sum(&outer[1], true) +
		       bpf_htons(IPPROTO_ICMPV6) + bpf_htons(quote->end - quote->icmp_off);
	}
	quote->sum = csum_fold(sum);
	return true;
}

__weak __noinline int error_from_ipv6(struct __sk_buff *skb, struct packet *pkt,
				      const struct icmp_quote *quote, const struct rewrite *rw)
{
	struct ipv4_error error = {};
	struct quoted_ip from;
	__u64 after;

	if (!pkt || !quote || !rw)
		return 0;
	error.icmp = quote->icmp;
	if (!load_quoted_ip(skb, pkt, quote, &from))
		return 0;
	make_quoted_ipv4(&from, pkt, rw, &error.quoted);
	describe_error(pkt, quote, sizeof(error.icmp) + sizeof(error.quoted), IPPROTO_ICMP);
	make_ipv4(pkt, rw, &error.ip);
	error.icmp.check = 0;
	after = sum_of_words(&error.icmp, (sizeof(error.icmp) + sizeof(error.quoted)) / 4);
	error.icmp.check = csum_replace(quote->check, csum_sub16(after, quote->sum));
	return resize_headers(skb, quote, pkt->l3_off, bpf_htons(ETH_P_IP), sizeof(error)) &&
	       !bpf_skb_store_bytes(skb, pkt->l3_off, &error, sizeof(error), BPF_F_RECOMPUTE_CSUM);
}

__weak __noinline int error_from_ipv4(struct __sk_buff *skb, struct packet *pkt,
				      const struct icmp_quote *quote, const struct rewrite *rw)
{
	struct ipv6_error error = {};
	struct quoted_ip from;
	__u64 after;

	if (!pkt || !quote || !rw)
		return 0;
	error.icmp = quote->icmp;
	if (!load_quoted_ip(skb, pkt, quote, &from))
		return 0;
	make_quoted_ipv6(&from, pkt, rw, &error.quoted);
	describe_error(pkt, quote, sizeof(error.icmp) + sizeof(error.quoted), IPPROTO_ICMPV6);
	make_ipv6(pkt, rw, &error.ip);
	error.icmp.check = 0;
	after = sum_of_words(&error.icmp, (sizeof(error.icmp) + sizeof(error.quoted)) / 4) +
		addr_sum(&rw->saddr, true) + addr_sum(&rw->daddr, true) +
		bpf_htons(IPPROTO_ICMPV6) + error.ip.payload_len;
	error.icmp.check = csum_replace(quote->check, csum_sub16(after, quote->sum));
	return resize_headers(skb, quote, pkt->l3_off, bpf_htons(ETH_P_IPV6), sizeof(error)) &&
	       !bpf_skb_store_bytes(skb, pkt->l3_off, &error, sizeof(error), BPF_F_RECOMPUTE_CSUM);
}

/*
 * Between families: the quoted transport is translated first, where it is; *quote notes what the
 * headers summed up to. 0 when the kernel refused.
 */
__weak __noinline int prepare_error(struct __sk_buff *skb, const struct packet *pkt,
				    struct icmp_quote *quote, const struct rewrite *rw)
{
	__u64 diff;

	if (!pkt || !quote || !rw)
		return 0;
	if (!note_sum(skb, pkt, quote))
		return 0;
	diff = patch_quoted_l4(skb, pkt, quote, rw, csum_fold(diff_addresses(pkt, rw)));
	quote->check = csum_replace(quote->check, diff);
	return 1;
}

/* Whether the other family has such an error; then the quote's header becomes it. */
static __noinline int translate_type(struct __sk_buff *skb, const struct packet *pkt,
					   struct icmp_quote *quote)
{
	if (bpf_skb_load_bytes(skb, quote->icmp_off, &quote->icmp, sizeof(quote->icmp)))
		return false;
	quote->check = quote->icmp.check;
	return pkt->is_ipv6 ? error_to_ipv4(&quote->icmp) : error_to_ipv6(&quote->icmp);
}

static __always_inline bool changes_family_of(const struct packet *pkt, const struct rewrite *rw)
{
	return rw->is_ipv6 != pkt->is_ipv6;
}

/* Rewrites the error for whom rw says it is for. What the other family has no error for is left as it is. */
static __always_inline enum edge53_reason rewrite_error(struct __sk_buff *skb, struct packet *pkt,
							struct icmp_quote *quote,
							const struct rewrite *rw)
{
	int written;

	if (changes_family_of(pkt, rw) && !translate_type(skb, pkt, quote))
		return EDGE53_NOT_OURS;
	if (!drop_priority_tag(skb))
		return EDGE53_NOT_WRITABLE;
	if (rw->shift.len) {
		unshift_quote(skb, pkt, quote, rw);
		if (changes_family_of(pkt, rw)) /* which read the MTU */
			translate_type(skb, pkt, quote);
	}
	if (!changes_family_of(pkt, rw))
		written = patch_error(skb, pkt, quote, rw);
	else if (!prepare_error(skb, pkt, quote, rw))
		written = 0;
	else
		written = pkt->is_ipv6 ? error_from_ipv6(skb, pkt, quote, rw)
				       : error_from_ipv4(skb, pkt, quote, rw);
	bpf_set_hash_invalid(skb);
	return written ? GO_ON : EDGE53_NOT_WRITABLE;
}

#endif
