// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two CPUs at once. A reply must reach the client of its own query or nobody while its slot is
 * handed out anew, and the pool must stay whole while both open connections. Chance decides what is
 * met; nothing that may be met is wrong.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "cases.h"

#include "token.h"

#define QUERIES often(150000)
#define SEGMENTS often(60000)
#define TUPLES 80

static void put16(unsigned char *p, unsigned value)
{
	p[0] = value >> 8;
	p[1] = value;
}

static unsigned get16(const unsigned char *p)
{
	return p[0] << 8 | p[1];
}

static unsigned next_random(unsigned *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* --- the ring --------------------------------------------------------------------------------- */

/* The n-th query is told by port and ID; replies must bring both back together. */
static unsigned port_of_client(unsigned n)
{
	return 1024 + n % 60000;
}

static struct {
	const struct path *path;
	unsigned asked; /* queries sent so far */
	bool is_done;
} ring;

/* CPU 1 asks, and comes round its ring every SLOTS_PER_CPU queries. */
static void *ask_on_cpu_1(void *unused)
{
	struct frame in, out;
	unsigned char *udp_header = in.bytes + ETH_LEN + 20;

	(void)unused;
	world_use_cpu(1);
	frame_of_query(ring.path,
		       ip4(CLIENT, FRONTEND, zero_checksum(udp(1, 53, dns_query(1, "a")))), &in);
	for (unsigned n = 0; n < QUERIES; n++) {
		put16(udp_header, port_of_client(n));
		put16(udp_header + 8, n);
		world_run(ring.path->query, DEV_UPLINK, &in, &out);
		__atomic_store_n(&ring.asked, n + 1, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&ring.is_done, true, __ATOMIC_RELEASE);
	return NULL;
}

static __u32 token_on_cpu_1(unsigned n)
{
	__u32 lap = n / SLOTS_PER_CPU + 1, index = SLOTS_PER_CPU + n % SLOTS_PER_CPU;

	return token_encode(world_knobs(), lap << world_knobs()->slot_bits | index);
}

/* CPU 0 answers queries whose slots are about to be taken again. Returns how many got through. */
static int answer_on_cpu_0(unsigned *wrong)
{
	unsigned char *udp_header;
	unsigned seed = 1, got = 0;
	struct frame in, out;

	frame_of_reply(ring.path,
		       ip4(BACKEND, EDGE, zero_checksum(udp(BACKEND_UDP, 1, dns_reply(1, "a")))),
		       &in);
	while (!__atomic_load_n(&ring.is_done, __ATOMIC_ACQUIRE)) {
		unsigned asked = __atomic_load_n(&ring.asked, __ATOMIC_ACQUIRE), n;
		__u32 token;

		if (asked < 2 * SLOTS_PER_CPU)
			continue;
		n = asked - SLOTS_PER_CPU + 2 - next_random(&seed) % 5;
		token = token_on_cpu_1(n);
		udp_header = in.bytes + ETH_LEN + 20;
		put16(udp_header + 2, PORT_BASE + (token >> TOKEN_ID_BITS));
		put16(udp_header + 8, token);
		if (world_run(ring.path->reply, DEV_INNER, &in, &out) !=
		    verdict_of(ring.path->reply, EDGE53_REPLY_SENT))
			continue;
		got++;
		udp_header = out.bytes + ETH_LEN + 20;
		*wrong += get16(udp_header + 2) != port_of_client(n) ||
			  get16(udp_header + 8) != (n & 0xffff);
	}
	return got;
}

static int replies_while_slots_are_taken(const struct path *path)
{
	unsigned wrong = 0, got;
	pthread_t thread;

	if (!world_use_cpu(1) || !world_use_cpu(0))
		return 0; /* there is only one CPU */
	world_reset(path->client_is_l3, path->backend_is_l3);
	ring.path = path;
	ring.asked = 0;
	ring.is_done = false;
	if (pthread_create(&thread, NULL, ask_on_cpu_1, NULL))
		return 1;
	got = answer_on_cpu_0(&wrong);
	pthread_join(thread, NULL);
	printf("# %s: %u replies in time, %u to the wrong client\n", path->name, got, wrong);
	return wrong || !got;
}

/* --- the pool --------------------------------------------------------------------------------- */

struct worker {
	const struct path *path;
	unsigned cpu;
	unsigned strange_verdicts;
};

/* SYNs, other segments and resets of more tuples than there are entries, and the backend's side. */
static void *talk(void *arg)
{
	static const unsigned char flags[] = { 0x02, 0x02, 0x02, 0x10, 0x18, 0x04, 0x11 };
	struct worker *worker = arg;
	const struct path *path = worker->path;
	struct frame query, reply, out;
	unsigned seed = 7 + worker->cpu, drop = verdict_of(path->query, EDGE53_TCP_FULL);

	world_use_cpu(worker->cpu);
	frame_of_query(path, ip4(CLIENT, FRONTEND, tcp(1, 53, "S", nothing())), &query);
	frame_of_reply(path, ip4(BACKEND, EDGE, tcp(BACKEND_TCP, 1, "SA", nothing())), &reply);
	for (unsigned i = 0; i < SEGMENTS; i++) {
		put16(query.bytes + ETH_LEN + 20, 1024 + next_random(&seed) % TUPLES);
		query.bytes[ETH_LEN + 20 + 13] = flags[next_random(&seed) % sizeof(flags)];
		/* TCP_CONTENDED and TCP_FULL are dropped; neither may be the rule. */
		worker->strange_verdicts +=
			(unsigned)world_run(path->query, DEV_UPLINK, &query, &out) == drop;
		put16(reply.bytes + ETH_LEN + 22, conn_port(next_random(&seed) % CONNS));
		world_run(path->reply, DEV_INNER, &reply, &out);
		if (next_random(&seed) % 16 == 0)
			world_conns()[next_random(&seed) % CONNS].seen_ns -= TCP_IDLE_S * SECONDS;
	}
	return NULL;
}

/* Each live entry is found by its tuple, and each tuple leads to such an entry. */
static unsigned lost_connections(void)
{
	unsigned lost = 0;

	for (unsigned i = 0; i < CONNS; i++) {
		const struct edge53_conn *conn = &world_conns()[i];

		if (conn->sequence & 1)
			lost++;
		else if (conn->state != EDGE53_CONN_FREE)
			lost += world_find_conn(CLIENT, FRONTEND, conn->flow.client_port,
						SERVICE_EDGE) != (int)i;
	}
	return lost;
}

static int both_open_connections(const struct path *path)
{
	struct worker workers[2] = { { path, 1, 0 }, { path, 0, 0 } };
	unsigned drops, lost;
	pthread_t thread;

	if (!world_use_cpu(1) || !world_use_cpu(0))
		return 0;
	world_reset(path->client_is_l3, path->backend_is_l3);
	if (pthread_create(&thread, NULL, talk, &workers[0]))
		return 1;
	talk(&workers[1]);
	pthread_join(thread, NULL);
	drops = workers[0].strange_verdicts + workers[1].strange_verdicts;
	lost = lost_connections();
	printf("# %s: %u of %u segments dropped, %u connections lost\n", path->name, drops,
	       2 * SEGMENTS, lost);
	return lost || !world_tuples_are_right() || drops > SEGMENTS / 2;
}

const struct table race_tables[] = {
	{ "races, a reply and the next query of its slot", replies_while_slots_are_taken,
	  XDP | TC_L2 },
	{ "races, two CPUs open connections", both_open_connections, XDP | TC_L2 },
	{},
};
