// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replies in fragments are restored behind their first one; of a refused query all parts end. A
 * part is cut from the whole packet, before and after, so the first one's checksum is that of all.
 */
#include <string.h>

#include "cases.h"

#define NAME "example.com"
#define GOOGLE "8.8.8.8"
#define GOOGLE6 "2001:4860:4860::8888"

/* A reply of 1,437 bytes behind the IP header, in three parts. */
#define PART_1(packet) part_of(packet, 0, 800)
#define PART_2(packet) part_of(packet, 800, 400)
#define PART_3(packet) part_of(packet, 1200, 400)

#define LONG_REPLY(id) longer(1400, dns_reply(id, NAME))
#define FROM_BACKEND(n) udp(BACKEND_UDP, port_of(n), LONG_REPLY(id_of(n)))
#define FROM_RESOLVER(n) udp(53, port_of(n), LONG_REPLY(id_of(n)))
#define TO_CLIENT udp(53, 40000, LONG_REPLY(7))
#define QUERY udp(40000, 53, dns_query(7, NAME))

/* The reply as it comes, and restored. */
#define ANSWER4 ip4(BACKEND, EDGE, FROM_BACKEND(0))
#define GETS4 forwarded(ip4(FRONTEND, CLIENT, TO_CLIENT))
#define ANSWER6 ip6(BACKEND6, EDGE6, FROM_BACKEND(0))
#define GETS6 forwarded(ip6(FRONTEND6, CLIENT6, TO_CLIENT))
#define LOCAL4 ip4(RESOLVER, CLIENT, FROM_RESOLVER(0))
#define LOCAL_GETS4 ip4(GOOGLE, CLIENT, TO_CLIENT)
#define LOCAL6 ip6(RESOLVER6, CLIENT6, FROM_RESOLVER(0))
#define LOCAL_GETS6 ip6(GOOGLE6, CLIENT6, TO_CLIENT)

#define ASK4 { .query = ip4(CLIENT, FRONTEND, QUERY),                                            \
	       .becomes = forwarded(ip4(EDGE, BACKEND, SENT)), .why = EDGE53_QUERY_SENT }
#define ASK6 { .query = ip6(CLIENT6, FRONTEND6, QUERY),                                          \
	       .becomes = forwarded(ip6(EDGE6, BACKEND6, SENT)), .why = EDGE53_QUERY_SENT }
#define SENT udp(port_of(0), BACKEND_UDP, dns_query(id_of(0), NAME))
#define SENT_LOCALLY udp(port_of(0), 53, dns_query(id_of(0), NAME))
#define ASK_LOCAL4 { .query = ip4(CLIENT, GOOGLE, QUERY),                                        \
		     .becomes = ip4(CLIENT, RESOLVER, SENT_LOCALLY), .why = EDGE53_QUERY_SENT }
#define ASK_LOCAL6 { .query = ip6(CLIENT6, GOOGLE6, QUERY),                                      \
		     .becomes = ip6(CLIENT6, RESOLVER6, SENT_LOCALLY), .why = EDGE53_QUERY_SENT }

#define FIRST(before, after) \
	{ .reply = before, .becomes = after, .why = EDGE53_REPLY_SENT, .by_tc = true }
#define LATER(before, after) \
	{ .reply = before, .becomes = after, .why = EDGE53_FRAGMENT_SENT, .by_tc = true }
#define PASSES(packet) { .reply = packet, .why = EDGE53_NOT_OURS }

/* All three, the later ones the other way round, one of them twice. */
#define RESTORED(answer, gets)                                                                   \
	FIRST(PART_1(answer), PART_1(gets)), LATER(PART_3(answer), PART_3(gets)),                 \
	LATER(PART_2(answer), PART_2(gets)), LATER(PART_3(answer), PART_3(gets))

static void old_but_alive(void)
{
	world_age_fragments(29);
}

static void too_old(void)
{
	world_age_fragments(31);
}

/* --- replies, edge ---------------------------------------------------------------------------- */

