/* SPDX-License-Identifier: GPL-2.0-only */
/* What a histogram of latencies (struct edge53_backend_counters) says. Pure. */
#ifndef EDGE53_LATENCY_TABLE_H
#define EDGE53_LATENCY_TABLE_H

#include "edge53_abi.h"

/* Where a bucket ends, in ns: what it holds took less. 0: of the last one, which has no end. */
__u64 latency_end_ns(unsigned int bucket);

/* Replies that were timed. */
__u64 latency_count(const __u64 buckets[static EDGE53_LATENCY_BUCKETS]);

/*
 * The bucket of the reply that so many of a hundred were no slower than (nearest rank); percent: 1 to 100. There must be one at
 * least, or it is the last bucket.
 */
unsigned int latency_percentile(const __u64 buckets[static EDGE53_LATENCY_BUCKETS],
				unsigned int percent);

/* The same in words, "<1.05ms" or, from the last bucket, ">4.29s"; "-" without any. Returns buf. */
#define LATENCY_TEXT_LEN 24
const char *latency_text(const __u64 buckets[static EDGE53_LATENCY_BUCKETS], unsigned int percent,
			 char buf[static LATENCY_TEXT_LEN]);

#endif
