// SPDX-License-Identifier: GPL-2.0-only
/*
 * edge, client and backend of different families (RFC 7915).
 *
 * Not on devices without Ethernet header: BPF_PROG_TEST_RUN takes 14 bytes for one whatever the
 * program, so the kernel's idea of where the network header begins is wrong there, and with it
 * where bpf_skb_change_proto() makes room. tests/net has real ones. Queries from Ethernet to a
 * tunnel can be tried.
 */
#include <string.h>

#include "cases.h"

#define NAME "example.com"

#define QUERY_PATHS (XDP | TC_L2 | TC_L2_CHECKED | TC_L2_L3)
#define BOTH_WAYS (XDP | TC_L2 | TC_L2_CHECKED)

/* An IPv6 client of an IPv4 backend ... */
#define ASKS6(l4) ip6(CLIENT6, FRONTEND6, l4)
#define SENDS4(l4) any_id(forwarded(ip4(EDGE, BACKEND, l4)))
#define ANSWERS4(l4) ip4(BACKEND, EDGE, l4)
#define GETS6(l4) forwarded(ip6(FRONTEND6, CLIENT6, l4))
/* ... and an IPv4 client of an IPv6 one. */
#define ASKS4(l4) ip4(CLIENT, FRONTEND, l4)
#define SENDS6(l4) forwarded(ip6(EDGE6, BACKEND6, l4))
#define ANSWERS6(l4) ip6(BACKEND6, EDGE6, l4)
#define GETS4(l4) any_id(forwarded(ip4(FRONTEND, CLIENT, l4)))
/* Longer than 1,260 bytes (RFC 7915 section 5.1). */
#define WHOLE(ip) dont_fragment(ip_id(0, any_id_not(ip)))

static struct layer_of *any_id_not(struct layer_of *ip)
{
	ip->any_id = false;
	return ip;
}

#define QUERY udp(40000, 53, dns_query(7, NAME))
#define SENT(n) udp(port_of(n), BACKEND_UDP, dns_query(id_of(n), NAME))
#define ANSWER(n) udp(BACKEND_UDP, port_of(n), dns_reply(id_of(n), NAME))
#define ANSWERED udp(53, 40000, dns_reply(7, NAME))

#define ASK6 { .query = ASKS6(QUERY), .becomes = SENDS4(SENT(0)), .why = EDGE53_QUERY_SENT }
#define ASK4 { .query = ASKS4(QUERY), .becomes = SENDS6(SENT(0)), .why = EDGE53_QUERY_SENT }

static void backend_ipv4(void)
{
	world_set_backends(SERVICE_EDGE, (const __u8[]){ ID_BACKEND }, 1);
}

static void backend_ipv6(void)
{
	world_set_backends(SERVICE_EDGE, (const __u8[]){ ID_BACKEND6 }, 1);
}

/* --- there and back --------------------------------------------------------------------------- */

