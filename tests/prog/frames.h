/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets as a reviewer can read them: ip4(CLIENT, FRONTEND, udp(40000, 53, dns_query(7,
 * "a.example"))).
 *
 * Each function makes one layer around the next; modifiers (ttl, options, bad_checksum ...) change
 * the layer they are given and return it. Lengths and checksums are computed when the bytes are
 * made, from scratch and without bpf/checksum.h, unless a modifier says otherwise. Layers come from
 * a pool that frames_reset() empties.
 */
#ifndef EDGE53_TEST_FRAMES_H
#define EDGE53_TEST_FRAMES_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

#define FRAME_MAX 6000
#define DATA_MAX 5200
#define ETH_LEN 14
#define ETH_MIN_LEN 60 /* without the frame check sequence */
#define METADATA_MAX 32

enum layer { L_ETH, L_VLAN, L_ARP, L_IP4, L_IP6, L_IP6_EXT, L_UDP, L_TCP, L_ICMP, L_DATA };

enum checksum { CHECKSUM_GOOD, CHECKSUM_ZERO, CHECKSUM_PARTIAL, CHECKSUM_BAD };

struct layer_of {
	enum layer layer;
	struct layer_of *inner;
	const char *src, *dst; /* addresses as text */
	const unsigned char *smac, *dmac;
	unsigned sport,
		dport; /* UDP and TCP; IPv6 extension and raw bytes: their protocol in sport */
	unsigned flags;	       /* TCP; ICMP: type << 8 | code */
	unsigned rest;	       /* ICMP: the four bytes behind the checksum */
	unsigned ttl, tos, flow_label;
	unsigned option_words;	/* IPv4; IPv6 extension: 8 bytes each, beyond the first */
	unsigned segments_left; /* IPv6 routing header */
	unsigned frag;		/* the frag_off field */
	unsigned id;		/* IPv4, or of the IPv6 fragment header */
	bool any_id;		/* IPv4: drawn at random by whoever made it */
	bool has_numbers;	/* TCP: these instead of a handshake's */
	unsigned seq, ack, window, urgent;
	int len_off;		/* what the length field is off by */
	unsigned version, ihl;	/* 0: as it should be */
	enum checksum checksum;
	unsigned data_offset;	/* TCP, words; 0: 5 */
	unsigned ack_off;	/* TCP: what the acknowledgement is off by */
	unsigned char data[DATA_MAX]; /* TCP: its options */
	unsigned data_len;
	unsigned pad;		/* bytes behind the packet */
	unsigned cut;		/* bytes of it that are there, or are quoted; 0: all */
};

struct frame {
	unsigned char bytes[FRAME_MAX];
	unsigned len;
	unsigned metadata_len; /* what XDP put in front of it, for tc and GRO */
	unsigned char metadata[METADATA_MAX];
};

void frames_reset(void);

struct layer_of *eth(const unsigned char *dmac, const unsigned char *smac, struct layer_of *inner);
/* Between eth() and what it carries. */
struct layer_of *tag(unsigned tci, struct layer_of *inner);
struct layer_of *vlan(const unsigned char *dmac, const unsigned char *smac, struct layer_of *inner);
struct layer_of *arp(void);
struct layer_of *ip4(const char *src, const char *dst, struct layer_of *inner);
struct layer_of *ip6(const char *src, const char *dst, struct layer_of *inner);
struct layer_of *ip6_ext(unsigned protocol, struct layer_of *inner);
struct layer_of *ip6_fragment(unsigned offset_and_flags, struct layer_of *inner);
/* 8 bytes and words more; a routing header with segments left. */
struct layer_of *ip6_long_ext(unsigned protocol, unsigned more, struct layer_of *inner);
struct layer_of *ip6_routing(unsigned segments_left, struct layer_of *inner);
struct layer_of *udp(unsigned sport, unsigned dport, struct layer_of *payload);
/* Sequence and acknowledgement are those of a handshake: who has the lower port is the server. */
struct layer_of *tcp(unsigned sport, unsigned dport, const char *flags, struct layer_of *payload);
/* As an answer to a segment, RFC 9293 3.10.7.1. */
struct layer_of *reset(unsigned sport, unsigned dport, const char *flags, unsigned seq,
		       unsigned ack);
/* With these numbers, and a window of 64,240. "U": URG. */
struct layer_of *segment(unsigned sport, unsigned dport, const char *flags, unsigned seq,
			 unsigned ack, struct layer_of *payload);
struct layer_of *window(unsigned value, struct layer_of *segment);
struct layer_of *urgent(unsigned pointer, struct layer_of *segment);
struct layer_of *icmp_echo(void);
/* Of IPv4 or IPv6, as what it is in. quoted: an IP layer. */
struct layer_of *icmp(unsigned type, unsigned code, unsigned rest, struct layer_of *quoted);
/* Only the first bytes of what is quoted. */
struct layer_of *quoting(unsigned bytes, struct layer_of *ip);

