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

#define TELLS(packet, reason, answer)                                                              \
	{                                                                                          \
		{                                                                                  \
			.query = packet, .why = EDGE53_##reason, .told = answer, .by_tc = true     \
		}                                                                                  \
	}
#define SILENT(packet, reason)                                                                     \
	{                                                                                          \
		{                                                                                  \
			.query = packet, .why = EDGE53_##reason, .by_tc = true                     \
		}                                                                                  \
	}

#define ENDS(packet, reason) { { .query = packet, .why = reason } }

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
#define ASK4                                                                                       \
	{                                                                                          \
		.query = ASKS4, .becomes = forwarded(ip4(EDGE, BACKEND, SENT(0))),                 \
		.why = EDGE53_QUERY_SENT                                                           \
	}
#define ASK6                                                                                       \
	{                                                                                          \
		.query = ASKS6, .becomes = forwarded(ip6(EDGE6, BACKEND6, SENT(0))),               \
		.why = EDGE53_QUERY_SENT                                                           \
	}
#define ANSWERS4 ip4(BACKEND, EDGE, ANSWER(0))
#define ANSWERS6 ip6(BACKEND6, EDGE6, ANSWER(0))
#define ANSWER_IT4                                                                                 \
	{                                                                                          \
		.reply = ANSWERS4, .becomes = forwarded(ip4(FRONTEND, CLIENT, ANSWERED)),          \
		.why = EDGE53_REPLY_SENT                                                           \
	}
#define ANSWER_IT6                                                                                 \
	{                                                                                          \
		.reply = ANSWERS6, .becomes = forwarded(ip6(FRONTEND6, CLIENT6, ANSWERED)),        \
		.why = EDGE53_REPLY_SENT                                                           \
	}
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
		{ "from nobody",
		  ENDS(ttl(1, ip4("0.0.0.0", FRONTEND, QUERY)), EDGE53_BAD_SOURCE) },
		{ "from class E, that it may be, but nobody answers",
		  SILENT(ttl(1, ip4("240.0.0.1", FRONTEND, QUERY)), TTL_EXPIRED) },
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
		    { .reply = ttl(1, ANSWERS4),
		      .why = EDGE53_TTL_EXPIRED,
		      .by_tc = true,
		      .told = TO_BACKEND4(EXCEEDED4(ttl(1, ANSWERS4))) },
		    ANSWER_IT4 } },
		{ "over IPv6",
		  { ASK6,
		    { .reply = ttl(1, ANSWERS6),
		      .why = EDGE53_TTL_EXPIRED,
		      .by_tc = true,
		      .told = TO_BACKEND6(EXCEEDED6(ttl(1, ANSWERS6))) },
		    ANSWER_IT6 } },
		{ "who is told is told in his own family",
		  { { .query = ttl(1, ASKS6),
		      .why = EDGE53_TTL_EXPIRED,
		      .by_tc = true,
		      .told = TO6(EXCEEDED6(ttl(1, ASKS6))) },
		    { .query = ASKS6,
		      .becomes = any_id(forwarded(ip4(EDGE, BACKEND, SENT(1)))),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = ttl(1, ip4(BACKEND, EDGE, ANSWER(1))),
		      .why = EDGE53_TTL_EXPIRED,
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
		      .why = EDGE53_QUERY_SENT,
		      .by_tc = true } },
		  .world = mtu_1357 },
		{ "IPv6", TELLS(LONG6, TOO_BIG, TO6(TOO_BIG6(1280, LONG6))), .world = mtu_1280 },
		{ "to an IPv6 backend: 20 bytes less for the client",
		  TELLS(dont_fragment(LONG4), TOO_BIG, TO4(TOO_BIG4(1356, dont_fragment(LONG4)))),
		  .world = mtu_1376_to_ipv6 },
		{ "it just fits to an IPv6 backend",
		  { { .query = dont_fragment(LONG4),
		      .becomes = forwarded(ip6(EDGE6, BACKEND6, LONG_SENT)),
		      .why = EDGE53_QUERY_SENT,
		      .by_tc = true } },
		  .world = mtu_1377_to_ipv6 },
		{ "IPv6 to an IPv4 backend: 20 bytes more",
		  TELLS(LONG6, TOO_BIG, TO6(TOO_BIG6(1376, LONG6))), .world = mtu_1356_to_ipv4 },
		{ "IPv6 just fits to an IPv4 backend",
		  { { .query = LONG6,
		      .becomes = dont_fragment(ip_id(0, forwarded(ip4(EDGE, BACKEND, LONG_SENT)))),
		      .why = EDGE53_QUERY_SENT,
		      .by_tc = true } },
		  .world = mtu_1357_to_ipv4 },
		{ "without DF it would have to be fragmented: not towards Ethernet",
		  SILENT(LONG4, TOO_BIG), .paths = ETHERNET_BACKEND, .world = mtu_1280 },
		{ "without DF the tunnel fragments it outside",
		  { { .query = LONG4,
		      .becomes = forwarded(ip4(EDGE, BACKEND, LONG_SENT)),
		      .why = EDGE53_QUERY_SENT } },
		  .paths = TC_L2_L3,
		  .world = mtu_1280 },
		{ "a TCP segment",
		  { { .query = dont_fragment(
			      ip4(CLIENT, FRONTEND, tcp(40000, 53, "S", longer(1300, nothing())))),
		      .told = TO4(TOO_BIG4(1280, dont_fragment(ip4(CLIENT, FRONTEND,
								   tcp(40000, 53, "S",
								       longer(1300, nothing())))))),
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
		    { .reply = dont_fragment(ip4(BACKEND, EDGE, LONG_ANSWER)),
		      .by_tc = true,
		      .why = EDGE53_TOO_BIG,
		      .told = TO_BACKEND4(TOO_BIG4(1280, long4)) },
		    ANSWER_IT4 },
		  .world = uplink_1280 },
		{ "IPv6",
		  { ASK6,
		    { .reply = ip6(BACKEND6, EDGE6, LONG_ANSWER),
		      .by_tc = true,
		      .why = EDGE53_TOO_BIG,
		      .told = TO_BACKEND6(TOO_BIG6(1280, long6)) },
		    ANSWER_IT6 },
		  .world = uplink_1280 },
		{ "of an IPv4 backend to an IPv6 client: 20 bytes less",
		  { { .query = ASKS6,
		      .becomes = any_id(forwarded(ip4(EDGE, BACKEND, SENT(0)))),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = dont_fragment(ip4(BACKEND, EDGE, LONG_ANSWER)),
		      .by_tc = true,
		      .why = EDGE53_TOO_BIG,
		      .told = TO_BACKEND4(TOO_BIG4(1260, long4)) } },
		  .world = uplink_1280_to_ipv4 },
		{ "of an IPv6 backend to an IPv4 client: 20 bytes more",
		  { { .query = ASKS4,
		      .becomes = forwarded(ip6(EDGE6, BACKEND6, SENT(0))),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = ip6(BACKEND6, EDGE6, LONG_ANSWER),
		      .by_tc = true,
		      .why = EDGE53_TOO_BIG,
		      .told = TO_BACKEND6(TOO_BIG6(1300, long6)) } },
		  .world = uplink_1280_to_ipv6 },
		{ "without DF",
		  { ASK4,
		    { .reply = ip4(BACKEND, EDGE, LONG_ANSWER),
		      .why = EDGE53_TOO_BIG,
		      .by_tc = true },
		    ANSWER_IT4 },
		  .world = uplink_1280 },
	};

	return RUN(path, cases);
}

