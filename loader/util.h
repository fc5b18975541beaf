/* SPDX-License-Identifier: GPL-2.0-only */
/* Small things everyone in the loader uses: cleanup attributes and address text. */
#ifndef EDGE53_UTIL_H
#define EDGE53_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include "edge53_abi.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define _cleanup_(f) __attribute__((cleanup(f)))

static inline void freep(void *p)
{
	free(*(void **)p);
}

static inline void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* Hands a resource over: the variable is left empty, so its cleanup does nothing. */
#define take_ptr(p)                        \
	({                                 \
		__typeof__(p) _taken = (p); \
		(p) = NULL;                \
		_taken;                    \
	})

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* Puts '?' for what a terminal would obey: devices have names that others choose. Lines and tabs stay. */
void text_make_harmless(char *text);

/* The name of a device, harmless. Returns buf. */
const char *ifname_text(const char *ifname, char buf[static EDGE53_IFNAME_LEN]);

/*
 * Makes room for one more entry in an array of n that has grown only by this. array_ptr points to
 * the pointer. Returns 0 or -ENOMEM.
 */
int array_grow(void *array_ptr, size_t n, size_t entry_len);

#define ADDR_TEXT_LEN 48 /* INET6_ADDRSTRLEN, rounded up */

/* Parses an IPv4 or IPv6 address; IPv4 comes out mapped. Returns 0, or -EINVAL: not an address. */
int addr_parse(const char *text, struct edge53_addr *ret);

/* Writes the usual text form (dotted quad for mapped IPv4) to buf and returns buf. */
const char *addr_format(const struct edge53_addr *addr, char buf[static ADDR_TEXT_LEN]);

/*
 * A client as it is listed: its address, or the prefix that limits.client_prefix leaves of it, "203.0.113.0/24".
 * Returns buf.
 */
#define CLIENT_TEXT_LEN (ADDR_TEXT_LEN + 4)
const char *client_format(const struct edge53_addr *client,
			  const struct edge53_client_prefix *prefix,
			  char buf[static CLIENT_TEXT_LEN]);

bool addr_is_ipv4(const struct edge53_addr *addr);
bool addr_is_zero(const struct edge53_addr *addr);
bool addr_equal(const struct edge53_addr *a, const struct edge53_addr *b);

/* Makes a mapped address from four bytes in network order. */
struct edge53_addr addr_from_ipv4(const void *four_bytes);

struct edge53_prefix {
	struct edge53_addr address;
	unsigned int length_bits; /* of the mapped form: 96 + n for IPv4 */
};

/* Parses "address" or "address/length". -EINVAL: neither; -ERANGE: length or host bits wrong. */
int prefix_parse(const char *text, struct edge53_prefix *ret);

#endif
