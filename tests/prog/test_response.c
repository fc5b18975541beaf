// SPDX-License-Identifier: GPL-2.0-only
/* response_limit and any: what becomes of a reply over the limit, whose that is, and of queries of type ANY. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/pkt_cls.h>

#include "bytes.h"
#include "cases.h"

#define NAME "example.com"
#define NEIGHBOUR "8.0.2.255" /* of CLIENT, in its /24 */
#define OTHER_PREFIX "8.0.3.0"
#define GOOGLE "8.8.8.8"
#define GOOGLE6 "2001:4860:4860::8888"

/* --- replies ----------------------------------------------------------------------------------- */

/* 429 bytes of message; with headers 457 by IPv4 and 477 by IPv6. */
#define LONG(message) longer(400, message)
#define LEN4 457
#define LEN6 477

#define ASKED(id) dns_query(id, NAME)
#define ANSWER(id) LONG(dns_reply(id, NAME))
#define CUT(id) dns(id, 0x8300, 1, 0, NAME)

#define QUERY_OF(client, n, message)                                                               \
	{ .query = ip4(client, FRONTEND, udp(40000, 53, with_id(7, message))),                     \
	  .becomes = forwarded(                                                                    \
		  ip4(EDGE, BACKEND, udp(port_of(n), BACKEND_UDP, with_id(id_of(n), message)))),   \
	  .why = EDGE53_QUERY_SENT }
#define REPLY_OF(client, n, before, after, reason)                                                 \
	{ .reply = ip4(BACKEND, EDGE, udp(BACKEND_UDP, port_of(n), with_id(id_of(n), before))),    \
	  .becomes = any_id(forwarded(ip4(FRONTEND, client, udp(53, 40000, with_id(7, after))))),  \
	  .why = reason }

/* A client that asks, and what it gets: all of the reply, or its question. */
#define GETS(n, client)                                                                            \
	QUERY_OF(client, n, ASKED(7)),                                                             \
		REPLY_OF(client, n, ANSWER(7), ANSWER(7), EDGE53_REPLY_SENT)
#define IS_CUT(n, client)                                                                          \
	QUERY_OF(client, n, ASKED(7)),                                                             \
		REPLY_OF(client, n, ANSWER(7), CUT(7), EDGE53_RESPONSE_TRUNCATED)
/* The same for any messages. */
#define CUTS(n, asked, answered, cut)                                                              \
	QUERY_OF(CLIENT, n, asked),                                                                \
		REPLY_OF(CLIENT, n, answered, cut, EDGE53_RESPONSE_TRUNCATED)

static void two_replies(void)
{
	world_limit_responses(SERVICE_EDGE, 1, 2 * LEN4);
}

static void a_reply_and_a_half(void)
{
	world_limit_responses(SERVICE_EDGE, 1, LEN4 * 3 / 2);
}

static void one_reply6(void)
{
	world_limit_responses(SERVICE_EDGE, 1, LEN6);
}

/* Less than any reply is long. */
static void nothing_at_all(void)
{
	world_limit_responses(SERVICE_EDGE, 1, 20);
}

static void nothing_at_all_but_the_client(void)
{
	nothing_at_all();
	world_exempt_from_responses(SERVICE_EDGE, CLIENT);
}

static void two_replies_but_not_the_client(void)
{
	two_replies();
	world_exempt_from_responses(SERVICE_EDGE, CLIENT);
}

static void no_limit_any_more(void)
{
	world_change_responses(SERVICE_EDGE, 0, 0);
}