/* --- segments and datagrams in bundles -------------------------------------------------------- */

/* 20 + 20 + gso_size bytes each. */
#define BUNDLE(sport, dport) tcp(sport, dport, "A", longer(1500, nothing()))
#define OPEN                                                                                       \
	{                                                                                          \
		.query = ip4(CLIENT, FRONTEND, tcp(40000, 53, "S", nothing())),                    \
		.becomes = forwarded(                                                              \
			ip4(EDGE, BACKEND, tcp(conn_port(0), BACKEND_TCP, "S", nothing()))),       \
		.why = EDGE53_TCP_OPENED, .state = EDGE53_CONN_HALF_OPEN                           \
	}

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
		      .told = TO4(TOO_BIG4(
			      1280, dont_fragment(ip4(CLIENT, FRONTEND, BUNDLE(40000, 53))))),
		      .state = EDGE53_CONN_HALF_OPEN,
		      .gso_size = 1241 } },
		  .paths = TC_L2 | TC_L2_CHECKED | TC_L2_L3,
		  .world = mtu_1280 },
		{ "of datagrams: only the first would be right",
		  { { .query = ASKS4, .why = EDGE53_BAD_LENGTH, .gso_size = 20 } } },
		{ "of datagrams in a reply",
		  { ASK4, { .reply = ANSWERS4, .why = EDGE53_REPLY_UNKNOWN, .gso_size = 20 } } },
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
#define RESETS(segment, flags, seq, ack)                                                           \
	{ { .query = DOT4(segment),                                                                \
	    .why = EDGE53_DOT_REJECTED,                                                            \
	    .told = REFUSED4(reset(853, 40000, flags, seq, ack)) } },                              \
		.world = rejects_dot
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

/* --- TC=1 --------------------------------------------------------------------------------------- */

static void proxy_udp(unsigned max_udp_payload)
{
	world_set_flags(SERVICE_EDGE, EDGE53_SERVICE_XDP | EDGE53_SERVICE_PROXY_UDP);
	world_set_max_udp_payload(max_udp_payload);
}

