/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Later fragments have no ports. What became of the first one is remembered under what they have in
 * common, for as long as a receiver would wait for them.
 */
#ifndef EDGE53_FRAGMENT_H
#define EDGE53_FRAGMENT_H

#include "maps.h"
#include "packet.h"

#define FRAGMENT_TIMEOUT_NS 30000000000ull /* net.ipv4.ipfrag_time */

static __always_inline void make_fragment_key(const struct packet *pkt,
					      struct edge53_fragment_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->saddr = pkt->saddr;
	key->daddr = pkt->daddr;
	key->ifindex = pkt->ifindex;
	key->id = pkt->fragment_id;
	/* IPv6 numbers the datagrams between two hosts whatever is in them (RFC 8200 section 4.5). */
	key->l4proto = pkt->is_ipv6 ? 0 : pkt->l4proto;
	key->is_return = pkt->is_return;
}

/* flow: NULL when the packet was refused. A function of its own, for the stack it needs. */
__weak __noinline int remember_first_fragment(const struct packet *pkt,
					      const struct edge53_flow *flow)
{
	struct edge53_fragment fragment = { .seen_ns = clock_ns(), .is_refused = !flow };
	struct edge53_fragment_key key;

	if (!pkt)
		return 0;
	make_fragment_key(pkt, &key);
	if (flow)
		fragment.flow = *flow;
	else
		fragment.flow.service = pkt->service;
	bpf_map_update_elem(&fragments, &key, &fragment, BPF_ANY);
	return 0;
}

/* What is known of the datagram that a later fragment belongs to, or NULL. */
static __always_inline const struct edge53_fragment *recall_fragment(const struct packet *pkt,
								     __u64 now_ns)
{
	struct edge53_fragment_key key;
	const struct edge53_fragment *fragment;

	make_fragment_key(pkt, &key);
	fragment = bpf_map_lookup_elem(&fragments, &key);
	if (!fragment || now_ns - fragment->seen_ns > FRAGMENT_TIMEOUT_NS)
		return NULL;
	return fragment;
}

#endif
