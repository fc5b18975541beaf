// SPDX-License-Identifier: GPL-2.0-only
/* edge, IPv6 clients of an IPv6 backend: addresses, ports, ID and hop limit change, no more. */
#include <string.h>

#include "cases.h"

#define NAME "example.com"

#define PASSES(packet) { { .query = packet, .why = EDGE53_NOT_OURS } }
#define REFUSED(packet, reason) { { .query = packet, .why = EDGE53_##reason } }

/* around: what stands between the IPv6 header and the transport. */
#define NONE(l4) l4
#define ASKS(l4) ip6(CLIENT6, FRONTEND6, l4)
#define SENDS(l4) forwarded(ip6(EDGE6, BACKEND6, l4))
#define ANSWERS(l4) ip6(BACKEND6, EDGE6, l4)
#define GETS(l4) forwarded(ip6(FRONTEND6, CLIENT6, l4))

#define QUERY(payload) udp(40000, 53, payload)
#define SENT(n, payload) udp(port_of(n), BACKEND_UDP, payload)
#define ANSWER(n, payload) udp(BACKEND_UDP, port_of(n), payload)
#define ANSWERED(payload) udp(53, 40000, payload)

#define ASK_WITH(around)                                                                         \
	{ .query = ASKS(around(QUERY(dns_query(7, NAME)))),                                       \
	  .becomes = SENDS(around(SENT(0, dns_query(id_of(0), NAME)))), .why = EDGE53_QUERY_SENT }
#define ANSWER_WITH(around)                                                                      \
	{ .reply = ANSWERS(around(ANSWER(0, dns_reply(id_of(0), NAME)))),                         \
	  .becomes = GETS(around(ANSWERED(dns_reply(7, NAME)))), .why = EDGE53_REPLY_SENT }

/* --- UDP -------------------------------------------------------------------------------------- */

static int there_and_back(const struct path *path)
{
	const struct test_case cases[] = {
		{ "a query goes to the backend and its reply to the client",
		  { ASK_WITH(NONE), ANSWER_WITH(NONE) } },
		{ "a second reply passes",
		  { ASK_WITH(NONE),
		    ANSWER_WITH(NONE),
		    { .reply = ANSWERS(ANSWER(0, dns_reply(id_of(0), NAME))),
		      .why = EDGE53_REPLY_DUPLICATE } } },
		{ "somebody else's reply passes",
		  { ASK_WITH(NONE),
		    { .reply = ip6(STRANGER6, EDGE6, ANSWER(0, dns_reply(id_of(0), NAME))),
		      .why = EDGE53_REPLY_FOREIGN,
		      .of_nobody = true },
		    ANSWER_WITH(NONE) } },
		{ "the backend's reply over IPv4 is somebody else's",
		  { ASK_WITH(NONE),
		    { .reply = ip4(BACKEND, EDGE, ANSWER(0, dns_reply(id_of(0), NAME))),
		      .why = EDGE53_REPLY_FOREIGN,
		      .of_nobody = true } } },
		{ "an odd length, traffic class and flow label",
		  { { .query = flow_label(0xabcde,
					  tos(0x2e, ASKS(QUERY(dns_query(7, "odd.example"))))),
		      .becomes = flow_label(
			      0xabcde,
			      tos(0x2e, SENDS(SENT(0, dns_query(id_of(0), "odd.example"))))),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = flow_label(0x12345,
					  tos(0xff, ANSWERS(ANSWER(0, dns_reply(id_of(0), NAME))))),
		      .becomes = flow_label(0x12345, tos(0xff, GETS(ANSWERED(dns_reply(7, NAME))))),
		      .why = EDGE53_REPLY_SENT } } },
		{ "hop limit 2 is enough",
		  { { .query = ttl(2, ASKS(QUERY(dns_query(7, NAME)))),
		      .becomes = ttl(1, SENDS(SENT(0, dns_query(id_of(0), NAME)))),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = ttl(2, ANSWERS(ANSWER(0, dns_reply(id_of(0), NAME)))),
		      .becomes = ttl(1, GETS(ANSWERED(dns_reply(7, NAME)))),
		      .why = EDGE53_REPLY_SENT } } },
		{ "padding stays and is in no checksum",
		  { { .query = padded(9, ASKS(QUERY(dns_query(7, NAME)))),
		      .becomes = SENDS(SENT(0, dns_query(id_of(0), NAME))),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = padded(2, ANSWERS(ANSWER(0, dns_reply(id_of(0), NAME)))),
		      .becomes = GETS(ANSWERED(dns_reply(7, NAME))),
		      .why = EDGE53_REPLY_SENT } } },
	};

	return RUN(path, cases);
}

/* --- checksums -------------------------------------------------------------------------------- */

