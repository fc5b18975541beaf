// SPDX-License-Identifier: GPL-2.0-only
/*
 * ICMP errors about packets we sent go to whom they are for, and say there what he knows. The
 * checksums of the quoted packet and of the error are made from scratch, before and after.
 */
#include <string.h>

#include "cases.h"

#define NAME "example.com"
#define GOOGLE "8.8.8.8"
#define GOOGLE6 "2001:4860:4860::8888"

/* A router on the way says it, which need not be the one that was asked. */
#define ROUTER STRANGER
#define ROUTER6 STRANGER6

#define QUERY udp(40000, 53, dns_query(7, NAME))
#define SENT udp(port_of(0), BACKEND_UDP, dns_query(id_of(0), NAME))
#define ANSWER udp(BACKEND_UDP, port_of(0), dns_reply(id_of(0), NAME))
#define ANSWERED udp(53, 40000, dns_reply(7, NAME))

#define ASK4 { .query = ip4(CLIENT, FRONTEND, QUERY),                                            \
	       .becomes = forwarded(ip4(EDGE, BACKEND, SENT)), .why = EDGE53_QUERY_SENT }
#define ASK6 { .query = ip6(CLIENT6, FRONTEND6, QUERY),                                          \
	       .becomes = forwarded(ip6(EDGE6, BACKEND6, SENT)), .why = EDGE53_QUERY_SENT }
#define ANSWER_IT4 { .reply = ip4(BACKEND, EDGE, ANSWER),                                        \
		     .becomes = forwarded(ip4(FRONTEND, CLIENT, ANSWERED)),                       \
		     .why = EDGE53_REPLY_SENT }

/* The error as it comes to the edge, and as the client gets it. What is quoted went a hop. */
#define COMES4(error) ip4(ROUTER, EDGE, error)
#define COMES6(error) ip6(ROUTER6, EDGE6, error)
#define GETS4(error) forwarded(ip4(FRONTEND, CLIENT, error))
#define GETS6(error) forwarded(ip6(FRONTEND6, CLIENT6, error))
#define QUOTED_SENT4(l4) forwarded(ip4(EDGE, BACKEND, l4))
#define QUOTED_SENT6(l4) forwarded(ip6(EDGE6, BACKEND6, l4))
#define QUOTED_QUERY4(l4) forwarded(ip4(CLIENT, FRONTEND, l4))
#define QUOTED_QUERY6(l4) forwarded(ip6(CLIENT6, FRONTEND6, l4))

#define TELLS(before, after) \
	{ .reply = before, .becomes = after, .why = EDGE53_ICMP_SENT, .by_tc = true }
#define PASSES(packet) { .reply = packet, .why = EDGE53_NOT_OURS }

/* An error about a query, with so many bytes of it; type, code and rest stay. */
#define ABOUT_QUERY4(type, code, rest)                                                           \
	TELLS(COMES4(icmp(type, code, rest, QUOTED_SENT4(SENT))),                                 \
	      GETS4(icmp(type, code, rest, QUOTED_QUERY4(QUERY))))
#define ABOUT_QUERY6(type, code, rest)                                                           \
	TELLS(COMES6(icmp(type, code, rest, QUOTED_SENT6(SENT))),                                 \
	      GETS6(icmp(type, code, rest, QUOTED_QUERY6(QUERY))))
#define UNREACHABLE(quoted) icmp(3, 3, 0, quoted)
#define UNREACHABLE6(quoted) icmp(1, 4, 0, quoted)

static void queries_grow_old(void)
{
	for (unsigned i = 0; i < world_n_slots(); i++)
		world_slots()[i].opened_us -= (UDP_TIMEOUT_S * SECONDS >> 10) + 1000;
}

/* --- UDP, towards the client ------------------------------------------------------------------ */

