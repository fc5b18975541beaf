// SPDX-License-Identifier: GPL-2.0-only
/*
 * The readers of what the kernel says over netlink: links, addresses, default routes, and the
 * answer to one question. The socket is ours: send and receive are wrapped by the linker.
 *
 * Input: datagrams, each 2 bytes of length and its bytes. A message with port 0xffffffff gets the
 * port and sequence number that belong to the request, as most messages of the kernel have.
 */
#include <errno.h>
#include <net/if_arp.h>
#include <sys/socket.h>

#include "fuzz.h"

#include "host_parts.h"

#define MAX_DATAGRAM 8192
#define OWN_PORT 53
#define ANY_PORT 0xffffffff

static struct {
	struct input in;
	uint32_t sequence; /* of the request sent last */
	uint8_t datagram[MAX_DATAGRAM];
	size_t len;
	bool is_waiting; /* peeked at and not yet received */
} kernel;

ssize_t __wrap_sendto(int fd, const void *bytes, size_t len, int flags, const struct sockaddr *to,
		      socklen_t to_len);
ssize_t __wrap_recv(int fd, void *bytes, size_t len, int flags);
ssize_t __wrap_recvfrom(int fd, void *bytes, size_t len, int flags, struct sockaddr *from,
			socklen_t *from_len);

ssize_t __wrap_sendto(int fd, const void *bytes, size_t len, int flags, const struct sockaddr *to,
		      socklen_t to_len)
{
	struct nlmsghdr request;

	(void)fd, (void)flags, (void)to, (void)to_len;
	assert(len >= sizeof(request));
	memcpy(&request, bytes, sizeof(request));
	assert(request.nlmsg_len == len);
	kernel.sequence = request.nlmsg_seq;
	return len;
}

static void address_messages(void)
{
	for (size_t at = 0; at + sizeof(struct nlmsghdr) <= kernel.len;) {
		struct nlmsghdr header;

		memcpy(&header, kernel.datagram + at, sizeof(header));
		if (header.nlmsg_pid == ANY_PORT) {
			header.nlmsg_pid = OWN_PORT;
			header.nlmsg_seq = kernel.sequence;
			memcpy(kernel.datagram + at, &header, sizeof(header));
		}
		if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > kernel.len - at)
			return;
		at += MNL_ALIGN(header.nlmsg_len);
	}
}

ssize_t __wrap_recv(int fd, void *bytes, size_t len, int flags)
{
	(void)fd, (void)bytes;
	assert(len == 0 && flags == (MSG_PEEK | MSG_TRUNC));
	if (!kernel.is_waiting && !kernel.in.len) {
		errno = EAGAIN;
		return -1;
	}
	if (!kernel.is_waiting) {
		kernel.len = input_u16(&kernel.in) % (MAX_DATAGRAM + 1);
		if (kernel.len > kernel.in.len)
			kernel.len = kernel.in.len;
		input_take(&kernel.in, kernel.datagram, kernel.len);
		address_messages();
		kernel.is_waiting = true;
	}
	return kernel.len;
}

ssize_t __wrap_recvfrom(int fd, void *bytes, size_t len, int flags, struct sockaddr *from,
			socklen_t *from_len)
{
	struct sockaddr_nl sender = { .nl_family = AF_NETLINK };

	(void)fd, (void)flags;
	assert(kernel.is_waiting && *from_len == sizeof(sender));
	kernel.is_waiting = false;
	memcpy(from, &sender, sizeof(sender));
	memcpy(bytes, kernel.datagram, len < kernel.len ? len : kernel.len);
	return kernel.len;
}

/*
 * As netlink_open() does it, but for a small buffer: one that has to grow to the length of each
 * datagram lets ASan see what is read behind it.
 */
static struct netlink *open_netlink(void)
{
	struct netlink *netlink = calloc(1, sizeof(*netlink));

	assert(netlink);
	netlink->fd = -1;
	netlink->port = OWN_PORT;
	netlink->buffer_len = sizeof(struct nlmsghdr);
	netlink->buffer = malloc(netlink->buffer_len);
	assert(netlink->buffer);
	return netlink;
}

static void check_host(const struct host *host)
{
	for (size_t i = 0; i < host->n_links; i++) {
		const struct host_link *link = &host->links[i];

		assert(link->ifindex > 0 && link->ifindex <= INT32_MAX);
		assert(!i || host->links[i - 1].ifindex <= link->ifindex);
		assert(memchr(link->name, 0, sizeof(link->name)));
		assert(memchr(link->kind, 0, sizeof(link->kind)));
		assert(!link->has_mac || host_link_is_ethernet(link));
		assert(host_link_by_name(host, link->name));
		assert(host_link_by_index(host, link->ifindex)->ifindex == link->ifindex);
	}
	for (size_t i = 0; i < host->n_addresses; i++) {
		const struct host_address *one = &host->addresses[i];

		assert(one->prefix_len <= 128);
	}
}

static void ask(struct netlink *netlink, struct host *host)
{
	struct host_question question = { .target = addr_from_ipv4("\x0a\x35\x00\x01") };
	struct host_route route = {};

	if (host->n_links)
		memcpy(question.tunnel, host->links[0].name, sizeof(question.tunnel));
	host->routes = &route;
	host->n_routes = 1;
	if (host_answer(netlink, host, &question) == 0 && route.reachable)
		assert(addr_equal(&route.target, &question.target) && !netlink->broken);
	host->n_routes = 0;
	host->routes = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct host *host = calloc(1, sizeof(*host));
	struct netlink *netlink = open_netlink();
	int r;

	assert(host);
	kernel.in = (struct input){ bytes, len };
	kernel.is_waiting = false;
	r = host_read_links(netlink, host)
	    ?: host_read_addresses(netlink, host)
	    ?: host_read_default_routes(netlink, host);
	assert(r <= 0 && r > -4096);
	if (r == 0) {
		check_host(host);
		ask(netlink, host);
	}
	netlink_free(netlink);
	host_free(host);
	return 0;
}
