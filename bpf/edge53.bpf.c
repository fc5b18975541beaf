/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The entry programs: a table of contents. Each parses, tells queries from replies, and runs one
 * chain of steps (edge_xdp.h, edge_tc.h, enforce.h, return.h); a step returns GO_ON or the reason the packet
 * stops here, and verdict.h says what that means to the hook.
 *
 *   edge_xdp             Ethernet devices of `edge`, uplink and backend side
 *   edge_xdp_generic     the same where the driver has no XDP
 *   edge_tc_l2_checked   the same devices at tc ingress, behind edge_xdp
 *   edge_tc_l2           the same without XDP
 *   edge_tc_l3           devices without Ethernet header (WireGuard, tun, ppp)
 *   enforce_in_l2/_l3    clients' devices, tc ingress
 *   enforce_out_l2/_l3   clients' devices, tc egress
 *   guard_out_l2/_l3     devices of the default route, tc egress
 *   return_in_l2/_l3     tunnels to a server's host, tc ingress
 *   return_out_l2/_l3    its uplinks, tc egress
 *   text_clients         whoever reads text/clients
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_helpers.h>

#include "edge_tc.h"
#include "edge_xdp.h"
#include "enforce.h"
#include "guard.h"
#include "return.h"
#include "text.h"

/* --- edge, XDP ------------------------------------------------------------------------------- */

SEC("xdp.frags")
int edge_xdp(struct xdp_md *ctx)
{
	return edge_in_xdp(ctx);
}

/*
 * For generic XDP. A program that allows several buffers gets a copy of the skb there, and the copy has
 * no mac_len, so that at tc its data begins at the IP header (skb_pp_cow_data(), Linux 6.18).
 */
SEC("xdp")
int edge_xdp_generic(struct xdp_md *ctx)
{
	return edge_in_xdp(ctx);
}

/* --- edge, tc -------------------------------------------------------------------------------- */

SEC("tc")
int edge_tc_l2(struct __sk_buff *skb)
{
	return edge_tc(skb, ETH_HLEN, false);
}

SEC("tc")
int edge_tc_l2_checked(struct __sk_buff *skb)
{
	return edge_tc(skb, ETH_HLEN, true);
}

SEC("tc")
int edge_tc_l3(struct __sk_buff *skb)
{
	return edge_tc(skb, 0, false);
}

/* --- enforce --------------------------------------------------------------------------------- */

SEC("tc")
int enforce_in_l2(struct __sk_buff *skb)
{
	return enforce_in(skb, ETH_HLEN);
}

SEC("tc")
int enforce_in_l3(struct __sk_buff *skb)
{
	return enforce_in(skb, 0);
}

SEC("tc")
int enforce_out_l2(struct __sk_buff *skb)
{
	return enforce_out(skb, ETH_HLEN);
}

SEC("tc")
int enforce_out_l3(struct __sk_buff *skb)
{
	return enforce_out(skb, 0);
}

/* --- guard ----------------------------------------------------------------------------------- */

SEC("tc")
int guard_out_l2(struct __sk_buff *skb)
{
	return guard_out(skb, ETH_HLEN);
}

SEC("tc")
int guard_out_l3(struct __sk_buff *skb)
{
	return guard_out(skb, 0);
}

/* --- return ---------------------------------------------------------------------------------- */

SEC("tc")
int return_in_l2(struct __sk_buff *skb)
{
	return return_in(skb, ETH_HLEN);
}

SEC("tc")
int return_in_l3(struct __sk_buff *skb)
{
	return return_in(skb, 0);
}

SEC("tc")
int return_out_l2(struct __sk_buff *skb)
{
	return return_out(skb, ETH_HLEN);
}

SEC("tc")
int return_out_l3(struct __sk_buff *skb)
{
	return return_out(skb, 0);
}

/* --- text ------------------------------------------------------------------------------------ */

SEC("iter/bpf_map_elem")
int text_clients(struct bpf_iter__bpf_map_elem *ctx)
{
	text_of_client(ctx);
	return 0;
}

char _license[] SEC("license") = "GPL";