static int replies(const struct path *path)
{
	const struct test_case cases[] = {
		{ "all parts of a reply", { ASK4, RESTORED(ANSWER4, GETS4) } },
		{ "two parts",
		  { ASK4, FIRST(part_of(ANSWER4, 0, 1400), part_of(GETS4, 0, 1400)),
		    LATER(part_of(ANSWER4, 1400, 64), part_of(GETS4, 1400, 64)) } },
		{ "a part that comes before its first one passes",
		  { ASK4, PASSES(PART_2(ANSWER4)), FIRST(PART_1(ANSWER4), PART_1(GETS4)),
		    LATER(PART_3(ANSWER4), PART_3(GETS4)) } },
		{ "parts of nothing known pass",
		  { PASSES(PART_2(ANSWER4)), PASSES(PART_3(ANSWER4)) } },
		{ "parts with another ID pass",
		  { ASK4, FIRST(PART_1(ANSWER4), PART_1(GETS4)), PASSES(ip_id(5, PART_2(ANSWER4))),
		    LATER(PART_2(ANSWER4), PART_2(GETS4)) } },
		{ "parts from somebody else, to somebody else, of another protocol",
		  { ASK4, FIRST(PART_1(ANSWER4), PART_1(GETS4)),
		    PASSES(PART_2(ip4(STRANGER, EDGE, FROM_BACKEND(0)))),
		    PASSES(PART_2(ip4(BACKEND, FRONTEND, FROM_BACKEND(0)))),
		    PASSES(PART_2(
			    ip4(BACKEND, EDGE,
				tcp(BACKEND_TCP, conn_port(0), "A", longer(1400, nothing()))))) } },
		{ "parts on another device",
		  { ASK4,
		    FIRST(PART_1(ANSWER4), PART_1(GETS4)),
		    { .reply = PART_2(ANSWER4), .why = EDGE53_NOT_OURS, .device = DEV_OTHER } } },
		{ "29 seconds later",
		  { ASK4,
		    FIRST(PART_1(ANSWER4), PART_1(GETS4)),
		    { .reply = PART_2(ANSWER4),
		      .becomes = PART_2(GETS4),
		      .why = EDGE53_FRAGMENT_SENT,
		      .by_tc = true,
		      .before = old_but_alive } } },
		{ "31 seconds later",
		  { ASK4,
		    FIRST(PART_1(ANSWER4), PART_1(GETS4)),
		    { .reply = PART_2(ANSWER4), .why = EDGE53_NOT_OURS, .before = too_old } } },
		{ "options and padding stay",
		  { ASK4, FIRST(options(2, PART_1(ANSWER4)), options(2, PART_1(GETS4))),
		    LATER(padded(3, PART_3(ANSWER4)), PART_3(GETS4)) } },
		{ "no checksum stays none",
		  { ASK4,
		    FIRST(PART_1(ip4(BACKEND, EDGE, zero_checksum(FROM_BACKEND(0)))),
			  PART_1(forwarded(ip4(FRONTEND, CLIENT, zero_checksum(TO_CLIENT))))),
		    LATER(PART_2(ANSWER4), PART_2(GETS4)) } },
		{ "a first part with TTL 2, a later one with TTL 1",
		  { ASK4,
		    FIRST(ttl(2, PART_1(ANSWER4)), ttl(1, PART_1(GETS4))),
		    { .reply = ttl(1, PART_2(ANSWER4)), .why = EDGE53_TTL_EXPIRED, .by_tc = true },
		    LATER(PART_3(ANSWER4), PART_3(GETS4)) } },
		{ "a first part of no query, and the others",
		  { { .reply = PART_1(ANSWER4), .why = EDGE53_REPLY_UNKNOWN, .by_tc = true },
		    PASSES(PART_2(ANSWER4)) } },
		{ "a first part sent twice is a duplicate, the others are still restored",
		  { ASK4,
		    FIRST(PART_1(ANSWER4), PART_1(GETS4)),
		    { .reply = PART_1(ANSWER4), .why = EDGE53_REPLY_DUPLICATE, .by_tc = true },
		    LATER(PART_2(ANSWER4), PART_2(GETS4)) } },
		{ "a first part without a DNS header is not known",
		  { ASK4,
		    { .reply = part_of(ANSWER4, 0, 16),
		      .why = EDGE53_REPLY_UNKNOWN,
		      .by_tc = true },
		    PASSES(part_of(ANSWER4, 16, 800)) } },
		{ "the least that is: 24 bytes",
		  { ASK4, FIRST(part_of(ANSWER4, 0, 24), part_of(GETS4, 0, 24)),
		    LATER(part_of(ANSWER4, 24, 800), part_of(GETS4, 24, 800)) } },
	};

	return RUN(path, cases);
}

