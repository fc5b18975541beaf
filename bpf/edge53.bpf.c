/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The entry programs: a table of contents. Each parses, tells queries from replies, and runs one
 * chain of steps; a step returns GO_ON or the reason the packet stops here.
 *
 *   edge_xdp             Ethernet devices of `edge`, uplink and backend side
 *   edge_xdp_generic     the same where the driver has no XDP
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

#include "answer.h"
#include "count.h"
#include "fragment.h"
#include "guard.h"
#include "icmp.h"
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

/* What XDP passes meets tc next, which judges it again and counts it there; only tc can answer. */
static __always_inline int finish_xdp(const struct packet *pkt, enum edge53_reason why, int sent)
{
	if (fate_of(why) == EDGE53_PASS || why == EDGE53_TTL_EXPIRED || why == EDGE53_TOO_BIG)
		return XDP_PASS;
	return finish(pkt, why, XDP_PASS, XDP_DROP, sent);
}

/*
 * A chain at tc comes to a verdict, or to this: the sender is to be told, which is done when the stack
 * of the chain is free again.
 */
#define OUTCOME_ANSWER 0x100 /* | enum answer | MTU << 16 */

static __always_inline int finish_skb(const struct packet *pkt, enum edge53_reason why, int sent)
{
	return finish(pkt, why, TC_GO_ON, TC_ACT_SHOT, sent);
}

/* Whether the sender is told, and what. */
static __always_inline enum answer answer_to(enum edge53_reason why)
{
	switch (why) {
	case EDGE53_IPV6_DROPPED:
	case EDGE53_DOT_REJECTED:
	case EDGE53_DOH_REJECTED:
		return ANSWER_REFUSED;
	case EDGE53_TTL_EXPIRED:
		return ANSWER_TTL_EXPIRED;
	case EDGE53_TOO_BIG:
		return ANSWER_TOO_BIG;
	default:
		return NO_ANSWER;
	}
}

/* The same, where the sender can be told why not. */
static __always_inline int finish_or_answer(const struct packet *pkt, enum edge53_reason why,
					    int sent, __u32 mtu)
{
	enum answer answer = answer_to(why);
	int verdict = finish_skb(pkt, why, sent);

	if (!answer || !may_be_answered(pkt) ||
	    (answer == ANSWER_TOO_BIG && !pkt->dont_fragment))
		return verdict;
	return OUTCOME_ANSWER | answer | mtu << 16;
}

/* A query: its later fragments share the fate of the first. */
static __always_inline int finish_query_skb(const struct packet *pkt, enum edge53_reason why,
					    int sent, __u32 mtu)
{
	if (pkt->is_first_fragment && fate_of(why) == EDGE53_DROP)
		remember_first_fragment(pkt, NULL);
	return finish_or_answer(pkt, why, sent, mtu);
}

/* --- edge, XDP ------------------------------------------------------------------------------- */

/* IP options, partial checksums and frames in several buffers are for tc. */
static __always_inline bool is_plain(const struct packet *pkt)
{
	return !extra_headers_len(pkt) && !pkt->is_scattered && !has_partial_checksum(pkt);
}

/* IPv6 needs a checksum that IPv4 may do without; tc computes it. */
static __always_inline bool may_need_checksum(const struct packet *pkt,
					      const struct edge53_service *svc)
{
	return svc->flags & EDGE53_SERVICE_IPV6_BACKENDS && !pkt->is_ipv6 &&
	       pkt->l4proto == IPPROTO_UDP && !pkt->l4_check;
}

static __always_inline enum edge53_reason is_for_xdp(const struct packet *pkt,
						     const struct edge53_service *svc)
{
	return svc->flags & EDGE53_SERVICE_XDP && pkt->ttl > 1 && pkt->ip_len <= svc->query_mtu &&
			       is_plain(pkt) && !may_need_checksum(pkt, svc) ?
		       GO_ON :
		       EDGE53_HANDED_TO_TC;
}

