// SPDX-License-Identifier: GPL-2.0-only
/* Which DNS header is refused: as dns.h says it, and as RFC 1035 and RFC 9619 do. */
#include "fuzz.h"

#include "dns.h"

static enum edge53_reason expected(const struct dns_header *dns)
{
	unsigned int opcode = dns->flags / 2048 % 16;
	bool is_response = dns->flags >= 0x8000;
	const uint16_t counts[] = { dns->questions, dns->answers, dns->authorities,
				    dns->additionals };

	if (dns->id == 0x0d0a && dns->flags == 0x0d0a &&
	    !memcmp(counts, (const uint16_t[]){ 0x000d, 0x0a51, 0x5549, 0x540a }, sizeof(counts)))
		return EDGE53_FORGED_HEADER;
	if (is_response)
		return EDGE53_NOT_A_QUERY;
	if (opcode != 0 || dns->questions == 1)
		return EDGE53_GO_ON;
	/* Cookie-only queries (RFC 7873 section 5.4) have no question but an OPT record. */
	return dns->questions == 0 && dns->additionals > 0 ? EDGE53_GO_ON : EDGE53_BAD_COUNTS;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, len };
	struct dns_header dns = {
		.id = input_u16(&in),
		.flags = input_u16(&in),
		.questions = input_u16(&in),
		.additionals = input_u16(&in),
		.answers = input_u16(&in),
		.authorities = input_u16(&in),
	};
	enum edge53_reason why = dns_check_query(&dns);

	assert(why == expected(&dns));
	dns.id ^= 0xffff;
	assert(dns_check_query(&dns) == expected(&dns));
	return 0;
}
