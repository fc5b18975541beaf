/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one question that the clients of the benchmark ask, and what counts as its answer.
 *
 * A question's name holds a number (q0000002a.example.com), so that the answer to another question is
 * not mistaken for its own. Whoever answers has one A record for it.
 */
#ifndef EDGE53_BENCH_DNS_H
#define EDGE53_BENCH_DNS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define DNS_QR 0x80
#define DNS_RCODE 0x0f
#define DNS_HEADER 12
#define DNS_NAME_AT (DNS_HEADER + 2) /* behind the label's length and the 'q' */
#define DNS_ANSWER 16		     /* pointer to the name, type, class, TTL, length, address */

static const unsigned char dns_question[] = "\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
					    "\x09q00000000\x07"
					    "example\x03"
					    "com\x00\x00\x01\x00\x01";
#define DNS_QUESTION (sizeof(dns_question) - 1)

static inline void put16(unsigned char *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value & 0xff;
}

static inline uint16_t get16(const unsigned char *at)
{
	return at[0] << 8 | at[1];
}

/* Writes DNS_QUESTION bytes: the question with this number. */
static inline void dns_ask(unsigned char *dns, uint16_t id, uint32_t number)
{
	memcpy(dns, dns_question, DNS_QUESTION);
	put16(dns, id);
	for (int i = 7; i >= 0; i--, number >>= 4)
		dns[DNS_NAME_AT + i] = "0123456789abcdef"[number & 0xf];
}

/* Are these bytes a good answer, with an address, to the question? */
static inline bool dns_answers(const unsigned char *dns, size_t len, uint16_t id, uint32_t number)
{
	unsigned char question[DNS_QUESTION];

	dns_ask(question, id, number);
	return len >= DNS_QUESTION + DNS_ANSWER && get16(dns) == id && (dns[2] & DNS_QR) &&
	       !(dns[3] & DNS_RCODE) && get16(dns + 4) == 1 && get16(dns + 6) >= 1 &&
	       !memcmp(dns + DNS_HEADER, question + DNS_HEADER, DNS_QUESTION - DNS_HEADER);
}

#endif
