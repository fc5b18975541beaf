// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MSS in SYN and SYN-ACK is lowered to what fits on both sides; everything else in the header
 * stays. The backend's device has an MTU of 1,420 here, the clients' 1,500.
 */
#include <string.h>

#include "cases.h"

#define S(bytes) bytes, sizeof(bytes) - 1
#define NOTHING "", 0

/* Options around an MSS. */
static struct layer_of *around(const char *before, unsigned before_len, unsigned size,
			       const char *after, unsigned after_len, struct layer_of *segment)
{
	return option(after, after_len, mss(size, option(before, before_len, segment)));
}

#define OPENED .why = EDGE53_TCP_OPENED, .state = EDGE53_CONN_HALF_OPEN
#define SYN(sport, dport) tcp(sport, dport, "S", nothing())
#define SYN_ACK(sport, dport) tcp(sport, dport, "SA", nothing())
#define ASKS4(l4) ip4(CLIENT, FRONTEND, l4)
#define SENDS4(l4) forwarded(ip4(EDGE, BACKEND, l4))
#define ANSWERS4(l4) ip4(BACKEND, EDGE, l4)
#define GETS4(l4) forwarded(ip4(FRONTEND, CLIENT, l4))
#define ASKS6(l4) ip6(CLIENT6, FRONTEND6, l4)
#define SENDS6(l4) forwarded(ip6(EDGE6, BACKEND6, l4))
#define ANSWERS6(l4) ip6(BACKEND6, EDGE6, l4)
#define GETS6(l4) forwarded(ip6(FRONTEND6, CLIENT6, l4))
#define IN SYN(40000, 53)
#define OUT SYN(conn_port(0), BACKEND_TCP)
#define BACK SYN_ACK(BACKEND_TCP, conn_port(0))
#define BACK_OUT SYN_ACK(53, 40000)

/* A SYN's options before and after, and the same in the SYN-ACK. */
#define BECOMES(before, size, after, lowered)                                                    \
	{ { .query = ASKS4(around(before, size, after, IN)),                                      \
	    .becomes = SENDS4(around(before, lowered, after, OUT)), OPENED },                      \
	  { .reply = ANSWERS4(around(before, size, after, BACK)),                                  \
	    .becomes = GETS4(around(before, lowered, after, BACK_OUT)),                            \
	    .why = EDGE53_TCP_REPLY_SENT, .state = EDGE53_CONN_HALF_OPEN } }
/* Options without an MSS, or with one that is none. */
#define STAYS(options)                                                                           \
	{ { .query = ASKS4(option(options, IN)), .becomes = SENDS4(option(options, OUT)), OPENED },\
	  { .reply = ANSWERS4(option(options, BACK)), .becomes = GETS4(option(options, BACK_OUT)), \
	    .why = EDGE53_TCP_REPLY_SENT, .state = EDGE53_CONN_HALF_OPEN } }

#define TIMESTAMPS "\10\12abcdefgh"
#define SACK_OK "\4\2"
#define SCALE "\3\3\7"
#define NOPS_35 "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"

static void tunnel(void)
{
	world_set_backend_mtu(ID_BACKEND, 1420);
	world_set_backend_mtu(ID_BACKEND6, 1420);
}

static void narrow_client(void)
{
	tunnel();
	world_set_mtu(DEV_UPLINK, 1300);
}

static void to_ipv4(void)
{
	tunnel();
	world_set_backends(SERVICE_EDGE, (const __u8[]){ ID_BACKEND }, 1);
}

static void to_ipv6(void)
{
	tunnel();
	world_set_backends(SERVICE_EDGE, (const __u8[]){ ID_BACKEND6 }, 1);
}

/* Runs all cases in one world unless they have their own. */
static int run_in(const struct path *path, void (*world)(void), const struct test_case *cases,
		  size_t n)
{
	int failed = 0;

	for (size_t i = 0; i < n; i++) {
		struct test_case one = cases[i];

		one.world = one.world ?: world;
		failed += run_cases(path, &one, 1);
	}
	return failed;
}

#define RUN_IN(path, world, cases) run_in(path, world, cases, sizeof(cases) / sizeof(*(cases)))

/* --- where it stands -------------------------------------------------------------------------- */

