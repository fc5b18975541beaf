// SPDX-License-Identifier: GPL-2.0-only
/*
 * What must hold for any packet: there and back is the identity, a reply reaches the client of its
 * own query or nobody, and what is not ours comes back bit for bit. Seeded, so that a failure comes
 * again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "cases.h"

#include "token.h"

#define ROUNDS often(10000)
#define MUTANTS often(100000)

static __u64 seed;

static unsigned random_below(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 20) % n;
}

static bool expect(const struct path *path, const char *what, long long got, long long expected)
{
	if (got == expected)
		return true;
	printf("    %s: %s: %lld, expected %lld\n", path->name, what, got, expected);
	return false;
}

static void begin(const struct path *path)
{
	seed = 0x9e3779b97f4a7c15;
	world_reset(path->client_is_l3, path->backend_is_l3);
}

/* --- there and back --------------------------------------------------------------------------- */

/* A client and what it asks. The texts live as long as this. */
struct question {
	char client[16], asked[16], name[200];
	unsigned port, id, ttl;
	bool has_checksum;
};

static void ask_at_random(const struct path *path, struct question *q)
{
	unsigned len = random_below(sizeof(q->name) - 1);

	snprintf(q->client, sizeof(q->client), "8.0.%u.%u", random_below(256), random_below(256));
	snprintf(q->asked, sizeof(q->asked), "%u.%u.%u.%u", 1 + random_below(223),
		 random_below(256), random_below(256), random_below(256));
	if (!is_enforce(path))
		strcpy(q->asked, FRONTEND);
	for (unsigned i = 0; i < len; i++)
		q->name[i] = 1 + random_below(255);
	q->name[len] = 0;
	q->port = 1 + random_below(65535);
	q->id = random_below(65536);
	q->ttl = 2 + random_below(254);
	q->has_checksum = random_below(8);
}

static struct layer_of *checked(const struct question *q, struct layer_of *l4)
{
	return q->has_checksum ? l4 : zero_checksum(l4);
}

/* Puts `before` through and compares with `after`. */
static bool becomes(const struct path *path, bool is_query, struct layer_of *before,
		    struct layer_of *after, enum edge53_reason why)
{
	enum test_program program = is_query ? path->query : path->reply;
	struct frame in, out, expected;
	int verdict;

	if (is_query) {
		frame_of_query(path, before, &in);
		frame_of_sent_query(path, after, &expected);
	} else {
		frame_of_reply(path, before, &in);
		frame_of_sent_reply(path, after, &expected);
	}
	verdict = world_run(program, is_query ? client_device(path) : backend_device(path), &in,
			    &out);
	return expect(path, "verdict", verdict, verdict_of(program, why)) &
	       same_frame(&out, &expected, expected.bytes[0] == 0x45 ? 0 : ETH_LEN);
}

/* One in 65,536 full checksums looks partial; XDP leaves those to tc. */
static bool is_for_tc(const struct path *path, struct layer_of *packet)
{
	struct frame frame;

	make_frame(packet, &frame);
	return path->bit == XDP && looks_partial(frame.bytes);
}

static bool udp_round(const struct path *path, unsigned n)
{
	const char *backend = is_enforce(path) ? RESOLVER : BACKEND, *ours;
	unsigned port = is_enforce(path) ? 53 : BACKEND_UDP, hops = !is_enforce(path);
	struct layer_of *query, *sent, *reply, *restored;
	struct question q;

	frames_reset();
	do {
		ask_at_random(path, &q);
		ours = is_enforce(path) ? q.client : EDGE;
		query = ip4(q.client, q.asked,
			    checked(&q, udp(q.port, 53, dns_query(q.id, q.name))));
		sent = ip4(ours, backend, checked(&q, udp(port_of(n), port,
							  dns_query(id_of(n), q.name))));
		reply = ip4(backend, ours, checked(&q, udp(port, port_of(n),
							   dns_reply(id_of(n), q.name))));
		restored = ip4(q.asked, q.client, checked(&q, udp(53, q.port,
								  dns_reply(q.id, q.name))));
	} while (is_for_tc(path, query) || is_for_tc(path, reply));
	return becomes(path, true, ttl(q.ttl, query), ttl(q.ttl - hops, sent), EDGE53_QUERY_SENT) &&
	       becomes(path, false, ttl(q.ttl, reply), ttl(q.ttl - hops, restored),
		       EDGE53_REPLY_SENT);
}

