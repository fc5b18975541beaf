/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is in a packet, for people: addresses, ports, checksums, the PROXY header, the DNS message. Pure; the bytes may
 * be anything.
 */
#ifndef EDGE53_EXPLAIN_DECODE_H
#define EDGE53_EXPLAIN_DECODE_H

#include "util.h"

enum explain_check {
	EXPLAIN_CHECK_GOOD,
	EXPLAIN_CHECK_WRONG,
	EXPLAIN_CHECK_NONE,    /* IPv6 has none, UDP over IPv4 need not */
	EXPLAIN_CHECK_PARTIAL, /* for the device to complete */
	EXPLAIN_CHECK_UNKNOWN, /* a fragment, or cut off */
};

#define EXPLAIN_NAME_LEN 1024 /* 255 bytes, each written as \ddd at worst */

struct explain_dns {
	unsigned int id;
	unsigned int flags;
	char name[EXPLAIN_NAME_LEN]; /* of the first question; empty: none that can be read */
	unsigned int type;
};

struct explain_proxy {
	struct edge53_addr from, to;
	unsigned int from_port, to_port;
};

/* What has_* does not say is there is all zero. */
struct explain_view {
	bool has_ethernet;
	unsigned char eth_to[6], eth_from[6];
	unsigned int ethertype;
	bool has_ip;
	bool is_ipv6;
	struct edge53_addr from, to;
	unsigned int ttl;
	unsigned int ip_len;
	unsigned int protocol; /* behind extension headers */
	enum explain_check ip_check;
	bool is_fragment;
	unsigned int fragment_offset; /* bytes */
	bool has_ports;
	unsigned int from_port, to_port;
	enum explain_check check; /* of UDP, TCP or ICMP */
	unsigned int payload_len; /* behind UDP's or TCP's header */
	bool has_tcp;
	unsigned int tcp_seq, tcp_ack, tcp_flags, tcp_window;
	unsigned int tcp_mss; /* 0: no such option */
	bool has_icmp;
	unsigned int icmp_type, icmp_code;
	bool has_proxy;
	struct explain_proxy proxy;
	bool has_dns;
	struct explain_dns dns;
};

void explain_decode(const unsigned char *bytes, size_t len, bool has_ethernet,
		    struct explain_view *ret);

#define EXPLAIN_TYPE_LEN 16

/* "AAAA", "TYPE64". Returns buf. */
const char *explain_type_text(unsigned int type, char buf[static EXPLAIN_TYPE_LEN]);

#define EXPLAIN_FLAGS_LEN 32

/* "SYN,ACK"; empty for none. Returns buf. */
const char *explain_flags_text(unsigned int tcp_flags, char buf[static EXPLAIN_FLAGS_LEN]);

const char *explain_check_text(enum explain_check check);

#endif