static int layouts(const struct path *path)
{
	const struct test_case cases[] = {
		{ "alone", BECOMES(NOTHING, 1460, NOTHING, 1380) },
		{ "as Linux sends it",
		  BECOMES(NOTHING, 1460, S(SACK_OK TIMESTAMPS "\1" SCALE), 1380) },
		{ "as BSD sends it",
		  BECOMES(NOTHING, 1460, S("\1" SCALE SACK_OK TIMESTAMPS), 1380) },
		{ "behind one byte, so that it is in three words of the checksum",
		  BECOMES(S("\1"), 1460, S("\1\1\1"), 1380) },
		{ "behind two", BECOMES(S("\1\1"), 1460, S("\1\1"), 1380) },
		{ "behind three", BECOMES(S("\1\1\1"), 1460, S("\1"), 1380) },
		{ "behind other options", BECOMES(S(SACK_OK TIMESTAMPS), 1460, NOTHING, 1380) },
		{ "behind others, at an odd place",
		  BECOMES(S(SCALE SACK_OK TIMESTAMPS), 1460, S("\1"), 1380) },
		{ "behind an option nobody knows",
		  BECOMES(S("\375\6abcd"), 1460, S("\1\1"), 1380) },
		{ "behind options as odd as they come",
		  BECOMES(S("\375\3a\375\2"), 1460, S("\1\1\1"), 1380) },
		{ "the last of 40 bytes", BECOMES(S("\1" NOPS_35), 1460, NOTHING, 1380) },
		{ "the last at an odd place", BECOMES(S(NOPS_35), 1460, S("\1"), 1380) },
		{ "before the end of the list", BECOMES(NOTHING, 1460, S("\0\0\0\0"), 1380) },
		{ "both bytes change, with carries", BECOMES(S("\1"), 65535, S("\0\0\0"), 1380) },
		{ "only the upper byte", BECOMES(NOTHING, 1380 + 256, NOTHING, 1380) },
		{ "only the lower byte", BECOMES(NOTHING, 1381, NOTHING, 1380) },
	};

	return RUN_IN(path, tunnel, cases);
}

static int left_alone(const struct path *path)
{
	const struct test_case cases[] = {
		{ "just right", BECOMES(NOTHING, 1380, NOTHING, 1380) },
		{ "smaller", BECOMES(NOTHING, 1220, NOTHING, 1220) },
		{ "0", BECOMES(NOTHING, 0, NOTHING, 0) },
		{ "no options", STAYS(NOTHING) },
		{ "other options only", STAYS(S(SACK_OK TIMESTAMPS)) },
		{ "behind the end of the list", BECOMES(S("\0\1\1\1"), 1460, NOTHING, 1460) },
		{ "behind an option of length 0", BECOMES(S("\375\0\1\1"), 1460, NOTHING, 1460) },
		{ "behind an option of length 1", BECOMES(S("\375\1\1\1"), 1460, NOTHING, 1460) },
		{ "behind one that is longer than all",
		  BECOMES(S("\375\377\1\1"), 1460, NOTHING, 1460) },
		{ "behind one that ends in the middle of it",
		  BECOMES(S("\375\6\1\1"), 1460, NOTHING, 1460) },
		{ "cut", STAYS(S("\1\1\2\4")) },
		{ "cut in its value", STAYS(S("\1\2\4\5")) },
		{ "of length 3", STAYS(S("\2\3\5\264")) },
		{ "of length 6", STAYS(S("\2\6\5\264\5\264\1\1")) },
		{ "behind one of length 3", BECOMES(S("\2\3\5"), 1460, S("\1"), 1380) },
		{ "in other segments",
		  { { .query = ASKS4(IN), .becomes = SENDS4(OUT), OPENED },
		    { .query = ASKS4(mss(1460, tcp(40000, 53, "A", nothing()))),
		      .becomes = SENDS4(mss(1460, tcp(conn_port(0), BACKEND_TCP, "A", nothing()))),
		      .why = EDGE53_TCP_QUERY_SENT,
		      .state = EDGE53_CONN_HALF_OPEN },
		    { .reply = ANSWERS4(mss(1460, tcp(BACKEND_TCP, conn_port(0), "A", nothing()))),
		      .becomes = GETS4(mss(1460, tcp(53, 40000, "A", nothing()))),
		      .why = EDGE53_TCP_REPLY_SENT,
		      .state = EDGE53_CONN_HALF_OPEN } } },
	};

	return RUN_IN(path, tunnel, cases);
}

