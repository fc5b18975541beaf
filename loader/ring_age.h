/* SPDX-License-Identifier: GPL-2.0-only */
/* What a CPU's cursor says of its ring of slots. */
#ifndef EDGE53_RING_AGE_H
#define EDGE53_RING_AGE_H

#include "edge53_abi.h"

/* Slots are handed out in order, so each but the first round's is one that was used before. */
static inline __u64 ring_overwritten(const struct edge53_cpu_state *cpu, __u32 slots_per_cpu)
{
	return cpu->next_slot > slots_per_cpu ? cpu->next_slot - slots_per_cpu : 0;
}

/*
 * Age of the slot that was overwritten last, in units of 1,024 ns; 0: none was. A ring that goes round within a tick of
 * the clock overwrites slots that are not a moment old by it: that is the worst there is, and not nothing.
 */
static inline __u32 ring_age_us(const struct edge53_cpu_state *cpu, __u32 slots_per_cpu)
{
	if (!ring_overwritten(cpu, slots_per_cpu))
		return 0;
	return cpu->overwritten_age_us ? cpu->overwritten_age_us : 1;
}

#endif
