// SPDX-License-Identifier: GPL-2.0-only
/* edge, UDP: what becomes of queries and replies, and what is left alone. */
#include <stdio.h>
#include <string.h>

#include "cases.h"

#define NAME "example.com"

/* The client's n-th query, as sent to the backend. */
#define SENT(n, payload_of) \
	forwarded(ip4(EDGE, BACKEND, udp(port_of(n), BACKEND_UDP, payload_of(id_of(n), NAME))))
#define ANSWER(n) ip4(BACKEND, EDGE, udp(BACKEND_UDP, port_of(n), dns_reply(id_of(n), NAME)))

#define QUERY(id) ip4(CLIENT, FRONTEND, udp(40000, 53, dns_query(id, NAME)))
#define ANSWERED(id) forwarded(ip4(FRONTEND, CLIENT, udp(53, 40000, dns_reply(id, NAME))))

/* Steps that stories begin with. */
#define ASK(n, id) { .query = QUERY(id), .becomes = SENT(n, dns_query), .why = EDGE53_QUERY_SENT }
#define ANSWER_IT(n, id) \
	{ .reply = ANSWER(n), .becomes = ANSWERED(id), .why = EDGE53_REPLY_SENT }

/* --- there and back --------------------------------------------------------------------------- */

static int there_and_back(const struct path *path)
{
	const struct test_case cases[] = {
		{ "a query goes to the backend and its reply to the client",
		  { ASK(0, 0x1234), ANSWER_IT(0, 0x1234) } },
		{ "two queries from one port are told apart by their IDs",
		  { ASK(0, 0x1111), ASK(1, 0x2222), ANSWER_IT(1, 0x2222), ANSWER_IT(0, 0x1111) } },
		{ "two queries that look the same are two queries",
		  { ASK(0, 0x1111), ASK(1, 0x1111), ANSWER_IT(1, 0x1111), ANSWER_IT(0, 0x1111) } },
		{ "the same ID from two clients",
		  { ASK(0, 7),
		    { .query = ip4(CLIENT_2, FRONTEND, udp(40000, 53, dns_query(7, NAME))),
		      .becomes = SENT(1, dns_query),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = ANSWER(1),
		      .becomes = forwarded(
			      ip4(FRONTEND, CLIENT_2, udp(53, 40000, dns_reply(7, NAME)))),
		      .why = EDGE53_REPLY_SENT },
		    ANSWER_IT(0, 7) } },
		{ "ID 0, port 65535 and an odd length",
		  { { .query = ip4(CLIENT, FRONTEND, udp(65535, 53, dns_query(0, "odd.example"))),
		      .becomes = forwarded(ip4(
			      EDGE, BACKEND,
			      udp(port_of(0), BACKEND_UDP, dns_query(id_of(0), "odd.example")))),
		      .why = EDGE53_QUERY_SENT },
		    { .reply =
			      ip4(BACKEND, EDGE,
				  udp(BACKEND_UDP, port_of(0), dns_reply(id_of(0), "odd.example"))),
		      .becomes = forwarded(
			      ip4(FRONTEND, CLIENT, udp(53, 65535, dns_reply(0, "odd.example")))),
		      .why = EDGE53_REPLY_SENT } } },
		{ "an even length",
		  { { .query = ip4(CLIENT, FRONTEND, udp(40000, 53, dns_query(1, "even.example"))),
		      .becomes = forwarded(ip4(
			      EDGE, BACKEND,
			      udp(port_of(0), BACKEND_UDP, dns_query(id_of(0), "even.example")))),
		      .why = EDGE53_QUERY_SENT } } },
		{ "IP options stay, and the ports behind them are found",
		  { { .query = options(1, QUERY(5)),
		      .becomes = options(1, SENT(0, dns_query)),
		      .why = EDGE53_QUERY_SENT,
		      .by_tc = true },
		    { .query = options(10, QUERY(5)),
		      .becomes = options(10, SENT(1, dns_query)),
		      .why = EDGE53_QUERY_SENT,
		      .by_tc = true },
		    { .reply = options(10, ANSWER(1)),
		      .becomes = options(10, ANSWERED(5)),
		      .why = EDGE53_REPLY_SENT,
		      .by_tc = true } } },
		{ "Ethernet padding behind a short packet stays and is in no checksum",
		  { { .query = padded(18, QUERY(5)),
		      .becomes = SENT(0, dns_query),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = padded(7, ANSWER(0)),
		      .becomes = ANSWERED(5),
		      .why = EDGE53_REPLY_SENT } } },
		{ "only a header",
		  { { .query = ip4(CLIENT, FRONTEND,
				   udp(40000, 53, header_only(dns(9, 0, 1, 0, "")))),
		      .becomes = forwarded(ip4(EDGE, BACKEND,
					       udp(port_of(0), BACKEND_UDP,
						   header_only(dns(id_of(0), 0, 1, 0, ""))))),
		      .why = EDGE53_QUERY_SENT } } },
		{ "TTL 2 is enough",
		  { { .query = ttl(2, QUERY(5)),
		      .becomes = ttl(1, SENT(0, dns_query)),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = ttl(2, ANSWER(0)),
		      .becomes = ttl(1, ANSWERED(5)),
		      .why = EDGE53_REPLY_SENT } } },
	};

	return RUN(path, cases);
}