static int there_and_back(const struct path *path)
{
	const struct test_case cases[] = {
		{ "an IPv6 client of an IPv4 backend",
		  { ASK6,
		    { .reply = ANSWERS4(ANSWER(0)), .becomes = GETS6(ANSWERED),
		      .why = EDGE53_REPLY_SENT } },
		  .world = backend_ipv4 },
		{ "an IPv4 client of an IPv6 backend",
		  { ASK4,
		    { .reply = ANSWERS6(ANSWER(0)), .becomes = GETS4(ANSWERED),
		      .why = EDGE53_REPLY_SENT } },
		  .world = backend_ipv6 },
		{ "clients of both families, the same port and ID",
		  { ASK6,
		    { .query = ASKS4(QUERY),
		      .becomes = forwarded(ip4(EDGE, BACKEND, SENT(1))),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = ANSWERS4(ANSWER(1)),
		      .becomes = forwarded(ip4(FRONTEND, CLIENT, ANSWERED)),
		      .why = EDGE53_REPLY_SENT },
		    { .reply = ANSWERS4(ANSWER(0)), .becomes = GETS6(ANSWERED),
		      .why = EDGE53_REPLY_SENT } },
		  .world = backend_ipv4 },
		{ "a reply of the other family is none",
		  { ASK6,
		    { .reply = ip6(BACKEND6, EDGE6, ANSWER(0)), .why = EDGE53_REPLY_FOREIGN,
		      .of_nobody = true } },
		  .world = backend_ipv4 },
		{ "a reply with traffic class, ID, DF and TTL 2",
		  { ASK6,
		    { .reply = ttl(2, tos(0xb8, dont_fragment(ip_id(99, ANSWERS4(ANSWER(0)))))),
		      .becomes = ttl(1, tos(0xb8, GETS6(ANSWERED))), .why = EDGE53_REPLY_SENT } },
		  .world = backend_ipv4 },
		{ "a reply with traffic class, label and hop limit 2",
		  { ASK4,
		    { .reply = ttl(2, flow_label(0xfffff, tos(0x03, ANSWERS6(ANSWER(0))))),
		      .becomes = ttl(1, tos(0x03, GETS4(ANSWERED))), .why = EDGE53_REPLY_SENT } },
		  .world = backend_ipv6 },
		{ "padding",
		  { { .query = padded(9, ASKS6(QUERY)), .becomes = SENDS4(SENT(0)),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = padded(3, ANSWERS4(ANSWER(0))), .becomes = GETS6(ANSWERED),
		      .why = EDGE53_REPLY_SENT } },
		  .world = backend_ipv4 },
		{ "a reply with IP options loses them",
		  { ASK6,
		    { .reply = options(10, ANSWERS4(ANSWER(0))), .becomes = GETS6(ANSWERED),
		      .why = EDGE53_REPLY_SENT, .by_tc = true } },
		  .world = backend_ipv4 },
		{ "a reply with extension headers loses them",
		  { ASK4,
		    { .reply = ANSWERS6(ip6_ext(0, ip6_long_ext(60, 20, ANSWER(0)))),
		      .becomes = GETS4(ANSWERED), .why = EDGE53_REPLY_SENT, .by_tc = true } },
		  .world = backend_ipv6 },
		{ "a reply without checksum gets one",
		  { ASK6,
		    { .reply = ANSWERS4(zero_checksum(ANSWER(0))), .becomes = GETS6(ANSWERED),
		      .why = EDGE53_REPLY_SENT, .by_tc = true } },
		  .world = backend_ipv4 },
		{ "a reply of 1,260 bytes may be fragmented, a longer one not",
		  { ASK4,
		    { .reply = ANSWERS6(udp(BACKEND_UDP, port_of(0),
					    longer(1203, dns_reply(id_of(0), NAME)))),
		      .becomes = GETS4(udp(53, 40000, longer(1203, dns_reply(7, NAME)))),
		      .why = EDGE53_REPLY_SENT },
		    { .query = ASKS4(QUERY), .becomes = SENDS6(SENT(1)), .why = EDGE53_QUERY_SENT },
		    { .reply = ANSWERS6(udp(BACKEND_UDP, port_of(1),
					    longer(1204, dns_reply(id_of(1), NAME)))),
		      .becomes = WHOLE(GETS4(udp(53, 40000, longer(1204, dns_reply(7, NAME))))),
		      .why = EDGE53_REPLY_SENT } },
		  .world = backend_ipv6 },
	};

	return RUN(path, cases);
}

/* --- queries ---------------------------------------------------------------------------------- */

#define BECOMES(before, after) { { .query = before, .becomes = after, .why = EDGE53_QUERY_SENT } }
#define BECOMES_AT_TC(before, after) \
	{ { .query = before, .becomes = after, .why = EDGE53_QUERY_SENT, .by_tc = true } }

