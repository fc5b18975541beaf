// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PROXY header over UDP (docs/packets.md, "The PROXY protocol header"): its bytes, the lengths
 * and checksums around it, which queries are too long for it, that nobody else can supply one, and
 * what tells of a backend that does not read it. More of what is answered to queries that are too
 * long is in test_answers.c.
 */
#include <stdio.h>

#include "cases.h"

#define NAME "example.com"
#define QUERY(payload) udp(40000, 53, payload)
#define SENT(payload) udp(port_of(0), BACKEND_UDP, payload)
#define ASKS4(l4) ip4(CLIENT, FRONTEND, l4)
#define ASKS6(l4) ip6(CLIENT6, FRONTEND6, l4)
#define SENDS4(l4) forwarded(ip4(EDGE, BACKEND, l4))
#define SENDS6(l4) forwarded(ip6(EDGE6, BACKEND6, l4))
#define OF4(payload) proxied(0x12, CLIENT, 40000, FRONTEND, payload)
#define OF6(payload) proxied(0x22, CLIENT6, 40000, FRONTEND6, payload)
/* One question, as the client sends it and as the backend gets it. */
#define ASKED dns_query(7, NAME)
#define PASSED dns_query(id_of(0), NAME)

#define BECOMES(before, after)                                                                     \
	{                                                                                          \
		{                                                                                  \
			.query = before, .becomes = after, .why = EDGE53_QUERY_SENT                \
		}                                                                                  \
	}
#define BECOMES_BY_TC(before, after)                                                               \
	{                                                                                          \
		{                                                                                  \
			.query = before, .becomes = after, .why = EDGE53_QUERY_SENT, .by_tc = true \
		}                                                                                  \
	}
#define BECOMES_WITHOUT_PADDING(before, after)                                                     \
	{                                                                                          \
		{                                                                                  \
			.query = before, .becomes = after, .why = EDGE53_QUERY_SENT,               \
			.cuts_padding = true                                                       \
		}                                                                                  \
	}

#define PATHS_OF_TC (TC_L2 | TC_L2_CHECKED | TC_L2_L3 | TC_L3 | TC_L3_L2)

static void proxy_udp(void)
{
	world_set_flags(SERVICE_EDGE, EDGE53_SERVICE_XDP | EDGE53_SERVICE_PROXY_UDP);
}

static void proxy_tcp_only(void)
{
	world_set_flags(SERVICE_EDGE, EDGE53_SERVICE_XDP | EDGE53_SERVICE_PROXY_TCP);
}

static void proxy_udp_to(unsigned backend)
{
	proxy_udp();
	world_set_backends(SERVICE_EDGE, (const __u8[]){ backend }, 1);
}

static void to_ipv4(void)
{
	proxy_udp_to(ID_BACKEND);
}

static void to_ipv6(void)
{
	proxy_udp_to(ID_BACKEND6);
}

/* --- the header -------------------------------------------------------------------------------- */

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
/* 8.0.2.17 asks 198.51.100.53; 2001:db8:86dd:2::17 asks 2001:db8:53::53; from port 40000. */
#define ADDRESSES4 "\10\0\2\21\306\63\144\65\234\100\0\65"
#define ADDRESSES6                                                                                 \
	"\40\1\15\270\206\335\0\2\0\0\0\0\0\0\0\27"                                                \
	"\40\1\15\270\0\123\0\0\0\0\0\0\0\0\0\123\234\100\0\65"

static struct layer_of *behind(const char *bytes, unsigned len, struct layer_of *payload)
{
	return option((const char *)payload->data, payload->data_len,
		      option(bytes, len, nothing()));
}

