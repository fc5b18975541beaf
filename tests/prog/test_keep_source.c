// SPDX-License-Identifier: GPL-2.0-only
/* edge, keep_source: whose queries keep their source, and where the replies to them are looked for. */
#include <string.h>

#include "cases.h"

#define NAME "example.com"

#define QUERY udp(40000, 53, dns_query(7, NAME))
#define SENT(n) udp(port_of(n), BACKEND_UDP, dns_query(id_of(n), NAME))
#define ANSWER(n) udp(BACKEND_UDP, port_of(n), dns_reply(id_of(n), NAME))
#define ANSWERED udp(53, 40000, dns_reply(7, NAME))

#define FROM(client, frontend, source, backend, family)                                          \
	{ .query = family(client, frontend, QUERY),                                                \
	  .becomes = forwarded(family(source, backend, SENT(0))), .why = EDGE53_QUERY_SENT }
#define BACK(client, frontend, source, backend, family)                                          \
	{ .reply = family(backend, source, ANSWER(0)),                                             \
	  .becomes = forwarded(family(frontend, client, ANSWERED)), .why = EDGE53_REPLY_SENT }
#define THERE_AND_BACK(...) { FROM(__VA_ARGS__), BACK(__VA_ARGS__) }

#define KEPT THERE_AND_BACK(CLIENT, FRONTEND, CLIENT, BACKEND, ip4)
#define NOT_KEPT THERE_AND_BACK(CLIENT, FRONTEND, EDGE, BACKEND, ip4)
#define KEPT6 THERE_AND_BACK(CLIENT6, FRONTEND6, CLIENT6, BACKEND6, ip6)
#define NOT_KEPT6 THERE_AND_BACK(CLIENT6, FRONTEND6, EDGE6, BACKEND6, ip6)

static void enable(void)
{
	world_set_flags(SERVICE_EDGE, EDGE53_SERVICE_XDP | EDGE53_SERVICE_KEEP_SOURCE);
}

static void keep_client(void)
{
	enable();
	world_keep_source(CLIENT, 128);
}

static void keep_network(void)
{
	enable();
	world_keep_source("8.0.2.0", 96 + 24);
}

static void keep_all_ipv4(void)
{
	enable();
	world_keep_source("0.0.0.0", 96);
}

static void keep_everybody(void)
{
	enable();
	world_keep_source("::", 0);
}

static void keep_others(void)
{
	enable();
	world_keep_source(CLIENT_2, 128);
	world_keep_source("2001:db8:86dd:3::", 64);
}

static void keep_client6(void)
{
	enable();
	world_keep_source("2001:db8:86dd:2::", 64);
}

static void no_flag(void)
{
	world_keep_source(CLIENT, 128);
}

static void keep_with_backend6(void)
{
	keep_everybody();
	world_set_backends(SERVICE_EDGE, (__u8[]){ ID_BACKEND6 }, 1);
}

static void keep_with_backend4(void)
{
	keep_everybody();
	world_set_backends(SERVICE_EDGE, (__u8[]){ ID_BACKEND }, 1);
}

/* --- UDP -------------------------------------------------------------------------------------- */

static int kept(const struct path *path)
{
	const struct test_case cases[] = {
		{ "a client", KEPT, .world = keep_client },
		{ "its network", KEPT, .world = keep_network },
		{ "all of IPv4", KEPT, .world = keep_all_ipv4 },
		{ "everybody", KEPT, .world = keep_everybody },
		{ "everybody by IPv6", KEPT6, .world = keep_everybody },
		{ "a network by IPv6", KEPT6, .world = keep_client6 },
		{ "all of IPv4 is nobody of IPv6", NOT_KEPT6, .world = keep_all_ipv4 },
		{ "other clients", NOT_KEPT, .world = keep_others },
		{ "other clients by IPv6", NOT_KEPT6, .world = keep_others },
		{ "without the flag nobody looks", NOT_KEPT, .world = no_flag },
		{ "a first fragment of a reply, and the later one",
		  { FROM(CLIENT, FRONTEND, CLIENT, BACKEND, ip4),
		    { .reply = part_of(ip4(BACKEND, CLIENT, udp(BACKEND_UDP, port_of(0),
								longer(900, dns_reply(id_of(0), NAME)))),
				       0, 800),
		      .becomes = part_of(forwarded(ip4(FRONTEND, CLIENT,
						       udp(53, 40000, longer(900, dns_reply(7, NAME))))),
					 0, 800),
		      .why = EDGE53_REPLY_SENT, .by_tc = true },
		    { .reply = part_of(ip4(BACKEND, CLIENT, udp(BACKEND_UDP, port_of(0),
								longer(900, dns_reply(id_of(0), NAME)))),
				       800, 136),
		      .becomes = part_of(forwarded(ip4(FRONTEND, CLIENT,
						       udp(53, 40000, longer(900, dns_reply(7, NAME))))),
					 800, 136),
		      .why = EDGE53_FRAGMENT_SENT, .by_tc = true } },
		  .world = keep_client },
	};

	return RUN(path, cases);
}

