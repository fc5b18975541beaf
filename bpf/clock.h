/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What time it is: CLOCK_MONOTONIC, as of the last tick (1 to 10 ms ago). The exact time is one of the
 * dearest things to ask for (docs/decisions.md, "Time"), and only latencies need it.
 */
#ifndef EDGE53_CLOCK_H
#define EDGE53_CLOCK_H

#include <bpf/bpf_helpers.h>

static __always_inline __u64 clock_ns(void)
{
	return bpf_ktime_get_coarse_ns();
}

/* In units of 1,024 ns, which this project calls us; wraps after 73 minutes. */
static __always_inline __u32 ns_to_us(__u64 ns)
{
	return (__u32)(ns >> 10);
}

/* Exact. */
static __always_inline __u32 clock_us(void)
{
	return ns_to_us(bpf_ktime_get_ns());
}

#endif