static int headers(const struct path *path)
{
	static const char header4[] = SIGNATURE "\x21\x12\0\x0c" ADDRESSES4;
	static const char header6[] = SIGNATURE "\x21\x22\0\x24" ADDRESSES6;
	const struct test_case cases[] = {
		{ "28 bytes over IPv4",
		  BECOMES(ASKS4(QUERY(ASKED)), SENDS4(SENT(behind(header4, 28, PASSED)))) },
		{ "52 bytes over IPv6",
		  BECOMES(ASKS6(QUERY(ASKED)), SENDS6(SENT(behind(header6, 52, PASSED)))) },
		{ "of the client's family, whatever the backend's is",
		  BECOMES(ASKS4(QUERY(ASKED)), SENDS6(SENT(behind(header4, 28, PASSED)))),
		  .world = to_ipv6 },
		{ "of the client's family, to an IPv4 backend",
		  BECOMES(ASKS6(QUERY(ASKED)), any_id(SENDS4(SENT(behind(header6, 52, PASSED))))),
		  .world = to_ipv4 },
		{ "a reply has none, and the next query one again",
		  { { .query = ASKS4(QUERY(ASKED)),
		      .becomes = SENDS4(SENT(OF4(PASSED))),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = ip4(BACKEND, EDGE,
				   udp(BACKEND_UDP, port_of(0), dns_reply(id_of(0), NAME))),
		      .becomes =
			      forwarded(ip4(FRONTEND, CLIENT, udp(53, 40000, dns_reply(7, NAME)))),
		      .why = EDGE53_REPLY_SENT },
		    { .query = ip4(CLIENT_2, FRONTEND, udp(999, 53, ASKED)),
		      .becomes = SENDS4(udp(port_of(1), BACKEND_UDP,
					    proxied(0x12, CLIENT_2, 999, FRONTEND,
						    dns_query(id_of(1), NAME)))),
		      .why = EDGE53_QUERY_SENT } } },
		{ "a header of DNS alone", BECOMES(ASKS4(QUERY(header_only(ASKED))),
						   SENDS4(SENT(OF4(header_only(PASSED))))) },
		{ "a message of another opcode",
		  BECOMES(ASKS4(QUERY(dns(7, 0x2800, 3, 9, NAME))),
			  SENDS4(SENT(OF4(dns(id_of(0), 0x2800, 3, 9, NAME))))) },
		{ "behind IP options, which stay",
		  BECOMES_BY_TC(options(3, ASKS4(QUERY(ASKED))),
				options(3, SENDS4(SENT(OF4(PASSED))))) },
		{ "behind IP options, which go between the families",
		  BECOMES_BY_TC(options(3, ASKS4(QUERY(ASKED))), SENDS6(SENT(OF4(PASSED)))),
		  .paths = ETHERNET_UPLINK, .world = to_ipv6 },
		{ "behind extension headers, which stay",
		  BECOMES_BY_TC(ip6(CLIENT6, FRONTEND6, ip6_ext(60, QUERY(ASKED))),
				forwarded(ip6(EDGE6, BACKEND6, ip6_ext(60, SENT(OF6(PASSED)))))) },
		{ "TOS and DF stay", BECOMES(tos(0xb8, dont_fragment(ASKS4(QUERY(ASKED)))),
					     tos(0xb8, dont_fragment(SENDS4(SENT(OF4(PASSED)))))) },
		{ "what is behind UDP, but within IP, stays there",
		  BECOMES(ASKS4(length_off_by(-3, QUERY(ASKED))),
			  SENDS4(length_off_by(-3, SENT(OF4(PASSED))))) },
		{ "padding of a short frame is not taken for a part of it",
		  BECOMES_WITHOUT_PADDING(padded(6, ASKS4(QUERY(header_only(ASKED)))),
					  SENDS4(SENT(OF4(header_only(PASSED))))) },
		{ "padding over IPv6", BECOMES_WITHOUT_PADDING(padded(1, ASKS6(QUERY(ASKED))),
							       SENDS6(SENT(OF6(PASSED)))) },
		{ "more padding than the header is long",
		  BECOMES_WITHOUT_PADDING(padded(200, ASKS4(QUERY(ASKED))),
					  SENDS4(SENT(OF4(PASSED)))) },
		{ "with a priority beside the bytes",
		  { { .query = ASKS4(QUERY(ASKED)),
		      .becomes = SENDS4(SENT(OF4(PASSED))),
		      .why = EDGE53_QUERY_SENT,
		      .has_vlan = true,
		      .vlan_tci = 0xe000 } },
		  .paths = TC_L2 | TC_L2_CHECKED | TC_L2_L3 },
	};
	int failed = 0;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct test_case one = cases[i];

		one.world = one.world ?: proxy_udp;
		failed += run_cases(path, &one, 1);
	}
	return failed;
}