static int udp_identity(const struct path *path)
{
	bool good = true;

	begin(path);
	for (unsigned n = 0; good && n < ROUNDS; n++)
		good = udp_round(path, n);
	return !good;
}

static bool tcp_round(const struct path *path, unsigned n)
{
	const char *backend = is_enforce(path) ? RESOLVER : BACKEND, *ours;
	unsigned port = is_enforce(path) ? 53 : BACKEND_TCP, hops = !is_enforce(path);
	unsigned snat = conn_port(n % CONNS);
	struct layer_of *syn, *sent, *syn_ack, *restored;
	struct question q;

	frames_reset();
	do {
		ask_at_random(path, &q);
		if (q.port <= BACKEND_TCP) /* the builder takes the lower port for the server's */
			q.port += BACKEND_TCP;
		ours = is_enforce(path) ? q.client : EDGE;
		syn = ip4(q.client, q.asked, tcp(q.port, 53, "S", text(q.name)));
		sent = ip4(ours, backend, tcp(snat, port, "S", text(q.name)));
		syn_ack = ip4(backend, ours, tcp(port, snat, "SA", text(q.name)));
		restored = ip4(q.asked, q.client, tcp(53, q.port, "SA", text(q.name)));
	} while (is_for_tc(path, syn) || is_for_tc(path, syn_ack));
	world_conns()[n % CONNS].seen_ns -= TCP_IDLE_S * SECONDS;
	return becomes(path, true, ttl(q.ttl, syn), ttl(q.ttl - hops, sent), EDGE53_TCP_OPENED) &&
	       becomes(path, false, ttl(q.ttl, syn_ack), ttl(q.ttl - hops, restored),
		       EDGE53_TCP_REPLY_SENT);
}

static int tcp_identity(const struct path *path)
{
	bool good = true;

	begin(path);
	for (unsigned n = 0; good && n < ROUNDS; n++)
		good = tcp_round(path, n);
	good &= expect(path, "tuples are right", world_tuples_are_right(), 1);
	return !good;
}

/* --- the ring --------------------------------------------------------------------------------- */

static struct layer_of *query_of(unsigned n)
{
	return ip4(n % 2 ? CLIENT : CLIENT_2, FRONTEND,
		   udp(30000 + n % 1000, 53, dns_query(n, "a")));
}

static struct layer_of *answer_to(unsigned port, unsigned id)
{
	return ip4(BACKEND, EDGE, udp(BACKEND_UDP, port, dns_reply(id, "a")));
}

static int ask(const struct path *path, unsigned n)
{
	struct frame in, out;

	frames_reset();
	frame_of_query(path, query_of(n), &in);
	return world_run(path->query, DEV_UPLINK, &in, &out);
}

/* Where a reply to this port and ID goes: the client's port, or 0 when it is not restored. */
static unsigned answer_reaches(const struct path *path, unsigned port, unsigned id)
{
	struct frame in, out;
	int verdict;

	frames_reset();
	frame_of_reply(path, answer_to(port, id), &in);
	verdict = world_run(path->reply, DEV_INNER, &in, &out);
	if (verdict == verdict_of(path->reply, EDGE53_REPLY_SENT))
		return get16(out.bytes + (path->client_is_l3 ? 0 : ETH_LEN) + 22);
	if (out.len != in.len || memcmp(in.bytes, out.bytes, in.len))
		printf("    a reply that passed was changed\n");
	return 0;
}

/* A late reply to an overwritten query reaches nobody, least of all the slot's new client. */
static int overwritten(const struct path *path)
{
	bool good = true;

	begin(path);
	for (unsigned n = 0; n < 40 * SLOTS_PER_CPU; n++) {
		ask(path, n);
		if (n < SLOTS_PER_CPU)
			continue;
		good &= expect(
			path, "client of an overwritten query",
			answer_reaches(path, port_of(n - SLOTS_PER_CPU), id_of(n - SLOTS_PER_CPU)),
			0);
		if (n % 3)
			continue;
		good &= expect(path, "client of the oldest query",
			       answer_reaches(path, port_of(n - SLOTS_PER_CPU + 1),
					      id_of(n - SLOTS_PER_CPU + 1)),
			       30000 + (n - SLOTS_PER_CPU + 1) % 1000);
	}
	return !good;
}