/* --- checksums -------------------------------------------------------------------------------- */

/* The tail that makes the UDP checksum of this packet come out as zero, which is sent as 0xffff. */
static unsigned tail_for_zero(unsigned id, const char *src, const char *dst, unsigned sport,
			      unsigned dport)
{
	struct frame frame;

	make_frame(ip4(src, dst, udp(sport, dport, with_tail(0, dns_query(id, "even.example")))),
		   &frame);
	return frame.bytes[26] << 8 | frame.bytes[27];
}

static struct layer_of *tailed(unsigned id, unsigned tail)
{
	return with_tail(tail, dns_query(id, "even.example"));
}

static int checksums(const struct path *path)
{
	unsigned out = tail_for_zero(id_of(0), EDGE, BACKEND, port_of(0), BACKEND_UDP);
	unsigned in = tail_for_zero(5, CLIENT, FRONTEND, 40000, 53);
	const struct test_case cases[] = {
		{ "no checksum stays none",
		  { { .query = ip4(CLIENT, FRONTEND,
				   zero_checksum(udp(40000, 53, dns_query(5, NAME)))),
		      .becomes = forwarded(ip4(EDGE, BACKEND,
					       zero_checksum(udp(port_of(0), BACKEND_UDP,
								 dns_query(id_of(0), NAME))))),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = ip4(BACKEND, EDGE,
				   zero_checksum(udp(BACKEND_UDP, port_of(0),
						     dns_reply(id_of(0), NAME)))),
		      .becomes = forwarded(ip4(FRONTEND, CLIENT,
					       zero_checksum(udp(53, 40000, dns_reply(5, NAME))))),
		      .why = EDGE53_REPLY_SENT } } },
		{ "a checksum that comes out as 0 is sent as 0xffff",
		  { { .query = ip4(CLIENT, FRONTEND, udp(40000, 53, tailed(5, out))),
		      .becomes = forwarded(ip4(
			      EDGE, BACKEND, udp(port_of(0), BACKEND_UDP, tailed(id_of(0), out)))),
		      .why = EDGE53_QUERY_SENT } } },
		{ "a checksum of 0xffff is a checksum",
		  { { .query = ip4(CLIENT, FRONTEND, udp(40000, 53, tailed(5, in))),
		      .becomes = forwarded(ip4(EDGE, BACKEND,
					       udp(port_of(0), BACKEND_UDP, tailed(id_of(0), in)))),
		      .why = EDGE53_QUERY_SENT } } },
		{ "a wrong checksum stays wrong",
		  { { .query = ip4(CLIENT, FRONTEND,
				   bad_checksum(udp(40000, 53, dns_query(5, NAME)))),
		      .becomes = forwarded(ip4(EDGE, BACKEND,
					       bad_checksum(udp(port_of(0), BACKEND_UDP,
								dns_query(id_of(0), NAME))))),
		      .why = EDGE53_QUERY_SENT } } },
		{ "XDP leaves a query with a partial checksum to tc, counted",
		  { { .query = ip4(CLIENT, FRONTEND,
				   partial_checksum(udp(40000, 53, dns_query(5, NAME)))),
		      .why = EDGE53_HANDED_TO_TC } },
		  .paths = XDP },
		{ "XDP leaves a reply with a partial checksum to tc, which still finds the query",
		  { ASK(0, 5),
		    { .reply = ip4(BACKEND, EDGE,
				   partial_checksum(udp(BACKEND_UDP, port_of(0),
							dns_reply(id_of(0), NAME)))),
		      .why = EDGE53_HANDED_TO_TC },
		    ANSWER_IT(0, 5) },
		  .paths = XDP },
	};

	return RUN(path, cases);
}

