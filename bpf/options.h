/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The options of a TCP header, edited in one pass: the maximum segment size of a SYN, lowered to what
 * fits through the edge (RFC 9293 section 3.7.1; RFC 6691); and on connections that begin with a PROXY
 * header, what would let data come before it, and the edges of SACK blocks. Global functions: the
 * verifier goes through the options once.
 */
#ifndef EDGE53_OPTIONS_H
#define EDGE53_OPTIONS_H

#include <linux/tcp.h>

#include "checksum.h"
#include "packet.h"

#define TCP_MAX_OPTIONS_LEN 40
#define TCP_MAX_WSCALE 14

#define TCP_OPTION_END 0
#define TCP_OPTION_NOP 1
#define TCP_OPTION_MSS 2
#define TCP_OPTION_WSCALE 3
#define TCP_OPTION_SACK 5
#define TCP_OPTION_MPTCP 30
#define TCP_OPTION_FAST_OPEN 34
#define TCP_OPTION_EXPERIMENT1 253 /* RFC 4727; Fast Open was one of both once */
#define TCP_OPTION_EXPERIMENT2 254

#define TCP_OPTION_MSS_LEN 4
#define TCP_OPTION_WSCALE_LEN 3

/* What to do to the options, and how far it is done. */
struct option_edit {
	__u8 options[TCP_MAX_OPTIONS_LEN]; /* of which len count, and the others are 0 */
	__u8 len;
	__u8 off;
	__u16 max_segment; /* what MSS is lowered to */
	__u8 less;	   /* and by how much more */
	bool hides;	   /* what lets data come early becomes NOPs */
	bool is_changed;
	__u8 blank; /* bytes that are still to become NOPs */
	__u8 edges; /* bytes that are still edges of SACK blocks */
	__u8 wscale;
	__u16 sum; /* of the options before; in XDP then the checksum that they are under */
	struct shift shift; /* of these edges */
};

static __always_inline bool lets_data_come_early(__u8 kind)
{
	return kind == TCP_OPTION_FAST_OPEN || kind == TCP_OPTION_MPTCP ||
	       kind == TCP_OPTION_EXPERIMENT1 || kind == TCP_OPTION_EXPERIMENT2;
}

static __always_inline void lower_mss(struct option_edit *edit, __u32 off)
{
	__u32 mss = edit->options[off + 2] << 8 | edit->options[off + 3];
	__u32 lower = mss < edit->max_segment ? mss : edit->max_segment;

	if (edit->less)
		lower = lower > edit->less ? lower - edit->less : 1;
	if (lower == mss)
		return;
	edit->options[off + 2] = lower >> 8;
	edit->options[off + 3] = lower;
	edit->is_changed = true;
}

/* One end of a SACK block of the backend's, for the client. */
static __always_inline void shift_edge(struct option_edit *edit, __u32 off)
{
	__u8 *at = &edit->options[off];
	__u32 edge = (__u32)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];

	edge = shift_ack(&edit->shift, edge);
	at[0] = edge >> 24;
	at[1] = edge >> 16;
	at[2] = edge >> 8;
	at[3] = edge;
	edit->is_changed = true;
}

/* One step through the options: 0 to go on, 1 at their end. */
static long edit_option(__u32 i, struct option_edit *edit)
{
	__u32 off = edit->off;
	__u8 kind, option_len;

	(void)i;
	if (off >= edit->len || off >= TCP_MAX_OPTIONS_LEN)
		return 1;
	if (edit->edges >= 4 && off <= TCP_MAX_OPTIONS_LEN - 4) {
		edit->edges -= 4;
		shift_edge(edit, off);
		edit->off = off + 4;
		return 0;
	}
	kind = edit->options[off];
	if (edit->blank) {
		edit->blank--;
		edit->options[off] = TCP_OPTION_NOP;
		kind = TCP_OPTION_NOP;
	}
	if (kind == TCP_OPTION_NOP) {
		edit->off = off + 1;
		return 0;
	}
	if (kind == TCP_OPTION_END || off + 1 >= TCP_MAX_OPTIONS_LEN)
		return 1;
	option_len = edit->options[off + 1];
	if (option_len < 2 || off + option_len > edit->len)
		return 1;
	if (edit->hides && lets_data_come_early(kind)) {
		edit->blank = option_len;
		edit->is_changed = true;
		return 0;
	}
	if (kind == TCP_OPTION_MSS && option_len == TCP_OPTION_MSS_LEN &&
	    off <= TCP_MAX_OPTIONS_LEN - TCP_OPTION_MSS_LEN)
		lower_mss(edit, off);
	if (kind == TCP_OPTION_WSCALE && option_len == TCP_OPTION_WSCALE_LEN &&
	    off <= TCP_MAX_OPTIONS_LEN - TCP_OPTION_WSCALE_LEN)
		edit->wscale = edit->options[off + 2];
	if (kind == TCP_OPTION_SACK && edit->shift.len && option_len % 8 == 2) {
		edit->edges = option_len - 2;
		option_len = 2;
	}
	edit->off = off + option_len;
	return 0;
}