__weak __noinline int query_xdp(struct xdp_md *ctx, struct packet *pkt)
{
	const struct edge53_service *svc;
	struct query_flow query;
	struct rewrite rw;
	__u64 now_ns;
	int verdict = XDP_PASS;
	enum edge53_reason why;

	if (!pkt)
		return XDP_PASS;
	now_ns = bpf_ktime_get_ns();
	why = find_edge_service(pkt, &svc)
	   ?: check_query(pkt)
	   ?: admit_client(pkt, now_ns)
	   ?: is_for_xdp(pkt, svc)
	   ?: open_flow(pkt, svc, now_ns, &query)
	   ?: translate_query(pkt, &query, &rw)
	   ?: is_rewrite_for_xdp(ctx, pkt, &rw)
	   ?: clamp_xdp(ctx, pkt, &rw)
	   ?: rewrite_xdp(ctx, pkt, &rw)
	   ?: send_xdp(&rw, &verdict)
	   ?: count_query(pkt, &query, now_ns);

	return finish_xdp(pkt, why, verdict);
}

static __always_inline enum edge53_reason is_reply_for_xdp(const struct packet *pkt,
							   const struct rewrite *rw)
{
	return rw->xdp_target && is_plain(pkt) ? GO_ON : EDGE53_HANDED_TO_TC;
}

__weak __noinline int reply_xdp(struct xdp_md *ctx, struct packet *pkt)
{
	struct reply_flow reply;
	struct rewrite rw;
	__u64 now_ns;
	int verdict = XDP_PASS;
	enum edge53_reason why;

	if (!pkt)
		return XDP_PASS;
	now_ns = bpf_ktime_get_ns();
	why = find_flow(pkt, now_ns, &reply)
	   ?: check_origin(pkt, &reply)
	   ?: translate_reply(&reply.flow, &rw)
	   ?: route_reply(pkt, &reply.flow, &rw)
	   ?: clamp_reply(pkt, &reply, &rw)
	   ?: is_reply_for_xdp(pkt, &rw)
	   ?: is_rewrite_for_xdp(ctx, pkt, &rw)
	   ?: take_reply(pkt, now_ns, &reply)
	   ?: clamp_xdp(ctx, pkt, &rw)
	   ?: rewrite_xdp(ctx, pkt, &rw)
	   ?: send_xdp(&rw, &verdict)
	   ?: count_reply(pkt, &reply.flow, reply.match.latency_us, now_ns);

	return finish_xdp(pkt, why, verdict);
}

__weak __noinline int parse_xdp(struct xdp_md *ctx, struct packet *pkt)
{
	struct bytes b = {
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
		.xdp = ctx,
	};
	enum edge53_reason why;

	if (!pkt)
		return EDGE53_NOT_OURS;
	b.len = b.data_end - b.data;
	why = parse_packet(&b, ETH_HLEN, 0, pkt);
	pkt->ifindex = ctx->ingress_ifindex;
	return why;
}

static __always_inline int edge_in_xdp(struct xdp_md *ctx)
{
	struct packet pkt = {};

	if (parse_xdp(ctx, &pkt))
		return XDP_PASS;
	if (pkt.dport == EDGE53_DNS_PORT)
		return query_xdp(ctx, &pkt);
	if (is_edge_port(pkt.dport))
		return reply_xdp(ctx, &pkt);
	return XDP_PASS;
}

SEC("xdp.frags")
int edge_xdp(struct xdp_md *ctx)
{
	return edge_in_xdp(ctx);
}

/*
 * For generic XDP: what such a program passes on a bridge after a frame of several buffers is allowed,
 * Linux 6.18 does not show to tc.
 */
SEC("xdp")
int edge_xdp_generic(struct xdp_md *ctx)
{
	return edge_in_xdp(ctx);
}

/* --- edge, tc -------------------------------------------------------------------------------- */

/* Checked again behind XDP, which some packets go past (redirected ones, and those of VID 0). */
static __always_inline enum edge53_reason check_and_admit(const struct packet *pkt, __u64 now_ns,
							  bool is_counted)
{
	return check_query(pkt)
	    ?: (is_counted && !is_beyond_xdp(pkt) ? GO_ON : admit_client(pkt, now_ns));
}

