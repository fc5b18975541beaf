// SPDX-License-Identifier: GPL-2.0-only
/*
 * Samples: that readers get queries as the client sent them and replies as it gets them, byte by byte, both or neither;
 * and that what nobody could take is counted.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "cases.h"
#include "sample_reader.h"

#define NAME "example.com"
#define PORT 40000

static bool expect(const struct path *path, const char *what, long long got, long long expected)
{
	if (got == expected)
		return true;
	printf("    %s: %s: %lld, expected %lld\n", path->name, what, got, expected);
	return false;
}

/* --- a reader --------------------------------------------------------------------------------- */

/* The last event, and how many of each kind there were. */
struct heard {
	struct edge53_sample about;
	unsigned char packet[FRAME_MAX];
	size_t len;
	unsigned n[2];
};

static void hear(const void *event, size_t len, void *arg)
{
	struct heard *heard = arg;

	memcpy(&heard->about, event, sizeof(heard->about));
	heard->len = len - sizeof(heard->about);
	if (heard->len > heard->about.packet_len) /* the buffer's padding */
		heard->len = heard->about.packet_len;
	memcpy(heard->packet, (const char *)event + sizeof(heard->about), heard->len);
	heard->n[heard->about.kind & 1]++;
}

static struct sample_reader *open_reader(enum edge53_sample_reader which, struct heard *heard)
{
	int fd = world_map(which == EDGE53_SAMPLE_DNSTAP ? "dnstap_events" : "names_events");
	struct sample_reader *reader = NULL;

	memset(heard, 0, sizeof(*heard));
	if (sample_reader_open(fd, hear, heard, &reader) < 0)
		printf("    no reader\n");
	return reader;
}

static struct edge53_sample_counters counters_of(enum edge53_sample_reader which)
{
	struct edge53_sample_counters values[libbpf_num_possible_cpus()], sum = { 0 };
	__u32 key = which;

	if (bpf_map_lookup_elem(world_map("sample_counters"), &key, values))
		printf("    no counters\n");
	for (int i = 0; i < libbpf_num_possible_cpus(); i++) {
		sum.taken += values[i].taken;
		sum.no_room += values[i].no_room;
		sum.no_reader += values[i].no_reader;
	}
	return sum;
}

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (__u64)now.tv_sec * SECONDS + (__u64)now.tv_nsec;
}

/* --- packets ---------------------------------------------------------------------------------- */

static void begin(const struct path *path)
{
	frames_reset();
	world_reset(path->client_is_l3, path->backend_is_l3);
	world_sample(0, 0, 0);
}

/* A world anew, and dnstap's reader in it. */
static struct sample_reader *begin_reading(const struct path *path, struct heard *heard)
{
	begin(path);
	return open_reader(EDGE53_SAMPLE_DNSTAP, heard);
}

static int end_reading(struct sample_reader *reader, bool good)
{
	sample_reader_close(reader);
	world_sample(0, 0, 0);
	return !good;
}

static struct layer_of *query_of(bool is_ipv6, struct layer_of *l4)
{
	return is_ipv6 ? ip6(CLIENT6, FRONTEND6, l4) : ip4(CLIENT, FRONTEND, l4);
}

static struct layer_of *question(unsigned id)
{
	return udp(PORT, 53, dns_query(id, NAME));
}

/* From the backend or resolver to who asked it. */
static struct layer_of *reply_of(const struct path *path, bool is_ipv6, struct layer_of *l4)
{
	if (is_enforce(path))
		return is_ipv6 ? ip6(RESOLVER6, CLIENT6, l4) : ip4(RESOLVER, CLIENT, l4);
	return is_ipv6 ? ip6(BACKEND6, EDGE6, l4) : ip4(BACKEND, EDGE, l4);
}

static int send_query(const struct path *path, struct layer_of *ip, struct frame *in)
{
	struct frame out;

	frame_of_query(path, ip, in);
	return world_run(path->query, client_device(path), in, &out);
}

static int send_reply(const struct path *path, struct layer_of *ip, struct frame *out)
{
	struct frame in;

	frame_of_reply(path, ip, &in);
	return world_run(path->reply, backend_device(path), &in, out);
}

