// SPDX-License-Identifier: GPL-2.0-only
/* What the parser makes of packets that no sender writes on purpose. Rows of `make fuzz`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../bpf/knobs.h"

static struct edge53_knobs knobs = { .port_base = 16384, .port_bits = 14 };

#include "../../bpf/parse.h"

#define IPV4(len, fragment, proto) \
	0x45, 0, 0, len, 0, 1, fragment, 0, 64, proto, 0, 0, 192, 0, 2, 17, 198, 51, 100, 53
#define UDP(len) 0x9c, 0x40, 0, 53, 0, len, 0, 0
#define MORE_FRAGMENTS 0x20

struct row {
	const char *what;
	uint8_t bytes[64];
	uint32_t len;
	enum edge53_reason why;
	bool has_bad_length;
	uint32_t payload_len;
};

static const struct row rows[] = {
	{ "a datagram without payload", { IPV4(28, 0, 17), UDP(8) }, 28, EDGE53_GO_ON, false, 0 },
	{ "with 4 bytes of it", { IPV4(32, 0, 17), UDP(12) }, 32, EDGE53_GO_ON, false, 4 },
	{ "UDP longer than IP", { IPV4(32, 0, 17), UDP(13) }, 32, EDGE53_GO_ON, true, 0 },
	{ "a first fragment, in which UDP is longer than IP",
	  { IPV4(32, MORE_FRAGMENTS, 17), UDP(200) }, 32, EDGE53_GO_ON, false, 0 },
	{ "the same, and IP is longer than the packet",
	  { IPV4(40, MORE_FRAGMENTS, 17), UDP(200) }, 32, EDGE53_GO_ON, true, 0 },
	{ "cut behind its ports", { IPV4(28, 0, 17), UDP(8) }, 24, EDGE53_GO_ON, true, 0 },
	{ "cut in its ports", { IPV4(28, 0, 17), UDP(8) }, 23, EDGE53_NOT_OURS, false, 0 },
};

static void packets_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *row = &rows[i];
		uint8_t *copy = malloc(row->len); /* ASan sees what is read behind it */
		struct bytes b = { copy, copy + row->len, row->len };
		struct packet pkt;

		print_message("    %s\n", row->what);
		memcpy(copy, row->bytes, row->len);
		assert_int_equal(parse_packet(&b, 0, bpf_htons(ETH_P_IP), &pkt), row->why);
		if (row->why == EDGE53_GO_ON) {
			assert_int_equal(pkt.has_bad_length, row->has_bad_length);
			assert_int_equal(pkt.payload_len, row->payload_len);
		}
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
