/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The keyed bijection between a slot (lap ‖ index) and what stands for it on the wire
 * (port offset ‖ DNS ID), and between a TCP connection's index and its port.
 *
 * A Feistel network whose halves need not be equal: two rounds, each XORs one half with a keyed
 * multiplicative hash of the other. It spreads consecutive slots evenly over ports and IDs and
 * keeps what is on the wire unpredictable to those who do not see it. It is not a cipher: somebody
 * who sees the traffic inside the tunnel needs no guess anyway. (More rounds would hide more from who sees
 * some of it, and cost a multiplication each that all that follows waits for.)
 *
 * Pure: also compiled by the loader and the tests.
 */
#ifndef EDGE53_TOKEN_H
#define EDGE53_TOKEN_H

#include <linux/types.h>

#include "knobs.h"

#define TOKEN_ID_BITS 16

static inline __u32 token_mix(__u32 half, __u64 key)
{
	/* The odd upper half of the key multiplies, the lower half whitens; the product's middle
	 * bits depend on all bits of both. */
	__u64 product = (__u64)(half ^ (__u32)key) * ((__u32)(key >> 32) | 1);

	return (__u32)(product >> 15) ^ (__u32)(product >> 32);
}

static inline __u32 token_permute(const volatile __u64 keys[2], __u32 bits, __u32 value)
{
	__u32 low_bits = bits / 2, low_mask = (1u << low_bits) - 1;
	__u32 high_mask = (1u << (bits - low_bits)) - 1;
	__u32 low = value & low_mask, high = (value >> low_bits) & high_mask;

	high ^= token_mix(low, keys[0]) & high_mask;
	low ^= token_mix(high, keys[1]) & low_mask;
	return high << low_bits | low;
}

static inline __u32 token_unpermute(const volatile __u64 keys[2], __u32 bits, __u32 value)
{
	__u32 low_bits = bits / 2, low_mask = (1u << low_bits) - 1;
	__u32 high_mask = (1u << (bits - low_bits)) - 1;
	__u32 low = value & low_mask, high = (value >> low_bits) & high_mask;

	low ^= token_mix(high, keys[1]) & low_mask;
	high ^= token_mix(low, keys[0]) & high_mask;
	return high << low_bits | low;
}

/*
 * plain: lap << slot_bits | index, cut to port_bits + 16 bits. Result: port offset << 16 | DNS ID.
 */
static inline __u32 token_encode(const volatile struct edge53_knobs *knobs, __u32 plain)
{
	return token_permute(knobs->slot_keys, knobs->port_bits + TOKEN_ID_BITS, plain);
}

static inline __u32 token_decode(const volatile struct edge53_knobs *knobs, __u32 token)
{
	return token_unpermute(knobs->slot_keys, knobs->port_bits + TOKEN_ID_BITS, token);
}

/* TCP: entry of `conns` → offset in the port range, and back. */
static inline __u32 token_port_of_conn(const volatile struct edge53_knobs *knobs, __u32 index)
{
	return token_permute(knobs->token_keys, knobs->port_bits, index);
}

static inline __u32 token_conn_of_port(const volatile struct edge53_knobs *knobs, __u32 offset)
{
	return token_unpermute(knobs->token_keys, knobs->port_bits, offset);
}

#endif
