/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The entry programs: a table of contents. Each parses, tells queries from replies, and runs one
 * chain of steps; a step returns GO_ON or the reason the packet stops here.
 *
 *   edge_xdp             Ethernet devices of `edge`, uplink and backend side
 *   edge_tc_l2_checked   the same devices at tc ingress, behind edge_xdp
 *   edge_tc_l2           the same without XDP
 *   edge_tc_l3           devices without Ethernet header (WireGuard, tun, ppp)
 *   enforce_in_l2/_l3    clients' devices, tc ingress
 *   enforce_out_l2/_l3   clients' devices, tc egress
 *   guard_out_l2/_l3     devices of the default route, tc egress
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_helpers.h>

#include "count.h"
#include "guard.h"
#include "ipv6.h"
#include "maps.h"
#include "packet.h"
#include "parse.h"
#include "rewrite_skb.h"
#include "rewrite_xdp.h"
#include "ring.h"
#include "service.h"
#include "tcp.h"
#include "translate.h"

/* Not TC_ACT_OK: the packet goes on to whoever else is attached (tcx: TCX_NEXT). */
#define TC_GO_ON TC_ACT_UNSPEC

#define FATE_CASE(name, fate, sentence) \
	case EDGE53_##name:             \
		return EDGE53_##fate;

static __always_inline enum edge53_fate fate_of(enum edge53_reason why)
{
	switch (why) {
		EDGE53_REASONS(FATE_CASE)
	default:
		return EDGE53_PASS;
	}
}

/* Counts where the packet stopped and turns it into a verdict of the hook. */
static __always_inline int finish(const struct packet *pkt, enum edge53_reason why, int pass,
				  int drop, int sent)
{
	if (why == EDGE53_NOT_OURS)
		return pass;
	count_reason(pkt->service, why);
	switch (fate_of(why)) {
	case EDGE53_SEND:
		return sent;
	case EDGE53_DROP:
		return drop;
	default:
		return pass;
	}
}

static __always_inline int finish_skb(const struct packet *pkt, enum edge53_reason why, int sent)
{
	return finish(pkt, why, TC_GO_ON, TC_ACT_SHOT, sent);
}

/* What XDP passes meets tc next, which judges it again and counts it there. */
static __always_inline int finish_xdp(const struct packet *pkt, enum edge53_reason why, int sent)
{
	if (fate_of(why) == EDGE53_PASS)
		return XDP_PASS;
	return finish(pkt, why, XDP_PASS, XDP_DROP, sent);
}

/* --- edge, XDP ------------------------------------------------------------------------------- */

static __always_inline enum edge53_reason is_for_xdp(const struct packet *pkt,
						     const struct edge53_service *svc)
{
	return svc->flags & EDGE53_SERVICE_XDP && !has_partial_checksum(pkt) ? GO_ON :
									      EDGE53_HANDED_TO_TC;
}

static __always_inline int query_xdp(struct xdp_md *ctx, struct packet *pkt)
{
	const struct edge53_service *svc;
	struct query_flow query;
	struct rewrite rw;
	__u64 now_ns = bpf_ktime_get_ns();
	int verdict = XDP_PASS;
	enum edge53_reason why = find_edge_service(pkt, &svc)
			      ?: check_query(pkt)
			      ?: admit_client(pkt, now_ns)
			      ?: is_for_xdp(pkt, svc)
			      ?: open_flow(pkt, svc, now_ns, &query)
			      ?: translate_query(pkt, &query, &rw)
			      ?: rewrite_xdp(ctx, pkt, &rw)
			      ?: send_xdp(&rw, &verdict)
			      ?: count_query(pkt, &query, now_ns);

	return finish_xdp(pkt, why, verdict);
}

static __always_inline enum edge53_reason is_reply_for_xdp(const struct packet *pkt,
							   const struct rewrite *rw)
{
	return rw->xdp_target && !has_partial_checksum(pkt) ? GO_ON : EDGE53_HANDED_TO_TC;
}

