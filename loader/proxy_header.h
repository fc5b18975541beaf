/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The PROXY protocol header, version 2, as the dataplane puts it before queries (docs/packets.md).
 * Here it is for `edge53 check`, which asks a backend as the dataplane would. Pure.
 */
#ifndef EDGE53_PROXY_HEADER_H
#define EDGE53_PROXY_HEADER_H

#include "util.h"

#define PROXY_HEADER_LEN_IPV4 28
#define PROXY_HEADER_LEN_IPV6 52
#define PROXY_HEADER_MAX_LEN PROXY_HEADER_LEN_IPV6

/* The first two bytes, which are a DNS ID to a server that does not read the header. */
#define PROXY_HEADER_AS_ID 0x0d0a

/* An end of a connection, or of a datagram. */
struct proxy_peer {
	struct edge53_addr address;
	unsigned int port;
};

/*
 * Writes the header that says "from source to destination"; both are of one family. is_tcp: else
 * UDP. Returns its length.
 */
size_t proxy_header_write(unsigned char header[static PROXY_HEADER_MAX_LEN],
			  const struct proxy_peer *source, const struct proxy_peer *destination,
			  bool is_tcp);

#endif