static int replies6(const struct path *path)
{
#define HBH(inner) ip6_ext(0, inner)
	const struct test_case cases[] = {
		{ "all parts of a reply", { ASK6, RESTORED(ANSWER6, GETS6) } },
		{ "a part that comes before its first one passes",
		  { ASK6, PASSES(PART_2(ANSWER6)), FIRST(PART_1(ANSWER6), PART_1(GETS6)),
		    LATER(PART_3(ANSWER6), PART_3(GETS6)) } },
		{ "an ID of 32 bits",
		  { ASK6,
		    FIRST(PART_1(ip_id(0xdeadbeef, ANSWER6)), PART_1(ip_id(0xdeadbeef, GETS6))),
		    PASSES(PART_2(ip_id(0xbeef, ANSWER6))),
		    LATER(PART_2(ip_id(0xdeadbeef, ANSWER6)), PART_2(ip_id(0xdeadbeef, GETS6))) } },
		{ "31 seconds later",
		  { ASK6,
		    FIRST(PART_1(ANSWER6), PART_1(GETS6)),
		    { .reply = PART_2(ANSWER6), .why = EDGE53_NOT_OURS, .before = too_old } } },
		{ "with extension headers inside the fragments",
		  { ASK6,
		    FIRST(PART_1(ip6(BACKEND6, EDGE6, ip6_ext(60, FROM_BACKEND(0)))),
			  PART_1(forwarded(ip6(FRONTEND6, CLIENT6, ip6_ext(60, TO_CLIENT))))),
		    LATER(PART_3(ip6(BACKEND6, EDGE6, ip6_ext(60, FROM_BACKEND(0)))),
			  PART_3(forwarded(ip6(FRONTEND6, CLIENT6, ip6_ext(60, TO_CLIENT))))) } },
	};

	return RUN(path, cases);
}

static int tcp_replies(const struct path *path)
{
#define SYN_ACK(sport, dport) tcp(sport, dport, "SA", longer(1400, nothing()))
	const struct test_case cases[] = {
		{ "a segment in fragments",
		  { { .query = ip4(CLIENT, FRONTEND, tcp(40000, 53, "S", nothing())),
		      .becomes = forwarded(
			      ip4(EDGE, BACKEND, tcp(conn_port(0), BACKEND_TCP, "S", nothing()))),
		      .why = EDGE53_TCP_OPENED,
		      .state = EDGE53_CONN_HALF_OPEN },
		    { .reply = PART_1(ip4(BACKEND, EDGE, SYN_ACK(BACKEND_TCP, conn_port(0)))),
		      .becomes = PART_1(forwarded(ip4(FRONTEND, CLIENT, SYN_ACK(53, 40000)))),
		      .why = EDGE53_TCP_REPLY_SENT,
		      .state = EDGE53_CONN_HALF_OPEN,
		      .by_tc = true },
		    LATER(PART_2(ip4(BACKEND, EDGE, SYN_ACK(BACKEND_TCP, conn_port(0)))),
			  PART_2(forwarded(ip4(FRONTEND, CLIENT, SYN_ACK(53, 40000))))) } },
	};

	return RUN(path, cases);
}

/* --- across families -------------------------------------------------------------------------- */

static void backend_ipv4(void)
{
	world_set_backends(SERVICE_EDGE, (const __u8[]){ ID_BACKEND }, 1);
}

static void backend_ipv6(void)
{
	world_set_backends(SERVICE_EDGE, (const __u8[]){ ID_BACKEND6 }, 1);
}