static int none(const struct path *path)
{
	const struct test_case cases[] = {
		{ "on a service without the option",
		  BECOMES(ASKS4(QUERY(ASKED)), SENDS4(SENT(PASSED))) },
		{ "on a service with the option for TCP",
		  BECOMES(ASKS4(QUERY(ASKED)), SENDS4(SENT(PASSED))), .world = proxy_tcp_only },
		{ "over IPv6 with the option for TCP",
		  BECOMES(ASKS6(QUERY(ASKED)), SENDS6(SENT(PASSED))), .world = proxy_tcp_only },
	};

	return RUN(path, cases);
}

/* --- checksums --------------------------------------------------------------------------------- */

/* The tail that makes a UDP checksum come out as zero, which is sent as 0xffff. l4_off: of UDP. */
static unsigned tail_for_zero(struct layer_of *packet, unsigned l4_off)
{
	struct frame frame;

	make_frame(packet, &frame);
	return frame.bytes[l4_off + 6] << 8 | frame.bytes[l4_off + 7];
}

#define EVEN(id, tail) with_tail(tail, dns_query(id, "even.example"))

static int checksums(const struct path *path)
{
	unsigned zero4 = tail_for_zero(SENDS4(SENT(OF4(EVEN(id_of(0), 0)))), 20);
	unsigned zero6 = tail_for_zero(SENDS6(SENT(OF6(EVEN(id_of(0), 0)))), 40);
	unsigned in4 = tail_for_zero(ASKS4(QUERY(EVEN(7, 0))), 20);
	const struct test_case cases[] = {
		{ "none stays none",
		  BECOMES(ASKS4(zero_checksum(QUERY(ASKED))),
			  SENDS4(zero_checksum(SENT(OF4(PASSED))))),
		  .world = proxy_udp },
		{ "none becomes one towards IPv6",
		  BECOMES_BY_TC(ASKS4(zero_checksum(QUERY(ASKED))), SENDS6(SENT(OF4(PASSED)))),
		  .world = to_ipv6 },
		{ "a wrong one stays wrong",
		  BECOMES(ASKS4(bad_checksum(QUERY(ASKED))),
			  SENDS4(bad_checksum(SENT(OF4(PASSED))))),
		  .world = proxy_udp },
		{ "a wrong one over IPv6 stays wrong",
		  BECOMES(ASKS6(bad_checksum(QUERY(ASKED))),
			  SENDS6(bad_checksum(SENT(OF6(PASSED))))),
		  .world = proxy_udp },
		{ "a wrong one stays wrong towards IPv6",
		  BECOMES(ASKS4(bad_checksum(QUERY(ASKED))),
			  SENDS6(bad_checksum(SENT(OF4(PASSED))))),
		  .world = to_ipv6 },
		{ "a wrong one stays wrong towards IPv4",
		  BECOMES(ASKS6(bad_checksum(QUERY(ASKED))),
			  any_id(SENDS4(bad_checksum(SENT(OF6(PASSED)))))),
		  .world = to_ipv4 },
		{ "one that comes out as 0 is sent as 0xffff",
		  BECOMES(ASKS4(QUERY(EVEN(7, zero4))), SENDS4(SENT(OF4(EVEN(id_of(0), zero4))))),
		  .world = proxy_udp },
		{ "one that comes out as 0 over IPv6",
		  BECOMES(ASKS6(QUERY(EVEN(7, zero6))), SENDS6(SENT(OF6(EVEN(id_of(0), zero6))))),
		  .world = proxy_udp },
		{ "0xffff is a checksum",
		  BECOMES(ASKS4(QUERY(EVEN(7, in4))), SENDS4(SENT(OF4(EVEN(id_of(0), in4))))),
		  .world = proxy_udp },
		{ "a wrong one of the IPv4 header stays wrong",
		  BECOMES(bad_checksum(ASKS4(QUERY(ASKED))),
			  bad_checksum(SENDS4(SENT(OF4(PASSED))))),
		  .world = proxy_udp },
		{ "a partial one is for tc",
		  { { .query = ASKS4(partial_checksum(QUERY(ASKED))),
		      .why = EDGE53_HANDED_TO_TC } },
		  .paths = XDP,
		  .world = proxy_udp },
		{ "and over IPv6",
		  { { .query = ASKS6(partial_checksum(QUERY(ASKED))),
		      .why = EDGE53_HANDED_TO_TC } },
		  .paths = XDP,
		  .world = proxy_udp },
	};

	return RUN(path, cases);
}