static void proxy_udp_100(void)
{
	proxy_udp(100);
}

static struct layer_of *with_counts(unsigned answers, unsigned authorities,
				    struct layer_of *message)
{
	message->data[7] = answers;
	message->data[9] = authorities;
	return message;
}

static struct layer_of *labels_of_one(unsigned n)
{
	struct layer_of *q = nothing();

	while (n--)
		option("\1a", 2, q);
	return option("\0\0\1\0\1", 5, q);
}

static struct layer_of *label_of(unsigned len)
{
	struct layer_of *q = nothing();

	q->data[q->data_len++] = len;
	memset(q->data + 1, 'a', len);
	q->data_len += len;
	return option("\0\0\1\0\1", 5, q);
}

/* A name of len bytes, with those of its lengths and the root's, then type A and class IN. */
static struct layer_of *question(unsigned len)
{
	struct layer_of *q = nothing();
	unsigned rest = len - 1;

	while (rest) {
		unsigned label = rest == 65 ? 31 : rest > 64 ? 63 : rest - 1;

		q->data[q->data_len] = label;
		memset(q->data + q->data_len + 1, 'a' + label % 26, label);
		q->data_len += 1 + label;
		rest -= 1 + label;
	}
	return option("\0\0\1\0\1", 5, q);
}

static struct layer_of *dns_with(unsigned flags, unsigned questions, unsigned additionals,
				 struct layer_of *rest)
{
	struct layer_of *message = header_only(dns(7, flags, questions, additionals, ""));

	return option((const char *)rest->data, rest->data_len, message);
}

/* Bytes of DNS header and rest in which no question is. */
static struct layer_of *without_its_last(unsigned bytes, struct layer_of *message)
{
	message->data_len -= bytes;
	return message;
}

#define TOO_LONG(message) longer(200, message)
#define ASKS_UDP(message) udp(40000, 53, message)
#define TRUNCATED(packet, answer)                                                                  \
	{ { .query = packet, .why = EDGE53_TRUNCATED, .told = answer, .by_tc = true } },           \
		.world = proxy_udp_100
/* 203 bytes and more, of which 72 would be read. */
#define TRUNCATED4(message, answer)                                                                \
	TRUNCATED(ip4(CLIENT, FRONTEND, ASKS_UDP(message)), TO4(udp(53, 40000, answer)))
#define TRUNCATED6(message, answer)                                                                \
	TRUNCATED(ip6(CLIENT6, FRONTEND6, ASKS_UDP(message)), TO6(udp(53, 40000, answer)))
#define NO_QUESTION dns_with(0x8300, 0, 0, nothing())
#define A_QUERY(len) dns_with(0x0100, 1, 0, question(len))
#define ITS_ANSWER(len) dns_with(0x8300, 1, 0, question(len))
#define TOO_LONG4 ip4(CLIENT, FRONTEND, ASKS_UDP(TOO_LONG(A_QUERY(13))))
#define ITS_ANSWER4 TO4(udp(53, 40000, ITS_ANSWER(13)))
#define STRANGE(bytes) dns_with(0x0100, 1, 0, raw(0, (const unsigned char *)bytes, sizeof(bytes)))

