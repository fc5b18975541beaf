/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Internet checksum arithmetic (RFC 1071), and its incremental update (RFC 1624). Pure.
 *
 * Sums are of 16-bit words as they lie in memory, so byte order does not matter (RFC 1071 section
 * 2B). A running difference is built with csum_sub() of what was there and csum_add() of what will
 * be, and folded into a checksum field once.
 */
#ifndef EDGE53_CHECKSUM_H
#define EDGE53_CHECKSUM_H

#include <linux/types.h>

/* The sum of data that bears a right checksum. */
#define CSUM_OF_SOUND 0xffff

static inline __u16 csum_fold(__u64 sum)
{
	__u32 half;

	/* The sum of both halves, with the carry of it, is the upper half of the sum with the halves swapped. */
	sum += sum << 32 | sum >> 32;
	half = (__u32)(sum >> 32);
	half += half << 16 | half >> 16;
	return (__u16)(half >> 16);
}

static inline __u64 csum_add32(__u64 sum, __u32 word)
{
	return sum + word;
}

static inline __u64 csum_sub32(__u64 sum, __u32 word)
{
	return sum + (__u32)~word;
}

static inline __u64 csum_add16(__u64 sum, __u16 word)
{
	return sum + word;
}

static inline __u64 csum_sub16(__u64 sum, __u16 word)
{
	return sum + (__u16)~word;
}

/* New value of a checksum field when the data under it changed by diff (RFC 1624, eqn. 3). */
static inline __u16 csum_replace(__u16 check, __u64 diff)
{
	return (__u16)~csum_fold(diff + (__u16)~check);
}

#endif
