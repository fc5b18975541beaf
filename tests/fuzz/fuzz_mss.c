// SPDX-License-Identifier: GPL-2.0-only
/*
 * The search for the MSS among the options of a SYN, against a plain one; and the checksum after
 * the value was changed, against the sum from scratch.
 *
 * Input: 2 bytes of the new value, a byte of length, the options.
 */
#include "fuzz.h"

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "mss.h"

#define NONE TCP_MAX_OPTIONS_LEN

/* RFC 9293 section 3.1. As in Linux, an MSS option of a wrong length is one like any other. */
static uint32_t find_plainly(const uint8_t *options, uint32_t len)
{
	uint32_t off = 0;

	while (off < len && options[off] != TCP_OPTION_END) {
		if (options[off] == TCP_OPTION_NOP) {
			off++;
			continue;
		}
		if (off + 1 >= len || options[off + 1] < 2 || off + options[off + 1] > len)
			return NONE;
		if (options[off] == TCP_OPTION_MSS && options[off + 1] == TCP_OPTION_MSS_LEN)
			return off;
		off += options[off + 1];
	}
	return NONE;
}

static uint16_t checksum_of(const uint8_t *bytes, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2) {
		uint16_t word;

		memcpy(&word, bytes + i, sizeof(word));
		sum += word;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static void check_change(struct mss_search *search, __be16 before, __be16 after)
{
	uint8_t *options = search->options;
	uint16_t check = checksum_of(options, sizeof(search->options));
	uint16_t updated = csum_replace(check, diff_of_mss(before, after, search->found));
	uint16_t expected;

	memcpy(options + search->found + 2, &after, sizeof(after));
	expected = checksum_of(options, sizeof(search->options));
	assert(updated == expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, len };
	__be16 after = input_u16(&in), before;
	struct mss_search search = { .len = input_u8(&in) % (TCP_MAX_OPTIONS_LEN / 4 + 1) * 4 };
	uint32_t expected;

	input_take(&in, search.options, search.len);
	expected = find_plainly(search.options, search.len);
	before = find_mss(&search);
	if (expected == NONE) {
		assert(!before);
		return 0;
	}
	assert(search.found == expected);
	assert(!memcmp(&before, search.options + expected + 2, sizeof(before)));
	check_change(&search, before, after);
	return 0;
}
