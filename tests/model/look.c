// SPDX-License-Identifier: GPL-2.0-only
/* Model: what is in a packet, and how much of it can be understood. */
#include <string.h>

#include "model.h"

enum {
	HOP_BY_HOP = 0,
	ROUTING = 43,
	FRAGMENT = 44,
	ESP = 50,
	AUTHENTICATION = 51,
	DESTINATION = 60,
	MOBILITY = 135,
	HIP = 139,
	SHIM6 = 140,
};

#define MAX_EXTENSIONS 8
#define MAX_EXTENSION_BYTES 256

bool is_zero(const void *bytes, unsigned len)
{
	const unsigned char *p = bytes;

	while (len && !*p) {
		p++;
		len--;
	}
	return !len;
}

unsigned family_of(const struct edge53_addr *addr)
{
	return is_zero(addr, 10) && addr->bytes[10] == 0xff && addr->bytes[11] == 0xff ? 4 : 6;
}

bool same_address(const struct edge53_addr *a, const struct edge53_addr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

bool is_udp_or_tcp(const struct seen *seen)
{
	return seen->family && (seen->protocol == PROTO_UDP || seen->protocol == PROTO_TCP);
}

bool is_first_fragment(const struct seen *seen)
{
	return seen->has_more && !seen->fragment_offset;
}

bool is_later_fragment(const struct seen *seen)
{
	return seen->fragment_offset;
}

static struct edge53_addr mapped(const unsigned char *ipv4)
{
	struct edge53_addr addr = { .bytes = { [10] = 0xff, 0xff } };

	memcpy(&addr.bytes[12], ipv4, 4);
	return addr;
}

static void look_at_ipv4(const unsigned char *ip, unsigned len, bool is_light, struct seen *seen)
{
	unsigned header, flags;

	if (len < 20)
		return;
	header = (ip[0] & 15) * 4;
	seen->ip_len = get16(ip + 2);
	seen->fragment_offset = (get16(ip + 6) & 0x1fff) * 8;
	if (header < 20 || header > len || (seen->ip_len < header && !is_light))
		return;
	seen->family = 4;
	seen->tos = ip[1];
	seen->id = get16(ip + 4);
	flags = get16(ip + 6);
	seen->dont_fragment = flags & 0x4000;
	seen->has_more = flags & 0x2000;
	seen->ttl = ip[8];
	seen->protocol = seen->fragment_protocol = ip[9];
	seen->saddr = mapped(ip + 12);
	seen->daddr = mapped(ip + 16);
	seen->l4 = header;
}

static bool is_extension(unsigned protocol)
{
	switch (protocol) {
	case HOP_BY_HOP:
	case ROUTING:
	case FRAGMENT:
	case DESTINATION:
	case MOBILITY:
	case HIP:
	case SHIM6:
		return true;
	default:
		return false;
	}
}

static void look_at_fragment_header(const unsigned char *ext, struct seen *seen)
{
	seen->has_fragment_header = true;
	seen->fragment_protocol = ext[0];
	seen->fragment_offset = get16(ext + 2) & 0xfff8;
	seen->has_more = ext[3] & 1;
	seen->id = get32(ext + 4);
}

/* To the transport header, or to where nobody follows: it is hidden. */
static void walk_extensions(const unsigned char *ip, unsigned len, struct seen *seen)
{
	unsigned n = 0, size;

	while (is_extension(seen->protocol) && !seen->fragment_offset) {
		const unsigned char *ext = ip + seen->l4;

		if (seen->l4 + 8 > len) {
			seen->is_hidden = true;
			return;
		}
		size = seen->protocol == FRAGMENT ? 8 : (ext[1] + 1) * 8;
		if (++n > MAX_EXTENSIONS || seen->l4 + size - 40 > MAX_EXTENSION_BYTES ||
		    (seen->protocol == ROUTING && ext[3]) ||
		    (seen->protocol == FRAGMENT && seen->has_fragment_header)) {
			seen->is_hidden = true;
			return;
		}
		if (seen->protocol == FRAGMENT)
			look_at_fragment_header(ext, seen);
		seen->protocol = ext[0];
		seen->l4 += size;
	}
	seen->is_hidden = seen->protocol == AUTHENTICATION && !seen->fragment_offset;
}

static void look_at_ipv6(const unsigned char *ip, unsigned len, bool is_light, struct seen *seen)
{
	if (len < 40)
		return;
	seen->ip_len = 40 + get16(ip + 4);
	seen->tos = get16(ip) >> 4 & 0xff;
	seen->protocol = ip[6];
	seen->ttl = ip[7];
	memcpy(&seen->saddr, ip + 8, 16);
	memcpy(&seen->daddr, ip + 24, 16);
	seen->l4 = 40;
	seen->family = 6;
	seen->is_mapped = family_of(&seen->saddr) == 4 || family_of(&seen->daddr) == 4;
	walk_extensions(ip, len, seen);
	if (seen->l4 > seen->ip_len && !is_light)
		seen->is_hidden = true;
}

static void look_at_ports(const unsigned char *ip, unsigned len, struct seen *seen)
{
	if (!is_udp_or_tcp(seen) || is_later_fragment(seen) || seen->is_hidden)
		return;
	if (seen->l4 + 4 > len) {
		seen->is_hidden = is_first_fragment(seen);
		return;
	}
	seen->has_ports = true;
	seen->sport = get16(ip + seen->l4);
	seen->dport = get16(ip + seen->l4 + 2);
}

void look_at(const unsigned char *ip, unsigned len, struct seen *seen)
{
	memset(seen, 0, sizeof(*seen));
	if (len && ip[0] >> 4 == 4)
		look_at_ipv4(ip, len, false, seen);
	else if (len && ip[0] >> 4 == 6)
		look_at_ipv6(ip, len, false, seen);
	seen->there = seen->ip_len < len ? seen->ip_len : len;
	look_at_ports(ip, len, seen);
}

void look_at_lightly(const unsigned char *ip, unsigned len, unsigned family, struct seen *seen)
{
	memset(seen, 0, sizeof(*seen));
	if (family == 4)
		look_at_ipv4(ip, len, true, seen);
	else if (family == 6)
		look_at_ipv6(ip, len, true, seen);
	seen->there = len;
	look_at_ports(ip, len, seen);
}

bool lengths_are_right(const unsigned char *ip, const struct seen *seen)
{
	const unsigned char *l4 = ip + seen->l4;
	unsigned len = seen->ip_len - seen->l4, says, least = 20;

	if (seen->ip_len > seen->there || seen->ip_len < seen->l4)
		return false;
	if (seen->protocol == PROTO_UDP)
		least = 8;
	if (len < least)
		return false;
	says = seen->protocol == PROTO_UDP ? get16(l4 + 4) : (l4[12] >> 4) * 4u;
	return says >= least &&
	       (says <= len || (seen->protocol == PROTO_UDP && is_first_fragment(seen)));
}

bool matches_prefix(const struct edge53_prefix_key *keys, unsigned n, unsigned service,
		    const struct edge53_addr *address)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned bits = keys[i].prefix_len - 32, bytes = bits / 8, rest = bits % 8;

		if (keys[i].service == service && !memcmp(keys[i].address, address, bytes) &&
		    (!rest || !((keys[i].address[bytes] ^ address->bytes[bytes]) >> (8 - rest))))
			return true;
	}
	return false;
}