static int from_ipv6(const struct path *path)
{
	const struct test_case cases[] = {
		{ "traffic class is TOS, the label is gone",
		  BECOMES(flow_label(0xabcde, tos(0xb9, ASKS6(QUERY))),
			  tos(0xb9, SENDS4(SENT(0)))) },
		{ "hop limit 2", BECOMES(ttl(2, ASKS6(QUERY)), ttl(1, SENDS4(SENT(0)))) },
		{ "hop limit 255", BECOMES(ttl(255, ASKS6(QUERY)), ttl(254, SENDS4(SENT(0)))) },
		{ "1,260 bytes may be fragmented",
		  BECOMES(ASKS6(udp(40000, 53, longer(1203, dns_query(7, NAME)))),
			  SENDS4(udp(port_of(0), BACKEND_UDP,
				     longer(1203, dns_query(id_of(0), NAME))))) },
		{ "1,261 may not",
		  BECOMES(ASKS6(udp(40000, 53, longer(1204, dns_query(7, NAME)))),
			  WHOLE(SENDS4(udp(port_of(0), BACKEND_UDP,
					   longer(1204, dns_query(id_of(0), NAME)))))) },
		{ "extension headers are dropped",
		  BECOMES_AT_TC(ASKS6(ip6_ext(0, ip6_routing(0, ip6_long_ext(60, 3, QUERY)))),
				SENDS4(SENT(0))) },
		{ "256 bytes of them",
		  BECOMES_AT_TC(ASKS6(ip6_long_ext(60, 31, QUERY)), SENDS4(SENT(0))) },
		{ "an atomic fragment keeps its ID",
		  BECOMES_AT_TC(ASKS6(ip_id(0xdeadbeef, ip6_fragment(0, QUERY))),
				ip_id(0xbeef, any_id_not(SENDS4(SENT(0))))) },
		{ "an atomic fragment of 1,300 bytes too: DF 0",
		  BECOMES_AT_TC(
			  ASKS6(ip6_fragment(0, udp(40000, 53, longer(1250, dns_query(7, NAME))))),
			  any_id_not(SENDS4(udp(port_of(0), BACKEND_UDP,
						longer(1250, dns_query(id_of(0), NAME)))))) },
		{ "an odd length", BECOMES(ASKS6(udp(40000, 53, dns_query(7, "odd.example"))),
					   SENDS4(udp(port_of(0), BACKEND_UDP,
						      dns_query(id_of(0), "odd.example")))) },
		{ "a wrong checksum stays wrong",
		  BECOMES(ASKS6(bad_checksum(QUERY)), SENDS4(bad_checksum(SENT(0)))) },
		{ "no checksum is none",
		  { { .query = ASKS6(zero_checksum(QUERY)), .why = EDGE53_NO_CHECKSUM } } },
		{ "no ID is drawn twice in a row",
		  { { .query = ASKS6(QUERY), .becomes = SENDS4(SENT(0)), .why = EDGE53_QUERY_SENT },
		    { .query = ASKS6(QUERY),
		      .becomes = SENDS4(SENT(1)),
		      .why = EDGE53_QUERY_SENT } } },
	};
	struct test_case with_world[sizeof(cases) / sizeof(*cases)];

	memcpy(with_world, cases, sizeof(cases));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		with_world[i].world = backend_ipv4;
	return RUN(path, with_world);
}

/* The tail with which the UDP checksum comes out as zero when the packet is sent to the backend. */
static unsigned tail_for_zero(void)
{
	struct frame frame;

	make_frame(ip6(EDGE6, BACKEND6, udp(port_of(0), BACKEND_UDP,
					    with_tail(0, dns_query(id_of(0), "even.example")))),
		   &frame);
	return frame.bytes[46] << 8 | frame.bytes[47];
}

