// SPDX-License-Identifier: GPL-2.0-only
/* Counters that rows do not reach: the histogram's buckets, and more clients than room. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cases.h"
#include "client_hash.h"

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

/* Now, as slots have it. */
static __u32 slot_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec * 1000000000ull + now.tv_nsec) >> 10;
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
		world_slots()[n % SLOTS_PER_CPU].flow.flags |= EDGE53_FLOW_TIMED;
		world_slots()[n % SLOTS_PER_CPU].opened_us = slot_time() - (3u << (k - 1));
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

/* A frontend that was looked up is known until the revision says that there are others. */
static int seen_frontends(const struct path *path)
{
	bool good = true;

	world_reset(path->client_is_l3, path->backend_is_l3);
	world_set_revision(1);
	good &= expect(path, "a query", ask(path, CLIENT, 1),
		       verdict_of(path->query, EDGE53_QUERY_SENT));
	world_forget_frontends();
	good &= expect(path, "a query, the table is empty", ask(path, CLIENT, 2),
		       verdict_of(path->query, EDGE53_QUERY_SENT));
	world_set_revision(2);
	good &= expect(path, "a query after the revision", ask(path, CLIENT, 3),
		       verdict_of(path->query, EDGE53_NOT_OURS));
	world_reset(path->client_is_l3, path->backend_is_l3);
	world_set_revision(0);
	good &= expect(path, "a query without one", ask(path, CLIENT, 1),
		       verdict_of(path->query, EDGE53_QUERY_SENT));
	world_forget_frontends();
	good &= expect(path, "nothing is noted then", ask(path, CLIENT, 2),
		       verdict_of(path->query, EDGE53_NOT_OURS));
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

/* As addresses of clients are numbered here; each fits into one bucket or another. */
static const char *client_name(unsigned i, char name[16])
{
	snprintf(name, 16, "8.0.%u.%u", (8 + i / 250) & 0xff, 1 + i % 250);
	return name;
}

static unsigned bucket_of(const char *client)
{
	struct edge53_addr addr = test_addr(client);
	__u64 halves[2];

	memcpy(halves, &addr, sizeof(halves));
	return client_bucket(client_hash(world_knobs()->token_keys, halves[0], halves[1]),
			     CLIENT_BUCKET_BITS);
}

static bool is_at(const struct edge53_client *entry, const char *client)
{
	struct edge53_addr addr = test_addr(client);

	return !memcmp(&entry->address, &addr, sizeof(addr));
}

/* All entries of CPU 0 get a client, one query each. */
static void fill_table(const struct path *path)
{
	char name[16];

	world_reset(path->client_is_l3, path->backend_is_l3);
	for (unsigned i = 0; i < CLIENTS; i++)
		ask(path, client_name(i, name), i);
}

/* The next address from `from` on that is a stranger to the full table and falls into the bucket. */
static unsigned stranger_in(unsigned bucket, unsigned from)
{
	char name[16];

	while (bucket_of(client_name(from, name)) != bucket)
		from++;
	return from;
}

/* Eight packets in a row: the last is counted for the client, which has the oldest one's entry. */
static int voted_in(const struct path *path)
{
	struct edge53_client *clients = world_clients();
	struct counters counters;
	char name[16];
	unsigned stranger;
	bool good = true;

	fill_table(path);
	good &= expect(path, "the first client's entry", is_at(&clients[0], client_name(0, name)),
		       1);
	clients[0].first_seen_ns = clients[0].last_seen_ns = 1;
	stranger = stranger_in(bucket_of(client_name(0, name)), CLIENTS);
	client_name(stranger, name);
	for (unsigned i = 1; i < 8; i++)
		ask(path, name, i);
	good &= expect(path, "not yet", is_at(&clients[0], name), 0);
	ask(path, name, 8);
	good &= expect(path, "has the entry", is_at(&clients[0], name), 1);
	good &= expect(path, "its queries", clients[0].traffic.queries, 1);
	world_read_counters(&counters);
	good &= expect(path, "clients", counters.n_clients, CLIENTS);
	good &= expect(path, "evicted", counters.n_evicted, 1);
	good &= expect(path, "not counted", counters.n_not_counted, 7);
	good &= expect(path, "others", counters.others.queries, 8);
	good &= expect(path, "queries", counters.clients[3].queries, CLIENTS);
	return !good;
}

static __u64 now_ns(void)
{
	return now_us() * 1000;
}

/* Every client of the full table was seen for so many seconds, the last time so many seconds ago. */
static void settle_clients(unsigned for_s, unsigned ago_s)
{
	struct edge53_client *clients = world_clients();
	__u64 last_ns = now_ns() - ago_s * SECONDS;

	for (unsigned i = 0; i < CLIENTS; i++) {
		clients[i].last_seen_ns = last_ns + i;
		clients[i].first_seen_ns = last_ns - for_s * SECONDS;
	}
}

/*
 * A flood of sources that are made up, each of which is seen as often as it takes to be voted in. Returns how many
 * clients it has evicted, and in *seconds how long it took.
 */
static unsigned flood_by_votes(const struct path *path, unsigned *seconds)
{
	struct counters before, after;
	__u64 start_ns = now_ns();
	char name[16];

	world_read_counters(&before);
	for (unsigned i = 0; i < 20 * CLIENTS; i++) {
		client_name(CLIENTS + i, name);
		for (unsigned n = 0; n < 8; n++)
			ask(path, name, n);
	}
	world_read_counters(&after);
	*seconds = (now_ns() - start_ns) / SECONDS;
	return after.n_evicted - before.n_evicted;
}

static unsigned count_settled(void)
{
	struct edge53_client *clients = world_clients();
	unsigned n = 0;
	char name[16];

	for (unsigned i = 0; i < CLIENTS; i++)
		n += is_at(&clients[i], client_name(i, name));
	return n;
}

/* Who is established makes room once a second, however many come; a flood that is no client of ours for long does all. */
static int flood_evicts_nobody(const struct path *path)
{
	unsigned evicted, seconds;
	bool good = true;

	fill_table(path);
	settle_clients(20, 1);
	flood_by_votes(path, &seconds);
	good &= expect(path, "one made room, as a newcomer is to be seen",
		       count_settled() < CLIENTS, 1);
	good &= expect(path, "and one in a second", count_settled() >= CLIENTS - seconds - 2, 1);

	/* The same flood against those who came just once, or who have not come for long. */
	fill_table(path);
	flood_by_votes(path, &seconds);
	good &= expect(path, "who came just once makes room", count_settled(), 0);
	/* A machine that was started just now has no such past. */
	if (now_ns() < 400 * SECONDS)
		return !good;
	fill_table(path);
	settle_clients(20, 301);
	evicted = flood_by_votes(path, &seconds);
	good &= expect(path, "who has not come for long makes room", count_settled(), 0);
	good &= expect(path, "for many", evicted > 10 * CLIENTS, 1);
	return !good;
}

/* Only prefixes of the configuration, which no packet adds to. */
static bool may_grow(const char *map)
{
	return !strcmp(map, "exempt") || !strcmp(map, "doh") || !strcmp(map, "keep_source");
}

/*
 * Sources that are made up, by UDP, TCP and in fragments, over a rate limit and under it: all that is noted of them has
 * its place since the start.
 */
static int flood_takes_no_memory(const struct path *path)
{
	__u64 before;
	struct frame in, out;
	struct layer_of *whole;
	char name[16];
	bool good = true;

	world_reset(path->client_is_l3, path->backend_is_l3);
	world_limit_rate(SECONDS, 50, 1,
			 EDGE53_SERVICE_XDP | EDGE53_SERVICE_RATE_LIMIT |
				 EDGE53_SERVICE_RATE_IN_XDP);
	for (const char *map = world_map_that_grows(NULL); map; map = world_map_that_grows(map))
		if (!may_grow(map)) {
			printf("    %s takes more with each entry\n", map);
			good = false;
		}
	before = world_memory();
	good &= expect(path, "the kernel says what maps take", before > 0, 1);
	for (unsigned i = 0; i < often(10000); i++) {
		client_name(i, name);
		ask(path, name, i);
		frames_reset();
		frame_of_query(path, ip4(name, FRONTEND, tcp(40000, 53, "S", nothing())), &in);
		world_run(path->query, DEV_UPLINK, &in, &out);
		frames_reset();
		whole = ip4(name, FRONTEND, udp(40000, 53, longer(400, dns_query(i, "a"))));
		frame_of_query(path, part_of(whole, 0, 200), &in);
		world_run(path->query, DEV_UPLINK, &in, &out);
	}
	good &= expect(path, "the ring went round",
		       world_cpu_state(0).next_slot > 10 * SLOTS_PER_CPU, 1);
	good &= expect(path, "bytes more", (long long)(world_memory() - before), 0);
	return !good;
}

/* Who is not established goes first, even if he was seen last. */
static int newcomers_go_first(const struct path *path)
{
	struct edge53_client *clients = world_clients();
	char name[16], stranger[16];
	unsigned bucket;
	bool good = true;

	fill_table(path);
	settle_clients(20, 1);
	bucket = bucket_of(client_name(5, name));
	clients[5].first_seen_ns = clients[5].last_seen_ns = now_ns();
	client_name(stranger_in(bucket, CLIENTS), stranger);
	for (unsigned i = 0; i < 8; i++)
		ask(path, stranger, i);
	good &= expect(path, "has the newcomer's entry", is_at(&clients[5], stranger), 1);
	good &= expect(path, "the others are there", count_settled(), CLIENTS - 1);
	return !good;
}

/* As fill_table(), by clients of other buckets than this one. Returns the number of the address after the last. */
static unsigned fill_table_beside(const struct path *path, unsigned bucket)
{
	unsigned n = 0, i;
	char name[16];

	world_reset(path->client_is_l3, path->backend_is_l3);
	for (i = 0; n < CLIENTS; i++)
		if (bucket_of(client_name(i, name)) != bucket)
			ask(path, name, n++);
	return i;
}

/* The table is full, and the newcomer's bucket has nobody to make room: a client of one beside it does. */
static int voted_in_alone(const struct path *path)
{
	struct edge53_client *clients = world_clients();
	unsigned newcomer, end, at = 0;
	struct counters counters;
	char name[16];
	bool good = true;

	end = fill_table_beside(path, 5);
	newcomer = stranger_in(5, 0);
	client_name(newcomer, name);
	for (unsigned i = 0; i < 20; i++)
		ask(path, name, i);
	while (at < CLIENTS - 1 && !is_at(&clients[at], name))
		at++;
	good &= expect(path, "has an entry", is_at(&clients[at], name), 1);
	good &= expect(path, "its queries", clients[at].traffic.queries, 13);
	world_read_counters(&counters);
	good &= expect(path, "clients", counters.n_clients, CLIENTS);
	good &= expect(path, "evicted", counters.n_evicted, 1);
	good &= expect(path, "not counted", counters.n_not_counted, 7);
	good &= expect(path, "others", counters.others.queries, 7 + 1);
	/* Who made room is a stranger now, and nobody else is. */
	for (unsigned i = 0; i < end; i++)
		if (bucket_of(client_name(i, name)) != 5)
			ask(path, name, i);
	world_read_counters(&counters);
	good &= expect(path, "evicted, after all", counters.n_evicted, 1);
	good &= expect(path, "not counted, after all", counters.n_not_counted, 7 + 1);
	return !good;
}

/* A SYN is one packet of a client, and one vote. */
static int connection_of_others(const struct path *path)
{
	struct counters counters;
	struct frame in, out;

	fill_table(path);
	frames_reset();
	frame_of_query(path, ip4("9.9.9.9", FRONTEND, tcp(40000, 53, "S", nothing())), &in);
	world_run(path->query, DEV_UPLINK, &in, &out);
	world_read_counters(&counters);
	return !(expect(path, "connections of others", counters.others.tcp_connections, 1) &
		 expect(path, "packets not counted", counters.n_not_counted, 1));
}

/* Strangers that come in turns outvote each other. */
static int not_voted_in(const struct path *path)
{
	struct counters counters;
	unsigned strangers[3], bucket;
	char name[16];

	fill_table(path);
	bucket = bucket_of(client_name(0, name));
	strangers[0] = stranger_in(bucket, CLIENTS);
	strangers[1] = stranger_in(bucket, strangers[0] + 1);
	strangers[2] = stranger_in(bucket, strangers[1] + 1);
	for (unsigned i = 0; i < 60; i++)
		ask(path, client_name(strangers[i % 3], name), i);
	world_read_counters(&counters);
	return !(expect(path, "evicted", counters.n_evicted, 0) &
		 expect(path, "others", counters.others.queries, 60) &
		 expect(path, "queries", counters.clients[3].queries, CLIENTS));
}

/* Its query's slot still knows the entry, which is another client's by now. */
static int reply_to_the_evicted(const struct path *path)
{
	struct edge53_client *clients = world_clients();
	struct counters counters;
	char name[16];
	unsigned stranger;
	bool good = true;

	fill_table(path);
	client_name(0, name);
	ask(path, name, 1); /* query CLIENTS */
	clients[0].first_seen_ns = clients[0].last_seen_ns = 1;
	stranger = stranger_in(bucket_of(name), CLIENTS);
	client_name(stranger, name);
	for (unsigned i = 0; i < 8; i++)
		ask(path, name, i);
	good &= expect(path, "has the entry", is_at(&clients[0], name), 1);
	good &= expect(path, "verdict", answer(path, CLIENTS),
		       verdict_of(path->reply, EDGE53_REPLY_SENT));
	world_read_counters(&counters);
	good &= expect(path, "replies of the newcomer", clients[0].traffic.replies, 0);
	good &= expect(path, "replies of others", counters.others.replies, 1);
	good &= expect(path, "queries of others", counters.others.queries, 2 + 7);
	good &= expect(path, "queries of all",
		       counters.others.queries + counters.clients[3].queries, CLIENTS + 9);
	return !good;
}

/* The other CPU counts the reply in its own part; a sum is what is asked for. */
static int other_cpu(const struct path *path)
{
	struct counters counters;
	bool good = true;

	world_reset(path->client_is_l3, path->backend_is_l3);
	ask(path, CLIENT, 1);
	if (!world_use_cpu(1))
		return 0;
	answer(path, 0);
	world_use_cpu(0);
	world_read_counters(&counters);
	good &= expect(path, "replies on CPU 0", world_clients()[0].traffic.replies, 0);
	good &= expect(path, "replies on CPU 1", world_clients()[CLIENTS].traffic.replies, 1);
	good &= expect(path, "clients", counters.n_clients, 1);
	good &= expect(path, "queries", counters.clients[0].queries, 1);
	good &= expect(path, "replies", counters.clients[0].replies, 1);
	return !good;
}

#define MANY 640
#define PACKETS 10000

/* Ten times as many clients as entries, half of them answered: nobody has more than was sent, nothing is missing. */
static int many_clients(const struct path *path)
{
	static unsigned sent[MANY], answered;
	struct counters counters;
	unsigned random = 1, n_wrong = 0;
	char name[16];
	bool good = true;

	memset(sent, 0, sizeof(sent));
	answered = 0;
	world_reset(path->client_is_l3, path->backend_is_l3);
	for (unsigned i = 0; i < PACKETS; i++) {
		unsigned client;

		random = random * 1664525 + 1013904223;
		client = random >> 31 ? (random >> 16) % MANY : (random >> 16) % 48;
		ask(path, client_name(client, name), i & 0xffff);
		sent[client]++;
		/* XDP leaves to tc what looks like a partial checksum. */
		if (random >> 8 & 1)
			answered += answer(path, i) == verdict_of(path->reply, EDGE53_REPLY_SENT);
	}
	world_read_counters(&counters);
	for (unsigned i = 0; i < CLIENTS; i++) {
		const struct edge53_client *entry = &world_clients()[i];

		for (unsigned client = 0; client < MANY; client++)
			if (is_at(entry, client_name(client, name)))
				n_wrong += entry->traffic.queries > sent[client] ||
					   entry->traffic.replies > entry->traffic.queries + 1;
	}
	good &= expect(path, "clients", counters.n_clients, CLIENTS);
	good &= expect(path, "clients with too much", n_wrong, 0);
	good &= expect(path, "queries", counters.clients[3].queries + counters.others.queries,
		       PACKETS);
	good &= expect(path, "replies", counters.clients[3].replies + counters.others.replies,
		       answered);
	good &= expect(path, "answered", answered > PACKETS / 3, 1);
	good &= expect(path, "answers without an error",
		       counters.clients[3].noerror + counters.others.noerror, answered);
	good &= expect(path, "some have no entry", counters.n_not_counted > 0, 1);
	good &= expect(path, "some made room", counters.n_evicted > 0, 1);
	return !good;
}

const struct table count_tables[] = {
	{ "latencies", latencies, XDP | TC_L2 },
	{ "frontends seen", seen_frontends, ETHERNET_UPLINK | TC_L3 },
	{ "more clients than there is room for", more_clients_than_room, XDP | TC_L2 },
	{ "clients, voted in", voted_in, XDP | TC_L2 },
	{ "clients, voted in to an empty bucket", voted_in_alone, XDP | TC_L2 },
	{ "clients, a connection of the others", connection_of_others, XDP | TC_L2 },
	{ "clients, not voted in", not_voted_in, XDP | TC_L2 },
	{ "clients, a flood that is voted in", flood_evicts_nobody, XDP | TC_L2 },
	{ "maps, a flood takes no memory", flood_takes_no_memory, XDP | TC_L2 },
	{ "clients, newcomers go first", newcomers_go_first, XDP | TC_L2 },
	{ "clients, a reply to the evicted", reply_to_the_evicted, XDP | TC_L2 },
	{ "clients, another CPU", other_cpu, XDP | TC_L2 },
	{ "clients, many", many_clients, XDP | TC_L2 },
	{},
};