/* --- every length ------------------------------------------------------------------------------ */

static void proxy_udp_1500(void)
{
	proxy_udp();
	world_set_query_mtu(1500);
	world_set_backend_mtu(ID_BACKEND, 1500);
	world_set_backend_mtu(ID_BACKEND6, 1500);
}

#define LONG(payload_len, message) longer(payload_len - 12, header_only(message))

static int of_length(const struct path *path, unsigned len)
{
	const struct test_case cases[] = {
		{ "over IPv4",
		  BECOMES(ASKS4(QUERY(LONG(len, ASKED))), SENDS4(SENT(OF4(LONG(len, PASSED))))),
		  .world = proxy_udp_1500 },
		{ "over IPv6",
		  BECOMES(ASKS6(QUERY(LONG(len, ASKED))), SENDS6(SENT(OF6(LONG(len, PASSED))))),
		  .world = proxy_udp_1500 },
	};
	int failed = RUN(path, cases);

	if (failed)
		printf("    %s: a payload of %u bytes\n", path->name, len);
	frames_reset();
	return failed;
}

/* What is moved is moved in pieces. */
static int lengths(const struct path *path)
{
	static const unsigned some[] = { 190, 191, 192, 193, 255,  256,	 257,  319,  320,  321, 511,
					 512, 513, 639, 640, 1023, 1024, 1025, 1343, 1344, 1400 };
	int failed = 0;

	for (unsigned len = 12; len < 12 + often(130) && !failed; len++)
		failed += of_length(path, len);
	for (unsigned i = 0; i < sizeof(some) / sizeof(*some); i++)
		failed += of_length(path, some[i]);
	return failed;
}

/* --- too long ---------------------------------------------------------------------------------- */

static void mtu(unsigned bytes, unsigned xdp)
{
	world_set_backend_mtu(ID_BACKEND, bytes);
	world_set_backend_mtu(ID_BACKEND6, bytes);
	world_set_query_mtu(xdp);
}

/* A payload of 1,300 bytes in IPv4 is 1,356 with its header, and in IPv6 1,400. */
#define MTU(bytes, backends)                                                                       \
	static void mtu_##bytes##_##backends(void)                                                 \
	{                                                                                          \
		backends();                                                                        \
		mtu(bytes, bytes);                                                                 \
	}
MTU(1355, proxy_udp)
MTU(1356, proxy_udp)
MTU(1399, proxy_udp)
MTU(1400, proxy_udp)
MTU(1379, to_ipv4)
MTU(1380, to_ipv4)

/* IPv6 is 20 bytes longer, and XDP is told of what is safe. */
static void mtu_1375_to_ipv6(void)
{
	to_ipv6();
	mtu(1375, 1355);
}

static void mtu_1376_to_ipv6(void)
{
	to_ipv6();
	mtu(1376, 1356);
}

static void cautious_xdp(void)
{
	proxy_udp();
	mtu(1500, 1355);
}

