/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rate_limit: how often may a prefix ask by UDP? Before anything is counted for the client or taken from the ring.
 *
 * A bucket of tokens is one number: the moment at which it is full again (the virtual scheduling algorithm of ITU-T
 * I.371). A query moves it by one interval; one that would move it further ahead of now than a burst is over the limit,
 * and moves nothing. Every query that is let through has moved it, whatever CPU it came by, so the rate is exact.
 */
#ifndef EDGE53_RATE_H
#define EDGE53_RATE_H

#include <linux/in.h>

#include "clock.h"
#include "moments.h"
#include "packet.h"
#include "proof.h"
#include "rewrite.h"
#include "service.h"

/* --- the bucket ------------------------------------------------------------------------------- */

/* Takes a token; false: there is none. */
static __always_inline bool take_token(struct edge53_moment *full, __u64 now_ns,
				       const struct edge53_rate_limit *limit)
{
	__u64 at_ns = READ_ONCE(full->at_ns);

	if (at_ns + limit->interval_ns > now_ns + limit->burst_ns)
		return false;
	if (at_ns < now_ns &&
	    __sync_val_compare_and_swap(&full->at_ns, at_ns, now_ns + limit->interval_ns) == at_ns)
		return true;
	__sync_fetch_and_add(&full->at_ns, limit->interval_ns);
	return true;
}

/*
 * Who asked under another limit may be further ahead than the burst of this one is long: he is refused now, and no
 * longer than any other from here on. CPUs that let one through at the same time get as far ahead as they are many.
 */
static __always_inline void heed_new_limit(struct edge53_moment *full, __u64 now_ns,
					   const struct edge53_rate_limit *limit)
{
	__u64 at_ns = READ_ONCE(full->at_ns);

	if (at_ns > now_ns + limit->burst_ns + limit->interval_ns)
		__sync_val_compare_and_swap(&full->at_ns, at_ns, now_ns + limit->burst_ns);
}

static __always_inline bool is_over_rate(__u64 high, __u64 low, __u32 service,
					 const struct edge53_rate_limit *limit)
{
	const __u64 *mask = (const __u64 *)limit->masks[!is_mapped_ipv4(high, low)].bytes;
	__u64 who = moment_owner(high & mask[0], low & mask[1], service), now_ns = clock_ns();
	struct edge53_moments *bucket = moments_of(&rates, who);
	struct edge53_moment *full;

	if (!bucket)
		return false;
	full = find_moment(bucket, who);
	if (!full) {
		put_moment(bucket, who, now_ns + limit->interval_ns);
		return false;
	}
	if (take_token(full, now_ns, limit))
		return false;
	/* The clock of the last tick is cheap and late: who seems to be over the limit is worth the exact one. */
	now_ns = bpf_ktime_get_ns();
	if (take_token(full, now_ns, limit))
		return false;
	heed_new_limit(full, now_ns, limit);
	return true;
}

/* --- for the steps ---------------------------------------------------------------------------- */

static __always_inline bool is_listed(__u64 high, __u64 low, __u32 service)
{
	struct edge53_addr client;
	__u64 *halves = (__u64 *)client.bytes;

	halves[0] = high;
	halves[1] = low;
	return is_exempt(service, &client);
}

/*
 * flags: of the service; query: what tells it from others. Asked again of the same one that is over the limit, it says
 * the same. Who is listed takes no token of his neighbours.
 */
__weak __noinline int judge_rate(__u64 high, __u64 low, __u32 service, __u32 flags, __u32 query)
{
	const struct edge53_rate_limit *limit = bpf_map_lookup_elem(&rate_limits, &service);

	if (!limit || (flags & EDGE53_SERVICE_EXEMPT && is_listed(high, low, service)) ||
	    !is_over_rate(high, low, service, limit) || is_proven(high, low, limit->proven_s))
		return GO_ON;
	if (!limit->slip)
		return EDGE53_RATE_DROPPED;
	return (query * 0x9e3779b1u >> 16) % limit->slip ? EDGE53_RATE_DROPPED
							 : EDGE53_RATE_TRUNCATED;
}

static __always_inline enum edge53_reason check_rate(const struct packet *pkt,
						     const struct edge53_service *svc)
{
	const __u64 *halves = (const __u64 *)pkt->saddr.bytes;

	if (!(svc->flags & EDGE53_SERVICE_RATE_LIMIT) || pkt->l4proto != IPPROTO_UDP)
		return GO_ON;
	return judge_rate(halves[0], halves[1], pkt->service, svc->flags,
			  (__u32)pkt->dns.id << 16 | pkt->sport);
}

/*
 * Whether XDP leaves it to tc, as it cannot answer at all, or not this packet. Both hooks must say the same, so it
 * depends on nothing that changes between them.
 */
static __always_inline bool is_rate_for_tc(const struct packet *pkt,
					   const struct edge53_service *svc)
{
	return svc->flags & EDGE53_SERVICE_RATE_LIMIT && pkt->l4proto == IPPROTO_UDP &&
	       (!(svc->flags & EDGE53_SERVICE_RATE_IN_XDP) || extra_headers_len(pkt) ||
		has_partial_checksum(pkt));
}

static __always_inline enum edge53_reason check_rate_xdp(const struct packet *pkt,
							 const struct edge53_service *svc)
{
	return is_rate_for_tc(pkt, svc) ? EDGE53_HANDED_TO_TC : check_rate(pkt, svc);
}

#endif
