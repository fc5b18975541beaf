// SPDX-License-Identifier: GPL-2.0-only
#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

#include "proxy_header.h"

#define DNS_HEADER_LEN 12
#define DNS_FLAG_QR 0x80 /* in the third byte */
#define QUERY_LEN (DNS_HEADER_LEN + 1 + 4)
#define TCP_LENGTH_LEN 2
#define MESSAGE_MAX_LEN (PROXY_HEADER_MAX_LEN + TCP_LENGTH_LEN + QUERY_LEN)

#define SEND_AGAIN_MS (PROBE_TIMEOUT_MS / 3) /* UDP, which may be lost */
#define BIND_ATTEMPTS 32
#define FIRST_FREE_PORT 1024

/* One probe under way. */
struct attempt {
	struct probe *probe;
	int fd; /* -1: it is over */
	uint16_t id;
	bool is_connected; /* TCP */
	unsigned char message[MESSAGE_MAX_LEN];
	size_t message_len;
	unsigned char reply[TCP_LENGTH_LEN + DNS_HEADER_LEN];
	size_t reply_len;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint16_t random_u16(void)
{
	uint16_t number = 0;

	/* Unpredictable is better here, but not needed. */
	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != sizeof(number))
		number = (uint16_t)now_ms();
	return number;
}

static void finish(struct attempt *attempt, enum probe_result result)
{
	attempt->probe->result = result;
	closep(&attempt->fd);
	attempt->fd = -1;
}

static void fail(struct attempt *attempt, int error)
{
	attempt->probe->error = error;
	finish(attempt, PROBE_FAILED);
}

/* --- what is sent ----------------------------------------------------------------------------- */

/* SOA of the root: every server has some answer to it, if only REFUSED. */
static void write_query(unsigned char query[static QUERY_LEN], uint16_t id)
{
	static const unsigned char rest[QUERY_LEN - 2] = {
		0, 0, 0, 1, 0, 0, 0, 0, 0, 0, /* one question */
		0, 0, 6, 0, 1,		      /* ".", SOA, IN */
	};

	query[0] = (unsigned char)(id >> 8);
	query[1] = (unsigned char)id;
	memcpy(query + 2, rest, sizeof(rest));
}

static void write_message(struct attempt *attempt, unsigned int source_port)
{
	const struct probe *probe = attempt->probe;
	struct proxy_peer source = { probe->source, source_port };
	struct proxy_peer destination = { probe->backend, probe->port };
	size_t len = proxy_header_write(attempt->message, &source, &destination, probe->is_tcp);

	if (probe->is_tcp) {
		attempt->message[len++] = 0;
		attempt->message[len++] = QUERY_LEN;
	}
	write_query(attempt->message + len, attempt->id);
	attempt->message_len = len + QUERY_LEN;
}

/* --- sockets ---------------------------------------------------------------------------------- */

/* An address as the kernel wants it. Returns its length. */
static socklen_t make_sockaddr(const struct edge53_addr *address, unsigned int port,
			       struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *in = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	if (addr_is_ipv4(address)) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		memcpy(&in->sin_addr, &address->bytes[12], sizeof(in->sin_addr));
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((uint16_t)port);
	memcpy(&in6->sin6_addr, address->bytes, sizeof(in6->sin6_addr));
	return sizeof(*in6);
}

static bool is_the_dataplanes(unsigned int port, const struct config_limits *limits)
{
	return port >= limits->port_first && port <= limits->port_last;
}

/* Binds to the source and a port that is not the dataplane's. Returns the port, or -errno. */
static int bind_source(int fd, const struct edge53_addr *source, const struct config_limits *limits)
{
	for (int i = 0; i < BIND_ATTEMPTS; i++) {
		unsigned int port = random_u16() | 0x8000;
		struct sockaddr_storage address;
		socklen_t len;

		/* There is room above or below: limits.ports may be all of the upper half. */
		if (is_the_dataplanes(port, limits))
			port = FIRST_FREE_PORT + port % (0x8000 - FIRST_FREE_PORT);
		if (is_the_dataplanes(port, limits))
			continue;
		len = make_sockaddr(source, port, &address);
		if (!bind(fd, (struct sockaddr *)&address, len))
			return (int)port;
		if (errno != EADDRINUSE)
			return -errno;
	}
	return -EADDRINUSE;
}

/* A nonblocking socket by the device that queries take. Returns a descriptor, or -errno. */
static int open_socket(const struct probe *probe)
{
	int family = addr_is_ipv4(&probe->backend) ? AF_INET : AF_INET6;
	int type = probe->is_tcp ? SOCK_STREAM : SOCK_DGRAM;
	int ifindex = (int)probe->ifindex;
	_cleanup_(closep) int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &ifindex, sizeof(ifindex)))
		return -errno;
	return take_fd(&fd);
}

static int begin_connect(struct attempt *attempt, const struct config_limits *limits)
{
	const struct probe *probe = attempt->probe;
	struct sockaddr_storage address;
	socklen_t len = make_sockaddr(&probe->backend, probe->port, &address);
	int port;

	attempt->fd = open_socket(probe);
	if (attempt->fd < 0)
		return attempt->fd;
	port = bind_source(attempt->fd, &probe->source, limits);
	if (port < 0)
		return port;
	write_message(attempt, (unsigned int)port);
	if (connect(attempt->fd, (struct sockaddr *)&address, len) && errno != EINPROGRESS)
		return -errno;
	return 0;
}