/* A reply that does not come to the address the query was sent with is nobody's. */
static int strangers(const struct path *path)
{
	const struct test_case cases[] = {
		{ "to the edge's address, of a client that kept its own",
		  { FROM(CLIENT, FRONTEND, CLIENT, BACKEND, ip4),
		    { .reply = ip4(BACKEND, EDGE, ANSWER(0)), .why = EDGE53_REPLY_FOREIGN, .of_nobody = true },
		    BACK(CLIENT, FRONTEND, CLIENT, BACKEND, ip4) },
		  .world = keep_client },
		{ "to another client",
		  { FROM(CLIENT, FRONTEND, CLIENT, BACKEND, ip4),
		    { .reply = ip4(BACKEND, CLIENT_2, ANSWER(0)), .why = EDGE53_REPLY_FOREIGN, .of_nobody = true },
		    BACK(CLIENT, FRONTEND, CLIENT, BACKEND, ip4) },
		  .world = keep_client },
		{ "to the client, that did not keep its own",
		  { FROM(CLIENT, FRONTEND, EDGE, BACKEND, ip4),
		    { .reply = ip4(BACKEND, CLIENT, ANSWER(0)), .why = EDGE53_REPLY_FOREIGN, .of_nobody = true },
		    BACK(CLIENT, FRONTEND, EDGE, BACKEND, ip4) },
		  .world = keep_others },
	};

	return RUN(path, cases);
}

/* What was decided when the query came holds for its reply, whatever the loader writes meanwhile. */
static int reload(const struct path *path)
{
	const struct test_case cases[] = {
		{ "kept, and then no more",
		  { FROM(CLIENT, FRONTEND, CLIENT, BACKEND, ip4),
		    { .reply = ip4(BACKEND, CLIENT, ANSWER(0)),
		      .becomes = forwarded(ip4(FRONTEND, CLIENT, ANSWERED)),
		      .why = EDGE53_REPLY_SENT,
		      .before = world_forget_keep_source } },
		  .world = keep_client },
		{ "not kept, and then all are",
		  { FROM(CLIENT, FRONTEND, EDGE, BACKEND, ip4),
		    { .reply = ip4(BACKEND, EDGE, ANSWER(0)),
		      .becomes = forwarded(ip4(FRONTEND, CLIENT, ANSWERED)),
		      .why = EDGE53_REPLY_SENT,
		      .before = keep_everybody } } },
	};

	return RUN(path, cases);
}

/* IPv6 cannot say who an IPv4 client is, nor the other way round: it is the edge that asks. */
static int other_family(const struct path *path)
{
	const struct test_case cases[] = {
		{ "IPv4 to IPv6",
		  { { .query = ip4(CLIENT, FRONTEND, QUERY),
		      .becomes = forwarded(ip6(EDGE6, BACKEND6, SENT(0))),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = ip6(BACKEND6, EDGE6, ANSWER(0)),
		      .becomes = any_id(forwarded(ip4(FRONTEND, CLIENT, ANSWERED))),
		      .why = EDGE53_REPLY_SENT } },
		  .world = keep_with_backend6 },
		{ "IPv6 to IPv4",
		  { { .query = ip6(CLIENT6, FRONTEND6, QUERY),
		      .becomes = any_id(forwarded(ip4(EDGE, BACKEND, SENT(0)))),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = ip4(BACKEND, EDGE, ANSWER(0)),
		      .becomes = forwarded(ip6(FRONTEND6, CLIENT6, ANSWERED)),
		      .why = EDGE53_REPLY_SENT } },
		  .world = keep_with_backend4 },
	};

	return RUN(path, cases);
}

/* --- TCP and ICMP ----------------------------------------------------------------------------- */

#define SYN tcp(40000, 53, "S", nothing())
#define SYN_SENT tcp(conn_port(0), BACKEND_TCP, "S", nothing())
#define SYN_ACK tcp(BACKEND_TCP, conn_port(0), "SA", nothing())
#define SYN_ACK_SENT tcp(53, 40000, "SA", nothing())

#define OPEN(source)                                                                               \
	{ .query = ip4(CLIENT, FRONTEND, SYN), .becomes = forwarded(ip4(source, BACKEND, SYN_SENT)), \
	  .why = EDGE53_TCP_OPENED },                                                              \
	{ .reply = ip4(BACKEND, source, SYN_ACK),                                                  \
	  .becomes = forwarded(ip4(FRONTEND, CLIENT, SYN_ACK_SENT)),                               \
	  .why = EDGE53_TCP_REPLY_SENT }
