// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names that operators write, and replies that come from anywhere. The first byte is the length of a name, which
 * follows; the rest is a reply.
 */
#include "fuzz.h"

#include "dns_message.h"
#include "proxy_header.h"

#define ID 0x1234

/* Labels up to the root's, type and class, and not a byte more. */
static void check_question(const struct dns_question *question)
{
	size_t at = 0;

	assert(question->len >= 5 && question->len <= DNS_QUESTION_MAX_LEN);
	while (question->bytes[at]) {
		assert(question->bytes[at] < 64);
		at += question->bytes[at] + 1;
		assert(at < question->len);
	}
	assert(at + 5 == question->len);
}

static void check_query(const struct dns_question *question)
{
	unsigned char query[DNS_QUERY_MAX_LEN];
	unsigned int rcode;
	size_t len = dns_query_write(query, ID, question);

	/* It is no answer to itself; with QR=1 it would be. */
	assert(dns_reply_judge(query, len, ID, question, &rcode) == DNS_REPLY_NOT_OURS);
	query[2] |= 0x80;
	assert(dns_reply_judge(query, len, ID, question, &rcode) == DNS_REPLY_OURS && !rcode);
	assert(dns_reply_judge(query, len - 1, ID, question, &rcode) == DNS_REPLY_NOT_OURS);
}

static void check_reply(const uint8_t *reply, size_t len, const struct dns_question *question)
{
	unsigned int rcode = 99;

	switch (dns_reply_judge(reply, len, ID, question, &rcode)) {
	case DNS_REPLY_OURS:
		assert(len >= 12 && reply[0] == ID >> 8 && reply[1] == (ID & 0xff) &&
		       reply[2] & 0x80);
		assert(rcode == (reply[3] & 15u));
		assert(len >= 12 + question->len || rcode);
		break;
	case DNS_REPLY_TO_HEADER:
		assert(len >= 12 && (reply[0] << 8 | reply[1]) == PROXY_HEADER_AS_ID);
		break;
	case DNS_REPLY_NOT_OURS:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct dns_question question = dns_default_question;
	size_t name_len = len ? bytes[0] : 0;
	char *name;
	uint8_t *reply;

	if (len < 1 + name_len)
		return 0;
	name = strndup((const char *)bytes + 1, name_len);
	assert(name);
	if (dns_question_make(name, 6, &question) < 0)
		question = dns_default_question;
	free(name);
	check_question(&question);
	check_query(&question);
	reply = copy_exactly(bytes + 1 + name_len, len - 1 - name_len, 0);
	check_reply(reply, len - 1 - name_len, &question);
	free(reply);
	return 0;
}