/* --- what is refused -------------------------------------------------------------------------- */

#define MESSAGE(flags, questions, additionals) \
	ip4(CLIENT, FRONTEND, udp(40000, 53, dns(5, flags, questions, additionals, NAME)))
#define MESSAGE_SENT(flags, questions, additionals)                             \
	forwarded(ip4(EDGE, BACKEND, udp(port_of(0), BACKEND_UDP,                \
					 dns(id_of(0), flags, questions, additionals, NAME))))
#define PASSES_ON(flags, questions, additionals)                                         \
	{ { .query = MESSAGE(flags, questions, additionals),                              \
	    .becomes = MESSAGE_SENT(flags, questions, additionals), .why = EDGE53_QUERY_SENT } }
#define REFUSED(packet, reason) { { .query = packet, .why = reason } }

static int refused_queries(const struct path *path)
{
	const struct test_case cases[] = {
		{ "a payload of 11 bytes is no DNS message",
		  REFUSED(ip4(CLIENT, FRONTEND, udp(40000, 53, text("11 bytes..."))),
			  EDGE53_SHORT_DNS) },
		{ "an empty payload",
		  REFUSED(ip4(CLIENT, FRONTEND, udp(40000, 53, nothing())), EDGE53_SHORT_DNS) },
		{ "UDP length beyond the IP packet",
		  REFUSED(ip4(CLIENT, FRONTEND,
			      length_off_by(1, udp(40000, 53, dns_query(5, NAME)))),
			  EDGE53_BAD_LENGTH) },
		{ "UDP length beyond the IP packet but within the padding",
		  REFUSED(padded(8, ip4(CLIENT, FRONTEND,
					length_off_by(1, udp(40000, 53, dns_query(5, NAME))))),
			  EDGE53_BAD_LENGTH) },
		{ "UDP length shorter than a UDP header",
		  REFUSED(ip4(CLIENT, FRONTEND,
			      length_off_by(-30, udp(40000, 53, dns_query(5, NAME)))),
			  EDGE53_BAD_LENGTH) },
		{ "IP length beyond the frame",
		  REFUSED(length_off_by(1, QUERY(5)), EDGE53_BAD_LENGTH) },
		{ "a frame cut behind the ports",
		  REFUSED(cut_to(24, QUERY(5)), EDGE53_BAD_LENGTH) },
		{ "a frame cut in the DNS header",
		  REFUSED(cut_to(34, QUERY(5)), EDGE53_BAD_LENGTH) },
		{ "a frame cut in the question", REFUSED(cut_to(50, QUERY(5)), EDGE53_BAD_LENGTH) },
		{ "an IP length that ends in the UDP header",
		  REFUSED(length_off_by(-33, QUERY(5)), EDGE53_BAD_LENGTH) },
		{ "a reply sent to the server",
		  REFUSED(MESSAGE(0x8180, 1, 0), EDGE53_NOT_A_QUERY) },
		{ "a NOTIFY response", REFUSED(MESSAGE(0xa000, 1, 0), EDGE53_NOT_A_QUERY) },
		{ "two questions", REFUSED(MESSAGE(0x0100, 2, 0), EDGE53_BAD_COUNTS) },
		{ "no question at all", REFUSED(MESSAGE(0x0100, 0, 0), EDGE53_BAD_COUNTS) },
		{ "opcode 3, which was never given", REFUSED(MESSAGE(0x1800, 1, 0), EDGE53_BAD_OPCODE) },
		{ "opcode 7", REFUSED(MESSAGE(0x3800, 1, 0), EDGE53_BAD_OPCODE) },
		{ "opcode 15", REFUSED(MESSAGE(0x7800, 1, 0), EDGE53_BAD_OPCODE) },
	};

	return RUN(path, cases);
}

