/* SPDX-License-Identifier: GPL-2.0-only */
/* From the reason a chain ended with to the verdict of its hook, and whether the sender is told. */
#ifndef EDGE53_VERDICT_H
#define EDGE53_VERDICT_H

#include "answer.h"
#include "count.h"
#include "fragment.h"
#include "packet.h"
#include "parse_skb.h"
#include "trace.h"
#include "truncated.h"

/* Not TC_ACT_OK: the packet goes on to whoever else is attached (tcx: TCX_NEXT). */
#define TC_GO_ON TC_ACT_UNSPEC

#define FATE_CASE(name, fate, sentence)                                                            \
	case EDGE53_##name:                                                                        \
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
	TRACE_END(pkt, why);
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

/*
 * What XDP passes meets tc next, which judges it again and counts it there; only tc can answer (but SERVFAIL, for
 * which XDP comes here only when it cannot).
 */
static __always_inline int finish_xdp(const struct packet *pkt, enum edge53_reason why, int sent)
{
	TRACE_END(pkt, why);
	if (fate_of(why) == EDGE53_PASS || why == EDGE53_TTL_EXPIRED || why == EDGE53_TOO_BIG ||
	    why == EDGE53_TRUNCATED || why == EDGE53_NO_BACKEND_SERVFAIL ||
	    why == EDGE53_NO_BACKEND_RESET)
		return XDP_PASS;
	return finish(pkt, why, XDP_PASS, XDP_DROP, sent);
}

/*
 * A chain at tc comes to a verdict, or to this: the sender is to be told, which is done when the stack
 * of the chain is free again.
 */
#define OUTCOME_ANSWER 0x40000000 /* | enum answer | MTU << 8 */

/*
 * A chain for replies, in either hook, comes to this where the reply is over response_limit, and nothing was taken: it is cut
 * when the stack of the chain is free again, and goes through the chain once more.
 */
#define OUTCOME_CUT 0x20000000 /* | whether its query had EDNS */

static __always_inline int cut_outcome(const struct edge53_flow *flow)
{
	return OUTCOME_CUT | !!(flow->flags & EDGE53_FLOW_EDNS);
}

static __always_inline bool is_to_be_cut(int outcome)
{
	return (outcome & ~1) == OUTCOME_CUT;
}

/* What the backend said is what is counted, and that it was cut. */
static __always_inline void note_cut(struct packet *pkt, __u32 dns_flags)
{
	pkt->is_cut = true;
	pkt->dns.flags = dns_flags | DNS_FLAG_TC;
}

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
	case EDGE53_TRUNCATED:
	case EDGE53_RATE_TRUNCATED:
	case EDGE53_ANY_TRUNCATED:
		return ANSWER_TRUNCATED;
	case EDGE53_NO_BACKEND_SERVFAIL:
		return ANSWER_SERVFAIL;
	case EDGE53_NO_BACKEND_RESET:
		return ANSWER_RESET;
	case EDGE53_COOKIE_SENT:
		return ANSWER_COOKIE;
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

	if (!answer || !may_be_answered(pkt) || (answer == ANSWER_TOO_BIG && !pkt->dont_fragment))
		return verdict;
	return OUTCOME_ANSWER | answer | mtu << 8;
}

/* A query: its later fragments share the fate of the first. */
static __always_inline int finish_query_skb(const struct packet *pkt, enum edge53_reason why,
					    int sent, __u32 mtu)
{
	if (pkt->is_first_fragment && fate_of(why) == EDGE53_DROP)
		remember_first_fragment(pkt, NULL);
	return finish_or_answer(pkt, why, sent, mtu);
}

/* Tells the sender of a packet that ends here. */
static __always_inline int answer_skb(struct __sk_buff *skb, const struct packet *pkt, int outcome)
{
	enum answer answer = outcome & 0xff;

	/* Not longer than the query, and of no use to a forger. */
	if (answer == ANSWER_TRUNCATED || answer == ANSWER_SERVFAIL)
		return answer_dns(skb, pkt,
				  answer == ANSWER_SERVFAIL ? DNS_RCODE_SERVFAIL : DNS_FLAG_TC);
	/* As each gets one who asks a listening host. */
	if (answer == ANSWER_COOKIE)
		return answer_tcp(skb, pkt, answer);
	if (!is_within_budget())
		return TC_ACT_SHOT;
	if (answer == ANSWER_RESET || (answer == ANSWER_REFUSED && pkt->l4proto == IPPROTO_TCP))
		return answer_tcp(skb, pkt, answer);
	return answer_icmp(skb, pkt, answer, (outcome & ~OUTCOME_ANSWER) >> 8);
}

static __always_inline int conclude(struct __sk_buff *skb, const struct packet *pkt, int outcome)
{
	if (outcome < OUTCOME_ANSWER)
		return outcome;
	TRACE_ANSWER(answer_skb);
	return answer_skb(skb, pkt, outcome);
}

/* Where the reply was over response_limit: what is left of it is in *pkt. */
static __always_inline bool cut_skb(struct __sk_buff *skb, __u32 l3_off, struct packet *pkt, int outcome)
{
	__u32 dns_flags = pkt->dns.flags;

	TRACE_ANSWER(cut_reply_skb);
	if (!cut_reply_skb(skb, pkt, outcome & 1))
		return false;
	__builtin_memset(pkt, 0, sizeof(*pkt));
	if (parse_skb(skb, l3_off, pkt))
		return false;
	note_cut(pkt, dns_flags);
	return true;
}

#endif
