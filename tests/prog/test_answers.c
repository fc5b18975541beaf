// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the edge itself tells the sender of a packet that ends here: time exceeded, too big,
 * prohibited, RST.
 *
 * ICMP only on Ethernet: BPF_PROG_TEST_RUN takes 14 bytes for a link header whatever the program,
 * so bpf_skb_adjust_room() makes room in the middle of a packet that has none. tests/net has real
 * ones.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/pkt_cls.h>

#include "cases.h"

#define NAME "example.com"
#define GOOGLE "8.8.8.8"
#define GOOGLE6 "2001:4860:4860::8888"

#define TELLS(packet, reason, answer) \
	{ { .query = packet, .why = EDGE53_##reason, .told = answer, .by_tc = true } }
#define SILENT(packet, reason) { { .query = packet, .why = EDGE53_##reason, .by_tc = true } }

/* RFC 1812 4.3.2.3 and RFC 4443 2.4 (c), less the headers of the error. */
#define QUOTE4(ip) quoting(576 - 28, ip)
#define QUOTE6(ip) quoting(1280 - 48, ip)

#define QUERY udp(40000, 53, dns_query(7, NAME))
#define ASKS4 ip4(CLIENT, FRONTEND, QUERY)
#define ASKS6 ip6(CLIENT6, FRONTEND6, QUERY)
#define TO4(l4) any_id(ip4(FRONTEND, CLIENT, l4))
#define TO6(l4) ip6(FRONTEND6, CLIENT6, l4)
#define SENT(n) udp(port_of(n), BACKEND_UDP, dns_query(id_of(n), NAME))
#define ANSWER(n) udp(BACKEND_UDP, port_of(n), dns_reply(id_of(n), NAME))
#define ANSWERED udp(53, 40000, dns_reply(7, NAME))
#define ASK4 { .query = ASKS4, .becomes = forwarded(ip4(EDGE, BACKEND, SENT(0))),                \
	       .why = EDGE53_QUERY_SENT }
#define ASK6 { .query = ASKS6, .becomes = forwarded(ip6(EDGE6, BACKEND6, SENT(0))),              \
	       .why = EDGE53_QUERY_SENT }
#define ANSWERS4 ip4(BACKEND, EDGE, ANSWER(0))
#define ANSWERS6 ip6(BACKEND6, EDGE6, ANSWER(0))
#define ANSWER_IT4 { .reply = ANSWERS4, .becomes = forwarded(ip4(FRONTEND, CLIENT, ANSWERED)),   \
		     .why = EDGE53_REPLY_SENT }
#define ANSWER_IT6 { .reply = ANSWERS6, .becomes = forwarded(ip6(FRONTEND6, CLIENT6, ANSWERED)), \
		     .why = EDGE53_REPLY_SENT }
#define TO_BACKEND4(l4) any_id(ip4(EDGE, BACKEND, l4))
#define TO_BACKEND6(l4) ip6(EDGE6, BACKEND6, l4)

#define LONG udp(40000, 53, longer(1300, dns_query(7, NAME)))
#define LONG_SENT udp(port_of(0), BACKEND_UDP, longer(1300, dns_query(id_of(0), NAME)))

/* --- time exceeded ---------------------------------------------------------------------------- */

#define EXCEEDED4(quoted) icmp(11, 0, 0, quoted)
#define EXCEEDED6(quoted) icmp(3, 0, 0, quoted)