/* The tail with which the UDP checksum of this packet comes out as zero. */
static unsigned tail_for_zero(struct layer_of *(*ip)(const char *, const char *, struct layer_of *),
			      const char *src, const char *dst, unsigned sport, unsigned dport,
			      unsigned id)
{
	struct frame frame;

	make_frame(ip(src, dst, udp(sport, dport, with_tail(0, dns_query(id, "even.example")))),
		   &frame);
	return frame.bytes[46] << 8 | frame.bytes[47];
}

#define TAILED(id, tail) with_tail(tail, dns_query(id, "even.example"))

static int checksums(const struct path *path)
{
	unsigned out = tail_for_zero(ip6, EDGE6, BACKEND6, port_of(0), BACKEND_UDP, id_of(0));
	unsigned in = tail_for_zero(ip6, CLIENT6, FRONTEND6, 40000, 53, 7);
	const struct test_case cases[] = {
		{ "a query without checksum is none (RFC 8200 8.1)",
		  REFUSED(ASKS(zero_checksum(QUERY(dns_query(7, NAME)))), NO_CHECKSUM) },
		{ "a reply without checksum neither",
		  { ASK_WITH(NONE),
		    { .reply = ANSWERS(zero_checksum(ANSWER(0, dns_reply(id_of(0), NAME)))),
		      .why = EDGE53_REPLY_UNKNOWN },
		    ANSWER_WITH(NONE) } },
		{ "a checksum that comes out as 0 is sent as 0xffff",
		  { { .query = ASKS(QUERY(TAILED(7, out))),
		      .becomes = SENDS(SENT(0, TAILED(id_of(0), out))),
		      .why = EDGE53_QUERY_SENT } } },
		{ "a checksum of 0xffff is a checksum",
		  { { .query = ASKS(QUERY(TAILED(7, in))),
		      .becomes = SENDS(SENT(0, TAILED(id_of(0), in))),
		      .why = EDGE53_QUERY_SENT } } },
		{ "a wrong checksum stays wrong",
		  { { .query = ASKS(bad_checksum(QUERY(dns_query(7, NAME)))),
		      .becomes = SENDS(bad_checksum(SENT(0, dns_query(id_of(0), NAME)))),
		      .why = EDGE53_QUERY_SENT } } },
		{ "XDP leaves partial checksums to tc",
		  { { .query = ASKS(partial_checksum(QUERY(dns_query(7, NAME)))),
		      .why = EDGE53_HANDED_TO_TC },
		    ASK_WITH(NONE),
		    { .reply = ANSWERS(partial_checksum(ANSWER(0, dns_reply(id_of(0), NAME)))),
		      .why = EDGE53_HANDED_TO_TC } },
		  .paths = XDP },
	};

	return RUN(path, cases);
}

/* --- extension headers ------------------------------------------------------------------------ */

enum { HOP_BY_HOP = 0, AH = 51, DESTINATION = 60, MOBILITY = 135, HIP = 139, SHIM6 = 140 };

#define HBH(inner) ip6_ext(HOP_BY_HOP, inner)
#define DOPT(inner) ip6_ext(DESTINATION, inner)
#define ROUTED(inner) ip6_routing(0, inner)
#define MOVED(inner) ip6_ext(MOBILITY, ip6_ext(HIP, ip6_ext(SHIM6, inner)))
#define ATOMIC(inner) ip6_fragment(0, inner)
#define FOUR(inner) HBH(DOPT(ROUTED(DOPT(inner))))
#define EIGHT(inner) FOUR(DOPT(DOPT(DOPT(DOPT(inner)))))
#define LONG(inner) ip6_long_ext(DESTINATION, 31, inner) /* 256 bytes */
#define SEVEN_LONG(inner) /* 7 * 32 + 32 */                                                      \
	ip6_long_ext(HOP_BY_HOP, 3, ip6_long_ext(DESTINATION, 27, inner))

/* XDP leaves them to tc, uncounted. */
#define KEPT(around)                                                                             \
	{ { .query = ASKS(around(QUERY(dns_query(7, NAME)))),                                     \
	    .becomes = SENDS(around(SENT(0, dns_query(id_of(0), NAME)))),                          \
	    .why = EDGE53_QUERY_SENT, .by_tc = true },                                             \
	  { .reply = ANSWERS(around(ANSWER(0, dns_reply(id_of(0), NAME)))),                        \
	    .becomes = GETS(around(ANSWERED(dns_reply(7, NAME)))),                                 \
	    .why = EDGE53_REPLY_SENT, .by_tc = true } }