static int unanswered_are_counted(const struct path *path)
{
	bool good = true;

	begin(path);
	for (unsigned n = 0; n < SLOTS_PER_CPU; n++) {
		ask(path, n);
		if (n % 4 == 0)
			answer_reaches(path, port_of(n), id_of(n));
	}
	good &= expect(path, "unanswered before any is overwritten", world_cpu_state(0).unanswered,
		       0);
	for (unsigned i = 0; i < world_n_slots(); i++)
		world_slots()[i].opened_us -= 1000000;
	for (unsigned n = 0; n < SLOTS_PER_CPU; n++)
		ask(path, SLOTS_PER_CPU + n);
	good &= expect(path, "unanswered", world_cpu_state(0).unanswered, SLOTS_PER_CPU * 3 / 4);
	good &= expect(path, "a second old when overwritten",
		       world_cpu_state(0).overwritten_age_us / 1000000, 1);
	good &= expect(path, "next slot", world_cpu_state(0).next_slot, 2 * SLOTS_PER_CPU);
	return !good;
}

/* Who does not know port and ID of a query gets nothing through. */
static int guesses(const struct path *path)
{
	unsigned reached = 0;

	begin(path);
	for (unsigned n = 0; n < SLOTS_PER_CPU; n++)
		ask(path, n);
	for (unsigned bit = 0; bit < 16; bit++)
		reached += !!answer_reaches(path, port_of(3), id_of(3) ^ 1u << bit);
	for (unsigned bit = 0; bit < PORT_BITS; bit++)
		reached += !!answer_reaches(
			path, PORT_BASE + ((port_of(3) - PORT_BASE) ^ 1u << bit), id_of(3));
	for (unsigned i = 0; i < ROUNDS; i++)
		reached += !!answer_reaches(path, PORT_BASE + random_below(1 << PORT_BITS),
					    random_below(65536));
	return !expect(path, "guesses that reached a client", reached, 0);
}

/* The lap on the wire is shorter than the counter; both come round. */
static int laps_come_round(const struct path *path)
{
	const struct edge53_knobs *knobs = world_knobs();
	unsigned lap_bits = knobs->port_bits + TOKEN_ID_BITS - knobs->slot_bits;
	__u64 around[] = { SLOTS_PER_CPU * ((1ull << lap_bits) - 2), 1ull << 33 };
	bool good = true;

	begin(path);
	for (size_t i = 0; i < sizeof(around) / sizeof(*around); i++) {
		world_set_next_slot(0, around[i]);
		for (unsigned n = 0; n < 4 * SLOTS_PER_CPU; n++) {
			ask(path, n);
			good &= expect(path, "client", answer_reaches(path, port_of(around[i] + n),
								      id_of(around[i] + n)),
				       30000 + n);
		}
	}
	return !good;
}

/* Weights: the share of queries and of connections that each backend gets. */
static bool share_is(const struct path *path, const __u8 *picks, unsigned n_picks, unsigned percent)
{
	const unsigned n = 4000;
	struct counters counters;
	bool good = true;

	begin(path);
	world_set_backends(SERVICE_EDGE, picks, n_picks);
	for (unsigned i = 0; i < n; i++)
		ask(path, i);
	world_read_counters(&counters);
	good &= expect(path, "all queries sent",
		       counters.backends[1].queries + counters.backends[2].queries, n);
	good &= expect(path, "backend 2 is within 3 points of its share",
		       labs((long)counters.backends[2].queries * 100 / n - (long)percent) <= 3, 1);
	return good;
}

static int weights(const struct path *path)
{
	return !(share_is(path, (const __u8[]){ 1, 2 }, 2, 50) &
		 share_is(path, (const __u8[]){ 1, 1, 1, 2 }, 4, 25) &
		 share_is(path, (const __u8[]){ 2 }, 1, 100));
}

