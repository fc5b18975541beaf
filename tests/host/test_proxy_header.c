// SPDX-License-Identifier: GPL-2.0-only
/* The PROXY header, byte for byte as others write it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../loader/proxy_header.h"

#define SIGNATURE "0d0a0d0a000d0a515549540a"

static const struct {
	const char *source;
	unsigned int source_port;
	const char *destination;
	unsigned int destination_port;
	bool is_tcp;
	const char *hex;
} headers[] = {
	/* kdig 3.2.6 @... +proxy=203.0.113.7#4444-192.0.2.1#53, without and with +tcp */
	{ "203.0.113.7", 4444, "192.0.2.1", 53, false,
	  SIGNATURE "2112000ccb007107c0000201115c0035" },
	{ "203.0.113.7", 4444, "192.0.2.1", 53, true,
	  SIGNATURE "2111000ccb007107c0000201115c0035" },
	/* kdig 3.2.6 @... +proxy=2001:db8::7#65535-fd00::1#31053 */
	{ "2001:db8::7", 65535, "fd00::1", 31053, false,
	  SIGNATURE "2122002420010db8000000000000000000000007"
		    "fd000000000000000000000000000001ffff794d" },
	{ "2001:db8::7", 65535, "fd00::1", 31053, true,
	  SIGNATURE "2121002420010db8000000000000000000000007"
		    "fd000000000000000000000000000001ffff794d" },
};

static struct proxy_peer peer(const char *address, unsigned int port)
{
	struct proxy_peer ret = { .port = port };

	assert_int_equal(addr_parse(address, &ret.address), 0);
	return ret;
}

static void headers_are_as_others_write_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
		struct proxy_peer source = peer(headers[i].source, headers[i].source_port);
		struct proxy_peer destination =
			peer(headers[i].destination, headers[i].destination_port);
		unsigned char header[PROXY_HEADER_MAX_LEN];
		size_t len = proxy_header_write(header, &source, &destination, headers[i].is_tcp);
		char hex[2 * PROXY_HEADER_MAX_LEN + 1] = "";

		for (size_t j = 0; j < len; j++)
			snprintf(hex + 2 * j, 3, "%02x", header[j]);
		assert_string_equal(hex, headers[i].hex);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_are_as_others_write_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
