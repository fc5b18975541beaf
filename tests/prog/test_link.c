// SPDX-License-Identifier: GPL-2.0-only
/* VLAN tags in the bytes and beside them, and frames longer than a page. */
#include <string.h>

#include "cases.h"

#define NAME "example.com"
#define GOOGLE "8.8.8.8"

#define ASKED(path) (is_enforce(path) ? GOOGLE : FRONTEND)
#define QUERY(path) ip4(CLIENT, ASKED(path), udp(40000, 53, dns_query(7, NAME)))
#define QUERY6 ip6(CLIENT6, FRONTEND6, udp(40000, 53, dns_query(7, NAME)))
#define LEFT_ALONE(frame) { { .query = frame, .why = EDGE53_NOT_OURS } }
#define TAGGED(tag) eth(uplink_mac, client_mac, tag)
#define FROM_BACKEND(tag) eth(inner_mac, backend_mac, tag)

enum { PRIORITY_5 = 5 << 13 }; /* and VID 0 */

/* --- tags in the bytes: another device's, or tc's to judge when the kernel took them out ------ */

static int tags_in_the_bytes(const struct path *path)
{
	struct layer_of *answer = ip4(BACKEND, EDGE,
				      udp(BACKEND_UDP, port_of(0), dns_reply(id_of(0), NAME)));
	const struct test_case cases[] = {
		{ "one", LEFT_ALONE(TAGGED(tag(42, QUERY(path)))) },
		{ "one with a priority", LEFT_ALONE(TAGGED(tag(PRIORITY_5 | 42, QUERY(path)))) },
		{ "two", LEFT_ALONE(TAGGED(tag(42, tag(7, QUERY(path))))) },
		{ "only a priority", LEFT_ALONE(TAGGED(tag(PRIORITY_5, QUERY(path)))) },
		{ "around IPv6", LEFT_ALONE(TAGGED(tag(42, QUERY6))) },
		{ "around a fragment", LEFT_ALONE(TAGGED(tag(42, first_fragment(QUERY(path))))) },
		{ "around what was to be refused",
		  LEFT_ALONE(
			  TAGGED(tag(42, ip4(CLIENT, ASKED(path), udp(40000, 853, text("x")))))) },
		{ "a tag cut short", LEFT_ALONE(cut_to(16, TAGGED(tag(42, QUERY(path))))),
		  .paths = XDP },
		{ "around a reply",
		  { { .reply = FROM_BACKEND(tag(42, answer)), .why = EDGE53_NOT_OURS } } },
	};

	return RUN(path, cases);
}

/* --- tags beside the bytes -------------------------------------------------------------------- */

#define IN_VLAN(tci) .has_vlan = true, .vlan_tci = tci

static int tags_beside(const struct path *path)
{
	bool forced = is_enforce(path);
	const char *ours = forced ? CLIENT : EDGE, *backend = forced ? RESOLVER : BACKEND;
	unsigned port = forced ? 53 : BACKEND_UDP;
	struct layer_of *sent =
		ip4(ours, backend, udp(port_of(0), port, dns_query(id_of(0), NAME)));
	struct layer_of *answer =
		ip4(backend, ours, udp(port, port_of(0), dns_reply(id_of(0), NAME)));
	struct layer_of *gets = ip4(ASKED(path), CLIENT, udp(53, 40000, dns_reply(7, NAME)));
	const struct test_case cases[] = {
		{ "a VLAN is another device's",
		  { { .query = QUERY(path), .why = EDGE53_NOT_OURS, IN_VLAN(42) } } },
		{ "with a priority",
		  { { .query = QUERY(path), .why = EDGE53_NOT_OURS, IN_VLAN(PRIORITY_5 | 42) } } },
		{ "VLAN 4095",
		  { { .query = QUERY(path), .why = EDGE53_NOT_OURS, IN_VLAN(4095) } } },
		{ "only a priority is no VLAN (IEEE 802.1Q 6.9.1)",
		  { { .query = QUERY(path),
		      .becomes = forced ? sent : forwarded(sent),
		      .why = EDGE53_QUERY_SENT,
		      IN_VLAN(PRIORITY_5) },
		    { .reply = answer,
		      .becomes = forced ? gets : forwarded(gets),
		      .why = EDGE53_REPLY_SENT,
		      IN_VLAN(0) } } },
		{ "a fragment in a VLAN",
		  { { .query = first_fragment(QUERY(path)),
		      .why = EDGE53_NOT_OURS,
		      IN_VLAN(42) } } },
	};

	return RUN(path, cases);
}