static int queries_expire(const struct path *path)
{
	const struct test_case cases[] = {
		{ "TTL 1", TELLS(ttl(1, ASKS4), TTL_EXPIRED, TO4(EXCEEDED4(ttl(1, ASKS4)))) },
		{ "TTL 0", TELLS(ttl(0, ASKS4), TTL_EXPIRED, TO4(EXCEEDED4(ttl(0, ASKS4)))) },
		{ "hop limit 1", TELLS(ttl(1, ASKS6), TTL_EXPIRED, TO6(EXCEEDED6(ttl(1, ASKS6)))) },
		{ "with options and padding; only the options are quoted",
		  TELLS(padded(9, options(4, ttl(1, ASKS4))), TTL_EXPIRED,
			TO4(EXCEEDED4(options(4, ttl(1, ASKS4))))) },
		{ "with extension headers",
		  TELLS(ttl(1, ip6(CLIENT6, FRONTEND6, ip6_ext(60, QUERY))), TTL_EXPIRED,
			TO6(EXCEEDED6(ttl(1, ip6(CLIENT6, FRONTEND6, ip6_ext(60, QUERY)))))) },
		{ "a long one is quoted up to 576 bytes",
		  TELLS(ttl(1, ip4(CLIENT, FRONTEND, LONG)), TTL_EXPIRED,
			TO4(EXCEEDED4(QUOTE4(ttl(1, ip4(CLIENT, FRONTEND, LONG)))))) },
		{ "a long one over IPv6 up to 1,280",
		  TELLS(ttl(1, ip6(CLIENT6, FRONTEND6, LONG)), TTL_EXPIRED,
			TO6(EXCEEDED6(QUOTE6(ttl(1, ip6(CLIENT6, FRONTEND6, LONG)))))) },
		{ "without checksum",
		  TELLS(ttl(1, ip4(CLIENT, FRONTEND, zero_checksum(QUERY))), TTL_EXPIRED,
			TO4(EXCEEDED4(ttl(1, ip4(CLIENT, FRONTEND, zero_checksum(QUERY)))))) },
		{ "a SYN",
		  { { .query = ttl(1, ip4(CLIENT, FRONTEND, tcp(40000, 53, "S", nothing()))),
		      .why = EDGE53_TTL_EXPIRED,
		      .told = TO4(EXCEEDED4(
			      ttl(1, ip4(CLIENT, FRONTEND, tcp(40000, 53, "S", nothing()))))),
		      .by_tc = true,
		      .state = EDGE53_CONN_HALF_OPEN } } },
		{ "from nobody", SILENT(ttl(1, ip4("0.0.0.0", FRONTEND, QUERY)), TTL_EXPIRED) },
		{ "from a group", SILENT(ttl(1, ip4("224.0.0.1", FRONTEND, QUERY)), TTL_EXPIRED) },
		{ "from everybody",
		  SILENT(ttl(1, ip4("255.255.255.255", FRONTEND, QUERY)), TTL_EXPIRED) },
		{ "from an IPv6 group",
		  SILENT(ttl(1, ip6("ff02::1", FRONTEND6, QUERY)), TTL_EXPIRED) },
		{ "from nobody over IPv6",
		  SILENT(ttl(1, ip6("::", FRONTEND6, QUERY)), TTL_EXPIRED) },
	};

	return RUN(path, cases);
}

static void backend_ipv4(void)
{
	world_set_backends(SERVICE_EDGE, (const __u8[]){ ID_BACKEND }, 1);
}

static int replies_expire(const struct path *path)
{
	const struct test_case cases[] = {
		{ "the backend is told, and the query left open",
		  { ASK4,
		    { .reply = ttl(1, ANSWERS4), .why = EDGE53_TTL_EXPIRED, .by_tc = true,
		      .told = TO_BACKEND4(EXCEEDED4(ttl(1, ANSWERS4))) },
		    ANSWER_IT4 } },
		{ "over IPv6",
		  { ASK6,
		    { .reply = ttl(1, ANSWERS6), .why = EDGE53_TTL_EXPIRED, .by_tc = true,
		      .told = TO_BACKEND6(EXCEEDED6(ttl(1, ANSWERS6))) },
		    ANSWER_IT6 } },
		{ "who is told is told in his own family",
		  { { .query = ttl(1, ASKS6), .why = EDGE53_TTL_EXPIRED, .by_tc = true,
		      .told = TO6(EXCEEDED6(ttl(1, ASKS6))) },
		    { .query = ASKS6, .becomes = any_id(forwarded(ip4(EDGE, BACKEND, SENT(1)))),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = ttl(1, ip4(BACKEND, EDGE, ANSWER(1))), .why = EDGE53_TTL_EXPIRED,
		      .by_tc = true,
		      .told = TO_BACKEND4(EXCEEDED4(ttl(1, ip4(BACKEND, EDGE, ANSWER(1))))) } },
		  .world = backend_ipv4 },
	};

	return RUN(path, cases);
}

/* --- too big ---------------------------------------------------------------------------------- */

#define TOO_BIG4(mtu, quoted) icmp(3, 4, mtu, QUOTE4(quoted))
#define TOO_BIG6(mtu, quoted) icmp(2, 0, mtu, QUOTE6(quoted))
/* 1,357 bytes of IPv4, 1,377 of IPv6. */
#define LONG4 ip4(CLIENT, FRONTEND, LONG)
#define LONG6 ip6(CLIENT6, FRONTEND6, LONG)
#define STATES(why_, now) .why = EDGE53_##why_, .by_tc = true, .state = EDGE53_CONN_##now