static void on_error(struct attempt *attempt, int error)
{
	if (error == EAGAIN || error == EINTR)
		return;
	if (error == ECONNREFUSED)
		finish(attempt, PROBE_REFUSED);
	else if (error == ECONNRESET || error == EPIPE)
		finish(attempt, PROBE_CLOSED);
	else
		fail(attempt, error);
}

static void send_message(struct attempt *attempt)
{
	/* In one piece: some servers do not wait for the rest of a header. */
	if (send(attempt->fd, attempt->message, attempt->message_len, MSG_NOSIGNAL) < 0)
		on_error(attempt, errno);
}

static void begin(struct attempt *attempt, struct probe *probe, const struct config_limits *limits)
{
	int r;

	*attempt = (struct attempt){ .probe = probe, .fd = -1, .id = random_u16() };
	/* Else an answer to the header would look like one to the query. */
	if (attempt->id == PROXY_HEADER_AS_ID)
		attempt->id++;
	probe->result = PROBE_SILENT;
	r = begin_connect(attempt, limits);
	if (r < 0)
		fail(attempt, -r);
	else if (!probe->is_tcp)
		send_message(attempt);
}

/* --- what comes back -------------------------------------------------------------------------- */

/* What is no answer to our query is nobody's. */
static void judge_reply(struct attempt *attempt, const unsigned char *dns)
{
	unsigned int id = (unsigned int)dns[0] << 8 | dns[1];

	if (!(dns[2] & DNS_FLAG_QR))
		return;
	if (id == attempt->id)
		finish(attempt, PROBE_ANSWERED);
	else if (id == PROXY_HEADER_AS_ID)
		finish(attempt, PROBE_HEADER_NOT_READ);
}

static void read_datagram(struct attempt *attempt)
{
	unsigned char reply[DNS_HEADER_LEN];
	ssize_t len = recv(attempt->fd, reply, sizeof(reply), 0);

	if (len < 0)
		on_error(attempt, errno);
	else if (len == sizeof(reply))
		judge_reply(attempt, reply);
}

static void read_stream(struct attempt *attempt)
{
	ssize_t len = recv(attempt->fd, attempt->reply + attempt->reply_len,
			   sizeof(attempt->reply) - attempt->reply_len, 0);

	if (len < 0) {
		on_error(attempt, errno);
		return;
	}
	attempt->reply_len += (size_t)len;
	if (attempt->reply_len == sizeof(attempt->reply))
		judge_reply(attempt, attempt->reply + TCP_LENGTH_LEN);
	/* At the end, or after what is no answer. */
	if (attempt->fd >= 0 && (!len || attempt->reply_len == sizeof(attempt->reply)))
		finish(attempt, PROBE_CLOSED);
}

static void end_connect(struct attempt *attempt)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &error, &len))
		error = errno;
	if (error) {
		on_error(attempt, error);
		return;
	}
	attempt->is_connected = true;
	send_message(attempt);
}

static void on_event(struct attempt *attempt)
{
	if (!attempt->probe->is_tcp)
		read_datagram(attempt);
	else if (attempt->is_connected)
		read_stream(attempt);
	else
		end_connect(attempt);
}

/* --- all of them ------------------------------------------------------------------------------ */

/* Returns how many are waited for. */
static size_t fill_polls(const struct attempt *attempts, size_t n, struct pollfd *polls)
{
	size_t n_open = 0;

	for (size_t i = 0; i < n; i++) {
		bool is_connecting = attempts[i].probe->is_tcp && !attempts[i].is_connected;

		polls[i] = (struct pollfd){ .fd = attempts[i].fd,
					    .events = is_connecting ? POLLOUT : POLLIN };
		n_open += attempts[i].fd >= 0;
	}
	return n_open;
}

static void send_again(struct attempt *attempts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (attempts[i].fd >= 0 && !attempts[i].probe->is_tcp)
			send_message(&attempts[i]);
}

static void wait_for(struct attempt *attempts, size_t n, struct pollfd *polls)
{
	uint64_t begin_ms = now_ms(), passed_ms;
	bool is_sent_again = false;

	while ((passed_ms = now_ms() - begin_ms) < PROBE_TIMEOUT_MS) {
		uint64_t until_ms = is_sent_again ? PROBE_TIMEOUT_MS : SEND_AGAIN_MS;

		if (!is_sent_again && passed_ms >= SEND_AGAIN_MS) {
			send_again(attempts, n);
			is_sent_again = true;
			continue;
		}
		if (!fill_polls(attempts, n, polls))
			return;
		if (poll(polls, n, (int)(until_ms - passed_ms)) <= 0)
			continue;
		for (size_t i = 0; i < n; i++)
			if (attempts[i].fd >= 0 && polls[i].revents)
				on_event(&attempts[i]);
	}
}

int probe_all(struct probe *probes, size_t n, const struct config_limits *limits)
{
	_cleanup_(freep) struct attempt *attempts = calloc(n + 1, sizeof(*attempts));
	_cleanup_(freep) struct pollfd *polls = calloc(n + 1, sizeof(*polls));

	if (!attempts || !polls)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		begin(&attempts[i], &probes[i], limits);
	wait_for(attempts, n, polls);
	for (size_t i = 0; i < n; i++)
		closep(&attempts[i].fd);
	return 0;
}