static int replies(const struct path *path)
{
	const struct test_case cases[] = {
		{ "the burst, and no more",
		  { GETS(0, CLIENT), GETS(1, CLIENT), IS_CUT(2, CLIENT), IS_CUT(3, CLIENT) },
		  .world = two_replies },
		{ "who shares the prefix shares the limit",
		  { GETS(0, CLIENT), GETS(1, CLIENT_2), IS_CUT(2, NEIGHBOUR), IS_CUT(3, CLIENT) },
		  .world = two_replies },
		{ "others have their own",
		  { GETS(0, CLIENT), GETS(1, CLIENT), IS_CUT(2, CLIENT), GETS(3, OTHER_PREFIX),
		    GETS(4, OTHER_PREFIX), IS_CUT(5, OTHER_PREFIX) }, .world = two_replies },
		{ "what is cut costs nothing: a shorter one goes through",
		  { GETS(0, CLIENT), IS_CUT(1, CLIENT),
		    QUERY_OF(CLIENT, 2, ASKED(7)),
		    REPLY_OF(CLIENT, 2, dns_reply(7, NAME), dns_reply(7, NAME), EDGE53_REPLY_SENT) },
		  .world = a_reply_and_a_half },
		{ "a reply twice costs once",
		  { GETS(0, CLIENT),
		    { .reply = ip4(BACKEND, EDGE, udp(BACKEND_UDP, port_of(0), ANSWER(id_of(0)))),
		      .why = EDGE53_REPLY_DUPLICATE },
		    GETS(1, CLIENT), IS_CUT(2, CLIENT) }, .world = two_replies },
		{ "nor does one of somebody else",
		  { GETS(0, CLIENT), QUERY_OF(CLIENT, 1, ASKED(7)),
		    { .reply = ip4(STRANGER, EDGE, udp(BACKEND_UDP, port_of(1), ANSWER(id_of(1)))),
		      .why = EDGE53_REPLY_FOREIGN, .of_nobody = true },
		    REPLY_OF(CLIENT, 1, ANSWER(7), ANSWER(7), EDGE53_REPLY_SENT) },
		  .world = two_replies },
		{ "a cut one is not cut twice",
		  { IS_CUT(0, CLIENT),
		    { .reply = ip4(BACKEND, EDGE, udp(BACKEND_UDP, port_of(0), ANSWER(id_of(0)))),
		      .why = EDGE53_REPLY_DUPLICATE } }, .world = nothing_at_all },
		{ "who is exempt is not limited",
		  { GETS(0, CLIENT), GETS(1, CLIENT), GETS(2, CLIENT), IS_CUT(3, CLIENT_2) },
		  .world = nothing_at_all_but_the_client },
		{ "and takes nothing from its neighbours",
		  { GETS(0, CLIENT), GETS(1, CLIENT), GETS(2, NEIGHBOUR), GETS(3, NEIGHBOUR),
		    IS_CUT(4, NEIGHBOUR), GETS(5, CLIENT) },
		  .world = two_replies_but_not_the_client },
		{ "the limit goes while a reply is awaited",
		  { QUERY_OF(CLIENT, 0, ASKED(7)),
		    { .reply = ip4(BACKEND, EDGE, udp(BACKEND_UDP, port_of(0), ANSWER(id_of(0)))),
		      .becomes = forwarded(ip4(FRONTEND, CLIENT, udp(53, 40000, ANSWER(7)))),
		      .why = EDGE53_REPLY_SENT,
		      .before = no_limit_any_more } }, .world = nothing_at_all },
		{ "IPv6",
		  { { .query = ip6(CLIENT6, FRONTEND6, udp(40000, 53, ASKED(7))),
		      .becomes = forwarded(ip6(EDGE6, BACKEND6,
					       udp(port_of(0), BACKEND_UDP, ASKED(id_of(0))))),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = ip6(BACKEND6, EDGE6, udp(BACKEND_UDP, port_of(0), ANSWER(id_of(0)))),
		      .becomes = forwarded(ip6(FRONTEND6, CLIENT6, udp(53, 40000, ANSWER(7)))),
		      .why = EDGE53_REPLY_SENT },
		    { .query = ip6(CLIENT6, FRONTEND6, udp(40000, 53, ASKED(7))),
		      .becomes = forwarded(ip6(EDGE6, BACKEND6,
					       udp(port_of(1), BACKEND_UDP, ASKED(id_of(1))))),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = ip6(BACKEND6, EDGE6, udp(BACKEND_UDP, port_of(1), ANSWER(id_of(1)))),
		      .becomes = forwarded(ip6(FRONTEND6, CLIENT6, udp(53, 40000, CUT(7)))),
		      .why = EDGE53_RESPONSE_TRUNCATED } }, .world = one_reply6 },
	};

	return RUN(path, cases);
}

/* --- what is left of one ------------------------------------------------------------------------ */

static struct layer_of *dns_with(unsigned flags, unsigned questions, unsigned additionals)
{
	return header_only(dns(7, flags, questions, additionals, ""));
}

