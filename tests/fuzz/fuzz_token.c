// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bijection between slots and ports and IDs is one, for all keys and widths.
 *
 * Input: four keys of 8 bytes, a byte for the width, two values of 4 bytes.
 */
#include "fuzz.h"

#include "token.h"

static void check_permutation(const __u64 keys[4], __u32 bits, __u32 a, __u32 b)
{
	__u32 mask = bits == 32 ? ~0u : (1u << bits) - 1;
	__u32 permuted_a = token_permute(keys, bits, a & mask);
	__u32 permuted_b = token_permute(keys, bits, b & mask);

	assert((permuted_a & ~mask) == 0);
	assert(token_unpermute(keys, bits, permuted_a) == (a & mask));
	assert(token_permute(keys, bits, token_unpermute(keys, bits, b & mask)) == (b & mask));
	assert((permuted_a == permuted_b) == ((a & mask) == (b & mask)));
}

static void check_knobs(const struct edge53_knobs *knobs, __u32 value)
{
	__u32 bits = knobs->port_bits + TOKEN_ID_BITS;
	__u32 mask = bits == 32 ? ~0u : (1u << bits) - 1;
	__u32 token = token_encode(knobs, value);
	__u32 index = value & ((1u << knobs->port_bits) - 1);
	__u32 port = token_port_of_conn(knobs, index);

	/* What is cut off above, a long lap, does not matter. */
	assert(token_decode(knobs, token) == (value & mask));
	assert(token >> TOKEN_ID_BITS < 1u << knobs->port_bits);
	assert(port < 1u << knobs->port_bits);
	assert(token_conn_of_port(knobs, port) == index);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, len };
	struct edge53_knobs knobs = {};
	__u32 a, b, bits;

	input_take(&in, knobs.token_keys, sizeof(knobs.token_keys));
	memcpy(knobs.slot_keys, knobs.token_keys, sizeof(knobs.slot_keys));
	bits = 1 + input_u8(&in) % 32;
	a = input_u32(&in);
	b = input_u32(&in);
	check_permutation(knobs.token_keys, bits, a, b);
	knobs.port_bits = 1 + bits % 16;
	check_knobs(&knobs, a);
	check_knobs(&knobs, b);
	return 0;
}
