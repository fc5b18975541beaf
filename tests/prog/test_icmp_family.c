// SPDX-License-Identifier: GPL-2.0-only
/*
 * ICMP errors between families (RFC 7915 sections 4.2, 4.3, 5.2, 5.3): type and code, MTU, and the
 * quoted packet. Only on Ethernet, see test_family.c.
 */
#include <string.h>

#include "cases.h"

#define NAME "example.com"
#define ROUTER STRANGER
#define ROUTER6 STRANGER6

#define QUERY udp(40000, 53, dns_query(7, NAME))
#define SENT udp(port_of(0), BACKEND_UDP, dns_query(id_of(0), NAME))

/* An IPv6 client's query went to an IPv4 backend, and the other way round. */
#define ASK_6_4 { .query = ip6(CLIENT6, FRONTEND6, QUERY),                                       \
		  .becomes = any_id(forwarded(ip4(EDGE, BACKEND, SENT))), .why = EDGE53_QUERY_SENT }
#define ASK_4_6 { .query = ip4(CLIENT, FRONTEND, QUERY),                                         \
		  .becomes = forwarded(ip6(EDGE6, BACKEND6, SENT)), .why = EDGE53_QUERY_SENT }

#define COMES4(error) ip4(ROUTER, EDGE, error)
#define GETS6(error) forwarded(ip6(FRONTEND6, CLIENT6, error))
#define COMES6(error) ip6(ROUTER6, EDGE6, error)
#define GETS4(error) any_id(forwarded(ip4(FRONTEND, CLIENT, error)))

/* What is quoted went one hop. An IPv4 header of ours says: not fragmented. */
#define SENT4(l4) forwarded(ip4(EDGE, BACKEND, l4))
#define QUERY6(l4) forwarded(ip6(CLIENT6, FRONTEND6, l4))
#define SENT6(l4) forwarded(ip6(EDGE6, BACKEND6, l4))
#define QUERY4(l4) dont_fragment(ip_id(0, forwarded(ip4(CLIENT, FRONTEND, l4))))

#define TELLS(before, after) \
	{ .reply = before, .becomes = after, .why = EDGE53_ICMP_SENT, .by_tc = true }
#define PASSES(packet) { .reply = packet, .why = EDGE53_NOT_OURS }

#define TO_6(type4, code4, rest4, type6, code6, rest6)                                           \
	TELLS(COMES4(icmp(type4, code4, rest4, SENT4(SENT))),                                     \
	      GETS6(icmp(type6, code6, rest6, QUERY6(QUERY))))
#define TO_4(type6, code6, rest6, type4, code4, rest4)                                           \
	TELLS(COMES6(icmp(type6, code6, rest6, SENT6(SENT))),                                     \
	      GETS4(icmp(type4, code4, rest4, QUERY4(QUERY))))

static void backend_ipv4(void)
{
	world_set_backends(SERVICE_EDGE, (const __u8[]){ ID_BACKEND }, 1);
}

static void backend_ipv6(void)
{
	world_set_backends(SERVICE_EDGE, (const __u8[]){ ID_BACKEND6 }, 1);
}

/* --- types and codes -------------------------------------------------------------------------- */

