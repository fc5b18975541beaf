/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The packet that `edge53 explain` is asked about: from a description, or from what somebody recorded. Pure; all of it
 * comes from outside.
 */
#ifndef EDGE53_EXPLAIN_PACKET_H
#define EDGE53_EXPLAIN_PACKET_H

#include "dns_message.h"
#include "util.h"

/* BPF_PROG_TEST_RUN takes a packet of one page, less the room around it. */
#define EXPLAIN_MAX_LEN 3072

/* One end: an address and a port. */
struct explain_end {
	struct edge53_addr address;
	unsigned int port;
};

struct explain_packet {
	struct explain_end from, to; /* of one family */
	bool is_tcp;
	bool is_reply; /* DNS: QR=1, no records */
	bool has_edns; /* of a query: OPT with 1,232 bytes (RFC 6891) */
	unsigned int dns_id;
	struct dns_question question;
	unsigned int tcp_flags; /* as in its header. PSH: the segment has the DNS message in it */
	unsigned int tcp_seq;
	unsigned int tcp_ack;
	unsigned int ttl;
	unsigned char eth_to[6]; /* used where there is an Ethernet header */
	unsigned char eth_from[6];
};

#define EXPLAIN_TCP_FIN 0x01
#define EXPLAIN_TCP_SYN 0x02
#define EXPLAIN_TCP_RST 0x04
#define EXPLAIN_TCP_PSH 0x08
#define EXPLAIN_TCP_ACK 0x10
#define EXPLAIN_TCP_URG 0x20

/* Writes the packet, checksums included. Returns its length. */
size_t explain_packet_write(const struct explain_packet *packet, bool has_ethernet,
			    unsigned char bytes[static EXPLAIN_MAX_LEN]);

/*
 * "203.0.113.7:4242", "[2001:db8::1]:53", or either address alone, which leaves ret->port as it is. -EINVAL: none of
 * these.
 */
int explain_end_parse(const char *text, struct explain_end *ret);

/* "SYN", "PSH,ACK" ... in any case. -EINVAL. */
int explain_flags_parse(const char *text, unsigned int *ret);

/* "AAAA", "TYPE65" or "65". -EINVAL. */
int explain_type_parse(const char *text, unsigned int *ret);

/* "02:00:00:00:00:01". -EINVAL. */
int explain_mac_parse(const char *text, unsigned char ret[static 6]);

/* What a recorded packet begins with. */
enum explain_link {
	EXPLAIN_LINK_UNKNOWN, /* whatever the device has */
	EXPLAIN_LINK_ETHERNET,
	EXPLAIN_LINK_IP,
};

/*
 * The packet in what a file has: the first of a pcap file, hexadecimal digits (with spaces, colons and line ends between
 * bytes), or the bytes themselves. Returns its length, -EINVAL: there is none; -E2BIG: it has more than
 * EXPLAIN_MAX_LEN; -EPROTO: pcapng; -EOPNOTSUPP: pcap of neither Ethernet nor IP packets.
 */
int explain_frame_read(const unsigned char *content, size_t len,
		       unsigned char bytes[static EXPLAIN_MAX_LEN], enum explain_link *ret_link);

/* The same of hexadecimal digits alone: of a word of the command line, which else names a file. */
int explain_hex_read(const char *text, size_t len, unsigned char bytes[static EXPLAIN_MAX_LEN]);

#endif