__weak __noinline int query_skb(struct __sk_buff *skb, struct packet *pkt, __u32 is_counted)
{
	const struct edge53_service *svc;
	struct query_flow query;
	struct rewrite rw;
	__u64 now_ns;
	int verdict = TC_GO_ON;
	enum edge53_reason why;

	if (!pkt)
		return TC_GO_ON;
	now_ns = bpf_ktime_get_ns();
	why = find_edge_service(pkt, &svc)
	   ?: check_and_admit(pkt, now_ns, is_counted)
	   ?: open_flow(pkt, svc, now_ns, &query)
	   ?: translate_query(pkt, &query, &rw)
	   ?: check_family_skb(skb, pkt, &rw)
	   ?: clamp_skb(skb, pkt, &rw)
	   ?: rewrite_skb(skb, pkt, &rw)
	   ?: send_query_skb(skb, pkt, &rw, &verdict)
	   ?: count_query(pkt, &query, now_ns);

	return finish_query_skb(pkt, why, verdict, why == EDGE53_TOO_BIG ? rw.mtu : 0);
}

__weak __noinline int reply_skb(struct __sk_buff *skb, struct packet *pkt)
{
	struct reply_flow reply;
	struct rewrite rw;
	__u64 now_ns;
	int verdict = TC_GO_ON;
	enum edge53_reason why;

	if (!pkt)
		return TC_GO_ON;
	now_ns = bpf_ktime_get_ns();
	why = find_flow(pkt, now_ns, &reply)
	   ?: check_origin(pkt, &reply)
	   ?: translate_reply(&reply.flow, &rw)
	   ?: route_reply(pkt, &reply.flow, &rw)
	   ?: clamp_reply(pkt, &reply, &rw)
	   ?: check_family_skb(skb, pkt, &rw)
	   ?: take_reply(pkt, now_ns, &reply)
	   ?: remember_fragment(pkt, &reply.flow)
	   ?: clamp_skb(skb, pkt, &rw)
	   ?: rewrite_skb(skb, pkt, &rw)
	   ?: send_reply_skb(skb, pkt, &rw, &verdict)
	   ?: count_reply(pkt, &reply.flow, reply.match.latency_us, now_ns);

	return finish_or_answer(pkt, why, verdict, why == EDGE53_TOO_BIG ? rw.mtu : 0);
}

/* The flow that a later fragment belongs to, if its first one was a reply. */
static __always_inline enum edge53_reason
find_fragment(struct packet *pkt, __u64 now_ns, struct edge53_flow *flow)
{
	const struct edge53_fragment *fragment = recall_fragment(pkt, now_ns);

	if (!fragment)
		return EDGE53_NOT_OURS;
	pkt->service = fragment->flow.service;
	if (fragment->is_refused)
		return EDGE53_FRAGMENT_REFUSED;
	*flow = fragment->flow;
	return GO_ON;
}