#define CUT_OFF(packet, answer)                                                                    \
	{                                                                                          \
		{                                                                                  \
			.query = packet, .why = EDGE53_TRUNCATED, .told = answer, .by_tc = true    \
		}                                                                                  \
	}
#define ANSWER4 any_id(ip4(FRONTEND, CLIENT, udp(53, 40000, dns_reply_tc())))
#define ANSWER6 ip6(FRONTEND6, CLIENT6, udp(53, 40000, dns_reply_tc()))

static struct layer_of *dns_reply_tc(void)
{
	return dns(7, 0x8300, 1, 0, NAME);
}

/* A message that long with its question as it was. */
static struct layer_of *question_of(unsigned payload_len, struct layer_of *message)
{
	return longer(payload_len - message->data_len, message);
}

#define LONG_QUESTION4 ASKS4(QUERY(question_of(1300, ASKED)))
#define LONG_QUESTION6 ASKS6(QUERY(question_of(1300, ASKED)))
#define LONG_SENT4 SENT(OF4(question_of(1300, PASSED)))
#define LONG_SENT6 SENT(OF6(question_of(1300, PASSED)))

static int beyond_mtu(const struct path *path)
{
	const struct test_case cases[] = {
		{ "one byte too many", CUT_OFF(LONG_QUESTION4, ANSWER4),
		  .world = mtu_1355_proxy_udp },
		{ "one byte too many, with DF", CUT_OFF(dont_fragment(LONG_QUESTION4), ANSWER4),
		  .world = mtu_1355_proxy_udp },
		{ "it just fits", BECOMES(LONG_QUESTION4, SENDS4(LONG_SENT4)),
		  .world = mtu_1356_proxy_udp },
		{ "it just fits, with DF",
		  BECOMES(dont_fragment(LONG_QUESTION4), dont_fragment(SENDS4(LONG_SENT4))),
		  .world = mtu_1356_proxy_udp },
		{ "it fits, but XDP cannot tell", BECOMES_BY_TC(LONG_QUESTION4, SENDS4(LONG_SENT4)),
		  .world = cautious_xdp },
		{ "one byte too many over IPv6", CUT_OFF(LONG_QUESTION6, ANSWER6),
		  .world = mtu_1399_proxy_udp },
		{ "it just fits over IPv6", BECOMES(LONG_QUESTION6, SENDS6(LONG_SENT6)),
		  .world = mtu_1400_proxy_udp },
		{ "one byte too many in IPv6 of an IPv4 query", CUT_OFF(LONG_QUESTION4, ANSWER4),
		  .world = mtu_1375_to_ipv6 },
		{ "it just fits in IPv6 of an IPv4 query",
		  BECOMES(LONG_QUESTION4, SENDS6(LONG_SENT4)), .world = mtu_1376_to_ipv6 },
		{ "one byte too many in IPv4 of an IPv6 query", CUT_OFF(LONG_QUESTION6, ANSWER6),
		  .world = mtu_1379_to_ipv4 },
		{ "it just fits in IPv4 of an IPv6 query, longer than what may be fragmented",
		  BECOMES_BY_TC(LONG_QUESTION6, dont_fragment(ip_id(0, SENDS4(LONG_SENT6)))),
		  .world = mtu_1380_to_ipv4 },
		{ "IP options count",
		  CUT_OFF(options(1, ASKS4(QUERY(question_of(1297, ASKED)))), ANSWER4),
		  .paths = ETHERNET_UPLINK, .world = mtu_1356_proxy_udp },
		{ "a TTL that is used up comes first",
		  { { .query = ttl(1, LONG_QUESTION4),
		      .why = EDGE53_TTL_EXPIRED,
		      .by_tc = true,
		      .told = any_id(ip4(FRONTEND, CLIENT,
					 icmp(11, 0, 0, quoting(548, ttl(1, LONG_QUESTION4))))) } },
		  .paths = ETHERNET_UPLINK,
		  .world = mtu_1355_proxy_udp },
		{ "a wrong IPv4 header checksum comes after it",
		  CUT_OFF(bad_checksum(LONG_QUESTION4), ANSWER4), .world = mtu_1375_to_ipv6 },
	};

	return RUN(path, cases);
}