static unsigned server_port(const struct path *path)
{
	return is_enforce(path) ? 53 : BACKEND_UDP;
}

/* The answer to the n-th query. */
static struct layer_of *answer_of(const struct path *path, bool is_ipv6, unsigned n,
				  const char *name)
{
	return reply_of(path, is_ipv6,
			udp(server_port(path), port_of(n), dns_reply(id_of(n), name)));
}

/* The event is about these bytes, from the IP header on: Ethernet changes when a packet is sent. */
static bool is_about(const struct path *path, const char *what, const struct heard *heard,
		     const struct frame *frame, unsigned l3_off, unsigned kind)
{
	size_t off = heard->about.l3_off, len = frame->len - l3_off;
	bool good = expect(path, "kind", heard->about.kind, kind);

	good &= expect(path, "service", heard->about.service,
		       is_enforce(path) ? SERVICE_ENFORCE : SERVICE_EDGE);
	good &= expect(path, "a time of now", now_ns() - heard->about.time_ns < 60 * SECONDS, true);
	good &= expect(path, "its length", (long long)(heard->len - off), (long long)len);
	good &= expect(path, "whole", heard->about.packet_len, (long long)heard->len);
	good &= expect(path, "its bytes differ",
		       memcmp(heard->packet + off, frame->bytes + l3_off, len), 0);
	if (!good)
		printf("    %s: so much for %s\n", path->name, what);
	return good;
}

/* --- one query and its reply ------------------------------------------------------------------ */

/* Behind XDP it is XDP that has counted and handed over the query. */
static unsigned queries_of(const struct path *path, unsigned n)
{
	return path->bit == TC_L2_CHECKED ? 0 : n;
}

static bool pair(const struct path *path, bool is_ipv6, const char *what)
{
	unsigned client_off = path->client_is_l3 ? 0 : ETH_LEN;
	/* Towards a device without it the kernel takes the Ethernet header away when the program has ended. */
	unsigned sent_off = path->client_is_l3 && path->backend_is_l3 ? 0 : ETH_LEN;
	struct sample_reader *reader;
	struct heard heard;
	struct frame frame;
	bool good = true;

	reader = open_reader(EDGE53_SAMPLE_DNSTAP, &heard);
	if (!reader)
		return false;
	world_sample(EDGE53_SAMPLE_ALL, 0, 0);
	good &= expect(path, "verdict of the query",
		       send_query(path, query_of(is_ipv6, question(7)), &frame),
		       verdict_of(path->query, EDGE53_QUERY_SENT));
	sample_reader_consume(reader);
	good &= expect(path, "queries heard", heard.n[0], queries_of(path, 1));
	if (heard.n[0])
		good &= is_about(path, what, &heard, &frame, client_off, EDGE53_SAMPLE_QUERY);
	good &= expect(path, "verdict of the reply",
		       send_reply(path, answer_of(path, is_ipv6, 0, NAME), &frame),
		       verdict_of(path->reply, EDGE53_REPLY_SENT));
	sample_reader_consume(reader);
	good &= expect(path, "replies heard", heard.n[1], 1);
	good &= is_about(path, what, &heard, &frame, sent_off, EDGE53_SAMPLE_REPLY);
	sample_reader_close(reader);
	return good;
}

static int as_the_client_has_it(const struct path *path)
{
	bool good;

	begin(path);
	good = pair(path, false, "IPv4");
	begin(path);
	if (is_enforce(path))
		world_set_flags(SERVICE_ENFORCE, EDGE53_SERVICE_IPV6_REDIRECT);
	good &= pair(path, true, "IPv6");
	world_sample(0, 0, 0);
	return !good;
}

static int without_its_proxy_header(const struct path *path)
{
	bool good;

	begin(path);
	world_set_flags(SERVICE_EDGE, EDGE53_SERVICE_XDP | EDGE53_SERVICE_PROXY_UDP);
	good = pair(path, false, "PROXY by IPv4");
	begin(path);
	world_set_flags(SERVICE_EDGE, EDGE53_SERVICE_XDP | EDGE53_SERVICE_PROXY_UDP);
	good &= pair(path, true, "PROXY by IPv6");
	world_sample(0, 0, 0);
	return !good;
}

