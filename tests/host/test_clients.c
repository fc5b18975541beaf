// SPDX-License-Identifier: GPL-2.0-only
/* The clients' hash spreads what addresses look like, and what the CPUs counted is merged by address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../bpf/client_hash.h"
#include "clients.h"
#include "ring_age.h"

static const __u64 key_sets[][4] = {
	{ 0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89 },
	{ 0x452821e638d01377, 0xbe5466cf34e90c6c, 0xc0ac29b7c97c50dd, 0x3f84d5b5b5470917 },
	{ 0x9216d5d98979fb1b, 0xd1310ba698dfb5ac, 0x2ffd72dbd01adfb7, 0xb8e1afed6a267e96 },
};

#define BUCKET_BITS 14
#define N_BUCKETS (1u << BUCKET_BITS)
#define N_CLIENTS (4 * N_BUCKETS)

static struct edge53_addr ipv4(__u32 n)
{
	return (struct edge53_addr){ .bytes = { [10] = 0xff, 0xff, n >> 24, n >> 16, n >> 8, n } };
}

static struct edge53_addr sequential(__u32 i)
{
	return ipv4(0xc6120000 + i);
}

static struct edge53_addr first_of_24(__u32 i)
{
	return ipv4(1 + (i << 8));
}

static struct edge53_addr by_64(__u32 i)
{
	return (struct edge53_addr){ .bytes = { 0x20, 0x01, 0x0d, 0xb8, i >> 24, i >> 16, i >> 8,
						i, [15] = 1 } };
}

static struct edge53_addr of_one_64(__u32 i)
{
	return (struct edge53_addr){ .bytes = { 0x20, 0x01, 0x0d, 0xb8, [12] = i >> 24, i >> 16,
						i >> 8, i } };
}

static __u32 hash_of(const __u64 keys[4], const struct edge53_addr *addr)
{
	__u64 halves[2];

	memcpy(halves, addr, sizeof(halves));
	return client_hash(keys, halves[0], halves[1]);
}

/* With four clients a bucket, 14 ways are enough for all but a few; evenly distributed, chance does no better. */
static void addresses_are_spread(void **state)
{
	static struct edge53_addr (*const kinds[])(__u32) = { sequential, first_of_24, by_64,
							      of_one_64 };
	unsigned *loads = malloc(N_BUCKETS * sizeof(*loads));

	(void)state;
	for (size_t k = 0; k < sizeof(key_sets) / sizeof(*key_sets); k++)
		for (size_t kind = 0; kind < sizeof(kinds) / sizeof(*kinds); kind++) {
			unsigned empty = 0, beyond = 0;

			memset(loads, 0, N_BUCKETS * sizeof(*loads));
			for (__u32 i = 0; i < N_CLIENTS; i++) {
				struct edge53_addr addr = kinds[kind](i);

				loads[client_bucket(hash_of(key_sets[k], &addr), BUCKET_BITS)]++;
			}
			for (unsigned i = 0; i < N_BUCKETS; i++) {
				empty += !loads[i];
				beyond += loads[i] > EDGE53_CLIENT_WAYS
						  ? loads[i] - EDGE53_CLIENT_WAYS
						  : 0;
			}
			assert_true(empty < N_BUCKETS / 20); /* at random: e^-4, one of 55 */
			assert_true(beyond < N_CLIENTS / 1000);
		}
	free(loads);
}

/* Two clients of one bucket have the same tag about as often as 15 bits can tell. */
static void tags_differ_within_a_bucket(void **state)
{
	static __u32 first[N_BUCKETS];
	unsigned same = 0, compared = 0;

	(void)state;
	for (__u32 i = 0; i < N_CLIENTS; i++) {
		struct edge53_addr addr = sequential(i);
		__u32 hash = hash_of(key_sets[0], &addr), bucket = client_bucket(hash, BUCKET_BITS);
		__u32 tag = client_tag(hash, 17) | 1;

		if (first[bucket]) {
			compared++;
			same += first[bucket] == tag;
		} else {
			first[bucket] = tag;
		}
	}
	assert_true(compared > N_CLIENTS / 2);
	assert_true(same < compared / 1000);
}

static void extreme_widths_work(void **state)
{
	(void)state;
	assert_int_equal(client_bucket(0xffffffff, 0), 0);
	assert_int_equal(client_bucket(0xffffffff, 22), (1 << 22) - 1);
	assert_int_equal(client_tag(0xffffffff, 25), 0xfe000000);
}

static struct edge53_client entry(__u32 address, __u64 queries, __u64 first, __u64 last)
{
	return (struct edge53_client){ .address = ipv4(address),
				       .traffic = { .queries = queries, .other_rcode = 1 },
				       .first_seen_ns = first,
				       .last_seen_ns = last,
				       .sequence = 2 };
}

static void cpus_are_merged(void **state)
{
	struct edge53_client clients[] = { entry(2, 10, 5, 9), entry(1, 1, 7, 7), entry(3, 4, 1, 2),
					   entry(2, 20, 3, 8), entry(2, 30, 4, 12) };
	struct edge53_addr one = ipv4(1), two = ipv4(2), three = ipv4(3);

	(void)state;
	assert_int_equal(clients_merge(clients, 5), 3);
	assert_memory_equal(&clients[0].address, &one, sizeof(one));
	assert_int_equal(clients[0].traffic.queries, 1);
	assert_memory_equal(&clients[1].address, &two, sizeof(two));
	assert_int_equal(clients[1].traffic.queries, 60);
	assert_int_equal(clients[1].traffic.other_rcode, 3);
	assert_int_equal(clients[1].first_seen_ns, 3);
	assert_int_equal(clients[1].last_seen_ns, 12);
	assert_memory_equal(&clients[2].address, &three, sizeof(three));
	assert_int_equal(clients_merge(clients, 1), 1);
	assert_int_equal(clients_merge(clients, 0), 0);
}

static void entries_are_taken_whole(void **state)
{
	struct edge53_client shared = entry(1, 5, 1, 2), taken;

	(void)state;
	assert_true(clients_take(&shared, &taken));
	assert_memory_equal(&shared, &taken, sizeof(taken));
	shared.sequence = 3; /* changes hands */
	assert_false(clients_take(&shared, &taken));
	shared.sequence = 0; /* unused */
	assert_false(clients_take(&shared, &taken));
}

/* An age of 0 means that nothing was overwritten, and is never said of a ring that goes round. */
static void a_ring_that_goes_round_has_an_age(void **state)
{
	struct edge53_cpu_state cpu = { .next_slot = 1024, .overwritten_age_us = 7 };

	(void)state;
	assert_int_equal(ring_overwritten(&cpu, 1024), 0);
	assert_int_equal(ring_age_us(&cpu, 1024), 0);
	cpu.next_slot++;
	assert_int_equal(ring_overwritten(&cpu, 1024), 1);
	assert_int_equal(ring_age_us(&cpu, 1024), 7);
	cpu.overwritten_age_us = 0;
	assert_int_equal(ring_age_us(&cpu, 1024), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_spread),
		cmocka_unit_test(tags_differ_within_a_bucket),
		cmocka_unit_test(extreme_widths_work),
		cmocka_unit_test(cpus_are_merged),
		cmocka_unit_test(entries_are_taken_whole),
		cmocka_unit_test(a_ring_that_goes_round_has_an_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
