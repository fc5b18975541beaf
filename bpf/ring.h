/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * UDP flows: a ring of slots per CPU (docs/architecture.md, "the slot ring").
 *
 * The protocol between the CPU that writes a slot and another that reads it for a reply:
 *   writer: lap = 0; barrier; flow; barrier; lap = number << 1
 *   reader: word = lap; copy flow; compare-and-swap lap from word to word | ANSWERED
 * A reader whose swap fails saw a slot in motion and must forget what it copied.
 */
#ifndef EDGE53_RING_H
#define EDGE53_RING_H

#include "barrier.h"
#include "count.h"
#include "maps.h"
#include "packet.h"
#include "service.h"
#include "token.h"

/* CLOCK_MONOTONIC in units of 1,024 ns, which this project calls us; wraps after 73 minutes. */
static __always_inline __u32 ns_to_us(__u64 ns)
{
	return (__u32)(ns >> 10);
}

static __always_inline void note_overwritten(struct edge53_cpu_state *cpu, __u32 word,
					     const struct edge53_slot *slot, __u32 now_us)
{
	if (!word)
		return;
	if (!(word & EDGE53_SLOT_ANSWERED))
		cpu->unanswered++;
	cpu->overwritten_age_us = now_us - slot->opened_us;
}

/*
 * Takes the next slot of this CPU for a query and fills *flow, of which backend is chosen here.
 * *token: source port offset << 16 | DNS ID to send the query with.
 */
static __always_inline enum edge53_reason ring_open(const struct packet *pkt,
						    const struct edge53_service *svc, __u64 now_ns,
						    struct edge53_flow *flow, __u32 *token)
{
	struct edge53_cpu_state *cpu = this_cpu_state();
	__u32 n, index, lap, now_us = ns_to_us(now_ns);
	struct edge53_slot *slot;

	if (!cpu)
		return EDGE53_NO_BACKEND;
	n = cpu->next_slot % knobs.slots_per_cpu;
	lap = (__u32)(cpu->next_slot / knobs.slots_per_cpu) + 1;
	index = bpf_get_smp_processor_id() * knobs.slots_per_cpu + n;
	slot = bpf_map_lookup_elem(&slots, &index);
	if (!slot)
		return EDGE53_NO_BACKEND;
	*token = token_encode(&knobs, lap << knobs.slot_bits | index);

	flow->backend = svc->picks[pkt->is_ipv6 & 1].udp[*token % EDGE53_PICKS];
	if (!flow->backend)
		return no_backend(svc);
	cpu->next_slot++;
	flow->client = pkt->saddr;
	flow->asked = pkt->daddr;
	flow->client_port = pkt->sport;
	flow->client_id = pkt->dns.id;
	flow->device = pkt->device;
	flow->service = pkt->service;
	__builtin_memcpy(flow->client_mac, pkt->eth_src, ETH_ALEN);
	flow->flags = 0;
	if (svc->flags & EDGE53_SERVICE_KEEP_SOURCE)
		note_flow_flags(pkt, flow);

	note_overwritten(cpu, READ_ONCE(slot->lap), slot, now_us);
	WRITE_ONCE(slot->lap, 0);
	smp_wmb();
	slot->opened_us = now_us;
	slot->flow = *flow;
	slot->client_entry = pkt->client_entry;
	smp_wmb();
	WRITE_ONCE(slot->lap, lap << 1);
	return GO_ON;
}

/* Whether the packet comes from where the query went. */
static __always_inline bool is_from_backend(const struct packet *pkt,
					    const struct edge53_flow *flow,
					    const struct edge53_backend *backend,
					    __u16 backend_port)
{
	const struct edge53_addr *ours =
		keeps_source(flow, backend) ? &flow->client : &backend->source;

	return backend->service == flow->service && pkt->sport == backend_port &&
	       addr_equal(&pkt->saddr, &backend->address) && addr_equal(&pkt->daddr, ours);
}

/* A reply found its slot, and everything but the last check was made. */
struct ring_match {
	struct edge53_slot *slot;
	__u32 word;	  /* what lap was when the flow was copied */
	__u32 latency_us; /* since the query */
};

/* Finds the flow that a reply answers. Changes nothing; ring_answer() must confirm. */
static __always_inline enum edge53_reason ring_find(struct packet *pkt, __u64 now_ns,
						    struct edge53_flow *flow,
						    const struct edge53_backend **backend,
						    struct ring_match *match)
{
	__u32 token = (__u32)(pkt->dport - knobs.port_base) << TOKEN_ID_BITS | pkt->dns.id;
	__u32 plain = token_decode(&knobs, token);
	__u32 index = plain & ((1u << knobs.slot_bits) - 1);
	__u32 lap_bits = knobs.port_bits + TOKEN_ID_BITS - knobs.slot_bits;
	struct edge53_slot *slot = bpf_map_lookup_elem(&slots, &index);
	__u32 id;

	if (!slot)
		return EDGE53_REPLY_UNKNOWN;
	match->slot = slot;
	match->word = READ_ONCE(slot->lap);
	if (!match->word ||
	    ((match->word >> 1 ^ plain >> knobs.slot_bits) & ((1u << lap_bits) - 1)))
		return EDGE53_REPLY_UNKNOWN;
	smp_rmb();
	*flow = slot->flow;
	pkt->client_entry = slot->client_entry;
	match->latency_us = ns_to_us(now_ns) - slot->opened_us;

	id = flow->backend;
	*backend = bpf_map_lookup_elem(&backends, &id);
	if (!*backend || !is_from_backend(pkt, flow, *backend, (*backend)->udp_port))
		return EDGE53_REPLY_FOREIGN;
	pkt->service = flow->service;
	if (!(pkt->dns.flags & DNS_FLAG_QR))
		return EDGE53_REPLY_FOREIGN;
	if (match->latency_us > knobs.udp_timeout_us)
		return EDGE53_REPLY_EXPIRED;
	if (match->word & EDGE53_SLOT_ANSWERED)
		return EDGE53_REPLY_DUPLICATE;
	return GO_ON;
}

/* Marks the query answered, unless the slot was handed out anew since ring_find(). */
static __always_inline enum edge53_reason ring_answer(const struct ring_match *match)
{
	__u32 answered = match->word | EDGE53_SLOT_ANSWERED;

	if (__sync_val_compare_and_swap(&match->slot->lap, match->word, answered) != match->word)
		return EDGE53_REPLY_EXPIRED;
	return GO_ON;
}

#endif
