// SPDX-License-Identifier: GPL-2.0-only
/* The bijection between slots and what stands for them on the wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../bpf/token.h"

static const __u64 key_sets[][4] = {
	{ 0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89 },
	{ 0x452821e638d01377, 0xbe5466cf34e90c6c, 0xc0ac29b7c97c50dd, 0x3f84d5b5b5470917 },
	{ 0, 0, 0, 0 }, /* no key is still a bijection */
	{ ~0ull, ~0ull, ~0ull, ~0ull },
};

#define N_KEY_SETS (sizeof(key_sets) / sizeof(*key_sets))

static struct edge53_knobs knobs_of(unsigned key_set, unsigned port_bits, unsigned slot_bits)
{
	struct edge53_knobs knobs = { .port_bits = port_bits, .slot_bits = slot_bits };

	memcpy(knobs.token_keys, key_sets[key_set], sizeof(knobs.token_keys));
	memcpy(knobs.slot_keys, key_sets[key_set], sizeof(knobs.slot_keys));
	return knobs;
}

/* Every value of every width up to 20 bits is met exactly once. */
static void each_value_is_met_once(void **state)
{
	bool *met = malloc(1u << 20);

	(void)state;
	for (unsigned set = 0; set < N_KEY_SETS; set++)
		for (unsigned bits = 1; bits <= 20; bits++) {
			memset(met, 0, 1u << bits);
			for (__u32 value = 0; value < 1u << bits; value++) {
				__u32 permuted = token_permute(key_sets[set], bits, value);

				assert_true(permuted < 1u << bits);
				assert_false(met[permuted]);
				met[permuted] = true;
				assert_int_equal(token_unpermute(key_sets[set], bits, permuted),
						 value);
			}
		}
	free(met);
}

static void decode_undoes_encode(void **state)
{
	(void)state;
	srandom(53);
	for (unsigned port_bits = 1; port_bits <= 16; port_bits++) {
		struct edge53_knobs knobs = knobs_of(0, port_bits, 15);
		unsigned bits = port_bits + TOKEN_ID_BITS;
		__u32 mask = bits == 32 ? ~0u : (1u << bits) - 1;

		for (int i = 0; i < 100000; i++) {
			__u32 plain = random() ^ (__u32)random() << 16;
			__u32 token = token_encode(&knobs, plain);

			/* What is cut off above, a long lap, does not matter. */
			assert_int_equal(token_encode(&knobs, plain & mask), token);
			assert_int_equal(token_decode(&knobs, token), plain & mask);
			assert_true((token & ~mask) == 0);
		}
	}
}

static void ports_of_connections_are_a_bijection(void **state)
{
	static const unsigned widths[] = { 1, 9, 14, 15, 16 };

	(void)state;
	for (size_t w = 0; w < sizeof(widths) / sizeof(*widths); w++) {
		struct edge53_knobs knobs = knobs_of(1, widths[w], 0);

		for (__u32 index = 0; index < 1u << widths[w]; index++) {
			__u32 offset = token_port_of_conn(&knobs, index);

			assert_true(offset < 1u << widths[w]);
			assert_int_equal(token_conn_of_port(&knobs, offset), index);
		}
	}
}

/*
 * Consecutive slots look unlike each other: each port gets its share, IDs do not repeat soon, and
 * the low bits of the ID, which pick the backend, are even.
 */
static void consecutive_slots_are_spread(void **state)
{
	const unsigned n = 1 << 16;
	struct edge53_knobs knobs = knobs_of(0, 14, 17);
	unsigned picks[64] = {}, same_port = 0, *ports = calloc(1 << 14, sizeof(*ports)), most = 0;
	__u32 last = 0;

	(void)state;
	for (__u32 i = 0; i < n; i++) {
		__u32 token = token_encode(&knobs, 1u << knobs.slot_bits | i);

		picks[token % 64]++;
		ports[token >> TOKEN_ID_BITS]++;
		same_port += i && token >> TOKEN_ID_BITS == last >> TOKEN_ID_BITS;
		last = token;
	}
	for (unsigned i = 0; i < 64; i++)
		assert_in_range(picks[i], n / 64 * 8 / 10, n / 64 * 12 / 10);
	for (unsigned i = 0; i < 1 << 14; i++)
		most = ports[i] > most ? ports[i] : most;
	assert_in_range(most, 4, 40); /* 4 each on average */
	assert_in_range(same_port, 0, 64);
	free(ports);
}

/* The tokens of a slot in successive laps, the ones a late reply carries, differ in port and ID. */
static void laps_are_spread(void **state)
{
	struct edge53_knobs knobs = knobs_of(0, 14, 17);
	unsigned same_port = 0, same_id = 0;

	(void)state;
	for (__u32 lap = 1; lap < 1 << 13; lap++) {
		__u32 a = token_encode(&knobs, lap << 17 | 77),
		      b = token_encode(&knobs, (lap - 1) << 17 | 77);

		same_port += a >> 16 == b >> 16;
		same_id += (a & 0xffff) == (b & 0xffff);
	}
	assert_in_range(same_port, 0, 64);
	assert_in_range(same_id, 0, 64);
}

static void keys_matter(void **state)
{
	struct edge53_knobs a = knobs_of(0, 14, 17), b = knobs_of(1, 14, 17);
	unsigned same = 0;

	(void)state;
	for (__u32 i = 0; i < 100000; i++)
		same += token_encode(&a, i) == token_encode(&b, i);
	assert_in_range(same, 0, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_value_is_met_once),
		cmocka_unit_test(decode_undoes_encode),
		cmocka_unit_test(ports_of_connections_are_a_bijection),
		cmocka_unit_test(consecutive_slots_are_spread),
		cmocka_unit_test(laps_are_spread),
		cmocka_unit_test(keys_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
