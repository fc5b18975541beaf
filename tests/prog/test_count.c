// SPDX-License-Identifier: GPL-2.0-only
/* Counters that rows do not reach: the histogram's buckets, and more clients than room. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cases.h"

static bool expect(const struct path *path, const char *what, long long got, long long expected)
{
	if (got == expected)
		return true;
	printf("    %s: %s: %lld, expected %lld\n", path->name, what, got, expected);
	return false;
}

static int ask(const struct path *path, const char *client, unsigned id)
{
	struct frame in, out;

	frames_reset();
	frame_of_query(path, ip4(client, FRONTEND, udp(40000, 53, dns_query(id, "a"))), &in);
	return world_run(path->query, DEV_UPLINK, &in, &out);
}

static int answer(const struct path *path, unsigned n)
{
	struct frame in, out;

	frame_of_reply(path,
		       ip4(BACKEND, EDGE, udp(BACKEND_UDP, port_of(n), dns_reply(id_of(n), "a"))),
		       &in);
	return world_run(path->reply, DEV_INNER, &in, &out);
}

static __u64 now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ull + now.tv_nsec / 1000;
}

/*
 * A reply after one and a half times 2^k us is below 2^(k+1). Short times are the test's own; when it
 * had to wait for its turn for longer than is left to the bucket's end, it begins anew.
 */
static int latencies(const struct path *path)
{
	__u64 buckets[EDGE53_LATENCY_BUCKETS], start;
	bool good = true;

again:
	world_reset(path->client_is_l3, path->backend_is_l3);
	for (unsigned k = 12; 3u << (k - 1) < UDP_TIMEOUT_S * 900000; k++) {
		unsigned n = k - 12;

		start = now_us();
		ask(path, CLIENT, n);
		world_slots()[n % SLOTS_PER_CPU].opened_us -= 3u << (k - 1);
		good &= expect(path, "verdict", answer(path, n),
			       verdict_of(path->reply, EDGE53_REPLY_SENT));
		if (now_us() - start >= 1u << (k - 1))
			goto again;
		world_read_latencies(1, buckets);
		for (unsigned b = 13; b < EDGE53_LATENCY_BUCKETS; b++)
			good &= expect(path, "replies in a bucket", buckets[b], b <= k + 1);
	}
	return !good;
}

/* A full table costs counts, never service. */
static int more_clients_than_room(const struct path *path)
{
	struct counters counters;
	char client[16];
	bool good = true;

	world_reset(path->client_is_l3, path->backend_is_l3);
	for (unsigned i = 0; i < CLIENTS + 10; i++) {
		snprintf(client, sizeof(client), "8.0.7.%u", i);
		good &= expect(path, "verdict", ask(path, client, i),
			       verdict_of(path->query, EDGE53_QUERY_SENT));
	}
	good &= expect(path, "verdict of a known client", ask(path, "8.0.7.0", 1),
		       verdict_of(path->query, EDGE53_QUERY_SENT));
	world_read_counters(&counters);
	good &= expect(path, "clients known", counters.n_clients, CLIENTS);
	good &= expect(path, "their queries", counters.clients[3].queries, CLIENTS + 1);
	good &= expect(path, "queries of others", counters.others.queries, 10);
	good &= expect(path, "queries sent", counters.backends[1].queries, CLIENTS + 11);
	good &= expect(path, "packets not counted", counters.n_not_counted, 10);
	good &= expect(path, "clients evicted", counters.n_evicted, 0);
	return !good;
}

const struct table count_tables[] = {
	{ "latencies", latencies, XDP | TC_L2 },
	{ "more clients than there is room for", more_clients_than_room, XDP | TC_L2 },
	{},
};
