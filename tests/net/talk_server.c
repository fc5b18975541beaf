// SPDX-License-Identifier: GPL-2.0-only
/*
 * talk_server [-m] [-p FRONTEND]... PORT LOG: the server of talk.h, of both address families.
 *
 *   -p FRONTEND  each connection must begin with a PROXY protocol header, whole in the first
 *                segment, whose destination is one of these addresses and port 53
 *   -m           a slow server: small receive buffers, and it stops reading for a while
 *
 * LOG gets a line for each query: who it takes the client for, and the name; "-" for a connection
 * that ends without a query. Whatever no client of ours sends is a violation, which is told at once and
 * makes the exit status 1. Prints "ready"; after TERM, what it has seen.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "talk.h"

#define FRONTENDS_MAX 8
#define FDS_MAX 65536
#define OUT_ENOUGH 65536 /* waiting to be sent: no more answers until it is less */
#define HEADER_MAX 52

static const unsigned char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

struct connection {
	int fd;
	char peer[WHO_LEN], who[WHO_LEN];
	unsigned char in[8192], first[64];
	size_t in_len, n_first;
	unsigned char out[OUT_ENOUGH + ANSWER_MAX];
	size_t out_len;
	unsigned char query[QUERY_MAX]; /* the one being answered, ... */
	size_t query_len;
	unsigned int padding, answers_left; /* ... and so often still */
	unsigned long queries, bytes;
	uint64_t pause_until_ms;
	int is_named; /* the header was read, or none is needed */
	int is_ended, is_closing, is_shut;
};

static struct connection *connections[FDS_MAX];
static struct in6_addr frontends[FRONTENDS_MAX];
static int n_frontends, is_slow, poller, n_paused;
static struct draws draws = { 53 };
static FILE *log_file;
static unsigned long n_connections, n_queries, n_empty, n_resets, n_violations, n_pauses;
static volatile sig_atomic_t stopped;

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void forget(struct connection *c)
{
	n_paused -= c->pause_until_ms != 0;
	connections[c->fd] = NULL;
	close(c->fd);
	free(c);
}

static void violation(struct connection *c, const char *what)
{
	n_violations++;
	printf("VIOLATION: %s: from %s, client %s, after %lu bytes and %lu queries, which began",
	       what, c->peer, c->who[0] ? c->who : "unknown", c->bytes, c->queries);
	for (size_t i = 0; i < c->n_first; i++)
		printf(" %02x", c->first[i]);
	printf("; not read: %zu, ", c->in_len);
	for (size_t i = 0; i < c->in_len && i < sizeof(c->first); i++)
		printf(" %02x", c->in[i]);
	puts("");
	fflush(stdout);
}

static void watch(struct connection *c)
{
	struct epoll_event e = { .data.fd = c->fd };

	if (!c->is_ended && !c->pause_until_ms && !c->answers_left && c->out_len < OUT_ENOUGH)
		e.events |= EPOLLIN;
	if (c->out_len || c->answers_left)
		e.events |= EPOLLOUT;
	epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
}

/* How many bytes the header takes; 0: it is wrong, and `what` says why. */
static size_t read_header(struct connection *c, const char **what)
{
	struct in6_addr source, destination;
	const unsigned char *in = c->in;
	size_t len, address_len;

	*what = "the first segment has not a whole PROXY header";
	if (c->in_len < 16)
		return 0;
	if (memcmp(in, signature, sizeof(signature)) || in[12] != 0x21)
		return *what = "no PROXY header", 0;
	if (in[13] != 0x11 && in[13] != 0x21)
		return *what = "a PROXY header that is not of TCP", 0;
	address_len = in[13] == 0x11 ? 4 : 16;
	len = 16 + 2 * address_len + 4;
	if (get16(in + 14) != len - 16)
		return *what = "a PROXY header of a wrong length", 0;
	if (c->in_len < len)
		return 0;
	memset(&source, 0, sizeof(source));
	memset(&source.s6_addr[10], 0xff, 2);
	destination = source;
	memcpy(&source.s6_addr[16 - address_len], in + 16, address_len);
	memcpy(&destination.s6_addr[16 - address_len], in + 16 + address_len, address_len);
	say_who(c->who, &source, get16(in + 16 + 2 * address_len));
	*what = "a PROXY header with a wrong destination";
	for (int i = 0; i < n_frontends; i++)
		if (!memcmp(&frontends[i], &destination, sizeof(destination)) &&
		    get16(in + len - 2) == 53)
			return len;
	return 0;
}

