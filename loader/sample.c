// SPDX-License-Identifier: GPL-2.0-only
#include "sample.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "dns_message.h"
#include "edge53_client_prefix.h"
#include "wire.h"

#define IPV4_HEADER_LEN 20
#define IPV6_HEADER_LEN 40
#define UDP_HEADER_LEN 8
#define TCP_HEADER_LEN 20
#define TCP_MESSAGE_LEN_LEN 2
#define MAX_EXTENSION_HEADERS 8
#define DNS_FLAGS_QR 0x80

/* What is left of a packet; every step forward looks whether it is there. */
struct rest {
	const unsigned char *at;
	size_t len;	 /* that we have */
	size_t full_len; /* that there was, before the dataplane cut it */
};

static bool skip(struct rest *rest, size_t n)
{
	if (rest->len < n)
		return false;
	rest->at += n;
	rest->len -= n;
	rest->full_len -= n;
	return true;
}

/* Padding of the frame, and behind the packet, is no part of it. */
static bool cut_to(struct rest *rest, size_t full_len)
{
	if (full_len > rest->full_len)
		return false;
	rest->full_len = full_len;
	if (rest->len > full_len)
		rest->len = full_len;
	return true;
}

/* --- IP --------------------------------------------------------------------------------------- */

struct ends {
	struct edge53_addr source;
	struct edge53_addr destination;
	unsigned int protocol;
	bool is_ipv6;
	bool is_fragment;
};

static bool read_ipv4(struct rest *rest, struct ends *ends)
{
	const unsigned char *ip = rest->at;
	size_t header_len, total_len;

	if (rest->len < IPV4_HEADER_LEN)
		return false;
	header_len = (ip[0] & 0x0f) * 4u;
	total_len = u16_at(ip + 2) ?: rest->full_len; /* 0: of a bundle of more than 64 KiB */
	ends->source = addr_from_ipv4(ip + 12);
	ends->destination = addr_from_ipv4(ip + 16);
	ends->protocol = ip[9];
	ends->is_fragment = u16_at(ip + 6) & 0x3fff;
	return header_len >= IPV4_HEADER_LEN && total_len >= header_len &&
	       cut_to(rest, total_len) && skip(rest, header_len);
}

static bool skip_extension(struct rest *rest, struct ends *ends)
{
	const unsigned char *header = rest->at;
	size_t len = 8;

	if (rest->len < len)
		return false;
	if (ends->protocol == IPPROTO_FRAGMENT)
		ends->is_fragment |=
			u16_at(header + 2) & 0xfff9; /* else an atomic one (RFC 6946) */
	else
		len += header[1] * 8u;
	ends->protocol = header[0];
	return skip(rest, len);
}

static bool is_extension(unsigned int protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING ||
	       protocol == IPPROTO_FRAGMENT || protocol == IPPROTO_DSTOPTS;
}

static bool read_ipv6(struct rest *rest, struct ends *ends)
{
	const unsigned char *ip = rest->at;
	size_t payload_len;

	if (rest->len < IPV6_HEADER_LEN)
		return false;
	memcpy(ends->source.bytes, ip + 8, sizeof(ends->source.bytes));
	memcpy(ends->destination.bytes, ip + 24, sizeof(ends->destination.bytes));
	ends->protocol = ip[6];
	ends->is_ipv6 = true;
	payload_len = u16_at(ip + 4) ?: rest->full_len - IPV6_HEADER_LEN;
	if (!cut_to(rest, IPV6_HEADER_LEN + payload_len) || !skip(rest, IPV6_HEADER_LEN))
		return false;
	for (int i = 0; i < MAX_EXTENSION_HEADERS && is_extension(ends->protocol); i++)
		if (!skip_extension(rest, ends))
			return false;
	return true;
}

static bool read_ip(struct rest *rest, struct ends *ends)
{
	if (!rest->len)
		return false;
	switch (rest->at[0] >> 4) {
	case 4:
		return read_ipv4(rest, ends);
	case 6:
		return read_ipv6(rest, ends);
	default:
		return false;
	}
}

/* --- transport -------------------------------------------------------------------------------- */

static bool skip_udp(struct rest *rest)
{
	size_t len;

	if (rest->len < UDP_HEADER_LEN)
		return false;
	len = u16_at(rest->at + 4);
	return len >= UDP_HEADER_LEN && cut_to(rest, len) && skip(rest, UDP_HEADER_LEN);
}

static bool skip_tcp(struct rest *rest)
{
	size_t len;

	if (rest->len < TCP_HEADER_LEN)
		return false;
	len = (rest->at[12] >> 4) * 4u;
	return len >= TCP_HEADER_LEN && skip(rest, len);
}

static void take_ends(const struct ends *ends, const unsigned char *ports, struct sample *sample)
{
	unsigned int source_port = u16_at(ports), destination_port = u16_at(ports + 2);

	sample->is_ipv6 = ends->is_ipv6;
	sample->is_tcp = ends->protocol == IPPROTO_TCP;
	sample->client = sample->is_reply ? ends->destination : ends->source;
	sample->server = sample->is_reply ? ends->source : ends->destination;
	sample->client_port = (uint16_t)(sample->is_reply ? destination_port : source_port);
	sample->server_port = (uint16_t)(sample->is_reply ? source_port : destination_port);
}

/*
 * Nothing says where in a stream a message begins. What is exactly one message after the other, each of the right
 * direction, is taken for that; a segment out of the middle of a long one looks otherwise.
 */
