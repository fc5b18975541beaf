// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel tells of changes, and a snapshot that is brought up to date: of what a message says only
 * which device it is about is taken; what became of that is asked.
 */
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "host_parts.h"

#define WATCH_BUFFER_BYTES (4 << 20)
#define MAX_DRAINED 65536   /* messages a call; under a storm the caller must get its turn */
#define MESSAGE_BYTES 16384 /* a link's is some 2,000 */

/* --- what has changed ------------------------------------------------------------------------- */

static void note_device(struct host_changes *changes, unsigned int ifindex)
{
	for (size_t i = 0; i < changes->n_devices; i++)
		if (changes->devices[i] == ifindex)
			return;
	/* So many are sooner read all at once. */
	if (changes->n_devices == HOST_MAX_CHANGED)
		changes->all = true;
	else
		changes->devices[changes->n_devices++] = ifindex;
}

/* The device of a message that begins with this header; one that is cut short may be about any. */
#define NOTE_DEVICE(changes, message, type, member)                                                \
	do {                                                                                       \
		const type *_header = mnl_nlmsg_get_payload(message);                              \
                                                                                                   \
		if (mnl_nlmsg_get_payload_len(message) < sizeof(*_header))                         \
			(changes)->all = true;                                                     \
		else                                                                               \
			note_device(changes, (unsigned int)_header->member);                       \
	} while (0)

static void note_route(struct host_changes *changes, const struct nlmsghdr *message)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*route) || !route->rtm_dst_len)
		changes->default_routes = true;
}

/*
 * With the last address of its kind go the routes that have it as their source, and nothing is said of them. Of
 * one end of a point-to-point link a default route that matters goes with the link; there are thousands of those.
 */
static void note_lost_address(struct host_changes *changes, const struct nlmsghdr *message)
{
	static const struct netlink_attribute wanted[] = {
		{ IFA_ADDRESS, MNL_TYPE_U32, 0 },
		{ IFA_LOCAL, MNL_TYPE_U32, 0 },
	};
	const struct ifaddrmsg *address = mnl_nlmsg_get_payload(message);
	const struct nlattr *found[ARRAY_SIZE(wanted)];

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*address)) {
		changes->default_routes = true;
		return;
	}
	if (address->ifa_family != AF_INET)
		return; /* IPv6 routes stay, without the source */
	if (netlink_attributes(message, sizeof(*address), wanted, ARRAY_SIZE(wanted), found) < 0 ||
	    !found[0] || !found[1] || mnl_attr_get_u32(found[0]) == mnl_attr_get_u32(found[1]))
		changes->default_routes = true;
}

static void note_features(struct host_changes *changes, const struct nlmsghdr *message)
{
	const struct nlattr *ifindex = host_netdev_ifindex(message);

	if (ifindex)
		note_device(changes, mnl_attr_get_u32(ifindex));
	else
		changes->all = true;
}

/* Other routes and neighbours matter only to the questions, which are asked anew each time. */
static void note_message(struct host_changes *changes, const struct nlmsghdr *message)
{
	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		NOTE_DEVICE(changes, message, struct ifinfomsg, ifi_index);
		break;
	case RTM_DELADDR:
		note_lost_address(changes, message);
		NOTE_DEVICE(changes, message, struct ifaddrmsg, ifa_index);
		break;
	case RTM_NEWADDR:
		NOTE_DEVICE(changes, message, struct ifaddrmsg, ifa_index);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		note_route(changes, message);
		break;
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		/* Its routes go with it, without a word. */
		changes->default_routes = true;
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		break;
	default:
		changes->all = true;
	}
}

void host_note(struct host_changes *changes, bool is_generic, const void *datagram, size_t len)
{
	const struct nlmsghdr *message;

	for (size_t at = 0; at < len && !changes->all; at += MNL_ALIGN(message->nlmsg_len)) {
		message = netlink_whole_message((const char *)datagram + at, len - at);
		if (!message)
			changes->all = true;
		else if (is_generic)
			note_features(changes, message);
		else
			note_message(changes, message);
		if (!message)
			return;
	}
}

/* --- the watch -------------------------------------------------------------------------------- */

static int join_groups(int fd)
{
	static const int groups[] = {
		RTNLGRP_LINK,	    RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
		RTNLGRP_IPV6_ROUTE, RTNLGRP_NEIGH,	 RTNLGRP_NEXTHOP,
	};

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])) < 0)
			return -errno;
	return 0;
}

