// SPDX-License-Identifier: GPL-2.0-only
/* rate_limit: whose query is over it, what becomes of that, and who is not limited. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cases.h"

#define NAME "example.com"
#define NEIGHBOUR "8.0.2.255" /* of CLIENT, in its /24 */
#define OTHER_PREFIX "8.0.3.0"
#define NEIGHBOUR6 "2001:db8:0:2ff::1"

#define QUERY udp(40000, 53, dns_query(5, NAME))
#define FROM(client) ip4(client, FRONTEND, QUERY)
#define SENT(n)                                                                                    \
	.becomes = forwarded(ip4(EDGE, BACKEND,                                                    \
				 udp(port_of(n), BACKEND_UDP, dns_query(id_of(n), NAME)))),        \
	.why = EDGE53_QUERY_SENT
#define ASK(n, client) { .query = FROM(client), SENT(n) }
#define OVER(client) { .query = FROM(client), .why = EDGE53_RATE_DROPPED }
#define FLAGS (EDGE53_SERVICE_XDP | EDGE53_SERVICE_RATE_LIMIT | EDGE53_SERVICE_RATE_IN_XDP)

static void drops(void)
{
	world_limit_rate(DAY_NS / 2, 2, 0, FLAGS);
}

static void drops_but_not_the_client(void)
{
	world_limit_rate(DAY_NS / 2, 2, 0, FLAGS | EDGE53_SERVICE_EXEMPT);
	world_exempt_from_rate(CLIENT);
}

/* As a reload does: who asked is still known. */
static void a_thousand_a_second(void)
{
	world_change_rate(SECONDS / 1000, 2, 0);
}

static void wait_a_moment(void)
{
	usleep(20000);
}

static void backend_is_beside_the_client(void)
{
	world_move_backend(ID_BACKEND, DEV_UPLINK);
}

static void proof_is_old(void)
{
	world_age_proofs(601);
}

static void proof_is_nearly_old(void)
{
	world_age_proofs(590);
}

/* --- who -------------------------------------------------------------------------------------- */

static int prefixes(const struct path *path)
{
	const struct test_case cases[] = {
		{ "the burst, and no more",
		  { ASK(0, CLIENT), ASK(1, CLIENT), OVER(CLIENT), OVER(CLIENT) }, .world = drops },
		{ "who shares the prefix shares the limit",
		  { ASK(0, CLIENT), ASK(1, CLIENT_2), OVER(NEIGHBOUR), OVER(CLIENT) }, .world = drops },
		{ "others have their own",
		  { ASK(0, CLIENT), ASK(1, CLIENT), OVER(CLIENT), ASK(2, OTHER_PREFIX), ASK(3, OTHER_PREFIX),
		    OVER(OTHER_PREFIX) }, .world = drops },
		{ "IPv6",
		  { { .query = ip6(CLIENT6, FRONTEND6, QUERY),
		      .becomes = forwarded(ip6(EDGE6, BACKEND6, udp(port_of(0), BACKEND_UDP,
								   dns_query(id_of(0), NAME)))),
		      .why = EDGE53_QUERY_SENT },
		    { .query = ip6(CLIENT6, FRONTEND6, QUERY),
		      .becomes = forwarded(ip6(EDGE6, BACKEND6, udp(port_of(1), BACKEND_UDP,
								   dns_query(id_of(1), NAME)))),
		      .why = EDGE53_QUERY_SENT },
		    { .query = ip6(CLIENT6, FRONTEND6, QUERY), .why = EDGE53_RATE_DROPPED } },
		  .world = drops },
		{ "what is no query takes nothing",
		  { ASK(0, CLIENT),
		    { .query = ip4(CLIENT, FRONTEND, udp(40000, 53, dns_reply(5, NAME))),
		      .why = EDGE53_NOT_A_QUERY },
		    ASK(1, CLIENT), OVER(CLIENT) }, .world = drops },
		{ "who is exempt is not limited",
		  { ASK(0, CLIENT), ASK(1, CLIENT), ASK(2, CLIENT), ASK(3, CLIENT) },
		  .world = drops_but_not_the_client },
		{ "and takes nothing from its neighbours",
		  { ASK(0, CLIENT), ASK(1, CLIENT), ASK(2, NEIGHBOUR), ASK(3, NEIGHBOUR),
		    OVER(NEIGHBOUR), ASK(4, CLIENT) },
		  .world = drops_but_not_the_client },
		{ "another limit begins at once",
		  { ASK(0, CLIENT), ASK(1, CLIENT), OVER(CLIENT),
		    { .query = FROM(CLIENT), .why = EDGE53_RATE_DROPPED, .before = a_thousand_a_second },
		    { .query = FROM(CLIENT), SENT(2), .before = wait_a_moment } }, .world = drops },
	};

	return RUN(path, cases);
}

/* --- who completed a handshake ----------------------------------------------------------------- */

