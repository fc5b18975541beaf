// SPDX-License-Identifier: GPL-2.0-only
/*
 * return, on the host of BACKEND: clients come by the tunnel "inner", and what would leave by the
 * uplink goes back there, as it is. The path says which of the two has an Ethernet header.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <linux/pkt_cls.h>

#include "cases.h"

#define NAME "example.com"
#define UDP_PORT 53
#define TCP_PORT 5354

/* The edge's source port and DNS ID are of no interest here. */
#define QUERY udp(20000, UDP_PORT, dns_query(7, NAME))
#define REPLY udp(UDP_PORT, 20000, dns_reply(7, NAME))
#define LONG_REPLY udp(UDP_PORT, 20000, longer(1400, dns_reply(7, NAME)))
#define SEGMENT(flags) tcp(20000, TCP_PORT, flags, nothing())
#define SEGMENT_BACK(flags) tcp(TCP_PORT, 20000, flags, nothing())

#define CAME4(l4) ip4(CLIENT, BACKEND, l4)
#define BACK4(l4) ip4(BACKEND, CLIENT, l4)
#define CAME6(l4) ip6(CLIENT6, BACKEND6, l4)
#define BACK6(l4) ip6(BACKEND6, CLIENT6, l4)

struct return_step {
	struct layer_of *came; /* by the tunnel; or ... */
	struct layer_of *leaves; /* ... by the uplink */
	enum edge53_reason why;
	enum test_device device; /* where it is seen, if not there */
	unsigned ifindex_in;	 /* of a forwarded reply */
	void (*before)(void);
	bool has_vlan;
	unsigned vlan_tci;
};

#define MAX_RETURN_STEPS 8

struct return_case {
	const char *name;
	struct return_step steps[MAX_RETURN_STEPS];
};

#define NOTED(packet) { .came = packet, .why = EDGE53_RETURN_NOTED }
#define SENT(packet) { .leaves = packet, .why = EDGE53_RETURN_SENT }
#define CAME(packet) { .came = packet, .why = EDGE53_NOT_OURS }
#define LEAVES(packet) { .leaves = packet, .why = EDGE53_NOT_OURS }

static const unsigned char edge_mac[6] = { 2, 0, 0, 0, 0, 0x0e };

static bool expect(const char *name, int step, const char *what, long long got, long long expected)
{
	if (got == expected)
		return true;
	printf("    %s, step %d: %s: %lld, expected %lld\n", name, step, what, got, expected);
	return false;
}

static void make(bool is_l3, const unsigned char *dmac, const unsigned char *smac,
		 struct layer_of *ip, struct frame *frame)
{
	make_frame(is_l3 ? ip : eth(dmac, smac, ip), frame);
}

static void frames_of(const struct path *path, const struct return_step *step, struct frame *in,
		      struct frame *expected)
{
	if (step->came)
		make(path->backend_is_l3, inner_mac, edge_mac, step->came, in);
	else
		make(path->client_is_l3, router_mac, uplink_mac, step->leaves, in);
	*expected = *in;
	/* To a device without, the kernel takes the Ethernet header off. */
	if (step->why == EDGE53_RETURN_SENT && !path->backend_is_l3)
		make(false, edge_mac, inner_mac, step->leaves, expected);
}

static bool run_step(const struct path *path, const char *name, int i,
		     const struct return_step *step)
{
	enum test_program program = step->came ?
		(path->backend_is_l3 ? RETURN_IN_L3 : RETURN_IN_L2) :
		(path->client_is_l3 ? RETURN_OUT_L3 : RETURN_OUT_L2);
	enum test_device device = step->device ?: step->came ? DEV_INNER : DEV_UPLINK;
	struct surroundings around = { .ingress_ifindex = step->ifindex_in,
				       .has_vlan = step->has_vlan, .vlan_tci = step->vlan_tci };
	struct counters before, after;
	struct frame in, out, expected;
	bool is_l3, good;
	int verdict;

	if (step->before)
		step->before();
	frames_of(path, step, &in, &expected);
	world_read_counters(&before);
	verdict = world_run_in(program, device, &around, &in, &out);
	world_read_counters(&after);
	if (step->why != EDGE53_NOT_OURS)
		before.reasons[SERVICE_RETURN][step->why]++;
	is_l3 = step->came ? path->backend_is_l3 :
		path->client_is_l3 && !(step->why == EDGE53_RETURN_SENT && !path->backend_is_l3);
	good = expect(name, i, "verdict", verdict,
		      step->why == EDGE53_RETURN_SENT ? TC_ACT_REDIRECT : TC_ACT_UNSPEC);
	good &= same_frame(&out, &expected, is_l3 ? 0 : ETH_LEN);
	good &= expect(name, i, "counters differ", !!memcmp(&before, &after, sizeof(before)), 0);
	return good;
}

