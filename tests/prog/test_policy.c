// SPDX-License-Identifier: GPL-2.0-only
/* enforce: what is refused, how its sender is told, and who is left alone. */
#include <string.h>

#include "cases.h"

#define NAME "example.com"
#define GOOGLE "8.8.8.8"
#define GOOGLE6 "2001:4860:4860::8888"

#define STOPS(packet, reason) { { .query = packet, .why = EDGE53_##reason } }
/* Refused, and the sender gets `answer`. */
#define TELLS(packet, reason, answer) \
	{ { .query = packet, .why = EDGE53_##reason, .told = answer } }

#define FROM4(l4) ip4(CLIENT, GOOGLE, l4)
#define FROM6(l4) ip6(CLIENT6, GOOGLE6, l4)
#define TO4(l4) any_id(ip4(GOOGLE, CLIENT, l4))
#define TO6(l4) ip6(GOOGLE6, CLIENT6, l4)

#define L4 udp(40000, 53, dns_query(7, NAME))
#define QUERY4 FROM4(L4)
#define QUERY6 FROM6(L4)
#define SYN(port) tcp(40000, port, "S", nothing())

/* Administratively prohibited, RFC 1812 5.2.7.1 and RFC 4443 3.1. */
#define PROHIBITED4(quoted) TO4(icmp(3, 13, 0, quoted))
#define PROHIBITED6(quoted) TO6(icmp(1, 1, 0, quoted))

/* --- worlds ----------------------------------------------------------------------------------- */

static void flags(unsigned flags)
{
	world_set_flags(SERVICE_ENFORCE, flags);
}

static void drops_ipv6(void)
{
	flags(EDGE53_SERVICE_IPV6_DROP);
}

static void redirects_ipv6(void)
{
	flags(EDGE53_SERVICE_IPV6_REDIRECT);
}

static void redirects_ipv6_nowhere(void)
{
	redirects_ipv6();
	world_set_backends(SERVICE_ENFORCE, NULL, 0);
}

static void redirects_ipv6_or_passes(void)
{
	redirects_ipv6_nowhere();
	flags(EDGE53_SERVICE_IPV6_REDIRECT | EDGE53_SERVICE_DOWN_PASS);
}

static void drops_dot(void)
{
	flags(EDGE53_SERVICE_DOT_DROP);
}

static void rejects_dot(void)
{
	flags(EDGE53_SERVICE_DOT_REJECT);
}

/* 1.1.1.0/24 but for nobody's 1.1.2.1, a /48, and one address in another /48. */
static void doh(unsigned flag)
{
	flags(flag);
	world_doh("1.1.1.0", 96 + 24);
	world_doh("2606:4700:4700::", 48);
	world_doh("2620:fe::fe", 128);
}

static void drops_doh(void)
{
	doh(EDGE53_SERVICE_DOH_DROP);
}

static void rejects_doh(void)
{
	doh(EDGE53_SERVICE_DOH_REJECT);
}

static void client_exempt(void)
{
	doh(EDGE53_SERVICE_EXEMPT | EDGE53_SERVICE_DOT_REJECT | EDGE53_SERVICE_DOH_REJECT);
	world_exempt(CLIENT, 128);
}

static void network_exempt(void)
{
	flags(EDGE53_SERVICE_EXEMPT);
	world_exempt("8.0.2.0", 96 + 24);
}

static void other_network_exempt(void)
{
	flags(EDGE53_SERVICE_EXEMPT);
	world_exempt("8.0.3.0", 96 + 24);
}

static void client6_exempt(void)
{
	doh(EDGE53_SERVICE_EXEMPT | EDGE53_SERVICE_IPV6_DROP | EDGE53_SERVICE_DOT_REJECT |
	    EDGE53_SERVICE_DOH_REJECT);
	world_exempt("2001:db8::", 32);
}

static void exempt_without_flag(void)
{
	world_exempt(CLIENT, 128);
}

/* --- IPv6 ------------------------------------------------------------------------------------- */

enum { HOP_BY_HOP = 0, ROUTING = 43, ESP = 50, AH = 51, DESTINATION = 60 };

#define IS_DROPPED(packet) STOPS(packet, IPV6_DROPPED), .world = drops_ipv6
#define IS_HIDDEN(packet) STOPS(packet, HIDDEN_BY_HEADERS), .world = drops_ipv6
#define PASSES(packet) STOPS(packet, NOT_OURS), .world = drops_ipv6
#define DOPT(inner) ip6_ext(DESTINATION, inner)

/* Eight headers in front of a query. */
static struct layer_of *eight(struct layer_of *l4)
{
	return ip6_ext(HOP_BY_HOP, DOPT(DOPT(DOPT(DOPT(DOPT(DOPT(DOPT(l4))))))));
}

/* UDP is told by ICMPv6, TCP by a RST; on devices without Ethernet header see test_answers.c. */
static int ipv6_dropped(const struct path *path)
{
	const struct test_case cases[] = {
		{ "UDP is told that it is prohibited",
		  TELLS(QUERY6, IPV6_DROPPED, PROHIBITED6(QUERY6)), .paths = ENFORCE_L2,
		  .world = drops_ipv6 },
		{ "a SYN is reset",
		  TELLS(FROM6(SYN(53)), IPV6_DROPPED, TO6(reset(53, 40000, "RA", 0, 1001))),
		  .world = drops_ipv6 },
		{ "behind hop-by-hop options",
		  TELLS(FROM6(ip6_ext(HOP_BY_HOP, SYN(53))), IPV6_DROPPED,
			TO6(reset(53, 40000, "RA", 0, 1001))),
		  .world = drops_ipv6 },
		{ "behind three extension headers, which are quoted",
		  TELLS(FROM6(ip6_ext(HOP_BY_HOP, ip6_routing(0, DOPT(L4)))), IPV6_DROPPED,
			PROHIBITED6(FROM6(ip6_ext(HOP_BY_HOP, ip6_routing(0, DOPT(L4)))))),
		  .paths = ENFORCE_L2, .world = drops_ipv6 },
		{ "behind eight",
		  TELLS(FROM6(eight(SYN(53))), IPV6_DROPPED, TO6(reset(53, 40000, "RA", 0, 1001))),
		  .world = drops_ipv6 },
		{ "behind 256 bytes of them",
		  TELLS(FROM6(ip6_long_ext(DESTINATION, 31, SYN(53))), IPV6_DROPPED,
			TO6(reset(53, 40000, "RA", 0, 1001))),
		  .world = drops_ipv6 },
		{ "a first fragment",
		  TELLS(FROM6(ip6_fragment(1, SYN(53))), IPV6_DROPPED,
			TO6(reset(53, 40000, "RA", 0, 1001))),
		  .world = drops_ipv6 },
		{ "a later fragment of nothing known passes",
		  PASSES(FROM6(ip6_fragment(8, L4))) },
		{ "an atomic fragment",
		  TELLS(FROM6(ip6_fragment(0, SYN(53))), IPV6_DROPPED,
			TO6(reset(53, 40000, "RA", 0, 1001))),
		  .world = drops_ipv6 },
		{ "another port passes", PASSES(FROM6(udp(40000, 54, dns_query(7, NAME)))) },
		{ "an unknown protocol passes", PASSES(FROM6(text("nobody knows this"))) },
		{ "everything passes without ipv6: drop", STOPS(QUERY6, NOT_OURS) },
		{ "an exempt network passes", STOPS(QUERY6, EXEMPT), .world = client6_exempt },
	};

	return RUN(path, cases);
}

static int ipv6_hidden(const struct path *path)
{
	const struct test_case cases[] = {
		{ "behind nine headers", IS_HIDDEN(FROM6(DOPT(eight(L4)))) },
		{ "behind 264 bytes of them", IS_HIDDEN(FROM6(ip6_long_ext(DESTINATION, 32, L4))) },
		{ "behind a routing header with segments left",
		  IS_HIDDEN(FROM6(ip6_routing(1, L4))) },
		{ "behind authentication", IS_HIDDEN(FROM6(ip6_ext(AH, L4))) },
		{ "behind two fragment headers",
		  IS_HIDDEN(FROM6(ip6_fragment(0, ip6_fragment(0, L4)))) },
		{ "a first fragment whose headers go on in the next",
		  IS_HIDDEN(
			  FROM6(ip6_fragment(1, raw(DESTINATION, (unsigned char *)"\21\4", 2)))) },
		{ "a first fragment that ends before the ports",
		  IS_HIDDEN(FROM6(ip6_fragment(1, raw(17, (unsigned char *)"\234\100", 2)))) },
		{ "and its later ones",
		  { { .query = FROM6(ip6_fragment(1, raw(17, (unsigned char *)"\234\100", 2))),
		      .why = EDGE53_HIDDEN_BY_HEADERS },
		    { .query = FROM6(ip6_fragment(8, raw(17, (unsigned char *)"later", 5))),
		      .why = EDGE53_FRAGMENT_REFUSED } },
		  .world = drops_ipv6 },
		{ "ESP passes, as any VPN does", PASSES(FROM6(ip6_ext(ESP, L4))) },
		{ "they are hidden from redirect, too",
		  STOPS(FROM6(ip6_ext(AH, L4)), HIDDEN_BY_HEADERS), .world = redirects_ipv6 },
		{ "nobody minds without a policy", STOPS(FROM6(ip6_ext(AH, L4)), NOT_OURS) },
		{ "nor of an exempt client", STOPS(FROM6(ip6_ext(AH, L4)), EXEMPT),
		  .world = client6_exempt },
	};

	return RUN(path, cases);
}

#define SENT6(n, ext) \
	ip6(CLIENT6, RESOLVER6, ext(udp(port_of(n), 53, dns_query(id_of(n), NAME))))
#define ANSWER6(n, ext) \
	ip6(RESOLVER6, CLIENT6, ext(udp(53, port_of(n), dns_reply(id_of(n), NAME))))
#define ANSWERED6(ext) TO6(ext(udp(53, 40000, dns_reply(7, NAME))))
#define SAME(l4) l4
#define SEGMENT6(reason, flags, now)                                                             \
	{ .query = FROM6(tcp(40000, 53, flags, nothing())),                                       \
	  .becomes = ip6(CLIENT6, RESOLVER6, tcp(conn_port(0), 53, flags, nothing())),             \
	  .why = EDGE53_TCP_##reason, .state = EDGE53_CONN_##now }
#define BACK6(flags, now)                                                                        \
	{ .reply = ip6(RESOLVER6, CLIENT6, tcp(53, conn_port(0), flags, nothing())),              \
	  .becomes = TO6(tcp(53, 40000, flags, nothing())), .why = EDGE53_TCP_REPLY_SENT,          \
	  .state = EDGE53_CONN_##now }

static int ipv6_redirected(const struct path *path)
{
	const struct test_case cases[] = {
		{ "a query to somebody is answered by our resolver, as if by them",
		  { { .query = QUERY6, .becomes = SENT6(0, SAME), .why = EDGE53_QUERY_SENT },
		    { .reply = ANSWER6(0, SAME), .becomes = ANSWERED6(SAME),
		      .why = EDGE53_REPLY_SENT } },
		  .world = redirects_ipv6 },
		{ "hop limit, class and label stay",
		  { { .query = flow_label(0x12345, tos(0xb9, ttl(1, QUERY6))),
		      .becomes = flow_label(0x12345, tos(0xb9, ttl(1, SENT6(0, SAME)))),
		      .why = EDGE53_QUERY_SENT } },
		  .world = redirects_ipv6 },
		{ "so do extension headers",
		  { { .query = FROM6(eight(L4)), .becomes = SENT6(0, eight),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = ANSWER6(0, DOPT), .becomes = ANSWERED6(DOPT),
		      .why = EDGE53_REPLY_SENT } },
		  .world = redirects_ipv6 },
		{ "a connection",
		  { SEGMENT6(OPENED, "S", HALF_OPEN), BACK6("SA", HALF_OPEN),
		    SEGMENT6(QUERY_SENT, "A", ESTABLISHED), BACK6("A", ESTABLISHED) },
		  .world = redirects_ipv6 },
		{ "a segment of no connection would leave the host: dropped",
		  STOPS(FROM6(tcp(40000, 53, "A", nothing())), NO_CONNECTION_DROPPED),
		  .world = redirects_ipv6 },
		{ "no resolver", STOPS(QUERY6, NO_BACKEND), .world = redirects_ipv6_nowhere },
		{ "no resolver, on_down: pass", STOPS(QUERY6, NO_BACKEND_PASSED),
		  .world = redirects_ipv6_or_passes },
		{ "no checksum is none over IPv6",
		  STOPS(FROM6(zero_checksum(L4)), NO_CHECKSUM), .world = redirects_ipv6 },
		{ "a fragmented query", STOPS(part_of(QUERY6, 0, 24), FRAGMENTED_QUERY),
		  .world = redirects_ipv6 },
		{ "an exempt client's IPv4 and IPv6 are two clients",
		  STOPS(QUERY6, EXEMPT), .world = client6_exempt },
	};

	return RUN(path, cases);
}

/* --- DNS over TLS, QUIC, HTTPS ---------------------------------------------------------------- */

#define QUIC(port) udp(40000, port, text("a quic packet, enough for two"))
#define CLOUDFLARE "1.1.1.1"
#define CLOUDFLARE6 "2606:4700:4700::1111"
#define QUAD9_6 "2620:fe::fe"

static int dot(const struct path *path)
{
	const struct test_case cases[] = {
		{ "drop: TLS", STOPS(FROM4(SYN(853)), DOT_DROPPED), .world = drops_dot },
		{ "drop: QUIC", STOPS(FROM4(QUIC(853)), DOT_DROPPED), .world = drops_dot },
		{ "drop: TLS over IPv6", STOPS(FROM6(SYN(853)), DOT_DROPPED), .world = drops_dot },
		{ "drop: QUIC over IPv6", STOPS(FROM6(QUIC(853)), DOT_DROPPED),
		  .world = drops_dot },
		{ "reject: TLS",
		  TELLS(FROM4(SYN(853)), DOT_REJECTED, TO4(reset(853, 40000, "RA", 0, 1001))),
		  .world = rejects_dot },
		{ "reject: TLS over IPv6",
		  TELLS(FROM6(SYN(853)), DOT_REJECTED, TO6(reset(853, 40000, "RA", 0, 1001))),
		  .world = rejects_dot },
		{ "reject: QUIC",
		  TELLS(FROM4(QUIC(853)), DOT_REJECTED, PROHIBITED4(FROM4(QUIC(853)))),
		  .paths = ENFORCE_L2, .world = rejects_dot },
		{ "reject: QUIC over IPv6",
		  TELLS(FROM6(QUIC(853)), DOT_REJECTED, PROHIBITED6(FROM6(QUIC(853)))),
		  .paths = ENFORCE_L2, .world = rejects_dot },
		{ "reject: a fragment of a packet, and the others",
		  { { .query = part_of(FROM4(QUIC(853)), 0, 24),
		      .why = EDGE53_DOT_REJECTED,
		      .told = PROHIBITED4(part_of(FROM4(QUIC(853)), 0, 24)) },
		    { .query = part_of(FROM4(QUIC(853)), 24, 16),
		      .why = EDGE53_FRAGMENT_REFUSED } },
		  .paths = ENFORCE_L2,
		  .world = rejects_dot },
		{ "pass", STOPS(FROM4(SYN(853)), NOT_OURS) },
		{ "pass: QUIC over IPv6", STOPS(FROM6(QUIC(853)), NOT_OURS) },
		{ "other ports pass", STOPS(FROM4(SYN(443)), NOT_OURS), .world = rejects_dot },
		{ "from port 853 passes",
		  STOPS(FROM4(udp(853, 40000, text("a quic packet"))), NOT_OURS),
		  .world = rejects_dot },
	};

	return RUN(path, cases);
}

#define TO_DOH4(who, l4) ip4(CLIENT, who, l4)
#define TO_DOH6(who, l4) ip6(CLIENT6, who, l4)

static int doh_cases(const struct path *path)
{
	const struct test_case cases[] = {
		{ "drop: HTTPS to a listed network",
		  STOPS(TO_DOH4(CLOUDFLARE, SYN(443)), DOH_DROPPED), .world = drops_doh },
		{ "drop: HTTP/3", STOPS(TO_DOH4(CLOUDFLARE, QUIC(443)), DOH_DROPPED),
		  .world = drops_doh },
		{ "drop: IPv6", STOPS(TO_DOH6(CLOUDFLARE6, SYN(443)), DOH_DROPPED),
		  .world = drops_doh },
		{ "drop: a listed address", STOPS(TO_DOH6(QUAD9_6, QUIC(443)), DOH_DROPPED),
		  .world = drops_doh },
		{ "reject: HTTPS",
		  TELLS(TO_DOH4(CLOUDFLARE, SYN(443)), DOH_REJECTED,
			any_id(ip4(CLOUDFLARE, CLIENT, reset(443, 40000, "RA", 0, 1001)))),
		  .world = rejects_doh },
		{ "reject: HTTPS over IPv6",
		  TELLS(TO_DOH6(QUAD9_6, SYN(443)), DOH_REJECTED,
			ip6(QUAD9_6, CLIENT6, reset(443, 40000, "RA", 0, 1001))),
		  .world = rejects_doh },
		{ "reject: HTTP/3",
		  TELLS(TO_DOH4(CLOUDFLARE, QUIC(443)), DOH_REJECTED,
			any_id(ip4(CLOUDFLARE, CLIENT,
				   icmp(3, 13, 0, TO_DOH4(CLOUDFLARE, QUIC(443)))))),
		  .paths = ENFORCE_L2, .world = rejects_doh },
		{ "reject: HTTP/3 over IPv6",
		  TELLS(TO_DOH6(CLOUDFLARE6, QUIC(443)), DOH_REJECTED,
			ip6(CLOUDFLARE6, CLIENT6, icmp(1, 1, 0, TO_DOH6(CLOUDFLARE6, QUIC(443))))),
		  .paths = ENFORCE_L2, .world = rejects_doh },
		{ "the address behind the network", STOPS(TO_DOH4("1.1.2.1", SYN(443)), NOT_OURS),
		  .world = rejects_doh },
		{ "the address behind the address",
		  STOPS(TO_DOH6("2620:fe::ff", SYN(443)), NOT_OURS), .world = rejects_doh },
		{ "another port of a listed server", STOPS(TO_DOH4(CLOUDFLARE, SYN(80)), NOT_OURS),
		  .world = rejects_doh },
		{ "a query to a listed server is a query",
		  { { .query = TO_DOH4(CLOUDFLARE, L4),
		      .becomes =
			      ip4(CLIENT, RESOLVER, udp(port_of(0), 53, dns_query(id_of(0), NAME))),
		      .why = EDGE53_QUERY_SENT } },
		  .world = rejects_doh },
		{ "no list, no policy", STOPS(TO_DOH4(CLOUDFLARE, SYN(443)), NOT_OURS) },
	};

	return RUN(path, cases);
}

/* --- who is left alone ------------------------------------------------------------------------ */

#define REDIRECTED                                                                               \
	{ { .query = QUERY4,                                                                      \
	    .becomes = ip4(CLIENT, RESOLVER, udp(port_of(0), 53, dns_query(id_of(0), NAME))),      \
	    .why = EDGE53_QUERY_SENT } }

static int exempt(const struct path *path)
{
	const struct test_case cases[] = {
		{ "an exempt client is left alone", STOPS(QUERY4, EXEMPT), .world = client_exempt },
		{ "its TCP too", STOPS(FROM4(SYN(53)), EXEMPT), .world = client_exempt },
		{ "its DNS over TLS", STOPS(FROM4(SYN(853)), EXEMPT), .world = client_exempt },
		{ "its DNS over HTTPS", STOPS(TO_DOH4(CLOUDFLARE, SYN(443)), EXEMPT),
		  .world = client_exempt },
		{ "its DNS over QUIC over IPv6", STOPS(FROM6(QUIC(853)), EXEMPT),
		  .world = client6_exempt },
		{ "an exempt network", STOPS(QUERY4, EXEMPT), .world = network_exempt },
		{ "somebody else's exemption", REDIRECTED, .world = other_network_exempt },
		{ "without the flag nobody looks", REDIRECTED, .world = exempt_without_flag },
		{ "IPv4 is redirected with ipv6: drop as without it", REDIRECTED,
		  .world = drops_ipv6 },
		{ "another device",
		  { { .query = QUERY4, .why = EDGE53_NOT_OURS, .device = DEV_OTHER } } },
		{ "ICMP", STOPS(FROM4(icmp_echo()), NOT_OURS) },
		{ "ping over IPv6",
		  STOPS(FROM6(icmp(128, 0, 0, text("ping"))), NOT_OURS), .world = drops_ipv6 },
		{ "a later fragment", STOPS(later_fragment(QUERY4), NOT_OURS) },
	};

	return RUN(path, cases);
}

const struct table policy_tables[] = {
	{ "ipv6: drop", ipv6_dropped, ENFORCE_PATHS },
	{ "ipv6: hidden by headers", ipv6_hidden, ENFORCE_PATHS },
	{ "ipv6: redirect", ipv6_redirected, ENFORCE_PATHS },
	{ "dot", dot, ENFORCE_PATHS },
	{ "doh", doh_cases, ENFORCE_PATHS },
	{ "exempt", exempt, ENFORCE_PATHS },
	{},
};