static void backends_have(unsigned mtu)
{
	world_set_backend_mtu(ID_BACKEND, mtu);
	world_set_backend_mtu(ID_BACKEND6, mtu);
	world_set_query_mtu(mtu - 28);
}

static void mtu_1280(void)
{
	backends_have(1280);
}

static void mtu_1357(void)
{
	backends_have(1357);
}

static void mtu_1356(void)
{
	backends_have(1356);
}

static void mtu_1377_to_ipv6(void)
{
	backends_have(1377);
	world_set_backends(SERVICE_EDGE, (const __u8[]){ ID_BACKEND6 }, 1);
}

static void mtu_1376_to_ipv6(void)
{
	backends_have(1376);
	world_set_backends(SERVICE_EDGE, (const __u8[]){ ID_BACKEND6 }, 1);
}

static void mtu_1356_to_ipv4(void)
{
	backends_have(1356);
	world_set_backends(SERVICE_EDGE, (const __u8[]){ ID_BACKEND }, 1);
}

static void mtu_1357_to_ipv4(void)
{
	backends_have(1357);
	world_set_backends(SERVICE_EDGE, (const __u8[]){ ID_BACKEND }, 1);
}

static int queries_too_big(const struct path *path)
{
	const struct test_case cases[] = {
		{ "with DF",
		  TELLS(dont_fragment(LONG4), TOO_BIG, TO4(TOO_BIG4(1280, dont_fragment(LONG4)))),
		  .world = mtu_1280 },
		{ "one byte too many",
		  TELLS(dont_fragment(LONG4), TOO_BIG, TO4(TOO_BIG4(1356, dont_fragment(LONG4)))),
		  .world = mtu_1356 },
		{ "it just fits",
		  { { .query = dont_fragment(LONG4),
		      .becomes = dont_fragment(forwarded(ip4(EDGE, BACKEND, LONG_SENT))),
		      .why = EDGE53_QUERY_SENT, .by_tc = true } },
		  .world = mtu_1357 },
		{ "IPv6", TELLS(LONG6, TOO_BIG, TO6(TOO_BIG6(1280, LONG6))), .world = mtu_1280 },
		{ "to an IPv6 backend: 20 bytes less for the client",
		  TELLS(dont_fragment(LONG4), TOO_BIG, TO4(TOO_BIG4(1356, dont_fragment(LONG4)))),
		  .world = mtu_1376_to_ipv6 },
		{ "it just fits to an IPv6 backend",
		  { { .query = dont_fragment(LONG4),
		      .becomes = forwarded(ip6(EDGE6, BACKEND6, LONG_SENT)),
		      .why = EDGE53_QUERY_SENT, .by_tc = true } },
		  .world = mtu_1377_to_ipv6 },
		{ "IPv6 to an IPv4 backend: 20 bytes more",
		  TELLS(LONG6, TOO_BIG, TO6(TOO_BIG6(1376, LONG6))), .world = mtu_1356_to_ipv4 },
		{ "IPv6 just fits to an IPv4 backend",
		  { { .query = LONG6,
		      .becomes = dont_fragment(ip_id(0, forwarded(ip4(EDGE, BACKEND, LONG_SENT)))),
		      .why = EDGE53_QUERY_SENT, .by_tc = true } },
		  .world = mtu_1357_to_ipv4 },
		{ "without DF it would have to be fragmented: not towards Ethernet",
		  SILENT(LONG4, TOO_BIG), .paths = ETHERNET_BACKEND, .world = mtu_1280 },
		{ "without DF the tunnel fragments it outside",
		  { { .query = LONG4, .becomes = forwarded(ip4(EDGE, BACKEND, LONG_SENT)),
		      .why = EDGE53_QUERY_SENT } },
		  .paths = TC_L2_L3, .world = mtu_1280 },
		{ "a TCP segment",
		  { { .query = dont_fragment(ip4(CLIENT, FRONTEND,
						 tcp(40000, 53, "S", longer(1300, nothing())))),
		      .told = TO4(TOO_BIG4(1280, dont_fragment(ip4(CLIENT, FRONTEND,
						tcp(40000, 53, "S", longer(1300, nothing())))))),
		      STATES(TOO_BIG, HALF_OPEN) } },
		  .world = mtu_1280 },
	};

	return RUN(path, cases);
}