static int to_ipv6(const struct path *path)
{
	const struct test_case cases[] = {
		{ "net, host, protocol, port",
		  { ASK_6_4, TO_6(3, 0, 0, 1, 0, 0), TO_6(3, 1, 0, 1, 0, 0), TO_6(3, 2, 0, 4, 1, 6),
		    TO_6(3, 3, 0, 1, 4, 0) },
		  .world = backend_ipv4 },
		{ "source route, unknown, isolated",
		  { ASK_6_4, TO_6(3, 5, 0, 1, 0, 0), TO_6(3, 6, 0, 1, 0, 0), TO_6(3, 7, 0, 1, 0, 0),
		    TO_6(3, 8, 0, 1, 0, 0) },
		  .world = backend_ipv4 },
		{ "prohibited in four ways",
		  { ASK_6_4, TO_6(3, 9, 0, 1, 1, 0), TO_6(3, 10, 0, 1, 1, 0),
		    TO_6(3, 13, 0, 1, 1, 0), TO_6(3, 15, 0, 1, 1, 0) },
		  .world = backend_ipv4 },
		{ "type of service",
		  { ASK_6_4, TO_6(3, 11, 0, 1, 0, 0), TO_6(3, 12, 0, 1, 0, 0) },
		  .world = backend_ipv4 },
		{ "time exceeded",
		  { ASK_6_4, TO_6(11, 0, 0, 3, 0, 0), TO_6(11, 1, 0, 3, 1, 0) },
		  .world = backend_ipv4 },
		{ "too big: 20 bytes more, and never below 1,280",
		  { ASK_6_4, TO_6(3, 4, 1400, 2, 0, 1420), TO_6(3, 4, 1260, 2, 0, 1280),
		    TO_6(3, 4, 1259, 2, 0, 1280), TO_6(3, 4, 576, 2, 0, 1280) },
		  .world = backend_ipv4 },
		{ "the length of a multi-part error (RFC 4884) is gone",
		  { ASK_6_4, TO_6(3, 3, 17 << 16, 1, 4, 0),
		    TO_6(3, 4, 17 << 16 | 1400, 2, 0, 1420) },
		  .world = backend_ipv4 },
		{ "a parameter problem cannot be said",
		  { ASK_6_4, PASSES(COMES4(icmp(12, 0, 20 << 24, SENT4(SENT)))) },
		  .world = backend_ipv4 },
		{ "nor a violated precedence",
		  { ASK_6_4, PASSES(COMES4(icmp(3, 14, 0, SENT4(SENT)))) },
		  .world = backend_ipv4 },
	};

	return RUN(path, cases);
}

static int to_ipv4(const struct path *path)
{
	const struct test_case cases[] = {
		{ "no route, beyond scope, address, port",
		  { ASK_4_6, TO_4(1, 0, 0, 3, 1, 0), TO_4(1, 2, 0, 3, 1, 0), TO_4(1, 3, 0, 3, 1, 0),
		    TO_4(1, 4, 0, 3, 3, 0) },
		  .world = backend_ipv6 },
		{ "prohibited", { ASK_4_6, TO_4(1, 1, 0, 3, 10, 0) }, .world = backend_ipv6 },
		{ "time exceeded", { ASK_4_6, TO_4(3, 0, 0, 11, 0, 0), TO_4(3, 1, 0, 11, 1, 0) },
		  .world = backend_ipv6 },
		{ "too big: 20 bytes less, not below 68, and no more than 16 bits say",
		  { ASK_4_6, TO_4(2, 0, 1400, 3, 4, 1380), TO_4(2, 0, 1280, 3, 4, 1260),
		    TO_4(2, 0, 50, 3, 4, 68), TO_4(2, 0, 0x12345, 3, 4, 65515) },
		  .world = backend_ipv6 },
		{ "a next header nobody knows", { ASK_4_6, TO_4(4, 1, 6, 3, 2, 0) },
		  .world = backend_ipv6 },
		{ "other parameter problems cannot be said",
		  { ASK_4_6, PASSES(COMES6(icmp(4, 0, 4, SENT6(SENT)))),
		    PASSES(COMES6(icmp(4, 2, 40, SENT6(SENT)))) },
		  .world = backend_ipv6 },
	};

	return RUN(path, cases);
}

/* --- what is quoted --------------------------------------------------------------------------- */

