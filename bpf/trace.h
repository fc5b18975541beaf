/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How `edge53 explain` sees the steps. The object is built a second time with EDGE53_TRACE, and what is here then keeps
 * a record (edge53_steps.h) in memory that explain reads. In the live object each of these is the call itself, or
 * nothing: not one instruction of it differs, which a load-time constant could not promise (docs/decisions.md).
 *
 * The record is one global, not a map to look up: no helper is called, and no register saved for it. Only one run at a
 * time writes it.
 */
#ifndef EDGE53_TRACE_H
#define EDGE53_TRACE_H

#include <bpf/bpf_helpers.h>

#ifndef EDGE53_TRACE

#define CHAIN(name) ((void)0)
#define STEP(step, ...) step(__VA_ARGS__)
#define ASK(step, ...) step(__VA_ARGS__)
#define LOOK_UP(map, key) bpf_map_lookup_elem(&map, key)
#define TRACE_ANEW() ((void)0)
#define TRACE_END(pkt, why) ((void)0)
#define TRACE_ANSWER(how) ((void)0)
#define TRACE_COUNTED() ((void)0)
#define TRACE_WAY(rw) ((void)0)

#else

#include "edge53_steps.h"

struct edge53_trace trace;

static __noinline void trace_note(__u8 kind, __u16 what, __u32 result)
{
	struct edge53_trace_note *note = &trace.notes[trace.n_notes % EDGE53_TRACE_NOTES];

	trace.n_notes++;
	note->kind = kind;
	note->what = what;
	note->result = result;
}

static __always_inline void trace_miss(__u32 table, __u32 index)
{
	struct edge53_trace_miss *miss = &trace.misses[trace.n_misses % EDGE53_TRACE_MISSES];

	trace.n_misses++;
	miss->table = table;
	miss->index = index;
}

/* A chain begins. */
#define CHAIN(name) trace_note(EDGE53_TRACE_CHAIN, EDGE53_CHAIN_##name, 0)

/* A step, and what it came to. */
#define STEP(step, ...)                                                                            \
	({                                                                                         \
		enum edge53_reason _why = (enum edge53_reason)step(__VA_ARGS__);                   \
		trace_note(EDGE53_TRACE_STEP, EDGE53_STEP_##step, _why);                           \
		_why;                                                                              \
	})

/* A question that is answered with yes (nonzero, or a pointer) or no. */
#define ASK(step, ...)                                                                             \
	({                                                                                         \
		__auto_type _answer = step(__VA_ARGS__);                                           \
		trace_note(EDGE53_TRACE_QUESTION, EDGE53_STEP_##step, !!_answer);                  \
		_answer;                                                                           \
	})

/* In one of the tables of enum edge53_sparse. */
#define LOOK_UP(map, key)                                                                          \
	({                                                                                         \
		void *_value = bpf_map_lookup_elem(&map, key);                                     \
		if (!_value)                                                                       \
			trace_miss(EDGE53_SPARSE_##map, *(key));                                   \
		_value;                                                                            \
	})

/* Nothing has happened: what was noted does not count. */
#define TRACE_ANEW() (trace.n_notes = 0)

/* Where the packet stopped. */
#define TRACE_END(pkt, why)                                                                        \
	({                                                                                         \
		trace.reason = why;                                                                \
		trace.service = (pkt)->service;                                                    \
		trace.client_entry = (pkt)->client_entry;                                          \
	})

/* The packet is made an answer. */
#define TRACE_ANSWER(how) trace_note(EDGE53_TRACE_STEP, EDGE53_STEP_##how, 0)

#define TRACE_COUNTED() (trace.is_counted = 1)

/* Where it is sent. */
#define TRACE_WAY(rw)                                                                              \
	({                                                                                         \
		trace.way.ifindex = (rw)->ifindex;                                                 \
		trace.way.backend = (rw)->backend;                                                 \
		trace.way.to_ethernet = (rw)->to_ethernet;                                         \
		__builtin_memcpy(trace.way.dmac, (rw)->dmac, sizeof(trace.way.dmac));              \
		__builtin_memcpy(trace.way.smac, (rw)->smac, sizeof(trace.way.smac));              \
	})

#endif

#endif