static void begin(const struct path *path)
{
	world_reset(path->client_is_l3, path->backend_is_l3);
	world_return(DEV_INNER, path->backend_is_l3);
	for (int is_uplink = 0; is_uplink <= 1; is_uplink++) {
		world_return_port(is_uplink ? DEV_UPLINK : DEV_INNER, is_uplink, IPPROTO_UDP,
				  UDP_PORT);
		world_return_port(is_uplink ? DEV_UPLINK : DEV_INNER, is_uplink, IPPROTO_TCP,
				  TCP_PORT);
	}
}

static int run(const struct path *path, const struct return_case *cases, size_t n)
{
	int failed = 0;

	for (size_t i = 0; i < n; i++) {
		bool good = true;

		begin(path);
		for (int s = 0; s < MAX_RETURN_STEPS; s++) {
			const struct return_step *step = &cases[i].steps[s];

			if (step->came || step->leaves)
				good &= run_step(path, cases[i].name, s, step);
		}
		failed += !good;
	}
	return failed;
}

#define RUN_RETURN(path, cases) run(path, cases, sizeof(cases) / sizeof(*(cases)))

/* --- rows ------------------------------------------------------------------------------------- */

static int there_and_back(const struct path *path)
{
	const struct return_case cases[] = {
		{ "UDP", { NOTED(CAME4(QUERY)), SENT(BACK4(REPLY)) } },
		{ "UDP, twice", { NOTED(CAME4(QUERY)), SENT(BACK4(REPLY)), SENT(BACK4(REPLY)) } },
		{ "UDP over IPv6", { NOTED(CAME6(QUERY)), SENT(BACK6(REPLY)) } },
		{ "TCP", { NOTED(CAME4(SEGMENT("S"))), SENT(BACK4(SEGMENT_BACK("SA"))),
			   NOTED(CAME4(SEGMENT("A"))), SENT(BACK4(SEGMENT_BACK("R"))) } },
		{ "TCP over IPv6", { NOTED(CAME6(SEGMENT("S"))), SENT(BACK6(SEGMENT_BACK("SA"))) } },
		{ "not even DNS", { NOTED(CAME4(udp(20000, UDP_PORT, text("are you a DNS server?")))),
				    SENT(BACK4(udp(UDP_PORT, 20000, text("I am not one, I am afraid")))) } },
		{ "IP options and extension headers",
		  { NOTED(options(10, CAME4(QUERY))), SENT(options(10, BACK4(REPLY))),
		    NOTED(CAME6(ip6_ext(60, QUERY))), SENT(BACK6(ip6_ext(60, REPLY))) } },
		{ "the last TTL is the host's", { NOTED(ttl(1, CAME4(QUERY))), SENT(ttl(1, BACK4(REPLY))) } },
		{ "checksums stay what they are",
		  { NOTED(CAME4(bad_checksum(QUERY))), SENT(BACK4(zero_checksum(REPLY))),
		    SENT(BACK4(partial_checksum(REPLY))), SENT(BACK4(bad_checksum(REPLY))) } },
		{ "a reply that another namespace of the host gave",
		  { NOTED(CAME4(QUERY)),
		    { .leaves = BACK4(REPLY), .why = EDGE53_RETURN_SENT,
		      .ifindex_in = world_ifindex(DEV_OTHER) } } },
	};

	return RUN_RETURN(path, cases);
}

