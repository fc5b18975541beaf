/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fixed DNS header (RFC 1035 section 4.1.1) and what can be told from it alone. Pure.
 *
 * Doubt passes: only what no server could answer is refused. NOTIFY, UPDATE, EDNS of any version,
 * TSIG and cookie-only queries (QDCOUNT 0 with an OPT record, RFC 7873 section 5.4) go through.
 */
#ifndef EDGE53_DNS_H
#define EDGE53_DNS_H

#include <linux/types.h>

#include "edge53_reasons.h"

#define DNS_HEADER_LEN 12

#define DNS_FLAG_QR 0x8000
#define DNS_FLAG_TC 0x0200
#define DNS_OPCODE(flags) (((flags) >> 11) & 0xf)
#define DNS_RCODE(flags) ((flags)&0xf)

#define DNS_OPCODE_QUERY 0

#define DNS_RCODE_NOERROR 0
#define DNS_RCODE_SERVFAIL 2
#define DNS_RCODE_NXDOMAIN 3
#define DNS_RCODE_REFUSED 5

/* Host order. */
struct dns_header {
	__u16 id;
	__u16 flags;
	__u16 questions;
	__u16 additionals;
};

/* A message towards a server. RFC 9619: a QUERY has at most one question. */
static inline enum edge53_reason dns_check_query(const struct dns_header *dns)
{
	if (dns->flags & DNS_FLAG_QR)
		return EDGE53_NOT_A_QUERY;
	if (DNS_OPCODE(dns->flags) == DNS_OPCODE_QUERY &&
	    (dns->questions > 1 || (!dns->questions && !dns->additionals)))
		return EDGE53_BAD_COUNTS;
	return EDGE53_GO_ON;
}

#endif