/* A label of 64, which is none. */
static struct layer_of *no_name(struct layer_of *message)
{
	message->data[12] = 64;
	return message;
}

/* Of the root, type A: 17 bytes. */
static struct layer_of *root(unsigned flags)
{
	return option("\0\0\1\0\1", 5, dns_with(flags, 1, 0));
}

#define EDNS_ASKED with_opt(ASKED(7))
#define TAKES(packet, after)                                                                       \
	{ QUERY_OF(CLIENT, 0, ASKED(7)),                                                           \
	  { .reply = packet, .becomes = any_id(forwarded(ip4(FRONTEND, CLIENT, after))),            \
	    .why = EDGE53_RESPONSE_TRUNCATED, .by_tc = true } }
#define TO_EDGE(l4) ip4(BACKEND, EDGE, l4)
#define AN_ANSWER udp(BACKEND_UDP, port_of(0), ANSWER(id_of(0)))
#define ITS_CUT udp(53, 40000, CUT(7))

static int shapes(const struct path *path)
{
	const struct test_case cases[] = {
		{ "of the root", { CUTS(0, root(0x0100), LONG(root(0x8180)), root(0x8300)) } },
		{ "of an odd length",
		  { CUTS(0, dns(7, 0x0100, 1, 0, "odd"), LONG(dns(7, 0x8180, 1, 0, "odd")),
			 dns(7, 0x8300, 1, 0, "odd")) } },
		{ "of an even one",
		  { CUTS(0, dns(7, 0x0100, 1, 0, "even"), longer(401, dns(7, 0x8180, 1, 0, "even")),
			 dns(7, 0x8300, 1, 0, "even")) } },
		{ "with EDNS on both sides: the rest has it",
		  { CUTS(0, EDNS_ASKED, LONG(with_opt(dns_reply(7, NAME))), with_opt(CUT(7))) } },
		{ "with an even length before the OPT record",
		  { CUTS(0, with_opt(dns(7, 0x0100, 1, 0, "even")),
			 LONG(with_opt(dns(7, 0x8180, 1, 0, "even"))),
			 with_opt(dns(7, 0x8300, 1, 0, "even"))) } },
		{ "asked without EDNS: additional records of the reply are others",
		  { CUTS(0, ASKED(7), LONG(dns(7, 0x8180, 1, 3, NAME)), CUT(7)) } },
		{ "asked with EDNS, and the server has none",
		  { CUTS(0, EDNS_ASKED, ANSWER(7), CUT(7)) } },
		{ "the reply has no room for an OPT record: it does not become longer",
		  { CUTS(0, EDNS_ASKED, longer(10, dns(7, 0x8180, 1, 1, NAME)), CUT(7)) } },
		{ "nothing but the question: only TC=1 is new",
		  { CUTS(0, ASKED(7), dns_reply(7, NAME), CUT(7)) } },
		{ "no question", { CUTS(0, ASKED(7), LONG(dns_with(0x8185, 0, 0)),
					dns_with(0x8300, 0, 0)) } },
		{ "two questions", { CUTS(0, ASKED(7), LONG(dns(7, 0x8180, 2, 0, NAME)),
					  dns_with(0x8300, 0, 0)) } },
		{ "a question that cannot be walked",
		  { CUTS(0, ASKED(7), no_name(LONG(dns_reply(7, NAME))), dns_with(0x8300, 0, 0)) } },
		{ "NXDOMAIN is counted, and sent by TCP",
		  { CUTS(0, ASKED(7), LONG(dns(7, 0x8183, 1, 0, NAME)), CUT(7)) } },
		{ "every flag: opcode and RD stay",
		  { CUTS(0, ASKED(7), LONG(dns(7, 0xffff, 1, 0, NAME)),
			 dns(7, 0xfb00, 1, 0, NAME)) } },
		{ "without checksum: the rest has one",
		  { QUERY_OF(CLIENT, 0, ASKED(7)),
		    { .reply = TO_EDGE(zero_checksum(AN_ANSWER)),
		      .becomes = any_id(forwarded(ip4(FRONTEND, CLIENT, ITS_CUT))),
		      .why = EDGE53_RESPONSE_TRUNCATED } } },
		{ "a partial checksum stays one",
		  TAKES(TO_EDGE(partial_checksum(AN_ANSWER)), ITS_CUT) },
		{ "options go", TAKES(options(3, TO_EDGE(AN_ANSWER)), ITS_CUT) },
		{ "whatever its TTL and TOS are",
		  { QUERY_OF(CLIENT, 0, ASKED(7)),
		    { .reply = ttl(2, tos(4, TO_EDGE(AN_ANSWER))),
		      .becomes = any_id(forwarded(ip4(FRONTEND, CLIENT, ITS_CUT))),
		      .why = EDGE53_RESPONSE_TRUNCATED } } },
	};
	struct test_case of_all[sizeof(cases) / sizeof(*cases)];

	memcpy(of_all, cases, sizeof(cases));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		of_all[i].world = nothing_at_all;
	return RUN(path, of_all);
}