static void uplink_1280(void)
{
	world_set_mtu(DEV_UPLINK, 1280);
}

static void uplink_1280_to_ipv4(void)
{
	uplink_1280();
	backend_ipv4();
}

static void uplink_1280_to_ipv6(void)
{
	uplink_1280();
	world_set_backends(SERVICE_EDGE, (const __u8[]){ ID_BACKEND6 }, 1);
}

#define LONG_ANSWER udp(BACKEND_UDP, port_of(0), longer(1300, dns_reply(id_of(0), NAME)))

static int replies_too_big(const struct path *path)
{
	struct layer_of *long4 = dont_fragment(ip4(BACKEND, EDGE, LONG_ANSWER));
	struct layer_of *long6 = ip6(BACKEND6, EDGE6, LONG_ANSWER);
	const struct test_case cases[] = {
		{ "with DF the backend is told, and the query left open",
		  { ASK4,
		    { .reply = dont_fragment(ip4(BACKEND, EDGE, LONG_ANSWER)), .by_tc = true,
		      .why = EDGE53_TOO_BIG, .told = TO_BACKEND4(TOO_BIG4(1280, long4)) },
		    ANSWER_IT4 },
		  .world = uplink_1280 },
		{ "IPv6",
		  { ASK6,
		    { .reply = ip6(BACKEND6, EDGE6, LONG_ANSWER), .by_tc = true,
		      .why = EDGE53_TOO_BIG, .told = TO_BACKEND6(TOO_BIG6(1280, long6)) },
		    ANSWER_IT6 },
		  .world = uplink_1280 },
		{ "of an IPv4 backend to an IPv6 client: 20 bytes less",
		  { { .query = ASKS6, .becomes = any_id(forwarded(ip4(EDGE, BACKEND, SENT(0)))),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = dont_fragment(ip4(BACKEND, EDGE, LONG_ANSWER)), .by_tc = true,
		      .why = EDGE53_TOO_BIG, .told = TO_BACKEND4(TOO_BIG4(1260, long4)) } },
		  .world = uplink_1280_to_ipv4 },
		{ "of an IPv6 backend to an IPv4 client: 20 bytes more",
		  { { .query = ASKS4, .becomes = forwarded(ip6(EDGE6, BACKEND6, SENT(0))),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = ip6(BACKEND6, EDGE6, LONG_ANSWER), .by_tc = true,
		      .why = EDGE53_TOO_BIG, .told = TO_BACKEND6(TOO_BIG6(1300, long6)) } },
		  .world = uplink_1280_to_ipv6 },
		{ "without DF",
		  { ASK4,
		    { .reply = ip4(BACKEND, EDGE, LONG_ANSWER), .why = EDGE53_TOO_BIG,
		      .by_tc = true },
		    ANSWER_IT4 },
		  .world = uplink_1280 },
	};

	return RUN(path, cases);
}

/* --- segments and datagrams in bundles -------------------------------------------------------- */

/* 20 + 20 + gso_size bytes each. */
#define BUNDLE(sport, dport) tcp(sport, dport, "A", longer(1500, nothing()))
#define OPEN                                                                                     \
	{ .query = ip4(CLIENT, FRONTEND, tcp(40000, 53, "S", nothing())),                         \
	  .becomes = forwarded(ip4(EDGE, BACKEND, tcp(conn_port(0), BACKEND_TCP, "S", nothing()))),\
	  .why = EDGE53_TCP_OPENED, .state = EDGE53_CONN_HALF_OPEN }