static int about_queries(const struct path *path)
{
	const struct test_case cases[] = {
		{ "port unreachable; a reply may still come",
		  { ASK4, ABOUT_QUERY4(3, 3, 0), ANSWER_IT4 } },
		{ "net unreachable", { ASK4, ABOUT_QUERY4(3, 0, 0) } },
		{ "fragmentation needed keeps its MTU", { ASK4, ABOUT_QUERY4(3, 4, 1280) } },
		{ "prohibited", { ASK4, ABOUT_QUERY4(3, 13, 0) } },
		{ "time exceeded", { ASK4, ABOUT_QUERY4(11, 0, 0) } },
		{ "reassembly time exceeded", { ASK4, ABOUT_QUERY4(11, 1, 0) } },
		{ "parameter problem keeps its pointer", { ASK4, ABOUT_QUERY4(12, 0, 20 << 24) } },
		{ "IPv6: unreachable", { ASK6, ABOUT_QUERY6(1, 4, 0) } },
		{ "IPv6: too big", { ASK6, ABOUT_QUERY6(2, 0, 1280) } },
		{ "IPv6: time exceeded", { ASK6, ABOUT_QUERY6(3, 0, 0) } },
		{ "IPv6: parameter problem", { ASK6, ABOUT_QUERY6(4, 2, 40) } },
		{ "only the DNS ID is quoted",
		  { ASK4, TELLS(COMES4(UNREACHABLE(quoting(30, QUOTED_SENT4(SENT)))),
				GETS4(UNREACHABLE(quoting(30, QUOTED_QUERY4(QUERY))))) } },
		{ "IPv6: only the DNS ID is quoted",
		  { ASK6, TELLS(COMES6(UNREACHABLE6(quoting(50, QUOTED_SENT6(SENT)))),
				GETS6(UNREACHABLE6(quoting(50, QUOTED_QUERY6(QUERY))))) } },
		{ "an odd number of bytes",
		  { ASK4, TELLS(COMES4(UNREACHABLE(quoting(39, QUOTED_SENT4(SENT)))),
				GETS4(UNREACHABLE(quoting(39, QUOTED_QUERY4(QUERY))))) } },
		{ "a query without checksum",
		  { ASK4, TELLS(COMES4(UNREACHABLE(QUOTED_SENT4(zero_checksum(SENT)))),
				GETS4(UNREACHABLE(QUOTED_QUERY4(zero_checksum(QUERY))))) } },
		{ "a quoted checksum that is wrong stays wrong",
		  { ASK4, TELLS(COMES4(UNREACHABLE(QUOTED_SENT4(bad_checksum(SENT)))),
				GETS4(UNREACHABLE(QUOTED_QUERY4(bad_checksum(QUERY))))) } },
		{ "the error's own, too",
		  { ASK4, TELLS(COMES4(bad_checksum(UNREACHABLE(QUOTED_SENT4(SENT)))),
				GETS4(bad_checksum(UNREACHABLE(QUOTED_QUERY4(QUERY))))) } },
		{ "IPv6: the error's own, too",
		  { ASK6, TELLS(COMES6(bad_checksum(UNREACHABLE6(QUOTED_SENT6(SENT)))),
				GETS6(bad_checksum(UNREACHABLE6(QUOTED_QUERY6(QUERY))))) } },
		{ "options, outside and quoted",
		  { ASK4,
		    TELLS(options(2, COMES4(UNREACHABLE(options(5, QUOTED_SENT4(SENT))))),
			  options(2, GETS4(UNREACHABLE(options(5, QUOTED_QUERY4(QUERY)))))) } },
		{ "extension headers, outside and quoted",
		  { ASK6,
		    TELLS(COMES6(ip6_ext(0, UNREACHABLE6(QUOTED_SENT6(ip6_ext(60, SENT))))),
			  GETS6(ip6_ext(0, UNREACHABLE6(QUOTED_QUERY6(ip6_ext(60, QUERY)))))) } },
		{ "padding",
		  { ASK4, TELLS(padded(7, COMES4(UNREACHABLE(QUOTED_SENT4(SENT)))),
				GETS4(UNREACHABLE(QUOTED_QUERY4(QUERY)))) } },
		{ "class, ID and TTL of the error stay, but for one hop",
		  { ASK4,
		    TELLS(tos(0xc0, ip_id(3, ttl(2, COMES4(UNREACHABLE(QUOTED_SENT4(SENT)))))),
			  tos(0xc0,
			      ip_id(3, ttl(1, GETS4(UNREACHABLE(QUOTED_QUERY4(QUERY))))))) } },
		{ "TTL 1: nobody is told of an error",
		  { ASK4,
		    { .reply = ttl(1, COMES4(UNREACHABLE(QUOTED_SENT4(SENT)))),
		      .why = EDGE53_TTL_EXPIRED,
		      .by_tc = true } } },
	};

	return RUN(path, cases);
}

