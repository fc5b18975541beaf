/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The DNS messages that the loader itself sends and reads: a query with one question, and what came back. For
 * `edge53 check` and for health. Pure; whatever came back is hostile.
 */
#ifndef EDGE53_DNS_MESSAGE_H
#define EDGE53_DNS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_MESSAGE_HEADER_LEN 12
#define DNS_NAME_MAX_LEN 255 /* on the wire, with the root's byte (RFC 1035 section 2.3.4) */
#define DNS_QUESTION_MAX_LEN (DNS_NAME_MAX_LEN + 4)
#define DNS_QUERY_MAX_LEN (DNS_MESSAGE_HEADER_LEN + DNS_QUESTION_MAX_LEN)

/* Name, type and class as they are on the wire. */
struct dns_question {
	unsigned char bytes[DNS_QUESTION_MAX_LEN];
	size_t len;
};

/*
 * localhost, A: every resolver has the answer itself (RFC 6761 section 6.3), and does not wait for anybody else's;
 * an authoritative server says that it is not its own.
 */
extern const struct dns_question dns_default_question;

/*
 * Makes a question of class IN from a name as it is written ("example.com", "." for the root) and a type. Letters,
 * digits, "-" and "_". Returns 0, or -EINVAL when that is no name.
 */
int dns_question_make(const char *name, unsigned int type, struct dns_question *ret);

/* "SOA" → 6, in any case; 0 for words that are no type we ask for. */
unsigned int dns_type_parse(const char *word);

/* The types dns_type_parse() knows, as a list for people. */
#define DNS_TYPES_TEXT "A, AAAA, CNAME, DNSKEY, HTTPS, MX, NS, PTR, SOA, SRV or TXT"

/* Writes a query with RD=1. Returns its length. */
size_t dns_query_write(unsigned char query[static DNS_QUERY_MAX_LEN], uint16_t id,
		       const struct dns_question *question);

enum dns_reply {
	DNS_REPLY_NOT_OURS, /* no answer to this query; nobody's, for us */
	DNS_REPLY_OURS,
	DNS_REPLY_TO_HEADER, /* of a server that took a PROXY header for the query */
};

/*
 * What a message is to who sent the query: its answer has QR=1, the ID, and the question, in whatever case; who
 * refuses may leave the question out. Of a message that goes on behind len, the beginning is enough. *rcode is set
 * for DNS_REPLY_OURS.
 */
enum dns_reply dns_reply_judge(const unsigned char *message, size_t len, uint16_t id,
			       const struct dns_question *question, unsigned int *rcode);

/* "NOERROR", "SERVFAIL" ...; "RCODE" for those without a name here. */
const char *dns_rcode_name(unsigned int rcode);

#define DNS_RCODE_IS_NOERROR 0
#define DNS_RCODE_IS_SERVFAIL 2
#define DNS_RCODE_IS_REFUSED 5

#endif
