// SPDX-License-Identifier: GPL-2.0-only
/* newlink packets: what the programs take for a packet when many devices ask in turn, and every answer is looked at. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "newlink.h"

#define ASKED 0x08080808u
#define DNS_PORT 53
#define BATCH 64
#define MAX_BATCHES 65536
#define LATE_MS 200

struct query {
	struct iphdr ip;
	struct udphdr udp;
	__be16 dns[6];
	char question[17];
} __attribute__((packed));

static unsigned int sum16(const void *bytes, size_t len, unsigned int sum)
{
	const unsigned char *b = bytes;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? b[i] : (unsigned int)b[i] << 8;
	return sum;
}

static __be16 folded(unsigned int sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((unsigned short)~sum ?: 0xffff);
}

/* The ID of a batch's queries: an answer that comes after its batch was given up is none of the next. */
static void make_query(struct query *query, unsigned int i, unsigned int id)
{
	*query = (struct query){
		.ip = { .version = 4,
			.ihl = 5,
			.tot_len = htons(sizeof(*query)),
			.ttl = 64,
			.protocol = IPPROTO_UDP,
			.saddr = htonl(FIRST_CLIENT + i),
			.daddr = htonl(ASKED) },
		.udp = { .source = htons(40000),
			 .dest = htons(DNS_PORT),
			 .len = htons(sizeof(*query) - sizeof(query->ip)) },
		.dns = { htons((unsigned short)id), htons(0x0100), htons(1) },
		.question = "\7example\3com\0\0\1\0",
	};
	query->question[16] = 1;
	query->ip.check = folded(sum16(&query->ip, sizeof(query->ip), 0));
	query->udp.check = folded(sum16(&query->ip.saddr, sizeof(*query) - 12,
					IPPROTO_UDP + sizeof(*query) - sizeof(query->ip)));
}

/* The server on the host: answers all that has arrived. */
static void answer_all(int server)
{
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	struct query query;

	while (recvfrom(server, query.dns, sizeof(query.dns) + sizeof(query.question), MSG_DONTWAIT,
			(struct sockaddr *)&from, &from_len) > 0) {
		query.dns[1] = htons(0x8180);
		CHECK(sendto(server, query.dns, sizeof(query.dns) + sizeof(query.question), 0,
			     (struct sockaddr *)&from, from_len) > 0,
		      "no answer sent");
	}
}

/* How many answers to a device's queries of this ID, from who was asked, have come. */
static unsigned int count_answers(int fd, unsigned int i, unsigned int id)
{
	struct query answer;
	unsigned int n = 0;

	while (read(fd, &answer, sizeof(answer)) > 0)
		n += answer.ip.saddr == htonl(ASKED) &&
		     answer.ip.daddr == htonl(FIRST_CLIENT + i) &&
		     answer.udp.source == htons(DNS_PORT) && answer.udp.dest == htons(40000) &&
		     answer.dns[0] == htons((unsigned short)id) && answer.dns[1] == htons(0x8180);
	return n;
}

struct program_time {
	unsigned long long ns;
	unsigned long long runs;
};

static struct program_time time_of(unsigned int id)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	CHECK(fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len), "program %u", id);
	close(fd);
	return (struct program_time){ info.run_time_ns, info.run_cnt };
}

static int open_server(void)
{
	struct sockaddr_in self = { .sin_family = AF_INET,
				    .sin_port = htons(DNS_PORT),
				    .sin_addr.s_addr = htonl(RESOLVER) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0 && !bind(fd, (struct sockaddr *)&self, sizeof(self)), "10.77.0.1 port 53");
	return fd;
}

/*
 * The devices in turn ask, BATCH queries in all; the server answers; their answers are looked at. What does not come at
 * once, as the kernel had something else to do, has LATE_MS.
 */
