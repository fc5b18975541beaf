/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hands queries and replies to readers outside of the kernel, as the client sends and gets them: queries when they are
 * admitted, before anything is changed, and replies when they are rewritten. Off, it costs a load and a branch.
 *
 * Which messages are taken is no state but a hash, the same for a query and its reply. A plain packet that is taken
 * goes the general way, so that in plain.h no register has to outlive a call. Of TCP, where no ID was read, all of a
 * connection is taken or nothing.
 */
#ifndef EDGE53_SAMPLE_H
#define EDGE53_SAMPLE_H

#include <linux/errno.h>
#include <linux/in.h>

#include "maps.h"
#include "packet.h"
#include "translate.h"

#define SAMPLE_HASH_FACTOR 0x9e3779b1u /* 2^32 / golden ratio: its upper bits depend on all bits */

/* Of EDGE53_SAMPLE_HASH_BITS. No secret: a client that wants to can avoid being taken. */
static __always_inline __u32 sample_hash(const struct edge53_addr *client, __u16 port, __u16 dns_id)
{
	const __u32 *word = (const __u32 *)client->bytes;
	__u32 mix = word[0] ^ word[1] ^ word[2] ^ word[3];

	mix = (mix * SAMPLE_HASH_FACTOR) ^ ((__u32)port << 16 | dns_id);
	mix ^= mix >> 15;
	return mix * SAMPLE_HASH_FACTOR >> (32 - EDGE53_SAMPLE_HASH_BITS);
}

static __always_inline bool is_sampling(void)
{
	return *(volatile __u64 *)&sampling.any;
}

static __always_inline bool is_taken(__u32 hash)
{
	return hash < sampling.limits[EDGE53_SAMPLE_DNSTAP] ||
	       hash < sampling.limits[EDGE53_SAMPLE_NAMES];
}

/* Whether a plain query has to go the general way. */
static __always_inline bool is_sampled_query(const struct packet *pkt)
{
	return is_sampling() && is_taken(sample_hash(&pkt->saddr, pkt->sport, pkt->dns.id));
}

static __always_inline bool is_sampled_reply(const struct edge53_flow *flow)
{
	return is_sampling() &&
	       is_taken(sample_hash(&flow->client, flow->client_port, flow->client_id));
}

/* --- handing over ----------------------------------------------------------------------------- */

static __always_inline void count_sample(__u32 reader, long error)
{
	struct edge53_sample_counters *counters = bpf_map_lookup_elem(&sample_counters, &reader);

	if (!counters)
		return;
	counters->taken++;
	if (error == -ENOSPC)
		counters->no_room++;
	else if (error)
		counters->no_reader++;
}

static __always_inline __u64 event_flags(__u32 len, __u32 max_len)
{
	return BPF_F_CURRENT_CPU | (__u64)(len < max_len ? len : max_len) << 32;
}

/* A reader of names that died has left its limit behind. */
static __always_inline bool is_names_time(__u64 now_ns)
{
	if (now_ns < sampling.names_until_ns)
		return true;
	sampling.limits[EDGE53_SAMPLE_NAMES] = 0;
	return false;
}

/* ctx: of either hook; len: of the packet; about: see take_packet(). */
static __always_inline int hand_over(void *ctx, __u32 len, __u32 hash, __u32 about)
{
	struct edge53_sample sample = {
		.time_ns = bpf_ktime_get_ns(),
		.packet_len = len,
		.l3_off = about >> 16,
		.kind = about >> 8,
		.service = about,
	};
	long error;

	if (hash < sampling.limits[EDGE53_SAMPLE_DNSTAP]) {
		error = bpf_perf_event_output(ctx, &dnstap_events,
					      event_flags(len, EDGE53_SAMPLE_BYTES), &sample,
					      sizeof(sample));
		count_sample(EDGE53_SAMPLE_DNSTAP, error);
	}
	if (sample.kind == EDGE53_SAMPLE_QUERY && hash < sampling.limits[EDGE53_SAMPLE_NAMES] &&
	    is_names_time(sample.time_ns)) {
		error = bpf_perf_event_output(ctx, &names_events,
					      event_flags(len, EDGE53_SAMPLE_NAMES_BYTES), &sample,
					      sizeof(sample));
		count_sample(EDGE53_SAMPLE_NAMES, error);
	}
	return 0;
}

/* Global functions: the verifier looks at each once, and its stack is beside that of the steps. */
__weak __noinline int hand_over_xdp(struct xdp_md *ctx, __u32 hash, __u32 about)
{
	return hand_over(ctx, bpf_xdp_get_buff_len(ctx), hash, about);
}

__weak __noinline int hand_over_skb(struct __sk_buff *skb, __u32 hash, __u32 about)
{
	return hand_over(skb, skb->len, hash, about);
}

/* --- the steps -------------------------------------------------------------------------------- */

static __always_inline void take_packet(void *ctx, bool is_xdp, const struct packet *pkt,
					__u32 hash, enum edge53_sample_kind kind)
{
	__u32 about = pkt->l3_off << 16 | kind << 8 | pkt->service;

	if (is_xdp)
		hand_over_xdp(ctx, hash, about);
	else
		hand_over_skb(ctx, hash, about);
}

static __always_inline bool has_message(const struct packet *pkt)
{
	return pkt->l4proto == IPPROTO_UDP || tcp_payload_len(pkt);
}

static __always_inline enum edge53_reason take_query(void *ctx, bool is_xdp,
						     const struct packet *pkt)
{
	__u32 hash;

	if (!is_sampling() || !has_message(pkt))
		return GO_ON;
	hash = sample_hash(&pkt->saddr, pkt->sport, pkt->dns.id);
	if (is_taken(hash))
		take_packet(ctx, is_xdp, pkt, hash, EDGE53_SAMPLE_QUERY);
	return GO_ON;
}

static __always_inline enum edge53_reason sample_reply(void *ctx, bool is_xdp,
						       const struct packet *pkt,
						       const struct edge53_flow *flow)
{
	__u32 hash;

	if (!is_sampling() || !has_message(pkt))
		return GO_ON;
	hash = sample_hash(&flow->client, flow->client_port, flow->client_id);
	if (is_taken(hash))
		take_packet(ctx, is_xdp, pkt, hash, EDGE53_SAMPLE_REPLY);
	return GO_ON;
}

/* Functions of their own, for the stack of the chains. */
static __noinline enum edge53_reason sample_query_xdp(struct xdp_md *ctx, const struct packet *pkt)
{
	return take_query(ctx, true, pkt);
}

static __noinline enum edge53_reason sample_query_skb(struct __sk_buff *skb, const struct packet *pkt)
{
	return take_query(skb, false, pkt);
}

#endif
