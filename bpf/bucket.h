/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A bucket of tokens for each prefix, as one number: the moment at which it is full again (the virtual scheduling
 * algorithm of ITU-T I.371). What is let through moves it by what it costs; what would move it further ahead of now than
 * a burst is over the limit, and moves nothing. All that is let through has moved it, whatever CPU it came by, so the
 * rate is exact.
 */
#ifndef EDGE53_BUCKET_H
#define EDGE53_BUCKET_H

#include "clock.h"
#include "moments.h"
#include "proof.h"
#include "service.h"

/*
 * Takes tokens; false: there are not as many. Here and below what a query costs and a burst is are read where they are
 * when they are needed: kept, they would take stack that the callers need.
 */
static __always_inline bool take_tokens(struct edge53_moment *full, __u64 now_ns,
					const __u64 *cost_ns, const __u64 *burst_ns)
{
	__u64 at_ns = READ_ONCE(full->at_ns);

	if (at_ns + READ_ONCE(*cost_ns) > now_ns + READ_ONCE(*burst_ns))
		return false;
	if (at_ns < now_ns &&
	    __sync_val_compare_and_swap(&full->at_ns, at_ns,
					now_ns + READ_ONCE(*cost_ns)) == at_ns)
		return true;
	__sync_fetch_and_add(&full->at_ns, READ_ONCE(*cost_ns));
	return true;
}

/*
 * Who asked under another limit may be further ahead than the burst of this one is long: he is refused now, and no
 * longer than any other from here on. CPUs that let one through at the same time get as far ahead as they are many.
 */
static __always_inline void heed_new_limit(struct edge53_moment *full, __u64 now_ns,
					   const __u64 *cost_ns, const __u64 *burst_ns)
{
	__u64 at_ns = READ_ONCE(full->at_ns), latest_ns = now_ns + READ_ONCE(*burst_ns);

	if (at_ns > latest_ns + READ_ONCE(*cost_ns))
		__sync_val_compare_and_swap(&full->at_ns, at_ns, latest_ns);
}

/* scope: of the use and the service (moment_owner()); masks: of the prefixes by IPv4 and by IPv6. */
static __always_inline bool is_over_limit(__u64 high, __u64 low, __u32 scope,
					  const struct edge53_addr masks[2], const __u64 *cost_ns,
					  const __u64 *burst_ns)
{
	const __u64 *mask = (const __u64 *)masks[!is_mapped_ipv4(high, low)].bytes;
	__u64 who = moment_owner(high & mask[0], low & mask[1], scope), now_ns = clock_ns();
	struct edge53_moments *bucket = moments_of(&rates, who);
	struct edge53_moment *full;

	if (!bucket)
		return false;
	if (READ_ONCE(*cost_ns) > READ_ONCE(*burst_ns)) /* no bucket holds as much */
		return true;
	full = find_moment(bucket, who);
	if (!full) {
		put_moment(bucket, who, now_ns + READ_ONCE(*cost_ns));
		return false;
	}
	if (take_tokens(full, now_ns, cost_ns, burst_ns))
		return false;
	/* The clock of the last tick is cheap and late: who seems to be over the limit is worth the exact one. */
	now_ns = bpf_ktime_get_ns();
	if (take_tokens(full, now_ns, cost_ns, burst_ns))
		return false;
	heed_new_limit(full, now_ns, cost_ns, burst_ns);
	return true;
}

/* Whether the address is in `exempt`, for this use. */
static __always_inline bool is_listed(__u64 high, __u64 low, __u32 service,
				      enum edge53_exempt_use use)
{
	struct edge53_prefix_key key;
	struct edge53_addr client;
	__u64 *halves = (__u64 *)client.bytes;

	halves[0] = high;
	halves[1] = low;
	make_prefix_key(service, &client, &key);
	key.use = use;
	return bpf_map_lookup_elem(&exempt, &key);
}

#endif