static __always_inline int reply_xdp(struct xdp_md *ctx, struct packet *pkt)
{
	struct reply_flow reply;
	struct rewrite rw;
	__u64 now_ns = bpf_ktime_get_ns();
	int verdict = XDP_PASS;
	enum edge53_reason why = find_flow(pkt, now_ns, &reply)
			      ?: check_origin(pkt, &reply)
			      ?: translate_reply(&reply.flow, &rw)
			      ?: route_reply(pkt, &reply.flow, &rw)
			      ?: is_reply_for_xdp(pkt, &rw)
			      ?: take_reply(pkt, now_ns, &reply)
			      ?: rewrite_xdp(ctx, pkt, &rw)
			      ?: send_xdp(&rw, &verdict)
			      ?: count_reply(pkt, &reply.flow, reply.match.latency_us, now_ns);

	return finish_xdp(pkt, why, verdict);
}

SEC("xdp")
int edge_xdp(struct xdp_md *ctx)
{
	struct bytes b = {
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
	};
	struct packet pkt;

	b.len = b.data_end - b.data;
	if (parse_packet(&b, ETH_HLEN, 0, &pkt))
		return XDP_PASS;
	pkt.ifindex = ctx->ingress_ifindex;
	if (pkt.dport == EDGE53_DNS_PORT)
		return query_xdp(ctx, &pkt);
	if (is_edge_port(pkt.dport))
		return reply_xdp(ctx, &pkt);
	return XDP_PASS;
}

/* --- edge, tc -------------------------------------------------------------------------------- */

/* Checked again behind XDP, which some packets go past (redirected ones, and those of VID 0). */
static __always_inline enum edge53_reason check_and_admit(const struct packet *pkt, __u64 now_ns,
							  bool is_counted)
{
	return check_query(pkt) ?: (is_counted ? GO_ON : admit_client(pkt, now_ns));
}

static __always_inline int query_skb(struct __sk_buff *skb, struct packet *pkt, bool is_counted)
{
	const struct edge53_service *svc;
	struct query_flow query;
	struct rewrite rw;
	__u64 now_ns = bpf_ktime_get_ns();
	int verdict = TC_GO_ON;
	enum edge53_reason why = find_edge_service(pkt, &svc)
			      ?: check_and_admit(pkt, now_ns, is_counted)
			      ?: open_flow(pkt, svc, now_ns, &query)
			      ?: translate_query(pkt, &query, &rw)
			      ?: rewrite_skb(skb, pkt, &rw)
			      ?: send_query_skb(skb, pkt, &rw, &verdict)
			      ?: count_query(pkt, &query, now_ns);

	return finish_skb(pkt, why, verdict);
}

static __always_inline int reply_skb(struct __sk_buff *skb, struct packet *pkt)
{
	struct reply_flow reply;
	struct rewrite rw;
	__u64 now_ns = bpf_ktime_get_ns();
	int verdict = TC_GO_ON;
	enum edge53_reason why = find_flow(pkt, now_ns, &reply)
			      ?: check_origin(pkt, &reply)
			      ?: translate_reply(&reply.flow, &rw)
			      ?: route_reply(pkt, &reply.flow, &rw)
			      ?: take_reply(pkt, now_ns, &reply)
			      ?: rewrite_skb(skb, pkt, &rw)
			      ?: send_reply_skb(skb, pkt, &rw, &verdict)
			      ?: count_reply(pkt, &reply.flow, reply.match.latency_us, now_ns);

	return finish_skb(pkt, why, verdict);
}

/*
 * A VLAN tag beside the bytes means that another device is meant; VID 0 only bears a priority, and the
 * stack takes such a frame as untagged (IEEE 802.1Q 6.9.1).
 */
static __always_inline bool is_of_a_vlan(const struct __sk_buff *skb)
{
	return skb->vlan_present && skb->vlan_tci & 0xfff;
}

static __always_inline enum edge53_reason parse_skb(struct __sk_buff *skb, __u32 l3_off,
						    struct packet *pkt)
{
	struct bytes b;
	enum edge53_reason why;

	if (is_of_a_vlan(skb))
		return EDGE53_NOT_OURS;
	b = bytes_of_skb(skb, l3_off);
	why = parse_packet(&b, l3_off, skb->protocol, pkt);
	pkt->ifindex = skb->ifindex;
	/* A bundle of datagrams has one header here; translated, only its first would be right. */
	if (pkt->l4proto == IPPROTO_UDP && skb->gso_size)
		pkt->has_bad_length = true;
	return why;
}

