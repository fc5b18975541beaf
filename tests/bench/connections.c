// SPDX-License-Identifier: GPL-2.0-only
/*
 * connections -s SERVER [-p PORT] [-a FIRST] [-n ADDRESSES] [-c PARALLEL] [-t SECONDS] [-w SECONDS] [-r]
 *             [-q RATE] [-k KEPT] [-T SECONDS]
 *
 * TCP connections per second: each is opened, asks one question, reads the answer, checks it, and is
 * closed; PARALLEL of them are under way at any time. Prints one JSON object. TERM ends it early.
 *
 *   -a, -n  client addresses: FIRST and those behind it, in turn. Who closes first keeps the port in
 *           TIME-WAIT for a minute, so one address has 28,000 connections a minute and no more.
 *   -r      close by RST (SO_LINGER with 0 seconds), which leaves nothing behind at either end
 *   -w      so long before counting begins
 *   -q      open so many a second and no more; PARALLEL is how many may be under way then
 *   -k      besides, so many connections that stay: each asks ten times a second, and is closed after its last answer
 *   -T      how long to wait for an answer (2 seconds)
 *
 * A connection without a good answer after that is lost, and makes room for the next. One that stays is lost only
 * once; "kept open" is said when all of these have had their first answer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "dns.h"

#define SECOND_NS 1000000000ULL
#define KEPT_ASKS_NS (SECOND_NS / 10)
#define EVENTS 256

enum state {
	CONNECTING,
	WAITING, /* for an answer */
	IDLE,	 /* only those that stay */
};

struct connection {
	int fd;
	enum state state;
	bool is_kept;
	uint32_t number;
	uint64_t begun_ns; /* of the connection, or of a later question */
	size_t got;
	unsigned char in[512];
};

static struct sockaddr_in server = { .sin_family = AF_INET, .sin_port = 53 };
static struct in_addr first;
static uint32_t addresses = 1;
static unsigned int parallel = 64, kept;
static double seconds = 1, warm, rate, timeout = 2;
static bool reset;

static int epoll_fd;
static struct connection *connections; /* those that stay are behind the others */
static uint32_t numbers;
static uint64_t opened, answered, timed_out, failed, wrong;
static uint64_t kept_asked, kept_answered, kept_lost, slowest_ns;
static bool is_closing; /* who stays has asked for the last time: a server may close what is idle */
static volatile sig_atomic_t is_ended;

static void end(int signal)
{
	(void)signal;
	is_ended = 1;
}

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
	c->state = CONNECTING;
	c->got = 0;
	c->begun_ns = now_ns();
	set(c->fd, IPPROTO_TCP, TCP_NODELAY);
	if (reset && setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 },
				sizeof(struct linger)))
		die("SO_LINGER");
	bind_address(c->fd, c->number);
	opened += !c->is_kept;
	/* An error that is known at once, such as no free port, ends the run: no figure is better. */
	if (connect(c->fd, (struct sockaddr *)&server, sizeof(server)) && errno != EINPROGRESS)
		die("connect");
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event))
		die("epoll_ctl");
}

static void close_socket(struct connection *c)
{
	close(c->fd);
	c->fd = -1;
}

static void close_connection(struct connection *c, uint64_t *count)
{
	++*(c->is_kept ? &kept_lost : count);
	close_socket(c);
}

/* The answer to its question is here, and it is right. */
static void take_answer(struct connection *c)
{
	uint64_t took_ns = now_ns() - c->begun_ns;

	if (took_ns > slowest_ns)
		slowest_ns = took_ns;
	if (!c->is_kept)
		return close_connection(c, &answered);
	kept_answered++;
	if (is_closing)
		return close_socket(c);
	c->state = IDLE;
	c->got = 0;
}

static void ask(struct connection *c)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
	unsigned char out[2 + DNS_QUESTION];

	put16(out, DNS_QUESTION);
	dns_ask(out + 2, c->number, c->number);
	if (send(c->fd, out, sizeof(out), MSG_NOSIGNAL) != sizeof(out))
		return close_connection(c, &failed);
	c->state = WAITING;
	kept_asked += c->is_kept;
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
	if (c->state == IDLE)
		return close_connection(c, &wrong);
	c->got += n;
	if (c->got < 2)
		return;
	len = get16(c->in);
	if (len > sizeof(c->in) - 2 || c->got > len + 2)
		return close_connection(c, &wrong);
	if (c->got < len + 2)
		return;
	if (dns_answers(c->in + 2, len, c->number, c->number))
		take_answer(c);
	else
		close_connection(c, &wrong);
}

/* Ends what has waited too long. How many wait still. */
static unsigned int end_old(void)
{
	uint64_t now = now_ns();
	unsigned int waiting = 0;

	for (struct connection *c = connections; c < connections + parallel + kept; c++) {
		if (c->fd < 0 || c->state == IDLE)
			continue;
		if (now - c->begun_ns > timeout * SECOND_NS)
			close_connection(c, &timed_out);
		else
			waiting++;
	}
	return waiting;
}

