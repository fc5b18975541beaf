// SPDX-License-Identifier: GPL-2.0-only
#include "dns_message.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "proxy_header.h"
#include "wire.h"

#define MAX_LABEL_LEN 63

#define FLAG_QR 0x80 /* in the third byte, */
#define FLAG_RD 0x01
#define OPCODE_MASK 0x78
#define RCODE_MASK 0x0f /* in the fourth */

#define TYPE_A 1
#define CLASS_IN 1

const struct dns_question dns_default_question = {
	.bytes = "\11localhost\0\0\1\0\1",
	.len = 15,
};

/* --- the query -------------------------------------------------------------------------------- */

static bool is_letter_of_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

/* Appends a label; false when there is no room, or it is none. */
static bool put_label(struct dns_question *question, const char *label, size_t len)
{
	if (!len || len > MAX_LABEL_LEN || question->len + 1 + len + 1 > DNS_NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_letter_of_name(label[i]))
			return false;
	question->bytes[question->len] = (unsigned char)len;
	memcpy(&question->bytes[question->len + 1], label, len);
	question->len += 1 + len;
	return true;
}

int dns_question_make(const char *name, unsigned int type, struct dns_question *ret)
{
	*ret = (struct dns_question){};
	if (!*name)
		return -EINVAL;
	if (strcmp(name, ".") == 0)
		name++;
	while (*name) {
		size_t len = strcspn(name, ".");

		if (!put_label(ret, name, len))
			return -EINVAL;
		name += len + (name[len] == '.');
	}
	ret->bytes[ret->len++] = 0;
	store_u16(&ret->bytes[ret->len], type);
	store_u16(&ret->bytes[ret->len + 2], CLASS_IN);
	ret->len += 4;
	return 0;
}

unsigned int dns_type_parse(const char *word)
{
	static const struct {
		const char *word;
		unsigned int type;
	} types[] = {
		{ "A", TYPE_A }, { "NS", 2 },	   { "CNAME", 5 },  { "SOA", 6 },
		{ "PTR", 12 },	 { "MX", 15 },	   { "TXT", 16 },   { "AAAA", 28 },
		{ "SRV", 33 },	 { "DNSKEY", 48 }, { "HTTPS", 65 },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcasecmp(types[i].word, word) == 0)
			return types[i].type;
	return 0;
}

size_t dns_query_write(unsigned char query[static DNS_QUERY_MAX_LEN], uint16_t id,
		       const struct dns_question *question)
{
	memset(query, 0, DNS_MESSAGE_HEADER_LEN);
	store_u16(query, id);
	query[2] = FLAG_RD;
	store_u16(query + 4, 1);
	memcpy(query + DNS_MESSAGE_HEADER_LEN, question->bytes, question->len);
	return DNS_MESSAGE_HEADER_LEN + question->len;
}

/* --- the reply -------------------------------------------------------------------------------- */

/* Bytes of length are no letters, and type and class are compared as they are. */
static bool same_question(const unsigned char *bytes, const struct dns_question *question)
{
	size_t name_len = question->len - 4;

	for (size_t i = 0; i < question->len; i++) {
		unsigned char a = bytes[i], b = question->bytes[i];

		if (i < name_len && a >= 'A' && a <= 'Z')
			a |= 0x20;
		if (i < name_len && b >= 'A' && b <= 'Z')
			b |= 0x20;
		if (a != b)
			return false;
	}
	return true;
}

enum dns_reply dns_reply_judge(const unsigned char *message, size_t len, uint16_t id,
			       const struct dns_question *question, unsigned int *rcode)
{
	unsigned int questions;

	if (len < DNS_MESSAGE_HEADER_LEN || !(message[2] & FLAG_QR))
		return DNS_REPLY_NOT_OURS;
	if (u16_at(message) != id)
		return u16_at(message) == PROXY_HEADER_AS_ID ? DNS_REPLY_TO_HEADER
							     : DNS_REPLY_NOT_OURS;
	if (message[2] & OPCODE_MASK)
		return DNS_REPLY_NOT_OURS;
	questions = u16_at(message + 4);
	*rcode = message[3] & RCODE_MASK;
	if (!questions)
		return *rcode ? DNS_REPLY_OURS : DNS_REPLY_NOT_OURS;
	if (questions != 1 || len < DNS_MESSAGE_HEADER_LEN + question->len ||
	    !same_question(message + DNS_MESSAGE_HEADER_LEN, question))
		return DNS_REPLY_NOT_OURS;
	return DNS_REPLY_OURS;
}

const char *dns_rcode_name(unsigned int rcode)
{
	static const char *const names[] = { "NOERROR",	 "FORMERR", "SERVFAIL",
					     "NXDOMAIN", "NOTIMP",  "REFUSED" };

	return rcode < sizeof(names) / sizeof(names[0]) ? names[rcode] : "RCODE";
}