/* A query on one CPU, its reply on another. */
static int other_cpus(const struct path *path)
{
	const struct edge53_knobs *knobs = world_knobs();
	bool good = true;

	begin(path);
	if (!world_use_cpu(1))
		return 0; /* there is only one */
	for (unsigned n = 0; n < 3 * SLOTS_PER_CPU; n++) {
		__u32 index = SLOTS_PER_CPU + n % SLOTS_PER_CPU, lap = n / SLOTS_PER_CPU + 1;
		__u32 token = token_encode(knobs, lap << knobs->slot_bits | index);

		world_use_cpu(1);
		ask(path, n);
		world_use_cpu(0);
		good &= expect(path, "client", answer_reaches(path, PORT_BASE + (token >> 16),
							      token & 0xffff), 30000 + n);
	}
	good &= expect(path, "slots taken on CPU 0", world_cpu_state(0).next_slot, 0);
	good &= expect(path, "slots taken on CPU 1", world_cpu_state(1).next_slot,
		       3 * SLOTS_PER_CPU);
	return !good;
}

/* --- mutants ---------------------------------------------------------------------------------- */

enum whose { NOBODYS, OURS, PERHAPS };

/* Whose packet an IPv4 packet is, told independently of bpf/parse.h. */
static enum whose whose_ipv4(enum test_program program, enum test_device device,
			     const unsigned char *p, unsigned len)
{
	unsigned header = (p[0] & 15) * 4, sport, dport;
	unsigned char frontend[4] = { 198, 51, 100, 53 };
	bool to_edge_port;

	if (len < 20 || p[0] >> 4 != 4 || header < 20 || get16(p + 6) & 0x1fff ||
	    get16(p + 2) < header || (p[9] != 6 && p[9] != 17) ||
	    len < header + 4) /* without ports nobody knows; with them, a cut header is refused */
		return NOBODYS;
	sport = get16(p + header);
	dport = get16(p + header + 2);
	if (get16(p + 6) & 0x2000 || p[8] < 2) /* tests/model knows what becomes of these */
		return PERHAPS;
	to_edge_port = dport >= PORT_BASE && dport < PORT_BASE + (1 << PORT_BITS);
	if (program >= ENFORCE_OUT_L2)
		return sport == 53 && to_edge_port ? OURS : NOBODYS;
	if (program >= ENFORCE_IN_L2)
		return device == DEV_PPP && (dport == 53 || dport == 853) ? OURS : NOBODYS;
	if (dport == 53)
		return device == DEV_UPLINK && !memcmp(p + 16, frontend, 4) ? OURS : NOBODYS;
	return to_edge_port ? OURS : NOBODYS;
}

static bool is_to_dns_port(const unsigned char *p)
{
	unsigned dport = get16(p + (p[0] & 15) * 4 + 2);

	return dport == 53 || dport == 853;
}

static enum whose whose_frame(enum test_program program, enum test_device device,
			      const struct frame *frame, unsigned l3)
{
	unsigned ethertype = l3 ? get16(frame->bytes + 12) : 0x0800;

	if (ethertype == 0x86dd && (program == ENFORCE_IN_L2 || program == ENFORCE_IN_L3))
		return PERHAPS;
	enum whose whose;

	if (ethertype != 0x0800)
		return NOBODYS;
	whose = whose_ipv4(program, device, frame->bytes + l3, frame->len - l3);
	/* A query in a frame for another host is nobody's; replies are known by their slot. */
	if (whose == OURS && l3 && program < ENFORCE_OUT_L2 && is_to_dns_port(frame->bytes + l3) &&
	    memcmp(frame->bytes, uplink_mac, 6))
		return NOBODYS;
	return whose;
}

struct origin {
	enum test_program program;
	enum test_device device;
	unsigned l3;
};

static struct layer_of *original(const struct path *path, bool is_query)
{
	const char *asked = is_enforce(path) ? "8.8.8.8" : FRONTEND,
		   *ours = is_enforce(path) ? CLIENT : EDGE;
	const char *backend = is_enforce(path) ? RESOLVER : BACKEND;
	unsigned n = random_below(SLOTS_PER_CPU), port = is_enforce(path) ? 53 : BACKEND_UDP;