/* What is made of NOPs is looked at twice at its beginning, and may be two bytes long. */
#define TCP_MAX_STEPS (TCP_MAX_OPTIONS_LEN + TCP_MAX_OPTIONS_LEN / 2)

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
 * bpf_loop(), as the verifier would walk through each way in which options can follow each other.
 */
static __always_inline void edit_options(struct option_edit *edit)
{
	__u32 start = unknown_zero(edit->len);

	edit->off = start;
	edit->blank = start;
	edit->edges = start;
	edit->wscale = 0;
	edit->is_changed = false;
	bpf_loop(TCP_MAX_STEPS, edit_option, edit, 0);
	if (edit->wscale > TCP_MAX_WSCALE)
		edit->wscale = TCP_MAX_WSCALE;
}

/* NOP, NOP, timestamps: what nearly every segment has, and no SACK (RFC 7323 appendix A). */
#define TCP_TIMESTAMPS_LEN 12
#define TCP_TIMESTAMPS 0x0101080a

/* --- what a rewrite wants of them ------------------------------------------------------------ */

/* On a segment without SYN, an MSS means nothing, and stays. */
static __always_inline void plan_edit(bool is_syn, const struct rewrite *rw,
				      struct option_edit *edit)
{
	edit->max_segment = rw->max_segment ?: 0xffff;
	edit->less = 0;
	edit->hides = false;
	edit->shift.len = 0;
	if (!rw->shift.len)
		return;
	edit->hides = rw->backend;
	if (!edit->hides) {
		edit->less = is_syn ? rw->shift.len : 0;
		edit->shift = rw->shift;
	}
}

static __always_inline __u16 sum_of_options(struct option_edit *edit)
{
	return csum_fold(bpf_csum_diff(NULL, 0, (__be32 *)edit->options, sizeof(edit->options), 0));
}

/* Returns the change of the checksum. */
static __always_inline __u16 carry_out_edit(const struct packet *pkt, const struct rewrite *rw,
					    struct option_edit *edit)
{
	edit->sum = sum_of_options(edit);
	plan_edit(has_syn(pkt), rw, edit);
	edit_options(edit);
	return csum_fold(csum_sub16(sum_of_options(edit), edit->sum));
}

/* The options are there, and not more than there can be. last: offset of the last byte. */
static __always_inline bool has_options(const struct packet *pkt, struct option_edit *edit,
					__u32 *last)
{
	edit->len = pkt->tcp_header_len - (__u32)sizeof(struct tcphdr);
	*last = edit->len - 1;
	asm volatile("" : "+r"(*last)); /* so that Linux 6.1 sees both bounds of last + 1 */
	return *last < sizeof(edit->options);
}

/*
 * Both return 0 when the kernel refused; else 1, also when there was nothing to do, and the shift of a
 * window scale option << 8.
 */
__weak __noinline int edit_options_skb(struct __sk_buff *skb, const struct packet *pkt,
				       const struct rewrite *rw)
{
	struct option_edit edit = {};
	__u32 last, off, check_off;
	__u16 diff;

	if (!pkt || !rw)
		return 0;
	if (!has_options(pkt, &edit, &last))
		return 1;
	off = (pkt->l4_off & L4_OFF_MASK) + sizeof(struct tcphdr);
	check_off = (pkt->l4_off & L4_OFF_MASK) + __builtin_offsetof(struct tcphdr, check);
	if (bpf_skb_load_bytes(skb, off, edit.options, last + 1))
		return 0;
	diff = carry_out_edit(pkt, rw, &edit);
	if (edit.is_changed &&
	    (bpf_l4_csum_replace(skb, check_off, 0, diff, 0) ||
	     bpf_skb_store_bytes(skb, off, edit.options, last + 1, 0)))
		return 0;
	return 1 | edit.wscale << 8;
}

__weak __noinline int edit_options_xdp(struct xdp_md *ctx, const struct packet *pkt,
				       const struct rewrite *rw)
{
	struct option_edit edit = {};
	__u32 last, off, check_off;
	__u16 diff;

	if (!pkt || !rw)
		return 0;
	if (!has_options(pkt, &edit, &last))
		return 1;
	off = (pkt->l4_off & L4_OFF_MASK) + sizeof(struct tcphdr);
	check_off = (pkt->l4_off & L4_OFF_MASK) + __builtin_offsetof(struct tcphdr, check);
	if (bpf_xdp_load_bytes(ctx, off, edit.options, last + 1))
		return 0;
	diff = carry_out_edit(pkt, rw, &edit);
	if (!edit.is_changed)
		return 1 | edit.wscale << 8;
	if (bpf_xdp_load_bytes(ctx, check_off, &edit.sum, sizeof(edit.sum)))
		return 0;
	edit.sum = csum_replace(edit.sum, diff);
	if (bpf_xdp_store_bytes(ctx, check_off, &edit.sum, sizeof(edit.sum)) ||
	    bpf_xdp_store_bytes(ctx, off, edit.options, last + 1))
		return 0;
	return 1 | edit.wscale << 8;
}

#endif