/* --- from one family to the other ---------------------------------------------------------------- */

static void backend_ipv4(void)
{
	nothing_at_all();
	world_set_backends(SERVICE_EDGE, (const __u8[]){ ID_BACKEND }, 1);
}

static void backend_ipv6(void)
{
	nothing_at_all();
	world_set_backends(SERVICE_EDGE, (const __u8[]){ ID_BACKEND6 }, 1);
}

/* What fits as the backend sends it, and does not as the client would get it. */
static void backend_ipv4_fits(void)
{
	world_limit_responses(SERVICE_EDGE, 1, LEN6 - 1);
	world_set_backends(SERVICE_EDGE, (const __u8[]){ ID_BACKEND }, 1);
}

#define FROM_IPV4                                                                                  \
	{ { .query = ip6(CLIENT6, FRONTEND6, udp(40000, 53, ASKED(7))),                            \
	    .becomes = any_id(forwarded(                                                           \
		    ip4(EDGE, BACKEND, udp(port_of(0), BACKEND_UDP, ASKED(id_of(0)))))),           \
	    .why = EDGE53_QUERY_SENT },                                                            \
	  { .reply = TO_EDGE(AN_ANSWER),                                                           \
	    .becomes = forwarded(ip6(FRONTEND6, CLIENT6, ITS_CUT)),                                \
	    .why = EDGE53_RESPONSE_TRUNCATED } }

static int families(const struct path *path)
{
	const struct test_case cases[] = {
		{ "an IPv6 client of an IPv4 backend", FROM_IPV4, .world = backend_ipv4 },
		{ "its bytes are those of IPv6", FROM_IPV4, .world = backend_ipv4_fits },
		{ "an IPv4 client of an IPv6 backend",
		  { { .query = ip4(CLIENT, FRONTEND, udp(40000, 53, ASKED(7))),
		      .becomes = forwarded(ip6(EDGE6, BACKEND6,
					       udp(port_of(0), BACKEND_UDP, ASKED(id_of(0))))),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = ip6(BACKEND6, EDGE6, AN_ANSWER),
		      .becomes = any_id(forwarded(ip4(FRONTEND, CLIENT, ITS_CUT))),
		      .why = EDGE53_RESPONSE_TRUNCATED } },
		  .world = backend_ipv6 },
	};

	return RUN(path, cases);
}

/* --- fragments ---------------------------------------------------------------------------------- */

#define PART_1(packet) part_of(packet, 0, 208)
#define PART_2(packet) part_of(packet, 208, 400)
#define FIRST_IS(before, after, reason)                                                            \
	{ .reply = before, .becomes = after, .why = reason, .by_tc = true }
#define PART_IS(packet, after, reason)                                                             \
	{ .reply = packet, .becomes = after, .why = reason, .by_tc = true }
#define PART_ENDS(packet) { .reply = packet, .why = EDGE53_FRAGMENT_REFUSED, .by_tc = true }
#define ANSWER4 TO_EDGE(AN_ANSWER)
#define GETS4 forwarded(ip4(FRONTEND, CLIENT, udp(53, 40000, ANSWER(7))))
#define GETS_CUT4 any_id(forwarded(ip4(FRONTEND, CLIENT, ITS_CUT)))

/* More than the first part is, but not as much as all of them are. */
static void a_part(void)
{
	world_limit_responses(SERVICE_EDGE, 1, LEN4 - 1);
}

