// SPDX-License-Identifier: GPL-2.0-only
/* Internet checksums: the incremental update against the sum from scratch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../bpf/checksum.h"

/* RFC 1071, the plain way: big-endian words, one by one. In memory order. */
static uint16_t checksum_of(const uint8_t *bytes, size_t len)
{
	unsigned long sum = 0;
	uint8_t check[2];
	uint16_t word;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	check[0] = sum >> 8;
	check[1] = sum;
	memcpy(&word, check, sizeof(word));
	return word;
}

static void sums_are_folded(void **state)
{
	static const struct {
		uint64_t sum;
		uint16_t folded;
	} rows[] = {
		{ 0, 0 },
		{ 1, 1 },
		{ 0xffff, 0xffff },
		{ 0x10000, 1 },
		{ 0x1ffff, 1 },
		{ 0x1fffe, 0xffff },
		{ 0xffffffff, 0xffff },
		{ 0xffff0000, 0xffff },
		{ 0x100000000, 1 },
		{ 0x1ffffffff, 1 },
		{ 0xfffffffffffff, 0xf },
		{ 0xfffffffffffffff, 0xfff },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(csum_fold(rows[i].sum), rows[i].folded);
}

/* RFC 1624 section 4: the case that the equation of RFC 1141 gets wrong. */
static void the_example_of_rfc_1624_holds(void **state)
{
	(void)state;
	assert_int_equal(csum_replace(0xdd2f, csum_add16(csum_sub16(0, 0x5555), 0x3285)), 0x0000);
}

static void nothing_changed_changes_nothing(void **state)
{
	(void)state;
	for (uint32_t check = 0; check < 0xffff; check++) {
		assert_int_equal(csum_replace(check, 0), check);
		assert_int_equal(
			csum_replace(check, csum_add32(csum_sub32(0, 0xc6336435), 0xc6336435)),
			check);
	}
}

/* Words of 16 and 32 bits are replaced anywhere; a packet is never all zero, nor is this. */
static void an_update_equals_the_sum_from_scratch(void **state)
{
	uint8_t message[64];

	(void)state;
	srandom(53);
	for (int round = 0; round < 200000; round++) {
		uint32_t old32, new32 = random() ^ random() << 16, at32 = 4 + random() % 14 * 4;
		uint16_t old16, new16 = random(), at16 = random() % 32 * 2, before;
		uint64_t diff;

		for (size_t i = 0; i < sizeof(message); i++)
			message[i] = random() >> 8;
		message[0] = 0x45;
		before = checksum_of(message, sizeof(message));
		if (round % 3 == 0)
			new32 = 0;
		if (round % 5 == 0)
			new16 = 0xffff;
		memcpy(&old32, message + at32, 4);
		memcpy(message + at32, &new32, 4);
		diff = csum_add32(csum_sub32(0, old32), new32);
		if (at16) {
			memcpy(&old16, message + at16, 2);
			memcpy(message + at16, &new16, 2);
			diff = csum_add16(csum_sub16(diff, old16), new16);
		}
		assert_int_equal(csum_replace(before, diff), checksum_of(message, sizeof(message)));
	}
}

/* What bpf_l4_csum_replace() is given: a folded difference, in two portions. */
static void portions_add_up(void **state)
{
	(void)state;
	srandom(53);
	for (int round = 0; round < 100000; round++) {
		uint64_t a = csum_add32(csum_sub32(0, random()), random());
		uint64_t b = csum_add16(csum_sub16(0, random()), random());
		uint16_t check = random();
		uint16_t once = csum_replace(check, a + b);
		uint16_t twice = csum_replace(csum_replace(check, csum_fold(a)), csum_fold(b));

		/* 0 and 0xffff are the same number. */
		assert_int_equal(once % 0xffff, twice % 0xffff);
	}
}

static void long_sums_do_not_overflow(void **state)
{
	uint64_t sum = 0;

	(void)state;
	for (int i = 0; i < 1000000; i++)
		sum = csum_sub32(csum_add32(sum, 0xffffffff), 0);
	assert_int_equal(csum_fold(sum), 0xffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_folded),
		cmocka_unit_test(the_example_of_rfc_1624_holds),
		cmocka_unit_test(nothing_changed_changes_nothing),
		cmocka_unit_test(an_update_equals_the_sum_from_scratch),
		cmocka_unit_test(portions_add_up),
		cmocka_unit_test(long_sums_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