struct layer_of *dns(unsigned id, unsigned flags, unsigned questions, unsigned additionals,
		     const char *name);
struct layer_of *dns_query(unsigned id, const char *name);
struct layer_of *dns_reply(unsigned id, const char *name);
/* With so many bytes more behind the question. */
struct layer_of *longer(unsigned bytes, struct layer_of *payload);
struct layer_of *text(const char *bytes);
struct layer_of *raw(unsigned protocol, const unsigned char *bytes, unsigned len);
struct layer_of *nothing(void);
/* Its last two bytes are changed, so that the UDP checksum of a frame can be steered. */
struct layer_of *with_tail(unsigned tail, struct layer_of *payload);

/*
 * The header of the PROXY protocol, version 2, and the payload behind it: who asked, and whom. kind: family and
 * transport, 0x11 TCP and 0x12 UDP over IPv4, 0x21 and 0x22 over IPv6.
 */
struct layer_of *proxied(unsigned kind, const char *client, unsigned port, const char *asked,
			 struct layer_of *payload);

/* With another DNS ID: the first two bytes. */
struct layer_of *with_id(unsigned id, struct layer_of *message);

/* Behind the rest of the message: an OPT record of UDP size 1,232. */
struct layer_of *with_opt(struct layer_of *message);

/* Cut after the 12 bytes of the DNS header. */
struct layer_of *header_only(struct layer_of *dns);

/*
 * The fragment with len bytes from offset `from` (a multiple of 8) behind the IP header: the bytes
 * are those of the whole packet, so its checksums are in the first one.
 */
struct layer_of *part_of(struct layer_of *whole, unsigned from, unsigned len);

/* Of an IP layer. */
struct layer_of *ttl(unsigned hops, struct layer_of *ip);
struct layer_of *forwarded(struct layer_of *ip); /* one hop later: TTL 63 */
struct layer_of *tos(unsigned value, struct layer_of *ip);
struct layer_of *flow_label(unsigned value, struct layer_of *ip6);
struct layer_of *dont_fragment(struct layer_of *ip4);
/* Of an IPv4 layer or an IPv6 fragment header. */
struct layer_of *ip_id(unsigned id, struct layer_of *ip);
struct layer_of *any_id(struct layer_of *ip4);
struct layer_of *options(unsigned words, struct layer_of *ip);
struct layer_of *first_fragment(struct layer_of *ip);
struct layer_of *later_fragment(struct layer_of *ip);
struct layer_of *version(unsigned version, struct layer_of *ip);
struct layer_of *ihl(unsigned words, struct layer_of *ip);
struct layer_of *data_offset(unsigned words, struct layer_of *tcp);
struct layer_of *acknowledging_too_much(unsigned bytes, struct layer_of *tcp);
/* Options of TCP: each adds one behind those that are there. They must end at 4 bytes. */
struct layer_of *mss(unsigned bytes, struct layer_of *tcp);
struct layer_of *option(const char *bytes, unsigned len, struct layer_of *tcp);
/* Of an IPv4 or UDP layer: its length field says so much more than there is. */
struct layer_of *length_off_by(int bytes, struct layer_of *layer);
/* Of a UDP or TCP layer. */
struct layer_of *zero_checksum(struct layer_of *l4);
struct layer_of *partial_checksum(struct layer_of *l4);
struct layer_of *bad_checksum(struct layer_of *l4);
/* Of the outermost layer. */
struct layer_of *padded(unsigned bytes, struct layer_of *outer);
struct layer_of *cut_to(unsigned bytes, struct layer_of *outer);

void make_frame(const struct layer_of *outer, struct frame *frame);

/* The 16-bit ones' complement sum of bytes in network order, not complemented; start is added. */
unsigned sum16(const unsigned char *bytes, size_t len, unsigned start);

/*
 * What is left when a checksum is verified: 0 when right, else by how much it is wrong. -1 when
 * there is none (zero UDP checksum) or no such header. NAT must keep it.
 */
int ip_checksum_error(const unsigned char *ip, size_t len);
int l4_checksum_error(const unsigned char *ip, size_t len);
/* The checksum field holds the sum of the pseudo header, as with CHECKSUM_PARTIAL, or by chance. */
bool looks_partial(const unsigned char *ip);
/* IPv4 and UDP or TCP headers say nothing that contradicts the length or each other. */
bool lengths_agree(const unsigned char *ip, size_t len);

/* Prints the fields that differ, by layer and name. l3: where IP starts. True: the same. */
bool same_frame(const struct frame *got, const struct frame *expected, unsigned l3);

#endif
