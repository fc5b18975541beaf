// SPDX-License-Identifier: GPL-2.0-only
/* Percentiles of latencies: the dataplane's histogram against distributions of which they are known. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../bpf/latency.h"
#include "../../loader/latency_table.h"
#include "../../loader/util.h"

#define N 100000u

static const unsigned int percents[] = { 1, 10, 50, 90, 99, 100 };

/* As bpf/ring.h has it of two times in ns. */
static void add(__u64 *buckets, __u64 latency_ns)
{
	buckets[latency_bucket((__u32)(latency_ns >> 10))]++;
}

static int by_value(const void *a, const void *b)
{
	const __u64 *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The bucket of each percentile is the one that the latency of this rank lies in. */
static void check_percentiles(__u64 *latencies_ns, size_t n)
{
	__u64 buckets[EDGE53_LATENCY_BUCKETS] = { 0 };

	for (size_t i = 0; i < n; i++)
		add(buckets, latencies_ns[i]);
	qsort(latencies_ns, n, sizeof(*latencies_ns), by_value);
	assert_int_equal(latency_count(buckets), n);
	for (size_t i = 0; i < ARRAY_SIZE(percents); i++) {
		size_t rank = (n * percents[i] + 99) / 100;
		__u64 latency_ns = latencies_ns[rank - 1];
		unsigned int bucket = latency_percentile(buckets, percents[i]);

		if (latency_end_ns(bucket))
			assert_true(latency_ns < latency_end_ns(bucket));
		if (bucket)
			assert_true(latency_ns >= latency_end_ns(bucket - 1));
	}
}

/* From 0 to 1, the same each time. */
static double draw(void)
{
	static __u64 x = 88172645463325252;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (double)(x >> 11) / 9007199254740992.0;
}

static __u64 even(void)
{
	return (__u64)(draw() * 20e6);
}

/* As a server whose answers wait for others: many are fast, and some take very long. */
static __u64 exponential(void)
{
	return (__u64)(-log(1 - draw()) * 3e6);
}

static __u64 with_a_long_tail(void)
{
	return (__u64)(1000 / pow(1 - draw(), 3));
}

static __u64 all_the_same(void)
{
	return 1048575; /* the last ns of a bucket */
}

static __u64 (*const distributions[])(void) = { even, exponential, with_a_long_tail, all_the_same };

static void percentiles_are_those_of_the_latencies(void **state)
{
	static __u64 latencies_ns[N];

	(void)state;
	for (size_t d = 0; d < ARRAY_SIZE(distributions); d++)
		for (size_t n = 1; n <= N; n = n * 7 + 1) {
			for (size_t i = 0; i < n; i++) {
				latencies_ns[i] = distributions[d]();
				/* What a slot's 32 bits of 1,024 ns can hold. */
				if (latencies_ns[i] > 4000ull * 1000000000)
					latencies_ns[i] = 4000ull * 1000000000;
			}
			check_percentiles(latencies_ns, n);
		}
}

static void a_bucket_ends_where_the_next_begins(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < EDGE53_LATENCY_BUCKETS - 1; i++) {
		assert_int_equal(latency_bucket((__u32)((latency_end_ns(i) - 1) >> 10)), i);
		assert_int_equal(latency_bucket((__u32)(latency_end_ns(i) >> 10)), i + 1);
	}
	assert_int_equal(latency_end_ns(EDGE53_LATENCY_BUCKETS - 1), 0);
	assert_int_equal(latency_bucket(UINT32_MAX), EDGE53_LATENCY_BUCKETS - 1);
}

/* Counters that no host reaches: nothing overflows. */
static void very_many_are_counted_right(void **state)
{
	__u64 buckets[EDGE53_LATENCY_BUCKETS] = { [3] = 1ull << 62, [9] = 1ull << 60 };

	(void)state;
	assert_int_equal(latency_percentile(buckets, 50), 3);
	assert_int_equal(latency_percentile(buckets, 80), 3);
	assert_int_equal(latency_percentile(buckets, 81), 9);
}

static void people_read_them(void **state)
{
	static const struct {
		unsigned int bucket;
		const char *text;
	} rows[] = {
		{ 0, "<1.02us" }, { 5, "<32.8us" }, { 9, "<524us" },  { 10, "<1.05ms" },
		{ 13, "<8.39ms" }, { 19, "<537ms" }, { 20, "<1.07s" }, { 22, "<4.29s" },
		{ 23, ">4.29s" },
	};
	char text[LATENCY_TEXT_LEN];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		__u64 buckets[EDGE53_LATENCY_BUCKETS] = { 0 };

		assert_string_equal(latency_text(buckets, 50, text), "-");
		buckets[rows[i].bucket] = 1;
		assert_string_equal(latency_text(buckets, 50, text), rows[i].text);
		assert_string_equal(latency_text(buckets, 1, text), rows[i].text);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(percentiles_are_those_of_the_latencies),
		cmocka_unit_test(a_bucket_ends_where_the_next_begins),
		cmocka_unit_test(very_many_are_counted_right),
		cmocka_unit_test(people_read_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
