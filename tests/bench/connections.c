// SPDX-License-Identifier: GPL-2.0-only
/*
 * connections -s SERVER [-p PORT] [-a FIRST] [-n ADDRESSES] [-c PARALLEL] [-t SECONDS] [-w SECONDS] [-r]
 *
 * TCP connections per second: each is opened, asks one question, reads the answer, checks it, and is
 * closed; PARALLEL of them are under way at any time. Prints one JSON object.
 *
 *   -a, -n  client addresses: FIRST and those behind it, in turn. Who closes first keeps the port in
 *           TIME-WAIT for a minute, so one address has 28,000 connections a minute and no more.
 *   -r      close by RST (SO_LINGER with 0 seconds), which leaves nothing behind at either end
 *   -w      so long before counting begins
 *
 * A connection without a good answer after two seconds is lost, and makes room for the next.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "dns.h"

#define SECOND_NS 1000000000ULL
#define TIMEOUT_NS (2 * SECOND_NS)
#define EVENTS 256

struct connection {
	int fd;
	bool asked;
	uint32_t number;
	uint64_t opened_ns;
	size_t got;
	unsigned char in[512];
};

static struct sockaddr_in server = { .sin_family = AF_INET, .sin_port = 53 };
static struct in_addr first;
static uint32_t addresses = 1;
static unsigned int parallel = 64;
static double seconds = 1, warm;
static bool reset;

static int epoll_fd;
static struct connection *connections;
static uint32_t numbers;
static uint64_t opened, answered, timed_out, failed, wrong;

static void die(const char *what)
{
	fprintf(stderr, "connections: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND_NS + now.tv_nsec;
}

static void set(int fd, int level, int option)
{
	if (setsockopt(fd, level, option, &(int){ 1 }, sizeof(int)))
		die("setsockopt");
}

/* The port is chosen when it connects: then only the four of addresses and ports must be new. */
static void bind_address(int fd, uint32_t number)
{
	struct sockaddr_in client = { .sin_family = AF_INET };

	if (!first.s_addr)
		return;
	client.sin_addr.s_addr = htonl(ntohl(first.s_addr) + number % addresses);
	set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
	if (bind(fd, (struct sockaddr *)&client, sizeof(client)))
		die("bind to a client address");
}

static void open_connection(struct connection *c)
{
	struct epoll_event event = { .events = EPOLLOUT, .data.ptr = c };

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		die("socket");
	c->number = numbers++;
	c->asked = false;
	c->got = 0;
	c->opened_ns = now_ns();
	set(c->fd, IPPROTO_TCP, TCP_NODELAY);
	if (reset && setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 },
				sizeof(struct linger)))
		die("SO_LINGER");
	bind_address(c->fd, c->number);
	opened++;
	/* An error that is known at once, such as no free port, ends the run: no figure is better. */
	if (connect(c->fd, (struct sockaddr *)&server, sizeof(server)) && errno != EINPROGRESS)
		die("connect");
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event))
		die("epoll_ctl");
}

static void close_connection(struct connection *c, uint64_t *count)
{
	++*count;
	close(c->fd);
	c->fd = -1;
}

static void ask(struct connection *c)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
	unsigned char out[2 + DNS_QUESTION];

	put16(out, DNS_QUESTION);
	dns_ask(out + 2, c->number, c->number);
	if (send(c->fd, out, sizeof(out), MSG_NOSIGNAL) != sizeof(out))
		return close_connection(c, &failed);
	c->asked = true;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event))
		die("epoll_ctl");
}

static void read_answer(struct connection *c)
{
	ssize_t n = read(c->fd, c->in + c->got, sizeof(c->in) - c->got);
	size_t len;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		return close_connection(c, &failed);
	c->got += n;
	if (c->got < 2)
		return;
	len = get16(c->in);
	if (len > sizeof(c->in) - 2 || c->got > len + 2)
		return close_connection(c, &wrong);
	if (c->got < len + 2)
		return;
	close_connection(c, dns_answers(c->in + 2, len, c->number, c->number) ? &answered : &wrong);
}

/* How many are still open. */
static unsigned int end_old(void)
{
	uint64_t now = now_ns();
	unsigned int open = 0;

	for (struct connection *c = connections; c < connections + parallel; c++) {
		if (c->fd >= 0 && now - c->opened_ns > TIMEOUT_NS)
			close_connection(c, &timed_out);
		open += c->fd >= 0;
	}
	return open;
}

static void open_all(void)
{
	for (struct connection *c = connections; c < connections + parallel; c++)
		if (c->fd < 0)
			open_connection(c);
}

static void serve_events(void)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(epoll_fd, events, EVENTS, 50);

	for (int i = 0; i < n; i++) {
		struct connection *c = events[i].data.ptr;

		if (c->asked)
			read_answer(c);
		else
			ask(c);
	}
}

static void run_until(uint64_t end_ns)
{
	uint64_t next_look_ns = 0;

	for (uint64_t now; (now = now_ns()) < end_ns;) {
		if (now >= next_look_ns) {
			end_old();
			next_look_ns = now + SECOND_NS / 10;
		}
		open_all();
		serve_events();
	}
}

static void parse(int argc, char **argv)
{
	for (int option; (option = getopt(argc, argv, "s:p:a:n:c:t:w:r")) != -1;) {
		switch (option) {
		case 's':
			if (inet_pton(AF_INET, optarg, &server.sin_addr) != 1)
				goto usage;
			break;
		case 'a':
			if (inet_pton(AF_INET, optarg, &first) != 1)
				goto usage;
			break;
		case 'p':
			server.sin_port = atoi(optarg);
			break;
		case 'n':
			addresses = atoi(optarg);
			break;
		case 'c':
			parallel = atoi(optarg);
			break;
		case 't':
			seconds = atof(optarg);
			break;
		case 'w':
			warm = atof(optarg);
			break;
		case 'r':
			reset = true;
			break;
		default:
			goto usage;
		}
	}
	server.sin_port = htons(server.sin_port);
	if (server.sin_addr.s_addr && addresses && parallel && seconds > 0 && optind == argc)
		return;
usage:
	fprintf(stderr,
		"usage: connections -s SERVER [-p PORT] [-a FIRST] [-n ADDRESSES] [-c PARALLEL]"
		" [-t SECONDS] [-w SECONDS] [-r]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	uint64_t begin_ns, in_time, at_start;
	double took;

	parse(argc, argv);
	epoll_fd = epoll_create1(0);
	connections = calloc(parallel, sizeof(*connections));
	if (epoll_fd < 0 || !connections)
		die("no memory");
	for (unsigned int i = 0; i < parallel; i++)
		connections[i].fd = -1;

	run_until(now_ns() + warm * SECOND_NS);
	at_start = answered;
	begin_ns = now_ns();
	run_until(begin_ns + seconds * SECOND_NS);
	took = (double)(now_ns() - begin_ns) / SECOND_NS;
	in_time = answered - at_start;
	while (end_old())
		serve_events();

	printf("{\"unit\": \"connections/s\", \"value\": %.1f, \"sent\": %lu, \"answered\": %lu, "
	       "\"lost\": %lu, \"timed_out\": %lu, \"refused\": %lu, \"wrong\": %lu, \"seconds\": %.6f}\n",
	       in_time / took, opened, answered, opened - answered, timed_out, failed, wrong, took);
	return 0;
}