	switch (random_below(is_query ? 6 : 4)) {
	case 0:
	case 1:
		return is_query ? ip4(CLIENT, asked, udp(40000, 53, dns_query(7, "example.com")))
				: ip4(backend, ours,
				      udp(port, port_of(n), dns_reply(id_of(n), "b")));
	case 2:
		return is_query ? ip4(CLIENT, asked, tcp(40000, 53, "S", nothing())) :
				  ip4(backend, ours, tcp(is_enforce(path) ? 53 : BACKEND_TCP,
							 conn_port(0), "PA", text("reply")));
	case 3:
		return is_query ? ip4(CLIENT, asked, tcp(40000, 53, "PA", text("query"))) :
				  options(3, ip4(backend, ours, udp(port, port_of(n),
								    dns_reply(id_of(n), "c"))));
	case 4:
		return ip4(CLIENT, asked, tcp(40000, 853, "S", nothing()));
	default:
		return options(
			2, ip4(CLIENT, asked, zero_checksum(udp(40000, 53, dns_query(7, "d")))));
	}
}

static void mutate(struct frame *frame, unsigned l3)
{
	static const unsigned char interesting[] = { 0,	   1,	 4,    6,    17,  53,
						     0x45, 0x46, 0x4f, 0x7f, 0xff };

	for (unsigned n = random_below(4); n; n--) {
		unsigned at = random_below(frame->len < l3 + 60 ? frame->len : l3 + 60);

		switch (random_below(4)) {
		case 0:
			frame->bytes[at] ^= 1u << random_below(8);
			break;
		case 1:
			frame->bytes[at] = interesting[random_below(sizeof(interesting))];
			break;
		case 2:
			frame->bytes[at] = random_below(256);
			break;
		default:
			frame->len -= random_below(frame->len > 60 ? 20 : 4);
		}
	}
	if (frame->len < ETH_LEN + 20)
		frame->len = ETH_LEN + 20;
	if (!l3)
		memcpy(frame->bytes + 12, "\10\0", 2);
}

static struct origin make_mutant(const struct path *path, struct frame *frame)
{
	bool is_query = random_below(2);
	struct origin origin = { .program = is_query ? path->query : path->reply,
				 .device = is_query ? client_device(path) : backend_device(path) };
	struct layer_of *packet;

	frames_reset();
	packet = original(path, is_query);
	if (is_query)
		frame_of_query(path, packet, frame);
	else
		frame_of_reply(path, packet, frame);
	origin.l3 = (is_query ? path->client_is_l3 : path->backend_is_l3) ? 0 : ETH_LEN;
	if (random_below(16) == 0)
		origin.device = DEV_OTHER;
	mutate(frame, origin.l3);
	return origin;
}

static bool is_short_udp(const unsigned char *p)
{
	return p[9] == 17 && get16(p + (p[0] & 15) * 4 + 4) < 8 + 12;
}

/* A rewritten packet is as right or wrong as it was, and its payload is the same. */
static bool rewritten_well(const struct path *path, const struct frame *in, unsigned in_l3,
			   const struct frame *out, unsigned out_l3)
{
	const unsigned char *before = in->bytes + in_l3, *after = out->bytes + out_l3;
	unsigned len = in->len - in_l3, payload = (before[0] & 15) * 4 + (before[9] == 6 ? 18 : 10);

	if (!lengths_agree(before, len) || is_short_udp(before))
		return expect(path, "sent although it should have been refused", 1, 0);
	return expect(path, "length", out->len - out_l3, len) &&
	       expect(path, "error of the IP checksum", ip_checksum_error(after, len) % 0xffff,
		      ip_checksum_error(before, len) % 0xffff) &
		       expect(path, "error of the transport checksum",
			      l4_checksum_error(after, len) % 0xffff,
			      l4_checksum_error(before, len) % 0xffff) &
		       expect(path, "payload differs",
			      !!memcmp(before + payload, after + payload, len - payload), 0);
}

static void print_frame(const char *what, const struct frame *frame)
{
	printf("%s", what);
	for (unsigned i = 0; i < frame->len; i++)
		printf(" %02x", frame->bytes[i]);
	printf("\n");
}