static int from_ipv4(const struct path *path)
{
#define TAILED(id) with_tail(tail, dns_query(id, "even.example"))
	unsigned tail = tail_for_zero();
	const struct test_case cases[] = {
		{ "TOS is traffic class; ID and DF are gone",
		  BECOMES(tos(0x2f, dont_fragment(ip_id(0x1111, ASKS4(QUERY)))),
			  tos(0x2f, SENDS6(SENT(0)))) },
		{ "TTL 2", BECOMES(ttl(2, ASKS4(QUERY)), ttl(1, SENDS6(SENT(0)))) },
		{ "options are dropped", BECOMES_AT_TC(options(1, ASKS4(QUERY)), SENDS6(SENT(0))) },
		{ "all 40 bytes of them",
		  BECOMES_AT_TC(options(10, ASKS4(QUERY)), SENDS6(SENT(0))) },
		{ "five words, which leave the header's size as it is",
		  BECOMES_AT_TC(options(5, ASKS4(QUERY)), SENDS6(SENT(0))) },
		{ "a query without checksum gets one (RFC 8200 8.1)",
		  BECOMES_AT_TC(ASKS4(zero_checksum(QUERY)), SENDS6(SENT(0))) },
		{ "of an odd length",
		  BECOMES_AT_TC(ASKS4(zero_checksum(udp(40000, 53, dns_query(7, "odd.example!")))),
				SENDS6(udp(port_of(0), BACKEND_UDP,
					   dns_query(id_of(0), "odd.example!")))) },
		{ "of 1,300 bytes",
		  BECOMES_AT_TC(
			  ASKS4(zero_checksum(udp(40000, 53, longer(1251, dns_query(7, NAME))))),
			  SENDS6(udp(port_of(0), BACKEND_UDP,
				     longer(1251, dns_query(id_of(0), NAME))))) },
		{ "behind options",
		  BECOMES_AT_TC(options(3, ASKS4(zero_checksum(QUERY))), SENDS6(SENT(0))) },
		{ "with padding, which is in no checksum",
		  BECOMES_AT_TC(padded(5, ASKS4(zero_checksum(QUERY))), SENDS6(SENT(0))) },
		{ "a computed 0 is sent as 0xffff",
		  BECOMES_AT_TC(ASKS4(zero_checksum(udp(40000, 53, TAILED(7)))),
				SENDS6(udp(port_of(0), BACKEND_UDP, TAILED(id_of(0))))) },
		{ "and an updated one that comes to 0",
		  BECOMES(ASKS4(udp(40000, 53, TAILED(7))),
			  SENDS6(udp(port_of(0), BACKEND_UDP, TAILED(id_of(0))))) },
		{ "a wrong UDP checksum stays wrong",
		  BECOMES(ASKS4(bad_checksum(QUERY)), SENDS6(bad_checksum(SENT(0)))) },
		{ "a wrong header checksum ends here, for IPv6 has none to keep it wrong",
		  { { .query = bad_checksum(ASKS4(QUERY)),
		      .why = EDGE53_BAD_CHECKSUM,
		      .takes_slot = true } } },
		{ "behind options",
		  { { .query = options(3, bad_checksum(ASKS4(QUERY))),
		      .why = EDGE53_BAD_CHECKSUM,
		      .takes_slot = true,
		      .by_tc = true } } },
	};
	struct test_case with_world[sizeof(cases) / sizeof(*cases)];

	memcpy(with_world, cases, sizeof(cases));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		with_world[i].world = backend_ipv6;
	return RUN(path, with_world);
}

static int same_family(const struct path *path)
{
	const struct test_case cases[] = {
		{ "IPv4 to IPv4: a wrong header checksum stays wrong",
		  BECOMES(bad_checksum(ASKS4(QUERY)),
			bad_checksum(forwarded(ip4(EDGE, BACKEND, SENT(0))))) },
		{ "IPv4 to IPv4: ID, DF and TOS stay",
		  BECOMES(tos(0xfc, dont_fragment(ip_id(0xfffe, ASKS4(QUERY)))),
			tos(0xfc, dont_fragment(ip_id(0xfffe,
						      forwarded(ip4(EDGE, BACKEND, SENT(0))))))) },
	};

	return RUN(path, cases);
}

/* --- TCP -------------------------------------------------------------------------------------- */

/* Segments with PSH carry data, of odd length. */
static struct layer_of *payload_of(const char *flags)
{
	return strchr(flags, 'P') ? text("thirteen here") : nothing();
}

