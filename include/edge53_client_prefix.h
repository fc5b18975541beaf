/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * limits.client_prefix: what of a client's address is counted, listed and exported. Whoever lets an address out uses
 * this. (The dataplane keeps whole addresses where it needs them to deliver a reply, and nowhere else.)
 */
#ifndef EDGE53_CLIENT_PREFIX_H
#define EDGE53_CLIENT_PREFIX_H

#include "edge53_abi.h"

#define EDGE53_IPV4_BITS 32
#define EDGE53_IPV6_BITS 128

/* Bits of an address that are kept, of EDGE53_IPV4_BITS or EDGE53_IPV6_BITS. */
static inline unsigned int edge53_client_prefix_bits(const struct edge53_client_prefix *prefix,
						     int is_ipv4)
{
	if (is_ipv4)
		return prefix->ipv4 ? prefix->ipv4 : EDGE53_IPV4_BITS;
	return prefix->ipv6 ? prefix->ipv6 : EDGE53_IPV6_BITS;
}

static inline int edge53_is_mapped_ipv4(const struct edge53_addr *address)
{
	for (unsigned int i = 0; i < 10; i++)
		if (address->bytes[i])
			return 0;
	return address->bytes[10] == 0xff && address->bytes[11] == 0xff;
}

/* Clears the bits of an address that are not kept. */
static inline void edge53_client_mask(struct edge53_addr *address,
				      const struct edge53_client_prefix *prefix)
{
	int is_ipv4 = edge53_is_mapped_ipv4(address);
	unsigned int first = (is_ipv4 ? EDGE53_IPV6_BITS - EDGE53_IPV4_BITS : 0) +
			     edge53_client_prefix_bits(prefix, is_ipv4);

	for (unsigned int bit = first; bit < EDGE53_IPV6_BITS; bit++)
		address->bytes[bit / 8] &= (__u8) ~(0x80u >> bit % 8);
}

#endif
