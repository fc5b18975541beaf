/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tcp_limit.syn_cookies: a SYN is answered with a SYN-ACK that acknowledges a cookie and not the SYN. Who really sent the
 * SYN refuses that with a RST, whose sequence number is what was acknowledged (RFC 9293 section 3.10.7.3), and sends his
 * SYN again: from then on he is proven. Nothing is kept of who does not answer, and of the connection, which is the
 * client's and the backend's own, not a byte differs (docs/decisions.md, "SYN cookies").
 *
 * The cookie is the kernel's, of addresses, ports and the time, made as if the SYN had the number 0: a RST tells no
 * other number but the cookie.
 */
#ifndef EDGE53_SYN_COOKIE_H
#define EDGE53_SYN_COOKIE_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

#include "packet.h"
#include "proof.h"
#include "rewrite.h"

/* Of what is asked of a cookie the kernel reads addresses, ports and numbers. */
static __always_inline void fill_cookie_ipv4(const struct packet *pkt, struct iphdr *ip)
{
	__builtin_memset(ip, 0, sizeof(*ip));
	ip->saddr = addr_ipv4(&pkt->saddr);
	ip->daddr = addr_ipv4(&pkt->daddr);
}

static __always_inline void fill_cookie_ipv6(const struct packet *pkt, struct ipv6hdr *ip)
{
	__builtin_memset(ip, 0, sizeof(*ip));
	__builtin_memcpy(&ip->saddr, &pkt->saddr, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, &pkt->daddr, sizeof(ip->daddr));
}

static __always_inline void fill_cookie_tcp(const struct packet *pkt, __u32 seq, __u32 ack,
					    struct tcphdr *tcp)
{
	__builtin_memset(tcp, 0, sizeof(*tcp));
	tcp->source = bpf_htons(pkt->sport);
	tcp->dest = bpf_htons(pkt->dport);
	tcp->seq = bpf_htonl(seq);
	tcp->ack_seq = bpf_htonl(ack);
	tcp->doff = sizeof(*tcp) / 4;
}

/* For a SYN: the cookie, or, when the kernel has none, something above 32 bits. A global function, for the stack. */
__weak __noinline __u64 make_cookie(const struct packet *pkt)
{
	struct ipv6hdr ip6;
	struct tcphdr tcp;
	struct iphdr ip4;
	__s64 cookie;

	if (!pkt || !knobs.has_syn_cookies)
		return ~0ull;
	fill_cookie_tcp(pkt, 0, 0, &tcp);
	if (pkt->is_ipv6) {
		fill_cookie_ipv6(pkt, &ip6);
		cookie = bpf_tcp_raw_gen_syncookie_ipv6(&ip6, &tcp, sizeof(tcp));
	} else {
		fill_cookie_ipv4(pkt, &ip4);
		cookie = bpf_tcp_raw_gen_syncookie_ipv4(&ip4, &tcp, sizeof(tcp));
	}
	return cookie < 0 ? ~0ull : (__u32)cookie;
}

/* For a RST: whether its number is a cookie of its sender's. Then he is proven. A global function, for the stack. */
__weak __noinline int take_cookie(const struct packet *pkt)
{
	const __u64 *client;
	struct ipv6hdr ip6;
	struct tcphdr tcp;
	struct iphdr ip4;
	long r;

	if (!pkt || !knobs.has_syn_cookies)
		return 0;
	client = (const __u64 *)pkt->saddr.bytes;
	fill_cookie_tcp(pkt, 1, pkt->tcp_seq + 1, &tcp);
	if (pkt->is_ipv6) {
		fill_cookie_ipv6(pkt, &ip6);
		r = bpf_tcp_raw_check_syncookie_ipv6(&ip6, &tcp);
	} else {
		fill_cookie_ipv4(pkt, &ip4);
		r = bpf_tcp_raw_check_syncookie_ipv4(&ip4, &tcp);
	}
	if (r)
		return 0;
	prove(client[0], client[1]);
	return 1;
}

/* The answer to a SYN. Its number means nothing to anybody. False: there is no cookie. */
static __always_inline bool make_challenge(const struct packet *pkt, struct tcphdr *tcp)
{
	__u64 cookie = make_cookie(pkt);

	__builtin_memset(tcp, 0, sizeof(*tcp));
	tcp->source = bpf_htons(pkt->dport);
	tcp->dest = bpf_htons(pkt->sport);
	tcp->seq = bpf_get_prandom_u32();
	tcp->ack_seq = bpf_htonl((__u32)cookie);
	tcp->doff = sizeof(*tcp) / 4;
	tcp->syn = 1;
	tcp->ack = 1;
	return cookie <= 0xffffffff && (__u32)cookie != pkt->tcp_seq + 1;
}

#endif