#define FROM4(address) ip4(address, FRONTEND, udp(40000, 53, dns_query(5, NAME)))
#define FROM6(address) ip6(address, FRONTEND6, udp(40000, 53, dns_query(5, NAME)))
#define NO_SOURCE(packet) REFUSED(packet, EDGE53_BAD_SOURCE)
#define A_SOURCE4(address)                                                                 \
	{ { .query = FROM4(address),                                                       \
	    .becomes = forwarded(ip4(EDGE, BACKEND, udp(port_of(0), BACKEND_UDP,           \
							 dns_query(id_of(0), NAME)))),     \
	    .why = EDGE53_QUERY_SENT } }
#define A_SOURCE6(address)                                                                 \
	{ { .query = FROM6(address),                                                       \
	    .becomes = forwarded(ip6(EDGE6, BACKEND6, udp(port_of(0), BACKEND_UDP,         \
							   dns_query(id_of(0), NAME)))),   \
	    .why = EDGE53_QUERY_SENT } }

static int sources(const struct path *path)
{
	const struct test_case cases[] = {
		{ "nobody", NO_SOURCE(FROM4("0.0.0.0")) },
		{ "the rest of 0/8", NO_SOURCE(FROM4("0.255.255.255")) },
		{ "the first behind it", A_SOURCE4("1.0.0.0") },
		{ "the last before loopback", A_SOURCE4("126.255.255.255") },
		{ "loopback", NO_SOURCE(FROM4("127.0.0.1")) },
		{ "the last of loopback", NO_SOURCE(FROM4("127.255.255.255")) },
		{ "the first behind it", A_SOURCE4("128.0.0.0") },
		{ "the last before the groups", A_SOURCE4("223.255.255.255") },
		{ "a group", NO_SOURCE(FROM4("224.0.0.1")) },
		{ "the last group", NO_SOURCE(FROM4("239.255.255.255")) },
		{ "class E gets the doubt", A_SOURCE4("240.0.0.0") },
		{ "its last but one", A_SOURCE4("255.255.255.254") },
		{ "everybody", NO_SOURCE(FROM4("255.255.255.255")) },
		{ "who is asked", NO_SOURCE(FROM4(FRONTEND)) },
		{ "port 0", NO_SOURCE(ip4(CLIENT, FRONTEND, udp(0, 53, dns_query(5, NAME)))) },
		{ "port 0, by TCP", NO_SOURCE(ip4(CLIENT, FRONTEND, tcp(0, 53, "S", nothing()))) },
		{ "nobody, by TCP",
		  NO_SOURCE(ip4("0.0.0.0", FRONTEND, tcp(40000, 53, "S", nothing()))) },
		{ "nobody over IPv6", NO_SOURCE(FROM6("::")) },
		{ "loopback over IPv6", NO_SOURCE(FROM6("::1")) },
		{ "the one behind it gets the doubt", A_SOURCE6("::2") },
		{ "a group over IPv6", NO_SOURCE(FROM6("ff02::1")) },
		{ "the last before the groups", A_SOURCE6("feff::1") },
		{ "who is asked over IPv6", NO_SOURCE(FROM6(FRONTEND6)) },
		{ "port 0 over IPv6",
		  NO_SOURCE(ip6(CLIENT6, FRONTEND6, udp(0, 53, dns_query(5, NAME)))) },
	};

	return RUN(path, cases);
}

static void without_backend(void)
{
	world_set_backends(SERVICE_EDGE, NULL, 0);
}

static void without_backend_pass(void)
{
	world_set_backends(SERVICE_EDGE, NULL, 0);
	world_set_flags(SERVICE_EDGE, EDGE53_SERVICE_XDP | EDGE53_SERVICE_DOWN_PASS);
}

static void backend_detached(void)
{
	world_detach_backend(1);
}

static void without_xdp(void)
{
	world_set_flags(SERVICE_EDGE, 0);
}

