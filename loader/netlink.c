// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "netlink.h"

#define FIRST_BUFFER_LEN (64 << 10)
#define LARGEST_MESSAGE (4 << 20)
#define MAX_DUMPS 16
#define ANSWER_TIMEOUT_S 5 /* the kernel answers at once; without a limit a lost answer hangs us */

enum { GO_ON, ANSWER_ENDS };

int netlink_open(int bus, struct netlink **ret)
{
	_cleanup_(netlink_freep) struct netlink *netlink = calloc(1, sizeof(*netlink));
	struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT_S };
	struct sockaddr_nl self = { .nl_family = AF_NETLINK };
	socklen_t self_len = sizeof(self);
	int on = 1;

	if (!netlink)
		return -ENOMEM;
	netlink->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, bus);
	if (netlink->fd < 0)
		return -errno;
	netlink->buffer_len = FIRST_BUFFER_LEN;
	netlink->buffer = malloc(netlink->buffer_len);
	if (!netlink->buffer)
		return -ENOMEM;

	/* Both are bonuses: filters in dumps (4.20) and answers that do not repeat the request. */
	setsockopt(netlink->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	setsockopt(netlink->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));

	if (setsockopt(netlink->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    bind(netlink->fd, (struct sockaddr *)&self, sizeof(self)) < 0 ||
	    getsockname(netlink->fd, (struct sockaddr *)&self, &self_len) < 0)
		return -errno;
	netlink->port = self.nl_pid;
	*ret = take_ptr(netlink);
	return 0;
}

void netlink_free(struct netlink *netlink)
{
	if (!netlink)
		return;
	closep(&netlink->fd);
	free(netlink->buffer);
	free(netlink);
}

struct nlmsghdr *netlink_request(struct netlink *netlink, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *request;

	memset(&netlink->request, 0, sizeof(netlink->request));
	request = mnl_nlmsg_put_header(&netlink->request);
	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | flags;
	return request;
}