static int others(const struct path *path)
{
	const struct return_case cases[] = {
		{ "nobody came", { LEAVES(BACK4(REPLY)), LEAVES(BACK6(SEGMENT_BACK("SA"))) } },
		{ "another client", { NOTED(CAME4(QUERY)), LEAVES(ip4(BACKEND, CLIENT_2, REPLY)) } },
		{ "another port of the client",
		  { NOTED(CAME4(QUERY)), LEAVES(BACK4(udp(UDP_PORT, 20001, dns_reply(7, NAME)))) } },
		{ "another address of the server",
		  { NOTED(CAME4(QUERY)), LEAVES(ip4(BACKEND_2, CLIENT, REPLY)) } },
		{ "another port of the server",
		  { CAME(CAME4(udp(20000, 5353, dns_query(7, NAME)))),
		    LEAVES(BACK4(udp(5353, 20000, dns_reply(7, NAME)))) } },
		{ "the ports of UDP are not TCP's",
		  { CAME(CAME4(tcp(20000, UDP_PORT, "S", nothing()))),
		    LEAVES(BACK4(tcp(UDP_PORT, 20000, "SA", nothing()))),
		    CAME(CAME4(udp(20000, TCP_PORT, dns_query(7, NAME)))),
		    LEAVES(BACK4(udp(TCP_PORT, 20000, dns_reply(7, NAME)))) } },
		{ "who came by another device",
		  { { .came = CAME4(QUERY), .why = EDGE53_NOT_OURS, .device = DEV_OTHER },
		    LEAVES(BACK4(REPLY)) } },
		{ "what leaves by another device",
		  { NOTED(CAME4(QUERY)),
		    { .leaves = BACK4(REPLY), .why = EDGE53_NOT_OURS, .device = DEV_OTHER } } },
		{ "what leaves by the tunnel, and comes by the uplink",
		  { { .came = CAME4(QUERY), .why = EDGE53_NOT_OURS, .device = DEV_UPLINK },
		    NOTED(CAME4(QUERY)),
		    { .leaves = BACK4(REPLY), .why = EDGE53_NOT_OURS, .device = DEV_INNER } } },
		{ "a query of the host's own", { NOTED(CAME4(QUERY)), LEAVES(BACK4(QUERY)) } },
		{ "ICMP", { NOTED(CAME4(QUERY)), CAME(padded(8, CAME4(icmp_echo()))),
			    LEAVES(padded(8, BACK4(icmp_echo()))),
			    LEAVES(BACK4(icmp(3, 3, 0, CAME4(QUERY)))) } },
		{ "no IP", { CAME(arp()), LEAVES(arp()) } },
	};

	return path->client_is_l3 || path->backend_is_l3 ?
		run(path, cases, sizeof(cases) / sizeof(*cases) - 1) : RUN_RETURN(path, cases);
}

static int fragments(const struct path *path)
{
	const struct return_case cases[] = {
		{ "a reply in parts",
		  { NOTED(CAME4(QUERY)), SENT(part_of(BACK4(LONG_REPLY), 0, 800)),
		    SENT(part_of(BACK4(LONG_REPLY), 1200, 400)),
		    SENT(part_of(BACK4(LONG_REPLY), 800, 400)) } },
		{ "over IPv6",
		  { NOTED(CAME6(QUERY)), SENT(part_of(BACK6(LONG_REPLY), 0, 800)),
		    SENT(part_of(BACK6(LONG_REPLY), 800, 400)) } },
		{ "a later part without the first", { NOTED(CAME4(QUERY)),
						      LEAVES(part_of(BACK4(LONG_REPLY), 800, 400)) } },
		{ "parts for somebody else",
		  { NOTED(CAME4(QUERY)), SENT(part_of(BACK4(LONG_REPLY), 0, 800)),
		    LEAVES(part_of(ip4(BACKEND, CLIENT_2, LONG_REPLY), 0, 800)),
		    LEAVES(part_of(ip4(BACKEND, CLIENT_2, LONG_REPLY), 800, 400)) } },
		{ "parts of another datagram",
		  { NOTED(CAME4(QUERY)), SENT(part_of(BACK4(LONG_REPLY), 0, 800)),
		    LEAVES(ip_id(99, part_of(BACK4(LONG_REPLY), 800, 400))) } },
	};

	return RUN_RETURN(path, cases);
}

/* At the uplink's ingress the same addresses and ID are somebody's forgery, and not known. */
static int fragments_are_of_egress(const struct path *path)
{
	const struct return_case story[] = {
		{ "parts", { NOTED(CAME4(QUERY)), SENT(part_of(BACK4(LONG_REPLY), 0, 800)) } },
	};
	struct counters before, after;
	struct frame in, out;
	int verdict, failed = RUN_RETURN(path, story);

	make(path->client_is_l3, uplink_mac, router_mac, part_of(BACK4(LONG_REPLY), 800, 400), &in);
	world_read_counters(&before);
	verdict = world_run(path->client_is_l3 ? EDGE_TC_L3 : EDGE_TC_L2, DEV_UPLINK, &in, &out);
	world_read_counters(&after);
	return failed || !expect("forged part", 2, "verdict", verdict, TC_ACT_UNSPEC) ||
	       !expect("forged part", 2, "counters differ", !!memcmp(&before, &after, sizeof(before)), 0);
}

static void age_29(void)
{
	world_age_return_peers(29);
}

static void age_31(void)
{
	world_age_return_peers(31);
}

static void age_2_hours(void)
{
	world_age_return_peers(7200);
}

static void age_another_5_minutes(void)
{
	world_age_return_peers(300);
}