static void max_512(void)
{
	proxy_udp();
	world_set_max_udp_payload(512);
}

static void max_512_to_ipv4(void)
{
	to_ipv4();
	world_set_max_udp_payload(512);
}

static void max_512_to_ipv6(void)
{
	to_ipv6();
	world_set_max_udp_payload(512);
}

static void max_512_of_tcp(void)
{
	proxy_tcp_only();
	world_set_max_udp_payload(512);
}

static int beyond_backend(const struct path *path)
{
	const struct test_case cases[] = {
		{ "512 bytes with the header",
		  BECOMES(ASKS4(QUERY(question_of(484, ASKED))),
			  SENDS4(SENT(OF4(question_of(484, PASSED))))),
		  .world = max_512 },
		{ "513", CUT_OFF(ASKS4(QUERY(question_of(485, ASKED))), ANSWER4),
		  .world = max_512 },
		{ "512 over IPv6",
		  BECOMES(ASKS6(QUERY(question_of(460, ASKED))),
			  SENDS6(SENT(OF6(question_of(460, PASSED))))),
		  .world = max_512 },
		{ "513 over IPv6", CUT_OFF(ASKS6(QUERY(question_of(461, ASKED))), ANSWER6),
		  .world = max_512 },
		{ "512 from IPv4 to IPv6",
		  BECOMES(ASKS4(QUERY(question_of(484, ASKED))),
			  SENDS6(SENT(OF4(question_of(484, PASSED))))),
		  .world = max_512_to_ipv6 },
		{ "513 from IPv4 to IPv6", CUT_OFF(ASKS4(QUERY(question_of(485, ASKED))), ANSWER4),
		  .world = max_512_to_ipv6 },
		{ "512 from IPv6 to IPv4",
		  BECOMES(ASKS6(QUERY(question_of(460, ASKED))),
			  any_id(SENDS4(SENT(OF6(question_of(460, PASSED)))))),
		  .world = max_512_to_ipv4 },
		{ "513 from IPv6 to IPv4", CUT_OFF(ASKS6(QUERY(question_of(461, ASKED))), ANSWER6),
		  .world = max_512_to_ipv4 },
		{ "what is behind UDP, but within IP, does not count",
		  BECOMES(ASKS4(length_off_by(-1, QUERY(question_of(485, ASKED)))),
			  SENDS4(length_off_by(-1, SENT(OF4(question_of(485, PASSED)))))),
		  .world = max_512 },
		{ "any length, where nothing is said",
		  BECOMES(ASKS4(QUERY(question_of(485, ASKED))),
			  SENDS4(SENT(OF4(question_of(485, PASSED))))),
		  .world = proxy_udp },
		{ "without a header nobody asks",
		  BECOMES(ASKS4(QUERY(question_of(600, ASKED))),
			  SENDS4(SENT(question_of(600, PASSED)))),
		  .paths = PATHS_OF_TC, .world = max_512_of_tcp },
	};

	return RUN(path, cases);
}

/* --- not to be forged -------------------------------------------------------------------------- */

static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";

static struct layer_of *signed_by_client(struct layer_of *rest)
{
	struct layer_of *payload = option(signature, 12, nothing());

	return option((const char *)rest->data, rest->data_len, payload);
}

/* The signature but for one bit of one byte, which does not make it a reply or a bad query. */
static struct layer_of *nearly_signed(unsigned wrong)
{
	struct layer_of *payload = signed_by_client(text("and then some"));

	payload->data[wrong] ^= 0x20;
	return payload;
}

#define FROM_CLIENT4(payload) ip4(CLIENT, FRONTEND, udp(40000, 53, payload))
#define FROM_CLIENT6(payload) ip6(CLIENT6, FRONTEND6, udp(40000, 53, payload))
#define REFUSED(packet, reason)                                                                    \
	{                                                                                          \
		{                                                                                  \
			.query = packet, .why = EDGE53_##reason                                    \
		}                                                                                  \
	}