#define SEGMENT_IN(flags) ip4(CLIENT, FRONTEND, tcp(40000, 53, flags, nothing()))
#define SEGMENT_OUT(flags)                                                                         \
	forwarded(ip4(EDGE, BACKEND, tcp(conn_port(0), BACKEND_TCP, flags, nothing())))
#define SYN                                                                                        \
	{ .query = SEGMENT_IN("S"), .becomes = SEGMENT_OUT("S"), .why = EDGE53_TCP_OPENED,         \
	  .state = EDGE53_CONN_HALF_OPEN }
#define SYN_ACK                                                                                    \
	{ .reply = ip4(BACKEND, EDGE, tcp(BACKEND_TCP, conn_port(0), "SA", nothing())),            \
	  .becomes = forwarded(ip4(FRONTEND, CLIENT, tcp(53, 40000, "SA", nothing()))),            \
	  .why = EDGE53_TCP_REPLY_SENT, .state = EDGE53_CONN_HALF_OPEN }
#define ACK                                                                                        \
	{ .query = SEGMENT_IN("A"), .becomes = SEGMENT_OUT("A"), .why = EDGE53_TCP_QUERY_SENT,     \
	  .state = EDGE53_CONN_ESTABLISHED }

static int proofs(const struct path *path)
{
	const struct test_case cases[] = {
		{ "who completed a handshake is not limited",
		  { ASK(0, CLIENT), ASK(1, CLIENT), OVER(CLIENT), SYN, SYN_ACK, OVER(CLIENT), ACK,
		    ASK(2, CLIENT), ASK(3, CLIENT) }, .world = drops },
		{ "his neighbours are",
		  { ASK(0, CLIENT), ASK(1, CLIENT), SYN, SYN_ACK, ACK, ASK(2, CLIENT),
		    OVER(CLIENT_2) }, .world = drops },
		{ "for a time",
		  { ASK(0, CLIENT), ASK(1, CLIENT), SYN, SYN_ACK, ACK,
		    { .query = FROM(CLIENT), SENT(2), .before = proof_is_nearly_old },
		    { .query = FROM(CLIENT), .why = EDGE53_RATE_DROPPED, .before = proof_is_old } },
		  .world = drops },
		{ "an acknowledgement of what was never sent proves nothing",
		  { ASK(0, CLIENT), ASK(1, CLIENT), SYN, SYN_ACK,
		    { .query = ip4(CLIENT, FRONTEND,
				   acknowledging_too_much(1, tcp(40000, 53, "A", nothing()))),
		      .becomes = forwarded(
			      ip4(EDGE, BACKEND,
				  acknowledging_too_much(1, tcp(conn_port(0), BACKEND_TCP, "A",
							       nothing())))),
		      .why = EDGE53_TCP_QUERY_SENT, .state = EDGE53_CONN_HALF_OPEN },
		    OVER(CLIENT) }, .world = drops },
		/* He may have made up the SYN-ACK, too. */
		{ "a handshake through one device proves nothing",
		  { ASK(0, CLIENT), ASK(1, CLIENT), SYN, SYN_ACK,
		    { .query = SEGMENT_IN("A"), .becomes = SEGMENT_OUT("A"), .why = EDGE53_TCP_QUERY_SENT,
		      .state = EDGE53_CONN_ESTABLISHED, .before = backend_is_beside_the_client },
		    OVER(CLIENT) }, .world = drops },
	};

	return RUN(path, cases);
}

/* --- how exact --------------------------------------------------------------------------------- */

#define QPS 2000
#define BURST 1000

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/*
 * A prefix that asks as fast as it can, by all CPUs in turn. It never lets its bucket fill up, so what goes through is
 * the burst and what the time since the first query gives; with the last tick's clock the first may be a tick early.
 */
static int rate(const struct path *path)
{
	double begin, end, expected;
	unsigned sent = 0, cpu = 0;
	struct frame in, out;

	world_reset(path->client_is_l3, path->backend_is_l3);
	world_limit_rate(SECONDS / QPS, BURST, 0, FLAGS);
	frame_of_query(path, FROM(CLIENT), &in);
	for (begin = end = now_s(); end - begin < 1.5; end = now_s()) {
		for (unsigned n = 0; n < 50; n++)
			sent += world_run(path->query, DEV_UPLINK, &in, &out) ==
				verdict_of(path->query, EDGE53_QUERY_SENT);
		if (!world_use_cpu(++cpu))
			world_use_cpu(cpu = 0);
	}
	world_use_cpu(0);
	expected = BURST + (end - begin) * QPS;
	if (sent > expected * 0.95 && sent < expected * 1.05)
		return 0;
	printf("    %s: %u of %.0f were let through\n", path->name, sent, expected);
	return 1;
}

const struct table rate_tables[] = {
	{ "rate: prefixes", prefixes, XDP | TC_L2 | TC_L2_L3 },
	{ "rate: proofs", proofs, XDP | TC_L2 | TC_L2_L3 },
	{ "rate: exact, over all CPUs", rate, XDP | TC_L2 },
	{},
};
