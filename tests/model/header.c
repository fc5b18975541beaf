// SPDX-License-Identifier: GPL-2.0-only
/* Model: the header of the PROXY protocol, version 2 (docs/packets.md). */
#include <string.h>

#include "model.h"

static const unsigned char signature[12] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
					     0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a };

bool has_signature(const unsigned char *payload, unsigned len)
{
	return len >= sizeof(signature) && !memcmp(payload, signature, sizeof(signature));
}

unsigned proxy_header_len(const struct edge53_addr *client)
{
	return family_of(client) == 4 ? 16 + 12 : 16 + 36;
}

unsigned write_proxy_header(const struct edge53_addr *client, const struct edge53_addr *asked,
			    unsigned client_port, bool is_tcp, unsigned char *out)
{
	bool is_v4 = family_of(client) == 4;
	unsigned size = is_v4 ? 4 : 16, skip = is_v4 ? 12 : 0;

	memcpy(out, signature, sizeof(signature));
	out[12] = 0x21;
	out[13] = (is_v4 ? 0x10 : 0x20) | (is_tcp ? 1 : 2);
	put16(out + 14, 2 * size + 4);
	memcpy(out + 16, client->bytes + skip, size);
	memcpy(out + 16 + size, asked->bytes + skip, size);
	put16(out + 16 + 2 * size, client_port);
	put16(out + 18 + 2 * size, EDGE53_DNS_PORT);
	return 20 + 2 * size;
}