static int not_ours(const struct path *path)
{
	struct layer_of *error = COMES4(UNREACHABLE(QUOTED_SENT4(SENT)));
	const struct test_case cases[] = {
		{ "no query", { PASSES(COMES4(UNREACHABLE(QUOTED_SENT4(SENT)))) } },
		{ "no query over IPv6", { PASSES(COMES6(UNREACHABLE6(QUOTED_SENT6(SENT)))) } },
		{ "too little quoted to know the query by",
		  { ASK4, PASSES(COMES4(UNREACHABLE(quoting(28, QUOTED_SENT4(SENT))))),
		    PASSES(COMES4(UNREACHABLE(quoting(29, QUOTED_SENT4(SENT))))) } },
		{ "too little quoted over IPv6",
		  { ASK6, PASSES(COMES6(UNREACHABLE6(quoting(49, QUOTED_SENT6(SENT))))),
		    PASSES(COMES6(UNREACHABLE6(quoting(47, QUOTED_SENT6(SENT))))) } },
		{ "the ID of no query",
		  { ASK4, PASSES(COMES4(UNREACHABLE(QUOTED_SENT4(udp(
				  port_of(0), BACKEND_UDP, dns_query(id_of(0) ^ 1, NAME)))))) } },
		{ "a packet we did not send",
		  { ASK4, PASSES(COMES4(UNREACHABLE(ip4(EDGE, STRANGER, SENT)))),
		    PASSES(COMES4(UNREACHABLE(ip4(FRONTEND, BACKEND, SENT)))),
		    PASSES(COMES4(UNREACHABLE(
			    ip4(EDGE, BACKEND,
				udp(port_of(0), BACKEND_UDP + 1, dns_query(id_of(0), NAME)))))) } },
		{ "to another address than the packet came from",
		  { ASK4, PASSES(ip4(ROUTER, FRONTEND, UNREACHABLE(QUOTED_SENT4(SENT)))) } },
		{ "a later fragment is quoted",
		  { ASK4, PASSES(COMES4(UNREACHABLE(later_fragment(QUOTED_SENT4(SENT))))) } },
		{ "a later IPv6 fragment is quoted",
		  { ASK6, PASSES(COMES6(UNREACHABLE6(QUOTED_SENT6(ip6_fragment(64, SENT))))) } },
		{ "after the answer",
		  { ASK4, ANSWER_IT4, PASSES(COMES4(UNREACHABLE(QUOTED_SENT4(SENT)))) } },
		{ "after the timeout",
		  { ASK4,
		    { .reply = error, .why = EDGE53_NOT_OURS, .before = queries_grow_old } } },
		{ "another device",
		  { ASK4, { .reply = error, .why = EDGE53_NOT_OURS, .device = DEV_OTHER } } },
		{ "an echo reply", { ASK4, PASSES(COMES4(icmp(0, 0, 0, QUOTED_SENT4(SENT)))) } },
		{ "a redirect", { ASK4, PASSES(COMES4(icmp(5, 1, 0, QUOTED_SENT4(SENT)))) } },
		{ "a source quench", { ASK4, PASSES(COMES4(icmp(4, 0, 0, QUOTED_SENT4(SENT)))) } },
		{ "an IPv6 error nobody knows",
		  { ASK6, PASSES(COMES6(icmp(5, 0, 0, QUOTED_SENT6(SENT)))) } },
		{ "a fragment of an error",
		  { ASK4, PASSES(first_fragment(COMES4(UNREACHABLE(QUOTED_SENT4(SENT))))),
		    PASSES(later_fragment(COMES4(UNREACHABLE(QUOTED_SENT4(SENT))))) } },
		{ "an IP length beyond the frame",
		  { ASK4, PASSES(length_off_by(1, COMES4(UNREACHABLE(QUOTED_SENT4(SENT))))) } },
		{ "an error about an error",
		  { ASK4, PASSES(COMES4(UNREACHABLE(
				  ip4(EDGE, BACKEND, UNREACHABLE(QUOTED_SENT4(SENT)))))) } },
		{ "another family is quoted",
		  { ASK4, PASSES(COMES4(UNREACHABLE(QUOTED_SENT6(SENT)))) } },
	};

	return RUN(path, cases);
}

