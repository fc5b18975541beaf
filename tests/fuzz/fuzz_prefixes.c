// SPDX-License-Identifier: GPL-2.0-only
/*
 * A file of prefixes (`doh.file`). What is refused is explained; what is accepted can be written
 * again, and then means the same. No prefix of IPv6 stands for IPv4 addresses.
 */
#include <stdio.h>

#include "fuzz.h"

#include "config_prefixes.h"
#include "log.h"

#define FILE_NAME "doh.txt"
#define MAX_MESSAGES 21 /* 20, and that there are more */

struct prefixes {
	struct edge53_prefix *array;
	size_t n;
};

static unsigned int n_messages;

static void check_message(int priority, const char *text)
{
	(void)priority;
	n_messages++;
	assert(!strncmp(text, FILE_NAME ":", strlen(FILE_NAME ":")));
	for (; *text; text++)
		assert(*text >= ' ' && *text < 0x7f);
}

static bool parse(const char *text, size_t len, struct prefixes *prefixes)
{
	int r;

	n_messages = 0;
	r = prefixes_parse(FILE_NAME, text, len, &prefixes->array, &prefixes->n);
	assert(r <= 0);
	assert((r < 0) == (n_messages > 0));
	assert(n_messages <= MAX_MESSAGES);
	return r == 0;
}

static bool bit_of(const struct edge53_addr *addr, unsigned int bit)
{
	return addr->bytes[bit / 8] >> (7 - bit % 8) & 1;
}

static void check_prefix(const struct edge53_prefix *prefix)
{
	struct edge53_addr ipv4 = addr_from_ipv4("\0\0\0");
	unsigned int same = 0;

	assert(prefix->length_bits <= 128);
	for (unsigned int bit = prefix->length_bits; bit < 128; bit++)
		assert(!bit_of(&prefix->address, bit));
	while (same < 96 && bit_of(&prefix->address, same) == bit_of(&ipv4, same))
		same++;
	assert(prefix->length_bits >= 96 || same < prefix->length_bits);
}

static int compare(const struct edge53_prefix *a, const struct edge53_prefix *b)
{
	if (a->length_bits != b->length_bits)
		return a->length_bits < b->length_bits ? -1 : 1;
	return memcmp(a->address.bytes, b->address.bytes, sizeof(a->address.bytes));
}

static char *write_prefixes(const struct prefixes *prefixes, size_t *ret_len)
{
	char *text = NULL, written[ADDR_TEXT_LEN];
	FILE *to = open_memstream(&text, ret_len);

	assert(to);
	for (size_t i = 0; i < prefixes->n; i++) {
		const struct edge53_prefix *prefix = &prefixes->array[i];
		unsigned int shift = addr_is_ipv4(&prefix->address) ? 96 : 0;

		check_prefix(prefix);
		assert(!i || compare(prefix - 1, prefix) < 0);
		fprintf(to, "%s/%u\n", addr_format(&prefix->address, written),
			prefix->length_bits - shift);
	}
	assert(fclose(to) == 0);
	return text;
}

static void check_round_trip(struct prefixes *prefixes)
{
	struct prefixes again = {};
	size_t len;
	char *text;

	prefixes_sort(prefixes->array, &prefixes->n);
	text = write_prefixes(prefixes, &len);
	assert(parse(text, len, &again));
	assert(again.n == prefixes->n);
	for (size_t i = 0; i < again.n; i++)
		assert(!compare(&again.array[i], &prefixes->array[i]));
	free(again.array);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char *text = (char *)copy_exactly(bytes, len, 0);
	struct prefixes prefixes = {};

	log_set_sink(check_message);
	if (parse(text, len, &prefixes))
		check_round_trip(&prefixes);
	free(prefixes.array);
	free(text);
	return 0;
}
