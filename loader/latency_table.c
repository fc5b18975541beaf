// SPDX-License-Identifier: GPL-2.0-only
#include "latency_table.h"

#include <stdio.h>

#define UNIT_NS 1024ull /* what the dataplane takes for a microsecond: a shift, and no division */
#define LAST (EDGE53_LATENCY_BUCKETS - 1)

__u64 latency_end_ns(unsigned int bucket)
{
	return bucket < LAST ? UNIT_NS << bucket : 0;
}

__u64 latency_count(const __u64 buckets[static EDGE53_LATENCY_BUCKETS])
{
	__u64 count = 0;

	for (unsigned int i = 0; i < EDGE53_LATENCY_BUCKETS; i++)
		count += buckets[i];
	return count;
}

unsigned int latency_percentile(const __u64 buckets[static EDGE53_LATENCY_BUCKETS],
				unsigned int percent)
{
	__u64 count = latency_count(buckets), seen = 0;
	/* count * percent / 100, rounded up, where the product may not fit. */
	__u64 rank = count / 100 * percent + (count % 100 * percent + 99) / 100;

	for (unsigned int i = 0; i < LAST; i++) {
		seen += buckets[i];
		if (seen && seen >= rank)
			return i;
	}
	return LAST;
}

/* Three digits and the unit that suits. */
static void print_ns(char buf[static LATENCY_TEXT_LEN], char sign, __u64 ns)
{
	if (ns < 1000000)
		snprintf(buf, LATENCY_TEXT_LEN, "%c%.3gus", sign, (double)ns / 1e3);
	else if (ns < 1000000000)
		snprintf(buf, LATENCY_TEXT_LEN, "%c%.3gms", sign, (double)ns / 1e6);
	else
		snprintf(buf, LATENCY_TEXT_LEN, "%c%.3gs", sign, (double)ns / 1e9);
}

const char *latency_text(const __u64 buckets[static EDGE53_LATENCY_BUCKETS], unsigned int percent,
			 char buf[static LATENCY_TEXT_LEN])
{
	unsigned int bucket = latency_percentile(buckets, percent);

	if (!latency_count(buckets))
		return "-";
	if (bucket == LAST)
		print_ns(buf, '>', latency_end_ns(LAST - 1));
	else
		print_ns(buf, '<', latency_end_ns(bucket));
	return buf;
}