/* The name of a question as text; NULL if it is none of ours. */
static const char *name_of(const unsigned char *query, size_t len, char *text)
{
	size_t at = DNS_HEADER_LEN, out = 0;

	while (at < len && query[at]) {
		size_t label = query[at++];

		if (label > 63 || at + label > len || out + label + 1 >= NAME_MAX_LEN)
			return NULL;
		memcpy(text + out, query + at, label);
		out += label;
		text[out++] = '.';
		at += label;
	}
	if (at + 5 != len || !out || get16(query + 4) != 1)
		return NULL;
	text[out - 1] = 0;
	return text[0] == 'q' ? text : NULL;
}

/* qQUERY.cCONVERSATION.ORDERS. */
static void obey(struct connection *c, const char *name)
{
	const char *p = strchr(name, '.');

	c->padding = 0;
	c->answers_left = 1;
	p = p ? strchr(p + 1, '.') : NULL;
	while (p && *++p && *p != '.') {
		if (*p == 'a')
			c->padding = atoi(p + 1);
		else if (*p == 'm')
			c->answers_left = atoi(p + 1);
		else if (*p == 'x')
			c->is_closing = 1;
	}
	if (c->padding > PADDING_MAX)
		c->padding = PADDING_MAX;
}

static void answer(struct connection *c)
{
	while (c->answers_left && c->out_len < OUT_ENOUGH) {
		size_t len = make_answer(c->out + c->out_len + 2, c->query, c->query_len, c->who,
					 c->padding);

		put16(c->out + c->out_len, len);
		c->out_len += 2 + len;
		c->answers_left--;
		c->padding = (c->padding + 1) % PADDING_MAX; /* of the next, if there are several */
	}
}

/* Takes one message out of the stream. Returns 0 when there is no more, -1 when it is wrong. */
static int take_message(struct connection *c)
{
	const char *what, *name;
	char text[NAME_MAX_LEN];
	size_t len, used;

	if (!c->in_len)
		return 0;
	if (!c->is_named) {
		used = read_header(c, &what);
		if (!used)
			return violation(c, what), -1;
		c->is_named = 1;
	} else {
		len = c->in_len < 2 ? 0 : get16(c->in);
		if (c->in_len >= 2 && (len < DNS_HEADER_LEN + 6 || len > QUERY_MAX))
			return violation(c, "a message of a length that no client sends"), -1;
		if (c->in_len < 2 + len || !len)
			return 0;
		name = name_of(c->in + 2, len, text);
		if (!name)
			return violation(c, "a message that no client sends"), -1;
		if (c->is_closing)
			return violation(c, "a query after the last one"), -1;
		fprintf(log_file, "%s %s\n", c->who, name);
		n_queries++;
		c->queries++;
		memcpy(c->query, c->in + 2, len);
		c->query_len = len;
		obey(c, name);
		answer(c);
		used = 2 + len;
	}
	c->in_len -= used;
	memmove(c->in, c->in + used, c->in_len);
	return 1;
}

static int take_messages(struct connection *c)
{
	int r = 1;

	while (r > 0 && !c->answers_left && c->out_len < OUT_ENOUGH)
		r = take_message(c);
	return r;
}

static int take_end(struct connection *c)
{
	c->is_ended = 1;
	if (c->is_named && !c->in_len && !c->queries) {
		n_empty++;
		fprintf(log_file, "%s -\n", c->who);
	}
	if (!c->is_named)
		return violation(c, "a connection that ends without PROXY header"), -1;
	return 0;
}

/* -1: the connection is over */
static int receive(struct connection *c)
{
	ssize_t n = read(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len);

	if (n < 0) {
		if (errno == EAGAIN)
			return 0;
		n_resets++;
		return -1;
	}
	if (!n)
		return take_end(c);
	for (ssize_t i = 0; i < n && c->n_first < sizeof(c->first); i++)
		c->first[c->n_first++] = c->in[c->in_len + i];
	c->in_len += n;
	c->bytes += n;
	if (is_slow && !below(&draws, 40)) {
		c->pause_until_ms = now_ms() + below(&draws, 1000);
		n_paused++;
		n_pauses++;
	}
	return take_messages(c);
}

static int transmit(struct connection *c)
{
	ssize_t n;

	do {
		answer(c);
		n = c->out_len ? write(c->fd, c->out, c->out_len) : 0;
		if (n < 0) {
			if (errno == EAGAIN)
				return 0;
			n_resets++;
			return -1;
		}
		c->out_len -= n;
		memmove(c->out, c->out + n, c->out_len);
	} while (c->answers_left && n > 0);
	return take_messages(c);
}