/* RFC 7915 4.1 and 5.1.1. See test_family.c for why only on Ethernet. */
static int families(const struct path *path)
{
#define ASK_6_4                                                                                  \
	{ .query = ip6(CLIENT6, FRONTEND6, QUERY),                                                \
	  .becomes = any_id(forwarded(ip4(EDGE, BACKEND, SENT))), .why = EDGE53_QUERY_SENT }
#define ASK_4_6                                                                                  \
	{ .query = ip4(CLIENT, FRONTEND, QUERY),                                                  \
	  .becomes = forwarded(ip6(EDGE6, BACKEND6, SENT)), .why = EDGE53_QUERY_SENT }
	const struct test_case cases[] = {
		{ "from an IPv4 backend to an IPv6 client", { ASK_6_4, RESTORED(ANSWER4, GETS6) },
		  .world = backend_ipv4 },
		{ "from an IPv6 backend to an IPv4 client", { ASK_4_6, RESTORED(ANSWER6, GETS4) },
		  .world = backend_ipv6 },
		{ "the lower half of the ID",
		  { ASK_4_6,
		    FIRST(PART_1(ip_id(0xdeadbeef, ANSWER6)), PART_1(ip_id(0xbeef, GETS4))),
		    LATER(PART_3(ip_id(0xdeadbeef, ANSWER6)), PART_3(ip_id(0xbeef, GETS4))) },
		  .world = backend_ipv6 },
		{ "options, class and hop limit",
		  { ASK_6_4,
		    FIRST(ttl(9, tos(0xb8, options(3, PART_1(ANSWER4)))),
			  ttl(8, tos(0xb8, PART_1(GETS6)))),
		    LATER(ttl(9, tos(0xb8, options(3, PART_3(ANSWER4)))),
			  ttl(8, tos(0xb8, PART_3(GETS6)))) },
		  .world = backend_ipv4 },
		{ "extension headers before the fragment header are dropped",
		  { ASK_4_6,
		    FIRST(ip6(BACKEND6, EDGE6, ip6_ext(0, PART_1(ANSWER6)->inner)), PART_1(GETS4)),
		    LATER(ip6(BACKEND6, EDGE6, ip6_ext(0, PART_3(ANSWER6)->inner)),
			  PART_3(GETS4)) },
		  .world = backend_ipv6 },
		{ "a later part with a wrong header checksum",
		  { ASK_6_4, FIRST(PART_1(ANSWER4), PART_1(GETS6)),
		    { .reply = bad_checksum(PART_2(ANSWER4)), .why = EDGE53_BAD_CHECKSUM,
		      .by_tc = true } },
		  .world = backend_ipv4 },
		{ "a first part without checksum, which cannot be computed, and the others",
		  { ASK_6_4,
		    { .reply = PART_1(ip4(BACKEND, EDGE, zero_checksum(FROM_BACKEND(0)))),
		      .why = EDGE53_NO_CHECKSUM, .by_tc = true },
		    PASSES(PART_2(ANSWER4)) },
		  .world = backend_ipv4 },
		{ "padding behind the last part",
		  { ASK_4_6, FIRST(PART_1(ANSWER6), PART_1(GETS4)),
		    LATER(padded(4, PART_3(ANSWER6)), PART_3(GETS4)) },
		  .world = backend_ipv6 },
	};

	return RUN(path, cases);
}

/* --- replies, enforce ------------------------------------------------------------------------- */

static void redirects_ipv6(void)
{
	world_set_flags(SERVICE_ENFORCE, EDGE53_SERVICE_IPV6_REDIRECT);
}

static int local_replies(const struct path *path)
{
	const struct test_case cases[] = {
		{ "all parts, from who was asked", { ASK_LOCAL4, RESTORED(LOCAL4, LOCAL_GETS4) } },
		{ "parts of nothing known pass", { ASK_LOCAL4, PASSES(PART_2(LOCAL4)) } },
		{ "31 seconds later",
		  { ASK_LOCAL4,
		    FIRST(PART_1(LOCAL4), PART_1(LOCAL_GETS4)),
		    { .reply = PART_2(LOCAL4), .why = EDGE53_NOT_OURS, .before = too_old } } },
		{ "TTL 1 stays",
		  { ASK_LOCAL4, FIRST(ttl(1, PART_1(LOCAL4)), ttl(1, PART_1(LOCAL_GETS4))),
		    LATER(ttl(1, PART_2(LOCAL4)), ttl(1, PART_2(LOCAL_GETS4))) } },
		{ "IPv6", { ASK_LOCAL6, RESTORED(LOCAL6, LOCAL_GETS6) }, .world = redirects_ipv6 },
	};

	return RUN(path, cases);
}

