// SPDX-License-Identifier: GPL-2.0-only
/* The limit: what XDP on one device costs that does nothing but send each frame on by another. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 down_ifindex, uplink_ifindex;

SEC("xdp")
int redirect_down(struct xdp_md *ctx)
{
	(void)ctx;
	return bpf_redirect(down_ifindex, 0);
}

SEC("xdp")
int redirect_up(struct xdp_md *ctx)
{
	(void)ctx;
	return bpf_redirect(uplink_ifindex, 0);
}

char LICENSE[] SEC("license") = "GPL";
