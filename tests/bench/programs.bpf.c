// SPDX-License-Identifier: GPL-2.0-only
/*
 * In front of a program that is timed by BPF_PROG_TEST_RUN: makes the packet what it was before the last
 * pass, with the next client or the next reply in it, and calls the program under test.
 */
#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "programs.h"

const volatile struct programs_frame frame;

__u32 passes; /* since the run began */

/* One for each kind: an array belongs to the first program that uses it. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} under_test_xdp SEC(".maps"), under_test_tc SEC(".maps");

/* What stands in the two fields that differ: 16 bits in the port, 16 in the DNS ID. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PROGRAMS_TOKENS);
	__type(key, __u32);
	__type(value, struct programs_token);
} tokens SEC(".maps");

static __always_inline bool restore(void *data, void *data_end)
{
	__u32 n = passes++ % PROGRAMS_TOKENS;
	struct programs_token *token = bpf_map_lookup_elem(&tokens, &n);

	if (!token || data + PROGRAMS_FRAME_LEN > data_end)
		return false;
	for (int i = 0; i < PROGRAMS_FRAME_LEN / 8; i++)
		((__u64 *)data)[i] = frame.words[i];
	*(__u32 *)(data + PROGRAMS_SADDR_OFF) = token->saddr;
	*(__u16 *)(data + PROGRAMS_SPORT_OFF) = token->sport;
	*(__u16 *)(data + PROGRAMS_DPORT_OFF) = token->dport;
	*(__u16 *)(data + PROGRAMS_DNS_ID_OFF) = token->dns_id;
	return true;
}

SEC("xdp.frags")
int restore_xdp(struct xdp_md *ctx)
{
	int grown = (int)(ctx->data_end - ctx->data) - PROGRAMS_FRAME_LEN;

	if (grown && bpf_xdp_adjust_head(ctx, grown))
		return XDP_ABORTED;
	if (restore((void *)(long)ctx->data, (void *)(long)ctx->data_end))
		bpf_tail_call(ctx, &under_test_xdp, 0);
	return XDP_ABORTED;
}

SEC("tc")
int restore_tc(struct __sk_buff *skb)
{
	if (skb->len != PROGRAMS_FRAME_LEN && bpf_skb_change_tail(skb, PROGRAMS_FRAME_LEN, 0))
		return TC_ACT_SHOT;
	if (restore((void *)(long)skb->data, (void *)(long)skb->data_end))
		bpf_tail_call(skb, &under_test_tc, 0);
	return TC_ACT_SHOT;
}

/* What the harness itself costs. */
SEC("xdp.frags")
int nothing_xdp(struct xdp_md *ctx __attribute__((unused)))
{
	return XDP_PASS;
}

SEC("tc")
int nothing_tc(struct __sk_buff *skb __attribute__((unused)))
{
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
