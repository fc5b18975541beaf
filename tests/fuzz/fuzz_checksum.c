// SPDX-License-Identifier: GPL-2.0-only
/*
 * Any number of words of a message change; the checksum that is updated by the differences is the
 * one that a sum from scratch gives.
 *
 * Input: 2 bytes where in the message the checksum is; then 8 bytes for each change (offset, width,
 * and the word), the last one with offset 0xffff; the rest is the message.
 */
#include "fuzz.h"

#include "checksum.h"

#define MAX_CHANGES 16
#define MAX_MESSAGE 1500

struct change {
	uint16_t offset;
	uint16_t is_wide;
	uint32_t word;
};

/* The sum of RFC 1071 of all words of memory, folded: 0xffff when the checksum in it is right. */
static uint16_t sum_of(const uint8_t *bytes, size_t len)
{
	unsigned long sum = 0;

	for (size_t i = 0; i < len; i += 2) {
		uint16_t word;

		memcpy(&word, bytes + i, sizeof(word));
		sum += word;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

/* Writes the word and takes note of the difference; but never over the checksum itself. */
static uint64_t make_change(uint8_t *bytes, size_t len, size_t check_off,
			    const struct change *change, uint64_t diff)
{
	size_t width = change->is_wide & 1 ? 4 : 2;
	size_t offset = change->offset & ~1;
	uint32_t old32, new32 = change->word;
	uint16_t old16, new16 = change->word;

	if (offset + width > len || (offset < check_off + 2 && check_off < offset + width))
		return diff;
	memcpy(&old32, bytes + offset, width);
	memcpy(&old16, bytes + offset, sizeof(old16));
	memcpy(bytes + offset, &change->word, width);
	if (width == 4)
		return csum_add32(csum_sub32(diff, old32), new32);
	return csum_add16(csum_sub16(diff, old16), new16);
}

static size_t take_changes(struct input *in, struct change changes[MAX_CHANGES])
{
	size_t n = 0;

	while (in->len && n < MAX_CHANGES) {
		changes[n].offset = input_u16(in);
		changes[n].is_wide = input_u16(in);
		changes[n].word = input_u32(in);
		if (changes[n].offset == 0xffff)
			break;
		n++;
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, len };
	size_t check_off = input_u16(&in) & ~1;
	struct change changes[MAX_CHANGES];
	size_t n = take_changes(&in, changes);
	uint8_t message[MAX_MESSAGE + 1] = {};
	uint16_t check = 0, before;
	uint64_t diff = 0;

	/* A last odd byte counts as followed by zero. */
	len = in.len < MAX_MESSAGE ? in.len : MAX_MESSAGE;
	input_take(&in, message, len);
	len += len % 2;
	if (check_off + 2 > len)
		return 0;

	memcpy(message + check_off, &check, sizeof(check));
	check = ~sum_of(message, len);
	memcpy(message + check_off, &check, sizeof(check));
	before = sum_of(message, len);
	for (size_t i = 0; i < n; i++)
		diff = make_change(message, len, check_off, &changes[i], diff);
	check = csum_replace(check, diff);
	memcpy(message + check_off, &check, sizeof(check));

	assert(before == 0xffff);
	/* Only of a message that has become all zeros, checksum included, the sum is 0. */
	assert(sum_of(message, len) == 0xffff || is_zero(message, len));
	return 0;
}