static int quotes(const struct path *path)
{
#define UNREACHABLE4(quoted) icmp(3, 3, 0, quoted)
#define UNREACHABLE6(quoted) icmp(1, 4, 0, quoted)
	const struct test_case cases[] = {
		{ "only the DNS ID; the length in the quoted header is that of all",
		  { ASK_6_4, TELLS(COMES4(UNREACHABLE4(quoting(30, SENT4(SENT)))),
				   GETS6(UNREACHABLE6(quoting(50, QUERY6(QUERY))))) },
		  .world = backend_ipv4 },
		{ "to IPv4, only the DNS ID",
		  { ASK_4_6, TELLS(COMES6(UNREACHABLE6(quoting(50, SENT6(SENT)))),
				   GETS4(UNREACHABLE4(quoting(30, QUERY4(QUERY))))) },
		  .world = backend_ipv6 },
		{ "an odd number of bytes",
		  { ASK_6_4, TELLS(COMES4(UNREACHABLE4(quoting(43, SENT4(SENT)))),
				   GETS6(UNREACHABLE6(quoting(63, QUERY6(QUERY))))) },
		  .world = backend_ipv4 },
		{ "to IPv4, an odd number",
		  { ASK_4_6, TELLS(COMES6(UNREACHABLE6(quoting(63, SENT6(SENT)))),
				   GETS4(UNREACHABLE4(quoting(43, QUERY4(QUERY))))) },
		  .world = backend_ipv6 },
		{ "too few bytes",
		  { ASK_6_4, PASSES(COMES4(UNREACHABLE4(quoting(29, SENT4(SENT))))) },
		  .world = backend_ipv4 },
		{ "options, outside and quoted, are dropped",
		  { ASK_6_4, TELLS(options(2, COMES4(UNREACHABLE4(options(5, SENT4(SENT))))),
				   GETS6(UNREACHABLE6(QUERY6(QUERY)))) },
		  .world = backend_ipv4 },
		{ "extension headers, outside and quoted, are dropped",
		  { ASK_4_6,
		    TELLS(COMES6(ip6_ext(0, UNREACHABLE6(SENT6(ip6_long_ext(60, 2, SENT))))),
			  GETS4(UNREACHABLE4(QUERY4(QUERY)))) },
		  .world = backend_ipv6 },
		{ "class and hops, outside and quoted",
		  { ASK_6_4, TELLS(tos(0xc0, ttl(9, COMES4(UNREACHABLE4(tos(0xb8, SENT4(SENT)))))),
				   tos(0xc0, ttl(8, GETS6(UNREACHABLE6(
							 tos(0xb8, QUERY6(QUERY))))))) },
		  .world = backend_ipv4 },
		{ "to IPv4, class and hops",
		  { ASK_4_6,
		    TELLS(flow_label(0xabcde, tos(0xc0, ttl(9, COMES6(UNREACHABLE6(
							       tos(0xb8, SENT6(SENT))))))),
			  tos(0xc0, ttl(8, GETS4(UNREACHABLE4(tos(0xb8, QUERY4(QUERY))))))) },
		  .world = backend_ipv6 },
		{ "padding",
		  { ASK_4_6, TELLS(padded(5, COMES6(UNREACHABLE6(SENT6(SENT)))),
				   GETS4(UNREACHABLE4(QUERY4(QUERY)))) },
		  .world = backend_ipv6 },
		{ "a wrong checksum stays wrong",
		  { ASK_6_4, TELLS(COMES4(bad_checksum(UNREACHABLE4(SENT4(SENT)))),
				   GETS6(bad_checksum(UNREACHABLE6(QUERY6(QUERY))))) },
		  .world = backend_ipv4 },
		{ "to IPv4, a wrong one",
		  { ASK_4_6, TELLS(COMES6(bad_checksum(UNREACHABLE6(SENT6(SENT)))),
				   GETS4(bad_checksum(UNREACHABLE4(QUERY4(QUERY))))) },
		  .world = backend_ipv6 },
		{ "a quoted checksum that is wrong stays wrong",
		  { ASK_6_4, TELLS(COMES4(UNREACHABLE4(SENT4(bad_checksum(SENT)))),
				   GETS6(UNREACHABLE6(QUERY6(bad_checksum(QUERY))))) },
		  .world = backend_ipv4 },
		{ "as much as IPv6 lets through",
		  { ASK_4_6, TELLS(COMES6(icmp(2, 0, 1400, quoting(1232, SENT6(
					  udp(port_of(0), BACKEND_UDP,
					      longer(1400, dns_query(id_of(0), NAME))))))),
				   GETS4(icmp(3, 4, 1380, quoting(1212, QUERY4(
					  udp(40000, 53, longer(1400, dns_query(7, NAME)))))))) },
		  .world = backend_ipv6 },
	};

	return RUN(path, cases);
}