static int other_fates(const struct path *path)
{
	const struct test_case cases[] = {
		{ "a NOTIFY goes to the backend", PASSES_ON(0x2400, 1, 0) },
		{ "an UPDATE goes to the backend", PASSES_ON(0x2800, 1, 0) },
		{ "an UPDATE with several zones in it too", PASSES_ON(0x2800, 5, 0) },
		{ "a query with EDNS", PASSES_ON(0x0120, 1, 1) },
		{ "a query for a cookie only: no question, but OPT", PASSES_ON(0x0000, 0, 1) },
		{ "no backend: dropped", REFUSED(QUERY(5), EDGE53_NO_BACKEND),
		  .world = without_backend },
		{ "a backend whose device is gone: dropped",
		  { { .query = QUERY(5), .why = EDGE53_NO_BACKEND, .takes_slot = true } },
		  .world = backend_detached },
		{ "no backend, on_down: pass", REFUSED(QUERY(5), EDGE53_NO_BACKEND_PASSED),
		  .world = without_backend_pass },
		{ "a service that XDP cannot serve is left to tc, counted",
		  REFUSED(QUERY(5), EDGE53_HANDED_TO_TC), .paths = XDP, .world = without_xdp },
		{ "a bad query to it is dropped in XDP all the same",
		  REFUSED(MESSAGE(0x8180, 1, 0), EDGE53_NOT_A_QUERY), .paths = XDP,
		  .world = without_xdp },
	};

	return RUN(path, cases);
}

/* The program behind edge_xdp meets only what that has checked; it does not check again. */
/* --- replies that are not let through --------------------------------------------------------- */

static void queries_grow_old(void)
{
	for (unsigned i = 0; i < world_n_slots(); i++)
		world_slots()[i].opened_us -= (UDP_TIMEOUT_S * SECONDS >> 10) + 1000;
}

static void queries_grow_nearly_old(void)
{
	for (unsigned i = 0; i < world_n_slots(); i++)
		world_slots()[i].opened_us -= (UDP_TIMEOUT_S * SECONDS >> 10) - 500000;
}

static void slots_are_being_written(void)
{
	for (unsigned i = 0; i < world_n_slots(); i++)
		world_slots()[i].lap = 0;
}

static void device_goes(void)
{
	world_remove_device(DEV_UPLINK);
}

#define REPLY_OF(from, to, sport, dport, id) \
	ip4(from, to, udp(sport, dport, dns_reply(id, NAME)))

