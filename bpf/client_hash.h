/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a client's address is looked for in `client_index`: bucket and tag, from one keyed hash. moments.h mixes
 * addresses the same way.
 *
 * Two rounds of multiply and shift. The keys are secret, so that nobody can aim at one bucket. Each half is
 * folded before it is multiplied: a product's upper bits depend on all of a factor, but its lower bits not on the
 * factor's upper ones, where a little-endian word has the end of the address.
 *
 * Pure: also compiled by the tests.
 */
#ifndef EDGE53_CLIENT_HASH_H
#define EDGE53_CLIENT_HASH_H

#include <linux/types.h>

/* high, low: the halves of the address as words in network order. The upper bits of the result are the good ones. */
static inline __attribute__((always_inline)) __u64 mix_address(const volatile __u64 keys[4],
							       __u64 high, __u64 low)
{
	__u64 x;

	high ^= keys[0];
	x = (high ^ high >> 32) * (keys[1] | 1);
	low ^= keys[2];
	return ((x ^ x >> 32) + (low ^ low >> 32)) * (keys[3] | 1);
}

static inline __attribute__((always_inline)) __u32 client_hash(const volatile __u64 keys[4],
							       __u64 high, __u64 low)
{
	return (__u32)(mix_address(keys, high, low) >> 32);
}

/* The upper bits choose the bucket among a CPU's 2^bucket_bits ... */
static inline __attribute__((always_inline)) __u32 client_bucket(__u32 hash, __u32 bucket_bits)
{
	return (__u32)(((__u64)hash << bucket_bits) >> 32);
}

/* ... and the lower ones are the tag, as it stands in a way: above the number of the entry. */
static inline __attribute__((always_inline)) __u32 client_tag(__u32 hash, __u32 entry_bits)
{
	return hash << entry_bits;
}

#endif