static int truncated(const struct path *path)
{
	const struct test_case cases[] = {
		{ "a question", TRUNCATED4(TOO_LONG(A_QUERY(13)), ITS_ANSWER(13)) },
		{ "over IPv6", TRUNCATED6(TOO_LONG(A_QUERY(13)), ITS_ANSWER(13)) },
		{ "of an odd length over IPv6", TRUNCATED6(TOO_LONG(A_QUERY(14)), ITS_ANSWER(14)) },
		{ "of the root", TRUNCATED4(TOO_LONG(A_QUERY(1)), ITS_ANSWER(1)) },
		{ "with EDNS", TRUNCATED4(TOO_LONG(dns_with(0x0100, 1, 1, question(13))),
					  with_opt(ITS_ANSWER(13))) },
		{ "with EDNS over IPv6, an even length before the OPT record",
		  TRUNCATED6(TOO_LONG(dns_with(0x0120, 1, 1, question(14))),
			     with_opt(ITS_ANSWER(14))) },
		{ "with two additional records",
		  TRUNCATED4(TOO_LONG(dns_with(0x0100, 1, 2, question(13))),
			     with_opt(ITS_ANSWER(13))) },
		{ "without RD", TRUNCATED4(TOO_LONG(dns_with(0, 1, 0, question(13))),
					   dns_with(0x8200, 1, 0, question(13))) },
		{ "with every flag: of them only RD is answered",
		  TRUNCATED4(TOO_LONG(dns_with(0x07ff, 1, 0, question(13))),
			     dns_with(0x8300, 1, 0, question(13))) },
		{ "NOTIFY with every flag",
		  TRUNCATED4(TOO_LONG(dns_with(0x27ff, 1, 0, question(13))),
			     dns_with(0xa300, 1, 0, question(13))) },
		{ "opcode 6", TRUNCATED4(TOO_LONG(dns_with(0x3000, 1, 0, question(13))),
					  dns_with(0xb200, 1, 0, question(13))) },
		{ "UPDATE with three zones, whatever that means",
		  TRUNCATED4(TOO_LONG(dns_with(0x2900, 3, 0, question(13))),
			     dns_with(0xab00, 0, 0, nothing())) },
		{ "a cookie alone",
		  TRUNCATED4(TOO_LONG(dns_with(0x0100, 0, 1, nothing())), with_opt(NO_QUESTION)) },
		{ "answers and authorities are not counted in the answer",
		  TRUNCATED4(TOO_LONG(with_counts(5, 6, A_QUERY(13))), ITS_ANSWER(13)) },
		{ "the longest name", TRUNCATED4(TOO_LONG(A_QUERY(255)), ITS_ANSWER(255)) },
		{ "the longest name, over IPv6 and with EDNS",
		  TRUNCATED6(TOO_LONG(dns_with(0x0100, 1, 1, question(255))),
			     with_opt(ITS_ANSWER(255))) },
		{ "a name too long by one", TRUNCATED4(TOO_LONG(A_QUERY(256)), NO_QUESTION) },
		{ "a label of 63", TRUNCATED4(TOO_LONG(A_QUERY(65)), ITS_ANSWER(65)) },
		{ "a label of 64, which is none",
		  TRUNCATED4(TOO_LONG(dns_with(0x0100, 1, 0, label_of(64))), NO_QUESTION) },
		{ "a pointer", TRUNCATED4(TOO_LONG(STRANGE("\300\14\0\1\0\1")), NO_QUESTION) },
		{ "a pointer behind a label",
		  TRUNCATED4(TOO_LONG(STRANGE("\1a\300\14\0\1\0\1")), NO_QUESTION) },
		{ "the most labels: 127",
		  TRUNCATED4(TOO_LONG(dns_with(0x0100, 1, 0, labels_of_one(127))),
			     dns_with(0x8300, 1, 0, labels_of_one(127))) },
		{ "a label too many",
		  TRUNCATED4(TOO_LONG(dns_with(0x0100, 1, 0, labels_of_one(128))), NO_QUESTION) },
		{ "a question and nothing behind", TRUNCATED4(A_QUERY(80), ITS_ANSWER(80)) },
		{ "its class is cut off",
		  TRUNCATED4(without_its_last(1, A_QUERY(80)), NO_QUESTION) },
		{ "its name is cut off before the root",
		  TRUNCATED4(without_its_last(5, A_QUERY(80)), NO_QUESTION) },
		{ "its name is cut off in a label",
		  TRUNCATED4(without_its_last(9, A_QUERY(80)), NO_QUESTION) },
		{ "what the UDP length leaves out does not count",
		  TRUNCATED(ip4(CLIENT, FRONTEND, length_off_by(-1, ASKS_UDP(A_QUERY(80)))),
			    TO4(udp(53, 40000, NO_QUESTION))) },
		{ "nor does what is behind the packet",
		  TRUNCATED(padded(1, ip4(CLIENT, FRONTEND,
					  ASKS_UDP(without_its_last(1, A_QUERY(80))))),
			    TO4(udp(53, 40000, NO_QUESTION))) },
		{ "padding is cut off", TRUNCATED(padded(9, TOO_LONG4), ITS_ANSWER4) },
		{ "without checksum: the answer has one",
		  TRUNCATED(ip4(CLIENT, FRONTEND, zero_checksum(ASKS_UDP(TOO_LONG(A_QUERY(13))))),
			    ITS_ANSWER4) },
		{ "with a wrong one: the answer has a right one",
		  TRUNCATED(ip4(CLIENT, FRONTEND, bad_checksum(ASKS_UDP(TOO_LONG(A_QUERY(13))))),
			    ITS_ANSWER4) },
		{ "with what a partial one looks like, and is none here",
		  TRUNCATED(ip4(CLIENT, FRONTEND,
				partial_checksum(ASKS_UDP(TOO_LONG(A_QUERY(13))))),
			    ITS_ANSWER4) },
		{ "TOS and DF are not answered",
		  TRUNCATED(tos(0xb8, dont_fragment(TOO_LONG4)), ITS_ANSWER4) },
		{ "options are dropped", TRUNCATED(options(3, TOO_LONG4), ITS_ANSWER4),
		  .paths = ETHERNET_UPLINK },
		{ "extension headers are dropped",
		  TRUNCATED(ip6(CLIENT6, FRONTEND6,
				ip6_ext(60, ip6_ext(0, ASKS_UDP(TOO_LONG(A_QUERY(13)))))),
			    TO6(udp(53, 40000, ITS_ANSWER(13)))),
		  .paths = ETHERNET_UPLINK },
		{ "with a priority beside the bytes",
		  { { .query = TOO_LONG4,
		      .why = EDGE53_TRUNCATED,
		      .told = ITS_ANSWER4,
		      .has_vlan = true,
		      .vlan_tci = 0xe000 } },
		  .paths = TC_L2 | TC_L2_CHECKED | TC_L2_L3,
		  .world = proxy_udp_100 },
	};

	return RUN(path, cases);
}