__weak __noinline int fragment_skb(struct __sk_buff *skb, struct packet *pkt)
{
	struct edge53_flow flow;
	struct rewrite rw;
	__u64 now_ns;
	int verdict = TC_GO_ON;
	enum edge53_reason why;

	if (!pkt)
		return TC_GO_ON;
	now_ns = bpf_ktime_get_ns();
	why = find_fragment(pkt, now_ns, &flow)
	   ?: translate_reply(&flow, &rw)
	   ?: route_reply(pkt, &flow, &rw)
	   ?: check_family_skb(skb, pkt, &rw)
	   ?: rewrite_fragment_skb(skb, pkt, &rw)
	   ?: send_reply_skb(skb, pkt, &rw, &verdict)
	   ?: count_fragment(pkt, &flow, now_ns);

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

/* l3_off: ETH_HLEN, or 0. */
__weak __noinline int parse_skb(struct __sk_buff *skb, __u32 l3_off, struct packet *pkt)
{
	struct bytes b;
	enum edge53_reason why;

	if (!pkt || is_of_a_vlan(skb))
		return EDGE53_NOT_OURS;
	b = bytes_of_skb(skb, l3_off ? ETH_HLEN : 0);
	why = parse_packet(&b, l3_off ? ETH_HLEN : 0, skb->protocol, pkt);
	pkt->ifindex = skb->ifindex;
	/* A bundle of datagrams has one header here; translated, only its first would be right. */
	if (pkt->l4proto == IPPROTO_UDP && skb->gso_size)
		pkt->has_bad_length = true;
	return why;
}

/* --- tc: packets that are neither query nor reply ---------------------------------------------- */

/* Tells the sender of a packet that ends here. */
static __always_inline int answer_skb(struct __sk_buff *skb, const struct packet *pkt, int outcome)
{
	enum answer answer = outcome & 0xff;

	if (!is_within_budget())
		return TC_ACT_SHOT;
	if (answer == ANSWER_REFUSED && pkt->l4proto == IPPROTO_TCP)
		return answer_rst(skb, pkt);
	return answer_icmp(skb, pkt, answer, outcome >> 16);
}

static __always_inline int conclude(struct __sk_buff *skb, const struct packet *pkt, int outcome)
{
	return outcome < OUTCOME_ANSWER ? outcome : answer_skb(skb, pkt, outcome);
}

/* Whom an ICMP error is for: fills *rw, as for the reply that the error stands for. */
__weak __noinline int translate_error(struct packet *pkt, __u32 side, struct rewrite *rw)
{
	const struct edge53_service *svc;
	enum edge53_reason why;

	if (!pkt || !rw)
		return EDGE53_NOT_OURS;
	if (is_edge_port(pkt->dport) && side != ICMP_OF_ENFORCED_CLIENT)
		return find_client_of_error(pkt, side == ICMP_OF_EDGE, rw);
	if (pkt->dport != EDGE53_DNS_PORT || side == ICMP_TO_ENFORCED_CLIENT)
		return EDGE53_NOT_OURS;
	if (side == ICMP_OF_EDGE)
		return find_edge_service(pkt, &svc) ?: find_backend_of_error(pkt, rw);
	why = find_enforce_service(pkt, &svc) ?: apply_policy(pkt, svc);
	if (why)
		return EDGE53_NOT_OURS;
	/* What cannot be told to our resolver would go to the one that was asked. */
	return find_backend_of_error(pkt, rw) ? EDGE53_ICMP_DROPPED : GO_ON;
}

__weak __noinline int icmp_error_skb(struct __sk_buff *skb, struct packet *pkt, __u32 side)
{
	struct icmp_quote quote = {};
	struct rewrite rw = {};
	int verdict = TC_GO_ON;
	enum edge53_reason why;

	if (!pkt || !parse_quote(skb, pkt, &quote))
		return TC_GO_ON;
	why = translate_error(pkt, side, &rw) ?: rewrite_error(skb, pkt, &quote, &rw);
	if (why)
		return finish_skb(pkt, why, TC_GO_ON);
	if (rw.ifindex)
		why = rw.backend ? send_query_skb(skb, pkt, &rw, &verdict) :
				   send_reply_skb(skb, pkt, &rw, &verdict);
	return finish_skb(pkt, why ?: EDGE53_ICMP_SENT, verdict);
}

/* --- edge, tc: programs ------------------------------------------------------------------------ */

static __always_inline int edge_tc(struct __sk_buff *skb, __u32 l3_off, bool is_counted)
{
	struct packet pkt = {};

	if (parse_skb(skb, l3_off, &pkt))
		return TC_GO_ON;
	if (pkt.is_icmp_error)
		return icmp_error_skb(skb, &pkt, ICMP_OF_EDGE);
	if (pkt.is_later_fragment)
		return fragment_skb(skb, &pkt);
	if (pkt.dport == EDGE53_DNS_PORT)
		return conclude(skb, &pkt, query_skb(skb, &pkt, is_counted));
	if (is_edge_port(pkt.dport))
		return conclude(skb, &pkt, reply_skb(skb, &pkt));
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

static __always_inline bool is_enforced_port(__u16 port)
{
	return port == EDGE53_DNS_PORT || port == DOT_PORT || port == DOH_PORT;
}

__weak __noinline int enforce_query(struct __sk_buff *skb, struct packet *pkt)
{
	const struct edge53_service *svc;
	struct query_flow query;
	struct rewrite rw;
	__u64 now_ns;
	enum edge53_reason why;

	if (!pkt)
		return TC_GO_ON;
	now_ns = bpf_ktime_get_ns();
	why = find_enforce_service(pkt, &svc)
	   ?: apply_policy(pkt, svc)
	   ?: check_query(pkt)
	   ?: admit_client(pkt, now_ns)
	   ?: open_flow(pkt, svc, now_ns, &query)
	   ?: translate_query(pkt, &query, &rw)
	   ?: rewrite_skb(skb, pkt, &rw)
	   ?: count_query(pkt, &query, now_ns);
	return finish_query_skb(pkt, why, TC_GO_ON, 0);
}

/* IPv6 that hides what it is. */
__weak __noinline int enforce_hidden(struct packet *pkt)
{
	const struct edge53_service *svc;
	enum edge53_reason why;

	if (!pkt)
		return TC_GO_ON;
	why = find_enforce_service(pkt, &svc) ?: refuse_hidden(pkt, svc);
	return finish_query_skb(pkt, why, TC_GO_ON, 0);
}

/* Of what was refused; the rest of anything else passes. */
__weak __noinline int enforce_fragment(struct packet *pkt)
{
	const struct edge53_fragment *fragment;
	enum edge53_reason why = EDGE53_NOT_OURS;

	if (!pkt)
		return TC_GO_ON;
	fragment = recall_fragment(pkt, bpf_ktime_get_ns());
	if (fragment && fragment->is_refused) {
		pkt->service = fragment->flow.service;
		why = EDGE53_FRAGMENT_REFUSED;
	}
	return finish_skb(pkt, why, TC_GO_ON);
}

static __always_inline int enforce_in(struct __sk_buff *skb, __u32 l3_off)
{
	struct packet pkt = {};
	enum edge53_reason why = parse_skb(skb, l3_off, &pkt);

	if (why)
		return why == EDGE53_HIDDEN_BY_HEADERS ? enforce_hidden(&pkt) : TC_GO_ON;
	if (pkt.is_icmp_error)
		return icmp_error_skb(skb, &pkt, ICMP_OF_ENFORCED_CLIENT);
	if (pkt.is_later_fragment)
		return enforce_fragment(&pkt);
	if (is_enforced_port(pkt.dport))
		return conclude(skb, &pkt, enforce_query(skb, &pkt));
	return TC_GO_ON;
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

__weak __noinline int enforce_reply(struct __sk_buff *skb, struct packet *pkt)
{
	struct reply_flow reply;
	struct rewrite rw;
	__u64 now_ns;
	enum edge53_reason why;

	if (!pkt)
		return TC_GO_ON;
	now_ns = bpf_ktime_get_ns();
	why = find_flow(pkt, now_ns, &reply)
	   ?: check_client_device(pkt, &reply.flow)
	   ?: translate_reply(&reply.flow, &rw)
	   ?: take_reply(pkt, now_ns, &reply)
	   ?: remember_fragment(pkt, &reply.flow)
	   ?: rewrite_skb(skb, pkt, &rw)
	   ?: count_reply(pkt, &reply.flow, reply.match.latency_us, now_ns);
	return finish_skb(pkt, why, TC_GO_ON);
}

__weak __noinline int enforce_reply_fragment(struct __sk_buff *skb, struct packet *pkt)
{
	struct edge53_flow flow;
	struct rewrite rw;
	__u64 now_ns;
	enum edge53_reason why;

	if (!pkt)
		return TC_GO_ON;
	now_ns = bpf_ktime_get_ns();
	why = find_fragment(pkt, now_ns, &flow)
	   ?: translate_reply(&flow, &rw)
	   ?: rewrite_fragment_skb(skb, pkt, &rw)
	   ?: count_fragment(pkt, &flow, now_ns);
	return finish_skb(pkt, why, TC_GO_ON);
}

static __always_inline int enforce_out(struct __sk_buff *skb, __u32 l3_off)
{
	struct packet pkt = {};

	if (parse_skb(skb, l3_off, &pkt))
		return TC_GO_ON;
	if (pkt.is_icmp_error)
		return icmp_error_skb(skb, &pkt, ICMP_TO_ENFORCED_CLIENT);
	if (pkt.is_later_fragment)
		return enforce_reply_fragment(skb, &pkt);
	if (pkt.sport == EDGE53_DNS_PORT && is_edge_port(pkt.dport))
		return enforce_reply(skb, &pkt);
	return TC_GO_ON;
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