static int extensions(const struct path *path)
{
	const struct test_case cases[] = {
		{ "hop-by-hop options stay", KEPT(HBH) },
		{ "destination options, twice", KEPT(DOPT) },
		{ "a routing header that is done", KEPT(ROUTED) },
		{ "mobility, HIP, shim6", KEPT(MOVED) },
		{ "an atomic fragment (RFC 6946)", KEPT(ATOMIC) },
		{ "four headers", KEPT(FOUR) },
		{ "eight headers", KEPT(EIGHT) },
		{ "256 bytes of one", KEPT(LONG) },
		{ "256 bytes of two", KEPT(SEVEN_LONG) },
		{ "TCP behind them",
		  { { .query = ASKS(FOUR(tcp(40000, 53, "S", nothing()))),
		      .becomes = SENDS(FOUR(tcp(conn_port(0), BACKEND_TCP, "S", nothing()))),
		      .why = EDGE53_TCP_OPENED,
		      .state = EDGE53_CONN_HALF_OPEN,
		      .by_tc = true },
		    { .reply = ANSWERS(DOPT(tcp(BACKEND_TCP, conn_port(0), "SA", nothing()))),
		      .becomes = GETS(DOPT(tcp(53, 40000, "SA", nothing()))),
		      .why = EDGE53_TCP_REPLY_SENT,
		      .state = EDGE53_CONN_HALF_OPEN,
		      .by_tc = true } } },
		{ "a bad query behind them",
		  { { .query = ASKS(DOPT(QUERY(dns_reply(7, NAME)))),
		      .why = EDGE53_NOT_A_QUERY,
		      .by_tc = true } } },
		{ "nine headers", PASSES(ASKS(HBH(EIGHT(QUERY(dns_query(7, NAME)))))) },
		{ "264 bytes",
		  PASSES(ASKS(ip6_long_ext(DESTINATION, 32, QUERY(dns_query(7, NAME))))) },
		{ "264 bytes of two", PASSES(ASKS(HBH(LONG(QUERY(dns_query(7, NAME)))))) },
		{ "authentication", PASSES(ASKS(ip6_ext(AH, QUERY(dns_query(7, NAME))))) },
		{ "a routing header with a way to go",
		  PASSES(ASKS(ip6_routing(1, QUERY(dns_query(7, NAME))))) },
		{ "two fragment headers", PASSES(ASKS(ATOMIC(ATOMIC(QUERY(dns_query(7, NAME)))))) },
		{ "a header longer than the packet",
		  PASSES(cut_to(60,
				ASKS(ip6_long_ext(DESTINATION, 5, QUERY(dns_query(7, NAME)))))) },
		{ "no next header", PASSES(ASKS(raw(59, (unsigned char *)"nothing", 7))) },
		{ "a reply behind nine headers",
		  { ASK_WITH(NONE),
		    { .reply = ANSWERS(HBH(EIGHT(ANSWER(0, dns_reply(id_of(0), NAME))))),
		      .why = EDGE53_NOT_OURS } } },
	};

	return RUN(path, cases);
}

/* --- lengths ---------------------------------------------------------------------------------- */

static int lengths(const struct path *path)
{
	const struct test_case cases[] = {
		{ "UDP length beyond the packet",
		  REFUSED(ASKS(length_off_by(1, QUERY(dns_query(7, NAME)))), BAD_LENGTH) },
		{ "UDP length beyond the packet but within the padding",
		  REFUSED(padded(8, ASKS(length_off_by(1, QUERY(dns_query(7, NAME))))),
			  BAD_LENGTH) },
		{ "UDP length shorter than a UDP header",
		  REFUSED(ASKS(length_off_by(-30, QUERY(dns_query(7, NAME)))), BAD_LENGTH) },
		{ "IPv6 length beyond the frame",
		  REFUSED(length_off_by(1, ASKS(QUERY(dns_query(7, NAME)))), BAD_LENGTH) },
		{ "IPv6 length that ends in the UDP header",
		  REFUSED(length_off_by(-33, ASKS(QUERY(dns_query(7, NAME)))), BAD_LENGTH) },
		{ "a frame cut in the question",
		  REFUSED(cut_to(70, ASKS(QUERY(dns_query(7, NAME)))), BAD_LENGTH) },
		{ "a payload of 11 bytes", REFUSED(ASKS(QUERY(text("11 bytes..."))), SHORT_DNS) },
		{ "a reply to the server", REFUSED(ASKS(QUERY(dns_reply(7, NAME))), NOT_A_QUERY) },
		{ "no question", REFUSED(ASKS(QUERY(dns(7, 0, 0, 0, NAME))), BAD_COUNTS) },
		{ "a TCP data offset beyond the packet",
		  REFUSED(ASKS(data_offset(6, tcp(40000, 53, "S", nothing()))), BAD_LENGTH) },
		{ "a frame cut in the ports", PASSES(cut_to(43, ASKS(QUERY(dns_query(7, NAME))))),
		  .paths = ETHERNET_UPLINK },
		{ "a frame cut in the IPv6 header",
		  PASSES(cut_to(39, ASKS(QUERY(dns_query(7, NAME))))), .paths = XDP },
		{ "in a frame for another host",
		  PASSES(eth(router_mac, client_mac, ASKS(QUERY(dns_query(7, NAME))))),
		  .paths = ETHERNET_UPLINK },
		{ "version 5", PASSES(version(5, ASKS(QUERY(dns_query(7, NAME))))) },
		{ "another address", PASSES(ip6(CLIENT6, STRANGER6, QUERY(dns_query(7, NAME)))) },
		{ "another port", PASSES(ASKS(udp(40000, 54, dns_query(7, NAME)))) },
		{ "ping", PASSES(ASKS(icmp(128, 0, 0, text("ping")))) },
		{ "who has this address", PASSES(ASKS(icmp(135, 0, 0, text("sixteen bytes...")))) },
		{ "a mapped IPv4 address on the wire is not the IPv4 frontend",
		  PASSES(ip6("::ffff:86dd:1", "::ffff:198.51.100.53", QUERY(dns_query(7, NAME)))),
		  .paths = ETHERNET_UPLINK },
	};

	return RUN(path, cases);
}