static void just_a_reply(void)
{
	world_limit_responses(SERVICE_EDGE, 1, LEN4);
}

static int fragments(const struct path *path)
{
	const struct test_case cases[] = {
		{ "of one that is cut no other part is sent",
		  { QUERY_OF(CLIENT, 0, ASKED(7)),
		    FIRST_IS(PART_1(ANSWER4), GETS_CUT4, EDGE53_RESPONSE_TRUNCATED),
		    PART_ENDS(PART_2(ANSWER4)), PART_ENDS(PART_2(ANSWER4)) }, .world = a_part },
		{ "of one that is not, all are",
		  { QUERY_OF(CLIENT, 0, ASKED(7)),
		    FIRST_IS(PART_1(ANSWER4), PART_1(GETS4), EDGE53_REPLY_SENT),
		    PART_IS(PART_2(ANSWER4), PART_2(GETS4), EDGE53_FRAGMENT_SENT) },
		  .world = just_a_reply },
		{ "and it has cost what all are",
		  { QUERY_OF(CLIENT, 0, ASKED(7)),
		    FIRST_IS(PART_1(ANSWER4), PART_1(GETS4), EDGE53_REPLY_SENT),
		    QUERY_OF(CLIENT, 1, ASKED(7)),
		    REPLY_OF(CLIENT, 1, dns_reply(7, NAME), CUT(7), EDGE53_RESPONSE_TRUNCATED) },
		  .world = just_a_reply },
		{ "a first part in which the question ends too early",
		  { QUERY_OF(CLIENT, 0, ASKED(7)),
		    FIRST_IS(part_of(ANSWER4, 0, 32),
			     any_id(forwarded(ip4(FRONTEND, CLIENT,
						  udp(53, 40000, dns_with(0x8300, 0, 0))))),
			     EDGE53_RESPONSE_TRUNCATED),
		    PART_ENDS(part_of(ANSWER4, 32, 400)) }, .world = a_part },
		{ "IPv6",
		  { { .query = ip6(CLIENT6, FRONTEND6, udp(40000, 53, ASKED(7))),
		      .becomes = forwarded(ip6(EDGE6, BACKEND6,
					       udp(port_of(0), BACKEND_UDP, ASKED(id_of(0))))),
		      .why = EDGE53_QUERY_SENT },
		    FIRST_IS(PART_1(ip6(BACKEND6, EDGE6, AN_ANSWER)),
			     forwarded(ip6(FRONTEND6, CLIENT6, ITS_CUT)),
			     EDGE53_RESPONSE_TRUNCATED),
		    PART_ENDS(PART_2(ip6(BACKEND6, EDGE6, AN_ANSWER))) },
		  .world = a_part, .paths = XDP | TC_L2 | TC_L2_CHECKED },
	};

	return RUN(path, cases);
}

/* --- who completed a handshake ------------------------------------------------------------------- */

#define SEGMENT_IN(flags) ip4(CLIENT, FRONTEND, tcp(40000, 53, flags, nothing()))
#define SEGMENT_OUT(flags)                                                                         \
	forwarded(ip4(EDGE, BACKEND, tcp(conn_port(0), BACKEND_TCP, flags, nothing())))
#define HANDSHAKE                                                                                  \
	{ .query = SEGMENT_IN("S"), .becomes = SEGMENT_OUT("S"), .why = EDGE53_TCP_OPENED,         \
	  .state = EDGE53_CONN_HALF_OPEN },                                                        \
	{ .reply = ip4(BACKEND, EDGE, tcp(BACKEND_TCP, conn_port(0), "SA", nothing())),            \
	  .becomes = forwarded(ip4(FRONTEND, CLIENT, tcp(53, 40000, "SA", nothing()))),            \
	  .why = EDGE53_TCP_REPLY_SENT, .state = EDGE53_CONN_HALF_OPEN },                          \
	{ .query = SEGMENT_IN("A"), .becomes = SEGMENT_OUT("A"), .why = EDGE53_TCP_QUERY_SENT,     \
	  .state = EDGE53_CONN_ESTABLISHED }

static void proof_is_old(void)
{
	world_age_proofs(601);
}