/* Of TCP, what has a payload. */
static int tcp_segments(const struct path *path)
{
	struct layer_of *(*out_of)(unsigned, unsigned, const char *, struct layer_of *) = tcp;
	static const char message[] = "..a message of TCP";
	struct sample_reader *reader;
	struct heard heard;
	struct frame frame;
	bool good = true;

	reader = begin_reading(path, &heard);
	if (!reader)
		return 1;
	world_sample(EDGE53_SAMPLE_ALL, 0, 0);
	send_query(path, query_of(false, out_of(PORT, 53, "S", nothing())), &frame);
	send_query(path, query_of(false, out_of(PORT, 53, "A", nothing())), &frame);
	sample_reader_consume(reader);
	good &= expect(path, "segments without payload", heard.n[0], 0);
	send_query(path, query_of(false, out_of(PORT, 53, "PA", text(message))), &frame);
	sample_reader_consume(reader);
	good &= expect(path, "segments with payload", heard.n[0], queries_of(path, 1));
	if (heard.n[0])
		good &= is_about(path, "TCP", &heard, &frame, path->client_is_l3 ? 0 : ETH_LEN,
				 EDGE53_SAMPLE_QUERY);
	send_reply(path,
		   reply_of(path, false,
			    out_of(is_enforce(path) ? 53 : BACKEND_TCP, conn_port(0), "PA",
				   text(message))),
		   &frame);
	sample_reader_consume(reader);
	good &= expect(path, "segments of the reply", heard.n[1], 1);
	return end_reading(reader, good);
}

/* --- how many --------------------------------------------------------------------------------- */

/* Of many, some: query and reply both or neither. */
static int some_of_many(const struct path *path)
{
	struct heard heard;
	struct sample_reader *reader;
	unsigned n = often(1000), queries = 0;
	struct frame frame;
	bool good = true;

	reader = begin_reading(path, &heard);
	if (!reader)
		return 1;
	world_sample(sampling_limit(10), 0, 0);
	for (unsigned i = 0; i < n; i++) {
		unsigned before[2] = { heard.n[0], heard.n[1] };

		frames_reset();
		send_query(path,
			   query_of(false, udp(1024 + i * 7, 53, dns_query(i * 31 & 0xffff, "a"))),
			   &frame);
		send_reply(path, answer_of(path, false, i, "a"), &frame);
		sample_reader_consume(reader);
		queries += heard.n[0] - before[0];
		if (path->bit != TC_L2_CHECKED)
			good &= expect(path, "replies heard, of a query that was or was not",
				       heard.n[1] - before[1], heard.n[0] - before[0]);
	}
	good &= expect(path, "about one in ten", heard.n[1] > n / 20 && heard.n[1] < n / 5, true);
	good &= expect(path, "queries", heard.n[0], queries_of(path, queries));
	return end_reading(reader, good);
}

static int off_is_off(const struct path *path)
{
	struct edge53_sample_counters before = counters_of(EDGE53_SAMPLE_DNSTAP), after;
	struct heard heard;
	struct sample_reader *reader;
	struct frame frame;
	bool good = true;

	reader = begin_reading(path, &heard);
	if (!reader)
		return 1;
	send_query(path, query_of(false, question(7)), &frame);
	sample_reader_consume(reader);
	after = counters_of(EDGE53_SAMPLE_DNSTAP);
	good &= expect(path, "heard", heard.n[0], 0);
	good &= expect(path, "taken", after.taken - before.taken, 0);
	sample_reader_close(reader);

	/* On, and nobody there any more: the reader's buffers went with it. */
	world_sample(EDGE53_SAMPLE_ALL, 0, 0);
	send_query(path, query_of(false, question(7)), &frame);
	send_reply(path, answer_of(path, false, 1, NAME), &frame);
	after = counters_of(EDGE53_SAMPLE_DNSTAP);
	good &= expect(path, "taken without a reader", after.taken - before.taken,
		       queries_of(path, 1) + 1);
	good &= expect(path, "no reader", after.no_reader - before.no_reader,
		       queries_of(path, 1) + 1);
	world_sample(0, 0, 0);
	return !good;
}