#define GO_ON_AS(source)                                                                           \
	{ .query = ip4(CLIENT, FRONTEND, tcp(40000, 53, "A", nothing())),                          \
	  .becomes = forwarded(ip4(source, BACKEND, tcp(conn_port(0), BACKEND_TCP, "A", nothing()))), \
	  .why = EDGE53_TCP_QUERY_SENT }
/* A RST of the client may be forged; one of the backend with ACK ends the connection. */
#define CLIENT_RESETS(source)                                                                      \
	{ .query = ip4(CLIENT, FRONTEND, tcp(40000, 53, "R", nothing())),                          \
	  .becomes = forwarded(ip4(source, BACKEND, tcp(conn_port(0), BACKEND_TCP, "R", nothing()))), \
	  .why = EDGE53_TCP_QUERY_SENT }
#define BACKEND_RESETS(source)                                                                     \
	{ .reply = ip4(BACKEND, source, tcp(BACKEND_TCP, conn_port(0), "RA", nothing())),           \
	  .becomes = forwarded(ip4(FRONTEND, CLIENT, tcp(53, 40000, "RA", nothing()))),             \
	  .why = EDGE53_TCP_REPLY_SENT }
#define SYN_AGAIN(source, as, then)                                                                \
	{ .query = ip4(CLIENT, FRONTEND, SYN), .becomes = forwarded(ip4(source, BACKEND, SYN_SENT)), \
	  .why = EDGE53_##as, .before = then }

static int tcp_kept(const struct path *path)
{
	const struct test_case cases[] = {
		{ "a connection", { OPEN(CLIENT), GO_ON_AS(CLIENT) }, .world = keep_client },
		{ "one of somebody else", { OPEN(EDGE), GO_ON_AS(EDGE) }, .world = keep_others },
		{ "it stays what it was when it was opened",
		  { OPEN(CLIENT),
		    { .query = ip4(CLIENT, FRONTEND, tcp(40000, 53, "A", nothing())),
		      .becomes = forwarded(ip4(CLIENT, BACKEND,
					       tcp(conn_port(0), BACKEND_TCP, "A", nothing()))),
		      .why = EDGE53_TCP_QUERY_SENT,
		      .before = world_forget_keep_source } },
		  .world = keep_client },
		{ "also after a RST of the client's, which may be forged",
		  { OPEN(CLIENT), CLIENT_RESETS(CLIENT),
		    SYN_AGAIN(CLIENT, TCP_QUERY_SENT, world_forget_keep_source), GO_ON_AS(CLIENT) },
		  .world = keep_client },
		{ "after one of the backend's it is a new connection, and asked again",
		  { OPEN(CLIENT), BACKEND_RESETS(CLIENT),
		    SYN_AGAIN(EDGE, TCP_OPENED, world_forget_keep_source), GO_ON_AS(EDGE) },
		  .world = keep_client },
		{ "not kept, and kept when it reopens",
		  { OPEN(EDGE), BACKEND_RESETS(EDGE), SYN_AGAIN(CLIENT, TCP_OPENED, keep_everybody),
		    GO_ON_AS(CLIENT) } },
	};

	return RUN(path, cases);
}

/* An error about a query comes to the client's address; one about a reply leaves from it. */
static int errors(const struct path *path)
{
	const struct test_case cases[] = {
		{ "about a query",
		  { FROM(CLIENT, FRONTEND, CLIENT, BACKEND, ip4),
		    { .reply = ip4(BACKEND, CLIENT,
				   icmp(3, 3, 0, ttl(63, ip4(CLIENT, BACKEND, SENT(0))))),
		      .becomes = forwarded(ip4(FRONTEND, CLIENT,
					       icmp(3, 3, 0, ttl(63, ip4(CLIENT, FRONTEND, QUERY))))),
		      .why = EDGE53_ICMP_SENT, .by_tc = true } },
		  .world = keep_client },
		{ "about a reply by TCP",
		  { OPEN(CLIENT),
		    { .query = ip4(CLIENT, FRONTEND,
				   icmp(3, 4, 1400, ttl(63, ip4(FRONTEND, CLIENT, SYN_ACK_SENT)))),
		      .becomes = forwarded(ip4(CLIENT, BACKEND,
					       icmp(3, 4, 1400, ttl(63, ip4(BACKEND, CLIENT, SYN_ACK))))),
		      .why = EDGE53_ICMP_SENT, .by_tc = true } },
		  .world = keep_client },
	};

	return RUN(path, cases);
}

const struct table keep_source_tables[] = {
	{ "keep_source: UDP", kept, EDGE_PATHS },
	{ "keep_source: replies to somebody else", strangers, EDGE_PATHS },
	{ "keep_source: a query outlives the configuration", reload, EDGE_PATHS },
	{ "keep_source: not in the other family", other_family, EDGE_PATHS },
	{ "keep_source: TCP", tcp_kept, EDGE_PATHS },
	{ "keep_source: ICMP errors", errors, EDGE_PATHS },
	{},
};