static int bundles(const struct path *path)
{
	const struct test_case cases[] = {
		{ "of segments, each of which fits",
		  { OPEN,
		    { .query = dont_fragment(ip4(CLIENT, FRONTEND, BUNDLE(40000, 53))),
		      .becomes = dont_fragment(
			      forwarded(ip4(EDGE, BACKEND, BUNDLE(conn_port(0), BACKEND_TCP)))),
		      .why = EDGE53_TCP_QUERY_SENT,
		      .state = EDGE53_CONN_HALF_OPEN,
		      .gso_size = 1240 },
		    { .reply = dont_fragment(ip4(BACKEND, EDGE, BUNDLE(BACKEND_TCP, conn_port(0)))),
		      .becomes = dont_fragment(forwarded(ip4(FRONTEND, CLIENT, BUNDLE(53, 40000)))),
		      .why = EDGE53_TCP_REPLY_SENT,
		      .state = EDGE53_CONN_HALF_OPEN,
		      .gso_size = 1240 } },
		  .world = mtu_1280 },
		{ "of segments, one byte too many in each",
		  { OPEN,
		    { .query = dont_fragment(ip4(CLIENT, FRONTEND, BUNDLE(40000, 53))),
		      .why = EDGE53_TOO_BIG,
		      .told = TO4(TOO_BIG4(1280, dont_fragment(ip4(CLIENT, FRONTEND,
								   BUNDLE(40000, 53))))),
		      .state = EDGE53_CONN_HALF_OPEN,
		      .gso_size = 1241 } },
		  .paths = TC_L2 | TC_L2_CHECKED | TC_L2_L3, .world = mtu_1280 },
		{ "of datagrams: only the first would be right",
		  { { .query = ASKS4, .why = EDGE53_BAD_LENGTH, .gso_size = 20 } } },
		{ "of datagrams in a reply",
		  { ASK4,
		    { .reply = ANSWERS4, .why = EDGE53_REPLY_UNKNOWN, .gso_size = 20 } } },
	};

	return RUN(path, cases);
}

/* --- refusals of enforce ---------------------------------------------------------------------- */

static void rejects_dot(void)
{
	world_set_flags(SERVICE_ENFORCE, EDGE53_SERVICE_DOT_REJECT);
}

#define DOT4(l4) ip4(CLIENT, GOOGLE, l4)
#define REFUSED4(l4) any_id(ip4(GOOGLE, CLIENT, l4))
#define RESETS(segment, flags, seq, ack)                                                         \
	{ { .query = DOT4(segment), .why = EDGE53_DOT_REJECTED,                                   \
	    .told = REFUSED4(reset(853, 40000, flags, seq, ack)) } }, .world = rejects_dot
#define TLS(flags, payload) tcp(40000, 853, flags, payload)
#define REJECTS_SILENTLY(packet) SILENT(packet, DOT_REJECTED), .world = rejects_dot

/* RFC 9293 3.10.7.1. The client's ISN is 1000, what it acknowledges 5001. */
static int resets(const struct path *path)
{
	const struct test_case cases[] = {
		{ "a SYN", RESETS(TLS("S", nothing()), "RA", 0, 1001) },
		{ "a SYN with data", RESETS(TLS("S", text("eleven byte")), "RA", 0, 1012) },
		{ "a SYN with options, which are no data",
		  RESETS(mss(1460, TLS("S", nothing())), "RA", 0, 1001) },
		{ "data", RESETS(TLS("PA", text("eleven byte")), "R", 5001, 0) },
		{ "an ACK", RESETS(TLS("A", nothing()), "R", 5001, 0) },
		{ "a FIN", RESETS(TLS("FA", nothing()), "R", 5001, 0) },
		{ "a SYN-ACK", RESETS(TLS("SA", nothing()), "R", 5001, 0) },
		{ "a FIN without ACK", RESETS(TLS("F", text("x")), "RA", 0, 1003) },
		{ "no flags", RESETS(TLS("", text("eleven byte")), "RA", 0, 1012) },
		{ "behind IP options, and padding",
		  { { .query = padded(6, options(4, DOT4(TLS("S", nothing())))),
		      .why = EDGE53_DOT_REJECTED,
		      .told = REFUSED4(reset(853, 40000, "RA", 0, 1001)) } },
		  .world = rejects_dot },
		{ "a partial checksum is answered by one: the kernel completes it",
		  { { .query = DOT4(partial_checksum(TLS("S", nothing()))),
		      .why = EDGE53_DOT_REJECTED,
		      .told = REFUSED4(partial_checksum(reset(853, 40000, "RA", 0, 1001))) } },
		  .world = rejects_dot },
		{ "over IPv6, data behind options",
		  { { .query = ip6(CLIENT6, GOOGLE6, ip6_ext(60, TLS("PA", text("data")))),
		      .why = EDGE53_DOT_REJECTED,
		      .told = ip6(GOOGLE6, CLIENT6, reset(853, 40000, "R", 5001, 0)) } },
		  .world = rejects_dot },
		{ "a RST is not answered", REJECTS_SILENTLY(DOT4(TLS("R", nothing()))) },
		{ "nor one with ACK", REJECTS_SILENTLY(DOT4(TLS("RA", nothing()))) },
		{ "nor a broken header",
		  REJECTS_SILENTLY(DOT4(data_offset(4, TLS("S", nothing())))) },
	};

	return RUN(path, cases);
}

