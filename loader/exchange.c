// SPDX-License-Identifier: GPL-2.0-only
#include "exchange.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

#include "wire.h"

#define TCP_LENGTH_LEN 2
#define BIND_ATTEMPTS 32
#define FIRST_FREE_PORT 1024

static uint16_t random_u16(void)
{
	uint16_t number = 0;
	struct timespec now;

	/* Unpredictable is better here, but not needed. */
	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) == sizeof(number))
		return number;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint16_t)(now.tv_nsec / 1000);
}

void exchange_end(struct exchange *exchange)
{
	closep(&exchange->fd);
	exchange->fd = -1;
}

static bool is_over(const struct exchange *exchange)
{
	return exchange->result != EDGE53_PROBE_NONE;
}

static void finish(struct exchange *exchange, enum edge53_probe_result result)
{
	exchange->result = result;
}

static void fail(struct exchange *exchange, enum edge53_probe_result result, int error)
{
	exchange->error = error;
	finish(exchange, result);
}

/* --- what is sent ----------------------------------------------------------------------------- */

static void write_message(struct exchange *exchange, unsigned int source_port)
{
	const struct exchange_target *target = &exchange->target;
	struct proxy_peer source = { target->source, source_port };
	struct proxy_peer destination = { target->backend, target->port };
	size_t len = 0, query_len;

	if (target->has_header)
		len = proxy_header_write(exchange->message, &source, &destination, target->is_tcp);
	if (target->is_tcp)
		len += TCP_LENGTH_LEN;
	query_len = dns_query_write(exchange->message + len, exchange->id, target->question);
	if (target->is_tcp)
		store_u16(exchange->message + len - TCP_LENGTH_LEN, (unsigned int)query_len);
	exchange->message_len = len + query_len;
}

/* --- sockets ---------------------------------------------------------------------------------- */

/* An address as the kernel wants it. Returns its length. */
static socklen_t make_sockaddr(const struct edge53_addr *address, bool is_ipv4, unsigned int port,
			       struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *in = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	if (is_ipv4) {
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
static int bind_source(int fd, const struct exchange_target *target,
		       const struct config_limits *limits)
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
		len = make_sockaddr(&target->source, addr_is_ipv4(&target->backend), port,
				    &address);
		if (!bind(fd, (struct sockaddr *)&address, len))
			return (int)port;
		if (errno != EADDRINUSE)
			return -errno;
	}
	return -EADDRINUSE;
}

/*
 * A nonblocking socket by the device that queries take. Of TCP it leaves no TIME_WAIT behind, which would hold a port
 * for a minute after each question. Returns a descriptor, or -errno.
 */
static int open_socket(const struct exchange_target *target)
{
	int family = addr_is_ipv4(&target->backend) ? AF_INET : AF_INET6;
	int type = target->is_tcp ? SOCK_STREAM : SOCK_DGRAM;
	int ifindex = (int)target->ifindex;
	struct linger linger = { .l_onoff = 1 };
	_cleanup_(closep) int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (ifindex && setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &ifindex, sizeof(ifindex)))
		return -errno;
	if (target->is_tcp && setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)))
		return -errno;
	return take_fd(&fd);
}

/* What the network says of the backend. */
static void on_network_error(struct exchange *exchange, int error)
{
	if (error == EAGAIN || error == EINTR)
		return;
	if (error == ECONNREFUSED)
		finish(exchange, EDGE53_PROBE_PORT_CLOSED);
	else if (error == ECONNRESET || error == EPIPE)
		finish(exchange, EDGE53_PROBE_CLOSED);
	else
		fail(exchange, EDGE53_PROBE_UNREACHABLE, error);
}

/* The same while sending, when it may also be this host that does not let it out. */
static void on_own_error(struct exchange *exchange, int error)
{
	switch (error) {
	case EPERM: /* a packet filter's; clients' queries go past it */
	case EACCES:
	case EADDRINUSE:
	case EADDRNOTAVAIL:
	case EINVAL:
	case EMFILE:
	case EMSGSIZE:
	case ENFILE:
	case ENOBUFS:
	case ENODEV:
	case ENOMEM:
		fail(exchange, EDGE53_PROBE_NOT_SENT, error);
		return;
	default:
		on_network_error(exchange, error);
	}
}

