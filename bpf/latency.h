/* SPDX-License-Identifier: GPL-2.0-only */
/* Which bucket of a histogram a latency belongs to. Pure: the host tests have it, too. */
#ifndef EDGE53_LATENCY_BUCKET_H
#define EDGE53_LATENCY_BUCKET_H

#include "edge53_abi.h"

/* Bucket n holds what took less than 2^n us (of 1,024 ns). */
static inline __attribute__((always_inline)) __u32 latency_bucket(__u32 latency_us)
{
	__u32 bucket = 0;

	if (latency_us >= 1u << 16) {
		bucket += 16;
		latency_us >>= 16;
	}
	if (latency_us >= 1u << 8) {
		bucket += 8;
		latency_us >>= 8;
	}
	if (latency_us >= 1u << 4) {
		bucket += 4;
		latency_us >>= 4;
	}
	if (latency_us >= 1u << 2) {
		bucket += 2;
		latency_us >>= 2;
	}
	bucket += latency_us >= 2 ? 2 : latency_us;
	return bucket < EDGE53_LATENCY_BUCKETS ? bucket : EDGE53_LATENCY_BUCKETS - 1;
}

#endif