/* --- TCP, both ways --------------------------------------------------------------------------- */

#define IN(flags) tcp(40000, 53, flags, text("thirteen here"))
#define OUT(flags) tcp(conn_port(0), BACKEND_TCP, flags, text("thirteen here"))
#define BACK(flags) tcp(BACKEND_TCP, conn_port(0), flags, text("thirteen here"))
#define BACK_OUT(flags) tcp(53, 40000, flags, text("thirteen here"))
#define OPENED .why = EDGE53_TCP_OPENED, .state = EDGE53_CONN_HALF_OPEN
#define OPEN4 { .query = ip4(CLIENT, FRONTEND, IN("S")),                                         \
		.becomes = forwarded(ip4(EDGE, BACKEND, OUT("S"))), OPENED }
#define OPEN6 { .query = ip6(CLIENT6, FRONTEND6, IN("S")),                                       \
		.becomes = forwarded(ip6(EDGE6, BACKEND6, OUT("S"))), OPENED }

static int about_segments(const struct path *path)
{
	const struct test_case cases[] = {
		{ "all of a segment",
		  { OPEN4, TELLS(COMES4(icmp(3, 4, 1400, QUOTED_SENT4(OUT("PA")))),
				 GETS4(icmp(3, 4, 1400, QUOTED_QUERY4(IN("PA"))))) } },
		{ "8 bytes: ports and sequence number",
		  { OPEN4, TELLS(COMES4(icmp(3, 1, 0, quoting(28, QUOTED_SENT4(OUT("S"))))),
				 GETS4(icmp(3, 1, 0, quoting(28, QUOTED_QUERY4(IN("S")))))) } },
		{ "up to the window",
		  { OPEN4, TELLS(COMES4(icmp(3, 1, 0, quoting(36, QUOTED_SENT4(OUT("S"))))),
				 GETS4(icmp(3, 1, 0, quoting(36, QUOTED_QUERY4(IN("S")))))) } },
		{ "with the checksum",
		  { OPEN4, TELLS(COMES4(icmp(3, 1, 0, quoting(38, QUOTED_SENT4(OUT("S"))))),
				 GETS4(icmp(3, 1, 0, quoting(38, QUOTED_QUERY4(IN("S")))))) } },
		{ "7 bytes are too few",
		  { OPEN4, PASSES(COMES4(icmp(3, 1, 0, quoting(27, QUOTED_SENT4(OUT("S")))))) } },
		{ "IPv6",
		  { OPEN6, TELLS(COMES6(icmp(2, 0, 1400, QUOTED_SENT6(OUT("PA")))),
				 GETS6(icmp(2, 0, 1400, QUOTED_QUERY6(IN("PA"))))),
		    TELLS(COMES6(icmp(1, 0, 0, quoting(48, QUOTED_SENT6(OUT("S"))))),
			  GETS6(icmp(1, 0, 0, quoting(48, QUOTED_QUERY6(IN("S")))))),
		    PASSES(COMES6(icmp(1, 0, 0, quoting(47, QUOTED_SENT6(OUT("S")))))) } },
		{ "of no connection", { PASSES(COMES4(UNREACHABLE(QUOTED_SENT4(OUT("S"))))) } },
	};

	return RUN(path, cases);
}

/* From the client's side. */
#define TELLS_BACKEND(before, after) \
	{ .query = before, .becomes = after, .why = EDGE53_ICMP_SENT, .by_tc = true }
#define GOES_BY(packet) { .query = packet, .why = EDGE53_NOT_OURS }
#define QUOTED_GOT4(l4) forwarded(ip4(FRONTEND, CLIENT, l4))
#define QUOTED_GOT6(l4) forwarded(ip6(FRONTEND6, CLIENT6, l4))
#define QUOTED_REPLY4(l4) forwarded(ip4(BACKEND, EDGE, l4))
#define QUOTED_REPLY6(l4) forwarded(ip6(BACKEND6, EDGE6, l4))

