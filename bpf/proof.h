/* SPDX-License-Identifier: GPL-2.0-only */
/* Whose source address is no forgery: who completed a TCP handshake, or returned a cookie, not long ago. */
#ifndef EDGE53_PROOF_H
#define EDGE53_PROOF_H

#include "clock.h"
#include "moments.h"
#include "packet.h"

#define NS_PER_S 1000000000ull

/* Who has one address of an IPv6 network may have them all: the first half stands for it. */
static __always_inline __u64 proof_owner(__u64 high, __u64 low)
{
	return moment_owner(high, is_mapped_ipv4(high, low) ? low : 0, SCOPE_OF_PROOF);
}

/*
 * Who can send to the backend's device what looks like its answers may have made up the SYN-ACK, too, so a handshake
 * through one device proves nothing.
 */
static __always_inline bool is_another_device(__u32 backend, __u32 ifindex)
{
	const struct edge53_backend *b = bpf_map_lookup_elem(&backends, &backend);

	return b && b->ifindex != ifindex;
}

static __always_inline void prove(__u64 high, __u64 low)
{
	__u64 who = proof_owner(high, low), now_ns = clock_ns();
	struct edge53_moments *bucket = moments_of(&proven, who);
	struct edge53_moment *last;

	if (!bucket)
		return;
	last = find_moment(bucket, who);
	if (last)
		WRITE_ONCE(last->at_ns, now_ns);
	else
		put_moment(bucket, who, now_ns);
}

/*
 * Who completed a TCP handshake with the backend, by the device, really is where he says. A global function, for the
 * stack of the caller.
 */
__weak __noinline int note_proof(__u64 high, __u64 low, __u32 backend, __u32 ifindex)
{
	if (is_another_device(backend, ifindex))
		prove(high, low);
	return 0;
}

/* Within so many seconds. */
static __always_inline bool is_proven(__u64 high, __u64 low, __u32 proven_s)
{
	__u64 who = proof_owner(high, low);
	struct edge53_moments *bucket = moments_of(&proven, who);
	struct edge53_moment *last;

	if (!proven_s || !bucket)
		return false;
	last = find_moment(bucket, who);
	return last && clock_ns() - READ_ONCE(last->at_ns) < proven_s * NS_PER_S;
}

#endif