static __always_inline int edge_tc(struct __sk_buff *skb, __u32 l3_off, bool is_counted)
{
	struct packet pkt;

	if (parse_skb(skb, l3_off, &pkt))
		return TC_GO_ON;
	if (pkt.dport == EDGE53_DNS_PORT)
		return query_skb(skb, &pkt, is_counted);
	if (is_edge_port(pkt.dport))
		return reply_skb(skb, &pkt);
	return TC_GO_ON;
}

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

/* IPv6 is not redirected; the policy says what becomes of it. */
static __always_inline int enforce_in_ipv6(struct __sk_buff *skb, __u32 l3_off)
{
	struct packet pkt = { .ifindex = skb->ifindex, .is_ipv6 = true };
	const struct edge53_service *svc;
	int dport = ipv6_dport(skb, l3_off);
	enum edge53_reason why;

	if (dport != EDGE53_DNS_PORT && dport != DOT_PORT)
		return TC_GO_ON;
	pkt.dport = dport;
	if (bpf_skb_load_bytes(skb, l3_off + offsetof(struct ipv6hdr, saddr), &pkt.saddr,
			       sizeof(pkt.saddr)) ||
	    (l3_off && bpf_skb_load_bytes(skb, 0, pkt.eth_dst, sizeof(pkt.eth_dst))))
		return TC_GO_ON;
	why = find_enforce_service(&pkt, &svc) ?: apply_policy(&pkt, svc);
	return finish_skb(&pkt, why, TC_GO_ON);
}

static __always_inline int enforce_in(struct __sk_buff *skb, __u32 l3_off)
{
	const struct edge53_service *svc;
	struct query_flow query;
	struct packet pkt;
	struct rewrite rw;
	__u64 now_ns;
	enum edge53_reason why;

	if (skb->protocol == bpf_htons(ETH_P_IPV6) && !is_of_a_vlan(skb))
		return enforce_in_ipv6(skb, l3_off);
	if (parse_skb(skb, l3_off, &pkt))
		return TC_GO_ON;
	if (pkt.dport != EDGE53_DNS_PORT && pkt.dport != DOT_PORT)
		return TC_GO_ON;
	now_ns = bpf_ktime_get_ns();
	why = find_enforce_service(&pkt, &svc)
	   ?: apply_policy(&pkt, svc)
	   ?: check_query(&pkt)
	   ?: admit_client(&pkt, now_ns)
	   ?: open_flow(&pkt, svc, now_ns, &query)
	   ?: translate_query(&pkt, &query, &rw)
	   ?: rewrite_skb(skb, &pkt, &rw)
	   ?: count_query(&pkt, &query, now_ns);
	return finish_skb(&pkt, why, TC_GO_ON);
}

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

static __always_inline int enforce_out(struct __sk_buff *skb, __u32 l3_off)
{
	struct reply_flow reply;
	struct packet pkt;
	struct rewrite rw;
	__u64 now_ns;
	enum edge53_reason why;

	if (parse_skb(skb, l3_off, &pkt))
		return TC_GO_ON;
	if (pkt.sport != EDGE53_DNS_PORT || !is_edge_port(pkt.dport))
		return TC_GO_ON;
	now_ns = bpf_ktime_get_ns();
	why = find_flow(&pkt, now_ns, &reply)
	   ?: check_client_device(&pkt, &reply.flow)
	   ?: translate_reply(&reply.flow, &rw)
	   ?: take_reply(&pkt, now_ns, &reply)
	   ?: rewrite_skb(skb, &pkt, &rw)
	   ?: count_reply(&pkt, &reply.flow, reply.match.latency_us, now_ns);
	return finish_skb(&pkt, why, TC_GO_ON);
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

static __always_inline int guard_out(struct __sk_buff *skb, __u32 l3_off)
{
	struct packet pkt = {};

	return finish_skb(&pkt, guard_packet(skb, l3_off, &pkt), TC_GO_ON);
}

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

char _license[] SEC("license") = "GPL";