#define QUIC(payload) udp(40000, 853, payload)
#define LONG_QUIC QUIC(longer(1300, text("quic")))

static int prohibited(const struct path *path)
{
	const struct test_case cases[] = {
		{ "a long packet is quoted up to 576 bytes",
		  TELLS(DOT4(LONG_QUIC), DOT_REJECTED,
			REFUSED4(icmp(3, 13, 0, QUOTE4(DOT4(LONG_QUIC))))),
		  .world = rejects_dot },
		{ "a long packet over IPv6 up to 1,280",
		  TELLS(ip6(CLIENT6, GOOGLE6, LONG_QUIC), DOT_REJECTED,
			ip6(GOOGLE6, CLIENT6,
			    icmp(1, 1, 0, QUOTE6(ip6(CLIENT6, GOOGLE6, LONG_QUIC))))),
		  .world = rejects_dot },
		{ "an odd length",
		  TELLS(DOT4(QUIC(text("seven b"))), DOT_REJECTED,
			REFUSED4(icmp(3, 13, 0, DOT4(QUIC(text("seven b")))))),
		  .world = rejects_dot },
		{ "to a group", REJECTS_SILENTLY(ip4(CLIENT, "224.0.0.251", QUIC(text("hello")))) },
		{ "to everybody",
		  REJECTS_SILENTLY(ip4(CLIENT, "255.255.255.255", QUIC(text("hello")))) },
		{ "to an IPv6 group",
		  REJECTS_SILENTLY(ip6(CLIENT6, "ff02::fb", QUIC(text("hello")))) },
		{ "from a group", REJECTS_SILENTLY(ip4("224.0.0.1", GOOGLE, QUIC(text("hello")))) },
		{ "from nobody", REJECTS_SILENTLY(ip6("::", GOOGLE6, TLS("S", nothing()))) },
	};

	return RUN(path, cases);
}

/* --- how many --------------------------------------------------------------------------------- */

static unsigned told_of(const struct path *path, unsigned n)
{
	struct frame in, out;
	unsigned told = 0;

	frame_of_query(path, DOT4(TLS("S", nothing())), &in);
	while (n--)
		told += world_run(path->query, DEV_PPP, &in, &out) == TC_ACT_REDIRECT;
	return told;
}

static bool expect(const struct path *path, const char *what, unsigned got, unsigned expected)
{
	if (got == expected)
		return true;
	printf("    %s: %s: %u, expected %u\n", path->name, what, got, expected);
	return false;
}

static time_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* RFC 4443 2.4 (f). */
static int thousand_a_second(const struct path *path)
{
	struct counters counters;
	time_t begin = now_ms();
	bool good = true;
	unsigned told;

	world_reset(path->client_is_l3, path->backend_is_l3);
	rejects_dot();
	told = told_of(path, 1200);
	if (now_ms() - begin < 1000) /* a slow machine needs longer, and may tell more */
		good &= expect(path, "told of the first 1,200", told, 1000);
	good &= expect(path, "not told", world_cpu_state(0).refusals_suppressed, 1200 - told);
	usleep(1050000);
	good &= expect(path, "told a second later", told_of(path, 10), 10);
	world_read_counters(&counters);
	good &= expect(path, "counted", counters.reasons[SERVICE_ENFORCE][EDGE53_DOT_REJECTED],
		       1210);
	return !good;
}

const struct table answer_tables[] = {
	{ "answers: TTL of queries", queries_expire, ETHERNET_UPLINK },
	{ "answers: TTL of replies", replies_expire, XDP | TC_L2 | TC_L2_CHECKED },
	{ "answers: queries too big", queries_too_big, ETHERNET_UPLINK },
	{ "answers: replies too big", replies_too_big, XDP | TC_L2 | TC_L2_CHECKED },
	{ "answers: bundles", bundles, TC_L2 | TC_L2_CHECKED | TC_L2_L3 | TC_L3 },
	{ "answers: RST", resets, ENFORCE_PATHS },
	{ "answers: prohibited", prohibited, ENFORCE_L2 },
	{ "answers: a thousand a second", thousand_a_second, ENFORCE_PATHS },
	{},
};
