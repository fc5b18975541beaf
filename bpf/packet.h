/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the steps hand on to each other. Offsets, not pointers: a pointer into the packet dies at
 * the first helper that may move the data.
 */
#ifndef EDGE53_PACKET_H
#define EDGE53_PACKET_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "clock.h"
#include "dns.h"
#include "edge53_abi.h"
#include "shift.h"

enum { GO_ON = EDGE53_GO_ON };

/* Filled once by parse_packet(), read by everybody, written by nobody else but where noted. */
struct packet {
	__u32 ifindex; /* where it was seen */
	__u32 l3_off;
	__u32 l4_off;
	__u32 ip_len;	   /* IP header and what follows, bytes */
	__u32 segment_len; /* the same for one segment of a GSO packet */
	__u32 client_entry; /* as in a slot: set by admit_client() or find_flow() */
	struct edge53_addr saddr;
	struct edge53_addr daddr;
	__u16 sport; /* host order */
	__u16 dport;
	__u16 l4_check; /* as in the packet */
	__u8 l4proto;
	__u8 ttl;
	__u8 tos;
	__u8 tcp_flags;
	__u8 is_ipv6; /* 0 or 1; not a bool, of which clang does not show the verifier the bound */
	bool is_first_fragment;
	bool is_later_fragment; /* has no ports */
	bool is_icmp_error;	/* has none either; see icmp.h */
	bool dont_fragment;
	bool has_fragment_id; /* a fragment, or IPv6 with a fragment header all the same (RFC 6946) */
	bool has_bad_length;
	bool is_scattered;    /* XDP: over several buffers */
	bool is_return;	      /* set by return.h: leaves by an uplink */
	bool is_cut;	      /* set by cut_reply_*(): a reply that was over response_limit */
	__u8 service;	      /* set by find_service(), find_flow() or return.h */
	__u8 tcp_header_len;
	__u16 device;	      /* set by find_service() */
	__u16 fragment_field; /* offset and more-fragments flag, as in IPv4 */
	__u16 payload_len;    /* UDP payload; 0 for TCP */
	__u32 fragment_id;
	__u32 tcp_seq; /* host order */
	__u32 tcp_ack;
	__u8 eth_dst[ETH_ALEN]; /* both zero on devices without Ethernet header */
	__u8 eth_src[ETH_ALEN];
	struct dns_header dns; /* UDP with at least DNS_HEADER_LEN of payload */
};

/* What translate_*() decided and rewrite_*() carries out. Ports and ID in host order. */
struct rewrite {
	struct edge53_addr saddr;
	struct edge53_addr daddr;
	__u16 sport;
	__u16 dport;
	__u16 dns_id;
	__u16 max_segment; /* TCP: what MSS is lowered to; 0: left alone */
	struct shift shift; /* UDP: only len, of the PROXY header to be put in front; 0: none */
	__u8 is_ipv6;	   /* the packet's family afterwards */
	bool decrement_ttl;
	bool to_ethernet;
	bool xdp_target;     /* replies: XDP may redirect to ifindex */
	bool puts_header;    /* a PROXY header goes in front of the payload */
	__u8 backend;	     /* index in `backends`; 0 towards a client */
	__u16 mtu;	     /* where TOO_BIG: what the sender may be told */
	__u32 ifindex;	     /* device to send to; 0: on into the host's stack */
	__u8 dmac[ETH_ALEN]; /* of the next hop; XDP sends only where it is known, tc resolves */
	__u8 smac[ETH_ALEN];
};

#define IPV4_HEADER_LEN 20
#define IPV6_HEADER_LEN 40
#define FRAGMENT_HEADER_LEN 8
#define FAMILY_DIFFERENCE (IPV6_HEADER_LEN - IPV4_HEADER_LEN)

/*
 * Headers before the transport's end here at the latest: Ethernet, IPv6 and its extensions. The
 * verifier cannot follow an offset through the stack; the mask gives it a bound.
 */
#define L4_OFF_MASK 0x1ff

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20

/* Addresses are 16 bytes; their last four, or their first two halves, as words in network order. */
static __always_inline __u32 addr_ipv4(const struct edge53_addr *addr)
{
	return *(const __u32 *)&addr->bytes[12];
}

static __always_inline void addr_set_ipv4(struct edge53_addr *addr, __u32 ipv4)
{
	*(__u64 *)&addr->bytes[0] = 0;
	*(__u32 *)&addr->bytes[8] = bpf_htonl(0xffff);
	*(__u32 *)&addr->bytes[12] = ipv4;
}

static __always_inline bool addr_equal(const struct edge53_addr *a, const struct edge53_addr *b)
{
	const __u64 *x = (const __u64 *)a->bytes, *y = (const __u64 *)b->bytes;

	return x[0] == y[0] && x[1] == y[1];
}

static __always_inline bool addr_is_zero(const struct edge53_addr *addr)
{
	const __u64 *x = (const __u64 *)addr->bytes;

	return !(x[0] | x[1]);
}

/* high, low: the halves of an address as words in network order. */
static __always_inline bool is_mapped_ipv4(__u64 high, __u64 low)
{
	return !high && (__u32)low == bpf_htonl(0xffff);
}

/* The same of what is in memory; the loads of whole halves would cost instructions. */
static __always_inline bool addr_is_ipv4(const struct edge53_addr *addr)
{
	return !*(const __u64 *)&addr->bytes[0] &&
	       *(const __u32 *)&addr->bytes[8] == bpf_htonl(0xffff);
}

/* Sum of the words of an address, as a checksum takes them. */
static __always_inline __u64 addr_sum(const struct edge53_addr *addr, bool is_ipv6)
{
	const __u32 *word = (const __u32 *)addr->bytes;

	return is_ipv6 ? (__u64)word[0] + word[1] + word[2] + word[3] : word[3];
}

static __always_inline bool has_syn(const struct packet *pkt)
{
	return pkt->l4proto == IPPROTO_TCP && pkt->tcp_flags & TCP_SYN;
}

/* Bytes of a TCP segment behind its header. */
static __always_inline __u32 tcp_payload_len(const struct packet *pkt)
{
	return pkt->l3_off + pkt->ip_len - pkt->l4_off - pkt->tcp_header_len;
}

static __always_inline bool is_fragment(const struct packet *pkt)
{
	return pkt->is_first_fragment || pkt->is_later_fragment;
}

/*
 * XDP leaves these to tc without a look, so it has not checked and counted them either: fragments,
 * and IPv6 with extension headers.
 */
static __always_inline bool is_beyond_xdp(const struct packet *pkt)
{
	return is_fragment(pkt) || (pkt->is_ipv6 && pkt->l4_off != pkt->l3_off + IPV6_HEADER_LEN);
}

/* By halfwords: of addresses that need not be aligned, memcpy() moves single bytes. */
static __always_inline void mac_copy(void *to, const void *from)
{
	__u16 *x = to;
	const __u16 *y = from;

	x[0] = y[0];
	x[1] = y[1];
	x[2] = y[2];
}

static __always_inline bool mac_equal(const __u8 *a, const __u8 *b)
{
	const __u16 *x = (const __u16 *)a, *y = (const __u16 *)b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]));
}

#endif