/* With a rate no more than is due since `begin_ns`, when `before` had been opened. */
static void open_all(uint64_t begin_ns, uint64_t before)
{
	uint64_t due = rate ? before + (now_ns() - begin_ns) * rate / SECOND_NS : UINT64_MAX;

	for (struct connection *c = connections; c < connections + parallel && opened < due; c++)
		if (c->fd < 0)
			open_connection(c);
}

static void ask_again(uint64_t least_ns)
{
	uint64_t now = now_ns();

	for (struct connection *c = connections + parallel; c < connections + parallel + kept;
	     c++) {
		if (c->fd < 0 || c->state != IDLE || now - c->begun_ns < least_ns)
			continue;
		c->number = numbers++;
		c->begun_ns = now;
		ask(c);
	}
}

static void serve_events(int milliseconds)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(epoll_fd, events, EVENTS, milliseconds);

	for (int i = 0; i < n; i++) {
		struct connection *c = events[i].data.ptr;

		if (c->state == CONNECTING)
			ask(c);
		else
			read_answer(c);
	}
}

static void wait_for_answers(void)
{
	while (end_old())
		serve_events(50);
}

static void run_until(uint64_t end_ns)
{
	uint64_t begin_ns = now_ns(), before = opened, next_look_ns = 0;

	for (uint64_t now; !is_ended && (now = now_ns()) < end_ns;) {
		if (now >= next_look_ns) {
			end_old();
			next_look_ns = now + SECOND_NS / 10;
		}
		open_all(begin_ns, before);
		ask_again(KEPT_ASKS_NS);
		serve_events(rate ? 5 : 50);
	}
}

/* Those that stay; without all of them there is nothing to say. */
static void open_kept(void)
{
	for (unsigned int i = 0; i < kept; i++) {
		connections[parallel + i].is_kept = true;
		open_connection(&connections[parallel + i]);
	}
	wait_for_answers();
	if (kept_answered < kept) {
		fprintf(stderr, "connections: %lu of %u connections were not opened\n",
			kept - kept_answered, kept);
		exit(1);
	}
	if (kept)
		fprintf(stderr, "kept open\n");
}

static void parse(int argc, char **argv)
{
	for (int option; (option = getopt(argc, argv, "s:p:a:n:c:t:w:q:k:T:r")) != -1;) {
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
		case 'q':
			rate = atof(optarg);
			break;
		case 'k':
			kept = atoi(optarg);
			break;
		case 'T':
			timeout = atof(optarg);
			break;
		case 'r':
			reset = true;
			break;
		default:
			goto usage;
		}
	}
	server.sin_port = htons(server.sin_port);
	if (server.sin_addr.s_addr && addresses && parallel && seconds > 0 && rate >= 0 &&
	    timeout > 0 && optind == argc)
		return;
usage:
	fprintf(stderr,
		"usage: connections -s SERVER [-p PORT] [-a FIRST] [-n ADDRESSES] [-c PARALLEL]"
		" [-t SECONDS] [-w SECONDS] [-r] [-q RATE] [-k KEPT] [-T SECONDS]\n");
	exit(2);
}

static void print_result(uint64_t in_time, double took)
{
	printf("{\"unit\": \"connections/s\", \"value\": %.1f, \"sent\": %lu, \"answered\": %lu, "
	       "\"lost\": %lu, \"timed_out\": %lu, \"refused\": %lu, \"wrong\": %lu, ",
	       in_time / took, opened, answered, opened - answered, timed_out, failed, wrong);
	printf("\"kept\": %u, \"kept_asked\": %lu, \"kept_answered\": %lu, \"kept_lost\": %lu, "
	       "\"slowest_ms\": %.1f, \"seconds\": %.6f}\n",
	       kept, kept_asked, kept_answered, kept_lost, slowest_ns / 1e6, took);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = end };
	uint64_t begin_ns, in_time, at_start;
	double took;

	parse(argc, argv);
	sigaction(SIGTERM, &action, NULL);
	epoll_fd = epoll_create1(0);
	connections = calloc(parallel + kept, sizeof(*connections));
	if (epoll_fd < 0 || !connections)
		die("no memory");
	for (unsigned int i = 0; i < parallel + kept; i++)
		connections[i].fd = -1;
	open_kept();

	run_until(now_ns() + warm * SECOND_NS);
	at_start = answered;
	begin_ns = now_ns();
	run_until(begin_ns + seconds * SECOND_NS);
	took = (double)(now_ns() - begin_ns) / SECOND_NS;
	in_time = answered - at_start;
	is_closing = true;
	ask_again(0);
	wait_for_answers();
	print_result(in_time, took);
	return 0;
}