/* --- to what ---------------------------------------------------------------------------------- */

#define EXCHANGE(asks, sends, answers, gets, lowered)                                            \
	{ { .query = asks(mss(1460, IN)), .becomes = sends(mss(lowered, OUT)), OPENED },          \
	  { .reply = answers(mss(1460, BACK)), .becomes = gets(mss(lowered, BACK_OUT)),            \
	    .why = EDGE53_TCP_REPLY_SENT, .state = EDGE53_CONN_HALF_OPEN },                        \
	  /* a SYN sent again is lowered again */                                                  \
	  { .query = asks(mss(1460, IN)), .becomes = sends(mss(lowered, OUT)),                     \
	    .why = EDGE53_TCP_QUERY_SENT, .state = EDGE53_CONN_HALF_OPEN } }

static int rooms(const struct path *path)
{
	const struct test_case cases[] = {
		{ "IPv4: 1,420 less 40", EXCHANGE(ASKS4, SENDS4, ANSWERS4, GETS4, 1380) },
		{ "IPv6: 1,420 less 60", EXCHANGE(ASKS6, SENDS6, ANSWERS6, GETS6, 1360) },
		{ "the client's device has less", EXCHANGE(ASKS4, SENDS4, ANSWERS4, GETS4, 1260),
		  .world = narrow_client },
		{ "the client's device has less for IPv6",
		  EXCHANGE(ASKS6, SENDS6, ANSWERS6, GETS6, 1240), .world = narrow_client },
		{ "a wrong checksum stays wrong",
		  { { .query = ASKS4(bad_checksum(mss(1460, IN))),
		      .becomes = SENDS4(bad_checksum(mss(1380, OUT))), OPENED } } },
		{ "with data",
		  { { .query = ASKS4(mss(1460, tcp(40000, 53, "S", text("early data")))),
		      .becomes = SENDS4(mss(1380, tcp(conn_port(0), BACKEND_TCP, "S",
						      text("early data")))), OPENED } } },
		{ "behind IP options",
		  { { .query = options(7, ASKS4(mss(1460, IN))),
		      .becomes = options(7, SENDS4(mss(1380, OUT))), OPENED, .by_tc = true } } },
		{ "behind extension headers",
		  { { .query = ASKS6(ip6_ext(60, mss(1460, IN))),
		      .becomes = SENDS6(ip6_ext(60, mss(1360, OUT))), OPENED, .by_tc = true } } },
	};

	return RUN_IN(path, tunnel, cases);
}

static int families(const struct path *path)
{
#define SENDS4_ANEW(l4) any_id(SENDS4(l4))
#define GETS4_ANEW(l4) any_id(GETS4(l4))
	const struct test_case cases[] = {
		{ "IPv6 client, IPv4 backend: 1,420 less 40",
		  EXCHANGE(ASKS6, SENDS4_ANEW, ANSWERS4, GETS6, 1380), .world = to_ipv4 },
		{ "IPv4 client, IPv6 backend: 1,420 less 60",
		  EXCHANGE(ASKS4, SENDS6, ANSWERS6, GETS4_ANEW, 1360), .world = to_ipv6 },
	};

	return RUN(path, cases);
}

static int enforced(const struct path *path)
{
	const struct test_case cases[] = {
		{ "enforce leaves it: nothing lies between",
		  { { .query = ip4(CLIENT, "8.8.8.8", mss(9000, IN)),
		      .becomes = ip4(CLIENT, RESOLVER, mss(9000, SYN(conn_port(0), 53))), OPENED },
		    { .reply = ip4(RESOLVER, CLIENT, mss(9000, SYN_ACK(53, conn_port(0)))),
		      .becomes = ip4("8.8.8.8", CLIENT, mss(9000, SYN_ACK(53, 40000))),
		      .why = EDGE53_TCP_REPLY_SENT,
		      .state = EDGE53_CONN_HALF_OPEN } } },
	};

	return RUN(path, cases);
}

const struct table mss_tables[] = {
	{ "MSS, wherever it is", layouts, EDGE_PATHS },
	{ "MSS that is left alone", left_alone, EDGE_PATHS },
	{ "MSS, to what it is lowered", rooms, EDGE_PATHS },
	{ "MSS, between families", families, XDP | TC_L2 | TC_L2_CHECKED },
	{ "MSS, enforced clients", enforced, ENFORCE_PATHS },
	{},
};