/* --- queries ---------------------------------------------------------------------------------- */

#define REFUSES(first) { .query = first, .why = EDGE53_FRAGMENTED_QUERY, .by_tc = true }
#define REFUSES_TOO(later) { .query = later, .why = EDGE53_FRAGMENT_REFUSED, .by_tc = true }
#define GOES_BY(later) { .query = later, .why = EDGE53_NOT_OURS }
#define LONG_QUERY udp(40000, 53, longer(1400, dns_query(7, NAME)))
#define LONG_SYN tcp(40000, 53, "S", longer(1400, nothing()))

static void later_parts_are_late(void)
{
	world_age_fragments(31);
}

static int queries(const struct path *path)
{
	bool is_forced = is_enforce(path);
	const char *asked = is_forced ? GOOGLE : FRONTEND,
		   *asked6 = is_forced ? GOOGLE6 : FRONTEND6;
	const struct test_case cases[] = {
		{ "all parts of a query are refused",
		  { REFUSES(PART_1(ip4(CLIENT, asked, LONG_QUERY))),
		    REFUSES_TOO(PART_3(ip4(CLIENT, asked, LONG_QUERY))),
		    REFUSES_TOO(PART_2(ip4(CLIENT, asked, LONG_QUERY))) } },
		{ "of a SYN with data",
		  { REFUSES(PART_1(ip4(CLIENT, asked, LONG_SYN))),
		    REFUSES_TOO(PART_2(ip4(CLIENT, asked, LONG_SYN))) } },
		{ "a first part that ends behind the ports",
		  { REFUSES(first_fragment(
			    ip4(CLIENT, asked, raw(17, (unsigned char *)"\234\100\0\65", 4)))),
		    REFUSES_TOO(PART_2(ip4(CLIENT, asked, LONG_QUERY))) },
		  .paths = ETHERNET_UPLINK | ENFORCE_L2 },
		{ "over IPv6",
		  { REFUSES(PART_1(ip6(CLIENT6, asked6, LONG_QUERY))),
		    REFUSES_TOO(PART_2(ip6(CLIENT6, asked6, LONG_QUERY))) },
		  .world = redirects_ipv6 },
		{ "later parts of another packet pass",
		  { REFUSES(PART_1(ip4(CLIENT, asked, LONG_QUERY))),
		    GOES_BY(PART_2(ip_id(9, ip4(CLIENT, asked, LONG_QUERY)))),
		    GOES_BY(PART_2(ip4(CLIENT_2, asked, LONG_QUERY))) } },
		{ "31 seconds later",
		  { REFUSES(PART_1(ip4(CLIENT, asked, LONG_QUERY))),
		    { .query = PART_2(ip4(CLIENT, asked, LONG_QUERY)),
		      .why = EDGE53_NOT_OURS,
		      .before = later_parts_are_late } } },
		{ "parts of another port pass",
		  { GOES_BY(PART_1(ip4(CLIENT, asked, udp(40000, 54, longer(1400, nothing()))))),
		    GOES_BY(PART_2(
			    ip4(CLIENT, asked, udp(40000, 54, longer(1400, nothing()))))) } },
	};

	return RUN(path, cases);
}

const struct table fragment_tables[] = {
	{ "fragments of replies", replies, EDGE_PATHS },
	{ "fragments of IPv6 replies", replies6, EDGE_PATHS },
	{ "fragments of TCP replies", tcp_replies, EDGE_PATHS },
	{ "fragments, between families", families, XDP | TC_L2 | TC_L2_CHECKED },
	{ "fragments of local replies", local_replies, ENFORCE_PATHS },
	{ "fragments of queries", queries, EDGE_PATHS | ENFORCE_PATHS },
	{},
};
