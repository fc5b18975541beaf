/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maximum segment size of a SYN, lowered to what fits through the edge (RFC 9293 section
 * 3.7.1; RFC 6691). Global functions: the verifier goes through the options once.
 */
#ifndef EDGE53_MSS_H
#define EDGE53_MSS_H

#include <linux/tcp.h>

#include "checksum.h"
#include "packet.h"

#define TCP_MAX_OPTIONS_LEN 40

#define TCP_OPTION_END 0
#define TCP_OPTION_NOP 1
#define TCP_OPTION_MSS 2
#define TCP_OPTION_MSS_LEN 4

/* Bytes of options, by the byte that tells the length of a TCP header in its upper half. */
static __always_inline __u32 tcp_options_len(__u8 doff)
{
	__u32 words = doff >> 4;

	return words > 5 ? (words - 5) * 4 : 0;
}

/* The options of a SYN, and how far they were looked through. */
struct mss_search {
	__u8 options[TCP_MAX_OPTIONS_LEN]; /* of which len count */
	__u32 len;
	__u32 off;
	__u32 found; /* offset of the MSS option; beyond MSS_MAX_OFF: none */
};

#define MSS_MAX_OFF (TCP_MAX_OPTIONS_LEN - TCP_OPTION_MSS_LEN)

/* Looks at one option: 0 to go on, 1 when the search is over. */
static long look_at_option(__u32 i, struct mss_search *search)
{
	__u32 off = search->off;
	__u8 kind, option_len;

	(void)i;
	if (off > MSS_MAX_OFF || off + TCP_OPTION_MSS_LEN > search->len)
		return 1;
	kind = search->options[off];
	option_len = search->options[off + 1];
	if (kind == TCP_OPTION_NOP) {
		search->off = off + 1;
		return 0;
	}
	if (kind == TCP_OPTION_MSS && option_len == TCP_OPTION_MSS_LEN) {
		search->found = off;
		return 1;
	}
	if (kind == TCP_OPTION_END || option_len < 2)
		return 1;
	search->off = off + option_len;
	return 0;
}

/*
 * Zero, and the verifier does not know it: Linux 6.1 looks at the callback of bpf_loop() as if it ran
 * once, and takes out checks that cannot fail the first time.
 */
static __always_inline __u32 unknown_zero(__u32 any)
{
#ifdef __bpf__
	__u32 same = any;

	asm volatile("%0 -= %1" : "+r"(any) : "r"(same));
	return any;
#else
	return any - any;
#endif
}

/*
 * What the option says, network order; 0 when there is none. bpf_loop(), as the verifier would walk
 * through each way in which options can follow each other.
 */
static __always_inline __be16 find_mss(struct mss_search *search)
{
	__u32 found, start = unknown_zero(search->len);

	search->off = start;
	search->found = TCP_MAX_OPTIONS_LEN;
	bpf_loop(TCP_MAX_OPTIONS_LEN, look_at_option, search, 0);
	found = search->found;
	if (found > MSS_MAX_OFF)
		return 0;
	return search->options[found + 2] | search->options[found + 3] << 8;
}

/*
 * What the checksum changes by when one 16-bit value becomes another; at an odd offset its bytes
 * are in two words, the other way round (RFC 1071 section 2 B).
 */
static __always_inline __u16 diff_of_mss(__be16 before, __be16 after, __u32 off)
{
	__u16 diff = csum_fold(csum_sub16(after, before));

	return off & 1 ? (__u16)(diff << 8 | diff >> 8) : diff;
}

/*
 * 1, also when there was nothing to do; 0 when the kernel refused. l4_off is from the beginning of
 * the packet's data.
 */
__weak __noinline int clamp_mss_skb(struct __sk_buff *skb, __u32 l4_off, __u32 max_segment)
{
	struct mss_search search = {};
	__u32 last;
	__be16 before, after = bpf_htons(max_segment);
	__u8 doff;

	if (bpf_skb_load_bytes(skb, l4_off + 12, &doff, sizeof(doff)))
		return 0;
	search.len = tcp_options_len(doff);
	last = search.len - 1;
	asm volatile("" : "+r"(last)); /* so that Linux 6.1 sees both bounds of last + 1 */
	if (last >= sizeof(search.options))
		return 1;
	if (bpf_skb_load_bytes(skb, l4_off + sizeof(struct tcphdr), search.options, last + 1))
		return 0;
	before = find_mss(&search);
	if (bpf_ntohs(before) <= max_segment)
		return 1;
	return !bpf_l4_csum_replace(skb, l4_off + __builtin_offsetof(struct tcphdr, check), 0,
				    diff_of_mss(before, after, search.found), 0) &&
	       !bpf_skb_store_bytes(skb, l4_off + sizeof(struct tcphdr) + search.found + 2, &after,
				    sizeof(after), 0);
}

__weak __noinline int clamp_mss_xdp(struct xdp_md *ctx, __u32 l4_off, __u32 max_segment)
{
	struct mss_search search = {};
	__u32 last;
	__be16 before, after = bpf_htons(max_segment), check;
	__u8 doff;

	if (bpf_xdp_load_bytes(ctx, l4_off + 12, &doff, sizeof(doff)))
		return 0;
	search.len = tcp_options_len(doff);
	last = search.len - 1;
	asm volatile("" : "+r"(last)); /* so that Linux 6.1 sees both bounds of last + 1 */
	if (last >= sizeof(search.options))
		return 1;
	if (bpf_xdp_load_bytes(ctx, l4_off + sizeof(struct tcphdr), search.options, last + 1))
		return 0;
	before = find_mss(&search);
	if (bpf_ntohs(before) <= max_segment)
		return 1;
	if (bpf_xdp_load_bytes(ctx, l4_off + __builtin_offsetof(struct tcphdr, check), &check,
			       sizeof(check)))
		return 0;
	check = csum_replace(check, diff_of_mss(before, after, search.found));
	return !bpf_xdp_store_bytes(ctx, l4_off + __builtin_offsetof(struct tcphdr, check), &check,
				    sizeof(check)) &&
	       !bpf_xdp_store_bytes(ctx, l4_off + sizeof(struct tcphdr) + search.found + 2, &after,
				    sizeof(after));
}

#endif