#define SEGMENT(sport, dport, flags) tcp(sport, dport, flags, payload_of(flags))
#define CLIENT_SENDS(asks, sends, flags, reason, now)                                            \
	{ .query = asks(SEGMENT(40000, 53, flags)),                                               \
	  .becomes = sends(SEGMENT(conn_port(0), BACKEND_TCP, flags)),                             \
	  .why = EDGE53_TCP_##reason, .state = EDGE53_CONN_##now }
#define BACKEND_SENDS(answers, gets, flags, now)                                                 \
	{ .reply = answers(SEGMENT(BACKEND_TCP, conn_port(0), flags)),                            \
	  .becomes = gets(SEGMENT(53, 40000, flags)), .why = EDGE53_TCP_REPLY_SENT,                \
	  .state = EDGE53_CONN_##now }
#define LIFE(asks, sends, answers, gets)                                                         \
	{ CLIENT_SENDS(asks, sends, "S", OPENED, HALF_OPEN),                                      \
	  BACKEND_SENDS(answers, gets, "SA", HALF_OPEN),                                           \
	  CLIENT_SENDS(asks, sends, "A", QUERY_SENT, ESTABLISHED),                                 \
	  CLIENT_SENDS(asks, sends, "PA", QUERY_SENT, ESTABLISHED),                                \
	  BACKEND_SENDS(answers, gets, "PA", ESTABLISHED),                                         \
	  BACKEND_SENDS(answers, gets, "FA", ESTABLISHED),                                         \
	  CLIENT_SENDS(asks, sends, "FA", QUERY_SENT, CLOSING) }
#define WITH_TIMESTAMPS(tcp) option("\1\1\10\12abcdefgh", 12, tcp)

static int connections(const struct path *path)
{
	const struct test_case cases[] = {
		{ "an IPv6 client of an IPv4 backend", LIFE(ASKS6, SENDS4, ANSWERS4, GETS6),
		  .world = backend_ipv4 },
		{ "an IPv4 client of an IPv6 backend", LIFE(ASKS4, SENDS6, ANSWERS6, GETS4),
		  .world = backend_ipv6 },
		{ "options stay; extension headers and IP options do not",
		  { { .query = ASKS6(ip6_ext(60, WITH_TIMESTAMPS(SEGMENT(40000, 53, "S")))),
		      .becomes = SENDS4(WITH_TIMESTAMPS(SEGMENT(conn_port(0), BACKEND_TCP, "S"))),
		      .why = EDGE53_TCP_OPENED,
		      .state = EDGE53_CONN_HALF_OPEN,
		      .by_tc = true },
		    { .reply = options(2, ANSWERS4(WITH_TIMESTAMPS(
						  SEGMENT(BACKEND_TCP, conn_port(0), "SA")))),
		      .becomes = GETS6(WITH_TIMESTAMPS(SEGMENT(53, 40000, "SA"))),
		      .why = EDGE53_TCP_REPLY_SENT,
		      .state = EDGE53_CONN_HALF_OPEN,
		      .by_tc = true } },
		  .world = backend_ipv4 },
		{ "a long segment",
		  { CLIENT_SENDS(ASKS6, SENDS4, "S", OPENED, HALF_OPEN),
		    { .query = ASKS6(tcp(40000, 53, "A", longer(1300, nothing()))),
		      .becomes = WHOLE(SENDS4(
			      tcp(conn_port(0), BACKEND_TCP, "A", longer(1300, nothing())))),
		      .why = EDGE53_TCP_QUERY_SENT,
		      .state = EDGE53_CONN_HALF_OPEN } },
		  .world = backend_ipv4 },
		{ "a SYN with a wrong header checksum",
		  { { .query = bad_checksum(ASKS4(SEGMENT(40000, 53, "S"))),
		      .why = EDGE53_BAD_CHECKSUM,
		      .state = EDGE53_CONN_HALF_OPEN } },
		  .world = backend_ipv6 },
		{ "a segment of the backend with a wrong header checksum",
		  { CLIENT_SENDS(ASKS6, SENDS4, "S", OPENED, HALF_OPEN),
		    { .reply = bad_checksum(ANSWERS4(SEGMENT(BACKEND_TCP, conn_port(0), "SA"))),
		      .why = EDGE53_BAD_CHECKSUM,
		      .state = EDGE53_CONN_HALF_OPEN } },
		  .world = backend_ipv4 },
	};

	return RUN(path, cases);
}

const struct table family_tables[] = {
	{ "families, there and back", there_and_back, BOTH_WAYS },
	{ "families, queries of IPv6 clients to IPv4", from_ipv6, QUERY_PATHS },
	{ "families, queries of IPv4 clients to IPv6", from_ipv4, QUERY_PATHS },
	{ "families, the same", same_family, EDGE_PATHS },
	{ "families, TCP", connections, BOTH_WAYS },
	{},
};