static int proofs(const struct path *path)
{
	const struct test_case cases[] = {
		{ "who completed a handshake is not limited, his neighbours are",
		  { IS_CUT(0, CLIENT), HANDSHAKE, GETS(1, CLIENT), GETS(2, CLIENT),
		    IS_CUT(3, CLIENT_2) }, .world = nothing_at_all },
		{ "for a time",
		  { HANDSHAKE, GETS(0, CLIENT), QUERY_OF(CLIENT, 1, ASKED(7)),
		    { .reply = ip4(BACKEND, EDGE, udp(BACKEND_UDP, port_of(1), ANSWER(id_of(1)))),
		      .becomes = any_id(forwarded(ip4(FRONTEND, CLIENT, ITS_CUT))),
		      .why = EDGE53_RESPONSE_TRUNCATED,
		      .before = proof_is_old } }, .world = nothing_at_all },
	};

	return RUN(path, cases);
}

/* --- enforce ------------------------------------------------------------------------------------ */

static void enforced_clients(void)
{
	world_set_flags(SERVICE_ENFORCE, EDGE53_SERVICE_IPV6_REDIRECT);
	world_limit_responses(SERVICE_ENFORCE, 1, LEN4);
}

#define LOCAL(n)                                                                                   \
	{ .query = ip4(CLIENT, GOOGLE, udp(40000, 53, ASKED(7))),                                  \
	  .becomes = ip4(CLIENT, RESOLVER, udp(port_of(n), 53, ASKED(id_of(n)))),                  \
	  .why = EDGE53_QUERY_SENT }
#define LOCAL_ANSWER(n) ip4(RESOLVER, CLIENT, udp(53, port_of(n), ANSWER(id_of(n))))

static int enforced(const struct path *path)
{
	const struct test_case cases[] = {
		{ "the burst, and no more",
		  { LOCAL(0),
		    { .reply = LOCAL_ANSWER(0),
		      .becomes = ip4(GOOGLE, CLIENT, udp(53, 40000, ANSWER(7))),
		      .why = EDGE53_REPLY_SENT },
		    LOCAL(1),
		    { .reply = LOCAL_ANSWER(1),
		      .becomes = any_id(ip4(GOOGLE, CLIENT, ITS_CUT)),
		      .why = EDGE53_RESPONSE_TRUNCATED } }, .world = enforced_clients },
		{ "a partial checksum, as the host's own replies have",
		  { LOCAL(0),
		    { .reply = LOCAL_ANSWER(0),
		      .becomes = ip4(GOOGLE, CLIENT, udp(53, 40000, ANSWER(7))),
		      .why = EDGE53_REPLY_SENT },
		    LOCAL(1),
		    { .reply = ip4(RESOLVER, CLIENT,
				   partial_checksum(udp(53, port_of(1), ANSWER(id_of(1))))),
		      .becomes = any_id(ip4(GOOGLE, CLIENT, ITS_CUT)),
		      .why = EDGE53_RESPONSE_TRUNCATED } }, .world = enforced_clients },
		{ "fragments",
		  { LOCAL(0),
		    { .reply = LOCAL_ANSWER(0),
		      .becomes = ip4(GOOGLE, CLIENT, udp(53, 40000, ANSWER(7))),
		      .why = EDGE53_REPLY_SENT },
		    LOCAL(1),
		    { .reply = PART_1(LOCAL_ANSWER(1)),
		      .becomes = any_id(ip4(GOOGLE, CLIENT, ITS_CUT)),
		      .why = EDGE53_RESPONSE_TRUNCATED },
		    { .reply = PART_2(LOCAL_ANSWER(1)), .why = EDGE53_FRAGMENT_REFUSED } },
		  .world = enforced_clients },
		{ "IPv6, whose headers are longer",
		  { { .query = ip6(CLIENT6, GOOGLE6, udp(40000, 53, ASKED(7))),
		      .becomes = ip6(CLIENT6, RESOLVER6, udp(port_of(0), 53, ASKED(id_of(0)))),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = ip6(RESOLVER6, CLIENT6, udp(53, port_of(0), ANSWER(id_of(0)))),
		      .becomes = ip6(GOOGLE6, CLIENT6, ITS_CUT),
		      .why = EDGE53_RESPONSE_TRUNCATED } }, .world = enforced_clients },
	};

	return RUN(path, cases);
}

