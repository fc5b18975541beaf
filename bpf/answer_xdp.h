/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DNS answers of our own in XDP: SERVFAIL (on_down: servfail), and TC=1 (rate_limit, any: truncate). The query becomes
 * its own answer, as in truncated.h, and goes back where it came from. Needs a packet that has no options and no partial
 * checksum, and a device that XDP may send on. The answer is never longer than the query. A reply over response_limit is
 * cut in the same way.
 */
#ifndef EDGE53_ANSWER_XDP_H
#define EDGE53_ANSWER_XDP_H

#include "count.h"
#include "syn_cookie.h"
#include "truncated.h"

#define QUESTION_MAX_CHUNKS ((DNS_MAX_NAME_LEN + DNS_TYPE_AND_CLASS_LEN + OPT_LEN) / SUM_CHUNK + 1)

/* Global functions of their own, for the verifier and the stack. */
__weak __noinline int question_len_xdp(struct xdp_md *ctx, __u32 l4_off, __u32 payload_len)
{
	return walk_question(ctx, true, l4_off, payload_len);
}

__weak __noinline int is_any_xdp(struct xdp_md *ctx, __u32 l4_off, __u32 payload_len)
{
	return has_type_any(ctx, true, l4_off, question_len_xdp(ctx, l4_off, payload_len));
}

/* What XDP cannot answer is left to tc, and was not counted. */
static __always_inline enum edge53_reason check_any_xdp(struct xdp_md *ctx, const struct packet *pkt,
							const struct edge53_service *svc)
{
	if (!may_be_any(pkt, svc) || !is_any_xdp(ctx, pkt->l4_off, pkt->payload_len))
		return GO_ON;
	return svc->flags & EDGE53_SERVICE_ANY_IN_XDP && !extra_headers_len(pkt) &&
			       !has_partial_checksum(pkt)
		       ? EDGE53_ANY_TRUNCATED
		       : EDGE53_HANDED_TO_TC;
}

/* Ones' complement sum of a question and what is behind it, folded; -1 when it cannot be read. */
__weak __noinline int sum_of_question_xdp(struct xdp_md *ctx, __u32 off, __u32 len)
{
	__u32 chunk[SUM_CHUNK / 4], n;
	__s64 sum = 0;

	for (int i = 0; i < QUESTION_MAX_CHUNKS && len; i++) {
		n = len < SUM_CHUNK ? len : SUM_CHUNK;
		__builtin_memset(chunk, 0, sizeof(chunk));
		if (bpf_xdp_load_bytes(ctx, off, chunk, ((n - 1) & (SUM_CHUNK - 1)) + 1))
			return -1;
		sum = bpf_csum_diff(NULL, 0, chunk, SUM_CHUNK, sum);
		off += n;
		len -= n;
	}
	return csum_fold((__u32)sum);
}

/* Ethernet and IP header of the answer. */
static __always_inline bool store_headers_xdp(struct xdp_md *ctx, const struct packet *pkt,
					      __u8 l4proto,
					      __u32 len)
{
	struct ipv6hdr ip6;
	struct iphdr ip4;
	__u8 macs[2 * ETH_ALEN];

	mac_copy(macs, pkt->eth_src);
	mac_copy(macs + ETH_ALEN, pkt->eth_dst);
	if (bpf_xdp_store_bytes(ctx, 0, macs, sizeof(macs)))
		return false;
	if (pkt->is_ipv6) {
		answer_ipv6(pkt, len, l4proto, &ip6);
		return !bpf_xdp_store_bytes(ctx, ETH_HLEN, &ip6, sizeof(ip6));
	}
	answer_ipv4(pkt, len, l4proto, &ip4);
	return !bpf_xdp_store_bytes(ctx, ETH_HLEN, &ip4, sizeof(ip4));
}

/*
 * Cuts the frame to an answer of len bytes, but not below what Ethernet sends: not every driver pads what XDP
 * gives it. What is behind the answer then is zero.
 */
static __always_inline bool shorten_xdp(struct xdp_md *ctx, __u32 len)
{
	__u32 now = bpf_xdp_get_buff_len(ctx), kept = len;
	__u64 zeros = 0;

	if (kept < ETH_ZLEN)
		kept = now < ETH_ZLEN ? now : ETH_ZLEN;
	if (kept < len || (now != kept && bpf_xdp_adjust_tail(ctx, (int)(kept - now))))
		return false;
	return kept == len ||
	       !bpf_xdp_store_bytes(ctx, len, &zeros, ((kept - len - 1) & (sizeof(zeros) - 1)) + 1);
}