static int strange_replies(const struct path *path)
{
	const struct test_case cases[] = {
		{ "a duplicate passes on, unchanged",
		  { ASK(0, 5),
		    ANSWER_IT(0, 5),
		    { .reply = ANSWER(0), .why = EDGE53_REPLY_DUPLICATE } } },
		{ "a reply after the timeout passes on, unchanged",
		  { ASK(0, 5),
		    { .reply = ANSWER(0),
		      .why = EDGE53_REPLY_EXPIRED,
		      .before = queries_grow_old } } },
		{ "a reply just before the timeout is in time",
		  { ASK(0, 5),
		    { .reply = ANSWER(0),
		      .becomes = ANSWERED(5),
		      .why = EDGE53_REPLY_SENT,
		      .before = queries_grow_nearly_old } } },
		{ "a foreign source address, then the right one",
		  { ASK(0, 5),
		    { .reply = REPLY_OF(STRANGER, EDGE, BACKEND_UDP, port_of(0), id_of(0)),
		      .why = EDGE53_REPLY_FOREIGN,
		      .of_nobody = true },
		    ANSWER_IT(0, 5) } },
		{ "another backend than the one asked",
		  { ASK(0, 5),
		    { .reply = REPLY_OF(BACKEND_2, EDGE, BACKEND_UDP, port_of(0), id_of(0)),
		      .why = EDGE53_REPLY_FOREIGN,
		      .of_nobody = true } } },
		{ "a foreign source port",
		  { ASK(0, 5),
		    { .reply = REPLY_OF(BACKEND, EDGE, BACKEND_UDP + 1, port_of(0), id_of(0)),
		      .why = EDGE53_REPLY_FOREIGN,
		      .of_nobody = true } } },
		{ "an address of the edge that did not ask",
		  { ASK(0, 5),
		    { .reply = REPLY_OF(BACKEND, FRONTEND, BACKEND_UDP, port_of(0), id_of(0)),
		      .why = EDGE53_REPLY_FOREIGN,
		      .of_nobody = true } } },
		{ "the wrong device",
		  { ASK(0, 5),
		    { .reply = ANSWER(0), .why = EDGE53_REPLY_FOREIGN, .device = DEV_OTHER },
		    ANSWER_IT(0, 5) } },
		{ "a query from the backend to the port of a query",
		  { ASK(0, 5),
		    { .reply = ip4(BACKEND, EDGE,
				   udp(BACKEND_UDP, port_of(0), dns_query(id_of(0), NAME))),
		      .why = EDGE53_REPLY_FOREIGN },
		    ANSWER_IT(0, 5) } },
		{ "a later fragment has no ports",
		  { ASK(0, 5), { .reply = later_fragment(ANSWER(0)), .why = EDGE53_NOT_OURS } } },
		{ "a reply too short for DNS",
		  { ASK(0, 5),
		    { .reply = ip4(BACKEND, EDGE, udp(BACKEND_UDP, port_of(0), text("short"))),
		      .why = EDGE53_REPLY_UNKNOWN } } },
		{ "a reply cut short",
		  { ASK(0, 5), { .reply = cut_to(45, ANSWER(0)), .why = EDGE53_REPLY_UNKNOWN } } },
		{ "a reply before any query",
		  { { .reply = ANSWER(0), .why = EDGE53_REPLY_UNKNOWN } } },
		{ "a reply while its slot is written anew",
		  { ASK(0, 5),
		    { .reply = ANSWER(0),
		      .why = EDGE53_REPLY_UNKNOWN,
		      .before = slots_are_being_written } } },
		{ "a port just outside of ours",
		  { ASK(0, 5),
		    { .reply = REPLY_OF(BACKEND, EDGE, BACKEND_UDP, PORT_BASE - 1, id_of(0)),
		      .why = EDGE53_NOT_OURS },
		    { .reply = REPLY_OF(BACKEND, EDGE, BACKEND_UDP, PORT_BASE + (1 << PORT_BITS),
					id_of(0)),
		      .why = EDGE53_NOT_OURS } } },
		{ "the client's device is gone",
		  { ASK(0, 5),
		    { .reply = ANSWER(0),
		      .why = EDGE53_CLIENT_DEVICE_GONE,
		      .before = device_goes } } },
	};

	return RUN(path, cases);
}

/* --- the neighbour, the backend --------------------------------------------------------------- */

static int neighbours(const struct path *path)
{
	bool is_xdp = path->bit == XDP;
	struct layer_of *sent = SENT(0, dns_query);
	const struct test_case cases[] = {
		{ "the reply goes to the router the query came from",
		  { { .query = eth(uplink_mac, router_mac, QUERY(5)),
		      .becomes = is_xdp ? sent : eth(uplink_mac, router_mac, sent),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = ANSWER(0), .becomes = eth(router_mac, uplink_mac, ANSWERED(5)),
		      .why = EDGE53_REPLY_SENT } } },
	};

	return RUN(path, cases);
}

static int rcodes(const struct path *path)
{
#define REPLY(rcode)                                                                        \
	{                                                                                   \
		ASK(0, 5),                                                                  \
		{                                                                           \
			.reply = ip4(BACKEND, EDGE,                                         \
				     udp(BACKEND_UDP, port_of(0),                           \
					 dns(id_of(0), 0x8000 | (rcode), 1, 0, NAME))),     \
			.becomes = forwarded(                                               \
				ip4(FRONTEND, CLIENT,                                       \
				    udp(53, 40000, dns(5, 0x8000 | (rcode), 1, 0, NAME)))), \
			.why = EDGE53_REPLY_SENT                                            \
		}                                                                           \
	}
	const struct test_case cases[] = {
		{ "SERVFAIL is counted", REPLY(2) },   { "NXDOMAIN is counted", REPLY(3) },
		{ "REFUSED is counted", REPLY(5) },    { "any other RCODE is counted", REPLY(9) },
		{ "a truncated reply is counted", REPLY(0x200) },
	};
#undef REPLY
	return RUN(path, cases);
}