/* --- how exact ---------------------------------------------------------------------------------- */

/* Not many: a busy machine must get there. */
#define BYTES_PER_SECOND 20000
#define BURST 20000

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* Bytes of IP that a client gets of a query's answer, or 0 when it is cut. */
static unsigned bytes_of_reply(const struct path *path, const struct frame *query)
{
	struct frame sent, reply, out;
	const unsigned char *udp_header;

	world_run(path->query, client_device(path), query, &sent);
	udp_header = sent.bytes + sent.len - (8 + 12 + 17);
	frames_reset();
	frame_of_reply(path,
		       TO_EDGE(udp(BACKEND_UDP, get16(udp_header), ANSWER(get16(udp_header + 8)))),
		       &reply);
	world_run(path->reply, backend_device(path), &reply, &out);
	return out.len >= LEN4 ? LEN4 : 0;
}

/* A prefix that is answered as fast as it can be, by all CPUs in turn, as in test_rate.c. */
static int exact(const struct path *path)
{
	double begin, end, expected, sent = 0;
	struct frame query;
	unsigned cpu = 0;

	world_reset(path->client_is_l3, path->backend_is_l3);
	world_limit_responses(SERVICE_EDGE, BYTES_PER_SECOND, BURST);
	frames_reset();
	frame_of_query(path, ip4(CLIENT, FRONTEND, udp(40000, 53, ASKED(7))), &query);
	for (begin = end = now_s(); end - begin < 1.5; end = now_s()) {
		for (unsigned n = 0; n < 10; n++)
			sent += bytes_of_reply(path, &query);
		if (!world_use_cpu(++cpu))
			world_use_cpu(cpu = 0);
	}
	world_use_cpu(0);
	expected = BURST + (end - begin) * BYTES_PER_SECOND;
	if (sent > expected * 0.95 && sent < expected * 1.05)
		return 0;
	printf("    %s: %.0f bytes of %.0f were sent\n", path->name, sent, expected);
	return 1;
}

/* --- ANY ---------------------------------------------------------------------------------------- */

#define FLAGS (EDGE53_SERVICE_XDP | EDGE53_SERVICE_ANY_TRUNCATE)

static void no_any(void)
{
	world_set_flags(SERVICE_EDGE, FLAGS | EDGE53_SERVICE_ANY_IN_XDP);
}

static void no_any_by_tc(void)
{
	world_set_flags(SERVICE_EDGE, FLAGS);
}

static void no_any_and_a_rate(void)
{
	world_limit_rate(DAY_NS, 1, 0,
			 FLAGS | EDGE53_SERVICE_ANY_IN_XDP | EDGE53_SERVICE_RATE_LIMIT |
				 EDGE53_SERVICE_RATE_IN_XDP);
}

static void no_any_of_enforced(void)
{
	world_set_flags(SERVICE_ENFORCE, EDGE53_SERVICE_ANY_TRUNCATE);
}

/* With another type of the first question. */
static struct layer_of *of_type(unsigned type, struct layer_of *message)
{
	unsigned off = 12;

	while (message->data[off])
		off += 1 + message->data[off];
	put16(message->data + off + 1, type);
	return message;
}

/* With another class of what ends with a question. */
static struct layer_of *of_class(unsigned class, struct layer_of *message)
{
	put16(message->data + message->data_len - 2, class);
	return message;
}

#define ANY(message) of_type(255, message)
#define ASKS(message) ip4(CLIENT, FRONTEND, udp(40000, 53, message))
#define ASKS6(message) ip6(CLIENT6, FRONTEND6, udp(40000, 53, message))
#define TO4(message) any_id(ip4(FRONTEND, CLIENT, udp(53, 40000, message)))
#define TO6(message) ip6(FRONTEND6, CLIENT6, udp(53, 40000, message))
#define TOLD(packet, answer)                                                                       \
	{ { .query = packet, .why = EDGE53_ANY_TRUNCATED, .told = answer } }, .world = no_any
#define TOLD_BY_TC(packet, answer)                                                                 \
	{ { .query = packet, .why = EDGE53_ANY_TRUNCATED, .told = answer, .by_tc = true } }
