// SPDX-License-Identifier: GPL-2.0-only
/* enforce: queries to anybody go to our resolver; answers come as if from whom was asked. */
#include <string.h>

#include "cases.h"

#define NAME "example.com"
#define GOOGLE "8.8.8.8"
#define QUAD9 "9.9.9.9"

#define QUERY_TO(whom, id) ip4(CLIENT, whom, udp(40000, 53, dns_query(id, NAME)))
#define SENT(n) ip4(CLIENT, RESOLVER, udp(port_of(n), 53, dns_query(id_of(n), NAME)))
#define ANSWER(n) ip4(RESOLVER, CLIENT, udp(53, port_of(n), dns_reply(id_of(n), NAME)))
#define ANSWERED_BY(whom, id) ip4(whom, CLIENT, udp(53, 40000, dns_reply(id, NAME)))

#define ASK(whom, n, id) \
	{ .query = QUERY_TO(whom, id), .becomes = SENT(n), .why = EDGE53_QUERY_SENT }
#define ANSWER_IT(whom, n, id) \
	{ .reply = ANSWER(n), .becomes = ANSWERED_BY(whom, id), .why = EDGE53_REPLY_SENT }
#define STOPS(packet, reason) { { .query = packet, .why = EDGE53_##reason } }

/* --- worlds ----------------------------------------------------------------------------------- */

static void no_resolver(void)
{
	world_set_backends(SERVICE_ENFORCE, NULL, 0);
}

static void no_resolver_pass(void)
{
	world_set_backends(SERVICE_ENFORCE, NULL, 0);
	world_set_flags(SERVICE_ENFORCE, EDGE53_SERVICE_DOWN_PASS);
}

static void two_resolvers(void)
{
	world_set_backends(SERVICE_ENFORCE, (const __u8[]){ 3, 4 }, 2);
}

static void queries_grow_old(void)
{
	for (unsigned i = 0; i < world_n_slots(); i++)
		world_slots()[i].opened_us -= (UDP_TIMEOUT_S * SECONDS >> 10) + 1000;
}

/* --- UDP -------------------------------------------------------------------------------------- */

static int udp_cases(const struct path *path)
{
	const struct test_case cases[] = {
		{ "a query to somebody goes to our resolver, the answer comes from them",
		  { ASK(GOOGLE, 0, 0x1234), ANSWER_IT(GOOGLE, 0, 0x1234) } },
		{ "queries from one port to two resolvers are kept apart",
		  { ASK(GOOGLE, 0, 7), ASK(QUAD9, 1, 7), ANSWER_IT(QUAD9, 1, 7),
		    ANSWER_IT(GOOGLE, 0, 7) } },
		{ "a query to the resolver itself",
		  { ASK(RESOLVER, 0, 7), ANSWER_IT(RESOLVER, 0, 7) } },
		{ "it does not leave the host, so TTL 1 is enough and stays",
		  { { .query = ttl(1, QUERY_TO(GOOGLE, 7)),
		      .becomes = ttl(1, SENT(0)),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = ttl(1, ANSWER(0)),
		      .becomes = ttl(1, ANSWERED_BY(GOOGLE, 7)),
		      .why = EDGE53_REPLY_SENT } } },
		{ "no checksum stays none",
		  { { .query = ip4(CLIENT, GOOGLE,
				   zero_checksum(udp(40000, 53, dns_query(7, NAME)))),
		      .becomes = ip4(CLIENT, RESOLVER,
				     zero_checksum(udp(port_of(0), 53, dns_query(id_of(0), NAME)))),
		      .why = EDGE53_QUERY_SENT } } },
		{ "IP options and padding",
		  { { .query = padded(3, options(10, QUERY_TO(GOOGLE, 7))),
		      .becomes = options(10, SENT(0)),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = options(2, ANSWER(0)),
		      .becomes = options(2, ANSWERED_BY(GOOGLE, 7)),
		      .why = EDGE53_REPLY_SENT } } },
		{ "no usable resolver: dropped", STOPS(QUERY_TO(GOOGLE, 7), NO_BACKEND),
		  .world = no_resolver },
		{ "no usable resolver, on_down: pass",
		  STOPS(QUERY_TO(GOOGLE, 7), NO_BACKEND_PASSED), .world = no_resolver_pass },
		{ "too short",
		  STOPS(ip4(CLIENT, GOOGLE, udp(40000, 53, text("short"))), SHORT_DNS) },
		{ "bad length",
		  STOPS(ip4(CLIENT, GOOGLE, length_off_by(1, udp(40000, 53, dns_query(7, NAME)))),
			BAD_LENGTH) },
		{ "a reply from the client",
		  STOPS(ip4(CLIENT, GOOGLE, udp(40000, 53, dns_reply(7, NAME))), NOT_A_QUERY) },
		{ "no question",
		  STOPS(ip4(CLIENT, GOOGLE, udp(40000, 53, dns(7, 0, 0, 0, NAME))), BAD_COUNTS) },
	};

	return RUN(path, cases);
}