static int open_route_watch(void)
{
	_cleanup_(closep) int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct sockaddr_nl self = { .nl_family = AF_NETLINK };
	int bytes = WATCH_BUFFER_BYTES, r;

	if (fd < 0)
		return -errno;
	/* FORCE passes net.core.rmem_max but needs CAP_NET_ADMIN. An overflow is only noise. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (bind(fd, (struct sockaddr *)&self, sizeof(self)) < 0)
		return -errno;
	r = join_groups(fd);
	if (r < 0)
		return r;
	return take_fd(&fd);
}

int host_watch_open(struct host_watch *watch)
{
	*watch = (struct host_watch){ .changes.all = true, .features_fd = -1 };
	watch->route_fd = open_route_watch();
	if (watch->route_fd < 0)
		return watch->route_fd;
	watch->features_fd = host_watch_features_open();
	return 0;
}

void host_watch_close(struct host_watch *watch)
{
	closep(&watch->route_fd);
	closep(&watch->features_fd);
}

static int drain(struct host_changes *changes, int fd, bool is_generic)
{
	char datagram[MESSAGE_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	int heard = 0;

	for (int i = 0; i < MAX_DRAINED; i++) {
		ssize_t n = recv(fd, datagram, sizeof(datagram), MSG_DONTWAIT | MSG_TRUNC);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && errno != ENOBUFS && errno != EINTR)
			return -errno;
		if (n == 0 || (n < 0 && errno == EINTR))
			continue;
		heard = 1;
		if (n < 0 || (size_t)n > sizeof(datagram))
			changes->all = true;
		else
			host_note(changes, is_generic, datagram, (size_t)n);
	}
	return heard;
}

int host_watch_drain(struct host_watch *watch)
{
	int of_features = 0, r = drain(&watch->changes, watch->route_fd, false);

	if (r >= 0 && watch->features_fd >= 0)
		of_features = drain(&watch->changes, watch->features_fd, true);
	return of_features < 0 ? of_features : r < 0 ? r : r | of_features;
}

/* --- a snapshot brought up to date ------------------------------------------------------------ */

static int compare_indexes(const void *a, const void *b)
{
	const unsigned int *one = a, *other = b;

	return (*one > *other) - (*one < *other);
}

static bool is_changed(const struct host_changes *changes, unsigned int ifindex)
{
	return bsearch(&ifindex, changes->devices, changes->n_devices, sizeof(ifindex),
		       compare_indexes);
}

/* What the devices that have changed are now; those that are gone are not in it. */
static int read_changed(struct netlink *route, struct host_changes *changes, struct host *now)
{
	int r = 0;

	qsort(changes->devices, changes->n_devices, sizeof(changes->devices[0]), compare_indexes);
	for (size_t i = 0; i < changes->n_devices && !r; i++)
		r = host_read_link(route, now, changes->devices[i]);
	for (size_t i = 0; i < now->n_links && !r; i++)
		r = host_read_addresses_of(route, now, now->links[i].ifindex);
	return r ?: host_read_some_xdp_features(now) ?: host_read_offloads(now);
}

/*
 * Both are sorted by ifindex. Default routes are read again when one of these devices has or had one: IPv4 routes
 * go with a device that goes down, and nothing is said of them.
 */
static int merge_links(struct host *host, const struct host_changes *changes,
		       const struct host *now, bool *had_default)
{
	struct host_link *links = calloc(host->n_links + now->n_links + 1, sizeof(*links));
	size_t n = 0, new = 0;

	if (!links)
		return -ENOMEM;
	for (size_t i = 0; i < host->n_links; i++) {
		const struct host_link *old = &host->links[i];

		if (is_changed(changes, old->ifindex)) {
			*had_default |= old->is_default_route;
			continue;
		}
		while (new < now->n_links && now->links[new].ifindex < old->ifindex)
			links[n++] = now->links[new ++];
		links[n++] = *old;
	}
	while (new < now->n_links)
		links[n++] = now->links[new ++];
	free(host->links);
	host->links = links;
	host->n_links = n;
	return 0;
}

static int merge_addresses(struct host *host, const struct host_changes *changes,
			   const struct host *now)
{
	size_t kept = 0;
	int r = 0;

	for (size_t i = 0; i < host->n_addresses; i++)
		if (!is_changed(changes, host->addresses[i].ifindex))
			host->addresses[kept++] = host->addresses[i];
	host->n_addresses = kept;
	for (size_t i = 0; i < now->n_addresses && !r; i++) {
		r = array_grow(&host->addresses, host->n_addresses, sizeof(now->addresses[0]));
		if (!r)
			host->addresses[host->n_addresses++] = now->addresses[i];
	}
	return r;
}

static int update(struct host *host, struct host_changes *changes,
		  const struct host_question *questions, size_t n_questions)
{
	_cleanup_(netlink_freep) struct netlink *route = NULL;
	_cleanup_(host_freep) struct host *now = calloc(1, sizeof(*now));
	bool had_default = false;
	int r = now ? netlink_open(NETLINK_ROUTE, &route) : -ENOMEM;

	if (!r && changes->n_devices)
		r = read_changed(route, changes, now)
		    ?: merge_links(host, changes, now, &had_default)
		    ?: merge_addresses(host, changes, now);
	if (!r && (changes->default_routes || had_default))
		r = host_read_default_routes(route, host);
	return r ?: host_ask(route, host, questions, n_questions);
}

int host_read_changes(struct host_changes *changes, const struct host_question *questions,
		      size_t n_questions, struct host **host)
{
	int r = -ESTALE;

	if (*host && !changes->all)
		r = update(*host, changes, questions, n_questions);
	if (r < 0) {
		host_free(take_ptr(*host));
		r = host_read(questions, n_questions, host);
	}
	*changes = (struct host_changes){ .all = r < 0 };
	return r;
}
