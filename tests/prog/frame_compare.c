// SPDX-License-Identifier: GPL-2.0-only
/* The eyes that compare two packets. */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "frames.h"

struct field {
	const char *name;
	unsigned off, len;
	char form; /* d decimal, x hex, a address, m MAC */
};

static const struct field eth_fields[] = {
	{ "Ethernet destination", 0, 6, 'm' },
	{ "Ethernet source", 6, 6, 'm' },
	{ "Ethernet type", 12, 2, 'x' },
};

static const struct field ip4_fields[] = {
	{ "IPv4 version and header length", 0, 1, 'x' },
	{ "IPv4 TOS", 1, 1, 'x' },
	{ "IPv4 total length", 2, 2, 'd' },
	{ "IPv4 ID", 4, 2, 'x' },
	{ "IPv4 fragment", 6, 2, 'x' },
	{ "IPv4 TTL", 8, 1, 'd' },
	{ "IPv4 protocol", 9, 1, 'd' },
	{ "IPv4 checksum", 10, 2, 'x' },
	{ "IPv4 source", 12, 4, 'a' },
	{ "IPv4 destination", 16, 4, 'a' },
};

static const struct field ip6_fields[] = {
	{ "IPv6 version, class, label", 0, 4, 'x' },
	{ "IPv6 payload length", 4, 2, 'd' },
	{ "IPv6 next header", 6, 1, 'd' },
	{ "IPv6 hop limit", 7, 1, 'd' },
	{ "IPv6 source", 8, 16, '6' },
	{ "IPv6 destination", 24, 16, '6' },
};

static const struct field icmp_fields[] = {
	{ "ICMP type and code", 0, 2, 'x' },
	{ "ICMP checksum", 2, 2, 'x' },
	{ "ICMP rest of header", 4, 4, 'x' },
};

static const struct field udp_fields[] = {
	{ "UDP source port", 0, 2, 'd' }, { "UDP destination port", 2, 2, 'd' },
	{ "UDP length", 4, 2, 'd' },	  { "UDP checksum", 6, 2, 'x' },
	{ "DNS ID", 8, 2, 'x' },	  { "DNS flags", 10, 2, 'x' },
};

static const struct field tcp_fields[] = {
	{ "TCP source port", 0, 2, 'd' }, { "TCP destination port", 2, 2, 'd' },
	{ "TCP sequence", 4, 4, 'x' },	  { "TCP acknowledgement", 8, 4, 'x' },
	{ "TCP offset and flags", 12, 2, 'x' }, { "TCP window", 14, 2, 'd' },
	{ "TCP checksum", 16, 2, 'x' }, { "TCP urgent pointer", 18, 2, 'd' },
};

static void print_value(const struct field *f, const unsigned char *p)
{
	unsigned long value = 0;
	char text[INET6_ADDRSTRLEN];

	if (f->form == '6')
		printf("%s", inet_ntop(AF_INET6, p, text, sizeof(text)));
	for (unsigned i = 0; i < f->len; i++) {
		if (f->form == 'a')
			printf("%s%u", i ? "." : "", p[i]);
		else if (f->form == 'm')
			printf("%s%02x", i ? ":" : "", p[i]);
		value = value << 8 | p[i];
	}
	if (f->form == 'd')
		printf("%lu", value);
	else if (f->form == 'x')
		printf("0x%0*lx", (int)f->len * 2, value);
}

/* Prints differing fields and makes them equal in the scratch copy: the rest shows later. */
static void compare_fields(const struct field *fields, size_t n, unsigned base, struct frame *got,
			   const struct frame *expected)
{
	for (size_t i = 0; i < n; i++) {
		unsigned off = base + fields[i].off;

		if (off + fields[i].len > expected->len || off + fields[i].len > got->len ||
		    !memcmp(got->bytes + off, expected->bytes + off, fields[i].len))
			continue;
		printf("      %s: ", fields[i].name);
		print_value(&fields[i], got->bytes + off);
		printf(", expected ");
		print_value(&fields[i], expected->bytes + off);
		printf("\n");
		memcpy(got->bytes + off, expected->bytes + off, fields[i].len);
	}
}

#define COMPARE(fields, base, got, expected) \
	compare_fields(fields, sizeof(fields) / sizeof(*(fields)), base, got, expected)

static void compare_l4(unsigned protocol, unsigned l4, struct frame *got,
		       const struct frame *expected)
{
	if (protocol == 17)
		COMPARE(udp_fields, l4, got, expected);
	else if (protocol == 6)
		COMPARE(tcp_fields, l4, got, expected);
	else if (protocol == 1 || protocol == 58)
		COMPARE(icmp_fields, l4, got, expected);
}

bool same_frame(const struct frame *got, const struct frame *expected, unsigned l3)
{
	const unsigned char *ip_header = expected->bytes + l3;
	struct frame rest;

	if (got->len == expected->len && !memcmp(got->bytes, expected->bytes, got->len))
		return true;
	rest = *got;
	if (got->len != expected->len)
		printf("      length: %u, expected %u\n", got->len, expected->len);
	if (l3)
		COMPARE(eth_fields, l3 - ETH_LEN, &rest, expected);
	if (expected->len >= l3 + 20 && ip_header[0] >> 4 == 4) {
		COMPARE(ip4_fields, l3, &rest, expected);
		compare_l4(ip_header[9], l3 + (ip_header[0] & 15) * 4, &rest, expected);
	} else if (expected->len >= l3 + 40 && ip_header[0] >> 4 == 6) {
		COMPARE(ip6_fields, l3, &rest, expected);
		compare_l4(ip_header[6], l3 + 40, &rest, expected);
	}
	for (unsigned i = 0; i < rest.len && i < expected->len; i++)
		if (rest.bytes[i] != expected->bytes[i]) {
			printf("      byte %u: 0x%02x, expected 0x%02x\n", i, rest.bytes[i],
			       expected->bytes[i]);
			break;
		}
	return false;
}