/* --- TCP -------------------------------------------------------------------------------------- */

/* Segments with PSH carry data, of odd length. */
static struct layer_of *payload_of(const char *flags)
{
	return strchr(flags, 'P') ? text("thirteen here") : nothing();
}

#define CLIENT_SENDS(flags, reason, now)                                                         \
	{ .query = ASKS(tcp(40000, 53, flags, payload_of(flags))),                                \
	  .becomes = SENDS(tcp(conn_port(0), BACKEND_TCP, flags, payload_of(flags))),              \
	  .why = EDGE53_TCP_##reason, .state = EDGE53_CONN_##now }
#define BACKEND_SENDS(flags, now)                                                                \
	{ .reply = ANSWERS(tcp(BACKEND_TCP, conn_port(0), flags, payload_of(flags))),             \
	  .becomes = GETS(tcp(53, 40000, flags, payload_of(flags))),                               \
	  .why = EDGE53_TCP_REPLY_SENT, .state = EDGE53_CONN_##now }

static int connections(const struct path *path)
{
	const struct test_case cases[] = {
		{ "the life of a connection",
		  { CLIENT_SENDS("S", OPENED, HALF_OPEN), BACKEND_SENDS("SA", HALF_OPEN),
		    CLIENT_SENDS("A", QUERY_SENT, ESTABLISHED),
		    CLIENT_SENDS("PA", QUERY_SENT, ESTABLISHED), BACKEND_SENDS("PA", ESTABLISHED),
		    CLIENT_SENDS("FA", QUERY_SENT, ESTABLISHED), BACKEND_SENDS("FA", CLOSING),
		    CLIENT_SENDS("A", QUERY_SENT, CLOSING) } },
		{ "an ACK of no connection is the host's to reset",
		  { { .query = ASKS(tcp(40000, 53, "A", nothing())),
		      .why = EDGE53_NO_CONNECTION } } },
		{ "the same port over IPv4 is another connection",
		  { CLIENT_SENDS("S", OPENED, HALF_OPEN),
		    { .query = ip4(CLIENT, FRONTEND, tcp(40000, 53, "S", nothing())),
		      .becomes = forwarded(
			      ip4(EDGE, BACKEND, tcp(conn_port(1), BACKEND_TCP, "S", nothing()))),
		      .why = EDGE53_TCP_OPENED,
		      .conn = 1,
		      .state = EDGE53_CONN_HALF_OPEN },
		    BACKEND_SENDS("SA", HALF_OPEN) } },
		{ "a wrong checksum stays wrong",
		  { { .query = ASKS(bad_checksum(tcp(40000, 53, "S", nothing()))),
		      .becomes =
			      SENDS(bad_checksum(tcp(conn_port(0), BACKEND_TCP, "S", nothing()))),
		      .why = EDGE53_TCP_OPENED,
		      .state = EDGE53_CONN_HALF_OPEN } } },
	};

	return RUN(path, cases);
}

const struct table ipv6_tables[] = {
	{ "IPv6, there and back", there_and_back, EDGE_PATHS },
	{ "IPv6 checksums", checksums, EDGE_PATHS },
	{ "IPv6 extension headers", extensions, EDGE_PATHS },
	{ "IPv6 lengths, and what is not ours", lengths, EDGE_PATHS },
	{ "IPv6 TCP", connections, EDGE_PATHS },
	{},
};