/* --- not ours --------------------------------------------------------------------------------- */

#define LEFT_ALONE(packet) { { .query = packet, .why = EDGE53_NOT_OURS } }

static int not_ours(const struct path *path)
{
	const struct test_case cases[] = {
		{ "a query to another address",
		  LEFT_ALONE(ip4(CLIENT, STRANGER, udp(40000, 53, dns_query(5, NAME)))) },
		{ "a query on another device",
		  { { .query = QUERY(5), .why = EDGE53_NOT_OURS, .device = DEV_OTHER } } },
		{ "another port of the frontend",
		  LEFT_ALONE(ip4(CLIENT, FRONTEND, udp(40000, 54, dns_query(5, NAME)))) },
		{ "DNS over TLS to the frontend",
		  LEFT_ALONE(ip4(CLIENT, FRONTEND, tcp(40000, 853, "S", nothing()))) },
		{ "from port 53",
		  LEFT_ALONE(ip4(CLIENT, FRONTEND, udp(53, 123, text("a time please")))) },
		{ "bad lengths, but not to us",
		  LEFT_ALONE(ip4(CLIENT, STRANGER, length_off_by(9, udp(1, 53, nothing())))) },
		{ "ICMP", LEFT_ALONE(ip4(CLIENT, FRONTEND, icmp_echo())) },
		{ "a later fragment", LEFT_ALONE(later_fragment(QUERY(5))) },
		{ "a frame cut in the ports", LEFT_ALONE(cut_to(23, QUERY(5))) },
		{ "a frame cut in the IP options", LEFT_ALONE(cut_to(24, options(4, QUERY(5)))) },
		{ "an IP header of 16 bytes", LEFT_ALONE(ihl(4, QUERY(5))) },
		{ "an IP header that says it is longer than the packet",
		  LEFT_ALONE(cut_to(30, ihl(15, QUERY(5)))) },
		{ "an IP length shorter than the IP header",
		  LEFT_ALONE(length_off_by(-50, QUERY(5))) },
		{ "IP version 5", LEFT_ALONE(version(5, QUERY(5))) },
	};

	return RUN(path, cases);
}

static int not_ours_on_ethernet(const struct path *path)
{
	const struct test_case cases[] = {
		{ "a query in a frame for another host",
		  LEFT_ALONE(eth(router_mac, client_mac, QUERY(5))) },
		{ "a query to everybody on the wire",
		  LEFT_ALONE(eth((const unsigned char *)"\377\377\377\377\377\377", client_mac,
				 QUERY(5))) },
		{ "a query in a VLAN", LEFT_ALONE(vlan(uplink_mac, client_mac, QUERY(5))) },
		{ "ARP", LEFT_ALONE(eth(uplink_mac, client_mac, arp())) },
		{ "an EtherType nobody knows",
		  LEFT_ALONE(eth(uplink_mac, client_mac, text("hello"))) },
		{ "IPv6 to port 53", LEFT_ALONE(eth(uplink_mac, client_mac,
						    ip6("2001:db8::1", "2001:db8::53",
							udp(40000, 53, dns_query(5, NAME))))) },
		{ "a frame that ends in the IP header", LEFT_ALONE(cut_to(19, QUERY(5))) },
		{ "nothing but an Ethernet header",
		  LEFT_ALONE(eth(uplink_mac, client_mac, nothing())) },
	};

	return RUN(path, cases);
}

const struct table edge_udp_tables[] = {
	{ "UDP, there and back", there_and_back, EDGE_PATHS },
	{ "UDP checksums", checksums, EDGE_PATHS },
	{ "UDP, refused queries", refused_queries, EDGE_PATHS },
	{ "UDP, sources", sources, ETHERNET_UPLINK },
	{ "UDP, other fates", other_fates, EDGE_PATHS },
	{ "UDP, strange replies", strange_replies, EDGE_PATHS },
	{ "UDP, reply to the neighbour", neighbours, ETHERNET_UPLINK },
	{ "UDP, counting RCODEs", rcodes, EDGE_PATHS },
	{ "not ours", not_ours, EDGE_PATHS },
	{ "not ours, on Ethernet", not_ours_on_ethernet, ETHERNET_UPLINK },
	{},
};