static int replies(const struct path *path)
{
	const struct test_case cases[] = {
		{ "a reply to no query passes unchanged",
		  { { .reply = ANSWER(0), .why = EDGE53_REPLY_UNKNOWN } } },
		{ "a second reply",
		  { ASK(GOOGLE, 0, 7),
		    ANSWER_IT(GOOGLE, 0, 7),
		    { .reply = ANSWER(0), .why = EDGE53_REPLY_DUPLICATE } } },
		{ "a late reply",
		  { ASK(GOOGLE, 0, 7),
		    { .reply = ANSWER(0),
		      .why = EDGE53_REPLY_EXPIRED,
		      .before = queries_grow_old } } },
		{ "another server's reply",
		  { ASK(GOOGLE, 0, 7),
		    { .reply =
			      ip4(STRANGER, CLIENT, udp(53, port_of(0), dns_reply(id_of(0), NAME))),
		      .why = EDGE53_REPLY_FOREIGN,
		      .of_nobody = true },
		    ANSWER_IT(GOOGLE, 0, 7) } },
		{ "a reply to another client",
		  { ASK(GOOGLE, 0, 7),
		    { .reply = ip4(RESOLVER, CLIENT_2,
				   udp(53, port_of(0), dns_reply(id_of(0), NAME))),
		      .why = EDGE53_REPLY_FOREIGN,
		      .of_nobody = true } } },
		{ "what is not from port 53 is not looked at",
		  { ASK(GOOGLE, 0, 7),
		    { .reply =
			      ip4(RESOLVER, CLIENT, udp(54, port_of(0), dns_reply(id_of(0), NAME))),
		      .why = EDGE53_NOT_OURS } } },
		{ "what goes to another port is not looked at",
		  { { .reply = ip4(RESOLVER, CLIENT, udp(53, 40000, dns_reply(7, NAME))),
		      .why = EDGE53_NOT_OURS } } },
		{ "an IPv6 reply to no query",
		  { { .reply = ip6(RESOLVER6, CLIENT6, udp(53, port_of(0), dns_reply(7, NAME))),
		      .why = EDGE53_REPLY_UNKNOWN } } },
		{ "towards the host, a port of ours is nothing special",
		  STOPS(ip4(CLIENT, GOOGLE, udp(53, port_of(0), dns_reply(7, NAME))), NOT_OURS) },
	};

	return RUN(path, cases);
}

/* --- TCP -------------------------------------------------------------------------------------- */

#define IN(whom, flags) ip4(CLIENT, whom, tcp(40000, 53, flags, nothing()))
#define CLIENT_SENDS(whom, n, flags, reason, now)                                             \
	{ .query = IN(whom, flags),                                                            \
	  .becomes = ip4(CLIENT, RESOLVER, tcp(conn_port(n), 53, flags, nothing())),            \
	  .why = EDGE53_TCP_##reason, .conn = n, .state = EDGE53_CONN_##now }
#define RESOLVER_SENDS(whom, n, flags, now)                                                   \
	{ .reply = ip4(RESOLVER, CLIENT, tcp(53, conn_port(n), flags, nothing())),              \
	  .becomes = ip4(whom, CLIENT, tcp(53, 40000, flags, nothing())),                        \
	  .why = EDGE53_TCP_REPLY_SENT, .conn = n, .state = EDGE53_CONN_##now }

static int tcp_cases(const struct path *path)
{
	const struct test_case cases[] = {
		{ "a connection to somebody is one to our resolver",
		  { CLIENT_SENDS(GOOGLE, 0, "S", OPENED, HALF_OPEN),
		    RESOLVER_SENDS(GOOGLE, 0, "SA", HALF_OPEN),
		    CLIENT_SENDS(GOOGLE, 0, "A", QUERY_SENT, ESTABLISHED),
		    RESOLVER_SENDS(GOOGLE, 0, "FA", ESTABLISHED),
		    CLIENT_SENDS(GOOGLE, 0, "FA", QUERY_SENT, CLOSING),
		    RESOLVER_SENDS(GOOGLE, 0, "A", CLOSING) } },
		{ "connections from one port to two resolvers are kept apart",
		  { CLIENT_SENDS(GOOGLE, 0, "S", OPENED, HALF_OPEN),
		    CLIENT_SENDS(QUAD9, 1, "S", OPENED, HALF_OPEN),
		    RESOLVER_SENDS(QUAD9, 1, "SA", HALF_OPEN),
		    RESOLVER_SENDS(GOOGLE, 0, "SA", HALF_OPEN),
		    CLIENT_SENDS(QUAD9, 1, "A", QUERY_SENT, ESTABLISHED) } },
		{ "a connection to the resolver itself",
		  { CLIENT_SENDS(RESOLVER, 0, "S", OPENED, HALF_OPEN),
		    RESOLVER_SENDS(RESOLVER, 0, "SA", HALF_OPEN) } },
		{ "a segment of no connection would leave the host: dropped",
		  STOPS(IN(GOOGLE, "A"), NO_CONNECTION_DROPPED) },
		{ "one to the resolver itself is the host's to reset",
		  STOPS(IN(RESOLVER, "A"), NO_CONNECTION) },
		{ "one to the second of two resolvers too",
		  STOPS(IN(RESOLVER_2, "A"), NO_CONNECTION), .world = two_resolvers },
		{ "no usable resolver", STOPS(IN(GOOGLE, "S"), NO_BACKEND), .world = no_resolver },
		{ "no usable resolver, on_down: pass: whole connections pass",
		  { { .query = IN(GOOGLE, "S"), .why = EDGE53_NO_BACKEND_PASSED },
		    { .query = IN(GOOGLE, "A"), .why = EDGE53_NO_BACKEND_PASSED } },
		  .world = no_resolver_pass },
		{ "a reply of no connection passes unchanged",
		  { { .reply = ip4(RESOLVER, CLIENT, tcp(53, conn_port(0), "A", nothing())),
		      .why = EDGE53_REPLY_UNKNOWN } } },
	};

	return RUN(path, cases);
}

const struct table enforce_tables[] = {
	{ "UDP", udp_cases, ENFORCE_PATHS },
	{ "UDP, strange replies", replies, ENFORCE_PATHS },
	{ "TCP", tcp_cases, ENFORCE_PATHS },
	{},
};