static int ages(const struct path *path)
{
	const struct return_case cases[] = {
		{ "UDP, 29 s", { NOTED(CAME4(QUERY)),
				 { .leaves = BACK4(REPLY), .why = EDGE53_RETURN_SENT, .before = age_29 } } },
		{ "UDP, 31 s, and asked again",
		  { NOTED(CAME4(QUERY)),
		    { .leaves = BACK4(REPLY), .why = EDGE53_NOT_OURS, .before = age_31 },
		    NOTED(CAME4(QUERY)), SENT(BACK4(REPLY)) } },
		{ "TCP, 2 h, and 5 min",
		  { NOTED(CAME4(SEGMENT("A"))),
		    { .leaves = BACK4(SEGMENT_BACK("A")), .why = EDGE53_RETURN_SENT,
		      .before = age_2_hours },
		    { .leaves = BACK4(SEGMENT_BACK("A")), .why = EDGE53_NOT_OURS,
		      .before = age_another_5_minutes } } },
	};

	return RUN_RETURN(path, cases);
}

static void tunnel_goes(void)
{
	world_return(DEV_NONE, true);
}

static void tunnel_without_ethernet_comes(void)
{
	world_return(DEV_OTHER, true);
}

static int gone(const struct path *path)
{
	const struct return_case cases[] = {
		{ "gone, and back under another number",
		  { NOTED(CAME4(QUERY)),
		    { .leaves = BACK4(REPLY), .why = EDGE53_RETURN_GONE, .before = tunnel_goes },
		    { .leaves = BACK4(REPLY), .why = EDGE53_RETURN_SENT,
		      .before = tunnel_without_ethernet_comes } } },
	};

	return RUN_RETURN(path, cases);
}

/* On Ethernet, what is addressed to another host, and is seen all the same. */
static int another_host(const struct path *path)
{
	struct return_step back = { .leaves = BACK4(REPLY), .why = EDGE53_NOT_OURS };
	struct frame in, out;
	bool good;

	begin(path);
	make(false, client_mac, edge_mac, CAME4(QUERY), &in);
	good = expect("another host's", 0, "verdict", world_run(RETURN_IN_L2, DEV_INNER, &in, &out),
		      TC_ACT_UNSPEC);
	good &= expect("another host's", 0, "clients known", world_count_return_peers(), 0);
	return !good | !run_step(path, "another host's", 1, &back);
}

/* A tag of another device's, or only a priority, which does not go along. */
static int tags(const struct path *path)
{
	const struct return_case cases[] = {
		{ "of a VLAN",
		  { { .came = CAME4(QUERY), .why = EDGE53_NOT_OURS, .has_vlan = true, .vlan_tci = 42 },
		    NOTED(CAME4(QUERY)),
		    { .leaves = BACK4(REPLY), .why = EDGE53_NOT_OURS, .has_vlan = true,
		      .vlan_tci = 42 } } },
		{ "a priority",
		  { { .came = CAME4(QUERY), .why = EDGE53_RETURN_NOTED, .has_vlan = true,
		      .vlan_tci = 5 << 13 },
		    { .leaves = BACK4(REPLY), .why = EDGE53_RETURN_SENT, .has_vlan = true,
		      .vlan_tci = 5 << 13 } } },
	};

	return RUN_RETURN(path, cases);
}

/* More clients than there is room for: the newest are known. */
static int overflow(const struct path *path)
{
	struct return_step in = { .why = EDGE53_RETURN_NOTED };
	struct return_step back = { .leaves = BACK4(SEGMENT_BACK("A")), .why = EDGE53_RETURN_SENT };
	bool good = true;

	begin(path);
	in.came = CAME4(SEGMENT("A"));
	good &= run_step(path, "a connection", 0, &in);
	for (unsigned i = 0; i < 4 * RETURN_PEERS; i++) {
		frames_reset();
		in.came = CAME4(udp(1024 + i, UDP_PORT, dns_query(7, NAME)));
		good &= run_step(path, "many queries", (int)i, &in);
		back.leaves = BACK4(udp(UDP_PORT, 1024 + i, dns_reply(7, NAME)));
		good &= run_step(path, "replies to the newest", (int)i, &back);
	}
	back.leaves = BACK4(SEGMENT_BACK("A"));
	good &= run_step(path, "the connection is still known", 0, &back);
	good &= expect("many", 0, "more than there is room for",
		       world_count_return_peers() <= RETURN_PEERS + 1, true);
	return !good;
}

#define RETURN_PATHS (TC_L2 | TC_L2_L3 | TC_L3 | TC_L3_L2)

const struct table return_tables[] = {
	{ "return: there and back", there_and_back, RETURN_PATHS },
	{ "return: everything else", others, RETURN_PATHS },
	{ "return: fragments", fragments, RETURN_PATHS },
	{ "return: fragments are known at egress only", fragments_are_of_egress, RETURN_PATHS },
	{ "return: how long", ages, RETURN_PATHS },
	{ "return: a tunnel that goes and comes", gone, TC_L2_L3 | TC_L3 },
	{ "return: frames of another host", another_host, TC_L2 | TC_L3_L2 },
	{ "return: tags", tags, TC_L2 },
	{ "return: many clients", overflow, RETURN_PATHS },
	{},
};