/* --- jumbo frames ----------------------------------------------------------------------------- */

static void mtu_9000(void)
{
	world_set_backend_mtu(ID_BACKEND, 9000);
	world_set_mtu(DEV_UPLINK, 9000);
	world_set_query_mtu(9000);
}

/*
 * Frames over several buffers are left to tc, whole. BPF_PROG_TEST_RUN of tc programs takes no more
 * than a page; tests/net has real ones.
 */
static int jumbo(const struct path *path)
{
	const struct test_case cases[] = {
		{ "a query",
		  { { .query = ip4(CLIENT, FRONTEND,
				   udp(40000, 53, longer(4800, dns_query(7, NAME)))),
		      .why = EDGE53_HANDED_TO_TC } },
		  .world = mtu_9000 },
		{ "over IPv6",
		  { { .query = ip6(CLIENT6, FRONTEND6,
				   udp(40000, 53, longer(4800, dns_query(7, NAME)))),
		      .why = EDGE53_HANDED_TO_TC } },
		  .world = mtu_9000 },
		{ "a bad query is dropped at once",
		  { { .query = ip4(CLIENT, FRONTEND,
				   udp(40000, 53, longer(4800, dns_reply(7, NAME)))),
		      .why = EDGE53_NOT_A_QUERY } },
		  .world = mtu_9000 },
		{ "an IP length beyond all its buffers",
		  { { .query = length_off_by(1,
					     ip4(CLIENT, FRONTEND,
						 udp(40000, 53, longer(4800, dns_query(7, NAME))))),
		      .why = EDGE53_BAD_LENGTH } },
		  .world = mtu_9000 },
		{ "a reply is left to tc, and its query open",
		  { { .query = ip4(CLIENT, FRONTEND, udp(40000, 53, dns_query(7, NAME))),
		      .becomes = forwarded(
			      ip4(EDGE, BACKEND,
				  udp(port_of(0), BACKEND_UDP, dns_query(id_of(0), NAME)))),
		      .why = EDGE53_QUERY_SENT },
		    { .reply = ip4(BACKEND, EDGE,
				   udp(BACKEND_UDP, port_of(0),
				       longer(4800, dns_reply(id_of(0), NAME)))),
		      .why = EDGE53_HANDED_TO_TC } },
		  .world = mtu_9000 },
		{ "a segment; it opens nothing",
		  { { .query = ip4(CLIENT, FRONTEND, tcp(40000, 53, "S", longer(4800, nothing()))),
		      .why = EDGE53_HANDED_TO_TC } },
		  .world = mtu_9000 },
		{ "what is not ours",
		  LEFT_ALONE(ip4(CLIENT, STRANGER,
				 udp(40000, 53, longer(4800, dns_query(7, NAME))))) },
	};

	return RUN(path, cases);
}

const struct table link_tables[] = {
	{ "VLAN tags in the bytes", tags_in_the_bytes, XDP | TC_L2 | TC_L2_CHECKED | ENFORCE_L2 },
	{ "VLAN tags beside the bytes", tags_beside,
	  TC_L2 | TC_L2_CHECKED | TC_L2_L3 | ENFORCE_L2 },
	{ "jumbo frames", jumbo, XDP },
	{},
};