/* --- SERVFAIL --------------------------------------------------------------------------------- */

/* As the loader has it when no backend answers; XDP answers where it may send on the uplink. */
static void down(void)
{
	world_set_backends(SERVICE_EDGE, NULL, 0);
	world_set_flags(SERVICE_EDGE, EDGE53_SERVICE_XDP | EDGE53_SERVICE_DOWN_SERVFAIL |
					      EDGE53_SERVICE_UDP_DOWN | EDGE53_SERVICE_XDP_ANSWERS);
}

static void down_and_xdp_may_not_send(void)
{
	world_set_backends(SERVICE_EDGE, NULL, 0);
	world_set_flags(SERVICE_EDGE, EDGE53_SERVICE_XDP | EDGE53_SERVICE_DOWN_SERVFAIL |
					      EDGE53_SERVICE_UDP_DOWN);
}

static void down_behind_a_tunnel(void)
{
	world_set_backends(SERVICE_EDGE, NULL, 0);
	world_set_flags(SERVICE_EDGE, EDGE53_SERVICE_DOWN_SERVFAIL | EDGE53_SERVICE_UDP_DOWN |
					      EDGE53_SERVICE_XDP_ANSWERS);
}

/* The backends are gone a moment before the flags say so. */
static void down_since_a_moment(void)
{
	world_set_backends(SERVICE_EDGE, NULL, 0);
	world_set_flags(SERVICE_EDGE, EDGE53_SERVICE_XDP | EDGE53_SERVICE_DOWN_SERVFAIL |
					      EDGE53_SERVICE_KEEP_SOURCE);
}

static void down_for_udp_only(void)
{
	world_set_flags(SERVICE_EDGE, EDGE53_SERVICE_XDP | EDGE53_SERVICE_DOWN_SERVFAIL |
					      EDGE53_SERVICE_UDP_DOWN | EDGE53_SERVICE_XDP_ANSWERS);
}

#define FAILS(packet, answer)                                                                      \
	{ { .query = packet, .why = EDGE53_NO_BACKEND_SERVFAIL, .told = answer } }, .world = down
#define FAILS4(message, answer)                                                                    \
	FAILS(ip4(CLIENT, FRONTEND, ASKS_UDP(message)), TO4(udp(53, 40000, answer)))
#define FAILS6(message, answer)                                                                    \
	FAILS(ip6(CLIENT6, FRONTEND6, ASKS_UDP(message)), TO6(udp(53, 40000, answer)))
#define FAILS_BY_TC(packet, answer)                                                                \
	{ {                                                                                        \
		.query = packet, .why = EDGE53_NO_BACKEND_SERVFAIL, .told = answer, .by_tc = true  \
	} }
#define ITS_SERVFAIL(len) dns_with(0x8102, 1, 0, question(len))
#define SERVFAIL_OF_NOTHING dns_with(0x8102, 0, 0, nothing())
#define ASKS4_13 ip4(CLIENT, FRONTEND, ASKS_UDP(A_QUERY(13)))
#define SERVFAIL4_13 TO4(udp(53, 40000, ITS_SERVFAIL(13)))
#define SYN4 ip4(CLIENT, FRONTEND, tcp(40000, 53, "S", nothing()))
#define RESET4 TO4(reset(53, 40000, "RA", 0, 1001))