static int send_request(struct netlink *netlink)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct nlmsghdr *request = &netlink->request.header;
	ssize_t n;

	/* 0 is what unsolicited messages carry. */
	if (!++netlink->sequence)
		netlink->sequence = 1;
	request->nlmsg_seq = netlink->sequence;
	do {
		n = sendto(netlink->fd, request, request->nlmsg_len, 0,
			   (struct sockaddr *)&kernel, sizeof(kernel));
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* Length of the next datagram, which stays in the socket. */
static ssize_t peek_len(int fd)
{
	ssize_t n;

	do {
		n = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return n;
}

/* Receives one datagram from the kernel. Returns its length; 0: it was someone else's. */
static ssize_t receive(struct netlink *netlink)
{
	struct sockaddr_nl from = { 0 };
	socklen_t from_len = sizeof(from);
	ssize_t n = peek_len(netlink->fd);

	if (n < 0)
		return n;
	if (n > LARGEST_MESSAGE)
		return -EMSGSIZE;
	if ((size_t)n > netlink->buffer_len) {
		char *larger = realloc(netlink->buffer, n);

		if (!larger)
			return -ENOMEM;
		netlink->buffer = larger;
		netlink->buffer_len = n;
	}
	do {
		n = recvfrom(netlink->fd, netlink->buffer, netlink->buffer_len, MSG_TRUNC,
			     (struct sockaddr *)&from, &from_len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	if ((size_t)n > netlink->buffer_len)
		return -EMSGSIZE;
	if (from_len != sizeof(from) || from.nl_family != AF_NETLINK)
		return -EBADMSG;
	return from.nl_pid == 0 ? n : 0;
}

/* The number that NLMSG_ERROR and NLMSG_DONE begin with: 0 or a negative errno. */
static int read_verdict(const struct nlmsghdr *message, int *ret)
{
	int verdict;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(verdict))
		return -EBADMSG;
	memcpy(&verdict, mnl_nlmsg_get_payload(message), sizeof(verdict));
	/* A number outside the range of errnos must not pass for a failure of ours. */
	*ret = verdict > 0 || verdict < -4095 ? -EBADMSG : verdict;
	return 0;
}

/*
 * Reads one message. *result keeps the first failure of the reader, since the rest of a dump has to
 * be received all the same before the socket can be asked again.
 */
static int read_message(const struct nlmsghdr *message, const struct netlink_answer *answer,
			int *result, bool *interrupted)
{
	int verdict = 0, r;

	if (message->nlmsg_flags & NLM_F_DUMP_INTR)
		*interrupted = true;
	switch (message->nlmsg_type) {
	case NLMSG_NOOP:
		return GO_ON;
	case NLMSG_OVERRUN:
		return -EBADMSG;
	case NLMSG_DONE:
	case NLMSG_ERROR:
		r = read_verdict(message, &verdict);
		if (r < 0)
			return r;
		if (!*result)
			*result = verdict;
		return ANSWER_ENDS;
	}
	if (answer && !*result)
		*result = answer->read(message, answer->data);
	return GO_ON;
}

/* Not mnl_nlmsg_ok(): it takes a length of 2^31 or more for negative, hence for one that fits (libmnl 1.0.4). */
const struct nlmsghdr *netlink_whole_message(const char *bytes, size_t len)
{
	const struct nlmsghdr *message = (const void *)bytes;

	if (len < sizeof(*message) || message->nlmsg_len < sizeof(*message) ||
	    message->nlmsg_len > len)
		return NULL;
	return message;
}

static int read_datagram(struct netlink *netlink, size_t len, const struct netlink_answer *answer,
			 int *result, bool *interrupted)
{
	const struct nlmsghdr *message;
	size_t at;
	int r;

	for (at = 0; at < len; at += MNL_ALIGN(message->nlmsg_len)) {
		message = netlink_whole_message(netlink->buffer + at, len - at);
		if (!message)
			return -EBADMSG;
		if (message->nlmsg_seq != netlink->sequence || message->nlmsg_pid != netlink->port)
			continue;
		r = read_message(message, answer, result, interrupted);
		if (r != GO_ON)
			return r;
	}
	return GO_ON;
}

static int read_answer(struct netlink *netlink, const struct netlink_answer *answer, int *result,
		       bool *interrupted)
{
	int r;

	do {
		ssize_t n = receive(netlink);

		if (n < 0)
			return n;
		r = read_datagram(netlink, n, answer, result, interrupted);
	} while (r == GO_ON);
	return r < 0 ? r : 0;
}

int netlink_talk(struct netlink *netlink, const struct netlink_answer *answer)
{
	struct nlmsghdr *request = &netlink->request.header;
	int tries;

	if (netlink->broken)
		return -EBADF;
	/* A single object comes without an end; the acknowledgement after it is one. */
	if ((request->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		request->nlmsg_flags |= NLM_F_ACK;

	for (tries = 0; tries < MAX_DUMPS; tries++) {
		bool interrupted = false;
		int result = 0, r;

		if (answer && answer->forget)
			answer->forget(answer->data);
		r = send_request(netlink) ?: read_answer(netlink, answer, &result, &interrupted);
		if (r < 0) {
			netlink->broken = true;
			return r;
		}
		if (result < 0 || !interrupted)
			return result;
	}
	return -EAGAIN;
}

struct search {
	const struct netlink_attribute *wanted;
	const struct nlattr **found;
	size_t n;
};

static int match_attribute(const struct nlattr *attribute, void *data)
{
	const struct search *search = data;
	uint16_t type = mnl_attr_get_type(attribute);
	size_t i;

	for (i = 0; i < search->n; i++) {
		const struct netlink_attribute *wanted = &search->wanted[i];

		if (wanted->type != type)
			continue;
		if (mnl_attr_validate(attribute, wanted->data_type) < 0 ||
		    mnl_attr_get_payload_len(attribute) < wanted->min_len)
			return MNL_CB_ERROR;
		search->found[i] = attribute;
	}
	return MNL_CB_OK;
}

int netlink_parse(const void *bytes, size_t len, const struct netlink_attribute *wanted, size_t n,
		  const struct nlattr **found)
{
	struct search search = { .wanted = wanted, .found = found, .n = n };

	memset(found, 0, n * sizeof(*found));
	if (mnl_attr_parse_payload(bytes, len, match_attribute, &search) < 0)
		return -EBADMSG;
	return 0;
}

int netlink_attributes(const struct nlmsghdr *message, size_t header_len,
		       const struct netlink_attribute *wanted, size_t n,
		       const struct nlattr **found)
{
	size_t len = mnl_nlmsg_get_payload_len(message);

	if (len < MNL_ALIGN(header_len))
		return -EBADMSG;
	return netlink_parse(mnl_nlmsg_get_payload_offset(message, header_len),
			     len - MNL_ALIGN(header_len), wanted, n, found);
}

int netlink_nested(const struct nlattr *nest, const struct netlink_attribute *wanted, size_t n,
		   const struct nlattr **found)
{
	return netlink_parse(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest), wanted, n,
			     found);
}
