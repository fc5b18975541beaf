// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "proxy_header.h"
#include "wire.h"

#define SIGNATURE_LEN 12
#define COMMAND_PROXY 0x21 /* version 2, command PROXY */
#define FIXED_LEN 16

enum {
	FAMILY_IPV4 = 0x10,
	FAMILY_IPV6 = 0x20,
	PROTOCOL_STREAM = 0x1,
	PROTOCOL_DATAGRAM = 0x2,
};

static const unsigned char signature[SIGNATURE_LEN] = {
	0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 'Q', 'U', 'I', 'T', 0x0a,
};

static unsigned char *put_u16(unsigned char *at, unsigned int number)
{
	store_u16(at, number);
	return at + 2;
}

/* IPv4 is stored mapped: its four bytes are the last. */
static unsigned char *put_address(unsigned char *at, const struct edge53_addr *address, size_t len)
{
	memcpy(at, address->bytes + sizeof(address->bytes) - len, len);
	return at + len;
}

size_t proxy_header_write(unsigned char header[static PROXY_HEADER_MAX_LEN],
			  const struct proxy_peer *source, const struct proxy_peer *destination,
			  bool is_tcp)
{
	bool is_ipv4 = addr_is_ipv4(&source->address);
	size_t address_len = is_ipv4 ? 4 : 16;
	size_t len = is_ipv4 ? PROXY_HEADER_LEN_IPV4 : PROXY_HEADER_LEN_IPV6;
	unsigned char *at = header;

	memcpy(at, signature, SIGNATURE_LEN);
	at += SIGNATURE_LEN;
	*at++ = COMMAND_PROXY;
	*at++ = (is_ipv4 ? FAMILY_IPV4 : FAMILY_IPV6) |
		(is_tcp ? PROTOCOL_STREAM : PROTOCOL_DATAGRAM);
	at = put_u16(at, (unsigned int)(len - FIXED_LEN));
	at = put_address(at, &source->address, address_len);
	at = put_address(at, &destination->address, address_len);
	at = put_u16(at, source->port);
	put_u16(at, destination->port);
	return len;
}