static void serve(struct connection *c, unsigned int events)
{
	int r = 0;

	if (events & EPOLLIN)
		r = receive(c);
	if (r >= 0 && (c->out_len || c->answers_left || c->in_len))
		r = transmit(c);
	if (r >= 0 && c->is_ended && !c->out_len && !c->answers_left) {
		if (c->in_len)
			violation(c, "a connection that ends within a message");
		r = -1;
	}
	/* After RST nobody hears a FIN, and there is no EPOLLIN where nothing is wanted. */
	if (r >= 0 && (events & EPOLLERR)) {
		n_resets++;
		r = -1;
	}
	if (r < 0) {
		forget(c);
		return;
	}
	if (c->is_closing && !c->is_shut && !c->out_len && !c->answers_left) {
		c->is_shut = 1;
		shutdown(c->fd, SHUT_WR);
	}
	watch(c);
}

static void end_pauses(void)
{
	uint64_t now = now_ms();

	for (int i = 0; n_paused && i < FDS_MAX; i++) {
		struct connection *c = connections[i];

		if (c && c->pause_until_ms && c->pause_until_ms <= now) {
			c->pause_until_ms = 0;
			n_paused--;
			watch(c);
		}
	}
}

static int listen_at(unsigned int port)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, zero = 0,
	    queue = 4096;
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, queue))
		die("listening");
	epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
	return fd;
}

/* The next connections' buffer, and with it the window and its scale in their SYN-ACK. */
static void change_buffer(int listener)
{
	static const int sizes[] = { 1152, 2304, 4096, 16384, 65536, 1 << 20 };
	int size = sizes[below(&draws, 6)];

	setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

static void take_connections(int listener, int has_buffer)
{
	struct sockaddr_in6 peer;
	socklen_t len = sizeof(peer);
	int fd, one = 1;

	while ((fd = accept4(listener, (struct sockaddr *)&peer, &len,
			     SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };
		struct connection *c = calloc(1, sizeof(*c));

		if (!c || fd >= FDS_MAX)
			die("too many connections");
		n_connections++;
		c->fd = fd;
		say_who(c->peer, &peer.sin6_addr, ntohs(peer.sin6_port));
		if (!n_frontends) {
			strcpy(c->who, c->peer);
			c->is_named = 1;
		}
		connections[fd] = c;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
		if (is_slow && !below(&draws, 8)) {
			c->pause_until_ms = now_ms() + below(&draws, 1000);
			n_paused++;
			n_pauses++;
			watch(c);
		}
		if (has_buffer)
			change_buffer(listener);
	}
}

static void on_signal(int signal)
{
	(void)signal;
	stopped = 1;
}

static void add_frontend(const char *text)
{
	struct in_addr address4;
	struct in6_addr *a = &frontends[n_frontends++];

	memset(a, 0, sizeof(*a));
	if (n_frontends <= FRONTENDS_MAX && inet_pton(AF_INET, text, &address4) == 1) {
		memset(&a->s6_addr[10], 0xff, 2);
		memcpy(&a->s6_addr[12], &address4, 4);
	} else if (n_frontends > FRONTENDS_MAX || inet_pton(AF_INET6, text, a) != 1) {
		die(text);
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct epoll_event events[64];
	int option, plain, buffered = -1, n;

	while ((option = getopt(argc, argv, "mp:")) != -1) {
		if (option == 'm')
			is_slow = 1;
		else if (option == 'p')
			add_frontend(optarg);
		else
			return 2;
	}
	if (argc - optind != 2) {
		fprintf(stderr, "usage: talk_server [-m] [-p FRONTEND]... PORT LOG\n");
		return 2;
	}
	log_file = fopen(argv[optind + 1], "w");
	poller = epoll_create1(EPOLL_CLOEXEC);
	if (!log_file || poller < 0)
		die(argv[optind + 1]);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* Half of the connections fall to either. A buffer once set no longer grows by itself. */
	plain = listen_at(atoi(argv[optind]));
	if (is_slow) {
		buffered = listen_at(atoi(argv[optind]));
		change_buffer(buffered);
	}
	puts("ready");
	fflush(stdout);

	while (!stopped) {
		n = epoll_wait(poller, events, 64, n_paused ? 10 : 100);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd == plain || fd == buffered)
				take_connections(fd, fd == buffered);
			else if (connections[fd])
				serve(connections[fd], events[i].events);
		}
		if (n_paused)
			end_pauses();
	}
	fclose(log_file);
	printf("%lu connections, %lu queries, %lu without any, %lu reset, %lu pauses, %lu violations\n",
	       n_connections, n_queries, n_empty, n_resets, n_pauses, n_violations);
	return n_violations != 0;
}