static int servfail(const struct path *path)
{
	const struct test_case cases[] = {
		{ "a question", FAILS4(A_QUERY(13), ITS_SERVFAIL(13)) },
		{ "over IPv6", FAILS6(A_QUERY(13), ITS_SERVFAIL(13)) },
		{ "of an odd length over IPv6", FAILS6(A_QUERY(14), ITS_SERVFAIL(14)) },
		{ "of the root", FAILS4(A_QUERY(1), ITS_SERVFAIL(1)) },
		{ "with EDNS: the answer is header and question, and never longer",
		  FAILS4(with_opt(A_QUERY(13)), ITS_SERVFAIL(13)) },
		{ "a record is announced and not there",
		  FAILS6(dns_with(0x0100, 1, 1, question(14)), ITS_SERVFAIL(14)) },
		{ "a long one is cut", FAILS4(TOO_LONG(A_QUERY(13)), ITS_SERVFAIL(13)) },
		{ "without RD", FAILS4(dns_with(0, 1, 0, question(13)),
				       dns_with(0x8002, 1, 0, question(13))) },
		{ "with every flag: of them only RD is answered",
		  FAILS4(dns_with(0x07ff, 1, 0, question(13)),
			 dns_with(0x8102, 1, 0, question(13))) },
		{ "NOTIFY", FAILS4(dns_with(0x2400, 1, 0, question(13)),
				   dns_with(0xa002, 1, 0, question(13))) },
		{ "a cookie alone", FAILS4(dns_with(0x0100, 0, 1, nothing()), SERVFAIL_OF_NOTHING) },
		{ "the longest name", FAILS4(A_QUERY(255), ITS_SERVFAIL(255)) },
		{ "the longest name over IPv6", FAILS6(A_QUERY(255), ITS_SERVFAIL(255)) },
		{ "a question of 32 bytes", FAILS4(A_QUERY(28), ITS_SERVFAIL(28)) },
		{ "a question of 33 bytes", FAILS6(A_QUERY(29), ITS_SERVFAIL(29)) },
		{ "a name too long by one", FAILS4(A_QUERY(256), SERVFAIL_OF_NOTHING) },
		{ "the most labels: 127",
		  FAILS4(dns_with(0x0100, 1, 0, labels_of_one(127)),
			 dns_with(0x8102, 1, 0, labels_of_one(127))) },
		{ "a pointer", FAILS4(STRANGE("\300\14\0\1\0\1"), SERVFAIL_OF_NOTHING) },
		{ "its class is cut off", FAILS4(without_its_last(1, A_QUERY(80)), SERVFAIL_OF_NOTHING) },
		{ "its name is cut off in a label",
		  FAILS6(without_its_last(9, A_QUERY(80)), SERVFAIL_OF_NOTHING) },
		{ "what the UDP length leaves out does not count",
		  FAILS(ip4(CLIENT, FRONTEND, length_off_by(-1, ASKS_UDP(A_QUERY(80)))),
			TO4(udp(53, 40000, SERVFAIL_OF_NOTHING))) },
		{ "padding is cut off", FAILS(padded(9, ASKS4_13), SERVFAIL4_13) },
		{ "without checksum: the answer has one",
		  FAILS(ip4(CLIENT, FRONTEND, zero_checksum(ASKS_UDP(A_QUERY(13)))), SERVFAIL4_13) },
		{ "with a wrong one: the answer has a right one",
		  FAILS(ip4(CLIENT, FRONTEND, bad_checksum(ASKS_UDP(A_QUERY(13)))), SERVFAIL4_13) },
		{ "TTL 1 suffices", FAILS(ttl(1, tos(0xb8, dont_fragment(ASKS4_13))), SERVFAIL4_13) },
		{ "with what a partial checksum looks like",
		  FAILS_BY_TC(ip4(CLIENT, FRONTEND, partial_checksum(ASKS_UDP(A_QUERY(13)))),
			      SERVFAIL4_13),
		  .world = down },
		{ "options are dropped", FAILS_BY_TC(options(3, ASKS4_13), SERVFAIL4_13),
		  .world = down, .paths = ETHERNET_UPLINK },
		{ "extension headers are dropped",
		  FAILS_BY_TC(ip6(CLIENT6, FRONTEND6, ip6_ext(60, ASKS_UDP(A_QUERY(13)))),
			      TO6(udp(53, 40000, ITS_SERVFAIL(13)))),
		  .world = down, .paths = ETHERNET_UPLINK },
		{ "where XDP may not send, tc does", FAILS_BY_TC(ASKS4_13, SERVFAIL4_13),
		  .world = down_and_xdp_may_not_send },
		{ "XDP answers although it does not translate",
		  { { .query = ASKS4_13, .why = EDGE53_NO_BACKEND_SERVFAIL, .told = SERVFAIL4_13 } },
		  .world = down_behind_a_tunnel },
		{ "before the flags say so", FAILS_BY_TC(ASKS4_13, SERVFAIL4_13),
		  .world = down_since_a_moment },
		{ "what is no query is refused as ever",
		  { { .query = ip4(CLIENT, FRONTEND,
				   ASKS_UDP(dns_with(0x8100, 1, 0, question(13)))),
		      .why = EDGE53_NOT_A_QUERY } },
		  .world = down },
		{ "a SYN is answered with a RST",
		  { { .query = SYN4, .why = EDGE53_NO_BACKEND_RESET, .told = RESET4, .by_tc = true } },
		  .world = down },
		{ "a SYN over IPv6",
		  { { .query = ip6(CLIENT6, FRONTEND6, tcp(40000, 53, "S", nothing())),
		      .why = EDGE53_NO_BACKEND_RESET,
		      .told = TO6(reset(53, 40000, "RA", 0, 1001)),
		      .by_tc = true } },
		  .world = down },
		{ "a SYN goes on while only UDP is down",
		  { { .query = SYN4,
		      .becomes = forwarded(
			      ip4(EDGE, BACKEND, tcp(conn_port(0), BACKEND_TCP, "S", nothing()))),
		      .why = EDGE53_TCP_OPENED,
		      .state = EDGE53_CONN_HALF_OPEN } },
		  .world = down_for_udp_only },
		{ "a connection lives on",
		  { { .query = SYN4,
		      .becomes = forwarded(
			      ip4(EDGE, BACKEND, tcp(conn_port(0), BACKEND_TCP, "S", nothing()))),
		      .why = EDGE53_TCP_OPENED,
		      .state = EDGE53_CONN_HALF_OPEN },
		    { .query = ip4(CLIENT, FRONTEND, tcp(40000, 53, "A", nothing())),
		      .becomes = forwarded(
			      ip4(EDGE, BACKEND, tcp(conn_port(0), BACKEND_TCP, "A", nothing()))),
		      .why = EDGE53_TCP_QUERY_SENT,
		      .state = EDGE53_CONN_HALF_OPEN,
		      .before = down } } },
	};

	return RUN(path, cases);
}