static int forged(const struct path *path)
{
	const struct test_case cases[] = {
		{ "a client's own header",
		  REFUSED(FROM_CLIENT4(signed_by_client(text("\x21\x12"))), FORGED_HEADER) },
		{ "the same where the service sends headers",
		  REFUSED(FROM_CLIENT4(signed_by_client(text("\x21\x12"))), FORGED_HEADER),
		  .world = proxy_udp, .paths = EDGE_PATHS },
		{ "over IPv6",
		  REFUSED(FROM_CLIENT6(signed_by_client(text("\x21\x22"))), FORGED_HEADER),
		  .paths = EDGE_PATHS },
		{ "the signature alone",
		  REFUSED(FROM_CLIENT4(signed_by_client(nothing())), FORGED_HEADER) },
		{ "cut off it is no DNS either",
		  REFUSED(FROM_CLIENT4(raw(0, (const unsigned char *)signature, 11)), SHORT_DNS) },
		{ "behind IP options",
		  REFUSED(options(2, FROM_CLIENT4(signed_by_client(nothing()))), FORGED_HEADER) },
		{ "in a first fragment it is one",
		  { { .query = first_fragment(FROM_CLIENT4(signed_by_client(nothing()))),
		      .why = EDGE53_FRAGMENTED_QUERY,
		      .by_tc = true } } },
	};

	return RUN(path, cases);
}

/* Each byte of the signature counts. */
static int nearly_forged(const struct path *path)
{
	int failed = 0;

	for (unsigned i = 0; i < 12; i++) {
		struct layer_of *expected = with_id(id_of(0), nearly_signed(i));
		const struct test_case cases[] = {
			{ "one byte different",
			  { { .query = FROM_CLIENT4(nearly_signed(i)),
			      .becomes = forwarded(
				      ip4(EDGE, BACKEND, udp(port_of(0), BACKEND_UDP, expected))),
			      .why = EDGE53_QUERY_SENT } } },
		};

		failed += RUN(path, cases);
	}
	return failed;
}

/* --- backends that do not read it -------------------------------------------------------------- */

#define NOTIMP(id) dns(id, 0x8d04, 0, 0, "")
#define UNASKED(id) udp(BACKEND_UDP, PORT_BASE + 77, NOTIMP(id))
#define PASSES(packet, reason)                                                                     \
	{                                                                                          \
		{                                                                                  \
			.reply = packet, .why = EDGE53_##reason                                    \
		}                                                                                  \
	}

static int not_read(const struct path *path)
{
	const struct test_case cases[] = {
		{ "DNS ID 0x0d0a", PASSES(ip4(BACKEND, EDGE, UNASKED(0x0d0a)), HEADER_NOT_READ),
		  .world = proxy_udp },
		{ "over IPv6", PASSES(ip6(BACKEND6, EDGE6, UNASKED(0x0d0a)), HEADER_NOT_READ),
		  .world = proxy_udp },
		{ "of the second backend",
		  PASSES(ip4(BACKEND_2, EDGE, UNASKED(0x0d0a)), HEADER_NOT_READ),
		  .world = proxy_udp },
		{ "another ID", PASSES(ip4(BACKEND, EDGE, UNASKED(0x0d0b)), REPLY_UNKNOWN),
		  .world = proxy_udp },
		{ "the same, its bytes turned round",
		  PASSES(ip4(BACKEND, EDGE, UNASKED(0x0a0d)), REPLY_UNKNOWN), .world = proxy_udp },
		{ "a service without headers",
		  PASSES(ip4(BACKEND, EDGE, UNASKED(0x0d0a)), REPLY_UNKNOWN) },
		{ "a service with headers over TCP only",
		  PASSES(ip4(BACKEND, EDGE, UNASKED(0x0d0a)), REPLY_UNKNOWN),
		  .world = proxy_tcp_only },
		{ "from another address",
		  PASSES(ip4(STRANGER, EDGE, UNASKED(0x0d0a)), REPLY_UNKNOWN), .world = proxy_udp },
		{ "from another port",
		  PASSES(ip4(BACKEND, EDGE, udp(BACKEND_UDP + 1, PORT_BASE + 77, NOTIMP(0x0d0a))),
			 REPLY_UNKNOWN),
		  .world = proxy_udp },
		{ "from the port for TCP",
		  PASSES(ip4(BACKEND, EDGE, udp(BACKEND_TCP, PORT_BASE + 77, NOTIMP(0x0d0a))),
			 REPLY_UNKNOWN),
		  .world = proxy_udp },
		{ "by another device is nobody's reply",
		  { { .reply = ip4(BACKEND, EDGE, UNASKED(0x0d0a)),
		      .device = DEV_OTHER,
		      .why = EDGE53_REPLY_UNKNOWN } },
		  .world = proxy_udp },
		{ "to a port that is not ours",
		  PASSES(ip4(BACKEND, EDGE, udp(BACKEND_UDP, 777, NOTIMP(0x0d0a))), NOT_OURS),
		  .world = proxy_udp },
	};

	return RUN(path, cases);
}

