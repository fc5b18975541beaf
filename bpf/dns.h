/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fixed DNS header (RFC 1035 section 4.1.1) and what can be told from it alone. Pure.
 *
 * Doubt passes: only what no server could answer is refused. NOTIFY, UPDATE, EDNS of any version,
 * TSIG and cookie-only queries (QDCOUNT 0 with an OPT record, RFC 7873 section 5.4) go through.
 */
#ifndef EDGE53_DNS_H
#define EDGE53_DNS_H

#include <stdbool.h>

#include <linux/types.h>

#include "edge53_reasons.h"

#define DNS_HEADER_LEN 12

#define DNS_FLAG_QR 0x8000
#define DNS_FLAG_TC 0x0200
#define DNS_FLAG_RD 0x0100
#define DNS_OPCODE_MASK 0x7800
#define DNS_OPCODE(flags) (((flags) >> 11) & 0xf)
#define DNS_RCODE(flags) ((flags)&0xf)

#define DNS_OPCODE_QUERY 0
#define DNS_OPCODES 0x0077 /* a bit each of those that were ever given a meaning (IANA, DNS OpCodes) */

#define DNS_RCODE_NOERROR 0
#define DNS_RCODE_SERVFAIL 2
#define DNS_RCODE_NXDOMAIN 3
#define DNS_RCODE_REFUSED 5

/* Host order. */
struct dns_header {
	__u16 id;
	__u16 flags;
	__u16 questions;
	__u16 answers;
	__u16 authorities;
	__u16 additionals;
};

/* The ID of a message that is in truth a PROXY header: its first bytes (docs/packets.md). */
#define DNS_ID_OF_PROXY_HEADER 0x0d0a

/*
 * Whether a message begins with the signature of the PROXY protocol, version 2: as long as a DNS header,
 * and none that a client has reason to send.
 */
static inline bool dns_is_proxy_signature(const struct dns_header *dns)
{
	return dns->id == DNS_ID_OF_PROXY_HEADER && dns->flags == 0x0d0a &&
	       dns->questions == 0x000d && dns->answers == 0x0a51 && dns->authorities == 0x5549 &&
	       dns->additionals == 0x540a;
}

/* A message towards a server. RFC 9619: a QUERY has at most one question. */
static inline enum edge53_reason dns_check_query(const struct dns_header *dns)
{
	if (dns_is_proxy_signature(dns))
		return EDGE53_FORGED_HEADER;
	if (dns->flags & DNS_FLAG_QR)
		return EDGE53_NOT_A_QUERY;
	if (!(DNS_OPCODES >> DNS_OPCODE(dns->flags) & 1))
		return EDGE53_BAD_OPCODE;
	if (DNS_OPCODE(dns->flags) == DNS_OPCODE_QUERY &&
	    (dns->questions > 1 || (!dns->questions && !dns->additionals)))
		return EDGE53_BAD_COUNTS;
	return EDGE53_GO_ON;
}

#endif