static bool mutant_is_treated_well(const struct path *path, const struct origin *origin,
				   const struct frame *in, enum whose whose)
{
	struct frame out;
	int verdict = world_run(origin->program, origin->device, in, &out);
	unsigned out_l3 = out.len > in->len ? ETH_LEN : origin->l3;
	bool unchanged = out.len == in->len && !memcmp(out.bytes, in->bytes, in->len);

	if (verdict == verdict_of(origin->program, EDGE53_SHORT_DNS))
		return expect(path, "dropped, not ours", whose == NOBODYS, 0) &
		       expect(path, "dropped unchanged", unchanged, 1);
	if (unchanged && verdict == verdict_of(origin->program, EDGE53_NOT_OURS))
		return true;
	if (!expect(path, "verdict of a changed packet", verdict,
		    verdict_of(origin->program, EDGE53_QUERY_SENT)) ||
	    !expect(path, "changed, not ours", whose == OURS, 1))
		return false;
	if (rewritten_well(path, in, origin->l3, &out, out_l3))
		return true;
	print_frame("    before:", in);
	print_frame("    after: ", &out);
	return false;
}

/* Only those of nobody: no counter may move, and nothing be remembered. */
static int nobodys_mutants(const struct path *path)
{
	static const struct counters none;
	struct counters counters;
	unsigned tried = 0;
	bool good = true;
	struct frame in;

	begin(path);
	while (good && tried < MUTANTS) {
		struct origin origin = make_mutant(path, &in);

		if (whose_frame(origin.program, origin.device, &in, origin.l3) != NOBODYS)
			continue;
		good &= mutant_is_treated_well(path, &origin, &in, NOBODYS);
		tried++;
	}
	world_read_counters(&counters);
	good &= expect(path, "counters that moved", !!memcmp(&counters, &none, sizeof(none)), 0);
	good &= expect(path, "slots taken", world_cpu_state(0).next_slot, 0);
	good &= expect(path, "connections", world_count_tuples(), 0);
	return !good;
}

/* Each packet of ours is counted once: at tc in all cases, in XDP when it ends there. */
static int our_mutants(const struct path *path)
{
	unsigned tried = 0;
	__u64 counted = 0;
	struct counters counters;
	bool good = true;
	struct frame in;

	begin(path);
	if (is_enforce(path))
		world_set_flags(SERVICE_ENFORCE, EDGE53_SERVICE_DOT_DROP);
	while (good && tried < MUTANTS) {
		struct origin origin = make_mutant(path, &in);
		enum whose whose = whose_frame(origin.program, origin.device, &in, origin.l3);

		if (whose != OURS)
			continue;
		good &= mutant_is_treated_well(path, &origin, &in, whose);
		/* Now and then a reply finds its query. */
		if (tried++ % 256 == 0)
			world_set_next_slot(0, 0);
	}
	world_read_counters(&counters);
	for (unsigned service = 0; service < SERVICE_COUNT; service++)
		for (unsigned why = 0; why < EDGE53_REASONS_PER_SERVICE; why++)
			counted += counters.reasons[service][why];
	if (path->bit != XDP)
		good &= expect(path, "packets counted", counted, tried);
	good &= expect(path, "tuples are right", world_tuples_are_right(), 1);
	return !good;
}

const struct table random_tables[] = {
	{ "UDP, there and back for any client", udp_identity, EDGE_PATHS | ENFORCE_PATHS },
	{ "TCP, there and back for any client", tcp_identity, EDGE_PATHS | ENFORCE_PATHS },
	{ "ring, overwritten queries", overwritten, XDP | TC_L2 | TC_L2_L3 },
	{ "ring, unanswered ones are counted", unanswered_are_counted, XDP | TC_L2 },
	{ "ring, guessed replies", guesses, XDP | TC_L2 },
	{ "ring, laps come round", laps_come_round, XDP | TC_L2 },
	{ "ring, every CPU has its own", other_cpus, XDP | TC_L2 },
	{ "weights", weights, XDP | TC_L2 },
	{ "mutants of nobody come back as they were", nobodys_mutants, EDGE_PATHS | ENFORCE_PATHS },
	{ "mutants of ours are dropped or translated well", our_mutants,
	  EDGE_PATHS | ENFORCE_PATHS },
	{},
};