static int begin_connect(struct exchange *exchange, const struct config_limits *limits)
{
	const struct exchange_target *target = &exchange->target;
	struct sockaddr_storage address;
	socklen_t len = make_sockaddr(&target->backend, addr_is_ipv4(&target->backend),
				      target->port, &address);
	int port;

	exchange->fd = open_socket(target);
	if (exchange->fd < 0)
		return exchange->fd;
	port = bind_source(exchange->fd, target, limits);
	if (port < 0)
		return port;
	write_message(exchange, (unsigned int)port);
	if (connect(exchange->fd, (struct sockaddr *)&address, len) && errno != EINPROGRESS)
		return -errno;
	return 0;
}

static void send_message(struct exchange *exchange)
{
	/* In one piece: some servers do not wait for the rest of a header. */
	if (send(exchange->fd, exchange->message, exchange->message_len, MSG_NOSIGNAL) < 0)
		on_own_error(exchange, errno);
}

void exchange_begin(struct exchange *exchange, const struct exchange_target *target,
		    const struct config_limits *limits)
{
	int r;

	*exchange = (struct exchange){ .target = *target, .fd = -1, .id = random_u16() };
	/* Else an answer to the header would look like one to the query. */
	if (exchange->id == PROXY_HEADER_AS_ID)
		exchange->id++;
	r = begin_connect(exchange, limits);
	if (r < 0)
		on_own_error(exchange, -r);
	else if (!target->is_tcp)
		send_message(exchange);
}

void exchange_send_again(struct exchange *exchange)
{
	if (!is_over(exchange) && !exchange->target.is_tcp)
		send_message(exchange);
}

bool exchange_wants_to_write(const struct exchange *exchange)
{
	return exchange->target.is_tcp && !exchange->is_connected;
}

/* --- what comes back -------------------------------------------------------------------------- */

/* What is no answer to our query is nobody's. */
static void judge_reply(struct exchange *exchange, const unsigned char *message, size_t len)
{
	switch (dns_reply_judge(message, len, exchange->id, exchange->target.question,
				&exchange->rcode)) {
	case DNS_REPLY_OURS:
		finish(exchange, EDGE53_PROBE_ANSWERED);
		return;
	case DNS_REPLY_TO_HEADER:
		if (exchange->target.has_header)
			finish(exchange, EDGE53_PROBE_HEADER_NOT_READ);
		return;
	case DNS_REPLY_NOT_OURS:
		return;
	}
}

static void read_datagram(struct exchange *exchange)
{
	ssize_t len = recv(exchange->fd, exchange->reply, sizeof(exchange->reply), 0);

	if (len < 0)
		on_network_error(exchange, errno);
	else
		judge_reply(exchange, exchange->reply, (size_t)len);
}

/* How much of a reply by TCP is looked at: what the length says, but not more than header and question. */
static size_t wanted_len(const struct exchange *exchange)
{
	const unsigned char *reply = exchange->reply;
	size_t len = u16_at(reply);
	size_t max = DNS_MESSAGE_HEADER_LEN + exchange->target.question->len;

	return exchange->reply_len < TCP_LENGTH_LEN ? TCP_LENGTH_LEN
						    : TCP_LENGTH_LEN + (len < max ? len : max);
}

static void read_stream(struct exchange *exchange)
{
	while (!is_over(exchange)) {
		size_t wanted = wanted_len(exchange) - exchange->reply_len;
		ssize_t len = wanted ? recv(exchange->fd, exchange->reply + exchange->reply_len,
					    wanted, 0)
				     : 0;

		if (len < 0) {
			on_network_error(exchange, errno);
			return;
		}
		exchange->reply_len += (size_t)len;
		if (len && exchange->reply_len < wanted_len(exchange))
			continue;
		if (exchange->reply_len > TCP_LENGTH_LEN)
			judge_reply(exchange, exchange->reply + TCP_LENGTH_LEN,
				    exchange->reply_len - TCP_LENGTH_LEN);
		/* At the end, or after what is no answer. */
		if (!is_over(exchange))
			finish(exchange, EDGE53_PROBE_CLOSED);
	}
}

static void end_connect(struct exchange *exchange)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(exchange->fd, SOL_SOCKET, SO_ERROR, &error, &len))
		error = errno;
	if (error) {
		on_network_error(exchange, error);
		return;
	}
	exchange->is_connected = true;
	send_message(exchange);
}

void exchange_on_event(struct exchange *exchange)
{
	if (is_over(exchange))
		return;
	if (!exchange->target.is_tcp)
		read_datagram(exchange);
	else if (exchange->is_connected)
		read_stream(exchange);
	else
		end_connect(exchange);
}

void exchange_expire(struct exchange *exchange)
{
	if (!is_over(exchange))
		finish(exchange, EDGE53_PROBE_SILENT);
}
