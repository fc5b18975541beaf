// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "edge53_client_prefix.h"
#include "util.h"

#define IPV4_OFFSET 12 /* of the four bytes in ::ffff:a.b.c.d */
#define IPV4_PREFIX_BITS 96
#define ADDR_BITS 128

static const __u8 mapped_prefix[IPV4_OFFSET] = { [10] = 0xff, [11] = 0xff };

/* Those of 0x80 to 0x9f, too: as such, and as UTF-8 has them (C2 80 to C2 9F). Behind more than that they are a letter's. */
static bool is_control(unsigned char c, unsigned char before)
{
	if (c < ' ')
		return c != '\n' && c != '\t';
	return c == 0x7f || (c >= 0x80 && c < 0xa0 && (before < 0x80 || before == 0xc2));
}

void text_make_harmless(char *text)
{
	unsigned char before = 0;

	for (char *c = text; *c; c++) {
		if (is_control((unsigned char)*c, before))
			*c = '?';
		before = (unsigned char)*c;
	}
}

const char *ifname_text(const char *ifname, char buf[static EDGE53_IFNAME_LEN])
{
	snprintf(buf, EDGE53_IFNAME_LEN, "%s", ifname);
	text_make_harmless(buf);
	return buf;
}

int array_grow(void *array_ptr, size_t n, size_t entry_len)
{
	void **array = array_ptr;
	void *larger;

	/* Full at 0 and at each power of two, so the array needs no capacity beside it. */
	if (n & (n - 1))
		return 0;
	larger = reallocarray(*array, n ? 2 * n : 1, entry_len);
	if (!larger)
		return -ENOMEM;
	*array = larger;
	return 0;
}

struct edge53_addr addr_from_ipv4(const void *four_bytes)
{
	struct edge53_addr addr;

	memcpy(addr.bytes, mapped_prefix, sizeof(mapped_prefix));
	memcpy(addr.bytes + IPV4_OFFSET, four_bytes, 4);
	return addr;
}

int addr_parse(const char *text, struct edge53_addr *ret)
{
	struct edge53_addr addr;
	struct in_addr ipv4;

	if (inet_pton(AF_INET, text, &ipv4) == 1)
		addr = addr_from_ipv4(&ipv4);
	else if (inet_pton(AF_INET6, text, addr.bytes) != 1)
		return -EINVAL;
	*ret = addr;
	return 0;
}

const char *addr_format(const struct edge53_addr *addr, char buf[static ADDR_TEXT_LEN])
{
	if (addr_is_ipv4(addr))
		inet_ntop(AF_INET, addr->bytes + IPV4_OFFSET, buf, ADDR_TEXT_LEN);
	else
		inet_ntop(AF_INET6, addr->bytes, buf, ADDR_TEXT_LEN);
	return buf;
}

const char *client_format(const struct edge53_addr *client,
			  const struct edge53_client_prefix *prefix,
			  char buf[static CLIENT_TEXT_LEN])
{
	bool is_ipv4 = addr_is_ipv4(client);
	unsigned int bits = edge53_client_prefix_bits(prefix, is_ipv4);
	struct edge53_addr kept = *client;
	size_t len;

	edge53_client_mask(&kept, prefix);
	len = strlen(addr_format(&kept, buf));
	if (bits < (is_ipv4 ? EDGE53_IPV4_BITS : EDGE53_IPV6_BITS))
		snprintf(buf + len, CLIENT_TEXT_LEN - len, "/%u", bits);
	return buf;
}

bool addr_is_ipv4(const struct edge53_addr *addr)
{
	return edge53_is_mapped_ipv4(addr);
}

bool addr_is_zero(const struct edge53_addr *addr)
{
	static const struct edge53_addr zero;

	return addr_equal(addr, &zero);
}

bool addr_equal(const struct edge53_addr *a, const struct edge53_addr *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static bool has_host_bits(const struct edge53_addr *addr, unsigned int length_bits)
{
	for (unsigned int bit = length_bits; bit < ADDR_BITS; bit++)
		if (addr->bytes[bit / 8] & (0x80 >> bit % 8))
			return true;
	return false;
}

/* One to three decimal digits and no leading zero, as prefix lengths are written. */
static int parse_length(const char *text, unsigned int *ret)
{
	size_t n_digits = strspn(text, "0123456789");

	if (n_digits < 1 || n_digits > 3 || text[n_digits] || (n_digits > 1 && text[0] == '0'))
		return -EINVAL;
	*ret = (unsigned int)atoi(text);
	return 0;
}

int prefix_parse(const char *text, struct edge53_prefix *ret)
{
	size_t address_len = strcspn(text, "/");
	unsigned int length_bits, shift = 0;
	struct edge53_prefix prefix;
	char address[ADDR_TEXT_LEN];

	if (address_len >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, address_len);
	address[address_len] = '\0';
	if (addr_parse(address, &prefix.address) < 0)
		return -EINVAL;

	/* "::ffff:10.0.0.0/104" counts its bits as IPv6 does, "10.0.0.0/8" as IPv4 does. */
	if (!strchr(address, ':'))
		shift = IPV4_PREFIX_BITS;
	length_bits = ADDR_BITS - shift;
	if (text[address_len] && parse_length(text + address_len + 1, &length_bits) < 0)
		return -EINVAL;

	prefix.length_bits = shift + length_bits;
	if (prefix.length_bits > ADDR_BITS || has_host_bits(&prefix.address, prefix.length_bits))
		return -ERANGE;
	*ret = prefix;
	return 0;
}
