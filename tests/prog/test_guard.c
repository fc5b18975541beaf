// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guard at egress of a default route's device: port 53 of a client whose device is not
 * attached. The packet came in by "other"; whatever becomes of it, its bytes stay.
 */
#include <stdio.h>
#include <string.h>

#include <linux/pkt_cls.h>

#include "cases.h"

#define NAME "example.com"
#define GOOGLE "8.8.8.8"
#define GOOGLE6 "2001:4860:4860::8888"

#define QUERY udp(40000, 53, dns_query(7, NAME))
#define FROM4(l4) ip4(CLIENT, GOOGLE, l4)
#define FROM6(l4) ip6(CLIENT6, GOOGLE6, l4)

struct guard_case {
	const char *name;
	struct layer_of *packet;
	enum edge53_reason why;
	bool is_own; /* the host's, not forwarded */
};

#define COUNTED(name, packet) { name, packet, EDGE53_GUARD_COUNTED }
#define PASSES(name, packet) { name, packet, EDGE53_NOT_OURS }

static bool expect(const char *name, const char *what, long long got, long long expected)
{
	if (got == expected)
		return true;
	printf("    %s: %s: %lld, expected %lld\n", name, what, got, expected);
	return false;
}

/* EDGE53_GUARD_COUNTED in a row stands for what the policy makes of it. */
static bool run_guard(const struct path *path, const struct guard_case *test,
		      enum edge53_reason counted_as)
{
	enum test_program program = path->client_is_l3 ? GUARD_OUT_L3 : GUARD_OUT_L2;
	enum edge53_reason why = test->why == EDGE53_GUARD_COUNTED ? counted_as : test->why;
	struct surroundings around = {
		.ingress_ifindex = test->is_own ? 0 : world_ifindex(DEV_OTHER)
	};
	struct counters before, after;
	struct frame in, out;
	int verdict;
	bool good;

	frame_of_query(path, test->packet, &in);
	world_read_counters(&before);
	verdict = world_run_in(program, DEV_UPLINK, &around, &in, &out);
	world_read_counters(&after);
	if (why != EDGE53_NOT_OURS)
		before.reasons[SERVICE_ENFORCE][why]++;
	good = expect(test->name, "verdict", verdict,
		      why == EDGE53_GUARD_DROPPED ? TC_ACT_SHOT : TC_ACT_UNSPEC);
	good &= same_frame(&out, &in, path->client_is_l3 ? 0 : ETH_LEN);
	good &= expect(test->name, "counters differ", !!memcmp(&before, &after, sizeof(before)), 0);
	return good;
}

static bool run_all(const struct path *path, enum edge53_reason counted_as)
{
	const struct guard_case cases[] = {
		COUNTED("UDP", FROM4(QUERY)),
		COUNTED("TCP", FROM4(tcp(40000, 53, "S", nothing()))),
		COUNTED("IPv6, UDP", FROM6(QUERY)),
		COUNTED("IPv6, TCP", FROM6(tcp(40000, 53, "A", nothing()))),
		COUNTED("behind IP options", options(10, FROM4(QUERY))),
		COUNTED("behind extension headers", FROM6(ip6_ext(0, ip6_long_ext(60, 5, QUERY)))),
		COUNTED("a first fragment", first_fragment(FROM4(QUERY))),
		COUNTED("an IPv6 first fragment", FROM6(ip6_fragment(1, QUERY))),
		COUNTED("not even DNS", FROM4(udp(40000, 53, text("nothing of the kind")))),
		PASSES("another port", FROM4(udp(40000, 54, dns_query(7, NAME)))),
		PASSES("DNS over TLS", FROM4(tcp(40000, 853, "S", nothing()))),
		PASSES("from port 53", FROM4(udp(53, 40000, dns_reply(7, NAME)))),
		PASSES("ICMP", padded(8, FROM4(icmp_echo()))),
		PASSES("a later fragment", later_fragment(FROM4(QUERY))),
		PASSES("a later IPv6 fragment", FROM6(ip6_fragment(8, QUERY))),
		{ "the host's own", FROM4(QUERY), EDGE53_NOT_OURS, true },
		{ "the host's own over IPv6", FROM6(QUERY), EDGE53_NOT_OURS, true },
	};
	bool good = true;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		good &= run_guard(path, &cases[i], counted_as);
	return good;
}

static int counts(const struct path *path)
{
	world_reset(path->client_is_l3, path->backend_is_l3);
	world_guard(world_ifindex(DEV_OTHER), EDGE53_GUARD_COUNT);
	return !run_all(path, EDGE53_GUARD_COUNTED);
}

static int drops(const struct path *path)
{
	world_reset(path->client_is_l3, path->backend_is_l3);
	world_guard(world_ifindex(DEV_OTHER), EDGE53_GUARD_DROP);
	return !run_all(path, EDGE53_GUARD_DROPPED);
}

/* An attached device, or no client's: all that passes edge53 may leave. */
static int passes(const struct path *path)
{
	world_reset(path->client_is_l3, path->backend_is_l3);
	world_guard(0, EDGE53_GUARD_DROP);
	world_guard(world_ifindex(DEV_OTHER), EDGE53_GUARD_PASS);
	return !run_all(path, EDGE53_NOT_OURS);
}

/* A device that came up a moment ago is judged as entry 0 says. */
static int not_looked_at_yet(const struct path *path)
{
	world_reset(path->client_is_l3, path->backend_is_l3);
	world_guard(0, EDGE53_GUARD_DROP);
	return !run_all(path, EDGE53_GUARD_DROPPED);
}

static int off(const struct path *path)
{
	world_reset(path->client_is_l3, path->backend_is_l3);
	return !run_all(path, EDGE53_NOT_OURS);
}

const struct table guard_tables[] = {
	{ "guard: count", counts, ENFORCE_PATHS },
	{ "guard: drop", drops, ENFORCE_PATHS },
	{ "guard: devices that pass", passes, ENFORCE_PATHS },
	{ "guard: devices not looked at yet", not_looked_at_yet, ENFORCE_PATHS },
	{ "guard: off", off, ENFORCE_PATHS },
	{},
};
