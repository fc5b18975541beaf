/* SPDX-License-Identifier: GPL-2.0-only */
/* The walk along IPv6 extension headers (RFC 8200 section 4), at tc. */
#ifndef EDGE53_IPV6_H
#define EDGE53_IPV6_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ipv6.h>

#include "packet.h"

/* More than any sender has reason to use; RFC 8200 names seven kinds, each once or twice. */
#define IPV6_MAX_EXTENSIONS 8
#define IPV6_MAX_EXTENSIONS_LEN 256

#define IPPROTO_MOBILITY 135
#define IPPROTO_HIP 139
#define IPPROTO_SHIM6 140

/* Where the headers lead. */
struct ipv6_walk {
	__u16 len;	      /* of the IPv6 header and its extensions */
	__u16 fragment_field; /* as in IPv4 */
	__u32 fragment_id;
	__u8 next;
	__u8 has_fragment;
	__u8 pad[2];
};

static __always_inline bool is_extension(__u8 next)
{
	switch (next) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_FRAGMENT:
	case IPPROTO_DSTOPTS:
	case IPPROTO_AH:
	case IPPROTO_MOBILITY:
	case IPPROTO_HIP:
	case IPPROTO_SHIM6:
		return true;
	default:
		return false;
	}
}

/*
 * Walks to the transport header, or to the end of the fragment header of a later fragment. Returns
 * 1, or 0 when what follows cannot be known: too many or too long headers, a chain that ends in the middle,
 * a second fragment header, authentication (which no NAT can keep), another destination to come.
 *
 * A global function: the verifier goes through the walk once, alone.
 */
__weak __noinline int ipv6_walk(struct __sk_buff *skb, __u32 l3_off, struct ipv6_walk *walk)
{
	__u32 len = sizeof(struct ipv6hdr), size;
	__u8 next, ext[8];

	if (!walk || bpf_skb_load_bytes(skb, l3_off + __builtin_offsetof(struct ipv6hdr, nexthdr),
					&next, sizeof(next)))
		return 0;
	for (int i = 0; i < IPV6_MAX_EXTENSIONS && is_extension(next); i++) {
		if (bpf_skb_load_bytes(skb, l3_off + len, ext, sizeof(ext)))
			return 0;
		size = next == IPPROTO_FRAGMENT ? FRAGMENT_HEADER_LEN : (ext[1] + 1) * 8;
		if (len + size > sizeof(struct ipv6hdr) + IPV6_MAX_EXTENSIONS_LEN ||
		    next == IPPROTO_AH || (next == IPPROTO_ROUTING && ext[3]) ||
		    (next == IPPROTO_FRAGMENT && walk->has_fragment))
			return 0;
		if (next == IPPROTO_FRAGMENT) {
			__u32 field = ext[2] << 8 | ext[3];

			/* Offset in units of 8 bytes, 2 bits reserved, M. */
			walk->fragment_field = field >> 3 | (field & 1) << 13;
			walk->fragment_id =
				(__u32)ext[4] << 24 | ext[5] << 16 | ext[6] << 8 | ext[7];
			walk->has_fragment = 1;
		}
		len += size;
		next = ext[0];
		if (walk->fragment_field & 0x1fff)
			break;
	}
	if (is_extension(next) && !(walk->fragment_field & 0x1fff))
		return 0;
	walk->len = len;
	walk->next = next;
	return 1;
}

#endif
