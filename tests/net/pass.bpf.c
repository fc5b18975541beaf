// SPDX-License-Identifier: GPL-2.0-only
/* Somebody else's programs on the same hooks: they count packets and let them go on. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

static void count(__u32 hook)
{
	__u64 *n = bpf_map_lookup_elem(&seen, &hook);

	if (n)
		__sync_fetch_and_add(n, 1);
}

SEC("xdp")
int foreign_xdp(struct xdp_md *ctx)
{
	(void)ctx;
	count(0);
	return XDP_PASS;
}

SEC("tc")
int foreign_tc(struct __sk_buff *skb)
{
	(void)skb;
	count(1);
	return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "GPL";
