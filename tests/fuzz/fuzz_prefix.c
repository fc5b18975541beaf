// SPDX-License-Identifier: GPL-2.0-only
/* Addresses and prefixes as text. What is one can be written, and read as the same again. */
#include <errno.h>
#include <stdio.h>

#include "fuzz.h"

#include "util.h"

static void check_address(const char *text)
{
	struct edge53_addr addr, again;
	char written[ADDR_TEXT_LEN];

	if (addr_parse(text, &addr) < 0)
		return;
	addr_format(&addr, written);
	assert(addr_parse(written, &again) == 0);
	assert(addr_equal(&addr, &again));
}

static void check_host_bits(const struct edge53_prefix *prefix)
{
	assert(prefix->length_bits <= 128);
	for (unsigned int bit = prefix->length_bits; bit < 128; bit++)
		assert(!(prefix->address.bytes[bit / 8] >> (7 - bit % 8) & 1));
}

static void check_prefix(const char *text)
{
	char written[ADDR_TEXT_LEN], whole[ADDR_TEXT_LEN + 4];
	struct edge53_prefix prefix, again;
	unsigned int length;
	int r = prefix_parse(text, &prefix);

	assert(r == 0 || r == -EINVAL || r == -ERANGE);
	if (r < 0)
		return;
	check_host_bits(&prefix);
	addr_format(&prefix.address, written);
	/* In ::/0 to ::/95 lie IPv4 addresses too, but its own text has colons. */
	length = prefix.length_bits - (addr_is_ipv4(&prefix.address) ? 96 : 0);
	snprintf(whole, sizeof(whole), "%s/%u", written, length);
	assert(prefix_parse(whole, &again) == 0);
	assert(addr_equal(&prefix.address, &again.address));
	assert(prefix.length_bits == again.length_bits);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char *text = text_of(bytes, len);

	check_address(text);
	check_prefix(text);
	free(text);
	return 0;
}
