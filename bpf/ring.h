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
#include "trace.h"

#define LEAD_US 32768 /* more than a tick takes */

/* The first may be exact, and then up to a tick ahead of the second. */
static __always_inline __u32 us_between(__u32 from_us, __u32 to_us)
{
	__u32 us = to_us - from_us;

	return us > (__u32)-LEAD_US ? 0 : us;
}

static __always_inline void note_overwritten(struct edge53_cpu_state *cpu, __u32 word,
					     const struct edge53_slot *slot, __u32 now_us)
{
	if (!word)
		return;
	if (!(word & EDGE53_SLOT_ANSWERED))
		cpu->unanswered++;
	cpu->overwritten_age_us = us_between(slot->opened_us, now_us);
}

/* The slot that the next query on this CPU gets, and what follows from it. */
struct ring_turn {
	struct edge53_cpu_state *cpu;
	struct edge53_slot *slot;
	__u32 lap;
	__u32 token; /* source port offset << 16 | DNS ID to send the query with */
	__u8 backend;
};

/* Takes nothing yet. */
static __always_inline enum edge53_reason
ring_next(const struct packet *pkt, const struct edge53_service *svc, struct ring_turn *turn)
{
	struct edge53_cpu_state *cpu = this_cpu_state();
	__u32 n, index, token;

	if (!cpu)
		return EDGE53_NO_BACKEND;
	n = cpu->next_slot & (knobs.slots_per_cpu - 1); /* a power of two: no division */
	index = bpf_get_smp_processor_id() * knobs.slots_per_cpu + n;
	turn->cpu = cpu;
	turn->slot = LOOK_UP(slots, &index);
	if (!turn->slot)
		return EDGE53_NO_BACKEND;
	turn->lap = (__u32)(cpu->next_slot >> knobs.lap_shift) + 1;
	token = token_encode(&knobs, turn->lap << knobs.slot_bits | index);
	asm volatile("" : "+r"(token)); /* here and not later: what it is made of then needs no stack */
	turn->token = token;
	/* In turn: each as often as it is in the list. Not by the token, which takes a while. */
	turn->backend = svc->picks[pkt->is_ipv6 & 1].udp[n % EDGE53_PICKS];
	return turn->backend ? GO_ON : no_backend(pkt, svc);
}

/* Exactly timed is one query a tick. That of the flow is noted in it. */
static __always_inline __u32 time_query(struct edge53_cpu_state *cpu, __u64 now_ns,
					struct edge53_flow *flow)
{
	if (cpu->timed_at_ns == now_ns)
		return ns_to_us(now_ns);
	cpu->timed_at_ns = now_ns;
	flow->flags |= EDGE53_FLOW_TIMED;
	return clock_us();
}

/* Takes the slot for a query. */
static __always_inline void ring_open(const struct packet *pkt, const struct ring_turn *turn,
				      __u64 now_ns, struct edge53_flow *flow)
{
	struct edge53_slot *slot = turn->slot;

	turn->cpu->next_slot++;
	note_overwritten(turn->cpu, READ_ONCE(slot->lap), slot, ns_to_us(now_ns));
	WRITE_ONCE(slot->lap, 0);
	smp_wmb();
	slot->opened_us = time_query(turn->cpu, now_ns, flow);
	slot->flow = *flow;
	slot->client_entry = pkt->client_entry;
	smp_wmb();
	WRITE_ONCE(slot->lap, turn->lap << 1);
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
	struct edge53_slot *slot = LOOK_UP(slots, &index);
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
	match->latency_us =
		us_between(slot->opened_us,
			   flow->flags & EDGE53_FLOW_TIMED ? clock_us() : ns_to_us(now_ns));

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