/* --- how many --------------------------------------------------------------------------------- */

static unsigned told_of(const struct path *path, struct layer_of *query, unsigned n)
{
	struct frame in, out;
	unsigned told = 0;

	frame_of_query(path, query, &in);
	while (n--)
		told += world_run(path->query, client_device(path), &in, &out) == TC_ACT_REDIRECT;
	return told;
}

/* --- over the rate ---------------------------------------------------------------------------- */

static void one_a_day(void)
{
	world_limit_rate(DAY_NS, 1, 1,
			 EDGE53_SERVICE_XDP | EDGE53_SERVICE_RATE_LIMIT | EDGE53_SERVICE_RATE_IN_XDP);
}

static void one_a_day_by_tc(void)
{
	world_limit_rate(DAY_NS, 1, 1, EDGE53_SERVICE_XDP | EDGE53_SERVICE_RATE_LIMIT);
}

#define OVER_RATE(ask, packet, answer)                                                             \
	{ ask, { .query = packet, .why = EDGE53_RATE_TRUNCATED, .told = answer } }
#define OVER_RATE4(message, answer)                                                                \
	OVER_RATE(ASK4, ip4(CLIENT, FRONTEND, ASKS_UDP(message)), TO4(udp(53, 40000, answer))),    \
		.world = one_a_day
#define OVER_RATE6(message, answer)                                                                \
	OVER_RATE(ASK6, ip6(CLIENT6, FRONTEND6, ASKS_UDP(message)), TO6(udp(53, 40000, answer))),  \
		.world = one_a_day
#define LEFT_TO_TC(packet, answer)                                                                 \
	{ ASK4, { .query = packet, .why = EDGE53_RATE_TRUNCATED, .told = answer, .by_tc = true } }

static int over_rate(const struct path *path)
{
	const struct test_case cases[] = {
		{ "a question", OVER_RATE4(A_QUERY(13), ITS_ANSWER(13)) },
		{ "over IPv6", OVER_RATE6(A_QUERY(13), ITS_ANSWER(13)) },
		{ "with EDNS", OVER_RATE4(with_opt(A_QUERY(13)), with_opt(ITS_ANSWER(13))) },
		{ "of an odd length with EDNS",
		  OVER_RATE4(with_opt(A_QUERY(14)), with_opt(ITS_ANSWER(14))) },
		{ "with EDNS over IPv6", OVER_RATE6(with_opt(A_QUERY(14)), with_opt(ITS_ANSWER(14))) },
		{ "a record is announced and not there: there is no room for one",
		  OVER_RATE6(dns_with(0x0100, 1, 1, question(14)), ITS_ANSWER(14)) },
		{ "a long one is cut", OVER_RATE4(TOO_LONG(A_QUERY(13)), ITS_ANSWER(13)) },
		{ "the longest name", OVER_RATE4(A_QUERY(255), ITS_ANSWER(255)) },
		{ "the longest name with EDNS",
		  OVER_RATE6(with_opt(A_QUERY(255)), with_opt(ITS_ANSWER(255))) },
		{ "a name too long by one", OVER_RATE4(A_QUERY(256), NO_QUESTION) },
		{ "a cookie alone", OVER_RATE4(with_opt(dns_with(0x0100, 0, 0, nothing())),
					       with_opt(NO_QUESTION)) },
		{ "NOTIFY", OVER_RATE4(dns_with(0x2400, 1, 0, question(13)),
				       dns_with(0xa200, 1, 0, question(13))) },
		{ "without checksum: the answer has one",
		  OVER_RATE(ASK4, ip4(CLIENT, FRONTEND, zero_checksum(ASKS_UDP(A_QUERY(13)))),
			    TO4(udp(53, 40000, ITS_ANSWER(13)))),
		  .world = one_a_day },
		{ "with what a partial checksum looks like",
		  LEFT_TO_TC(ip4(CLIENT, FRONTEND, partial_checksum(ASKS_UDP(A_QUERY(13)))),
			     TO4(udp(53, 40000, ITS_ANSWER(13)))),
		  .world = one_a_day },
		{ "options are dropped",
		  LEFT_TO_TC(options(3, ip4(CLIENT, FRONTEND, ASKS_UDP(A_QUERY(13)))),
			     TO4(udp(53, 40000, ITS_ANSWER(13)))),
		  .world = one_a_day },
		{ "from class E nobody is answered",
		  { { .query = ip4("240.0.0.1", FRONTEND, QUERY),
		      .becomes = forwarded(ip4(EDGE, BACKEND, SENT(0))),
		      .why = EDGE53_QUERY_SENT },
		    { .query = ip4("240.0.0.2", FRONTEND, QUERY), .why = EDGE53_RATE_TRUNCATED } },
		  .world = one_a_day },
	};

	return RUN(path, cases);
}