static bool is_whole_messages(const struct sample *sample)
{
	const unsigned char *message;
	size_t offset = 0, len;

	while (sample_next_message(sample, &offset, &message, &len))
		if (!(message[2] & DNS_FLAGS_QR) == sample->is_reply)
			return false;
	return offset == sample->payload_len;
}

enum sample_verdict sample_read(const void *event, size_t len, struct sample *ret)
{
	struct edge53_sample about;
	struct ends ends = {};
	struct rest rest;
	const unsigned char *ports;

	if (len < sizeof(about))
		return SAMPLE_NOT_DNS;
	memcpy(&about, event, sizeof(about));
	rest = (struct rest){ (const unsigned char *)event + sizeof(about), len - sizeof(about),
			      about.packet_len };
	if (rest.len > rest.full_len) /* padding of the ring */
		rest.len = rest.full_len;
	*ret = (struct sample){ .time_ns = about.time_ns,
				.service = about.service,
				.is_reply = about.kind == EDGE53_SAMPLE_REPLY };
	if (!skip(&rest, about.l3_off) || !read_ip(&rest, &ends))
		return SAMPLE_NOT_DNS;
	if (ends.is_fragment)
		return SAMPLE_NOT_WHOLE;
	ports = rest.at;
	if (ends.protocol == IPPROTO_UDP ? !skip_udp(&rest)
					 : ends.protocol != IPPROTO_TCP || !skip_tcp(&rest))
		return SAMPLE_NOT_DNS;
	if (rest.len < rest.full_len)
		return SAMPLE_NOT_WHOLE;
	take_ends(&ends, ports, ret);
	ret->payload = rest.at;
	ret->payload_len = rest.len;
	if (ret->is_tcp)
		return ret->payload_len && is_whole_messages(ret) ? SAMPLE_HAS_MESSAGES
								  : SAMPLE_NO_MESSAGE;
	return ret->payload_len >= DNS_MESSAGE_HEADER_LEN ? SAMPLE_HAS_MESSAGES : SAMPLE_NOT_DNS;
}

bool sample_next_message(const struct sample *sample, size_t *offset, const unsigned char **message,
			 size_t *len)
{
	size_t left = sample->payload_len - *offset,
	       prefix = sample->is_tcp ? TCP_MESSAGE_LEN_LEN : 0;
	const unsigned char *at = sample->payload + *offset;

	if (left < prefix + DNS_MESSAGE_HEADER_LEN)
		return false;
	*len = sample->is_tcp ? u16_at(at) : left;
	if (*len < DNS_MESSAGE_HEADER_LEN || *len > left - prefix)
		return false;
	*message = at + prefix;
	*offset += prefix + *len;
	return true;
}

/* --- privacy ---------------------------------------------------------------------------------- */

void sample_mask_client(struct sample *sample, const struct edge53_client_prefix *prefix)
{
	edge53_client_mask(&sample->client, prefix);
	if (edge53_client_prefix_bits(prefix, !sample->is_ipv6) <
	    (sample->is_ipv6 ? EDGE53_IPV6_BITS : EDGE53_IPV4_BITS))
		sample->client_port = 0;
}

/* --- the question ----------------------------------------------------------------------------- */

static char *put_byte(char *text, unsigned char c)
{
	if (c <= ' ' || c > '~')
		return text + sprintf(text, "\\%03u", c);
	if (strchr(".\\\"();@$", c))
		*text++ = '\\';
	*text++ = (char)tolower(c);
	return text;
}

int sample_question_read(const unsigned char *message, size_t len, struct sample_question *ret)
{
	size_t at = DNS_MESSAGE_HEADER_LEN;
	char *text = ret->name;

	if (len < DNS_MESSAGE_HEADER_LEN || !u16_at(message + 4))
		return -EBADMSG;
	while (at < len && message[at]) {
		size_t label_end = at + 1 + message[at];

		/* A pointer has nothing to point to in the first name. */
		if (message[at] > 63 || label_end >= len ||
		    label_end - DNS_MESSAGE_HEADER_LEN >= DNS_NAME_MAX_LEN)
			return -EBADMSG;
		for (at++; at < label_end; at++)
			text = put_byte(text, message[at]);
		*text++ = '.';
	}
	if (len - at < 1 + 4) /* the root's byte, type and class */
		return -EBADMSG;
	if (text == ret->name)
		*text++ = '.';
	*text = '\0';
	ret->type = (uint16_t)u16_at(message + at + 1);
	return 0;
}

const char *sample_type_text(unsigned int type, char buf[static SAMPLE_TYPE_TEXT_LEN])
{
	static const struct {
		unsigned int type;
		const char *text;
	} names[] = {
		{ 1, "A" },	   { 2, "NS" },	    { 5, "CNAME" },  { 6, "SOA" },
		{ 12, "PTR" },	   { 13, "HINFO" }, { 15, "MX" },    { 16, "TXT" },
		{ 28, "AAAA" },	   { 33, "SRV" },   { 35, "NAPTR" }, { 39, "DNAME" },
		{ 43, "DS" },	   { 44, "SSHFP" }, { 46, "RRSIG" }, { 47, "NSEC" },
		{ 48, "DNSKEY" },  { 50, "NSEC3" }, { 52, "TLSA" },  { 59, "CDS" },
		{ 60, "CDNSKEY" }, { 64, "SVCB" },  { 65, "HTTPS" }, { 251, "IXFR" },
		{ 252, "AXFR" },   { 255, "ANY" },  { 257, "CAA" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].type == type)
			return names[i].text;
	snprintf(buf, SAMPLE_TYPE_TEXT_LEN, "TYPE%u", type);
	return buf;
}