#define GOES_ON(message) { QUERY_OF(CLIENT, 0, message) }, .world = no_any

static int any(const struct path *path)
{
	const struct test_case cases[] = {
		{ "a question", TOLD(ASKS(ANY(ASKED(7))), TO4(ANY(CUT(7)))) },
		{ "over IPv6", TOLD(ASKS6(ANY(ASKED(7))), TO6(ANY(CUT(7)))) },
		{ "with EDNS", TOLD(ASKS(with_opt(ANY(ASKED(7)))), TO4(with_opt(ANY(CUT(7))))) },
		{ "of the root", TOLD(ASKS(ANY(root(0x0100))), TO4(ANY(root(0x8300)))) },
		{ "a long one is cut", TOLD(ASKS(LONG(ANY(ASKED(7)))), TO4(ANY(CUT(7)))) },
		{ "of any class",
		  TOLD(ASKS(of_class(3, ANY(ASKED(7)))), TO4(of_class(3, ANY(CUT(7))))) },
		{ "with what a partial checksum looks like",
		  TOLD_BY_TC(ip4(CLIENT, FRONTEND, partial_checksum(udp(40000, 53, ANY(ASKED(7))))),
			     TO4(ANY(CUT(7)))), .world = no_any },
		{ "options are dropped",
		  TOLD_BY_TC(options(3, ASKS(ANY(ASKED(7)))), TO4(ANY(CUT(7)))), .world = no_any },
		{ "XDP may not send on the uplink",
		  TOLD_BY_TC(ASKS(ANY(ASKED(7))), TO4(ANY(CUT(7)))), .world = no_any_by_tc },
		{ "it takes nothing of the rate",
		  { { .query = ASKS(ANY(ASKED(7))), .why = EDGE53_ANY_TRUNCATED,
		      .told = TO4(ANY(CUT(7))) },
		    QUERY_OF(CLIENT, 0, ASKED(7)),
		    { .query = ASKS(ANY(ASKED(7))), .why = EDGE53_ANY_TRUNCATED,
		      .told = TO4(ANY(CUT(7))) },
		    { .query = ASKS(ASKED(7)), .why = EDGE53_RATE_DROPPED } },
		  .world = no_any_and_a_rate, .paths = EDGE_PATHS & ~TC_L2_CHECKED },
		{ "another type", GOES_ON(of_type(254, ASKED(7))) },
		{ "a type of which a byte is 255", GOES_ON(of_type(0xff00, ASKED(7))) },
		{ "NOTIFY is about the type, and asks nothing", GOES_ON(ANY(dns(7, 0x2400, 1, 0, NAME))) },
		{ "without a type", GOES_ON(dns(7, 0x0100, 1, 0, NAME)) },
		{ "where nobody says so", { QUERY_OF(CLIENT, 0, ANY(ASKED(7))) } },
	};

	return RUN(path, cases);
}

static int any_of_enforced(const struct path *path)
{
	const struct test_case cases[] = {
		{ "a question",
		  { { .query = ip4(CLIENT, GOOGLE, udp(40000, 53, ANY(ASKED(7)))),
		      .why = EDGE53_ANY_TRUNCATED,
		      .told = any_id(ip4(GOOGLE, CLIENT, udp(53, 40000, ANY(CUT(7))))) } },
		  .world = no_any_of_enforced },
		{ "another type", { LOCAL(0) }, .world = no_any_of_enforced },
	};

	return RUN(path, cases);
}

const struct table response_tables[] = {
	{ "responses: replies", replies, EDGE_PATHS },
	{ "responses: shapes", shapes, XDP | TC_L2 | TC_L2_CHECKED | TC_L2_L3 | TC_L3 },
	{ "responses: families", families, XDP | TC_L2 | TC_L2_CHECKED },
	{ "responses: fragments", fragments, EDGE_PATHS },
	{ "responses: proofs", proofs, XDP | TC_L2 | TC_L2_L3 },
	{ "responses: enforce", enforced, ENFORCE_PATHS },
	{ "responses: exact, over all CPUs", exact, XDP | TC_L2 },
	{ "ANY: truncated", any, EDGE_PATHS },
	{ "ANY: enforce", any_of_enforced, ENFORCE_PATHS },
	{},
};