/* XDP may not send on the uplink, so tc looks at the rate of all, and counts who asks. */
static int over_rate_at_tc(const struct path *path)
{
	const struct test_case cases[] = {
		{ "XDP has not counted it",
		  { { .query = ASKS4,
		      .becomes = forwarded(ip4(EDGE, BACKEND, SENT(0))),
		      .why = EDGE53_QUERY_SENT,
		      .counted_by_tc = true,
		      .by_tc = true },
		    { .query = ip4(CLIENT, FRONTEND, ASKS_UDP(A_QUERY(13))),
		      .why = EDGE53_RATE_TRUNCATED,
		      .told = ITS_ANSWER4,
		      .by_tc = true } },
		  .world = one_a_day_by_tc },
	};

	return RUN(path, cases);
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
	told = told_of(path, DOT4(TLS("S", nothing())), 1200);
	if (now_ms() - begin < 1000) /* a slow machine needs longer, and may tell more */
		good &= expect(path, "told of the first 1,200", told, 1000);
	good &= expect(path, "not told", world_cpu_state(0).refusals_suppressed, 1200 - told);
	usleep(1050000);
	good &= expect(path, "told a second later", told_of(path, DOT4(TLS("S", nothing())), 10),
		       10);
	world_read_counters(&counters);
	good &= expect(path, "counted", counters.reasons[SERVICE_ENFORCE][EDGE53_DOT_REJECTED],
		       1210);
	return !good;
}

/* An answer with TC=1 is no longer than the query; whoever forges queries gains nothing. */
static int truncated_without_limit(const struct path *path)
{
	struct layer_of *query = ip4(CLIENT, FRONTEND, ASKS_UDP(TOO_LONG(A_QUERY(13))));

	world_reset(path->client_is_l3, path->backend_is_l3);
	proxy_udp_100();
	return !(expect(path, "answered of 1,200", told_of(path, query, 1200), 1200) &
		 expect(path, "not answered", world_cpu_state(0).refusals_suppressed, 0));
}

const struct table answer_tables[] = {
	{ "answers: TTL of queries", queries_expire, ETHERNET_UPLINK },
	{ "answers: TTL of replies", replies_expire, XDP | TC_L2 | TC_L2_CHECKED },
	{ "answers: queries too big", queries_too_big, ETHERNET_UPLINK },
	{ "answers: replies too big", replies_too_big, XDP | TC_L2 | TC_L2_CHECKED },
	{ "answers: bundles", bundles, TC_L2 | TC_L2_CHECKED | TC_L2_L3 | TC_L3 },
	{ "answers: RST", resets, ENFORCE_PATHS },
	{ "answers: prohibited", prohibited, ENFORCE_L2 },
	{ "answers: TC=1", truncated, EDGE_PATHS },
	{ "answers: SERVFAIL", servfail, EDGE_PATHS },
	{ "answers: over the rate", over_rate, XDP | TC_L2 | TC_L2_L3 },
	{ "answers: over the rate at tc", over_rate_at_tc, XDP | TC_L2 | TC_L2_CHECKED },
	{ "answers: TC=1 without limit", truncated_without_limit,
	  TC_L2 | TC_L2_CHECKED | TC_L2_L3 | TC_L3 | TC_L3_L2 },
	{ "answers: a thousand a second", thousand_a_second, ENFORCE_PATHS },
	{},
};