/* A reader that does not read: what has no room is counted, and the packet goes its way. */
static int no_room(const struct path *path)
{
	struct edge53_sample_counters before = counters_of(EDGE53_SAMPLE_DNSTAP), after;
	unsigned n = 0;
	struct heard heard;
	struct sample_reader *reader;
	struct frame frame;
	bool good = true;

	reader = begin_reading(path, &heard);
	if (!reader)
		return 1;
	world_sample(EDGE53_SAMPLE_ALL, 0, 0);
	for (; good && n < 3000; n++) {
		frames_reset();
		good &= expect(
			path, "verdict",
			send_query(path,
				   query_of(false, udp(PORT, 53, longer(1200, dns_query(n, "a")))),
				   &frame),
			verdict_of(path->query, EDGE53_QUERY_SENT));
	}
	sample_reader_consume(reader);
	after = counters_of(EDGE53_SAMPLE_DNSTAP);
	good &= expect(path, "taken", after.taken - before.taken, queries_of(path, n));
	good &= expect(path, "heard and without room", heard.n[0] + after.no_room - before.no_room,
		       queries_of(path, n));
	good &= expect(path, "some had no room", after.no_room > before.no_room,
		       queries_of(path, 1));
	return end_reading(reader, good);
}

/* Names: queries only, cut short, both readers at once, and not after their time. */
static int names(const struct path *path)
{
	struct sample_reader *dnstap, *reader;
	struct heard heard_dnstap, heard;
	struct frame frame, reply;
	bool good = true;

	begin(path);
	dnstap = open_reader(EDGE53_SAMPLE_DNSTAP, &heard_dnstap);
	reader = open_reader(EDGE53_SAMPLE_NAMES, &heard);
	if (!dnstap || !reader)
		return 1;
	world_sample(EDGE53_SAMPLE_ALL, EDGE53_SAMPLE_ALL, now_ns() + 60 * SECONDS);
	send_query(path, query_of(false, udp(PORT, 53, longer(1000, dns_query(7, NAME)))), &frame);
	send_reply(path, answer_of(path, false, 0, NAME), &reply);
	sample_reader_consume(dnstap);
	sample_reader_consume(reader);
	good &= expect(path, "of dnstap", heard_dnstap.n[0] + heard_dnstap.n[1],
		       queries_of(path, 1) + 1);
	good &= expect(path, "queries", heard.n[0], queries_of(path, 1));
	good &= expect(path, "replies", heard.n[1], 0);
	if (heard.n[0]) {
		good &= expect(path, "its length", heard.len, EDGE53_SAMPLE_NAMES_BYTES);
		good &= expect(path, "of so many", heard.about.packet_len, frame.len);
	}
	world_sample(0, EDGE53_SAMPLE_ALL, now_ns() - 1);
	send_query(path, query_of(false, question(8)), &frame);
	sample_reader_consume(reader);
	good &= expect(path, "after its time", heard.n[0], queries_of(path, 1));
	good &= expect(path, "the limit then", world_sample_limit(EDGE53_SAMPLE_NAMES),
		       queries_of(path, 1) ? 0 : EDGE53_SAMPLE_ALL);
	sample_reader_close(dnstap);
	return end_reading(reader, good);
}

#define PLAIN_PATHS (EDGE_PATHS | ENFORCE_PATHS)

const struct table sample_tables[] = {
	{ "a sample is what the client sent and gets", as_the_client_has_it, PLAIN_PATHS },
	{ "a sample has no PROXY header", without_its_proxy_header, EDGE_PATHS },
	{ "of TCP, segments with payload are sampled", tcp_segments, PLAIN_PATHS },
	{ "of many messages some are sampled, in pairs", some_of_many, PLAIN_PATHS },
	{ "samples are off, or have no reader", off_is_off, PLAIN_PATHS },
	{ "samples have no room", no_room, PLAIN_PATHS },
	{ "samples for names", names, PLAIN_PATHS },
	{ NULL, NULL, 0 },
};