static int about_replies(const struct path *path)
{
	const struct test_case cases[] = {
		{ "a segment too big on the way to the client",
		  { OPEN4,
		    TELLS_BACKEND(
			    ip4(ROUTER, FRONTEND, icmp(3, 4, 1300, QUOTED_GOT4(BACK_OUT("PA")))),
			    forwarded(ip4(EDGE, BACKEND,
					  icmp(3, 4, 1300, QUOTED_REPLY4(BACK("PA")))))) } },
		{ "8 bytes of it, from the client itself, TTL 2",
		  { OPEN4,
		    TELLS_BACKEND(
			    ttl(2, ip4(CLIENT, FRONTEND,
				       icmp(3, 3, 0, quoting(28, QUOTED_GOT4(BACK_OUT("A")))))),
			    ttl(1, ip4(EDGE, BACKEND,
				       icmp(3, 3, 0, quoting(28, QUOTED_REPLY4(BACK("A"))))))) } },
		{ "IPv6",
		  { OPEN6,
		    TELLS_BACKEND(
			    ip6(ROUTER6, FRONTEND6, icmp(2, 0, 1280, QUOTED_GOT6(BACK_OUT("PA")))),
			    forwarded(ip6(EDGE6, BACKEND6,
					  icmp(2, 0, 1280, QUOTED_REPLY6(BACK("PA")))))) } },
		{ "of no connection",
		  { GOES_BY(ip4(CLIENT, FRONTEND, UNREACHABLE(QUOTED_GOT4(BACK_OUT("PA"))))) } },
		{ "to another address",
		  { OPEN4,
		    GOES_BY(ip4(CLIENT, STRANGER, UNREACHABLE(QUOTED_GOT4(BACK_OUT("PA"))))) } },
		{ "a UDP reply: the query cannot be told from it",
		  { ASK4, ANSWER_IT4,
		    GOES_BY(ip4(CLIENT, FRONTEND, UNREACHABLE(QUOTED_GOT4(ANSWERED)))) } },
		{ "ping", { GOES_BY(ip4(CLIENT, FRONTEND, icmp_echo())) } },
	};

	return RUN(path, cases);
}

/* --- enforce ---------------------------------------------------------------------------------- */

static void redirects_ipv6(void)
{
	world_set_flags(SERVICE_ENFORCE, EDGE53_SERVICE_IPV6_REDIRECT);
}

static void client_exempt(void)
{
	world_set_flags(SERVICE_ENFORCE, EDGE53_SERVICE_EXEMPT);
	world_exempt(CLIENT, 128);
}

#define LOCAL_OUT(flags) tcp(conn_port(0), 53, flags, text("thirteen here"))
#define LOCAL_BACK(flags) tcp(53, conn_port(0), flags, text("thirteen here"))
#define OPEN_LOCAL4 { .query = ip4(CLIENT, GOOGLE, IN("S")),                                     \
		      .becomes = ip4(CLIENT, RESOLVER, LOCAL_OUT("S")), OPENED }
#define OPEN_LOCAL6 { .query = ip6(CLIENT6, GOOGLE6, IN("S")),                                   \
		      .becomes = ip6(CLIENT6, RESOLVER6, LOCAL_OUT("S")), OPENED }
#define LOCAL_SENT udp(port_of(0), 53, dns_query(id_of(0), NAME))
#define ASK_LOCAL4 { .query = ip4(CLIENT, GOOGLE, QUERY),                                        \
		     .becomes = ip4(CLIENT, RESOLVER, LOCAL_SENT), .why = EDGE53_QUERY_SENT }
#define ASK_LOCAL6 { .query = ip6(CLIENT6, GOOGLE6, QUERY),                                      \
		     .becomes = ip6(CLIENT6, RESOLVER6, LOCAL_SENT), .why = EDGE53_QUERY_SENT }
#define STOPS(packet, reason) { .query = packet, .why = EDGE53_##reason }

