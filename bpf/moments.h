/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A table of moments, by whom they are of: a fixed number of buckets of four. It never allocates and never fails: who
 * has no place takes the one whose moment is earliest, which says the least (`rates`: a full bucket of tokens is what a
 * stranger has, too; `proven`: the oldest proof).
 *
 * All CPUs share it; a place is taken by compare and exchange. Two CPUs that meet a newcomer at once may give him two
 * places, of which the second is never found again and soon is the earliest.
 */
#ifndef EDGE53_MOMENTS_H
#define EDGE53_MOMENTS_H

#include "barrier.h"
#include "client_hash.h"
#include "maps.h"

#define MOMENT_FACTOR 0x9e3779b97f4a7c15ull /* odd, and its bits are even (2^64 / the golden ratio) */

/* Each use has a scope for each service, but for proofs, of which one is good for all. All are here, as no two may meet. */
enum moment_scope {
	SCOPE_OF_QUERIES = 0 * EDGE53_MAX_SERVICES,
	SCOPE_OF_PROOF = 1 * EDGE53_MAX_SERVICES,
	SCOPE_OF_NEW_CONNECTIONS = 2 * EDGE53_MAX_SERVICES,
	SCOPE_OF_SEATS = 3 * EDGE53_MAX_SERVICES,
	SCOPE_OF_RESPONSES = 4 * EDGE53_MAX_SERVICES,
	SCOPE_OF_UNPROVEN_SYNS = 5 * EDGE53_MAX_SERVICES,
};

/* Who that is: not 0. A scope for each use, so that services do not share what they know. */
static __always_inline __u64 moment_owner(__u64 high, __u64 low, __u32 scope)
{
	__u64 x = mix_address(knobs.token_keys, high ^ scope * MOMENT_FACTOR, low);

	return (x ^ x >> 32) | 1;
}

static __always_inline struct edge53_moments *moments_of(void *map, __u64 who)
{
	__u32 number = (__u32)((who * MOMENT_FACTOR) >> (64 - EDGE53_MOMENT_BUCKET_BITS));

	return bpf_map_lookup_elem(map, &number);
}

/* NULL: there is none of his. */
static __always_inline struct edge53_moment *find_moment(struct edge53_moments *bucket, __u64 who)
{
	for (__u32 i = 0; i < EDGE53_MOMENT_WAYS; i++)
		if (READ_ONCE(bucket->ways[i].who) == who)
			return &bucket->ways[i];
	return NULL;
}

/* A newcomer's, in place of the earliest. Another CPU that takes the same place at the same time wins. */
static __always_inline void put_moment(struct edge53_moments *bucket, __u64 who, __u64 at_ns)
{
	__u64 earliest_ns = READ_ONCE(bucket->ways[0].at_ns), owner;
	__u32 place = 0;

	for (__u32 i = 1; i < EDGE53_MOMENT_WAYS; i++) {
		if (READ_ONCE(bucket->ways[i].at_ns) >= earliest_ns)
			continue;
		earliest_ns = READ_ONCE(bucket->ways[i].at_ns);
		place = i;
	}
	place &= EDGE53_MOMENT_WAYS - 1;
	owner = READ_ONCE(bucket->ways[place].who);
	if (__sync_val_compare_and_swap(&bucket->ways[place].who, owner, who) == owner)
		WRITE_ONCE(bucket->ways[place].at_ns, at_ns);
}

#endif
