/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where does an IPv6 packet of an enforced client go? Only its transport and destination port are
 * asked for: this release redirects no IPv6, but can keep it from leaking.
 */
#ifndef EDGE53_IPV6_H
#define EDGE53_IPV6_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ipv6.h>

#include "packet.h"

/*
 * More than any sender has reason to use; RFC 8200 section 4.1 names seven kinds, each once or
 * twice.
 */
#define IPV6_MAX_EXTENSIONS 8

#define IPPROTO_MOBILITY 135
#define IPPROTO_HIP 139
#define IPPROTO_SHIM6 140

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

/* Length of an extension header in bytes (RFC 8200 section 4; RFC 4302 section 2.2 for AH). */
static __always_inline __u32 extension_len(__u8 kind, __u8 length_field)
{
	if (kind == IPPROTO_FRAGMENT)
		return 8;
	return kind == IPPROTO_AH ? (length_field + 2) * 4 : (length_field + 1) * 8;
}

/*
 * The destination port, or -1 when the packet has none or is no first fragment. A chain of headers
 * that is too long or cut short may hide anything, so it counts as port 53.
 *
 * A global function: the verifier goes through the walk once, alone.
 */
__weak __noinline int ipv6_dport(struct __sk_buff *skb, __u32 l3_off)
{
	struct ipv6hdr ip;
	__u32 off = l3_off + sizeof(ip);
	__be16 ports[2];
	__u8 next, ext[4];

	if (bpf_skb_load_bytes(skb, l3_off, &ip, sizeof(ip)) || ip.version != 6)
		return -1;
	next = ip.nexthdr;
	for (int i = 0; i < IPV6_MAX_EXTENSIONS && is_extension(next); i++) {
		if (bpf_skb_load_bytes(skb, off, ext, sizeof(ext)))
			return EDGE53_DNS_PORT;
		if (next == IPPROTO_FRAGMENT && (ext[2] | (ext[3] & 0xf8)))
			return -1;
		off += extension_len(next, ext[1]);
		next = ext[0];
	}
	if (is_extension(next))
		return EDGE53_DNS_PORT;
	if (next != IPPROTO_UDP && next != IPPROTO_TCP)
		return -1;
	if (bpf_skb_load_bytes(skb, off, ports, sizeof(ports)))
		return EDGE53_DNS_PORT;
	return bpf_ntohs(ports[1]);
}

#endif