static int of_enforced_clients(const struct path *path)
{
	const struct test_case cases[] = {
		{ "about a segment: to the resolver, as from the client, TTL as it was",
		  { OPEN_LOCAL4,
		    TELLS_BACKEND(
			    ip4(ROUTER, GOOGLE,
				icmp(3, 4, 1300, ip4(GOOGLE, CLIENT, BACK_OUT("PA")))),
			    ip4(CLIENT, RESOLVER,
				icmp(3, 4, 1300, ip4(RESOLVER, CLIENT, LOCAL_BACK("PA"))))) } },
		{ "IPv6, 8 bytes",
		  { OPEN_LOCAL6,
		    TELLS_BACKEND(
			    ip6(CLIENT6, GOOGLE6,
				icmp(2, 0, 1280,
				     quoting(48, ip6(GOOGLE6, CLIENT6, BACK_OUT("PA"))))),
			    ip6(CLIENT6, RESOLVER6,
				icmp(2, 0, 1280,
				     quoting(48, ip6(RESOLVER6, CLIENT6, LOCAL_BACK("PA")))))) },
		  .world = redirects_ipv6 },
		{ "about a segment of no connection: it ends here",
		  { STOPS(ip4(CLIENT, GOOGLE, UNREACHABLE(ip4(GOOGLE, CLIENT, BACK_OUT("A")))),
			  ICMP_DROPPED) } },
		{ "about a UDP answer: it ends here",
		  { STOPS(ip4(CLIENT, GOOGLE, UNREACHABLE(ip4(GOOGLE, CLIENT, ANSWERED))),
			  ICMP_DROPPED) } },
		{ "about an IPv6 answer",
		  { STOPS(ip6(CLIENT6, GOOGLE6, UNREACHABLE6(ip6(GOOGLE6, CLIENT6, ANSWERED))),
			  ICMP_DROPPED) },
		  .world = redirects_ipv6 },
		{ "about an IPv6 answer that was not ours",
		  { STOPS(ip6(CLIENT6, GOOGLE6, UNREACHABLE6(ip6(GOOGLE6, CLIENT6, ANSWERED))),
			  NOT_OURS) } },
		{ "of an exempt client passes",
		  { STOPS(ip4(CLIENT, GOOGLE, UNREACHABLE(ip4(GOOGLE, CLIENT, ANSWERED))),
			  EXEMPT) },
		  .world = client_exempt },
		{ "about something else passes",
		  { STOPS(ip4(CLIENT, GOOGLE,
			      UNREACHABLE(ip4(GOOGLE, CLIENT, udp(54, 40000, text("no answer"))))),
			  NOT_OURS) } },
	};

	return RUN(path, cases);
}

#define TELLS_CLIENT(before, after) \
	{ .reply = before, .becomes = after, .why = EDGE53_ICMP_SENT }

static int to_enforced_clients(const struct path *path)
{
	const struct test_case cases[] = {
		{ "the resolver does not run",
		  { ASK_LOCAL4,
		    TELLS_CLIENT(ip4(RESOLVER, CLIENT,
				     UNREACHABLE(ip4(CLIENT, RESOLVER, LOCAL_SENT))),
				 ip4(GOOGLE, CLIENT, UNREACHABLE(ip4(CLIENT, GOOGLE, QUERY)))) } },
		{ "over IPv6",
		  { ASK_LOCAL6, TELLS_CLIENT(ip6(RESOLVER6, CLIENT6,
						 UNREACHABLE6(ip6(CLIENT6, RESOLVER6, LOCAL_SENT))),
					     ip6(GOOGLE6, CLIENT6,
						 UNREACHABLE6(ip6(CLIENT6, GOOGLE6, QUERY)))) },
		  .world = redirects_ipv6 },
		{ "about a segment",
		  { OPEN_LOCAL4,
		    TELLS_CLIENT(ip4(RESOLVER, CLIENT,
				     icmp(3, 13, 0, ip4(CLIENT, RESOLVER, LOCAL_OUT("S")))),
				 ip4(GOOGLE, CLIENT,
				     icmp(3, 13, 0, ip4(CLIENT, GOOGLE, IN("S"))))) } },
		{ "about no query passes",
		  { PASSES(ip4(RESOLVER, CLIENT,
			       UNREACHABLE(ip4(CLIENT, RESOLVER, LOCAL_SENT)))) } },
	};

	return RUN(path, cases);
}

const struct table icmp_tables[] = {
	{ "ICMP about queries", about_queries, EDGE_PATHS },
	{ "ICMP that is not ours", not_ours, EDGE_PATHS },
	{ "ICMP about clients' segments", about_segments, EDGE_PATHS },
	{ "ICMP about replies", about_replies, EDGE_PATHS },
	{ "ICMP of enforced clients", of_enforced_clients, ENFORCE_PATHS },
	{ "ICMP to enforced clients", to_enforced_clients, ENFORCE_PATHS },
	{},
};
