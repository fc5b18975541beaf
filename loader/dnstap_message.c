// SPDX-License-Identifier: GPL-2.0-only
#include "dnstap_message.h"

#include <string.h>

#include "dnstap.pb-c.h"

#define NS_PER_S 1000000000ull

static ProtobufCBinaryData bytes_of(const void *data, size_t len)
{
	return (ProtobufCBinaryData){ .len = len, .data = (uint8_t *)data };
}

static ProtobufCBinaryData address_of(const struct edge53_addr *addr, bool is_ipv6)
{
	return is_ipv6 ? bytes_of(addr->bytes, 16) : bytes_of(addr->bytes + 12, 4);
}

static void fill_ends(const struct sample *sample, Tap__Message *m)
{
	m->has_socket_family = m->has_socket_protocol = true;
	m->socket_family =
		sample->is_ipv6 ? TAP__MESSAGE__FAMILY__INET6 : TAP__MESSAGE__FAMILY__INET;
	m->socket_protocol =
		sample->is_tcp ? TAP__MESSAGE__PROTOCOL__TCP : TAP__MESSAGE__PROTOCOL__UDP;
	m->has_query_address = m->has_response_address = true;
	m->query_address = address_of(&sample->client, sample->is_ipv6);
	m->response_address = address_of(&sample->server, sample->is_ipv6);
	m->has_query_port = sample->client_port != 0;
	m->query_port = sample->client_port;
	m->has_response_port = true;
	m->response_port = sample->server_port;
}

/* Of the two kinds of fields only those are written that it has. */
static void fill_message(bool is_reply, uint64_t time_ns, ProtobufCBinaryData message,
			 Tap__Message *m)
{
	m->type = is_reply ? TAP__MESSAGE__TYPE__CLIENT_RESPONSE : TAP__MESSAGE__TYPE__CLIENT_QUERY;
	m->has_query_time_sec = m->has_query_time_nsec = m->has_query_message = !is_reply;
	m->has_response_time_sec = m->has_response_time_nsec = m->has_response_message = is_reply;
	m->query_time_sec = m->response_time_sec = time_ns / NS_PER_S;
	m->query_time_nsec = m->response_time_nsec = (uint32_t)(time_ns % NS_PER_S);
	m->query_message = m->response_message = message;
}

size_t dnstap_message_write(const struct dnstap_origin *origin, const struct sample *sample,
			    const unsigned char *message, size_t len,
			    unsigned char buf[static DNSTAP_MESSAGE_MAX_LEN])
{
	uint64_t time_ns = sample->time_ns + (uint64_t)origin->realtime_offset_ns;
	Tap__Dnstap tap = TAP__DNSTAP__INIT;
	Tap__Message m = TAP__MESSAGE__INIT;

	fill_ends(sample, &m);
	fill_message(sample->is_reply, time_ns, bytes_of(message, len), &m);
	tap.type = TAP__DNSTAP__TYPE__MESSAGE;
	tap.message = &m;
	tap.has_identity = origin->identity[0] != '\0';
	tap.identity = bytes_of(origin->identity, strlen(origin->identity));
	tap.has_version = true;
	tap.version = bytes_of(origin->version, strlen(origin->version));
	return tap__dnstap__pack(&tap, buf);
}
