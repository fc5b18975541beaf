// SPDX-License-Identifier: GPL-2.0-only
/* What the parser makes of packets that no sender writes on purpose. Rows of `make fuzz`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host_skb.h"

#include "../../bpf/icmp.h"
#include "../../bpf/parse.h"

/* Lengths are those of the row; a frame may have more behind them. */
#define IPV4(len, fragment, proto) \
	0x45, 0, 0, len, 0, 1, fragment, 0, 64, proto, 0, 0, 192, 0, 2, 17, 198, 51, 100, 53
#define IPV6(len, next) \
	0x60, 0, 0, 0, 0, len, next, 64, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x17, \
		0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x53
#define UDP(len) 0x9c, 0x40, 0, 53, 0, len, 0, 0
#define TCP 0x9c, 0x40, 0, 53, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0
#define DNS 0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0
#define LATER_FRAGMENT(next) next, 0, 0, 0x20, 0, 0, 0, 1
#define MORE_FRAGMENTS 0x20

static const struct row {
	const char *what;
	uint8_t bytes[80];
	uint32_t len;
	enum edge53_reason why;
	bool has_bad_length;
} rows[] = {
	{ "a datagram without payload", { IPV4(28, 0, 17), UDP(8) }, 28, EDGE53_GO_ON, false },
	{ "one of 12 bytes", { IPV4(40, 0, 17), UDP(20), DNS }, 40, EDGE53_GO_ON, false },
	{ "UDP longer than IP", { IPV4(40, 0, 17), UDP(21), DNS }, 40, EDGE53_GO_ON, true },
	{ "cut behind its ports", { IPV4(28, 0, 17), UDP(8) }, 24, EDGE53_GO_ON, true },
	{ "cut in its ports", { IPV4(28, 0, 17), UDP(8) }, 23, EDGE53_NOT_OURS, false },
	{ "a first fragment, of which UDP says that it is longer",
	  { IPV4(40, MORE_FRAGMENTS, 17), UDP(200), DNS }, 40, EDGE53_GO_ON, false },
	{ "the same, and IP is longer than the packet",
	  { IPV4(48, MORE_FRAGMENTS, 17), UDP(200), DNS }, 40, EDGE53_GO_ON, true },
	{ "the same, and what stands for the DNS header is padding: it has none",
	  { IPV4(28, MORE_FRAGMENTS, 17), UDP(200), DNS }, 40, EDGE53_GO_ON, false },
	{ "a first fragment, and half of the TCP header is padding",
	  { IPV4(28, MORE_FRAGMENTS, 6), TCP }, 40, EDGE53_GO_ON, true },
	{ "a later fragment", { IPV6(16, 44), LATER_FRAGMENT(17), UDP(8) }, 56, EDGE53_GO_ON, false },
	{ "a later fragment, and its fragment header is behind the end of IP",
	  { IPV6(0, 44), LATER_FRAGMENT(17), UDP(8) }, 56, EDGE53_HIDDEN_BY_HEADERS, false },
};

static void packets_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *row = &rows[i];
		__be16 protocol = bpf_htons(row->bytes[0] >> 4 == 4 ? ETH_P_IP : ETH_P_IPV6);
		struct host_skb host;
		struct packet pkt = {};
		struct bytes b;

		print_message("    %s\n", row->what);
		host_skb_fill(&host, row->bytes, row->len, row->len);
		b = bytes_of_skb(&host.skb, 0);
		assert_int_equal(parse_packet(&b, 0, protocol, &pkt), row->why);
		if (row->why == EDGE53_GO_ON)
			assert_int_equal(pkt.has_bad_length, row->has_bad_length);
		if (pkt.l4_off + sizeof(struct udphdr) + DNS_HEADER_LEN > pkt.ip_len)
			assert_int_equal(pkt.payload_len, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