static __always_inline bool store_opt_xdp(struct xdp_md *ctx, __u32 off)
{
	__u8 opt[OPT_LEN];

	make_opt(opt);
	return !bpf_xdp_store_bytes(ctx, off, opt, sizeof(opt));
}

/* dns_flags: as make_answer() has them. Returns whether pkt has become its answer. */
__weak __noinline int become_dns_xdp(struct xdp_md *ctx, const struct packet *pkt, __u32 flags)
{
	__u32 l4_off, question, opt, udp_len;
	struct answer_headers answer;
	int sum;

	if (!pkt)
		return false;
	l4_off = ETH_HLEN + (pkt->is_ipv6 ? IPV6_HEADER_LEN : IPV4_HEADER_LEN);
	question = pkt->dns.questions == 1 ? question_len_xdp(ctx, l4_off, pkt->payload_len) : 0;
	opt = has_opt(pkt, question, flags) ? OPT_LEN : 0;
	udp_len = sizeof(answer) + question + opt;
	if (opt && !store_opt_xdp(ctx, l4_off + sizeof(answer) + question))
		return false;
	sum = sum_of_question_xdp(ctx, l4_off + sizeof(answer), question + opt);
	if (sum < 0 || !shorten_xdp(ctx, l4_off + udp_len) ||
	    !store_headers_xdp(ctx, pkt, IPPROTO_UDP, udp_len))
		return false;
	make_answer(pkt, udp_len, question, flags, &answer);
	answer.additionals = bpf_htons(!!opt);
	/* The field holds the sum of the pseudo header; a computed 0 is sent as all ones (RFC 768). */
	answer.udp.check =
		(__u16)~csum_fold((__u64)(__u32)sum + sum_of_words(&answer, sizeof(answer) / 4))
			?: 0xffff;
	return !bpf_xdp_store_bytes(ctx, l4_off, &answer, sizeof(answer));
}

/* Returns the verdict. why: what the query ended with, which is counted. */
__weak __noinline int answer_query_xdp(struct xdp_md *ctx, const struct packet *pkt, __u32 why)
{
	__u32 flags = why == EDGE53_NO_BACKEND_SERVFAIL ? DNS_RCODE_SERVFAIL : DNS_FLAG_TC;

	if (!pkt)
		return XDP_PASS;
	count_reason(pkt->service, why);
	if (!may_be_answered(pkt) || !become_dns_xdp(ctx, pkt, flags))
		return XDP_DROP;
	return bpf_redirect(pkt->ifindex, 0); /* not XDP_TX: see docs/decisions.md */
}

/* cut_reply_skb() for a packet that has neither options nor a partial checksum, and is no fragment. */
__weak __noinline int cut_reply_xdp(struct xdp_md *ctx, struct packet *pkt, __u32 has_edns)
{
	if (!pkt)
		return false;
	prepare_cut(pkt, has_edns);
	return become_dns_xdp(ctx, pkt, DNS_FLAG_TC);
}

/* Answers a SYN with a cookie. Returns the verdict. */
__weak __noinline int challenge_xdp(struct xdp_md *ctx, const struct packet *pkt)
{
	struct tcphdr tcp;
	__u32 l4_off;

	if (!pkt)
		return XDP_PASS;
	count_reason(pkt->service, EDGE53_COOKIE_SENT);
	l4_off = ETH_HLEN + (pkt->is_ipv6 ? IPV6_HEADER_LEN : IPV4_HEADER_LEN);
	if (!may_be_answered(pkt) || !make_challenge(pkt, &tcp))
		return XDP_DROP;
	tcp.check = csum_fold(pseudo_sum(pkt, IPPROTO_TCP, sizeof(tcp)));
	tcp.check = ~csum_fold(sum_of_words(&tcp, sizeof(tcp) / 4));
	if (!shorten_xdp(ctx, l4_off + sizeof(tcp)) ||
	    !store_headers_xdp(ctx, pkt, IPPROTO_TCP, sizeof(tcp)) ||
	    bpf_xdp_store_bytes(ctx, l4_off, &tcp, sizeof(tcp)))
		return XDP_DROP;
	return bpf_redirect(pkt->ifindex, 0);
}

#endif
