/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What talk_client and talk_server agree on: DNS over TCP, where a name says what its answer is.
 *
 *   qQUERY.cCONVERSATION.ORDERS.PADDING....test      TXT "ADDRESS PORT" PADDING...
 *
 * ORDERS: "aN" the answer has N bytes of padding; "mN" N such answers, each of one byte more; "x" then
 * the server closes, first. The first string of an answer is who the server takes the client for.
 */
#ifndef TALK_H
#define TALK_H

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NAME_MAX_LEN 256 /* as text */
#define ANSWER_MAX 4096	 /* with its length prefix */
#define QUERY_MAX 512	 /* likewise */
#define PADDING_MAX 3000 /* of an answer */
#define DNS_HEADER_LEN 12
#define WHO_LEN 64 /* "ADDRESS PORT" */

struct draws {
	uint64_t state;
};

/* splitmix64 (Steele, Lea, Flood): any seed will do. */
static inline uint64_t draw(struct draws *d)
{
	uint64_t z = d->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static inline unsigned int below(struct draws *d, unsigned int n)
{
	return draw(d) % n;
}

static inline uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

static inline void put16(unsigned char *p, unsigned int value)
{
	p[0] = value >> 8;
	p[1] = value;
}

static inline unsigned int get16(const unsigned char *p)
{
	return p[0] << 8 | p[1];
}

/* "203.0.113.7 40000"; an IPv4-mapped address is an IPv4 address. */
static inline void say_who(char *who, const struct in6_addr *address, unsigned int port)
{
	char text[INET6_ADDRSTRLEN];

	if (IN6_IS_ADDR_V4MAPPED(address))
		inet_ntop(AF_INET, &address->s6_addr[12], text, sizeof(text));
	else
		inet_ntop(AF_INET6, address, text, sizeof(text));
	snprintf(who, WHO_LEN, "%s %u", text, port);
}

/* The answer to a query (both without length prefix) of n bytes of padding. Returns its length. */
static inline size_t make_answer(unsigned char *out, const unsigned char *query, size_t query_len,
				 const char *who, size_t n)
{
	size_t len = query_len, who_len = strlen(who), rdata;

	memcpy(out, query, query_len);
	put16(out + 2, 0x8400);
	put16(out + 6, 1);
	memcpy(out + len, "\xc0\x0c\0\x10\0\1\0\0\0\0", 10);
	rdata = len + 12;
	len = rdata;
	out[len++] = who_len;
	memcpy(out + len, who, who_len);
	len += who_len;
	for (size_t done = 0; done < n;) {
		size_t part = n - done < 255 ? n - done : 255;

		out[len++] = part;
		for (size_t i = 0; i < part; i++, done++)
			out[len++] = 'a' + (done + query[0] + query[1]) % 26;
	}
	put16(out + rdata - 2, len - rdata);
	return len;
}

#endif
