// SPDX-License-Identifier: GPL-2.0-only
/* What is refused from the DNS header alone, and that everything else goes through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../bpf/dns.h"

static const struct {
	const char *what;
	struct dns_header dns;
	enum edge53_reason why;
} rows[] = {
	{ "a query", { 1, 0x0100, 1, 0, 0, 0 }, EDGE53_GO_ON },
	{ "a query without RD", { 1, 0x0000, 1, 0, 0, 0 }, EDGE53_GO_ON },
	{ "a query with EDNS", { 1, 0x0120, 1, 0, 0, 1 }, EDGE53_GO_ON },
	{ "a query with EDNS and TSIG", { 1, 0x0120, 1, 0, 0, 2 }, EDGE53_GO_ON },
	{ "a query with TC, as nonsense as it is", { 1, 0x0300, 1, 0, 0, 0 }, EDGE53_GO_ON },
	{ "a query with every bit but QR and opcode", { 1, 0x07ff, 1, 0, 0, 0 }, EDGE53_GO_ON },
	{ "a cookie alone (RFC 7873, 5.4)", { 1, 0x0000, 0, 0, 0, 1 }, EDGE53_GO_ON },
	{ "ID 0", { 0, 0x0100, 1, 0, 0, 0 }, EDGE53_GO_ON },
	{ "no question and no OPT", { 1, 0x0100, 0, 0, 0, 0 }, EDGE53_BAD_COUNTS },
	{ "two questions (RFC 9619)", { 1, 0x0100, 2, 0, 0, 0 }, EDGE53_BAD_COUNTS },
	{ "65,535 questions", { 1, 0x0100, 65535, 0, 0, 0 }, EDGE53_BAD_COUNTS },
	{ "two questions and an OPT", { 1, 0x0100, 2, 0, 0, 1 }, EDGE53_BAD_COUNTS },
	{ "a response", { 1, 0x8180, 1, 0, 0, 0 }, EDGE53_NOT_A_QUERY },
	{ "a response without a question", { 1, 0x8000, 0, 0, 0, 0 }, EDGE53_NOT_A_QUERY },
	{ "a response to NOTIFY", { 1, 0xa400, 1, 0, 0, 0 }, EDGE53_NOT_A_QUERY },
	{ "NOTIFY", { 1, 0x2400, 1, 0, 0, 0 }, EDGE53_GO_ON },
	{ "UPDATE, its counts mean other things", { 1, 0x2800, 3, 0, 0, 0 }, EDGE53_GO_ON },
	{ "DSO (RFC 8490), which has no question", { 1, 0x3000, 0, 0, 0, 0 }, EDGE53_GO_ON },
	{ "the signature of a PROXY header",
	  { 0x0d0a, 0x0d0a, 0x000d, 0x0a51, 0x5549, 0x540a }, EDGE53_FORGED_HEADER },
	{ "another ID", { 0x0d0b, 0x0d0a, 0x000d, 0x0a51, 0x5549, 0x540a }, EDGE53_GO_ON },
	{ "other flags", { 0x0d0a, 0x0d0b, 0x000d, 0x0a51, 0x5549, 0x540a }, EDGE53_GO_ON },
	{ "other questions", { 0x0d0a, 0x0d0a, 0x000c, 0x0a51, 0x5549, 0x540a }, EDGE53_GO_ON },
	{ "other answers", { 0x0d0a, 0x0d0a, 0x000d, 0x0a50, 0x5549, 0x540a }, EDGE53_GO_ON },
	{ "other authorities", { 0x0d0a, 0x0d0a, 0x000d, 0x0a51, 0x5548, 0x540a }, EDGE53_GO_ON },
	{ "other additionals", { 0x0d0a, 0x0d0a, 0x000d, 0x0a51, 0x5549, 0x540b }, EDGE53_GO_ON },
	{ "an opcode nobody knows", { 1, 0x7800, 0, 0, 0, 0 }, EDGE53_BAD_OPCODE },
};

static void headers_are_judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		print_message("    %s\n", rows[i].what);
		assert_int_equal(dns_check_query(&rows[i].dns), rows[i].why);
	}
}

/* The ID never decides, but in a signature. */
static void flags_decide(void **state)
{
	/* QUERY, IQUERY, STATUS, NOTIFY, UPDATE, DSO. */
	static const bool is_opcode[16] = { [0] = true, [1] = true, [2] = true,
					    [4] = true, [5] = true, [6] = true };

	(void)state;
	for (uint32_t flags = 0; flags <= 0xffff; flags++) {
		struct dns_header dns = { .id = flags * 31, .flags = flags, .questions = 1 };

		assert_int_equal(dns_check_query(&dns),
				 flags & 0x8000			? EDGE53_NOT_A_QUERY :
				 is_opcode[flags >> 11 & 15] ? EDGE53_GO_ON :
							       EDGE53_BAD_OPCODE);
	}
}

static void fields_are_where_rfc_1035_says(void **state)
{
	(void)state;
	assert_int_equal(DNS_OPCODE(0x2800), 5);
	assert_int_equal(DNS_OPCODE(0x8000), 0);
	assert_int_equal(DNS_OPCODE(0xffff), 15);
	assert_int_equal(DNS_RCODE(0x8183), DNS_RCODE_NXDOMAIN);
	assert_int_equal(DNS_RCODE(0xfff0), DNS_RCODE_NOERROR);
	assert_true(0x0200 & DNS_FLAG_TC);
	assert_false(0x0180 & DNS_FLAG_TC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_are_judged),
		cmocka_unit_test(flags_decide),
		cmocka_unit_test(fields_are_where_rfc_1035_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