/* --- ICMP errors ------------------------------------------------------------------------------- */

static struct layer_of *unreachable(unsigned quoted_len, struct layer_of *sent)
{
	return ip4(STRANGER, EDGE, icmp(3, 1, 0, quoting(quoted_len, sent)));
}

#define ASKS_OF4(id_)                                                                              \
	{                                                                                          \
		.query = ASKS4(QUERY(dns_query(id_, NAME))), .becomes = SENDS4(SENT(OF4(PASSED))), \
		.why = EDGE53_QUERY_SENT                                                           \
	}

/* Where the ID is looked for is the header. */
static int errors(const struct path *path)
{
	const struct test_case cases[] = {
		{ "about a query with a header",
		  { ASKS_OF4(7),
		    { .reply = unreachable(0, SENDS4(SENT(OF4(PASSED)))), .why = EDGE53_NOT_OURS },
		    { .reply = unreachable(28, SENDS4(SENT(OF4(PASSED)))), .why = EDGE53_NOT_OURS },
		    { .reply = unreachable(30, SENDS4(SENT(OF4(PASSED)))), .why = EDGE53_NOT_OURS },
		    { .reply = unreachable(32, SENDS4(SENT(OF4(PASSED)))),
		      .why = EDGE53_NOT_OURS } },
		  .world = proxy_udp },
		{ "about one without",
		  { { .query = ASKS4(QUERY(ASKED)),
		      .becomes = SENDS4(SENT(PASSED)),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = unreachable(0, SENDS4(SENT(PASSED))),
		      .becomes = forwarded(
			      ip4(FRONTEND, CLIENT, icmp(3, 1, 0, forwarded(ASKS4(QUERY(ASKED)))))),
		      .why = EDGE53_ICMP_SENT,
		      .by_tc = true } } },
	};

	return RUN(path, cases);
}

const struct table proxy_udp_tables[] = {
	{ "PROXY over UDP: the header", headers, EDGE_PATHS },
	{ "PROXY over UDP: none", none, EDGE_PATHS },
	{ "PROXY over UDP: checksums", checksums, EDGE_PATHS },
	{ "PROXY over UDP: lengths", lengths, EDGE_PATHS },
	{ "PROXY over UDP: beyond the MTU", beyond_mtu, EDGE_PATHS },
	{ "PROXY over UDP: beyond what the backend reads", beyond_backend, EDGE_PATHS },
	{ "PROXY over UDP: forged", forged, EDGE_PATHS | ENFORCE_PATHS },
	{ "PROXY over UDP: nearly forged", nearly_forged, EDGE_PATHS },
	{ "PROXY over UDP: ICMP errors", errors, XDP | TC_L2 | TC_L2_CHECKED },
	{ "PROXY over UDP: not read", not_read, EDGE_PATHS },
	{},
};