/* --- TCP -------------------------------------------------------------------------------------- */

#define IN(flags) tcp(40000, 53, flags, text("thirteen here"))
#define OUT(flags) tcp(conn_port(0), BACKEND_TCP, flags, text("thirteen here"))
#define BACK(flags) tcp(BACKEND_TCP, conn_port(0), flags, text("thirteen here"))
#define BACK_OUT(flags) tcp(53, 40000, flags, text("thirteen here"))
#define OPENED .why = EDGE53_TCP_OPENED, .state = EDGE53_CONN_HALF_OPEN
#define OPEN_6_4 { .query = ip6(CLIENT6, FRONTEND6, IN("S")),                                    \
		   .becomes = any_id(forwarded(ip4(EDGE, BACKEND, OUT("S")))), OPENED }
#define OPEN_4_6 { .query = ip4(CLIENT, FRONTEND, IN("S")),                                      \
		   .becomes = forwarded(ip6(EDGE6, BACKEND6, OUT("S"))), OPENED }
#define TELLS_BACKEND(before, after) \
	{ .query = before, .becomes = after, .why = EDGE53_ICMP_SENT, .by_tc = true }

static int segments(const struct path *path)
{
	const struct test_case cases[] = {
		{ "of an IPv6 client",
		  { OPEN_6_4,
		    TELLS(COMES4(icmp(3, 4, 1400, SENT4(OUT("PA")))),
			  GETS6(icmp(2, 0, 1420, QUERY6(IN("PA"))))),
		    TELLS(COMES4(icmp(3, 1, 0, quoting(28, SENT4(OUT("S"))))),
			  GETS6(icmp(1, 0, 0, quoting(48, QUERY6(IN("S")))))) },
		  .world = backend_ipv4 },
		{ "of an IPv4 client",
		  { OPEN_4_6,
		    TELLS(COMES6(icmp(2, 0, 1400, SENT6(OUT("PA")))),
			  GETS4(icmp(3, 4, 1380, QUERY4(IN("PA"))))),
		    TELLS(COMES6(icmp(1, 0, 0, quoting(48, SENT6(OUT("S"))))),
			  GETS4(icmp(3, 1, 0, quoting(28, QUERY4(IN("S")))))) },
		  .world = backend_ipv6 },
		{ "of an IPv4 backend",
		  { OPEN_6_4,
		    TELLS_BACKEND(
			    ip6(ROUTER6, FRONTEND6,
				icmp(2, 0, 1280,
				     forwarded(ip6(FRONTEND6, CLIENT6, BACK_OUT("PA"))))),
			    any_id(forwarded(ip4(
				    EDGE, BACKEND,
				    icmp(3, 4, 1260,
					 dont_fragment(ip_id(0, forwarded(ip4(BACKEND, EDGE,
									      BACK("PA")))))))))) },
		  .world = backend_ipv4 },
		{ "of an IPv6 backend, 8 bytes",
		  { OPEN_4_6,
		    TELLS_BACKEND(
			    ip4(ROUTER, FRONTEND,
				icmp(3, 4, 1300,
				     quoting(28, forwarded(ip4(FRONTEND, CLIENT, BACK_OUT("A")))))),
			    forwarded(ip6(EDGE6, BACKEND6,
					  icmp(2, 0, 1320,
					       quoting(48, forwarded(ip6(BACKEND6, EDGE6,
									 BACK("A")))))))) },
		  .world = backend_ipv6 },
	};

	return RUN(path, cases);
}

const struct table icmp_family_tables[] = {
	{ "ICMP to IPv6", to_ipv6, XDP | TC_L2 | TC_L2_CHECKED },
	{ "ICMP to IPv4", to_ipv4, XDP | TC_L2 | TC_L2_CHECKED },
	{ "ICMP between families, quotes", quotes, XDP | TC_L2 | TC_L2_CHECKED },
	{ "ICMP between families, TCP", segments, XDP | TC_L2 | TC_L2_CHECKED },
	{},
};