static unsigned int ask_batch(int server, const int *fds, unsigned int first, unsigned int n,
			      unsigned int from)
{
	static unsigned int id;
	unsigned int answered = 0;
	double begin;

	id++;

	for (unsigned int k = 0; k < BATCH; k++) {
		unsigned int i = (from + k) % n;
		struct query query;

		make_query(&query, first + i, id);
		CHECK(write(fds[i], &query, sizeof(query)) == sizeof(query), "ppp%u", first + i);
	}
	begin = now_ms();
	do {
		answer_all(server);
		for (unsigned int k = 0; k < BATCH && k < n; k++)
			answered += count_answers(fds[(from + k) % n], first + (from + k) % n, id);
	} while (answered < BATCH && now_ms() - begin < LATE_MS);
	return answered;
}

static double ns_each(struct program_time before, struct program_time after)
{
	unsigned long long runs = after.runs - before.runs;

	return runs ? (double)(after.ns - before.ns) / (double)runs : 0;
}

/* Of each batch: a median of them is not moved by one that was interrupted. */
struct batches {
	double query_ns[MAX_BATCHES];
	double reply_ns[MAX_BATCHES];
	double round_trip_ns[MAX_BATCHES];
	size_t n;
};

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare_numbers);
	return values[n / 2];
}

static unsigned int measure_batch(struct batches *batches, unsigned int in, unsigned int out,
				  int server, const int *fds, unsigned int first, unsigned int n)
{
	struct program_time in_before = time_of(in), out_before = time_of(out);
	size_t at = batches->n++;
	double begin = now_ms();
	unsigned int answered = ask_batch(server, fds, first, n, (unsigned int)at * BATCH % n);

	batches->round_trip_ns[at] = (now_ms() - begin) * 1e6 / BATCH;
	batches->query_ns[at] = ns_each(in_before, time_of(in));
	batches->reply_ns[at] = ns_each(out_before, time_of(out));
	return answered;
}

/* The devices are there already; their descriptors are the clients' ends. */
static int *open_clients(unsigned int first, unsigned int n)
{
	struct rlimit files = { n + 64, n + 64 };
	int *fds = calloc(n, sizeof(*fds));

	CHECK(fds && n && !setrlimit(RLIMIT_NOFILE, &files), "%u descriptors", n);
	for (unsigned int i = 0; i < n; i++)
		fds[i] = open_device(first + i);
	return fds;
}

/*
 * Until each device has had its answers: one whose tun is opened has a carrier, and is told so a while later. Before
 * that nothing is sent.
 */
static void warm_up(int server, const int *fds, unsigned int first, unsigned int n)
{
	const double begin = now_ms();

	for (unsigned int from = 0; from < n;) {
		errno = ETIMEDOUT;
		CHECK(now_ms() - begin < PATIENCE_MS, "no answer to ppp%u", first + from);
		if (ask_batch(server, fds, first, n, from) == BATCH)
			from += BATCH;
	}
}

int packets(unsigned int first, unsigned int n, double seconds)
{
	static struct batches batches;
	int *fds = open_clients(first, n), server = open_server(), statistics;
	unsigned int in, out, answered = 0;
	double end;

	CHECK(count_programs(ifindex_of(first), TCX_INGRESS, &in) &&
		      count_programs(ifindex_of(first), TCX_EGRESS, &out),
	      "ppp%u is not attached", first);
	warm_up(server, fds, first, n);
	statistics = bpf_enable_stats(BPF_STATS_RUN_TIME);
	CHECK(statistics >= 0, "statistics of programs");
	for (end = now_ms() + seconds * 1e3; now_ms() < end && batches.n < MAX_BATCHES;)
		answered += measure_batch(&batches, in, out, server, fds, first, n);
	close(statistics);
	printf("{\"sent\":%zu,\"answered\":%u,\"query_ns\":%.1f,\"reply_ns\":%.1f,\"round_trip_ns\":%.1f}\n",
	       batches.n * BATCH, answered, median(batches.query_ns, batches.n),
	       median(batches.reply_ns, batches.n), median(batches.round_trip_ns, batches.n));
	return batches.n && answered == batches.n * BATCH ? 0 : 1;
}
